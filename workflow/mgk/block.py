"""Voltage-dependent block of a channel by a charged ligand (Woodhull 1973), fitted per cell, then cells in animals.

I(V, c) = I0(V) / (1 + c / Ki(V)), with c the *free* concentration of the blocker. A blocker that enters the field of
the membrane from inside is driven in by depolarisation, one from outside by hyperpolarisation:

    internal: Ki(V) = Ki(0) exp(-z delta F V / RT)      external: Ki(V) = Ki(0) exp(+z delta F V / RT)

All concentrations and potentials of a cell are fitted at once, together with its control I0, which is free at each
level. Currents are fitted, not ratios: levels near the reversal potential then weigh as little as they know, and
nothing is divided by a current near zero.

Two things may be added, each for all cells of an experiment, when the sum of AICc asks for it (`compare_models`):

- *gain*: a free gain per solution. The recordings of a cell need not have one gain: channels are lost (rundown), a seal
  changes. The shape over potential tells a gain from block.
- *permeant*: the blocker also leaves to the other side, which the field helps (Woodhull 1973), so that strong driving
  relieves the block. With u the driving potential in units of RT/F and r the ratio of leaving to returning at 0 mV,

      Ki(V) = Ki(0) (exp(-z delta u) + r exp(+z delta_exit u)) / (1 + r)

Vocabulary and units: `ki0_mm`, Ki(0), the free concentration in mM that halves the current at 0 mV; `z_delta`, valence
times the electrical distance from the blocker's own side; `exit_ratio`, r; *control*, I0; *level*, the potential of
like commands (mV); *fraction*, I/I0. Fits and verdicts: `mgk.fitting`.

Limits: one site, in equilibrium. A leak that the blocker does not reach is part of the control and biases Ki(0)
upwards; at strong driving it looks like a permeant blocker. AICc sees gains only where they stand out of the noise:
with gains that vary by 2 % and noise of 3 % it mostly keeps one gain, and 95 % intervals of single cells are then too
narrow; docs/validation.md says by how much, here and for other errors. Effects of permeant ions on the site appear as
different Ki(0) of the groups, not as a parameter.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline
from scipy.stats import f as f_distribution

from mgk.constants import thermal_voltage_mv
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows, summarise_cells
from mgk.tables import InputError

SIGN = {"internal": -1.0, "external": 1.0}
FEWEST_CONCENTRATIONS = 2
# Residual SD over the mean size of the control: 3 % recovers Ki(0) within 3 %, 10 % does not (the project's notes on
# recordings, section 6); the limit between them is assumed, no source.
HIGHEST_NOISE = 0.05
# A model whose sum of AICc is higher by more than this has essentially no support (Burnham & Anderson 2002).
SUPPORT_AICC = 10.0
# The minimum is sought to this fraction where only its AICc is asked.
COMPARISON_TOLERANCE = 1e-7
# A fraction is shown where its control is at least this many residual SD.
FRACTION_CONTROL_SD = 10.0
# Beyond these a parameter is anything: a fit that ends there is not identified.
STEEPEST = 10.0
FARTHEST_LN_KI = 20.0
EXIT_BOUNDS = {"ln_exit_ratio": (-10.0, 8.0), "z_delta_exit": (0.0, STEEPEST)}


@dataclass(frozen=True)
class BlockModel:
    """What is added to plain Woodhull block: a gain per solution, a blocker that permeates."""

    gain: bool = False
    permeant: bool = False

    def named(self, side: str) -> str:
        """Return the name of the model in tables."""
        return f"woodhull_{side}" + "_permeant" * self.permeant + "_gain" * self.gain


PLAIN = BlockModel()
MODELS = (PLAIN, BlockModel(gain=True), BlockModel(permeant=True), BlockModel(gain=True, permeant=True))


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


def blocking_constant_mm(
    membrane_mv, ki0_mm, z_delta, temperature_c, side: str, exit_ratio: float = 0.0, z_delta_exit: float = 0.0
):
    """Return Ki(V) in mM of a blocker on `side` (internal or external); with an exit ratio, of a permeant one.

    Raises
    ------
    InputError
        When the side is neither.
    """
    if side not in SIGN:
        raise InputError(f"side of the blocker: {side!r}; allowed: {', '.join(SIGN)}")
    driving = -SIGN[side] * np.asarray(membrane_mv) / thermal_voltage_mv(temperature_c)
    leaving = np.exp(-z_delta * driving) + exit_ratio * np.exp(z_delta_exit * driving)
    return ki0_mm * leaving / (1 + exit_ratio)


def unblocked_fraction(
    free_mm, membrane_mv, ki0_mm, z_delta, temperature_c, side: str, exit_ratio: float = 0.0, z_delta_exit: float = 0.0
):
    """Return I/I0 = 1 / (1 + c / Ki(V)) at a free concentration c in mM (Woodhull 1973)."""
    ki_mm = blocking_constant_mm(membrane_mv, ki0_mm, z_delta, temperature_c, side, exit_ratio, z_delta_exit)
    return 1 / (1 + free_mm / ki_mm)


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
    return [_fit_cell(cell, model) for _, cell in points.groupby(["group", "cell_id"], sort=False)]


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
        woodhull = _Woodhull.of(used, _side(cell), 0.0)
        fits = {model: _fit(woodhull, model, profile=(), tolerance=COMPARISON_TOLERANCE) for model in MODELS}
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


def _fit_cell(cell: pd.DataFrame, model: BlockModel, at_mv: float = 0.0) -> CellBlock:
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
    levels = _level_means(used)
    if levels.size < 2:
        return "one potential: Ki(0) and z delta need several"
    if (np.diff(levels) <= 0).any():
        return "the membrane potentials of neighbouring levels are not in order"
    return ""


def _level_means(points: pd.DataFrame) -> np.ndarray:
    """Return the mean membrane potential of each level, mV, levels rising."""
    _, level = np.unique(points["level_mv"].to_numpy(), return_inverse=True)
    return np.bincount(level, points["membrane_mv"].to_numpy()) / np.bincount(level)


@dataclass(frozen=True)
class _Woodhull:
    """The currents of one cell as a function of the block; the control follows from it by linear least squares.

    `basis` (points, levels) makes the control at each point of its values at the levels; `driving` is the potential
    that drives the blocker in, in units of RT/F; `solution` numbers the solutions, which `solutions` names, that of the
    control first; `at_levels` tells that no point lies beside its level, which is quicker.
    """

    basis: np.ndarray
    at_levels: bool
    driving: np.ndarray
    free_mm: np.ndarray
    solution: np.ndarray
    solutions: tuple[str, ...]
    current_pa: np.ndarray

    @classmethod
    def of(cls, points: pd.DataFrame, side: str, at_mv: float) -> "_Woodhull":
        if points["temperature_c"].isna().any():
            missing = points.loc[points["temperature_c"].isna(), "recording_id"].iloc[0]
            raise InputError(f"raw_data/recordings.csv, {missing}, temperature_c: empty: RT/F of the fit needs it, C")
        names = ("membrane_mv", "temperature_c", "ligand_free_mm", "current_pa")
        potential, temperature, free_mm, current = (points[name].to_numpy(float) for name in names)
        nodes = _level_means(points)
        level = np.unique(points["level_mv"].to_numpy(), return_inverse=True)[1]
        at_levels = bool((potential == nodes[level]).all())
        basis = np.eye(nodes.size)[level]
        if not at_levels:
            basis = make_interp_spline(nodes, np.eye(nodes.size), k=min(3, nodes.size - 1))(potential)
        driving = -SIGN[side] * (potential - at_mv) / thermal_voltage_mv(temperature)
        return cls(basis, at_levels, driving, free_mm, *_solutions(points), current)

    def ki_mm(self, ln_ki0, z_delta, ln_exit_ratio=None, z_delta_exit=None, **_) -> np.ndarray:
        """Return Ki(V) at each point."""
        leaving = np.exp(-z_delta * self.driving)
        if ln_exit_ratio is not None:
            ratio = np.exp(ln_exit_ratio)
            leaving = (leaving + ratio * np.exp(z_delta_exit * self.driving)) / (1 + ratio)
        return np.exp(ln_ki0) * leaving

    def scale(self, **parameters) -> np.ndarray:
        """Return what is left of the control at each point: the unblocked fraction times the gain of its solution."""
        scale = 1 / (1 + self.free_mm / self.ki_mm(**parameters))
        ln_gain = [value for name, value in parameters.items() if name.startswith("ln_gain_")]
        return scale * np.exp(np.array([0.0, *ln_gain]))[self.solution] if ln_gain else scale

    def control_pa(self, **parameters) -> np.ndarray:
        """Return the control at each level that fits the currents best."""
        return self._control(self.scale(**parameters))

    def _control(self, scale: np.ndarray) -> np.ndarray:
        return self._solved(scale, (scale * self.current_pa) @ self.basis)

    def _solved(self, scale: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the solution of the normal equations of the control, for each row of their right side."""
        # Transposed, not adjoint: the complex step needs an analytic function.
        if self.at_levels:
            return right / (scale**2 @ self.basis)
        design = self.basis * scale[..., None]
        return np.linalg.solve(np.swapaxes(design, -1, -2) @ design, right[..., None])[..., 0]

    def __call__(self, _, **parameters) -> np.ndarray:
        scale = self.scale(**parameters)
        return scale * (self._control(scale) @ self.basis.T)

    def jacobian(self, _, **parameters) -> np.ndarray:
        """Return the derivatives of the currents, the control following the block; shape (points, parameters)."""
        scale = self.scale(**parameters)
        control = self._control(scale) @ self.basis.T
        moved = scale * self._log_slopes(scale, **parameters)
        following = self._solved(scale, (moved * (self.current_pa - 2 * scale * control)) @ self.basis)
        return (moved * control + scale * (following @ self.basis.T)).T

    def _log_slopes(self, scale, ln_ki0, z_delta, ln_exit_ratio=None, z_delta_exit=None, **ln_gain) -> np.ndarray:
        """Return the derivatives of ln(scale), a row per parameter in the order of the names above."""
        blocked = 1 - 1 / (1 + self.free_mm / self.ki_mm(ln_ki0, z_delta, ln_exit_ratio, z_delta_exit))
        slopes = [np.ones_like(blocked), -self.driving]
        if ln_exit_ratio is not None:
            ratio = np.exp(ln_exit_ratio)
            leaving = 1 / (1 + np.exp(-z_delta * self.driving - ln_exit_ratio - z_delta_exit * self.driving))
            slopes[1] = -self.driving * (1 - leaving)
            slopes += [leaving - ratio / (1 + ratio), self.driving * leaving]
        gains = [self.solution == 1 + i for i in range(len(ln_gain))]
        return np.array([*(blocked * slope for slope in slopes), *gains], float)

    def first_guess(self, model: BlockModel) -> dict[str, float]:
        """Return the best of a grid that spans the concentrations and the usual steepness."""
        known = np.unique(self.free_mm[self.free_mm > 0])
        constants = np.log([known[0] / 3, *known, known[-1] * 3])
        guess = self._best(ln_ki0=constants, z_delta=(0.0, 0.5, 1.0, 2.0))
        if model.permeant:
            exits = {"ln_exit_ratio": (-5.0, -2.0), "z_delta_exit": (0.2, 1.0)}
            guess = self._best(**{name: [value] for name, value in guess.items()}, **exits)
        return guess

    def _best(self, **values) -> dict[str, float]:
        """Return the combination of values that fits best."""
        grid = [axis.reshape(-1, 1) for axis in np.meshgrid(*values.values(), indexing="ij")]
        curves = self(None, **dict(zip(values, grid, strict=True)))
        best = np.argmin(np.linalg.norm(self.current_pa - curves, axis=1))
        return {name: float(axis[best, 0]) for name, axis in zip(values, grid, strict=True)}


