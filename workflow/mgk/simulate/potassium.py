"""The simulated K+ current of the demonstration: whole cells, activation and inactivation, two bath solutions.

What is put in stands in raw_data/truth.yaml: the cells and the apparatus in recordings.kv_activation, the inactivation
and its protocol in recordings.kv_inactivation; `cells` says what that made of each cell in each condition. Each cell is
recorded in both baths, half of the cells in the second one first. Current: Gmax m h (V - E_K) with first-order gates.
Activation goes with a leak recording of the same cell and bath: steps at which the channels are shut.
It meets what the analysis must meet: a junction potential and a series resistance that nobody corrected, leak, rundown,
incomplete prepulses, inactivation during the activating step, capacitive transients, filter, noise, drift, and one
cell that is damaged.

Equations are written out here, not imported from the analysis, so that an error there cannot hide itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.constants import thermal_voltage_mv
from mgk.recordings.protocol import PRE_HOLD_DIVISOR, Epoch, Output
from mgk.simulate.abf import Signal, write_abf
from mgk.simulate.apparatus import COMMENT, amplified, transient, value

CHANNEL, FULL_SCALE_PA = "Im", 5000.0
EXPERIMENTS = ("kv_activation", "kv_inactivation")
LEAK = "leak"


def write(truth: Mapping, raw_data: Path) -> pd.DataFrame:
    """Write raw_data/recordings/kv_*.abf; return the rows of raw_data/recordings.csv.

    Parameters
    ----------
    truth: the content of truth.yaml.
    """
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    rows = []
    for protocol, experiment in enumerate(EXPERIMENTS):
        put_in = truth["recordings"]["kv_activation"] | truth["recordings"][experiment]
        for number, cell in enumerate(cells(truth).itertuples()):
            row, rng = _row(put_in, cell, experiment), np.random.default_rng([put_in["seed"], number])
            _write_file(raw_data / row["file"], put_in, cell, protocol, rng)
            rows.append(row)
            if experiment == "kv_activation":
                leak = _leak_row(row)
                rng = np.random.default_rng([put_in["seed"], number, 1])
                _write_file(raw_data / leak["file"], put_in | _of_leak(put_in), cell, protocol, rng)
                rows[-1:] = [row | {"leak_recording_id": leak["recording_id"]}, leak]
    return pd.DataFrame(rows)


def _write_file(path: Path, put_in: Mapping, cell, protocol: int, rng) -> None:
    output = _output(put_in)
    signal = Signal(CHANNEL, "pA", FULL_SCALE_PA, _record(put_in, cell, output, protocol, rng))
    write_abf(path, [signal], [output], rate_hz=value(put_in, "rate_hz"), comment=COMMENT)


def cells(truth: Mapping) -> pd.DataFrame:
    """Return what was put into each cell in each condition.

    Returns
    -------
    DataFrame with a row per cell and condition: cell_id, animal_id, condition, bath_solution, order (of the condition
    in the cell, from 0), gmax_ns, v_half_mv, k_mv, inactivation_v_half_mv, inactivation_k_mv, leak_ns,
    series_resistance_mohm, damaged.
    """
    put_in = truth["recordings"]["kv_activation"]
    inactivation = truth["recordings"]["kv_inactivation"]["conditions"]
    rng = np.random.default_rng(put_in["seed"])
    rows = []
    for number in range(value(put_in, "animals") * value(put_in, "cells_per_animal")):
        if number % value(put_in, "cells_per_animal") == 0:
            animal_mv = rng.normal(0, value(put_in, "animal_sd_v_half_mv"))
            animal_gain = rng.normal(0, value(put_in, "animal_sd_ln_gmax"))
        own_mv = animal_mv + rng.normal(0, value(put_in, "cell_sd_v_half_mv"))
        ln_gain = animal_gain + rng.normal(0, value(put_in, "cell_sd_ln_gmax"))
        slope = rng.normal(0, value(put_in, "cell_sd_k_mv"))
        ln_leak, ln_access = rng.normal(0, [value(put_in, "leak_sd_ln"), value(put_in, "series_resistance_sd_ln")])
        cell_id = f"kv_c{number + 1:02d}"
        damaged = cell_id == value(put_in, "damaged_cell")
        for place, (condition, own) in enumerate(put_in["conditions"].items()):
            answer_mv = rng.normal(0, value(put_in, "cell_sd_shift_mv")) if place else 0.0
            rows.append({
                "cell_id": cell_id,
                "animal_id": f"kv_a{number // value(put_in, 'cells_per_animal') + 1}",
                "condition": condition,
                "bath_solution": value(own, "bath_solution"),
                "order": (place + number) % 2,
                "gmax_ns": value(put_in, "gmax_ns") * np.exp(ln_gain),
                "v_half_mv": value(own, "v_half_mv") + own_mv + answer_mv,
                "k_mv": value(own, "k_mv") + slope,
                "inactivation_v_half_mv": value(inactivation[condition], "v_half_mv") + own_mv + answer_mv,
                "inactivation_k_mv": value(inactivation[condition], "k_mv"),
                "leak_ns": value(put_in, "damaged_leak_ns" if damaged else "leak_conductance_ns") * np.exp(ln_leak),
                "series_resistance_mohm": value(put_in, "series_resistance_mohm") * np.exp(ln_access),
                "damaged": damaged,
            })  # fmt: skip
    return pd.DataFrame(rows)


def _row(put_in: Mapping, cell, experiment: str) -> dict:
    recording_id = f"{cell.cell_id}_{cell.condition}_{experiment.removeprefix('kv_')}"
    return {
        "recording_id": recording_id,
        "file": f"recordings/{recording_id}.abf",
        "experiment": experiment,
        "cell_id": cell.cell_id,
        "animal_id": cell.animal_id,
        "condition": cell.condition,
        "configuration": "whole_cell",
        "pipette_solution": value(put_in, "pipette_solution"),
        "bath_solution": cell.bath_solution,
        "temperature_c": value(put_in, "temperature_c"),
        "channel": CHANNEL,
        "series_resistance_mohm": round(cell.series_resistance_mohm, 1),
        "compensation_percent": value(put_in, "compensation_percent"),
        "cell_capacitance_pf": value(put_in, "capacitance_pf"),
        "pair_id": cell.cell_id,
        "exclude": "damaged: the leak is larger than the cell's own current at rest" if cell.damaged else "",
    }


def _of_leak(put_in: Mapping) -> dict:
    """Return what a leak recording has in place of the values of the other recordings: those named `leak_...`."""
    return {name: put_in[f"leak_{name}"] for name in ("epoch_mv", "baseline_drift_sd_pa")}


def _leak_row(row: Mapping) -> dict:
    """Return the row of the leak recording that goes with a recording; it is its own leak recording."""
    recording_id = f"{row['cell_id']}_{row['condition']}_{LEAK}"
    own = {"recording_id": recording_id, "file": f"recordings/{recording_id}.abf", "leak_recording_id": recording_id}
    return {**row, **own}


# --- the stimulus -----------------------------------------------------------------------------------------------


def _output(put_in: Mapping) -> Output:
    """Return the command: holding, then the protocol's epochs, of which one goes through the levels."""
    per_ms = value(put_in, "rate_hz") / 1000
    levels, durations = value(put_in, "epoch_mv"), value(put_in, "epoch_ms")
    epochs = []
    for number, (level, duration) in enumerate(zip(levels, durations, strict=True)):
        stepped = isinstance(level, Sequence)
        samples = round(duration * per_ms) - (_samples(put_in) // PRE_HOLD_DIVISOR if number == 0 else 0)
        step = level[1] - level[0] if stepped else 0.0
        epochs.append(Epoch(number, "step", float(level[0] if stepped else level), samples, level_step=float(step)))
    return Output("Cmd 0", "mV", float(value(put_in, "holding_mv")), tuple(epochs))


def _samples(put_in: Mapping) -> int:
    return round(value(put_in, "sweep_ms") * value(put_in, "rate_hz") / 1000)


def _command_mv(put_in: Mapping) -> np.ndarray:
    """Return the command of each sweep, shape (sweeps, samples)."""
    per_ms = value(put_in, "rate_hz") / 1000
    stepped = next(level for level in value(put_in, "epoch_mv") if isinstance(level, Sequence))
    command = np.full((len(stepped), _samples(put_in)), float(value(put_in, "holding_mv")))
    ends = np.cumsum(value(put_in, "epoch_ms"))
    for level, duration, end in zip(value(put_in, "epoch_mv"), value(put_in, "epoch_ms"), ends, strict=True):
        command[:, round((end - duration) * per_ms) : round(end * per_ms)] = np.reshape(level, (-1, 1))
    return command


# --- the membrane -----------------------------------------------------------------------------------------------


def activation_tau_ms(put_in: Mapping, membrane_mv):
    """Return the time constant of activation and deactivation, ms, a bell over the membrane potential."""
    width = (membrane_mv - value(put_in, "tau_peak_mv")) / value(put_in, "tau_width_mv")
    return value(put_in, "tau_least_ms") + value(put_in, "tau_bell_ms") / np.cosh(width)


def _membrane_pa(put_in: Mapping, cell, gain: float, command_mv: np.ndarray) -> np.ndarray:
    """Return the current of the cell, sample by sample, the gates following the true membrane potential.

    The membrane is off the command by the junction potential and by what the series resistance takes of the current of
    the sample before.
    """
    step_ms = 1000 / value(put_in, "rate_hz")
    access_gohm = cell.series_resistance_mohm * 1e-3 * (1 - value(put_in, "compensation_percent") / 100)
    ratio = value(put_in, "external_potassium_mm") / value(put_in, "internal_potassium_mm")
    reversal_mv = thermal_voltage_mv(value(put_in, "temperature_c")) * np.log(ratio)
    lasting = np.exp(-step_ms / value(put_in, "inactivation_tau_ms"))

    def open_gate(v):
        return 1 / (1 + np.exp((cell.v_half_mv - v) / cell.k_mv))

    def available(v):
        return 1 / (1 + np.exp((v - cell.inactivation_v_half_mv) / cell.inactivation_k_mv))

    membrane = command_mv - value(put_in, "junction_potential_mv")
    m, h = open_gate(membrane[:, 0]), available(membrane[:, 0])
    current = np.zeros_like(command_mv)
    for i in range(command_mv.shape[1]):
        v = membrane[:, i] - access_gohm * current[:, max(i - 1, 0)]
        m = open_gate(v) + (m - open_gate(v)) * np.exp(-step_ms / activation_tau_ms(put_in, v))
        h = available(v) + (h - available(v)) * lasting
        leak = cell.leak_ns * (v - value(put_in, "leak_reversal_mv"))
        current[:, i] = gain * cell.gmax_ns * m * h * (v - reversal_mv) + leak
    return current


def _record(put_in: Mapping, cell, output: Output, protocol: int, rng) -> np.ndarray:
    """Return the recorded current, pA; both protocols are run in one bath before the next."""
    command = _command_mv(put_in)
    rate_hz, filter_hz = value(put_in, "rate_hz"), value(put_in, "filter_hz")
    gain = (1 - value(put_in, "rundown_per_recording")) ** (2 * cell.order + protocol)
    current = _membrane_pa(put_in, cell, gain, command)
    current += transient(command, rate_hz, value(put_in, "transient_pa_per_mv"), value(put_in, "transient_tau_ms"))
    noise = amplified(rng.normal(0, 1, command.shape), rate_hz, filter_hz)
    noise *= value(put_in, "noise_sd_pa") / np.std(noise)
    drift = rng.normal(0, value(put_in, "baseline_drift_sd_pa")) * np.linspace(0, 1, len(command))
    return amplified(current, rate_hz, filter_hz) + drift[:, None] + noise
