"""A study that was in order is looked at again when something changed that its check rests on, and only then."""

import json
import shutil

import pytest
from studies import load_config, read_rows, save_config, small_study, write_rows

from mgk.checks import known
from mgk.checks.known import problems_of
from mgk.checksums import KEPT, Checksums
from mgk.provenance import sha256
from mgk.study import Study


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("t") / "study", "recordings", experiments=("test_steps",))


@pytest.fixture
def study(template, tmp_path):
    """A study with a manifest that names a file which no table names."""
    copy = shutil.copytree(template, tmp_path / "study")
    (copy / "raw_data/notes.txt").write_text("n", encoding="utf-8")
    (copy / "raw_data/manifest.sha256").write_text(f"{sha256(copy / 'raw_data/notes.txt')}  notes.txt\n")
    return copy


@pytest.fixture
def looked(monkeypatch):
    """How often a study was checked."""
    found = []
    real = known.check_study
    monkeypatch.setattr(known, "check_study", lambda s: found.append(s) or real(s))
    return found


def check(study) -> list:
    checksums = Checksums.read(study)
    problems = problems_of(Study.open(study), checksums)
    checksums.keep()
    return problems


def test_what_was_in_order_is_not_looked_at_again(study, looked):
    assert [check(study), check(study)] == [[], []]
    assert len(looked) == 1


def damage_a_recording(study):
    file = study / "raw_data" / read_rows(study, "recordings")["file"].iloc[0]
    file.write_bytes(file.read_bytes()[:700])


def misname_a_solution(study):
    table = read_rows(study, "recordings")
    table.loc[0, "bath_solution"] = "no_such_bath"
    write_rows(study, "recordings", table)


def move_a_window(study):
    config = load_config(study)
    config["recordings"]["experiments"]["test_steps"]["windows_ms"]["steady"] = [1e6, 2e6]
    save_config(study, config)


def change_a_file_of_the_manifest(study):
    (study / "raw_data/notes.txt").write_text("another", encoding="utf-8")


def lose_a_recording(study):
    (study / "raw_data" / read_rows(study, "recordings")["file"].iloc[0]).unlink()


CHANGES = (damage_a_recording, misname_a_solution, move_a_window, change_a_file_of_the_manifest, lose_a_recording)


@pytest.mark.parametrize("change", CHANGES, ids=[c.__name__ for c in CHANGES])
def test_a_change_that_is_wrong_is_found_each_time(study, looked, change):
    assert check(study) == []
    change(study)
    first = check(study)
    assert first
    assert check(study) == first
    assert len(looked) == 3


def test_another_code_looks_again(study, looked, monkeypatch):
    check(study)
    monkeypatch.setattr(known, "digest", lambda *sources: "another")
    check(study)
    assert len(looked) == 2


def test_a_study_that_never_was_in_order_is_checked_before_its_files_are_hashed(study):
    misname_a_solution(study)
    checksums = Checksums.read(study)
    assert problems_of(Study.open(study), checksums)
    assert not checksums.known
    checksums.keep()
    assert json.loads((study / KEPT).read_text()) == {"in_order": "", "files": {}}
