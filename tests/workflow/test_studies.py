"""Studies other than the demonstration: a section alone, on awkward paths, wrong, broken or killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from studies import HOUSE, follow_links, house_copy, read_rows, result_bytes, run_study, small_study, write_rows

workflow = pytest.mark.workflow


@pytest.fixture(scope="module")
def clinical(tmp_path_factory):
    """A small study, run on a path with a space."""
    study = small_study(tmp_path_factory.mktemp("one") / "with a space", "clinical")
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return study


def test_a_clinical_study_runs_on_a_path_with_a_space(clinical):
    report = (clinical / "results/report/report.html").read_text(encoding="utf-8")
    assert "Clinical tables" in report
    assert "Voltage-dependent block" not in report
    assert not (clinical / "results/recordings").exists()


@workflow
def test_bare_snakemake_in_another_folder_gives_the_same_bytes(clinical, tmp_path):
    study = small_study(tmp_path / "bare", "clinical")
    snakemake = [sys.executable, "-m", "snakemake", "--directory", str(study)]
    done = subprocess.run(snakemake, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, other = result_bytes(clinical), result_bytes(study)
    assert set(one) == set(other)
    assert [n for n in one if one[n] != other[n]] == []


@workflow
def test_the_command_line_s_config_lies_on_top_and_is_checked(tmp_path):
    study = small_study(tmp_path / "study", "clinical")
    change = "clinical={analyses: {iv_magnesium_infarction: {measure: RR}}}"
    done = run_study(study, "--until", "clinical_summary", "--config", change)
    assert done.returncode == 0, done.stderr
    pooled = pd.read_csv(study / "results/clinical/iv_magnesium_infarction/effects.csv")
    assert set(pooled["measure"]) == {"RR"}
    done = run_study(study, "--config", change.replace("RR", "RX"))
    assert done.returncode == 1
    assert "allowed: OR, RR" in done.stderr


def spoil(study: Path) -> dict[str, str]:
    """Make every kind of mistake at once; return what must be said of each."""
    config = (study / "config.yaml").read_text(encoding="utf-8")
    config = config.replace("polarity: absolute", "polarty: absolute", 1)
    config += "study: {title: again, data: measured}\n"
    (study / "config.yaml").write_text(config, encoding="utf-8")
    table = read_rows(study, "recordings")
    table.loc[1, "recording_id"] = table.loc[0, "recording_id"]
    table.loc[2, "file"] = "recordings/nowhere.abf"
    table.loc[5, "ligand_total_mm"] = "300"
    write_rows(study, "recordings", table)
    truncated = study / "raw_data" / table.loc[4, "file"]
    truncated.write_bytes(truncated.read_bytes()[:5000])
    plates = read_rows(study, "plates")
    (study / "raw_data" / plates.loc[0, "file"]).write_bytes(b"")
    (study / "raw_data/manifest.sha256").unlink(missing_ok=True)
    return {
        "mistyped key": "did you mean 'polarity'?",
        "duplicated key": "study: a key may stand only once",
        "missing file": "there is no such file in raw_data",
        "duplicate id": "must be unique; it stands in row 2 already",
        "unit error": "the column is in mM",
        "truncated file": truncated.name,
        "empty plate": "this file is empty",
    }


def test_all_problems_come_in_one_list_and_nothing_is_written(demo_copy):
    words = spoil(demo_copy)
    done = run_study(demo_copy)
    assert done.returncode == 1
    for kind, said in words.items():
        assert said in done.stderr, (kind, done.stderr)
    assert "Traceback" not in done.stderr
    assert not (demo_copy / "results").exists()
    assert "File " not in done.stderr
    assert f"{len(words)} problems" in done.stderr, done.stderr


def test_a_changed_raw_file_is_named_by_the_manifest(demo_copy):
    file = demo_copy / "raw_data/layouts/platelets_run1.csv"
    file.write_bytes(file.read_bytes() + b"\n")
    done = run_study(demo_copy)
    assert done.returncode == 1
    assert "layouts/platelets_run1.csv" in done.stderr
    assert "has changed since the manifest was written" in done.stderr


def test_a_folder_without_a_study_is_said_plainly(tmp_path):
    done = run_study(tmp_path)
    assert done.returncode == 1
    assert "there is no config.yaml" in done.stderr


@workflow
def test_a_failed_notebook_is_kept_and_the_report_names_the_missing_chapter(tmp_path):
    """The study is of recordings alone; one of plates alone is run by the tests of `make verify`."""
    study = small_study(tmp_path / "study", "recordings", experiments=("romk_block",))
    house, python = house_copy(tmp_path)
    notebook = house / "notebooks/30_magnesium_block.ipynb"
    book = nbformat.read(notebook, as_version=4)
    first = next(c for c in book.cells if "Study.open(study)" in c.source)
    first.source = 'import os\nif os.path.exists(f"{study}/broken"):\n    raise ValueError(4711)\n' + first.source
    nbformat.write(book, notebook)
    (study / "broken").touch()
    done = run_study(study, python=python)
    assert done.returncode == 1
    line = next(line for line in done.stderr.splitlines() if line.startswith("FAILED"))
    assert line.startswith("FAILED magnesium_block romk_block: cell ")
    assert "ValueError: 4711" in line
    assert f"{study}/results/logs/magnesium_block/romk_block.ipynb" in line
    assert f'make notebook NOTEBOOK=magnesium_block EXPERIMENT=romk_block STUDY="{study}"' in line
    assert "Jobs that failed: 1;" in done.stderr
    assert "4711" in (study / "results/logs/magnesium_block/romk_block.ipynb").read_text(encoding="utf-8")
    report = (study / "results/report/report.html").read_text(encoding="utf-8")
    assert "Missing: Voltage-dependent block by Mg2+, romk_block" in report
    assert "results/logs/magnesium_block/romk_block.ipynb" in report
    assert "FAILED magnesium_block romk_block: cell " in report
    assert "ValueError: 4711" in report
    assert "Current-voltage relations" in report
    followed, dangling = follow_links(study)
    assert followed > 20
    assert dangling == []
    assert not (study / "results/provenance/manifest.json").exists()
    # After the mend a plain rerun completes what was missing and writes the report anew.
    (study / "broken").unlink()
    done = run_study(study, python=python)
    assert done.returncode == 0, done.stderr
    assert "Missing: Voltage" not in (study / "results/report/report.html").read_text(encoding="utf-8")
    for name in ("recordings/measurements.csv", "currents/romk_block/fits.csv", "block/romk_block/fits.csv"):
        assert len(pd.read_csv(study / "results" / name)) > 0
    assert not (study / "results/logs/magnesium_block/romk_block.ipynb").exists()


@pytest.mark.long
@workflow
@pytest.mark.parametrize("seconds", [4, 7, 10])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, seconds):
    undisturbed = small_study(tmp_path / "undisturbed", "clinical", "recordings")
    assert run_study(undisturbed).returncode == 0
    study = small_study(tmp_path / "killed", "clinical", "recordings")
    command = [sys.executable, "-m", "mgk.run", str(study)]
    process = subprocess.Popen(command, cwd=HOUSE, start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)
    done = run_study(study)
    if done.returncode:
        assert "is locked" in done.stderr
        assert "--unlock" in done.stderr
        snakemake = [sys.executable, "-m", "snakemake", "--directory", str(study), "--unlock"]
        assert subprocess.run(snakemake, cwd=HOUSE, capture_output=True, check=False).returncode == 0
        done = run_study(study)
    assert done.returncode == 0, done.stderr
    assert result_bytes(study) == result_bytes(undisturbed)


# What snakemake --lint may say of a rule. Environments per rule are not wanted here: one locked environment serves all
# rules, notebooks and tests, so that they cannot differ (DESIGN of the set-up: README, "Two commands").
LINT_EXCEPTION = "Specify a conda environment or container for each rule.:"


@workflow
def test_lint_asks_for_nothing_but_environments_per_rule(clinical):
    lint = [sys.executable, "-m", "snakemake", "--directory", str(clinical), "--lint"]
    done = subprocess.run(lint, cwd=HOUSE, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    rules = [line for line in lines if line.startswith("Lints for ")]
    asked = {line.removeprefix("    * ") for line in lines if line.startswith("    * ")}
    assert len(rules) > 10
    assert asked == {LINT_EXCEPTION}
