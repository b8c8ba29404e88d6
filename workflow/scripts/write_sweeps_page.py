"""Write the page with the sweeps of a batch of recordings."""

from pathlib import Path

from mgk.jobs import job
from mgk.report.sweeps import write_sweeps_page
from mgk.tables import read_table

with job(snakemake):
    given = snakemake.params
    tables = {kind: read_table(path) for kind, path in snakemake.input.items()}
    write_sweeps_page(Path(snakemake.output[0]), given.title, tables, given.settings)
