"""BioTek (Agilent) Gen5 txt, csv or xlsx: raw data of endpoint and kinetic reads, one or several plates in a file.

Limits: only what the reader measured is read. A label that names no read of the procedure ("Blank 450", "Ratio",
"Conc", "Max V [450]") is what Gen5 computed; spectra, area scans, polarisation and images are not read.

The form, from genuine exports (allotropy's test data, MIT)
-----------------------------------------------------------
Tab-separated. A head of keys (`Software Version`, `Plate Number`, ...), then `Procedure Details` with, for each step,
`Read` and its name, the mode, and `Wavelengths:  280, 325` or filter sets `Excitation: 340/11,  Emission: 510/20`
(centre/width). Endpoint values stand in a matrix: column numbers, then for each plate row one line a read, the first
with the row's letter, all with the read's label at the end (`280`, `step:280`, `340/11,510/20`, `step:340,510`).
The order of the labels can differ between rows of one matrix: only the label says which read a line is. Kinetic values
stand in a table below a title with the label: `Time`, a column of temperatures, a column a well; rows that were not
reached have a time of zero and nothing else. `OVRFLW`: above range; `MISSED`: no value; `*0.356*`: masked by hand.
A csv separates the same fields by commas or semicolons; csv and workbook hold the tables one column further right.
"""

import csv
import re
from dataclasses import dataclass, field
from itertools import pairwise

from mgk.plates.export import ROWS, Cell, ExportError, Read, check_line_end, seconds, split_lines, trimmed, well_name

NAME = "BioTek Gen5 txt"
EMPTY_FLAG = "blank"

_MODE = re.compile(r"(Absorbance|Fluorescence|Luminescence|Alpha)\b.*")
_LABEL = re.compile(
    r"(?:(.+):)?(?:(\d{3,4})(?:/\d+)?|(\d{3,4})(?:/\d+)?,(\d{3,4})(?:/\d+)?|(Lum|Alpha))(?:\s*\[\d+\])?"
)
_FILTERS = re.compile(r"Excitation:\s*(\d+)(?:/\d+)?,\s*Emission:\s*(\d+)(?:/\d+)?")
_EMISSION = re.compile(r"Emission:\s*(\d+)(?:/\d+)?\s*$")
_HEAD = re.compile(r"^(Software Version|Plate Number|Procedure Details)([\t,;]|$)", re.MULTILINE)
# The header of a table that stands one column further right.
_SHIFTED = re.compile(r"\t(\t[1-9]\d?(\t|$)|(Time|Wavelength)\t)")


@dataclass(frozen=True)
class _Channel:
    """One wavelength (pair) of one step of the procedure; a step without a name has the name ''.

    `order` counts the steps that read, from 1: of several without a name, a label says `Read 2`.
    """

    step: str
    mode: str
    order: int
    wavelength_nm: float | None = None
    excitation_nm: float | None = None
    emission_nm: float | None = None


@dataclass
class _Found:
    """The cells of one label, in the order in which the labels came; `repeat` counts equal labels in one plate row."""

    channel: _Channel
    label: str
    repeat: int
    cells: list[tuple[float | None, str, str, int]] = field(default_factory=list)


def recognises(text: str) -> bool:
    """Return whether the text looks like a Gen5 export."""
    return _HEAD.search(text[:4000]) is not None


def read_cells(text: str) -> list[Cell]:
    """Return the cells of all raw reads of a Gen5 export.

    Raises
    ------
    ExportError
        A row with too few fields, rows that do not follow each other, a read that lacks rows, a plate without wells.
    """
    lines = _lines(text)
    starts = [i for i, line in enumerate(lines) if re.match(r"Plate Number\b", line)]
    if len(starts) < len([line for line in lines if line.startswith("Software Version\t")]):
        raise ExportError(None, "a plate lacks its line 'Plate Number'; the file was cut or edited")
    bounds = [0, *starts[1:], len(lines)] if starts else [0, len(lines)]
    cells: list[Cell] = []
    for plate, (first, end) in enumerate(pairwise(bounds), start=1):
        cells += _plate(lines, first, end, plate)
    return cells


