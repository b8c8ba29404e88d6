"""What a gas above a solution holds in it.

Limits: CO2 by Henry's law, at 1 atm, without salting out; fractions are those of the dry gas. Constants with their
source: `constants/gas.yaml`.
"""

import math

from mgk.constants import ZERO_CELSIUS_K
from mgk.solutions.stability import gas_constants, van_t_hoff

MMHG_PER_ATM = 760.0


def water_vapour_mmhg(temperature_c: float) -> float:
    """Return the vapour pressure of water, mmHg (23.8 at 25 C, 47.1 at 37 C)."""
    a0, a1, a2, a3, a5 = gas_constants()["water_vapour"]
    kelvin = temperature_c + ZERO_CELSIUS_K
    return MMHG_PER_ATM * 10 ** -(a0 + a1 * kelvin + a2 / kelvin + a3 * math.log10(kelvin) + a5 * kelvin**2)


def co2_pressure_mmhg(fraction: float, temperature_c: float) -> float:
    """Return the partial pressure of CO2, mmHg, of a gas that is saturated with water vapour at 1 atm."""
    return fraction * (MMHG_PER_ATM - water_vapour_mmhg(temperature_c))


def dissolved_co2_mm(fraction: float, temperature_c: float) -> float:
    """Return the dissolved CO2 (with carbonic acid) under a gas, mM: Henry's law, van 't Hoff from 25 C."""
    gas = gas_constants()
    log_henry = gas["log_henry"] + van_t_hoff(gas["enthalpy_kcal_mol"], gas["temperature_c"], temperature_c)
    return 1e3 * 10**log_henry * co2_pressure_mmhg(fraction, temperature_c) / MMHG_PER_ATM
