"""Designs of studies: cluster trials, cross-over and paired rows, control groups that several rows share.

What it is for: `design_of_rows` says for each row what its design does to its sampling variance, and by which rule;
`sampling_covariance` is the covariance of rows whose comparisons use the same control group.

Rules, each named in the column `design_rule` of effects.csv:
- *cluster* trials: the variance times the design effect 1 + (cluster_size - 1) icc (Donner and Klar 2000; Cochrane
  handbook 23.1.4). Counts are divided by it wherever they are pooled as counts (the effective sample size);
- *crossover* and *paired* rows of MD and ROM, the same people in both arms: the variance less twice the covariance of
  the two means, by `correlation` (Elbourne 2002). MC, SMCC, SMCR and ROMC hold the correlation already;
- GEN: a given standard error is taken to hold the design.

Shared control (Gleser and Olkin 2009): rows of one `shared_control` have as covariance the part of the variance that
comes from the control group; for SMD with g_i g_j / (2 N) added, N being all people of these rows.

Limits: one mean cluster size a row, the same design effect in both arms; no covariance for PETO and GEN, nor between
timepoints or outcomes of the same people (for these the cluster-robust variance of `mgk.meta.dependence`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.meta.columns import COUNTS, filled, numbers

SAME_PEOPLE = ("crossover", "paired")
BY_CORRELATION = ("MD", "ROM")
HOLDS_DESIGN = ("GEN", "MC", "SMCC", "SMCR", "ROMC")
"""Measures whose variance has the design in it already."""

SHARED = "shared_control"
TAKEN_AS_PARALLEL = "taken as parallel"


@dataclass(frozen=True)
class RowDesigns:
    """For each row: the design effect (1 unless a cluster trial), what is taken off the variance, and the rule."""

    effect: np.ndarray
    less: np.ndarray
    rule: np.ndarray


def design_of_rows(table: pd.DataFrame, measure: str) -> RowDesigns:
    """Return what the design of each row does to its variance: (vi - less) times the design effect."""
    k = len(table)
    effect, less, rule = np.ones(k), np.zeros(k), np.full(k, "", dtype=object)
    if measure in HOLDS_DESIGN or "design" not in table:
        return RowDesigns(effect, less, rule)
    design = table["design"].fillna("").astype(str).to_numpy()
    icc, size, correlation = (numbers(table, name) for name in ("icc", "cluster_size", "correlation"))
    covariance = _covariance_of_means(table, measure) * correlation
    for i in range(k):
        if design[i] == "cluster" and np.isfinite(icc[i]) and np.isfinite(size[i]):
            effect[i] = 1 + (size[i] - 1) * icc[i]
            rule[i] = f"cluster: variance times {effect[i]:.4g} = 1 + ({size[i]:g} - 1) x {icc[i]:g}"
        elif design[i] == "cluster":
            rule[i] = f"cluster, {TAKEN_AS_PARALLEL}: icc or cluster_size is not given"
        elif design[i] in SAME_PEOPLE and measure not in BY_CORRELATION:
            rule[i] = f"{design[i]}, {TAKEN_AS_PARALLEL}: {measure} uses no correlation"
        elif design[i] in SAME_PEOPLE and np.isnan(correlation[i]):
            rule[i] = f"{design[i]}, {TAKEN_AS_PARALLEL}: no correlation is given"
        elif design[i] in SAME_PEOPLE:
            less[i] = 2 * covariance[i]
            rule[i] = f"{design[i]}: the same people, correlation {correlation[i]:g}"
    return RowDesigns(effect, less, rule)


def _covariance_of_means(table, measure) -> np.ndarray:
    """Return the covariance of the two means of each row (of their logarithms for ROM) at a correlation of 1."""
    if measure not in BY_CORRELATION:
        return np.full(len(table), np.nan)
    s1, s2, n, m1, m2 = (
        numbers(table, name) for name in ("sd_treatment", "sd_control", "n_control", "mean_treatment", "mean_control")
    )
    return s1 * s2 / n / (m1 * m2 if measure == "ROM" else 1.0)


def from_control(effects: pd.DataFrame, corrected: np.ndarray | None) -> np.ndarray:
    """Return the part of each row's variance that comes from its control group; nan where the measure has none.

    `effects` has the columns of the measure and `design_effect`; `corrected` are the four cells (4, k) after the rule
    for zeros, for measures of counts.
    """
    measure = effects["measure"].iloc[0]
    if measure not in _FROM_CONTROL:
        return np.full(len(effects), np.nan)
    return _FROM_CONTROL[measure](effects, corrected) * effects["design_effect"].to_numpy(float)


_FROM_CONTROL: dict[str, Callable] = {
    "OR": lambda rows, cells: 1 / cells[2] + 1 / cells[3],
    "RR": lambda rows, cells: 1 / cells[2] - 1 / (cells[2] + cells[3]),
    "RD": lambda rows, cells: cells[2] * cells[3] / (cells[2] + cells[3]) ** 3,
    "AS": lambda rows, cells: 1 / (4 * numbers(rows, "n_control")),
    "MD": lambda rows, cells: numbers(rows, "sd_control") ** 2 / numbers(rows, "n_control"),
    "ROM": lambda rows, cells: (
        (numbers(rows, "sd_control") / numbers(rows, "mean_control")) ** 2 / numbers(rows, "n_control")
    ),
    "SMD": lambda rows, cells: 1 / numbers(rows, "n_control"),
}
SHARES_CONTROL = tuple(_FROM_CONTROL)
"""Measures for which the covariance of rows with a shared control group is known."""


def unused_columns(measure: str) -> list[str]:
    """Return the columns about design and dependence that no part of an analysis of this measure uses."""
    used = {"correlation"} if measure in (*BY_CORRELATION, *HOLDS_DESIGN) else set()
    used |= set() if measure in HOLDS_DESIGN else {"icc", "cluster_size"}
    used |= {SHARED} if measure in SHARES_CONTROL else set()
    return [name for name in (SHARED, "icc", "cluster_size", "correlation", "trial_id") if name not in used]


def sampling_covariance(effects: pd.DataFrame) -> np.ndarray:
    """Return the sampling covariance (k, k) of effects: diagonal, but for rows of one shared control group.

    Two rows whose control parts differ (1/2 was added to one alone) share the root of their product.
    """
    covariance = np.diag(effects["vi"].to_numpy(float))
    if SHARED not in effects or "control_variance" not in effects:
        return covariance
    names = effects[SHARED].astype(object).where(filled(effects, SHARED), None).to_numpy()
    part = effects["control_variance"].to_numpy(float)
    for name in dict.fromkeys(n for n in names if n is not None):
        rows = np.flatnonzero(names == name)
        block = np.sqrt(np.outer(part[rows], part[rows]))
        if effects["measure"].iloc[0] == "SMD":
            g, n = effects["yi"].to_numpy(float)[rows], numbers(effects, "n_treatment")[rows]
            block = block + np.outer(g, g) / (2 * (n.sum() + numbers(effects, "n_control")[rows[0]]))
        off = ~np.eye(len(rows), dtype=bool)
        covariance[np.ix_(rows, rows)] += np.where(off & np.isfinite(block), block, 0.0)
    return covariance


def check_designs(table: pd.DataFrame, measure: str) -> list[tuple[int, str, str, str]]:
    """Return what contradicts itself in the design of rows, as (row, column, value, what is allowed).

    Rows of one shared control group must give the same numbers of it; the same people make equal arms; a design effect
    needs a cluster trial.
    """
    found = []
    design = table["design"].fillna("").astype(str) if "design" in table else pd.Series("", index=table.index)
    for name in ("icc", "cluster_size"):
        for i in np.flatnonzero(filled(table, name) & (design != "cluster").to_numpy()):
            found.append((int(i), name, str(table[name][i]), "is of a cluster trial: needs design cluster"))
    found += _check_cluster_size(table, (design == "cluster").to_numpy())
    if measure in BY_CORRELATION:
        r, n1, n2 = (numbers(table, name) for name in ("correlation", "n_treatment", "n_control"))
        people = design.isin(SAME_PEOPLE).to_numpy() & np.isfinite(r)
        for i in np.flatnonzero(people & (n1 != n2) & np.isfinite(n1) & np.isfinite(n2)):
            allowed = f"must be n_treatment, {n1[i]:g}: in a {design[i]} row the same people are in both arms"
            found.append((int(i), "n_control", str(table["n_control"][i]), allowed))
        for i in np.flatnonzero(people & (r >= 1)):
            found.append((int(i), "correlation", str(table["correlation"][i]), "must be below 1: it leaves no error"))
    return found + _check_shared(table, measure)


def _check_cluster_size(table, clusters) -> list[tuple[int, str, str, str]]:
    """Return the clusters that are larger than there are people for one in each arm."""
    n, n1, n2 = (numbers(table, name) for name in ("n", "n_treatment", "n_control"))
    most = np.where(np.isnan(n), (n1 + n2) / 2, n)
    allowed = "must be at most {:g}: the mean of clusters of which each arm has one or more"
    return [
        (int(i), "cluster_size", str(table["cluster_size"][i]), allowed.format(most[i]))
        for i in np.flatnonzero(clusters & (numbers(table, "cluster_size") > most))
    ]


def _check_shared(table, measure) -> list[tuple[int, str, str, str]]:
    if measure not in SHARES_CONTROL:
        return []
    columns = [name for name in (*COUNTS[2:], "mean_control", "sd_control") if filled(table, name).any()]
    first: dict[str, int] = {}
    found = []
    for i in np.flatnonzero(filled(table, SHARED)):
        name = str(table[SHARED][i]).strip()
        start = first.setdefault(name, int(i))
        for column in columns:
            if str(table[column][i]) != str(table[column][start]):
                allowed = (
                    f"rows that share the control group {name} give the same numbers of it: {table[column][start]}"
                )
                found.append((int(i), column, str(table[column][i]), f"{allowed} (row {start + 2})"))
    return found
