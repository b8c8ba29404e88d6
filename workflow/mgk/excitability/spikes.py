"""Spikes in a trace of the membrane potential: where they are, and the shape of each.

A spike is a peak above `least_peak_mv` that stands out by `least_prominence_mv` (the drop to either side before a
higher peak, or before the end of the trace) and whose steepest rise reaches `threshold_mv_ms`. The last keeps slow
depolarisations out; noise and partial spikes do not stand out far enough; a spike that the end of the trace cuts off
before it has fallen is none.

*Threshold*: going back from the steepest rise, the potential at which dV/dt first comes below `threshold_mv_ms`, linear
between samples. *Height*: peak minus threshold. *Half-width*: between the crossings of threshold plus half the height.
*After-hyperpolarisation*: threshold minus the lowest potential before the next spike (or the end of the window); NaN
where the potential is still falling there.

The defaults: dV/dt of 20 mV/ms is `dv_cutoff` of AllenSDK (ephys_features, read), whose successor is ipfx; a peak of
-20 mV and a height of 20 mV are Threshold and min_spike_height of eFEL (settings.py, read), which takes 10 mV/ms.
Why not eFEL itself: a compiled package more, for a dozen definitions that this module states and tests.

Limits: no smoothing: a trace whose noise alone reaches the criterion per sample has biased thresholds (`noise_mv_ms`
tells). Times in ms from the start of the trace, potentials in mV.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

SHAPE_COLUMNS = (
    "threshold_ms", "threshold_mv", "peak_ms", "peak_mv", "height_mv", "half_width_ms", "rise_mv_ms", "fall_mv_ms",
    "ahp_mv", "ahp_ms",
)  # fmt: skip


@dataclass(frozen=True)
class Criterion:
    """What counts as a spike, and the dV/dt at which it begins."""

    threshold_mv_ms: float = 20.0
    least_peak_mv: float = -20.0
    least_prominence_mv: float = 20.0

    @classmethod
    def of(cls, settings: Mapping) -> "Criterion":
        """Return the criterion of `excitability.spikes` of an experiment, of {value, unit, source}; defaults else."""
        return cls(**{name: float(given["value"]) for name, given in settings.items()})


def find_spikes(voltage_mv, rate_hz: float, criterion: Criterion = Criterion(), end: int | None = None) -> pd.DataFrame:
    """Return the spikes of a trace.

    Parameters
    ----------
    voltage_mv : array_like of shape (samples,)
        The membrane potential.
    rate_hz : float
        Sampling rate.
    criterion : Criterion
        What counts as a spike.
    end : int, optional
        First sample after the step: the after-hyperpolarisation of a spike before it is looked for before it.

    Returns
    -------
    DataFrame
        SHAPE_COLUMNS, a row a spike. NaN where the trace does not hold what is measured.
    """
    voltage = np.asarray(voltage_mv, float)
    slope = np.diff(voltage) * (rate_hz / 1e3)
    peaks = _peaks(voltage, slope, criterion)
    rows = []
    for number, peak in enumerate(peaks):
        before = peaks[number - 1] if number else 0
        foot = before + int(np.argmin(voltage[before : peak + 1]))
        after = peaks[number + 1] if number + 1 < len(peaks) else len(voltage) - 1
        rows.append(_shape(voltage, slope, (foot, peak, after), criterion.threshold_mv_ms, end))
    values = np.array(rows, float).reshape(-1, len(SHAPE_COLUMNS))
    values[:, [name.endswith("_ms") and not name.endswith("_mv_ms") for name in SHAPE_COLUMNS]] *= 1e3 / rate_hz
    return pd.DataFrame(values, columns=list(SHAPE_COLUMNS))


def noise_mv_ms(voltage_mv, rate_hz: float) -> float:
    """Return the standard deviation of dV/dt of a stretch, in mV/ms, from its median deviation: spikes count little."""
    slope = np.diff(np.asarray(voltage_mv, float)) * rate_hz / 1e3
    return float(1.4826 * np.median(np.abs(slope - np.median(slope)))) if slope.size else np.nan


def adaptation_index(peaks_ms) -> float:
    """Return the mean of (b - a) / (b + a) over successive intervals a, b between spikes; NaN for fewer than 3 spikes.

    Above 0 where firing slows down. The definition is that of AllenSDK (ephys_features.norm_diff, read).
    """
    intervals = np.diff(np.asarray(peaks_ms, float))
    if intervals.size < 2:
        return np.nan
    return float(np.mean(np.diff(intervals) / (intervals[1:] + intervals[:-1])))


def _peaks(voltage: np.ndarray, slope: np.ndarray, criterion: Criterion) -> list[int]:
    found, _ = find_peaks(voltage, height=criterion.least_peak_mv, prominence=criterion.least_prominence_mv)
    kept = []
    for peak in found.tolist():
        start = kept[-1] if kept else 0
        foot = start + int(np.argmin(voltage[start : peak + 1]))
        if foot < peak and slope[foot:peak].max() >= criterion.threshold_mv_ms:
            kept.append(peak)
    return kept


def _shape(voltage, slope, places: tuple[int, int, int], criterion_mv_ms: float, end: int | None) -> tuple:
    """Return the row of a spike between the trough before it (foot) and the next peak; times in samples."""
    foot, peak, after = places
    steepest = foot + int(np.argmax(slope[foot:peak]))
    at = _begin(slope, steepest, foot, criterion_mv_ms)
    threshold = _between(voltage, at)
    height = float(voltage[peak]) - threshold
    left, right = _crossings(voltage, threshold + height / 2, (int(at), peak, after))
    last = after if end is None or peak >= end else min(after, end - 1)
    trough = peak + int(np.argmin(voltage[peak : last + 1]))
    fall = float(slope[peak:trough].min()) if trough > peak else np.nan
    ahp, ahp_time = threshold - float(voltage[trough]), float(trough - peak)
    if trough == last:
        ahp, ahp_time = np.nan, np.nan
    rise = float(slope[steepest])
    return at, threshold, float(peak), float(voltage[peak]), height, right - left, rise, fall, ahp, ahp_time


def _begin(slope: np.ndarray, steepest: int, foot: int, criterion: float) -> float:
    """Return where, going back from the steepest rise, dV/dt comes below the criterion, in samples.

    The difference of samples k and k + 1 is the slope half-way between them.
    """
    below = np.flatnonzero(slope[foot:steepest] < criterion)
    if not below.size:
        return float(foot)
    k = foot + int(below[-1])
    return k + 0.5 + (criterion - slope[k]) / (slope[k + 1] - slope[k])


def _between(voltage: np.ndarray, at: float) -> float:
    k = min(int(at), len(voltage) - 2)
    return float(voltage[k] + (at - k) * (voltage[k + 1] - voltage[k]))


def _crossings(voltage: np.ndarray, level: float, places: tuple[int, int, int]) -> tuple[float, float]:
    """Return where the potential last rises and first falls through a level around a peak, in samples; NaN if not."""
    start, peak, after = places
    low = np.flatnonzero(voltage[start:peak] < level)
    fallen = np.flatnonzero(voltage[peak : after + 1] < level)
    if not low.size or not fallen.size:
        return np.nan, np.nan
    k, m = start + int(low[-1]), peak + int(fallen[0])
    left = k + (level - voltage[k]) / (voltage[k + 1] - voltage[k])
    right = m - (level - voltage[m]) / (voltage[m - 1] - voltage[m])
    return float(left), float(right)
