import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution

from mgk.currents import window_reversals
from mgk.fitting import fit_curve
from mgk.gating import (
    CURVE_COLUMNS,
    MODELS,
    QUANTITIES,
    SHARED_COLUMNS,
    boltzmann,
    compare_conditions,
    experiment_fits,
    fit_activation,
    fit_cells,
    fit_inactivation,
    fit_tail,
    shared_fits,
)
from mgk.measured_currents import POINT_COLUMNS, comparable_groups
from mgk.statistics import FIT_COLUMNS, compare_fits

V = np.arange(-80.0, 61, 10)
REVERSAL = -90.0


def activated(v=V, gmax=12.0, v_half=-10.0, k=9.0, reversal=REVERSAL):
    return gmax * (v - reversal) / (1 + np.exp((v_half - v) / k))


def point_table(cells, current, windows=("steady",), nernst=REVERSAL, **changes):
    """Return points by window; `current(window, group, number, v)` of each cell (group, cell_id, animal_id)."""
    tables = {}
    for window in windows:
        rows = [
            {
                "experiment": "e",
                "group": group,
                "cell_id": cell,
                "animal_id": animal,
                "recording_id": f"{cell}_{group}",
                "sweep": sweep,
                "ligand": "",
                "ligand_total_mm": 0.0,
                "nernst_potassium_mv": nernst,
                "level_mv": v,
                "membrane_mv": v,
                "current_pa": current(window, group, number, v),
                "excluded": False,
                "reason": "",
            }
            | changes
            for number, (group, cell, animal) in enumerate(cells)
            for sweep, v in enumerate(V)
        ]
        tables[window] = pd.DataFrame(rows).reindex(columns=list(POINT_COLUMNS))
    return tables


CELLS = [(group, f"c{i}", f"a{i // 2}") for group in ("control", "drug") for i in range(6)]


@settings(max_examples=8, deadline=None)
@given(gmax=st.floats(0.1, 100), v_half=st.floats(-40, 20), k=st.floats(4, 20), reversal=st.floats(-100, -60))
def test_activation_without_noise_comes_back_exactly(gmax, v_half, k, reversal):
    current = activated(V, gmax, v_half, k, reversal)
    known = fit_activation(V, current, reversal).estimates
    assert (known["v_half_mv"], known["k_mv"]) == (pytest.approx(v_half, abs=1e-6), pytest.approx(k, abs=1e-6))
    assert np.exp(known["ln_gmax_ns"]) == pytest.approx(gmax, rel=1e-6)
    free = fit_activation(V, current).estimates
    assert free["v_half_mv"] == pytest.approx(v_half, abs=1e-6)
    assert free["reversal_mv"] == pytest.approx(reversal, abs=1e-6)
    assert free["largest_pa"] == pytest.approx(current[np.abs(current).argmax()], rel=1e-6)


def test_an_inward_current_that_reverses_within_the_potentials():
    v = np.arange(-80.0, 91, 10)
    free = fit_activation(v, activated(v, 20, -30, 6, 55.0)).estimates
    assert [free[n] for n in ("v_half_mv", "k_mv", "reversal_mv")] == pytest.approx([-30, 6, 55], abs=1e-6)


@pytest.mark.parametrize("amplitude", [300.0, -300.0])
def test_tails_and_inactivation_without_noise_come_back_exactly(amplitude):
    tail = 15 + amplitude / (1 + np.exp((-12 - V) / 7))
    assert fit_tail(V, tail).estimates == pytest.approx(
        {"amplitude_pa": amplitude, "v_half_mv": -12, "k_mv": 7, "residual_pa": 15}, rel=1e-6
    )
    test = 15 + amplitude / (1 + np.exp((V + 40) / 6))
    assert fit_inactivation(V, test).estimates == pytest.approx(
        {"amplitude_pa": amplitude, "v_half_mv": -40, "k_mv": 6, "residual_pa": 15}, rel=1e-6
    )


def test_the_boltzmann_function_does_not_overflow():
    with np.errstate(all="raise"):
        assert boltzmann(np.array([-1e5, 0.0, 1e5]), 0.0, 0.5) == pytest.approx([0, 0.5, 1])


