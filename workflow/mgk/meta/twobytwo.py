"""What a two by two table says, in every way that is commonly printed: estimates with their intervals, and p values.

What it is for: holding printed numbers against counts (`mgk.meta.claims`). Because a paper seldom says which interval
or test it used, each measure comes with all that are usual, by name. Functions take arrays, so that thousands of
candidate tables are held against a print at once.

Vocabulary: `a` of `n1` people have the event with treatment, `c` of `n2` with control. RR, OR as in `mgk.meta.effects`;
RD = a/n1 - c/n2; RRR = 100 (1 - RR), the relative risk reduction in percent; NNT = 1/|RD|.

Sources: RR interval, Katz 1978; OR, Woolf 1955; RD, Wald, and Newcombe 1998 (method 10, from Wilson's 1927 intervals);
NNT from the limits of RD (Altman 1998); single proportions, Wilson, Clopper and Pearson 1934, Wald; p values: Fisher
(both tails by probability), Pearson's chi square without and with Yates' correction, Wald tests of RR, OR and RD.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

Limits = tuple[np.ndarray, np.ndarray]


def wilson(events, n, level: float = 0.95) -> Limits:
    """Return Wilson's score interval of a proportion."""
    events, n = np.asarray(events, float), np.asarray(n, float)
    z = stats.norm.isf((1 - level) / 2)
    p = events / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def clopper_pearson(events, n, level: float = 0.95) -> Limits:
    """Return the exact interval of a proportion by Clopper and Pearson."""
    events, n = np.asarray(events, float), np.asarray(n, float)
    tail = (1 - level) / 2
    low = np.where(events == 0, 0.0, stats.beta.ppf(tail, np.maximum(events, 1), n - events + 1))
    high = np.where(events == n, 1.0, stats.beta.isf(tail, events + 1, np.maximum(n - events, 1)))
    return low, high


def proportion(events, n, level: float = 0.95) -> tuple[np.ndarray, dict[str, Limits]]:
    """Return a proportion in percent with its intervals by name."""
    p = np.asarray(events, float) / np.asarray(n, float)
    half = stats.norm.isf((1 - level) / 2) * np.sqrt(p * (1 - p) / n)
    found = {
        "Wilson": wilson(events, n, level),
        "Clopper-Pearson": clopper_pearson(events, n, level),
        "Wald": (p - half, p + half),
    }
    return 100 * p, {name: (100 * low, 100 * high) for name, (low, high) in found.items()}


def risk_ratio(a, n1, c, n2, level: float = 0.95):
    """Return RR with the interval of Katz (1/2 added to all four cells of a table with a zero)."""
    (a, b, c, d), name = _without_zeros(a, n1, c, n2)
    n1, n2 = a + b, c + d
    return _exponentiated(np.log(a / n1) - np.log(c / n2), 1 / a - 1 / n1 + 1 / c - 1 / n2, name, level)


def odds_ratio(a, n1, c, n2, level: float = 0.95):
    """Return OR with the interval of Woolf (1/2 added to all four cells of a table with a zero)."""
    (a, b, c, d), name = _without_zeros(a, n1, c, n2)
    return _exponentiated(np.log(a * d) - np.log(b * c), 1 / a + 1 / b + 1 / c + 1 / d, name, level)


def risk_difference(a, n1, c, n2, level: float = 0.95):
    """Return RD with the intervals of Wald and of Newcombe."""
    a, n1, c, n2 = _floats(a, n1, c, n2)
    p1, p2 = a / n1, c / n2
    difference = p1 - p2
    half = stats.norm.isf((1 - level) / 2) * np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    (low1, high1), (low2, high2) = wilson(a, n1, level), wilson(c, n2, level)
    below, above = np.hypot(p1 - low1, high2 - p2), np.hypot(high1 - p1, p2 - low2)
    intervals = {
        "Wald": (difference - half, difference + half),
        "Newcombe": (difference - below, difference + above),
    }
    return difference, intervals


def relative_risk_reduction(a, n1, c, n2, level: float = 0.95):
    """Return 100 (1 - RR), and for comparison 100 (1 - OR), in percent; both are printed as "relative reduction"."""
    ratio, intervals = risk_ratio(a, n1, c, n2, level)
    _, woolf = odds_ratio(a, n1, c, n2, level)
    (rr_low, rr_high), (or_low, or_high) = *intervals.values(), *woolf.values()
    turned = {
        "1 - RR, Wald (log)": (100 * (1 - rr_high), 100 * (1 - rr_low)),
        "1 - OR, Wald (log)": (100 * (1 - or_high), 100 * (1 - or_low)),
    }
    return 100 * (1 - ratio), turned


def number_needed(a, n1, c, n2, level: float = 0.95):
    """Return the number needed to treat, 1/|RD|, from the limits of RD; no limits where those of RD enclose 0."""
    difference, intervals = risk_difference(a, n1, c, n2, level)
    with np.errstate(divide="ignore"):
        needed = 1 / np.abs(difference)
        turned = {}
        for name, (low, high) in intervals.items():
            ends = np.sort(1 / np.abs(np.array([low, high])), axis=0)
            turned[name] = tuple(np.where(low * high > 0, ends, np.nan))
    return needed, turned


MEASURES: dict[str, Callable] = {
    "RR": risk_ratio,
    "OR": odds_ratio,
    "RD": risk_difference,
    "RRR": relative_risk_reduction,
    "NNT": number_needed,
}


def p_values(a, n1, c, n2) -> dict[str, np.ndarray]:
    """Return two-sided p values of the table by every usual test but Fisher's, which `fisher` gives."""
    a, n1, c, n2 = _floats(a, n1, c, n2)
    n, events = n1 + n2, a + c
    with np.errstate(divide="ignore", invalid="ignore"):
        expected_variance = n1 * n2 * events * (n - events)
        cross = np.abs(a * (n2 - c) - c * (n1 - a))
        pearson = n * cross**2 / expected_variance
        yates = n * np.maximum(cross - n / 2, 0) ** 2 / expected_variance
        found = {"chi square": stats.chi2.sf(pearson, 1), "chi square, Yates": stats.chi2.sf(yates, 1)}
        for name, measure in (("Wald, RR", risk_ratio), ("Wald, OR", odds_ratio), ("Wald, RD", risk_difference)):
            estimate, intervals = measure(a, n1, c, n2)
            low, high = next(iter(intervals.values()))
            if measure is not risk_difference:
                estimate, low, high = np.log(estimate), np.log(low), np.log(high)
            se = (high - low) / (2 * stats.norm.isf(0.025))
            found[name] = 2 * stats.norm.sf(np.abs(estimate) / se)
    return found


def fisher(a: int, n1: int, c: int, n2: int) -> float:
    """Return Fisher's exact two-sided p value: the tables that are no more probable than this one."""
    return float(stats.fisher_exact([[a, n1 - a], [c, n2 - c]])[1])


def _floats(*values) -> list[np.ndarray]:
    return [np.asarray(v, float) for v in values]


def _without_zeros(a, n1, c, n2):
    a, n1, c, n2 = _floats(a, n1, c, n2)
    cells = np.array([a, n1 - a, c, n2 - c])
    zero = (cells == 0).any(axis=0)
    return cells + 0.5 * zero, "Wald (log), 1/2 added" if zero.all() else "Wald (log)"


def _exponentiated(log, variance, name, level):
    half = stats.norm.isf((1 - level) / 2) * np.sqrt(variance)
    return np.exp(log), {name: (np.exp(log - half), np.exp(log + half))}
