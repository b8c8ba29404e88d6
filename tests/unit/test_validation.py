"""The validation in small: few studies here, 200 of each in `make test-long`, 1,000 by `make validate`."""

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation import magnesium
from validation.block import (
    DESIGNS,
    MISSPECIFIED,
    Z_DELTA,
    Design,
    document,
    run_study,
    study_points,
    summarise,
    text,
)
from validation.coverage import TEST_LEVEL, binomial_p, covered
from validation.run import STAGES

FIRM = [design for design in DESIGNS if design.firm]
OTHERS = [design for design in DESIGNS if not design.firm]


def found(design, studies):
    rows = [row for seed in range(studies) for row in run_study(design, seed)]
    return summarise(pd.DataFrame(rows)).set_index("parameter")


@pytest.fixture(scope="module")
def few():
    """Ten studies of two concentrations that bracket Ki(0), 3 % noise."""
    return found(FIRM[1], 10)


def test_firm_designs_in_small(few):
    assert abs(few.loc["ki0_mm", "bias"]) < max(3, 3 * few.loc["ki0_mm", "bias_se"])
    assert abs(few.loc["z_delta", "bias"]) < max(0.01, 3 * few.loc["z_delta", "bias_se"])
    assert (few["coverage_p"] > TEST_LEVEL).all()
    assert (few["weak"] == 0).all()


@pytest.mark.parametrize("design", OTHERS, ids=lambda d: d.label)
def test_one_concentration_or_much_noise_is_labelled_weak(design):
    assert (found(design, 2)["weak"] == 1).all()


def test_a_wrong_potential_is_seen_by_the_validation():
    """The validation can fail: 10 mV off is a quarter of Ki(0), and more than the interval of equal cells."""
    wrong = replace(MISSPECIFIED[-2], gain_sd=0.0, noise=0.01)
    assert wrong.junction_mv == 10
    ki = found(wrong, 6).loc["ki0_mm"]
    # exp(z delta * 10 mV / 25.43 mV)
    assert ki["bias"] == pytest.approx(100 * np.expm1(Z_DELTA * 10 / 25.43), abs=15)
    assert ki["cell_coverage"] < 0.5
    assert ki["cell_p"] < TEST_LEVEL


def test_what_is_simulated():
    """Without errors the currents are those of the equation; each error does what its name says."""
    clean = Design("clean", 5.0, (1, 5), 0.0, gain_sd=0.0)
    points = study_points(clean, 0)
    assert len(points) == 6 * 3 * 11
    wide = points.pivot_table(index=["cell_id", "level_mv"], columns="ligand_free_mm", values="current_pa")
    ki = 5 * (wide[0] / wide[5] - 1) ** -1
    at_zero = ki.xs(0.0, level="level_mv")
    assert np.log(at_zero).std() == pytest.approx(0.15, abs=0.12)
    steepness = -np.log(ki.xs(100.0, level="level_mv") / at_zero) * 25.43 / 100
    assert steepness.to_numpy() == pytest.approx(Z_DELTA, abs=1e-3)
    rundown = study_points(replace(clean, rundown=0.1), 0)["current_pa"] / points["current_pa"]
    assert rundown.groupby(points["ligand_free_mm"]).mean().to_dict() == pytest.approx({0: 1, 1: 0.9, 5: 0.81})
    leak = study_points(replace(clean, leak=0.05), 0)["current_pa"] - points["current_pa"]
    control = points[points["ligand_free_mm"] == 0].set_index(["cell_id", "level_mv"])["current_pa"]
    assert leak[points["level_mv"] == 100].iloc[0] == pytest.approx(0.05 * control[("c0", 100.0)])
    series = study_points(replace(clean, series_mohm=5, control_pa=5000), 0)
    assert series["current_pa"].abs().max() < 10 * points["current_pa"].abs().max()
    assert (study_points(replace(clean, junction_mv=10), 0)["membrane_mv"] - points["membrane_mv"] == 10).all()
    assert study_points(clean, 1)["current_pa"].ne(points["current_pa"]).any()
    assert study_points(clean, 0).equals(points)


