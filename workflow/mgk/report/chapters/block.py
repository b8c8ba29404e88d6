"""The chapter on the voltage-dependent block by Mg2+."""

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, groups_table, key_fits
from mgk.report.chapters.windows import measured_in_windows

ABOUT = r"""## Voltage-dependent block by Mg2+
Woodhull's model, fitted to all concentrations and potentials of a cell at once, the control with them;
$[\mathrm{Mg}]$ is the free concentration:
$$I(V, [\mathrm{Mg}]) = \frac{I_0(V)}{1 + [\mathrm{Mg}] / K_i(V)}, \qquad K_i(V) = K_i(0)\, e^{-z\delta F V / RT}$$
The sign in the exponent is that of a blocker on the inside: depolarisation drives it into the pore.
No correction is applied unless *Methods* says so: series resistance, leak and rundown that are left in the currents
move Ki(0) and z delta.
"""
KEY_FITS = {
    ("woodhull", "ki0_mm"): ("Ki(0) of block by Mg2+", "ki0_mm"),
    ("woodhull", "z_delta"): ("z delta of block by Mg2+", "z_delta"),
}

CHAPTER = Chapter(ABOUT, groups_table, count_groups, key_fits(KEY_FITS), measured_in_windows)
