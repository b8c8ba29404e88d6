"""Liquid junction potentials from recipes, by the generalised Henderson equation.

Limits: two solutions that meet once, concentrations for activities (good where the ionic strengths are alike), limiting
mobilities at 25 C (their ratios change little with temperature). What a configuration makes of the potential, and what
was corrected online, is the business of `mgk.recordings.corrections`. Mobilities: `mobilities.yaml`, relative to K+;
protonated forms and complexes move as their ligand.
Vocabulary: the junction potential is that of the bath minus that of the pipette, mV (Barry and Lynch 1991).
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from mgk.constants import thermal_voltage_mv
from mgk.solutions.speciation import SolvedSolution, solve_solution
from mgk.solutions.stability import (
    CATION_CHARGES,
    inert_components,
    linear_in_activity,
    load_constants,
    log_activity,
)
from mgk.tables import InputError

# Neutral as long as they are in solution: no junction potential.
UNCHARGED = ("glucose", "ouabain")
# Organic anions without a sourced mobility move at between these, the ends of what the sourced ones do (ATP 0.15,
# EGTA 0.25, citrate 0.32, HCO3 0.61). Where that leaves the junction potential open by less than the second, it stands.
UNKNOWN_MOBILITY = (0.1, 0.6)
OPEN_MV = 0.3
# Below this share of the ionic content the numerator and the denominator of the slope are both rounding.
NO_GRADIENT = 1e-12


@dataclass(frozen=True)
class Ion:
    """An ion of one solution; `mobility` relative to K+."""

    name: str
    charge: int
    concentration_mm: float
    mobility: float


def junction_potential_mv(pipette: Mapping, bath: Mapping, temperature_c: float, constants: str = "webmaxc") -> float:
    """Return the junction potential of two recipes, bath minus pipette, mV.

    Parameters
    ----------
    pipette, bath : Mapping
        Entries of raw_data/solutions.yaml.
    temperature_c : float
        Temperature of the junction.
    constants : str
        The set of stability constants, unless a recipe names its own.

    Raises
    ------
    InputError
        When a recipe cannot be solved, or an ion without a sourced mobility leaves the potential open by more than
        0.3 mV.
    """
    return _junction_mv(json.dumps(pipette), json.dumps(bath), temperature_c, constants)


@cache
def _junction_mv(pipette: str, bath: str, temperature_c: float, constants: str) -> float:
    """Return the junction potential of two recipes in JSON: thousands of recordings share a few pairs of solutions."""
    return junction_of(_solved(pipette, constants), _solved(bath, constants), temperature_c)[0]


@cache
def _solved(recipe: str, constants: str) -> SolvedSolution:
    return solve_solution(json.loads(recipe), constants)


def junction_of(pipette: SolvedSolution, bath: SolvedSolution, temperature_c: float) -> tuple[float, str]:
    """Return the junction potential of two solved solutions, mV, and what to say of it.

    An ion without a sourced mobility (0.3 mM GTP in a pipette) is given the ends of what organic anions have; the mean
    of the two potentials is returned when they differ by less than 0.3 mV.

    Raises
    ------
    InputError
        Naming every component without a sourced mobility, when it matters.
    """
    ends = [henderson_mv(ions_of(pipette, u), ions_of(bath, u), temperature_c) for u in UNKNOWN_MOBILITY]
    unknown = tuple(dict.fromkeys((*without_mobility(pipette), *without_mobility(bath))))
    span = abs(ends[1] - ends[0])
    if span > OPEN_MV:
        raise InputError(
            f"no sourced mobility of {', '.join(unknown)}, which leaves the junction potential open by {span:.1f} mV: "
            f"it cannot be computed; known: {', '.join(mobilities())}; or state it (junction_mv)"
        )
    said = f"mobility of {', '.join(unknown)} assumed between {UNKNOWN_MOBILITY[0]:g} and {UNKNOWN_MOBILITY[1]:g}"
    return math.fsum(ends) / 2, f"{said}: within {span / 2:.2f} mV" if unknown else ""


def henderson_mv(pipette: Iterable[Ion], bath: Iterable[Ion], temperature_c: float) -> float:
    """Return the junction potential of two sets of ions, bath minus pipette, mV.

    V = RT/F S ln(sum z^2 u c_pipette / sum z^2 u c_bath), S = sum z u (c_bath - c_pipette) / sum z^2 u (c_bath -
    c_pipette): the generalised Henderson equation as in Barry and Lynch 1991. Where the conductivities are equal, the
    limit is taken.
    """
    inside, outside = list(pipette), list(bath)
    conducting_in, conducting_out = (math.fsum(i.charge**2 * _flow(i) for i in side) for side in (inside, outside))
    if not (conducting_in > 0 and conducting_out > 0):
        raise InputError("a junction potential needs ions on both sides")
    slope = math.fsum(i.charge * _flow(i) for i in outside) - math.fsum(i.charge * _flow(i) for i in inside)
    gradient = conducting_out - conducting_in
    if abs(gradient) < NO_GRADIENT * (conducting_out + conducting_in):
        return -thermal_voltage_mv(temperature_c) * slope / conducting_out
    return thermal_voltage_mv(temperature_c) * slope / gradient * math.log(conducting_in / conducting_out)


def _flow(ion: Ion) -> float:
    return ion.mobility * ion.concentration_mm


def ions_of(solved: SolvedSolution, unknown_mobility: float = UNKNOWN_MOBILITY[0]) -> tuple[Ion, ...]:
    """Return the ions of a solution at equilibrium: free metals, forms and complexes of ligands, buffers, salts.

    A component without a sourced mobility gets `unknown_mobility`; `without_mobility` names those.
    """
    found = []
    for name, (component, charge, concentration) in _charged_species(solved).items():
        if component in UNCHARGED or concentration == 0 or charge == 0:
            continue
        of_charge = mobilities().get(component)
        if of_charge is None:
            found.append(Ion(name, charge, concentration, unknown_mobility))
        else:
            nearest = min(of_charge, key=lambda known: (abs(known - charge), known))
            found.append(Ion(name, charge, concentration, of_charge[nearest]))
    return tuple(found)


def without_mobility(solved: SolvedSolution) -> tuple[str, ...]:
    """Return the components of a solution that are charged and have no sourced mobility."""
    species = _charged_species(solved).values()
    names = [c for c, charge, concentration in species if charge and concentration and c not in UNCHARGED]
    return tuple(dict.fromkeys(c for c in names if c not in mobilities()))


@cache
def mobilities() -> dict[str, dict[int, float]]:
    """Return the mobilities relative to K+ by component and charge."""
    path = Path(__file__).parent / "mobilities.yaml"
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["mobilities"]
    return {name: {z: float(u) for z, u in row.items() if z != "source"} for name, row in content.items()}


def _charged_species(solved: SolvedSolution) -> dict[str, tuple[str, int, float]]:
    """Return (component whose mobility counts, charge, mM) of every species."""
    ligands = load_constants(solved.constants).ligand_charges
    bystanders = inert_components().ligand_charges
    species = {}
    for name, concentration in solved.free_mm.items():
        bound = name in ligands and name not in solved.inert
        if not bound and inert_components().of_ligand(name):
            species |= _buffer_forms(name, concentration, solved)
        else:
            charge = ligands[name] if bound else CATION_CHARGES.get(name, bystanders.get(name, 0))
            species[name] = name, charge, concentration
    for ligand in ligands:
        for e in load_constants(solved.constants).of_ligand(ligand):
            if e.product in solved.complexes_mm:
                charge = ligands[ligand] + e.protons_held + (CATION_CHARGES[e.cation] if e.cation != "H" else 0)
                species[e.product] = ligand, charge, solved.complexes_mm[e.product]
    return species


def _buffer_forms(name: str, total_mm: float, solved: SolvedSolution) -> dict[str, tuple[str, int, float]]:
    """Return the protonated forms of a buffer that binds no metal, at the pH of the solution."""
    buffers = inert_components()
    d = log_activity(solved.temperature_c, solved.ionic_strength_m)
    relative = [1.0]
    for step in buffers.of_ligand(name):
        a, b = linear_in_activity(step, buffers.ligand_charges, solved.temperature_c)
        relative.append(relative[-1] * 10 ** (a - b * d - solved.ph))
    share = total_mm / math.fsum(relative)
    base = buffers.ligand_charges[name]
    return {f"{'H' * n}{name}": (name, base + n, amount * share) for n, amount in enumerate(relative)}
