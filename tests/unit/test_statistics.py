import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t, ttest_ind, ttest_rel
from statsmodels.stats.multitest import multipletests

from mgk.fitting import Estimate
from mgk.statistics import (
    FIT_COLUMNS,
    compare_fits,
    compare_groups,
    fit_row,
    group_rows,
    holm,
    judge_presence,
    summarise_cells,
)
from mgk.tables import InputError


def test_animals_are_the_unit_whatever_their_number_of_cells():
    # Animal a has three cells, b one: the mean is that of 2 and 10, not of four cells.
    summary = summarise_cells([1, 2, 3, 10], ["a", "a", "a", "b"])
    assert (summary.estimate, summary.n_cells, summary.n_animals) == (6, 4, 2)
    assert summary.se == pytest.approx(4)  # SD of 2 and 10 is sqrt(32), over sqrt(2)
    assert summary.ci_high - summary.estimate == pytest.approx(12.706205 * 4, rel=1e-6)  # t(0.975, 1)
    assert summary.ci_low == pytest.approx(2 * summary.estimate - summary.ci_high)
    assert summary.reason == ""


def test_geometric_mean_with_its_interval_and_delta_error():
    summary = summarise_cells([1, 100, 1000], ["a", "a", "b"], log=True)
    # Animal a: 10; b: 1000; geometric mean 100.
    assert summary.estimate == pytest.approx(100)
    assert summary.se == pytest.approx(100 * np.log(10))
    assert np.log(summary.ci_high / 100) == pytest.approx(t.ppf(0.975, 1) * np.log(10))
    assert summary.ci_low * summary.ci_high == pytest.approx(1e4)


def test_one_animal_has_no_interval_and_says_so():
    summary = summarise_cells([1, 2, 3], ["a"] * 3)
    assert (summary.estimate, summary.n_cells, summary.n_animals) == (2, 3, 1)
    assert np.isnan([summary.se, summary.ci_low, summary.ci_high]).all()
    assert summary.reason == "one animal: no interval"


def test_cells_without_a_value_are_not_counted():
    summary = summarise_cells([1, np.nan, 3, np.nan], ["a", "a", "b", "c"])
    assert (summary.estimate, summary.n_cells, summary.n_animals) == (2, 2, 2)
    empty = summarise_cells([np.nan], ["a"])
    assert (empty.n_cells, empty.n_animals, empty.reason) == (0, 0, "no cell")
    assert np.isnan(empty.estimate)


@pytest.mark.parametrize(
    ("values", "animals", "log", "message"),
    [
        ([1, 2], ["a"], False, "2 values of cells for 1 animal ids"),
        ([1, np.inf], ["a", "b"], False, "infinite"),
        ([1, 0], ["a", "b"], True, "geometric mean of 0"),
        ([1, 2], ["a", ""], False, "no animal_id"),
        ([1, 2], ["a", np.nan], False, "no animal_id"),
    ],
)
def test_what_cannot_be_summarised_is_refused(values, animals, log, message):
    with pytest.raises(InputError, match=message):
        summarise_cells(values, animals, log=log)


def test_interval_covers_at_its_level_when_animals_differ():
    """Cells as units would cover far less: animals differ as much as cells do."""
    rng = np.random.default_rng(2)
    animals = np.repeat(list("abcd"), 3)
    covered = 0
    for _ in range(400):
        values = np.repeat(rng.normal(0, 1, 4), 3) + rng.normal(0, 1, 12)
        summary = summarise_cells(values, animals)
        covered += summary.ci_low <= 0 <= summary.ci_high
    assert 366 <= covered <= 393  # binomial(400, 0.95), 99.7 %


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_agrees_with_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)


def test_holm_leaves_out_what_is_no_test():
    assert holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    with pytest.raises(InputError, match="outside"):
        holm([0.5, 1.5])


def fits(verdicts, values=(2.0, 4.0, 8.0, 16.0)):
    estimates = [Estimate(v, 0.1, v - 0.2, v + 0.2, verdict) for v, verdict in zip(values, verdicts, strict=True)]
    rows = [fit_row("e", "g", f"c{i}", "m", "k", "mM", estimate) for i, estimate in enumerate(estimates)]
    return pd.DataFrame(rows)


