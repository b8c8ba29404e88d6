"""Levels of current in an all-points histogram: equally spaced normal distributions, their number by BIC.

    p(x) = sum_k w_k N(x; c + k a, s0^2 + k s1^2) + w_u / (n |a|) on c .. c + n a,    k = 0 .. n

c is the current with all channels closed, a the unitary current, s0 the noise, s1 what each open channel adds to it;
the flat part holds the samples on their way between levels, which a filter smears. The fit is by EM on a histogram that
keeps the mean of each bin, so that levels without noise come out exactly.

Samples behind a filter follow each other: BIC counts one for each 1/(2 fc). A middle level that is all but empty is no
channel: occupancies of independent channels obey Newton's inequalities for real-rooted polynomials, whatever their open
probabilities.

Limits: channels of one conductance; n is the highest number seen open at once, a lower bound of those in the patch.
Currents in pA, outward positive; a has the sign of the openings.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

# Bins a noise SD, and at most in all.
BINS_PER_SD, MOST_BINS = 5, 1000
# A trace that is all in fewer bins than this has no levels.
FEWEST_BINS = 2
# Unitary currents from which EM starts, as shares of the span of the data.
STARTS = 8
FIRST_ROUNDS = 12
# EM ends when a round gains less than this share of the log likelihood: while numbers are compared, and at last.
ROUNDS, COMPARED, SETTLED = 200, 1e-6, 1e-9
# Levels nearer than this many SD are one broad level (two equal normal distributions have two peaks beyond 2 SD).
LEAST_SEPARATION = 2.0
# A level that is seen least must hold more than what the noise of its neighbour puts beyond the threshold between them.
# Occupancies of middle levels below this share of the least that independent channels have (assumed, no source).
INDEPENDENT_SHARE = 0.1
# Of so many samples at a time the probabilities of all levels are in memory.
PIECE_SAMPLES = 1 << 18


@dataclass(frozen=True)
class Levels:
    """The levels found: closed level and unitary current in pA, SD and share of samples of each level, BIC by number.

    `between` is the share of samples between the levels; `amplitude_pa` is NaN where no channel opens.
    """

    closed_pa: float
    amplitude_pa: float
    sd_pa: np.ndarray
    share: np.ndarray
    between: float
    bic: dict[int, float]

    @property
    def channels(self) -> int:
        """The highest number of channels open at once."""
        return len(self.share) - 1

    @property
    def separation(self) -> float:
        """The unitary current over the noise of the closed level; infinite without noise."""
        return abs(self.amplitude_pa) / self.sd_pa[0] if self.sd_pa[0] > 0 else np.inf

    def number_open(self, x: np.ndarray, amplitude_pa: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected number of open channels at currents x above the closed level, and of its square."""
        pieces = np.split(x, range(PIECE_SAMPLES, len(x), PIECE_SAMPLES))
        found = [self._number_open(piece, amplitude_pa) for piece in pieces]
        return np.concatenate([k for k, _ in found]), np.concatenate([squared for _, squared in found])

    def _number_open(self, x: np.ndarray, amplitude_pa: float) -> tuple[np.ndarray, np.ndarray]:
        k = np.arange(self.channels + 1)
        log = [_log_normal(x, i * amplitude_pa, self.sd_pa[i] ** 2) + np.log(max(self.share[i], 1e-300)) for i in k]
        log -= np.max(log, axis=0)
        weight = np.exp(log)
        weight /= weight.sum(axis=0)
        return k @ weight, (k * k) @ weight

    def density(self, x: np.ndarray) -> np.ndarray:
        """Return the fitted density at currents x, 1/pA."""
        k = np.arange(self.channels + 1)[:, None]
        step = 0.0 if self.channels == 0 else self.amplitude_pa
        normal = np.exp(_log_normal(x[None], self.closed_pa + k * step, self.sd_pa[:, None] ** 2))
        total = (self.share[:, None] * normal).sum(axis=0)
        if self.channels:
            low, high = sorted((self.closed_pa, self.closed_pa + self.channels * step))
            total += np.where((x >= low) & (x <= high), self.between / (high - low), 0.0)
        return total


@dataclass(frozen=True)
class Histogram:
    """A histogram: counts, and the mean of the samples of each bin that holds any (pA); the width of a bin."""

    count: np.ndarray
    mean: np.ndarray
    width: float


def histogram(x: np.ndarray, noise_pa: float) -> Histogram:
    """Return the all-points histogram of a trace in bins that are narrow against its noise."""
    low, high = float(x.min()), float(x.max())
    span = max(high - low, 1e-9 * max(abs(low), abs(high), 1e-9))
    width = max(noise_pa / BINS_PER_SD, span / MOST_BINS)
    place = np.minimum(((x - low) / width).astype(np.int64), int(span / width))
    count = np.bincount(place)
    total = np.bincount(place, weights=x)
    held = count > 0
    return Histogram(count[held].astype(float), total[held] / count[held], width)


