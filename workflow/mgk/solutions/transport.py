"""Coupled transport across a membrane: free energy of a turn, reversal potential, equilibrium gradient.

What it is for: what the Na+/K+-ATPase and the aspartate transporter can do, and at which potential they would stand
still, from concentrations on both sides. Thermodynamics alone: nothing here is a rate.

Vocabulary: a *turn* is one cycle of a transporter; *inward* counts what it moves into the cell, negative for what it
moves out. Potentials are inside against outside, mV; concentrations stand for activities, as in `potentials`. Free
energies are of the turn as written, kJ per mol of turns: negative where it runs by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from mgk.constants import FARADAY_C_PER_MOL, GAS_CONSTANT_J_PER_MOL_K, ZERO_CELSIUS_K
from mgk.tables import InputError


@dataclass(frozen=True)
class Step:
    """What a turn does with one solute: its charge with sign, and how many go in (negative: out)."""

    solute: str
    z: int
    inward: int


@dataclass(frozen=True)
class Transporter:
    """The stoichiometry of one turn, and where it was read."""

    name: str
    steps: tuple[Step, ...]
    source: str

    @property
    def charge_inward(self) -> int:
        """Elementary charges that a turn moves into the cell; 0: the potential does nothing to it."""
        return int(np.sum([step.z * step.inward for step in self.steps]))


SODIUM_PUMP = Transporter(
    "Na+/K+-ATPase", (Step("Na", 1, -3), Step("K", 1, 2)), "documents 000, 001 and 002: 3 Na+ out, 2 K+ in, per ATP"
)
# Document 001 also speaks of co-transport of K+ with aspartate; its table and the paper have K+ go out.
ASPARTATE_TRANSPORTER = Transporter(
    "aspartate transporter (SLC1A, EAAT)",
    (Step("aspartate", -1, 1), Step("Na", 1, 3), Step("H", 1, 1), Step("K", 1, -1)),
    "document 001, table 1; Zerangue and Kavanaugh 1996, Nature 383:634, abstract (EAAT3, glutamate)",
)


def turn_kj(
    transporter: Transporter,
    inside_mm: Mapping[str, float],
    outside_mm: Mapping[str, float],
    membrane_mv: float,
    temperature_c: float,
) -> float:
    """Return the free energy of one turn, kJ/mol: sum over solutes of n (RT ln(inside/outside) + zFV), n inward.

    Parameters
    ----------
    inside_mm, outside_mm : mapping
        Free concentrations of every solute that the turn moves, mM.

    Raises
    ------
    InputError
        When a concentration is missing or not a positive number; all of them at once.
    """
    chemical = _gradients_kj(transporter.steps, inside_mm, outside_mm, temperature_c)
    return chemical + _volt_kj(transporter) * membrane_mv / 1e3


def reversal_mv(
    transporter: Transporter,
    inside_mm: Mapping[str, float],
    outside_mm: Mapping[str, float],
    temperature_c: float,
    reaction_kj: float = 0.0,
) -> float:
    """Return the potential at which a turn, with the reaction that drives it, is in equilibrium, mV.

    Parameters
    ----------
    reaction_kj : float
        Free energy of the reaction coupled to a turn (hydrolysis of one ATP: about -56), kJ/mol; 0 without one.

    Raises
    ------
    InputError
        As `turn_kj`; and when a turn moves no charge, so that no potential stops it.
    """
    if transporter.charge_inward == 0:
        raise InputError(f"{transporter.name}: a turn moves no charge, so that it has no reversal potential")
    chemical = _gradients_kj(transporter.steps, inside_mm, outside_mm, temperature_c)
    return float(-1e3 * (chemical + reaction_kj) / _volt_kj(transporter))


def equilibrium_ratio(
    transporter: Transporter,
    solute: str,
    inside_mm: Mapping[str, float],
    outside_mm: Mapping[str, float],
    membrane_mv: float,
    temperature_c: float,
) -> float:
    """Return inside/outside of one solute at which a turn is in equilibrium, the others being as they are.

    What is given of the solute itself is not read.

    Raises
    ------
    InputError
        As `turn_kj`; and when the turn does not move the solute.
    """
    moved = {step.solute: step for step in transporter.steps}
    if solute not in moved:
        raise InputError(f"{transporter.name} does not move {solute}: allowed: {', '.join(moved)}")
    others = tuple(step for step in transporter.steps if step.solute != solute)
    rest = _gradients_kj(others, inside_mm, outside_mm, temperature_c) + _volt_kj(transporter) * membrane_mv / 1e3
    return float(np.exp(-rest / (moved[solute].inward * _thermal_kj(temperature_c))))


def atp_hydrolysis_kj(standard_kj: float, atp_mm: float, adp_mm: float, phosphate_mm: float, temperature_c: float):
    """Return the free energy of hydrolysis of ATP, kJ/mol: standard + RT ln([ADP][Pi]/[ATP]), in M.

    Parameters
    ----------
    standard_kj : float
        Transformed standard free energy at the pH, free Mg2+, ionic strength and temperature at hand, kJ/mol.
    atp_mm, adp_mm, phosphate_mm : float
        Concentrations summed over their protonated and Mg2+ forms, ADP the free one of the cytosol, mM.

    Raises
    ------
    InputError
        When a concentration is not a positive number.
    """
    given = {"ATP": atp_mm, "ADP": adp_mm, "phosphate": phosphate_mm}
    _check(given, tuple(given), "hydrolysis of ATP")
    return float(standard_kj + _thermal_kj(temperature_c) * np.log(adp_mm * phosphate_mm / atp_mm / 1e3))


def over_ranges(function: Callable[..., float], ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Return the lowest and highest value of a function whose arguments are known as ranges.

    Taken over the corners, which is exact for what rises or falls with each argument throughout, as all of this module
    does with each concentration, potential and free energy.

    Parameters
    ----------
    function : callable
        Takes each name of `ranges` as a keyword.
    ranges : mapping
        (low, high) of each argument.
    """
    corners = [function(**dict(zip(ranges, corner, strict=True))) for corner in product(*ranges.values())]
    return min(corners), max(corners)


def _gradients_kj(steps, inside_mm: Mapping, outside_mm: Mapping, temperature_c: float) -> float:
    solutes = tuple(step.solute for step in steps)
    _check(inside_mm, solutes, "inside")
    _check(outside_mm, solutes, "outside")
    logs = [step.inward * np.log(inside_mm[step.solute] / outside_mm[step.solute]) for step in steps]
    return float(_thermal_kj(temperature_c) * np.sum(logs))


def _check(given: Mapping[str, float], needed: tuple[str, ...], where: str) -> None:
    wrong = [f"{name} is {given.get(name, 'missing')}" for name in needed if not _positive(given.get(name))]
    if wrong:
        raise InputError(f"{where}: a positive concentration in mM is needed: {', '.join(wrong)}")


def _positive(value) -> bool:
    return value is not None and bool(np.isfinite(value)) and value > 0


def _thermal_kj(temperature_c: float) -> float:
    return GAS_CONSTANT_J_PER_MOL_K * (temperature_c + ZERO_CELSIUS_K) / 1e3


def _volt_kj(transporter: Transporter) -> float:
    """Return what one volt does to a turn, kJ/mol."""
    return transporter.charge_inward * FARADAY_C_PER_MOL / 1e3
