"""Set-up says in one line what is missing, and does nothing when all is there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("sh", "cat", "cksum", "tr", "dirname", "awk", "rm", "pwd", "env")


@pytest.fixture
def bare(tmp_path, house):
    """A house with nothing but its set-up, and a PATH with nothing but the plainest tools."""
    (tmp_path / "workflow").mkdir()
    shutil.copy(house / "workflow/setup.sh", tmp_path / "workflow")
    shutil.copy(house / "requirements.txt", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    return tmp_path


def set_up(bare: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {"PATH": str(bare / "tools"), "HOME": str(bare), **variables}
    command = [str(bare / "tools" / "sh"), "workflow/setup.sh"]
    return subprocess.run(command, cwd=bare, env=environment, capture_output=True, text=True, check=False)


def fake_python(bare: Path, name: str, body: str) -> None:
    path = bare / "tools" / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def test_no_python_is_one_line(bare):
    done = set_up(bare)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "set-up: mgk needs Python 3.11, 3.12 or 3.13 on the PATH; found: none. "
        "Install one, or name it: make PYTHON=/path/to/python"
    ]


def test_a_wrong_python_is_one_line_that_names_it(bare):
    fake_python(bare, "python3", 'case "$2" in *print*) echo 3.9;; *) exit 1;; esac')
    done = set_up(bare)
    assert done.returncode == 1
    assert "found: python3=3.9." in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_shim_that_does_not_start_is_passed_over(bare):
    fake_python(bare, "python3.13", "exit 127")
    fake_python(bare, "python3", 'case "$2" in *print*) echo 3.10;; *) exit 1;; esac')
    assert "found: python3=3.10." in set_up(bare).stderr


def test_no_venv_module_is_one_line_that_says_what_to_install(bare):
    fake_python(bare, "python3.12", 'case "$2" in *print*) echo 3.12;; *venv*) exit 1;; *) exit 0;; esac')
    done = set_up(bare)
    assert done.returncode == 1
    assert "python3.12 has no venv module" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (bare / ".venv").exists()


def test_a_second_call_sets_nothing_up(house):
    if not (house / ".venv").exists() or Path(sys.prefix) != house / ".venv":
        pytest.skip("these tests do not run in the house's own environment")
    before = (house / ".venv" / "bin" / "python").lstat().st_mtime_ns
    done = subprocess.run(["sh", "workflow/setup.sh"], cwd=house, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (house / ".venv" / "bin" / "python").lstat().st_mtime_ns == before
