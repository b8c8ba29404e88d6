"""The cases that could eat a machine, in a process with a ceiling of memory, and of CPU time for each of them.

    python -m hostile.ceiling

Prints, as JSON, the outcome of each case by its id. What runs into a ceiling is an error that is not ours.
"""

import json
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path

from hostile.cases import Bases, Case, all_cases
from hostile.door import Outcome, through

MEMORY_BYTES = 512_000_000
SECONDS = 10
FOREIGN = "foreign"


def main() -> None:
    """Try all heavy cases."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        bases = Bases(Path(folder) / "bases")
        heavy = [case for case in all_cases() if case.heavy]
        for base in {case.base for case in heavy}:
            through(bases.folder / base, bases.contents(base))  # what is imported and kept once is no case's own
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)
        signal.signal(signal.SIGPROF, _too_long)
        for case in heavy:
            found[case.id] = asdict(_tried(case, bases, Path(folder) / "study"))
    json.dump(found, sys.stdout)


def _tried(case: Case, bases: Bases, study: Path) -> Outcome:
    try:
        bases.damaged(case, study)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        return through(study, bases.contents(case.base), case.file)
    except BaseException as error:
        return Outcome(FOREIGN, (repr(error)[:300], *traceback.format_exc().splitlines()[-6:]))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        shutil.rmtree(study, ignore_errors=True)


def _too_long(number, frame) -> None:
    raise TimeoutError(f"took more than {SECONDS} s of CPU")


if __name__ == "__main__":
    main()
