"""The control group's risk as a moderator, by the bivariate model of both arms' logits.

What it is for: trials in people at higher risk may show another effect. The observed control risk shares its error with
the observed log odds ratio, so that a meta-regression on it finds a slope where there is none. The bivariate model
(van Houwelingen, Arends and Stijnen 2002, Stat Med 21:589) takes both arms as measured with error: the true logits of a
study are normal with means mu, variances tau2 and correlation rho, and regressions on the *true* control logit follow
from these. `bivariate` fits it, `control_risk_table` lays it out as `results/clinical/<analysis>/control_risk.csv`.

Vocabulary: *slope*, of the true treatment logit on the true control logit, cov / tau2_control; that of the log odds
ratio is the slope minus 1, 0 when the effect does not depend on the control risk; `tau2_residual`, the variance of the
true treatment logit, and of the true log odds ratio, at a given control logit.

Standard errors: of the means given the variances, as metafor does; of slope and intercept by the delta method from the
inverse observed Hessian of the (restricted) profile likelihood of the variance parameters, with what the means move
with them. At rho = +-1 the Hessian is that along the edge, which makes these errors too small; the note says so.

Limits: approximate normal likelihood of the logits (1/2 is added to both cells of an arm with a zero, arm by arm as in
metafor's `escalc(measure="PLO")`, so that such studies differ from `effects.csv`); the model is always of odds ratios,
whatever measure the analysis pools; Wald intervals, which few studies make too short; a relation between trials says
nothing about single patients.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from mgk.meta.columns import COUNTS
from mgk.meta.effects import NO_ZERO, effect_sizes
from mgk.meta.tails import two_sided

METHODS = ("ML", "REML")
MEASURES = ("OR", "RR", "RD")
FEWEST = 3
FEW_STUDIES = 10

TIE = 1e-9
"""Difference of log-likelihoods below which the simpler place (a correlation of +-1, no variances) is taken."""

NOTHING = 1e-6
"""Share of the spread of the logits below which a standard deviation between studies counts as 0."""

STEP = 1e-30
"""Complex step of derivatives: no difference is taken, so that nothing cancels."""

ALL, EDGE = (0, 1, 2), (0, 1)
"""The parameters that are free: inside, and at a correlation of +-1."""

COLUMNS = (
    "analysis", "measure", "model", "method", "test", "term", "k", "estimate", "se", "statistic", "p", "ci_low",
    "ci_high", "tau2_control", "tau2_treatment", "rho", "tau2_residual", "log_likelihood", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Bivariate:
    """A fitted bivariate model; pairs are (control, treatment).

    `slope` and `intercept` are of the treatment logit on the control logit; nan, as `rho`, where they do not exist.
    `boundary` is "", "rho" (at +-1), "control" (its variance is 0) or "both" (both variances are 0).
    """

    means: np.ndarray
    covariance: np.ndarray
    between: np.ndarray
    rho: float
    slope: float
    slope_se: float
    intercept: float
    intercept_se: float
    log_likelihood: float
    boundary: str

    @property
    def residual(self) -> float:
        """The variance of the true treatment logit at a given control logit."""
        both, treatment = self.between[1]
        return treatment if np.isnan(self.slope) else max(0.0, treatment - self.slope * both)


def bivariate(y: np.ndarray, v: np.ndarray, method: str = "REML") -> Bivariate:
    """Fit the bivariate normal random-effects model with independent sampling errors.

    Parameters
    ----------
    y, v : ndarray, shape (k, 2)
        Logits of control and treatment, and their sampling variances; k >= 3.
    method : str
        "ML" or "REML".

    Notes
    -----
    The covariance between studies is L L', L lower triangular with entries a, b, c. The likelihood is maximised from
    several starts inside, along the edge c = 0 (rho = +-1) and at 0; a place inside must be higher than the edge.
    """
    model = _Model(np.asarray(y, float), np.asarray(v, float), method == "REML")
    at, free, boundary = _highest(model)
    a, b, c = at
    L = np.array([[a, 0.0], [b, c]])
    means, M = model.means(at), model.covariance(at)
    exists = boundary in ("", "rho")
    slope = b / a if exists else np.nan
    slope_se, intercept_se = _errors(model, at, free) if exists else (np.nan, np.nan)
    return Bivariate(
        means=means,
        covariance=M,
        between=L @ L.T,
        rho=float(b / np.hypot(b, c)) if exists and np.hypot(b, c) > 0 else np.nan,
        slope=float(slope),
        slope_se=slope_se,
        intercept=float(means[1] - slope * means[0]),
        intercept_se=intercept_se,
        log_likelihood=model.log_likelihood(at),
        boundary=boundary,
    )


def arm_logits(effects: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, int]:
    """Return logits (k, 2) of control and treatment, their variances (k, 2), and the studies with 1/2 added to an arm.

    `effects` has the columns `COUNTS`.
    """
    who = effects[["study_id", "study"]]
    arms = [
        effect_sizes(who.assign(events=effects[f"events_{arm}"], n=effects[f"n_{arm}"]), "PLO")
        for arm in ("control", "treatment")
    ]
    corrected = np.any([arm["zero_rule"] != NO_ZERO for arm in arms], axis=0)
    y, v = (np.column_stack([arm[name].to_numpy(float) for arm in arms]) for name in ("yi", "vi"))
    if "design_effect" in effects:
        v = v * effects["design_effect"].to_numpy(float)[:, None]
    return y, v, int(corrected.sum())


def why_not(effects: pd.DataFrame) -> str:
    """Return why the bivariate model cannot be fitted to these effects; "" where it can."""
    measure = effects["measure"].iloc[0]
    if measure not in MEASURES or not set(COUNTS) <= set(effects):
        return f"measure {measure}: the control group's risk needs counts of two arms ({', '.join(MEASURES)})"
    if len(effects) < FEWEST:
        return (
            f"{len(effects)} of at least {FEWEST} studies: no relation with the control group's risk can be estimated"
        )
    return ""


def control_risk_table(effects: pd.DataFrame, analysis: str, *, level: float = 0.95) -> pd.DataFrame:
    """Fit the bivariate model by ML and by REML.

    Parameters
    ----------
    effects : DataFrame
        From `effect_sizes`.
    analysis : str
        Name for the column of that name.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, on the logit scale. Terms: `control_logit` and `treatment_logit`, the means;
        `treatment_slope` and `treatment_intercept`, of the treatment logit on the control logit; `log_odds_ratio`, the
        mean; `log_odds_ratio_slope`, on the control logit (its intercept is `treatment_intercept`). Without any row
        where `why_not` gives a reason.
    """
    if why_not(effects):
        return pd.DataFrame(columns=list(COLUMNS))
    y, v, corrected = arm_logits(effects)
    head = {"analysis": analysis, "measure": "OR", "model": "bivariate", "test": "z", "k": len(y)}
    rows = []
    for method in METHODS:
        fit = bivariate(y, v, method)
        (control, _), (_, treatment) = fit.between
        shared = {"tau2_control": control, "tau2_treatment": treatment, "rho": fit.rho, "tau2_residual": fit.residual}
        shared |= {"log_likelihood": fit.log_likelihood, "note": _note(fit, len(y), corrected)}
        for term, (estimate, se) in _terms(fit).items():
            rows.append(head | {"method": method, "term": term} | _wald(estimate, se, level) | shared)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _terms(fit: Bivariate) -> dict[str, tuple[float, float]]:
    M = fit.covariance
    return {
        "control_logit": (fit.means[0], np.sqrt(M[0, 0])),
        "treatment_logit": (fit.means[1], np.sqrt(M[1, 1])),
        "treatment_slope": (fit.slope, fit.slope_se),
        "treatment_intercept": (fit.intercept, fit.intercept_se),
        "log_odds_ratio": (fit.means[1] - fit.means[0], np.sqrt(M[0, 0] + M[1, 1] - 2 * M[0, 1])),
        "log_odds_ratio_slope": (fit.slope - 1, fit.slope_se),
    }


def _wald(estimate, se, level) -> dict:
    half_width = two_sided(level) * se
    statistic = estimate / se
    limits = {"ci_low": estimate - half_width, "ci_high": estimate + half_width}
    return {"estimate": estimate, "se": se, "statistic": statistic, "p": 2 * stats.norm.sf(abs(statistic))} | limits


def _note(fit, k, corrected) -> str:
    notes = []
    if fit.boundary == "rho":
        notes.append(f"correlation at its bound of {fit.rho:+.0f}: errors of slope and intercept are along the bound")
    if fit.boundary == "control":
        notes.append("tau2 of the control group at its bound of 0: a slope on it does not exist")
    if fit.boundary == "both":
        notes.append("both tau2 at their bound of 0: correlation and slope do not exist")
    if fit.boundary in ("", "rho") and not np.isfinite(fit.slope_se):
        notes.append("the Hessian is not positive definite: no errors of slope and intercept")
    if corrected:
        notes.append(f"1/2 added to an arm with a zero in {corrected} of {k} studies")
    if k < FEW_STUDIES:
        notes.append(f"{k} studies: fewer than {FEW_STUDIES}, the intervals are too short")
    return "; ".join(notes)


class _Model:
    """Likelihood of (a, b, c), the entries of L, with the means profiled out; methods but the likelihood take complex.

    The marginal covariance of a study is L L' + diag(v); its inverse W is written out, as are all sums over studies.
    """

    def __init__(self, y, v, restricted):
        self.y, self.v, self.restricted = y, v, restricted

    def _inverse(self, at):
        a, b, c = at
        p, q, s = self.v[:, 0] + a * a, a * b, self.v[:, 1] + b * b + c * c
        determinant = p * s - q * q
        W = np.empty((len(self.y), 2, 2), dtype=determinant.dtype)
        W[:, 0, 0], W[:, 1, 1] = s / determinant, p / determinant
        W[:, 0, 1] = W[:, 1, 0] = -q / determinant
        return W, determinant

    def covariance(self, at):
        """Return the covariance (2, 2) of the means at given variances."""
        return np.linalg.inv(self._inverse(at)[0].sum(axis=0))

    def means(self, at):
        """Return the means (2,) of control and treatment at given variances."""
        return self.covariance(at) @ np.einsum("kij,kj->i", self._inverse(at)[0], self.y)

    def log_likelihood(self, at) -> float:
        """Return the (restricted) log-likelihood with all its constants, as metafor's `logLik`."""
        W, determinant = self._inverse(at)
        r = self.y - self.means(at)
        k, n = len(self.y), self.y.size
        twice = -np.sum(np.log(determinant)) - np.einsum("ki,kij,kj->", r, W, r) - n * np.log(2 * np.pi)
        if self.restricted:
            twice += 2 * np.log(2 * np.pi) + 2 * np.log(k) - np.linalg.slogdet(W.sum(axis=0))[1]
        return float(0.5 * twice)

    def slopes(self, at):
        """Return the derivatives (3,) of the log-likelihood by a, b and c."""
        W, _ = self._inverse(at)
        u = np.einsum("kij,kj->ki", W, self.y - self.means(at))
        G = np.einsum("ki,kj->ij", u, u) - W.sum(axis=0)
        if self.restricted:
            G = G + np.einsum("kij,jl,klm->im", W, self.covariance(at), W)
        a, b, c = at
        return np.array([G[0, 0] * a + G[0, 1] * b, G[1, 0] * a + G[1, 1] * b, G[1, 1] * c])

    def hessian(self, at):
        """Return the second derivatives (3, 3) of the log-likelihood by a, b and c."""
        H = _by_complex_step(self.slopes, at)
        return (H + H.T) / 2


