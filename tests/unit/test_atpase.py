import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution
from statsmodels.stats.anova import anova_lm

from mgk import atpase
from mgk.atpase import standards
from mgk.fitting import fit_curve
from mgk.tables import InputError, write_table

MEDIUM = {
    "ph": 7.4,
    "temperature_c": 37,
    "ionic_strength_m": 0.15,
    "totals_mm": {"Na": 100, "K": 20, "Cl": 120, "EGTA": 1, "Tris": 30},
    "inert": ["Tris"],
}
MAGNESIUM_MM = (0.5, 1, 2, 3, 4, 6)
ANIMALS = {"A1": ("control", 20.0), "A2": ("low", 13.5)}
K05_MM = 0.6
SLOPE, INTERCEPT = 0.0075, 0.06


def plate(seed=0, noise=0.0, plate_id="p1", animals=ANIMALS, magnesium=MAGNESIUM_MM, resistant=3.0, blank_nmol=15.0):
    """A small phosphate plate with a known truth: duplicates, one nonenzymatic well for each Mg2+."""
    rng = np.random.default_rng(seed)
    rows = []

    def well(role, nmol, **columns):
        colour = SLOPE * nmol * (1 + noise * rng.normal())
        value = INTERCEPT + colour + 0.05 * noise * rng.normal()
        rows.append({"well": f"w{len(rows)}", "role": role, "value": value, **columns})

    for nmol in (0, 5, 10, 20, 40, 60, 80, 100):
        well("standard", nmol, standard_nmol=float(nmol))
        well("standard", nmol, standard_nmol=float(nmol))
    tubes = pd.DataFrame({"magnesium_total_mm": magnesium, "atp_mm": 3.0})
    free = atpase.tube_solutions(tubes, MEDIUM, "webmaxc")["magnesium_free_mm"]
    for total, free_mm in zip(magnesium, free, strict=True):
        tube = {"magnesium_total_mm": float(total), "atp_mm": 3.0, "time_min": 15.0, "aliquot_ul": 250.0}
        well("nonenzymatic", blank_nmol, **tube)
        for animal, (condition, vmax) in animals.items():
            who = {"sample_id": animal, "animal_id": animal, "preparation_id": f"{animal}-m", "condition": condition}
            enzyme = {**tube, **who, "protein_ug": 10.0}
            pump = vmax * free_mm / (K05_MM + free_mm)
            for role, activity, ouabain in (("total", pump + resistant, 0.0), ("ouabain", resistant, 1.0)):
                for _ in range(2):
                    well(role, blank_nmol + activity * 10 * 15 / 60, **enzyme, ouabain_mm=ouabain)
    frame = pd.DataFrame(rows).assign(plate_id=plate_id, run_id="r1", read=1, read_name="", flag="")
    text = ["sample_id", "animal_id", "preparation_id", "condition"]
    frame[text] = frame[text].fillna("")
    return frame


def analyse(wells):
    return atpase.activity_table(wells, atpase.standard_curves(wells), MEDIUM, "webmaxc")


def kinetics(table, abscissae=tuple(atpase.ABSCISSAE)):
    return atpase.kinetic_fits(atpase.fit_animals(table, ["michaelis_menten"], abscissae), "e")


def only(frame, **values):
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def test_exact_plate_gives_its_truth():
    table = analyse(plate())
    assert len(table) == 12
    for row in table.itertuples():
        pump = ANIMALS[row.animal_id][1] * row.magnesium_free_mm / (K05_MM + row.magnesium_free_mm)
        assert row.ouabain_sensitive_activity == pytest.approx(pump, rel=1e-9)
        assert row.ouabain_resistant_activity == pytest.approx(3.0, rel=1e-9)
        assert row.total_activity == pytest.approx(pump + 3.0, rel=1e-9)
        # nmol split by the enzyme of the 750 nmol offered
        assert row.depletion_percent == pytest.approx(100 * row.total_activity * 2.5 / 750, rel=1e-9)
    assert set(table["unit"]) == {"umol/mg/h"}
    assert list(table.columns) == list(atpase.ACTIVITY_COLUMNS)


