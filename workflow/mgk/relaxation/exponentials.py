"""One against two exponentials in a transient, and whether two rates can be told apart.

F(t) = F_end + b t + A_fast exp(-k_fast t) + A_slow exp(-k_slow t), t after mixing; the line b t stands for the lamp's
drift and for bleaching, slow against the window. A negative amplitude is a signal that rises. Amplitudes are those at
mixing, extrapolated over the dead time.

Two exponentials are taken when the F test says so and AICc is lower. The F test is approximate here (without a second
amplitude its rate has no meaning); `validation.relaxation` measures how often it finds two in one. Two rates whose
ratio is below 2 are not separable: what the fit returns for them is not shown as rates.

Units: time in ms, rates in 1/s, amplitudes in the unit of the signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.relaxation.shots import in_window

# Two exponentials need p of the F test below this (assumed, no source; strict, as the test is only approximate).
TWO_P = 0.01
# Rates nearer than this ratio are not separable (the project's science notes, recordings, section 5).
LEAST_RATIO = 2.0
LEVEL = 0.95
# Residuals whose correlation with the next exceeds this many standard errors are not independent.
CORRELATED_SE = 4.0
GRID = 24
WHAT_HELPS = "what would help: more shots, a longer window, or a concentration at which the rates lie further apart"
RATE_COLUMNS = (
    "transient_id", "group", "cell_id", "animal_id", "ligand", "ligand_total_mm", "ligand_free_mm", "n_shots",
    "n_points", "noise", "unit", "exponentials", "f", "p", "delta_aicc", "k_fast", "k_fast_se", "k_fast_ci_low",
    "k_fast_ci_high", "k_slow", "k_slow_se", "k_slow_ci_low", "k_slow_ci_high", "k_single", "k_single_ci_low",
    "k_single_ci_high", "ratio", "ratio_ci_low", "ratio_ci_high", "amplitude_fast", "amplitude_fast_se",
    "amplitude_slow", "amplitude_slow_se", "end", "drift_per_s", "unseen_fast_percent", "residual_correlation",
    "verdict", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Relaxation:
    """Both fits of a transient and which is taken; `two` is None where it cannot be fitted.

    `one`, `two`: parameters ln_k (or ln_k_fast, ln_k_slow, sorted), amplitudes, end, drift (over the window).
    `verdict` is that of the rates that are taken; `reason` says why two rates are not separable, too.
    """

    one: CurveFit
    two: CurveFit | None
    f: float
    p: float
    exponentials: int
    ratio: Estimate
    verdict: str
    reason: str

    @property
    def chosen(self) -> CurveFit:
        """The fit that is taken."""
        return self.two if self.exponentials == 2 else self.one


def fit_transient(time_ms, signal, *, drift: bool = True, least_ratio: float = LEAST_RATIO) -> Relaxation:
    """Fit one and two exponentials to a transient and choose.

    Parameters
    ----------
    time_ms, signal : array_like of shape (n,)
        The window: times after mixing, from the dead time on.
    drift : bool
        Fit a straight line with the exponentials.
    least_ratio : float
        Rates nearer than this are not separable.

    Returns
    -------
    Relaxation
        Intervals of rates by profile, of the ratio from the covariance of the logarithms. With two exponentials and a
        verdict not_identified the two rates were found but cannot be told apart.
    """
    time, y = np.asarray(time_ms, float) / 1000, np.asarray(signal, float)
    span = time[-1] - time[0]
    lowest, highest = np.log(0.25 / span), np.log(2.0 / np.diff(time).min())
    grid = np.linspace(lowest + 0.1, highest - 0.1, GRID)
    one = _fit(time, y, ("ln_k",), [(k,) for k in grid], (lowest, highest), drift)
    pairs = [(fast, slow) for i, slow in enumerate(grid) for fast in grid[i + 1 :]]
    # Where there is but one exponential the profiles of two never end: they are drawn once two are taken.
    seen = _fit(time, y, ("ln_k_fast", "ln_k_slow"), pairs, (lowest, highest), drift, profile=False)
    two = _sorted(seen)
    f, p = _f_test(one, two)
    better = p < TWO_P and not two.aicc >= one.aicc
    if np.isnan(one.aicc):  # what one exponential leaves is rounding
        better = False
    if not better:
        verdict, reason = one.parameters["ln_k"].verdict, one.parameters["ln_k"].reason
        said = f"one exponential: a second is not supported (F test p {p:.2g}, AICc {two.aicc - one.aicc:+.1f})"
        return Relaxation(one, two, f, p, 1, _unknown(), verdict, "; ".join(filter(None, [said, reason])))
    near = [(seen.estimates["ln_k_fast"], seen.estimates["ln_k_slow"])]
    two = _sorted(_fit(time, y, ("ln_k_fast", "ln_k_slow"), near, (lowest, highest), drift))
    ratio = _ratio(two)
    verdict, reason = _judge(two, ratio, least_ratio)
    return Relaxation(one, two, f, p, 2, ratio, verdict, reason)


def _fit(time, y, rates, guesses, bounds, drift: bool, profile: bool = True) -> CurveFit:
    """Fit exponentials from the best of a grid of ln k; the linear parameters of a guess by least squares."""
    span = time[-1] - time[0]
    linear = ["end", *(["drift"] if drift else [])]
    lines = [np.ones_like(time), *([(time - time[0]) / span] if drift else [])]

    def amplitudes_of(guess):
        design = np.column_stack([*lines, *(np.exp(-np.exp(k) * time) for k in guess)])
        scale = np.linalg.norm(design, axis=0)
        found = np.linalg.lstsq(design / scale, y, rcond=1e-12)[0]
        return found / scale, float(np.linalg.norm(y - design / scale @ found))

    best = min(guesses, key=lambda guess: amplitudes_of(guess)[1])
    names = [*linear, *(f"amplitude{r.removeprefix('ln_k')}" for r in rates)]
    start = dict(zip(rates, best, strict=True)) | dict(zip(names, amplitudes_of(best)[0], strict=True))

    def curve(x, **p):
        found = p["end"] + (p["drift"] * (x - x[0]) / span if drift else 0.0)
        for rate in rates:
            found = found + p[f"amplitude{rate.removeprefix('ln_k')}"] * np.exp(-np.exp(p[rate]) * x)
        return found

    return fit_curve(
        curve, time, y, start, bounds=dict.fromkeys(rates, bounds), profile=rates if profile else (), starts=1
    )


def _sorted(two: CurveFit) -> CurveFit:
    """Return the fit with the faster rate as the fast one: the two exponentials are exchangeable."""
    p = two.parameters
    if p["ln_k_fast"].value >= p["ln_k_slow"].value:
        return two
    other = {"ln_k_fast": "ln_k_slow", "ln_k_slow": "ln_k_fast"}
    other |= {"amplitude_fast": "amplitude_slow", "amplitude_slow": "amplitude_fast"}
    order = [list(p).index(other.get(name, name)) for name in p]
    exchanged = {name: p[other.get(name, name)] for name in p}
    return replace(two, parameters=exchanged, covariance=two.covariance[np.ix_(order, order)])


def _f_test(one: CurveFit, two: CurveFit) -> tuple[float, float]:
    more = one.dof - two.dof
    if two.dof <= 0:
        return np.nan, np.nan
    f = max(one.rss - two.rss, 0.0) / more / max(two.rss / two.dof, 1e-300)
    return float(f), float(f_distribution.sf(f, more, two.dof))


def _ratio(two: CurveFit) -> Estimate:
    """Return k_fast / k_slow with its interval, from the covariance of the logarithms."""
    names = list(two.parameters)
    i, j = names.index("ln_k_fast"), names.index("ln_k_slow")
    c = two.covariance
    value = two.estimates["ln_k_fast"] - two.estimates["ln_k_slow"]
    se = float(np.sqrt(max(c[i, i] + c[j, j] - 2 * c[i, j], 0.0)))
    half = t_distribution.ppf(0.5 + LEVEL / 2, two.dof) * se
    return Estimate(value, se, value - half, value + half).exp()


def _judge(two: CurveFit, ratio: Estimate, least: float) -> tuple[str, str]:
    """Return the verdict on two rates, and what would help where they are not separable."""
    rates = [two.parameters[name] for name in ("ln_k_fast", "ln_k_slow")]
    if ratio.value < least:
        fast, slow = (np.exp(r.value) for r in rates)
        said = f"rates {fast:.3g} and {slow:.3g} per s: their ratio {ratio.value:.2g} is below {least:g}"
        return "not_identified", f"not separable: {said}; {WHAT_HELPS}"
    wrong = list(dict.fromkeys(r.reason for r in rates if r.verdict == "not_identified"))
    if wrong:
        return "not_identified", f"not separable: {'; '.join(wrong)}; {WHAT_HELPS}"
    if ratio.ci_low < least:
        return "weak", f"the interval of the ratio of rates begins at {ratio.ci_low:.2g}, below {least:g}; {WHAT_HELPS}"
    weak = "; ".join(dict.fromkeys(r.reason for r in rates if r.verdict == "weak"))
    return ("weak" if weak else "identified"), weak


def _unknown() -> Estimate:
    return Estimate(np.nan, np.nan, np.nan, np.nan, "not_identified", "")


def fit_transients(transients: pd.DataFrame, settings: Mapping) -> tuple[pd.DataFrame, dict[str, Relaxation]]:
    """Fit every transient in its window.

    Parameters
    ----------
    transients : DataFrame
        Table of `load_transients`.
    settings : mapping
        The experiment of config.yaml.

    Returns
    -------
    (rates, fits)
        RATE_COLUMNS, a row a transient, and the fits by transient_id. Rates of two exponentials are NaN where they are
        not separable; `k_single` is the rate of one exponential where that is taken.
    """
    asked = settings["relaxation"]
    least = asked.get("least_ratio", {"value": LEAST_RATIO})["value"]
    rows, fits = [], {}
    for name, samples in transients.groupby("transient_id", sort=False):
        seen = samples[in_window(samples["time_ms"], settings)]
        drift = asked.get("drift", "linear") == "linear"
        fits[name] = fit_transient(seen["time_ms"], seen["signal"], drift=drift, least_ratio=least)
        rows.append(_row(seen, fits[name], asked["dead_time_ms"]["value"]))
    return pd.DataFrame(rows, columns=list(RATE_COLUMNS)), fits


def _row(seen: pd.DataFrame, found: Relaxation, dead_ms: float) -> dict:
    fit, first = found.chosen, seen.iloc[0]
    shown = found.exponentials == 2 and found.verdict != "not_identified"
    noise = float(np.sqrt(fit.rss / fit.dof)) if fit.dof > 0 else np.nan
    correlation = _correlation(fit.residuals)
    reasons = [found.reason]
    if abs(correlation) > CORRELATED_SE / np.sqrt(len(seen)):
        reasons.append(f"residuals follow each other (r {correlation:.2f}): the intervals are too narrow")
    row = {c: first[c] for c in RATE_COLUMNS[:8]} | {
        "n_points": len(seen), "noise": noise, "unit": first["unit"], "exponentials": found.exponentials,
        "f": found.f, "p": found.p, "delta_aicc": found.two.aicc - found.one.aicc,
        "end": fit.estimates["end"], "residual_correlation": correlation, "verdict": found.verdict,
        "drift_per_s": 1000 * fit.estimates.get("drift", 0.0) / np.ptp(seen["time_ms"].to_numpy()),
    }  # fmt: skip
    if shown:
        for phase in ("fast", "slow"):
            row |= _estimate(f"k_{phase}", fit.parameters[f"ln_k_{phase}"].exp())
            amplitude = fit.parameters[f"amplitude_{phase}"]
            row |= {f"amplitude_{phase}": amplitude.value, f"amplitude_{phase}_se": amplitude.se}
        row |= _estimate("ratio", found.ratio)
        row["unseen_fast_percent"] = 100 * (1 - np.exp(-row["k_fast"] * dead_ms / 1000))
        if row["amplitude_fast"] * row["amplitude_slow"] < 0:
            reasons.append("the amplitudes have opposite signs")
    elif found.exponentials == 1 and found.verdict != "not_identified":
        row |= _estimate("k_single", found.one.parameters["ln_k"].exp())
    return row | {"reason": "; ".join(filter(None, reasons))}


def _estimate(name: str, e: Estimate) -> dict:
    return {name: e.value, f"{name}_se": e.se, f"{name}_ci_low": e.ci_low, f"{name}_ci_high": e.ci_high}


def _correlation(residuals: np.ndarray) -> float:
    """Return the correlation of residuals with the next."""
    total = float(residuals @ residuals)
    return float(residuals[1:] @ residuals[:-1]) / total if total > 0 else 0.0
