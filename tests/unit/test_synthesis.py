"""The synthesis: exact without errors, as the delta method with small ones, split by source, and honest in words."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from studies import HOUSE, load_config

from mgk import synthesis
from mgk.checks.joined import check_joined
from mgk.figures import synthesis as figures
from mgk.statistics import group_rows
from mgk.study import Study
from mgk.synthesis import Block, Cell, Constant, Level, Model, inputs, sentences, tables
from mgk.synthesis.model import OPEN, OPEN_RATIO, PRINTED, PUMP, RATE, RATE_RATIO, Quantity, draw
from mgk.tables import write_table
from mgk.tables.schema import check_mapping, load_schema

CELL = Cell(-70, 5, 150, 37)
STATED = (Level("1 mM", 1.0, origin="a document"), Level("0.3 mM", 0.3, origin="a document"))
THERMAL_MV = 8.31446261815324 * 310.15 / 96485.33212331 * 1e3


def level(name, value_mm, animals=0.0, calibration=0.0, n=2000):
    return Level(f"cells, {name}", value_mm, "cells", animals, calibration, n, group=name)


def model(levels=STATED, covariance=((0, 0), (0, 0)), df=math.inf, k05=None, together=0.0, **more):
    groups = tuple(x.group for x in levels if x.experiment)
    correlations = np.full((len(groups), len(groups)), float(together))
    np.fill_diagonal(correlations, 1)
    animals = {"cells": (groups, correlations)} if groups else {}
    block = Block(1.5, 0.6, np.array(covariance, float), df, 6, 3)
    more = {"draws": 4000} | more
    return Model(block, k05 or {PUMP: Constant(0.5, 0.0, math.inf)}, levels, CELL, animals, **more)


def one(table, quantity, column="estimate", **of):
    rows = table[table["quantity"] == quantity]
    for key, value in of.items():
        rows = rows[rows[key] == value]
    [found] = rows[column]
    return found


def by_hand_open(free_mm, membrane_mv, ki0=1.5, z_delta=0.6):
    return 1 / (1 + free_mm / (ki0 * math.exp(-z_delta * membrane_mv / THERMAL_MV)))


# --- exact --------------------------------------------------------------------------------------------------------


def test_without_errors_the_prediction_is_the_formula():
    found = synthesis.prediction_table(model(draws=1000), [-70.0, 0.0, 40.0])
    for free, name in ((1.0, "1 mM"), (0.3, "0.3 mM")):
        for mv in (-70.0, 0.0, 40.0):
            expected = by_hand_open(free, mv)
            assert one(found, OPEN, level=name, membrane_mv=mv) == pytest.approx(expected, abs=1e-9)
            assert one(found, OPEN, "se", level=name, membrane_mv=mv) == pytest.approx(0, abs=1e-12)
            assert one(found, OPEN, "ci_high", level=name, membrane_mv=mv) == pytest.approx(expected, abs=1e-9)
        assert one(found, RATE, level=name) == pytest.approx(free / (0.5 + free), abs=1e-12)
    assert one(found, OPEN_RATIO, membrane_mv=0.0) == pytest.approx((1 + 1 / 1.5) / (1 + 0.3 / 1.5), abs=1e-12)
    assert one(found, RATE_RATIO) == pytest.approx(0.3 / 0.8 * 1.5, abs=1e-12)
    assert one(found, tables.DRIVING) == pytest.approx(-70 - THERMAL_MV * math.log(5 / 150), abs=1e-6)


def test_the_ratios_of_the_science_notes():
    """Open fraction at 0.3 against 1 mM, 37 C: Ki(0) 5 and 1.5, at -70 and 0 mV."""
    for ki0, expected in ((5, (1.03, 1.13)), (1.5, (1.09, 1.39))):
        of_ki = model(draws=1000)
        of_ki = replace(of_ki, block=replace(of_ki.block, ki0_mm=ki0))
        found = synthesis.prediction_table(of_ki, [-70.0, 0.0])
        ratios = [one(found, OPEN_RATIO, membrane_mv=mv) for mv in (-70.0, 0.0)]
        assert ratios == pytest.approx(expected, abs=0.006)


# --- errors -------------------------------------------------------------------------------------------------------

SMALL = ((0.02**2, -0.3 * 0.02 * 0.006), (-0.3 * 0.02 * 0.006, 0.006**2))


def small_errors(**more):
    levels = (level("a", 0.8, 0.02, 0.012), level("b", 0.5, 0.01, 0.0075))
    k05 = {PUMP: Constant(0.5, 0.015, math.inf), PRINTED: Constant(0.07, 0.002, math.inf)}
    return model(levels, SMALL, k05=k05, together=0.5, **more)


def covariance_of_inputs():
    """Of ln Ki(0), z delta, ln free Mg2+ of a and b (animals with correlation 0.5, calibration in common), ln K0.5."""
    found = np.zeros((5, 5))
    found[:2, :2] = SMALL
    animals, calibration = np.array([0.02 / 0.8, 0.01 / 0.5]), 0.015
    found[2:4, 2:4] = np.outer(animals, animals) * [[1, 0.5], [0.5, 1]] + calibration**2
    found[4, 4] = 0.03**2
    return found


def delta_sd(function):
    """Return the SD by the delta method, the gradient by central differences."""
    steps = 1e-6 * np.eye(5)
    gradient = np.array([(function(*s) - function(*-s)) / 2e-6 for s in steps])
    return math.sqrt(gradient @ covariance_of_inputs() @ gradient)


def of_open(lki, z, a, b, lk, which="a", mv=-70.0):
    free = 0.8 * math.exp(a) if which == "a" else 0.5 * math.exp(b)
    return by_hand_open(free, mv, 1.5 * math.exp(lki), 0.6 + z)


def of_rate(lki, z, a, b, lk, which="a"):
    free = 0.8 * math.exp(a) if which == "a" else 0.5 * math.exp(b)
    return free / (0.5 * math.exp(lk) + free)


def test_draws_agree_with_the_delta_method_where_errors_are_small():
    found = synthesis.prediction_table(small_errors(draws=40000), [-70.0])
    expected = {
        (OPEN, "cells, a", ""): of_open,
        (OPEN, "cells, b", ""): lambda *x: of_open(*x, which="b"),
        (OPEN_RATIO, "cells, b", ""): lambda *x: of_open(*x, which="b") / of_open(*x),
        (RATE, "cells, a", PUMP): of_rate,
        (RATE_RATIO, "cells, b", PUMP): lambda *x: of_rate(*x, which="b") / of_rate(*x),
    }
    for (quantity, name, k05), function in expected.items():
        of = {"level": name, "k05": k05}
        sd = delta_sd(function)
        assert one(found, quantity, "se", **of) == pytest.approx(sd, rel=0.02), quantity
        estimate = one(found, quantity, **of)
        assert one(found, quantity, "ci_low", **of) == pytest.approx(estimate - 1.96 * sd, abs=0.1 * sd)
        assert one(found, quantity, "ci_high", **of) == pytest.approx(estimate + 1.96 * sd, abs=0.1 * sd)


def test_what_groups_share_cancels_in_their_ratio():
    """Far below K0.5 the rate goes with free Mg2+: a common factor leaves the ratio, one of its own does not."""
    k05 = {PUMP: Constant(1e4, 0.0, math.inf)}
    shared = model((level("a", 0.8, 0, 0.08), level("b", 0.5, 0, 0.05)), k05=k05)
    assert one(synthesis.prediction_table(shared, [-70.0]), RATE_RATIO, "se") < 1e-5
    same_animals = model((level("a", 0.8, 0.08), level("b", 0.5, 0.05)), k05=k05, together=1.0)
    assert one(synthesis.prediction_table(same_animals, [-70.0]), RATE_RATIO, "se") < 1e-5
    own = model((level("a", 0.8, 0.08), level("b", 0.5, 0.05)), k05=k05)
    expected = 0.5 / 0.8 * 0.1 * math.sqrt(2)
    assert one(synthesis.prediction_table(own, [-70.0]), RATE_RATIO, "se") == pytest.approx(expected, rel=0.05)


def test_few_animals_widen_as_a_t_does():
    """One source behind a rate: its interval is that of a t, carried through a function that only rises or falls."""
    few = model(STATED, k05={PUMP: Constant(0.5, 0.01, 2)}, draws=100000)
    found = synthesis.prediction_table(few, [-70.0])
    ends = 0.5 * np.exp(t.ppf([0.975, 0.025], 2) * 0.02)
    for column, k05 in zip(("ci_low", "ci_high"), ends, strict=True):
        assert 1 - one(found, RATE, column, level="1 mM") == pytest.approx(1 - 1 / (1 + k05), rel=0.01)
    assert one(found, RATE, "se", level="1 mM") == pytest.approx(2 / 3 / 3 * 0.02, rel=0.02)


def test_several_sources_have_the_degrees_of_freedom_of_welch_and_satterthwaite():
    """Free Mg2+ with 2, K0.5 with 8 degrees of freedom, the same error each: 4 / (1/2 + 1/8) = 6.4."""
    k05 = {PUMP: Constant(0.5, 0.01, 8)}
    both = model((level("a", 0.8, 0.016, n=3),), k05=k05, draws=100000)
    found = synthesis.prediction_table(both, [-70.0])
    half = (one(found, RATE, "ci_high") - one(found, RATE, "ci_low")) / 2
    assert half / one(found, RATE, "se") == pytest.approx(t.ppf(0.975, 6.4), rel=0.02)


def test_ki0_and_z_delta_are_drawn_together():
    drawn = draw(model(covariance=SMALL, draws=100000), "a")["Ki(0) and z delta"]
    np.testing.assert_allclose(np.cov(drawn.T), SMALL, rtol=0.03)


def test_the_same_seed_gives_the_same_table_and_another_seed_another():
    first, again, other = (synthesis.prediction_table(small_errors(seed=s, draws=2000), [-70.0]) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["se"].dropna(), other["se"].dropna(), rtol=1e-6)
    np.testing.assert_allclose(first["se"].dropna(), other["se"].dropna(), rtol=0.1)


# --- variance by source -------------------------------------------------------------------------------------------


def test_shares_are_those_of_a_known_function():
    """Ishigami and Homma 1990, a = 7, b = 0.1: first order 0.3139, 0.4424, 0; total 0.5576, 0.4424, 0.2437."""
    rng = np.random.default_rng(5)
    a, b = ({x: rng.uniform(-np.pi, np.pi, 200000) for x in "123"} for _ in range(2))

    def ishigami(x):
        return np.sin(x["1"]) + 7 * np.sin(x["2"]) ** 2 + 0.1 * x["3"] ** 4 * np.sin(x["1"])

    rows = tables._shares(Quantity("q", STATED[0], ishigami, ("1", "2", "3")), a, b)
    assert [r["first_order"] for r in rows] == pytest.approx([0.3139, 0.4424, 0, 0.2437], abs=0.012)
    assert [r["total"] for r in rows[:-1]] == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.012)


def test_shares_are_those_of_the_delta_method_where_errors_are_small():
    found = synthesis.variance_table(small_errors(draws=40000))
    of = {"level": "cells, a", "k05": PUMP}
    own = found[(found["quantity"] == RATE) & (found["level"] == "cells, a") & (found["k05"] == PUMP)]
    share = dict(zip(own["source"], own["first_order"], strict=True))
    # d ln v / d ln Mg = -d ln v / d ln K0.5: the shares are those of the squared errors of the logarithms.
    parts = {"free Mg2+, animals of cells": 0.025**2, "free Mg2+, calibration of cells": 0.015**2, PUMP: 0.03**2}
    for source, part in parts.items():
        assert share[source] == pytest.approx(part / math.fsum(parts.values()), abs=0.02)
    assert share[tables.TOGETHER] == pytest.approx(0, abs=0.02)
    alone = one(found, RATE, "sd_alone", source=PUMP, **of)
    rate = 0.8 / 1.3
    assert alone == pytest.approx(rate * (1 - rate) * 0.03, rel=0.03)


def test_a_single_source_has_all_of_the_variance():
    found = synthesis.variance_table(model(covariance=SMALL, df=2))
    assert one(found, OPEN, "first_order", level="1 mM", source="Ki(0) and z delta") == pytest.approx(1, abs=1e-12)


# --- what the stages found ----------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A study with the demonstration's tables, in which nothing has run."""
    (tmp_path / "raw_data/clinical").mkdir(parents=True)
    for name in ("config.yaml", "raw_data/recordings.csv", "raw_data/solutions.yaml", "raw_data/truth.yaml"):
        (tmp_path / name).write_bytes((HOUSE / name).read_bytes())
    return Study.open(tmp_path)


