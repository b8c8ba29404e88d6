"""The walk-through of docs/ does what it says, command by command, on files that are made here."""

import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from studies import HOUSE

pytestmark = pytest.mark.workflow

PAGE = HOUSE / "docs" / "walk-through.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
REVERSAL_MV, CONDUCTANCE_NS = -80.0, 2.0


def make_traces(folder, cells=4):
    """Write a trace a cell: holding at -60 mV, steps from 10 to 60 ms, an ohmic current, and noise."""
    folder.mkdir()
    time_ms = np.arange(0, 80, 0.5)
    for cell in range(1, cells + 1):
        noise = np.random.default_rng(cell)
        sweeps = []
        for sweep, step_mv in enumerate(range(-120, 41, 20)):
            command_mv = np.where((time_ms >= 10) & (time_ms < 60), step_mv, -60.0)
            current_pa = CONDUCTANCE_NS * (1 + 0.05 * cell) * (command_mv - REVERSAL_MV)
            current_pa += noise.normal(0, 1, time_ms.size)
            columns = {"time_ms": time_ms, "sweep": sweep, "command_mv": command_mv, "current_pa": current_pa}
            sweeps.append(pd.DataFrame(columns))
        pd.concat(sweeps).to_csv(folder / f"cell{cell}.csv", index=False)


def test_the_commands_of_the_page_lead_from_raw_files_to_the_report(tmp_path):
    make_traces(tmp_path / "traces")
    blocks = [(kind, file, text.replace("../", f"{tmp_path}/")) for kind, file, text in BLOCK.findall(PAGE.read_text())]
    commands = [line for kind, _, text in blocks if kind == "sh" for line in text.splitlines()]
    assert len(commands) == 5
    assert {kind for kind, _, _ in blocks} == {"sh", "text", "csv", "yaml"}
    said, codes = "", []
    for kind, file, text in blocks:
        if kind == "sh":
            done = subprocess.run(text, shell=True, cwd=HOUSE, capture_output=True, text=True, timeout=300, check=False)
            said = done.stdout + done.stderr
            codes.append(done.returncode)
        elif kind == "text":
            shown = [re.escape(line).replace(r"\.\.\.", ".+") for line in text.splitlines()]
            assert [line for line in shown if not re.search(f"^{line}$", said, re.M)] == []
        else:
            (tmp_path / file.removeprefix("../")).write_text(text, encoding="utf-8")
    # `make check` of the empty study fails, as the page shows; everything else goes well.
    assert codes == [0, 2, 0, 0, 0], said
    study = tmp_path / "my_study"
    assert f"report: {study / 'results/report/report.html'}" in said
    report = (study / "results/report/report.html").read_text(encoding="utf-8")
    assert "K+ current of four cells from three animals" in report
    numbers = pd.read_csv(study / "results/report/key_numbers.csv")
    reversal = numbers[numbers["quantity"].str.startswith("reversal")]
    assert len(reversal) == 1
    assert reversal["estimate"].iloc[0] == pytest.approx(REVERSAL_MV, abs=2)
