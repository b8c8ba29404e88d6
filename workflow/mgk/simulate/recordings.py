"""The simulated recordings of the demonstration: inside-out patches with ROMK, blocked by internal Mg2+.

What is put in stands in raw_data/truth.yaml, section recordings.romk_block; `cells` says what that made of each patch.
Each patch is recorded once in each Mg2+ solution, the solutions in random order: steps of the membrane potential, the
pipette commanding its negative. The current is that of GHK, blocked by free Mg2+ (Woodhull 1973), and meets what the
analysis must meet: rundown and gain error of each recording, a leak, series resistance, slow onset, capacitive
transients, the amplifier's filter, noise, drift of the baseline, and one patch whose seal is lost.

Equations are written out here, not imported from the analysis, so that an error there cannot hide itself.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from mgk.constants import thermal_voltage_mv
from mgk.recordings.protocol import PRE_HOLD_DIVISOR, Epoch, Output
from mgk.simulate.abf import Signal, write_abf
from mgk.simulate.apparatus import COMMENT, amplified, transient, value
from mgk.solutions import solve_solution
from mgk.tables.yaml_file import load_yaml

CURRENT, VOLTAGE = "Ip", "Vp"
CURRENT_FULL_SCALE_PA, VOLTAGE_FULL_SCALE_MV = 5000.0, 250.0
SERIES_RESISTANCE_ITERATIONS = 50


def write(truth: Mapping, raw_data: Path) -> pd.DataFrame:
    """Write raw_data/recordings/*.abf; return the rows of raw_data/recordings.csv.

    Parameters
    ----------
    truth: the content of truth.yaml.
    raw_data: the folder with solutions.yaml; free Mg2+ is solved from its recipes.
    """
    put_in = truth["recordings"]["romk_block"]
    recipes = load_yaml(raw_data / "solutions.yaml")[0]
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, cell in enumerate(cells(truth).itertuples()):
        totals = value(put_in, "magnesium_total_mm")
        order = np.random.default_rng([put_in["seed"], number]).permutation(len(totals))
        for level, total in enumerate(totals):
            label = f"mg{total:g}".replace(".", "p")
            bath = f"romk_internal_{label}"
            free = solve_solution(recipes[bath], constants=value(put_in, "solution_constants")).free_mm["Mg"]
            row = _row(put_in, cell, label, total, bath)
            rng = np.random.default_rng([put_in["seed"], number, level])
            signals = _record(put_in, cell, free, int(order[level]), row["recording_id"], rng)
            write_abf(
                raw_data / row["file"],
                signals if row["voltage_channel"] else signals[:1],
                [_output(put_in)],
                rate_hz=value(put_in, "rate_hz"),
                comment=COMMENT,
            )
            rows.append(row)
    return pd.DataFrame(rows)


def cells(truth: Mapping) -> pd.DataFrame:
    """Return what was put into each patch.

    Returns
    -------
    DataFrame with a row per cell: cell_id, animal_id, condition, external_potassium_mm, pipette_solution, ki0_mm,
    z_delta, outward_current_pa (of the unblocked channels at +100 mV), leak_ns, voltage_recorded.
    """
    put_in = truth["recordings"]["romk_block"]
    rng = np.random.default_rng(put_in["seed"])
    rows, animal = [], 0
    for condition, own in put_in["conditions"].items():
        for animal_of_condition in range(value(put_in, "animals_per_condition")):
            animal += 1
            animal_ki = rng.normal(0, value(put_in, "animal_sd_ln_ki"))
            animal_conductance = rng.normal(0, value(put_in, "animal_cv_conductance"))
            for _ in range(value(put_in, "cells_per_animal")):
                ln_ki = animal_ki + rng.normal(0, value(put_in, "cell_sd_ln_ki"))
                ln_conductance = animal_conductance + rng.normal(0, value(put_in, "cell_cv_conductance"))
                ln_leak = rng.normal(0, value(put_in, "leak_sd_ln"))
                rows.append({
                    "cell_id": f"romk_c{len(rows) + 1:02d}",
                    "animal_id": f"romk_a{animal}",
                    "condition": condition,
                    "external_potassium_mm": value(own, "external_potassium_mm"),
                    "pipette_solution": value(own, "pipette_solution"),
                    "ki0_mm": value(own, "ki0_mm") * np.exp(ln_ki),
                    "z_delta": value(put_in, "z_delta"),
                    "outward_current_pa": value(put_in, "outward_current_pa") * np.exp(ln_conductance),
                    "leak_ns": value(put_in, "leak_conductance_ns") * np.exp(ln_leak),
                    "voltage_recorded": animal_of_condition < value(put_in, "animals_per_condition") - 1,
                })  # fmt: skip
    return pd.DataFrame(rows)


def _row(put_in: Mapping, cell, label: str, total: float, bath: str) -> dict:
    recording_id = f"{cell.cell_id}_{label}"
    return {
        "recording_id": recording_id,
        "file": f"recordings/{recording_id}.abf",
        "experiment": "romk_block",
        "cell_id": cell.cell_id,
        "animal_id": cell.animal_id,
        "condition": cell.condition,
        "ligand": "Mg",
        "ligand_total_mm": total,
        "ligand_side": "internal",
        "configuration": "inside_out",
        "pipette_solution": cell.pipette_solution,
        "bath_solution": bath,
        "temperature_c": value(put_in, "temperature_c"),
        "channel": CURRENT,
        "voltage_channel": VOLTAGE if cell.voltage_recorded else "",
        "exclude": "seal lost during the recording" if recording_id == value(put_in, "lost_recording") else "",
    }


# --- the stimulus -----------------------------------------------------------------------------------------------


def _samples(put_in: Mapping) -> tuple[int, int, int]:
    """Return samples of a sweep, and the first sample of the step and after it."""
    per_ms = value(put_in, "rate_hz") / 1000
    start_ms, stop_ms = value(put_in, "step_ms")
    return round(value(put_in, "sweep_ms") * per_ms), round(start_ms * per_ms), round(stop_ms * per_ms)


def _output(put_in: Mapping) -> Output:
    """Return the pipette's command: the negative of the membrane's steps."""
    total, start, stop = _samples(put_in)
    levels = [-v for v in value(put_in, "step_mv")]
    before = Epoch(0, "step", 0.0, start - total // PRE_HOLD_DIVISOR)
    step = Epoch(1, "step", levels[0], stop - start, level_step=levels[1] - levels[0])
    return Output("Cmd 0", "mV", 0.0, (before, step))


def _membrane_command_mv(put_in: Mapping) -> np.ndarray:
    total, start, stop = _samples(put_in)
    steps = np.asarray(value(put_in, "step_mv"), float)
    command = np.zeros((len(steps), total))
    command[:, start:stop] = steps[:, None]
    return command


# --- the membrane -----------------------------------------------------------------------------------------------


def _channel_pa(put_in: Mapping, cell, free_magnesium_mm: float, membrane_mv: np.ndarray) -> np.ndarray:
    """Return the steady current of the channels: GHK, scaled to the unblocked current at +100 mV, times Woodhull."""
    thermal_mv = thermal_voltage_mv(value(put_in, "temperature_c"))
    inside, outside = value(put_in, "internal_potassium_mm"), cell.external_potassium_mm

    def ghk(voltage_mv):
        # Near 0 mV both numerator and denominator vanish; a nanovolt away the quotient is good to 1e-9.
        reduced = np.where(np.abs(voltage_mv) < 1e-6, 1e-6, voltage_mv) / thermal_mv
        return reduced * (inside - outside * np.exp(-reduced)) / (1 - np.exp(-reduced))

    blocked_at_mm = cell.ki0_mm * np.exp(-cell.z_delta * membrane_mv / thermal_mv)
    control = cell.outward_current_pa * ghk(membrane_mv) / ghk(np.float64(100.0))
    return control / (1 + free_magnesium_mm / blocked_at_mm)


def _steady_pa(put_in: Mapping, cell, free_magnesium_mm: float, gain: float, leak_ns, command_mv) -> np.ndarray:
    """Return the current of the patch at a command, the membrane being off it by what the series resistance takes."""
    mv_per_pa = value(put_in, "series_resistance_mohm") * 1e-3
    membrane_mv = np.array(command_mv, float)
    for _ in range(SERIES_RESISTANCE_ITERATIONS):
        current = gain * _channel_pa(put_in, cell, free_magnesium_mm, membrane_mv)
        current = current + leak_ns * (membrane_mv - value(put_in, "leak_reversal_mv"))
        membrane_mv = command_mv - current * mv_per_pa
    return current


def _record(put_in: Mapping, cell, free_magnesium_mm: float, order: int, recording_id: str, rng) -> list[Signal]:
    """Return the channels of a recording; `order` counts the recordings of the patch from 0."""
    command = _membrane_command_mv(put_in)
    sweeps = np.arange(len(command))
    rundown = (1 - value(put_in, "rundown_per_recording")) ** order
    gain = rundown * (1 + rng.normal(0, value(put_in, "gain_error_cv")))
    leak_ns = np.full(len(command), cell.leak_ns)
    if recording_id == value(put_in, "lost_recording"):
        leak_ns[len(sweeps) // 3 :] += value(put_in, "lost_leak_ns")
    steady = _steady_pa(put_in, cell, free_magnesium_mm, gain, leak_ns[:, None], command)
    apparatus = value(put_in, "rate_hz"), value(put_in, "filter_hz")
    capacitive = transient(
        command, apparatus[0], value(put_in, "transient_pa_per_mv"), value(put_in, "transient_tau_ms")
    )
    membrane = amplified(_relaxed(put_in, steady) + capacitive, *apparatus)
    drift = rng.normal(0, value(put_in, "baseline_drift_sd_pa")) * sweeps / (len(sweeps) - 1)
    noise = amplified(rng.normal(0, 1, command.shape), *apparatus)
    noise *= value(put_in, "noise_sd_pa") / np.std(noise)
    voltage = rng.normal(0, value(put_in, "voltage_offset_sd_mv")) + amplified(-command, *apparatus)
    voltage += rng.normal(0, value(put_in, "voltage_noise_sd_mv"), command.shape)
    return [
        Signal(CURRENT, "pA", CURRENT_FULL_SCALE_PA, -membrane + drift[:, None] + noise),
        Signal(VOLTAGE, "mV", VOLTAGE_FULL_SCALE_MV, voltage),
    ]


# --- the apparatus ----------------------------------------------------------------------------------------------


def _relaxed(put_in: Mapping, steady: np.ndarray) -> np.ndarray:
    """Return the current as it follows a step, exponentially."""
    keep = np.exp(-1000 / (value(put_in, "rate_hz") * value(put_in, "onset_tau_ms")))
    return lfilter([1 - keep], [1, -keep], steady, axis=1, zi=keep * steady[:, :1])[0]
