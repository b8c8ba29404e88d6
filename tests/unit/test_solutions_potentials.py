import numpy as np
import pytest

from mgk.solutions import internal_external, nernst_mv
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
