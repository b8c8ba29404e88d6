"""The end of a recording that was never written: a file that was made at its full size and filled, or copied, in part.

Such an end holds one raw value, mostly 0, and reads as data. What a cell and an amplifier give has noise: no two
stretches of it are constant. `unwritten_end` looks at the last samples, and further back only where these are one
value; so it costs nothing beside reading.

It is told from what else is constant: an end at the converter's limit (saturated, which has its own limit), a channel
that never changes, and a signal without noise, which rests in other places too, or changes without turning. Thresholds:
assumed, no source. Limits: raw values as the file holds them; an end that is shorter, or zeros that something follows,
are not found.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mgk.recordings.recording import Recording
from mgk.recordings.windows import pieces_of

# An end counts from this many samples and this share of all samples on, where it is this many times longer than any
# other stretch of one value, and where the signal turns, up to down or down to up, at this share of samples before it.
FEWEST_SAMPLES, LEAST_SHARE, TIMES_LONGER, LEAST_TURNS = 1_000, 0.05, 20, 0.01
# Samples of a piece before the end that are looked at for turns.
LOOKED_AT = 20_000


@dataclass(frozen=True)
class UnwrittenEnd:
    """Where an end of one value starts: its sweep and sample, and its share of all samples; `value` in `unit`."""

    sweep: int
    time_s: float
    share: float
    value: float
    unit: str

    def __str__(self) -> str:
        start = f"sweep {self.sweep}" if self.time_s == 0 else f"sweep {self.sweep}, {self.time_s:.4g} s on"
        percent = f"{100 * self.share:.3g} % of it"
        return f"constant at {self.value:g} {self.unit} from {start} to the end of the file ({percent}): half copied?"


def unwritten_end(recording: Recording, channel: int) -> UnwrittenEnd | None:
    """Return the end of a recording that holds one raw value while what comes before has noise; None elsewhere."""
    total, limits = sum(recording.sweep_samples), recording.code_limits
    sweep, at, value = _last_change(recording, channel)
    run = sum(recording.sweep_samples[sweep:]) - at
    if run < max(FEWEST_SAMPLES, LEAST_SHARE * total) or run == total:
        return None
    if (limits and not limits[0] < value < limits[1]) or not _noisy(recording, channel, sweep, at, run):
        return None
    if at == recording.sweep_samples[sweep]:
        sweep, at = sweep + 1, 0
    shown = float(recording.signal(sweep, channel, at, at + 1)[0]) + 0.0  # no -0
    return UnwrittenEnd(sweep, at / recording.rate_hz, run / total, shown, recording.channels[channel].unit)


def doubts_of_end(recording: Recording, channel: int, sweeps: Iterable[int]) -> tuple[list[str], list[str]]:
    """Return an unwritten end in words: as what makes a recording unusable, and as what makes it doubtful.

    It is unusable where one of the `sweeps` that are used reaches into the end; segments may keep them apart from it.
    """
    end = unwritten_end(recording, channel)
    if end is None:
        return [], []
    return ([str(end)], []) if any(sweep >= end.sweep for sweep in sweeps) else ([], [str(end)])


def _last_change(recording: Recording, channel: int) -> tuple[int, int, float]:
    """Return the sweep and the sample behind its last that differs from the end's value, and that raw value."""
    value = None
    for sweep, start, codes in _backwards(recording, channel):
        value = codes[-1] if value is None else value
        if len(differing := np.flatnonzero(codes != value)):
            return sweep, start + int(differing[-1]) + 1, value
    return 0, 0, value


def _backwards(recording: Recording, channel: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (sweep, first sample, raw values) of pieces from the last one on; the first is short."""
    size = FEWEST_SAMPLES
    for sweep in reversed(range(len(recording.sweep_samples))):
        stop = recording.sweep_samples[sweep]
        while stop:
            start = max(0, stop - size)
            yield sweep, start, recording.codes(sweep, channel, start, stop)
            stop, size = start, 100 * FEWEST_SAMPLES


def _noisy(recording: Recording, channel: int, last: int, stop: int, run: int) -> bool:
    """Return whether the samples before an end have noise: they turn, and nowhere rest as long as the end."""
    turned = False
    for sweep in reversed(range(last + 1)):
        for start, end in reversed(list(pieces_of(0, stop if sweep == last else recording.sweep_samples[sweep]))):
            codes = recording.codes(sweep, channel, start, end)
            if _longest_rest(codes) * TIMES_LONGER > run:
                return False
            turned = turned or _turns(codes[-LOOKED_AT:])
    return turned


def _longest_rest(codes: np.ndarray) -> int:
    """Return the length of the longest stretch of one value."""
    changes = np.flatnonzero(codes[1:] != codes[:-1])
    return int(np.diff(np.concatenate([[-1], changes, [len(codes) - 1]])).max())


def _turns(codes: np.ndarray) -> bool:
    """Return whether the signal turns often enough for noise."""
    changes = np.diff(codes.astype(float))
    up = changes[changes != 0] > 0
    return np.count_nonzero(up[1:] != up[:-1]) >= max(1, LEAST_TURNS * len(codes))
