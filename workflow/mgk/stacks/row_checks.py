"""What is wrong with a row of stacks.csv, found from the headers of its files before anything is measured."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mgk.stacks.correction import read_shading, stated, stated_background
from mgk.stacks.files import open_pair
from mgk.stacks.measure import read_labels
from mgk.tables.problems import InputError


def check_stack(row: Mapping, raw_data: Path) -> list[tuple[str, str]]:
    """Return (column, what is wrong) for a row whose files are there; all at once.

    Label images and flat fields are read, for they are small; of stacks only the headers.
    """
    problems = _form_problems(row)
    if problems:
        return problems
    pair = _tried(problems, "file" if row.get("file") else "file_340", lambda: open_pair(row, raw_data))
    if pair is None:
        return problems
    _tried(problems, "background_region_px", lambda: stated_background(row, pair.shape))
    _tried(problems, "shading_340", lambda: read_shading(row, raw_data, pair.shape))
    if row.get("labels"):
        _tried(problems, "labels", lambda: read_labels(row["labels"], raw_data, pair.shape))
    return problems


def _form_problems(row: Mapping) -> list[tuple[str, str]]:
    """What can be said without any file."""
    problems = []
    two = [c for c in ("file_340", "file_380") if row.get(c)]
    if row.get("file") and two:
        problems.append(("file", f"names one file with both wavelengths; then {two[0]} must be empty"))
    elif not row.get("file") and len(two) < 2:
        problems.append(("file", "must name one file with both wavelengths, or file_340 and file_380 one each"))
    if row.get("file") and not row.get("channels"):
        problems.append(("channels", "must say the order of the wavelengths in the file, such as '340 380'"))
    if (row.get("role") or "sample") == "sample":
        if not row.get("animal_id"):
            problems.append(("animal_id", "must not be empty for a sample; the animal is the unit"))
    elif stated(row, "condition"):
        problems.append(("condition", f"must be empty for the role {row['role']}"))
    return problems


def _tried(problems: list, column: str, call: Callable):
    """Return what a call returns; what it refuses is added to the problems."""
    try:
        return call()
    except InputError as error:
        problems.append((column, str(error)))
        return None
