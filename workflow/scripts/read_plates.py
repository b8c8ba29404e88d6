"""Read the plates of one experiment."""

from pathlib import Path

import pandas as pd

from mgk.jobs import job
from mgk.plates import plate_quality, tidy_wells
from mgk.tables import write_table

with job(snakemake):
    wells = tidy_wells(pd.DataFrame(snakemake.params.rows), Path("raw_data"))
    write_table(wells, snakemake.output.wells)
    write_table(plate_quality(wells, snakemake.params.quality), snakemake.output.quality)
