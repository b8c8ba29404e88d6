"""The membrane test: access resistance, membrane resistance and capacitance from a test step or a pair of ramps.

The method is a column of the result, because on real neurons the capacitance depends on it up to threefold (the
project's notes on recordings, section 3). Works on one recording at a time, sweep by sweep, so that what changes over
the file is seen; whether it is good enough is judged in `mgk.recordings.quality`. The amplifier's convention of sign
holds throughout: current and potential of the pipette.

*charge*: for a step dV the current is I(t) = Iss + (dV/Ra - dI) exp(-t/tau), dI = Iss - Ibase = dV/(Ra + Rm), and
tau = Cm Ra Rm/(Ra + Rm). The charge Q = integral(I - Iss) + dI delay = Cm dV (Rm/(Ra + Rm))^2, the delay being that of
filter and electrode; the integral runs over 10 tau at the most. Ra = (tau/Cm)(Ra + Rm)/Rm, iterated from Ra = 0.
*ramp*: at the same potential the currents on the way up and down differ by 2 Cm dV/dt; their mean has the slope 1/R,
R = Ra + Rm, which stands as membrane resistance: ramps tell no access.

A sweep in which the converter clips during the test is not tested.
Vocabulary: *drift* is the mean of the last third of the sweeps against that of the first third, in percent (of the
holding current in pA). Resistances in MOhm, capacitance in pF, times in ms.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mgk.recordings.protocol import epoch_start
from mgk.recordings.recording import Recording
from mgk.tables.problems import InputError

MEMBRANE_COLUMNS = (
    "method", "n_sweeps", "step_mv", "access_mohm", "membrane_mohm", "capacitance_pf", "tau_ms", "holding_pa",
    "access_drift_percent", "membrane_drift_percent", "holding_drift_pa", "clipped_percent", "reason",
)  # fmt: skip
# A smaller step tells nothing.
SMALLEST_STEP_MV = 0.5
# The peak is looked for in this time after the step: later than any filter, earlier than any channel.
PEAK_WITHIN_MS = 2.0
# The charge is integrated over at most this many time constants (the notes: longer windows gave 85 +- 77 pF).
INTEGRATED_TAUS = 10.0
# The time constant is fitted between these shares of the peak, on at least so many samples.
DECAY_FROM, DECAY_TO, FEWEST_SAMPLES = 0.8, 0.1, 4
STEADY_SHARE = 0.25
# Samples whose median is the holding level, whatever the noise of a recorded voltage.
LEVEL_SAMPLES = 10
ITERATIONS = 50
CLIPPED = "the converter clips the test"
# The ends of a ramp, where the current still settles, are left out.
RAMP_MARGIN = 0.2


def membrane_test(
    recording: Recording, channel: int, voltage_channel: int | None, settings: Mapping, sweeps: Sequence[int]
) -> list[dict]:
    """Test the membrane of a recording.

    Parameters
    ----------
    recording, channel: the recording and the number of its current channel.
    voltage_channel: a recorded voltage, taken in place of the decoded command.
    settings: `membrane_test` of the experiment: `epoch` or `step_ms`, `ramp_ms`; nothing asks for nothing.
    sweeps: the sweeps to use.

    Returns
    -------
    A row for each method (charge, ramp) with the columns MEMBRANE_COLUMNS: means over sweeps; what is not resolved is
    NaN and has its reason.

    Raises
    ------
    InputError
        As `check_membrane_test` does.
    """
    rows = []
    for method, spans_of, one in _methods(recording, settings):
        tests, reasons = [], []
        for sweep in sweeps:
            command = _command_mv(recording, voltage_channel, sweep)
            spans = spans_of(sweep)
            end = min(max(stop for _, stop in spans), recording.sweep_samples[sweep])
            current = recording.signal(sweep, channel, 0, end)
            if _clips(recording, channel, sweep, spans):
                test, reason = {}, CLIPPED
            else:
                test, reason = one(current, command, spans, recording.rate_hz)
            tests.append(test)
            reasons += [reason] if reason else []
        rows.append(_summary(method, tests, reasons))
    return rows


def check_membrane_test(recording: Recording, voltage_channel: int | None, settings: Mapping) -> None:
    """Raise an InputError when the test lies outside the first sweep, or its command is not known."""
    for _, spans_of, _ in _methods(recording, settings):
        for start, stop in spans_of(0):
            if not 0 < start < stop <= recording.sweep_samples[0]:
                ms = [edge * 1e3 / recording.rate_hz for edge in (start, stop)]
                raise recording.error(
                    f"membrane_test: {ms[0]:g} to {ms[1]:g} ms must lie within the sweep, "
                    f"{recording.sweep_samples[0] * 1e3 / recording.rate_hz:g} ms, and not at its start"
                )
        if voltage_channel is None:
            recording.decoded_mv(0)


def _clips(recording: Recording, channel: int, sweep: int, spans: list) -> bool:
    """Return whether the converter stood at a limit during the test."""
    if recording.code_limits is None:
        return False
    low, high = recording.code_limits
    codes = np.concatenate([recording.codes(sweep, channel, *span) for span in spans])
    return bool(((codes <= low) | (codes >= high)).any())


def _command_mv(recording: Recording, voltage_channel: int | None, sweep: int) -> np.ndarray:
    if voltage_channel is None:
        return recording.decoded_mv(sweep)
    return recording.recorded_mv(sweep, voltage_channel)


def _methods(recording: Recording, settings: Mapping):
    """Yield (method, function from sweep to its spans in samples, function of one sweep) for what is asked."""

    def samples(span: Sequence[float]) -> tuple[int, int]:
        return round(span[0] * recording.rate_hz / 1e3), round(span[1] * recording.rate_hz / 1e3)

    if settings.get("epoch"):
        yield "charge", lambda sweep: [_epoch_span(recording, settings["epoch"], sweep)], _by_charge
    elif settings.get("step_ms"):
        yield "charge", lambda sweep: [samples(settings["step_ms"])], _by_charge
    if settings.get("ramp_ms"):
        ramp = settings["ramp_ms"]
        yield "ramp", lambda sweep: [samples(ramp["up"]), samples(ramp["down"])], _by_ramp


def _epoch_span(recording: Recording, letter: str, sweep: int) -> tuple[int, int]:
    """Return the samples of the step of an epoch: from its start to the next change of the command."""
    try:
        start = epoch_start(recording.protocol, recording.voltage_output(), letter, sweep)
    except InputError as error:
        raise recording.error(f"membrane_test counts from epoch {letter}: {error}") from None
    changes = np.flatnonzero(np.diff(recording.decoded_mv(sweep)[start:]))
    return start, start + int(changes[0]) + 1 if changes.size else recording.sweep_samples[sweep]


def _by_charge(current: np.ndarray, command: np.ndarray, spans: list, rate_hz: float) -> tuple[dict, str]:
    """Test one sweep by a step; return its numbers and why some of them are missing."""
    (start, stop), per_ms = spans[0], rate_hz / 1e3
    if stop > len(current):
        return {}, "a sweep ends before the step does"
    before, step = _settled_before(command, start, stop), current[start:stop]
    settled = max(int(STEADY_SHARE * len(step)), 1)
    step_mv = float(np.mean(command[stop - settled : stop]) - np.mean(command[before]))
    holding, steady = float(np.mean(current[before])), float(np.mean(step[-settled:]))
    found = {"step_mv": step_mv, "holding_pa": holding}
    if abs(step_mv) < SMALLEST_STEP_MV:
        return found, f"the command steps by {step_mv:.2g} mV"
    change = (steady - holding) / step_mv
    if change <= 0:
        return found, "the steady current does not follow the step"
    total_mohm = 1e3 / change
    transient = (step - steady) / step_mv
    peak = int(np.argmax(transient[: max(int(PEAK_WITHIN_MS * per_ms), 1) + 1]))
    decay = _decay(transient[peak:])
    if decay is None:
        return found, "the capacitive transient is not resolved"
    tau = decay / per_ms
    whole = min(len(step), peak + math.ceil(INTEGRATED_TAUS * decay))
    # Conductance (nS) times time (ms) is capacitance (pF).
    charge = float(np.sum(transient[:whole])) / per_ms + change * _delay(transient[: peak + 1], change) / per_ms
    access = 0.0
    for _ in range(ITERATIONS):
        share = (total_mohm - access) / total_mohm
        capacitance = charge / share**2
        access = 1e3 * tau / (capacitance * share)
        if not 0 < access < total_mohm:
            return found, "charge and time constant contradict each other"
    return found | {
        "access_mohm": access,
        "membrane_mohm": total_mohm - access,
        "capacitance_pf": capacitance,
        "tau_ms": tau,
    }, ""


def _settled_before(command: np.ndarray, start: int, stop: int) -> slice:
    """Return the samples right before a step that are at its holding level, as many as are averaged at its end."""
    first = max(start - max(int(STEADY_SHARE * (stop - start)), 1), 0)
    level = np.median(command[max(start - LEVEL_SAMPLES, 0) : start])
    height = abs(np.median(command[start:stop]) - level)
    away = np.flatnonzero(np.abs(command[first:start] - level) > max(height / 4, SMALLEST_STEP_MV))
    return slice(first + int(away[-1]) + 1 if away.size else first, start)


def _decay(transient: np.ndarray) -> float | None:
    """Return the time constant of a decay in samples: least squares of its logarithm, weighted as the current is."""
    top = transient[0]
    below = np.flatnonzero(transient < DECAY_TO * top)
    begun = np.flatnonzero(transient < DECAY_FROM * top)
    if not below.size or below[0] - begun[0] < FEWEST_SAMPLES:
        return None
    span = np.arange(begun[0], below[0])
    slope = np.polyfit(span, np.log(transient[span]), 1, w=transient[span])[0]
    return -1 / slope if slope < 0 else None


def _delay(rise: np.ndarray, change: float) -> float:
    """Return the delay of filter and electrode in samples: where the current has come halfway to its peak."""
    half = (rise[-1] - change) / 2
    above = int(np.flatnonzero(rise >= half)[0])
    if above == 0:
        return 0.0
    return above - (rise[above] - half) / (rise[above] - rise[above - 1])


def _by_ramp(current: np.ndarray, command: np.ndarray, spans: list, rate_hz: float) -> tuple[dict, str]:
    """Test one sweep by a ramp up and a ramp down."""
    if spans[1][1] > len(current):
        return {}, "a sweep ends before the ramps do"
    inner = [slice(a + round(RAMP_MARGIN * (b - a)), b - round(RAMP_MARGIN * (b - a))) for a, b in spans]
    ways = [(command[w], current[w]) for w in inner]
    rates = [np.polyfit(np.arange(len(v)) * 1e3 / rate_hz, v, 1)[0] for v, _ in ways]
    start, stop = spans[0]
    found = {"step_mv": float(np.ptp(command[start:stop])), "holding_pa": float(np.mean(current[:start]))}
    if rates[0] == 0 or rates[1] == 0 or abs(rates[0] + rates[1]) > 0.01 * abs(rates[0]):
        return found, f"the ramps must be equal and opposite; they run at {rates[0]:.3g} and {rates[1]:.3g} mV/ms"
    low, high = max(v.min() for v, _ in ways), min(v.max() for v, _ in ways)
    if not low < high:
        return found, "the ramps have no potential in common"
    lines = [np.polyfit(v[(v >= low) & (v <= high)], i[(v >= low) & (v <= high)], 1) for v, i in ways]
    middle = (low + high) / 2
    difference = np.polyval(lines[0], middle) - np.polyval(lines[1], middle)
    slope = (lines[0][0] + lines[1][0]) / 2
    found["capacitance_pf"] = float(difference / (2 * rates[0]))
    if slope <= 0:
        return found, "the current falls along the ramp: no resistance"
    return found | {"membrane_mohm": float(1e3 / slope)}, "ramps tell no access resistance"


def _summary(method: str, tests: list[dict], reasons: list[str]) -> dict:
    """Return the row of one method: means over the sweeps, and drifts."""
    columns = {key: np.array([test.get(key, math.nan) for test in tests], float) for key in MEMBRANE_COLUMNS[2:8]}
    means = {key: float(np.mean(v[np.isfinite(v)])) if np.isfinite(v).any() else math.nan for key, v in columns.items()}
    access, membrane = columns["access_mohm"], columns["membrane_mohm"]
    first, last = _thirds(columns["holding_pa"])
    return {
        "method": method,
        "n_sweeps": int(np.isfinite(columns["capacitance_pf"]).sum()),
        **means,
        "access_drift_percent": _drift_percent(access),
        "membrane_drift_percent": _drift_percent(membrane),
        "holding_drift_pa": last - first,
        "clipped_percent": 100 * reasons.count(CLIPPED) / len(tests),
        "reason": "; ".join(f"{r} ({reasons.count(r)} of {len(tests)} sweeps)" for r in dict.fromkeys(reasons)),
    }


def _thirds(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of the first and of the last third of the sweeps; NaN with fewer than three."""
    known = values[np.isfinite(values)]
    if len(known) < 3:
        return math.nan, math.nan
    third = len(known) // 3
    return float(np.mean(known[:third])), float(np.mean(known[-third:]))


def _drift_percent(values: np.ndarray) -> float:
    first, last = _thirds(values)
    return 100 * (last / first - 1)
