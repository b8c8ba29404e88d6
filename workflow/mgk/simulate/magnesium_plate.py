"""Simulated mag-fura-2 plate of the experiment `platelets`: donors with a known free Mg2+, calibrated in situ.

The dye is one solution of free and bound molecules: F340 and F380 are sums of both forms weighted by their shares, so
that Rmin, Rmax and beta of truth.yaml are those of wholly free and wholly bound dye. What the analysis must meet:
loading differs from well to well (log-normal), autofluorescence, photon noise (Poisson), bleaching between the two
reads, Rmax wells in which a part of the dye stays free, a donor with a well that was missed, and two compounds that
fluoresce themselves, whose samples end above Rmax and below Rmin.
Units: mM, counts of the reader, minutes.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mgk.plates.export import ROWS
from mgk.simulate.plate_files import FilterPair, plain, write_gen5, write_layout

EXPERIMENT = "platelets"
FILTERS = {"340": FilterPair(340, 11, 510, 20), "380": FilterPair(380, 20, 510, 20)}
LARGEST_COUNT = 99_999


def write(truth: dict, raw_data: Path) -> pd.DataFrame:
    """Write the plate's export and layout; return its row of plates.csv.

    Parameters
    ----------
    truth: raw_data/truth.yaml; the section plates.platelets is used.
    raw_data: the folder to write plates/ and layouts/ into.
    """
    put_in = plain(truth["plates"][EXPERIMENT])
    rng = np.random.default_rng(put_in["seed"])
    layout = _layout(put_in)
    counts = _counts(layout, put_in, rng)
    missed = put_in["missed_well"]
    reads = []
    for name, pair in FILTERS.items():
        cells = {w: _text(v) for w, v in zip(layout["well"], counts[name], strict=True)}
        reads.append((pair, cells | {missed: "MISSED"}))
    file, layout_file = f"plates/{EXPERIMENT}_run1.txt", f"layouts/{EXPERIMENT}_run1.csv"
    write_gen5(raw_data / file, "magfura2", "11/21/2026", put_in["temperature_c"], reads)
    write_layout(layout, raw_data / layout_file)
    return pd.DataFrame(
        [
            {
                "plate_id": f"{EXPERIMENT}_run1",
                "file": file,
                "plate_in_file": 1,
                "reader": "BioTek Gen5 txt, simulated",
                "experiment": EXPERIMENT,
                "assay": "mag-fura-2",
                "run_id": f"{EXPERIMENT}_run1",
                "layout": layout_file,
                "reads": "1=340;2=380",
                "temperature_c": put_in["temperature_c"],
            }
        ]
    )


def dye_fluorescence(free_magnesium_mm, put_in: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return F340 and F380 of the dye in units of F380 of wholly free dye.

    With a share b = M/(Kd + M) bound: F380 = (1 - b) + b/beta, F340 = Rmin (1 - b) + Rmax b/beta.
    """
    bound = np.asarray(free_magnesium_mm, float) / (put_in["kd_mm"] + np.asarray(free_magnesium_mm, float))
    free, dim = 1 - bound, bound / put_in["beta"]
    return put_in["rmin"] * free + put_in["rmax"] * dim, free + dim


def _layout(put_in: dict) -> pd.DataFrame:
    """Background in column 1, Rmin in 2-3, Rmax in 4-5, a donor a row in 6-8, fluorescent compounds in 9."""
    rows = [{"well": f"{r}1", "role": "background"} for r in ROWS[:8]]
    rows += [{"well": f"{r}{c}", "role": "rmin", "magnesium_total_mm": 0.0} for c in (2, 3) for r in ROWS[:8]]
    bound = {"role": "rmax", "magnesium_total_mm": put_in["rmax_magnesium_mm"]}
    rows += [{"well": f"{r}{c}", **bound} for c in (4, 5) for r in ROWS[:8]]
    for i, row in enumerate(ROWS[: put_in["donors"]], start=1):
        donor = {"role": "sample", "sample_id": f"P{i:02d}", "animal_id": f"P{i:02d}", "condition": "resting"}
        rows += [{"well": f"{row}{5 + k}", **donor, "replicate": k} for k in (1, 2, 3)]
    for i, compound in enumerate(put_in["compounds_at_f380_free"]):
        sample = {"role": "sample", "sample_id": f"P01-{compound}", "animal_id": "P01", "condition": compound}
        rows += [{"well": f"{ROWS[3 * i + k - 1]}9", **sample, "replicate": k} for k in (1, 2, 3)]
    return pd.DataFrame(rows)


def _counts(layout: pd.DataFrame, put_in: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what the reader counts at 340 and 380 nm in each well of the layout."""
    n = len(layout)
    donors = sorted(set(layout.loc[layout["role"] == "sample", "animal_id"]))
    of_donor = dict(
        zip(donors, rng.normal(put_in["free_magnesium_mm"], put_in["free_magnesium_sd_mm"], len(donors)), strict=True)
    )
    well_error = np.exp(rng.normal(0, put_in["well_sd_ln_magnesium"], n))
    free = np.select(
        [layout["role"] == "rmax", layout["role"] == "sample"],
        [put_in["rmax_magnesium_mm"], layout["animal_id"].map(of_donor).astype(float) * well_error],
        0.0,
    )
    loading = np.exp(rng.normal(0, put_in["loading_sd_ln"], n)) * (layout["role"] != "background")
    compounds = put_in["compounds_at_f380_free"]
    counts = {}
    for i, (name, dye) in enumerate(zip(FILTERS, dye_fluorescence(free, put_in), strict=True)):
        own = layout["condition"].map({c: at[f"at_{name}"] for c, at in compounds.items()}).fillna(0).to_numpy(float)
        minutes = i * put_in["minutes_between_reads"]
        left = np.exp(-put_in["bleaching_per_min"] * minutes)
        signal = put_in["f380_free_counts"] * (loading.to_numpy() * dye * left + own)
        counts[name] = rng.poisson(signal + put_in["background_counts"][f"at_{name}"])
    return counts


def _text(count: int) -> str:
    return str(count) if count <= LARGEST_COUNT else "OVRFLW"
