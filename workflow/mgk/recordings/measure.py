"""Measurements of a recording in windows, as recorded and in the membrane's convention, and its quality.

Rows are those of results/recordings/measurements.csv (one a sweep) and quality.csv (one a recording). Currents are
means in the windows (peak: the extreme) exactly as recorded, no baseline and no leak subtracted; the command is that of
the steady window, `holding_mv` that of the baseline window. Sweeps count from 0.

Sign rule. Amplifiers count current out of the pipette as positive. Where the pipette is on the inner side of the
membrane (whole-cell, perforated, two-electrode, outside-out) this is outward current, and the command is the membrane
potential. Where it is on the outer side (inside-out, cell-attached), current out of the pipette flows inward and a
positive pipette hyperpolarises: Vm = -Vp for inside-out, Vm = Vrest - Vp for cell-attached, I_membrane = -I_recorded.
Corrections (junction potential, series resistance, leak) are not made here; a config that asks for one is refused.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.recordings import read_recording
from mgk.recordings.protocol import epoch_start
from mgk.recordings.recording import Recording
from mgk.tables.problems import InputError

PIPETTE_INSIDE = ("whole_cell", "perforated", "two_electrode", "outside_out")
PIPETTE_OUTSIDE = ("inside_out", "cell_attached")
POLARITIES = ("outward", "inward", "absolute")
WINDOWS = ("baseline", "peak", "steady", "tail")
PICOAMPERE_PER = {"pA": 1.0, "nA": 1e3, "uA": 1e6, "A": 1e12, "fA": 1e-3}
IDENTITY = ("recording_id", "experiment", "cell_id", "animal_id", "condition")
MEASUREMENT_COLUMNS = (
    *IDENTITY, "sweep", "segment", "holding_mv", "command_mv", "command_source", "membrane_mv", "baseline_pa",
    "peak_pa", "steady_pa", "tail_pa", "steady_membrane_pa", "peak_membrane_pa",
)  # fmt: skip
# Thresholds of the verdicts, assumed, no source.
DISAGREEMENT_MV = 1.0
SATURATED_EXCLUDE_PERCENT = 1.0


@dataclass(frozen=True)
class Plan:
    """How a recording is measured: channels, unit, windows in ms and from where they count, sign of the membrane."""

    recording_id: str
    channel: int
    pa_per_unit: float
    voltage_channel: int | None
    windows_ms: dict[str, tuple[float, float]]
    epoch: str
    polarity: str
    sign: float
    resting_mv: float


def membrane_sign(configuration: str) -> float:
    """Return +1 when the pipette is inside, -1 when it is outside the membrane, NaN when the configuration is empty.

    Raises
    ------
    InputError
        When the configuration is not one of the known ones.
    """
    if configuration == "":
        return math.nan
    if configuration not in PIPETTE_INSIDE + PIPETTE_OUTSIDE:
        allowed = ", ".join(PIPETTE_INSIDE + PIPETTE_OUTSIDE)
        raise InputError(f"configuration {configuration!r} must be one of: {allowed}")
    return 1.0 if configuration in PIPETTE_INSIDE else -1.0


def check_recording(row: Mapping, path: Path | str, settings: Mapping) -> list[str]:
    """Return why a recording cannot be measured with these settings, from its header alone; nothing when it can.

    Parameters as those of `measure_recording`. Finds damaged headers, unknown channels, windows outside a sweep and
    commands that are neither recorded nor can be decoded.
    """
    try:
        recording = read_recording(path)
        plan = plan_measurement(row, recording, settings)
        sweeps = _measured_sweeps(recording)
        for sweep in sweeps:
            _window_samples(recording, plan, sweep)
        if plan.voltage_channel is None and not math.isnan(plan.pa_per_unit):
            for sweep in {sweeps[0], sweeps[-1]}:
                recording.decoded_mv(sweep)
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []


def measure_recording(row: Mapping, path: Path | str, settings: Mapping) -> tuple[pd.DataFrame, dict]:
    """Measure each sweep of a recording, and judge the recording.

    Parameters
    ----------
    row: the row of recordings.csv.
    path: the recording.
    settings: the experiment of config.yaml: `windows_ms` (from the start of the sweep, or of its `epoch`), `polarity`
        of the peak, `corrections` (each `none`).

    Returns
    -------
    (measurements, quality): a row per sweep with the columns MEASUREMENT_COLUMNS, and the row of quality.csv. A channel
    that is no current has no measurements; its verdict says so.

    Raises
    ------
    InputError
        When the file is unreadable, a channel does not exist, a window lies outside a sweep, a correction is asked for,
        or the command is neither recorded nor can be decoded.
    """
    recording = read_recording(path)
    plan = plan_measurement(row, recording, settings)
    identity = {key: _text(row, key) for key in IDENTITY}
    if math.isnan(plan.pa_per_unit):
        channel = recording.channels[plan.channel]
        reason = f"channel {channel.name!r} is in {channel.unit!r}, not a current ({', '.join(PICOAMPERE_PER)})"
        quality = {
            **identity,
            **_numbers(recording, []),
            "verdict": "exclude",
            "reason": _text(row, "exclude") or reason,
        }
        return pd.DataFrame(columns=list(MEASUREMENT_COLUMNS)), quality
    sweeps = [_measure_sweep(recording, plan, sweep) for sweep in _measured_sweeps(recording)]
    frame = pd.DataFrame([{**identity, "segment": "", **s} for s in sweeps])
    numbers = _numbers(recording, sweeps)
    verdict, reason = _verdict(row, recording, plan, numbers, frame)
    return frame[list(MEASUREMENT_COLUMNS)], {**identity, **numbers, "verdict": verdict, "reason": reason}


def measure_batch(
    rows: Iterable[Mapping], raw_data: Path | str, settings: Mapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the recordings of some rows of recordings.csv; their `file` is relative to `raw_data`.

    Returns
    -------
    (measurements, quality): a row per sweep and a row per recording, in the order of the rows.

    Raises
    ------
    InputError
        As `measure_recording` does.
    """
    measured = [measure_recording(row, Path(raw_data) / row["file"], settings) for row in rows]
    frames = [frame for frame, _ in measured if len(frame)]
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(MEASUREMENT_COLUMNS))
    return table, pd.DataFrame([quality for _, quality in measured])


