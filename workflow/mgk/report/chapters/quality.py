"""The chapter on the membrane test and the quality of recordings."""

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import SHOWN, count_groups, groups_of, key_fits
from mgk.report.chapters.windows import measured_in_windows
from mgk.report.html import Fragment, table_html
from mgk.report.results import Results

ABOUT = """## Quality of the recordings
Each recording is judged by numbers against limits with their sources: seal, access, drift, noise, clipping.
What is excluded stays visible, here and in every table.
"""
KEY_FITS = {
    ("membrane test", "access_mohm"): ("access resistance", "access_mohm"),
    ("membrane test", "membrane_mohm"): ("membrane resistance", "membrane_mohm"),
    ("membrane test", "capacitance_pf"): ("membrane capacitance", "capacitance_pf"),
}


def tables(results: Results) -> Fragment:
    """Show how many recordings have each verdict, and the passive properties where they were tested."""
    verdicts = results.table("verdicts.csv").groupby(["verdict", "reason"], sort=False)["recording_id"].nunique()
    counts = table_html(verdicts.rename("recordings").reset_index(), "Verdicts of quality")
    groups = groups_of(results)[list(SHOWN)]
    caption = "Passive properties: cells within animals, geometric means, 95 % intervals"
    return counts if groups.empty else Fragment(counts.html + table_html(groups, caption).html)


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), measured_in_windows)
