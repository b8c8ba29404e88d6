import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgk.fitting import Estimate, fit_curve
from mgk.tables import InputError

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
exp, pi = np.exp, np.pi


def gauss(x, b1, b2, b3, b4, b5, b6, b7, b8):
    return b1 * exp(-b2 * x) + b3 * exp(-((x - b4) ** 2) / b5**2) + b6 * exp(-((x - b7) ** 2) / b8**2)


def lanczos(x, b1, b2, b3, b4, b5, b6):
    return b1 * exp(-b2 * x) + b3 * exp(-b4 * x) + b5 * exp(-b6 * x)


def cubic(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def chwirut(x, b1, b2, b3):
    return exp(-b1 * x) / (b2 + b3 * x)


def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
    year = b1 + b2 * np.cos(2 * pi * x / 12) + b3 * np.sin(2 * pi * x / 12)
    first = b5 * np.cos(2 * pi * x / b4) + b6 * np.sin(2 * pi * x / b4)
    return year + first + b8 * np.cos(2 * pi * x / b7) + b9 * np.sin(2 * pi * x / b7)


NIST = {
    "Bennett5": lambda x, b1, b2, b3: b1 * (b2 + x) ** (-1 / b3),
    "BoxBOD": lambda x, b1, b2: b1 * (1 - exp(-b2 * x)),
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood": lambda x, b1, b2: b1 * x**b2,
    "ENSO": enso,
    "Eckerle4": lambda x, b1, b2, b3: b1 / b2 * exp(-0.5 * ((x - b3) / b2) ** 2),
    "Gauss1": gauss,
    "Gauss2": gauss,
    "Gauss3": gauss,
    "Hahn1": cubic,
    "Kirby2": lambda x, b1, b2, b3, b4, b5: (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2),
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Lanczos3": lanczos,
    "MGH09": lambda x, b1, b2, b3, b4: b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4),
    "MGH10": lambda x, b1, b2, b3: b1 * exp(b2 / (x + b3)),
    "MGH17": lambda x, b1, b2, b3, b4, b5: b1 + b2 * exp(-x * b4) + b3 * exp(-x * b5),
    "Misra1a": lambda x, b1, b2: b1 * (1 - exp(-b2 * x)),
    "Misra1b": lambda x, b1, b2: b1 * (1 - (1 + b2 * x / 2) ** -2.0),
    "Misra1c": lambda x, b1, b2: b1 * (1 - (1 + 2 * b2 * x) ** -0.5),
    "Misra1d": lambda x, b1, b2: b1 * b2 * x / (1 + b2 * x),
    "Nelson": lambda x, b1, b2, b3: b1 - b2 * x[0] * exp(-b3 * x[1]),
    "Rat42": lambda x, b1, b2, b3: b1 / (1 + exp(b2 - b3 * x)),
    "Rat43": lambda x, b1, b2, b3, b4: b1 / (1 + exp(b2 - b3 * x)) ** (1 / b4),
    "Roszman1": lambda x, b1, b2, b3, b4: b1 - b2 * x - np.arctan(b3 / (x - b4)) / pi,
    "Thurber": cubic,
}


def read_nist(name):
    """Return both starts, certified estimates and standard deviations (columns), x and y."""
    text = (REFERENCE / "nist" / f"{name}.dat").read_text()
    certified = np.array(re.findall(r"^\s+b\d+ =\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$", text, re.M), float)
    first, last = map(int, re.search(r"Data\s+\(lines (\d+) to (\d+)\)", text).groups())
    data = np.array([line.split() for line in text.splitlines()[first - 1 : last] if line.strip()], float)
    if name == "Nelson":
        return certified, (data[:, 1], data[:, 2]), np.log(data[:, 0])
    return certified, data[:, 1], data[:, 0]


def exponentials_in_order(name, values):
    """Sort exchangeable exponentials by rate."""
    if name.startswith("Lanczos"):
        pairs = values.reshape(3, 2)
        return pairs[pairs[:, 1].argsort()].ravel()
    if name == "MGH17":
        return values if values[3] < values[4] else values[[0, 2, 1, 4, 3]]
    return values