def fit_levels(
    x: np.ndarray, noise_pa: float, outward: bool, most_channels: int, samples_per_independent: float, near=None
) -> Levels:
    """Find the levels of a trace without drift.

    Parameters
    ----------
    x : array of shape (n,)
        Current in pA.
    noise_pa : float
        A first guess of the noise, as of `noise_of`.
    outward : bool
        Whether openings carry outward current.
    most_channels : int
        The highest number of channels that is tried.
    samples_per_independent : float
        How many samples count as one in BIC.
    near : Levels, optional
        Levels that are known to be near: only their number of channels is fitted, from there.

    Returns
    -------
    Levels
        Those of the lowest BIC among the numbers that independent channels can have.
    """
    sign = 1 if outward else -1
    held = histogram(sign * x, noise_pa)
    weight = held.count / samples_per_independent
    floor = (held.width / 2) ** 2
    if near is not None and near.channels:
        return _from_near(held, weight, floor, near, sign)
    best, bic = _one_level(held, weight, floor)
    if len(held.count) < FEWEST_BINS:
        return _levels(best, sign, {0: bic})
    found = {0: bic}
    for n in range(1, most_channels + 1):
        candidate = _fit(held, weight, floor, n)
        if candidate is None:
            continue
        state, found[n] = candidate
        if found[n] > bic and best.step:
            break
        if found[n] < bic and _independent(state.share) and _edges_held(state):
            best, bic = state, found[n]
    return (
        _levels(best, sign, found)
        if not best.step
        else _from_near(held, weight, floor, _levels(best, sign, found), sign)
    )


def noise_of(x: np.ndarray, lag: int) -> float:
    """Return the noise SD of a trace from differences over a lag of samples: neither drift nor rare gating is in it."""
    if len(x) <= lag:
        return float(x.std())
    return float(1.4826 * np.median(np.abs(x[lag:] - x[:-lag])) / np.sqrt(2))


def _levels(state: "_State", sign: int, bic: dict[int, float]) -> Levels:
    step = sign * state.step if state.step else np.nan
    return Levels(sign * state.closed, step, state.sd, state.share, state.between, bic)


@dataclass(frozen=True)
class _State:
    """A fit with openings upwards."""

    closed: float
    step: float
    sd: np.ndarray
    share: np.ndarray
    between: float


def _one_level(held: Histogram, weight: np.ndarray, floor: float) -> tuple[_State, float]:
    """Return the fit of a single level, and its BIC."""
    n = weight.sum()
    mean = (weight * held.mean).sum() / n
    variance = max((weight * (held.mean - mean) ** 2).sum() / n, floor)
    log_likelihood = (weight * _log_normal(held.mean, mean, variance)).sum()
    state = _State(float(mean), 0.0, np.array([np.sqrt(variance)]), np.ones(1), 0.0)
    return state, float(2 * np.log(n) - 2 * log_likelihood)


def _fit(held: Histogram, weight: np.ndarray, floor: float, n: int) -> tuple[_State, float] | None:
    """Fit n channels from many starts; return the fit and its BIC, or None where the levels are not apart."""
    low, high = (held.mean[_quantile(weight, q)] for q in (0.002, 0.998))
    # From the whole span to a tenth of it; the closed level at the low end, and at the commonest current.
    steps = (high - low) * np.geomspace(1.1, 0.1, STARTS) / n
    closed = np.concatenate([np.full(STARTS, low), np.full(STARTS, held.mean[np.argmax(weight)])])
    steps = np.concatenate([steps, steps])
    sd = np.maximum(steps / 4, np.sqrt(floor))
    share = np.full((len(steps), n + 1), 0.95 / (n + 1))
    theta = (closed, steps, sd**2, np.zeros_like(sd), share, np.full(len(steps), 0.05))
    for _ in range(FIRST_ROUNDS):
        theta, log_likelihood = _em(held, weight, floor, theta)
    best = int(np.argmax(log_likelihood))
    return _polished(held, weight, floor, tuple(part[best : best + 1] for part in theta), COMPARED)


def _from_near(held: Histogram, weight: np.ndarray, floor: float, near: Levels, sign: int) -> Levels:
    """Return the fit from levels that are near; these where nothing is found."""
    v0 = max(near.sd_pa[0] ** 2, floor)
    v1 = max((near.sd_pa[-1] ** 2 - near.sd_pa[0] ** 2) / near.channels, 0.0)
    start = (sign * near.closed_pa, sign * near.amplitude_pa, v0, v1, near.share, max(near.between, 1e-6))
    found = _polished(held, weight, floor, tuple(np.array([part]) for part in start), SETTLED)
    return near if found is None else _levels(found[0], sign, near.bic | {near.channels: found[1]})


