"""What a run read and made, and under what it ran.

`manifest.json` holds checksums of inputs and outputs, nothing that differs between two equal runs; it is written last.
`run.json` holds times, versions and platform; it is one of the few files exempt from byte identity.
"""

import hashlib
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from mgk.tables.problems import InputError, Problem
from mgk.whole_files import write_whole

HOUSE = Path(__file__).parents[2]
MANIFEST = "results/provenance/manifest.json"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checksums(path: Path) -> dict[str, str]:
    """Return file -> SHA-256 of a checksum file as `sha256sum` writes it.

    Raises
    ------
    ValueError
        With the line that is not `checksum  file`.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        checksum, _, name = line.partition("  ")
        if len(checksum) != 64 or not name:
            raise ValueError(f"line {number}: {line[:40]!r}")
        found[name] = checksum
    return found


def manifest_of(study: Path, inputs: dict[str, str], outputs: list[str]) -> dict[str, dict[str, str]]:
    """Return the checksums of all inputs and outputs of a run, given relative to the study.

    What else lies under results/ (of an earlier configuration, of a run by hand) is not claimed.

    Parameters
    ----------
    study : the study's folder.
    inputs : the SHA-256 of each input as the run began.
    outputs : the results.

    Raises
    ------
    InputError
        With each input that is not any more what it was: which of the two the results rest on is not known.
    """
    now = {name: sha256(study / name) if (study / name).is_file() else None for name in sorted(inputs)}
    changed = [name for name in now if now[name] != inputs[name]]
    if changed:
        how = "has changed, or is gone, since the run began; make report again when it is as it shall be"
        raise InputError([Problem(name, None, "", "", how) for name in changed])
    return {"inputs": now, "outputs": {name: sha256(study / name) for name in sorted(outputs)}}


def write_json(path: Path, value: dict) -> Path:
    """Write manifest.json or run.json; the file appears whole or not at all."""
    return write_whole(path, json.dumps(value, indent=1) + "\n")


def manifest_problems(study: Path, parts: tuple[str, ...] = ("inputs", "outputs")) -> list[Problem]:
    """Return what in a study's results is not as its manifest says; an empty list means that they may be shown.

    A results set without a manifest is unfinished, which is a problem too. `parts` of the manifest are looked at.
    """
    path = study / MANIFEST
    if not path.is_file():
        return [Problem(MANIFEST, None, "", "", "this file is missing: the run has not ended; make report ends it")]
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        recorded = {name: checksum for part in parts for name, checksum in manifest[part].items()}
    except (ValueError, KeyError, TypeError):
        return [Problem(MANIFEST, None, "", "", "cannot be read; make report writes it anew")]
    problems = []
    for name, checksum in recorded.items():
        file = study / name
        if not file.is_file():
            problems.append(Problem(MANIFEST, None, "", name, "this file is gone since the run ended"))
        elif sha256(file) != checksum:
            problems.append(Problem(MANIFEST, None, "", name, "this file is not the one that the run read or made"))
    return problems


def require_intact(study: Path) -> None:
    """Refuse results that are not as their manifest says.

    Raises
    ------
    InputError
        With each file that is gone or changed.
    """
    problems = manifest_problems(study)
    if problems:
        raise InputError(problems)


def run_of(parameters: dict[str, dict]) -> dict:
    """Return when and under what the run took place: Python, platform, packages, lock, state of the code.

    `parameters` are what each executed notebook, by the stem of its file, was given.
    """
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "lock_sha256": sha256(HOUSE / "requirements.txt"),
        "code": {"commit": _git("rev-parse", "HEAD"), "changed": bool(_git("status", "--porcelain"))},
        "parameters": parameters,
        "packages": {d.name: d.version for d in sorted(distributions(), key=lambda d: d.name.lower())},
    }


def _git(*arguments: str) -> str:
    try:
        found = subprocess.run(["git", *arguments], cwd=HOUSE, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout.strip()
