"""Writers of recordings in the formats that are read, for the tests, and what damage may end in."""

import struct
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from mgk.recordings import read_recording
from mgk.tables.problems import InputError


def csv_text(columns: dict) -> str:
    rows = zip(*columns.values(), strict=True)
    return "".join(",".join(str(v) for v in row) + "\n" for row in [columns.keys(), *rows])


def atf_text(signals, time_s, *, title="Time (s)", signal_record=True, comment="simulated") -> str:
    """Signals: (name, unit, values of shape (sweeps, samples)); columns run over signals, then over sweeps."""
    sweeps = len(signals[0][2])
    titles = [f"Trace #{s + 1} ({unit})" for s in range(sweeps) for _, unit, _ in signals]
    records = [f'"Comment={comment}"', '"AcquisitionMode=Episodic Stimulation"']
    if signal_record:
        records.append("\t".join(['"Signals="', *(f'"{name}"' for _ in range(sweeps) for name, _, _ in signals)]))
    table = np.column_stack([time_s, *(values[s] for s in range(sweeps) for _, _, values in signals)])
    lines = ["ATF\t1.0", f"{len(records)}\t{table.shape[1]}", *records]
    lines.append("\t".join(f'"{t}"' for t in [title, *titles]))
    lines += ["\t".join(repr(float(v)) for v in row) for row in table]
    return "\r\n".join(lines) + "\r\n"