ANIMALS = {"c0": "a", "c1": "a", "c2": "b", "c3": "b"}


def test_group_rows_summarise_animals_and_carry_the_columns():
    rows = group_rows(fits(["identified"] * 4), ANIMALS, geometric=["k"])
    assert list(rows.columns) == list(FIT_COLUMNS)
    row = rows.iloc[0]
    assert row["estimate"] == pytest.approx(np.sqrt(np.sqrt(8) * np.sqrt(128)))
    assert (row["unit_id"], row["n_cells"], row["n_animals"]) == ("", 4, 2)
    # Two animals a factor of 4 apart: the interval is enormous, and the verdict says so.
    assert row["verdict"] == "weak"
    assert "fold away" in row["reason"]


def test_group_rows_leave_out_what_is_not_identified_and_count_it():
    row = group_rows(fits(["identified", "not_identified", "identified", "identified"]), ANIMALS).iloc[0]
    assert row["estimate"] == pytest.approx((2 + 12) / 2)
    assert (row["n_cells"], row["verdict"]) == (3, "identified")
    assert row["reason"] == "1 of 4 cells not identified and left out"


def test_group_rows_verdicts():
    def verdict(verdicts):
        return group_rows(fits(verdicts), ANIMALS).iloc[0]["verdict"]

    assert verdict(["identified"] * 4) == "identified"
    assert verdict(["weak", "weak", "weak", "identified"]) == "weak"
    assert verdict(["weak", "weak", "identified", "identified"]) == "identified"
    assert verdict(["not_identified", "not_identified", "weak", "identified"]) == "weak"
    assert verdict(["identified", "identified", "not_identified", "not_identified"]) == "weak"  # one animal is left
    assert verdict(["not_identified"] * 4) == "not_identified"


@pytest.mark.parametrize(
    ("parameter", "low", "verdict"),
    [
        ("slope_conductance_ns", -0.1, "weak"),
        ("slope_conductance_ns", 0.1, "identified"),
        ("v_half_mv", -9, "identified"),
    ],
)
def test_what_may_be_absent_is_weak_where_its_interval_holds_zero(parameter, low, verdict):
    row = fit_row("e", "g", "c", "m", parameter, "nS", Estimate(1.0, 0.5, low, 2.0))
    assert row["verdict"] == verdict
    assert ("holds zero" in row["reason"]) == (verdict == "weak")


def test_a_group_is_weak_where_its_interval_holds_zero_though_its_cells_are_firm():
    table = fits(["identified"] * 4, values=(1.0, 1.0, 8.0, 8.0)).assign(parameter="vmax")
    row = group_rows(table, ANIMALS).iloc[0]
    assert row["ci_low"] < 0 < row["ci_high"]
    assert (row["verdict"], row["reason"]) == ("weak", "the interval holds zero: there may be none")
    assert group_rows(table.assign(parameter="k"), ANIMALS).iloc[0]["verdict"] == "identified"


def test_the_one_reason_of_all_weak_cells_is_told_of_the_group():
    table = fits(["weak"] * 4)
    row = group_rows(table.assign(reason="no plateau"), ANIMALS).iloc[0]
    assert row["reason"] == "4 of 4 cells weak (no plateau)"
    row = group_rows(table.assign(reason=["no plateau", "no plateau", "k above RT/F", ""]), ANIMALS).iloc[0]
    assert row["reason"] == "4 of 4 cells weak"


def test_what_is_not_identified_stays_so_and_gains_the_doubt():
    nothing = Estimate(1.0, 1.0, -np.inf, 2.0, "not_identified", "profile does not close below")
    judged = judge_presence("vmax", nothing)
    assert judged.verdict == "not_identified"
    assert judged.reason.startswith("profile does not close below; the interval holds zero")


NAMES = ("control", "drug")


