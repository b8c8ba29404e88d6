"""The block of each cell of an experiment: the model that all share, each fit, and what keeps it from being firm."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from mgk.block.woodhull import (
    EXIT_BOUNDS,
    MODELS,
    PLAIN,
    BlockModel,
    Woodhull,
    fit_model,
    fit_woodhull,
    level_means,
    unblocked_fraction,
)
from mgk.fitting import CurveFit, Estimate
from mgk.tables import InputError

FEWEST_CONCENTRATIONS = 2
# Residual SD over the mean size of the control: 3 % recovers Ki(0) within 3 %, 10 % does not (the project's notes on
# recordings, section 6); the limit between them is assumed, no source.
HIGHEST_NOISE = 0.05
# A model whose sum of AICc is higher by more than this has essentially no support (Burnham & Anderson 2002).
SUPPORT_AICC = 10.0
# The minimum is sought to this fraction where only its AICc is asked.
COMPARISON_TOLERANCE = 1e-7


@dataclass(frozen=True)
class CellBlock:
    """One cell's block: its parameters with their verdicts.

    `parameters` has ln_ki0 and z_delta, and ln_exit_ratio and z_delta_exit of a permeant blocker. `fit` is None where
    nothing could be fitted; `fitted_pa` is indexed as the points that were fitted.
    """

    experiment: str
    group: str
    cell_id: str
    animal_id: str
    side: str
    temperature_c: float
    potassium_external_mm: float
    model: BlockModel
    parameters: dict[str, Estimate]
    fit: CurveFit | None = None
    fitted_pa: pd.Series | None = None

    @property
    def ln_ki0(self) -> Estimate:
        """The logarithm of Ki(0) in mM."""
        return self.parameters["ln_ki0"]

    @property
    def z_delta(self) -> Estimate:
        """Valence times electrical distance."""
        return self.parameters["z_delta"]

    @property
    def noise_pa(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.fit.rss / self.fit.dof)) if self.fit and self.fit.dof > 0 else np.nan

    def fraction(self, free_mm, membrane_mv, temperature_c=None):
        """Return I/I0 at this cell's parameters, by default at its own temperature."""
        temperature_c = self.temperature_c if temperature_c is None else temperature_c
        values = {n.removeprefix("ln_"): (e.exp() if n[:3] == "ln_" else e).value for n, e in self.parameters.items()}
        ki0_mm, z_delta = values.pop("ki0"), values.pop("z_delta")
        return unblocked_fraction(free_mm, membrane_mv, ki0_mm, z_delta, temperature_c, self.side, **values)


def fit_cells(points: pd.DataFrame, model: BlockModel | None = None) -> list[CellBlock]:
    """Fit each cell of each group.

    Parameters
    ----------
    points : DataFrame
        Table of `mgk.measured_currents.steady_currents`. Excluded rows are not fitted; a cell of which nothing else is
        returned as not identified, with the reason of its exclusion.
    model : BlockModel, optional
        By default the one that `compare_models` chooses.

    Raises
    ------
    InputError
        When no recording has a blocker, one that is to be fitted has no temperature, or a cell's blocker is on both
        sides.
    """
    if not (points["ligand_free_mm"] > 0).any():
        raise InputError("block needs a ligand: no recording of this experiment has any (ligand, ligand_total_mm)")
    model = chosen_model(compare_models(points)) if model is None else model
    return [fit_cell(cell, model) for _, cell in points.groupby(["group", "cell_id"], sort=False)]


def compare_models(points: pd.DataFrame) -> pd.DataFrame:
    """Compare plain block with a gain per solution, a permeant blocker, and both, over all cells.

    Returns
    -------
    DataFrame
        A row per model: model, gain, permeant, parameters (mean of a cell, with its control), cells (that allow model
        and plain block), aicc_difference (sum over these cells of AICc less that of plain block), chosen. The model
        with the fewest parameters is chosen among those within 10 of the lowest sum.
    """
    sums = {model: [] for model in MODELS}
    sizes = {model: [] for model in MODELS}
    for _, cell in points.groupby(["group", "cell_id"], sort=False):
        used = cell[~cell["excluded"]]
        if _why_no_fit(cell, used):
            continue
        woodhull = Woodhull.of(used, _side(cell), 0.0)
        fits = {model: fit_model(woodhull, model, profile=(), tolerance=COMPARISON_TOLERANCE) for model in MODELS}
        for model, fit in fits.items():
            difference = fit.aicc - fits[PLAIN].aicc
            sizes[model].append(len(used) - fit.dof)
            sums[model] += [difference] if np.isfinite(difference) else []
    table = pd.DataFrame({
        "model": [model.named("").removesuffix("_").replace("__", "_") for model in MODELS],
        "gain": [model.gain for model in MODELS],
        "permeant": [model.permeant for model in MODELS],
        "parameters": [float(np.mean(sizes[model])) if sizes[model] else np.nan for model in MODELS],
        "cells": [len(sums[model]) for model in MODELS],
        "aicc_difference": [float(np.sum(sums[model])) for model in MODELS],
    })  # fmt: skip
    supported = table[table["aicc_difference"] <= table["aicc_difference"].min() + SUPPORT_AICC]
    best = supported.sort_values(["parameters", "aicc_difference"], kind="stable").index[0]
    return table.assign(chosen=table.index == best)


