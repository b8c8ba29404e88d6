import dataclasses
import json
import math
import struct
from pathlib import Path

import neo
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import abf1_bytes, outcome

from mgk.recordings import Tag, Telegraph, check_header, read_recording, sanity
from mgk.recordings.axon.abf2 import SECTIONS
from mgk.recordings.protocol import Epoch, Output, Protocol, UserList, waveform
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "recordings"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")
EXPECTED = json.loads((REAL / "expected.json").read_text()) if REAL.exists() else {"files": {}}
if EXPECTED["files"]:
    EXPECTED["cell"] = EXPECTED["potassium_cell"]["files"]

# The first has no epoch table, in the second pyABF ignores the user list: both have a test of their own.
NOT_DECODED_BY_PYABF = ("130618-1-12.abf", "user-list-durations.abf")

V_CLAMP = "voltage_clamp"
SWEEPS, N, RATE = 3, 128, 5000.0
OUTPUT = Output("Cmd 0", "mV", -70.0, (Epoch(0, "step", -70.0, 18), Epoch(1, "ramp", 20.0, 60, level_step=10.0)))
CURRENT = np.random.default_rng(3).normal(0, 300, (SWEEPS, N))


def write(path, output=OUTPUT):
    signals = [Signal("Im", "pA", 2000.0, CURRENT), Signal("Vm", "mV", 200.0, CURRENT / 10)]
    return write_abf(path, signals, [output], rate_hz=RATE, comment="simulated")


def patched(path, *changes):
    raw = bytearray(path.read_bytes())
    for code, offset, value in changes:
        struct.pack_into(f"<{code}", raw, offset, value)
    path.write_bytes(bytes(raw))
    return path


def section(path, name):
    return struct.unpack_from("<IIq", path.read_bytes(), 76 + 16 * SECTIONS.index(name))


def place(path, name, field):
    """The byte of a field of the first entry of a section."""
    return section(path, name)[0] * 512 + field


def window_means(recording, sweep_values, start_s, stop_s):
    start, stop = round(start_s * recording.rate_hz), round(stop_s * recording.rate_hz)
    return [np.mean(sweep_values(s)[start:stop]) for s in range(len(recording.sweep_samples))]


# --- real recordings --------------------------------------------------------------------------------------------


@with_real
@pytest.mark.parametrize("name", EXPECTED["files"])
def test_real_recordings_have_the_values_of_two_readers(name):
    expected = EXPECTED["files"][name]
    assert check_header(REAL / name) == []
    recording = read_recording(REAL / name)
    assert recording.rate_hz == pytest.approx(expected["neo"]["rate"], rel=1e-12)
    reference = expected["pyabf"]
    counts = reference.get("n_points_per_sweep", [reference["n_points"]] * reference["sweeps"])
    assert list(recording.sweep_samples) == counts
    for window, limits in expected["windows"].items():
        found = window_means(recording, lambda s: recording.signal(s, 0), limits["start_s"], limits["end_s"])
        assert found == pytest.approx(reference["windows"][window]["mean"], abs=1e-4)


@with_real
@pytest.mark.parametrize(
    "name", [n for n in EXPECTED["files"] if n not in ("130618-1-12.abf", "user-list-durations.abf")]
)
def test_real_commands_are_decoded(name):
    recording = read_recording(REAL / name)
    output = recording.protocol.outputs[0]
    for window, limits in EXPECTED["files"][name]["windows"].items():
        found = window_means(
            recording,
            lambda s: waveform(recording.protocol, output, s, recording.sweep_samples[s]),
            limits["start_s"],
            limits["end_s"],
        )
        assert found == pytest.approx(EXPECTED["files"][name]["pyabf"]["windows"][window]["command_mean"], abs=1e-6)


@with_real
def test_a_real_user_list_of_durations_agrees_with_the_recorded_voltage():
    recording = read_recording(REAL / "user-list-durations.abf")
    assert recording.protocol.outputs[0].user_list.values[:4] == (4000, 6000, 6000, 10000)
    for sweep in range(3):
        # Steps exactly; ramps by half an increment (0.065 mV a sample), for the recorded one is of another channel.
        assert np.abs(recording.decoded_mv(sweep) - recording.recorded_mv(sweep, 1)).max() < 0.0326
    means = window_means(recording, recording.decoded_mv, 3.9, 4.2)
    assert means == pytest.approx([-145, -130, -115], abs=1e-9)


@with_real
def test_a_real_ramp_is_not_flattened_and_its_first_sweep_starts_at_holding():
    recording = read_recording(REAL / "DM1_0002.abf")
    first, second = recording.decoded_mv(0), recording.decoded_mv(1)
    assert (first[:937] == 0).all()
    assert (second[:937] == -80).all()
    assert first[5937] == -100
    assert first[17936] == pytest.approx(60, abs=1e-9)
    assert first[17937] == -80


@with_real
def test_a_real_old_file_without_an_epoch_table_keeps_its_sweeps_and_holds_at_minus_60():
    recording = read_recording(REAL / "130618-1-12.abf")
    assert [o.holding for o in recording.protocol.outputs] == [-60, 0, 0, 0]
    assert [set(recording.decoded_mv(sweep)) for sweep in range(3)] == [{-60.0}] * 3


