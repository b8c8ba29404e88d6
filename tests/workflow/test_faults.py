"""Faults while a study runs: after each, a plain rerun ends in the bytes of an undisturbed run.

Where a run cannot go on by itself, an error says what to do, and nothing is lost.

MGK_MOMENTS says at how many random moments each process is killed (10); their seeds are the numbers of the moments.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from disks import disk_without_power, needs_disk, needs_root, small_disk
from studies import (
    HOUSE,
    house_copy,
    load_config,
    read_rows,
    result_bytes,
    run_study,
    save_config,
    small_study,
    write_rows,
)

from mgk.provenance import manifest_problems

pytestmark = [pytest.mark.long, pytest.mark.workflow]
MOMENTS = range(int(os.environ.get("MGK_MOMENTS", "10")))
EXPERIMENT = "test_steps"
RAW = "raw_data/recordings"


def write_study(study: Path) -> Path:
    """Write the smallest study that has all kinds of jobs: a batch of recordings, a notebook, the report."""
    small_study(study, "recordings", experiments=(EXPERIMENT,))
    config = load_config(study)
    del config["solutions"]
    save_config(study, config)
    (study / "raw_data/solutions.yaml").unlink()
    rows = read_rows(study, "recordings").head(4).assign(pipette_solution="", bath_solution="")
    write_rows(study, "recordings", rows)
    return study


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The bytes of an undisturbed run, and how long it takes."""
    study = write_study(tmp_path_factory.mktemp("undisturbed") / "study")
    started = time.monotonic()
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return result_bytes(study), time.monotonic() - started


def complete(study: Path, expected: dict[str, bytes]) -> None:
    """Run a study again, plainly, and hold its results against those of an undisturbed run."""
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    finished_as(study, expected)


def finished_as(study: Path, expected: dict[str, bytes]) -> None:
    """Hold a study against an undisturbed run: its files and their bytes, and that nothing of a run goes on there."""
    assert manifest_problems(study) == []
    found = result_bytes(study)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert left_in(study) == []