@pytest.mark.long
def test_fitting_the_current_beats_fitting_the_quotient():
    """The reason to fit the current: a point 5 mV from the reversal potential makes a quotient nearly worthless."""
    v = np.arange(-85.0, 61, 10)
    current, rng = activated(v), np.random.default_rng(1)
    direct, quotient = [], []
    for _ in range(20):
        noisy = current + rng.normal(0, 0.03 * current.max(), v.size)
        direct.append(fit_activation(v, noisy, REVERSAL).estimates["v_half_mv"])
        start = {"gmax": 12.0, "v_half": -10.0, "k": 9.0}
        model = lambda x, gmax, v_half, k: gmax * boltzmann(x, v_half, k)  # noqa: E731, shorter than a function
        fit = fit_curve(model, v, noisy / (v - REVERSAL), start, bounds={"k": (0.5, 100)}, profile=[])
        quotient.append(fit.estimates["v_half"])
    assert np.std(direct) < 3.5
    assert np.std(quotient) > 2 * np.std(direct)


@pytest.mark.long
def test_intervals_of_activation_cover_at_their_level():
    rng, hits = np.random.default_rng(5), 0
    for _ in range(60):
        fit = fit_activation(V, activated() + rng.normal(0, 20, V.size), REVERSAL)
        hits += fit.parameters["v_half_mv"].ci_low <= -10 <= fit.parameters["v_half_mv"].ci_high
    assert 51 <= hits <= 60  # binomial(60, 0.95), 99.7 %


def activation_windows(noise=0.0, nernst=REVERSAL, cells=CELLS):
    rng = np.random.default_rng(3)

    def current(window, group, number, v):
        v_half = -10 + 0.5 * (number % 6) if group == "control" else -16 + 0.6 * (number % 6)
        steady = activated(v, 10 + number % 6, v_half)
        tail = 5 + 200 / (1 + np.exp((v_half - v) / 9))
        return {"steady": steady, "tail": tail}[window] + rng.normal(0, noise)

    return point_table(cells, current, ("steady", "tail"), nernst)


@pytest.fixture(scope="module")
def fitted():
    windows = activation_windows()
    return windows, *fit_cells(windows, "boltzmann_activation")


def test_a_current_that_inactivates_is_fitted_at_its_peak():
    steady = activation_windows()["steady"]
    left = steady.assign(current_pa=0.02 * steady["current_pa"] + steady["level_mv"])
    transient = {"steady": left, "peak": steady}
    fits, curves = experiment_fits(transient, {}, "boltzmann_activation", "peak")
    expected, expected_curves = experiment_fits({"steady": steady}, {}, "boltzmann_activation")
    pd.testing.assert_frame_equal(fits, expected)
    pd.testing.assert_frame_equal(curves, expected_curves)
    ohmic, _ = experiment_fits(transient, window_reversals(transient, "none", "peak"), "none", "peak")
    assert set(ohmic["model"]) == {"local polynomial"}
    alone = {"steady": steady}
    pd.testing.assert_frame_equal(ohmic, experiment_fits(alone, window_reversals(alone))[0])


def test_cells_are_fitted_and_groups_summarised_over_animals(fitted):
    _, fits, curves = fitted
    assert list(fits.columns) == list(FIT_COLUMNS)
    assert list(curves.columns) == list(CURVE_COLUMNS)
    assert set(fits["model"]) == {"boltzmann_activation", "free_reversal_boltzmann", "boltzmann_tail"}
    cell = fits[(fits["unit_id"] == "c3") & (fits["group"] == "drug")].set_index(["model", "parameter"])["estimate"]
    assert cell["boltzmann_activation", "v_half_mv"] == pytest.approx(-14.2, abs=1e-6)
    assert cell["boltzmann_activation", "gmax_ns"] == pytest.approx(13, rel=1e-6)
    assert cell["boltzmann_tail", "v_half_mv"] == pytest.approx(-14.2, abs=1e-6)
    assert cell["free_reversal_boltzmann", "reversal_mv"] == pytest.approx(REVERSAL, abs=1e-5)
    group = fits[(fits["unit_id"] == "") & (fits["group"] == "control")].set_index(["model", "parameter"])
    v_half = group.loc[("boltzmann_activation", "v_half_mv")]
    assert (v_half["n_cells"], v_half["n_animals"]) == (6, 3)
    assert v_half["estimate"] == pytest.approx(-8.75, abs=1e-6)
    gmax = group.loc[("boltzmann_activation", "gmax_ns"), "estimate"]
    assert gmax == pytest.approx(np.exp(np.log(np.arange(10, 16)).mean()), rel=1e-6)


