"""Simulated image stacks: what is put in, how the analysis is told it, and what comes out of many studies.

A study is four animals in two conditions, 0.8 and 0.55 mM (SD of animals 0.04, of cells 0.05), six cells a dish, and
three dishes more: cells without dye, in a chelator, and at 35 mM Mg2+. Images are 48 x 66 pixels, four frames, with
uneven light, a camera's offset, photon and read noise, bleaching, and the image at 380 nm shifted. One kind of design
meets the model; the other has an error that the analysis is not told of. Each study goes through files, `mgk.stacks`
and `mgk.magnesium` as in a run.

The images are those of `mgk.simulate.stacks`, which imports nothing of the analysis. All numbers are assumed, after the
project's notes on plates, sections 2 and 5.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from mgk.magnesium import (
    Settings,
    calibrate,
    cell_samples,
    cell_table,
    compare_conditions,
    group_table,
    paired_cells,
    with_verdicts,
)
from mgk.simulate import stacks as simulated
from mgk.stacks import StackSettings, measure_stacks
from validation.coverage import by_model, failures
from validation.magnesium import summarise, table

DOCUMENT = "validation_stacks.md"
STUDIES = 200
DRAWS = 1000
ANIMALS, CELLS, STATED_ERROR = 4, 6, 0.05
CONDITIONS = {"control": 0.8, "low": 0.55}
QUANTITIES = {"cell": "a cell", "mean": "mean of a condition", "difference": "difference of the conditions"}
PUT_IN = {
    "height_px": 48, "width_px": 66, "frames": 4, "calibration_frames": 4, "frame_interval_s": 20,
    "cell_rows": 2, "cell_columns": 3, "radius_px": 6, "radius_sd_ln": 0.08, "edge_px": 0.5, "kd_mm": 1.9,
    "rmin": 0.45, "rmax": 3.4, "beta": 4.2, "rmax_magnesium_mm": 35.0, "animal_sd_mm": 0.04, "cell_sd_mm": 0.05,
    "loading_sd_ln": 0.12, "bleaching_per_min": 0.01, "shading_depth": 0.35, "camera_offset_counts": 100,
    "highest_count": 4095, "electrons_per_count": 8, "read_noise_electrons": 12, "drawn_margin": 1.15,
    "medium_counts": {"at_340": 40, "at_380": 60},
    "conditions": {n: {"free_magnesium_mm": mm, "slope_mm_per_min": 0.0} for n, mm in CONDITIONS.items()},
}  # fmt: skip


@dataclass(frozen=True)
class Design:
    """What is put in: F380 of the free dye in counts, the shift, and what the analysis is told of it.

    `drawn`: cells come from label images. `stated`: Rmin, Rmax and beta from elsewhere, each off by its stated error of
    5 %. The errors of the second kind, of which the analysis is not told: `registered` and `flat` are what it corrects
    for; `unloaded` whether it has the cells without dye; `moving_px` how far the dishes of samples move from the first
    frame to the last; `rmax_told`.
    """

    label: str
    counts: float = 900.0
    shift_px: tuple[float, float] = (1.3, -0.6)
    drawn: bool = False
    stated: bool = False
    registered: bool = True
    flat: bool = True
    unloaded: bool = True
    moving_px: float = 0.0
    rmax_told: bool = True

    @property
    def put_in(self) -> dict:
        """What the generator is given; the light of a cell without dye goes by that of the dye."""
        own = {"at_340": 0.027 * self.counts, "at_380": 0.02 * self.counts}
        return PUT_IN | {"f380_free_counts": self.counts, "shift_px": self.shift_px, "autofluorescence_counts": own}


DESIGNS = (
    Design("cells found, calibrated in situ"),
    Design("dim dye (90 counts)", counts=90.0),
    Design("shift of 3.4 and 2.7 px", shift_px=(3.4, 2.7)),
    Design("label images, stated calibration (5 %)", drawn=True, stated=True),
)
MISSPECIFIED = (
    Design("not registered", registered=False),
    Design("no flat field", flat=False),
    Design("no stack of cells without dye", unloaded=False),
    Design("samples move by 3 px", moving_px=3.0),
    Design("Rmax at 35 mM, taken as wholly bound", rmax_told=False),
)


def write_study(design: Design, seed: int, folder: Path) -> tuple[list[dict], dict[str, dict]]:
    """Write the files of a study; return the rows of stacks.csv, and the cells put in by stack."""
    put_in = design.put_in | {"seed": seed}
    flat = {name: simulated.flat_field(put_in, name) for name in simulated.WAVELENGTHS}
    for name, field in flat.items():
        even = put_in["camera_offset_counts"] + 3000 * field
        tifffile.imwrite(folder / f"flat_{name}.tif", even.astype(np.float32), photometric="minisblack")
    dishes = [(role, role, "", "") for role in ("background", "rmin", "rmax")]
    dishes += [(f"n{a}_{c}", "sample", f"N{a}", c) for a in range(ANIMALS) for c in CONDITIONS]
    rows, cells = [], {}
    for number, (stack, role, animal, condition) in enumerate(dishes):
        rng = np.random.default_rng([seed, number, *design.label.encode()])
        found = simulated.cells_of(put_in, role, animal, condition, rng)
        signal = simulated.expected(found, put_in, flat)
        if design.moving_px and role == "sample":
            signal = {name: _moved(image, design.moving_px) for name, image in signal.items()}
        row = {"stack_id": stack, "role": role, "animal_id": animal, "condition": condition}
        row |= {"frame_interval_s": put_in["frame_interval_s"], "saturation_counts": put_in["highest_count"]}
        for name, image in simulated.counted(signal, put_in, rng).items():
            row[f"file_{name}"] = f"{stack}_{name}.tif"
            tifffile.imwrite(folder / row[f"file_{name}"], image, photometric="minisblack")
        if design.flat:
            row |= {"shading_340": "flat_340.tif", "shading_380": "flat_380.tif", "camera_offset_counts": 100}
        if design.drawn or role == "background":
            row["labels"] = f"{stack}_labels.tif"
            tifffile.imwrite(folder / row["labels"], simulated.drawn(found, put_in), photometric="minisblack")
        rows.append(row)
        cells[stack] = found
    kept = [r for r in rows if design.unloaded or r["role"] != "background"]
    return [r for r in kept if not (design.stated and r["role"] in ("rmin", "rmax"))], cells


def _moved(image: np.ndarray, by_px: float) -> np.ndarray:
    """Return frames that move along x, whole pixels, the last by so many."""
    steps = np.linspace(0, by_px, len(image)).round().astype(int)
    return np.stack([np.roll(frame, step, axis=1) for frame, step in zip(image, steps, strict=True)])


def _settings(design: Design, seed: int) -> Settings:
    told = PUT_IN["rmax_magnesium_mm"] if design.rmax_told and not design.stated else None
    stated = ()
    if design.stated:
        off = np.random.default_rng([seed, 7]).normal(0, STATED_ERROR, 3)
        values = [PUT_IN[n] * np.exp(e) for n, e in zip(("rmin", "rmax", "beta"), off, strict=True)]
        stated = tuple((float(v), STATED_ERROR * float(v), "simulated") for v in values)
    kind = "stated" if design.stated else "in_situ"
    return Settings(PUT_IN["kd_mm"], "validation", told, calibration=kind, stated=stated, background_subtracted=True)


def run_study(design: Design, seed: int) -> list[dict]:
    """Return what the analysis says of a study: a cell, the mean of a condition, the difference of the conditions."""
    with tempfile.TemporaryDirectory(prefix="mgk-stacks-") as name:
        rows, cells = write_study(design, seed, Path(name))
        tables = measure_stacks(rows, Path(name), StackSettings(register=design.registered))
    given = _settings(design, seed)
    traces = with_verdicts(tables["traces"], tables["quality"])
    calibrations = calibrate(paired_cells(traces), given, draws=DRAWS, seed=seed)
    found = cell_samples(traces, calibrations)
    first = [s for s in found if s.sample_id.startswith("n0_control.")][:1]
    cell = cell_table(first, calibrations, given, seed).iloc[0]
    control = [s for s in found if s.condition == "control"]
    groups = group_table(control, calibrations, given, seed=seed, published=False)
    mean = groups[groups["statistic"] == "mean"].iloc[0]
    difference = compare_conditions(found, calibrations, given, scales=["difference"], seed=seed).iloc[0]
    estimates = {"cell": cell["free_magnesium_mm"], "mean": mean["estimate"], "difference": difference["difference"]}
    roi = tables["rois"].set_index(["stack_id", "roi_id"]).loc[("n0_control", cell["roi_id"])]
    nearest = min(cells["n0_control"], key=lambda c: np.hypot(c.y - roi["y_px"], c.x - roi["x_px"]))
    put_in = {
        "cell": float(nearest.magnesium_mm.mean()),
        "mean": CONDITIONS["control"],
        "difference": CONDITIONS["low"] - CONDITIONS["control"],
    }
    shift = tables["quality"][["shift_y_px", "shift_x_px"]].to_numpy() - design.shift_px
    measured = {"shift_error_px": float(np.hypot(*shift.T).max()), "n_rois": int(tables["quality"]["n_rois"].sum())}
    return [
        {
            "design": design.label, "seed": seed, "quantity": quantity, "put_in": put_in[quantity],
            "estimate": estimates[quantity], "ci_low": row["ci_low"], "ci_high": row["ci_high"], **measured,
            "n_cells": CELLS * len(rows),
        }
        for quantity, row in {"cell": cell, "mean": mean, "difference": difference}.items()
    ]  # fmt: skip


def document(studies: pd.DataFrame) -> str:
    """Return docs/validation_stacks.md from the rows of `run_study`."""
    summary = summarise(studies)
    right, wrong, n, n_wrong = by_model(summary, DESIGNS)
    return f"""# Validation of image stacks

