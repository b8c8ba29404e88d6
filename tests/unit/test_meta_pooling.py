import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable

from mgk.meta.effects import MEASURES, effect_sizes
from mgk.meta.pooling import (
    PI_RULES,
    RANDOM_METHODS,
    TESTS,
    compare_models,
    mantel_haenszel,
    pool,
    pooled_row,
    pooled_table,
    show_value,
    with_weights,
)
from mgk.tables.problems import InputError

COLUMNS = [
    "analysis", "measure", "subgroup", "model", "method", "test", "k", "estimate", "se", "ci_low", "ci_high", "pi_low",
    "pi_high", "pi_rule", "tau2", "tau2_ci_low", "tau2_ci_high", "i2", "h2", "q", "q_df", "q_p",
]  # fmt: skip


def trials(*rows):
    names = ["events_treatment", "n_treatment", "events_control", "n_control"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(study_id=[f"s{i}" for i in range(len(rows))], study=[f"Study {i}" for i in range(len(rows))])


@pytest.fixture(scope="module")
def magnesium(house):
    return effect_sizes(pd.read_csv(house / "raw_data/clinical/iv_magnesium.csv"), "OR")


@pytest.fixture(scope="module")
def magnesium_pooled(magnesium):
    return pooled_table(magnesium, "iv_magnesium")


def test_the_table_has_a_row_for_each_combination_and_the_agreed_columns(magnesium_pooled):
    table = magnesium_pooled
    assert [c for c in table if c in COLUMNS] == COLUMNS
    extra = {f"back_transformed_{n}" for n in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")} | {"i2_q", "note"}
    assert set(table) == set(COLUMNS) | extra
    expected = {("common", "IV", t) for t in TESTS} | {("random", m, t) for m in RANDOM_METHODS for t in TESTS}
    assert set(table[["model", "method", "test"]].itertuples(index=False, name=None)) == expected | {
        ("common", "MH", "z"),
        ("common", "PETO", "z"),
    }
    assert len(table) == 34
    np.testing.assert_allclose(table["back_transformed_ci_low"], np.exp(table["ci_low"]))
    assert (table["subgroup"] == "").all()


def test_a_method_with_tau2_0_although_q_is_significant_says_so(magnesium_pooled):
    row = pooled_row(magnesium_pooled, ("HE", "z"))
    assert row["tau2"] == 0
    assert row["q_p"] < 1e-4
    assert row["tau2_ci_low"] > 0
    assert row["i2"] == 0
    assert row["i2_q"] > 60
    assert row["note"] == "tau2 at its bound 0; tau2 lies outside its own Q-profile interval"


def test_knapp_hartung_may_be_narrower_and_its_modified_form_never_is(magnesium_pooled):
    z, knha, adhoc = (pooled_row(magnesium_pooled, ("REML", test)) for test in ("z", "knha", "adhoc"))
    assert knha["se"] < z["se"]
    assert knha["note"] == "the interval is narrower than the normal one (Knapp-Hartung factor 0.797, t on 21 df)"
    assert knha["ci_high"] - knha["ci_low"] < z["ci_high"] - z["ci_low"]
    assert adhoc["se"] == z["se"]
    assert adhoc["ci_low"] < z["ci_low"]
    assert adhoc["note"] == ""


def test_prediction_intervals_name_their_rule_and_differ(magnesium):
    yi, vi = magnesium["yi"].to_numpy(), magnesium["vi"].to_numpy()
    widths = {}
    for rule in PI_RULES:
        pooled = pool(yi, vi, "REML", "z", pi_rule=rule)
        assert pooled.pi_rule == rule
        assert pooled.pi_low < pooled.ci_low < pooled.ci_high < pooled.pi_high
        widths[rule] = pooled.pi_high - pooled.pi_low
    assert widths["z"] < widths["t, k-1"] < widths["t, k-2"]


def test_one_study_is_itself_and_nothing_more():
    effects = effect_sizes(trials((5, 50, 12, 52)), "OR")
    table = pooled_table(effects, "x")
    alone = pooled_row(table, ("IV", "z"))
    assert alone["estimate"] == pytest.approx(effects["yi"][0], rel=1e-14)
    assert alone["se"] == pytest.approx(effects["se"][0], rel=1e-14)
    assert pooled_row(table, ("MH", "z"))["estimate"] == pytest.approx(effects["yi"][0], rel=1e-12)
    rest = table[~((table["test"] == "z") & table["method"].isin(["IV", "MH", "PETO"]))]
    assert len(rest) == 31
    assert rest["estimate"].isna().all()
    assert (rest["note"] == "one study: nothing to estimate a spread from").all()
    assert table[["pi_low", "tau2", "q", "i2"]].isna().all(axis=None)
    assert with_weights(effects)["weight_random_percent"].isna().all()
    assert compare_models(table, effects).startswith("Only one estimate of the odds ratio, 0.37 (0.12 to 1.14): one")


def test_two_studies_have_no_prediction_interval():
    table = pooled_table(effect_sizes(trials((5, 50, 12, 52), (9, 80, 8, 79)), "RR"), "x")
    random = table[table["model"] == "random"]
    assert np.isfinite(random["estimate"]).all()
    assert random["pi_low"].isna().all()
    assert (random["pi_rule"] == "").all()
    assert random["note"].str.contains("no prediction interval below three studies").all()


def test_a_factor_below_1_with_two_studies_does_not_make_the_interval_narrow():
    effects = [0.30, 0.31], [0.01, 0.02]
    knha, z = pool(*effects, "REML", "knha"), pool(*effects, "REML", "z")
    assert knha.se < z.se
    assert 0 < knha.ci_high - knha.ci_low < z.ci_high - z.ci_low
    assert "narrower than the normal one" in knha.note
    effects = [0.2, 0.35], [0.01, 0.02]
    knha, z = pool(*effects, "REML", "knha"), pool(*effects, "REML", "z")
    assert knha.se < z.se
    assert knha.ci_high - knha.ci_low > z.ci_high - z.ci_low
    assert "Knapp-Hartung" not in knha.note


def test_identical_effects_say_that_nothing_is_between_them():
    pooled = pool([0.3, 0.3, 0.3], [0.01, 0.02, 0.04], "REML", "knha")
    assert pooled.tau2 == pooled.i2 == 0
    assert pooled.se == pytest.approx(0, abs=1e-15)
    assert np.isnan(pooled.tau2_ci_low)
    assert "interval of tau2 is empty" in pooled.note
    assert "the effects are the same: the interval has no width" in pooled.note
    assert pool([0.3, 0.3, 0.3], [0.01, 0.02, 0.04], "REML", "adhoc").se == pytest.approx(np.sqrt(1 / 175))


def test_huge_heterogeneity_weighs_all_studies_alike():
    yi, vi = np.array([-80.0, 55.0, 3.0, 120.0, -9.0]), np.array([1e-4, 4e-4, 2.5e-3, 1e-4, 9e-4])
    pooled = pool(yi, vi, "REML", "z")
    assert pooled.estimate == pytest.approx(yi.mean(), rel=1e-5)
    assert pooled.tau2 == pytest.approx(np.var(yi, ddof=1), rel=1e-5)
    assert pooled.i2 > 99.999


def test_mantel_haenszel_agrees_with_statsmodels():
    rows = [(5, 50, 12, 52), (9, 80, 8, 79), (0, 30, 4, 33), (14, 61, 22, 60), (0, 9, 0, 11)]
    tables = [np.array([[a, n1 - a], [c, n2 - c]], float) for a, n1, c, n2 in rows]
    other = StratifiedTable(tables)
    found = mantel_haenszel(effect_sizes(trials(*rows), "OR"))
    assert found.estimate == pytest.approx(other.logodds_pooled, rel=1e-12)
    assert found.se == pytest.approx(other.logodds_pooled_se, rel=1e-12)
    risk = mantel_haenszel(effect_sizes(trials(*rows), "RR"))
    assert np.exp(risk.estimate) == pytest.approx(other.riskratio_pooled, rel=1e-12)
    assert (found.k, found.q_df) == (5, 3)


def test_double_zero_studies_change_no_mantel_haenszel_ratio():
    rows = [(5, 50, 12, 52), (9, 80, 8, 79)]
    for measure in ("OR", "RR"):
        without = mantel_haenszel(effect_sizes(trials(*rows), measure))
        with_one = mantel_haenszel(effect_sizes(trials(*rows, (0, 40, 0, 41)), measure))
        assert with_one.estimate == pytest.approx(without.estimate, rel=1e-14)
        assert with_one.q == pytest.approx(without.q, rel=1e-12)


def test_mantel_haenszel_without_events_in_one_arm_says_why_there_is_nothing():
    pooled = mantel_haenszel(effect_sizes(trials((0, 50, 12, 52), (0, 80, 8, 79)), "OR"))
    assert np.isnan(pooled.estimate)
    assert "one arm" in pooled.note
    nowhere = mantel_haenszel(effect_sizes(trials((0, 50, 0, 52), (0, 80, 0, 79)), "RD"))
    assert np.isnan(nowhere.estimate)


effects_lists = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 4)), min_size=3, max_size=10)


