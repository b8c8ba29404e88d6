import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgk.recordings import read_recording
from mgk.recordings.measure import (
    MEASUREMENT_COLUMNS,
    check_recording,
    measure_batch,
    measure_recording,
    reported_filter_hz,
)
from mgk.recordings.plan import membrane_sign
from mgk.recordings.protocol import Epoch, Output, Protocol, waveform
from mgk.recordings.recording import Telegraph
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "recordings"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")

SWEEPS, N, RATE = 5, 640, 10_000.0
OUTPUT = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", -60.0, 90), Epoch(1, "step", -100.0, 300, level_step=40.0)))
COMMAND = np.array([waveform(Protocol(N, (OUTPUT,), True), OUTPUT, s, N) for s in range(SWEEPS)])
WINDOWS = {"baseline": [1, 9], "peak": [10, 20], "steady": [30, 38], "tail": [42, 50]}
SETTINGS = {"windows_ms": WINDOWS, "polarity": "absolute", "corrections": {"leak": "none"}}
ROW = {
    "recording_id": "r1", "experiment": "e", "cell_id": "c1", "animal_id": "a1", "condition": "control",
    "configuration": "whole_cell", "channel": "", "voltage_channel": "", "exclude": "", "resting_mv": math.nan,
}  # fmt: skip
LSB = 2000 / 32768


def write(path, current, voltage=None, unit="pA", output=OUTPUT):
    signals = [Signal("Im", unit, 2000.0, np.broadcast_to(current, (SWEEPS, N)))]
    if voltage is not None:
        signals.append(Signal("Vm", "mV", 200.0, voltage))
    return write_abf(path, signals, [output], rate_hz=RATE, comment="simulated")


def measure(path, settings=SETTINGS, **row):
    measured = measure_recording({**ROW, **row}, path, settings)
    return measured.measurements, measured.quality


@pytest.fixture
def ramp(tmp_path):
    """A current that grows by 1 pA a sample and 10 pA a sweep: each window has its own mean."""
    return write(tmp_path / "ramp.abf", np.arange(N) - 300 + 10 * np.arange(SWEEPS)[:, None])


def test_means_peak_and_command_of_each_window(ramp):
    table, quality = measure(ramp)
    assert tuple(table.columns) == MEASUREMENT_COLUMNS
    assert table["sweep"].tolist() == list(range(SWEEPS))
    for sweep, row in enumerate(table.itertuples()):
        assert row.baseline_pa == pytest.approx(49.5 - 300 + 10 * sweep, abs=LSB)
        assert row.steady_pa == pytest.approx(339.5 - 300 + 10 * sweep, abs=LSB)
        assert row.tail_pa == pytest.approx(459.5 - 300 + 10 * sweep, abs=LSB)
        assert row.peak_pa == pytest.approx(100 - 300 + 10 * sweep, abs=LSB)
        assert (row.holding_mv, row.command_mv, row.membrane_mv) == (-60, -100 + 40 * sweep, -100 + 40 * sweep)
        assert row.command_source == "decoded"
        assert (row.steady_membrane_pa, row.peak_membrane_pa) == (row.steady_pa, row.peak_pa)
    assert (quality["verdict"], quality["reason"], quality["sweeps"]) == ("pass", "", SWEEPS)
    assert quality["baseline_drift_pa"] == pytest.approx(40, abs=LSB)


def test_windows_may_count_from_an_epoch(ramp):
    from_epoch, _ = measure(ramp, {"windows_ms": {"epoch": "B", "baseline": [0, 5], "steady": [20, 28]}})
    from_start, _ = measure(ramp, {"windows_ms": {"baseline": [10, 15], "steady": [30, 38]}})
    pd.testing.assert_frame_equal(*(t.drop(columns="windows_from_ms") for t in (from_epoch, from_start)))
    assert set(from_epoch["windows_from_ms"] - from_start["windows_from_ms"]) == {10.0}
    with pytest.raises(InputError, match=r"ramp\.abf: r1: windows count from epoch C: .* no epoch C"):
        measure(ramp, {"windows_ms": {"epoch": "C", "steady": [0, 5]}})