def _polished(
    held: Histogram, weight: np.ndarray, floor: float, theta: tuple, gain: float
) -> tuple[_State, float] | None:
    """Go on with EM from one start until it settles; None where the levels are not apart."""
    before = -np.inf
    for _ in range(ROUNDS):
        theta, log_likelihood = _em(held, weight, floor, theta)
        if log_likelihood[0] - before < gain * abs(log_likelihood[0]):
            break
        before = log_likelihood[0]
    closed, step, v0, v1, share, between = (part[0] for part in theta)
    if not step > LEAST_SEPARATION * np.sqrt(v0):
        return None
    n = len(share) - 1
    sd = np.sqrt(v0 + np.arange(n + 1) * v1)
    bic = (5 + n) * np.log(weight.sum()) - 2 * log_likelihood[0]
    return _State(float(closed), float(step), sd, share, float(between)), float(bic)


def _em(held: Histogram, weight: np.ndarray, floor: float, theta: tuple) -> tuple[tuple, np.ndarray]:
    """Do one round of EM for each of S starts; return the new parameters and the log likelihood of the old ones."""
    closed, step, v0, v1, share, between = theta
    x = held.mean
    k = np.arange(share.shape[1])
    level = closed[:, None] + k * step[:, None]
    variance = v0[:, None] + k * v1[:, None]
    joint = share[..., None] * np.exp(_log_normal(x, level[..., None], variance[..., None]))
    top = level[:, -1:]
    flat = np.where((x >= closed[:, None]) & (x <= top), (between / (top[:, 0] - closed))[:, None], 0.0)
    density = np.maximum(joint.sum(axis=1) + flat, 1e-300)
    log_likelihood = (weight * np.log(density)).sum(axis=1)
    taken = joint * (weight / density)[:, None, :]
    n_k = taken.sum(axis=2)
    # Closed level and step: a line through the samples over k, weighted by the variances.
    w = n_k / variance
    xw = (taken * x).sum(axis=2) / variance
    s0, s1, s2 = w.sum(axis=1), (w * k).sum(axis=1), (w * k * k).sum(axis=1)
    t0, t1 = xw.sum(axis=1), (xw * k).sum(axis=1)
    determinant = s0 * s2 - s1 * s1
    ok = determinant > 1e-12 * s0 * s2
    safe = np.where(ok, determinant, 1.0)
    closed = np.where(ok, (s2 * t0 - s1 * t1) / safe, closed)
    step = np.where(ok, np.maximum((s0 * t1 - s1 * t0) / safe, np.sqrt(floor)), step)
    v0, v1 = _variances(x, taken, n_k, closed[:, None] + k * step[:, None], variance, floor)
    whole = weight.sum()
    return (closed, step, v0, v1, n_k / whole, (flat * (weight / density)).sum(axis=1) / whole), log_likelihood


def _variances(x, taken, n_k, level, variance, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return noise variance and what an open channel adds, from the variance about each level."""
    k = np.arange(level.shape[1])
    about = (taken * (x - level[..., None]) ** 2).sum(axis=2)
    # (level's variance) = v0 + k v1, weighted by how well each is known, n / 2 v^2.
    w = n_k / variance**2
    y = about / variance**2
    s0, s1, s2 = w.sum(axis=1), (w * k).sum(axis=1), (w * k * k).sum(axis=1)
    t0, t1 = y.sum(axis=1), (y * k).sum(axis=1)
    determinant = s0 * s2 - s1 * s1
    ok = determinant > 1e-12 * s0 * s2
    v1 = np.where(ok, (s0 * t1 - s1 * t0) / np.where(ok, determinant, 1.0), 0.0)
    v1 = np.maximum(v1, 0.0)
    v0 = (t0 - v1 * s1) / np.maximum(s0, 1e-300)
    return np.maximum(v0, floor), v1


def _log_normal(x, mean, variance):
    return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def _quantile(weight: np.ndarray, q: float) -> int:
    total = np.cumsum(weight)
    return int(np.searchsorted(total, q * total[-1]))


def _independent(share: np.ndarray) -> bool:
    """Return whether independent two-state channels, alike or not, could be open so often: Newton's inequalities."""
    n = len(share) - 1
    for k in range(1, n):
        least = share[k - 1] * share[k + 1] * (k + 1) * (n - k + 1) / (k * (n - k))
        if share[k] ** 2 < INDEPENDENT_SHARE * least:
            return False
    return True


def _edges_held(state: _State) -> bool:
    """Return whether the lowest and the highest level hold more than the noise of their neighbours."""
    for edge, neighbour in ((0, 1), (-1, -2)):
        beyond = state.share[neighbour] * norm.sf(state.step / 2 / max(state.sd[neighbour], 1e-300))
        if not state.share[edge] > beyond:
            return False
    return True
