"""The fit of a curve: the lowest of several minima, then intervals and verdict of each parameter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t

from mgk.fitting.estimates import VERDICTS, WEAK_FOLD, Estimate
from mgk.fitting.least_squares import Minimum, Problem
from mgk.tables.problems import InputError

# Two parameters correlated beyond this are determined only in combination.
HIGHEST_CORRELATION = 0.99
STARTS = 6
# How often the fit begins anew because a profile came upon a lower minimum.
DESCENTS = 10
# The profile is followed to this many standard errors, and to this fraction of the way there.
FARTHEST_SE = 1000.0
PROFILE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class CurveFit:
    """The result of `fit_curve`.

    `covariance` is Gauss-Newton, s^2 (J'J)^-1 with s^2 = rss/dof, in the order of `parameters`; `residuals` are
    y - fit, unweighted; `rss` is weighted when `sd` was given; `aicc` is NaN where the residuals are but rounding.
    `verdict` is the worst of the parameters'.
    """

    parameters: dict[str, Estimate]
    covariance: np.ndarray
    residuals: np.ndarray
    rss: float
    dof: int
    aicc: float
    verdict: str
    reason: str
    problem: "Problem" = field(repr=False)

    @property
    def estimates(self) -> dict[str, float]:
        """Estimates by name."""
        return {name: estimate.value for name, estimate in self.parameters.items()}

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the parameters, shape (p, p)."""
        return _correlation(self.covariance)

    def predict(self, x) -> np.ndarray:
        """Return the fitted curve at `x`."""
        return np.asarray(self.problem.model(x, **self.estimates))

    def profile(self, name: str, values) -> np.ndarray:
        """Return the profile of a parameter: F = (rss(profile) - rss) / s^2 at each of `values`, in rising order.

        The confidence interval holds the values at which F is at most the quantile of F(1, dof).
        """
        values = np.asarray(values, float)
        theta = np.array(list(self.estimates.values()))
        i = self.problem.names.index(name)
        free = np.arange(theta.size) != i
        found = np.empty(values.size)
        above = int(np.searchsorted(values, theta[i]))
        for outwards in (range(above, values.size), range(above - 1, -1, -1)):
            point = theta
            for j in outwards:
                point = np.where(free, point, values[j])
                point = self.problem.lowest_near(point, free)
                found[j] = (self.problem.rss(point) - self.rss) / (self.rss / self.dof)
        return found


def fit_curve(
    model: Callable,
    x,
    y,
    start: Mapping[str, float],
    *,
    sd=None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    level: float = 0.95,
    profile: Sequence[str] | None = None,
    starts: int = STARTS,
    eliminated: int = 0,
    tolerance: float = 1e-15,
) -> CurveFit:
    """Fit a model to points by least squares.

    Trust-region reflective, columns scaled by the Jacobian, tolerances 1e-15; the Jacobian by the complex step where
    the model allows it, else by the 3-point rule with a relative step of 6e-6. With these settings all 27 NIST StRD
    sets come out right from both of their starts. The lowest of several deterministic starts is kept.

    Parameters
    ----------
    model : callable
        Takes `x` as given and the parameters by name; returns an array of the shape of `y`. For the complex step it
        must accept a complex parameter and be analytic; this is tried and checked, and the 3-point rule used if not.
        A model with a method `jacobian`, called likewise, which returns the derivatives of shape (n, p) in the order of
        the parameters, is believed: this is several times quicker.
    x : array or tuple of arrays
        Passed on to the model as it is.
    y : array_like of shape (n,)
        What was observed.
    start : dict
        First guess by name; the names are the model's.
    sd : array_like of shape (n,), optional
        Standard deviations of `y`, known up to a common factor, which is estimated.
    bounds : dict, optional
        (low, high) by name; a parameter not named is unbounded.
    level : float
        Confidence level of the intervals.
    profile : list of str, optional
        Parameters whose interval is profiled, by default all. The others get estimate -+ t se.
    starts : int
        From how many points the minimum is sought, the given one among them; 1 where the start is known to be near.
    eliminated : int
        How many parameters the model itself fits to `y` for any value of the named ones (linear ones, by projection:
        Golub & Pereyra 1973). They count in `dof` and `aicc`.
    tolerance : float
        Relative change of rss and of parameters, at which the search ends. Looser where only rss and AICc are asked.

    Returns
    -------
    CurveFit
        Intervals are those of the profile likelihood with the variance estimated: the values at which
        (rss(profile) - rss) / s^2 reaches the quantile of F(1, dof), the square of t(dof). A limit is infinite where
        the profile stays open, and the bound where it is reached first.

    Raises
    ------
    InputError
        When data, start and bounds do not fit together, or the model is not finite at any start.
    """
    problem = Problem.of(model, x, y, start, sd, bounds, eliminated)
    unknown = sorted(set(profile or ()) - set(problem.names))
    if unknown:
        raise InputError(f"profile names {', '.join(unknown)}, which the start does not: {', '.join(problem.names)}")
    minimum = problem.best(starts, tolerance)
    for _ in range(DESCENTS):
        fit = _assess(problem, minimum, level, problem.names if profile is None else profile)
        if isinstance(fit, CurveFit):
            return fit
        minimum = problem.solve(fit)  # the profile came upon a lower minimum
    return _unsettled(_assess(problem, minimum, level, ()))


def _assess(problem: Problem, minimum: Minimum, level: float, profiled: Sequence[str]):
    """Return the CurveFit at a minimum, or a point below it that the profile came upon."""
    theta, jacobian, rss = minimum
    n, p = problem.y.size, theta.size + problem.eliminated
    dof = n - p
    scale = np.linalg.norm(jacobian, axis=0)
    exact = rss <= n * (1e-13 * np.abs(problem.y * problem.weight).max()) ** 2
    variance = rss / dof if dof > 0 else np.nan
    inverse = _inverse(jacobian, scale)
    covariance = variance * inverse
    se = np.sqrt(np.diag(covariance))
    quantile = t.ppf(0.5 + level / 2, dof) if dof > 0 else np.nan
    intervals = np.column_stack([theta - quantile * se, theta + quantile * se])
    if np.isfinite(se).all() and not exact:
        for i in (i for i, name in enumerate(problem.names) if name in profiled):
            for side, sign in enumerate((-1, 1)):
                limit = _profile_limit(problem, theta, covariance, rss, variance, quantile, i, sign)
                if isinstance(limit, np.ndarray):
                    return limit
                intervals[i, side] = limit
    correlation = _correlation(inverse)
    parameters = {}
    for i, name in enumerate(problem.names):
        verdict, reason = _judge(problem, theta, dof, scale, correlation, intervals[i], i)
        parameters[name] = Estimate(*(float(v) for v in (theta[i], se[i], *intervals[i])), verdict, reason)
    worst = max((e.verdict for e in parameters.values()), key=VERDICTS.index)
    return CurveFit(
        parameters=parameters,
        covariance=covariance,
        residuals=-problem.residual(theta) / problem.weight,
        rss=rss,
        dof=dof,
        aicc=np.nan if exact else _aicc(rss, n, p),
        verdict=worst,
        reason="; ".join(dict.fromkeys(e.reason for e in parameters.values() if e.reason)),
        problem=problem,
    )


def _unsettled(fit: CurveFit) -> CurveFit:
    verdict = {"verdict": "not_identified", "reason": "no lowest minimum: profiles keep finding lower ones"}
    parameters = {name: replace(estimate, **verdict) for name, estimate in fit.parameters.items()}
    return replace(fit, parameters=parameters, **verdict)


def _inverse(jacobian: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return (J'J)^-1 through the singular values of J with columns of unit length; NaN where it has none."""
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return np.full((scale.size, scale.size), np.nan)
    _, singular, vt = np.linalg.svd(jacobian / scale, full_matrices=False)
    if singular.size < scale.size or singular[-1] < 1e-10 * singular[0]:
        return np.full((scale.size, scale.size), np.nan)
    root = vt.T / singular
    return root @ root.T / np.outer(scale, scale)


def _correlation(covariance: np.ndarray) -> np.ndarray:
    root = np.sqrt(np.diag(covariance))
    with np.errstate(all="ignore"):
        return covariance / np.outer(root, root)


def _aicc(rss: float, n: int, p: int) -> float:
    """Akaike's criterion for small samples; the variance counts as a parameter."""
    k = p + 1
    if n - k - 1 <= 0:
        return np.nan
    return n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _profile_limit(problem, theta, covariance, rss, variance, quantile, i, sign):
    """Return the confidence limit of parameter `i` on one side, or a point of lower rss if there is one.

    The signed root tau = sqrt((rss(profile) - rss) / s^2) is nearly linear in the parameter; the limit is where it
    reaches the quantile. u counts the distance from the estimate in standard errors.
    """
    se = np.sqrt(covariance[i, i])
    tangent = sign * covariance[:, i] / se
    free = np.arange(theta.size) != i
    bound = problem.high[i] if sign > 0 else problem.low[i]
    farthest = min(FARTHEST_SE, abs(bound - theta[i]) / se)
    solved = {0.0: (0.0, theta)}

    def tau(u: float) -> float:
        if u not in solved:
            nearest = min(solved, key=lambda v: abs(v - u))
            at_hand = solved[nearest][1]
            linear = theta + u * tangent
            guesses = [np.clip(g, problem.low, problem.high) for g in (linear, at_hand + (u - nearest) * tangent)]
            guesses.append(np.where(free, at_hand, guesses[0]))
            point = min(guesses, key=problem.rss)
            point = problem.lowest_near(point, free)
            solved[u] = (min(np.sqrt(max(problem.rss(point) - rss, 0.0) / variance), 1e6), point)
        return solved[u][0]

    inside, u = 0.0, min(quantile, farthest)
    while tau(u) < quantile:
        if problem.rss(solved[u][1]) < rss * (1 - 1e-7):
            return solved[u][1]
        if u >= farthest:
            return float(bound) if farthest < FARTHEST_SE else sign * np.inf
        inside, u = u, min(farthest, u * np.clip(quantile / max(tau(u), 1e-12), 1.02, 4.0))
    limit = brentq(lambda v: tau(v) - quantile, inside, u, xtol=PROFILE_TOLERANCE * quantile, rtol=PROFILE_TOLERANCE)
    return float(theta[i] + sign * limit * se)


def _judge(problem, theta, dof, scale, correlation, interval, i) -> tuple[str, str]:
    """Return verdict and reason for parameter `i`."""
    name, low, high = problem.names[i], problem.low[i], problem.high[i]
    if dof <= 0:
        return "not_identified", f"{problem.y.size} points for {theta.size + problem.eliminated} parameters"
    if scale[i] == 0:
        return "not_identified", f"{name} has no effect on the curve"
    for bound in (low, high):
        if np.isfinite(bound) and abs(theta[i] - bound) <= 1e-6 * max(abs(bound), abs(theta[i]), min(high - low, 1.0)):
            return "not_identified", f"{name} is at its bound {bound:g}"
    if np.isnan(correlation).any():
        return "not_identified", "the parameters are determined only in combination"
    others = np.abs(np.delete(correlation[i], i))
    if others.size and others.max() > HIGHEST_CORRELATION:
        partner = np.delete(np.array(problem.names), i)[others.argmax()]
        return "not_identified", f"correlation of {' and '.join(sorted((name, str(partner))))} {others.max():.4f}"
    for side, limit, bound in (("below", interval[0], low), ("above", interval[1], high)):
        if np.isinf(limit) or (np.isfinite(bound) and limit == bound):
            return "not_identified", f"profile of {name} does not close {side}"
    fold = np.exp(min(np.abs(interval - theta[i]).max(), 700.0)) if name.startswith("ln_") else 1.0
    if fold > WEAK_FOLD:
        return "weak", f"a confidence limit of {name.removeprefix('ln_')} is {fold:.3g}-fold away"
    return "identified", ""
