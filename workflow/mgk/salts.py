"""Salts of one blocking cation compared on the same cells: what the cation does, and what each anion does besides.

What it is for: a cell is recorded in several concentrations of two salts of Mg2+ (aspartate and citrate, say) and
without either. A difference between the salts at the same *total* may come from four things, which are kept apart:

- *block*: the anion binds the cation, so that the free concentrations differ; the block is Woodhull's, on free Mg2+;
- *zinc*: the anion binds Zn2+, which inhibits at all potentials alike; calculated from free Zn2+ of the recipes;
- *other*: what is left of the gain of a solution when zinc is taken out of it, agonist action of the anion among it;
- *all*: their product, the current against the control.

A gain is the same at all potentials and block is not, which is how they are told apart in one cell.

Two models of the control: Woodhull's, in which it is free at each potential, and that of Jahr and Stevens (1990), a
line through a reversal potential,

    I = G g (V - E) / (1 + [Mg] / K0 exp(-s V))

with K0 the free concentration that halves the current at 0 mV and s the slope per mV, which is z delta F/RT.

Vocabulary and units: *salt*, a condition of the table of recordings; *gain*, g, of a solution against the control;
`k0_mm`, `slope_per_mv`, `conductance_ns`, `reversal_mv`; concentrations in mM, potentials in mV, currents in pA.

Limits: an external blocker, one site, in equilibrium. *Other* holds whatever else differs between solutions: rundown,
a wrong constant of stability, a wrong IC50 of Zn2+. Zinc that unbinds with potential would count as block.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.block import BlockModel, fit_woodhull, unblocked_fraction
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.measured_currents import in_recipe, load_currents
from mgk.solutions import internal_external
from mgk.solutions.recipes import read_recipe
from mgk.statistics import FIT_COLUMNS, compare_groups, fit_row, group_rows, holm, summarise_cells
from mgk.study import Study
from mgk.tables import InputError, read_table

CONTROL = "control"
EFFECTS = ("block", "zinc", "other", "all")
WOODHULL, JAHR_STEVENS = "woodhull_external_gain", "jahr_stevens_gain"
# A potential at which this much of the current is free tells a gain from block; assumed, no source.
RELIEVED = 0.75
GEOMETRIC = ("ki0_mm", "k0_mm", "conductance_ns")


@dataclass(frozen=True)
class Zinc:
    """Inhibition by free Zn2+ that does not depend on potential: 1 / (1 + (c / IC50)^n)."""

    ic50_mm: float
    hill: float

    def relief(self, free_mm):
        """Return what Zn2+ leaves of the current at a free concentration in mM."""
        return 1 / (1 + (np.asarray(free_mm, float) / self.ic50_mm) ** self.hill)


@dataclass(frozen=True)
class SaltCell:
    """One cell: its solutions and both fits, or the reason why there is none.

    `solutions` has a row per salt and total above 0, with the control's Zn2+ in `zinc_control_mm`.
    """

    experiment: str
    cell_id: str
    animal_id: str
    temperature_c: float
    solutions: pd.DataFrame
    woodhull: CurveFit | None = None
    jahr_stevens: CurveFit | None = None
    reason: str = ""


def settings_of(given: Mapping) -> tuple[dict[str, str], Zinc, list[float]]:
    """Return, of the experiment's `salts`, the anion of each salt (the reference first), Zn2+, and the potentials."""
    asked = given["salts"]
    zinc = Zinc(asked["zinc"]["ic50_mm"]["value"], asked["zinc"]["hill"]["value"])
    return dict(asked["anions"]), zinc, [float(v) for v in asked["at_mv"]]


def load_points(project: Study, experiment: str) -> pd.DataFrame:
    """Return `load_currents` of an experiment with its solutions.

    Returns
    -------
    DataFrame
        Also zinc_free_mm and anion_total_mm (of the external solution; 0 where the recipe has none) and solution (the
        salt and its total, or control).

    Raises
    ------
    InputError
        When an external solution has no recipe.
    """
    anions, _, _ = settings_of(project.experiment("recordings", experiment))
    free_ions = read_table(project.results / "solutions" / "free_ions.csv") if project.solutions() else None
    points = load_currents(project, experiment)
    rows = project.table("recordings").set_index("recording_id")
    sources = points["recording_id"].str.split(", segment ").str[0]
    baths = {name: internal_external(rows.loc[name].to_dict()).get("external", "") for name in sources.unique()}
    for name, bath in baths.items():
        if not in_recipe(bath, "Mg", free_ions)[1]:
            raise InputError(f"raw_data/recordings.csv, {name}: no recipe of its external solution {bath!r}: free Zn2+ "
                             "and the anion come from it")  # fmt: skip
    points["zinc_free_mm"] = [in_recipe(baths[name], "Zn", free_ions)[0] for name in sources]
    totals = {bath: read_recipe(project.solutions()[bath], project.constants).totals_mm for bath in {*baths.values()}}
    points["anion_total_mm"] = [
        totals[baths[name]].get(anions[salt], 0.0) if salt in anions else np.nan
        for name, salt in zip(sources, points["group"], strict=True)
    ]
    return with_solutions(points)


