"""What the headers of Axon binary files say, and what both of their forms (`abf1`, `abf2`) have in common."""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mgk.recordings.protocol import Output, Protocol, UserList
from mgk.recordings.recording import Channel, Tag, Telegraph

BLOCK = 512
KINDS = {1: "step", 2: "ramp", 3: "pulse", 4: "triangle", 5: "cosine", 7: "biphasic"}
# Operation modes: 1 event-driven with variable length, 2 with fixed length, 3 gap-free, 4 oscilloscope, 5 episodic.
EPISODIC, GAP_FREE, VARIABLE_LENGTH = 5, 3, 1
MODES = (1, 2, 3, 4, 5)
# From this version on the epoch table may have 50 epochs, and the codes of the user list's parameter shift.
FIFTY_EPOCHS_VERSION = (2, 9)
# The codes of the user list's parameter for duration and level of what follows a conditioning train.
AFTER_TRAIN = (5, 6)
MOST_CHANNELS, MOST_EPOCHS = 16, 50
ENCODING = "cp1252"
DATA_TYPES, NO_SCALE = ("<i2", "<f4"), (1.0, 0.0)
TELEGRAPH_MODES = {0: "voltage_clamp", 1: "current_clamp", 2: "zero_current"}
# Of the amplifiers in the recordings seen only the MultiClamp 700 (this number) says in which mode it is; the others
# leave a 0 there, which would be voltage clamp, in current clamp as well.
TELLS_ITS_MODE = 24


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


class HeaderError(Exception):
    """A header that cannot be right; becomes an InputError that names the file."""


def one(data, code: str, offset: int):
    """Return the number of a struct code (little-endian) at an offset."""
    return struct.unpack_from(f"<{code}", data, offset)[0]


def many(data, code: str, offset: int) -> tuple:
    """Return the numbers of a struct code (little-endian) from an offset on."""
    return struct.unpack_from(f"<{code}", data, offset)


def text(raw: bytes) -> str:
    """Return the characters up to the first zero byte, without blanks at the ends."""
    return raw.split(b"\0")[0].decode(ENCODING, errors="replace").strip()


def check_basics(mode: int, data_format: int, channels: int, interval_us: float) -> None:
    """Raise HeaderError where one of these cannot be; the interval is that of one channel."""
    if mode not in MODES:
        raise HeaderError(f"operation mode {mode} is unknown (1 to 5 are possible)")
    if data_format not in (0, 1):
        raise HeaderError(f"data format {data_format} is unknown (0: 16-bit integers, 1: floats)")
    if not 1 <= channels <= MOST_CHANNELS:
        raise HeaderError(f"has {channels} A/D channels; 1 to {MOST_CHANNELS} are possible")
    if not (math.isfinite(interval_us) and interval_us > 0):
        raise HeaderError(f"has a sampling interval of {interval_us:g} us")


def check_data(start: int, samples: int, data_format: int, size: int) -> None:
    """Raise HeaderError where the samples of all channels, from the byte `start` on, do not fit the file."""
    if samples < 1:
        raise HeaderError("has no samples")
    end = start + samples * (2 if data_format == 0 else 4)
    if start < BLOCK or end > size:
        raise HeaderError(
            f"its data should end at byte {end}; the file has {size}: truncated, or the header is damaged"
        )


def scale(volt: float, resolution: int, gains: list[float], offsets: tuple[float, float]) -> tuple[float, float]:
    """Return gain and offset of integer samples.

    Parameters
    ----------
    volt, resolution: the converter's range and the code that stands for it.
    gains: V per unit of the instrument, and the gains behind it, the telegraphed one included.
    offsets: of the instrument, and of the signal conditioner (which is subtracted).

    Gain and offset of the signal conditioner count where there is one, as in the vendor's library (neo and pyABF take
    them always); they are neutral otherwise in all files seen.
    """
    numbers = (volt, *gains)
    sound = all(math.isfinite(v) and v != 0 for v in numbers) and resolution > 0 and all(map(math.isfinite, offsets))
    if not sound:
        raise HeaderError(f"has an impossible scale of the signal (gains {gains}, offsets {offsets})")
    gain = volt / math.prod(gains) / resolution
    if not (math.isfinite(gain) and gain != 0):
        raise HeaderError(f"has an impossible scale of the signal ({gain:g} units a step)")
    return gain, offsets[0] - offsets[1]