def test_free_magnesium_and_mgatp_of_the_tubes():
    table = analyse(plate()).drop_duplicates("magnesium_total_mm")
    np.testing.assert_allclose(table["magnesium_free_mm"], [0.019, 0.046, 0.155, 0.459, 1.08, 2.76], rtol=0.03)
    np.testing.assert_allclose(table["mgatp_mm"], [0.477, 0.945, 1.82, 2.46, 2.74, 2.89], rtol=0.03)


class TestStandardCurve:
    def standards(self, x, y):
        rows = {"well": [f"w{i}" for i in range(len(x))], "role": "standard", "standard_nmol": x, "value": y}
        return pd.DataFrame(rows).assign(flag="", plate_id="p")

    def test_against_statsmodels(self):
        wells = plate(seed=3, noise=0.03)
        curve = atpase.fit_standards("p1", wells)
        data = only(wells, role="standard")
        assert curve.spread_per_nmol > 0  # colour scatters by 3 % of itself
        weights = 1 / (1 + (curve.spread_per_nmol * data["standard_nmol"]) ** 2)
        line = smf.wls("value ~ standard_nmol", data, weights=weights).fit()
        assert curve.slope == pytest.approx(line.params["standard_nmol"], rel=1e-9)
        # the growth of the scatter costs a degree of freedom
        np.testing.assert_allclose(curve.covariance, line.cov_params() * 14 / 13, rtol=1e-8)
        assert curve.dof == 13
        lack = anova_lm(line, smf.wls("value ~ C(standard_nmol)", data, weights=weights).fit()).iloc[1]
        bent = smf.wls("value ~ standard_nmol + I(standard_nmol**2)", data, weights=weights).fit()
        f = (line.ssr - bent.ssr) / (bent.ssr / 12)
        assert curve.quadratic_p == pytest.approx(f_distribution.sf(f, 1, 12), rel=1e-6)
        assert (curve.lack_of_fit_f, curve.lack_of_fit_p) == pytest.approx((lack["F"], lack["Pr(>F)"]), rel=1e-6)
        assert curve.lod_nmol == pytest.approx(3.3 * math.sqrt(line.scale * 14 / 13) / curve.slope)
        assert curve.loq_nmol == pytest.approx(10 * math.sqrt(line.scale * 14 / 13) / curve.slope)
        assert (curve.low_nmol, curve.high_nmol, curve.n_wells, curve.n_levels) == (0, 100, 16, 8)
        assert curve.verdict == "identified"

    def test_a_bent_curve_is_weak(self):
        x = np.repeat([0.0, 20, 40, 60, 80, 100], 2)
        noise = np.random.default_rng(1).normal(0, 0.003, x.size)
        curve = atpase.fit_standards("p", self.standards(x, 0.05 + 0.0075 * x + 2e-5 * x**2 + noise))
        assert curve.verdict == "weak"
        assert curve.lack_of_fit_p < 1e-4
        assert curve.quadratic_p < 1e-4
        assert "straight line" in curve.reason

    def test_saturated_levels_are_left_out_and_named(self):
        x = np.repeat([0.0, 5, 10, 20, 40, 60, 80, 100], 2)
        straight = 0.05 + 0.0075 * x + np.random.default_rng(1).normal(0, 0.003, x.size)
        clipped = self.standards(x, np.minimum(straight, 0.52))
        curve = atpase.fit_standards("p", clipped)
        assert curve.saturated_nmol == (80, 100)
        assert (curve.high_nmol, curve.n_levels, curve.verdict) == (60, 6, "weak")
        assert "saturates: the standards of 80, 100 nmol are left out" in curve.reason
        # the same as if nobody had pipetted them
        alone = atpase.fit_standards("p", clipped[clipped["standard_nmol"] <= 60])
        assert (curve.slope, curve.intercept, curve.residual_sd) == (alone.slope, alone.intercept, alone.residual_sd)
        assert atpase.fit_standards("p", self.standards(x, straight)).saturated_nmol == ()

    def test_no_curve_without_a_slope_or_levels(self):
        x = np.repeat([0.0, 50, 100], 2)
        flat = atpase.fit_standards("p", self.standards(x, [0.1, 0.2, 0.2, 0.1, 0.1, 0.2]))
        assert flat.verdict == "not_identified"
        assert "does not rise" in flat.reason
        two = atpase.fit_standards("p", self.standards([0.0, 0, 50, 50], [0.1, 0.1, 0.4, 0.4]))
        assert two.reason == "2 levels of the standard; at least 3 are needed"
        with pytest.raises(InputError, match="no standard_nmol"):
            atpase.fit_standards("p", self.standards([0.0, 1, np.nan], [0, 1, 2]))

    def test_flagged_standards_have_no_part(self):
        wells = plate(seed=3, noise=0.03)
        first = wells.index[0]
        wells.loc[first, ["value", "flag"]] = [9.0, "masked"]
        without = atpase.fit_standards("p1", wells.drop(index=first))
        assert atpase.fit_standards("p1", wells).slope == without.slope

    def test_table_and_amount_without_curve(self):
        wells = plate().query("role != 'standard' or standard_nmol < 10")
        table = atpase.curve_table("e", atpase.standard_curves(wells))
        assert table.loc[0, "verdict"] == "not_identified"
        activity = analyse(wells)
        assert activity["ouabain_sensitive_activity"].isna().all()
        assert activity["flag"].str.startswith("no standard curve: 2 levels").all()


