"""Small pieces of HTML for the report: tables, figures, links. What comes from a table is text and never markup.

Limits: no page layout (that is `template/`), no choice of what is shown (that is the report notebook). All pieces are
`Fragment`s: a notebook shows them, and they can stand in the cells of a table.
"""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from csv import QUOTE_NONNUMERIC
from dataclasses import dataclass
from html import escape, unescape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

MISSING = "–"
MINUS = "−"
SIGNIFICANT_LARGEST = 3
SIGNIFICANT_SMALLEST = 2
# Beyond these, and for columns that span more than SPAN, a number is written with a power of ten.
SMALL, LARGE, SPAN = 1e-3, 1e6, 1e4
LINK_SCHEMES = ("", "http", "https", "mailto")
CSV_ADDRESS = "data:text/csv;charset=utf-8;base64,"
# With these a spreadsheet takes text for a formula; an apostrophe before it keeps it text (OWASP, "CSV injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
LONGEST_NAME = 48
# A browser shows a long table a page of rows at a time (template/tables.js); one up to half a page longer than a page
# stands whole, since few rows are not worth a step.
ROWS_A_PAGE, MOST_ROWS_WHOLE = 100, 150


@dataclass(frozen=True)
class Fragment:
    """A piece of HTML that is known to be safe."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __html__(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "Fragment of HTML"


def link_html(text: str, href: str, title: str = "") -> Fragment:
    """Return a link; `title` is shown when a pointer rests on it.

    Raises
    ------
    ValueError
        When the address would run something (`javascript:`) or is of another kind than a web page, a file or a mail.
    """
    scheme = urlsplit(href.strip()).scheme.lower()
    if scheme not in LINK_SCHEMES:
        raise ValueError(f"a link leads to a page, a file or a mail, not to {href!r}")
    hover = f' title="{escape(title)}"' if title else ""
    return Fragment(f'<a href="{escape(href.strip())}"{hover}>{escape(str(text))}</a>')


def figure_html(svg_path: Path | str, caption: str, alt: str | None = None, under: Fragment | None = None) -> Fragment:
    """Return a saved figure within the page: the SVG as an image, with its caption and text alternative.

    Parameters
    ----------
    svg_path : Path or str
        The figure as `figures.style.save` wrote it.
    caption : str
        What stands below it.
    alt : str or None
        The text alternative; None takes it from the `.alt.txt` beside the figure.
    under : Fragment or None
        What stands under the caption: where the figure comes from.
    """
    svg_path = Path(svg_path)
    if alt is None:
        alt = svg_path.with_suffix(".alt.txt").read_text(encoding="utf-8").strip()
    data = base64.b64encode(svg_path.read_bytes()).decode("ascii")
    image = f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
    below = f'<p class="under">{under.html}</p>' if under else ""
    return Fragment(f"<figure>{image}<figcaption>{escape(caption)}</figcaption>{below}</figure>")


def table_html(
    frame: pd.DataFrame,
    caption: str,
    labels: Mapping[str, str] | None = None,
    csv: pd.DataFrame | None = None,
    parts: Sequence[str] | None = None,
) -> Fragment:
    """Return a table as HTML, without its index, in a box that scrolls, with a link that saves it as CSV.

    Numbers are rounded for showing, column by column, so that the largest keeps three digits and the smallest two.
    Every text is escaped; only a `Fragment` in a cell is taken as HTML (give such a column the dtype object).
    All rows are there; a browser shows those of a long table a page at a time.

    Parameters
    ----------
    frame : DataFrame
        The rows to show; the first column, when it is text, heads its rows.
    caption : str
        What the table says.
    labels : mapping or None
        Column headings in words, by column name; the name itself where none is given.
    csv : DataFrame or None
        What the CSV holds, when it is more than what is shown; numbers are not rounded there.
    parts : sequence of str or None
        For each row the part of the table that it belongs to; a row across heads each run of the same part.
    """
    labels = labels or {}
    columns = [(name, frame[name], _is_number(frame[name])) for name in frame.columns]
    head = "".join(
        f'<th scope="col"{_number_class(number)}>{escape(str(labels.get(name, name)))}</th>'
        for name, _, number in columns
    )
    cells = [_shown_cells(values, number) for _, values, number in columns]
    rows_headed = bool(columns) and not columns[0][2]
    rows = []
    for row in zip(*cells, strict=True):
        shown = [
            f'<th scope="row">{text}</th>' if place == 0 and rows_headed else f"<td{_number_class(number)}>{text}</td>"
            for place, (text, (_, _, number)) in enumerate(zip(row, columns, strict=True))
        ]
        rows.append(f"<tr>{''.join(shown)}</tr>")
    body = "\n".join(_in_parts(rows, parts, len(columns)))
    table = f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n{body}\n</table>"
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">\n{table}\n</div>'
    if len(rows) > MOST_ROWS_WHOLE:
        box = f'<div class="paged" data-rows="{ROWS_A_PAGE}">\n{box}\n</div>'
    return Fragment(f"{box}\n{_csv_link(frame if csv is None else csv, caption)}")


def _in_parts(rows: list[str], parts: Sequence[str] | None, width: int) -> list[str]:
    """Return the bodies of a table, one for each run of the same part, each below its heading."""
    if parts is None:
        return ["<tbody>", *rows, "</tbody>"]
    bodies = []
    for part, run in groupby(zip(parts, rows, strict=True), key=itemgetter(0)):
        heading = f'<tr><th scope="rowgroup" colspan="{width}"><span>{escape(part)}</span></th></tr>'
        bodies += ["<tbody>", heading, *(row for _, row in run), "</tbody>"]
    return bodies


def _csv_link(frame: pd.DataFrame, caption: str) -> str:
    """Return a link that saves a table as CSV: it holds the file itself, so that it works from the report alone."""
    safe = frame.apply(lambda values: values if _is_number(values) else values.map(_csv_text))
    text = safe.to_csv(index=False, quoting=QUOTE_NONNUMERIC)
    # With a byte order mark a spreadsheet reads UTF-8 as such.
    data = base64.b64encode(f"\ufeff{text}".encode()).decode("ascii")
    name = re.sub(r"\W+", "_", caption.lower()).strip("_")[:LONGEST_NAME] or "table"
    link = f'<a download="{escape(name)}.csv" href="{CSV_ADDRESS}{data}">Save as CSV</a>'
    return f'<p class="under">{link}</p>'


def _csv_text(value):
    """Return what is not a number as text that no spreadsheet takes for a formula."""
    if isinstance(value, Fragment):
        value = unescape(re.sub("<[^>]*>", "", value.html))
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def format_numbers(values) -> list[str]:
    """Return numbers as text, rounded together: the same decimals in the whole column where its span allows that."""
    values = [math.nan if pd.isna(v) else float(v) for v in values]
    sizes = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if not sizes:
        return [_one_number(v, 0) for v in values]
    largest, smallest = max(sizes), min(sizes)
    if largest >= LARGE or largest < SMALL or largest / smallest > SPAN:
        return [_one_number(v, None) for v in values]
    decimals = max(SIGNIFICANT_LARGEST - 1 - _power(largest), SIGNIFICANT_SMALLEST - 1 - _power(smallest), 0)
    return [_one_number(v, decimals) for v in values]


def numbered(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it is not one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def interval_text(estimate: float, low: float, high: float) -> str:
    """Return an estimate with its interval, rounded together; without the interval when there is none."""
    shown, shown_low, shown_high = format_numbers([estimate, low, high])
    return shown if shown_low == shown_high == MISSING else f"{shown} [{shown_low}, {shown_high}]"


def _power(size: float) -> int:
    return math.floor(math.log10(size))


def _one_number(value: float, decimals: int | None) -> str:
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if decimals is not None:
        text = f"{value:.{decimals}f}"
    elif value == 0 or SMALL <= abs(value) < LARGE:
        text = f"{value:.{SIGNIFICANT_LARGEST}g}" if abs(value) < 10**SIGNIFICANT_LARGEST else f"{value:.0f}"
    else:
        digits, power = f"{value:.{SIGNIFICANT_LARGEST - 1}e}".split("e")
        text = f"{digits} × 10{_superscript(int(power))}"
    return text.replace("-", MINUS)


def _superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _number_class(number: bool) -> str:
    return ' class="number"' if number else ""


def _shown_cells(values: pd.Series, number: bool) -> list[str]:
    if number and pd.api.types.is_integer_dtype(values):
        return [MISSING if pd.isna(v) else str(int(v)).replace("-", MINUS) for v in values]
    return format_numbers(values) if number else [_text_cell(v) for v in values]


def _text_cell(value) -> str:
    if isinstance(value, Fragment):
        return value.html
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float) and not math.isnan(value):
        return _one_number(value, None)
    return (
        MISSING if value is None or value is pd.NaT or (np.isscalar(value) and pd.isna(value)) else escape(str(value))
    )
