import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import DATA_PLACE, heka_bytes, heka_segment, heka_stimulus, outcome

from mgk.recordings import check_header, read_recording, sanity
from mgk.recordings.measure import measure_recording
from mgk.tables.problems import InputError

HOUSE = Path(__file__).resolve().parents[2]
REAL = HOUSE.parent / "shared" / "data" / "recordings" / "220315_02.dat"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real bundle is not here")
LAB = HOUSE / ".venv-lab" / "bin" / "python"
with_lab = pytest.mark.skipif(not LAB.exists(), reason="the lab environment is not here (make lab)")

SWEEPS, N = 4, 200
RANDOM = np.random.default_rng(6)
CURRENT, LEAK, MONITOR = (RANDOM.integers(-3000, 3000, (SWEEPS, N)) for _ in range(3))
SERIES = {
    "steps": [("Imon-1", "A", 1, 8, CURRENT), ("Leak_1", "A", 1, 2, LEAK), ("Vmon-2", "V", 2, 16, MONITOR)],
    "alone": [("Imon-1", "A", 1, 8, CURRENT[:1, :100])],
}
STEPS = [heka_segment(0.005), heka_segment(0.01, -0.06, step=0.02), heka_segment(0.005)]
STIMULI = {
    "steps": [heka_stimulus(STEPS), heka_stimulus([heka_segment(0.02, 0.03)], holding=0.0)],
    "alone": [heka_stimulus([heka_segment(0.01, 0.02)])],
}


def write(path, series=SERIES, stimuli=STIMULI, **more):
    path.write_bytes(heka_bytes(series, stimuli, **more))
    return path


def one_stimulus(path, *segments, sweeps=SWEEPS, samples=N, **more):
    """A bundle of one current whose stimulus has these segments."""
    series = {"steps": [("Imon-1", "A", 1, 8, CURRENT[:sweeps, :samples])]}
    return write(path, series, {"steps": [heka_stimulus(segments, **more)]})


# --- the real bundle ------------------------------------------------------------------------------------------------


@with_real
def test_the_real_bundle_says_what_it_holds():
    assert check_header(REAL) == []
    (listed,) = check_header(REAL, "")
    assert "1/2/1 (E-1, IV, Imon-2 in A, 21 sweeps); 1/2/2 (E-1, IV, Vmon-1 in V, 21 sweeps)" in listed
    assert check_header(REAL, "1/4/2") == []
    for wrong in ("1/9/1", "0/1/1", "1/1", "1/2/3", "Imon-2", "1/-1/1"):
        assert (
            f"not {wrong!r}; it holds 1/1/1 (E-1, Block Pulse, Imon-2 in A, 27 sweeps)" in check_header(REAL, wrong)[0]
        )


@with_real
@pytest.mark.parametrize(
    ("address", "sweeps", "samples", "levels"),
    [
        ("1/1/1", 27, 2000, {200: -80, 1000: -10, 1800: -80}),
        ("1/2/1", 21, 2000, {200: -80, 1000: (-60, 5), 1800: -80}),
        ("1/3/1", 25, 7000, {200: -80, 3000: -40, 6000: (-80, 5), 6900: -80}),
        ("1/4/1", 23, 7000, {200: -80, 3000: (-120, 5), 6000: -10, 6900: -80}),
    ],
)
def test_the_real_series(address, sweeps, samples, levels):
    recording = read_recording(REAL, address)
    assert (recording.rate_hz, recording.sweep_samples) == (20_000.0, (samples,) * sweeps)
    assert (recording.channels[0].name, recording.channels[0].unit) == ("Imon-2", "pA")
    for sweep in range(sweeps):
        command = recording.decoded_mv(sweep)
        for sample, level in levels.items():
            first, step = level if isinstance(level, tuple) else (level, 0)
            assert command[sample] == first + step * sweep
    assert 10 < recording.telegraph[0].capacitance_pf < 20
    assert sanity(recording) == []


@with_real
def test_the_real_voltage_monitor_belongs_to_the_other_amplifier_and_agrees_with_its_own_stimulus():
    current, monitor = read_recording(REAL, "1/2/1"), read_recording(REAL, "1/2/2")
    assert [c.name for c in current.channels] == ["Imon-2"]
    assert current.comment == "E-1, IV, without Vmon-1 of another output"
    with pytest.raises(InputError, match="must be one of"):
        current.channel_index("Vmon-1")
    for sweep in range(21):
        difference = (monitor.recorded_mv(sweep, 0) - monitor.decoded_mv(sweep))[600:1400]
        # The monitor's gain is 0.6 % low; the other amplifier's stimulus would be 100 mV away.
        assert np.abs(difference).mean() < 1
        assert monitor.decoded_mv(sweep)[1000] == pytest.approx(-60 + 10 * sweep, abs=1e-6)