class TestFieller:
    def test_against_the_textbook_interval_of_inverse_prediction(self):
        # Draper and Smith: x0 about the mean of x, with d = b^2 - t^2 s_b^2
        wells = only(plate(), role="standard")
        scatter = np.tile([0.01, -0.012, -0.008, 0.009], 4)[: len(wells)]
        wells = wells.assign(value=wells["value"] + scatter)
        curve = atpase.fit_standards("p1", wells)
        assert curve.spread_per_nmol == 0
        x = wells["standard_nmol"].to_numpy()
        sxx, s = np.sum((x - x.mean()) ** 2), curve.residual_sd
        quantile, signals = t_distribution.ppf(0.975, 14), np.array([0.31, 0.35, 0.33])
        net = signals.mean() - (curve.intercept + curve.slope * x.mean())
        d = curve.slope**2 - quantile**2 * s**2 / sxx
        half = quantile * s / d * math.sqrt(net**2 / sxx + d * (1 / 3 + 1 / 16))
        estimate, low, high = atpase.amount_nmol(curve, signals)
        assert estimate == pytest.approx((0.33 - curve.intercept) / curve.slope)
        assert (low, high) == pytest.approx(
            (x.mean() + curve.slope * net / d - half, x.mean() + curve.slope * net / d + half)
        )

    def test_by_hand(self):
        # 2/4 with variances 0.25 and 0.16, no covariance, quantile 2: (16 - 0.64) r^2 - 16 r + 3 = 0
        roots = np.roots([15.36, -16, 3])
        assert atpase.fieller(2, 4, 0.25, 0.16, 0, 2) == pytest.approx((roots.min(), roots.max()))

    def test_unbounded_when_the_denominator_may_be_zero(self):
        assert atpase.fieller(1, 1, 0.1, 1, 0, 2) == (-math.inf, math.inf)
        assert all(math.isnan(v) for v in atpase.fieller(1, 1, 0.1, 0.1, 0, math.nan))

    def test_coverage(self):
        rng = np.random.default_rng(11)
        x = np.repeat([0.0, 20, 40, 60, 80, 100], 2)
        inside = 0
        for _ in range(200):
            y = 0.05 + 0.0075 * x + rng.normal(0, 0.03, x.size)
            curve = atpase.fit_standards("p", TestStandardCurve().standards(x, y))
            _, low, high = atpase.amount_nmol(curve, 0.05 + 0.0075 * 35 + rng.normal(0, 0.03, 2))
            inside += low <= 35 <= high
        assert 0.92 <= inside / 200 <= 0.98


