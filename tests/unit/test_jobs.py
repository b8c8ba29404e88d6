"""The frame of every script: a notebook that fails leaves one line, and how to run it again."""

from types import SimpleNamespace

import pytest

from mgk.jobs import job
from mgk.notebooks import NotebookError


class Wildcards(list):
    """As Snakemake's: a list of values, some of them by name."""

    def get(self, name, default=None):
        return self[0] if name == "experiment" and self else default


@pytest.mark.parametrize(
    ("rule", "wildcards", "again"),
    [
        ("magnesium_block", ["romk_block"], "NOTEBOOK=magnesium_block EXPERIMENT=romk_block"),
        ("equilibria", [], "NOTEBOOK=equilibria EXPERIMENT=equilibria"),
    ],
)
def test_a_failed_notebook_says_how_to_run_it_again(tmp_path, capsys, rule, wildcards, again):
    log = tmp_path / "logs" / "one.log"
    given = SimpleNamespace(rule=rule, wildcards=Wildcards(wildcards), log=[str(log)], resources={"mem_mb": 10**6})
    with pytest.raises(SystemExit), job(given):
        raise NotebookError("cell 3: ValueError: no")
    said = capsys.readouterr().err
    assert said.startswith(f"FAILED {rule}")
    assert f"run again: make notebook {again}" in said
    assert said.strip() == log.read_text(encoding="utf-8").strip().splitlines()[-1]
