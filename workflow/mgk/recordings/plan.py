"""How a recording is measured: its row, the experiment's settings and what the file holds made into one plan.

A *window* is a stretch of every sweep, in ms from the start of the segment, else of an epoch, else of the sweep.
`baseline`, `peak`, `steady`, `tail` and `kinetics` belong to steps; `ramp` takes the place of `steady` where the
command moves in a straight line, and `ramp_back` is a second ramp over the same potentials. `overrides` of the
experiment gives a recording windows or a polarity of its own. Reads no signal.

Sign rule. Amplifiers count current out of the pipette as positive. Where the pipette is on the inner side of the
membrane (whole-cell, perforated, two-electrode, outside-out) this is outward current, and the command is the membrane
potential. Where it is on the outer side (inside-out, cell-attached), current out of the pipette flows inward and a
positive pipette hyperpolarises: Vm = -Vp for inside-out, Vm = Vrest - Vp for cell-attached, I_membrane = -I_recorded.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mgk.recordings import read_recording
from mgk.recordings.protocol import epoch_start
from mgk.recordings.recording import Recording
from mgk.recordings.segments import WHOLE_RECORDING, Segment, read_segments
from mgk.tables.problems import InputError

PIPETTE_INSIDE = ("whole_cell", "perforated", "two_electrode", "outside_out")
PIPETTE_OUTSIDE = ("inside_out", "cell_attached")
POLARITIES = ("outward", "inward", "absolute")
RAMPS = ("ramp", "ramp_back")
WINDOWS = ("baseline", "peak", "steady", "tail", "kinetics", *RAMPS)
# Width of the bins of potential of a ramp, mV (assumed, no source: as steps of a step protocol often are).
RAMP_BIN_MV = 5.0


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
    ramp_bin_mv: float
    segments: tuple[Segment, ...]

    @property
    def level_window(self) -> str:
        """The window whose command is the potential of the current: steady, or ramp."""
        return "ramp" if "ramp" in self.windows_ms else "steady"


def read_row(row: Mapping, path: Path | str) -> Recording:
    """Open the recording of a row of recordings.csv, with the `channel` and the `command_output` that it names.

    Raises
    ------
    InputError
        As `read_recording` and `Recording.commanded_by` do.
    """
    recording = read_recording(path, text_of(row, "channel"))
    output = text_of(row, "command_output")
    return recording.commanded_by(output) if output else recording


def plan_measurement(row: Mapping, recording: Recording, settings: Mapping) -> Plan:
    """Return how to measure a recording; see `mgk.recordings.measure.measure_recording` for parameters and errors."""
    recording_id = text_of(row, "recording_id")
    settings = own_settings(recording_id, settings)
    windows = dict(settings.get("windows_ms") or {})
    epoch = windows.pop("epoch", "") or ""
    if windows or "unitary" not in settings:  # single channels are looked at without windows, too
        _check_windows(recording_id, windows)
    polarity = settings.get("polarity", "absolute")
    if polarity not in POLARITIES:
        raise InputError(f"polarity {polarity!r} must be one of: {', '.join(POLARITIES)}")
    channel = recording.channel_index(text_of(row, "channel"))
    voltage = text_of(row, "voltage_channel")
    voltage_channel = recording.channel_index(voltage) if voltage else None
    if voltage_channel is not None:
        recording.check_voltage(voltage_channel)
    configuration = text_of(row, "configuration")
    return Plan(
        recording_id=recording_id,
        channel=channel,
        is_current=recording.channels[channel].unit == "pA",
        voltage_channel=voltage_channel,
        windows_ms={name: (float(start), float(stop)) for name, (start, stop) in windows.items()},
        epoch=epoch,
        polarity=polarity,
        sign=membrane_sign(configuration),
        resting_mv=number_of(row, "resting_mv") if configuration == "cell_attached" else 0.0,
        ramp_bin_mv=float(settings.get("ramp_bin_mv", RAMP_BIN_MV)),
        segments=read_segments(row["segments"]) if row.get("segments") else (WHOLE_RECORDING,),
    )


def own_settings(recording_id: str, settings: Mapping) -> Mapping:
    """Return the settings of an experiment as they hold for one recording: its `overrides` lie on top.

    Windows are replaced one by one.
    """
    own = (settings.get("overrides") or {}).get(recording_id)
    if not own:
        return settings
    windows = {**settings.get("windows_ms", {}), **own.get("windows_ms", {})}
    return {**settings, **own, "windows_ms": windows}


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


def measured_sweeps(recording: Recording) -> range:
    """Return the sweeps to measure: all, without a last one that was aborted."""
    samples = recording.sweep_samples
    aborted = recording.protocol.episodic and len(samples) > 1 and samples[-1] < samples[0]
    return range(len(samples) - aborted)


def measured_parts(recording: Recording, plan: Plan) -> Iterator[tuple[Segment, int]]:
    """Yield every (segment, sweep) to measure.

    Raises
    ------
    InputError
        When a segment holds no sweep that can be measured.
    """
    sweeps = measured_sweeps(recording)
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


def window_samples(recording: Recording, plan: Plan, segment: Segment, sweep: int) -> dict[str, slice]:
    """Return the samples of each window in a sweep.

    Raises
    ------
    InputError
        When a window holds no sample, or lies outside the sweep or its segment.
    """
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


def text_of(row: Mapping, key: str) -> str:
    """Return a cell of a row as text; what is missing, whatever pandas made of it, is ''."""
    value = row.get(key)
    return "" if value is None or value != value else str(value)


def number_of(row: Mapping, key: str) -> float:
    """Return a cell of a row as a number; what is missing is NaN."""
    value = row.get(key)
    return math.nan if value is None or value == "" else float(value)


def _check_windows(recording_id: str, windows: Mapping) -> None:
    """Raise an InputError when there are windows that do not go together."""
    if [name for name in windows if name not in WINDOWS] or not {"steady", "ramp"} & set(windows):
        raise InputError(f"windows_ms of {recording_id}: steady or ramp is needed; {', '.join(WINDOWS)} are allowed")
    if "ramp" in windows and set(windows) - {"baseline", *RAMPS}:
        raise InputError(f"windows_ms of {recording_id}: ramp goes with baseline and ramp_back only")
    if "ramp_back" in windows and "ramp" not in windows:
        raise InputError(f"windows_ms of {recording_id}: ramp_back needs ramp")
