"""Background and shading of an image stack.

A pixel shows offset + flat (signal + background): the camera's offset, and what the light that falls unevenly
(`flat`, mean 1, from an image of an even field) makes of the dye and of the light of the medium. So the offset comes
off first, then the flat field is divided out, and the background is what is then left where there is no cell. Without a
flat field the offset is a part of the background and need not be known.

The background is a stated value, the mean of a stated region, or the mean of the darkest pixels: those at or below a
percentile of the smoothed mean image of both wavelengths. Taken frame by frame, in the same pixels in all frames:
a percentile of the counts of each frame would stand below the background by its noise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgk.stacks.files import WAVELENGTHS, read_image
from mgk.tables.problems import InputError

DARKEST_PERCENT = 10.0
SMOOTHING_PX = 2.0
REGION = re.compile(r"(\d+):(\d+),(\d+):(\d+)")
Box = tuple[int, int, int, int]
REGION_EXAMPLE = "0:20,0:128 (rows from:to, columns from:to, in pixels, the end not in it)"


@dataclass(frozen=True)
class Shading:
    """The camera's offset in counts, and the flat field (mean 1) of each wavelength; None: even light."""

    offset: float
    flat: Mapping[str, np.ndarray | None]

    def corrected(self, image: np.ndarray, wavelength: str) -> np.ndarray:
        """Return an image of floats (height, width) without the offset, as even light would have given it."""
        flat = self.flat[wavelength]
        net = image - np.asarray(self.offset, image.dtype)
        return net if flat is None else (net / flat).astype(image.dtype)


@dataclass(frozen=True)
class Background:
    """Where or what the background is: `places` (flat pixels), or else `levels` in counts by wavelength; in words."""

    words: str
    places: np.ndarray | None = None
    levels: Mapping[str, float] | None = None


def stated(row: Mapping, key: str):
    """Return a value of a row, None where it is empty."""
    value = row.get(key)
    return None if value is None or value == "" or value != value else value


def read_shading(row: Mapping, raw_data: Path, shape: tuple[int, int]) -> Shading:
    """Return the shading of a row of stacks.csv.

    Raises
    ------
    InputError
        When a flat field is of another size, dark somewhere, or stated without the camera's offset.
    """
    offset = stated(row, "camera_offset_counts")
    flats = {name: stated(row, f"shading_{name}") for name in WAVELENGTHS}
    if any(flats.values()) and offset is None:
        raise InputError("camera_offset_counts: must be stated with a flat field (0 where it is off already)")
    return Shading(offset or 0.0, {n: _flat(f, raw_data, shape, offset) if f else None for n, f in flats.items()})


def _flat(name: str, raw_data: Path, shape: tuple[int, int], offset: float) -> np.ndarray:
    image = read_image(raw_data / name, name).astype(float) - offset
    if image.shape != tuple(shape):
        raise InputError(f"{name}: has {size_words(image.shape)}; the stack has {size_words(shape)}")
    if not np.isfinite(image).all() or image.min() <= 0:
        raise InputError(f"{name}: a flat field must be above camera_offset_counts ({offset:g}) in every pixel")
    return (image / image.mean()).astype(np.float32)


def find_background(row: Mapping, means: Mapping[str, np.ndarray]) -> Background:
    """Return the background of a row of stacks.csv; `means`: mean images without offset and shading, by wavelength.

    Raises
    ------
    InputError
        As `stated_background`.
    """
    from scipy.ndimage import gaussian_filter

    shape = means["340"].shape
    values, region = stated_background(row, shape)
    if values:
        return Background("stated values", levels=values)
    if region:
        y0, y1, x0, x1 = region
        places = np.zeros(shape, bool)
        places[y0:y1, x0:x1] = True
        return Background(f"mean of rows {y0} to {y1 - 1}, columns {x0} to {x1 - 1}", np.flatnonzero(places))
    percent = stated(row, "background_percent") or DARKEST_PERCENT
    both = gaussian_filter(means["340"] + means["380"], SMOOTHING_PX)
    places = np.flatnonzero(both <= np.percentile(both, percent))
    return Background(f"mean of the {len(places)} darkest pixels ({percent:g} %)", places)


def stated_background(row: Mapping, shape: tuple[int, int]) -> tuple[dict[str, float], Box | None]:
    """Return the values or the region that a row states; neither: the darkest pixels.

    Raises
    ------
    InputError
        When more than one kind is stated, one of two values is missing, or the region is not inside the image.
    """
    values = {name: stated(row, f"background_{name}_counts") for name in WAVELENGTHS}
    region, percent = stated(row, "background_region_px"), stated(row, "background_percent")
    some = any(v is not None for v in values.values())
    if some + (region is not None) + (percent is not None) > 1:
        raise InputError("background: give values, a region or a percentile; one of them")
    if some and None in values.values():
        raise InputError("background_340_counts and background_380_counts: both must be stated, or neither")
    stated_values = {n: float(v) for n, v in values.items()} if some else {}
    return stated_values, region_of(str(region), shape) if region is not None else None


def region_of(text: str, shape: tuple[int, int]) -> Box:
    """Return the rows and columns of a region within an image of a shape.

    Raises
    ------
    InputError
        When the text is no region, or the region is empty or reaches beyond the image.
    """
    match = REGION.fullmatch(text.replace(" ", ""))
    if not match:
        raise InputError(f"background_region_px: {text!r} must look like {REGION_EXAMPLE}")
    y0, y1, x0, x1 = map(int, match.groups())
    if not (y0 < y1 <= shape[0] and x0 < x1 <= shape[1]):
        raise InputError(f"background_region_px: {text!r} must lie within {shape[0]} rows and {shape[1]} columns")
    return y0, y1, x0, x1


def size_words(shape) -> str:
    """Return a size in words, width first as microscopes say it."""
    return f"{shape[1]} x {shape[0]} pixels"
