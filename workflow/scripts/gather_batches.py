"""Join the tables of one kind of the batches of an experiment, as they are."""

from mgk.batches import join_tables
from mgk.jobs import job
from mgk.tables import read_table, write_table

# Numbers of shots in words ("1 3"), of which one alone is no number either.
TEXT = ("left_out",)

with job(snakemake):
    tables = [read_table(path, TEXT) for path in snakemake.input]
    write_table(join_tables(tables, snakemake.params.rows), snakemake.output[0])
