"""The sets of constants beyond WEBMAXC: what they cover, what they refuse, what they give."""

import math

import numpy as np
import pytest

from mgk.solutions import ConstantSet, available_constants, check_recipe, load_constants, solve_solution
from mgk.tables import InputError

DIVALENT = ("Mg", "Ca")
# What the extended set has no constant of; everything else binds both metals.
MISSING = {("Ca", "GTP"), ("Ca", "CrP")}


def solve(constants="webmaxc_extended", **recipe):
    return solve_solution({"ph": 7.2, "temperature_c": 25, "ionic_strength_m": 0.15} | recipe, constants)


def total(solved, component):
    held = [
        solved.complexes_mm.get(e.product, 0.0)
        for e in load_constants(solved.constants).equilibria
        if component in (e.cation, e.ligand)
    ]
    return math.fsum([solved.free_mm[component], *held])


@pytest.mark.parametrize("name", available_constants())
def test_every_constant_has_conditions_and_a_source(name):
    constants = load_constants(name)
    assert constants.title
    for e in constants.equilibria:
        assert len(e.source) > 10, e
        assert 0 <= e.temperature_c <= 40
        assert 0 <= e.ionic_strength_m <= 0.3
        assert -1 < e.log_k < 20 or e.log_k == -math.inf


@pytest.mark.parametrize("name", available_constants())
def test_sets_are_complete_for_their_metals_but_for_what_is_listed(name):
    constants = load_constants(name)
    bound = {(e.cation, e.ligand) for e in constants.equilibria}
    metals = [m for m in constants.metals if m != "Zn"]
    gaps = {(m, x) for m in metals for x in constants.ligand_charges} - bound
    assert gaps == (MISSING if name == "webmaxc_extended" else set())
    assert all(("H", x) in bound for x in constants.ligand_charges)


def test_the_extended_set_holds_webmaxc_as_it_is():
    plain, extended = load_constants("webmaxc"), load_constants("webmaxc_extended")
    assert extended.equilibria[: len(plain.equilibria)] == plain.equilibria
    recipe = {"totals_mm": {"Mg": 4, "Ca": 1, "ATP": 1.94, "EGTA": 4.9}}
    assert solve(**recipe).free_mm == solve("webmaxc", **recipe).free_mm


def test_a_set_that_repeats_a_reaction_of_its_base_is_refused():
    again = {
        "title": "x", "source": "x", "temperature_c": 20, "ionic_strength_m": 0.1, "proton_constants": "mixed",
        "constants": [{"reaction": "Mg + HATP", "log_k": 2, "enthalpy_kcal_mol": None}],
    }  # fmt: skip
    with pytest.raises(InputError, match=r"Mg \+ HATP comes twice"):
        ConstantSet.from_mapping("again", again, load_constants("webmaxc"))


def test_kilojoules_and_kilocalories_are_told_apart():
    step = next(e for e in load_constants("webmaxc_extended").of_ligand("Pi") if e.cation == "H")
    assert step.enthalpy_kcal_mol == pytest.approx(-3.0 / 4.184)


@pytest.mark.parametrize(
    ("ligand", "metal", "log_k0", "charges", "quoted"),
    [
        ("Pi", "Mg", 2.80, 8, "minteq.v4.dat"),
        ("SO4", "Ca", 2.36, 8, "minteq.v4.dat"),
        ("HCO3", "Mg", 1.07, 4, "phreeqc.dat"),
        ("gluconate", "Ca", 1.73, 4, "sit.dat"),
    ],
)
def test_a_constant_from_zero_ionic_strength_goes_by_davies(ligand, metal, log_k0, charges, quoted):
    from mgk.solutions import log_activity

    solved = solve(totals_mm={metal: 1, ligand: 5})
    bound, free = solved.complexes_mm[f"{metal}{ligand}"], (solved.free_mm[metal], solved.free_mm[ligand])
    found = math.log10(1e3 * bound / math.prod(free))
    assert found == pytest.approx(log_k0 - charges * log_activity(25, 0.15), abs=1e-9)
    [row] = [e for e in load_constants("webmaxc_extended").of_ligand(ligand) if e.product == f"{metal}{ligand}"]
    assert quoted in row.source


