"""Shots of a stopped-flow instrument as comma-separated text: one time base, a column of fluorescence for each shot.

The header names quantity and unit; a row is a sample:

- `time_s` or `time_ms`: time after mixing, rising; a time base that is split or logarithmic is read as it is;
- `fluorescence_v` or `fluorescence_au`: the signal of one shot; `fluorescence_v_1`, `fluorescence_v_2`, ... of several.

Lines before the header that begin with `#` are comments. UTF-8, decimal points, each line ended.
Limits: reads; averages nothing. No command and no membrane belong to such a file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgk.recordings.recording import file_error
from mgk.recordings.trace_csv import read_numbers
from mgk.tables.problems import InputError

TIMES_MS = {"time_s": 1e3, "time_ms": 1.0}
SIGNAL = re.compile(r"fluorescence_(v|au)(?:_\d+)?")
UNITS = {"v": "V", "au": "a.u."}
COLUMNS = "time_s or time_ms, and fluorescence_v or fluorescence_au, with _1, _2, ... for several shots"


@dataclass(frozen=True)
class Shots:
    """The shots of a file: `time_ms` of shape (n,) after mixing, `signal` of shape (shots, n) in `unit`."""

    time_ms: np.ndarray
    signal: np.ndarray
    unit: str


def read_shots(path: Path | str) -> Shots:
    """Read a file of shots.

    Raises
    ------
    InputError
        Naming the file, when it cannot be read, a column is unknown, missing or there twice, a value is no number, the
        time does not rise, or the shots are not in one unit.
    """
    path = Path(path)
    try:
        return _read(path)
    except InputError as error:
        raise file_error(path, str(error)) from None
    except UnicodeDecodeError as error:
        raise file_error(path, f"is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise file_error(path, f"cannot be read: {error.strerror or error}") from None


def check_shots(path: Path | str) -> list[str]:
    """Return what makes a file of shots unreadable; nothing when it can be read."""
    try:
        read_shots(path)
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []


def _read(path: Path) -> Shots:
    lines = path.read_bytes().decode("utf-8-sig").split("\n")
    if lines[-1].strip("\r"):
        raise InputError("ends in the middle of a line: truncated? (the last line must be ended, too)")
    lines = [line.rstrip("\r") for line in lines]
    header = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if header is None:
        raise InputError("has no header")
    titles = [title.strip().strip('"') for title in lines[header].split(",")]
    time, shots = _check_titles(titles)
    table = read_numbers(lines[header + 1 :], ",", len(titles), first_row=header + 2)
    time_ms = table[:, titles.index(time)] * TIMES_MS[time]
    falls = np.flatnonzero(np.diff(time_ms) <= 0)
    if falls.size:
        raise InputError(f"the time must rise; it does not in row {header + 3 + int(falls[0])}")
    return Shots(time_ms, table[:, [titles.index(s) for s in shots]].T, UNITS[SIGNAL.fullmatch(shots[0])[1]])


def _check_titles(titles: list[str]) -> tuple[str, list[str]]:
    """Return the column of the time and those of the shots."""
    times, shots = [t for t in titles if t in TIMES_MS], [t for t in titles if SIGNAL.fullmatch(t)]
    unknown = [t for t in titles if t not in times and t not in shots]
    if unknown:
        raise InputError(f"has an unknown column {unknown[0]!r}; {COLUMNS} are read")
    if len(set(titles)) != len(titles):
        raise InputError("has a column twice")
    if len(times) != 1 or not shots:
        raise InputError(f"needs {COLUMNS}; its columns are {', '.join(titles)}")
    if len({SIGNAL.fullmatch(s)[1] for s in shots}) > 1:
        raise InputError("its shots must be in one unit, V or a.u.")
    return times[0], shots
