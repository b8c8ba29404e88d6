"""Write what was read and made, with checksums, and under what it ran."""

from pathlib import Path

from mgk.jobs import job
from mgk.provenance import write_manifest, write_run

with job(snakemake):
    write_run(Path(), Path(snakemake.output.run))
    write_manifest(
        Path(), list(snakemake.params.inputs), list(snakemake.params.outputs), Path(snakemake.output.manifest)
    )
