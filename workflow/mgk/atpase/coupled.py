"""ATPase activity by the coupled assay: ADP oxidises NADH, whose absorbance at 340 nm falls with time.

Each well gives a rate, the slope of its linear window. The window is found by a stated rule, never by eye:

1. Bubbles: with the median fall from read to read taken away, a read further from the running median of
   `MEDIAN_READS` reads than `BUBBLE_TIMES` times the median of such distances, and than `BUBBLE_AU`, is left out.
2. Every stretch of reads of at least `SHORTEST_MIN` is a candidate. Its slope must come up to `STEEP_SHARE` of the
   steepest of the shortest stretches (less three standard errors): this leaves out the lag and the exhausted end.
3. It must be straight: the slope at its two ends, by a parabola, differs by at most `BEND_SHARE` of the slope, or by
   less than `BEND_SE` of its standard error; and its reads scatter about the line by at most `LOOSE_TIMES` the scatter
   between neighbours, or by `LOOSE_SHARE` of the fall over the stretch.
4. The longest candidate is taken; of equally long ones, the earliest.

ADP standards give the absorbance per nmol from the level that they settle at; without standards it is the extinction
coefficient times the path over the volume. Units: time in min, absorbance in AU, slope in mOD/min, positive where
absorbance falls, ADP in nmol, activity in umol/mg/h and nmol ADP/mg/h (of protein, or of wet weight).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from mgk.atpase.activity import NMOL_PER_MIN, plates_of, tube_solutions
from mgk.atpase.protein import with_protein
from mgk.atpase.standards import LEVEL, StandardCurve, fieller, fit_standards
from mgk.fitting import Estimate
from mgk.statistics import FIT_COLUMNS, compare_fits, effective_df, fit_row, group_rows
from mgk.study import Study
from mgk.tables import InputError

# The numbers of the rules below are assumed, no source; the demonstration's window plots show what they choose.
# A bubble lies so many times the usual distance, and so much absorbance, from the running median of so many reads.
MEDIAN_READS, BUBBLE_TIMES, BUBBLE_AU = 7, 8.0, 0.01
# A window has at least this length and these reads; it is as steep as this share of the steepest, its slope changes by
# no more than this share of itself or so many of its standard errors, and its scatter is at most so many times the
# noise between neighbours or this share of its fall.
SHORTEST_MIN, FEWEST_READS = 2.0, 8
STEEP_SHARE, BEND_SHARE, BEND_SE = 0.85, 0.10, 2.0
LOOSE_TIMES, LOOSE_SHARE = 1.5, 0.01
# Reads behind the window that lie so many times the noise above its line are remarked upon.
SLOWING_TIMES = 5.0
# The standards have settled by the last third of the reads.
SETTLED_SHARE = 1 / 3
READ_NAME = "340"
MODEL, QUANTITY = "coupled assay", "ouabain_sensitive"
SLOPE_COLUMNS = (
    "plate_id", "well", "role", "sample_id", "animal_id", "preparation_id", "condition", "start_min", "end_min",
    "n_reads", "n_window", "n_bubbles", "slope_mod_min", "se_mod_min", "intercept_au", "flag",
)  # fmt: skip
COUPLED_COLUMNS = (
    "sample_id", "animal_id", "preparation_id", "condition", "plate_id", "magnesium_total_mm", "magnesium_free_mm",
    "atp_mm", "mgatp_mm", "total_activity", "total_se", "total_ci_low", "total_ci_high", "ouabain_resistant_activity",
    "ouabain_resistant_se", "ouabain_resistant_ci_low", "ouabain_resistant_ci_high", "ouabain_sensitive_activity",
    "se", "replicate_se", "scale_cv", "ci_low", "ci_high", "unit",
    "total_nmol_mg_min", "ouabain_resistant_nmol_mg_min", "ouabain_sensitive_nmol_mg_min", "se_nmol_mg_min",
    "nmol_adp_mg_h", "nmol_adp_mg_h_ci_low", "nmol_adp_mg_h_ci_high", "mass_mg", "mass_of", "n_total", "n_ouabain",
    "n_nonenzymatic", "flag",
)  # fmt: skip


@dataclass(frozen=True)
class Window:
    """The linear window of a well: reads `first` to `last`, the line through them, and what was seen."""

    first: int
    last: int
    slope: float
    se: float
    intercept: float
    bubbles: np.ndarray
    flag: str


@dataclass(frozen=True)
class PerNmol:
    """Absorbance per nmol of ADP in a well, with its standard error and degrees of freedom, and where it is from."""

    value: float
    se: float
    dof: float
    source: str


def load_kinetic_wells(project: Study, experiment: str) -> pd.DataFrame:
    """Return the kinetic reads of an experiment, without excluded plates and plates of protein assays.

    Raises
    ------
    InputError
        When nothing is left, or a plate has several reads and none is named `340`.
    """
    wells = plates_of(project, experiment)
    left = wells[~wells["plate_id"].isin(set(wells["protein_plate"]) - {""})]
    if left.empty:
        raise InputError(f"experiment {experiment}: quality control excludes all of its plates")
    several = left.groupby("plate_id")["read"].transform("nunique") > 1
    chosen = left[~several | (left["read_name"] == READ_NAME)]
    lost = sorted(set(left["plate_id"]) - set(chosen["plate_id"]))
    if lost:
        raise InputError(
            f"plate {lost[0]}: has several reads; name that at 340 nm in plates.csv, '<number>={READ_NAME}'"
        )
    return chosen


def with_mass(wells: pd.DataFrame, protein: pd.DataFrame) -> pd.DataFrame:
    """Return wells with the protein of a protein plate, as `with_protein`; wet weight needs no protein."""
    if "wet_weight_mg" in wells and wells.loc[wells["role"].isin(("total", "ouabain")), "wet_weight_mg"].notna().all():
        return wells
    return with_protein(wells, protein)


def linear_window(time_min, absorbance) -> Window:
    """Find the linear window of one well by the rule of the module; slope positive where absorbance falls, AU/min.

    Parameters
    ----------
    time_min, absorbance : array_like of shape (n,)
        Times rising; NaN where a read has no value.
    """
    t, y = np.asarray(time_min, float), np.asarray(absorbance, float)
    known = np.isfinite(y)
    bubbles = np.zeros(t.size, bool)
    bubbles[known] = _bubbles(y[known])
    kept = np.flatnonzero(known & ~bubbles)
    if kept.size < FEWEST_READS or np.ptp(t[kept]) < SHORTEST_MIN:
        return Window(-1, -1, np.nan, np.nan, np.nan, bubbles, f"{kept.size} usable reads: no slope")
    u, v = t[kept], y[kept]
    sums = _Sums.of(u, v)
    first, last = np.triu_indices(u.size, FEWEST_READS - 1)
    long = u[last] - u[first] >= SHORTEST_MIN - 1e-9
    first, last = first[long], last[long]
    slope, se, bend, bend_se, sd = sums.lines(first, last)
    span = u[last] - u[first]
    noise = 1.4826 * np.median(np.abs(np.diff(v, 2))) / np.sqrt(6)
    tight = sd <= np.maximum(LOOSE_TIMES * noise, LOOSE_SHARE * np.abs(slope) * span)
    short = span <= SHORTEST_MIN + np.median(np.diff(u)) * 1.01
    steepest = np.argmax(np.where(short, slope, -np.inf))
    steep = slope >= STEEP_SHARE * slope[steepest] - 3 * se[steepest]
    straight = (np.abs(bend) <= BEND_SHARE * np.abs(slope)) | (np.abs(bend) <= BEND_SE * bend_se)
    good = np.flatnonzero(steep & straight & tight)
    if not good.size:
        chosen, flag = steepest, "no straight window: the steepest of the shortest is taken"
    else:
        best = np.lexsort((first[good], -np.round(span[good], 9)))[0]
        chosen, flag = good[best], ""
    a, b = int(first[chosen]), int(last[chosen])
    intercept = float(np.mean(v[a : b + 1]) + slope[chosen] * np.mean(u[a : b + 1]))
    said = [flag] if flag else []
    if bubbles.any():
        said.append(f"{int(bubbles.sum())} reads left out as bubbles")
    after = v[b + 1 :] - (intercept - slope[chosen] * u[b + 1 :])
    if after.size and np.median(after) > SLOWING_TIMES * noise:
        said.append(f"exhausted or slowing after {u[b]:.2g} min")
    return Window(
        int(kept[a]), int(kept[b]), float(slope[chosen]), float(se[chosen]), intercept, bubbles, "; ".join(said)
    )


def _bubbles(y: np.ndarray) -> np.ndarray:
    if y.size < MEDIAN_READS:
        return np.zeros(y.size, bool)
    half = MEDIAN_READS // 2
    y = y - np.median(np.diff(y)) * np.arange(y.size)
    padded = np.pad(y, half, mode="edge")
    running = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_READS), axis=1)
    away = np.abs(y - running)
    return (away > BUBBLE_TIMES * np.median(away)) & (away > BUBBLE_AU)


@dataclass(frozen=True)
class _Sums:
    """Running sums, so that the lines and parabolas of all stretches come at once."""

    powers: np.ndarray
    products: np.ndarray
    squares: np.ndarray
    middle: float

    @classmethod
    def of(cls, t: np.ndarray, y: np.ndarray) -> "_Sums":
        middle = float(t.mean())
        u, v = t - middle, y - y.mean()
        zero = np.zeros((1,))
        powers = np.array([np.concatenate([zero, np.cumsum(u**k)]) for k in range(5)])
        products = np.array([np.concatenate([zero, np.cumsum(v * u**k)]) for k in range(3)])
        return cls(powers, products, np.concatenate([zero, np.cumsum(v**2)]), middle)

    def lines(self, first: np.ndarray, last: np.ndarray):
        """Return slope (positive: falling), its SE, the change of slope over each stretch, its SE, and the scatter."""
        s = self.powers[:, last + 1] - self.powers[:, first]
        b = self.products[:, last + 1] - self.products[:, first]
        yy = self.squares[last + 1] - self.squares[first]
        n = s[0]
        sxx, sxy, syy = s[2] - s[1] ** 2 / n, b[1] - s[1] * b[0] / n, yy - b[0] ** 2 / n
        slope = sxy / sxx
        rss = np.maximum(syy - slope * sxy, 1e-18)
        se = np.sqrt(rss / (n - 2) / sxx)
        matrix = np.array([[s[i + j] for j in range(3)] for i in range(3)]).transpose(2, 0, 1)
        inverse = np.linalg.inv(matrix)
        coefficients = np.einsum("kij,kj->ki", inverse, b.T)
        rss2 = np.maximum(yy - np.einsum("ki,ki->k", coefficients, b.T), 1e-18)
        # The slope of a parabola changes by 2 c times the span.
        span = np.sqrt(12 * sxx / n)
        bend = 2 * coefficients[:, 2] * span
        bend_se = 2 * span * np.sqrt(rss2 / np.maximum(n - 3, 1) * inverse[:, 2, 2])
        return -slope, se, bend, bend_se, np.sqrt(rss / (n - 2))


def slope_table(wells: pd.DataFrame) -> pd.DataFrame:
    """Return slopes.csv: the linear window and the slope of each well of a kinetic read that is not a standard."""
    rows = []
    read = wells[wells["role"].isin(("total", "ouabain", "nonenzymatic", "blank"))]
    if read["time_s"].isna().any():
        plate = read.loc[read["time_s"].isna(), "plate_id"].iloc[0]
        raise InputError(f"plate {plate}: is an endpoint read; the coupled assay needs reads with times")
    named = ["plate_id", "well", "role", "sample_id", "animal_id", "preparation_id", "condition"]
    for key, group in read.groupby(["plate_id", "well"], sort=False):
        group = group.sort_values("time_s")
        minutes = group["time_s"].to_numpy(float) / 60
        value = group["value"].where(group["flag"] == "").to_numpy(float)
        found = linear_window(minutes, value)
        flags = sorted(set(group["flag"]) - {""})
        inside = found.first >= 0
        rows.append({
            **{c: group[c].iloc[0] for c in named}, "well": key[1],
            "start_min": minutes[found.first] if inside else np.nan,
            "end_min": minutes[found.last] if inside else np.nan,
            "n_reads": int(np.isfinite(value).sum()),
            "n_window": int((np.isfinite(value) & ~found.bubbles)[found.first : found.last + 1].sum()) if inside else 0,
            "n_bubbles": int(found.bubbles.sum()), "slope_mod_min": 1000 * found.slope, "se_mod_min": 1000 * found.se,
            "intercept_au": found.intercept, "flag": "; ".join(filter(None, [*flags, found.flag])),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(SLOPE_COLUMNS))


def settled_standards(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the ADP standards: minus the mean absorbance of the last third of the reads of each well, and its nmol.

    The minus makes the signal rise with ADP, and the slope the absorbance per nmol.
    """
    standards = wells[(wells["role"] == "standard") & (wells["flag"] == "") & wells["value"].notna()]
    late = standards["time_s"] >= (1 - SETTLED_SHARE) * standards.groupby("plate_id")["time_s"].transform("max")
    keys = ["plate_id", "well"]
    settled = standards[late].groupby(keys, sort=False).agg({"value": "mean", "standard_nmol": "first"}).reset_index()
    return settled.assign(role="standard", flag="", value=-settled["value"])


