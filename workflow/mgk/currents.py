"""Current-voltage relations: measured currents joined with what was on both sides of the membrane, then their curves.

`load_currents` makes the one table that this analysis and `mgk.block` work on. `cell_curves`, `cell_fits` and
`group_curves` make the tables of the current-voltage notebook; gating by voltage is the business of `mgk.gating`.

Vocabulary and units: potentials in mV, inside against outside; currents in pA, outward positive (the membrane's
convention); conductances in nS; concentrations in mM, *free* unless the name says total. *Level*: the
potential of like commands. *Reversal potential*: where the current is zero. *Slope conductance*: dI/dV there.
*Chord conductance*: I / (V - reversal potential) at a stated potential.

Limits: mean currents in windows of voltage steps. The current is that measured against the amplifier's zero. The
current at the holding potential is not subtracted: where the holding potential is not the reversal potential it is the
channels' own current, and subtracting it would move the reversal potential to the holding potential. Corrections of
potential and current, and the choice of windows, belong to `mgk.recordings`; free ions to `mgk.solutions`; block to
`mgk.block`.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import t

from mgk.constants import thermal_voltage_mv
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.solutions import internal_external, nernst_mv
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows, summarise_cells
from mgk.study import Study
from mgk.tables import InputError, read_table

# The windows of a current; the potential is always that of the steady one.
WINDOWS = ("steady", "peak", "tail")
# Commands nearer to each other than this are one level (a recorded voltage channel is never twice the same).
LEVEL_GAP_MV = 1.0
# Levels on which the local polynomial at the reversal potential rests, and the fewest that allow one.
LOCAL_LEVELS = 6
FEWEST_LEVELS = 4
# Nearer to the reversal potential the chord conductance is the quotient of two small numbers.
CHORD_FROM_MV = 10.0
# A recipe and a stated total may round differently, not more.
ROUNDING = 0.01
# A confidence limit farther away makes a reversal potential weak (assumed, no source).
WEAK_REVERSAL_MV = 10.0


def load_currents(project: Study, experiment: str, window: str = "steady") -> pd.DataFrame:
    """Read measurements, quality, recordings and free ions of an experiment; return `steady_currents` of them."""
    folder = project.results / "recordings" / experiment
    recordings = project.table("recordings")
    free_ions = read_table(project.results / "solutions" / "free_ions.csv") if project.solutions() else None
    return steady_currents(
        read_table(folder / "measurements.csv"),
        read_table(folder / "quality.csv"),
        recordings[recordings["experiment"] == experiment],
        free_ions,
        window,
    )


def load_windows(project: Study, experiment: str) -> dict[str, pd.DataFrame]:
    """Return `load_currents` of each window that the experiment measures, the steady one first."""
    windows = project.experiment("recordings", experiment)["windows_ms"]
    return {w: load_currents(project, experiment, w) for w in WINDOWS if w in windows}


def steady_currents(measurements, quality, recordings, free_ions=None, window: str = "steady") -> pd.DataFrame:
    """Join each measured current with its cell, its solutions and its verdict of quality.

    Parameters
    ----------
    measurements, quality : DataFrame
        A row per sweep and a row per recording, as `measure_recordings` writes them.
    recordings : DataFrame
        Rows of raw_data/recordings.csv of the experiment.
    free_ions : DataFrame, optional
        results/solutions/free_ions.csv.
    window : str
        The window of the current: steady, peak or tail. The potential is that of the steady window, whichever it is.

    Returns
    -------
    DataFrame
        A row per sweep: experiment, group (the condition), cell_id, animal_id, recording_id, sweep, ligand,
        ligand_side, ligand_total_mm, ligand_free_mm, ligand_source, configuration, temperature_c,
        potassium_internal_mm, potassium_external_mm, nernst_potassium_mv, level_mv, membrane_mv, current_pa, excluded,
        reason. Excluded rows stay in the table. A segment is a recording of its own, named "r1, segment 2".

    Raises
    ------
    InputError
        When a recording is not in the table or without quality, has no ligand side or total where one is needed, or
        its recipe contradicts its stated total.
    """
    said = [c for c in ("ligand", "ligand_total_mm", "segment_exclude") if c in measurements]
    keys = [c for c in ("recording_id", "segment") if c in measurements]
    parts = measurements[keys + said].drop_duplicates(keys)
    chambers = _chambers(recordings.merge(parts, on="recording_id", suffixes=("_of_recording", "")), free_ions, keys)
    verdicts = quality[["recording_id", "verdict", "reason"]]
    points = measurements.drop(columns=said).merge(chambers, on=keys, how="left", validate="many_to_one")
    points = points.merge(verdicts, on="recording_id", how="left", validate="many_to_one")
    for column, place in (("ligand_source", "raw_data/recordings.csv"), ("verdict", "quality.csv")):
        if points[column].isna().any():
            unknown = ", ".join(points.loc[points[column].isna(), "recording_id"].unique()[:5])
            raise InputError(f"{place} has no row for {unknown}, which measurements.csv names")
    if "segment" in points:  # a segment is analysed as a recording of its own
        points["recording_id"] = _part_names(points)
    points["current_pa"] = points[f"{window}_membrane_pa"]
    # The sign of a command means different things in different configurations.
    for _, alike in points.groupby("configuration"):
        points.loc[alike.index, "level_mv"] = voltage_levels(alike["command_mv"], alike["membrane_mv"])
    points["group"] = points["condition"].fillna("").replace("", "all")
    unmeasured = points[["membrane_mv", "current_pa", "level_mv"]].isna().any(axis=1)
    points["reason"] = np.select(
        [points["exclude"] != "", points["verdict"] == "exclude", unmeasured],
        [points["exclude"], points["reason"], "no membrane potential or current: not measured, or no configuration"],
        default="",
    )
    points["excluded"] = (points["exclude"] != "") | (points["verdict"] == "exclude") | unmeasured
    order = ["group", "cell_id", "ligand_total_mm", "recording_id", "level_mv", "sweep"]
    return points.sort_values(order, kind="stable")[list(POINT_COLUMNS)].reset_index(drop=True)


def _part_names(table: pd.DataFrame) -> pd.Series:
    named = table["recording_id"] + ", segment " + table["segment"]
    return named.where(table["segment"] != "", table["recording_id"])


def load_time_constants(project: Study, experiment: str) -> pd.DataFrame:
    """Return the time constant of each sweep, where the experiment has a window `kinetics`; without rows where not.

    Returns
    -------
    DataFrame
        TIME_COLUMNS: reason says why a sweep has none, or why it is excluded.
    """
    if "kinetics" not in project.experiment("recordings", experiment)["windows_ms"]:
        return pd.DataFrame(columns=list(TIME_COLUMNS))
    measured = read_table(project.results / "recordings" / experiment / "measurements.csv")
    measured["recording_id"] = _part_names(measured)
    found = measured[["recording_id", "sweep", "tau_ms", "tau_ci_low_ms", "tau_ci_high_ms", "tau_reason"]]
    points = load_currents(project, experiment).merge(found, on=["recording_id", "sweep"], validate="one_to_one")
    points["group"] = points.apply(group_label, axis=1)
    points["reason"] = points["reason"].where(
        points["excluded"], points["tau_reason"].astype(object).where(points["tau_reason"].notna(), "")
    )
    return points[list(TIME_COLUMNS)]


TIME_COLUMNS = (
    "experiment", "group", "cell_id", "animal_id", "recording_id", "sweep", "level_mv", "membrane_mv", "tau_ms",
    "tau_ci_low_ms", "tau_ci_high_ms", "excluded", "reason",
)  # fmt: skip


POINT_COLUMNS = (
    "experiment", "group", "cell_id", "animal_id", "recording_id", "sweep", "ligand", "ligand_side", "ligand_total_mm",
    "ligand_free_mm", "ligand_source", "configuration", "temperature_c", "potassium_internal_mm",
    "potassium_external_mm", "nernst_potassium_mv", "level_mv", "membrane_mv", "current_pa", "excluded", "reason",
)  # fmt: skip


def _chambers(recordings: pd.DataFrame, free_ions: pd.DataFrame | None, keys: list[str]) -> pd.DataFrame:
    """Say for each recording or segment what was on both sides of the membrane, and where that is known from."""
    rows = []
    for row in recordings.to_dict("records"):
        sides = internal_external(row)
        inside, outside = (_in_recipe(sides.get(side, ""), "K", free_ions)[0] for side in ("internal", "external"))
        known = inside > 0 and outside > 0 and np.isfinite(row["temperature_c"])
        free, source = _ligand(row, sides, free_ions)
        rows.append({
            **{key: row[key] for key in keys},
            "ligand": row["ligand"],
            "ligand_side": row["ligand_side"],
            "ligand_total_mm": row["ligand_total_mm"] if row["ligand"] else 0.0,
            "ligand_free_mm": free,
            "ligand_source": source,
            "configuration": row["configuration"],
            "temperature_c": row["temperature_c"],
            "potassium_internal_mm": inside,
            "potassium_external_mm": outside,
            "nernst_potassium_mv": nernst_mv(1, outside, inside, row["temperature_c"]) if known else np.nan,
            "exclude": row["exclude"] or row.get("segment_exclude", ""),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _ligand(row: dict, sides: dict[str, str], free_ions) -> tuple[float, str]:
    """Return the free concentration of a recording's ligand and where it comes from."""
    if not row["ligand"]:
        return 0.0, "no ligand"
    place, total = f"raw_data/recordings.csv, {row['recording_id']}", row["ligand_total_mm"]
    if row["ligand_side"] not in ("internal", "external"):
        raise InputError(f"{place}, ligand_side: {row['ligand_side']!r}: allowed: internal, external")
    if np.isnan(total):
        raise InputError(f"{place}, ligand_total_mm: empty: the ligand {row['ligand']} needs a number, mM")
    if total != row.get("ligand_total_mm_of_recording", total):
        return total, f"stated total of segment {row['segment']} taken as free: no recipe"
    free, recipe = _in_recipe(sides.get(row["ligand_side"], ""), row["ligand"], free_ions)
    if not recipe:
        return total, "stated total taken as free: no recipe"
    if free > total * (1 + ROUNDING):
        raise InputError(f"{place}: {free:g} mM free {row['ligand']} in {recipe} for a stated total of {total:g} mM")
    return free, f"solved from recipe {recipe}"


