"""The simulated current-clamp recordings of the experiment `firing`: steps of current into cells that fire.

A cell is one compartment with Na+, delayed rectifier, M and h conductances and a leak, driven by the step and by a
noise current; K+ conductances are partly blocked in the second condition. The same cells are recorded in both. What the
analysis must meet: a junction potential, an electrode that drifts, a bridge that is not balanced (one recording badly),
the amplifier's filter, noise, cells and animals that differ, a cell that fires at no step, and one recording whose rest
is lost. Nothing of this is an exponential or a threshold-linear line.

What is put in stands in raw_data/truth.yaml, section recordings.firing; equations are written out here, not imported
from the analysis. Units: mV, pA, pF, nS, ms; pA/pF is mV/ms. Limits: no dendrite; deterministic channels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from mgk.recordings.protocol import PRE_HOLD_DIVISOR, Epoch, Output
from mgk.simulate.abf import Signal, write_abf
from mgk.simulate.apparatus import COMMENT, amplified, value

EXPERIMENT = "firing"
CHANNEL, FULL_SCALE_MV = "Vm", 200.0
# The membrane is computed so many times finer than it is sampled.
FINER = 2
# Cells differ in these by factors.
SPREAD = ("capacitance_pf", "leak_ns", "sodium_ns", "potassium_ns", "m_ns", "h_ns")


def write(truth: Mapping, raw_data: Path) -> pd.DataFrame:
    """Write raw_data/recordings/firing_*.abf; return the rows of raw_data/recordings.csv."""
    put_in = truth["recordings"][EXPERIMENT]
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    made = recordings(truth)
    potentials = membrane_mv(put_in, made)
    rows = []
    for number, (recording, potential) in enumerate(zip(made.to_dict("records"), potentials, strict=True)):
        name = recording["recording_id"]
        trace = _record(put_in, recording, potential, np.random.default_rng([put_in["seed"], 1, number]))
        signal = Signal(CHANNEL, "mV", FULL_SCALE_MV, trace)
        path = raw_data / f"recordings/{name}.abf"
        write_abf(path, [signal], [_output(put_in)], rate_hz=value(put_in, "rate_hz"), comment=COMMENT)
        rows.append({
            "recording_id": name, "file": f"recordings/{name}.abf", "experiment": EXPERIMENT,
            "cell_id": recording["cell_id"], "animal_id": recording["animal_id"], "condition": recording["condition"],
            "configuration": "whole_cell", "pipette_solution": value(put_in, "pipette_solution"),
            "bath_solution": value(put_in, "bath_solution"), "temperature_c": value(put_in, "temperature_c"),
            "channel": CHANNEL, "pair_id": recording["cell_id"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def recordings(truth: Mapping) -> pd.DataFrame:
    """Return what was put into each recording: ids, condition, conductances in nS, bridge_mohm, lost_mv, shift_mv.

    `lost_mv`: how far the reversal potential of the leak moves from the first to the last sweep.
    """
    put_in = truth["recordings"][EXPERIMENT]
    rng = np.random.default_rng([put_in["seed"], 0])
    rows = []
    for number in range(value(put_in, "animals") * value(put_in, "cells_per_animal")):
        if number % value(put_in, "cells_per_animal") == 0:
            animal = rng.normal(0, value(put_in, "animal_sd_ln"), len(SPREAD))
        spread = np.exp(animal + rng.normal(0, value(put_in, "cell_sd_ln"), len(SPREAD)))
        own = {name: value(put_in, name) * f for name, f in zip(SPREAD, spread, strict=True)}
        own["shift_mv"] = rng.normal(0, value(put_in, "cell_sd_shift_mv"))
        cell_id = f"firing_c{number + 1:02d}"
        if cell_id == value(put_in, "silent_cell"):
            own["sodium_ns"] *= value(put_in, "silent_sodium")
        ids = {"cell_id": cell_id, "animal_id": f"firing_a{number // value(put_in, 'cells_per_animal') + 1}"}
        for condition, of in put_in["conditions"].items():
            name = f"{cell_id}_{condition}"
            bridge = rng.normal(0, value(put_in, "bridge_sd_mohm"))
            if name == value(put_in, "unbalanced_recording"):
                bridge = value(put_in, "unbalanced_mohm")
            blocked = {k: own[k] * value(of, "open_potassium") for k in ("potassium_ns", "m_ns")}
            lost = value(put_in, "lost_mv") if name == value(put_in, "lost_recording") else 0.0
            rows.append({"recording_id": name, **ids, "condition": condition, **own, **blocked,
                         "bridge_mohm": bridge, "lost_mv": lost})  # fmt: skip
    return pd.DataFrame(rows)


def steps_pa(put_in: Mapping) -> np.ndarray:
    """Return the current of each sweep's step."""
    first, step, n = (value(put_in, name) for name in ("first_pa", "step_pa", "sweeps"))
    return first + step * np.arange(n, dtype=float)


