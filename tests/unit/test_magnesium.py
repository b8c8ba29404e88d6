"""Free Mg2+ from mag-fura-2: sensitivities, incomplete saturation, censoring, shared and own errors, coverage."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from mgk.magnesium import (
    Settings,
    calibrate,
    calibration_table,
    curve,
    free_magnesium_mm,
    group_table,
    kd_choices,
    paired_wells,
    ratio_at,
    sample_draws_mm,
    sample_table,
    samples,
    saturated,
    settings,
)
from mgk.tables.problems import InputError

KD, RMIN, RMAX, BETA = 1.9, 0.45, 3.4, 4.2
GIVEN = Settings(KD, "test")
BACKGROUND = {"340": 900.0, "380": 700.0}


def dye(magnesium_mm, counts=20000.0):
    """Return F340 and F380 of dye at a free Mg2+, with F380 of the free dye as given."""
    free = 1.0 if magnesium_mm == 0 else KD / (KD + magnesium_mm) if math.isfinite(magnesium_mm) else 0.0
    bound = 1 - free
    return {"340": counts * (RMIN * free + RMAX * bound / BETA), "380": counts * (free + bound / BETA)}


def plate(
    donors, *, n_calibration=6, n_wells=3, rmax_mm=math.inf, noise=0.006, loading=0.12, seed=1, run="r1", plate_id="p1"
):
    """Return wells.csv of a made-up plate; `donors` maps sample ids to free Mg2+ in mM."""
    rng = np.random.default_rng(seed)
    contents = [("background", "", None)] * n_calibration
    contents += [("rmin", "", 0.0)] * n_calibration + [("rmax", "", rmax_mm)] * n_calibration
    contents += [("sample", sample_id, mm) for sample_id, mm in donors.items() for _ in range(n_wells)]
    rows = []
    for place, (role, sample_id, mm) in enumerate(contents):
        load = math.exp(rng.normal(0, loading))
        for read, name in enumerate(("340", "380"), 1):
            signal = 0.0 if mm is None else load * dye(mm)[name]
            value = (signal + BACKGROUND[name] + rng.normal(0, 30) * (noise > 0)) * (1 + rng.normal(0, noise))
            rows.append(
                {
                    "plate_id": plate_id,
                    "experiment": "platelets",
                    "run_id": run,
                    "read": read,
                    "read_name": name,
                    "time_s": math.nan,
                    "well": f"{'ABCDEFGH'[place % 8]}{place // 8 + 1}",
                    "value": value,
                    "flag": "",
                    "role": role,
                    "sample_id": sample_id,
                    "animal_id": sample_id.split("_")[0],
                    "condition": "platelets" if sample_id else "",
                }
            )
    return pd.DataFrame(rows)


def exact_plate(donors, **options):
    return plate(donors, noise=0.0, loading=0.0, **options)


def result(wells, given=GIVEN, draws=1000):
    pairs = paired_wells(wells)
    calibrations = calibrate(pairs, draws=draws)
    found = samples(pairs, calibrations)
    return sample_table(found, calibrations, given).set_index("sample_id"), calibrations, found


def groups(wells, given=GIVEN, draws=1000):
    _, calibrations, found = result(wells, given, draws)
    return group_table(found, calibrations, given)


DONORS = {f"d{n}": mm for n, mm in enumerate((0.38, 0.41, 0.43, 0.44, 0.46, 0.48, 0.5, 0.55))}


# The equation


@pytest.mark.parametrize(
    ("changed", "percent"),
    [("ratio", 8.2), ("rmin", -5.7), ("rmax", -2.4), ("beta", 2.0), ("kd_mm", 2.0)],
)
def test_sensitivity_at_platelet_level(changed, percent):
    true = {"ratio": ratio_at(0.45, RMIN, RMAX, BETA, KD), "rmin": RMIN, "rmax": RMAX, "beta": BETA, "kd_mm": KD}
    value = free_magnesium_mm(**{name: v * (1.02 if name == changed else 1) for name, v in true.items()})
    assert 100 * (value / 0.45 - 1) == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize(("share", "percent"), [(0.02, 5), (0.05, 13), (0.10, 24)])
def test_background_left_in_the_sample(share, percent):
    """An equal background in both channels, as a share of the sample's own F380."""
    signal = dye(0.45)
    background = share * signal["380"]
    ratio = (signal["340"] + background) / (signal["380"] + background)
    assert 100 * (free_magnesium_mm(ratio, RMIN, RMAX, BETA, KD) / 0.45 - 1) == pytest.approx(percent, abs=0.9)


