"""The header of ABF1: fixed places.

In its long form (6144 bytes, from version 1.6 on) the epoch table is at byte 2296, in the short form (2048 bytes) a
smaller one for the active output at byte 1436; the holding level stands at byte 1394 in both.
"""

import math
import struct

from mgk.recordings.axon.header import (
    BLOCK,
    DATA_TYPES,
    EPISODIC,
    GAP_FREE,
    KINDS,
    MOST_CHANNELS,
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

ABF1_KINDS = KINDS | {6: "resistance"}
LONG_ABF1_HEADER = 6144
ABF1_WAVEFORM_OUTPUTS, ABF1_EPOCHS = 2, 10
TAG_BYTES, MOST_TAGS = 64, 1 << 20
TELEGRAPHED = (1, 2)
# The file type of what old versions of Clampex wrote, whose sweeps stay at the holding level for another share.
OLD_CLAMPEX, OLD_PRE_HOLD = 3, (6, 512)


def parse_abf1(data) -> AxonHeader:
    """Read the header from the bytes of a file; HeaderError where it cannot be right."""
    number = one(data, "f", 4)
    if not 1 <= number < 2:
        raise HeaderError(f"says ABF1 but is of version {number:g}")
    version = tuple(int(d) for d in f"{number:.3f}".replace(".", ""))
    mode, data_format, channels = one(data, "h", 8), one(data, "h", 100), one(data, "h", 120)
    interval_us = one(data, "f", 122) * channels
    check_basics(mode, data_format, channels, interval_us)
    samples, start = one(data, "i", 10), one(data, "i", 40) * BLOCK
    first = start + (one(data, "h", 14) * (2, 4)[data_format] if mode == GAP_FREE else 0)
    check_data(first, samples, data_format, len(data))
    resolution = one(data, "i", 252)
    order = many(data, "16h", 410)[:channels]
    if len(set(order)) != len(order):
        order = tuple(range(channels))
    if not all(0 <= c < MOST_CHANNELS for c in order):
        raise HeaderError(f"has an impossible sampling order {order}")
    # Some programs leave rubbish where the long form's fields would be; in the short form there are the samples.
    long_form = start >= LONG_ABF1_HEADER and one(data, "h", 36) == 1
    scales, reported = [NO_SCALE] * channels, _telegraphs(data, order, long_form)
    if data_format == 0:
        volt, conditioned = one(data, "f", 244), one(data, "h", 1410) != 0
        for i, c in enumerate(order):
            gains = [one(data, "f", p + 4 * c) for p in ((922, 730, 1050) if conditioned else (922, 730))]
            if c in reported:
                gains.append(reported[c][1])
            offsets = one(data, "f", 986 + 4 * c), one(data, "f", 1114 + 4 * c) if conditioned else 0.0
            scales[i] = scale(volt, resolution, gains, offsets)
    synch, count = one(data, "i", 92) * BLOCK, one(data, "i", 96)
    if count and (count < 0 or synch < BLOCK or synch + 8 * count > len(data)):
        raise HeaderError(f"its synch array ({count} entries from byte {synch}) does not fit the file")
    lengths = [one(data, "i", synch + 8 * i + 4) for i in range(count)]
    unit_us = one(data, "f", 130)
    sweeps = split_sweeps(lengths, samples, one(data, "i", 16), mode, channels, unit_us)
    whole = one(data, "i", 138) // channels
    outputs, refusal = _outputs(data, long_form), ""
    if long_form and one(data, "h", 5876):
        outputs = alternating(outputs)
    if mode == EPISODIC and any(o.plays for o in outputs):
        refusal = protocol_refusal(sweeps, whole, one(data, "i", 146), one(data, "h", 162))
    active = one(data, "h", 1440)
    active = active if 0 <= active < len(outputs) else 0
    pre_hold = None
    if one(data, "h", 36) == OLD_CLAMPEX:
        times, share = OLD_PRE_HOLD
        pre_hold = times * (one(data, "i", 138) // share) // channels
    tags, tag_count = one(data, "i", 44) * BLOCK, one(data, "i", 48)
    if tag_count and not (0 < tag_count <= MOST_TAGS and BLOCK <= tags <= len(data) - TAG_BYTES * tag_count):
        raise HeaderError(f"its tags ({tag_count} from byte {tags}) do not fit the file: truncated, or damaged")
    return AxonHeader(
        version=version,
        rate_hz=1e6 / interval_us,
        channels=tuple(
            file_channel(text(bytes(data[442 + 10 * c : 452 + 10 * c])), text(bytes(data[602 + 8 * c : 610 + 8 * c])))
            for c in order
        ),
        sweep_samples=sweeps,
        code_limits=None if data_format else code_limits(resolution),
        protocol=Protocol(whole, outputs, mode == EPISODIC, active, refusal, pre_hold),
        comment=text(bytes(data[5154:5282] if long_form else data[310:366])),
        notes=_notes(data, long_form),
        telegraph={i: telegraph(*reported[c]) for i, c in enumerate(order) if c in reported},
        tags=read_tags(
            data,
            range(tags, tags + TAG_BYTES * tag_count, TAG_BYTES) if tag_count else (),
            (unit_us if math.isfinite(unit_us) and unit_us > 0 else interval_us / channels) * 1e-6,
        ),
        data_start=first,
        data_type=DATA_TYPES[data_format],
        scales=tuple(scales),
    )


def _telegraphs(data, order: tuple[int, ...], long_form: bool) -> dict[int, tuple]:
    """Return mode, gain, filter and capacitance of the channels that the amplifier reported."""
    if not long_form:
        enabled, channel = many(data, "2h", 262)
        return {channel: (None, *many(data, "3f", 268))} if enabled in TELEGRAPHED else {}
    return {
        c: (
            reported_mode(one(data, "h", 4768 + 2 * c), one(data, "h", 4544 + 2 * c)),
            *(one(data, "f", p + 4 * c) for p in (4576, 4640, 4704)),
        )
        for c in order
        if one(data, "h", 4512 + 2 * c) in TELEGRAPHED
    }


def _notes(data, long_form: bool) -> tuple[str, ...]:
    position, pulses = one(data, "h", 1934), one(data, "h", 1938)
    if not long_form:
        return leak_notes([(one(data, "h", 1932), one(data, "h", 1936), position, pulses)])
    enabled, polarities = many(data, "2h", 4456), many(data, "2h", 4460)
    return leak_notes([(e, p, position, pulses) for e, p in zip(enabled, polarities, strict=True)])


def _outputs(data, long_form: bool) -> tuple[Output, ...]:
    outputs = []
    for number in range(4):
        holding = one(data, "f", 1394 + 4 * number)
        played = {"plays": False}
        if long_form and number < ABF1_WAVEFORM_OUTPUTS:
            played = _waveform(data, number, holding)
        elif not long_form and number == _active(data):
            played = _short_waveform(data, number, holding)
        refusal = played.pop("refusal", "") or output_refusal(0, 0, [holding])
        outputs.append(
            Output(
                name=text(bytes(data[1306 + 10 * number : 1316 + 10 * number])),
                unit=plain_unit(text(bytes(data[1346 + 8 * number : 1354 + 8 * number]))),
                holding=holding,
                refusal=refusal,
                **played,
            )
        )
    return tuple(outputs)


def _active(data) -> int:
    active = one(data, "h", 1440)
    return active if 0 <= active < ABF1_WAVEFORM_OUTPUTS else 0


def _waveform(data, number: int, holding: float) -> dict:
    def of_output(code: str, place: int):
        return one(data, code, place + struct.calcsize(f"<{code}") * number)

    def of_epoch(code: str, place: int, epoch: int):
        return one(data, code, place + struct.calcsize(f"<{code}") * (ABF1_EPOCHS * number + epoch))

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
    after_train = conditioned_level(of_output("h", 3260), of_output("f", 3304), of_output("f", 3312), holding)
    chosen, refusal = None, ""
    if plays and of_output("h", 3360):
        values = text(bytes(data[3376 + 256 * number : 3376 + 256 * (number + 1)]))
        repeats = bool(of_output("h", 4400))
        conditioned = after_train is not None
        chosen, refusal = user_list(of_output("h", 3368), values, repeats, (1, 8), conditioned=conditioned)
    levels = [after_train or 0.0, *(v for e in epochs for v in (e.level, e.level_step))]
    return {
        "epochs": epochs,
        "persists": bool(of_output("h", 2304)),
        "user_list": chosen,
        "plays": plays,
        "refusal": output_refusal(plays, source, levels) or refusal,
        "conditioned": after_train,
    }


def _short_waveform(data, number: int, holding: float) -> dict:
    """Return the waveform of the active output from a header of the short form."""
    kinds, levels = many(data, "10h", 1444), many(data, "10f", 1464)
    level_steps, samples = many(data, "10f", 1504), many(data, "10h", 1544)
    samples_steps = many(data, "10h", 1564)
    epochs = tuple(
        Epoch(i, ABF1_KINDS.get(kinds[i], "unknown"), levels[i], samples[i], level_steps[i], samples_steps[i])
        for i in range(ABF1_EPOCHS)
        if kinds[i]
    )
    source = one(data, "h", 1438)
    enabled = one(data, "h", 1718) and one(data, "h", 1720) == number
    after_train = conditioned_level(enabled, *many(data, "ff", 1742), holding)
    chosen, refusal = None, ""
    if source and one(data, "h", 1966):
        parameter, values = one(data, "h", 1762), text(bytes(data[1764:1844]))
        chosen, refusal = user_list(parameter, values, False, (1, 5), conditioned=after_train is not None)
    levels = [after_train or 0.0, *(v for e in epochs for v in (e.level, e.level_step))]
    return {
        "epochs": epochs,
        "persists": bool(one(data, "h", 1442)),
        "user_list": chosen,
        "plays": source != 0,
        "refusal": output_refusal(source, source, levels) or refusal,
        "conditioned": after_train,
    }
