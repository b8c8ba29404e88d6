"""The simulated stopped-flow shots of the experiment `stopped_flow`: fluorescence after mixing with Mg2+.

Two rates that saturate with free Mg2+, solved from the recipe after mixing. What the analysis must meet: a time base in
two parts, a mixing artefact within the dead time, bleaching that goes on with the lamp, lamp and offset that differ
from shot to shot, a slow wave of the lamp, noise, preparations that differ, and one shot with a bubble.

Equations are written out here, not imported from the analysis. Time in ms, rates in 1/s, signal in V.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.simulate.apparatus import COMMENT, value
from mgk.solutions import solve_solution
from mgk.tables.yaml_file import load_yaml
from mgk.whole_files import write_whole

EXPERIMENT = "stopped_flow"
DIGITS = 4


def write(truth: Mapping, raw_data: Path) -> pd.DataFrame:
    """Write a file of shots for each preparation and concentration; return their rows of recordings.csv.

    Parameters
    ----------
    truth: raw_data/truth.yaml; the section recordings.stopped_flow is used.
    raw_data: the folder with solutions.yaml; free Mg2+ is solved from its recipes.
    """
    put_in = truth["recordings"][EXPERIMENT]
    recipes = load_yaml(raw_data / "solutions.yaml")[0]
    (raw_data / "recordings").mkdir(parents=True, exist_ok=True)
    time_ms = _times_ms(put_in)
    rows = []
    for number in range(value(put_in, "animals")):
        rng = np.random.default_rng([put_in["seed"], number])
        differs = np.exp(rng.normal(0, value(put_in, "animal_sd_ln"), 3))
        for total in value(put_in, "magnesium_total_mm"):
            label = f"mg{total:g}".replace(".", "p")
            solution = f"stopped_flow_{label}"
            free = solve_solution(recipes[solution], constants=value(put_in, "solution_constants")).free_mm["Mg"]
            name = f"flow_p{number + 1:02d}_{label}"
            bubble = name == value(put_in, "bubble_recording")
            _write(raw_data / f"recordings/{name}.csv", time_ms, _shots(put_in, time_ms, free, differs, bubble, rng))
            rows.append({
                "recording_id": name, "file": f"recordings/{name}.csv", "experiment": EXPERIMENT,
                "cell_id": f"flow_p{number + 1:02d}", "animal_id": f"flow_a{number + 1}", "condition": "renal_enzyme",
                "ligand": "Mg", "ligand_total_mm": float(total), "bath_solution": solution,
                "temperature_c": recipes[solution]["temperature_c"],
            })  # fmt: skip
    return pd.DataFrame(rows)


def _times_ms(put_in: Mapping) -> np.ndarray:
    """Return the time base: dense at first, then wide."""
    parts, start = [], 0.0
    for step, n in zip(value(put_in, "step_ms"), value(put_in, "samples"), strict=True):
        parts.append(start + step * np.arange(1, n + 1))
        start = parts[-1][-1]
    return np.concatenate(parts)


def _shots(put_in: Mapping, time_ms: np.ndarray, free_mm: float, differs: np.ndarray, bubble: bool, rng) -> np.ndarray:
    """Return the shots of one concentration, shape (shots, samples)."""
    t = time_ms / 1000
    k_half = value(put_in, "k_half") * differs[2]
    share = free_mm / (k_half + free_mm)
    change = np.zeros_like(t)
    for phase, of_animal in zip(("fast", "slow"), differs[:2], strict=True):
        k0, saturating = value(put_in, f"k0_{phase}"), value(put_in, f"k_saturating_{phase}")
        rate = of_animal * (k0 + (saturating - k0) * share)
        change += value(put_in, f"amplitude_{phase}_v") * (1 - np.exp(-rate * t))
    fluorescence = (value(put_in, "start_v") + change) * np.exp(-value(put_in, "bleaching_per_s") * t)
    fluorescence += value(put_in, "mixing_v") * np.exp(-time_ms / value(put_in, "mixing_tau_ms"))
    n = value(put_in, "shots")
    gain = 1 + rng.normal(0, value(put_in, "lamp_cv"), (n, 1))
    phase = t / value(put_in, "lamp_wave_s") + rng.random((n, 1))
    wave = 1 + value(put_in, "lamp_wave_cv") * np.sin(2 * np.pi * phase)
    shots = gain * wave * fluorescence + rng.normal(0, value(put_in, "offset_sd_v"), (n, 1))
    shots += rng.normal(0, value(put_in, "noise_sd_v"), shots.shape)
    if bubble:
        first, last = value(put_in, "bubble_ms")
        shots[value(put_in, "bubble_shot") - 1, (time_ms >= first) & (time_ms < last)] += value(put_in, "bubble_v")
    return shots


def _write(path: Path, time_ms: np.ndarray, shots: np.ndarray) -> None:
    header = ",".join(["time_ms", *(f"fluorescence_v_{i + 1}" for i in range(len(shots)))])
    lines = [f"# {COMMENT}", header]
    lines += [",".join([f"{t:g}", *(f"{v:.{DIGITS}f}" for v in row)]) for t, row in zip(time_ms, shots.T, strict=True)]
    write_whole(path, "\n".join(lines) + "\n")
