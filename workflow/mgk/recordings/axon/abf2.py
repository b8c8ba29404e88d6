"""The header of ABF2: a table of sections (byte 76, 16 bytes each: block of 512 bytes, bytes, entries)."""

from dataclasses import dataclass
from itertools import pairwise

from mgk.recordings.axon.header import (
    BLOCK,
    DATA_TYPES,
    EPISODIC,
    KINDS,
    MOST_EPOCHS,
    NO_SCALE,
    AxonHeader,
    HeaderError,
    alternating,
    check_basics,
    check_data,
    code_limits,
    conditioned_level,
    leak_notes,
    many,
    one,
    output_refusal,
    protocol_refusal,
    read_tags,
    reported_mode,
    scale,
    split_sweeps,
    telegraph,
    text,
    user_list,
)
from mgk.recordings.protocol import Epoch, Output, Protocol
from mgk.recordings.recording import file_channel, plain_unit

SECTIONS = (
    "protocol", "adc", "dac", "epoch", "adc_per_dac", "epoch_per_dac", "user_list", "stats_region", "math", "strings",
    "data", "tag", "scope", "delta", "voice_tag", "synch", "annotation", "stats",
)  # fmt: skip
# Smallest entries that hold all the fields that are read.
ENTRY_BYTES = {
    "protocol": 208, "adc": 82, "dac": 132, "epoch_per_dac": 30, "epoch": 32, "user_list": 12, "tag": 64, "synch": 8,
}  # fmt: skip


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
        block, size, entries = many(data, "IIq", 76 + 16 * i)
        section = found[name] = _Section(block * BLOCK, size, entries if block else 0)
        if name not in ENTRY_BYTES or entries == 0:
            continue
        if block == 0 or entries < 0 or size < ENTRY_BYTES[name] or section.stop > len(data):
            raise HeaderError(
                f"its {name} section ({entries} entries of {size} bytes from byte {section.start}) "
                f"does not fit the file of {len(data)} bytes: truncated, or the header is damaged"
            )
    for name in ("protocol", "adc", "strings", "data"):
        if found[name].entries < 1:
            raise HeaderError(f"has no {name} section")
    _check_overlaps(found)
    return found


def _check_overlaps(sections: dict[str, _Section]) -> None:
    spans = [(s.start, s.stop, n) for n, s in sections.items() if s.entries and n in (*ENTRY_BYTES, "data")]
    # The strings' "entries" are their number, their "bytes" all of them.
    spans.append((sections["strings"].start, sections["strings"].start + sections["strings"].entry_bytes, "strings"))
    for (_, stop, name), (start, _, follower) in pairwise(sorted(spans)):
        if start < stop:
            raise HeaderError(f"its {name} section reaches into its {follower} section: the header is damaged")


def _strings(data, section: _Section) -> list[str]:
    """Return the strings, counted from 1 (0 is none): after a head of 44 bytes, each ended by a zero byte."""
    raw = bytes(data[section.start : section.start + section.entry_bytes])
    if len(raw) != section.entry_bytes or raw[:4] != b"SSCH":
        raise HeaderError("its strings section is damaged or truncated")
    return ["", *(text(s) for s in raw[44:].split(b"\0")[: section.entries])]


