"""Sparse counts: logit-normal models fitted to the counts themselves, without 1/2 added to a zero.

What it is for: `logit_normal` fits a binomial model with random effects on the logit by maximum likelihood, the
integral over the random effects by adaptive Gauss-Hermite quadrature; `sparse_table` lays the forms out as
`results/clinical/<analysis>/sparse.csv`.

Vocabulary (forms as in metafor's `rma.glmm`, Jackson 2018): `UM.FS` two arms, a fixed intercept for each study; `UM.RS`
two arms, a random intercept for each study, independent of its effect; `UM.RS (Laplace)` the same model with Laplace's
approximation in place of the quadrature, which is all that R's lme4 and so metafor offer there: a row to compare with
them, not the answer; `logit_normal` one group. The effect of a study
is theta + u, u ~ N(0, tau2), in two arms split evenly over both (+u / 2, -u / 2). *common*: tau2 = 0. `lrt` is the
likelihood-ratio test of homogeneity against one probability for each arm (not for UM.RS, whose intercepts are random).

Limits: studies without events, or with nothing but events, in both arms say nothing about the effect and are left out,
as in metafor; counts of cluster trials enter divided by their design effect; no moderators; intervals are normal, from
the full information matrix.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from mgk.meta.columns import COUNTS, PROPORTION
from mgk.meta.effects import back_transform, double_zero, effective, find_measure
from mgk.meta.tails import two_sided
from mgk.tables.problems import InputError

NODES = {0: 1, 1: 61, 2: 11}
"""Points of the quadrature in each of 0, 1 or 2 dimensions."""

COARSE_NODES = {1: 11, 2: 5}
COARSE_STEPS = 4
SMALLEST_START = 0.02
"""Points and Newton steps while the grid looks for the slope to climb, and where the climb begins at the least."""

LAPLACE = "UM.RS (Laplace)"
RANDOM_INTERCEPTS = ("UM.RS", LAPLACE)
TWO_ARMS = ("UM.FS", *RANDOM_INTERCEPTS)
LAPLACE_STARTS = (0.3, 1.0)
"""Standard deviations from which the highest point of Laplace's likelihood is looked for."""

LARGEST_SD = 20.0
"""Largest standard deviation on the logit scale that is looked at."""

MOST_STUDIES = 500
"""Studies up to which UM.RS is laid out in the table: beyond, its two-dimensional integrals take a minute."""

MOST_PEOPLE = 10_000_000
"""People in an arm up to which a model is fitted: of the likelihood of more, rounding leaves too few digits."""

NEWTON_STEPS, STEPS_TO_A_MODE = 50, 200
MOST_HALVINGS = 8
"""Halvings of a Newton step beyond which the error of the quadrature, and no slope, decides."""

SETTLED = 1e-5
"""Newton step of a coefficient below which a search has come to its end."""

MOST_LOST = 3
"""Points at which the search of the coefficients may fail before that of the standard deviations is given up."""

UNSETTLED = "the search for the highest likelihood did not come to an end"
TOO_FAR_APART = f"{UNSETTLED}: the studies are too far apart"

QUADRATURE_ERROR = 1e-6
"""Relative fall of the likelihood that a step may bring by the error of the quadrature alone."""

STEP = 1e-3
"""Step of the numerical second derivatives, relative to the parameter."""

STEEPEST_TOP = 1e-2
"""Slope of the log-likelihood above which Laplace's search is not at a top; rounding alone leaves up to 1e-3."""

SMALLEST_SD = 1e-4
"""Standard deviations below which Laplace's search has come to the bound 0."""

COLUMNS = (
    "analysis", "measure", "form", "model", "method", "k", "estimate", "se", "ci_low", "ci_high", "tau2",
    "tau2_intercept", "log_likelihood", "lrt", "lrt_df", "lrt_p", "note",
)  # fmt: skip
SHOWN = ("estimate", "ci_low", "ci_high")


