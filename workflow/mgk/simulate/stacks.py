"""Simulated image stacks of the experiment `neuron_images`: cells with a known free Mg2+, calibrated in situ.

Cells are soft-edged ellipses; the dye in them is that of the simulated plates (`dye_fluorescence`). What the analysis
must meet: loading that differs from cell to cell, autofluorescence, light of the medium, uneven light, a camera with an
offset and a highest count, photon and read noise, bleaching, the image at 380 nm shifted by a fraction of pixels
(drawn there, not interpolated), a cell so bright that it saturates, and specks that fluoresce themselves, so that their
cells end above Rmax and below Rmin.
Units: pixels, counts, mM, s. Written without a clock and with an id made of the name, so that the bytes are the same.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.simulate.apparatus import COMMENT
from mgk.simulate.magnesium_plate import dye_fluorescence
from mgk.simulate.plate_files import plain
from mgk.tables import write_table
from mgk.whole_files import whole_file

EXPERIMENT = "neuron_images"
WAVELENGTHS = ("340", "380")
FOLDER = "stacks"


@dataclass(frozen=True)
class Cell:
    """A cell: middle and half axes in pixels, loading (1: F380 of the free dye as put in), free Mg2+ in each frame.

    `speck`: what fluoresces in it besides, at 340 and 380 nm, in units of F380 of the free dye.
    """

    y: float
    x: float
    half_y: float
    half_x: float
    loading: float
    magnesium_mm: np.ndarray
    speck: tuple[float, float] = (0.0, 0.0)


def write(truth: Mapping, raw_data: Path) -> None:
    """Write raw_data/stacks.csv, the stacks, the flat fields and the label image from truth.yaml, section stacks."""
    put_in = plain(truth["stacks"][EXPERIMENT])
    (raw_data / FOLDER).mkdir(exist_ok=True)
    flat = {name: flat_field(put_in, name) for name in WAVELENGTHS}
    for name, field in flat.items():
        even = put_in["camera_offset_counts"] + put_in["flat_field_counts"] * field
        _write(raw_data / FOLDER / f"flat_{name}.tif", np.round(even).astype(np.uint16)[None], "flat field")
    rows = []
    for number, (stack, role, animal, condition) in enumerate(_plan(put_in)):
        rng = np.random.default_rng([put_in["seed"], number])
        cells = cells_of(put_in, role, animal, condition, rng)
        counts = counted(expected(cells, put_in, flat, role), put_in, rng)
        rows.append(_row(stack, role, animal, condition, put_in) | _files(stack, role, counts, cells, raw_data, put_in))
    write_table(pd.DataFrame(rows), raw_data / "stacks.csv")


def _plan(put_in: Mapping) -> list[tuple[str, str, str, str]]:
    """Return (stack_id, role, animal_id, condition) of each stack."""
    samples = [
        (f"{EXPERIMENT}_n{animal}_{condition}", "sample", f"N{animal}", condition)
        for animal in sorted({a for own in put_in["conditions"].values() for a in own["animals"]})
        for condition, own in put_in["conditions"].items()
        if animal in own["animals"]
    ]
    others = [(f"{EXPERIMENT}_{name}", role, "", "") for name, role in
              (("unloaded", "background"), ("rmin", "rmin"), ("rmax", "rmax"))]  # fmt: skip
    return others + samples


def flat_field(put_in: Mapping, wavelength: str) -> np.ndarray:
    """Return how the light falls: brightest off the middle, mean 1; shape (height, width)."""
    height, width = put_in["height_px"], put_in["width_px"]
    y, x = np.mgrid[0:height, 0:width]
    depth = put_in["shading_depth"] * (1.0 if wavelength == "340" else 0.8)
    away = ((y - 0.4 * height) / height) ** 2 + ((x - 0.6 * width) / width) ** 2
    field = 1 - depth * away / away.max()
    return field / field.mean()


def cells_of(put_in: Mapping, role: str, animal: str, condition: str, rng: np.random.Generator) -> list[Cell]:
    """Return the cells of a stack, on a grid with jitter, rows first."""
    frames = put_in["frames"] if role == "sample" else put_in["calibration_frames"]
    minutes = np.arange(frames) * put_in["frame_interval_s"] / 60
    rows, columns = put_in["cell_rows"], put_in["cell_columns"]
    of_animal = np.random.default_rng([put_in["seed"], 1000, *map(ord, animal)]).normal(0, put_in["animal_sd_mm"])
    found = []
    for number in range(rows * columns):
        y = (number // columns + 0.5) * put_in["height_px"] / rows + rng.uniform(-1.5, 1.5)
        x = (number % columns + 0.5) * put_in["width_px"] / columns + rng.uniform(-2, 2)
        half_y, half_x = put_in["radius_px"] * np.exp(rng.normal(0, put_in["radius_sd_ln"], 2))
        loading = np.exp(rng.normal(0, put_in["loading_sd_ln"]))
        magnesium = {"rmax": put_in["rmax_magnesium_mm"]}.get(role, 0.0) + np.zeros(frames)
        if role == "sample":
            own = put_in["conditions"][condition]
            resting = own["free_magnesium_mm"] + of_animal + rng.normal(0, put_in["cell_sd_mm"])
            magnesium = resting + own["slope_mm_per_min"] * (minutes - minutes.mean())
        odd = put_in["conditions"][condition].get("odd_cells", {}) if role == "sample" else {}
        own = odd.get(f"{animal}_cell_{number}", {})
        loading *= own.get("loading", 1.0) * (role != "background")
        found.append(Cell(y, x, half_y, half_x, loading, magnesium, (own.get("at_340", 0.0), own.get("at_380", 0.0))))
    return found


def expected(cells: Sequence[Cell], put_in: Mapping, flat: Mapping[str, np.ndarray], role: str = "sample") -> dict:
    """Return the counts above the camera's offset without noise, by wavelength, shape (frames, height, width)."""
    y, x = np.mgrid[0 : put_in["height_px"], 0 : put_in["width_px"]].astype(float)
    frames = len(cells[0].magnesium_mm)
    bleached = np.exp(-put_in["bleaching_per_min"] * np.arange(frames) * put_in["frame_interval_s"] / 60)
    shift = {"340": (0.0, 0.0), "380": put_in["shift_px"]}
    signal = {}
    for number, name in enumerate(WAVELENGTHS):
        total = np.full((frames, *y.shape), put_in["medium_counts"][f"at_{name}"], float)
        for cell in cells:
            dye = cell.loading * dye_fluorescence(cell.magnesium_mm, put_in)[number]
            light = put_in["f380_free_counts"] * (dye * bleached + cell.speck[number])
            light = light + put_in["autofluorescence_counts"][f"at_{name}"]
            total += light[:, None, None] * _profile(cell, y - shift[name][0], x - shift[name][1], put_in)
        signal[name] = total * flat[name]
    return signal