def test_incomplete_saturation():
    rmax = ratio_at(35, RMIN, RMAX, BETA, KD)
    beta = dye(0)["380"] / dye(35)["380"]
    assert rmax / RMAX == pytest.approx(0.84, abs=0.002)
    assert beta == pytest.approx(3.61, abs=0.005)
    ratio = ratio_at(0.45, RMIN, RMAX, BETA, KD)
    assert free_magnesium_mm(ratio, RMIN, rmax, beta, KD) == pytest.approx(0.48, abs=0.005)
    assert free_magnesium_mm(ratio, RMIN, rmax, BETA, KD) == pytest.approx(0.56, abs=0.005)
    corrected = saturated(RMIN, rmax, beta, KD, 35)
    assert corrected == pytest.approx((RMAX, BETA), rel=1e-12)
    assert free_magnesium_mm(ratio, RMIN, *corrected, KD) == pytest.approx(0.45, rel=1e-12)
    assert np.isnan(saturated(RMIN, rmax, 30.0, KD, 35)).all()


def test_beta_read_the_other_way_round():
    ratio = ratio_at(0.45, RMIN, RMAX, BETA, KD)
    assert free_magnesium_mm(ratio, RMIN, RMAX, 1 / BETA, KD) == pytest.approx(0.026, abs=0.0005)


@given(st.floats(1e-3, 1e3), st.floats(0.01, 2), st.floats(1.05, 20), st.floats(0.1, 50), st.floats(0.1, 10))
def test_equation_and_its_inverse(magnesium_mm, rmin, span, beta, kd_mm):
    ratio = ratio_at(magnesium_mm, rmin, rmin * span, beta, kd_mm)
    found = free_magnesium_mm(ratio, rmin, rmin * span, beta, kd_mm)
    assert found == pytest.approx(magnesium_mm, rel=1e-6)


def test_equation_at_and_beyond_its_limits():
    found = free_magnesium_mm([-1, RMIN, 1.0, RMAX, 9, math.inf, math.nan], RMIN, RMAX, BETA, KD)
    assert found[[0, 1]].tolist() == [0, 0]
    assert np.isinf(found[3:6]).all()
    assert math.isnan(found[6])


# From wells to samples


def test_exact_wells_give_what_was_put_in():
    table, calibrations, _ = result(exact_plate(DONORS))
    assert table["free_magnesium_mm"].to_numpy() == pytest.approx(list(DONORS.values()), rel=1e-9)
    assert (table["flag"] == "").all()
    assert (table["n_wells"] == 3).all()
    used = curve(calibrations["r1"], GIVEN)
    assert (used.rmin[0], used.rmax[0], used.beta[0]) == pytest.approx((RMIN, RMAX, BETA), rel=1e-9)
    assert calibrations["r1"].draw().background_340[0] == pytest.approx(900)


def test_exact_wells_with_unsaturated_rmax():
    wells = exact_plate(DONORS, rmax_mm=35)
    assert result(wells)[0].loc["d4", "free_magnesium_mm"] > 0.48
    modelled = Settings(KD, "test", rmax_magnesium_mm=35)
    table, calibrations, _ = result(wells, modelled)
    assert table["free_magnesium_mm"].to_numpy() == pytest.approx(list(DONORS.values()), rel=1e-9)
    row = calibration_table(calibrations, modelled).iloc[0]
    assert row["rmax"] == pytest.approx(RMAX, rel=1e-9)
    assert row["rmax_apparent"] / row["rmax"] == pytest.approx(0.84, abs=0.002)
    assert row["bound_at_rmax"] == pytest.approx(0.9485, abs=1e-4)


