"""Write what was read and made, with checksums, and under what it ran; as an RO-Crate and as a page, too."""

from pathlib import Path

from mgk.crate import write_crate
from mgk.jobs import job
from mgk.notebooks import parameters_given
from mgk.provenance import manifest_of, run_of, write_json
from mgk.report.provenance_page import write_provenance_page
from mgk.study import Study

with job(snakemake):
    run = run_of(parameters_given(Study.open(".")))
    manifest = manifest_of(Path(), dict(snakemake.params.inputs), list(snakemake.params.outputs))
    write_json(Path(snakemake.output.run), run)
    write_crate(Path(), manifest, run)
    write_provenance_page(Path(), manifest, run)
    # Last: a set of results with a manifest that matches is a whole one.
    write_json(Path(snakemake.output.manifest), manifest)
