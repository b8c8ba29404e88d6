"""What stands around the chapters: the key numbers, what was asked, what is missing, how it was computed."""

from html import escape
from importlib.metadata import version

import pandas as pd

from mgk.checks import not_analysed, not_used
from mgk.report.chapters import CHAPTERS, UNITS, items_html, missing, not_passed, notebook_link
from mgk.report.html import MINUS, MISSING, Fragment, interval_text, link_html, table_html
from mgk.report.origins import FIRST_ROW, origin_html
from mgk.report.results import KINDS, Results, all_results
from mgk.study import Study

PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib", "snakemake", "papermill")
# Of more recordings that did not pass the list is folded.
MOST_ITEMS = 40


def asked_table(project: Study) -> Fragment:
    """Return what was asked, of which data, and whether it is there."""
    rows = [
        {
            "Analysis": results.analysis.title,
            "Experiment": results.title,
            "Data": KINDS[results.data],
            "State": "made" if results.is_there else "MISSING",
            "Notebook": notebook_link(results),
        }
        for results in all_results(project)
    ]
    return table_html(pd.DataFrame(rows).astype(object), "What was asked, and of which data")


def numbers_table(project: Study, numbers: pd.DataFrame) -> Fragment:
    """Return the key numbers, each with interval, reference, n, verdict and the way home."""
    if numbers.empty:
        return Fragment("<p>No key numbers: none of the chapters was made.</p>")
    known = {(results.analysis.name, results.experiment): results for results in all_results(project)}
    # What was measured comes first, then what was computed from recipes and published tables alone.
    ordered = numbers.sort_values("data", key=lambda kinds: kinds.isin(["computed", "tabulated"]), kind="stable")
    rows = list(ordered.itertuples())
    found = [known[row.analysis, row.experiment] for row in rows]
    reference, caption = "Published", "Key numbers: result, and published value where the config names one"
    if numbers["data"].isin(["simulated", "mixed"]).any():
        reference = "Put in, or published"
        caption = "Key numbers. Simulated data: put in, and recovered. Real data: result, and published value."
    shown = pd.DataFrame(
        {
            "Quantity": [_quantity(row) for row in rows],
            "Result [95 % CI]": [_result(row) for row in rows],
            reference: [_reference(row) for row in rows],
            "n": ordered["n"].to_list(),
            "Verdict": [_verdict(row) for row in rows],
            "Origin": [_origin(results, row) for results, row in zip(found, rows, strict=True)],
        },
        dtype=object,
    )
    table = table_html(shown, caption, csv=numbers, parts=[_part(results) for results in found]).html
    return Fragment(f'<div class="key-numbers">{table}</div>{_sources(numbers)}')


def _part(results: Results) -> str:
    """Return what heads the key numbers of one analysis of one experiment."""
    name = "" if results.analysis.once else f": {results.title}"
    return f"{results.analysis.title}{name} ({KINDS[results.data]})"


def _quantity(row) -> Fragment:
    """Return the quantity, with its group on a line below."""
    group = f'<span class="group">{escape(row.group)}</span>' if row.group else ""
    return Fragment(f"{escape(row.quantity)}{group}")


def _verdict(row) -> Fragment:
    """Return the verdict; its reason, when there is one, is folded behind it."""
    word = escape(row.verdict.replace("_", " ")) or MISSING
    reason = f"<details><summary>{word}</summary>{escape(row.reason)}</details>"
    return Fragment(reason if row.reason else word)


def _origin(results: Results, row) -> Fragment:
    if not row.table:
        return notebook_link(results)
    return origin_html(results, row.table, None if pd.isna(row.row) else int(row.row) - FIRST_ROW)


def _sources(numbers: pd.DataFrame) -> str:
    """Return where each reference value was read, folded away below the table."""
    known = numbers[numbers["reference"].notna()]
    lines = [f"{r.experiment}, {r.group}, {r.quantity}: {r.reference_source}" for r in known.itertuples()]
    items = "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines))
    return f"<details><summary>Sources of the reference values</summary><ul>{items}</ul></details>" if items else ""


def _result(row) -> str:
    if float(row.estimate).is_integer() and pd.isna(row.ci_low):
        return f"{row.estimate:.0f}"  # a count
    found = interval_text(row.estimate, row.ci_low, row.ci_high)
    return found if row.unit == "1" or found == MISSING else f"{found} {row.unit}"


def _reference(row) -> str:
    if pd.isna(row.reference):
        return MISSING
    missed = ", missed by the interval" if row.holds_reference == "no" else ""
    return f"{row.reference:g} {row.reference_kind}{missed}".replace("-", MINUS, 1 if row.reference < 0 else 0)


def gaps(project: Study) -> Fragment:
    """Return what is missing, excluded or not analysed."""
    parts = [f"<li>{missing(results)}</li>" for results in all_results(project) if not results.is_there]
    for table, experiment, n in not_analysed(project):
        text = (
            f"{n} rows of raw_data/{table}.csv are not analysed: config.yaml does not name the experiment {experiment}."
        )
        parts.append(f"<li>{escape(text)}</li>")
    parts += [f"<li>{escape(line)}.</li>" for line in not_used(project)]
    for section, unit in UNITS.items():
        parts += _folded(items_html(not_passed(project, section)), f"{unit}s, excluded or with a warning")
    return Fragment(f"<ul>{''.join(parts)}</ul>" if parts else "<p>Nothing is missing, excluded or left out.</p>")


def _folded(items: list[str], what: str) -> list[str]:
    """Return the items of a list, or, of more than a reader takes in, one item that opens to them."""
    if len(items) <= MOST_ITEMS:
        return items
    return [f"<li><details><summary>{len(items)} {what}</summary><ul>{''.join(items)}</ul></details></li>"]


def methods(project: Study) -> Fragment:
    """Return how it was computed, written from the configuration and the installed versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    told = [f"{r.analysis.title}, {r.experiment}: {CHAPTERS[r.analysis.name].method(r)}." for r in all_results(project)]
    paragraphs = [*told, f"Computed with {versions}."]
    words = "".join(f"<p>{escape(p)}</p>" for p in paragraphs if p)
    return Fragment(f"{words}{_provenance(project)}")


def _provenance(project: Study) -> str:
    """Lead to the notebook of the report and the page of provenance, which only a run that went well leaves."""
    if not all(results.is_there for results in all_results(project)):
        return "<p>The run did not end well: there is no record of its provenance.</p>"
    page = link_html("provenance", "../provenance/provenance.html").html
    made_by = link_html("results/notebooks/90_report.ipynb", "../notebooks/90_report.ipynb").html
    return (
        f"<p>What was read and made, with checksums, under which Python and by which steps: {page}.</p>"
        f"<p>This report is made by {made_by}.</p>"
    )
