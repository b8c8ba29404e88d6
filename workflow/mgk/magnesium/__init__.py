"""Free Mg2+ from ratios of mag-fura-2 fluorescence, with the calibration's error carried along.

The way: `wells` (a row per well), `calibration` (in situ, or by `titration`), `samples` (free Mg2+ with its interval),
`groups` (over animals, and compared), `kinetics` (over time, drift), `tables` (what is stated), `cells` (the same for
the cells of image stacks). `equation` holds the
formulas, `settings` what config.yaml says, `draws` the Monte Carlo. `samples.free_magnesium_of` is the same
calibration for any arrays of F340 and F380.

Limits: plates are read and joined with their layout in `mgk.plates`; figures are in `mgk.figures.magnesium`. Not
corrected: Ca2+ (the dye binds it too), dye in organelles, and a change of Kd with temperature or in the cell; a table
says what the first two would do. Kd is an input with its source, and results are given at each published Kd beside it.

Vocabulary: a well is read at 340 and 380 nm; R is the ratio of the two after the background (autofluorescence) of the
same run is subtracted; Rmin and Rmax are R of the free and of the bound dye; beta is the fluorescence at 380 nm of
the free over that of the bound dye. A run is what shares background and calibration wells. A value at or beyond a
calibration limit is *censored*: it is kept, with 0 or infinity as the open end of its interval.
Units: concentrations in mM, fluorescence in the reader's counts, ratios without unit.
"""

from mgk.magnesium.calibration import Calibration, Curve, calibrate, curve, curves_of
from mgk.magnesium.cells import (
    cell_course,
    cell_samples,
    cell_table,
    paired_cells,
    pixel_magnesium_mm,
    with_verdicts,
)
from mgk.magnesium.equation import calcium_shift_mm, cytosolic_ratio, free_magnesium_mm, ratio_at, saturated
from mgk.magnesium.groups import compare_conditions, group_table
from mgk.magnesium.kinetics import drift_table, is_kinetic, slope_table, time_course
from mgk.magnesium.samples import (
    Sample,
    calibration_interval_of,
    free_magnesium_of,
    sample_draws_mm,
    sample_table,
    samples,
)
from mgk.magnesium.settings import PUBLISHED_KD_MM, Settings, kd_choices, settings
from mgk.magnesium.tables import calibration_table, fits_table, interference_table, standards_table
from mgk.magnesium.titration import fit_titration, with_known_magnesium
from mgk.magnesium.wells import ROLES, assay_temperatures_c, paired_wells

__all__ = [
    "PUBLISHED_KD_MM",
    "ROLES",
    "Calibration",
    "Curve",
    "Sample",
    "Settings",
    "assay_temperatures_c",
    "calcium_shift_mm",
    "calibrate",
    "calibration_interval_of",
    "calibration_table",
    "cell_course",
    "cell_samples",
    "cell_table",
    "compare_conditions",
    "curve",
    "curves_of",
    "cytosolic_ratio",
    "drift_table",
    "fit_titration",
    "fits_table",
    "free_magnesium_mm",
    "free_magnesium_of",
    "group_table",
    "interference_table",
    "is_kinetic",
    "kd_choices",
    "paired_cells",
    "paired_wells",
    "pixel_magnesium_mm",
    "ratio_at",
    "sample_draws_mm",
    "sample_table",
    "samples",
    "saturated",
    "settings",
    "slope_table",
    "standards_table",
    "time_course",
    "with_known_magnesium",
    "with_verdicts",
]
