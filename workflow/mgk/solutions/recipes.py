"""What a recipe says: checked, salts expanded to totals, every component either known or declared inert.

Limits: no chemistry. Concentrations in mM. A recipe is an entry of raw_data/solutions.yaml: `temperature_c`, `ph`
(which a solution under CO2 may leave to the gas), `totals_mm` (ions and ligands) or `components` (salts) or both, and
optionally `ionic_strength_m`, `constants`, `titrant` (brings the pH, its amount follows from the charge balance),
`gas`, `inert` (components that bind nothing, and pairs such as Ca+GTP that do not bind each other), `assumed` (keys
whose value the recipe's author did not state) and `source`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from mgk.solutions.stability import (
    HIGHEST_IONIC_STRENGTH_M,
    ConstantSet,
    available_constants,
    inert_components,
    load_constants,
    salts,
)
from mgk.tables import InputError, Problem

KEYS = (
    "ph",
    "temperature_c",
    "totals_mm",
    "components",
    "ionic_strength_m",
    "constants",
    "titrant",
    "gas",
    "inert",
    "assumed",
    "source",
)
# Strong ions and neutral molecules: they need no declaration where the set does not bind them.
NON_BINDING = ("K", "Na", "Cs", "TEA", "NMDG", "Cl", "glucose", "ouabain")
# A titrant brings one ion; its partner is H+ or OH-.
TITRANTS = {"KOH": "K", "NaOH": "Na", "CsOH": "Cs", "TEAOH": "TEA", "NMDG": "NMDG", "HCl": "Cl"}
LEAST_MM, MOST_MM = 1.66e-21, 1e5
# What components are also called; only to ask whether they were meant.
SYNONYMS = {
    "PO4": "Pi", "HPO4": "Pi", "phosphate": "Pi", "PCr": "CrP", "phosphocreatine": "CrP", "creatine phosphate": "CrP",
    "sulphate": "SO4", "sulfate": "SO4", "bicarbonate": "HCO3", "CO3": "HCO3", "magnesium": "Mg", "calcium": "Ca",
    "zinc": "Zn", "potassium": "K", "sodium": "Na", "chloride": "Cl", "asp": "aspartate", "cit": "citrate",
}  # fmt: skip
GAS_WITHOUT_CO2 = ("air", "O2", "N2", "argon", "Ar", "helium", "He", "none")
GAS = "must say how much CO2 it holds, as in 95 % O2/5 % CO2; without CO2: air, O2, N2, argon, helium or none"
WITHOUT_PH = "must be a number from 0 to 14; it may be left out only where `gas` holds CO2 over HCO3 that the set binds"
# The ligand whose protonated form a gas holds.
BICARBONATE = "HCO3"


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; `totals_mm` are above zero, `absent` names what the recipe holds none of.

    `ph` is None where it follows from the gas; `co2_fraction` is that of the dry gas; `unbound` holds the pairs of
    metal and ligand that are declared not to bind each other.
    """

    ph: float | None
    temperature_c: float
    totals_mm: Mapping[str, float]
    absent: tuple[str, ...]
    ionic_strength_m: float | None
    constants: ConstantSet
    titrant: str
    inert: tuple[str, ...]
    unbound: frozenset[tuple[str, str]]
    gas: str
    co2_fraction: float
    assumed: tuple[str, ...]
    source: str

    @property
    def metals(self) -> tuple[str, ...]:
        """Return the metals that are present, or brought by the titrant, and bind."""
        brought = TITRANTS.get(self.titrant)
        there = {*self.totals_mm, brought} - set(self.inert)
        return tuple(m for m in self.constants.metals if m in there)

    @property
    def ligands(self) -> tuple[str, ...]:
        """Return the ligands that are present and bind."""
        return tuple(x for x in self.constants.ligand_charges if x in self.totals_mm and x not in self.inert)

    @property
    def bystanders(self) -> tuple[str, ...]:
        """Return what is present and binds nothing."""
        binding = {*self.metals, *self.ligands}
        return tuple(x for x in self.totals_mm if x not in binding)

    @property
    def bystander_charges(self) -> dict[str, int]:
        """Return the charge of each bystander; 0 where it is not known and nothing asks for it."""
        return {x: inert_components().ligand_charges.get(x, 0) for x in self.bystanders}

    @property
    def gas_holds(self) -> bool:
        """Whether a gas with CO2 stands over bicarbonate that the set knows."""
        return self.co2_fraction > 0 and BICARBONATE in self.ligands


