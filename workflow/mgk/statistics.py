"""Summaries over cells within animals, comparisons of groups, and multiplicity.

The experimental unit is the animal: cells of one animal are first summarised, then the animals. A cell is never
counted as if it were an animal. `group_rows` does this for a table of fits and carries the verdicts along;
`compare_groups` compares two groups, `compare_fits` the groups of a table of fits.

Vocabulary: *cell*, what was recorded; *animal*, what was sampled independently; *pair*, cells of two groups that belong
together, and the animals that they come from. Limits: one grouping level above the cell; animals of equal weight
whatever their number of cells, except in the mixed model; meta-analysis lives elsewhere.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t

from mgk.fitting import WEAK_FOLD, Estimate
from mgk.tables.problems import InputError

# Below this, a t has no mean, and its quantiles are noise.
FEWEST_DF = 1.0
# Sizes of what may not be there at all, so that an interval with zero in it leaves open whether there is any. Not among
# them: potentials, levels and slopes of which zero is a value like any other; differences, which have a test.
ABSENT_AT_ZERO = frozenset({
    "slope_conductance_ns", "chord_conductance_ns", "vmax", "ouabain_sensitive", "k_max", "k_saturating",
    "free_magnesium_mm",
})  # fmt: skip
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


@dataclass(frozen=True)
class Comparison:
    """The second group minus the first (with `log` their ratio); NaN, and why, where there is nothing to test."""

    difference: float
    se: float
    ci_low: float
    ci_high: float
    df: float
    p: float
    n_cells: int
    n_animals: int
    method: str
    reason: str = ""


def compare_groups(
    values, groups, animal_ids, names, *, cell_ids=None, pair_ids=None, log=False, mixed=False, level: float = 0.95
) -> Comparison:
    """Compare two groups of cells with the animal as the experimental unit.

    Cells are averaged within their animal. When animals, or pairs, are in both groups, the differences within them are
    tested (paired t test; who is in one group only is left out, and counted in the reason), else the means of animals
    (Welch's t test, which does not suppose equal variances).

    Parameters
    ----------
    values, groups, animal_ids : array_like of shape (n_cells,)
        One value, one group and one animal a cell; NaN is left out.
    names : (str, str)
        The two groups; the difference is the second minus the first.
    cell_ids : array_like of shape (n_cells,), optional
        Names of the cells, where one may be in both groups: it is counted once.
    pair_ids : array_like of shape (n_cells,), optional
        What joins cells of both groups; '' or nothing where there is no pair. The differences of pairs are averaged
        within the animal of the first group.
    log : bool
        Compare logarithms: the difference is a ratio, with `se` by the delta method.
    mixed : bool
        Fit value ~ group with a random intercept of the animal (REML) instead; t with as many degrees of freedom as
        the test on animals would have. Where the model does not converge, or finds no variance between animals, the
        test on the means of animals is given, and the reason says so.

    Raises
    ------
    InputError
        When a logarithm is asked of a value <= 0.
    """
    table = pd.DataFrame({"value": np.asarray(values, float), "group": groups, "animal": animal_ids})
    table["cell"] = np.arange(len(table)) if cell_ids is None else np.asarray(cell_ids, object)
    table["pair"] = "" if pair_ids is None else pd.Series(pair_ids, dtype=object).fillna("").to_numpy()
    table = table[table["value"].notna() & table["group"].isin(names)].reset_index(drop=True)
    if log:
        if (table["value"] <= 0).any():
            raise InputError(f"ratio of groups with a value of {table['value'].min():g}: values above 0 are needed")
        table["value"] = np.log(table["value"])
    found = _test_of_animals(table, names, level)
    if mixed and np.isfinite(found.df):
        found = _mixed_model(table, names, found, level)
    if not log:
        return found
    ratio, low, high = np.exp([found.difference, found.ci_low, found.ci_high])
    return replace(found, difference=ratio, se=ratio * found.se, ci_low=low, ci_high=high)


def _test_of_animals(table: pd.DataFrame, names, level: float) -> Comparison:
    counts = table["cell"].nunique(), table["animal"].nunique()
    differences, used, kind = _pairs(table, names)
    if differences.size > 1:
        n, left_out = differences.size, len(table) - int(used.sum())
        reason = (
            f"{left_out} cell{'s' * (left_out > 1)} without a partner in the other group left out" if left_out else ""
        )
        se, counts = differences.std(ddof=1) / np.sqrt(n), (table.loc[used, "cell"].nunique(), n)
        return _t_test(differences.mean(), se, n - 1, counts, f"paired t test, {kind}", reason, level)
    means = [table[table["group"] == name].groupby("animal")["value"].mean() for name in names]
    method = "Welch t test, means of animals"
    if min(m.size for m in means) < 2:
        alone = " and ".join(f"{m.size} in {name}" for m, name in zip(means, names, strict=True))
        difference = means[1].mean() - means[0].mean() if min(m.size for m in means) else np.nan
        return Comparison(difference, *[np.nan] * 5, *counts, method, f"animals: {alone}; two of each are needed")
    parts = np.array([m.var(ddof=1) / m.size for m in means])
    sizes = np.array([m.size for m in means])
    with np.errstate(invalid="ignore"):
        df = parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum()
    return _t_test(means[1].mean() - means[0].mean(), np.sqrt(parts.sum()), df, counts, method, "", level)


def _pairs(table: pd.DataFrame, names) -> tuple[pd.Series, pd.Series, str]:
    """Return the differences within the animals (of the first group), which cells they rest on, and what was paired."""
    by_pair = len(table) > 0 and (table["pair"] != "").all()
    key = table["pair"] if by_pair else table["animal"]
    ends = [table[table["group"] == name].groupby(key)["value"].mean() for name in names]
    differences = (ends[1] - ends[0]).dropna()
    used = key.isin(differences.index)
    if by_pair:
        owner = table[table["group"] == names[0]].groupby("pair")["animal"].first()
        differences = differences.groupby(owner).mean()
    return differences, used, "pairs within animals" if by_pair else "means of animals"


def _t_test(difference, se, df, counts, method: str, reason: str, level: float) -> Comparison:
    if not se > 0:
        return Comparison(difference, se, *[np.nan] * 4, *counts, method, "no variance between animals: no test")
    half = t.ppf(0.5 + level / 2, df) * se
    p = 2 * t.sf(abs(difference) / se, df)
    numbers = (difference, se, difference - half, difference + half, df, p)
    return Comparison(*(float(x) for x in numbers), *counts, method, reason)


def _mixed_model(table: pd.DataFrame, names, of_animals: Comparison, level: float) -> Comparison:
    """Return the comparison by a mixed model, or that of animals with the reason why not."""
    from statsmodels.regression.mixed_linear_model import MixedLM  # half a second, which only this needs

    design = np.column_stack([np.ones(len(table)), table["group"] == names[1]]).astype(float)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = MixedLM(table["value"].to_numpy(), design, groups=table["animal"].to_numpy()).fit(reml=True)
        why = "" if fit.converged else "it did not converge"
        if not why and not fit.cov_re[0, 0] > 1e-8 * fit.scale:
            why = "it finds no variance between animals"
        numbers = float(fit.fe_params[1]), float(fit.bse_fe[1])
        if not why and not (np.isfinite(numbers).all() and numbers[1] > 0):
            why = "its standard error is not finite"
    except (np.linalg.LinAlgError, ValueError) as error:
        why = f"it failed: {error}"
    if why:
        reason = "; ".join(r for r in (of_animals.reason, f"mixed model not used: {why}") if r)
        return replace(of_animals, reason=reason)
    counts = table["cell"].nunique(), table["animal"].nunique()
    method = "mixed model, random intercept of the animal, REML"
    return _t_test(*numbers, of_animals.df, counts, method, "", level)


def effective_df(variances, degrees) -> float:
    """Return the degrees of freedom of a sum of variances (Welch 1947, Satterthwaite 1946); inf where there is none."""
    variances, degrees = np.asarray(variances, float), np.asarray(degrees, float)
    total, spread = math.fsum(variances), math.fsum(variances**2 / degrees)
    return max(total**2 / spread, FEWEST_DF) if spread > 0 else math.inf


COMPARISON_COLUMNS = (
    "experiment", "model", "quantity", "unit", "group_a", "group_b", "scale", "difference", "se", "ci_low", "ci_high",
    "df", "p", "p_holm", "n_cells", "n_animals", "method", "reason",
)  # fmt: skip


def compare_fits(
    fits: pd.DataFrame,
    cells: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    quantities: Mapping[tuple[str, str], str],
    mixed: bool = False,
) -> pd.DataFrame:
    """Compare groups of a table of fits, parameter by parameter, and adjust all tests of the table by Holm's method.

    Parameters
    ----------
    fits : DataFrame
        fits.csv; its rows of cells are compared, those that are not identified (for a ratio: or not above 0) left out
        and counted.
    cells : DataFrame
        Indexed by unit_id, with animal_id and pair_id.
    pairs : list of (str, str)
        The groups to compare, the reference first.
    quantities : mapping
        (model, parameter) -> "difference" or "ratio".

    Returns
    -------
    DataFrame
        COMPARISON_COLUMNS; without rows where there is nothing to compare.
    """
    rows = []
    for (model, parameter), scale in quantities.items():
        of = fits[(fits["unit_id"] != "") & (fits["model"] == model) & (fits["parameter"] == parameter)]
        for names in pairs:
            two = of[of["group"].isin(names)]
            if set(two["group"]) != set(names):
                continue
            used = (two["verdict"] != "not_identified") & ((two["estimate"] > 0) | (scale != "ratio"))
            found = compare_groups(
                two["estimate"].where(used),
                two["group"].to_numpy(),
                two["unit_id"].map(cells["animal_id"]).to_numpy(),
                names,
                cell_ids=two["unit_id"].to_numpy(),
                pair_ids=two["unit_id"].map(cells["pair_id"]).to_numpy(),
                log=scale == "ratio",
                mixed=mixed,
            )
            left_out = (
                f"{int((~used).sum())} of {len(two)} values not identified and left out" if not used.all() else ""
            )
            first = two.iloc[0]
            head = (
                first["experiment"],
                model,
                parameter,
                first["unit"] if scale == "difference" else "1",
                *names,
                scale,
            )
            tested = (found.difference, found.se, found.ci_low, found.ci_high, found.df, found.p, np.nan)
            reason = "; ".join(r for r in (found.reason, left_out) if r)
            rows.append((*head, *tested, found.n_cells, found.n_animals, found.method, reason))
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    table["p_holm"] = holm(table["p"]) if len(table) else table["p_holm"]
    return table


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


def judge_presence(parameter: str, estimate: Estimate) -> Estimate:
    """Return an estimate, weak at best where the parameter is one of `ABSENT_AT_ZERO` and its interval holds zero."""
    holds = parameter in ABSENT_AT_ZERO and estimate.ci_low <= 0 <= estimate.ci_high
    return estimate.weakened("the interval holds zero: there may be none" if holds else "")


def fit_row(
    experiment: str, group: str, unit_id: str, model: str, parameter: str, unit: str, estimate: Estimate
) -> dict:
    """Return the row of fits.csv of one parameter of one cell (preparation, animal), judged by `judge_presence`."""
    estimate = judge_presence(parameter, estimate)
    numbers = (estimate.value, estimate.se, estimate.ci_low, estimate.ci_high)
    row = (experiment, group, unit_id, model, parameter, unit, *numbers, 1, 1, estimate.verdict, estimate.reason)
    return dict(zip(FIT_COLUMNS, row, strict=True))


def _one_per_cell(values: pd.Series, cells: pd.Series, log: bool) -> pd.Series:
    """Average what was estimated several times in one cell (a control and its wash), so that a cell counts once."""
    scale = np.log(values.where(values > 0)) if log else values
    mean = scale.groupby(cells, sort=False).mean()
    return np.exp(mean) if log else mean


def _counted_cells(cells: pd.DataFrame, verdict: str, words: str) -> str:
    """Say how many cells have a verdict, and why, where all of them have it for one reason."""
    of_it = cells.loc[cells["verdict"] == verdict, "reason"].unique()
    why = f" ({of_it[0]})" if len(of_it) == 1 and of_it[0] else ""
    return f"{int((cells['verdict'] == verdict).sum())} of {len(cells)} cells {words}{why}"


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
        or left out, when a limit of a geometric mean is more than `WEAK_FOLD`-fold away, or by `judge_presence`; else
        identified.
    """
    keys = ["experiment", "group", "model", "parameter", "unit"]
    rows = []
    for key, cells in fits.groupby(keys, sort=False):
        use = cells["verdict"] != "not_identified"
        log = key[3] in geometric
        values = _one_per_cell(cells["estimate"].where(use), cells["unit_id"], log)
        mean = summarise_cells(values.to_numpy(), values.index.map(animals), log=log, level=level)
        fold = max(mean.ci_high / mean.estimate, mean.estimate / mean.ci_low) if log and mean.n_animals > 1 else 1.0
        weak_cells = int((cells["verdict"] == "weak").sum())
        reasons = [mean.reason] if mean.reason else []
        if weak_cells:
            reasons.append(_counted_cells(cells, "weak", "weak"))
        if not use.all():
            reasons.append(_counted_cells(cells, "not_identified", "not identified and left out"))
        if fold > WEAK_FOLD:
            reasons.append(f"a confidence limit is {fold:.3g}-fold away")
        weak = mean.n_animals == 1 or fold > WEAK_FOLD or weak_cells + (~use).sum() > len(cells) / 2
        verdict = "not_identified" if not mean.n_cells else "weak" if weak else "identified"
        numbers = (mean.estimate, mean.se, mean.ci_low, mean.ci_high)
        judged = judge_presence(key[3], Estimate(*numbers, verdict, "; ".join(reasons)))
        row = (*key[:2], "", *key[2:], *numbers, mean.n_cells, mean.n_animals, judged.verdict, judged.reason)
        rows.append(dict(zip(FIT_COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))
