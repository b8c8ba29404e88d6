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
