"""The headers of Axon binary files (ABF1 and ABF2): what is in the file, and the stimulus protocol.

Reads headers only, never the signal; `mgk.recordings.axon` reads that. Everything a header claims is checked against
the size of the file before it is used. Layouts: ABF2 is a table of sections (byte 76, 16 bytes each: block of 512
bytes, bytes, entries); ABF1 has fixed places: in its long form (6144 bytes, from version 1.6 on) the epoch table is at
byte 2296, in the short form (2048 bytes) a smaller one for the active output at byte 1436; the holding level stands at
byte 1394 in both. Meaning of the fields: the ABF headers of Axon Instruments' public file support pack (offsets as in
pyABF's guide to the format), checked against the recordings in the tests.
"""

import math
import mmap
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from mgk.recordings.protocol import Epoch, Output, Protocol, UserList
from mgk.recordings.recording import Channel, Tag, Telegraph, file_channel, plain_unit
from mgk.tables.problems import InputError, Problem

BLOCK = 512
KINDS = {1: "step", 2: "ramp", 3: "pulse", 4: "triangle", 5: "cosine", 7: "biphasic"}
ABF1_KINDS = KINDS | {6: "resistance"}
# Operation modes: 1 event-driven with variable length, 2 with fixed length, 3 gap-free, 5 episodic; 4 is unsupported.
EPISODIC, GAP_FREE, VARIABLE_LENGTH = 5, 3, 1
MODES = (1, 2, 3, 5)
# From this version on the epoch table may have 50 epochs, and the codes of the user list's parameter shift.
FIFTY_EPOCHS_VERSION = (2, 9)
SECTIONS = (
    "protocol", "adc", "dac", "epoch", "adc_per_dac", "epoch_per_dac", "user_list", "stats_region", "math", "strings",
    "data", "tag", "scope", "delta", "voice_tag", "synch", "annotation", "stats",
)  # fmt: skip
# Smallest entries that hold all the fields that are read.
ENTRY_BYTES = {
    "protocol": 208, "adc": 82, "dac": 132, "epoch_per_dac": 30, "epoch": 32, "user_list": 12, "tag": 64, "synch": 8,
}  # fmt: skip
MOST_CHANNELS, MOST_EPOCHS = 16, 50
LONG_ABF1_HEADER = 6144
ABF1_WAVEFORM_OUTPUTS, ABF1_EPOCHS = 2, 10
ENCODING = "cp1252"
DATA_TYPES, NO_SCALE = ("<i2", "<f4"), (1.0, 0.0)
TAG_BYTES, MOST_TAGS = 64, 1 << 20
TELEGRAPHED = (1, 2)
TELEGRAPH_MODES = {0: "voltage_clamp", 1: "current_clamp", 2: "zero_current"}


@dataclass(frozen=True)
class AxonHeader:
    """What a header says.

    `sweep_samples` are per channel, `code_limits` None when the file holds floats; samples of `data_type`, interleaved
    by channel from the byte `data_start` on, are times gain plus offset (`scales`, by channel) in the channel's unit.
    """

    version: tuple[int, ...]
    rate_hz: float
    channels: tuple[Channel, ...]
    sweep_samples: tuple[int, ...]
    code_limits: tuple[int, int] | None
    protocol: Protocol
    comment: str
    notes: tuple[str, ...]
    telegraph: dict[int, Telegraph]
    tags: tuple[Tag, ...]
    data_start: int
    data_type: str
    scales: tuple[tuple[float, float], ...]


