"""Solutions: from a recipe to free ions and complexes, and the potentials that follow.

Limits: equilibrium at a given temperature and pH (or under a gas that gives the pH), one set of constants per
calculation, 1:1 complexes of metals with ligands and their protonated forms; no hydroxides, no precipitation. K+ is a
metal in one set (`physiol_520`) alone: the constants of the others were measured in 0.1 M of its salts or those of Na+.
Modules: `recipes` (what is dissolved), `stability` (constants and their correction), `equilibrium` (arithmetic),
`gas`, `speciation` (a solved solution), `potentials`, `transport` (pumps and transporters), `junction`, `sides` (which
solution is where), `overview` (tables of a study).
Vocabulary: *total* is what the recipe holds, *free* a bare ion or the fully deprotonated ligand, *set* a complete,
sourced collection of stability constants (files in `constants/`). Concentrations in mM, ionic strength in M.
"""

from mgk.solutions.potentials import nernst_mv
from mgk.solutions.sides import internal_external
from mgk.solutions.speciation import SolvedSolution, apparent_kd_mm, check_recipe, solve_recipes, solve_solution
from mgk.solutions.stability import ConstantSet, available_constants, load_constants, log_activity

__all__ = [
    "ConstantSet",
    "SolvedSolution",
    "apparent_kd_mm",
    "available_constants",
    "check_recipe",
    "internal_external",
    "load_constants",
    "log_activity",
    "nernst_mv",
    "solve_recipes",
    "solve_solution",
]
