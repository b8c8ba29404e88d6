"""Plates: their files and layouts, the wells that an analysis needs, and the medium in them."""

from pathlib import Path

import pandas as pd

from mgk.checks.files import PLATES, SOLUTIONS, check_files, filled, rows_asked_for
from mgk.checks.solutions import totals_mm
from mgk.plates.layout import ROLES
from mgk.plates.wells import plate_problems
from mgk.study import Study
from mgk.tables.problems import Problem
from mgk.tables.schema import nearest

# Roles without which an analysis of plates has nothing to do; what else it needs, it says itself.
NEEDED_ROLES = {
    "magnesium_calibration": ("sample", "background"),
    "atpase_activity": ("total",),
    "coupled_assay": ("total",),
}
# And those of each kind of calibration.
NEEDED_STANDARDS = {"in_situ": ("rmin", "rmax"), "titration": ("standard",)}


def check_plates(study: Study) -> list[Problem]:
    """Files and layouts can be read and fit each other; an experiment has the wells that its analyses need."""
    experiments = study.experiments("plates")
    if not experiments:
        return []
    _, named, problems = rows_asked_for(study, "plates", PLATES)
    problems += check_files(study, named, "file", PLATES, _plate_problems)
    problems += check_files(study, named, "layout", PLATES, lambda path: [])
    roles = {name: _needed_roles(settings) for name, settings in experiments.items()}
    for i, row in named.iterrows():
        if row["layout"] == "" and roles[row["experiment"]]:
            problems.append(Problem(PLATES, i + 2, "layout", "", f"must name a layout for {row['experiment']}"))
    unreadable = {p.value for p in problems if p.column in ("file", "layout")}
    problems += _check_other_plates(named)
    found, layouts = _check_layouts(study, named, unreadable)
    problems += found
    for name, rows in named.groupby("experiment", sort=False):
        if not set(rows["layout"]) - {""} <= set(layouts):
            continue
        held = {role for layout in set(rows["layout"]) - {""} for role in layouts[layout]["role"]}
        missing = [f"{r} ({ROLES[r]})" for r in roles[name] if r not in held]
        allowed = f"no well of its layouts has the role {', '.join(missing)}"
        problems += [Problem(PLATES, None, "layout", name, allowed)] if missing and held else []
        problems += _check_assay(rows, layouts, experiments[name])
    for name, settings in experiments.items():
        problems += _check_medium(study, f"{name}.medium", settings.get("medium", ""))
        titration = settings.get("titration")
        medium = titration.get("medium", "") if isinstance(titration, dict) else ""
        problems += _check_medium(study, f"{name}.titration.medium", medium)
    return problems


def _plate_problems(path: Path) -> list[str]:
    from mgk.plates import check_plate_file

    return check_plate_file(path)


def _check_other_plates(table: pd.DataFrame) -> list[Problem]:
    """A plate of protein or of standards must be another plate of the same experiment."""
    problems = []
    for column in ("protein_plate", "standards_plate"):
        for i, row in filled(table, column):
            own = table.loc[table["experiment"] == row["experiment"], "plate_id"]
            if row[column] not in set(own) - {row["plate_id"]}:
                allowed = f"another plate_id of the experiment {row['experiment']}{nearest(row[column], own)}"
                problems.append(Problem(PLATES, i, column, row[column], allowed))
    return problems


def _check_medium(study: Study, key: str, medium: str) -> list[Problem]:
    """The medium exists, and leaves to the layout what differs from well to well."""
    recipes, wrong = study.read_solutions()
    if not medium or wrong:
        return []
    place = f"plates.experiments.{key}"
    if medium not in recipes:
        known = f"must be a solution of {SOLUTIONS}{nearest(medium, recipes)}"
        allowed = known if recipes else f"there is no {SOLUTIONS}"
        return [Problem("config.yaml", None, place, medium, allowed)]
    held = [ion for ion in ("Mg", "ATP") if totals_mm(recipes[medium], study.constants).get(ion)]
    allowed = "must hold no {}: its total stands in the layout, well by well"
    return [Problem(SOLUTIONS, None, medium, "", allowed.format(ion)) for ion in held]


def _needed_roles(settings: dict) -> list[str]:
    """Return the roles that the analyses of an experiment need a well of; none: they need no layout."""
    asked = _asked(settings)
    roles = [r for a in asked for r in NEEDED_ROLES.get(a, ())]
    if "magnesium_calibration" in asked:
        roles += NEEDED_STANDARDS.get(settings.get("calibration", "in_situ"), ())
    return roles


def _asked(settings: dict) -> list[str]:
    """Return the analyses that an experiment asks for: one name, or a list of them."""
    asked = settings.get("analysis", [])
    return [asked] if isinstance(asked, str) else asked


def _check_layouts(
    study: Study, table: pd.DataFrame, unreadable: set[str]
) -> tuple[list[Problem], dict[str, pd.DataFrame]]:
    """Each layout must be in order, and fit its plate and the names of its reads.

    Returns the problems, and the layouts that can be read, by name.
    """
    problems, layouts, broken = [], {}, set()
    for i, row in table.iterrows():
        if row["layout"] and row["layout"] not in unreadable | set(layouts):
            layout, found = study.read_table(f"raw_data/{row['layout']}", "layout")
            problems += found
            if found:
                broken.add(row["experiment"])
            else:
                layouts[row["layout"]] = layout
        # A name that cannot be one was told already, and is empty here.
        if row["file"] and row["file"] not in unreadable and row["experiment"] not in broken:
            record = row.astype(object).where(row.notna(), None).to_dict()
            record["layout"] = record["layout"] if record["layout"] in layouts else ""
            problems += [Problem(PLATES, i + 2, "", "", text) for text in plate_problems(record, study.raw_data)]
    return problems, layouts


def _check_assay(plates: pd.DataFrame, layouts: dict[str, pd.DataFrame], settings: dict) -> list[Problem]:
    """The layouts of an ATPase assay say of each well what its analysis needs: Mg2+, ATP, time, protein."""
    from mgk.atpase.layouts import OF_ENZYME, layout_problems

    problems = []
    for analysis in [a for a in OF_ENZYME if a in _asked(settings)]:
        for name, row, column, value, allowed in layout_problems(plates, layouts, analysis):
            in_rows = not name.endswith(".toml")
            problems.append(Problem(f"raw_data/{name}", row if in_rows else None, column, value, allowed))
    return problems
