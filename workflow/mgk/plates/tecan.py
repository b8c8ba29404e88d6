"""Tecan i-control, SparkControl and XFluor: workbooks (xlsx), and the same as text or csv; endpoint and kinetic reads.

Limits: spectra and scans are refused, and so is a kinetic read as matrices, which state no time. Of several reads per
well, the mean that the software prints is read. Matrices that the software computed ("Difference") are not read.

The form, from descriptions and public exports of i-control 1.9 to 2.0 and SparkControl 2.3 to 3.2
--------------------------------------------------------------------------------------------------
A line `Application: Tecan i-control` (German: `Programm:`) or, below `Method name:`, `Application: SparkControl`; the
older XFluor writes `SUNRISE; ...; XFLUOR4 Version: V 4.50`, `Measurement mode:` and one matrix. Keys stand in the first
column, values in the next filled one. i-control writes a section for each label: `Label: name`, its
settings (`Mode`, `Measurement Wavelength` or `Excitation Wavelength`, `Part of Plate`), `Start Time`, the values,
`End Time`. SparkControl, and kinetic exports of i-control, write one group of settings that starts with `Mode` for each
label, then tables that may have the label above them. Values are
- a matrix: `<>` and column numbers, then rows of the plate, only those that were read;
- a list: `<>` or `Well` with `Value` or `Mean`, then a well a line;
- kinetic: `Cycle Nr.`, `Time [s]`, `Temp. [°C]` down the first column and a well a line, or the same words along a line
  and a cycle a line; with several reads per well a block `Cycles / Well` for each well.
`OVER` is above the range of the detector; an empty cell was not measured.
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise

from mgk.plates.export import (
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

NAME = "Tecan i-control or SparkControl (xlsx, csv, txt)"
EMPTY_FLAG = "blank"

_PROGRAM = r"(?:Application|Programm|Anwendung): ?(?:Tecan i-control|SparkControl)"
_XFLUOR = r".*XFLUOR4 Version: [^\t,;]*"
_APPLICATION = re.compile(rf'^\s*"?(?:{_PROGRAM}|{_XFLUOR})"?([\t,;]|$)', re.M)
_MODES = {"abs": "absorbance", "flu": "fluorescence", "lum": "luminescence"}
_WAVELENGTHS = {
    "wavelength": "wavelength_nm",
    "measurement wavelength": "wavelength_nm",
    "wellenlänge": "wavelength_nm",
    "messwellenlänge": "wavelength_nm",
    "excitation wavelength": "excitation_nm",
    "anregungswellenlänge": "excitation_nm",
    "emission wavelength": "emission_nm",
    "emissionswellenlänge": "emission_nm",
    "reference wavelength": "reference_nm",
    "referenzwellenlänge": "reference_nm",
}
_COMPUTED = {"difference", "differenz", "stdev", "ratio"}
_CYCLE, _MEAN = ("Cycle Nr", "Zyklus Nr", "Zyklusnr"), ("mean", "mittelwert")
_PER_WELL = ("Cycles / Well", "Zyklen / Well")
_NUMBER = re.compile(r"\d+([.,]\d+)?([eE][-+]?\d+)?")


@dataclass
class _Group:
    """The settings of one label."""

    name: str = ""
    line: int = 0
    mode: str = ""
    wavelength_nm: float | None = None
    excitation_nm: float | None = None
    emission_nm: float | None = None
    reference_nm: float | None = None
    part: str = ""
    kinetic: bool = False
    used: bool = False


def recognises(text: str) -> bool:
    """Return whether the text looks like an export of i-control or SparkControl."""
    return _APPLICATION.search(text[:2000]) is not None


def check_whole(text: str) -> None:
    """Refuse a text export that was cut: after the last table, the software writes when the measurement ended.

    Raises
    ------
    ExportError
        When no such line ends it. (A workbook that was cut cannot be opened at all.)
    """
    lines = [line for line in split_lines(text) if line.strip(" ,;\t")]
    ends = [i for i, line in enumerate(lines) if line.lstrip(' "').startswith(("End Time", "Endzeit"))]
    tables = [i for i, line in enumerate(lines) if line.startswith(("<>", "Well", "Label:", *_CYCLE, *_PER_WELL))]
    if tables and (not ends or ends[-1] < tables[-1]):
        raise ExportError(None, "no 'End Time' stands below the last values; the file was cut")


def read_cells(text: str) -> list[Cell]:
    """Return the cells of all reads of an i-control or SparkControl export (of one sheet, for a workbook).

    Raises
    ------
    ExportError
        A label without values, a table that is cut or out of order, a spectrum, a plate of 1536 wells.
    """
    lines = split_lines(text)
    delimiter = _APPLICATION.search(text[:2000])[1] or "\t"
    return _Export(lines, [_fields(line, delimiter, n) for n, line in enumerate(lines, start=1)]).read()


def _fields(line: str, delimiter: str, number: int) -> list[str]:
    return line.split("\t") if delimiter == "\t" else fields_of(line, delimiter, number)


class _Export:
    """One walk down an export: the groups of settings met so far, the reads made of them."""

    def __init__(self, lines: list[str], fields: list[list[str]]):
        self.lines, self.rows, self.widths = lines, [trimmed(f) for f in fields], [len(f) for f in fields]
        self.groups: list[_Group] = []
        self.labelled = any(r and r[0].startswith("Label:") for r in self.rows)
        self.kinetic, self.plate_name, self.title = False, "", ""
        self.reads = 0
        self.cells: list[Cell] = []

    def read(self) -> list[Cell]:
        number = 0
        while number < len(self.rows):
            row = self.rows[number]
            if row and (table := _table_at(row)):
                number = table(self, number)
                self.title = ""
            elif row:
                self._setting(row, number)
            number += 1
        for group in self.groups:
            if not group.used and (self.labelled or group.mode):
                raise ExportError(group.line, f"the label {group.name or group.mode!r} has no values that are read")
        return self.cells

    def _setting(self, row: list[str], number: int) -> None:
        key, value = row[0], next((f for f in row[1:] if f), "")
        self.title = key if len(row) == 1 else ""
        word = re.sub(r"\s*\[nm\]|:$", "", key).lower()
        if key.startswith("Label:"):
            self._check_used()
            self.groups.append(_Group(key.removeprefix("Label:").strip(), number + 1))
        elif word in ("mode", "modus", "measurement mode"):
            self._mode(value, number + 1)
        elif key.lower().startswith(("kinetic ", "kinetik ")):
            self.kinetic = True
            if self.labelled and self.groups:
                self.groups[-1].kinetic = True
        elif key.startswith(("Plate-ID", "Platten-ID")):
            self.plate_name = value
        elif key in ("Wavel.", "Wellenl."):
            raise ExportError(number + 1, f"{key!r}: spectra and scans are not read, only endpoint and kinetic reads")
        elif self.groups and not self.groups[-1].used:
            self._label_setting(self.groups[-1], word, value)

    def _label_setting(self, group: _Group, word: str, value: str) -> None:
        if word == "name":
            group.name = value
        elif word in ("part of plate", "plate area", "teil der platte"):
            group.part = value
        elif word in _WAVELENGTHS and _NUMBER.fullmatch(value):
            setattr(group, _WAVELENGTHS[word], float(value.replace(",", ".")))

    def _mode(self, value: str, line: int) -> None:
        mode = _MODES.get(value[:3].lower(), "")
        if value.lower().startswith("kineti"):
            self.kinetic = True
            return
        if self.labelled and self.groups and self.groups[-1].used:
            raise ExportError(line, "settings of a further label are found, but no line 'Label: ...' above them")
        if not self.labelled or not self.groups:
            self.groups.append(_Group("", line, kinetic=self.kinetic))
        self.groups[-1].mode = mode

    def _check_used(self) -> None:
        if self.groups and not self.groups[-1].used:
            raise ExportError(self.groups[-1].line, f"the label {self.groups[-1].name!r} has no values that are read")

    def _group(self) -> _Group:
        """Return the settings of the table that follows: those of its label, of its title, or the next unused ones."""
        if self.labelled:
            return self.groups[-1] if self.groups else _Group()
        names = {self.title.lower(), self.title.split(":")[0].strip().lower()} - {""}
        named = [g for g in self.groups if g.name.lower() in names]
        free = [g for g in self.groups if not g.used]
        return (named or free or [_Group(self.title)])[0]

    def new_read(self, kinetic: bool, line: int) -> Read | None:
        """Return the read of the table in `line`, or None when the software computed it."""
        title = self.title.lower()
        if title in _COMPUTED:
            return None
        if title in ("reference", "referenz") and self.groups:
            group = next((g for g in reversed(self.groups) if g.used), self.groups[-1])
            label, wavelength = f"{group.name} {self.title}".strip(), group.reference_nm
        else:
            group = self._group()
            label, wavelength = group.name or self.title or f"read {self.reads + 1}", group.wavelength_nm
        if self.labelled and group.used:
            raise ExportError(line, f"a second table stands below the label {label!r}; a line 'Label: ...' is missing")
        if group.kinetic and not kinetic:
            raise ExportError(line, f"{label!r} is a kinetic read; export it as a list, a matrix states no time")
        group.used = True
        self.reads += 1
        one = wavelength if group.mode in ("absorbance", "") else None
        return Read(1, self.plate_name, self.reads, label, group.mode, one, group.excitation_nm, group.emission_nm)

    def add(self, read: Read | None, time_s: float | None, well: str, text: str, line: int) -> None:
        if read is not None:
            self.cells.append(Cell(read, time_s, well, text, line))

    def filled(self, number: int) -> bool:
        return number < len(self.rows) and any(self.rows[number])

    def padded(self, number: int, width: int) -> list[str]:
        """Return the fields of a row of values below a header of `width` fields: neither fewer nor more."""
        row = self.rows[number]
        check_line_end(self.lines, number + 1)
        if self.widths[number] < width or (len(row) > width and row[width]):
            raise ExportError(number + 1, f"{len(row)} fields, where the line of the table's titles has {width}")
        return row + [""] * (width - len(row))


def _table_at(row: list[str]):
    """Return the reader of the table that a line begins, or None."""
    first, second = row[0], row[1].lower() if len(row) > 1 else ""
    if first in ("<>", "Well"):
        return _list if second in ("value", "wert", *_MEAN) else _matrix if first == "<>" else None
    if first.startswith(_CYCLE):
        return _cycles_down if any(well_name(f, "") for f in row[1:]) else _cycles_along
    return _block_of_well if first in _PER_WELL else None


def _matrix(export: _Export, header: int) -> int:
    """Read rows of a plate below their column numbers; return the last line."""
    columns = _column_numbers(export.rows[header], header + 1)
    read = export.new_read(False, header + 1)
    number, rows = header, ""
    while export.filled(number + 1) and re.fullmatch(r"[A-Za-z]{1,2}", export.rows[number + 1][0]):
        number += 1
        row = export.rows[number]
        if row[0].upper() not in ROWS:
            raise ExportError(number + 1, f"row {row[0]}: plates of 1536 wells are not read, 384 are the most")
        if rows and ROWS.index(row[0].upper()) != ROWS.index(rows[-1]) + 1:
            raise ExportError(number + 1, f"row {row[0]} follows row {rows[-1]}; rows are missing or out of order")
        rows += row[0].upper()
        values = export.padded(number, max(columns) + 1)
        for place, column in columns.items():
            export.add(read, None, well_name(row[0], column), values[place], number + 1)
    if not rows:
        raise ExportError(header + 2, "rows of wells (A, B ...) are expected below the column numbers")
    group = next((g for g in reversed(export.groups) if g.used), _Group())
    _check_part(group.part, rows, list(columns.values()), number + 1)
    return number


def _column_numbers(row: list[str], line: int) -> dict[int, int]:
    """Return the plate's column of each field: whole numbers that rise, up to the first field that is none."""
    columns: dict[int, int] = {}
    for place, field in enumerate(row[1:], start=1):
        if not re.fullmatch(r"\d{1,2}", field):
            break
        columns[place] = int(field)
    numbers = list(columns.values())
    if not numbers or numbers != sorted(set(numbers)):
        raise ExportError(line, "column numbers that rise are expected after <>")
    if numbers[0] < 1 or numbers[-1] > 24:
        raise ExportError(line, f"column {numbers[-1]}: plates of 1536 wells are not read, 384 are the most")
    return columns


