"""Measure the current-clamp recordings of one batch: every raw file is read here and nowhere else."""

from pathlib import Path

from mgk.excitability import measure_current_clamp
from mgk.jobs import job
from mgk.tables import write_table

with job(snakemake):
    asked = snakemake.params
    measured = measure_current_clamp(asked.rows, Path("raw_data"), asked.settings, asked.recipes, asked.constants)
    for kind, output in snakemake.output.items():
        write_table(getattr(measured, kind), output)