def adp_standards(wells: pd.DataFrame, settings: Mapping):
    """Return the curve of each plate, its settled standards, the absorbance per nmol, and adp_standards.csv."""
    points = settled_standards(wells)
    curves, scales, rows = {}, {}, []
    for plate in dict.fromkeys(wells["plate_id"]):
        curves[plate] = curve = fit_standards(plate, points[points["plate_id"] == plate])
        scales[plate], theory = per_nmol(curve, settings)
        used = scales[plate]
        rows.append({
            "plate_id": plate, "au_per_nmol": used.value, "se": used.se, "source": used.source,
            "n_wells": curve.n_wells, "lack_of_fit_p": curve.lack_of_fit_p,
            "theory_au_per_nmol": theory.value if theory else np.nan, "theory_source": theory.source if theory else "",
            "verdict": curve.verdict, "reason": curve.reason,
        })  # fmt: skip
    return curves, points, scales, pd.DataFrame(rows)


def per_nmol(curve: StandardCurve, settings: Mapping) -> tuple[PerNmol, PerNmol | None]:
    """Return the absorbance per nmol that is used, and that of the extinction coefficient where the config has it.

    Standards of the plate come first; without them the extinction coefficient (1/mM/cm) times the path (cm) over the
    volume (ul), which is taken as known.

    Raises
    ------
    InputError
        When there is neither.
    """
    theory = None
    given = settings.get("nadh", {})
    if given:
        value = given["extinction_mm_cm"]["value"] * given["path_length_cm"]["value"] / given["volume_ul"]["value"]
        theory = PerNmol(value, 0.0, np.inf, f"extinction coefficient: {given['extinction_mm_cm']['source']}")
    if curve.verdict != "not_identified":
        se = float(np.sqrt(curve.covariance[1, 1]))
        return PerNmol(curve.slope, se, curve.dof, f"{curve.n_wells} wells of ADP standards"), theory
    if theory is None:
        raise InputError(
            f"plate {curve.plate_id}: {curve.reason}, and config.yaml has no extinction coefficient (nadh)"
        )
    return theory, theory


