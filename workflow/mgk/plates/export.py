"""What the readers of plate exports share: text, well names, cells, and the tidy table made of them.

Limits: nothing here knows a vendor; a vendor's grammar is in its own module (`bmg`, `gen5`, `softmax`). Plates have up
to 384 wells.

Vocabulary
----------
export: the text file that a reader's software writes for people.
read: one measurement of the plate (one wavelength or wavelength pair), once or repeated in time; numbered from 1.
cell: what the export prints for one well of one read at one time.
flag: why a well has no value: `missing` (measured, no value reported; in SoftMax Pro also: not measured), `overflow`
    (above the range of the detector), `blank` (an empty cell: not measured), `masked` (measured, but excluded by hand
    in the reader's software). A flagged well's value is NaN, never zero.
Units: wavelengths in nm, times in s; values as the export prints them (absorbance in AU, fluorescence in counts).
"""

import codecs
import csv
import math
import re
from dataclasses import dataclass

import pandas as pd

FLAGS = ("", "missing", "overflow", "blank", "masked")
LARGEST_EXPORT_BYTES = 64_000_000

ROWS = "ABCDEFGHIJKLMNOP"
# Columns of a plate: its rows.
PLATE_ROWS = {3: 2, 4: 3, 6: 4, 8: 6, 12: 8, 24: 16}

_WELL = re.compile(r"([A-Pa-p])(0?[1-9]|1\d|2[0-4])")
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_MISSING = {"missed", "missing", "?????", "nan", "n/a", "#n/a", "range?", "path?", "error"}
_OVERFLOW = {"overflow", "ovrflw", "over", "#sat", "sat"}
_BLANK = {"empty"}

TIDY_COLUMNS = (
    "plate_in_file", "plate_name", "read", "label", "mode", "wavelength_nm", "excitation_nm", "emission_nm",
    "time_s", "well", "value", "flag",
)  # fmt: skip


class ExportError(ValueError):
    """An export that cannot be read: the line (None: the whole file) and what is wrong there."""

    def __init__(self, line: int | None, message: str):
        self.line, self.message = line, message
        super().__init__(message if line is None else f"line {line}: {message}")


@dataclass(frozen=True)
class Read:
    """One read of one plate; a wavelength that the export does not state is None."""

    plate: int
    plate_name: str
    number: int
    label: str
    mode: str
    wavelength_nm: float | None = None
    excitation_nm: float | None = None
    emission_nm: float | None = None


@dataclass(frozen=True)
class Cell:
    """What the export prints for a well; `time_s` is None for an endpoint, `line` counts from 1."""

    read: Read
    time_s: float | None
    well: str
    text: str
    line: int


def decode(raw: bytes) -> str:
    """Return the text of an export: UTF-8 or UTF-16 by its mark, else UTF-8, else latin-1.

    Raises
    ------
    ExportError
        When the bytes are not text.
    """
    if raw.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif raw[1:2] == b"\0" and raw[3:4] == b"\0":
        encoding = "utf-16-le"
    else:
        encoding = "utf-8"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise ExportError(None, "is marked as Unicode text, but is not; it was cut off or damaged") from None
        text = raw.decode("latin-1")
    if "\0" in text:
        raise ExportError(None, "is not a text export; save the plate from the reader's software as text, csv or xlsx")
    return text


def well_name(row: str, column: str | int) -> str | None:
    """Return the normalised name of a well (`A`, `01` give `A1`), or None when there is no such well."""
    match = _WELL.fullmatch(f"{row.strip()}{str(column).strip()}")
    return f"{match[1].upper()}{int(match[2])}" if match else None


def well_position(well: str) -> tuple[int, int]:
    """Return row and column of a normalised well, both from 0 (`B3` gives 1, 2)."""
    return ROWS.index(well[0]), int(well[1:]) - 1


def plate_shape(wells) -> tuple[int, int]:
    """Return rows and columns of the plate of some wells: one that they fill, else one of 96 or 384 that holds them.

    An export may print only the part that was read; that part can look like a smaller plate, and is then taken for it
    only when it has every well of it and no other.
    """
    places = {well_position(w) for w in wells}
    rows, columns = (max((p[i] for p in places), default=0) + 1 for i in (0, 1))
    if PLATE_ROWS.get(columns) == rows and len(places) == rows * columns:
        return rows, columns
    return (8, 12) if rows <= 8 and columns <= 12 else (16, 24)


def seconds(text: str) -> float | None:
    """Return the seconds of a clock time `h:mm:ss` or `m:ss`, or None when it is none."""
    parts = text.strip().split(":")
    if len(parts) not in (2, 3) or not all(re.fullmatch(r"\d+(\.\d+)?", p) for p in parts):
        return None
    return math.fsum(float(p) * 60**power for power, p in enumerate(reversed(parts)))


def split_lines(text: str) -> list[str]:
    """Return the lines of an export, whichever line ends it has."""
    return re.split(r"\r\n|\n|\r", text)