def _in_recipe(solution: str, species: str, free_ions) -> tuple[float, str]:
    """Return the free concentration of a species and the name of recipe and constants; NaN and '' without a recipe."""
    if free_ions is None or not solution:
        return np.nan, ""
    ions = free_ions[free_ions["solution_id"] == solution]
    if ions.empty:
        return np.nan, ""
    sets = ions["constants"].unique()
    if len(sets) > 1:
        raise InputError(f"free_ions.csv solves {solution} with several sets of constants: {', '.join(sets)}")
    found = ions.loc[ions["species"] == species, "concentration_mm"]
    return (float(found.iloc[0]) if len(found) else 0.0), f"{solution}, {sets[0]}"


def voltage_levels(command_mv, membrane_mv) -> np.ndarray:
    """Return for each sweep the level that it belongs to: the mean membrane potential of like commands, to 1 mV.

    Commands without a gap of 1 mV between them are alike.
    """
    command, membrane = np.asarray(command_mv, float), np.asarray(membrane_mv, float)
    level = np.full(command.shape, np.nan)
    known = np.flatnonzero(np.isfinite(command) & np.isfinite(membrane))
    order = known[np.argsort(command[known], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(command[order]) >= LEVEL_GAP_MV) + 1):
        if members.size:
            level[members] = np.round(membrane[members].mean()) + 0.0
    return level


