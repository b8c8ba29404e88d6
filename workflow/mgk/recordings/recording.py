"""A recording as the rest of the package sees it, whatever its format: sweeps, channels and the stimulus protocol.

Samples are read when they are asked for, so that a long file never stands in memory as a whole. Units are those of the
file; sweeps and channels count from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mgk.recordings.protocol import MILLIVOLT_PER, Output, Protocol, voltage_output, waveform
from mgk.tables.problems import InputError, Problem


@dataclass(frozen=True)
class Channel:
    """An A/D channel."""

    name: str
    unit: str


@dataclass(frozen=True)
class Command:
    """The command potential of one sweep: `values_mv` of shape (samples,), `source` recorded or decoded."""

    values_mv: np.ndarray
    source: str


@dataclass(frozen=True)
class Recording:
    """An open recording.

    `sweep_samples` are samples per channel of each sweep; `code_limits` are the lowest and highest code of the
    converter (None when the file holds scaled floats); `notes` are what the header says and a reader should know.
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
    _read: Callable = field(default=None, repr=False, compare=False)

    def codes(self, sweep: int, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the samples of a sweep as they are stored, shape (stop - start,)."""
        return self._read(sweep, channel, start, self.sweep_samples[sweep] if stop is None else stop)[0]

    def signal(self, sweep: int, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the samples of a sweep in the channel's unit, float64, shape (stop - start,)."""
        stop = self.sweep_samples[sweep] if stop is None else stop
        stored, gain, offset = self._read(sweep, channel, start, stop)
        return stored.astype(np.float64) * gain + offset

    def channel_index(self, wanted: str) -> int:
        """Return the number of the channel that has this name, or else is this number; the first for ''.

        Raises
        ------
        InputError
            When there is no such channel, or more than one of that name.
        """
        names = [c.name for c in self.channels]
        if wanted == "":
            return 0
        if names.count(wanted) == 1:
            return names.index(wanted)
        if wanted not in names and wanted.isdecimal() and int(wanted) < len(names):
            return int(wanted)
        shown = ", ".join(f"{i} = {c.name!r} ({c.unit})" for i, c in enumerate(self.channels))
        raise self.error(f"channel {wanted!r} must be one of: {shown}")

    def decoded_mv(self, sweep: int) -> np.ndarray:
        """Return the command of a sweep as decoded from the protocol, in mV, shape (samples,).

        Raises
        ------
        InputError
            When it cannot be decoded, with the reason.
        """
        try:
            output = voltage_output(self.protocol)
            levels = waveform(self.protocol, output, sweep, self.sweep_samples[sweep])
        except InputError as error:
            raise self.error(str(error)) from None
        # A constant command of a long file is one number seen many times: leave it so.
        return levels if output.unit == "mV" else levels * MILLIVOLT_PER[output.unit]

    def check_voltage(self, channel: int) -> None:
        """Raise an InputError when the channel's unit is not that of a voltage."""
        if self.channels[channel].unit not in MILLIVOLT_PER:
            name, unit, allowed = self.channels[channel].name, self.channels[channel].unit, ", ".join(MILLIVOLT_PER)
            raise self.error(f"channel {name!r} is in {unit!r}, not a voltage ({allowed})")

    def recorded_mv(self, sweep: int, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return a recorded voltage channel of a sweep, in mV.

        Raises
        ------
        InputError
            When the channel's unit is not that of a voltage.
        """
        self.check_voltage(channel)
        return self.signal(sweep, channel, start, stop) * MILLIVOLT_PER[self.channels[channel].unit]

    def command(self, sweep: int, voltage_channel: str = "") -> Command:
        """Return the command of a sweep: the recorded voltage channel where one is named, else the decoded protocol.

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
            return voltage_output(self.protocol)
        except InputError as error:
            raise self.error(str(error)) from None

    def error(self, text: str) -> InputError:
        """Return an InputError that names the file."""
        return InputError(Problem(self.path.name, None, "", "", text))
