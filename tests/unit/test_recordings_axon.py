import json
import math
import struct
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgk.recordings import check_header, read_recording
from mgk.recordings.axon_header import SECTIONS
from mgk.recordings.protocol import Epoch, Output, UserList, waveform
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "recordings"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")
EXPECTED = json.loads((REAL / "expected.json").read_text()) if REAL.exists() else {"files": {}}
if EXPECTED["files"]:
    EXPECTED["cell"] = EXPECTED["potassium_cell"]["files"]

# The first has no epoch table, in the second pyABF ignores the user list: both have a test of their own.
NOT_DECODED_BY_PYABF = ("130618-1-12.abf", "user-list-durations.abf")

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
def test_a_real_old_file_without_an_epoch_table_keeps_its_sweeps_and_refuses_its_command():
    recording = read_recording(REAL / "130618-1-12.abf")
    assert [o.holding for o in recording.protocol.outputs] == [-60, 0, 0, 0]
    with pytest.raises(InputError, match=r"130618-1-12\.abf.*short form"):
        recording.decoded_mv(0)


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
        ("dac", 60, "h", 1, "conditioning train"),
        ("dac", 12, "f", math.nan, "not numbers of a stimulus"),
        ("epoch_per_dac", 4, "h", 6, "unknown kind"),
        ("protocol", 182, "h", 1, "alternate"),
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
        (lambda p: ("I", 0, 0x31464241), "not an ABF file"),
        (lambda p: ("B", 7, 5), "version 5"),
        (lambda p: ("h", place(p, "protocol", 0), 4), "operation mode 4"),
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
    assert "not an ABF file" in check_header(tmp_path / "text.abf")[0]
    assert "cannot be read" in check_header(tmp_path)[0]


def test_the_check_reads_no_signal(tmp_path, monkeypatch):
    import mgk.recordings.axon

    monkeypatch.setattr(mgk.recordings.axon, "_sample_reader", lambda *a: pytest.fail("read the signal"))
    assert check_header(write(tmp_path / "a.abf")) == []


# --- an ABF1 file of our own ------------------------------------------------------------------------------------


def write_abf1(path, long_form=True, lists=""):
    """A minimal ABF1 file: one channel of current, a step of 100 pA a sweep on a -30 pA holding level."""
    blocks = 12 if long_form else 4
    head = bytearray(512 * blocks)
    struct.pack_into("<4sfhihi", head, 0, b"ABF ", 1.83 if long_form else 1.3, 5, SWEEPS * N, 0, SWEEPS)
    struct.pack_into("<h", head, 36, 1)
    struct.pack_into("<i", head, 40, blocks)
    struct.pack_into("<h", head, 120, 1)
    struct.pack_into("<f", head, 122, 200.0)
    struct.pack_into("<i", head, 138, N)
    struct.pack_into("<i", head, 146, SWEEPS)
    struct.pack_into("<ffii", head, 244, 10.0, 10.0, 32768, 32768)
    struct.pack_into("<16h", head, 378, *range(16))
    struct.pack_into("<16h", head, 410, 0, *([-1] * 15))
    head[442:452], head[602:610] = b"IN 0".ljust(10), b"mV".ljust(8)
    for offset, value in ((730, 1.0), (922, 0.05), (1050, 1.0)):
        struct.pack_into("<16f", head, offset, *([value] * 16))
    head[1306:1316], head[1346:1354] = b"Cmd 0".ljust(10), b"pA".ljust(8)
    struct.pack_into("<f", head, 1394, -30.0)
    if long_form:
        struct.pack_into("<hh", head, 2296, 1, 0)
        struct.pack_into("<hh", head, 2300, 1, 0)
        struct.pack_into("<hh", head, 2308, 1, 2)
        struct.pack_into("<ff", head, 2348, -100.0, 50.0)
        struct.pack_into("<ff", head, 2428, 100.0, 0.0)
        struct.pack_into("<ii", head, 2508, 20, 11)
        if lists:
            struct.pack_into("<h", head, 3360, 1)
            struct.pack_into("<h", head, 3368, 21)
            head[3376:3632] = lists.encode().ljust(256)
    codes = np.rint(CURRENT * 0.05 * 32768 / 10).clip(-32768, 32767).astype("<i2")
    path.write_bytes(bytes(head) + codes.tobytes())
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


def test_abf1_of_the_short_form_has_sweeps_and_no_command(tmp_path):
    path = write_abf1(tmp_path / "a.abf", long_form=False)
    from mgk.recordings.axon_header import read_header

    header = read_header(path)
    assert header.sweep_samples == (N,) * SWEEPS
    assert "short form" in header.protocol.refusal
    assert header.protocol.outputs[0].holding == -30


def test_abf1_truncated(tmp_path):
    path = write_abf1(tmp_path / "a.abf")
    whole = path.read_bytes()
    for size in (3, 8, 40, 500, 2000, 6143, 6144, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert check_header(path), size


# --- damage at random -------------------------------------------------------------------------------------------


@contextmanager
def input_errors_only(path):
    """Let an InputError that names the file pass by."""
    with suppress(InputError):
        try:
            yield
        except InputError as error:
            if path.name not in str(error):
                pytest.fail(f"does not name the file: {error}")
            raise


def outcome(path):
    """Read all that can be read: the stored samples by (sweep, channel), or None after an InputError."""
    found = None
    with input_errors_only(path):
        recording = read_recording(path)
        places = [(s, c) for s in range(len(recording.sweep_samples)) for c in range(len(recording.channels))]
        codes = {place: recording.codes(*place) for place in places}
        assert all(np.isfinite(recording.signal(*place)).all() for place in places)
        found = codes
        for sweep, samples in enumerate(recording.sweep_samples):
            with input_errors_only(path):
                assert recording.decoded_mv(sweep).shape == (samples,)
    return found


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    listed = Output("Cmd 0", "mV", -70.0, OUTPUT.epochs, user_list=UserList(1, "level", (5.0, 6.0, 7.0), False))
    path = write(tmp_path_factory.mktemp("abf") / "intact.abf", listed)
    return path.read_bytes(), outcome(path)


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_end_in_an_input_error_or_a_right_result(tmp_path, intact, data):
    whole, right = intact
    start = struct.unpack_from("<I", whole, 76 + 16 * SECTIONS.index("data"))[0] * 512
    synch = struct.unpack_from("<I", whole, 76 + 16 * SECTIONS.index("synch"))[0] * 512
    used = st.one_of(st.integers(0, 363), st.integers(512, start - 1), st.integers(synch, synch + 8 * SWEEPS - 1))
    raw = bytearray(whole)
    for offset in data.draw(st.lists(used, min_size=1, max_size=3, unique=True)):
        raw[offset] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.abf"
    path.write_bytes(bytes(raw))
    found = outcome(path)
    if found is not None and found.keys() == right.keys():
        assert all(len(found[k]) != len(right[k]) or np.array_equal(found[k], right[k]) for k in right)
