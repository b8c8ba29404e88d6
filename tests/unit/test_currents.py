import numpy as np
import pandas as pd
import pytest

from mgk.constants import FARADAY_C_PER_MOL, GAS_CONSTANT_J_PER_MOL_K
from mgk.currents import (
    cell_curves,
    cell_fits,
    compare_with_nernst,
    group_curves,
    reversal_potential,
    reversal_potentials,
    sodium_permeability,
    window_curves,
    window_reversals,
)
from mgk.measured_currents import steady_currents, voltage_levels
from mgk.solutions.potentials import ghk_current, ghk_reversal_mv, nernst_mv
from mgk.tables import InputError

LEVELS = np.arange(-100.0, 101, 20)
TEMPERATURE_C = 22.0


def recording(recording_id, cell_id="c1", animal_id="a1", **changes):
    """Return a row of raw_data/recordings.csv with every column that the join reads."""
    row = {
        "recording_id": recording_id,
        "cell_id": cell_id,
        "animal_id": animal_id,
        "condition": "high",
        "ligand": "Mg",
        "ligand_total_mm": 1.0,
        "ligand_side": "internal",
        "configuration": "inside_out",
        "bath_solution": "internal_1mg",
        "pipette_solution": "external",
        "temperature_c": TEMPERATURE_C,
        "exclude": "",
    }
    return row | changes


FREE_IONS = pd.DataFrame(
    [
        ("internal_1mg", "webmaxc", "Mg", 0.9),
        ("internal_1mg", "webmaxc", "MgEGTA", 0.1),
        ("internal_1mg", "webmaxc", "K", 110.0),
        ("external", "webmaxc", "K", 5.0),
    ],
    columns=["solution_id", "constants", "species", "concentration_mm"],
)


def measured(recordings, current=lambda row, v: 2.0 * (v + 70.0), levels=LEVELS):
    """Return measurements and quality of the rows of recordings."""
    rows = [
        {
            "experiment": "e",
            "recording_id": row["recording_id"],
            "cell_id": row["cell_id"],
            "animal_id": row["animal_id"],
            "condition": row["condition"],
            "sweep": sweep,
            "command_mv": v,
            "membrane_mv": v,
            "steady_membrane_pa": current(row, v),
        }
        for row in recordings
        for sweep, v in enumerate(levels)
    ]
    quality = pd.DataFrame([{"recording_id": r["recording_id"], "verdict": "pass", "reason": ""} for r in recordings])
    return pd.DataFrame(rows), quality


def points_of(recordings, free_ions=FREE_IONS, **more):
    measurements, quality = measured(recordings, **more)
    return steady_currents(measurements, quality, pd.DataFrame(recordings), free_ions)


def test_free_ligand_comes_from_the_recipe_on_its_side():
    points = points_of([recording("r1")])
    first = points.iloc[0]
    assert first["ligand_free_mm"] == 0.9
    assert first["ligand_source"] == "solved from recipe internal_1mg, webmaxc"
    assert (first["potassium_internal_mm"], first["potassium_external_mm"]) == (110, 5)
    assert first["nernst_potassium_mv"] == pytest.approx(nernst_mv(1, 5, 110, TEMPERATURE_C))
    assert len(points) == LEVELS.size


def test_without_a_recipe_the_stated_total_is_called_what_it_is():
    for points in (
        points_of([recording("r1")], free_ions=None),
        points_of([recording("r1", bath_solution="something else")]),
        points_of([recording("r1", configuration="perforated", pipette_solution="internal_1mg")]),
    ):
        assert (points["ligand_free_mm"] == 1.0).all()
        assert (points["ligand_source"] == "stated total taken as free: no recipe").all()
        assert points["nernst_potassium_mv"].isna().all()


