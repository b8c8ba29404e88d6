"""Measure one batch of recordings: every raw file is read here and nowhere else."""

from pathlib import Path

from mgk.jobs import job
from mgk.recordings.measure import measure_batch
from mgk.tables import write_table

with job(snakemake):
    measured = measure_batch(snakemake.params.rows, Path("raw_data"), snakemake.params.settings)
    for kind, output in snakemake.output.items():
        write_table(getattr(measured, kind), output)