def coupled_activity(
    wells: pd.DataFrame, slopes: pd.DataFrame, scales: Mapping[str, PerNmol], medium: Mapping, constants: str
) -> pd.DataFrame:
    """Return activity.csv of the coupled assay: a row for each preparation, Mg2+ and plate.

    The errors of the mean slopes are those between wells; the sensitive activity is total minus ouabain of one
    preparation on one plate, and its interval is Fieller's with the error of the ADP standards and of the protein.
    """
    of_well = wells.drop_duplicates(["plate_id", "well"]).set_index(["plate_id", "well"])
    extra = ["magnesium_total_mm", "atp_mm", "protein_ug", "wet_weight_mg", "protein_cv"]
    extra = [c for c in extra if c in of_well]
    table = slopes.join(of_well[extra], on=["plate_id", "well"])
    rows = []
    samples = table[table["role"].isin(("total", "ouabain"))]
    keys = ["plate_id", "preparation_id", "magnesium_total_mm", "atp_mm"]
    for (plate, *_), group in samples.groupby(keys, sort=False):
        blanks = table[(table["plate_id"] == plate) & (table["role"] == "nonenzymatic")]
        rows.append(_row(group, blanks, scales[plate]))
    made = pd.DataFrame(rows, columns=[c for c in COUPLED_COLUMNS if c not in ("magnesium_free_mm", "mgatp_mm")])
    solved = tube_solutions(made, medium, constants)
    tubes = ["magnesium_total_mm", "atp_mm"]
    return made.merge(solved, on=tubes, how="left", validate="many_to_one")[list(COUPLED_COLUMNS)]


