"""Join the batches of an experiment, and correct what was measured."""

from mgk.batches import join_tables
from mgk.jobs import job
from mgk.recordings.corrections import correct
from mgk.tables import read_table, write_table

with job(snakemake):
    given = snakemake.params
    tables = {kind: join_tables(map(read_table, paths), given.rows) for kind, paths in snakemake.input.items()}
    tables["measurements"], tables["corrections"] = correct(
        tables["measurements"],
        tables["membrane_test"],
        given.rows,
        given.settings,
        given.recipes,
        given.constants,
    )
    for kind, output in snakemake.output.items():
        write_table(tables[kind], output)
