"""The models of generic curves: all of them lead from one end to another, and differ in how far they are at each x.

With g(x) the fraction of the way, 0 at x = 0 and 1 at infinite x,

    y = y0 (1 - g) + y_infinity g

where an end that a model does not have is zero. The ends enter linearly and are of either sign; the constants of g are
positive and enter as logarithms.

| model | g(x) | ends |
|---|---|---|
| michaelis_menten | x / (km + x) | vmax at infinity |
| hill, falling | x^n / (ic50^n + x^n) | top at zero |
| hill, rising | x^n / (ec50^n + x^n) | top at infinity |
| logistic4 | the same as hill | y0, y_infinity |
| hyperbola | x / (k + x) | y0, y_infinity |
| exponential | 1 - exp(-x / tau) | y0, y_infinity |
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mgk.tables.problems import InputError

# Names of a constant that is the x at which half of the way is gone, or of its kin.
HALVES = ("km", "ic50", "ec50", "k", "tau")
# A slope is sought within these; the constant this far (in ln) beyond the x that were used: a factor of 1000.
HILL_BOUNDS = (0.1, 20.0)
LN_BEYOND = float(np.log(1e3))
# Where a start is sought: constants over the range of x, slopes.
START_POSITIONS = 25
START_SLOPES = (0.7, 1.0, 1.5, 2.5, 5.0)


@dataclass(frozen=True)
class Model:
    """A model of `MODELS`, rising or falling.

    `ends` maps the name of each end to its place: 0 (x = 0) or 1 (infinite x). `half` names the constant on the scale
    of x; `sloped` says whether the slope n (`hill`) is a parameter. `log_x` is for showing.
    """

    name: str
    half: str
    ends: Mapping[str, int]
    sloped: bool
    log_x: bool
    falling: bool

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the positive constants, without the `ln_` under which they are fitted."""
        return (self.half, "hill") if self.sloped else (self.half,)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return (*self.ends, *self.constants)

    def unit(self, parameter: str, x_unit: str, y_unit: str) -> str:
        """Return the unit of a parameter."""
        return y_unit if parameter in self.ends else "1" if parameter == "hill" else x_unit

    def way(self, x, ln_half, ln_hill=0.0) -> np.ndarray:
        """Return g(x), the fraction of the way from x = 0 to infinity; x of any shape, from 0 upwards."""
        x = np.asarray(x, float)
        if self.name == "exponential":
            return -np.expm1(-x * np.exp(-ln_half))
        ln_x = np.log(np.where(x > 0, x, 1.0))
        return np.where(x > 0, 1 / (1 + np.exp(-np.exp(ln_hill) * (ln_x - ln_half))), 0.0)

    def basis(self, x, ln_half, ln_hill=0.0) -> np.ndarray:
        """Return what each end contributes, shape (n, ends)."""
        way = self.way(x, ln_half, ln_hill)
        return np.stack([way if place else 1 - way for place in self.ends.values()], axis=-1)

    def curve(self, x, **parameters) -> np.ndarray:
        """Return y at `x`; constants as `ln_ic50`, ends by name."""
        constants = [parameters[f"ln_{name}"] for name in self.constants]
        ends = [parameters[name] for name in self.ends]
        columns = np.moveaxis(self.basis(x, *constants), -1, 0)
        return columns[0] * ends[0] if len(ends) == 1 else columns[0] * ends[0] + columns[1] * ends[1]

    def shown(self, x, y, estimates: Mapping[str, float]) -> np.ndarray:
        """Return y as a fraction of a curve's own span: falling from 1, or rising from 0."""
        start, end = (next((estimates[n] for n, p in self.ends.items() if p == place), 0.0) for place in (0, 1))
        way = (np.asarray(y, float) - start) / (end - start)
        return 1 - way if self.falling else way

    def bounds(self, x) -> dict[str, tuple[float, float]]:
        """Return within which the constants are sought."""
        positive = np.asarray(x, float)[np.asarray(x) > 0]
        half = float(np.log(positive.min()) - LN_BEYOND), float(np.log(positive.max()) + LN_BEYOND)
        slope = {"ln_hill": tuple(np.log(HILL_BOUNDS))} if self.sloped else {}
        return {f"ln_{self.half}": half, **slope}

    def start(self, x, y, weights) -> dict[str, float]:
        """Return a first guess: the best of a grid of constants, the ends by linear least squares for each."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        positive = x[x > 0]
        spots = np.log(np.geomspace(positive.min() / 3, positive.max() * 3, START_POSITIONS))
        slopes = np.log(START_SLOPES) if self.sloped else (0.0,)
        best, found = np.inf, {}
        for ln_half in spots:
            for ln_hill in slopes:
                basis = self.basis(x, ln_half, ln_hill) * weights[:, None]
                ends = np.linalg.lstsq(basis, y * weights, rcond=None)[0]
                rss = float(np.sum((basis @ ends - y * weights) ** 2))
                if rss < best:
                    best = rss
                    found = dict(zip(self.ends, (float(e) for e in ends), strict=True))
                    found |= {f"ln_{self.half}": float(ln_half)}
                    found |= {"ln_hill": float(ln_hill)} if self.sloped else {}
        return found


def _models(falling: bool) -> dict[str, Model]:
    both, half = {"y0": 0, "y_infinity": 1}, "ic50" if falling else "ec50"
    found = (
        Model("michaelis_menten", "km", {"vmax": 1}, sloped=False, log_x=False, falling=False),
        Model("hill", half, {"top": 0 if falling else 1}, sloped=True, log_x=True, falling=falling),
        Model("logistic4", half, both, sloped=True, log_x=True, falling=falling),
        Model("hyperbola", "k", both, sloped=False, log_x=False, falling=falling),
        Model("exponential", "tau", both, sloped=False, log_x=False, falling=falling),
    )
    return {model.name: model for model in found}


MODELS = tuple(_models(falling=False))


def find_model(name: str, direction: str) -> Model:
    """Return a model by its name and direction (falling, rising).

    Raises
    ------
    InputError
        When there is no such model.
    """
    if name not in MODELS:
        raise InputError(f"model {name!r}: allowed: {', '.join(MODELS)}")
    return _models(direction == "falling")[name]
