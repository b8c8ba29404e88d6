"""Segments: parts of one recording that differ in condition, concentration or holding potential.

A segment is a run of sweeps, a stretch of time within them, or both. It is named by its number among the segments of
its recording, from 1, in the order of raw_data/segments.csv. What a segment leaves empty is that of its recording; what
it says overrides the recording, here and in every analysis. Limits: reads no signal; measuring is the business of
`mgk.recordings.measure`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Segment:
    """A segment; sweeps count from 0, `sweep_last` is included (infinite: to the end), NaN and '' are not said."""

    name: str
    sweep_first: int
    sweep_last: float
    start_s: float
    end_s: float
    condition: str
    ligand: str
    ligand_total_mm: float
    command_mv: float
    exclude: str

    def has_sweep(self, sweep: int) -> bool:
        """Return whether a sweep belongs to the segment."""
        return self.sweep_first <= sweep <= self.sweep_last

    @property
    def from_s(self) -> float:
        """The start within a sweep, s."""
        return 0.0 if math.isnan(self.start_s) else self.start_s

    @property
    def until_s(self) -> float:
        """The end within a sweep, s; infinite where the segment does not say."""
        return math.inf if math.isnan(self.end_s) else self.end_s

    def overlaps(self, other: "Segment") -> bool:
        """Return whether a sample could belong to both segments."""
        sweeps = self.sweep_first <= other.sweep_last and other.sweep_first <= self.sweep_last
        return sweeps and self.from_s < other.until_s and other.from_s < self.until_s


def read_segments(rows: Iterable[Mapping]) -> tuple[Segment, ...]:
    """Return the segments of one recording from its rows of segments.csv."""
    return tuple(_segment(str(number), row) for number, row in enumerate(rows, 1))


def with_segments(rows: Iterable[Mapping], table: pd.DataFrame) -> list[dict]:
    """Return rows of recordings.csv, each that has segments with its rows of segments.csv under `segments`."""
    said = {}
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        said.setdefault(row["recording_id"], []).append(row)
    own = ((dict(row), said.get(row["recording_id"])) for row in rows)
    return [row | {"segments": segments} if segments else row for row, segments in own]


def segment_problems(rows: Iterable[Mapping]) -> list[tuple[int, str, str]]:
    """Return what is wrong with the segments of one recording: (number of the row from 0, column, what is allowed)."""
    found, segments = [], read_segments(rows)
    for i, segment in enumerate(segments):
        if segment.sweep_last < segment.sweep_first:
            found.append((i, "sweep_last", f"must not lie before sweep_first, {segment.sweep_first}"))
        if segment.until_s <= segment.from_s:
            found.append((i, "end_s", f"must lie after start_s, {segment.from_s:g} s"))
        earlier = [other.name for other in segments[:i] if segment.overlaps(other)]
        if earlier:
            found.append((i, "sweep_first", f"overlaps with segment {', '.join(earlier)} of the recording"))
    return found


def _segment(name: str, row: Mapping) -> Segment:
    return Segment(
        name=name,
        sweep_first=int(_number(row, "sweep_first", 0)),
        sweep_last=_number(row, "sweep_last", math.inf),
        start_s=_number(row, "start_s"),
        end_s=_number(row, "end_s"),
        condition=_text(row, "condition"),
        ligand=_text(row, "ligand"),
        ligand_total_mm=_number(row, "ligand_total_mm"),
        command_mv=_number(row, "command_mv"),
        exclude=_text(row, "exclude"),
    )


def _number(row: Mapping, key: str, otherwise: float = math.nan) -> float:
    value = row.get(key)
    return otherwise if value is None or value != value or value == "" else float(value)


def _text(row: Mapping, key: str) -> str:
    value = row.get(key)
    return "" if value is None or value != value else str(value)


# What is measured of a recording without segments; its name is empty, so nothing need be compared to know it.
WHOLE_RECORDING = _segment("", {})
