import numpy as np
import pyabf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import atf_text, outcome

from mgk.recordings import check_header, read_recording
from mgk.tables.problems import InputError

SWEEPS, N = 3, 50
TIME = np.arange(N) * 1e-4
RANDOM = np.random.default_rng(2)
CURRENT, VOLTAGE = RANDOM.normal(0, 50, (SWEEPS, N)).round(3), RANDOM.normal(-60, 10, (SWEEPS, N)).round(3)
SIGNALS = [("Im", "pA", CURRENT), ("10_Vm", "mV", VOLTAGE)]


def write(path, text):
    path.write_bytes(text.encode("cp1252"))
    return path


def test_channels_and_sweeps(tmp_path):
    recording = read_recording(write(tmp_path / "a.txt", atf_text(SIGNALS, TIME)))
    assert (recording.format, recording.rate_hz, recording.sweep_samples) == ("ATF 1.0", 10_000.0, (N,) * SWEEPS)
    assert [(c.name, c.unit) for c in recording.channels] == [("Im", "pA"), ("10_Vm", "mV")]
    assert recording.comment == "simulated"
    for sweep in range(SWEEPS):
        assert np.array_equal(recording.signal(sweep, 0), CURRENT[sweep])
        assert np.array_equal(recording.command(sweep, "10_Vm").values_mv, VOLTAGE[sweep])
    with pytest.raises(InputError, match="holds no stimulus"):
        recording.decoded_mv(0)


def test_pyabf_reads_the_same(tmp_path):
    path = write(tmp_path / "a.atf", atf_text(SIGNALS[:1], TIME))
    other, recording = pyabf.ATF(str(path)), read_recording(path)
    assert other.sweepCount == len(recording.sweep_samples)
    for sweep in range(SWEEPS):
        other.setSweep(sweep)
        assert recording.signal(sweep, 0) == pytest.approx(other.sweepY, abs=1e-4)


@pytest.mark.parametrize(("unit", "common", "factor"), [("nA", "pA", 1e3), ("\u00b5A", "pA", 1e6), ("V", "mV", 1e3)])
def test_units_come_from_the_titles(tmp_path, unit, common, factor):
    recording = read_recording(write(tmp_path / "a.atf", atf_text([("x", unit, CURRENT)], TIME)))
    assert recording.channels[0].unit == common
    assert recording.signal(1, 0) == pytest.approx(CURRENT[1] * factor, rel=1e-15)


def test_times_in_milliseconds(tmp_path):
    path = write(tmp_path / "a.atf", atf_text(SIGNALS, (TIME * 1e3).round(6), title="Time (ms)"))
    assert read_recording(path).rate_hz == 10_000.0


def test_the_record_of_signals_may_be_that_of_one_sweep(tmp_path):
    text = atf_text(SIGNALS, TIME).replace('\t"Im"\t"10_Vm"' * SWEEPS, '\t"Im"\t"10_Vm"')
    recording = read_recording(write(tmp_path / "a.atf", text))
    assert [(c.name, c.unit) for c in recording.channels] == [("Im", "pA"), ("10_Vm", "mV")]
    assert np.array_equal(recording.signal(2, 1), VOLTAGE[2])


def test_without_a_record_of_signals_the_titles_tell(tmp_path):
    recording = read_recording(write(tmp_path / "a.atf", atf_text(SIGNALS, TIME, signal_record=False)))
    assert [(c.name, c.unit) for c in recording.channels] == [("(pA)", "pA"), ("(mV)", "mV")]
    assert np.array_equal(recording.signal(2, 1), VOLTAGE[2])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.replace("ATF\t1.0", "ATF\t2.0"), "version 1.0"),
        (lambda t: t.replace("3\t7", "3\t6"), "says it has 6 columns"),
        (lambda t: t.replace("3\t7", "3\tx"), "two counts"),
        (lambda t: t.replace("3\t7", "99\t7"), "ends within its header"),
        (lambda t: t.replace("3\t7", "3\t1"), "1 columns"),
        (lambda t: t.replace("Time (s)", "Event (n)"), "first column must be the time"),
        (lambda t: t.replace("Time (s)", "Time (h)"), "first column must be the time"),
        (lambda t: t.replace("Trace #2 (pA)", "Trace #2 (nA)"), "must have one unit"),
        (lambda t: t.replace("(pA)", ""), "must have one unit in brackets"),
        (lambda t: t.replace('"Im"', '"Ix"', 1), "different numbers of sweeps"),
        (lambda t: t.replace("0.0004\t", "0.0005\t"), "not evenly spaced"),
        (lambda t: t.replace("0.0004\t", "0,0004\t"), "no number"),
        (lambda t: t[:-2], "middle of a line"),
        (lambda t: "\r\n".join(t.split("\r\n")[:6]) + "\r\n", "no samples"),
    ],
)
def test_what_is_not_in_order_is_named(tmp_path, change, reason):
    text = atf_text(SIGNALS, TIME.round(6))
    assert change(text) != text
    path = write(tmp_path / "a.atf", change(text))
    with pytest.raises(InputError, match=r"^a\.atf: ") as caught:
        read_recording(path)
    assert reason in str(caught.value)
    assert len(check_header(path)) == 1


def test_truncated_at_each_line_and_within(tmp_path):
    text = atf_text(SIGNALS, TIME).encode("cp1252")
    ends = [i for i, byte in enumerate(text) if byte == ord("\n")]
    path = tmp_path / "cut.atf"
    for size in sorted({e + d for e in [*ends[:8], *ends[-3:]] for d in (-2, -1, 0, 1, 2)} | {0, 1, 3, 5}):
        path.write_bytes(text[:size])
        found = outcome(path)
        if found:
            rows = text[:size].count(b"\n") - 6
            assert np.array_equal(found[1][1, 0], CURRENT[1, :rows])


def damaged_is_an_error_or_a_reading(tmp_path, data):
    raw = bytearray(atf_text(SIGNALS, TIME).encode("cp1252"))
    header = raw.index(b"Time")
    used = st.one_of(st.integers(0, header + 80), st.integers(0, len(raw) - 1))
    for offset in data.draw(st.lists(used, min_size=1, max_size=4, unique=True)):
        raw[offset] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.atf"
    path.write_bytes(bytes(raw))
    found = outcome(path)
    if found:
        assert all(np.isfinite(v).all() for v in found[1].values())
        assert set(found[0].sweep_samples) <= {N - 1, N, N + 1}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_at_length(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)
