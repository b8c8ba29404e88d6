"""What all rules share: the study, checked once; its experiments; code as a dependency."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError

from mgk.analyses import ANALYSES, reader_of
from mgk.batches import batches
from mgk.checks import check_study, study_files
from mgk.digest import digest as digest_of
from mgk.one_run import hold
from mgk.recordings.segments import with_segments
from mgk.solutions.overview import pairs_of_recordings
from mgk.study import OVERRIDES_VARIABLE, Study
from mgk.tables.problems import InputError
from mgk.upstream import FILE_COLUMNS

HOUSE = Path(workflow.basedir)
NOTEBOOKS = HOUSE / "notebooks"
SCRIPTS = HOUSE / "workflow" / "scripts"
PYTHON = sys.executable
# Snakemake puts the interpreter of a script into a shell command without quoting it: a house on a path with a space.
sys.executable = shlex.quote(PYTHON)

# --config and --configfile of the command line lie on top of config.yaml, here and in every job.
if config:
    os.environ[OVERRIDES_VARIABLE] = json.dumps(config)


def open_study():
    """Read the study; in the main process, check all of it and stop with all problems in one list."""
    study, problems = Study.read(".")
    if workflow.is_main_process and "--unlock" not in sys.argv:
        problems = check_study(study)
    if problems:
        raise WorkflowError(
            "\n".join(
                ["The study cannot be run as it is:", *(f"  - {p}" for p in problems)]
            )
        )
    return study


study = open_study()
asked = study.analyses()
recording_readers = {
    name: reader_of(given) for name, given in study.experiments("recordings").items()
}
clamp_experiments = [name for name, reader in recording_readers.items() if not reader]
# The tables of all recordings of the study, by the experiments that have them.
RECORDING_TABLES = {
    "quality": list(study.experiments("recordings")),
    "measurements": clamp_experiments,
    "membrane_test": clamp_experiments,
    "corrections": clamp_experiments,
    "excitability": [
        name
        for name, reader in recording_readers.items()
        if reader == "measure_current_clamp"
    ],
}


def digest(*names):
    """Hash the code that a rule rests on; names of notebooks and scripts."""
    return digest_of(
        *((NOTEBOOKS if name.endswith(".ipynb") else SCRIPTS) / name for name in names)
    )


def notebook_code(analysis):
    """Hash the code of an analysis' notebook, and of what runs it."""
    return digest(f"{ANALYSES[analysis].notebook}.ipynb", "run_notebook.py")


def only_read_by(reader):
    """Constrain the wildcard {experiment} to those of recordings that a rule reads in place of the common one."""
    own = [
        re.escape(name) for name, rule in recording_readers.items() if rule == reader
    ]
    return "|".join(own) or "(?!)"


def outputs(analysis):
    """Name the files that an analysis makes, with the wildcard {experiment}."""
    return ANALYSES[analysis].outputs("{experiment}")


def executed(analysis):
    """Name the executed notebook of an analysis, with the wildcard {experiment}."""
    return ANALYSES[analysis].executed("{experiment}")


def settings(section):
    """Give a rule the settings of its experiment, and only those, with the kind of its data."""
    return lambda wildcards: study.experiment(section, wildcards.experiment) | {
        "data": study.data_of(section, wildcards.experiment)
    }


def recipes(wildcards):
    """Give the file of recipes, when the study has one."""
    return ["raw_data/solutions.yaml"] if study.solutions() else []


def free_ions(wildcards):
    """Give the table of free ions, when the study has recipes."""
    return ["results/solutions/free_ions.csv"] if study.solutions() else []


def rests_on(analysis):
    """Name the results that an analysis with a section of its own reads."""
    return [f for a, e in study.rests_on(analysis) for f in ANALYSES[a].outputs(e)]


def recording_pairs(wildcards):
    """Give the distinct pairs of pipette and bath of the recordings."""
    if not study.experiments("recordings"):
        return []
    return plain_rows(pd.DataFrame(pairs_of_recordings(study.table("recordings"))))