def test_standard_error_is_the_scatter_of_repeated_plates():
    one = {"A1": ANIMALS["A1"]}
    plates = [plate(seed=s, noise=0.03, plate_id=f"p{s}", animals=one, magnesium=(2, 4)) for s in range(50)]
    wells = pd.concat(plates, ignore_index=True)
    table = only(analyse(wells), animal_id="A1", magnesium_total_mm=4.0)
    for value, se in (
        ("ouabain_sensitive_activity", "se"),
        ("total_activity", "total_se"),
        ("ouabain_resistant_activity", "ouabain_resistant_se"),
    ):
        assert np.sqrt((table[se] ** 2).mean()) == pytest.approx(table[value].std(), rel=0.2)
    # blank and slope are shared: added in quadrature they would be counted twice
    assert (table["se"] < np.hypot(table["total_se"], table["ouabain_resistant_se"])).all()
    truth = 20 * 1.0825 / (0.6 + 1.0825)
    assert table["ouabain_sensitive_activity"].mean() == pytest.approx(truth, rel=0.02)
    inside = (table["ci_low"] <= truth) & (truth <= table["ci_high"])
    assert 0.88 <= inside.mean() <= 1


def test_the_error_of_the_slope_enters_once_and_fieller_has_the_degrees_of_freedom_of_both_errors():
    wells = plate(seed=2, noise=0.03)
    noise = np.random.default_rng(4).normal(0, 0.05, len(wells)) * (wells["role"] == "standard")
    wells = wells.assign(value=wells["value"] + noise)
    curve = atpase.fit_standards("p1", wells)
    var_slope = curve.covariance[1, 1]
    for row in analyse(wells).itertuples():
        value = row.ouabain_sensitive_activity
        assert row.se**2 == pytest.approx(row.replicate_se**2 + value**2 * var_slope / curve.slope**2)
        var = (row.replicate_se * curve.slope) ** 2
        # Fieller: both limits lie as many standard errors from the estimate, those of the limit itself
        low, high = (
            abs(value - limit) * curve.slope / math.sqrt(var + limit**2 * var_slope)
            for limit in (row.ci_low, row.ci_high)
        )
        assert low == pytest.approx(high)
        # 12 degrees of freedom of the replicates at the most, 14 of the curve; together more than either
        assert t_distribution.ppf(0.975, 26) < low < t_distribution.ppf(0.975, 2)


def test_the_growth_of_scatter_is_that_of_the_groups():
    rng = np.random.default_rng(6)
    x = np.repeat(np.linspace(0, 5, 40), 5)
    squares = 0.02**2 * (1 + (0.8 * x) ** 2) * rng.chisquare(3, x.size)
    found = standards.growth_of_scatter(x, squares, np.full(x.size, 3))
    assert found == pytest.approx(0.8**2, rel=0.5)
    # exactly equal scatter, and none at all
    assert standards.growth_of_scatter(x, np.full(x.size, 0.1), np.full(x.size, 3)) == pytest.approx(0, abs=1e-4)
    assert standards.growth_of_scatter(x, np.zeros(x.size), np.full(x.size, 3)) == 0


@settings(max_examples=6, deadline=None)
@given(gain=st.floats(0.1, 10), offset=st.floats(-1, 1))
def test_activity_does_not_depend_on_gain_and_offset_of_the_reader(gain, offset):
    wells = plate(seed=2, noise=0.03, magnesium=(1, 4))
    changed = wells.assign(value=offset + gain * wells["value"])
    columns = ["total_activity", "ouabain_sensitive_activity", "se", "ci_low", "ci_high"]
    np.testing.assert_allclose(analyse(changed)[columns], analyse(wells)[columns], rtol=1e-6, atol=1e-9)


def test_nonenzymatic_wells_cancel_in_the_sensitive_activity():
    wells = plate(seed=2, noise=0.03)
    before = analyse(wells)
    raised = wells.assign(value=wells["value"] + 0.1 * (wells["role"] == "nonenzymatic"))
    after = analyse(raised)
    np.testing.assert_allclose(after["ouabain_sensitive_activity"], before["ouabain_sensitive_activity"], rtol=1e-12)
    assert (after["total_activity"] < before["total_activity"]).all()
    without = analyse(wells[wells["role"] != "nonenzymatic"])
    np.testing.assert_allclose(without["ouabain_sensitive_activity"], before["ouabain_sensitive_activity"], rtol=1e-12)
    np.testing.assert_allclose(without["se"], before["se"], rtol=1e-12)
    assert without["total_activity"].isna().all()
    assert without["flag"].str.contains("no nonenzymatic well").all()