def with_neo(path):
    """All samples of a file as neo scales them, shape (samples, channels)."""
    reader = neo.rawio.AxonRawIO(str(path))
    reader.parse_header()
    chunks = [reader.get_analogsignal_chunk(0, s, stream_index=0) for s in range(reader.segment_count(0))]
    return reader.rescale_signal_raw_to_float(np.concatenate(chunks), dtype="float64", stream_index=0)


def assert_as_neo(path):
    recording, expected = read_recording(path), with_neo(path)
    for i, channel in enumerate(recording.channels):
        found = np.concatenate([recording.signal(s, i) for s in range(len(recording.sweep_samples))])
        np.testing.assert_allclose(found, expected[:, i] * channel.factor, rtol=1e-12, atol=1e-12)


@with_real
@pytest.mark.parametrize("path", sorted(REAL.rglob("*.abf")), ids=lambda p: p.name)
def test_neo_scales_each_real_sample_alike(path):
    assert_as_neo(path)


def test_neo_scales_our_samples_alike(tmp_path):
    path = write(tmp_path / "a.abf")
    second = place(path, "adc", 128)
    patched(
        path, ("h", second + 2, 1), ("f", second + 6, 2.5), ("f", second + 28, 4.0), ("f", second + 44, 3.0),
        ("f", second + 48, 0.5), ("f", second + 52, -7.0), ("h", place(path, "protocol", 138), 1),
    )  # fmt: skip
    assert_as_neo(path)
    old = write_abf1(tmp_path / "b.abf")
    patched(
        old, ("h", 4512, 1), ("f", 4576, 2.5), ("f", 730, 4.0), ("f", 986, 3.0), ("f", 1050, 0.5), ("f", 1114, -7.0),
        ("h", 1410, 1),
    )  # fmt: skip
    assert_as_neo(old)


def test_a_conditioner_that_is_not_there_has_no_gain(tmp_path):
    path = write(tmp_path / "a.abf")
    before = read_recording(path).signal(0, 0)
    patched(path, ("f", place(path, "adc", 48), 0.5), ("f", place(path, "adc", 52), -7.0))
    assert np.array_equal(read_recording(path).signal(0, 0), before)
    patched(path, ("h", place(path, "protocol", 138), 1))
    assert read_recording(path).signal(0, 0) == pytest.approx(2 * before + 7)
    old = write_abf1(tmp_path / "b.abf")
    before = read_recording(old).signal(0, 0)
    assert np.array_equal(read_recording(patched(old, ("f", 1050, 0.5), ("f", 1114, -7.0))).signal(0, 0), before)
    assert read_recording(patched(old, ("h", 1410, 1))).signal(0, 0) == pytest.approx(2 * before + 7)


def test_ignored_points_are_those_of_gap_free_files(tmp_path):
    path = patched(write_abf1(tmp_path / "a.abf"), ("h", 14, 2))
    whole = np.concatenate([read_recording(path).codes(s, 0) for s in range(SWEEPS)])
    free = read_recording(patched(path, ("h", 8, 3), ("i", 10, SWEEPS * N - 2)))
    assert np.array_equal(free.codes(0, 0), whole[2:])


def test_the_gain_that_an_old_header_was_told(tmp_path):
    path = write_abf1(tmp_path / "a.abf", long_form=False)
    before = read_recording(path).signal(0, 0)
    patched(path, ("h", 262, 1), ("h", 264, 0), ("f", 268, 4.0), ("f", 272, 2000.0), ("f", 276, 16.5))
    recording = read_recording(path)
    assert recording.telegraph == {0: Telegraph(4.0, 2000.0, 16.5)}
    assert recording.signal(0, 0) == pytest.approx(before / 4)
    assert np.array_equal(read_recording(patched(path, ("h", 264, 3))).signal(0, 0), before)