def read_header(path: Path | str) -> AxonHeader:
    """Read and check the header of an ABF file.

    Raises
    ------
    InputError
        When the file cannot be opened, is no ABF file, or its header contradicts itself or the size of the file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(data)
    except _HeaderError as error:
        reason = str(error)
    except FileNotFoundError:
        reason = "this file is missing"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except ValueError:
        reason = "is empty"
    except struct.error:
        reason = "ends within its header: truncated, or its section table is damaged"
    raise InputError(Problem(path.name, None, "", "", reason))


class _HeaderError(Exception):
    """A header that cannot be right; becomes an InputError that names the file."""


def _parse(data) -> AxonHeader:
    magic = bytes(data[:4])
    if magic == b"ABF2":
        return _parse_abf2(data)
    if magic == b"ABF ":
        return _parse_abf1(data)
    raise _HeaderError(f"is not an ABF file: it starts with {magic!r}, not with b'ABF2' or b'ABF '")


def _one(data, code: str, offset: int):
    return struct.unpack_from(f"<{code}", data, offset)[0]


def _many(data, code: str, offset: int) -> tuple:
    return struct.unpack_from(f"<{code}", data, offset)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode(ENCODING, errors="replace").strip()


# --- what both forms have in common -----------------------------------------------------------------------------


def _check_basics(mode: int, data_format: int, channels: int, interval_us: float) -> None:
    if mode not in MODES:
        raise _HeaderError(f"operation mode {mode} is not supported (1, 2, 3 and 5 are)")
    if data_format not in (0, 1):
        raise _HeaderError(f"data format {data_format} is unknown (0: 16-bit integers, 1: floats)")
    if not 1 <= channels <= MOST_CHANNELS:
        raise _HeaderError(f"has {channels} A/D channels; 1 to {MOST_CHANNELS} are possible")
    if not (math.isfinite(interval_us) and interval_us > 0):
        raise _HeaderError(f"has a sampling interval of {interval_us:g} us")


def _check_data(start: int, samples: int, data_format: int, size: int) -> None:
    if samples < 1:
        raise _HeaderError("has no samples")
    end = start + samples * (2 if data_format == 0 else 4)
    if start < BLOCK or end > size:
        raise _HeaderError(
            f"its data should end at byte {end}; the file has {size}: truncated, or the header is damaged"
        )


def _scale(volt: float, resolution: int, gains: list[float], offsets: tuple[float, float]) -> tuple[float, float]:
    """Return gain and offset of integer samples.

    Parameters
    ----------
    volt, resolution: the converter's range and the code that stands for it.
    gains: V per unit of the instrument, and the gains behind it, the telegraphed one included.
    offsets: of the instrument, and of the signal conditioner (which is subtracted).

    Gain and offset of the signal conditioner count where there is one, as in the vendor's library (neo and pyABF take
    them always); they are neutral otherwise in all files seen.
    """
    if not all(math.isfinite(v) and v != 0 for v in (volt, resolution, *gains)) or not all(map(math.isfinite, offsets)):
        raise _HeaderError(f"has an impossible scale of the signal (gains {gains}, offsets {offsets})")
    gain = volt / math.prod(gains) / resolution
    if not (math.isfinite(gain) and gain != 0):
        raise _HeaderError(f"has an impossible scale of the signal ({gain:g} units a step)")
    return gain, offsets[0] - offsets[1]


def _split_sweeps(lengths: list[int], samples: int, sweeps: int, mode: int, channels: int) -> tuple[int, ...]:
    """Return samples per channel of each sweep; `lengths` as in the synch array, in samples of all channels."""
    if not lengths:
        count = 1 if mode == GAP_FREE else sweeps
        if count < 1:
            raise _HeaderError("has no sweeps")
        if count > samples or samples % count:
            raise _HeaderError(
                f"{samples} samples cannot be {count} sweeps of one length, and no synch array says more"
            )
        lengths = [samples // count] * count
    if min(lengths) < channels or sum(lengths) != samples:
        raise _HeaderError(f"its {len(lengths)} sweeps add up to {sum(lengths)} samples, its data are {samples}")
    if any(n % channels for n in lengths):
        raise _HeaderError(f"a sweep's length is no multiple of the {channels} channels")
    return tuple(n // channels for n in lengths)


def _protocol_refusal(sweeps: tuple[int, ...], whole: int, run: int, first: int) -> str:
    """Return why the protocol of an episodic file that plays one cannot be applied sweep by sweep, or ''."""
    if first not in (0, 1):
        return f"the run starts at its sweep {first}"
    if len(sweeps) > run:
        return f"the file has {len(sweeps)} sweeps, a run of the protocol {run}"
    if any(n != whole for n in sweeps[:-1]) or sweeps[-1] > whole:
        return f"the sweeps do not have the protocol's {whole} samples"
    return ""


def _output_refusal(plays: int, source: int, conditioned: int, levels: list[float]) -> str:
    if not all(math.isfinite(v) and abs(v) < 1e6 for v in levels):
        return "its levels are not numbers of a stimulus"
    if plays and source == 2:
        return "its waveform comes from a stimulus file"
    if plays and conditioned:
        return "it plays a conditioning train before each sweep"
    return ""


def _alternating(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return the outputs of a protocol in which the first plays in even sweeps (from 0), the second in odd ones."""
    refusal = "the D/A outputs alternate from sweep to sweep, in a way that is not known for this one"
    return tuple(
        replace(o, rests_in=1 - i) if i < 2 and not o.persists else replace(o, refusal=o.refusal or refusal)
        for i, o in enumerate(outputs)
    )


