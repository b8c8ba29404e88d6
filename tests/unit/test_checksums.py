"""Raw files go by their content; each is read for its checksum once."""

import hashlib
import os

import pytest

from mgk import checksums as module
from mgk.checksums import KEPT, Checksums


@pytest.fixture
def read_files(monkeypatch):
    """The files that were read for a checksum."""
    read = []
    real = module.sha256
    monkeypatch.setattr(module, "sha256", lambda path: read.append(path.name) or real(path))
    return read


def test_a_file_is_read_once_and_its_checksum_kept_for_the_next_run(tmp_path, read_files):
    (tmp_path / "a").write_text("1")
    checksums = Checksums.read(tmp_path)
    assert checksums.of("a") == checksums.of("a") == hashlib.sha256(b"1").hexdigest()
    checksums.keep()
    assert Checksums.read(tmp_path).of("a") == checksums.of("a")
    assert read_files == ["a"]


@pytest.mark.parametrize("seconds", [-3600, 0, 3600])
def test_another_content_is_seen_whatever_its_time(tmp_path, seconds):
    file = tmp_path / "a"
    file.write_text("1")
    before = Checksums.read(tmp_path)
    then, together = file.stat().st_mtime, before.together(["a"])
    before.keep()
    file.write_text("22")
    os.utime(file, (then + seconds, then + seconds))
    assert Checksums.read(tmp_path).together(["a"]) != together


def test_a_touch_is_no_change(tmp_path, read_files):
    (tmp_path / "a").write_text("1")
    checksums = Checksums.read(tmp_path)
    before = checksums.together(["a"])
    checksums.keep()
    os.utime(tmp_path / "a", (1, 1))
    assert Checksums.read(tmp_path).together(["a"]) == before
    assert read_files == ["a", "a"]


def test_what_changes_while_a_run_goes_on_is_as_it_was_when_the_run_began(tmp_path):
    (tmp_path / "a").write_text("1")
    checksums = Checksums.read(tmp_path)
    before = checksums.of("a")
    (tmp_path / "a").write_text("22")
    assert checksums.of("a") == before


@pytest.mark.parametrize("text", ["", "[", "[1]", "3"])
def test_what_cannot_be_read_is_computed_anew(tmp_path, text):
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / KEPT).write_text(text)
    (tmp_path / "a").write_text("1")
    assert Checksums.read(tmp_path).of("a") == hashlib.sha256(b"1").hexdigest()
