"""Ouabain-sensitive ATPase activity from released phosphate, per preparation.

Limits: an endpoint assay with one read a plate, one concentration of ouabain, a straight standard curve on every plate.
Plates are read and joined with their layout in `mgk.plates`, free ions come from `mgk.solutions`.

Vocabulary: *total*, wells with enzyme; *ouabain*, the same with ouabain (the resistant part remains); *nonenzymatic*,
complete medium without enzyme, of the same Mg2+; *sensitive*, total minus resistant of one preparation on one plate.
Units: phosphate in nmol per well, activity in umol/mg/h (which is nmol/ug/h) and beside it in nmol/mg/min (1 umol/mg/h
is 16.67 nmol/mg/min), concentrations in mM, signal in AU.

Uncertainty: every activity is one linear combination N of the wells' signals, divided by the slope b of the plate's
standard curve. Wells have independent errors, whose size is seen in the replicates of the preparation: the scatter of
its faintest wells, and its growth with what the enzyme adds to them. What total and resistant activity share cancels
before any error is counted: nonenzymatic wells and intercept have the weight zero in the sensitive activity, and b
divides the difference once. `se` is that of N/b, with the error of the protein assay where there is one; `replicate_se`
leaves out what all activities of a preparation on a plate have in common, b and protein; `scale_cv` is the relative
error of these two. Intervals are Fieller's, for total, resistant and sensitive activity each, with the degrees of
freedom of Satterthwaite over wells and slope. Above the straight part of a curve that saturates a total or resistant
activity is *censored*, a lower limit without an error: its interval is open above, and so is that of the difference on
the side of the part that is censored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from mgk.atpase.standards import BEYOND, LEVEL, StandardCurve, fieller, growth_of_scatter, is_censored, place, usable
from mgk.solutions import solve_solution
from mgk.statistics import effective_df
from mgk.study import Study
from mgk.tables import InputError, read_table

UNIT = "umol/mg/h"
# 1 umol/mg/h in nmol/mg/min.
NMOL_PER_MIN = 1000.0 / 60.0
# ATP consumed, in percent: up to 10 passes, up to 15 warns, beyond it the rate is not an initial rate
# (project notes, section 3 of plates).
DEPLETION_WARN_PERCENT, DEPLETION_FAIL_PERCENT = 10.0, 15.0
SAMPLES = ("total", "ouabain")
READ_NAME = "phosphate"
# Replicates are remarked upon when they differ by so many times the median of their preparation, and by this share
# (assumed, no source).
DIFFER_TIMES, DIFFER_SHARE = 6.0, 0.15
# Degrees of freedom of the replicates from which on the growth of their scatter is sought (assumed, no source).
FEWEST_FOR_GROWTH = 8
# Columns of a layout that are text even where nothing stands in them.
SPARSE_TEXT = ("sample_id", "animal_id", "preparation_id", "condition")
ACTIVITY_COLUMNS = (
    "sample_id", "animal_id", "preparation_id", "condition", "plate_id", "magnesium_total_mm", "magnesium_free_mm",
    "atp_mm", "mgatp_mm", "total_activity", "total_se", "total_ci_low", "total_ci_high", "ouabain_resistant_activity",
    "ouabain_resistant_se", "ouabain_resistant_ci_low", "ouabain_resistant_ci_high", "ouabain_sensitive_activity",
    "se", "replicate_se", "scale_cv", "ci_low", "ci_high", "unit",
    "total_nmol_mg_min", "ouabain_resistant_nmol_mg_min", "ouabain_sensitive_nmol_mg_min", "se_nmol_mg_min",
    "protein_ug", "n_total", "n_ouabain", "n_nonenzymatic", "depletion_percent", "standard_curve", "flag",
)  # fmt: skip


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
    """Variance of a well: p + q x^2, x the signal above that of the preparation's faintest wells.

    `parts` are (p, q), with their `covariance`; `signals` those of the faintest and the brightest wells, beyond which
    the variance stays what it is there; `difference` is the median over the preparation of how far replicates differ,
    relative to their mean.
    """

    parts: np.ndarray
    covariance: np.ndarray
    signals: tuple[float, float]
    difference: float

    @property
    def known(self) -> bool:
        """Whether there were replicates."""
        return bool(np.isfinite(self.parts).all())

    def of_sum(self, weights, net_signals) -> tuple[float, float]:
        """Return the variance of a weighted sum of wells and its degrees of freedom (Satterthwaite)."""
        squares, x = np.square(weights), np.clip(net_signals, *self.signals) - self.signals[0]
        along = np.array([squares.sum(), (squares * x**2).sum()])
        variance, spread = float(along @ self.parts), float(along @ self.covariance @ along)
        return variance, 2 * variance**2 / spread if spread > 0 else np.inf


def load_wells(project: Study, experiment: str) -> pd.DataFrame:
    """Read the assay's wells of an experiment, without the plates that quality control excludes; one read a plate.

    Returns
    -------
    DataFrame
        wells.csv without the plates of protein assays, with `protein_plate` and `standards_plate` of plates.csv.

    Raises
    ------
    InputError
        When no plate is left, or a plate has several reads (or times) and none is named `phosphate`.
    """
    wells = plates_of(project, experiment)
    named = set(wells["protein_plate"]) - {""}
    left = wells[~wells["plate_id"].isin(named)]
    if left.empty:
        raise InputError(f"experiment {experiment}: quality control excludes all of its plates")
    return one_read(left)


def plates_of(project: Study, experiment: str) -> pd.DataFrame:
    """Return wells.csv of an experiment without excluded plates, with what plates.csv says of other plates."""
    folder = project.results / "plates" / experiment
    wells = read_table(folder / "wells.csv", text=("role", "read_name", *SPARSE_TEXT))
    quality = read_table(folder / "quality.csv")
    excluded = set(quality.loc[quality["verdict"] == "exclude", "plate_id"])
    rows = project.table("plates").set_index("plate_id")
    left = wells[~wells["plate_id"].isin(excluded)]
    return left.assign(**{c: left["plate_id"].map(rows[c]).fillna("") for c in ("protein_plate", "standards_plate")})


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
        if "time_s" in chosen and len(set(chosen.loc[chosen["plate_id"] == plate, "time_s"].dropna())) > 1:
            raise InputError(f"plate {plate}: is a kinetic read; the analysis for it is coupled_assay")
        raise InputError(
            f"plate {plate}: has several values for a well; an endpoint assay needs one, so name its read in "
            f"plates.csv, column reads: '<number>={READ_NAME}'"
        )
    return chosen


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
        Columns `ACTIVITY_COLUMNS`. A value that cannot be had is NaN, and `flag` says why; `se`, `replicate_se`,
        `ci_low` and `ci_high` belong to the sensitive activity. Intervals are 95 %. `standard_curve` says what is wrong
        with the curve that they rest on.

    Raises
    ------
    InputError
        When wells lack Mg2+ or ATP, a preparation belongs to two animals or conditions or has more than one
        concentration of ouabain, or wells of a plate were diluted differently.
    """
    if "protein_cv" not in wells:
        wells = wells.assign(protein_cv=0.0)
    samples = wells[wells["role"].isin(SAMPLES)]
    _check_samples(samples)
    _check_dilutions(wells[wells["role"].isin([*SAMPLES, "nonenzymatic"])])
    rows = []
    for (plate, _), preparation in samples.groupby(["plate_id", "preparation_id"], sort=False):
        on_plate = wells[wells["plate_id"] == plate]
        error = _well_error(curves[plate], preparation)
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
    for column in ("magnesium_total_mm", "atp_mm", "time_min", "protein_ug"):
        empty = samples[column].isna() | ((samples[column] <= 0) & (column in ("time_min", "protein_ug")))
        for well in samples[empty].itertuples():
            raise InputError(
                f"plate {well.plate_id}, well {well.well}: {column} is empty; an endpoint assay needs this number"
            )
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


