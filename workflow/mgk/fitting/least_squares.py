"""The least-squares problem: residuals, their derivatives, and the ways to a minimum."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import qmc

from mgk.tables.problems import InputError

# With the 3-point rule and no `diff_step`, scipy steps by max(1, |x|): silently wrong for parameters far below 1.
DIFF_STEP = 6e-6
COMPLEX_STEP = 1e-25
GAUSS_NEWTON_STEPS = 8
# A step that lowers the rss by less than this fraction is the last.
GAUSS_NEWTON_GAIN = 1e-10


class Minimum(NamedTuple):
    """Where a search ended: the parameters, the derivatives of the residuals there, shape (n, p), and the rss."""

    theta: np.ndarray
    jacobian: np.ndarray
    rss: float


@dataclass(frozen=True)
class Problem:
    """What `fit_curve` was asked, checked: the arguments as arrays in the order of `names`; `weight` is 1/sd."""

    model: Callable
    x: object
    y: np.ndarray
    weight: np.ndarray
    names: tuple[str, ...]
    start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    eliminated: int
    differentiable: bool

    @classmethod
    def of(cls, model, x, y, start, sd, bounds, eliminated) -> "Problem":
        """Check what `fit_curve` was asked."""
        y = np.asarray(y, float)
        sd = np.ones_like(y) if sd is None else np.broadcast_to(np.asarray(sd, float), y.shape)
        names = tuple(start)
        bounds = dict(bounds or {})
        unknown = sorted(set(bounds) - set(names))
        if unknown:
            raise InputError(f"bounds name {', '.join(unknown)}, which the start does not: {', '.join(names)}")
        low, high = np.array([bounds.get(name, (-np.inf, np.inf)) for name in names], float).T
        first = np.array([start[name] for name in names], float)
        if y.ndim != 1 or not y.size or not np.isfinite(y).all():
            raise InputError(
                f"y has shape {y.shape}, {np.sum(~np.isfinite(y))} not finite; a list of numbers is needed"
            )
        if not np.isfinite(sd).all() or (sd <= 0).any():
            raise InputError("sd must be finite and above 0")
        outside = [n for n, v, a, b in zip(names, first, low, high, strict=True) if not a <= v <= b]
        if outside:
            raise InputError(f"start of {', '.join(outside)} is not a number within its bounds")
        problem = cls(model, x, y, 1 / sd, names, first, low, high, eliminated, differentiable=True)
        return problem if problem.own_jacobian else replace(problem, differentiable=problem._is_analytic(first))

    @property
    def own_jacobian(self) -> Callable | None:
        """The model's own derivative, where it has one."""
        return getattr(self.model, "jacobian", None)

    def curve(self, theta: np.ndarray) -> np.ndarray:
        """Return the curve, without a word where it overflows."""
        with np.errstate(all="ignore"):
            return np.asarray(self.model(self.x, **dict(zip(self.names, theta, strict=True))))

    def residual(self, theta: np.ndarray) -> np.ndarray:
        """Return the weighted residuals."""
        curve = self.curve(theta)
        if curve.shape != self.y.shape:
            raise InputError(f"the model returns shape {curve.shape} for y of shape {self.y.shape}")
        residual = (curve.astype(float) - self.y) * self.weight
        # What would overflow when squared is infinite; the trust region then shrinks.
        return np.where(np.abs(residual) < 1e150, residual, np.inf)

    def rss(self, theta: np.ndarray) -> float:
        """Return their sum of squares, infinite where one of them is."""
        residual = self.residual(theta)
        return float(residual @ residual) if np.isfinite(residual).all() else np.inf

    def _is_analytic(self, theta: np.ndarray) -> bool:
        """Tell whether the complex step gives the derivative: it fails for |x|, maxima and code that needs reals."""
        try:
            by_complex = self.jacobian(theta)
        except (TypeError, ValueError, ArithmeticError):
            return False
        if not (np.isfinite(by_complex).all() and np.isfinite(self.residual(theta)).all()):
            return False
        step = DIFF_STEP * np.where(theta == 0, 1, theta)
        by_difference = np.empty_like(by_complex)
        for i in range(theta.size):
            shift = step * (np.arange(theta.size) == i)
            by_difference[:, i] = (self.residual(theta + shift) - self.residual(theta - shift)) / (2 * step[i])
        rounding = 1e-9 * np.abs(self.residual(theta)).max() / np.abs(step)
        allowed = 1e-3 * (np.abs(by_difference).max(axis=0) + rounding)
        return bool((np.abs(by_complex - by_difference) <= allowed).all())

    def jacobian(self, theta: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
        """Return the derivatives of the residuals with respect to the parameters `free` (a mask; default all).

        They are the model's own, or by the complex step.
        """
        columns = np.arange(theta.size) if free is None else np.flatnonzero(free)
        if self.own_jacobian:
            with np.errstate(all="ignore"):
                own = self.own_jacobian(self.x, **dict(zip(self.names, theta, strict=True)))
            return own[:, columns] * self.weight[:, None]
        jacobian = np.empty((self.y.size, columns.size))
        for column, i in enumerate(columns):
            shifted = theta.astype(complex)
            shifted[i] += 1j * COMPLEX_STEP
            jacobian[:, column] = self.curve(shifted).imag / COMPLEX_STEP
        return jacobian * self.weight[:, None]

    def descend(self, start: np.ndarray, free: np.ndarray) -> np.ndarray | None:
        """Minimise over the parameters `free` from nearby by Gauss-Newton; None where it does not go straight down.

        From nearby, as along a profile, `solve` is several times slower.
        """
        if not (self.differentiable and free.any()):
            return None
        theta, residual = start, self.residual(start)
        for _ in range(GAUSS_NEWTON_STEPS):
            jacobian = self.jacobian(theta, free)
            if not (np.isfinite(jacobian).all() and np.isfinite(residual).all()):
                return None
            further = theta.copy()
            further[free] -= np.linalg.lstsq(jacobian, residual, rcond=None)[0]
            if ((further <= self.low) | (further >= self.high))[free].any():
                return None
            lower = self.residual(further)
            gain = 1 - (lower @ lower) / ((residual @ residual) or 1.0)
            theta, residual = further, lower
            if abs(gain) < GAUSS_NEWTON_GAIN:
                return theta
            if not gain > 0:
                return None
        return None

    def solve(self, start: np.ndarray, free: np.ndarray | None = None, tolerance=1e-15, evaluations=2000):
        """Minimise over the parameters `free` (a mask; default all), the others held; None where it cannot begin.

        Parameters are divided by their start and residuals by the size of the data, so that neither step nor criterion
        depends on the units.
        """
        if not np.isfinite(self.residual(start)).all():
            return None
        free = np.ones(start.size, bool) if free is None else free
        unit = np.where(self.start == 0, 1.0, np.abs(self.start))[free]
        size = np.linalg.norm(self.y * self.weight) or 1.0

        def whole(part):
            theta = start.astype(part.dtype)
            theta[free] = part * unit
            return theta

        jacobian = "3-point"
        if self.differentiable:

            def jacobian(part):
                return self.jacobian(whole(part), free) * unit / size

        low, high = self.low[free] / unit, self.high[free] / unit
        result = least_squares(
            lambda part: self.residual(whole(part)) / size,
            np.clip(start[free] / unit, np.nextafter(low, np.inf), np.nextafter(high, -np.inf)),
            jacobian,
            (low, high),
            method="trf",
            x_scale="jac",
            diff_step=None if self.differentiable else DIFF_STEP,
            ftol=tolerance,
            xtol=tolerance,
            gtol=tolerance,
            max_nfev=evaluations,
        )
        theta = whole(result.x)
        return Minimum(theta, result.jac * size / unit, self.rss(theta))

    def lowest_near(self, start: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Return the minimum over the parameters `free` near a start, or the start where nothing can be minimised."""
        found = self.descend(start, free)
        if found is not None or not free.any():
            return start if found is None else found
        minimum = self.solve(start, free, 1e-9, 100)
        return start if minimum is None else minimum.theta

    def best(self, starts: int, tolerance: float) -> "Minimum":
        """Return the lowest minimum that the starts lead to; a single good start may go there by Gauss-Newton."""
        if starts == 1:
            found = self.descend(self.start, np.ones(self.start.size, bool))
            if found is not None:
                return Minimum(found, self.jacobian(found), self.rss(found))
        first = self.solve(self.start, tolerance=tolerance)
        others = [self.solve(start, tolerance=1e-8, evaluations=200) for start in self._further_starts(starts)]
        others = [minimum for minimum in others if minimum is not None]
        lowest = min(others, key=lambda minimum: minimum.rss, default=None)
        if first is None and lowest is None:
            raise InputError(f"the model is not finite at the start {dict(zip(self.names, self.start, strict=True))}")
        # A further start replaces the given one only by a minimum that is lower beyond rounding.
        if first is None or (lowest is not None and lowest.rss < first.rss * (1 - 1e-9)):
            return self.solve(lowest.theta)
        return first

    def _further_starts(self, starts: int):
        """Yield starts around the first: each within a factor of 4, logarithms and zeros within 1.4 of it."""
        if starts == 1:
            return
        spread = 2 * qmc.Halton(self.start.size, scramble=False).random(starts)[1:] - 1
        additive = np.array([name.startswith("ln_") for name in self.names]) | (self.start == 0)
        for u in spread:
            yield np.clip(np.where(additive, self.start + np.log(4) * u, self.start * 4.0**u), self.low, self.high)
