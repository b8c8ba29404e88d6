"""Salts of magnesium: how much elemental magnesium they hold, and how much salt the upper level for supplements is.

What it is for: `forms_table` turns the table of salts (`workflow/schemas/magnesium_forms.schema.yaml`) into shares by
mass. The molar mass of each row is held against its formula, because a mass without its hydrate is a usual mistake.

Vocabulary: *elemental* magnesium is the mass of Mg alone; the *upper level* is for magnesium from supplements, not from
food. Limits: mass only; nothing here says how much of it is absorbed.
"""

import re

import pandas as pd

from mgk.tables.problems import InputError

# Abridged standard atomic weights, IUPAC 2021 (Prohaska et al. 2022, Pure Appl Chem 94:573).
ATOMIC_WEIGHT_G_MOL = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Na": 22.990, "Mg": 24.305, "P": 30.974, "S": 32.06,
    "Cl": 35.45, "K": 39.098, "Ca": 40.078,
}  # fmt: skip
UPPER_LEVEL_MG = 350.0
UPPER_LEVEL_SOURCE = "seed document 004: upper intake level of an adult for supplements, 350 mg of magnesium a day"
# A printed mass and its formula agree when they differ by no more than one unit of the second decimal.
SAME_MASS_G_MOL = 0.015
COLUMNS = (
    "salt", "formula", "hydrate", "molar_mass_g_mol", "formula_mass_g_mol", "mg_atoms", "elemental_percent",
    "salt_mg_at_upper_level", "dose_mg", "elemental_dose_mg", "percent_of_upper_level", "flag", "source",
)  # fmt: skip


def molar_mass(formula: str, hydrate: float = 0) -> float:
    """Return the molar mass of a formula with `hydrate` molecules of water, in g/mol.

    Raises
    ------
    InputError
        For what is not a formula, or an element that is not in `ATOMIC_WEIGHT_G_MOL`.
    """
    if not re.fullmatch(r"([A-Z][a-z]?\d*|\(([A-Z][a-z]?\d*)+\)\d*)+", formula):
        raise InputError(f"{formula!r} is not a formula such as C8H12MgN2O8 or Mg3(C6H5O7)2")
    flat = re.sub(r"\((.*?)\)(\d*)", lambda found: found[1] * int(found[2] or 1), formula)
    mass = hydrate * (2 * ATOMIC_WEIGHT_G_MOL["H"] + ATOMIC_WEIGHT_G_MOL["O"])
    for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", flat):
        if element not in ATOMIC_WEIGHT_G_MOL:
            raise InputError(f"{formula!r}: {element} is not among {', '.join(ATOMIC_WEIGHT_G_MOL)}")
        mass += ATOMIC_WEIGHT_G_MOL[element] * int(count or 1)
    return mass


def forms_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return elemental magnesium by mass, and the mass of salt that holds the upper level.

    Parameters
    ----------
    table : DataFrame
        Columns of `workflow/schemas/magnesium_forms.schema.yaml`; `dose_mg` is of the salt.

    Returns
    -------
    DataFrame
        `elemental_percent` = 100 x 24.305 x mg_atoms / molar mass; `salt_mg_at_upper_level`, the mass of salt with
        350 mg of magnesium; with a dose also its magnesium and its share of the upper level in percent; `flag` says
        where molar mass and formula differ.

    Raises
    ------
    InputError
        As `molar_mass` does.
    """
    hydrate = table["hydrate"].fillna(0) if "hydrate" in table else pd.Series(0.0, index=table.index)
    dose = table["dose_mg"] if "dose_mg" in table else pd.Series(float("nan"), index=table.index)
    by_formula = pd.Series([molar_mass(f, h) for f, h in zip(table["formula"], hydrate, strict=True)], table.index)
    share = ATOMIC_WEIGHT_G_MOL["Mg"] * table["mg_atoms"] / table["molar_mass_g_mol"]
    differs = (by_formula - table["molar_mass_g_mol"]).abs() > SAME_MASS_G_MOL
    told = by_formula.map("formula and hydrate give {:.3f} g/mol".format)
    return table.assign(
        hydrate=hydrate,
        dose_mg=dose,
        formula_mass_g_mol=by_formula,
        elemental_percent=100 * share,
        salt_mg_at_upper_level=UPPER_LEVEL_MG / share,
        elemental_dose_mg=dose * share,
        percent_of_upper_level=100 * dose * share / UPPER_LEVEL_MG,
        flag=told.where(differs, ""),
    )[list(COLUMNS)]
