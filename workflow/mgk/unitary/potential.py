"""One patch at one potential: drift removed, levels found, the trace idealised, the unitary current measured.

The baseline is what is left of the current when the open channels are taken away. It is first the low end of the
current in blocks (the end at which channels are closed), then, with levels and idealisation at hand, the mean of each
block less what is open in it; where a block was taken for one with a channel more or less, it lies a whole unitary
current off and is set right (np.unwrap). Between blocks it is a straight line. This is repeated until nothing changes.

The unitary current is the slope of the current over the number of open channels, each block about its own mean, from
samples that the filter has let settle: drift slower than a block has no part in it, nor have the smeared flanks that
pull an all-points histogram. Its SE is a jackknife over blocks. What openings and closings too short to be seen leave
is estimated from the dwell times (`mgk.unitary.dwells`).

Currents in pA, outward positive; times in s; potentials are not needed here.
"""

from dataclasses import dataclass, replace

import numpy as np

from mgk.unitary.idealise import Events, idealise, nearest_level, samples_open, settled_samples
from mgk.unitary.levels import Levels, fit_levels, noise_of
from mgk.unitary.resolution import false_events_per_s, rise_ms

# Samples within this many rise times of a transition are on their way: a Gaussian filter is then within 0.01 %.
SETTLED_RISES = 1.5
# The closed end of a block of the first baseline.
CLOSED_QUANTILE = 0.02
ROUNDS, SLOPE_ROUNDS, SETTLED = 12, 20, 1e-6
# Rounds in which the number of channels is sought anew; in between it is kept, which takes a tenth of the time.
ANEW = (0, 2, 4, 7)
# Noise that crosses the threshold more often than this share of the openings makes flanks of its own.
NOISY_SHARE = 0.05
# Openings a block of the jackknife, and how many blocks.
OPENINGS_A_BLOCK, FEWEST_BLOCKS, MOST_BLOCKS = 4, 5, 40


NO_LEVELS = Levels(0.0, np.nan, np.zeros(1), np.ones(1), 0.0, {})


@dataclass(frozen=True)
class Recorded:
    """What was recorded of one patch at one potential: samples of all parts, one after the other, outward positive.

    `firsts` are the first samples of the parts, `filter_hz` is the corner of the filter of it all.
    """

    current_pa: np.ndarray
    firsts: np.ndarray
    rate_hz: float
    filter_hz: float

    @property
    def duration_s(self) -> float:
        """The length of all parts together."""
        return len(self.current_pa) / self.rate_hz


@dataclass(frozen=True)
class Asked:
    """What the analysis is told: direction of openings, the most channels, resolution and blocks of the baseline."""

    outward: bool
    most_channels: int
    resolution_ms: float
    baseline_ms: float


@dataclass(frozen=True)
class Level:
    """What was found at one potential.

    `flat_pa` is the current without drift, the closed level at zero; `amplitude_pa` is NaN where no channel opens;
    `noisy`: noise crosses the threshold too often for events below the resolution to be seen.
    """

    flat_pa: np.ndarray
    drift_pa: float
    levels: Levels
    events: Events | None
    amplitude_pa: float
    amplitude_se_pa: float
    mean_open: float
    mean_open_se: float
    unequal: float
    noisy: bool


def analyse_level(recorded: Recorded, asked: Asked) -> Level:
    """Remove the drift, find the levels, idealise, measure the unitary current."""
    x, lag = recorded.current_pa, max(int(recorded.rate_hz / recorded.filter_hz), 1)
    independent = max(recorded.rate_hz / (2 * recorded.filter_hz), 1.0)
    blocks = _blocks(recorded.firsts, len(x), max(int(asked.baseline_ms * recorded.rate_hz / 1e3), 1))
    baseline, noise, near = _closed_end(x, recorded.firsts, blocks, asked.outward), noise_of(x, lag), None
    before = NO_LEVELS
    for done in range(ROUNDS):
        near = None if done in ANEW else near
        levels = fit_levels(x - baseline, noise, asked.outward, asked.most_channels, independent, near)
        settled = before.channels == levels.channels and _is_near(levels, before)
        if settled and near is not None:
            # Whether with another number of channels is looked at once more.
            levels = fit_levels(x - baseline, noise, asked.outward, asked.most_channels, independent)
            settled = levels.channels == before.channels
        if settled or not levels.channels:
            break
        before, near = levels, replace(levels, closed_pa=0.0)
        baseline = _refined(recorded, blocks, baseline + levels.closed_pa, levels)
    flat, drift = x - baseline - levels.closed_pa, float(np.ptp(baseline))
    if not levels.channels:
        return Level(flat, drift, levels, None, np.nan, np.nan, 0.0, np.nan, np.nan, False)
    return _measured(recorded, asked, flat, drift, levels)


