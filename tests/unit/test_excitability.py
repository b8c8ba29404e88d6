"""Excitability: spikes and their shape, passive responses, cells, conditions, and files that are wrong."""

import copy
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from studies import load_config, save_config, small_study

from mgk import excitability
from mgk.checks import check_study
from mgk.excitability.cells import PARAMETERS, fit_firing
from mgk.excitability.measure import QUALITY_NUMBERS, SPIKE_COLUMNS, SWEEP_COLUMNS
from mgk.excitability.response import binned, passive_response, resistance, second_exponential
from mgk.excitability.spikes import adaptation_index
from mgk.figures import excitability as figures
from mgk.recordings import read_recording
from mgk.recordings.measure import check_recording, measure_recording
from mgk.recordings.protocol import Epoch, Output
from mgk.recordings.recording import array_reader
from mgk.simulate import current_clamp
from mgk.simulate.abf import Signal, write_abf
from mgk.study import Study
from mgk.tables.problems import InputError
from mgk.tables.yaml_file import load_yaml

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "recordings"
with_real = pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here")
REAL_FILE = "190619B_0003.abf"
HOUSE = Path(__file__).parents[2]
TRUTH = load_yaml(HOUSE / "raw_data" / "truth.yaml")[0]

RATE, N, SWEEPS = 10_000.0, 6400, 7
STEP = slice(1000, 5000)
PER_MS = RATE / 1e3
# -60 to 60 pA in seven sweeps; epoch A is shorter by what a sweep holds before it.
OUTPUT = Output(
    "Cmd 0", "pA", 0.0, (Epoch(0, "step", 0.0, 1000 - N // 64), Epoch(1, "step", -60.0, 4000, level_step=20.0))
)
STEPS = -60.0 + 20 * np.arange(SWEEPS)
ROW = {
    "recording_id": "r1", "file": "r1.abf", "experiment": "e", "cell_id": "c1", "animal_id": "a1",
    "condition": "control", "configuration": "whole_cell", "channel": "", "current_channel": "", "exclude": "",
}  # fmt: skip
R_IN, TAU, REST = 200.0, 20.0, -65.0


def passive(step_pa, r_in=R_IN, tau=TAU, bridge=0.0, rest=REST):
    """Return the potential of a cell without channels, shape (sweeps, N)."""
    t = np.arange(N - STEP.start) / PER_MS
    on = 1 - np.exp(-t / tau)
    off = np.where(t >= 400, 1 - np.exp(-(t - 400) / tau), 0)
    shape = np.concatenate([np.zeros(STEP.start), on - off])
    inside = np.zeros(N)
    inside[STEP] = 1
    return rest + 1e-3 * np.asarray(step_pa)[:, None] * (r_in * shape + bridge * inside)


def add_spikes(trace, peaks, height=80.0, rise=10, fall=20):
    """Add triangular spikes: `height` mV up in `rise` samples, down in `fall`."""
    out = trace.copy()
    for peak in peaks:
        out[peak - rise : peak + 1] += np.linspace(0, height, rise + 1)
        out[peak + 1 : peak + fall] += np.linspace(height, 0, fall + 1)[1:-1]
    return out


def firing_cell(noise=0.0, **passive_arguments):
    """Return the potential of a cell that fires 3, 6 and 9 spikes at 20, 40 and 60 pA, and its spikes."""
    voltage = passive(STEPS, **passive_arguments)
    counts = [0, 0, 0, 0, 3, 6, 9]
    for sweep, n in enumerate(counts):
        voltage[sweep] = add_spikes(voltage[sweep], (1400 + 3400 * np.arange(n) / max(n, 1)).astype(int))
    return voltage + np.random.default_rng(5).normal(0, noise, voltage.shape), counts


def write(folder, voltage, name="r1.abf", unit="mV", output=OUTPUT, current=None):
    signals = [Signal("Vm", unit, 200.0, np.asarray(voltage))]
    if current is not None:
        signals.append(Signal("Im", "pA", 2000.0, np.broadcast_to(current, np.shape(voltage))))
    return write_abf(folder / name, signals, [output], rate_hz=RATE, comment="simulated")


def measure(folder, asked=None, **row):
    given_settings = {"excitability": {}, "quality": {}, **(asked or {})}
    return excitability.measure_current_clamp([{**ROW, **row}], folder, given_settings)


def summarised(measured):
    cells = excitability.summarise(measured.excitability, measured.quality)
    return cells, excitability.cell_fits("e", cells).set_index("parameter")


# --- spikes -----------------------------------------------------------------------------------------------------


def test_shape_of_a_triangular_spike_is_exact():
    flat = np.full(2000, -50.0)
    # 8 mV a sample is 80 mV/ms up, 40 mV/ms down; after it 5 mV below the rest for 10 ms.
    trace = add_spikes(flat, [1000])
    trace[1021:1121] -= 5
    found = excitability.find_spikes(trace, RATE)
    assert len(found) == 1
    spike = found.iloc[0]
    # dV/dt is 0 half a sample before the spike begins, 80 half a sample after: 20 is reached a quarter of a sample on.
    assert spike["threshold_ms"] == pytest.approx((990 - 0.25) / PER_MS, abs=1e-9)
    assert spike["threshold_mv"] == pytest.approx(-50, abs=1e-9)
    assert spike["peak_mv"] == pytest.approx(30)
    assert spike["height_mv"] == pytest.approx(80)
    assert spike["half_width_ms"] == pytest.approx((5 + 10) / PER_MS, abs=1e-9)
    assert spike["rise_mv_ms"] == pytest.approx(80)
    assert spike["fall_mv_ms"] == pytest.approx(-50, abs=11)  # the step down of 5 mV is part of the fall
    assert spike["ahp_mv"] == pytest.approx(5, abs=1e-9)


def test_threshold_moves_with_the_criterion():
    rise = np.cumsum(np.concatenate([np.zeros(100), np.linspace(0, 10, 60), np.full(3, -30.0), np.full(200, -2.0)]))
    trace = np.clip(-60 + rise, -70, None)
    thresholds = [
        excitability.find_spikes(trace, RATE, excitability.Criterion(threshold_mv_ms=c))["threshold_mv"].iloc[0]
        for c in (10, 20, 40)
    ]
    assert np.all(np.diff(thresholds) > 0)


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_noise_is_no_spike_and_hides_none(noise):
    rng = np.random.default_rng(1)
    assert len(excitability.find_spikes(-50 + rng.normal(0, noise, 50_000), RATE)) == 0
    peaks = np.arange(500, 49_000, 500)
    trace = add_spikes(np.full(50_000, -50.0), peaks) + rng.normal(0, noise, 50_000)
    found = excitability.find_spikes(trace, RATE)
    assert len(found) == peaks.size
    assert np.abs(found["peak_ms"] - peaks / PER_MS).max() <= 0.3


def test_slow_depolarisations_and_partial_spikes_are_none():
    slow = -60 + 80 * np.exp(-0.5 * ((np.arange(8000) - 4000) / 800) ** 2)
    assert len(excitability.find_spikes(slow, RATE)) == 0
    partial = add_spikes(np.full(4000, -35.0), [2000], height=18)
    assert len(excitability.find_spikes(partial, RATE)) == 0


def test_a_spike_that_the_end_cuts_off_is_none():
    trace = add_spikes(np.full(3000, -50.0), [1500])
    assert len(excitability.find_spikes(trace[:1503], RATE)) == 0
    assert len(excitability.find_spikes(trace[:1600], RATE)) == 1


@given(st.lists(st.integers(60, 400), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_every_spike_is_found_once_whatever_the_intervals(gaps):
    peaks = 50 + np.cumsum(gaps)
    found = excitability.find_spikes(add_spikes(np.full(peaks[-1] + 100, -55.0), peaks), RATE)
    assert found["peak_ms"].tolist() == pytest.approx((peaks / PER_MS).tolist())
    assert (found["threshold_ms"] < found["peak_ms"]).all()
    assert np.allclose(found["height_mv"], found["peak_mv"] - found["threshold_mv"])


def test_adaptation_is_that_of_successive_intervals():
    assert adaptation_index([0, 10, 20, 30]) == 0
    assert adaptation_index([0, 10, 30, 70]) == pytest.approx(1 / 3)
    assert adaptation_index([0, 40, 60, 70]) == pytest.approx(-1 / 3)
    assert math.isnan(adaptation_index([0, 10]))


# --- passive responses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [8.0, 20.0])
@pytest.mark.parametrize("bridge", [0.0, 15.0])
def test_without_noise_input_resistance_time_constant_and_bridge_are_exact(tau, bridge):
    found = []
    for step, trace in zip(STEPS[:3], passive(STEPS[:3], tau=tau, bridge=bridge), strict=True):
        response = passive_response(trace, STEP, REST, RATE)
        assert response.tau_ms == pytest.approx(tau, rel=1e-6)
        assert response.jump_mv == pytest.approx(1e-3 * step * bridge, abs=1e-6)
        found.append(response.deflection_mv)
    settled = 1 - np.exp(-np.arange(3200, 4000) / PER_MS / tau).mean()  # 1 - 1e-7 for the longer of the two
    expected = R_IN * settled + bridge
    assert resistance(STEPS[:3], found).value == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(R_IN + bridge, rel=1e-6)


def test_sag_is_seen_and_ends_the_fit():
    trace = passive(STEPS[:1])[0]
    t = np.arange(N - STEP.start) / PER_MS
    trace[STEP.start :] += 3 * (1 - np.exp(-t / 100))
    response = passive_response(trace, STEP, REST, RATE)
    assert 0.1 < response.sag_ratio < 0.25
    assert response.tau_ms == pytest.approx(TAU, rel=0.2)
    assert passive_response(passive(STEPS[:1])[0], STEP, REST, RATE).sag_ratio == pytest.approx(0, abs=1e-6)


def correlated(rng, n, sd, tau_ms=15.0):
    keep = np.exp(-1 / (PER_MS * tau_ms))
    return lfilter([sd * np.sqrt(1 - keep * keep)], [1, -keep], rng.normal(size=n))


def mean_curve(share, seed, noise=0.1):
    """Return the mean response to three steps, of which a share charges with 3 ms."""
    rng, t = np.random.default_rng(seed), np.arange(4000) / PER_MS
    total = 0.0
    for amplitude in (-12.0, -8.0, -4.0):
        trace = amplitude * (1 - (1 - share) * np.exp(-t / TAU) - share * np.exp(-t / 3))
        trace += rng.normal(0, 0.1, t.size) + correlated(rng, t.size, noise)
        time, means = binned(trace, RATE)
        total = total + means * amplitude
    return time, total


def test_a_second_exponential_is_found_where_it_is_and_not_in_noise():
    fast = [second_exponential(*mean_curve(0.4, seed)) for seed in range(20)]
    assert np.isfinite(fast).all(axis=1).sum() >= 18
    assert np.nanmedian([f[2] for f in fast]) == pytest.approx(0.4, abs=0.1)
    one = [second_exponential(*mean_curve(0.0, seed)) for seed in range(20)]
    assert np.isfinite(one).all(axis=1).sum() <= 1


@pytest.mark.parametrize("trace", [np.full(N, -60.0), np.where(np.arange(N) == 2000, np.nan, -60.0)])
def test_a_flat_or_broken_response_has_no_time_constant(trace):
    response = passive_response(trace, STEP, -60.0, RATE)
    assert math.isnan(response.tau_ms)
    assert "flat or not finite" in response.reason


# --- recordings -------------------------------------------------------------------------------------------------


def test_a_cell_is_measured_as_it_was_made(tmp_path):
    voltage, counts = firing_cell(noise=0.05)
    write(tmp_path, voltage)
    measured = measure(tmp_path)
    table = measured.excitability
    assert tuple(table.columns) == SWEEP_COLUMNS
    assert tuple(measured.spikes.columns) == SPIKE_COLUMNS
    assert table["spike_count"].tolist() == counts
    assert table["injected_pa"].tolist() == STEPS.tolist()
    assert (table["holding_pa"] == 0).all()
    assert table["step_start_ms"].unique().tolist() == [100]
    assert table["step_end_ms"].unique().tolist() == [500]
    assert table["resting_mv"].tolist() == pytest.approx([REST] * SWEEPS, abs=0.01)
    assert table["firing_rate_hz"].tolist() == pytest.approx([n / 0.4 for n in counts])
    assert (table["command_source"] == "decoded").all()
    assert measured.quality["verdict"].tolist() == ["pass"], measured.quality["reason"].tolist()
    cells, fits = summarised(measured)
    assert len(cells) == 1
    assert len(fits) == len(PARAMETERS)
    assert fits.loc["input_mohm", "estimate"] == pytest.approx(R_IN, rel=0.01)
    assert fits.loc["tau_ms", "estimate"] == pytest.approx(TAU, rel=0.03)
    assert fits.loc["bridge_mohm", "estimate"] == pytest.approx(0, abs=3)
    rheobase = fits.loc["rheobase_pa"]
    assert (rheobase["ci_low"], rheobase["estimate"], rheobase["ci_high"]) == (0, 10, 20)
    assert fits.loc["gain_hz_pa", "estimate"] == pytest.approx(3 / 0.4 / 20, rel=1e-6)
    assert fits.loc["onset_pa", "estimate"] == pytest.approx(0, abs=1e-4)
    assert fits.loc["height_mv", "estimate"] == pytest.approx(80, abs=1)
    assert excitability.cells_table("e", cells)["recordings"].tolist() == ["r1"]


def test_a_recorded_current_wins_over_the_command(tmp_path):
    inside = np.zeros(N)
    inside[STEP] = 1
    write(tmp_path, firing_cell()[0], current=0.9 * STEPS[:, None] * inside + 1)
    table, quality = (lambda m: (m.excitability, m.quality.iloc[0]))(measure(tmp_path, current_channel="Im"))
    assert (table["command_source"] == "recorded").all()
    assert table["step_pa"].tolist() == pytest.approx((0.9 * STEPS).tolist(), abs=0.1)
    assert table["holding_pa"].tolist() == pytest.approx([1] * SWEEPS, abs=0.1)
    assert quality["current_difference_pa"] == pytest.approx(7, abs=0.1)
    assert "recorded and the decoded current differ by 7.02 pA" in quality["reason"]
    assert "held by" not in quality["reason"]
    with pytest.raises(InputError, match="no current"):
        measure(tmp_path, current_channel="Vm")


def test_commands_without_one_step_are_refused_unless_the_step_is_named(tmp_path):
    ramp = Output("Cmd 0", "pA", 0.0, (Epoch(0, "ramp", 50.0, 4000, level_step=10.0),))
    write(tmp_path, firing_cell()[0], output=ramp)
    assert "no single step" in excitability.check_current_clamp(ROW, tmp_path / "r1.abf", {})[0]
    asked = {"excitability": {"step_ms": [100, 500], "baseline_ms": [10, 90]}}
    assert excitability.check_current_clamp(ROW, tmp_path / "r1.abf", asked) == []
    outside = {"excitability": {"step_ms": [100, 900]}}
    assert "outside a sweep of 640 ms" in excitability.check_current_clamp(ROW, tmp_path / "r1.abf", outside)[0]
    write(tmp_path, firing_cell()[0], output=Output("Cmd 0", "pA", 0.0))
    assert "injects no step" in excitability.check_current_clamp(ROW, tmp_path / "r1.abf", {})[0]
    write(tmp_path, firing_cell()[0], output=Output("Cmd 0", "mV", 0.0, OUTPUT.epochs))
    assert "must command the current" in excitability.check_current_clamp(ROW, tmp_path / "r1.abf", {})[0]


def test_a_channel_that_is_no_voltage_has_a_verdict_and_no_numbers(tmp_path):
    write(tmp_path, firing_cell()[0], unit="pA")
    measured = measure(tmp_path)
    assert measured.excitability.empty
    quality = measured.quality.iloc[0]
    assert quality["verdict"] == "exclude"
    assert "is in pA, no voltage: current-clamp data with a wrong label?" in quality["reason"]
    write(tmp_path, firing_cell()[0], unit="pA", output=Output("Cmd 0", "mV", 0.0, OUTPUT.epochs))
    assert "a voltage clamp?" in measure(tmp_path).quality["reason"].iloc[0]
    assert excitability.check_current_clamp(ROW, tmp_path / "r1.abf", {}) == []


def test_damage_is_told(tmp_path):
    voltage, _ = firing_cell(noise=0.05)
    drifting = voltage + 12 * np.linspace(0, 1, SWEEPS)[:, None]
    write(tmp_path, drifting)
    quality = measure(tmp_path).quality.iloc[0]
    assert quality["verdict"] == "exclude"
    assert "unstable rest: it moves by 12" in quality["reason"]
    assert quality["reason"].count("unstable rest") == 1
    write(tmp_path, firing_cell(noise=0.05, bridge=30.0)[0])
    measured = measure(tmp_path)
    assert measured.quality["bridge_mohm"].iloc[0] == pytest.approx(30, abs=2)
    assert "the bridge is not balanced: the pipette adds" in measured.quality["reason"].iloc[0]
    fits = summarised(measured)[1]
    assert fits.loc["input_mohm", "estimate"] == pytest.approx(R_IN + 30, rel=0.01)
    assert fits.loc[["input_mohm", "threshold_mv"], "verdict"].tolist() == ["weak", "weak"]
    clipped = np.where(voltage > 0, 400.0, voltage)
    write(tmp_path, clipped)
    assert "converter's limit" in measure(tmp_path).quality["reason"].iloc[0]
    half = firing_cell(noise=0.05)[0]
    half[4:] = 0
    write(tmp_path, half)
    quality = measure(tmp_path).quality.iloc[0]
    assert quality["verdict"] == "exclude"
    assert "constant at 0 mV from sweep 4 to the end of the file (42.9 % of it)" in quality["reason"]
    spontaneous = voltage.copy()
    spontaneous[0] = add_spikes(spontaneous[0], [5800])
    write(tmp_path, spontaneous)
    measured = measure(tmp_path)
    assert "spikes outside the step in 1 of 7 sweeps" in measured.quality["reason"].iloc[0]
    assert measured.excitability["spike_count"].iloc[0] == 0


def test_samples_that_are_not_finite_exclude(tmp_path, monkeypatch):
    voltage, _ = firing_cell(noise=0.05)
    recording = read_recording(write(tmp_path, voltage))
    voltage[1, 1500] = np.nan
    broken = dataclasses.replace(recording, _read=array_reader([sweep[:, None] for sweep in voltage]), code_limits=None)
    monkeypatch.setattr(excitability.measure, "read_row", lambda *_: broken)
    measured = measure(tmp_path)
    assert measured.quality["verdict"].tolist() == ["exclude"]
    assert "not finite (sweep 1)" in measured.quality["reason"].iloc[0]
    assert (summarised(measured)[1]["verdict"] == "not_identified").all()


def test_a_trace_in_csv_needs_the_step_named(tmp_path):
    rows = [f"{s},{t / 10:g},{20 * s if 1000 <= t < 3000 else 0},-60" for s in range(3) for t in range(4000)]
    (tmp_path / "r1.csv").write_text("\n".join(["sweep,time_ms,current_pa,voltage_mv", *rows, ""]))
    row = {"file": "r1.csv", "channel": "voltage_mv", "current_channel": "current_pa"}
    assert "step_ms is needed" in excitability.check_current_clamp({**ROW, **row}, tmp_path / "r1.csv", {})[0]
    table = measure(tmp_path, {"excitability": {"step_ms": [100, 300]}}, **row).excitability
    assert table["step_pa"].tolist() == [0, 20, 40]
    assert (table["spike_count"] == 0).all()


def test_thresholds_of_the_config_take_the_place_of_the_defaults(tmp_path):
    voltage, _ = firing_cell(noise=0.05)
    write(tmp_path, voltage + 7 * np.linspace(0, 1, SWEEPS)[:, None])
    assert measure(tmp_path).quality["verdict"].tolist() == ["warn"]
    loose = {"value": 8, "unit": "mV", "source": "assumed"}
    assert measure(tmp_path, {"quality": {"rest_drift_warn": loose}}).quality["verdict"].tolist() == ["pass"]
    assert set(excitability.LIMITS) > {"rest_drift_warn"}
    assert set(QUALITY_NUMBERS) >= {limit.number for limit in excitability.LIMITS.values()} - {
        "bridge_over_mohm",
        "holding_size_pa",
    }


def test_segments_give_sweeps_another_condition(tmp_path):
    write(tmp_path, firing_cell(noise=0.05)[0])
    blank = {"start_s": None, "end_s": None, "ligand": "", "ligand_total_mm": None, "command_mv": None}
    segments = [
        {"recording_id": "r1", "sweep_first": 0, "sweep_last": 4, "condition": "drug", "exclude": "", **blank},
        {"recording_id": "r1", "sweep_first": 5, "sweep_last": 6, "condition": "drug", "exclude": "lost", **blank},
    ]
    cells, fits = summarised(measure(tmp_path, segments=segments))
    assert [c.group for c in cells] == ["drug"]
    assert len(cells[0].sweeps) == 5
    assert "only one firing step" in cells[0].verdict[1]
    assert "only one firing step: 3 are needed" in fits.loc["gain_hz_pa", "reason"]


def test_the_junction_potential_is_taken_off_potentials(tmp_path):
    write(tmp_path, firing_cell()[0])
    stated = {"corrections": {"junction_potential": "stated", "junction_mv": 12.0}}
    (_, plain), (_, shifted) = (summarised(measure(tmp_path, asked)) for asked in ({}, stated))
    change = shifted["estimate"] - plain["estimate"]
    assert change["resting_mv"] == pytest.approx(-12)
    assert change["threshold_mv"] == pytest.approx(-12)
    assert np.nanmax(np.abs(change.drop(["resting_mv", "threshold_mv"]))) == 0


# --- cells ------------------------------------------------------------------------------------------------------


def sweeps_of(steps, counts, block=None):
    """Return rows of excitability.csv of a cell, of which only the numbers of firing matter."""
    n = len(steps)
    blank = dict.fromkeys(SWEEP_COLUMNS, np.nan)
    rows = pd.DataFrame([blank] * n).assign(
        recording_id="r1", cell_id="c1", animal_id="a1", condition="control", segment_exclude="", reason="",
        sweep=range(n), step_pa=np.asarray(steps, float), spike_count=counts, firing_rate_hz=np.asarray(counts) / 0.4,
        step_start_ms=100.0, step_end_ms=500.0, resting_mv=REST, junction_mv=0.0, block=block or [False] * n,
    )  # fmt: skip
    rows["deflection_mv"] = np.where(rows["spike_count"] == 0, 1e-3 * R_IN * rows["step_pa"], np.nan)
    return rows


def quality_of(verdict="pass", reason="", recording="r1"):
    columns = {"recording_id": recording, "verdict": verdict, "reason": reason, "fast_tau_ms": np.nan}
    return pd.DataFrame([columns | {"fast_share": np.nan, "rest_drift_mv": 0.0}])


def fits_of(sweeps, quality=None):
    cells = excitability.summarise(sweeps, quality_of() if quality is None else quality)
    return cells, excitability.cell_fits("e", cells).set_index("parameter")


def test_rheobase_is_censored_where_the_steps_do_not_hold_it():
    _, silent = fits_of(sweeps_of([-20, 0, 20, 40], [0, 0, 0, 0]))
    row = silent.loc["rheobase_pa"]
    assert (row["verdict"], row["ci_low"], row["ci_high"]) == ("not_identified", 40, np.inf)
    assert "no spikes up to 40 pA" in row["reason"]
    _, always = fits_of(sweeps_of([0, 20, 40], [1, 3, 6]))
    assert always.loc["rheobase_pa", "ci_high"] == 0
    assert "fires at the smallest step" in always.loc["rheobase_pa", "reason"]
    _, again = fits_of(sweeps_of([0, 20, 40, 60], [0, 1, 0, 4]))
    assert again.loc["rheobase_pa", ["ci_low", "ci_high", "verdict"]].tolist() == [0, 20, "weak"]
    assert "silent again at 40 pA" in again.loc["rheobase_pa", "reason"]


def test_the_line_stops_before_a_block():
    steps, counts = np.arange(0, 160, 20.0), [0, 0, 2, 4, 6, 8, 3, 1]
    cells, fits = fits_of(sweeps_of(steps, counts, [False] * 6 + [True] * 2))
    assert cells[0].block_pa == 120
    assert cells[0].line_pa == (20, 100)
    assert fits.loc["gain_hz_pa", "estimate"] == pytest.approx(2 / 0.4 / 20, rel=1e-6)
    assert "below the depolarisation block at 120 pA" in fits.loc["gain_hz_pa", "reason"]
    assert "depolarisation block from 120 pA" in cells[0].verdict[1]


def test_block_is_silence_at_a_depolarised_potential(tmp_path):
    voltage = passive(STEPS)
    voltage[5] = add_spikes(voltage[5], [1200, 1300, 1400])
    voltage[6] = add_spikes(voltage[6], [1200, 1300, 1400])
    voltage[6, 1450:5000] = -25
    write(tmp_path, voltage)
    assert measure(tmp_path).excitability["block"].tolist() == [False] * 6 + [True]


@given(st.floats(0.05, 2.0), st.floats(-30.0, 60.0))
@settings(max_examples=25, deadline=None)
def test_a_threshold_linear_relation_comes_back(gain, onset):
    steps = np.arange(-40, 161, 20.0)
    table = sweeps_of(steps, [0] * len(steps))
    table["firing_rate_hz"] = excitability.firing_rate(steps, gain, onset)
    table["spike_count"] = (table["firing_rate_hz"] > 0).astype(int)
    _, _, found, found_onset = fit_firing(table)
    assert found.value == pytest.approx(gain, rel=1e-6)
    assert found_onset.value == pytest.approx(onset, abs=1e-5)


def test_counts_that_lie_on_a_line_by_chance_do_not_make_an_interval_of_no_width():
    _, fits = fits_of(sweeps_of(20.0 * np.arange(7), [0, 0, 0, 1, 3, 5, 7]))
    gain = fits.loc["gain_hz_pa"]
    assert gain["estimate"] == pytest.approx(2 / 0.4 / 20, rel=1e-6)
    # One spike more or less at the end of the line of four steps is 0.4 / 7 of the gain or so.
    assert 0.05 < gain["ci_high"] / gain["estimate"] - 1 < 0.3
    assert 2 < fits.loc["onset_pa", "ci_high"] - fits.loc["onset_pa", "estimate"] < 20


def test_an_excluded_recording_keeps_its_numbers_and_has_no_part():
    cells, fits = fits_of(sweeps_of([-20, 0, 20, 40], [0, 0, 1, 2]), quality_of("exclude", "unstable rest"))
    assert (fits["verdict"] == "not_identified").all()
    assert fits.loc["rheobase_pa", "estimate"] == 10
    assert "excluded: unstable rest" in fits.loc["input_mohm", "reason"]
    assert cells[0].verdict[0] == "exclude"


def test_few_small_steps_are_told():
    _, fits = fits_of(sweeps_of([-20, 20, 40], [0, 0, 2]))
    assert fits.loc["input_mohm", "verdict"] == "weak"
    assert "1 small hyperpolarising steps: depolarising ones serve too" in fits.loc["input_mohm", "reason"]
    _, none = fits_of(sweeps_of([40, 60], [2, 4]))
    assert none.loc["input_mohm", "verdict"] == "not_identified"


# --- conditions -------------------------------------------------------------------------------------------------


def table_of(cells):
    """Return sweeps and quality of cells given as (cell, animal, condition, counts); steps are 0, 20, ... pA."""
    tables = [
        sweeps_of(20.0 * np.arange(len(n)), n).assign(cell_id=c, animal_id=a, condition=g, recording_id=f"{c}_{g}")
        for c, a, g, n in cells
    ]
    quality = pd.concat([quality_of(recording=f"{c}_{g}") for c, _, g, _ in cells])
    return pd.concat(tables, ignore_index=True), quality


def test_conditions_are_compared_by_cell_within_animal():
    design = [
        (f"c{i}", f"a{i // 2}", group, [0, shift, 2 + shift, 4 + shift + i % 2, 6 + shift + i % 3])
        for i in range(6)
        for group, shift in (("control", 0), ("drug", 1))
    ]
    cells = excitability.summarise(*table_of(design))
    fits = excitability.cell_fits("e", cells)
    rows = pd.DataFrame({"cell_id": [c[0] for c in design], "pair_id": ""})
    found = excitability.compare_conditions(fits, cells, excitability.cell_owners(cells, rows)).set_index("quantity")
    assert found.loc["highest_rate_hz", "method"].startswith("paired t test, pairs within animals")
    assert found.loc["highest_rate_hz", ["n_cells", "n_animals"]].tolist() == [6, 3]
    assert found.loc["rheobase_pa", "difference"] == -20
    groups = excitability.condition_fits(fits, cells)
    assert set(groups["group"]) == {"control", "drug"}
    assert (groups.loc[groups["parameter"] == "rheobase_pa", "n_animals"] == 3).all()


def test_a_mean_of_rheobases_says_what_it_leaves_out():
    design = [(f"c{i}", f"a{i // 2}", "control", [0, 0, 0, 0] if i == 0 else [0, 0, 2, 4]) for i in range(6)]
    cells = excitability.summarise(*table_of(design))
    groups = excitability.condition_fits(excitability.cell_fits("e", cells), cells).set_index("parameter")
    row = groups.loc["rheobase_pa"]
    assert (row["se"], row["ci_low"], row["ci_high"]) == (0, 20, 40)  # all that fire, fire at one step
    assert row["verdict"] == "weak"
    assert "1 censored above: the mean is of the others, and too low" in row["reason"]
    assert row["n_cells"] == 5


# --- the study --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    """The demonstration's recordings, measured."""
    table = pd.read_csv(HOUSE / "raw_data" / "recordings.csv", dtype=str, keep_default_na=False)
    rows = table[table["experiment"] == "firing"]
    asked = load_yaml(HOUSE / "config.yaml")[0]["recordings"]["experiments"]["firing"]
    recipes = load_yaml(HOUSE / "raw_data" / "solutions.yaml")[0]
    return excitability.measure_current_clamp(rows.to_dict("records"), HOUSE / "raw_data", asked, recipes)


def test_spike_counts_of_the_demonstration_are_exact(shipped):
    put_in = TRUTH["recordings"]["firing"]
    made = current_clamp.recordings(TRUTH)
    counts = current_clamp.spike_counts(put_in, current_clamp.membrane_mv(put_in, made))
    found = shipped.excitability.pivot_table(index="recording_id", columns="sweep", values="spike_count", sort=False)
    assert found.index.tolist() == made["recording_id"].tolist()
    assert np.array_equal(found.to_numpy(), counts)
    assert counts.sum() > 200


def test_what_is_wrong_with_recordings_of_the_demonstration_is_found(shipped):
    put_in, quality = TRUTH["recordings"]["firing"], shipped.quality.set_index("recording_id")
    lost, unbalanced = (put_in[f"{what}_recording"]["value"] for what in ("lost", "unbalanced"))
    assert quality.index[quality["verdict"] == "exclude"].tolist() == [lost]
    assert "unstable rest" in quality.loc[lost, "reason"]
    assert quality.index[quality["verdict"] == "warn"].tolist() == [unbalanced]
    assert quality.loc[unbalanced, "bridge_mohm"] == pytest.approx(put_in["unbalanced_mohm"]["value"], abs=8)
    cells = excitability.summarise(shipped.excitability, shipped.quality)
    silent = [c for c in cells if c.cell_id == put_in["silent_cell"]["value"]]
    assert all("no spikes up to 120 pA" in c.verdict[1] for c in silent)
    assert len(silent) == 2


def test_passive_properties_of_the_demonstration_are_those_put_in(shipped):
    made = current_clamp.recordings(TRUTH)
    truth = current_clamp.passive(TRUTH["recordings"]["firing"], made)
    cells = {c.sweeps["recording_id"].iloc[0]: c for c in excitability.summarise(shipped.excitability, shipped.quality)}
    for name, bridge, put_in in zip(made["recording_id"], made["bridge_mohm"], truth.itertuples(), strict=True):
        found = cells[name].estimates
        if cells[name].verdict[0] == "exclude":
            continue
        assert found["rest", "resting_mv"].value == pytest.approx(put_in.resting_mv, abs=1.5)
        assert found["V-I line", "input_mohm"].value == pytest.approx(put_in.input_mohm + bridge, rel=0.06)
        assert 0.6 * put_in.tau_ms < found["exponential", "tau_ms"].value < 1.1 * put_in.tau_ms


def test_the_truth_of_each_condition_follows_from_its_constants():
    put_in = copy.deepcopy(TRUTH["recordings"]["firing"])
    for name in ("animal_sd_ln", "cell_sd_ln", "cell_sd_shift_mv", "bridge_sd_mohm", "noise_sd_pa"):
        put_in[name]["value"] = 0
    for name, own in {"animals": 1, "cells_per_animal": 1, "first_pa": 48, "step_pa": 1, "sweeps": 10}.items():
        put_in[name]["value"] = own
    made = current_clamp.recordings({"recordings": {"firing": put_in}})
    passive = current_clamp.passive(put_in, made).to_dict("records")
    counts = current_clamp.spike_counts(put_in, current_clamp.membrane_mv(put_in, made))
    for condition, found, spikes in zip(made["condition"], passive, counts, strict=True):
        stated = put_in["conditions"][condition]
        for name, value in found.items():
            assert stated[name]["value"] == pytest.approx(value, rel=2e-3), name
        assert current_clamp.steps_pa(put_in)[np.flatnonzero(spikes)[0]] - 0.5 == stated["rheobase_pa"]["value"]


def test_figures_draw_the_demonstration_and_nothing(shipped):
    cells = excitability.summarise(shipped.excitability, shipped.quality)
    fits = excitability.cell_fits("firing", cells)
    owners = excitability.cell_owners(cells, pd.DataFrame({"cell_id": []}))
    table = excitability.compare_conditions(fits, cells, owners)
    drawn = {
        "12 cells and conditions, spikes marked": figures.sweeps(shipped.traces, shipped.spikes, cells),
        "First spikes of 9 cells": figures.first_spikes(shipped.waveforms, cells),
        "Passive responses of 11 cells": figures.passive(cells),
        "1 above the largest step": figures.firing(cells),
        "9 panels": figures.comparison(table, fits, owners),
    }
    for words, (_, text) in drawn.items():
        assert words in text
    lines = drawn["12 cells and conditions, spikes marked"][0].axes[0].lines
    peaks = [line.get_ydata().max() for line in lines if len(line.get_ydata()) > 100]
    assert max(peaks) == pytest.approx(shipped.spikes["peak_mv"][:25].max(), abs=3)
    empty = [figures.sweeps(shipped.traces, shipped.spikes, []), figures.first_spikes(shipped.waveforms, [])]
    empty += [figures.passive([]), figures.firing([]), figures.comparison(table.head(0), fits, owners)]
    assert all(text.startswith("Nothing to draw") for _, text in empty)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("t") / "study", "recordings")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda e: e.update(quality={"seal_min": {"value": 1, "unit": "MOhm", "source": "assumed"}}),
            "seal_min: has no",
        ),
        (
            lambda e: e.update(windows_ms={"baseline": [1, 2], "steady": [3, 4]}),
            "windows_ms: has no meaning for the analysis excitability",
        ),
        (lambda e: e["corrections"].update(leak="linear"), "corrections.leak: has no meaning"),
        (lambda e: e["excitability"].update(step_ms=[60, 900]), "outside a sweep of 480 ms"),
        (lambda e: e.update(analysis="current_voltage"), "firing.windows_ms: is missing"),
        (lambda e: e["excitability"].update(stepms=[60, 400]), "unknown key"),
    ],
)
def test_settings_that_cannot_be_are_told_before_anything_runs(study, change, said):
    config, before = load_config(study), load_config(study)
    try:
        change(config["recordings"]["experiments"]["firing"])
        save_config(study, config)
        assert said in " ".join(str(p) for p in check_study(Study.read(study)[0])).replace("''", "")
    finally:
        save_config(study, before)


