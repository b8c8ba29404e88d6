"""Figures of generic curves: what is drawn is what the tables hold, and what is not identified looks like it."""

import numpy as np
import pandas as pd
import pytest
from test_curves import HILL, X, noisy, table

from mgk.curves import condition_fits, curve_fits, fit_curves, points_table
from mgk.figures import style
from mgk.figures.curves import conditions, constants, each_curve, profile

AXES = {"x": {"name": "free Mg2+", "unit": "mM"}, "y": {"name": "current", "unit": "pA"}}


@pytest.fixture(scope="module")
def drawn():
    """Three animals in two conditions, and one curve that tells nothing."""
    ys = {f"{c}{i}": (c, f"a{i}", noisy(k, X, seed=i)) for c, k in (("low", 0.5), ("high", 1.5)) for i in range(3)}
    curves = fit_curves(table(ys | {"flat": ("low", "a3", np.r_[1, np.ones(8) * 0.999])}), HILL)
    fits = curve_fits("e", curves, HILL, ("mM", "pA"))
    return points_table(curves, HILL), pd.concat([fits, condition_fits(fits, curves)]), curves


def test_conditions(drawn):
    points, fits, _ = drawn
    fig, words = conditions(points, fits, HILL, AXES)
    (axis,) = fig.axes
    assert axis.get_xscale() == "log"
    assert axis.get_xlabel() == "Free Mg2+ (mM)"
    curve = max(axis.lines, key=lambda line: len(line.get_xdata()))
    of = fits[(fits["unit_id"] == "") & (fits["group"] == "low")].set_index("parameter")["estimate"]
    x, y = curve.get_data()
    assert y == pytest.approx(1 / (1 + (x / of["ic50"]) ** of["hill"]))
    assert "low (3 curves, 3 animals)" in words
    assert f"IC50 {of['ic50']:.3g} mM" in words


def test_each_curve(drawn):
    points, _, curves = drawn
    fig, words = each_curve(points, curves, HILL, AXES)
    assert words.startswith("7 panels")
    assert "flat is not identified" in words
    flat = next(a for a in fig.axes if a.get_title().startswith("flat"))
    assert {line.get_color() for line in flat.lines} == {style.GREY}


def test_constants(drawn):
    _, fits, curves = drawn
    fig, words = constants(fits, curves, HILL)
    assert [a.get_ylabel() for a in fig.axes] == ["IC50 (mM)", "Hill slope (1)"]
    joined = [line for line in fig.axes[0].lines if len(line.get_xdata()) == 2 and line.get_color() == style.GREY]
    assert len(joined) == 3
    assert "geometric mean" in words


def test_profile_crosses_its_limit_at_the_interval(drawn):
    _, _, curves = drawn
    fig, words = profile(curves, HILL, "mM")
    axis = fig.axes[0]
    line = next(line for line in axis.lines if line.get_label() == "profile")
    limit = next(line for line in axis.lines if line.get_label() == "95 % limit").get_ydata()[0]
    name = axis.get_title(loc="left").split()[0]
    found = next(c for c in curves if c.curve_id == name).estimates["ic50"]
    x, y = line.get_data()
    assert np.interp([found.ci_low, found.ci_high], x, y) == pytest.approx([limit, limit], rel=0.05)
    assert name in words


def test_nothing_identified_is_said():
    curves = fit_curves(table({"flat": ("all", "a", np.ones(9))}), HILL)
    assert profile(curves, HILL, "mM")[1].startswith("Nothing to draw")
    fits = curve_fits("e", curves, HILL, ("mM", "pA"))
    whole = pd.concat([fits, condition_fits(fits, curves)])
    points = points_table(curves, HILL)
    assert "not known" in conditions(points, whole, HILL, AXES)[1]
    assert "not known" in constants(whole, curves, HILL)[1]
    each_curve(points, curves, HILL, AXES)