def chosen_model(comparison: pd.DataFrame) -> BlockModel:
    """Return the model that a table of `compare_models` chooses."""
    row = comparison[comparison["chosen"]].iloc[0]
    return BlockModel(gain=bool(row["gain"]), permeant=bool(row["permeant"]))


def _side(cell: pd.DataFrame) -> str:
    sides = cell["ligand_side"][cell["ligand_free_mm"].to_numpy() > 0].unique()
    if len(sides) > 1:
        raise InputError(f"cell {cell['cell_id'].iloc[0]}: the blocker is on both sides; one fit takes one side")
    return sides[0] if len(sides) else cell["ligand_side"].iloc[0]


def fit_cell(cell: pd.DataFrame, model: BlockModel, at_mv: float = 0.0) -> CellBlock:
    """Fit the points of one cell, Ki meant at a potential; not identified, with the reason, where they allow no fit."""
    first = cell.iloc[0]
    used = cell[~cell["excluded"]]
    side = _side(cell)
    conditions = (float(cell[name].mean()) for name in ("temperature_c", "potassium_external_mm"))
    head = (first["experiment"], first["group"], first["cell_id"], first["animal_id"], side, *conditions, model)
    names = ["ln_ki0", "z_delta", *(EXIT_BOUNDS if model.permeant else ())]
    reason = _why_no_fit(cell, used)
    if reason:
        return CellBlock(*head, dict.fromkeys(names, Estimate(*[np.nan] * 4, "not_identified", reason)))
    fit = fit_woodhull(used, side, model, at_mv=at_mv)
    parameters = {name: fit.parameters[name] for name in names}
    for reason in _weaknesses(used, fit):
        parameters = {name: estimate.weakened(reason) for name, estimate in parameters.items()}
    return CellBlock(*head, parameters, fit, used["current_pa"] - fit.residuals)


def _why_no_fit(cell: pd.DataFrame, used: pd.DataFrame) -> str:
    if used.empty:
        return "excluded: " + "; ".join(cell["reason"].unique())
    if not (used["ligand_free_mm"] > 0).any():
        return "no blocker in any recording that is not excluded"
    if used["ligand_free_mm"].nunique() < 2:
        return "one concentration and no control"
    levels = level_means(used)
    if levels.size < 2:
        return "one potential: Ki(0) and z delta need several"
    if (np.diff(levels) <= 0).any():
        return "the membrane potentials of neighbouring levels are not in order"
    return ""


def _weaknesses(points: pd.DataFrame, fit: CurveFit) -> list[str]:
    """Say what the design or the data of a cell lack for a firm Ki(0), whatever the width of its interval."""
    blocking = np.unique(points.loc[points["ligand_free_mm"] > 0, "ligand_free_mm"])
    woodhull = fit.problem.model
    ki = woodhull.ki_mm(**fit.estimates)
    control = np.abs(woodhull.control_pa(**fit.estimates)).mean()
    noise = np.sqrt(fit.rss / fit.dof) / control if fit.dof > 0 else np.inf
    reasons = []
    if blocking.size < FEWEST_CONCENTRATIONS:
        reasons.append("one concentration of the blocker; a second, on the other side of Ki(V), would help")
    elif not ((blocking[0] < ki) & (ki < blocking[-1])).any():
        help_words = f"{'higher' if blocking[-1] <= ki.min() else 'lower'} ones would help"
        span = f"{blocking[0]:.3g} to {blocking[-1]:.3g} mM"
        reasons.append(f"{span} do not bracket Ki(V) at any potential; {help_words}")
    if noise > HIGHEST_NOISE:
        reasons.append(f"noise is {100 * noise:.1f} % of the control; more sweeps would help")
    return reasons


def likelihood_profile(cell: CellBlock, parameter: str, reach: float = 1.6, n: int = 41) -> pd.DataFrame:
    """Return the profile of a cell's parameter: how much worse the best fit is when it is held at a value.

    Parameters
    ----------
    cell : CellBlock
        With a fit.
    parameter : str
        ln_ki0, z_delta, ...
    reach : float
        How far the values go, in half widths of the confidence interval (where a limit is infinite: 4 standard errors).
    n : int
        How many values.

    Returns
    -------
    DataFrame
        value, f (`CurveFit.profile`), parabola (what Gauss-Newton expects), threshold (of the 95 % interval).
    """
    estimate = cell.fit.parameters[parameter]
    ends = []
    for limit, side in ((estimate.ci_low, -1), (estimate.ci_high, 1)):
        half = abs(limit - estimate.value) if np.isfinite(limit) else 4 * estimate.se
        ends.append(estimate.value + side * reach * half)
    values = np.linspace(*ends, n)
    return pd.DataFrame({
        "value": values,
        "f": cell.fit.profile(parameter, values),
        "parabola": ((values - estimate.value) / estimate.se) ** 2,
        "threshold": f_distribution.ppf(0.95, 1, cell.fit.dof),
    })  # fmt: skip
