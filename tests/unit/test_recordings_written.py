"""From a written ABF file through the reader to the command and to the tables, against numbers that are written out."""

import math
import struct

import numpy as np
import pytest

from mgk.recordings import read_recording
from mgk.recordings.axon.abf2 import SECTIONS
from mgk.recordings.measure import measure_batch, measure_recording
from mgk.recordings.protocol import Epoch, Output, UserList
from mgk.simulate.abf import Signal, write_abf

SWEEPS, N, RATE = 3, 640, 10_000.0
PRE_HOLD = 10  # 640 // 64
ROW = {
    "recording_id": "r1", "experiment": "e", "cell_id": "c1", "animal_id": "a1", "condition": "control",
    "configuration": "whole_cell", "channel": "", "voltage_channel": "", "exclude": "", "file": "r1.abf",
}  # fmt: skip


def write(path, output, current=None, *, unit="pA", full_scale=2000.0, voltage=None):
    current = np.zeros((SWEEPS, N)) if current is None else current
    signals = [Signal("Im", unit, full_scale, current)]
    if voltage is not None:
        signals.append(Signal("Vm", "mV", 200.0, voltage))
    return write_abf(path, signals, [output], rate_hz=RATE, comment="simulated")


def commands(path):
    recording = read_recording(path)
    return np.array([recording.decoded_mv(sweep) for sweep in range(SWEEPS)])


def test_a_cosine_train_of_a_file(tmp_path):
    """Three whole periods of 30 samples; the rest of 5 stays at the level before. The height grows by 5 mV a sweep."""
    epochs = (Epoch(0, "cosine", -50.0, 95, level_step=5.0, period=30),)
    found = commands(write(tmp_path / "a.abf", Output("Cmd 0", "mV", -70.0, epochs)))
    for sweep in range(SWEEPS):
        expected = np.full(N, -70.0)
        for i in range(90):
            expected[PRE_HOLD + i] = -70 + (20 + 5 * sweep) * (1 - math.cos(2 * math.pi * i / 30)) / 2
        np.testing.assert_allclose(found[sweep], expected, rtol=0, atol=1e-9)
    assert found[2].max() == pytest.approx(-40)


def test_a_triangle_train_of_a_file(tmp_path):
    """Up from -60 to +20 mV in 8 samples and back in 12, twice, after a step that is longer in each sweep."""
    epochs = (
        Epoch(0, "step", -60.0, 40, samples_step=10),
        Epoch(1, "triangle", 20.0, 47, period=20, width=8),
    )  # fmt: skip
    found = commands(write(tmp_path / "a.abf", Output("Cmd 0", "mV", -80.0, epochs)))
    one = [-60 + 10.0 * i for i in range(8)] + [20 - 80 * i / 12 for i in range(12)]
    for sweep in range(SWEEPS):
        start = PRE_HOLD + 40 + 10 * sweep
        expected = np.full(N, -80.0)
        expected[PRE_HOLD:start] = -60
        expected[start : start + 47] = [*one, *one, *[-60] * 7]
        np.testing.assert_allclose(found[sweep], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("parameter", "values", "repeats", "counts"),
    [
        ("width", (2, 5, 7), True, (8, 20, 28)),
        ("period", (20, 40), False, (40, 20, 20)),
        ("samples", (40, 80), True, (20, 40, 20)),
    ],
)
def test_a_user_list_of_a_train_of_a_file(tmp_path, parameter, values, repeats, counts):
    """How many samples of 80 stand at the level of the pulses: width 10 and period 20 where the list says nothing."""
    epochs = (Epoch(0, "step", 0.0, 20), Epoch(1, "pulse", 30.0, 80, period=20, width=10))
    listed = UserList(1, parameter, tuple(map(float, values)), repeats)
    found = commands(write(tmp_path / "a.abf", Output("Cmd 0", "mV", 0.0, epochs, user_list=listed)))
    assert [int((sweep == 30).sum()) for sweep in found] == list(counts)
    assert set(np.unique(found)) == {0.0, 30.0}


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e3), ("uV", 1e-3)])
def test_a_command_of_another_unit_becomes_millivolt(tmp_path, unit, factor):
    epochs = (Epoch(0, "step", -0.1, 100, level_step=0.05), Epoch(1, "ramp", 0.1, 100))
    found = commands(write(tmp_path / "a.abf", Output("Cmd 0", unit, -0.08, epochs)))
    assert found[1, 0] == pytest.approx(-0.08 * factor, rel=1e-6)
    assert found[1, PRE_HOLD] == pytest.approx(-0.05 * factor, rel=1e-6)
    assert found[1, PRE_HOLD + 199] == pytest.approx(0.1 * factor, rel=1e-6)