def read_recipe(recipe: Mapping, constants: str | ConstantSet) -> Recipe:
    """Check a recipe and complete it; `constants` is the set unless the recipe names its own.

    Raises
    ------
    InputError
        With all problems, each naming key or component, its value, and what is allowed.
    """
    problems = [*_unknown_keys(recipe), *_bad_numbers(recipe), *_bad_names(recipe)]
    chosen = recipe.get("constants", constants)
    if not isinstance(chosen, ConstantSet):
        try:
            chosen = load_constants(chosen)
        except InputError as error:
            problems.append(_problem("constants", chosen, str(error)))
    if problems:
        raise InputError(problems)
    strength, totals, stated = recipe.get("ionic_strength_m"), _totals(recipe), recipe.get("ph")
    inert = tuple(recipe.get("inert") or ())
    read = Recipe(
        ph=None if stated is None else float(stated),
        temperature_c=float(recipe["temperature_c"]),
        totals_mm={name: total for name, total in totals.items() if total > 0},
        absent=tuple(name for name, total in totals.items() if total == 0),
        ionic_strength_m=None if strength is None else float(strength),
        constants=chosen,
        titrant=recipe.get("titrant") or "",
        inert=inert,
        unbound=frozenset(pair for x in inert if "+" in x for pair in (tuple(x.split("+")), tuple(x.split("+")[::-1]))),
        gas=str(recipe.get("gas") or ""),
        co2_fraction=_co2_fraction(str(recipe.get("gas") or "")) or 0.0,
        assumed=tuple(recipe.get("assumed") or ()),
        source=str(recipe.get("source") or ""),
    )
    problems = [*_outside_the_set(read), *_unknown_charges(read), *_without_ph(read)]
    if problems:
        raise InputError(problems)
    return read


def _problem(place: str, value, allowed: str) -> Problem:
    return Problem("solution", None, place, "" if value is None else str(value), allowed)


def _unknown_keys(recipe: Mapping):
    for key in recipe:
        if key not in KEYS:
            yield _problem(key, None, f"is not a key of a recipe{_nearest(key, KEYS)}; allowed: {', '.join(KEYS)}")


def _bad_numbers(recipe: Mapping):
    limits = {"ph": (0, 14), "temperature_c": (-5, 100), "ionic_strength_m": (0, HIGHEST_IONIC_STRENGTH_M)}
    for key, (low, high) in limits.items():
        value = recipe.get(key)
        if (value is not None or key == "temperature_c") and not _is_number(value, low, high):
            yield _problem(key, repr(value), f"must be a number from {low:g} to {high:g}")
    if recipe.get("ph") is None and not _co2_fraction(str(recipe.get("gas") or "")):
        yield _problem("ph", None, WITHOUT_PH)
    for part in ("totals_mm", "components"):
        if not isinstance(recipe.get(part) or {}, Mapping):
            yield _problem(part, str(recipe[part]), "must be names with amounts, as in {Mg: 1, ATP: 3}")
            continue
        for name, value in (recipe.get(part) or {}).items():
            if value != 0 and not _is_number(value, LEAST_MM, MOST_MM):
                allowed = f"must be 0, or a number from one molecule a litre ({LEAST_MM:g}) to {MOST_MM:g} (mM)"
                yield _problem(f"{part}.{name}", repr(value), allowed)


def _bad_names(recipe: Mapping):
    components = recipe.get("components") or ()
    for salt in components if isinstance(components, Mapping) else ():
        if salt not in salts():
            allowed = f"is not a known salt{_nearest(salt, salts())}; allowed: {', '.join(salts())}; or give totals_mm"
            yield _problem(f"components.{salt}", None, allowed)
    titrant, inert = recipe.get("titrant"), recipe.get("inert") or ()
    if titrant and titrant not in TITRANTS:
        yield _problem("titrant", titrant, f"allowed: {', '.join(TITRANTS)}")
    if isinstance(inert, str) or not all(isinstance(x, str) for x in inert):
        yield _problem("inert", str(inert), "must be a list of names: components, or pairs such as Ca+GTP")
    if _co2_fraction(str(recipe.get("gas") or "")) is None:
        yield _problem("gas", str(recipe["gas"]), GAS)
    for key in recipe.get("assumed") or ():
        if key not in recipe:
            allowed = f"must name keys of this recipe{_nearest(key, recipe)}: {', '.join(recipe)}"
            yield _problem("assumed", str(key), allowed)