def test_coverage_is_tested_and_shown():
    assert binomial_p(95, 100) > 0.9
    assert binomial_p(80, 100) < TEST_LEVEL
    assert covered(0.8, binomial_p(80, 100)) == "**80.0 %**"
    assert covered(0.95, 1.0) == "95.0 %"
    assert covered(np.nan, np.nan) == "–"


def test_the_document_names_its_failures(few):
    rows = few.reset_index()
    bad = rows.assign(design="something wrong", coverage=0.5, coverage_p=1e-9)
    told = text(pd.concat([rows, bad]), bad, 10, 10)
    assert "10 studies of each design" in told
    assert "Group intervals do not cover 95 %: Ki(0) of “something wrong” (50.0 %)" in told
    assert "**50.0 %**" in told
    assert "- something wrong: Ki(0) " in told


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_offers_what_the_run_asks(name):
    stage = import_module(f"validation.{name}")
    assert len({design.label for design in (*stage.DESIGNS, *stage.MISSPECIFIED)}) == len(stage.DESIGNS) + len(
        stage.MISSPECIFIED
    )
    assert stage.STUDIES >= 200
    assert stage.DOCUMENT.endswith(".md")


def test_the_document_of_block_keeps_designs_and_errors_apart():
    rows = [run_study(design, seed) for design in (DESIGNS[1], MISSPECIFIED[4]) for seed in range(2)]
    told = document(pd.DataFrame([row for study in rows for row in study]))
    right, wrong = told.split("## What the fit is not told")
    assert f"| {DESIGNS[1].label} |" in right
    assert f"| {MISSPECIFIED[4].label} |" in wrong
    assert "--studies 2 --misspecified 2" in told


@pytest.mark.long
@pytest.mark.parametrize("design", FIRM, ids=lambda d: d.label)
def test_acceptance(design):
    """200 studies: bias of Ki(0) at most 3 %, of z delta 0.01; the group's interval covers 95 %."""
    summary = found(design, 200)
    assert abs(summary.loc["ki0_mm", "bias"]) <= 3
    assert abs(summary.loc["z_delta", "bias"]) <= 0.01
    assert (summary["coverage_p"] > TEST_LEVEL).all()
    assert (summary["weak"] < 0.05).all()
    if design.gain_sd == 0:
        assert (summary["cell_p"] > TEST_LEVEL).all()


# Magnesium


def of_magnesium(design, studies):
    rows = [row for seed in range(studies) for row in magnesium.run_study(design, seed)]
    return magnesium.summarise(pd.DataFrame(rows)).set_index("quantity")


@pytest.mark.parametrize("design", [magnesium.DESIGNS[0], magnesium.DESIGNS[-1]], ids=lambda d: d.label)
def test_magnesium_in_small(design):
    summary = of_magnesium(design, 12)
    assert (summary["coverage_p"] > TEST_LEVEL).all()
    assert (summary["bias"].abs() < 4 * summary["bias_se"]).all()
    assert (summary["without"] == 0).all()


def test_a_wrong_kd_is_seen_by_the_validation():
    wrong = of_magnesium(magnesium.MISSPECIFIED[0], 12)
    assert wrong.loc["donor", "bias"] == pytest.approx(100 * (1.5 / 1.9 - 1), abs=8)
    assert wrong.loc["mean", "coverage_p"] < TEST_LEVEL


def test_the_document_of_magnesium_names_its_failures():
    designs = (magnesium.DESIGNS[0], magnesium.MISSPECIFIED[0])
    rows = pd.DataFrame([row for design in designs for seed in range(3) for row in magnesium.run_study(design, seed)])
    text = magnesium.document(rows)
    right, wrong = text.split("## What the analysis is not told")
    assert f"| {designs[0].label} |" in right
    assert f"| {designs[1].label} |" in wrong
    assert "All intervals are consistent with 95 %." in right
    bad = rows.assign(ci_low=9.0, ci_high=9.5)
    assert "not consistent with 95 %: a donor, “in situ, 6 wells of each role” (0.0 %)" in magnesium.document(bad)


@pytest.mark.long
@pytest.mark.parametrize("design", magnesium.DESIGNS, ids=lambda d: d.label)
def test_magnesium_covers(design):
    """200 runs: the intervals of a donor, a mean and a difference are consistent with 95 %."""
    assert (of_magnesium(design, 200)["coverage_p"] > TEST_LEVEL).all()
