import copy
import math
from pathlib import Path

import numpy as np
import pytest

from mgk.recordings.measure import check_recording, measure_batch, measure_recording
from mgk.recordings.membrane import _by_charge
from mgk.recordings.protocol import Epoch, Output, Protocol, waveform
from mgk.recordings.quality import DEFAULTS, judge, thresholds
from mgk.simulate import membrane as simulated
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError
from mgk.tables.yaml_file import load_yaml

HOUSE = Path(__file__).resolve().parents[2]
REAL = HOUSE.parent / "shared" / "data" / "recordings"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")
TRUTH = load_yaml(HOUSE / "raw_data" / "truth.yaml")[0]
SETTINGS = {"windows_ms": {"baseline": [1, 9], "steady": [25, 29.5]}, "membrane_test": {"epoch": "B"}}
ROW = {"recording_id": "r1", "configuration": "whole_cell"}


def many(cells_per_animal, animals=3, **damaged):
    """Return the truth with so many cells, and which of them are damaged."""
    truth = copy.deepcopy(TRUTH)
    put_in = truth["recordings"]["test_steps"]
    put_in["animals"]["value"], put_in["cells_per_animal"]["value"] = animals, cells_per_animal
    for damage in simulated.DAMAGES:
        put_in[f"{damage}_cells"]["value"] = damaged.get(damage, [])
    return truth


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    """A hundred cells, a tenth of them damaged, each damage at least three times."""
    folder = tmp_path_factory.mktemp("raw_data")
    damaged = {
        "access_drift": ["step_c07", "step_c31", "step_c58", "step_c94"],
        "lost_seal": ["step_c16", "step_c45", "step_c72"],
        "clipped": ["step_c25", "step_c63", "step_c100"],
    }
    truth = many(10, animals=10, **damaged)
    rows = simulated.write(truth, folder)
    return measure_batch(rows.to_dict("records"), folder, SETTINGS), simulated.cells(truth).set_index("cell_id")


def test_what_was_put_in_comes_out(tested):
    batch, cells = tested
    found = batch.membrane_test.set_index("cell_id")
    good = cells[cells["damage"] == ""]
    assert len(good) == 90
    assert set(found["method"]) == {"charge"}
    for column, tolerance in (("access_mohm", 0.02), ("membrane_mohm", 0.05), ("capacitance_pf", 0.02)):
        ratio = found.loc[good.index, column] / good[column]
        assert ratio.between(1 - tolerance, 1 + tolerance).all()
        assert ratio.mean() == pytest.approx(1, abs=0.01)
    holding = found.loc[good.index, "holding_pa"]
    assert holding.tolist() == pytest.approx((-70e3 / (good["access_mohm"] + good["membrane_mohm"])).tolist(), rel=0.01)


def test_all_damaged_cells_are_excluded_for_their_own_reason_and_no_good_one(tested):
    batch, cells = tested
    quality = batch.quality.set_index("recording_id")
    reasons = {
        "access_drift": "access resistance drifts by",
        "lost_seal": "the seal is lost",
        "clipped": "converter clips",
    }
    for cell, row in quality.iterrows():
        damage = cells.loc[cell, "damage"]
        if damage:
            assert row["verdict"] == "exclude"
            assert reasons[damage] in row["reason"]
            assert ";" not in row["reason"]
        else:
            assert (row["verdict"], row["reason"]) == ("pass", "")
    assert batch.measurements["recording_id"].nunique() == 100, "what is excluded stays"


def test_drifts_are_those_that_were_put_in(tested):
    found = tested[0].membrane_test.set_index("cell_id")
    rise = np.linspace(1, 1.6, 10)
    assert found.loc["step_c07", "access_drift_percent"] == pytest.approx(
        100 * (rise[-3:].mean() / rise[:3].mean() - 1), abs=2
    )
    assert found.loc["step_c16", "membrane_drift_percent"] < -50
    assert found.loc["step_c25", "clipped_percent"] == 100
    assert math.isnan(found.loc["step_c25", "access_mohm"])
    assert found.loc["step_c25", "reason"] == "the converter clips the test (10 of 10 sweeps)"