def test_sum_first_ratio_after():
    """Dim wells: the mean of their ratios is biased upward, the ratio of their sums is not."""
    rng = np.random.default_rng(3)
    signal = dye(0.45, counts=1000)
    f340 = signal["340"] + rng.normal(0, 150, 4000)
    f380 = signal["380"] + rng.normal(0, 150, 4000)
    pairs = pd.DataFrame(
        {"run_id": "r", "plate_id": "p", "well": "A1", "role": "sample", "sample_id": "s"}, index=range(4000)
    )
    pairs = pairs.assign(animal_id="a", condition="c", f340=f340, f380=f380, reason="")
    nothing = pd.DataFrame({"run_id": "r", "role": ["background"] * 2 + ["rmin"] * 2 + ["rmax"] * 2, "reason": ""})
    nothing = nothing.assign(f340=[0, 0, 450, 450, 810, 810], f380=[0, 0, 1000, 1000, 238, 238])
    (sample,) = samples(pairs, calibrate(pd.concat([pairs, nothing]), draws=10))
    true = signal["340"] / signal["380"]
    assert sample.ratio == pytest.approx(true, rel=0.01)
    assert np.mean(f340 / f380) > 1.02 * true


def test_censored_samples_are_kept_with_open_intervals():
    wells = plate({"low": 0.45, "high": 0.45, "ok": 0.45})
    rows = (wells["role"] == "sample") & (wells["read_name"] == "340")
    wells.loc[rows & (wells["sample_id"] == "low"), "value"] *= 0.6
    wells.loc[rows & (wells["sample_id"] == "high"), "value"] *= 8
    table, _, _ = result(wells)
    low, high, fine = table.loc["low"], table.loc["high"], table.loc["ok"]
    assert (low["flag"], low["free_magnesium_mm"], low["ci_low"]) == ("below Rmin", 0, 0)
    assert 0 < low["ci_high"] < 0.2
    assert (high["flag"], high["free_magnesium_mm"], high["ci_high"]) == ("above Rmax", math.inf, math.inf)
    assert 20 < high["ci_low"] < math.inf
    assert fine["flag"] == ""
    assert fine["ci_low"] < fine["free_magnesium_mm"] < fine["ci_high"]


def test_interval_that_reaches_beyond_rmax_says_so():
    wells = plate({"high": 300.0}, noise=0.02)
    row = result(wells)[0].loc["high"]
    assert math.isinf(row["ci_high"])
    assert row["flag"] == "open above"
    assert 5 < row["ci_low"] < math.inf


def test_missing_well_leaves_the_others_unchanged_to_the_bit():
    wells = plate(DONORS)
    missing = wells.copy()
    well = missing.loc[missing["sample_id"] == "d3", "well"].iloc[0]
    at = (missing["well"] == well) & (missing["read_name"] == "380")
    missing.loc[at, "value"], missing.loc[at, "flag"] = math.nan, "missing"
    before, after = result(wells)[0], result(missing)[0]
    pd.testing.assert_frame_equal(before.drop("d3"), after.drop("d3"), check_exact=True)
    assert after.loc["d3", "n_wells"] == 2
    assert after.loc["d3", "reason"] == f"{well}: missing at 380 nm"
    assert after.loc["d3", "ratio"] != before.loc["d3", "ratio"]
    absent = result(wells[wells["well"] != well])[0]
    pd.testing.assert_frame_equal(absent.drop("d3"), before.drop("d3"), check_exact=True)
    assert absent.loc["d3", "free_magnesium_mm"] == after.loc["d3", "free_magnesium_mm"]


def test_rows_in_any_order_give_the_same():
    wells = plate(DONORS)
    shuffled = wells.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(result(wells)[0], result(shuffled)[0], check_exact=True)
    pd.testing.assert_frame_equal(groups(wells), groups(shuffled), check_exact=True)


def test_samples_without_interval_or_value_say_why():
    wells = plate({"one": 0.45, "none": 0.45, "dark": 0.45})
    first = wells.loc[wells["sample_id"] == "one", "well"].iloc[0]
    wells.loc[(wells["sample_id"] == "one") & (wells["well"] != first), "flag"] = "overflow"
    wells.loc[wells["sample_id"] == "none", "flag"] = "blank"
    wells.loc[(wells["sample_id"] == "dark"), "value"] = 500.0
    table = result(wells)[0]
    assert table.loc["one", "flag"] == "one well"
    assert table.loc["one", "free_magnesium_mm"] == pytest.approx(0.45, abs=0.15)
    assert math.isnan(table.loc["one", "ci_low"])
    assert "one well: no interval" in table.loc["one", "reason"]
    assert table.loc["one", "n_wells_excluded"] == 2
    assert (table.loc["none", "flag"], table.loc["dark", "flag"]) == ("no value", "no value")
    assert table.loc["none", "reason"].endswith("no usable well")
    assert "no signal above the background" in table.loc["dark", "reason"]
    assert groups(wells)["n_without_value"].max() == 2


