import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import csv_text, outcome

from mgk.recordings import check_header, read_recording
from mgk.recordings.measure import measure_recording
from mgk.tables.problems import InputError

N = 40
TIME = np.round(np.arange(N) * 0.1, 6)
CURRENT = np.round(np.random.default_rng(1).normal(0, 100, N), 4)


def write(path, columns, text=None):
    path.write_text(csv_text(columns) if text is None else text, encoding="utf-8")
    return path


def columns(**more):
    return {"time_ms": TIME, "current_pa": CURRENT, **more}


def test_a_trace_of_one_sweep(tmp_path):
    recording = read_recording(write(tmp_path / "a.txt", columns()))
    assert (recording.format, recording.rate_hz, recording.sweep_samples) == ("CSV trace", 10_000.0, (N,))
    assert [(c.name, c.unit) for c in recording.channels] == [("current_pa", "pA")]
    assert np.array_equal(recording.signal(0, 0), CURRENT)
    assert np.array_equal(recording.signal(0, 0, 3, 9), CURRENT[3:9])


@pytest.mark.parametrize(("column", "factor"), [("current_pa", 1), ("current_na", 1e3), ("current_ua", 1e6)])
def test_the_unit_is_in_the_name(tmp_path, column, factor):
    recording = read_recording(write(tmp_path / "a.csv", {"time_s": TIME / 1e3, column: CURRENT}))
    assert recording.channels[0].unit == "pA"
    assert recording.signal(0, 0) == pytest.approx(CURRENT * factor, rel=1e-15)


def test_sweeps_may_differ_in_length_and_count_time_on(tmp_path):
    sweep = np.repeat([3, 7, 8], [10, 12, 18])
    recording = read_recording(write(tmp_path / "a.csv", {"sweep": sweep, **columns()}))
    assert recording.sweep_samples == (10, 12, 18)
    assert np.array_equal(recording.signal(2, 0), CURRENT[22:])


def test_a_recorded_voltage_and_a_command(tmp_path):
    voltage, command = np.linspace(-80, 40, N).round(3), np.repeat([-80.0, 20.0], N // 2)
    path = write(tmp_path / "a.csv", columns(voltage_mv=voltage, command_mv=command))
    recording = read_recording(path)
    assert np.array_equal(recording.command(0, "voltage_mv").values_mv, voltage)
    assert np.array_equal(recording.command(0).values_mv, command)
    without = read_recording(write(tmp_path / "b.csv", columns(voltage_mv=voltage)))
    with pytest.raises(InputError, match=r"b\.csv: .*no column command_mv; name a recorded voltage channel"):
        without.decoded_mv(0)


def test_it_is_measured_like_any_other(tmp_path):
    voltage = np.repeat([-80.0, 20.0], N // 2)
    path = write(tmp_path / "a.csv", columns(voltage_mv=voltage))
    row = {"recording_id": "r", "channel": "current_pa", "voltage_channel": "voltage_mv", "configuration": "whole_cell"}
    table = measure_recording(row, path, {"windows_ms": {"baseline": [0, 1], "steady": [3, 4]}}).measurements
    assert table["steady_pa"].tolist() == pytest.approx([CURRENT[30:].mean()])
    assert table["command_mv"].tolist() == [20.0]


def test_times_that_were_rounded_are_still_even(tmp_path):
    fine = np.arange(4000) / 7000
    path = write(tmp_path / "a.csv", {"time_s": fine.round(5), "current_pa": np.zeros(4000)})
    assert read_recording(path).rate_hz == pytest.approx(7000, rel=1e-5)


@pytest.mark.parametrize("lost", [1, 20, 38])
def test_a_lost_sample_is_found(tmp_path, lost):
    kept = {name: np.delete(values, lost) for name, values in columns().items()}
    assert "not evenly spaced" in check_header(write(tmp_path / "a.csv", kept))[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("time_ms,current_mA\n0,1\n1,2\n", "unknown column 'current_mA'; time_s, time_ms, current_pa"),
        ("time_ms,current_pa,current_pa\n0,1,1\n1,2,2\n", "a column twice"),
        ("time_ms,time_s,current_pa\n0,0,1\n1,1,2\n", "needs one time"),
        ("time_ms,current_pa,current_na\n0,1,1\n1,2,2\n", "one current or voltage"),
        ("time_ms,command_mv\n0,1\n1,2\n", "one current or voltage"),
        ("time_ms,current_pa\n", "has no samples"),
        ("time_ms,current_pa\n0,1\n", "fewer than two samples"),
        ("time_ms,current_pa\n0,1\n1,x\n", "row 3, value 2 is no number: 'x'"),
        ("time_ms,current_pa\n0,1\n1,nan\n", "row 3, value 2"),
        ("time_ms,current_pa\n0,1\n1,\n", "row 3, value 2"),
        ("time_ms,current_pa\n0,1\n1\n", "row 3 has 1 values, 2 are needed"),
        ("time_ms,current_pa\n0,1\n1,2,3\n", "row 3 has 3 values"),
        ("time_ms,current_pa\n0,1\n1,2", "middle of a line"),
        ("time_ms,current_pa\n0,1,5\n1,2,5\n", "row 2 has 3 values"),
        ("time_ms,current_pa\n1,1\n0,2\n", "do not rise"),
        ("time_ms,current_pa,sweep\n0,1,0\n1,2,0\n0,1,1.5\n1,1,1.5\n", "whole numbers"),
        ("time_ms,current_pa,sweep\n0,1,1\n1,2,1\n0,1,0\n1,1,0\n", "falls in row 4"),
        ("time_ms,current_pa,sweep\n0,1,1\n1,2,1\n0,1,2\n2,1,2\n", "different sampling rates"),
        ("time_ms;current_pa\n0;1\n1;2\n", "of no known format"),
        ("a,b\n0,1\n", "of no known format"),
    ],
)
def test_what_is_not_in_order_is_named(tmp_path, text, reason):
    path = write(tmp_path / "a.csv", {}, text)
    with pytest.raises(InputError, match=r"^a\.csv: ") as caught:
        read_recording(path)
    assert reason in str(caught.value)
    assert check_header(path) == [caught.value.problems[0].allowed]


def test_a_byte_order_mark_windows_line_ends_and_empty_last_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + csv_text(columns()).replace("\n", "\r\n").encode() + b"\r\n")
    assert np.array_equal(read_recording(path).signal(0, 0), CURRENT)
    path.write_bytes(b"time_ms,current_pa\n0,\xff\n")
    assert "not UTF-8" in check_header(path)[0]


def truncated_is_a_whole_prefix(path, text, size):
    path.write_bytes(text[:size])
    found = outcome(path)
    if found:
        samples = found[0].sweep_samples[0]
        assert text[:size].count(b"\n") == samples + 1
        assert np.array_equal(found[1][0, 0], CURRENT[:samples])


def test_truncated_anywhere(tmp_path):
    text = csv_text(columns()).encode()
    for size in [*range(80), *range(len(text) - 30, len(text) + 1)]:
        truncated_is_a_whole_prefix(tmp_path / "cut.csv", text, size)


def damaged_is_an_error_or_a_reading(tmp_path, data):
    raw = bytearray(csv_text(columns(sweep=np.repeat([0, 1], N // 2))).encode())
    for offset in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4, unique=True)):
        raw[offset] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.csv"
    path.write_bytes(bytes(raw))
    found = outcome(path)
    if found:
        assert all(np.isfinite(v).all() for v in found[1].values())
        assert np.sum(found[0].sweep_samples) == bytes(raw).rstrip(b"\r\n").count(b"\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_at_length(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)
