"""A file that was made at its full size and written, or copied, in part: its end is one raw value."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trace_files import abf1_bytes, csv_text, wcp_bytes

from mgk.recordings import read_recording
from mgk.recordings.measure import measure_recording
from mgk.recordings.protocol import Epoch, Output
from mgk.recordings.unwritten import FEWEST_SAMPLES, unwritten_end
from mgk.simulate.abf import Signal, write_abf

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "recordings"
SWEEPS, N, RATE = 8, 640, 10_000.0
OUTPUT = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", -60.0, 90), Epoch(1, "step", -100.0, 300, level_step=20.0)))
SETTINGS = {"windows_ms": {"baseline": [1, 9], "steady": [30, 38]}}
ROW = {
    "recording_id": "r1", "experiment": "e", "cell_id": "c1", "animal_id": "a1", "condition": "control",
    "configuration": "whole_cell", "channel": "", "voltage_channel": "", "exclude": "",
}  # fmt: skip
NOISE = np.random.default_rng(8).normal(-40, 8, (SWEEPS, N))


def write(path, current, unit="pA"):
    return write_abf(path, [Signal("Im", unit, 2000.0, current)], [OUTPUT], rate_hz=RATE, comment="simulated")


def cut(sweep, sample, value=0.0, current=NOISE):
    """The recording with one value from a place on."""
    flat = current.ravel().copy()
    flat[sweep * N + sample :] = value
    return flat.reshape(SWEEPS, N)


def end_of(path, current):
    return unwritten_end(read_recording(write(path, current)), 0)


@pytest.mark.parametrize(
    ("sweep", "sample", "told"),
    [
        (4, 0, "constant at 0 pA from sweep 4 to the end of the file (50 % of it): half copied?"),
        (5, 310, "constant at 0 pA from sweep 5, 0.031 s on to the end of the file (31.4 % of it): half copied?"),
    ],
)
def test_a_recording_half_of_zeros_is_excluded_with_the_place_and_measured_all_the_same(tmp_path, sweep, sample, told):
    whole = measure_recording(ROW, write(tmp_path / "w.abf", NOISE), SETTINGS)
    measured = measure_recording(ROW, write(tmp_path / "r.abf", cut(sweep, sample)), SETTINGS)
    assert whole.quality["verdict"] == "pass"
    assert (measured.quality["verdict"], measured.quality["reason"]) == ("exclude", told)
    assert set(measured.quality) == set(whole.quality)
    before = whole.measurements["sweep"] < sweep
    assert measured.measurements[before].equals(whole.measurements[before])
    assert measured.measurements["sweep"].tolist() == list(range(SWEEPS))


def test_segments_may_keep_apart_what_was_written(tmp_path):
    path = write(tmp_path / "r.abf", cut(5, 310))

    def verdict(*segments):
        return measure_recording({**ROW, "segments": list(segments)}, path, SETTINGS).quality["verdict"]

    assert verdict({"sweep_first": 0, "sweep_last": 4}) == "warn"
    assert verdict({"sweep_first": 0, "sweep_last": 5}) == "exclude"
    assert verdict({"sweep_first": 0, "sweep_last": 4}, {"sweep_first": 5, "exclude": "not written"}) == "warn"


@pytest.mark.parametrize("value", [0.0, -40.0])
@pytest.mark.parametrize("form", ["ABF1", "WinWCP", "CSV trace"])
def test_other_formats(tmp_path, form, value):
    current = np.rint(cut(4, 20, value))
    path, block = tmp_path / "r", 512  # a record of WinWCP is whole blocks
    if form == "ABF1":
        path.write_bytes(abf1_bytes(current, units=("pA", "mV")))
    elif form == "WinWCP":
        path.write_bytes(wcp_bytes([("I", "pA", 5 / 32768)], current.reshape(-1, block, 1)))
    else:
        time_s = (np.arange(current.size) / RATE).round(7)
        path.write_text(csv_text({"time_s": time_s, "current_pa": current.ravel()}))
    recording = read_recording(path)
    end = unwritten_end(recording, 0)
    before = sum(recording.sweep_samples[: end.sweep]) + end.time_s * recording.rate_hz
    assert before == pytest.approx(4 * N + 20, abs=2)  # noise beside the end may have its value
    assert end.share == pytest.approx((4 * N - 20) / NOISE.size, abs=1e-3)


def still(size):
    """A noise-free current: a step with a capacitive transient and a slow part, back to 0."""
    t = np.arange(N) - 90
    inside = (t >= 0) & (t < 300)
    return np.where(inside, size * (1 - np.exp(-t.clip(0) / 40.0)) + 500 * np.exp(-t.clip(0) / 3.0), 0.0)


NOT_SO = {
    "noise throughout": NOISE,
    "zeros at the start": cut(3, 0)[::-1, ::-1],
    "zeros within": np.where((np.arange(SWEEPS) // 2 == 1)[:, None], 0.0, NOISE),
    "too few samples": cut(SWEEPS - 1, N - FEWEST_SAMPLES // 2),
    "one sample too few": cut(SWEEPS - 2, 2 * N - FEWEST_SAMPLES + 1),
    "never changes": np.zeros((SWEEPS, N)),
    "no noise: steps that end in rest": np.array([still(50.0 * s) for s in range(SWEEPS)]),
    "no noise: the last steps have no current": np.array([still(50.0) * (s < 4) for s in range(SWEEPS)]),
    "no noise: one decay": (1500 * np.exp(-np.arange(SWEEPS * N) / 150.0)).reshape(SWEEPS, N),
    "saturated to its end": cut(4, 0, 1e6),
    "saturated below": cut(4, 0, -1e6),
    "as long a rest before": np.where((np.arange(SWEEPS) % 4 > 1)[:, None], 0.0, NOISE),
}


@pytest.mark.parametrize("current", NOT_SO.values(), ids=list(NOT_SO))
def test_what_is_no_unwritten_end(tmp_path, current):
    assert end_of(tmp_path / "r.abf", current) is None


def test_coarse_codes_and_filtered_noise_are_noise(tmp_path):
    """Noise of half a code, and noise that many samples share."""
    coarse = np.rint(np.random.default_rng(3).normal(0, 0.4, NOISE.shape)) * 2000 / 32768
    assert end_of(tmp_path / "coarse.abf", cut(4, 0, 0.0, coarse)).sweep in (3, 4)
    kernel = np.hanning(60) / np.hanning(60).sum()
    slow = np.convolve(NOISE.ravel(), kernel, mode="same").reshape(NOISE.shape)
    assert end_of(tmp_path / "slow.abf", cut(4, 0, 0.0, slow)).sweep == 4


@pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")
def test_real_recordings_end_in_noise_unless_their_second_half_is_lost():
    files = [p for p in sorted(REAL.rglob("*.abf")) if "model" not in p.name]
    assert files
    for path in files:
        recording = read_recording(path)
        assert all(unwritten_end(recording, c) is None for c in range(len(recording.channels))), path
        half = half_of(recording)
        found = unwritten_end(half, 0)
        total = sum(recording.sweep_samples)
        if total > 2 * FEWEST_SAMPLES:
            assert found is not None, path
            assert found.share == pytest.approx(0.5, abs=0.01)


def half_of(recording):
    """The same recording with raw zeros in place of its second half."""
    firsts = np.concatenate([[0], np.cumsum(recording.sweep_samples)])

    def read(sweep, channel, start, stop):
        codes, gain, offset = recording._read(sweep, channel, start, stop)
        written = firsts[sweep] + np.arange(start, stop) < firsts[-1] // 2
        return np.where(written, codes, codes.dtype.type(0)), gain, offset

    return replace(recording, _read=read)
