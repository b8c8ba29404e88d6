"""The simulated NMDA receptor currents of the demonstration: the same cells in two salts of Mg2+, block from outside.

What is put in stands in raw_data/truth.yaml, section recordings.nmda_salts; `cells` says what that made of each cell.
A cell is recorded without either salt and at two totals of each, first one salt and then the other, in random order,
and once with the receptors shut (the leak recording). What the salts do was put in: block by free Mg2+ (Jahr & Stevens
1990), inhibition by free Zn2+, an agonist action of the anion. It meets what the analysis must meet: a conductance that
is no straight line, rundown and gain error of each recording, leak, series resistance, filter, noise and drift.

Equations are written out here, not imported from the analysis, so that an error there cannot hide itself.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.recordings.protocol import PRE_HOLD_DIVISOR, Epoch, Output
from mgk.simulate.abf import Signal, write_abf
from mgk.simulate.apparatus import COMMENT, amplified, transient, value
from mgk.solutions import solve_solution
from mgk.tables.yaml_file import load_yaml

EXPERIMENT, CHANNEL, FULL_SCALE_PA = "nmda_salts", "Im", 2000.0
SERIES_RESISTANCE_ITERATIONS = 50


def write(truth: Mapping, raw_data: Path) -> pd.DataFrame:
    """Write raw_data/recordings/nmda_*.abf; return the rows of raw_data/recordings.csv.

    Parameters
    ----------
    truth: the content of truth.yaml.
    raw_data: the folder with solutions.yaml; free Mg2+ and Zn2+ are solved from its recipes.
    """
    put_in = truth["recordings"][EXPERIMENT]
    recipes = load_yaml(raw_data / "solutions.yaml")[0]
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, cell in enumerate(cells(truth).itertuples()):
        leak_id = f"{cell.cell_id}_leak"
        for order, (salt, total) in enumerate(_solutions(put_in, number)):
            row = _row(put_in, cell, salt, total) | {"leak_recording_id": leak_id}
            free = solve_solution(recipes[row["bath_solution"]]).free_mm
            rng = np.random.default_rng([put_in["seed"], number, order])
            open_fraction = _of_salt(put_in, salt, total, free)
            _write_file(raw_data / row["file"], put_in, cell, open_fraction, order, rng)
            rows.append(row)
        leak = rows[-1] | {"recording_id": leak_id, "file": f"recordings/{leak_id}.abf"}
        rng = np.random.default_rng([put_in["seed"], number, len(rows)])
        _write_file(raw_data / leak["file"], put_in, cell, lambda k0_mm, membrane_mv: 0.0 * membrane_mv, 0, rng)
        rows.append(leak)
    return pd.DataFrame(rows)


def cells(truth: Mapping) -> pd.DataFrame:
    """Return what was put into each cell.

    Returns
    -------
    DataFrame with a row per cell: cell_id, animal_id, k0_mm, conductance_ns (of unblocked receptors), leak_ns.
    """
    put_in = truth["recordings"][EXPERIMENT]
    rng = np.random.default_rng(put_in["seed"])
    rows = []
    for animal in range(value(put_in, "animals")):
        of_animal = rng.normal(0, [value(put_in, "animal_sd_ln_k0"), value(put_in, "animal_cv_conductance")])
        for _ in range(value(put_in, "cells_per_animal")):
            spread = [value(put_in, name) for name in ("cell_sd_ln_k0", "cell_cv_conductance", "leak_sd_ln")]
            ln_k0, ln_conductance, ln_leak = rng.normal(0, spread)
            rows.append({
                "cell_id": f"nmda_c{len(rows) + 1:02d}",
                "animal_id": f"nmda_a{animal + 1}",
                "k0_mm": value(put_in, "k0_mm") * np.exp(of_animal[0] + ln_k0),
                "conductance_ns": value(put_in, "conductance_ns") * np.exp(of_animal[1] + ln_conductance),
                "leak_ns": value(put_in, "leak_conductance_ns") * np.exp(ln_leak),
            })  # fmt: skip
    return pd.DataFrame(rows)


def _solutions(put_in: Mapping, number: int) -> list[tuple[str, float]]:
    """Return salt and total in the order of a cell's recordings; each salt begins with the bath without either."""
    rng = np.random.default_rng([put_in["seed"], number, 99])
    salts = rng.permutation(list(put_in["conditions"]))
    return [(salt, total) for salt in salts for total in value(put_in, "magnesium_total_mm")]


def _bath(salt: str, total: float) -> str:
    return f"nmda_{salt.removeprefix('magnesium_')}_{total:g}".replace(".", "p") if total else "nmda_bath"


