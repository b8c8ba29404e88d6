"""WinWCP files (.wcp, format version 9, from 2010 on) as recordings.

Layout and scale follow the public source of WinWCP (John Dempster, Strathclyde): a text header of 1024 bytes for each
eight channels, then records, each an analysis block of the same size and a block of interleaved 16-bit samples. A
sample counts VMAX / ((ADCMAX + 1) YG) units, VMAX being the record's own, by channel. (neo and myokit divide by ADCMAX,
3e-5 more on 16 bits; neo takes the last record's VMAX for all.) The zero level that a user sets for display (YZ) is not
subtracted. Older versions are refused: WinWCP converts them when it opens them. The file holds no stimulus.
"""

import math
import mmap
import struct
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import no_protocol
from mgk.recordings.recording import Recording, common_rate, file_channel
from mgk.tables.problems import InputError

SECTOR = 512
VERSION = 9
MOST_CHANNELS = 128
ENCODING = "cp1252"
MOST_RECORDS = 1_000_000


def read_winwcp(path: Path) -> Recording:
    """Open a WinWCP file.

    Raises
    ------
    InputError
        When its header contradicts itself or the size of the file, or it is not of version 9.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        keys = _keys(data)
        channels = _whole(keys, "NC", 1, MOST_CHANNELS)
        block = ((channels - 1) // 8 + 1) * 1024
        if len(data) < block:
            raise InputError("ends within its header: truncated")
        keys = _keys(data, block)
        if _number(keys, "VER") != VERSION:
            raise InputError(
                f"is of WinWCP format version {keys['VER']}; {VERSION} is read (WinWCP converts older ones)"
            )
        for key, size in (("NBH", block), ("NBA", block)):
            if key in keys and _whole(keys, key, 1, 1 << 20) not in (size, size // SECTOR):
                raise InputError(f"says {key}={keys[key]}; {channels} channels make it {size // SECTOR}")
        if _number(keys, "NR") == 0:
            raise InputError("holds no records (NR=0)")
        records, stored = _whole(keys, "NR", 1, MOST_RECORDS), SECTOR * _whole(keys, "NBD", 1, 1 << 22)
        if stored % (2 * channels):
            raise InputError(f"its data blocks of {stored} bytes are no whole number of {channels} samples")
        end = block + records * (block + stored)
        if end > len(data):
            raise InputError(f"its {records} records should end at byte {end}; the file has {len(data)}: truncated?")
        top = _whole(keys, "ADCMAX", 1, 32767)
        columns = [_whole(keys, f"YO{c}", 0, channels - 1) for c in range(channels)]
        if len(set(columns)) != channels:
            raise InputError(f"places several channels at one sample (YO: {columns})")
        per_volt = [_number(keys, f"YG{c}") for c in range(channels)]
        heads = [_record_head(data, block + i * (block + stored), channels, keys) for i in range(records)]
    if not all(math.isfinite(v) and v != 0 for v in (*per_volt, *(v for h in heads for v in h["volts"]))):
        raise InputError("has an impossible scale of the signal (YG or a record's VMAX)")
    rate = common_rate([1 / h["interval_s"] for h in heads])
    samples = stored // (2 * channels)

    def read(sweep: int, channel: int, start: int, stop: int):
        place = block + sweep * (block + stored) + block
        stored_samples = np.memmap(path, "<i2", "r", place, (samples, channels))
        gain = heads[sweep]["volts"][channel] / ((top + 1) * per_volt[channel])
        return np.array(stored_samples[start:stop, columns[channel]]), gain, 0.0

    return Recording(
        path=path,
        format=f"WinWCP {VERSION}",
        # The header's interval is decimal, those of the records are single precision.
        rate_hz=common_rate([1 / _positive(keys, "DT"), rate]),
        channels=tuple(file_channel(keys.get(f"YN{c}", ""), keys.get(f"YU{c}", "")) for c in range(channels)),
        sweep_samples=(samples,) * records,
        protocol=no_protocol("a WinWCP file holds no stimulus; name the recorded voltage channel"),
        comment=keys.get("ID", ""),
        code_limits=(-top - 1, top),
        notes=_notes(heads),
        _read=read,
    )


def _keys(data, size: int = 1024) -> dict[str, str]:
    text = bytes(data[:size]).split(b"\0")[0].decode(ENCODING, errors="replace")
    pairs = (line.split("=", 1) for line in text.replace("\r", "\n").split("\n") if "=" in line)
    return {key.strip().upper(): value.strip() for key, value in pairs}


def _number(keys: dict[str, str], key: str) -> float:
    try:
        value = float(keys[key].replace(",", "."))
    except KeyError:
        raise InputError(f"its header has no {key}: it is no WinWCP file, or damaged") from None
    except ValueError:
        raise InputError(f"its header says {key}={keys[key]!r}, which is no number") from None
    return value


def _positive(keys: dict[str, str], key: str) -> float:
    value = _number(keys, key)
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"its header says {key}={keys[key]}")
    return value


def _whole(keys: dict[str, str], key: str, low: int, high: int) -> int:
    value = _number(keys, key)
    if not (math.isfinite(value) and value == int(value) and low <= value <= high):
        raise InputError(f"its header says {key}={keys[key]}; {low} to {high} is possible")
    return int(value)


def _record_head(data, place: int, channels: int, keys: dict[str, str]) -> dict:
    status, kind, _, _, interval = struct.unpack_from("<8s4sfff", data, place)
    volts = list(struct.unpack_from(f"<{channels}f", data, place + 24))
    # As WinWCP does: what is zero is that of the first channel; then the converter's range.
    first = volts[0] or _positive(keys, "AD")
    if not (math.isfinite(interval) and interval >= 0):
        raise InputError(f"a record has a sampling interval of {interval:g} s")
    return {
        "rejected": status.decode(ENCODING, errors="replace").upper().startswith("REJECTED"),
        "kind": kind.split(b"\0")[0].decode(ENCODING, errors="replace").strip().upper(),
        "interval_s": interval or _positive(keys, "DT"),
        "volts": [v or first for v in volts],
    }


def _notes(heads: list[dict]) -> tuple[str, ...]:
    notes = []
    rejected = [str(i) for i, h in enumerate(heads) if h["rejected"]]
    if rejected:
        notes.append(f"records marked as rejected in WinWCP (sweep {', '.join(rejected)})")
    leak = [str(i) for i, h in enumerate(heads) if h["kind"] == "LEAK"]
    if leak:
        notes.append(f"records of type LEAK (sweep {', '.join(leak)})")
    return tuple(notes)
