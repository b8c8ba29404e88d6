"""The chapter on ATPase activity by the coupled assay."""

from mgk.report.chapters.atpase import compared, missing_items
from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, groups_table, key_fits
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## ATPase by the coupled assay
Each ADP that the ATPase makes oxidises one NADH; absorbance at 340 nm falls with time. The linear window of each well
is found by a rule that leaves out lag, exhaustion and bubbles, and is drawn. Slopes over the absorbance per nmol of the
ADP standards give activity; total minus ouabain-resistant, paired by preparation.
"""
KEY_FITS = {
    ("coupled assay", "ouabain_sensitive"): (
        "ouabain-sensitive activity, coupled assay",
        "ouabain_sensitive_umol_mg_h",
    ),
}


def tables(results: Results) -> Fragment:
    """Show the groups, the groups compared, the ADP standards and what is not told."""
    standards = results.table("adp_standards.csv")
    told = results_table(results, "adp_standards.csv", standards, "Absorbance at 340 nm per nmol of ADP")
    parts = (groups_table(results).html, compared(results), told.html, missing_items(results))
    return Fragment("".join(parts))


def method(results: Results) -> str:
    """Return the medium, and where the absorbance per nmol is from."""
    return f"ADP by the standards of the plate or the extinction coefficient; medium {results.settings['medium']}"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), method)
