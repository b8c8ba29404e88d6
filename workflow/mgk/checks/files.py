"""The files of a study: which it reads, whether each can be read, and whether it is as the manifest says."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from mgk.provenance import read_checksums, sha256
from mgk.study import ONCE, OWN_SECTION, Study
from mgk.tables.files import NO_SUCH_FILE, file_problems
from mgk.tables.problems import Problem
from mgk.tables.schema import nearest
from mgk.upstream import FILE_COLUMNS

SEGMENTS = "raw_data/segments.csv"
RECORDINGS, PLATES, SOLUTIONS = "raw_data/recordings.csv", "raw_data/plates.csv", "raw_data/solutions.yaml"
CURVES, STACKS = "raw_data/curves.csv", "raw_data/stacks.csv"
MANIFEST = "raw_data/manifest.sha256"
AHEAD_S = 2  # that the clock of a file server may be ahead


def study_files(study: Study) -> list[str]:
    """Return every file that a study reads, relative to its folder."""
    files = ["config.yaml"]
    files += [f for f in ("raw_data/truth.yaml", SOLUTIONS, SEGMENTS, MANIFEST) if (study.root / f).exists()]
    for table, columns in (FILE_COLUMNS | {"curves": ()}).items():
        if study.experiments(table):
            files.append(f"raw_data/{table}.csv")
            rows = study.table(table)
            rows = rows[rows["experiment"].isin(list(study.experiments(table)))]
            files += [f"raw_data/{name}" for column in columns for name in rows[column] if name]
    for section in ("clinical", *ONCE, *OWN_SECTION):
        files += [f"raw_data/{a['table']}" for a in study.experiments(section).values() if "table" in a]
    return sorted(dict.fromkeys(files))


def rows_asked_for(study: Study, section: str, file: str) -> tuple[pd.DataFrame, pd.DataFrame, list[Problem]]:
    """Return a section's table, its rows whose experiment the config names, and the problems of both."""
    experiments = study.experiments(section)
    table, problems = study.read_table(file, section)
    named = table[table["experiment"].isin(list(experiments))]
    return table, named, [*problems, *_check_experiments(table, experiments, file, section)]


def _check_experiments(table: pd.DataFrame, experiments: dict, file: str, section: str) -> list[Problem]:
    there = [e for e in dict.fromkeys(table["experiment"]) if e]
    return [
        Problem("config.yaml", None, f"{section}.experiments.{e}", "", f"has no rows in {file}{nearest(e, there)}")
        for e in experiments
        if e not in there and len(table)
    ]


def check_files(study: Study, table: pd.DataFrame, column: str, file: str, look) -> list[Problem]:
    """Files that a column names are there and stand a look: a function of the path that returns what is wrong."""
    problems, seen, there = [], {}, None
    for i, row in filled(table, column):
        name = row[column]
        if name not in seen:
            seen[name] = file_problems(study.raw_data, name, look)
            if NO_SUCH_FILE in seen[name]:
                there = _files_there(study.raw_data) if there is None else there
                alike = there.get(Path(name).name.casefold())
                seen[name] = [NO_SUCH_FILE + (f"; did you mean {alike!r}?" if alike else "")]
        problems += [Problem(file, i, column, name, allowed) for allowed in seen[name]]
    return problems


def _files_there(raw_data: Path) -> dict[str, str]:
    """Return the files of raw_data by their bare names without capitals: the folder and the case are often wrong."""
    files = sorted(p for p in raw_data.rglob("*") if p.is_file())
    return {p.name.casefold(): p.relative_to(raw_data).as_posix() for p in reversed(files)}


def check_manifest(study: Study) -> list[Problem]:
    """Raw files are as they were when the manifest was written."""
    path = study.root / MANIFEST
    if not path.exists():
        return []
    try:
        checksums = read_checksums(path)
    except (ValueError, UnicodeDecodeError) as error:
        return [Problem(MANIFEST, None, "", "", f"each line is 'checksum  file'; {error}")]
    problems = []
    for number, (name, checksum) in enumerate(checksums.items(), 1):
        if not (study.raw_data / name).is_file():
            problems.append(Problem(MANIFEST, number, "", name, NO_SUCH_FILE))
        elif sha256(study.raw_data / name) != checksum:
            allowed = "has changed since the manifest was written; put the file back, or write the manifest anew"
            problems.append(Problem(MANIFEST, number, "", name, allowed))
    return problems


def check_times(study: Study) -> list[Problem]:
    """No raw file is of the future: Snakemake refuses results that are older than what they rest on."""
    now, problems = time.time(), []
    for name in (f for f in study_files(study) if f.startswith("raw_data/")):
        changed = (study.root / name).stat().st_mtime
        if changed > now + AHEAD_S:
            shown = f"{datetime.fromtimestamp(changed, UTC):%Y-%m-%d %H:%M:%S} UTC"
            how = "its time is ahead of this machine's clock: set the clock, or the time of the file (touch)"
            problems.append(Problem(name, None, "", shown, how))
    return problems


def filled(table: pd.DataFrame, column: str):
    """Yield (row number in the file, row) where a column is not empty."""
    there = table[(table[column] != "") & table[column].notna()]
    yield from zip(there.index + 2, there.to_dict("records"), strict=True)
