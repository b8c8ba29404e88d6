import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgk.constants import thermal_voltage_mv
from mgk.solutions import solve_solution
from mgk.solutions.junction import henderson_mv, ions_of, junction_of, junction_potential_mv, mobilities
from mgk.tables.problems import InputError


def salt(**totals):
    return {"ph": 7.0, "temperature_c": 25, "totals_mm": totals}


@pytest.mark.parametrize(
    ("pipette", "bath", "expected"),
    [
        ({"Na": 50, "Cl": 50}, {"K": 50, "Cl": 50}, -4.36),
        ({"Na": 50, "Cl": 50}, {"Cs": 50, "Cl": 50}, -4.98),
        ({"Na": 100, "Cl": 100}, {"Mg": 100, "Cl": 200}, 10.2),
    ],
)
def test_published_junctions_of_simple_salts(pipette, bath, expected):
    """The project's notes on recordings, section 4: published -4.3, -4.9 and +10.0 mV."""
    assert junction_potential_mv(salt(**pipette), salt(**bath), 25) == pytest.approx(
        expected, abs=0.015 * abs(expected)
    )


ACSF = {
    "ph": 7.4,
    "temperature_c": 25,
    "totals_mm": {"Na": 152, "K": 3, "Cl": 133, "Ca": 2, "Mg": 1, "HCO3": 26, "Pi": 1.25, "glucose": 10},
    "inert": ["HCO3", "Pi"],
}
GLUCONATE = {
    "ph": 7.2,
    "temperature_c": 25,
    "titrant": "KOH",
    "totals_mm": {"K": 130, "gluconate": 130, "EGTA": 1, "HEPES": 10, "Mg": 4, "Cl": 8, "ATP": 4, "Na": 8},
    "inert": ["gluconate", "HEPES"],
}


def test_a_gluconate_pipette_against_cerebrospinal_fluid():
    """The notes expect +14 to +16 mV; all the potassium that KOH brings is counted."""
    assert 14 < junction_potential_mv(GLUCONATE, ACSF, 25) < 16


def test_ligands_and_buffers_are_counted_in_the_forms_they_have():
    ions = {ion.name: ion for ion in ions_of(solve_solution(GLUCONATE))}
    assert "glucose" not in ions
    assert (ions["H2EGTA"].charge, ions["H2EGTA"].mobility) == (-2, 0.24)
    assert (ions["HEGTA"].charge, ions["HEGTA"].mobility) == (-3, 0.25)
    assert (ions["MgATP"].charge, ions["MgATP"].mobility) == (-2, 0.15)
    assert 3 < ions["HEPES"].concentration_mm < 4.5
    phosphate = {ion.name: ion for ion in ions_of(solve_solution(ACSF))}
    assert (phosphate["Pi"].charge, phosphate["HPi"].charge) == (-2, -1)
    assert phosphate["Pi"].concentration_mm + phosphate["HPi"].concentration_mm == pytest.approx(1.25)


def test_an_ion_without_a_sourced_mobility_is_named_where_it_matters():
    strange = salt(K=100, Cl=60, GTP=0.3, CrP=20) | {"inert": ["GTP", "CrP"]}
    with pytest.raises(InputError, match=r"no sourced mobility of GTP, CrP, .* by \d.*or state it"):
        junction_potential_mv(strange, ACSF, 25)
    with pytest.raises(InputError, match="ions on both sides"):
        henderson_mv([], ions_of(solve_solution(ACSF)), 25)


def test_a_little_of_an_ion_without_a_sourced_mobility_is_bounded():
    plain, little = salt(K=130, Cl=130), salt(K=130, Cl=129, GTP=0.3) | {"inert": ["GTP"]}
    bath = solve_solution(ACSF)
    found, said = junction_of(solve_solution(little), bath, 25)
    assert said.startswith("mobility of GTP assumed between 0.1 and 0.6: within 0.0")
    ends = [henderson_mv(ions_of(solve_solution(little), u), ions_of(bath), 25) for u in (0.1, 0.6)]
    assert min(ends) < found < max(ends)
    assert junction_of(solve_solution(plain), bath, 25)[1] == ""


amounts = st.floats(0.1, 500)


@given(amounts, amounts, amounts, amounts)
def test_the_other_way_round_is_the_other_sign_and_alike_is_nothing(sodium, potassium, own_sodium, own_potassium):
    one = ions_of(solve_solution(salt(Na=sodium, K=potassium, Cl=sodium + potassium)))
    other = ions_of(solve_solution(salt(Na=own_sodium, K=own_potassium, Cl=own_sodium + own_potassium)))
    assert henderson_mv(one, other, 25) == pytest.approx(-henderson_mv(other, one, 25), abs=1e-9)
    assert henderson_mv(one, one, 25) == pytest.approx(0, abs=1e-12)


@given(st.floats(1.0001, 100))
def test_one_salt_diluted_follows_its_own_closed_form(times):
    """A single salt: V = RT/F (u - v)/(u + v) ln(c pipette / c bath)."""
    v = mobilities()["Cl"][-1]
    u = mobilities()["Na"][1]
    found = junction_potential_mv(salt(Na=3 * times, Cl=3 * times), salt(Na=3, Cl=3), 37)
    assert found == pytest.approx(thermal_voltage_mv(37) * (u - v) / (u + v) * math.log(times), rel=1e-9)


def test_equal_conductivities_take_the_limit():
    near = henderson_mv(*(ions_of(solve_solution(salt(Na=n, Cl=n))) for n in (100, 100 * (1 + 1e-9))), 25)
    assert abs(near) < 1e-6