def test_unequal_protein_brings_the_blank_back():
    wells = plate()
    wells.loc[wells["role"] == "ouabain", "protein_ug"] = 20.0
    wells.loc[wells["role"] == "ouabain", "value"] = INTERCEPT + SLOPE * (15 + 3.0 * 20 * 15 / 60)
    table = analyse(wells)
    pump = table["animal_id"].map(lambda a: ANIMALS[a][1]) * table["magnesium_free_mm"]
    np.testing.assert_allclose(
        table["ouabain_sensitive_activity"], pump / (K05_MM + table["magnesium_free_mm"]), rtol=1e-9
    )
    assert analyse(wells[wells["role"] != "nonenzymatic"])["ouabain_sensitive_activity"].isna().all()


@pytest.mark.parametrize("flag", ["overflow", "missing", "masked"])
def test_a_bad_well_changes_only_its_own_preparation(flag):
    wells = plate(seed=2, noise=0.03)
    before = analyse(wells)
    bad = only(wells, role="total", animal_id="A1", magnesium_total_mm=3.0).index[0]
    hurt = wells.copy()
    hurt.loc[bad, ["value", "flag"]] = [np.nan, flag]
    after = analyse(hurt)
    pd.testing.assert_frame_equal(only(after, animal_id="A2"), only(before, animal_id="A2"))
    row = only(after, animal_id="A1", magnesium_total_mm=3.0).iloc[0]
    assert row["n_total"] == 1
    assert row["flag"] == f"total well {wells.loc[bad, 'well']}: {flag}"
    assert math.isfinite(row["ouabain_sensitive_activity"])
    others = before["magnesium_total_mm"] != 3.0
    np.testing.assert_array_equal(
        after.loc[others, "ouabain_sensitive_activity"], before.loc[others, "ouabain_sensitive_activity"]
    )
    partner = wells[(wells["role"] == "total") & (wells["animal_id"] == "A1") & (wells["magnesium_total_mm"] == 3.0)]
    hurt.loc[partner.index, ["value", "flag"]] = [np.nan, flag]
    none = only(analyse(hurt), animal_id="A1", magnesium_total_mm=3.0).iloc[0]
    assert math.isnan(none["ouabain_sensitive_activity"])
    assert math.isfinite(none["ouabain_resistant_activity"])
    assert "no total well" in none["flag"]


def test_amounts_outside_the_range_are_flagged_and_kept():
    high = analyse(plate(seed=1, noise=0.01, animals={"A1": ("control", 60.0)}))
    above = high[high["flag"].str.contains("total above the standards")]
    assert list(above["magnesium_total_mm"]) == [4.0, 6.0]
    assert above["ouabain_sensitive_activity"].notna().all()
    low = analyse(plate(seed=1, noise=0.06, blank_nmol=1.0, resistant=0.0))
    assert low["flag"].str.contains("ouabain below the limit of detection").all()
    assert low["ouabain_sensitive_activity"].notna().all()


def test_without_replicates_there_is_an_estimate_and_no_error():
    wells = plate(seed=2, noise=0.03)
    sample = wells["role"].isin(["total", "ouabain"])
    single = wells[~sample | ~wells.duplicated(["role", "animal_id", "magnesium_total_mm"])]
    table = analyse(single)
    assert table["ouabain_sensitive_activity"].notna().all()
    assert table[["se", "ci_low", "ci_high"]].isna().all(axis=None)
    assert table["flag"].str.contains("no replicates, so no standard error").all()
    assert (kinetics(table, ["free_magnesium"])["verdict"] != "not_identified").any()


def test_substrate_depletion_is_flagged_and_its_failures_are_not_fitted():
    # Vmax 40 splits up to 12 %, 60 up to 18 % of 750 nmol
    warned = analyse(plate(animals={"A1": ("control", 40.0)}))
    assert list(warned.loc[warned["flag"].str.contains("warn"), "magnesium_total_mm"]) == [6.0]
    failed = analyse(plate(animals={"A1": ("control", 60.0)}))
    at_fault = failed["flag"].str.contains("fail, not fitted")
    assert list(failed.loc[at_fault, "magnesium_total_mm"]) == [6.0]
    assert failed.loc[at_fault, "ouabain_sensitive_activity"].notna().all()
    fits = kinetics(failed, ["free_magnesium"])
    assert only(fits, unit_id="A1")["reason"].str.contains("1 of 6 points left out").all()
    unknown = analyse(plate().drop(columns="aliquot_ul"))
    assert unknown["depletion_percent"].isna().all()
    assert unknown["flag"].str.contains("substrate depletion not known").all()


