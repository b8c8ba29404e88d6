"""PerkinElmer EnVision csv: results as plate matrices, endpoint reads, one or several plates in a file.

Limits: what EnVision calculated ("Calculated results", or a `Formula` in the plate's lines) is not read; lists and
kinetic repeats of a plate are refused, and so are column numbers without a title above them.

The form, from genuine exports (allotropy's test data, MIT)
-----------------------------------------------------------
`Plate information` with a line of titles and a line for the plate (`Plate`, `Repeat`, `Barcode`, `Label`, `Measinfo`),
then `Results for <label> - channel 1 window 1 (Counts)` and a matrix with column numbers and row letters; exported
without titles, the bare values of all rows stand there, each line ending in a separator, and the plate's own lines say
what they are. Between them there may be lines of `Background information`. Further down,
`Labels:` gives for each label its filters (`Exc. filter`, `Ems. filter`), and `Filters:` their wavelengths.
"""

import re

from mgk.plates.export import (
    PLATE_ROWS,
    ROWS,
    Cell,
    ExportError,
    Read,
    check_no_stray_row,
    fields_of,
    split_lines,
    trimmed,
    well_name,
)

NAME = "PerkinElmer EnVision csv"
EMPTY_FLAG = "blank"

_FILTER_KEYS = {"exc. filter": 0, "ems. filter": 1, "2nd ems. filter": 2}
_RESULTS = re.compile(r"Results for (.+?)(?:\s*\([^()]*\))?\s*$")


def recognises(text: str) -> bool:
    """Return whether the text looks like an EnVision export."""
    return re.search(r"^Plate information\s*[,;\t]?", text[:2000], re.M) is not None


def read_cells(text: str) -> list[Cell]:
    """Return the cells of all measured matrices of an EnVision export.

    Raises
    ------
    ExportError
        A title without its matrix, a matrix that is cut, a matrix without a title.
    """
    lines = split_lines(text)
    delimiter = max(",;\t", key=text.count)
    return _Export(lines, [fields_of(line, delimiter, n) for n, line in enumerate(lines, start=1)]).read()


class _Export:
    """One walk down an export: what the lines met so far say of the matrix that comes next."""

    def __init__(self, lines: list[str], fields: list[list[str]]):
        self.lines, self.fields, self.rows = lines, fields, [trimmed(f) for f in fields]
        self.filters = _filters(self.rows)
        self.plate, self.plates = 1, []
        self.info: dict[str, str] = {}
        self.title, self.measured = "", False
        self.awaited, self.background = False, False  # the matrix of the plate's lines; within background lines
        self.counts: dict[int, int] = {}
        self.cells: list[Cell] = []

    def read(self) -> list[Cell]:
        number = 0
        while number < len(self.rows):
            row = self.rows[number]
            first = row[0] if row else ""
            if first == "Plate information":
                self._check_complete(number)
                number = self._plate(number)
            elif first.startswith(("Results for ", "Calculated results")):
                _not_followed(self.title, self.measured, number)
                self.title, self.measured = first, first.startswith("Results for ")
            elif _is_header(row):
                number = self._titled(number)
            elif first.startswith(("Basic assay information", "Protocol information")):
                break
            elif row[:2] == ["Plate", "Repeat"]:
                raise ExportError(number + 1, "a line 'Plate information' is expected above this one")
            elif first == "Background information" or not self.lines[number].strip():
                self.background = first != ""
            elif self.awaited and not self.title and not self.background:
                number = self._untitled(number)
            else:
                check_no_stray_row(row, number + 1)
            number += 1
        self._check_complete(number)
        return self.cells

    def _check_complete(self, number: int) -> None:
        """What was announced must have come: the matrix of a title, or that of the plate's own lines."""
        _not_followed(self.title, self.measured, number)
        if self.awaited and not self.title and "Formula" not in self.info:
            raise ExportError(number, "the values of the plate above are expected before this line")

    def _plate(self, number: int) -> int:
        self.plate, self.info = _plate(self.rows, number, self.plates)
        self.title, self.awaited, self.background = "", True, False
        return number + 2

    def _titled(self, number: int) -> int:
        if not self.title:
            raise ExportError(number + 1, "a title 'Results for ...' is expected above this matrix")
        label = _RESULTS.match(self.title)
        self.title, self.awaited = "", False
        if not self.measured:
            return self._next_empty(number)
        found, number = _matrix(self.rows, self.lines, number, self._read(label[1]))
        self.cells += found
        return number

    def _untitled(self, number: int) -> int:
        self.awaited = False
        if "Formula" in self.info:
            return self._next_empty(number)
        found, number = _bare_matrix(self.fields, self.lines, number, self._read(self.info.get("Label", "")))
        self.cells += found
        return number

    def _next_empty(self, number: int) -> int:
        return next((i for i in range(number, len(self.rows)) if not self.rows[i]), len(self.rows))

    def _read(self, label: str) -> Read:
        self.counts[self.plate] = self.counts.get(self.plate, 0) + 1
        name = self.plates[self.plate - 1] if self.plates else ""
        return _read(self.plate, name, self.counts[self.plate], label, self.info, self.filters)


def _not_followed(title: str, measured: bool, number: int) -> None:
    if title and measured:
        raise ExportError(number, f"{title!r} is not followed by column numbers 1 ... and rows of wells")


