"""Titration, comparison of groups, interference, kinetics and the door for other tables."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit

from mgk import magnesium as m
from mgk.magnesium.draws import calibrated_level, interval, normal_draws, widening
from mgk.statistics import effective_df
from mgk.tables.problems import InputError

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.magnesium import DESIGNS, STANDARDS_MM, Design, study_wells

KD, RMIN, RMAX, BETA = 1.9, 0.45, 3.4, 4.2
TITRATION = m.Settings(KD, "test", calibration="titration")
IN_SITU = m.Settings(KD, "test")
TITRATED = Design("titration of the tests", calibration="titration", wells=2)


def analysed(design=TITRATED, seed=1, given=TITRATION, draws=1000):
    wells, true = study_wells(design, seed)
    calibrations = m.calibrate(wells, given, draws=draws)
    return m.samples(wells, calibrations), calibrations, true, wells


# Draws


def test_effective_degrees_of_freedom():
    assert effective_df([1.0], [5]) == 5
    assert effective_df([1.0, 1.0], [4, 4]) == 8
    assert effective_df([1.0, 0.0], [3, 100]) == 3
    assert effective_df([0.0, 0.0], [3, 3]) == math.inf


def test_the_level_is_raised_where_three_wells_hold_most_of_the_variance_and_lowered_where_many_parts_are_small():
    # Satterthwaite's interval covers 93 % in the one case and 97 % in the other (docs/validation_magnesium.md)
    assert 0.957 < calibrated_level(1, [0.83, 0.17], [2, 17]) < 0.99
    assert 0.90 < calibrated_level(1, [0.25] * 4, [2] * 4) < 0.945
    assert calibrated_level(1, [0.5, 0.5], [60, 60]) == pytest.approx(0.95, abs=0.015)
    assert calibrated_level(1, [0.83, 0.17, 0.0], [2, 17, math.inf]) > 0.955
    # it depends on the shares alone, and not on the unit
    assert calibrated_level(1, [83.0, 17.0], [2, 17]) == pytest.approx(calibrated_level(1, [0.83, 0.17], [2, 17]))


def test_one_part_alone_needs_no_calibration():
    assert calibrated_level(1, [2.0], [2]) == pytest.approx(0.95, abs=0.015)
    assert calibrated_level(1, [0.0, 0.0], [2, 5]) == 0.95


def test_widened_normal_draws_are_those_of_a_t():
    draws = normal_draws(1, 200_000, np.array([[4.0]]), "x")[:, 0] * widening(1, 200_000, 3.0, "x")
    low, high = interval(draws[1:])
    assert (low, high) == pytest.approx((-2 * 3.1824, 2 * 3.1824), rel=0.02)
    assert draws[0] == 0


@pytest.mark.parametrize("covariance", [np.zeros((2, 2)), [[1.0, 2.0], [2.0, 4.0]], [[2.0, -0.5], [-0.5, 1.0]]])
def test_draws_have_their_covariance(covariance):
    drawn = normal_draws(3, 40_000, np.array(covariance), "x")
    assert (drawn[0] == 0).all()
    assert np.cov(drawn[1:], rowvar=False) == pytest.approx(np.array(covariance), abs=0.08)


# Titration


def test_exact_titration_gives_what_was_put_in():
    magnesium_mm = np.array(STANDARDS_MM)
    fit = m.fit_titration(magnesium_mm, m.ratio_at(magnesium_mm, RMIN, RMAX, BETA, KD))
    found = {name: math.exp(value) for name, value in fit.estimates.items()}
    assert found == pytest.approx({"ln_rmin": RMIN, "ln_rmax": RMAX, "ln_kd_beta_mm": KD * BETA}, rel=1e-8)


def test_titration_agrees_with_scipy():
    """scipy.optimize.curve_fit on the ratio scale of logs, its own parametrisation: estimates and standard errors."""
    rng = np.random.default_rng(4)
    magnesium_mm = np.repeat(STANDARDS_MM, 2)
    ratio = m.ratio_at(magnesium_mm, RMIN, RMAX, BETA, KD) * np.exp(rng.normal(0, 0.01, magnesium_mm.size))

    def model(x, rmin, rmax, k):
        return np.log((rmin * k + rmax * x) / (k + x))

    theirs, covariance = curve_fit(model, magnesium_mm, np.log(ratio), (0.5, 3.0, 5.0), xtol=1e-14, ftol=1e-14)
    ours = [m.fit_titration(magnesium_mm, ratio).parameters[n].exp() for n in ("ln_rmin", "ln_rmax", "ln_kd_beta_mm")]
    assert [e.value for e in ours] == pytest.approx(theirs, rel=1e-6)
    assert [e.se for e in ours] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)


def test_titration_finds_the_donors():
    found, calibrations, true, _ = analysed()
    table = m.sample_table(found, calibrations, TITRATION).set_index("sample_id")
    error = table["free_magnesium_mm"] / pd.Series(true) - 1
    assert abs(error.mean()) < 0.04
    assert ((table["ci_low"] < table["free_magnesium_mm"]) & (table["free_magnesium_mm"] < table["ci_high"])).all()
    fits = m.fits_table("x", calibrations, TITRATION).set_index("parameter")
    assert (fits["verdict"] == "identified").all()
    assert fits.loc["kd_beta_mm", "ci_low"] < KD * BETA < fits.loc["kd_beta_mm", "ci_high"]


def test_kd_does_not_enter_a_titration():
    found, calibrations, _, _ = analysed()
    other = m.Settings(5.5, "test", confirm_beta_below_one=True, calibration="titration")
    columns = ["free_magnesium_mm", "ci_low", "ci_high"]
    first = m.sample_table(found[:2], calibrations, TITRATION)[columns]
    np.testing.assert_allclose(m.sample_table(found[:2], calibrations, other)[columns], first, rtol=1e-9)
    assert len(m.kd_choices(TITRATION)) == 1


def test_error_of_the_blank_is_in_the_titration():
    wells, _ = study_wells(TITRATED, 1)
    noisy = wells.copy()
    blank = noisy["role"] == "background"
    noisy.loc[blank, ["f340", "f380"]] += 300 * np.random.default_rng(1).normal(size=(blank.sum(), 2))
    plain, with_error = (m.calibrate(w, TITRATION)["run"].draw().rmin[1:].std() for w in (wells, noisy))
    assert with_error > 1.5 * plain


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w[w["role"] != "standard"], "0 usable standard wells"),
        (lambda w: w[~(w["magnesium_mm"] > 0.3)], "3 levels of Mg2+; needed: at least 4"),
        (lambda w: w[~(w["magnesium_mm"] > 1.0)], "the titration does not determine the calibration"),
        (lambda w: w.assign(magnesium_mm=np.nan), "a standard without its standard_um"),
        (lambda w: w.assign(f380=w["f380"].mask(w["role"] == "standard", 5.0)), "a standard is not above its blank"),
    ],
)
def test_titration_that_cannot_calibrate_is_a_verdict(change, words):
    wells = change(study_wells(TITRATED, 2)[0])
    calibrations = m.calibrate(wells, TITRATION, draws=50)
    row = m.calibration_table(calibrations, TITRATION).iloc[0]
    assert row["verdict"] == "exclude"
    assert words in row["reason"]
    table = m.sample_table(m.samples(wells, calibrations), calibrations, TITRATION)
    assert (table["flag"] == "no value").all()


def test_known_magnesium_is_stated_or_solved():
    wells = pd.DataFrame({"role": ["standard", "standard", "sample"], "standard_um": [0.0, 2000.0, np.nan]})
    stated = m.with_known_magnesium(wells, TITRATION)["magnesium_mm"]
    assert stated.tolist()[:2] == [0.0, 2.0]
    assert math.isnan(stated[2])
    medium = {"ph": 7.2, "temperature_c": 37, "ionic_strength_m": 0.15, "totals_mm": {"K": 130, "Cl": 130, "ATP": 1}}
    given = m.Settings(KD, "t", calibration="titration", titration_medium="medium")
    solved = m.with_known_magnesium(wells, given, {"medium": medium}, "webmaxc")["magnesium_mm"]
    assert solved[0] == 0
    assert 1.0 < solved[1] < 1.3  # 1 mM ATP holds most of 1 mM
    with pytest.raises(InputError, match="no solution"):
        m.with_known_magnesium(wells, given, {})
    holding = {**medium, "totals_mm": {**medium["totals_mm"], "Mg": 1}}
    with pytest.raises(InputError, match="holds Mg2"):
        m.with_known_magnesium(wells, given, {"medium": holding})


# Comparisons


def test_shared_calibration_cancels_in_part():
    """Both groups on one plate: the calibration moves the difference less than it moves a mean."""
    found, calibrations, _, _ = analysed(DESIGNS[0], given=IN_SITU)
    means = m.group_table(found, calibrations, IN_SITU, published=False)
    of_mean = means.loc[means["statistic"] == "mean", "se_calibration"].max()
    table = m.compare_conditions(found, calibrations, IN_SITU).set_index("scale")
    assert table.loc["difference", "se_calibration"] < 0.4 * of_mean
    assert table.loc["difference", "method"].startswith("Welch")
    assert (
        table.loc["difference", "ci_low"] < table.loc["difference", "difference"] < table.loc["difference", "ci_high"]
    )
    other = m.compare_conditions(found, calibrations, m.Settings(5.5, "t")).set_index("scale")
    assert other.loc["ratio", "difference"] == pytest.approx(table.loc["ratio", "difference"], rel=1e-9)
    assert other.loc["difference", "difference"] == pytest.approx(table.loc["difference", "difference"] * 5.5 / 1.9)


def test_groups_of_two_runs_carry_both_calibrations():
    first, second = (study_wells(DESIGNS[0], seed)[0] for seed in (1, 2))
    second = second[(second["condition"] != "a")].assign(run_id="other", animal_id=lambda w: "x" + w["animal_id"])
    both = pd.concat([first[first["condition"] != "b"], second], ignore_index=True)
    calibrations = m.calibrate(both, IN_SITU, draws=1000)
    apart = m.compare_conditions(m.samples(both, calibrations), calibrations, IN_SITU).iloc[0]
    found, together, _, _ = analysed(DESIGNS[0], given=IN_SITU)
    shared = m.compare_conditions(found, together, IN_SITU).iloc[0]
    assert apart["se_calibration"] > 2 * shared["se_calibration"]


def test_comparison_says_why_not():
    found, calibrations, _, wells = analysed(DESIGNS[0], given=IN_SITU)
    dark = wells.assign(f340=wells["f340"].where(wells["sample_id"] != "a0", 800.0))
    table = m.compare_conditions(m.samples(dark, calibrations), calibrations, IN_SITU)
    assert table["reason"].str.contains("1 of 16 samples censored").all()
    assert table["p"].isna().all()
    alone = [s for s in found if s.condition == "a" or s.sample_id == "b0"]
    assert "two of each are needed" in m.compare_conditions(alone, calibrations, IN_SITU)["reason"][0]
    one = m.compare_conditions([s for s in found if s.condition == "a"], calibrations, IN_SITU)
    assert one.empty


# What stands outside of the intervals


def test_calcium_and_organelles_are_shown_and_not_corrected():
    given = m.Settings(KD, "t", organelle_share=0.22, organelle_magnesium_mm=1.5, organelle_source="test")
    found, calibrations, _, _ = analysed(DESIGNS[0], given=given)
    groups = m.group_table(found, calibrations, given)
    table = m.interference_table(found, calibrations, given, groups).query("condition == 'a'")
    calcium = table[table["source_of_shift"] == "calcium"]
    assert calcium["shift_mm"].tolist() == pytest.approx([0.0076, 0.076])
    assert calcium["source"].eq("from memory, not read").all()
    mean = groups.query("condition == 'a' and statistic == 'mean' and kd_mm == 1.9")["estimate"].iloc[0]
    assert calcium["free_magnesium_mm"].tolist() == [mean, mean]
    assert 0.05 < table["shift_mm"].iloc[-1] < 0.4


def test_cytosolic_ratio_undoes_the_mixture():
    inside, organelle = (m.ratio_at(mm, RMIN, RMAX, BETA, KD) for mm in (0.5, 1.5))
    mixed = 0.78 * inside + 0.22 * organelle
    assert m.cytosolic_ratio(mixed, 0.22, organelle) == pytest.approx(inside)


@pytest.mark.parametrize(
    ("kd_c", "assay_c", "words"),
    [
        (22, 37, "MISMATCH"),
        (37, 36, "Kd of 37 C"),
        (None, 37, "Kd is not stated"),
        (37, math.nan, "assay is not stated"),
    ],
)
def test_temperature_of_kd_and_assay(kd_c, assay_c, words):
    given = m.Settings(KD, "t", kd_temperature_c=kd_c)
    _, calibrations, _, _ = analysed(DESIGNS[0], given=given, draws=50)
    assert words in m.calibration_table(calibrations, given, {"run": assay_c})["temperature"][0]


# The door for images and tables from elsewhere


def test_the_same_calibration_on_any_arrays():
    _, calibrations, _, _ = analysed(DESIGNS[0], given=IN_SITU)
    run = m.curve(calibrations["run"], IN_SITU)
    magnesium_mm = np.array([[0.2, 0.45], [1.0, 3.0]])
    ratio = m.ratio_at(magnesium_mm, run.rmin[0], run.rmax[0], run.beta[0], KD)
    f380 = np.array([[2000.0, 3000.0], [4000.0, 5000.0]])
    image = ratio * f380 + run.background_340[0], f380 + run.background_380[0]
    assert m.free_magnesium_of(*image, run) == pytest.approx(magnesium_mm, rel=1e-9)
    low, high = m.calibration_interval_of(*image, run)
    assert ((low < magnesium_mm) & (magnesium_mm < high)).all()
    dark = m.free_magnesium_of([900.0, 1e6, 0.0], [0.0, 5000.0, 5000.0], run)
    assert math.isnan(dark[0])
    assert (dark[1], dark[2]) == (math.inf, 0.0)


# Kinetics


def kinetic_wells(drift=0.0, minutes=(0, 2, 4, 6), bleaching=0.02):
    """Return wells.csv of a plate of DESIGNS[0] read several times; R of every well drifts by `drift` a minute."""
    once, _ = study_wells(DESIGNS[0], 3)
    parts = []
    for time in minutes:
        for read, name in enumerate(("340", "380"), 1):
            below = {"340": 900.0, "380": 700.0}[name]
            left = math.exp(-bleaching * time) * (math.exp(drift * time) if name == "340" else 1.0)
            value = below + (once[f"f{name}"] - below) * left
            parts.append(once.assign(read=read, read_name=name, time_s=60.0 * time + 10 * read, value=value, flag=""))
    return pd.concat(parts, ignore_index=True).drop(columns=["f340", "f380", "reason", "magnesium_mm"])


def test_bleaching_shared_with_the_calibration_leaves_the_course_flat():
    wells = kinetic_wells(drift=0.01)
    course = m.time_course(wells, None, IN_SITU)
    assert course["time_s"].nunique() == 4
    wide = course.pivot_table(index="sample_id", columns="time_s", values="free_magnesium_mm")
    assert (wide.max(axis=1) / wide.min(axis=1) - 1).max() < 0.03
    assert m.slope_table(course)["n_times"].eq(4).all()


def test_drift_of_the_ratio_is_found_and_said():
    drift = m.drift_table(kinetic_wells(drift=0.01)).set_index(["role", "quantity"])
    assert drift.loc[("rmin", "f380"), "percent_per_min"] == pytest.approx(-2.0, abs=0.1)
    assert drift.loc[("rmax", "ratio"), "percent_per_min"] == pytest.approx(1.0, abs=0.1)
    assert drift.loc[("rmax", "ratio"), "verdict"] == "warn"
    calm = m.drift_table(kinetic_wells()).set_index(["role", "quantity"])
    assert (calm.xs("ratio", level="quantity")["verdict"] == "pass").all()


def test_a_plate_read_once_has_no_course():
    wells = kinetic_wells(minutes=(0,))
    assert not m.is_kinetic(wells)
    for table in (m.time_course(wells, None, IN_SITU), m.drift_table(wells)):
        assert table.empty
        assert len(table.columns) > 8
    assert m.slope_table(m.time_course(wells, None, IN_SITU)).empty


# Settings


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"organelles": {"share_f380": {"value": 1.2, "unit": "1", "source": "x y"}}}, "organelles"),
        ({"calcium": {"kd_mm": {"value": 25, "unit": "uM", "source": "x y"}}}, "unit: mM"),
    ],
)
def test_further_constants_need_value_unit_and_source(more, words):
    with pytest.raises(InputError, match=words):
        m.settings({"kd_mm": {"value": 1.9, "unit": "mM", "source": "s"}} | more)


def test_settings_of_a_titration():
    given = m.settings(
        {
            "kd_mm": {"value": 1.9, "unit": "mM", "source": "s", "temperature_c": 22, "buffer": "KCl"},
            "calibration": "titration",
            "titration": {"medium": "a"},
            "calcium": {"free_mm": [2e-4], "kd_mm": {"value": 0.03, "unit": "mM", "source": "read"}},
        }
    )
    assert (given.kd_temperature_c, given.kd_buffer, given.titration_medium) == (22, "KCl", "a")
    assert (given.calcium_mm, given.kd_calcium_mm, given.kd_calcium_source) == ((2e-4,), 0.03, "read")
