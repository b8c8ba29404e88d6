"""Join the batches of an experiment, and correct what was measured."""

import pandas as pd

from mgk.jobs import job
from mgk.recordings.corrections import correct
from mgk.tables import read_table, write_table

with job(snakemake):
    kinds = snakemake.input.keys()
    tables = {k: pd.concat([read_table(path) for path in snakemake.input[k]], ignore_index=True) for k in kinds}
    place = {row["recording_id"]: i for i, row in enumerate(snakemake.params.rows)}
    order = {"by": "recording_id", "key": lambda ids: ids.map(place), "kind": "stable", "ignore_index": True}
    tables = {kind: table.sort_values(**order) for kind, table in tables.items()}
    tables["measurements"], tables["corrections"] = correct(
        tables["measurements"],
        tables["membrane_test"],
        snakemake.params.rows,
        snakemake.params.settings,
        snakemake.params.recipes,
        snakemake.params.constants,
    )
    for kind, output in snakemake.output.items():
        write_table(tables[kind], output)
