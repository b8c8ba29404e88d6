"""Measurements of a recording in windows, as recorded and in the membrane's convention; each raw file is read once.

Rows are those of results/recordings/measurements.csv (one a sweep, or a sweep of a segment) and quality.csv (one a
recording). Currents are means in the windows (peak: the extreme) exactly as recorded, no baseline and no leak
subtracted; the command is that of the steady window, `holding_mv` that of the baseline window. Sweeps count from 0.
A ramp has a row for each bin of its command (`ramp`), its current in `steady_pa`, its slope in `ramp_mv_per_ms`.
On the way come the membrane test (`membrane`), the verdict (`quality`) and thumbnails, the lowest and highest current
in bins of time, from which pictures are drawn without opening the file again. Windows, sign rule and what a row and the
settings ask for are those of `mgk.recordings.plan`.

Corrections (junction potential, series resistance, leak) are made on these tables by `mgk.recordings.corrections`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.recordings import kinetics
from mgk.recordings.membrane import MEMBRANE_COLUMNS, check_membrane_test, membrane_test
from mgk.recordings.plan import (
    RAMPS,
    Plan,
    measured_parts,
    measured_sweeps,
    number_of,
    plan_measurement,
    read_row,
    text_of,
    window_samples,
)
from mgk.recordings.protocol import PICOAMPERE_PER
from mgk.recordings.quality import judge
from mgk.recordings.ramp import ramp_bins
from mgk.recordings.recording import Recording
from mgk.recordings.sanity import header_sanity
from mgk.recordings.segments import Segment
from mgk.recordings.thumbnails import THUMBNAIL_COLUMNS, thumbnail
from mgk.recordings.unwritten import doubts_of_end
from mgk.recordings.windows import WindowCurrent, saturated_samples, signal_reader, window_current, window_mean
from mgk.tables.problems import InputError

IDENTITY = ("recording_id", "experiment", "cell_id", "animal_id", "condition")
MEASUREMENT_COLUMNS = (
    *IDENTITY, "ligand", "ligand_total_mm", "sweep", "segment", "segment_exclude", "windows_from_ms", "holding_mv",
    "command_mv", "command_source", "membrane_mv", "baseline_pa", "peak_pa", "steady_pa", "tail_pa",
    "steady_membrane_pa", "peak_membrane_pa", "tail_membrane_pa", "peak_membrane_mv", "tail_membrane_mv",
    "ramp_mv_per_ms", *kinetics.COLUMNS,
)  # fmt: skip
# Holding levels nearer than this are one.
SAME_LEVEL_MV = 1.0
# A peak that is this many standard deviations of the baseline's noise high has a sign (assumed, no source).
SIGNED_SD = 5.0
# Windows in which the command moves, or in which the current is not looked at as a mean.
NOT_COMPARED = ("peak", "kinetics", *RAMPS)


@dataclass(frozen=True)
class Measured:
    """What reading a recording once gives: tables of sweeps, membrane tests and thumbnails, and its row of quality."""

    measurements: pd.DataFrame
    quality: dict
    membrane: pd.DataFrame
    thumbnails: pd.DataFrame


@dataclass(frozen=True)
class MeasuredBatch:
    """The tables of a batch; each field is the kind of its file."""

    measurements: pd.DataFrame
    quality: pd.DataFrame
    membrane_test: pd.DataFrame
    thumbnails: pd.DataFrame


def check_recording(row: Mapping, path: Path | str, settings: Mapping) -> list[str]:
    """Return why a recording cannot be measured with these settings, from its header alone; nothing when it can.

    Parameters as those of `measure_recording`. Finds damaged headers, unknown channels, windows outside a sweep and
    commands that are neither recorded nor can be decoded.
    """
    try:
        recording = read_row(row, path)
        plan = plan_measurement(row, recording, settings)
        for segment, sweep in measured_parts(recording, plan):
            window_samples(recording, plan, segment, sweep)
        if plan.voltage_channel is None and plan.is_current:
            sweeps = measured_sweeps(recording)
            for sweep in {sweeps[0], sweeps[-1]}:
                recording.decoded_mv(sweep)
        check_membrane_test(recording, plan.voltage_channel, settings.get("membrane_test") or {})
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []


def measure_recording(row: Mapping, path: Path | str, settings: Mapping) -> Measured:
    """Measure each sweep of a recording, test its membrane, judge it, and keep a thumbnail.

    Parameters
    ----------
    row: the row of recordings.csv; under `segments` its rows of segments.csv, if any. Of a recording with segments only
        these are measured.
    path: the recording.
    settings: the experiment of config.yaml: `windows_ms` (from the start of the segment, else of the `epoch`, else of
        the sweep), `polarity` of the peak, `membrane_test`, `quality`.

    Returns
    -------
    Measured: a row per sweep with the columns MEASUREMENT_COLUMNS, the row of quality.csv, the rows of
    membrane_test.csv and of thumbnails.csv. A channel that is no current has no measurements; its verdict says so.

    Raises
    ------
    InputError
        When the file is unreadable, a channel does not exist, a window lies outside a sweep or its segment, or the
        command is neither recorded nor can be decoded.
    """
    found = _measure(row, path, settings)
    tables = _tables([found])
    return Measured(tables.measurements, found.quality, tables.membrane_test, tables.thumbnails)


def measure_batch(rows: Iterable[Mapping], raw_data: Path | str, settings: Mapping) -> MeasuredBatch:
    """Measure the recordings of some rows of recordings.csv; their `file` is relative to `raw_data`.

    Raises
    ------
    InputError
        As `measure_recording` does.
    """
    return _tables([_measure(row, Path(raw_data) / row["file"], settings) for row in rows])


@dataclass(frozen=True)
class _Found:
    """What one recording gives, as rows, and for each column of thumbnails.csv an array."""

    measurements: list[dict]
    quality: dict
    membrane: list[dict]
    thumbnails: list[np.ndarray]


def _measure(row: Mapping, path: Path | str, settings: Mapping) -> _Found:
    """Measure one recording; see `measure_recording` for parameters and errors."""
    recording = read_row(row, path)
    plan = plan_measurement(row, recording, settings)
    identity = {key: text_of(row, key) for key in IDENTITY}
    sweeps, measurements, tested, thumbnails, doubtful = [], [], [], [], []
    if not plan.is_current:
        channel = recording.channels[plan.channel]
        bad = [f"channel {channel.name!r} is in {channel.unit!r}, not a current ({', '.join(PICOAMPERE_PER)})"]
    else:
        found = [_measure_sweep(recording, plan, *place) for place in measured_parts(recording, plan)]
        sweeps, measurements = [sweep for sweep, _ in found], [row for _, rows in found for row in rows]
        asked = settings.get("membrane_test") or {}
        tested = membrane_test(recording, plan.channel, plan.voltage_channel, asked, measured_sweeps(recording))
        thumbnails = thumbnail(recording, plan.channel, plan.recording_id)
        bad, doubtful = _doubts(recording, plan, sweeps)
        doubtful += _peak_doubt(plan, sweeps, measurements)
    said = identity | {"ligand": text_of(row, "ligand"), "ligand_total_mm": number_of(row, "ligand_total_mm")}
    quality = settings.get("quality") or {}
    return _Found(
        measurements=[said | row for row in measurements],
        quality=identity | judge(row, _numbers(recording, sweeps), tested, quality, bad, doubtful),
        membrane=[identity | test for test in tested],
        thumbnails=thumbnails,
    )


def _tables(found: list[_Found]) -> MeasuredBatch:
    """Join what recordings gave: one table of each kind."""
    drawn = [f.thumbnails for f in found if f.thumbnails]
    columns = [np.concatenate(column) for column in zip(*drawn, strict=True)] or [[]] * len(THUMBNAIL_COLUMNS)
    return MeasuredBatch(
        measurements=pd.DataFrame([row for f in found for row in f.measurements], columns=list(MEASUREMENT_COLUMNS)),
        quality=pd.DataFrame([f.quality for f in found]),
        membrane_test=pd.DataFrame([row for f in found for row in f.membrane], columns=[*IDENTITY, *MEMBRANE_COLUMNS]),
        thumbnails=pd.DataFrame(dict(zip(THUMBNAIL_COLUMNS, columns, strict=True))),
    )


def _measure_sweep(recording: Recording, plan: Plan, segment: Segment, sweep: int) -> tuple[dict, list[dict]]:
    """Return what a sweep says of the recording's quality, and its rows of measurements.csv."""
    windows = window_samples(recording, plan, segment, sweep)
    signal = signal_reader(recording, sweep, plan.channel, windows.values())
    current = {name: window_current(name, window, signal) for name, window in windows.items()}
    command, source, difference = _command(recording, plan, segment, sweep, windows)
    means = {f"{n}_pa": current[n].mean if n in current else math.nan for n in ("baseline", "steady", "tail")}
    found = {
        **{key: said for key in ("condition", "ligand") if (said := getattr(segment, key))},
        **({} if math.isnan(segment.ligand_total_mm) else {"ligand_total_mm": segment.ligand_total_mm}),
        "sweep": sweep,
        "segment": segment.name,
        "segment_exclude": segment.exclude,
        "windows_from_ms": _windows_from_ms(recording, plan, windows),
        "holding_mv": command.get("baseline", math.nan),
        "command_source": source,
        **means,
        "peak_pa": _extreme(current["peak"], plan) if "peak" in current else math.nan,
        **_kinetics(recording, plan, sweep, windows.get("kinetics")),
    }
    facts = found | {
        "finite": all(math.isfinite(c.mean) for name, c in current.items() if name != "kinetics"),
        "baseline_sd_pa": current["baseline"].sd if "baseline" in current else math.nan,
        "command_difference_mv": difference,
        "saturated": saturated_samples(recording, sweep, plan.channel, list(windows.values())),
        "samples": math.fsum(w.stop - w.start for w in windows.values()),
    }
    if plan.level_window == "steady":
        return facts, [found | _across_membrane(plan, found, command)]
    bins = _ramp_rows(recording, plan, segment, sweep, windows)
    return facts | {"ramps": len(bins)}, bins and [
        row | _across_membrane(plan, row, {"steady": row["command_mv"]}) for row in (found | b for b in bins)
    ]


