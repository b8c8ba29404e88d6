"""A study grows: what one more recording makes run again, and nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from studies import HOUSE, read_rows, small_study, write_rows

from mgk.analyses import ANALYSES
from mgk.batches import RECORDINGS_PER_BATCH, batches
from mgk.study import Study

pytestmark = pytest.mark.workflow

EXPERIMENT = "romk_block"


@pytest.fixture
def grown(demonstration, tmp_path):
    """A copy of the finished demonstration with one recording more."""
    study = shutil.copytree(demonstration[0], tmp_path / "study")
    (study / "raw_data/manifest.sha256").unlink()
    table = read_rows(study, "recordings")
    one_more = table[table["experiment"] == EXPERIMENT].iloc[:1].assign(recording_id="one_more")
    table = pd.concat([table, one_more], ignore_index=True)
    write_rows(study, "recordings", table)
    return study, list(table.loc[table["experiment"] == EXPERIMENT, "recording_id"])


def snakemake(study, *extra, most=RECORDINGS_PER_BATCH) -> str:
    """Run Snakemake on a study, about `most` recordings in a batch; return all that it says."""
    start = f"import mgk.batches as b; b.batches.__defaults__ = ({{}}, {most}); from snakemake.cli import main; main()"
    command = [sys.executable, "-c", start, "--directory", str(study), *extra]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def planned(study, *extra, **options) -> tuple[dict[str, int], str]:
    """Return how many jobs of each rule a run would have, and all that the dry run says."""
    text = snakemake(study, "-n", *extra, **options)
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", text, re.S | re.M)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.M)}, text


def test_one_more_recording_reruns_its_batch_and_what_rests_on_it(grown):
    study, ids = grown
    project = Study.open(study)
    asked = project.analyses()
    (batch,) = (number for number, members in batches(ids).items() if "one_more" in members)
    jobs, text = planned(study)
    rules = {"measure_recordings", "gather_recordings", "all_recordings", "notebook_pages", "report", "provenance"}
    rules |= {"sweeps_page"}  # one more is more than the figure of quality draws
    rules |= {analysis for analysis, experiment in asked if experiment == EXPERIMENT}
    rules |= {analysis for analysis, _ in asked if EXPERIMENT in dict(project.rests_on(analysis)).values()}
    assert jobs == dict.fromkeys({*rules, "all"}, 1)
    messages = re.findall(r"^Job \d+: (.+)$", text, re.M)
    assert f"recordings: measure {EXPERIMENT}, batch {batch}" in messages
    assert len(messages) == len(rules)


def test_of_several_batches_one_is_read_again(tmp_path):
    study = small_study(tmp_path / "study", "recordings", experiments=("test_steps",))
    first = read_rows(study, "recordings").iloc[:1]
    many = pd.concat([first.assign(recording_id=f"r{i}") for i in range(RECORDINGS_PER_BATCH + 1)])
    write_rows(study, "recordings", many)
    snakemake(study, "--until", "gather_recordings")
    read = sorted((study / "results/recordings/test_steps/batches").glob("*.quality.csv"))
    assert len(read) > 1
    write_rows(study, "recordings", pd.concat([many, first.assign(recording_id="one_more")]))
    jobs, _ = planned(study, "--until", "gather_recordings")
    assert jobs == {"measure_recordings": 1, "gather_recordings": 1}


def test_shots_patches_and_current_clamp_are_read_in_batches_that_leave_no_trace(demonstration, tmp_path):
    study = shutil.copytree(demonstration[0], tmp_path / "study")
    (study / "raw_data/manifest.sha256").unlink()
    readers = {e: ANALYSES[a] for a, e in Study.open(study).analyses() if ANALYSES[a].reader}
    assert {a.reader for a in readers.values()} == {"average_shots", "analyse_patches", "measure_current_clamp"}
    for experiment in readers:
        shutil.rmtree(study / "results/recordings" / experiment)
    snakemake(study, "--cores", "1", "--until", "gather_batches", most=4)
    for experiment, analysis in readers.items():
        folder = Path("results/recordings", experiment)
        assert len(list((study / folder / "batches").glob("*.quality.csv"))) > 1, experiment
        for name in analysis.raw_tables:
            assert (study / folder / name).read_bytes() == (demonstration[0] / folder / name).read_bytes(), name

    table = read_rows(study, "recordings")
    one_more = table[table["experiment"].isin(readers)].groupby("experiment").head(1)
    write_rows(
        study, "recordings", pd.concat([table, one_more.assign(recording_id=lambda t: "more_" + t["experiment"])])
    )
    jobs, _ = planned(study, "--until", "gather_batches", most=4)
    tables = sum(len(analysis.raw_tables) for analysis in readers.values())
    assert jobs == {**{a.reader: 1 for a in readers.values()}, "gather_batches": tables}
