"""Currents and commands in windows of a sweep: means, extremes, noise, clipped samples.

A signal is read once for all windows of a sweep; a long one is read in pieces, so that it never stands in memory.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mgk.recordings.recording import Recording

# Longer signals are read in pieces of this many samples.
PIECE_SAMPLES = 1 << 18


@dataclass(frozen=True)
class WindowCurrent:
    """What a window holds, in pA: SD of the baseline and extremes of the peak only, else NaN."""

    mean: float
    sd: float
    low: float
    high: float


def window_current(name: str, window: slice, signal: Callable) -> WindowCurrent:
    """Return what the window of this name holds; `signal` is a function (start, stop) -> samples."""
    pieces = []
    for piece in pieces_of(window.start, window.stop):
        values = signal(*piece)
        mean = _mean_of(values)
        variance = _variance_of(values, mean) if name == "baseline" else math.nan
        extremes = (float(values.min()), float(values.max())) if name == "peak" else (math.nan, math.nan)
        pieces.append((len(values), mean, variance, *extremes))
    if len(pieces) == 1:
        [(_, mean, variance, low, high)] = pieces
        return WindowCurrent(mean, math.sqrt(variance), low, high)
    lengths, means, variances, low, high = zip(*pieces, strict=True)
    mean = _average(means, lengths)
    squares = [v + (m - mean) * (m - mean) for v, m in zip(variances, means, strict=True)]
    return WindowCurrent(mean, math.sqrt(_average(squares, lengths)), min(low), max(high))


def window_mean(window: slice, signal: Callable) -> float:
    """Return the mean of a window."""
    pieces = [signal(*piece) for piece in pieces_of(window.start, window.stop)]
    return _average([_mean_of(p) for p in pieces], [len(p) for p in pieces])


def signal_reader(recording: Recording, sweep: int, channel: int, windows: Iterable[slice]) -> Callable:
    """Return a function (start, stop) -> signal; what all windows span is read at once where it is no long signal."""
    first, last = _span(windows)
    if last - first > PIECE_SAMPLES:
        return partial(recording.signal, sweep, channel)
    values = recording.signal(sweep, channel, first, last)
    return lambda start, stop: values[start - first : stop - first]


def saturated_samples(recording: Recording, sweep: int, channel: int, windows: Sequence[slice]) -> float:
    """Return how many samples of the windows stand at the converter's limits (NaN when the file holds floats)."""
    if recording.code_limits is None:
        return math.nan
    # Most recordings never come near the limits: one look at all windows together then does.
    low, high = recording.code_limits
    read = partial(recording.codes, sweep, channel)
    if all(low < codes.min() and codes.max() < high for codes in (read(*p) for p in pieces_of(*_span(windows)))):
        return 0.0
    inside = (read(*piece) for window in windows for piece in pieces_of(window.start, window.stop))
    return math.fsum(np.count_nonzero((codes <= low) | (codes >= high)) for codes in inside)


def pieces_of(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of pieces that together are a stretch of samples."""
    for first in range(start, stop, PIECE_SAMPLES):
        yield first, min(first + PIECE_SAMPLES, stop)


def _span(windows: Iterable[slice]) -> tuple[int, int]:
    windows = list(windows)
    return min(w.start for w in windows), max(w.stop for w in windows)


def _mean_of(values: np.ndarray) -> float:
    """Return the mean as NumPy's `mean` does, without its checks: they take longer than a short window."""
    return float(np.add.reduce(values)) / len(values)


def _variance_of(values: np.ndarray, mean: float) -> float:
    away = values - mean
    return float(np.dot(away, away)) / len(values)


def _average(values: Sequence[float], weights: Sequence[int]) -> float:
    """Return the weighted mean; that of one value is that value (NumPy's takes long for so few)."""
    return values[0] if len(values) == 1 else float(np.average(values, weights=weights))