def _row(put_in: Mapping, cell, salt: str, total: float) -> dict:
    recording_id = f"{cell.cell_id}_{salt.removeprefix('magnesium_')}_{total:g}".replace(".", "p")
    return {
        "recording_id": recording_id,
        "file": f"recordings/{recording_id}.abf",
        "experiment": EXPERIMENT,
        "cell_id": cell.cell_id,
        "animal_id": cell.animal_id,
        "condition": salt,
        "ligand": "Mg",
        "ligand_total_mm": total,
        "ligand_side": "external",
        "configuration": "whole_cell",
        "pipette_solution": value(put_in, "pipette_solution"),
        "bath_solution": _bath(salt, total),
        "temperature_c": value(put_in, "temperature_c"),
        "channel": CHANNEL,
        "series_resistance_mohm": value(put_in, "series_resistance_mohm"),
        "pair_id": cell.cell_id,
        "exclude": "seal lost during the recording" if recording_id == value(put_in, "lost_recording") else "",
    }


# --- the stimulus -----------------------------------------------------------------------------------------------


def _samples(put_in: Mapping) -> tuple[int, int, int]:
    """Return samples of a sweep, and the first sample of the step and after it."""
    per_ms = value(put_in, "rate_hz") / 1000
    start_ms, stop_ms = value(put_in, "step_ms")
    return round(value(put_in, "sweep_ms") * per_ms), round(start_ms * per_ms), round(stop_ms * per_ms)


def _output(put_in: Mapping) -> Output:
    total, start, stop = _samples(put_in)
    levels, holding = value(put_in, "step_mv"), float(value(put_in, "holding_mv"))
    before = Epoch(0, "step", holding, start - total // PRE_HOLD_DIVISOR)
    step = Epoch(1, "step", float(levels[0]), stop - start, level_step=float(levels[1] - levels[0]))
    return Output("Cmd 0", "mV", holding, (before, step))


def _command_mv(put_in: Mapping) -> np.ndarray:
    total, start, stop = _samples(put_in)
    steps = np.asarray(value(put_in, "step_mv"), float)
    command = np.full((len(steps), total), float(value(put_in, "holding_mv")))
    command[:, start:stop] = steps[:, None]
    return command


# --- the membrane -----------------------------------------------------------------------------------------------


def _of_salt(put_in: Mapping, salt: str, total: float, free: Mapping):
    """Return what a solution makes of the unblocked conductance of a cell, as a function of K0 and potential."""
    own = put_in["conditions"][salt]
    agonist = value(own, f"gain_{total:g}_mm".replace(".", "p")) if total else 1.0
    zinc = 1 / (1 + free.get("Zn", 0.0) / value(put_in, "zinc_ic50_mm"))

    def fraction(k0_mm, membrane_mv):
        magnesium = free.get("Mg", 0.0) if total else 0.0
        return agonist * zinc / (1 + magnesium / k0_mm * np.exp(-value(put_in, "slope_per_mv") * membrane_mv))

    return fraction


def _current_pa(put_in: Mapping, cell, fraction, gain: float, command_mv: np.ndarray) -> np.ndarray:
    """Return the steady current, the membrane being off the command by what the series resistance takes of it."""
    mv_per_pa = value(put_in, "series_resistance_mohm") * 1e-3
    reversal_mv, bend_mv = value(put_in, "reversal_mv"), value(put_in, "bend_mv")
    membrane_mv = np.array(command_mv, float)
    for _ in range(SERIES_RESISTANCE_ITERATIONS):
        driving = membrane_mv - reversal_mv
        bent = driving * (1 + driving / bend_mv)
        current = gain * cell.conductance_ns * bent * fraction(cell.k0_mm, membrane_mv)
        current = current + cell.leak_ns * (membrane_mv - value(put_in, "leak_reversal_mv"))
        membrane_mv = command_mv - current * mv_per_pa
    return current


def _write_file(path: Path, put_in: Mapping, cell, fraction, order: int, rng) -> None:
    """Write a recording; `fraction` of K0 and potential is 0 where the receptors are shut; `order` counts from 0."""
    command = _command_mv(put_in)
    rate_hz, filter_hz = value(put_in, "rate_hz"), value(put_in, "filter_hz")
    gain = (1 - value(put_in, "rundown_per_recording")) ** order * (1 + rng.normal(0, value(put_in, "gain_error_cv")))
    current = _current_pa(put_in, cell, fraction, gain, command)
    if path.stem == value(put_in, "lost_recording"):
        current[len(current) // 3 :] += value(put_in, "lost_leak_ns") * command[len(current) // 3 :]
    current += transient(command, rate_hz, value(put_in, "transient_pa_per_mv"), value(put_in, "transient_tau_ms"))
    noise = amplified(rng.normal(0, 1, command.shape), rate_hz, filter_hz)
    noise *= value(put_in, "noise_sd_pa") / np.std(noise)
    drift = rng.normal(0, value(put_in, "baseline_drift_sd_pa")) * np.linspace(0, 1, len(command))
    signal = Signal(CHANNEL, "pA", FULL_SCALE_PA, amplified(current, rate_hz, filter_hz) + drift[:, None] + noise)
    write_abf(path, [signal], [_output(put_in)], rate_hz=rate_hz, comment=COMMENT)
