"""What all rules share: the study, checked once; its experiments; code as a dependency."""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError

from mgk.analyses import ANALYSES, reader_of, together_by
from mgk.batches import batches
from mgk.checks import check_study, study_files
from mgk.checks.known import problems_of
from mgk.checksums import Checksums
from mgk.digest import digest as digest_of
from mgk.one_run import STARTED_BY, end_with_parent, hold, no_later_than_now
from mgk.provenance import MANIFEST
from mgk.recordings.segments import with_segments
from mgk.report.sweeps import page_files
from mgk.run import INVALID
from mgk.solutions.overview import pairs_of_recordings
from mgk.study import OVERRIDES_VARIABLE, Study
from mgk.tables.problems import InputError, told
from mgk.upstream import FILE_COLUMNS
from mgk.whole_files import to_disk

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
    if begins:
        problems = check_study(study) if problems else problems_of(study, checksums)
    if problems:
        raise WorkflowError(
            "\n".join([INVALID, *(f"  - {line}" for line in told(problems))])
        )
    return study


begins = workflow.is_main_process and "--unlock" not in sys.argv
checksums = Checksums.read(Path())
study = open_study()
if begins:
    # Now, and not when a job begins: what changes in between is found by the last job.
    checksums.together(study_files(study))
    with suppress(OSError):
        checksums.keep()
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
    folder = {name: NOTEBOOKS if name.endswith(".ipynb") else SCRIPTS for name in names}
    try:
        return digest_of(*(folder[name] / name for name in names))
    except InputError as error:
        raise WorkflowError(f"{INVALID}\n  - {error}") from None


def notebook_code(analysis):
    """Hash the code of an analysis' notebook, and of what runs it."""
    return digest(f"{ANALYSES[analysis].notebook}.ipynb", "run_notebook.py")


def only_read_by(*readers):
    """Constrain the wildcard {experiment} to those of recordings that one of some rules reads; '' is the common one."""
    own = [
        re.escape(name) for name, rule in recording_readers.items() if rule in readers
    ]
    return "|".join(own) or "(?!)"


def batch_tables(analysis):
    """Name the tables that an analysis' own reader makes of a batch, by their kind."""
    kinds = [Path(name).stem for name in ANALYSES[analysis].raw_tables]
    folder = "results/recordings/{experiment}/batches"
    return {kind: f"{folder}/{{batch}}.{kind}.csv" for kind in kinds}


def outputs(analysis):
    """Name the files that an analysis makes, with the wildcard {experiment}."""
    made = ANALYSES[analysis]
    return made.outputs("{experiment}") + made.alternatives("{experiment}")


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


def content(files):
    """Hash the content of raw files as the run began: another one is made anew, whatever the time of the file.

    Rules take it as a parameter of their wildcards alone: Snakemake does not compare parameters that use the input.
    """
    return checksums.together(files)


def raw_recordings(experiment, batch=None):
    """Name the files of the recordings of an experiment, or of one of its batches."""
    return [f"raw_data/{row['file']}" for row in recording_rows(experiment, batch)]


def raw_table(section, experiment):
    """Name the table that an experiment of a section is read from."""
    return f"raw_data/{study.experiment(section, experiment)['table']}"


def recording_pairs(wildcards):
    """Give the distinct pairs of pipette and bath of the recordings."""
    if not study.experiments("recordings"):
        return []
    return plain_rows(pd.DataFrame(pairs_of_recordings(study.table("recordings"))))


def begin():
    """Hold the study for as long as this process and the one that started it live."""
    global held
    held = hold(Path())
    if os.environ.get(STARTED_BY) == str(os.getppid()):
        end_with_parent()
    no_later_than_now(Path("results"))
    # Until the last job has written it anew, the results are no whole set.
    # On the disk, too, before anything else is: after a power cut the old manifest would else be there again.
    if Path(MANIFEST).exists():
        Path(MANIFEST).unlink()
        to_disk(Path(MANIFEST).parent)


def report_what_there_is():
    """Build the report with the missing chapters named, after a job has failed."""
    subprocess.run([PYTHON, "-m", "mgk.report.build", "--after-failure"], check=False)


@cache
def recording_rows(experiment, batch=None):
    """Give the rows of recordings.csv of an experiment, or of one of its batches; asked for by every job."""
    if batch is not None:
        own = {row["recording_id"]: row for row in recording_rows(experiment)}
        return [own[name] for name in recording_batches(experiment)[batch]]
    table = study.table("recordings")
    rows = table[table["experiment"] == experiment]
    return with_segments(plain_rows(rows), study.segments())


