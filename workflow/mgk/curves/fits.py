"""Each curve with its fit, and the conditions: curves within animals, compared with the animal as the unit.

A point is weighted by the standard error of its mean, sd / sqrt(n), where the table gives sd or n; the variances of a
curve's points are moderated towards each other (`mgk.curves.variances`), for few values tell little. The verdict is
that of `mgk.fitting`, and *weak* at best where the design cannot carry the result: the constant beyond the x that were
used, an end that the curve does not come near, as many parameters as levels of x. Each reason says what would help.
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from mgk.curves.models import HALVES, Model, find_model
from mgk.curves.variances import moderated_variances
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, compare_fits, fit_row, group_rows
from mgk.study import Study

# An end that is fitted counts as extrapolated where the points stop short of this share of the way (our choice).
NEAR_END = 0.8
# Means over curves are geometric for these.
GEOMETRIC = (*HALVES, "hill")
NO_ANIMAL = "the table names no animal, so that the experimental unit is not known"


@dataclass(frozen=True)
class Curve:
    """A curve of raw_data/curves.csv with its fit; `fit` is None, and `reason` says why, where it cannot be fitted.

    `sd` holds the relative standard error of each point, or nothing. `estimates` are on the scale of the parameters
    (constants no longer logarithms), with verdict and reason.
    """

    curve_id: str
    condition: str
    animal_id: str
    x: np.ndarray
    y: np.ndarray
    sd: np.ndarray | None
    fit: CurveFit | None
    estimates: dict[str, Estimate]
    reason: str = ""

    @property
    def verdict(self) -> str:
        """The verdict of the constant on the scale of x."""
        return next(e.verdict for name, e in self.estimates.items() if name in HALVES)


def load_curves(project: Study, experiment: str) -> pd.DataFrame:
    """Return the points of an experiment: raw_data/curves.csv, a curve without a condition being of condition `all`."""
    table = project.table("curves")
    points = table[table["experiment"] == experiment].reset_index(drop=True)
    return points.assign(condition=points["condition"].where(points["condition"] != "", "all"))


def model_of(settings: dict, points: pd.DataFrame) -> Model:
    """Return the model of an experiment; its direction, where the settings do not say, is that of the points."""
    direction = settings.get("direction") or direction_of(points)
    return find_model(settings["model"], direction)


def direction_of(points: pd.DataFrame) -> str:
    """Return `falling` where |y| falls with x in the median curve (rank correlation), else `rising`."""
    sizes = points.assign(size=points["y"].abs())
    ranks = [of["x"].rank().corr(of["size"].rank()) for _, of in sizes.groupby("curve_id") if np.ptp(of["size"]) > 0]
    ranks = [r for r in ranks if np.isfinite(r)]
    return "falling" if ranks and np.median(ranks) < 0 else "rising"


def standard_errors(points: pd.DataFrame, weights: str = "sd") -> np.ndarray | None:
    """Return the standard error of each point up to a common factor: sd / sqrt(n); None where neither is given."""
    sd, n = points["sd"].to_numpy(float), points["n"].to_numpy(float)
    if weights == "none" or (np.isnan(sd).all() and np.isnan(n).all()):
        return None
    n = np.where(np.isnan(n), 1.0, n)
    return np.sqrt((np.ones_like(n) if np.isnan(sd).all() else moderated_variances(sd**2, n - 1)) / n)


def fit_curves(points: pd.DataFrame, model: Model, weights: str = "sd") -> list[Curve]:
    """Fit each curve of a table of points (`load_curves`) on its own."""
    return [_fit(curve_id, of, model, weights) for curve_id, of in points.groupby("curve_id", sort=False)]


def _fit(curve_id: str, points: pd.DataFrame, model: Model, weights: str) -> Curve:
    x, y = (points[c].to_numpy(float) for c in ("x", "y"))
    sd = standard_errors(points, weights)
    condition, animal = points[["condition", "animal_id"]].iloc[0]
    why = _not_fittable(x, y, model)
    if not why:
        try:
            with np.errstate(all="ignore"):
                return Curve(curve_id, condition, animal, x, y, sd, *_fitted(x, y, sd, model))
        except (ValueError, ArithmeticError) as error:  # numbers of no size that a model could have
            why = f"the fit failed: {error}"
    nothing = Estimate(*[np.nan] * 4, "not_identified", why)
    return Curve(curve_id, condition, animal, x, y, sd, None, dict.fromkeys(model.parameters, nothing), why)


def _fitted(x, y, sd, model: Model) -> tuple[CurveFit, dict[str, Estimate]]:
    start = model.start(x, y, 1 / (np.ones_like(y) if sd is None else sd))
    # The start is the best of a grid, so that one is enough.
    fit = fit_curve(model.curve, x, y, start, sd=sd, bounds=model.bounds(x), starts=1)
    return fit, {name: _estimate(fit, name, model, x) for name in model.parameters}


def _not_fittable(x: np.ndarray, y: np.ndarray, model: Model) -> str:
    levels, needed = np.unique(x).size, len(model.parameters)
    if levels < needed:
        return f"{levels} levels of x for {needed} parameters; more levels would help"
    return "all y are equal; there is no curve" if np.ptp(y) == 0 else ""


def _estimate(fit: CurveFit, name: str, model: Model, x: np.ndarray) -> Estimate:
    found = fit.parameters[f"ln_{name}"].exp() if name in model.constants else fit.parameters[name]
    reason, cautions = found.reason.replace("ln_", ""), _cautions(fit, model, x)
    if found.verdict == "not_identified" and not cautions:
        cautions = ["more levels of x, or more repeats, would help"]
    return replace(found, reason=reason).weakened("; ".join(cautions))


def _cautions(fit: CurveFit, model: Model, x: np.ndarray) -> list[str]:
    """Return what the design cannot carry, and what would help."""
    half = float(np.exp(fit.estimates[f"ln_{model.half}"]))
    low, high = x[x > 0].min(), x.max()
    found = []
    if half > high:
        found.append(f"{model.half} {half:.3g} lies above the highest x, {high:.3g}; higher x would help")
    elif half < low:
        found.append(f"{model.half} {half:.3g} lies below the lowest x, {low:.3g}; lower x would help")
    gone = model.way(np.array([x.min(), high]), *(fit.estimates[f"ln_{name}"] for name in model.constants))
    for name, place in model.ends.items():
        share = gone[1] if place else 1 - gone[0]
        if share < NEAR_END and not (half > high if place else half < low):
            where = "higher" if place else "lower"
            found.append(f"no plateau: the points go {100 * share:.0f} % of the way to {name}; {where} x would help")
    levels, needed = np.unique(x).size, len(model.parameters)
    if levels == needed:
        found.append(f"{levels} levels of x for {needed} parameters; more levels would help")
    return found


def curve_fits(experiment: str, curves: list[Curve], model: Model, units: tuple[str, str]) -> pd.DataFrame:
    """Return the rows of fits.csv of single curves; `units` are those of x and y."""
    rows = [
        fit_row(experiment, c.condition, c.curve_id, model.name, name, model.unit(name, *units), estimate)
        for c in curves
        for name, estimate in c.estimates.items()
    ]
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))


def owners(curves: list[Curve]) -> pd.DataFrame:
    """Return the animal of each curve, indexed by curve."""
    rows = {"animal_id": [c.animal_id for c in curves], "pair_id": ""}
    return pd.DataFrame(rows, index=[c.curve_id for c in curves])


def condition_fits(fits: pd.DataFrame, curves: list[Curve]) -> pd.DataFrame:
    """Return the rows of fits.csv of conditions: curves within animals, geometric means for constants.

    A condition with a curve of no animal has no mean: its verdict is not_identified, with the reason.
    """
    animals = owners(curves)["animal_id"]
    nameless = {c.condition for c in curves if not c.animal_id}
    known = group_rows(fits[~fits["group"].isin(nameless)], animals, GEOMETRIC)
    alone = fits[fits["group"].isin(nameless)].drop_duplicates(["group", "parameter"])
    blank = dict.fromkeys(("estimate", "se", "ci_low", "ci_high"), np.nan)
    counts = {"n_cells": alone["group"].map(fits.groupby("group")["unit_id"].nunique()), "n_animals": 0}
    alone = alone.assign(unit_id="", **blank, **counts, verdict="not_identified", reason=NO_ANIMAL)
    tables = [t for t in (known, alone) if len(t)]
    groups = pd.concat(tables, ignore_index=True) if tables else known
    order = list(dict.fromkeys(fits["group"]))
    return groups.sort_values("group", key=lambda g: g.map(order.index), kind="stable").reset_index(drop=True)


def compare_conditions(fits: pd.DataFrame, curves: list[Curve], model: Model) -> pd.DataFrame:
    """Compare the conditions in pairs, constants as ratios and ends as differences; Holm over all of the table.

    See `mgk.statistics.compare_fits`. Conditions with a curve of no animal are left out.
    """
    nameless = {c.condition for c in curves if not c.animal_id}
    conditions = [c for c in dict.fromkeys(fits["group"]) if c not in nameless]
    scales = {(model.name, p): "ratio" if p in GEOMETRIC else "difference" for p in model.parameters}
    return compare_fits(fits, owners(curves), list(combinations(conditions, 2)), scales)


def points_table(curves: list[Curve], model: Model) -> pd.DataFrame:
    """Return the points with what was fitted.

    Returns
    -------
    DataFrame
        curve_id, condition, animal_id, x, y, standard_error (NaN without), fitted, residual, shown (y as a fraction of
        the curve's own span; NaN where its fit is not identified), verdict.
    """
    tables = []
    for curve in curves:
        fitted = curve.fit.predict(curve.x) if curve.fit else np.full(curve.x.size, np.nan)
        known = curve.fit is not None and curve.verdict != "not_identified"
        ends = {name: curve.estimates[name].value for name in model.ends}
        tables.append(
            pd.DataFrame(
                {
                    "curve_id": curve.curve_id,
                    "condition": curve.condition,
                    "animal_id": curve.animal_id,
                    "x": curve.x,
                    "y": curve.y,
                    "standard_error": np.nan if curve.sd is None else curve.sd,
                    "fitted": fitted,
                    "residual": curve.y - fitted,
                    "shown": model.shown(curve.x, curve.y, ends) if known else np.nan,
                    "verdict": curve.verdict,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