def wcp_bytes(channels, codes, *, interval_s=1e-4, volts=None, statuses=(), kinds=(), top=32767, **keys) -> bytes:
    """Channels: (name, unit, volt per unit); codes of shape (records, samples, channels); volts: by record, channel."""
    records, samples, count = codes.shape
    block = ((count - 1) // 8 + 1) * 1024
    head = {
        "VER": 9, "CTIME": "01/01/2026 00:00:00", "NC": count, "NR": records, "NBH": block // 512, "NBA": block // 512,
        "NBD": samples * count * 2 // 512, "AD": "5,0", "ADCMAX": top, "NP": samples, "DT": f"{interval_s:g}", "NZ": 20,
    }  # fmt: skip
    for i, (name, unit, gain) in enumerate(channels):
        head |= {f"YN{i}": name, f"YU{i}": unit, f"YG{i}": gain, f"YZ{i}": 0, f"YO{i}": i, f"YR{i}": 0}
    head |= {"ID": "simulated"} | keys
    text = "".join(f"{k}={v}\r\n" for k, v in head.items() if v is not None).encode("cp1252")
    out = text.ljust(block, b"\0")
    volts = np.full((records, count), 5.0) if volts is None else np.asarray(volts)
    for i in range(records):
        status = (statuses[i] if i < len(statuses) else "ACCEPTED").encode()
        kind = (kinds[i] if i < len(kinds) else "TEST").encode()
        analysis = struct.pack("<8s4sfff", status, kind, 0.0, float(i), interval_s)
        analysis += struct.pack(f"<{count}f", *volts[i])
        out += analysis.ljust(block, b"\0") + codes[i].astype("<i2").tobytes()
    return out


# --- ABF1 ---------------------------------------------------------------------------------------------------------


def abf1_bytes(values, *, long_form=True, lists="", units=("mV", "pA")) -> bytes:
    """One channel, values of shape (sweeps, samples); a step of 100 a sweep on a level of -30, in the second unit."""
    sweeps, samples = np.shape(values)
    blocks = 12 if long_form else 4
    head = bytearray(512 * blocks)
    struct.pack_into("<4sfhihi", head, 0, b"ABF ", 1.83 if long_form else 1.3, 5, sweeps * samples, 0, sweeps)
    struct.pack_into("<h", head, 36, 1)
    struct.pack_into("<i", head, 40, blocks)
    struct.pack_into("<h", head, 120, 1)
    struct.pack_into("<f", head, 122, 200.0)
    struct.pack_into("<i", head, 138, samples)
    struct.pack_into("<i", head, 146, sweeps)
    struct.pack_into("<ffii", head, 244, 10.0, 10.0, 32768, 32768)
    struct.pack_into("<16h", head, 378, *range(16))
    struct.pack_into("<16h", head, 410, 0, *([-1] * 15))
    head[442:452], head[602:610] = b"IN 0".ljust(10), units[0].encode().ljust(8)
    for offset, value in ((730, 1.0), (922, 0.05), (1050, 1.0)):
        struct.pack_into("<16f", head, offset, *([value] * 16))
    head[1306:1316], head[1346:1354] = b"Cmd 0".ljust(10), units[1].encode().ljust(8)
    struct.pack_into("<f", head, 1394, -30.0)
    if long_form:
        struct.pack_into("<hh", head, 2296, 1, 0)
        struct.pack_into("<hh", head, 2300, 1, 0)
        struct.pack_into("<hh", head, 2308, 1, 2)
        struct.pack_into("<ff", head, 2348, -100.0, 50.0)
        struct.pack_into("<ff", head, 2428, 100.0, 0.0)
        struct.pack_into("<ii", head, 2508, 20, 11)
        if lists:
            struct.pack_into("<h", head, 3360, 1)
            struct.pack_into("<h", head, 3368, 21)
            head[3376:3632] = lists.encode().ljust(256)
    codes = np.rint(np.asarray(values) * 0.05 * 32768 / 10).clip(-32768, 32767).astype("<i2")
    return bytes(head) + codes.tobytes()


# --- HEKA ---------------------------------------------------------------------------------------------------------

PULSED_SIZES, STIMULUS_SIZES = (544, 128, 1408, 288, 512), (584, 248, 400, 80)
DATA_PLACE = 256


def _record(size: int, *fields) -> bytes:
    raw = bytearray(size)
    for code, offset, value in fields:
        struct.pack_into(f"<{code}", raw, offset, value.encode() if isinstance(value, str) else value)
    return bytes(raw)


def _tree(sizes, root) -> bytes:
    def node(entry) -> bytes:
        record, below = entry
        return record + struct.pack("<i", len(below)) + b"".join(map(node, below))

    return b"eerT" + struct.pack(f"<{len(sizes) + 1}i", len(sizes), *sizes) + node(root)


def heka_segment(duration_s, level=None, step=0.0, duration_step_s=0.0, kind=0, stored=1, mode=0, source=0):
    """Return a segment record; without a level it is at holding."""
    source = 1 if level is None else source
    return _record(
        80, ("b", 4, kind), ("b", 5, stored), ("b", 6, mode), ("b", 7, 5 if duration_step_s == 0 else 0),
        ("d", 8, level or 0.0), ("i", 16, source), ("d", 20, 1.0), ("d", 28, step), ("d", 36, duration_s),
        ("d", 48, 1.0), ("d", 56, duration_step_s),
    )  # fmt: skip


def heka_stimulus(segments, holding=-0.08, unit="V", flags=1, mode=1):
    """Return a stimulus channel with its segments."""
    fields = ("b", 25, mode), ("8s", 40, unit), ("d", 48, holding), ("H", 76, flags)
    return _record(400, *fields), [(s, []) for s in segments]


def heka_bytes(series, stimuli, *, interval_s=1e-4, scale=1e-12, trace_fields=()) -> bytes:
    """Write one group, "cell".

    Series: {label: [(trace label, unit, output, kind, codes of shape (sweeps, samples))]}; stimuli: {label: channels}.
    """
    data, nodes = b"", []
    for number, (label, traces) in enumerate(series.items(), 1):
        sweeps = []
        for s in range(len(traces[0][4])):
            records = []
            for name, unit, output, kind, codes in traces:
                place = DATA_PLACE + len(data)
                data += codes[s].astype("<i2").tobytes()
                records.append((
                    _record(
                        512, ("32s", 4, name), ("i", 40, place), ("i", 44, len(codes[s])), ("H", 64, kind | 1),
                        ("b", 68, 3), ("b", 70, 0), ("d", 72, scale), ("8s", 96, unit), ("d", 104, interval_s),
                        ("8s", 120, "s"), ("d", 176, 20e-12), ("d", 184, 1e-7), ("i", 216, output), *trace_fields,
                    ),
                    [],
                ))  # fmt: skip
            sweeps.append((_record(288, ("i", 40, number)), records))
        nodes.append((_record(1408, ("32s", 4, label)), sweeps))
    pulsed = _tree(PULSED_SIZES, (bytes(544), [(_record(128, ("32s", 4, "cell")), nodes)]))
    entries = [(_record(248, ("32s", 4, label)), stimuli[label]) for label in series]
    stimulus = _tree(STIMULUS_SIZES, (bytes(584), entries))
    data += bytes(-len(data) % 8)
    header = bytearray(struct.pack("<8s32sdi?", b"DAT2", b"v2x90.5, simulated", 0.0, 3, True).ljust(DATA_PLACE, b"\0"))
    place = DATA_PLACE
    for i, (part, kind) in enumerate(((data, b".dat"), (pulsed, b".pul"), (stimulus, b".pgf"))):
        struct.pack_into("<ii8s", header, 64 + 16 * i, place, len(part), kind)
        place += len(part)
    return bytes(header) + data + pulsed + stimulus


# --- damage -------------------------------------------------------------------------------------------------------


@contextmanager
def input_errors_only(path):
    """Let an InputError that names the file pass by."""
    with suppress(InputError):
        try:
            yield
        except InputError as error:
            if path.name not in str(error):
                pytest.fail(f"does not name the file: {error}")
            raise


def outcome(path, channel=""):
    """Read all that can be read: the samples by (sweep, channel), or None after an InputError."""
    found = None
    with input_errors_only(path):
        recording = read_recording(path, channel)
        places = [(s, c) for s in range(len(recording.sweep_samples)) for c in range(len(recording.channels))]
        signals = {place: recording.signal(*place) for place in places}
        assert all(len(v) == recording.sweep_samples[s] for (s, _), v in signals.items())
        found = recording, signals
        for sweep, samples in enumerate(recording.sweep_samples):
            with input_errors_only(path):
                assert recording.decoded_mv(sweep).shape == (samples,)
    return found