def block_fits(project, drop=(), model_name="woodhull_internal_gain"):
    rng = np.random.default_rng(3)
    recordings = project.table("recordings")
    cells = recordings[recordings["experiment"] == "romk_block"].drop_duplicates("cell_id")
    rows = []
    for cell, animal, group in zip(cells["cell_id"], cells["animal_id"], cells["condition"], strict=True):
        if animal in drop:
            continue
        for parameter, value in (("ki0_mm", 1.5 * math.exp(rng.normal(0, 0.2))), ("z_delta", rng.normal(0.6, 0.02))):
            row = {"experiment": "romk_block", "group": group, "unit_id": cell, "model": model_name}
            row |= {"parameter": parameter, "unit": "", "estimate": value, "se": 0.01, "ci_low": 0.0, "ci_high": 9.0}
            rows.append(row | {"n_cells": 1, "n_animals": 1, "verdict": "identified", "reason": ""})
    fits = pd.DataFrame(rows)
    owners = dict(zip(cells["cell_id"], cells["animal_id"], strict=True))
    whole = pd.concat([fits, group_rows(fits, owners, geometric={"ki0_mm"})], ignore_index=True)
    write_table(whole, project.results / "block/romk_block/fits.csv")
    return whole[whole["unit_id"] == ""]


def test_the_block_of_a_group_has_the_interval_of_its_fits(project):
    groups = block_fits(project)
    found = inputs.block_of(project, "romk_block", "low_potassium")
    own = groups[groups["group"] == "low_potassium"].set_index("parameter")
    assert (found.ki0_mm, found.z_delta) == pytest.approx(tuple(own["estimate"]))
    assert (found.n_cells, found.n_animals, found.df) == (6, 3, 2)
    half = t.ppf(0.975, found.df) * np.sqrt(np.diag(found.covariance))
    assert found.ki0_mm * math.exp(half[0]) == pytest.approx(own.loc["ki0_mm", "ci_high"])
    assert found.z_delta + half[1] == pytest.approx(own.loc["z_delta", "ci_high"])