def test_magnesium_binds_bapta_hardly_and_calcium_tightly():
    solved = solve(ph=7.2, temperature_c=20, ionic_strength_m=0.1, totals_mm={"Mg": 1, "Ca": 1, "BAPTA": 5})
    unbound = solved.free_mm["BAPTA"] + math.fsum(v for k, v in solved.complexes_mm.items() if k[0] == "H")
    kd_nm = 1e6 * solved.free_mm["Ca"] * unbound / solved.complexes_mm["CaBAPTA"]
    # by hand: 10^-6.97 (1 + 10^(6.372 + D - 7.2) + 10^(6.372 + 5.491 + 2 D - 14.4)), D = 0.109
    assert kd_nm == pytest.approx(128.3, rel=0.005)
    assert solved.free_mm["Mg"] > 0.75


def test_potassium_competes_for_atp():
    totals = {"Mg": 2, "ATP": 3, "Cl": 100}
    without = solve("physiol_520", totals_mm=totals | {"K": 0.001})
    with_potassium = solve("physiol_520", totals_mm=totals | {"K": 140})
    assert with_potassium.free_mm["Mg"] > 1.3 * without.free_mm["Mg"]
    assert total(with_potassium, "K") == pytest.approx(140, rel=1e-12)
    free, bound = with_potassium.free_mm, with_potassium.complexes_mm
    here = solve("physiol_520", ionic_strength_m=0.25, totals_mm=totals | {"K": 140})
    assert here.free_mm["K"] * here.free_mm["ATP"] / here.complexes_mm["KATP"] == pytest.approx(127.93, rel=1e-9)
    assert bound["KATP"] > free["ATP"]


@pytest.mark.parametrize(
    ("product", "at_38", "at_15", "at_5"),
    [
        ("HATP", 3.6199e-7, 3.7544e-7, 3.8306e-7),
        ("HPi", 2.4851e-7, 2.1292e-7, 1.9774e-7),
        ("MgATP", 1.4287e-4, 2.3669e-4, 3.0401e-4),
        ("MgHATP", 0.039516, 0.065326, 0.083715),
        ("KATP", 0.12765, 0.12837, 0.12902),
        ("KPi", 0.4382, 0.4327, 0.43056),
    ],
)
def test_the_enthalpies_of_physiol_520_return_its_other_temperatures(product, at_38, at_15, at_5):
    from mgk.solutions.stability import van_t_hoff

    [row] = [e for e in load_constants("physiol_520").equilibria if e.product == product]
    for temperature_c, printed, tolerance in ((38, at_38, 1e-3), (15, at_15, 4e-3), (5, at_5, 1e-2)):
        found = 10 ** -(row.log_k + van_t_hoff(row.enthalpy_kcal_mol, 25, temperature_c))
        assert found == pytest.approx(printed, rel=tolerance)


def test_a_titrant_whose_ion_binds_is_counted_once():
    pipette = {"ph": 7.2, "temperature_c": 25, "totals_mm": {"K": 10, "ATP": 5, "Mg": 2, "Cl": 60}, "titrant": "KOH"}
    solved = solve_solution(pipette, "physiol_520")
    assert total(solved, "K") == pytest.approx(10 + solved.titrant_mm, rel=1e-12)
    same = dict(pipette, totals_mm=pipette["totals_mm"] | {"K": 10 + solved.titrant_mm})
    assert solve_solution(same, "physiol_520").titrant_mm == pytest.approx(0, abs=1e-9)


def test_a_titrant_may_be_all_that_there_is_of_a_metal():
    acid = {"ph": 7.2, "temperature_c": 25, "totals_mm": {"ATP": 5}, "titrant": "KOH"}
    solved = solve_solution(acid, "physiol_520")
    assert total(solved, "K") == pytest.approx(solved.titrant_mm, rel=1e-12)
    assert 15 < solved.titrant_mm < 20


def test_zinc_goes_to_the_chelator_and_is_refused_where_it_has_no_constant():
    solved = solve(totals_mm={"Zn": 0.1, "Mg": 2, "Ca": 0.5, "EGTA": 1, "ATP": 3})
    assert solved.free_mm["Zn"] < 1e-6
    assert total(solved, "Zn") == pytest.approx(0.1, rel=1e-12)
    with pytest.raises(InputError, match="no constant of Zn with BAPTA"):
        solve(totals_mm={"Zn": 0.1, "BAPTA": 1})


