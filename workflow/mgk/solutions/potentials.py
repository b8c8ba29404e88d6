"""Equilibrium potentials and the constant-field equations, from free concentrations on both sides of a membrane.

Limits: concentrations in place of activities, which cancels where both sides have the same activity coefficient; no
junction potentials (`junction`), no gating, no pumps. Potentials are inside against outside, mV.
"""

import numpy as np

from mgk.constants import thermal_voltage_mv
from mgk.tables import InputError


def nernst_mv(z: int, outside_mm, inside_mm, temperature_c: float):
    """Return the equilibrium potential E = RT/(zF) ln(outside/inside) in mV, inside against outside.

    Concentrations stand for activities, which cancels where both sides have the same activity coefficient.

    Parameters
    ----------
    z : int
        Valence with its sign.
    outside_mm, inside_mm : float or ndarray
        Free concentrations, mM; broadcast against each other.

    Raises
    ------
    InputError
        When z is 0 or a concentration is not a positive number.
    """
    outside, inside = np.asarray(outside_mm, float), np.asarray(inside_mm, float)
    if z == 0:
        raise InputError("a Nernst potential needs an ion: z is 0")
    for side, value in (("outside_mm", outside), ("inside_mm", inside)):
        if not (np.all(np.isfinite(value)) and np.all(value > 0)):
            raise InputError(f"a Nernst potential needs a positive concentration on both sides: {side} is {value}")
    potential = thermal_voltage_mv(temperature_c) / z * np.log(outside / inside)
    return float(potential) if potential.ndim == 0 else potential


def ghk_reversal_mv(inside_mm, outside_mm, permeability, temperature_c: float, z=1) -> float:
    """Return the reversal potential of Goldman, Hodgkin and Katz for monovalent ions, mV.

    E = RT/F ln((sum P c_o of cations + sum P c_i of anions) / (sum P c_i of cations + sum P c_o of anions)).

    Parameters
    ----------
    inside_mm, outside_mm, permeability : array_like of shape (n_ions,)
        Free concentrations, and permeabilities relative to each other.
    z : int or array_like of shape (n_ions,)
        Valences, 1 or -1.

    Raises
    ------
    InputError
        When a valence is neither, a number is negative, or nothing that is permeant is on a side.
    """
    arrays = np.broadcast_arrays(*(np.asarray(x, float) for x in (inside_mm, outside_mm, permeability, z)))
    inside, outside, weights, valence = arrays
    if not np.all(np.isin(valence, (-1, 1))):
        raise InputError("the GHK voltage equation holds for valences 1 and -1 only")
    if not all(np.all(np.isfinite(x)) and np.all(x >= 0) for x in (inside, outside, weights)):
        raise InputError("the GHK voltage equation needs concentrations and permeabilities of at least 0")
    cation = valence > 0
    above = np.sum(weights * np.where(cation, outside, inside))
    below = np.sum(weights * np.where(cation, inside, outside))
    if not (above > 0 and below > 0):
        raise InputError("the GHK voltage equation needs a permeant ion in each direction")
    return float(thermal_voltage_mv(temperature_c) * np.log(above / below))


def ghk_current(membrane_mv, inside_mm, outside_mm, temperature_c: float, permeability_pa_per_mm=1.0, z: int = 1):
    """Return the Goldman-Hodgkin-Katz current of one ion, pA, outward positive.

    I = P z u (c_i - c_o exp(-u)) / (1 - exp(-u)) with u = zFV/RT (Goldman 1943; Hodgkin & Katz 1949). `P` stands for
    permeability times F, in pA per mM of either side; u = 0 is taken as the limit.
    """
    u = z * np.asarray(membrane_mv, float) / thermal_voltage_mv(temperature_c)
    return permeability_pa_per_mm * z * (inside_mm * _bernoulli(-u) - outside_mm * _bernoulli(u))


def _bernoulli(u: np.ndarray) -> np.ndarray:
    """Return u / (exp(u) - 1), 1 at u = 0."""
    zero = u == 0
    return np.where(zero, 1.0, u / np.where(zero, 1.0, np.expm1(u)))
