"""Small pieces of HTML for the report: tables, figures, links. What comes from a table is text and never markup.

Limits: no page layout (that is `template/`), no choice of what is shown (that is the report notebook). All pieces are
`Fragment`s: a notebook shows them, and they can stand in the cells of a table.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
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


def link_html(text: str, href: str) -> Fragment:
    """Return a link.

    Raises
    ------
    ValueError
        When the address would run something (`javascript:`) or is of another kind than a web page, a file or a mail.
    """
    scheme = urlsplit(href.strip()).scheme.lower()
    if scheme not in LINK_SCHEMES:
        raise ValueError(f"a link leads to a page, a file or a mail, not to {href!r}")
    return Fragment(f'<a href="{escape(href.strip())}">{escape(str(text))}</a>')


def figure_html(svg_path: Path | str, caption: str, alt: str | None = None) -> Fragment:
    """Return a saved figure within the page: the SVG as an image, with its caption and text alternative.

    Parameters
    ----------
    svg_path : Path or str
        The figure as `figures.style.save` wrote it.
    caption : str
        What stands below it.
    alt : str or None
        The text alternative; None takes it from the `.alt.txt` beside the figure.
    """
    svg_path = Path(svg_path)
    if alt is None:
        alt = svg_path.with_suffix(".alt.txt").read_text(encoding="utf-8").strip()
    data = base64.b64encode(svg_path.read_bytes()).decode("ascii")
    image = f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
    return Fragment(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")


def table_html(frame: pd.DataFrame, caption: str, labels: Mapping[str, str] | None = None) -> Fragment:
    """Return a table as HTML, without its index.

    Numbers are rounded for showing, column by column, so that the largest keeps three digits and the smallest two.
    Every text is escaped; only a `Fragment` in a cell is taken as HTML (give such a column the dtype object).

    Parameters
    ----------
    frame : DataFrame
        The rows to show; the first column, when it is text, heads its rows.
    caption : str
        What the table says.
    labels : mapping or None
        Column headings in words, by column name; the name itself where none is given.
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
        parts = [
            f'<th scope="row">{text}</th>' if place == 0 and rows_headed else f"<td{_number_class(number)}>{text}</td>"
            for place, (text, (_, _, number)) in enumerate(zip(row, columns, strict=True))
        ]
        rows.append(f"<tr>{''.join(parts)}</tr>")
    body = "\n".join(rows)
    return Fragment(
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


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