def _windows_from_ms(recording: Recording, plan: Plan, windows: Mapping[str, slice]) -> float:
    name = plan.level_window
    return round(windows[name].start * 1e3 / recording.rate_hz - plan.windows_ms[name][0], 6)


def _across_membrane(plan: Plan, row: Mapping, command: Mapping[str, float]) -> dict:
    """Return command, potentials and currents of a row in the membrane's convention."""
    potentials = {
        name: plan.resting_mv + plan.sign * command.get(name, math.nan) for name in ("steady", "peak", "tail")
    }
    return {
        "command_mv": command["steady"],
        "membrane_mv": potentials["steady"],
        **{f"{name}_membrane_pa": plan.sign * row[f"{name}_pa"] for name in potentials},
        **{f"{name}_membrane_mv": potentials[name] for name in ("peak", "tail")},
    }


def _ramp_rows(recording: Recording, plan: Plan, segment: Segment, sweep: int, windows: Mapping[str, slice]) -> list:
    """Return for each bin of the ramps of a sweep its command, its current and the slope; [] where one is no ramp."""
    rows = []
    for name in (n for n in RAMPS if n in windows):
        window = windows[name]
        if not math.isnan(segment.command_mv):
            return []
        if plan.voltage_channel is None:
            command = recording.decoded_mv(sweep)[window]
        else:
            command = recording.signal(sweep, plan.voltage_channel, window.start, window.stop)
        current = recording.signal(sweep, plan.channel, window.start, window.stop)
        bins = ramp_bins(command, current, plan.ramp_bin_mv, recording.rate_hz)
        if not bins:
            return []
        rows += [{**b, "steady_pa": b.pop("current_pa")} for b in bins]
    return rows