def _lines(text: str) -> list[str]:
    """Return the lines as the txt export has them: separated by tabs, tables from the first column on."""
    lines, delimiter = split_lines(text), _HEAD.search(text[:4000])[2]
    if delimiter and delimiter != "\t":
        lines = ["\t".join(next(csv.reader([line], delimiter=delimiter), [])).rstrip("\t") for line in lines]
    shifted, found = False, []
    for line in lines:
        shifted = line.startswith("\t") and (shifted or _SHIFTED.match(line) is not None)
        found.append(line[1:] if shifted else line)
    return found


def _plate(lines: list[str], first: int, end: int, plate: int) -> list[Cell]:
    channels = _procedure(lines[first:end])
    name, title, unread = "", "", []
    found: list[_Found] = []
    number = first
    while number < end:
        fields = lines[number].split("\t")
        if fields[0].strip() == "Plate Number" and len(fields) > 1:
            name = fields[1].strip()
        if _column_numbers(fields):
            part, number = _matrix(lines, number, end, title, channels, unread)
            found += _new(part, found)
        elif fields[0].strip() == "Time" and len(fields) > 1 and any(well_name(f, "") for f in fields):
            channel = _channel(title, channels)
            if channel:
                part, number = _kinetic(lines, number, end, _Found(channel, title, 0))
                found += _new([part], found)
            else:
                unread.append(title)
        elif lines[number].strip():
            title = lines[number].strip()
        number += 1
    found = [f for f in found if f.cells]
    if not found:
        seen = f"; labels seen: {', '.join(dict.fromkeys(unread))}"[:300] if unread else ""
        raise ExportError(None, f"plate {plate} holds no wells of a read of its procedure{seen}")
    order = {id(f): i for i, f in enumerate(found)}
    found.sort(key=lambda f: (channels.index(f.channel) if f.channel in channels else len(channels), order[id(f)]))
    cells = []
    for n, f in enumerate(found, start=1):
        c = f.channel
        read = Read(plate, name, n, f.label, c.mode, c.wavelength_nm, c.excitation_nm, c.emission_nm)
        cells += [Cell(read, *cell) for cell in f.cells]
    return cells


def _procedure(lines: list[str]) -> list[_Channel]:
    """Return the wavelengths of all steps in the order of the procedure (none when it was not exported)."""
    channels, step, mode, order = [], "", "", 0
    for line in lines:
        if match := re.match(r"\s*Read\t(.*)", line):
            order += 1
            text = match[1].strip()
            step, mode = ("", "") if _MODE.fullmatch(text) else (text, "")
        elif _column_numbers(line.split("\t")):
            break
        elif line.startswith("\t"):
            text = line.strip()
        else:
            continue
        if found := _MODE.fullmatch(text):
            mode = found[1].lower()
            if mode in ("luminescence", "alpha"):
                channels.append(_Channel(step, mode, order))
        elif text.startswith("Wavelengths:"):
            channels += [_Channel(step, mode, order, wavelength_nm=float(w)) for w in re.findall(r"\d+", text)]
        elif found := _FILTERS.search(text):
            pair = {"excitation_nm": float(found[1]), "emission_nm": float(found[2])}
            channels.append(_Channel(step, mode, order, **pair))
        elif (found := _EMISSION.match(text)) and mode == "luminescence":
            channels.append(_Channel(step, mode, order, emission_nm=float(found[1])))
    return channels


def _channel(label: str, channels: list[_Channel]) -> _Channel | None:
    """Return the channel that a label names, or None when it names something that Gen5 computed."""
    match = _LABEL.fullmatch(label)
    if not match:
        return None
    step, single, excitation, emission, word = match.groups()
    step = step or ""
    for c in channels:
        named = step == c.step or (c.step == "" and step == f"Read {c.order}")
        if named and _same_light(c, _floats(single, excitation, emission), word):
            return c
    if channels or step.startswith("Blank "):
        return None
    mode = {"Lum": "luminescence", "Alpha": "alpha"}.get(word, "fluorescence" if excitation else "absorbance")
    return _Channel(step, mode, 0, *_floats(single, excitation, emission))


def _same_light(channel: _Channel, light: tuple[float | None, ...], word: str | None) -> bool:
    """Whether a label's numbers, or its word, are those of a channel; a single one is the emission of luminescence."""
    single, excitation, emission = light
    if word:
        return channel.mode == {"Lum": "luminescence", "Alpha": "alpha"}[word] and channel.emission_nm is None
    if channel.mode == "luminescence":
        return single is not None and single == channel.emission_nm
    return (channel.wavelength_nm, channel.excitation_nm, channel.emission_nm) == (single, excitation, emission)