def _user_list(parameter: int, values: str, repeats: bool, version: tuple[int, ...]) -> tuple[UserList | None, str]:
    """Return the user list and why it cannot be applied; a list of digital or timing parameters changes no level."""
    if parameter in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10) or (11 <= parameter <= 20 and version < FIFTY_EPOCHS_VERSION):
        return None, ""
    if version >= FIFTY_EPOCHS_VERSION or not 21 <= parameter <= 60:
        return None, f"its user list varies a parameter whose code ({parameter}) is not known"
    try:
        numbers = tuple(float(v) for v in values.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        return None, f"its user list {values!r} is not a list of numbers"
    name = ("level", "samples", "period", "width")[(parameter - 21) // 10]
    return UserList((parameter - 21) % 10, name, numbers, repeats), ""


# --- ABF2 -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Section:
    start: int
    entry_bytes: int
    entries: int

    @property
    def stop(self) -> int:
        return self.start + self.entries * self.entry_bytes

    def offsets(self) -> range:
        return range(self.start, self.stop, self.entry_bytes) if self.entries else range(0)


def _sections(data) -> dict[str, _Section]:
    found = {}
    for i, name in enumerate(SECTIONS):
        block, size, entries = _many(data, "IIq", 76 + 16 * i)
        section = found[name] = _Section(block * BLOCK, size, entries if block else 0)
        if name not in ENTRY_BYTES or entries == 0:
            continue
        if block == 0 or entries < 0 or size < ENTRY_BYTES[name] or section.stop > len(data):
            raise _HeaderError(
                f"its {name} section ({entries} entries of {size} bytes from byte {section.start}) "
                f"does not fit the file of {len(data)} bytes: truncated, or the header is damaged"
            )
    for name in ("protocol", "adc", "strings", "data"):
        if found[name].entries < 1:
            raise _HeaderError(f"has no {name} section")
    _check_overlaps(found)
    return found


def _check_overlaps(sections: dict[str, _Section]) -> None:
    spans = [(s.start, s.stop, n) for n, s in sections.items() if s.entries and n in (*ENTRY_BYTES, "data")]
    # The strings' "entries" are their number, their "bytes" all of them.
    spans.append((sections["strings"].start, sections["strings"].start + sections["strings"].entry_bytes, "strings"))
    for (_, stop, name), (start, _, follower) in pairwise(sorted(spans)):
        if start < stop:
            raise _HeaderError(f"its {name} section reaches into its {follower} section: the header is damaged")


def _strings(data, section: _Section) -> list[str]:
    """Return the strings, counted from 1 (0 is none): after a head of 44 bytes, each ended by a zero byte."""
    raw = bytes(data[section.start : section.start + section.entry_bytes])
    if len(raw) != section.entry_bytes or raw[:4] != b"SSCH":
        raise _HeaderError("its strings section is damaged or truncated")
    return ["", *(_text(s) for s in raw[44:].split(b"\0")[: section.entries])]


def _parse_abf2(data) -> AxonHeader:
    version = tuple(bytes(data[4:8])[::-1])
    if len(version) < 4 or version[0] != 2:
        raise _HeaderError(f"says ABF2 but is of version {'.'.join(map(str, version))}")
    sections = _sections(data)
    strings = _strings(data, sections["strings"])
    base = sections["protocol"].start
    mode, interval_us = _one(data, "h", base), _one(data, "f", base + 2)
    data_format, channels = _one(data, "H", 30), sections["adc"].entries
    _check_basics(mode, data_format, channels, interval_us)
    stored = sections["data"]
    if stored.entry_bytes != (2, 4)[data_format]:
        raise _HeaderError(f"has samples of {stored.entry_bytes} bytes in data format {data_format}")
    _check_data(stored.start, stored.entries, data_format, len(data))
    resolution, scales = _one(data, "i", base + 118), [NO_SCALE] * channels
    if data_format == 0:
        volt = _one(data, "f", base + 110)
        conditioned = _one(data, "h", base + 138) != 0
        for i, o in enumerate(sections["adc"].offsets()):
            gains = [_one(data, "f", o + p) for p in ((40, 28, 48) if conditioned else (40, 28))]
            if _one(data, "h", o + 2):
                gains.append(_one(data, "f", o + 6))
            offsets = _one(data, "f", o + 44), _one(data, "f", o + 52) if conditioned else 0.0
            scales[i] = _scale(volt, resolution, gains, offsets)
    unit_us = _one(data, "f", base + 14)
    lengths = [_one(data, "i", o + 4) for o in sections["synch"].offsets()]
    if mode == VARIABLE_LENGTH and unit_us > 0:
        lengths = [round(n / unit_us) for n in lengths]
    sweeps = _split_sweeps(lengths, stored.entries, _one(data, "I", 12), mode, channels)
    outputs = _abf2_outputs(data, sections, strings, version)
    if _one(data, "h", base + 182):
        outputs = _alternating(outputs)
    whole = _one(data, "i", base + 22) // channels
    refusal = ""
    if mode == EPISODIC and any(o.plays for o in outputs):
        refusal = _protocol_refusal(sweeps, whole, _one(data, "i", base + 30), _one(data, "h", base + 46))
    active = _one(data, "h", base + 142)
    return AxonHeader(
        version=version,
        rate_hz=1e6 / interval_us,
        channels=tuple(
            file_channel(_string(strings, _one(data, "i", o + 74)), _string(strings, _one(data, "i", o + 78)))
            for o in sections["adc"].offsets()
        ),
        sweep_samples=sweeps,
        code_limits=None if data_format else _code_limits(resolution),
        protocol=Protocol(whole, outputs, mode == EPISODIC, active if 0 <= active < len(outputs) else 0, refusal),
        comment=_string(strings, _one(data, "i", base + 132)),
        notes=_leak_notes([_many(data, "hh", o + 92) + _many(data, "hh", o + 102) for o in sections["dac"].offsets()]),
        telegraph={
            i: _telegraph(_one(data, "h", o + 18), *_many(data, "fff", o + 6), _one(data, "f", o + 20))
            for i, o in enumerate(sections["adc"].offsets())
            if _one(data, "h", o + 2)
        },
        tags=_tags(data, sections["tag"].offsets(), (unit_us or interval_us / channels) * 1e-6),
        data_start=stored.start,
        data_type=DATA_TYPES[data_format],
        scales=tuple(scales),
    )


def _string(strings: list[str], index: int) -> str:
    if not 0 <= index < len(strings):
        raise _HeaderError(f"names its string {index} of {len(strings) - 1}")
    return strings[index]


def _code_limits(resolution: int) -> tuple[int, int]:
    top = min(abs(resolution), 32768)
    return -top, top - 1


def _leak_notes(subtractions: list[tuple[int, int, int, int]]) -> tuple[str, ...]:
    """Return what to know of P/N leak subtraction; for each output: kind, polarity, position, number of pulses."""
    notes = []
    for kind, polarity, position, pulses in subtractions:
        if kind:
            how = "opposite" if polarity < 0 else "same"
            when = "after" if position else "before"
            notes.append(
                f"P/N leak subtraction was on ({pulses} sub-sweeps of {how} polarity {when} each sweep): "
                "the current may be subtracted already"
            )
    return tuple(dict.fromkeys(notes))


def _telegraph(mode: int | None, gain: float, filter_hz: float, capacitance: float, access: float = 0.0) -> Telegraph:
    """Return what the amplifier reported; zeros are what is written when it reported nothing."""
    known = [v if math.isfinite(v) and v > 0 else None for v in (gain, filter_hz, capacitance, access)]
    return Telegraph(*known, TELEGRAPH_MODES.get(mode))


def _tags(data, offsets: Iterable[int], unit_s: float) -> tuple[Tag, ...]:
    """Return the tags; their times are counted in `unit_s` (the synch unit, else samples of all channels)."""
    return tuple(Tag(_one(data, "i", o) * unit_s, _text(bytes(data[o + 4 : o + 60]))) for o in offsets)


def _abf2_outputs(data, sections, strings, version) -> tuple[Output, ...]:
    epochs: dict[int, list[Epoch]] = {}
    for offset in sections["epoch_per_dac"].offsets():
        number, output, kind, level, step, samples, samples_step, period, width = _many(data, "hhhffiiii", offset)
        if not 0 <= number < MOST_EPOCHS:
            raise _HeaderError(f"has an epoch number {number}")
        if kind:
            epochs.setdefault(output, []).append(
                Epoch(number, KINDS.get(kind, str(kind)), level, samples, step, samples_step, period, width)
            )
    # An entry in this section is a list in use: its own flag is written as 0 by some programs.
    lists = {_one(data, "h", o): o for o in sections["user_list"].offsets()}
    active = _one(data, "h", sections["protocol"].start + 142)
    outputs = []
    for offset in sections["dac"].offsets():
        number, holding = _one(data, "h", offset), _one(data, "f", offset + 12)
        enabled, source, persists = _many(data, "hhh", offset + 40)
        plays = bool(enabled and source)
        own = sorted(epochs.get(number, []), key=lambda e: e.number)
        chosen, refusal = None, ""
        if plays and number in lists:
            parameter, repeats, index = _many(data, "hhi", lists[number] + 4)
            chosen, refusal = _user_list(parameter, _string(strings, index), bool(repeats), version[:2])
            if chosen and number != active:
                refusal = "it has a user list but is not the active output"
        levels = [holding, *(v for e in own for v in (e.level, e.level_step))]
        outputs.append(
            Output(
                name=_string(strings, _one(data, "i", offset + 24)),
                unit=plain_unit(_string(strings, _one(data, "i", offset + 28))),
                holding=holding,
                epochs=tuple(own),
                persists=bool(persists),
                user_list=chosen,
                plays=plays,
                refusal=_output_refusal(plays, source, _one(data, "h", offset + 60), levels) or refusal,
            )
        )
    return tuple(outputs)


# --- ABF1 -------------------------------------------------------------------------------------------------------


def _parse_abf1(data) -> AxonHeader:
    number = _one(data, "f", 4)
    if not 1 <= number < 2:
        raise _HeaderError(f"says ABF1 but is of version {number:g}")
    version = tuple(int(d) for d in f"{number:.3f}".replace(".", ""))
    mode, data_format, channels = _one(data, "h", 8), _one(data, "h", 100), _one(data, "h", 120)
    interval_us = _one(data, "f", 122) * channels
    _check_basics(mode, data_format, channels, interval_us)
    samples, start = _one(data, "i", 10), _one(data, "i", 40) * BLOCK
    first = start + (_one(data, "h", 14) * (2, 4)[data_format] if mode == GAP_FREE else 0)
    _check_data(first, samples, data_format, len(data))
    resolution = _one(data, "i", 252)
    order = _many(data, "16h", 410)[:channels]
    if len(set(order)) != len(order):
        order = tuple(range(channels))
    if not all(0 <= c < MOST_CHANNELS for c in order):
        raise _HeaderError(f"has an impossible sampling order {order}")
    # Some programs leave rubbish where the long form's fields would be; in the short form there are the samples.
    long_form = start >= LONG_ABF1_HEADER and _one(data, "h", 36) == 1
    scales, reported = [NO_SCALE] * channels, _abf1_telegraphs(data, order, long_form)
    if data_format == 0:
        volt, conditioned = _one(data, "f", 244), _one(data, "h", 1410) != 0
        for i, c in enumerate(order):
            gains = [_one(data, "f", p + 4 * c) for p in ((922, 730, 1050) if conditioned else (922, 730))]
            if c in reported:
                gains.append(reported[c][1])
            offsets = _one(data, "f", 986 + 4 * c), _one(data, "f", 1114 + 4 * c) if conditioned else 0.0
            scales[i] = _scale(volt, resolution, gains, offsets)
    synch, count = _one(data, "i", 92) * BLOCK, _one(data, "i", 96)
    if count and (count < 0 or synch < BLOCK or synch + 8 * count > len(data)):
        raise _HeaderError(f"its synch array ({count} entries from byte {synch}) does not fit the file")
    lengths = [_one(data, "i", synch + 8 * i + 4) for i in range(count)]
    unit_us = _one(data, "f", 130)
    if mode == VARIABLE_LENGTH and unit_us > 0:
        lengths = [round(n / unit_us) for n in lengths]
    sweeps = _split_sweeps(lengths, samples, _one(data, "i", 16), mode, channels)
    whole = _one(data, "i", 138) // channels
    outputs, refusal = _abf1_outputs(data, long_form), ""
    if long_form and _one(data, "h", 5876):
        outputs = _alternating(outputs)
    if mode == EPISODIC and any(o.plays for o in outputs):
        refusal = _protocol_refusal(sweeps, whole, _one(data, "i", 146), _one(data, "h", 162))
    active = _one(data, "h", 1440)
    tags, tag_count = _one(data, "i", 44) * BLOCK, _one(data, "i", 48)
    if tag_count and not (0 < tag_count <= MOST_TAGS and BLOCK <= tags <= len(data) - TAG_BYTES * tag_count):
        raise _HeaderError(f"its tags ({tag_count} from byte {tags}) do not fit the file: truncated, or damaged")
    return AxonHeader(
        version=version,
        rate_hz=1e6 / interval_us,
        channels=tuple(
            file_channel(_text(bytes(data[442 + 10 * c : 452 + 10 * c])), _text(bytes(data[602 + 8 * c : 610 + 8 * c])))
            for c in order
        ),
        sweep_samples=sweeps,
        code_limits=None if data_format else _code_limits(resolution),
        protocol=Protocol(whole, outputs, mode == EPISODIC, active if 0 <= active < len(outputs) else 0, refusal),
        comment=_text(bytes(data[5154:5282] if long_form else data[310:366])),
        notes=_abf1_leak_notes(data, long_form),
        telegraph={i: _telegraph(*reported[c]) for i, c in enumerate(order) if c in reported},
        tags=_tags(
            data,
            range(tags, tags + TAG_BYTES * tag_count, TAG_BYTES) if tag_count else (),
            (unit_us if math.isfinite(unit_us) and unit_us > 0 else interval_us / channels) * 1e-6,
        ),
        data_start=first,
        data_type=DATA_TYPES[data_format],
        scales=tuple(scales),
    )


def _abf1_telegraphs(data, order: tuple[int, ...], long_form: bool) -> dict[int, tuple]:
    """Return mode, gain, filter and capacitance of the channels that the amplifier reported."""
    if not long_form:
        enabled, channel = _many(data, "2h", 262)
        return {channel: (None, *_many(data, "3f", 268))} if enabled in TELEGRAPHED else {}
    return {
        c: (_one(data, "h", 4768 + 2 * c), *(_one(data, "f", p + 4 * c) for p in (4576, 4640, 4704)))
        for c in order
        if _one(data, "h", 4512 + 2 * c) in TELEGRAPHED
    }


def _abf1_leak_notes(data, long_form: bool) -> tuple[str, ...]:
    position, pulses = _one(data, "h", 1934), _one(data, "h", 1938)
    if not long_form:
        return _leak_notes([(_one(data, "h", 1932), _one(data, "h", 1936), position, pulses)])
    enabled, polarities = _many(data, "2h", 4456), _many(data, "2h", 4460)
    return _leak_notes([(e, p, position, pulses) for e, p in zip(enabled, polarities, strict=True)])


def _abf1_outputs(data, long_form: bool) -> tuple[Output, ...]:
    outputs = []
    for number in range(4):
        holding = _one(data, "f", 1394 + 4 * number)
        played = {"plays": False}
        if long_form and number < ABF1_WAVEFORM_OUTPUTS:
            played = _abf1_waveform(data, number)
        elif not long_form and number == _abf1_active(data):
            played = _abf1_short_waveform(data, number)
        refusal = played.pop("refusal", "") or _output_refusal(0, 0, 0, [holding])
        outputs.append(
            Output(
                name=_text(bytes(data[1306 + 10 * number : 1316 + 10 * number])),
                unit=plain_unit(_text(bytes(data[1346 + 8 * number : 1354 + 8 * number]))),
                holding=holding,
                refusal=refusal,
                **played,
            )
        )
    return tuple(outputs)


def _abf1_active(data) -> int:
    active = _one(data, "h", 1440)
    return active if 0 <= active < ABF1_WAVEFORM_OUTPUTS else 0


def _abf1_waveform(data, number: int) -> dict:
    def of_output(code: str, place: int):
        return _one(data, code, place + struct.calcsize(f"<{code}") * number)

    def of_epoch(code: str, place: int, epoch: int):
        return _one(data, code, place + struct.calcsize(f"<{code}") * (ABF1_EPOCHS * number + epoch))

    epochs = tuple(
        Epoch(
            number=i,
            kind=ABF1_KINDS.get(of_epoch("h", 2308, i), "unknown"),
            level=of_epoch("f", 2348, i),
            samples=of_epoch("i", 2508, i),
            level_step=of_epoch("f", 2428, i),
            samples_step=of_epoch("i", 2588, i),
            period=of_epoch("i", 2136, i),
            width=of_epoch("i", 2216, i),
        )
        for i in range(ABF1_EPOCHS)
        if of_epoch("h", 2308, i)
    )
    source = of_output("h", 2300)
    plays = bool(of_output("h", 2296) and source)
    chosen, refusal = None, ""
    if plays and of_output("h", 3360):
        values = _text(bytes(data[3376 + 256 * number : 3376 + 256 * (number + 1)]))
        chosen, refusal = _user_list(of_output("h", 3368), values, bool(of_output("h", 4400)), (1, 8))
    levels = [v for e in epochs for v in (e.level, e.level_step)]
    return {
        "epochs": epochs,
        "persists": bool(of_output("h", 2304)),
        "user_list": chosen,
        "plays": plays,
        "refusal": _output_refusal(plays, source, of_output("h", 3260), levels) or refusal,
    }


def _abf1_short_waveform(data, number: int) -> dict:
    """Return the waveform of the active output from a header of the short form."""
    kinds, levels = _many(data, "10h", 1444), _many(data, "10f", 1464)
    level_steps, samples = _many(data, "10f", 1504), _many(data, "10h", 1544)
    samples_steps = _many(data, "10h", 1564)
    epochs = tuple(
        Epoch(i, ABF1_KINDS.get(kinds[i], "unknown"), levels[i], samples[i], level_steps[i], samples_steps[i])
        for i in range(ABF1_EPOCHS)
        if kinds[i]
    )
    source = _one(data, "h", 1438)
    conditioned = _one(data, "h", 1718) and _one(data, "h", 1720) == number
    refusal = "it has a user list of the short header, whose codes are not known" if _one(data, "h", 1966) else ""
    return {
        "epochs": epochs,
        "persists": bool(_one(data, "h", 1442)),
        "plays": source != 0,
        "refusal": _output_refusal(source, source, conditioned, [v for e in epochs for v in (e.level, e.level_step)])
        or (refusal if source else ""),
    }
