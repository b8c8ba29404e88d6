"""The figure of a kinetic plate: samples, means of animals, drift; and what is said of a plate that was read once."""

import math

import pandas as pd
import pytest

from mgk.figures import NOTHING
from mgk.figures.magnesium_course import NO_COURSE, course_and_drift, group_means

ANIMALS = ("a", "b", "c")


@pytest.fixture
def course():
    rows = [
        {"run_id": "r", "time_s": 60.0 * n, "sample_id": animal, "animal_id": animal, "condition": "control",
         "free_magnesium_mm": 0.4 + 0.1 * place + 0.05 * n}
        for place, animal in enumerate(ANIMALS)
        for n in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def drift():
    row = {"run_id": "r", "role": "rmin", "n_wells": 4, "minutes": 2.0, "reason": ""}
    return pd.DataFrame(
        [
            row | {"quantity": "f380", "percent_per_min": -1.0, "ci_low": -1.2, "ci_high": -0.8, "verdict": "pass"},
            row | {"quantity": "ratio", "percent_per_min": 2.0, "ci_low": 1.8, "ci_high": 2.2, "verdict": "warn"},
            row | {"quantity": "f340", "percent_per_min": math.nan, "verdict": "warn", "reason": "2 wells"},
        ]
    )


def test_samples_means_and_drift_are_drawn_and_said(course, drift):
    fig, alt = course_and_drift(course, drift)
    left, right = fig.axes
    assert "(mM)" in left.get_ylabel()
    assert "(min)" in left.get_xlabel()
    lines = [line for line in left.lines if len(line.get_xdata()) == 3]
    assert len(lines) >= 4  # three samples and the mean
    assert [t.get_text() for t in right.get_yticklabels()] == ["rmin, F380", "rmin, R", "rmin, F340"]
    assert "control, 3 animals: 0.5 mM at 0 min, 0.6 mM at 2 min." in alt
    assert "rmin, R: +2 (+1.8 to +2.2) % per min, 4 wells." in alt
    assert "rmin, F340: 2 wells." in alt
    assert "nan" not in alt


def test_censored_values_are_left_out_of_the_means_and_counted(course):
    course.loc[(course["animal_id"] == "a") & (course["time_s"] == 60), "free_magnesium_mm"] = math.inf
    means = group_means(course).set_index("time_s")
    assert means["n_animals"].tolist() == [3, 2, 3]
    assert means["n_left_out"].tolist() == [0, 1, 0]
    assert means.loc[60.0, "estimate"] == pytest.approx((0.55 + 0.65) / 2)
    assert means.loc[0.0, "ci_low"] < 0.5 < means.loc[0.0, "ci_high"]


def test_a_plate_read_once_gets_a_figure_that_says_so(course, drift):
    fig, alt = course_and_drift(course.head(0), drift.head(0))
    assert alt == f"{NOTHING}: {NO_COURSE}."
    assert fig.axes[0].texts[0].get_text() == alt
