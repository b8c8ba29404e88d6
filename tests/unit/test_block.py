import re

import numpy as np
import pandas as pd
import pytest

from mgk.block import (
    MODELS,
    PLAIN,
    BlockModel,
    block_fits,
    block_table,
    blocking_constant_mm,
    cell_fractions,
    chosen_model,
    compare_models,
    fit_cells,
    fit_woodhull,
    group_parameters,
    ki_at_mv,
    left_in,
    likelihood_profile,
    open_ratios,
    solution_gains,
    unblocked_fraction,
    uncorrected,
)
from mgk.block.woodhull import Woodhull
from mgk.fitting import VERDICTS
from mgk.measured_currents import POINT_COLUMNS
from mgk.solutions.potentials import ghk_current
from mgk.tables import InputError

LEVELS = np.arange(-100.0, 101, 20)
T = 22.0
RT_F_22C_MV = 8.31446261815324 * 295.15 / 96.48533212331001
GAIN, PERMEANT = BlockModel(gain=True), BlockModel(permeant=True)


def cell_points(
    cell_id="c1",
    animal_id="a1",
    *,
    ki0=5.0,
    z_delta=0.6,
    free_mm=(0.0, 1.0, 5.0),
    side="internal",
    noise=0.0,
    gains=None,
    group="high",
    external_mm=100.0,
    seed=0,
    levels=LEVELS,
    exit_ratio=0.0,
    z_delta_exit=0.0,
):
    """Return the points of a cell; `noise` is a fraction of the mean size of the control, `gains` one a solution."""
    control = 10 * ghk_current(levels, 110.0, external_mm, T)
    rng = np.random.default_rng(seed)
    sign = 1 if side == "internal" else -1
    frames = []
    for i, mg in enumerate(free_mm):
        # The equation written out, not that of the module.
        driving = sign * levels / RT_F_22C_MV
        leaving = np.exp(-z_delta * driving) + exit_ratio * np.exp(z_delta_exit * driving)
        current = control / (1 + mg / (ki0 * leaving / (1 + exit_ratio)))
        current = current * (1 if gains is None else gains[i])
        current = current + noise * np.abs(control).mean() * rng.normal(size=levels.size)
        frame = pd.DataFrame({"level_mv": levels, "membrane_mv": levels, "current_pa": current})
        frames.append(frame.assign(ligand_free_mm=mg, ligand_total_mm=mg, recording_id=f"{cell_id}_{mg:g}"))
    points = pd.concat(frames, ignore_index=True).assign(
        experiment="e", group=group, cell_id=cell_id, animal_id=animal_id, sweep=0, ligand="Mg", ligand_side=side,
        ligand_source="", configuration="inside_out", temperature_c=T, potassium_internal_mm=110.0,
        potassium_external_mm=external_mm, nernst_potassium_mv=np.nan, excluded=False, reason="",
    )  # fmt: skip
    return points[list(POINT_COLUMNS)]


def cohort(n=6, seed=1, cell_sd_ln=0.0, **more):
    """Return six cells of three animals."""
    rng = np.random.default_rng(seed)
    ki0 = more.pop("ki0", 5.0)
    cells = [
        cell_points(
            f"c{i}", f"a{i // 2}", ki0=ki0 * np.exp(cell_sd_ln * rng.normal()), seed=rng.integers(2**31), **more
        )
        for i in range(n)
    ]
    return pd.concat(cells, ignore_index=True)


def excluded(points, which, reason):
    points = points.copy()
    points.loc[which, "excluded"] = True
    points.loc[which, "reason"] = reason
    return points


@pytest.mark.parametrize("side", ["internal", "external"])
@pytest.mark.parametrize(("ki0", "z_delta"), [(5.0, 0.6), (1.5, 0.6), (3.57, 1.57), (0.02, 0.2)])
@pytest.mark.parametrize("gain", [False, True])
def test_noise_free_recovery(side, ki0, z_delta, gain):
    gains = (1, 0.9, 0.8) if gain else None
    points = cell_points(ki0=ki0, z_delta=z_delta, side=side, free_mm=(0, ki0 / 3, 3 * ki0), gains=gains)
    fit = fit_woodhull(points, side, BlockModel(gain=gain))
    assert np.exp(fit.parameters["ln_ki0"].value) == pytest.approx(ki0, rel=1e-6)
    assert fit.parameters["z_delta"].value == pytest.approx(z_delta, abs=1e-6)
    if gain:
        assert np.exp(fit.parameters[f"ln_gain_{3 * ki0:.6g}_mm"].value) == pytest.approx(0.8, rel=1e-6)