@pytest.mark.parametrize(
    ("configuration", "bath", "pipette", "inside"),
    [
        ("inside_out", "internal_1mg", "external", 110),
        ("whole_cell", "external", "internal_1mg", 110),
        ("outside_out", "external", "internal_1mg", 110),
        ("cell_attached", "external", "external", np.nan),
        ("two_electrode", "external", "", np.nan),
        ("perforated", "external", "internal_1mg", np.nan),
    ],
)
def test_configuration_says_which_solution_is_inside(configuration, bath, pipette, inside):
    row = recording("r1", configuration=configuration, bath_solution=bath, pipette_solution=pipette)
    first = points_of([row]).iloc[0]
    assert first["potassium_internal_mm"] == pytest.approx(inside, nan_ok=True)
    assert first["potassium_external_mm"] == 5


def test_a_species_that_a_recipe_does_not_hold_is_zero():
    row = recording("r1", ligand_side="external", ligand_total_mm=0.0)
    assert (points_of([row])["ligand_free_mm"] == 0).all()


def test_no_ligand_at_all():
    points = points_of([recording("r1", ligand="", ligand_side="", ligand_total_mm=np.nan)])
    assert (points["ligand_free_mm"] == 0).all()
    assert (points["ligand_source"] == "no ligand").all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ligand_side": ""}, "ligand_side"),
        ({"ligand_total_mm": np.nan}, "ligand_total_mm: empty"),
        ({"ligand_total_mm": 0.5}, "0.9 mM free Mg in internal_1mg, webmaxc for a stated total of 0.5 mM"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        points_of([recording("r1", **changes)])


def test_a_solution_solved_twice_is_refused():
    twice = pd.concat([FREE_IONS, FREE_IONS.assign(constants="other")])
    with pytest.raises(InputError, match="several sets of constants: webmaxc, other"):
        points_of([recording("r1")], free_ions=twice)


def test_a_recording_without_row_or_verdict_is_refused():
    rows = [recording("r1"), recording("r2")]
    measurements, quality = measured(rows)
    with pytest.raises(InputError, match=r"recordings.csv has no row for r2"):
        steady_currents(measurements, quality, pd.DataFrame(rows[:1]), FREE_IONS)
    with pytest.raises(InputError, match=r"quality.csv has no row for r2"):
        steady_currents(measurements, quality[:1], pd.DataFrame(rows), FREE_IONS)


def test_excluded_recordings_stay_visible_and_have_no_part():
    rows = [recording("r1"), recording("r2", "c2", "a2"), recording("r3", "c3", "a3", exclude="wrong cell")]
    measurements, quality = measured(rows, lambda row, v: (2.0 if row["recording_id"] == "r1" else 20.0) * (v + 70))
    quality.loc[1, ["verdict", "reason"]] = ["exclude", "seal lost"]
    points = steady_currents(measurements, quality, pd.DataFrame(rows), FREE_IONS)
    reasons = points.groupby("recording_id")["reason"].first()
    assert reasons.to_dict() == {"r1": "", "r2": "seal lost", "r3": "wrong cell"}
    curves = group_curves(points)
    assert curves["current_pa"].to_numpy() == pytest.approx(2.0 * (LEVELS + 70))
    assert (curves["n_cells"] == 1).all()
    assert (curves["n_excluded"] == 2).all()
    fits = cell_fits(points, reversal_potentials(points))
    out = fits[(fits["unit_id"].isin(["c2", "c3"])) & (fits["parameter"] == "reversal_mv")]
    assert set(out["verdict"]) == {"not_identified"}
    assert set(out["reason"]) == {"excluded: seal lost", "excluded: wrong cell"}
    assert cell_curves(points, "steady", {})["excluded"].sum() == 2 * LEVELS.size


def test_a_sweep_without_potential_is_excluded_alone():
    measurements, quality = measured([recording("r1")])
    measurements.loc[3, "membrane_mv"] = np.nan
    points = steady_currents(measurements, quality, pd.DataFrame([recording("r1")]), FREE_IONS)
    assert points["excluded"].sum() == 1
    assert points.loc[points["excluded"], "reason"].item().startswith("no membrane potential or current")


def test_the_leak_of_another_recording_is_no_current_of_its_own():
    rows = [recording("r1", leak_recording_id="l1"), recording("l1", leak_recording_id="l1")]
    assert set(points_of(rows)["recording_id"]) == {"r1"}
    alone = [recording("r1", leak_recording_id="r1"), recording("r2", leak_recording_id="")]
    assert set(points_of(alone)["recording_id"]) == {"r1", "r2"}


def test_levels_of_a_recorded_voltage():
    """The pipette of an inside-out patch commands the negative of the membrane's potential."""
    command = np.array([100.3, 79.9, 99.9, 80.2, np.nan, -0.04, 0.03])
    levels = voltage_levels(command, -command)
    assert levels == pytest.approx([-100, -80, -100, -80, np.nan, 0, 0], nan_ok=True)
    # A membrane potential that corrections have moved stays with its command.
    assert voltage_levels([50, 50, 60, 60], [47.2, 48.4, 52.0, 53.0]) == pytest.approx([48, 48, 52, 52])


def test_levels_do_not_mix_configurations():
    rows = [recording("r1"), recording("r2", "c2", "a2", configuration="outside_out")]
    measurements, quality = measured(rows)
    inside_out = measurements["recording_id"] == "r1"
    measurements.loc[inside_out, "command_mv"] *= -1
    points = steady_currents(measurements, quality, pd.DataFrame(rows), None)
    assert (points["level_mv"] == points["membrane_mv"]).all()


def test_without_configuration_nothing_is_fitted():
    measurements, quality = measured([recording("r1", configuration="")])
    measurements[["membrane_mv", "steady_membrane_pa"]] = np.nan
    points = steady_currents(measurements, quality, pd.DataFrame([recording("r1", configuration="")]), FREE_IONS)
    assert points["excluded"].all()
    assert points["reason"].str.contains("no configuration").all()


def test_ghk_current():
    potential = nernst_mv(1, 5, 110, TEMPERATURE_C)
    assert ghk_current(potential, 110, 5, TEMPERATURE_C) == pytest.approx(0, abs=1e-9)
    # The textbook quotient, with thermodynamic constants written out, for a divalent cation at +35 mV.
    u = 2 * 0.035 * FARADAY_C_PER_MOL / (GAS_CONSTANT_J_PER_MOL_K * (TEMPERATURE_C + 273.15))
    expected = 3 * 2 * u * (1.5 - 20 * np.exp(-u)) / (1 - np.exp(-u))
    assert ghk_current(35.0, 1.5, 20.0, TEMPERATURE_C, 3.0, z=2) == pytest.approx(expected, rel=1e-12)
    # Its limit at 0 mV, without a jump beside it; symmetrical solutions are ohmic.
    assert ghk_current(0.0, 110, 5, TEMPERATURE_C) == pytest.approx(105)
    assert ghk_current(1e-7, 110, 5, TEMPERATURE_C) == pytest.approx(105, rel=1e-6)
    ohmic = ghk_current(LEVELS, 100, 100, TEMPERATURE_C)
    assert ohmic == pytest.approx(100 * LEVELS / 25.4341, rel=1e-5)


@pytest.mark.parametrize("external_mm", [100, 5])
@pytest.mark.parametrize("block", [0.0, 1.0])
def test_reversal_potential_of_a_curved_relation(external_mm, block):
    """GHK rectification and voltage-dependent block: nothing here is a polynomial."""
    current = ghk_current(LEVELS, 110, external_mm, TEMPERATURE_C) / (1 + block * np.exp(0.6 * LEVELS / 25.4341))
    estimate, fit = reversal_potential(LEVELS, current, LEVELS)
    assert estimate.value == pytest.approx(nernst_mv(1, external_mm, 110, TEMPERATURE_C), abs=0.6)
    assert estimate.ci_low < nernst_mv(1, external_mm, 110, TEMPERATURE_C) < estimate.ci_high
    assert estimate.verdict == "identified"
    assert fit.dof == 2


def test_reversal_interval_covers_with_noise():
    rng = np.random.default_rng(4)
    current = ghk_current(LEVELS, 110, 100, TEMPERATURE_C)
    truth = nernst_mv(1, 100, 110, TEMPERATURE_C)
    hits = 0
    for _ in range(100):
        estimate, _ = reversal_potential(LEVELS, current + rng.normal(0, 5, LEVELS.size), LEVELS)
        hits += estimate.ci_low <= truth <= estimate.ci_high
    assert 88 <= hits <= 100  # binomial(100, 0.95), 99.7 %


def test_slope_conductance_of_a_straight_line():
    estimate, fit = reversal_potential(LEVELS, 3 * (LEVELS + 33), LEVELS)
    assert estimate.value == pytest.approx(-33, abs=1e-6)
    assert fit.parameters["slope_conductance_ns"].value == pytest.approx(3, rel=1e-6)


@pytest.mark.parametrize(
    ("potential", "current", "reason"),
    [
        (LEVELS, LEVELS + 200, "the current does not change sign from -100 to 100 mV"),
        (LEVELS[:3], LEVELS[:3] + 90, "3 levels; 4 are needed"),
        (LEVELS, (-1.0) ** np.arange(11), "the current changes sign 10 times"),
    ],
)
def test_no_reversal_potential_and_why(potential, current, reason):
    estimate, fit = reversal_potential(potential, current, potential)
    assert (estimate.verdict, estimate.reason, fit) == ("not_identified", reason, None)
    assert np.isnan(estimate.value)


def test_a_reversal_known_only_roughly_is_weak():
    noise = 60 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1])
    estimate, _ = reversal_potential(LEVELS, 3 * LEVELS + noise / 8, LEVELS)
    assert estimate.verdict == "weak"
    assert estimate.reason.endswith("mV away")


