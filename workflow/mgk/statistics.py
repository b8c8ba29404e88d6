"""Summaries over cells within animals, and multiplicity.

The experimental unit is the animal: cells of one animal are first summarised, then the animals. A cell is never
counted as if it were an animal. `group_rows` does this for a table of fits and carries the verdicts along.

Vocabulary: *cell*, what was recorded; *animal*, what was sampled independently. Limits: one grouping level above the
cell, animals of equal weight whatever their number of cells; mixed models and meta-analysis live elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from mgk.fitting import WEAK_FOLD, Estimate
from mgk.tables.problems import InputError

FIT_COLUMNS = (
    "experiment", "group", "unit_id", "model", "parameter", "unit", "estimate", "se", "ci_low", "ci_high",
    "n_cells", "n_animals", "verdict", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class GroupSummary:
    """A mean over animals: `se` and interval are NaN, and `reason` says why, where fewer than two animals remain."""

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    n_cells: int
    n_animals: int
    method: str
    reason: str = ""


def summarise_cells(values, animal_ids, *, log: bool = False, level: float = 0.95) -> GroupSummary:
    """Average cells within each animal, then the animals, with a t interval over animals.

    Parameters
    ----------
    values : array_like of shape (n_cells,)
        One value a cell; NaN (nothing measured, not identified) is left out and not counted.
    animal_ids : array_like of shape (n_cells,)
        The animal of each cell.
    log : bool
        Geometric means, for constants and concentrations that vary by factors. The interval is that of the mean
        logarithm, transformed; `se` is by the delta method, estimate times the standard error of the logarithm.
    level : float
        Confidence level.

    Raises
    ------
    InputError
        When the lengths differ, a value is infinite, an animal is not named, or a logarithm is asked of a value <= 0.
    """
    values = np.asarray(values, float)
    animals = np.asarray(animal_ids, object)
    if values.shape != animals.shape or values.ndim != 1:
        raise InputError(f"{values.size} values of cells for {animals.size} animal ids")
    if np.isinf(values).any():
        raise InputError("a value of a cell is infinite; what is not identified is left out as NaN")
    given = ~np.isnan(values)
    values, animals = values[given], animals[given].astype(str)
    if (np.char.strip(animals) == "").any() or (animals == "nan").any():
        raise InputError("a cell has no animal_id, so the experimental unit is not known")
    if log and (values <= 0).any():
        raise InputError(f"geometric mean of {values.min():g}: values above 0 are needed")
    method = f"{'geometric' if log else 'arithmetic'} mean of animals, t interval"
    if not values.size:
        return GroupSummary(*[np.nan] * 4, 0, 0, method, "no cell")
    scale = np.log(values) if log else values
    means = np.array([scale[animals == animal].mean() for animal in np.unique(animals)])
    n = means.size
    se = means.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    centre = means.mean()
    half = t.ppf(0.5 + level / 2, n - 1) * se if n > 1 else np.nan
    low, high = centre - half, centre + half
    if log:
        centre, low, high = np.exp([centre, low, high])
        se *= centre
    reason = "" if n > 1 else "one animal: no interval"
    return GroupSummary(float(centre), float(se), float(low), float(high), values.size, n, method, reason)


def holm(p_values) -> np.ndarray:
    """Return p values adjusted by Holm's step-down method (Holm 1979), in the order given.

    NaN is no test: it stays NaN and is not counted among the comparisons.

    Raises
    ------
    InputError
        When a p value is outside 0..1.
    """
    p = np.asarray(p_values, float)
    tested = np.flatnonzero(~np.isnan(p))
    if ((p[tested] < 0) | (p[tested] > 1)).any():
        raise InputError("a p value is outside 0..1")
    order = tested[np.argsort(p[tested], kind="stable")]
    adjusted = np.full_like(p, np.nan)
    remaining = np.arange(tested.size, 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(remaining * p[order]))
    return adjusted


def fit_row(
    experiment: str, group: str, unit_id: str, model: str, parameter: str, unit: str, estimate: Estimate
) -> dict:
    """Return the row of fits.csv of one parameter of one cell (preparation, animal)."""
    numbers = (estimate.value, estimate.se, estimate.ci_low, estimate.ci_high)
    row = (experiment, group, unit_id, model, parameter, unit, *numbers, 1, 1, estimate.verdict, estimate.reason)
    return dict(zip(FIT_COLUMNS, row, strict=True))


def group_rows(fits: pd.DataFrame, animals: Mapping[str, str], geometric=(), level: float = 0.95) -> pd.DataFrame:
    """Summarise the rows of cells of a table of fits over cells in animals: a row per group, model and parameter.

    Parameters
    ----------
    fits : DataFrame
        Rows of `fit_row`.
    animals : mapping
        The animal of each `unit_id`.
    geometric : collection of str
        Parameters whose means are geometric.

    Returns
    -------
    DataFrame
        Columns of fits.csv, `unit_id` empty. Cells that are not identified have no part in the mean and are counted
        in the reason. The verdict is not_identified without any cell; weak with one animal, when most cells are weak
        or left out, or when a limit of a geometric mean is more than `WEAK_FOLD`-fold away; else identified.
    """
    keys = ["experiment", "group", "model", "parameter", "unit"]
    rows = []
    for key, cells in fits.groupby(keys, sort=False):
        use = cells["verdict"] != "not_identified"
        owner = cells["unit_id"].map(animals)
        log = key[3] in geometric
        mean = summarise_cells(cells["estimate"].where(use), owner, log=log, level=level)
        fold = max(mean.ci_high / mean.estimate, mean.estimate / mean.ci_low) if log and mean.n_animals > 1 else 1.0
        weak_cells = int((cells["verdict"] == "weak").sum())
        reasons = [mean.reason] if mean.reason else []
        if weak_cells:
            reasons.append(f"{weak_cells} of {len(cells)} cells weak")
        if not use.all():
            reasons.append(f"{int((~use).sum())} of {len(cells)} cells not identified and left out")
        if fold > WEAK_FOLD:
            reasons.append(f"a confidence limit is {fold:.3g}-fold away")
        weak = mean.n_animals == 1 or fold > WEAK_FOLD or weak_cells + (~use).sum() > len(cells) / 2
        verdict = "not_identified" if not mean.n_cells else "weak" if weak else "identified"
        numbers = (mean.estimate, mean.se, mean.ci_low, mean.ci_high, mean.n_cells, mean.n_animals)
        row = (*key[:2], "", *key[2:], *numbers, verdict, "; ".join(reasons))
        rows.append(dict(zip(FIT_COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))
