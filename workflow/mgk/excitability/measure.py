"""Current-clamp recordings measured sweep by sweep, and judged; each raw file is read once, here.

Tables: a row a sweep (SWEEP_COLUMNS, results/recordings/excitability.csv), a row a spike (SPIKE_COLUMNS), a row a
recording (quality.csv), and what pictures need without the raw file (traces, the first spike sample by sample).
Potentials are as recorded; `junction_mv` is what `mgk.excitability.cells` takes off them. Spikes are those of
`mgk.excitability.spikes`, passive responses those of `mgk.excitability.response`.

A channel that is no voltage (a voltage clamp, or current-clamp data labelled pA) has no measurements; its verdict says
so.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.excitability.protocol import Stimulus, find_stimulus
from mgk.excitability.response import Response, binned, bridge_of, passive_response, second_exponential
from mgk.excitability.spikes import SHAPE_COLUMNS, Criterion, adaptation_index, find_spikes, noise_mv_ms
from mgk.recordings.corrections import junction_mv
from mgk.recordings.measure import reported_filter_hz
from mgk.recordings.plan import measured_sweeps, read_row, text_of
from mgk.recordings.protocol import MILLIVOLT_PER
from mgk.recordings.quality import Threshold, thresholds
from mgk.recordings.recording import Recording
from mgk.recordings.segments import WHOLE_RECORDING, Segment, read_segments
from mgk.recordings.thumbnails import thumbnail
from mgk.recordings.unwritten import doubts_of_end
from mgk.tables.problems import InputError

IDENTITY = ("recording_id", "experiment", "cell_id", "animal_id", "condition")
SWEEP_COLUMNS = (
    *IDENTITY, "sweep", "segment", "segment_exclude", "command_source", "holding_pa", "injected_pa", "step_pa",
    "step_start_ms", "step_end_ms", "resting_mv", "resting_sd_mv", "junction_mv", "spike_count", "spikes_outside",
    "deflection_mv", "peak_deflection_mv", "sag_ratio", "tau_ms", "jump_mv", "latency_ms", "first_frequency_hz",
    "mean_frequency_hz", "firing_rate_hz", "adaptation_index", "threshold_mv", "height_mv", "half_width_ms",
    "ahp_mv", "tail_ms", "tail_mv", "block", "reason",
)  # fmt: skip
SPIKE_COLUMNS = ("recording_id", "sweep", "spike", "in_step", *SHAPE_COLUMNS)
WAVEFORM_COLUMNS = ("recording_id", "sweep", "time_ms", "voltage_mv")
TRACE_COLUMNS = ("recording_id", "sweep", "start_ms", "end_ms", "low_mv", "high_mv")
# Silence of this length at the end of a step may be a block: depol_block_min_duration of eFEL (settings.py, read).
BLOCK_MS = 50.0
# What follows a spike within this time is the spike's own.
AFTER_SPIKE_MS = 10.0
# Both assumed, no source.
BLOCK_INTERVALS, BLOCK_MV = 3.0, 5.0
# Bins of a trace that is drawn: a spike is narrower than a hundredth of a sweep.
TRACE_BINS = 180
# What is kept of the first spike, before its threshold and after, ms.
WAVEFORM_MS = (3.0, 8.0)
ASSUMED = "assumed, no source"
LIMITS = {
    "rest_drift_warn": Threshold("rest_drift_mv", 5, "mV", True, "warn", "unstable rest: it moves by", ASSUMED),
    "rest_drift_max": Threshold("rest_drift_mv", 10, "mV", True, "exclude", "unstable rest: it moves by", ASSUMED),
    "bridge_max": Threshold(
        "bridge_mohm", 15, "MOhm", True, "warn", "the bridge is not balanced: the pipette adds", ASSUMED
    ),
    "bridge_over_max": Threshold(
        "bridge_over_mohm", 15, "MOhm", True, "warn", "the bridge is not balanced: it takes off too much,", ASSUMED
    ),
    "rest_max": Threshold("resting_mv", -40, "mV", True, "warn", "depolarised at rest:", ASSUMED),
    "holding_max": Threshold(
        "holding_size_pa", 2, "pA", True, "warn", "the resting potential is not that without current: held by", ASSUMED
    ),
    "current_difference_max": Threshold(
        "current_difference_pa", 5, "pA", True, "warn", "the recorded and the decoded current differ by", ASSUMED
    ),
    "slope_noise_max": Threshold(
        "slope_noise_mv_ms", 5, "mV/ms", True, "warn", "thresholds are biased by noise: SD of dV/dt at rest", ASSUMED
    ),
    "saturated_max": Threshold(
        "saturated_percent", 1, "%", True, "exclude", "samples at the converter's limit", ASSUMED
    ),
    "saturated_any": Threshold(
        "saturated_percent", 0, "%", True, "warn", "samples at the converter's limit", ASSUMED
    ),
}  # fmt: skip
QUALITY_NUMBERS = (
    "sweeps", "sweeps_measured", "rate_hz", "filter_hz", "command_source", "current_difference_pa", "holding_pa",
    "resting_mv", "rest_drift_mv", "resting_sd_mv", "slope_noise_mv_ms", "bridge_mohm", "saturated_percent",
    "fast_tau_ms", "slow_tau_ms", "fast_share",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """The tables of some recordings; each field is the kind of its file."""

    excitability: pd.DataFrame
    spikes: pd.DataFrame
    quality: pd.DataFrame
    traces: pd.DataFrame
    waveforms: pd.DataFrame


def measure_current_clamp(
    rows: Iterable[Mapping], raw_data: Path | str, settings: Mapping, recipes: Mapping = {}, constants: str = "webmaxc"
) -> Measured:
    """Measure the recordings of some rows of recordings.csv; their `file` is relative to `raw_data`.

    Parameters
    ----------
    settings: the experiment of config.yaml; `excitability`, `quality` and `corrections` (the junction potential only).
    recipes, constants: raw_data/solutions.yaml and its set of constants, for junction potentials.

    Raises
    ------
    InputError
        When a file cannot be read, the injected current is neither recorded nor can be decoded, or there is no step.
    """
    found = [_measure(row, Path(raw_data) / row["file"], settings, recipes, constants) for row in rows]

    def joined(name: str, columns) -> pd.DataFrame:
        tables = [table for f in found if len(table := getattr(f, name))]
        return pd.concat(tables, ignore_index=True)[list(columns)] if tables else pd.DataFrame(columns=list(columns))

    return Measured(
        joined("excitability", SWEEP_COLUMNS),
        joined("spikes", SPIKE_COLUMNS),
        joined("quality", [*IDENTITY, *QUALITY_NUMBERS, "verdict", "reason"]),
        joined("traces", TRACE_COLUMNS),
        joined("waveforms", WAVEFORM_COLUMNS),
    )


def check_current_clamp(row: Mapping, path: Path | str, settings: Mapping) -> list[str]:
    """Return why a recording cannot be measured, from its header alone; nothing when it can.

    A channel that is no voltage is no reason: the recording has a verdict that says so.
    """
    try:
        recording = read_row(row, path)
        channel = recording.channel_index(text_of(row, "channel"))
        if recording.channels[channel].unit == "mV":
            find_stimulus(row, recording, settings.get("excitability") or {})
        for segment in read_segments(row.get("segments") or ()):
            if not math.isnan(segment.start_s) or not math.isnan(segment.end_s):
                return [f"segment {segment.name}: the segments of a current clamp are whole sweeps, without times"]
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []


def _measure(row: Mapping, path: Path, settings: Mapping, recipes: Mapping, constants: str) -> Measured:
    recording = read_row(row, path)
    channel = recording.channel_index(text_of(row, "channel"))
    identity = {key: text_of(row, key) for key in IDENTITY}
    if recording.channels[channel].unit != "mV":
        quality = identity | _unusable(recording, channel) | {"sweeps": len(recording.sweep_samples)}
        empty = pd.DataFrame()
        return Measured(empty, empty, pd.DataFrame([quality]), empty, empty)
    asked = settings.get("excitability") or {}
    stimulus = find_stimulus(row, recording, asked)
    criterion = Criterion.of(asked.get("spikes") or {})
    entry = junction_mv(row, settings.get("corrections") or {}, recipes, constants)
    head = identity | {"junction_mv": entry.value if entry else 0.0}
    parts = list(_parts(row, recording))
    sweeps, spikes, curves, noise = [], [], [], []
    for segment, sweep in parts:
        voltage = recording.signal(sweep, channel)
        finite = bool(np.isfinite(voltage).all())
        found = find_spikes(voltage if finite else voltage[:0], recording.rate_hz, criterion, end=stimulus.step.stop)
        measured, response = measure_sweep(voltage, recording.rate_hz, stimulus, sweep, found)
        said = {"condition": segment.condition} if segment.condition else {}
        part = {"sweep": sweep, "segment": segment.name, "segment_exclude": segment.exclude, "finite": finite}
        sweeps.append(head | said | part | measured)
        spikes.append(_numbered(found, stimulus, recording.rate_hz, row["recording_id"], sweep))
        noise.append(noise_mv_ms(voltage[stimulus.baseline], recording.rate_hz))
        if np.isfinite(response.tau_ms) and stimulus.step_pa(sweep) < 0:
            current = stimulus.step_pa(sweep)
            curves.append((current, *binned(voltage[stimulus.step] - measured["resting_mv"], recording.rate_hz)))
    table, of_spikes = pd.DataFrame(sweeps), pd.concat(spikes, ignore_index=True)
    numbers = _numbers(recording, channel, stimulus, table, noise) | _second(curves)
    quality = identity | numbers | _judged(row, recording, channel, numbers, table, settings.get("quality") or {})
    drawn = thumbnail(recording, channel, row["recording_id"], TRACE_BINS)
    traces = dict(zip(TRACE_COLUMNS, drawn, strict=True))
    waveform = _waveform(recording, channel, of_spikes)
    return Measured(table, of_spikes, pd.DataFrame([quality]), pd.DataFrame(traces), waveform)


def measure_sweep(
    voltage_mv: np.ndarray, rate_hz: float, stimulus: Stimulus, sweep: int, spikes: pd.DataFrame
) -> tuple[dict, Response]:
    """Return what a sweep says (columns of SWEEP_COLUMNS) and its passive response (NaN where it fires)."""
    baseline, step = stimulus.baseline, stimulus.step
    resting = float(voltage_mv[baseline].mean())
    start_ms, end_ms = (at * 1e3 / rate_hz for at in (step.start, step.stop))
    inside = spikes[(spikes["peak_ms"] >= start_ms) & (spikes["peak_ms"] < end_ms)]
    current = stimulus.step_pa(sweep)
    response = Response(*[np.nan] * 3)
    if not len(inside):
        response = passive_response(voltage_mv, step, resting, rate_hz, hyperpolarised=current < 0)
    return {
        "command_source": stimulus.source,
        "holding_pa": stimulus.holding_pa[sweep],
        "injected_pa": stimulus.injected_pa[sweep],
        "step_pa": current,
        "step_start_ms": start_ms,
        "step_end_ms": end_ms,
        "resting_mv": resting,
        "resting_sd_mv": float(voltage_mv[baseline].std()),
        "spike_count": len(inside),
        "spikes_outside": len(spikes) - len(inside),
        **{key: getattr(response, key) for key in Response.__dataclass_fields__},
        **_firing(inside, start_ms, end_ms),
        **_tail(voltage_mv, rate_hz, inside, end_ms),
    }, response


def _firing(spikes: pd.DataFrame, start_ms: float, end_ms: float) -> dict:
    """Return frequencies of the spikes in a step and the shape of the first."""
    peaks, n = spikes["peak_ms"].to_numpy(), len(spikes)
    names = ("threshold_mv", "height_mv", "half_width_ms", "ahp_mv")
    shape = {key: spikes[key].iloc[0] if n else np.nan for key in names}
    return {
        "latency_ms": spikes["threshold_ms"].iloc[0] - start_ms if n else np.nan,
        "first_frequency_hz": 1e3 / (peaks[1] - peaks[0]) if n > 1 else np.nan,
        "mean_frequency_hz": 1e3 * (n - 1) / (peaks[-1] - peaks[0]) if n > 1 else np.nan,
        "firing_rate_hz": 1e3 * n / (end_ms - start_ms),
        "adaptation_index": adaptation_index(peaks),
        **shape,
    }


def _tail(voltage_mv: np.ndarray, rate_hz: float, spikes: pd.DataFrame, end_ms: float) -> dict:
    """Return how long a step is silent at its end, at which potential, and whether that is a depolarisation block.

    A block: at least `BLOCK_MS` and `BLOCK_INTERVALS` times the last interval, and `BLOCK_MV` above the highest
    threshold of the step.
    """
    if not len(spikes):
        return {"tail_ms": np.nan, "tail_mv": np.nan, "block": False}
    peaks = spikes["peak_ms"].to_numpy()
    silent = end_ms - peaks[-1]
    first, last = (round(ms * rate_hz / 1e3) for ms in (peaks[-1] + AFTER_SPIKE_MS, end_ms))
    potential = float(voltage_mv[first:last].mean()) if last > first else np.nan
    interval = peaks[-1] - peaks[-2] if len(peaks) > 1 else 0.0
    long = silent >= max(BLOCK_MS, BLOCK_INTERVALS * interval)
    blocked = long and potential > spikes["threshold_mv"].max() + BLOCK_MV
    return {"tail_ms": silent, "tail_mv": potential, "block": bool(blocked)}


def _parts(row: Mapping, recording: Recording) -> Iterator[tuple[Segment, int]]:
    """Yield (segment, sweep) for the sweeps to measure; of a recording with segments those of no segment are not."""
    segments = read_segments(row["segments"]) if row.get("segments") else (WHOLE_RECORDING,)
    for sweep in measured_sweeps(recording):
        for segment in segments:
            if segment.has_sweep(sweep):
                yield segment, sweep


def _numbered(found: pd.DataFrame, stimulus: Stimulus, rate_hz: float, recording_id: str, sweep: int) -> pd.DataFrame:
    start_ms, end_ms = (at * 1e3 / rate_hz for at in (stimulus.step.start, stimulus.step.stop))
    inside = (found["peak_ms"] >= start_ms) & (found["peak_ms"] < end_ms)
    head = {"recording_id": recording_id, "sweep": sweep, "spike": np.arange(1, len(found) + 1), "in_step": inside}
    return found.assign(**head)[list(SPIKE_COLUMNS)]


def _second(curves: list[tuple[float, np.ndarray, np.ndarray]]) -> dict:
    """Return the two time constants of the mean hyperpolarising response, NaN where one is enough."""
    names = ("fast_tau_ms", "slow_tau_ms", "fast_share")
    if not curves:
        return dict.fromkeys(names, np.nan)
    weights = np.array([current for current, _, _ in curves])
    mean = np.stack([curve for _, _, curve in curves]).T @ weights / (weights @ weights)
    return dict(zip(names, second_exponential(curves[0][1], mean), strict=True))


def _numbers(recording: Recording, channel: int, stimulus: Stimulus, table: pd.DataFrame, noise: list[float]) -> dict:
    rest = table["resting_mv"]
    return {
        "sweeps": len(recording.sweep_samples),
        "sweeps_measured": len(table),
        "rate_hz": recording.rate_hz,
        "filter_hz": reported_filter_hz(recording),
        "command_source": stimulus.source,
        "current_difference_pa": stimulus.difference_pa,
        "holding_pa": max(table["holding_pa"], key=abs),
        "resting_mv": float(rest.mean()),
        "rest_drift_mv": float(np.ptp(rest)),
        "resting_sd_mv": float(table["resting_sd_mv"].median()),
        "slope_noise_mv_ms": float(np.median(noise)),
        "bridge_mohm": bridge_of(table).value,
        "saturated_percent": _saturated(recording, channel, table["sweep"]),
    }


def _saturated(recording: Recording, channel: int, sweeps: Iterable[int]) -> float:
    if recording.code_limits is None:
        return math.nan
    low, high = recording.code_limits
    codes = [recording.codes(int(sweep), channel) for sweep in sweeps]
    at_limit = math.fsum(np.count_nonzero((c <= low) | (c >= high)) for c in codes)
    return 100 * at_limit / math.fsum(c.size for c in codes)


def _judged(row: Mapping, recording: Recording, channel: int, numbers: dict, table: pd.DataFrame, given) -> dict:
    """Return verdict and reason of a recording."""
    bad, doubtful = doubts_of_end(recording, channel, table.loc[table["segment_exclude"] == "", "sweep"])
    reasons = {"exclude": bad, "warn": [*recording.notes, *doubtful]}
    wrong = table.loc[~table["finite"], "sweep"]
    if len(wrong):
        reasons["exclude"].append(f"the potential is not finite (sweep {', '.join(map(str, wrong))})")
    sizes = {"bridge_over_mohm": -numbers["bridge_mohm"], "holding_size_pa": abs(numbers["holding_pa"])}
    known = numbers | sizes
    passed = [limit for limit in thresholds(given, LIMITS).values() if limit.passed(known[limit.number])]
    gone = {limit.number for limit in passed if limit.verdict == "exclude"}
    for limit in passed:
        if limit.verdict == "exclude" or limit.number not in gone:
            reasons[limit.verdict].append(limit.told(known[limit.number]))
    told = recording.telegraph.get(channel)
    if told and told.mode == "voltage_clamp":
        reasons["warn"].append("the amplifier reported voltage clamp")
    spontaneous = int((table["spikes_outside"] > 0).sum())
    if spontaneous:
        reasons["warn"].append(f"spikes outside the step in {spontaneous} of {len(table)} sweeps")
    if len(measured_sweeps(recording)) < len(recording.sweep_samples):
        reasons["warn"].append("the last sweep was aborted and is not measured")
    by_hand = text_of(row, "exclude")
    if by_hand:
        return {"verdict": "exclude", "reason": "; ".join([by_hand, *reasons["exclude"]])}
    verdict = next((v for v in ("exclude", "warn") if reasons[v]), "pass")
    return {"verdict": verdict, "reason": "; ".join(reasons["exclude"] + reasons["warn"])}


def _unusable(recording: Recording, channel: int) -> dict:
    """Return the numbers and the verdict of a recording whose channel is no voltage."""
    described = recording.channels[channel]
    clamped = any(o.unit in MILLIVOLT_PER and o.plays and o.epochs for o in recording.protocol.outputs)
    kind = "a voltage clamp?" if clamped else "current-clamp data with a wrong label?"
    reason = f"channel {described.name!r} is in {described.original_unit or 'no unit'}, no voltage: {kind}"
    return dict.fromkeys(QUALITY_NUMBERS, np.nan) | {
        "rate_hz": recording.rate_hz, "command_source": "", "verdict": "exclude", "reason": reason,
    }  # fmt: skip


def _waveform(recording: Recording, channel: int, spikes: pd.DataFrame) -> pd.DataFrame:
    """Return the first spike in a step, sample by sample, time from its threshold."""
    inside = spikes[spikes["in_step"]]
    if not len(inside):
        return pd.DataFrame(columns=list(WAVEFORM_COLUMNS))
    first = inside.iloc[0]
    sweep, per_ms = int(first["sweep"]), recording.rate_hz / 1e3
    start = max(round((first["threshold_ms"] - WAVEFORM_MS[0]) * per_ms), 0)
    stop = min(round((first["threshold_ms"] + WAVEFORM_MS[1]) * per_ms), recording.sweep_samples[sweep])
    time = np.arange(start, stop) / per_ms - first["threshold_ms"]
    columns = (first["recording_id"], sweep, time, recording.signal(sweep, channel, start, stop))
    return pd.DataFrame(dict(zip(WAVEFORM_COLUMNS, columns, strict=True)))
