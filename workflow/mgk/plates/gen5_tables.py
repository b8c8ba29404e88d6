"""The tables of a Gen5 export: matrices and lists of wells, endpoint or kinetic, each with its labels.

Limits: nothing here knows the procedure; `gen5` says which labels are what the reader measured.

The forms, from genuine exports
-------------------------------
- A matrix: column numbers, then for each plate row a line for each label, the label at the end. Below a title
  `Time 2 (0:19:10)` it is one time of a kinetic read, and its label ends in ` Read#2`.
- A list down (`Well`, labels; before them `Well ID`, after it `Conc/Dil`) with a well a line, or along, with a label a
  line. `Count`, `Mean` and the like are what Gen5 computed.
- A kinetic read down (`Time`, a column of temperatures, a column a well) or along (`Time` and the times, a line of
  temperatures, a line a well). A wide plate comes in several tables below one title.
Times that were not reached are 0:00:00, with a temperature of 0.0 or none and no values.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mgk.plates.export import ROWS, ExportError, check_line_end, seconds, trimmed, well_name

_TIME_TITLE = re.compile(r"(?:.* - )?Time\s+(\d+)\s*\((\d+:\d\d:\d\d)\)")
_READ_LABEL = re.compile(r"(.+) Read#(\d+)")
_NOTHING = ("", "0.0", "0,0", "0")


@dataclass
class Part:
    """The cells of one label in one table: (time in s or None, well, text, line).

    `repeat` counts equal labels in one plate row; `turn` is the number of a matrix that is one time (0: it is none).
    """

    label: str
    repeat: int = 0
    turn: int = 0
    cells: list[tuple[float | None, str, str, int]] = field(default_factory=list)

    def continues(self, before: "Part") -> bool:
        """Whether this is the next piece of a read that Gen5 prints as several tables."""
        if (self.label, self.repeat) != (before.label, before.repeat):
            return False
        if self.turn or before.turn:
            return self.turn == before.turn + 1
        mine, theirs = ({c[1] for c in part.cells} for part in (self, before))
        return not mine & theirs and {c[0] for c in self.cells} == {c[0] for c in before.cells}

    def repeats(self, other: "Part") -> bool:
        """Whether another section of the export prints the same cells under the same label."""
        return self.label == other.label and {c[:3] for c in self.cells} == {c[:3] for c in other.cells}


@dataclass(frozen=True)
class Section:
    """The lines of one plate up to `end`, and what says whether a label is one of a read of the plate."""

    lines: list[str]
    end: int
    measured: Callable[[str], bool]

    def fields(self, number: int) -> list[str]:
        """Return the fields of a line of the plate, none beyond its end."""
        return [f.strip() for f in self.lines[number].split("\t")] if number < self.end else [""]

    def filled(self, number: int) -> bool:
        """Whether a line of the plate holds anything."""
        return number < self.end and bool(self.lines[number].strip())


def table_at(section: Section, number: int, title: str) -> tuple[list[Part], int] | None:
    """Return the parts of the table whose head is line `number` (from 0), and its last line; None when it is no head.

    Raises
    ------
    ExportError
        A line that lacks fields, rows that do not follow each other, a time that is none.
    """
    fields = section.fields(number)
    if column_numbers(fields):
        return _matrix(section, number, title)
    if fields[0] == "Time" and any(well_name(f, "") for f in fields):
        return _kinetic_down(section, number, title)
    if fields[0] == "Time" and _times_along(section, number):
        return _kinetic_along(section, number, title)
    if fields[0] == "Well" and len(fields) > 1 and well_name(fields[1], ""):
        return _list_along(section, number)
    if "Well" in fields[:2]:
        return _list_down(section, number)
    return None


def column_numbers(fields: list[str]) -> list[str] | None:
    """Return the column numbers when these fields are the head of a matrix."""
    columns = trimmed(fields)[1:]
    if fields[0].strip() or not columns or not all(re.fullmatch(r"[1-9]\d?", c) for c in columns):
        return None
    numbers = [int(c) for c in columns]
    return columns if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[-1] <= 24 else None


def _matrix(section: Section, head: int, title: str) -> tuple[list[Part], int]:
    columns = column_numbers(section.fields(head))
    at = _TIME_TITLE.fullmatch(title)
    found: dict[tuple[str, int], Part] = {}
    rows: dict[str, list[tuple[str, int]]] = {}
    row, number = "", head
    while section.filled(number + 1):
        fields = section.fields(number + 1)
        number += 1
        if not re.fullmatch(r"[A-P]?", fields[0]) or (fields[0] == "" and row == ""):
            raise ExportError(number + 1, f"{fields[0]!r}: a row of wells (A to P) or an empty line is expected here")
        if title == "Layout":
            row = fields[0] or row
            continue
        fields = _without_surplus(fields, len(columns) + 2)
        if len(fields) != len(columns) + 2 or not fields[-1]:
            raise ExportError(number + 1, f"{len(columns)} values and the label of the read are expected in this row")
        row = _next_row(row, fields[0], rows, number + 1)
        label, time, turn = _label_and_time(fields[-1], at, number + 1)
        if not section.measured(label):
            continue
        if at and not turn:
            raise ExportError(number + 1, f"{label!r}: the label of a time is expected to end in ' Read#{at[1]}'")
        key = (label, [k[0] for k in rows[row]].count(label))
        rows[row].append(key)
        part = found.setdefault(key, Part(label, key[1], turn))
        values = zip(columns, fields[1:-1], strict=True)
        part.cells += [(time, well_name(row, c), value, number + 1) for c, value in values]
    for letter, keys in rows.items():
        if set(keys) != set(found):
            lacking = [k for k in found if k not in keys] or [k for k in keys if k not in found]
            raise ExportError(number + 1, f"row {letter} of this matrix lacks the read {lacking[0][0]!r} of other rows")
    return [p for p in found.values() if not (p.turn > 1 and _not_reached(p))], number


def _label_and_time(text: str, at: re.Match | None, line: int) -> tuple[str, float | None, int]:
    """Return label, time and number of a line of a matrix; `at` is the title of a matrix that is one time."""
    label = _READ_LABEL.fullmatch(text)
    if not at or not label:
        return text, None, 0
    if label[2] != at[1]:
        raise ExportError(line, f"{text!r} stands below the title of time {at[1]}; the file was cut or edited")
    return label[1], seconds(at[2]), int(at[1])


def _not_reached(part: Part) -> bool:
    return not any(text or time for time, _, text, _ in part.cells)


def _next_row(row: str, letter: str, rows: dict[str, list], line: int) -> str:
    """Return the plate row that a line belongs to; rows follow each other in the alphabet."""
    if letter == "":
        return row
    if row and letter != ROWS[ROWS.index(row) + 1 :][:1]:
        raise ExportError(line, f"row {letter} follows row {row}; rows are missing, stand twice or are out of order")
    rows[letter] = []
    return letter


def _kinetic_down(section: Section, head: int, title: str) -> tuple[list[Part], int]:
    names = section.fields(head)
    wells = {i: well_name(name, "") for i, name in enumerate(names) if well_name(name, "")}
    part, number = Part(title), head
    while section.filled(number + 1):
        fields = section.fields(number + 1)
        time = _time(fields[0], number + 2)
        number += 1
        if not any(f for i, f in enumerate(fields[1:], start=1) if i in wells or f not in _NOTHING):
            continue
        fields = _counted(fields, len(names), number + 1, "the line of wells")
        check_line_end(section.lines, number + 1)
        part.cells += [(time, well, fields[i], number + 1) for i, well in wells.items()]
    return [part] if section.measured(title) else [], number


def _times_along(section: Section, number: int) -> bool:
    """Whether a line that starts with `Time` has times for a list of wells below, and is not the time of the export."""
    times = trimmed(section.fields(number))[1:]
    below = [section.fields(number + i)[0] for i in (1, 2)]
    return bool(times) and seconds(times[0]) is not None and any(well_name(f, "") for f in below)


def _kinetic_along(section: Section, head: int, title: str) -> tuple[list[Part], int]:
    names = section.fields(head)
    times = {i: _time(t, head + 1) for i, t in enumerate(names) if i and t}
    part, number, columns = Part(title), head, []
    while section.filled(number + 1):
        fields, number = section.fields(number + 1), number + 1
        well = well_name(fields[0], "")
        if well is None:
            if number > head + 1:
                raise ExportError(number + 1, f"{fields[0]!r} is not a well")
            continue
        if len(fields) != len(names):  # empty ones at the end are times that were not reached
            raise ExportError(number + 1, f"{len(fields)} fields, where the line of times has {len(names)}")
        check_line_end(section.lines, number + 1)
        columns.append((well, fields, number + 1))
    reached = [i for n, i in enumerate(times) if n == 0 or times[i] > 0 or any(f[i] for _, f, _ in columns)]
    part.cells = [(times[i], well, fields[i], line) for i in reached for well, fields, line in columns]
    return [part] if section.measured(title) else [], number


def _list_down(section: Section, head: int) -> tuple[list[Part], int]:
    names = section.fields(head)
    at = names.index("Well")
    parts = {i: Part(n, names[:i].count(n)) for i, n in enumerate(names) if i > at and n and section.measured(n)}
    number = head
    while section.filled(number + 1):
        fields, number = section.fields(number + 1), number + 1
        well = well_name(fields[at], "") if len(fields) > at else None
        if well is None:
            raise ExportError(number + 1, f"a well is expected in field {at + 1}, as in the lines above")
        fields = _counted(fields, len(names), number + 1, "the line of labels")
        check_line_end(section.lines, number + 1)
        for i, part in parts.items():
            part.cells.append((None, well, fields[i], number + 1))
    return list(parts.values()), number


def _list_along(section: Section, head: int) -> tuple[list[Part], int]:
    names = section.fields(head)
    wells = {i: well_name(n, "") for i, n in enumerate(names) if i and n}
    if None in wells.values():
        raise ExportError(head + 1, "only wells are expected after 'Well' in this line")
    parts: list[Part] = []
    number = head
    while section.filled(number + 1):
        fields, number = section.fields(number + 1), number + 1
        if not section.measured(fields[0]):
            continue
        fields = _counted(fields, len(names), number + 1, "the line of wells")
        check_line_end(section.lines, number + 1)
        part = Part(fields[0], [p.label for p in parts].count(fields[0]))
        part.cells = [(None, well, fields[i], number + 1) for i, well in wells.items()]
        if any(part.repeats(p) for p in parts):
            raise ExportError(number + 1, f"the line {part.label!r} stands twice")
        parts.append(part)
    return parts, number


def _time(text: str, line: int) -> float:
    time = seconds(text)
    if time is None:
        raise ExportError(line, f"{text!r} is not a time h:mm:ss")
    return time


def _counted(fields: list[str], count: int, line: int, of: str) -> list[str]:
    """Return fields that are as many as those of the head of their table; empty ones may follow."""
    fields = _without_surplus(fields, count)
    if len(fields) != count:
        raise ExportError(line, f"{len(fields)} fields, where {of} has {count}")
    return fields


def _without_surplus(fields: list[str], count: int) -> list[str]:
    while len(fields) > count and fields[-1] == "":
        fields = fields[:-1]
    return fields
