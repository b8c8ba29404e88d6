"""The chapters of the report, one module an analysis; a new analysis is a new module and a row of `CHAPTERS`.

Everything returned is a `Fragment` of HTML in which names from tables are text. A chapter whose results are not there
says so, with the place of the failed notebook when there is one.
"""

from html import escape

import pandas as pd

from mgk.figures import NOTHING
from mgk.report.chapters import (
    atpase,
    block,
    claims,
    clinical,
    coupled,
    currents,
    curves,
    equilibria,
    excitability,
    forms,
    magnesium,
    plates,
    quality,
    relaxation,
    salts,
    solutions,
    stacks,
    synthesis,
    unitary,
)
from mgk.report.chapters.chapter import Chapter
from mgk.report.diagrams import chapter_diagrams
from mgk.report.html import Fragment, figure_html, link_html
from mgk.report.markdown import markdown_html
from mgk.report.origins import file_address, origin_html, page_address, raw_anchor
from mgk.report.results import KINDS, Results, all_results
from mgk.study import Study
from mgk.tables import read_table

# What is judged in each section, as in the columns of its quality.csv.
UNITS = {"recordings": "recording", "plates": "plate", "stacks": "stack"}

# By the name of the analysis in `mgk.analyses`, which also sets the order.
CHAPTERS: dict[str, Chapter] = {
    "solutions": solutions.CHAPTER,
    "equilibria": equilibria.CHAPTER,
    "membrane_test": quality.CHAPTER,
    "current_voltage": currents.CHAPTER,
    "unitary_conductance": unitary.CHAPTER,
    "excitability": excitability.CHAPTER,
    "relaxation": relaxation.CHAPTER,
    "magnesium_block": block.CHAPTER,
    "salt_comparison": salts.CHAPTER,
    "plate_quality": plates.CHAPTER,
    "magnesium_calibration": magnesium.CHAPTER,
    "image_stacks": stacks.CHAPTER,
    "atpase_activity": atpase.CHAPTER,
    "coupled_assay": coupled.CHAPTER,
    "curves": curves.CHAPTER,
    "clinical_summary": clinical.CHAPTER,
    "claims": claims.CHAPTER,
    "magnesium_forms": forms.CHAPTER,
    "synthesis": synthesis.CHAPTER,
}


def all_chapters(project: Study) -> list[Fragment]:
    """Return the chapters that the study asks for, in reading order."""
    return [chapter(project, name) for name in dict.fromkeys(r.analysis.name for r in all_results(project))]


def chapter(project: Study, name: str) -> Fragment:
    """Return the chapter of an analysis: what it does, and for each experiment its figures, tables and notebook."""
    parts = [markdown_html(CHAPTERS[name].about)]
    parts += [_experiment(r) for r in all_results(project) if r.analysis.name == name]
    parts.append(chapter_diagrams(project, name, lambda r: CHAPTERS[r.analysis.name].key_numbers(r)).html)
    return Fragment("".join(parts))


def _experiment(results: Results) -> str:
    heading = "" if results.analysis.once else f"<h3>{escape(results.title)}</h3>"
    if not results.is_there:
        return f'{heading}<p class="missing"><strong>{missing(results)}</strong></p>'
    parts = CHAPTERS[results.analysis.name]
    links = ", ".join(link_html(t, file_address(results, t)).html for t in results.analysis.tables)
    facts = f"Data: {KINDS[results.data]}. Notebook: {notebook_link(results).html}. Tables: {links}. "
    facts += f'<a href="#{raw_anchor(results)}">Raw files</a>.'
    method = f"Method: {escape(parts.method(results))}."
    first = f"{heading}{parts.opening(results).html}<p>{facts}</p><p>{method}</p>"
    return f"{first}{_left_out(results)}{_figures(results)}{parts.tables(results).html}"


def _left_out(results: Results) -> str:
    """Return what of this experiment has a warning or is excluded, folded; nothing when all passed."""
    rows = not_passed(results.project, results.analysis.section)
    items = items_html(rows[rows["experiment"] == results.experiment]) if len(rows) else []
    if not items:
        return ""
    return f"<details><summary>Excluded, or with a warning: {len(items)}</summary><ul>{''.join(items)}</ul></details>"


def not_passed(project: Study, section: str) -> pd.DataFrame:
    """Return the rows of quality.csv of the recordings or plates that did not pass; of none, an empty table."""
    path = project.results / section / "quality.csv"
    if section not in UNITS or not project.experiments(section) or not path.exists():
        return pd.DataFrame()
    quality = read_table(path)
    failed = quality[quality["verdict"] != "pass"]
    return failed.assign(unit=UNITS[section], name=failed[f"{UNITS[section]}_id"])


def items_html(rows: pd.DataFrame) -> list[str]:
    """Return what did not pass as items of a list, each with verdict and reason."""
    return [f"<li>{escape(f'{r.unit} {r.name}: {r.verdict}, {r.reason}.')}</li>" for r in rows.itertuples(index=False)]


def _figures(results: Results) -> str:
    """Return the figures with caption, n and origin; of one that has nothing to draw, only its words."""
    parts = CHAPTERS[results.analysis.name]
    n, shown = parts.count(results), []
    for file, caption in results.analysis.figures.items():
        if elsewhere := parts.elsewhere(results, file).html:
            shown.append(elsewhere)
            continue
        alt = (results.folder / file).with_suffix(".alt.txt").read_text(encoding="utf-8").strip()
        if alt.startswith(NOTHING):
            shown.append(f"<p>{escape(alt)}</p>")
            continue
        words = f"{'' if results.analysis.once else f'{results.title}. '}{caption} {n}".strip()
        shown.append(figure_html(results.folder / file, words, alt, origin_html(results, file)).html)
    return "".join(shown)


def notebook_link(results: Results) -> Fragment:
    """Return a link to the page of the executed notebook; without one, the experiment's id."""
    if results.executed.exists():
        return link_html(results.experiment, page_address(results))
    return Fragment(escape(results.experiment))


def missing(results: Results) -> str:
    """Say that a chapter was not made, what failed and why, and where the failed notebook can be opened; as HTML."""
    copy = f"logs/{results.analysis.name}/{results.experiment}.ipynb"
    failed = (results.project.results / copy).exists()
    place = f"; the notebook that failed is results/{copy}" if failed else "; what it needs was not made"
    why = "".join(f" {line}." for line in results.failures)
    return escape(f"Missing: {results.analysis.title}, {results.experiment}{place}; logs are in results/logs/.{why}")
