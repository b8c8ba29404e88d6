"""The chapters of the report, one module an analysis; a new analysis is a new module and a row of `CHAPTERS`.

Everything returned is a `Fragment` of HTML in which names from tables are text. A chapter whose results are not there
says so, with the place of the failed notebook when there is one.
"""

from html import escape

from mgk.report.chapters import atpase, block, claims, clinical, currents, forms, magnesium, plates, quality, solutions
from mgk.report.chapters.chapter import Chapter
from mgk.report.html import Fragment, figure_html, link_html
from mgk.report.markdown import markdown_html
from mgk.report.results import KINDS, Results, all_results
from mgk.study import Study

# By the name of the analysis in `mgk.analyses`, which also sets the order.
CHAPTERS: dict[str, Chapter] = {
    "solutions": solutions.CHAPTER,
    "membrane_test": quality.CHAPTER,
    "current_voltage": currents.CHAPTER,
    "magnesium_block": block.CHAPTER,
    "plate_quality": plates.CHAPTER,
    "magnesium_calibration": magnesium.CHAPTER,
    "atpase_activity": atpase.CHAPTER,
    "clinical_summary": clinical.CHAPTER,
    "claims": claims.CHAPTER,
    "magnesium_forms": forms.CHAPTER,
}


def all_chapters(project: Study) -> list[Fragment]:
    """Return the chapters that the study asks for, in reading order."""
    return [chapter(project, name) for name in dict.fromkeys(r.analysis.name for r in all_results(project))]


def chapter(project: Study, name: str) -> Fragment:
    """Return the chapter of an analysis: what it does, and for each experiment its figures, tables and notebook."""
    parts = [markdown_html(CHAPTERS[name].about)]
    parts += [_experiment(r) for r in all_results(project) if r.analysis.name == name]
    return Fragment("".join(parts))


def _experiment(results: Results) -> str:
    heading = "" if results.analysis.once else f"<h3>{escape(results.title)}</h3>"
    if not results.is_there:
        return f"{heading}<p><strong>{missing(results)}</strong></p>"
    place = results.analysis.folder(results.experiment).removeprefix("results")
    links = ", ".join(link_html(t, f"..{place}/{t}").html for t in results.analysis.tables)
    notebook = notebook_link(results).html
    above = f"<p>Data: {KINDS[results.data]}. Notebook: {notebook}. Tables: {links}.</p>"
    return heading + above + _figures(results) + CHAPTERS[results.analysis.name].tables(results).html


def _figures(results: Results) -> str:
    """Return the figures with caption and n; of one that has nothing to draw, only its words."""
    n = CHAPTERS[results.analysis.name].count(results)
    shown = []
    for file, caption in results.analysis.figures.items():
        alt = (results.folder / file).with_suffix(".alt.txt").read_text(encoding="utf-8").strip()
        empty = alt.startswith("Nothing to draw")
        figure = f"<p>{escape(alt)}</p>" if empty else figure_html(results.folder / file, f"{caption} {n}".strip(), alt)
        shown.append(figure if empty else figure.html)
    return "".join(shown)


def notebook_link(results: Results) -> Fragment | str:
    """Return a link to the page of the executed notebook; without one, the experiment's id."""
    page = results.executed.stem
    return link_html(results.experiment, f"notebooks/{page}.html") if results.executed.exists() else results.experiment


def missing(results: Results) -> str:
    """Say that a chapter was not made, and where the notebook that failed can be opened; as HTML."""
    copy = f"logs/{results.analysis.name}/{results.experiment}.ipynb"
    failed = (results.project.results / copy).exists()
    place = f"; the notebook that failed is results/{copy}" if failed else "; what it needs was not made"
    return escape(f"Missing: {results.analysis.title}, {results.experiment}{place}; logs are in results/logs/.")
