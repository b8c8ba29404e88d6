"""nbconvert with a template of our own (`template/`) and formulas as MathML.

Imports nbconvert (half a second), so that `pages` imports this only when a page is made. Limits: what a page must not
hold (scripts, remote parts) is refused in `pages`, on the finished page.
"""

from pathlib import Path

from mistune import create_markdown
from nbconvert.exporters.html import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from mgk.report.formulas import mathml

# What a page shows when an output offers several forms; scripts and widgets are not among them.
SHOWN_TYPES = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain")


class MathMLRenderer(IPythonRenderer):
    """Markdown to HTML with formulas as MathML and wide parts in boxes that scroll."""

    def block_math(self, body: str) -> str:
        """Return a formula on its own line."""
        return f'<span class="formula">{mathml(body, block=True)}</span>'

    def inline_math(self, body: str) -> str:
        """Return a formula within the line."""
        return mathml(body, block=False)

    def latex_environment(self, name: str, body: str) -> str:
        """Return an environment such as `align*` as a formula on its own line."""
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def table(self, text: str) -> str:
        """Return a table within a box that scrolls by itself."""
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">\n<table>\n{text}</table>\n</div>\n'


def markdown_cell(cell) -> str:
    """Return a Markdown cell as HTML, with its formulas and attached pictures."""
    renderer = MathMLRenderer(escape=False, exclude_anchor_links=True, attachments=cell.get("attachments"))
    return MarkdownWithMath(renderer=renderer).render(cell.source)


def markdown_output(source: str) -> str:
    """Return a Markdown output as HTML: no formulas and no markup, for its text may come from a table."""
    return str(create_markdown(escape=True, plugins=["table", "strikethrough"])(source))


def exporter() -> HTMLExporter:
    """Return the exporter of the pages."""
    made = HTMLExporter(
        config=Config({"NbConvertBase": {"display_data_priority": list(SHOWN_TYPES)}}),
        extra_template_basedirs=[str(Path(__file__).parent)],
        template_name="template",
    )
    made.register_filter("markdown_output", markdown_output)
    return made
