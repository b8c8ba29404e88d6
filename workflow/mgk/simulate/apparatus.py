"""What all simulated recordings share: the amplifier's filter, its capacitive transients, and the word that it is so.

Limits: channels, cells and protocols are those of each simulated experiment.
"""

from collections.abc import Mapping

import numpy as np
from scipy.signal import bessel, lfilter, lfilter_zi

COMMENT = "SIMULATED by mgk.simulate, not measured; what was put in: raw_data/truth.yaml"
FILTER_ORDER = 4


def value(entries: Mapping, name: str):
    """Return the value of an entry of truth.yaml."""
    return entries[name]["value"]


def transient(command_mv: np.ndarray, rate_hz: float, pa_per_mv: float, tau_ms: float) -> np.ndarray:
    """Return what remains of the capacitive current after compensation, pA, shape of the command."""
    keep = np.exp(-1000 / (rate_hz * tau_ms))
    steps = np.diff(command_mv, axis=1, prepend=command_mv[:, :1])
    return lfilter([pa_per_mv], [1, -keep], steps, axis=1)


def amplified(trace: np.ndarray, rate_hz: float, filter_hz: float) -> np.ndarray:
    """Return a trace behind the amplifier's low-pass Bessel filter, which has settled on its first sample."""
    b, a = bessel(FILTER_ORDER, filter_hz, fs=rate_hz, norm="mag")
    return lfilter(b, a, trace, axis=1, zi=lfilter_zi(b, a)[None, :] * trace[:, :1])[0]
