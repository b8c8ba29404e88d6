"""One cluster for all tests of this folder, where one can be started."""

import pytest
from one_machine import cluster, why_not


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running Slurm on this machine."""
    if reason := why_not():
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield
