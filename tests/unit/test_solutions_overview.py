"""The tables of all solutions of a study, and their figures."""

import math

import pandas as pd
import pytest

from mgk.figures import solutions as draw
from mgk.solutions import overview
from mgk.study import Study
from mgk.tables import InputError

RECIPES = {
    "pipette": {
        "ph": 7.2,
        "temperature_c": 25,
        "components": {"K-gluconate": 115, "NaCl": 4, "GTP": 0.3, "ATP-Mg": 2, "HEPES": 40},
        "inert": ["HEPES"],
        "titrant": "KOH",
        "constants": "webmaxc_extended",
        "assumed": ["temperature_c"],
    },
    "bath": {
        "temperature_c": 25,
        "components": {"NaCl": 126, "KCl": 3, "MgSO4": 2, "CaCl2": 2, "NaHCO3": 26},
        "gas": "5% CO2",
        "constants": "webmaxc_extended",
    },
    "plain": {"ph": 7.4, "temperature_c": 22, "totals_mm": {"K": 5, "Na": 140, "Cl": 145}},
    "assay": {"ph": 7.4, "temperature_c": 37, "ionic_strength_m": 0.15, "totals_mm": {"Mg": 3, "ATP": 3, "EGTA": 1}},
}
PAIR = {"pipette_solution": "pipette", "bath_solution": "bath", "configuration": "whole_cell"}


@pytest.fixture(scope="module")
def solved():
    return overview.solve_all(RECIPES, "webmaxc")


def test_a_row_a_solution(solved):
    table = overview.solutions_table(RECIPES, solved).set_index("solution_id")
    assert list(table.index) == list(RECIPES)
    assert table.loc["pipette", "titrant_mm"] == pytest.approx(solved["pipette"].titrant_mm)
    assert 15 < table.loc["pipette", "titrant_mm"] < 25
    assert table.loc["pipette", ["inert", "assumed"]].tolist() == ["HEPES", "temperature_c"]
    assert table.loc[["bath", "plain"], "ph_from"].tolist() == ["gas", "stated"]
    assert table.loc["plain", "dissolved_mm"] == pytest.approx(290)
    assert table["ph_under_gas"].isna().tolist() == [True, False, True, True]


def test_all_that_is_wrong_comes_at_once():
    bad = {"a": {"ph": 7, "temperature_c": 25, "totals_mm": {"Mg": -1}}, "b": {"ph": 99, "temperature_c": 25}}
    with pytest.raises(InputError, match=r"a.totals_mm.Mg(.|\n)*b.ph"):
        overview.solve_all(bad, "webmaxc")


def test_what_binds_a_metal_adds_up(solved):
    table = overview.binding_table(solved)
    assert table.groupby(["solution_id", "metal"])["share"].sum().tolist() == pytest.approx([1.0] * 4)
    pipette = table[table["solution_id"] == "pipette"].set_index("partner")["concentration_mm"]
    assert set(pipette.index) == {"free", "ATP", "GTP", "gluconate"}
    assert math.fsum(pipette) == pytest.approx(2)
    complexes = solved["pipette"].complexes_mm
    assert pipette["ATP"] == pytest.approx(complexes["MgATP"] + complexes["MgHATP"])


def test_every_set_is_asked_on_the_same_terms():
    sets = overview.constant_sets_table(RECIPES, "webmaxc")
    assert set(sets["solution_id"]) == {"pipette", "bath", "assay"}
    used = sets[sets["named_by"] != ""]
    assert (used["ratio"] == 1).all()
    assert used.drop_duplicates("solution_id")["named_by"].tolist() == ["recipe", "recipe", "study"]
    pipette = sets[(sets["solution_id"] == "pipette") & (sets["species"] == "Mg")].set_index("constants")
    # WEBMAXC has neither GTP nor gluconate; without them it is the set that the extended one rests on.
    assert pipette.loc["webmaxc", "left_inert"] == "GTP, gluconate"
    assert pipette.loc["webmaxc", "ratio"] == pytest.approx(1, abs=1e-12)
    assert pipette["ratio"].max() / pipette["ratio"].min() > 1.5
    refused = sets[(sets["solution_id"] == "bath") & (sets["species"] == "")]
    assert refused["reason"].str.len().gt(10).all()
    spread = overview.set_spread(sets).set_index(["solution_id", "species"])
    assert spread.loc[("assay", "Mg"), "n_sets"] >= 5
    assert spread.loc[("assay", "Mg"), "lowest"] < 1 < spread.loc[("assay", "Mg"), "highest"]


