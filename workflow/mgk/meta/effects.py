"""Effect sizes: from a row of a clinical table to an estimate `yi` and its sampling variance `vi`.

What it is for: one function, `effect_sizes`, and a registry of measures, `MEASURES`. A new measure is one function
and one entry. Pooling lives in `mgk.meta.pooling`, checks of published claims elsewhere.

Vocabulary: `yi` and `vi` are on the *analysis scale* (log for ratios), where pooling is done; `back_transformed_*` is
on the scale that a reader knows. `OR` odds ratio, `RR` risk ratio, `RD` risk difference, `GEN` an estimate published
with a standard error or a confidence interval. Treatment is the first group and control the second, so that a ratio
below 1 or a difference below 0 means fewer events with treatment.

Limits: every row is taken as an independent comparison of two parallel arms; intervals of single studies are Wald
intervals (normal).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mgk.tables.problems import InputError, Problem

COUNTS = ("events_treatment", "n_treatment", "events_control", "n_control")
ESTIMATES = ("estimate", "se", "ci_low", "ci_high", "ci_level", "scale")

RowProblem = tuple[int, str, str, str]

NO_ZERO = "none"
HALF_ADDED = "1/2 added to all four cells (a zero cell)"
HALF_ADDED_DOUBLE_ZERO = "1/2 added to all four cells (no events, or only events, in both arms)"
CORRECTED = (HALF_ADDED, HALF_ADDED_DOUBLE_ZERO)

# From the analysis scale to the reader's.
SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"log": np.exp, "linear": np.asarray}

# What a published estimate may be written in, and the analysis scale that it gets.
PUBLISHED_SCALES = {"ratio": "log", "log": "log", "linear": "linear"}


@dataclass(frozen=True)
class Measure:
    """One effect measure: the columns it needs, how it is checked, computed and how it is shown.

    `scale` is "" where the table itself names it (GEN). `decimals` is for showing. `null` is the value of no effect on
    the analysis scale; `below` and `above` say in neutral words what an estimate on either side of it means.
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
    table: pd.DataFrame, measure: str, *, level: float = 0.95, file: str = "clinical table"
) -> pd.DataFrame:
    """Compute the effect size of every row of a clinical table.

    A study with a zero cell gets 1/2 added to all four of its cells and no other study does (the default of
    metafor's `escalc`, `to="only0"`). So do studies without events, or with nothing but events, in both arms: they
    stay in the inverse-variance models, as in `escalc` with `drop00=FALSE`, and add nothing to the Mantel-Haenszel
    OR and RR. The rule is named for each study in `zero_rule` ("" for measures that are not made from counts).

    Parameters
    ----------
    table : DataFrame
        One row a study: `study_id`, `study`, optionally `year`, and the columns of the measure: `events_treatment,
        n_treatment, events_control, n_control`, or `estimate`, `scale` and either `se` or `ci_low, ci_high, ci_level`.
        With `scale` "ratio" the estimate and its limits are ratios and need the interval, for the error of a ratio is
        not the error of its logarithm; "log" and "linear" are taken as they are. Where both are there, `se` is used.
    measure : str
        A name in `MEASURES`.
    level : float
        Level of the intervals of the single studies.
    file : str
        How the table is called in problems; row numbers count from the header of the table as given.

    Returns
    -------
    DataFrame
        `study_id, study, year, measure, scale`, the counts where there are any, `yi, vi, se, ci_low, ci_high` on the
        analysis scale, `zero_rule`, and `back_transformed_estimate, back_transformed_ci_low, back_transformed_ci_high`.

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
    half_width = stats.norm.isf((1 - level) / 2) * np.sqrt(vi)
    who = table[[name for name in ("study_id", "study", "year") if name in table]].convert_dtypes()
    counts = table[[name for name in COUNTS if name in chosen.needed]].apply(pd.to_numeric).astype(int)
    frame = pd.concat(
        [who.assign(measure=chosen.name, scale=chosen.scale or PUBLISHED_SCALES[table["scale"].iloc[0]]), counts],
        axis=1,
    ).assign(yi=yi, vi=vi, se=np.sqrt(vi), ci_low=yi - half_width, ci_high=yi + half_width, zero_rule=zero_rule)
    return back_transform(frame, {"estimate": "yi", "ci_low": "ci_low", "ci_high": "ci_high"})


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


def back_transform(frame: pd.DataFrame, columns: dict[str, str], scale: str | None = None) -> pd.DataFrame:
    """Return `frame` with `back_transformed_<name>` appended for each `name: column` of `columns`.

    `scale` is that of the whole frame; by default the one in its column `scale`.
    """
    transform = SCALES[scale or frame["scale"].iloc[0]]
    return frame.assign(**{f"back_transformed_{name}": transform(frame[col]) for name, col in columns.items()})


# --- two by two tables -----------------------------------------------------------------------------------------


def cells(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the four cells of each study as counted: events and non-events with treatment, then with control."""
    a, n1, c, n2 = (table[name].to_numpy(float) for name in COUNTS)
    return a, n1 - a, c, n2 - c