def test_a_tail_without_a_window_is_empty(ramp):
    table, _ = measure(ramp, {"windows_ms": {"baseline": [1, 9], "steady": [30, 38]}})
    assert table[["tail_pa", "peak_pa", "peak_membrane_pa"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("configuration", "sign"),
    [
        ("whole_cell", 1), ("perforated", 1), ("two_electrode", 1), ("outside_out", 1), ("inside_out", -1),
        ("cell_attached", -1),
    ],
)  # fmt: skip
def test_potential_and_current_across_the_membrane(ramp, configuration, sign):
    table, quality = measure(ramp, configuration=configuration, resting_mv=-50.0)
    rest = -50 if configuration == "cell_attached" else 0
    assert table["membrane_mv"].tolist() == [rest + sign * (-100 + 40 * s) for s in range(SWEEPS)]
    assert table["steady_membrane_pa"].tolist() == (sign * table["steady_pa"]).tolist()
    assert table["peak_membrane_pa"].tolist() == (sign * table["peak_pa"]).tolist()
    assert quality["verdict"] == "pass"
    assert membrane_sign(configuration) == sign


@pytest.mark.parametrize(
    ("configuration", "known"), [("", []), ("cell_attached", ["steady_membrane_pa", "peak_membrane_pa"])]
)
def test_what_the_row_does_not_say_is_not_guessed(ramp, configuration, known):
    table, quality = measure(ramp, configuration=configuration)
    for column in ("membrane_mv", "steady_membrane_pa", "peak_membrane_pa"):
        assert table[column].notna().all() == (column in known)
    assert table["steady_pa"].notna().all()
    assert quality["verdict"] == "warn"
    assert "not known" in quality["reason"]
    with pytest.raises(InputError, match="inside_out"):
        measure(ramp, configuration="inside-out")


@pytest.mark.parametrize(
    ("polarity", "configuration", "expected"),
    [
        ("outward", "whole_cell", 200), ("inward", "whole_cell", -300), ("absolute", "whole_cell", -300),
        ("outward", "inside_out", -300), ("inward", "inside_out", 200), ("absolute", "inside_out", -300),
    ],
)  # fmt: skip
def test_the_polarity_of_the_peak_is_that_of_the_membrane(tmp_path, polarity, configuration, expected):
    current = np.zeros(N)
    current[[120, 150, 250]] = 200, -300, 900
    path = write(tmp_path / "a.abf", current)
    table, _ = measure(path, {**SETTINGS, "polarity": polarity}, configuration=configuration)
    assert table["peak_pa"].tolist() == pytest.approx([expected] * SWEEPS, abs=LSB)


@pytest.mark.parametrize(("unit", "factor"), [("nA", 1e3), ("A", 1e12), ("uA", 1e6)])
def test_currents_of_other_units_become_picoampere(tmp_path, unit, factor):
    table, _ = measure(write(tmp_path / "a.abf", np.full(N, 5.0), unit=unit))
    assert table["steady_pa"].tolist() == pytest.approx([5 * factor] * SWEEPS, abs=LSB * factor)


def test_a_channel_that_is_no_current_is_excluded_not_relabelled(tmp_path):
    table, quality = measure(write(tmp_path / "a.abf", np.full(N, -65.0), unit="mV"))
    assert table.empty
    assert tuple(table.columns) == MEASUREMENT_COLUMNS
    assert quality["verdict"] == "exclude"
    assert "is in 'mV', not a current" in quality["reason"]


def test_the_recorded_voltage_is_preferred_and_compared(tmp_path):
    agreeing = write(tmp_path / "a.abf", np.zeros(N), voltage=COMMAND + 0.4)
    table, quality = measure(agreeing, voltage_channel="Vm")
    assert set(table["command_source"]) == {"recorded"}
    assert table["command_mv"].tolist() == pytest.approx([-99.6, -59.6, -19.6, 20.4, 60.4], abs=0.01)
    assert quality["command_difference_mv"] == pytest.approx(0.4, abs=0.01)
    assert quality["verdict"] == "pass"
    off = COMMAND.copy()
    off[3, 100:400] += 7
    table, quality = measure(write(tmp_path / "b.abf", np.zeros(N), voltage=off), voltage_channel="Vm")
    assert table["membrane_mv"][3] == pytest.approx(27, abs=0.01)
    assert quality["verdict"] == "warn"
    assert quality["reason"] == "the recorded and the decoded command differ by 7 mV, above 1"


def test_of_two_headstages_the_row_names_the_output_that_commands_its_channel(tmp_path):
    other = Output("Cmd 1", "mV", -80.0, (Epoch(0, "step", -80.0, 90), Epoch(1, "step", 10.0, 300)))
    signals = [Signal(name, "pA", 2000.0, np.zeros((SWEEPS, N))) for name in ("Im 0", "Im 1")]
    path = write_abf(tmp_path / "a.abf", signals, [OUTPUT, other], rate_hz=RATE, comment="simulated")
    [reason] = check_recording(ROW, path, SETTINGS)
    assert "the header has 'Cmd 0', 'Cmd 1'; command_output of recordings.csv names one" in reason
    first, _ = measure(path, channel="Im 0", command_output="Cmd 0")
    assert first["command_mv"].tolist() == [-100, -60, -20, 20, 60]
    windows = {**WINDOWS, "epoch": "B"} | {"baseline": [-5, 0], "steady": [20, 28], "tail": [31, 35]}
    second, quality = measure(path, SETTINGS | {"windows_ms": windows}, channel="Im 1", command_output="1")
    assert second["command_mv"].tolist() == [10] * SWEEPS
    assert set(second["holding_mv"]) == {-80}
    assert quality["command_source"] == "decoded"
    [reason] = check_recording(ROW | {"command_output": "Cmd 2"}, path, SETTINGS)
    assert reason == "command_output 'Cmd 2' must be one of: 0 = 'Cmd 0' (mV), 1 = 'Cmd 1' (mV)"


def test_a_command_that_cannot_be_decoded_needs_a_recorded_voltage(tmp_path):
    import struct

    from mgk.recordings.axon.abf2 import SECTIONS

    path = write(tmp_path / "a.abf", np.zeros(N), voltage=COMMAND)
    raw = bytearray(path.read_bytes())
    dac = struct.unpack_from("<I", raw, 76 + 16 * SECTIONS.index("dac"))[0] * 512
    struct.pack_into("<h", raw, dac + 42, 2)
    path.write_bytes(bytes(raw))
    table, quality = measure(path, voltage_channel="Vm")
    assert table["command_mv"].tolist() == pytest.approx(COMMAND[:, 300].tolist(), abs=0.01)
    assert math.isnan(quality["command_difference_mv"])
    with pytest.raises(InputError, match=r"a\.abf: r1: no voltage channel is named, and .*stimulus file"):
        measure(path)
    assert "stimulus file" in check_recording(ROW, path, SETTINGS)[0]


def test_labels_that_contradict_each_other_are_doubtful(tmp_path):
    """The stimulus is a current, and so is the recorded channel: one of them is mislabelled."""
    clamp = Output("Cmd 0", "pA", 0.0, OUTPUT.epochs)
    path = write(tmp_path / "a.abf", np.zeros(N), voltage=COMMAND, output=clamp)
    _, quality = measure(path, voltage_channel="Vm")
    assert quality["verdict"] == "warn"
    assert "one label is wrong" in quality["reason"]


def test_saturation_is_counted_in_the_windows_only(tmp_path):
    current = np.zeros((SWEEPS, N))
    current[:, 600:] = 1e6
    _, quality = measure(write(tmp_path / "a.abf", current))
    assert (quality["verdict"], quality["saturated_percent"]) == ("pass", 0)
    current[2, 310:312] = -1e6
    _, quality = measure(write(tmp_path / "b.abf", current))
    assert quality["verdict"] == "warn"
    assert quality["saturated_percent"] == pytest.approx(100 * 2 / (SWEEPS * 340))
    current[2:, 310:380] = 1e6
    _, quality = measure(write(tmp_path / "c.abf", current))
    assert quality["verdict"] == "exclude"
    assert "converter's limit" in quality["reason"]


def test_noise_of_the_baseline(tmp_path):
    noise = np.random.default_rng(5).normal(0, 8, (SWEEPS, N))
    _, quality = measure(write(tmp_path / "a.abf", noise))
    assert quality["baseline_sd_pa"] == pytest.approx(8, rel=0.1)


def test_no_drift_is_given_where_the_holding_level_moves(tmp_path):
    moving = Output("Cmd 0", "mV", -60.0, OUTPUT.epochs, persists=True)
    early = {"windows_ms": {"baseline": [0, 1], "steady": [30, 38]}}
    table, quality = measure(write(tmp_path / "a.abf", np.zeros(N), output=moving), early)
    assert table["holding_mv"].tolist() == [-60, -100, -60, -20, 20]
    assert math.isnan(quality["baseline_drift_pa"])


def test_an_excluded_recording_is_measured_all_the_same(ramp):
    table, quality = measure(ramp, exclude="seal lost")
    assert (quality["verdict"], quality["reason"]) == ("exclude", "seal lost")
    pd.testing.assert_frame_equal(table, measure(ramp)[0])


@pytest.mark.parametrize(
    ("change", "row", "reason"),
    [
        (
            {"windows_ms": {"baseline": [1, 9], "steady": [30, 70]}},
            {},
            r"r1: window steady \(30 to 70 ms\).*64 ms long",
        ),
        ({"windows_ms": {"steady": [30.01, 30.02]}}, {}, "window steady .* must hold a sample"),
        ({"windows_ms": {"baseline": [1, 9]}}, {}, "steady or ramp is needed"),
        (
            {"windows_ms": {"steady": [1, 9], "plateau": [1, 2]}},
            {},
            "baseline, peak, steady, tail, kinetics, ramp, ramp_back are allowed",
        ),
        ({"polarity": "up"}, {}, "outward, inward, absolute"),
        ({}, {"channel": "IN 7"}, r"'IN 7' must be one of: 0 = 'Im' \(pA\)"),
        ({}, {"voltage_channel": "Im"}, "is in 'pA', not a voltage"),
    ],
)
def test_settings_that_do_not_fit_are_found_before_and_when_measuring(ramp, change, row, reason):
    with pytest.raises(InputError, match=reason):
        measure(ramp, {**SETTINGS, **change}, **row)
    found = check_recording({**ROW, **row}, ramp, {**SETTINGS, **change})
    assert len(found) == 1


def test_a_recording_in_order_has_no_problems(ramp):
    assert check_recording(ROW, ramp, SETTINGS) == []
    assert check_recording(ROW, ramp.with_name("none.abf"), SETTINGS) == ["this file is missing"]


def test_an_aborted_last_sweep_is_left_out_and_said(tmp_path):
    import struct

    from mgk.recordings.axon.abf2 import SECTIONS

    path = write(tmp_path / "a.abf", np.zeros(N))
    raw = bytearray(path.read_bytes())
    entry = 76 + 16 * SECTIONS.index("synch")
    synch = struct.unpack_from("<I", raw, entry)[0] * 512
    struct.pack_into("<i", raw, synch + 8 * (SWEEPS - 1) + 4, 100)
    struct.pack_into("<q", raw, 76 + 16 * SECTIONS.index("data") + 8, (SWEEPS - 1) * N + 100)
    path.write_bytes(bytes(raw))
    table, quality = measure(path)
    assert len(table) == SWEEPS - 1
    assert quality["verdict"] == "warn"
    assert "aborted" in quality["reason"]


def test_a_batch_joins_its_recordings_in_their_order(tmp_path, ramp):
    write(tmp_path / "mv.abf", np.zeros(N), unit="mV")
    rows = [
        {**ROW, "recording_id": "r2", "file": "ramp.abf"},
        {**ROW, "recording_id": "bad", "file": "mv.abf"},
        {**ROW, "recording_id": "r1", "file": "ramp.abf", "exclude": None, "condition": math.nan},
    ]
    batch = measure_batch(rows, tmp_path, SETTINGS)
    table, quality = batch.measurements, batch.quality
    assert table["recording_id"].tolist() == ["r2"] * SWEEPS + ["r1"] * SWEEPS
    assert quality["recording_id"].tolist() == ["r2", "bad", "r1"]
    assert quality["verdict"].tolist() == ["pass", "exclude", "pass"]
    assert quality["condition"].tolist() == ["control", "control", ""]
    only_bad = measure_batch(rows[1:2], tmp_path, SETTINGS).measurements
    assert tuple(only_bad.columns) == MEASUREMENT_COLUMNS


def test_a_thumbnail_holds_the_extremes_of_each_bin(ramp):
    thumbnail = measure_recording(ROW, ramp, SETTINGS).thumbnails
    assert len(thumbnail) == SWEEPS * 60
    one = thumbnail[thumbnail["sweep"] == 2]
    assert (one["start_ms"].iloc[0], one["end_ms"].iloc[-1]) == (0, N / RATE * 1e3)
    assert one["start_ms"].tolist()[1:] == one["end_ms"].tolist()[:-1]
    samples = (one["end_ms"] - one["start_ms"]) * RATE / 1e3
    assert (one["high_pa"] - one["low_pa"]).tolist() == pytest.approx((samples - 1).tolist(), abs=0.1)
    assert one["low_pa"].iloc[0] == pytest.approx(-280, abs=LSB)


@pytest.mark.parametrize("piece", [7, 100])
def test_a_long_signal_is_measured_in_pieces(ramp, monkeypatch, piece):
    whole = measure_recording(ROW, ramp, SETTINGS)
    monkeypatch.setattr("mgk.recordings.windows.PIECE_SAMPLES", piece)
    monkeypatch.setattr("mgk.recordings.recording.BLOCK_SAMPLES", piece)
    parts = measure_recording(ROW, ramp, SETTINGS)
    pd.testing.assert_frame_equal(parts.measurements, whole.measurements, rtol=1e-12)
    pd.testing.assert_frame_equal(parts.thumbnails, whole.thumbnails)
    assert parts.quality["baseline_sd_pa"] == pytest.approx(whole.quality["baseline_sd_pa"], rel=1e-9)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.floats(-5, 80), length=st.floats(-1, 80))