def window_curves(windows: dict[str, pd.DataFrame], fit: str = "none") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `cell_curves` and `group_curves` of all windows of an experiment.

    Reversal potential and chord conductance are those of the steady current, and are left empty where gating is fitted
    (`fit`): such a current is nought at many potentials, and its zero that of the leak.
    """
    cells = [cell_curves(p, w, reversal=w == "steady" and fit == "none") for w, p in windows.items()]
    groups = [group_curves(p, w) for w, p in windows.items()]
    return pd.concat(cells, ignore_index=True), pd.concat(groups, ignore_index=True)


def cell_curves(points: pd.DataFrame, window: str = "steady", reversal: bool = True) -> pd.DataFrame:
    """Average the sweeps of each recording at each level, and add the chord conductance.

    Returns
    -------
    DataFrame
        Columns of the points without sweep, with window, n_sweeps, reversal_mv and chord_conductance_ns (empty without
        `reversal`, where the reversal potential is not identified, and within 10 mV of it).
    """
    keys = [c for c in POINT_COLUMNS if c not in ("sweep", "membrane_mv", "current_pa")]
    curves = points.groupby(keys, sort=False, dropna=False).agg(
        membrane_mv=("membrane_mv", "mean"), current_pa=("current_pa", "mean"), n_sweeps=("sweep", "size")
    )
    curves = curves.reset_index()
    curves.insert(1, "window", window)
    found = _reversals(points) if reversal else {}
    reversals = {r: e.value for r, (e, _) in found.items() if e.verdict != "not_identified"}
    curves["reversal_mv"] = curves["recording_id"].map(reversals).astype(float)
    drive = curves["membrane_mv"] - curves["reversal_mv"]
    curves["chord_conductance_ns"] = (curves["current_pa"] / drive).where(drive.abs() >= CHORD_FROM_MV)
    return curves


def cell_fits(points: pd.DataFrame) -> pd.DataFrame:
    """Return reversal potential, slope and chord conductance of each recording and of each group, as fits.csv.

    The group is the condition; with a ligand at more than 0 mM, the condition and the total concentration.
    """
    rows, animals = [], {}
    for recording, (reversal, fit) in _reversals(points).items():
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


def group_label(point) -> str:
    """Return the label of a point's group in a table of fits: its condition, and its ligand where there is some."""
    if not point["ligand"] or point["ligand_total_mm"] == 0:
        return point["group"]
    return f"{point['group']}, {point['ligand_total_mm']:g} mM {point['ligand']}"


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