@pytest.mark.parametrize(
    ("given", "group", "said"),
    [
        ({"model_name": "woodhull_external"}, "low_potassium", "not by a blocker inside that stays"),
        ({"model_name": "woodhull_internal_permeant"}, "low_potassium", "not by a blocker inside that stays"),
        ({}, "nowhere", "are not identified"),
    ],
)
def test_a_block_that_cannot_be_used_has_a_reason_and_predicts_nothing(project, given, group, said):
    block_fits(project, **given)
    found = inputs.block_of(project, "romk_block", group)
    assert said in found.reason
    table = synthesis.prediction_table(replace(model(), block=found), [-70.0])
    of_romk = table[table["quantity"].isin([OPEN, OPEN_RATIO])]
    assert set(of_romk["verdict"]) == {"not_predicted"}
    assert of_romk["estimate"].isna().all()
    assert said in one(table, OPEN, "reason", level="1 mM")
    assert one(table, RATE, level="1 mM") == pytest.approx(2 / 3), "the pump does not need it"


def test_two_animals_have_no_covariance(project):
    recordings = project.table("recordings")
    own = recordings[(recordings["experiment"] == "romk_block") & (recordings["condition"] == "low_potassium")]
    block_fits(project, drop=set(own["animal_id"].iloc[:1]))
    assert "needs three" in inputs.block_of(project, "romk_block", "low_potassium").reason


