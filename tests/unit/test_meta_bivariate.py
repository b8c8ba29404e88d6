"""The bivariate model of both arms' logits: against metafor's rma.mv, at its bounds, and on data with a known slope."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from mgk.meta.bivariate import COLUMNS, arm_logits, bivariate, control_risk_table, why_not
from mgk.meta.effects import effect_sizes

REFERENCE = Path(__file__).parents[1] / "reference" / "metafor"
STORED = pd.read_csv(REFERENCE / "bivariate.csv").to_dict("records")


def effects_of(name, measure="OR"):
    rows = pd.read_csv(REFERENCE / "tables.csv")
    rows = rows[rows["table"] == name].dropna(axis="columns", how="all")
    return effect_sizes(rows.assign(study=rows["study_id"]), measure)


def counted(control, treatment, n):
    """Return effects with these events of n people in both arms."""
    who = [f"s{i}" for i in range(len(control))]
    arms = {"events_treatment": treatment, "n_treatment": n, "events_control": control, "n_control": n}
    return effect_sizes(pd.DataFrame({"study_id": who, "study": who} | arms), "OR")


def test_the_grid_of_references_does_not_shrink():
    assert {(row["table"], row["method"]) for row in STORED} == {
        (table, method) for table in ("bcg", "li2007", "egger2001") for method in ("ML", "REML")
    }


@pytest.mark.parametrize("stored", STORED, ids=lambda row: f"{row['table']}-{row['method']}")
def test_it_agrees_with_metafor_and_is_never_lower(stored):
    y, v, _ = arm_logits(effects_of(stored["table"]))
    fit = bivariate(y, v, stored["method"])
    assert len(y) == stored["k"]
    assert fit.boundary == ""
    assert -1e-6 <= fit.log_likelihood - stored["log_likelihood"] < 1e-6
    assert fit.means == pytest.approx([stored["control_logit"], stored["treatment_logit"]], abs=1e-5)
    errors = [stored["control_logit_se"], stored["treatment_logit_se"]]
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(errors, rel=1e-5)
    assert fit.covariance[0, 1] == pytest.approx(stored["covariance"], rel=1e-4)
    assert np.diag(fit.between) == pytest.approx([stored["tau2_control"], stored["tau2_treatment"]], rel=1e-4)
    assert fit.rho == pytest.approx(stored["rho"], rel=1e-5)
    slope = stored["rho"] * np.sqrt(stored["tau2_treatment"] / stored["tau2_control"])
    assert fit.slope == pytest.approx(slope, rel=1e-5)


def joint(theta, y, v):
    """Return minus the full log-likelihood of intercept, slope, control mean, tau2 and residual tau2."""
    intercept, slope, mean, tau2, residual = theta
    between = np.array([[tau2, slope * tau2], [slope * tau2, slope**2 * tau2 + residual]])
    at = [mean, intercept + slope * mean]
    return -np.sum(
        [stats.multivariate_normal(at, between + np.diag(s)).logpdf(row) for row, s in zip(y, v, strict=True)]
    )


def test_the_errors_are_those_of_the_joint_likelihood_in_terms_of_slope_and_intercept():
    y, v, _ = arm_logits(effects_of("bcg"))
    fit = bivariate(y, v, "ML")
    at = np.array([fit.intercept, fit.slope, fit.means[0], fit.between[0, 0], fit.residual])
    assert -joint(at, y, v) == pytest.approx(fit.log_likelihood, abs=1e-9)
    assert np.abs(optimize.approx_fprime(at, joint, 1e-7, y, v)).max() < 1e-4
    h = 1e-3 * np.eye(5)
    H = np.array([[(joint(at + a + b, y, v) - joint(at + a - b, y, v) - joint(at - a + b, y, v)
                    + joint(at - a - b, y, v)) / 4e-6 for a in h] for b in h])  # fmt: skip
    errors = np.sqrt(np.diag(np.linalg.inv(H)))
    assert [fit.intercept_se, fit.slope_se] == pytest.approx(errors[:2], rel=1e-3)


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_a_slope_put_in_is_found(method):
    rng = np.random.default_rng(5)
    control = rng.normal(-1.0, 0.8, 400)
    true = np.column_stack([control, -0.3 + 0.6 * control + rng.normal(0, 0.2, 400)])
    v = rng.uniform(0.05, 0.3, (400, 2))
    y = true + rng.normal(size=true.shape) * np.sqrt(v)
    fit = bivariate(y, v, method)
    assert abs(fit.slope - 0.6) < 3 * fit.slope_se < 0.2
    assert abs(fit.intercept + 0.3) < 3 * fit.intercept_se < 0.3
    naive = np.polyfit(y[:, 0], y[:, 1] - y[:, 0], 1)[0]
    assert naive < fit.slope - 1 - 2 * fit.slope_se, "the shared error makes the ordinary slope steeper"


@pytest.mark.parametrize(("sign", "slope"), [(1, 0.8), (-1, -0.8)])
def test_a_correlation_at_its_bound_is_found_and_said(sign, slope):
    control = np.linspace(-2, 0, 12)
    y = np.column_stack([control, -0.5 + slope * control])
    fit = bivariate(y, np.full((12, 2), 0.05), "REML")
    assert fit.boundary == "rho"
    assert fit.rho == sign
    assert fit.residual == pytest.approx(0, abs=1e-12)
    assert fit.slope == pytest.approx(slope, abs=0.03)
    assert np.isfinite([fit.slope_se, fit.intercept_se]).all()


def test_variances_of_zero_are_found_and_said():
    found = control_risk_table(counted([20, 21, 20, 19], [15, 15, 16, 14], [100] * 4), "x").set_index("term")
    assert (found[["tau2_control", "tau2_treatment"]] == 0).all(axis=None)
    assert found.loc[["treatment_slope", "log_odds_ratio_slope"], ["estimate", "se", "ci_low"]].isna().all(axis=None)
    assert found["note"].str.contains("both tau2 at their bound of 0").all()
    assert found.loc["log_odds_ratio", ["estimate", "se"]].notna().all(axis=None)


def test_without_variance_of_the_control_group_there_is_no_slope():
    found = control_risk_table(counted([50] * 5, [10, 30, 50, 70, 90], [100] * 5), "x")
    assert (found["tau2_control"] < 1e-9).all()
    assert (found["tau2_treatment"] > 0.5).all()
    assert found.loc[found["term"].str.contains("slope"), "estimate"].isna().all()
    assert found["note"].str.contains("tau2 of the control group at its bound of 0").all()


def test_exchanging_the_arms_exchanges_the_model():
    y, v, _ = arm_logits(effects_of("egger2001"))
    one, other = bivariate(y, v), bivariate(y[:, ::-1], v[:, ::-1])
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-10)
    assert one.rho == pytest.approx(other.rho, rel=1e-6)
    assert one.between == pytest.approx(other.between[::-1, ::-1], rel=1e-6)


def test_the_table_says_what_it_holds():
    found = control_risk_table(effects_of("li2007"), "magnesium")
    assert list(found) == list(COLUMNS)
    assert found["term"].value_counts().eq(2).all()
    by = found.set_index(["method", "term"])
    for method in ("ML", "REML"):
        slopes = by.loc[method].loc[["treatment_slope", "log_odds_ratio_slope"]]
        assert slopes["estimate"].diff().iloc[1] == pytest.approx(-1)
        assert slopes["se"].iloc[0] == slopes["se"].iloc[1]
    assert ((found["ci_low"] < found["estimate"]) & (found["estimate"] < found["ci_high"])).all()
    assert found["note"].str.contains("1/2 added to an arm with a zero in 2 of 22 studies").all()
    risk_ratio = control_risk_table(effects_of("li2007", "RR"), "magnesium")
    pd.testing.assert_frame_equal(found, risk_ratio)


@pytest.mark.parametrize(
    ("name", "measure", "reason"),
    [("curtin2002", "GEN", "measure GEN"), ("bcg", "PETO", "measure PETO"), ("two_trials", "OR", "2 of at least 3")],
)
def test_without_counts_or_studies_the_table_is_empty_and_the_reason_is_told(name, measure, reason):
    effects = effects_of(name, measure)
    assert reason in why_not(effects)
    assert list(control_risk_table(effects, "x")) == list(COLUMNS)
    assert control_risk_table(effects, "x").empty