def double_zero(table: pd.DataFrame) -> np.ndarray:
    """Return which studies have no events, or nothing but events, in both arms."""
    a, b, c, d = cells(table)
    return ((a == 0) & (c == 0)) | ((b == 0) & (d == 0))


def _corrected_cells(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells (4, k) after the zero-cell rule, and the name of the rule for each study."""
    counted = np.array(cells(table))
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


# --- published estimates ---------------------------------------------------------------------------------------


def _generic(table):
    estimate, se, low, high, level = (_numbers(table, name) for name in ESTIMATES[:-1])
    ratio = (table["scale"] == "ratio").to_numpy()
    for values in (estimate, low, high):
        np.log(values, out=values, where=ratio)
    from_interval = (high - low) / (2 * stats.norm.isf((1 - level) / 2))
    return estimate, np.where(np.isnan(se), from_interval, se) ** 2, np.full(len(table), "")


# --- checks ----------------------------------------------------------------------------------------------------


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
    return missing or sorted(_check_ids(table) + MEASURES[measure].check(table), key=lambda p: p[:2])


def _check_ids(table):
    ids = table["study_id"].fillna("").astype(str)
    return _each(table, ids.duplicated(keep=False) | (ids == ""), "study_id", "needs an id of its own in every row")


def _check_counts(table):
    """Return every count that is missing, negative or not whole, and every arm with more events than people."""
    problems = []
    for arm in ("treatment", "control"):
        events, total = f"events_{arm}", f"n_{arm}"
        for name, least in ((events, 0), (total, 1)):
            values = _numbers(table, name)
            right = (values >= least) & (values == np.floor(values)) & np.isfinite(values)
            problems += _each(table, ~right, name, f"must be a whole number, {least} or more")
        too_many = _numbers(table, events) > _numbers(table, total)
        problems += _each(table, too_many, events, f"must not be above {total}")
    return problems


def _check_estimates(table):
    """Return every published estimate from which no estimate with a standard error can be made."""
    kind = table["scale"].map(PUBLISHED_SCALES)
    estimate, se, low, high, level = (_numbers(table, name) for name in ESTIMATES[:-1])
    ratio = (table["scale"] == "ratio").to_numpy()
    no_se, has_limit = np.isnan(se), ~np.isnan(low) | ~np.isnan(high)
    from_limits = no_se & has_limit
    inside = (low <= estimate) & (estimate <= high) & (low < high)
    checks = (
        ("scale", kind.isna(), f"must be one of {', '.join(PUBLISHED_SCALES)}"),
        ("scale", kind.notna() & (kind != kind.iloc[0]), "ratios and other estimates cannot be pooled together"),
        ("estimate", ~np.isfinite(estimate), "must be a number"),
        ("estimate", ratio & (estimate <= 0), "a ratio must be above 0"),
        ("se", ~no_se & ~((se > 0) & np.isfinite(se)), "must be above 0"),
        ("se", ~no_se & ratio, "the error of a ratio is not that of its logarithm: give the interval, or scale log"),
        ("se", no_se & ~has_limit, "needed, or else ci_low, ci_high and ci_level"),
        ("ci_low", ratio & (low <= 0), "a limit of a ratio must be above 0"),
        ("ci_low", from_limits & ~inside, "the estimate must lie between two different limits"),
        ("ci_level", from_limits & ~((level > 0) & (level < 1)), "must be given, as 0.95 for 95 %"),
    )
    return [problem for name, wrong, allowed in checks for problem in _each(table, wrong, name, allowed)]


def _each(table: pd.DataFrame, wrong, name: str, allowed: str) -> list[RowProblem]:
    """Return one problem for each row where `wrong` holds, with the study's id in what is allowed."""
    values = table[name] if name in table else pd.Series(np.nan, index=table.index)
    return [
        (int(i), name, "" if pd.isna(values[i]) else str(values[i]), f"{allowed} (study {table['study_id'][i]})")
        for i in np.flatnonzero(wrong)
    ]


def _numbers(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as numbers; what is absent, empty or not a number is NaN."""
    if name not in table:
        return np.full(len(table), np.nan)
    return pd.to_numeric(table[name], errors="coerce").to_numpy(float, na_value=np.nan).copy()


MEASURES = {
    m.name: m
    for m in (
        Measure("OR", "odds ratio", "log", COUNTS, _check_counts, _log_odds_ratio),
        Measure("RR", "risk ratio", "log", COUNTS, _check_counts, _log_risk_ratio),
        Measure("RD", "risk difference", "linear", COUNTS, _check_counts, _risk_difference, decimals=3),
        Measure(
            name="GEN",
            label="effect",
            scale="",
            needed=("estimate", "scale"),
            check=_check_estimates,
            compute=_generic,
            below="lower with treatment",
            above="higher with treatment",
        ),
    )
}
