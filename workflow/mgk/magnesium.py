"""Free Mg2+ from ratios of mag-fura-2 fluorescence, calibrated in situ, with the calibration's error carried along.

Limits: plates are read and joined with their layout in `mgk.plates`; figures are in `mgk.figures.magnesium`. Not
corrected: Ca2+ (the dye binds it too), dye in organelles, and a change of Kd with temperature or in the cell; Kd is an
input with its source, and results are given at each published Kd beside it.

Vocabulary: a well is read at 340 and 380 nm; R is the ratio of the two after the background (autofluorescence) of the
same run is subtracted; Rmin and Rmax are R of the free and of the bound dye; beta is the fluorescence at 380 nm of
the free over that of the bound dye. A run is what shares background and calibration wells. A value at or beyond a
calibration limit is *censored*: it is kept, with 0 or infinity as the open end of its interval.
Units: concentrations in mM, fluorescence in the reader's counts, ratios without unit.

Uncertainty: each array of draws holds the estimate itself at place 0 and the Monte Carlo draws after it. One draw of
background, Rmin, Rmax and beta serves all samples of the run, for their error is common to them; the error between the
wells of a sample is drawn for each sample from a stream of its own, so that no sample changes another.
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.tables.problems import InputError

CALIBRATORS = ("background", "rmin", "rmax")
ROLES = (*CALIBRATORS, "sample")
CHANNELS = ("340", "380")
PLACE = ["run_id", "plate_id", "well"]
DESCRIBED = ["sample_id", "animal_id", "condition"]
SEED = 340380
DRAWS = 4000
LEVEL = 0.95
# A resampled mean needs wells to resample; below six animals a median has no 95 % interval (sign test: 2/2^5 > 5 %).
MIN_CALIBRATION_WELLS = 2
MIN_ANIMALS_FOR_MEDIAN = 6
MIN_POSSIBLE_DRAWS = 0.99

PUBLISHED_KD_MM = (
    (1.5, "Raju et al. 1989, Am J Physiol 256:C540"),
    (1.9, "the vendors' value; documents 000 and 002"),
    (5.5, "Konishi, in salt solution; 20-100 % higher in cells"),
)


@dataclass(frozen=True)
class Settings:
    """What config.yaml says of an experiment.

    `rmax_magnesium_mm` is the free Mg2+ of the Rmax wells; None takes their dye as fully bound.
    """

    kd_mm: float
    kd_source: str
    rmax_magnesium_mm: float | None = None
    confirm_beta_below_one: bool = False


@dataclass(frozen=True)
class Curve:
    """Calibration as it enters the equation: arrays of draws, the estimate at place 0.

    `reason` says why the run cannot be calibrated; its arrays are then NaN, and so are its samples.
    """

    rmin: np.ndarray
    rmax: np.ndarray
    beta: np.ndarray
    kd_mm: float
    reason: str = ""


@dataclass(frozen=True)
class Calibration:
    """Calibration of one run as measured: arrays of draws, the estimate at place 0; `wells` counts those used.

    NaN where a role has too few wells.
    """

    run_id: str
    background_340: np.ndarray
    background_380: np.ndarray
    rmin: np.ndarray
    rmax: np.ndarray
    beta: np.ndarray
    wells: dict[str, int]


@dataclass(frozen=True)
class Sample:
    """One sample of a run: the ratio of its sums in each draw of the background, and its own error.

    `ratio_se` is the standard error of R from the differences between its wells; NaN with fewer than two.
    """

    run_id: str
    sample_id: str
    animal_id: str
    condition: str
    ratio: np.ndarray
    ratio_se: float
    n_wells: int
    n_wells_excluded: int
    reason: str


def settings(config: dict) -> Settings:
    """Return the settings of an experiment of config.yaml.

    Raises
    ------
    InputError
        When Kd is missing, not positive, not in mM or without a source.
    """
    kd = config.get("kd_mm") or {}
    value = kd.get("value")
    if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0 or kd.get("unit") != "mM":
        raise InputError(f"kd_mm is {kd!r}; needed: a positive value with unit: mM and its source")
    if not str(kd.get("source", "")).strip():
        raise InputError(f"kd_mm: {value} mM has no source; name one, or write 'assumed, no source'")
    return Settings(
        float(value), str(kd["source"]), config.get("rmax_magnesium_mm"), config.get("confirm_beta_below_one", False)
    )


def free_magnesium_mm(ratio, rmin, rmax, beta, kd_mm):
    """Return [Mg2+] = Kd beta (R - Rmin)/(Rmax - R) in mM (Grynkiewicz et al. 1985); 0 below Rmin, inf above Rmax.

    The equation cannot be solved at or outside its limits; 0 and infinity are what is known there, and say so.
    """
    ratio, rmin, rmax = np.broadcast_arrays(*(np.asarray(v, float) for v in (ratio, rmin, rmax)))
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = kd_mm * beta * (ratio - rmin) / (rmax - ratio)
    value = np.where(ratio <= rmin, 0.0, np.where(ratio >= rmax, np.inf, inside))
    return np.where(np.isnan(ratio), np.nan, value)


def ratio_at(magnesium_mm, rmin, rmax, beta, kd_mm):
    """Return R at a free Mg2+ in mM: the share-weighted fluorescence of free and bound dye, the equation's inverse."""
    magnesium_mm = np.asarray(magnesium_mm, float)
    return (rmin * beta * kd_mm + rmax * magnesium_mm) / (beta * kd_mm + magnesium_mm)