def _well_error(curve: StandardCurve, preparation: pd.DataFrame) -> _WellError:
    """Take the scatter of wells from this preparation's replicates, so that a bad well of one does not touch another.

    Its growth is that of the highest restricted likelihood; with few replicates, that of the standards.
    """
    replicates = [
        y.to_numpy(float) - curve.intercept
        for _, y in usable(preparation).groupby(["role", "magnesium_total_mm", "atp_mm"])["value"]
        if len(y) > 1
    ]
    if not replicates:
        return _WellError(np.full(2, np.nan), np.full((2, 2), np.nan), (0.0, 0.0), np.nan)
    signal, dofs = np.array([net.mean() for net in replicates]), np.array([net.size - 1 for net in replicates])
    squares = np.array([np.sum((net - net.mean()) ** 2) for net in replicates])
    difference = float(np.median([np.ptp(net) / abs(net.mean()) for net in replicates]))
    estimated = dofs.sum() >= FEWEST_FOR_GROWTH and np.ptp(signal) > 0 and (squares > 0).any()
    signals = (float(signal.min()) if estimated else 0.0, float(max(signal.max(), 0.0)))
    x = np.maximum(signal - signals[0], 0.0)
    of_standards = float(np.nan_to_num(curve.spread_per_nmol / curve.slope)) ** 2
    growth = growth_of_scatter(x, squares, dofs) if estimated else of_standards
    relative = 1 + growth * x**2
    p = np.sum(squares / relative) / (dofs.sum() - estimated)
    parts = p * np.array([1.0, growth])
    if estimated:
        basis = np.stack([np.ones_like(x), x**2])
        covariance = np.linalg.inv(basis * dofs / (2 * (p * relative) ** 2) @ basis.T)
    else:
        covariance = 2 / dofs.sum() * np.outer(parts, parts)
    return _WellError(parts, covariance, signals, difference)


