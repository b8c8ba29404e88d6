"""Voltage-dependent block of a channel by a charged ligand (Woodhull 1973), fitted per cell, then cells in animals.

I(V, c) = I0(V) / (1 + c / Ki(V)), with c the *free* concentration of the blocker. A blocker that enters the field of
the membrane from inside is driven in by depolarisation, one from outside by hyperpolarisation:

    internal: Ki(V) = Ki(0) exp(-z delta F V / RT)      external: Ki(V) = Ki(0) exp(+z delta F V / RT)

All concentrations and potentials of a cell are fitted at once, together with its control I0, which is free at each
level. Currents are fitted, not ratios: levels near the reversal potential then weigh as little as they know, and
nothing is divided by a current near zero.

The recordings of a cell in its solutions need not have one gain: channels are lost (rundown), a seal changes. Each cell
is therefore also fitted with a free gain per solution, which the shape of the block over potential can tell from block.
One of the two models is taken for all cells of an experiment, by the sum of their AICc.

Vocabulary and units: `ki0_mm`, Ki(0) in mM; `z_delta`, valence times the electrical distance from the blocker's own
side; *control*, I0; *level*, the potential of like commands (mV); *fraction*, I/I0. Fits and verdicts: `mgk.fitting`.

Limits: one site, in equilibrium, a blocker that does not permeate. A leak that the blocker does not reach is part of
the control and biases Ki(0) upwards. AICc sees gains only where they stand out of the noise: with gains that vary by
2 % and noise of 3 % it mostly keeps one gain, and 95 % intervals of single cells then cover 72 % (144 simulated cells;
no variation 94 %; gains fitted 95 %). Effects of permeant ions on the site appear as different Ki(0) of the groups, not
as a parameter.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline

from mgk.constants import thermal_voltage_mv
from mgk.fitting import VERDICTS, CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows, summarise_cells
from mgk.tables import InputError

SIGN = {"internal": -1.0, "external": 1.0}
FEWEST_CONCENTRATIONS = 2
# Residual SD over the mean size of the control: 3 % recovers Ki(0) within 3 %, 10 % does not (the project's notes on
# recordings, section 6); the limit between them is assumed, no source.
HIGHEST_NOISE = 0.05
# The sum of AICc must be lower by this much before a gain per solution is taken (Burnham & Anderson 2002: a model that
# is worse by more than 10 has essentially no support).
GAIN_AICC = 10.0
# A fraction is shown where its control is at least this many residual SD.
FRACTION_CONTROL_SD = 10.0


@dataclass(frozen=True)
class CellBlock:
    """One cell's block: ln Ki(0) and z delta with their verdicts.

    `fit` is None where nothing could be fitted; `fitted_pa` is indexed as the points that were fitted; `gain` tells
    whether each solution had a gain of its own.
    """

    experiment: str
    group: str
    cell_id: str
    animal_id: str
    side: str
    temperature_c: float
    potassium_external_mm: float
    ln_ki0: Estimate
    z_delta: Estimate
    gain: bool = False
    fit: CurveFit | None = None
    fitted_pa: pd.Series | None = None

    @property
    def noise_pa(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.fit.rss / self.fit.dof)) if self.fit and self.fit.dof > 0 else np.nan


def blocking_constant_mm(membrane_mv, ki0_mm, z_delta, temperature_c, side: str):
    """Return Ki(V) in mM of a blocker on `side` (internal or external).

    Raises
    ------
    InputError
        When the side is neither.
    """
    if side not in SIGN:
        raise InputError(f"side of the blocker: {side!r}; allowed: {', '.join(SIGN)}")
    return ki0_mm * np.exp(SIGN[side] * z_delta * np.asarray(membrane_mv) / thermal_voltage_mv(temperature_c))


def unblocked_fraction(free_mm, membrane_mv, ki0_mm, z_delta, temperature_c, side: str):
    """Return I/I0 = 1 / (1 + c / Ki(V)) at a free concentration c in mM (Woodhull 1973)."""
    return 1 / (1 + free_mm / blocking_constant_mm(membrane_mv, ki0_mm, z_delta, temperature_c, side))


def fit_cells(points: pd.DataFrame, gain: bool | None = None) -> list[CellBlock]:
    """Fit each cell of each group.

    Parameters
    ----------
    points : DataFrame
        Table of `mgk.currents.steady_currents`. Excluded rows are not fitted; a cell of which nothing else remains is
        returned as not identified, with the reason of its exclusion.
    gain : bool, optional
        Whether each solution has a gain of its own; by default, when that lowers the sum of AICc by more than 10.

    Raises
    ------
    InputError
        When no recording has a blocker, one that is to be fitted has no temperature, or a cell's blocker is on both
        sides.
    """
    if not (points["ligand_free_mm"] > 0).any():
        raise InputError("block needs a ligand: no recording of this experiment has any (ligand, ligand_total_mm)")
    gain = aicc_gained(points) > GAIN_AICC if gain is None else gain
    return [_fit_cell(cell, gain) for _, cell in points.groupby(["group", "cell_id"], sort=False)]


def aicc_gained(points: pd.DataFrame) -> float:
    """Return by how much a gain per solution lowers the sum of AICc over the cells that allow both models."""
    differences = [0.0]
    for _, cell in points.groupby(["group", "cell_id"], sort=False):
        used = cell[~cell["excluded"]]
        if not _why_no_fit(cell, used):
            side = _side(cell)
            without, with_gain = (fit_woodhull(used, side, gain=gain, profile=False) for gain in (False, True))
            difference = without.aicc - with_gain.aicc
            differences.append(0.0 if np.isnan(difference) else difference)
    return float(np.sum(differences))


def _side(cell: pd.DataFrame) -> str:
    sides = cell.loc[cell["ligand_free_mm"] > 0, "ligand_side"].unique()
    if len(sides) > 1:
        raise InputError(f"cell {cell['cell_id'].iloc[0]}: the blocker is on both sides; one fit takes one side")
    return sides[0] if len(sides) else cell["ligand_side"].iloc[0]


def _fit_cell(cell: pd.DataFrame, gain: bool) -> CellBlock:
    first = cell.iloc[0]
    used = cell[~cell["excluded"]]
    side = _side(cell)
    conditions = (float(cell[name].mean()) for name in ("temperature_c", "potassium_external_mm"))
    head = (first["experiment"], first["group"], first["cell_id"], first["animal_id"], side, *conditions)
    reason = _why_no_fit(cell, used)
    if reason:
        nothing = Estimate(*[np.nan] * 4, "not_identified", reason)
        return CellBlock(*head, nothing, nothing, gain)
    fit = fit_woodhull(used, side, gain=gain)
    ln_ki0, z_delta = fit.parameters["ln_ki0"], fit.parameters["z_delta"]
    for reason in _weaknesses(used, fit, side):
        ln_ki0, z_delta = _weaken(ln_ki0, reason), _weaken(z_delta, reason)
    return CellBlock(*head, ln_ki0, z_delta, gain, fit, used["current_pa"] - fit.residuals)


def _why_no_fit(cell: pd.DataFrame, used: pd.DataFrame) -> str:
    if used.empty:
        return "excluded: " + "; ".join(cell["reason"].unique())
    if not (used["ligand_free_mm"] > 0).any():
        return "no blocker in any recording that is not excluded"
    if used["ligand_free_mm"].nunique() < 2:
        return "one concentration and no control"
    if used["level_mv"].nunique() < 2:
        return "one potential: Ki(0) and z delta need several"
    if (np.diff(used.groupby("level_mv")["membrane_mv"].mean()) <= 0).any():
        return "the membrane potentials of neighbouring levels are not in order"
    return ""


def fit_woodhull(points: pd.DataFrame, side: str, *, gain: bool = False, profile: bool = True) -> CurveFit:
    """Fit currents of one cell at all concentrations and potentials with its control.

    Parameters
    ----------
    points : DataFrame
        level_mv, membrane_mv, ligand_free_mm, current_pa, temperature_c.
    side : str
        Side of the blocker, internal or external.
    gain : bool
        A free gain for each concentration but the lowest: what rundown or another seal would do.
    profile : bool
        Whether the intervals of ln_ki0 and z_delta are profiled.

    Returns
    -------
    CurveFit
        Parameters ln_ki0 (Ki(0) in mM), z_delta, the control at each level (pA) and, with `gain`, ln_gain_1_mm ... of
        the concentrations above the lowest. The control between levels, where a corrected membrane potential lies
        beside the mean of its level, is the cubic spline through the levels.

    Raises
    ------
    InputError
        When a recording has no temperature.
    """
    if points["temperature_c"].isna().any():
        missing = points.loc[points["temperature_c"].isna(), "recording_id"].iloc[0]
        raise InputError(f"raw_data/recordings.csv, {missing}, temperature_c: empty: RT/F of the fit needs it, C")
    potential = points["membrane_mv"].to_numpy()
    free_mm = points["ligand_free_mm"].to_numpy()
    current = points["current_pa"].to_numpy()
    by_level = points.groupby("level_mv")
    nodes = by_level["membrane_mv"].mean().to_numpy()
    control = make_interp_spline(nodes, np.eye(nodes.size), k=min(3, nodes.size - 1))(potential)
    reduced = -SIGN[side] * potential / thermal_voltage_mv(points["temperature_c"].to_numpy())
    concentrations = np.unique(free_mm)
    solution = np.searchsorted(concentrations, free_mm)
    # The current at the lowest concentration of a level is the first guess of its control.
    lowest = by_level[["ligand_free_mm", "current_pa"]].apply(
        lambda level: level.loc[level["ligand_free_mm"] == level["ligand_free_mm"].min(), "current_pa"].mean()
    )
    start = {"ln_ki0": float(np.log(np.median(concentrations[concentrations > 0]))), "z_delta": 0.5}
    start |= {f"control_{level:g}_mv": value for level, value in lowest.items()}
    start |= {f"ln_gain_{mm:.6g}_mm": 0.0 for mm in concentrations[1:]} if gain else {}

    def current_of(x, ln_ki0, z_delta, **linear):
        control, free_mm, reduced = x
        values = np.array(list(linear.values()))
        level_pa, ln_gain = values[: nodes.size], np.append(np.zeros(1), values[nodes.size :])
        unblocked = control @ level_pa / (1 + free_mm * np.exp(z_delta * reduced - ln_ki0))
        return unblocked * np.exp(ln_gain[solution]) if gain else unblocked

    return fit_curve(
        current_of, (control, free_mm, reduced), current, start, profile=["ln_ki0", "z_delta"] if profile else []
    )


def _weaknesses(points: pd.DataFrame, fit: CurveFit, side: str) -> list[str]:
    """Say what the design or the data of a cell lack for a firm Ki(0), whatever the width of its interval."""
    blocking = np.unique(points.loc[points["ligand_free_mm"] > 0, "ligand_free_mm"])
    control = np.array([value for name, value in fit.estimates.items() if name.startswith("control_")])
    temperature = points["temperature_c"].to_numpy()
    ki = blocking_constant_mm(
        points["membrane_mv"].to_numpy(), np.exp(fit.estimates["ln_ki0"]), fit.estimates["z_delta"], temperature, side
    )
    noise = np.sqrt(fit.rss / fit.dof) / np.abs(control).mean() if fit.dof > 0 else np.inf
    reasons = []
    if blocking.size < FEWEST_CONCENTRATIONS:
        reasons.append("one concentration of the blocker")
    elif not ((blocking[0] < ki) & (ki < blocking[-1])).any():
        reasons.append(f"{blocking[0]:.3g} to {blocking[-1]:.3g} mM do not bracket Ki(V) at any potential")
    if noise > HIGHEST_NOISE:
        reasons.append(f"noise is {100 * noise:.1f} % of the control")
    return reasons


def _weaken(estimate: Estimate, reason: str) -> Estimate:
    worse = max(estimate.verdict, "weak", key=VERDICTS.index)
    return replace(estimate, verdict=worse, reason="; ".join(filter(None, [estimate.reason, reason])))


def block_fits(cells: list[CellBlock]) -> pd.DataFrame:
    """Return Ki(0) and z delta as fits.csv: a row per cell, then per group.

    The mean of a group is over its animals: geometric for Ki(0), arithmetic for z delta.
    """
    rows = []
    for cell in cells:
        model = f"woodhull_{cell.side}" + ("_gain" if cell.gain else "")
        head = (cell.experiment, cell.group, cell.cell_id, model)
        rows.append(fit_row(*head, "ki0_mm", "mM", cell.ln_ki0.exp()))
        rows.append(fit_row(*head, "z_delta", "1", cell.z_delta))
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    animals = {cell.cell_id: cell.animal_id for cell in cells}
    return pd.concat([fits, group_rows(fits, animals, geometric=("ki0_mm",))], ignore_index=True)


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
        table.loc[rows.index, "fraction_fitted"] = unblocked_fraction(
            rows["ligand_free_mm"],
            rows["membrane_mv"],
            np.exp(cell.ln_ki0.value),
            cell.z_delta.value,
            rows["temperature_c"],
            cell.side,
        )
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
    groups = fits[fits["unit_id"] == ""].set_index(["group", "parameter"])["estimate"]
    keys = ["experiment", "group", "ligand", "ligand_side", "ligand_total_mm", "level_mv"]
    solutions = ["ligand_free_mm", "temperature_c", "potassium_internal_mm", "potassium_external_mm", "membrane_mv"]
    rows = []
    for key, at_level in fractions.groupby(keys, sort=False):
        used = at_level[~at_level["excluded"]]
        mean = summarise_cells(used["fraction"], used["animal_id"])
        average = at_level[solutions].mean()
        parameters = [groups.get((key[1], name), np.nan) for name in ("ki0_mm", "z_delta")]
        fit = unblocked_fraction(
            average["ligand_free_mm"], average["membrane_mv"], *parameters, average["temperature_c"], key[3]
        )
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
            ratios = []
            for cell in known:
                at = (potential, np.exp(cell.ln_ki0.value), cell.z_delta.value, cell.temperature_c, cell.side)
                ratios.append(unblocked_fraction(low_mm, *at) / unblocked_fraction(high_mm, *at))
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
