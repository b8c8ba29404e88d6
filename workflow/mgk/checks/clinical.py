"""Clinical tables: arms that agree with each other, columns that are named, and the tables that a study has once."""

import pandas as pd

from mgk.study import ONCE, Study
from mgk.tables.files import file_problems
from mgk.tables.problems import Problem
from mgk.tables.schema import nearest


def check_clinical(study: Study) -> list[Problem]:
    """Each table is there and in order, and has what the settings name."""
    problems = []
    for name, settings in study.experiments("clinical").items():
        place = f"clinical.analyses.{name}.table"
        found = file_problems(study.raw_data, settings["table"], lambda path: [])
        if found:
            problems += [Problem("config.yaml", None, place, settings["table"], allowed) for allowed in found]
            continue
        file = f"raw_data/{settings['table']}"
        table, wrong = study.read_table(file, "clinical")
        problems += wrong
        if not any(p.row in (None, 1) for p in wrong):
            # Rows are held against themselves as well; a cell that is wrong in form is not wrong twice.
            places = {(p.row, p.column) for p in wrong}
            doubled = any(p.column == "study_id" for p in wrong)
            found = _check_arms(table, settings.get("measure", ""), file)
            found = [p for p in found if (p.row, p.column) not in places and not (doubled and p.column == "study_id")]
            problems += found
        problems += _check_named_columns(table, settings, name)
    return problems + [p for name in ONCE for p in _check_once(study, name)]


def _check_named_columns(table: pd.DataFrame, settings: dict, name: str) -> list[Problem]:
    """What the settings name as a column must be one that the table fills."""
    filled = [c for c in table if (table[c].notna() & (table[c] != "")).any()]
    problems = []
    for key in ("moderators", "subgroup", "cluster", "order"):
        named = settings.get(key, [])
        for column in [named] if isinstance(named, str) else named:
            if column not in filled:
                allowed = f"must be a column of {settings['table']} that is filled{nearest(column, filled)}"
                problems.append(Problem("config.yaml", None, f"clinical.analyses.{name}.{key}", column, allowed))
    return problems


def _check_once(study: Study, name: str) -> list[Problem]:
    """The table of an analysis that a study has once must be there and in order."""
    if name not in study.experiments(name):
        return []
    file = study.experiment(name, name)["table"]
    found = file_problems(study.raw_data, file, lambda path: [])
    if found:
        return [Problem("config.yaml", None, f"clinical.{name}", file, allowed) for allowed in found]
    return study.read_table(f"raw_data/{file}", name)[1]


def _check_arms(table: pd.DataFrame, measure: str, file: str) -> list[Problem]:
    from mgk.meta.effects import check_rows

    rows = [1, *(table.index + 2)]  # the header's first
    found = check_rows(table, measure)
    return [Problem(file, int(rows[i + 1]), column, value, allowed) for i, column, value, allowed in found]
