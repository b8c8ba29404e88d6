"""Curves: the rows of each agree with each other, and their model has the parameters that are shared."""

import pandas as pd

from mgk.checks.files import CURVES, rows_asked_for
from mgk.study import Study
from mgk.tables.problems import Problem


def check_curves(study: Study) -> list[Problem]:
    """A curve is of one experiment, condition and animal, and gives sd and n for all of its points or for none."""
    from mgk.curves.models import find_model

    experiments = study.experiments("curves")
    if not experiments:
        return []
    _, named, problems = rows_asked_for(study, "curves", CURVES)
    wrong = {(p.row, p.column) for p in problems}
    for curve, rows in named.groupby("curve_id", sort=False):
        if curve:
            problems += [p for p in _curve_problems(curve, rows) if (p.row, p.column) not in wrong]
    for name, settings in experiments.items():
        directions = [settings["direction"]] if "direction" in settings else ["falling", "rising"]
        held = dict.fromkeys(p for d in directions for p in find_model(settings["model"], d).parameters)
        for i, parameter in enumerate(settings.get("shared", ())):
            if parameter not in held:
                allowed = f"must be a parameter of {settings['model']}: {', '.join(held)}"
                problems.append(
                    Problem("config.yaml", None, f"curves.experiments.{name}.shared.{i}", parameter, allowed)
                )
    return problems


def _curve_problems(curve: str, rows: pd.DataFrame) -> list[Problem]:
    found = []
    for column in ("experiment", "condition", "animal_id"):
        first = rows[column].iloc[0]
        for i in rows.index[rows[column] != first]:
            allowed = f"curve {curve} is of {column} {first or '(empty)'} in row {rows.index[0] + 2}"
            found.append(Problem(CURVES, int(i) + 2, column, rows.loc[i, column], allowed))
    for column in ("sd", "n"):
        empty = rows.index[rows[column].isna()]
        if 0 < len(empty) < len(rows):
            allowed = f"is empty, but other points of curve {curve} have it; all of them or none"
            found += [Problem(CURVES, int(i) + 2, column, "", allowed) for i in empty]
    return found
