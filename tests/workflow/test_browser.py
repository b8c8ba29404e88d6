"""The report and the pages in a real browser: nothing fetched, no complaint, axe-core finds nothing serious.

Skipped without Chromium, and without npm that can fetch axe-core (nothing of npm is kept in the repository).
"""

import shutil
import subprocess

import pytest
from browser import Seen, find_chromium, look

from mgk.report.pdf import pdf_of

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