def test_a_gain_cannot_be_told_from_block_without_voltage_dependence():
    without = fit_woodhull(cell_points(z_delta=0.0, noise=0.005), "internal")
    assert np.exp(without.parameters["ln_ki0"].value) == pytest.approx(5, rel=0.1)
    assert fit_woodhull(cell_points(z_delta=0.0, noise=0.005), "internal", GAIN).verdict == "not_identified"


def test_the_side_gives_the_sign():
    """An internal blocker is driven in by depolarisation, an external one by hyperpolarisation."""
    inside = blocking_constant_mm(np.array([-70.0, 0, 70]), 5, 0.6, T, "internal")
    assert inside[0] > inside[1] == 5 > inside[2]
    assert blocking_constant_mm(-70.0, 5, 0.6, T, "external") == pytest.approx(inside[2])
    with pytest.raises(InputError, match="side of the blocker: 'luminal'; allowed: internal, external"):
        blocking_constant_mm(0, 5, 0.6, T, "luminal")


def test_published_fractions():
    # Notes on recordings, section 5: 0.3 against 1 mM internal Mg2+ at 37 C.
    def ratio(potential, ki0):
        at = (potential, ki0, 0.6, 37.0, "internal")
        return unblocked_fraction(0.3, *at) / unblocked_fraction(1.0, *at)

    assert [ratio(-70, 5), ratio(-70, 1.5)] == pytest.approx([1.03, 1.09], abs=0.005)
    assert [ratio(0, 5), ratio(0, 1.5)] == pytest.approx([1.13, 1.39], abs=0.005)
    # Jahr & Stevens 1990: 1 mM external Mg2+ on NMDA receptors; exp(-0.062 V) is z delta 1.57 at 20 C.
    z_delta = 0.062 * 25.2618
    found = unblocked_fraction(1.0, np.array([-70.0, 0, 40]), 3.57, z_delta, 20.0, "external")
    assert found == pytest.approx([0.0445, 0.781, 0.977], abs=5e-4)


def test_temperature_sets_the_steepness():
    points = cell_points()
    warm = fit_woodhull(points.assign(temperature_c=37.0), "internal", profile=())
    assert warm.estimates["z_delta"] == pytest.approx(0.6 * 310.15 / 295.15, rel=1e-6)
    assert warm.estimates["ln_ki0"] == pytest.approx(np.log(5), rel=1e-6)


def test_potentials_moved_by_a_correction_are_met_between_levels():
    """Series resistance moves the potential of each solution differently: the control is a curve, not a table."""
    points = cell_points(free_mm=(0, 0.3, 1, 5))
    moved = points["membrane_mv"] - points["current_pa"] * 2e-3
    control = 10 * ghk_current(moved.to_numpy(), 110.0, 100.0, T)
    blocked = control / (1 + points["ligand_free_mm"] / 5 * np.exp(0.6 * moved / RT_F_22C_MV))
    fit = fit_woodhull(points.assign(membrane_mv=moved, current_pa=blocked), "internal")
    assert np.exp(fit.estimates["ln_ki0"]) == pytest.approx(5, rel=2e-3)
    assert fit.estimates["z_delta"] == pytest.approx(0.6, abs=1e-3)


def summary(points, **more):
    fits = block_fits(fit_cells(points, **more))
    return fits[fits["unit_id"] == ""].set_index("parameter")


def noisy_cells(ki0, seeds, **more):
    """Two concentrations that bracket Ki(V), 3 % noise, six cells a seed."""
    for seed in range(seeds):
        yield cohort(seed=seed, ki0=ki0, noise=0.03, free_mm=(0.0, 1.0, 5.0), **more)


def test_recovery_at_three_percent_noise():
    """The bias over 20 seeds is below 3 % of Ki(0) and 0.01 of z delta; whole studies: test_validation.py."""
    found = [
        fit_woodhull(cell, "internal", profile=()).estimates
        for cells in noisy_cells(5.0, 20)
        for _, cell in cells[cells["cell_id"].isin(["c0", "c2", "c4"])].groupby("cell_id")
    ]
    assert np.exp(np.mean([e["ln_ki0"] for e in found])) == pytest.approx(5, rel=0.03)
    assert np.mean([e["z_delta"] for e in found]) == pytest.approx(0.6, abs=0.01)


