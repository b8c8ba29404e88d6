"""The time constant of a current that follows a step of the potential.

I(t) = I0 + b t + A exp(-t / tau), from the beginning of the window; the straight line stands for whatever is slower
than the window, such as inactivation under an activating current. Times in ms, currents in pA.

Limits: one exponential, the window given; what opens with a delay (a gate that is a power of another), and the
amplifier's filter, are no part of it. The relaxation after a step in concentration, several exponentials and their
comparison are no business of this module.
"""

import math

import numpy as np

from mgk.fitting import fit_curve

COLUMNS = ("tau_ms", "tau_ci_low_ms", "tau_ci_high_ms", "tau_reason")
# The exponential must be larger than this many standard deviations of what it leaves (assumed, no source).
LEAST_AMPLITUDE_SD = 3.0
# Samples are averaged down to this many: the interval is that of the means, the time constant the same.
POINTS = 120
FEWEST_POINTS = 8


def time_constant(current_pa, rate_hz: float) -> dict:
    """Return the time constant of a trace, with its 95 % profile interval, or the reason why it has none.

    Parameters
    ----------
    current_pa : array_like of shape (n,)
        The trace, from the beginning of the window.
    rate_hz : float
        Its sampling rate.

    Returns
    -------
    dict
        COLUMNS; numbers are NaN, and tau_reason says why, where the exponential is lost in the noise, is not
        separated from the line (tau beyond the window), or is faster than two points.
    """
    trace = np.asarray(current_pa, float)
    bin_samples = max(1, trace.size // POINTS)
    n = trace.size // bin_samples
    if n < FEWEST_POINTS or not np.isfinite(trace).all():
        return _none(f"{n} points; {FEWEST_POINTS} finite ones are needed")
    current = trace[: n * bin_samples].reshape(n, bin_samples).mean(axis=1)
    step_ms = 1000 * bin_samples / rate_hz
    time = (np.arange(n) + (bin_samples - 1) / (2 * bin_samples)) * step_ms
    window = time[-1] + step_ms
    if np.ptp(current) == 0:
        return _none("the current does not change")

    def exponential(t, offset_pa, slope_pa, amplitude_pa, ln_tau):
        return offset_pa + slope_pa * t / window + amplitude_pa * np.exp(-t / np.exp(ln_tau))

    end = current[-max(2, n // 5) :].mean()
    start = {"offset_pa": end, "slope_pa": 0.0, "amplitude_pa": current[0] - end, "ln_tau": math.log(window / 6)}
    limits = {"ln_tau": (math.log(step_ms / 4), math.log(4 * window))}
    fit = fit_curve(exponential, time, current, start, bounds=limits, profile=["ln_tau"])
    tau = fit.parameters["ln_tau"].exp()
    noise = math.sqrt(fit.rss / fit.dof)
    amplitude = abs(fit.estimates["amplitude_pa"])
    if amplitude < LEAST_AMPLITUDE_SD * noise:
        return _none("the change of the current is lost in the noise")
    if not 2 * step_ms <= tau.value <= window:
        return _none(f"{tau.value:.3g} ms, outside {2 * step_ms:g} to {window:g} ms, is not separated")
    if not (tau.ci_low > math.exp(limits["ln_tau"][0]) and tau.ci_high < math.exp(limits["ln_tau"][1])):
        return _none("its profile does not close")
    return dict(zip(COLUMNS, (tau.value, tau.ci_low, tau.ci_high, ""), strict=True))


def _none(reason: str) -> dict:
    return dict(zip(COLUMNS, (math.nan, math.nan, math.nan, reason), strict=True))