def test_floats_are_taken_as_they_are(tmp_path):
    path = write(tmp_path / "a.abf")
    values = np.linspace(-5, 5, SWEEPS * N * 2).astype("<f4")
    raw = path.read_bytes()
    raw += bytes(-len(raw) % 512)
    path.write_bytes(raw + values.tobytes())
    entry = 76 + 16 * SECTIONS.index("data")
    patched(path, ("H", 30, 1), ("I", entry, len(raw) // 512), ("I", entry + 4, 4))
    recording = read_recording(path)
    assert recording.code_limits is None
    assert np.array_equal(recording.signal(1, 1), values.reshape(SWEEPS, N, 2)[1, :, 1])


def test_a_sample_where_newer_headers_have_the_telegraph_is_no_gain(tmp_path):
    path = write_abf1(tmp_path / "a.abf", long_form=False)
    before = read_recording(path).signal(SWEEPS - 1, 0)
    raw = bytearray(path.read_bytes()) + bytes(4000)
    raw[4512:4514] = struct.pack("<h", 1)
    path.write_bytes(bytes(raw))
    recording = read_recording(path)
    assert recording.telegraph == {}
    assert np.array_equal(recording.signal(SWEEPS - 1, 0), before)


@with_real
def test_what_real_amplifiers_reported():
    first, second = (read_recording(REAL / "potassium_cell" / f"26DEZ18SH_10_000{i}.abf").telegraph[0] for i in (0, 1))
    assert first == Telegraph(1.0, 10000.0, pytest.approx(6.6144, abs=1e-4), pytest.approx(21.7649, abs=1e-4), V_CLAMP)
    assert second == Telegraph(
        1.0, 10000.0, pytest.approx(46.3409, abs=1e-4), pytest.approx(30.0366, abs=1e-4), V_CLAMP
    )
    assert read_recording(REAL / "2020_06_16_0000.abf").telegraph == {}
    old = read_recording(REAL / "190619B_0003.abf")
    assert [t.gain for t in old.telegraph.values()] == [5.0, 1.0]
    assert "current clamp" in " ".join(sanity(old))


@with_real
@pytest.mark.parametrize("name", EXPECTED.get("cell", {}))
def test_a_real_session_has_its_values(name):
    expected = EXPECTED["cell"][name]
    recording = read_recording(REAL / "potassium_cell" / name)
    values = expected["sweeps_values"]
    assert len(recording.sweep_samples) == len(values)
    for window in ("baseline", "steady"):
        start, stop = (t / 1000 for t in expected["windows_ms"][window])
        found = window_means(recording, lambda s: recording.signal(s, 0), start, stop)
        # The reference values are of single precision, which is 2e-7 of the largest current.
        assert found == pytest.approx([v[f"{window}_pa"] for v in values], abs=3e-4)
    start, stop = (t / 1000 for t in expected["windows_ms"]["steady"])
    assert window_means(recording, recording.decoded_mv, start, stop) == pytest.approx(
        [v["command_mv"] for v in values], abs=1e-6
    )


# --- our own recordings: sweeps ---------------------------------------------------------------------------------


def test_sweeps_are_right_without_a_synch_array(tmp_path):
    path = write(tmp_path / "a.abf")
    patched(path, ("q", 76 + 16 * SECTIONS.index("synch") + 8, 0), ("I", 76 + 16 * SECTIONS.index("synch"), 0))
    recording = read_recording(path)
    assert recording.sweep_samples == (N,) * SWEEPS
    for sweep in range(SWEEPS):
        assert recording.signal(sweep, 0) == pytest.approx(CURRENT[sweep], abs=2000 / 32768)


def test_sweeps_of_different_length_are_kept_apart(tmp_path):
    path = write(tmp_path / "a.abf")
    lengths = [100, 220, 64]
    synch = place(path, "synch", 0)
    patched(
        path, ("h", place(path, "protocol", 0), 1), *(("i", synch + 8 * i + 4, 2 * n) for i, n in enumerate(lengths))
    )
    recording = read_recording(path)
    assert recording.sweep_samples == tuple(lengths)
    flat = CURRENT.ravel()
    assert recording.signal(1, 0) == pytest.approx(flat[100:320], abs=2000 / 32768)
    assert recording.signal(2, 0, 4, 64) == pytest.approx(flat[324:384], abs=2000 / 32768)
    assert (recording.decoded_mv(1) == -70).all()


def test_a_gap_free_file_is_one_sweep_at_its_holding_level(tmp_path):
    path = write(tmp_path / "a.abf")
    entry = 76 + 16 * SECTIONS.index("synch")
    patched(path, ("h", place(path, "protocol", 0), 3), ("q", entry + 8, 0), ("I", entry, 0))
    recording = read_recording(path)
    assert recording.sweep_samples == (N * SWEEPS,)
    assert (recording.decoded_mv(0) == -70).all()


def test_the_sampling_rate_is_not_cut_to_a_whole_number(tmp_path):
    path = write(tmp_path / "a.abf")
    patched(path, ("f", place(path, "protocol", 2), 2480.0))
    assert read_recording(path).rate_hz == pytest.approx(403.2258, abs=1e-4)


def test_channels_are_found_by_name_or_number(tmp_path):
    recording = read_recording(write(tmp_path / "a.abf"))
    assert [recording.channel_index(c) for c in ("", "Im", "Vm", "0", "1")] == [0, 0, 1, 0, 1]
    for wrong in ("im", "2", "-1", "Im "):
        with pytest.raises(InputError, match=r"a\.abf: channel .* must be one of: 0 = 'Im' \(pA\), 1 = 'Vm' \(mV\)"):
            recording.channel_index(wrong)


def test_a_recorded_voltage_comes_before_the_decoded_command(tmp_path):
    recording = read_recording(write(tmp_path / "a.abf"))
    recorded, decoded = recording.command(1, "Vm"), recording.command(1)
    assert (recorded.source, decoded.source) == ("recorded", "decoded")
    assert recorded.values_mv == pytest.approx(CURRENT[1] / 10, abs=0.01)
    assert np.array_equal(decoded.values_mv, recording.decoded_mv(1))
    with pytest.raises(InputError, match="is in 'pA', not a voltage"):
        recording.command(1, "Im")


# --- our own recordings: what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section_name", "field", "code", "value", "reason"),
    [
        ("dac", 42, "h", 2, "stimulus file"),
        ("dac", 12, "f", math.nan, "not numbers of a stimulus"),
        ("epoch_per_dac", 4, "h", 6, "unknown kind"),
        ("protocol", 46, "h", 7, "starts at its sweep 7"),
        ("protocol", 30, "i", 2, "3 sweeps, a run of the protocol 2"),
        ("protocol", 22, "i", 200, "the protocol's 100 samples"),
        ("epoch_per_dac", 14, "i", 500, "longer than the sweep"),
    ],
)
def test_a_command_that_is_not_certain_is_refused_and_the_signal_still_read(
    tmp_path, section_name, field, code, value, reason
):
    path = write(tmp_path / "a.abf")
    recording = read_recording(patched(path, (code, place(path, section_name, field), value)))
    assert recording.signal(0, 0) == pytest.approx(CURRENT[0], abs=2000 / 32768)
    with pytest.raises(InputError, match=rf"a\.abf: .*{reason}"):
        recording.decoded_mv(0)


def test_sweeps_start_where_a_conditioning_train_left_them(tmp_path):
    output = dataclasses.replace(OUTPUT, persists=True)
    path = write(tmp_path / "a.abf", output)
    train = place(path, "dac", 60)
    patched(path, ("h", train, 1), ("f", train + 22, 20.0), ("f", train + 26, -100.0))
    plain = Protocol(N, (output,), True)
    for sweep in range(SWEEPS):
        command = read_recording(path).decoded_mv(sweep)
        assert (command[:2] == -100).all()
        assert command[2:] == pytest.approx(waveform(plain, output, sweep, N)[2:])
    # A train whose last part takes no time leaves the holding level.
    assert (read_recording(patched(path, ("f", train + 22, 0.0))).decoded_mv(2)[:2] == -70).all()


@pytest.mark.parametrize("mode", [2, 4])
def test_triggered_sweeps_are_read_and_their_command_is_the_holding_level(tmp_path, mode):
    path = write(tmp_path / "a.abf")
    recording = read_recording(patched(path, ("h", place(path, "protocol", 0), mode)))
    assert recording.sweep_samples == (N,) * SWEEPS
    assert recording.signal(2, 0) == pytest.approx(CURRENT[2], abs=2000 / 32768)
    assert not recording.protocol.episodic
    assert set(recording.decoded_mv(1)) == {-70.0}


def test_events_of_variable_length_count_samples_or_the_synch_unit(tmp_path):
    path = write(tmp_path / "a.abf")
    patched(path, ("h", place(path, "protocol", 0), 1), ("f", place(path, "protocol", 14), 100.0))
    synch = place(path, "synch", 4)
    for unit in (1, 100):
        lengths = [(synch + 8 * i, 2 * n * unit) for i, n in enumerate((N - 8, N, N + 8))]
        patched(path, *(("i", offset, n) for offset, n in lengths))
        assert read_recording(path).sweep_samples == (N - 8, N, N + 8)


def test_outputs_that_alternate_play_in_every_second_sweep(tmp_path):
    second = Output("Cmd 1", "pA", 0.0, (Epoch(0, "step", 50.0, 18),))
    third = Output("Cmd 2", "V", 0.0, (Epoch(0, "step", 50.0, 18),))
    signal = Signal("Im", "pA", 2000.0, CURRENT)
    path = write_abf(tmp_path / "a.abf", [signal], [OUTPUT, second, third], rate_hz=RATE, comment="simulated")
    plain = Protocol(N, (OUTPUT,), True)
    patched(path, ("h", place(path, "protocol", 182), 1), ("h", place(path, "dac", 2 * 256 + 40), 0))
    recording = read_recording(path)
    for sweep in range(SWEEPS):
        played = waveform(plain, OUTPUT, sweep, N) if sweep % 2 == 0 else np.full(N, -70.0)
        assert recording.decoded_mv(sweep) == pytest.approx(played)
        assert (recording.decoded_pa(sweep) == 50).any() == (sweep % 2 == 1)
    with pytest.raises(InputError, match="alternate"):
        waveform(recording.protocol, recording.protocol.outputs[2], 0, N)


@pytest.mark.parametrize(
    ("parameter", "version", "reason"),
    [(99, 6, "code \\(99\\)"), (8, 6, "code \\(8\\)"), (32, 9, "code \\(32\\)")],
)
def test_a_user_list_of_an_unknown_parameter_is_refused(tmp_path, parameter, version, reason):
    listed = Output("Cmd 0", "mV", 0.0, OUTPUT.epochs, user_list=UserList(1, "samples", (5.0, 6.0), False))
    path = write(tmp_path / "a.abf", listed)
    patched(path, ("h", place(path, "user_list", 4), parameter), ("B", 6, version))
    with pytest.raises(InputError, match=reason):
        read_recording(path).decoded_mv(0)


def test_a_user_list_of_digital_values_changes_no_level(tmp_path):
    listed = Output("Cmd 0", "mV", 0.0, OUTPUT.epochs, user_list=UserList(1, "samples", (5.0, 6.0), False))
    path = write(tmp_path / "a.abf", listed)
    recording = read_recording(patched(path, ("h", place(path, "user_list", 4), 12)))
    assert np.count_nonzero(recording.decoded_mv(0)) == np.count_nonzero(
        waveform(recording.protocol, Output("Cmd 0", "mV", 0.0, OUTPUT.epochs), 0, N)
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: ("I", 0, 0x31464241), "of no known format"),
        (lambda p: ("B", 7, 5), "version 5"),
        (lambda p: ("h", place(p, "protocol", 0), 6), "operation mode 6"),
        (lambda p: ("f", place(p, "protocol", 2), 0.0), "sampling interval"),
        (lambda p: ("f", place(p, "protocol", 110), math.inf), "impossible scale"),
        (lambda p: ("f", place(p, "adc", 40), 0.0), "impossible scale"),
        (lambda p: ("f", place(p, "adc", 44), math.nan), "impossible scale"),
        (lambda p: ("i", place(p, "adc", 74), 77), "string 77"),
        (lambda p: ("H", 30, 7), "data format 7"),
        (lambda p: ("H", 30, 1), "samples of 2 bytes"),
        (lambda p: ("i", place(p, "synch", 4), 0), "add up"),
        (lambda p: ("q", 76 + 16 * SECTIONS.index("adc") + 8, 1 << 40), "adc section"),
        (lambda p: ("q", 76 + 16 * SECTIONS.index("adc") + 8, 17), "reaches into|17 A/D channels"),
        (lambda p: ("q", 76 + 16 * SECTIONS.index("data") + 8, 0), "no data section"),
        (lambda p: ("q", 76 + 16 * SECTIONS.index("data") + 8, 1 << 33), "truncated, or the header is damaged"),
        (lambda p: ("I", 76 + 16 * SECTIONS.index("data"), 2), "reaches into"),
        (lambda p: ("I", 76 + 16 * SECTIONS.index("protocol"), 1 << 30), "protocol section"),
        (lambda p: ("h", place(p, "epoch_per_dac", 0), -3), "epoch number -3"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_named(tmp_path, change, reason):
    path = write(tmp_path / "a.abf")
    patched(path, change(path))
    with pytest.raises(InputError, match=rf"(?s)a\.abf: .*({reason})"):
        read_recording(path)
    assert len(check_header(path)) == 1


def test_zero_sweeps_are_refused(tmp_path):
    path = write(tmp_path / "a.abf")
    entry = 76 + 16 * SECTIONS.index("synch")
    patched(path, ("q", entry + 8, 0), ("I", entry, 0), ("I", 12, 0))
    assert check_header(path) == ["has no sweeps"]


def test_missing_empty_and_foreign_files(tmp_path):
    assert check_header(tmp_path / "none.abf") == ["this file is missing"]
    (tmp_path / "empty.abf").write_bytes(b"")
    assert check_header(tmp_path / "empty.abf") == ["is empty"]
    (tmp_path / "text.abf").write_text("sweep,current\n")
    assert "of no known format: it starts with b'sweep,cu'" in check_header(tmp_path / "text.abf")[0]
    assert "cannot be read" in check_header(tmp_path)[0]


def test_the_check_reads_no_signal(tmp_path, monkeypatch):
    import mgk.recordings.axon

    monkeypatch.setattr(mgk.recordings.axon, "_sample_reader", lambda *a: lambda *b: pytest.fail("read the signal"))
    assert check_header(write(tmp_path / "a.abf")) == []


# --- an ABF1 file of our own ------------------------------------------------------------------------------------


def write_abf1(path, long_form=True, lists=""):
    """A minimal ABF1 file: one channel of current, a step of 100 pA a sweep on a -30 pA holding level."""
    path.write_bytes(abf1_bytes(CURRENT, long_form=long_form, lists=lists))
    return path


def test_abf1_steps_ramps_and_holding(tmp_path):
    recording = read_recording(write_abf1(tmp_path / "a.abf"))
    assert recording.format == "ABF 1.8.3.0"
    assert recording.rate_hz == 5000
    assert recording.sweep_samples == (N,) * SWEEPS
    assert recording.signal(2, 0) == pytest.approx(CURRENT[2].clip(-200, 200), abs=0.01)
    output = recording.protocol.outputs[0]
    command = waveform(recording.protocol, output, 2, N)
    assert (command[:2] == -30).all()
    assert (command[2:22] == 100).all()
    assert command[22:33] == pytest.approx(np.linspace(100, 50, 11))
    assert (command[33:] == -30).all()


def test_abf1_user_list_of_levels(tmp_path):
    recording = read_recording(write_abf1(tmp_path / "a.abf", lists="5, 7"))
    output = recording.protocol.outputs[0]
    assert [waveform(recording.protocol, output, s, N)[2] for s in range(3)] == [5, 7, 7]


def test_abf1_of_the_short_form_that_plays_nothing_stays_at_its_holding_level(tmp_path):
    recording = read_recording(write_abf1(tmp_path / "a.abf", long_form=False))
    assert recording.sweep_samples == (N,) * SWEEPS
    assert set(recording.decoded_pa(1)) == {-30.0}


def short_form(path, *changes):
    """An old file whose active output (1) plays a step of 5 mV a sweep and a ramp; all fields at their old places."""
    path = write_abf1(path, long_form=False)
    raw = bytearray(path.read_bytes())
    raw[1354:1356] = raw[602:604] = b"mV"
    struct.pack_into("<f", raw, 1398, -80.0)
    struct.pack_into("<hhh", raw, 1438, 1, 1, 0)
    struct.pack_into("<3h", raw, 1444, 1, 2, 1)
    struct.pack_into("<3f", raw, 1464, -20.0, 30.0, 0.0)
    struct.pack_into("<3f", raw, 1504, 5.0, 0.0, 0.0)
    struct.pack_into("<3h", raw, 1544, 20, 11, 0)
    struct.pack_into("<3h", raw, 1564, 2, 0, 0)
    path.write_bytes(bytes(raw))
    return patched(path, *changes)


def test_abf1_of_the_short_form_plays_its_epochs(tmp_path):
    command = read_recording(short_form(tmp_path / "a.abf")).decoded_mv(2)
    assert (command[:2] == -80).all()
    assert (command[2:26] == -10).all()
    assert command[26:37] == pytest.approx(np.linspace(-10, 30, 11))
    assert (command[37:] == -80).all()


@pytest.mark.parametrize(
    ("code", "offset", "value", "reason"),
    [
        ("h", 1438, 2, "stimulus file"),
        ("h", 146, 2, "3 sweeps, a run of the protocol 2"),
        ("f", 1464, math.inf, "not numbers of a stimulus"),
        ("h", 1444, 9, "unknown kind"),
    ],
)
def test_abf1_of_the_short_form_refuses_what_is_not_certain(tmp_path, code, offset, value, reason):
    path = short_form(tmp_path / "a.abf", (code, offset, value))
    with pytest.raises(InputError, match=reason):
        read_recording(path).decoded_mv(0)


def test_abf1_conditioning_trains_of_the_short_form(tmp_path):
    trained = ("h", 1718, 1), ("h", 1720, 1), ("f", 1742, 5.0), ("f", 1746, -95.0)
    command = read_recording(short_form(tmp_path / "a.abf", *trained)).decoded_mv(0)
    assert (command[:2] == -95).all()
    assert (command[-5:] == -80).all()
    listed = ("h", 1966, 1), ("h", 1762, 6), ("3s", 1764, b"5,7")
    with pytest.raises(InputError, match="varies where its conditioning train ends"):
        read_recording(short_form(tmp_path / "b.abf", *trained, *listed)).decoded_mv(0)


def test_a_user_list_of_the_short_form_has_the_codes_of_the_long_one(tmp_path):
    levels = short_form(tmp_path / "a.abf", ("h", 1966, 1), ("h", 1762, 21), ("5s", 1764, b"5,7.5"))
    assert [read_recording(levels).decoded_mv(s)[2] for s in range(SWEEPS)] == [5, 7.5, 7.5]
    durations = short_form(tmp_path / "b.abf", ("h", 1966, 1), ("h", 1762, 31), ("5s", 1764, b"10,16"))
    commands = [read_recording(durations).decoded_mv(s) for s in range(2)]
    assert [np.count_nonzero(c == level) for c, level in zip(commands, (-20, -15), strict=True)] == [11, 17]
    unreadable = short_form(tmp_path / "c.abf", ("h", 1966, 1), ("h", 1762, 21), ("5s", 1764, b"1x5,9"))
    with pytest.raises(InputError, match="is not a list of numbers"):
        read_recording(unreadable).decoded_mv(0)


def test_sweeps_of_old_clampex_hold_for_another_share(tmp_path):
    path = short_form(tmp_path / "a.abf")
    raw = path.read_bytes()
    path.write_bytes(raw[:2048] + 8 * raw[2048:])
    patched(path, ("i", 10, SWEEPS * N * 8), ("i", 138, N * 8))
    held = {kind: np.argmax(read_recording(patched(path, ("h", 36, kind))).decoded_mv(0) != -80) for kind in (1, 3)}
    assert held == {1: 16, 3: 12}


def test_abf1_of_the_short_form_takes_the_first_output_where_the_active_one_does_not_exist(tmp_path):
    path = short_form(tmp_path / "a.abf", ("h", 1440, 7))
    with pytest.raises(InputError, match="3 sweeps, a run of the protocol 2"):
        read_recording(patched(path, ("i", 146, 2))).decoded_pa(0)
    assert (read_recording(patched(path, ("i", 146, 3))).decoded_pa(0)[2:22] == -20).all()


def test_abf1_epochs_of_resistance(tmp_path):
    path = patched(write_abf1(tmp_path / "a.abf"), ("h", 2308, 6))
    command = read_recording(path).decoded_pa(1)
    assert command[2:22].tolist() == [-30.0] * 10 + [0.0] * 10
    assert command[22] == 0.0


def test_a_file_that_plays_nothing_needs_no_protocol(tmp_path):
    path = write(tmp_path / "a.abf")
    patched(path, ("h", place(path, "dac", 40), 0), ("i", place(path, "protocol", 30), 1))
    assert set(read_recording(path).decoded_mv(2)) == {-70.0}


def test_a_gap_free_abf1_file_is_one_sweep_at_its_holding_level(tmp_path):
    recording = read_recording(patched(write_abf1(tmp_path / "a.abf"), ("h", 8, 3)))
    assert recording.sweep_samples == (N * SWEEPS,)
    assert set(recording.decoded_pa(0)) == {-30.0}


def test_what_the_amplifier_reported(tmp_path):
    path = write(tmp_path / "a.abf")
    assert read_recording(path).telegraph == {}
    second = place(path, "adc", 128)
    patched(
        path, ("h", second + 2, 1), ("f", second + 6, 2.0), ("f", second + 10, 5000.0), ("f", second + 14, 33.0),
        ("h", second + 18, 1), ("f", second + 20, 11.5),
    )  # fmt: skip
    recording = read_recording(path)
    assert recording.telegraph == {1: Telegraph(2.0, 5000.0, 33.0, 11.5, "current_clamp")}
    # The gain is part of the scale: the same codes are half the signal.
    assert recording.signal(0, 1) == pytest.approx(CURRENT[0] / 20, abs=0.01)
    old = write_abf1(tmp_path / "b.abf")
    patched(old, ("h", 4512, 1), ("f", 4576, 4.0), ("f", 4704, 20.0), ("h", 4768, 0), ("h", 4544, 24))
    assert read_recording(old).telegraph == {0: Telegraph(4.0, None, 20.0, None, V_CLAMP)}


def test_an_amplifier_that_reports_no_mode_is_not_in_voltage_clamp(tmp_path):
    path = write(tmp_path / "a.abf")
    adc = place(path, "adc", 0)
    patched(path, ("h", adc + 2, 1), ("h", adc + 4, 15), ("f", adc + 6, 1.0))
    assert read_recording(path).telegraph[0].mode is None
    assert read_recording(patched(path, ("h", adc + 4, 24))).telegraph[0].mode == V_CLAMP
    old = patched(write_abf1(tmp_path / "b.abf"), ("h", 4512, 1), ("f", 4576, 1.0), ("h", 4544, 15))
    assert read_recording(old).telegraph[0].mode is None


def add_tags(path, *tags):
    entry = 76 + 16 * SECTIONS.index("tag")
    raw = bytearray(path.read_bytes())
    raw += bytes(-len(raw) % 512)
    struct.pack_into("<IIq", raw, entry, len(raw) // 512, 64, len(tags))
    for time, comment in tags:
        raw += struct.pack("<i56shh", time, comment.encode("cp1252").ljust(56), 1, 0)
    path.write_bytes(bytes(raw))


def test_tags_have_times_and_comments(tmp_path):
    path = write(tmp_path / "a.abf")
    add_tags(path, (500, "Mg\u00b2\u207a".replace("\u207a", "+") + " 5 mM"), (5000, "wash"))
    # Without a synch unit the times count samples of both channels: 10 kHz.
    assert read_recording(path).tags == (Tag(pytest.approx(0.05), "Mg\u00b2+ 5 mM"), Tag(pytest.approx(0.5), "wash"))
    patched(path, ("f", place(path, "protocol", 14), 10.0))
    assert [t.time_s for t in read_recording(path).tags] == pytest.approx([0.005, 0.05])


def test_tags_of_abf1(tmp_path):
    path = write_abf1(tmp_path / "a.abf")
    raw = path.read_bytes()
    raw += bytes(-len(raw) % 512)
    path.write_bytes(raw + struct.pack("<i56shh", 300, b"drug".ljust(56), 1, 0))
    patched(path, ("i", 44, len(raw) // 512), ("i", 48, 1))
    assert read_recording(path).tags == (Tag(pytest.approx(0.06), "drug"),)
    patched(path, ("f", 130, 20.0))
    assert read_recording(path).tags == (Tag(pytest.approx(0.006), "drug"),)
    patched(path, ("i", 48, 2))
    assert "its tags" in check_header(path)[0]


def test_leak_subtraction_is_said(tmp_path):
    path = write(tmp_path / "a.abf")
    assert read_recording(path).notes == ()
    dac = place(path, "dac", 0)
    patched(path, ("h", dac + 92, 1), ("h", dac + 94, -1), ("h", dac + 102, 0), ("h", dac + 104, 4))
    note = "P/N leak subtraction was on (4 sub-sweeps of opposite polarity before each sweep)"
    assert read_recording(path).notes[0].startswith(note)
    old = patched(write_abf1(tmp_path / "b.abf"), ("h", 4456, 1), ("h", 4460, 1), ("h", 1934, 1), ("h", 1938, 2))
    note = "P/N leak subtraction was on (2 sub-sweeps of same polarity after each sweep)"
    assert read_recording(old).notes[0].startswith(note)


@pytest.mark.parametrize(
    ("unit", "common", "factor"),
    [
        ("nA", "pA", 1e3),
        ("A", "pA", 1e12),
        ("\u00b5A", "pA", 1e6),
        ("V", "mV", 1e3),
        (" m V", "mV", 1),
        ("mmHg", "mmHg", 1),
    ],
)
def test_currents_are_picoampere_and_voltages_millivolt(tmp_path, unit, common, factor):
    signal = Signal("x", unit, 2000.0, CURRENT)
    recording = read_recording(write_abf(tmp_path / "a.abf", [signal], [OUTPUT], rate_hz=RATE, comment="simulated"))
    channel = recording.channels[0]
    assert (channel.unit, channel.original_unit) == (common, unit.replace("\u00b5", "u").replace(" ", ""))
    assert recording.signal(1, 0) == pytest.approx(CURRENT[1] * factor, abs=factor * 2000 / 32768)


def test_abf1_truncated(tmp_path):
    path = write_abf1(tmp_path / "a.abf")
    raw = path.read_bytes()
    data_end = len(raw)
    raw += bytes(-len(raw) % 512)
    path.write_bytes(raw + struct.pack("<i56shh", 300, b"drug".ljust(56), 1, 0))
    patched(path, ("i", 44, len(raw) // 512), ("i", 48, 1))
    whole = path.read_bytes()
    edges = {0, 4, 8, 40, 500, 2000, 6144, data_end, len(raw), len(whole)}
    for size in sorted({edge + d for edge in edges for d in (-1, 0, 1) if 0 <= edge + d < len(whole)}):
        path.write_bytes(whole[:size])
        assert outcome(path) is None, size
        assert check_header(path), size


# --- damage at random -------------------------------------------------------------------------------------------


def coded(path):
    """The recording, and the stored samples by (sweep, channel)."""
    recording, signals = outcome(path)
    return recording, {place: recording.codes(*place) for place in signals}


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    listed = Output("Cmd 0", "mV", -70.0, OUTPUT.epochs, user_list=UserList(1, "level", (5.0, 6.0, 7.0), False))
    path = write(tmp_path_factory.mktemp("abf") / "intact.abf", listed)
    return path.read_bytes(), coded(path)


def test_truncated_at_each_section(tmp_path, intact):
    whole, _ = intact
    edges = {76 + 16 * i for i in range(len(SECTIONS))}
    for name in SECTIONS:
        block, size, entries = struct.unpack_from("<IIq", whole, 76 + 16 * SECTIONS.index(name))
        if block:
            edges |= {block * 512, block * 512 + size, block * 512 + size * entries}
    path = tmp_path / "cut.abf"
    # The file is filled up to a whole block; its last entry ends before.
    last = struct.unpack_from("<I", whole, 76 + 16 * SECTIONS.index("synch"))[0] * 512 + 8 * SWEEPS
    for size in sorted({e + d for e in edges for d in (-1, 0, 1) if 0 <= e + d < last}):
        path.write_bytes(whole[:size])
        assert outcome(path) is None, size
        assert check_header(path), size


def damaged_is_an_error_or_right(tmp_path, intact, used, data):
    whole, (_, right) = intact
    raw = bytearray(whole)
    for offset in data.draw(st.lists(used, min_size=1, max_size=3, unique=True)):
        raw[offset] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.abf"
    path.write_bytes(bytes(raw))
    found = outcome(path)
    if found and found[1].keys() == right.keys():
        recording, signals = found
        assert all(np.isfinite(v).all() for v in signals.values())
        codes = {place: recording.codes(*place) for place in right}
        assert all(len(codes[k]) != len(right[k]) or np.array_equal(codes[k], right[k]) for k in right)


def header_bytes_of_abf2(whole):
    start = struct.unpack_from("<I", whole, 76 + 16 * SECTIONS.index("data"))[0] * 512
    synch = struct.unpack_from("<I", whole, 76 + 16 * SECTIONS.index("synch"))[0] * 512
    return st.one_of(st.integers(0, 363), st.integers(512, start - 1), st.integers(synch, synch + 8 * SWEEPS - 1))


# In ABF1 the count of ignored samples (bytes 14, 15) and the place of the data may move them: damage that looks right.
MOVING_THE_DATA = (14, 15, 40, 41, 42, 43)


def header_bytes_of_abf1(whole):
    return st.integers(0, 5900).filter(lambda offset: offset not in MOVING_THE_DATA)


@pytest.fixture(scope="module")
def intact_abf1(tmp_path_factory):
    path = write_abf1(tmp_path_factory.mktemp("abf1") / "intact.abf", lists="5, 7")
    return path.read_bytes(), coded(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_end_in_an_input_error_or_a_right_result(tmp_path, intact, data):
    damaged_is_an_error_or_right(tmp_path, intact, header_bytes_of_abf2(intact[0]), data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_of_abf1(tmp_path, intact_abf1, data):
    damaged_is_an_error_or_right(tmp_path, intact_abf1, header_bytes_of_abf1(intact_abf1[0]), data)


# What a count, a size or a place of a damaged header may be: near to right ones, signs, and more than any file holds.
NUMBERS = st.one_of(st.integers(0, 40), st.sampled_from([255, 512, 2**15, 2**31 - 1, 2**31, 2**32 - 1]))
TABLE = st.tuples(st.sampled_from(SECTIONS), NUMBERS, NUMBERS, st.one_of(NUMBERS, st.sampled_from([2**62, 2**63 - 1])))
# Of ABF1: samples, episodes; places and counts of data, tags and synch array; channels, samples of an episode.
ABF1_COUNTS = (10, 16, 40, 44, 48, 92, 96, 120, 138, 146)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(TABLE, min_size=1, max_size=3))
def test_any_section_table_ends_in_an_input_error_or_a_reading(tmp_path, intact, entries):
    raw = bytearray(intact[0])
    for name, block, size, count in entries:
        struct.pack_into("<IIq", raw, 76 + 16 * SECTIONS.index(name), block, size, count)
    path = tmp_path / "table.abf"
    path.write_bytes(bytes(raw))
    outcome(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(ABF1_COUNTS), NUMBERS), min_size=1, max_size=3))
def test_any_counts_of_an_abf1_header_end_in_an_input_error_or_a_reading(tmp_path, intact_abf1, changes):
    raw = bytearray(intact_abf1[0])
    for offset, value in changes:
        struct.pack_into("<I", raw, offset, value)
    path = tmp_path / "counts.abf"
    path.write_bytes(bytes(raw))
    outcome(path)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_at_length(tmp_path, intact, data):
    damaged_is_an_error_or_right(tmp_path, intact, header_bytes_of_abf2(intact[0]), data)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_of_abf1_at_length(tmp_path, intact_abf1, data):
    damaged_is_an_error_or_right(tmp_path, intact_abf1, header_bytes_of_abf1(intact_abf1[0]), data)