def test_fits_of_cells_and_groups():
    rows = [
        recording(f"r{i}{mg:g}", f"c{i}", f"a{i // 2}", ligand_total_mm=mg, bath_solution="")
        for i in range(4)
        for mg in (0.0, 1.0)
    ]
    points = points_of(
        rows, current=lambda row, v: (2.0 + int(row["cell_id"][1])) * (v + 40) / (1 + row["ligand_total_mm"])
    )
    fits = cell_fits(points, reversal_potentials(points))
    groups = fits[fits["unit_id"] == ""].set_index(["group", "model", "parameter"])
    assert set(fits["group"]) == {"high", "high, 1 mM Mg"}
    reversal = groups.loc[("high", "local polynomial", "reversal_mv")]
    assert (reversal["n_cells"], reversal["n_animals"]) == (4, 2)
    assert reversal["estimate"] == pytest.approx(-40, abs=1e-6)
    slope = groups.loc[("high", "local polynomial", "slope_conductance_ns")]
    assert slope["estimate"] == pytest.approx(3.5, rel=1e-6)
    assert groups.loc[("high, 1 mM Mg", "chord at +100 mV", "chord_conductance_ns"), "estimate"] == pytest.approx(1.75)
    cells = fits[(fits["unit_id"] == "c3") & (fits["group"] == "high")].set_index("model")
    assert cells.loc["chord at -100 mV", "estimate"] == pytest.approx(5)