def test_interval_of_a_cell_covers():
    hits = 0
    for seed in range(25):
        points = cell_points(noise=0.03, seed=seed)
        estimate = fit_woodhull(points, "internal").parameters["ln_ki0"]
        hits += estimate.ci_low <= np.log(5) <= estimate.ci_high
    assert 20 <= hits <= 25  # binomial(25, 0.95), 99.8 %


def test_the_simplest_model_unless_the_data_ask_for_more():
    level = cohort(n=2, noise=0.02)
    comparison = compare_models(level)
    assert chosen_model(comparison) == PLAIN
    assert comparison["aicc_difference"].tolist()[0] == 0
    assert comparison["parameters"].tolist() == [13, 15, 15, 17]
    assert (comparison["cells"] == 2).all()
    assert {cell.model for cell in fit_cells(level)} == {PLAIN}
    assert solution_gains(fit_cells(level)).empty
    rundown = cohort(n=2, noise=0.005, gains=(1, 0.9, 0.8))
    comparison = compare_models(rundown)
    assert comparison.set_index("model").loc["woodhull_gain", "aicc_difference"] < -50
    cells = fit_cells(rundown)
    assert set(block_fits(cells)["model"]) == {"woodhull_internal_gain"}
    gains = solution_gains(cells).groupby("ligand_free_mm")["gain"].mean()
    assert gains.to_dict() == pytest.approx({1.0: 0.9, 5.0: 0.8}, abs=0.02)


def test_without_noise_nothing_is_added():
    """The residuals are rounding: their AICc means nothing."""
    comparison = compare_models(cohort(n=2))
    assert chosen_model(comparison) == PLAIN
    assert (comparison["cells"] == 0).all()


@pytest.mark.parametrize("side", ["internal", "external"])
def test_a_permeant_blocker(side):
    """Ki(0) stays what halves the current at 0 mV; the block is relieved where the blocker is driven hardest."""
    put_in = {"ki0": 2.0, "z_delta": 0.9, "exit_ratio": 0.05, "z_delta_exit": 0.6, "side": side}
    exact = fit_woodhull(cell_points(**put_in), side, PERMEANT)
    found = {name: exact.estimates[name] for name in ("ln_ki0", "z_delta", "ln_exit_ratio", "z_delta_exit")}
    expected = {"ln_ki0": np.log(2), "z_delta": 0.9, "ln_exit_ratio": np.log(0.05), "z_delta_exit": 0.6}
    assert found == pytest.approx(expected, abs=1e-6)
    points = cohort(n=3, noise=0.005, **put_in)
    comparison = compare_models(points)
    assert chosen_model(comparison) == PERMEANT
    cells = fit_cells(points, PERMEANT)
    group = block_fits(cells).query("unit_id == ''").set_index("parameter")
    assert (group["model"] == f"woodhull_{side}_permeant").all()
    assert group.loc["ki0_mm", "estimate"] == pytest.approx(2, rel=0.03)
    assert group.loc["exit_ratio", "estimate"] == pytest.approx(0.05, rel=0.2)
    # What a plain fit makes of it: far too flat.
    assert summary(points, model=PLAIN)["estimate"]["z_delta"] < 0.7
    # Fractions and tables follow the same equation.
    parameters = group_parameters(block_fits(cells))["high"]
    assert unblocked_fraction(2.0, 0.0, temperature_c=T, side=side, **{**parameters, "ki0_mm": 2.0}) == 0.5
    hard, harder = (60.0, 100.0) if side == "internal" else (-60.0, -100.0)
    ki = blocking_constant_mm(np.array([hard, harder]), 2, 0.9, T, side, 0.05, 0.6)
    assert ki[1] > ki[0]


def test_the_leaving_of_a_blocker_that_does_not_permeate_is_not_identified():
    (cell,) = fit_cells(cell_points(noise=0.02), PERMEANT)
    assert cell.parameters["ln_exit_ratio"].verdict == "not_identified"
    assert cell.ln_ki0.verdict == "identified"


