"""The validation of the unitary conductance in small; `make validate` runs 100 of each design."""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.unitary import DESIGNS, MISSPECIFIED, document, run_study, summarise

SHORT = {"seconds": 1.5, "potentials_mv": (-80.0, 60.0, 80.0)}


@pytest.fixture(scope="module")
def rows():
    designs = (DESIGNS[0], DESIGNS[-1], MISSPECIFIED[0])
    studies = [(replace(design, **SHORT), seed) for design in designs for seed in range(2)]
    return pd.DataFrame([row for design, seed in studies for row in run_study(design, seed)])


def test_right_designs_recover_what_was_put_in_and_short_openings_lower_it(rows):
    found = summarise(rows).set_index(["design", "quantity"])
    assert found.loc[(DESIGNS[0].label, "slope_conductance"), "bias"] == pytest.approx(0, abs=1)
    assert found.loc[(DESIGNS[-1].label, "group_slope_conductance"), "bias"] == pytest.approx(0, abs=6)
    short = found.loc[(MISSPECIFIED[0].label, "slope_conductance")]
    assert -2.0 < short["bias"] < -0.3
    assert short["stated"] == pytest.approx(short["bias"], abs=0.7)
    assert found.loc[(DESIGNS[0].label, "channels"), "bias"] == 0


def test_the_document_keeps_designs_and_errors_apart(rows):
    right, wrong = document(rows).split("## What the analysis is not told")
    assert f"| {DESIGNS[0].label} |" in right
    assert f"| {MISSPECIFIED[0].label} |" in wrong