@pytest.mark.parametrize("name", NIST)
@pytest.mark.parametrize("which", [0, 1])
def test_nist_sets_from_both_starts(name, which):
    certified, x, y = read_nist(name)
    start = {f"b{i}": value for i, value in enumerate(certified[:, which], 1)}
    fit = fit_curve(NIST[name], x, y, start, profile=())
    found = exponentials_in_order(name, np.array([e.value for e in fit.parameters.values()]))
    assert found == pytest.approx(certified[:, 2], rel=1e-6)
    if name != "Lanczos1":  # its residuals are rounding
        se = np.array([e.se for e in fit.parameters.values()])
        if np.allclose(found, [e.value for e in fit.parameters.values()]):
            assert se == pytest.approx(certified[:, 3], rel=5e-6)


def puromycin(state):
    with (REFERENCE / "r" / "puromycin.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == state]
    return np.array([[float(row["conc"]), float(row["rate"])] for row in rows]).T


def michaelis_menten(c, vmax, k):
    return vmax * c / (k + c)


@pytest.mark.parametrize("state", ["treated", "untreated"])
def test_puromycin_agrees_with_r(state):
    c, rate = puromycin(state)
    fit = fit_curve(michaelis_menten, c, rate, {"vmax": 100, "k": 0.1})
    with (REFERENCE / "r" / "nls.csv").open() as file:
        reference = {row["parameter"]: row for row in csv.DictReader(file) if row["state"] == state}
    for name, estimate in fit.parameters.items():
        for ours, theirs in (("value", "estimate"), ("se", "se"), ("ci_low", "ci_low"), ("ci_high", "ci_high")):
            assert getattr(estimate, ours) == pytest.approx(float(reference[name][theirs]), rel=1e-6)
        assert fit.correlation[0, 1] == pytest.approx(float(reference[name]["correlation"]), rel=1e-6)
        assert fit.rss == pytest.approx(float(reference[name]["rss"]), rel=1e-9)
    assert (fit.verdict, fit.reason, fit.dof) == ("identified", "", c.size - 2)


def test_puromycin_agrees_with_the_notes_in_six_digits():
    expected = {
        "treated": {"vmax": (212.683743, 6.947155), "k": (0.06412128, 0.00828095)},
        "untreated": {"vmax": (160.280046, 6.480246), "k": (0.04770818, 0.00778188)},
    }
    for state, parameters in expected.items():
        fit = fit_curve(michaelis_menten, *puromycin(state), {"vmax": 100, "k": 0.1}, profile=())
        for name, (value, se) in parameters.items():
            assert fit.parameters[name].value == pytest.approx(value, rel=1e-6)
            assert fit.parameters[name].se == pytest.approx(se, rel=1e-6)


# Root length (cm) of ryegrass against ferulic acid (mM): Inderjit, Streibig & Olofsdotter 2002; data set `ryegrass` of
# the R package drc. Entered from memory, the package being out of reach; that all four reference estimates come out in
# eight digits is what confirms the numbers.
RYEGRASS_MM = np.repeat([0, 0.94, 1.88, 3.75, 7.5, 15, 30], [6, 3, 3, 3, 3, 3, 3])
RYEGRASS_CM = np.array([
    7.58, 8, 8.3285714, 7.25, 7.375, 7.9625, 8.3555556, 6.9142857, 7.75, 6.8714286, 6.45, 5.9222222, 1.925, 2.8857143,
    4.2333333, 1.1875, 0.8571429, 1.0571429, 0.6875, 0.525, 0.825, 0.25, 0.22, 0.44,
])  # fmt: skip


def test_ryegrass_four_parameter_logistic():
    def logistic(c, slope, low, high, ed50):
        return low + (high - low) / (1 + (c / ed50) ** slope)

    start = {"slope": 1, "low": 0.1, "high": 8, "ed50": 5}
    fit = fit_curve(logistic, RYEGRASS_MM, RYEGRASS_CM, start, bounds={"ed50": (1e-3, 1e3), "slope": (0.1, 20)})
    found = [e.value for e in fit.parameters.values()]
    assert found == pytest.approx([2.98222867, 0.48140994, 7.79296232, 3.05795517], rel=1e-6)
    assert fit.verdict == "identified"


@pytest.mark.parametrize("model", [michaelis_menten, lambda c, vmax, k: np.abs(vmax) * c / (k + c)])
@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_units_do_not_matter(model, scale):
    """Both Jacobians: the second model is not analytic, so that the 3-point rule is used."""
    c, rate = puromycin("treated")
    fit = fit_curve(model, c, rate, {"vmax": 150, "k": 0.1})
    scaled = fit_curve(model, c * scale, rate / scale, {"vmax": 150 / scale, "k": 0.1 * scale})
    for name, factor in (("vmax", 1 / scale), ("k", scale)):
        for part in ("value", "se", "ci_low", "ci_high"):
            assert getattr(scaled.parameters[name], part) == pytest.approx(
                getattr(fit.parameters[name], part) * factor, rel=1e-6
            )
    assert scaled.verdict == fit.verdict


def test_relative_standard_deviations_weigh():
    x = np.arange(1.0, 9)
    y = 2 * x + np.array([0.1, -0.1, 0.1, -0.1, 5, -5, 5, -5])
    sd = np.array([0.1] * 4 + [5] * 4)

    def line(x, slope):
        return slope * x

    fit = fit_curve(line, x, y, {"slope": 1}, sd=sd)
    again = fit_curve(line, x, y, {"slope": 1}, sd=7 * sd)
    slope = fit.parameters["slope"]
    # Closed form of weighted regression through the origin; a common factor of sd cancels.
    w = sd**-2.0
    assert slope.value == pytest.approx(np.sum(w * x * y) / np.sum(w * x * x), rel=1e-12)
    assert slope.se == pytest.approx(np.sqrt(fit.rss / 7 / np.sum(w * x * x)), rel=1e-9)
    assert again.parameters["slope"].se == pytest.approx(slope.se, rel=1e-9)
    assert fit.residuals == pytest.approx(y - slope.value * x)


def test_profile_of_a_linear_model_is_the_t_interval():
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 1, 9)
    fit = fit_curve(lambda x, a, b: a + b * x, x, 3 - x + rng.normal(0, 0.3, 9), {"a": 0, "b": 0})
    wald = fit_curve(lambda x, a, b: a + b * x, x, fit.residuals + fit.predict(x), {"a": 0, "b": 0}, profile=())
    for name in "ab":
        assert fit.parameters[name].ci_low == pytest.approx(wald.parameters[name].ci_low, rel=1e-6)
        assert fit.parameters[name].ci_high == pytest.approx(wald.parameters[name].ci_high, rel=1e-6)


