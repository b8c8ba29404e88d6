"""Average the shots of one batch: every raw file is read here and nowhere else."""

from pathlib import Path

from mgk.jobs import job
from mgk.relaxation import average_shots
from mgk.tables import write_table

with job(snakemake):
    transients, quality = average_shots(snakemake.params.rows, Path("raw_data"), snakemake.params.settings)
    write_table(transients, snakemake.output.transients)
    write_table(quality, snakemake.output.quality)
