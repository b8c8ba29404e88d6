"""Gates, ranges and what saturates; the checklist of what a reader has to be told."""

import numpy as np
import pandas as pd
import pytest
from test_atpase import MEDIUM, SLOPE, plate

from mgk import atpase

KEYS = ["plate_id", "preparation_id", "magnesium_total_mm"]


def analyse(wells):
    curves = atpase.standard_curves(wells)
    return atpase.activity_table(wells, curves, MEDIUM, "webmaxc"), curves


def quality(**columns):
    return pd.DataFrame([{"plate_id": "p1", "z_prime": 0.8, "verdict": "pass", "reason": ""} | columns])


def two_plates():
    one = plate(seed=2, noise=0.03, plate_id="p1", animals={"A1": ("control", 20.0)})
    two = plate(seed=3, noise=0.03, plate_id="p2", animals={"B1": ("control", 20.0), "B2": ("low", 9.0)})
    return pd.concat([one, two], ignore_index=True)


class TestSaturation:
    """A standard curve that saturates, and a sample above it: each has its flag, and nothing else changes by a bit."""

    @pytest.fixture
    def before_and_after(self):
        wells = two_plates()
        hurt = wells.copy()
        ceiling = 0.06 + SLOPE * 62
        on_two = hurt["plate_id"] == "p2"
        standards = on_two & (hurt["role"] == "standard")
        hurt.loc[standards, "value"] = np.minimum(hurt.loc[standards, "value"], ceiling)
        above = on_two & (hurt["role"] == "total") & (hurt["animal_id"] == "B1") & (hurt["magnesium_total_mm"] == 6)
        hurt.loc[above, "value"] = 0.06 + SLOPE * 75
        return wells, hurt

    def test_each_has_its_flag(self, before_and_after):
        table, curves = analyse(before_and_after[1])
        assert curves["p1"].saturated_nmol == ()
        assert curves["p2"].saturated_nmol == (80, 100)
        assert "saturates: the standards of 80, 100 nmol are left out" in curves["p2"].reason
        flagged = table[table["flag"].str.contains("above the linear range, where the curve saturates")]
        assert flagged[KEYS].to_numpy().tolist() == [["p2", "B1-m", 6.0]]
        assert flagged["flag"].str.endswith("saturates: a lower limit").all()
        # censored: lower limits without an error, the resistant part untouched
        for which in ("total_", ""):
            assert np.isposinf(flagged[f"{which}ci_high"]).all()
            assert np.isfinite(flagged[f"{which}ci_low"]).all()
            assert flagged[f"{which}se"].isna().all()
        assert np.isfinite(flagged["ouabain_resistant_ci_high"]).all()
        amounts = atpase.amounts_table(before_and_after[1], curves)
        beyond = amounts[amounts["flag"].str.contains("above the linear range")]
        assert len(beyond) == 1
        assert np.isposinf(beyond["ci_high"]).all()
        gates = atpase.gates_table(table, before_and_after[1], curves, quality())
        excluded = gates[gates["verdict"] == "exclude"]
        assert excluded[["gate", *KEYS]].to_numpy().tolist() == [["range of the standards", "p2", "B1-m", 6.0]]
        fits = atpase.fit_animals(table, ["michaelis_menten"], ["free_magnesium"])
        assert {a.animal_id: a.left_out for a in fits} == {"A1": 0, "B1": 1, "B2": 0}

    def test_what_rests_on_saturated_standards_is_weak_at_the_best(self, before_and_after):
        for wells, on_two in zip(before_and_after, ({"identified"}, {"weak"}), strict=True):
            table, _ = analyse(wells)
            fits = atpase.kinetic_fits(atpase.fit_animals(table, ["michaelis_menten"], ["free_magnesium"]), "e")
            of_animals = fits[fits["unit_id"] != ""]
            assert set(of_animals.loc[of_animals["unit_id"] == "A1", "verdict"]) == {"identified"}
            second = of_animals[of_animals["unit_id"] != "A1"]
            assert set(second["verdict"]) == on_two
        assert second["reason"].str.contains("standards: saturates: the standards of 80, 100 nmol are left out").all()
        groups = fits[(fits["unit_id"] == "") & (fits["group"] == second["group"].iloc[0])]
        assert groups["reason"].str.contains("cells weak").all()

    def test_the_other_plate_does_not_change_by_a_bit(self, before_and_after):
        before, after = (analyse(wells)[0].query("plate_id == 'p1'") for wells in before_and_after)
        pd.testing.assert_frame_equal(after, before, check_exact=True)

    def test_the_plate_itself_is_as_if_nobody_had_pipetted_what_saturates(self, before_and_after):
        hurt = before_and_after[1]
        without = hurt[(hurt["plate_id"] != "p2") | ~(hurt["standard_nmol"] > 60)]
        numbers = [c for c in atpase.ACTIVITY_COLUMNS if c not in ("flag", "standard_curve")]
        after, alone = analyse(hurt)[0], analyse(without)[0]
        inside = ~after["flag"].str.contains("lower limit")
        assert (~inside).sum() == 1
        pd.testing.assert_frame_equal(after.loc[inside, numbers], alone.loc[inside, numbers], check_exact=True)

    def test_a_sample_above_changes_no_other_activity_by_a_bit(self, before_and_after):
        hurt = before_and_after[1]
        higher = hurt.copy()
        above = (hurt["role"] == "total") & (hurt["animal_id"] == "B1") & (hurt["magnesium_total_mm"] == 6)
        higher.loc[above, "value"] += 0.2
        one, two = analyse(hurt)[0], analyse(higher)[0]
        itself = (one["animal_id"] == "B1") & (one["magnesium_total_mm"] == 6)
        values = ["total_activity", "ouabain_resistant_activity", "ouabain_sensitive_activity"]
        pd.testing.assert_frame_equal(two.loc[~itself, values], one.loc[~itself, values], check_exact=True)
        others = one["animal_id"] != "B1"
        pd.testing.assert_frame_equal(two[others], one[others], check_exact=True)
        assert (two.loc[itself, "ouabain_sensitive_activity"] > one.loc[itself, "ouabain_sensitive_activity"]).all()

    def test_amounts_carry_the_same_flags_with_their_interval(self, before_and_after):
        hurt = before_and_after[1]
        amounts = atpase.amounts_table(hurt, atpase.standard_curves(hurt))
        above = amounts[amounts["flag"].str.contains("saturates")]
        assert above[["plate_id", "role", "sample_id"]].to_numpy().tolist() == [["p2", "total", "B1"]]
        known = amounts[amounts["amount_nmol"].notna()]
        assert ((known["ci_low"] < known["amount_nmol"]) & (known["amount_nmol"] < known["ci_high"])).all()


