"""Reading one row of the table of claims: absent columns and empty cells are what was not printed."""

import pandas as pd

from mgk.meta.claims.printed import Printed, read_number

GROUPS = {"treatment": "treated", "control": "control"}
N_RANGE = (1, 100)
"""Sizes of a group that are tried where none was printed and the row gives no range; assumed, no source."""


def text(row: pd.Series, name: str) -> str:
    """Return a cell as text, "" where nothing stands."""
    value = row.get(name, "")
    return "" if pd.isna(value) else str(value).strip()


def number(row: pd.Series, name: str) -> float | None:
    """Return a cell as a number, None where nothing stands."""
    found = text(row, name)
    return float(found) if found else None


def count(row: pd.Series, name: str) -> int | None:
    """Return a cell as a count, None where nothing stands."""
    value = number(row, name)
    return None if value is None else int(value)


def numbers(row: pd.Series, *names: str) -> dict[str, Printed]:
    """Return those of the named numbers that were printed, with their decimals."""
    found = {name: read_number(text(row, name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def percent(row: pd.Series, group: str) -> Printed | None:
    """Return the printed percentage of a group; that of a single one may stand as the estimate."""
    found = text(row, f"percent_{group}")
    if not found and group == "treatment" and text(row, "measure") == "proportion":
        found = text(row, "estimate")
    return read_number(found)


def level(row: pd.Series) -> float:
    """Return the level of the printed interval, by default 0.95."""
    return number(row, "ci_level") or 0.95


def n_range(row: pd.Series) -> tuple[int, int]:
    """Return the smallest and the largest size of a group to try."""
    return count(row, "n_low") or N_RANGE[0], count(row, "n_high") or N_RANGE[1]
