"""The standard curve of a plate: its straight part, its limits, and amounts read from it with their intervals.

Signal = a + b x, by least squares with weights 1 / (1 + (r x)^2): the scatter of a colour grows with its amount x,
and r is what the restricted likelihood of the plate's own standards says (0: the same scatter everywhere). The straight
part is sought from the top: a highest level that lies below the line of the lower ones, by more than `SHORTFALL` of its
signal and more than chance (one-sided t test, 1 %; 5 % for the levels below one that is saturated, since saturation
seldom begins at a standard), is saturated and left out, as long as enough levels remain. An amount above the straight
part of a curve that saturates is *censored*: a lower limit, for saturated colour reads low.

Units: amounts in nmol per well, signal in AU.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from mgk.tables import InputError

LEVEL = 0.95
# Detection and quantification limits in residual SD over slope (ICH Q2).
LOD_FACTOR, LOQ_FACTOR = 3.3, 10.0
FEWEST_LEVELS = 3
# A level is given up as saturated only when so many remain and it misses so much of its signal; assumed, no source.
FEWEST_STRAIGHT, SHORTFALL, SHORTFALL_P, NEXT_SHORTFALL_P = 4, 0.05, 0.01, 0.05
# A curve whose deviation from a straight line is this improbable under replicate error is remarked upon
# (assumed, no source).
LACK_OF_FIT_P = 0.05
# r times the highest level: the scatter there is at most 20 times that at zero, so that two zeros that happen to
# agree do not promise more than they can (assumed, no source).
LN_SPREAD_BOUNDS = (np.log(1e-2), np.log(20.0))
# What is said of an amount that is censored.
BEYOND = "above the linear range, where the curve saturates"
# The amounts that amounts.csv lists.
READ_ROLES = ("total", "ouabain", "nonenzymatic", "qc_high", "qc_low", "sample")


@dataclass(frozen=True)
class StandardCurve:
    """Signal = intercept + slope * nmol on one plate.

    `covariance` is that of (intercept, slope); `residual_sd` the scatter at 0 nmol, which grows as
    sqrt(1 + (spread_per_nmol * nmol)^2); `saturated_nmol` the levels that were left out; `verdict` is not_identified
    where no amount can be read from it.
    """

    plate_id: str
    n_wells: int
    n_levels: int
    intercept: float
    slope: float
    covariance: np.ndarray
    residual_sd: float
    spread_per_nmol: float
    low_nmol: float
    high_nmol: float
    saturated_nmol: tuple[float, ...]
    lack_of_fit_f: float
    lack_of_fit_p: float
    quadratic_p: float
    dof: float
    verdict: str
    reason: str

    @property
    def lod_nmol(self) -> float:
        """Limit of detection, 3.3 s/b."""
        return LOD_FACTOR * self.residual_sd / self.slope

    @property
    def loq_nmol(self) -> float:
        """Limit of quantification, 10 s/b."""
        return LOQ_FACTOR * self.residual_sd / self.slope

    def sd_at(self, nmol: float) -> float:
        """Return the standard deviation of one well that holds this amount."""
        return self.residual_sd * float(np.hypot(1.0, self.spread_per_nmol * nmol))


def standard_curves(wells: pd.DataFrame) -> dict[str, StandardCurve]:
    """Return the standard curve of each plate, from its wells of role `standard` or those of its `standards_plate`."""
    own = {plate: fit_standards(plate, group) for plate, group in wells.groupby("plate_id", sort=False)}
    if "standards_plate" not in wells:
        return own
    elsewhere = wells.drop_duplicates("plate_id").set_index("plate_id")["standards_plate"]
    return {plate: own.get(elsewhere[plate] or plate, curve) for plate, curve in own.items()}


def usable(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the wells that have a value and no flag of the reader."""
    return wells[(wells["flag"] == "") & wells["value"].notna()]