def _kinetics(recording: Recording, plan: Plan, sweep: int, window: slice | None) -> dict:
    """Return the time constant of a sweep; no number, and no reason, where no window asks for one."""
    if window is None:
        return dict(zip(kinetics.COLUMNS, (math.nan, math.nan, math.nan, ""), strict=True))
    current = recording.signal(sweep, plan.channel, window.start, window.stop)
    return kinetics.time_constant(current, recording.rate_hz)


def _command(recording: Recording, plan: Plan, segment: Segment, sweep: int, windows: Mapping[str, slice]):
    """Return the command in each window, where it is from, and how far recorded and decoded are apart (mV)."""
    if not math.isnan(segment.command_mv):
        return dict.fromkeys(windows, segment.command_mv), "stated", math.nan
    decoded = _decoded_means(recording, plan, sweep, windows)
    if plan.voltage_channel is None:
        return decoded, "decoded", math.nan
    voltage = signal_reader(recording, sweep, plan.voltage_channel, windows.values())
    command = {name: window_mean(window, voltage) for name, window in windows.items()}
    apart = (abs(command[n] - decoded[n]) for n in windows if n not in NOT_COMPARED and n in decoded)
    return command, "recorded", max(apart, default=math.nan)


def _decoded_means(recording: Recording, plan: Plan, sweep: int, windows: Mapping[str, slice]) -> dict[str, float]:
    """Return the decoded command in each window; nothing when it cannot be decoded and is not needed."""
    try:
        means = recording.decoded_means(sweep, list(windows.values()))
    except InputError as error:
        if plan.voltage_channel is not None:
            return {}
        reason = f"{plan.recording_id}: no voltage channel is named, and {error.problems[0].allowed}"
        raise recording.error(reason) from None
    return dict(zip(windows, means, strict=True))


