"""Heterogeneity: the variance between studies (tau2), its interval, and I2 and H2.

What it is for: seven estimators of tau2 in the model y = X b + u + e with var(u) = tau2 and var(e) = `vi` known, the
Q-profile interval, and the weighted fit that they and pooling share. Every estimator is a closed form or a root between
proven bounds, so that none can stop early or come back with 0 by accident: 0 is returned only where the estimating
equation is not positive at 0 (or, for ML and REML, where the likelihood is highest there).

Vocabulary: k studies, p columns of the design (1, the intercept, unless moderators are given), tau2 in squared units of
the analysis scale, I2 in percent, Q the weighted sum of squared residuals at a given tau2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from mgk.tables.problems import InputError

SCAN = 120
"""Points at which the derivative of a likelihood is looked at; the roots between them are then refined."""


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
    lower, upper = stats.chi2.ppf([(1 - level) / 2, (1 + level) / 2], df)
    if weighted_fit(yi, vi, 0.0, X).q < lower:
        return np.nan, np.nan
    return _where_q_is(upper, yi, vi, X), _where_q_is(lower, yi, vi, X)


def typical_variance(vi: np.ndarray, design: np.ndarray | None = None) -> float:
    """Return the typical sampling variance (k - p) / tr(P) of Higgins and Thompson 2002, generalised to a design.

    I2 = 100 tau2 / (tau2 + typical variance), H2 = 1 + tau2 / typical variance.
    """
    fit = weighted_fit(np.zeros(len(vi)), vi, 0.0, design)
    return (len(vi) - len(fit.coefficients)) / fit.trace


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

    Q(tau2) is at most the unweighted residual sum of squares over (min(v) + tau2): beyond that sum over `target`, Q is
    below `target`, which closes the bracket.
    """

    def excess(tau2):
        return weighted_fit(y, v, tau2, X).q - target

    if excess(0.0) <= 0:
        return 0.0
    upper = 2 * weighted_fit(y, np.ones(len(y)), 0.0, X).q / target
    return float(optimize.brentq(excess, 0.0, upper, xtol=1e-300, rtol=1e-15, maxiter=2000))


def _highest(y: np.ndarray, v: np.ndarray, X: np.ndarray, restricted: bool) -> float:
    """Return the tau2 >= 0 where the (restricted) likelihood is highest, among 0 and all maxima that the scan finds.

    Twice the derivative is |Py|^2 - tr(P) (restricted) or |Py|^2 - tr(W). With a = 1 / (tau2 + min v) and
    b = 1 / (tau2 + max v), |Py|^2 <= a^2 RSS and both traces >= b (k - p), so that it is negative wherever
    tau2 >= 4 max(v) + 2 RSS / (k - p): no maximum lies beyond.
    """

    def slope(tau2):
        fit = weighted_fit(y, v, tau2, X)
        return fit.py_squared - (fit.trace if restricted else np.sum(1 / (v + tau2)))

    rss = weighted_fit(y, np.ones(len(y)), 0.0, X).q
    upper = 4 * v.max() + 2 * rss / (len(y) - X.shape[1])
    grid = np.concatenate([[0.0], np.geomspace(min(1e-3 * v.min(), 1e-6 * upper), upper, SCAN)])
    slopes = np.array([slope(t) for t in grid])
    maxima = [] if slopes[0] > 0 else [0.0]
    for i in np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0)):
        maxima.append(float(optimize.brentq(slope, grid[i], grid[i + 1], xtol=1e-300, rtol=1e-15, maxiter=2000)))
    return max(maxima, key=lambda tau2: log_likelihood(y, v, tau2, X, restricted=restricted))


ESTIMATORS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "DL": _dersimonian_laird,
    "REML": _restricted_maximum_likelihood,
    "ML": _maximum_likelihood,
    "PM": _paule_mandel,
    "HE": _hedges,
    "SJ": _sidik_jonkman,
    "EB": _paule_mandel,
}
