"""Measure the image stacks of one experiment: every raw file is read here and nowhere else."""

from pathlib import Path

from mgk.jobs import job
from mgk.stacks import measure_stacks, stack_settings, write_images
from mgk.tables import write_table

with job(snakemake):
    given = stack_settings(snakemake.params.settings)
    tables, images = measure_stacks(snakemake.params.rows, Path("raw_data"), given)
    for kind, table in tables.items():
        write_table(table, snakemake.output[kind])
    write_images(images, snakemake.output.images)