Generated by `python -m validation.run stacks --studies {n} --misspecified {n_wrong}` (`make validate STAGE=stacks`); do
not edit. All data here are simulated: {n} studies of each design that meets the model and {n_wrong} of each that does
not, seeds from 0. What is put in stands in `validation/stacks.py`.

A study has {ANIMALS} animals in two conditions of 0.8 and 0.55 mM (SD of animals 0.04, of cells 0.05), {CELLS} cells a
dish, and dishes of cells without dye, in a chelator and at 35 mM Mg²⁺. Images are 48 x 66 pixels, four frames, with
uneven light, a camera's offset, photon and read noise, bleaching, autofluorescence, and the image at 380 nm shifted by
1.3 and -0.6 pixels unless said otherwise. Each study goes through TIFF files, `mgk.stacks` and `mgk.magnesium` as in a
run.

- *A cell*: one cell of each study, against its own value. *Mean*: of the animals of a condition, against that of the
  population. *Difference*: of the two conditions, the same animals in both.
- *Bias*: mean error over what was put in; ± its simulation standard error. *Width*: median half width of the 95 %
  interval over what was put in.
- *Coverage*: how often the 95 % interval holds what was put in. **Bold**: not 95 % by the exact binomial test at the
  1 % level.

## Designs that meet the model

{table(right, QUANTITIES)}

{failures(zip(right["quantity"].map(QUANTITIES), right["design"], right["coverage"], right["coverage_p"], strict=True))}

{measured(studies[studies["design"].isin(set(right["design"]))])}

## What the analysis is not told

Cells found, calibrated in situ, and one error more.

{table(wrong, QUANTITIES)}

What distorts the calibration stacks and the samples alike (uneven light, a shift) cancels in part; what only one of
them has does not. No interval warns of either: look at the shift, the drift and the outlines that the quality table and
the figures show.
"""


def measured(studies: pd.DataFrame) -> str:
    """Say how well shifts and cells were found."""
    first = studies[studies["quantity"] == "cell"]
    head = "| Design | Cells found | Largest error of a shift, median study | of 95 % of the studies |"
    lines = [head, "|" + "---|" * 4]
    for design, own in first.groupby("design", sort=False):
        share = 100 * own["n_rois"].sum() / own["n_cells"].sum()
        middle, most = own["shift_error_px"].quantile([0.5, 0.95])
        lines.append(f"| {design} | {share:.1f} % | {middle:.2f} px | {most:.2f} px |")
    return "\n".join(lines)
