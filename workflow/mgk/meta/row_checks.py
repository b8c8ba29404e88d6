"""What keeps rows of a clinical table from giving effect sizes: one function for each kind of columns.

What it is for: `mgk.meta.effects.check_rows` runs those of its measure, so that all problems of a table come at once.
Each problem is (row, column, value, what is allowed); rows count from 0.
"""

import numpy as np
import pandas as pd

from mgk.meta.columns import ESTIMATES, PUBLISHED_SCALES, numbers

RowProblem = tuple[int, str, str, str]


def check_ids(table: pd.DataFrame) -> list[RowProblem]:
    """Return every row without an id of its own."""
    ids = table["study_id"].fillna("").astype(str)
    return _each(table, ids.duplicated(keep=False) | (ids == ""), "study_id", "needs an id of its own in every row")


def check_counts(table: pd.DataFrame) -> list[RowProblem]:
    """Return every count that is missing, negative or not whole, and every arm with more events than people."""
    pairs = (("events_treatment", "n_treatment"), ("events_control", "n_control"))
    return [problem for events, total in pairs for problem in _check_events(table, events, total)]


def check_proportions(table: pd.DataFrame) -> list[RowProblem]:
    """Return what is wrong with the counts of one group."""
    return _check_events(table, "events", "n")


def _check_events(table, events, total):
    problems = _check_whole(table, events, 0) + _check_whole(table, total, 1)
    too_many = numbers(table, events) > numbers(table, total)
    return problems + _each(table, too_many, events, f"must not be above {total}")


def _check_whole(table, name, least):
    values = numbers(table, name)
    right = (values >= least) & (values == np.floor(values)) & np.isfinite(values)
    return _each(table, ~right, name, f"must be a whole number, {least} or more")


def check_means(table: pd.DataFrame) -> list[RowProblem]:
    """Return every mean that is missing, every SD that is not above 0, and every arm of fewer than two people."""
    problems = _check_whole(table, "n_treatment", 2) + _check_whole(table, "n_control", 2)
    return problems + _check_means_and_sds(table)


def check_positive_means(table: pd.DataFrame) -> list[RowProblem]:
    """Return what is wrong with means whose ratio is taken."""
    return check_means(table) + _check_above_zero(table)


def check_paired(table: pd.DataFrame) -> list[RowProblem]:
    """Return what is wrong with means of the same people; a correlation of 1 leaves no error."""
    r = numbers(table, "correlation")
    wrong = ~((r >= -1) & (r < 1))
    problems = _check_whole(table, "n", 3) + _each(table, wrong, "correlation", "must be -1 or more and below 1")
    return problems + _check_means_and_sds(table)


def check_positive_paired(table: pd.DataFrame) -> list[RowProblem]:
    """Return what is wrong with means of the same people whose ratio is taken."""
    return check_paired(table) + _check_above_zero(table)


def _check_means_and_sds(table):
    problems = []
    for arm in ("treatment", "control"):
        mean, sd = numbers(table, f"mean_{arm}"), numbers(table, f"sd_{arm}")
        problems += _each(table, ~np.isfinite(mean), f"mean_{arm}", "must be a number")
        problems += _each(table, ~((sd > 0) & np.isfinite(sd)), f"sd_{arm}", "must be above 0")
    return problems


def _check_above_zero(table):
    names = ("mean_treatment", "mean_control")
    return [problem for name in names for problem in _each(table, numbers(table, name) <= 0, name, "must be above 0")]


def check_estimates(table: pd.DataFrame) -> list[RowProblem]:
    """Return every published estimate from which no estimate with a standard error can be made."""
    kind = table["scale"].map(PUBLISHED_SCALES)
    estimate, se, low, high, level = (numbers(table, name) for name in ESTIMATES[:-1])
    ratio = (table["scale"] == "ratio").to_numpy()
    no_se, has_limit = np.isnan(se), ~np.isnan(low) | ~np.isnan(high)
    from_limits = no_se & has_limit
    inside = (low <= estimate) & (estimate <= high) & (low < high)
    both_limits = ~np.isnan(low) & ~np.isnan(high)  # held against the estimate even beside an se
    checks = (
        ("scale", kind.isna(), f"must be one of {', '.join(PUBLISHED_SCALES)}"),
        ("scale", kind.notna() & (kind != kind.iloc[0]), "ratios and other estimates cannot be pooled together"),
        ("estimate", ~np.isfinite(estimate), "must be a number"),
        ("estimate", ratio & (estimate <= 0), "a ratio must be above 0"),
        ("se", ~no_se & ~((se > 0) & np.isfinite(se)), "must be above 0"),
        ("se", ~no_se & ratio, "the error of a ratio is not that of its logarithm: give the interval, or scale log"),
        ("se", no_se & ~has_limit, "needed, or else ci_low, ci_high and ci_level"),
        ("ci_low", ratio & (low <= 0), "a limit of a ratio must be above 0"),
        (
            "ci_low",
            (from_limits | both_limits) & ~np.isnan(estimate) & ~inside,
            "the estimate must lie between two different limits",
        ),
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
