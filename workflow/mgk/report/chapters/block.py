"""The chapter on the voltage-dependent block by Mg2+."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, groups_table, key_fits
from mgk.report.chapters.windows import measured_in_windows
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Voltage-dependent block by Mg2+
Woodhull's model, fitted to all concentrations and potentials of a cell at once, the control with them;
$[\mathrm{Mg}]$ is the free concentration:
$$I(V, [\mathrm{Mg}]) = \frac{I_0(V)}{1 + [\mathrm{Mg}] / K_i(V)}, \qquad K_i(V) = K_i(0)\, e^{-z\delta F V / RT}$$
The sign in the exponent is that of a blocker on the inside: depolarisation drives it into the pore.
No correction is applied unless *Methods* says so: series resistance, leak and rundown that are left in the currents
move Ki(0) and z delta, and no interval holds such an error. How far is in the table of what was not corrected.
"""
KEY_FITS = {
    ("woodhull", "ki0_mm"): ("Ki(0) of block by Mg2+", "ki0_mm"),
    ("woodhull", "z_delta"): ("z delta of block by Mg2+", "z_delta"),
}


def tables(results: Results) -> Fragment:
    """Show the parameters of groups, and how far what was not corrected moves them."""
    left = results.table("uncorrected.csv")
    if left.empty:
        return groups_table(results)
    sizes = [
        f"{row.error.replace('_', ' ')}, {row.value:.3g} {row.unit}: up to {row.largest:.2g} {row.largest_unit}"
        for row in left.itertuples()
    ]
    shown = pd.DataFrame({
        "Group": left["group"],
        "Parameter": left["parameter"],
        "Not corrected": sizes,
        "Size": left["known"],
        "As fitted": left["estimate"].map("{:.3g}".format),
        "Without it": left["corrected"].map("{:.3g}".format),
        "Shift over half the interval": left["of_interval"].map("{:.2g}".format),
    })  # fmt: skip
    caption = f"{results.title}. What was not corrected, and what its correction would change"
    table = results_table(results, "uncorrected.csv", shown, caption, csv=left)
    return Fragment(groups_table(results).html + table.html)


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), measured_in_windows)
