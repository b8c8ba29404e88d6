"""What stands before and after the chapters: what was asked, the key numbers, what is missing, how it was computed."""

from html import escape
from importlib.metadata import version

import pandas as pd

from mgk.analyses import ANALYSES
from mgk.checks import not_analysed, not_used
from mgk.report.chapters import CHAPTERS, missing, notebook_link
from mgk.report.html import Fragment, format_numbers, link_html, table_html
from mgk.report.results import KINDS, Results, all_results
from mgk.study import Study
from mgk.tables import read_table

SIMULATED = "Simulated data show that the analysis recovers what was put in. They teach nothing about nature."
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib", "snakemake", "papermill")


def opening(project: Study) -> Fragment:
    """Return the first screen: what was asked, of which data, and whether it is all there."""
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
    gone = [r for r in rows if r["State"] == "MISSING"]
    state = (
        f"{len(gone)} of {len(rows)} chapters are missing; they are named below." if gone else "All chapters were made."
    )
    simulated = any(row["Data"] in (KINDS["simulated"], KINDS["mixed"]) for row in rows)
    real = any(row["Data"] == KINDS["measured"] for row in rows)
    words = SIMULATED if simulated else "All data are real." if real else "All is computed from the recipes."
    head = f"<p><strong>{state}</strong> {words}</p>"
    return Fragment(head + table_html(pd.DataFrame(rows).astype(object), "What was asked, and of which data").html)


def numbers_table(project: Study, numbers: pd.DataFrame) -> Fragment:
    """Return the key numbers, each with interval, reference, n, verdict and its notebook."""
    if numbers.empty:
        return Fragment("<p>No key numbers: none of the chapters was made.</p>")
    found = [Results(project, ANALYSES[row.analysis], row.experiment) for row in numbers.itertuples()]
    shown = pd.DataFrame(
        {
            "Quantity": numbers["quantity"],
            "Experiment": [notebook_link(results) for results in found],
            "Group": numbers["group"],
            "Result [95 % CI]": [_interval(row) for _, row in numbers.iterrows()],
            "Unit": numbers["unit"],
            "Put in, or published": [_reference(row) for _, row in numbers.iterrows()],
            "n": numbers["n"],
            "Verdict": [_verdict(row) for _, row in numbers.iterrows()],
        },
        dtype=object,
    )
    caption = "Key numbers. Simulated data: put in, and recovered. Real data: result, and published value."
    return Fragment(table_html(shown, caption).html + _sources(numbers))


def _sources(numbers: pd.DataFrame) -> str:
    """Return where each reference value was read, folded away below the table."""
    known = numbers[numbers["reference"].notna()]
    lines = [f"{r.experiment}, {r.group}, {r.quantity}: {r.reference_source}" for r in known.itertuples()]
    items = "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines))
    return f"<details><summary>Sources of the reference values</summary><ul>{items}</ul></details>" if items else ""


def _interval(row: pd.Series) -> str:
    estimate, low, high = format_numbers([row["estimate"], row["ci_low"], row["ci_high"]])
    return estimate if low == high == "–" else f"{estimate} [{low}, {high}]"


def _reference(row: pd.Series) -> str:
    if pd.isna(row["reference"]):
        return "–"
    missed = ", missed by the interval" if row["holds_reference"] == "no" else ""
    return f"{row['reference']:g} {row['reference_kind']}{missed}"


def _verdict(row: pd.Series) -> str:
    return f"{row['verdict']}: {row['reason']}" if row["reason"] else row["verdict"]


def gaps(project: Study) -> Fragment:
    """Return what is missing, excluded or not analysed."""
    parts = [f"<li>{missing(results)}</li>" for results in all_results(project) if not results.is_there]
    for table, experiment, n in not_analysed(project):
        text = (
            f"{n} rows of raw_data/{table}.csv are not analysed: config.yaml does not name the experiment {experiment}."
        )
        parts.append(f"<li>{escape(text)}</li>")
    parts += [f"<li>{escape(line)}.</li>" for line in not_used(project)]
    for stage, what in (("recordings", "recording_id"), ("plates", "plate_id")):
        parts += [f"<li>{escape(text)}</li>" for text in _not_passed(project, stage, what)]
    return Fragment(f"<ul>{''.join(parts)}</ul>" if parts else "<p>Nothing is missing, excluded or left out.</p>")


def _not_passed(project: Study, stage: str, what: str) -> list[str]:
    path = project.results / stage / "quality.csv"
    if not project.experiments(stage) or not path.exists():
        return []
    quality = read_table(path)
    found = quality[quality["verdict"] != "pass"]
    return [f"{stage[:-1]} {row[what]}: {row['verdict']}, {row['reason']}." for _, row in found.iterrows()]


def methods(project: Study) -> Fragment:
    """Return how it was computed, written from the configuration and the installed versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    told = [f"{r.analysis.title}, {r.experiment}: {CHAPTERS[r.analysis.name].method(r)}." for r in all_results(project)]
    paragraphs = [*told, f"Computed with {versions}."]
    return Fragment("".join(f"<p>{escape(p)}</p>" for p in paragraphs if p) + _provenance(project))


def _provenance(project: Study) -> str:
    """Lead to the page of provenance, which a run writes last and only when all of it went well."""
    if not all(results.is_there for results in all_results(project)):
        return "<p>The run did not end well: there is no record of its provenance.</p>"
    page = link_html("provenance", "../provenance/provenance.html").html
    return f"<p>What was read and made, with checksums, under which Python and by which steps: {page}.</p>"
