"""Simulated plate of a protein assay (BCA): standards in duplicate and preparations in triplicate.

The absorbance bends as A = blank + highest x / (half + x), which is neither of the curves that the analysis may choose.
Units: ug of protein per well, ug/ul of a preparation, absorbance in AU.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mgk.plates.export import ROWS
from mgk.simulate.plate_files import write_bmg_mars, write_layout

REPLICATES = (4, 5, 6)


def preparation_ug_per_ul(preparations: list[str], put_in: dict) -> dict[str, float]:
    """Return the protein of each preparation in ug/ul, drawn from the seed of the truth."""
    drawn = np.random.default_rng(put_in["seed"]).normal(0, put_in["ug_per_ul_sd_ln"], len(preparations))
    return dict(zip(preparations, put_in["ug_per_ul"] * np.exp(drawn), strict=True))


def write_protein_plate(
    experiment: str, preparations: list[str], per_ul: dict[str, float], put_in: dict, raw_data: Path
) -> dict:
    """Write the export and the layout of the protein plate; return its row of plates.csv."""
    rows = []
    for row, ug in zip(ROWS, put_in["standards_ug"], strict=False):
        rows += [{"well": f"{row}{c}", "role": "standard", "protein_ug": float(ug), "replicate": c} for c in (1, 2)]
    for row, preparation in zip(ROWS, preparations, strict=False):
        animal = preparation.split("-")[0]
        who = {"role": "sample", "sample_id": animal, "animal_id": animal, "preparation_id": preparation}
        how = {"sample_ul": put_in["assay_sample_ul"], "dilution_factor": put_in["assay_dilution"]}
        rows += [{"well": f"{row}{c}", **who, **how, "replicate": k} for k, c in enumerate(REPLICATES, start=1)]
    layout = pd.DataFrame(rows)
    rng = np.random.default_rng([put_in["seed"], 1])
    of_sample = layout["preparation_id"].map(per_ul) * put_in["assay_sample_ul"] / put_in["assay_dilution"]
    ug = layout["protein_ug"].fillna(of_sample).to_numpy(float)
    colour = put_in["highest_au"] * ug / (put_in["half_ug"] + ug)
    colour = colour * np.exp(rng.normal(0, put_in["colour_sd_ln"], ug.size))
    read = put_in["blank_au"] + colour + rng.normal(0, put_in["reader_sd_au"], ug.size)
    cells = {w: f"{round(float(v), 3):g}" for w, v in zip(layout["well"], read, strict=True)}
    name = f"{experiment}_protein"
    row = {
        "plate_id": name,
        "file": f"plates/{name}.csv",
        "plate_in_file": 1,
        "reader": "BMG MARS csv, simulated",
        "experiment": experiment,
        "assay": "protein, BCA",
        "run_id": name,
        "layout": f"layouts/{name}.csv",
        "reads": f"1={put_in['wavelength_nm']}",
    }
    write_bmg_mars(raw_data / row["file"], "BCA protein", name, "22/11/2026", put_in["wavelength_nm"], cells)
    write_layout(layout, raw_data / row["layout"])
    return row
