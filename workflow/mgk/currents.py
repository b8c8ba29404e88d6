"""Current-voltage relations of the points of `mgk.measured_currents`: curves, reversal potentials, conductances.

`window_reversals` finds the reversal potentials, once; `cell_curves`, `cell_fits` and `group_curves` make the tables of
the current-voltage notebook of them; gating by voltage is the business of `mgk.gating`.

Vocabulary and units: potentials in mV, inside against outside; currents in pA, outward positive (the membrane's
convention); conductances in nS; concentrations in mM, *free* unless the name says total. *Level*: the
potential of like commands. *Reversal potential*: where the current is zero. *Slope conductance*: dI/dV there.
*Chord conductance*: I / (V - reversal potential) at a stated potential.

Limits: mean currents in windows of voltage steps or in bins of a ramp, measured against the amplifier's zero. The
current at the holding potential stays in, unless `corrections.baseline` takes it off: where the holding potential is
not the reversal potential it is the channels' own current, and subtracting it would move the reversal potential to the
holding potential. Corrections of potential and current, and the choice of windows, belong to `mgk.recordings`; free
ions to `mgk.solutions`; block to `mgk.block`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import t

from mgk.constants import thermal_voltage_mv
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.measured_currents import POINT_COLUMNS, fitted_window, group_label, in_recipe
from mgk.solutions import internal_external
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows, summarise_cells
from mgk.study import Study
from mgk.tables import read_table

# Levels on which the local polynomial at the reversal potential rests, and the fewest that allow one.
LOCAL_LEVELS = 6
FEWEST_LEVELS = 4
# Nearer to the reversal potential the chord conductance is the quotient of two small numbers.
CHORD_FROM_MV = 10.0
# A confidence limit farther away makes a reversal potential weak (assumed, no source).
WEAK_REVERSAL_MV = 10.0


# By recording: E and the fit that it comes from, as `reversal_potential` returns them.
Reversals = dict[str, tuple[Estimate, CurveFit | None]]


def window_reversals(
    windows: dict[str, pd.DataFrame], fit: str = "none", fit_window: str = "steady"
) -> dict[str, Reversals]:
    """Return `reversal_potentials` of the window that is fitted (`fitted_window`), by its name.

    There are none where gating is fitted (`fit`): such a current is nought at many potentials, and its zero that of the
    leak.
    """
    fitted = fitted_window(windows, fit_window)
    return {fitted: reversal_potentials(windows[fitted])} if fit == "none" else {}


def window_curves(
    windows: dict[str, pd.DataFrame], reversals: dict[str, Reversals]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `cell_curves` and `group_curves` of all windows of an experiment, with their `window_reversals`."""
    cells = [cell_curves(p, w, reversals.get(w, {})) for w, p in windows.items()]
    groups = [group_curves(p, w) for w, p in windows.items()]
    return pd.concat(cells, ignore_index=True), pd.concat(groups, ignore_index=True)


def cell_curves(points: pd.DataFrame, window: str, reversals: Reversals) -> pd.DataFrame:
    """Average the sweeps of each recording at each level, and add the chord conductance.

    Returns
    -------
    DataFrame
        Columns of the points without sweep, with window, n_sweeps, reversal_mv and chord_conductance_ns (empty where
        `reversals` has none that is identified, and within 10 mV of it).
    """
    keys = [c for c in POINT_COLUMNS if c not in ("sweep", "membrane_mv", "current_pa")]
    curves = points.groupby(keys, sort=False, dropna=False).agg(
        membrane_mv=("membrane_mv", "mean"), current_pa=("current_pa", "mean"), n_sweeps=("sweep", "size")
    )
    curves = curves.reset_index()
    curves.insert(1, "window", window)
    identified = {r: e.value for r, (e, _) in reversals.items() if e.verdict != "not_identified"}
    curves["reversal_mv"] = curves["recording_id"].map(identified).astype(float)
    drive = curves["membrane_mv"] - curves["reversal_mv"]
    curves["chord_conductance_ns"] = (curves["current_pa"] / drive).where(drive.abs() >= CHORD_FROM_MV)
    return curves


def cell_fits(points: pd.DataFrame, reversals: Reversals) -> pd.DataFrame:
    """Return reversal potential, slope and chord conductance of each recording and of each group, as fits.csv.

    The group is the condition; with a ligand at more than 0 mM, the condition and the total concentration.
    """
    rows, animals = [], {}
    for recording, (reversal, fit) in reversals.items():
        curve = points[points["recording_id"] == recording]
        first = curve.iloc[0]
        animals[first["cell_id"]] = first["animal_id"]
        head = (first["experiment"], group_label(first), first["cell_id"])
        rows.append(fit_row(*head, "local polynomial", "reversal_mv", "mV", reversal))
        rows.append(fit_row(*head, "local polynomial", "slope_conductance_ns", "nS", _slope(reversal, fit)))
        if fit is not None:
            for level, chord in _chords(curve[~curve["excluded"]], reversal, fit):
                rows.append(fit_row(*head, f"chord at {level:+g} mV", "chord_conductance_ns", "nS", chord))
    cells = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    return pd.concat([cells, group_rows(cells, animals)], ignore_index=True) if rows else cells