def test_fractions_are_those_of_the_boltzmann_curve(fitted):
    _, _, curves = fitted
    for model in ("boltzmann_activation", "boltzmann_tail"):
        curve = curves[(curves["model"] == model) & (curves["cell_id"] == "c0") & (curves["group"] == "control")]
        assert curve["current_pa"].to_numpy() == pytest.approx(curve["fitted_pa"].to_numpy(), abs=1e-4)
        expected = 1 / (1 + np.exp((-10 - curve["membrane_mv"]) / 9))
        given = curve["fraction"].notna()
        assert given.sum() >= len(V) - 1
        assert curve.loc[given, "fraction"].to_numpy() == pytest.approx(expected[given].to_numpy(), abs=1e-6)


def test_without_recipes_the_reversal_potential_is_free_and_fitted_once():
    fits, _ = fit_cells(activation_windows(noise=5, nernst=np.nan, cells=CELLS[:2]), "boltzmann_activation")
    assert set(fits["model"]) == {"boltzmann_activation", "boltzmann_tail"}
    assert set(fits.loc[fits["model"] == "boltzmann_activation", "parameter"]) == {"v_half_mv", "k_mv", "reversal_mv"}


def test_steady_state_inactivation_uses_the_test_pulse():
    def current(window, group, number, v):
        return 400 / (1 + np.exp((v + 50) / 6)) if window == "peak" else v

    fits, curves = fit_cells(point_table(CELLS, current, ("steady", "peak")), "boltzmann_inactivation")
    row = fits[(fits["unit_id"] == "") & (fits["parameter"] == "v_half_mv")].iloc[0]
    assert row["estimate"] == pytest.approx(-50, abs=1e-6)
    assert curves["fraction"].iloc[0] == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-6)


def test_excluded_cells_and_unmeasured_halves_are_not_identified_and_say_why():
    windows = activation_windows()
    out = windows["steady"]["cell_id"] == "c1"
    windows["steady"].loc[out, ["excluded", "reason"]] = [True, "seal lost"]
    low = (windows["steady"]["cell_id"] == "c2") & (windows["steady"]["level_mv"] > -30)
    windows["steady"].loc[low, ["excluded", "reason"]] = [True, "saturated"]
    few = (windows["steady"]["cell_id"] == "c4") & (windows["steady"]["level_mv"] > -50)
    windows["steady"].loc[few, ["excluded", "reason"]] = [True, "saturated"]
    fits, curves = fit_cells({"steady": windows["steady"]}, "boltzmann_activation")
    one = fits[(fits["model"] == "boltzmann_activation") & (fits["parameter"] == "v_half_mv")].set_index("unit_id")
    assert one.loc["c1", "verdict"].tolist() == ["not_identified"] * 2
    assert one.loc["c1", "reason"].iloc[0] == "excluded: seal lost"
    outside = "V1/2 lies outside the potentials that were measured; no plateau in the data: "
    assert one.loc["c2", "reason"].iloc[0].startswith(outside)
    assert one.loc["c4", "verdict"].iloc[0] == "not_identified"
    assert curves[curves["cell_id"] == "c1"]["fraction"].isna().all()
    assert len(curves[(curves["cell_id"] == "c1") & (curves["model"] == "boltzmann_activation")]) == 2 * len(V)