def test_any_window_is_measured_or_refused(ramp, start, length):
    wanted = {"windows_ms": {"steady": [start, start + length]}}
    first, last = round(start * 10), round((start + length) * 10)
    if 0 <= first < last <= N:
        table, _ = measure(ramp, wanted)
        assert table["steady_pa"][0] == pytest.approx((first + last - 1) / 2 - 300, abs=LSB)
    else:
        with pytest.raises(InputError, match="window steady"):
            measure(ramp, wanted)


@with_real
def test_a_real_i_v_relation():
    windows = {"baseline": [300, 540], "peak": [560, 700], "steady": [800, 1050]}
    table, quality = measure(REAL / "17o05024_vc_steps.abf", {"windows_ms": windows, "polarity": "outward"})
    assert table["command_mv"].tolist() == [-110, -100, -90, -80, -70, -60, -50]
    assert table["holding_mv"].tolist() == [-70] * 7
    expected = [-49.26266697, -41.07777939, -35.65502555, -28.22512006, -22.91264454, -18.21237614, -13.80351456]
    assert table["steady_pa"].tolist() == pytest.approx(expected, abs=1e-4)
    assert quality["verdict"] == "pass"
    counted, _ = measure(REAL / "17o05024_vc_steps.abf", {"windows_ms": {"epoch": "B", "steady": [245.35, 495.35]}})
    assert counted["command_mv"].tolist() == table["command_mv"].tolist()


