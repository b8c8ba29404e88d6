"""BioTek (Agilent) Gen5 txt, csv or xlsx: raw data of endpoint and kinetic reads, one or several plates in a file.

Limits: only what the reader measured is read. A label that names no read of the procedure ("Blank 450", "Ratio",
"Conc", "Max V [450]") is what Gen5 computed; spectra, area scans, polarisation and images are not read.

The form, from genuine exports (allotropy's test data, MIT; those of the parser synergy-file-reader)
--------------------------------------------------------------------------------------------------
Tab-separated. A head of keys (`Software Version`, `Plate Number`, ...), then `Procedure Details` with, for each step,
`Read` and its name, the mode, and `Wavelengths:  280, 325` or filter sets `Excitation: 340/11,  Emission: 510/20`
(centre/width). The values stand in the tables of `gen5_tables`, under the read's label (`280`, `step:280`,
`340/11,510/20`, `step:340,510`). The order of the labels can differ between rows of one matrix: only the label says
which read a line is. `OVRFLW`: above range; `MISSED`: no value; `*0.356*`: masked by hand. A csv separates the same
fields by commas or semicolons; csv and workbook hold the tables one column further right.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from mgk.plates.export import Cell, ExportError, Read, check_no_stray_row, fields_of, split_lines
from mgk.plates.gen5_tables import Part, Section, column_numbers, table_at

NAME = "BioTek Gen5 txt"
EMPTY_FLAG = "blank"

_MODE = re.compile(r"(Absorbance|Fluorescence|Luminescence|Alpha)\b.*")
_LABEL = re.compile(
    r"(?:(.+):)?(?:(\d{3,4})(?:/\d+)?|(\d{3,4})(?:/\d+)?,(\d{3,4})(?:/\d+)?|(Lum|Alpha))(?:\s*\[\d+\])?"
)
_FILTERS = re.compile(r"Excitation:\s*(\d+)(?:/\d+)?,\s*Emission:\s*(\d+)(?:/\d+)?")
_EMISSION = re.compile(r"Emission:\s*(\d+)(?:/\d+)?\s*$")
_HEAD = re.compile(r"^(Software Version(?=[\t,;]\d)|Plate Number|Procedure Details)([\t,;]|$)", re.MULTILINE)
# The header of a table that stands one column further right.
_SHIFTED = re.compile(r"\t(\t[1-9]\d?(\t|$)|(Time|Wavelength|Well|Well ID)\t)")


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
    # A file may do without this line, but then it holds one plate.
    if max(len(starts), 1) < len([line for line in lines if line.startswith("Software Version\t")]):
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
        lines = ["\t".join(fields_of(line, delimiter, n)) for n, line in enumerate(lines, start=1)]
    shifted, found = False, []
    for line in lines:
        shifted = line.startswith("\t") and (shifted or _SHIFTED.match(line) is not None)
        found.append(line[1:] if shifted else line)
    return found


def _plate(lines: list[str], first: int, end: int, plate: int) -> list[Cell]:
    channels = _procedure(lines[first:end])
    name, title, unread = "", "", []

    def measured(label: str) -> bool:
        known = _channel(label, channels) is not None
        if not known and label:
            unread.append(label)
        return known

    section = Section(lines, end, measured)
    found: list[Part] = []
    number = first
    while number < end:
        fields = section.fields(number)
        if fields[0] == "Plate Number" and len(fields) > 1:
            name = fields[1]
        if table := table_at(section, number, title):
            parts, number = table
            _join(parts, found)
        elif lines[number].strip():
            check_no_stray_row(fields, number + 1)
            title = lines[number].strip()
        number += 1
    found = [f for f in found if f.cells]
    if not found:
        seen = f"; labels seen: {', '.join(dict.fromkeys(unread))}"[:300] if unread else ""
        raise ExportError(None, f"plate {plate} holds no wells of a read of its procedure{seen}")
    reads = [(_channel(part.label, channels), part) for part in found]
    reads.sort(key=lambda r: channels.index(r[0]) if r[0] in channels else len(channels))
    cells = []
    for n, (c, part) in enumerate(reads, start=1):
        read = Read(plate, name, n, part.label, c.mode, c.wavelength_nm, c.excitation_nm, c.emission_nm)
        cells += [Cell(read, *cell) for cell in part.cells]
    return cells


def _join(parts: list[Part], found: list[Part]) -> None:
    """Add the parts of a table to those found before: as the next piece of one, or as a new one, but not twice."""
    earlier = list(found)
    for part in parts:
        before = next((f for f in reversed(earlier) if part.continues(f)), None)
        if before:
            before.cells += part.cells
            before.turn = part.turn
        elif not any(part.repeats(f) for f in earlier):
            found.append(part)


def _procedure(lines: list[str]) -> list[_Channel]:
    """Return the wavelengths of all steps in the order of the procedure (none when it was not exported)."""
    channels, step, mode, order = [], "", "", 0
    for line in lines:
        if match := re.match(r"\s*Read\t(.*)", line):
            order += 1
            text = match[1].strip()
            step, mode = ("", "") if _MODE.fullmatch(text) else (text, "")
        elif column_numbers(line.split("\t")):
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
