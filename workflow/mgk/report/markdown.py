"""Markdown to HTML with formulas as MathML: for the text of notebooks and of chapters.

Imports nbconvert's filters (a quarter of a second), so that only what makes pages imports this.
"""

from mistune import create_markdown
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from mgk.report.formulas import mathml


class MathMLRenderer(IPythonRenderer):
    """Markdown to HTML with formulas as MathML and wide parts in boxes that scroll."""

    def block_math(self, body: str) -> str:
        """Return a formula on its own line."""
        return f'<span class="formula" tabindex="0" role="group" aria-label="Formula">{mathml(body, block=True)}</span>'

    def inline_math(self, body: str) -> str:
        """Return a formula within the line."""
        return mathml(body, block=False)

    def latex_environment(self, name: str, body: str) -> str:
        """Return an environment such as `align*` as a formula on its own line."""
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def table(self, text: str) -> str:
        """Return a table within a box that scrolls by itself."""
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">\n<table>\n{text}</table>\n</div>\n'


def markdown_html(text: str, attachments: dict | None = None) -> str:
    """Return Markdown of our own as HTML, with its formulas and attached pictures; markup in it is kept."""
    renderer = MathMLRenderer(escape=False, exclude_anchor_links=True, attachments=attachments)
    return MarkdownWithMath(renderer=renderer).render(text)


def markdown_output(source: str) -> str:
    """Return a Markdown output as HTML: no formulas and no markup, for its text may come from a table."""
    return str(create_markdown(escape=True, plugins=["table", "strikethrough"])(source))
