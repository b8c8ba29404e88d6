"""ATPase: activity from phosphate plates or from the coupled assay, and its dependence on magnesium.

`standards` reads amounts off a standard curve, `protein` the protein of a preparation; `activity` makes both into
activities of preparations, `coupled` does the same from kinetic reads at 340 nm; `gates` says which results may be
used, `kinetics` fits them, `comparison` compares groups, `strenda` lists what a reader has to be told of the assay.
Figures are in `mgk.figures.atpase` and `mgk.figures.coupled`.
"""

from mgk.atpase.activity import (
    ACTIVITY_COLUMNS,
    NMOL_PER_MIN,
    SAMPLES,
    UNIT,
    activity_table,
    load_wells,
    one_read,
    tube_solutions,
)
from mgk.atpase.comparison import compare_kinetics, shared_fits
from mgk.atpase.gates import gates_table
from mgk.atpase.kinetics import (
    ABSCISSAE,
    K05_MM,
    LAWS,
    MODELS,
    collinearity,
    compare_laws,
    curve_of,
    fit_animals,
    kinetic_fits,
    left_out,
    michaelis_menten,
    predictions,
    profile_table,
    profiles_of,
)
from mgk.atpase.protein import load_protein_wells, protein_table, with_protein
from mgk.atpase.standards import (
    StandardCurve,
    amount_nmol,
    amounts_table,
    curve_table,
    fieller,
    fit_standards,
    standard_curves,
    usable,
)
from mgk.atpase.strenda import strenda_table

__all__ = [
    "ABSCISSAE",
    "ACTIVITY_COLUMNS",
    "K05_MM",
    "LAWS",
    "MODELS",
    "NMOL_PER_MIN",
    "SAMPLES",
    "UNIT",
    "StandardCurve",
    "activity_table",
    "amount_nmol",
    "amounts_table",
    "collinearity",
    "compare_kinetics",
    "compare_laws",
    "curve_of",
    "curve_table",
    "fieller",
    "fit_animals",
    "fit_standards",
    "gates_table",
    "kinetic_fits",
    "left_out",
    "load_protein_wells",
    "load_wells",
    "michaelis_menten",
    "one_read",
    "predictions",
    "profile_table",
    "profiles_of",
    "protein_table",
    "shared_fits",
    "standard_curves",
    "strenda_table",
    "tube_solutions",
    "usable",
    "with_protein",
]