def two_groups(seed=0, animals=5, cells=3, effect=0.5, shared=True, animal_sd=1.0):
    """Return values, groups and animals of cells; the animals are in both groups, or in one each."""
    rng = np.random.default_rng(seed)
    values, groups, owners = [], [], []
    for g, name in enumerate(NAMES):
        for a in range(animals):
            own = np.random.default_rng([seed, a if shared else a + 100 * g]).normal(0, animal_sd)
            values += list(own + effect * g + rng.normal(0, 0.3, cells))
            groups += [name] * cells
            owners += [f"a{a if shared else a + 100 * g}"] * cells
    return np.array(values), np.array(groups), np.array(owners)


def animal_means(values, groups, owners, name):
    table = pd.DataFrame({"v": values, "g": groups, "a": owners})
    return table[table["g"] == name].groupby("a")["v"].mean()


def test_the_same_animals_in_both_groups_are_paired():
    data = two_groups()
    found = compare_groups(*data, NAMES)
    expected = ttest_rel(animal_means(*data, "drug"), animal_means(*data, "control"))
    assert (found.difference, found.p) == (pytest.approx(expected.statistic * found.se), pytest.approx(expected.pvalue))
    interval = expected.confidence_interval()
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert (found.df, found.n_cells, found.n_animals) == (4, 30, 5)
    assert found.method == "paired t test, means of animals"


def test_other_animals_are_compared_by_welch():
    data = two_groups(shared=False)
    found = compare_groups(*data, NAMES)
    expected = ttest_ind(animal_means(*data, "drug"), animal_means(*data, "control"), equal_var=False)
    assert (found.p, found.df) == (pytest.approx(expected.pvalue), pytest.approx(expected.df))
    interval = expected.confidence_interval()
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert (found.n_cells, found.n_animals, found.method) == (30, 10, "Welch t test, means of animals")


def test_more_cells_of_the_same_animals_are_no_more_animals():
    few, many = (compare_groups(*two_groups(cells=c, shared=False), NAMES) for c in (2, 40))
    assert many.se > 0.5 * few.se
    assert many.df == pytest.approx(few.df, abs=3)


def test_pairs_of_cells_are_differences_within_the_animal():
    values = np.array([1.0, 2.0, 5.0, 2.0, 4.0, 6.0, 9.0])
    groups = np.array(["control"] * 3 + ["drug"] * 4)
    animals = np.array(["a", "a", "b", "a", "a", "b", "b"])
    pairs = np.array(["p1", "p2", "p3", "p1", "p2", "p3", "p4"])
    found = compare_groups(values, groups, animals, NAMES, pair_ids=pairs)
    # Animal a: (1 + 2) / 2; animal b: 1; the cell of p4 has no partner.
    assert (found.difference, found.n_animals, found.n_cells) == (1.25, 2, 6)
    assert found.method == "paired t test, pairs within animals"
    assert found.reason == "1 cell without a partner in the other group left out"


def test_pairs_may_join_animals_of_two_groups():
    data = two_groups(shared=False, cells=1)
    pairs = np.array([f"p{i % 5}" for i in range(10)])
    found = compare_groups(*data, NAMES, pair_ids=pairs)
    differences = data[0][5:] - data[0][:5]
    assert (found.difference, found.df) == (pytest.approx(differences.mean()), 4)


def test_a_ratio_is_a_difference_of_logarithms():
    values, groups, animals = two_groups(effect=np.log(2))
    found = compare_groups(np.exp(values), groups, animals, NAMES, log=True)
    plain = compare_groups(values, groups, animals, NAMES)
    assert found.difference == pytest.approx(np.exp(plain.difference))
    assert (found.ci_low, found.p) == (pytest.approx(np.exp(plain.ci_low)), pytest.approx(plain.p))
    with pytest.raises(InputError, match="above 0"):
        compare_groups([1, -1], NAMES, ["a", "b"], NAMES, log=True)