def membrane_mv(put_in: Mapping, made: pd.DataFrame) -> np.ndarray:
    """Return the membrane potential, shape (recordings, sweeps, FINER times the samples), all computed at once."""
    rate_hz, total = value(put_in, "rate_hz") * FINER, _samples(put_in)[0] * FINER
    start, stop = (n * FINER for n in _samples(put_in)[1:])
    g = _Conductances(put_in, made)
    steps, shape = steps_pa(put_in), (len(made), value(put_in, "sweeps"))
    noise = np.stack([_noise_pa(put_in, number, shape[1], total, rate_hz) for number in range(len(made))])
    noise = np.ascontiguousarray(np.moveaxis(noise, -1, 0))
    v = g.rest()
    gates = [g.gate(name, v)[0] for name in _Conductances.GATES]
    found = np.empty((total, *shape))
    for i in range(total):
        injected = noise[i] + (steps if start <= i < stop else 0.0)
        for k, name in enumerate(_Conductances.GATES):
            settled, rate = g.gate(name, v)
            gates[k] += (settled - gates[k]) * -np.expm1(-rate * 1e3 / rate_hz)
        conductance, drive = g.total(gates)
        settled = (drive + injected) / conductance
        v = settled + (v - settled) * np.exp(-conductance / g.capacitance * 1e3 / rate_hz)
        found[i] = v
    return np.moveaxis(found, 0, -1)


def spike_counts(put_in: Mapping, potentials: np.ndarray) -> np.ndarray:
    """Return how often the membrane crosses -10 mV upwards within the step, shape (recordings, sweeps)."""
    start, stop = (n * FINER for n in _samples(put_in)[1:])
    above = potentials[..., start:stop] > -10
    return (above[..., 1:] & ~above[..., :-1]).sum(axis=-1)


def passive(put_in: Mapping, made: pd.DataFrame) -> pd.DataFrame:
    """Return resting_mv, input_mohm (from -40 to 0 pA) and tau_ms of each recording's first sweep, without noise.

    The time constant is that of the membrane at rest whose slow gates stand still, C over the conductance.
    """
    g = _Conductances(put_in, made)
    rest, hyperpolarised = g.rest(), g.rest(-40.0)
    conductance, _ = g.total([g.gate(name, rest)[0] for name in _Conductances.GATES])
    columns = (rest, 1e3 * (rest - hyperpolarised) / 40, g.capacitance / conductance)
    return pd.DataFrame({n: c[:, 0] for n, c in zip(("resting_mv", "input_mohm", "tau_ms"), columns, strict=True)})