def _activity_row(curve: StandardCurve, error: _WellError, tubes: pd.DataFrame, blanks: pd.DataFrame) -> dict:
    protein_cv = float(tubes["protein_cv"].max())
    used = {role: usable(tubes[tubes["role"] == role]) for role in SAMPLES} | {"nonenzymatic": usable(blanks)}
    means = {role: float(wells["value"].mean()) for role, wells in used.items()}
    rates = {role: _rate_per_nmol(used[role]) for role in SAMPLES}
    total = _combine(curve, error, used, means, {"total": rates["total"]}, protein_cv)
    resistant = _combine(curve, error, used, means, {"ouabain": rates["ouabain"]}, protein_cv)
    sensitive = _combine(curve, error, used, means, {"total": rates["total"], "ouabain": -rates["ouabain"]}, protein_cv)
    above = {role: is_censored(curve, (means[role] - curve.intercept) / curve.slope) for role in SAMPLES}
    total, resistant = _opened(total, high=above["total"]), _opened(resistant, high=above["ouabain"])
    sensitive = _opened(sensitive, high=above["total"], low=above["ouabain"])
    depletion = _depletion_percent(curve, used["total"], means)
    described = tubes[tubes["role"] == "total"] if (tubes["role"] == "total").any() else tubes
    first = described.iloc[0]
    return {
        **{c: first[c] for c in ("sample_id", "animal_id", "preparation_id", "condition", "plate_id")},
        **{c: first[c] for c in ("magnesium_total_mm", "atp_mm")},
        "total_activity": total.value,
        "total_se": total.se,
        "total_ci_low": total.ci_low,
        "total_ci_high": total.ci_high,
        "ouabain_resistant_activity": resistant.value,
        "ouabain_resistant_se": resistant.se,
        "ouabain_resistant_ci_low": resistant.ci_low,
        "ouabain_resistant_ci_high": resistant.ci_high,
        "ouabain_sensitive_activity": sensitive.value,
        "se": sensitive.se,
        "replicate_se": sensitive.replicate_se,
        "scale_cv": float(np.hypot(np.sqrt(curve.covariance[1, 1]) / curve.slope, protein_cv)),
        "ci_low": sensitive.ci_low,
        "ci_high": sensitive.ci_high,
        "unit": UNIT,
        "total_nmol_mg_min": total.value * NMOL_PER_MIN,
        "ouabain_resistant_nmol_mg_min": resistant.value * NMOL_PER_MIN,
        "ouabain_sensitive_nmol_mg_min": sensitive.value * NMOL_PER_MIN,
        "se_nmol_mg_min": sensitive.se * NMOL_PER_MIN,
        "protein_ug": float(tubes["protein_ug"].mean()),
        **{f"n_{role}": len(wells) for role, wells in used.items()},
        "depletion_percent": depletion,
        "standard_curve": curve.reason,
        "flag": "; ".join(_flags(curve, error, pd.concat([tubes, blanks]), means, depletion)),
    }