def fit_standards(plate_id: str, wells: pd.DataFrame) -> StandardCurve:
    """Fit the straight part of the standards of one plate, and test it against the error of the replicates.

    Lack of fit: F = (SS of level means about the line / (levels - 2)) / (SS within levels / (wells - levels)).
    """
    used = usable(wells[wells["role"] == "standard"])
    if (used["standard_nmol"] < 0).any() or used["standard_nmol"].isna().any():
        raise InputError(f"plate {plate_id}: a standard has no standard_nmol; it must be an amount of at least 0")
    x, y = used["standard_nmol"].to_numpy(float), used["value"].to_numpy(float)
    straight = _straight(x, y)
    saturated = tuple(float(v) for v in np.unique(x[~straight]))
    x, y = x[straight], y[straight]
    levels = np.unique(x)
    head = {"plate_id": plate_id, "n_wells": x.size, "n_levels": levels.size, "saturated_nmol": saturated}
    head |= {"low_nmol": float(x.min()) if x.size else np.nan, "high_nmol": float(x.max()) if x.size else np.nan}
    if levels.size < FEWEST_LEVELS:
        names = ("intercept", "slope", "residual_sd", "spread_per_nmol")
        names += ("lack_of_fit_f", "lack_of_fit_p", "quadratic_p", "dof")
        reason = f"{levels.size} levels of the standard; at least {FEWEST_LEVELS} are needed"
        unknown = np.full((2, 2), np.nan)
        nothing = dict.fromkeys(names, np.nan)
        return StandardCurve(**head, **nothing, covariance=unknown, verdict="not_identified", reason=reason)
    line = fit_line(x, y)
    f, p = _lack_of_fit(x, y, line)
    quantile = t_distribution.ppf(0.5 + LEVEL / 2, line.dof)
    rises = line.coefficients[1] > quantile * np.sqrt(line.covariance[1, 1])
    said = [] if rises else ["the signal does not rise with phosphate"]
    if saturated:
        said.append(f"saturates: the standards of {', '.join(f'{v:g}' for v in saturated)} nmol are left out")
    if rises and p < LACK_OF_FIT_P:
        said.append(f"deviates from a straight line (lack of fit, p = {p:.2g})")
    return StandardCurve(
        **head,
        intercept=float(line.coefficients[0]),
        slope=float(line.coefficients[1]),
        covariance=line.covariance,
        residual_sd=line.sd,
        spread_per_nmol=line.spread,
        lack_of_fit_f=f,
        lack_of_fit_p=p,
        quadratic_p=_quadratic_p(x, y, line),
        dof=line.dof,
        verdict="not_identified" if not rises else "weak" if said else "identified",
        reason="; ".join(said),
    )


@dataclass(frozen=True)
class Line:
    """A polynomial in x by weighted least squares: `sd` is the scatter at x = 0, `spread` the r of the weights."""

    coefficients: np.ndarray
    covariance: np.ndarray
    sd: float
    spread: float
    rss: float
    dof: int

    def at(self, x) -> np.ndarray:
        """Return the curve at x."""
        return np.polynomial.polynomial.polyval(np.asarray(x, float), self.coefficients)

    def se_at(self, x: float) -> float:
        """Return the standard error of the curve at x."""
        powers = float(x) ** np.arange(self.coefficients.size)
        return float(np.sqrt(powers @ self.covariance @ powers))

    def sd_at(self, x: float) -> float:
        """Return the standard deviation of one well at x."""
        return self.sd * float(np.hypot(1.0, self.spread * x))


def fit_line(x: np.ndarray, y: np.ndarray, degree: int = 1, spread: float | None = None) -> Line:
    """Fit a polynomial with weights 1 / (1 + (r x)^2); r is given, or that of the highest restricted likelihood."""
    if spread is None:
        spread = _spread(x, y, degree)
    design = np.vander(x, degree + 1, increasing=True)
    root = 1 / np.hypot(1.0, spread * x)
    q, r = np.linalg.qr(design * root[:, None])
    coefficients = np.linalg.solve(r, q.T @ (y * root))
    residual = (y - design @ coefficients) * root
    dof = x.size - degree - 1 - (spread > 0)  # the growth of the scatter was estimated too
    rss = float(residual @ residual)
    variance = rss / dof if dof > 0 else np.nan
    inverse = np.linalg.inv(r)
    return Line(coefficients, variance * inverse @ inverse.T, float(np.sqrt(variance)), spread, rss, dof)


