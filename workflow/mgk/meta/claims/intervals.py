"""Printed numbers against each other: the estimate, its interval and the p value."""

import numpy as np
import pandas as pd
from scipy import stats

from mgk.meta.claims import read
from mgk.meta.claims.limits import RATIOS
from mgk.meta.claims.printed import Printed, PrintedP, read_number, read_p
from mgk.meta.claims.read import GROUPS
from mgk.meta.claims.verdicts import CONSISTENT, INCONSISTENT, ROUNDING, UNVERIFIABLE, WORST_FIRST, Finding

ON_A_LINE = ("MD", "SMD")


def check_interval(row: pd.Series) -> list[Finding]:
    """The estimate against the middle of its interval, and the p value against both.

    On the log scale for ratios and relative reductions, on a line for differences of means. A risk difference has no
    middle: Newcombe's interval is not symmetric, so it is only held against counts.
    """
    measure, shown = read.text(row, "measure"), read.numbers(row, "estimate", "ci_low", "ci_high")
    if len(shown) < 3 or measure not in (*RATIOS, "RRR", *ON_A_LINE):
        return []
    spans = [_on_scale(shown[name], measure) for name in ("estimate", "ci_low", "ci_high")]
    if measure == "RRR":  # the limits change places
        spans = [spans[0], spans[2], spans[1]]
    found = [_middle(row, spans, measure)]
    p = read_p(read.text(row, "p_value"))
    return [*found, _p_against_interval(row, p, spans, measure)] if p else found


def _p_against_interval(row, p, spans, measure) -> Finding:
    """Compare by the normal distribution, and for means of known n by t as well; the better of the two counts."""
    n = [read.count(row, f"n_{group}") for group in GROUPS]
    df = [np.inf, *([float(n[0] + n[1] - 2)] if measure in ON_A_LINE and None not in n and n[0] + n[1] > 2 else [])]
    found = [_p_from_interval(p, spans, read.level(row), measure, d) for d in df]
    return max(found, key=lambda f: WORST_FIRST.index(f.verdict))


def _middle(row, spans, measure) -> Finding:
    (_, low_estimate, high_estimate), low, high = spans
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    shown = _back(middle[0], measure)
    scale = "line" if measure in ON_A_LINE else "log scale"
    arithmetic = (
        f"the middle of {read.text(row, 'ci_low')} to {read.text(row, 'ci_high')} on the {scale} is {shown:.4g}"
    )
    if not np.isfinite(middle[0]):
        return Finding("interval", UNVERIFIABLE, "a limit of 0 has no logarithm, so the interval has no middle")
    printed = read_number(read.text(row, "estimate"))
    if printed.prints(shown):
        return Finding("interval", CONSISTENT, f"{arithmetic}, which prints as {printed.text}")
    if middle[1] <= high_estimate and middle[2] >= low_estimate:
        return Finding(
            "interval", ROUNDING, f"{arithmetic}; within the rounding of the limits it can be {printed.text}"
        )
    note = "; an exact or a profile interval need not be symmetric"
    return Finding("interval", INCONSISTENT, f"{arithmetic}, not {printed.text}{note}", f"estimate {shown:.4g}")


def _p_from_interval(p: PrintedP, spans, level: float, measure: str, df: float) -> Finding:
    (estimate, *estimates), (low, *lows), (high, *highs) = spans
    quantile = 2 * stats.t.isf((1 - level) / 2, df)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = abs(estimate) / ((high - low) / quantile)
        widest, narrowest = (highs[1] - lows[0]) / quantile, (highs[0] - lows[1]) / quantile
        nearest = 0.0 if estimates[0] <= 0 <= estimates[1] else min(map(abs, estimates))
        largest = 2 * stats.t.sf(nearest / widest, df)
        smallest = 2 * stats.t.sf(max(map(abs, estimates)) / narrowest, df) if narrowest > 0 else 0.0
    if not np.isfinite(z):
        return Finding("p from interval", UNVERIFIABLE, "a limit of 0 has no logarithm, so no standard error follows")
    exact = 2 * stats.t.sf(z, df)
    what = "ln estimate" if measure not in ON_A_LINE else "estimate"
    name = "z" if np.isinf(df) else f"t({df:g})"
    arithmetic = (
        f"{name} = {what} / SE = {abs(estimate):.4g} / {(high - low) / quantile:.4g} = {z:.3f}, p = {show_p(exact)}"
    )
    if p.allows(exact):
        return Finding("p from interval", CONSISTENT, f"{arithmetic}; printed {p.text}")
    lowest, highest = p.bounds
    if largest >= lowest and smallest <= highest and (largest > lowest or smallest < highest):
        reason = f"{arithmetic} ({show_p(smallest)} to {show_p(largest)} within the rounding); printed {p.text}"
        return Finding("p from interval", ROUNDING, reason)
    reason = f"{arithmetic} ({show_p(smallest)} to {show_p(largest)} within the rounding), but printed is {p.text}"
    return Finding("p from interval", INCONSISTENT, reason, f"p = {show_p(exact)}")


def _on_scale(printed: Printed, measure: str) -> tuple[float, float, float]:
    """Return a printed number with its rounding limits on the scale where its interval is symmetric."""
    values = np.array([printed.value, printed.low, printed.high])
    if measure in ON_A_LINE:
        return tuple(values)
    if measure == "RRR":
        values = 1 - values[[0, 2, 1]] / 100
    with np.errstate(divide="ignore"):
        return tuple(np.log(np.maximum(values, 0)))


def _back(value: float, measure: str) -> float:
    if measure in ON_A_LINE:
        return value
    return 100 * (1 - np.exp(value)) if measure == "RRR" else float(np.exp(value))


def show_p(value: float) -> str:
    """Return a p value as text of two digits."""
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"