def free_magnesium(project):
    groups = pd.DataFrame(
        [
            ("control", "mean", 1.9, "own", 0.8, 0.05, 0.01, 6, ""),
            ("free", "mean", 1.9, "own", 0.6, 0.04, 0.01, 6, ""),
            ("dead", "mean", 1.9, "own", math.nan, math.nan, math.nan, 1, "1 of 1 samples censored"),
            ("control", "mean", 1.5, "Raju", 0.6, 0.04, 0.008, 6, ""),
            ("dead", "mean", 1.5, "Raju", math.nan, math.nan, math.nan, 1, "1 of 1 samples censored"),
            ("control", "median", 1.9, "own", 0.7, math.nan, math.nan, 6, ""),
        ],
        columns=["condition", "statistic", "kd_mm", "kd_source", "estimate", "se_animals", "se_calibration",
                 "n_animals", "reason"],
    )  # fmt: skip
    write_table(groups, project.results / "magnesium/neurons/groups.csv")
    logs = np.array([0.1, -0.2, 0.05, 0.3, -0.1, 0.0])
    rows = [
        (f"{c}{i}", f"A{i}", c, math.exp(v))
        for c, shift in (("control", 0), ("free", -0.3))
        for i, v in enumerate(logs + shift)
    ]
    rows.append(("dead0", "A0", "dead", math.inf))
    write_table(
        pd.DataFrame(rows, columns=["sample_id", "animal_id", "condition", "free_magnesium_mm"]),
        project.results / "magnesium/neurons/free_magnesium.csv",
    )


