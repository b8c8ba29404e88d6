"""Run the notebook of an analysis on one experiment."""

from pathlib import Path

from mgk.jobs import job
from mgk.notebooks import run_analysis

with job(snakemake):
    run_analysis(snakemake.rule, snakemake.wildcards.get("experiment", snakemake.rule), Path(), Path(snakemake.log[0]))
