"""A recording as the rest of the package sees it, whatever its format: sweeps, channels and the stimulus.

Samples are read when they are asked for (text formats are read as a whole), so that a long file never stands in memory.
Sweeps and channels count from 0.

Units: currents are handed out in pA and voltages in mV, whatever the file holds; `Channel.original_unit` keeps the
file's own, for what a wrong label looks like. A channel that is neither stays as it is and says so in `Channel.unit`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import (
    MILLIVOLT_PER,
    PICOAMPERE_PER,
    Output,
    Protocol,
    mean_of_runs,
    output_in,
    waveform,
    waveform_runs,
)
from mgk.tables.problems import InputError, Problem

# Extremes are looked for in blocks of about this many samples, so that a long signal never stands in memory.
BLOCK_SAMPLES = 1 << 18


@dataclass(frozen=True)
class Channel:
    """A recorded channel; made by `file_channel`.

    `unit` is pA, mV or what the file says; `original_unit` is the file's, of which `factor` makes the unit. `address`
    is its place in a file of many recordings (HEKA: group/series/trace).
    """

    name: str
    unit: str
    original_unit: str = ""
    factor: float = 1.0
    address: str = ""


@dataclass(frozen=True)
class Telegraph:
    """What the amplifier reported for a channel; None where it did not.

    `gain` multiplies the instrument's scale, `mode` is voltage_clamp, current_clamp or zero_current. Capacitance in pF
    and access resistance in MOhm: those units are not in the file (no source; right in size in the real recordings).
    """

    gain: float | None = None
    filter_hz: float | None = None
    capacitance_pf: float | None = None
    access_mohm: float | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Tag:
    """A comment that was set while recording, at a time from its start."""

    time_s: float
    comment: str


@dataclass(frozen=True)
class Command:
    """The command potential of one sweep: `values_mv` of shape (samples,), `source` recorded or decoded."""

    values_mv: np.ndarray
    source: str


def file_channel(name: str, unit: str, address: str = "") -> Channel:
    """Return the channel whose samples a file holds in `unit`: a current becomes pA, a voltage mV."""
    plain = plain_unit(unit)
    for table, common in ((PICOAMPERE_PER, "pA"), (MILLIVOLT_PER, "mV")):
        if plain in table:
            return Channel(name, common, plain, table[plain], address)
    return Channel(name, plain, plain, 1.0, address)


def plain_unit(text: str) -> str:
    """Return a unit without blanks and with `u` for either sign of micro."""
    return "".join(text.split()).replace("\u00b5", "u").replace("\u03bc", "u")


@dataclass(frozen=True)
class Recording:
    """An open recording.

    `sweep_samples` are samples per channel of each sweep; `code_limits` are the lowest and highest code of the
    converter (None when the file holds scaled floats); `telegraph` is by channel number; `notes` are what the header
    says and a reader should know.
    """

    path: Path
    format: str
    rate_hz: float
    channels: tuple[Channel, ...]
    sweep_samples: tuple[int, ...]
    protocol: Protocol
    comment: str = ""
    code_limits: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    telegraph: dict[int, Telegraph] = field(default_factory=dict)
    tags: tuple[Tag, ...] = ()
    # (sweep, channel, start, stop) -> (stored samples, gain, offset), in the channel's original unit.
    _read: Callable = field(default=None, repr=False, compare=False)
    # sweep -> its command in mV, where the file holds it sample by sample or another reader decodes it.
    _command_mv: Callable | None = field(default=None, repr=False, compare=False)

    def codes(self, sweep: int, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the samples of a sweep as they are stored, shape (stop - start,)."""
        return self._read(sweep, channel, start, self.sweep_samples[sweep] if stop is None else stop)[0]

    def signal(self, sweep: int, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the samples of a sweep in the channel's unit (pA, mV), float64, shape (stop - start,)."""
        stop = self.sweep_samples[sweep] if stop is None else stop
        stored, gain, offset = self._read(sweep, channel, start, stop)
        return self._scaled(stored, channel, gain, offset)

    def extremes(self, sweep: int, channel: int, edges: np.ndarray) -> np.ndarray:
        """Return the lowest and the highest sample between each two edges, in the channel's unit, shape (2, bins).

        Parameters
        ----------
        edges: rising samples of shape (bins + 1,).
        """
        extremes = []
        for first, last in blocks_of(edges):
            inside = edges[first : last + 1]
            stored, gain, offset = self._read(sweep, channel, int(inside[0]), int(inside[-1]))
            starts = inside[:-1] - inside[0]
            ends = np.empty((2, len(starts)), stored.dtype)
            for row, extreme in zip(ends if gain > 0 else ends[::-1], (np.minimum, np.maximum), strict=True):
                extreme.reduceat(stored, starts, out=row)
            extremes.append(self._scaled(ends, channel, gain, offset))
        return extremes[0] if len(extremes) == 1 else np.concatenate(extremes, axis=1)

    def _scaled(self, stored: np.ndarray, channel: int, gain: float, offset: float) -> np.ndarray:
        """Return stored samples in the channel's unit."""
        values = stored.astype(np.float64)
        values *= gain
        if offset:
            values += offset
        if (factor := self.channels[channel].factor) != 1:
            values *= factor
        return values

    def channel_index(self, wanted: str) -> int:
        """Return the number of the channel that has this name or address, or else is this number; the first for ''.

        Raises
        ------
        InputError
            When there is no such channel, or more than one of that name.
        """
        names = [c.name for c in self.channels]
        addresses = [c.address for c in self.channels]
        if wanted == "":
            return 0
        if names.count(wanted) == 1:
            return names.index(wanted)
        if wanted not in names and wanted in addresses:
            return addresses.index(wanted)
        if wanted not in names and wanted.isdecimal() and int(wanted) < len(names):
            return int(wanted)
        shown = ", ".join(f"{c.address or i} = {c.name!r} ({c.unit})" for i, c in enumerate(self.channels))
        raise self.error(f"channel {wanted!r} must be one of: {shown}")

    def commanded_by(self, wanted: str) -> "Recording":
        """Return the recording with one of its D/A outputs, by name or number, as the only one.

        Raises
        ------
        InputError
            When the file holds no such output, or more than one of that name.
        """
        outputs = self.protocol.outputs
        found = [o for o in outputs if o.name == wanted]
        if not found and wanted.isdecimal() and int(wanted) < len(outputs):
            found = [outputs[int(wanted)]]
        if len(found) != 1:
            shown = ", ".join(f"{i} = {o.name!r} ({o.unit})" for i, o in enumerate(outputs))
            raise self.error(f"command_output {wanted!r} must be one of: {shown or 'none, the file holds no stimulus'}")
        return replace(self, protocol=replace(self.protocol, outputs=tuple(found), active=0))

    def decoded_mv(self, sweep: int) -> np.ndarray:
        """Return the command of a sweep as the file's stimulus gives it, in mV, shape (samples,).

        Raises
        ------
        InputError
            When it cannot be decoded, with the reason.
        """
        return self._command_mv(sweep) if self._command_mv else self._decoded(sweep, MILLIVOLT_PER)

    def decoded_means(self, sweep: int, windows: Sequence[slice]) -> list[float]:
        """Return the mean of the decoded command in windows of a sweep, in mV.

        Raises
        ------
        InputError
            When it cannot be decoded, with the reason.
        """
        if self._command_mv:
            command = self._command_mv(sweep)
            return [float(command[window].mean()) for window in windows]
        try:
            output = output_in(self.protocol, MILLIVOLT_PER)
            runs = waveform_runs(self.protocol, output, sweep, self.sweep_samples[sweep])
        except InputError as error:
            raise self.error(str(error)) from None
        return [mean_of_runs(runs, window) * MILLIVOLT_PER[output.unit] for window in windows]

    def decoded_pa(self, sweep: int) -> np.ndarray:
        """Return the current that a current clamp's stimulus injects in a sweep, in pA, shape (samples,).

        Raises
        ------
        InputError
            When it cannot be decoded, with the reason.
        """
        return self._decoded(sweep, PICOAMPERE_PER)

    def _decoded(self, sweep: int, factors: dict[str, float]) -> np.ndarray:
        try:
            output = output_in(self.protocol, factors)
            levels = waveform(self.protocol, output, sweep, self.sweep_samples[sweep])
        except InputError as error:
            raise self.error(str(error)) from None
        # A constant command of a long file is one number seen many times: leave it so.
        factor = factors[output.unit]
        return levels if factor == 1 else levels * factor

    def check_voltage(self, channel: int) -> None:
        """Raise an InputError when the channel is not a voltage."""
        if self.channels[channel].unit != "mV":
            name, unit = self.channels[channel].name, self.channels[channel].unit
            raise self.error(f"channel {name!r} is in {unit!r}, not a voltage ({', '.join(MILLIVOLT_PER)})")

    def recorded_mv(self, sweep: int, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return a recorded voltage channel of a sweep, in mV.

        Raises
        ------
        InputError
            When the channel is not a voltage.
        """
        self.check_voltage(channel)
        return self.signal(sweep, channel, start, stop)

    def command(self, sweep: int, voltage_channel: str = "") -> Command:
        """Return the command of a sweep: the recorded voltage channel where one is named, else the decoded stimulus.

        Raises
        ------
        InputError
            When there is neither.
        """
        if voltage_channel:
            return Command(self.recorded_mv(sweep, self.channel_index(voltage_channel)), "recorded")
        return Command(self.decoded_mv(sweep), "decoded")

    def voltage_output(self) -> Output:
        """Return the D/A channel that commands the voltage."""
        try:
            return output_in(self.protocol, MILLIVOLT_PER)
        except InputError as error:
            raise self.error(str(error)) from None

    def error(self, text: str) -> InputError:
        """Return an InputError that names the file."""
        return file_error(self.path, text)


def blocks_of(edges: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, last) edge of runs of bins that together are no long signal, or of one bin that is."""
    if edges[-1] - edges[0] <= BLOCK_SAMPLES:
        yield 0, len(edges) - 1
        return
    first = 0
    for last in range(1, len(edges)):
        if last == len(edges) - 1 or edges[last + 1] - edges[first] > BLOCK_SAMPLES:
            yield first, last
            first = last


def file_error(path: Path, text: str) -> InputError:
    """Return an InputError that names a file."""
    return InputError(Problem(path.name, None, "", "", text))


# --- for the readers ----------------------------------------------------------------------------------------------

# A time may lie this share of an interval beside its place: print-outs round times; a lost sample moves half of one.
MOST_JITTER = 0.25


def rate_of_times(times_s: np.ndarray) -> float:
    """Return the sampling rate in Hz of times that are evenly spaced, shape (samples,).

    Raises
    ------
    InputError
        When there are fewer than two, or they are not evenly spaced and rising (row given from 0).
    """
    if len(times_s) < 2:
        raise InputError("a sweep of fewer than two samples has no sampling rate")
    interval = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    if not interval > 0:
        raise InputError("the times do not rise")
    away = np.abs(times_s - (times_s[0] + interval * np.arange(len(times_s)))) / interval
    if not away.max() < MOST_JITTER:
        worst = int(np.argmax(away))
        raise InputError(f"the times are not evenly spaced (sample {worst}, {times_s[worst]:.9g} s): samples are lost?")
    # Nine digits: what is left of decimal times in binary numbers is no part of the rate.
    return float(f"{1 / interval:.9g}")


def array_reader(sweeps: list[np.ndarray]) -> Callable:
    """Return the `_read` of a Recording whose samples are in memory: arrays of shape (samples, channels)."""

    def read(sweep: int, channel: int, start: int, stop: int):
        return sweeps[sweep][start:stop, channel], 1.0, 0.0

    return read


def common_rate(rates_hz: list[float]) -> float:
    """Return the one rate of all sweeps.

    Raises
    ------
    InputError
        When they differ.
    """
    if not all(math.isclose(r, rates_hz[0], rel_tol=1e-4) for r in rates_hz):
        raise InputError(f"its sweeps have different sampling rates ({min(rates_hz):g} to {max(rates_hz):g} Hz)")
    return rates_hz[0]
