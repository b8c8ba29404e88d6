"""Open and closed times where no more than one channel opens: exponentials above an imposed resolution.

Events shorter than the resolution r are not in the data, so that a time t has the density of those that are longer,

    f(t) = sum_i a_i exp(-t / tau_i) / tau_i / sum_i a_i exp(-r / tau_i),    t >= r,

with one or two components, by maximum likelihood (EM; without memory, t - r is exponential again), the number by BIC.
a_i are shares of all events, those too short to be seen included.

An event too short to be seen joins its neighbours. Where both times have one component, two states of mean To and Tc
with a resolution r show mean times of (To + Tc) exp(r / Tc) - Tc open and (To + Tc) exp(r / To) - To closed (derived
from the alternating renewal process: an apparent opening is an opening and every closing below r with the opening
after it). Solved for To and Tc these are the corrected times, of the two solutions that with the longer times. From
them comes what missed events take off the unitary current: the share of apparent open time that was closed, and the
like.

Limits: nothing is said where two channels or more opened at once, since closings of one are hidden by the other; two
channels that never overlapped look like one (see `unseen_channel`). Correction for two states only. Times in ms.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import root
from scipy.stats import chi2

from mgk.unitary.idealise import Events

FEWEST_TIMES = 20
ROUNDS, SETTLED = 200, 1e-8
# The second component must hold this share, and differ by this factor, to be one (assumed, no source).
LEAST_SHARE, LEAST_RATIO = 0.05, 2.0


@dataclass(frozen=True)
class DwellTimes:
    """Times of one state: n seen, components (ms, with 95 % interval) and shares, longest first; BIC against one."""

    n: int
    mean_ms: float
    tau_ms: tuple[float, ...]
    ci_ms: tuple[tuple[float, float], ...]
    share: tuple[float, ...]
    delta_bic: float


@dataclass(frozen=True)
class Corrected:
    """Mean times of two states with missed events put back, their relative SE, and what these did to the amplitude."""

    open_ms: float
    closed_ms: float
    open_relative_se: float
    closed_relative_se: float
    amplitude_bias: float


def times_of(events: Events, is_open: bool) -> np.ndarray:
    """Return the complete open (or closed) times of a trace with at most one channel open, in ms."""
    return 1e3 * events.duration_s[events.complete & (events.open == int(is_open))]


def fit_times(times_ms: np.ndarray, resolution_ms: float) -> DwellTimes:
    """Fit one and two exponentials to times that are at least as long as the resolution.

    Returns
    -------
    DwellTimes
        Without components where there are fewer than `FEWEST_TIMES`. The interval of one component is exact (chi2),
        those of two are from the complete-data information of EM and too narrow where the components lie close.
    """
    n = len(times_ms)
    mean = float(times_ms.mean()) if n else np.nan
    if n < FEWEST_TIMES:
        return DwellTimes(n, mean, (), (), (), np.nan)
    t = np.maximum(times_ms - resolution_ms, 0.0)
    tau = max(float(t.mean()), 1e-12)
    one = -n * (np.log(tau) + 1)
    two, log_likelihood = _two(t)
    delta = 2 * (log_likelihood - one) - 2 * np.log(n)
    (fast, slow), (a, b) = two
    # Shares above the resolution become shares of all events.
    with np.errstate(over="ignore"):
        all_shares = np.array([a * np.exp(resolution_ms / fast), b * np.exp(resolution_ms / slow)])
    apart = min(a, b) > LEAST_SHARE and slow > LEAST_RATIO * fast
    if not (delta > 0 and apart and np.isfinite(all_shares).all()):
        low, high = (2 * n * tau / chi2.ppf(q, 2 * n) for q in (0.975, 0.025))
        return DwellTimes(n, mean, (tau,), ((low, high),), (1.0,), delta)
    shares = all_shares / all_shares.sum()
    ci = [tuple(value * np.exp(np.array([-1.96, 1.96]) / np.sqrt(n * s))) for value, s in ((slow, b), (fast, a))]
    ci = tuple((float(low), float(high)) for low, high in ci)
    return DwellTimes(n, mean, (slow, fast), ci, (float(shares[1]), float(shares[0])), delta)


def _two(t: np.ndarray) -> tuple[tuple[tuple[float, float], tuple[float, float]], float]:
    """Return ((fast, slow), their shares) of two exponentials by EM, and the log likelihood."""
    middle = np.median(t)
    tau = np.maximum([t[t <= middle].mean(), t[t > middle].mean() if (t > middle).any() else t.mean()], 1e-9)
    share, before = np.array([0.5, 0.5]), -np.inf
    for _ in range(ROUNDS):
        joint = share / tau * np.exp(-t[:, None] / tau)
        density = np.maximum(joint.sum(axis=1), 1e-300)
        log_likelihood = float(np.log(density).sum())
        if log_likelihood - before < SETTLED * abs(log_likelihood):
            break
        before = log_likelihood
        taken = joint / density[:, None]
        size = np.maximum(taken.sum(axis=0), 1e-12)
        share, tau = size / len(t), np.maximum(t @ taken / size, 1e-9)
    order = np.argsort(tau)
    return (tuple(float(v) for v in tau[order]), tuple(float(v) for v in share[order])), log_likelihood


def correct_two_states(
    opened: DwellTimes, closed: DwellTimes, resolution_ms: float, hidden_ms: float | None = None
) -> Corrected | None:
    """Put missed events back; None where one of the times has no or two components, or no two states show such times.

    The SE are those of the means of exponential times, 1/sqrt(n), carried through the equations.

    Parameters
    ----------
    resolution_ms : float
        Above this are the times.
    hidden_ms : float, optional
        Events shorter than this stay in the amplitude of their neighbours; by default those below the resolution.
    """
    if len(opened.tau_ms) != 1 or len(closed.tau_ms) != 1:
        return None
    mean = np.array([opened.tau_ms[0] + resolution_ms, closed.tau_ms[0] + resolution_ms])
    true = _solve(mean, resolution_ms)
    if true is None:
        return None
    slopes = np.empty((2, 2))
    for i in range(2):
        shifted = mean * (1 + 1e-4 * (np.arange(2) == i))
        moved = _solve(shifted, resolution_ms)
        if moved is None:
            return None
        slopes[:, i] = (np.log(moved) - np.log(true)) / (1e-4 * mean[i])
    se = np.array([opened.tau_ms[0] / np.sqrt(opened.n), closed.tau_ms[0] / np.sqrt(closed.n)])
    relative = np.sqrt((slopes**2) @ (se**2))
    within = resolution_ms if hidden_ms is None else hidden_ms
    hidden = [_hidden(true[i], true[1 - i], within) for i in range(2)]
    return Corrected(*(float(v) for v in true), *(float(v) for v in relative), -float(hidden[0] + hidden[1]))


def _solve(mean: np.ndarray, r: float) -> np.ndarray | None:
    """Return the true mean times that show these means: the solution near the times themselves."""
    if r == 0:
        return mean.copy()

    def left(log_true):
        to, tc = np.exp(log_true)
        return [(to + tc) * np.exp(r / tc) - tc - mean[0], (to + tc) * np.exp(r / to) - to - mean[1]]

    found = root(left, np.log(np.maximum(mean - r, r / 2)), tol=1e-12)
    true = np.exp(found.x)
    good = np.abs(left(found.x)).max() < 1e-6 * mean.max() and (true > 0.3 * r).all()
    return true if good else None


def _hidden(this: float, other: float, r: float) -> float:
    """Return the share of the apparent time of one state that was spent in the other, in events shorter than r."""
    gap = other * np.expm1(r / other) - r
    return gap / ((this + other) * np.exp(r / other) - other)


def unseen_channel(mean_open: float, channels: int, duration_s: float, open_ms: float) -> float:
    """Return the probability that one more channel was there and was never seen open together with all the others.

    If there were one more of the same kind, all would be open together for (mean open / (n + 1))^(n + 1) of the time,
    in episodes of mean open time / (n + 1); their number is taken for a Poisson variable. Channels that open in turns,
    or one that is modal, break this.
    """
    n = channels + 1
    share = (mean_open / n) ** n
    episode_s = open_ms / 1e3 / n
    if not episode_s > 0:
        return np.nan
    return float(np.exp(-share * duration_s / episode_s))
