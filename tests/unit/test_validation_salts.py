"""The validation of the comparison of salts in small; `make validate` runs 200 of each design."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.salts import DESIGNS, MISSPECIFIED, document, run_study, summarise


@pytest.fixture(scope="module")
def rows():
    studies = [(design, seed) for design in (DESIGNS[0], DESIGNS[2], MISSPECIFIED[0]) for seed in range(2)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_designs_recover_and_a_fixed_order_with_rundown_misleads(rows):
    found = summarise(rows).set_index(["design", "quantity"])
    compared = "other, citrate over aspartate"
    assert found.loc[(DESIGNS[0].label, compared), "bias"] == pytest.approx(0, abs=0.05)
    assert found.loc[(DESIGNS[0].label, "z_delta"), "bias"] == pytest.approx(0, abs=0.05)
    assert found.loc[(DESIGNS[2].label, "ki0_mm"), "weak"] == 1
    assert found.loc[(MISSPECIFIED[0].label, compared), "bias"] < -0.05


def test_the_document_keeps_designs_and_errors_apart(rows):
    right, wrong = document(rows).split("## What the analysis is not told")
    assert f"| {DESIGNS[0].label} |" in right
    assert f"| {MISSPECIFIED[0].label} |" in wrong