def left_in(study: Path) -> list[str]:
    """Return the commands of the processes, jobs and kernels, that work in a study's folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(study.resolve()):
                found.append(" ".join(process.cmdline()))
    return found


@contextmanager
def running(study: Path, *extra: str):
    """Start a run; whatever is left of it in the end is killed."""
    command = [sys.executable, "-m", "mgk.run", str(study), *extra]
    with subprocess.Popen(command, cwd=study.parent, stdout=-1, stderr=-1, text=True) as run:
        try:
            yield run
        finally:
            for process in [*descendants(run), run]:
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    process.kill()


def descendants(run: subprocess.Popen) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(run.pid).children(recursive=True)
    return []


def wait_for(run: subprocess.Popen, word: str, which: int = 0) -> psutil.Process | None:
    """Return the process of a run whose command holds a word, the one that comes after `which` others."""
    seen: list[int] = []
    while run.poll() is None:
        for process in descendants(run):
            with suppress(psutil.NoSuchProcess):
                if word in " ".join(process.cmdline()) and process.pid not in seen:
                    seen.append(process.pid)
                    if len(seen) > which:
                        return process
        time.sleep(0.02)
    return None


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("who", ["snakemake", "make report", "everything"])
def test_after_a_kill_of_the_run_the_next_one_completes_it(undisturbed, tmp_path, who, moment):
    expected, seconds = undisturbed
    study = write_study(tmp_path / "study")
    with running(study) as run:
        time.sleep(random.Random(moment).uniform(0, seconds))
        started = descendants(run)
        for process in {"snakemake": started[:1], "make report": [psutil.Process(run.pid)], "everything": started}[who]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        run.wait()
        # What is left of it ends by itself, before the next run has read its study.
        complete(study, expected)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_kernel_is_said_and_its_notebook_made_again(undisturbed, tmp_path, moment):
    chance = random.Random(moment)
    study = write_study(tmp_path / "study")
    with running(study) as run:
        kernel = wait_for(run, "ipykernel_launcher", which=moment % 2)
        time.sleep(chance.uniform(0, 3))
        killed = kill(kernel)
        _, said = run.communicate()
    assert "Traceback" not in said
    if run.returncode:
        assert killed
        assert "FAILED " in said
        assert manifest_problems(study) != []
    else:  # it was killed as it started, and another one was started; or it had done its work
        finished_as(study, undisturbed[0])
    complete(study, undisturbed[0])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_batch_is_said_and_read_again(undisturbed, tmp_path, moment):
    study = write_study(tmp_path / "study")
    with running(study) as run:
        batch = wait_for(run, "measure_recordings.py")
        time.sleep(random.Random(moment).uniform(0, 1))
        killed = kill(batch)
        _, said = run.communicate()
    if killed:
        assert run.returncode == 1
        assert "measure_recordings" in said
        assert "was killed" in said
    complete(study, undisturbed[0])


def kill(process: psutil.Process | None) -> bool:
    """Kill a process; False when it had ended."""
    with suppress(psutil.NoSuchProcess):
        if process and process.status() != psutil.STATUS_ZOMBIE:
            process.send_signal(signal.SIGKILL)
            return True
    return False


@needs_root
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_full_disk_is_said_and_with_room_the_run_goes_on(undisturbed, tmp_path, moment):
    expected, _ = undisturbed
    share = random.Random(moment).uniform(0.02, 0.9)
    size_kb = sum(map(len, expected.values())) // 1024
    raw_kb = sum(f.stat().st_size for f in write_study(tmp_path / "model").rglob("*") if f.is_file()) // 1024
    with small_disk(tmp_path / "disk", raw_kb + 100 + int(share * size_kb)) as remount:
        study = write_study(tmp_path / "disk" / "study")
        done = run_study(study)
        assert done.returncode == 1
        assert "disk is full" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        remount("size=100M")
        complete(study, expected)


@needs_root
def test_results_that_cannot_be_written_are_said_before_anything_runs(undisturbed, tmp_path):
    with small_disk(tmp_path / "disk", 100_000) as remount:
        study = write_study(tmp_path / "disk" / "study")
        assert run_study(study, "results/recordings/quality.csv").returncode == 0
        remount("ro")
        before = result_bytes(study)
        done = run_study(study)
        assert done.returncode == 1
        assert "results: cannot be written (Read-only file system); nothing was run" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert result_bytes(study) == before
        remount("rw")
        complete(study, undisturbed[0])


@needs_disk
@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_power_cut_the_next_run_completes_it(finished, undisturbed, changed, tmp_path, moment):
    """Of a study from its start (even moments), and of one that was finished and has another raw file (odd ones)."""
    with disk_without_power(tmp_path) as (disk, cut):
        study = shutil.copytree(finished, disk / "study") if moment % 2 else write_study(disk / "study")
        if moment % 2:
            other_content(study)
        os.sync()
        with running(study) as run:
            time.sleep(random.Random(moment).uniform(0, undisturbed[1]))
            processes = [run, *descendants(run)]

            def kill_all() -> None:
                for process in processes:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                run.wait()
                psutil.wait_procs(processes[1:], timeout=10)

            cut(kill_all)
        complete(study, changed if moment % 2 else undisturbed[0])


CEILINGS = [("measure_recordings", 60), ("membrane_test", 60), ("membrane_test", 250)]


@pytest.mark.parametrize(("rule", "mem_mb"), CEILINGS)
def test_a_job_beyond_its_memory_ceiling_is_named_with_it(undisturbed, tmp_path, rule, mem_mb):
    study = write_study(tmp_path / "study")
    done = run_study(study, "--set-resources", f"{rule}:mem_mb={mem_mb}")
    assert done.returncode == 1
    assert f"FAILED {rule}" in done.stderr, done.stderr
    assert "memory" in done.stderr.lower()
    complete(study, undisturbed[0])


@pytest.mark.parametrize("moment", MOMENTS)
def test_of_two_runs_at_once_one_waits_its_turn(undisturbed, tmp_path, moment):
    expected, seconds = undisturbed
    study = write_study(tmp_path / "study")
    with running(study) as one:
        time.sleep(random.Random(moment).uniform(0, seconds / 2) if moment else 0)
        with running(study) as other:
            said = [run.communicate()[1] for run in (one, other)]
    codes = [one.returncode, other.returncode]
    assert 0 in codes, said
    if 1 in codes:
        assert "is locked: another run is going on there" in said[codes.index(1)]
    finished_as(study, expected)


def other_content(study: Path) -> Path:
    """Exchange a raw file for one of the demonstration that the study does not have."""
    files = sorted((study / RAW).iterdir())
    names = {file.name for file in files}
    another = min(file for file in (HOUSE / RAW).glob("step_*.abf") if file.name not in names)
    shutil.copyfile(another, files[0])
    return files[0]


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """The bytes of an undisturbed run with the other content."""
    study = write_study(tmp_path_factory.mktemp("changed") / "study")
    other_content(study)
    assert run_study(study).returncode == 0
    return result_bytes(study)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_raw_file_that_changes_while_a_study_runs_makes_no_mixed_results(undisturbed, changed, tmp_path, moment):
    study = write_study(tmp_path / "study")
    with running(study) as run:
        time.sleep(random.Random(moment).uniform(0, undisturbed[1]))
        other_content(study)
        _, said = run.communicate()
    if run.returncode:
        assert "has changed, or is gone, since the run began" in said
        assert manifest_problems(study) != []
    else:  # it changed before the run had looked at it, or after all had been written
        assert result_bytes(study) in (changed, undisturbed[0])
    complete(study, changed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_raw_file_that_vanishes_is_named_and_nothing_is_lost(undisturbed, tmp_path, moment):
    expected, seconds = undisturbed
    study = write_study(tmp_path / "study")
    file = sorted((study / RAW).iterdir())[0]
    with running(study) as run:
        time.sleep(random.Random(moment).uniform(0, seconds))
        aside = file.rename(tmp_path / file.name)
        _, said = run.communicate()
    if run.returncode:
        assert file.name in said
        assert "Traceback" not in said
        assert manifest_problems(study) != []
    aside.rename(file)
    complete(study, expected)


def test_a_raw_file_that_is_not_there_is_named_before_anything_runs(tmp_path):
    study = write_study(tmp_path / "study")
    file = sorted((study / RAW).iterdir())[0]
    file.unlink()
    done = run_study(study)
    assert done.returncode == 1
    assert f"{file.name}" in done.stderr
    assert "there is no such file in raw_data" in done.stderr
    assert "nothing was run" in done.stderr


def test_a_raw_file_exchanged_for_an_older_one_is_seen_all_the_same(finished, changed, tmp_path):
    study = shutil.copytree(finished, tmp_path / "study")
    file = other_content(study)
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    complete(study, changed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_with_the_clock_set_back_and_a_kill_nothing_old_is_taken_for_new(
    finished, undisturbed, changed, tmp_path, moment
):
    """The results are of tomorrow, as after the clock was set back by a day; then a raw file changes."""
    study = shutil.copytree(finished, tmp_path / "study")
    for file in (study / "results").rglob("*"):
        then = file.stat().st_mtime + 86400
        os.utime(file, (then, then))
    other_content(study)
    with running(study) as run:
        time.sleep(random.Random(moment).uniform(0, undisturbed[1]))
        for process in descendants(run):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        run.wait()
        complete(study, changed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_results_deleted_in_part_are_made_again(undisturbed, tmp_path, moment, finished):
    study = shutil.copytree(finished, tmp_path / "study")
    chance = random.Random(moment)
    files = sorted(f for f in (study / "results").rglob("*") if f.is_file())
    for file in chance.sample(files, chance.randint(1, len(files) // 2)):
        file.unlink()
    complete(study, undisturbed[0])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, undisturbed):
    """A finished study to be copied."""
    study = write_study(tmp_path_factory.mktemp("finished") / "study")
    assert run_study(study).returncode == 0
    return study


def test_a_result_that_was_edited_is_named(finished, tmp_path, undisturbed):
    study = shutil.copytree(finished, tmp_path / "study")
    table = study / "results/quality/test_steps/fits.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("1", "2"), encoding="utf-8")
    done = run_study(study)
    assert done.returncode == 1
    assert "results/quality/test_steps/fits.csv" in done.stderr
    assert "they are made anew; nothing was run" in done.stderr
    table.unlink()
    complete(study, undisturbed[0])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_notebook_with_a_syntax_error_is_named_and_nothing_else_is_lost(undisturbed, tmp_path, moment):
    study = write_study(tmp_path / "study")
    house, python = house_copy(tmp_path)
    notebook = house / "notebooks/10_recordings_quality.ipynb"
    whole = notebook.read_text(encoding="utf-8")
    book = json.loads(whole)
    code = [c for c in book["cells"] if c["cell_type"] == "code" and "parameters" not in c["metadata"].get("tags", [])]
    chance = random.Random(moment)
    cell = chance.choice(code)
    cell["source"] = [*cell["source"][: chance.randrange(len(cell["source"]))], "project = = 1"]
    notebook.write_text(json.dumps(book), encoding="utf-8")
    done = run_study(study, python=python)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"FAILED membrane_test {EXPERIMENT}: cell " in done.stderr
    assert "SyntaxError" in done.stderr
    notebook.write_text(whole, encoding="utf-8")
    done = run_study(study, python=python)
    assert done.returncode == 0, done.stderr
    finished_as(study, undisturbed[0])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_notebook_that_is_half_a_file_is_named_and_nothing_is_run(tmp_path, moment):
    study = write_study(tmp_path / "study")
    house, python = house_copy(tmp_path)
    notebook = house / "notebooks/10_recordings_quality.ipynb"
    whole = notebook.read_text(encoding="utf-8")
    notebook.write_text(whole[: random.Random(moment).randrange(len(whole) - 2)], encoding="utf-8")
    done = run_study(study, python=python)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "10_recordings_quality.ipynb: this file is not a whole notebook" in done.stderr
    assert "nothing was run" in done.stderr
    assert not (study / "results").exists()


def test_spaces_and_unicode_in_a_path_make_no_difference(undisturbed, tmp_path):
    study = write_study(tmp_path / "Mg²⁺ und K⁺, 镁 (ä)" / "a study")
    complete(study, undisturbed[0])
    assert HOUSE not in study.parents
