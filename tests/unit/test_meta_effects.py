import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgk.meta.effects import HALF_ADDED, HALF_ADDED_DOUBLE_ZERO, MEASURES, NO_ZERO, check_rows, effect_sizes
from mgk.tables.problems import InputError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def trials(*rows):
    names = ["events_treatment", "n_treatment", "events_control", "n_control"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(study_id=[f"s{i}" for i in range(len(rows))], study=[f"Study {i}" for i in range(len(rows))])


def estimates(**columns):
    frame = pd.DataFrame(columns)
    return frame.assign(study_id=[f"s{i}" for i in range(len(frame))], study="Study")


def test_measures_by_hand():
    table = trials((12, 15, 3, 17))
    odds = effect_sizes(table, "OR").iloc[0]
    assert odds["yi"] == pytest.approx(np.log((12 / 3) / (3 / 14)))
    assert odds["vi"] == pytest.approx(1 / 12 + 1 / 3 + 1 / 3 + 1 / 14)
    risk = effect_sizes(table, "RR").iloc[0]
    # Cox 1991, of the project's notes: RR 4.533 (1.574-13.05), OR 18.667 (3.159-110.29), difference 62 % (35-90)
    shown = [risk[f"back_transformed_{name}"] for name in ("estimate", "ci_low", "ci_high")]
    np.testing.assert_allclose(shown, [4.533, 1.574, 13.05], rtol=5e-4)
    shown = [odds[f"back_transformed_{name}"] for name in ("estimate", "ci_low", "ci_high")]
    np.testing.assert_allclose(shown, [18.667, 3.159, 110.29], rtol=5e-4)
    difference = effect_sizes(table, "RD").iloc[0]
    np.testing.assert_allclose(difference[["yi", "ci_low", "ci_high"]].astype(float), [0.62, 0.35, 0.90], atol=5e-3)
    assert difference["back_transformed_estimate"] == difference["yi"]


def test_zero_rule_is_named_and_touches_only_studies_with_a_zero():
    table = trials((0, 10, 2, 12), (3, 10, 4, 12), (0, 10, 0, 12), (10, 10, 12, 12), (10, 10, 5, 12))
    effects = effect_sizes(table, "OR")
    assert effects["zero_rule"].tolist() == [
        HALF_ADDED,
        NO_ZERO,
        HALF_ADDED_DOUBLE_ZERO,
        HALF_ADDED_DOUBLE_ZERO,
        HALF_ADDED,
    ]
    assert effects["yi"][0] == pytest.approx(np.log(0.5 / 10.5) - np.log(2.5 / 10.5))
    assert effects["yi"][1] == pytest.approx(np.log(3 / 7) - np.log(4 / 8))
    assert np.isfinite(effects[["yi", "vi"]]).all(axis=None)
    assert effects["events_treatment"].tolist() == [0, 3, 0, 10, 10], "the counts stay as counted"


arms = st.tuples(st.integers(1, 500), st.integers(1, 500)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@given(arms)
@settings(max_examples=25, deadline=None)
def test_swapping_the_arms_turns_the_sign(arm):
    a, n1, c, n2 = arm
    for measure in ("OR", "RR", "RD"):
        one = effect_sizes(trials((a, n1, c, n2)), measure).iloc[0]
        other = effect_sizes(trials((c, n2, a, n1)), measure).iloc[0]
        assert one["yi"] == pytest.approx(-other["yi"], abs=1e-12)
        assert one["vi"] == pytest.approx(other["vi"], rel=1e-9)
        assert one["vi"] > 0
        assert one["ci_low"] < one["yi"] < one["ci_high"]


@given(arms)
@settings(max_examples=25, deadline=None)
def test_counting_the_other_outcome_turns_the_sign_of_or_and_rd(arm):
    a, n1, c, n2 = arm
    for measure in ("OR", "RD"):
        one = effect_sizes(trials((a, n1, c, n2)), measure).iloc[0]
        other = effect_sizes(trials((n1 - a, n1, n2 - c, n2)), measure).iloc[0]
        assert one["yi"] == pytest.approx(-other["yi"], abs=1e-12)


def test_published_intervals_and_errors_give_the_same_effect():
    low, high = 0.5 * np.exp(-1.959963984540054 * 0.2), 0.5 * np.exp(1.959963984540054 * 0.2)
    ratio = effect_sizes(estimates(estimate=[0.5], ci_low=[low], ci_high=[high], ci_level=[0.95], scale="ratio"), "GEN")
    log = effect_sizes(estimates(estimate=[np.log(0.5)], se=[0.2], scale="log"), "GEN")
    for name in ("yi", "vi", "ci_low", "ci_high", "back_transformed_estimate"):
        assert ratio[name][0] == pytest.approx(log[name][0], rel=1e-12)
    assert ratio["scale"][0] == log["scale"][0] == "log"
    assert ratio["back_transformed_estimate"][0] == pytest.approx(0.5)
    assert ratio["back_transformed_ci_low"][0] == pytest.approx(low)
    wide = effect_sizes(estimates(estimate=[0.5], ci_low=[low], ci_high=[high], ci_level=[0.99], scale="ratio"), "GEN")
    assert wide["se"][0] < ratio["se"][0]


def test_ratios_and_logs_pool_together_but_not_with_differences():
    columns = {"ci_low": [0.3, np.nan], "ci_high": [0.8, np.nan], "ci_level": [0.95, np.nan], "se": [np.nan, 0.1]}
    mixed = estimates(estimate=[0.5, -0.2], scale=["ratio", "log"], **columns)
    np.testing.assert_allclose(effect_sizes(mixed, "GEN")["yi"], [np.log(0.5), -0.2])
    with pytest.raises(InputError, match="cannot be pooled together"):
        effect_sizes(mixed.assign(scale=["ratio", "linear"]), "GEN")


def test_all_bad_counts_are_listed_at_once():
    table = trials((-1, 10, 2, 10), (3, 10, 11, 10), (1.5, 10, 2, 0), (np.nan, 10, 2, 10), (3, 10, 2, 10))
    with pytest.raises(InputError) as error:
        effect_sizes(table, "OR", file="clinical/x.csv")
    found = [(p.row, p.column) for p in error.value.problems]
    assert found == [
        (2, "events_treatment"),
        (3, "events_control"),
        (4, "events_control"),
        (4, "events_treatment"),
        (4, "n_control"),
        (5, "events_treatment"),
    ]
    assert "clinical/x.csv, row 2, events_treatment: '-1.0': must be a whole number, 0 or more (study s0)" in str(
        error.value
    )


BAD_ESTIMATES = [
    ({"se": 0.0}, "se", "above 0"),
    ({"se": -1.0}, "se", "above 0"),
    ({"se": np.nan}, "se", "needed, or else"),
    ({"estimate": np.nan}, "estimate", "must be a number"),
    ({"scale": "odds"}, "scale", "one of ratio, log, linear"),
    ({"scale": None}, "scale", "one of ratio, log, linear"),
    ({"scale": "ratio"}, "se", "not that of its logarithm"),
    ({"se": np.nan, "ci_low": 0.6, "ci_high": 0.9, "ci_level": 0.95}, "ci_low", "between two different limits"),
    ({"se": np.nan, "ci_low": 0.4, "ci_high": 0.9}, "ci_level", "as 0.95"),
    ({"se": np.nan, "ci_low": 0.4, "ci_high": 0.9, "ci_level": 95.0}, "ci_level", "as 0.95"),
    # Chu 2014, of the project's notes: OR 0.05 (-0.16, 0.05)
    (
        {"se": np.nan, "estimate": 0.05, "ci_low": -0.16, "ci_high": 0.06, "ci_level": 0.95, "scale": "ratio"},
        "ci_low",
        "a limit of a ratio must be above 0",
    ),
]


@pytest.mark.parametrize(("change", "column", "allowed"), BAD_ESTIMATES)
def test_bad_estimates_are_refused(change, column, allowed):
    good = {"estimate": 0.5, "se": 0.1, "scale": "linear"}
    assert effect_sizes(estimates(**{k: [v] for k, v in good.items()}), "GEN")["vi"][0] == pytest.approx(0.01)
    problems = check_rows(estimates(**{k: [v] for k, v in (good | change).items()}), "GEN")
    assert [(row, name) for row, name, _, _ in problems] == [(0, column)]
    assert allowed in problems[0][3]


def test_a_table_without_rows_columns_or_keys_is_refused():
    table = trials((1, 10, 2, 10), (3, 10, 1, 10))
    for wrong, words in (
        (table.iloc[:0], "no rows"),
        (table.drop(columns="n_control"), "n_control: this column is needed for OR"),
        (table.assign(study_id="same"), "an id of its own in every row"),
    ):
        with pytest.raises(InputError, match=words):
            effect_sizes(wrong, "OR")
    with pytest.raises(InputError, match=r"'NNT': allowed are OR, RR, RD, PETO"):
        effect_sizes(table, "NNT")
    assert check_rows(table, "OR") == []


def test_every_measure_of_the_config_is_here(house):
    text = (house / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8")
    allowed = re.search(r"measure:\s+enum: \[([^\]]+)\]", text).group(1)
    assert [name.strip() for name in allowed.split(",")] == list(MEASURES)


def test_the_committed_table_is_that_of_the_review(house):
    table = pd.read_csv(house / "raw_data/clinical/iv_magnesium.csv")
    reference = pd.read_csv(house / "tests/reference/metafor/tables.csv").query("table == 'li2007'")
    counts = ["events_treatment", "n_treatment", "events_control", "n_control"]
    assert table[counts].to_numpy().tolist() == reference[counts].to_numpy().tolist()
    assert table["study_id"].is_unique
    assert table["study_id"].str.fullmatch(r"(?!.*__)[A-Za-z0-9][A-Za-z0-9._-]{0,63}").all()
    assert table["source"].str.contains("CD002755").all()
    assert (table["outcome"] == "death").all()
    effects = effect_sizes(table, "OR")
    assert effects.loc[effects["zero_rule"] != NO_ZERO, "study_id"].tolist() == ["Urek_1996", "Santoro_2000"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
def test_the_committed_table_is_that_of_the_shared_data(house):
    lines = (SHARED / "clinical/iv_magnesium_ami.csv").read_text(encoding="utf-8").splitlines()
    given = [r for r in csv.DictReader(line for line in lines if line[:1] != "#") if r["dataset"] == "li2007"]
    table = pd.read_csv(house / "raw_data/clinical/iv_magnesium.csv")
    names = {"study": "study", "year": "year", "ai": "events_treatment", "n1i": "n_treatment"}
    names |= {"ci": "events_control", "n2i": "n_control"}
    for theirs, mine in names.items():
        assert table[mine].astype(str).tolist() == [row[theirs] for row in given]


def test_an_interval_that_excludes_its_estimate_is_listed_even_beside_a_standard_error():
    table = pd.DataFrame(
        {"study_id": ["a", "b"], "study": "s", "estimate": [1.5, 0.1], "se": [0.2, 0.2], "ci_low": [1.0, -0.3]}
        | {"ci_high": [1.2, 0.5], "ci_level": 0.95, "scale": "log"}
    )
    assert [(row, column) for row, column, _, _ in check_rows(table, "GEN")] == [(0, "ci_low")]
