"""An executed notebook as one HTML file that holds everything itself: nothing remote, always the same bytes.

The one script of a page is the house's own, which sorts and pages tables (`mgk.report.tables_script`).

Limits: this module does not run notebooks (`mgk.notebooks`), nor choose what a report says (`notebooks/90_report`).
A part that a page cannot hold (a formula without a MathML counterpart, a script, a picture by address) is an error
that names the cell, never a gap in the page.

Vocabulary: a page is the HTML file of one notebook; cell `cN` is the N-th cell from 0, and `#cell-cN` its anchor.
"""

import re
from pathlib import Path

from mgk.report.html import CSV_ADDRESS
from mgk.report.tables_script import POLICY, SCRIPT
from mgk.tables.problems import InputError, Problem
from mgk.whole_files import write_whole

HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*$", re.MULTILINE)
STYLE_ADDRESS = re.compile(r"@import\b[^;]*|url\(\s*(?!['\"]?(?:data:|#))[^)]*\)", re.IGNORECASE)
# Elements that fetch or run something; a page needs none of them.
REFUSED_TAGS = ("script", "iframe", "frame", "object", "embed", "base", "form", "audio", "video", "applet")
ADDRESS_ATTRIBUTES = ("src", "srcset", "poster", "data", "background", "href", "xlink:href", "action", "formaction")
PICTURES = ("image/svg+xml", "image/png", "image/jpeg")


def render_notebook(notebook: Path, html: Path, *, title: str, home: str | None, hide_code: bool = False) -> Path:
    """Write an executed notebook as one self-contained HTML page and return its path.

    Parameters
    ----------
    notebook : Path
        The executed notebook; it is not changed.
    html : Path
        The page to write; it appears whole or not at all.
    title : str
        The page's title, and its h1 when the notebook has none.
    home : str or None
        Address of the report relative to the page, for the link back.
    hide_code : bool
        True leaves the code out and numbers figures and tables (the report); False shows it (the notebook pages).

    Raises
    ------
    InputError
        When a formula cannot be shown or a part would have to be fetched or run; each with its cell.

    Notes
    -----
    A picture's text alternative comes from its output's metadata, where `figures.style.Picture` puts it.
    """
    import nbformat
    from bs4 import BeautifulSoup

    from mgk.report.exporter import exporter

    book = nbformat.read(notebook, as_version=4)
    for number, cell in enumerate(book.cells):
        cell.metadata["page_id"] = f"c{number}"
    _render_text(book, notebook.name)
    _describe_pictures(book)
    page = {"title": title, "home": home, "hide_code": hide_code, "policy": POLICY}
    text, _ = exporter().from_notebook_node(book, resources={"page": page})
    soup = BeautifulSoup(text, features="html.parser")
    _refuse_what_is_not_held(soup, notebook.name)
    _let_tables_be_used(soup)
    _leave_one_title(soup, title)
    if hide_code:
        _number(soup, "figure", "figcaption")
        _number(soup, "table", "caption")
    _list_contents(soup)
    return write_whole(html, str(soup))


def _render_text(book, name: str) -> None:
    """Give each Markdown cell its HTML; raise one error for all formulas that cannot be shown."""
    from mgk.report.formulas import FormulaError
    from mgk.report.markdown import markdown_html

    problems = []
    for cell in book.cells:
        if cell.cell_type != "markdown":
            continue
        try:
            cell.metadata["page_html"] = markdown_html(cell.source, cell.get("attachments"))
        except FormulaError as error:
            problems.append(Problem(name, None, f"cell {cell.metadata.page_id}", "", str(error)))
    if problems:
        raise InputError(problems)


