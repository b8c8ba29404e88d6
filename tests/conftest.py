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


def pytest_collection_modifyitems(items):
    """Keep on one worker what shares a fixture: a file, or all that looks at one run of the demonstration.

    What runs studies comes first, for a worker that ends with it would leave the others idle.
    """
    for item in items:
        shared = "demonstration" in item.fixturenames
        item.add_marker(pytest.mark.xdist_group("demonstration" if shared else item.path.stem))
    items.sort(key=lambda item: ("demonstration" not in item.fixturenames, not item.get_closest_marker("workflow")))


@pytest.fixture(scope="session")
def house() -> Path:
    """The root of the repository."""
    return HOUSE


@pytest.fixture
def demo_copy(tmp_path: Path) -> Path:
    """A copy of the demonstration's config and raw data, to be changed."""
    study = tmp_path / "study"
    study.mkdir()
    shutil.copy(HOUSE / "config.yaml", study)
    shutil.copytree(HOUSE / "raw_data", study / "raw_data")
    return study
