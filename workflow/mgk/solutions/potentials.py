"""Equilibrium potentials. Limits: one ion, concentrations in place of activities, no junction potentials."""

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