@pytest.fixture(scope="module")
def measured():
    vmax = {"control": 20.0, "low": 13.5}
    plates = []
    for k in range(3):
        animals = {f"{group[0]}{k}": (group, v * (0.9, 1.0, 1.1)[k]) for group, v in vmax.items()}
        series = (0.25, 0.5, 1, 2, 3, 4, 6, 8)
        plates.append(plate(seed=40 + k, noise=0.03, plate_id=f"p{k}", animals=animals, magnesium=series))
    table = analyse(pd.concat(plates, ignore_index=True))
    return table, kinetics(table)


class TestKinetics:
    def test_truth_within_the_intervals(self, measured):
        _, fits = measured
        free = only(fits, model="michaelis_menten_free_magnesium")
        for unit, factor in (("c0", 0.9), ("c1", 1.0), ("c2", 1.1)):
            rows = only(free, unit_id=unit).set_index("parameter")
            assert rows.loc["vmax", "ci_low"] <= 20 * factor <= rows.loc["vmax", "ci_high"]
            assert rows.loc["k05", "ci_low"] <= K05_MM <= rows.loc["k05", "ci_high"]
        for group, vmax in (("control", 20), ("low", 13.5)):
            rows = only(free, unit_id="", group=group).set_index("parameter")
            assert rows.loc["vmax", "ci_low"] <= vmax <= rows.loc["vmax", "ci_high"]
            assert rows.loc["k05", "ci_low"] <= K05_MM <= rows.loc["k05", "ci_high"]
            assert (rows["n_animals"] == 3).all()
            assert rows.loc["vmax", "estimate"] == pytest.approx(vmax, rel=0.1)

    def test_points_are_weighted_and_k05_averaged_as_logarithms(self, measured):
        table, fits = measured
        free = only(fits, model="michaelis_menten_free_magnesium", parameter="k05")
        points = only(table, animal_id="c1")
        x, y = points["magnesium_free_mm"].to_numpy(), points["ouabain_sensitive_activity"]
        fit = fit_curve(atpase.michaelis_menten, x, y, {"vmax": 20, "ln_k05": -0.5}, sd=points["replicate_se"])
        assert only(free, unit_id="c1")["estimate"].iloc[0] == pytest.approx(
            math.exp(fit.parameters["ln_k05"].value), rel=1e-6
        )
        control = only(free, group="control")
        animals = control.loc[control["unit_id"] != "", "estimate"]
        assert only(control, unit_id="")["estimate"].iloc[0] == pytest.approx(np.exp(np.log(animals).mean()))

    def test_other_abscissae_do_worse_and_say_so(self, measured):
        _, fits = measured
        animals = fits[fits["unit_id"] != ""]
        assert only(animals, model="michaelis_menten_free_magnesium")["reason"].eq("").all()
        for model in ("michaelis_menten_total_magnesium", "michaelis_menten_mgatp"):
            rows = only(animals, model=model)
            assert rows["reason"].str.contains("above the best abscissa").all()
            assert rows["verdict"].eq("not_identified").all()

    def test_collinearity(self, measured):
        table, _ = measured
        rows = atpase.collinearity(table).set_index("tubes")
        tubes = table.drop_duplicates("magnesium_total_mm")
        assert rows.loc["all", "n_compositions"] == 8
        assert rows.loc["all", "correlation"] == pytest.approx(
            np.corrcoef(tubes["magnesium_free_mm"], tubes["mgatp_mm"])[0, 1]
        )
        low = tubes[tubes["magnesium_total_mm"] <= 3]
        assert rows.loc["total Mg2+ up to ATP", "n_compositions"] == len(low) == 5
        assert rows.loc["total Mg2+ up to ATP", "correlation"] == pytest.approx(
            np.corrcoef(low["magnesium_free_mm"], low["mgatp_mm"])[0, 1]
        )
        assert rows.loc["all", "rank_correlation"] == pytest.approx(1)

    def test_predictions_name_what_they_rest_on(self, measured):
        _, fits = measured
        table = atpase.predictions(fits)
        assert list(table["k05_mm"][:2]) == [0.6, 0.069]
        np.testing.assert_allclose(table["relative_rate"][:2], [0.53, 0.87], atol=0.005)
        assert "no source" in table["source"][0]
        assert "Pilotelle-Bunner" in table["source"][1]
        assert list(table["source"][2:]) == ["recovered here: control", "recovered here: low"]

    def test_too_few_levels_are_not_identified(self, measured):
        table, _ = measured
        few = kinetics(table[table["magnesium_total_mm"] > 5])
        assert few["verdict"].eq("not_identified").all()
        assert few["estimate"].isna().all()
        assert few["reason"].str.contains("2 levels of").any()