def with_solutions(points: pd.DataFrame) -> pd.DataFrame:
    """Name the solution of each point: its salt and total, or control where there is none of the blocker."""
    named = points["group"] + " " + points["ligand_total_mm"].map("{:g} mM".format)
    return points.assign(solution=named.where(points["ligand_total_mm"] > 0, CONTROL))


def fit_cells(points: pd.DataFrame) -> list[SaltCell]:
    """Fit each cell in all its solutions at once, by Woodhull and by Jahr and Stevens.

    Parameters
    ----------
    points : DataFrame
        Table of `load_points`. Excluded rows are not fitted; a cell of which too little is left has a reason instead.
    """
    return [_fit_cell(cell) for _, cell in points.groupby("cell_id", sort=False)]


def _fit_cell(cell: pd.DataFrame) -> SaltCell:
    first, used = cell.iloc[0], cell[~cell["excluded"]]
    solutions = _solutions(used)
    head = (first["experiment"], first["cell_id"], first["animal_id"], float(cell["temperature_c"].mean()), solutions)
    if reason := _why_no_fit(cell, used):
        return SaltCell(*head, reason=reason)
    woodhull = fit_woodhull(used, "external", BlockModel(gain=True))
    return SaltCell(*head, woodhull, fit_jahr_stevens(used, woodhull))


def _solutions(used: pd.DataFrame) -> pd.DataFrame:
    columns = ["ligand_free_mm", "zinc_free_mm", "anion_total_mm"]
    salts = used[used["solution"] != CONTROL]
    table = salts.groupby(["group", "ligand_total_mm", "solution"], sort=False)[columns].mean().reset_index()
    return table.assign(zinc_control_mm=used.loc[used["solution"] == CONTROL, "zinc_free_mm"].mean())


def _why_no_fit(cell: pd.DataFrame, used: pd.DataFrame) -> str:
    if used.empty:
        return "excluded: " + "; ".join(cell["reason"].unique())
    if (used["ligand_side"][used["ligand_total_mm"] > 0] != "external").any():
        return "the blocker is not on the outside"
    if (used["solution"] != CONTROL).all():
        return "no control: every solution has the blocker; record one without"
    if used["level_mv"].nunique() < 3:
        return "fewer than three potentials: a gain cannot be told from block; record at more"
    if (used["solution"] == CONTROL).all():
        return "control alone: record a solution with the blocker"
    return ""


def fit_jahr_stevens(points: pd.DataFrame, woodhull: CurveFit) -> CurveFit:
    """Fit a line through the reversal potential, blocked as Jahr and Stevens (1990) write it, to one cell.

    Parameters
    ----------
    points : DataFrame
        solution, membrane_mv, ligand_free_mm, current_pa of one cell.
    woodhull : CurveFit
        Where the search begins.

    Returns
    -------
    CurveFit
        Parameters ln_conductance (nS), reversal_mv, ln_k0 (mM), slope_per_mv, and a gain for each solution but the
        control.
    """
    potential, free_mm, current = (points[n].to_numpy(float) for n in ("membrane_mv", "ligand_free_mm", "current_pa"))
    gains = [name for name in woodhull.parameters if name.startswith("ln_gain_")]
    of_gain = np.array([points["solution"] == name.removeprefix("ln_gain_") for name in gains]).reshape(len(gains), -1)

    def model(_, ln_conductance, reversal_mv, ln_k0, slope_per_mv, **ln_gain):
        gain = np.exp(np.array([*ln_gain.values()]) @ of_gain) if ln_gain else 1.0
        block = 1 + free_mm * np.exp(-ln_k0 - slope_per_mv * potential)
        return np.exp(ln_conductance) * gain * (potential - reversal_mv) / block

    control = (points["solution"] == CONTROL).to_numpy()
    slope, offset = np.polyfit(potential[control], current[control], 1)
    start = {
        "ln_conductance": float(np.log(max(slope, 1e-3))),
        "reversal_mv": float(-offset / slope) if slope else 0.0,
        "ln_k0": woodhull.estimates["ln_ki0"],
        "slope_per_mv": woodhull.estimates["z_delta"] / 25.0,
    }
    named = list(start)
    start |= {name: woodhull.estimates[name] for name in gains}
    return fit_curve(model, None, current, start, profile=named, starts=2)


