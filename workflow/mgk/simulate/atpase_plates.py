"""Simulated phosphate plates of the experiment `microsomes`: ouabain-sensitive ATPase of two groups of animals.

Each plate holds a standard curve, non-enzymatic blanks, and the preparations of two animals, one of each group, over a
series of total Mg2+. Activity follows Michaelis and Menten in *free* Mg2+, which `mgk.solutions` solves from the
medium of solutions.yaml with the well's own totals of Mg and ATP. What the analysis must meet: an ouabain-resistant
part, Pi that arises without enzyme, variation between animals, days, wells and colour, an offset at the plate's edge,
protein that is not what the layout says of it and is measured on a plate of its own, a plate whose colour saturates,
one well above the range of the reader, one that was pipetted wrongly and one that was not read.
Units: activity in umol/mg/h, amounts in nmol per well, absorbance in AU, concentrations in mM.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mgk.plates.export import ROWS, well_position
from mgk.simulate.plate_files import plain, write_bmg_mars, write_layout
from mgk.simulate.protein_plate import preparation_ug_per_ul, write_protein_plate
from mgk.solutions import solve_solution
from mgk.tables.yaml_file import load_yaml

EXPERIMENT = "microsomes"
MEDIUM = "atpase_medium"
GROUPS = ("control", "low_magnesium_diet")
PLATES = 3
# Columns of the preparation of each group: total twice, ouabain twice.
TOTAL_COLUMNS = {"control": (4, 5), "low_magnesium_diet": (8, 9)}
OUABAIN_COLUMNS = {"control": (6, 7), "low_magnesium_diet": (10, 11)}


def write(truth: dict, raw_data: Path) -> pd.DataFrame:
    """Write the plates' exports and layouts; return their rows of plates.csv.

    Parameters
    ----------
    truth: raw_data/truth.yaml; the section plates.microsomes is used.
    raw_data: the folder that holds solutions.yaml and gets plates/ and layouts/.
    """
    put_in = plain(truth["plates"][EXPERIMENT])
    medium = load_yaml(raw_data / "solutions.yaml")[0][MEDIUM]
    totals = {*put_in["magnesium_total_mm"], put_in["qc_magnesium_mm"]}
    free = {mg: free_magnesium_mm(medium, mg, put_in["atp_mm"]) for mg in totals}
    rng = np.random.default_rng(put_in["seed"])
    animals = {group: np.exp(rng.normal(0, put_in["animal_sd_ln"], PLATES)) for group in GROUPS}
    preparations = [_preparation(group, plate) for plate in range(1, PLATES + 1) for group in GROUPS]
    per_ul = preparation_ug_per_ul(preparations, put_in["protein"])
    rows = [write_protein_plate(EXPERIMENT, preparations, per_ul, put_in["protein"], raw_data)]
    for plate in range(1, PLATES + 1):
        day = np.exp(rng.normal(0, put_in["day_sd_ln"]))
        relative = {_animal(group, plate): animals[group][plate - 1] * day for group in GROUPS}
        layout = _layout(plate, put_in)
        cells = _cells(layout["well"], _phosphate_nmol(layout, put_in, free, relative, per_ul, rng), plate, put_in, rng)
        if plate == put_in["overflow_plate"]:
            cells[put_in["overflow_well"]] = "overflow"
        if plate == put_in["unread_plate"]:
            cells[put_in["unread_well"]] = ""
        row = _row(plate, put_in["wavelength_nm"], medium["temperature_c"])
        date = f"{22 + plate}/11/2026"
        title = "Pi Fiske-SubbaRow"
        write_bmg_mars(raw_data / row["file"], title, row["plate_id"], date, put_in["wavelength_nm"], cells)
        write_layout(layout, raw_data / row["layout"])
        rows.append(row)
    return pd.DataFrame(rows)


def free_magnesium_mm(medium: dict, magnesium_mm: float, atp_mm: float) -> float:
    """Return free Mg2+ in mM of a medium with these totals of Mg and ATP in mM (constants: webmaxc)."""
    totals = {**medium["totals_mm"], "Mg": magnesium_mm, "ATP": atp_mm}
    return float(solve_solution({**medium, "totals_mm": totals}, constants="webmaxc").free_mm["Mg"])


def _row(plate: int, wavelength_nm: int, temperature_c: float) -> dict:
    name = f"{EXPERIMENT}_plate{plate}"
    return {
        "plate_id": name,
        "file": f"plates/{name}.csv",
        "plate_in_file": 1,
        "reader": "BMG MARS csv, simulated",
        "experiment": EXPERIMENT,
        "assay": "inorganic phosphate",
        "run_id": f"{EXPERIMENT}_day{plate}",
        "layout": f"layouts/{name}.csv",
        "reads": f"1={wavelength_nm}",
        "protein_plate": f"{EXPERIMENT}_protein",
        "temperature_c": temperature_c,
    }


def _animal(group: str, plate: int) -> str:
    return f"{'C' if group == 'control' else 'L'}{plate:02d}"


def _preparation(group: str, plate: int) -> str:
    return f"{_animal(group, plate)}-m1"


def _layout(plate: int, put_in: dict) -> pd.DataFrame:
    """Standards in columns 1-2, non-enzymatic blanks in 3, two preparations in 4-11, quality controls in 12."""
    reaction = {"atp_mm": put_in["atp_mm"], "time_min": put_in["time_min"]}
    reaction |= {"aliquot_ul": put_in["reaction_ul"], "dilution_factor": 1.0}
    enzyme = {**reaction, "protein_ug": put_in["protein_ug"], "sample_ul": put_in["protein"]["sample_ul"]}
    rows = []
    for row, mg, standard in zip(ROWS, put_in["magnesium_total_mm"], put_in["standards_nmol"], strict=False):
        rows += [{"well": f"{row}{c}", "role": "standard", "standard_nmol": standard, "replicate": c} for c in (1, 2)]
        at = {"magnesium_total_mm": mg}
        rows.append({"well": f"{row}3", "role": "nonenzymatic", **at, **reaction, "ouabain_mm": 0.0, "replicate": 1})
        for group in GROUPS:
            animal = _animal(group, plate)
            who = {
                "sample_id": animal,
                "animal_id": animal,
                "preparation_id": _preparation(group, plate),
                "condition": group,
            }
            for role, columns, ouabain in (
                ("total", TOTAL_COLUMNS[group], 0.0),
                ("ouabain", OUABAIN_COLUMNS[group], put_in["ouabain_mm"]),
            ):
                rows += [
                    {"well": f"{row}{c}", "role": role, **who, **at, **enzyme, "ouabain_mm": ouabain, "replicate": k}
                    for k, c in enumerate(columns, start=1)
                ]
    high = {"role": "qc_high", "sample_id": "pool", **enzyme, "magnesium_total_mm": put_in["qc_magnesium_mm"]}
    low = {"role": "qc_low", "sample_id": "no_enzyme", **reaction, "magnesium_total_mm": put_in["qc_magnesium_mm"]}
    rows += [{"well": f"{r}12", **(high if k <= 4 else low), "replicate": k} for k, r in enumerate(ROWS[:8], start=1)]
    return pd.DataFrame(rows)


def _phosphate_nmol(layout: pd.DataFrame, put_in: dict, free: dict, relative: dict, per_ul: dict, rng) -> np.ndarray:
    """Return the Pi in each well in nmol: the standard, or what arises without and with enzyme."""
    role, mg = layout["role"], layout["magnesium_total_mm"]
    free_mm = mg.map(free).fillna(0).to_numpy(float)
    condition = layout["condition"].fillna("control")
    pump = condition.map(put_in["vmax_umol_mg_h"]).to_numpy(float) * free_mm
    pump /= put_in["k05_free_magnesium_mm"] + free_mm
    pump *= 1 - put_in["ouabain_inhibition"] * (role == "ouabain").to_numpy()
    resistant = put_in["resistant_vmax_umol_mg_h"] * free_mm / (put_in["resistant_k05_free_magnesium_mm"] + free_mm)
    activity = (pump + resistant) * layout["animal_id"].map(relative).fillna(1.0).to_numpy(float)
    # umol/mg/h for protein in ug and time in min: 1000 nmol/umol, 1000 ug/mg, 60 min/h.
    protein_ug = (layout["preparation_id"].map(per_ul) * layout["sample_ul"]).fillna(layout["protein_ug"]).fillna(0)
    enzymatic = activity * protein_ug.to_numpy(float) * layout["time_min"].fillna(0).to_numpy() / 60
    enzymatic *= np.exp(rng.normal(0, put_in["enzyme_sd_ln"], len(layout)))
    by_itself = put_in["nonenzymatic_nmol"] * (role != "standard").to_numpy()
    return layout["standard_nmol"].fillna(0).to_numpy(float) + by_itself + enzymatic


def _cells(wells: pd.Series, nmol: np.ndarray, plate: int, put_in: dict, rng: np.random.Generator) -> dict[str, str]:
    """Return what MARS prints for each well: three decimals, without zeros at the end."""
    if plate == put_in["saturating_plate"]:
        above = np.maximum(nmol - put_in["saturates_above_nmol"], 0.0)
        nmol = nmol - (1 - put_in["saturated_slope"]) * above
    if plate == put_in["outlier_plate"]:
        nmol = nmol * np.where(wells == put_in["outlier_well"], put_in["outlier_factor"], 1.0)
    colour = put_in["absorbance_per_nmol"] * nmol * np.exp(rng.normal(0, put_in["colour_sd_ln"], len(nmol)))
    places = [well_position(w) for w in wells]
    edge = np.array([r in (0, 7) or c in (0, 11) for r, c in places]) * put_in["edge_offset_au"]
    read = put_in["absorbance_blank"] + colour + edge + rng.normal(0, put_in["reader_sd_au"], len(nmol))
    return {w: f"{round(float(v), 3):g}" for w, v in zip(wells, read, strict=True)}
