"""Excitability: current-clamp recordings, from steps of current to resting potential, passive properties and firing.

`protocol` says where and how much current is injected, `spikes` finds spikes and their shape, `response` the passive
response to a step, `measure` reads each recording once and judges it, `cells` makes of the sweeps what a cell is,
`conditions` summarises and compares. Figures are in `mgk.figures.excitability`.

Vocabulary: *step*, the current over that before it; *spike*, an action potential; *rheobase*, the smallest step that
fires; *F-I relation*, spikes per time of the step against its current; *bridge*, what the amplifier takes off for the
pipette; *sag*, the fall of a hyperpolarisation from its peak to the steady state.
"""

from mgk.excitability.cells import PARAMETERS, SMALL_MV, Cell, cell_fits, cells_table, firing_rate, summarise
from mgk.excitability.conditions import cell_owners, compare_conditions, condition_fits
from mgk.excitability.measure import LIMITS, Measured, check_current_clamp, measure_current_clamp
from mgk.excitability.spikes import Criterion, find_spikes

__all__ = [
    "LIMITS", "PARAMETERS", "SMALL_MV", "Cell", "Criterion", "Measured", "cell_fits", "cell_owners", "cells_table",
    "check_current_clamp", "compare_conditions", "condition_fits", "find_spikes", "firing_rate",
    "measure_current_clamp", "summarise",
]  # fmt: skip