def test_amounts_without_a_curve_or_a_value_say_why():
    wells = plate(seed=1, noise=0.02)
    first = wells[wells["role"] == "total"].index[:2]
    wells.loc[first, ["value", "flag"]] = [np.nan, "missing"]
    amounts = atpase.amounts_table(wells, atpase.standard_curves(wells))
    assert list(amounts.loc[amounts["n_wells"] == 0, "flag"]) == ["no well has a value"]
    few = wells.query("role != 'standard' or standard_nmol < 10")
    assert (
        atpase.amounts_table(few, atpase.standard_curves(few))["flag"].str.startswith(("no standard", "no well")).all()
    )


def test_standards_may_stand_on_another_plate():
    wells = two_plates().assign(standards_plate="")
    alone = wells[(wells["plate_id"] == "p1") | (wells["role"] != "standard")].copy()
    alone.loc[alone["plate_id"] == "p2", "standards_plate"] = "p1"
    curves = atpase.standard_curves(alone)
    assert curves["p2"] is curves["p1"]
    assert analyse(alone)[0]["ouabain_sensitive_activity"].notna().all()


def test_depletion_and_controls_are_judged():
    wells = plate(animals={"A1": ("control", 60.0)})
    table, curves = analyse(wells)
    gates = atpase.gates_table(table, wells, curves, quality(z_prime=0.6, z_prime_ci_low=0.4, z_prime_ci_high=0.7))
    depletion = gates[gates["gate"] == "substrate depletion"].set_index("magnesium_total_mm")
    assert depletion.loc[0.5, "verdict"] == "pass"
    assert depletion.loc[6.0, "verdict"] == "exclude"
    assert "not an initial rate" in depletion.loc[6.0, "reason"]
    z = gates[gates["gate"] == "Z'"].iloc[0]
    assert (z["verdict"], z["reason"], z["ci_low"]) == ("warn", "the interval reaches below 0.5", 0.4)
    assert (gates["source"] != "").all()
    few = atpase.gates_table(table, wells, curves, quality(z_prime=np.nan))
    assert "fewer than 4 controls" in few.loc[few["gate"] == "Z'", "reason"].item()
    edge = quality(edge_percent=25.0, edge_ci_low=20.0, edge_ci_high=30.0, reason="edge effect 25.0 % is beyond 20 %")
    judged = atpase.gates_table(table, wells, curves, edge)
    assert judged.loc[judged["gate"] == "edge effect", "verdict"].item() == "warn"