def test_noise_free_curve_is_recovered_exactly():
    x = np.linspace(0, 5, 12)
    fit = fit_curve(lambda x, ln_k, a: a * np.exp(-x * np.exp(ln_k)), x, 4 * np.exp(-x * 0.7), {"ln_k": 1, "a": 1})
    assert fit.parameters["ln_k"].exp().value == pytest.approx(0.7, rel=1e-9)
    assert fit.parameters["a"].value == pytest.approx(4, rel=1e-9)
    assert fit.verdict == "identified"


def test_coverage_of_the_profile_interval():
    rng = np.random.default_rng(11)
    c = np.array([0.1, 0.3, 1, 3, 10.0])

    def hill(c, ln_k, top):
        return top * c / (c + np.exp(ln_k))

    covered = 0
    for _ in range(120):
        fit = fit_curve(hill, c, hill(c, 0.0, 10.0) + rng.normal(0, 0.6, 5), {"ln_k": 0.5, "top": 8}, profile=["ln_k"])
        covered += fit.parameters["ln_k"].ci_low <= 0 <= fit.parameters["ln_k"].ci_high
    # Binomial(120, 0.95): 106 to 120 holds 99.7 % of it.
    assert 106 <= covered <= 120


def test_further_starts_reach_the_lower_of_two_minima():
    x = np.linspace(0, 6, 40)
    fit = fit_curve(lambda x, rate: np.sin(rate * x), x, np.sin(2 * x), {"rate": 3.4}, profile=())
    assert fit.parameters["rate"].value == pytest.approx(2, rel=1e-9)


