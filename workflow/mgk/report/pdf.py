"""`make pdf`: the report as PDF, by the print function of a Chromium that is at hand (it has a print style of its own).

A library that lays out pages by itself would bring a dozen system libraries into every installation for this one
command; a browser is on most desks. Without one, the report prints from any browser to the same layout.

    python -m mgk.report.pdf STUDY
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mgk.provenance import require_intact
from mgk.tables.problems import InputError
from mgk.whole_files import whole_file

REPORT = "results/report/report.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
FLAGS = ("--headless", "--disable-gpu", "--disable-background-networking")
TIMEOUT_S = 300


class PdfError(Exception):
    """Why there is no PDF, in one line."""


def pdf_of(page: Path) -> Path:
    """Print a page to a PDF beside it; return the PDF.

    Raises
    ------
    PdfError
        When there is no page, no Chromium, or it made nothing.
    """
    pdf = page.with_suffix(".pdf")
    with whole_file(pdf) as beside:
        made_by_browser(page, beside, "--no-pdf-header-footer", f"--print-to-pdf={beside.resolve()}")
    return pdf


def made_by_browser(page: Path, made: Path, *flags: str) -> Path:
    """Load a page in a Chromium whose `flags` ask for the file `made`; return the file.

    Raises
    ------
    PdfError
        When there is no page, no Chromium, or it made nothing.
    """
    if not page.is_file():
        raise PdfError(f"there is no {page}; make report writes it")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise PdfError(f"no Chromium here ({', '.join(BROWSERS)}): open {page} in any browser and print it to PDF")
    made.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="mgk-pdf-", ignore_cleanup_errors=True) as profile:
        own = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses its sandbox to root, as in a container
        command = [browser, *FLAGS, *own, f"--user-data-dir={profile}", *flags]
        try:
            done = subprocess.run(
                [*command, page.resolve().as_uri()], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise PdfError(f"{browser} did not answer within {TIMEOUT_S} s") from None
    if not made.is_file():
        last = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        raise PdfError(f"{browser} made nothing of {page}: {last}")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Print a study's report to PDF, when its results are as the run left them."""
    parser = argparse.ArgumentParser(prog="python -m mgk.report.pdf", description=main.__doc__)
    parser.add_argument("study", type=Path, help="a folder with a report")
    given = parser.parse_args(arguments)
    try:
        if (given.study / REPORT).is_file():
            require_intact(given.study)
        print(pdf_of(given.study / REPORT))
    except (PdfError, InputError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
