"""Pages: one file, nothing remote, formulas as MathML, readable structure, the same bytes each time."""

import base64
import csv
import hashlib
import io
import re
from html.parser import HTMLParser

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mgk.figures import style
from mgk.report.formulas import FormulaError, mathml
from mgk.report.html import (
    CSV_ADDRESS,
    MOST_ROWS_WHOLE,
    ROWS_A_PAGE,
    Fragment,
    figure_html,
    format_numbers,
    link_html,
    table_html,
)
from mgk.report.pages import render_notebook
from mgk.tables.problems import InputError

PNG = base64.encodebytes(b"\x89PNG\r\n\x1a\n" + bytes(80)).decode()
TEXT = """# Free Mg2+

See [the paper](https://example.org/paper) and <https://example.org/direct>.

## The equation

$$[\\mathrm{Mg}^{2+}] = K_d \\beta \\frac{R - R_{\\min}}{R_{\\max} - R}$$

where $R_{\\max}$ is measured, `$code$` stays and \\$5 too.

### Detail

| a | b |
|---|---|
| 1 | $x^2$ |
"""


class Page(HTMLParser):
    """Tags, attributes and text of a page, read by another parser than the one that wrote it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.text = [], [], text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def shown(data, metadata=None):
    return new_output("display_data", data=data, metadata=metadata or {})


def write_notebook(folder, cells, name="book.ipynb"):
    nbformat.write(new_notebook(cells=cells), folder / name)
    return folder / name


def page_of(folder, cells, **options):
    options = {"title": "A <title>", "home": "../report.html", **options}
    path = render_notebook(write_notebook(folder, cells), folder / "page.html", **options)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def cells():
    frame = pd.DataFrame({"group": ["<b>control</b>", "treated $x$"], "n": [3, 4]})
    return [
        new_markdown_cell(TEXT),
        new_code_cell('study = ".."', metadata={"tags": ["parameters"]}),
        new_code_cell(
            "frame",
            execution_count=1,
            outputs=[
                new_output("stream", name="stdout", text="a <b> $y$\n"),
                new_output("execute_result", data={"text/html": frame._repr_html_(), "text/plain": "x"}),
            ],
        ),
        new_markdown_cell("## Figure\n\n# A second title"),
        new_code_cell("fig", outputs=[shown({"image/png": PNG}, {"image/png": {"alt": 'Rises "steeply" & <ends>'}})]),
        new_code_cell("other", outputs=[shown({"image/png": PNG})]),
        new_markdown_cell("## Figure"),
    ]


def test_nothing_is_fetched_and_nothing_runs(tmp_path, cells):
    page = page_of(tmp_path, cells)
    assert not {"iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    assert page.all("script") == [{}]
    (policy,) = (m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}';" in policy
    held = re.compile(r"^(data:|#)")
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("src", "srcset", "data", "poster") or (name == "href" and tag != "a"):
                assert held.match(value), (tag, name, value[:60])
    links = [a["href"] for a in page.all("a")]
    assert {"https://example.org/paper", "https://example.org/direct", "../report.html"} <= set(links)
    without_links = re.sub(r'href="https://example\.org/\w+"', "", page.text).replace("http://www.w3.org/1998/Math", "")
    assert not re.search(r'(=|url\(|@import)\s*["\']?\s*(https?:)?//', without_links)
    assert any("default-src 'none'" in m.get("content", "") for m in page.all("meta"))


def test_formulas_of_the_text_become_mathml_and_others_stay(tmp_path, cells):
    page = page_of(tmp_path, cells)
    formulas = page.all("math")
    assert [f["display"] for f in formulas] == ["block", "inline", "inline"]
    assert formulas[0]["alttext"].startswith(r"[\mathrm{Mg}^{2+}] = K_d")
    words = "".join(page.words)
    for left in ("$code$", "$5", "treated $x$", "a <b> $y$"):
        assert left in words
    assert "R_{" not in words


def test_structure_for_every_reader(tmp_path, cells):
    page = page_of(tmp_path, cells)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}
    assert [a.get("alt") for a in page.all("img")] == [
        'Rises "steeply" & <ends>',
        "Picture under the heading 'A second title', without a description",
    ]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert [f"cell-c{n}" for n in range(len(cells))] == [i for i in ids if i.startswith("cell-")]
    anchors = [a["href"].removeprefix("#") for a in page.all("a") if a["href"].startswith("#")]
    assert set(anchors) <= set(ids)
    assert anchors[1:] == ["the-equation", "detail", "figure", "a-second-title", "figure-2"]
    assert len(page.all("table")) == 2
    assert all(a.get("tabindex") == "0" for _, a in page.tags if "scroll" in (a.get("class") or "").split())


def test_title_when_the_notebook_has_none(tmp_path):
    page = page_of(tmp_path, [new_markdown_cell("Only text.")], home=None)
    assert page.text.count("<h1>A &lt;title&gt;</h1>") == 1
    assert "<title>A &lt;title&gt;</title>" in page.text
    assert not [a for a in page.all("a") if a.get("class") == "home"]


def test_code_is_shown_or_left_out(tmp_path, cells):
    shown_code = [a for a in page_of(tmp_path, cells).all("details") if a.get("class") == "source"]
    assert len(shown_code) == 4
    assert all("open" in a for a in shown_code)
    report = page_of(tmp_path, cells, hide_code=True)
    assert not [a for a in report.all("details") if a.get("class") == "source"]
    assert "parameters" not in "".join(report.words)


def test_a_cell_says_what_it_writes(tmp_path, cells):
    cells[2].metadata["writes"] = ["fits.csv", "<b>.svg"]
    assert "This cell writes fits.csv, <b>.svg." in "".join(page_of(tmp_path, cells).words)
    assert "This cell writes" not in "".join(page_of(tmp_path, cells, hide_code=True).words)


def test_figures_and_tables_of_the_report_are_numbered(tmp_path):
    tables = [table_html(pd.DataFrame({"x": [1]}), caption).html for caption in ("First", "Second")]
    figure = "<figure><img src='data:,' alt='a'><figcaption>Drawn</figcaption></figure>"
    outputs = [shown({"text/html": part}) for part in (tables[0], figure, tables[1])]
    words = "".join(page_of(tmp_path, [new_code_cell("x", outputs=outputs)], hide_code=True).words)
    for caption in ("Table 1. First", "Table 2. Second", "Figure 1. Drawn"):
        assert caption in words
    page = page_of(tmp_path, [new_code_cell("x", outputs=outputs)], hide_code=True)
    assert {"table-1", "table-2", "figure-1"} <= {a["id"] for _, a in page.tags if "id" in a}
    assert "Table 1." not in "".join(page_of(tmp_path, [new_code_cell("x", outputs=outputs)]).words)


def test_result_and_stream_are_both_shown(tmp_path, cells):
    words = "".join(page_of(tmp_path, cells).words)
    assert "a <b> $y$" in words
    assert "<b>control</b>" in words


def test_an_error_in_a_notebook_is_shown(tmp_path):
    wrong = new_output(
        "error", ename="ValueError", evalue="no <cells>", traceback=["\x1b[31mValueError\x1b[0m: no <cells>"]
    )
    assert "ValueError: no <cells>" in "".join(page_of(tmp_path, [new_code_cell("x", outputs=[wrong])]).words)


def test_same_bytes_for_any_cell_ids(tmp_path, cells):
    first = page_of(tmp_path, cells).text
    for number, cell in enumerate(cells):
        cell["id"] = f"other{number}"
    assert page_of(tmp_path, cells).text == first
    assert not list(tmp_path.glob("*.part"))


def test_attached_picture_is_held(tmp_path):
    cell = new_markdown_cell("![A trace](attachment:a.png)", attachments={"a.png": {"image/png": "iVBORw0KGgo="}})
    assert page_of(tmp_path, [cell]).all("img") == [{"src": "data:image/png;base64,iVBORw0KGgo=", "alt": "A trace"}]


def test_markdown_output_is_text_without_markup(tmp_path):
    cell = new_code_cell("x", outputs=[shown({"text/markdown": "**n** <img src=x onerror=y> $a$"})])
    page = page_of(tmp_path, [cell])
    assert page.all("img") == []
    assert "<img src=x onerror=y> $a$" in "".join(page.words)


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        (r"\ce{Mg^2+}", r"\ce"),
        (r"\frac{a}{", "cannot be read"),
        (r"\begin{aligned} a &= b \end{aligned}", "counterpart"),
    ],
)
def test_formula_that_cannot_be_shown_names_its_cell(tmp_path, formula, why):
    cells = [new_markdown_cell("# Fine $x$"), new_markdown_cell(f"Not fine ${formula}$")]
    with pytest.raises(InputError, match=r"book\.ipynb, cell c1") as caught:
        page_of(tmp_path, cells)
    assert why in str(caught.value)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        '<script src="https://cdn.example.org/x.js"></script>',
        '<img src="https://example.org/x.png" alt="">',
        '<img src="figure.png" alt="">',
        '<link rel="stylesheet" href="//example.org/x.css">',
        "<style>@import 'x.css';</style>",
        "<p style=\"background: url('https://example.org/x.png')\">x</p>",
        '<svg><use xlink:href="https://example.org/x.svg#a"></use></svg>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<a download="x.html" href="data:text/html;base64,eA==">x</a>',
        '<a href="data:text/csv;charset=utf-8;base64,eA==">x</a>',
        '<p onclick="alert(1)">x</p>',
        '<iframe src="data:text/html,x"></iframe>',
    ],
)
def test_what_a_page_cannot_hold_names_its_cell(tmp_path, html):
    cells = [new_markdown_cell("# Fine"), new_code_cell("x", outputs=[shown({"text/html": html})])]
    with pytest.raises(InputError, match=r"book\.ipynb, cell c1"):
        page_of(tmp_path, cells)


def test_scoped_style_and_held_addresses_pass(tmp_path):
    html = (
        "<style scoped>td {background: url(data:image/png;base64,AA==)}</style><svg><use xlink:href='#a'></use></svg>"
    )
    assert page_of(tmp_path, [new_code_cell("x", outputs=[shown({"text/html": html})])]).all("use")


def test_mathml_escapes_what_looks_like_markup():
    text = mathml(r"\text{a<b>} < c", block=False)
    assert "<b>" not in text
    assert "a&lt;b&gt;" in text
    with pytest.raises(FormulaError):
        mathml("x_", block=True)


def test_table_escapes_names_and_heads_rows():
    frame = pd.DataFrame({"name<i>": ["<script>x</script>", None], "estimate_mm": [0.4512, -12.3], "n": [3, 8]})
    text = table_html(frame, "Table <1>", labels={"n": "n & more"}).html
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "&lt;script&gt;x&lt;/script&gt;" in text
    assert "<caption>Table &lt;1&gt;</caption>" in text
    assert [a.get("scope") for a in page.all("th")] == ["col", "col", "col", "row", "row"]
    assert [a.get("class") for a in page.all("td")] == ["number"] * 4
    assert [w for w in page.words if w.strip()] == [
        "Table <1>", "name<i>", "estimate_mm", "n & more", "<script>x</script>", "0.45", "3", "–", "−12.30", "8",
        "Save as CSV",
    ]  # fmt: skip


def test_link_in_a_table():
    links = pd.Series([link_html("cell <c3>", "notebooks/a.html#cell-c3"), "<a href='x'>no</a>"], dtype=object)
    text = table_html(pd.DataFrame({"where": links}), "x").html
    assert '<a href="notebooks/a.html#cell-c3">cell &lt;c3&gt;</a>' in text
    assert text.count("<a ") == 2  # and the one that saves the table
    with pytest.raises(ValueError, match="JavaScript"):
        link_html("x", " JavaScript:alert(1)")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.4512, 12.3], ["0.45", "12.30"]),
        ([0.4512, 0.5], ["0.451", "0.500"]),
        ([1234.5, 1.0], ["1234.5", "1.0"]),
        ([np.nan, np.inf, -np.inf, 0.0], ["–", "∞", "−∞", "0"]),
        ([1.2e-5, 0.3], ["1.20 × 10⁻⁵", "0.3"]),
        ([2.5e9], ["2.50 × 10⁹"]),
        ([-1e-9, 12345.0, 0.0], ["−1.00 × 10⁻⁹", "12345", "0"]),
        ([], []),
    ],
)
def test_numbers_for_showing(values, expected):
    assert format_numbers(values) == expected


@given(st.lists(st.floats(-1e300, 1e300), min_size=1))
def test_shown_numbers_keep_two_digits(values):
    for value, text in zip(values, format_numbers(values), strict=True):
        plain = text.replace("−", "-").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")).replace(" × 10", "e")
        assert float(plain) == pytest.approx(value, rel=0.051, abs=1e-320)


@given(st.text(), st.text())
def test_any_text_stays_text(name, caption):
    page = Page(table_html(pd.DataFrame({"x": pd.Series([name], dtype=object)}), caption).html)
    table = ["table", "caption", "thead", "tr", "th", "tbody", "tr", "th"]
    assert [tag for tag, _ in page.tags] == ["div", *table, "p", "a"]


def saved_csv(html):
    """The CSV that a table's link saves, with its file name."""
    (link,) = [a for a in Page(html).all("a") if "download" in a]
    data = base64.b64decode(link["href"].removeprefix(CSV_ADDRESS)).decode("utf-8-sig")
    return link["download"], list(csv.reader(io.StringIO(data)))


