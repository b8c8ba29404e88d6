"""A CSV file of the study as rows of cells, with what keeps it from being one.

What spreadsheets add without meaning is taken off: a byte-order mark, blanks and no-break spaces around or within
cells, blank lines, empty columns at the end. What they damage (encoding, delimiters, quotes) is refused with its row.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from mgk.tables.problems import Problem

LARGEST_BYTES = 16_000_000
NO_BREAK_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u202f", " "))
# How the csv module starts its words, and what is meant.
OUT_OF_ORDER = {
    "unexpected end of data": "a quote opens here and never closes",
    "field larger": "a cell here is longer than 131,072 characters; does a quote never close?",
    "',' expected": "text stands behind a closing quote; a quote within a quoted cell is doubled",
}


@dataclass(frozen=True)
class Row:
    """A row of a table: its number as a spreadsheet counts (the first line is 1), and its cells."""

    number: int
    cells: list[str]


def read_rows(path: Path, file: str) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a CSV file that hold something, the header first; no rows when there is a problem.

    Parameters
    ----------
    path : the file.
    file : how problems call it.
    """
    text, problem = _text(path)
    if problem:
        return [], [Problem(file, problem[0], "", "", problem[1])]
    rows, number = [], 0
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True):
            number += 1
            cells = [cell.translate(NO_BREAK_SPACES).strip() for cell in cells]
            if any(cells):
                rows.append(Row(number, cells))
    except csv.Error as error:
        words = next((w for start, w in OUT_OF_ORDER.items() if str(error).startswith(start)), "its quotes or cells")
        return [], [Problem(file, number + 1, "", "", f"is not CSV: {words}")]
    if not rows:
        return [], [Problem(file, None, "", "", "is empty; a header and rows are expected")]
    used = max(_last_filled(row.cells) for row in rows)
    return [Row(row.number, row.cells[:used]) for row in rows], []


def _text(path: Path) -> tuple[str, tuple[int | None, str] | None]:
    """Return the text of a file, or its line and what is wrong."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            return "", (None, f"is larger than {LARGEST_BYTES / 1e6:g} MB; it is no table of a study")
        raw = path.read_bytes()
    except FileNotFoundError:
        return "", (None, "this file is missing")
    except OSError as error:
        return "", (None, f"cannot be read: {error.strerror}")
    if raw[:2] == b"PK" or b"\0" in raw:
        return "", (None, "is not text; save the spreadsheet as CSV (UTF-8)")
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return "", (line, "is not UTF-8; save the table as CSV (UTF-8)")


def _last_filled(cells: list[str]) -> int:
    return max((i for i, cell in enumerate(cells, start=1) if cell), default=0)