def test_a_current_clamp_file_in_a_voltage_clamp_experiment_is_excluded_and_told():
    row = {**ROW, "file": "recordings/firing_c01_control.abf"}
    asked = {"windows_ms": {"baseline": [1, 20], "steady": [300, 400]}}
    assert check_recording(row, HOUSE / "raw_data" / row["file"], asked) == []
    measured = measure_recording(row, HOUSE / "raw_data" / row["file"], asked)
    assert measured.measurements.empty
    assert measured.quality["verdict"] == "exclude"
    assert "'Vm' is in 'mV', not a current" in measured.quality["reason"]


# --- the real file ----------------------------------------------------------------------------------------------


@with_real
def test_spike_counts_of_the_real_file_are_exact(tmp_path):
    expected = json.loads((REAL / "expected.json").read_text())["files"][REAL_FILE]
    counts = expected["ic"]["spikes_in_step_peak_above_0mV_prominence20"]
    recording = read_recording(REAL / REAL_FILE)
    window = slice(*(round(expected["windows"]["step"][k] * recording.rate_hz) for k in ("start_s", "end_s")))
    found = [len(excitability.find_spikes(recording.signal(s, 0)[window], recording.rate_hz)) for s in range(10)]
    assert found == counts
    # The step is longer than that window: a spike that its end (2.04 s) cuts off at the peak is whole in the step.
    measured = measure(REAL, file=REAL_FILE)
    assert measured.excitability["spike_count"].tolist() == [*counts[:4], counts[4] + 1, *counts[5:]]
    assert measured.excitability["injected_pa"].tolist() == expected["ic"]["I_command_pA"]
    assert measured.excitability["resting_mv"].mean() == pytest.approx(expected["ic"]["rest_mV_mean"], abs=0.05)
    reason = measured.quality["reason"].iloc[0]
    assert "unstable rest" in reason
    assert "bridge" in reason
