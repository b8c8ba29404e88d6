"""`make report`: run a study, show how far it is, end with what to look at and where the report is, or what went wrong.

Snakemake does the work; its own words go to results/logs/snakemake.log. On a terminal one line says what runs, how far
it is and how long still; elsewhere only what failed, the warnings and the place of the report are said.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from mgk import environment
from mgk.attention import left_out, warnings_of
from mgk.checks import check_study
from mgk.notebooks import FAILED
from mgk.one_run import STARTED_BY, is_left_over
from mgk.progress import CLEAR, Progress
from mgk.provenance import MANIFEST, manifest_problems
from mgk.study import Study
from mgk.tables.problems import told
from mgk.whole_files import write_whole

HOUSE = Path(__file__).parents[2]
LOCKED = "cannot be locked"
NO_ROOM = ("No space left on device", "Disk quota exceeded")
INVALID = "The study cannot be run as it is:"
# A job that was killed says nothing, and one on a cluster has no terminal here: what Snakemake says of it, and its log,
# which ends in its own line.
CLUSTER_STATE = re.compile(r"status is: '([^']+)'")
JOB_LOG = re.compile(r"^    log: (results/logs/\S+?),? ")


def main(arguments: list[str] | None = None) -> int:
    """Run a study to its report, or only check it."""
    parser = argparse.ArgumentParser(prog="python -m mgk.run", description=main.__doc__)
    parser.add_argument("study", type=Path, help="a folder with config.yaml and raw_data/")
    parser.add_argument("--check", action="store_true", help="check the study without running it")
    given, extra = parser.parse_known_args(arguments)
    study = given.study
    if not (study / "config.yaml").is_file():
        print(f"{study}: there is no config.yaml; a study is a folder with config.yaml and raw_data/", file=sys.stderr)
        return 1
    return check(study) if given.check else run(study, extra)


def check(study: Path) -> int:
    """Print all problems of a study, or that there are none."""
    lines = told(check_study(Study.read(study)[0]))
    for line in lines:
        print(line, file=sys.stderr)
    if lines:
        print(f"{_counted(len(lines))}; nothing was run", file=sys.stderr)
        return 1
    print("the study is in order")
    for line in left_out(Study.open(study)):
        print(f"note: {line}")
    return 0


def run(study: Path, extra: list[str]) -> int:
    """Run Snakemake on a study, with progress; return its exit code."""
    started = time.monotonic()
    if refused := _not_writable(study) or _edited(study):
        print(refused, file=sys.stderr)
        return 1
    try:
        code, lines, failures = _snakemake(study, extra)
        if code and any(LOCKED in line for line in lines) and is_left_over(study):
            print("a run of this study was killed: going on from where it was", file=sys.stderr)
            _snakemake(study, ["--unlock"])
            code, lines, failures = _snakemake(study, extra)
    except KeyboardInterrupt:
        print("interrupted; `make report` again goes on from here", file=sys.stderr)
        return 130
    with suppress(OSError):  # on a full disk there is no log; what went wrong is said below
        _keep_log(study, lines)
    if code == 0:
        _say_warnings(warnings_of(Study.open(study)))
        print(f"report: {study / 'results/report/report.html'}  ({time.monotonic() - started:.0f} s)")
        return 0
    _explain(study, lines, failures)
    return 1


def _not_writable(study: Path) -> str:
    """Return why results cannot be written, or nothing."""
    for place in (study / "results", study / ".snakemake", study):
        try:
            if place.is_dir():
                with tempfile.TemporaryFile(dir=place):
                    pass
        except OSError as error:
            return f"{place}: cannot be written ({error.strerror}); nothing was run"
    return ""


def _edited(study: Path) -> str:
    """Return which results of a finished run are not as it made them, or nothing; what is gone is made again."""
    if not (study / MANIFEST).is_file():
        return ""
    edited = [p for p in manifest_problems(study, parts=("outputs",)) if p.value and (study / p.value).is_file()]
    if not edited:
        return ""
    how = "Results are not edited by hand: delete these files, and they are made anew; nothing was run"
    return "\n".join([*map(str, edited), how])


def _snakemake(study: Path, extra: list[str]) -> tuple[int, list[str], list[str]]:
    """Run Snakemake once; return its exit code, what it said, and the lines of the jobs that failed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(HOUSE / "Snakefile"), "--directory", str(study)]
    process = subprocess.Popen(
        [*command, "--nocolor", *extra],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment.fixed_environment() | {STARTED_BY: str(os.getpid())},
    )
    try:
        lines, failures = _follow(process.stdout, study)
    finally:
        code = process.wait()
    return code, lines, failures


