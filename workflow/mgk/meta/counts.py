"""Counts of people, study by study: exact and score intervals, Fisher's test, and the number needed to treat.

What it is for: `counts_table`, the intervals that do not lean on large samples, beside the Wald intervals of
`mgk.meta.effects`. Nothing is added to a zero cell here. The intervals themselves are in `mgk.meta.twobytwo`.

Vocabulary: `risk` is events / n of an arm (Wilson and Clopper-Pearson intervals); `difference` is that with treatment
minus that with control (Newcombe); `conditional_or` is the odds ratio that makes the events most probable when both
margins are given (noncentral hypergeometric), with its exact interval (Fisher; each tail (1 - level) / 2); `nnt` is
1 / |difference|, and `nnt_words` says to whose benefit, or that the interval goes through infinity (Altman 1998).

Limits: two parallel arms, or one group (`events`, `n`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special

from mgk.meta.columns import COUNTS, PROPORTION
from mgk.meta.twobytwo import clopper_pearson, fisher, risk_difference, wilson
from mgk.tables.problems import InputError

WIDEST = 700.0
"""Log odds ratio that stands for infinity while a limit is searched."""

MOST_TABLES = 200_000
FURTHEST_SD = 12
"""Tables of given margins that are all summed; of more, those within this many standard deviations of the one seen."""

SAME_PROBABILITY = 1 + 1e-7
"""Factor within which two tables count as equally probable, as in R's `fisher.test`."""


@dataclass(frozen=True)
class ConditionalOddsRatio:
    """Conditional maximum-likelihood odds ratio with its exact interval; `p` is Fisher's, two-sided by probability."""

    estimate: float
    ci_low: float
    ci_high: float
    p: float


def conditional_odds_ratio(a: int, n1: int, c: int, n2: int, level: float = 0.95) -> ConditionalOddsRatio:
    """Estimate the odds ratio given both margins.

    `a` of `n1` people have the event with treatment, `c` of `n2` with control. The estimate is 0 or infinite when `a`
    is as small or as large as the margins allow, and nan when they leave no choice. Of more than `MOST_TABLES` tables
    with these margins the far ones, which weigh nothing wherever a limit can lie, are left out of the sums.
    """
    events = a + c
    first, last = max(0, events - n2), min(n1, events)
    smallest, largest, wide = a == first, a == last, last - first >= MOST_TABLES
    if wide:
        reach = _reach(a, n1, c, n2)
        first, last = max(first, a - reach), min(last, a + reach)
    support = np.arange(first, last + 1)
    weights = _log_choose(n1, support) + _log_choose(n2, events - support)
    if len(support) == 1:
        return ConditionalOddsRatio(np.nan, 0.0, np.inf, 1.0)

    def probabilities(log_odds):
        terms = weights + support * log_odds
        terms = np.exp(terms - terms.max())
        return terms / terms.sum()

    def mean(log_odds):
        return probabilities(log_odds) @ support - a

    def upper_tail(log_odds):
        return probabilities(log_odds)[support >= a].sum() - tail

    def lower_tail(log_odds):
        return probabilities(log_odds)[support <= a].sum() - tail

    tail = (1 - level) / 2
    return ConditionalOddsRatio(
        estimate=0.0 if smallest else np.inf if largest else _exp_root(mean),
        ci_low=0.0 if smallest else _exp_root(upper_tail),
        ci_high=np.inf if largest else _exp_root(lower_tail),
        p=fisher(a, n1, c, n2) if wide else _no_more_probable(probabilities(0.0), a - first),
    )


def _reach(a: int, n1: int, c: int, n2: int) -> int:
    """Return how far from `a` tables with these margins are summed, from the error of the log odds ratio."""
    sd = 1 / np.sqrt(sum(1 / (cell + 0.5) for cell in (a, n1 - a, c, n2 - c)))
    return 100 + int(FURTHEST_SD * sd)


def _no_more_probable(probabilities: np.ndarray, at: int) -> float:
    """Return Fisher's p: the sum of all probabilities that are not above that of the table seen."""
    return float(min(1.0, probabilities[probabilities <= probabilities[at] * SAME_PROBABILITY].sum()))


