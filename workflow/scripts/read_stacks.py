"""Measure the image stacks of one experiment: every raw file is read here and nowhere else."""

from pathlib import Path

from mgk.jobs import job
from mgk.stacks import image_file, measure_stacks, stack_settings
from mgk.tables import write_table

with job(snakemake):
    given = stack_settings(snakemake.params.settings)
    with image_file(snakemake.output.images) as keep:
        tables = measure_stacks(snakemake.params.rows, Path("raw_data"), given, keep)
    for kind, table in tables.items():
        write_table(table, snakemake.output[kind])