def test_a_half_known_only_roughly_is_weak():
    rng = np.random.default_rng(2)
    windows = point_table(CELLS[:1], lambda w, g, n, v: activated(v, 1.0) + rng.normal(0, 25))
    fits, _ = fit_cells(windows, "boltzmann_activation")
    cell = fits[(fits["unit_id"] == "c0") & (fits["parameter"] == "v_half_mv")].iloc[0]
    assert cell["verdict"] in ("weak", "not_identified")
    assert cell["reason"]


def test_without_a_fit_of_gating_there_are_reversal_potentials_and_an_empty_table_with_its_header():
    windows = point_table(CELLS, lambda w, g, n, v: 2.0 * (v + 30), ligand_side="", configuration="whole_cell")
    fits, curves = experiment_fits(windows, window_reversals(windows))
    assert set(fits["parameter"]) == {"reversal_mv", "slope_conductance_ns", "chord_conductance_ns"}
    assert (list(curves.columns), len(curves)) == (list(CURVE_COLUMNS), 0)


def test_what_is_compared_is_what_is_fitted():
    for fit, quantities in QUANTITIES.items():
        if fit != "none":
            assert {model for model, _ in quantities} <= set(MODELS[fit])


def test_conditions_are_compared_within_animals(fitted):
    class Project:
        def experiment(self, section, name):
            return {"fit": "boltzmann_activation"}

        def table(self, name):
            rows = [
                {"experiment": "e", "condition": g, "cell_id": c, "animal_id": a, "pair_id": ""} for g, c, a in CELLS
            ]
            return pd.DataFrame(rows)

    windows, fits, _ = fitted
    table = compare_conditions(Project(), "e", fits, windows["steady"])
    row = table[(table["model"] == "boltzmann_activation") & (table["quantity"] == "v_half_mv")].iloc[0]
    assert (row["group_a"], row["group_b"], row["n_cells"], row["n_animals"]) == (
        "control",
        "drug",
        6,
        3,
    )
    assert row["difference"] == pytest.approx(-5.75, abs=1e-6)
    assert row["method"] == "paired t test, means of animals"
    assert row["p"] <= row["p_holm"] < 0.05
    gmax = table[table["quantity"] == "gmax_ns"].iloc[0]
    assert (gmax["scale"], gmax["unit"]) == ("ratio", "1")
    assert gmax["difference"] == pytest.approx(1, abs=1e-6)


def test_the_reference_is_the_condition_that_the_table_names_first():
    points = activation_windows()["steady"]
    assert comparable_groups(points) == [("control", "drug")]
    assert comparable_groups(points, ["drug", "control", "drug"]) == [("drug", "control")]
    more = pd.concat([points, points.assign(group="third"), points.assign(ligand="Mg", ligand_total_mm=1.0)])
    assert comparable_groups(more) == [
        ("control", "drug"), ("control", "third"), ("drug", "third"), ("control, 1 mM Mg", "drug, 1 mM Mg"),
    ]  # fmt: skip


def test_a_cell_in_two_conditions_needs_two_halves_or_one():
    rng = np.random.default_rng(8)

    def current(window, group, number, v):
        return activated(v, 10.0 + number, -10.0 - (6 if group == "drug" and number % 6 < 3 else 0)) + rng.normal(0, 5)

    windows = point_table(CELLS, current)
    table = shared_fits(windows, "boltzmann_activation", ["control"]).set_index("cell_id")
    assert list(table.columns) == [c for c in SHARED_COLUMNS if c != "cell_id"]
    assert (table[["group_a", "group_b", "df1"]].iloc[0].tolist(), len(table)) == (["control", "drug", 1], 6)
    assert (table["df2"] == 2 * (len(V) - 3)).all()
    shifted, same = table.loc[["c0", "c1", "c2"]], table.loc[["c3", "c4", "c5"]]
    assert (shifted["p"] < 1e-4).all()
    assert (shifted["delta_aicc"] > 10).all()
    assert (same["p"] > 0.01).all()
    assert same["one_v_half_mv"].to_numpy() == pytest.approx(-10, abs=1)