def counts_table(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Compute exact and score intervals of every study.

    Parameters
    ----------
    table : DataFrame
        `study_id, study` and `COUNTS`, or else `PROPORTION`; effects of such a measure will do.

    Returns
    -------
    DataFrame
        `study_id, study`, then for two arms `risk_treatment, risk_treatment_{wilson,exact}_{low,high}`, the same for
        control, `difference, difference_low, difference_high` (Newcombe), `conditional_or, conditional_or_low,
        conditional_or_high, fisher_p, nnt, nnt_low, nnt_high` (from Newcombe's limits), `nnt_wald_low, nnt_wald_high,
        nnt_words`; for one group `risk` with its intervals.

    Raises
    ------
    InputError
        When the table has no counts.
    """
    frame = table[["study_id", "study"]].reset_index(drop=True)
    if set(COUNTS) <= set(table):
        a, n1, c, n2 = (table[name].to_numpy(int) for name in COUNTS)
        frame = frame.assign(**_risk("risk_treatment", a, n1, level), **_risk("risk_control", c, n2, level))
        difference, intervals = risk_difference(a, n1, c, n2, level)
        low, high = intervals["Newcombe"]
        frame = frame.assign(difference=difference, difference_low=low, difference_high=high)
        ratios = [conditional_odds_ratio(*map(int, row), level) for row in zip(a, n1, c, n2, strict=True)]
        frame = frame.assign(
            conditional_or=[r.estimate for r in ratios],
            conditional_or_low=[r.ci_low for r in ratios],
            conditional_or_high=[r.ci_high for r in ratios],
            fisher_p=[r.p for r in ratios],
        )
        return frame.assign(**_numbers_needed(difference, intervals))
    if set(PROPORTION) <= set(table):
        events, n = (table[name].to_numpy(int) for name in PROPORTION)
        return frame.assign(**_risk("risk", events, n, level))
    raise InputError(f"exact intervals need the columns {', '.join(COUNTS)}, or {', '.join(PROPORTION)}")


def _risk(name, events, n, level) -> dict[str, np.ndarray]:
    score, exact = wilson(events, n, level), clopper_pearson(events, n, level)
    limits = {f"{name}_wilson_low": score[0], f"{name}_wilson_high": score[1]}
    return {name: events / n} | limits | {f"{name}_exact_low": exact[0], f"{name}_exact_high": exact[1]}


def _numbers_needed(difference, intervals) -> dict[str, np.ndarray]:
    """Return 1 / |difference| with the limits of both intervals; these are empty where the difference may be 0."""
    with np.errstate(divide="ignore"):
        columns = {"nnt": 1 / np.abs(difference)}
        for name, prefix in (("Newcombe", "nnt"), ("Wald", "nnt_wald")):
            low, high = intervals[name]
            ends = np.where(low * high > 0, np.sort(1 / np.abs([low, high]), axis=0), np.nan)
            columns |= {f"{prefix}_low": ends[0], f"{prefix}_high": ends[1]}
    words = [_in_words(*limits) for limits in zip(*intervals["Newcombe"], strict=True)]
    return columns | {"nnt_words": np.array(words, dtype=object)}


def _in_words(low: float, high: float) -> str:
    if low * high > 0:
        return f"for one person {'fewer' if low < 0 else 'more'} with the event"
    return f"{_to(low)} through infinity to {_to(high)}"


def _to(limit: float) -> str:
    if limit == 0:
        return "infinity"
    return f"{1 / abs(limit):.4g} for one person {'fewer' if limit < 0 else 'more'} with the event"


def _log_choose(n, k):
    return -special.betaln(n - k + 1, k + 1) - np.log1p(n)


def _exp_root(function) -> float:
    high = 1.0
    while function(-high) * function(high) > 0 and high < WIDEST:
        high *= 2
    return float(np.exp(optimize.brentq(function, -high, high, xtol=1e-14, rtol=1e-14)))
