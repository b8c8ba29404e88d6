"""Equilibria held against independent solvers: PHREEQC (stored) and a general root finder in plain concentrations."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import root

from mgk.solutions import load_constants, log_activity, solve_solution
from mgk.solutions.stability import linear_in_activity

REFERENCE = Path(__file__).parents[1] / "reference/solutions"
CASES = json.loads((REFERENCE / "cases.json").read_text(encoding="utf-8"))
PRECISE = json.loads((REFERENCE / "precise.json").read_text(encoding="utf-8"))


def solve(case):
    recipe = {"ph": case["ph"], "temperature_c": case["temperature_c"], "ionic_strength_m": case["i"]}
    return solve_solution(recipe | {"totals_mm": case["totals_mm"]}, case["set"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_species_agrees_with_phreeqc(case):
    solved = solve(case)
    species = solved.free_mm | solved.complexes_mm
    assert len(case["species_mm"]) > 10
    for name, expected in case["species_mm"].items():
        assert species[name] == pytest.approx(expected, rel=2e-7), name


def brute_force(case) -> dict[str, float]:
    """Solve the mass balances of metals and ligands together, a product of concentrations for each species."""
    constants = load_constants(case["set"])
    names = list(case["totals_mm"])
    totals = np.array([case["totals_mm"][x] / 1e3 for x in names])
    d = log_activity(case["temperature_c"], case["i"])
    species = [(name, 0.0, {name: 1}) for name in names]
    for ligand in (x for x in names if x in constants.ligand_charges):
        taken = {0: 0.0}
        for e in sorted(constants.of_ligand(ligand), key=lambda e: e.cation != "H"):
            a, b = linear_in_activity(e, constants.ligand_charges, case["temperature_c"])
            log_k = a - b * d + taken[e.protons]
            if e.cation == "H":
                taken[e.protons_held] = log_k - case["ph"]
                species.append((e.product, taken[e.protons_held], {ligand: 1}))
            elif e.cation in names and math.isfinite(log_k):
                species.append((e.product, log_k, {ligand: 1, e.cation: 1}))
    powers = np.array([[part.get(x, 0) for x in names] for *_, part in species], float)
    log_beta = np.array([beta for _, beta, _ in species])

    def concentrations(log_free):
        return 10.0 ** np.minimum(log_beta + powers @ log_free, 50)

    def balance(log_free):
        return np.log10(powers.T @ concentrations(log_free) / totals)

    found = root(balance, np.log10(totals) - 3, method="lm", options={"xtol": 1e-15, "ftol": 1e-15, "maxiter": 20000})
    assert np.max(np.abs(balance(found.x))) < 1e-10
    return dict(zip((s[0] for s in species), 1e3 * concentrations(found.x), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_whole_system_by_a_general_root_finder(case):
    solved = solve(case)
    species = solved.free_mm | solved.complexes_mm
    for name, expected in brute_force(case).items():
        assert species[name] == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("case", PRECISE, ids=lambda case: case["name"])
def test_unusual_recipes_agree_with_forty_digits(case):
    """Ionic strength, titrant, gas and every species, by equations and code of their own (`precise.py`)."""
    keys = ("ph", "temperature_c", "totals_mm", "titrant", "inert", "ionic_strength_m")
    gas = {"gas": f"{case['gas_percent']} % CO2"} if "gas_percent" in case else {}
    solved = solve_solution({k: case[k] for k in keys if k in case} | gas, case["set"])
    expected, species = case["solved"], solved.free_mm | solved.complexes_mm
    for name in ("ph", "ionic_strength_m", "titrant_mm"):
        assert getattr(solved, name) == pytest.approx(expected[name], rel=1e-12, abs=1e-12), name
    assert len(expected["species_mm"]) > 1
    for name, concentration in expected["species_mm"].items():
        assert species[name] == pytest.approx(concentration, rel=1e-12, abs=0), name