def _reversals(points: pd.DataFrame) -> dict[str, tuple[Estimate, CurveFit | None]]:
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


def comparable_groups(points: pd.DataFrame, order=()) -> list[tuple[str, str]]:
    """Return the pairs of conditions that can be compared: those at the same ligand and concentration.

    Parameters
    ----------
    points : DataFrame
        Table of `steady_currents`.
    order : sequence of str
        Conditions in the order in which they are to be named, the reference first; others follow.

    Returns
    -------
    list of (str, str)
        Names as `group_label` gives them.
    """
    place = {condition: i for i, condition in enumerate(dict.fromkeys(order))}
    pairs = []
    for _, at in points.groupby(["ligand", "ligand_total_mm"], sort=False):
        firsts = [row for _, row in at.drop_duplicates("group").iterrows()]
        firsts.sort(key=lambda row: place.get(row["group"], len(place)))
        pairs += combinations(map(group_label, firsts), 2)
    return pairs


def cell_owners(project: Study, experiment: str) -> pd.DataFrame:
    """Return animal_id and pair_id of each cell of an experiment, indexed by cell; an empty pair_id is no pair."""
    rows = project.table("recordings")
    rows = rows[rows["experiment"] == experiment]
    return rows.groupby("cell_id")[["animal_id", "pair_id"]].first()


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
        sodium = [_in_recipe(sides.get(side, ""), "Na", ions)[0] for side in ("internal", "external")]
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