def test_a_pair_can_be_declared_not_to_bind():
    totals = {"Ca": 0.1, "Mg": 2, "EGTA": 1, "GTP": 0.3}
    with pytest.raises(InputError, match=r"no constant of Ca with GTP.*or the pair Ca\+GTP, inert"):
        solve(totals_mm=totals)
    solved = solve(totals_mm=totals, inert=["Ca+GTP"])
    assert solved.inert == ("Ca+GTP",)
    assert solve(totals_mm=totals, inert=["GTP+Ca"]).free_mm == solved.free_mm
    assert solved.complexes_mm["MgGTP"] > 0.1
    assert total(solved, "Ca") == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize(
    ("constants", "recipe", "message"),
    [
        ("webmaxc", {"totals_mm": {"BAPTA": 1}}, "sets that hold BAPTA: webmaxc_extended"),
        ("webmaxc_extended", {"totals_mm": {"HEPES": 10}}, "no constant of HEPES with a metal was found in a source"),
        ("physiol_520", {"totals_mm": {"AMP": 1}}, "the program has no constant of AMP"),
        ("webmaxc_extended", {"ph": 11, "totals_mm": {"HCO3": 26}}, "all forms of HCO3 from pH 3 to 9 only"),
        ("webmaxc_extended", {"ph": 9, "totals_mm": {"GTP": 1}}, "all forms of GTP from pH 2 to 8.5 only"),
        ("webmaxc", {"totals_mm": {"Mg": 1e-30}}, "one molecule a litre"),
        ("webmaxc", {"totals_mm": {"Mg": 1e9}}, "one molecule a litre"),
        ("webmaxc", {"totals_mm": {"Mg": math.nan}}, "one molecule a litre"),
    ],
)
def test_refusals_say_why_and_what_to_do(constants, recipe, message):
    with pytest.raises(InputError, match=message):
        solve(constants, **recipe)


ORDINARY = {"ATP": 3, "EGTA": 1, "Mg": 3}


def test_sets_disagree_and_all_can_be_asked():
    free = {}
    for name in available_constants():
        if not check_recipe({"ph": 7.4, "temperature_c": 37, "ionic_strength_m": 0.15, "totals_mm": ORDINARY}, name):
            free[name] = solve(name, ph=7.4, temperature_c=37, totals_mm=ORDINARY).free_mm["Mg"]
    assert {"webmaxc", "maxchelator_nist", "fabiato_1988", "foehr_calcium", "schoenmakers_1992"} <= set(free)
    assert 1.1 < max(free.values()) / min(free.values()) < 3


def test_the_schemas_name_every_set():
    from mgk.tables.schema import load_schema

    recipe = load_schema("solutions")["additionalProperties"]["properties"]["constants"]["enum"]
    study = load_schema("config")["properties"]["solutions"]["properties"]["constants"]["enum"]
    assert sorted(recipe) == sorted(study) == list(available_constants())


def random_recipe(rng: np.random.Generator, constants: ConstantSet) -> dict:
    """Return a recipe with any of a set's metals and ligands, from traces to a great excess."""
    names = [*constants.metals, *constants.ligand_charges]
    held = [x for x in names if rng.random() < 0.6]
    amounts = 10.0 ** rng.uniform(-12, 4, len(held)) * (rng.random(len(held)) > 0.1)
    return {
        "ph": float(rng.uniform(0, 14)),
        "temperature_c": float(rng.uniform(0, 60)),
        "totals_mm": dict(zip(held, map(float, amounts), strict=True)),
        "ionic_strength_m": float(rng.uniform(0, 1)) if rng.random() < 0.8 else None,
    }


def check_random_recipes(number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    solved_ones = 0
    for n in range(number):
        name = available_constants()[n % len(available_constants())]
        recipe = random_recipe(rng, load_constants(name))
        if problems := check_recipe(recipe, name):
            assert all(allowed for _, allowed in problems), (n, recipe)
            continue
        solved = solve_solution(recipe, name)
        solved_ones += 1
        binding = (*load_constants(name).metals, *load_constants(name).ligand_charges)
        for component, amount in recipe["totals_mm"].items():
            if component in binding and amount:
                assert total(solved, component) == pytest.approx(amount, rel=1e-12, abs=0), (n, recipe)
        assert all(v >= 0 and math.isfinite(v) for v in (*solved.free_mm.values(), *solved.complexes_mm.values()))
    assert solved_ones > number / 4


def test_random_recipes_converge_or_are_refused():
    check_random_recipes(200, seed=1)


@pytest.mark.long
def test_ten_thousand_random_recipes_converge_or_are_refused():
    check_random_recipes(10_000, seed=2)