def fitted_currents(points: pd.DataFrame, cells: list[SaltCell]) -> pd.Series:
    """Return the current of Woodhull's fit at each point that was fitted, pA, indexed as the points."""
    of_cells = []
    for cell in cells:
        used = points[(points["cell_id"] == cell.cell_id) & ~points["excluded"]]
        if cell.woodhull:
            of_cells.append(used["current_pa"] - cell.woodhull.residuals)
    return pd.concat([pd.Series(dtype=float), *of_cells])


def fits_table(cells: list[SaltCell]) -> pd.DataFrame:
    """Return fits.csv: Woodhull's and Jahr and Stevens' parameters of each cell, then of all cells over animals."""
    rows = []
    for cell in cells:
        for model, names in PARAMETERS.items():
            fit = cell.woodhull if model == WOODHULL else cell.jahr_stevens
            for name, (shown, unit) in names.items():
                estimate = fit.parameters[name] if fit else Estimate(*[np.nan] * 4, "not_identified", cell.reason)
                estimate = estimate.weakened(_doubt(cell)) if fit and name != "reversal_mv" else estimate
                estimate = estimate.exp() if name.startswith("ln_") else estimate
                rows.append(fit_row(cell.experiment, "all", cell.cell_id, model, shown, unit, estimate))
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    animals = {cell.cell_id: cell.animal_id for cell in cells}
    return pd.concat([fits, group_rows(fits, animals, GEOMETRIC)], ignore_index=True)


PARAMETERS = {
    WOODHULL: {"ln_ki0": ("ki0_mm", "mM"), "z_delta": ("z_delta", "1")},
    JAHR_STEVENS: {
        "ln_k0": ("k0_mm", "mM"),
        "slope_per_mv": ("slope_per_mv", "1/mV"),
        "ln_conductance": ("conductance_ns", "nS"),
        "reversal_mv": ("reversal_mv", "mV"),
    },
}


def _doubt(cell: SaltCell) -> str:
    """Say what the design lacks for telling a gain from block."""
    driving = cell.woodhull.problem.model.driving
    ki = np.exp(cell.woodhull.estimates["ln_ki0"] - cell.woodhull.estimates["z_delta"] * driving.min())
    left = 1 / (1 + cell.solutions["ligand_free_mm"].max() / ki)
    if cell.solutions["ligand_total_mm"].nunique() < 2:
        return "one concentration of each salt; a second would help"
    if left < RELIEVED:
        return (
            f"at the most positive potential {100 * left:.0f} % of the current is free of block: record at higher ones"
        )
    return ""


def models_table(cells: list[SaltCell]) -> pd.DataFrame:
    """Return how the two models of the control compare: cells, parameters, and the sum of AICc differences."""
    fitted = [cell for cell in cells if cell.woodhull]
    base = np.array([cell.woodhull.aicc for cell in fitted])
    rows = []
    for model in PARAMETERS:
        fits = [cell.woodhull if model == WOODHULL else cell.jahr_stevens for cell in fitted]
        sizes = [len(fit.residuals) - fit.dof for fit in fits]
        difference = float(np.sum([fit.aicc for fit in fits] - base)) if fits else np.nan
        rows.append((model, len(fits), float(np.mean(sizes)) if sizes else np.nan, difference))
    return pd.DataFrame(rows, columns=["model", "cells", "parameters", "aicc_difference"])


EFFECT_COLUMNS = (
    "experiment", "salt", "unit_id", "animal_id", "ligand_total_mm", "ligand_free_mm", "zinc_free_mm", "anion_total_mm",
    "membrane_mv", "effect", "ratio", "ci_low", "ci_high", "n_cells", "n_animals", "reason",
)  # fmt: skip


def effects_table(cells: list[SaltCell], zinc: Zinc, at_mv) -> pd.DataFrame:
    """Return what each effect makes of the current, against the control, per cell and over animals.

    Parameters
    ----------
    cells : list of SaltCell
        As fitted; a cell without a fit has no ratio and its reason.
    zinc : Zinc
        How free Zn2+ inhibits.
    at_mv : sequence of float
        Potentials, mV.

    Returns
    -------
    DataFrame
        EFFECT_COLUMNS: rows of cells (unit_id), then of the salts (unit_id empty; geometric mean of animals, t
        interval). *all* is the product of the other three, at the fit of Woodhull.
    """
    rows = [row for cell in cells for v in at_mv for row in _effects(cell, zinc, float(v))]
    own = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))
    keys = ["experiment", "salt", "ligand_total_mm", "membrane_mv", "effect"]
    groups = []
    for key, members in own.groupby(keys, sort=False):
        mean = summarise_cells(members["ratio"], members["animal_id"], log=True)
        free = members[["ligand_free_mm", "zinc_free_mm", "anion_total_mm"]].mean()
        reason = CALCULATED if key[-1] == "zinc" else mean.reason
        limits = (np.nan, np.nan) if key[-1] == "zinc" else (mean.ci_low, mean.ci_high)
        numbers = (mean.estimate, *limits, mean.n_cells, mean.n_animals, reason)
        groups.append((key[0], key[1], "", "", key[2], *free, *key[3:], *numbers))
    return pd.concat([own, pd.DataFrame(groups, columns=list(EFFECT_COLUMNS))], ignore_index=True)


