"""HEKA PatchMaster bundles (.dat, signature DAT2) as recordings: one series of one group, addressed through a trace.

A bundle holds groups (cells), series (runs of a stimulus), sweeps and traces (channels). `channel` names one trace as
"group/series/trace", counted from 1 as PatchMaster shows them: "1/3/1". The recording has the traces of that series
that are driven by the same output as the one named: the voltage monitor of another amplifier in the series is none of
them.

Layout: HEKA's published record descriptions (version 9), little and big endian. (myokit reads the same numbers, see the
tests, but takes the first stimulus channel for all traces, and reads the flags of the stimulus as bytes where they are
bits.) The command is that of the stimulus channel that the trace is linked to: constant segments, with levels and
durations that grow by a step from sweep to sweep; whatever else there is is refused, with the reason. Zero offsets that
PatchMaster keeps beside the data are not subtracted; currents are as they are stored.
"""

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import Epoch, Output, Protocol, no_protocol
from mgk.recordings.recording import Recording, Telegraph, common_rate, file_channel
from mgk.tables.problems import InputError

BUNDLE_HEADER, MOST_ITEMS = 256, 12
PULSED_LEVELS, STIMULUS_LEVELS = 5, 4
MOST_NODES = 1_000_000
DATA_TYPES = ("i2", "i4", "f4", "f8")
# Bits of a trace's kind, of a stimulus channel's conversion; codes of modes.
LITTLE_ENDIAN, LEAK, CLIPPED = 1 << 0, 1 << 1, 1 << 5
STANDARD_SCALE, RELATIVE, FILE_TEMPLATE = 1 << 0, 1 << 1, 1 << 2
CURRENT_CLAMP_RECORDING = 4
VOLTAGE_CLAMP_STIMULUS = (0, 1)
CONSTANT, STORED, INCREASE, LOGARITHMIC = 0, 1, 0, range(5, 10)
LISTED = 40


@dataclass(frozen=True)
class _Node:
    """A record of a tree, and those below it."""

    data: bytes
    order: str
    below: list["_Node"] = field(default_factory=list)

    def one(self, code: str, offset: int):
        try:
            return struct.unpack_from(f"{self.order}{code}", self.data, offset)[0]
        except struct.error:
            raise InputError(
                f"its records of {len(self.data)} bytes are of an older version that is not read"
            ) from None

    def text(self, offset: int, size: int = 32) -> str:
        raw = self.one(f"{size}s", offset)
        return raw.split(b"\0")[0].decode("cp1252", errors="replace").strip()


@dataclass(frozen=True)
class _Trace:
    """What a trace record says."""

    label: str
    place: int
    samples: int
    dtype: str
    scale: float
    unit: str
    interval_s: float
    start_s: float
    output: int
    kind: int
    leak_traces: int
    telegraph: Telegraph


def read_heka(path: Path, channel: str = "") -> Recording:
    """Open the series of a bundle that holds the trace `channel`, "group/series/trace", each counted from 1.

    Raises
    ------
    InputError
        When the bundle is not in order, or `channel` names no trace of it; the message lists what there is.
    """
    pulsed, stimuli, size = _open(path)
    group, series, number = _address(channel, pulsed)
    sweeps = [[_trace(t, size) for t in sweep.below] for sweep in pulsed.below[group].below[series].below]
    stimulus = pulsed.below[group].below[series].below[0].one("i", 40)
    numbers = [number, *_companions(sweeps, number)]
    chosen = [_traces_of(sweeps, i) for i in numbers]

    def read(sweep: int, channel: int, start: int, stop: int):
        trace = chosen[channel][sweep]
        stored = np.memmap(path, trace.dtype, "r", trace.place, (trace.samples,))
        return np.array(stored[start:stop]), trace.scale, 0.0

    leading = chosen[0]
    return Recording(
        path=path,
        format="HEKA bundle",
        rate_hz=common_rate([1 / t.interval_s for t in leading]),
        channels=tuple(
            file_channel(t[0].label, t[0].unit, f"{group + 1}/{series + 1}/{i + 1}")
            for t, i in zip(chosen, numbers, strict=True)
        ),
        sweep_samples=tuple(t.samples for t in leading),
        protocol=_protocol(stimuli, stimulus, leading),
        comment=", ".join(
            [pulsed.below[group].text(4), pulsed.below[group].below[series].text(4), *_left_out(sweeps[0], number)]
        ),
        code_limits=(-32768, 32767) if all(t.dtype[1:] == "i2" for c in chosen for t in c) else None,
        notes=_notes(leading),
        telegraph={i: t[0].telegraph for i, t in enumerate(chosen) if t[0].telegraph != Telegraph()},
        _read=read,
    )


