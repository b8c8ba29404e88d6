"""The equilibrium of a solution: free ions, protonated ligands and complexes from totals.

Limits: complexes of one metal with one ligand (and its protons), activities by Davies, no precipitation. Constants and
their correction live in `stability`, recipes in `recipes`, gases in `gas`, the arithmetic in `equilibrium`.

The pH is the recipe's. Where a recipe under CO2 states none, it is the pH at which the charges of all ions balance, CO2
being held by the gas. The ionic strength, and what a titrant adds, are solved around the equilibrium.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from mgk.solutions.equilibrium import Equilibrated, System, equilibrate
from mgk.solutions.gas import co2_pressure_mmhg, dissolved_co2_mm
from mgk.solutions.recipes import BICARBONATE, TITRANTS, Recipe, read_recipe
from mgk.solutions.stability import (
    CATION_CHARGES,
    HIGHEST_IONIC_STRENGTH_M,
    ConstantSet,
    inert_components,
    linear_in_activity,
    load_constants,
    log_activity,
)
from mgk.tables import InputError, Problem

COLUMNS = ("solution_id", "constants", "ph", "temperature_c", "ionic_strength_m", "species", "concentration_mm")
# Rounds in which the amount of a titrant that itself binds settles; each brings about one digit.
TITRATION_ROUNDS = 200
# A stated pH further than this from what gas and bicarbonate give is remarked upon.
PH_DIFFERENCE = 0.05
# Above it magnesium and its like take up hydroxide (assumed, no source: where a remark is due, not a limit).
HYDROXIDE_PH = 10


@dataclass(frozen=True)
class SolvedSolution:
    """A solution at equilibrium.

    Attributes
    ----------
    free_mm : dict
        Bare ions, fully deprotonated ligands, and what binds nothing, by name, mM; 0 for a total of 0.
    complexes_mm : dict
        Protonated ligands (HATP) and metal complexes (MgATP, MgHATP) by name, mM.
    constants : str
        The set of constants.
    inert : tuple of str
        Components declared non-binding, and pairs declared not to bind each other.
    counter_ion_mm : float
        Univalent charge that the named components lack for neutrality: cation if positive, anion if negative. It is
        part of the ionic strength, and is the titrant if one is named.
    titrant_mm : float
        What the titrant adds; 0 without one.
    ph_from : str
        `stated`, or `gas` where it follows from CO2 and the balance of charges.
    ph_under_gas : float or None
        The pH at which the recipe's HCO3 and the gas are in balance; None without such a gas.
    co2_mmhg : float
        Partial pressure of CO2 at that temperature, 0 without such a gas.
    remarks : tuple of str
        What a reader should know: constants without enthalpy, ionic strength out of the range of Davies, a gas that
        does not fit the pH.
    """

    ph: float
    temperature_c: float
    ionic_strength_m: float
    constants: str
    free_mm: dict[str, float]
    complexes_mm: dict[str, float]
    inert: tuple[str, ...]
    counter_ion_mm: float
    titrant: str
    titrant_mm: float
    gas: str
    ph_from: str
    ph_under_gas: float | None
    co2_mmhg: float
    assumed: tuple[str, ...]
    remarks: tuple[str, ...]

    def table(self, solution_id: str) -> pd.DataFrame:
        """Return the rows of results/solutions/free_ions.csv: one a species."""
        species = {**self.free_mm, **self.complexes_mm}
        head = (solution_id, self.constants, self.ph, self.temperature_c, self.ionic_strength_m)
        return pd.DataFrame([(*head, name, value) for name, value in species.items()], columns=list(COLUMNS))


@dataclass(frozen=True)
class _State:
    """A recipe at one pH, ionic strength and amount of titrant; net charge and its own ionic strength in M."""

    ph: float
    strength_m: float
    bound: Equilibrated
    net_m: float
    own_strength_m: float
    titrant_m: float


@dataclass(frozen=True)
class _Problem:
    """A recipe with its arrays: what binds metals, what only takes protons, what does neither."""

    recipe: Recipe
    binding: System
    protonating: System
    other_charges: np.ndarray
    other_m: np.ndarray

    @cached_property
    def co2_m(self) -> float:
        """Return the dissolved CO2 that the gas holds; NaN without such a gas."""
        return dissolved_co2_mm(self.recipe.co2_fraction, self.recipe.temperature_c) / 1e3

    @cached_property
    def held_m(self) -> np.ndarray | None:
        """Return what the gas holds of each ligand, as `equilibrate` takes it."""
        if not self.recipe.gas_holds:
            return None
        return np.where(np.array(self.recipe.ligands) == BICARBONATE, self.co2_m, np.nan)

    @property
    def titrant_metal(self) -> np.ndarray | None:
        """Return which metal the titrant brings, where its ion binds."""
        brought = TITRANTS.get(self.recipe.titrant)
        return np.array([m == brought for m in self.recipe.metals], float) if brought in self.recipe.metals else None


def solve_solution(recipe: Mapping, constants: str | ConstantSet = "webmaxc") -> SolvedSolution:
    """Solve the equilibrium of a recipe.

    Parameters
    ----------
    recipe : Mapping
        An entry of raw_data/solutions.yaml: `temperature_c`, `totals_mm` or `components` (mM), `ph` (unless it follows
        from the gas), and optionally `ionic_strength_m` (else computed from the solution itself), `inert`, `titrant`,
        `gas`, `constants`.
    constants : str or ConstantSet
        The set, unless the recipe names its own.

    Raises
    ------
    InputError
        When the recipe cannot be read, a component has no constants and is not declared inert, a metal and a ligand
        lack their constant, the charge calls for the other kind of titrant, ionic strength exceeds 1 M, no pH balances
        the charges under the gas, or the mass balances cannot be met.
    """
    read = read_recipe(recipe, constants)
    problem = _problem(read)
    try:
        state = _at_stated_ph(problem, read.ph) if read.ph is not None else _at_gas_ph(problem)
    except ArithmeticError as error:
        raise InputError(Problem("solution", None, "totals_mm", "", f"cannot be solved: {error}")) from None
    return _assemble(problem, state)


def solve_recipes(recipes: Mapping[str, Mapping], constants: str = "webmaxc") -> pd.DataFrame:
    """Solve every recipe by its id; return the table results/solutions/free_ions.csv.

    Raises
    ------
    InputError
        With the problems of all recipes that cannot be solved, each naming its solution.
    """
    tables, problems = [pd.DataFrame(columns=list(COLUMNS))], []
    for solution_id, recipe in recipes.items():
        try:
            tables.append(solve_solution(recipe, constants).table(solution_id))
        except InputError as error:
            place = "raw_data/solutions.yaml"
            problems += [Problem(place, None, f"{solution_id}.{p.column}", p.value, p.allowed) for p in error.problems]
    if problems:
        raise InputError(problems)
    return pd.concat(tables[1:] or tables, ignore_index=True)


def check_recipe(recipe: Mapping, constants: str = "webmaxc") -> list[tuple[str, str]]:
    """Return the problems of a recipe, empty when it can be solved: (key or component, what is wrong and allowed)."""
    try:
        solve_solution(recipe, constants)
    except InputError as error:
        return [(p.column, f"{p.value}: {p.allowed}" if p.value else p.allowed) for p in error.problems]
    return []


def _problem(read: Recipe) -> _Problem:
    charges = read.bystander_charges
    buffers = tuple(x for x in read.bystanders if inert_components().of_ligand(x))
    others = [x for x in read.bystanders if x not in buffers]
    return _Problem(
        recipe=read,
        binding=_system(read, read.constants, read.metals, read.ligands),
        protonating=_system(read, inert_components(), (), buffers),
        other_charges=np.array([charges[x] for x in others], float),
        other_m=np.array([read.totals_mm[x] / 1e3 for x in others]),
    )


def _system(recipe: Recipe, constants: ConstantSet, metals, ligands) -> System:
    n, m = len(ligands), len(metals)
    equilibria = [e for x in ligands for e in constants.of_ligand(x) if e.cation == "H" or e.cation in metals]
    p = 1 + max((e.protons_held for e in equilibria), default=0)
    ligand_a, ligand_b = np.full((n, p), -np.inf), np.zeros((n, p))
    metal_a, metal_b = np.full((n, m, p), -np.inf), np.zeros((n, m, p))
    ligand_a[:, 0] = 0
    for e in equilibria:
        a, b = linear_in_activity(e, constants.ligand_charges, recipe.temperature_c)
        i = ligands.index(e.ligand)
        if e.cation == "H":
            ligand_a[i, e.protons_held], ligand_b[i, e.protons_held] = a, b
        elif (e.cation, e.ligand) not in recipe.unbound:
            j = metals.index(e.cation)
            metal_a[i, j, e.protons], metal_b[i, j, e.protons] = a, b
    follows = [recipe.ph is None and x == BICARBONATE for x in ligands]
    totals = [math.nan if free else recipe.totals_mm[x] for x, free in zip(ligands, follows, strict=True)]
    return System(
        ligand_a=ligand_a,
        ligand_b=ligand_b,
        metal_a=metal_a,
        metal_b=metal_b,
        form_charges=np.array([constants.ligand_charges[x] for x in ligands], float)[:, None] + np.arange(p),
        metal_charges=np.array([CATION_CHARGES[x] for x in metals], float),
        ligand_totals_m=np.array(totals) / 1e3,
        metal_totals_m=np.array([recipe.totals_mm.get(x, 0.0) for x in metals]) / 1e3,
    )


def _at_stated_ph(problem: _Problem, ph: float) -> _State:
    """Return the state at a pH, at the recipe's ionic strength or the solution's own."""
    stated = problem.recipe.ionic_strength_m
    return _titrated(problem, ph, stated if stated is not None else _own_strength(problem, ph))


def _at_gas_ph(problem: _Problem) -> _State:
    """Return the state at which the charges balance under the gas."""
    low, high = problem.recipe.constants.ph_ranges.get(BICARBONATE, (0, 14))
    for ligand in problem.recipe.ligands:
        span = problem.recipe.constants.ph_ranges.get(ligand, (0, 14))
        low, high = max(low, span[0]), min(high, span[1])

    def net(ph: float) -> float:
        return _at_stated_ph(problem, ph).net_m

    # Far from the balance bicarbonate alone may exceed what Davies describes: come down to a pH where it does not.
    while high > low and not _is_describable(problem, high):
        high -= 0.25
    if not net(low) > 0 > net(high):
        allowed = f"the charges balance at no pH from {low:g} to {high:g} under this gas: too little or too much HCO3"
        raise InputError(Problem("solution", None, "gas", problem.recipe.gas, allowed))
    return _at_stated_ph(problem, brentq(net, low, high, xtol=1e-12, rtol=1e-14))


def _is_describable(problem: _Problem, ph: float) -> bool:
    try:
        _at_stated_ph(problem, ph)
    except InputError:
        return False
    return True


def _titrated(problem: _Problem, ph: float, strength_m: float) -> _State:
    """Return the state with the titrant's ion counted as a metal where it binds.

    The ion that is added closes the charge; part of it is bound, so that the amount is found in rounds.
    """
    if problem.titrant_metal is None:
        return _state(problem, ph, strength_m, 0.0)
    added = 0.0
    for _ in range(TITRATION_ROUNDS):
        state = _state(problem, ph, strength_m, added)
        # The net charge holds the ion that was added already.
        wanted = max(0.0, added - state.net_m)
        if abs(wanted - added) <= 1e-15 + 1e-14 * wanted:
            return state
        added = wanted
    raise ArithmeticError(f"the amount of {problem.recipe.titrant} does not settle")


def _state(problem: _Problem, ph: float, strength_m: float, added_m: float) -> _State:
    recipe, d = problem.recipe, log_activity(problem.recipe.temperature_c, strength_m)
    brought = None if problem.titrant_metal is None else problem.titrant_metal * added_m
    bound = equilibrate(problem.binding, ph, d, problem.held_m, brought)
    buffered = equilibrate(problem.protonating, ph, d)
    z = np.concatenate([problem.binding.charges, problem.protonating.charges, problem.other_charges])
    c = np.concatenate([bound.concentrations, buffered.concentrations, problem.other_m])
    net = float(np.sum(z * c))
    # Charge that nothing named balances belongs to some univalent ion; under a gas that gives the pH there is none.
    unnamed = abs(net) if recipe.ph is not None else 0.0
    return _State(ph, strength_m, bound, net, float(0.5 * (np.sum(z * z * c) + unnamed)), added_m)


def _own_strength(problem: _Problem, ph: float) -> float:
    """Return the ionic strength that a solution computed at it has."""

    def excess(strength_m: float) -> float:
        return _titrated(problem, ph, strength_m).own_strength_m - strength_m

    at_limit = excess(HIGHEST_IONIC_STRENGTH_M) + HIGHEST_IONIC_STRENGTH_M
    if at_limit > HIGHEST_IONIC_STRENGTH_M:
        allowed = f"the Davies equation describes no ionic strength above {HIGHEST_IONIC_STRENGTH_M:g} M"
        raise InputError(Problem("solution", None, "ionic_strength_m", f"about {at_limit:.2g}", allowed))
    if excess(0.0) == 0:
        return 0.0
    return brentq(excess, 0.0, HIGHEST_IONIC_STRENGTH_M, xtol=1e-14, rtol=1e-14)


def _assemble(problem: _Problem, state: _State) -> SolvedSolution:
    recipe, bound = problem.recipe, state.bound
    free = dict(zip(recipe.metals, 1e3 * bound.metals, strict=True))
    free |= dict(zip(recipe.ligands, 1e3 * bound.forms[:, 0], strict=True))
    free |= {x: recipe.totals_mm[x] for x in recipe.bystanders}
    free |= {x: 0.0 for x in recipe.absent if x not in free}  # a titrant may bring what the recipe holds none of
    # Under a gas that gives the pH the charges balance, up to rounding.
    counter_ion_mm = -1e3 * (state.net_m - state.titrant_m) if recipe.ph is not None else 0.0
    titrant_mm = _titrate(recipe.titrant, counter_ion_mm, problem.titrant_metal is not None, free)
    complexes = {}
    for i, ligand in enumerate(recipe.ligands):
        for e in recipe.constants.of_ligand(ligand):
            if e.cation == "H":
                complexes[e.product] = 1e3 * bound.forms[i, e.protons_held]
            elif e.cation in recipe.metals:
                complexes[e.product] = 1e3 * bound.complexes[i, recipe.metals.index(e.cation), e.protons_held]
    return SolvedSolution(
        ph=state.ph,
        temperature_c=recipe.temperature_c,
        ionic_strength_m=state.strength_m,
        constants=recipe.constants.name,
        free_mm={name: float(value) for name, value in free.items()},
        complexes_mm={name: float(value) for name, value in complexes.items()},
        inert=recipe.inert,
        counter_ion_mm=counter_ion_mm,
        titrant=recipe.titrant,
        titrant_mm=titrant_mm,
        gas=recipe.gas,
        ph_from="gas" if recipe.ph is None else "stated",
        ph_under_gas=_ph_under_gas(problem, state),
        co2_mmhg=co2_pressure_mmhg(recipe.co2_fraction, recipe.temperature_c) if recipe.gas_holds else 0.0,
        assumed=recipe.assumed,
        remarks=tuple(_remarks(problem, state)),
    )


def _titrate(titrant: str, counter_ion_mm: float, is_bound: bool, free: dict) -> float:
    """Return what the titrant adds, mM; an ion that binds nothing is put into `free`.

    Raises
    ------
    InputError
        When the charge calls for the other kind.
    """
    if not titrant:
        return 0.0
    ion = TITRANTS[titrant]
    amount = counter_ion_mm * (-1 if ion == "Cl" else 1)
    if amount < 0:
        wanted = "a base" if ion == "Cl" else "an acid"
        allowed = f"cannot bring this pH: the charge calls for {-amount:.3g} mM of {wanted}"
        raise InputError(Problem("solution", None, "titrant", titrant, allowed))
    if not is_bound:
        free[ion] = free.get(ion, 0.0) + amount
    return amount


def _ph_under_gas(problem: _Problem, state: _State) -> float | None:
    """Return the pH that free HCO3 and the CO2 of the gas have: log K + log(HCO3/CO2)."""
    recipe = problem.recipe
    if not recipe.gas_holds:
        return None
    [step] = [e for e in recipe.constants.of_ligand(BICARBONATE) if e.cation == "H"]
    a, b = linear_in_activity(step, recipe.constants.ligand_charges, recipe.temperature_c)
    free = state.bound.forms[recipe.ligands.index(BICARBONATE), 0]
    return a - b * log_activity(recipe.temperature_c, state.strength_m) + math.log10(free / problem.co2_m)


def _remarks(problem: _Problem, state: _State):
    recipe = problem.recipe
    cations = ("H", *recipe.metals)
    present = [e for x in recipe.ligands for e in recipe.constants.of_ligand(x) if e.cation in cations]
    present = [e for e in present if math.isfinite(e.log_k) and (e.cation, e.ligand) not in recipe.unbound]
    for temperature_c in sorted({e.temperature_c for e in present if e.temperature_c != recipe.temperature_c}):
        without = [e.product for e in present if e.enthalpy_kcal_mol is None and e.temperature_c == temperature_c]
        if without:
            yield f"no enthalpy, so constants of {temperature_c:g} C are used for: {', '.join(without)}"
    yield from _remarks_on_inert(recipe)
    if state.ph > HYDROXIDE_PH and {"Mg", "Ca", "Zn"} & set(recipe.metals):
        yield f"above pH {HYDROXIDE_PH:g} hydroxides and solids, which no set holds, take part of the metals"
    if state.strength_m > 0.5 * HIGHEST_IONIC_STRENGTH_M:
        yield f"ionic strength {state.strength_m:.2f} M is beyond the range of the Davies equation (0.5 M)"
    if recipe.co2_fraction and not recipe.gas_holds:
        yield f"the gas ({recipe.gas}) is not honoured: the solution holds no HCO3 that the set binds"
    under_gas = _ph_under_gas(problem, state)
    if recipe.ph is not None and under_gas is not None and abs(under_gas - recipe.ph) > PH_DIFFERENCE:
        yield f"stated pH {recipe.ph:g}, but its HCO3 under {recipe.gas} has pH {under_gas:.2f}"
    if recipe.ph is None:
        stated, needed = recipe.totals_mm[BICARBONATE], _bicarbonate_mm(recipe, state)
        yield f"of {stated:g} mM HCO3 weighed in, {needed:.1f} mM is left (free and bound); the rest became CO2"


def _remarks_on_inert(recipe: Recipe):
    """Yield what a declaration of inert components hides, or that it does nothing."""
    constants = recipe.constants
    cations = {*recipe.totals_mm, TITRANTS.get(recipe.titrant)}
    hidden = [x for x in recipe.inert if x in recipe.totals_mm and x in (*constants.metals, *constants.ligand_charges)]
    bound = {(e.cation, e.ligand) for e in constants.equilibria if e.cation in cations}
    hidden += [f"{m}+{x}" for m, x in recipe.unbound if (m, x) in bound and x in recipe.totals_mm]
    if hidden:
        yield f"declared inert, though set {constants.name} has its constants: {', '.join(hidden)}"
    idle = [x for x in recipe.inert if not set(x.split("+")) <= {*recipe.absent, *cations}]
    if idle:
        yield f"declared inert, but not in the recipe: {', '.join(idle)}"


def _bicarbonate_mm(recipe: Recipe, state: _State) -> float:
    i = recipe.ligands.index(BICARBONATE)
    return 1e3 * float(state.bound.forms[i, 0] + state.bound.complexes[i].sum())


def apparent_kd_mm(
    metal: str,
    ligand: str,
    ph: float,
    temperature_c: float,
    ionic_strength_m: float,
    constants: str | ConstantSet = "webmaxc",
) -> float:
    """Return the apparent dissociation constant in mM: free metal times unbound ligand over bound, at this pH.

    Unbound counts all protonated forms of the ligand, bound the complexes with and without protons.

    Raises
    ------
    InputError
        When the set lacks the pair, or a condition is out of range.
    """
    chosen = constants if isinstance(constants, ConstantSet) else load_constants(constants)
    solved = solve_solution(
        {
            "ph": ph,
            "temperature_c": temperature_c,
            "ionic_strength_m": ionic_strength_m,
            "totals_mm": {metal: 1.0, ligand: 1.0},
        },
        chosen,
    )
    unbound = math.fsum([solved.free_mm[ligand], *(v for k, v in solved.complexes_mm.items() if k[0] == "H")])
    bound = math.fsum(v for k, v in solved.complexes_mm.items() if k.startswith(metal))
    return solved.free_mm[metal] * unbound / bound