def _row(group: pd.DataFrame, blanks: pd.DataFrame, scale: PerNmol) -> dict:
    means = {role: _mean(group[group["role"] == role]["slope_mod_min"]) for role in ("total", "ouabain")}
    blank = _mean(blanks["slope_mod_min"])
    first = group.iloc[0]
    weights = group["wet_weight_mg"] if "wet_weight_mg" in group else pd.Series(np.nan, index=group.index)
    by_weight = bool(weights.notna().all())
    mass = float(weights.mean()) if by_weight else float(group["protein_ug"].mean()) / 1000
    protein_cv = 0.0 if by_weight or "protein_cv" not in group else float(group["protein_cv"].max())
    factor = 60.0 / 1e6 / mass  # mOD/min over AU/nmol to umol/mg/h: 60 min/h, 1000 mOD/AU, 1000 nmol/umol
    total = _activity((means["total"], blank), scale, factor, protein_cv)
    resistant = _activity((means["ouabain"], blank), scale, factor, protein_cv)
    sensitive = _activity((means["total"], means["ouabain"]), scale, factor, protein_cv)
    flags = [f"{w.role} well {w.well}: {w.flag}" for w in group[group["flag"] != ""].itertuples()]
    flags += [f"no {role} well" for role, m in means.items() if not m[2]]
    flags += [] if blank[2] else ["no nonenzymatic well"]
    return {
        **{c: first[c] for c in ("sample_id", "animal_id", "preparation_id", "condition", "plate_id")},
        **{c: first[c] for c in ("magnesium_total_mm", "atp_mm")},
        "total_activity": total[0], "total_se": total[1], "total_ci_low": total[3], "total_ci_high": total[4],
        "ouabain_resistant_activity": resistant[0], "ouabain_resistant_se": resistant[1],
        "ouabain_resistant_ci_low": resistant[3], "ouabain_resistant_ci_high": resistant[4],
        "ouabain_sensitive_activity": sensitive[0], "se": sensitive[1], "replicate_se": sensitive[2],
        "scale_cv": float(np.hypot(scale.se / scale.value, protein_cv)),
        "ci_low": sensitive[3], "ci_high": sensitive[4], "unit": "umol/mg/h",
        "total_nmol_mg_min": total[0] * NMOL_PER_MIN,
        "ouabain_resistant_nmol_mg_min": resistant[0] * NMOL_PER_MIN,
        "ouabain_sensitive_nmol_mg_min": sensitive[0] * NMOL_PER_MIN, "se_nmol_mg_min": sensitive[1] * NMOL_PER_MIN,
        "nmol_adp_mg_h": 1000 * sensitive[0], "nmol_adp_mg_h_ci_low": 1000 * sensitive[3],
        "nmol_adp_mg_h_ci_high": 1000 * sensitive[4], "mass_mg": mass,
        "mass_of": "wet weight" if by_weight else "protein",
        "n_total": means["total"][2], "n_ouabain": means["ouabain"][2], "n_nonenzymatic": blank[2],
        "flag": "; ".join(flags),
    }  # fmt: skip