def parse_abf2(data) -> AxonHeader:
    """Read the header from the bytes of a file; HeaderError where it cannot be right."""
    version = tuple(bytes(data[4:8])[::-1])
    if len(version) < 4 or version[0] != 2:
        raise HeaderError(f"says ABF2 but is of version {'.'.join(map(str, version))}")
    sections = _sections(data)
    strings = _strings(data, sections["strings"])
    base = sections["protocol"].start
    mode, interval_us = one(data, "h", base), one(data, "f", base + 2)
    data_format, channels = one(data, "H", 30), sections["adc"].entries
    check_basics(mode, data_format, channels, interval_us)
    stored = sections["data"]
    if stored.entry_bytes != (2, 4)[data_format]:
        raise HeaderError(f"has samples of {stored.entry_bytes} bytes in data format {data_format}")
    check_data(stored.start, stored.entries, data_format, len(data))
    resolution, scales = one(data, "i", base + 118), [NO_SCALE] * channels
    if data_format == 0:
        volt = one(data, "f", base + 110)
        conditioned = one(data, "h", base + 138) != 0
        for i, o in enumerate(sections["adc"].offsets()):
            gains = [one(data, "f", o + p) for p in ((40, 28, 48) if conditioned else (40, 28))]
            if one(data, "h", o + 2):
                gains.append(one(data, "f", o + 6))
            offsets = one(data, "f", o + 44), one(data, "f", o + 52) if conditioned else 0.0
            scales[i] = scale(volt, resolution, gains, offsets)
    unit_us = one(data, "f", base + 14)
    lengths = [one(data, "i", o + 4) for o in sections["synch"].offsets()]
    sweeps = split_sweeps(lengths, stored.entries, one(data, "I", 12), mode, channels, unit_us)
    outputs = _outputs(data, sections, strings, version)
    if one(data, "h", base + 182):
        outputs = alternating(outputs)
    whole = one(data, "i", base + 22) // channels
    refusal = ""
    if mode == EPISODIC and any(o.plays for o in outputs):
        refusal = protocol_refusal(sweeps, whole, one(data, "i", base + 30), one(data, "h", base + 46))
    active = one(data, "h", base + 142)
    return AxonHeader(
        version=version,
        rate_hz=1e6 / interval_us,
        channels=tuple(
            file_channel(_string(strings, one(data, "i", o + 74)), _string(strings, one(data, "i", o + 78)))
            for o in sections["adc"].offsets()
        ),
        sweep_samples=sweeps,
        code_limits=None if data_format else code_limits(resolution),
        protocol=Protocol(whole, outputs, mode == EPISODIC, active if 0 <= active < len(outputs) else 0, refusal),
        comment=_string(strings, one(data, "i", base + 132)),
        notes=leak_notes([many(data, "hh", o + 92) + many(data, "hh", o + 102) for o in sections["dac"].offsets()]),
        telegraph={
            i: telegraph(
                reported_mode(one(data, "h", o + 18), one(data, "h", o + 4)),
                *many(data, "fff", o + 6),
                one(data, "f", o + 20),
            )
            for i, o in enumerate(sections["adc"].offsets())
            if one(data, "h", o + 2)
        },
        tags=read_tags(data, sections["tag"].offsets(), (unit_us or interval_us / channels) * 1e-6),
        data_start=stored.start,
        data_type=DATA_TYPES[data_format],
        scales=tuple(scales),
    )


def _string(strings: list[str], index: int) -> str:
    if not 0 <= index < len(strings):
        raise HeaderError(f"names its string {index} of {len(strings) - 1}")
    return strings[index]


def _outputs(data, sections, strings, version) -> tuple[Output, ...]:
    epochs: dict[int, list[Epoch]] = {}
    for offset in sections["epoch_per_dac"].offsets():
        number, output, kind, level, step, samples, samples_step, period, width = many(data, "hhhffiiii", offset)
        if not 0 <= number < MOST_EPOCHS:
            raise HeaderError(f"has an epoch number {number}")
        if kind:
            epochs.setdefault(output, []).append(
                Epoch(number, KINDS.get(kind, str(kind)), level, samples, step, samples_step, period, width)
            )
    # An entry in this section is a list in use: its own flag is written as 0 by some programs.
    lists = {one(data, "h", o): o for o in sections["user_list"].offsets()}
    active = one(data, "h", sections["protocol"].start + 142)
    outputs = []
    for offset in sections["dac"].offsets():
        number, holding = one(data, "h", offset), one(data, "f", offset + 12)
        enabled, source, persists = many(data, "hhh", offset + 40)
        plays = bool(enabled and source)
        own = sorted(epochs.get(number, []), key=lambda e: e.number)
        after_train = conditioned_level(one(data, "h", offset + 60), *many(data, "ff", offset + 82), holding)
        chosen, refusal = None, ""
        if plays and number in lists:
            parameter, repeats, index = many(data, "hhi", lists[number] + 4)
            chosen, refusal = user_list(
                parameter, _string(strings, index), bool(repeats), version[:2], conditioned=after_train is not None
            )
            if chosen and number != active:
                refusal = "it has a user list but is not the active output"
        levels = [holding, after_train or 0.0, *(v for e in own for v in (e.level, e.level_step))]
        outputs.append(
            Output(
                name=_string(strings, one(data, "i", offset + 24)),
                unit=plain_unit(_string(strings, one(data, "i", offset + 28))),
                holding=holding,
                epochs=tuple(own),
                persists=bool(persists),
                user_list=chosen,
                plays=plays,
                refusal=output_refusal(plays, source, levels) or refusal,
                conditioned=after_train,
            )
        )
    return tuple(outputs)