def _is_header(row: list[str]) -> bool:
    numbers = [f.lstrip("0") for f in row[1:]]
    return (
        len(row) > 2 and row[0] == "" and numbers == [str(i) for i in range(1, len(row))] and len(numbers) in PLATE_ROWS
    )


def _plate(rows: list[list[str]], number: int, plates: list[str]) -> tuple[int, dict[str, str]]:
    """Return the plate's place in the file (from 1) and what the two lines below say of it."""
    titles, values = (rows[number + i] if number + i < len(rows) else [] for i in (1, 2))
    info = dict(zip(titles, values, strict=False))
    if not re.fullmatch(r"\d+", info.get("Plate", "")):
        raise ExportError(number + 2, "titles (Plate, Repeat, ...) and a line of their values are expected here")
    if info.get("Kinetics", "0") not in ("", "0", "N/A"):
        raise ExportError(number + 3, "kinetic repeats of a plate are not read; export endpoint reads")
    name = info["Plate"]
    if name not in plates:
        plates.append(name)
    return plates.index(name) + 1, info


def _read(plate: int, name: str, number: int, label: str, info: dict[str, str], filters: dict) -> Read:
    """Return the read of a matrix: its label, and the wavelengths of the label's filters."""
    measinfo = info.get("Measinfo", "")
    detector = 2 if re.search(r"channel 2|De=2nd", f"{label} {measinfo}") else 1
    base = re.sub(r"\(\d+\)$", "", info.get("Label", label)).strip()
    excitation, emission = filters.get((base, 0)), filters.get((base, detector))
    mode = _mode(measinfo, label)
    if mode == "absorbance":
        return Read(plate, f"Plate {name}", number, label, mode, excitation or emission)
    return Read(plate, f"Plate {name}", number, label, mode, None, excitation, emission)


def _mode(measinfo: str, label: str) -> str:
    if "USLum" in measinfo or "LUM" in label.upper():
        return "luminescence"
    if re.search(r"\bABS", label.upper()) or "Em=N/A" in measinfo:
        return "absorbance"
    return "fluorescence" if re.search(r"Ex=(?!N/A)", measinfo) else ""


def _filters(rows: list[list[str]]) -> dict[tuple[str, int], float]:
    """Return wavelengths in nm by label and place: 0 excitation, 1 and 2 the emission of either detector."""
    named: dict[tuple[str, int], str] = {}
    centres: dict[str, float] = {}
    section, head, fresh = "", "", True
    for row in rows:
        key, value = (row[0], row[-1]) if row else ("", "")
        if key in ("Labels:", "Filters:", "Mirror modules:", "Instrument:"):
            section, fresh = key, True
        elif not key:
            fresh = True
        elif fresh:
            head, fresh = value if key == "Label name" else key, False
        elif section == "Labels:" and key.lower() in _FILTER_KEYS:
            named[head, _FILTER_KEYS[key.lower()]] = value
        elif section == "Filters:" and key == "Description" and (match := re.search(r"CWL=(\d+(\.\d+)?)nm", value)):
            centres[head] = float(match[1])
    return {place: centres[name] for place, name in named.items() if name in centres}


def _matrix(rows, lines: list[str], header: int, read: Read) -> tuple[list[Cell], int]:
    """Read rows of wells up to the empty line that ends them; rows that were not measured may be left out."""
    columns, number, last = len(rows[header]) - 1, header + 1, -1
    cells = []
    while number < len(rows) and rows[number]:
        row = rows[number]
        place = ROWS.find(row[0].upper()) if len(row[0]) == 1 else -1
        if not last < place < PLATE_ROWS[columns]:
            raise ExportError(
                number + 1, f"{row[0]!r}: the next row of a plate with {columns} columns is expected here"
            )
        if len(row) > columns + 1:
            raise ExportError(number + 1, f"row {row[0]} has {len(row) - 1} values; the plate has {columns} columns")
        values = row[1:] + [""] * (columns + 1 - len(row))
        cells += [Cell(read, None, well_name(row[0], c), v, number + 1) for c, v in enumerate(values, start=1)]
        last, number = place, number + 1
    if number >= len(lines) - (last < PLATE_ROWS[columns] - 1):
        raise ExportError(number, "the file ends within this matrix; if it is whole, end it with an empty line")
    if last < 0:
        raise ExportError(header + 1, "rows of wells are expected below these column numbers")
    return cells, number


def _bare_matrix(fields: list[list[str]], lines: list[str], first: int, read: Read) -> tuple[list[Cell], int]:
    """Read the values of all wells, which stand without column numbers and row letters from line `first` (from 0) on.

    Each line ends in a separator: the last field is empty, and a line that lacks one or has one too many is seen.
    """
    columns = len(fields[first]) - 1
    rows = PLATE_ROWS.get(columns)
    if rows is None:
        raise ExportError(first + 1, f"{columns} values: rows of {'/'.join(map(str, PLATE_ROWS))} wells are expected")
    cells = []
    for letter, number in zip(ROWS[:rows], range(first, first + rows), strict=True):
        row = [f.strip() for f in fields[number]] if number < len(lines) else []
        if len(row) != columns + 1 or row[-1]:
            raise ExportError(number + 1, f"row {letter} of a plate with {columns} columns is expected here")
        cells += [Cell(read, None, well_name(letter, c), v, number + 1) for c, v in enumerate(row[:-1], start=1)]
    end = first + rows
    if end >= len(lines) or lines[end].strip(" ,;\t"):
        raise ExportError(end + 1, f"an empty line is expected below the {rows} rows of this plate")
    return cells, end
