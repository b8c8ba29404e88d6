"""What a low-pass filter does to openings: rise time, dead time, false events; all for a Gaussian filter.

The amplifier's Bessel filter of four or more poles is close to a Gaussian one of the same corner (-3 dB) frequency fc.
A Gaussian filter answers a step by the normal distribution function of SD sigma = sqrt(ln 2) / (2 pi fc), 0.1325/fc.
From this follow, exactly:

- rise time (the whole step at its steepest slope): sigma sqrt(2 pi) = 0.3321/fc; from 10 to 90 % it is 0.3396/fc;
- dead time of a threshold at half amplitude: a pulse of width w reaches erf(w / (2 sqrt 2 sigma)) of its height, which
  is one half at w = 0.1787/fc; what is shorter is missed;
- false events: noise crosses a threshold that lies a away upwards (Rice 1944) exp(-a^2 / 2 sd^2) / (2 pi sqrt 2 sigma)
  = 0.849 fc exp(-a^2 / 2 sd^2) times a second, for white noise behind the filter.

Derived here; the same numbers stand in Colquhoun and Sigworth (1995, in Single-Channel Recording; from memory, not
read). Limits: noise that is not white makes more or fewer false events.
"""

import math

import numpy as np
from scipy.special import erfinv

# SD of the impulse response, and what follows from it, times the corner frequency.
SIGMA_TIMES_FC = math.sqrt(math.log(2)) / (2 * math.pi)
RISE_TIMES_FC = SIGMA_TIMES_FC * math.sqrt(2 * math.pi)
DEAD_TIMES_FC = 2 * math.sqrt(2) * float(erfinv(0.5)) * SIGMA_TIMES_FC
FALSE_PER_FC = 1 / (2 * math.pi * math.sqrt(2) * SIGMA_TIMES_FC)


def rise_ms(filter_hz: float) -> float:
    """Return the rise time in ms of a filter with this corner frequency."""
    return 1e3 * RISE_TIMES_FC / filter_hz


def dead_time_ms(filter_hz: float) -> float:
    """Return the width in ms of the shortest pulse that reaches half its amplitude."""
    return 1e3 * DEAD_TIMES_FC / filter_hz


def combined_hz(*corners_hz: float) -> float:
    """Return the corner frequency of Gaussian filters in series: the squares of rise times add up."""
    return float(1 / np.sqrt(np.sum(1 / np.square(corners_hz))))


def false_events_per_s(threshold_pa: float, sd_pa: float, filter_hz: float) -> float:
    """Return how often noise alone crosses a threshold upwards, 1/s."""
    if not sd_pa > 0:
        return 0.0
    return FALSE_PER_FC * filter_hz * math.exp(-((threshold_pa / sd_pa) ** 2) / 2)