@given(effects_lists, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_order_does_not_matter_and_a_mirror_turns_the_sign(pairs, random):
    yi, vi = np.array(pairs).T
    order = list(range(len(yi)))
    random.shuffle(order)
    for method, test in (("IV", "z"), ("DL", "knha"), ("PM", "adhoc")):
        one = pool(yi, vi, method, test)
        other = pool(-yi[order], vi[order], method, test)
        assert other.estimate == pytest.approx(-one.estimate, abs=1e-8)
        assert other.ci_low == pytest.approx(-one.ci_high, abs=1e-7)


@given(effects_lists)
@settings(max_examples=25, deadline=None)
def test_random_effects_spread_the_weights(pairs):
    yi, vi = np.array(pairs).T
    frame = with_weights(pd.DataFrame({"yi": yi, "vi": vi}))
    for name in ("weight_common_percent", "weight_random_percent"):
        assert frame[name].sum() == pytest.approx(100)
    assert frame["weight_random_percent"].max() <= frame["weight_common_percent"].max() + 1e-9


def test_models_that_disagree_are_both_stated(magnesium, magnesium_pooled):
    text = compare_models(magnesium_pooled, magnesium)
    assert "common effect (inverse variance): 0.99 (0.94 to 1.05)" in text
    assert "random effects (REML, Knapp-Hartung interval): 0.58 (0.44 to 0.77)" in text
    assert "Note on the random effects: the interval is narrower than the normal one (Knapp-Hartung factor" in text
    assert "The two models disagree: the common-effect interval includes 1 and the random-effects interval does" in text
    for word in ("effective", "benefit", "harm", "significant", "works"):
        assert word not in text


def test_models_that_agree_say_so():
    effects = effect_sizes(trials((5, 50, 12, 52), (9, 80, 18, 79), (4, 60, 9, 61)), "RD")
    text = compare_models(pooled_table(effects, "x"), effects)
    assert "The two models agree" in text
    assert text.startswith("Risk difference, ")
    assert text.endswith(("include 0.", "exclude 0."))


def test_bad_choices_and_variances_are_refused():
    for arguments, words in (
        (([0.1, 0.2], [0.1, 0.0]), "variance above 0"),
        (([0.1, np.nan], [0.1, 0.1]), "finite"),
        (([], []), "two lists"),
        (([0.1, 0.2], [0.1]), "two lists"),
        (([0.1, 0.2], [0.1, 0.1], "MH"), "method 'MH'"),
        (([0.1, 0.2], [0.1, 0.1], "DL", "kr"), "test 'kr'"),
    ):
        with pytest.raises(InputError, match=words):
            pool(*arguments)
    with pytest.raises(InputError, match="pi_rule"):
        pool([0.1, 0.2], [0.1, 0.1], pi_rule="t, k-3")
    generic = pd.DataFrame({"study_id": ["a"], "study": ["A"], "estimate": [0.1], "se": [0.2], "scale": ["linear"]})
    with pytest.raises(InputError, match="Mantel-Haenszel"):
        mantel_haenszel(effect_sizes(generic, "GEN"))


def test_values_are_shown_with_the_decimals_of_their_measure():
    shown = [show_value(v, MEASURES["OR"]) for v in (1.0, 0.994, 12.375, 0.004, 0.0)]
    assert shown == ["1.00", "0.99", "12.38", "0.004", "0.00"]
    assert show_value(-0.0581, MEASURES["RD"]) == "-0.058"