@dataclass(frozen=True)
class LogitNormal:
    """A fitted model: effect (log odds ratio, or logit) with its error, and the variances of the random effects."""

    form: str
    k: int
    estimate: float
    se: float
    tau2: float
    tau2_intercept: float
    log_likelihood: float


@dataclass(frozen=True)
class _Arms:
    """Counts of k studies in J arms with their linear predictor: design (J, p), the effect being column 0.

    `own_intercept` gives each study an intercept to be fitted. `loadings` (J, q), times the standard deviations (q,),
    multiply q standard normal variables, over which `nodes` points in each dimension are taken.
    """

    form: str
    events: np.ndarray
    n: np.ndarray
    design: np.ndarray
    own_intercept: bool
    loadings: np.ndarray
    nodes: int


def logit_normal(table: pd.DataFrame, form: str, *, common: bool = False) -> LogitNormal:
    """Fit one form to counts.

    Parameters
    ----------
    table : DataFrame
        `COUNTS` for UM.FS and UM.RS, `PROPORTION` for logit_normal.
    form : str
        UM.FS, UM.RS, UM.RS (Laplace) or logit_normal.
    common : bool
        Whether the effect is the same in all studies (tau2 = 0).

    Raises
    ------
    InputError
        For an unknown form, no informative study, one where a spread is asked for, or an infinite estimate.
    """
    arms = _arms(table, form, common)
    if arms.n.max() > MOST_PEOPLE:
        raise InputError(f"not fitted: more than {MOST_PEOPLE:,} people in an arm, and nothing is sparse")
    if len(arms.events) == 1 and arms.loadings.shape[1]:
        raise InputError("one study with information: nothing to estimate a spread from")
    if form == LAPLACE:
        beta, found, log_likelihood, variance = _laplace(arms)
    else:
        found, fit = _highest(arms)
        if not fit.settled:
            raise InputError(TOO_FAR_APART)
        beta, log_likelihood, variance = fit.beta, fit.log_likelihood, _variance(found, fit)
    sd = dict(zip(_sd_names(form, common), found, strict=True))
    return LogitNormal(
        form=form,
        k=len(arms.events),
        estimate=float(beta[0]),
        se=float(np.sqrt(variance)) if variance > 0 else np.nan,
        tau2=sd.get("tau", 0.0) ** 2,
        tau2_intercept=sd["sigma"] ** 2 if "sigma" in sd else np.nan,
        log_likelihood=log_likelihood,
    )


def sparse_table(effects: pd.DataFrame, analysis: str, *, level: float = 0.95) -> pd.DataFrame:
    """Fit every form that the counts of `effects` allow, with common and with random effects.

    Returns
    -------
    DataFrame
        Columns `COLUMNS` and `back_transformed_{estimate, ci_low, ci_high}` (odds ratio, or proportion): UM.FS and
        both UM.RS for OR and PETO, logit_normal for PR, PLO, PFT and PAS; for other measures no rows. What cannot be
        fitted is empty and its note says why.
    """
    measure = effects["measure"].iloc[0]
    odds, proportions = measure in ("OR", "PETO"), find_measure(measure).needed == PROPORTION
    forms = TWO_ARMS if odds else ("logit_normal",) if proportions else ()
    rows = [_row(effects, form, common, level) for form in forms for common in (True, False)]
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("analysis", "measure")])
    frame.insert(0, "analysis", analysis)
    frame.insert(1, "measure", measure)
    scale = "logit" if proportions else "log"
    return back_transform(frame, {name: name for name in SHOWN}, scale)


