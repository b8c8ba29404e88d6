"""Axon binary files (ABF1 and ABF2) as recordings.

Headers are read by `abf1` and `abf2`, never with the signal; everything that a header claims is checked against the
size of the file before it is used. Meaning of the fields: the ABF headers of Axon Instruments' public file support pack
(offsets as in pyABF's guide to the format), checked against the recordings in the tests.

Samples are read where they are asked for, so that a sweep costs what it is long. The sampling rate is the exact one;
sweeps are right also where the file has no synch array or sweeps of different lengths. (neo gives the same numbers in
the tests; but it sees one sweep in the former, and where an ABF1 header is of the short form it takes the telegraphed
gain from among the samples.)
"""

import mmap
import struct
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from mgk.recordings.axon.abf1 import parse_abf1
from mgk.recordings.axon.abf2 import parse_abf2
from mgk.recordings.axon.header import AxonHeader, HeaderError
from mgk.recordings.recording import Recording
from mgk.tables.problems import InputError, Problem

# A file, or else a sweep, of at most this many samples is read as a whole, once for all channels and windows.
WHOLE_SAMPLES = 1 << 19


def read_axon(path: Path | str) -> Recording:
    """Open an ABF file.

    Raises
    ------
    InputError
        When its header is not in order (see `read_header`).
    """
    path = Path(path)
    header = read_header(path)
    return Recording(
        path=path,
        format=f"ABF {'.'.join(map(str, header.version))}",
        rate_hz=header.rate_hz,
        channels=header.channels,
        sweep_samples=header.sweep_samples,
        protocol=header.protocol,
        comment=header.comment,
        code_limits=header.code_limits,
        notes=header.notes,
        telegraph=header.telegraph,
        tags=header.tags,
        _read=_sample_reader(path, header),
    )


def read_header(path: Path | str) -> AxonHeader:
    """Read and check the header of an ABF file.

    Raises
    ------
    InputError
        When the file cannot be opened, is no ABF file, or its header contradicts itself or the size of the file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(data)
    except HeaderError as error:
        reason = str(error)
    except FileNotFoundError:
        reason = "this file is missing"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except ValueError:
        reason = "is empty"
    except struct.error:
        reason = "ends within its header: truncated, or its section table is damaged"
    raise InputError(Problem(path.name, None, "", "", reason))


def _parse(data) -> AxonHeader:
    magic = bytes(data[:4])
    if magic == b"ABF2":
        return parse_abf2(data)
    if magic == b"ABF ":
        return parse_abf1(data)
    raise HeaderError(f"is not an ABF file: it starts with {magic!r}, not with b'ABF2' or b'ABF '")


def _sample_reader(path: Path, header: AxonHeader):
    """Return a function (sweep, channel, start, stop) -> (stored samples, gain, offset)."""
    firsts = list(accumulate(header.sweep_samples, initial=0))
    width = len(header.channels)
    sample_bytes = width * np.dtype(header.data_type).itemsize

    @lru_cache(maxsize=1)
    def block(first: int, last: int) -> np.ndarray:
        # Not a memory map: to make one costs more than a short sweep, and its pages count as this process's memory.
        place = header.data_start + first * sample_bytes
        samples = np.fromfile(path, header.data_type, (last - first) * width, offset=place).reshape(-1, width)
        # A row a channel: whatever is done to a signal later is twice as fast on samples that lie side by side.
        return np.ascontiguousarray(samples.T)

    def read(sweep: int, channel: int, start: int, stop: int):
        start, stop = firsts[sweep] + start, firsts[sweep] + stop
        for first, last in ((0, firsts[-1]), (firsts[sweep], firsts[sweep + 1]), (start, stop)):
            if stop <= last <= first + WHOLE_SAMPLES:
                break
        return block(first, last)[channel, start - first : stop - first], *header.scales[channel]

    return read
