"""Render a page for each executed notebook."""

from pathlib import Path

from mgk.jobs import job
from mgk.report.build import render_page

with job(snakemake):
    for notebook, page in zip(snakemake.input, snakemake.output, strict=True):
        render_page(Path(notebook), Path(page))
