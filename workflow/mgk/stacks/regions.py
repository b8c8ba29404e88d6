"""Regions of interest: cells found in a mean image, or given by a label image.

Cells are found as is usual for fluorescent cells: smoothed (Gaussian); divided from the background by Otsu's threshold
(1979, IEEE Trans Syst Man Cybern 9:62) on the square root of the counts, on which photon noise is the same everywhere,
and with the brightest cells cut down, so that they do not raise the threshold above dim ones; parted where they touch
by a watershed on the distance to the edge; dropped below a minimum area. scikit-image does each step.

How much of a cell's dim rim lies within its outline goes by the threshold, the brightness of the cell, or the hand that
drew it. A mean over the outline would carry that into beta, which compares the brightness of unlike cells, and into
what is taken off for cells without dye. So the light of a region is told in pixels as bright as its inner half.
"""

from dataclasses import dataclass

import numpy as np

# Assumed, no source; the config names others where cells are larger.
SMOOTHING_PX = 1.0
MINIMUM_AREA_PX = 30
# Two cells whose middles are nearer than this are one. Assumed, no source.
SEPARATION_PX = 5
# What is clearly above the background: so many times its noise, and not this many times darker than the brightest.
# Assumed, no source.
NOISES, DEPTH = 6, 200


@dataclass(frozen=True)
class Region:
    """A cell: `pixels` (n, 2), row and column; `bright_px`, how many pixels of its inner half would give its light."""

    pixels: np.ndarray
    bright_px: float


@dataclass(frozen=True)
class Segmentation:
    """Labels (0: no cell; 1, 2, ... cells from top to bottom), and the threshold in counts above background."""

    labels: np.ndarray
    threshold: float
    dropped: int


def cell_threshold(image: np.ndarray) -> float:
    """Return the count that divides cells from the background of an image above it; 0 in an even image.

    Counts above twice those of the typical cell are taken as that, so that no cell outshines the others. Typical is the
    median of what is above the noise: six times the scatter below zero, and a two-hundredth of the highest count.
    """
    from skimage.filters import threshold_otsu

    below = image[image < 0]
    noise = float(np.sqrt((below**2).mean())) if below.size else 0.0
    clear = image[image > max(NOISES * noise, image.max() / DEPTH)]
    if not clear.size:
        return 0.0
    root = np.sqrt(np.clip(image, 0, 2 * np.median(clear)))
    return float(threshold_otsu(root)) ** 2 if root.max() > root.min() else 0.0


def find_cells(
    image: np.ndarray,
    *,
    smoothing_px: float = SMOOTHING_PX,
    minimum_area_px: float = MINIMUM_AREA_PX,
    separation_px: float = SEPARATION_PX,
) -> Segmentation:
    """Find cells in an image above its background, shape (height, width); NaN is no cell."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.measure import label
    from skimage.segmentation import watershed

    smooth = gaussian_filter(np.nan_to_num(image), smoothing_px)
    level = cell_threshold(smooth)
    if not level > 0:
        return Segmentation(np.zeros(image.shape, np.int32), float("nan"), 0)
    inside = binary_fill_holes((smooth > level) & np.isfinite(image))
    distance = gaussian_filter(distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1], smoothing_px)
    apart = max(1, round(separation_px))
    peaks = peak_local_max(distance, min_distance=apart, labels=label(inside), exclude_border=False)
    markers = np.zeros(image.shape, np.int32)
    for number, (y, x) in enumerate(sorted(map(tuple, peaks)), start=1):
        markers[y, x] = number
    labels = watershed(-distance, markers, mask=inside)
    areas = np.bincount(labels.ravel())
    kept = [n for n in range(1, len(areas)) if areas[n] >= minimum_area_px]
    new = np.zeros(len(areas), np.int32)
    new[kept] = np.arange(1, len(kept) + 1)
    return Segmentation(new[labels], level, len(areas) - 1 - len(kept))


def pixels_of(labels: np.ndarray) -> dict[int, np.ndarray]:
    """Return the pixels (row, column) of each label above 0, by label."""
    flat = labels.ravel()
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    groups = np.split(order, starts[1:])
    places = zip(numbers, groups, strict=True)
    return {int(n): np.column_stack(np.unravel_index(g, labels.shape)) for n, g in places if n > 0}


def inner_half(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels (row, column) of a region at least half as far from its outline as the farthest."""
    from scipy.ndimage import distance_transform_edt

    place = pixels - pixels.min(axis=0) + 1
    mask = np.zeros(place.max(axis=0) + 2, bool)
    mask[tuple(place.T)] = True
    distance = distance_transform_edt(mask)[tuple(place.T)]
    return pixels[distance >= distance.max() / 2]


def region_of_light(image: np.ndarray, pixels: np.ndarray) -> Region:
    """Return a region with its light in pixels as bright as its inner half, by an image above the background.

    Where the image shows no light in it, all its pixels count alike.
    """
    whole, inner = (float(image[tuple(p.T)].mean(dtype=float)) for p in (pixels, inner_half(pixels)))
    shines = whole > 0 and inner > 0
    return Region(pixels, len(pixels) * whole / inner if shines else float(len(pixels)))
