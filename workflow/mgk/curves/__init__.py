"""Generic curves: reduced data from elsewhere, such as dose-response and saturation curves, each with a fit of its own.

`models` says what the curves are, `fits` fits each of them and summarises the conditions, `shared` holds a constant in
common over conditions. Limits: one site or one exponential; the concentration on the abscissa is taken as it stands, so
that free ions must be put in as free ions.
"""

from mgk.curves.fits import (
    Curve,
    compare_conditions,
    condition_fits,
    curve_fits,
    fit_curves,
    load_curves,
    points_table,
)
from mgk.curves.models import MODELS, Model, find_model
from mgk.curves.shared import shared_fits

__all__ = [
    "MODELS",
    "Curve",
    "Model",
    "compare_conditions",
    "condition_fits",
    "curve_fits",
    "find_model",
    "fit_curves",
    "load_curves",
    "points_table",
    "shared_fits",
]
