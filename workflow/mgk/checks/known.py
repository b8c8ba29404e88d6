"""A study that was in order is not looked at again until something that its check rests on has changed.

Thousands of headers and a manifest of many gigabytes are read once, not at the start of every run.
"""

import hashlib
import json
import sys
from pathlib import Path

from mgk.checks import check_study
from mgk.checks.files import MANIFEST, check_times, study_files
from mgk.checksums import Checksums
from mgk.digest import digest
from mgk.provenance import read_checksums
from mgk.study import Study
from mgk.tables.problems import InputError, Problem

CHECKS = Path(__file__).parent / "__init__.py"


def problems_of(study: Study, checksums: Checksums) -> list[Problem]:
    """Return all problems of a study whose config.yaml has none; of one that was in order already, those of times.

    A study that never was in order is checked before its files are read for their checksums: a typo is said at once.
    """
    if checksums.in_order and checksums.in_order == _state(study, checksums):
        return check_times(study)
    problems = check_study(study)
    checksums.in_order = "" if problems else _state(study, checksums)
    return problems


def _state(study: Study, checksums: Checksums) -> str:
    """Return a hash of all that the check reads: code, Python, configuration, files; '' when a file is unreadable."""
    try:
        files = study_files(study)
        if MANIFEST in files:
            files += [f"raw_data/{name}" for name in read_checksums(study.root / MANIFEST)]
        found = [(name, checksums.of(name)) for name in files]
    except (InputError, OSError, ValueError):
        return ""
    parts = [digest(CHECKS), sys.version, sys.prefix, study.config, found]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