def _spread(x: np.ndarray, y: np.ndarray, degree: int) -> float:
    """Return r by restricted maximum likelihood; 0 where a growing scatter is no better, or nothing is left to tell."""
    scale = np.abs(x).max()
    if x.size - degree - 1 < 3 or scale == 0:
        return 0.0
    design = np.vander(x / scale, degree + 1, increasing=True)

    def deviance(spread: float) -> float:
        root = 1 / np.hypot(1.0, spread * x / scale)
        q, r = np.linalg.qr(design * root[:, None])
        rss = np.sum((y * root - q @ (q.T @ (y * root))) ** 2)
        if rss <= 0:
            return np.inf
        of_design = 2 * np.sum(np.log(np.abs(np.diag(r))))
        return float((x.size - degree - 1) * np.log(rss) + of_design - 2 * np.sum(np.log(root)))

    if np.ptp(y) == 0 or deviance(0.0) == np.inf or _is_exact(design, y):
        return 0.0
    found = minimize_scalar(lambda u: deviance(np.exp(u)), bounds=LN_SPREAD_BOUNDS, method="bounded")
    return float(np.exp(found.x) / scale) if found.fun < deviance(0.0) else 0.0


def growth_of_scatter(x: np.ndarray, squares: np.ndarray, dofs: np.ndarray) -> float:
    """Return g of a variance within groups that goes as 1 + g x^2, by restricted maximum likelihood; 0 if none.

    `squares` are the sums of squares of each group about its mean, with `dofs`; x, from 0 upwards, is its place. The
    scatter may grow or shrink up to 20 times: a growth that were cut at zero would be too large on average.
    """
    scale, dof = np.max(x), np.sum(dofs)
    if not (scale > 0 and (squares > 0).any()):
        return 0.0
    square = (x / scale) ** 2

    def deviance(ln_ratio: float) -> float:
        relative = 1 + np.expm1(ln_ratio) * square
        return float(dof * np.log(np.sum(squares / relative)) + np.sum(dofs * np.log(relative)))

    limit = 2 * LN_SPREAD_BOUNDS[1]
    found = minimize_scalar(deviance, bounds=(-limit, limit), method="bounded")
    return float(np.expm1(found.x) / scale**2)


def _is_exact(design: np.ndarray, y: np.ndarray) -> bool:
    q, _ = np.linalg.qr(design)
    return bool(np.linalg.norm(y - q @ (q.T @ y)) < 1e-9 * np.linalg.norm(y))