CALCULATED = "calculated from the recipes and the stated IC50: no error of its own"


def _effects(cell: SaltCell, zinc: Zinc, membrane_mv: float) -> list[tuple]:
    rows = []
    for of in cell.solutions.itertuples():
        ratios = dict.fromkeys(EFFECTS, np.nan)
        if cell.woodhull:
            found = cell.woodhull.estimates
            gain = np.exp(found[f"ln_gain_{of.solution}"])
            ki0_mm, z_delta = np.exp(found["ln_ki0"]), found["z_delta"]
            block = unblocked_fraction(of.ligand_free_mm, membrane_mv, ki0_mm, z_delta, cell.temperature_c, "external")
            relief = float(zinc.relief(of.zinc_free_mm) / zinc.relief(of.zinc_control_mm))
            ratios = {"block": float(block), "zinc": relief, "other": gain / relief, "all": float(block * gain)}
        solution = (of.ligand_total_mm, of.ligand_free_mm, of.zinc_free_mm, of.anion_total_mm, membrane_mv)
        head = (cell.experiment, of.group, cell.cell_id, cell.animal_id, *solution)
        rows += [(*head, name, ratio, np.nan, np.nan, 1, 1, cell.reason) for name, ratio in ratios.items()]
    return rows


COMPARISON_COLUMNS = (
    "experiment", "reference", "salt", "ligand_total_mm", "membrane_mv", "effect", "ratio", "ci_low", "ci_high", "df",
    "p", "p_holm", "n_cells", "n_animals", "method", "reason",
)  # fmt: skip


def compare_salts(effects: pd.DataFrame, salts: list[str]) -> pd.DataFrame:
    """Compare each salt with the first, effect by effect: ratios within cells, averaged within animals (paired).

    Returns
    -------
    DataFrame
        COMPARISON_COLUMNS: ratio of the effects, salt over reference; p by a paired t test on the logarithms, adjusted
        by Holm over all tests of the table. Zinc is calculated and has no test.
    """
    own = effects[effects["unit_id"] != ""]
    rows = []
    for salt in salts[1:]:
        for key, at in own.groupby(["experiment", "ligand_total_mm", "membrane_mv", "effect"], sort=False):
            two = at[at["salt"].isin((salts[0], salt))]
            found = compare_groups(
                two["ratio"],
                two["salt"].to_numpy(),
                two["animal_id"].to_numpy(),
                (salts[0], salt),
                cell_ids=two["unit_id"].to_numpy(),
                pair_ids=two["unit_id"].to_numpy(),
                log=True,
            )
            tested = (found.difference, found.ci_low, found.ci_high, found.df, found.p, np.nan)
            method, reason = found.method, found.reason
            if key[-1] == "zinc":
                tested, method, reason = (found.difference, *[np.nan] * 5), "calculated", CALCULATED
            rows.append((key[0], salts[0], salt, *key[1:], *tested, found.n_cells, found.n_animals, method, reason))
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    table["p_holm"] = holm(table["p"]) if len(table) else table["p_holm"]
    return table


def ratio_of_currents(points: pd.DataFrame) -> pd.DataFrame:
    """Return measured current over measured control, per cell, solution and level: what no model has touched.

    Returns
    -------
    DataFrame
        cell_id, animal_id, salt, ligand_total_mm, level_mv, membrane_mv, ratio; rows of the control are left out.
    """
    used = points[~points["excluded"]]
    keys = ["cell_id", "animal_id", "group", "solution", "ligand_total_mm", "level_mv"]
    means = used.groupby(keys, sort=False)[["membrane_mv", "current_pa"]].mean().reset_index()
    control = means[means["solution"] == CONTROL].groupby(["cell_id", "level_mv"])["current_pa"].mean()
    salts = means[means["solution"] != CONTROL].rename(columns={"group": "salt"})
    measured = pd.MultiIndex.from_frame(salts[["cell_id", "level_mv"]]).map(control)
    columns = ["cell_id", "animal_id", "salt", "ligand_total_mm", "level_mv", "membrane_mv", "ratio"]
    return salts.assign(ratio=salts["current_pa"] / np.asarray(measured, float))[columns].reset_index(drop=True)
