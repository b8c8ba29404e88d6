"""BMG LABTECH MARS csv: raw data of endpoint reads (plate view, table view) and of kinetic reads (table view).

Limits: titles other than "Raw Data" hold what MARS computed and are not read; spectra and the plate view of a kinetic
read are refused. In plate view a row may be shorter than its header (older MARS leaves trailing wells out): the wells
that are left out are `blank`.

The form, from genuine exports (allotropy's test data, MIT; described by others for table views)
----------------------------------------------------------------------------------------------
Fields are separated by commas or semicolons (then with decimal commas or points). A head of `key: value` fields
(`User`, `Test name`, `ID1`), a line with the mode (`Absorbance`, `Fluorescence (FI)`, `Luminescence`), and for each
read a title `Raw Data (450)`, `Raw Data (450 1)` (the second number counts the reads, it is no wavelength),
`Raw Data (580/620)`, `Raw Data (483-14/530-30)` (centre-width), followed by a matrix with column numbers and row
letters. A table view has the titles in one line with `Well` (or `Well Row`, `Well Col`) and `Content`; in a kinetic
read, the next line holds `Time` and the time of each column (`0 h 15 min`), rounded to the minute by MARS.
"""

import math
import re

from mgk.plates.export import PLATE_ROWS, ROWS, Cell, ExportError, Read, check_line_end, split_lines, trimmed, well_name

NAME = "BMG MARS csv"
EMPTY_FLAG = "blank"

_RAW = re.compile(r"Raw Data\s*(?:\((.*)\))?", re.IGNORECASE)
_NAME = re.compile(r"(?:^|[,;\t]\s*)ID1:\s*([^,;\t]*)")
_MODE = re.compile(r"(Absorbance|Fluorescence|Luminescence)\b", re.IGNORECASE)
_MATRIX_HEADER = re.compile(r"\s*([,;\t])\s*0?1\s*\1\s*0?2\s*\1")
_TABLE_HEADER = re.compile(r"\s*Well( Row)?\s*([,;\t])", re.IGNORECASE)
_FILTER = r"(\d+(?:\.\d+)?)(?:-\d+)?"
_PAIR = re.compile(rf"{_FILTER}\s*/\s*(?:[^/]*/\s*)?{_FILTER}(?:\s+\d+)?")
_SINGLE = re.compile(rf"{_FILTER}(?:\s+\d+)?")
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)\s*h)?\s*(?:(\d+(?:\.\d+)?)\s*min)?\s*(?:(\d+(?:\.\d+)?)\s*s)?")
_TIME_UNITS = {"s": 1, "min": 60, "h": 3600}


def recognises(text: str) -> bool:
    """Return whether the text looks like a MARS export."""
    return re.search(r"^(User|Test name|Test ID):", text[:2000], re.MULTILINE | re.IGNORECASE) is not None


def read_cells(text: str) -> list[Cell]:
    """Return the cells of all raw reads of a MARS export.

    Raises
    ------
    ExportError
        A matrix without its rows, a raw read without a matrix, a layout that is not read.
    """
    lines = split_lines(text)
    cells: list[Cell] = []
    plate, name, mode, title, raw_title, reads = 1, "", "", "", None, 0
    number = 0
    while number < len(lines):
        line = lines[number]
        first = line.strip(" ,;\t")
        if first.lower().startswith("user:") and cells:
            plate, name, mode, title, reads = plate + 1, "", "", "", 0
        if match := _NAME.search(line):
            name = match[1].strip()
        if matrix := _MATRIX_HEADER.match(line):
            if _RAW.fullmatch(title):
                reads += 1
                found, number = _matrix(lines, number, matrix[1], _read(plate, name, reads, title, mode))
                cells += found
                title, raw_title = "", None
            elif title == "":
                raise ExportError(number + 1, "a title such as 'Raw Data (450)' is expected before this matrix")
            elif "cycle" in title.lower():
                raise ExportError(number, f"{title!r}: export a kinetic read in MARS' table view, not its plate view")
            else:
                _no_matrix(raw_title)
        elif table := _TABLE_HEADER.match(line):
            found, number = _table(lines, number, table[2], (plate, name, reads, mode))
            cells += found
            reads = max([c.read.number for c in found], default=reads)
        elif first:
            mode = _MODE.match(first)[1].lower() if _MODE.match(first) else mode
            title = re.sub(r"\s+", " ", first)
            if title.lower().startswith("raw data") and not _RAW.fullmatch(title):
                raise ExportError(number + 1, f"{title!r}: only titles such as 'Raw Data (450)' are read")
            if _RAW.fullmatch(title):
                _no_matrix(raw_title)
                raw_title = number + 1
        number += 1
    _no_matrix(raw_title)
    return cells


def _no_matrix(line: int | None) -> None:
    if line is not None:
        raise ExportError(line, "this title of raw data is not followed by a line of column numbers and rows of wells")


