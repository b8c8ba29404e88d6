"""Generic curves: noise-free data give back the truth, verdicts name the faults of a design, no input breaks them."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fitting import RYEGRASS_CM, RYEGRASS_MM

from mgk.curves import compare_conditions, condition_fits, curve_fits, find_model, fit_curves, points_table, shared_fits
from mgk.curves.fits import direction_of, standard_errors
from mgk.curves.variances import moderated_variances
from mgk.tables.problems import InputError

UNITS = ("mM", "pA")
REFERENCE = Path(__file__).parents[1] / "reference"


def inhibition(x, top, ic50, hill):
    return top / (1 + (x / ic50) ** hill)


# What is put in, written out without the package: model, direction, truth, curve.
LAWS = {
    "michaelis_menten": ("rising", {"vmax": 3.0, "km": 0.4}, lambda x: 3 * x / (0.4 + x)),
    "hill": ("falling", {"top": -900.0, "ic50": 0.72, "hill": 1.4}, lambda x: inhibition(x, -900, 0.72, 1.4)),
    "hill rising": ("rising", {"top": 2.0, "ec50": 0.5, "hill": 2.0}, lambda x: 2 - inhibition(x, 2, 0.5, 2)),
    "logistic4": ("falling", {"y0": 7.8, "y_infinity": 0.5, "ic50": 0.6, "hill": 3.0},
                  lambda x: 0.5 + inhibition(x, 7.3, 0.6, 3)),
    "hyperbola": ("rising", {"y0": 20.0, "y_infinity": 195.0, "k": 0.9}, lambda x: 20 + 175 * x / (0.9 + x)),
    "exponential": ("falling", {"y0": 5.0, "y_infinity": 1.0, "tau": 0.8}, lambda x: 1 + 4 * np.exp(-x / 0.8)),
}  # fmt: skip
X = np.array([0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4])


def table(curves, x=X, sd=np.nan, n=np.nan):
    """Points of {curve_id: (condition, animal_id, y)}."""
    parts = [
        pd.DataFrame({"curve_id": i, "condition": c, "animal_id": a, "x": x, "y": y, "sd": sd, "n": n})
        for i, (c, a, y) in curves.items()
    ]
    return pd.concat(parts, ignore_index=True)


def one(y, model, x=X, **errors):
    return fit_curves(table({"c1": ("all", "a1", y)}, x, **errors), model)[0]


@pytest.mark.parametrize("law", LAWS)
def test_noise_free_data_give_back_what_was_put_in(law):
    direction, truth, y = LAWS[law]
    curve = one(y(X), find_model(law.split()[0], direction))
    assert {name: e.value for name, e in curve.estimates.items()} == pytest.approx(truth, rel=1e-6)
    assert points_table([curve], find_model(law.split()[0], direction))["residual"].abs().max() < 1e-6


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_the_unit_of_x_does_not_matter(unit):
    noisy = LAWS["hill"][2](X) + 9 * np.random.default_rng(1).normal(size=X.size)
    model = find_model("hill", "falling")
    first, other = (one(noisy, model, x=X * factor).estimates["ic50"] for factor in (1, unit))
    assert [other.value / unit, other.ci_low / unit, other.ci_high / unit] == pytest.approx(
        [first.value, first.ci_low, first.ci_high], rel=1e-4
    )


@pytest.mark.parametrize("state", ["treated", "untreated"])
def test_puromycin_as_r_has_it(state):
    """The estimates and profile limits of R's nls; Km is fitted as its logarithm, which moves neither."""
    with (REFERENCE / "r" / "puromycin.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["state"] == state]
    with (REFERENCE / "r" / "nls.csv").open() as file:
        reference = {r["parameter"]: r for r in csv.DictReader(file) if r["state"] == state}
    x, y = (np.array([float(r[c]) for r in rows]) for c in ("conc", "rate"))
    found = one(y, find_model("michaelis_menten", "rising"), x=x).estimates
    for ours, name in (("vmax", "vmax"), ("km", "k")):
        expected = [float(reference[name][c]) for c in ("estimate", "se", "ci_low", "ci_high")]
        e = found[ours]
        assert [e.value, e.se, e.ci_low, e.ci_high] == pytest.approx(expected, rel=2e-5)


def test_ryegrass_as_drc_has_it():
    """Data and estimates as in `test_fitting.test_ryegrass_four_parameter_logistic`."""
    found = one(RYEGRASS_CM, find_model("logistic4", "falling"), x=RYEGRASS_MM).estimates
    values = [found[name].value for name in ("hill", "y_infinity", "y0", "ic50")]
    assert values == pytest.approx([2.98222867, 0.48140994, 7.79296232, 3.05795517], rel=1e-6)


def test_points_are_weighted_by_the_error_of_their_mean():
    points = table({"c1": ("all", "a1", np.ones(9))}, sd=2.0, n=4.0)
    assert standard_errors(points) == pytest.approx(np.ones(9))
    assert standard_errors(points, "none") is None
    assert standard_errors(points.assign(sd=np.nan)) == pytest.approx(np.full(9, 0.5))
    assert standard_errors(points.assign(sd=np.nan, n=np.nan)) is None
    # A wild point that says so moves nothing; the same point unweighted does.
    y, sd = LAWS["hill"][2](X), np.ones(9)
    y[4], sd[4] = -100, 1e6
    model = find_model("hill", "falling")
    assert one(y, model, sd=sd, n=1).estimates["ic50"].value == pytest.approx(0.72, rel=1e-4)
    assert abs(one(y, model).estimates["ic50"].value / 0.72 - 1) > 0.02


def test_variances_of_few_values_are_moderated():
    rng = np.random.default_rng(1)
    alike = rng.chisquare(2, 9) / 2
    even = moderated_variances(alike, np.full(9, 2.0))
    assert np.ptp(np.log(even)) < 0.5 * np.ptp(np.log(alike)), "what three values make of one variance"
    assert moderated_variances(7 * alike, np.full(9, 2.0)) == pytest.approx(7 * even)
    unlike = np.array([1.0, 100.0, 1e4, 1e-2, 1e3]) * rng.chisquare(20, 5) / 20
    kept = moderated_variances(unlike, np.full(5, 20.0))
    assert np.abs(np.log(kept / unlike)).max() < 0.1 * np.ptp(np.log(unlike))
    # What is expected of a variance of 5 degrees whose prior has 8: the mean of both by their degrees.
    true = 2.0 * 8 / rng.chisquare(8, 40000)
    seen = true * rng.chisquare(5, true.size) / 5
    assert moderated_variances(seen, np.full(true.size, 5.0)) == pytest.approx((8 * 2 + 5 * seen) / 13, rel=0.03)
    zero = np.array([0.0, 1.0, 2.0])
    np.testing.assert_array_equal(moderated_variances(zero, np.full(3, 5.0)), zero)
    np.testing.assert_array_equal(moderated_variances(alike[:2], np.full(2, 5.0)), alike[:2])


def noisy(ic50, x, seed=3, top=1.0, hill=1.0):
    return inhibition(x, top, ic50, hill) + 0.02 * np.random.default_rng(seed).normal(size=np.size(x))


HILL = find_model("hill", "falling")


@pytest.mark.parametrize(
    ("ic50", "x", "words"),
    [
        (10.0, X, "lies above the highest x, 6.4; higher x would help"),
        (0.02, X, "lies below the lowest x, 0.05; lower x would help"),
        (0.2, np.array([0, 0.2, 1.0]), "3 levels of x for 3 parameters; more levels would help"),
        (0.3, X[2:], "no plateau: the points go"),
    ],
)
def test_a_weak_design_is_labelled_with_what_would_help(ic50, x, words):
    found = one(noisy(ic50, x), HILL, x=x).estimates["ic50"]
    assert found.verdict != "identified"
    assert words in found.reason


def test_a_good_design_is_identified():
    found = one(noisy(0.72, X), HILL)
    assert (found.verdict, found.estimates["ic50"].reason) == ("identified", "")


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [(np.ones(9), X, "all y are equal"), (np.array([1.0, 0.5]), np.array([0, 1.0]), "2 levels of x for 3 parameters")],
)
def test_what_cannot_be_fitted_says_why(y, x, words):
    curve = one(y, HILL, x=x)
    assert curve.fit is None
    assert words in curve.reason
    fits = curve_fits("e", [curve], HILL, UNITS)
    assert set(fits["verdict"]) == {"not_identified"}
    assert condition_fits(fits, [curve])["estimate"].isna().all()