def _by_complex_step(function, at) -> np.ndarray:
    """Return the derivatives (m, 3) of `function` by each parameter."""
    steps = 1j * STEP * np.eye(len(at))
    return np.column_stack([function(np.asarray(at) + step).imag / STEP for step in steps])


def _highest(model: _Model) -> tuple[np.ndarray, tuple[int, ...], str]:
    """Return the highest place, its free parameters, and the boundary that it is on."""
    spread = model.y.std(axis=0, ddof=1) + np.sqrt(model.v.min(axis=0))
    scales = [(np.sqrt(size), rho) for size in (0.05, 0.5, 1.0) for rho in (-0.8, 0.0, 0.8)]
    inside = [(s * spread[0], s * rho * spread[1], s * np.sqrt(1 - rho**2) * spread[1]) for s, rho in scales]
    along = [(s * spread[0], s * sign * spread[1], 0.0) for s in (0.1, 0.5, 1.0) for sign in (-1, 1)]
    alone = [(0.0, 0.0, s * spread[1]) for s in (0.1, 0.5, 1.0)]  # no variance of the control group
    best, free, boundary = np.zeros(3), (), "both"
    for starts, moved, name in ((alone, (2,), "control"), (along, EDGE, "rho"), (inside, ALL, "")):
        found = max((_climb(model, start, moved) for start in starts), key=model.log_likelihood)
        if model.log_likelihood(found) > model.log_likelihood(best) + TIE:
            best, free, boundary = found, moved, name
    if boundary in ("", "rho") and abs(best[0]) < NOTHING * spread[0]:
        boundary = "control"
    elif boundary == "" and abs(best[2]) < NOTHING * spread[1]:
        best, free, boundary = np.array([best[0], best[1], 0.0]), EDGE, "rho"
    signs = np.sign(best[[0, 0, 2]])
    return best * np.where(signs == 0, 1, signs), free, boundary