@with_real
def test_a_real_series_is_measured(tmp_path):
    row = {"recording_id": "r", "channel": "1/2/1", "configuration": "whole_cell"}
    windows = {"baseline": [5, 24], "steady": [60, 74]}
    measured = measure_recording(row, REAL, {"windows_ms": windows}).measurements
    assert measured["command_mv"].tolist() == pytest.approx(list(range(-60, 45, 5)), abs=1e-6)
    assert (measured["holding_mv"] == -80).all()
    from_epoch = measure_recording(row, REAL, {"windows_ms": {"epoch": "B", "baseline": [-20, -1], "steady": [35, 49]}})
    assert from_epoch.measurements["steady_pa"].tolist() == measured["steady_pa"].tolist()


WITH_MYOKIT = """
import json, sys, warnings
warnings.simplefilter("ignore")
from myokit.formats.heka import PatchMasterFile
import numpy as np
found = {}
with PatchMasterFile(sys.argv[1]) as file:
    for g, group in enumerate(file, 1):
        for s, series in enumerate(group, 1):
            for t in range(len(series[0])):
                found[f"{g}/{s}/{t + 1}"] = [[float(np.mean(sweep[t].values())), len(sweep[t])] for sweep in series]
            commands = series.stimulus().reconstruction()[1]
            found[f"{g}/{s}"] = [[float(v) for v in np.unique(np.round(c, 9))] for c in commands]
print(json.dumps(found))
"""


def compare_with_myokit(path, tmp_path, addresses):
    script = tmp_path / "myokit_means.py"
    script.write_text(WITH_MYOKIT)
    run = subprocess.run([LAB, script, path], capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(run.stdout)
    assert addresses == {a for a in found if a.count("/") == 2}
    for address in addresses:
        recording = read_recording(path, address)
        channel = recording.channel_index(address)
        assert [n for _, n in found[address]] == list(recording.sweep_samples)
        factor = recording.channels[channel].factor
        means = [np.mean(recording.signal(s, channel)) for s in range(len(recording.sweep_samples))]
        assert means == pytest.approx([m * factor for m, _ in found[address]], abs=1e-4)
        if address.endswith("/1"):
            for sweep, levels in zip(range(len(means)), found[address[:-2]], strict=False):
                assert np.unique(recording.decoded_mv(sweep)) == pytest.approx(np.array(levels) * 1e3, abs=1e-6)


@with_real
@with_lab
def test_myokit_reads_the_same_from_the_real_bundle(tmp_path):
    compare_with_myokit(REAL, tmp_path, {f"1/{series}/{trace}" for series in (1, 2, 3, 4) for trace in (1, 2)})


# --- bundles of our own ---------------------------------------------------------------------------------------------


@with_lab
def test_myokit_reads_the_same_from_a_bundle_of_ours(tmp_path):
    compare_with_myokit(write(tmp_path / "a.dat"), tmp_path, {"1/1/1", "1/1/2", "1/1/3", "1/2/1"})


def test_a_series_and_its_traces(tmp_path):
    path = write(tmp_path / "a.abf")
    assert check_header(path) == []
    recording = read_recording(path, "1/1/1")
    assert (recording.format, recording.comment) == ("HEKA bundle", "cell, steps, without Vmon-2 of another output")
    assert recording.notes == ()
    assert [(c.name, c.address, c.unit) for c in recording.channels] == [
        ("Imon-1", "1/1/1", "pA"), ("Leak_1", "1/1/2", "pA"),
    ]  # fmt: skip
    assert [recording.channel_index(c) for c in ("", "1/1/1", "1/1/2", "Leak_1")] == [0, 0, 1, 1]
    assert recording.signal(3, 0) == pytest.approx(CURRENT[3], abs=1e-9)
    assert recording.signal(3, 1, 7, 9) == pytest.approx(LEAK[3, 7:9], abs=1e-9)
    assert read_recording(path, "1/1/2").channels[0].name == "Leak_1"
    assert read_recording(path, "1/2/1").sweep_samples == (100,)
    assert recording.telegraph[0].capacitance_pf == pytest.approx(20)
    assert recording.telegraph[0].access_mohm == pytest.approx(10)


def test_each_trace_has_the_command_of_its_own_output(tmp_path):
    path = write(tmp_path / "a.dat")
    for sweep in range(SWEEPS):
        command = read_recording(path, "1/1/1").decoded_mv(sweep)
        assert (command[[0, 49, 150, 199]] == -80).all()
        assert command[50:150] == pytest.approx(-60 + 20 * sweep, abs=1e-9)
        assert read_recording(path, "1/1/3").decoded_mv(sweep) == pytest.approx(30, abs=1e-9)


def test_durations_may_grow_and_the_last_sweep_be_aborted(tmp_path):
    codes = [CURRENT[0, :100], CURRENT[1, :120], CURRENT[2, :60]]
    segments = [heka_segment(0.005), heka_segment(0.005, 0.0, duration_step_s=0.002)]
    path = tmp_path / "a.dat"
    path.write_bytes(heka_bytes({"s": [("I", "A", 1, 8, codes)]}, {"s": [heka_stimulus(segments)]}))
    recording = read_recording(path, "1/1/1")
    assert recording.sweep_samples == (100, 120, 60)
    assert np.count_nonzero(recording.decoded_mv(1) == 0) == 70
    assert np.count_nonzero(recording.decoded_mv(2) == 0) == 10


def test_levels_relative_to_holding(tmp_path):
    path = one_stimulus(tmp_path / "a.dat", heka_segment(0.01), heka_segment(0.01, 0.03), flags=3)
    assert read_recording(path, "1/1/1").decoded_mv(0)[[0, 150]] == pytest.approx([-80, -50])


@pytest.mark.parametrize(
    ("segments", "more", "reason"),
    [
        ([heka_segment(0.02, 0.0, kind=1)], {}, "segment 1 of its stimulus is not constant"),
        ([heka_segment(0.01), heka_segment(0.01, 0.0, stored=0)], {}, "segment 2 .* not stored"),
        ([heka_segment(0.02, 0.0, step=0.01, mode=1)], {}, "in mode 1"),
        ([heka_segment(0.02, 0.0, source=2)], {}, "from a parameter"),
        ([heka_segment(0.01999, 0.0)], {}, "no whole number of samples"),
        ([heka_segment(0.01, 0.0)], {}, "sweep 0 has 200 samples, its stimulus 100"),
        ([heka_segment(0.02, np.nan)], {}, "no numbers"),
        ([heka_segment(0.02, 0.0)], {"unit": "A"}, "no voltage clamp"),
        ([heka_segment(0.02, 0.0)], {"mode": 2}, "no voltage clamp"),
        ([heka_segment(0.02, 0.0)], {"flags": 0}, "scaled in a way"),
        ([heka_segment(0.02, 0.0)], {"flags": 5}, "comes from a file"),
    ],
)
def test_a_stimulus_that_is_not_certain_is_refused_and_the_signal_still_read(tmp_path, segments, more, reason):
    recording = read_recording(one_stimulus(tmp_path / "a.dat", *segments, **more), "1/1/1")
    assert recording.signal(2, 0) == pytest.approx(CURRENT[2], abs=1e-9)
    with pytest.raises(InputError, match=rf"a\.dat: .*{reason}"):
        recording.decoded_mv(0)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (("b", 70, 9), "data format 9"),
        (("i", 40, 10), "from byte 10 does not fit"),
        (("i", 44, 1 << 30), "does not fit the file"),
        (("d", 72, 0.0), "impossible scale"),
        (("d", 104, -1.0), "sampling interval"),
        (("8s", 120, "Hz"), "over 'Hz'"),
    ],
)
def test_a_damaged_trace_is_named(tmp_path, field, reason):
    path = write(tmp_path / "a.dat", trace_fields=(field,))
    assert reason in check_header(path)[0]
    with pytest.raises(InputError, match=rf"a\.dat: .*{reason}"):
        read_recording(path, "1/1/1")


