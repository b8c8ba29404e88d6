"""What the jobs of each rule take: for the resources of the rules, and the table of docs/cluster.md.

A study is run in a copy, and the processes of its jobs are looked at ten times a second: wall, CPU, the memory of all
processes of a job together (what a cluster counts), and what the largest one has allocated (what `mem_mb` of its rule
is the ceiling of). How memory grows with a study is seen in those that `benchmarks/scale.py write folder 500` writes.
Of several jobs of one rule the largest figures are given.

    python benchmarks/resources.py [--study path]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HOUSE = Path(__file__).parents[1]
SAMPLE_S = 0.1
LOG = re.compile(r"results/logs/(\w+)/(.+)\.(?:log|ipynb)$")


@dataclass
class Job:
    """What was seen of a job: when, and the most memory of its processes."""

    rule: str
    name: str
    began_s: float
    ended_s: float = 0.0
    together_mb: float = 0.0
    cpu_s: dict[int, float] = field(default_factory=dict)
    largest_data_mb: float = 0.0


@dataclass
class Watch:
    """The jobs of a run, by the process that each began with."""

    jobs: dict[int, Job] = field(default_factory=dict)

    def look(self, run: psutil.Process) -> None:
        """Look at all processes of a run once."""
        for scheduler in run.children():
            for first in scheduler.children():
                with suppress(psutil.Error):
                    self._look_at(first)

    def _look_at(self, first: psutil.Process) -> None:
        now = time.monotonic()
        if first.pid not in self.jobs:
            self.jobs[first.pid] = Job("", "", now)
        job = self.jobs[first.pid]
        processes = [first, *first.children(recursive=True)]
        if not job.rule:
            for process in processes:
                _name(job, process)
        memory = [_memory_of(p) for p in processes]
        job.ended_s = now
        for process in processes:
            with suppress(psutil.Error):
                used = process.cpu_times()
                job.cpu_s[process.pid] = used.user + used.system
        job.together_mb = max(job.together_mb, sum(m[0] for m in memory))
        job.largest_data_mb = max([job.largest_data_mb, *(m[1] for m in memory)])


def _name(job: Job, process: psutil.Process) -> None:
    """Name a job after the log that it has open."""
    for file in process.open_files():
        if found := LOG.search(file.path):
            job.rule, job.name = found.groups()


def _memory_of(process: psutil.Process) -> tuple[float, float]:
    """Return resident and allocated memory in MB; of pages that processes share each has its part."""
    folder, found = Path(f"/proc/{process.pid}"), [0.0, 0.0]
    with suppress(OSError):  # it has ended
        for i, (name, key) in enumerate({"smaps_rollup": "Pss", "status": "VmData"}.items()):
            shown = re.search(rf"{key}:\s+(\d+)", (folder / name).read_text())
            found[i] = int(shown[1]) / 1024 if shown else 0.0
    return found[0], found[1]


def watched(command: list[str], cwd: Path) -> tuple[list[Job], float]:
    """Run a command of the workflow; return its jobs, and the wall in seconds."""
    watch, began = Watch(), time.monotonic()
    with subprocess.Popen(command, cwd=cwd) as process:
        run = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.Error):
                watch.look(run)
            time.sleep(SAMPLE_S)
    if process.returncode:
        sys.exit(process.returncode)
    return [job for job in watch.jobs.values() if job.rule], time.monotonic() - began


def copied(study: Path, folder: Path) -> Path:
    """Copy what a study is made from."""
    folder.mkdir()
    shutil.copy(study / "config.yaml", folder)
    shutil.copytree(study / "raw_data", folder / "raw_data")
    return folder


def table_of(jobs: list[Job]) -> list[str]:
    """Return the lines of the table, a rule each."""
    by_rule = defaultdict(list)
    for job in jobs:
        by_rule[job.rule].append(job)
    lines = ["| rule | jobs | CPU (s) | wall (s) | memory (MB) | allocated (MB) |", "|---|---|---|---|---|---|"]
    for rule, same in sorted(by_rule.items()):
        wall = max(j.ended_s - j.began_s for j in same)
        together, data = (max(getattr(j, k) for j in same) for k in ("together_mb", "largest_data_mb"))
        cpu = max(sum(j.cpu_s.values()) for j in same)
        lines.append(f"| `{rule}` | {len(same)} | {cpu:.1f} | {wall:.1f} | {together:.0f} | {data:.0f} |")
    return lines


def main() -> None:
    """Run a study in a copy and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--study", type=Path, default=HOUSE)
    given, extra = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="mgk-") as folder:
        study = copied(given.study, Path(folder) / "study")
        jobs, wall = watched([sys.executable, "-m", "mgk.run", str(study), *extra], HOUSE)
        print("\n".join(table_of(jobs)))
        print(f"{len(jobs)} jobs, {wall:.0f} s, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
