"""Whether a lock is a leftover, and that no job outlives its run."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from mgk.one_run import hold, is_left_over, no_later_than_now


def test_while_a_run_goes_on_its_lock_is_no_leftover(tmp_path):
    assert not is_left_over(tmp_path, wait_s=0), "nothing is known of a run that never held the study"
    one, other = hold(tmp_path), hold(tmp_path)
    assert not is_left_over(tmp_path, wait_s=0)
    one.close()
    assert not is_left_over(tmp_path, wait_s=0)
    other.close()
    assert is_left_over(tmp_path, wait_s=0)


def test_the_lock_of_a_killed_process_is_a_leftover(tmp_path):
    code = "import sys, time; from pathlib import Path; from mgk.one_run import hold\n"
    code += "held = hold(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert not is_left_over(tmp_path, wait_s=0)
        process.kill()
    assert is_left_over(tmp_path, wait_s=0)


def test_a_job_ends_with_the_process_that_started_it(tmp_path):
    job = "import time; from mgk.one_run import end_with_parent\nend_with_parent(); open('up', 'w').close()\n"
    job += "time.sleep(60); open('ended by itself', 'w').close()"
    runner = "import subprocess, sys, time\n"
    runner += "job = subprocess.Popen([sys.executable, '-c', sys.argv[1]])\nprint(job.pid, flush=True)\ntime.sleep(60)"
    command = [sys.executable, "-c", runner, job]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        pid = int(process.stdout.readline())
        wait_until(lambda: (tmp_path / "up").exists())
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    assert not (tmp_path / "ended by itself").exists()


def test_results_of_the_future_are_set_back_in_their_order(tmp_path):
    now = time.time()
    for name, when in {"a": now - 60, "b": now + 3600, "c": now + 7200}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    no_later_than_now(tmp_path)
    a, b, c = ((tmp_path / name).stat().st_mtime for name in "abc")
    assert a < b < c <= time.time()
    no_later_than_now(tmp_path)
    assert (tmp_path / "c").stat().st_mtime == c
    no_later_than_now(tmp_path / "not there")


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def wait_until(condition, most_s: float = 30) -> None:
    end = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
