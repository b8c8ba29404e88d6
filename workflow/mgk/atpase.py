"""Ouabain-sensitive ATPase activity from released phosphate, per preparation, and its dependence on magnesium.

Limits: an endpoint assay with one read a plate, one concentration of ouabain, a straight standard curve on every plate.
Plates are read and joined with their layout in `mgk.plates`, free ions come from `mgk.solutions`, fits from
`mgk.fitting`; figures are in `mgk.figures.atpase`. Cooperativity (Hill) and inhibition by excess Mg2+ are not fitted.

Vocabulary: *total*, wells with enzyme; *ouabain*, the same with ouabain (the resistant part remains); *nonenzymatic*,
complete medium without enzyme, of the same Mg2+; *sensitive*, total minus resistant of one preparation on one plate.
Units: phosphate in nmol per well, activity in umol/mg/h (which is nmol/ug/h), concentrations in mM, signal in AU.

Uncertainty: every activity is one linear combination N of the wells' signals, divided by the slope b of the plate's
standard curve. Wells have independent errors (an additive part seen in wells without phosphate, a proportional part
seen in the replicates of the preparation). What total and resistant activity share cancels before any error is
counted: nonenzymatic wells and intercept have the weight zero in the sensitive activity, and b divides the difference
once. `se` is that of N/b; `replicate_se` leaves out the error of b, which all activities of a plate have in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from mgk.fitting import Estimate, fit_curve
from mgk.solutions import solve_solution
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows
from mgk.study import Study
from mgk.tables import InputError, read_table

UNIT = "umol/mg/h"
LEVEL = 0.95
# Detection and quantification limits in residual SD over slope (ICH Q2).
LOD_FACTOR, LOQ_FACTOR = 3.3, 10.0
# ATP consumed, in percent: up to 10 passes, up to 15 warns, beyond it the rate is not an initial rate.
DEPLETION_WARN_PERCENT, DEPLETION_FAIL_PERCENT = 10.0, 15.0
FEWEST_LEVELS = 3
# K0.5 is sought this far (in ln) beyond the concentrations that were used: a factor of 1000.
LN_BEYOND = float(np.log(1e3))
SAMPLES = ("total", "ouabain")
# A curve whose deviation from a straight line is this improbable under replicate error is remarked upon.
LACK_OF_FIT_P = 0.05
READ_NAME = "phosphate"
# Abscissa of each model of fits.csv.
MODELS = {
    "michaelis_menten_total_magnesium": "magnesium_total_mm",
    "michaelis_menten_free_magnesium": "magnesium_free_mm",
    "michaelis_menten_mgatp": "mgatp_mm",
}
ACTIVITY_COLUMNS = (
    "sample_id", "animal_id", "preparation_id", "condition", "plate_id", "magnesium_total_mm", "magnesium_free_mm",
    "atp_mm", "mgatp_mm", "total_activity", "total_se", "ouabain_resistant_activity", "ouabain_resistant_se",
    "ouabain_sensitive_activity", "se", "replicate_se", "ci_low", "ci_high", "unit", "n_total", "n_ouabain",
    "n_nonenzymatic", "depletion_percent", "flag",
)  # fmt: skip
# K0.5 for Mg2+ that a prediction may rest on, mM. The choice changes the answer, so both are always shown.
K05_MM = (
    (0.6, "assumed, no source"),
    (0.069, "Pilotelle-Bunner et al. 2009, Biophys J: stopped flow, a partial reaction of the pump"),
)


@dataclass(frozen=True)
class StandardCurve:
    """Signal = intercept + slope * nmol on one plate, by ordinary least squares.

    `covariance` is that of (intercept, slope); `verdict` is not_identified where no amount can be read from it.
    """

    plate_id: str
    n_wells: int
    n_levels: int
    intercept: float
    slope: float
    covariance: np.ndarray
    residual_sd: float
    low_nmol: float
    high_nmol: float
    lack_of_fit_f: float
    lack_of_fit_p: float
    verdict: str
    reason: str

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals."""
        return self.n_wells - 2

    @property
    def lod_nmol(self) -> float:
        """Limit of detection, 3.3 s/b."""
        return LOD_FACTOR * self.residual_sd / self.slope

    @property
    def loq_nmol(self) -> float:
        """Limit of quantification, 10 s/b."""
        return LOQ_FACTOR * self.residual_sd / self.slope


