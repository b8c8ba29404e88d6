"""Designs of studies: cluster trials, cross-over rows and shared control groups, held against metafor (designs.csv)."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgk.meta.bivariate import arm_logits
from mgk.meta.dependence import cluster_robust, dependent_table, three_level
from mgk.meta.designs import design_of_rows, sampling_covariance, unused_columns
from mgk.meta.effects import check_rows, effect_sizes
from mgk.meta.pooling import mantel_haenszel, peto, pool
from mgk.meta.sparse import logit_normal

REFERENCE = Path(__file__).parents[1] / "reference" / "metafor"
SHARED = [("hasselblad1998", m) for m in ("OR", "RR", "RD", "AS")] + [("three_arms", m) for m in ("MD", "SMD", "ROM")]


@cache
def references():
    return pd.read_csv(REFERENCE / "designs.csv").set_index(["table", "measure", "case", "name"])["value"].sort_index()


def rows_of(table):
    rows = pd.read_csv(REFERENCE / "design_tables.csv")
    return rows[rows["table"] == table].assign(study=lambda r: r["study_id"]).reset_index(drop=True)


def test_the_grid_of_references_does_not_shrink():
    assert len(references()) == 132


@pytest.mark.parametrize(("table", "measure"), SHARED)
def test_shared_control_groups_agree_with_metafor(table, measure):
    effects = effect_sizes(rows_of(table), measure, keep=("trial_id",))
    found = dependent_table(effects, "x", "trial_id")
    assert found["cluster"].unique().tolist() == ["trial_id + shared_control"]
    assert found.loc[found["model"] == "common", "note"].str.contains("their covariance is in the model").all()
    mine = found.set_index(found["model"] + " " + found["test"])
    expected = references()[table, measure]
    for case in ("common z", "common CR2"):
        for name, value in expected[case].items():
            assert mine.loc[case, name] == pytest.approx(value, rel=1e-8), (case, name)
    # metafor's optimiser stops within 1e-6; ours must be as high or higher
    V, yi = sampling_covariance(effects), effects["yi"].to_numpy()
    fit = three_level(yi, effects["vi"].to_numpy(), effects["trial_id"], V)
    constant = 0.5 * np.log(len(yi)) - 0.5 * (len(yi) - 1) * np.log(2 * np.pi)
    theirs = expected["three_level z"]
    assert fit.log_likelihood + constant == pytest.approx(theirs["log_likelihood"], abs=1e-7)
    assert fit.log_likelihood + constant >= theirs["log_likelihood"] - 1e-9
    for name in ("estimate", "se", "tau2_between", "tau2_within"):
        assert mine.loc["three_level z", name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-5), name
    for name in ("estimate", "se"):
        assert mine.loc["three_level CR2", name] == pytest.approx(expected["three_level CR2", name], rel=1e-4), name


def test_the_rotation_gives_the_likelihood_of_the_full_matrix():
    effects = effect_sizes(rows_of("hasselblad1998"), "OR", keep=("trial_id",))
    V, yi = sampling_covariance(effects), effects["yi"].to_numpy()
    fit = three_level(yi, effects["vi"].to_numpy(), effects["trial_id"], V)
    same = effects["trial_id"].to_numpy()[:, None] == effects["trial_id"].to_numpy()
    full = np.linalg.inv(V + fit.tau2_between * same + fit.tau2_within * np.eye(len(yi)))
    information, residual = full.sum(), yi - fit.estimate
    assert fit.estimate == pytest.approx(full.sum(axis=0) @ yi / information, rel=1e-10)
    value = 0.5 * (np.linalg.slogdet(full)[1] - np.log(information) - residual @ full @ residual)
    assert fit.log_likelihood == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("measure", ["OR", "RR", "RD", "AS", "MD", "ROM", "SMD"])
def test_the_covariance_is_what_repeated_trials_show(measure):
    """Three-arm trials drawn anew many times: the covariance of their two effects is that of the formula."""
    rng, many = np.random.default_rng(7), 20_000
    if measure in ("MD", "SMD", "ROM"):
        n1, n2, n3 = 80, 60, 70
        drawn = [rng.normal(m, 4, (many, n)) for m, n in ((22, n1), (25, n2), (20, n3))]
        mean, sd = [d.mean(axis=1) for d in drawn], [d.std(axis=1, ddof=1) for d in drawn]
        arms = [{"n_treatment": n, "mean_treatment": mean[i], "sd_treatment": sd[i]} for i, n in enumerate((n1, n2))]
        control = {"n_control": n3, "mean_control": mean[2], "sd_control": sd[2]}
    else:
        n1, n2, n3 = 300, 250, 280
        arms = [{"n_treatment": n, "events_treatment": rng.binomial(n, p, many)} for n, p in ((n1, 0.3), (n2, 0.4))]
        control = {"n_control": n3, "events_control": rng.binomial(n3, 0.25, many)}
    ids = {"study_id": [f"s{i}" for i in range(many)], "study": "drawn"}
    drawn = [effect_sizes(pd.DataFrame(ids | arm | control), measure)["yi"] for arm in arms]
    first = pd.concat([pd.DataFrame(ids | arm | control).iloc[:200] for arm in arms], ignore_index=True)
    first = first.assign(study_id=[f"r{i}" for i in range(400)], shared_control=[f"c{i}" for i in range(200)] * 2)
    V = sampling_covariance(effect_sizes(first, measure))
    formula = np.mean([V[i, i + 200] for i in range(200)])
    assert formula == pytest.approx(np.cov(*drawn)[0, 1], rel=0.05)


def test_cluster_trials_pool_by_their_effective_sample_size():
    for measure in ("OR", "RR", "RD"):
        effects = effect_sizes(rows_of("cluster_trials"), measure)
        expected = references()["cluster_trials", measure]
        random, counts = pool(effects["yi"], effects["vi"], "REML", "z"), mantel_haenszel(effects)
        for name, value in expected["REML z"].items():
            assert getattr(random, name) == pytest.approx(value, rel=1e-8, abs=1e-12), name
        for name, value in expected["MH z"].items():
            assert getattr(counts, name) == pytest.approx(value, rel=1e-10), name
        if measure == "OR":
            for name, value in expected["PETO z"].items():
                assert getattr(peto(effects), name) == pytest.approx(value, rel=1e-10), name
    assert effects["design_rule"].iloc[0].startswith("cluster: variance times")
    assert (effects["design_rule"].iloc[5:] == "").all()


def test_a_design_effect_widens_every_model_of_counts():
    rows = rows_of("cluster_trials")
    plain = effect_sizes(rows.drop(columns=["design", "icc", "cluster_size"]), "OR")
    widened = effect_sizes(rows.assign(design="cluster", icc=0.1, cluster_size=11), "OR")
    np.testing.assert_allclose(widened["vi"], 2 * plain["vi"], rtol=1e-13)
    np.testing.assert_allclose(arm_logits(widened)[1], 2 * arm_logits(plain)[1], rtol=1e-13)
    assert mantel_haenszel(widened).se == pytest.approx(np.sqrt(2) * mantel_haenszel(plain).se, rel=1e-12)
    fits = [logit_normal(effects, "UM.FS", common=True) for effects in (plain, widened)]
    assert fits[1].estimate == pytest.approx(fits[0].estimate, rel=1e-8)
    assert fits[1].se == pytest.approx(np.sqrt(2) * fits[0].se, rel=1e-6)


def test_a_row_of_the_same_people_has_the_variance_of_the_paired_measure():
    row = {"mean_treatment": 95.0, "sd_treatment": 9.0, "mean_control": 99.0, "sd_control": 8.0, "correlation": 0.6}
    who = {
        "study_id": ["a"],
        "study": ["A"],
        "design": ["crossover"],
        "n": [20],
        "n_treatment": [20],
        "n_control": [20],
    }
    table = pd.DataFrame(who | {name: [value] for name, value in row.items()})
    for mixed, paired in (("MD", "MC"), ("ROM", "ROMC")):
        one, other = effect_sizes(table, mixed), effect_sizes(table, paired)
        assert one["vi"].iloc[0] == pytest.approx(other["vi"].iloc[0], rel=1e-12)
        assert one["design_rule"].iloc[0] == "crossover: the same people, correlation 0.6"
        assert other["design_rule"].iloc[0] == ""
    unknown = effect_sizes(table.drop(columns="correlation"), "MD")
    assert unknown["design_rule"].iloc[0] == "crossover, taken as parallel: no correlation is given"
    assert "uses no correlation" in effect_sizes(table, "SMD")["design_rule"].iloc[0]


def test_contradictions_of_a_design_are_listed_with_row_and_column():
    table = rows_of("three_arms").head(3)
    table = table.assign(
        sd_control=[table["sd_control"][0], table["sd_control"][1] + 1, table["sd_control"][2]],
        design=["parallel", "parallel", "crossover"],
        icc=[0.1, np.nan, np.nan],
        correlation=[np.nan, np.nan, 1.0],
    )
    found = {(row, column): allowed for row, column, _, allowed in check_rows(table, "MD")}
    assert set(found) == {(0, "icc"), (1, "sd_control"), (2, "n_control"), (2, "correlation")}
    assert "needs design cluster" in found[0, "icc"]
    assert "m0_control give the same numbers" in found[1, "sd_control"]
    assert "the same people" in found[2, "n_control"]


def test_a_cluster_is_no_larger_than_its_arm():
    row = {"study_id": "a", "study": "A", "design": "cluster", "icc": 0.1, "cluster_size": 41}
    two = pd.DataFrame([row | {"events_treatment": 3, "n_treatment": 30, "events_control": 9, "n_control": 50}])
    [(_, column, value, allowed)] = check_rows(two, "OR")
    assert (column, value) == ("cluster_size", "41")
    assert allowed.startswith("must be at most 40")
    assert check_rows(two.assign(cluster_size=40), "OR") == []
    one = pd.DataFrame([row | {"events": 3, "n": 40}])
    assert [p[1] for p in check_rows(one, "PLO")] == ["cluster_size"]
    assert check_rows(one.assign(cluster_size=40), "PLO") == []


def test_what_a_measure_leaves_aside_is_known():
    assert unused_columns("OR") == ["correlation", "trial_id"]
    assert unused_columns("MD") == ["trial_id"]
    assert unused_columns("GEN") == ["shared_control", "icc", "cluster_size", "trial_id"]
    assert unused_columns("PETO") == ["shared_control", "correlation", "trial_id"]
    rule = design_of_rows(pd.DataFrame({"design": ["cluster"], "icc": [0.2], "cluster_size": [5]}), "GEN").rule
    assert rule.tolist() == [""]


def test_a_shared_control_is_a_cluster_where_none_is_named_and_joins_those_that_are():
    effects = effect_sizes(rows_of("three_arms"), "MD", keep=("trial_id",))
    alone = dependent_table(effects, "x")
    named = dependent_table(effects, "x", "trial_id")
    np.testing.assert_allclose(alone["estimate"], named["estimate"], rtol=1e-12)
    assert alone["cluster"].unique().tolist() == ["shared_control"]
    apart = effects.assign(own=effects["study_id"])
    assert dependent_table(apart, "x", "own")["n_clusters"].tolist() == alone["n_clusters"].tolist()


def test_an_unknown_covariance_is_said():
    rows = rows_of("hasselblad1998")
    found = dependent_table(effect_sizes(rows, "PETO"), "x")
    assert found.loc[found["model"] == "three_level", "note"].str.contains("is not known for this measure").all()


def test_robust_variance_with_one_row_a_cluster_is_hc2():
    """With equal weights and clusters of one row CR2 is the variance of a mean."""
    yi = np.array([0.3, -0.2, 0.5, 0.1])
    found = cluster_robust(yi, np.ones((4, 1)), [np.eye(1)] * 4, [np.array([i]) for i in range(4)])
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(np.std(yi, ddof=1) / 2, rel=1e-12)
    assert found.df[0] == pytest.approx(3, rel=1e-12)
