"""Relaxation after mixing (stopped flow): rates of fluorescence transients, and their dependence on a ligand.

`shots` averages the shots of a transient and judges them; `exponentials` fits one and two exponentials and says which
the data support; `dependence` fits the observed rates against the free concentration, per preparation and then groups.
Files of shots are read by `mgk.recordings.shots`. Figures are in `mgk.figures.relaxation`.

Vocabulary: *shot*, one mixing; *transient*, the mean of the shots of one preparation at one concentration; *dead time*,
the time after mixing that the instrument does not see; *k_obs*, an observed rate, 1/s.
"""

from mgk.relaxation.dependence import compare_phases, dependence_fits, fit_dependence
from mgk.relaxation.exponentials import RATE_COLUMNS, fit_transient, fit_transients
from mgk.relaxation.shots import average_shots, check_transients, load_transients

__all__ = [
    "RATE_COLUMNS", "average_shots", "check_transients", "compare_phases", "dependence_fits", "fit_dependence",
    "fit_transient", "fit_transients", "load_transients",
]  # fmt: skip