def _straight(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a mask of the standards that are not saturated (see the module)."""
    kept = np.ones(x.size, bool)
    while np.unique(x[kept]).size > FEWEST_STRAIGHT:
        top = x[kept].max()
        below, level = kept & (x < top), kept & (x == top)
        if below.sum() < FEWEST_STRAIGHT:
            break
        line = fit_line(x[below], y[below])
        expected = float(line.at(top))
        missing = expected - y[level].mean()
        se = np.hypot(line.sd_at(top) / np.sqrt(level.sum()), line.se_at(top))
        p = SHORTFALL_P if kept.all() else NEXT_SHORTFALL_P
        by_chance = t_distribution.ppf(1 - p, line.dof) * se
        if not (missing > SHORTFALL * (expected - line.coefficients[0]) > 0 and missing > by_chance):
            break
        kept = below
    return kept


def _lack_of_fit(x, y, line: Line) -> tuple[float, float]:
    """Return F and p; NaN without replicates or with too few levels."""
    levels = np.unique(x)
    pure = float(np.sum([np.sum((y[x == v] - y[x == v].mean()) ** 2) / (1 + (line.spread * v) ** 2) for v in levels]))
    above, below = levels.size - line.coefficients.size, x.size - levels.size
    if above < 1 or below < 1 or pure == 0:
        return np.nan, np.nan
    f = max(line.rss - pure, 0.0) / above / (pure / below)
    return f, float(f_distribution.sf(f, above, below))


def _quadratic_p(x, y, line: Line) -> float:
    """Return p of the quadratic term beside the straight line, with the same weights; NaN with too few levels."""
    if np.unique(x).size < 4 or x.size < 5:
        return np.nan
    bent = fit_line(x, y, 2, line.spread)
    if bent.rss <= 0:
        return np.nan
    return float(f_distribution.sf(max(line.rss - bent.rss, 0.0) / (bent.rss / bent.dof), 1, bent.dof))


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

    The error of a signal is that of standards with this amount.
    """
    signals = np.asarray(signals, float)
    net = signals.mean() - curve.intercept
    amount = net / curve.slope
    var = curve.sd_at(amount) ** 2 / signals.size + curve.covariance[0, 0]
    quantile = t_distribution.ppf(0.5 + level / 2, curve.dof)
    low, high = fieller(net, curve.slope, var, curve.covariance[1, 1], -curve.covariance[0, 1], quantile)
    return float(amount), float(low), float(high)


def place(curve: StandardCurve, amount: float) -> str:
    """Say where an amount lies outside the range of its curve: '' where it lies inside."""
    if amount < curve.lod_nmol:
        return "below the limit of detection"
    if amount < curve.loq_nmol:
        return "below the limit of quantification"
    if amount > curve.high_nmol:
        return BEYOND if curve.saturated_nmol else "above the standards"
    return ""


def is_censored(curve: StandardCurve, amount: float) -> bool:
    """Whether an amount is a lower limit alone: above the straight part of a curve that saturates."""
    return bool(curve.saturated_nmol) and amount > curve.high_nmol


def curve_table(experiment: str, curves: Mapping[str, StandardCurve]) -> pd.DataFrame:
    """Return standard_curve.csv: a row a plate."""
    rows = [
        {
            "experiment": experiment,
            "plate_id": plate,
            "n_wells": c.n_wells,
            "n_levels": c.n_levels,
            "intercept": c.intercept,
            "intercept_se": np.sqrt(c.covariance[0, 0]),
            "slope_per_nmol": c.slope,
            "slope_se": np.sqrt(c.covariance[1, 1]),
            "residual_sd": c.residual_sd,
            "spread_per_nmol": c.spread_per_nmol,
            "lod_nmol": c.lod_nmol,
            "loq_nmol": c.loq_nmol,
            "low_nmol": c.low_nmol,
            "high_nmol": c.high_nmol,
            "saturated_nmol": " ".join(f"{v:g}" for v in c.saturated_nmol),
            "lack_of_fit_f": c.lack_of_fit_f,
            "lack_of_fit_p": c.lack_of_fit_p,
            "quadratic_p": c.quadratic_p,
            "verdict": c.verdict,
            "reason": c.reason,
        }
        for plate, c in curves.items()
    ]
    return pd.DataFrame(rows)


def amounts_table(wells: pd.DataFrame, curves: Mapping[str, StandardCurve]) -> pd.DataFrame:
    """Return amounts.csv: phosphate in the wells of each sample, read off its plate's curve, with Fieller's interval.

    Returns
    -------
    DataFrame
        A row for each plate, role, preparation, Mg2+, ATP and time: `n_wells` used, the mean `signal`, `amount_nmol`,
        `ci_low`, `ci_high` (95 %, open where the amount is censored) in the well as it was read, and `flag`: where it
        lies outside the range of the curve, or why there is none.
    """
    keys = ["plate_id", "role", "sample_id", "preparation_id", "magnesium_total_mm", "atp_mm", "time_min"]
    read = wells[wells["role"].isin(READ_ROLES)]
    keys = [k for k in keys if k in read]
    rows = []
    for key, group in read.groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, key, strict=True))
        curve, signals = curves[named["plate_id"]], usable(group)["value"].to_numpy(float)
        row = named | {"n_wells": signals.size, "signal": signals.mean() if signals.size else np.nan}
        if not signals.size or curve.verdict == "not_identified":
            why = "no well has a value" if not signals.size else f"no standard curve: {curve.reason}"
            rows.append(row | dict.fromkeys(("amount_nmol", "ci_low", "ci_high"), np.nan) | {"flag": why})
            continue
        amount, low, high = amount_nmol(curve, signals)
        high = np.inf if is_censored(curve, amount) else high
        rows.append(row | {"amount_nmol": amount, "ci_low": low, "ci_high": high, "flag": place(curve, amount)})
    columns = [*keys, "n_wells", "signal", "amount_nmol", "ci_low", "ci_high", "flag"]
    return pd.DataFrame(rows, columns=columns)
