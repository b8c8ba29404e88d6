"""Corrections of potential and current, and the ledger that says of each what was applied.

Works on the measurements of all recordings of an experiment at once, because a leak or a control may be another
recording; no signal is read. What was recorded stays as it is: corrected are `*_membrane_mv` (and `membrane_mv`, that
of the steady window) and `*_membrane_pa`; densities are columns of their own. In this order, each off unless asked for:

0. *baseline*, stated: the offset of the amplifier in pA, as recorded, is taken off before it counts as a current.
1. *junction potential* V (bath minus pipette): whole-cell, perforated, two-electrode, outside-out Vm = Vp - V;
   inside-out Vm = -(Vp - V); cell-attached Vm = Vrest - (Vp - V). What was corrected online is taken off V first.
2. *series resistance*: Vm = V - I Rs (1 - compensation), I across the membrane, outward positive, leak included.
   *baseline*, window: then the mean of the baseline window of the sweep is taken off. The current at the holding level
   becomes nought, and with it the reversal potential that potential, unless the cell is held there.
3. *ramp capacitance*: I = I - C dV/dt, C from the ramp and that back (half the difference of their currents at like
   commands, which holds where the channels are as open on the way back), stated, or of the membrane test.
4. *leak*: a line through the current over the potential, from a leak recording or from a range of potentials in which
   the channels are closed, subtracted at the true potential. Leak that was subtracted online (P/N) is only noted.
5. *rundown*: each cell's recordings and segments, in the order of the tables, are divided by the loss between the
   controls before and after them, which is taken as linear in that order.
6. *capacitance*: current over membrane capacitance, pA/pF.

A correction that was asked for and whose value is not known leaves the corrected numbers empty, never uncorrected.
Units: mV, pA, MOhm, nS, pF; MOhm times pA is 1e-3 mV.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.recordings.plan import PIPETTE_OUTSIDE, membrane_sign
from mgk.solutions.junction import junction_potential_mv
from mgk.tables.problems import InputError

LEDGER_COLUMNS = ("recording_id", "segment", "correction", "value", "unit", "formula", "source", "effect")
CURRENTS = ("steady", "peak", "tail")
# Corrections whose sign is that of the configuration.
NEED_SIDE = ("baseline", "leak", "series_resistance", "ramp_capacitance", "junction_potential")
MV_PER_MOHM_PA = 1e-3
# Potentials nearer than this are one: a line through them is none.
DISTINCT_MV = 1.0
CONFIG = "config.yaml"
RECORDINGS = "raw_data/recordings.csv"


@dataclass(frozen=True)
class Entry:
    """One correction of one recording: its value with unit and source, and how it was applied."""

    correction: str
    value: float
    unit: str
    formula: str
    source: str


def check_corrections(row: Mapping, settings: Mapping, recipes: Mapping, same_experiment: set[str]) -> list:
    """Return what a row of recordings.csv lacks for the corrections asked for: (column, value, what is allowed).

    Parameters
    ----------
    settings: the experiment of config.yaml.
    recipes: raw_data/solutions.yaml by id.
    same_experiment: the recording ids of the experiment, in which a leak recording must be.
    """
    asked, found = settings.get("corrections") or {}, []

    def needs(column: str, why: str) -> None:
        if _empty(row, column):
            found.append((column, "", f"must not be empty with corrections.{why}"))

    if any(asked.get(name, "none") != "none" for name in NEED_SIDE):
        needs("configuration", f"{', '.join(NEED_SIDE[:-1])} or {NEED_SIDE[-1]}")
    if asked.get("series_resistance") == "stated":
        needs("series_resistance_mohm", "series_resistance: stated")
    if asked.get("capacitance") == "stated":
        needs("cell_capacitance_pf", "capacitance: stated")
    ramp = asked.get("ramp_capacitance", "none")
    if ramp == "stated":
        needs("cell_capacitance_pf", "ramp_capacitance: stated")
    if ramp == "ramp_back" and "ramp_back" not in settings.get("windows_ms", {}):
        found.append(("recording_id", row["recording_id"], "ramp_capacitance: ramp_back needs a window ramp_back"))
    if asked.get("junction_potential") == "henderson":
        for column in ("pipette_solution", "temperature_c", *([] if row.get("zero_solution") else ["bath_solution"])):
            needs(column, "junction_potential: henderson")
        if not found and all(solution in recipes for solution in _junction_solutions(row)):
            try:
                _henderson(row, recipes, "webmaxc")
            except InputError as error:
                found.append(("pipette_solution", row["pipette_solution"], str(error)))
    leak = row.get("leak_recording_id") or ""
    if asked.get("leak") == "linear":
        if leak and leak not in same_experiment:
            found.append(("leak_recording_id", leak, "must be a recording of the same experiment"))
        if not leak and "leak_range_mv" not in asked:
            needs("leak_recording_id", "leak: linear and no leak_range_mv")
    return found


def correct(
    measurements: pd.DataFrame,
    membrane: pd.DataFrame,
    rows: Sequence[Mapping],
    settings: Mapping,
    recipes: Mapping[str, Mapping],
    constants: str = "webmaxc",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correct the measurements of an experiment.

    Parameters
    ----------
    measurements, membrane: tables of `mgk.recordings.measure`, as recorded.
    rows: the rows of recordings.csv of the experiment, in their order.
    settings: the experiment of config.yaml; its `corrections` say what is applied.
    recipes, constants: raw_data/solutions.yaml and the set of stability constants, for junction potentials.

    Returns
    -------
    (measurements, ledger): the measurements with corrected columns, and a row with LEDGER_COLUMNS for each correction
    that was applied to a recording, or noted, or could not be applied.

    Raises
    ------
    InputError
        When a junction potential cannot be computed.
    """
    asked = settings.get("corrections") or {}
    table, ledger = measurements.copy(), []
    tests = {key: test.to_dict("records") for key, test in membrane.groupby("recording_id")}
    ledger += _off_baseline(table, rows, asked, "stated")
    for row in rows:
        own = table["recording_id"] == row["recording_id"]
        for entry in _potential_entries(row, asked, tests.get(row["recording_id"], []), recipes, constants):
            before = table.loc[own, "membrane_mv"].copy()
            _shift_potentials(table, own, row, entry)
            ledger.append(_noted(row, entry, _told(table.loc[own, "membrane_mv"] - before, "membrane_mv", "mV")))
    ledger += _off_baseline(table, rows, asked, "window")
    for row in rows if asked.get("ramp_capacitance", "none") != "none" else ():
        own = table["recording_id"] == row["recording_id"]
        entry = _ramp_entry(row, asked, table[own], tests.get(row["recording_id"], []))
        before = table.loc[own, "steady_membrane_pa"].copy()
        table.loc[own, "steady_membrane_pa"] -= _capacitive_pa(table[own], row, entry.value)
        change = table.loc[own, "steady_membrane_pa"] - before
        ledger.append(_noted(row, entry, _told(change, "steady_membrane_pa", "pA")))
    uncorrected = table["steady_membrane_pa"].copy()
    for row in rows:
        own = table["recording_id"] == row["recording_id"]
        for entry in _leak_entries(row, asked, table, uncorrected):
            before = table.loc[own, "steady_membrane_pa"].copy()
            if isinstance(entry, _Line):
                _subtract(table, own, entry)
                ledger += [
                    _noted(row, e, _told(table.loc[own, "steady_membrane_pa"] - before, "steady_membrane_pa", "pA"))
                    for e in entry.entries
                ]
            else:
                ledger.append(_noted(row, entry, "none: nothing is left to subtract"))
    if asked.get("rundown", "none") != "none":
        ledger += _undo_rundown(table, rows, asked)
    if asked.get("capacitance", "none") != "none":
        ledger += _densities(table, rows, asked, tests)
    return table, pd.DataFrame(ledger, columns=list(LEDGER_COLUMNS))


