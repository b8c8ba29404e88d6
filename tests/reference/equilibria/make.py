"""Write cases.json: potentials and transport by another way, `python tests/reference/equilibria/make.py`.

Nothing of the package is used and no closed formula: every solute has an electrochemical potential on each side,
mu = RT ln c + zFV inside, in 40 decimal digits; an equilibrium is where a turn costs nothing, found by bisection. The
GHK potential is where the sum of the Goldman currents of all ions is zero, also by bisection.
"""

import json
from decimal import Decimal, getcontext
from itertools import product
from pathlib import Path

getcontext().prec = 40
GAS, FARADAY = Decimal("8.31446261815324"), Decimal("96485.33212331")
KELVIN = Decimal("310.15")
Z = {"K": 1, "Na": 1, "Cl": -1, "Ca": 2, "Mg": 2, "H": 1, "aspartate": -1}
INSIDE = {"K": 145, "Na": 10, "Cl": 7, "Ca": "0.0001", "Mg": "0.8", "H": "0.0001", "aspartate": 2}
OUTSIDE = {"K": 5, "Na": 145, "Cl": 110, "Ca": "1.5", "Mg": "1.5", "H": "0.0000398", "aspartate": "0.003"}
PUMP = {"Na": -3, "K": 2}
ASPARTATE = {"aspartate": 1, "Na": 3, "H": 1, "K": -1}
PERMEABILITIES = {"K": 1, "Na": "0.04", "Cl": "0.45"}
ATP_KJ = Decimal(-56)


def in_kj(moved, volts, inside=INSIDE, outside=OUTSIDE):
    """Return what a turn costs: inside minus outside, solute by solute."""
    cost = Decimal(0)
    for solute, inward in moved.items():
        mu_in = GAS * KELVIN * Decimal(inside[solute]).ln() + Z[solute] * FARADAY * volts
        mu_out = GAS * KELVIN * Decimal(outside[solute]).ln()
        cost += inward * (mu_in - mu_out)
    return cost / 1000


def goldman(volts):
    """Return the sum of the currents of all permeant ions, up to a factor."""
    total = Decimal(0)
    for ion, weight in PERMEABILITIES.items():
        u = Z[ion] * FARADAY * volts / (GAS * KELVIN)
        total += (
            Z[ion] ** 2
            * Decimal(weight)
            * u
            * (Decimal(INSIDE[ion]) - Decimal(OUTSIDE[ion]) * (-u).exp())
            / (Z[ion] * (1 - (-u).exp()))
        )
    return total


def bisect(function, low, high):
    """Return where a function changes its sign, to 25 digits."""
    low, high = Decimal(low), Decimal(high)
    rising = function(high) > 0
    assert (function(low) > 0) != rising
    for _ in range(110):
        middle = (low + high) / 2
        low, high = (low, middle) if (function(middle) > 0) == rising else (middle, high)
    return (low + high) / 2


def aspartate_ratio(membrane, sodium_in=10):
    """Return inside/outside of aspartate at equilibrium."""
    inside = {**INSIDE, "Na": sodium_in}

    def cost(log_ratio):
        return in_kj(ASPARTATE, membrane, {**inside, "aspartate": log_ratio.exp()}, {**OUTSIDE, "aspartate": 1})

    return bisect(cost, -5, 40).exp()


def main():
    """Write the cases."""
    cases = {f"nernst {ion}": bisect(lambda v, i=ion: in_kj({i: 1}, v), -1, 1) * 1000 for ion in Z}
    cases["ghk"] = bisect(goldman, "-0.2001", "0.2") * 1000
    cases["pump turn at -70 mV"] = in_kj(PUMP, Decimal("-0.07"))
    cases["pump reversal"] = bisect(lambda v: in_kj(PUMP, v) + ATP_KJ, -1, 1) * 1000
    cases["aspartate turn at -70 mV"] = in_kj(ASPARTATE, Decimal("-0.07"))
    cases["aspartate reversal"] = bisect(lambda v: in_kj(ASPARTATE, v), -1, 1) * 1000
    cases["aspartate gradient at -70 mV"] = aspartate_ratio(Decimal("-0.07"))
    # Over ranges: a fine grid, ends included, in place of corners.
    grid = [(Decimal(5 + i), Decimal(-80 + 2 * j) / 1000) for i, j in product(range(11), range(11))]
    ratios = [aspartate_ratio(v, sodium) for sodium, v in grid]
    cases["aspartate gradient, lowest over Na 5 to 15 and -80 to -60 mV"] = min(ratios)
    cases["aspartate gradient, highest over Na 5 to 15 and -80 to -60 mV"] = max(ratios)
    text = json.dumps({name: float(value) for name, value in cases.items()}, indent=1)
    (Path(__file__).parent / "cases.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
