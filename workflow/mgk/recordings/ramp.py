"""Current against potential of a ramp: the samples of a window in bins of the command.

Currents and commands are means of the samples in a bin, as recorded. The capacitive current of a ramp, C dV/dt, is in
them; it is taken off with the other corrections (`ramp_capacitance` of `mgk.recordings.corrections`), for which the
slope stands with each bin. Limits: one straight ramp a window; what the current lags behind the command (slow gates,
filter) is not corrected.
"""

import numpy as np

# A command farther than this share of its span from a straight line is no ramp (assumed, no source).
MOST_CURVED = 0.05
# A bin with fewer samples than this share of a usual one is the end of a ramp, and left out.
LEAST_SHARE = 0.5
FEWEST_BINS = 3


def ramp_bins(command_mv, current_pa, bin_mv: float, rate_hz: float) -> list[dict]:
    """Return a row for each bin: command_mv, current_pa, ramp_mv_per_ms, in the order of the command; [] for no ramp.

    Parameters
    ----------
    command_mv, current_pa : array_like of shape (n,)
        Command, recorded or decoded, and current in the window.
    bin_mv : float
        Width of the bins, which lie around its multiples.
    rate_hz : float
        Sampling rate.
    """
    command, current = np.asarray(command_mv, float), np.asarray(current_pa, float)
    ms = np.arange(command.size) * 1e3 / rate_hz
    if command.size < 2:
        return []
    slope, start = np.polyfit(ms, command, 1)
    span = abs(slope) * ms[-1]
    if span < FEWEST_BINS * bin_mv or np.abs(_smooth(command - start - slope * ms)).max() > MOST_CURVED * span:
        return []
    place = np.rint(command / bin_mv).astype(int)
    place -= place.min()
    counts = np.bincount(place)
    kept = counts >= LEAST_SHARE * np.median(counts[counts > 0])
    means = [np.bincount(place, weights=values)[kept] / counts[kept] for values in (command, current)]
    return [
        {"command_mv": float(v), "current_pa": float(i), "ramp_mv_per_ms": float(slope)}
        for v, i in zip(*means, strict=True)
    ]


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return the running mean over a fiftieth of the samples: a recorded voltage is noisy, and a ramp all the same."""
    width = max(len(values) // 50, 1)
    return np.convolve(values, np.full(width, 1 / width), "valid")