def test_reversal_beside_nernst():
    rows = [recording(f"r{i}", f"c{i}", f"a{i}") for i in range(2)]
    points = points_of(rows)
    table = compare_with_nernst(cell_fits(points, reversal_potentials(points)), points)
    row = table.iloc[0]
    assert (row["group"], row["n_animals"]) == ("high, 1 mM Mg", 2)
    assert row["reversal_mv"] == pytest.approx(-70, abs=1e-6)
    assert row["difference_mv"] == pytest.approx(-70 - nernst_mv(1, 5, 110, TEMPERATURE_C))
    without = points_of(rows, free_ions=None)
    assert compare_with_nernst(cell_fits(without, reversal_potentials(without)), without)["difference_mv"].isna().all()


def test_group_curves_count_animals_not_sweeps():
    rows = [recording(f"r{i}", f"c{i}", f"a{i // 2}") for i in range(4)]
    points = points_of(rows, current=lambda row, v: (1.0 + int(row["cell_id"][1])) * v)
    at = group_curves(points).set_index("level_mv").loc[100.0]
    assert (at["current_pa"], at["n_cells"], at["n_animals"]) == (250, 4, 2)
    assert at["se"] == pytest.approx(100)  # animals 150 and 350 pA
    assert at["nernst_potassium_mv"] == pytest.approx(nernst_mv(1, 5, 110, TEMPERATURE_C))