@settings_of_hypothesis(max_examples=8, deadline=None)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_gain_of_either_channel_changes_nothing(gain_340, gain_380):
    wells = plate({"a": 0.3, "b": 0.45, "c": 1.2}, seed=5)
    other = wells.assign(value=wells["value"] * np.where(wells["read_name"] == "340", gain_340, gain_380))
    columns = ["free_magnesium_mm", "ci_low", "ci_high"]
    before, after = result(wells, draws=200)[0], result(other, draws=200)[0]
    np.testing.assert_allclose(after[columns], before[columns], rtol=1e-7)
    assert after["ratio"].to_numpy() == pytest.approx(before["ratio"].to_numpy() * gain_340 / gain_380, rel=1e-9)


@settings_of_hypothesis(max_examples=8, deadline=None)
@given(st.floats(0.2, 5))
def test_result_scales_with_kd(factor):
    wells = plate({"a": 0.3, "b": 0.45}, seed=5)
    columns = ["free_magnesium_mm", "ci_low", "ci_high"]
    other = result(wells, Settings(KD * factor, "test"), draws=200)[0]
    np.testing.assert_allclose(other[columns], factor * result(wells, draws=200)[0][columns], rtol=1e-9)


# Errors


def test_calibration_error_is_shared_and_does_not_average_away():
    """Donors without scatter: what is left of the group's error is the calibration's, at 8 donors as at 40."""
    few = groups(plate({f"d{n}": 0.45 for n in range(8)}, seed=2)).iloc[0]
    many = groups(plate({f"d{n}": 0.45 for n in range(40)}, seed=2)).iloc[0]
    assert many["se_animals"] < few["se_animals"]
    assert many["se_calibration"] == pytest.approx(few["se_calibration"], rel=0.1)
    assert many["se_calibration"] > 3 * many["se_animals"]
    assert many["ci_high"] - many["ci_low"] == pytest.approx(2 * 1.96 * many["se_calibration"], rel=0.25)


def correlation(first, second):
    return np.corrcoef(first[1:], second[1:])[0, 1]


def test_samples_move_together_only_through_their_calibration():
    exact = exact_plate({"a": 0.45, "b": 0.45})
    noisy = exact["role"] == "sample"
    exact.loc[noisy, "value"] *= 1 + np.random.default_rng(1).normal(0, 0.01, noisy.sum())
    for wells, expected in ((exact, (-0.1, 0.1)), (plate({"a": 0.45, "b": 0.45}, seed=4), (0.3, 0.999))):
        _, calibrations, found = result(wells, draws=4000)
        draws = [np.clip(sample_draws_mm(s, calibrations["r1"], GIVEN), 0.3, 0.6) for s in found]
        assert expected[0] < correlation(*draws) < expected[1]


def test_runs_are_drawn_apart():
    wells = pd.concat([plate({"a": 0.45}), plate({"b": 0.45}, run="r2")])
    calibrations = result(wells, draws=4000)[1]
    assert calibrations["r1"].draw().beta[0] == calibrations["r2"].draw().beta[0]
    assert abs(correlation(calibrations["r1"].draw().beta, calibrations["r2"].draw().beta)) < 0.1


@pytest.mark.parametrize("n", [3, 8])
def test_spread_of_the_draws_is_the_standard_error_of_the_mean(n):
    wells = plate({"a": 0.45}, n_calibration=n)
    own = wells[(wells["role"] == "background") & (wells["read_name"] == "340")]["value"]
    drawn = calibrate(paired_wells(wells), draws=20000)["r1"].draw().background_340[1:]
    assert drawn.std() == pytest.approx(own.sem(), rel=0.03)


def test_own_error_of_a_ratio_is_that_of_its_wells():
    """Over 300 samples of 4 wells: the mean stated variance is the variance of the ratios."""
    wells = plate({f"s{n}": 0.45 for n in range(300)}, n_wells=4, n_calibration=40, seed=8)
    table = result(wells, draws=10)[0]
    assert (table["ratio_se"] ** 2).mean() == pytest.approx(table["ratio"].var(), rel=0.2)


