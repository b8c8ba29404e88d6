"""The notebooks kept in git carry the outputs of the demonstration: written from a run of it, held against one.

python -m mgk.committed [--check]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from mgk.notebooks import NOTEBOOKS, default_parameters, for_git
from mgk.provenance import require_intact
from mgk.whole_files import write_whole

HOUSE = NOTEBOOKS.parent


def copy_demonstration(study: Path) -> Path:
    """Copy the demonstration's inputs and notebooks to the folder `study`, which must not exist; return it."""
    study.mkdir(parents=True)
    shutil.copy(HOUSE / "config.yaml", study)
    for part in ("raw_data", "notebooks"):
        shutil.copytree(HOUSE / part, study / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return study


def executed_copy(study: Path, notebook: Path) -> Path:
    """Return the executed copy, in a study's results, that belongs to a notebook with its default experiment."""
    experiment = default_parameters(notebook).get("experiment")
    stem = f"{notebook.stem}__{experiment}" if experiment else notebook.stem
    return study / "results" / "notebooks" / f"{stem}.ipynb"


def as_committed(study: Path) -> dict[Path, str]:
    """Return, for each notebook of the house, the text that git should hold after a run of the study.

    Raises
    ------
    InputError
        When the results are not as their manifest says.
    """
    require_intact(study)
    texts = {}
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        document = for_git(nbformat.read(executed_copy(study, notebook), as_version=4))
        texts[notebook] = nbformat.writes(document) + "\n"
    return texts


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration in a temporary folder; refresh the notebooks in git, or only hold them against it."""
    parser = argparse.ArgumentParser(prog="python -m mgk.committed", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a notebook has drifted")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mgk-") as folder:
        study = copy_demonstration(Path(folder) / "study")
        done = subprocess.run([sys.executable, "-m", "mgk.run", str(study)], check=False)
        if done.returncode:
            return done.returncode
        texts = as_committed(study)
    drifted = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in drifted:
        print(f"{'drifted' if given.check else 'refreshed'}: {path.relative_to(HOUSE)}")
        if not given.check:
            write_whole(path, texts[path])
    if given.check and drifted:
        print("refresh them with: make notebooks", file=sys.stderr)
        return 1
    print(f"{len(texts) - len(drifted)} of {len(texts)} notebooks were as a run makes them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
