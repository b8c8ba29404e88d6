"""Simulated kinetic plate of the experiment `coupled`: ATPase by the coupled NADH assay at 340 nm.

Two reactions are integrated in time, so that nothing is a straight line: the ATPase makes ADP, and the coupling enzymes
turn it over with NADH, first order in ADP and saturable in NADH. What the analysis must meet: a lag, ADP that the ATP
already holds, NADH that is used up in fast wells, NADH that oxidises by itself, noise, wells that differ, a bubble that
passes through a well and a well that was not read.
Units: activity in umol/mg/h, amounts in nmol per well, time in s and min, absorbance in AU.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mgk.plates.export import ROWS
from mgk.simulate.plate_files import SIMULATED, plain, write_layout
from mgk.tables.yaml_file import load_yaml
from mgk.whole_files import whole_file

EXPERIMENT = "coupled"
GROUPS = ("control", "low_magnesium_diet")
TOTAL_COLUMNS, OUABAIN_COLUMNS = (3, 4, 5), (6, 7, 8)
STEP_S = 1.0


def write(truth: dict, raw_data: Path) -> pd.DataFrame:
    """Write the plate's export and layout; return its row of plates.csv.

    Parameters
    ----------
    truth: raw_data/truth.yaml; the section plates.coupled is used.
    raw_data: the folder that holds solutions.yaml and gets plates/ and layouts/.
    """
    put_in = plain(truth["plates"][EXPERIMENT])
    rng = np.random.default_rng(put_in["seed"])
    layout = _layout(put_in)
    times_s = np.arange(0, put_in["minutes"] * 60 + 1, put_in["interval_s"], dtype=float)
    reads = _reads(layout, times_s, put_in, rng)
    file, layout_file = f"plates/{EXPERIMENT}_run1.txt", f"layouts/{EXPERIMENT}_run1.csv"
    medium = load_yaml(raw_data / "solutions.yaml")[0][put_in["medium"]]
    write_softmax_kinetic(raw_data / file, EXPERIMENT, put_in["wavelength_nm"], medium["temperature_c"], times_s, reads)
    write_layout(layout, raw_data / layout_file)
    row = {
        "plate_id": f"{EXPERIMENT}_run1",
        "file": file,
        "plate_in_file": 1,
        "reader": "SoftMax Pro txt, simulated",
        "experiment": EXPERIMENT,
        "assay": "coupled assay, NADH",
        "run_id": f"{EXPERIMENT}_run1",
        "layout": layout_file,
        "reads": f"1={put_in['wavelength_nm']}",
        "temperature_c": medium["temperature_c"],
    }
    return pd.DataFrame([row])


def write_softmax_kinetic(
    path: Path, plate: str, wavelength_nm: int, temperature_c: float, times_s: np.ndarray, reads: dict[str, list[str]]
) -> None:
    """Write a SoftMax Pro txt, TimeFormat, with a kinetic absorbance read of a 96-well plate, UTF-16.

    Parameters
    ----------
    reads: cell text of each time by well; wells that are not named are empty.
    """
    wells = [f"{r}{c}" for r in ROWS[:8] for c in range(1, 13)]
    interval = f"{times_s[1] - times_s[0]:g}"
    fields = ["Absorbance", "Raw", "FALSE", str(times_s.size), f"{times_s[-1]:g}", interval, "", "", "", "1"]
    fields += [f"{wavelength_nm} ", "1", "12", "96", "1", "8"]
    lines = [
        "##BLOCKS= 1",
        "\t".join(["Plate:", plate, "1.3", "TimeFormat", "Kinetic", *fields]),
        "\t".join(["", "Temperature(\N{DEGREE SIGN}C)", *wells]),
    ]
    for i, time in enumerate(times_s):
        clock = f"{int(time) // 3600:02d}:{int(time) // 60 % 60:02d}:{int(time) % 60:02d}"
        lines.append("\t".join([clock, f"{temperature_c:.1f}", *(reads[w][i] if w in reads else "" for w in wells)]))
    lines += ["", "~End", f"Original Filename: {SIMULATED}; Date Last Saved: 11/26/2026 10:00:00 AM", ""]
    with whole_file(path) as beside:
        beside.write_bytes("\r\n".join(lines).encode("utf-16"))


def _layout(put_in: dict) -> pd.DataFrame:
    """ADP standards in columns 1-2 of rows A-F, wells without enzyme below, a preparation a row in columns 3-8."""
    reaction = {"magnesium_total_mm": put_in["magnesium_total_mm"], "atp_mm": put_in["atp_mm"]}
    rows = []
    for row, nmol in zip(ROWS, put_in["standards_nmol"], strict=False):
        rows += [
            {"well": f"{row}{c}", "role": "standard", "standard_nmol": float(nmol), "replicate": c} for c in (1, 2)
        ]
    blanks = [f"{r}{c}" for r in "GH" for c in (1, 2)]
    rows += [{"well": w, "role": "nonenzymatic", **reaction, "replicate": k} for k, w in enumerate(blanks, start=1)]
    animals = [(f"{'C' if g == 'control' else 'L'}{k:02d}", g) for k in range(1, put_in["animals"] + 1) for g in GROUPS]
    for row, (animal, group) in zip(ROWS, animals, strict=False):
        who = {"sample_id": animal, "animal_id": animal, "preparation_id": f"{animal}-m1", "condition": group}
        for role, columns, ouabain in (
            ("total", TOTAL_COLUMNS, 0.0),
            ("ouabain", OUABAIN_COLUMNS, put_in["ouabain_mm"]),
        ):
            what = {"role": role, **who, **reaction, "ouabain_mm": ouabain, "protein_ug": put_in["protein_ug"]}
            rows += [{"well": f"{row}{c}", **what, "replicate": k} for k, c in enumerate(columns, start=1)]
    return pd.DataFrame(rows)


def _reads(layout: pd.DataFrame, times_s: np.ndarray, put_in: dict, rng) -> dict[str, list[str]]:
    n = len(layout)
    animals = layout["animal_id"].dropna().unique()
    of_animal = dict(zip(animals, np.exp(rng.normal(0, put_in["animal_sd_ln"], animals.size)), strict=True))
    pump = layout["condition"].map(put_in["ouabain_sensitive_umol_mg_h"]).astype(float) * (layout["role"] == "total")
    activity = (pump + put_in["resistant_umol_mg_h"]) * layout["animal_id"].map(of_animal).astype(float)
    # umol/mg/h times ug is nmol/h.
    rate = (activity * layout["protein_ug"] / 3600).fillna(0).to_numpy(float)
    rate = rate * np.exp(rng.normal(0, put_in["well_sd_ln"], n))
    holds_atp = (layout["role"] != "standard").to_numpy()
    adp = layout["standard_nmol"].fillna(0).to_numpy(float) + put_in["adp_in_atp_nmol"] * holds_atp
    nadh = put_in["nadh_nmol"] * np.exp(rng.normal(0, put_in["nadh_sd_ln"], n))
    left = _nadh_nmol(rate, adp, nadh, times_s, put_in)
    drift = put_in["drift_au_per_min"] * times_s / 60
    read = put_in["background_au"] + put_in["absorbance_per_nmol"] * left - drift
    read = read + rng.normal(0, put_in["reader_sd_au"], read.shape)
    first, last = put_in["bubble_reads"]
    read[(layout["well"] == put_in["bubble_well"]).to_numpy(), first:last] += put_in["bubble_au"]
    cells = {w: [f"{v:.4f}" for v in row] for w, row in zip(layout["well"], read, strict=True)}
    return cells | {put_in["unread_well"]: [""] * times_s.size}


def _nadh_nmol(rate, adp, nadh, times_s: np.ndarray, put_in: dict) -> np.ndarray:
    """Integrate ADP and NADH of all wells; return NADH at the times, shape (wells, times)."""
    adp, nadh = adp.copy(), nadh.copy()
    kept, now = [], 0.0
    for time in times_s:
        while now < time - 1e-9:
            coupled = put_in["coupling_per_s"] * adp * nadh / (put_in["nadh_half_nmol"] + nadh) * STEP_S
            coupled = np.minimum(coupled, np.minimum(adp, nadh))
            adp, nadh = adp + rate * STEP_S - coupled, nadh - coupled
            now += STEP_S
        kept.append(nadh.copy())
    return np.array(kept).T
