"""The check of a whole study before anything runs: all problems, in one list.

The form of each file is checked where it is read (`mgk.study`); here, in a module for each section of config.yaml, it
is held against the others and against the raw files: ids that must exist, units that cannot agree, headers and sizes
that lie, checksums. What can be read but is bad is no problem: it becomes a verdict of the analysis.
"""

from mgk.checks.clinical import check_clinical
from mgk.checks.curves import check_curves
from mgk.checks.files import check_manifest, check_times, study_files
from mgk.checks.joined import check_joined
from mgk.checks.plates import check_plates
from mgk.checks.recordings import check_recordings
from mgk.checks.solutions import check_solutions
from mgk.checks.stacks import check_stacks
from mgk.checks.unused import not_analysed, not_used
from mgk.study import EXPERIMENTS, OWN_SECTION, Study
from mgk.tables.problems import Problem

__all__ = ["check_study", "not_analysed", "not_used", "study_files"]


def check_study(study: Study) -> list[Problem]:
    """Return all problems of a study; an empty list means that it can run."""
    _, problems = Study.read(study.root)
    given, study = study, _without_misshapen(study, problems)
    if study.config:
        problems += _check_tables_alone(given, study)
        problems += check_solutions(study)
        problems += check_recordings(study)
        problems += check_plates(study)
        problems += check_stacks(study)
        problems += check_curves(study)
        problems += check_clinical(study)
        problems += check_joined(study)
        problems += _check_nothing_asked(study, problems)
    return list(dict.fromkeys(problems + check_manifest(study))) or check_times(study)


def _without_misshapen(study: Study, problems: list[Problem]) -> Study:
    """Leave out the experiments whose settings are of the wrong form: only what is in form can be held against files.

    An unknown key is wrong too, but harmless here.
    """
    wrong = {tuple(p.column.split(".")[:3]) for p in problems if p.row and not p.allowed.startswith("unknown key")}
    config = {name: part for name, part in study.config.items() if isinstance(part, dict)}
    for section, level in EXPERIMENTS.items():
        kept = {n: s for n, s in study.experiments(section).items() if (section, level, n) not in wrong}
        if section in config:
            config[section] = {**config[section], level: kept}
    misshapen = {place[0] for place in wrong}
    config = {name: part for name, part in config.items() if name not in OWN_SECTION or name not in misshapen}
    return Study(study.root, config)


def _check_tables_alone(given: Study, sound: Study) -> list[Problem]:
    """Check the form of the table of a section whose experiments are all misshapen: it can be filled in meanwhile."""
    tables = ("recordings", "plates", "stacks", "curves")
    sections = [s for s in tables if given.experiments(s) and not sound.experiments(s)]
    files = [f"raw_data/{s}.csv" for s in sections]
    return [p for s, f in zip(sections, files, strict=True) for p in given.read_table(f, s)[1]]


def _check_nothing_asked(study: Study, problems: list[Problem]) -> list[Problem]:
    if study.config and not study.analyses() and not problems:
        return [
            Problem("config.yaml", None, "", "", "asks for nothing: it has no recordings, plates or clinical section")
        ]
    return []
