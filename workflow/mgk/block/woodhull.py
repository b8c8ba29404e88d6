"""The equation of Woodhull (1973) and its fit to the currents of one cell, with its control, by projection."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline

from mgk.constants import thermal_voltage_mv
from mgk.fitting import CurveFit, fit_curve
from mgk.tables import InputError

SIGN = {"internal": -1.0, "external": 1.0}
# Beyond these a parameter is anything: a fit that ends there is not identified.
STEEPEST = 10.0
FARTHEST_LN_KI = 20.0
EXIT_BOUNDS = {"ln_exit_ratio": (-10.0, 8.0), "z_delta_exit": (0.0, STEEPEST)}


@dataclass(frozen=True)
class BlockModel:
    """What is added to plain Woodhull block: a gain per solution, a blocker that permeates."""

    gain: bool = False
    permeant: bool = False

    def named(self, side: str) -> str:
        """Return the name of the model in tables."""
        return f"woodhull_{side}" + "_permeant" * self.permeant + "_gain" * self.gain


PLAIN = BlockModel()
MODELS = (PLAIN, BlockModel(gain=True), BlockModel(permeant=True), BlockModel(gain=True, permeant=True))


def blocking_constant_mm(
    membrane_mv, ki0_mm, z_delta, temperature_c, side: str, exit_ratio: float = 0.0, z_delta_exit: float = 0.0
):
    """Return Ki(V) in mM of a blocker on `side` (internal or external); with an exit ratio, of a permeant one.

    Raises
    ------
    InputError
        When the side is neither.
    """
    if side not in SIGN:
        raise InputError(f"side of the blocker: {side!r}; allowed: {', '.join(SIGN)}")
    driving = -SIGN[side] * np.asarray(membrane_mv) / thermal_voltage_mv(temperature_c)
    leaving = np.exp(-z_delta * driving) + exit_ratio * np.exp(z_delta_exit * driving)
    return ki0_mm * leaving / (1 + exit_ratio)


def unblocked_fraction(
    free_mm, membrane_mv, ki0_mm, z_delta, temperature_c, side: str, exit_ratio: float = 0.0, z_delta_exit: float = 0.0
):
    """Return I/I0 = 1 / (1 + c / Ki(V)) at a free concentration c in mM (Woodhull 1973)."""
    ki_mm = blocking_constant_mm(membrane_mv, ki0_mm, z_delta, temperature_c, side, exit_ratio, z_delta_exit)
    return 1 / (1 + free_mm / ki_mm)


def level_means(points: pd.DataFrame) -> np.ndarray:
    """Return the mean membrane potential of each level, mV, levels rising."""
    _, level = np.unique(points["level_mv"].to_numpy(), return_inverse=True)
    return np.bincount(level, points["membrane_mv"].to_numpy()) / np.bincount(level)


@dataclass(frozen=True)
class Woodhull:
    """The currents of one cell as a function of the block; the control follows from it by linear least squares.

    `basis` (points, levels) makes the control at each point of its values at the levels; `driving` is the potential
    that drives the blocker in, in units of RT/F; `solution` numbers the solutions, which `solutions` names, that of the
    control first; `at_levels` tells that no point lies beside its level, which is quicker.
    """

    basis: np.ndarray
    at_levels: bool
    driving: np.ndarray
    free_mm: np.ndarray
    solution: np.ndarray
    solutions: tuple[str, ...]
    current_pa: np.ndarray

    @classmethod
    def of(cls, points: pd.DataFrame, side: str, at_mv: float) -> "Woodhull":
        """Take the points of one cell, as `fit_woodhull` does."""
        if points["temperature_c"].isna().any():
            missing = points.loc[points["temperature_c"].isna(), "recording_id"].iloc[0]
            raise InputError(f"raw_data/recordings.csv, {missing}, temperature_c: empty: RT/F of the fit needs it, C")
        names = ("membrane_mv", "temperature_c", "ligand_free_mm", "current_pa")
        potential, temperature, free_mm, current = (points[name].to_numpy(float) for name in names)
        nodes = level_means(points)
        level = np.unique(points["level_mv"].to_numpy(), return_inverse=True)[1]
        at_levels = bool((potential == nodes[level]).all())
        basis = np.eye(nodes.size)[level]
        if not at_levels:
            basis = make_interp_spline(nodes, np.eye(nodes.size), k=min(3, nodes.size - 1))(potential)
        driving = -SIGN[side] * (potential - at_mv) / thermal_voltage_mv(temperature)
        return cls(basis, at_levels, driving, free_mm, *_solutions(points), current)

    def ki_mm(self, ln_ki0, z_delta, ln_exit_ratio=None, z_delta_exit=None, **_) -> np.ndarray:
        """Return Ki(V) at each point."""
        leaving = np.exp(-z_delta * self.driving)
        if ln_exit_ratio is not None:
            ratio = np.exp(ln_exit_ratio)
            leaving = (leaving + ratio * np.exp(z_delta_exit * self.driving)) / (1 + ratio)
        return np.exp(ln_ki0) * leaving

    def scale(self, **parameters) -> np.ndarray:
        """Return what is left of the control at each point: the unblocked fraction times the gain of its solution."""
        scale = 1 / (1 + self.free_mm / self.ki_mm(**parameters))
        ln_gain = [value for name, value in parameters.items() if name.startswith("ln_gain_")]
        return scale * np.exp(np.array([0.0, *ln_gain]))[self.solution] if ln_gain else scale

    def control_pa(self, **parameters) -> np.ndarray:
        """Return the control at each level that fits the currents best."""
        return self._control(self.scale(**parameters))

    def _control(self, scale: np.ndarray) -> np.ndarray:
        return self._solved(scale, (scale * self.current_pa) @ self.basis)

    def _solved(self, scale: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the solution of the normal equations of the control, for each row of their right side."""
        # Transposed, not adjoint: the complex step needs an analytic function.
        if self.at_levels:
            return right / (scale**2 @ self.basis)
        design = self.basis * scale[..., None]
        return np.linalg.solve(np.swapaxes(design, -1, -2) @ design, right[..., None])[..., 0]

    def __call__(self, _, **parameters) -> np.ndarray:
        """Return the currents at each point, in pA."""
        scale = self.scale(**parameters)
        return scale * (self._control(scale) @ self.basis.T)

    def jacobian(self, _, **parameters) -> np.ndarray:
        """Return the derivatives of the currents, the control following the block; shape (points, parameters)."""
        scale = self.scale(**parameters)
        control = self._control(scale) @ self.basis.T
        moved = scale * self._log_slopes(scale, **parameters)
        following = self._solved(scale, (moved * (self.current_pa - 2 * scale * control)) @ self.basis)
        return (moved * control + scale * (following @ self.basis.T)).T

    def _log_slopes(self, scale, ln_ki0, z_delta, ln_exit_ratio=None, z_delta_exit=None, **ln_gain) -> np.ndarray:
        """Return the derivatives of ln(scale), a row per parameter in the order of the names above."""
        blocked = 1 - 1 / (1 + self.free_mm / self.ki_mm(ln_ki0, z_delta, ln_exit_ratio, z_delta_exit))
        slopes = [np.ones_like(blocked), -self.driving]
        if ln_exit_ratio is not None:
            ratio = np.exp(ln_exit_ratio)
            leaving = 1 / (1 + np.exp(-z_delta * self.driving - ln_exit_ratio - z_delta_exit * self.driving))
            slopes[1] = -self.driving * (1 - leaving)
            slopes += [leaving - ratio / (1 + ratio), self.driving * leaving]
        gains = [self.solution == 1 + i for i in range(len(ln_gain))]
        return np.array([*(blocked * slope for slope in slopes), *gains], float)

    def first_guess(self, model: BlockModel) -> dict[str, float]:
        """Return the best of a grid that spans the concentrations and the usual steepness."""
        known = np.unique(self.free_mm[self.free_mm > 0])
        constants = np.log([known[0] / 3, *known, known[-1] * 3])
        guess = self._best(ln_ki0=constants, z_delta=(0.0, 0.5, 1.0, 2.0))
        if model.permeant:
            exits = {"ln_exit_ratio": (-5.0, -2.0), "z_delta_exit": (0.2, 1.0)}
            guess = self._best(**{name: [value] for name, value in guess.items()}, **exits)
        return guess

    def _best(self, **values) -> dict[str, float]:
        """Return the combination of values that fits best."""
        grid = [axis.reshape(-1, 1) for axis in np.meshgrid(*values.values(), indexing="ij")]
        curves = self(None, **dict(zip(values, grid, strict=True)))
        best = np.argmin(np.linalg.norm(self.current_pa - curves, axis=1))
        return {name: float(axis[best, 0]) for name, axis in zip(values, grid, strict=True)}