def _row(effects, form, common, level) -> dict:
    head = {"form": form, "model": "common" if common else "random", "method": "ML", "k": len(effects)}
    if form in RANDOM_INTERCEPTS and len(effects) > MOST_STUDIES:
        return head | {"note": f"not fitted: more than {MOST_STUDIES} studies"}
    try:
        fit = logit_normal(effects, form, common=common)
    except InputError as error:
        return head | {"note": str(error)}
    half_width = two_sided(level) * fit.se
    values = {name: getattr(fit, name) for name in ("k", "estimate", "se", "tau2_intercept", "log_likelihood")}
    values |= {"ci_low": fit.estimate - half_width, "ci_high": fit.estimate + half_width}
    values["tau2"] = np.nan if common else fit.tau2
    notes = []
    if fit.k < len(effects):
        left_out = len(effects) - fit.k
        notes.append(f"{left_out} {'study' if left_out == 1 else 'studies'} without information left out")
    if not common and fit.tau2 == 0:
        notes.append("tau2 at its bound 0")
    if np.isnan(fit.se):
        notes.append("no error: the information is not positive definite")
    return head | values | _homogeneity(effects, form, common) | {"note": "; ".join(notes)}


def _homogeneity(effects, form, common) -> dict:
    """Return the likelihood-ratio test of one effect against one probability for each arm of each study."""
    if form in RANDOM_INTERCEPTS or not common:
        return {}
    arms = _arms(effects, form, common=True)
    k = len(arms.events)
    if k < 2:
        return {}
    y, n = arms.events, arms.n
    saturated = np.sum(special.xlogy(y, y / n) + special.xlogy(n - y, 1 - y / n) + _log_choose(n, y))
    lrt = max(0.0, float(2 * (saturated - _inner(arms, np.empty(0)).log_likelihood)))
    return {"lrt": lrt, "lrt_df": k - 1, "lrt_p": float(stats.chi2.sf(lrt, k - 1))}


def _sd_names(form, common) -> list[str]:
    return (["sigma"] if form in RANDOM_INTERCEPTS else []) + ([] if common else ["tau"])


def _arms(table: pd.DataFrame, form: str, common: bool) -> _Arms:
    """Return the informative studies with the linear predictor of a form."""
    if form == "logit_normal":
        events, n = (counts[:, None] for counts in effective(table, PROPORTION))
        if events.sum() in (0, n.sum()):
            raise InputError("no events, or nothing but events, in all studies: the logit is infinite")
        q = 0 if common else 1
        return _Arms(form, events, n, np.ones((1, 1)), False, np.ones((1, q)), NODES[q])
    if form not in TWO_ARMS:
        raise InputError(f"form {form!r}: allowed are {', '.join(TWO_ARMS)}, logit_normal")
    table = table[~double_zero(table)]
    a, n1, c, n2 = effective(table, COUNTS)
    if len(table) == 0:
        raise InputError("no events, or nothing but events, in both arms of every study")
    if np.all(a == np.maximum(0, a + c - n2)) or np.all(a == np.minimum(n1, a + c)):
        raise InputError(
            "in every study the events lie as far to one side as they can: the odds ratio is 0 or infinite"
        )
    fixed = form == "UM.FS"
    design = np.array([[1.0], [0.0]]) if fixed else np.array([[1.0, 1.0], [0.0, 1.0]])
    loadings = np.array([[1.0, 0.5], [1.0, -0.5]])[:, 1 if fixed else 0 : 1 if common else 2]
    nodes = 1 if form == LAPLACE else NODES[loadings.shape[1]]
    return _Arms(form, np.column_stack([a, c]), np.column_stack([n1, n2]), design, fixed, loadings, nodes)


@dataclass(frozen=True)
class _Inner:
    """The highest point at given standard deviations, and how the likelihood changes there.

    `slope` (q,) is that by the standard deviations; `information` (p + q, p + q) is that of coefficients and standard
    deviations, the studies' own intercepts being fitted. `settled`: the search came to an end.
    """

    beta: np.ndarray
    own: np.ndarray
    modes: np.ndarray
    log_likelihood: float
    slope: np.ndarray
    information: np.ndarray
    settled: bool


