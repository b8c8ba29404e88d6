"""The report and the pages in a real browser: nothing fetched, no complaint, axe-core finds nothing serious.

Skipped without Chromium, and without npm that can fetch axe-core (nothing of npm is kept in the repository).
"""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from browser import ON_PAPER, Seen, find_chromium, look, use

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


ROWS = "[...document.querySelectorAll('tbody tr')].filter(row => row.offsetHeight).map(row => row.cells[0].textContent)"
FIRST_AND_LAST = f"(({{length, 0: first, [length - 1]: last}}) => `${{length}}: ${{first}} to ${{last}}`)({ROWS})"
RANGE = "document.querySelector('[role=status]').textContent"
ENDS = "[...document.querySelectorAll('.pages [aria-disabled]')].map(b => b.getAttribute('aria-disabled')).join(' ')"


def focus(button: str) -> str:
    return f"[...document.querySelectorAll('button')].find(b => b.textContent === '{button}').focus()"


def find(words: str) -> str:
    return f"(i => {{ i.value = '{words}'; i.dispatchEvent(new Event('input')) }})(document.querySelector('input'))"


def long_page(folder, parts=None):
    frame = pd.DataFrame({"name": [f"r{i}" for i in range(1, 251)], "x_mv": np.linspace(-1.0, 248.0, 250)[::-1]})
    page = folder / "page.html"
    page.write_text(page_html("Long", [table_html(frame, "Long", parts=parts).html]), encoding="utf-8")
    return page


@needs_chromium
def test_a_long_table_is_read_by_the_page_with_the_keyboard_and_in_any_order(tmp_path):
    look_at, focused = [RANGE, FIRST_AND_LAST, ENDS], "document.activeElement.textContent"
    steps = [*look_at, focus("Next"), "Enter", *look_at, "Enter", *look_at, "Enter", RANGE, focused]
    steps += [focus("x_mv"), "Enter", *look_at, focus("Next"), "Enter", *look_at, focus("Previous"), "Enter", RANGE]
    found = [value for value in use(long_page(tmp_path), steps) if value is not None]
    assert found == [
        *("Rows 1 to 100 of 250", "100: r1 to r100", "true false"),
        *("Rows 101 to 200 of 250", "100: r101 to r200", "false false"),
        *("Rows 201 to 250 of 250", "50: r201 to r250", "false true"),
        *("Rows 201 to 250 of 250", "Next"),  # there is no further page, and the focus stays
        *("Rows 1 to 100 of 250", "100: r250 to r151", "true false"),  # sorted through all pages, from the first
        *("Rows 101 to 200 of 250", "100: r150 to r51", "false false"),
        "Rows 1 to 100 of 250",
    ]


@needs_chromium
def test_rows_of_a_long_table_are_found_shown_at_once_and_printed(tmp_path):
    saved = "document.querySelector('a[download]').href.length"
    steps = [saved, find(" R24"), RANGE, FIRST_AND_LAST, find("-1"), FIRST_AND_LAST, find("nowhere"), RANGE, ENDS]
    steps += [find(""), RANGE, focus("All rows"), "Enter", RANGE, FIRST_AND_LAST, "Enter", FIRST_AND_LAST]
    steps += [find("r7"), saved, ON_PAPER, FIRST_AND_LAST, "document.querySelector('.pages').offsetHeight"]
    before, *found, after, on_paper, bar = [value for value in use(long_page(tmp_path), steps) if value is not None]
    assert found == [
        *("Rows 1 to 11 of 11 found in 250", "11: r24 to r249"),
        "1: r250 to r250",
        *("None of 250 rows", "true true"),
        "Rows 1 to 100 of 250",
        *("Rows 1 to 250 of 250", "250: r1 to r250"),
        "100: r1 to r100",
    ]
    assert before == after
    assert (on_paper, bar) == ("250: r1 to r250", 0)


@needs_chromium
def test_of_a_long_table_in_parts_a_page_shows_the_headings_of_its_rows(tmp_path):
    page = long_page(tmp_path, ["first"] * 90 + ["second"] * 60 + ["third"] * 100)
    seen = "[...document.querySelectorAll('[scope=rowgroup]')].filter(head => head.offsetHeight)"
    heads = f"{seen}.map(head => head.textContent).join(' ')"
    found = use(page, [heads, focus("Next"), "Enter", heads, find("r2"), heads])
    assert [value for value in found if value] == ["first second", "second third", "first third"]


@needs_chromium
def test_a_long_table_is_accessible(tmp_path, axe):
    seen = look([long_page(tmp_path)], VIEWS, axe)
    assert seen == [Seen(s.page, s.width, s.scheme) for s in seen]


@needs_chromium
def test_a_script_that_is_not_ours_does_not_run(tmp_path):
    page = tmp_path / "page.html"
    parts = [Fragment("<script>window.ran = 1</script>").html, '<img src="data:," alt="" onerror="window.ran = 1">']
    page.write_text(page_html("Foreign", parts), encoding="utf-8")
    assert use(page, ["window.ran"]) == [None]