def test_levels_are_the_groups_at_the_kd_in_use_and_at_each_other(project):
    free_magnesium(project)
    found = inputs.levels_of(project, "neurons")
    assert [x.name for x in found] == [
        "neurons, control",
        "neurons, free",
        "neurons, dead",
        "neurons, control, Kd 1.5 mM",
    ]
    assert (found[0].value_mm, found[0].se_animals, found[0].n_animals) == (0.8, 0.05, 6)
    assert "censored" in found[2].reason
    assert math.isnan(found[2].value_mm)
    assert synthesis.contrasts(found) == [(found[1], found[0])]
    groups, together = inputs.animals_of(project, "neurons")
    assert groups == ("control", "free", "dead")
    np.testing.assert_allclose(together, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


def test_a_pump_without_k05_predicts_nothing_and_says_so(project):
    fits = {"experiment": "microsomes", "group": "control", "unit_id": "", "parameter": "k05", "n_animals": 3}
    fits |= {
        "model": ["michaelis_menten_free_magnesium", "michaelis_menten_mgatp"],
        "verdict": ["not_identified", "identified"],
    }
    write_table(
        pd.DataFrame(fits | {"estimate": [1.0, 2.0], "se": [0.1, 0.1]}), project.results / "atpase/microsomes/fits.csv"
    )
    found = inputs.k05_of(project, "microsomes", "control")
    assert "is not identified" in found.reason
    table = synthesis.prediction_table(model(k05={PUMP: found, PRINTED: Constant(0.07, 0.01, math.inf)}), [-70.0])
    assert one(table, RATE, "verdict", level="1 mM", k05=PUMP) == "not_predicted"
    assert one(table, RATE, level="1 mM", k05=PRINTED) == pytest.approx(1 / 1.07)


def test_what_was_put_in_stands_beside_the_prediction():
    levels = (*STATED, level("a", 0.8, 0.02), level("b", 0.5, 0.01))
    truth = synthesis.with_truth(model(levels), 1.2, 0.5, 0.6, {"cells, a": 0.75})
    found = synthesis.prediction_table(model(levels), [-70.0], truth)
    assert one(found, OPEN, "put_in", level="cells, a") == pytest.approx(by_hand_open(0.75, -70, 1.2, 0.5))
    assert one(found, RATE_RATIO, "put_in", level="0.3 mM") == pytest.approx((0.3 / 0.9) / (1 / 1.6))
    assert math.isnan(one(found, OPEN, "put_in", level="cells, b"))


# --- words --------------------------------------------------------------------------------------------------------


def test_a_change_is_said_only_where_the_interval_lies_on_one_side_of_1():
    wide = model((level("a", 0.8, 0.08), level("b", 0.78, 0.08)), SMALL)
    prediction = synthesis.prediction_table(wide, [-70.0])
    said = " ".join(sentences(prediction, synthesis.variance_table(wide), -70))
    assert "it is not said whether ROMK is open more or less" in said
    assert "in the model ROMK" not in said
    narrow = model(covariance=SMALL)
    prediction = synthesis.prediction_table(narrow, [-70.0])
    said = sentences(prediction, synthesis.variance_table(narrow), -70)
    assert "out of the cell, as secretion" in said[0]
    assert said[1].startswith("0.3 mM against 1 mM: in the model ROMK is open more, by ")


def test_the_way_of_potassium_follows_from_the_stated_potential():
    inward = replace(model(), cell=replace(CELL, apical_mv=-100.0))
    prediction = synthesis.prediction_table(inward, [-100.0])
    assert "no secretion" in sentences(prediction, synthesis.variance_table(inward), -100)[0]


def test_two_constants_whose_predictions_do_not_meet_are_named():
    k05 = {PUMP: Constant(0.5, 0.02, math.inf), PRINTED: Constant(0.07, 0.005, math.inf)}
    both = model(covariance=SMALL, k05=k05)
    said = " ".join(sentences(synthesis.prediction_table(both, [-70.0]), synthesis.variance_table(both), -70))
    assert "which K0.5 is taken matters more than all other errors of the pump" in said


def test_the_heading_goes_with_the_data():
    assert synthesis.heading("simulated") == "A model prediction from simulated recordings; not evidence"
    assert synthesis.heading("mixed").endswith("not evidence")
    assert "prediction" in synthesis.heading("measured")


def test_the_chain_says_what_was_not_measured(project):
    asked = project.experiment("synthesis", "synthesis")
    claims = pd.DataFrame({"claim_id": asked["claims"], "statement": "s", "verdict": "unverifiable"})
    write_table(claims.assign(source="a place", reason="no denominator"), project.results / "clinical/claims.csv")
    found = synthesis.assumptions_table(project, asked, model(), "simulated")
    assert list(found["step"]) == sorted(found["step"])
    assert {"not measured", "assumed", "stated", "recovered from simulated data", "claim unverifiable"} <= set(
        found["status"]
    )
    assert (found["source"] != "").all()
    measured = synthesis.assumptions_table(project, asked, model(), "measured")
    assert "measured in this study" in set(measured["status"])
    assert not measured["status"].str.contains("simulated").any()


def test_figures_begin_with_what_they_are():
    heading = synthesis.heading("simulated")
    found = synthesis.prediction_table(small_errors(draws=2000), [-70.0, 0.0])
    assert figures.open_fraction(found, -70, heading)[1].startswith(heading)
    assert "cells, b over cells, a" in figures.ratios(found, -70, heading)[1]
    assert figures.variance(synthesis.variance_table(small_errors(draws=2000)), heading)[1].startswith(heading)
    nothing = found[found["verdict"] == "not_predicted"]
    assert figures.open_fraction(nothing, -70, heading)[1].startswith("Nothing to draw")
    assert figures.ratios(nothing, -70, heading)[1].startswith("Nothing to draw")


# --- a study ------------------------------------------------------------------------------------------------------


def config_with(**changes):
    config = json.loads(json.dumps(load_config(HOUSE)))
    for place, value in changes.items():
        *path, last = place.split("__")
        part = config["synthesis"]
        for key in path:
            part = part[key]
        part[last] = value
    return config


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"free_magnesium": ["neurones"]}, "did you mean 'neurons'?"),
        (
            {"free_magnesium": ["microsomes"]},
            "must be an experiment with the analysis magnesium_calibration or image_stacks",
        ),
        ({"block__experiment": "romk"}, "must be an experiment with the analysis magnesium_block"),
        ({"block__group": "low_potasium"}, "did you mean 'low_potassium'?"),
        ({"pump__group": "controls"}, "did you mean 'control'?"),
        ({"pump__experiment": "coupled"}, "must be an experiment with the analysis atpase_activity"),
        ({"claims": ["whang_1985"]}, "did you mean 'whang_1984'?"),
    ],
)
def test_what_is_joined_must_be_there(changes, said):
    found = [str(p) for p in check_joined(Study(HOUSE, config_with(**changes)))]
    assert len(found) == bool(changes), found
    assert said in "".join(found)


