"""Raw recordings, plates and clinical tables, through one executed notebook per analysis and experiment, to one report.

A table of contents: each stage has its rules in workflow/rules/, its settings in config.yaml, its code in workflow/mgk/.
`make report STUDY=path` runs it on a study, a folder with config.yaml and raw_data/; this repository is itself one.
"""

from snakemake.utils import min_version

from mgk import environment

min_version("9")
environment.apply()


include: "workflow/rules/common.smk"
include: "workflow/rules/solutions.smk"
include: "workflow/rules/equilibria.smk"
include: "workflow/rules/recordings.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/currents.smk"
include: "workflow/rules/excitability.smk"
include: "workflow/rules/relaxation.smk"
include: "workflow/rules/unitary.smk"
include: "workflow/rules/block.smk"
include: "workflow/rules/salts.smk"
include: "workflow/rules/plates.smk"
include: "workflow/rules/magnesium.smk"
include: "workflow/rules/stacks.smk"
include: "workflow/rules/atpase.smk"
include: "workflow/rules/curves.smk"
include: "workflow/rules/clinical.smk"
include: "workflow/rules/synthesis.smk"
include: "workflow/rules/report.smk"


wildcard_constraints:
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    batch=r"\d+",


rule all:
    """The report, a page for each executed notebook, and the record of what was read and made."""
    default_target: True
    input:
        output_files,
        rules.provenance.output,


onstart:
    begin()


onerror:
    report_what_there_is()
