"""Effect sizes: from a row of a clinical table to an estimate `yi` and its sampling variance `vi`.

What it is for: one function, `effect_sizes`, and a registry of measures, `MEASURES`. A new measure is one function
and one entry. Pooling lives in `mgk.meta.pooling`, exact intervals of counts in `mgk.meta.counts` and
`mgk.meta.twobytwo`, checks of published claims in `mgk.meta.claims`.

Vocabulary: `yi` and `vi` are on the *analysis scale* (log for ratios), where pooling is done; `back_transformed_*` is
on the scale that a reader knows. Treatment is the first group and control the second, so that a ratio below 1 or a
difference below 0 means fewer events, or a lower mean, with treatment.

- people with an event in two arms: `OR` odds ratio, `RR` risk ratio, `RD` risk difference, `PETO` Peto's odds ratio,
  `AS` difference of the arcsines of the square roots of the risks;
- means in two arms: `MD` difference, `SMD` standardised difference (Hedges' g), `ROM` log ratio of means;
- means of the same people under both conditions (cross-over, paired), with their `correlation`: `MC` difference, `SMCC`
  standardised by the SD of the differences, `SMCR` by the SD under control, `ROMC` log ratio;
- people with an event in one group: `PR` proportion, `PLO` its logit, `PFT` double arcsine (Freeman and Tukey), `PAS`
  arcsine;
- `GEN` an estimate published with a standard error or a confidence interval.

What the design of a study (cluster, cross-over, paired) does to `vi` is in `mgk.meta.designs`.

Limits: every row is taken as an independent comparison (for rows that are not, `mgk.meta.dependence`); intervals of
single studies are Wald intervals (normal).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from mgk.meta.columns import COUNTS, ESTIMATES, MEANS, PAIRED, PROPORTION, PUBLISHED_SCALES, filled, numbers
from mgk.meta.designs import SHARED, check_designs, design_of_rows, from_control
from mgk.meta.row_checks import (
    RowProblem,
    check_counts,
    check_estimates,
    check_ids,
    check_means,
    check_paired,
    check_positive_means,
    check_positive_paired,
    check_proportions,
)
from mgk.meta.tails import two_sided
from mgk.tables.problems import InputError, Problem

NO_ZERO = "none"
HALF_ADDED = "1/2 added to all four cells (a zero cell)"
HALF_ADDED_DOUBLE_ZERO = "1/2 added to all four cells (no events, or only events, in both arms)"
HALF_ADDED_PROPORTION = "1/2 added to events and to non-events (one of them is zero)"
CORRECTED = (HALF_ADDED, HALF_ADDED_DOUBLE_ZERO, HALF_ADDED_PROPORTION)


def from_arcsine(value):
    """Return the proportion whose arcsine of the square root is `value`; beyond the range of the arcsine, 0 or 1."""
    return np.sin(np.clip(value, 0, np.pi / 2)) ** 2


def from_double_arcsine(value, n=np.inf):
    """Return the proportion whose Freeman-Tukey double arcsine is `value` in a sample of `n` (Miller 1978).

    Beyond what 0 and n events of n give, 0 or 1. A pooled value has no n of its own: Miller takes the harmonic mean.
    With n infinite it is the inverse of the arcsine.
    """
    value, n = np.asarray(value, float), np.asarray(n, float)
    if np.all(np.isinf(n)):
        return from_arcsine(value)
    lowest = 0.5 * np.arcsin(np.sqrt(1 / (n + 1)))
    highest = 0.5 * (np.arcsin(np.sqrt(n / (n + 1))) + np.pi / 2)
    inside = (value >= lowest) & (value <= highest)
    sine = np.sin(2 * np.where(inside, value, np.pi / 4))
    root = np.sqrt(np.maximum(0.0, 1 - (sine + (sine - 1 / sine) / n) ** 2))
    proportion = 0.5 * (1 - np.sign(np.cos(2 * value)) * root)
    return np.where(np.isnan(value), np.nan, np.where(inside, proportion, np.where(value < lowest, 0.0, 1.0)))


# From the analysis scale to the reader's.
SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": np.exp,
    "linear": np.asarray,
    "logit": special.expit,
    "arcsine": from_arcsine,
    "double arcsine": from_double_arcsine,
}


@dataclass(frozen=True)
class Measure:
    """One effect measure: the columns it needs, how it is checked, computed and how it is shown.

    `scale` is "" where the table itself names it (GEN). `decimals` is for showing. `null` is the value of no effect on
    the analysis scale, nan for a proportion, which is no comparison; `below` and `above` say in neutral words what an
    estimate on either side of it means.
    """

    name: str
    label: str
    scale: str
    needed: tuple[str, ...]
    check: Callable[[pd.DataFrame], list[RowProblem]]
    compute: Callable[[pd.DataFrame], tuple[np.ndarray, np.ndarray, np.ndarray]]
    decimals: int = 2
    null: float = 0.0
    below: str = "fewer events with treatment"
    above: str = "more events with treatment"


def effect_sizes(
    table: pd.DataFrame,
    measure: str,
    *,
    keep: Sequence[str] = (),
    level: float = 0.95,
    file: str = "clinical table",
) -> pd.DataFrame:
    """Compute the effect size of every row of a clinical table.

    A study with a zero cell gets 1/2 added to all four of its cells and no other study does (the default of
    metafor's `escalc`, `to="only0"`). So do studies without events, or with nothing but events, in both arms: they
    stay in the inverse-variance models, as in `escalc` with `drop00=FALSE`, and add nothing to the Mantel-Haenszel
    OR and RR. The rule is named for each study in `zero_rule` ("" for measures that are not made from counts). The
    arcsine measures AS, PAS and PFT need no such rule; PR and PLO add 1/2 to both cells where one is zero.

    Parameters
    ----------
    table : DataFrame
        One row a study: `study_id`, `study`, optionally `year`, and the columns of the measure: `COUNTS`, `MEANS`,
        `PAIRED` (n people, each under both conditions) or `PROPORTION`, or else `estimate`, `scale` and either `se` or
        `ci_low, ci_high, ci_level`.
        With `scale` "ratio" the estimate and its limits are ratios and need the interval, for the error of a ratio is
        not the error of its logarithm; "log" and "linear" are taken as they are. Where both are there, `se` is used.
    measure : str
        A name in `MEASURES`.
    keep : sequence of str
        Further columns to carry along: moderators, the subgroup, the cluster, the order.
    level : float
        Level of the intervals of the single studies.
    file : str
        How the table is called in problems; row numbers count from the header of the table as given.

    Returns
    -------
    DataFrame
        `study_id, study, year`, those of `keep`, `measure, scale`, the columns of the measure (not those of GEN), `yi,
        vi, se, ci_low, ci_high` on the analysis scale, `zero_rule`, `design_effect`, `design_rule`, where control
        groups are shared `shared_control` and `control_variance` (the part of `vi` that comes from the control group),
        and `back_transformed_estimate`, `back_transformed_ci_low`, `back_transformed_ci_high`.

    Raises
    ------
    InputError
        With all problems of the table at once.
    """
    chosen = find_measure(measure)
    table = table.reset_index(drop=True)
    problems = check_rows(table, measure)
    if problems:
        raise InputError([Problem(file, row + 2, *rest) for row, *rest in problems])

    yi, vi, zero_rule = chosen.compute(table)
    designs = design_of_rows(table, measure)
    vi = (vi - designs.less) * designs.effect
    half_width = two_sided(level) * np.sqrt(vi)
    data = [] if measure == "GEN" else list(chosen.needed)
    shared = (SHARED,) if filled(table, SHARED).any() else ()
    carried = [name for name in ("study_id", "study", "year", *keep, *shared) if name in table and name not in data]
    who = table[list(dict.fromkeys(carried))].convert_dtypes()
    read = pd.DataFrame({name: numbers(table, name) for name in data}, index=table.index)
    read = read.astype({name: int for name in data if name.startswith(("events", "n"))})
    frame = pd.concat(
        [who.assign(measure=chosen.name, scale=chosen.scale or PUBLISHED_SCALES[table["scale"].iloc[0]]), read],
        axis=1,
    ).assign(yi=yi, vi=vi, se=np.sqrt(vi), ci_low=yi - half_width, ci_high=yi + half_width, zero_rule=zero_rule)
    frame = frame.assign(design_effect=designs.effect, design_rule=designs.rule)
    if shared:
        corrected = _corrected_cells(frame)[0] if set(COUNTS) <= set(frame) else None
        frame = frame.assign(control_variance=from_control(frame, corrected))
    shown = {"estimate": "yi", "ci_low": "ci_low", "ci_high": "ci_high"}
    return back_transform(frame, shown, n=frame["n"] if chosen.name == "PFT" else np.inf)


def find_measure(name: str) -> Measure:
    """Return the measure called `name`.

    Raises
    ------
    InputError
        When there is none, with those that there are.
    """
    if name not in MEASURES:
        raise InputError(f"measure {name!r}: allowed are {', '.join(MEASURES)}")
    return MEASURES[name]


def check_rows(table: pd.DataFrame, measure: str) -> list[RowProblem]:
    """Return all that keeps a table from giving effect sizes, as (row, column, value, what is allowed).

    Rows count from 0; -1 is the header. An unknown measure has no checks here: the config's schema names it.
    """
    table = table.reset_index(drop=True)
    if table.empty:
        return [(-1, "", "", "no rows: an analysis needs at least one study")]
    if measure not in MEASURES:
        return []
    needed = ("study_id", "study", *MEASURES[measure].needed)
    missing = [(-1, name, "", f"this column is needed for {measure}") for name in needed if name not in table]
    if missing:
        return missing
    found = check_ids(table) + MEASURES[measure].check(table) + check_designs(table, measure)
    return sorted(found, key=lambda p: p[:2])


def part(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return columns of a table for the eye: rounded, and back-transformed values under their short names."""
    return frame[list(names)].rename(columns=lambda name: name.removeprefix("back_transformed_")).round(4)


def back_transform(
    frame: pd.DataFrame, columns: dict[str, str], scale: str | None = None, n: np.ndarray | float = np.inf
) -> pd.DataFrame:
    """Return `frame` with `back_transformed_<name>` appended for each `name: column` of `columns`.

    `scale` is that of the whole frame; by default the one in its column `scale`. `n` is used by the double arcsine.
    """
    scale = scale or frame["scale"].iloc[0]
    transform = (lambda x: from_double_arcsine(x, n)) if scale == "double arcsine" else SCALES[scale]
    with np.errstate(over="ignore"):  # a limit of a ratio beyond what doubles hold is infinite
        found = {
            f"back_transformed_{name}": np.asarray(transform(frame[column].to_numpy(float)))
            for name, column in columns.items()
        }
    return frame.assign(**found)


def summary_n(effects: pd.DataFrame) -> float:
    """Return the sample size at which summaries of `effects` are transformed back: for PFT the harmonic mean n."""
    return float(stats.hmean(effects["n"])) if effects["measure"].iloc[0] == "PFT" else np.inf


# --- two by two tables -----------------------------------------------------------------------------------------


def cells(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the four cells of each study: events and non-events with treatment, then with control.

    As counted, without anything added; those of a cluster trial divided by its `design_effect`, where there is one.
    """
    a, n1, c, n2 = effective(table, COUNTS)
    return a, n1 - a, c, n2 - c


def effective(table: pd.DataFrame, names: Sequence[str]) -> list[np.ndarray]:
    """Return columns of counts, those of a cluster trial divided by its `design_effect` (effective sample size)."""
    by = table["design_effect"].to_numpy(float) if "design_effect" in table else 1.0
    return [table[name].to_numpy(float) / by for name in names]


def double_zero(table: pd.DataFrame) -> np.ndarray:
    """Return which studies have no events, or nothing but events, in both arms."""
    a, b, c, d = cells(table)
    return ((a == 0) & (c == 0)) | ((b == 0) & (d == 0))


def _corrected_cells(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells (4, k) after the zero-cell rule, and the name of the rule for each study."""
    counted = np.array(cells(table.drop(columns="design_effect", errors="ignore")))
    has_zero = (counted == 0).any(axis=0)
    rule = np.where(double_zero(table), HALF_ADDED_DOUBLE_ZERO, np.where(has_zero, HALF_ADDED, NO_ZERO))
    return counted + 0.5 * has_zero, rule


def _log_odds_ratio(table):
    (a, b, c, d), rule = _corrected_cells(table)
    return np.log(a / b) - np.log(c / d), 1 / a + 1 / b + 1 / c + 1 / d, rule


def _log_risk_ratio(table):
    (a, b, c, d), rule = _corrected_cells(table)
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d), rule


def _risk_difference(table):
    (a, b, c, d), rule = _corrected_cells(table)
    n1, n2 = a + b, c + d
    return a / n1 - c / n2, a * b / n1**3 + c * d / n2**3, rule


def _peto(table):
    """Peto's one-step estimate (Yusuf 1985): (O - E) / V with variance 1 / V."""
    cell, rule = _corrected_cells(table)
    excess, variance = peto_terms(*cell)
    return excess / variance, 1 / variance, rule


def peto_terms(a, b, c, d) -> tuple[np.ndarray, np.ndarray]:
    """Return observed minus expected events with treatment, and the hypergeometric variance, of each table."""
    n1, n2 = a + b, c + d
    n = n1 + n2
    return a - (a + c) * n1 / n, (a + c) * (b + d) * (n1 / n) * (n2 / n) / (n - 1)


def _arcsine_difference(table):
    a, b, c, d = cells(table)
    n1, n2 = a + b, c + d
    rule = np.full(len(table), NO_ZERO, dtype=object)
    return np.arcsin(np.sqrt(a / n1)) - np.arcsin(np.sqrt(c / n2)), 1 / (4 * n1) + 1 / (4 * n2), rule


# --- one group -------------------------------------------------------------------------------------------------


def _corrected_proportion(table):
    events, n = (numbers(table, name) for name in PROPORTION)
    has_zero = (events == 0) | (events == n)
    return events + 0.5 * has_zero, n + has_zero, np.where(has_zero, HALF_ADDED_PROPORTION, NO_ZERO)


def _raw_proportion(table):
    events, n, rule = _corrected_proportion(table)
    p = events / n
    return p, p * (1 - p) / n, rule


def _logit(table):
    events, n, rule = _corrected_proportion(table)
    return np.log(events / (n - events)), 1 / events + 1 / (n - events), rule


def _arcsine(table):
    events, n = (numbers(table, name) for name in PROPORTION)
    return np.arcsin(np.sqrt(events / n)), 1 / (4 * n), np.full(len(table), NO_ZERO, dtype=object)


def _double_arcsine(table):
    events, n = (numbers(table, name) for name in PROPORTION)
    value = 0.5 * (np.arcsin(np.sqrt(events / (n + 1))) + np.arcsin(np.sqrt((events + 1) / (n + 1))))
    return value, 1 / (4 * n + 2), np.full(len(table), NO_ZERO, dtype=object)


# --- means -----------------------------------------------------------------------------------------------------


def small_sample_factor(df: np.ndarray) -> np.ndarray:
    """Return Hedges' exact factor J, which makes a standardised difference unbiased (Hedges 1981)."""
    return np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2) - 0.5 * np.log(df / 2))


