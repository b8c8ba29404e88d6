import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgk.meta.heterogeneity import ESTIMATORS, log_likelihood, q_profile, tau_squared, typical_variance, weighted_fit
from mgk.tables.problems import InputError

effects = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(-3, 1.5).map(lambda power: 10.0**power)), min_size=2, max_size=12
).map(lambda pairs: (np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])))


@given(effects, st.floats(-100, 100), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_estimators_follow_a_change_of_unit_and_ignore_a_shift(table, shift, unit):
    yi, vi = table
    for method in ESTIMATORS:
        before = tau_squared(yi, vi, method)
        after = tau_squared(unit * yi + shift, unit**2 * vi, method)
        # Two maxima of one height may swap by rounding; the likelihood tells whether they are equal.
        if method in ("ML", "REML") and abs(after - unit**2 * before) > 1e-6 * (1 + after):
            restricted = method == "REML"
            values = [log_likelihood(yi, vi, t, restricted=restricted) for t in (before, after / unit**2)]
            assert values[0] == pytest.approx(values[1], abs=1e-7)
        else:
            assert after == pytest.approx(unit**2 * before, rel=1e-5, abs=1e-7 * unit**2)


@given(effects)
@settings(max_examples=30, deadline=None)
def test_likelihood_estimates_are_the_highest_point(table):
    yi, vi = table
    for method in ("ML", "REML"):
        restricted = method == "REML"
        best = log_likelihood(yi, vi, tau_squared(yi, vi, method), restricted=restricted)
        elsewhere = [log_likelihood(yi, vi, t, restricted=restricted) for t in [0, *np.geomspace(1e-7, 1e3, 60)]]
        assert best >= max(elsewhere) - 1e-9


@given(effects)
@settings(max_examples=30, deadline=None)
def test_paule_mandel_solves_its_equation_or_sits_at_its_bound(table):
    yi, vi = table
    tau2, k = tau_squared(yi, vi, "PM"), len(yi)
    q = weighted_fit(yi, vi, tau2).q
    assert (q == pytest.approx(k - 1, rel=1e-8)) if tau2 > 0 else q <= k - 1
    assert tau_squared(yi, vi, "EB") == tau2


@given(effects)
@settings(max_examples=30, deadline=None)
def test_q_profile_limits_hold_the_paule_mandel_estimate(table):
    yi, vi = table
    low, high = q_profile(yi, vi)
    if np.isnan(low):
        assert np.isnan(high)
        assert tau_squared(yi, vi, "PM") == 0
    else:
        assert 0 <= low <= tau_squared(yi, vi, "PM") * (1 + 1e-9) <= high * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize(
    ("yi", "vi", "inner", "highest"),
    [
        ([-1.5, -1.8, -0.9, 0.4], [10.0, 1.0, 1.0, 0.01], 0.44, 0.0),
        ([0.1, 1.8, 0.7], [0.001, 0.1, 10.0], 0.645, 0.645),
    ],
)
def test_a_likelihood_with_two_maxima_gives_the_higher(yi, vi, inner, highest):
    def height(tau2):
        return log_likelihood(np.array(yi), np.array(vi), tau2, restricted=False)

    assert height(0) > height(1e-4), "0 is a maximum"
    assert height(inner) > max(height(0.5 * inner), height(2 * inner)), "and so is a place within"
    assert tau_squared(yi, vi, "ML") == pytest.approx(highest, rel=0.01)


def test_equal_errors_have_closed_forms():
    yi, v = np.array([0.1, 0.9, -0.4, 1.6]), 0.04
    vi, excess = np.full(4, v), np.var(yi, ddof=1) - v
    for method in ("DL", "REML", "PM", "HE", "EB"):
        assert tau_squared(yi, vi, method) == pytest.approx(excess, rel=1e-12)
    assert tau_squared(yi, vi, "ML") == pytest.approx(np.var(yi) - v, rel=1e-12)
    assert typical_variance(vi) == pytest.approx(v, rel=1e-12)


@pytest.mark.parametrize("method", ESTIMATORS)
def test_identical_effects_have_no_variance_between_them(method):
    assert tau_squared([0.3, 0.3, 0.3], [0.1, 0.2, 0.4], method) == pytest.approx(0, abs=1e-30)


def test_a_root_beyond_any_fixed_bound_is_found():
    yi = np.array([-1e6, 0.0, 3e6])
    for method in ESTIMATORS:
        assert tau_squared(yi, np.full(3, 1e-4), method) > 1e12


def test_estimators_recover_what_was_put_in():
    rng = np.random.default_rng(20261120)
    tau2, k = 0.5, 4000
    vi = rng.uniform(0.05, 1.0, k)
    yi = rng.normal(1.0, np.sqrt(vi + tau2))
    for method in ESTIMATORS:
        # SJ weighs by a first guess that holds the sampling variance too, and stays above the truth.
        assert tau_squared(yi, vi, method) == pytest.approx(tau2, rel=0.35 if method == "SJ" else 0.12), method
    low, high = q_profile(yi, vi)
    assert low < tau2 < high


def test_too_few_studies_and_unknown_methods_are_refused():
    with pytest.raises(InputError, match="2 studies or more, not 1"):
        tau_squared([0.1], [0.2], "DL")
    with pytest.raises(InputError, match="needs 3 studies or more"):
        tau_squared([0.1, 0.2], [0.2, 0.1], "DL", np.column_stack([np.ones(2), [1.0, 2.0]]))
    with pytest.raises(InputError, match=r"'DSL': allowed are DL, REML"):
        tau_squared([0.1, 0.3], [0.2, 0.2], "DSL")
