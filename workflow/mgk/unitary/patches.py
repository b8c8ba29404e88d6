"""From recordings to patches: sweeps and segments at one potential put together, each analysed, all tables made.

A patch is a cell_id of recordings.csv in one condition. Its parts (sweeps, segments, files) at like potentials are one
level. A part is the window of a sweep or segment where the experiment has one, else the whole of it; its command must
not move. Every raw file is opened once, and one cell_id after the other, so that one is held in memory.

Currents in pA across the membrane, outward positive; potentials in mV, inside against outside, junction potential
corrected where the experiment asks for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from mgk.measured_currents import voltage_levels
from mgk.recordings import Recording
from mgk.recordings.corrections import junction_mv
from mgk.recordings.plan import Plan, measured_parts, number_of, plan_measurement, read_row, text_of, window_samples
from mgk.recordings.protocol import PICOAMPERE_PER
from mgk.recordings.segments import Segment
from mgk.recordings.unwritten import doubts_of_end
from mgk.tables.problems import InputError
from mgk.unitary.level_rows import (
    DWELL_COLUMNS,
    EVENT_COLUMNS,
    EXCERPT_COLUMNS,
    HISTOGRAM_COLUMNS,
    LEVEL_COLUMNS,
    level_tables,
)
from mgk.unitary.potential import Recorded
from mgk.unitary.resolution import SIGMA_TIMES_FC, combined_hz

QUALITY_COLUMNS = (
    "recording_id", "experiment", "cell_id", "animal_id", "condition", "parts", "filter_hz", "verdict", "reason",
)  # fmt: skip
COLUMNS = {
    "levels": LEVEL_COLUMNS, "dwell_times": DWELL_COLUMNS, "events": EVENT_COLUMNS, "histograms": HISTOGRAM_COLUMNS,
    "excerpts": EXCERPT_COLUMNS,
}  # fmt: skip
# Commands that move further than this are no level.
STEADY_COMMAND_MV = 1.0
# A part with a larger share of samples at the converter's limit is left out (assumed, no source).
MOST_AT_LIMIT = 0.01
# Sampling faster than this times the corner of the filter tells nothing more.
SAMPLES_A_CORNER = 20
FEWEST_SAMPLES = 200


@dataclass(frozen=True)
class Tables:
    """What some recordings give; each field is the kind of its file."""

    levels: pd.DataFrame
    dwell_times: pd.DataFrame
    events: pd.DataFrame
    histograms: pd.DataFrame
    excerpts: pd.DataFrame
    quality: pd.DataFrame


@dataclass(frozen=True)
class _Part:
    """A stretch of one recording at one potential; the current is outward positive."""

    head: dict
    command_mv: float
    membrane_mv: float
    current_pa: np.ndarray
    rate_hz: float
    filter_hz: float


def analyse_patches(
    rows: Iterable[Mapping], raw_data: Path | str, settings: Mapping, recipes: Mapping, constants: str = "webmaxc"
) -> Tables:
    """Read whole patches once; return their levels, dwell times, events and pictures' numbers.

    Parameters
    ----------
    rows: rows of recordings.csv, all of each cell_id; under `segments` their rows of segments.csv; their `file` is
        relative to `raw_data`.
    settings: the experiment of config.yaml: `unitary`, `polarity`, `corrections.junction_potential`.
    recipes, constants: raw_data/solutions.yaml and the set of constants, for junction potentials.

    Raises
    ------
    InputError
        When a file is unreadable or asks for what it does not hold (see `check_patch`).
    """
    cells: dict[str, list[Mapping]] = {}
    for row in rows:
        cells.setdefault(row["cell_id"], []).append(row)
    tables, quality = {kind: [] for kind in COLUMNS}, []
    for own in cells.values():
        parts = []
        for row in own:
            recording = read_row(row, Path(raw_data) / row["file"])
            found, judged = _parts_of(row, recording, settings, recipes, constants)
            parts += found
            quality.append(judged)
        for head, level in _by_level(parts):
            for kind, table in level_tables(head, level, settings).items():
                tables[kind].append(table)
    joined = {
        kind: pd.concat(found, ignore_index=True)[list(COLUMNS[kind])] if found else pd.DataFrame(columns=COLUMNS[kind])
        for kind, found in tables.items()
    }
    joined["dwell_times"] = _of_several_channels(joined["dwell_times"], joined["levels"])
    return Tables(**joined, quality=pd.DataFrame(quality, columns=list(QUALITY_COLUMNS)))


def _of_several_channels(dwell_times: pd.DataFrame, levels: pd.DataFrame) -> pd.DataFrame:
    """Say of dwell times that their patch held several channels, where they were seen at another potential."""
    most = levels.groupby(["cell_id", "group"])["channels"].max()
    n = pd.Series([most[key] for key in zip(dwell_times["cell_id"], dwell_times["group"], strict=True)], dtype=float)
    told = n.map("the patch showed {:.0f} channels at another potential: not of one channel".format)
    concerned = (n > 1) & (dwell_times["components"] > 0)
    joined = dwell_times["reason"].where(dwell_times["reason"] == "", dwell_times["reason"] + "; ")
    return dwell_times.assign(reason=dwell_times["reason"].where(~concerned, joined + told))


def check_patch(row: Mapping, path: Path | str, settings: Mapping) -> list[str]:
    """Return why a recording cannot be analysed, from its header alone; nothing when it can.

    Finds damaged headers, unknown channels, segments outside the file, commands that cannot be decoded or move, a
    missing filter, a channel that is no current.
    """
    try:
        recording = read_row(row, path)
        plan = plan_patch(row, recording, settings)
        if not plan.is_current:
            raise recording.error(_no_current(recording, plan))
        corner_hz(recording, plan, settings)
        for segment, sweep in measured_parts(recording, plan):
            window = _window(recording, plan, segment, sweep)
            if plan.voltage_channel is None:
                _command(recording, plan, segment, sweep, window)
    except InputError as error:
        return [problem.allowed for problem in error.problems]
    return []


def plan_patch(row: Mapping, recording: Recording, settings: Mapping) -> Plan:
    """Return how a recording is measured: its window, if one is asked for, is that of a steady current."""
    own = settings["unitary"]
    window = {"steady": own["window_ms"], "epoch": own.get("epoch", "")} if "window_ms" in own else {}
    return plan_measurement(row, recording, {**settings, "windows_ms": window})


def corner_hz(recording: Recording, plan: Plan, settings: Mapping) -> float:
    """Return the corner frequency of the recording's filter: stated, else that of the amplifier's telegraph.

    Raises
    ------
    InputError
        When neither is known.
    """
    stated = settings["unitary"].get("filter_hz")
    telegraph = recording.telegraph.get(plan.channel)
    if stated:
        return float(stated["value"])
    if telegraph is not None and telegraph.filter_hz:
        return float(telegraph.filter_hz)
    raise recording.error(
        f"{plan.recording_id}: the corner of the low-pass filter is not known: the file does not tell it, and "
        "unitary.filter_hz of the experiment does not state it"
    )


def _no_current(recording: Recording, plan: Plan) -> str:
    channel = recording.channels[plan.channel]
    return f"channel {channel.name!r} is in {channel.unit!r}, not a current ({', '.join(PICOAMPERE_PER)})"


def _window(recording: Recording, plan: Plan, segment: Segment, sweep: int) -> slice:
    """Return the samples of a part: the window where there is one, else all of the segment."""
    if plan.windows_ms:
        window = window_samples(recording, plan, segment, sweep)["steady"]
    else:
        n = recording.sweep_samples[sweep]
        last = n if np.isinf(segment.until_s) else round(segment.until_s * recording.rate_hz)
        if last > n:
            raise recording.error(
                f"{plan.recording_id}: segment {segment.name} ends at {segment.end_s:g} s, sweep {sweep} at "
                f"{n / recording.rate_hz:g} s"
            )
        window = slice(round(segment.from_s * recording.rate_hz), last)
    if window.stop - window.start < FEWEST_SAMPLES:
        raise recording.error(
            f"{plan.recording_id}: {window.stop - window.start} samples of sweep {sweep} are too few; "
            f"{FEWEST_SAMPLES} are needed"
        )
    return window


def _command(recording: Recording, plan: Plan, segment: Segment, sweep: int, window: slice) -> float:
    """Return the command of a part: stated, recorded or decoded.

    Raises
    ------
    InputError
        When it is not known, or moves within the part.
    """
    if np.isfinite(segment.command_mv):
        return segment.command_mv
    if plan.voltage_channel is not None:
        values = recording.signal(sweep, plan.voltage_channel, window.start, window.stop)
        low, high = np.quantile(values, [0.01, 0.99])
    else:
        values = recording.decoded_mv(sweep)[window]
        low, high = values.min(), values.max()
    if high - low > STEADY_COMMAND_MV:
        raise recording.error(
            f"{plan.recording_id}: the command moves from {low:g} to {high:g} mV within sweep {sweep}; name the steady "
            "part by unitary.window_ms or by segments"
        )
    return float(np.mean(values))


def _parts_of(row: Mapping, recording: Recording, settings: Mapping, recipes: Mapping, constants: str):
    """Return the parts of a recording, and its row of quality.csv."""
    plan = plan_patch(row, recording, settings)
    if not plan.is_current:
        raise recording.error(_no_current(recording, plan))
    corner = corner_hz(recording, plan, settings)
    entry = junction_mv(row, settings.get("corrections") or {}, recipes, constants)
    junction = entry.value if entry else 0.0
    gaussian = settings["unitary"].get("gaussian_hz")
    parts, reasons, excluded = [], [], text_of(row, "exclude")
    resting = plan.resting_mv
    if np.isnan(resting):
        reasons.append("resting_mv is empty: potentials, the reversal potential too, are relative to rest")
        resting = 0.0
    if np.isnan(plan.sign) and not excluded:
        excluded = "configuration is empty: the sign of the current and the membrane potential are not known"
    used = [] if excluded else [s for segment, s in measured_parts(recording, plan) if not segment.exclude]
    bad, doubtful = doubts_of_end(recording, plan.channel, used)
    excluded, reasons = "; ".join([*filter(None, [excluded]), *bad]), [*reasons, *doubtful]
    for segment, sweep in measured_parts(recording, plan) if not excluded else ():
        if segment.exclude:
            reasons.append(f"segment {segment.name}: {segment.exclude}")
            continue
        window = _window(recording, plan, segment, sweep)
        command = _command(recording, plan, segment, sweep, window)
        current = plan.sign * recording.signal(sweep, plan.channel, window.start, window.stop)
        if not np.isfinite(current).all():
            reasons.append(f"sweep {sweep}: samples that are no number")
            continue
        if recording.code_limits is not None:
            codes = recording.codes(sweep, plan.channel, window.start, window.stop)
            at_limit = int(np.count_nonzero((codes <= recording.code_limits[0]) | (codes >= recording.code_limits[1])))
            if at_limit:
                left_out = at_limit > MOST_AT_LIMIT * len(codes)
                told = f"sweep {sweep}: {at_limit} samples at the converter's limit"
                reasons.append(told + (", left out" if left_out else ""))
                if left_out:
                    continue
        filtered, rate, of_all = _filtered(current, recording.rate_hz, corner, gaussian)
        head = {key: text_of(row, key) for key in ("experiment", "cell_id", "animal_id")}
        head["group"] = group_of(row, segment)
        head["temperature_c"] = number_of(row, "temperature_c")
        membrane = resting + plan.sign * (command - junction)
        parts.append(_Part(head, command, membrane, filtered, rate, of_all))
    stated = recording.telegraph.get(plan.channel)
    if stated is not None and stated.filter_hz and abs(stated.filter_hz / corner - 1) > 0.05:
        reasons.append(f"the filter is stated as {corner:g} Hz, the amplifier told {stated.filter_hz:g} Hz")
    verdict = "exclude" if excluded or not parts else "warn" if reasons else "pass"
    quality = {key: text_of(row, key) for key in QUALITY_COLUMNS[:5]} | {
        "parts": len(parts), "filter_hz": corner, "verdict": verdict,
        "reason": "; ".join([excluded] if excluded else dict.fromkeys(reasons)),
    }  # fmt: skip
    return parts, quality


def group_of(row: Mapping, segment: Segment) -> str:
    """Return the group of a part: construct and condition, as far as they are said."""
    condition = segment.condition or text_of(row, "condition")
    return ", ".join(filter(None, (text_of(row, "construct"), condition))) or "all"


def _filtered(current: np.ndarray, rate_hz: float, corner: float, gaussian: float | None):
    """Return the current behind a further Gaussian filter, if one is asked for, its rate and the corner of all."""
    if gaussian:
        current = gaussian_filter1d(current, SIGMA_TIMES_FC * rate_hz / gaussian, mode="nearest")
        corner = combined_hz(corner, gaussian)
    step = max(int(rate_hz / (SAMPLES_A_CORNER * corner)), 1)
    return current[::step], rate_hz / step, corner


def _by_level(parts: list[_Part]):
    """Yield (head, Recorded) of each patch and potential, patches in the order of the table, potentials rising."""
    if not parts:
        return
    table = pd.DataFrame([part.head for part in parts])
    table["command"], table["membrane"] = [p.command_mv for p in parts], [p.membrane_mv for p in parts]
    table["rate"], table["filter"] = [p.rate_hz for p in parts], [p.filter_hz for p in parts]
    for _, patch in table.groupby(["cell_id", "group"], sort=False):
        levels = pd.Series(voltage_levels(patch["membrane"], patch["membrane"]), index=patch.index)
        for level, places in sorted(levels.groupby(levels).groups.items()):
            # Files of one level that differ in sampling or filter are not one trace: the commonest kind is taken.
            kinds = patch.loc[places].groupby(["rate", "filter"], sort=False).groups
            own = max(kinds.values(), key=len)
            first = parts[own[0]]
            currents = [parts[i].current_pa for i in own]
            firsts = np.cumsum([0, *(len(c) for c in currents[:-1])])
            head = first.head | {
                "level_mv": level, "membrane_mv": float(patch.loc[own, "membrane"].mean()), "parts": len(own),
                "left_out": len(places) - len(own),
            }  # fmt: skip
            yield head, Recorded(np.concatenate(currents), firsts, first.rate_hz, first.filter_hz)
