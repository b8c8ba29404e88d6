"""The validation of image stacks in small; `make validate STAGE=stacks` runs 200 of each design."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.magnesium import summarise
from validation.stacks import DESIGNS, MISSPECIFIED, document, run_study


@pytest.fixture(scope="module")
def rows():
    studies = [(design, seed) for design in (DESIGNS[0], MISSPECIFIED[-1]) for seed in range(3)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_designs_recover_what_was_put_in_and_a_wrong_rmax_shows(rows):
    found = summarise(rows).set_index(["design", "quantity"])
    assert found.loc[DESIGNS[0].label, "bias"].abs().max() < 10
    assert (found["without"] == 0).all()
    assert found.loc[(MISSPECIFIED[-1].label, "mean"), "bias"] > 10
    first = rows[rows["design"] == DESIGNS[0].label]
    assert (first["n_rois"] == first["n_cells"]).all()
    assert first["shift_error_px"].max() < 0.15


def test_the_document_keeps_designs_and_errors_apart(rows):
    right, wrong = document(rows).split("## What the analysis is not told")
    assert f"| {DESIGNS[0].label} |" in right
    assert f"| {MISSPECIFIED[-1].label} |" in wrong
