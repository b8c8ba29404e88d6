"""The arithmetic of an equilibrium: concentrations of all species from totals, at a fixed pH and activity.

Limits: arrays and numbers only; what they stand for lives in `speciation`. Complexes of one metal with one ligand and
its protons. Concentrations in M, log K in decades.

Method: with the pH fixed, a ligand's concentration follows from those of the free metals, so that only ln of these is
unknown. Their mass balances are the gradient of a convex function, which a damped Newton iteration minimises from any
totals.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Largest relative error of a mass balance that is accepted; the iteration aims ten times lower.
MASS_BALANCE = 1e-12
# Complexes beyond this exponent would overflow; they are 280 decades past anything measured.
LARGEST_LOG = 280.0


@dataclass(frozen=True)
class System:
    """Arrays over ligands (n), metals (m) and protons held (p): stepwise log K = a - b D; charges of every form."""

    ligand_a: np.ndarray
    ligand_b: np.ndarray
    metal_a: np.ndarray
    metal_b: np.ndarray
    form_charges: np.ndarray
    metal_charges: np.ndarray
    ligand_totals_m: np.ndarray
    metal_totals_m: np.ndarray

    @cached_property
    def charges(self) -> np.ndarray:
        """Return the charge of every species, in the order of `Equilibrated.concentrations`."""
        complexes = self.form_charges[:, None, :] + self.metal_charges[None, :, None]
        return np.concatenate([self.metal_charges, self.form_charges.ravel(), complexes.ravel()])


@dataclass(frozen=True)
class Equilibrated:
    """Concentrations in M: metals (m), protonated forms (n, p), complexes (n, m, p)."""

    metals: np.ndarray
    forms: np.ndarray
    complexes: np.ndarray

    @property
    def concentrations(self) -> np.ndarray:
        """Return all of them in one row."""
        return np.concatenate([self.metals, self.forms.ravel(), self.complexes.ravel()])


def equilibrate(
    system: System, ph: float, d: float, held_m: np.ndarray | None = None, added_m: np.ndarray | None = None
) -> Equilibrated:
    """Solve a system.

    Parameters
    ----------
    system : System
    ph : float
        An activity; the proton constants of the system are mixed.
    d : float
        D of the solution (`stability.log_activity`).
    held_m : ndarray (n,), optional
        The singly protonated form of a ligand where something outside holds it constant (CO2 under a gas), else NaN.
        The ligand's total then counts its other forms and complexes only; a total of NaN leaves it free to follow.
    added_m : ndarray (m,), optional
        What a titrant adds to the totals of the metals.

    Raises
    ------
    ArithmeticError
        When a mass balance stays above 1e-12 of its total.
    """
    protons = np.arange(system.ligand_a.shape[1])
    # Steps become cumulative constants: with a fixed pH they are relative amounts of the protonated forms.
    steps = system.ligand_a - system.ligand_b * d - np.where(protons > 0, ph, 0.0)
    forms = 10.0 ** np.minimum(np.cumsum(steps, axis=1), LARGEST_LOG)
    counted, fixed = forms, np.full(len(forms), np.nan)
    if held_m is not None:
        is_held = np.isfinite(held_m)
        follows = is_held & np.isnan(system.ligand_totals_m)
        fixed = np.where(follows, held_m / forms[:, 1], np.nan)
        counted = np.where(is_held[:, None] & (protons == 1), 0.0, forms)
    bound = 10.0 ** np.minimum(system.metal_a - system.metal_b * d, LARGEST_LOG) * forms[:, None, :]
    alpha = counted.sum(axis=1)
    affinity = bound.sum(axis=2)
    totals = system.metal_totals_m if added_m is None else system.metal_totals_m + added_m
    bare, metals = _solve(totals, system.ligand_totals_m, alpha, affinity, fixed)
    found = forms * bare[:, None]
    if held_m is not None:
        found = np.where(is_held[:, None] & (protons == 1), np.nan_to_num(held_m)[:, None], found)
    return Equilibrated(metals, found, bound * metals[None, :, None] * bare[:, None, None])


def _solve(totals, ligands, alpha, affinity, fixed) -> tuple[np.ndarray, np.ndarray]:
    """Return the bare ligands and the free metals; a ligand whose bare form is `fixed` only dilutes the metals."""
    free_to_move = np.isnan(fixed)
    diluted = 1 + np.nan_to_num(fixed) @ affinity
    apparent = affinity[free_to_move] / alpha[free_to_move, None]
    metals, there = np.zeros_like(totals), totals > 0
    found = free_metals(totals[there], ligands[free_to_move], (apparent / diluted)[:, there])
    metals[there] = found / diluted[there]
    bare = fixed.copy()
    bare[free_to_move] = ligands[free_to_move] / (alpha[free_to_move] * (1 + apparent @ metals))
    return bare, metals


def free_metals(totals_m, ligands_m, affinity) -> np.ndarray:
    """Return the free metals (m,) of totals (m,), ligand totals (n,) and apparent affinities (n, m) in 1/M.

    With u = ln(free / total), the mass balances free + bound - total are the gradient of the convex function
    sum(free) - sum(total u) + sum(ligand ln(1 + affinity free)). Newton's step is cut to what lowers it.

    Raises
    ------
    ArithmeticError
        When a mass balance stays above 1e-12 of its total.
    """
    if totals_m.size == 0:
        return totals_m
    lower = -np.log1p(ligands_m @ affinity)

    def objective(u):
        free = totals_m * np.exp(u)
        return np.sum(free) - totals_m @ u + ligands_m @ np.log1p(affinity @ free)

    u = lower
    for _ in range(300):
        free = totals_m * np.exp(u)
        load = affinity * free
        share = load / (1 + load.sum(axis=1, keepdims=True))
        held = ligands_m[:, None] * share
        balance = free + held.sum(axis=0) - totals_m
        if np.max(np.abs(balance) / totals_m) < 0.1 * MASS_BALANCE:
            break
        hessian = np.diag(free + held.sum(axis=0)) - share.T @ held
        step = np.linalg.solve(hessian / totals_m[:, None], -balance / totals_m)
        step = np.clip(step, -3, 3)
        # Near the minimum the objective is too flat for doubles to rank; there the full step converges anyway.
        if np.max(np.abs(step)) > 0.01:
            here, slope = objective(u), balance @ step
            while objective(u + step) > here + 1e-4 * slope and np.max(np.abs(step)) > 1e-3:
                step, slope = step / 2, slope / 2
        u = np.clip(u + step, lower, 0.0)
    if np.max(np.abs(balance) / totals_m) > MASS_BALANCE:
        raise ArithmeticError(f"mass balance is off by {np.max(np.abs(balance) / totals_m):.1e} of a total")
    return free
