"""What a result rests on: the raw files of its experiment, and the code that made it.

Both as paths with forward slashes: raw files relative to the study, code relative to the repository.
"""

from pathlib import Path

from mgk.analyses import ANALYSES
from mgk.digest import code_files
from mgk.study import Study

HOUSE = Path(__file__).parents[2]
# The scripts that read a section's raw files, before any notebook.
READERS = {
    "recordings": ("measure_recordings", "gather_recordings"),
    "plates": ("read_plates",),
    "stacks": ("read_stacks",),
}
FILE_COLUMNS = {
    "recordings": ("file",),
    "plates": ("file", "layout"),
    "stacks": ("file", "file_340", "file_380", "labels", "shading_340", "shading_380"),
}
BESIDE = ("raw_data/solutions.yaml", "raw_data/segments.csv")


def raw_files(study: Study, section: str, experiment: str) -> list[str]:
    """Return the files that an experiment rests on: its own, and those of the results that it joins."""
    files = own_files(study, section, experiment)
    for analysis, read in study.rests_on(section):
        files += raw_files(study, ANALYSES[analysis].section, read)
    return list(dict.fromkeys(files))


def own_files(study: Study, section: str, experiment: str) -> list[str]:
    """Return the files that an experiment of a section reads, config.yaml and the shared tables included."""
    files = ["config.yaml", *(f"raw_data/{section}.{suffix}" for suffix in ("csv", "yaml"))]
    if "table" in (settings := study.experiment(section, experiment)):
        files.append(f"raw_data/{settings['table']}")
    if section in FILE_COLUMNS:
        rows = study.table(section)
        rows = rows[rows["experiment"] == experiment]
        files += BESIDE if section == "recordings" else BESIDE[:1]
        files += [f"raw_data/{name}" for column in FILE_COLUMNS[section] for name in rows[column] if name]
    if section == "equilibria":
        files += BESIDE[:1]
    return [f for f in dict.fromkeys(files) if (study.root / f).is_file()]


def jobs_of(name: str) -> tuple[str, ...]:
    """Return the rules, each with a script of its name, that the notebook of an analysis waits for."""
    section, reader = ANALYSES[name].section, ANALYSES[name].reader
    read = (reader, "gather_batches") if reader else READERS.get(section, ())
    solved = ("solve_solutions",) if section in (*READERS, "solutions", "equilibria") else ()
    return (*read, *solved)


def code_of(name: str) -> list[str]:
    """Return the code that an analysis of `mgk.analyses` rests on: its notebook, the readers, the solver of recipes."""
    sources = [HOUSE / "workflow" / "scripts" / f"{s}.py" for s in ("run_notebook", *jobs_of(name))]
    files = code_files(HOUSE / "notebooks" / f"{ANALYSES[name].notebook}.ipynb", *sources)
    return [f.relative_to(HOUSE).as_posix() for f in files]
