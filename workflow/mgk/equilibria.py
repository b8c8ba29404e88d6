"""Equilibria of a table of concentrations: potentials, what transporters can do, measured values against its ranges.

What it is for: each quantity over the ranges of what it rests on, and which of them make it wide; whether what a study
measured lies in the range that a table states.

Limits: thermodynamics of `solutions.potentials` and `solutions.transport`; ranges are those that were printed, not
confidence intervals, and a quantity's range is that over their corners. Concentrations mM, potentials mV, free energies
kJ/mol. A *system* is a kind of cell with an inside and an outside.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.analyses import ANALYSES
from mgk.solutions.potentials import ghk_reversal_mv, nernst_mv
from mgk.solutions.transport import (
    ASPARTATE_TRANSPORTER,
    SODIUM_PUMP,
    Transporter,
    equilibrium_ratio,
    over_ranges,
    reversal_mv,
    turn_kj,
)
from mgk.study import Study
from mgk.tables import read_table

VALENCES = {"K": 1, "Na": 1, "Cl": -1, "Ca": 2, "Mg": 2, "H": 1, "HCO3": -1, "aspartate": -1}
MEMBRANE, ATP = "membrane potential", "hydrolysis of ATP"
QUANTITY_COLUMNS = ("system", "subject", "quantity", "unit", "low", "middle", "high", "rests_on")
CONTRIBUTION_COLUMNS = ("system", "subject", "quantity", "unit", "input", "low", "high", "share_of_width")
CHECK_COLUMNS = (
    "source_of_value", "data", "group", "kd_mm", "kd_source", "solute", "side", "system", "estimate_mm", "ci_low_mm",
    "ci_high_mm", "n_animals", "range_low_mm", "range_high_mm", "range_source", "verdict", "reason",
)  # fmt: skip
COURSE_COLUMNS = ("system", "subject", "x", "low_mv", "middle_mv", "high_mv")
COURSE_POINTS = 41

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Conditions:
    """What a system does not hold itself: temperature, membrane potential, ATP, relative permeabilities."""

    temperature_c: float
    membrane_mv: tuple[float, float]
    atp_kj: tuple[float, float] | None
    permeabilities: Mapping[str, float]


@dataclass(frozen=True)
class Quantity:
    """A number that follows from inputs by name; each input stands for a range."""

    system: str
    subject: str
    name: str
    unit: str
    inputs: tuple[str, ...]
    function: Callable[[Mapping[str, float]], float]

    def over(self, ranges: Ranges) -> tuple[float, float]:
        """Return its lowest and highest value over the ranges of its inputs."""
        own = {name: ranges[name] for name in self.inputs}
        return over_ranges(lambda **values: self.function(values), own)

    def middle(self, ranges: Ranges) -> float:
        """Return its value with each input in the middle of its range."""
        return self.function({name: middle_of(*ranges[name]) for name in self.inputs})


def middle_of(low: float, high: float) -> float:
    """Return the middle of a range: the geometric one of concentrations, the arithmetic one of what can be negative."""
    return math.sqrt(low * high) if low > 0 and high > 0 else (low + high) / 2


def conditions_of(settings: Mapping, permeabilities: Mapping[str, float]) -> Conditions:
    """Return the conditions that the section `equilibria` of config.yaml states."""
    ranges = {key: settings.get(key) for key in ("membrane_mv", "atp_hydrolysis_kj")}
    membrane, atp = ((given["low"], given["high"]) if given else None for given in ranges.values())
    return Conditions(settings["temperature_c"]["value"], membrane, atp, permeabilities)


def ranges_of(concentrations: pd.DataFrame, system: str, conditions: Conditions) -> dict[str, tuple[float, float]]:
    """Return the ranges of a system by the name of the input: its concentrations, the potential, ATP where given."""
    rows = concentrations[concentrations["system"] == system]
    found = {f"{r.solute} {r.side}": (r.low_mm, r.high_mm) for r in rows.itertuples()}
    return found | {MEMBRANE: conditions.membrane_mv} | ({ATP: conditions.atp_kj} if conditions.atp_kj else {})


def quantities_of(system: str, ranges: Ranges, conditions: Conditions) -> list[Quantity]:
    """Return all that follows for a system: what lacks a concentration on a side is not there."""
    both = [s for s in VALENCES if {f"{s} inside", f"{s} outside"} <= set(ranges)]
    found = [q for solute in both for q in _of_an_ion(system, solute, conditions.temperature_c)]
    permeant = [s for s in conditions.permeabilities if s in both]
    if permeant and len(permeant) == len(conditions.permeabilities):
        found.append(_ghk(system, conditions))
    if {"Na", "K"} <= set(both):
        found += _of_the_pump(system, conditions)
    if {"Na", "K", "H"} <= set(both):
        found += _of_aspartate(system, conditions, "aspartate" in both)
    return found


def _sides(*solutes: str) -> tuple[str, ...]:
    return tuple(f"{s} {side}" for s in solutes for side in ("inside", "outside"))


def _split(values: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the concentrations inside and outside by solute."""
    return tuple(
        {name.rpartition(" ")[0]: value for name, value in values.items() if name.endswith(f" {side}")}
        for side in ("inside", "outside")
    )


