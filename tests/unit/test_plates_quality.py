"""The quality of plates: effects of position against least squares, recovery and coverage; Z'; limits and verdicts."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from mgk.plates.export import plate_shape
from mgk.plates.quality import (
    DRAWS,
    LIMITS,
    control_table,
    like_wells,
    limits,
    plate_quality,
    position_table,
    replicate_table,
    within_slope,
    z_prime,
    z_prime_interval,
)

WELLS = [f"{r}{c}" for r in "ABCDEFGH" for c in range(1, 13)]
EDGE = np.array([w[0] in "AH" or w[1:] in ("1", "12") for w in WELLS])


def plate(values, roles=None, standards=None, time_s=math.nan, **columns):
    """A table as tidy_wells makes it; by default four samples, spread over the plate like a chess-board."""
    roles = roles or ["sample"] * 96
    named = [f"S{(i // 12 + i) % 4}" if role == "sample" else "" for i, role in enumerate(roles)]
    frame = pd.DataFrame({"well": WELLS, "value": values, "role": roles, "sample_id": named, "flag": ""})
    frame["standard_nmol"] = standards if standards is not None else math.nan
    given = {"plate_id": "p", "experiment": "e", "run_id": "r", "read": 1, "label": "450", "time_s": time_s} | columns
    return frame.assign(**given)


def noisy(rng, edge=0.0, row=0.0, sd=0.02):
    rows = np.array(["ABCDEFGH".index(w[0]) for w in WELLS])
    levels = np.array([1.0, 0.5, 0.8, 1.4])[[(i // 12 + i) % 4 for i in range(96)]]
    return levels + edge * EDGE + row * rows / 7 + rng.normal(0, sd, 96)


@pytest.mark.parametrize("spread", [1, 5])
def test_the_slope_is_that_of_least_squares_with_a_constant_for_each_group(spread):
    rng = np.random.default_rng(1)
    groups = np.repeat(list("abcdef"), 5)
    x = rng.normal(size=30)
    y = 2 * x + np.repeat(rng.normal(size=6), 5) + rng.normal(0, 1 + (spread - 1) * np.abs(x))
    fitted = smf.ols("y ~ x + C(g)", pd.DataFrame({"y": y, "x": x, "g": groups})).fit(cov_type="HC1", use_t=True)
    slope, se, df = within_slope(y, x, groups)
    assert (slope, se, df) == pytest.approx((fitted.params["x"], fitted.bse["x"], fitted.df_resid), rel=1e-10)


def test_an_edge_without_noise_is_returned_exactly():
    found = position_table(plate(noisy(np.random.default_rng(0), edge=0.05, sd=0))).set_index("effect")
    assert found.loc["edge", "estimate"] == pytest.approx(0.05, abs=1e-12)
    mean = 0.925 + 0.05 * EDGE.mean()
    assert found.loc["edge", "percent"] == pytest.approx(100 * 0.05 / mean, rel=1e-9)
    assert found.loc["edge", "n_groups"] == 4
    assert found.loc["edge", "n_wells"] == 96


def test_a_drift_is_counted_over_the_rows_that_were_used():
    found = position_table(plate(noisy(np.random.default_rng(0), row=0.07, sd=0))).set_index("effect")
    assert found.loc["row drift", "estimate"] == pytest.approx(0.07, abs=1e-12)
    assert abs(found.loc["column drift", "estimate"]) < 0.01


def test_intervals_of_the_edge_hold_what_was_put_in():
    rng, held, n = np.random.default_rng(7), 0, 1000
    groups = np.array([(i // 12 + i) % 4 for i in range(96)])
    for _ in range(n):
        slope, se, df = within_slope(noisy(rng, edge=0.03), EDGE.astype(float), groups)
        held += abs(slope - 0.03) <= stats.t.ppf(0.975, df) * se
    assert stats.binomtest(held, n, 0.95).pvalue > 0.01, held / n


def test_the_first_time_of_a_kinetic_read_is_compared():
    first, later = plate(noisy(np.random.default_rng(3)), time_s=0.0), plate(np.full(96, 9.0), time_s=60.0)
    assert position_table(pd.concat([later, first])).equals(position_table(first))


def test_wells_are_alike_by_role_and_level_and_not_by_replicate():
    wells = plate(np.arange(96.0), ["standard"] * 96, standards=np.repeat([0.0, 10.0], 48))
    wells["replicate"] = np.arange(96.0)
    alike = like_wells(wells)
    assert alike["level"].unique().tolist() == ["standard_nmol 0", "standard_nmol 10"]
    assert alike["mean"].unique().tolist() == [23.5, 71.5]
    assert alike["residual"].sum() == 0
    assert (alike["edge"] == EDGE).all()


def test_without_roles_nothing_is_alike_and_the_reason_says_so():
    wells = plate(np.ones(96), [""] * 96)
    found = position_table(wells)
    assert found["percent"].isna().all()
    assert set(found["reason"]) == {"no layout says which wells are alike"}
    assert replicate_table(wells).empty
    row = plate_quality(wells).iloc[0]
    assert (row["verdict"], row["reason"]) == ("pass", "")


def test_a_column_of_its_own_at_the_rim_tells_nothing_of_the_edge():
    roles = ["blank" if w[1:] == "12" else "empty" for w in WELLS]
    found = position_table(plate(np.ones(96), roles)).set_index("effect")
    assert found.loc["edge", "reason"] == "only 0 like wells lie at different places"
    assert found.loc["edge", "n_wells"] == 0


@pytest.mark.parametrize(
    ("wells", "shape"),
    [
        (WELLS, (8, 12)),
        (["A1", "A2", "A3", "B1", "B2", "B3"], (2, 3)),
        (["A1", "A2", "A3", "B1", "B2"], (8, 12)),
        ([f"{r}{c}" for r in "ABCDEFGH" for c in range(1, 4)], (8, 12)),
        ([f"{r}{c}" for r in "ABCD" for c in range(1, 7)], (4, 6)),
        (["A13"], (16, 24)),
        (["I1"], (16, 24)),
    ],
)
def test_the_plate_that_wells_are_of(wells, shape):
    assert plate_shape(wells) == shape


def controls(high, low):
    roles = ["qc_high" if i < len(high) else "qc_low" if i < len(high) + len(low) else "empty" for i in range(96)]
    return plate(np.r_[high, low, np.ones(96 - len(high) - len(low))], roles)


def test_z_prime_and_its_interval_are_of_the_wells_and_of_the_name_alone():
    high, low = np.array([1.0, 1.1, 0.9, 1.05, 0.95]), np.array([0.1, 0.12, 0.08, 0.1, 0.11])
    row = control_table(controls(high, low)).iloc[0]
    assert row["z_prime"] == z_prime(high, low)
    assert (row["ci_low"], row["ci_high"]) == z_prime_interval(high, low, "p 1")
    assert z_prime_interval(high, low, "p 1") != z_prime_interval(high, low, "q 1")
    assert row["ci_low"] < row["z_prime"] < row["ci_high"]
    few = control_table(controls(high[:3], low)).iloc[0]
    assert math.isnan(few["z_prime"])
    assert few["reason"] == "3 high and 5 low controls; 4 of each are needed"


def test_the_bootstrap_of_many_controls_covers_z_prime():
    rng, truth, held, n = np.random.default_rng(11), 1 - 3 * (0.05 + 0.02) / 0.9, 0, 200
    for i in range(n):
        low, high = z_prime_interval(rng.normal(1, 0.05, 40), rng.normal(0.1, 0.02, 40), f"{i}")
        held += low <= truth <= high
    assert held / n > 0.88, (held, DRAWS)


def test_replicates_are_summarised_by_group():
    wells = plate(np.r_[[1.0, 2.0, 3.0], np.zeros(93)], ["standard"] * 3 + ["blank"] * 93, standards=[5.0] * 96)
    table = replicate_table(wells).set_index("role")
    assert table.loc["standard", ["n", "mean", "sd", "cv_percent"]].tolist() == [3, 2, 1, 50]
    assert math.isnan(table.loc["blank", "cv_percent"])


def test_limits_warn_with_number_interval_and_limit_and_can_be_set():
    rng = np.random.default_rng(5)
    good = plate_quality(plate(noisy(rng))).iloc[0]
    assert (good["verdict"], good["reason"]) == ("pass", "")
    bad = plate_quality(plate(noisy(rng, edge=0.5))).iloc[0]
    assert bad["verdict"] == "warn"
    assert "edge effect" in bad["reason"]
    assert "is beyond 20 %" in bad["reason"]
    loose = {"edge_max": {"value": 80, "unit": "%", "source": "mine"}, "replicate_cv_max": {"value": 90, "source": "x"}}
    assert plate_quality(plate(noisy(np.random.default_rng(5), edge=0.5)), loose).iloc[0]["verdict"] == "pass"
    assert limits(loose)["edge_max"].source == "mine"
    assert limits() == LIMITS
    assert all(limit.source for limit in LIMITS.values())


def test_an_effect_that_cannot_be_told_from_none_is_no_warning():
    values = np.ones(96)
    values[[0, 13]] = 3.0, 1.0
    roles = ["sample" if i in (0, 1, 12, 13, 14, 25) else "empty" for i in range(96)]
    wells = plate(values, roles).assign(sample_id="S")
    row = plate_quality(wells).iloc[0]
    assert row["edge_percent"] > 20
    assert row["edge_ci_low"] < 0
    assert "edge" not in row["reason"]
