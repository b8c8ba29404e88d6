"""Ramps: bins of the command, the capacitive current, the whole way into a current-voltage relation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgk.currents import cell_curves, cell_fits, reversal_potentials
from mgk.measured_currents import steady_currents
from mgk.recordings import read_recording
from mgk.recordings.corrections import check_corrections, correct
from mgk.recordings.measure import check_recording, measure_batch, measure_recording
from mgk.recordings.protocol import Epoch, Output, Protocol, waveform
from mgk.recordings.ramp import ramp_bins
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "recordings"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")

SWEEPS, N, RATE = 2, 6400, 10_000.0
# Holding 10 ms (with the 10 ms before epoch A), up in 250 ms, 50 ms at the top, down in 250 ms.
OUTPUT = Output("Cmd 0", "mV", -80.0, (
    Epoch(0, "step", -100.0, 200), Epoch(1, "ramp", 100.0, 2500), Epoch(2, "step", 100.0, 500),
    Epoch(3, "ramp", -100.0, 2500),
))  # fmt: skip
COMMAND = np.array([waveform(Protocol(N, (OUTPUT,), True), OUTPUT, s, N) for s in range(SWEEPS)])
SETTINGS = {
    "windows_ms": {"baseline": [1, 9], "ramp": [31, 279], "ramp_back": [331, 579]},
    "corrections": {"ramp_capacitance": "ramp_back"},
}
ONE_WAY = {"windows_ms": {"baseline": [1, 9], "ramp": [31, 279]}}
ROW = {
    "recording_id": "r1", "experiment": "e", "cell_id": "c1", "animal_id": "a1", "condition": "control",
    "file": "a.abf", "configuration": "whole_cell", "channel": "Im", "exclude": "", "ligand": "", "temperature_c": 22.0,
    "cell_capacitance_pf": 30.0,
}  # fmt: skip
G_NS, E_MV, C_PF = 5.0, -62.0, 30.0


def write(path, sign=1.0, voltage=None):
    """A leak of 5 nS that reverses at -62 mV, behind a capacitance of 30 pF, without noise."""
    vm = sign * COMMAND
    slope = np.gradient(vm, 1e3 / RATE, axis=1)
    current = sign * (G_NS * (vm - E_MV) + C_PF * slope)
    signals = [Signal("Im", "pA", 5000.0, current)]
    if voltage is not None:
        signals.append(Signal("Vm", "mV", 200.0, voltage))
    return write_abf(path, signals, [OUTPUT], rate_hz=RATE, comment="simulated")


def relation(path, asked=SETTINGS, **row):
    row = {**ROW, **row}
    batch = measure_batch([row], path.parent, asked)
    corrected, ledger = correct(batch.measurements, batch.membrane_test, [row], asked, {})
    return batch, corrected, ledger


@pytest.mark.parametrize("configuration", ["whole_cell", "inside_out"])
def test_a_ramp_there_and_back_gives_the_relation_without_its_capacitive_current(tmp_path, configuration):
    path = write(tmp_path / "a.abf", -1.0 if configuration == "inside_out" else 1.0)
    batch, corrected, ledger = relation(path, configuration=configuration)
    assert batch.quality["verdict"].tolist() == ["pass"]
    # The windows stop 0.8 mV before the ends of the ramps: the bins there are less than half full, and left out.
    assert len(corrected) == SWEEPS * 2 * 39
    apart = batch.measurements["steady_membrane_pa"] - G_NS * (batch.measurements["membrane_mv"] - E_MV)
    assert apart.abs().min() > 20  # 0.8 mV/ms times 30 pF is 24 pA
    expected = G_NS * (corrected["membrane_mv"] - E_MV)
    assert corrected["steady_membrane_pa"].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.2)
    [entry] = ledger.to_dict("records")
    assert (entry["correction"], entry["unit"]) == ("ramp_capacitance", "pF")
    assert entry["value"] == pytest.approx(C_PF, rel=0.01)


def test_the_relation_of_a_ramp_has_a_reversal_potential_and_a_conductance(tmp_path):
    batch, corrected, _ = relation(write(tmp_path / "a.abf"))
    empty = dict.fromkeys(("pipette_solution", "bath_solution", "zero_solution", "ligand_side"), "")
    rows = pd.DataFrame([{**ROW, **empty, "ligand_total_mm": np.nan}])
    points = steady_currents(corrected, batch.quality, rows, None, "ramp")
    reversals = reversal_potentials(points)
    curve = cell_curves(points, "ramp", reversals)
    assert curve["level_mv"].tolist() == list(range(-95, 96, 5))
    assert set(curve["n_sweeps"]) == {2 * SWEEPS}  # there and back
    fits = cell_fits(points, reversals).set_index("parameter")["estimate"]
    assert fits["reversal_mv"].iloc[0] == pytest.approx(E_MV, abs=0.1)
    assert fits["slope_conductance_ns"].iloc[0] == pytest.approx(G_NS, rel=0.01)


def test_one_ramp_needs_a_capacitance_from_elsewhere(tmp_path):
    path = write(tmp_path / "a.abf")
    stated = {**ONE_WAY, "corrections": {"ramp_capacitance": "stated"}}
    _, corrected, ledger = relation(path, stated)
    expected = G_NS * (corrected["membrane_mv"] - E_MV)
    assert corrected["steady_membrane_pa"].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.2)
    assert ledger["source"].str.startswith("stated").all()
    nowhere = {**ONE_WAY, "corrections": {"ramp_capacitance": "ramp_back"}}
    assert [c for c, *_ in check_corrections(ROW, nowhere, {}, set())] == ["recording_id"]
    _, empty, _ = relation(path, nowhere)
    assert empty["steady_membrane_pa"].isna().all()
    assert [c for c, *_ in check_corrections({**ROW, "cell_capacitance_pf": ""}, stated, {}, set())] == [
        "cell_capacitance_pf"
    ]


def test_a_recorded_voltage_bins_a_ramp_and_is_noisy(tmp_path):
    noisy = COMMAND + np.random.default_rng(5).normal(0, 0.3, COMMAND.shape)
    path = write(tmp_path / "a.abf", voltage=noisy)
    _, corrected, _ = relation(path, voltage_channel="Vm")
    assert set(corrected["command_source"]) == {"recorded"}
    expected = G_NS * (corrected["membrane_mv"] - E_MV)
    assert corrected["steady_membrane_pa"].to_numpy() == pytest.approx(expected.to_numpy(), abs=3)


def test_a_window_without_a_ramp_is_excluded_with_its_reason(tmp_path):
    path = write(tmp_path / "a.abf")
    measured = measure_recording(ROW, path, {"windows_ms": {"baseline": [1, 9], "ramp": [281, 325]}})
    assert measured.measurements.empty
    assert measured.quality["verdict"] == "exclude"
    assert "the command is no ramp" in measured.quality["reason"]
    bent = measure_recording(ROW, path, {"windows_ms": {"baseline": [1, 9], "ramp": [100, 500]}})
    assert bent.quality["verdict"] == "exclude"


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        ({"ramp": [31, 279], "peak": [1, 2]}, "ramp goes with baseline and ramp_back only"),
        ({"steady": [1, 2], "ramp_back": [31, 279]}, "ramp_back needs ramp"),
        ({"ramp": [31, 2790]}, "window ramp .* must hold a sample and lie within sweep 0"),
    ],
)
def test_windows_that_do_not_go_together(tmp_path, windows, reason):
    path = write(tmp_path / "a.abf")
    with pytest.raises(InputError, match=reason):
        measure_recording(ROW, path, {"windows_ms": {"baseline": [1, 9], **windows}})
    assert check_recording(ROW, path, {"windows_ms": {"baseline": [1, 9], **windows}})


@given(start=st.floats(-200, 200), span=st.floats(20, 300), down=st.booleans(), width=st.floats(2, 6))
@settings(max_examples=40, deadline=None)
def test_bins_of_a_straight_current_lie_on_it(start, span, down, width):
    command = np.linspace(start, start - span if down else start + span, 2000)
    bins = ramp_bins(command, 3 * command + 7, width, 1000.0)
    assert len(bins) >= span / width - 1
    for one in bins:
        assert one["current_pa"] == pytest.approx(3 * one["command_mv"] + 7, abs=1e-9)
        assert one["ramp_mv_per_ms"] == pytest.approx((-span if down else span) / 1999, rel=1e-9)


def test_a_recording_may_have_windows_and_a_polarity_of_its_own(tmp_path):
    path = write(tmp_path / "a.abf")
    common = {"windows_ms": {"baseline": [1, 9], "peak": [100, 110], "steady": [290, 320]}, "polarity": "outward"}
    own = {**common, "overrides": {"r1": {"windows_ms": {"steady": [300, 320]}, "polarity": "inward"}}}
    other = {**common, "overrides": {"r2": {"polarity": "inward"}}}
    expected = {**common, "windows_ms": {**common["windows_ms"], "steady": [300, 320]}, "polarity": "inward"}
    found = [measure_recording(ROW, path, s).measurements for s in (own, other, expected, common)]
    pd.testing.assert_frame_equal(found[0], found[2])
    pd.testing.assert_frame_equal(found[1], found[3])
    assert found[0]["peak_pa"].iloc[0] < found[3]["peak_pa"].iloc[0]


# --- real recordings --------------------------------------------------------------------------------------------


@with_real
def test_a_real_ramp_follows_its_samples():
    path = REAL / "DM1_0002.abf"
    recording = read_recording(path)
    ms = [s * 1e3 / recording.rate_hz for s in (5937, 17937)]
    row = {**ROW, "channel": ""}
    table = measure_recording(row, path, {"windows_ms": {"baseline": [1, 20], "ramp": ms}}).measurements
    first = table[table["sweep"] == 0]
    assert first["command_mv"].tolist()[1:-1] == pytest.approx(range(-95, 60, 5), abs=0.02)
    assert (first["command_mv"].iloc[0], first["command_mv"].iloc[-1]) == pytest.approx((-98.75, 58.75), abs=0.02)
    assert first["ramp_mv_per_ms"].iloc[0] == pytest.approx(160 / (ms[1] - ms[0]), rel=1e-3)
    v, i = recording.decoded_mv(0)[5937:17937], recording.signal(0, 0, 5937, 17937)
    at = first.iloc[(first["command_mv"] - 20).abs().argmin()]
    assert at["steady_pa"] == pytest.approx(i[np.rint(v / 5) == 4].mean(), rel=1e-9)


@with_real
@pytest.mark.parametrize("number", [3, 6])
def test_a_real_ramp_of_a_potassium_current_agrees_with_the_steps_of_the_same_cell(number):
    """Steps and a slow ramp of one cell, minutes apart: the currents have one shape, if not one size."""
    cell = REAL / "potassium_cell"
    row = {**ROW, "channel": ""}
    ramp = measure_recording(
        row, cell / f"26DEZ18SH_10_000{number}.abf", {"windows_ms": {"baseline": [250, 330], "ramp": [337.1, 2337.1]}}
    ).measurements
    steps = measure_recording(
        row, cell / f"26DEZ18SH_10_000{number - 1}.abf", {"windows_ms": {"baseline": [150, 250], "steady": [600, 750]}}
    ).measurements
    assert ramp["ramp_mv_per_ms"].to_numpy() == pytest.approx(0.07, rel=1e-3)
    by_ramp = ramp.groupby(ramp["command_mv"].round(-1))["steady_pa"].mean()
    by_step = steps.groupby("command_mv")["steady_pa"].mean()
    both = by_ramp.index.intersection(by_step.index)
    assert len(both) >= 12
    # The second pair is a third apart at the top: the current had grown meanwhile.
    assert (by_ramp[both] - by_step[both]).abs().max() < 0.4 * by_step.max()
    assert np.corrcoef(by_ramp[both], by_step[both])[0, 1] > 0.99