def junction_mv(row: Mapping, asked: Mapping, recipes: Mapping, constants: str) -> Entry | None:
    """Return the junction potential that is left to correct, bath minus pipette; None when none is asked for."""
    how = asked.get("junction_potential", "none")
    applied = 0.0 if _empty(row, "junction_applied_mv") else float(row["junction_applied_mv"])
    if how == "none":
        return None
    if how == "stated":
        whole, source = float(asked["junction_mv"]), f"stated: corrections.junction_mv of {CONFIG}"
    else:
        whole = _henderson(row, recipes, constants)
        source = "generalised Henderson from the recipes {} | {}".format(*_junction_solutions(row))
    if applied:
        source += f"; {whole:.4g} mV less {applied:g} mV corrected online"
    outside = row["configuration"] in PIPETTE_OUTSIDE
    formula = "Vm = -(Vp - V)" if outside else "Vm = Vp - V"
    if row["configuration"] == "cell_attached":
        formula = "Vm = Vrest - (Vp - V)"
    return Entry("junction_potential", whole - applied, "mV", formula, source)


def _junction_solutions(row: Mapping) -> tuple[str, str]:
    """Return the solutions that met when the pipette was zeroed: pipette, and bath unless another is named."""
    return row["pipette_solution"], row.get("zero_solution") or row["bath_solution"]


