"""Dependence of activity on magnesium: three laws against three abscissae, for each animal and then for groups.

Laws: Michaelis-Menten v = Vmax x / (K0.5 + x); Hill v = Vmax x^h / (K0.5^h + x^h); inhibition by excess
v = Vmax x / (K0.5 + x + x^2 / Ki). Abscissae: total Mg2+, free Mg2+ and MgATP, side by side, because one of them is
what the enzyme follows and the experiment may not be able to say which (`collinearity`).

Vocabulary: *law*, the form of the curve; *model*, a law against an abscissa, as in the column of fits.csv.
Units: concentrations in mM, activity in umol/mg/h, Hill coefficient 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from mgk.atpase.activity import DEPLETION_FAIL_PERCENT, UNIT
from mgk.atpase.standards import FEWEST_LEVELS, LEVEL
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows

ABSCISSAE = {
    "total_magnesium": "magnesium_total_mm",
    "free_magnesium": "magnesium_free_mm",
    "mgatp": "mgatp_mm",
}
# Parameters of each law as fits.csv names them, with their units; all but Vmax are fitted as logarithms.
LAWS = {
    "michaelis_menten": {"vmax": UNIT, "k05": "mM"},
    "hill": {"vmax": UNIT, "k05": "mM", "hill": "1"},
    "substrate_inhibition": {"vmax": UNIT, "k05": "mM", "ki": "mM"},
}
SIMPLEST = "michaelis_menten"
# Abscissa of each model of fits.csv.
MODELS = {f"{law}_{abscissa}": column for law in LAWS for abscissa, column in ABSCISSAE.items()}
# K0.5 and Ki are sought this far (in ln) beyond the concentrations that were used: a factor of 1000; h up to 5.
LN_BEYOND = float(np.log(1e3))
LN_HILL = float(np.log(5.0))
# A law with one parameter more is taken only when the F test says so at this level, and AICc too.
LAW_P = 0.05
# K0.5 for Mg2+ that a prediction may rest on, mM. The choice changes the answer, so both are always shown.
K05_MM = (
    (0.6, "assumed, no source"),
    (0.069, "Pilotelle-Bunner et al. 2009, Biophys J: stopped flow, a partial reaction of the pump"),
)
LAW_COLUMNS = (
    "abscissa", "law", "unit_id", "n_points", "n_parameters", "rss", "dof", "aicc", "delta_aicc", "f", "p", "chosen",
)  # fmt: skip


@dataclass(frozen=True)
class AnimalFit:
    """One law against one abscissa, fitted to the points of one animal; `fit` is None where levels are too few.

    `standards` says what is wrong with the standard curves that its points rest on.
    """

    condition: str
    animal_id: str
    abscissa: str
    law: str
    left_out: int
    n_points: int
    levels: int
    scale_cv: float
    standards: str
    fit: CurveFit | None

    @property
    def model(self) -> str:
        """Name in fits.csv."""
        return f"{self.law}_{self.abscissa}"


def michaelis_menten(x, vmax, ln_k05):
    """Return v = Vmax x / (K0.5 + x), with ln K0.5 as the parameter."""
    return vmax * x / (np.exp(ln_k05) + x)


def hill(x, vmax, ln_k05, ln_hill):
    """Return v = Vmax x^h / (K0.5^h + x^h), with ln K0.5 and ln h as parameters."""
    return vmax / (1 + np.exp(np.exp(ln_hill) * (ln_k05 - np.log(x))))


def substrate_inhibition(x, vmax, ln_k05, ln_ki):
    """Return v = Vmax x / (K0.5 + x + x^2 / Ki), with ln K0.5 and ln Ki as parameters."""
    return vmax * x / (np.exp(ln_k05) + x + x**2 * np.exp(-ln_ki))


FUNCTIONS = {"michaelis_menten": michaelis_menten, "hill": hill, "substrate_inhibition": substrate_inhibition}


def curve_of(model: str, x, estimates) -> np.ndarray:
    """Return the curve of a model of fits.csv at x, from its estimates by parameter."""
    law = next(name for name in LAWS if model.startswith(name))
    logarithms = {f"ln_{name}": np.log(estimates[name]) for name in LAWS[law] if name != "vmax"}
    return FUNCTIONS[law](np.asarray(x, float), vmax=estimates["vmax"], **logarithms)


def fit_animals(
    activity: pd.DataFrame, laws: Sequence[str] = tuple(LAWS), abscissae: Sequence[str] = tuple(ABSCISSAE)
) -> list[AnimalFit]:
    """Fit each law against each abscissa to the points of each animal.

    The points of an animal are weighted by their `replicate_se`. What fails the gate of substrate depletion, or lies
    above the linear range of a standard curve that saturates, is left out.
    """
    fitted = []
    for (condition, animal), points in activity.groupby(["condition", "animal_id"]):
        used = points[points["ouabain_sensitive_activity"].notna() & ~left_out(points)]
        standards = "; ".join(dict.fromkeys(filter(None, used["standard_curve"])))
        cv = float(np.sqrt((points["scale_cv"] ** 2).mean() / max(points["plate_id"].nunique(), 1)))
        for abscissa in abscissae:
            column = ABSCISSAE[abscissa]
            levels = used[column].nunique()
            for law in laws:
                enough = levels >= FEWEST_LEVELS + (law != SIMPLEST)
                fit = _fit(used, column, law) if enough else None
                counts = (len(points) - len(used), len(used), levels)
                fitted.append(AnimalFit(condition, animal, abscissa, law, *counts, np.nan_to_num(cv), standards, fit))
    return fitted


def left_out(activity: pd.DataFrame) -> pd.Series:
    """Return which points are not fitted: too much substrate consumed, or beyond the linear range."""
    beyond = activity["flag"].str.contains("above the linear range", regex=False)
    return (activity["depletion_percent"] > DEPLETION_FAIL_PERCENT) | beyond


def _fit(points: pd.DataFrame, column: str, law: str) -> CurveFit:
    x, y = points[column].to_numpy(float), points["ouabain_sensitive_activity"].to_numpy(float)
    se = points["replicate_se"].to_numpy(float)
    weighted = np.isfinite(se).all() and (se > 0).all()
    low, high = np.log(x[x > 0].min()), np.log(x.max())
    start = {"vmax": max(float(y.max()), 1e-6), "ln_k05": float(np.log(np.median(x[x > 0])))}
    bounds = {"ln_k05": (low - LN_BEYOND, high + LN_BEYOND)}
    if law == "hill":
        start["ln_hill"], bounds["ln_hill"] = 0.0, (-LN_HILL, LN_HILL)
    if law == "substrate_inhibition":
        start["ln_ki"], bounds["ln_ki"] = high + 1.0, (low - LN_BEYOND, high + LN_BEYOND)
    return fit_curve(FUNCTIONS[law], x, y, start, sd=se if weighted else None, bounds=bounds)


def kinetic_fits(animals: Sequence[AnimalFit], experiment: str) -> pd.DataFrame:
    """Return fits.csv: a row for each model, animal and parameter, then for each group.

    An animal whose standards saturate, or lie on no straight line, is weak at the best: what its interval says of the
    error leaves out that its activities may be too low. The reason of an animal's row says so, and by how much AICc
    another abscissa describes its points better with the same law.
    What all points of an animal share, the slope of the standard curve and the protein, is added to the error of its
    Vmax.
    """
    rows, owners = [], {}
    best: dict[tuple[str, str], float] = {}
    for a in animals:
        if a.fit is not None and np.isfinite(a.fit.aicc):
            key = (a.animal_id, a.law)
            best[key] = min(best.get(key, np.inf), a.fit.aicc)
    for a in animals:
        owners[a.animal_id] = a.animal_id
        said = []
        if a.fit is not None and a.fit.aicc > best.get((a.animal_id, a.law), np.inf):
            said.append(f"AICc {a.fit.aicc - best[a.animal_id, a.law]:.1f} above the best abscissa")
        if a.left_out:
            said.append(f"{a.left_out} of {a.n_points + a.left_out} points left out")
        for parameter, unit in LAWS[a.law].items():
            estimate = _resting_on_standards(_estimate(a, parameter), a.standards)
            row = fit_row(experiment, a.condition, a.animal_id, a.model, parameter, unit, estimate)
            row["reason"] = "; ".join(filter(None, [row["reason"], *said]))
            rows.append(row)
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    groups = group_rows(fits, owners, geometric={"k05", "hill", "ki"})
    return pd.concat([fits, groups], ignore_index=True) if len(fits) else fits


def _estimate(a: AnimalFit, parameter: str) -> Estimate:
    if a.fit is None:
        return Estimate(*[np.nan] * 4, "not_identified", f"{a.levels} levels of {ABSCISSAE[a.abscissa]}")
    if parameter != "vmax":
        return a.fit.parameters[f"ln_{parameter}"].exp()
    found = a.fit.parameters["vmax"]
    shared = a.scale_cv * found.value
    reach = t_distribution.ppf(0.5 + LEVEL / 2, max(a.fit.dof, 1)) * shared
    low, high = found.value - found.ci_low, found.ci_high - found.value
    return replace(
        found,
        se=float(np.hypot(found.se, shared)),
        ci_low=float(found.value - np.hypot(low, reach)),
        ci_high=float(found.value + np.hypot(high, reach)),
    )


def _resting_on_standards(estimate: Estimate, standards: str) -> Estimate:
    """Return an estimate that is weak at the best where the standards have something wrong."""
    if not standards:
        return estimate
    reason = "; ".join(filter(None, (estimate.reason, f"standards: {standards}")))
    return replace(estimate, verdict="weak" if estimate.verdict == "identified" else estimate.verdict, reason=reason)


def compare_laws(animals: Sequence[AnimalFit]) -> pd.DataFrame:
    """Return models.csv: for each abscissa how well each law describes each animal, and all animals together.

    F is the extra sum of squares over Michaelis-Menten, weighted, over the mean square of the law itself;
    `delta_aicc` that less the lowest AICc of the abscissa. The rows of all animals (unit_id '') add up sums of squares,
    parameters and AICc; there `chosen` names the law: Michaelis-Menten, unless a law with a parameter more has p below
    5 % and a lower AICc. Laws against different abscissae are compared by AICc alone, they are not nested.
    """
    rows = []
    for abscissa in ABSCISSAE:
        of_it = [a for a in animals if a.abscissa == abscissa and a.fit is not None]
        whole = {u for u in {a.animal_id for a in of_it} if all(_has(of_it, u, law) for law in LAWS)}
        units = [[u] for u in sorted(whole)] + ([sorted(whole)] if whole else [])
        for unit in units:
            sums = {law: _sums([a for a in of_it if a.law == law and a.animal_id in unit]) for law in LAWS}
            rows += _law_rows(abscissa, unit[0] if len(unit) == 1 and unit is not units[-1] else "", sums)
    return pd.DataFrame(rows, columns=list(LAW_COLUMNS))


def _has(fits: list[AnimalFit], unit: str, law: str) -> bool:
    return any(a.animal_id == unit and a.law == law for a in fits)


def _sums(fits: list[AnimalFit]) -> dict:
    return {
        "n_points": int(np.sum([a.n_points for a in fits])),
        "n_parameters": int(np.sum([len(a.fit.parameters) for a in fits])),
        "rss": float(np.sum([a.fit.rss for a in fits])),
        "dof": int(np.sum([a.fit.dof for a in fits])),
        "aicc": float(np.sum([a.fit.aicc for a in fits])),
    }


def _law_rows(abscissa: str, unit: str, sums: dict[str, dict]) -> list[dict]:
    simple, best = sums[SIMPLEST], min(s["aicc"] for s in sums.values())
    rows = []
    for law, s in sums.items():
        more = s["n_parameters"] - simple["n_parameters"]
        tested = more > 0 and s["dof"] > 0 and s["rss"] > 0
        f = max(simple["rss"] - s["rss"], 0.0) / more / (s["rss"] / s["dof"]) if tested else np.nan
        p = float(f_distribution.sf(f, more, s["dof"])) if tested else np.nan
        rows.append(
            {"abscissa": abscissa, "law": law, "unit_id": unit, **s, "delta_aicc": s["aicc"] - best, "f": f, "p": p}
        )
    better = [r for r in rows if r["p"] < LAW_P and r["aicc"] < simple["aicc"]]
    chosen = min(better, key=lambda r: r["aicc"])["law"] if better else SIMPLEST
    return [r | {"chosen": chosen} for r in rows]


def collinearity(activity: pd.DataFrame) -> pd.DataFrame:
    """Return how far free Mg2+ and MgATP can be told apart over the tubes' distinct compositions.

    Their correlation, that of their ranks, and the condition number of (1, free Mg2+, MgATP) with columns of unit
    length (Belsley, Kuh and Welsch 1980, from memory, not read: above 30 is strong). A row for all compositions and
    one for those in which total Mg2+ does not exceed ATP.
    """
    tubes = activity.drop_duplicates(["magnesium_total_mm", "atp_mm"])
    parts = {"all": tubes, "total Mg2+ up to ATP": tubes[tubes["magnesium_total_mm"] <= tubes["atp_mm"]]}
    rows = []
    for name, part in parts.items():
        enough = len(part) > 2
        free, bound = part["magnesium_free_mm"], part["mgatp_mm"]
        r = free.corr(bound) if enough else np.nan
        rank = free.corr(bound, method="spearman") if enough else np.nan
        design = np.column_stack([np.ones(len(part)), free, bound])
        scaled = design / np.maximum(np.linalg.norm(design, axis=0), 1e-300)
        condition = float(np.linalg.cond(scaled)) if enough else np.nan
        row = {"tubes": name, "n_compositions": len(part), "correlation": r, "rank_correlation": rank}
        rows.append(row | {"condition_number": condition})
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


def profile_table(a: AnimalFit, parameter: str = "ln_k05", points: int = 41, reach_se: float = 4.0) -> pd.DataFrame:
    """Return the profile likelihood of a parameter: its `value`, `f`, and the quantile that the interval ends at."""
    found = a.fit.parameters[parameter]
    se = found.se if np.isfinite(found.se) else 1.0
    values = found.value + np.linspace(-reach_se, reach_se, points) * min(se, 1.5)
    limit = t_distribution.ppf(0.5 + LEVEL / 2, max(a.fit.dof, 1)) ** 2
    return pd.DataFrame({"value": values, "f": a.fit.profile(parameter, values), "limit": limit})


def profiles_of(animals: Sequence[AnimalFit], abscissa: str) -> pd.DataFrame:
    """Return the profile likelihood of ln K0.5 of each animal, by Michaelis and Menten against one abscissa."""
    rows = [
        profile_table(a).assign(animal_id=a.animal_id, condition=a.condition)
        for a in animals
        if a.abscissa == abscissa and a.law == SIMPLEST and a.fit is not None and np.isfinite(a.fit.covariance).all()
    ]
    columns = ["value", "f", "limit", "animal_id", "condition"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)
