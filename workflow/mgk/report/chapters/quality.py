"""The chapter on the membrane test and the quality of recordings."""

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, groups_of, key_fits, parameters_table
from mgk.report.chapters.windows import measured_in_windows
from mgk.report.html import Fragment, link_html
from mgk.report.origins import file_address, made_of_several, results_table
from mgk.report.results import Results
from mgk.report.sweeps import page_files

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
    counts = made_of_several(verdicts.rename("recordings").reset_index())
    caption = f"{results.title}. Verdicts of quality"
    shown = results_table(results, "verdicts.csv", counts, caption, {name: name.capitalize() for name in counts}).html
    groups = groups_of(results)
    if not groups.empty:
        shown += parameters_table(results, groups, "Passive properties: cells within animals, geometric means").html
    return Fragment(shown)


def sweeps_elsewhere(results: Results, file: str) -> Fragment:
    """Lead to the pages with the sweeps of all recordings, where there are more than one figure draws."""
    if file != "sweeps.svg":
        return Fragment("")
    ids = results.table("verdicts.csv")["recording_id"].to_list()
    pages = [f for f in page_files(results.experiment, ids) if (results.project.root / f).exists()]
    links = [link_html(str(n), page.removeprefix("results/report/")).html for n, page in enumerate(pages, 1)]
    figure = link_html("those to look at first", file_address(results, file)).html
    words = f"The sweeps of all {len(ids)} recordings: page {', '.join(links)}; {figure}."
    return Fragment(f"<p>{words}</p>" if links else "")


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), measured_in_windows, elsewhere=sweeps_elsewhere)