def _of_an_ion(system: str, solute: str, temperature_c: float) -> list[Quantity]:
    names, z = _sides(solute), VALENCES[solute]

    def nernst(values):
        return nernst_mv(z, values[names[1]], values[names[0]], temperature_c)

    def driving(values):
        return values[MEMBRANE] - nernst(values)

    return [
        Quantity(system, solute, "Nernst potential", "mV", names, nernst),
        Quantity(system, solute, "driving force", "mV", (*names, MEMBRANE), driving),
    ]


def _ghk(system: str, conditions: Conditions) -> Quantity:
    ions = list(conditions.permeabilities)
    weights, valences = [conditions.permeabilities[i] for i in ions], [VALENCES[i] for i in ions]

    def ghk(values):
        sides = ([values[f"{ion} {side}"] for ion in ions] for side in ("inside", "outside"))
        return ghk_reversal_mv(*sides, weights, conditions.temperature_c, valences)

    return Quantity(system, ", ".join(ions), "GHK potential", "mV", _sides(*ions), ghk)


def _of_the_pump(system: str, conditions: Conditions) -> list[Quantity]:
    names, pump, temperature_c = _sides("Na", "K"), SODIUM_PUMP, conditions.temperature_c

    def turn(values):
        return turn_kj(pump, *_split(values), values[MEMBRANE], temperature_c)

    def with_atp(values):
        return turn(values) + values[ATP]

    def reversal(values):
        return reversal_mv(pump, *_split(values), temperature_c, values[ATP])

    found = [Quantity(system, pump.name, "free energy of a turn", "kJ/mol", (*names, MEMBRANE), turn)]
    if conditions.atp_kj:
        left = "free energy of a turn with its ATP"
        found.append(Quantity(system, pump.name, left, "kJ/mol", (*names, MEMBRANE, ATP), with_atp))
        found.append(Quantity(system, pump.name, "reversal potential", "mV", (*names, ATP), reversal))
    return found


def _of_aspartate(system: str, conditions: Conditions, aspartate_known: bool) -> list[Quantity]:
    carrier, temperature_c = ASPARTATE_TRANSPORTER, conditions.temperature_c
    names = _sides("Na", "K", "H")

    def ratio(values):
        return equilibrium_ratio(carrier, "aspartate", *_split(values), values[MEMBRANE], temperature_c)

    def turn(values):
        return turn_kj(carrier, *_split(values), values[MEMBRANE], temperature_c)

    def reversal(values):
        return reversal_mv(carrier, *_split(values), temperature_c)

    gradient = "equilibrium gradient of aspartate, inside/outside"
    found = [Quantity(system, carrier.name, gradient, "1", (*names, MEMBRANE), ratio)]
    if aspartate_known:
        names = (*_sides("aspartate"), *names)
        found.append(Quantity(system, carrier.name, "free energy of a turn", "kJ/mol", (*names, MEMBRANE), turn))
        found.append(Quantity(system, carrier.name, "reversal potential", "mV", names, reversal))
    return found


