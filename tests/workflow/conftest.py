"""One run of the demonstration for all tests of the workflow."""

import pytest
from studies import run_study

from mgk.committed import copy_demonstration


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory):
    """The demonstration, copied and run once, with what the run printed."""
    study = copy_demonstration(tmp_path_factory.mktemp("demo") / "study")
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return study, done
