"""The validation of excitability in small; `make validate` runs 100 of each design."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.excitability import DESIGNS, MISSPECIFIED, document, rest_of_demonstration, run_study, summarise


@pytest.fixture(scope="module")
def rows():
    studies = [(design, seed) for design in (DESIGNS[0], MISSPECIFIED[0], MISSPECIFIED[-1]) for seed in range(3)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_designs_recover_what_was_put_in_and_the_bridge_shows(rows):
    found = summarise(rows).set_index(["design", "unit", "quantity"])
    of_cell = found.loc[(DESIGNS[0].label, "cell")]
    assert abs(of_cell.loc["input_mohm", "bias"]) < 8
    assert abs(of_cell.loc["tau_ms", "bias"]) < 3
    assert abs(of_cell.loc["gain_hz_pa", "bias"]) < 0.04
    assert found.loc[(MISSPECIFIED[0].label, "cell", "input_mohm"), "bias"] == pytest.approx(20, abs=8)
    assert found.loc[(MISSPECIFIED[-1].label, "group", "onset_pa"), "bias"] < -20


def test_the_document_keeps_designs_and_errors_apart(rows):
    right, wrong = document(rows).split("## What the analysis is not told")
    assert f"| {DESIGNS[0].label} |" in right
    assert f"| {MISSPECIFIED[0].label} |" in wrong


def test_the_rest_of_the_demonstration_is_unbiased_over_other_seeds():
    found = rest_of_demonstration(60)
    right = found[found["off_mv"] == 0]
    assert (right["bias"].abs() < 4 * right["bias_se"] + 0.02).all()
    assert (right["coverage_p"] > 0.001).all()