def _henderson(row: Mapping, recipes: Mapping, constants: str) -> float:
    pipette, bath = (recipes[solution] for solution in _junction_solutions(row))
    return junction_potential_mv(pipette, bath, float(row["temperature_c"]), constants)


def _potential_entries(row: Mapping, asked: Mapping, tests: list, recipes: Mapping, constants: str):
    junction = junction_mv(row, asked, recipes, constants)
    if junction:
        yield junction
    elif not _empty(row, "junction_applied_mv") and float(row["junction_applied_mv"]):
        applied = float(row["junction_applied_mv"])
        yield Entry("junction_potential_online", applied, "mV", "", f"corrected online: {RECORDINGS}")
    how = asked.get("series_resistance", "none")
    if how != "none":
        share = 0.0 if _empty(row, "compensation_percent") else float(row["compensation_percent"]) / 100
        if how == "stated":
            whole, source = float(row["series_resistance_mohm"]), f"stated: {RECORDINGS}"
        else:
            whole, source = _measured(tests, "access_mohm")
        source += f"; {whole:.4g} MOhm, of which {100 * share:g} % compensated online"
        yield Entry("series_resistance", whole * (1 - share), "MOhm", "Vm = V - I R", source)


def _measured(tests: list[Mapping], column: str) -> tuple[float, str]:
    """Return a result of the membrane test and the method that found it."""
    for test in tests:
        if test[column] == test[column]:
            return float(test[column]), f"membrane test by {test['method']}"
    return math.nan, "membrane test: not resolved"


def _shift_potentials(table: pd.DataFrame, own: pd.Series, row: Mapping, entry: Entry) -> None:
    if entry.correction == "junction_potential_online":
        return
    for window in CURRENTS:
        potential = "membrane_mv" if window == "steady" else f"{window}_membrane_mv"
        if entry.correction == "junction_potential":
            shift = -membrane_sign(row["configuration"]) * entry.value
        else:
            shift = -table.loc[own, f"{window}_membrane_pa"] * entry.value * MV_PER_MOHM_PA
        table.loc[own, potential] = table.loc[own, potential] + shift


# --- baseline ---------------------------------------------------------------------------------------------------


def _off_baseline(table: pd.DataFrame, rows: Sequence[Mapping], asked: Mapping, how: str) -> list[dict]:
    """Take the baseline off the currents, where it is asked for in this way; return the ledger."""
    ledger = []
    for row in rows if asked.get("baseline", "none") == how else ():
        own = table["recording_id"] == row["recording_id"]
        if how == "stated":
            baseline = pd.Series(float(asked["baseline_pa"]), table.index[own])
            formula, source = "I = I - offset of the amplifier", f"stated: corrections.baseline_pa of {CONFIG}"
        else:
            baseline = table.loc[own, "baseline_pa"]
            formula, source = (
                "I = I - mean of the baseline window of the sweep",
                "window baseline; its mean over sweeps",
            )
        for window in CURRENTS:
            table.loc[own, f"{window}_membrane_pa"] -= membrane_sign(row["configuration"]) * baseline
        entry = Entry("baseline", float(baseline.mean()), "pA", formula, source)
        change = -membrane_sign(row["configuration"]) * baseline
        ledger.append(_noted(row, entry, _told(change, "steady_membrane_pa", "pA")))
    return ledger


