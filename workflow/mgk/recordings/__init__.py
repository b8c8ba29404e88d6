"""Recordings: readers, the command they were made with, and measurements in windows.

`read_recording` finds the format from the content of the file, never from its name:

- Axon binary (ABF1, ABF2), Axon text (ATF 1.0), WinWCP (version 9), traces in CSV (see `mgk.recordings.trace_csv`);
- HEKA PatchMaster bundles and NWB, in the environment that has myokit and pynwb (`make report WITH=lab`).

A file that holds many recordings is addressed by `channel` (HEKA: group/series/trace, counted from 1, as in "1/3/1";
NWB: the electrode's name). `check_header` says, without reading the signal of a binary file, what makes it unreadable;
`sanity` what of its units, ranges and samples cannot be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mgk.recordings.atf import read_atf
from mgk.recordings.axon import read_axon
from mgk.recordings.heka import check_heka, read_heka
from mgk.recordings.nwb import check_nwb, read_nwb
from mgk.recordings.recording import Channel, Command, Recording, Tag, Telegraph, file_error
from mgk.recordings.sanity import sanity
from mgk.recordings.trace_csv import is_trace_csv, read_trace_csv
from mgk.recordings.winwcp import read_winwcp
from mgk.tables.problems import InputError

__all__ = [
    "Channel", "Command", "Recording", "Tag", "Telegraph", "check_header", "read_recording", "sanity",
]  # fmt: skip
HEAD_BYTES = 4096
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class _Format:
    """How a format is known by its first bytes and read; `check` looks at a file of many recordings as a whole."""

    name: str
    knows: Callable[[bytes], bool]
    read: Callable
    check: Callable | None = None


_FORMATS = (
    _Format("Axon binary (ABF)", lambda head: head[:4] in (b"ABF ", b"ABF2"), read_axon),
    _Format("Axon text (ATF)", lambda head: head[:3] == b"ATF", read_atf),
    _Format("WinWCP", lambda head: head[:4].upper() == b"VER=", read_winwcp),
    _Format("HEKA bundle", lambda head: head[:3] == b"DAT" or head[:4] in (b"Tree", b"eerT"), read_heka, check_heka),
    _Format("NWB", lambda head: head[:8] == b"\x89HDF\r\n\x1a\n", read_nwb, check_nwb),
    _Format("CSV with a column time_s or time_ms", lambda head: is_trace_csv(_first_line(head)), read_trace_csv),
)


def read_recording(path: Path | str, channel: str = "") -> Recording:
    """Open a recording.

    Parameters
    ----------
    channel: the `channel` of recordings.csv, which files of many recordings need; others do without.

    Raises
    ------
    InputError
        When the file is missing, of no known format, truncated, its header is not in order, it holds many recordings
        and `channel` names none of them, or the format is read only in the lab environment.
    """
    path = Path(path)
    return _named(path, lambda form: form.read(path, channel) if form.check else form.read(path))


def check_header(path: Path | str, channel: str | None = None) -> list[str]:
    """Return what makes a recording unreadable; nothing when it can be read.

    Parameters
    ----------
    channel: as in `read_recording`; when it names no recording of the file, the answer lists what is there. None: the
        file is looked at as a whole.
    """
    path = Path(path)

    def look(form: _Format):
        return form.check(path) if channel is None and form.check else read_recording(path, channel or "")

    try:
        _named(path, look)
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []


def _named(path: Path, use: Callable):
    """Do something with the format of a file; an InputError of it gets the file's name."""
    try:
        return use(_format(path))
    except InputError as error:
        if any(problem.file for problem in error.problems):
            raise
        raise file_error(path, str(error)) from None
    except OSError as error:
        raise file_error(path, f"cannot be read: {error.strerror or error}") from None


def _format(path: Path) -> _Format:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise InputError("this file is missing") from None
    if not head:
        raise InputError("is empty")
    for form in _FORMATS:
        if form.knows(head):
            return form
    if head.startswith(LFS_POINTER):
        raise InputError("is a pointer of Git LFS, not the recording: fetch the file itself (git lfs pull)")
    names = ", ".join(form.name for form in _FORMATS)
    raise InputError(f"is of no known format: it starts with {head[:8]!r}; read are {names}")


def _first_line(head: bytes) -> str:
    return head.split(b"\n")[0].decode("utf-8-sig", errors="replace")