def saturated(rmin, rmax_apparent, beta_apparent, kd_mm: float, rmax_magnesium_mm: float):
    """Return Rmax and beta of the wholly bound dye from wells in which part of the dye is still free.

    With a share b = M/(Kd + M) bound and f = 1 - b free, the Rmax wells show R' = (Rmin beta f + Rmax b)/(beta f + b)
    and beta' = beta/(beta f + b); solved for Rmax and beta. Both must be corrected: Rmax alone makes it worse.

    Returns
    -------
    (rmax, beta)
        NaN where beta' f >= 1, which no dye can show at this Kd.
    """
    bound = rmax_magnesium_mm / (kd_mm + rmax_magnesium_mm)
    free = 1.0 - bound
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = np.where(beta_apparent * free < 1, beta_apparent * bound / (1 - beta_apparent * free), np.nan)
        rmax = (rmax_apparent * (beta * free + bound) - rmin * beta * free) / bound
    return rmax, beta


def paired_wells(wells: pd.DataFrame, quality: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return a row per well with its fluorescence at 340 and 380 nm, ordered by run, plate and well.

    Parameters
    ----------
    wells : DataFrame
        `results/plates/<experiment>/wells.csv`. Readings of one well at one wavelength (repeats, times) are averaged.
    quality : DataFrame or None
        `results/plates/<experiment>/quality.csv`; no well of a plate with the verdict `exclude` is used.

    Returns
    -------
    DataFrame
        run_id, plate_id, well, role, sample_id, animal_id, condition, f340, f380 and reason: empty, or why the well is
        not used (a flagged or missing reading at either wavelength). Empty wells are left out.

    Raises
    ------
    InputError
        When there are no reads named 340 and 380, no sample wells, or a sample without one animal and one condition.
    """
    wells = wells[wells["role"].isin(ROLES)].copy()
    wells["read_name"] = wells["read_name"].astype(str).str.removesuffix(".0")
    found = sorted(set(wells["read_name"]))
    if not set(CHANNELS) <= set(found):
        raise InputError(f"wells.csv has the reads {', '.join(found) or 'none'}; needed: reads named 340 and 380")
    words = [*PLACE, *DESCRIBED, "flag"]
    wells[words] = wells.reindex(columns=words).astype(object).fillna("")
    wells["flag"] = wells["flag"].mask((wells["flag"] == "") & wells["value"].isna(), "missing")
    pairs = wells.drop_duplicates(PLACE).set_index(PLACE)[["role", *DESCRIBED]]
    flags = pd.DataFrame(index=pairs.index)
    for channel in CHANNELS:
        read = wells[wells["read_name"] == channel].groupby(PLACE)
        pairs[f"f{channel}"] = read["value"].mean()
        flags[channel] = read["flag"].agg(lambda flags: " and ".join(sorted(set(flags) - {""})))
    pairs["reason"] = [_reason(*row) for row in flags.fillna("missing").itertuples(index=False)]
    pairs = pairs.reset_index()
    if quality is not None:
        excluded = quality.loc[quality["verdict"] == "exclude", "plate_id"]
        pairs.loc[pairs["plate_id"].isin(excluded), "reason"] = "plate excluded"
    _check_samples(pairs[pairs["role"] == "sample"])
    position = pairs["well"].str.extract(r"^([A-Z]+)0*(\d+)$")
    pairs = pairs.assign(row=position[0], column=position[1].astype(float))
    columns = ["run_id", "plate_id", "well", "role", *DESCRIBED, "f340", "f380", "reason"]
    return pairs.sort_values(["run_id", "plate_id", "row", "column"], ignore_index=True)[columns]


def _reason(at_340: str, at_380: str) -> str:
    """Return why a well is not used, from its flags at both wavelengths; empty when it is used."""
    if at_340 == at_380:
        return at_340
    return ", ".join(
        f"{flag} at {channel} nm" for flag, channel in zip((at_340, at_380), CHANNELS, strict=True) if flag
    )


def _check_samples(pairs: pd.DataFrame) -> None:
    if pairs.empty:
        raise InputError("wells.csv has no wells with the role sample")
    for (run_id, sample_id), group in pairs.groupby(["run_id", "sample_id"]):
        wells = ", ".join(group["well"])
        if not sample_id:
            raise InputError(f"run {run_id}, wells {wells}: a sample well needs a sample_id")
        for name in ("animal_id", "condition"):
            if len(set(group[name])) > 1:
                raise InputError(f"run {run_id}, sample {sample_id}, wells {wells}: more than one {name}")
        if not group["animal_id"].iloc[0]:
            raise InputError(f"run {run_id}, sample {sample_id}: no animal_id; the animal or donor is the unit")


def calibrate(pairs: pd.DataFrame, *, seed: int = SEED, draws: int = DRAWS) -> dict[str, Calibration]:
    """Return the calibration of each run, its wells resampled within their roles, both wavelengths together.

    Each draw resamples the background, Rmin and Rmax wells with replacement; the deviation of a resampled mean of n
    wells from the mean is widened by sqrt(n/(n - 1)), without which a few wells promise too much. In 400 simulated runs
    of 8 donors the 95 % intervals held the donors in 92, 94, 95 and 97 % with 3, 4, 6 and 8 wells of each role.
    """
    return {run_id: _calibrate_run(run_id, run, seed, draws) for run_id, run in pairs.groupby("run_id")}


def _calibrate_run(run_id: str, run: pd.DataFrame, seed: int, draws: int) -> Calibration:
    used = run[run["reason"] == ""]
    values = {role: used.loc[used["role"] == role, ["f340", "f380"]].to_numpy(float) for role in CALIBRATORS}
    means = {role: _resampled_means(of_role, draws, _stream(seed, role, run_id)) for role, of_role in values.items()}
    free, bound = means["rmin"] - means["background"], means["rmax"] - means["background"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Calibration(
            run_id,
            *means["background"].T,
            rmin=free[:, 0] / free[:, 1],
            rmax=bound[:, 0] / bound[:, 1],
            beta=free[:, 1] / bound[:, 1],
            wells={role: len(of_role) for role, of_role in values.items()},
        )


def _resampled_means(values: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mean of `values` (n, 2) and `draws` resampled means below it, as (draws + 1, 2)."""
    n = len(values)
    if n < MIN_CALIBRATION_WELLS:
        return np.full((draws + 1, 2), np.nan)
    mean = values.mean(axis=0)
    resampled = values[rng.integers(0, n, size=(draws, n))].mean(axis=1)
    return np.vstack([mean, mean + (resampled - mean) * math.sqrt(n / (n - 1))])


def _stream(seed: int, *names: str) -> np.random.Generator:
    """Return the random stream of one thing of the study: it depends on its name and on nothing else there is."""
    return np.random.default_rng([seed, zlib.crc32("\0".join(names).encode())])


def curve(calibration: Calibration, given: Settings, kd_mm: float | None = None) -> Curve:
    """Return the curve of a run at a Kd (default: that of the settings), corrected for the free dye of the Rmax wells.

    A draw that no dye can show (Rmax <= Rmin, beta <= 0) is replaced by the next possible one. A run whose measured
    calibration is impossible, or in more than one draw of a hundred, gives no values; the curve says why.
    """
    kd_mm = given.kd_mm if kd_mm is None else kd_mm
    rmin, rmax, beta = calibration.rmin, calibration.rmax, calibration.beta
    reason = _why_not(calibration, given)
    if given.rmax_magnesium_mm is not None:
        rmax, beta = saturated(rmin, rmax, beta, kd_mm, given.rmax_magnesium_mm)
    possible = np.flatnonzero((rmin > 0) & (rmax > rmin) & (beta > 0) & np.isfinite(rmax))
    if not reason and (possible.size < MIN_POSSIBLE_DRAWS * rmin.size or possible[0] != 0):
        reason = (
            f"{1 - possible.size / rmin.size:.0%} of the draws of Rmin, Rmax and beta are impossible at Kd "
            f"{kd_mm:g} mM: too few calibration wells, too different ones, or a wrong rmax_magnesium_mm"
        )
    if reason:
        nothing = np.full_like(rmin, np.nan)
        return Curve(nothing, nothing, nothing, kd_mm, f"run {calibration.run_id}: {reason}")
    chosen = possible[np.searchsorted(possible, np.arange(rmin.size)) % possible.size]
    return Curve(rmin[chosen], rmax[chosen], beta[chosen], kd_mm)


def _why_not(calibration: Calibration, given: Settings) -> str:
    """Return why a calibration as measured cannot be used; empty when it can."""
    few = [f"{n} usable {role} wells" for role, n in calibration.wells.items() if n < MIN_CALIBRATION_WELLS]
    if few:
        return f"{', '.join(few)}; needed: at least {MIN_CALIBRATION_WELLS}, better 6"
    rmin, rmax, beta = calibration.rmin[0], calibration.rmax[0], calibration.beta[0]
    if not 0 < rmin < rmax:
        return f"Rmin is {rmin:.4g} and Rmax {rmax:.4g}: are rmin and rmax wells exchanged?"
    if beta < 1 and not given.confirm_beta_below_one:
        return (
            f"beta is {beta:.4g}; it is F380 of the free over F380 of the bound dye, above 1 for this dye: are rmin "
            "and rmax exchanged, or their loading unequal? confirm_beta_below_one: true accepts it"
        )
    return ""


def curves_of(calibrations: dict[str, Calibration], given: Settings, kd_mm: float | None = None) -> dict[str, Curve]:
    """Return the curve of each run at a Kd (default: that of the settings)."""
    return {run_id: curve(calibration, given, kd_mm) for run_id, calibration in calibrations.items()}


def samples(pairs: pd.DataFrame, calibrations: dict[str, Calibration]) -> list[Sample]:
    """Return the samples with their ratios: the sum over replicate wells first, the ratio after.

    A mean of ratios is biased upward where the signal is low; the ratio of sums is not.
    """
    found = pairs[pairs["role"] == "sample"].groupby(["run_id", "sample_id"], sort=True)
    return [_sample(calibrations[run_id], sample_id, group) for (run_id, sample_id), group in found]


def _sample(calibration: Calibration, sample_id: str, group: pd.DataFrame) -> Sample:
    used = group[group["reason"] == ""]
    raw = used[["f340", "f380"]].to_numpy(float)
    notes = [f"{well}: {reason}" for well, reason in zip(group["well"], group["reason"], strict=True) if reason]
    numerator = math.fsum(raw[:, 0]) - len(raw) * calibration.background_340
    denominator = math.fsum(raw[:, 1]) - len(raw) * calibration.background_380
    ratio, ratio_se = np.full_like(denominator, np.nan), math.nan
    if not len(raw):
        notes.append("no usable well")
    elif denominator[0] <= 0:
        notes.append("no signal above the background at 380 nm")
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            # A draw in which the background takes all the signal at 380 nm does not limit R from above.
            ratio = np.where(denominator <= 0, np.inf, numerator / denominator)
        ratio_se = _ratio_se(raw - (calibration.background_340[0], calibration.background_380[0]), ratio[0])
    if len(raw) == 1:
        notes.append("one well: no interval")
    first = group.iloc[0]
    return Sample(
        calibration.run_id,
        sample_id,
        first["animal_id"],
        first["condition"],
        ratio,
        ratio_se,
        n_wells=len(raw),
        n_wells_excluded=len(group) - len(raw),
        reason="; ".join(notes),
    )


def _ratio_se(net: np.ndarray, ratio: float) -> float:
    """Return the standard error of sum(f340)/sum(f380) from the wells' residuals (linearised); NaN below 2 wells."""
    n = len(net)
    if n < 2:
        return math.nan
    residuals = (net[:, 0] - ratio * net[:, 1]) / net[:, 1].mean()
    return math.sqrt(math.fsum(residuals**2) / (n - 1) / n)


def sample_draws_mm(sample: Sample, run: Curve, seed: int = SEED) -> np.ndarray:
    """Return the free Mg2+ of a sample in each draw, with the error of its own wells (t with n - 1 degrees).

    A censored sample is drawn around the limit that it passed: its interval then ends where this calibration can no
    longer tell a value from the limit, however far beyond it R lies.
    """
    ratio = sample.ratio.copy()
    ratio[1:] += np.clip(ratio[0], run.rmin[0], run.rmax[0]) - ratio[0]
    if sample.n_wells > 1:
        own = _stream(seed, "sample", sample.run_id, sample.sample_id)
        ratio[1:] += sample.ratio_se * own.standard_t(sample.n_wells - 1, size=ratio.size - 1)
    else:
        ratio[1:] = np.nan
    return free_magnesium_mm(ratio, run.rmin, run.rmax, run.beta, run.kd_mm)


def sample_table(found: list[Sample], curves: dict[str, Curve], seed: int = SEED) -> pd.DataFrame:
    """Return a row per sample: ratio, free Mg2+ with its interval, and what is to be said of it.

    Columns: sample_id, animal_id, condition, ratio, free_magnesium_mm, ci_low, ci_high, flag, run_id, ratio_se,
    n_wells, n_wells_excluded, kd_mm, reason. Flags: `below Rmin` (0, and an upper limit), `above Rmax` (inf, and a
    lower limit), `open above` (the interval has no upper limit), `one well` (no interval), `no value`.
    """
    return pd.DataFrame([_sample_row(sample, curves[sample.run_id], seed) for sample in found])


def _sample_row(sample: Sample, run: Curve, seed: int) -> dict:
    draws = sample_draws_mm(sample, run, seed)
    value = float(draws[0])
    low, high = _interval(draws[1:])
    low, high = 0.0 if value == 0 else low, math.inf if math.isinf(value) else high
    return {
        "sample_id": sample.sample_id,
        "animal_id": sample.animal_id,
        "condition": sample.condition,
        "ratio": sample.ratio[0],
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


def _interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the central interval of draws that may hold 0 and infinity; NaN when there are none."""
    if np.isnan(draws).any():
        return math.nan, math.nan
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def calibration_table(calibrations: dict[str, Calibration], given: Settings) -> pd.DataFrame:
    """Return a row per run: what was measured, what enters the equation, with standard errors over the draws.

    Columns: run_id, rmin, rmin_se, rmax, rmax_se, beta, beta_se (as they enter the equation), rmin_apparent,
    rmax_apparent, beta_apparent (as measured), background_340, background_380, n_background, n_rmin, n_rmax (wells
    used), kd_mm, kd_source, rmax_magnesium_mm (empty: taken as saturating), bound_at_rmax (share of the dye), verdict
    (pass, exclude) and reason.
    """
    return pd.DataFrame([_calibration_row(calibration, given) for calibration in calibrations.values()])


def _calibration_row(calibration: Calibration, given: Settings) -> dict:
    used, magnesium_mm = curve(calibration, given), given.rmax_magnesium_mm
    row: dict = {"run_id": calibration.run_id}
    for name in ("rmin", "rmax", "beta"):
        values = getattr(used, name)
        row |= {name: values[0], f"{name}_se": values[1:].std(ddof=1)}
    row |= {f"{name}_apparent": getattr(calibration, name)[0] for name in ("rmin", "rmax", "beta")}
    row |= {name: getattr(calibration, name)[0] for name in ("background_340", "background_380")}
    row |= {f"n_{role}": n for role, n in calibration.wells.items()}
    return row | {
        "kd_mm": given.kd_mm,
        "kd_source": given.kd_source,
        "rmax_magnesium_mm": math.nan if magnesium_mm is None else magnesium_mm,
        "bound_at_rmax": 1.0 if magnesium_mm is None else magnesium_mm / (magnesium_mm + given.kd_mm),
        "verdict": "exclude" if used.reason else "pass",
        "reason": used.reason,
    }


def kd_choices(given: Settings) -> list[tuple[float, str]]:
    """Return the Kd of the settings first, then each published Kd that differs from it, with its source."""
    others = [(kd, source) for kd, source in PUBLISHED_KD_MM if not math.isclose(kd, given.kd_mm)]
    return [(given.kd_mm, given.kd_source), *others]


def group_table(
    found: list[Sample], calibrations: dict[str, Calibration], given: Settings, *, seed: int = SEED
) -> pd.DataFrame:
    """Return mean and median free Mg2+ of each condition over its animals, at each Kd.

    The animal is the unit; its samples are averaged first. In each draw the animals take that draw's background, Rmin,
    Rmax and beta, which are common to a run; the error of their own wells is not added, for the scatter of the animals
    holds it already. Mean: t(n - 1) s/sqrt(n) of the draw's animals is added to the draw's mean. Median: the animals
    are resampled within the draw. So the interval over the draws holds the animals and the calibration, and the latter
    does not shrink with more animals. With a censored animal the mean is not known; the median takes it in its place.

    Columns: condition, statistic (mean, median), kd_mm, kd_source, estimate, se, ci_low, ci_high (mM), se_animals and
    se_calibration (the two parts of se), n_animals, n_samples, n_below_rmin, n_above_rmax, n_without_value (samples),
    reason (why a number is not given).
    """
    rows = []
    for kd_mm, source in kd_choices(given):
        curves = curves_of(calibrations, given, kd_mm)
        for condition in dict.fromkeys(sample.condition for sample in found):
            members = [sample for sample in found if sample.condition == condition]
            values, counts = _animal_values(members, curves)
            refused = dict.fromkeys(curves[sample.run_id].reason for sample in members)
            for statistic, summary in STATISTICS.items():
                # The same stream at each Kd: the rows then differ by Kd alone.
                numbers = summary(values, counts, _stream(seed, statistic, condition))
                numbers["reason"] = "; ".join(filter(None, (numbers.get("reason"), *refused)))
                common = {"condition": condition, "statistic": statistic, "kd_mm": kd_mm, "kd_source": source}
                rows.append(common | counts | numbers)
    return pd.DataFrame(rows, columns=GROUP_COLUMNS).sort_values("condition", kind="stable", ignore_index=True)


def _animal_values(members: list[Sample], curves: dict[str, Curve]) -> tuple[np.ndarray, dict[str, int]]:
    """Return the animals' values (animals, draws + 1) in mM, and counts of animals and samples."""
    by_animal: dict[str, list[np.ndarray]] = {}
    estimates = []
    for sample in members:
        run = curves[sample.run_id]
        values = free_magnesium_mm(sample.ratio, run.rmin, run.rmax, run.beta, run.kd_mm)
        estimates.append(values[0])
        if not math.isnan(values[0]):
            by_animal.setdefault(sample.animal_id, []).append(values)
    counts = {
        "n_animals": len(by_animal),
        "n_samples": len(members),
        "n_below_rmin": estimates.count(0.0),
        "n_above_rmax": estimates.count(math.inf),
        "n_without_value": int(np.isnan(estimates).sum()),
    }
    return np.array([np.mean(values, axis=0) for values in by_animal.values()]), counts


def _mean(values: np.ndarray, counts: dict[str, int], rng: np.random.Generator) -> dict:
    n = len(values)
    if n == 0:
        return {"reason": "no animal has a value"}
    censored = counts["n_below_rmin"] + counts["n_above_rmax"]
    if censored:
        return {"reason": f"{censored} of {counts['n_samples']} samples censored: no mean is known, see the median"}
    if n == 1:
        return {"estimate": values[0, 0], "reason": "one animal: no interval"}
    with np.errstate(invalid="ignore"):
        means, spread = values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(n)
        drawn = means[1:] + spread[1:] * rng.standard_t(n - 1, size=means.size - 1)
        calibration = means[1:].std(ddof=1)
    drawn[np.isinf(means[1:])] = np.inf  # an animal is above Rmax in this draw
    low, high = _interval(drawn)
    return {
        "estimate": means[0],
        "se": math.hypot(spread[0], calibration),
        "ci_low": low,
        "ci_high": high,
        "se_animals": spread[0],
        "se_calibration": calibration,
    }


def _median(values: np.ndarray, _counts: dict[str, int], rng: np.random.Generator) -> dict:
    n = len(values)
    if n == 0:
        return {"reason": "no animal has a value"}
    estimate = {"estimate": np.median(values[:, 0])}
    if n < MIN_ANIMALS_FOR_MEDIAN:
        return estimate | {"reason": f"a median has an interval from {MIN_ANIMALS_FOR_MEDIAN} animals on, here {n}"}
    draws = np.arange(1, values.shape[1])[:, None]
    chosen = rng.integers(0, n, size=(draws.size, n))
    low, high = _interval(np.median(values[chosen, draws], axis=1))
    return estimate | {"ci_low": low, "ci_high": high}


STATISTICS = {"mean": _mean, "median": _median}
GROUP_COLUMNS = (
    "condition", "statistic", "kd_mm", "kd_source", "estimate", "se", "ci_low", "ci_high", "se_animals",
    "se_calibration", "n_animals", "n_samples", "n_below_rmin", "n_above_rmax", "n_without_value", "reason",
)  # fmt: skip