# --- ramps ------------------------------------------------------------------------------------------------------


def _ramp_entry(row: Mapping, asked: Mapping, own: pd.DataFrame, tests: list[Mapping]) -> Entry:
    """Return the capacitance that the ramps of a recording charge."""
    how = asked["ramp_capacitance"]
    if how == "stated":
        value, source = float(row["cell_capacitance_pf"]), f"stated: {RECORDINGS}"
    elif how == "measured":
        value, source = _measured(tests, "capacitance_pf")
    else:
        value, source = _between_ramps_pf(own, row), "half the difference between the ramp and that back"
    return Entry("ramp_capacitance", value, "pF", "I = I - C dV/dt", source)


def _capacitive_pa(own: pd.DataFrame, row: Mapping, capacitance_pf: float) -> pd.Series:
    """Return C dV/dt across the membrane: pF times mV/ms is pA; a window without a ramp has none."""
    rate = own["ramp_mv_per_ms"]
    return (membrane_sign(row["configuration"]) * capacitance_pf * rate).where(rate.notna(), 0.0)


def _between_ramps_pf(own: pd.DataFrame, row: Mapping) -> float:
    """Return the capacitance at which the ramps agree: the median over commands and sweeps; NaN without two ramps."""
    found = []
    for _, sweep in own.groupby(["segment", "sweep"], sort=False, dropna=False):
        if sweep["ramp_mv_per_ms"].nunique() != 2:
            continue
        (rate, there), (rate_back, back) = sweep.groupby("ramp_mv_per_ms", sort=False)
        back, command = back.sort_values("command_mv"), there["command_mv"]
        same = there[command.between(back["command_mv"].iloc[0], back["command_mv"].iloc[-1])]
        again = np.interp(same["command_mv"], back["command_mv"], back["steady_membrane_pa"])
        found.append((same["steady_membrane_pa"] - again) / (membrane_sign(row["configuration"]) * (rate - rate_back)))
    return float(np.median(np.concatenate(found))) if found else math.nan


# --- leak -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """The leak: conductance in nS, and the potential at which it carries nothing."""

    conductance_ns: float
    reversal_mv: float
    source: str

    @property
    def entries(self) -> tuple[Entry, ...]:
        formula = "I = I - g (Vm - E)"
        return (
            Entry("leak_conductance", self.conductance_ns, "nS", formula, self.source),
            Entry("leak_reversal", self.reversal_mv, "mV", formula, self.source),
        )


def _leak_entries(row: Mapping, asked: Mapping, table: pd.DataFrame, current_pa: pd.Series):
    how, other = asked.get("leak", "none"), row.get("leak_recording_id") or ""
    if how == "subtracted":
        yield Entry("leak_online", math.nan, "", "", f"subtracted online (P/N), as {CONFIG} says")
    if how == "linear":
        own = table["recording_id"] == (other or row["recording_id"])
        potential, source = table["membrane_mv"], f"line through the leak recording {other}"
        if not other:
            low, high = asked["leak_range_mv"]
            own &= (potential >= low) & (potential <= high)
            source = f"line through the steady current from {low:g} to {high:g} mV"
        yield _line(potential[own], current_pa[own], source)


def _line(potential_mv: pd.Series, current_pa: pd.Series, source: str) -> _Line:
    known = potential_mv.notna() & current_pa.notna()
    v, i = potential_mv[known].to_numpy(float), current_pa[known].to_numpy(float)
    if len(v) < 2 or np.ptp(v) < DISTINCT_MV:
        return _Line(math.nan, math.nan, f"{source}: not applied, fewer than two potentials there")
    slope, offset = np.polyfit(v, i, 1)
    return _Line(float(slope), float(-offset / slope) if slope else math.nan, source)


