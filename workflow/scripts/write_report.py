"""Run the report's notebook on the results and render it."""

from pathlib import Path

from mgk.jobs import job
from mgk.report.build import build_report

with job(snakemake):
    build_report(Path(), Path(snakemake.log[0]))