def test_what_patchmaster_marked(tmp_path):
    series = {"steps": [("Imon-1", "A", 1, 8 | 32, CURRENT)]}
    path = write(tmp_path / "a.dat", series, {"steps": [heka_stimulus(STEPS)]}, trace_fields=(("i", 60, 4),))
    leak, clipped = read_recording(path, "1/1/1").notes
    assert leak.startswith("P/N leak traces")
    assert "clipped (sweep 0, 1, 2, 3)" in clipped
    current_clamp = write(tmp_path / "b.dat", trace_fields=(("b", 68, 4),))
    assert "the amplifier reported current clamp" in sanity(read_recording(current_clamp, "1/1/1"))[0]


def test_other_bundles_are_refused(tmp_path):
    whole = write(tmp_path / "a.dat").read_bytes()
    for start, reason in ((b"DAT1", "no whole HEKA bundle"), (b"DATA", "no whole HEKA bundle"), (b"eerT", "no whole")):
        (tmp_path / "b.dat").write_bytes(start + whole[4:])
        assert reason in check_header(tmp_path / "b.dat")[0]


def test_truncated_at_each_part(tmp_path):
    whole = write(tmp_path / "a.dat").read_bytes()
    places = [struct.unpack_from("<ii", whole, 64 + 16 * i) for i in range(3)]
    edges = {
        0,
        4,
        52,
        DATA_PLACE,
        *(p for p, _ in places),
        *(p + n for p, n in places),
        *range(places[1][0], len(whole), 997),
    }
    path = tmp_path / "cut.dat"
    for size in sorted({e + d for e in edges for d in (-1, 0, 1) if 0 <= e + d < len(whole)}):
        path.write_bytes(whole[:size])
        assert outcome(path, "1/1/1") is None, size
        assert check_header(path), size


def damaged_is_an_error_or_a_reading(tmp_path, data):
    whole = heka_bytes(SERIES, STIMULI)
    pulsed = struct.unpack_from("<i", whole, 64 + 16)[0]
    used = st.one_of(
        st.integers(0, DATA_PLACE - 1), st.integers(pulsed, len(whole) - 1), st.integers(pulsed, pulsed + 32)
    )
    raw = bytearray(whole)
    for offset in data.draw(st.lists(used, min_size=1, max_size=3, unique=True)):
        raw[offset] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.dat"
    path.write_bytes(bytes(raw))
    outcome(path, "1/1/1")
    assert all(isinstance(p, str) for p in check_header(path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_at_length(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)
