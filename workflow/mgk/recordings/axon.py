"""Axon binary files (ABF1 and ABF2) as recordings.

Headers and sweeps are ours (`mgk.recordings.axon_header`), samples and their scale come from neo. The sampling rate is
the exact one; sweeps are right also where the file has no synch array (neo sees one) or sweeps of different lengths.
"""

from functools import cache
from itertools import accumulate
from pathlib import Path

from mgk.recordings.axon_header import read_header
from mgk.recordings.recording import Recording
from mgk.tables.problems import InputError, Problem


def read_axon(path: Path | str) -> Recording:
    """Open an ABF file.

    Raises
    ------
    InputError
        When its header is not in order (see `read_header`); at the first sample, when neo cannot read it.
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
        _read=_sample_reader(path, header.sweep_samples),
    )


def _sample_reader(path: Path, sweep_samples: tuple[int, ...]):
    """Return a function (sweep, channel, start, stop) -> (stored samples, gain, offset); it opens neo when called."""

    @cache
    def opened():
        from neo.rawio import AxonRawIO  # 0.25 s, which only those pay who read samples

        try:
            reader = AxonRawIO(filename=str(path))
            reader.parse_header()
            scales = [(float(c["gain"]), float(c["offset"])) for c in reader.header["signal_channels"]]
            segments = [reader.get_signal_size(0, i, 0) for i in range(reader.segment_count(0))]
        except Exception as error:  # neo meets a broken header with whatever it stumbles over
            raise InputError(Problem(path.name, None, "", "", f"neo cannot read it: {error}")) from None
        return reader, scales, _places(path, segments, sweep_samples)

    def read(sweep: int, channel: int, start: int, stop: int):
        reader, scales, places = opened()
        segment, first = places[sweep]
        chunk = reader.get_analogsignal_chunk(0, segment, first + start, first + stop, 0, channel_indexes=[channel])
        return chunk[:, 0], *scales[channel]

    return read


def _places(path: Path, segments: list[int], sweep_samples: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return for each sweep the segment that neo has it in, and its first sample there."""
    if segments == list(sweep_samples):
        return [(i, 0) for i in range(len(segments))]
    if len(segments) == 1 and segments[0] == sum(sweep_samples):
        return [(0, start) for start in accumulate(sweep_samples[:-1], initial=0)]
    reason = f"has {len(sweep_samples)} sweeps of {sum(sweep_samples)} samples in all; neo sees {segments[:9]}"
    raise InputError(Problem(path.name, None, "", "", reason))