def plan_measurement(row: Mapping, recording: Recording, settings: Mapping) -> Plan:
    """Return how to measure a recording; see `measure_recording` for parameters and errors."""
    recording_id = _text(row, "recording_id")
    for name, asked in (settings.get("corrections") or {}).items():
        if asked not in (None, "none"):
            raise InputError(f"corrections.{name}: {asked!r}: only none is available")
    windows = dict(settings.get("windows_ms") or {})
    epoch = windows.pop("epoch", "") or ""
    unknown = [name for name in windows if name not in WINDOWS]
    if unknown or "steady" not in windows:
        raise InputError(f"windows_ms of {recording_id}: steady is needed; {', '.join(WINDOWS)} are allowed")
    polarity = settings.get("polarity", "absolute")
    if polarity not in POLARITIES:
        raise InputError(f"polarity {polarity!r} must be one of: {', '.join(POLARITIES)}")
    channel = recording.channel_index(_text(row, "channel"))
    voltage = _text(row, "voltage_channel")
    voltage_channel = recording.channel_index(voltage) if voltage else None
    if voltage_channel is not None:
        recording.check_voltage(voltage_channel)
    resting = row.get("resting_mv")
    return Plan(
        recording_id=recording_id,
        channel=channel,
        pa_per_unit=PICOAMPERE_PER.get(recording.channels[channel].unit, math.nan),
        voltage_channel=voltage_channel,
        windows_ms={name: (float(start), float(stop)) for name, (start, stop) in windows.items()},
        epoch=epoch,
        polarity=polarity,
        sign=membrane_sign(_text(row, "configuration")),
        resting_mv=_resting(_text(row, "configuration"), math.nan if resting in (None, "") else float(resting)),
    )


