"""Heterogeneity: the variance between studies (tau2), its interval, and I2 and H2.

What it is for: seven estimators of tau2 in the model y = X b + u + e with var(u) = tau2 and var(e) = `vi` known, the
Q-profile interval, and the weighted fit that they and pooling share. Every estimator is a closed form, a bracketed root
or one that is climbed to from below, so that none can stop early or come back with 0 by accident: 0 is returned only
where the estimating equation is not positive at 0 (or, for ML and REML, where the likelihood is highest there).
`tau_squared_of_subsets` and `fit_subsets` do the same for many subsets of one table at once (each study left out, the
first 2, 3, ... studies), without moderators.

Vocabulary: k studies, p columns of the design (1, the intercept, unless moderators are given), tau2 in squared units of
the analysis scale, I2 in percent, Q the weighted sum of squared residuals at a given tau2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy.optimize import elementwise

from mgk.meta.tails import chi_square_quantile
from mgk.tables.problems import InputError

SCAN = 120
"""Points at which the derivative of a likelihood is looked at; the roots between them are then refined."""

NEWTON_STEPS = 2000
ROUNDING = 1e-15
"""Relative step below which a root is reached."""

BLOCK = 250_000
"""Numbers in a matrix of subsets and studies that is worked on at once."""


@dataclass(frozen=True)
class WeightedFit:
    """Weighted least squares of k effects at a given tau2, with weights 1 / (vi + tau2).

    `coefficients` (p,), `covariance` (p, p), `q` the weighted residual sum of squares, `trace` the trace of
    P = W - WX (X'WX)^-1 X'W, `py_squared` the squared length of Py, and `log_determinant` that of X'WX.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    q: float
    trace: float
    py_squared: float
    log_determinant: float


def weighted_fit(yi: np.ndarray, vi: np.ndarray, tau2: float = 0.0, design: np.ndarray | None = None) -> WeightedFit:
    """Fit the effects on the design (by default the intercept alone) with the between-study variance held at `tau2`.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and their sampling variances, on the analysis scale.
    tau2 : float
        Between-study variance; 0 gives the common-effect fit.
    design : ndarray, shape (k, p), optional
    """
    X = np.ones((len(yi), 1)) if design is None else np.asarray(design, float)
    if X.shape[1] == 1:
        return _one_column_fit(np.asarray(yi), 1 / (np.asarray(vi) + tau2), X[:, 0])
    root_weight = 1 / np.sqrt(np.asarray(vi) + tau2)
    Q, R = np.linalg.qr(root_weight[:, None] * X)
    whitened = root_weight * yi
    projected = Q.T @ whitened
    residual = whitened - Q @ projected
    inverse_R = np.linalg.inv(R)
    return WeightedFit(
        coefficients=inverse_R @ projected,
        covariance=inverse_R @ inverse_R.T,
        q=float(np.sum(residual**2)),
        trace=float(np.sum(root_weight**2 * (1 - np.sum(Q**2, axis=1)))),
        py_squared=float(np.sum((root_weight * residual) ** 2)),
        log_determinant=float(2 * np.sum(np.log(np.abs(np.diag(R))))),
    )


def _one_column_fit(y, weight, x) -> WeightedFit:
    """Fit one column: the same without a matrix to factor, for this is what every root asks for again and again."""
    weighted = weight * x
    information = weighted @ x
    coefficient = (weighted @ y) / information
    residual = y - coefficient * x
    weighted_residual = weight * residual
    return WeightedFit(
        coefficients=np.array([coefficient]),
        covariance=np.array([[1 / information]]),
        q=float(weighted_residual @ residual),
        trace=float(np.sum(weight - weighted * weighted / information)),
        py_squared=float(weighted_residual @ weighted_residual),
        log_determinant=float(np.log(information)),
    )


def tau_squared(yi: np.ndarray, vi: np.ndarray, method: str = "REML", design: np.ndarray | None = None) -> float:
    """Estimate the between-study variance.

    DL: DerSimonian and Laird 1986; HE: Hedges and Olkin 1985 (unweighted moments); SJ: Sidik and Jonkman 2005; PM:
    Paule and Mandel 1982; EB: empirical Bayes, Morris 1983 (the same estimating equation as PM); ML and REML:
    Viechtbauer 2005. All are truncated at 0.

    Raises
    ------
    InputError
        For an unknown method, or without at least one study more than the design has columns.
    """
    if method not in ESTIMATORS:
        raise InputError(f"method {method!r}: allowed are {', '.join(ESTIMATORS)}")
    yi, vi = np.asarray(yi, float), np.asarray(vi, float)
    X = np.ones((len(yi), 1)) if design is None else np.asarray(design, float)
    if len(yi) <= X.shape[1]:
        raise InputError(f"between-study variance needs {X.shape[1] + 1} studies or more, not {len(yi)}")
    return ESTIMATORS[method](yi, vi, X)


def q_profile(
    yi: np.ndarray, vi: np.ndarray, level: float = 0.95, design: np.ndarray | None = None
) -> tuple[float, float]:
    """Return the Q-profile interval of tau2 (Viechtbauer 2007).

    The limits are the tau2 at which Q(tau2) equals the two chi-square quantiles with k - p degrees of freedom. A limit
    is 0 where Q is already below its quantile at tau2 = 0. When Q(0) is below even the lower quantile no tau2 agrees
    with the data and the interval is empty: (nan, nan).
    """
    X = np.ones((len(yi), 1)) if design is None else np.asarray(design, float)
    df = len(yi) - X.shape[1]
    lower, upper = (float(chi_square_quantile(p, df)) for p in ((1 - level) / 2, (1 + level) / 2))
    if weighted_fit(yi, vi, 0.0, X).q < lower:
        return np.nan, np.nan
    return _where_q_is(upper, yi, vi, X), _where_q_is(lower, yi, vi, X)


def typical_variance(vi: np.ndarray, design: np.ndarray | None = None) -> float:
    """Return the typical sampling variance (k - p) / tr(P) of Higgins and Thompson 2002, generalised to a design.

    I2 = 100 tau2 / (tau2 + typical variance), H2 = 1 + tau2 / typical variance.
    """
    fit = weighted_fit(np.zeros(len(vi)), vi, 0.0, design)
    trace = max(fit.trace, ROUNDING * float(np.sum(1 / vi)))  # one study with all the weight leaves 0, or less
    return (len(vi) - len(fit.coefficients)) / trace


@dataclass(frozen=True)
class SubsetFits:
    """Pooled estimates of m subsets: arrays of length m. `q` is at tau2 = 0, `scaled_q` at the subset's own tau2."""

    k: np.ndarray
    tau2: np.ndarray
    estimate: np.ndarray
    variance: np.ndarray
    q: np.ndarray
    scaled_q: np.ndarray
    typical_variance: np.ndarray


def fit_subsets(yi: np.ndarray, vi: np.ndarray, used: np.ndarray, method: str = "IV") -> SubsetFits:
    """Pool many subsets of one table by inverse variance.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
    used : ndarray of bool, shape (m, k)
        Which studies belong to each subset, at least one; with an estimator of tau2 at least two.
    method : str
        "IV" for tau2 = 0, or an estimator of tau2.
    """
    yi, vi = np.asarray(yi, float), np.asarray(vi, float)
    tau2 = np.zeros(len(used)) if method == "IV" else tau_squared_of_subsets(yi, vi, used, method)
    parts = []
    for rows in _blocks(used):
        fixed = _Moments(yi, vi, used[rows], np.zeros(len(used[rows])))
        random = fixed if method == "IV" else _Moments(yi, vi, used[rows], tau2[rows])
        k = used[rows].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            typical = (k - 1) / fixed.trace
        parts.append((k, random.mean, 1 / random.weight, fixed.q, random.q, np.where(k > 1, typical, np.nan)))
    k, estimate, variance, q, scaled_q, typical = (np.concatenate(part) for part in zip(*parts, strict=True))
    return SubsetFits(k, tau2, estimate, variance, q, scaled_q, typical)


def tau_squared_of_subsets(yi: np.ndarray, vi: np.ndarray, used: np.ndarray, method: str = "REML") -> np.ndarray:
    """Estimate the between-study variance of many subsets at once; the same values as `tau_squared` on each.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
    used : ndarray of bool, shape (m, k)
        Which studies belong to each subset, at least two.
    """
    if method not in ESTIMATORS:
        raise InputError(f"method {method!r}: allowed are {', '.join(ESTIMATORS)}")
    yi, vi = np.asarray(yi, float), np.asarray(vi, float)
    if np.any(used.sum(axis=1) < 2):
        raise InputError("between-study variance needs 2 studies or more in each subset")
    return np.concatenate([_SUBSET_ESTIMATORS[method](yi, vi, used[rows]) for rows in _blocks(used)])


def log_likelihood(
    yi: np.ndarray, vi: np.ndarray, tau2: float, design: np.ndarray | None = None, *, restricted: bool = True
) -> float:
    """Return the (restricted) log-likelihood at `tau2`, with the coefficients at their best, up to a constant."""
    fit = weighted_fit(yi, vi, tau2, design)
    value = -0.5 * (float(np.sum(np.log(np.asarray(vi) + tau2))) + fit.q)
    return value - 0.5 * fit.log_determinant if restricted else value


def _dersimonian_laird(y, v, X):
    fit = weighted_fit(y, v, 0.0, X)
    return max(0.0, (fit.q - (len(y) - X.shape[1])) / fit.trace)


def _hedges(y, v, X):
    Q, _ = np.linalg.qr(X)
    residual = y - Q @ (Q.T @ y)
    expected = np.sum(v * (1 - np.sum(Q**2, axis=1)))
    return max(0.0, float((np.sum(residual**2) - expected) / (len(y) - X.shape[1])))


def _sidik_jonkman(y, v, X):
    crude = float(np.var(y))
    return crude * weighted_fit(y, v, crude, X).q / (len(y) - X.shape[1])


def _paule_mandel(y, v, X):
    return _where_q_is(len(y) - X.shape[1], y, v, X)


def _maximum_likelihood(y, v, X):
    return _highest(y, v, X, restricted=False)


def _restricted_maximum_likelihood(y, v, X):
    return _highest(y, v, X, restricted=True)


def _where_q_is(target: float, y: np.ndarray, v: np.ndarray, X: np.ndarray) -> float:
    """Return the tau2 >= 0 at which Q, which falls with tau2, has come down to `target`; 0 if it is there already.

    Newton's steps on 1 / Q from 0. Its derivative is y'P^2 y / Q^2, and it is concave, as (y'P^2 y)^2 is at most
    (y'Py)(y'P^3 y) (Cauchy and Schwarz): every step ends below the root and above the one before; none can miss it.
    """
    tau2 = 0.0
    for _ in range(NEWTON_STEPS):
        fit = weighted_fit(y, v, tau2, X)
        if fit.q <= target:
            return tau2
        step = fit.q * (fit.q / target - 1) / fit.py_squared
        if step <= ROUNDING * tau2:
            return tau2 + step
        tau2 += step
    raise ArithmeticError("Newton's steps to a value of Q did not settle")


def _highest(y: np.ndarray, v: np.ndarray, X: np.ndarray, restricted: bool) -> float:
    """Return the tau2 >= 0 where the (restricted) likelihood is highest, among 0 and all maxima that the scan finds."""

    def slope(tau2):
        fit = weighted_fit(y, v, tau2, X)
        return fit.py_squared - (fit.trace if restricted else np.sum(1 / (v + tau2)))

    grid = _scan_grid(v, _beyond_all_maxima(v.max(), weighted_fit(y, np.ones(len(y)), 0.0, X).q, len(y) - X.shape[1]))
    if X.shape[1] == 1:
        slopes = _subset_slopes(y, v, np.ones((1, len(y)), bool), grid, restricted)[0]
    else:
        slopes = _slopes(y, v, X, grid, restricted)
    maxima = [] if slopes[0] > 0 else [0.0]
    for i in np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0)):
        ends = slope(grid[i]), slope(grid[i + 1])
        if ends[0] <= 0 or ends[1] >= 0:  # the root lies on a point of the grid, within rounding
            maxima.append(float(grid[i] if ends[0] <= 0 else grid[i + 1]))
        else:
            maxima.append(float(optimize.brentq(slope, grid[i], grid[i + 1], xtol=1e-300, rtol=1e-15, maxiter=2000)))
    if len(maxima) == 1:
        return maxima[0]
    return max(maxima, key=lambda tau2: log_likelihood(y, v, tau2, X, restricted=restricted))