def say_that_a_run_goes_on():
    """Hold the study for as long as this process lives."""
    global held
    held = hold(Path())


def report_what_there_is():
    """Build the report with the missing chapters named, after a job has failed."""
    subprocess.run([PYTHON, "-m", "mgk.report.build", "--after-failure"], check=False)


def recording_rows(experiment, batch=None):
    """Give the rows of recordings.csv of an experiment, or of one of its batches."""
    table = study.table("recordings")
    rows = table[table["experiment"] == experiment]
    if batch is not None:
        rows = rows[
            rows["recording_id"].isin(batches(list(rows["recording_id"]))[batch])
        ]
    return with_segments(plain_rows(rows), study.segments())


def batch_files(experiment, kind):
    """Name the tables of all batches of an experiment."""
    table = study.table("recordings")
    ids = list(table.loc[table["experiment"] == experiment, "recording_id"])
    return [
        f"results/recordings/{experiment}/batches/{batch}.{kind}.csv"
        for batch in batches(ids)
    ]


def largest_mb(files):
    """Give the size of the largest of some files in MB."""
    return (
        max((os.path.getsize(f) for f in files if os.path.exists(f)), default=0) / 1e6
    )


def curve_rows(experiment):
    """Give the rows of curves.csv of an experiment."""
    table = study.table("curves")
    return plain_rows(table[table["experiment"] == experiment])


def recording_tables():
    """Name the tables of each kind, those of all experiments that have it."""
    return {
        kind: [f"results/recordings/{e}/{kind}.csv" for e in experiments]
        for kind, experiments in RECORDING_TABLES.items()
        if experiments
    }


def plate_rows(experiment):
    """Give the rows of plates.csv of an experiment."""
    table = study.table("plates")
    return plain_rows(table[table["experiment"] == experiment])


def plate_files(experiment):
    """Name the exports and layouts of an experiment."""
    files = [
        row[key]
        for row in plate_rows(experiment)
        for key in ("file", "layout")
        if row[key]
    ]
    return [f"raw_data/{file}" for file in dict.fromkeys(files)]


def stack_rows(experiment):
    """Give the rows of stacks.csv of an experiment."""
    table = study.table("stacks")
    return plain_rows(table[table["experiment"] == experiment])


def stack_files(experiment):
    """Name the stacks, label images and flat fields of an experiment."""
    rows = stack_rows(experiment)
    files = [row[c] for row in rows for c in FILE_COLUMNS["stacks"] if row[c]]
    return [f"raw_data/{file}" for file in dict.fromkeys(files)]


def plain_rows(frame):
    """Turn rows into dictionaries without NaN, which Snakemake would take for changed each time."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def stage_tables(wildcards):
    """Name the tables of the study as a whole, one set for each stage that it has."""
    tables = free_ions(wildcards)
    for stage, kinds in {
        "recordings": recording_tables(),
        "plates": ("wells", "quality"),
        "stacks": ("quality",),
    }.items():
        if study.experiments(stage):
            tables += [f"results/{stage}/{kind}.csv" for kind in kinds]
    return tables


def everything_asked(wildcards):
    """Name all that the study asks for: what a failure took away is made again although a report is there."""
    made = [ANALYSES[a].outputs(e) + (ANALYSES[a].executed(e),) for a, e in asked]
    return [file for files in made for file in files] + stage_tables(wildcards)


def output_files(wildcards):
    """Name every result of a run, for its manifest."""
    pages = [Path(ANALYSES[a].executed(e)).stem for a, e in asked]
    made = everything_asked(wildcards)
    return sorted(
        {
            *made,
            *(str(Path(f).with_suffix(".alt.txt")) for f in made if f.endswith(".svg")),
            *(f for a, e in asked for f in ANALYSES[a].inputs(e)),
            *(f"results/report/notebooks/{page}.html" for page in pages),
            "results/report/report.html",
            "results/report/key_numbers.csv",
            "results/notebooks/90_report.ipynb",
        }
    )


def input_files(wildcards):
    """Name every file that the study reads."""
    return sorted(str(path) for path in study_files(study))
