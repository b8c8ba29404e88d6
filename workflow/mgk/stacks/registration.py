"""The shift between the images at 340 and 380 nm, found to a fraction of a pixel and put into the weights of regions.

The filters of two wavelengths refract differently, so that the images lie a pixel or two apart, alike in all frames.
The shift is found once, on mean images, by phase correlation: the peak of the cross-correlation through Fourier
transforms, refined by an upsampled matrix product around it (Guizar-Sicairos, Thurman and Fienup 2008, Opt Lett
33:156; the implementation is that of scikit-image). Counts above twice the threshold between cells and background are
taken as that: a speck that is bright at one wavelength alone would else be laid onto another cell, 20 pixels away. The
spectra are not made white (as some do): cells are smooth, and noise would then weigh as much as they do.

Nothing is interpolated frame by frame: linear interpolation is a weighted sum, so a region is given the weights that it
has in the image at 380 nm once it is shifted. Interpolation by a part f of a pixel also blurs, with the variance
f (1 - f); the image at 340 nm is given a kernel of the same variance without a shift. Else the edges of a cell would
lose light at 380 nm alone, and R would stand half a per cent too high.

Shifts are (y, x) in pixels: what lies at p in the image at 340 nm lies at p + shift at 380 nm. A kernel is (offset in
pixels, weight) along an axis.
"""

import math
from dataclasses import dataclass

import numpy as np

from mgk.stacks.regions import cell_threshold

UPSAMPLING = 100
HIGHEST_THRESHOLDS = 2
Kernel = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Registration:
    """`shift_px` (y, x); `correlation` of the two images once they lie on each other (Pearson)."""

    shift_px: tuple[float, float]
    correlation: float

    @property
    def kernels(self) -> dict[str, tuple[Kernel, Kernel]]:
        """The kernels along y and x that lay both images onto each other, by wavelength."""
        return {"340": tuple(map(blur_alike, self.shift_px)), "380": tuple(map(interpolation, self.shift_px))}


def interpolation(shift: float) -> Kernel:
    """Return the kernel that takes a value from `shift` pixels further on, linearly between two pixels."""
    low = math.floor(shift)
    part = shift - low
    return tuple((o, w) for o, w in ((low, 1 - part), (low + 1, part)) if w > 0)


def blur_alike(shift: float) -> Kernel:
    """Return the kernel without a shift that blurs as the interpolation does."""
    part = shift - math.floor(shift)
    variance = part * (1 - part)
    return ((-1, variance / 2), (0, 1 - variance), (1, variance / 2)) if variance > 0 else ((0, 1.0),)


def find_shift(at_340: np.ndarray, at_380: np.ndarray) -> Registration:
    """Return the shift of the image at 380 nm against that at 340 nm; both above their background, (height, width)."""
    from skimage.registration import phase_cross_correlation

    first, second = (_levelled(image) for image in (at_340, at_380))
    if not first.any() or not second.any():
        return Registration((0.0, 0.0), 0.0)
    found = phase_cross_correlation(first, second, upsample_factor=UPSAMPLING, normalization=None)[0]
    shift = (0.0 - round(float(found[0]), 4), 0.0 - round(float(found[1]), 4))
    kernels = Registration(shift, 0.0).kernels
    return Registration(shift, correlation_of(resampled(first, kernels["340"]), resampled(second, kernels["380"])))


def _levelled(image: np.ndarray) -> np.ndarray:
    """Return an image in which no cell outshines the others."""
    return np.clip(image, 0, HIGHEST_THRESHOLDS * cell_threshold(image)).astype(np.float32)


def resampled(image: np.ndarray, kernels: tuple[Kernel, Kernel]) -> np.ndarray:
    """Return an image (height, width) laid by kernels along y and x; NaN where they reach beyond its edges."""
    laid = image if image.dtype.kind == "f" else image.astype(np.float32)
    for axis, kernel in enumerate(kernels):
        total = np.zeros_like(laid)
        for offset, weight in kernel:
            total += np.asarray(weight, laid.dtype) * _moved(laid, offset, axis)
        laid = total
    return laid


def _moved(image: np.ndarray, offset: int, axis: int) -> np.ndarray:
    """Return the image whose value at i is that at i + offset along an axis; NaN beyond."""
    moved = np.roll(image, -offset, axis)
    edge = [slice(None), slice(None)]
    edge[axis] = slice(max(image.shape[axis] - offset, 0), None) if offset > 0 else slice(0, -offset)
    moved[tuple(edge)] = np.nan
    return moved


def correlation_of(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation (Pearson) of two images where both are known; 0 where one is even."""
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 2 or not a[known].std() or not b[known].std():
        return 0.0
    return float(np.corrcoef(a[known], b[known])[0, 1])


def region_weights(
    pixels: np.ndarray, shape: tuple[int, int], kernels: tuple[Kernel, Kernel]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what a region takes from an image that kernels lay in place.

    Parameters
    ----------
    pixels : ndarray of int, shape (n, 2)
        Row and column of each pixel of the region.

    Returns
    -------
    (places, weights) or None
        Flat places of pixels and their weights, which add up to n; None when the region reaches beyond the image.
    """
    places, weights = [], []
    for dy, weight_y in kernels[0]:
        for dx, weight_x in kernels[1]:
            y, x = pixels[:, 0] + dy, pixels[:, 1] + dx
            if min(y.min(), x.min()) < 0 or y.max() >= shape[0] or x.max() >= shape[1]:
                return None
            places.append(y * shape[1] + x)
            weights.append(np.full(len(pixels), weight_y * weight_x))
    flat, inverse = np.unique(np.concatenate(places), return_inverse=True)
    return flat, np.bincount(inverse, np.concatenate(weights))