def equilibria_tables(concentrations: pd.DataFrame, conditions: Conditions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all quantities of all systems, and what each input does to them.

    Returns
    -------
    (DataFrame, DataFrame)
        Columns of `QUANTITY_COLUMNS`: low and high over the corners of all ranges. Columns of `CONTRIBUTION_COLUMNS`: a
        row for an input that has a width, low and high when it alone moves, the others in their middle;
        `share_of_width` is that width over the sum of these widths (on a log scale for a ratio).
    """
    rows, alone = [], []
    for system in concentrations["system"].unique():
        ranges = ranges_of(concentrations, system, conditions)
        for q in quantities_of(system, ranges, conditions):
            low, high = q.over(ranges)
            head = (system, q.subject, q.name, q.unit)
            rows.append((*head, low, q.middle(ranges), high, ", ".join(q.inputs)))
            alone += [(*head, *part) for part in _one_at_a_time(q, ranges)]
    return pd.DataFrame(rows, columns=list(QUANTITY_COLUMNS)), pd.DataFrame(alone, columns=list(CONTRIBUTION_COLUMNS))


def _one_at_a_time(quantity: Quantity, ranges: Ranges) -> list[tuple[str, float, float, float]]:
    middles = {name: (middle_of(*ranges[name]),) * 2 for name in quantity.inputs}
    moving = [name for name in quantity.inputs if ranges[name][0] != ranges[name][1]]
    ends = [quantity.over(middles | {name: ranges[name]}) for name in moving]
    widths = [math.log(high / low) if quantity.unit == "1" else high - low for low, high in ends]
    total = math.fsum(widths)
    return [(n, *end, w / total if total else 0.0) for n, end, w in zip(moving, ends, widths, strict=True)]


def courses_table(concentrations: pd.DataFrame, conditions: Conditions) -> pd.DataFrame:
    """Return the reversal potential of each transporter along one axis, over the ranges of everything else.

    Along `x`: of the pump, Na inside (mM); of the aspartate transporter, inside/outside of aspartate.
    """
    rows = []
    for system in concentrations["system"].unique():
        ranges = ranges_of(concentrations, system, conditions)
        if ATP in ranges and set(_sides("Na", "K")) <= set(ranges):
            rows += _course(system, SODIUM_PUMP, ranges, conditions, np.geomspace(1, 100, COURSE_POINTS))
        if set(_sides("Na", "K", "H")) <= set(ranges):
            rows += _course(system, ASPARTATE_TRANSPORTER, ranges, conditions, np.geomspace(1, 1e8, COURSE_POINTS))
    return pd.DataFrame(rows, columns=list(COURSE_COLUMNS))


def _course(system: str, carrier: Transporter, ranges: Ranges, conditions: Conditions, along) -> list[tuple]:
    pump = carrier is SODIUM_PUMP
    inputs = (*_sides("Na", "K"), ATP) if pump else (*_sides("Na", "K", "H"), *_sides("aspartate"))

    def reversal(values):
        return reversal_mv(carrier, *_split(values), conditions.temperature_c, values.get(ATP, 0.0))

    quantity = Quantity(system, carrier.name, "reversal potential", "mV", inputs, reversal)
    rows = []
    for x in along.tolist():
        fixed = {"Na inside": (x, x)} if pump else {"aspartate inside": (x, x), "aspartate outside": (1.0, 1.0)}
        here = {**ranges, **fixed}
        low, high = quantity.over(here)
        rows.append((system, carrier.name, x, low, quantity.middle(here), high))
    return rows


def against_range(estimate: float, ci: tuple[float, float], stated: tuple[float, float]) -> str:
    """Say where a value lies against a stated range: inside, below or above, and what its interval does.

    Parameters
    ----------
    estimate : float
        NaN or infinite: not known.
    ci : tuple
        Its interval; NaN without one.
    stated : tuple
        Lowest and highest of the range.
    """
    if not math.isfinite(estimate):
        return "not known"
    (ci_low, ci_high), (low, high) = ci, stated
    has_interval = not (math.isnan(ci_low) or math.isnan(ci_high))
    if low <= estimate <= high:
        reaches_out = has_interval and (ci_low < low or ci_high > high)
        return "inside, interval reaches out" if reaches_out else "inside"
    side = "below" if estimate < low else "above"
    return f"{side}, interval overlaps" if has_interval and ci_low <= high and ci_high >= low else side


def checks_table(project: Study, settings: Mapping, concentrations: pd.DataFrame) -> pd.DataFrame:
    """Return what the study has of a solute against the range that the table states for it.

    Measured: the mean free Mg2+ of each group, at each published Kd. Computed: free ions of solutions.

    Parameters
    ----------
    settings : mapping
        The section `equilibria`; its `compare` names an experiment of free Mg2+ or a solution, and the system.

    Returns
    -------
    DataFrame
        Columns of `CHECK_COLUMNS`.
    """
    rows = []
    for asked in settings.get("compare", ()):
        side = asked.get("side", "inside")
        stated = concentrations[(concentrations["system"] == asked["system"]) & (concentrations["side"] == side)]
        values = _measured(project, asked["experiment"]) if "experiment" in asked else _free(project, asked["solution"])
        for value in values.to_dict("records"):
            for limit in stated[stated["solute"] == value["solute"]].itertuples():
                ci = value["ci_low_mm"], value["ci_high_mm"]
                verdict = against_range(value["estimate_mm"], ci, (limit.low_mm, limit.high_mm))
                own = {"side": side, "system": limit.system, "range_low_mm": limit.low_mm}
                own |= {"range_high_mm": limit.high_mm, "range_source": limit.source, "verdict": verdict}
                rows.append({**value, **own})
    table = pd.DataFrame(rows, columns=list(CHECK_COLUMNS))
    return table.astype(dict.fromkeys(("estimate_mm", "ci_low_mm", "ci_high_mm", "kd_mm", "n_animals"), float))


def _measured(project: Study, experiment: str) -> pd.DataFrame:
    text = ("condition", "kd_source", "reason")
    analysis = ANALYSES[project.magnesium_experiments()[experiment]]
    groups = read_table(project.root / analysis.folder(experiment) / "groups.csv", text=text)
    means = groups[groups["statistic"] == "mean"].rename(
        columns={"condition": "group", "estimate": "estimate_mm", "ci_low": "ci_low_mm", "ci_high": "ci_high_mm"}
    )
    kind = project.data_of(analysis.section, experiment)
    return means.assign(source_of_value=experiment, data=kind, solute="Mg").reindex(columns=list(CHECK_COLUMNS))


def _free(project: Study, solution: str) -> pd.DataFrame:
    free = read_table(project.results / "solutions" / "free_ions.csv", text=("species", "constants"))
    own = free[(free["solution_id"] == solution) & free["species"].isin(list(VALENCES))]
    own = own.rename(columns={"species": "solute", "concentration_mm": "estimate_mm"})
    own = own.assign(
        source_of_value=solution, data="computed", group="free ions of the recipe", reason="", kd_source=""
    )
    return own.reindex(columns=list(CHECK_COLUMNS))
