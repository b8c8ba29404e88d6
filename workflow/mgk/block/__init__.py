"""Voltage-dependent block of a channel by a charged ligand (Woodhull 1973), fitted per cell, then cells in animals.

I(V, c) = I0(V) / (1 + c / Ki(V)), with c the *free* concentration of the blocker. A blocker that enters the field of
the membrane from inside is driven in by depolarisation, one from outside by hyperpolarisation:

    internal: Ki(V) = Ki(0) exp(-z delta F V / RT)      external: Ki(V) = Ki(0) exp(+z delta F V / RT)

All concentrations and potentials of a cell are fitted at once, together with its control I0, which is free at each
level. Currents are fitted, not ratios: levels near the reversal potential then weigh as little as they know, and
nothing is divided by a current near zero.

Two things may be added, each for all cells of an experiment, when the sum of AICc asks for it (`compare_models`):

- *gain*: a free gain per solution. The recordings of a cell need not have one gain: channels are lost (rundown), a seal
  changes. The shape over potential tells a gain from block.
- *permeant*: the blocker also leaves to the other side, which the field helps (Woodhull 1973), so that strong driving
  relieves the block. With u the driving potential in units of RT/F and r the ratio of leaving to returning at 0 mV,

      Ki(V) = Ki(0) (exp(-z delta u) + r exp(+z delta_exit u)) / (1 + r)

Vocabulary and units: `ki0_mm`, Ki(0), the free concentration in mM that halves the current at 0 mV; `z_delta`, valence
times the electrical distance from the blocker's own side; `exit_ratio`, r; *control*, I0; *level*, the potential of
like commands (mV); *fraction*, I/I0. Fits and verdicts: `mgk.fitting`.

Modules: `woodhull`, the equation and its fit to the currents of one cell; `cells`, each cell of an experiment and the
model that all share; `tables`, what the results hold; `uncorrected`, what was left in the currents.

Limits: one site, in equilibrium. A leak that the blocker does not reach is part of the control and biases Ki(0) and z
delta (`uncorrected` says how far); at strong driving it looks like a permeant blocker. AICc sees gains only where they
stand out of the noise: with gains that vary by 2 % and noise of 3 % it mostly keeps one gain, and 95 % intervals of
single cells are then too narrow; docs/validation.md says by how much, here and for other errors. Effects of permeant
ions on the site appear as different Ki(0) of the groups, not as a parameter.
"""

from mgk.block.cells import CellBlock, chosen_model, compare_models, fit_cells, likelihood_profile
from mgk.block.tables import (
    block_fits,
    block_table,
    cell_fractions,
    group_parameters,
    ki_at_mv,
    open_ratios,
    solution_gains,
)
from mgk.block.uncorrected import left_in, uncorrected
from mgk.block.woodhull import (
    MODELS,
    PLAIN,
    BlockModel,
    blocking_constant_mm,
    fit_woodhull,
    unblocked_fraction,
)

__all__ = [
    "MODELS",
    "PLAIN",
    "BlockModel",
    "CellBlock",
    "block_fits",
    "block_table",
    "blocking_constant_mm",
    "cell_fractions",
    "chosen_model",
    "compare_models",
    "fit_cells",
    "fit_woodhull",
    "group_parameters",
    "ki_at_mv",
    "left_in",
    "likelihood_profile",
    "open_ratios",
    "solution_gains",
    "unblocked_fraction",
    "uncorrected",
]
