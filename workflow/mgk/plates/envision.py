"""PerkinElmer EnVision csv: results as plate matrices, endpoint reads, one or several plates in a file.

Limits: what EnVision calculated ("Calculated results") is not read; matrices without a title, lists and kinetic repeats
of a plate are refused, because nothing in them says what they are.

The form, from genuine exports (allotropy's test data, MIT)
-----------------------------------------------------------
`Plate information` with a line of titles and a line for the plate (`Plate`, `Repeat`, `Barcode`, `Label`, `Measinfo`),
then `Results for <label> - channel 1 window 1 (Counts)` and a matrix with column numbers and row letters. Further down,
`Labels:` gives for each label its filters (`Exc. filter`, `Ems. filter`), and `Filters:` their wavelengths.
"""

import csv
import re

from mgk.plates.export import PLATE_ROWS, ROWS, Cell, ExportError, Read, split_lines, trimmed, well_name

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
    rows = [trimmed(next(csv.reader([line], delimiter=delimiter), [])) for line in lines]
    filters = _filters(rows)
    cells: list[Cell] = []
    plates: list[str] = []
    counts: dict[int, int] = {}
    info: dict[str, str] = {}
    plate, title, measured, number = 1, "", False, 0
    while number < len(rows):
        row = rows[number]
        first = row[0] if row else ""
        if first == "Plate information":
            _not_followed(title, measured, number)
            plate, info = _plate(rows, number, plates)
            title = ""
        elif first.startswith(("Results for ", "Calculated results")):
            _not_followed(title, measured, number)
            title, measured = first, first.startswith("Results for ")
        elif _is_header(row):
            if not title:
                raise ExportError(number + 1, "a title 'Results for ...' is expected above this matrix")
            if measured:
                counts[plate] = counts.get(plate, 0) + 1
                read = _read(plate, plates[plate - 1] if plates else "", counts[plate], title, info, filters)
                found, number = _matrix(rows, lines, number, read)
                cells += found
            else:
                number = next((i for i in range(number, len(rows)) if not rows[i]), len(rows))
            title = ""
        elif first.startswith(("Basic assay information", "Protocol information")):
            _not_followed(title, measured, number)
            break
        number += 1
    _not_followed(title, measured, len(rows))
    return cells


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
    if info.get("Kinetics", "0") not in ("", "0", "N/A"):
        raise ExportError(number + 3, "kinetic repeats of a plate are not read; export endpoint reads")
    name = info.get("Plate", "1")
    if name not in plates:
        plates.append(name)
    return plates.index(name) + 1, info


def _read(plate: int, name: str, number: int, title: str, info: dict[str, str], filters: dict) -> Read:
    """Return the read of a matrix: its label, and the wavelengths of the label's filters."""
    label, measinfo = _RESULTS.match(title)[1], info.get("Measinfo", "")
    detector = 2 if re.search(r"channel 2|De=2nd", f"{title} {measinfo}") else 1
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
    return "fluorescence" if "Ex=" in measinfo else ""


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