def _beyond_all_maxima(largest_variance, rss, df):
    """Return a tau2 above which no likelihood rises.

    Twice the derivative is |Py|^2 - tr(P) (restricted) or |Py|^2 - tr(W). With a = 1 / (tau2 + min v) and
    b = 1 / (tau2 + max v), |Py|^2 <= a^2 RSS and both traces >= b (k - p), so that it is negative wherever
    tau2 >= 4 max(v) + 2 RSS / (k - p).
    """
    return 4 * largest_variance + 2 * rss / df


def _scan_grid(v: np.ndarray, upper: float) -> np.ndarray:
    return np.concatenate([[0.0], np.geomspace(min(1e-3 * v.min(), 1e-6 * upper), upper, SCAN)])


def _slopes(y: np.ndarray, v: np.ndarray, X: np.ndarray, grid: np.ndarray, restricted: bool) -> np.ndarray:
    """Return twice the derivative of the likelihood at every tau2 of the grid, in one go."""
    root_weights = 1 / np.sqrt(v + grid[:, None])
    Q, _ = np.linalg.qr(root_weights[:, :, None] * X)  # no normal equations: weights may be 24 digits apart
    whitened = root_weights * y
    Py = root_weights * (whitened - np.einsum("gkp,gp->gk", Q, np.einsum("gkp,gk->gp", Q, whitened)))
    left = 1 - np.sum(Q**2, axis=2) if restricted else 1.0
    trace = np.sum(root_weights**2 * left, axis=1)
    return np.einsum("gk,gk->g", Py, Py) - trace