def _inner(arms: _Arms, sds: np.ndarray, start: _Inner | None = None, steps: int = NEWTON_STEPS) -> _Inner:
    """Maximise over the coefficients (and the studies' own intercepts) with the standard deviations held.

    For these the likelihood is concave: Newton steps, halved while they do not climb, end at its top. `start`, the fit
    at other standard deviations, saves some of them.
    """
    k, p, q = len(arms.events), arms.design.shape[1], len(sds)
    beta, own, modes = (start.beta, start.own, start.modes) if start else _first(arms)
    own_direction = np.concatenate([np.ones(arms.events.shape[1]), np.zeros(q)])
    directions = np.zeros((len(own_direction), p + q))
    directions[: len(arms.design), :p], directions[len(arms.design) :, p:] = arms.design, np.eye(q)
    value, gradient, hessian, modes = _marginal(arms, arms.design @ beta + own[:, None], sds, modes)
    for _ in range(steps):
        slope, information = directions.T @ gradient.sum(axis=0), -directions.T @ hessian.sum(axis=0) @ directions
        if arms.own_intercept:
            by_own = -own_direction @ hessian
            curvature, cross, own_slope = by_own @ own_direction, by_own @ directions, gradient @ own_direction
            information = information - (cross / curvature[:, None]).T @ cross
            slope = slope - cross.T @ (own_slope / curvature)
        step = np.linalg.solve(information[:p, :p], slope[:p])
        own_step = (own_slope - cross[:, :p] @ step) / curvature if arms.own_intercept else np.zeros(k)
        size = max(np.abs(step).max(), np.abs(own_step).max())
        if size < 1e-10:
            break
        scale = min(1.0, 3.0 / size)
        for _ in range(MOST_HALVINGS):
            trial = beta + scale * step, own + scale * own_step
            found = _marginal(arms, arms.design @ trial[0] + trial[1][:, None], sds, modes)
            if found[0] >= value - QUADRATURE_ERROR * (1 + abs(value)):
                break
            scale /= 2
        else:
            break
        (beta, own), (value, gradient, hessian, modes) = trial, found
    log_likelihood = value + float(np.sum(_log_choose(arms.n, arms.events)))
    return _Inner(beta, own, modes, log_likelihood, slope[p:], information, bool(size < SETTLED))


