"""Samples: the ratio of their sums, free Mg2+ with its interval, and what is to be said where it has none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.magnesium.calibration import Calibration, Curve, curve
from mgk.magnesium.draws import LEVEL, SEED, calibrated_level, interval, share, stream, widening
from mgk.magnesium.equation import free_magnesium_mm
from mgk.magnesium.settings import Settings
from mgk.statistics import effective_df

OWN = "sample"


@dataclass(frozen=True)
class Sample:
    """One sample of a run: the sums over its usable wells, and its own error.

    `ratio` is of the sums above the background; `ratio_se` its standard error from the differences between the wells;
    NaN with fewer than two. `reason` is what is to be said of its wells.
    """

    run_id: str
    sample_id: str
    animal_id: str
    condition: str
    sum_340: float
    sum_380: float
    ratio: float
    ratio_se: float
    n_wells: int
    n_wells_excluded: int
    reason: str


def samples(pairs: pd.DataFrame, calibrations: Mapping[str, Calibration]) -> list[Sample]:
    """Return the samples with their ratios: the sum over replicate wells first, the ratio after.

    A mean of ratios is biased upward where the signal is low; the ratio of sums is not.
    """
    found = pairs[pairs["role"] == "sample"].groupby(["run_id", "sample_id"], sort=True)
    return [_sample(calibrations[run_id], sample_id, group) for (run_id, sample_id), group in found]


def _sample(calibration: Calibration, sample_id: str, group: pd.DataFrame) -> Sample:
    used = (group["reason"] == "").to_numpy()
    raw = np.column_stack([group["f340"], group["f380"]])[used]
    notes = [f"{well}: {reason}" for well, reason in zip(group["well"], group["reason"], strict=True) if reason]
    background = calibration.centre[:2]
    sums = np.array([math.fsum(raw[:, 0]), math.fsum(raw[:, 1])])
    net = sums - len(raw) * background
    ratio = ratio_se = math.nan
    if not len(raw):
        notes.append("no usable well")
    elif net[1] <= 0:
        notes.append("no signal above the background at 380 nm")
    else:
        ratio = float(net[0] / net[1])
        ratio_se = ratio_error(raw - background, ratio)
    if len(raw) == 1:
        notes.append("one well: no interval")
    return Sample(
        calibration.run_id,
        sample_id,
        group["animal_id"].iloc[0],
        group["condition"].iloc[0],
        *sums,
        ratio,
        ratio_se,
        n_wells=len(raw),
        n_wells_excluded=len(group) - len(raw),
        reason="; ".join(notes),
    )


def ratio_error(net: np.ndarray, ratio: float) -> float:
    """Return the standard error of sum(f340)/sum(f380) from the wells' residuals (linearised); NaN below 2 wells."""
    n = len(net)
    if n < 2:
        return math.nan
    residuals = (net[:, 0] - ratio * net[:, 1]) / net[:, 1].mean()
    return math.sqrt(math.fsum(residuals**2) / (n - 1) / n)


def ratios(sample: Sample, run: Curve) -> np.ndarray:
    """Return R of a sample in each draw of the background; NaN where it has none."""
    if math.isnan(sample.ratio) or run.reason:
        return np.full_like(run.rmin, np.nan)
    numerator = sample.sum_340 - sample.n_wells * run.background_340
    denominator = sample.sum_380 - sample.n_wells * run.background_380
    with np.errstate(divide="ignore", invalid="ignore"):
        # A draw in which the background takes all the signal at 380 nm does not limit R from above.
        return np.where(denominator <= 0, np.inf, numerator / denominator)


def sample_draws_mm(sample: Sample, calibration: Calibration, given: Settings, seed: int = SEED) -> np.ndarray:
    """Return the free Mg2+ of a sample in each draw, with the error of its own wells; NaN draws with one well.

    A censored sample is drawn around the limit that it passed: its interval then ends where this calibration can no
    longer tell a value from the limit, however far beyond it R lies.
    """
    return _draws_and_level(sample, calibration, given, seed)[0]


def _draws_and_level(sample: Sample, calibration: Calibration, given: Settings, seed: int) -> tuple[np.ndarray, float]:
    """Return `sample_draws_mm`, and the level at which their interval holds 95 %."""
    run = curve(calibration, given)
    if run.reason or math.isnan(sample.ratio) or sample.n_wells < 2:
        value = free_magnesium_mm(ratios(sample, run)[:1], run.rmin[:1], run.rmax[:1], run.beta[:1], run.kd_mm)
        return np.concatenate([value, np.full(calibration.draws, np.nan)]), LEVEL
    half = run.kd_mm * run.beta[0]
    moved = (_drawn(sample, calibration, given, seed, 1.0, part) for part in (*calibration.parts, OWN))
    variances = [np.var(share(draws, half)) for draws in moved]
    degrees = [part.df for part in calibration.parts.values()] + [sample.n_wells - 1]
    df, name = effective_df(variances, degrees), (sample.run_id, sample.sample_id)
    widen = widening(seed, calibration.draws, df, *name)
    level = calibrated_level(seed, variances, degrees, *name)
    return _drawn(sample, calibration, given, seed, widen, None), level


