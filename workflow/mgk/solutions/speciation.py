"""The equilibrium of a solution: free ions, protonated ligands and complexes from totals, at a given pH.

Limits: complexes of one metal with one ligand (and one proton), activities by Davies. Constants and their correction
live in `stability`, recipes in `recipes`.

Method: with the pH fixed, a ligand's concentration follows from those of the free metals, so that only ln of these is
unknown. Their mass balances are the gradient of a convex function, which a damped Newton iteration minimises from any
totals. The ionic strength is solved around it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from mgk.solutions.recipes import TITRANTS, Recipe, read_recipe
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
# Largest relative error of a mass balance that is accepted; the iteration aims ten times lower.
MASS_BALANCE = 1e-12


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
        Components declared non-binding.
    counter_ion_mm : float
        Univalent charge that the named components lack for neutrality: cation if positive, anion if negative. It is
        part of the ionic strength, and is the titrant if one is named.
    remarks : tuple of str
        What a reader should know: constants without enthalpy, ionic strength out of the range of Davies.
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
    remarks: tuple[str, ...]

    def table(self, solution_id: str) -> pd.DataFrame:
        """Return the rows of results/solutions/free_ions.csv: one a species."""
        species = {**self.free_mm, **self.complexes_mm}
        head = (solution_id, self.constants, self.ph, self.temperature_c, self.ionic_strength_m)
        return pd.DataFrame([(*head, name, value) for name, value in species.items()], columns=list(COLUMNS))


@dataclass(frozen=True)
class _System:
    """Arrays over ligands (n), metals (m) and protons held (p): log K = a - b D; charges of every form."""

    ligand_a: np.ndarray
    ligand_b: np.ndarray
    metal_a: np.ndarray
    metal_b: np.ndarray
    form_charges: np.ndarray
    metal_charges: np.ndarray
    ligand_totals_m: np.ndarray
    metal_totals_m: np.ndarray


@dataclass(frozen=True)
class _Equilibrated:
    """Concentrations in M: metals (m), protonated forms (n, p), complexes (n, m, p)."""

    metals: np.ndarray
    forms: np.ndarray
    complexes: np.ndarray


def solve_solution(recipe: Mapping, constants: str | ConstantSet = "webmaxc") -> SolvedSolution:
    """Solve the equilibrium of a recipe.

    Parameters
    ----------
    recipe : Mapping
        An entry of raw_data/solutions.yaml: `ph`, `temperature_c`, `totals_mm` or `components` (mM), and optionally
        `ionic_strength_m` (else computed from the solution itself), `inert`, `titrant`, `constants`.
    constants : str or ConstantSet
        The set, unless the recipe names its own.

    Raises
    ------
    InputError
        When the recipe cannot be read, a component has no constants and is not declared inert, a metal and a ligand
        lack their constant, the charge calls for the other kind of titrant, or ionic strength exceeds 1 M.
    """
    read = read_recipe(recipe, constants)
    charges = read.bystander_charges
    buffers = tuple(x for x in read.bystanders if inert_components().of_ligand(x))
    binding = _system(read, read.constants, read.metals, read.ligands)
    protonating = _system(read, inert_components(), (), buffers)
    others = [x for x in read.bystanders if x not in buffers]
    other_z = np.array([charges[x] for x in others], float)
    other_c = np.array([read.totals_mm[x] / 1e3 for x in others])

    def at(strength_m: float):
        d = log_activity(read.temperature_c, strength_m)
        bound = _equilibrate(binding, d)
        buffered = _equilibrate(protonating, d)
        z = np.concatenate([_charges(binding), _charges(protonating), other_z])
        c = np.concatenate([_concentrations(bound), _concentrations(buffered), other_c])
        net = float(np.sum(z * c))
        return bound, net, float(0.5 * (np.sum(z * z * c) + abs(net)))

    strength_m = read.ionic_strength_m
    if strength_m is None:
        strength_m = _own_strength(lambda i: at(i)[2])
    bound, net, _ = at(strength_m)
    return _assemble(read, strength_m, bound, -1e3 * net)


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


def _system(recipe: Recipe, constants: ConstantSet, metals, ligands) -> _System:
    n, m = len(ligands), len(metals)
    equilibria = [e for x in ligands for e in constants.of_ligand(x) if e.cation == "H" or e.cation in metals]
    p = 1 + max((e.protons_held for e in equilibria), default=0)
    ligand_a, ligand_b = np.full((n, p), -np.inf), np.zeros((n, p))
    metal_a, metal_b = np.full((n, m, p), -np.inf), np.zeros((n, m, p))
    ligand_a[:, 0] = 0
    for e in equilibria:
        a, b = linear_in_activity(e, constants.ligand_charges, constants.mixed, recipe.temperature_c)
        i = ligands.index(e.ligand)
        if e.cation == "H":
            ligand_a[i, e.protons_held], ligand_b[i, e.protons_held] = a - recipe.ph, b
        else:
            j = metals.index(e.cation)
            metal_a[i, j, e.protons], metal_b[i, j, e.protons] = a, b
    return _System(
        # Steps become cumulative constants: with a fixed pH they are relative amounts of the protonated forms.
        ligand_a=np.cumsum(ligand_a, axis=1),
        ligand_b=np.cumsum(ligand_b, axis=1),
        metal_a=metal_a,
        metal_b=metal_b,
        form_charges=np.array([constants.ligand_charges[x] for x in ligands], float)[:, None] + np.arange(p),
        metal_charges=np.array([CATION_CHARGES[x] for x in metals], float),
        ligand_totals_m=np.array([recipe.totals_mm[x] for x in ligands]) / 1e3,
        metal_totals_m=np.array([recipe.totals_mm[x] for x in metals]) / 1e3,
    )


def _charges(system: _System) -> np.ndarray:
    complexes = system.form_charges[:, None, :] + system.metal_charges[None, :, None]
    return np.concatenate([system.metal_charges, system.form_charges.ravel(), complexes.ravel()])


def _concentrations(solved: _Equilibrated) -> np.ndarray:
    return np.concatenate([solved.metals, solved.forms.ravel(), solved.complexes.ravel()])


def _equilibrate(system: _System, d: float) -> _Equilibrated:
    """Solve the system at D of the solution (`log_activity`)."""
    forms = 10.0 ** (system.ligand_a - system.ligand_b * d)
    bound = 10.0 ** (system.metal_a - system.metal_b * d) * forms[:, None, :]
    alpha = forms.sum(axis=1)
    affinity = bound.sum(axis=2) / alpha[:, None]
    metals = free_metals(system.metal_totals_m, system.ligand_totals_m, affinity)
    bare = system.ligand_totals_m / (alpha * (1 + affinity @ metals))
    return _Equilibrated(metals, forms * bare[:, None], bound * metals[None, :, None] * bare[:, None, None])


def free_metals(totals_m, ligands_m, affinity) -> np.ndarray:
    """Return the free metals (m,) of totals (m,), ligand totals (n,) and apparent affinities (n, m) in 1/M.

    With u = ln(free / total), the mass balances free + bound - total are the gradient of the convex function
    sum(free) - sum(total u) + sum(ligand ln(1 + affinity free)). Newton's step is cut to what lowers it.

    Raises
    ------
    ArithmeticError
        When a mass balance stays above 1e-12 of its total.
    """
    if totals_m.size == 0:
        return totals_m
    lower = -np.log1p(ligands_m @ affinity)

    def objective(u):
        free = totals_m * np.exp(u)
        return np.sum(free) - totals_m @ u + ligands_m @ np.log1p(affinity @ free)

    u = lower
    for _ in range(300):
        free = totals_m * np.exp(u)
        load = affinity * free
        share = load / (1 + load.sum(axis=1, keepdims=True))
        held = ligands_m[:, None] * share
        balance = free + held.sum(axis=0) - totals_m
        if np.max(np.abs(balance) / totals_m) < 0.1 * MASS_BALANCE:
            break
        hessian = np.diag(free + held.sum(axis=0)) - share.T @ held
        step = np.linalg.solve(hessian / totals_m[:, None], -balance / totals_m)
        step = np.clip(step, -3, 3)
        # Near the minimum the objective is too flat for doubles to rank; there the full step converges anyway.
        if np.max(np.abs(step)) > 0.01:
            here, slope = objective(u), balance @ step
            while objective(u + step) > here + 1e-4 * slope and np.max(np.abs(step)) > 1e-3:
                step, slope = step / 2, slope / 2
        u = np.clip(u + step, lower, 0.0)
    if np.max(np.abs(balance) / totals_m) > MASS_BALANCE:
        raise ArithmeticError(f"mass balance is off by {np.max(np.abs(balance) / totals_m):.1e} of a total")
    return free


def _own_strength(strength_of) -> float:
    """Return the ionic strength that a solution computed at it has."""
    at_limit = strength_of(HIGHEST_IONIC_STRENGTH_M)
    if at_limit > HIGHEST_IONIC_STRENGTH_M:
        allowed = f"the Davies equation describes no ionic strength above {HIGHEST_IONIC_STRENGTH_M:g} M"
        raise InputError(Problem("solution", None, "ionic_strength_m", f"about {at_limit:.2g}", allowed))
    if strength_of(0.0) == 0:
        return 0.0
    return brentq(lambda i: strength_of(i) - i, 0.0, HIGHEST_IONIC_STRENGTH_M, xtol=1e-14, rtol=1e-14)


def _assemble(recipe: Recipe, strength_m: float, bound: _Equilibrated, counter_ion_mm: float) -> SolvedSolution:
    free = dict(zip(recipe.metals, 1e3 * bound.metals, strict=True))
    free |= dict(zip(recipe.ligands, 1e3 * bound.forms[:, 0], strict=True))
    free |= {x: recipe.totals_mm[x] for x in recipe.bystanders} | dict.fromkeys(recipe.absent, 0.0)
    if recipe.titrant:
        _titrate(recipe.titrant, counter_ion_mm, free)
    complexes = {}
    for i, ligand in enumerate(recipe.ligands):
        for e in recipe.constants.of_ligand(ligand):
            if e.cation == "H":
                complexes[e.product] = 1e3 * bound.forms[i, e.protons_held]
            elif e.cation in recipe.metals:
                complexes[e.product] = 1e3 * bound.complexes[i, recipe.metals.index(e.cation), e.protons_held]
    return SolvedSolution(
        ph=recipe.ph,
        temperature_c=recipe.temperature_c,
        ionic_strength_m=strength_m,
        constants=recipe.constants.name,
        free_mm={name: float(value) for name, value in free.items()},
        complexes_mm={name: float(value) for name, value in complexes.items()},
        inert=recipe.inert,
        counter_ion_mm=counter_ion_mm,
        titrant=recipe.titrant,
        remarks=_remarks(recipe, strength_m),
    )


def _titrate(titrant: str, counter_ion_mm: float, free: dict) -> None:
    """Add to `free` the ion of the titrant that closes the charge balance."""
    ion = TITRANTS[titrant]
    amount = counter_ion_mm * (-1 if ion == "Cl" else 1)
    if amount < 0:
        wanted = "a base" if ion == "Cl" else "an acid"
        allowed = f"cannot bring this pH: the charge calls for {-amount:.3g} mM of {wanted}"
        raise InputError(Problem("solution", None, "titrant", titrant, allowed))
    free[ion] = free.get(ion, 0.0) + amount


def _remarks(recipe: Recipe, strength_m: float) -> tuple[str, ...]:
    remarks = []
    cations = ("H", *recipe.metals)
    present = [e for x in recipe.ligands for e in recipe.constants.of_ligand(x) if e.cation in cations]
    for temperature_c in sorted({e.temperature_c for e in present if e.temperature_c != recipe.temperature_c}):
        without = [e.product for e in present if e.enthalpy_kcal_mol is None and e.temperature_c == temperature_c]
        if without:
            remarks.append(f"no enthalpy, so constants of {temperature_c:g} C are used for: {', '.join(without)}")
    if strength_m > 0.5 * HIGHEST_IONIC_STRENGTH_M:
        remarks.append(f"ionic strength {strength_m:.2f} M is beyond the range of the Davies equation (0.5 M)")
    return tuple(remarks)


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
