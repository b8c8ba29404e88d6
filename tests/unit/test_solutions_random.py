"""Random recipes of every kind: solved with their mass balances, or refused with a reason."""

import math

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mgk.solutions import load_constants, solve_solution
from mgk.solutions.recipes import NON_BINDING, TITRANTS
from mgk.solutions.stability import available_constants, inert_components, salts
from mgk.tables import InputError

NAMES = sorted(inert_components().ligand_charges)
AMOUNTS = st.one_of(st.just(0.0), st.floats(-9, 3).map(lambda x: 10**x), st.floats(0.1, 150))
GASES = st.sampled_from(["95 % O2/5 % CO2", "10 % CO2", "0.04% CO2", "O2", "N2/CO2"])


@st.composite
def recipes(draw):
    """A set and mostly what it knows; now and then what it does not, a titrant, a gas that gives the pH."""
    constants = load_constants(draw(st.sampled_from(available_constants())))
    known = sorted({*constants.ligand_charges, *constants.metals, *NON_BINDING})
    names = st.lists(st.sampled_from(known * 8 + NAMES), max_size=8, unique=True)
    low, high = constants.ph_range
    recipe = {
        "constants": constants.name,
        "temperature_c": draw(st.floats(0, 60)),
        "totals_mm": {name: draw(AMOUNTS) for name in draw(names)},
    }
    if draw(st.integers(0, 9)):
        recipe["ph"] = draw(st.one_of(st.floats(max(6, low), min(8, high)), st.floats(low, high), st.floats(0, 14)))
    else:
        recipe["gas"] = "95 % O2/5 % CO2"
        recipe["totals_mm"] |= {"HCO3": draw(st.floats(1, 100)), "Na": draw(st.floats(0, 150))}
    rare = {
        "components": st.dictionaries(st.sampled_from(sorted(salts())), AMOUNTS, max_size=3),
        "ionic_strength_m": st.floats(0, 1),
        "titrant": st.sampled_from(sorted(TITRANTS)),
        "gas": GASES,
        "inert": st.lists(st.sampled_from([*NAMES, "Ca+GTP", "Mg+ATP"]), max_size=6, unique=True),
    }
    return recipe | {key: draw(values) for key, values in rare.items() if not draw(st.integers(0, 3))}


def tried(recipe) -> bool:
    """Solve a recipe and hold its mass balances; return whether it was solved, and not refused with a reason."""
    try:
        solved = solve_solution(recipe)
    except InputError as error:
        reasons = [p.column and p.allowed for p in error.problems]
    else:
        _assert_balanced(recipe, solved)
        return True
    assert reasons
    assert all(reasons)
    return False


def _assert_balanced(recipe, solved):
    parts = {e.product: (e.cation, e.ligand) for e in load_constants(recipe["constants"]).equilibria}
    amounts = [*recipe["totals_mm"].items(), *_of_salts(recipe)]
    amounts += [(TITRANTS[recipe["titrant"]], solved.titrant_mm)] if solved.titrant_mm else []
    for name in {name for name, _ in amounts}:
        if name == "HCO3" and solved.co2_mmhg:
            continue  # the gas holds it
        total = math.fsum(amount for known, amount in amounts if known == name)
        found = math.fsum([solved.free_mm[name], *(v for k, v in solved.complexes_mm.items() if name in parts[k])])
        assert found == pytest.approx(total, rel=1e-12, abs=1e-300), name
    assert all(math.isfinite(v) and v >= 0 for v in (*solved.free_mm.values(), *solved.complexes_mm.values()))
    assert 0 <= solved.ionic_strength_m <= 1


def _of_salts(recipe):
    for salt, amount in recipe.get("components", {}).items():
        for name, moles in salts()[salt].items():
            yield name, moles * amount


@settings(max_examples=200)
@given(recipes())
def test_a_recipe_is_solved_or_refused_with_a_reason(recipe):
    tried(recipe)


@pytest.mark.long
def test_ten_thousand_recipes_are_solved_or_refused_with_a_reason():
    outcomes = []

    @settings(max_examples=10_000, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(recipes())
    def try_them(recipe):
        outcomes.append(tried(recipe))

    try_them()
    assert len(outcomes) >= 10_000
    print(f"{sum(outcomes)} solved, {outcomes.count(False)} refused with a reason")
    assert sum(outcomes) > 3_000