class _Conductances:
    """The conductances of all recordings, arrays of shape (recordings, sweeps) or (recordings, 1)."""

    GATES = ("m", "h", "n", "p", "q")

    def __init__(self, put_in: Mapping, made: pd.DataFrame):
        column = {name: made[name].to_numpy(float)[:, None] for name in (*SPREAD, "shift_mv", "lost_mv")}
        self.own = column
        self.capacitance = column["capacitance_pf"]
        self.threshold = value(put_in, "traub_mv") + column["shift_mv"]
        self.m_tau_ms, self.h_tau_ms = value(put_in, "m_tau_max_ms"), value(put_in, "h_tau_ms")
        self.sodium, self.potassium = value(put_in, "sodium_mv"), value(put_in, "potassium_mv")
        self.h_reversal = value(put_in, "h_reversal_mv")
        sweeps = value(put_in, "sweeps")
        self.leak_mv = value(put_in, "leak_mv") + column["lost_mv"] * np.linspace(0, 1, sweeps)

    def gate(self, name: str, v):
        """Return the steady value of a gate and its rate in 1/ms (the forms of Traub and Miles, and of Pospischil)."""
        u = v - self.threshold
        if name == "p":
            rate = (3.3 * np.exp((v + 35) / 20) + np.exp(-(v + 35) / 20)) / self.m_tau_ms
            return 1 / (1 + np.exp(-(v + 35) / 10)), rate
        if name == "q":
            return 1 / (1 + np.exp((v + 80) / 10)), 1 / self.h_tau_ms
        if name == "m":
            a, b = 0.32 * _linoid(13 - u, 4), 0.28 * _linoid(u - 40, 5)
        elif name == "h":
            a, b = 0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))
        else:
            a, b = 0.032 * _linoid(15 - u, 5), 0.5 * np.exp((10 - u) / 40)
        return a / (a + b), a + b

    def total(self, gates) -> tuple[np.ndarray, np.ndarray]:
        """Return the conductance in nS and the sum of conductances times reversal potentials in pA."""
        m, h, n, p, q = gates
        sodium = self.own["sodium_ns"] * m**3 * h
        potassium = self.own["potassium_ns"] * n**4 + self.own["m_ns"] * p
        mixed, leak = self.own["h_ns"] * q, self.own["leak_ns"]
        drive = sodium * self.sodium + potassium * self.potassium + mixed * self.h_reversal + leak * self.leak_mv
        return sodium + potassium + mixed + leak, drive

    def rest(self, current_pa: float = 0.0) -> np.ndarray:
        """Return the potential at which no net current flows, by bisection between -120 and -45 mV."""
        low = np.full((len(self.capacitance), self.leak_mv.shape[1]), -120.0)
        high = np.full_like(low, -45.0)
        for _ in range(60):
            middle = (low + high) / 2
            conductance, drive = self.total([self.gate(name, middle)[0] for name in self.GATES])
            outward = conductance * middle - drive - current_pa > 0
            low, high = np.where(outward, low, middle), np.where(outward, middle, high)
        return (low + high) / 2


def _linoid(x, width: float):
    """Return x / (exp(x / width) - 1), which is the width at 0."""
    y = x / width
    near = np.abs(y) < 1e-6
    return width * np.where(near, 1 - y / 2, y / np.expm1(np.where(near, 1.0, y)))


def _noise_pa(put_in: Mapping, number: int, sweeps: int, samples: int, rate_hz: float) -> np.ndarray:
    """Return the noise current of a recording, shape (sweeps, samples), correlated in time."""
    rng = np.random.default_rng([put_in["seed"], 2, number])
    keep = np.exp(-1e3 / (rate_hz * value(put_in, "noise_tau_ms")))
    sd = value(put_in, "noise_sd_pa")
    return lfilter([sd * np.sqrt(1 - keep * keep)], [1, -keep], rng.normal(size=(sweeps, samples)), axis=1)


def _record(put_in: Mapping, recording: Mapping, potential: np.ndarray, rng) -> np.ndarray:
    """Return the recorded potential in mV, shape (sweeps, samples)."""
    rate_hz, filter_hz = value(put_in, "rate_hz") * FINER, value(put_in, "filter_hz")
    start, stop = (n * FINER for n in _samples(put_in)[1:])
    seen = potential + value(put_in, "junction_potential_mv")
    seen[:, start:stop] += 1e-3 * recording["bridge_mohm"] * steps_pa(put_in)[:, None]
    seen += rng.normal(0, value(put_in, "offset_sd_mv")) * np.linspace(0, 1, len(seen))[:, None]
    trace = amplified(seen, rate_hz, filter_hz)[:, ::FINER]
    noise = amplified(rng.normal(0, 1, trace.shape), rate_hz / FINER, filter_hz)
    return trace + noise * (value(put_in, "recorder_sd_mv") / np.std(noise))


def _output(put_in: Mapping) -> Output:
    """Return the command: no current, then the step as epoch B."""
    total, start, stop = _samples(put_in)
    before = Epoch(0, "step", 0.0, start - total // PRE_HOLD_DIVISOR)
    step = Epoch(1, "step", float(value(put_in, "first_pa")), stop - start, level_step=float(value(put_in, "step_pa")))
    return Output("Cmd 0", "pA", 0.0, (before, step))


def _samples(put_in: Mapping) -> tuple[int, int, int]:
    """Return samples of a sweep, and the first sample of the step and after it."""
    per_ms = value(put_in, "rate_hz") / 1000
    start_ms, stop_ms = value(put_in, "window_ms")
    return round(value(put_in, "sweep_ms") * per_ms), round(start_ms * per_ms), round(stop_ms * per_ms)
