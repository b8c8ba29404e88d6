"""The same numbers under every Python that is supported, where the interpreters are at hand.

For each of them an environment is made from the same lock, as `make PYTHON=...` does, and a small study is run in it.
Interpreters are looked for on the PATH and where pyenv keeps them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from studies import bare_house_copy, result_bytes, run_study, small_study

from mgk.verification.compare import GOOD, compare
from mgk.verification.pins import pins_of

pytestmark = [pytest.mark.long, pytest.mark.workflow]
SUPPORTED = ("3.11", "3.12", "3.13")
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
EXPERIMENTS = ("kv_inactivation", "microsomes", "trpm7_mgatp")


def interpreter(version: str) -> str | None:
    """Return an interpreter of a version that starts, or None."""
    kept = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *map(str, kept)):
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def write_study(folder: Path) -> Path:
    return small_study(folder, "recordings", "plates", "curves", "clinical", experiments=EXPERIMENTS)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The study, run by this Python."""
    study = write_study(tmp_path_factory.mktemp("here") / "study")
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return study


@pytest.mark.parametrize("version", [v for v in SUPPORTED if v != THIS])
def test_another_python_gives_the_same_tables(here, tmp_path, version):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version}")
    house = bare_house_copy(tmp_path / "house")
    made = subprocess.run(
        ["sh", "workflow/setup.sh", "run"],
        cwd=house,
        env=os.environ | {"PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no environment for Python {version}: {made.stderr.strip().splitlines()[-1]}")
    study = write_study(tmp_path / "study")
    done = run_study(study, python=house / ".venv/bin/python")
    assert done.returncode == 0, done.stderr
    found = compare(pins_of(here), pins_of(study))
    bad = [(n.experiment, n.quantity, n.verdict) for n in found.numbers if n.verdict not in GOOD]
    assert bad == []
    assert len(found.numbers) > 40
    assert [f.name for f in found.files if f.verdict not in GOOD] == []
    ours, theirs = result_bytes(here), result_bytes(study)
    assert set(ours) == set(theirs)
    # One lock, and Python's own changes reach no number: not within a tolerance, but the same bytes.
    assert [n for n in ours if n.endswith((".csv", ".svg")) and ours[n] != theirs[n]] == []
