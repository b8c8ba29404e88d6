"""The command that a stimulus protocol asks for: epochs and holding levels turned into samples.

Works on plain data; reading the protocol out of a file's header is the business of the format's module. Where a
protocol cannot be turned into samples with certainty, it carries the reason (`refusal`) and asking for its command is
an InputError: a wrong command is worse than none.

Vocabulary: an *output* is a D/A channel; an *epoch* is one column of its waveform table (A is number 0); *level before*
is the level of the epoch before, or the level before the first epoch; a *user list* replaces one parameter of one epoch
from sweep to sweep. Levels are in the output's unit, durations in samples per channel, sweeps count from 0.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mgk.tables.problems import InputError

# An episodic sweep starts at its holding level, for this share of its samples, before epoch A (pCLAMP's file format).
PRE_HOLD_DIVISOR = 64
TRAINS = ("pulse", "biphasic", "triangle", "cosine")
MILLIVOLT_PER = {"mV": 1.0, "V": 1e3, "uV": 1e-3}
PICOAMPERE_PER = {"pA": 1.0, "nA": 1e3, "uA": 1e6, "mA": 1e9, "A": 1e12, "fA": 1e-3}


@dataclass(frozen=True)
class Epoch:
    """One column of the waveform table; the `_step`s add up from sweep to sweep, `period` and `width` are of trains."""

    number: int
    kind: str
    level: float
    samples: int
    level_step: float = 0.0
    samples_step: int = 0
    period: int = 0
    width: int = 0

    @property
    def letter(self) -> str:
        """The epoch's name in the waveform table."""
        return chr(ord("A") + self.number)


@dataclass(frozen=True)
class UserList:
    """Values that replace `parameter` (level, samples, period or width) of one epoch, one a sweep."""

    epoch: int
    parameter: str
    values: tuple[float, ...]
    repeats: bool

    def value(self, sweep: int) -> float:
        """Return the value for a sweep: when the list is used up it starts again, or its last value stays."""
        return self.values[sweep % len(self.values) if self.repeats else min(sweep, len(self.values) - 1)]


@dataclass(frozen=True)
class Output:
    """A D/A channel: what it holds and which epochs it plays; `persists`: the last level stays between sweeps.

    `rests_in`: of outputs that alternate, in the even (0) or the odd (1) sweeps it stays at its holding level.
    `conditioned`: the level that a conditioning train before each sweep leaves, where the sweep then starts.
    """

    name: str
    unit: str
    holding: float
    epochs: tuple[Epoch, ...] = ()
    persists: bool = False
    user_list: UserList | None = None
    plays: bool = True
    refusal: str = ""
    rests_in: int | None = None
    conditioned: float | None = None


@dataclass(frozen=True)
class Protocol:
    """The stimulus of a recording: length of a whole sweep, outputs, whether epochs are played, the active output.

    `pre_hold`: the samples before epoch A, at the level where the sweep starts; None: those of pCLAMP.
    """

    sweep_samples: int
    outputs: tuple[Output, ...]
    episodic: bool
    active: int = 0
    refusal: str = ""
    pre_hold: int | None = None


def waveform(protocol: Protocol, output: Output, sweep: int, samples: int) -> np.ndarray:
    """Return the command of one sweep, in the output's unit.

    A ramp runs from the level before at its first sample to its own level at its last one. (The vendor's library puts
    the ramp one increment later; a recorded D/A signal lay half an increment from either.)

    Parameters
    ----------
    samples: how many samples the sweep has; an aborted sweep is shorter than the protocol's.

    Returns
    -------
    array of shape (samples,); read-only when the level does not change.

    Raises
    ------
    InputError
        When the command cannot be decoded, with the reason.
    """
    runs = waveform_runs(protocol, output, sweep, samples)
    if len(runs) == 1:
        return np.broadcast_to(runs[0][2], samples)
    values = np.empty(samples)
    for start, stop, run in runs:
        values[start:stop] = run
    return values


def waveform_runs(protocol: Protocol, output: Output, sweep: int, samples: int) -> list[tuple]:
    """Return the command of one sweep in runs: (start, stop, level) where it stays, (start, stop, values) where not.

    Parameters, units and errors as those of `waveform`, which joins the runs.
    """
    _refuse(protocol, output)
    if not (protocol.episodic and output.plays) or sweep % 2 == output.rests_in:
        return [(0, samples, output.holding)]
    total = protocol.sweep_samples
    if samples > total:
        raise InputError(f"sweep {sweep} has {samples} samples, the protocol only {total}: its command is not known")
    before = held = _level_at_start(output, sweep)
    position = _pre_hold(protocol) if output.epochs else samples
    runs = [(0, min(position, samples), before)]
    for start, epoch in _timed_epochs(protocol, output, sweep):
        position = start + epoch.samples
        if position > total:
            raise InputError(f"the epochs of sweep {sweep} last longer than the sweep: its command is not known")
        if start < samples:
            stop = min(position, samples)
            runs.append((start, stop, _shape(epoch, before, held, stop - start)))
        before = epoch.level
    if position < samples:
        after = before if output.persists else output.holding
        runs.append((position, samples, after))
    return runs


