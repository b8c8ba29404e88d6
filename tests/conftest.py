"""What all tests share: the house, the environment table, small studies."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from mgk import environment

HOUSE = Path(__file__).parents[1]
environment.apply()
# A busy machine is no reason to fail: speed is measured by benchmarks/.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


# Files that look at one run of the demonstration; they go to one worker.
OF_THE_DEMONSTRATION = ("test_browser", "test_demonstration", "test_growth")


def pytest_collection_modifyitems(items):
    """Put first what runs studies: a worker that ends with it would leave the others idle."""
    items.sort(key=lambda i: (i.path.stem not in OF_THE_DEMONSTRATION, not i.get_closest_marker("workflow")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep on one worker what shares a fixture: a file, or the files of the demonstration.

    The groups of pytest-xdist itself (`loadgroup`) go by a name that pytest 9 does not have any more.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            stem = Path(nodeid.partition("::")[0]).stem
            return "the demonstration" if stem in OF_THE_DEMONSTRATION else stem

    return ByFile(config, log)


@pytest.fixture(scope="session")
def house() -> Path:
    """The root of the repository."""
    return HOUSE


@pytest.fixture(scope="session", autouse=True)
def results_are_left_alone():
    """No test writes into the results that a run of the demonstration left in the repository."""
    before = _times_of(HOUSE / "results")
    yield
    after = _times_of(HOUSE / "results")
    changed = sorted(str(f) for f in before.keys() | after.keys() if before.get(f) != after.get(f))
    assert not changed, f"a test wrote into the repository's results: {changed[:5]}"


def _times_of(folder: Path) -> dict[Path, int]:
    return {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def demo_copy(tmp_path: Path) -> Path:
    """A copy of the demonstration's config and raw data, to be changed."""
    study = tmp_path / "study"
    study.mkdir()
    shutil.copy(HOUSE / "config.yaml", study)
    shutil.copytree(HOUSE / "raw_data", study / "raw_data")
    return study