def test_chord_conductance_is_not_given_near_the_reversal_potential():
    points = points_of([recording("r1")])
    curve = cell_curves(points, "steady", reversal_potentials(points)).set_index("level_mv")
    assert curve.loc[100, "chord_conductance_ns"] == pytest.approx(2)
    # Reversal at -70 mV: levels -80 and -60 are 10 mV away, and kept; nothing nearer is.
    assert curve["chord_conductance_ns"].notna().all()
    points = points_of([recording("r1")], current=lambda row, v: 2.0 * (v + 75))
    near = cell_curves(points, "steady", reversal_potentials(points)).set_index("level_mv")
    assert np.isnan(near.loc[-80, "chord_conductance_ns"])
    assert near.loc[-60, "chord_conductance_ns"] == pytest.approx(2)


def test_ghk_is_nernst_for_one_ion_and_between_two_for_two():
    nernst = nernst_mv(1, 4, 140, 22), nernst_mv(1, 140, 10, 22)
    assert ghk_reversal_mv([140], [4], [3], 22) == pytest.approx(nernst[0])
    assert ghk_reversal_mv([140, 10], [4, 140], [1, 0], 22) == pytest.approx(nernst[0])
    assert ghk_reversal_mv([140, 10], [4, 140], [0, 1], 22) == pytest.approx(nernst[1])
    assert nernst[0] < ghk_reversal_mv([140, 10], [4, 140], [1, 0.05], 22) < nernst[1]
    # At the reversal potential of GHK the currents of both ions cancel.
    reversal = ghk_reversal_mv([140, 10], [4, 140], [1, 0.05], 22)
    total = ghk_current(reversal, 140, 4, 22) + ghk_current(reversal, 10, 140, 22, 0.05)
    assert total == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.3, 2.0])
def test_the_permeability_ratio_is_the_inverse_of_ghk(ratio):
    reversal = ghk_reversal_mv([140, 10], [4, 140], [1, ratio], 22)
    assert sodium_permeability(reversal, (140, 4), (10, 140), 22) == pytest.approx(ratio, abs=1e-9)


def test_no_ratio_explains_a_potential_beyond_that_of_potassium():
    assert np.isnan(sodium_permeability(nernst_mv(1, 4, 140, 22) - 1, (140, 4), (10, 140), 22))
    assert np.isnan(sodium_permeability(-80, (140, 4), (np.nan, np.nan), 22))


def test_windows_have_curves_of_their_own_at_the_potential_of_the_steady_window():
    rows = [recording("r1"), recording("r2", "c2", "a2")]
    measurements, quality = measured(rows)
    measurements["peak_membrane_pa"] = 3 * measurements["steady_membrane_pa"]
    measurements["tail_membrane_pa"] = 7.0
    windows = {
        w: steady_currents(measurements, quality, pd.DataFrame(rows), FREE_IONS, w) for w in ("steady", "peak", "tail")
    }
    cells, groups = window_curves(windows, window_reversals(windows))
    assert cells["window"].value_counts().to_dict() == dict.fromkeys(("steady", "peak", "tail"), 2 * LEVELS.size)
    by_window = groups.set_index(["window", "level_mv"])["current_pa"]
    assert by_window["peak", 100] == pytest.approx(3 * by_window["steady", 100])
    assert by_window["tail", 100] == 7
    assert cells.groupby("window")["reversal_mv"].count().to_dict() == {"peak": 0, "steady": 2 * LEVELS.size, "tail": 0}
    of_peak = (
        window_curves(windows, window_reversals(windows, fit_window="peak"))[0].groupby("window")["reversal_mv"].count()
    )
    assert of_peak.to_dict() == {"peak": 2 * LEVELS.size, "steady": 0, "tail": 0}
    gated, _ = window_curves(windows, window_reversals(windows, "boltzmann_activation"))
    assert gated["chord_conductance_ns"].isna().all()