def test_the_f_test_is_that_of_the_two_fits_written_out():
    rng = np.random.default_rng(4)
    windows = point_table(CELLS[:1] + CELLS[6:7], lambda w, g, n, v: activated(v) + rng.normal(0, 5))
    row = shared_fits(windows, "boltzmann_activation").iloc[0]
    parts = [t for _, t in windows["steady"].groupby("group")]
    apart = [fit_activation(t["membrane_mv"], t["current_pa"], REVERSAL) for t in parts]
    v = np.concatenate([t["membrane_mv"] for t in parts])
    y = np.concatenate([t["current_pa"] for t in parts])
    drug = np.repeat([0, 1], len(V))

    def one(x, v_half, ln_a, ln_b, k_a, k_b):
        top = np.where(drug, np.exp(ln_b), np.exp(ln_a))
        return top * (x - REVERSAL) * boltzmann(x, v_half, np.where(drug, k_b, k_a))

    start = {"v_half": -10.0, "ln_a": 2.5, "ln_b": 2.5, "k_a": 9.0, "k_b": 9.0}
    common = fit_curve(one, v, y, start, profile=[])
    rss = apart[0].rss + apart[1].rss
    assert row["f"] == pytest.approx((common.rss - rss) / (rss / 24), rel=1e-6)
    assert row["p"] == pytest.approx(f_distribution.sf(row["f"], 1, 24))
    k = 2 * 3 + 1
    apart_aicc = 30 * np.log(rss / 30) + 2 * k + 2 * k * (k + 1) / (30 - k - 1)
    assert row["delta_aicc"] == pytest.approx(common.aicc - apart_aicc, rel=1e-6)


def test_one_condition_leaves_an_empty_table_with_its_header():
    windows = point_table(CELLS[:6], lambda w, g, n, v: activated(v))
    fits, _ = fit_cells(windows, "boltzmann_activation")
    cells = pd.DataFrame({"animal_id": ["a"] * 6, "pair_id": [""] * 6}, index=[f"c{i}" for i in range(6)])
    table = compare_fits(fits, cells, [], QUANTITIES["boltzmann_activation"])
    assert len(table) == 0
    assert "p_holm" in table.columns


@pytest.mark.parametrize(
    ("v_half", "k", "temperature_c", "reason"),
    [
        (-10, 9, 22, ""),
        (-30, 14, 22, ""),  # as shallow as K+ channels are, both plateaus in the data
        (40, 9, 22, ""),  # 90 % of the curve
        (70, 12, 22, "no plateau in the data: the potentials span 11.7 k, 30 % of the curve"),
        (-10, 40, 22, "no plateau in the data: the potentials span 3.5 k, 70 % of the curve; k above RT/F, 25.4 mV"),
        (-10, 26, 22, "k above RT/F, 25.4 mV: less than one gating charge"),
        (-10, 26, 37, ""),
        (-10, 26, np.nan, ""),
    ],
)
def test_a_curve_without_plateau_or_shallower_than_one_charge_is_weak(v_half, k, temperature_c, reason):
    """Without noise, so that no interval gives the verdict: the range and the slope do."""

    def current(window, group, number, v):
        return {"steady": activated(v, 12, v_half, k), "tail": 5 + 300 * boltzmann(v, v_half, k)}[window]

    table = point_table(CELLS[:1], current, ("steady", "tail"), temperature_c=temperature_c)
    fits, _ = fit_cells(table, "boltzmann_activation")
    cells = fits[fits["unit_id"] == "c0"].set_index(["model", "parameter"])
    for model in ("boltzmann_activation", "boltzmann_tail"):
        k_row = cells.loc[(model, "k_mv")]
        assert k_row["estimate"] == pytest.approx(k, rel=1e-5)
        assert (k_row["verdict"] == "identified") == (reason == k_row["reason"] == "")
        assert reason in k_row["reason"]
    half = cells.loc[("boltzmann_activation", "v_half_mv")]
    assert (half["verdict"] == "identified") == (reason == "")
    assert half["verdict"] != "weak" or half["reason"] == cells.loc[("boltzmann_activation", "k_mv"), "reason"]