def test_a_lower_minimum_met_by_the_profile_is_taken():
    """A sine wave has a minimum in every beat; from this start none of the further starts finds the right one."""
    x = np.linspace(0, 10, 60)
    y = np.sin(2 * x) + 0.1 * np.cos(37 * x)

    def wave(x, rate, size):
        return size * np.sin(rate * x)

    without = fit_curve(wave, x, y, {"rate": 9, "size": 1}, profile=())
    assert without.rss > 30
    fit = fit_curve(wave, x, y, {"rate": 9, "size": 1})
    assert fit.rss < 0.6
    assert fit.parameters["rate"].value == pytest.approx(2, abs=0.01)
    assert fit.verdict == "identified"


def verdict_of(model, x, y, start, **more):
    fit = fit_curve(model, np.asarray(x, float), np.asarray(y, float), start, **more)
    return fit.verdict, fit.reason


NOISE = np.array([0.02, -0.03, 0.01, 0.03, -0.02, -0.01, 0.02, -0.02])


def test_verdict_no_degrees_of_freedom():
    verdict = verdict_of(lambda x, a, b: a + b * x, [0, 1], [1, 2], {"a": 0, "b": 0})
    assert verdict == ("not_identified", "2 points for 2 parameters")


def test_verdict_at_a_bound():
    x = np.arange(8.0)
    verdict, reason = verdict_of(lambda x, a: a * x, x, -x + NOISE, {"a": 1}, bounds={"a": (0, 5)})
    assert verdict == "not_identified"
    assert reason == "a is at its bound 0"


def test_verdict_parameter_without_effect():
    verdict, reason = verdict_of(lambda x, a, b: a + 0 * b * x, np.arange(8), 1 + NOISE, {"a": 1, "b": 1})
    assert verdict == "not_identified"
    assert "b has no effect on the curve" in reason


def test_verdict_two_parameters_in_one():
    verdict, reason = verdict_of(lambda x, a, b: a * b * x, np.arange(8), np.arange(8) + NOISE, {"a": 1, "b": 1})
    assert (verdict, reason) == ("not_identified", "the parameters are determined only in combination")


def test_verdict_correlation_marks_only_the_pair():
    x = np.arange(8) + 1000.0
    fit = fit_curve(lambda x, a, b: a + b * x, x, 3 + x + NOISE, {"a": 0, "b": 1}, profile=())
    assert fit.verdict == "not_identified"
    assert re.fullmatch(r"correlation of a and b (0\.99\d\d|1\.0000)", fit.reason)
    beside = (x, np.tile([0.0, 1.0], 4))
    fit = fit_curve(lambda x, a, b, c: a + b * x[0] + c * x[1], *(beside, 3 + x + NOISE), {"a": 0, "b": 1, "c": 1})
    assert fit.parameters["c"].verdict == "identified"
    assert fit.parameters["a"].verdict == "not_identified"


def test_verdict_open_profile():
    """Saturation never reached: any large K does, and the profile of ln K stays open above."""
    c = np.linspace(0.01, 0.1, 8)
    fit = fit_curve(
        lambda c, ln_k, slope: slope * c / (1 + c * np.exp(-ln_k)), c, 3 * c + NOISE / 10, {"ln_k": 1, "slope": 1}
    )
    estimate = fit.parameters["ln_k"]
    assert estimate.verdict == "not_identified"
    assert "profile of ln_k does not close above" in estimate.reason
    assert np.isinf(estimate.ci_high)


