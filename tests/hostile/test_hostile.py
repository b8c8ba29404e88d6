"""Each damaged file ends in problems of our own that name it, or in the values of the clean file."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from hostile import page
from hostile.cases import Bases, Case, all_cases
from hostile.door import CLEAN, OTHER, REFUSED, Outcome, contents, same, through, write_manifest
from mgk.checks import check_study
from mgk.study import Study

CASES = all_cases()
LISTED = page.listed()
LIGHT = [c for c in CASES if not c.heavy]
# `make test-long` and `make docs` try all of them, `make test` every third: of each kind of file some, each damage of a
# table on some table.
SPREAD = [pytest.param(c, id=c.id, marks=[pytest.mark.long] * (i % 3 > 0)) for i, c in enumerate(LIGHT)]
HEAVY = [c for c in CASES if c.heavy]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return Bases(tmp_path_factory.mktemp("hostile") / "bases")


@pytest.fixture
def study(tmp_path_factory):
    """A place for a study, cleared afterwards: there are many of them."""
    place = tmp_path_factory.getbasetemp() / "hostile_study"
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def under_ceiling():
    return page.under_ceiling()


def assert_sound(case: Case, outcome: Outcome) -> None:
    """Hold an outcome to what every case may end in, and to the page."""
    if outcome.kind == REFUSED:
        assert outcome.placed, outcome.problems
        # The damaged file, or the row of the table that names it.
        assert any(words in " ".join(outcome.problems) for words in (Path(case.file).name, ".csv, row 2"))
    else:
        assert outcome.kind == CLEAN or (outcome.kind == OTHER and (case.kept or case.only_manifest)), outcome
    assert LISTED.get(page.place(case)) == page.row(case, outcome), "write the page anew with: make docs"


@pytest.mark.parametrize("case", SPREAD)
def test_a_damaged_file_is_refused_in_our_words_or_read_as_the_clean_one(case, bases, study):
    clean = bases.contents(case.base)
    outcome = through(bases.damaged(case, study), clean, case.file)
    assert_sound(case, outcome)
    if outcome.kind == OTHER and case.kept:
        assert_only_texts_differ(contents(study), clean, case)
    elif outcome.kind == OTHER:
        assert_the_manifest_tells(case, bases, study)


@pytest.mark.parametrize("case", HEAVY, ids=[c.id for c in HEAVY])
def test_what_could_eat_a_machine_ends_under_a_ceiling(case, under_ceiling):
    assert_sound(case, under_ceiling[case.id])


def assert_only_texts_differ(found: dict, clean: dict, case: Case) -> None:
    """The column that was written into holds what the file holds; everything else is as it was."""
    differing = [name for name in clean if not same(found[name], clean[name])]
    for name in differing:
        assert isinstance(clean[name], pd.DataFrame), name
        written = [c for c in clean[name] if not same(found[name][[c]], clean[name][[c]])]
        assert written == [case.kept], (name, written)
    assert differing


def assert_the_manifest_tells(case: Case, bases: Bases, study: Path) -> None:
    """With the checksums of the raw data in the study, the same damage is refused with the file's name."""
    path = study / case.file
    damaged = path.read_bytes() if path.exists() else None
    shutil.rmtree(study)
    shutil.copytree(bases.folder / case.base, study)
    write_manifest(study)
    path.unlink() if damaged is None else path.write_bytes(damaged)
    problems = [p for p in check_study(Study.read(study)[0]) if p.file == "raw_data/manifest.sha256"]
    assert [p.value for p in problems] == [str(Path(case.file).relative_to("raw_data"))]


def test_the_page_lists_these_cases_and_no_others():
    places = [page.place(c) for c in CASES]
    assert len(set(places)) == len(places)
    assert set(LISTED) == set(places), "write the page anew with: make docs"
    assert f"{len(CASES)} cases" in page.PAGE.read_text(encoding="utf-8")


def test_the_corpus_is_large_and_reads_some_of_it():
    """A door that refuses everything, or one that lets everything in, would pass the tests above."""
    assert len(CASES) >= 300
    read = sum(page.READ in line for line in LISTED.values())
    assert 50 < read < len(CASES) / 2
