"""Groups compared: constants of animals, each against the reference, and one curve against two.

Limits: the animal is the unit of `compare_kinetics`. In `shared_fits` the points are; where each animal keeps its own
Vmax, what an animal's points have in common is taken care of, and otherwise the test is too ready to find a difference.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import dunnett
from scipy.stats import f as f_distribution

from mgk.atpase.kinetics import ABSCISSAE, left_out
from mgk.fitting import CurveFit, fit_curve
from mgk.statistics import COMPARISON_COLUMNS, compare_fits

QUANTITIES = {
    ("michaelis_menten_free_magnesium", "vmax"): "ratio",
    ("michaelis_menten_free_magnesium", "k05"): "ratio",
    ("michaelis_menten_total_magnesium", "vmax"): "ratio",
    ("michaelis_menten_total_magnesium", "k05"): "ratio",
}
SHARED_COLUMNS = (
    "group_a", "group_b", "abscissa", "vmax_of", "shared", "n_points", "n_animals", "n_parameters", "rss", "dof",
    "aicc", "delta_aicc", "f", "p",
)  # fmt: skip
REFERENCES = ("control", "untreated", "vehicle", "wild_type", "wt")


def reference_first(groups: Sequence[str]) -> list[str]:
    """Return the groups with the reference first: one that is called so, else the first in the order given."""
    known = [g for g in groups if g.lower() in REFERENCES]
    first = known[0] if known else groups[0]
    return [first, *(g for g in groups if g != first)]


def compare_kinetics(fits: pd.DataFrame, groups: Sequence[str], mixed: bool = False) -> pd.DataFrame:
    """Compare Vmax and K0.5 of each group with those of the reference, as ratios, with the animal as the unit.

    Welch's t test on logarithms (or paired, where the same animals are in both groups), adjusted by Holm's method
    over the table; with several groups `p_dunnett` beside it, which compares all with one reference at once and
    supposes equal variances.
    """
    if len(groups) < 2:
        return pd.DataFrame(columns=[*COMPARISON_COLUMNS, "p_dunnett"])
    reference, *others = reference_first(groups)
    units = fits.loc[fits["unit_id"] != "", "unit_id"].unique()
    cells = pd.DataFrame({"animal_id": units, "pair_id": ""}, index=units)
    table = compare_fits(fits, cells, [(reference, other) for other in others], QUANTITIES, mixed)
    table["p_dunnett"] = np.nan
    if len(others) > 1:
        for (model, parameter), rows in table.groupby(["model", "quantity"], sort=False):
            table.loc[rows.index, "p_dunnett"] = _dunnett(fits, model, parameter, reference, list(rows["group_b"]))
    return table


def _dunnett(fits: pd.DataFrame, model: str, parameter: str, reference: str, others: list[str]):
    of = fits[(fits["unit_id"] != "") & (fits["model"] == model) & (fits["parameter"] == parameter)]
    of = of[(of["verdict"] != "not_identified") & (of["estimate"] > 0)]
    values = {g: np.log(of.loc[of["group"] == g, "estimate"].to_numpy(float)) for g in (reference, *others)}
    if min(v.size for v in values.values()) < 2:
        return np.nan
    # Its p is an integral by a quasi-random rule, whose seed is fixed.
    return dunnett(*(values[g] for g in others), control=values[reference], rng=np.random.default_rng(0)).pvalue


def shared_fits(activity: pd.DataFrame, groups: Sequence[str], abscissa: str = "free_magnesium") -> pd.DataFrame:
    """Ask whether two groups need a K0.5 each, a Vmax each: F test and AICc of fits with shared parameters.

    Returns
    -------
    DataFrame
        `SHARED_COLUMNS`, for each pair with the reference. `vmax_of` animal: each animal has its own Vmax, and K0.5 is
        one or two. `vmax_of` group: all animals of a group lie on one curve, and `shared` says what the groups have in
        common. F is the extra sum of squares over the fit in which nothing is shared.
    """
    rows = []
    used = activity[activity["ouabain_sensitive_activity"].notna() & ~left_out(activity)]
    used = used[used["replicate_se"] > 0]
    reference, *others = reference_first(groups) if len(groups) else [""]
    for other in others:
        two = used[used["condition"].isin((reference, other))]
        if two.groupby("condition")[ABSCISSAE[abscissa]].nunique().reindex((reference, other)).fillna(0).min() < 3:
            continue
        for vmax_of in ("animal", "group"):
            rows += _shared_rows(two, (reference, other), abscissa, vmax_of)
    return pd.DataFrame(rows, columns=list(SHARED_COLUMNS))


def _shared_rows(two: pd.DataFrame, names: tuple[str, str], abscissa: str, vmax_of: str) -> list[dict]:
    sharing = ["nothing", "K0.5"] if vmax_of == "animal" else ["nothing", "K0.5", "Vmax", "Vmax and K0.5"]
    fits = {shared: _fit_shared(two, names, abscissa, vmax_of, shared) for shared in sharing}
    own, best = fits["nothing"], min(fit.aicc for fit in fits.values())
    rows = []
    for shared, fit in fits.items():
        fewer = fit.dof - own.dof
        f = max(fit.rss - own.rss, 0.0) / fewer / (own.rss / own.dof) if fewer else np.nan
        rows.append({
            "group_a": names[0], "group_b": names[1], "abscissa": abscissa, "vmax_of": vmax_of, "shared": shared,
            "n_points": len(two), "n_animals": two["animal_id"].nunique(), "n_parameters": len(fit.parameters),
            "rss": fit.rss, "dof": fit.dof, "aicc": fit.aicc, "delta_aicc": fit.aicc - best, "f": f,
            "p": float(f_distribution.sf(f, fewer, own.dof)) if fewer else np.nan,
        })  # fmt: skip
    return rows


def _fit_shared(two: pd.DataFrame, names, abscissa: str, vmax_of: str, shared: str) -> CurveFit:
    """Fit Michaelis-Menten to two groups at once; Vmax by animal or by group, some of it in common."""
    x, y = two[ABSCISSAE[abscissa]].to_numpy(float), two["ouabain_sensitive_activity"].to_numpy(float)
    group = (two["condition"] == names[1]).to_numpy().astype(int)
    of_k = np.zeros_like(group) if "K0.5" in shared else group
    owners = two["animal_id"].astype("category").cat.codes.to_numpy() if vmax_of == "animal" else group
    of_v = np.zeros_like(group) if "Vmax" in shared else owners
    start = {f"vmax_{i}": float(y[of_v == i].max()) for i in np.unique(of_v)}
    start |= {f"ln_k05_{i}": float(np.log(np.median(x))) for i in np.unique(of_k)}

    def together(x, **p):
        vmax = np.array([p[f"vmax_{i}"] for i in np.unique(of_v)])[of_v]
        k05 = np.exp(np.array([p[f"ln_k05_{i}"] for i in np.unique(of_k)]))[of_k]
        return vmax * x / (k05 + x)

    return fit_curve(together, x, y, start, sd=two["replicate_se"].to_numpy(float), profile=[], starts=2)