def _climb(model: _Model, start, moved) -> np.ndarray:
    """Return the maximum that is reached from a start, by a trust region and a last Newton step where it helps."""
    full, moved = np.array(start, float), np.array(moved)

    def placed(x):
        at = full.copy()
        at[moved] = x
        return at

    found = optimize.minimize(
        lambda x: -model.log_likelihood(placed(x)),
        full[moved],
        jac=lambda x: -model.slopes(placed(x))[moved],
        hess=lambda x: -model.hessian(placed(x))[np.ix_(moved, moved)],
        method="trust-exact",
        options={"gtol": 1e-9, "maxiter": 500},
    ).x
    slopes, H = model.slopes(placed(found))[moved], model.hessian(placed(found))[np.ix_(moved, moved)]
    if np.linalg.eigvalsh(H).max() < 0:
        newer = found - np.linalg.solve(H, slopes)
        if np.abs(model.slopes(placed(newer))[moved]).max() < np.abs(slopes).max():
            found = newer
    return placed(found)


def _errors(model: _Model, at, free) -> tuple[float, float]:
    """Return the standard errors of slope and intercept by the delta method; nan where the Hessian is not definite."""
    free = np.array(free)
    information = -model.hessian(at)[np.ix_(free, free)]
    if np.linalg.eigvalsh(information).min() <= 0:
        return np.nan, np.nan
    of_variances = np.linalg.inv(information)
    a, b, _ = at
    slope, means = b / a, model.means(at)
    by_slope = np.array([-b / a**2, 1 / a, 0.0])[free]
    moved = _by_complex_step(model.means, at)[:, free]
    by_intercept = np.array([-slope, 1.0]) @ moved - means[0] * by_slope
    given = np.array([-slope, 1.0])
    slope_variance = by_slope @ of_variances @ by_slope
    intercept_variance = by_intercept @ of_variances @ by_intercept + given @ model.covariance(at) @ given
    return float(np.sqrt(slope_variance)), float(np.sqrt(intercept_variance))
