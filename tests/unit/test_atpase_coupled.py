"""The coupled assay: windows found by rule, slopes, ADP standards, and the same activity table."""

import numpy as np
import pandas as pd
import pytest
from atpase_plates import TEXT, kinetic_well
from test_atpase import MEDIUM

from mgk.atpase import coupled
from mgk.tables import InputError

MINUTES = np.arange(0, 10.01, 0.25)
PER_NMOL = 0.0174


def window_of(rate, **how):
    return coupled.linear_window(MINUTES, kinetic_well(rate, MINUTES, **how))


@pytest.mark.parametrize("rate", [0.002, 0.02, 0.06])
def test_without_noise_the_slope_is_the_rate(rate):
    found = window_of(rate, lag_min=0.01)
    assert found.slope == pytest.approx(rate, rel=1e-3)


def test_lag_and_exhaustion_lie_outside_the_window():
    # 1 AU of NADH at 0.16 AU/min after a lag of 0.6 min is used up after about 6.85 min
    found = window_of(0.16, lag_min=0.6, noise=0.0015, seed=1)
    assert 0.4 <= MINUTES[found.first] <= 2.5
    assert MINUTES[found.last] <= 7.0
    assert found.slope == pytest.approx(0.16, rel=0.03)
    assert "exhausted or slowing after" in found.flag
    everything = -np.polyfit(MINUTES, kinetic_well(0.16, MINUTES, lag_min=0.6), 1)[0]
    assert everything < 0.14


def test_a_flat_well_uses_all_reads_and_is_near_zero():
    found = window_of(0.0, noise=0.0015, seed=2)
    assert MINUTES[found.last] - MINUTES[found.first] > 5
    assert abs(found.slope) < 5 * found.se + 5e-4


def test_bubbles_are_left_out_and_change_little():
    y = kinetic_well(0.03, MINUTES, noise=0.001, seed=3)
    clean = coupled.linear_window(MINUTES, y)
    y[12:15] += 0.12
    found = coupled.linear_window(MINUTES, y)
    assert list(np.flatnonzero(found.bubbles)) == [12, 13, 14]
    assert "3 reads left out as bubbles" in found.flag
    assert found.slope == pytest.approx(clean.slope, rel=0.02)


def test_too_few_reads_give_no_slope():
    y = kinetic_well(0.03, MINUTES)
    y[5:] = np.nan
    found = coupled.linear_window(MINUTES, y)
    assert np.isnan(found.slope)
    assert found.flag == "5 usable reads: no slope"
    assert np.isnan(coupled.linear_window(MINUTES, np.full(MINUTES.size, np.nan)).slope)


def test_slope_and_error_are_those_of_least_squares_on_the_window():
    import statsmodels.api as sm

    y = kinetic_well(0.05, MINUTES, noise=0.002, seed=4)
    found = coupled.linear_window(MINUTES, y)
    part = slice(found.first, found.last + 1)
    line = sm.OLS(y[part], sm.add_constant(MINUTES[part])).fit()
    assert (-found.slope, found.se) == pytest.approx((line.params[1], line.bse[1]), rel=1e-8)
    assert found.intercept == pytest.approx(line.params[0], rel=1e-8)


def test_slopes_are_unbiased_over_many_wells():
    slopes = np.array([window_of(0.04, lag_min=0.4, noise=0.0015, seed=s).slope for s in range(100)])
    assert slopes.mean() == pytest.approx(0.04, rel=0.01)


VMAX = {"C1": 16.0, "C2": 18.0, "L1": 10.0, "L2": 11.0}
RESISTANT, PROTEIN_UG, DRIFT = 3.0, 10.0, 0.001


def plate(noise=0.0, seed=0, well_cv=0.0, mass=None):
    rng = np.random.default_rng(seed)
    rows, k = [], 0
    tube = {"magnesium_total_mm": 6.0, "atp_mm": 3.0}

    def well(role, absorbance, **columns):
        nonlocal k
        k += 1
        for minute, value in zip(MINUTES, absorbance, strict=True):
            rows.append({"well": f"w{k}", "role": role, "time_s": 60 * minute, "value": value, **columns})

    for nmol in (0, 5, 10, 15, 20):
        for _ in range(2):
            nadh = np.full(MINUTES.size, 0.06 + PER_NMOL * (40 - nmol)) + noise * rng.normal(size=MINUTES.size)
            well("standard", nadh - DRIFT * MINUTES, standard_nmol=float(nmol))

    def fall(activity):
        rate = activity * PROTEIN_UG / 60 * PER_NMOL * (1 + well_cv * rng.normal())
        how = {"lag_min": 0.3, "nadh": PER_NMOL * 40, "drift": DRIFT}
        return kinetic_well(rate, MINUTES, noise=noise, seed=rng.integers(1 << 30), **how)

    for _ in range(4):
        well("nonenzymatic", fall(0.0), **tube)
    for animal, pump in VMAX.items():
        who = {"sample_id": animal, "animal_id": animal, "preparation_id": f"{animal}-m", "condition": animal[0]}
        what = {**tube, **who, **(mass or {"protein_ug": PROTEIN_UG})}
        for role, activity in (("total", pump + RESISTANT), ("ouabain", RESISTANT)):
            for _ in range(3):
                well(role, fall(activity), **what)
    frame = pd.DataFrame(rows).assign(plate_id="k1", read=1, read_name="", flag="", protein_plate="")
    return frame.fillna(dict.fromkeys(TEXT, ""))