NUMBER = st.floats(-1e6, 1e6, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e6), NUMBER), min_size=1, max_size=7),
    st.sampled_from(list(LAWS)),
)
def test_no_points_break_a_fit(points, law):
    x, y = np.array(points).T
    curve = one(y, find_model(law.split()[0], LAWS[law][0]), x=x)
    assert all(e.verdict in ("identified", "weak", "not_identified") for e in curve.estimates.values())
    assert curve.verdict == "identified" or next(iter(curve.estimates.values())) is not None


@pytest.fixture(scope="module")
def two_conditions():
    """Four animals with two cells each, in both conditions; IC50 1 and 2, one slope."""
    rng = np.random.default_rng(5)
    curves = {}
    for cell in range(8):
        own, top = np.exp(rng.normal(0, 0.1)), rng.uniform(50, 200)
        for condition, ic50 in (("a", 0.6), ("b", 1.2)):
            y = inhibition(X, top, ic50 * own, 1.3) + 0.01 * top * rng.normal(size=X.size)
            curves[f"c{cell}{condition}"] = (condition, f"animal{cell // 2}", y)
    points = table(curves)
    return points, fit_curves(points, HILL)


def test_the_animal_is_the_unit(two_conditions):
    _, curves = two_conditions
    fits = curve_fits("e", curves, HILL, UNITS)
    groups = condition_fits(fits, curves).set_index(["group", "parameter"])
    assert groups.loc[("a", "ic50"), ["n_cells", "n_animals"]].tolist() == [8, 4]
    logs = pd.Series({c.curve_id: np.log(c.estimates["ic50"].value) for c in curves if c.condition == "a"})
    means = logs.groupby({c.curve_id: c.animal_id for c in curves}).mean()
    assert groups.loc[("a", "ic50"), "estimate"] == pytest.approx(np.exp(means.mean()))
    found = compare_conditions(fits, curves, HILL).set_index("quantity")
    assert found.loc["ic50", "scale"] == "ratio"
    assert found.loc["ic50", "difference"] == pytest.approx(2, rel=0.05)
    assert found.loc["ic50", "n_animals"] == 4
    assert found.loc["ic50", "method"].startswith("paired")
    assert (found["p_holm"] >= found["p"]).all()


