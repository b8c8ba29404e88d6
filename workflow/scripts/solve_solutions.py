"""Solve every recipe of the study."""

from mgk.jobs import job
from mgk.solutions import solve_recipes
from mgk.study import Study
from mgk.tables import write_table

with job(snakemake):
    write_table(solve_recipes(Study.open(".").solutions(), snakemake.params.constants), snakemake.output[0])
