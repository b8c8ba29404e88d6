"""Stacks of images: their files, and the roles that the calibration of an experiment needs."""

import pandas as pd

from mgk.checks.files import STACKS, check_files, rows_asked_for
from mgk.study import Study
from mgk.tables.problems import Problem
from mgk.upstream import FILE_COLUMNS


def check_stacks(study: Study) -> list[Problem]:
    """Files of a stack can be read and fit each other; an experiment has what its calibration needs."""
    from mgk.stacks import check_stack

    experiments = study.experiments("stacks")
    if not experiments:
        return []
    table, named, problems = rows_asked_for(study, "stacks", STACKS)
    if any(p.row == 1 for p in problems):
        return problems
    for column in FILE_COLUMNS["stacks"]:
        problems += check_files(study, named, column, STACKS, lambda path: [])
    wrong = {p.row for p in problems}
    for i, row in named.iterrows():
        if i + 2 not in wrong:
            found = check_stack(row.to_dict(), study.raw_data)
            for column, allowed in found:
                value = "" if pd.isna(row[column]) else str(row[column])
                problems.append(Problem(STACKS, i + 2, column, value, allowed))
    for name, settings in experiments.items():
        roles = set(table.loc[table["experiment"] == name, "role"].replace("", "sample"))
        needed = ("sample", "rmin", "rmax") if settings.get("calibration", "in_situ") == "in_situ" else ("sample",)
        missing = [role for role in needed if role not in roles]
        if missing and roles:
            allowed = f"no stack has the role {', '.join(missing)}"
            problems.append(Problem(STACKS, None, "role", name, allowed))
    return problems
