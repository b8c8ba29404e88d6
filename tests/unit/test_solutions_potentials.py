import numpy as np
import pytest

from mgk.solutions import internal_external, nernst_mv
from mgk.solutions.potentials import ghk_current, ghk_reversal_mv
from mgk.tables import InputError


def test_tenfold_gradients():
    assert nernst_mv(1, 10, 100, 25) == pytest.approx(-59.16, abs=0.005)
    assert nernst_mv(2, 100, 10, 25) == pytest.approx(29.58, abs=0.005)
    assert nernst_mv(-1, 100, 10, 37) == pytest.approx(-61.54, abs=0.005)
    assert nernst_mv(1, 5, 5, 22) == 0


def test_arrays_are_broadcast():
    outside = np.array([5.0, 100.0])
    np.testing.assert_allclose(nernst_mv(1, outside, 110, 22), [nernst_mv(1, 5, 110, 22), nernst_mv(1, 100, 110, 22)])


@pytest.mark.parametrize("arguments", [(0, 5, 100, 25), (1, 0, 100, 25), (1, 5, -1, 25), (1, np.nan, 1, 25)])
def test_refusals(arguments):
    with pytest.raises(InputError, match="Nernst"):
        nernst_mv(*arguments)


def test_sides_of_the_membrane():
    row = {"pipette_solution": "p", "bath_solution": "b", "configuration": "inside_out"}
    assert internal_external(row) == {"internal": "b", "external": "p"}
    assert internal_external(row | {"configuration": "whole_cell"}) == {"internal": "p", "external": "b"}
    assert internal_external(row | {"configuration": "cell_attached"}) == {"external": "p"}
    assert internal_external(row | {"configuration": "two_electrode", "bath_solution": ""}) == {}
    assert internal_external(row | {"configuration": ""}) == {}


SQUID = {"inside": [400, 50, 52], "outside": [20, 440, 560], "valences": [1, 1, -1]}


def test_ghk_voltage_of_the_squid_axon():
    """Textbook concentrations of K, Na and Cl, P 1 : 0.04 : 0.45: about -60 mV at 20 C."""
    found = ghk_reversal_mv(SQUID["inside"], SQUID["outside"], [1, 0.04, 0.45], 20, SQUID["valences"])
    by_hand = 25.2617 * np.log((20 + 0.04 * 440 + 0.45 * 52) / (400 + 0.04 * 50 + 0.45 * 560))
    assert found == pytest.approx(by_hand, abs=0.01)
    assert -64 < found < -58


@pytest.mark.parametrize(("ion", "z"), [(0, 1), (1, 1), (2, -1)])
def test_ghk_voltage_of_one_ion_is_its_nernst_potential(ion, z):
    permeability = np.eye(3)[ion]
    found = ghk_reversal_mv(SQUID["inside"], SQUID["outside"], permeability, 20, SQUID["valences"])
    assert found == pytest.approx(nernst_mv(z, SQUID["outside"][ion], SQUID["inside"][ion], 20))


def test_ghk_currents_vanish_together_at_the_ghk_voltage():
    permeability = [1, 0.04, 0.45]
    reversal = ghk_reversal_mv(SQUID["inside"], SQUID["outside"], permeability, 20, SQUID["valences"])
    rows = zip(SQUID["inside"], SQUID["outside"], permeability, SQUID["valences"], strict=True)
    currents = [ghk_current(reversal, inside, outside, 20, p, z) for inside, outside, p, z in rows]
    assert np.sum(currents) == pytest.approx(0, abs=1e-10)
    assert max(np.abs(currents)) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1], [1], [1], 20, 2), "valences 1 and -1"),
        (([1], [-1], [1], 20), "at least 0"),
        (([1], [1], [np.nan], 20), "at least 0"),
        (([1], [0], [1], 20), "in each direction"),
    ],
)
def test_ghk_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        ghk_reversal_mv(*arguments)
