"""The validation of the synthesis in small; `make validate` runs 200 of each design."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.synthesis import DESIGNS, MISSPECIFIED, QUANTITIES, document, run_study, summarise, truth


@pytest.fixture(scope="module")
def rows():
    studies = [(design, seed) for design in (DESIGNS[-1], *MISSPECIFIED) for seed in range(8)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_designs_hold_what_is_true_and_wrong_ones_do_not(rows):
    found = summarise(rows).set_index(["design", "quantity"])
    assert set(truth(DESIGNS[0])) == set(QUANTITIES)
    right = found.loc[DESIGNS[-1].label]
    assert right["coverage"].min() >= 0.6
    assert right["bias"].abs().max() < 5
    elsewhere, hill = (found.loc[design.label] for design in MISSPECIFIED)
    assert elsewhere.loc[QUANTITIES[2], "bias"] > 10, "the pump of the kidney's cell is slower"
    assert hill.loc[QUANTITIES[3], "coverage"] == 0


def test_the_document_keeps_designs_and_what_is_not_in_the_model_apart(rows):
    right, wrong = document(rows).split("## What no interval knows of")
    assert f"| {DESIGNS[-1].label} |" in right
    assert f"| {MISSPECIFIED[0].label} |" in wrong
