"""NWB files with intracellular electrophysiology as recordings; read through pynwb, in the lab environment only.

A VoltageClampSeries or CurrentClampSeries of the acquisition is a sweep; those of one electrode, in the order of their
sweep numbers (else of their starting times, else of their names), are a recording. `channel` names the electrode where
there are several. The command is the stimulus series of the same electrode and sweep, as it is stored.

Values are data * conversion + offset, in the series' unit (A, V); series of several columns are refused.
"""

import importlib.util
import math
import re
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import MILLIVOLT_PER, no_protocol
from mgk.recordings.recording import Recording, Telegraph, common_rate, file_channel, plain_unit, rate_of_times
from mgk.tables.problems import InputError

UNITS = {"volts": "V", "volt": "V", "amperes": "A", "ampere": "A"}
NO_STIMULUS = "it holds no voltage stimulus of each sweep"


def read_nwb(path: Path, channel: str = "") -> Recording:
    """Open the sweeps of one electrode of an NWB file; `channel` is the electrode's name, '' where there is one.

    Raises
    ------
    InputError
        When pynwb is not there, the file is no NWB file of patch-clamp sweeps, or `channel` names no electrode of it.
    """
    electrodes, stimuli = _series(path)
    if channel == "" and len(electrodes) == 1:
        channel = next(iter(electrodes))
    if channel not in electrodes:
        shown = "; ".join(f"{name} ({len(sweeps)} sweeps)" for name, sweeps in electrodes.items())
        raise InputError(f"channel must name one electrode{f', not {channel!r}' if channel else ''}: {shown}")
    sweeps = electrodes[channel]
    units = {s["unit"] for s in sweeps}
    if len(units) != 1:
        raise InputError(f"the sweeps of electrode {channel!r} are in {', '.join(sorted(units))}: not one recording")
    commands = [_command(s, stimuli.get(channel, [])) for s in sweeps]
    found = [c for c in commands if c is not None]
    return Recording(
        path=path,
        format="NWB",
        rate_hz=common_rate([s["rate_hz"] for s in sweeps]),
        channels=(file_channel(channel, units.pop()),),
        sweep_samples=tuple(len(s["values"]) for s in sweeps),
        protocol=no_protocol(NO_STIMULUS),
        comment=sweeps[0]["session"],
        telegraph={0: sweeps[0]["telegraph"]},
        _read=lambda sweep, _, start, stop: (sweeps[sweep]["values"][start:stop], 1.0, 0.0),
        _command_mv=commands.__getitem__ if len(found) == len(sweeps) else None,
    )


def check_nwb(path: Path) -> None:
    """Raise an InputError when an NWB file cannot be read, or holds no sweeps."""
    _series(path)


def _series(path: Path) -> tuple[dict[str, list[dict]], dict[str, list[dict]]]:
    """Return the sweeps and the stimuli of each electrode, in order."""
    if importlib.util.find_spec("pynwb") is None:
        raise InputError("NWB files are read through pynwb, which is in the lab environment: make report WITH=lab")
    from pynwb import NWBHDF5IO
    from pynwb.icephys import PatchClampSeries

    try:
        with NWBHDF5IO(str(path), "r") as file:
            content = file.read()
            session = content.session_description or ""
            recorded = [s for s in content.acquisition.values() if isinstance(s, PatchClampSeries)]
            given = [s for s in content.stimulus.values() if isinstance(s, PatchClampSeries)]
            sweeps = _by_electrode([_sweep(s, session) for s in recorded])
            stimuli = _by_electrode([_sweep(s, session) for s in given])
    except InputError:
        raise
    except Exception as error:  # h5py and pynwb meet a damaged file with whatever they stumble over
        raise InputError(f"pynwb cannot read it: {error}") from None
    if not sweeps:
        raise InputError("holds no voltage-clamp or current-clamp series in its acquisition")
    return sweeps, stimuli


def _sweep(series, session: str) -> dict:
    data = np.asarray(series.data[:], dtype=np.float64)
    values = data * float(series.conversion) + float(series.offset or 0.0)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise InputError(f"series {series.name!r} is no row of finite numbers")
    if series.rate is not None:
        rate, start = float(series.rate), float(series.starting_time or 0.0)
    else:
        times = np.asarray(series.timestamps[:], dtype=np.float64)
        rate, start = rate_of_times(times), float(times[0])
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"series {series.name!r} has a sampling rate of {rate:g} Hz")
    return {
        "name": series.name,
        "electrode": series.electrode.name,
        "number": None if series.sweep_number is None else int(series.sweep_number),
        "start_s": start,
        "rate_hz": rate,
        "unit": UNITS.get(series.unit, plain_unit(series.unit or "")),
        "values": values,
        "session": session,
        "telegraph": _telegraph(series),
    }


def _telegraph(series) -> Telegraph:
    def known(name: str, factor: float) -> float | None:
        value = getattr(series, name, None)
        return None if value is None or not math.isfinite(value) else float(value) * factor

    return Telegraph(
        gain=known("gain", 1.0),
        capacitance_pf=known("whole_cell_capacitance_comp", 1e12),
        access_mohm=known("whole_cell_series_resistance_comp", 1e-6),
        mode="current_clamp"
        if type(series).__name__ in ("CurrentClampSeries", "IZeroClampSeries")
        else "voltage_clamp",
    )


def _by_electrode(sweeps: list[dict]) -> dict[str, list[dict]]:
    numbered = all(s["number"] is not None for s in sweeps)
    ordered = sorted(sweeps, key=lambda s: (s["number"] if numbered else 0, s["start_s"], _natural(s["name"])))
    return {
        name: [s for s in ordered if s["electrode"] == name] for name in dict.fromkeys(s["electrode"] for s in ordered)
    }


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Return a key that sorts the numbers in names as numbers: sweep_2 before sweep_10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]


def _command(sweep: dict, stimuli: list[dict]) -> np.ndarray | None:
    """Return the stimulus that belongs to a sweep in mV, shape (samples,); None when there is not one that fits."""
    key = "start_s" if sweep["number"] is None else "number"
    fitting = [s for s in stimuli if s[key] == sweep[key] and s["unit"] in MILLIVOLT_PER]
    if len(fitting) != 1 or len(fitting[0]["values"]) != len(sweep["values"]):
        return None
    return fitting[0]["values"] * MILLIVOLT_PER[fitting[0]["unit"]]