def test_median_carries_the_calibration_error():
    """Donors without scatter: the median's interval is as wide as the mean's, and not that of the donors alone."""
    table = groups(plate({f"d{n}": 0.45 for n in range(40)}, seed=2)).query("kd_mm == 1.9").set_index("statistic")
    width = table["ci_high"] - table["ci_low"]
    assert width["median"] == pytest.approx(width["mean"], rel=0.15)


def test_coverage_of_the_95_percent_intervals():
    """80 runs of 8 donors (true mean 0.45, SD 0.06 mM), put in and recovered: donors, and the group's mean."""
    donors_in, mean_in, median_in, runs = [], [], [], 80
    for seed in range(runs):
        rng = np.random.default_rng(1000 + seed)
        true = {f"d{n}": rng.normal(0.45, 0.06) for n in range(8)}
        table, calibrations, found = result(plate(true, seed=seed), draws=600)
        donors_in.append(np.mean((table["ci_low"] <= list(true.values())) & (table["ci_high"] >= list(true.values()))))
        own = group_table(found, calibrations, GIVEN)
        own = own[own["kd_mm"] == KD].set_index("statistic")
        inside = (own["ci_low"] <= 0.45) & (own["ci_high"] >= 0.45)
        mean_in.append(inside["mean"])
        median_in.append(inside["median"])
    assert np.mean(donors_in) == pytest.approx(0.95, abs=0.035)
    assert np.mean(mean_in) == pytest.approx(0.95, abs=0.05)
    assert np.mean(median_in) > 0.88


# Groups


def test_groups_at_each_published_kd():
    table = groups(plate(DONORS))
    means = table[table["statistic"] == "mean"].set_index("kd_mm")["estimate"]
    assert means.index.tolist() == [1.9, 1.5, 5.5]
    assert (means[1.5] / means[1.9], means[5.5] / means[1.9]) == pytest.approx((1.5 / 1.9, 5.5 / 1.9), rel=1e-9)
    assert pytest.approx(355, abs=0.5) == 450 * 1.5 / 1.9
    assert pytest.approx(1303, abs=0.5) == 450 * 5.5 / 1.9
    assert [kd for kd, _ in kd_choices(Settings(2.5, "x"))] == [2.5, 1.5, 1.9, 5.5]
    assert table["kd_source"].str.len().min() > 3


def test_animal_is_the_unit():
    one_each = groups(exact_plate({"a": 0.3, "b": 0.6}))
    twice = groups(exact_plate({"a_1": 0.3, "a_2": 0.3, "b_1": 0.6}))
    assert twice["n_animals"].unique().tolist() == [2]
    assert twice["n_samples"].unique().tolist() == [3]
    assert twice["estimate"].to_numpy() == pytest.approx(one_each["estimate"].to_numpy(), rel=1e-9)
    assert twice["se_animals"].iloc[0] == pytest.approx(0.15, rel=1e-9)


def test_the_interval_of_a_mean_near_rmax_is_not_negative():
    wells = plate({"P1": 20.0, "P2": 2.0, "P3": 110.0}, noise=0.002, seed=4)
    calibrations = calibrate(paired_wells(wells))
    found = samples(paired_wells(wells), calibrations)
    groups = group_table(found, calibrations, GIVEN, published=False)
    mean = groups[groups["statistic"] == "mean"].iloc[0]
    assert mean["estimate"] > 10
    assert mean["estimate"] - 4.3 * mean["se_animals"] < 0, "three animals as unlike as these"
    assert mean["ci_low"] == 0
    assert "a dye of a higher Kd" in mean["reason"]
    calm = plate({"P1": 0.45, "P2": 0.5, "P3": 0.4})
    calibrations = calibrate(paired_wells(calm))
    groups = group_table(samples(paired_wells(calm), calibrations), calibrations, GIVEN, published=False)
    assert groups["ci_low"].iloc[0] > 0
    assert groups["reason"].iloc[0] == ""


def test_group_with_a_censored_animal():
    wells = plate(DONORS)
    wells.loc[(wells["sample_id"] == "d7") & (wells["read_name"] == "340"), "value"] *= 8
    table = groups(wells).query("kd_mm == 1.9").set_index("statistic")
    assert math.isnan(table.loc["mean", "estimate"])
    assert "1 of 8 samples censored" in table.loc["mean", "reason"]
    assert table["n_above_rmax"].tolist() == [1, 1]
    plain = groups(plate(DONORS)).query("kd_mm == 1.9").set_index("statistic")
    assert table.loc["median", "estimate"] == pytest.approx(plain.loc["median", "estimate"], rel=1e-12)
    assert 0.3 < table.loc["median", "ci_low"] < table.loc["median", "ci_high"] < 0.8


