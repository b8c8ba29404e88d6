"""What a run keeps of Snakemake's words: nothing that names the machine, its user or its folders."""

import sys
import tempfile
from pathlib import Path

from mgk.run import HOUSE, without_places

SAID = """
  Host: a-machine
  Platform: Linux
  User: somebody
  Command: {prefix}/bin/snakemake --snakefile {house}/Snakefile --directory {study}
  Working directory: {study}
    resources: tmpdir={tmp}
    log: results/logs/report/all.log
Complete log(s): {study}/.snakemake/log/1.log
Another folder: {study}_2/x and /usr/bin/bash
"""
KEPT = """
  Platform: Linux
  Command: PYTHON/bin/snakemake --snakefile MGK/Snakefile --directory STUDY
  Working directory: STUDY
    resources: tmpdir=TMP
    log: results/logs/report/all.log
Complete log(s): STUDY/.snakemake/log/1.log
Another folder: {other}_2/x and /usr/bin/bash
"""


def test_the_log_of_a_run_names_no_place_of_the_machine():
    study = Path(tempfile.gettempdir()) / "a study (1)"
    said = SAID.format(prefix=sys.prefix, house=HOUSE, study=study, tmp=tempfile.gettempdir())
    assert without_places(said, study) == KEPT.format(other="TMP/a study (1)")


def test_a_study_within_the_house_keeps_its_own_name():
    assert without_places(f"{HOUSE}/Snakefile {HOUSE}/raw_data", HOUSE) == "STUDY/Snakefile STUDY/raw_data"
    assert without_places(f"{HOUSE}/Snakefile {HOUSE}/a/raw_data", HOUSE / "a") == "MGK/Snakefile STUDY/raw_data"
