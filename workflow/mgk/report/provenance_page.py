"""The provenance of a run as a page: what was read and made, with checksums, under what, and by which steps.

Like run.json it says when the run ended, so it is exempt from byte identity.
"""

from pathlib import Path

import pandas as pd

from mgk.provenance import MANIFEST
from mgk.report.graph import graph_of, graph_svg
from mgk.report.html import table_html
from mgk.report.plain_page import list_html, page_html, table_or_none
from mgk.study import Study
from mgk.whole_files import write_whole

PAGE = "results/provenance/provenance.html"


def write_provenance_page(root: Path, manifest: dict, run: dict) -> Path:
    """Write the page of a run that ends, from what its manifest.json and run.json say; return it."""
    return write_whole(root / PAGE, provenance_html(Study.open(root), manifest, run))


def provenance_html(study: Study, manifest: dict, run: dict) -> str:
    """Return the page."""
    graph = graph_of(study)
    words = [f"{graph.steps[a].words} leads to {graph.steps[b].words}" for a, b in graph.edges]
    parts = [
        f"<p>Everything that the run read and made is listed here with its SHA-256. The same stands in "
        f"<code>{MANIFEST}</code>, and as a Workflow Run RO-Crate in "
        "<code>results/provenance/ro-crate-metadata.json</code>.</p>",
        "<h2>Steps</h2>",
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="Graph of the steps">'
        f"{graph_svg(graph, 'Graph of the steps, from raw files to the report')}</div>"
        "<figcaption>From raw files to the report: a notebook for each analysis and experiment.</figcaption></figure>",
        f"<details><summary>The same in words</summary>{list_html(words)}</details>",
        "<h2>Under what it ran</h2>",
        list_html(_under(run)),
        f"<details><summary>All packages</summary>{table_html(_packages(run), 'Packages and versions').html}</details>",
        "<h2>What each notebook was given</h2>",
        table_or_none(_parameters(run), "Parameters of each executed notebook; paths from results/"),
        "<h2>Inputs</h2>",
        table_or_none(_files(manifest["inputs"]), "Every file that was read"),
        "<h2>Outputs</h2>",
        table_or_none(_files(manifest["outputs"]), "Every table, figure, notebook and page that was made"),
    ]
    return page_html(f"Provenance: {study.title}", parts, home="../report/report.html")


def _under(run: dict) -> list[str]:
    code = run["code"]
    commit = code["commit"] or "not in git"
    state = f"{commit}{', with changes that are not committed' if code['changed'] else ''}"
    return [
        f"Python {run['python']}",
        f"Platform {run['platform']}",
        f"Lock requirements.txt, SHA-256 {run['lock_sha256']}",
        f"Code {state}",
        f"Ended {run['finished']}",
    ]


def _packages(run: dict) -> pd.DataFrame:
    return pd.DataFrame({"Package": list(run["packages"]), "Version": list(run["packages"].values())}, dtype=object)


def _parameters(run: dict) -> pd.DataFrame:
    rows = [
        {"Notebook": notebook, "Parameter": name, "Value": value}
        for notebook, given in run["parameters"].items()
        for name, value in given.items()
    ]
    return pd.DataFrame(rows, dtype=object)


def _files(checksums: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"File": list(checksums), "SHA-256": list(checksums.values())}, dtype=object)
