"""Holding a run against pins: number by number, cell by cell, byte by byte; and where a difference may come from."""

import io
import math
from dataclasses import dataclass, field

import pandas as pd

from mgk.analyses import ANALYSES
from mgk.upstream import code_of
from mgk.verification.pins import KEY, NUMBERS, RELATIVE_TOLERANCE, Pins

IDENTICAL, WITHIN = "identical", "equal within tolerance"
DIFFERS, MISSING, NOT_PINNED = "differs", "missing", "not pinned"
OTHER_BYTES = "other bytes, on a platform that is not pinned"
GOOD = (IDENTICAL, WITHIN, OTHER_BYTES)
# Of a column, the cells that are small beside its largest carry the rounding of the larger ones.
BESIDE_LARGEST = 1e-9


@dataclass(frozen=True)
class Number:
    """One number, held against its pin; `upstream` are the changed files that it rests on."""

    analysis: str
    experiment: str
    group: str
    quantity: str
    unit: str
    statistic: str
    value: str
    reference: str
    difference: float
    tolerance: str
    verdict: str
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """One table or figure, held against its pin; `where` says the first cell that differs."""

    name: str
    verdict: str
    where: str = ""
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A run held against pins: `changed` are inputs and code that are not as they were pinned."""

    numbers: list[Number] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether everything that decides is as it was pinned."""
        return all(x.verdict in GOOD for x in (*self.numbers, *self.files))


def compare(pins: Pins, made: Pins) -> Comparison:
    """Hold what a run made against what is pinned."""
    changed = changed_files(pins.inputs, made.inputs) + changed_files(pins.code, made.code)
    return Comparison(_numbers(pins, made, changed), _files(pins, made, changed), changed)


def changed_files(pinned: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the files whose checksum is another, or that are on one side only."""
    return sorted(f for f in pinned.keys() | now.keys() if pinned.get(f) != now.get(f))


def not_made(pins: Pins, changed: list[str]) -> Comparison:
    """Return the comparison of a study that could not be run: what rests on the files that changed is missing."""
    rows = [dict(zip(pins.numbers.columns, row, strict=True)) for row in pins.numbers.itertuples(index=False)]
    numbers = [_number(row, None, _upstream_of_number(row, pins.reads, changed)) for row in rows]
    return Comparison([n for n in numbers if n.upstream], [], changed)


# --- numbers ----------------------------------------------------------------------------------------------------


def _numbers(pins: Pins, made: Pins, changed: list[str]) -> list[Number]:
    pinned, new = _by_key(pins.numbers), _by_key(made.numbers)
    reads = pins.reads | made.reads
    found = []
    for key in dict.fromkeys((*pinned, *new)):
        row = pinned.get(key) or {**new[key], "value": None}
        value = new[key]["value"] if key in new else None
        number = _number(row, value, _upstream_of_number(row, reads, changed))
        found.append(number)
    return found


def _by_key(numbers: pd.DataFrame) -> dict[tuple, dict]:
    return {tuple(row[c] for c in KEY): row for row in numbers.to_dict("records")}


def _number(row: dict, value: str | None, upstream: tuple[str, ...]) -> Number:
    """Hold one number against its pin; `value` None: it was not made, the row's value None: it is not pinned."""
    reference, difference = row["value"], math.nan
    if value is None or reference is None:
        verdict = MISSING if value is None else NOT_PINNED
    elif row["statistic"] not in NUMBERS:
        verdict = IDENTICAL if value == reference else DIFFERS
    else:
        difference = float(value) - float(reference) if value != reference else 0.0
        near = abs(difference) <= float(row["tolerance"] or 0)
        verdict = IDENTICAL if value == reference else WITHIN if near else DIFFERS
    named = {c: row[c] for c in KEY}
    tolerance = row["tolerance"]
    good = verdict in GOOD
    return Number(**named, value=value or "", reference=reference or "", difference=difference, tolerance=tolerance,
                  verdict=verdict, upstream=() if good else upstream)  # fmt: skip


def _upstream_of_number(row: dict, reads: dict[str, list[str]], changed: list[str]) -> tuple[str, ...]:
    analysis = ANALYSES.get(row["analysis"])
    if analysis is None:
        return tuple(changed)
    rests_on = {*reads.get(f"{analysis.section}/{row['experiment']}", ()), *code_of(analysis.name)}
    return tuple(f for f in changed if f in rests_on)


# --- files ------------------------------------------------------------------------------------------------------


def _files(pins: Pins, made: Pins, changed: list[str]) -> list[File]:
    [(key, digests)] = made.platforms.items()
    pinned = pins.platforms.get(key)
    names = set(digests) | set(pins.tables) | set(pinned or ())
    found = [_file(name, pins, made, pinned) for name in sorted(names)]
    return [
        File(f.name, f.verdict, f.where, _upstream_of_file(f.name, pins.reads | made.reads, changed))
        if f.verdict not in GOOD
        else f
        for f in found
    ]


def _file(name: str, pins: Pins, made: Pins, pinned: dict[str, str] | None) -> File:
    [digests] = made.platforms.values()
    if name not in digests:
        return File(name, MISSING)
    if pinned is not None and name in pinned and digests[name] == pinned[name]:
        return File(name, IDENTICAL)
    if name not in made.tables:
        known = {n for platform in pins.platforms.values() for n in platform}
        if name not in known:
            return File(name, NOT_PINNED)
        same = any(platform.get(name) == digests[name] for platform in pins.platforms.values())
        return File(name, IDENTICAL if same else OTHER_BYTES if pinned is None else DIFFERS)
    if name not in pins.tables:
        return File(name, NOT_PINNED)
    if made.tables[name] == pins.tables[name]:
        return File(name, IDENTICAL)
    where = first_difference(pins.tables[name], made.tables[name])
    if where:
        return File(name, DIFFERS, where)
    if pinned is None:
        return File(name, WITHIN)
    return File(name, DIFFERS, "equal within tolerance, but not the same bytes on a platform that is pinned")


def first_difference(pinned: bytes, made: bytes) -> str:
    """Return the first cell of a table that differs beyond the tolerance, in words; nothing when none does."""
    old, new = (pd.read_csv(io.BytesIO(t), dtype=str, keep_default_na=False) for t in (pinned, made))
    if list(old) != list(new):
        return f"other columns: {', '.join(sorted(set(old) ^ set(new))) or 'their order'}"
    if len(old) != len(new):
        return f"{len(new)} rows; pinned: {len(old)}"
    for column in old:
        a, b = (pd.to_numeric(frame[column], errors="coerce") for frame in (old, new))
        sizes = a.abs().where(a.abs() < math.inf, 0.0)
        slack = RELATIVE_TOLERANCE * sizes + BESIDE_LARGEST * sizes.max()
        near = (old[column] == new[column]) | ((a - b).abs() <= slack)
        if not near.all():
            row = int((~near).to_numpy().argmax())
            return f"row {row + 2}, {column}: {new[column][row]!r}; pinned: {old[column][row]!r}"
    return ""


def _upstream_of_file(name: str, reads: dict[str, list[str]], changed: list[str]) -> tuple[str, ...]:
    """Return the changed files that a table or figure rests on, from the folder that it lies in."""
    rests_on: set[str] = set()
    for analysis in ANALYSES.values():
        for place, files in reads.items():
            section, _, experiment = place.partition("/")
            own = name in analysis.outputs(experiment) or name.startswith(f"results/{section}/{experiment}/")
            if analysis.section == section and own:
                rests_on |= {*files, *code_of(analysis.name)}
    return tuple(f for f in changed if not rests_on or f in rests_on)
