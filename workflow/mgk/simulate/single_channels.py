"""The simulated single-channel recordings of the experiment `trpm_channels`: three constructs, patches at potentials.

Channels are Markov chains of two states, or of three with a second, long closed state, on a grid finer than the
samples; openings carry g (V - E). What the analysis must meet: patches that differ, one or two channels, a leak, a
baseline that drifts and wanders, noise that grows with openings, the amplifier's filter, artefacts where the potential
changes, one patch at a single potential and one whose noise hides its openings.

Patches of two constructs are inside-out and stepped by the protocol, a sweep a potential; those of the third are
cell-attached, gap-free, their potential set by hand and noted in segments.csv. Currents in pA, outward positive across
the membrane; what is written is current out of the pipette, which here is on the outside.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.recordings.protocol import Epoch, Output, UserList
from mgk.simulate.abf import Signal, write_abf
from mgk.simulate.apparatus import COMMENT, amplified, value

EXPERIMENT = "trpm_channels"
FINE = 4
FULL_SCALE_PA = 40.0
# A sweep begins at its holding level for a 64th of its samples.
PRE_HOLD = 64


def write(truth: Mapping, raw_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write a file for each patch; return their rows of recordings.csv and of segments.csv.

    Parameters
    ----------
    truth: raw_data/truth.yaml; the section recordings.trpm_channels is used.
    """
    put_in = truth["recordings"][EXPERIMENT]
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    rows, segments = [], []
    for place, construct in enumerate(put_in["conditions"]):
        own = put_in["conditions"][construct]
        short = construct.lower().replace("/", "")
        for patch in range(value(own, "patches")):
            rng = np.random.default_rng([put_in["seed"], place, patch])
            name = f"unit_{short}_p{patch + 1:02d}"
            one_potential = name == value(put_in, "one_potential_recording")
            potentials = value(put_in, "one_potential_mv") if one_potential else value(put_in, "potentials_mv")
            noise = "noisy_sd_pa" if name == value(put_in, "noisy_recording") else "noise_sd_pa"
            channels = 2 if patch + 1 in value(put_in, "two_channels") else 1
            current = _patch(put_in, own, potentials, channels, value(put_in, noise), rng)
            configuration = value(own, "configuration")
            resting = value(put_in, "resting_mv") if configuration == "cell_attached" else np.nan
            gap_free = configuration == "cell_attached"
            _write(raw_data / f"recordings/{name}.abf", put_in, current, potentials, gap_free)
            rows.append({
                "recording_id": name, "file": f"recordings/{name}.abf", "experiment": EXPERIMENT,
                "cell_id": f"{short}_p{patch + 1:02d}", "animal_id": f"{short}_culture{patch + 1}",
                "construct": construct, "configuration": configuration, "resting_mv": resting,
                "temperature_c": value(put_in, "temperature_c"),
            })  # fmt: skip
            if gap_free:
                segments += _segments(put_in, name, potentials, resting)
    return pd.DataFrame(rows), pd.DataFrame(segments)


def _patch(put_in: Mapping, own: Mapping, potentials, channels: int, noise_sd_pa: float, rng) -> np.ndarray:
    """Return the current across the membrane at each potential, shape (potentials, samples)."""
    rate, samples = value(put_in, "rate_hz"), value(put_in, "samples")
    n = samples * FINE
    ps = value(own, "slope_conductance") * np.exp(rng.normal(0, value(put_in, "patch_sd_ln")))
    leak_ns = value(put_in, "leak_ns")
    traces = []
    for mv in potentials:
        k = np.sum([_gate(own, n, rate * FINE, rng) for _ in range(channels)], axis=0)
        force = mv - value(put_in, "reversal")
        step = np.ones(n)
        step[: n // PRE_HOLD] = 0.0
        current = (ps / 1e3 * force * k + leak_ns * force) * step
        # A wander of the baseline, as of a seal that is not quite still, and a slow drift.
        t = np.arange(n) / n
        drift = value(put_in, "drift_pa") * rng.uniform(-1, 1) * t
        wander = np.interp(t, np.linspace(0, 1, 7), rng.normal(0, value(put_in, "wander_sd_pa"), 7))
        artefact = value(put_in, "artefact_pa") * np.sign(mv) * step
        tau = value(put_in, "artefact_tau_ms") * rate * FINE / 1e3
        artefact *= np.exp(-np.maximum(np.arange(n) - n // PRE_HOLD, 0) / tau)
        # Noise is that behind the filter; before it, it is larger.
        sd = np.hypot(noise_sd_pa, value(put_in, "open_noise_sd_pa") * np.sqrt(k))
        traces.append((current + drift + wander + artefact, sd))
    clean = np.stack([trace for trace, _ in traces])
    sd = np.stack([sd for _, sd in traces])
    filter_hz = value(put_in, "filter_hz")
    white = rng.normal(size=clean.shape)
    gain = 1 / np.std(amplified(white, rate * FINE, filter_hz))
    return amplified(clean + sd * gain * white, rate * FINE, filter_hz)[:, ::FINE]


def _gate(own: Mapping, n: int, rate_hz: float, rng) -> np.ndarray:
    """Return whether a channel is open at each of n samples; it starts closed."""
    mean_open, mean_closed = value(own, "open_ms"), value(own, "closed_ms")
    long_share, long_closed = value(own, "long_closed_share"), value(own, "long_closed_ms")
    cycle_ms = mean_open + mean_closed + long_share * long_closed
    events = int(3 * n / rate_hz * 1e3 / cycle_ms) + 50
    opened = rng.exponential(mean_open, events)
    # From the short closed state a channel opens, or goes to the long one and comes back through the short one.
    visits = rng.random(events) < long_share
    closed = rng.exponential(mean_closed, events) + visits * rng.exponential(long_closed, events)
    edges = np.cumsum(np.column_stack([closed, opened]).ravel()) * rate_hz / 1e3
    return (np.searchsorted(edges, np.arange(n), side="right") % 2).astype(float)


def _write(path: Path, put_in: Mapping, current: np.ndarray, potentials, gap_free: bool) -> None:
    """Write a patch whose pipette is outside: the current is turned, and so is the command."""
    recorded, rate = -current, value(put_in, "rate_hz")
    if gap_free:
        recorded, outputs = recorded.reshape(1, -1), [Output("Cmd 0", "mV", 0.0)]
    else:
        n = recorded.shape[1]
        steps = UserList(0, "level", tuple(-float(mv) for mv in potentials), False)
        outputs = [Output("Cmd 0", "mV", 0.0, (Epoch(0, "step", 0.0, n - n // PRE_HOLD),), user_list=steps)]
    write_abf(
        path, [Signal("Im", "pA", FULL_SCALE_PA, recorded)], outputs, rate_hz=rate, comment=COMMENT, gap_free=gap_free
    )


def _segments(put_in: Mapping, name: str, potentials, resting_mv: float) -> list[dict]:
    """Return the rows of segments.csv of a gap-free file; the command is that of the pipette, against the rest."""
    seconds = value(put_in, "samples") / value(put_in, "rate_hz")
    return [
        {
            "recording_id": name, "start_s": round(i * seconds, 6), "end_s": round((i + 1) * seconds, 6),
            "command_mv": resting_mv - mv,
        }
        for i, mv in enumerate(potentials)
    ]  # fmt: skip