def _mean(slopes: pd.Series) -> tuple[float, float, int]:
    """Return mean, variance of the mean between wells, and the number of wells."""
    y = slopes.dropna().to_numpy(float)
    return (float(y.mean()) if y.size else np.nan, y.var(ddof=1) / y.size if y.size > 1 else np.nan, y.size)


def _activity(two, scale: PerNmol, factor: float, protein_cv: float) -> tuple[float, float, float, float, float]:
    """Return value, SE, SE of the replicates, and Fieller's limits, of the difference of two mean slopes."""
    (a, var_a, n_a), (b, var_b, n_b) = two
    numerator, variance = (a - b) * factor, (var_a + var_b) * factor**2
    value = numerator / scale.value
    var_scale = scale.se**2 + (scale.value * protein_cv) ** 2
    parts = [var_a * factor**2, var_b * factor**2, value**2 * var_scale]
    dof = effective_df(parts, np.maximum([n_a - 1, n_b - 1, scale.dof], 1))
    quantile = t_distribution.ppf(0.5 + LEVEL / 2, dof)
    low, high = fieller(numerator, scale.value, variance, var_scale, 0.0, quantile)
    se = np.sqrt(variance + value**2 * var_scale) / scale.value
    return tuple(float(x) for x in (value, se, np.sqrt(variance) / scale.value, low, high))


