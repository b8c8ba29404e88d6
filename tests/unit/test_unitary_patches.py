"""Unitary conductance from files: patches, verdicts, i-V relations, groups; damaged and weak designs."""

import numpy as np
import pandas as pd
import pytest
from single_channels import POTENTIALS_MV, row_of, square, trace, write_patch

from mgk.recordings.protocol import Output
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError
from mgk.unitary import (
    analyse_patches,
    check_patch,
    compare_conductances,
    fit_relation,
    unitary_fits,
    with_chords,
)

SETTINGS = {"unitary": {"filter_hz": {"value": 1000.0}, "window_ms": [50, 1995]}}
PS = 56.6


def currents(rng, potentials=POTENTIALS_MV, ps=PS, reversal=0.0, **how):
    return [trace(rng, ps * (v - reversal) / 1e3, **how)[0] for v in potentials]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Three patches of three animals, one with two channels."""
    folder = tmp_path_factory.mktemp("patches")
    rows = []
    for i in range(3):
        how = {"channels": 1 + (i == 1), "drift_pa": 1.0}
        write_patch(folder / f"p{i}.abf", currents(np.random.default_rng(i), reversal=4.0, **how))
        rows.append(row_of(f"p{i}"))
    return analyse_patches(rows, folder, SETTINGS, {})


def fits_of(tables, settings=SETTINGS):
    amplitudes = with_chords(tables.levels, settings)
    return amplitudes, *unitary_fits(amplitudes, "unitary", settings)


def test_patches_are_read_put_together_by_potential_and_judged(tables):
    levels = tables.levels
    assert levels.groupby("cell_id")["level_mv"].apply(list).tolist() == [list(POTENTIALS_MV)] * 3
    assert (levels["group"] == "TRPM7").all()
    assert levels.set_index("cell_id").loc["c_p1", "channels"].tolist() == [2] * 5
    assert (levels["verdict"] != "not_identified").all()
    assert levels["amplitude_pa"].to_numpy() == pytest.approx(PS * (levels["level_mv"] - 4) / 1e3, rel=0.03)
    assert (levels["amplitude_se_pa"] < 0.03).all()
    assert levels["open_probability"].to_numpy() == pytest.approx(0.4, abs=0.15)
    assert levels["resolution_ms"].eq(0.4).all()
    assert tables.quality["verdict"].tolist() == ["pass"] * 3


def test_dwell_times_are_those_of_one_channel_only(tables):
    times = tables.dwell_times
    one, two = times[times["cell_id"] != "c_p1"], times[times["cell_id"] == "c_p1"]
    assert (two["components"] == 0).all()
    assert two["reason"].str.contains("2 channels open at once").all()
    opened = one[(one["state"] == "open") & (one["components"] == 1)]
    assert np.exp(np.log(opened["corrected_ms"]).mean()) == pytest.approx(8, rel=0.2)
    inside = (opened["corrected_ci_low_ms"] <= 8) & (opened["corrected_ci_high_ms"] >= 8)
    assert inside.mean() >= 0.7
    events = tables.events
    assert set(events["open"]) == {0, 1, 2}
    assert events.groupby(["cell_id", "level_mv"])["duration_ms"].sum().to_numpy() == pytest.approx(1945.0)


def test_histograms_and_excerpts_are_of_every_level(tables):
    keys = ["cell_id", "level_mv"]
    assert tables.histograms.groupby(keys).ngroups == tables.excerpts.groupby(keys).ngroups == 15
    for _, one in tables.histograms.groupby(keys):
        width = one["current_pa"].diff().iloc[1]
        assert one["density"].sum() * width == pytest.approx(1)
        assert one["fitted"].sum() * width == pytest.approx(1, abs=0.05)
    assert tables.excerpts["idealised_pa"].notna().all()


def test_slope_chord_and_reversal_of_patches_and_groups(tables):
    amplitudes, fits, relations = fits_of(tables)
    own = fits[fits["unit_id"] != ""].set_index(["parameter", "unit_id"])["estimate"]
    assert own["slope_conductance"].to_numpy() == pytest.approx(PS, rel=0.02)
    assert own["reversal"].to_numpy() == pytest.approx(4, abs=1.0)
    assert own["chord_conductance"].to_numpy() == pytest.approx(PS, rel=0.03)
    group = fits[fits["unit_id"] == ""].set_index("parameter")
    assert group.loc["slope_conductance", "n_animals"] == 3
    assert group.loc["slope_conductance", "ci_low"] < PS < group.loc["slope_conductance", "ci_high"]
    assert fits["model"].unique().tolist() == ["line", "chord at +80 mV"]
    assert (relations["rectification"] == "linear").sum() >= 2
    assert relations["potentials"].tolist() == [5] * 3
    assert amplitudes["in_line"].all()


def test_groups_are_compared_by_animals(tables):
    amplitudes = with_chords(tables.levels, SETTINGS)
    other = amplitudes.assign(
        group="TRPM6", cell_id=amplitudes["cell_id"] + "x", animal_id=amplitudes["animal_id"] + "x",
        amplitude_pa=1.5 * amplitudes["amplitude_pa"], amplitude_se_pa=1.5 * amplitudes["amplitude_se_pa"],
    )  # fmt: skip
    both = pd.concat([amplitudes, other], ignore_index=True)
    fits, _ = unitary_fits(both, "unitary", SETTINGS)
    owners = both.groupby("cell_id")[["animal_id"]].first().assign(pair_id="")
    found = compare_conductances(fits, owners).set_index("quantity")
    assert found.loc["slope_conductance", "difference"] == pytest.approx(1.5, rel=1e-6)
    assert found.loc["slope_conductance", ["group_a", "group_b"]].tolist() == ["TRPM7", "TRPM6"]
    assert found.loc["slope_conductance", "n_animals"] == 6


def test_without_noise_the_conductance_comes_back_exactly(tmp_path):
    # Currents that the converter holds exactly: 20 pA over 32,768 codes is 2^-14 * 10.
    code = 20 / 32768
    steps = np.round(np.array([-80, -40, 40, 80]) * 0.05 / code) * code
    write_patch(tmp_path / "p.abf", [square(a, (60, 45), 95)[0] for a in steps], (-80, -40, 40, 80))
    settings = {"unitary": {"filter_hz": {"value": 2000.0}, "window_ms": [100, 1990]}}
    tables = analyse_patches([row_of("p")], tmp_path, settings, {})
    # The scale of the instrument is kept in single precision.
    assert tables.levels["amplitude_pa"].to_numpy() == pytest.approx(steps, rel=1e-6)
    _, fits, _ = fits_of(tables, settings)
    slope = fits[(fits["parameter"] == "slope_conductance") & (fits["unit_id"] != "")].iloc[0]
    assert slope["estimate"] == pytest.approx(1e3 * np.polyfit([-80, -40, 40, 80], steps, 1)[0], rel=1e-6)


def test_a_gap_free_file_is_cut_by_its_segments(tmp_path):
    rng = np.random.default_rng(11)
    x = np.concatenate([currents(rng, (60.0,))[0], currents(rng, (-60.0,))[0]])
    path = write_abf(
        tmp_path / "p.abf", [Signal("Im", "pA", 20.0, -x[None])], [Output("Cmd 0", "mV", 0.0)],
        rate_hz=5000.0, comment="SIMULATED", gap_free=True,
    )  # fmt: skip
    segments = [
        {"recording_id": "p", "start_s": 0.05, "end_s": 2.0, "command_mv": -60.0},
        {"recording_id": "p", "start_s": 2.05, "end_s": 4.0, "command_mv": 60.0},
    ]
    settings = {"unitary": {"filter_hz": {"value": 1000.0}}}
    row = row_of("p", segments=segments)
    assert check_patch(row, path, settings) == []
    found = analyse_patches([row], tmp_path, settings, {}).levels
    assert found["level_mv"].tolist() == [-60, 60]
    assert found["amplitude_pa"].to_numpy() == pytest.approx([-60 * PS / 1e3, 60 * PS / 1e3], rel=0.03)
    bad = row_of("p", segments=[{"recording_id": "p", "start_s": 0.0, "end_s": 5.0, "command_mv": 0.0}])
    assert "segment 1 ends at 5 s, sweep 0 at 4 s" in check_patch(bad, path, settings)[0]
    excluded = row_of("p", segments=[segments[0] | {"exclude": "seal lost"}, segments[1]])
    tables = analyse_patches([excluded], tmp_path, settings, {})
    assert tables.levels["level_mv"].tolist() == [-60]
    assert tables.quality["reason"].tolist() == ["segment 1: seal lost"]


def test_a_command_that_moves_asks_for_a_window(tmp_path):
    path = write_patch(tmp_path / "p.abf", currents(np.random.default_rng(1)))
    settings = {"unitary": {"filter_hz": {"value": 1000.0}}}
    found = check_patch(row_of("p"), path, settings)
    assert "the command moves from 0 to 80 mV within sweep 0; name the steady part by unitary.window_ms" in found[0]
    with pytest.raises(InputError, match="the command moves"):
        analyse_patches([row_of("p")], tmp_path, settings, {})


def test_an_unknown_filter_and_a_voltage_channel_are_refused(tmp_path):
    path = write_patch(tmp_path / "p.abf", currents(np.random.default_rng(1)))
    settings = {"unitary": {"window_ms": [50, 1995]}}
    assert "the corner of the low-pass filter is not known" in check_patch(row_of("p"), path, settings)[0]
    write_abf(
        tmp_path / "v.abf", [Signal("Vm", "mV", 200.0, np.zeros((1, 9000)))], [Output("Cmd 0", "mV", 0.0)],
        rate_hz=5000.0, comment="SIMULATED",
    )  # fmt: skip
    assert "not a current" in check_patch(row_of("v"), tmp_path / "v.abf", SETTINGS)[0]


def test_damaged_samples_and_exclusions_are_said(tmp_path):
    rng = np.random.default_rng(2)
    clipped = np.array(currents(rng))
    clipped[2] += 40.0
    write_patch(tmp_path / "p.abf", clipped)
    tables = analyse_patches([row_of("p")], tmp_path, SETTINGS, {})
    assert "sweep 2: 9725 samples at the converter's limit, left out" in tables.quality["reason"].iloc[0]
    assert tables.levels["level_mv"].tolist() == [-80, -40, 60, 80]
    half = np.array(currents(rng))
    half[4:] = 0
    write_patch(tmp_path / "h.abf", half)
    unwritten = analyse_patches([row_of("h")], tmp_path, SETTINGS, {}).quality.iloc[0]
    assert unwritten["verdict"] == "exclude"
    assert "constant at 0 pA from sweep 4 to the end of the file" in unwritten["reason"]
    excluded = analyse_patches([row_of("p", exclude="leaky")], tmp_path, SETTINGS, {})
    assert excluded.levels.empty
    assert excluded.quality[["verdict", "reason"]].iloc[0].tolist() == ["exclude", "leaky"]
    nowhere = analyse_patches([row_of("p", configuration="")], tmp_path, SETTINGS, {})
    assert "membrane potential are not known" in nowhere.quality["reason"].iloc[0]
    relative = analyse_patches([row_of("p", configuration="cell_attached")], tmp_path, SETTINGS, {})
    assert "relative to rest" in relative.quality["reason"].iloc[0]
    assert relative.levels["level_mv"].tolist() == [-80, -40, 60, 80]


def test_a_shift_by_the_junction_potential_moves_reversal_not_conductance(tmp_path):
    write_patch(tmp_path / "p.abf", currents(np.random.default_rng(3)))
    plain = fits_of(analyse_patches([row_of("p")], tmp_path, SETTINGS, {}))[1]
    settings = SETTINGS | {"corrections": {"junction_potential": "stated", "junction_mv": 5.0}}
    shifted = fits_of(analyse_patches([row_of("p")], tmp_path, settings, {}), settings)[1]
    # Inside-out: Vm = -(Vp - V).
    assert shifted["estimate"][1] - plain["estimate"][1] == pytest.approx(5.0, abs=1e-6)
    assert shifted["estimate"][0] == pytest.approx(plain["estimate"][0], rel=1e-9)


def test_overlapping_levels_are_not_identified_and_a_filter_helps(tmp_path):
    rng = np.random.default_rng(4)
    write_patch(tmp_path / "p.abf", currents(rng, (60.0,), noise_pa=1.1, open_ms=30, closed_ms=30, seconds=4), (60.0,))
    plain = {"unitary": SETTINGS["unitary"] | {"window_ms": [100, 3990]}}
    tables = analyse_patches([row_of("p")], tmp_path, plain, {})
    assert tables.levels["verdict"].tolist() == ["not_identified"]
    assert "unitary.gaussian_hz" in tables.levels["reason"].iloc[0] or tables.levels["channels"].iloc[0] == 0
    slower = {"unitary": plain["unitary"] | {"gaussian_hz": 250.0}}
    found = analyse_patches([row_of("p")], tmp_path, slower, {}).levels.iloc[0]
    assert found["filter_hz"] == pytest.approx(1 / np.hypot(1 / 1000, 1 / 250))
    assert found["verdict"] in ("identified", "weak")
    assert found["amplitude_pa"] == pytest.approx(60 * PS / 1e3, rel=0.05)


def test_few_openings_are_weak_or_nothing(tmp_path):
    rng = np.random.default_rng(5)
    write_patch(tmp_path / "p.abf", currents(rng, (60.0, 80.0), open_ms=10, closed_ms=150), (60.0, 80.0))
    levels = analyse_patches([row_of("p")], tmp_path, SETTINGS, {}).levels
    assert levels["verdict"].isin(["weak", "not_identified"]).all()
    assert levels["reason"].str.contains("record longer").all()


def test_one_and_two_potentials_are_said_to_be_too_few():
    one = fit_relation([60.0], [3.4], [0.02])
    assert one.conductance.verdict == "not_identified"
    assert "one potential" in one.conductance.reason
    two = fit_relation([-60.0, 60.0], [-3.4, 3.4], [0.02, 0.02])
    assert two.conductance.verdict == "weak"
    assert two.conductance.value == pytest.approx(1e3 * 6.8 / 120)
    assert two.conductance.se == pytest.approx(1e3 * np.hypot(0.02, 0.02) / 120)
    assert two.reversal.value == pytest.approx(0, abs=1e-9)


def test_one_potential_has_a_chord_where_reversal_is_stated(tmp_path):
    write_patch(tmp_path / "p.abf", currents(np.random.default_rng(6), (60.0,)), (60.0,))
    tables = analyse_patches([row_of("p")], tmp_path, SETTINGS, {})
    _, fits, _ = fits_of(tables)
    chord = fits[(fits["parameter"] == "chord_conductance") & (fits["unit_id"] != "")].iloc[0]
    assert chord["verdict"] == "not_identified"
    assert "unitary.reversal_mv" in chord["reason"]
    stated = {**SETTINGS, "unitary": SETTINGS["unitary"] | {"reversal_mv": {"value": 0.0}}}
    _, fits, _ = fits_of(tables, stated)
    chord = fits[(fits["parameter"] == "chord_conductance") & (fits["unit_id"] != "")].iloc[0]
    assert chord["verdict"] == "weak"
    assert chord["estimate"] == pytest.approx(PS, rel=0.03)


def levels_of(membrane_mv, amplitude_pa, se_pa=0.02):
    """Return the rows of levels of one patch."""
    return pd.DataFrame({
        "cell_id": "c", "group": "g", "animal_id": "a", "level_mv": membrane_mv, "membrane_mv": membrane_mv,
        "amplitude_pa": amplitude_pa, "amplitude_se_pa": se_pa, "verdict": "identified", "reason": "", "channels": 1,
    })  # fmt: skip


def chord_of(levels, **unitary):
    settings = {"unitary": {"chord_mv": 80.0, **unitary}}
    fits, _ = unitary_fits(with_chords(levels, settings), "unitary", settings)
    return fits[(fits["parameter"] == "chord_conductance") & (fits["unit_id"] != "")].iloc[0]


def test_without_noise_slope_reversal_and_chord_are_exact():
    v = np.array([-80.0, -60, -40, 40, 60, 80])
    levels = levels_of(v, PS / 1e3 * (v - 4.0), 0.0)
    settings = {"unitary": {"chord_mv": 80.0}}
    fits, relations = unitary_fits(with_chords(levels, settings), "unitary", settings)
    own = fits[fits["unit_id"] != ""].set_index("parameter")
    assert own["estimate"].to_dict() == pytest.approx(
        {"slope_conductance": PS, "reversal": 4.0, "chord_conductance": PS}, rel=1e-6
    )
    assert set(own["verdict"]) == {"identified"}
    assert relations["rectification"].tolist() == ["linear"]


WIDE = (-80.0, -60, -40, 40, 60, 80)
CLOSE = (-80.0, -60, -40, -20, 20, 40, 60, 80)


def bent_levels(potentials, bend, rng=None):
    v = np.array(potentials)
    noise = rng.normal(0, 0.003, len(v)) if rng else 0.002 * np.resize([1, -1, 1], len(v))
    return v, PS / 1e3 * v * (1 + bend * v / 100) + noise


@pytest.mark.parametrize("bend", [0.2, 0.05])
def test_a_gap_around_the_reversal_of_a_bent_relation_makes_it_and_its_chord_weak_until_it_is_stated(bend):
    v, amplitude = bent_levels(WIDE, bend)
    found = fit_relation(v, amplitude, np.full(len(v), 0.002))
    line = np.polyfit(v, amplitude, 1)
    assert -line[1] / line[0] < -1.8, "the reversal potential of the line is too negative"
    assert found.reversal.value == pytest.approx(0, abs=0.2)
    assert found.reversal.ci_low < 0 < found.reversal.ci_high
    assert found.reversal.verdict == "weak"
    assert "is that of a parabola (of a line -" in found.reversal.reason
    assert "in a gap of 80 mV: potentials nearer to it, 40 mV apart at most, would help" in found.reversal.reason
    levels, true = levels_of(v, amplitude), PS * (1 + 0.8 * bend)
    chord = chord_of(levels)
    assert chord["ci_low"] < true < chord["ci_high"]
    assert chord["verdict"] == "weak"
    assert chord["reason"].startswith("the reversal potential of the patch is weak (the relation bends (p = ")
    assert "state unitary.reversal_mv" in chord["reason"]
    stated = chord_of(levels, reversal_mv={"value": 0.0})
    assert stated["estimate"] == pytest.approx(true, rel=0.002)
    assert (stated["verdict"], stated["reason"]) == ("identified", "")


@pytest.mark.parametrize("bend", [0.2, 0.05])
def test_potentials_near_the_reversal_of_a_bent_relation_identify_it_and_the_chord(bend):
    v, amplitude = bent_levels(CLOSE, bend)
    found = fit_relation(v, amplitude, np.full(len(v), 0.002))
    assert (found.reversal.verdict, found.reversal.reason) == ("identified", "")
    assert found.reversal.ci_low < 0 < found.reversal.ci_high
    assert np.polyval(found.curve, found.reversal.value) == pytest.approx(0, abs=1e-9)
    assert np.polyval(found.curve, v) == pytest.approx(amplitude, abs=0.01)
    chord = chord_of(levels_of(v, amplitude))
    assert chord["verdict"] == "identified"
    assert chord["ci_low"] < PS * (1 + 0.8 * bend) < chord["ci_high"]


def test_a_bend_in_doubt_leaves_the_reversal_of_the_line_and_makes_it_weak():
    v = np.array(WIDE)
    amplitude = PS / 1e3 * v + 0.01 * np.array([1.0, -0.4, -0.4, -1.0, 0.2, 0.7])
    found = fit_relation(v, amplitude, np.full(6, 0.01))
    assert 0.01 < found.bend_p < 0.05
    assert found.reversal.value == pytest.approx(-found.curve[1] / found.curve[0])
    assert len(found.curve) == 2
    assert found.reversal.verdict == "weak"
    assert "the reversal potential is that of a line: potentials nearer to it" in found.reversal.reason
    assert found.conductance.verdict == "identified"


def test_a_parabola_that_does_not_cross_zero_between_the_potentials_is_not_taken():
    v = np.array([20.0, 40, 60, 80, 100])
    found = fit_relation(v, bent_levels(v, 0.3)[1], np.full(5, 0.002))
    assert found.bend_p < 0.01
    assert len(found.curve) == 2
    assert "is that of a line" in found.reversal.reason


def test_the_interval_of_a_bent_relation_holds_its_reversal_potential():
    rng = np.random.default_rng(9)
    found = [fit_relation(*bent_levels(WIDE, 0.05, rng), np.full(6, 0.003)) for _ in range(150)]
    assert all(len(relation.curve) == 3 for relation in found)
    assert np.mean([r.reversal.ci_low <= 0 <= r.reversal.ci_high for r in found]) == pytest.approx(0.95, abs=0.04)


def test_a_chord_on_a_line_without_a_test_of_a_bend_is_weak():
    v = np.array([-80.0, 60, 80])
    levels = levels_of(v, PS / 1e3 * v + 0.002 * np.array([1, -1, 1]))
    chord = chord_of(levels)
    assert chord["verdict"] == "weak"
    assert "3 potentials: whether the relation bends is not known" in chord["reason"]
    assert chord_of(levels, reversal_mv={"value": 0.0})["verdict"] == "identified"


@pytest.mark.parametrize(("share", "name"), [(0.6, "outward rectifying"), (-0.6, "inward rectifying"), (0, "linear")])
def test_rectification_is_labelled(share, name):
    v = np.array([-100.0, -60, -30, 30, 60, 100])
    noise = np.array([1, -1, 1, -1, 1, -1]) * 0.01
    found = fit_relation(v, 0.05 * v * (1 + share * v / 200) + noise, np.full(6, 0.02))
    assert found.rectification == name
    assert ("no potential" in found.conductance.reason) == (share != 0)
    assert found.conductance.verdict == ("weak" if share else "identified")


def test_openings_of_the_wrong_direction_are_said(tmp_path):
    write_patch(tmp_path / "p.abf", currents(np.random.default_rng(7)))
    settings = SETTINGS | {"polarity": "inward"}
    tables = analyse_patches([row_of("p")], tmp_path, settings, {})
    _, fits, _ = fits_of(tables, settings)
    slope = fits[fits["parameter"] == "slope_conductance"].iloc[0]
    assert slope["verdict"] != "identified"


def test_the_interval_of_the_line_holds_the_conductance():
    rng = np.random.default_rng(8)
    v = np.array([-80.0, -60, -40, 40, 60, 80])
    inside = []
    for _ in range(200):
        se = np.full(6, 0.02)
        found = fit_relation(v, 0.0836 * (v - 1) + rng.normal(0, se), se)
        inside.append(
            (
                found.conductance.ci_low <= 83.6 <= found.conductance.ci_high,
                found.reversal.ci_low <= 1 <= found.reversal.ci_high,
            )
        )
    assert np.mean(inside, axis=0) == pytest.approx(0.95, abs=0.04)