def _solutions(points: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the number of each point's solution and the names: of column `solution`, or of the free concentrations."""
    free_mm = points["ligand_free_mm"]
    if "solution" not in points:
        values, numbers = np.unique(free_mm.to_numpy(float), return_inverse=True)
        return numbers, tuple(f"{mm:.6g}_mm" for mm in values)
    names = tuple(free_mm.groupby(points["solution"]).mean().sort_values(kind="stable").index)
    return points["solution"].map({name: i for i, name in enumerate(names)}).to_numpy(), names


def fit_woodhull(
    points: pd.DataFrame, side: str, model: BlockModel = PLAIN, *, at_mv: float = 0.0, profile=None
) -> CurveFit:
    """Fit currents of one cell at all concentrations and potentials with its control.

    Parameters
    ----------
    points : DataFrame
        level_mv, membrane_mv, ligand_free_mm, current_pa, temperature_c; optional solution, where solutions differ in
        more than the blocker: its name takes the place of the concentration in the names of the gains.
    side : str
        Side of the blocker, internal or external.
    model : BlockModel
        What is added to plain block.
    at_mv : float
        The potential at which ln_ki0 (and ln_exit_ratio) is meant.
    profile : list of str, optional
        Parameters whose interval is profiled, by default those of the block and not the gains.

    Returns
    -------
    CurveFit
        Parameters ln_ki0 (Ki(0) in mM), z_delta, of a permeant blocker ln_exit_ratio and z_delta_exit, and with gains
        ln_gain_1_mm ... of the concentrations above the lowest. The control (pA), a value per level, is linear and
        eliminated by projection (Golub & Pereyra 1973); it counts in dof and AICc. Between levels, where a corrected
        membrane potential lies beside the mean of its level, it is the cubic spline through the levels.

    Raises
    ------
    InputError
        When a recording has no temperature.
    """
    return fit_model(Woodhull.of(points, side, at_mv), model, profile)


def fit_model(woodhull: Woodhull, model: BlockModel, profile=None, **how) -> CurveFit:
    """Fit a model of block; `how` is passed on to `fit_curve`."""
    start = woodhull.first_guess(model)
    reach = (start["ln_ki0"] - FARTHEST_LN_KI, start["ln_ki0"] + FARTHEST_LN_KI)
    bounds = {"ln_ki0": reach, "z_delta": (-STEEPEST, STEEPEST)} | (EXIT_BOUNDS if model.permeant else {})
    block = list(start)
    start |= {f"ln_gain_{name}": 0.0 for name in woodhull.solutions[1:]} if model.gain else {}
    return fit_curve(
        woodhull,
        None,
        woodhull.current_pa,
        start,
        bounds=bounds,
        profile=block if profile is None else profile,
        starts=1,
        eliminated=woodhull.basis.shape[1],
        **how,
    )
