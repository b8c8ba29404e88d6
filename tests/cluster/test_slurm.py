"""The same workflow on a real Slurm, on the loopback of one machine: the same bytes, and what a killed job leaves."""

import subprocess
import threading
import time

import pytest
from studies import HOUSE, load_config, result_bytes, run_study, save_config, small_study

pytestmark = [pytest.mark.long, pytest.mark.workflow]
ON_SLURM = ("--workflow-profile", str(HOUSE / "profiles/slurm"), "--slurm-init-seconds-before-status-checks", "2")


def study_of_all_kinds(folder):
    """A study with a batch of recordings, a table that joins batches, notebooks and a clinical table."""
    study = small_study(folder, "recordings", "clinical")
    config = load_config(study)
    experiments = config["recordings"]["experiments"]
    config["recordings"]["experiments"] = {"test_steps": experiments["test_steps"]}
    save_config(study, config)
    return study


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The results of the study on this machine without a cluster."""
    study = study_of_all_kinds(tmp_path_factory.mktemp("local") / "study")
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return result_bytes(study)


def test_a_study_on_slurm_gives_the_bytes_of_a_local_run(slurm, local, tmp_path):
    study = study_of_all_kinds(tmp_path / "on slurm, with a space")
    done = run_study(study, *ON_SLURM)
    assert done.returncode == 0, done.stdout + done.stderr
    log = (study / "results/logs/snakemake.log").read_text(encoding="utf-8")
    for rule in ("measure_recordings", "membrane_test", "clinical_summary", "report"):
        assert f"rule_{rule}/" in log, "the cluster ran it"
    assert result_bytes(study) == local


def test_a_cancelled_job_is_named_and_a_plain_rerun_ends_in_the_same_bytes(slurm, local, tmp_path):
    study = study_of_all_kinds(tmp_path / "study")
    killer = threading.Thread(target=cancel_first, args=("clinical_summary",))
    killer.start()
    done = run_study(study, *ON_SLURM)
    killer.join()
    assert done.returncode == 1
    assert "FAILED clinical_summary iv_magnesium_infarction" in done.stderr
    assert "CANCELLED" in done.stderr
    assert not (study / "results/clinical/iv_magnesium_infarction/pooled.csv").exists()
    assert (study / "results/recordings/test_steps/measurements.csv").exists(), "the other jobs went on"
    again = run_study(study, *ON_SLURM)
    assert again.returncode == 0, again.stdout + again.stderr
    assert result_bytes(study) == local


def cancel_first(rule):
    """Wait until a job of a rule is on the cluster, and cancel it while it runs."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        shown = subprocess.run(["squeue", "-h", "-o", "%i %T %k"], capture_output=True, text=True, check=False).stdout
        for line in shown.splitlines():
            job, state, comment = line.split(" ", 2)
            if rule in comment and state == "RUNNING":
                time.sleep(2)
                subprocess.run(["scancel", job], check=True)
                return
        time.sleep(0.5)
    raise TimeoutError(f"no job of {rule} came to run")