def check_heka(path: Path) -> None:
    """Raise an InputError when a bundle or one of its traces is not in order."""
    pulsed, _, size = _open(path)
    for _, sweeps in _all_series(pulsed):
        for sweep in sweeps:
            for trace in sweep.below:
                _trace(trace, size)


def _open(path: Path) -> tuple[_Node, _Node, int]:
    """Return the trees of the recorded data and of the stimuli, and the file's size."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"DAT2" or len(data) < BUNDLE_HEADER:
            raise InputError("is no whole HEKA bundle (DAT2); save it as a bundle in PatchMaster")
        order = "<" if data[52] else ">"
        trees = {}
        for i in range(MOST_ITEMS):
            start, size, kind = struct.unpack_from(f"{order}ii8s", data, 64 + 16 * i)
            if size < 0 or start < 0 or start + size > len(data):
                raise InputError(f"its item {i + 1} should end at byte {start + size} of {len(data)}: truncated?")
            if size:
                trees[kind.split(b"\0")[0]] = data[start : start + size]
        for kind, what in ((b".pul", "recorded data"), (b".pgf", "stimuli")):
            if kind not in trees:
                raise InputError(f"holds no description of its {what} ({kind.decode()})")
        return _tree(trees[b".pul"], PULSED_LEVELS), _tree(trees[b".pgf"], STIMULUS_LEVELS), len(data)


def _tree(data: bytes, levels: int) -> _Node:
    order = {b"Tree": ">", b"eerT": "<"}.get(data[:4])
    if order is None:
        raise InputError(f"one of its trees starts with {data[:4]!r}, not with b'Tree' or b'eerT'")
    place, nodes = 8 + 4 * levels, 0
    try:
        count, *sizes = struct.unpack_from(f"{order}{levels + 1}i", data, 4)
    except struct.error:
        raise InputError("one of its trees is cut short") from None
    if count != levels or min(sizes) < 0:
        raise InputError(f"one of its trees has {count} levels, {levels} are read")

    def node(level: int) -> _Node:
        nonlocal place, nodes
        raw = data[place : place + sizes[level]]
        place, nodes = place + sizes[level] + 4, nodes + 1
        if place > len(data) or nodes > MOST_NODES:
            raise InputError("one of its trees is cut short")
        below = struct.unpack_from(f"{order}i", data, place - 4)[0]
        if below < 0 or (below and level + 1 == levels):
            raise InputError("one of its trees is damaged")
        return _Node(raw, order, [node(level + 1) for _ in range(below)])

    return node(0)


def _trace(record: _Node, size: int) -> _Trace:
    kind, form = record.one("H", 64), record.one("b", 70)
    if not 0 <= form < len(DATA_TYPES):
        raise InputError(f"a trace has data format {form}, which is unknown")
    dtype = np.dtype(("<" if kind & LITTLE_ENDIAN else ">") + DATA_TYPES[form])
    place, samples = record.one("i", 40), record.one("i", 44)
    if samples < 1 or place < BUNDLE_HEADER or place + samples * dtype.itemsize > size:
        raise InputError(f"a trace of {samples} samples from byte {place} does not fit the file of {size} bytes")
    if record.one("i", 292) and record.one("i", 296):
        raise InputError("holds interleaved traces, which are not read")
    if record.text(120, 8) != "s":
        raise InputError(f"a trace is over {record.text(120, 8)!r}, not over time in s")
    scale, interval = record.one("d", 72), record.one("d", 104)
    if not (math.isfinite(scale) and scale != 0 and math.isfinite(interval) and interval > 0):
        raise InputError(f"a trace has an impossible scale ({scale:g}) or sampling interval ({interval:g} s)")
    capacitance, conductance = record.one("d", 176), record.one("d", 184)
    return _Trace(
        label=record.text(4),
        place=place,
        samples=samples,
        dtype=f"{dtype.byteorder if dtype.byteorder in '<>' else '<'}{DATA_TYPES[form]}",
        scale=scale,
        unit=record.text(96, 8),
        interval_s=interval,
        start_s=record.one("d", 80) + record.one("d", 112),
        output=record.one("i", 216),
        kind=kind,
        leak_traces=record.one("i", 60),
        telegraph=Telegraph(
            capacitance_pf=capacitance * 1e12 if math.isfinite(capacitance) and capacitance > 0 else None,
            access_mohm=1e-6 / conductance if math.isfinite(conductance) and conductance > 0 else None,
            mode="current_clamp" if record.one("b", 68) == CURRENT_CLAMP_RECORDING else None,
        ),
    )


# --- which trace --------------------------------------------------------------------------------------------------


def _all_series(pulsed: _Node) -> Iterator[tuple[str, list[_Node]]]:
    for g, group in enumerate(pulsed.below, 1):
        for s, series in enumerate(group.below, 1):
            yield f"{g}/{s}", series.below


def _address(channel: str, pulsed: _Node) -> tuple[int, int, int]:
    parts = channel.split("/")
    if len(parts) == 3 and all(p.isascii() and p.isdecimal() and p != "0" for p in parts):
        group, series, trace = (int(p) - 1 for p in parts)
        found = dict(_all_series(pulsed)).get(f"{group + 1}/{series + 1}")
        if found and trace < min(len(sweep.below) for sweep in found):
            return group, series, trace
    raise InputError(
        f"is a bundle of many recordings: channel must name one as group/series/trace"
        f"{f', not {channel!r}' if channel else ''}; it holds {_contents(pulsed)}"
    )


def _contents(pulsed: _Node) -> str:
    lines = []
    for g, group in enumerate(pulsed.below, 1):
        for s, series in enumerate(group.below, 1):
            for t, trace in enumerate(series.below[0].below if series.below else (), 1):
                label = f"{group.text(4)}, {series.text(4)}, {trace.text(4)} in {trace.text(96, 8)}"
                lines.append(f"{g}/{s}/{t} ({label}, {len(series.below)} sweeps)")
    more = f" and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    return ("; ".join(lines[:LISTED]) or "nothing") + more


def _traces_of(sweeps: list[list[_Trace]], number: int) -> list[_Trace]:
    return [sweep[number] for sweep in sweeps]


def _companions(sweeps: list[list[_Trace]], number: int) -> list[int]:
    """Return the other traces that go with one: same output, and same samples and sampling interval in each sweep."""
    common = min(len(sweep) for sweep in sweeps)
    own = _traces_of(sweeps, number)

    def fits(other: list[_Trace]) -> bool:
        return all(
            (a.output, a.samples, a.interval_s) == (b.output, b.samples, b.interval_s) and b.unit == other[0].unit
            for a, b in zip(own, other, strict=True)
        )

    if not fits(own):
        raise InputError(f"trace {own[0].label!r} changes its unit from sweep to sweep")
    return [i for i in range(common) if i != number and fits(_traces_of(sweeps, i))]


def _left_out(sweep: list[_Trace], number: int) -> list[str]:
    other = [t.label for t in sweep if t.output != sweep[number].output]
    return [f"without {', '.join(other)} of another output"] if other else []


def _notes(traces: list[_Trace]) -> tuple[str, ...]:
    notes = []
    if any(t.leak_traces for t in traces) and not traces[0].kind & LEAK:
        notes.append("P/N leak traces were recorded; the current is as it is stored")
    clipped = [str(i) for i, t in enumerate(traces) if t.kind & CLIPPED]
    if clipped:
        notes.append(f"PatchMaster marked the trace as clipped (sweep {', '.join(clipped)})")
    return tuple(notes)


# --- the stimulus -------------------------------------------------------------------------------------------------


def _protocol(stimuli: _Node, stimulus: int, traces: list[_Trace]) -> Protocol:
    """Return the protocol of the stimulus channel that traces are linked to, or one that says why there is none."""
    try:
        if not 1 <= stimulus <= len(stimuli.below):
            raise InputError("the series names no stimulus of the file")
        channels = stimuli.below[stimulus - 1].below
        if not 1 <= traces[0].output <= len(channels):
            raise InputError("the trace is linked to no channel of the stimulus")
        return _decoded(channels[traces[0].output - 1], traces)
    except InputError as error:
        return no_protocol(str(error))


def _decoded(channel: _Node, traces: list[_Trace]) -> Protocol:
    unit, mode, flags = channel.text(40, 8), channel.one("b", 25), channel.one("H", 76)
    if unit != "V" or mode not in VOLTAGE_CLAMP_STIMULUS:
        raise InputError(f"its stimulus is in {unit!r} and of amplifier mode {mode}, no voltage clamp")
    if not flags & STANDARD_SCALE or flags & FILE_TEMPLATE:
        raise InputError("its stimulus comes from a file or is scaled in a way that is not known")
    if any(t.start_s for t in traces):
        raise InputError("its traces do not start with the stimulus")
    holding = _millivolt(channel.one("d", 48))
    offset = holding if flags & RELATIVE else 0.0
    epochs = tuple(_epoch(i, s, holding, offset, traces[0].interval_s) for i, s in enumerate(channel.below))
    if not all(math.isfinite(v) for v in (holding, *(v for e in epochs for v in (e.level, e.level_step)))):
        raise InputError("its levels are no numbers")
    lengths = [int(np.sum([e.samples + e.samples_step * i for e in epochs])) for i in range(len(traces))]
    for i, (trace, length) in enumerate(zip(traces, lengths, strict=True)):
        if trace.samples > length or (trace.samples < length and i + 1 < len(traces)):
            raise InputError(f"sweep {i} has {trace.samples} samples, its stimulus {length}")
    output = Output(name=f"stimulus {traces[0].output}", unit="mV", holding=holding, epochs=epochs)
    return Protocol(max(lengths), (output,), True, pre_hold=0)


def _millivolt(volt: float) -> float:
    """Return a level that was typed in mV and is stored in V, without what binary numbers make of it."""
    return round(volt * 1e3, 9) if math.isfinite(volt) else volt


def _epoch(number: int, segment: _Node, holding: float, offset: float, interval_s: float) -> Epoch:
    kind, stored, level_mode, time_mode = (segment.one("b", 4 + i) for i in range(4))
    if kind != CONSTANT or stored != STORED:
        raise InputError(f"segment {number + 1} of its stimulus is not constant or not stored")
    level, source = _millivolt(segment.one("d", 8)), segment.one("i", 16)
    level_step = _millivolt(_step(number, level_mode, segment.one("d", 28), segment.one("d", 20)))
    if source == 1:
        level, level_step, offset = holding, 0.0, 0.0
    if source > 1 or segment.one("i", 44) != 0:
        raise InputError(f"segment {number + 1} of its stimulus takes a value from a parameter")
    time_step = _step(number, time_mode, segment.one("d", 56), segment.one("d", 48))
    counts = segment.one("d", 36) / interval_s, time_step / interval_s
    if not all(math.isfinite(c) and abs(c) < 1e9 and abs(c - round(c)) < 1e-3 for c in counts):
        raise InputError(f"segment {number + 1} of its stimulus is no whole number of samples long")
    return Epoch(number, "step", level + offset, round(counts[0]), level_step, round(counts[1]))


def _step(number: int, mode: int, step: float, factor: float) -> float:
    """Return what is added from sweep to sweep."""
    if step == 0 and (mode not in LOGARITHMIC or factor == 1):
        return 0.0
    if mode != INCREASE:
        raise InputError(f"segment {number + 1} of its stimulus changes from sweep to sweep in mode {mode}")
    return step