def _check_part(part: str, rows: str, columns: list[int], line: int) -> None:
    """A part of the plate that the settings name must be there as a whole (A1-H3; several parts are not checked)."""
    match = re.fullmatch(r"([A-P])(\d+)\s*-\s*([A-P])(\d+)", part)
    if match:
        wanted = ROWS[ROWS.index(match[1]) : ROWS.index(match[3]) + 1]
        lacking = [r for r in wanted if r not in rows]
        lacking += [str(c) for c in range(int(match[2]), int(match[4]) + 1) if c not in columns]
        if lacking:
            raise ExportError(line, f"the part of the plate is {part}, but {', '.join(lacking)} is missing")


def _list(export: _Export, header: int) -> int:
    """Read a well a line: its value, or the mean of several reads in it."""
    read = export.new_read(False, header + 1)
    number, width = header, len(export.rows[header])
    while export.filled(number + 1) and (well := well_name(export.rows[number + 1][0], "")):
        number += 1
        export.add(read, None, well, export.padded(number, width)[1], number + 1)
    if number == header:
        raise ExportError(header + 2, "a well (A1) and its value are expected here")
    return number


def _cycles_along(export: _Export, header: int) -> int:
    """Read `Cycle Nr.`, `Time [s]` and `Temp.` lines, then a well a line with a value for each cycle."""
    read = export.new_read(True, header + 1)
    cycles = len(export.rows[header]) - 1
    number, times = header, None
    while export.filled(number + 1):
        row = export.rows[number + 1]
        if row[0].startswith(("Time [", "Zeit [")):
            times = _times(row[1 : cycles + 1], row[0], number + 2)
        elif well := well_name(row[0], ""):
            if times is None:
                raise ExportError(number + 2, "a line 'Time [s]' is expected before the wells")
            values = export.padded(number + 1, cycles + 1)[1 : cycles + 1]
            if any(values[len(times) :]):
                raise ExportError(number + 2, f"{cycles} cycles have values, {len(times)} have a time")
            for time, value in zip(times, values[: len(times)], strict=True):
                export.add(read, time, well, value, number + 2)
        elif not row[0].startswith("Temp"):
            break
        number += 1
    return number