def test_windows_follow_an_epoch_that_starts_later_in_each_sweep(tmp_path):
    current = np.broadcast_to(np.arange(float(N)), (SWEEPS, N))
    epochs = (Epoch(0, "step", -80.0, 100, samples_step=50), Epoch(1, "step", 0.0, 200, level_step=10.0))
    path = write(tmp_path / "r1.abf", Output("Cmd 0", "mV", -80.0, epochs), current)
    settings = {"windows_ms": {"epoch": "B", "baseline": [-5, 0], "steady": [10, 20]}, "corrections": {"leak": "none"}}
    table = measure_recording(ROW, path, settings).measurements
    starts = [PRE_HOLD + 100 + 50 * sweep for sweep in range(SWEEPS)]
    assert table["command_mv"].tolist() == [0, 10, 20]
    assert table["holding_mv"].tolist() == [-80] * SWEEPS
    assert table["windows_from_ms"].tolist() == pytest.approx([s / 10 for s in starts])
    assert table["steady_pa"].tolist() == pytest.approx([s + 149.5 for s in starts], abs=0.1)
    assert table["baseline_pa"].tolist() == pytest.approx([s - 25.5 for s in starts], abs=0.1)


@pytest.mark.parametrize("away_mv", [0.5, 7.25])
def test_a_recorded_voltage_beside_the_command_warns_with_its_size(tmp_path, away_mv):
    output = Output("Cmd 0", "mV", -80.0, (Epoch(0, "step", -80.0, 90), Epoch(1, "step", 20.0, 300)))
    command = np.full((SWEEPS, N), -80.0)
    command[:, 100:400] = 20 - away_mv
    path = write(tmp_path / "r1.abf", output, voltage=command)
    settings = {"windows_ms": {"baseline": [1, 9], "steady": [20, 38]}, "corrections": {"leak": "none"}}
    measured = measure_recording({**ROW, "voltage_channel": "Vm"}, path, settings)
    assert measured.measurements["command_source"].tolist() == ["recorded"] * SWEEPS
    assert measured.measurements["command_mv"].tolist() == pytest.approx([20 - away_mv] * SWEEPS, abs=0.01)
    assert measured.quality["command_difference_mv"] == pytest.approx(away_mv, abs=0.01)
    assert measured.quality["verdict"] == ("warn" if away_mv > 1 else "pass")
    assert ("differ by 7.25 mV, above 1" in measured.quality["reason"]) == (away_mv > 1)


def test_an_inverted_channel_keeps_its_peak_and_its_thumbnail(tmp_path):
    """Some amplifiers are wired the other way round: a scale below zero in the header turns lowest into highest."""
    current = np.zeros((SWEEPS, N))
    current[:, 150], current[:, 250] = 100.0, -400.0
    output = Output("Cmd 0", "mV", -80.0, (Epoch(0, "step", 0.0, 300),))
    path = write(tmp_path / "r1.abf", output, current)
    raw = bytearray(path.read_bytes())
    adc = 512 * struct.unpack_from("<I", raw, 76 + 16 * SECTIONS.index("adc"))[0]
    [scale] = struct.unpack_from("<f", raw, adc + 40)
    struct.pack_into("<f", raw, adc + 40, -scale)
    path.write_bytes(raw)
    settings = {"windows_ms": {"baseline": [1, 9], "peak": [11, 30], "steady": [28, 30]}, "polarity": "outward"}
    measured = measure_recording(ROW, path, settings | {"corrections": {"leak": "none"}})
    assert measured.measurements["peak_pa"].tolist() == pytest.approx([400] * SWEEPS, abs=0.1)
    assert measured.thumbnails["high_pa"].max() == pytest.approx(400, abs=0.1)
    assert measured.thumbnails["low_pa"].min() == pytest.approx(-100, abs=0.1)