def reversal_potential(membrane_mv, current_pa, level_mv) -> tuple[Estimate, CurveFit | None]:
    """Estimate where a current-voltage curve crosses zero.

    A polynomial written around its own root, I = g (V - E) (1 + a (V - E) + b (V - E)^2), is fitted to the six levels
    nearest to the change of sign, so that E and the slope conductance g are parameters with intervals of their own.
    The polynomial is of lower degree with fewer than six levels.

    Returns
    -------
    (Estimate, CurveFit or None)
        E in mV; without a fit the verdict is not_identified and the reason says why.
    """
    membrane_mv, current_pa, level_mv = (np.asarray(a, float) for a in (membrane_mv, current_pa, level_mv))
    levels = np.unique(level_mv)
    potential = np.array([membrane_mv[level_mv == level].mean() for level in levels])
    current = np.array([current_pa[level_mv == level].mean() for level in levels])
    crossings = np.flatnonzero(np.diff(current >= 0))
    reason = ""
    if levels.size < FEWEST_LEVELS:
        reason = f"{levels.size} levels; {FEWEST_LEVELS} are needed"
    elif crossings.size == 0:
        reason = f"the current does not change sign from {levels[0]:g} to {levels[-1]:g} mV"
    elif crossings.size > 1:
        reason = f"the current changes sign {crossings.size} times"
    if reason:
        return Estimate(*[np.nan] * 4, "not_identified", reason), None
    i = crossings[0]
    slope = (current[i + 1] - current[i]) / (potential[i + 1] - potential[i])
    root = potential[i] - current[i] / slope
    near = np.isin(level_mv, levels[np.argsort(np.abs(potential - root), kind="stable")[:LOCAL_LEVELS]])
    terms = {f"curvature_{k}": 0.0 for k in range(2, min(3, int(np.unique(level_mv[near]).size) - 3) + 1)}

    def polynomial(v, reversal_mv, slope_conductance_ns, **curvature):
        drive = (v - reversal_mv) / 100
        shape = 1 + drive * 0
        for k, coefficient in enumerate(curvature.values(), 1):
            shape = shape + coefficient * drive**k
        return 100 * slope_conductance_ns * drive * shape

    fit = fit_curve(
        polynomial,
        membrane_mv[near],
        current_pa[near],
        {"reversal_mv": root, "slope_conductance_ns": slope, **terms},
        bounds={"reversal_mv": (potential.min(), potential.max())},
        profile=["reversal_mv", "slope_conductance_ns"],
    )
    reversal = fit.parameters["reversal_mv"]
    away = max(reversal.ci_high - reversal.value, reversal.value - reversal.ci_low)
    if reversal.verdict == "identified" and away > WEAK_REVERSAL_MV:
        reversal = replace(reversal, verdict="weak", reason=f"a confidence limit is {away:.0f} mV away")
    return reversal, fit


def reversal_potentials(points: pd.DataFrame) -> Reversals:
    """Return `reversal_potential` of each recording; of one that is excluded, why it has none."""
    reversals = {}
    for recording, curve in points.groupby("recording_id", sort=False):
        used = curve[~curve["excluded"]]
        if used.empty:
            reason = "excluded: " + "; ".join(curve["reason"].unique())
            reversals[recording] = Estimate(*[np.nan] * 4, "not_identified", reason), None
        else:
            reversals[recording] = reversal_potential(used["membrane_mv"], used["current_pa"], used["level_mv"])
    return reversals


def _slope(reversal: Estimate, fit: CurveFit | None) -> Estimate:
    return reversal if fit is None else fit.parameters["slope_conductance_ns"]


def _chords(curve: pd.DataFrame, reversal: Estimate, fit: CurveFit):
    """Yield (level, chord conductance) at the lowest and the highest level, with the error of both its parts."""
    if reversal.verdict == "not_identified":
        return
    noise = np.sqrt(fit.rss / fit.dof)
    quantile = t.ppf(0.975, fit.dof)
    for level in (curve["level_mv"].min(), curve["level_mv"].max()):
        at = curve[curve["level_mv"] == level]
        drive = at["membrane_mv"].mean() - reversal.value
        if abs(drive) < CHORD_FROM_MV:
            continue
        chord = at["current_pa"].mean() / drive
        se = float(np.hypot(noise / np.sqrt(len(at)), chord * reversal.se) / abs(drive))
        yield level, Estimate(float(chord), se, float(chord - quantile * se), float(chord + quantile * se))


