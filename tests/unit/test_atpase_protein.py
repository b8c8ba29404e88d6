"""Protein of a preparation from a plate of its own, and its error in the activity."""

import numpy as np
import pytest
from atpase_plates import protein_plate

from mgk import atpase
from mgk.atpase import protein
from mgk.tables import InputError


def straight(ug):
    return 0.08 + 0.06 * ug


def bent(ug):
    return 0.08 + 0.075 * ug - 0.0012 * ug**2


@pytest.mark.parametrize(("curve", "name"), [(straight, "straight"), (bent, "quadratic")])
def test_exact_plate_gives_its_truth(curve, name):
    table, curves = atpase.protein_table(protein_plate(curve, {"P1": 2.0, "P2": 1.3}))
    assert list(table["protein_ug_per_ul"]) == pytest.approx([2.0, 1.3], rel=1e-9)
    assert set(table["curve"]) == {name}
    assert (table["flag"] == "").all()
    np.testing.assert_allclose(curves["bca"].at([0, 5]), [curve(0), curve(5)], rtol=1e-9)


def test_a_straight_line_forced_on_a_bent_curve_would_be_wrong():
    wells = protein_plate(bent, {"P1": 2.0})
    line = protein.fit_line(
        wells.loc[wells["role"] == "standard", "protein_ug"].to_numpy(),
        wells.loc[wells["role"] == "standard", "value"].to_numpy(),
    )
    forced = (bent(10.0) - line.coefficients[0]) / line.coefficients[1] / 10 * 2
    assert abs(forced - 2.0) > 0.02
    assert atpase.protein_table(wells)[0]["protein_ug_per_ul"].item() == pytest.approx(2.0, rel=1e-9)


def test_coverage_of_the_interval():
    inside = 0
    for seed in range(100):
        table, _ = atpase.protein_table(protein_plate(bent, {"P1": 2.0}, noise=0.02, seed=seed))
        inside += table["ci_low"].item() <= 2.0 <= table["ci_high"].item()
    assert 0.90 <= inside / 100 <= 0.99


def test_wells_outside_the_standards_and_without_value_are_named():
    wells = protein_plate(straight, {"P1": 4.0, "P2": 1.0})
    last = wells.index[-1]
    wells.loc[last, ["value", "flag"]] = [np.nan, "overflow"]
    table, _ = atpase.protein_table(wells)
    assert table.loc[0, "flag"].count("outside the standards") == 3
    assert table.loc[1, "flag"] == f"well {wells.loc[last, 'well']}: overflow"
    assert table.loc[1, "n_wells"] == 2
    assert table.loc[1, "protein_ug_per_ul"] == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.assign(protein_ug=w["protein_ug"].where(w["protein_ug"] != 4)), "has no protein_ug"),
        (lambda w: w[(w["role"] != "standard") | (w["protein_ug"] <= 1)], "2 levels of the protein standard"),
        (lambda w: w.assign(value=-w["value"]), "does not rise"),
    ],
)
def test_a_plate_that_cannot_be_read_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        atpase.protein_table(change(protein_plate(straight, {"P1": 2.0})))


def test_measured_protein_replaces_the_nominal_and_brings_its_error():
    table, _ = atpase.protein_table(protein_plate(straight, {"A1-m": 2.4}, noise=0.02, seed=3))
    from test_atpase import MEDIUM, plate

    wells = plate(seed=2, noise=0.03, animals={"A1": ("control", 20.0), "A2": ("low", 13.5)})
    named = wells.assign(protein_plate="bca", sample_ul=5.0)
    measured = atpase.with_protein(named, table)
    own = (measured["preparation_id"] == "A1-m") & measured["role"].isin(["total", "ouabain"])
    per_ul = table["protein_ug_per_ul"].item()
    np.testing.assert_allclose(measured.loc[own, "protein_ug"], 5 * per_ul, rtol=1e-12)
    assert (measured.loc[own, "protein_cv"] == table["cv"].item()).all()
    assert (measured.loc[~own, "protein_cv"] == 0).all()
    curves = atpase.standard_curves(wells)
    before = atpase.activity_table(wells, curves, MEDIUM, "webmaxc").set_index(["animal_id", "magnesium_total_mm"])
    after = atpase.activity_table(measured, curves, MEDIUM, "webmaxc").set_index(["animal_id", "magnesium_total_mm"])
    value = "ouabain_sensitive_activity"
    np.testing.assert_allclose(after.loc["A1", value], before.loc["A1", value] * 10 / (5 * per_ul), rtol=1e-10)
    np.testing.assert_array_equal(after.loc["A2", value], before.loc["A2", value])
    row, old = after.loc[("A1", 6.0)], before.loc[("A1", 6.0)]
    expected = (old["se"] / old[value]) ** 2 + table["cv"].item() ** 2
    assert (row["se"] / row[value]) ** 2 == pytest.approx(expected, rel=1e-9)
    # the error of the protein brings degrees of freedom of its own: the interval is never shorter than a normal one
    assert row["ci_high"] - row["ci_low"] > 2 * 1.96 * row["se"]


def test_a_well_without_any_protein_is_refused():
    from test_atpase import plate

    wells = plate().assign(protein_plate="bca", sample_ul=np.nan)
    wells.loc[wells["preparation_id"] == "A1-m", "protein_ug"] = np.nan
    with pytest.raises(InputError, match=r"plate p1, well w\d+: no protein_ug, and no protein of A1-m"):
        atpase.with_protein(wells, atpase.protein_table(protein_plate(straight, {"A2-m": 2.0}))[0])
