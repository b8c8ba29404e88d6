"""Idealisation at half amplitude: from a trace to how many channels are open when, with an imposed resolution.

A sample belongs to the nearest level, so that the threshold between two levels lies half way; a transition is where the
straight line between two samples crosses it. An event shorter than the resolution is taken as part of the one before
(the fixed resolution of Colquhoun and Sigworth 1995, from memory, not read), so that all events left are at least as
long. The first and the last event of each part are cut off by its ends and are no dwell times.

Times in s from the start of a part, currents in pA with the closed level at zero.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Events:
    """Events in order: part, channels open, start and duration in s, whether both ends were seen; each of shape (m,).

    `merged` counts what was shorter than the resolution.
    """

    part: np.ndarray
    open: np.ndarray
    start_s: np.ndarray
    duration_s: np.ndarray
    complete: np.ndarray
    merged: int


def nearest_level(x: np.ndarray, amplitude_pa: float, channels: int) -> np.ndarray:
    """Return the number of open channels of each sample, int16."""
    return np.clip(np.rint(x / amplitude_pa), 0, channels).astype(np.int16)


def idealise(
    x: np.ndarray, firsts: np.ndarray, rate_hz: float, amplitude_pa: float, channels: int, resolution_s: float
):
    """Idealise the parts of a trace.

    Parameters
    ----------
    x : array of shape (n,)
        Current without drift, the parts one after the other.
    firsts : array of int
        The first sample of each part, from 0.
    amplitude_pa, channels : float, int
        The unitary current with its sign, and how many channels there are.
    resolution_s : float
        Events shorter than this are not kept.

    Returns
    -------
    Events
    """
    k = nearest_level(x, amplitude_pa, channels)
    changes = np.diff(k, prepend=k[0]) != 0
    begins = changes.copy()
    begins[firsts] = True
    at = np.flatnonzero(begins)
    part = np.searchsorted(firsts, at, side="right") - 1
    # A crossing lies between two samples; a part begins half a sample before its first.
    crossing = at - 0.5
    inner = changes[at] & ~np.isin(at, firsts)
    i = at[inner]
    threshold = amplitude_pa * (k[i - 1] + k[i]) / 2
    crossing[inner] = i - 1 + np.clip((threshold - x[i - 1]) / (x[i] - x[i - 1]), 0, 1)
    lasts = np.append(firsts[1:], len(x)) - 0.5
    ends = np.append(crossing[1:], lasts[-1])
    is_last = np.append(part[1:] != part[:-1], True)
    ends[is_last] = lasts[part[is_last]]
    begin_s = (crossing - firsts[part] + 0.5) / rate_hz
    return _impose(part, k[at], begin_s, (ends - crossing) / rate_hz, resolution_s)


def _impose(part, level, start, duration, resolution_s: float) -> Events:
    """Join events shorter than the resolution to the one before, then like neighbours, within each part."""
    first = np.append(True, part[1:] != part[:-1])
    # Times are multiples of samples but for rounding.
    kept = duration >= resolution_s * (1 - 1e-9)
    place = np.where(kept, np.arange(len(level)), -1)
    # The last event kept before each, in the same part; what comes before any of them belongs to the first.
    carried = np.maximum.accumulate(place)
    opening = np.flatnonzero(first)[part]
    early = carried < opening
    n = len(level)
    following = np.minimum.accumulate(np.where(kept, np.arange(n), n)[::-1])[::-1]
    # A part in which no event is long enough is one event, at the level of its first.
    in_part = (following < n) & (part[np.minimum(following, n - 1)] == part)
    source = np.where(early, np.where(in_part, following, opening), carried)
    of = level[source]
    begins = first | np.append(True, of[1:] != of[:-1])
    at = np.flatnonzero(begins)
    total = np.add.reduceat(duration, at)
    new_part = part[at]
    edge = np.append(True, new_part[1:] != new_part[:-1]) | np.append(new_part[1:] != new_part[:-1], True)
    return Events(new_part, of[at], start[at], total, ~edge, int((~kept).sum()))


def settled_samples(k: np.ndarray, firsts: np.ndarray, margin: int) -> np.ndarray:
    """Return which samples are farther than a margin (in samples) from every change of level; the rest is on its way.

    Parameters
    ----------
    k : array of shape (n,)
        Number of open channels of each sample.
    """
    at = np.flatnonzero(np.diff(k) != 0) + 1
    at = at[~np.isin(at, firsts)]
    n = len(k)
    marks = np.zeros(n + 1, np.int32)
    np.add.at(marks, np.maximum(at - margin, 0), 1)
    np.add.at(marks, np.minimum(at + margin, n), -1)
    return np.cumsum(marks[:-1]) == 0


def samples_open(events: Events, firsts: np.ndarray, n: int, rate_hz: float) -> np.ndarray:
    """Return the number of open channels of each sample after the resolution was imposed, shape (n,)."""
    at = np.ceil(firsts[events.part] - 0.5 + events.start_s * rate_hz - 1e-6).astype(np.int64)
    return np.repeat(events.open, np.diff(np.append(at, n)))
