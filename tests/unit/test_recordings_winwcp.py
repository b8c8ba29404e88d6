import struct

import neo
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import outcome, wcp_bytes

from mgk.recordings import check_header, read_recording
from mgk.tables.problems import InputError

RECORDS, N = 3, 256
CODES = np.random.default_rng(4).integers(-30000, 30000, (RECORDS, N, 2))
CHANNELS = [("Im", "nA", 0.5), ("Vm", "mV", 0.01)]
VOLTS = [[5.0, 10.0], [2.5, 10.0], [5.0, 0.0]]


def write(path, raw=None, **changes):
    path.write_bytes(wcp_bytes(CHANNELS, CODES, volts=VOLTS, **changes) if raw is None else raw)
    return path


def test_each_record_has_its_own_scale(tmp_path):
    recording = read_recording(write(tmp_path / "a.dat"))
    assert (recording.format, recording.rate_hz, recording.sweep_samples) == ("WinWCP 9", 10_000.0, (N,) * RECORDS)
    assert [(c.name, c.unit, c.original_unit) for c in recording.channels] == [("Im", "pA", "nA"), ("Vm", "mV", "mV")]
    for record, volts in enumerate((5.0, 2.5, 5.0)):
        expected = CODES[record, :, 0] * volts / (32768 * 0.5) * 1e3
        assert recording.signal(record, 0) == pytest.approx(expected, rel=1e-6)
    # A range of zero is that of the record's first channel, as WinWCP takes it.
    assert recording.recorded_mv(1, 1) == pytest.approx(CODES[1, :, 1] * 10 / (32768 * 0.01), rel=1e-6)
    assert recording.recorded_mv(2, 1) == pytest.approx(CODES[2, :, 1] * 5 / (32768 * 0.01), rel=1e-6)
    assert np.array_equal(recording.codes(2, 1, 10, 20), CODES[2, 10:20, 1])
    assert recording.code_limits == (-32768, 32767)
    with pytest.raises(InputError, match=r"a\.dat: .*holds no stimulus"):
        recording.decoded_mv(0)


def test_neo_reads_the_same_up_to_its_scale(tmp_path):
    path = tmp_path / "a.wcp"
    path.write_bytes(wcp_bytes(CHANNELS, CODES, interval_s=2e-4, RTIME="01/01/2026 00:00:00"))
    reader, recording = neo.rawio.WinWcpRawIO(str(path)), read_recording(path)
    reader.parse_header()
    assert reader.get_signal_sampling_rate(0) == pytest.approx(recording.rate_hz, rel=1e-6)
    raw = reader.get_analogsignal_chunk(0, 2, stream_index=0)
    scaled = reader.rescale_signal_raw_to_float(raw, dtype="float64", stream_index=0)
    # neo divides by ADCMAX (32767) where WinWCP divides by the converter's 32768 steps.
    assert recording.signal(2, 0) / 1e3 == pytest.approx(scaled[:, 0] * 32767 / 32768, rel=1e-6)


def test_channels_may_be_interleaved_in_any_order(tmp_path):
    recording = read_recording(write(tmp_path / "a.wcp", YO0=1, YO1=0))
    assert np.array_equal(recording.codes(0, 0), CODES[0, :, 1])


def test_more_than_eight_channels_have_longer_headers(tmp_path):
    codes = np.random.default_rng(5).integers(-9, 9, (2, 512, 16))
    channels = [(f"channel number {i}", "mV", 1.0) for i in range(16)]
    path = write(tmp_path / "a.wcp", wcp_bytes(channels, codes))
    assert path.stat().st_size == 2048 + 2 * (2048 + 2 * 512 * 16)
    recording = read_recording(path)
    assert np.array_equal(recording.codes(1, 15), codes[1, :, 15])


def test_a_converter_of_twelve_bits(tmp_path):
    recording = read_recording(write(tmp_path / "a.wcp", top=2047))
    assert recording.code_limits == (-2048, 2047)
    assert recording.signal(0, 0) == pytest.approx(CODES[0, :, 0] * 5 / (2048 * 0.5) * 1e3, rel=1e-6)


def test_rejected_and_leak_records_are_said(tmp_path):
    path = write(tmp_path / "a.wcp", statuses=("ACCEPTED", "REJECTED"), kinds=("TEST", "TEST", "LEAK"))
    rejected, leak = read_recording(path).notes
    assert "rejected in WinWCP (sweep 1)" in rejected
    assert "LEAK (sweep 2)" in leak


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"VER": 8}, "format version 8; 9 is read"),
        ({"VER": "x"}, "VER='x', which is no number"),
        ({"NC": 0}, "NC=0; 1 to 128"),
        ({"NC": 3}, "no whole number of 3 samples"),
        ({"NC": None}, "has no NC: it is no WinWCP file"),
        ({"NR": 0}, "holds no records"),
        ({"NR": 4}, "4 records should end at byte"),
        ({"NBA": 3}, "NBA=3; 2 channels make it 2"),
        ({"NBD": 4}, "truncated?"),
        ({"DT": 0}, "DT=0"),
        ({"DT": "0,0002"}, "different sampling rates"),
        ({"ADCMAX": -1}, "ADCMAX=-1"),
        ({"YO1": 0}, "several channels at one sample"),
        ({"YO1": 7}, "YO1=7"),
        ({"YG0": 0}, "impossible scale"),
        ({"YG0": "nan"}, "impossible scale"),
    ],
)
def test_what_is_not_in_order_is_named(tmp_path, changes, reason):
    raw = write(tmp_path / "a.wcp", **changes)
    with pytest.raises(InputError, match=r"^a\.wcp: ") as caught:
        read_recording(raw)
    assert reason in str(caught.value)
    assert len(check_header(raw)) == 1


def test_records_of_another_rate_are_refused(tmp_path):
    path = write(tmp_path / "a.wcp")
    raw = bytearray(path.read_bytes())
    struct.pack_into("<f", raw, 1024 + (1024 + 4 * N) + 20, 2e-4)
    assert "different sampling rates" in check_header(write(path, bytes(raw)))[0]


def test_truncated_at_each_block(tmp_path):
    whole = wcp_bytes(CHANNELS, CODES)
    stride = 1024 + 4 * N
    edges = [0, 4, 512, 1024, *(1024 + i * stride + j for i in range(RECORDS) for j in (0, 24, 1024, stride))]
    path = tmp_path / "cut.wcp"
    for size in sorted({e + d for e in edges for d in (-1, 0, 1) if 0 <= e + d < len(whole)}):
        path.write_bytes(whole[:size])
        assert outcome(path) is None, size
        assert check_header(path), size


def damaged_is_an_error_or_a_reading(tmp_path, data):
    raw = bytearray(wcp_bytes(CHANNELS, CODES, volts=VOLTS))
    text = raw.index(b"\0")
    heads = [1024 + i * (1024 + 4 * N) for i in range(RECORDS)]
    used = st.one_of(st.integers(0, text), *(st.integers(h, h + 31) for h in heads))
    for offset in data.draw(st.lists(used, min_size=1, max_size=3, unique=True)):
        raw[offset] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.wcp"
    path.write_bytes(bytes(raw))
    found = outcome(path)
    if found:
        recording, signals = found
        assert all(np.isfinite(v).all() for v in signals.values())
        if recording.sweep_samples == (N,) * RECORDS and len(recording.channels) == 2:
            stored = {tuple(recording.codes(0, c)) for c in range(2)}
            assert stored == {tuple(CODES[0, :, c]) for c in range(2)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_at_length(tmp_path, data):
    damaged_is_an_error_or_a_reading(tmp_path, data)
