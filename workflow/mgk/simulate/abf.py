"""Writing simulated recordings as genuine Axon binary files, version 2.6 (episodic or gap-free, 16-bit).

Everything that a reader may use is in the file: channels with their scales, D/A outputs with holding level, epoch
table, inter-episode level and user list, sweeps in a synch array. The same input gives the same bytes: date and time
are fixed, the file's GUID is a hash of its samples. What is written is simulated, and the caller's comment must say so.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgk.recordings.axon.abf2 import SECTIONS
from mgk.recordings.axon.header import BLOCK, EPISODIC, GAP_FREE, KINDS
from mgk.recordings.protocol import Output
from mgk.whole_files import whole_file

VERSION = bytes((0, 0, 6, 2))
FIXED_DATE = 20260101
CONVERTER_VOLT, CONVERTER_CODES = 10.0, 32768
ENTRY_BYTES = {
    "protocol": 512, "adc": 128, "dac": 256, "epoch_per_dac": 48, "epoch": 32, "user_list": 64, "synch": 8,
}  # fmt: skip
KIND_CODES = {kind: code for code, kind in KINDS.items()}
PARAMETER_CODES = {"level": 21, "samples": 31, "period": 41, "width": 51}
NO_FILTER_HZ = 100000.0


@dataclass(frozen=True)
class Signal:
    """A recorded channel: `values` of shape (sweeps, samples) in `unit`; the converter saturates at `full_scale`."""

    name: str
    unit: str
    full_scale: float
    values: np.ndarray

    @property
    def scale_volt(self) -> float:
        """The instrument's scale in V per unit, as single precision stores it."""
        return float(np.float32(CONVERTER_VOLT / self.full_scale))

    def codes(self) -> np.ndarray:
        """Return the converter's codes, int16."""
        code = np.rint(self.values * (self.scale_volt * CONVERTER_CODES / CONVERTER_VOLT))
        return np.clip(code, -CONVERTER_CODES, CONVERTER_CODES - 1).astype("<i2")


