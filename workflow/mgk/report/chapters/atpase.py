"""The chapter on ouabain-sensitive ATPase activity."""

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, groups_table, key_fits
from mgk.report.results import Results

ABOUT = r"""## Ouabain-sensitive ATPase
Inorganic phosphate by a standard curve on each plate; total minus ouabain-resistant activity, paired by preparation;
then
$$v = \frac{V_{max}\, m}{K_{0.5} + m}$$
with $m$ the total Mg2+, the free Mg2+ or MgATP. At a fixed total of ATP the last two are nearly collinear, so all
three are shown side by side.
"""
KEY_FITS = {
    ("michaelis_menten_free_magnesium", "vmax"): ("Vmax, ouabain-sensitive", "vmax_umol_mg_h"),
    ("michaelis_menten_free_magnesium", "k05"): ("K0.5 for free Mg2+", "k05_free_magnesium_mm"),
}


def method(results: Results) -> str:
    """Return the medium in which each tube is solved."""
    return f"free Mg2+ and MgATP of each tube are solved in the medium {results.settings['medium']}"


CHAPTER = Chapter(ABOUT, groups_table, count_groups, key_fits(KEY_FITS), method)