def test_censored_sample_of_an_animal_with_others():
    wells = plate({"a_1": 0.4, "a_2": 0.4, "b": 0.5})
    wells.loc[(wells["sample_id"] == "a_2") & (wells["read_name"] == "340"), "value"] *= 0.6
    table = groups(wells).query("kd_mm == 1.9").set_index("statistic")
    assert math.isnan(table.loc["mean", "estimate"])
    assert table["n_below_rmin"].tolist() == [1, 1]


def test_small_groups_say_why_no_interval():
    table = groups(plate({"a": 0.4})).query("kd_mm == 1.9").set_index("statistic")
    assert table.loc["mean", "reason"] == "one animal: no interval"
    assert table.loc["median", "reason"].endswith("here 1")
    assert table["estimate"].notna().all()
    assert table["ci_low"].isna().all()


def test_runs_have_their_own_calibration():
    first = plate({"a": 0.4, "b": 0.5}, seed=1)
    second = plate({"c": 0.45}, seed=2, run="r2", plate_id="p2")
    second["value"] *= np.where(second["read_name"] == "340", 3.0, 0.5)
    table, calibrations, _ = result(pd.concat([first, second]))
    alone = result(first)[0]
    pd.testing.assert_frame_equal(table.loc[["a", "b"]], alone, check_exact=True)
    assert calibrations["r2"].draw().rmin[0] / calibrations["r1"].draw().rmin[0] == pytest.approx(6, rel=0.1)
    assert table.loc["c", "free_magnesium_mm"] == pytest.approx(0.45, abs=0.15)


def test_published_kd_that_the_calibration_excludes_is_a_row_with_a_reason():
    given = Settings(1.5, "test", rmax_magnesium_mm=6)
    wells = exact_plate({"a": 0.45, "b": 0.5}, rmax_mm=math.inf)
    table = groups(wells, given)
    refused = table[table["kd_mm"] == 5.5]
    assert refused["estimate"].isna().all()
    assert refused["reason"].str.contains("impossible at Kd 5.5 mM").all()
    assert table[table["kd_mm"] == 1.5]["estimate"].notna().all()


# What is refused


def test_run_that_cannot_be_calibrated_is_a_verdict_and_leaves_the_other_run_alone():
    first = plate({"a": 0.4, "b": 0.5}, seed=1)
    second = plate({"c": 0.45}, seed=2, run="r2", plate_id="p2")
    second["role"] = second["role"].replace({"rmin": "rmax", "rmax": "rmin"})
    both = pd.concat([first, second])
    table, calibrations, found = result(both)
    pd.testing.assert_frame_equal(table.loc[["a", "b"]], result(first)[0], check_exact=True)
    assert table.loc["c", "flag"] == "no value"
    assert re.fullmatch(r"run r2: Rmin is 3\..* and Rmax 0\.4.* exchanged\?", table.loc["c", "reason"])
    rows = calibration_table(calibrations, GIVEN).set_index("run_id")
    assert rows["verdict"].tolist() == ["pass", "exclude"]
    assert math.isnan(rows.loc["r2", "rmin"])
    assert rows.loc["r2", "rmin_apparent"] == pytest.approx(RMAX, rel=0.05)
    means = group_table(found, calibrations, GIVEN).query("statistic == 'mean'")
    assert means["n_animals"].tolist() == [2] * 3
    assert means["estimate"].notna().all()
    assert means["reason"].str.contains("run r2: Rmin is").all()


def test_beta_below_one_is_refused_unless_confirmed():
    wells = exact_plate({"a": 0.45})
    dim = wells["role"] == "rmin"
    background = wells["read_name"].map(BACKGROUND)
    wells.loc[dim, "value"] = background[dim] + 0.1 * (wells["value"] - background)[dim]
    table = result(wells)[0]
    assert table.loc["a", "flag"] == "no value"
    assert "beta is 0.42" in table.loc["a", "reason"]
    confirmed = result(wells, Settings(KD, "test", confirm_beta_below_one=True))[0]
    assert confirmed.loc["a", "free_magnesium_mm"] == pytest.approx(0.045, rel=1e-6)


