"""Salts of magnesium: shares by mass as in the project's notes, and masses that are not those of their formula."""

import pandas as pd
import pytest

from mgk.meta.forms import forms_table, molar_mass
from mgk.tables.problems import InputError
from mgk.tables.schema import load_schema, read_input_table

PERCENT = {
    "magnesium aspartate": 8.42,
    "magnesium aspartate dihydrate": 7.49,
    "magnesium oxide": 60.3,
    "trimagnesium citrate": 16.16,
    "magnesium bisglycinate": 14.10,
}


@pytest.fixture(scope="module")
def forms(house):
    file = house / "raw_data/clinical/magnesium_forms.csv"
    table, problems = read_input_table(file, load_schema("magnesium_forms"), "magnesium_forms.csv")
    assert problems == []
    return forms_table(table).set_index("salt")


@pytest.mark.parametrize(("salt", "percent"), PERCENT.items())
def test_elemental_magnesium_is_that_of_the_notes(forms, salt, percent):
    assert forms.loc[salt, "elemental_percent"] == pytest.approx(percent, abs=0.006 if percent < 60 else 0.05)


def test_the_mass_at_the_upper_level_holds_350_mg(forms):
    held = forms["salt_mg_at_upper_level"] * forms["elemental_percent"] / 100
    assert held.to_numpy() == pytest.approx(350)
    assert (forms["flag"] == "").all()
    assert forms["source"].str.len().min() > 10


def test_a_dose_is_set_against_the_upper_level_and_a_forgotten_hydrate_is_flagged():
    table = pd.DataFrame(
        {
            "salt": ["oxide", "sulphate"],
            "formula": ["MgO", "MgSO4"],
            "hydrate": [float("nan"), 7],
            "molar_mass_g_mol": [40.304, 120.36],
            "mg_atoms": [1, 1],
            "dose_mg": [500.0, float("nan")],
            "source": ["a", "b"],
        }
    )
    found = forms_table(table)
    assert found["elemental_dose_mg"][0] == pytest.approx(301.5, abs=0.1)
    assert found["percent_of_upper_level"][0] == pytest.approx(86.1, abs=0.1)
    assert pd.isna(found["elemental_dose_mg"][1])
    assert found["flag"].tolist() == ["", "formula and hydrate give 246.466 g/mol"]


def test_molar_masses_of_formulas():
    assert molar_mass("Mg3(C6H5O7)2") == pytest.approx(molar_mass("C12H10Mg3O14"))
    assert molar_mass("MgSO4", 7) == pytest.approx(246.466, abs=5e-4)
    with pytest.raises(InputError, match="Xx is not among"):
        molar_mass("MgXx2")
    with pytest.raises(InputError, match="not a formula"):
        molar_mass("Mg-O")