@pytest.mark.parametrize(("rows", "paged"), [(MOST_ROWS_WHOLE, []), (MOST_ROWS_WHOLE + 1, [ROWS_A_PAGE])])
def test_a_long_table_is_read_by_the_page_and_holds_all_rows_without_a_script(rows, paged):
    html = table_html(pd.DataFrame({"name": [f"r{i}" for i in range(rows)]}), "Long").html
    page = Page(html)
    assert [int(a["data-rows"]) for a in page.all("div") if a.get("class") == "paged"] == paged
    assert [word for word in page.words if re.fullmatch(r"r\d+", word)] == [f"r{i}" for i in range(rows)]
    assert not any("hidden" in attributes or "style" in attributes for _, attributes in page.tags)
    assert len(saved_csv(html)[1]) == 1 + rows


def test_a_table_saves_as_csv_in_full_precision():
    links = pd.Series([link_html("row 3", "a.csv"), "x"], dtype=object)
    frame = pd.DataFrame({"name": ["a", "β, 中"], "value": [1 / 3, -2.5], "Origin": links})
    name, rows = saved_csv(table_html(frame, "Key numbers: <all>/..").html)
    assert name == "key_numbers_all.csv"
    assert rows == [["name", "value", "Origin"], ["a", repr(1 / 3), "row 3"], ["β, 中", "-2.5", "x"]]
    _, more = saved_csv(table_html(frame, "x", csv=pd.DataFrame({"other": [1]})).html)
    assert more == [["other"], ["1"]]