def test_nmda_block_from_outside():
    """Jahr & Stevens 1990, written out as they did: 1 / (1 + [Mg] / 3.57 mM exp(-0.062 V)), at 20 C."""
    frames = []
    for mg in (0.0, 0.3, 1.0, 3.0):
        current = 2.0 * LEVELS / (1 + mg / 3.57 * np.exp(-0.062 * LEVELS))
        frames.append(cell_points(free_mm=(mg,), side="external").assign(current_pa=current, temperature_c=20.0))
    points = pd.concat(frames, ignore_index=True)
    (cell,) = fit_cells(points, PLAIN)
    assert np.exp(cell.ln_ki0.value) == pytest.approx(3.57, rel=1e-6)
    assert cell.z_delta.value == pytest.approx(1.566, abs=5e-4)
    assert cell.fraction(1.0, np.array([-70.0, 0, 40])) == pytest.approx([0.0445, 0.781, 0.977], abs=5e-4)
    ki = ki_at_mv(points, [-70.0], PLAIN)
    assert ki.loc[ki["unit_id"] == "c1", "estimate"].item() == pytest.approx(3.57 * np.exp(0.062 * -70), rel=1e-6)


def test_ki_at_any_potential():
    """The interval at a potential is that of its own profile, and near the delta method's."""
    points = cell_points(noise=0.02, seed=5)
    ki = ki_at_mv(points, [-70.0, 0.0, 40.0, 150.0], PLAIN)
    cells = ki[ki["unit_id"] == "c1"].set_index("membrane_mv")
    (cell,) = fit_cells(points, PLAIN)
    assert cells.loc[0.0, "estimate"] == pytest.approx(np.exp(cell.ln_ki0.value), rel=1e-8)
    assert cells.loc[0.0, "ci_high"] == pytest.approx(np.exp(cell.ln_ki0.ci_high), rel=1e-4)
    steps = np.array([-70.0, 0.0, 40.0]) / RT_F_22C_MV
    expected = np.exp(cell.ln_ki0.value - cell.z_delta.value * steps)
    assert cells["estimate"].to_numpy()[:3] == pytest.approx(expected, rel=1e-6)
    gradient = np.array([1, 70.0 / RT_F_22C_MV])
    se = np.sqrt(gradient @ cell.fit.covariance @ gradient)
    assert cells.loc[-70.0, "se"] / cells.loc[-70.0, "estimate"] == pytest.approx(se, rel=1e-3)
    assert set(cells["parameter"]) == {"ki_mm"}
    assert cells.loc[150.0, "verdict"] == "weak"
    assert cells.loc[150.0, "reason"] == "150 mV lies outside the recorded -100 to 100 mV"


def test_likelihood_profile_crosses_the_limit_at_the_interval():
    (cell,) = fit_cells(cell_points(noise=0.03, seed=2), PLAIN)
    for name in ("ln_ki0", "z_delta"):
        profile, estimate = likelihood_profile(cell, name), cell.fit.parameters[name]
        inside = profile["value"].between(estimate.ci_low, estimate.ci_high)
        assert (inside == (profile["f"] <= profile["threshold"])).all()
        assert profile["f"].min() == pytest.approx(0, abs=0.01)
        assert 5 < inside.sum() < len(profile)


def test_rundown_is_block_to_a_fit_with_one_gain():
    """What the gains are for: 10 % of the channels lost with each solution."""
    points = cohort(n=3, noise=0.005, gains=(1, 0.9, 0.81), seed=4)
    assert summary(points)["estimate"]["ki0_mm"] == pytest.approx(5, rel=0.05)
    assert summary(points, model=PLAIN)["estimate"]["ki0_mm"] < 4


@pytest.mark.long
def test_intervals_of_cells_whose_gains_vary():
    """Gains vary by 2 %, noise 0.5 %: with one gain the intervals of cells are far too narrow, else they cover."""
    rng = np.random.default_rng(7)
    hits = {PLAIN: 0, GAIN: 0}
    for seed in range(60):
        points = cell_points(free_mm=(0, 0.3, 1, 5), noise=0.005, gains=1 + 0.02 * rng.normal(size=4), seed=seed)
        for model in hits:
            estimate = fit_woodhull(points, "internal", model).parameters["ln_ki0"]
            hits[model] += estimate.ci_low <= np.log(5) <= estimate.ci_high
    assert 52 <= hits[GAIN] <= 60  # binomial(60, 0.95), 99.7 %
    assert hits[PLAIN] < 40