def _floats(*texts: str | None) -> tuple[float | None, ...]:
    return tuple(None if t is None else float(t) for t in texts)


def _column_numbers(fields: list[str]) -> list[str] | None:
    """Return the column numbers when this line is the header of a matrix."""
    columns = trimmed(fields)[1:]
    if fields[0].strip() or not columns or not all(re.fullmatch(r"[1-9]\d?", c) for c in columns):
        return None
    numbers = [int(c) for c in columns]
    return columns if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[-1] <= 24 else None


def _matrix(lines, header: int, end: int, title: str, channels: list[_Channel], unread: list[str]):
    """Read the matrix whose column numbers stand in line `header` (from 0); return its reads and its last line."""
    columns = _column_numbers(lines[header].split("\t"))
    found: dict[tuple[str, int], _Found] = {}
    rows: dict[str, list[tuple[str, int]]] = {}
    row, number = "", header
    while number + 1 < end and lines[number + 1].strip():
        fields = [f.strip() for f in lines[number + 1].split("\t")]
        number += 1
        if not re.fullmatch(r"[A-P]?", fields[0]) or (fields[0] == "" and row == ""):
            raise ExportError(number + 1, f"{fields[0]!r}: a row of wells (A to P) or an empty line is expected here")
        if title == "Layout":
            row = fields[0] or row
            continue
        while len(fields) > len(columns) + 2 and fields[-1] == "":
            fields.pop()
        if len(fields) != len(columns) + 2 or not fields[-1]:
            raise ExportError(number + 1, f"{len(columns)} values and the label of the read are expected in this row")
        row = _next_row(row, fields[0], rows, number + 1)
        label = fields[-1]
        channel = _channel(label, channels)
        if channel is None:
            unread.append(label)
            continue
        key = (label, [k[0] for k in rows[row]].count(label))
        rows[row].append(key)
        read = found.setdefault(key, _Found(channel, label, key[1]))
        values = zip(columns, fields[1:-1], strict=True)
        read.cells += [(None, well_name(row, c), value, number + 1) for c, value in values]
    for letter, keys in rows.items():
        if set(keys) != set(found):
            lacking = [k for k in found if k not in keys] or [k for k in keys if k not in found]
            raise ExportError(number + 1, f"row {letter} of this matrix lacks the read {lacking[0][0]!r} of other rows")
    return list(found.values()), number


def _next_row(row: str, letter: str, rows: dict[str, list], line: int) -> str:
    """Return the plate row that a line belongs to; rows follow each other in the alphabet."""
    if letter == "":
        return row
    if row and letter != ROWS[ROWS.index(row) + 1 :][:1]:
        raise ExportError(line, f"row {letter} follows row {row}; rows are missing, stand twice or are out of order")
    rows[letter] = []
    return letter


def _kinetic(lines: list[str], header: int, end: int, read: _Found) -> tuple[_Found, int]:
    """Read the table of times whose wells stand in line `header` (from 0); return its read and its last line."""
    names = [f.strip() for f in lines[header].split("\t")]
    wells = {i: well_name(name, "") for i, name in enumerate(names) if well_name(name, "")}
    number = header
    while number + 1 < end and lines[number + 1].strip():
        fields = [f.strip() for f in lines[number + 1].split("\t")]
        time = seconds(fields[0])
        if time is None:
            raise ExportError(number + 2, f"{fields[0]!r} is not a time h:mm:ss")
        number += 1
        if not any(fields[1:]):
            continue
        while len(fields) > len(names) and fields[-1] == "":
            fields.pop()
        if len(fields) != len(names):
            raise ExportError(number + 1, f"{len(fields)} fields, where the line of wells has {len(names)}")
        check_line_end(lines, number + 1)
        read.cells += [(time, well, fields[i], number + 1) for i, well in wells.items()]
    return read, number


def _new(part: list[_Found], found: list[_Found]) -> list[_Found]:
    """Leave out reads that another section of the export repeats cell by cell."""
    known = [[c[:3] for c in f.cells] for f in found]
    return [f for f in part if [c[:3] for c in f.cells] not in known or f.label not in {g.label for g in found}]