def group_curves(points: pd.DataFrame, window: str = "steady") -> pd.DataFrame:
    """Return the mean curve of each group: cells averaged, then animals, with a t interval over animals.

    Returns
    -------
    DataFrame
        experiment, window, group, ligand, ligand_total_mm, ligand_free_mm, level_mv, membrane_mv, current_pa, se,
        ci_low, ci_high, n_cells, n_animals, n_excluded (cells), nernst_potassium_mv, reason.
    """
    keys = ["experiment", "group", "ligand", "ligand_total_mm", "level_mv"]
    rows = []
    for key, at_level in points.groupby(keys, sort=False):
        used = at_level[~at_level["excluded"]]
        cells = used.groupby(["cell_id", "animal_id"], sort=False)["current_pa"].mean().reset_index()
        mean = summarise_cells(cells["current_pa"], cells["animal_id"])
        only_excluded = at_level["cell_id"].nunique() - used["cell_id"].nunique()
        at_mv = (used if len(used) else at_level)["membrane_mv"].mean()
        rows.append((
            *key[:4], at_level["ligand_free_mm"].mean(), key[4], at_mv, mean.estimate, mean.se, mean.ci_low,
            mean.ci_high, mean.n_cells, mean.n_animals, only_excluded, at_level["nernst_potassium_mv"].mean(),
            mean.reason,
        ))  # fmt: skip
    columns = (
        "experiment", "group", "ligand", "ligand_total_mm", "ligand_free_mm", "level_mv", "membrane_mv", "current_pa",
        "se", "ci_low", "ci_high", "n_cells", "n_animals", "n_excluded", "nernst_potassium_mv", "reason",
    )  # fmt: skip
    curves = pd.DataFrame(rows, columns=columns)
    curves.insert(1, "window", window)
    return curves.sort_values(["group", "ligand_total_mm", "level_mv"], ignore_index=True)


def sodium_permeability(reversal_mv, potassium_mm, sodium_mm, temperature_c):
    """Return the P_Na/P_K at which GHK gives a reversal potential; NaN where no ratio from 0 on does.

    Parameters
    ----------
    reversal_mv : array_like
        Reversal potential.
    potassium_mm, sodium_mm : (float, float)
        Free concentrations inside and outside.
    """
    (k_in, k_out), (na_in, na_out) = potassium_mm, sodium_mm
    growth = np.exp(np.asarray(reversal_mv, float) / thermal_voltage_mv(temperature_c))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (k_in * growth - k_out) / (na_out - na_in * growth)
    return np.where(np.isfinite(ratio) & (ratio >= 0), ratio, np.nan)


def compare_with_solutions(project: Study, experiment: str, fits: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Put the reversal potential of each group beside what Nernst and GHK expect of its solutions.

    Returns
    -------
    DataFrame
        Columns of `compare_with_nernst`, with sodium_internal_mm and sodium_external_mm of the recipes and
        sodium_permeability (P_Na/P_K) with its limits: what GHK needs for that reversal potential.
    """
    table = compare_with_nernst(fits, points)
    rows = project.table("recordings").set_index("recording_id")
    ions = read_table(project.results / "solutions" / "free_ions.csv") if project.solutions() else None
    firsts = points.assign(label=points.apply(group_label, axis=1)).drop_duplicates("label").set_index("label")
    added = []
    for group, *limits in table[["group", "reversal_mv", "ci_low", "ci_high"]].itertuples(index=False):
        point = firsts.loc[group]
        sides = internal_external(rows.loc[point["recording_id"].split(", segment ")[0]])
        sodium = [in_recipe(sides.get(side, ""), "Na", ions)[0] for side in ("internal", "external")]
        potassium = point["potassium_internal_mm"], point["potassium_external_mm"]
        added.append((*sodium, *sodium_permeability(limits, potassium, sodium, point["temperature_c"])))
    names = ["sodium_internal_mm", "sodium_external_mm", "sodium_permeability", "permeability_low", "permeability_high"]
    return table.join(pd.DataFrame(added, columns=names, dtype=float))


def compare_with_nernst(fits: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Put the reversal potential of each group beside the Nernst potential of K+ between its solutions.

    Returns
    -------
    DataFrame
        group, reversal_mv, ci_low, ci_high, n_cells, n_animals, verdict, nernst_potassium_mv, difference_mv. The Nernst
        potential is empty where one side has no recipe; it is that of a perfectly selective membrane.
    """
    found = fits[(fits["unit_id"] == "") & (fits["parameter"] == "reversal_mv")]
    expected = points.assign(group=points.apply(group_label, axis=1)).groupby("group")["nernst_potassium_mv"].mean()
    shown = ["group", "reversal_mv", "ci_low", "ci_high", "n_cells", "n_animals", "verdict"]
    table = found.rename(columns={"estimate": "reversal_mv"})[shown].reset_index(drop=True)
    table["nernst_potassium_mv"] = table["group"].map(expected)
    table["difference_mv"] = table["reversal_mv"] - table["nernst_potassium_mv"]
    return table
