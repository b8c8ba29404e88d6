"""The report and the pages in a real browser: nothing fetched, no complaint, axe-core finds nothing serious.

Skipped without Chromium, and without npm that can fetch axe-core (nothing of npm is kept in the repository).
"""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from browser import Seen, find_chromium, look, use

from mgk.report.html import Fragment, table_html
from mgk.report.pdf import pdf_of
from mgk.report.plain_page import page_html

pytestmark = pytest.mark.workflow
VIEWS = {390: "dark", 1400: "light"}
needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium")


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The source of axe-core, installed by npm into a temporary folder."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm")
    folder = tmp_path_factory.mktemp("axe")
    install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", "axe-core@4"]
    try:
        done = subprocess.run(install, capture_output=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not answer")
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not source.exists():
        pytest.skip("npm cannot install axe-core")
    return source.read_text(encoding="utf-8")


@needs_chromium
def test_pages_are_quiet_offline_and_accessible(demonstration, axe):
    study, _ = demonstration
    pages = sorted((study / "results" / "report").rglob("*.html"))
    seen = look(pages, VIEWS, axe)
    assert len(seen) == len(VIEWS) * len(pages) > 20
    wrong = [s for s in seen if s != Seen(s.page, s.width, s.scheme)]
    assert wrong == []


@needs_chromium
def test_what_is_wrong_with_a_page_is_found(tmp_path, axe):
    page = tmp_path / "page.html"
    page.write_text(
        "<html><body><img src='https://example.org/x.png'><script>undefinedName()</script>"
        "<p style='width: 3000px'>x</p></body></html>"
    )
    (seen,) = look([page], {390: "light"}, axe)
    assert any("image-alt" in violation for violation in seen.violations)
    assert any("html-has-lang" in violation for violation in seen.violations)
    assert "https://example.org/x.png" in seen.requests
    assert seen.complaints
    assert seen.wider_than_the_screen


@needs_chromium
def test_a_pdf_is_made_of_the_report(tmp_path):
    page = tmp_path / "a page.html"
    page.write_text("<html lang=en><body><h1>Report</h1></body></html>")
    made = pdf_of(page)
    assert made == tmp_path / "a page.pdf"
    assert made.read_bytes().startswith(b"%PDF-")


FIRST_COLUMN = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent).join(' ')"
STATE = "[...document.querySelectorAll('thead th')].map(th => th.getAttribute('aria-sort')).join(' ')"


@needs_chromium
def test_a_table_is_sorted_by_keyboard_with_numbers_as_numbers_and_blanks_last(tmp_path):
    frame = pd.DataFrame(
        {
            "name": ["b10", "b9", "Ω", "<script>window.ran = 1</script>", "a"],
            "size": [10.0, 9.0, np.nan, -1e-9, 3e7],
            "shown": ["10 [9, 11] mV", "9 [8, 10] mV", None, "−2 [−3, −1] mV", "3 put in"],
            "whole": ["p", "p", "p", "q", "q"],
        }
    )
    page = tmp_path / "page.html"
    page.write_text(page_html("Sorted", [table_html(frame, "Sizes").html]), encoding="utf-8")
    saved = "document.querySelector('a[download]').href"
    size = "document.querySelectorAll('thead button')[1].focus()"
    look_at = [FIRST_COLUMN, STATE]
    steps = [saved, size, "Enter", *look_at, "Enter", *look_at, "Enter", *look_at, "Tab", "Enter", *look_at]
    steps += ["document.querySelectorAll('thead button')[0].click()", *look_at, saved, "window.ran"]
    before, _, *found, _, words, state, after, ran = use(page, steps)
    script = "<script>window.ran = 1</script>"
    assert found == [
        *(f"{script} b9 b10 a Ω", " ascending  "),
        *(f"a b10 b9 {script} Ω", " descending  "),
        *(f"b10 b9 Ω {script} a", "   "),
        *(f"{script} a b9 b10 Ω", "  ascending "),
    ]
    assert words == f"{script} a b9 b10 Ω"
    assert state == "ascending   "
    assert before == after
    assert ran is None


@needs_chromium
def test_each_part_of_a_table_is_sorted_below_its_heading(tmp_path):
    frame = pd.DataFrame({"name": list("dcba"), "n": [4, 3, 2, 1]})
    page = tmp_path / "page.html"
    parts = ["first", "first", "second", "second"]
    page.write_text(page_html("Parts", [table_html(frame, "Parts", parts=parts).html]), encoding="utf-8")
    _, order = use(page, ["document.querySelector('thead button').click()", FIRST_COLUMN])
    assert order == "first c d second a b"


@needs_chromium
def test_a_script_that_is_not_ours_does_not_run(tmp_path):
    page = tmp_path / "page.html"
    parts = [Fragment("<script>window.ran = 1</script>").html, '<img src="data:," alt="" onerror="window.ran = 1">']
    page.write_text(page_html("Foreign", parts), encoding="utf-8")
    assert use(page, ["window.ran"]) == [None]