def test_dilution_before_the_read_scales_activity():
    wells = plate(seed=2, noise=0.03).assign(dilution_factor=2.0)
    before, after = analyse(plate(seed=2, noise=0.03)), analyse(wells)
    for column in ("total_activity", "ouabain_sensitive_activity", "se", "depletion_percent"):
        np.testing.assert_allclose(after[column], 2 * before[column], rtol=1e-12)
    wells.loc[wells["role"] == "nonenzymatic", "dilution_factor"] = 1.0
    with pytest.raises(InputError, match="diluted alike"):
        analyse(wells)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("animal_id", "other", "preparation A1-m: animal_id is A1, other"),
        ("condition", "other", "preparation A1-m: condition is control, other"),
        ("ouabain_mm", 0.1, "preparation A1-m: ouabain_mm is 1.0, 0.1"),
        ("atp_mm", np.nan, "atp_mm is empty"),
    ],
)
def test_contradictions_are_refused(column, value, message):
    wells = plate()
    last = wells[(wells["preparation_id"] == "A1-m") & (wells["role"] == "ouabain")].index[-1]
    wells.loc[last, column] = value
    with pytest.raises(InputError, match=message):
        analyse(wells)


def test_one_read_for_each_plate():
    wells = plate()
    assert atpase.one_read(wells) is not None
    two = pd.concat([wells.assign(read=1, read_name="phosphate"), wells.assign(read=2, read_name="turbidity")])
    pd.testing.assert_series_equal(atpase.one_read(two)["value"], wells["value"])
    with pytest.raises(InputError, match=r"plate p1: .*=phosphate"):
        atpase.one_read(two.assign(read_name=""))
    with pytest.raises(InputError, match="several values for a well"):
        atpase.one_read(pd.concat([wells, wells]))
    kinetic = pd.concat([wells.assign(time_s=0.0), wells.assign(time_s=30.0)])
    with pytest.raises(InputError, match="plate p1: is a kinetic read; the analysis for it is coupled_assay"):
        atpase.one_read(kinetic)


def test_excluded_plates_are_left_out(tmp_path):
    wells = pd.concat([plate(), plate(plate_id="p2")])
    write_table(wells.assign(experiment="e"), tmp_path / "plates/e/wells.csv")
    quality = pd.DataFrame({"plate_id": ["p1", "p2"], "verdict": ["warn", "exclude"], "reason": ["", "empty"]})
    write_table(quality, tmp_path / "plates/e/quality.csv")
    rows = pd.DataFrame({"plate_id": ["p1", "p2"], "protein_plate": "", "standards_plate": ""})
    project = SimpleNamespace(results=tmp_path, table=lambda name: rows)
    loaded = atpase.load_wells(project, "e")
    assert set(loaded["plate_id"]) == {"p1"}
    pd.testing.assert_frame_equal(analyse(loaded), analyse(plate()))
    write_table(quality.assign(verdict="exclude"), tmp_path / "plates/e/quality.csv")
    with pytest.raises(InputError, match="excludes all"):
        atpase.load_wells(project, "e")


def test_a_plate_of_standards_alone_gives_empty_tables():
    wells = plate().query("role == 'standard'")
    table = analyse(wells)
    assert table.empty
    assert list(table.columns) == list(atpase.ACTIVITY_COLUMNS)
    assert kinetics(table).empty
