"""From shots to transients: which shots are averaged, which are left out and why.

Rows of recordings.csv of one preparation (cell_id), condition, concentration and solution are shots of one transient.
A shot that does not follow the others is left out: each is scaled to the median of all (gain and offset, which the lamp
and the detector may change), and what it leaves is held against what the others leave.

Limits: shots of a transient need one time base; the gain of a shot is not corrected, since a mean of scaled
exponentials has their rates. Times in ms, signal in V or a.u.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.measured_currents import in_recipe
from mgk.recordings.shots import Shots, read_shots
from mgk.study import Study
from mgk.tables import InputError, read_table

TRANSIENT_COLUMNS = ("transient_id", "time_ms", "signal", "sd", "n_shots", "unit")
QUALITY_COLUMNS = (
    "recording_id", "experiment", "cell_id", "animal_id", "condition", "transient_id", "n_shots", "n_used", "left_out",
    "largest_misfit", "spread_percent", "verdict", "reason",
)  # fmt: skip
# A shot that leaves more than this many times what the median shot leaves is no repeat (assumed, no source).
MISFIT_MAX = 3.0
# Fewer shots than this cannot outvote one of them.
FEWEST_TO_JUDGE = 4
# Shots that are usually averaged: 5 to 7 (the project's science notes, recordings, section 5).
USUAL_SHOTS = 5
# This many samples on end at the highest value are the detector's limit (assumed, no source).
CLIPPED_RUN = 8
FEWEST_POINTS = 20
SAME = ["cell_id", "condition", "ligand_total_mm", "bath_solution"]


def average_shots(
    rows: Iterable[Mapping], raw_data: Path | str, settings: Mapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the files of whole transients once; return the transients and the quality of each file.

    Parameters
    ----------
    rows: rows of recordings.csv; their `file` is relative to `raw_data`.
    settings: the experiment of config.yaml; of `relaxation` the dead time and the end are used.

    Returns
    -------
    (transients, quality): TRANSIENT_COLUMNS, a row a sample of the mean with the SD between shots, and
    QUALITY_COLUMNS, a row a recording. A recording that is excluded has no part in a transient.

    Raises
    ------
    InputError
        When a file cannot be read, or the files of a transient differ in time base or unit.
    """
    table = pd.DataFrame(list(rows))
    tables, judged = [], []
    for _, same in table.groupby([c for c in SAME if c in table], dropna=False, sort=False):
        name = same["recording_id"].iloc[0]
        given = [(row, read_shots(Path(raw_data) / row["file"])) for row in same.to_dict("records")]
        if found := _differences(given):
            raise InputError(found)
        used = [_judge(row, shots, settings) for row, shots in given]
        judged += [quality | {"transient_id": name} for quality, _ in used]
        kept = np.concatenate([signal for _, signal in used])
        if len(kept):
            tables.append(_mean(name, given[0][1], kept))
    transients = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(TRANSIENT_COLUMNS))
    return transients, pd.DataFrame(judged, columns=list(QUALITY_COLUMNS))


def check_transients(rows: Iterable[Mapping], raw_data: Path | str, settings: Mapping) -> list[tuple[str, str]]:
    """Return (recording_id, what is wrong) where readable files cannot be averaged or hold too little to fit."""
    table, problems = pd.DataFrame(list(rows)), []
    if not len(table):
        return []
    for _, same in table.groupby([c for c in SAME if c in table], dropna=False, sort=False):
        given = [(row, read_shots(Path(raw_data) / row["file"])) for row in same.to_dict("records")]
        name = same["recording_id"].iloc[0]
        n = int(in_window(given[0][1].time_ms, settings).sum())
        if n < FEWEST_POINTS:
            problems.append((name, f"{n} samples between dead time and end; {FEWEST_POINTS} are needed"))
        if found := _differences(given):
            problems.append((name, found))
    return problems


def in_window(time_ms, settings: Mapping) -> np.ndarray:
    """Return which samples are fitted: after the dead time, up to the end."""
    asked = settings["relaxation"]
    time = np.asarray(time_ms, float)
    return (time >= asked["dead_time_ms"]["value"]) & (time <= asked.get("end_ms", np.inf))