def _first(arms: _Arms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, own intercepts and modes to start from: no effect, the risks of the studies or of all."""
    k, p = len(arms.events), arms.design.shape[1]
    beta, own = np.zeros(p), np.zeros(k)
    if arms.own_intercept:
        own = special.logit((arms.events.sum(axis=1) + 0.5) / (arms.n.sum(axis=1) + 1))
    else:
        beta[-1] = _overall_logit(arms)
    return beta, own, np.zeros((k, arms.loadings.shape[1]))


def _overall_logit(arms: _Arms) -> float:
    return float(special.logit(np.clip(arms.events.sum() / arms.n.sum(), 1e-6, 1 - 1e-6)))


def _integrand(arms, eta, L, modes):
    """Return the log of the integrands (k, g) at g nodes, with nodes z (k, g, q), predictors (k, g, J) and modes.

    Each study's integral over z ~ N(0, I) of its binomial probabilities at eta + L z is taken at the mode of the
    integrand, in units of its curvature (Liu and Pierce 1994).
    """
    y, n = arms.events, arms.n
    modes, root = _modes(y, n, eta, L, modes)
    nodes, log_weights = _nodes(L.shape[1], arms.nodes)
    z = modes[:, None, :] + nodes @ root.transpose(0, 2, 1)
    predictor = eta[:, None, :] + z @ L.T
    log_integrand = np.sum(y[:, None, :] * predictor - n[:, None, :] * np.logaddexp(0, predictor), axis=2)
    log_integrand += -0.5 * np.sum(z**2, axis=2) + log_weights + 0.5 * np.sum(nodes**2, axis=1)
    if L.shape[1]:
        log_integrand += np.linalg.slogdet(root)[1][:, None]
    return log_integrand, z, predictor, modes


def _marginal(arms, eta, sds, modes):
    """Return log-likelihood, its gradient (k, J + q) and Hessian by predictors eta (k, J) and sds, and the modes.

    The derivatives are means over the random effects given the counts (Louis 1982).
    """
    y, n, arm_count = arms.events, arms.n, arms.events.shape[1]
    log_integrand, z, predictor, modes = _integrand(arms, eta, arms.loadings * sds, modes)
    top = log_integrand.max(axis=1, keepdims=True)
    weight = np.exp(log_integrand - top)
    sums = weight.sum(axis=1, keepdims=True)
    value = float(np.sum(top + np.log(sums)))
    weight /= sums
    probability = special.expit(predictor)
    score = y[:, None, :] - n[:, None, :] * probability
    binomial = n[:, None, :] * probability * (1 - probability)
    score = np.concatenate([score, (score @ arms.loadings) * z], axis=2)
    gradient = (weight[:, None, :] @ score)[:, 0, :]
    spread = (score - gradient[:, None, :]) * np.sqrt(weight)[:, :, None]
    hessian = spread.transpose(0, 2, 1) @ spread
    for arm in range(arm_count):
        change = np.concatenate([np.broadcast_to(np.eye(arm_count)[arm], predictor.shape), arms.loadings[arm] * z], 2)
        change = change * np.sqrt(weight * binomial[:, :, arm])[:, :, None]
        hessian -= change.transpose(0, 2, 1) @ change
    return value, gradient, hessian, modes


def _modes(y, n, eta, L, z):
    """Return the modes (k, q) of the integrands and the inverse square roots (k, q, q) of their curvatures."""
    q = L.shape[1]
    if q == 0:
        return z, np.empty((len(y), 0, 0))
    for _ in range(STEPS_TO_A_MODE):
        probability = special.expit(eta + z @ L.T)
        gradient = (y - n * probability) @ L - z
        curvature = np.eye(q) + np.einsum("kj,jq,jr->kqr", n * probability * (1 - probability), L, L)
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        length = np.abs(step).max(axis=1, keepdims=True)
        z = z + step * np.minimum(1.0, 1.0 / np.maximum(length, 1e-300))
        if length.max() < 1e-9:
            break
    return z, np.linalg.inv(np.linalg.cholesky(curvature)).transpose(0, 2, 1)


def _nodes(q: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (points**q, q) and their log weights for the standard normal distribution in q dimensions."""
    if q == 0:
        return np.empty((1, 0)), np.zeros(1)
    x, w = np.polynomial.hermite_e.hermegauss(points)
    grids = np.meshgrid(*[x] * q, indexing="ij")
    weights = np.meshgrid(*[np.log(w / np.sqrt(2 * np.pi))] * q, indexing="ij")
    return np.stack([g.ravel() for g in grids], axis=1), np.sum([w.ravel() for w in weights], axis=0)


def _highest(arms: _Arms) -> tuple[np.ndarray, _Inner]:
    """Return the standard deviations (q,) where the profile likelihood is highest, 0 at a bound, and the fit there.

    A coarse grid finds the slope to climb, so that no lower top is taken for the highest.
    """
    q = arms.loadings.shape[1]
    if q == 0:
        return np.empty(0), _inner(arms, np.empty(0))
    coarse = replace(arms, nodes=COARSE_NODES[q])
    axis = np.concatenate([[0.0], np.geomspace(0.05, 5.0, 10 if q == 1 else 5)])
    points = np.stack(np.meshgrid(*[axis] * q, indexing="ij"), axis=-1).reshape(-1, q)
    fits = [_inner(coarse, points[0], steps=COARSE_STEPS)]
    for point in points[1:]:
        fits.append(_inner(coarse, point, fits[-1], COARSE_STEPS))
    best = int(np.argmax([fit.log_likelihood for fit in fits]))
    fit, lost = fits[best], 0

    def depth(sds):
        nonlocal fit, lost
        fit = _inner(arms, sds, fit)  # the last one is a good start for the next point
        lost += not fit.settled
        if lost > MOST_LOST:
            raise InputError(TOO_FAR_APART)
        return -fit.log_likelihood, -fit.slope

    options = {"ftol": 1e-15, "gtol": 1e-7, "maxiter": 500}
    start = np.maximum(points[best], SMALLEST_START)  # at 0 the slope is 0, whether it is a top or not
    beyond = np.append(axis[1:], 2 * LARGEST_SD)
    bounds = [(0, beyond[np.searchsorted(axis, sd)]) for sd in points[best]]
    sds = optimize.minimize(depth, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    if np.any(sds > LARGEST_SD):
        raise InputError("the likelihood rises without end with the spread between studies")
    fit = _inner(arms, sds, fit)
    for i in range(q):  # a bound is taken as such when it is no lower than what the search came to
        at_bound = np.where(np.arange(q) == i, 0.0, sds)
        bound = _inner(arms, at_bound, fit)
        if bound.log_likelihood >= fit.log_likelihood - 1e-9:
            sds, fit = at_bound, bound
    return sds, fit


def _laplace(arms: _Arms) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return coefficients, standard deviations, log-likelihood and variance of the effect by Laplace's approximation.

    The slope of Laplace's likelihood has terms that `_marginal` leaves out, those of the curvature at the mode. So all
    parameters are searched at once with numerical slopes. The likelihood is even in each standard deviation.
    """
    p, q = arms.design.shape[1], arms.loadings.shape[1]
    modes = np.zeros((len(arms.events), q))

    def depth(at):
        nonlocal modes  # a good start for the next point
        eta = np.tile(arms.design @ at[:p], (len(modes), 1))
        log_integrand, _, _, modes = _integrand(arms, eta, arms.loadings * at[p:], modes)
        return -float(np.sum(log_integrand))

    starts = [np.array([0.0, _overall_logit(arms), *[sd] * q]) for sd in LAPLACE_STARTS]
    tries = [optimize.minimize(depth, start, method="BFGS", jac="3-point", options={"gtol": 1e-5}) for start in starts]
    best = min(tries, key=lambda found: found.fun)
    if np.abs(best.jac).max() > STEEPEST_TOP:
        raise InputError(UNSETTLED)
    at = np.concatenate([best.x[:p], np.abs(best.x[p:])])
    if np.any(at[p:] > LARGEST_SD):
        raise InputError("the likelihood rises without end with the spread between studies")
    at[p:][at[p:] < SMALLEST_SD] = 0.0
    free = np.flatnonzero((np.arange(p + q) < p) | (at > 0))
    curvature = _curvature(depth, at, free)
    variance = float(np.linalg.inv(curvature)[0, 0])
    choose = float(np.sum(_log_choose(arms.n, arms.events)))
    return at[:p], at[p:], choose - depth(at), variance


def _curvature(depth, at: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the second derivatives of a function at a point by the parameters `free`, from central differences."""
    steps = np.diag(STEP * np.maximum(np.abs(at), 0.1))[free]
    found = np.empty((len(free), len(free)))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps[: i + 1]):
            corners = [s * t * depth(at + s * a + t * b) for s in (1, -1) for t in (1, -1)]
            found[i, j] = found[j, i] = np.sum(corners) / (4 * a.max() * b.max())
    return found


def _variance(sds: np.ndarray, fit: _Inner) -> float:
    """Return the variance of the effect from the full information.

    A standard deviation at its bound 0 adds nothing: the likelihood is symmetric there.
    """
    free = np.concatenate([np.full(len(fit.beta), True), sds > 0])
    return float(np.linalg.inv(fit.information[np.ix_(free, free)])[0, 0])


def _log_choose(n, k):
    return -special.betaln(n - k + 1, k + 1) - np.log1p(n)