@with_real
def test_a_real_recorded_voltage_wins_over_the_protocol():
    windows = {"baseline": [1950, 2380], "steady": [3900, 4200]}
    table, quality = measure(REAL / "user-list-durations.abf", {"windows_ms": windows}, voltage_channel="AO #0")
    assert table["command_mv"].tolist() == [-145, -130, -115]
    assert table["steady_pa"].tolist() == pytest.approx([-1177.17956543, -878.94573975, -580.52075195], abs=1e-4)
    assert quality["command_difference_mv"] == pytest.approx(0, abs=1e-6)
    assert math.isnan(quality["saturated_percent"])


@with_real
def test_a_real_level_that_persists_and_a_real_event_driven_file():
    table, _ = measure(REAL / "171116sh_0013.abf", {"windows_ms": {"baseline": [0, 15], "steady": [700, 990]}})
    assert table["command_mv"].tolist() == list(range(-110, -45, 5))
    assert table["holding_mv"].tolist() == [-70, *range(-110, -50, 5)]
    table, quality = measure(REAL / "2020_06_16_0000.abf", {"windows_ms": {"steady": [0, 350]}})
    assert table["steady_pa"].tolist() == pytest.approx([0.54146903, 0.54678781, 0.53806847], abs=1e-4)
    assert "not episodic" in quality["reason"]