def _drawn(sample: Sample, calibration: Calibration, given: Settings, seed: int, widen, only: str | None) -> np.ndarray:
    """Return free Mg2+ in each draw; `only` moves one part of the error and leaves the others at rest."""
    run = curve(calibration, given, widen=widen, only=only)
    ratio = ratios(sample, run)
    ratio[1:] += np.clip(ratio[0], run.rmin[0], run.rmax[0]) - ratio[0]
    if only in (None, OWN):
        own = stream(seed, OWN, sample.run_id, sample.sample_id).standard_normal(ratio.size - 1)
        ratio[1:] += sample.ratio_se * own * (widen[1:] if np.ndim(widen) else widen)
    return free_magnesium_mm(ratio, run.rmin, run.rmax, run.beta, run.kd_mm)


def sample_table(
    found: list[Sample], calibrations: Mapping[str, Calibration], given: Settings, seed: int = SEED
) -> pd.DataFrame:
    """Return a row per sample: ratio, free Mg2+ with its interval, and what is to be said of it.

    Columns: sample_id, animal_id, condition, ratio, free_magnesium_mm, ci_low, ci_high, flag, run_id, ratio_se,
    n_wells, n_wells_excluded, kd_mm, reason. Flags: `below Rmin` (0, and an upper limit), `above Rmax` (inf, and a
    lower limit), `open above` (the interval has no upper limit), `one well` (no interval), `no value`.
    """
    return pd.DataFrame([_sample_row(sample, calibrations[sample.run_id], given, seed) for sample in found])


def _sample_row(sample: Sample, calibration: Calibration, given: Settings, seed: int) -> dict:
    draws, level = _draws_and_level(sample, calibration, given, seed)
    run = curve(calibration, given)
    value = float(draws[0])
    low, high = interval(draws[1:], level)
    low, high = 0.0 if value == 0 else low, math.inf if math.isinf(value) else high
    return {
        "sample_id": sample.sample_id,
        "animal_id": sample.animal_id,
        "condition": sample.condition,
        "ratio": sample.ratio,
        "free_magnesium_mm": value,
        "ci_low": low,
        "ci_high": high,
        "flag": _flag(value, high, sample.n_wells),
        "run_id": sample.run_id,
        "ratio_se": sample.ratio_se,
        "n_wells": sample.n_wells,
        "n_wells_excluded": sample.n_wells_excluded,
        "kd_mm": run.kd_mm,
        "reason": "; ".join(filter(None, (sample.reason, run.reason))),
    }


def _flag(value: float, high: float, n_wells: int) -> str:
    if math.isnan(value):
        return "no value"
    if value == 0:
        return "below Rmin"
    if math.isinf(value):
        return "above Rmax"
    if n_wells == 1:
        return "one well"
    return "open above" if math.isinf(high) else ""


def free_magnesium_of(f340, f380, run: Curve) -> np.ndarray:
    """Return free Mg2+ of any fluorescence of a calibrated run: the door for image stacks and tables from elsewhere.

    Parameters
    ----------
    f340, f380 : array_like of one shape
        Raw fluorescence (wells, pixels, regions, times), in the counts of the calibration's reader or camera. Sum what
        belongs together first: the ratio of a dim pixel is biased upward.
    run : Curve
        `curve(calibration, settings)` of the run.

    Returns
    -------
    ndarray of that shape, mM
        0 and infinity where R is at or beyond Rmin or Rmax; NaN where there is no signal above the background at
        380 nm, and everywhere in a run that cannot be calibrated.
    """
    return _values(np.asarray(f340, float), np.asarray(f380, float), run, 0)


def calibration_interval_of(f340, f380, run: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of `free_magnesium_of` by the error of the calibration alone, which all share.

    The noise of the pixels or wells themselves is not in it. Takes draws times the size of the arrays: for regions and
    means of images, not for each pixel of a stack.
    """
    f340, f380 = np.broadcast_arrays(np.asarray(f340, float), np.asarray(f380, float))
    draws = [_values(f340.ravel(), f380.ravel(), run, i) for i in range(1, run.rmin.size)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.array(draws), [tail, 1 - tail], axis=0, method="inverted_cdf")
    known = ~np.isnan(_values(f340.ravel(), f380.ravel(), run, 0))
    return tuple(np.where(known, end, np.nan).reshape(f340.shape) for end in (low, high))


def _values(f340: np.ndarray, f380: np.ndarray, run: Curve, draw: int) -> np.ndarray:
    signal = f380 - run.background_380[draw]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(signal > 0, (f340 - run.background_340[draw]) / signal, np.nan if draw == 0 else np.inf)
    return free_magnesium_mm(ratio, run.rmin[draw], run.rmax[draw], run.beta[draw], run.kd_mm)