def test_without_the_experiments_that_it_names_the_synthesis_is_refused():
    config = config_with()
    del config["recordings"]["experiments"]["romk_block"], config["clinical"]["claims"]
    found = "\n".join(str(p) for p in check_joined(Study(HOUSE, config)))
    assert "synthesis.block.experiment" in found
    assert "synthesis.claims" in found
    assert "diagrams.romk_block" in found


def test_the_kind_of_data_is_that_of_what_is_joined():
    config = config_with()
    assert Study(HOUSE, config).experiment("synthesis", "synthesis")["data"] == "simulated"
    other = copy.deepcopy(config)
    other["plates"]["experiments"]["neurons"]["data"] = "measured"
    assert Study(HOUSE, other).experiment("synthesis", "synthesis")["data"] == "mixed"
    assert ("magnesium_block", "romk_block") in Study(HOUSE, config).rests_on("synthesis")
    assert Study(HOUSE, config).analyses()[-1] == ("synthesis", "synthesis")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3),
    max_leaves=6,
)
PLACES = ("synthesis", "synthesis.block", "synthesis.free_magnesium", "equilibria", "equilibria.compare", "diagrams")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PLACES), VALUES)
def test_no_value_in_a_config_breaks_what_joins_the_stages(place, value):
    config = config_with()
    section, _, key = place.partition(".")
    if key:
        config[section][key] = value
    else:
        config[section] = value
    study = Study(HOUSE, config)
    assert isinstance(check_mapping(config, load_schema("config"), "config.yaml", {}), list)
    study.analyses()
    for name in ("equilibria", "synthesis"):
        study.experiments(name)
        study.rests_on(name)
    _ = study.diagrams