def _opened(found: _Activity, *, high: bool, low: bool = False) -> _Activity:
    """Return an activity with the ends of its interval open where what it is read from is censored."""
    if not (high or low):
        return found
    ends = {"ci_low": -np.inf if low else found.ci_low, "ci_high": np.inf if high else found.ci_high}
    return replace(found, se=np.nan, replicate_se=np.nan, **ends)


def _rate_per_nmol(wells: pd.DataFrame) -> np.ndarray:
    """Return each well's weight in the mean activity: umol/mg/h per nmol, over the number of wells."""
    per_nmol = _dilution(wells) * 60.0 / (wells["protein_ug"] * wells["time_min"])
    return per_nmol.to_numpy(float) / max(len(wells), 1)


def _dilution(wells: pd.DataFrame) -> pd.Series:
    given = wells.get("dilution_factor", pd.Series(np.nan, index=wells.index))
    return given.astype(float).fillna(1.0)


def _combine(
    curve: StandardCurve, error: _WellError, used: dict, means: dict, weights: dict, protein_cv: float
) -> _Activity:
    """Return sum(weight * signal) / slope; the nonenzymatic mean takes the weight that makes all weights add to zero.

    With that sum at zero the intercept drops out. Equal protein and time in total and ouabain wells give the
    nonenzymatic mean the weight zero in their difference; it is then not needed.
    """
    if any(w.size == 0 for w in weights.values()) or curve.verdict == "not_identified":
        return _Activity(np.nan, np.nan, np.nan, np.nan, np.nan)
    roles = {role: (w, used[role]["value"].to_numpy(float)) for role, w in weights.items()}
    blank_weight = -float(np.sum(np.concatenate(list(weights.values()))))
    if abs(blank_weight) > 1e-12 * np.sum(np.abs(np.concatenate(list(weights.values())))):
        blanks = used["nonenzymatic"]["value"].to_numpy(float)
        roles["nonenzymatic"] = (np.full(blanks.size, blank_weight / max(blanks.size, 1)), blanks)
    numerator = float(np.sum([w @ y if y.size else np.nan for w, y in roles.values()]))
    every = np.concatenate([w for w, _ in roles.values()])
    signals = np.concatenate([np.full(w.size, means[role] - curve.intercept) for role, (w, _) in roles.items()])
    variance, dof = error.of_sum(every, signals)
    value = numerator / curve.slope
    var_slope = curve.covariance[1, 1] + (curve.slope * protein_cv) ** 2  # protein divides as the slope does
    quantile = t_distribution.ppf(0.5 + LEVEL / 2, effective_df([variance, value**2 * var_slope], [dof, curve.dof]))
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
    if not error.known:
        yield "no replicates, so no standard error"
    for role in SAMPLES:
        nets = usable(wells[wells["role"] == role])["value"].to_numpy(float) - curve.intercept
        share = np.ptp(nets) / abs(nets.mean()) if nets.size > 1 else 0.0
        if share > max(DIFFER_SHARE, DIFFER_TIMES * error.difference):
            yield f"{role} replicates differ by {100 * share:.0f} %"
        outside = place(curve, (means[role] - curve.intercept) / curve.slope)
        if outside:
            yield f"{role} {outside}{': a lower limit' if outside == BEYOND else ''}"
    if np.isnan(depletion):
        yield "substrate depletion not known"
    elif depletion > DEPLETION_FAIL_PERCENT:
        yield f"substrate depletion {depletion:.0f} %: fail, not fitted"
    elif depletion > DEPLETION_WARN_PERCENT:
        yield f"substrate depletion {depletion:.0f} %: warn"
