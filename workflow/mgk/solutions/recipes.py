"""What a recipe says: checked, salts expanded to totals, every component either known or declared inert.

Limits: no chemistry. Concentrations in mM. A recipe is an entry of raw_data/solutions.yaml: `ph`, `temperature_c`,
`totals_mm` (ions and ligands) or `components` (salts) or both, and optionally `ionic_strength_m`, `constants`,
`titrant` (brings the pH, its amount follows from the charge balance), `inert`, and `gas`, which is only a note.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from mgk.solutions.stability import (
    HIGHEST_IONIC_STRENGTH_M,
    ConstantSet,
    inert_components,
    load_constants,
    salts,
)
from mgk.tables import InputError

KEYS = ("ph", "temperature_c", "totals_mm", "components", "ionic_strength_m", "constants", "titrant", "gas", "inert")
# Strong ions and neutral molecules: they need no declaration, because no set at hand binds them.
NON_BINDING = ("K", "Na", "Cs", "TEA", "NMDG", "Cl", "glucose", "ouabain")
# A titrant brings one ion; its partner is H+ or OH-.
TITRANTS = {"KOH": "K", "NaOH": "Na", "CsOH": "Cs", "TEAOH": "TEA", "NMDG": "NMDG", "HCl": "Cl"}


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; totals above zero only."""

    ph: float
    temperature_c: float
    totals_mm: Mapping[str, float]
    ionic_strength_m: float | None
    constants: ConstantSet
    titrant: str
    inert: tuple[str, ...]

    @property
    def metals(self) -> tuple[str, ...]:
        """Return the metals that are present and bind."""
        return tuple(m for m in self.constants.metals if m in self.totals_mm and m not in self.inert)

    @property
    def ligands(self) -> tuple[str, ...]:
        """Return the ligands that are present and bind."""
        return tuple(x for x in self.constants.ligand_charges if x in self.totals_mm and x not in self.inert)

    @property
    def bystanders(self) -> tuple[str, ...]:
        """Return what is present and binds nothing."""
        binding = {*self.metals, *self.ligands}
        return tuple(x for x in self.totals_mm if x not in binding)


def read_recipe(recipe: Mapping, constants: str | ConstantSet) -> Recipe:
    """Check a recipe and complete it; `constants` is the set unless the recipe names its own.

    Raises
    ------
    InputError
        Naming the key or component, its value, and what is allowed.
    """
    for key in recipe:
        if key not in KEYS:
            raise InputError(f"solution: unknown key {key!r}{_nearest(key, KEYS)}; allowed: {', '.join(KEYS)}")
    chosen = recipe.get("constants", constants)
    inert = recipe.get("inert") or ()
    if isinstance(inert, str):
        raise InputError(f"solution: inert is {inert!r}; it must be a list of component names")
    titrant = recipe.get("titrant") or ""
    if titrant and titrant not in TITRANTS:
        raise InputError(f"solution: titrant {titrant!r} is unknown; allowed: {', '.join(TITRANTS)}")
    strength = recipe.get("ionic_strength_m")
    read = Recipe(
        ph=_number(recipe, "ph", 0, 14),
        temperature_c=_number(recipe, "temperature_c", 0, 100),
        totals_mm=_totals(recipe),
        ionic_strength_m=None if strength is None else _number(recipe, "ionic_strength_m", 0, HIGHEST_IONIC_STRENGTH_M),
        constants=chosen if isinstance(chosen, ConstantSet) else load_constants(chosen),
        titrant=titrant,
        inert=tuple(inert),
    )
    low, high = read.constants.ph_range
    if not low <= read.ph <= high:
        raise InputError(f"solution: ph {read.ph:g}: constants {read.constants.name!r} hold from {low:g} to {high:g}")
    _check_components(read)
    return read


def _check_components(recipe: Recipe) -> None:
    known = (*recipe.constants.metals, *recipe.constants.ligand_charges, *NON_BINDING)
    for name in recipe.totals_mm:
        if name not in known and name not in recipe.inert:
            raise InputError(
                f"solution: {name}: no constants in set {recipe.constants.name!r}{_nearest(name, known)}; "
                f"allowed: {', '.join(known)}; or list it under `inert` if it binds no metal and no known ligand"
            )
    bound = {(e.cation, e.ligand) for e in recipe.constants.equilibria}
    for metal in recipe.metals:
        for ligand in recipe.ligands:
            if (metal, ligand) not in bound:
                raise InputError(
                    f"solution: {metal} with {ligand}: set {recipe.constants.name!r} has no constant for this pair, "
                    "and part of a set gives wrong answers; choose another set or declare one of them inert"
                )


def _totals(recipe: Mapping) -> dict[str, float]:
    """Return totals by component, in the order first named, without zeros."""
    parts: dict[str, list[float]] = {}
    for name in recipe.get("totals_mm") or {}:
        parts.setdefault(name, []).append(_number(recipe["totals_mm"], name, 0, math.inf))
    for salt in recipe.get("components") or {}:
        if salt not in salts():
            raise InputError(
                f"solution: component {salt!r} is not a known salt{_nearest(salt, salts())}; "
                f"allowed: {', '.join(salts())}; or give totals_mm"
            )
        amount = _number(recipe["components"], salt, 0, math.inf)
        for name, moles in salts()[salt].items():
            parts.setdefault(name, []).append(moles * amount)
    totals = {name: math.fsum(amounts) for name, amounts in parts.items()}
    return {name: total for name, total in totals.items() if total > 0}


def _number(values: Mapping, key: str, low: float, high: float) -> float:
    value = values.get(key)
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not low <= value <= high:
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise InputError(f"solution: {key} is {value!r}; it must be a number {limits}")
    return float(value)


def _nearest(name: str, known) -> str:
    match = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def bystander_charges(recipe: Recipe) -> dict[str, int]:
    """Return the charge of each bystander.

    Raises
    ------
    InputError
        When a charge is unknown and the ionic strength, or the amount of a titrant, needs it.
    """
    known = inert_components().ligand_charges
    for name in recipe.bystanders:
        if name not in known and (recipe.ionic_strength_m is None or recipe.titrant):
            raise InputError(
                f"solution: {name}: its charge is not known, so the ionic strength cannot be computed; "
                f"give ionic_strength_m and no titrant; charges are known of: {', '.join(known)}"
            )
    return {name: known.get(name, 0) for name in recipe.bystanders}
