"""Laws against abscissae, their choice, and groups compared; the constants that R and NIST know are in test_fitting."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import dunnett

from mgk import atpase
from mgk.atpase import kinetics
from mgk.atpase.comparison import reference_first

SIMPLEST, FREE = ["michaelis_menten"], ["free_magnesium"]

FREE_MM = np.array([0.02, 0.05, 0.15, 0.4, 0.9, 2.0, 4.0, 8.0])


def points(curve, seed=0, cv=0.03, animals=(("C1", "control"), ("C2", "control"), ("C3", "control")), scale=1.0):
    rng = np.random.default_rng(seed)
    rows = []
    for i, (animal, condition) in enumerate(animals):
        true = curve(FREE_MM / scale, condition) * (1 + 0.1 * (i % 3 - 1))
        for x, v in zip(FREE_MM, true, strict=True):
            rows.append({
                "animal_id": animal, "condition": condition, "plate_id": f"p{i}", "magnesium_free_mm": x,
                "magnesium_total_mm": 3 * x / (0.1 * scale + x) + x, "mgatp_mm": 3 * x / (0.1 * scale + x),
                "atp_mm": 3.0, "ouabain_sensitive_activity": v * (1 + cv * rng.normal()), "replicate_se": cv * v,
                "scale_cv": 0.0, "depletion_percent": 1.0, "standard_curve": "", "flag": "",
            })  # fmt: skip
    return pd.DataFrame(rows)


def plain(x, condition):
    return 20 * x / (0.6 + x)


CURVES = {
    "michaelis_menten": plain,
    "hill": lambda x, c: 20 * x**1.8 / (0.6**1.8 + x**1.8),
    "substrate_inhibition": lambda x, c: 30 * x / (0.6 + x + x**2 / 4),
}


@pytest.mark.parametrize("law", CURVES)
def test_the_law_that_was_put_in_is_chosen_and_recovered(law):
    animals = kinetics.fit_animals(points(CURVES[law], seed=3), abscissae=FREE)
    chosen = atpase.compare_laws(animals).query("abscissa == 'free_magnesium' and unit_id == ''")
    assert set(chosen["chosen"]) == {law}
    fits = atpase.kinetic_fits(animals, "e")
    rows = fits[(fits["model"] == f"{law}_free_magnesium") & (fits["unit_id"] == "")].set_index("parameter")
    assert rows.loc["k05", "estimate"] == pytest.approx(0.6, rel=0.2)
    if law == "hill":
        assert rows.loc["hill", "estimate"] == pytest.approx(1.8, rel=0.1)
    if law == "substrate_inhibition":
        assert rows.loc["ki", "estimate"] == pytest.approx(4, rel=0.4)


def test_f_and_aicc_are_those_of_the_fits_summed_over_animals():
    animals = kinetics.fit_animals(points(plain, seed=1), abscissae=FREE)
    table = atpase.compare_laws(animals).query("abscissa == 'free_magnesium'").set_index(["unit_id", "law"])
    simple, hill = table.loc[("", "michaelis_menten")], table.loc[("", "hill")]
    assert simple["rss"] == pytest.approx(table.loc[[(a, "michaelis_menten") for a in ("C1", "C2", "C3")], "rss"].sum())
    f = (simple["rss"] - hill["rss"]) / 3 / (hill["rss"] / hill["dof"])
    assert hill["f"] == pytest.approx(f)
    assert (hill["n_parameters"], simple["n_parameters"], hill["dof"]) == (9, 6, 15)
    assert min(simple["delta_aicc"], hill["delta_aicc"]) == 0


def test_a_change_of_units_changes_the_constants_and_nothing_else():
    scale = 1e-9
    rows = {}
    for factor in (1.0, scale):
        table = points(plain, seed=5, animals=(("C1", "control"),))
        for column in ("magnesium_free_mm", "magnesium_total_mm", "mgatp_mm", "atp_mm"):
            table[column] *= factor
        fits = atpase.kinetic_fits(atpase.fit_animals(table, SIMPLEST, FREE), "e")
        rows[factor] = fits[(fits["unit_id"] == "C1") & (fits["model"] == "michaelis_menten_free_magnesium")]
    numbers = ["estimate", "se", "ci_low", "ci_high"]
    one, other = (rows[f].set_index("parameter")[numbers] for f in (1.0, scale))
    np.testing.assert_allclose(other.loc["vmax"], one.loc["vmax"], rtol=1e-6)
    np.testing.assert_allclose(other.loc["k05"], one.loc["k05"] * scale, rtol=1e-6)
    assert list(rows[scale]["verdict"]) == list(rows[1.0]["verdict"])


def test_what_all_points_share_widens_vmax_and_leaves_k05():
    table = points(plain, seed=2, animals=(("C1", "control"),))
    free = "michaelis_menten_free_magnesium"

    def row(cv, parameter):
        fits = atpase.kinetic_fits(atpase.fit_animals(table.assign(scale_cv=cv), SIMPLEST, FREE), "e")
        return fits[(fits["model"] == free) & (fits["parameter"] == parameter) & (fits["unit_id"] == "C1")].iloc[0]

    alone, shared = row(0.0, "vmax"), row(0.05, "vmax")
    assert shared["se"] == pytest.approx(np.hypot(alone["se"], 0.05 * alone["estimate"]))
    assert shared["ci_high"] > alone["ci_high"]
    assert shared["ci_low"] < alone["ci_low"]
    pd.testing.assert_series_equal(row(0.05, "k05"), row(0.0, "k05"))


TWO = (("C1", "control"), ("C2", "control"), ("C3", "control"), ("L1", "low"), ("L2", "low"), ("L3", "low"))


def lower(x, condition):
    return (20 if condition == "control" else 12) * x / (0.6 + x)


def test_groups_are_compared_as_ratios_with_the_animal_as_the_unit():
    fits = atpase.kinetic_fits(atpase.fit_animals(points(lower, seed=4, animals=TWO), SIMPLEST), "e")
    table = atpase.compare_kinetics(fits, ["low", "control"]).set_index(["model", "quantity"])
    vmax = table.loc[("michaelis_menten_free_magnesium", "vmax")]
    assert (vmax["group_a"], vmax["group_b"]) == ("control", "low")
    assert vmax["ci_low"] < 0.6 < vmax["ci_high"]
    assert vmax["n_animals"] == 6
    assert vmax["p"] < 0.05
    assert (table["p_holm"].dropna() >= table["p"].dropna()).all()
    assert table["p_dunnett"].isna().all()
    assert atpase.compare_kinetics(fits, ["control"]).empty
    assert reference_first(["b", "a"]) == ["b", "a"]


def test_several_groups_have_dunnett_s_test_beside_holm():
    three = (*TWO, ("M1", "middle"), ("M2", "middle"), ("M3", "middle"))
    fits = atpase.kinetic_fits(atpase.fit_animals(points(lower, seed=4, animals=three), SIMPLEST, FREE), "e")
    table = atpase.compare_kinetics(fits, ["control", "low", "middle"])
    free = table[(table["model"] == "michaelis_menten_free_magnesium") & (table["quantity"] == "vmax")]
    of = fits[(fits["model"] == "michaelis_menten_free_magnesium") & (fits["parameter"] == "vmax")]
    of = of[of["unit_id"] != ""].groupby("group")["estimate"].apply(lambda v: np.log(v.to_numpy()))
    expected = dunnett(of["low"], of["middle"], control=of["control"], rng=np.random.default_rng(0)).pvalue
    np.testing.assert_allclose(free["p_dunnett"], expected)
    again = atpase.compare_kinetics(fits, ["control", "low", "middle"])
    pd.testing.assert_frame_equal(again, table)


def test_shared_fits_find_one_k05_and_two_vmax():
    table = atpase.shared_fits(points(lower, seed=6, animals=TWO), ["control", "low"])
    of_group = table[table["vmax_of"] == "group"].set_index("shared")
    assert of_group.loc["Vmax", "p"] < 1e-6
    assert of_group.loc["Vmax and K0.5", "delta_aicc"] > 10
    own = table[table["vmax_of"] == "animal"].set_index("shared")
    assert own.loc["K0.5", "p"] > 0.01
    assert own.loc["K0.5", "n_parameters"] == own.loc["nothing", "n_parameters"] - 1
    other = points(lambda x, c: 20 * x / ((0.6 if c == "control" else 1.5) + x), seed=6, animals=TWO)
    found = atpase.shared_fits(other, ["control", "low"]).query("vmax_of == 'animal'").set_index("shared")
    assert found.loc["K0.5", "p"] < 1e-6
    assert atpase.shared_fits(other, ["control"]).empty


def test_profile_crosses_its_limit_where_the_interval_ends():
    a = kinetics.fit_animals(points(plain, seed=7, animals=(("C1", "control"),)), SIMPLEST, FREE)[0]
    found = a.fit.parameters["ln_k05"]
    table = kinetics.profile_table(a, points=201)
    inside = table.loc[table["f"] <= table["limit"], "value"]
    step = table["value"].diff().max()
    assert inside.min() == pytest.approx(found.ci_low, abs=step)
    assert inside.max() == pytest.approx(found.ci_high, abs=step)
    assert len(atpase.profiles_of([a], "mgatp")) == 0


def test_the_condition_number_says_how_far_free_and_bound_are_apart():
    table = points(plain)
    rows = atpase.collinearity(table).set_index("tubes")
    tubes = table.drop_duplicates("magnesium_total_mm")
    design = np.column_stack([np.ones(len(tubes)), tubes["magnesium_free_mm"], tubes["mgatp_mm"]])
    scaled = design / np.linalg.norm(design, axis=0)
    values = np.linalg.svd(scaled, compute_uv=False)
    assert rows.loc["all", "condition_number"] == pytest.approx(values[0] / values[-1])