@cache
def recording_batches(experiment):
    """Give the ids of the recordings of each batch of an experiment."""
    column = together_by(study.experiment("recordings", experiment))
    together = {row["recording_id"]: row[column] for row in recording_rows(experiment)}
    return batches(list(together), together)


def batch_files(experiment, kind):
    """Name the tables of all batches of an experiment."""
    return [
        f"results/recordings/{experiment}/batches/{batch}.{kind}.csv"
        for batch in recording_batches(experiment)
    ]


def tables_of_batches():
    """Name the tables of the batches of all experiments."""
    files = set()
    for analysis, experiment in asked:
        if ANALYSES[analysis].section == "recordings":
            kinds = batch_tables(analysis) or rules.measure_recordings.output.keys()
            files.update(
                file for kind in kinds for file in batch_files(experiment, kind)
            )
    return files


def sweeps_pages():
    """Name the pages with the sweeps of all recordings, of the experiments that have more than a figure draws."""
    experiments = [e for a, e in asked if a == "membrane_test"]
    ids = {e: [row["recording_id"] for row in recording_rows(e)] for e in experiments}
    return [file for e in experiments for file in page_files(e, ids[e])]


def sweeps_title(experiment, batch):
    """Give the title of such a page."""
    place = list(recording_batches(experiment)).index(batch) + 1
    title = study.experiment("recordings", experiment).get("title", experiment)
    return f"Sweeps: {title}, page {place} of {len(recording_batches(experiment))}"


def mb_of(files):
    """Give the size of some files in MB; one that is not there counts nothing."""
    return sum(os.path.getsize(f) for f in set(files) if os.path.exists(f)) / 1e6


def held_mb(wildcards, input):
    """Give the MB of the raw recordings that the reader of a batch holds at a time: the most that is put together."""
    column = together_by(study.experiment("recordings", wildcards.experiment))
    files = {}
    for row in recording_rows(wildcards.experiment, int(wildcards.batch)):
        files.setdefault(row[column], []).append(f"raw_data/{row['file']}")
    return max(map(mb_of, files.values()))


def largest_mb(wildcards, input):
    """Give the size of the largest file in MB."""
    return max((mb_of([f]) for f in input), default=0)


def megapixels(wildcards, input):
    """Give the size of the largest frame in megapixels; what cannot be read is said by the job."""
    from mgk.stacks import megapixels_of

    found = [0.0]
    for file in input:
        with suppress(InputError):
            found.append(megapixels_of(Path(file)))
    return max(found)


def all_mb(wildcards, input):
    """Give the size of all files in MB."""
    return input.size_mb


# What jobs ask of a cluster, and the ceiling that they set themselves, by kind: MB at least, and MB for each unit of what
# grows; docs/cluster.md has what was measured.
MEMORY_MB = {
    "recordings": (1500, 12, held_mb),
    "patches": (1500, 60, held_mb),
    "plates": (1500, 8, largest_mb),
    "stacks": (1500, 120, megapixels),
    "table": (1000, 20, all_mb),
    "notebook": (1500, 20, all_mb),
}
MINUTES = {kind: 30 if kind == "notebook" else 10 for kind in MEMORY_MB}


def memory(kind):
    """Give the memory of a job in MB."""
    least, times, size = MEMORY_MB[kind]
    return lambda wildcards, input: least + int(times * size(wildcards, input))


def minutes(kind):
    """Give the time of a job in minutes; a second a MB is left to a slow file system."""
    return lambda wildcards, input: MINUTES[kind] + int(input.size_mb / 60)


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


def output_files(wildcards):
    """Name every result of a run, for its manifest: what was taken away is made again although a report is there."""
    analyses = [(ANALYSES[a], e) for a, e in asked]
    of_each = [
        (*a.inputs(e), *a.outputs(e), *a.alternatives(e), a.executed(e))
        for a, e in analyses
    ]
    return sorted(
        {
            *(file for files in of_each for file in files),
            *stage_tables(wildcards),
            *map(str, (*rules.notebook_pages.output, *rules.report.output)),
            *sweeps_pages(),
            *tables_of_batches(),
        }
    )


def input_files(wildcards):
    """Give every file that the study reads its checksum as the run began."""
    return {name: checksums.of(name) for name in study_files(study)}
