"""The figure of free Mg2+: everything that the tables hold is drawn or said, censored samples on their side."""

import math

import numpy as np
import pandas as pd
import pytest

from mgk.figures import style
from mgk.figures.magnesium import donors_and_calibration
from mgk.magnesium import ratio_at

CALIBRATION = pd.DataFrame({"run_id": ["r1"], "rmin": 0.45, "rmax": 3.4, "beta": 4.2, "kd_mm": 1.9})
VALUES = {"d1": 0.4, "d2": 0.45, "d3": 0.5}


def sample(sample_id, value, low, high, flag="", condition="resting", reason=""):
    inside = 0 < value < math.inf
    ratio = ratio_at(value, 0.45, 3.4, 4.2, 1.9) if inside else {0.0: 0.3, math.inf: 4.0}.get(value, math.nan)
    return {
        "sample_id": sample_id, "animal_id": sample_id, "condition": condition, "ratio": float(ratio),
        "free_magnesium_mm": value, "ci_low": low, "ci_high": high, "flag": flag, "run_id": "r1", "kd_mm": 1.9,
        "reason": reason,
    }  # fmt: skip


def group(condition, statistic, estimate, low, high, n, kd_mm=1.9, reason=""):
    return {
        "condition": condition, "statistic": statistic, "kd_mm": kd_mm, "estimate": estimate, "ci_low": low,
        "ci_high": high, "n_animals": n, "reason": reason,
    }  # fmt: skip


@pytest.fixture
def samples():
    rows = [sample(name, value, value - 0.1, value + 0.1) for name, value in VALUES.items()]
    rows.append(sample("low", 0.0, 0.0, 0.04, "below Rmin", "compound"))
    rows.append(sample("high", math.inf, 49.5, math.inf, "above Rmax", "compound"))
    rows.append(sample("lost", math.nan, math.nan, math.nan, "no value", "compound", "no usable well"))
    return pd.DataFrame(rows)


@pytest.fixture
def groups():
    nothing = (math.nan,) * 3
    return pd.DataFrame(
        [
            group("resting", "mean", 0.45, 0.35, 0.55, 3),
            group("resting", "median", 0.46, *nothing[:2], 3),
            group("resting", "mean", 1.3, 1.1, 1.5, 3, kd_mm=5.5),
            group("compound", "mean", *nothing, 2, reason="2 of 2 animals censored"),
            group("compound", "median", math.inf, *nothing[:2], 2),
        ]
    )


def markers(axes):
    return [(line.get_marker(), *line.get_xydata()[0]) for line in axes.lines if line.get_marker() not in ("None", "")]


def test_every_sample_is_drawn_on_its_side(samples, groups):
    fig, _ = donors_and_calibration(samples, groups, CALIBRATION)
    left = fig.axes[0]
    drawn = {marker: [y for m, _, y in markers(left) if m == marker] for marker in "o^vx"}
    assert drawn["o"] == list(VALUES.values())
    assert drawn["v"] == [0]
    assert drawn["^"] == [left.get_ylim()[1]]
    assert len(drawn["x"]) == 1
    assert [t.get_text() for t in left.get_xticklabels()] == ["high", "lost", "low", "d1", "d2", "d3"]
    assert {t.get_text() for t in left.texts} == {"> 49.5 mM", "< 0.04 mM"}
    assert "(mM)" in left.get_ylabel()
    assert "6 samples of 6 animals" in left.get_title()


def test_the_axis_is_that_of_the_values_within_the_calibration(samples, groups):
    fig, _ = donors_and_calibration(samples, groups, CALIBRATION)
    assert 0.6 < fig.axes[0].get_ylim()[1] < 1


def test_group_mean_at_the_samples_kd(samples, groups):
    fig, _ = donors_and_calibration(samples, groups, CALIBRATION)
    legend = [t.get_text() for t in fig.axes[0].get_legend().get_texts()]
    assert legend == ["resting: mean 0.45 (0.35 to 0.55) mM, 3 animals"]


def test_points_lie_on_the_calibration_curve(samples, groups):
    fig, _ = donors_and_calibration(samples, groups, CALIBRATION)
    right = fig.axes[1]
    points = {marker: (x, y) for marker, x, y in markers(right) if marker in "^v"}
    assert points["^"][1] == 4.0
    assert points["v"][1] == 0.3
    on_curve = [(x, y) for marker, x, y in markers(right) if marker == "o"]
    assert sorted(x for x, _ in on_curve) == pytest.approx(list(VALUES.values()), rel=1e-9)
    curve = next(line for line in right.lines if len(line.get_xdata()) > 100)
    assert np.interp(0.45, curve.get_xdata(), curve.get_ydata()) == pytest.approx(on_curve[1][1], rel=1e-3)


def test_text_alternative_says_what_is_shown(samples, groups):
    _, alt = donors_and_calibration(samples, groups, CALIBRATION)
    for words in (
        "resting: mean 0.45 (0.35 to 0.55) mM, 3 animals",
        "compound: median above Rmax, 2 animals",
        "low: below Rmin, < 0.04 mM",
        "high: above Rmax, > 49.5 mM",
        "lost: no value, no usable well",
        "Rmin 0.45 to Rmax 3.4, beta 4.2, Kd 1.9 mM",
    ):
        assert words in alt
    assert "nan" not in alt


def test_many_samples_and_open_interval():
    rows = [sample(f"s{n:02d}", 0.4, 0.3, 0.5) for n in range(40)]
    rows[0] |= {"ci_high": math.inf, "flag": "open above", "free_magnesium_mm": 0.9}
    fig, _ = donors_and_calibration(
        pd.DataFrame(rows), pd.DataFrame([group("resting", "mean", 0.4, 0.38, 0.42, 40)]), CALIBRATION
    )
    left = fig.axes[0]
    assert [t.get_text() for t in left.get_xticklabels()] == ["resting"], "conditions stand where names do not fit"
    assert left.get_ylim()[1] < 1.5


def test_run_without_calibration_is_drawn_and_said():
    lost = pd.DataFrame([sample(f"d{n}", *(math.nan,) * 3, "no value", reason="run r1: exchanged?") for n in range(3)])
    nothing = (math.nan,) * 3
    groups = pd.DataFrame([group("resting", s, *nothing, 0, reason="run r1: exchanged?") for s in ("mean", "median")])
    calibration = CALIBRATION.assign(rmin=math.nan, rmax=math.nan, beta=math.nan, reason="run r1: exchanged?")
    fig, alt = donors_and_calibration(lost, groups, calibration)
    assert [m for m, _, _ in markers(fig.axes[0])] == ["x"] * 3
    assert "resting: run r1: exchanged?" in alt
    assert "nan" not in alt


def test_same_bytes_twice(tmp_path, samples, groups):
    files = []
    for name in ("a", "b"):
        fig, alt = donors_and_calibration(samples, groups, CALIBRATION)
        files.append(style.save(fig, tmp_path / name / "figure.svg", alt).read_bytes())
    assert files[0] == files[1]
