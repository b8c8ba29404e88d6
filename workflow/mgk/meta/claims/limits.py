"""What no data can give: limits that an estimate cannot have, more events than people."""

import numpy as np
import pandas as pd

from mgk.meta import twobytwo
from mgk.meta.claims import read
from mgk.meta.claims.printed import read_number
from mgk.meta.claims.read import GROUPS
from mgk.meta.claims.verdicts import CONSISTENT, IMPOSSIBLE, Finding

RATIOS = ("OR", "RR", "HR")
# What an estimate and its limits can be: (lowest, highest), a ratio above 0.
POSSIBLE = {
    "RRR": (-np.inf, 100.0),
    "proportion": (0.0, 100.0),
    "NNT": (1.0, np.inf),
}


def check_limits(row: pd.Series) -> list[Finding]:
    """Estimates and limits outside of what the measure can be, and limits in the wrong order or beside the estimate."""
    measure, shown = read.text(row, "measure"), read.numbers(row, "estimate", "ci_low", "ci_high")
    found = []
    for name, number in shown.items():
        what = {"estimate": "estimate", "ci_low": "lower limit", "ci_high": "upper limit"}[name]
        if measure in RATIOS and number.high <= 0:
            found.append(f"the {what} of the {measure}, {number.text}, is not above 0, as every ratio is")
        low, high = _possible(measure, read.text(row, "unit"))
        if measure not in RATIOS and (number.high < low or number.low > high):
            found.append(f"the {what} of the {measure}, {number.text}, is outside {low:g} to {high:g}")
    if {"ci_low", "ci_high"} <= set(shown) and shown["ci_low"].low > shown["ci_high"].high:
        found.append(f"the lower limit {shown['ci_low'].text} is above the upper limit {shown['ci_high'].text}")
    if len(shown) == 3 and not found:
        estimate, low, high = shown["estimate"], shown["ci_low"], shown["ci_high"]
        if estimate.high < low.low or estimate.low > high.high:
            found.append(f"the estimate {estimate.text} lies outside its interval {low.text} to {high.text}")
    return [Finding("limits", IMPOSSIBLE, reason) for reason in found]


def check_counts(row: pd.Series) -> list[Finding]:
    """More events than people, and percentages above 100."""
    found = []
    for group, word in GROUPS.items():
        events, n = read.count(row, f"events_{group}"), read.count(row, f"n_{group}")
        if events is not None and n is not None:
            if events > n:
                found.append(Finding("counts", IMPOSSIBLE, f"{events} events among {n} people ({word})"))
            else:
                found.append(Finding("counts", CONSISTENT, _proportion_in_words(events, n, word, read.level(row))))
        percent = read_number(read.text(row, f"percent_{group}"))
        people = read.text(row, "is_proportion_of_people") == "yes"
        if percent and people and not (percent.high >= 0 and percent.low <= 100):
            found.append(Finding("counts", IMPOSSIBLE, f"{percent.text} % of people ({word}) is outside 0 to 100"))
    return found


def _possible(measure: str, unit: str) -> tuple[float, float]:
    if measure == "RD":
        return (-100.0, 100.0) if unit == "%" else (-1.0, 1.0)
    return POSSIBLE.get(measure, (-np.inf, np.inf))


def _proportion_in_words(events: int, n: int, word: str, level: float) -> str:
    percent, intervals = twobytwo.proportion(events, n, level)
    low, high = intervals["Wilson"]
    return f"{word} {events}/{n} = {percent:.1f} % ({low:.1f} to {high:.1f}, Wilson)"
