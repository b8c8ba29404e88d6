"""Observed rates against the free concentration of the ligand: per preparation, then preparations within animals.

k_obs = k0 + k_max c / (K + c), for the fast and the slow phase alike; k_saturating = k0 + k_max. The points of a
preparation are weighted by the standard errors of their rates. Transients whose two rates are not separable have no
part and are counted.

Units: rates in 1/s, concentrations in mM, free.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, compare_fits, fit_row, group_rows

PHASES = ("fast", "slow")
PARAMETERS = {"k0": "1/s", "k_max": "1/s", "k_saturating": "1/s", "k_half": "mM"}
FEWEST_LEVELS = 4
# K is sought this far (in ln) beyond the concentrations that were used: a factor of 100.
LN_BEYOND = float(np.log(100.0))


@dataclass(frozen=True)
class Dependence:
    """The rates of one phase of a preparation against the concentration; `fit` is None where levels are too few.

    `fit` has k0, k_saturating, ln_k_half; `k_max` is the same fit written with k_max in place of k_saturating.
    `range_mm`: the lowest concentration above 0 and the highest.
    """

    group: str
    cell_id: str
    animal_id: str
    phase: str
    levels: int
    left_out: int
    fit: CurveFit | None
    k_max: Estimate | None
    range_mm: tuple[float, float] = (np.nan, np.nan)

    @property
    def model(self) -> str:
        """Name in fits.csv."""
        return model_name(self.phase)


def model_name(phase: str) -> str:
    """Return the name of a phase's model in fits.csv."""
    return f"hyperbola, {phase} phase"


def hyperbola(c, k0, k_saturating, ln_k_half):
    """Return k_obs = k0 + (k_saturating - k0) c / (K + c)."""
    return k0 + (k_saturating - k0) * c / (np.exp(ln_k_half) + c)


def _with_k_max(c, k0, k_max, ln_k_half):
    return k0 + k_max * c / (np.exp(ln_k_half) + c)


def fit_dependence(rates: pd.DataFrame) -> list[Dependence]:
    """Fit both phases of each preparation against the free concentration."""
    found = []
    for (group, cell), points in rates.groupby(["group", "cell_id"], sort=False):
        for phase in PHASES:
            used = points[points[f"k_{phase}"].notna() & points["ligand_free_mm"].notna()]
            levels = used["ligand_free_mm"].nunique()
            fit, k_max = _fit(used, phase) if levels >= FEWEST_LEVELS else (None, None)
            animal, free = points["animal_id"].iloc[0], used.loc[used["ligand_free_mm"] > 0, "ligand_free_mm"]
            ends = (float(free.min()), float(free.max()))
            found.append(Dependence(group, cell, animal, phase, levels, len(points) - len(used), fit, k_max, ends))
    return found


def _fit(points: pd.DataFrame, phase: str) -> tuple[CurveFit, Estimate]:
    c, k = points["ligand_free_mm"].to_numpy(float), points[f"k_{phase}"].to_numpy(float)
    se = points[f"k_{phase}_se"].to_numpy(float)
    weighted = np.isfinite(se).all() and (se > 1e-9 * k).all()
    low, high = np.log(c[c > 0].min()), np.log(c.max())
    start = {"k0": k[c.argmin()], "k_saturating": k[c.argmax()], "ln_k_half": float(np.median(np.log(c[c > 0])))}
    given = {"sd": se if weighted else None, "bounds": {"ln_k_half": (low - LN_BEYOND, high + LN_BEYOND)}}
    fit = fit_curve(hyperbola, c, k, start, **given)
    e = fit.estimates
    start = {"k0": e["k0"], "k_max": e["k_saturating"] - e["k0"], "ln_k_half": e["ln_k_half"]}
    rewritten = fit_curve(_with_k_max, c, k, start, **given, profile=["k_max"], starts=1)
    return fit, rewritten.parameters["k_max"]


def dependence_fits(dependences: Sequence[Dependence], experiment: str) -> pd.DataFrame:
    """Return fits.csv: a row for each preparation, phase and parameter, then for each group."""
    rows, owners = [], {}
    for d in dependences:
        owners[d.cell_id] = d.animal_id
        for parameter, unit in PARAMETERS.items():
            row = fit_row(experiment, d.group, d.cell_id, d.model, parameter, unit, _estimate(d, parameter))
            said = f"{d.left_out} transients left out: no two separable rates" if d.left_out else ""
            rows.append(row | {"reason": "; ".join(filter(None, [row["reason"], said]))})
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    return pd.concat([fits, group_rows(fits, owners, geometric={"k_half"})], ignore_index=True) if rows else fits


def _estimate(d: Dependence, parameter: str) -> Estimate:
    if d.fit is None:
        reason = f"{d.levels} concentrations with two separable rates; {FEWEST_LEVELS} are needed: add some"
        return Estimate(*[np.nan] * 4, "not_identified", reason)
    if parameter == "k_max":
        return d.k_max
    return _half(d) if parameter == "k_half" else d.fit.parameters[parameter]


def _half(d: Dependence) -> Estimate:
    """Return the concentration of half-saturation: weak at the best where those that were used do not bracket it."""
    half = d.fit.parameters["ln_k_half"].exp()
    place = np.exp(d.fit.estimates["ln_k_half"])
    (low, high), told = d.range_mm, ""
    if place < low:
        told = f"half-saturation lies below the lowest concentration, {low:.3g} mM; lower ones would help"
    elif place > high:
        told = f"half-saturation lies above the highest concentration, {high:.3g} mM; higher ones would help"
    elif half.verdict != "identified":
        told = "more concentrations around it, or more shots, would help"
    return half.weakened(told)


def compare_phases(fits: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Compare every two groups: saturating rates by their difference, half-saturation by its ratio.

    Parameters
    ----------
    fits, cells : DataFrame
        fits.csv; animal_id and pair_id by cell_id.
    """
    quantities = {(model_name(p), "k_saturating"): "difference" for p in PHASES}
    quantities |= {(model_name(p), "k_half"): "ratio" for p in PHASES}
    return compare_fits(fits, cells, list(combinations(dict.fromkeys(fits["group"]), 2)), quantities)
