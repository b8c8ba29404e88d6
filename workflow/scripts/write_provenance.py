"""Write what was read and made, with checksums, and under what it ran; as an RO-Crate and as a page, too."""

from pathlib import Path

from mgk.crate import write_crate
from mgk.jobs import job
from mgk.notebooks import parameters_given
from mgk.provenance import write_manifest, write_run
from mgk.report.provenance_page import write_provenance_page
from mgk.study import Study

with job(snakemake):
    write_run(Path(snakemake.output.run), parameters_given(Study.open(".")))
    inputs, outputs = list(snakemake.params.inputs), list(snakemake.params.outputs)
    write_manifest(Path(), inputs, outputs, Path(snakemake.output.manifest))
    write_crate(Path(), Path(snakemake.output.crate))
    write_provenance_page(Path())