def _profile(cell: Cell, y: np.ndarray, x: np.ndarray, put_in: Mapping) -> np.ndarray:
    """Return an ellipse, 1 inside, with an edge that falls off over `edge_px`."""
    distance = np.hypot((y - cell.y) / cell.half_y, (x - cell.x) / cell.half_x)
    return 1 / (1 + np.exp(np.clip((distance - 1) * np.sqrt(cell.half_y * cell.half_x) / put_in["edge_px"], -50, 50)))


def counted(signal: Mapping[str, np.ndarray], put_in: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what the camera counts: photon noise, read noise, offset, a highest count; uint16."""
    electrons = put_in["electrons_per_count"]
    counts = {}
    for name, image in signal.items():
        seen = rng.poisson(image * electrons) + rng.normal(0, put_in["read_noise_electrons"], image.shape)
        whole = np.round(seen / electrons + put_in["camera_offset_counts"])
        counts[name] = np.clip(whole, 0, put_in["highest_count"]).astype(np.uint16)
    return counts


def _row(stack: str, role: str, animal: str, condition: str, put_in: Mapping) -> dict:
    return {
        "stack_id": stack, "experiment": EXPERIMENT, "role": role, "animal_id": animal, "condition": condition,
        "file": "", "file_340": "", "file_380": "", "channels": "", "labels": "",
        "shading_340": f"{FOLDER}/flat_340.tif", "shading_380": f"{FOLDER}/flat_380.tif",
        "camera_offset_counts": put_in["camera_offset_counts"], "saturation_counts": put_in["highest_count"],
        "background_percent": put_in["background_percent"], "frame_interval_s": put_in["frame_interval_s"],
        "temperature_c": put_in["temperature_c"],
    }  # fmt: skip


def _files(stack: str, role: str, counts: Mapping, cells, raw_data: Path, put_in: Mapping) -> dict:
    """Write a stack: samples as one OME-TIFF, the others as two TIFF files; unloaded cells have a label image."""
    name = f"{FOLDER}/{stack.removeprefix(EXPERIMENT + '_')}"
    if role == "sample":
        both = np.stack([counts["340"], counts["380"]], axis=1)
        _write_ome(raw_data / f"{name}.ome.tif", both, stack, put_in["frame_interval_s"])
        return {"file": f"{name}.ome.tif", "channels": "340 380"}
    for wavelength, frames in counts.items():
        _write(raw_data / f"{name}_{wavelength}.tif", frames, f"{stack}, {wavelength} nm")
    files = {f"file_{w}": f"{name}_{w}.tif" for w in counts}
    if role != "background":
        return files
    _write(raw_data / f"{name}_labels.tif", drawn(cells, put_in)[None], "label image")
    return files | {"labels": f"{name}_labels.tif"}


def drawn(cells: Sequence[Cell], put_in: Mapping) -> np.ndarray:
    """Return a label image, drawn with a margin, as a hand does and as a threshold in the cell's edge does."""
    y, x = np.mgrid[0 : put_in["height_px"], 0 : put_in["width_px"]]
    labels = np.zeros(y.shape, np.uint8)
    for number, cell in enumerate(cells, start=1):
        labels[np.hypot((y - cell.y) / cell.half_y, (x - cell.x) / cell.half_x) < put_in["drawn_margin"]] = number
    return labels


def _write(path: Path, frames: np.ndarray, words: str) -> None:
    import tifffile

    what = f"{words}. {COMMENT}"
    with whole_file(path) as beside:
        tifffile.imwrite(beside, frames, photometric="minisblack", compression="zlib", compressionargs={"level": 9},
                         predictor=True, description=what, metadata=None, software="mgk.simulate")  # fmt: skip


def _write_ome(path: Path, frames: np.ndarray, name: str, interval_s: float) -> None:
    import tifffile

    metadata = {
        "axes": "TCYX", "Name": name, "Description": COMMENT, "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        "Channel": {"Name": ["340 nm", "380 nm"]}, "TimeIncrement": interval_s, "TimeIncrementUnit": "s",
    }  # fmt: skip
    with whole_file(path) as beside:
        tifffile.imwrite(beside, frames, ome=True, photometric="minisblack", compression="zlib", predictor=True,
                         compressionargs={"level": 9}, metadata=metadata, software="mgk.simulate")  # fmt: skip
