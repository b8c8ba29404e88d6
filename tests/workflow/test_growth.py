"""A study grows: what one more recording makes run again, and nothing else."""

import re
import subprocess
import sys

import pandas as pd
import pytest
from studies import HOUSE, load_config, run_study, save_config, small_study

from mgk.batches import RECORDINGS_PER_BATCH, batches
from mgk.study import Study

pytestmark = pytest.mark.workflow

EXPERIMENT, OTHER = "romk_block", "test_steps"


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Two experiments of recordings, one of two batches, and a clinical table, run once; then one recording more."""
    study = small_study(tmp_path_factory.mktemp("growth") / "study", "recordings", "clinical")
    config = load_config(study)
    experiments = config["recordings"]["experiments"]
    config["recordings"]["experiments"] = {name: experiments[name] for name in (EXPERIMENT, OTHER)}
    save_config(study, config)
    path = study / "raw_data/recordings.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = table[table["experiment"].isin([EXPERIMENT, OTHER])]
    cell = table[table["experiment"] == EXPERIMENT].head(4)
    copies = [
        cell.assign(recording_id=cell["recording_id"] + f"_copy{i}", cell_id=f"copy{i}", animal_id=f"animal{i // 2}")
        for i in range(RECORDINGS_PER_BATCH // len(cell))
    ]
    table = pd.concat([table, *copies], ignore_index=True)
    table.to_csv(path, index=False)
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    one_more = copies[0].iloc[:1].assign(recording_id="one_more")
    table = pd.concat([table, one_more], ignore_index=True)
    table.to_csv(path, index=False)
    return study, list(table.loc[table["experiment"] == EXPERIMENT, "recording_id"])


def planned(study) -> tuple[dict[str, int], str]:
    """Return how many jobs of each rule a run would have, and all that the dry run says."""
    command = [sys.executable, "-m", "snakemake", "--directory", str(study), "-n"]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True)
    text = done.stdout + done.stderr
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", text, re.S | re.M)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.M)}, text


def test_one_more_recording_reruns_its_batch_and_what_rests_on_it(grown):
    study, ids = grown
    asked = Study.open(study).analyses()
    assert {experiment for _, experiment in asked} > {EXPERIMENT, OTHER}
    assert len(batches(ids)) > 1
    (batch,) = (number for number, members in batches(ids).items() if "one_more" in members)
    jobs, text = planned(study)
    rules = {"measure_recordings", "gather_recordings", "all_recordings", "notebook_pages", "report", "provenance"}
    rules |= {analysis for analysis, experiment in asked if experiment == EXPERIMENT}
    assert jobs == dict.fromkeys({*rules, "all"}, 1)
    messages = re.findall(r"^Job \d+: (.+)$", text, re.M)
    assert f"recordings: measure {EXPERIMENT}, batch {batch}" in messages
    assert len(messages) == len(rules)
    assert not any(OTHER in message for message in messages)