def _cycles_down(export: _Export, header: int) -> int:
    """Read a line for each cycle, with its time and a column for each well."""
    titles = export.rows[header]
    read = export.new_read(True, header + 1)
    place = next((i for i, t in enumerate(titles) if t.startswith(("Time [", "Zeit ["))), None)
    if place is None:
        raise ExportError(header + 1, "a column 'Time [s]' is expected beside the wells")
    wells = {i: w for i, t in enumerate(titles) if (w := well_name(t, ""))}
    number, last = header, -math.inf
    while export.filled(number + 1) and re.fullmatch(r"\d+", export.rows[number + 1][0]):
        number += 1
        row = export.padded(number, len(titles))
        if not any(row[i] for i in wells):
            continue  # a cycle that was not reached
        time = _times([row[place]], titles[place], number + 1, last)[0]
        last = time
        for i, well in wells.items():
            export.add(read, time, well, row[i], number + 1)
    return number


def _block_of_well(export: _Export, header: int) -> int:
    """Read blocks, one a well, of several reads in it at each cycle: their mean."""
    read = export.new_read(True, header + 1)
    number, well, times, done = header, None, None, True
    while number + 1 < len(export.rows):
        row = export.rows[number + 1]
        first = row[0] if row else ""
        if first in _PER_WELL or first.startswith(("End Time", "Endzeit", "Label:")):
            _check_mean(well, done, number + 1)
            well, times, done = None, None, True
            if first not in _PER_WELL:
                break
        elif well is None and (found := well_name(first, "")):
            well, done = found, False
        elif first.startswith(("Time [", "Zeit [")):
            times = _times(row[1:], first, number + 2)
        elif first.lower() in _MEAN and well and times is not None:
            values = row[1:] + [""] * (len(times) + 1 - len(row))
            for time, value in zip(times, values[: len(times)], strict=True):
                export.add(read, time, well, value, number + 2)
            done = True
        number += 1
    _check_mean(well, done, number + 1)
    return number


def _check_mean(well: str | None, done: bool, line: int) -> None:
    if well and not done:
        raise ExportError(line, f"well {well} has no line 'Mean' below its times")


def _times(fields: list[str], title: str, line: int, after_s: float = -math.inf) -> list[float]:
    """Return times in seconds that rise; the unit stands in the title."""
    unit = {"s": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0}.get(re.sub(r".*\[|\].*", "", title))
    times = []
    for field in fields:
        if unit is None or not _NUMBER.fullmatch(field):
            raise ExportError(line, f"{field!r} under {title!r} is not a time in s, ms, min or h")
        times.append(float(field.replace(",", ".")) * unit)
    if any(b <= a for a, b in pairwise([after_s, *times])) or not all(map(math.isfinite, times)):
        raise ExportError(line, f"times under {title!r} do not rise")
    return times
