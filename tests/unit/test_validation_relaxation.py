"""The validation of the relaxation analysis in small; `make validate` runs 100 of each design."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.relaxation import DESIGNS, MISSPECIFIED, document, run_study, summarise


@pytest.fixture(scope="module")
def rows():
    studies = [(design, seed) for design in (DESIGNS[0], DESIGNS[-1], MISSPECIFIED[0]) for seed in range(3)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_designs_recover_what_was_put_in_and_a_third_exponential_shows(rows):
    found = summarise(rows).set_index(["design", "quantity"])
    assert found.loc[DESIGNS[0].label, "bias"].abs().max() < 10
    assert found.loc[(DESIGNS[-1].label, "k_saturating_fast"), "bias"] == pytest.approx(0, abs=8)
    assert found.loc[(MISSPECIFIED[0].label, "k_fast"), "bias"] > 10


def test_the_document_keeps_designs_and_errors_apart(rows):
    right, wrong = document(rows).split("## What the analysis is not told")
    assert f"| {DESIGNS[0].label} |" in right
    assert f"| {MISSPECIFIED[0].label} |" in wrong