def test_calibration_that_is_mostly_noise_is_excluded():
    wells = plate(DONORS, n_calibration=2, seed=3)
    wells.loc[wells["role"] == "rmax", "value"] = [1200.0, 1500.0, 2600.0, 720.0]
    table, calibrations, _ = result(wells)
    assert (table["flag"] == "no value").all()
    assert "of the draws of Rmin, Rmax and beta are impossible" in calibration_table(calibrations, GIVEN)["reason"][0]


def test_too_few_calibration_wells():
    wells = plate(DONORS)
    wells.loc[wells["role"] == "rmax", "flag"] = "overflow"
    wells.loc[wells["role"] == "background", "role"] = "empty"
    table, calibrations, found = result(wells)
    row = calibration_table(calibrations, GIVEN).iloc[0]
    assert row["reason"].startswith("run r1: 0 usable background wells, 0 usable rmax wells; needed: at least 2")
    assert (row["n_background"], row["n_rmin"], row["n_rmax"]) == (0, 6, 0)
    assert (table["flag"] == "no value").all()
    assert table["ratio"].isna().all()
    assert group_table(found, calibrations, GIVEN)["estimate"].isna().all()


def test_excluded_plate_is_not_used():
    wells = pd.concat([plate({"a": 0.4}), plate({"b": 0.4}, seed=2, plate_id="p2")])
    quality = pd.DataFrame({"plate_id": ["p1", "p2"], "verdict": ["warn", "exclude"]})
    pairs = paired_wells(wells, quality)
    assert set(pairs.loc[pairs["plate_id"] == "p2", "reason"]) == {"plate excluded"}
    assert calibrate(pairs, draws=10)["r1"].wells == {"background": 6, "rmin": 6, "rmax": 6}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w[w["read_name"] == "340"], "the reads 340; needed"),
        (lambda w: w.assign(animal_id=""), "no animal_id"),
        (lambda w: w[w["role"] != "sample"], "no wells with the role sample"),
        (lambda w: w.assign(sample_id=""), "needs a sample_id"),
        (lambda w: w.assign(condition=[f"c{n}" for n in range(len(w))]), "more than one condition"),
    ],
)
def test_wells_that_cannot_be_used(change, message):
    with pytest.raises(InputError, match=message):
        paired_wells(change(plate({"a": 0.45})))


def test_read_names_as_numbers_and_repeated_reads():
    wells = exact_plate({"a": 0.45})
    later = wells.assign(time_s=60.0, value=wells["value"] * 0.98)
    numbers = pd.concat([wells, later]).assign(read_name=lambda w: w["read_name"].astype(float))
    pairs = paired_wells(numbers)
    assert len(pairs) == 21
    assert pairs["f340"].iloc[0] == pytest.approx(900 * 0.99)


@pytest.mark.parametrize(
    ("kd", "message"),
    [
        (None, "kd_mm is"),
        ({"value": 1900, "unit": "uM", "source": "x"}, "unit: mM"),
        ({"value": -1, "unit": "mM", "source": "x"}, "positive"),
        ({"value": 1.9, "unit": "mM", "source": " "}, "no source"),
    ],
)
def test_kd_needs_value_unit_and_source(kd, message):
    with pytest.raises(InputError, match=message):
        settings({"kd_mm": kd})


def test_settings_of_the_config():
    kd = {"value": 1.9, "unit": "mM", "source": "s"}
    assert settings({"kd_mm": kd}) == Settings(1.9, "s")
    assert settings({"kd_mm": kd, "rmax_magnesium_mm": 35}).rmax_magnesium_mm == 35


def test_calibration_table():
    row = calibration_table(result(plate(DONORS), draws=3000)[1], GIVEN).iloc[0]
    assert row["run_id"] == "r1"
    assert (row["n_background"], row["n_rmin"], row["n_rmax"]) == (6, 6, 6)
    assert (row["kd_mm"], row["kd_source"]) == (1.9, "test")
    for name, true in (("rmin", RMIN), ("rmax", RMAX), ("beta", BETA)):
        assert 0 < row[f"{name}_se"] < 0.1 * true
        assert abs(row[name] - true) < 4 * row[f"{name}_se"]
    assert row["beta_se"] / BETA == pytest.approx(0.12 * math.sqrt(2 / 6), rel=0.6)
