"""The report and its pages, from results alone: `results/report/report.html` and a page for each executed notebook.

    python -m mgk.report.build --after-failure

After a job has failed, the same report is built from what there is, with the missing chapters named; Snakemake calls
this from `onerror`, and the next good run overwrites it.
"""

import argparse
import sys
from pathlib import Path

import nbformat

from mgk.analyses import ANALYSES
from mgk.notebooks import NOTEBOOKS, REPORT_PARAMETERS, NotebookError, run_notebook
from mgk.one_run import end_with_parent
from mgk.report.pages import render_notebook
from mgk.study import Study

REPORT = "results/report/report.html"
REPORT_NOTEBOOK = "results/notebooks/90_report.ipynb"


def render_page(notebook: Path, page: Path) -> None:
    """Render the page of one executed notebook, with a link back to the report."""
    document = nbformat.read(notebook, as_version=4)
    title = document.cells[0].source.splitlines()[0].lstrip("# ")
    experiment = notebook.stem.partition("__")[2]
    render_notebook(notebook, page, title=f"{title}: {experiment}", home="../report.html")


def build_report(study: Path, log: Path, executed: str = REPORT_NOTEBOOK) -> None:
    """Run 90_report on a study's results and render it to report.html; the executed notebook goes to `executed`."""
    executed = study / executed
    run_notebook(
        NOTEBOOKS / "90_report.ipynb",
        executed,
        REPORT_PARAMETERS,
        folder=study / "results",
        log=log,
    )
    shown = nbformat.read(executed, as_version=4)
    shown.cells = [c for c in shown.cells if not _sets_parameters(c)]
    # The page's heading is the study's title, which the template writes as text.
    shown.cells[0].source = shown.cells[0].source.partition("\n")[2]
    part = log.with_suffix(".shown.ipynb")
    nbformat.write(shown, part)
    render_notebook(part, study / REPORT, title=Study.open(study).title, home=None, hide_code=True)
    part.unlink()


def _sets_parameters(cell: nbformat.NotebookNode) -> bool:
    return bool({"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])))


def build_after_failure(study: Path) -> None:
    """Build pages and report from the results that there are."""
    for analysis, experiment in Study.open(study).analyses():
        executed = study / ANALYSES[analysis].executed(experiment)
        page = study / "results" / "report" / "notebooks" / f"{executed.stem}.html"
        page.unlink(missing_ok=True)
        if executed.exists():
            render_page(executed, page)
    # Without its tracked notebook this report does not pass for a complete one: the next run makes it anew.
    (study / REPORT_NOTEBOOK).unlink(missing_ok=True)
    logs = "results/logs/report"
    build_report(study, study / logs / "after_failure.log", f"{logs}/90_report_after_failure.ipynb")


def main(arguments: list[str] | None = None) -> int:
    """Build the report of the study in this folder after a failure."""
    parser = argparse.ArgumentParser(prog="python -m mgk.report.build", description=main.__doc__)
    parser.add_argument("--after-failure", action="store_true", required=True)
    parser.parse_args(arguments)
    if not Path("results").is_dir():
        return 0
    end_with_parent()
    try:
        build_after_failure(Path())
    except NotebookError as error:
        print(f"FAILED report: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
