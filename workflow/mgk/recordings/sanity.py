"""What of a recording cannot be: labels, units, ranges and samples that contradict each other.

Says, does not correct. `mgk.recordings.measure` turns the sentences into verdicts. Thresholds: assumed, no source; they
are far outside what cells and amplifiers do.
"""

import math

import numpy as np

from mgk.recordings.protocol import MILLIVOLT_PER, PICOAMPERE_PER, Output
from mgk.recordings.recording import Recording
from mgk.tables.problems import InputError

MOST_COMMAND_MV = 500.0
MOST_CURRENT_PA = 1e9


def sanity(recording: Recording, channel: int = 0, voltage_channel: int | None = None) -> list[str]:
    """Return what cannot be right in a recording of a voltage clamp, a sentence each; nothing when all can.

    Reads all samples of the channels. Looks at: units of the two channels; a current clamp labelled as a voltage clamp
    (by the amplifier's telegraph, by the D/A outputs); commands beyond 500 mV and currents beyond 1 mA; samples at the
    converter's limits; a channel that never changes or is not finite.

    Parameters
    ----------
    channel, voltage_channel: numbers of the current channel and of the recorded voltage (None: the command is decoded).
    """
    found = _labels(recording, channel, voltage_channel)
    found += _samples(recording, channel, "pA", MOST_CURRENT_PA, "1 mA")
    if voltage_channel is not None:
        found += _samples(recording, voltage_channel, "mV", MOST_COMMAND_MV, "500 mV")
    return found + _command(recording)


def header_sanity(recording: Recording, channel: int, voltage_channel: int | None) -> list[str]:
    """Return what of `sanity` the header alone tells: labels, units and commands, no samples."""
    return _labels(recording, channel, voltage_channel) + _command(recording)


def _labels(recording: Recording, channel: int, voltage_channel: int | None) -> list[str]:
    found, current = [], recording.channels[channel]
    if current.unit != "pA":
        kind = "a voltage: the data of a current clamp?" if current.unit == "mV" else "no current"
        found.append(f"channel {current.name!r} is in {current.original_unit or 'no unit'}, {kind}")
    if voltage_channel is not None and recording.channels[voltage_channel].unit != "mV":
        voltage = recording.channels[voltage_channel]
        found.append(f"voltage channel {voltage.name!r} is in {voltage.original_unit or 'no unit'}, no voltage")
    told = recording.telegraph.get(channel)
    if told and told.mode in ("current_clamp", "zero_current"):
        found.append(f"the amplifier reported {told.mode.replace('_', ' ')} for channel {current.name!r}")
    playing = [o for o in recording.protocol.outputs if o.plays and o.epochs]
    if playing and current.unit == "pA" and all(o.unit in PICOAMPERE_PER for o in playing):
        shown = ", ".join(f"{o.name!r} in {o.unit}" for o in playing)
        found.append(f"the stimulus is a current ({shown}) and channel {current.name!r} as well: one label is wrong")
    return found


def _samples(recording: Recording, channel: int, unit: str, most: float, shown: str) -> list[str]:
    described, limits = recording.channels[channel], recording.code_limits
    low, high, at_limit, samples = math.inf, -math.inf, 0, 0
    for sweep in range(len(recording.sweep_samples)):
        values = recording.signal(sweep, channel)
        if not np.isfinite(values).all():
            return [f"channel {described.name!r} has samples that are not finite (sweep {sweep})"]
        low, high, samples = min(low, float(values.min())), max(high, float(values.max())), samples + values.size
        if limits:
            codes = recording.codes(sweep, channel)
            at_limit += int(np.count_nonzero((codes <= limits[0]) | (codes >= limits[1])))
    found = []
    if low == high and samples > 1 and (low == 0 or unit == "pA"):
        found.append(f"channel {described.name!r} never changes ({low:g} {described.unit})")
    if described.unit == unit and max(-low, high) > most:
        worst = high if high > -low else low
        found.append(f"channel {described.name!r} reaches {worst:g} {unit}, beyond {shown}: its unit is wrong?")
    if at_limit:
        share = f"{100 * at_limit / samples:.3g} % of the samples of channel {described.name!r}"
        found.append(f"{share} stand at the converter's limit")
    return found


def _command(recording: Recording) -> list[str]:
    """Look at the levels of the outputs that command a voltage; one that cannot be decoded has its own sentence."""
    found = []
    for output in recording.protocol.outputs:
        if output.unit in MILLIVOLT_PER and not output.refusal:
            worst = max(_levels(output, len(recording.sweep_samples)), key=abs) * MILLIVOLT_PER[output.unit]
            if abs(worst) > MOST_COMMAND_MV:
                found.append(f"output {output.name!r} commands {worst:g} mV, beyond 500 mV: its unit is wrong?")
    if not recording.protocol.outputs:
        try:
            worst = max(float(np.abs(recording.decoded_mv(s)).max()) for s in range(len(recording.sweep_samples)))
        except InputError:
            return found
        if worst > MOST_COMMAND_MV:
            found.append(f"the command reaches {worst:g} mV, beyond 500 mV: its unit is wrong?")
    return found


def _levels(output: Output, sweeps: int):
    yield output.holding
    for epoch in output.epochs if output.plays else ():
        yield epoch.level
        yield epoch.level + epoch.level_step * (sweeps - 1)
    if output.user_list and output.user_list.parameter == "level":
        yield from output.user_list.values
