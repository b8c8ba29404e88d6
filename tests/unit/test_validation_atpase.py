"""The validation of the ATPase analysis in small; `make validate` runs 1,000 plates of each design."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.atpase import DESIGNS, MISSPECIFIED, document, run_study, summarise


@pytest.fixture(scope="module")
def rows():
    studies = [(DESIGNS[0], seed) for seed in range(6)]
    studies += [(design, seed) for design in MISSPECIFIED for seed in range(3)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_plates_recover_what_was_put_in_and_wrong_ones_show_their_error(rows):
    found = summarise(rows).set_index(["design", "parameter"])
    right = found.loc[DESIGNS[0].label]
    assert right["bias"].abs().max() < 8
    assert right["coverage"].min() > 0.5
    assert found.loc[("nonenzymatic phosphate not subtracted", "total"), "bias"] > 20
    assert abs(found.loc[("nonenzymatic phosphate not subtracted", "vmax"), "bias"]) < 8
    assert found.loc[("colour saturates above 50 nmol, by half", "phosphate"), "saturates"] > 0.5
    assert found.loc[("protein 10 % less than stated", "vmax"), "bias"] == pytest.approx(-10, abs=5)
    total = found.loc[("total Mg2+ taken for free", "k05")]
    assert total["weak"] == 1


def test_the_document_keeps_designs_and_errors_apart(rows):
    right, wrong = document(rows).split("## What the analysis is not told")
    assert f"| {DESIGNS[0].label} |" in right
    assert all(f"| {design.label} |" in wrong for design in MISSPECIFIED)
