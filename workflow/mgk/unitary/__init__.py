"""Unitary conductance: single-channel recordings at several potentials, from the trace to groups of animals.

`patches` reads recordings and puts together what belongs to one patch at one potential; `potential` removes the drift,
idealises and measures the unitary current there; `levels` fits the all-points histogram, `idealise` makes events of
samples, `dwells` fits open and closed times, `resolution` holds what a filter does; `level_rows` makes tables with
verdicts; `conductance` fits the i-V relation. Figures are in `mgk.figures.unitary`.

Vocabulary: *patch*, a cell_id in one condition; *part*, a sweep or segment at one potential; *level*, all parts of a
patch at one potential, and, within a trace, the current at which so many channels are open; *unitary current*, the step
between levels; *dead time*, the shortest event that a threshold sees; *resolution*, the shortest that is kept.
"""

from mgk.unitary.conductance import chord_level, compare_conductances, fit_relation, unitary_fits, with_chords
from mgk.unitary.dwells import correct_two_states, fit_times, times_of
from mgk.unitary.patches import Tables, analyse_patches, check_patch
from mgk.unitary.potential import Asked, Recorded, analyse_level

__all__ = [
    "Asked", "Recorded", "Tables", "analyse_level", "analyse_patches", "check_patch", "chord_level",
    "compare_conductances", "correct_two_states", "fit_relation", "fit_times", "times_of", "unitary_fits",
    "with_chords",
]  # fmt: skip
