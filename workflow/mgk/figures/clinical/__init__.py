"""Figures of the clinical stage, each with its text alternative.

Everything that is drawn or written comes from the tables of `mgk.meta`; nothing is computed here but places and rounded
text, so that figure and table agree.
"""

from mgk.figures.clinical.claims_strip import claims_strip, forms_plot
from mgk.figures.clinical.diagnostic_plots import diagnostics, why_not
from mgk.figures.clinical.forest_plot import forest, forest_alt_text
from mgk.figures.clinical.sequence_plots import bubbles, sequences

__all__ = ["bubbles", "claims_strip", "diagnostics", "forest", "forest_alt_text", "forms_plot", "sequences", "why_not"]
