"""One run of a study at a time, no job that outlives the run that started it, no result that is of the future.

Snakemake locks the files of a run by files of its own, which a kill leaves behind. The operating system's lock that is
held here goes with its process: who gets it knows that a lock of Snakemake's is a leftover.
"""

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

HELD = ".snakemake/one_run.lock"
# The variable in which `make report` tells Snakemake its own process, with which Snakemake shall end.
STARTED_BY = "MGK_STARTED_BY"
WATCH_S = 0.5


def hold(study: Path) -> IO:
    """Say that a run of the study is going on, for as long as the file that is returned stays open.

    Runs that make different files may go on together, as Snakemake allows. Where the file system has no such locks,
    nothing is said.
    """
    path = study / HELD
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return file


def is_left_over(study: Path, wait_s: float = 3) -> bool:
    """Tell whether Snakemake's lock on a study was left behind by a run that was killed.

    A run that has just begun has `wait_s` to take its own lock.
    """
    time.sleep(wait_s)
    if not (study / HELD).is_file():
        return False
    with (study / HELD).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def no_later_than_now(folder: Path) -> None:
    """Set the times of files back when some lie in the future, as after the clock was set back; their order stays.

    Snakemake goes by the order of times: a result of tomorrow would pass for newer than what is made today.
    """
    times = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    ahead = max(times.values(), default=0) - time.time_ns()
    if ahead > 0:
        for file, changed in times.items():
            os.utime(file, ns=(changed - ahead, changed - ahead))


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone; a kernel ends with its runner by itself.

    Otherwise what a killed run leaves behind would write into the files of the next one.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