def test_the_step_may_be_given_in_time_and_read_from_a_recorded_voltage(tmp_path):
    truth = many(1)
    put_in = truth["recordings"]["test_steps"]
    rows = simulated.write(truth, tmp_path).to_dict("records")
    path = tmp_path / rows[0]["file"]
    by_epoch = measure_recording(rows[0], path, SETTINGS).membrane
    by_time = measure_recording(rows[0], path, {**SETTINGS, "membrane_test": {"step_ms": [10, 30]}}).membrane
    assert by_time["access_mohm"].tolist() == by_epoch["access_mohm"].tolist()
    trace = simulated.record(put_in, next(simulated.cells(truth).itertuples()), np.random.default_rng(1))
    output = simulated.output(put_in)
    command = waveform(Protocol(trace.shape[1], (output,), True), output, 0, trace.shape[1])
    signals = [Signal("Im", "pA", 5000.0, trace), Signal("Vm", "mV", 200.0, np.broadcast_to(command / 2, trace.shape))]
    both = write_abf(tmp_path / "v.abf", signals, [output], rate_hz=50_000.0, comment="simulated")
    asked = {**SETTINGS, "membrane_test": {"step_ms": [10, 30]}}
    halved = measure_recording({**ROW, "voltage_channel": "Vm"}, both, asked).membrane
    assert halved["step_mv"][0] == pytest.approx(-5, abs=0.01)
    assert halved["capacitance_pf"][0] == pytest.approx(2 * by_time["capacitance_pf"][0], rel=0.03)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"epoch": "D"}, "membrane_test counts from epoch D: .* no epoch D"),
        ({"step_ms": [30, 50]}, "membrane_test: 30 to 50 ms must lie within the sweep, 40 ms"),
        ({"step_ms": [0, 5]}, "not at its start"),
    ],
)
def test_a_test_that_is_not_there_is_found_before_measuring(tmp_path, asked, reason):
    import re

    row = simulated.write(many(1), tmp_path).to_dict("records")[0]
    found = check_recording(row, tmp_path / row["file"], {**SETTINGS, "membrane_test": asked})
    assert re.search(reason, found[0])
    if "epoch" in asked:
        with pytest.raises(InputError, match=reason):
            measure_recording(row, tmp_path / row["file"], {**SETTINGS, "membrane_test": asked})


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (lambda c: np.zeros_like(c), "the steady current does not follow the step"),
        (lambda c: c / 0.2, "the capacitive transient is not resolved"),
        (lambda c: -c, "the steady current does not follow the step"),
    ],
)
def test_what_is_not_resolved_says_why(tmp_path, current, reason):
    put_in = TRUTH["recordings"]["test_steps"]
    output = simulated.output(put_in)
    command = np.tile(waveform(Protocol(2000, (output,), True), output, 0, 2000), (3, 1))
    path = write_abf(tmp_path / "a.abf", [Signal("Im", "pA", 5000.0, current(command))], [output],
                     rate_hz=50_000.0, comment="simulated")  # fmt: skip
    measured = measure_recording(ROW, path, SETTINGS)
    row = measured.membrane.iloc[0]
    assert row["reason"] == f"{reason} (3 of 3 sweeps)"
    assert math.isnan(row["access_mohm"])
    assert measured.quality["verdict"] == "pass", "what is not known is not judged"


def test_the_holding_level_is_the_one_right_before_the_step():
    """A prepulse in the window before the step must not enter the holding level and the size of the step."""
    cell = next(simulated.cells(TRUTH).itertuples())
    own = cell.access_mohm, cell.membrane_mohm, cell.capacitance_pf
    fine = np.full(2000 * 8, -70.0)
    fine[: 200 * 8], fine[500 * 8 : 1500 * 8] = -20.0, -80.0
    current = simulated.amplified(simulated._clamped_pa(fine, *own, 400_000.0)[None], 400_000.0, 10_000.0)[0, ::8]
    found, reason = _by_charge(current, fine[::8], [(500, 1500)], 50_000.0)
    assert reason == ""
    assert found["step_mv"] == pytest.approx(-10)
    assert [found["access_mohm"], found["capacitance_pf"]] == pytest.approx([own[0], own[2]], rel=0.03)


def test_ramps_tell_the_capacitance(tmp_path):
    """A triangle of 1 mV/ms on 25 pF and 200 MOhm: the ways differ by 2 C dV/dt, their mean has the slope 1/R."""
    epochs = (Epoch(0, "step", -70.0, 100), Epoch(1, "ramp", -50.0, 200), Epoch(2, "ramp", -70.0, 200))
    output = Output("Cmd 0", "mV", -70.0, epochs)
    command = np.tile(waveform(Protocol(640, (output,), True), output, 0, 640), (4, 1))
    current = 1e3 * (command + 70) / 200 + 25 * np.gradient(command, 0.1, axis=1)
    path = write_abf(
        tmp_path / "r.abf", [Signal("Im", "pA", 500.0, current)], [output], rate_hz=1e4, comment="simulated"
    )
    asked = {"windows_ms": {"steady": [1, 9]}, "membrane_test": {"ramp_ms": {"up": [11, 31], "down": [31, 51]}}}
    row = measure_recording(ROW, path, asked).membrane.iloc[0]
    assert row["method"] == "ramp"
    assert row["capacitance_pf"] == pytest.approx(25, rel=0.01)
    assert row["membrane_mohm"] == pytest.approx(200, rel=0.01)
    assert math.isnan(row["access_mohm"])
    crooked = {**asked, "membrane_test": {"ramp_ms": {"up": [11, 31], "down": [12, 30]}}}
    assert "must be equal and opposite" in measure_recording(ROW, path, crooked).membrane["reason"][0]