@with_real
def test_real_current_clamp_is_no_current():
    table, quality = measure(REAL / "190619B_0003.abf")
    assert table.empty
    assert quality["verdict"] == "exclude"


@pytest.mark.parametrize(
    ("peaks", "polarity", "told"),
    [
        ([-300, -100, 50, 200], "absolute", ""),  # a current that reverses
        ([-300, 100, -50, 200], "absolute", "changes 3 times"),
        ([-300, 100, -50, 200], "outward", ""),
        ([-300, 8, -8, 200], "absolute", ""),  # within the noise, whose standard deviation is 2 pA
    ],
)
def test_a_peak_that_changes_its_sign_more_than_once_is_told(tmp_path, peaks, polarity, told):
    output = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", -60.0, 90), Epoch(1, "step", -100.0, 300, level_step=40.0)))
    current = np.tile(np.where(np.arange(N) % 2, 2.0, -2.0), (4, 1))
    current[:, 150] += peaks
    path = write_abf(tmp_path / "p.abf", [Signal("Im", "pA", 2000.0, current)], [output], rate_hz=RATE, comment="s")
    _, quality = measure(path, {**SETTINGS, "polarity": polarity})
    assert (quality["verdict"], told in quality["reason"]) == ("warn" if told else "pass", True)


@pytest.mark.parametrize(
    ("reported", "known"),
    [([], math.nan), ([2000.0], 2000.0), ([2000.0, None], 2000.0), ([2000.0, 5000.0], math.nan)],
)
def test_the_filter_is_what_the_amplifier_reported(tmp_path, reported, known):
    recording = read_recording(write(tmp_path / "a.abf", np.zeros(N)))
    telegraph = {channel: Telegraph(filter_hz=hz) for channel, hz in enumerate(reported)}
    found = reported_filter_hz(dataclasses.replace(recording, telegraph=telegraph))
    assert found == pytest.approx(known, nan_ok=True)
