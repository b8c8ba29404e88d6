"""Measurements of a recording in windows, as recorded and in the membrane's convention; each raw file is read once.

Rows are those of results/recordings/measurements.csv (one a sweep, or a sweep of a segment) and quality.csv (one a
recording). Currents are means in the windows (peak: the extreme) exactly as recorded, no baseline and no leak
subtracted; the command is that of the steady window, `holding_mv` that of the baseline window. Sweeps count from 0.
On the way come the membrane test (`membrane`), the verdict (`quality`) and thumbnails, the lowest and highest current
in bins of time, from which pictures are drawn without opening the file again.

Sign rule. Amplifiers count current out of the pipette as positive. Where the pipette is on the inner side of the
membrane (whole-cell, perforated, two-electrode, outside-out) this is outward current, and the command is the membrane
potential. Where it is on the outer side (inside-out, cell-attached), current out of the pipette flows inward and a
positive pipette hyperpolarises: Vm = -Vp for inside-out, Vm = Vrest - Vp for cell-attached, I_membrane = -I_recorded.
Corrections (junction potential, series resistance, leak) are made on these tables by `mgk.recordings.corrections`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.recordings import kinetics, read_recording
from mgk.recordings.membrane import MEMBRANE_COLUMNS, check_membrane_test, membrane_test
from mgk.recordings.protocol import PICOAMPERE_PER, epoch_start
from mgk.recordings.quality import judge
from mgk.recordings.recording import Recording
from mgk.recordings.sanity import header_sanity
from mgk.recordings.segments import WHOLE_RECORDING, Segment, read_segments
from mgk.tables.problems import InputError

PIPETTE_INSIDE = ("whole_cell", "perforated", "two_electrode", "outside_out")
PIPETTE_OUTSIDE = ("inside_out", "cell_attached")
POLARITIES = ("outward", "inward", "absolute")
WINDOWS = ("baseline", "peak", "steady", "tail", "kinetics")
IDENTITY = ("recording_id", "experiment", "cell_id", "animal_id", "condition")
MEASUREMENT_COLUMNS = (
    *IDENTITY, "ligand", "ligand_total_mm", "sweep", "segment", "segment_exclude", "windows_from_ms", "holding_mv",
    "command_mv", "command_source", "membrane_mv", "baseline_pa", "peak_pa", "steady_pa", "tail_pa",
    "steady_membrane_pa", "peak_membrane_pa", "tail_membrane_pa", "peak_membrane_mv", "tail_membrane_mv",
    *kinetics.COLUMNS,
)  # fmt: skip
THUMBNAIL_COLUMNS = ("recording_id", "sweep", "start_ms", "end_ms", "low_pa", "high_pa")
# Sweeps and bins of a thumbnail: enough for a panel a few centimetres wide.
THUMBNAIL_SWEEPS, THUMBNAIL_BINS = 12, 60
# Longer signals are read in pieces of this many samples, so that a long file never stands in memory.
PIECE_SAMPLES = 1 << 18
# Holding levels nearer than this are one.
SAME_LEVEL_MV = 1.0


@dataclass(frozen=True)
class Plan:
    """How a recording is measured: channels, unit, windows in ms and from where they count, sign of the membrane."""

    recording_id: str
    channel: int
    is_current: bool
    voltage_channel: int | None
    windows_ms: dict[str, tuple[float, float]]
    epoch: str
    polarity: str
    sign: float
    resting_mv: float
    segments: tuple[Segment, ...]


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
        recording = read_recording(path, _text(row, "channel"))
        plan = plan_measurement(row, recording, settings)
        for segment, sweep in _measured(recording, plan):
            _window_samples(recording, plan, segment, sweep)
        if plan.voltage_channel is None and plan.is_current:
            sweeps = _measured_sweeps(recording)
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
    recording = read_recording(path, _text(row, "channel"))
    plan = plan_measurement(row, recording, settings)
    identity = {key: _text(row, key) for key in IDENTITY}
    sweeps, tested, thumbnails, doubtful = [], [], [], []
    if not plan.is_current:
        channel = recording.channels[plan.channel]
        bad = [f"channel {channel.name!r} is in {channel.unit!r}, not a current ({', '.join(PICOAMPERE_PER)})"]
    else:
        sweeps = [_measure_sweep(recording, plan, *place) for place in _measured(recording, plan)]
        asked = settings.get("membrane_test") or {}
        tested = membrane_test(recording, plan.channel, plan.voltage_channel, asked, _measured_sweeps(recording))
        thumbnails = _thumbnail(recording, plan)
        bad, doubtful = _doubts(recording, plan, sweeps)
    said = identity | {"ligand": _text(row, "ligand"), "ligand_total_mm": _number(row, "ligand_total_mm")}
    quality = settings.get("quality") or {}
    return _Found(
        measurements=[said | sweep for sweep in sweeps],
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


def plan_measurement(row: Mapping, recording: Recording, settings: Mapping) -> Plan:
    """Return how to measure a recording; see `measure_recording` for parameters and errors."""
    recording_id = _text(row, "recording_id")
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
    return Plan(
        recording_id=recording_id,
        channel=channel,
        is_current=recording.channels[channel].unit == "pA",
        voltage_channel=voltage_channel,
        windows_ms={name: (float(start), float(stop)) for name, (start, stop) in windows.items()},
        epoch=epoch,
        polarity=polarity,
        sign=membrane_sign(_text(row, "configuration")),
        resting_mv=_resting(_text(row, "configuration"), _number(row, "resting_mv")),
        segments=read_segments(row["segments"]) if row.get("segments") else (WHOLE_RECORDING,),
    )


def _resting(configuration: str, resting_mv: float) -> float:
    return resting_mv if configuration == "cell_attached" else 0.0


def _text(row: Mapping, key: str) -> str:
    """Return a cell of a row as text; what is missing, whatever pandas made of it, is ''."""
    value = row.get(key)
    return "" if value is None or value != value else str(value)


def _number(row: Mapping, key: str) -> float:
    """Return a cell of a row as a number; what is missing is NaN."""
    value = row.get(key)
    return math.nan if value is None or value == "" else float(value)


def _measured_sweeps(recording: Recording) -> range:
    """Return the sweeps to measure: all, without a last one that was aborted."""
    samples = recording.sweep_samples
    aborted = recording.protocol.episodic and len(samples) > 1 and samples[-1] < samples[0]
    return range(len(samples) - aborted)


def _measured(recording: Recording, plan: Plan) -> Iterator[tuple[Segment, int]]:
    """Yield every (segment, sweep) to measure.

    Raises
    ------
    InputError
        When a segment holds no sweep that can be measured.
    """
    sweeps = _measured_sweeps(recording)
    for segment in plan.segments:
        own = [sweep for sweep in sweeps if segment.has_sweep(sweep)]
        if not own or segment.sweep_last not in (*own, math.inf):
            last = "the last" if math.isinf(segment.sweep_last) else f"{segment.sweep_last:g}"
            raise recording.error(
                f"{plan.recording_id}: segment {segment.name} asks for sweeps {segment.sweep_first} to {last}; "
                f"sweeps 0 to {sweeps[-1]} can be measured"
            )
        for sweep in own:
            yield segment, sweep


def _window_samples(recording: Recording, plan: Plan, segment: Segment, sweep: int) -> dict[str, slice]:
    samples, per_ms = recording.sweep_samples[sweep], recording.rate_hz / 1e3
    origin, end, inside = 0, samples, f"sweep {sweep}, which is {samples / per_ms:g} ms long"
    if not math.isinf(segment.until_s):
        end, inside = (
            round(segment.until_s * 1e3 * per_ms),
            f"segment {segment.name}, which ends at {segment.end_s:g} s",
        )
    if not math.isnan(segment.start_s):
        origin = round(segment.start_s * 1e3 * per_ms)
    elif plan.epoch:
        try:
            origin = epoch_start(recording.protocol, recording.voltage_output(), plan.epoch, sweep)
        except InputError as error:
            raise recording.error(f"{plan.recording_id}: windows count from epoch {plan.epoch}: {error}") from None
    found = {}
    for name, (start, stop) in plan.windows_ms.items():
        first, last = origin + round(start * per_ms), origin + round(stop * per_ms)
        if not 0 <= first < last <= min(samples, end):
            where = f"{start:g} to {stop:g} ms"
            where += f" from {segment.start_s:g} s" if not math.isnan(segment.start_s) else ""
            where += f" from epoch {plan.epoch}" if plan.epoch and math.isnan(segment.start_s) else ""
            raise recording.error(
                f"{plan.recording_id}: window {name} ({where}) must hold a sample and lie within {inside}"
            )
        found[name] = slice(first, last)
    return found


def _measure_sweep(recording: Recording, plan: Plan, segment: Segment, sweep: int) -> dict:
    windows = _window_samples(recording, plan, segment, sweep)
    signal = _reader(recording, sweep, plan.channel, windows)
    current = {name: _current(recording, plan, sweep, name, w, signal) for name, w in windows.items()}
    command, source, difference = _command(recording, plan, segment, sweep, windows)
    means = {f"{n}_pa": current[n].mean if n in current else math.nan for n in ("baseline", "steady", "tail")}
    peak = _extreme(current["peak"], plan) if "peak" in current else math.nan
    return {
        **{key: said for key in ("condition", "ligand") if (said := getattr(segment, key))},
        **({} if math.isnan(segment.ligand_total_mm) else {"ligand_total_mm": segment.ligand_total_mm}),
        "sweep": sweep,
        "segment": segment.name,
        "segment_exclude": segment.exclude,
        "windows_from_ms": round(windows["steady"].start * 1e3 / recording.rate_hz - plan.windows_ms["steady"][0], 6),
        "holding_mv": command.get("baseline", math.nan),
        "command_mv": command["steady"],
        "command_source": source,
        "membrane_mv": plan.resting_mv + plan.sign * command["steady"],
        **means,
        "peak_pa": peak,
        "steady_membrane_pa": plan.sign * means["steady_pa"],
        "peak_membrane_pa": plan.sign * peak,
        "tail_membrane_pa": plan.sign * means["tail_pa"],
        **{f"{n}_membrane_mv": plan.resting_mv + plan.sign * command.get(n, math.nan) for n in ("peak", "tail")},
        "baseline_sd_pa": current["baseline"].sd if "baseline" in current else math.nan,
        **_kinetics(recording, plan, sweep, windows.get("kinetics")),
        "command_difference_mv": difference,
        "saturated": math.fsum(c.saturated for c in current.values()),
        "samples": math.fsum(w.stop - w.start for w in windows.values()),
    }


def _kinetics(recording: Recording, plan: Plan, sweep: int, window: slice | None) -> dict:
    """Return the time constant of a sweep; no number, and no reason, where no window asks for one."""
    if window is None:
        return dict(zip(kinetics.COLUMNS, (math.nan, math.nan, math.nan, ""), strict=True))
    current = recording.signal(sweep, plan.channel, window.start, window.stop)
    return kinetics.time_constant(current, recording.rate_hz)


def _command(recording: Recording, plan: Plan, segment: Segment, sweep: int, windows: dict[str, slice]):
    """Return the command in each window, where it is from, and how far recorded and decoded are apart (mV)."""
    if not math.isnan(segment.command_mv):
        return dict.fromkeys(windows, segment.command_mv), "stated", math.nan
    decoded = _decoded_means(recording, plan, sweep, windows)
    if plan.voltage_channel is None:
        return decoded, "decoded", math.nan
    voltage = _reader(recording, sweep, plan.voltage_channel, windows)
    command = {name: _mean(voltage(*piece) for piece in _pieces(w.start, w.stop)) for name, w in windows.items()}
    apart = (abs(command[n] - decoded[n]) for n in windows if n not in ("peak", "kinetics") and n in decoded)
    return command, "recorded", max(apart, default=math.nan)


def _decoded_means(recording: Recording, plan: Plan, sweep: int, windows: dict[str, slice]) -> dict[str, float]:
    """Return the decoded command in each window; nothing when it cannot be decoded and is not needed."""
    try:
        decoded = recording.decoded_mv(sweep)
    except InputError as error:
        if plan.voltage_channel is not None:
            return {}
        reason = f"{plan.recording_id}: no voltage channel is named, and {error.problems[0].allowed}"
        raise recording.error(reason) from None
    return {name: _mean(decoded[a:b] for a, b in _pieces(w.start, w.stop)) for name, w in windows.items()}


@dataclass(frozen=True)
class _Current:
    """What a window holds, in pA (SD of the baseline and extremes of the peak only), and its saturated samples."""

    mean: float
    sd: float
    low: float
    high: float
    saturated: float


def _current(recording: Recording, plan: Plan, sweep: int, name: str, window: slice, signal: Callable) -> _Current:
    pieces = []
    for piece in _pieces(window.start, window.stop):
        values = signal(*piece)
        variance = values.var() if name == "baseline" else math.nan
        extremes = (values.min(), values.max()) if name == "peak" else (math.nan, math.nan)
        saturated = _saturated(recording, plan, sweep, piece)
        pieces.append((len(values), float(values.mean()), float(variance), *extremes, saturated))
    lengths, means, variances, low, high, saturated = zip(*pieces, strict=True)
    mean = _average(means, lengths)
    squares = [v + (m - mean) * (m - mean) for v, m in zip(variances, means, strict=True)]
    return _Current(
        mean=mean,
        sd=math.sqrt(_average(squares, lengths)),
        low=float(np.min(low)),
        high=float(np.max(high)),
        saturated=math.fsum(saturated),
    )


def _reader(recording: Recording, sweep: int, channel: int, windows: dict[str, slice]) -> Callable:
    """Return a function (start, stop) -> signal; what all windows span is read at once where it is no long signal."""
    first, last = min(w.start for w in windows.values()), max(w.stop for w in windows.values())
    if last - first > PIECE_SAMPLES:
        return partial(recording.signal, sweep, channel)
    values = recording.signal(sweep, channel, first, last)
    return lambda start, stop: values[start - first : stop - first]


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, PIECE_SAMPLES):
        yield first, min(first + PIECE_SAMPLES, stop)


def _mean(pieces: Iterable[np.ndarray]) -> float:
    lengths, means = zip(*((len(piece), float(piece.mean())) for piece in pieces), strict=True)
    return _average(means, lengths)


def _average(values: Sequence[float], weights: Sequence[int]) -> float:
    """Return the weighted mean; that of one value is rounded as that of many (NumPy's takes long for so few)."""
    if len(values) == 1:
        return values[0] * weights[0] / weights[0]
    return float(np.average(values, weights=weights))


def _extreme(current: _Current, plan: Plan) -> float:
    """Return the recorded value at the extreme; outward is positive current across the membrane."""
    if plan.polarity == "absolute":
        return current.high if abs(current.high) > abs(current.low) else current.low
    outward_is_high = (plan.sign != -1) == (plan.polarity == "outward")
    return current.high if outward_is_high else current.low


def _saturated(recording: Recording, plan: Plan, sweep: int, piece: tuple[int, int]) -> float:
    """Return how many samples stand at the converter's limits (NaN when the file holds floats)."""
    if recording.code_limits is None:
        return math.nan
    low, high = recording.code_limits
    codes = recording.codes(sweep, plan.channel, *piece)
    if low < codes.min() and codes.max() < high:
        return 0.0
    return float(np.count_nonzero((codes <= low) | (codes >= high)))


def _thumbnail(recording: Recording, plan: Plan) -> list[np.ndarray]:
    """Return the lowest and the highest current in bins of time, of the first, the last and sweeps evenly between.

    An array for each of THUMBNAIL_COLUMNS.
    """
    count = len(recording.sweep_samples)
    sweeps = np.unique(np.linspace(0, count - 1, min(count, THUMBNAIL_SWEEPS)).round().astype(int))
    found = []
    for sweep in sweeps.tolist():
        edges = _bin_edges(recording.sweep_samples[sweep])
        ms = edges * 1e3 / recording.rate_hz
        found.append((np.full(len(ms) - 1, sweep), ms[:-1], ms[1:], *_extremes_in_bins(recording, plan, sweep, edges)))
    sweep, start, end, low, high = (np.concatenate(column) for column in zip(*found, strict=True))
    return [np.full(len(sweep), plan.recording_id, object), sweep, start, end, _rounded(low), _rounded(high)]


@lru_cache(maxsize=1)
def _bin_edges(samples: int) -> np.ndarray:
    return np.unique(np.linspace(0, samples, THUMBNAIL_BINS + 1).round().astype(int))


def _extremes_in_bins(recording: Recording, plan: Plan, sweep: int, edges: np.ndarray):
    if edges[-1] <= PIECE_SAMPLES:
        values = recording.signal(sweep, plan.channel)
        return np.minimum.reduceat(values, edges[:-1]), np.maximum.reduceat(values, edges[:-1])
    extremes = []
    for bin_edges in pairwise(edges.tolist()):
        pieces = [recording.signal(sweep, plan.channel, *piece) for piece in _pieces(*bin_edges)]
        extremes.append((np.min([p.min() for p in pieces]), np.max([p.max() for p in pieces])))
    return np.array(extremes).T


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return values for a picture: five digits."""
    return np.array([float(f"{value:.5g}") for value in values.tolist()])


def _numbers(recording: Recording, sweeps: list[dict]) -> dict:
    """Return the numbers of quality.csv; the drift is the linear trend of the baseline from first to last sweep."""

    def known(name: str) -> np.ndarray:
        values = np.array([sweep[name] for sweep in sweeps], float)
        return values[~np.isnan(values)]

    number, baseline, holding = (np.array([s[n] for s in sweeps]) for n in ("sweep", "baseline_pa", "holding_mv"))
    drift = math.nan
    steady_holding = len(sweeps) > 2 and np.ptp(holding) < SAME_LEVEL_MV
    if steady_holding and np.ptp(number) and not np.isnan(baseline).any():
        drift = float(np.polyfit(number, baseline, 1)[0] * np.ptp(number))
    difference, noise, saturated = known("command_difference_mv"), known("baseline_sd_pa"), known("saturated")
    return {
        "sweeps": len(recording.sweep_samples),
        "sweeps_measured": len(set(number.tolist())),
        "rate_hz": recording.rate_hz,
        "command_source": sweeps[0]["command_source"] if sweeps else "",
        "command_difference_mv": float(difference.max()) if difference.size else math.nan,
        "saturated_percent": float(100 * saturated.sum() / known("samples").sum()) if saturated.size else math.nan,
        "baseline_sd_pa": float(np.median(noise)) if noise.size else math.nan,
        "baseline_drift_pa": drift,
    }


def _doubts(recording: Recording, plan: Plan, sweeps: list[dict]) -> tuple[list[str], list[str]]:
    """Return what makes a recording unusable, and what makes it doubtful, beside its numbers."""
    bad, doubtful = [], [*recording.notes, *header_sanity(recording, plan.channel, plan.voltage_channel)]
    measured = [f"{name}_pa" for name in plan.windows_ms if name != "kinetics"]
    if not all(math.isfinite(sweep[name]) for sweep in sweeps for name in measured):
        bad.append("the current is not finite in a window")
    if not recording.protocol.episodic and any(s["command_source"] == "decoded" for s in sweeps):
        doubtful.append("not episodic: the command is the header's holding level; a change by hand would not show")
    if len(_measured_sweeps(recording)) < len(recording.sweep_samples):
        doubtful.append("the last sweep was aborted and is not measured")
    if math.isnan(plan.sign):
        doubtful.append("configuration is empty: membrane potential and current are not known")
    elif math.isnan(plan.resting_mv):
        doubtful.append("resting_mv is empty: the membrane potential of a cell-attached patch is not known")
    return bad, doubtful
