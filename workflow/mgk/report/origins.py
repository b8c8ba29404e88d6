"""Where a number comes from: the cell that made it, the row of the table, the raw files with their checksums.

The runner notes in an executed notebook which cell wrote which output (`notebooks.WRITES`), so that the cell named here
is the one that did it. A row is counted as a spreadsheet counts: the header is row 1.
"""

from collections.abc import Mapping

import pandas as pd

from mgk.provenance import sha256
from mgk.report.html import Fragment, link_html, numbered, table_html
from mgk.report.results import Results, all_results
from mgk.study import Study
from mgk.upstream import raw_files

# The row of a table's first data row, for whoever opens it in a spreadsheet.
FIRST_ROW = 2


def results_table(
    results: Results,
    name: str,
    frame: pd.DataFrame,
    caption: str,
    labels: Mapping[str, str] | None = None,
    csv: pd.DataFrame | None = None,
) -> Fragment:
    """Return rows of the result table `name` as HTML, each with the way home.

    `frame` keeps the index of the table as `Results.table` reads it, which tells the row; where its rows are made of
    several rows, the way leads to the table.
    """
    whole = frame.index.name != "made of several rows"
    origin = [origin_html(results, name, place if whole else None) for place in frame.index]
    return table_html(frame.assign(Origin=pd.Series(origin, frame.index, dtype=object)), caption, labels, csv)


def made_of_several(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark a frame whose rows are made of several rows of a table."""
    return frame.reset_index(drop=True).rename_axis("made of several rows")


def origin_html(results: Results, name: str, place: int | None = None) -> Fragment:
    """Return the way home: the cell that wrote a table, the table and (by its place from 0) the row, the raw files."""
    cell = results.cells.get(name)
    row = f"row {place + FIRST_ROW}" if place is not None else name
    links = (
        link_html(f"cell {cell}" if cell else "notebook", page_address(results, name), f"the cell that wrote {name}"),
        link_html(row, file_address(results, name), f"{row} of {name}; the header is row 1"),
        link_html("raw files", f"#{raw_anchor(results)}", "the raw files of this experiment, with SHA-256"),
    )
    return Fragment(", ".join(link.html for link in links))


def page_address(results: Results, name: str = "") -> str:
    """Return the address of the notebook's page, at the cell that wrote an output, as the report links it."""
    cell = results.cells.get(name)
    return f"notebooks/{results.executed.stem}.html{f'#cell-{cell}' if cell else ''}"


def file_address(results: Results, name: str) -> str:
    """Return the address of a table or figure of the results, as the report links it."""
    return f"..{results.analysis.folder(results.experiment).removeprefix('results')}/{name}"


def raw_anchor(results: Results) -> str:
    """Return the anchor of the list of raw files of an experiment."""
    return f"raw-{results.analysis.section}-{results.experiment}"


def raw_files_section(project: Study) -> Fragment:
    """Return the raw files of every experiment with their checksums, each list folded."""
    experiments = {raw_anchor(results): results for results in all_results(project)}
    return Fragment("".join(_raw_files(results) for results in experiments.values()))


def _raw_files(results: Results) -> str:
    files = raw_files(results.project, results.analysis.section, results.experiment)
    rows = pd.DataFrame(
        {
            "Raw file": [link_html(f.removeprefix("raw_data/"), f"../../{f}") for f in files],
            "SHA-256": [sha256(results.project.root / f) for f in files],
        },
        dtype=object,
    )
    summary = f"{results.experiment}: {numbered(len(files), 'file')}"
    table = table_html(rows, f"Raw files of {results.experiment}").html
    # The anchor is inside, so that following a link to it opens the list.
    return f'<details><summary>{summary}</summary><div id="{raw_anchor(results)}">{table}</div></details>'
