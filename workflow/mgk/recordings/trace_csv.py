"""Comma-separated traces as recordings, for what comes out of any other program.

The header names quantity and unit; a row is a sample:

- `time_s` or `time_ms`: evenly spaced, from any start, in each sweep;
- `current_pa`, `current_na` or `current_ua`: the current;
- `voltage_mv`: the recorded voltage, named as `voltage_channel` in recordings.csv;
- `command_mv`: the command as the stimulus gave it, used where no voltage channel is named;
- `sweep`: which sweep a row belongs to, whole numbers that rise; without it the file is one sweep.

One current or a voltage is needed. UTF-8, decimal points, each line ended. Channels are called as their columns.
"""

import math
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import no_protocol
from mgk.recordings.recording import Recording, array_reader, common_rate, file_channel, rate_of_times
from mgk.tables.problems import InputError

TIMES = {"time_s": 1.0, "time_ms": 1e-3}
CHANNELS = {"current_pa": "pA", "current_na": "nA", "current_ua": "uA", "voltage_mv": "mV"}
COMMAND, SWEEP = "command_mv", "sweep"
COLUMNS = (*TIMES, *CHANNELS, COMMAND, SWEEP)
MOST_SWEEP = 2**53


def is_trace_csv(first_line: str) -> bool:
    """Return whether the first line of a text file is the header of a trace."""
    return any(name in TIMES for name in _titles(first_line))


def read_trace_csv(path: Path) -> Recording:
    """Open a comma-separated trace.

    Raises
    ------
    InputError
        When a column is unknown, missing or there twice, a value is no number, the times are not evenly spaced, or the
        rows of a sweep do not stand together.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start})") from None
    if lines[-1].strip("\r"):
        raise InputError("ends in the middle of a line: truncated? (the last line must be ended, too)")
    titles = _titles(lines[0])
    time, channels = _check_titles(titles)
    table = read_numbers([line.rstrip("\r") for line in lines[1:]], ",", len(titles), first_row=2)
    sweeps = np.split(table, _starts(table[:, titles.index(SWEEP)])) if SWEEP in titles else [table]
    rates = [_rate(s[:, titles.index(time)] * TIMES[time], i) for i, s in enumerate(sweeps)]
    places = [titles.index(name) for name in channels]
    commands = [s[:, titles.index(COMMAND)] for s in sweeps] if COMMAND in titles else None
    return Recording(
        path=path,
        format="CSV trace",
        rate_hz=common_rate(rates),
        channels=tuple(file_channel(name, CHANNELS[name]) for name in channels),
        sweep_samples=tuple(len(s) for s in sweeps),
        protocol=no_protocol(f"it has no column {COMMAND}; name a recorded voltage channel"),
        _read=array_reader([s[:, places] for s in sweeps]),
        _command_mv=commands.__getitem__ if commands else None,
    )


def read_numbers(lines: list[str], separator: str, columns: int, first_row: int) -> np.ndarray:
    """Return the numbers of the lines of a table, shape (rows, columns); empty lines at the end are left out.

    Raises
    ------
    InputError
        With its row, counted from `first_row`, when a value is missing or is no finite number, or there is no row.
    """
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    if not lines:
        raise InputError("has no samples")
    for i, line in enumerate(lines):
        if line.count(separator) != columns - 1:
            raise InputError(f"row {first_row + i} has {line.count(separator) + 1} values, {columns} are needed")
    try:
        table = np.loadtxt(lines, delimiter=separator, comments=None, quotechar=None, ndmin=2)
    except ValueError:
        raise _no_number(lines, separator, first_row) from None
    bad = np.argwhere(~np.isfinite(table))
    if table.shape != (len(lines), columns) or len(bad):
        row, column = bad[0] if len(bad) else (0, 0)
        raise InputError(f"row {first_row + row}, value {column + 1} is missing or no finite number")
    return table


def _no_number(lines: list[str], separator: str, first_row: int) -> InputError:
    for i, line in enumerate(lines):
        for j, text in enumerate(line.split(separator)):
            try:
                float(text)
            except ValueError:
                return InputError(f"row {first_row + i}, value {j + 1} is no number: {text[:40]!r}")
    return InputError("has a value that is no number")


def _titles(line: str) -> list[str]:
    return [title.strip().strip('"') for title in line.strip("\r\n").split(",")]


def _check_titles(titles: list[str]) -> tuple[str, list[str]]:
    """Return the column of the time and those of the channels, the current first."""
    unknown = [t for t in titles if t not in COLUMNS]
    if unknown:
        raise InputError(f"has an unknown column {unknown[0]!r}; {', '.join(COLUMNS)} are read")
    if len(set(titles)) != len(titles):
        raise InputError("has a column twice")
    times, currents = [t for t in titles if t in TIMES], [t for t in titles if t.startswith("current_")]
    channels = [name for name in CHANNELS if name in titles]
    if len(times) != 1 or len(currents) > 1 or not channels:
        raise InputError(f"needs one time, and one current or voltage; its columns are {', '.join(titles)}")
    return times[0], channels


def _starts(numbers: np.ndarray) -> np.ndarray:
    """Return the rows at which a new sweep starts, without the first."""
    if not (np.equal(numbers, np.round(numbers)) & (np.abs(numbers) < MOST_SWEEP)).all():
        raise InputError("the column sweep must hold whole numbers")
    steps = np.diff(numbers)
    if (steps < 0).any():
        raise InputError(f"the column sweep must rise; it falls in row {int(np.argmax(steps < 0)) + 3}")
    return np.flatnonzero(steps) + 1


def _rate(times_s: np.ndarray, sweep: int) -> float:
    try:
        rate = rate_of_times(times_s)
    except InputError as error:
        raise InputError(f"sweep {sweep}: {error}") from None
    if not math.isfinite(rate):
        raise InputError(f"sweep {sweep}: its times have no sampling rate")
    return rate
