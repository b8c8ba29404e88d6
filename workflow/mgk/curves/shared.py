"""A constant in common for all conditions, against one for each: extra sum of squares and AICc.

All curves are fitted at once. Each curve has ends of its own; the constants are one for each condition, or, where they
are `shared`, one for all. An end may be shared as well: then it is one for all curves. The ends are linear and
eliminated by projection (Golub & Pereyra 1973).

The F test is the usual one of the field and takes points as the unit. Where curves of one condition differ by more
than their noise its p is too small; the comparison with the animal as the unit is `mgk.curves.fits.compare_conditions`.
"""

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from mgk.curves.fits import Curve
from mgk.curves.models import Model
from mgk.fitting import CurveFit, fit_curve

UNIT_NOTE = "points, not animals, are the unit"
SHARED_COLUMNS = (
    "fit", "group", "parameter", "unit", "estimate", "ci_low", "ci_high", "verdict", "reason", "n_curves", "rss",
    "n_parameters", "dof", "aicc", "f", "f_df", "p", "note",
)  # fmt: skip
# Keeps the projection solvable where a column of the design vanishes.
RIDGE = 1e-13


def shared_fits(curves: list[Curve], model: Model, shared, units: tuple[str, str]) -> pd.DataFrame:
    """Fit all curves with separate and with shared constants.

    Parameters
    ----------
    curves : list of Curve
        Those that could be fitted are used.
    shared : list of str
        Parameters of the model that are common to all conditions.
    units : (str, str)
        Of x and y.

    Returns
    -------
    DataFrame
        SHARED_COLUMNS, a row for each constant of both fits (`group` empty for a shared one); F, its degrees of
        freedom and p stand with the shared fit. Without rows where there is nothing to share: fewer than two
        conditions, or no name in `shared`.
    """
    used = [c for c in curves if c.fit is not None]
    conditions = list(dict.fromkeys(c.condition for c in used))
    if not shared or len(conditions) < 2:
        return pd.DataFrame(columns=list(SHARED_COLUMNS))
    separate, common = _fit(used, model, ()), _fit(used, model, tuple(shared))
    table = [_rows("separate", separate, model, conditions, (), units, len(used))]
    table.append(_rows(f"shared {', '.join(shared)}", common, model, conditions, tuple(shared), units, len(used)))
    extra = common.dof - separate.dof
    f = (common.rss - separate.rss) / extra / (separate.rss / separate.dof)
    table[1]["f"], table[1]["f_df"] = f, f"{extra}, {separate.dof}"
    table[1]["p"] = float(f_distribution.sf(f, extra, separate.dof))
    table[1]["note"] = UNIT_NOTE
    return pd.concat(table, ignore_index=True)[list(SHARED_COLUMNS)]


def _fit(curves: list[Curve], model: Model, shared: tuple[str, ...]) -> CurveFit:
    """Fit all curves at once, the ends eliminated."""
    conditions = list(dict.fromkeys(c.condition for c in curves))
    x = np.concatenate([c.x for c in curves])
    y = np.concatenate([c.y for c in curves])
    sd = np.concatenate([np.ones_like(c.y) if c.sd is None else c.sd for c in curves])
    of_curve = np.repeat(np.arange(len(curves)), [c.x.size for c in curves])
    of_condition = np.repeat([conditions.index(c.condition) for c in curves], [c.x.size for c in curves])
    columns = [np.zeros_like(of_curve) if end in shared else of_curve for end in model.ends]
    sizes = [1 if end in shared else len(curves) for end in model.ends]
    masks = [c[:, None] == np.arange(n) for c, n in zip(columns, sizes, strict=True)]
    names = {
        p: [f"ln_{p}"] * len(conditions) if p in shared else [f"ln_{p}_{i}" for i in range(len(conditions))]
        for p in model.constants
    }

    def projected(x, **constants):
        at_points = [np.array([constants[n] for n in names[p]])[of_condition] for p in model.constants]
        basis = model.basis(x, *at_points)
        design = np.hstack([basis[:, [j]] * mask for j, mask in enumerate(masks)])
        weighted = design / sd[:, None]
        normal = weighted.T @ weighted  # no conjugate: analytic, so that the complex step goes through
        normal = normal + RIDGE * np.trace(normal).real * np.eye(len(normal))
        return design @ np.linalg.solve(normal, weighted.T @ (y / sd))

    start, bounds = {}, {}
    for p in model.constants:
        for i, name in enumerate(names[p]):
            own = [c for c in curves if p in shared or c.condition == conditions[i]]
            start[name] = float(np.median([c.fit.estimates[f"ln_{p}"] for c in own]))
            bounds[name] = model.bounds(x)[f"ln_{p}"]
    return fit_curve(projected, x, y, start, sd=sd, bounds=bounds, starts=1, eliminated=sum(sizes))


def _rows(name: str, fit: CurveFit, model: Model, conditions, shared, units, n_curves: int) -> pd.DataFrame:
    rows = []
    whole = {"fit": name, "n_curves": n_curves, "rss": fit.rss, "dof": fit.dof, "aicc": fit.aicc}
    whole |= {"n_parameters": fit.residuals.size - fit.dof, "f": np.nan, "f_df": "", "p": np.nan, "note": ""}
    for p in model.constants:
        keys = {"": f"ln_{p}"} if p in shared else {c: f"ln_{p}_{i}" for i, c in enumerate(conditions)}
        for group, key in keys.items():
            found = fit.parameters[key].exp()
            row = {"group": group, "parameter": p, "unit": model.unit(p, *units), "estimate": found.value}
            row |= {"ci_low": found.ci_low, "ci_high": found.ci_high, "verdict": found.verdict}
            rows.append(whole | row | {"reason": found.reason.replace("ln_", "")})
    return pd.DataFrame(rows)