def _solutions(points: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the number of each point's solution and the names: of column `solution`, or of the free concentrations."""
    free_mm = points["ligand_free_mm"]
    if "solution" not in points:
        values, numbers = np.unique(free_mm.to_numpy(float), return_inverse=True)
        return numbers, tuple(f"{mm:.6g}_mm" for mm in values)
    names = tuple(free_mm.groupby(points["solution"]).mean().sort_values(kind="stable").index)
    return points["solution"].map({name: i for i, name in enumerate(names)}).to_numpy(), names


def fit_woodhull(
    points: pd.DataFrame, side: str, model: BlockModel = PLAIN, *, at_mv: float = 0.0, profile=None
) -> CurveFit:
    """Fit currents of one cell at all concentrations and potentials with its control.

    Parameters
    ----------
    points : DataFrame
        level_mv, membrane_mv, ligand_free_mm, current_pa, temperature_c; optional solution, where solutions differ in
        more than the blocker: its name takes the place of the concentration in the names of the gains.
    side : str
        Side of the blocker, internal or external.
    model : BlockModel
        What is added to plain block.
    at_mv : float
        The potential at which ln_ki0 (and ln_exit_ratio) is meant.
    profile : list of str, optional
        Parameters whose interval is profiled, by default those of the block and not the gains.

    Returns
    -------
    CurveFit
        Parameters ln_ki0 (Ki(0) in mM), z_delta, of a permeant blocker ln_exit_ratio and z_delta_exit, and with gains
        ln_gain_1_mm ... of the concentrations above the lowest. The control (pA), a value per level, is linear and
        eliminated by projection (Golub & Pereyra 1973); it counts in dof and AICc. Between levels, where a corrected
        membrane potential lies beside the mean of its level, it is the cubic spline through the levels.

    Raises
    ------
    InputError
        When a recording has no temperature.
    """
    return _fit(_Woodhull.of(points, side, at_mv), model, profile)


def _fit(woodhull: _Woodhull, model: BlockModel, profile=None, **how) -> CurveFit:
    start = woodhull.first_guess(model)
    reach = (start["ln_ki0"] - FARTHEST_LN_KI, start["ln_ki0"] + FARTHEST_LN_KI)
    bounds = {"ln_ki0": reach, "z_delta": (-STEEPEST, STEEPEST)} | (EXIT_BOUNDS if model.permeant else {})
    block = list(start)
    start |= {f"ln_gain_{name}": 0.0 for name in woodhull.solutions[1:]} if model.gain else {}
    return fit_curve(
        woodhull,
        None,
        woodhull.current_pa,
        start,
        bounds=bounds,
        profile=block if profile is None else profile,
        starts=1,
        eliminated=woodhull.basis.shape[1],
        **how,
    )


def _weaknesses(points: pd.DataFrame, fit: CurveFit) -> list[str]:
    """Say what the design or the data of a cell lack for a firm Ki(0), whatever the width of its interval."""
    blocking = np.unique(points.loc[points["ligand_free_mm"] > 0, "ligand_free_mm"])
    woodhull = fit.problem.model
    ki = woodhull.ki_mm(**fit.estimates)
    control = np.abs(woodhull.control_pa(**fit.estimates)).mean()
    noise = np.sqrt(fit.rss / fit.dof) / control if fit.dof > 0 else np.inf
    reasons = []
    if blocking.size < FEWEST_CONCENTRATIONS:
        reasons.append("one concentration of the blocker")
    elif not ((blocking[0] < ki) & (ki < blocking[-1])).any():
        reasons.append(f"{blocking[0]:.3g} to {blocking[-1]:.3g} mM do not bracket Ki(V) at any potential")
    if noise > HIGHEST_NOISE:
        reasons.append(f"noise is {100 * noise:.1f} % of the control")
    return reasons


def block_fits(cells: list[CellBlock]) -> pd.DataFrame:
    """Return Ki(0), z delta and what a permeant blocker adds as fits.csv: a row per cell, then per group.

    The mean of a group is over its animals: geometric for Ki(0) and the exit ratio, arithmetic for the others.
    """
    return _fits_table(cells, {"ln_ki0": ("ki0_mm", "mM"), "ln_exit_ratio": ("exit_ratio", "1")})


def _fits_table(cells: list[CellBlock], logarithms: dict[str, tuple[str, str]], names=None) -> pd.DataFrame:
    """Return rows of fits.csv of the parameters (`names`, or all); logarithms as what they are the logarithm of."""
    rows = []
    for cell in cells:
        head = (cell.experiment, cell.group, cell.cell_id, cell.model.named(cell.side))
        for name, estimate in cell.parameters.items():
            if names is None or name in names:
                shown = (*logarithms[name], estimate.exp()) if name in logarithms else (name, "1", estimate)
                rows.append(fit_row(*head, *shown))
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    animals = {cell.cell_id: cell.animal_id for cell in cells}
    geometric = [name for name, _ in logarithms.values()]
    return pd.concat([fits, group_rows(fits, animals, geometric)], ignore_index=True)


def ki_at_mv(points: pd.DataFrame, membrane_mv, model: BlockModel) -> pd.DataFrame:
    """Return Ki(V) at any potentials, a row per cell and per group, with its interval.

    The fit is written around the potential, so that ln Ki(V) is a parameter with a profile of its own. A potential
    outside those recorded rests on the model alone, and the verdict then says so.

    Returns
    -------
    DataFrame
        membrane_mv and the columns of fits.csv, parameter `ki_mm`.
    """
    tables = []
    for potential in membrane_mv:
        cells = [_fit_cell(cell, model, potential) for _, cell in points.groupby(["group", "cell_id"], sort=False)]
        used = points.loc[~points["excluded"], "membrane_mv"]
        if not used.min() <= potential <= used.max():
            reason = f"{potential:g} mV lies outside the recorded {used.min():.0f} to {used.max():.0f} mV"
            cells = [replace(c, parameters={"ln_ki0": c.ln_ki0.weakened(reason)}) for c in cells]
        table = _fits_table(cells, {"ln_ki0": ("ki_mm", "mM")}, ("ln_ki0",))
        table.insert(0, "membrane_mv", float(potential))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


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


def group_parameters(fits: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the parameters of each group by name, as `unblocked_fraction` takes them."""
    means = fits[fits["unit_id"] == ""]
    return {
        group: dict(zip(rows["parameter"], rows["estimate"], strict=True)) for group, rows in means.groupby("group")
    }


def cell_fractions(points: pd.DataFrame, cells: list[CellBlock]) -> pd.DataFrame:
    """Return per cell, concentration and level what was measured, what was fitted, and the fraction of the control.

    Returns
    -------
    DataFrame
        experiment, group, cell_id, animal_id, the solutions and temperature, level_mv, membrane_mv, current_pa,
        fitted_pa, fraction, fraction_fitted, excluded, reason. `fraction` is measured over measured current (a gain of
        its solution is still in it), and empty where the control is smaller than ten residual SD or was not measured.
    """
    keys = [
        "experiment", "group", "cell_id", "animal_id", "ligand", "ligand_side", "ligand_total_mm", "ligand_free_mm",
        "temperature_c", "potassium_internal_mm", "potassium_external_mm", "level_mv", "excluded", "reason",
    ]  # fmt: skip
    fitted = pd.concat([pd.Series(dtype=float), *(cell.fitted_pa for cell in cells if cell.fit is not None)])
    table = points.assign(fitted_pa=fitted).groupby(keys, sort=False, dropna=False)
    table = table[["membrane_mv", "current_pa", "fitted_pa"]].mean().reset_index()
    table[["fraction", "fraction_fitted"]] = np.nan
    by_cell = {(cell.group, cell.cell_id): cell for cell in cells if cell.fit is not None}
    for key, rows in table[~table["excluded"]].groupby(["group", "cell_id"], sort=False):
        if key not in by_cell:
            continue
        cell = by_cell[key]
        conditions = (rows[name].to_numpy() for name in ("ligand_free_mm", "membrane_mv", "temperature_c"))
        table.loc[rows.index, "fraction_fitted"] = cell.fraction(*conditions)
        control = rows.loc[rows["ligand_free_mm"] == 0].groupby("level_mv")["current_pa"].mean()
        measured = rows["level_mv"].map(control)
        large = measured.abs() >= FRACTION_CONTROL_SD * cell.noise_pa
        table.loc[rows.index, "fraction"] = (rows["current_pa"] / measured).where(large)
    return table


def block_table(fractions: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the fraction of the control per group, concentration and level, with the fit of the group.

    Returns
    -------
    DataFrame
        block.csv: experiment, group, ligand, ligand_total_mm, ligand_free_mm, ligand_side, temperature_c,
        potassium_internal_mm, potassium_external_mm, level_mv, membrane_mv, fraction, se, ci_low, ci_high (mean of
        animals, t interval), fit (at the group's Ki(0) and z delta), n_cells, n_animals, n_excluded, reason.
    """
    parameters = group_parameters(fits)
    keys = ["experiment", "group", "ligand", "ligand_side", "ligand_total_mm", "level_mv"]
    solutions = ["ligand_free_mm", "temperature_c", "potassium_internal_mm", "potassium_external_mm", "membrane_mv"]
    rows = []
    for key, at_level in fractions.groupby(keys, sort=False):
        used = at_level[~at_level["excluded"]]
        mean = summarise_cells(used["fraction"], used["animal_id"])
        average = (used if len(used) else at_level)[solutions].mean()
        at = average[["ligand_free_mm", "membrane_mv", "temperature_c"]].to_dict()
        free_mm, potential = at.pop("ligand_free_mm"), at.pop("membrane_mv")
        fit = unblocked_fraction(free_mm, potential, **at, side=key[3], **parameters[key[1]])
        rows.append({
            **dict(zip(keys, key, strict=True)),
            **average,
            **{"fraction": mean.estimate, "se": mean.se, "ci_low": mean.ci_low, "ci_high": mean.ci_high},
            **{"fit": fit, "n_cells": mean.n_cells, "n_animals": mean.n_animals},
            "n_excluded": at_level["cell_id"].nunique() - used["cell_id"].nunique(),
            "reason": mean.reason if mean.n_cells else "control near zero, not measured, or all excluded",
        })  # fmt: skip
    columns = (
        "experiment", "group", "ligand", "ligand_total_mm", "ligand_free_mm", "ligand_side", "temperature_c",
        "potassium_internal_mm", "potassium_external_mm", "level_mv", "membrane_mv", "fraction", "se", "ci_low",
        "ci_high", "fit", "n_cells", "n_animals", "n_excluded", "reason",
    )  # fmt: skip
    order = ["group", "ligand_total_mm", "level_mv"]
    return pd.DataFrame(rows, columns=list(columns)).sort_values(order, ignore_index=True)


def solution_gains(cells: list[CellBlock]) -> pd.DataFrame:
    """Return the gain of each solution against the lowest concentration of its cell; empty without gains.

    Returns
    -------
    DataFrame
        group, cell_id, animal_id, ligand_free_mm (to six digits), gain.
    """
    rows = [
        (
            cell.group,
            cell.cell_id,
            cell.animal_id,
            float(name.removeprefix("ln_gain_").removesuffix("_mm")),
            float(np.exp(estimate)),
        )
        for cell in cells
        if cell.fit is not None
        for name, estimate in cell.fit.estimates.items()
        if name.startswith("ln_gain_")
    ]
    return pd.DataFrame(rows, columns=["group", "cell_id", "animal_id", "ligand_free_mm", "gain"])


def open_ratios(cells: list[CellBlock], low_mm: float, high_mm: float, membrane_mv) -> pd.DataFrame:
    """Return how much larger the current is at a low than at a high free concentration, per group and potential.

    Returns
    -------
    DataFrame
        group, potassium_external_mm, temperature_c, membrane_mv, low_mm, high_mm, ratio, ci_low, ci_high (geometric
        mean of animals), n_cells, n_animals, reason. The ratio means nothing without potential and external K+.
    """
    rows = []
    for group in dict.fromkeys(cell.group for cell in cells):
        known = [c for c in cells if c.group == group and c.ln_ki0.verdict != "not_identified"]
        for potential in membrane_mv:
            ratios = [cell.fraction(low_mm, potential) / cell.fraction(high_mm, potential) for cell in known]
            mean = summarise_cells(ratios, [cell.animal_id for cell in known], log=True)
            potassium, temperature = (
                np.mean([getattr(c, name) for c in known]) if known else np.nan
                for name in ("potassium_external_mm", "temperature_c")
            )
            numbers = (mean.estimate, mean.ci_low, mean.ci_high, mean.n_cells, mean.n_animals, mean.reason)
            rows.append((group, potassium, temperature, potential, low_mm, high_mm, *numbers))
    columns = (
        "group", "potassium_external_mm", "temperature_c", "membrane_mv", "low_mm", "high_mm", "ratio", "ci_low",
        "ci_high", "n_cells", "n_animals", "reason",
    )  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns))
