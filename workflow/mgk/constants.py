"""Physical constants, and the temperatures and energies made of them. Units end each name."""

# CODATA 2018; exact by the definition of the SI of 2019.
GAS_CONSTANT_J_PER_MOL_K = 8.31446261815324
FARADAY_C_PER_MOL = 96485.33212331001
ZERO_CELSIUS_K = 273.15
# Thermochemical calorie, exact by definition.
JOULE_PER_CALORIE = 4.184


def thermal_voltage_mv(temperature_c: float) -> float:
    """Return RT/F in mV at a temperature in C (25.69 mV at 25 C; never a constant)."""
    return 1e3 * GAS_CONSTANT_J_PER_MOL_K * (temperature_c + ZERO_CELSIUS_K) / FARADAY_C_PER_MOL
