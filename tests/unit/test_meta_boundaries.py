"""Clinical statistics at their boundaries: one study, two, identical effects, zero cells, huge spread; no warning."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from mgk.meta import counts, sparse
from mgk.meta.counts import conditional_odds_ratio, counts_table
from mgk.meta.dependence import cluster_robust, dependent_table, three_level
from mgk.meta.diagnostics import cumulative, influence, leave_one_out, small_study, trim_and_fill
from mgk.meta.effects import MEASURES, back_transform, effect_sizes, from_double_arcsine
from mgk.meta.heterogeneity import ESTIMATORS, fit_subsets, tau_squared, tau_squared_of_subsets
from mgk.meta.pooling import compare_models, peto, pool, pooled_row, pooled_table
from mgk.meta.regression import meta_regression, moderators_table
from mgk.meta.sparse import logit_normal, sparse_table
from mgk.tables.problems import InputError


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def trials(*rows, **columns):
    names = ["events_treatment", "n_treatment", "events_control", "n_control"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(study_id=[f"s{i}" for i in range(len(rows))], study="Study", **columns)


def given_effects(yi, vi, **columns):
    frame = pd.DataFrame({"estimate": yi, "se": np.sqrt(vi), "scale": "linear"} | columns)
    frame = frame.assign(study_id=[f"s{i}" for i in range(len(frame))], study="Study")
    return effect_sizes(frame, "GEN", keep=tuple(columns))


def means(**columns):
    return pd.DataFrame({"study_id": ["a"], "study": "A"} | {name: [value] for name, value in columns.items()})


TWO_ARMS = {
    "mean_treatment": 12.0, "sd_treatment": 4.0, "n_treatment": 10, "mean_control": 10.0, "sd_control": 5.0,
    "n_control": 12,
}  # fmt: skip
BOTH = {
    "mean_treatment": 12.0,
    "sd_treatment": 4.0,
    "mean_control": 10.0,
    "sd_control": 5.0,
    "n": 16,
    "correlation": 0.5,
}


def test_means_by_hand():
    found = {m: effect_sizes(means(**TWO_ARMS), m).iloc[0] for m in ("MD", "SMD", "ROM")}
    assert (found["MD"]["yi"], found["MD"]["vi"]) == pytest.approx((2.0, 16 / 10 + 25 / 12))
    assert found["ROM"]["back_transformed_estimate"] == pytest.approx(1.2)
    pooled_sd = np.sqrt((9 * 16 + 11 * 25) / 20)
    # Hedges' approximation of his exact factor, 1 - 3 / (4 df - 1), is good to four digits at 20 degrees of freedom
    assert found["SMD"]["yi"] == pytest.approx((1 - 3 / 79) * 2 / pooled_sd, rel=2e-4)
    change = {m: effect_sizes(means(**BOTH), m).iloc[0] for m in ("MC", "SMCC", "SMCR", "ROMC")}
    assert (change["MC"]["yi"], change["MC"]["vi"]) == pytest.approx((2.0, (16 + 25 - 20) / 16))
    assert change["SMCC"]["yi"] / change["SMCR"]["yi"] == pytest.approx(5 / np.sqrt(21))
    assert change["MC"]["zero_rule"] == ""


BAD_MEANS = [
    ("MD", {"sd_control": 0.0}, "sd_control"),
    ("MD", {"n_treatment": 1}, "n_treatment"),
    ("MD", {"mean_control": np.nan}, "mean_control"),
    ("ROM", {"mean_treatment": -1.0}, "mean_treatment"),
    ("MC", {"correlation": 1.0}, "correlation"),
    ("SMCC", {"correlation": np.nan}, "correlation"),
    ("ROMC", {"mean_control": 0.0}, "mean_control"),
]


@pytest.mark.parametrize(("measure", "change", "column"), BAD_MEANS)
def test_bad_means_are_refused(measure, change, column):
    good = BOTH if "C" in measure else TWO_ARMS
    with pytest.raises(InputError) as error:
        effect_sizes(means(**(good | change)), measure)
    assert [p.column for p in error.value.problems] == [column]


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=40, deadline=None)
def test_proportions_come_back_from_every_scale(pair):
    events, n = pair
    table = pd.DataFrame({"study_id": ["a"], "study": ["A"], "events": [events], "n": [n]})
    for measure in ("PFT", "PAS"):
        row = effect_sizes(table, measure).iloc[0]
        assert row["back_transformed_estimate"] == pytest.approx(events / n, abs=1e-7), measure
        assert row["zero_rule"] == "none"
        assert 0 <= row["back_transformed_ci_low"] <= row["back_transformed_ci_high"] <= 1
    rate = (events + 0.5) / (n + 1) if events in (0, n) else events / n
    for measure in ("PR", "PLO"):
        row = effect_sizes(table, measure).iloc[0]
        assert row["back_transformed_estimate"] == pytest.approx(rate, rel=1e-9)
        assert row["vi"] > 0


def test_the_double_arcsine_stays_within_its_range():
    assert from_double_arcsine([-1.0, 0.0, 2.0, np.nan], 10)[:3].tolist() == [0, 0, 1]
    assert from_double_arcsine(np.pi / 4, 7) == pytest.approx(0.5)
    assert from_double_arcsine(0.4) == pytest.approx(np.sin(0.4) ** 2)
    frame = back_transform(pd.DataFrame({"x": [0.4]}), {"x": "x"}, "double arcsine", 20.0)
    assert frame["back_transformed_x"][0] != pytest.approx(np.sin(0.4) ** 2, abs=1e-4)


def test_a_proportion_includes_and_excludes_no_null():
    table = pd.DataFrame({"study_id": list("abc"), "study": "S", "events": [4, 7, 30], "n": [40, 50, 90]})
    effects = effect_sizes(table, "PFT")
    text = compare_models(pooled_table(effects, "x"), effects)
    assert text.startswith("Proportion, common effect")
    assert "nan" not in text
    assert "include" not in text


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_says_what_it_is(measure):
    chosen = MEASURES[measure]
    assert chosen.scale in ("log", "linear", "logit", "arcsine", "double arcsine", "")
    assert bool(chosen.below) == bool(chosen.above) == np.isfinite(chosen.null)


def test_cox_1991_by_every_exact_method():
    table = counts_table(trials((12, 15, 3, 17))).iloc[0]
    # of the project's notes: Newcombe 0.280-0.796, Fisher 0.0010326, NNT 1.604 (1.117-2.842), exact OR 16.4198073838
    found = table[["difference", "difference_low", "difference_high"]].astype(float)
    np.testing.assert_allclose(found, [0.6235, 0.280, 0.796], atol=5e-4)
    assert table["fisher_p"] == pytest.approx(0.0010326, abs=5e-8)
    found = table[["nnt", "nnt_wald_low", "nnt_wald_high"]].astype(float)
    np.testing.assert_allclose(found, [1.604, 1.117, 2.842], atol=5e-4)
    assert table["conditional_or"] == pytest.approx(16.4198073838, abs=5e-11)
    assert table["nnt_words"] == "for one person more with the event"


def test_exact_odds_ratios_at_the_ends_of_the_support():
    low, high = conditional_odds_ratio(0, 10, 5, 12), conditional_odds_ratio(10, 10, 5, 12)
    assert (low.estimate, low.ci_low) == (0, 0)
    assert (high.estimate, high.ci_high) == (np.inf, np.inf)
    assert np.isfinite([low.ci_high, high.ci_low]).all()
    none = conditional_odds_ratio(0, 10, 0, 12)
    assert np.isnan(none.estimate)
    assert (none.ci_low, none.ci_high, none.p) == (0, np.inf, 1)
    words = counts_table(trials((4, 30, 5, 33), (0, 10, 0, 12)))["nnt_words"]
    assert words[0].count("with the event") == 2
    assert "through infinity" in words[0]
    assert counts_table(trials((0, 10, 0, 12)))["nnt"][0] == np.inf


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_far_tables_of_given_margins_weigh_nothing(n1, n2, share, other):
    a, c = round(share * n1), round(other * n2)
    every = conditional_odds_ratio(a, n1, c, n2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(counts, "MOST_TABLES", 0)
        near = conditional_odds_ratio(a, n1, c, n2)
    found, expected = (list(vars(r).values()) for r in (near, every))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)


def test_a_billion_people_fit_into_memory():
    found = conditional_odds_ratio(300_000_000, 10**9, 300_010_000, 10**9)
    low, high = 300 * 699.99 / (300.01 * 700) * np.exp(np.array([-1, 1]) * 1.959964 * np.sqrt(2 / 3e8 + 2 / 7e8))
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=1e-8)


def test_sparse_counts_too_far_apart_say_so():
    table = pd.DataFrame({"events": [22, 22, 0, 17, 0, 0], "n": [22, 22, 2, 22, 1000, 2], "study": "S"})
    found = sparse_table(effect_sizes(table.assign(study_id=list("abcdef")), "PAS"), "x").set_index("model")
    assert np.isfinite(found.loc["common", "se"])
    assert np.isnan(found.loc["random", "estimate"])
    assert found.loc["random", "note"].endswith("the studies are too far apart")
    large = effect_sizes(trials((3, 2 * 10**7, 5, 2 * 10**7), (4, 50, 6, 50)), "OR")
    assert sparse_table(large, "x")["note"].str.contains("more than 10,000,000 people in an arm").all()


def test_one_study_with_all_the_weight_leaves_finite_shares():
    effects = given_effects([0.0, 1.0, 2.0], [1e-24, 1e24, 1e24], dose=[1.0, 2.0, 4.0])
    tests = small_study(effects, "x").set_index("procedure")
    assert tests.loc["begg", "note"] == "one study has all the weight"
    table = moderators_table(effects, "x", ["dose"])
    assert table["i2"].dropna().between(0, 100).all()


subsets = st.integers(3, 9).flatmap(
    lambda k: st.tuples(
        st.lists(st.floats(-5, 5), min_size=k, max_size=k),
        st.lists(st.floats(-3, 1).map(lambda power: 10.0**power), min_size=k, max_size=k),
    )
)


@given(subsets)
@settings(max_examples=25, deadline=None)
def test_many_subsets_at_once_are_as_one_by_one(pairs):
    yi, vi = np.array(pairs)
    used = np.vstack([~np.eye(len(yi), dtype=bool), np.tri(len(yi), dtype=bool)[1:]])
    for method in ESTIMATORS:
        at_once = tau_squared_of_subsets(yi, vi, used, method)
        alone = np.array([tau_squared(yi[u], vi[u], method) for u in used])
        if method in ("ML", "REML"):  # of two maxima of one height either may be taken
            fits = fit_subsets(yi, vi, used, method)
            assert np.isclose(at_once, alone, rtol=1e-7, atol=1e-9).mean() > 0.6
            np.testing.assert_array_equal(fits.tau2, at_once)
        else:
            np.testing.assert_allclose(at_once, alone, rtol=1e-8, atol=1e-12, err_msg=method)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_studies_give_what_they_can_and_say_the_rest(k):
    effects = effect_sizes(
        trials((5, 50, 12, 52), (9, 80, 8, 79), (0, 30, 4, 33))[:k].assign(year=1990), "OR", keep=["year"]
    )
    left = leave_one_out(effects, "x")
    assert len(left) == (0 if k == 1 else 2 * k)
    random = left[left["model"] == "random"]
    assert random["estimate"].isna().all() == (k < 3)
    assert (random["note"] != "").all() == (k < 3)
    added = cumulative(effects, "x")
    assert len(added) == 2 * k
    assert added["back_transformed_estimate"].isna().sum() == 1, "the first study alone, random effects"
    assert len(influence(effects, "x")) == (0 if k == 1 else 2 * k)
    tests = small_study(effects, "x")
    assert len(tests) == 9
    assert (tests["note"] != "").all()
    assert tests["p"].notna().any() == (k == 3)
    assert moderators_table(effects, "x", ["year"])["note"].str.contains("same value").all()
    assert len(sparse_table(effects, "x")) == 6
    assert len(pooled_table(effects, "x", by="year")) == 68


def test_identical_effects_leave_nothing_to_test_with():
    effects = given_effects([0.3] * 5, [0.01, 0.02, 0.04, 0.03, 0.05], dose=[1.0, 2, 3, 4, 5], trial=list("aabbc"))
    tests = small_study(effects, "x").set_index("procedure")
    assert tests.loc["egger_lm", "note"] == "no residual spread: nothing to test with"
    assert tests.loc["begg", "note"] != ""
    assert (tests.loc["trim_fill_L0", "n_missing"] == 0).all()
    changed = influence(effects, "x")
    np.testing.assert_allclose(changed[["rstudent", "dffits", "cook_d", "baujat_x", "baujat_y"]], 0, atol=1e-12)
    assert leave_one_out(effects, "x")["tau2"].dropna().max() == 0
    found = moderators_table(effects, "x", ["dose"])
    assert found["tau2"].eq(0).all()
    assert found["note"].str.contains("residual tau2 at its bound 0").all()
    rows = dependent_table(effects, "x", "trial")
    assert (rows[["tau2_between", "tau2_within"]].fillna(0) == 0).all(axis=None)
    np.testing.assert_allclose(rows["estimate"], 0.3)


def test_equal_precision_leaves_no_slope():
    tests = small_study(given_effects([0.1, 0.5, -0.2, 0.7], [0.04] * 4), "x").set_index("procedure")
    for name in ("egger_lm", "egger_rma", "begg"):
        assert "same precision" in tests.loc[name, "note"]
    assert tests.loc["trim_fill_R0", "limit_estimate"].notna().all()


def test_huge_spread_goes_through_everything():
    effects = given_effects(
        [-80.0, 55, 3, 120, -9], [1e-4, 4e-4, 2.5e-3, 1e-4, 9e-4], dose=[1.0, 2, 3, 4, 5], trial=list("aabbc")
    )
    assert leave_one_out(effects, "x")[["estimate", "se"]].notna().all(axis=None)
    assert influence(effects, "x")["rstudent"].notna().all()
    assert moderators_table(effects, "x", ["dose"])["p"].notna().all()
    rows = dependent_table(effects, "x", "trial")
    assert rows["se"].notna().all()
    assert (rows["df"].dropna() < 4).all()
    assert rows.loc[rows["test"] == "CR2", "note"].str.contains("too few clusters").all()


def test_subgroups_pool_apart_and_name_the_empty():
    effects = given_effects([0.1, 0.2, 0.9, 1.1, 0.4], [0.04] * 5, route=["oral", "oral", "iv", "iv", None])
    table = pooled_table(effects, "x", by="route")
    assert table["subgroup"].unique().tolist() == ["", "iv", "not given", "oral"]
    iv = pooled_row(table, ("IV", "z"), "iv")
    assert (iv["k"], iv["estimate"]) == (2, pytest.approx(1.0))
    assert pooled_row(table, ("REML", "knha"), "not given")["note"].startswith("one study")
    assert pooled_row(table, ("IV", "z"))["k"] == 5
    with pytest.raises(InputError, match="column 'rout'"):
        pooled_table(effects, "x", by="rout")


def test_peto_ignores_double_zeros_and_says_when_nothing_is_left():
    with_zero = peto(effect_sizes(trials((5, 50, 12, 52), (9, 80, 8, 79), (0, 9, 0, 11)), "PETO"))
    without = peto(effect_sizes(trials((5, 50, 12, 52), (9, 80, 8, 79)), "PETO"))
    assert (with_zero.estimate, with_zero.q, with_zero.q_df) == (without.estimate, pytest.approx(without.q), 1)
    assert "every study" in peto(effect_sizes(trials((0, 9, 0, 11), (7, 7, 9, 9)), "OR")).note
    with pytest.raises(InputError, match="Peto"):
        peto(effect_sizes(trials((5, 50, 12, 52)), "RD"))


def test_regression_of_one_text_moderator_is_a_difference_between_groups():
    effects = given_effects([0.1, 0.2, 0.9, 1.1], [0.04, 0.02, 0.04, 0.02], route=["oral", "oral", "iv", "iv"])
    fit = meta_regression(effects, ["route"], "IV", "z")
    assert fit.terms == ("intercept", "route: oral")
    yi, vi = effects["yi"].to_numpy(), effects["vi"].to_numpy()
    iv, oral = pool(yi[2:], vi[2:], "IV", "z"), pool(yi[:2], vi[:2], "IV", "z")
    np.testing.assert_allclose(fit.coefficients, [iv.estimate, oral.estimate - iv.estimate])
    assert fit.qm + fit.qe == pytest.approx(pool(yi, vi, "IV", "z").q)
    shown = fit.predict([[1, 0], [1, 1]])
    np.testing.assert_allclose(shown["se"], [iv.se, oral.se])


def test_moderators_that_cannot_be_fitted_say_why():
    effects = given_effects([0.1, 0.2, 0.9, 1.1], [0.04] * 4, a=[1.0, 2, 3, 4], b=[2.0, 4, 6, 8], c=[None, 1, None, 2])
    found = moderators_table(effects, "x", ["a", "b", "c"]).set_index("model")
    assert found.loc["a", "estimate"].notna().all()
    assert found.loc["c", "note"].str.contains("3 studies or more, not 2").all()
    assert found.loc["a + b + c", "estimate"].isna().all()
    with pytest.raises(InputError, match="determine each other"):
        meta_regression(effects, ["a", "b"])
    with pytest.raises(InputError, match="'d' is no column"):
        meta_regression(effects, ["d"])
    assert list(moderators_table(effects, "x")) == list(found.reset_index()[list(moderators_table(effects, "x"))])
    assert moderators_table(effects, "x").empty


def test_three_levels_need_clusters_of_two_and_two_clusters():
    yi, vi = np.array([0.1, 0.5, 0.9, 1.4]), np.full(4, 0.01)
    for clusters, words in (("aaaa", "two clusters"), ("abcd", "no cluster has two rows")):
        with pytest.raises(InputError, match=words):
            three_level(yi, vi, list(clusters))
    with pytest.raises(InputError, match="two clusters"):
        cluster_robust(yi, np.ones((4, 1)), [np.diag(vi)], [np.arange(4)])
    found = dependent_table(given_effects(yi, vi, trial=["a", "a", None, None]), "x", "trial")
    assert found["n_clusters"].eq(3).all(), "a row without a cluster is one of its own"
    assert dependent_table(given_effects(yi, vi), "x").empty


def test_three_levels_find_each_boundary_and_the_inside():
    rng = np.random.default_rng(20261120)
    member, vi = np.repeat(np.arange(12), 3), np.full(36, 0.01)
    between, within = rng.normal(0, 1, 12)[member], rng.normal(0, 1, 36)
    within -= np.array([within[member == m].mean() for m in range(12)])[member]
    for yi, inside in ((between, (True, False)), (within, (False, True)), (between + within, (True, True))):
        fit = three_level(yi, vi, member)
        assert (fit.tau2_between > 0, fit.tau2_within > 0) == inside
    alone = three_level(within, vi, member)
    assert alone.tau2_within == pytest.approx(tau_squared(within, vi, "REML"), rel=1e-9)


def test_robust_variance_of_single_rows_is_hc2_like():
    rng = np.random.default_rng(1)
    yi, vi = rng.normal(size=9), rng.uniform(0.1, 1, 9)
    found = cluster_robust(yi, np.ones((9, 1)), [np.array([[v]]) for v in vi], [np.array([i]) for i in range(9)])
    weight = 1 / vi / np.sum(1 / vi)
    by_hand = np.sum(weight**2 * (yi - weight @ yi) ** 2 / (1 - weight))
    assert found.covariance[0, 0] == pytest.approx(by_hand, rel=1e-12)
    equal = cluster_robust(yi, np.ones((9, 1)), [np.eye(1)] * 9, [np.array([i]) for i in range(9)])
    assert equal.df[0] == pytest.approx(8)


def test_trim_and_fill_mends_a_funnel_from_which_studies_were_taken():
    se = np.linspace(0.05, 0.6, 21)
    full = 0.2 + np.where(np.arange(21) % 2, 1, -1) * se
    there = ~((np.arange(21) % 2 == 0) & (se > 0.3))
    kept, vi = full[there], se[there] ** 2
    found = trim_and_fill(kept, vi, "L0", "IV")
    assert found.side == "left"
    assert abs(found.n_missing - (~there).sum()) <= 1
    assert abs(found.filled["yi"].mean() - 0.2) < 0.3 * abs(kept.mean() - 0.2)
    mirrored, last = found.filled[found.filled["filled"]], np.argsort(kept)[-found.n_missing :]
    np.testing.assert_array_equal(mirrored["vi"], vi[last])
    assert np.ptp(mirrored["yi"].to_numpy() + kept[last]) < 1e-12, "about one centre"
    assert found.filled["filled"].sum() == found.n_missing
    for arguments, words in (((kept, vi, "Q0"), "estimator 'Q0'"), ((kept[:2], vi[:2]), "three studies")):
        with pytest.raises(InputError, match=words):
            trim_and_fill(*arguments)


def test_order_of_the_cumulative_run():
    effects = given_effects([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], dose=[30.0, None, 10.0])
    assert cumulative(effects, "x", "dose")["study_id"].tolist()[:3] == ["s2", "s0", "s1"]
    assert cumulative(effects, "x")["order"].eq("row").all()
    with pytest.raises(InputError, match="order 'age'"):
        cumulative(effects, "x", "age")


def test_the_quadrature_of_the_logit_normal_model_is_the_integral():
    table = pd.DataFrame({"events": [0, 3, 12], "n": [25, 40, 12]})
    arms = sparse._arms(table, "logit_normal", common=False)
    mu, tau = -1.0, 1.5

    def density(u, x, n):
        p = special.expit(mu + u)
        return stats.binom.pmf(x, n, p) * stats.norm.pdf(u, 0, tau)

    pairs = zip(table["events"], table["n"], strict=True)
    exact = [integrate.quad(density, -15, 15, args=(x, n), epsabs=1e-14, limit=200)[0] for x, n in pairs]
    found = sparse._marginal(arms, np.full((3, 1), mu), np.array([tau]), np.zeros((3, 1)))[0]
    assert found + np.sum(sparse._log_choose(arms.n, arms.events)) == pytest.approx(np.sum(np.log(exact)), rel=1e-7)


def test_one_study_gives_its_own_effect_and_no_spread():
    table = sparse_table(effect_sizes(trials((5, 50, 12, 52), (0, 20, 0, 20)), "OR"), "x").set_index(["form", "model"])
    assert table["estimate"].notna().tolist() == [True, False, False, False, False, False]
    assert table["estimate"].iloc[0] == pytest.approx(np.log(5 * 40 / (45 * 12)))
    assert (table["note"].iloc[1:] == "one study with information: nothing to estimate a spread from").all()
    alone = pd.DataFrame({"study_id": ["a"], "study": "a", "events": 3, "n": 20})
    share = sparse_table(effect_sizes(alone, "PLO"), "x")
    assert share["estimate"].notna().tolist() == [True, False]


def test_sparse_counts_without_an_answer_say_so():
    one_sided = effect_sizes(trials((0, 50, 4, 52), (0, 80, 3, 79)), "OR")
    table = sparse_table(one_sided, "x")
    assert table["estimate"].isna().all()
    assert table["note"].str.contains("0 or infinite").all()
    empty = effect_sizes(trials((0, 50, 0, 52), (0, 80, 0, 79)), "OR")
    assert sparse_table(empty, "x")["note"].str.contains("no events").all()
    assert sparse_table(given_effects([0.1, 0.2], [0.1, 0.1]), "x").empty
    many = effect_sizes(trials(*[(1, 9, 2, 9)] * (sparse.MOST_STUDIES + 1)), "OR")
    assert sparse._row(many, "UM.RS", common=False, level=0.95)["note"] == "not fitted: more than 500 studies"
    none = pd.DataFrame({"study_id": list("ab"), "study": "S", "events": [0, 0], "n": [10, 20]})
    assert sparse_table(effect_sizes(none, "PLO"), "x")["note"].str.contains("infinite").all()
    with pytest.raises(InputError, match="form 'CM"):
        logit_normal(one_sided, "CM.EL")


def test_a_common_effect_of_two_arms_is_logistic_regression():
    import statsmodels.api as sm

    rows = [(5, 50, 12, 52), (9, 80, 8, 79), (3, 30, 4, 33)]
    fit = logit_normal(trials(*rows), "UM.FS", common=True)
    counts = np.array([[x, n - x] for a, n1, c, n2 in rows for x, n in ((a, n1), (c, n2))])
    design = np.column_stack([np.tile([1, 0], 3), np.kron(np.eye(3), np.ones((2, 1)))])
    other = sm.GLM(counts, design, family=sm.families.Binomial()).fit(tol=1e-12)
    assert fit.estimate == pytest.approx(other.params[0], rel=1e-8)
    assert fit.se == pytest.approx(other.bse[0], rel=1e-7)
    assert logit_normal(trials(*rows), "UM.FS").log_likelihood >= fit.log_likelihood - 1e-9


def test_identical_effects_differ_by_method_of_interval_alone():
    effects = effect_sizes(trials(*[(9, 100, 10, 100)] * 6), "OR")
    told = compare_models(pooled_table(effects, "x"), effects)
    assert "The estimates are the same; the methods of their intervals differ." in told
    assert "small" not in told