def _resting(configuration: str, resting_mv: float) -> float:
    return resting_mv if configuration == "cell_attached" else 0.0


def _text(row: Mapping, key: str) -> str:
    """Return a cell of a row as text; what is missing, whatever pandas made of it, is ''."""
    value = row.get(key)
    return "" if value is None or value != value else str(value)


def _measured_sweeps(recording: Recording) -> range:
    """Return the sweeps to measure: all, without a last one that was aborted."""
    samples = recording.sweep_samples
    aborted = recording.protocol.episodic and len(samples) > 1 and samples[-1] < samples[0]
    return range(len(samples) - aborted)


def _window_samples(recording: Recording, plan: Plan, sweep: int) -> dict[str, slice]:
    origin = 0
    if plan.epoch:
        try:
            origin = epoch_start(recording.protocol, recording.voltage_output(), plan.epoch, sweep)
        except InputError as error:
            raise recording.error(f"{plan.recording_id}: windows count from epoch {plan.epoch}: {error}") from None
    samples, per_ms = recording.sweep_samples[sweep], recording.rate_hz / 1e3
    found = {}
    for name, (start, stop) in plan.windows_ms.items():
        first, last = origin + round(start * per_ms), origin + round(stop * per_ms)
        if not 0 <= first < last <= samples:
            where = f"{start:g} to {stop:g} ms" + (f" from epoch {plan.epoch}" if plan.epoch else "")
            raise recording.error(
                f"{plan.recording_id}: window {name} ({where}) must hold a sample and lie within sweep {sweep}, "
                f"which is {samples / per_ms:g} ms long"
            )
        found[name] = slice(first, last)
    return found


def _measure_sweep(recording: Recording, plan: Plan, sweep: int) -> dict:
    windows = _window_samples(recording, plan, sweep)
    current = {n: recording.signal(sweep, plan.channel, w.start, w.stop) * plan.pa_per_unit for n, w in windows.items()}
    decoded = _decoded_means(recording, plan, sweep, windows)
    command = decoded
    if plan.voltage_channel is not None:
        command = {
            name: float(np.mean(recording.recorded_mv(sweep, plan.voltage_channel, w.start, w.stop)))
            for name, w in windows.items()
        }
    compared = [n for n in windows if n != "peak" and plan.voltage_channel is not None and n in decoded]
    means = {
        f"{n}_pa": float(np.mean(current[n])) if n in current else math.nan for n in ("baseline", "steady", "tail")
    }
    peak = _extreme(current["peak"], plan) if "peak" in current else math.nan
    return {
        "sweep": sweep,
        "holding_mv": command.get("baseline", math.nan),
        "command_mv": command["steady"],
        "command_source": "decoded" if plan.voltage_channel is None else "recorded",
        "membrane_mv": plan.resting_mv + plan.sign * command["steady"],
        **means,
        "peak_pa": peak,
        "steady_membrane_pa": plan.sign * means["steady_pa"],
        "peak_membrane_pa": plan.sign * peak,
        "baseline_sd_pa": float(np.std(current["baseline"])) if "baseline" in current else math.nan,
        "command_difference_mv": max((abs(command[n] - decoded[n]) for n in compared), default=math.nan),
        "saturated": _saturated(recording, plan, sweep, windows),
        "samples": int(np.sum([w.stop - w.start for w in windows.values()])),
    }


def _decoded_means(recording: Recording, plan: Plan, sweep: int, windows: dict[str, slice]) -> dict[str, float]:
    """Return the decoded command in each window; nothing when it cannot be decoded and is not needed."""
    try:
        decoded = recording.decoded_mv(sweep)
    except InputError as error:
        if plan.voltage_channel is not None:
            return {}
        reason = f"{plan.recording_id}: no voltage channel is named, and {error.problems[0].allowed}"
        raise recording.error(reason) from None
    return {name: float(np.mean(decoded[w])) for name, w in windows.items()}


