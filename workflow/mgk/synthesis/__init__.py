"""The stages joined: measured free Mg2+ -> open fraction of ROMK and rate of the pump, with all errors at once.

What it is for: what follows for K+ at the apical membrane, and for the pump, if the numbers of the other stages held in
a cell of the distal nephron; how sure that would be, and which number to measure better.

Vocabulary: a *level* is a free concentration of Mg2+, measured of a group (with the errors of its animals and of its
calibration) or stated; a *source* is one thing whose error is drawn by itself; a *contrast* is a level against a
reference.

Limits: a model prediction, no measurement of secretion. Ki(0) and z delta are those of one group of `mgk.block`, at its
external K+; the pump follows Michaelis and Menten in free Mg2+; nothing else of the cell changes.
"""

from mgk.synthesis.inputs import block_of, k05_of, levels_of, model_of
from mgk.synthesis.model import (
    Block,
    Cell,
    Constant,
    Level,
    Model,
    contrasts,
    draw,
    open_fraction,
    pump_rate,
    with_truth,
)
from mgk.synthesis.tables import assumptions_table, potentials_of, prediction_table, variance_table
from mgk.synthesis.words import heading, sentences

__all__ = [
    "Block",
    "Cell",
    "Constant",
    "Level",
    "Model",
    "assumptions_table",
    "block_of",
    "contrasts",
    "draw",
    "heading",
    "k05_of",
    "levels_of",
    "model_of",
    "open_fraction",
    "potentials_of",
    "prediction_table",
    "pump_rate",
    "sentences",
    "variance_table",
    "with_truth",
]