def _describe_pictures(book) -> None:
    """Give each picture among the outputs its text alternative, under `alt` in the output's metadata."""
    heading = ""
    for cell in book.cells:
        if cell.cell_type == "markdown":
            heading = next((t[1] for t in reversed(HEADING.findall(cell.source))), heading)
        for output in (o for o in cell.get("outputs", []) if "data" in o):
            given = [output.metadata.get(kind, {}).get("alt") for kind in PICTURES]
            unknown = f"Picture under the heading {heading!r}, without a description"
            output.metadata["alt"] = next(filter(None, given), unknown)


def _refuse_what_is_not_held(soup, name: str) -> None:
    """Raise one error that names each part of the page that would have to be fetched or run."""
    problems = []
    for element in soup.find_all(True):
        for what in _not_held(element):
            cell = element.find_parent(class_="cell")
            where = f"cell {cell['id'].removeprefix('cell-')}" if cell else "the page"
            problems.append(Problem(name, None, where, what, "a page holds everything itself and runs nothing"))
    if problems:
        raise InputError(problems)


def _not_held(element) -> list[str]:
    """Return what in one element would be fetched or run; a link in the text (`<a href>`) only leads there."""
    if element.name in REFUSED_TAGS:
        return [f"<{element.name}>"]
    found = [match.group() for match in STYLE_ADDRESS.finditer(element.get("style", ""))]
    if element.name == "style":
        found += [match.group() for match in STYLE_ADDRESS.finditer(element.get_text())]
    for attribute, value in element.attrs.items():
        if attribute.startswith("on"):
            found.append(f"<{element.name} {attribute}>")
        elif element.name in ("a", "area") and attribute == "href":
            saved = element.has_attr("download") and str(value).startswith(CSV_ADDRESS)
            if not saved and str(value).strip().lower().startswith(("javascript:", "data:", "vbscript:")):
                found.append(f"<{element.name} {attribute}={value}>")
        elif attribute in ADDRESS_ATTRIBUTES and not str(value).strip().startswith(("data:", "#")):
            found.append(f"<{element.name} {attribute}={value}>")
    return found


def _let_tables_be_used(soup) -> None:
    """Add the script of the house, after everything else was found to hold none."""
    script = soup.new_tag("script")
    script.string = SCRIPT
    soup.body.append(script)


def _leave_one_title(soup, title: str) -> None:
    """Keep the first h1, or set `title` as the only one; any further h1 becomes an h2."""
    main = soup.find("main")
    headings = main.find_all("h1")
    if not headings:
        heading = soup.new_tag("h1")
        heading.string = title
        main.insert(0, heading)
    for heading in headings[1:]:
        heading.name = "h2"


def _number(soup, kind: str, caption: str) -> None:
    """Number the captions of figures or tables through the page, and give each its anchor."""
    for number, words in enumerate(soup.find("main").find_all(caption), 1):
        words.find_parent(kind)["id"] = f"{kind}-{number}"
        label = soup.new_tag("span", attrs={"class": "number"})
        label.string = f"{kind.capitalize()} {number}. "
        words.insert(0, label)


def _list_contents(soup) -> None:
    """Give h2 and h3 their anchors and list them in the table of contents."""
    taken = {element["id"] for element in soup.find_all(id=True)}
    entries = soup.new_tag("ol")
    for heading in soup.find("main").find_all(["h2", "h3"]):
        words = " ".join(heading.get_text().split())
        if not heading.get("id"):
            heading["id"] = _anchor(words, taken)
        link = soup.new_tag("a", href=f"#{heading['id']}")
        link.string = words
        entry = soup.new_tag("li", attrs={"class": f"level{heading.name[1]}"})
        entry.append(link)
        entries.append(entry)
    if entries.contents:
        summary = soup.new_tag("summary")
        summary.string = "Contents"
        contents = soup.new_tag("details")
        contents.extend([summary, entries])
        soup.find("nav").append(contents)


def _anchor(words: str, taken: set[str]) -> str:
    """Return a new anchor made of a heading's words, numbered when it is taken."""
    stem = re.sub(r"[^\w]+", "-", words.lower()).strip("-") or "section"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