# --- subsets: weights (m, k), 0 for a study that does not belong -----------------------------------------------------


class _Moments:
    """Weighted sums of m subsets, each at its own tau2 (m,): weight, mean, Q, tr(P), |Py|^2."""

    def __init__(self, y, v, used, tau2):
        weights = used / (v + tau2[:, None])
        self.weight = weights.sum(axis=1)
        self.mean = (weights @ y) / self.weight
        weighted_residual = y - self.mean[:, None]
        weighted_residual *= weights
        self.py_squared = np.einsum("mk,mk->m", weighted_residual, weighted_residual)
        weighted_residual *= y - self.mean[:, None]
        self.q = weighted_residual.sum(axis=1)
        self.trace = self.weight - np.einsum("mk,mk->m", weights, weights) / self.weight


def _blocks(used: np.ndarray) -> list[slice]:
    """Cut the subsets into blocks whose matrices stay small enough for the processor's cache."""
    step = max(1, BLOCK // used.shape[1])
    return [slice(start, start + step) for start in range(0, len(used), step)]


def _subset_rss(y, v, used):
    return _Moments(y, np.ones(len(v)), used, np.zeros(len(used))).q


def _subset_dersimonian_laird(y, v, used):
    fit = _Moments(y, v, used, np.zeros(len(used)))
    return np.maximum(0.0, (fit.q - (used.sum(axis=1) - 1)) / fit.trace)


def _subset_hedges(y, v, used):
    k = used.sum(axis=1)
    return np.maximum(0.0, _subset_rss(y, v, used) / (k - 1) - (used @ v) / k)


def _subset_sidik_jonkman(y, v, used):
    k = used.sum(axis=1)
    crude = _subset_rss(y, v, used) / k
    return crude * _Moments(y, v, used, crude).q / (k - 1)


def _subset_paule_mandel(y, v, used):
    target = used.sum(axis=1) - 1

    tau2 = np.zeros(len(used))
    rows = np.arange(len(used))
    for _ in range(NEWTON_STEPS):  # as in _where_q_is
        fit = _Moments(y, v, used[rows], tau2[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(fit.q > target[rows], fit.q * (fit.q / target[rows] - 1) / fit.py_squared, 0.0)
        going = step > ROUNDING * tau2[rows]
        tau2[rows] += step
        rows = rows[going]
        if len(rows) == 0:
            return tau2
    raise ArithmeticError("Newton's steps to a value of Q did not settle")


def _subset_likelihood(y, v, used, restricted):
    """Return the highest points of the likelihoods, by a scan on one grid for all and a bracketed root for each."""

    def slope(tau2, rows):
        fit = _Moments(y, v, used[rows], tau2)
        return fit.py_squared - (fit.trace if restricted else fit.weight)

    grid = _scan_grid(v, np.max(_beyond_all_maxima(v.max(), _subset_rss(y, v, used), used.sum(axis=1) - 1)))
    slopes = _subset_slopes(y, v, used, grid, restricted)
    rows, places = np.nonzero((slopes[:, :-1] > 0) & (slopes[:, 1:] <= 0))
    roots = _roots(slope, grid[places], grid[places + 1], rows)
    at_zero = np.flatnonzero(slopes[:, 0] <= 0)
    rows, maxima = np.concatenate([at_zero, rows]), np.concatenate([np.zeros(len(at_zero)), roots])
    best = np.zeros(len(used))
    several = np.bincount(rows, minlength=len(used)) > 1
    alone = ~several[rows]
    best[rows[alone]] = maxima[alone]
    for row in np.flatnonzero(several):
        own = used[row]
        best[row] = max(
            maxima[rows == row],
            key=lambda tau2: log_likelihood(y[own], v[own], tau2, restricted=restricted),
        )
    return best


def _subset_slopes(y, v, used, grid, restricted):
    """Return twice the derivative of the likelihood, (m, grid), from sums that all subsets share."""
    W = 1 / (v + grid[:, None])
    member = used.T.astype(float)
    once = member * (y - y.mean())[:, None]
    twice = once * (y - y.mean())[:, None]
    S1 = W @ member
    mean = (W @ once) / S1
    np.square(W, out=W)
    S2 = W @ member
    py_squared = W @ twice - 2 * mean * (W @ once) + mean**2 * S2
    return (py_squared - (S1 - S2 / S1 if restricted else S1)).T


def _roots(function, low, high, *arguments):
    """Return the root of each bracket; where rounding leaves no change of sign, the end that is nearer to one."""
    if len(low) == 0:
        return low
    found = elementwise.find_root(
        function, (low, high), args=arguments, tolerances={"xatol": 0.0, "xrtol": 4e-16, "fatol": 0.0, "frtol": 0.0}
    )
    ends = [np.abs(function(end, *arguments)) for end in (low, high)]
    return np.where(np.isfinite(found.x), found.x, np.where(ends[0] < ends[1], low, high))


ESTIMATORS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "DL": _dersimonian_laird,
    "REML": _restricted_maximum_likelihood,
    "ML": _maximum_likelihood,
    "PM": _paule_mandel,
    "HE": _hedges,
    "SJ": _sidik_jonkman,
    "EB": _paule_mandel,
}

_SUBSET_ESTIMATORS = {
    "DL": _subset_dersimonian_laird,
    "REML": lambda y, v, used: _subset_likelihood(y, v, used, restricted=True),
    "ML": lambda y, v, used: _subset_likelihood(y, v, used, restricted=False),
    "PM": _subset_paule_mandel,
    "HE": _subset_hedges,
    "SJ": _subset_sidik_jonkman,
    "EB": _subset_paule_mandel,
}