@pytest.mark.parametrize(("bend", "verdict"), [(0.0, "pass"), (0.02, "warn")])
def test_linearity_in_time_is_tested_where_there_are_times(bend, verdict):
    wells = plate(seed=4, noise=0.01, animals={"A1": ("control", 20.0)})
    one = wells[(wells["role"] == "total") & (wells["magnesium_total_mm"] == 6)].iloc[[0]]
    rng = np.random.default_rng(1)
    times = np.repeat([5.0, 10.0, 15.0, 20.0], 3)
    nmol = 15 + 3 * times * (1 - bend * times)
    more = pd.concat([one] * times.size, ignore_index=True).assign(
        time_min=times, value=0.06 + SLOPE * nmol + rng.normal(0, 0.003, times.size)
    )
    more["well"] = [f"t{i}" for i in range(times.size)]
    series = pd.concat([wells[wells["role"] == "standard"], more], ignore_index=True)
    table, curves = analyse(wells)
    gates = atpase.gates_table(table, series, curves, quality())
    assert list(gates.loc[gates["gate"] == "linearity in time", "verdict"]) == [verdict]
    untested = gates[gates["gate"] == "linearity in protein"].iloc[0]
    assert (untested["verdict"], untested["reason"].startswith("not tested")) == ("warn", True)


def test_strenda_names_what_is_missing_and_fills_what_is_there():
    wells = plate(seed=2, noise=0.03).assign(assay="inorganic phosphate", temperature_c=37.0)
    table, _ = analyse(wells)
    fits = atpase.kinetic_fits(atpase.fit_animals(table, ["michaelis_menten"], ["free_magnesium"]), "e")
    settings = {"strenda": {"enzyme": "Na+/K+-ATPase, EC 7.2.2.13"}}
    items = atpase.strenda_table(settings, MEDIUM, wells, table, fits).set_index("item")
    assert items.loc["enzyme: name and EC number", "state"] == "given"
    assert items.loc["pH", "value"] == "7.4"
    assert items.loc["temperature of the assay, C", "value"] == "37"
    assert items.loc["number of animals", "value"] == "2"
    assert items.loc["metal: total Mg2+, mM", "value"] == "0.5, 1, 2, 3, 4, 6"
    assert "vmax (umol/mg/h)" in items.loc["kinetic parameters with units and errors", "value"]
    missing = items[items["state"] == "missing"]
    assert "modifications of the enzyme, or none" in missing.index
    assert (missing["value"] == "").all()
    assert (items["where"] != "").all()
    bare = atpase.strenda_table({}, {}, wells.drop(columns=["assay", "temperature_c"]), table.iloc[:0], fits.iloc[:0])
    assert (bare["state"] == "missing").sum() > len(missing) + 5