def _read(plate: int, name: str, number: int, title: str, mode: str) -> Read:
    wavelength = excitation = emission = None
    filters = (_RAW.fullmatch(title)[1] or "").strip()
    if pair := _PAIR.fullmatch(filters):
        excitation, emission = float(pair[1]), float(pair[2])
    elif single := _SINGLE.fullmatch(filters):
        if mode == "luminescence":
            emission = float(single[1])
        elif mode != "fluorescence":
            wavelength = float(single[1])
    return Read(plate, name, number, title, mode, wavelength, excitation, emission)


def _matrix(lines: list[str], header: int, delimiter: str, read: Read) -> tuple[list[Cell], int]:
    """Read the matrix whose column numbers stand in line `header` (from 0); return its cells and its last line."""
    columns = trimmed(lines[header].split(delimiter))[1:]
    if len(columns) == 48:
        raise ExportError(header + 1, "48 columns: plates of 1536 wells are not read, 384 are the most")
    if [c.lstrip("0") for c in columns] != [str(i + 1) for i in range(len(columns))] or len(columns) not in PLATE_ROWS:
        raise ExportError(header + 1, f"column numbers 1 to {'/'.join(map(str, PLATE_ROWS))} are expected")
    cells, number = [], header
    for row in ROWS[: PLATE_ROWS[len(columns)]]:
        number += 1
        fields = trimmed(lines[number].split(delimiter)) if number < len(lines) else [""]
        if not fields or fields[0].upper() != row:
            raise ExportError(number + 1, f"row {row} of a plate with {len(columns)} columns is expected here")
        if len(fields) > len(columns) + 1:
            raise ExportError(
                number + 1, f"row {row} has {len(fields) - 1} values; the plate has {len(columns)} columns"
            )
        check_line_end(lines, number + 1)
        fields += [""] * (len(columns) + 1 - len(fields))
        cells += [
            Cell(read, None, well_name(row, c), value, number + 1) for c, value in zip(columns, fields[1:], strict=True)
        ]
    return cells, number


def _table(lines: list[str], header: int, delimiter: str, at: tuple[int, str, int, str]) -> tuple[list[Cell], int]:
    """Read a table view; `at` is plate, its name, the reads before this table, and the mode."""
    plate, name, before, mode = at
    titles = trimmed(lines[header].split(delimiter))
    wells = 2 if titles[0].lower() == "well row" else 1
    first_value = wells + 1 if len(titles) > wells and titles[wells].lower() == "content" else wells
    number = _next_filled(lines, header)
    axis = [f.strip() for f in lines[number].split(delimiter)] if number < len(lines) else []
    times = None
    if axis and not axis[0]:
        label = axis[first_value - 1]
        if not label.lower().startswith("time"):
            raise ExportError(number + 1, f"{label!r}: spectra are not read, only endpoint and kinetic reads")
        times = _times(axis, label, len(titles), first_value, number + 1)
        number = _next_filled(lines, number)
    reads: dict[int, Read] = {}
    by_title: dict[str, Read] = {}
    for i in range(first_value, len(titles)):
        if not _RAW.fullmatch(titles[i]):
            continue
        if times is None and titles[i] in by_title:
            raise ExportError(header + 1, f"{titles[i]!r} stands twice, and no line of times follows the titles")
        if titles[i] not in by_title:
            by_title[titles[i]] = _read(plate, name, before + 1 + len(by_title), titles[i], mode)
        reads[i] = by_title[titles[i]]
    cells = []
    last = header
    while number < len(lines):
        fields = [f.strip() for f in lines[number].split(delimiter)]
        well = well_name(fields[0], fields[1] if wells == 2 and len(fields) > 1 else "")
        if well is None:
            break
        if len(trimmed(lines[number].split(delimiter))) > len(titles) or len(fields) < len(titles):
            raise ExportError(number + 1, f"{len(fields)} fields, where the titles have {len(titles)}")
        check_line_end(lines, number + 1)
        for i, read in reads.items():
            cells.append(Cell(read, times[i] if times else None, well, fields[i], number + 1))
        last, number = number, _next_filled(lines, number)
    return cells, last


def _times(axis: list[str], label: str, width: int, first: int, line: int) -> dict[int, float]:
    """Return the seconds of each column from the line under the titles."""
    unit = re.search(r"[\[(](s|min|h)[\])]", label)
    times = {}
    for i in range(first, width):
        text = axis[i] if i < len(axis) else ""
        match = _TIME.fullmatch(text)
        if match and any(match.groups()):
            times[i] = math.fsum(float(v or 0) * f for v, f in zip(match.groups(), (3600, 60, 1), strict=True))
        elif unit and re.fullmatch(r"\d+([.,]\d+)?", text):
            times[i] = float(text.replace(",", ".")) * _TIME_UNITS[unit[1]]
        else:
            raise ExportError(line, f"{text!r} is not a time such as '0 h 15 min', or a number under 'Time [s]'")
    return times


def _next_filled(lines: list[str], number: int) -> int:
    number += 1
    while number < len(lines) and not lines[number].strip(" ,;\t"):
        number += 1
    return number