def write_abf(
    path: Path,
    signals: Sequence[Signal],
    outputs: Sequence[Output],
    *,
    rate_hz: float,
    comment: str,
    gap_free: bool = False,
) -> Path:
    """Write an ABF 2.6 file, episodic or gap-free; return its path.

    Parameters
    ----------
    signals: the recorded channels, all of one shape (sweeps, samples).
    outputs: the D/A channels with their epochs; the first is the active one.
    rate_hz: sampling rate of each channel.
    comment: the file's comment.
    gap_free: one stretch without sweeps; the outputs stay at their holding level.
    """
    sweeps, samples = signals[0].values.shape
    data = np.stack([s.codes() for s in signals], axis=-1).tobytes()
    strings = _Strings()
    parts = {
        "protocol": [_protocol(len(signals), sweeps, samples, rate_hz, strings.index(comment), gap_free)],
        "adc": [_adc(i, s, strings) for i, s in enumerate(signals)],
        "dac": [_dac(i, o, strings) for i, o in enumerate(outputs)],
        "epoch": [_digital_epoch(n) for n in sorted({e.number for o in outputs for e in o.epochs})],
        "epoch_per_dac": [_epoch(i, e) for i, o in enumerate(outputs) for e in o.epochs],
        "user_list": [_user_list(i, o, strings) for i, o in enumerate(outputs) if o.user_list],
        "synch": [struct.pack("<ii", i * samples * len(signals), samples * len(signals)) for i in range(sweeps)],
    }
    if gap_free:
        parts["synch"] = []
    names = strings.index("mgk, simulated"), strings.index("simulated.pro")
    sizes = {name: (ENTRY_BYTES[name], len(entries)) for name, entries in parts.items() if entries}
    contents = {name: b"".join(entries) for name, entries in parts.items() if entries}
    contents["strings"], sizes["strings"] = strings.section(), (len(strings.section()), len(strings.texts))
    contents["data"], sizes["data"] = data, (2, sweeps * samples * len(signals))
    head, body = bytearray(BLOCK), bytearray()
    for name, content in contents.items():
        place = 76 + 16 * SECTIONS.index(name)
        struct.pack_into("<IIq", head, place, 1 + len(body) // BLOCK, *sizes[name])
        body += content + bytes(-len(content) % BLOCK)
    head[:8] = b"ABF2" + VERSION
    struct.pack_into("<IIIII", head, 8, BLOCK, sweeps, FIXED_DATE, 0, 0)
    struct.pack_into("<HHHHI", head, 28, 1, 0, 1, 0, 0)
    head[40:56] = hashlib.sha256(data).digest()[:16]
    struct.pack_into("<4sIIII", head, 56, bytes(4), names[0], 0, names[0], names[1])
    with whole_file(path) as beside:
        beside.write_bytes(bytes(head + body))
    return Path(path)


class _Strings:
    """The strings of the file, counted from 1."""

    def __init__(self):
        self.texts: list[str] = []

    def index(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def section(self) -> bytes:
        body = b"".join(t.encode("cp1252") + b"\0" for t in self.texts)
        longest = max(len(t) for t in self.texts)
        # The first string starts after two zero bytes: by them other readers find it.
        return struct.pack("<4sIIII24s", b"SSCH", 1, len(self.texts), longest, len(body), bytes(24)) + body


def _protocol(channels: int, sweeps: int, samples: int, rate_hz: float, comment: int, gap_free: bool) -> bytes:
    entry = bytearray(ENTRY_BYTES["protocol"])
    struct.pack_into("<hf", entry, 0, GAP_FREE if gap_free else EPISODIC, 1e6 / rate_hz)
    struct.pack_into("<ff", entry, 14, 0.0, sweeps * samples / rate_hz)
    struct.pack_into("<iiiii", entry, 22, samples * channels, 0, sweeps, 1, 1)
    struct.pack_into("<f", entry, 62, samples / rate_hz)
    struct.pack_into("<ffii", entry, 110, CONVERTER_VOLT, CONVERTER_VOLT, CONVERTER_CODES, CONVERTER_CODES)
    struct.pack_into("<hi", entry, 130, 1, comment)
    return bytes(entry)


def _adc(number: int, signal: Signal, strings: _Strings) -> bytes:
    entry = bytearray(ENTRY_BYTES["adc"])
    struct.pack_into("<hhh", entry, 0, number, 0, 0)
    struct.pack_into("<f", entry, 6, 1.0)
    struct.pack_into("<hh", entry, 24, number, number)
    struct.pack_into("<fff", entry, 28, 1.0, 1.0, 0.0)
    struct.pack_into("<ffff", entry, 40, signal.scale_volt, 0.0, 1.0, 0.0)
    struct.pack_into("<ff", entry, 56, NO_FILTER_HZ, 0.0)
    struct.pack_into("<ii", entry, 74, strings.index(signal.name), strings.index(signal.unit))
    return bytes(entry)


def _dac(number: int, output: Output, strings: _Strings) -> bytes:
    entry = bytearray(ENTRY_BYTES["dac"])
    struct.pack_into("<hhfff", entry, 0, number, 0, output.holding, 20.0, output.holding)
    struct.pack_into("<ffii", entry, 16, 1.0, 0.0, strings.index(output.name), strings.index(output.unit))
    struct.pack_into("<hhh", entry, 40, output.plays, 1, output.persists)
    struct.pack_into("<f", entry, 46, 1.0)
    return bytes(entry)


def _epoch(output: int, epoch) -> bytes:
    levels = epoch.level, epoch.level_step
    counts = epoch.samples, epoch.samples_step, epoch.period, epoch.width
    return struct.pack("<hhhffiiii18s", epoch.number, output, KIND_CODES[epoch.kind], *levels, *counts, bytes(18))


def _digital_epoch(number: int) -> bytes:
    return struct.pack("<h30s", number, bytes(30))


def _user_list(output: int, played: Output, strings: _Strings) -> bytes:
    chosen = played.user_list
    code = PARAMETER_CODES[chosen.parameter] + chosen.epoch
    text = strings.index(", ".join(f"{v:g}" for v in chosen.values))
    return struct.pack("<hhhhi52s", output, 1, code, chosen.repeats, text, bytes(52))
