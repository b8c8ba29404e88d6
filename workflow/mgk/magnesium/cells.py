"""Cells of image stacks in the calibration of plates: a cell for a well, or its frames for the wells of a sample.

A cell of a calibration stack (role rmin, rmax, background) is one well of its run: the mean of its frames. A cell of a
sample is one sample whose frames are its replicates: sums over frames first, the ratio after, its error from what the
frames leave of their common ratio. Everything after that (draws, censoring, groups, comparisons) is that of plates.

Limits: frames are taken as independent, so that a free Mg2+ that changes over time widens the interval of its mean, and
noise that lasts over frames is not in it. The cells of one stack are taken as independent measures of Rmin, Rmax and
beta. Signals are per pixel as bright as a cell's inner half, so that cells of unlike size and outline can be compared;
thickness is not corrected, and is in the scatter of beta.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mgk.magnesium.calibration import Calibration, Curve, curve
from mgk.magnesium.draws import SEED
from mgk.magnesium.samples import Sample, free_magnesium_of, ratio_error, sample_table
from mgk.magnesium.settings import Settings

CELL_COLUMNS = (
    "sample_id", "animal_id", "condition", "ratio", "free_magnesium_mm", "ci_low", "ci_high", "flag", "stack_id",
    "roi_id", "run_id", "ratio_se", "n_frames", "n_frames_excluded", "kd_mm", "reason",
)  # fmt: skip
CELL_COURSE_COLUMNS = (
    "run_id", "stack_id", "roi_id", "sample_id", "animal_id", "condition", "frame", "time_s", "ratio",
    "free_magnesium_mm", "flag",
)  # fmt: skip
PLACE = ["run_id", "stack_id", "roi_id"]


def with_verdicts(traces: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """Return the traces with `sample_id`, every frame of an excluded stack with its reason, and a run for each row.

    Stacks without a run_id share one calibration. `temperature_c` is that of the stack.
    """
    refused = quality[quality["verdict"] == "exclude"].set_index("stack_id")["reason"]
    traces = traces.assign(**{c: traces[c].fillna("").astype(str) for c in ("run_id", "animal_id", "condition")})
    why = traces["stack_id"].map(refused)
    temperatures = quality.set_index("stack_id").get("temperature_c", pd.Series(dtype=float))
    return traces.assign(
        run_id=traces["run_id"].where(traces["run_id"] != "", "all"),
        roi_id=traces["roi_id"].astype(int),
        sample_id=traces["stack_id"] + "." + traces["roi_id"].astype(str),
        temperature_c=traces["stack_id"].map(temperatures),
        reason=traces["reason"].fillna("").where(why.isna(), why),
    )


def paired_cells(traces: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cell, as `paired_wells` returns a row per well; `traces` as `with_verdicts` returns them.

    Without any usable frame a cell keeps its row, with the reason.
    """
    used = traces[traces["reason"] == ""].groupby(PLACE)[["f340", "f380"]].mean()
    heads = traces.drop_duplicates(PLACE).set_index(PLACE)
    heads = heads[["role", "sample_id", "animal_id", "condition"]].join(used)
    left = traces[traces["reason"] != ""].groupby(PLACE)["reason"].first()
    heads["reason"] = left.reindex(heads.index).where(heads["f340"].isna(), "").fillna("")
    table = heads.reset_index().assign(magnesium_mm=math.nan)
    table = table.rename(columns={"stack_id": "plate_id"}).assign(well=table["roi_id"].astype(str))
    columns = ["run_id", "plate_id", "well", "role", "sample_id", "animal_id", "condition", "f340", "f380",
               "magnesium_mm", "reason"]  # fmt: skip
    return table[columns]


def cell_samples(
    traces: pd.DataFrame, calibrations: Mapping[str, Calibration], window_s: tuple[float, float] | None = None
) -> list[Sample]:
    """Return a sample for each cell of the role sample, over all frames or those within a window in s."""
    cells = traces[traces["role"] == "sample"]
    if window_s is not None:
        cells = cells[cells["time_s"].between(*window_s)]
    return [_sample(own, calibrations) for _, own in cells.groupby(PLACE, sort=False)]


def _sample(own: pd.DataFrame, calibrations: Mapping[str, Calibration]) -> Sample:
    first, used = own.iloc[0], (own["reason"] == "").to_numpy()
    raw = own[["f340", "f380"]].to_numpy(float)[used]
    background = calibrations[first["run_id"]].centre[:2]
    sums = np.array([math.fsum(raw[:, 0]), math.fsum(raw[:, 1])])
    net = sums - len(raw) * background
    counts = own.loc[~used, "reason"].value_counts(sort=False)
    notes = [reason if n == len(own) else f"{reason} in {n} of {len(own)} frames" for reason, n in counts.items()]
    ratio = error = math.nan
    if len(raw) and not net[1] > 0:
        notes.append("no signal above the background at 380 nm")
    elif len(raw):
        ratio = float(net[0] / net[1])
        error = ratio_error(raw - background, ratio)
    if len(raw) == 1:
        notes.append("one frame: no interval")
    words = (first["run_id"], first["sample_id"], first["animal_id"], first["condition"])
    return Sample(*words, *sums, ratio, error, len(raw), len(own) - len(raw), "; ".join(notes))


def cell_table(
    found: list[Sample], calibrations: Mapping[str, Calibration], given: Settings, seed: int = SEED
) -> pd.DataFrame:
    """Return a row per cell: free Mg2+ with its interval and flag, as for samples of plates, with stack and region.

    Columns: sample_id, animal_id, condition, ratio, free_magnesium_mm, ci_low, ci_high, flag, stack_id, roi_id, run_id,
    ratio_se, n_frames, n_frames_excluded, kd_mm, reason.
    """
    if not found:
        return pd.DataFrame(columns=list(CELL_COLUMNS))
    table = sample_table(found, calibrations, given, seed)
    table = table.rename(columns={"n_wells": "n_frames", "n_wells_excluded": "n_frames_excluded"})
    place = table["sample_id"].str.rsplit(".", n=1, expand=True)
    table = table.assign(stack_id=place[0], roi_id=place[1].astype(int))
    return table.assign(flag=table["flag"].replace("one well", "one frame"))[list(CELL_COLUMNS)]


def pixel_magnesium_mm(planes: Mapping[str, np.ndarray], run: Curve) -> np.ndarray:
    """Return free Mg2+ of each pixel of the cells of a mean image, as `mgk.stacks` keeps it; NaN outside of cells.

    0 and infinity at or beyond Rmin and Rmax, as for cells. A pixel is noisier than its cell, and biased upward where
    it is dim: for showing, not for means.
    """
    value = free_magnesium_of(planes["f340"], planes["f380"], run)
    return np.where(np.asarray(planes["labels"]) > 0, value, np.nan)


def cell_course(traces: pd.DataFrame, calibrations: Mapping[str, Calibration], given: Settings) -> pd.DataFrame:
    """Return ratio and free Mg2+ of each cell in each usable frame, by the calibration of its run; none without times.

    A single frame has no interval of its own: what its noise does is seen from frame to frame, and the calibration's
    error is common to all. Flags: `below Rmin`, `above Rmax`, `no value`.
    """
    cells = traces[(traces["role"] == "sample") & traces["time_s"].notna() & (traces["reason"] == "")]
    parts = []
    for run_id, own in cells.groupby("run_id", sort=False):
        run = curve(calibrations[run_id], given)
        value = free_magnesium_of(own["f340"], own["f380"], run)
        net = own["f380"] - run.background_380[0]
        ratio = ((own["f340"] - run.background_340[0]) / net).where(net > 0)
        flag = np.select([np.isnan(value), value == 0, np.isinf(value)], ["no value", "below Rmin", "above Rmax"], "")
        parts.append(own.assign(ratio=ratio, free_magnesium_mm=value, flag=flag))
    if not parts:
        return pd.DataFrame(columns=list(CELL_COURSE_COLUMNS))
    course = pd.concat(parts, ignore_index=True)[list(CELL_COURSE_COLUMNS)]
    return course.sort_values(["stack_id", "roi_id", "frame"], kind="stable", ignore_index=True)