def test_too_few_animals_are_no_test_and_say_so():
    found = compare_groups([1, 2, 3, 4], ["control"] * 2 + ["drug"] * 2, ["a", "a", "b", "c"], NAMES)
    assert found.reason == "animals: 1 in control and 2 in drug; two of each are needed"
    assert (found.difference, np.isnan(found.p)) == (2, True)
    empty = compare_groups([np.nan, 3], NAMES, ["a", "b"], NAMES)
    assert np.isnan([empty.difference, empty.p]).all()
    same = compare_groups([1, 1, 2, 2], ["control"] * 2 + ["drug"] * 2, ["a", "b", "c", "d"], NAMES)
    assert same.reason == "no variance between animals: no test"


def test_the_mixed_model_agrees_with_the_paired_test_in_a_balanced_design():
    data = two_groups(animals=8)
    mixed, paired = (compare_groups(*data, NAMES, mixed=m) for m in (True, False))
    assert mixed.method == "mixed model, random intercept of the animal, REML"
    assert mixed.difference == pytest.approx(paired.difference, abs=1e-6)
    assert (mixed.df, mixed.n_animals, mixed.n_cells) == (7, 8, 48)
    assert mixed.se == pytest.approx(paired.se, rel=0.5)


def test_a_mixed_model_without_variance_between_animals_is_not_used_and_says_why():
    values, groups, animals = two_groups(animal_sd=0.0, shared=False, effect=0.0)
    # Cells that differ more within animals than between them leave nothing for the random effect.
    values = np.tile([-1.0, 0.0, 1.0], 10) + 0.01 * values
    found = compare_groups(values, groups, animals, NAMES, mixed=True)
    assert found.method == "Welch t test, means of animals"
    assert found.reason == "mixed model not used: it finds no variance between animals"


@pytest.mark.parametrize("mixed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_no_effect_is_found_no_more_often_than_stated(mixed):
    """Cells as units would find an effect in about half of these studies."""
    runs = 200
    p = [compare_groups(*two_groups(i, 4, 4, 0.0, False), NAMES, mixed=mixed).p for i in range(runs)]
    assert np.sum(np.array(p) < 0.05) <= 20  # binomial(200, 0.05), 99.8 %


def test_fits_are_compared_with_holm_over_the_whole_table():
    rows = []
    for quantity, effect in (("v", 3.0), ("k", 0.0)):
        values, groups, animals = two_groups(effect=effect)
        rows += [
            fit_row("e", g, f"{a}_{i % 3}", "m", quantity, "mV", Estimate(v, 0.1, v - 1, v + 1))
            for i, (v, g, a) in enumerate(zip(values, groups, animals, strict=True))
        ]
    rows[0] |= {"verdict": "not_identified", "estimate": np.nan}
    table = pd.DataFrame(rows)
    cells = pd.DataFrame({"animal_id": {r["unit_id"]: r["unit_id"].split("_")[0] for r in rows}}).assign(pair_id="")
    found = compare_fits(table, cells, [NAMES], {("m", "v"): "difference", ("m", "k"): "difference"}).set_index(
        "quantity"
    )
    assert found.loc["v", "p_holm"] == pytest.approx(2 * found.loc["v", "p"])
    assert found.loc["k", "p_holm"] == pytest.approx(found.loc["k", "p"])
    assert found.loc["v", "reason"] == "1 of 30 values not identified and left out"
    assert found.loc["v", "difference"] == pytest.approx(3, abs=0.5)


def test_a_cell_that_was_estimated_twice_counts_once():
    rows = []
    for cell, value in (("c1", 1.0), ("c1", 3.0), ("c2", 4.0), ("c3", 6.0)):
        row = dict.fromkeys(FIT_COLUMNS, "") | {"experiment": "e", "group": "g", "model": "m", "parameter": "p"}
        rows.append(row | {"unit_id": cell, "unit": "mV", "estimate": value, "verdict": "identified"})
    animals = {"c1": "a1", "c2": "a1", "c3": "a2"}
    group = group_rows(pd.DataFrame(rows), animals).iloc[0]
    assert (group["n_cells"], group["n_animals"]) == (3, 2)
    assert group["estimate"] == pytest.approx((np.mean([2.0, 4.0]) + 6.0) / 2)
