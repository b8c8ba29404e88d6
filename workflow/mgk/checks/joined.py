"""The checks of what joins the stages, before anything runs: equilibria, diagrams, synthesis.

Each names results of other sections of config.yaml; whether these are in order is the business of their own modules.
"""

import pandas as pd

from mgk.analyses import FREE_MAGNESIUM
from mgk.checks.files import SOLUTIONS
from mgk.study import Study
from mgk.tables.files import file_problems
from mgk.tables.problems import Problem
from mgk.tables.schema import nearest


def check_joined(study: Study) -> list[Problem]:
    """Return all problems of the sections that join others."""
    return [*_check_equilibria(study), *_check_diagrams(study), *_check_synthesis(study)]


def _check_equilibria(study: Study) -> list[Problem]:
    """The table of concentrations is in order, and each comparison names what is there."""
    if "equilibria" not in study.experiments("equilibria"):
        return []
    settings = study.experiment("equilibria", "equilibria")
    file = f"raw_data/{settings['table']}"
    if found := file_problems(study.raw_data, settings["table"]):
        return [Problem("config.yaml", None, "equilibria.table", settings["table"], allowed) for allowed in found]
    table, problems = study.read_table(file, "compartments")
    problems = [*problems, *_check_ranges(table, file, {(p.row, p.column) for p in problems})]
    recipes, systems = study.read_solutions()[0], dict.fromkeys(table["system"])
    words = f"an experiment with the analysis {' or '.join(FREE_MAGNESIUM)}"
    known = {"experiment": (study.magnesium_experiments(), words)}
    known |= {"solution": (recipes, f"a solution of {SOLUTIONS}"), "system": (systems, f"a system of {file}")}
    for number, compared in enumerate(settings.get("compare", ())):
        for key, (names, words) in known.items():
            if key in compared and compared[key] not in names:
                place = f"equilibria.compare.{number}.{key}"
                allowed = f"must be {words}{nearest(compared[key], names)}"
                problems.append(Problem("config.yaml", None, place, compared[key], allowed))
    return problems


def _check_ranges(table: pd.DataFrame, file: str, wrong: set) -> list[Problem]:
    """A range ends above its start, and stands once for a solute on a side of a system."""
    problems = []
    for i, row in table.iterrows():
        if row["high_mm"] < row["low_mm"] and not wrong & {(i + 2, "low_mm"), (i + 2, "high_mm")}:
            allowed = f"must be at least low_mm, which is {row['low_mm']:g}"
            problems.append(Problem(file, i + 2, "high_mm", f"{row['high_mm']:g}", allowed))
    for i in table.index[table.duplicated(["system", "solute", "side"])]:
        row = table.loc[i]
        allowed = f"{row['solute']} {row['side']} of {row['system']} stands in an earlier row; one range for each"
        problems.append(Problem(file, int(i) + 2, "solute", row["solute"], allowed))
    return problems


def _check_diagrams(study: Study) -> list[Problem]:
    """An arrow's number is that of an experiment with the analysis that gives it."""
    if not study.diagrams:
        return []
    from mgk.report.diagrams import ARROWS

    analyses = {arrow.named_by: arrow.analyses for arrow in ARROWS.values()}
    known = [(name, analyses[name], e) for name, e in study.diagrams.items() if name in analyses]
    return _not_asked(study, "diagrams", known)


def _not_asked(study: Study, section: str, named: list[tuple[str, tuple[str, ...], str]]) -> list[Problem]:
    """Return a problem for each (place, analyses, experiment) where the config asks none of these of it."""
    problems = []
    for place, analyses, experiment in named:
        asking = [e for a, e in study.analyses() if a in analyses]
        if experiment not in asking:
            allowed = f"must be an experiment with the analysis {' or '.join(analyses)}{nearest(experiment, asking)}"
            problems.append(Problem("config.yaml", None, f"{section}.{place}", experiment, allowed))
    return problems


def _check_synthesis(study: Study) -> list[Problem]:
    """Each result that is joined is that of an experiment with the right analysis, the group among its rows."""
    settings = study.experiments("synthesis").get("synthesis")
    if settings is None:
        return []
    named = [(f"free_magnesium.{i}", FREE_MAGNESIUM, e) for i, e in enumerate(settings["free_magnesium"])]
    named += [("block.experiment", ("magnesium_block",), settings["block"]["experiment"])]
    named += [("pump.experiment", ("atpase_activity",), settings["pump"]["experiment"])]
    problems = _not_asked(study, "synthesis", named)
    for key, groups in _groups_joined(study, settings).items():
        if groups and settings[key]["group"] not in groups:
            allowed = f"must be a condition of the experiment{nearest(settings[key]['group'], groups)}"
            problems.append(Problem("config.yaml", None, f"synthesis.{key}.group", settings[key]["group"], allowed))
    return [*problems, *_check_claims_joined(study, settings.get("claims", ()))]


def _groups_joined(study: Study, settings: dict) -> dict[str, set[str]]:
    """Return the conditions of the experiments of block and pump, as far as their tables can be read."""
    found: dict[str, set[str]] = {"block": set(), "pump": set()}
    for key, section in (("block", "recordings"), ("pump", "plates")):
        if settings[key]["experiment"] in study.experiments(section):
            table = study.read_table(f"raw_data/{section}.csv", section)[0]
            rows = table[table["experiment"] == settings[key]["experiment"]]
            tables = [rows] if key == "block" else []
            for layout in rows["layout"].unique() if key == "pump" else ():
                if layout and (study.raw_data / layout).is_file():
                    tables.append(study.read_table(f"raw_data/{layout}", "layout")[0])
            found[key] = {c for t in tables for c in t["condition"] if c}
    return found


def _check_claims_joined(study: Study, asked) -> list[Problem]:
    if not asked:
        return []
    if "claims" not in study.experiments("claims"):
        return [Problem("config.yaml", None, "synthesis.claims", "", "needs clinical.claims, the table of claims")]
    file = f"raw_data/{study.experiment('claims', 'claims')['table']}"
    known = list(study.read_table(file, "claims")[0]["claim_id"]) if (study.root / file).is_file() else asked
    return [
        Problem(
            "config.yaml", None, f"synthesis.claims.{i}", claim, f"must be a claim_id of {file}{nearest(claim, known)}"
        )
        for i, claim in enumerate(asked)
        if claim not in known
    ]
