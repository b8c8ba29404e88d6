"""Plates without a vendor: a long table, or a grid as one types it into a spreadsheet (csv, or a sheet of a workbook).

The long table has a row for each value: `well`, `value`, and where they are known `plate`, `read` (a number from 1, or
left out for the only one), `label`, `mode` (absorbance, fluorescence, luminescence), `wavelength_nm`, `excitation_nm`,
`emission_nm`, `time_s`, and `flag` (missing, overflow, blank, masked; such a row has no value). It is also what the
converter of other vendors' exports writes.

A grid is a line of column numbers, its first field empty or `<>`, and below it the rows A, B, ...; a line above names
the read: `450` (nm), `340/510` (excitation/emission in nm), or any words. Further grids are further reads of the plate.

Limits: fields are separated by commas, semicolons or tabs; decimals take a point, or a comma where commas do not
separate. Units: nm, s.
"""

import re

from mgk.plates.export import (
    FLAGS,
    PLATE_ROWS,
    ROWS,
    Cell,
    ExportError,
    Read,
    check_line_end,
    fields_of,
    split_lines,
    trimmed,
    well_name,
)
from mgk.tables.schema import nearest

NAME = "plain grid or long table (csv, xlsx)"
EMPTY_FLAG = "blank"

NUMBERS = ("wavelength_nm", "excitation_nm", "emission_nm", "time_s")
COLUMNS = ("well", "value", "plate", "read", "label", "mode", *NUMBERS, "flag")
MODES = ("", "absorbance", "fluorescence", "luminescence")
_NUMBER = re.compile(r"\d+([.,]\d+)?([eE][-+]?\d+)?")
_PAIR = re.compile(r"(\d{3,4})\s*/\s*(\d{3,4})(?: ?nm)?")
_SINGLE = re.compile(r"(\d{3,4})(?: ?nm)?")


def recognises(text: str) -> bool:
    """Return whether the text is a long table, or starts with a grid or with the name of a read above one."""
    rows = _rows(text)
    filled = [r for r in rows[:50] if any(r)][:2]
    if not filled:
        return False
    names = {f.lower() for f in filled[0]}
    if {"well", "value"} <= names:
        return True
    return any(_grid_columns(row) for row in filled) and (len(filled[0]) == 1 or bool(_grid_columns(filled[0])))


def read_cells(text: str) -> list[Cell]:
    """Return the cells of a long table or of grids.

    Raises
    ------
    ExportError
        An unknown column, a value or a flag that is none, a grid that is not whole.
    """
    rows = _rows(text)
    first = next(i for i, r in enumerate(rows) if any(r))
    if {"well", "value"} <= {f.lower() for f in rows[first]}:
        return _long(rows, first, split_lines(text))
    return _grids(rows, split_lines(text))


def _rows(text: str) -> list[list[str]]:
    lines = split_lines(text)
    head = next((line for line in lines if line.strip(" ,;\t")), "")
    if len(head.strip(" ,;\t").split("\t")) + len(re.findall("[,;]", head)) < 2:  # the name of a read
        head = next((line for line in lines if re.match(r'\s*"?(<>)?"?[,;\t]', line)), head)
    delimiter = max("\t;,", key=head.count)
    return [[f.strip() for f in fields_of(line, delimiter, n)] for n, line in enumerate(lines, start=1)]


def _long(rows: list[list[str]], header: int, lines: list[str]) -> list[Cell]:
    titles = [t.lower() for t in trimmed(rows[header])]
    for title in titles:
        if title not in COLUMNS or titles.count(title) > 1:
            raise ExportError(
                header + 1,
                f"column {title!r}: allowed, each once, are {', '.join(COLUMNS)}{nearest(title, COLUMNS)}",
            )
    reads: dict[tuple, Read] = {}
    plates: list[str] = []
    cells = []
    for number in range(header + 1, len(rows)):
        fields = trimmed(rows[number])
        if not fields:
            continue
        if len(fields) > len(titles):
            raise ExportError(number + 1, f"{len(fields)} fields, where the header has {len(titles)}")
        check_line_end(lines, number + 1)
        row = dict.fromkeys(COLUMNS, "") | dict(zip(titles, fields + [""] * (len(titles) - len(fields)), strict=True))
        well = well_name(row["well"], "")
        if well is None:
            raise ExportError(number + 1, f"{row['well']!r} is not a well such as A1 (384 wells are the most)")
        if row["plate"] not in plates:
            plates.append(row["plate"])
        read = _long_read(row, plates.index(row["plate"]) + 1, number + 1)
        known = reads.setdefault((read.plate, read.number), read)
        if known != read:
            raise ExportError(number + 1, f"read {read.number} is called {read.label!r} here, {known.label!r} before")
        cells.append(Cell(read, _float(row, "time_s", number + 1), well, _long_text(row, number + 1), number + 1))
    return cells