def test_without_animals_there_is_no_mean(two_conditions):
    points, _ = two_conditions
    curves = fit_curves(points.assign(animal_id=points["animal_id"].where(points["condition"] == "a", "")), HILL)
    fits = curve_fits("e", curves, HILL, UNITS)
    groups = condition_fits(fits, curves)
    assert list(dict.fromkeys(groups["group"])) == ["a", "b"]
    nameless = groups[groups["group"] == "b"]
    assert nameless["estimate"].isna().all()
    assert (nameless["n_cells"] == 8).all()
    assert nameless["reason"].str.contains("names no animal").all()
    assert compare_conditions(fits, curves, HILL).empty


def test_a_constant_in_common(two_conditions):
    """The F of nested fits by hand; what is common is accepted, what differs is refused."""
    _, curves = two_conditions
    found = shared_fits(curves, HILL, ["hill"], UNITS)
    separate, common = (found[found["fit"].str.startswith(w)].iloc[0] for w in ("separate", "shared"))
    assert common["n_parameters"] == separate["n_parameters"] - 1 == 16 + 3
    f = (common["rss"] - separate["rss"]) / (separate["rss"] / separate["dof"])
    assert common["f"] == pytest.approx(f)
    assert common["p"] > 0.01
    assert found.loc[(found["fit"] != "separate") & (found["parameter"] == "hill"), "group"].tolist() == [""]
    refused = shared_fits(curves, HILL, ["ic50"], UNITS).iloc[-1]
    assert refused["p"] < 1e-6
    assert refused["aicc"] > separate["aicc"]
    assert shared_fits(curves, HILL, [], UNITS).empty
    assert shared_fits([c for c in curves if c.condition == "a"], HILL, ["hill"], UNITS).empty


def test_an_end_in_common_is_one_for_all_curves():
    ys = {f"c{i}": (c, "a1", inhibition(X, 7, k, 1.5) + 0.5) for i, (c, k) in enumerate((("a", 0.4), ("b", 0.9)))}
    model = find_model("logistic4", "falling")
    wiggle = 0.01 * np.random.default_rng(2).normal(size=X.size)
    points = table({i: (c, a, y + wiggle) for i, (c, a, y) in ys.items()})
    found = shared_fits(fit_curves(points, model), model, ["y0", "y_infinity", "hill"], UNITS)
    assert found["n_parameters"].unique().tolist() == [8, 5]
    assert found["f_df"].iloc[-1] == "3, 10"
    assert found.loc[(found["group"] == "b") & (found["fit"] != "separate"), "estimate"].item() == pytest.approx(
        0.9, rel=0.02
    )


def test_the_direction_is_that_of_the_size_of_y():
    inward = table({"c1": ("all", "a1", inhibition(X, -5, 1, 1))})
    assert direction_of(inward) == "falling"
    assert direction_of(inward.assign(y=X)) == "rising"
    assert direction_of(inward.assign(y=1.0)) == "rising"


def test_an_unknown_model_is_refused():
    with pytest.raises(InputError, match="allowed: michaelis_menten"):
        find_model("hil", "falling")
