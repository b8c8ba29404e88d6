"""Where in a current-clamp recording current is injected, and how much.

The step is the stretch of samples in which the command differs from sweep to sweep (of a single level: from the holding
level); `excitability.step_ms` of config.yaml says it where this does not, and must where only the recorded current
tells. The baseline is what lies before the step at one level of the command: a test pulse before it is left out.

A recorded current channel (`current_channel` of recordings.csv) wins over the decoded command, as a recorded voltage
does in voltage clamp; where both exist they are compared. Currents in pA; the *step* is what is injected less what is
injected before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mgk.recordings.plan import measured_sweeps, text_of
from mgk.recordings.recording import Recording
from mgk.tables.problems import InputError

# Levels nearer than this are one (assumed, no source: below what amplifiers resolve).
SAME_LEVEL_PA = 0.01
SHORTEST_MS = 20.0


@dataclass(frozen=True)
class Stimulus:
    """The samples of baseline and step, and for each sweep what was injected in them, pA.

    `difference_pa`: largest difference of the recorded from the decoded current in a step (NaN where one is missing).
    """

    baseline: slice
    step: slice
    holding_pa: dict[int, float]
    injected_pa: dict[int, float]
    source: str
    difference_pa: float

    def step_pa(self, sweep: int) -> float:
        """Return the current of the step over that before it."""
        return self.injected_pa[sweep] - self.holding_pa[sweep]


def find_stimulus(row: Mapping, recording: Recording, settings: Mapping) -> Stimulus:
    """Return where and how much current is injected.

    Parameters
    ----------
    row : mapping
        The row of recordings.csv; `current_channel` names a recorded current.
    settings : mapping
        `excitability` of the experiment: `step_ms` and `baseline_ms`, from the start of the sweep, where given.

    Raises
    ------
    InputError
        When the command is neither recorded nor can be decoded, no step is found, or a window lies outside a sweep.
    """
    sweeps = measured_sweeps(recording)
    channel = _current_channel(row, recording)
    decoded, why = _decoded(recording, sweeps)
    if decoded is None and channel is None:
        raise recording.error(f"{text_of(row, 'recording_id')}: no current_channel is named, and {why}")
    step = _window(recording, settings.get("step_ms"), "step_ms") or _varying(recording, decoded)
    baseline = _window(recording, settings.get("baseline_ms"), "baseline_ms") or _before(step, decoded)
    if baseline.stop > step.start:
        raise recording.error("baseline_ms must end before the step starts")
    told = {s: _means(decoded[s], baseline, step) for s in sweeps} if decoded is not None else None
    if channel is None:
        return Stimulus(baseline, step, *_columns(told), "decoded", np.nan)
    seen = {s: _means(recording.signal(s, channel), baseline, step) for s in sweeps}
    apart = max(abs(seen[s][1] - told[s][1]) for s in sweeps) if told else np.nan
    return Stimulus(baseline, step, *_columns(seen), "recorded", apart)


def _columns(levels: Mapping[int, tuple[float, float]]) -> tuple[dict[int, float], dict[int, float]]:
    return {s: v[0] for s, v in levels.items()}, {s: v[1] for s, v in levels.items()}


def _means(current: np.ndarray, *windows: slice) -> tuple[float, ...]:
    return tuple(float(current[w].mean()) for w in windows)


def _current_channel(row: Mapping, recording: Recording) -> int | None:
    name = text_of(row, "current_channel")
    if not name:
        return None
    channel = recording.channel_index(name)
    if recording.channels[channel].unit != "pA":
        unit = recording.channels[channel].original_unit or "no unit"
        raise recording.error(f"current_channel {name!r} is in {unit}, no current")
    return channel


def _decoded(recording: Recording, sweeps: range) -> tuple[list[np.ndarray] | None, str]:
    try:
        return [recording.decoded_pa(s) for s in sweeps], ""
    except InputError as error:
        return None, error.problems[0].allowed


def _window(recording: Recording, asked, name: str) -> slice | None:
    """Return the samples of a window of the settings; None where there is none."""
    if not asked:
        return None
    first, last = (round(ms * recording.rate_hz / 1e3) for ms in asked)
    if not 0 <= first < last <= min(recording.sweep_samples[s] for s in measured_sweeps(recording)):
        shortest = min(recording.sweep_samples) * 1e3 / recording.rate_hz
        raise recording.error(
            f"excitability.{name} ({asked[0]:g} to {asked[1]:g} ms) lies outside a sweep of {shortest:g} ms"
        )
    return slice(first, last)


def _varying(recording: Recording, decoded: list[np.ndarray] | None) -> slice:
    """Return the samples in which the command differs between sweeps, else from its first level."""
    if decoded is None:
        raise recording.error("excitability.step_ms is needed: the command is recorded only, and cannot be decoded")
    shortest = min(map(len, decoded))
    low, high = decoded[0][:shortest].copy(), decoded[0][:shortest].copy()
    for command in decoded[1:]:
        np.minimum(low, command[:shortest], out=low)
        np.maximum(high, command[:shortest], out=high)
    moved = high - low > SAME_LEVEL_PA
    if not moved.any():
        moved = np.abs(low - low[0]) > SAME_LEVEL_PA
    found = np.flatnonzero(moved)
    if not found.size:
        raise recording.error("the command injects no step: it is the same in all samples")
    step = slice(int(found[0]), int(found[-1]) + 1)
    if not moved[step].all() or any(np.ptp(command[step]) > SAME_LEVEL_PA for command in decoded):
        raise recording.error(
            "the command has no single step of constant current (a ramp, or several steps); excitability.step_ms says "
            "which part is the step"
        )
    if step.stop - step.start < SHORTEST_MS * recording.rate_hz / 1e3:
        raise recording.error(f"the step is shorter than {SHORTEST_MS:g} ms")
    if step.start < 2:
        raise recording.error("the step begins with the sweep: nothing before it tells the resting potential")
    return step


def _before(step: slice, decoded: list[np.ndarray] | None) -> slice:
    """Return the samples before the step at the level that the command has just before it."""
    if decoded is None:
        return slice(0, step.start)
    start = 0
    for command in decoded:
        changed = np.flatnonzero(np.abs(command[: step.start] - command[step.start - 1]) > SAME_LEVEL_PA)
        start = max(start, int(changed[-1]) + 1 if changed.size else 0)
    return slice(start, step.start)
