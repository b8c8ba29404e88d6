import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from mgk.fitting import Estimate
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows, holm, summarise_cells
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