def _is_near(levels: Levels, before: Levels) -> bool:
    return abs(levels.amplitude_pa - before.amplitude_pa) < SETTLED * abs(before.amplitude_pa)


def margin_samples(recorded: Recorded) -> int:
    """Return how far from a transition a sample must lie."""
    return int(np.ceil(SETTLED_RISES * rise_ms(recorded.filter_hz) * recorded.rate_hz / 1e3))


def _measured(recorded: Recorded, asked: Asked, flat: np.ndarray, drift: float, levels: Levels) -> Level:
    """Idealise a flat trace, and measure the unitary current and how many channels are open on average."""
    n, rate, firsts = levels.channels, recorded.rate_hz, recorded.firsts
    events = idealise(flat, firsts, rate, levels.amplitude_pa, n, asked.resolution_ms / 1e3)
    k = nearest_level(flat, levels.amplitude_pa, n)
    openings = int(np.count_nonzero(np.diff(events.open) > 0))
    false = false_events_per_s(abs(levels.amplitude_pa) / 2, levels.sd_pa[0], recorded.filter_hz)
    # Flanks of events too short to be kept are flanks too; but where noise makes them, they are part of the level.
    noisy = false * recorded.duration_s > NOISY_SHARE * openings
    seen = samples_open(events, firsts, len(flat), rate) if noisy else k
    settled = settled_samples(seen, firsts, margin_samples(recorded))
    wanted = int(np.clip(openings // OPENINGS_A_BLOCK, FEWEST_BLOCKS, MOST_BLOCKS))
    blocks = _blocks(firsts, len(flat), max(len(flat) // wanted, 1))
    amplitude, se = _slope(flat[settled], levels, _block_of(blocks, len(flat))[settled], len(blocks))
    shares = np.add.reduceat(k.astype(float), blocks) / np.diff(np.append(blocks, len(k)))
    mean_open = float(k.mean())
    mean_se = float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else np.nan
    unequal = _unequal(flat, k, settled, amplitude, n)
    return Level(flat, drift, levels, events, amplitude, se, mean_open, mean_se, unequal, noisy)


def _slope(x: np.ndarray, levels: Levels, block: np.ndarray, n_blocks: int) -> tuple[float, float]:
    """Return the slope of the current over the number open, about the means of blocks, and its jackknife SE.

    The number open is not that of the threshold, which noise on the far side of it would bias, but known by its
    probabilities under the levels: the step of EM.
    """
    size = np.bincount(block, minlength=n_blocks)
    slope = levels.amplitude_pa
    for _ in range(SLOPE_ROUNDS):
        k, k_squared = levels.number_open(x, slope)
        k_sum, x_sum, kx, kk = (np.bincount(block, v, n_blocks) for v in (k, x, k * x, k_squared))
        kk -= k_sum * k_sum / np.maximum(size, 1)
        kx -= k_sum * x_sum / np.maximum(size, 1)
        used = kk > 1e-9
        if not used.any():
            return np.nan, np.nan
        before, slope = slope, float(kx[used].sum() / kk[used].sum())
        if abs(slope - before) < SETTLED * abs(slope):
            break
    if used.sum() < 2:
        return slope, np.nan
    without = (kx.sum() - kx[used]) / (kk.sum() - kk[used])
    n = len(without)
    return slope, float(np.sqrt((n - 1) / n * ((without - slope) ** 2).sum()))


def _unequal(flat: np.ndarray, k: np.ndarray, settled: np.ndarray, amplitude: float, n: int) -> float:
    """Return how far the steps between levels differ, at most, from their mean, as a share of it; NaN with one step."""
    size = np.bincount(k[settled], minlength=n + 1)
    if n < 2 or (size == 0).any():
        return np.nan
    steps = np.diff(np.bincount(k[settled], weights=flat[settled], minlength=n + 1) / size)
    return float(np.abs(steps / amplitude - 1).max())


def _blocks(firsts: np.ndarray, n: int, samples: int) -> np.ndarray:
    """Return the first samples of blocks of about this length; none reaches over the end of a part."""
    ends = np.append(firsts[1:], n)
    pieces = [
        first + (np.arange(count) * (end - first)) // count
        for first, end in zip(firsts, ends, strict=True)
        for count in [max(round((end - first) / samples), 1)]
    ]
    return np.concatenate(pieces)


def _block_of(blocks: np.ndarray, n: int) -> np.ndarray:
    return np.repeat(np.arange(len(blocks)), np.diff(np.append(blocks, n)))


def _closed_end(x: np.ndarray, firsts: np.ndarray, blocks: np.ndarray, outward: bool) -> np.ndarray:
    """Return a first baseline: the low end of the current in each block (the high end of inward openings)."""
    q = CLOSED_QUANTILE if outward else 1 - CLOSED_QUANTILE
    ends = np.append(blocks[1:], len(x))
    value = np.array([np.quantile(x[a:b], q) for a, b in zip(blocks, ends, strict=True)])
    return _joined((blocks + ends - 1) / 2, value, firsts, blocks, len(x))


def _refined(recorded: Recorded, blocks: np.ndarray, closed: np.ndarray, levels: Levels) -> np.ndarray:
    """Return the baseline as the mean of each block without what is open in it, whole unitary currents set right."""
    x, n = recorded.current_pa, len(recorded.current_pa)
    k = nearest_level(x - closed, levels.amplitude_pa, levels.channels)
    left = x - levels.amplitude_pa * k
    settled = settled_samples(k, recorded.firsts, margin_samples(recorded))
    block = _block_of(blocks, n)[settled]
    size = np.bincount(block, minlength=len(blocks))
    some = size > 0
    value = np.bincount(block, weights=left[settled], minlength=len(blocks))[some] / size[some]
    time = np.bincount(block, weights=np.flatnonzero(settled), minlength=len(blocks))[some] / size[some]
    part = np.searchsorted(recorded.firsts, blocks[some], side="right") - 1
    step = abs(levels.amplitude_pa)
    for p in np.unique(part):
        own = part == p
        smooth = np.unwrap(value[own], period=step)
        # The part as a whole stays where most of its blocks were.
        value[own] = smooth - step * np.rint(np.median(smooth - value[own]) / step)
    return _joined(time, value, recorded.firsts, blocks[some], n)


def _joined(time: np.ndarray, value: np.ndarray, firsts: np.ndarray, blocks: np.ndarray, n: int) -> np.ndarray:
    """Return straight lines through the values of blocks at these samples, going on straight to the ends of parts."""
    out, ends = np.empty(n), np.append(firsts[1:], n)
    part = np.searchsorted(firsts, blocks, side="right") - 1
    for p, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        t, v = time[part == p], value[part == p]
        if len(t) < 2:
            out[first:end] = v[0] if len(v) else value[np.argmin(np.abs(time - first))]
            continue
        at = np.arange(first, end)
        line = np.interp(at, t, v)
        low, high = at < t[0], at > t[-1]
        line[low] = v[0] + (at[low] - t[0]) * (v[1] - v[0]) / (t[1] - t[0])
        line[high] = v[-1] + (at[high] - t[-1]) * (v[-1] - v[-2]) / (t[-1] - t[-2])
        out[first:end] = line
    return out