def _subtract(table: pd.DataFrame, own: pd.Series, leak: _Line) -> None:
    for window in CURRENTS:
        potential = table.loc[own, "membrane_mv" if window == "steady" else f"{window}_membrane_mv"]
        table.loc[own, f"{window}_membrane_pa"] -= leak.conductance_ns * (potential - leak.reversal_mv)


# --- rundown ----------------------------------------------------------------------------------------------------


def _undo_rundown(table: pd.DataFrame, rows: Sequence[Mapping], asked: Mapping) -> list[dict]:
    """Divide the currents of each cell by what was left of its control, between its controls; return the ledger."""
    order = {row["recording_id"]: place for place, row in enumerate(rows)}
    ledger = []
    for _, cell in table.groupby("cell_id", sort=False):
        runs = sorted(
            cell.groupby(["recording_id", "segment"], sort=False),
            key=lambda run: (order[run[0][0]], run[1]["sweep"].iloc[0], run[0][1]),
        )
        left = _left_of_control([run for _, run in runs], asked)
        for (recording, segment), run in runs:
            share = left.pop(0)
            for window in CURRENTS:
                table.loc[run.index, f"{window}_membrane_pa"] /= share
            source = "linear between the controls before and after, in the order of the tables"
            if math.isnan(share):
                source = "not applied: no control before, or none after"
            entry = Entry("rundown", share, "1", "I = I / share left of the first control", source)
            effect = "" if math.isnan(share) else f"currents times {1 / share:.4g}"
            ledger.append(_noted({"recording_id": recording}, entry, effect or "currents are empty", segment))
    return ledger


def _left_of_control(runs: list[pd.DataFrame], asked: Mapping) -> list[float]:
    """Return for each run in order the share of the first control's current that is left."""
    places = [place for place, run in enumerate(runs) if _is_control(run, asked)]
    if len(places) < 2:
        return [math.nan] * len(runs)
    first = runs[places[0]].groupby("command_mv")["steady_membrane_pa"].mean()
    shares = []
    for place in places:
        again = runs[place].groupby("command_mv")["steady_membrane_pa"].mean().reindex(first.index, method="nearest")
        shares.append(float(np.sum(first * again) / np.sum(first**2)))
    inside = np.interp(range(len(runs)), places, shares, left=math.nan, right=math.nan)
    return [float(share) for share in inside]


def _is_control(run: pd.DataFrame, asked: Mapping) -> bool:
    if "rundown_control" in asked:
        return run["condition"].iloc[0] == asked["rundown_control"]
    return run["ligand"].iloc[0] == "" or run["ligand_total_mm"].iloc[0] == 0


# --- capacitance ------------------------------------------------------------------------------------------------


def _densities(table: pd.DataFrame, rows: Sequence[Mapping], asked: Mapping, tests: Mapping) -> list[dict]:
    """Add current densities; return the ledger."""
    ledger = []
    for window in CURRENTS:
        table[f"{window}_density_pa_pf"] = math.nan
    for row in rows:
        if asked["capacitance"] == "stated":
            value, source = float(row["cell_capacitance_pf"]), f"stated: {RECORDINGS}"
        else:
            value, source = _measured(tests.get(row["recording_id"], []), "capacitance_pf")
        own = table["recording_id"] == row["recording_id"]
        for window in CURRENTS:
            table.loc[own, f"{window}_density_pa_pf"] = table.loc[own, f"{window}_membrane_pa"] / value
        entry = Entry("capacitance", value, "pF", "density = I / C", source)
        ledger.append(_noted(row, entry, "columns *_density_pa_pf"))
    return ledger


def _noted(row: Mapping, entry: Entry, effect: str, segment: str = "") -> dict:
    return {"recording_id": row["recording_id"], "segment": segment, "effect": effect} | vars(entry)


def _told(change: pd.Series, column: str, unit: str) -> str:
    """Return in words what a correction did to a column."""
    if change.notna().sum() == 0:
        return f"{column} is empty"
    return f"{column} by {change.min():+.3g} to {change.max():+.3g} {unit}"


def _empty(row: Mapping, column: str) -> bool:
    value = row.get(column)
    return value is None or value == "" or value != value
