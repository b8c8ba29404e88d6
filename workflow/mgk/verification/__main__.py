"""`make verify`: run a study afresh in a temporary folder and hold the results against its pinned references.

python -m mgk.verification [--pin] study
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mgk import environment
from mgk.checks import check_study
from mgk.provenance import require_intact, sha256
from mgk.study import Study
from mgk.tables.problems import InputError
from mgk.verification.compare import changed_files, compare, not_made
from mgk.verification.page import Verification, as_lines, write_verification
from mgk.verification.pins import FOLDER, Pins, lock_sha256, pins_of, platform_key, read_pins, write_pins


class RunError(Exception):
    """A fresh run that did not end well; the message is where to look."""


def main(arguments: list[str] | None = None) -> int:
    """Verify a study, or pin what a fresh run of it makes; 0 when it came out as pinned."""
    parser = argparse.ArgumentParser(prog="python -m mgk.verification", description=main.__doc__)
    parser.add_argument("study", type=Path, help="a folder with config.yaml and raw_data/")
    parser.add_argument("--pin", action="store_true", help="write the references anew from a fresh run")
    given = parser.parse_args(arguments)
    try:
        return pin(given.study) if given.pin else verify(given.study)
    except (InputError, RunError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130


def verify(root: Path) -> int:
    """Run a study afresh, hold it against its pins, write and print the verdict; return the exit code."""
    pins = read_pins(root)
    study, problems = Study.read(root)
    problems = list(dict.fromkeys((*problems, *check_study(study))))
    comparison = not_made(pins, changed_inputs(pins, root)) if problems else compare(pins, fresh_run(root))
    verification = Verification(
        title=study.config["study"]["title"] if not problems else root.resolve().name,
        comparison=comparison,
        problems=problems,
        platform=platform_key(),
        platform_is_pinned=platform_key() in pins.platforms,
        python=sys.version.split()[0],
        lock_sha256=lock_sha256(),
    )
    page = write_verification(verification, root)
    print("\n".join(as_lines(verification)))
    print(f"as a page: {page}")
    return 0 if verification.good else 1


def changed_inputs(pins: Pins, root: Path) -> list[str]:
    """Return the pinned inputs that are gone or have other content now."""
    now = {f: sha256(root / f) for f in pins.inputs if (root / f).is_file()}
    return changed_files(pins.inputs, now)


def fresh_run(root: Path) -> Pins:
    """Run a copy of a study's inputs in a temporary folder, and return what there is to pin of it.

    Raises
    ------
    RunError
        When the run did not end well; its folder is then kept.
    InputError
        When the results are not as their own manifest says.
    """
    place, kept = Path(tempfile.mkdtemp(prefix="mgk-verify-")), False
    try:
        study = place / "study"
        study.mkdir()
        shutil.copy(root / "config.yaml", study)
        shutil.copytree(root / "raw_data", study / "raw_data")
        command = [sys.executable, "-m", "mgk.run", str(study)]
        # What the run says of its report leads into a folder that is about to go.
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=environment.fixed_environment())
        if done.returncode:
            kept = True
            raise RunError(f"the fresh run did not end well; it is kept in {study}")
        require_intact(study)
        return pins_of(study)
    finally:
        if not kept:
            shutil.rmtree(place, ignore_errors=True)


def pin(root: Path) -> int:
    """Write the references of a study anew from a fresh run; return the exit code.

    Where code and inputs are as they were pinned and every number is within tolerance, the run is that of another
    platform: its bytes are added and the references stay. Otherwise everything is written anew.
    """
    problems = check_study(Study.read(root)[0])
    if problems:
        raise InputError(problems)
    made = fresh_run(root)
    pins = made
    # Pins that are not there, or cannot be read, are written anew as well.
    with suppress(InputError):
        old = read_pins(root)
        elsewhere = {key: digests for key, digests in old.platforms.items() if key not in made.platforms}
        found = compare(replace(old, platforms=elsewhere), made)
        if found.good and not found.changed:
            pins = replace(old, platforms=old.platforms | made.platforms)
    write_pins(root, pins)
    added = "references stay, bytes of" if pins is not made else "anew, on"
    print(f"pinned {len(pins.numbers)} numbers and {len(pins.tables)} tables {added} {platform_key()}: {root / FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
