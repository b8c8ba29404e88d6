"""Carbon dioxide above bicarbonate: pressure, solubility, the pH that follows, what a stated pH is held against."""

import math

import pytest

from mgk.solutions import solve_solution
from mgk.solutions.gas import co2_pressure_mmhg, dissolved_co2_mm, water_vapour_mmhg
from mgk.tables import InputError

ACSF = {
    "temperature_c": 25,
    "components": {"NaCl": 126, "KCl": 3, "MgSO4": 2, "CaCl2": 2, "NaH2PO4": 1.25, "NaHCO3": 26.4, "glucose": 10},
    "gas": "95% O2/5% CO2",
    "constants": "webmaxc_extended",
}
SALT = {"temperature_c": 37, "gas": "5 % CO2", "constants": "webmaxc_extended"}


@pytest.mark.parametrize(("temperature_c", "mmhg"), [(0, 4.6), (25, 23.8), (37, 47.1)])
def test_water_vapour(temperature_c, mmhg):
    # Handbook values, mmHg.
    assert water_vapour_mmhg(temperature_c) == pytest.approx(mmhg, rel=0.02)


def test_dissolved_carbon_dioxide():
    # 0.0307 mM/mmHg in plasma at 37 C; water holds some 5 to 10 % more.
    assert co2_pressure_mmhg(0.05, 37) == pytest.approx(35.6, abs=0.1)
    assert 0.0307 < dissolved_co2_mm(0.05, 37) / co2_pressure_mmhg(0.05, 37) < 0.034
    assert dissolved_co2_mm(0.05, 10) > dissolved_co2_mm(0.05, 37)
    assert dissolved_co2_mm(0, 25) == 0


def test_bicarbonate_ringer_has_a_known_ph():
    """24 mM bicarbonate under 5 % CO2 at 37 C: pH 7.4 by Henderson and Hasselbalch, pK' 6.1."""
    solved = solve_solution(SALT | {"components": {"NaCl": 120, "NaHCO3": 24}})
    by_hand = 6.1 + math.log10(24 / (0.0307 * 35.6))
    assert solved.ph == pytest.approx(by_hand, abs=0.05)
    assert (solved.ph_from, solved.counter_ion_mm) == ("gas", 0.0)
    assert solved.ph == pytest.approx(solved.ph_under_gas, abs=1e-9)


def test_the_ph_of_cerebrospinal_fluid_follows_from_its_gas():
    solved = solve_solution(ACSF)
    assert 7.3 < solved.ph < 7.5
    charges = {"Na": 1, "K": 1, "Cl": -1, "Mg": 2, "Ca": 2, "HCO3": -1, "Pi": -2, "SO4": -2, "HPi": -1, "HSO4": -1,
               "MgHCO3": 1, "CaHCO3": 1, "MgHPi": 1, "CaHPi": 1}  # fmt: skip
    species = solved.free_mm | solved.complexes_mm
    assert math.fsum(charges.get(name, 0) * c for name, c in species.items()) == pytest.approx(0, abs=1e-9)
    assert solved.complexes_mm["CO2"] == pytest.approx(dissolved_co2_mm(0.05, 25))
    # The notes: MgHCO3+ binds about 9 % of aCSF's Mg.
    assert 0.07 < solved.complexes_mm["MgHCO3"] / 2 < 0.10
    assert any("weighed in" in remark for remark in solved.remarks)


def test_mass_balance_under_a_gas():
    solved = solve_solution(ACSF)
    species = solved.free_mm | solved.complexes_mm
    for metal in ("Mg", "Ca"):
        held = math.fsum(c for name, c in species.items() if name.startswith(metal))
        assert held == pytest.approx(2, rel=1e-12)
    phosphate = math.fsum(c for name, c in species.items() if name.endswith("Pi"))
    assert phosphate == pytest.approx(1.25, rel=1e-12)


def test_a_stated_ph_is_kept_and_held_against_the_gas():
    fits = solve_solution(ACSF | {"ph": 7.4})
    assert (fits.ph, fits.ph_from) == (7.4, "stated")
    assert fits.ph_under_gas == pytest.approx(7.42, abs=0.02)
    assert fits.remarks == ()
    bicarbonate = fits.free_mm["HCO3"] + fits.complexes_mm["MgHCO3"] + fits.complexes_mm["CaHCO3"]
    assert bicarbonate == pytest.approx(26.4, rel=1e-12)
    off = solve_solution(ACSF | {"ph": 7.0})
    assert any("stated pH 7, but its HCO3 under 95% O2/5% CO2 has pH 7.4" in remark for remark in off.remarks)


def test_more_carbon_dioxide_makes_it_acid():
    found = [solve_solution(ACSF | {"gas": f"{p}% CO2"}).ph for p in (2.5, 5, 10)]
    assert found[0] - found[1] == pytest.approx(math.log10(2), abs=0.03)
    assert found[0] > found[1] > found[2]


def test_a_gas_that_cannot_be_honoured_is_said_so():
    other = solve_solution({"ph": 7.4, "temperature_c": 25, "totals_mm": {"Na": 140, "Cl": 140}, "gas": "5% CO2"})
    assert any("not honoured" in remark for remark in other.remarks)
    oxygen = solve_solution({"ph": 7.4, "temperature_c": 25, "totals_mm": {"Na": 140, "Cl": 140}, "gas": "100% O2"})
    assert oxygen.remarks == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gas": "carbogen with CO2"}, "must say how much CO2"),
        ({"gas": "100% O2"}, "may be left out only where `gas` holds CO2"),
        ({"constants": "webmaxc", "inert": ["HCO3", "Pi", "SO4"]}, "may be left out only where"),
        ({"titrant": "NaOH"}, "leaves no room for a titrant"),
        ({"components": {"NaHCO3": 1, "HCl": 100}}, "the charges balance at no pH"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(InputError, match=message):
        solve_solution(ACSF | change)


@pytest.mark.parametrize("gas", ["carbogen", "5 %", "O2/CO2", "95 % O2/10 % CO2", "150 % CO2", "0.05 CO2", "CO2"])
def test_a_gas_that_does_not_say_how_much_co2_it_holds_is_refused(gas):
    with pytest.raises(InputError, match=r"gas: .*must say how much CO2 it holds, as in 95 % O2/5 % CO2"):
        solve_solution(ACSF | {"ph": 7.4, "gas": gas})


@pytest.mark.parametrize("gas", ["95% O2/5% CO2", "5 % CO2", "O2 + 5% CO2", "5,0 % CO2, 95 % O2"])
def test_a_gas_is_read_in_the_ways_it_is_written(gas):
    assert solve_solution(ACSF | {"gas": gas}).ph == solve_solution(ACSF).ph


def test_a_gas_without_co2_is_none_to_bicarbonate():
    assert solve_solution(ACSF | {"ph": 7.4, "gas": "O2"}).co2_mmhg == 0
