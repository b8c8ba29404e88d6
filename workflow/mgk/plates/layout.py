"""Layouts: what each well of a plate is for, and joining that to what the reader measured.

A layout is a long table, one row a well, checked against `workflow/schemas/layout.schema.yaml`; here is what depends on
the role: which further columns a well must have.

Units are in the columns' names (mM, nmol, uM, ug, ul, min).
"""

from pathlib import Path

import pandas as pd

from mgk.plates.export import well_name
from mgk.tables.problems import InputError, Problem
from mgk.tables.schema import load_schema, read_input_table

# What a well can be for; phosphate assays first, then dye calibrations, then both.
ROLES = {
    "standard": "a known amount of what is measured",
    "blank": "medium and reagents, nothing of what is measured",
    "nonenzymatic": "complete medium without enzyme: what arises by itself",
    "total": "enzyme in complete medium: all of its activity",
    "ouabain": "as total, with ouabain: the activity that it does not inhibit",
    "qc_high": "quality control with a high signal",
    "qc_low": "quality control with a low signal",
    "background": "everything but the dye: autofluorescence and reader offset",
    "rmin": "dye free of Mg2+ (chelator)",
    "rmax": "dye in a known, high Mg2+ (magnesium_total_mm)",
    "sample": "what the experiment asks about",
    "empty": "not used; also every well that the layout does not name",
}

# Of each group, a well of this role must have one.
REQUIRED = {
    "standard": (("standard_nmol", "standard_um", "protein_ug"),),
    "total": (("animal_id",), ("preparation_id",), ("protein_ug", "wet_weight_mg", "sample_ul")),
    "ouabain": (("animal_id",), ("preparation_id",), ("protein_ug", "wet_weight_mg", "sample_ul"), ("ouabain_mm",)),
    "rmax": (("magnesium_total_mm",),),
    "sample": (("sample_id",), ("animal_id",)),
}
COMPARED = ("total", "ouabain", "sample")


def read_layout(path: Path | str) -> pd.DataFrame:
    """Read a layout, one row a well, wells normalised (A01 becomes A1).

    Returns
    -------
    All columns of the layout's schema (numbers NaN and text '' where nothing is given).

    Raises
    ------
    InputError
        With all problems: header, values, roles, wells that stand twice, what a role lacks.
    """
    path = Path(path)
    layout, problems = read_input_table(path, load_schema("layout"), path.name)
    if not problems:
        problems = _role_problems(layout, path.name)
    if problems:
        raise InputError(problems)
    return layout.assign(well=[well_name(w, "") for w in layout["well"]]).reset_index(drop=True)


def join_layout(wells: pd.DataFrame, layout: pd.DataFrame) -> pd.DataFrame:
    """Join a layout to the wells of one plate (several reads and times a well).

    Returns
    -------
    `wells` with the layout's columns; a well that the layout does not name has the role `empty`.

    Raises
    ------
    InputError
        When the layout names wells that the plate does not have.
    """
    there = set(wells["well"])
    unknown = [w for w in layout["well"] if w not in there]
    if unknown:
        raise InputError(f"the layout names wells that the plate does not have: {', '.join(unknown)}")
    joined = wells.merge(layout, on="well", how="left", validate="many_to_one")
    text = [c for c in layout.columns if c != "well" and not pd.api.types.is_numeric_dtype(layout[c])]
    joined[text] = joined[text].fillna("")
    joined["role"] = joined["role"].replace("", "empty")
    return joined


def _role_problems(layout: pd.DataFrame, file: str) -> list[Problem]:
    problems, first = _half_filled(layout, file), {}
    for row, record in zip(layout.index + 2, layout.to_dict("records"), strict=True):
        well = well_name(record["well"], "")
        if first.setdefault(well, row) != row:
            problems.append(Problem(file, row, "well", record["well"], f"is well {well}, as in row {first[well]}"))
        for group in REQUIRED.get(record["role"], ()):
            if all(record[c] == "" or record[c] != record[c] for c in group):
                allowed = f"must not be empty for {well}, whose role is {record['role']}: {ROLES[record['role']]}"
                problems.append(Problem(file, row, " or ".join(group), "", allowed))
    return problems


def _half_filled(layout: pd.DataFrame, file: str) -> list[Problem]:
    """Of the wells that conditions are compared by, all have one or none: what merged cells leave is no layout."""
    compared = layout[layout["role"].isin(COMPARED)]
    filled = compared.index[compared["condition"] != ""]
    return [
        Problem(file, int(i) + 2, "condition", "", f"is empty, but row {filled[0] + 2} has it; all of them or none")
        for i in compared.index[compared["condition"] == ""]
        if len(filled)
    ]
