"""Measured currents joined with what was on both sides of the membrane: the one table of points of all analyses.

`load_currents` reads it; `mgk.currents`, `mgk.gating` and `mgk.block` work on it. A point is a sweep, or a bin of a
ramp.
Vocabulary and units: potentials in mV, inside against outside; currents in pA, outward positive (the membrane's
convention); concentrations in mM, *free* unless the name says total. *Level*: the potential of like commands.
Limits: joins and names, computes no curve. Corrections belong to `mgk.recordings`; free ions to `mgk.solutions`.
"""

from collections.abc import Collection
from itertools import combinations

import numpy as np
import pandas as pd

from mgk.solutions import internal_external, nernst_mv
from mgk.study import Study
from mgk.tables import InputError, read_table

# The windows of a current; the potential is that of the steady one, or of the ramp that stands in its place.
WINDOWS = ("steady", "ramp", "peak", "tail")
# Commands nearer to each other than this are one level (a recorded voltage channel is never twice the same).
LEVEL_GAP_MV = 1.0
# A recipe and a stated total may round differently, not more.
ROUNDING = 0.01


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
    """Return `load_currents` of each window that the experiment measures, the steady one (or the ramp) first."""
    windows = project.experiment("recordings", experiment)["windows_ms"]
    return {w: load_currents(project, experiment, w) for w in WINDOWS if w in windows}


def fitted_window(windows: Collection[str], fit_window: str = "steady") -> str:
    """Return the window whose current is fitted, by the config's `fit_window`; a ramp stands in for the steady one."""
    return "ramp" if fit_window == "steady" and "ramp" in windows else fit_window


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
        The window of the current: steady, ramp, peak or tail. The potential is that of the steady window or the ramp.

    Returns
    -------
    DataFrame
        A row per sweep, or per bin of a ramp: experiment, group (the condition), cell_id, animal_id, recording_id,
        sweep, ligand, ligand_side, ligand_total_mm, ligand_free_mm, ligand_source, configuration, temperature_c,
        potassium_internal_mm, potassium_external_mm, nernst_potassium_mv, level_mv, membrane_mv, current_pa, excluded,
        reason. Excluded rows stay in the table. A segment is a recording of its own, named "r1, segment 2". A recording
        that is the leak of another is no current of its own: it has no rows here; the ledger of corrections names it.

    Raises
    ------
    InputError
        When a recording is not in the table or without quality, has no ligand side or total where one is needed, or
        its recipe contradicts its stated total.
    """
    measurements = measurements[~measurements["recording_id"].isin(_leaks_of_others(recordings))]
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
    column = "steady" if window == "ramp" else window
    points["current_pa"] = points[f"{column}_membrane_pa"]
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


def _leaks_of_others(recordings: pd.DataFrame) -> set[str]:
    """Return the recordings that another one names as its leak."""
    if "leak_recording_id" not in recordings:
        return set()
    others = recordings["leak_recording_id"] != recordings["recording_id"]
    return set(recordings.loc[others, "leak_recording_id"]) - {""}


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
        inside, outside = (in_recipe(sides.get(side, ""), "K", free_ions)[0] for side in ("internal", "external"))
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
    free, recipe = in_recipe(sides.get(row["ligand_side"], ""), row["ligand"], free_ions)
    if not recipe:
        return total, "stated total taken as free: no recipe"
    if free > total * (1 + ROUNDING):
        raise InputError(f"{place}: {free:g} mM free {row['ligand']} in {recipe} for a stated total of {total:g} mM")
    return free, f"solved from recipe {recipe}"


def in_recipe(solution: str, species: str, free_ions) -> tuple[float, str]:
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


def group_label(point) -> str:
    """Return the label of a point's group in a table of fits: its condition, and its ligand where there is some."""
    if not point["ligand"] or point["ligand_total_mm"] == 0:
        return point["group"]
    return f"{point['group']}, {point['ligand_total_mm']:g} mM {point['ligand']}"


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