def test_group_rows_are_means_over_animals():
    points = pd.concat(
        [cell_points("c1", "a1", ki0=2), cell_points("c2", "a1", ki0=8), cell_points("c3", "a2", ki0=9)],
        ignore_index=True,
    )
    group = summary(points)
    assert group["estimate"]["ki0_mm"] == pytest.approx(6, rel=1e-6)  # geometric: a1 4, a2 9
    assert group["estimate"]["z_delta"] == pytest.approx(0.6, abs=1e-6)
    assert (group["n_cells"] == 3).all()
    assert (group["n_animals"] == 2).all()


def verdict(points):
    (cell,) = fit_cells(points, PLAIN)
    return cell.ln_ki0.verdict, cell.ln_ki0.reason


def test_one_concentration_is_weak():
    assert verdict(cell_points(free_mm=(0, 1), noise=0.005)) == (
        "weak",
        "one concentration of the blocker; a second, on the other side of Ki(V), would help",
    )


def test_concentrations_that_bracket_nothing_are_weak():
    found, reason = verdict(cell_points(free_mm=(0, 0.005, 0.01), noise=0.0005))
    assert VERDICTS.index(found) >= VERDICTS.index("weak")
    assert "0.005 to 0.01 mM do not bracket Ki(V) at any potential; higher ones would help" in reason


def test_much_noise_is_weak():
    found, reason = verdict(cell_points(noise=0.1, free_mm=(0, 1, 5, 20), seed=3))
    assert found == "weak"
    assert re.search(r"noise is \d+\.\d % of the control; more sweeps would help", reason)


def test_no_block_to_be_seen_is_not_identified():
    found, reason = verdict(cell_points(ki0=5000, noise=0.02, seed=2))
    assert found == "not_identified"
    assert "ln_ki0" in reason


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (
            cell_points().assign(excluded=lambda p: p["ligand_free_mm"] > 0),
            "no blocker in any recording that is not excluded",
        ),
        (cell_points(free_mm=(1,)), "one concentration and no control"),
        (cell_points().assign(membrane_mv=lambda p: -p["level_mv"]), "the membrane potentials of neighbouring levels"),
        (cell_points(levels=LEVELS[:1]), "one potential: Ki(0) and z delta need several"),
    ],
)
def test_designs_that_allow_no_fit(points, reason):
    found, why = verdict(points)
    assert (found, why[: len(reason)]) == ("not_identified", reason)


def test_a_fit_does_without_a_control_when_two_concentrations_bracket():
    (cell,) = fit_cells(cell_points(free_mm=(0.5, 5, 20)), PLAIN)
    assert np.exp(cell.ln_ki0.value) == pytest.approx(5, rel=1e-6)


def test_excluded_recordings_are_not_fitted_but_shown():
    good = cell_points("c1", "a1", free_mm=(0, 0.3, 1, 5))
    points = pd.concat([good, cell_points("c2", "a2")], ignore_index=True)
    points.loc[points["recording_id"] == "c1_1", "current_pa"] *= 7
    points = excluded(points, points["recording_id"] == "c1_1", "seal lost")
    points = excluded(points, points["cell_id"] == "c2", "wrong cell")
    cells = fit_cells(points)
    fits = block_fits(cells).set_index(["unit_id", "parameter"])
    assert fits.loc[("c1", "ki0_mm"), "estimate"] == pytest.approx(5, rel=1e-6)
    assert fits.loc[("c2", "ki0_mm"), "verdict"] == "not_identified"
    assert fits.loc[("c2", "ki0_mm"), "reason"] == "excluded: wrong cell"
    assert (
        fits.loc[("", "ki0_mm"), "reason"]
        == "one animal: no interval; 1 of 2 cells not identified and left out (excluded: wrong cell)"
    )
    fractions = cell_fractions(points, cells)
    assert len(fractions) == len(points)
    assert fractions.loc[fractions["excluded"], "fraction"].isna().all()
    table = block_table(fractions, block_fits(cells))
    at = table[(table["ligand_total_mm"] == 1) & (table["level_mv"] == 100)].iloc[0]
    assert (at["n_cells"], at["n_excluded"]) == (0, 2)
    assert at["reason"] == "control near zero, not measured, or all excluded"


