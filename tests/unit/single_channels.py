"""Single channels for tests: gates of two states, a Gaussian filter, noise and drift, written as files of a patch."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from mgk.recordings.protocol import Epoch, Output, UserList
from mgk.simulate.abf import Signal, write_abf

RATE_HZ, FILTER_HZ = 5000.0, 1000.0
FINE = 8
POTENTIALS_MV = (-80.0, -40.0, 40.0, 60.0, 80.0)


def gate(rng, seconds: float, open_ms: float, closed_ms: float, fine: int = FINE) -> np.ndarray:
    """Return whether a two-state channel is open, on a grid `fine` times finer than the samples."""
    rate, n = RATE_HZ * fine / 1e3, int(seconds * RATE_HZ) * fine
    times = rng.exponential(np.tile([closed_ms, open_ms], int(seconds * 1e3 / min(open_ms, closed_ms)) + 10))
    edges = np.minimum((np.cumsum(times) * rate).astype(int), n)
    state = np.zeros(n + 1, int)
    np.add.at(state, edges[0::2], 1)
    np.add.at(state, edges[1::2], -1)
    return np.cumsum(state[:-1])


def trace(rng, amplitude_pa, *, seconds=2.0, open_ms=8.0, closed_ms=12.0, channels=1, noise_pa=0.3, drift_pa=0.0):
    """Return the filtered current in pA, and how many channels are open at each sample."""
    k = np.sum([gate(rng, seconds, open_ms, closed_ms) for _ in range(channels)], axis=0)
    sigma = np.sqrt(np.log(2)) / (2 * np.pi * FILTER_HZ) * RATE_HZ * FINE
    current = gaussian_filter1d(amplitude_pa * k.astype(float), sigma)[::FINE]
    noise = gaussian_filter1d(rng.normal(size=len(k)), sigma)[::FINE]
    t = np.arange(len(current)) / len(current)
    wander = drift_pa * (t + 0.5 * np.sin(9 * t))
    return current + noise_pa * noise / noise.std() + wander, k[::FINE]


def square(amplitude_pa: float, durations: tuple[int, ...], repeats: int, channels: int = 1):
    """Return a current without noise and filter: closed, open, closed ... for so many samples each."""
    k = np.tile(np.repeat(np.arange(len(durations)) % (channels + 1), durations), repeats)
    return amplitude_pa * k.astype(float), k


def write_patch(path, currents, potentials_mv=POTENTIALS_MV, full_scale=20.0):
    """Write an inside-out patch with a sweep for each membrane potential; currents are those across the membrane."""
    values = -np.asarray(currents)
    n = values.shape[1]
    commands = UserList(0, "level", tuple(-float(v) for v in potentials_mv), False)
    output = Output("Cmd 0", "mV", 0.0, (Epoch(0, "step", 0.0, n - n // 64 - 1),), user_list=commands)
    return write_abf(path, [Signal("Im", "pA", full_scale, values)], [output], rate_hz=RATE_HZ, comment="SIMULATED")


def row_of(name: str, **values) -> dict:
    """Return a row of recordings.csv."""
    row = {
        "recording_id": name, "file": f"{name}.abf", "experiment": "unitary", "cell_id": f"c_{name}",
        "animal_id": f"a_{name}", "condition": "", "construct": "TRPM7", "configuration": "inside_out",
        "temperature_c": 22.0, "exclude": "",
    }  # fmt: skip
    return row | values