def _long_read(row: dict[str, str], plate: int, line: int) -> Read:
    if not re.fullmatch(r"[1-9]\d{0,3}|", row["read"]):
        raise ExportError(line, f"read {row['read']!r}: must be a whole number from 1")
    if row["mode"].lower() not in MODES:
        raise ExportError(line, f"mode {row['mode']!r}: allowed are {', '.join(MODES[1:])}, or nothing")
    wavelengths = [_float(row, name, line) for name in NUMBERS[:3]]
    number = int(row["read"] or 1)
    return Read(plate, row["plate"], number, row["label"] or f"read {number}", row["mode"].lower(), *wavelengths)


def _long_text(row: dict[str, str], line: int) -> str:
    """Return the cell's text; a flag stands for it, and a flagged well has no value."""
    flag = row["flag"].lower()
    if flag not in FLAGS:
        raise ExportError(line, f"flag {row['flag']!r}: allowed are {', '.join(FLAGS[1:])}, or nothing")
    if flag and row["value"]:
        raise ExportError(line, f"value {row['value']!r} is flagged {flag}: a flagged well has no value")
    return "empty" if flag == "blank" else flag or row["value"]


def _float(row: dict[str, str], name: str, line: int) -> float | None:
    text = row[name]
    if text == "":
        return None
    if not _NUMBER.fullmatch(text):
        raise ExportError(line, f"{name} {text!r}: must be a number")
    return float(text.replace(",", "."))


def _grids(rows: list[list[str]], lines: list[str]) -> list[Cell]:
    cells, title, number, count = [], "", 0, 0
    while number < len(rows):
        row = trimmed(rows[number])
        if columns := _grid_columns(row):
            count += 1
            found, number = _grid(rows, lines, number, columns, _grid_read(count, title))
            cells, title = cells + found, ""
        elif len(row) == 1 and not title:
            title = row[0]
        elif row:
            raise ExportError(
                number + 1, "a grid is expected: one line with the read's name, then column numbers 1 ..."
            )
        number += 1
    if title:
        raise ExportError(len(lines), f"{title!r} is not followed by a grid")
    return cells


def _grid_columns(row: list[str]) -> int:
    """Return how many columns the header of a grid has, 0 when it is none."""
    row = trimmed(row)
    if len(row) < 2 or row[0].lower() not in ("", "<>", "row", "well"):
        return 0
    return len(row) - 1 if [f.lstrip("0") for f in row[1:]] == [str(i) for i in range(1, len(row))] else 0


def _grid_read(number: int, title: str) -> Read:
    label = title or f"read {number}"
    if pair := _PAIR.fullmatch(title):
        return Read(1, "", number, label, "fluorescence", None, float(pair[1]), float(pair[2]))
    single = _SINGLE.fullmatch(title)
    return Read(1, "", number, label, "", float(single[1]) if single else None)


def _grid(rows, lines: list[str], header: int, columns: int, read: Read) -> tuple[list[Cell], int]:
    if columns not in PLATE_ROWS:
        sizes = ", ".join(f"{c} ({c * r} wells)" for c, r in sorted(PLATE_ROWS.items()))
        raise ExportError(header + 1, f"a grid of {columns} columns; read are {sizes}")
    cells = []
    for place, letter in enumerate(ROWS[: PLATE_ROWS[columns]], start=1):
        number = header + place
        row = trimmed(rows[number]) if number < len(rows) else []
        if not row or row[0].upper() != letter:
            raise ExportError(number + 1, f"row {letter} of a plate with {columns} columns is expected here")
        if len(row) > columns + 1:
            raise ExportError(number + 1, f"row {letter} has {len(row) - 1} values; the plate has {columns} columns")
        check_line_end(lines, number + 1)
        values = row[1:] + [""] * (columns + 1 - len(row))
        cells += [Cell(read, None, well_name(letter, c), v, number + 1) for c, v in enumerate(values, start=1)]
    return cells, header + PLATE_ROWS[columns]
