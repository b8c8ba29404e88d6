"""One self-contained page that is no notebook: the verification, the provenance. The style is that of the report."""

from html import escape
from pathlib import Path

import pandas as pd

from mgk.report.html import table_html
from mgk.report.tables_script import POLICY, SCRIPT

STYLE = Path(__file__).parent / "template" / "page.css"


def page_html(title: str, parts: list[str], home: str = "") -> str:
    """Return a whole page of safe pieces of HTML; `home` is the address of the report, for the link back."""
    back = f'<header>\n<a class="home" href="{escape(home)}">Back to the report</a>\n</header>\n' if home else ""
    head = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
    )
    body = (
        f'<body>\n<a class="skip" href="#main">Skip to the content</a>\n{back}<div class="page">\n'
        f'<nav class="toc" aria-label="Contents"></nav>\n<main id="main">\n<h1>{escape(title)}</h1>\n'
    )
    return head + body + "\n".join(parts) + f"\n</main>\n</div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"


def table_or_none(frame: pd.DataFrame, caption: str) -> str:
    """Return a table; of one without rows, a word."""
    return "<p>None.</p>" if frame.empty else table_html(frame, caption).html


def list_html(lines: list[str]) -> str:
    """Return a list of lines of text."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