def _extreme(current: WindowCurrent, plan: Plan) -> float:
    """Return the recorded value at the extreme; outward is positive current across the membrane."""
    if plan.polarity == "absolute":
        return current.high if abs(current.high) > abs(current.low) else current.low
    outward_is_high = (plan.sign != -1) == (plan.polarity == "outward")
    return current.high if outward_is_high else current.low


def _numbers(recording: Recording, sweeps: list[dict]) -> dict:
    """Return the numbers of quality.csv; the drift is the linear trend of the baseline from first to last sweep."""

    def known(name: str) -> np.ndarray:
        values = np.array([sweep[name] for sweep in sweeps], float)
        return values[~np.isnan(values)]

    number, baseline, holding = (np.array([s[n] for s in sweeps]) for n in ("sweep", "baseline_pa", "holding_mv"))
    drift = math.nan
    steady_holding = len(sweeps) > 2 and np.ptp(holding) < SAME_LEVEL_MV
    if steady_holding and np.ptp(number) and not np.isnan(baseline).any():
        away = number - number.mean()
        drift = float(np.dot(away, baseline - baseline.mean()) / np.dot(away, away) * np.ptp(number))
    difference, noise, saturated = known("command_difference_mv"), known("baseline_sd_pa"), known("saturated")
    return {
        "sweeps": len(recording.sweep_samples),
        "sweeps_measured": len(set(number.tolist())),
        "rate_hz": recording.rate_hz,
        "filter_hz": reported_filter_hz(recording),
        "command_source": sweeps[0]["command_source"] if sweeps else "",
        "command_difference_mv": float(difference.max()) if difference.size else math.nan,
        "saturated_percent": float(100 * saturated.sum() / known("samples").sum()) if saturated.size else math.nan,
        "baseline_sd_pa": float(np.median(noise)) if noise.size else math.nan,
        "baseline_drift_pa": drift,
    }


def reported_filter_hz(recording: Recording) -> float:
    """Return the filter that the amplifier reported; NaN where it reported none, or channels differ."""
    reported = {t.filter_hz for t in recording.telegraph.values() if t.filter_hz}
    return reported.pop() if len(reported) == 1 else math.nan


def _doubts(recording: Recording, plan: Plan, sweeps: list[dict]) -> tuple[list[str], list[str]]:
    """Return what makes a recording unusable, and what makes it doubtful, beside its numbers."""
    used = [sweep["sweep"] for sweep in sweeps if not sweep["segment_exclude"]]
    bad, doubtful = doubts_of_end(recording, plan.channel, used)
    doubtful = [*recording.notes, *header_sanity(recording, plan.channel, plan.voltage_channel), *doubtful]
    if not all(sweep["finite"] for sweep in sweeps):
        bad.append("the current is not finite in a window")
    if flat := [str(sweep["sweep"]) for sweep in sweeps if not sweep.get("ramps", True)]:
        bad.append(f"the command is no ramp in window ramp or ramp_back (sweeps {', '.join(flat)})")
    if not recording.protocol.episodic and any(s["command_source"] == "decoded" for s in sweeps):
        doubtful.append("not episodic: the command is the header's holding level; a change by hand would not show")
    if len(measured_sweeps(recording)) < len(recording.sweep_samples):
        doubtful.append("the last sweep was aborted and is not measured")
    if math.isnan(plan.sign):
        doubtful.append("configuration is empty: membrane potential and current are not known")
    elif math.isnan(plan.resting_mv):
        doubtful.append("resting_mv is empty: the membrane potential of a cell-attached patch is not known")
    return bad, doubtful


def _peak_doubt(plan: Plan, sweeps: list[dict], measurements: list[dict]) -> list[str]:
    """Say where a peak of either sign changes direction more often than one reversal potential lets it."""
    if plan.polarity != "absolute" or "peak" not in plan.windows_ms:
        return []
    noise = max((sd for s in sweeps if math.isfinite(sd := s["baseline_sd_pa"])), default=0.0)
    rows = [row for row in measurements if abs(row["peak_pa"]) > SIGNED_SD * noise]
    changes = 0
    for segment in dict.fromkeys(row["segment"] for row in rows):
        own = sorted((row for row in rows if row["segment"] == segment), key=lambda row: row["command_mv"])
        changes = max(changes, int(np.count_nonzero(np.diff(np.sign([row["peak_pa"] for row in own])))))
    if changes < 2:
        return []
    return [
        f"the sign of the peak changes {changes} times over the command: polarity absolute takes noise or two currents"
    ]