def coupled_fits(activity: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return fits.csv of the coupled assay: the sensitive activity of each animal, then of groups, animals the unit."""
    rows = []
    keys = ["condition", "animal_id", "magnesium_total_mm"]
    several = len(activity["magnesium_total_mm"].unique()) > 1
    for (condition, animal, magnesium), points in activity.groupby(keys, sort=False):
        y, se = points["ouabain_sensitive_activity"], points["se"]
        known = bool(y.notna().any())
        one = len(points) == 1
        estimate = Estimate(
            float(y.mean()),
            float(se.iloc[0]) if one else float(y.std(ddof=1) / np.sqrt(y.count())),
            float(points["ci_low"].iloc[0]) if one else np.nan,
            float(points["ci_high"].iloc[0]) if one else np.nan,
            "identified" if known else "not_identified",
            "" if known else points["flag"].iloc[0],
        )
        model = f"{MODEL}, {magnesium:g} mM total Mg" if several else MODEL
        rows.append(fit_row(experiment, condition, animal, model, QUANTITY, "umol/mg/h", estimate))
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    owners = {a: a for a in activity["animal_id"]}
    return pd.concat([fits, group_rows(fits, owners)], ignore_index=True) if len(fits) else fits


def compare_coupled(fits: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """Compare the sensitive activity of each group with the first: difference, Welch's t test on animals, Holm."""
    units = fits.loc[fits["unit_id"] != "", "unit_id"].unique()
    cells = pd.DataFrame({"animal_id": units, "pair_id": ""}, index=units)
    quantities = {(model, QUANTITY): "difference" for model in fits["model"].unique()}
    return compare_fits(fits, cells, [(groups[0], other) for other in groups[1:]], quantities)
