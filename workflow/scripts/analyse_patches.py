"""Analyse the patches of one batch: every raw file is read here and nowhere else."""

from pathlib import Path

from mgk.jobs import job
from mgk.tables import write_table
from mgk.unitary import analyse_patches

with job(snakemake):
    given = snakemake.params
    tables = analyse_patches(given.rows, Path("raw_data"), given.settings, given.recipes or {}, given.constants)
    for kind, output in snakemake.output.items():
        write_table(getattr(tables, kind), output)