def _extreme(current: np.ndarray, plan: Plan) -> float:
    """Return the recorded value at the extreme; outward is positive current across the membrane."""
    if plan.polarity == "absolute":
        return float(current[np.argmax(np.abs(current))])
    outward_is_high = (plan.sign != -1) == (plan.polarity == "outward")
    return float(np.max(current) if outward_is_high else np.min(current))


def _saturated(recording: Recording, plan: Plan, sweep: int, windows: dict[str, slice]) -> float:
    """Return how many samples of the windows stand at the converter's limits (NaN when the file holds floats)."""
    if recording.code_limits is None:
        return math.nan
    low, high = recording.code_limits
    codes = [recording.codes(sweep, plan.channel, w.start, w.stop) for w in windows.values()]
    return float(np.sum([np.count_nonzero((c <= low) | (c >= high)) for c in codes]))


def _numbers(recording: Recording, sweeps: list[dict]) -> dict:
    """Return the numbers of quality.csv; the drift is the linear trend of the baseline from first to last sweep."""
    table = pd.DataFrame(sweeps, columns=[
        "sweep", "holding_mv", "command_source", "baseline_pa", "baseline_sd_pa", "command_difference_mv", "saturated",
        "samples",
    ])  # fmt: skip
    drift = math.nan
    if len(table) > 2 and np.ptp(table["holding_mv"]) < DISAGREEMENT_MV and table["baseline_pa"].notna().all():
        drift = float(np.polyfit(table["sweep"], table["baseline_pa"], 1)[0] * np.ptp(table["sweep"]))
    samples = table["samples"].sum()
    return {
        "sweeps": len(recording.sweep_samples),
        "rate_hz": recording.rate_hz,
        "command_source": table["command_source"].iloc[0] if len(table) else "",
        "command_difference_mv": float(table["command_difference_mv"].max()),
        "saturated_percent": float(100 * table["saturated"].sum(min_count=1) / samples) if samples else math.nan,
        "baseline_sd_pa": float(table["baseline_sd_pa"].median()),
        "baseline_drift_pa": drift,
    }


def _verdict(row: Mapping, recording: Recording, plan: Plan, numbers: dict, frame: pd.DataFrame) -> tuple[str, str]:
    excluded = _text(row, "exclude")
    if excluded:
        return "exclude", excluded
    bad, doubtful = [], list(recording.notes)
    measured = [f"{name}_pa" for name in plan.windows_ms]
    if not np.isfinite(frame[measured].to_numpy(float)).all():
        bad.append("the current is not finite in a window")
    saturated = numbers["saturated_percent"]
    if saturated > 0:
        which = bad if saturated >= SATURATED_EXCLUDE_PERCENT else doubtful
        which.append(f"{saturated:.3g} % of the samples in the windows stand at the converter's limit")
    difference = numbers["command_difference_mv"]
    if difference > DISAGREEMENT_MV:
        doubtful.append(f"the recorded and the decoded command differ by {difference:.3g} mV")
    if not recording.protocol.episodic and plan.voltage_channel is None:
        doubtful.append("not episodic: the command is the header's holding level; a change by hand would not show")
    if len(frame) < len(recording.sweep_samples):
        doubtful.append("the last sweep was aborted and is not measured")
    if math.isnan(plan.sign):
        doubtful.append("configuration is empty: membrane potential and current are not known")
    elif math.isnan(plan.resting_mv):
        doubtful.append("resting_mv is empty: the membrane potential of a cell-attached patch is not known")
    if bad:
        return "exclude", "; ".join(bad + doubtful)
    return ("warn", "; ".join(doubtful)) if doubtful else ("pass", "")