def _no_rule(table, yi, vi):
    return yi, vi, np.full(len(table), "", dtype=object)


def _mean_difference(table):
    m1, s1, n1, m2, s2, n2 = (numbers(table, name) for name in MEANS)
    return _no_rule(table, m1 - m2, s1**2 / n1 + s2**2 / n2)


def _hedges_g(table):
    m1, s1, n1, m2, s2, n2 = (numbers(table, name) for name in MEANS)
    df = n1 + n2 - 2
    pooled_sd = np.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / df)
    g = small_sample_factor(df) * (m1 - m2) / pooled_sd
    return _no_rule(table, g, 1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2)))


def _ratio_of_means(table):
    m1, s1, n1, m2, s2, n2 = (numbers(table, name) for name in MEANS)
    return _no_rule(table, np.log(m1 / m2), s1**2 / (n1 * m1**2) + s2**2 / (n2 * m2**2))


def _variance_of_difference(s1, s2, r):
    return s1**2 + s2**2 - 2 * r * s1 * s2


def _mean_change(table):
    m1, s1, m2, s2, n, r = (numbers(table, name) for name in PAIRED)
    return _no_rule(table, m1 - m2, _variance_of_difference(s1, s2, r) / n)


def _change_by_sd_of_change(table):
    m1, s1, m2, s2, n, r = (numbers(table, name) for name in PAIRED)
    g = small_sample_factor(n - 1) * (m1 - m2) / np.sqrt(_variance_of_difference(s1, s2, r))
    return _no_rule(table, g, 1 / n + g**2 / (2 * n))


