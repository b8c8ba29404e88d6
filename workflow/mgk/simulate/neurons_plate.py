"""Simulated mag-fura-2 plate of the experiment `neurons`: two conditions over time, calibrated by a titration.

The standards are dye in a medium of the study to which Mg2+ is added; their free Mg2+ is solved from the recipe. What
the analysis must meet: loading that differs from well to well, autofluorescence of the cells and another background of
the medium, photon noise (Poisson), bleaching, pipetting errors of the standards, a gain at 380 nm in the outer wells,
free Mg2+ that falls in one condition, and a well that the reader missed.
Units: mM, counts of the reader, minutes.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mgk.plates.export import ROWS
from mgk.simulate.magnesium_plate import FILTERS, LARGEST_COUNT, dye_fluorescence
from mgk.simulate.plate_files import plain, write_gen5_kinetic, write_layout
from mgk.solutions import solve_solution
from mgk.tables.yaml_file import load_yaml

EXPERIMENT = "neurons"
MEDIUM = "magfura_medium"
SHORT = {"control": "c", "magnesium_free": "m"}
OUTER_ROWS, OUTER_COLUMNS = ("A", "H"), (1, 12)


def write(truth: dict, raw_data: Path) -> pd.DataFrame:
    """Write the plate's export and layout; return its row of plates.csv.

    Parameters
    ----------
    truth: raw_data/truth.yaml; the section plates.neurons is used.
    raw_data: the folder with solutions.yaml, to write plates/ and layouts/ into.
    """
    put_in = plain(truth["plates"][EXPERIMENT]) | {"recipe": load_yaml(raw_data / "solutions.yaml")[0][MEDIUM]}
    rng = np.random.default_rng(put_in["seed"])
    layout = _layout(put_in)
    counts = _counts(layout, put_in, rng)
    minutes = put_in["minutes"]
    reads = []
    for name, pair in FILTERS.items():
        late = put_in["minutes_between_reads"] if name == "380" else 0.0
        rows = []
        for time, values in zip(minutes, counts[name], strict=True):
            cells = {w: _text(v) for w, v in zip(layout["well"], values, strict=True)}
            rows.append((60 * (time + late), cells | {put_in["missed_well"]: "MISSED"}))
        reads.append((pair, rows))
    file, layout_file = f"plates/{EXPERIMENT}_run1.txt", f"layouts/{EXPERIMENT}_run1.csv"
    write_gen5_kinetic(raw_data / file, "magfura2", "11/26/2026", put_in["temperature_c"], reads)
    write_layout(layout, raw_data / layout_file)
    row = {
        "plate_id": f"{EXPERIMENT}_run1", "file": file, "plate_in_file": 1, "reader": "BioTek Gen5 txt, simulated",
        "experiment": EXPERIMENT, "assay": "mag-fura-2", "run_id": f"{EXPERIMENT}_run1", "layout": layout_file,
        "reads": "1=340;2=380", "temperature_c": put_in["temperature_c"],
    }  # fmt: skip
    return pd.DataFrame([row])


def _layout(put_in: dict) -> pd.DataFrame:
    """Backgrounds A-D and blanks E-H in column 1, standards in 2-4, an animal a row in 5-7 and 8-10 (conditions)."""
    rows = [{"well": f"{r}1", "role": "background"} for r in ROWS[:4]]
    rows += [{"well": f"{r}1", "role": "blank"} for r in ROWS[4:8]]
    places = [f"{r}{c}" for c in (2, 3, 4) for r in ROWS[:8]]
    totals = [1000 * mm for mm in put_in["standards_total_mm"]]
    rows += [
        {"well": well, "role": "standard", "standard_um": totals[i // 2], "replicate": i % 2 + 1}
        for i, well in enumerate(places[: 2 * len(totals)])
    ]
    for i, row in enumerate(ROWS[: put_in["animals"]], start=1):
        for condition, first in zip(put_in["conditions"], (5, 8), strict=True):
            culture = {"role": "sample", "sample_id": f"N{i:02d}-{SHORT[condition]}", "animal_id": f"N{i:02d}"}
            rows += [
                {"well": f"{row}{first + k}", **culture, "condition": condition, "replicate": k + 1} for k in range(3)
            ]
    return pd.DataFrame(rows)


def _counts(layout: pd.DataFrame, put_in: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what the reader counts at 340 and 380 nm, (times, wells of the layout)."""
    n, minutes = len(layout), np.array(put_in["minutes"], float)
    free = np.array([_free_mm(row, put_in, minutes) for row in _with_animals(layout, put_in, rng)])
    free *= np.exp(rng.normal(0, put_in["well_sd_ln_magnesium"], (n, 1)))
    role = layout["role"].to_numpy()
    loading = np.exp(rng.normal(0, put_in["loading_sd_ln"], n)) * np.isin(role, ("standard", "sample"))
    edge = layout["well"].str[0].isin(OUTER_ROWS) | layout["well"].str[1:].astype(int).isin(OUTER_COLUMNS)
    counts = {}
    for i, (name, dye) in enumerate(zip(FILTERS, dye_fluorescence(free, put_in), strict=True)):
        late = i * put_in["minutes_between_reads"]
        left = np.exp(-put_in["bleaching_per_min"] * (minutes + late))
        signal = put_in["f380_free_counts"] * loading[:, None] * dye * left
        if name == "380":
            signal = signal * (1 + put_in["edge_gain_380"] * edge.to_numpy())[:, None]
        medium = put_in["medium_counts"][f"at_{name}"]
        own = put_in["autofluorescence_counts"][f"at_{name}"] * np.isin(role, ("background", "sample"))
        counts[name] = rng.poisson(signal + medium + own[:, None]).T
    return counts


def _with_animals(layout: pd.DataFrame, put_in: dict, rng: np.random.Generator) -> list[dict]:
    """Return the rows with the factor of each animal, the same in both conditions, and of each standard's pipetting."""
    spread = {f"N{i:02d}": np.exp(rng.normal(0, put_in["animal_sd_ln"])) for i in range(1, put_in["animals"] + 1)}
    pipetted = np.exp(rng.normal(0, put_in["pipetting_sd_ln"], len(layout)))
    rows = layout.to_dict("records")
    return [row | {"factor": spread.get(row["animal_id"], p)} for row, p in zip(rows, pipetted, strict=True)]


def _free_mm(row: dict, put_in: dict, minutes: np.ndarray) -> np.ndarray:
    """Return free Mg2+ of a well at each time, in mM."""
    if row["role"] == "standard":
        total = row["factor"] * row["standard_um"] / 1000
        recipe = put_in["recipe"]
        solved = solve_solution({**recipe, "totals_mm": {**recipe["totals_mm"], "Mg": total}}, constants="webmaxc")
        return np.full(minutes.shape, float(solved.free_mm["Mg"]) if total else 0.0)
    if row["role"] != "sample":
        return np.zeros(minutes.shape)
    condition = put_in["conditions"][row["condition"]]
    if "free_magnesium_mm" in condition:
        return np.full(minutes.shape, row["factor"] * condition["free_magnesium_mm"])
    fall = condition["start_mm"] - condition["end_mm"]
    return row["factor"] * (condition["end_mm"] + fall * np.exp(-minutes / condition["tau_min"]))


def _text(count: int) -> str:
    return str(count) if count <= LARGEST_COUNT else "OVRFLW"
