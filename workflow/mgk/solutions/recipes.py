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
from mgk.tables import InputError, Problem

KEYS = ("ph", "temperature_c", "totals_mm", "components", "ionic_strength_m", "constants", "titrant", "gas", "inert")
# Strong ions and neutral molecules: they need no declaration, because no set at hand binds them.
NON_BINDING = ("K", "Na", "Cs", "TEA", "NMDG", "Cl", "glucose", "ouabain")
# A titrant brings one ion; its partner is H+ or OH-.
TITRANTS = {"KOH": "K", "NaOH": "Na", "CsOH": "Cs", "TEAOH": "TEA", "NMDG": "NMDG", "HCl": "Cl"}


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; `totals_mm` are above zero, `absent` names what the recipe holds none of."""

    ph: float
    temperature_c: float
    totals_mm: Mapping[str, float]
    absent: tuple[str, ...]
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

    @property
    def bystander_charges(self) -> dict[str, int]:
        """Return the charge of each bystander; 0 where it is not known and nothing asks for it."""
        return {x: inert_components().ligand_charges.get(x, 0) for x in self.bystanders}


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
    strength, totals = recipe.get("ionic_strength_m"), _totals(recipe)
    read = Recipe(
        ph=float(recipe["ph"]),
        temperature_c=float(recipe["temperature_c"]),
        totals_mm={name: total for name, total in totals.items() if total > 0},
        absent=tuple(name for name, total in totals.items() if total == 0),
        ionic_strength_m=None if strength is None else float(strength),
        constants=chosen,
        titrant=recipe.get("titrant") or "",
        inert=tuple(recipe.get("inert") or ()),
    )
    problems = [*_outside_the_set(read), *_unknown_charges(read)]
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
        if (value is not None or key != "ionic_strength_m") and not _is_number(value, low, high):
            yield _problem(key, repr(value), f"must be a number from {low:g} to {high:g}")
    for part in ("totals_mm", "components"):
        for name, value in (recipe.get(part) or {}).items():
            if not _is_number(value, 0, math.inf):
                yield _problem(f"{part}.{name}", repr(value), "must be a number of at least 0 (mM)")


def _bad_names(recipe: Mapping):
    for salt in recipe.get("components") or {}:
        if salt not in salts():
            allowed = f"is not a known salt{_nearest(salt, salts())}; allowed: {', '.join(salts())}; or give totals_mm"
            yield _problem(f"components.{salt}", None, allowed)
    titrant, inert = recipe.get("titrant"), recipe.get("inert") or ()
    if titrant and titrant not in TITRANTS:
        yield _problem("titrant", titrant, f"allowed: {', '.join(TITRANTS)}")
    if isinstance(inert, str):
        yield _problem("inert", inert, "must be a list of component names")


def _outside_the_set(recipe: Recipe):
    """Yield what the set of constants does not cover."""
    name = recipe.constants.name
    low, high = recipe.constants.ph_range
    if not low <= recipe.ph <= high:
        yield _problem("ph", f"{recipe.ph:g}", f"constants {name!r} hold from {low:g} to {high:g}")
    known = (*recipe.constants.metals, *recipe.constants.ligand_charges, *NON_BINDING)
    for component in recipe.totals_mm:
        if component not in known and component not in recipe.inert:
            allowed = (
                f"{component} has no constants in set {name!r}{_nearest(component, known)}; allowed: "
                f"{', '.join(known)}; or list it under `inert` if it binds no metal and no known ligand"
            )
            yield _problem(f"totals_mm.{component}", None, allowed)
    bound = {(e.cation, e.ligand) for e in recipe.constants.equilibria}
    for metal in recipe.metals:
        for ligand in recipe.ligands:
            if (metal, ligand) not in bound:
                allowed = (
                    f"set {name!r} has no constant of {metal} with {ligand}, and part of a set gives wrong answers; "
                    "choose another set, or declare one of them inert"
                )
                yield _problem(f"totals_mm.{ligand}", None, allowed)


def _unknown_charges(recipe: Recipe):
    known = inert_components().ligand_charges
    if recipe.ionic_strength_m is not None and not recipe.titrant:
        return
    for name in recipe.bystanders:
        if name not in known:
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
    match = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""
