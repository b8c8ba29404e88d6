"""Molecular Devices SoftMax Pro txt: raw data of endpoint and kinetic reads, several plates in a file.

Limits: blocks `Plate:` only; `Group:` and `Note:` blocks and the reduced numbers at the end of a plate are what SoftMax
computed. Spectra and well scans are refused. SoftMax leaves the cell of a well without a value empty, whether it was
not measured or the reading failed: both are `missing`.

The form, from genuine exports (allotropy's test data, MIT)
-----------------------------------------------------------
UTF-16, tab-separated, `##BLOCKS= 3`, each block closed by `~End` (a spreadsheet may have filled up all lines with tabs
and lost the `##`). A plate's first line holds, by position: name, version, PlateFormat or TimeFormat, Endpoint or
Kinetic, mode (fluorescence: one field more, top or bottom), Raw or Reduced or Both, ..., number of time points, ...,
number of wavelengths, the wavelengths, ..., number of wells; fluorescence has the excitation wavelengths right after.
PlateFormat prints the plate as a matrix for each time, the wavelengths side by side with an empty column between; a
plate row that was not read is a line of tabs. TimeFormat prints a line for each time with a column a well, the
wavelengths below each other with an empty line between. The column before the wells is the temperature.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from mgk.plates.export import PLATE_ROWS, ROWS, Cell, ExportError, Read, seconds, split_lines, trimmed, well_name

NAME = "SoftMax Pro txt"
EMPTY_FLAG = "missing"

_MODES = ("Absorbance", "Fluorescence", "Luminescence")


@dataclass(frozen=True)
class _Header:
    """What the first line of a plate block says."""

    name: str
    by_time: bool
    kinetic: bool
    mode: str
    times: int
    wavelengths: tuple[float, ...]
    excitations: tuple[float, ...]
    columns: int


def recognises(text: str) -> bool:
    """Return whether the text looks like a SoftMax Pro export."""
    return re.match(r"\s*(##)?BLOCKS=\s*\d", text) is not None


def read_cells(text: str) -> list[Cell]:
    """Return the cells of all plates of a SoftMax Pro export.

    Raises
    ------
    ExportError
        A block without its end, a header that is not understood, matrices or lines that do not fit the header.
    """
    lines = split_lines(text)
    blocks = re.match(r"\s*(?:##)?BLOCKS=\s*(\d+)", text)
    ends = [i for i, line in enumerate(lines) if line.strip() == "~End"]
    if not blocks or len(ends) < int(blocks[1]):
        raise ExportError(
            None, f"{len(ends)} blocks are closed by ~End; the first line promises more: the file was cut"
        )
    cells: list[Cell] = []
    plate = 0
    for before, end in pairwise([0, *ends]):
        start = next((i for i in range(before + 1, end) if lines[i].strip()), end)
        if not re.match(r"\w+:", lines[start]):
            raise ExportError(start + 1, "a block must start with its kind, such as 'Plate:', 'Group:' or 'Note:'")
        if lines[start].startswith("Plate:"):
            plate += 1
            cells += _plate(lines, start, end, plate)
    return cells


def _plate(lines: list[str], start: int, end: int, plate: int) -> list[Cell]:
    header = _header(lines[start], start + 1)
    reads = []
    for i, wavelength in enumerate(header.wavelengths):
        excitation = header.excitations[i] if header.mode == "fluorescence" else None
        label = f"{wavelength:g}" if excitation is None else f"{excitation:g}/{wavelength:g}"
        absorbance = header.mode == "absorbance"
        one, emission = (wavelength, None) if absorbance else (None, wavelength)
        reads.append(Read(plate, header.name, i + 1, label, header.mode, one, excitation, emission))
    groups = _groups(lines, start + 2, end, keep_empty=not header.by_time)
    titles = [f.strip() for f in lines[start + 1].split("\t")] if start + 1 < end else []
    if len(titles) < 3 or not titles[1].startswith("Temperature"):
        raise ExportError(start + 2, "a line 'Temperature' with the wells or the column numbers is expected here")
    return (_by_time if header.by_time else _by_plate)(lines, header, reads, titles, groups, start + 2)


def _header(line: str, number: int) -> _Header:
    fields = [f.strip() for f in line.split("\t")] + [""] * 32
    mode = fields[5]
    if fields[3] not in ("PlateFormat", "TimeFormat") or mode not in _MODES:
        raise ExportError(
            number, f"{fields[3]!r}, {mode!r}: PlateFormat or TimeFormat, and {', '.join(_MODES)} are read"
        )
    if fields[4] not in ("Endpoint", "Kinetic"):
        raise ExportError(number, f"{fields[4]!r}: only Endpoint and Kinetic reads are read")
    shift = 1 if mode == "Fluorescence" else 0
    if fields[6 + shift] not in ("Raw", "Both"):
        raise ExportError(number, f"{fields[6 + shift]!r}: export the plate's data as Raw or Both")
    try:
        times = int(fields[8 + shift]) if fields[4] == "Kinetic" else 1
        count = int(fields[14 + shift] or 1)
        wavelengths = tuple(float(w) for w in fields[15 + shift].split())
        excitations = tuple(float(w) for w in fields[20].split()) if shift else ()
        wells = int(fields[18 + shift])
    except ValueError:
        raise ExportError(
            number, "the numbers of times, wavelengths or wells are not where they are expected"
        ) from None
    if wells > 384:
        raise ExportError(number, f"plates of {wells} wells are not read, 384 are the most")
    columns = {c * r: c for c, r in PLATE_ROWS.items()}.get(wells)
    if columns is None or len(wavelengths) != count or (shift and len(excitations) != count) or times < 1:
        raise ExportError(
            number, f"{wells} wells, {count} wavelengths ({wavelengths}), {times} times do not fit together"
        )
    return _Header(
        fields[1],
        fields[3] == "TimeFormat",
        fields[4] == "Kinetic",
        mode.lower(),
        times,
        wavelengths,
        excitations,
        columns,
    )


def _groups(lines: list[str], start: int, end: int, keep_empty: bool) -> list[list[int]]:
    """Return the line numbers (from 0) of the groups of lines between empty ones, up to the reduced numbers.

    keep_empty: a line of separators alone is a plate row without values, unless every line is filled up with them.
    """
    keep_empty = keep_empty and any("\t" not in lines[n] for n in range(start, end))
    groups: list[list[int]] = [[]]
    for number in range(start, end):
        fields = lines[number].split("\t")
        if not groups[-1] and trimmed(fields)[:3] in (["", "", "1"], ["", "", "A1"]):
            break
        if any(f.strip() for f in fields) or (keep_empty and "\t" in lines[number]):
            groups[-1].append(number)
        elif groups[-1]:
            groups.append([])
    return [g for g in groups if any(lines[n].strip() for n in g)]


def _by_plate(lines, header: _Header, reads: list[Read], titles, groups, line: int) -> list[Cell]:
    """Read PlateFormat: a group of lines for each time, a line for each plate row."""
    rows, width = PLATE_ROWS[header.columns], header.columns + 1
    numbers = [str(c) for c in range(1, header.columns + 1)]
    for i in range(len(reads)):
        if titles[2 + i * width :][: header.columns] != numbers:
            raise ExportError(line, f"column numbers 1 to {header.columns} are expected for each of {len(reads)} reads")
    if len(groups) != header.times:
        raise ExportError(line, f"{len(groups)} times are found; the plate's first line says {header.times}")
    cells = []
    for group in groups:
        if len(group) != rows:
            raise ExportError(group[0] + 1, f"{len(group)} rows follow; a plate of {header.columns} columns has {rows}")
        timed = next((n for n in group if lines[n].split("\t")[0].strip()), group[0])
        time = _time(lines[timed], header.kinetic, timed + 1)
        for row, number in zip(ROWS, group, strict=False):
            fields = _fields(lines[number], 2 + len(reads) * width, number)
            if any(fields[1 + (i + 1) * width] for i in range(len(reads))):
                raise ExportError(number + 1, f"row {row} has more than {header.columns} values for a read")
            for i, read in enumerate(reads):
                values = fields[2 + i * width :][: header.columns]
                cells += [
                    Cell(read, time, well_name(row, c), v, number + 1) for c, v in zip(numbers, values, strict=True)
                ]
    return cells


def _by_time(lines, header: _Header, reads: list[Read], titles, groups, line: int) -> list[Cell]:
    """Read TimeFormat: a group of lines for each wavelength, a line for each time."""
    wells = [well_name(t, "") for t in trimmed(titles)[2:]]
    if None in wells:
        raise ExportError(line, "the names of the wells are expected after the temperature")
    if len(groups) != len(reads):
        raise ExportError(line, f"{len(groups)} groups of lines are found for {len(reads)} wavelengths")
    cells = []
    for read, group in zip(reads, groups, strict=True):
        if len(group) != header.times:
            raise ExportError(group[0] + 1, f"{len(group)} times are found; the plate's first line says {header.times}")
        for number in group:
            time = _time(lines[number], header.kinetic, number + 1)
            fields = _fields(lines[number], 2 + len(wells), number)
            cells += [Cell(read, time, w, v, number + 1) for w, v in zip(wells, fields[2:], strict=True)]
    return cells


def _time(line: str, kinetic: bool, number: int) -> float | None:
    if not kinetic:
        return None
    text = line.split("\t")[0]
    time = seconds(text)
    if time is None:
        raise ExportError(number, f"{text!r} is not a time h:mm:ss or m:ss")
    return time


def _fields(line: str, count: int, number: int) -> list[str]:
    """Return exactly `count` fields; empty ones may be left out at the end, others must not stand there."""
    fields = trimmed(line.split("\t"))
    if len(fields) > count:
        raise ExportError(number + 1, f"{len(fields)} fields, where the plate's first line leaves room for {count}")
    return fields + [""] * (count - len(fields))
