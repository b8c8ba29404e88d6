"""Small stacks for tests: cells with a known free Mg2+ in TIFF files of any layout."""

import numpy as np
import tifffile

from mgk.simulate import stacks

PUT_IN = {
    "seed": 1, "height_px": 48, "width_px": 60, "frames": 6, "calibration_frames": 4, "frame_interval_s": 20,
    "cell_rows": 2, "cell_columns": 2, "radius_px": 6, "radius_sd_ln": 0.08, "edge_px": 0.4, "kd_mm": 1.9,
    "rmin": 0.45, "rmax": 3.4, "beta": 4.2, "rmax_magnesium_mm": 35.0,
    "conditions": {"control": {"free_magnesium_mm": 0.8, "slope_mm_per_min": 0.0}},
    "animal_sd_mm": 0.0, "cell_sd_mm": 0.05, "f380_free_counts": 900, "loading_sd_ln": 0.12,
    "autofluorescence_counts": {"at_340": 0.0, "at_380": 0.0}, "medium_counts": {"at_340": 40, "at_380": 60},
    "bleaching_per_min": 0.01, "shading_depth": 0.3, "shift_px": [1.3, -0.6], "camera_offset_counts": 100,
    "highest_count": 4095, "electrons_per_count": 8, "read_noise_electrons": 12,
}  # fmt: skip
EVEN = {name: np.ones((PUT_IN["height_px"], PUT_IN["width_px"])) for name in ("340", "380")}


def cells(role="sample", seed=1, **other):
    """Return the cells of a stack."""
    return stacks.cells_of(PUT_IN | other, role, "N1", "control", np.random.default_rng(seed))


def frames(found, *, noise=True, flat=None, seed=1, **other):
    """Return raw counts by wavelength: uint16 with noise, float64 without (then neither rounded nor cut off)."""
    put_in = PUT_IN | other
    signal = stacks.expected(found, put_in, flat or EVEN)
    if noise:
        return stacks.counted(signal, put_in, np.random.default_rng(seed))
    return {name: image + put_in["camera_offset_counts"] for name, image in signal.items()}


def write_two(folder, counts, name="s1", **options):
    """Write two files; return what a row says of them."""
    row = {}
    for wavelength, image in counts.items():
        file = f"{name}_{wavelength}.tif"
        tifffile.imwrite(folder / file, image, photometric="minisblack", **options)
        row[f"file_{wavelength}"] = file
    return row


def row(**given):
    """Return a row of stacks.csv with what a sample needs."""
    return {
        "stack_id": "s1",
        "experiment": "cells",
        "animal_id": "N1",
        "condition": "control",
        "role": "sample",
    } | given