@dataclass(frozen=True)
class _Activity:
    """An activity with its errors (see the module)."""

    value: float
    se: float
    replicate_se: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class _WellError:
    """Standard deviation of a well: additive part, and a proportional part of the signal above the intercept."""

    additive: float
    proportional: float
    dof: int

    def variance(self, net_signal) -> np.ndarray:
        return self.additive**2 + (self.proportional * np.asarray(net_signal)) ** 2


def load_wells(project: Study, experiment: str) -> pd.DataFrame:
    """Read the wells of an experiment, without the plates that quality control excludes; one read a plate.

    Raises
    ------
    InputError
        When no plate is left, or a plate has several reads (or times) and none is named `phosphate`.
    """
    folder = project.results / "plates" / experiment
    wells = read_table(folder / "wells.csv", text=("role", "read_name"))
    quality = read_table(folder / "quality.csv")
    excluded = set(quality.loc[quality["verdict"] == "exclude", "plate_id"])
    left = wells[~wells["plate_id"].isin(excluded)]
    if left.empty:
        raise InputError(f"experiment {experiment}: quality control excludes all of its plates")
    return one_read(left)


def one_read(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the one read of each plate: the only one, or that named `phosphate`.

    Raises
    ------
    InputError
        When that leaves a well with more than one value.
    """
    several = wells.groupby("plate_id")["read"].transform("nunique") > 1
    chosen = wells[~several | (wells["read_name"] == READ_NAME)]
    counts = chosen.groupby(["plate_id", "well"]).size()
    lost = sorted(set(wells["plate_id"]) - set(chosen["plate_id"]))
    if lost or (counts > 1).any():
        plate = lost[0] if lost else counts[counts > 1].index[0][0]
        raise InputError(
            f"plate {plate}: has several values for a well; an endpoint assay needs one, so name its read in "
            f"plates.csv, column reads: '<number>={READ_NAME}'"
        )
    return chosen


def standard_curves(wells: pd.DataFrame) -> dict[str, StandardCurve]:
    """Return the standard curve of each plate from its wells of role `standard`."""
    return {plate: fit_standards(plate, group) for plate, group in wells.groupby("plate_id", sort=False)}


def fit_standards(plate_id: str, wells: pd.DataFrame) -> StandardCurve:
    """Fit the standards of one plate and test the straight line against the error of the replicates.

    Lack of fit: F = (SS of level means about the line / (levels - 2)) / (SS within levels / (wells - levels)).
    """
    used = usable(wells[wells["role"] == "standard"])
    if (used["standard_nmol"] < 0).any() or used["standard_nmol"].isna().any():
        raise InputError(f"plate {plate_id}: a standard has no standard_nmol; it must be an amount of at least 0")
    x, y = used["standard_nmol"].to_numpy(float), used["value"].to_numpy(float)
    n, levels = x.size, np.unique(x)
    nothing = dict.fromkeys(("intercept", "slope", "residual_sd", "lack_of_fit_f", "lack_of_fit_p"), np.nan)
    head = {"plate_id": plate_id, "n_wells": n, "n_levels": levels.size}
    limits = {"low_nmol": float(x.min()) if n else np.nan, "high_nmol": float(x.max()) if n else np.nan}
    if levels.size < FEWEST_LEVELS:
        reason = f"{levels.size} levels of the standard; at least {FEWEST_LEVELS} are needed"
        unknown = np.full((2, 2), np.nan)
        return StandardCurve(**head, **limits, **nothing, covariance=unknown, verdict="not_identified", reason=reason)
    centred = x - x.mean()
    sxx = centred @ centred
    slope = centred @ y / sxx
    intercept = y.mean() - slope * x.mean()
    rss = float(np.sum((y - intercept - slope * x) ** 2))
    variance = rss / (n - 2)
    covariance = variance / sxx * np.array([[sxx / n + x.mean() ** 2, -x.mean()], [-x.mean(), 1.0]])
    f, p = _lack_of_fit(x, y, levels, rss)
    quantile = t_distribution.ppf(0.5 + LEVEL / 2, n - 2)
    rises = slope > quantile * np.sqrt(covariance[1, 1])
    bent = p < LACK_OF_FIT_P
    return StandardCurve(
        **head,
        **limits,
        intercept=float(intercept),
        slope=float(slope),
        covariance=covariance,
        residual_sd=float(np.sqrt(variance)),
        lack_of_fit_f=f,
        lack_of_fit_p=p,
        verdict="not_identified" if not rises else "weak" if bent else "identified",
        reason="the signal does not rise with phosphate"
        if not rises
        else f"deviates from a straight line (lack of fit, p = {p:.2g})"
        if bent
        else "",
    )


def _lack_of_fit(x, y, levels, rss: float) -> tuple[float, float]:
    """Return F and p; NaN without replicates or with too few levels."""
    pure = float(np.sum([np.sum((y[x == level] - y[x == level].mean()) ** 2) for level in levels]))
    above, below = levels.size - 2, x.size - levels.size
    if above < 1 or below < 1 or pure == 0:
        return np.nan, np.nan
    f = max(rss - pure, 0.0) / above / (pure / below)
    return f, float(f_distribution.sf(f, above, below))


def fieller(numerator, denominator, var_numerator, var_denominator, covariance, quantile) -> tuple[float, float]:
    """Return Fieller's interval of a ratio of two normal estimates (Fieller 1954); infinite when b may be zero."""
    a = denominator**2 - quantile**2 * var_denominator
    if not a > 0:
        return (-np.inf, np.inf) if np.isfinite(a) else (np.nan, np.nan)
    b = numerator * denominator - quantile**2 * covariance
    c = numerator**2 - quantile**2 * var_numerator
    root = np.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def amount_nmol(curve: StandardCurve, signals, level: float = LEVEL) -> tuple[float, float, float]:
    """Read an amount off a standard curve: estimate and Fieller interval for the mean of the signals of one sample.

    The error of a signal is that of the standards (residual SD of the curve).
    """
    signals = np.asarray(signals, float)
    net = signals.mean() - curve.intercept
    var = curve.residual_sd**2 / signals.size + curve.covariance[0, 0]
    quantile = t_distribution.ppf(0.5 + level / 2, curve.dof)
    low, high = fieller(net, curve.slope, var, curve.covariance[1, 1], -curve.covariance[0, 1], quantile)
    return float(net / curve.slope), float(low), float(high)


def usable(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the wells that have a value and no flag of the reader."""
    return wells[(wells["flag"] == "") & wells["value"].notna()]


def curve_table(experiment: str, curves: Mapping[str, StandardCurve]) -> pd.DataFrame:
    """Return standard_curve.csv: a row a plate."""
    rows = [
        {
            "experiment": experiment,
            "plate_id": c.plate_id,
            "n_wells": c.n_wells,
            "n_levels": c.n_levels,
            "intercept": c.intercept,
            "intercept_se": np.sqrt(c.covariance[0, 0]),
            "slope_per_nmol": c.slope,
            "slope_se": np.sqrt(c.covariance[1, 1]),
            "residual_sd": c.residual_sd,
            "lod_nmol": c.lod_nmol,
            "loq_nmol": c.loq_nmol,
            "low_nmol": c.low_nmol,
            "high_nmol": c.high_nmol,
            "lack_of_fit_f": c.lack_of_fit_f,
            "lack_of_fit_p": c.lack_of_fit_p,
            "verdict": c.verdict,
            "reason": c.reason,
        }
        for c in curves.values()
    ]
    return pd.DataFrame(rows)


def activity_table(
    wells: pd.DataFrame, curves: Mapping[str, StandardCurve], medium: Mapping, constants: str
) -> pd.DataFrame:
    """Return activity.csv: a row for each preparation, Mg2+ and plate.

    Parameters
    ----------
    wells : DataFrame
        Wells joined with their layout, one read a plate (`load_wells`).
    curves : mapping
        Standard curve by plate.
    medium : Mapping
        The recipe of the medium; Mg2+ and ATP of each tube are put in.
    constants : str
        Set of stability constants, unless the recipe names its own.

    Returns
    -------
    DataFrame
        Columns `ACTIVITY_COLUMNS`. A value that cannot be had is NaN, and `flag` says why; `se`, `replicate_se` and
        the interval (Fieller, 95 %) belong to the sensitive activity.

    Raises
    ------
    InputError
        When wells lack Mg2+ or ATP, a preparation belongs to two animals or conditions or has more than one
        concentration of ouabain, or wells of a plate were diluted differently.
    """
    samples = wells[wells["role"].isin(SAMPLES)]
    _check_samples(samples)
    _check_dilutions(wells[wells["role"].isin([*SAMPLES, "nonenzymatic"])])
    rows = []
    for (plate, _), preparation in samples.groupby(["plate_id", "preparation_id"], sort=False):
        on_plate = wells[wells["plate_id"] == plate]
        error = _well_error(curves[plate], on_plate, preparation)
        for (magnesium, atp), tubes in preparation.groupby(["magnesium_total_mm", "atp_mm"]):
            same = (on_plate["magnesium_total_mm"] == magnesium) & (on_plate["atp_mm"] == atp)
            blanks = on_plate[(on_plate["role"] == "nonenzymatic") & same]
            rows.append(_activity_row(curves[plate], error, tubes, blanks))
    tubes = ["magnesium_total_mm", "atp_mm"]
    table = pd.DataFrame(rows, columns=[c for c in ACTIVITY_COLUMNS if c not in ("magnesium_free_mm", "mgatp_mm")])
    solved = tube_solutions(table, medium, constants)
    return table.merge(solved, on=tubes, how="left", validate="many_to_one")[list(ACTIVITY_COLUMNS)]


def tube_solutions(tubes: pd.DataFrame, medium: Mapping, constants: str) -> pd.DataFrame:
    """Return free Mg2+ and MgATP of each distinct pair of total Mg2+ and ATP, in the medium, mM.

    MgATP is the complex MgATP2-; MgHATP is not part of it.
    """
    rows = []
    for magnesium, atp in tubes[["magnesium_total_mm", "atp_mm"]].drop_duplicates().itertuples(index=False):
        totals = {**medium.get("totals_mm", {}), "Mg": float(magnesium), "ATP": float(atp)}
        solved = solve_solution({**medium, "totals_mm": totals}, constants)
        rows.append((magnesium, atp, solved.free_mm["Mg"], solved.complexes_mm.get("MgATP", 0.0)))
    return pd.DataFrame(rows, columns=["magnesium_total_mm", "atp_mm", "magnesium_free_mm", "mgatp_mm"])


def _check_samples(samples: pd.DataFrame) -> None:
    for column in ("magnesium_total_mm", "atp_mm"):
        for well in samples[samples[column].isna()].itertuples():
            raise InputError(f"plate {well.plate_id}, well {well.well}: {column} is empty; it must be a number in mM")
    for preparation, group in samples.groupby("preparation_id"):
        with_ouabain = group[group["role"] == "ouabain"]
        for column, rows in {"animal_id": group, "condition": group, "ouabain_mm": with_ouabain}.items():
            found = rows[column].dropna().unique()
            if len(found) > 1:
                raise InputError(f"preparation {preparation}: {column} is {', '.join(map(str, found))}; it must be one")


def _check_dilutions(wells: pd.DataFrame) -> None:
    for plate, group in wells.groupby("plate_id"):
        found = _dilution(group).unique()
        if found.size > 1:
            values = ", ".join(f"{d:g}" for d in found)
            raise InputError(f"plate {plate}: dilution_factor is {values}; samples and blanks must be diluted alike")


def _well_error(curve: StandardCurve, on_plate: pd.DataFrame, preparation: pd.DataFrame) -> _WellError:
    """Pool the additive error of wells without phosphate, and the proportional error of this preparation's replicates.

    Each preparation has its own, so that a bad well of one does not touch another.
    """
    zero = usable(on_plate[(on_plate["role"] == "blank") | (on_plate["standard_nmol"] == 0)])
    additive, _ = _pooled_variance([y.to_numpy(float) for _, y in zero.groupby("role")["value"]])
    additive = np.nan_to_num(additive)
    replicates = [
        y.to_numpy(float) - curve.intercept
        for _, y in usable(preparation).groupby(["role", "magnesium_total_mm", "atp_mm"])["value"]
    ]
    relative, dof = _pooled_variance([net / net.mean() for net in replicates])
    # The replicates hold the additive part too, and it is not counted twice.
    of_additive = np.sum([(net.size - 1) * additive / net.mean() ** 2 for net in replicates]) / dof if dof else 0.0
    return _WellError(float(np.sqrt(additive)), float(np.sqrt(np.maximum(relative - of_additive, 0.0))), dof)


def _pooled_variance(groups) -> tuple[float, int]:
    """Return the variance within groups and its degrees of freedom; NaN without replicates."""
    dof = int(np.sum([g.size - 1 for g in groups], dtype=int))
    squares = np.sum([np.sum((g - g.mean()) ** 2) for g in groups])
    return (float(squares) / dof, dof) if dof else (np.nan, 0)


def _activity_row(curve: StandardCurve, error: _WellError, tubes: pd.DataFrame, blanks: pd.DataFrame) -> dict:
    used = {role: usable(tubes[tubes["role"] == role]) for role in SAMPLES} | {"nonenzymatic": usable(blanks)}
    means = {role: float(wells["value"].mean()) for role, wells in used.items()}
    rates = {role: _rate_per_nmol(used[role]) for role in SAMPLES}
    total = _combine(curve, error, used, means, {"total": rates["total"]})
    resistant = _combine(curve, error, used, means, {"ouabain": rates["ouabain"]})
    sensitive = _combine(curve, error, used, means, {"total": rates["total"], "ouabain": -rates["ouabain"]})
    depletion = _depletion_percent(curve, used["total"], means)
    described = tubes[tubes["role"] == "total"] if (tubes["role"] == "total").any() else tubes
    first = described.iloc[0]
    return {
        **{c: first[c] for c in ("sample_id", "animal_id", "preparation_id", "condition", "plate_id")},
        **{c: first[c] for c in ("magnesium_total_mm", "atp_mm")},
        "total_activity": total.value,
        "total_se": total.se,
        "ouabain_resistant_activity": resistant.value,
        "ouabain_resistant_se": resistant.se,
        "ouabain_sensitive_activity": sensitive.value,
        "se": sensitive.se,
        "replicate_se": sensitive.replicate_se,
        "ci_low": sensitive.ci_low,
        "ci_high": sensitive.ci_high,
        "unit": UNIT,
        **{f"n_{role}": len(wells) for role, wells in used.items()},
        "depletion_percent": depletion,
        "flag": "; ".join(_flags(curve, error, pd.concat([tubes, blanks]), means, depletion)),
    }


def _rate_per_nmol(wells: pd.DataFrame) -> np.ndarray:
    """Return each well's weight in the mean activity: umol/mg/h per nmol, over the number of wells."""
    per_nmol = _dilution(wells) * 60.0 / (wells["protein_ug"] * wells["time_min"])
    return per_nmol.to_numpy(float) / max(len(wells), 1)


def _dilution(wells: pd.DataFrame) -> pd.Series:
    given = wells.get("dilution_factor", pd.Series(np.nan, index=wells.index))
    return given.astype(float).fillna(1.0)


def _combine(curve: StandardCurve, error: _WellError, used: dict, means: dict, weights: dict) -> _Activity:
    """Return sum(weight * signal) / slope; the nonenzymatic mean takes the weight that makes all weights add to zero.

    With that sum at zero the intercept drops out. Equal protein and time in total and ouabain wells give the
    nonenzymatic mean the weight zero in their difference; it is then not needed.
    """
    if any(w.size == 0 for w in weights.values()) or curve.verdict == "not_identified":
        return _Activity(np.nan, np.nan, np.nan, np.nan, np.nan)
    every = np.concatenate(list(weights.values()))
    blank_weight = -float(np.sum(every))
    if abs(blank_weight) < 1e-12 * np.sum(np.abs(every)):
        blank_weight = 0.0
    numerator = float(np.sum([w @ used[role]["value"].to_numpy(float) for role, w in weights.items()]))
    variance = float(np.sum([w @ w * error.variance(means[role] - curve.intercept) for role, w in weights.items()]))
    if blank_weight:
        n = max(len(used["nonenzymatic"]), 1)
        numerator += blank_weight * means["nonenzymatic"]
        variance += blank_weight**2 * error.variance(means["nonenzymatic"] - curve.intercept) / n
    value, var_slope = numerator / curve.slope, curve.covariance[1, 1]
    quantile = t_distribution.ppf(0.5 + LEVEL / 2, min(error.dof, curve.dof)) if error.dof else np.nan
    low, high = fieller(numerator, curve.slope, variance, var_slope, 0.0, quantile)
    return _Activity(
        value=value,
        se=float(np.sqrt(variance + value**2 * var_slope) / curve.slope),
        replicate_se=float(np.sqrt(variance) / curve.slope),
        ci_low=float(low),
        ci_high=float(high),
    )


def _depletion_percent(curve: StandardCurve, total: pd.DataFrame, means: dict) -> float:
    """Return the ATP that the enzyme split in the total wells, in percent; NaN when volume or blank is not known."""
    if "aliquot_ul" not in total or not len(total):
        return np.nan
    # mM times ul is nmol: what the part of the assay that was read held at the start.
    offered = float((total["atp_mm"] * total["aliquot_ul"]).mean())
    split = (means["total"] - means["nonenzymatic"]) / curve.slope * _dilution(total).iloc[0]
    return 100 * split / offered


def _flags(curve: StandardCurve, error: _WellError, wells: pd.DataFrame, means: dict, depletion: float):
    """Yield what is wrong with a row, in words."""
    for well in wells[(wells["flag"] != "") | wells["value"].isna()].itertuples():
        yield f"{well.role} well {well.well}: {well.flag or 'no value'}"
    for role, mean in means.items():
        if np.isnan(mean):
            yield f"no {role} well"
    if curve.verdict == "not_identified":
        yield f"no standard curve: {curve.reason}"
        return
    if not error.dof:
        yield "no replicates, so no standard error"
    for role in SAMPLES:
        amount = (means[role] - curve.intercept) / curve.slope
        if amount < curve.lod_nmol:
            yield f"{role} below the limit of detection"
        elif amount < curve.loq_nmol:
            yield f"{role} below the limit of quantification"
        elif amount > curve.high_nmol:
            yield f"{role} above the standards"
    if np.isnan(depletion):
        yield "substrate depletion not known"
    elif depletion > DEPLETION_FAIL_PERCENT:
        yield f"substrate depletion {depletion:.0f} %: fail, not fitted"
    elif depletion > DEPLETION_WARN_PERCENT:
        yield f"substrate depletion {depletion:.0f} %: warn"


def michaelis_menten(x, vmax, ln_k05):
    """Return v = Vmax x / (K0.5 + x), with ln K0.5 as the parameter."""
    return vmax * x / (np.exp(ln_k05) + x)


def kinetic_fits(activity: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return fits.csv: Michaelis-Menten for each animal against total Mg2+, free Mg2+ and MgATP, then per condition.

    The points of an animal are weighted by their `replicate_se`. What fails the gate of substrate depletion is left
    out. The reason of an animal's row says by how much AICc another abscissa describes its points better. The error
    of the slope of the standard curve, which scales all of Vmax on a plate, is not in an animal's interval; it is
    in that of the group as far as animals were measured on several plates.
    """
    rows, animals = [], {}
    for (condition, animal), points in activity.groupby(["condition", "animal_id"]):
        animals[animal] = animal
        used = points[points["ouabain_sensitive_activity"].notna() & ~_depleted(points)]
        fits = {model: _fit_animal(used, column) for model, column in MODELS.items()}
        best = min(fits.values(), key=lambda fit: np.inf if np.isnan(fit["aicc"]) else fit["aicc"])["aicc"]
        left_out = len(points) - len(used)
        for model, fit in fits.items():
            said = []
            if fit["aicc"] > best:
                said.append(f"AICc {fit['aicc'] - best:.1f} above the best abscissa")
            if left_out:
                said.append(f"{left_out} of {len(points)} points left out")
            for parameter, unit in (("vmax", UNIT), ("k05", "mM")):
                row = fit_row(experiment, condition, animal, model, parameter, unit, fit[parameter])
                row["reason"] = "; ".join(filter(None, [row["reason"], *said]))
                rows.append(row)
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    return pd.concat([fits, group_rows(fits, animals, geometric={"k05"})], ignore_index=True)


def _depleted(activity: pd.DataFrame) -> pd.Series:
    return activity["depletion_percent"] > DEPLETION_FAIL_PERCENT


def _fit_animal(points: pd.DataFrame, column: str) -> dict:
    """Fit one animal's points against one abscissa; return the estimates and AICc."""
    x, y = points[column].to_numpy(float), points["ouabain_sensitive_activity"].to_numpy(float)
    if np.unique(x).size < FEWEST_LEVELS:
        nothing = Estimate(*[np.nan] * 4, "not_identified", f"{np.unique(x).size} levels of {column}")
        return {"vmax": nothing, "k05": nothing, "aicc": np.nan}
    se = points["replicate_se"].to_numpy(float)
    weighted = np.isfinite(se).all() and (se > 0).all()
    middle = float(np.log(np.median(x[x > 0])))
    fit = fit_curve(
        michaelis_menten,
        x,
        y,
        {"vmax": max(float(y.max()), 1e-6), "ln_k05": middle},
        sd=se if weighted else None,
        bounds={"ln_k05": (np.log(x[x > 0].min()) - LN_BEYOND, np.log(x.max()) + LN_BEYOND)},
    )
    return {"vmax": fit.parameters["vmax"], "k05": fit.parameters["ln_k05"].exp(), "aicc": fit.aicc}


def collinearity(activity: pd.DataFrame) -> pd.DataFrame:
    """Return how far free Mg2+ and MgATP can be told apart: their correlation over the tubes' distinct compositions.

    A row for all compositions and one for those in which total Mg2+ does not exceed ATP.
    """
    tubes = activity.drop_duplicates(["magnesium_total_mm", "atp_mm"])
    parts = {"all": tubes, "total Mg2+ up to ATP": tubes[tubes["magnesium_total_mm"] <= tubes["atp_mm"]]}
    rows = []
    for name, part in parts.items():
        enough = len(part) > 2
        r = part["magnesium_free_mm"].corr(part["mgatp_mm"]) if enough else np.nan
        rank = part["magnesium_free_mm"].corr(part["mgatp_mm"], method="spearman") if enough else np.nan
        rows.append({"tubes": name, "n_compositions": len(part), "correlation": r, "rank_correlation": rank})
    return pd.DataFrame(rows)


def relative_rate(low_mm: float, high_mm: float, k05_mm: float) -> float:
    """Return the rate at one free Mg2+ over that at another, v = x / (K0.5 + x)."""
    return low_mm / (k05_mm + low_mm) * (k05_mm + high_mm) / high_mm


def predictions(fits: pd.DataFrame, low_mm: float = 0.3, high_mm: float = 1.0) -> pd.DataFrame:
    """Return the pump's rate at `low_mm` over that at `high_mm` free Mg2+ for each K0.5 at hand, with its source."""
    model = (fits["model"] == "michaelis_menten_free_magnesium") & (fits["parameter"] == "k05")
    groups = fits[model & (fits["unit_id"] == "") & (fits["verdict"] != "not_identified")]
    known = [*K05_MM, *((row.estimate, f"recovered here: {row.group}") for row in groups.itertuples())]
    return pd.DataFrame(
        [
            {"k05_mm": k05, "source": source, "relative_rate": relative_rate(low_mm, high_mm, k05)}
            for k05, source in known
        ]
    )