def analyse(wells, settings=None):
    _, _, scales, adp = coupled.adp_standards(wells, settings or {})
    slopes = coupled.slope_table(wells)
    return coupled.coupled_activity(wells, slopes, scales, MEDIUM, "webmaxc"), slopes, adp


def test_exact_plate_gives_its_truth():
    table, _, adp = analyse(plate())
    assert adp["au_per_nmol"].item() == pytest.approx(PER_NMOL, rel=1e-9)
    assert list(table.columns) == list(coupled.COUPLED_COLUMNS)
    for row in table.itertuples():
        assert row.ouabain_sensitive_activity == pytest.approx(VMAX[row.animal_id], rel=0.01)
        assert row.ouabain_resistant_activity == pytest.approx(RESISTANT, rel=0.03)
        assert row.nmol_adp_mg_h == pytest.approx(1000 * row.ouabain_sensitive_activity)
        assert row.ouabain_sensitive_nmol_mg_min == pytest.approx(row.ouabain_sensitive_activity * 1000 / 60)
    np.testing.assert_allclose(table["magnesium_free_mm"], 2.76, rtol=0.03)


def test_coverage_of_the_sensitive_activity():
    inside = []
    for seed in range(12):
        table, _, _ = analyse(plate(noise=0.0015, well_cv=0.04, seed=seed))
        truth = table["animal_id"].map(VMAX)
        inside += list((table["ci_low"] <= truth) & (truth <= table["ci_high"]))
    assert np.mean(inside) > 0.9


def test_wet_weight_takes_the_place_of_protein():
    by_weight, _, _ = analyse(plate(mass={"wet_weight_mg": 0.2}))
    by_protein, _, _ = analyse(plate())
    assert set(by_weight["mass_of"]) == {"wet weight"}
    ratio = by_weight["ouabain_sensitive_activity"] / by_protein["ouabain_sensitive_activity"]
    np.testing.assert_allclose(ratio, 0.01 / 0.2, rtol=1e-12)


def test_without_standards_the_extinction_coefficient_is_used_or_its_lack_said():
    def quantity(value):
        return {"value": value, "source": "s"}

    nadh = {"extinction_mm_cm": quantity(6.22), "path_length_cm": quantity(0.56), "volume_ul": quantity(200)}
    wells = plate()
    wells = wells[wells["role"] != "standard"]
    table, _, adp = analyse(wells, {"nadh": nadh})
    assert adp["au_per_nmol"].item() == pytest.approx(6.22 * 0.56 / 200)
    assert (table["scale_cv"] == 0).all()
    with pytest.raises(InputError, match="no extinction coefficient"):
        analyse(wells)
    with pytest.raises(InputError, match="endpoint"):
        coupled.slope_table(wells.assign(time_s=np.nan))


def test_a_bad_well_changes_only_its_own_preparation():
    wells = plate(noise=0.001, well_cv=0.03, seed=5)
    before, _, _ = analyse(wells)
    bad = wells.loc[(wells["role"] == "total") & (wells["animal_id"] == "C1"), "well"].iloc[0]
    hurt = wells.copy()
    hurt.loc[hurt["well"] == bad, ["value", "flag"]] = [np.nan, "missing"]
    after, _, _ = analyse(hurt)
    others = before["animal_id"] != "C1"
    pd.testing.assert_frame_equal(after[others], before[others])
    row = after[~others].iloc[0]
    assert row["n_total"] == 2
    assert f"total well {bad}: missing" in row["flag"]


def test_groups_are_means_of_animals():
    table, _, _ = analyse(plate(noise=0.001, well_cv=0.03, seed=6))
    fits = coupled.coupled_fits(table, "e")
    groups = fits[fits["unit_id"] == ""].set_index("group")
    means = table.groupby("condition")["ouabain_sensitive_activity"].mean()
    np.testing.assert_allclose(groups.loc[["C", "L"], "estimate"], means[["C", "L"]])
    assert list(groups["n_animals"]) == [2, 2]
    comparison = coupled.compare_coupled(fits, ["C", "L"]).iloc[0]
    assert comparison["difference"] == pytest.approx(means["L"] - means["C"])
    assert comparison["method"].startswith("Welch")