def fields_of(line: str, delimiter: str, number: int) -> list[str]:
    """Return the fields of line `number` (from 1) of an export; quotes may hold delimiters.

    Raises
    ------
    ExportError
        When a field is longer than any that a reader writes.
    """
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        raise ExportError(number, f"holds a field longer than {csv.field_size_limit():,} characters") from None


def check_no_stray_row(fields: list[str], number: int) -> None:
    """Refuse a line `number` (from 1) outside a matrix that looks like one of its rows: its wells would be lost.

    Raises
    ------
    ExportError
        When a row letter and three numbers or more stand there.
    """
    fields = trimmed(fields)
    if fields and re.fullmatch("[A-P]", fields[0]) and sum(_NUMBER.fullmatch(f) is not None for f in fields[1:]) > 2:
        raise ExportError(number, f"row {fields[0]} of a plate stands apart from its matrix; is a line lost, or added?")


def trimmed(fields: list[str]) -> list[str]:
    """Return fields without blanks around them and without empty ones at the end."""
    fields = [f.strip() for f in fields]
    while fields and not fields[-1]:
        fields.pop()
    return fields


def check_line_end(lines: list[str], line: int) -> None:
    """Refuse an export whose last line, number `line`, holds values but has no line end: its last digits may be cut.

    Raises
    ------
    ExportError
        When the export ends in that line.
    """
    if line == len(lines):
        raise ExportError(line, "the file ends within this row of values; if it is whole, end the line")


def tidy_cells(cells: list[Cell], empty_flag: str) -> list[dict]:
    """Turn cells into rows with the columns `TIDY_COLUMNS`: by plate, read, time and well.

    Parameters
    ----------
    cells: what a vendor's reader found.
    empty_flag: the flag of an empty cell, "blank" or "missing".

    Raises
    ------
    ExportError
        No cells, a cell that is neither number nor known word, a well that stands twice, decimal commas beside points.
    """
    if not cells:
        raise ExportError(None, "holds no wells; export the raw data")
    _check_decimals(cells)
    rows, seen = [], {}
    for cell in cells:
        key = (cell.read.plate, cell.read.number, cell.time_s, cell.well)
        if key in seen:
            raise ExportError(cell.line, f"well {cell.well} of {cell.read.label} stands in line {seen[key]} already")
        seen[key] = cell.line
        value, flag = parse_cell(cell, empty_flag)
        rows.append(
            {
                "plate_in_file": cell.read.plate,
                "plate_name": cell.read.plate_name,
                "read": cell.read.number,
                "label": cell.read.label,
                "mode": cell.read.mode,
                "wavelength_nm": _nan(cell.read.wavelength_nm),
                "excitation_nm": _nan(cell.read.excitation_nm),
                "emission_nm": _nan(cell.read.emission_nm),
                "time_s": _nan(cell.time_s),
                "well": cell.well,
                "value": value,
                "flag": flag,
            }
        )
    return sorted(rows, key=_order)


def tidy_frame(rows: list[dict]) -> pd.DataFrame:
    """Return the rows as a table with the columns `TIDY_COLUMNS`."""
    return pd.DataFrame(rows, columns=list(TIDY_COLUMNS))


def parse_cell(cell: Cell, empty_flag: str) -> tuple[float, str]:
    """Return value and flag of a cell.

    Raises
    ------
    ExportError
        When the text is neither a number nor a word that stands for no value.
    """
    text = cell.text.strip()
    if _NUMBER.fullmatch(text):
        value = float(text.replace(",", "."))
        if math.isinf(value):
            raise ExportError(cell.line, f"well {cell.well}: {text[:40]!r} is beyond all numbers")
        return value, ""
    word = text.lower()
    if word == "":
        return math.nan, empty_flag
    for words, flag in ((_MISSING, "missing"), (_OVERFLOW, "overflow"), (_BLANK, "blank")):
        if word in words:
            return math.nan, flag
    if re.fullmatch(r"\*.*\*", text) or word == "masked":
        return math.nan, "masked"
    if text.startswith(">") and _NUMBER.fullmatch(text[1:].strip()):
        return math.nan, "overflow"
    known = "MISSED, ?????, OVRFLW, overflow, #SAT, empty, *value* (masked)"
    raise ExportError(cell.line, f"well {cell.well}: {text[:40]!r} is neither a number nor one of {known}")


def _check_decimals(cells: list[Cell]) -> None:
    """A comma is a decimal mark only where no point is: 1,691 beside 0.184 may be thousands."""
    first = {mark: c for mark in ".," for c in reversed(cells) if mark in c.text and _NUMBER.fullmatch(c.text.strip())}
    if len(first) == 2:
        comma, point = first[","], first["."]
        raise ExportError(
            comma.line, f"{comma.text!r} has a decimal comma, {point.text!r} in line {point.line} a point"
        )


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _order(row: dict) -> tuple:
    time = -1.0 if math.isnan(row["time_s"]) else row["time_s"]
    return row["plate_in_file"], row["read"], time, well_position(row["well"])