def _co2_fraction(gas: str) -> float | None:
    """Return the fraction of CO2 that a gas is said to hold, 0 without CO2, None where it cannot be read.

    Each part is a gas with its percent; one part may do without (`air`, or the rest).
    """
    parts = [p.strip() for p in re.split(r"[/+;]|,(?=\D)| and ", gas) if p.strip()]
    percents, co2 = 0.0, 0.0
    for part in parts:
        found = re.fullmatch(r"(?:(\d+(?:[.,]\d+)?)\s*%\s*(?:of\s+)?)?([A-Za-z]+2?)", part)
        known = found and found[2].lower() in ("co2", *(g.lower() for g in GAS_WITHOUT_CO2))
        if not known or (found[2].lower() == "co2" and not found[1]):
            return None
        percent = float((found[1] or "0").replace(",", "."))
        percents += percent
        co2 += percent if found[2].lower() == "co2" else 0.0
    return co2 / 100 if percents <= 100.001 else None


def _outside_the_set(recipe: Recipe):
    """Yield what the set of constants does not cover."""
    constants = recipe.constants
    if recipe.ph is not None:
        low, high = constants.ph_range
        if not low <= recipe.ph <= high:
            yield _problem("ph", f"{recipe.ph:g}", f"constants {constants.name!r} hold from {low:g} to {high:g}")
        for ligand in recipe.ligands:
            low, high = constants.ph_ranges.get(ligand, (0, 14))
            if not low <= recipe.ph <= high:
                allowed = f"constants {constants.name!r} have all forms of {ligand} from pH {low:g} to {high:g} only"
                yield _problem(f"totals_mm.{ligand}", f"pH {recipe.ph:g}", allowed)
    known = (*constants.metals, *constants.ligand_charges, *NON_BINDING)
    for component in recipe.totals_mm:
        if component not in known and component not in recipe.inert:
            reason = f": {constants.refused[component]}" if component in constants.refused else ""
            allowed = (
                f"{component} has no constants in set {constants.name!r}{reason}{_nearest(component, known)}; allowed: "
                f"{', '.join(known)}{_elsewhere(component)}; or list it under `inert` if it binds no metal and no "
                "known ligand"
            )
            yield _problem(f"totals_mm.{component}", None, allowed)
    bound = {(e.cation, e.ligand) for e in constants.equilibria} | recipe.unbound
    for metal in recipe.metals:
        for ligand in recipe.ligands:
            if (metal, ligand) not in bound:
                allowed = (
                    f"set {constants.name!r} has no constant of {metal} with {ligand}, and part of a set gives wrong "
                    f"answers; choose another set, or declare one of them, or the pair {metal}+{ligand}, inert"
                )
                yield _problem(f"totals_mm.{ligand}", None, allowed)


def _elsewhere(component: str) -> str:
    sets = [name for name in available_constants() if component in load_constants(name).ligand_charges]
    return f"; sets that hold {component}: {', '.join(sets)}" if sets else ""


def _without_ph(recipe: Recipe):
    if recipe.ph is None and not recipe.gas_holds:
        yield _problem("ph", None, WITHOUT_PH)
    if recipe.ph is None and recipe.titrant:
        yield _problem("titrant", recipe.titrant, "a pH that follows from the gas leaves no room for a titrant")


def _unknown_charges(recipe: Recipe):
    known = inert_components().ligand_charges
    if recipe.ionic_strength_m is not None and not recipe.titrant:
        return
    bound = (*recipe.constants.metals, *recipe.constants.ligand_charges, *NON_BINDING)
    for name in recipe.bystanders:
        if name not in known and (name in recipe.inert or name in bound):  # else it has its problem already
            allowed = (
                f"the charge of {name} is not known, so ionic strength and titrant cannot be computed; "
                f"give ionic_strength_m and no titrant; charges are known of {', '.join(known)}"
            )
            yield _problem(f"totals_mm.{name}", None, allowed)


def _totals(recipe: Mapping) -> dict[str, float]:
    """Return totals by component, in the order first named."""
    parts: dict[str, list[float]] = {}
    for name, amount in (recipe.get("totals_mm") or {}).items():
        parts.setdefault(name, []).append(float(amount))
    for salt, amount in (recipe.get("components") or {}).items():
        for name, moles in salts()[salt].items():
            parts.setdefault(name, []).append(moles * float(amount))
    return {name: math.fsum(amounts) for name, amounts in parts.items()}


def _is_number(value, low: float, high: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and low <= value <= high


def _nearest(name: str, known) -> str:
    by_lower = {str(k).lower(): str(k) for k in known}
    bare = re.sub(r"\d*[+-]+$", "", str(name)).lower()
    meant = next((v for k, v in SYNONYMS.items() if k.lower() == bare), None)
    match = [meant.lower()] if meant else get_close_matches(bare, list(by_lower), n=1)
    return f" (did you mean {by_lower.get(match[0], meant)!r}?)" if match else ""