@with_real
def test_the_real_model_cell():
    """Nominal 10 MOhm, 500 MOhm, 33 pF; expected 10.9 +- 1, 494 +- 15, 32.5 +- 1 (the project's notes, section 3)."""
    asked = {"windows_ms": {"steady": [150, 200]}, "membrane_test": {"epoch": "A"}}
    measured = measure_recording(ROW, REAL / "model_vc_step.abf", asked)
    row = measured.membrane.iloc[0]
    assert row["n_sweeps"] == 20
    assert row["access_mohm"] == pytest.approx(10.9, abs=1)
    assert row["membrane_mohm"] == pytest.approx(494, abs=15)
    assert row["capacitance_pf"] == pytest.approx(32.5, abs=1)
    assert abs(row["access_drift_percent"]) < 3
    assert measured.quality["verdict"] == "pass"


# --- the verdict ------------------------------------------------------------------------------------------------

NUMBERS = {"command_difference_mv": 0.1, "saturated_percent": 0.0, "baseline_sd_pa": 5.0, "baseline_drift_pa": -3.0}
TEST = {
    "access_mohm": 8.0, "membrane_mohm": 400.0, "capacitance_pf": 30.0, "holding_pa": -20.0, "clipped_percent": 0.0,
    "access_drift_percent": 3.0, "membrane_drift_percent": -5.0,
}  # fmt: skip


def verdict(row=None, test=None, numbers=None, settings=None):
    tests = [TEST | test] if test is not None else []
    judged = judge({**ROW, **(row or {})}, NUMBERS | (numbers or {}), tests, settings or {}, [], [])
    return judged["verdict"], judged["reason"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"test": {}}, ("pass", "")),
        ({}, ("pass", "")),
        ({"row": {"seal_mohm": 900.0}}, ("exclude", "seal 900 MOhm, below 1000")),
        ({"row": {"seal_mohm": 1000.0}}, ("pass", "")),
        ({"test": {"access_mohm": 21.0}}, ("exclude", "access resistance 21 MOhm, above 20")),
        ({"test": {"access_mohm": 0.5}}, ("exclude", "access resistance 0.5 MOhm, below 1")),
        ({"test": {"membrane_mohm": 40.0}}, ("exclude", "access over input resistance 0.167, above 0.15")),
        ({"test": {"access_drift_percent": -25.0}}, ("exclude", "access resistance drifts by 25 %, above 20")),
        ({"numbers": {"saturated_percent": 0.5}}, ("warn", "samples at the converter's limit 0.5 %, above 0")),
        ({"numbers": {"saturated_percent": 2.0}}, ("exclude", "samples at the converter's limit 2 %, above 1")),
        ({"test": {"access_mohm": 21.0}, "row": {"configuration": "inside_out"}}, ("pass", "")),
        ({"test": {"access_mohm": 21.0}, "row": {"exclude": "wrong cell"}},
         ("exclude", "wrong cell; access resistance 21 MOhm, above 20")),
    ],
)  # fmt: skip
def test_each_limit_has_its_verdict_and_its_words(changes, expected):
    assert verdict(**changes) == expected


def test_a_threshold_of_the_config_takes_the_place_of_the_default():
    strict = {"access_max": {"value": 5, "unit": "MOhm", "source": "this laboratory"}}
    assert verdict(test={}, settings=strict) == ("exclude", "access resistance 8 MOhm, above 5")
    noisy = {"baseline_noise_max": {"value": 4, "unit": "pA", "source": "this rig"}}
    assert verdict(settings=noisy) == ("warn", "noise of the baseline 5 pA, above 4")
    drifting = {"baseline_drift_max": {"value": 2, "unit": "pA", "source": "this rig"}}
    assert verdict(settings=drifting) == ("warn", "the baseline drifts by 3 pA, above 2")
    assert thresholds(strict)["access_max"].source == "this laboratory"
    assert thresholds({}) == DEFAULTS


def test_every_threshold_has_a_source_and_a_place_in_the_schema():
    schema = load_yaml(HOUSE / "workflow" / "schemas" / "config.schema.yaml")[0]
    experiment = schema["properties"]["recordings"]["properties"]["experiments"]["additionalProperties"]
    assert set(DEFAULTS) <= set(experiment["properties"]["quality"]["properties"]), "current clamp has limits beside"
    assert all(limit.source for limit in DEFAULTS.values())