def test_what_ph_and_temperature_do():
    table = overview.conditions_table(RECIPES, "webmaxc")
    assay = table[(table["solution_id"] == "assay") & (table["species"] == "Mg")]
    by_ph = assay[assay["varied"] == "ph"]["concentration_mm"].to_numpy()
    assert (by_ph[1:] < by_ph[:-1]).all()
    warm = assay[assay["varied"] == "temperature_c"].set_index("value")["concentration_mm"]
    assert warm[37.0] == pytest.approx(overview.solve_all(RECIPES, "webmaxc")["assay"].free_mm["Mg"])
    assert warm[40.0] < warm[10.0]
    assert "plain" not in set(table["solution_id"])


def test_pairs_of_pipette_and_bath(solved):
    permeabilities = {"K": 1, "Na": 0.04, "Cl": 0.45}
    pairs = [
        PAIR,
        PAIR | {"configuration": "inside_out"},
        PAIR | {"configuration": "cell_attached"},
        PAIR | {"bath_solution": "plain", "zero_solution": "bath", "temperature_c": 30.0},
    ]
    table = overview.pairs_table(pairs, RECIPES, solved, permeabilities)
    whole, patch, attached, moved = (row for _, row in table.iterrows())
    assert whole["k_mv"] == pytest.approx(-patch["k_mv"])
    assert -100 < whole["k_mv"] < whole["ghk_mv"] < whole["na_mv"]
    assert 14 < whole["junction_mv"] < 17
    assert math.isnan(attached["k_mv"])
    assert "no recipe" in attached["remarks"]
    assert moved["temperature_c"] == 30
    assert moved["junction_mv"] == pytest.approx(whole["junction_mv"] * 303.15 / 298.15, rel=1e-3)
    assert overview.pairs_table([PAIR], RECIPES, solved, {})["ghk_mv"].isna().all()


def test_the_titrant_moves_the_potassium_potential(solved):
    without = {k: v for k, v in RECIPES["pipette"].items() if k != "titrant"}
    recipes = RECIPES | {"pipette": without}
    bare = overview.pairs_table([PAIR], recipes, overview.solve_all(recipes, "webmaxc"), {})["k_mv"].iloc[0]
    titrated = overview.pairs_table([PAIR], RECIPES, solved, {})["k_mv"].iloc[0]
    assert -6 < titrated - bare < -2


def test_pairs_of_recordings_are_distinct():
    row = PAIR | {"zero_solution": "", "temperature_c": 22.0}
    rows = pd.DataFrame([row, row, row | {"bath_solution": "plain"}, row | {"pipette_solution": ""}])
    assert [p["bath_solution"] for p in overview.pairs_of_recordings(rows)] == ["bath", "plain"]


def test_figures_say_in_words_what_they_show(solved):
    figure, words = draw.composition(overview.binding_table(solved))
    assert "pipette, Mg: 0.3" in words
    assert "free" in words
    assert len(figure.axes[0].patches) >= 8
    _, words = draw.constant_sets(overview.constant_sets_table(RECIPES, "webmaxc"))
    assert "assay, Mg: " in words
    table = overview.conditions_table(RECIPES, "webmaxc")
    figure, words = draw.conditions(table, overview.solutions_table(RECIPES, solved))
    assert "Ca over 10 to 40" in words
    assert len(figure.axes) == 6


def test_figures_of_nothing_say_so():
    plain = {"plain": RECIPES["plain"]}
    solved = overview.solve_all(plain, "webmaxc")
    for figure in (
        draw.composition(overview.binding_table(solved)),
        draw.constant_sets(overview.constant_sets_table(plain, "webmaxc")),
        draw.conditions(overview.conditions_table(plain, "webmaxc"), overview.solutions_table(plain, solved)),
    ):
        assert figure[1].startswith("Nothing to draw")


def test_the_documents_recipes_are_there_word_for_word(house):
    recipes = Study.open(house).solutions()
    assert recipes["document_000_acsf"]["components"] == {
        "NaCl": 126, "KCl": 3, "MgSO4": 2, "CaCl2": 2, "NaH2PO4": 1.25, "NaHCO3": 26.4, "glucose": 10,
    }  # fmt: skip
    assert recipes["document_000_acsf"]["gas"] == "95% O2/5% CO2"
    assert recipes["document_000_pipette"]["components"] == {
        "K-gluconate": 130, "NaCl": 5, "CaCl2": 0.4, "MgCl2": 1, "HEPES": 10, "EGTA": 11,
    }  # fmt: skip
    assert recipes["document_002_pipette"]["components"] == {
        "K-gluconate": 115, "NaCl": 4, "GTP-NaCl": 0.3, "ATP-Mg": 2, "HEPES": 40,
    }  # fmt: skip
    assert all("temperature_c" in recipes[name]["assumed"] for name in recipes if name.startswith("document"))