def test_fractions_and_their_fit():
    points = cohort(n=4)
    cells = fit_cells(points)
    fits = block_fits(cells)
    fractions = cell_fractions(points, cells)
    expected = 1 / (1 + fractions["ligand_free_mm"] / 5 * np.exp(0.6 * fractions["membrane_mv"] / RT_F_22C_MV))
    assert fractions["fraction_fitted"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
    assert fractions["fitted_pa"].to_numpy() == pytest.approx(fractions["current_pa"].to_numpy(), abs=1e-6)
    table = block_table(fractions, fits)
    assert table["fraction"].to_numpy() == pytest.approx(table["fit"].to_numpy(), rel=1e-5)
    assert (table["n_animals"] == 2).all()
    assert len(table) == 3 * LEVELS.size


def test_no_fraction_where_the_control_is_near_zero():
    points = cohort(n=2, noise=0.03)
    fractions = cell_fractions(points, fit_cells(points, PLAIN))
    shown = fractions.groupby("level_mv")["fraction"].count()
    assert shown[0.0] == 0  # 2.4 mV from the reversal potential
    assert shown[100.0] == 6


def test_open_ratios_of_groups():
    points = pd.concat(
        [cohort(n=4, group="high"), cohort(n=4, ki0=1.5, group="low", external_mm=5.0)], ignore_index=True
    )
    ratios = open_ratios(fit_cells(points), 0.3, 1.0, (-70, 0)).set_index(["group", "membrane_mv"])
    # By hand: (1 + 1 / Ki) / (1 + 0.3 / Ki) with Ki = Ki(0) exp(0.6 * 70 / 25.4341).
    assert ratios.loc[("high", -70), "ratio"] == pytest.approx(1.026546, abs=1e-6)
    assert ratios.loc[("low", 0), "ratio"] == pytest.approx(1.388889, abs=1e-6)
    assert (ratios["n_animals"] == 2).all()
    assert ratios.loc["low", "potassium_external_mm"].tolist() == [5, 5]
    assert (ratios["temperature_c"] == T).all()


def test_what_cannot_be_fitted_is_refused():
    points = cell_points()
    with pytest.raises(InputError, match="temperature_c: empty"):
        fit_cells(points.assign(temperature_c=np.nan))
    with pytest.raises(InputError, match="block needs a ligand"):
        fit_cells(cell_points(free_mm=(0,)))
    both = pd.concat([points, cell_points(free_mm=(2.0,), side="external")], ignore_index=True)
    with pytest.raises(InputError, match="both sides"):
        fit_cells(both)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("beside", [0.0, 3.0])
def test_the_written_derivative_is_that_of_the_complex_step(model, beside):
    """Also where corrected potentials lie beside their levels and the control is a spline."""
    rng = np.random.default_rng(1)
    points = cell_points(noise=0.02)
    potentials = points["membrane_mv"] + beside * rng.normal(size=len(points))
    woodhull = Woodhull.of(points.assign(membrane_mv=potentials), "internal", 0.0)
    parameters = {"ln_ki0": 0.7, "z_delta": 0.6}
    parameters |= {"ln_exit_ratio": -2.0, "z_delta_exit": 0.4} if model.permeant else {}
    above = np.unique(woodhull.free_mm)[1:]
    parameters |= {f"ln_gain_{mm:.6g}_mm": 0.1 * i for i, mm in enumerate(above, 1)} if model.gain else {}
    own = woodhull.jacobian(None, **parameters)
    for column, name in zip(own.T, parameters, strict=True):
        shifted = parameters | {name: parameters[name] + 1e-25j}
        np.testing.assert_allclose(column, woodhull(None, **shifted).imag / 1e-25, rtol=1e-8, atol=1e-8)


def tables_of(points, **known):
    """Return rows of recordings.csv and of quality.csv, with these numbers where they belong."""
    ids = points["recording_id"].unique()
    table = pd.DataFrame({"recording_id": ids, "series_resistance_mohm": np.nan, "condition": "high"})
    quality = pd.DataFrame({"recording_id": ids, "seal_mohm": np.nan, "access_mohm": np.nan, "verdict": "pass"})
    for column, value in known.items():
        (quality if column in quality else table)[column] = value
    return table, quality


def off_by(points, **known):
    """Return what `uncorrected` says of the points, indexed by error and parameter."""
    fits = block_fits(fit_cells(points, PLAIN))
    found = uncorrected(points, fits, PLAIN, left_in(*tables_of(points, **known), {}))
    return found.set_index(["error", "parameter"])


def test_a_series_resistance_and_a_leak_that_are_known_are_said_with_what_they_shift():
    clean = cohort(4, noise=0.002)
    stated = clean.assign(membrane_mv=clean["membrane_mv"] + 2e-3 * clean["current_pa"])
    found = off_by(stated, series_resistance_mohm=4.0, compensation_percent=50.0).loc["series_resistance"]
    assert found.loc["ki0_mm", ["value", "unit", "known"]].tolist() == [2.0, "MOhm", "stated"]
    assert found.loc["ki0_mm", "largest"] == pytest.approx(2e-3 * clean["current_pa"].abs().max())
    assert found.loc["ki0_mm", "corrected"] == pytest.approx(5.0, rel=0.02)
    assert found.loc["z_delta", "corrected"] == pytest.approx(0.6, abs=0.005)
    assert found["estimate"].tolist() != pytest.approx([5.0, 0.6], rel=0.01)
    leaky = clean.assign(current_pa=clean["current_pa"] + 0.5 * clean["membrane_mv"])
    found = off_by(leaky, seal_mohm=2000.0).loc["leak"]
    assert found.loc["z_delta", ["value", "unit", "known", "largest", "largest_unit"]].tolist() == [
        0.5, "nS", "the seal as noted", 50.0, "pA",
    ]  # fmt: skip
    assert found.loc["z_delta", "corrected"] == pytest.approx(0.6, abs=0.005)
    shift, fits = found.loc["z_delta", "shift"], block_fits(fit_cells(leaky, PLAIN))
    mean = fits[(fits["unit_id"] == "") & (fits["parameter"] == "z_delta")].iloc[0]
    assert found.loc["z_delta", "of_interval"] == pytest.approx(shift / (mean["ci_high"] - mean["estimate"]))


def test_of_an_error_whose_size_is_not_known_a_unit_is_taken_off():
    points = cohort(4, noise=0.002)
    found = off_by(points, access_mohm=[7.0] + [np.nan] * 11)
    assert found.loc["series_resistance", "value"].tolist() == [1.0, 1.0]
    assert found.loc["leak", "value"].tolist() == [0.1, 0.1]
    assert set(found["known"]) == {"not known: what a unit would do"}
    assert off_by(points, access_mohm=7.0).loc["series_resistance", "known"].tolist() == ["membrane test"] * 2


def test_what_is_corrected_or_cannot_be_is_no_error():
    points = cohort(4, noise=0.002)
    asked = {"leak": "linear", "series_resistance": "stated"}
    assert left_in(*tables_of(points), asked) == {}
    none = uncorrected(points, block_fits(fit_cells(points, PLAIN)), PLAIN, {})
    assert none.empty
    assert "of_interval" in none
    found = off_by(points.assign(configuration="two_electrode"))
    assert found.index.get_level_values("error").unique().tolist() == ["leak"]


def test_of_a_group_of_controls_alone_nothing_is_said():
    points = cohort(4, noise=0.002)
    control = points[(points["ligand_free_mm"] == 0) & (points["cell_id"] == "c0")]
    both = pd.concat([points, control.assign(group="low", cell_id="d0", recording_id="d0_0")], ignore_index=True)
    found = uncorrected(both, block_fits(fit_cells(both, PLAIN)), PLAIN, left_in(*tables_of(both), {}))
    assert set(found["group"]) == set(points["group"])
    assert found["shift"].notna().all()


def test_segments_and_excluded_points_find_their_recording():
    points = cohort(4, noise=0.002).assign(recording_id=lambda t: t["recording_id"] + ", segment 2")
    bad = excluded(points, points["cell_id"] == "c0", "lost")
    table, quality = tables_of(points.assign(recording_id=points["recording_id"].str.removesuffix(", segment 2")))
    table["series_resistance_mohm"] = np.where(table["recording_id"].str.startswith("c0"), np.nan, 3.0)
    found = uncorrected(bad, block_fits(fit_cells(bad, PLAIN)), PLAIN, left_in(table, quality, {"leak": "linear"}))
    assert found["value"].tolist() == [3.0, 3.0]