# --- two-electrode clamp of an oocyte -----------------------------------------------------------------------------

ACCESS_MOHM, MEMBRANE_MOHM, CAPACITANCE_NF = 0.01, 1.0, 200.0
REVERSAL_MV, HOLDING_MV, STEP_MV = -20.0, -80.0, 20.0
LEVELS_MV = np.array([-120.0, -60.0, 0.0])
STEP, PULSE, LONG = (150, 550), (700, 1100), 1280


def oocyte_current_ua():
    """A membrane of one resistance behind a small access: mV over MOhm is nA; tau in ms is MOhm times nF."""
    series = ACCESS_MOHM + MEMBRANE_MOHM
    tau_ms = CAPACITANCE_NF * ACCESS_MOHM * MEMBRANE_MOHM / series
    current = np.full((len(LEVELS_MV), LONG), (HOLDING_MV - REVERSAL_MV) / series)
    steps = [(STEP, np.full(len(LEVELS_MV), STEP_MV)), (PULSE, LEVELS_MV - HOLDING_MV)]
    for (start, stop), heights in steps:
        for edge, sign in ((start, 1), (stop, -1)):
            t_ms = np.arange(LONG - edge) / RATE * 1e3
            change = 1 / series + (1 / ACCESS_MOHM - 1 / series) * np.exp(-t_ms / tau_ms)
            current[:, edge:] += sign * heights[:, None] * change
    return current / 1e3


def test_two_electrode_clamp_in_microampere_gives_picoampere_and_picofarad(tmp_path):
    first = LONG // 64
    epochs = (
        Epoch(0, "step", HOLDING_MV, STEP[0] - first),
        Epoch(1, "step", HOLDING_MV + STEP_MV, STEP[1] - STEP[0]),
        Epoch(2, "step", HOLDING_MV, PULSE[0] - STEP[1]),
        Epoch(3, "step", LEVELS_MV[0], PULSE[1] - PULSE[0], level_step=60.0),
    )
    signals = [Signal("I TEVC", "uA", 20.0, oocyte_current_ua())]
    outputs = [Output("V cmd", "mV", HOLDING_MV, epochs)]
    write_abf(tmp_path / "r1.abf", signals, outputs, rate_hz=RATE, comment="simulated oocyte")
    settings = {
        "windows_ms": {"baseline": [5, 14], "steady": [90, 109]},
        "membrane_test": {"epoch": "B"},
        "corrections": {"leak": "none"},
    }
    measured = measure_batch([ROW | {"configuration": "two_electrode"}], tmp_path, settings)
    table, [test], [quality] = (
        measured.measurements,
        measured.membrane_test.to_dict("records"),
        measured.quality.to_dict("records"),
    )
    lsb_pa = 20e6 / 32768
    series = ACCESS_MOHM + MEMBRANE_MOHM
    assert table["membrane_mv"].tolist() == LEVELS_MV.tolist()
    assert table["steady_membrane_pa"].tolist() == pytest.approx(
        (1e3 * (LEVELS_MV - REVERSAL_MV) / series).tolist(), abs=lsb_pa
    )
    assert test["method"] == "charge"
    assert test["capacitance_pf"] == pytest.approx(1e3 * CAPACITANCE_NF, rel=0.03)
    assert test["membrane_mohm"] == pytest.approx(MEMBRANE_MOHM, rel=0.03)
    assert test["access_mohm"] == pytest.approx(ACCESS_MOHM, rel=0.1)
    assert test["holding_pa"] == pytest.approx(1e3 * (HOLDING_MV - REVERSAL_MV) / series, abs=lsb_pa)
    # The limits of whole-cell access (1 to 20 MOhm) and of a seal are none of an oocyte's.
    assert (quality["verdict"], quality["reason"]) == ("pass", "")
