"""Simulated test steps on whole cells, some of them damaged, for the membrane test and the verdict of quality.

What is put in stands in raw_data/truth.yaml, section recordings.test_steps; `cells` says what that made of each cell.
A cell is a capacitance with a membrane resistance behind an access resistance; the trace is computed at a multiple of
the sampling rate, filtered and thinned out, as an amplifier does, so that charge and delay are those of a real one.
Damaged cells: the access drifts up, the seal is lost, or the converter clips.

Equations are written out here, not imported from the analysis, so that an error there cannot hide itself.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from mgk.recordings.protocol import PRE_HOLD_DIVISOR, Epoch, Output
from mgk.simulate.abf import Signal, write_abf
from mgk.simulate.apparatus import COMMENT, amplified, value

CHANNEL = "Im"
EXPERIMENT = "test_steps"
# The circuit is computed so many times finer than it is sampled.
FINER = 8
DAMAGES = ("access_drift", "lost_seal", "clipped")


def write(truth: Mapping, raw_data: Path) -> pd.DataFrame:
    """Write raw_data/recordings/step_*.abf; return the rows of raw_data/recordings.csv."""
    put_in = truth["recordings"][EXPERIMENT]
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, cell in enumerate(cells(truth).itertuples()):
        row = {
            "recording_id": cell.cell_id,
            "file": f"recordings/{cell.cell_id}.abf",
            "experiment": EXPERIMENT,
            "cell_id": cell.cell_id,
            "animal_id": cell.animal_id,
            "condition": "test step",
            "configuration": "whole_cell",
            "temperature_c": value(put_in, "temperature_c"),
            "channel": CHANNEL,
        }
        trace = record(put_in, cell, np.random.default_rng([put_in["seed"], number]))
        full_scale_pa = value(put_in, "clipped_full_scale_pa" if cell.damage == "clipped" else "full_scale_pa")
        signal = Signal(CHANNEL, "pA", full_scale_pa, trace)
        write_abf(raw_data / row["file"], [signal], [output(put_in)], rate_hz=value(put_in, "rate_hz"), comment=COMMENT)
        rows.append(row)
    return pd.DataFrame(rows)


def cells(truth: Mapping) -> pd.DataFrame:
    """Return what was put into each cell: cell_id, animal_id, access_mohm, membrane_mohm, capacitance_pf, damage.

    Access and membrane resistance are those of the first sweep; `damage` is one of DAMAGES, or ''.
    """
    put_in = truth["recordings"][EXPERIMENT]
    rng = np.random.default_rng(put_in["seed"])
    rows = []
    for number in range(value(put_in, "animals") * value(put_in, "cells_per_animal")):
        spread = rng.normal(0, 1, 3)
        names = ("access_mohm", "membrane_mohm", "capacitance_pf")
        own = {
            name: value(put_in, name) * np.exp(value(put_in, f"{name}_sd_ln") * z)
            for name, z in zip(names, spread, strict=True)
        }
        cell_id = f"step_c{number + 1:02d}"
        damage = next((d for d in DAMAGES if cell_id in value(put_in, f"{d}_cells")), "")
        animal = f"step_a{number // value(put_in, 'cells_per_animal') + 1}"
        rows.append({"cell_id": cell_id, "animal_id": animal, **own, "damage": damage})
    return pd.DataFrame(rows)


def output(put_in: Mapping) -> Output:
    """Return the command: the holding potential, with a test step as epoch B."""
    total, start, stop = _samples(put_in)
    holding = float(value(put_in, "holding_mv"))
    before = Epoch(0, "step", holding, start - total // PRE_HOLD_DIVISOR)
    return Output("Cmd 0", "mV", holding, (before, Epoch(1, "step", holding + value(put_in, "step_mv"), stop - start)))


def record(put_in: Mapping, cell, rng) -> np.ndarray:
    """Return the recorded current in pA, shape (sweeps, samples)."""
    total, start, stop = _samples(put_in)
    sweeps = value(put_in, "sweeps")
    access, membrane = np.full(sweeps, cell.access_mohm), np.full(sweeps, cell.membrane_mohm)
    if cell.damage == "access_drift":
        access *= np.linspace(1, 1 + value(put_in, "access_drift"), sweeps)
    if cell.damage == "lost_seal":
        membrane[sweeps // 2 :] /= 1 + membrane[sweeps // 2 :] / value(put_in, "lost_seal_mohm")
    command = np.full(total * FINER, float(value(put_in, "holding_mv")))
    command[start * FINER : stop * FINER] += value(put_in, "step_mv")
    rate_hz = value(put_in, "rate_hz")
    fine = np.stack([_clamped_pa(command, *own, cell.capacitance_pf, rate_hz * FINER)
                     for own in zip(access, membrane, strict=True)])  # fmt: skip
    trace = amplified(fine, rate_hz * FINER, value(put_in, "filter_hz"))[:, ::FINER]
    noise = amplified(rng.normal(0, 1, trace.shape), rate_hz, value(put_in, "filter_hz"))
    return trace + noise * (value(put_in, "noise_sd_pa") / np.std(noise))


def _clamped_pa(command_mv, access_mohm: float, membrane_mohm: float, capacitance_pf: float, rate_hz: float):
    """Return the current through the access of a cell that has settled on the first command (mV / MOhm = nA)."""
    total = access_mohm + membrane_mohm
    tau_ms = capacitance_pf * access_mohm * membrane_mohm / total * 1e-3
    keep = np.exp(-1e3 / (rate_hz * tau_ms))
    settled = command_mv * membrane_mohm / total
    inside = lfilter([0, 1 - keep], [1, -keep], settled, zi=[settled[0]])[0]
    return 1e3 * (command_mv - inside) / access_mohm


def _samples(put_in: Mapping) -> tuple[int, int, int]:
    """Return samples of a sweep, and the first sample of the step and after it."""
    per_ms = value(put_in, "rate_hz") / 1000
    start_ms, stop_ms = value(put_in, "test_ms")
    return round(value(put_in, "sweep_ms") * per_ms), round(start_ms * per_ms), round(stop_ms * per_ms)
