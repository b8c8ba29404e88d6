"""Join tables of the same kind: batches of an experiment, or experiments of the study."""

import pandas as pd

from mgk.jobs import job
from mgk.tables import read_table, write_table

with job(snakemake):
    for kind, output in snakemake.output.items():
        write_table(pd.concat([read_table(path) for path in snakemake.input[kind]], ignore_index=True), output)