def load_transients(project: Study, experiment: str) -> pd.DataFrame:
    """Return the samples of the transients with their preparation and the free concentration of the ligand.

    Returns
    -------
    DataFrame
        TRANSIENT_COLUMNS with group (the condition), cell_id, animal_id, ligand, ligand_total_mm, ligand_free_mm,
        ligand_source, temperature_c. The free concentration is that of the recipe named as bath_solution, the solution
        after mixing; without a recipe the stated total is taken as free, and the source says so.
    """
    rows = project.table("recordings")
    rows = rows[rows["experiment"] == experiment].set_index("recording_id")
    ions = read_table(project.results / "solutions" / "free_ions.csv") if project.solutions() else None
    table = read_table(project.results / "recordings" / experiment / "transients.csv")
    heads = []
    for name in table["transient_id"].unique():
        row = rows.loc[name]
        free, recipe = in_recipe(row["bath_solution"], row["ligand"], ions)
        source = f"solved from recipe {recipe}" if recipe else "stated total taken as free: no recipe"
        heads.append({
            "transient_id": name, "group": row["condition"] or "all", "cell_id": row["cell_id"],
            "animal_id": row["animal_id"], "ligand": row["ligand"], "ligand_total_mm": row["ligand_total_mm"],
            "ligand_free_mm": free if recipe else row["ligand_total_mm"], "ligand_source": source,
            "temperature_c": row["temperature_c"],
        })  # fmt: skip
    return table.merge(pd.DataFrame(heads), on="transient_id", validate="many_to_one")


def _differences(given: list[tuple[Mapping, Shots]]) -> str:
    first = given[0][1]
    for row, shots in given[1:]:
        if shots.unit != first.unit or not np.array_equal(shots.time_ms, first.time_ms):
            return (
                f"{row['file']} has another time base or unit than {given[0][0]['file']}, "
                "which has the same cell_id, condition, ligand_total_mm and bath_solution: shots of one transient"
            )
    return ""


def _judge(row: Mapping, shots: Shots, settings: Mapping) -> tuple[dict, np.ndarray]:
    """Return the row of quality.csv of a file, and its shots that are averaged."""
    window = in_window(shots.time_ms, settings)
    signal = shots.signal[:, window]
    misfit = _misfits(signal)
    left_out = misfit > MISFIT_MAX if len(signal) >= FEWEST_TO_JUDGE else np.zeros(len(signal), bool)
    away = np.flatnonzero(left_out)
    reasons = [f"shot {i + 1} left out: leaves {misfit[i]:.1f} times what the others do" for i in away]
    if (~left_out).sum() < USUAL_SHOTS:
        reasons.append(f"{(~left_out).sum()} shots averaged, {USUAL_SHOTS} to 7 are usual")
    clipped = [i + 1 for i, shot in enumerate(signal) if _longest_run(shot == shot.max()) >= CLIPPED_RUN]
    if clipped:
        reasons.append(f"shots {', '.join(map(str, clipped))} stay at their highest value: the detector's limit?")
    verdict = "warn" if reasons else "pass"
    exclude = row.get("exclude")
    if isinstance(exclude, str) and exclude:
        verdict, reasons, left_out = "exclude", [exclude], np.ones(len(signal), bool)
    levels = signal.mean(axis=1)
    quality = {key: row.get(key) or "" for key in QUALITY_COLUMNS[:5]} | {
        "n_shots": len(signal),
        "n_used": int((~left_out).sum()),
        "left_out": " ".join(str(i + 1) for i in np.flatnonzero(left_out)),
        "largest_misfit": float(misfit.max()),
        "spread_percent": 100 * float(np.ptp(levels) / max(abs(levels.mean()), 1e-300)),
        "verdict": verdict,
        "reason": "; ".join(reasons),
    }
    return quality, shots.signal[~left_out]


def _misfits(signal: np.ndarray) -> np.ndarray:
    """Return what each shot leaves (rms) when the median shot is scaled to it, over the median of that."""
    if not signal.shape[1]:
        return np.ones(len(signal))
    design = np.column_stack([np.ones(signal.shape[1]), np.median(signal, axis=0)])
    coefficients = np.linalg.lstsq(design, signal.T, rcond=None)[0]
    rms = np.sqrt(((signal.T - design @ coefficients) ** 2).mean(axis=0))
    return rms / max(float(np.median(rms)), 1e-12 * max(float(np.abs(signal).max()), 1e-300))


def _longest_run(hits: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hits.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def _mean(name: str, shots: Shots, kept: np.ndarray) -> pd.DataFrame:
    n = len(kept)
    sd = kept.std(axis=0, ddof=1) if n > 1 else np.full(kept.shape[1], np.nan)
    columns = (name, shots.time_ms, kept.mean(axis=0), sd, n, shots.unit)
    return pd.DataFrame(dict(zip(TRANSIENT_COLUMNS, columns, strict=True)))
