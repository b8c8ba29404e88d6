"""Image stacks at 340 and 380 nm: from TIFF files to a trace per cell, in blocks.

The way: `files` (pairs of TIFF or OME-TIFF, read in blocks), `correction` (background, shading), `registration` (the
shift between the wavelengths), `regions` (cells), `measure` (all of it for a row of stacks.csv), `images` (mean images
kept for showing), `settings` (what config.yaml says), `row_checks` (what is wrong with a row before it is measured).

Limits: one plane; no colour; one shift for all frames of a stack, no correction of movement (it is reported); cells are
found in the mean image and stay where they are. Free Mg2+ is the business of `mgk.magnesium`.

tifffile and scikit-image are imported inside the functions that need them.
"""

from mgk.stacks.files import megapixels_of
from mgk.stacks.images import image_file, read_images
from mgk.stacks.measure import Measured, measure_stack, measure_stacks
from mgk.stacks.row_checks import check_stack
from mgk.stacks.settings import StackSettings, stack_settings

__all__ = [
    "Measured",
    "StackSettings",
    "check_stack",
    "image_file",
    "measure_stack",
    "measure_stacks",
    "megapixels_of",
    "read_images",
    "stack_settings",
]