def _follow(stream, study: Path) -> tuple[list[str], list[str]]:
    """Show the steps as they come; return all lines, and those of the jobs that failed."""
    lines, failures, progress = [], [], Progress()
    started, show, state = time.monotonic(), sys.stderr.isatty(), ""
    if show:
        print(progress.shown(0.0), end="", file=sys.stderr, flush=True)
    for raw in stream:
        line = raw.rstrip("\n")
        lines.append(line)
        if line.startswith("Error in rule "):
            state = ""
        elif found := CLUSTER_STATE.search(line):
            state = found[1]
        elif found := JOB_LOG.match(line):
            line = _last_words(study, found[1], state, failures)
        if line.startswith(f"{FAILED} "):
            if line not in failures:
                failures.append(line)
                print((CLEAR if show else "") + _as_typed(line, study), file=sys.stderr)
        elif progress.take(line) and show:
            print(CLEAR + progress.shown(time.monotonic() - started), end="", file=sys.stderr, flush=True)
    if show:
        print(CLEAR, end="", file=sys.stderr)
    return lines, failures


def _last_words(study: Path, log: str, state: str, failures: list[str]) -> str:
    """Return what a job that failed has said already, the line in which its log ends, or how it ended without one."""
    rule, job = Path(log).parent.name, Path(log).stem
    for line in failures:
        _, name, *wildcards = line.partition(":")[0].split()
        if name == rule and ".".join(wildcards) in (job, ""):
            return line
    path = study / log
    words = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    if words and words[-1].startswith(f"{FAILED} "):
        return words[-1]
    how = f"the cluster ended it ({state})" if state else "its process was killed, by hand or for want of memory,"
    return f"{FAILED} {rule} {job}: {how} before it could say why; {log} has what it said"


def _say_warnings(warnings: list[str]) -> None:
    """Print the warnings of a run in one list."""
    if warnings:
        print("\n".join(["to look at:", *(f"  - {line}" for line in warnings)]))


def _as_typed(line: str, study: Path) -> str:
    """Make paths and commands of a job's line, which know only the study's folder, fit where the analyst types."""
    if study == Path():
        return line
    line = line.replace("results/logs/", f"{study}/results/logs/")
    return f'{line} STUDY="{study}"' if "make notebook" in line else line


def _keep_log(study: Path, lines: list[str]) -> None:
    """Keep Snakemake's own words where there are results to explain."""
    if (study / "results").is_dir() and not any(INVALID in line for line in lines):
        text = without_places("\n".join(lines) + "\n", study)
        write_whole(study / "results" / "logs" / "snakemake.log", text)


def without_places(text: str, study: Path) -> str:
    """Return Snakemake's words without the names of this machine; its own log under .snakemake/ has them."""
    places = {Path.home(): "HOME", Path(tempfile.gettempdir()): "TMP", Path(sys.base_prefix): "PYTHON"}
    places |= {Path(sys.prefix): "PYTHON", HOUSE: "MGK", study.absolute(): "STUDY", study.resolve(): "STUDY"}
    # The longest first: one place may lie within another one.
    for place in sorted((p for p in places if p != Path("/")), key=lambda p: -len(str(p))):
        text = re.sub(rf"(?<![\w/.-]){re.escape(str(place))}(?![\w-])", places[place], text)
    return re.sub(r"(?m)^  (Host|User): .*\n", "", text)


def _explain(study: Path, lines: list[str], failures: list[str]) -> None:
    """Say in the analyst's words why a run did not end well."""
    text = "\n".join(lines)
    again = "make report" if study == Path() else f'make report STUDY="{study}"'
    if INVALID in text:
        after = lines[next(i for i, line in enumerate(lines) if INVALID in line) :]
        listed = [line for line in after[1:] if line.startswith("  - ")]
        print("\n".join([INVALID, *listed, f"{_counted(len(listed))}; nothing was run"]), file=sys.stderr)
    elif LOCKED in text:
        print(
            f"The study {study} is locked: another run is going on there. Wait for it, then: {again}\n"
            "If there is none, on this machine or on another one that shares the folder, one was killed: unlock\n"
            f'  .venv/bin/snakemake --directory "{study}" --unlock',
            file=sys.stderr,
        )
    elif any(word in text for word in NO_ROOM):
        print(f"The disk is full: make room where {study} lies, then: {again}", file=sys.stderr)
    elif failures:
        report = study / "results/report/report.html"
        named = f" The missing chapters are named in {report}" if report.exists() else ""
        print(f"Jobs that failed: {len(failures)}; what did not need them is done.{named}", file=sys.stderr)
        print(f"After the mend: {again}", file=sys.stderr)
    else:
        print("\n".join(lines[-40:]), file=sys.stderr)


def _counted(n: int) -> str:
    return "1 problem" if n == 1 else f"{n} problems"


if __name__ == "__main__":
    sys.exit(main())