def _change_by_sd_of_control(table):
    m1, _, m2, s2, n, r = (numbers(table, name) for name in PAIRED)
    g = small_sample_factor(n - 1) * (m1 - m2) / s2
    return _no_rule(table, g, 2 * (1 - r) / n + g**2 / (2 * n))


def _ratio_of_paired_means(table):
    m1, s1, m2, s2, n, r = (numbers(table, name) for name in PAIRED)
    return _no_rule(table, np.log(m1 / m2), _variance_of_difference(s1 / m1, s2 / m2, r) / n)


# --- published estimates ---------------------------------------------------------------------------------------


def _generic(table):
    estimate, se, low, high, level = (numbers(table, name) for name in ESTIMATES[:-1])
    ratio = (table["scale"] == "ratio").to_numpy()
    for values in (estimate, low, high):
        np.log(values, out=values, where=ratio)
    from_interval = (high - low) / (2 * two_sided(level))
    return _no_rule(table, estimate, np.where(np.isnan(se), from_interval, se) ** 2)


HIGHER_LOWER = {"below": "lower with treatment", "above": "higher with treatment"}
NO_COMPARISON = {"null": np.nan, "below": "", "above": ""}

MEASURES = {
    m.name: m
    for m in (
        Measure("OR", "odds ratio", "log", COUNTS, check_counts, _log_odds_ratio),
        Measure("RR", "risk ratio", "log", COUNTS, check_counts, _log_risk_ratio),
        Measure("RD", "risk difference", "linear", COUNTS, check_counts, _risk_difference, decimals=3),
        Measure("PETO", "Peto odds ratio", "log", COUNTS, check_counts, _peto),
        Measure("AS", "arcsine difference", "linear", COUNTS, check_counts, _arcsine_difference, decimals=3),
        Measure("MD", "mean difference", "linear", MEANS, check_means, _mean_difference, **HIGHER_LOWER),
        Measure("SMD", "standardised mean difference", "linear", MEANS, check_means, _hedges_g, **HIGHER_LOWER),
        Measure("ROM", "ratio of means", "log", MEANS, check_positive_means, _ratio_of_means, **HIGHER_LOWER),
        Measure("MC", "mean change", "linear", PAIRED, check_paired, _mean_change, **HIGHER_LOWER),
        Measure(
            name="SMCC",
            label="standardised mean change (SD of change)",
            scale="linear",
            needed=PAIRED,
            check=check_paired,
            compute=_change_by_sd_of_change,
            **HIGHER_LOWER,
        ),
        Measure(
            name="SMCR",
            label="standardised mean change (SD of control)",
            scale="linear",
            needed=PAIRED,
            check=check_paired,
            compute=_change_by_sd_of_control,
            **HIGHER_LOWER,
        ),
        Measure(
            name="ROMC",
            label="ratio of paired means",
            scale="log",
            needed=PAIRED,
            check=check_positive_paired,
            compute=_ratio_of_paired_means,
            **HIGHER_LOWER,
        ),
        Measure("PR", "proportion", "linear", PROPORTION, check_proportions, _raw_proportion, 3, **NO_COMPARISON),
        Measure("PLO", "proportion", "logit", PROPORTION, check_proportions, _logit, 3, **NO_COMPARISON),
        Measure(
            "PFT",
            "proportion",
            "double arcsine",
            PROPORTION,
            check_proportions,
            _double_arcsine,
            3,
            **NO_COMPARISON,
        ),
        Measure("PAS", "proportion", "arcsine", PROPORTION, check_proportions, _arcsine, 3, **NO_COMPARISON),
        Measure("GEN", "effect", "", ("estimate", "scale"), check_estimates, _generic, **HIGHER_LOWER),
    )
}