def test_verdict_weak_by_a_wide_fold():
    c = np.array([0.1, 0.3, 1, 3, 10, 30])
    y = c / (c + 1) + np.array([0.08, -0.08, 0.06, -0.07, 0.08, -0.02])
    fit = fit_curve(lambda c, ln_k, top: top * c / (c + np.exp(ln_k)), c, y, {"ln_k": 0, "top": 1})
    assert fit.parameters["ln_k"].verdict == "weak"
    assert re.fullmatch(r"a confidence limit of k is \d\.\d+-fold away", fit.parameters["ln_k"].reason)
    assert fit.parameters["top"].verdict == "identified"
    assert fit.verdict == "weak"


def test_limit_at_a_bound_of_the_parameter():
    fit = fit_curve(lambda x, a: a + 0 * x, np.zeros(8), 0.01 + 3 * NOISE, {"a": 0.1}, bounds={"a": (0, 1)})
    estimate = fit.parameters["a"]
    assert (estimate.ci_low, estimate.verdict) == (0, "not_identified")
    assert estimate.reason == "profile of a does not close below"


def test_estimate_on_the_scale_of_exp():
    estimate = Estimate(np.log(5), 0.1, np.log(4), np.log(7), "weak", "why").exp()
    assert [estimate.value, estimate.se, estimate.ci_low, estimate.ci_high] == pytest.approx([5, 0.5, 4, 7])
    assert (estimate.verdict, estimate.reason) == ("weak", "why")


def test_aicc_prefers_the_model_that_made_the_data():
    rng = np.random.default_rng(5)
    x = np.linspace(0, 3, 20)
    y = np.exp(-x) + rng.normal(0, 0.02, 20)
    one = fit_curve(lambda x, a, k: a * np.exp(-k * x), x, y, {"a": 1, "k": 1}, profile=())
    line = fit_curve(lambda x, a, k: a - k * x, x, y, {"a": 1, "k": 1}, profile=())
    k = 3
    assert one.aicc == pytest.approx(20 * np.log(one.rss / 20) + 2 * k + 2 * k * (k + 1) / (20 - k - 1))
    assert one.aicc < line.aicc - 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [1, np.nan, 3]}, "1 not finite"),
        ({"y": [[1, 2, 3]]}, "shape (1, 3)"),
        ({"y": [1, 2, 3, 4]}, "the model returns shape (3,) for y of shape (4,)"),
        ({"sd": [1, 0, 1]}, "sd must be finite and above 0"),
        ({"bounds": {"b": (0, 1)}}, "bounds name b"),
        ({"bounds": {"a": (2, 3)}}, "start of a is not a number within its bounds"),
        ({"start": {"a": np.nan}}, "start of a is not a number"),
        ({"profile": ["b"]}, "profile names b"),
        ({"model": lambda x, a: np.log(-a * x)}, "not finite at the start"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    arguments = {"model": lambda x, a: a * x, "x": np.array([1.0, 2, 3]), "y": [1, 2, 3], "start": {"a": 1.0}} | changes
    with pytest.raises(InputError, match=re.escape(message)):
        fit_curve(**arguments)


@given(st.floats(-3, 3), st.floats(0.2, 50), st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_interval_contains_the_estimate_and_reaches_the_quantile(ln_k, top, seed):
    c = np.exp(ln_k) * np.array([0.1, 0.5, 1, 2, 10, 20])

    def hill(c, ln_k, top):
        return top * c / (c + np.exp(ln_k))

    y = hill(c, ln_k, top) + top * np.random.default_rng(seed).normal(0, 0.03, 6)
    fit = fit_curve(hill, c, y, {"ln_k": ln_k + 0.3, "top": top})
    estimate = fit.parameters["ln_k"]
    assert estimate.ci_low < estimate.value < estimate.ci_high
    # At a limit the rss with `top` at its best (linear, closed form) has grown by s^2 F.
    shape = c / (c + np.exp(estimate.ci_high))
    rss = np.sum((y - shape * (y @ shape) / (shape @ shape)) ** 2)
    assert (rss - fit.rss) / (fit.rss / 4) == pytest.approx(7.708647, rel=1e-4)  # F(1, 4) at 95 %
