"""Tables of all solutions of a study: each at equilibrium, with every set, at other pH and temperature, and in pairs.

Limits: no chemistry of its own (`speciation`), no drawing (`figures.solutions`). Recipes are those of
raw_data/solutions.yaml by id; concentrations in mM, potentials in mV.
"""

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from mgk.solutions.junction import junction_of
from mgk.solutions.potentials import ghk_reversal_mv, nernst_mv
from mgk.solutions.sides import internal_external
from mgk.solutions.speciation import SolvedSolution, solve_recipes, solve_solution
from mgk.solutions.stability import CATION_CHARGES, available_constants, load_constants
from mgk.tables import InputError

# What a reader asks of a solution first; Zn only where there is some.
SHOWN = ("Mg", "Ca", "Zn", "MgATP")
IONS = {"K": 1, "Na": 1, "Cl": -1, "Mg": 2, "Ca": 2}
PH_STEPS = tuple(n / 10 for n in range(-5, 6))
TEMPERATURES_C = (10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 37.0, 40.0)
SOLUTION_COLUMNS = (
    "solution_id",
    "constants",
    "ph",
    "ph_from",
    "temperature_c",
    "ionic_strength_m",
    "titrant",
    "titrant_mm",
    "counter_ion_mm",
    "dissolved_mm",
    "gas",
    "co2_mmhg",
    "ph_under_gas",
    "inert",
    "assumed",
    "source",
    "remarks",
)
BINDING_COLUMNS = ("solution_id", "metal", "partner", "concentration_mm", "share")
SET_COLUMNS = (
    "solution_id",
    "constants",
    "named_by",
    "left_inert",
    "species",
    "concentration_mm",
    "ratio",
    "reason",
)
NOTHING = (math.nan, math.nan)
CONDITION_COLUMNS = ("solution_id", "constants", "varied", "value", "species", "concentration_mm")
PAIR_COLUMNS = (
    "pipette_solution",
    "bath_solution",
    "configuration",
    "temperature_c",
    "constants",
    *(f"{ion.lower()}_mv" for ion in IONS),
    "ghk_mv",
    "junction_mv",
    "remarks",
)


def solve_all(recipes: Mapping[str, Mapping], constants: str) -> dict[str, SolvedSolution]:
    """Return every solution at equilibrium, by id.

    Raises
    ------
    InputError
        With the problems of all recipes that cannot be solved.
    """
    solve_recipes(recipes, constants)
    return {name: solve_solution(recipe, constants) for name, recipe in recipes.items()}


def solutions_table(recipes: Mapping[str, Mapping], solved: Mapping[str, SolvedSolution]) -> pd.DataFrame:
    """Return a row a solution: what was stated, what followed, what was assumed or declared.

    `dissolved_mm` is the sum of all species, an ideal osmolarity in mosm/l; `counter_ion_mm` what the recipe lacks for
    neutrality before titration (a cation if positive).
    """
    rows = []
    for name, found in solved.items():
        dissolved = math.fsum([*found.free_mm.values(), *found.complexes_mm.values()])
        unnamed = 0.0 if found.titrant else abs(found.counter_ion_mm)
        rows.append(
            {
                "solution_id": name,
                **{c: getattr(found, c) for c in SOLUTION_COLUMNS if hasattr(found, c)},
                "dissolved_mm": dissolved + unnamed,
                "ph_under_gas": math.nan if found.ph_under_gas is None else found.ph_under_gas,
                "inert": ", ".join(found.inert),
                "assumed": ", ".join(found.assumed),
                "source": recipes[name].get("source", ""),
                "remarks": "; ".join(found.remarks),
            }
        )
    return pd.DataFrame(rows, columns=list(SOLUTION_COLUMNS))


def binding_table(solved: Mapping[str, SolvedSolution]) -> pd.DataFrame:
    """Return where the divalent metals of each solution are: a row for what is free, and one a ligand.

    Returns
    -------
    DataFrame
        solution_id, metal, partner (`free` or the ligand, all its protonated complexes together), concentration_mm,
        share of the metal's total.
    """
    rows = []
    for name, found in solved.items():
        equilibria = load_constants(found.constants).equilibria
        for metal in [m for m in SHOWN if found.free_mm.get(m) and m in CATION_CHARGES]:
            amounts = {"free": [found.free_mm[metal]]}
            for e in equilibria:
                if e.cation == metal and found.complexes_mm.get(e.product):
                    amounts.setdefault(e.ligand, []).append(found.complexes_mm[e.product])
            total = math.fsum(x for parts in amounts.values() for x in parts)
            rows += [(name, metal, p, math.fsum(parts), math.fsum(parts) / total) for p, parts in amounts.items()]
    return pd.DataFrame(rows, columns=list(BINDING_COLUMNS))


