"""The passive response to a step of current: deflection, sag, membrane time constant, what the pipette adds.

A single exponential, V(t) = V_end + A exp(-t/tau), is fitted to means in equal bins from `SKIP_MS` after the start of
the step to its end, or to the peak where there is sag (the sag is another process: tau then comes out too short rather
than too long). The mean of an exponential over equal bins is an exponential of the same tau: binning costs no bias.
Noise of a membrane is correlated over about tau: what a fit says of its own error is not used, errors come from sweep
to sweep (`mgk.excitability.cells`).

The *jump* at the start of the step is what a pipette leaves whose bridge is not balanced: the first milliseconds, on
the fitted exponential, extrapolated back to the start. Two exponentials are only looked for (`second_exponential`):
dendrites charge faster than the soma, and one tau then stands between two.

Units: mV, pA, ms, MOhm (mV/pA is GOhm). Limits: the response is that of a constant step.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mgk.fitting import Estimate, fit_curve
from mgk.tables.problems import InputError

# The pipette and the amplifier's filter have settled (assumed, no source).
SKIP_MS = 1.0
# What is extrapolated back to the start of the step (assumed, no source).
EARLY_MS = 3.0
BINS = 100
# The steady state is the mean over this last share of the step (assumed, no source).
STEADY_SHARE = 0.2
SMOOTH_MS = 5.0
# A response that falls back by less than this share of its peak, or by less than the noise, has no sag.
LEAST_SAG = 0.05
NOISE_SD = 3.0
# A second exponential: it carries between these shares, is this much faster, and one alone leaves this many times the
# sum of squares of two (assumed, no source).
FAST_SHARE = (0.1, 0.9)
FAST_RATIO = 3.0
RSS_RATIO = 2.0
GRID = 30


@dataclass(frozen=True)
class Response:
    """What a step without spikes says; NaN, and why in `reason`, where it says nothing."""

    deflection_mv: float
    peak_deflection_mv: float
    sag_ratio: float
    tau_ms: float = np.nan
    jump_mv: float = np.nan
    reason: str = ""


def steady_part(step: slice) -> slice:
    """Return the samples of the steady state of a step."""
    return slice(step.stop - max(round((step.stop - step.start) * STEADY_SHARE), 1), step.stop)


def passive_response(
    voltage_mv: np.ndarray, step: slice, resting_mv: float, rate_hz: float, hyperpolarised: bool = True
) -> Response:
    """Return the response of a sweep without spikes to its step; sag, tau and jump where it hyperpolarises.

    Parameters
    ----------
    voltage_mv : ndarray of shape (samples,)
        The sweep.
    step : slice
        Samples of the step.
    resting_mv : float
        Potential before the step.
    """
    deflection = voltage_mv[step] - resting_mv
    steady = float((voltage_mv[steady_part(step)] - resting_mv).mean())
    smooth = _smoothed(deflection, rate_hz)
    if not smooth.size:
        return Response(steady, np.nan, np.nan, reason=f"the step is shorter than {2 * SMOOTH_MS:g} ms")
    sign = np.sign(steady) or 1.0
    place = int(np.argmax(sign * smooth))
    peak = float(smooth[place])
    if not hyperpolarised:
        return Response(steady, peak, np.nan)
    noise = float(smooth[-max(round(smooth.size * STEADY_SHARE), 1) :].std())
    sags = sign * (peak - steady) > max(NOISE_SD * noise, LEAST_SAG * abs(peak))
    end = place + round(SMOOTH_MS * rate_hz / 2e3) if sags else len(deflection)
    found = fit_charging(deflection[:end], rate_hz)
    return Response(steady, peak, (peak - steady) / peak if peak else np.nan, *found)


def fit_charging(deflection_mv: np.ndarray, rate_hz: float) -> tuple[float, float, str]:
    """Return tau in ms, the jump in mV, and why there are none, of a deflection from the start of the step."""
    time, means = binned(deflection_mv, rate_hz)
    if time.size < 10:
        return np.nan, np.nan, f"{time.size} points after the first {SKIP_MS:g} ms: too few for a time constant"
    if not np.isfinite(means).all() or np.ptp(means) == 0:
        return np.nan, np.nan, "the response is flat or not finite: no time constant"
    low, high = np.log(2e3 / rate_hz), np.log(2 * time[-1])
    taus = np.exp(np.linspace(low, high, GRID + 2)[1:-1])
    best = _nearest(time, means, taus)
    _, (end, amplitude) = _projected(means, np.exp(-time / best)[:, None])

    def model(t, ln_tau, end, amplitude):
        return end + amplitude * np.exp(-t / np.exp(ln_tau))

    start = {"ln_tau": float(np.log(best)), "end": float(end), "amplitude": float(amplitude)}
    try:
        fit = fit_curve(model, time, means, start, bounds={"ln_tau": (low, high)}, profile=[], starts=1)
    except InputError as error:
        return np.nan, np.nan, f"the exponential cannot be fitted: {error}"
    tau = fit.parameters["ln_tau"]
    if tau.verdict == "not_identified":
        return np.nan, np.nan, f"the time constant is not identified: {tau.reason.replace('ln_tau', 'tau')}"
    tau_ms = float(np.exp(tau.value))
    return tau_ms, _jump(deflection_mv, rate_hz, tau_ms), ""


def binned(deflection_mv: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mid-times in ms from the start of the step and means of equal bins after `SKIP_MS`."""
    skip = round(SKIP_MS * rate_hz / 1e3)
    seen = deflection_mv[skip:]
    width = max(seen.size // BINS, 1)
    bins = seen.size // width
    time = (skip + np.arange(bins) * width + (width - 1) / 2) * 1e3 / rate_hz
    return time, seen[: bins * width].reshape(bins, width).mean(axis=1)


def second_exponential(time_ms: np.ndarray, response: np.ndarray) -> tuple[float, float, float]:
    """Return (fast tau in ms, slow tau in ms, share of the fast one) where two exponentials are needed, else NaN.

    Parameters
    ----------
    time_ms, response : ndarray of shape (n,)
        Means in bins, averaged over sweeps, each sweep divided by its current.
    """
    none = (np.nan, np.nan, np.nan)
    if time_ms.size < 10:
        return none
    taus = np.geomspace(time_ms[0], time_ms[-1] / 2, GRID)
    decays = np.exp(-time_ms[:, None] / taus)
    one = min(_projected(response, decays[:, [i]])[0] for i in range(GRID))
    pairs = [(i, j) for j in range(GRID) for i in range(j) if taus[j] >= FAST_RATIO * taus[i]]
    two, (i, j) = min((_projected(response, decays[:, p])[0], p) for p in map(list, pairs))
    _, (_, fast, slow) = _projected(response, decays[:, [i, j]])
    share = fast / (fast + slow) if fast * slow > 0 else np.nan
    needed = one > RSS_RATIO * two and FAST_SHARE[0] < share < FAST_SHARE[1]
    return (float(taus[i]), float(taus[j]), float(share)) if needed else none


def resistance(step_pa, change_mv) -> Estimate:
    """Return the slope of a change of potential over the current of the step, MOhm, a line through the origin.

    No current, no change: the line needs no second parameter. One step gives no interval, and is weak.
    """
    current, change = np.asarray(step_pa, float), np.asarray(change_mv, float)
    use = np.isfinite(current) & np.isfinite(change)
    current, change = current[use], change[use]
    if not (np.abs(current) > 0).any():
        return Estimate(*[np.nan] * 4, "not_identified", "no step without spikes tells it; smaller steps would help")
    if current.size == 1:
        return Estimate(1e3 * change[0] / current[0], *[np.nan] * 3, "weak", "one step: no interval")
    slope = float(current @ change / (current @ current))
    fit = fit_curve(lambda x, r: r * x, current / 1e3, change, {"r": 1e3 * slope}, starts=1)
    return fit.parameters["r"]


def bridge_of(sweeps: pd.DataFrame) -> Estimate:
    """Return the resistance of the pipette that the bridge leaves, MOhm, from the jumps of rows of sweeps."""
    use = sweeps["jump_mv"].notna()
    found = resistance(sweeps.loc[use, "step_pa"], sweeps.loc[use, "jump_mv"])
    if found.verdict != "not_identified":
        return found
    return replace(found, reason="no hyperpolarising response tells it; hyperpolarising steps would help")


def _projected(y: np.ndarray, decays: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of squares that a constant and decays leave, and their coefficients."""
    design = np.column_stack([np.ones(len(y)), decays])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    left = y - design @ coefficients
    return float(left @ left), coefficients


def _nearest(time: np.ndarray, means: np.ndarray, taus: np.ndarray) -> float:
    """Return the time constant of these whose exponential, with a constant, leaves least."""
    decays = np.exp(-time[:, None] / taus)
    away, y = decays - decays.mean(axis=0), means - means.mean()
    return float(taus[int(np.argmax((y @ away) ** 2 / (away**2).sum(axis=0)))])


def _jump(deflection_mv: np.ndarray, rate_hz: float, tau_ms: float) -> float:
    """Return the deflection at the start of the step: an exponential of this tau through the first milliseconds."""
    per_ms = rate_hz / 1e3
    first, last = round(SKIP_MS * per_ms), round((SKIP_MS + EARLY_MS) * per_ms)
    early = deflection_mv[first:last]
    charged = 1 - np.exp(-np.arange(first, first + early.size) / per_ms / tau_ms)
    if early.size < 3:
        return np.nan
    return float(np.polynomial.polynomial.polyfit(charged, early, 1)[0])


def _smoothed(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the running mean over `SMOOTH_MS`; nothing where the values are shorter than twice that."""
    width = max(round(SMOOTH_MS * rate_hz / 1e3), 1)
    if values.size < 2 * width:
        return np.empty(0)
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return (sums[width:] - sums[:-width]) / width