def mean_of_runs(runs: Sequence[tuple], window: slice) -> float:
    """Return the mean command in a window of samples, of the runs of a sweep; exact where the level does not change."""
    sums, samples = [], window.stop - window.start
    for start, stop, run in runs:
        first, last = max(window.start, start), min(window.stop, stop)
        constant = not isinstance(run, np.ndarray)
        if constant and last - first == samples:
            return float(run)
        if first < last:
            sums.append(run * (last - first) if constant else float(np.add.reduce(run[first - start : last - start])))
    return math.fsum(sums) / samples


def epoch_start(protocol: Protocol, output: Output, letter: str, sweep: int) -> int:
    """Return the sample at which an epoch starts in a sweep.

    Raises
    ------
    InputError
        When the protocol has no such epoch in this sweep, or cannot be decoded.
    """
    _refuse(protocol, output)
    if protocol.episodic and output.plays:
        for start, epoch in _timed_epochs(protocol, output, sweep):
            if epoch.letter == letter:
                return start
    raise InputError(f"output {output.name!r} plays no epoch {letter} in sweep {sweep}")


def voltage_output(protocol: Protocol) -> Output:
    """Return the output that commands a voltage: see `output_in`."""
    return output_in(protocol, MILLIVOLT_PER)


def output_in(protocol: Protocol, units: Iterable[str]) -> Output:
    """Return the output whose unit is one of these: the one that plays epochs, else the one the header calls active.

    Raises
    ------
    InputError
        When there is none, or more than one.
    """
    if not protocol.outputs and protocol.refusal:
        raise InputError(f"the command cannot be decoded: {protocol.refusal}")
    fitting = [o for o in protocol.outputs if o.unit in units]
    candidates = [o for o in fitting if o.plays] if protocol.episodic else []
    if not candidates:
        candidates = [o for o in fitting if o is protocol.outputs[protocol.active]]
    if len(candidates) != 1:
        names = ", ".join(repr(o.name) for o in candidates) or "none"
        quantity = "voltage" if "mV" in units else "current"
        choose = "; command_output of recordings.csv names one" if candidates else ""
        raise InputError(f"one D/A output must command the {quantity}; the header has {names}{choose}")
    return candidates[0]


def no_protocol(reason: str) -> Protocol:
    """Return the protocol of a file that has none, with the reason."""
    return Protocol(0, (), True, refusal=reason)


def _refuse(protocol: Protocol, output: Output) -> None:
    reason = protocol.refusal or output.refusal
    if reason:
        raise InputError(f"the command cannot be decoded: {reason}")


def _pre_hold(protocol: Protocol) -> int:
    if protocol.pre_hold is not None:
        return protocol.pre_hold
    return max(protocol.sweep_samples // PRE_HOLD_DIVISOR, 1)


def _in_sweep(output: Output, epoch: Epoch, sweep: int) -> Epoch:
    """Return the epoch as it is played in a sweep."""
    played = epoch
    if epoch.level_step or epoch.samples_step:
        level, samples = epoch.level + epoch.level_step * sweep, epoch.samples + epoch.samples_step * sweep
        played = replace(epoch, level=level, samples=samples)
    chosen = output.user_list
    if chosen is None or chosen.epoch != epoch.number:
        return played
    value = chosen.value(sweep)
    return replace(played, **{chosen.parameter: value if chosen.parameter == "level" else int(value)})


def _timed_epochs(protocol: Protocol, output: Output, sweep: int):
    position = _pre_hold(protocol)
    for epoch in output.epochs:
        played = _in_sweep(output, epoch, sweep)
        if played.samples > 0:
            yield position, played
            position += played.samples


def _level_at_start(output: Output, sweep: int) -> float:
    if output.conditioned is not None:
        return output.conditioned
    if not output.persists or sweep == 0 or not output.epochs:
        return output.holding
    return _in_sweep(output, output.epochs[-1], sweep - 1).level


def _shape(epoch: Epoch, before: float, held: float, samples: int) -> np.ndarray | float:
    """Return the first samples of an epoch (the definitions of the trains are those of pCLAMP's file library).

    `held` is the level at which the sweep started: an epoch of resistance stays there for its first half.
    """
    if epoch.kind == "step":
        return epoch.level
    sample = np.arange(samples)
    height = epoch.level - before
    if epoch.kind == "resistance":
        return np.where(sample < epoch.samples // 2, held, epoch.level)
    if epoch.kind == "ramp":
        return before + height * (sample / max(epoch.samples - 1, 1))
    if epoch.kind not in TRAINS:
        raise InputError(f"the command cannot be decoded: epoch {epoch.letter} is of an unknown kind ({epoch.kind})")
    if epoch.period < 1 or not 0 <= epoch.width <= epoch.period:
        raise InputError(f"epoch {epoch.letter}: a train of width {epoch.width} and period {epoch.period} samples")
    phase = sample % epoch.period
    part = epoch.samples % epoch.period
    whole = sample < epoch.samples - part
    if epoch.kind == "pulse":
        return before + height * ((phase < epoch.width) & (whole | (part >= epoch.width)))
    if epoch.kind == "biphasic":
        relative = np.where(phase < epoch.width // 2, 1, np.where(phase < epoch.width, -1, 0))
        return before + height * np.where(whole | (part >= epoch.width), relative, 0)
    if epoch.kind == "triangle":
        rise = phase / max(epoch.width, 1)
        fall = (epoch.period - phase) / max(epoch.period - epoch.width, 1)
        return before + height * np.where(whole, np.where(phase < epoch.width, rise, fall), 0)
    return before + height * np.where(whole, 0.5 - 0.5 * np.cos(2 * np.pi * phase / epoch.period), 0)