def constant_sets_table(recipes: Mapping[str, Mapping], constants: str) -> pd.DataFrame:
    """Return free metals and MgATP of each solution in which something binds a metal, with each set of constants.

    A set that lacks some ligands of a solution is compared on the solution without their binding, which `left_inert`
    names; `ratio` is to the set that the recipe (or else the study) names, on the very same terms. A set that lacks
    all, or one constant among those that it needs, has a row with the reason.
    """
    rows = []
    for name, recipe in recipes.items():
        if not _binds(solve_solution(recipe, constants)):
            continue
        own = recipe.get("constants", constants)
        for other in (own, *(s for s in available_constants() if s != own)):
            named_by = "" if other != own else "recipe" if "constants" in recipe else "study"
            lacking = _lacking(recipe, constants, other)
            inert = [*(recipe.get("inert") or ()), *lacking]
            try:
                found, reference = (solve_solution({**recipe, "constants": s, "inert": inert}) for s in (other, own))
            except InputError as error:
                first = error.problems[0]
                rows.append(
                    (name, other, named_by, "", "", *NOTHING, f"{first.column}: {first.allowed.split('; ')[0]}")
                )
                continue
            if not _binds(found):
                reason = f"has no constants of {', '.join(lacking)}"
                rows.append((name, other, named_by, "", "", *NOTHING, reason))
                continue
            values, own_values = _shown(found), _shown(reference)
            head = name, other, named_by, ", ".join(lacking)
            rows += [(*head, s, v, v / own_values[s], "") for s, v in values.items() if s in own_values]
    return pd.DataFrame(rows, columns=list(SET_COLUMNS))


def _lacking(recipe: Mapping, constants: str, other: str) -> list[str]:
    """Return the ligands of a recipe that the named set lacks and its own set binds."""
    solved = solve_solution(recipe, constants)
    own, known = load_constants(solved.constants).ligand_charges, load_constants(other).ligand_charges
    return [x for x in own if solved.free_mm.get(x) and x not in solved.inert and x not in known]


def set_spread(sets: pd.DataFrame) -> pd.DataFrame:
    """Return, for each solution and species, how far the sets are apart, relative to the set in use.

    Returns
    -------
    DataFrame
        solution_id, species, n_sets, lowest, lowest_set, highest, highest_set; ratios to the set in use.
    """
    rows = []
    for (solution, species), group in sets[sets["species"] != ""].groupby(["solution_id", "species"], sort=False):
        ordered = group.sort_values("ratio", kind="stable")
        low, high = ordered.iloc[0], ordered.iloc[-1]
        ends = low["ratio"], low["constants"], high["ratio"], high["constants"]
        rows.append((solution, species, group["constants"].nunique(), *ends))
    names = ["solution_id", "species", "n_sets", "lowest", "lowest_set", "highest", "highest_set"]
    return pd.DataFrame(rows, columns=names)


def conditions_table(recipes: Mapping[str, Mapping], constants: str) -> pd.DataFrame:
    """Return what pH and temperature do: free metals and MgATP around the recipe's own conditions.

    pH half a unit to each side, temperature from 10 to 40 C, everything else as the recipe says; a condition outside of
    what the set covers has no row. Where the pH follows from a gas, it does so at each temperature.
    """
    rows = []
    for name, recipe in recipes.items():
        here = solve_solution(recipe, constants)
        if not _binds(here):
            continue
        asked = [("ph", round(here.ph + step, 10)) for step in PH_STEPS]
        asked += [("temperature_c", value) for value in TEMPERATURES_C]
        for varied, value in asked:
            try:
                found = solve_solution({**recipe, varied: value}, constants)
            except InputError:
                continue
            rows += [(name, found.constants, varied, value, s, v) for s, v in _shown(found).items()]
    return pd.DataFrame(rows, columns=list(CONDITION_COLUMNS))


