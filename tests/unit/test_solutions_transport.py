"""Coupled transport: what must hold for any concentrations, and the numbers that were published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgk.solutions.potentials import nernst_mv
from mgk.solutions.transport import (
    ASPARTATE_TRANSPORTER,
    SODIUM_PUMP,
    Step,
    Transporter,
    atp_hydrolysis_kj,
    equilibrium_ratio,
    over_ranges,
    reversal_mv,
    turn_kj,
)
from mgk.tables import InputError

SOLUTES = ("Na", "K", "H", "aspartate")
# Document 000, table 1, mM.
INSIDE_RANGES = {"K": (140, 150), "Na": (5, 15)}
OUTSIDE = {"K": 5, "Na": 145}
# Veech et al. 2002, IUBMB Life 54:241, abstract: heart, liver and red cells of the rat.
ATP_KJ = (-58, -54)

concentration = st.floats(1e-6, 1e3)
side = st.fixed_dictionaries(dict.fromkeys(SOLUTES, concentration))
potential = st.floats(-200, 200)
temperature = st.floats(0, 45)
transporter = st.sampled_from((SODIUM_PUMP, ASPARTATE_TRANSPORTER))


@given(transporter, side, side, temperature, st.floats(-80, 80))
def test_at_the_reversal_potential_turn_and_reaction_balance(which, inside, outside, temperature_c, reaction_kj):
    reversal = reversal_mv(which, inside, outside, temperature_c, reaction_kj)
    assert turn_kj(which, inside, outside, reversal, temperature_c) + reaction_kj == pytest.approx(0, abs=1e-9)


@given(transporter, st.sampled_from(SOLUTES), side, side, potential, temperature)
def test_at_the_equilibrium_ratio_a_turn_costs_nothing(which, solute, inside, outside, membrane_mv, temperature_c):
    if solute not in {step.solute for step in which.steps}:
        with pytest.raises(InputError, match="does not move"):
            equilibrium_ratio(which, solute, inside, outside, membrane_mv, temperature_c)
        return
    ratio = equilibrium_ratio(which, solute, inside, outside, membrane_mv, temperature_c)
    inside = inside | {solute: ratio * outside[solute]}
    assert turn_kj(which, inside, outside, membrane_mv, temperature_c) == pytest.approx(0, abs=1e-9)


@given(transporter, side, side, potential, temperature)
def test_the_reverse_turn_costs_what_the_turn_yields(which, inside, outside, membrane_mv, temperature_c):
    back = Transporter("back", tuple(Step(s.solute, s.z, -s.inward) for s in which.steps), "")
    forth = turn_kj(which, inside, outside, membrane_mv, temperature_c)
    assert turn_kj(back, inside, outside, membrane_mv, temperature_c) == -forth
    # The same membrane seen from its other side.
    assert turn_kj(back, outside, inside, -membrane_mv, temperature_c) == pytest.approx(forth, abs=1e-9)


@given(st.sampled_from((-2, -1, 1, 2)), concentration, concentration, temperature)
def test_one_ion_alone_reverses_at_its_nernst_potential(z, inside, outside, temperature_c):
    channel = Transporter("channel", (Step("X", z, 1),), "")
    found = reversal_mv(channel, {"X": inside}, {"X": outside}, temperature_c)
    assert found == pytest.approx(nernst_mv(z, outside, inside, temperature_c), abs=1e-9)


@given(side, side, potential, temperature)
def test_a_turn_is_the_sum_of_distances_from_nernst(inside, outside, membrane_mv, temperature_c):
    """3 F (V - E_Na) outward and 2 F (V - E_K) inward, each in kJ/mol."""
    away = {i: membrane_mv - nernst_mv(1, outside[i], inside[i], temperature_c) for i in ("Na", "K")}
    expected = 96.48533212331 * (2 * away["K"] - 3 * away["Na"]) / 1e3
    assert turn_kj(SODIUM_PUMP, inside, outside, membrane_mv, temperature_c) == pytest.approx(expected, abs=1e-9)


def test_signs_and_charges():
    assert SODIUM_PUMP.charge_inward == -1, "the pump carries one charge out"
    assert ASPARTATE_TRANSPORTER.charge_inward == 2
    inside = {"Na": 10, "K": 145}
    at_rest = turn_kj(SODIUM_PUMP, inside, OUTSIDE, -70, 37)
    assert at_rest > 0, "the turn needs ATP"
    assert turn_kj(SODIUM_PUMP, inside, OUTSIDE, -100, 37) > at_rest, "hyperpolarisation is against the pump"
    assert reversal_mv(SODIUM_PUMP, inside, OUTSIDE, 37, -56) < -70, "with ATP it runs forward at rest"


def test_the_pump_of_the_documents_neuron_by_hand():
    """RT = 2.5786 kJ/mol at 37 C; 70 mV is 6.754 kJ/mol."""
    by_hand = 3 * (2.5786 * np.log(145 / 10) + 6.754) + 2 * (2.5786 * np.log(145 / 5) - 6.754)
    assert turn_kj(SODIUM_PUMP, {"Na": 10, "K": 145}, OUTSIDE, -70, 37) == pytest.approx(by_hand, abs=0.01)


def test_over_the_documents_ranges_atp_pays_for_the_pump_with_little_to_spare():
    def turn(**inside):
        return turn_kj(SODIUM_PUMP, inside, OUTSIDE, -70, 37)

    low, high = over_ranges(turn, INSIDE_RANGES)
    assert (low, high) == pytest.approx((41.5, 50.3), abs=0.1)
    assert high < -max(ATP_KJ)

    def stop(atp_kj, **inside):
        return reversal_mv(SODIUM_PUMP, inside, OUTSIDE, 37, atp_kj)

    assert over_ranges(stop, {**INSIDE_RANGES, "atp_kj": ATP_KJ}) == pytest.approx((-241, -108), abs=1)


@given(st.data())
def test_corners_hold_whatever_lies_between(data):
    ranges = {name: sorted((data.draw(concentration), data.draw(concentration))) for name in ("Na", "K")}

    def turn(**inside):
        return turn_kj(SODIUM_PUMP, inside, OUTSIDE, -70, 37)

    low, high = over_ranges(turn, {n: tuple(r) for n, r in ranges.items()})
    between = {n: data.draw(st.floats(*r)) for n, r in ranges.items()}
    assert low - 1e-9 <= turn(**between) <= high + 1e-9


def test_the_aspartate_gradient_exceeds_a_million():
    """Zerangue and Kavanaugh 1996: this coupling can support a gradient exceeding 10^6.

    pH 7.0 inside and 7.4 outside: 31P spectra of human brain (Ren et al. 2015, abstract).
    """
    inside, outside = {"Na": 10, "K": 145, "H": 1e-4}, {**OUTSIDE, "H": 10**-4.4}
    ratio = equilibrium_ratio(ASPARTATE_TRANSPORTER, "aspartate", inside, outside, -70, 37)
    thermal_mv = 26.7269
    assert ratio == pytest.approx(14.5**3 * 10**-0.4 * 29 * np.exp(140 / thermal_mv), rel=1e-4)
    assert ratio > 1e6


def test_hydrolysis_of_atp():
    """At 1 M of each the standard value; ten times less ADP is worth RT ln 10."""
    assert atp_hydrolysis_kj(-32, 1e3, 1e3, 1e3, 25) == pytest.approx(-32)
    less = atp_hydrolysis_kj(-32, 3, 0.003, 1, 25) - atp_hydrolysis_kj(-32, 3, 0.03, 1, 25)
    assert less == pytest.approx(-5.708, abs=1e-3)
    with pytest.raises(InputError, match=r"ADP is 0.*phosphate is nan"):
        atp_hydrolysis_kj(-32, 3, 0, float("nan"), 25)


def test_refusals_name_everything_that_is_wrong():
    with pytest.raises(InputError, match=r"inside.*Na is missing, K is -1"):
        turn_kj(SODIUM_PUMP, {"K": -1}, OUTSIDE, -70, 37)
    exchanger = Transporter("exchanger", (Step("Na", 1, 1), Step("H", 1, -1)), "")
    with pytest.raises(InputError, match="moves no charge"):
        reversal_mv(exchanger, {"Na": 10, "H": 1e-4}, {"Na": 145, "H": 4e-5}, 37)
