"""Measure one batch of recordings."""

from pathlib import Path

from mgk.jobs import job
from mgk.recordings.measure import measure_batch
from mgk.tables import write_table

with job(snakemake):
    measurements, quality = measure_batch(snakemake.params.rows, Path("raw_data"), snakemake.params.settings)
    write_table(measurements, snakemake.output.measurements)
    write_table(quality, snakemake.output.quality)