def split_sweeps(
    lengths: list[int], samples: int, sweeps: int, mode: int, channels: int, unit_us: float
) -> tuple[int, ...]:
    """Return samples per channel of each sweep; `lengths` as in the synch array.

    They count samples of all channels; in files of variable length the synch unit, where they do not fit otherwise.
    """
    if mode == VARIABLE_LENGTH and unit_us > 0 and sum(lengths) != samples:
        lengths = [round(n / unit_us) for n in lengths]
    if not lengths:
        count = 1 if mode == GAP_FREE else sweeps
        if count < 1:
            raise HeaderError("has no sweeps")
        if count > samples or samples % count:
            raise HeaderError(f"{samples} samples cannot be {count} sweeps of one length, and no synch array says more")
        lengths = [samples // count] * count
    if min(lengths) < channels or sum(lengths) != samples:
        raise HeaderError(f"its {len(lengths)} sweeps add up to {sum(lengths)} samples, its data are {samples}")
    if any(n % channels for n in lengths):
        raise HeaderError(f"a sweep's length is no multiple of the {channels} channels")
    return tuple(n // channels for n in lengths)


def protocol_refusal(sweeps: tuple[int, ...], whole: int, run: int, first: int) -> str:
    """Return why the protocol of an episodic file that plays one cannot be applied sweep by sweep, or ''."""
    if first not in (0, 1):
        return f"the run starts at its sweep {first}"
    if len(sweeps) > run:
        return f"the file has {len(sweeps)} sweeps, a run of the protocol {run}"
    if any(n != whole for n in sweeps[:-1]) or sweeps[-1] > whole:
        return f"the sweeps do not have the protocol's {whole} samples"
    return ""


def output_refusal(plays: int, source: int, levels: list[float]) -> str:
    """Return why the waveform of an output cannot be rebuilt, or ''."""
    if not all(math.isfinite(v) and abs(v) < 1e6 for v in levels):
        return "its levels are not numbers of a stimulus"
    if plays and source == 2:
        return "its waveform comes from a stimulus file"
    return ""


def alternating(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return the outputs of a protocol in which the first plays in even sweeps (from 0), the second in odd ones."""
    refusal = "the D/A outputs alternate from sweep to sweep, in a way that is not known for this one"
    return tuple(
        replace(o, rests_in=1 - i) if i < 2 and not o.persists else replace(o, refusal=o.refusal or refusal)
        for i, o in enumerate(outputs)
    )


def user_list(
    parameter: int, values: str, repeats: bool, version: tuple[int, ...], *, conditioned: bool = False
) -> tuple[UserList | None, str]:
    """Return the user list and why it cannot be applied; a list of digital or timing parameters changes no level."""
    if conditioned and parameter in AFTER_TRAIN:
        return None, "its user list varies where its conditioning train ends"
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


def code_limits(resolution: int) -> tuple[int, int]:
    """Return the lowest and the highest code of the converter."""
    top = min(abs(resolution), 32768)
    return -top, top - 1


def leak_notes(subtractions: list[tuple[int, int, int, int]]) -> tuple[str, ...]:
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


def conditioned_level(enabled: int, after_train: float, level: float, holding: float) -> float | None:
    """Return where sweeps start behind a conditioning train: at its last level if that lasts, else at the holding."""
    if not enabled:
        return None
    return level if after_train > 0 else holding


def reported_mode(mode: int, instrument: int) -> str | None:
    """Return the mode that an amplifier reported, None of one that reports none."""
    return TELEGRAPH_MODES.get(mode) if mode or instrument == TELLS_ITS_MODE else None


def telegraph(mode: str | None, gain: float, filter_hz: float, capacitance: float, access: float = 0.0) -> Telegraph:
    """Return what the amplifier reported; zeros are what is written when it reported nothing."""
    known = [v if math.isfinite(v) and v > 0 else None for v in (gain, filter_hz, capacitance, access)]
    return Telegraph(*known, mode)


def read_tags(data, offsets: Iterable[int], unit_s: float) -> tuple[Tag, ...]:
    """Return the tags; their times are counted in `unit_s` (the synch unit, else samples of all channels)."""
    return tuple(Tag(one(data, "i", o) * unit_s, text(bytes(data[o + 4 : o + 60]))) for o in offsets)
