import logging
import warnings

import numpy as np
import pytest
from neo.rawio import AxonRawIO

from mgk.recordings import check_header, read_recording
from mgk.recordings.protocol import Epoch, Output, Protocol, UserList, waveform
from mgk.simulate.abf import Signal, write_abf

SWEEPS, N, RATE = 4, 640, 5000.0
STEPS = Output("Cmd 0", "mV", -70.0, (Epoch(0, "step", -70.0, 90), Epoch(1, "step", -110.0, 200, level_step=20.0)))


def commands(output):
    return np.array([waveform(Protocol(N, (output,), True), output, s, N) for s in range(SWEEPS)])


@pytest.fixture
def current():
    return np.random.default_rng(7).normal(0, 400, (SWEEPS, N))


def write(path, current, outputs=(STEPS,), voltage=None):
    signals = [Signal("Im", "pA", 2000.0, current)]
    if voltage is not None:
        signals.append(Signal("Vm", "mV", 200.0, voltage))
    return write_abf(path, signals, outputs, rate_hz=RATE, comment="SIMULATED, for a test")


def test_our_reader_gives_back_what_was_written(tmp_path, current):
    path = write(tmp_path / "a.abf", current, voltage=commands(STEPS))
    assert check_header(path) == []
    recording = read_recording(path)
    assert recording.rate_hz == RATE
    assert recording.format == "ABF 2.6.0.0"
    assert recording.comment == "SIMULATED, for a test"
    assert [(c.name, c.unit) for c in recording.channels] == [("Im", "pA"), ("Vm", "mV")]
    assert recording.sweep_samples == (N,) * SWEEPS
    for sweep in range(SWEEPS):
        assert np.abs(recording.signal(sweep, 0) - current[sweep]).max() <= 2000 / 32768 / 2 * 1.000001
        assert np.abs(recording.recorded_mv(sweep, 1) - commands(STEPS)[sweep]).max() <= 200 / 32768 / 2 * 1.000001
        assert np.array_equal(recording.decoded_mv(sweep), commands(STEPS)[sweep])


def test_pyabf_and_neo_read_the_same(tmp_path, current):
    pyabf = pytest.importorskip("pyabf")
    path = write(tmp_path / "a.abf", current, voltage=commands(STEPS))
    theirs = pyabf.ABF(str(path))
    assert theirs.abfFileComment == "SIMULATED, for a test"
    assert (theirs.dataRate, theirs.sweepCount, theirs.adcUnits) == (RATE, SWEEPS, ["pA", "mV"])
    neo = AxonRawIO(str(path))
    neo.parse_header()
    levels, names, units = neo.read_raw_protocol()
    assert (names, units) == (["Cmd 0"], ["mV"])
    for sweep in range(SWEEPS):
        theirs.setSweep(sweep, channel=0)
        assert np.abs(theirs.sweepY - current[sweep]).max() <= 2000 / 32768 / 2 * 1.001
        assert np.array_equal(theirs.sweepC, commands(STEPS)[sweep])
        assert np.array_equal(levels[sweep][0], commands(STEPS)[sweep])
        stored = neo.get_analogsignal_chunk(0, sweep, stream_index=0)
        scaled = neo.rescale_signal_raw_to_float(stored, dtype="float64", stream_index=0)
        assert np.abs(scaled[:, 0] - current[sweep]).max() <= 2000 / 32768 / 2 * 1.000001


@pytest.mark.parametrize(
    "output",
    [
        Output("Cmd 0", "mV", -70.0, (Epoch(0, "ramp", -110.0, 50, level_step=5.0),), persists=True),
        Output("Cmd 0", "mV", 0.0, (Epoch(0, "pulse", 20.0, 100, period=30, width=10), Epoch(2, "ramp", -50.0, 60))),
        Output("Cmd 0", "mV", 0.0, (Epoch(0, "cosine", 9.0, 90, period=30), Epoch(1, "triangle", 9.0, 60, 0, 0, 9, 5))),
        Output("Cmd 0", "mV", 5.0, (Epoch(0, "biphasic", 20.0, 90, period=30, width=8),), plays=False),
        Output(
            "Cmd 0", "mV", -35.0, (Epoch(0, "step", -35.0, 20), Epoch(1, "step", 0.0, 60)),
            user_list=UserList(1, "samples", (10.0, 80.0, 40.0), True),
        ),
    ],
    ids=["persisting ramp", "pulses", "cosine and triangle", "disabled", "user list"],
)  # fmt: skip
def test_every_protocol_survives_the_file(tmp_path, current, output):
    recording = read_recording(write(tmp_path / "a.abf", current, (output,)))
    assert recording.protocol.outputs == (output,)
    for sweep in range(SWEEPS):
        assert np.array_equal(recording.decoded_mv(sweep), commands(output)[sweep])


def test_several_outputs_keep_their_own_epochs(tmp_path, current):
    pressure = Output("P_com", "mmHg", 0.0, (Epoch(1, "step", 0.0, 30, level_step=-10.0),))
    recording = read_recording(write(tmp_path / "a.abf", current, (STEPS, pressure)))
    assert recording.protocol.outputs == (STEPS, pressure)
    assert np.array_equal(recording.decoded_mv(2), commands(STEPS)[2])


def test_the_same_input_gives_the_same_bytes(tmp_path, current):
    first, second = write(tmp_path / "a.abf", current), write(tmp_path / "b.abf", current)
    assert first.read_bytes() == second.read_bytes()


def test_beyond_full_scale_the_converter_saturates(tmp_path, current):
    current[1, 100:110] = 1e6
    current[1, 110:120] = -1e6
    recording = read_recording(write(tmp_path / "a.abf", current))
    low, high = recording.code_limits
    assert (recording.codes(1, 0, 100, 110) == high).all()
    assert (recording.codes(1, 0, 110, 120) == low).all()


def test_readers_do_not_complain(tmp_path, current, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        read_recording(write(tmp_path / "a.abf", current)).signal(0, 0)
    assert not caplog.records