@given(st.text(st.characters(blacklist_categories=("Cs",))))
def test_no_text_is_a_formula_in_the_saved_csv(text):
    _, rows = saved_csv(table_html(pd.DataFrame({"label": pd.Series([text], dtype=object), "n": [-1]}), "x").html)
    cell = rows[1][0]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == text.removeprefix("'")
    assert rows[1][1] == "-1"


def test_saved_figure_stands_in_the_page(tmp_path):
    fig, axes = style.figure(3, 2)
    axes.plot([0, 1])
    path = style.save(fig, tmp_path / "a.svg", 'A line from 0 to 1, "straight"')
    piece = figure_html(path, "Caption <1>")
    (image,) = Page(piece.html).all("img")
    assert image["alt"] == 'A line from 0 to 1, "straight"'
    assert base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")) == path.read_bytes()
    assert "<figcaption>Caption &lt;1&gt;</figcaption>" in piece.html
    assert Page(figure_html(path, "c", alt="Other").html).all("img")[0]["alt"] == "Other"
    assert isinstance(piece, Fragment)
    assert "0x" not in repr(piece)


def test_parts_of_a_table_have_a_heading_across():
    frame = pd.DataFrame({"a": ["x", "y", "z"], "b": [1, 2, 3]})
    html = table_html(frame, "c", parts=["one <1>", "one <1>", "two"]).html
    assert html.count("<tbody>") == 2
    assert re.findall(r'<th scope="rowgroup" colspan="2"><span>(.*?)</span></th>', html) == ["one &lt;1&gt;", "two"]
    assert html.index("one &lt;1&gt;") < html.index(">y<") < html.index(">two<") < html.index(">z<")
