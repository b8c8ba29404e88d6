"""Recordings: readers, the command they were made with, and measurements in windows.

`read_recording` finds the format from the content of the file; `check_header` says, without reading the signal, what
makes a file unreadable. At present Axon binary files (ABF1, ABF2) are read.
"""

from pathlib import Path

from mgk.recordings.axon import read_axon
from mgk.recordings.axon_header import read_header
from mgk.recordings.recording import Channel, Command, Recording
from mgk.tables.problems import InputError

__all__ = ["Channel", "Command", "Recording", "check_header", "read_recording"]


def read_recording(path: Path | str) -> Recording:
    """Open a recording.

    Raises
    ------
    InputError
        When the file is missing, of no known format, truncated, or its header is not in order.
    """
    return read_axon(path)


def check_header(path: Path | str) -> list[str]:
    """Return what makes a recording unreadable, from its header and its size alone; nothing when it can be read."""
    try:
        read_header(path)
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []
