"""Kinetic plates: free Mg2+ over time, and whether the dye drifts (bleaching, leakage).

Bleaching takes F340 and F380 down together; it leaves R alone only as far as it is equal at both wavelengths and in all
wells. So each time has the calibration wells of its own time: what they share with the samples is corrected by this.
The drift itself is tested in the Rmin and Rmax wells, where R should not move.

A plate read once has no time course: the tables are then without rows. Units: seconds, minutes for rates, mM.
"""

import math

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from mgk.magnesium.calibration import calibrate
from mgk.magnesium.draws import LEVEL
from mgk.magnesium.samples import sample_table, samples
from mgk.magnesium.settings import Settings
from mgk.magnesium.wells import CHANNELS, named_reads, paired_wells

COURSE_COLUMNS = (
    "run_id", "time_s", "sample_id", "animal_id", "condition", "ratio", "free_magnesium_mm", "ci_low", "ci_high",
    "flag", "n_wells", "reason",
)  # fmt: skip
DRIFT_COLUMNS = (
    "run_id", "role", "quantity", "percent_per_min", "ci_low", "ci_high", "p", "n_wells", "minutes", "verdict",
    "reason",
)  # fmt: skip
SLOPE_COLUMNS = (
    "run_id", "sample_id", "animal_id", "condition", "slope_mm_per_min", "se", "n_times", "minutes", "reason",
)  # fmt: skip
# Two times make a difference, three a slope with an error.
FEWEST_TIMES = 3
FEWEST_WELLS = 3
# A drift of R by less than this over the whole course is small beside the errors of a calibration.
SMALL_DRIFT_PERCENT = 2.0
TEST_LEVEL = 0.05


def is_kinetic(wells: pd.DataFrame) -> bool:
    """Return whether any well was read more than once at one wavelength."""
    wells = named_reads(wells)
    return bool(wells[wells["time_s"].notna()].groupby("read_name")["time_s"].nunique().max() > 1)


def at_times(wells: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """Return the wells of each time of a kinetic plate, by the time in s of its read at 340 nm.

    The n-th read at 340 nm belongs to the n-th at 380 nm of the same plate; the reads of a pair may differ by the time
    that a change of filters takes.
    """
    wells = named_reads(wells)
    wells = wells[wells["read_name"].isin(CHANNELS) & wells["time_s"].notna()]
    order = wells.groupby(["plate_id", "read_name"])["time_s"].rank(method="dense").astype(int)
    counts = order.groupby(wells["read_name"]).max()
    last = int(counts.min()) if len(counts) else 0
    of_340 = wells["read_name"] == "340"
    return {float(wells.loc[of_340 & (order == n), "time_s"].mean()): wells[order == n] for n in range(1, last + 1)}


def time_course(wells: pd.DataFrame, quality: pd.DataFrame | None, given: Settings) -> pd.DataFrame:
    """Return free Mg2+ of each sample at each time, each time calibrated by its own wells.

    The standards of a titration need `with_known_magnesium` before. The error of the calibration is common to all times
    as far as the wells are.
    """
    parts = []
    for time_s, now in at_times(wells).items() if is_kinetic(wells) else ():
        pairs = paired_wells(now, quality)
        calibrations = calibrate(pairs, given)
        table = sample_table(samples(pairs, calibrations), calibrations, given)
        parts.append(table.assign(time_s=time_s))
    if not parts:
        return pd.DataFrame(columns=list(COURSE_COLUMNS))
    course = pd.concat(parts, ignore_index=True)[list(COURSE_COLUMNS)]
    return course.sort_values(["run_id", "sample_id", "time_s"], kind="stable", ignore_index=True)


def drift_table(wells: pd.DataFrame, quality: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how F340, F380 and R of the calibration wells move with time, in percent per minute.

    A slope of the logarithm a well, above the mean background of its time; mean and t interval over wells.

    Columns: run_id, role (rmin, rmax, standard), quantity (f340, f380, ratio), percent_per_min, ci_low, ci_high, p,
    n_wells, minutes (length of the course), verdict (pass, warn) and reason. `warn` is for R alone: it moves (p below
    5 %) and by more than 2 % over the course.
    """
    if not is_kinetic(wells):
        return pd.DataFrame(columns=list(DRIFT_COLUMNS))
    parts = []
    for time_s, now in at_times(wells).items():
        pairs = paired_wells(now, quality)
        usable = pairs[pairs["reason"] == ""]
        means = usable.groupby(["run_id", "role"])[["f340", "f380"]].mean()
        net = usable[usable["role"].isin(("rmin", "rmax", "standard"))].copy()
        places = zip(net["run_id"], net["role"], strict=True)
        net[["f340", "f380"]] -= np.array([_below(means, *place) for place in places]).reshape(-1, 2)
        parts.append(net.assign(minutes=time_s / 60, ratio=net["f340"] / net["f380"]))
    course = pd.concat(parts, ignore_index=True)
    rows = []
    for (run_id, role), group in course.groupby(["run_id", "role"]):
        for quantity in ("f340", "f380", "ratio"):
            rows.append({"run_id": run_id, "role": role, "quantity": quantity} | _drift(group, quantity))
    return pd.DataFrame(rows, columns=list(DRIFT_COLUMNS))


def _below(means: pd.DataFrame, run_id: str, role: str) -> np.ndarray:
    """Return what stands below the signal of a calibration well: the blank for standards, else the background."""
    for below in ("blank", "background") if role == "standard" else ("background",):
        if (run_id, below) in means.index:
            return means.loc[(run_id, below)].to_numpy()
    return np.full(2, np.nan)


def _drift(group: pd.DataFrame, quantity: str) -> dict:
    slopes = []
    for _, well in group[group[quantity] > 0].groupby(["plate_id", "well"]):
        if well["minutes"].nunique() >= FEWEST_TIMES:
            slopes.append(100 * linregress(well["minutes"], np.log(well[quantity])).slope)
    minutes = float(group["minutes"].max() - group["minutes"].min())
    n = len(slopes)
    if n < FEWEST_WELLS:
        return {"n_wells": n, "minutes": minutes, "verdict": "warn",
                "reason": f"{n} wells with {FEWEST_TIMES} times; needed: {FEWEST_WELLS}"}  # fmt: skip
    mean, se = float(np.mean(slopes)), float(np.std(slopes, ddof=1) / math.sqrt(n))
    half = t.ppf(0.5 + LEVEL / 2, n - 1) * se
    p = float(2 * t.sf(abs(mean) / se, n - 1)) if se > 0 else math.nan
    moved = abs(mean) * minutes
    warn = quantity == "ratio" and p < TEST_LEVEL and moved > SMALL_DRIFT_PERCENT
    reason = f"R moves by {mean * minutes:+.1f} % over the course; each time has its own calibration" if warn else ""
    return {"percent_per_min": mean, "ci_low": mean - half, "ci_high": mean + half, "p": p, "n_wells": n,
            "minutes": minutes, "verdict": "warn" if warn else "pass", "reason": reason}  # fmt: skip


def slope_table(course: pd.DataFrame) -> pd.DataFrame:
    """Return the straight line through free Mg2+ of each sample over time: slope in mM/min with its standard error.

    Times at which the sample is censored are left out and counted in the reason.
    """
    rows = []
    for (run_id, sample_id), group in course.groupby(["run_id", "sample_id"]):
        inside = group[np.isfinite(group["free_magnesium_mm"].astype(float)) & (group["free_magnesium_mm"] > 0)]
        left_out = len(group) - len(inside)
        first = group.iloc[0]
        row = {"run_id": run_id, "sample_id": sample_id, "animal_id": first["animal_id"],
               "condition": first["condition"], "n_times": len(inside)}  # fmt: skip
        reason = f"{left_out} of {len(group)} times censored or without a value" if left_out else ""
        if len(inside) < FEWEST_TIMES:
            rows.append(row | {"reason": reason or f"{len(inside)} times; needed: {FEWEST_TIMES}"})
            continue
        minutes = inside["time_s"].to_numpy(float) / 60
        line = linregress(minutes, inside["free_magnesium_mm"].to_numpy(float))
        rows.append(row | {"slope_mm_per_min": line.slope, "se": line.stderr, "minutes": float(np.ptp(minutes)),
                           "reason": reason})  # fmt: skip
    return pd.DataFrame(rows, columns=list(SLOPE_COLUMNS))
