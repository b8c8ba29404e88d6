"""Axon text files (ATF 1.0) as recordings.

Line 1 is `ATF` and the version, line 2 the counts of optional header records and of columns; then the records, the
column titles and tab-separated numbers. The first column is the time, its unit in brackets; each other column is one
channel in one sweep, its unit in brackets: `"Trace #1 (pA)"`. The record `Signals=` names the channel of each column:
a name that comes again is the next sweep. The file holds no stimulus.
"""

import re
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import no_protocol
from mgk.recordings.recording import Recording, array_reader, file_channel, plain_unit, rate_of_times
from mgk.recordings.trace_csv import read_numbers
from mgk.tables.problems import InputError

SECONDS_PER = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
TITLE = re.compile(r"^(?P<name>.*?)\s*(?:\((?P<unit>[^()]*)\))?\s*$")
TRACE_NUMBER = re.compile(r"\bTrace\s*#\s*\d+\s*")
ENCODING = "cp1252"
MOST_COLUMNS, MOST_RECORDS = 100_000, 1000


def read_atf(path: Path) -> Recording:
    """Open an Axon text file of traces over time.

    Raises
    ------
    InputError
        When it is not in order: counts that do not fit, no time, no units, uneven times, values that are no numbers.
    """
    lines = path.read_bytes().decode(ENCODING, errors="replace").split("\n")
    if lines[-1].strip("\r"):
        raise InputError("ends in the middle of a line: truncated? (the last line must be ended, too)")
    lines = [line.rstrip("\r") for line in lines]
    records, columns = _counts(lines)
    titles = [t.strip().strip('"').strip() for t in _line(lines, 2 + records).rstrip("\t").split("\t")]
    if len(titles) != columns:
        raise InputError(f"says it has {columns} columns; line {3 + records} has {len(titles)} titles")
    header = _records(lines[2 : 2 + records])
    table = read_numbers(lines[3 + records :], "\t", columns, first_row=4 + records)
    per_second = _unit(titles[0])
    if per_second not in SECONDS_PER or "time" not in titles[0].lower():
        raise InputError(f"its first column must be the time in s, ms or us, such as 'Time (s)'; it is {titles[0]!r}")
    names = _names(titles[1:], header.get("Signals", []))
    sweeps = _sweeps_of(names, titles[1:])
    return Recording(
        path=path,
        format="ATF 1.0",
        rate_hz=rate_of_times(table[:, 0] * SECONDS_PER[per_second]),
        channels=tuple(file_channel(name, _unit(titles[1 + places[0]])) for name, places in sweeps.items()),
        sweep_samples=(len(table),) * len(next(iter(sweeps.values()))),
        protocol=no_protocol("an Axon text file holds no stimulus; name the recorded voltage channel"),
        comment=" ".join(header.get("Comment", [])),
        _read=array_reader([table[:, [1 + p for p in places]] for places in zip(*sweeps.values(), strict=True)]),
    )


def _line(lines: list[str], number: int) -> str:
    if number >= len(lines):
        raise InputError("ends within its header: truncated")
    return lines[number]


def _counts(lines: list[str]) -> tuple[int, int]:
    first, second = _line(lines, 0).split(), _line(lines, 1).split()
    if len(first) != 2 or first[0] != "ATF" or first[1] not in ("1", "1.0"):
        raise InputError(f"must start with 'ATF' and version 1.0; it starts with {' '.join(first)[:40]!r}")
    if len(second) != 2 or not all(n.isascii() and n.isdecimal() for n in second):
        raise InputError("its second line must be two counts: header records and columns")
    records, columns = map(int, second)
    if records > MOST_RECORDS or not 2 <= columns <= MOST_COLUMNS:
        raise InputError(f"says it has {records} header records and {columns} columns")
    return records, columns


def _records(lines: list[str]) -> dict[str, list[str]]:
    """Return the header records: `"key=value"`, or `"key="` and values, separated by tabs."""
    found = {}
    for line in lines:
        first, *more = (part.strip().strip('"') for part in line.rstrip("\t").split("\t"))
        key, _, value = first.partition("=")
        found[key.strip()] = [v for v in (value.strip(), *more) if v]
    return found


def _unit(title: str) -> str:
    return plain_unit(TITLE.match(title)["unit"] or "")


def _names(titles: list[str], signals: list[str]) -> list[str]:
    """Return the channel of each column: from the record of signals (of all columns or one sweep), else the titles."""
    if signals and len(titles) % len(signals) == 0:
        return signals * (len(titles) // len(signals))
    return [TRACE_NUMBER.sub("", TITLE.match(t)["name"]).strip() or f"({_unit(t)})" for t in titles]


def _sweeps_of(names: list[str], titles: list[str]) -> dict[str, list[int]]:
    """Return the columns (from 0) of each channel, one a sweep."""
    columns = {name: [i for i, n in enumerate(names) if n == name] for name in dict.fromkeys(names)}
    counts = {len(places) for places in columns.values()}
    if len(counts) != 1:
        shown = ", ".join(f"{len(p)} of {n!r}" for n, p in columns.items())
        raise InputError(f"its channels have different numbers of sweeps: {shown}")
    for name, places in columns.items():
        units = {_unit(titles[i]) for i in places}
        if len(units) != 1 or "" in units:
            raise InputError(f"the columns of {name!r} must have one unit in brackets, such as 'Trace #1 (pA)'")
    if not np.array_equal(np.sort(np.concatenate(list(columns.values()))), np.arange(len(names))):
        raise InputError("a column belongs to no channel")
    return columns
