"""Words of an analysis: from settings and tables, neutral, and complete about what is missing."""

import numpy as np
import pandas as pd
import pytest

from mgk.meta.dependence import dependent_table
from mgk.meta.diagnostics import leave_one_out, small_study
from mgk.meta.effects import effect_sizes
from mgk.meta.plan import exact_counts, plan_of
from mgk.meta.pooling import pooled_table
from mgk.meta.regression import moderators_table
from mgk.meta.words import methods_paragraph, results_paragraph, still_needed, words_table
from mgk.tables.schema import load_schema, read_input_table

PARTIAL = ("proves", "works", "fails", "significant", "unfortunately", "clearly")


def told(table, settings):
    plan = plan_of(settings, table)
    effects = effect_sizes(table, plan.measure, keep=plan.keep)
    results = results_paragraph(
        effects,
        pooled_table(effects, "x", by=plan.subgroup or None),
        leave_one_out(effects, "x"),
        small_study(effects, "x"),
        moderators_table(effects, "x", plan.moderators),
        dependent_table(effects, "x", plan.cluster or None),
    )
    return methods_paragraph(plan, effects), results, still_needed(plan, table)


def demonstration(house, name):
    table, problems = read_input_table(house / f"raw_data/clinical/{name}.csv", load_schema("clinical"), name)
    assert problems == []
    return table


def test_the_disagreement_of_the_models_on_magnesium_is_told(house):
    methods, results, _ = told(demonstration(house, "iv_magnesium"), {"measure": "OR", "moderators": ["year"]})
    assert "odds ratio (OR), analysed on the log scale, of 22 studies" in methods
    assert "in 2 of them" in methods
    assert "Meta-regression (REML; z and Knapp-Hartung) on year" in methods
    assert "The two models disagree" in results
    assert "0.99 (0.94 to 1.05)" in results
    assert "0.23 to 1.45 and includes 1" in results
    assert "depends on no single study" in results
    assert "Egger's test (random-effects form): p = 0.0002" in results
    assert "adds 7 studies on the right" in results
    assert not any(word in (methods + results).lower() for word in PARTIAL)


def test_dependent_rows_of_the_potassium_table_are_told(house):
    table = demonstration(house, "potassium_diastolic")
    methods, results, needed = told(table, {"measure": "GEN", "cluster": "trial_id", "moderators": ["year"]})
    assert "Rows with the same trial_id depend on each other" in methods
    assert "19 clusters, 21 rows" in results
    assert "three-level model with CR2 -2.61 (-4.60 to -0.61)" in results
    assert not any("control group's risk" in text for text in needed)


def test_one_study_is_not_pooled(house):
    methods, results, needed = told(demonstration(house, "chronic_fatigue"), {"measure": "RR"})
    assert methods.endswith("Nothing is pooled.")
    assert "4.53 (1.57 to 13.05)" in results
    assert "Heterogeneity" not in results
    assert any("search" in text for text in needed)
    absent = next(text for text in needed if text.startswith("moderators"))
    assert "salt form" not in absent
    assert "baseline magnesium" in absent


@pytest.fixture
def small():
    rng = np.random.default_rng(2)
    n = rng.integers(40, 90, 6)
    ids = [f"s{i}" for i in range(6)]
    return pd.DataFrame(
        {
            "study_id": ids,
            "study": ids,
            "route": ["oral", "iv"] * 3,
            "events_treatment": rng.binomial(n, 0.2),
            "n_treatment": n,
            "events_control": rng.binomial(n, 0.3),
            "n_control": n,
            "rob_overall": ["low"] * 6,
            "rob_selection": [""] * 6,
        }
    )


def test_the_plan_carries_what_is_filled_and_named(small):
    plan = plan_of({"measure": "RR", "subgroup": "route", "order": "n_control"}, small)
    assert plan.moderators == ("route",)
    assert plan.bias == ("rob_overall",)
    assert plan.keep == ("route", "n_control", "rob_overall")
    methods, results, needed = told(small, {"measure": "RR", "subgroup": "route", "order": "n_control"})
    assert "in the order of n_control" in methods
    assert "Subgroups by route" in methods
    assert "Meta-regression on route:" in results
    assert "little power" in results
    assert not any("risk of bias" in text for text in needed)


def test_exact_counts_only_where_there_are_counts(small):
    effects = effect_sizes(small, "RR")
    assert len(exact_counts(effects)) == 6
    given = small[["study_id", "study"]].assign(estimate=1.0, se=0.5, scale="linear")
    assert exact_counts(effect_sizes(given, "GEN")).empty


def test_words_are_a_table_of_sections():
    table = words_table("m", "r", ["a", "b"])
    assert table["section"].tolist() == ["methods", "results", "still_needed", "still_needed"]
    assert table["text"].tolist() == ["m", "r", "a", "b"]