def pairs_of_recordings(recordings: pd.DataFrame) -> list[dict]:
    """Return each distinct pair of pipette and bath of recordings.csv, with configuration and temperature."""
    columns = ["pipette_solution", "bath_solution", "zero_solution", "configuration", "temperature_c"]
    named = recordings[(recordings["pipette_solution"] != "") & (recordings["bath_solution"] != "")]
    return named[columns].drop_duplicates().to_dict("records")


def pairs_table(
    pairs: Iterable[Mapping],
    recipes: Mapping[str, Mapping],
    solved: Mapping[str, SolvedSolution],
    permeabilities: Mapping[str, float],
) -> pd.DataFrame:
    """Return, for each pair of pipette and bath, equilibrium potentials, GHK and the junction potential.

    Parameters
    ----------
    pairs : iterable of mappings
        pipette_solution, bath_solution, configuration, and optionally temperature_c (else that of the bath) and
        zero_solution (the bath in which the pipette was zeroed, when it is another).
    permeabilities : mapping
        Relative permeabilities of K, Na and Cl; empty: no GHK potential.

    Returns
    -------
    DataFrame
        Columns of `PAIR_COLUMNS`; a potential is empty where a side has no recipe or holds none of the ion. The
        junction potential is bath minus pipette.
    """
    rows = []
    for pair in pairs:
        known = {side: solved[s] for side, s in internal_external(pair).items() if s in solved}
        temperature_c = _temperature_c(pair, recipes)
        inside, outside = known.get("internal"), known.get("external")
        remarks, potentials = [], dict.fromkeys((f"{ion.lower()}_mv" for ion in IONS), math.nan)
        ghk = math.nan
        if inside and outside:
            for ion, z in IONS.items():
                both = inside.free_mm.get(ion, 0.0), outside.free_mm.get(ion, 0.0)
                if min(both) > 0:
                    potentials[f"{ion.lower()}_mv"] = nernst_mv(z, both[1], both[0], temperature_c)
            ghk = _ghk_mv(inside, outside, permeabilities, temperature_c)
        else:
            remarks.append("one side of the membrane has no recipe")
        junction, said = _junction(pair, solved, temperature_c)
        rows.append(
            {
                **{c: pair.get(c, "") for c in ("pipette_solution", "bath_solution", "configuration")},
                "temperature_c": temperature_c,
                "constants": ", ".join(dict.fromkeys(x.constants for x in known.values())),
                **potentials,
                "ghk_mv": ghk,
                "junction_mv": junction,
                "remarks": "; ".join(x for x in (*remarks, said) if x),
            }
        )
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _temperature_c(pair: Mapping, recipes: Mapping[str, Mapping]) -> float:
    stated = pair.get("temperature_c")
    if stated is None or pd.isna(stated):
        stated = recipes.get(pair["bath_solution"], {}).get("temperature_c", math.nan)
    return float(stated)


def _ghk_mv(inside: SolvedSolution, outside: SolvedSolution, permeabilities: Mapping, temperature_c: float) -> float:
    ions = [ion for ion in permeabilities if ion in IONS and abs(IONS[ion]) == 1]
    if not ions:
        return math.nan
    sides = ([side.free_mm.get(ion, 0.0) for ion in ions] for side in (inside, outside))
    try:
        return ghk_reversal_mv(*sides, [permeabilities[i] for i in ions], temperature_c, [IONS[i] for i in ions])
    except InputError:
        return math.nan


def _junction(pair: Mapping, solved: Mapping[str, SolvedSolution], temperature_c: float) -> tuple[float, str]:
    zeroed = pair.get("zero_solution") or pair["bath_solution"]
    both = solved.get(pair["pipette_solution"]), solved.get(zeroed)
    if None in both:
        return math.nan, ""
    try:
        return junction_of(*both, temperature_c)
    except InputError as error:
        return math.nan, str(error)


def _shown(solved: SolvedSolution) -> dict[str, float]:
    """Return the free metals of a solution, and its MgATP with and without a proton."""
    found = {m: solved.free_mm[m] for m in SHOWN if solved.free_mm.get(m)}
    if "MgATP" in solved.complexes_mm and "Mg" in found:
        found["MgATP"] = math.fsum(solved.complexes_mm.get(x, 0.0) for x in ("MgATP", "MgHATP"))
    return found


def _binds(solved: SolvedSolution) -> bool:
    """Whether something in the solution binds a divalent metal that it holds."""
    equilibria = load_constants(solved.constants).equilibria
    return any(solved.complexes_mm.get(e.product, 0.0) > 0 for e in equilibria if CATION_CHARGES[e.cation] == 2)
