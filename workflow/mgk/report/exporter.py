"""nbconvert with a template of our own (`template/`).

Imports nbconvert (half a second), so that `pages` imports this only when a page is made. Limits: what a page must not
hold (scripts, remote parts) is refused in `pages`, on the finished page.
"""

from pathlib import Path

from nbconvert.exporters.html import HTMLExporter
from traitlets.config import Config

from mgk.report.markdown import markdown_output

# What a page shows when an output offers several forms; scripts and widgets are not among them.
SHOWN_TYPES = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain")


def exporter() -> HTMLExporter:
    """Return the exporter of the pages."""
    made = HTMLExporter(
        config=Config({"NbConvertBase": {"display_data_priority": list(SHOWN_TYPES)}}),
        extra_template_basedirs=[str(Path(__file__).parent)],
        template_name="template",
    )
    made.register_filter("markdown_output", markdown_output)
    return made
