"""What a number of the report says of itself: where it comes from, what a checklist misses, what was left out."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from studies import small_study

from mgk.analyses import ANALYSES
from mgk.block.uncorrected import COLUMNS as UNCORRECTED
from mgk.meta.effects import effect_sizes
from mgk.meta.pooling import pooled_table
from mgk.notebooks import WRITES, for_git, normalise, run_notebook, written_in
from mgk.provenance import sha256
from mgk.report import chapters, checklists, glance, overview
from mgk.report.chapters.currents import count_drawn
from mgk.report.chapters.windows import measured_in_windows
from mgk.report.graph import graph_of
from mgk.report.html import interval_text, numbered
from mgk.report.origins import made_of_several, origin_html, raw_files_section, results_table
from mgk.report.results import Results
from mgk.report.sweeps import page_files
from mgk.statistics import COMPARISON_COLUMNS
from mgk.study import Study
from mgk.tables import write_table
from mgk.upstream import raw_files


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of recordings and plates whose results are not there."""
    return Study.open(small_study(tmp_path_factory.mktemp("chapters") / "study", "recordings", "plates", "clinical"))


@pytest.fixture(scope="module")
def block(study):
    """Its block by Mg2+, with an executed notebook whose cell c2 wrote fits.csv."""
    results = Results(study, ANALYSES["magnesium_block"], "romk_block")
    cells = [new_code_cell("x", metadata={WRITES: ["fits.csv"]} if n == 2 else {}) for n in range(3)]
    for number, cell in enumerate(cells):
        cell.id = f"c{number}"
    results.executed.parent.mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells), results.executed)
    return results


def test_the_runner_notes_which_cell_wrote_which_output(tmp_path, monkeypatch):
    sources = [
        'output = "."',
        "open('../a.csv', 'w').write('1')",
        "pass",
        "open('../a.csv', 'a').write('2')\nopen('../b.csv', 'w').write('3')",
    ]
    cells = [new_code_cell(s) for s in sources]
    cells[0].metadata["tags"] = ["parameters"]
    notebook, executed = tmp_path / "x.ipynb", tmp_path / "done" / "x.ipynb"
    nbformat.write(new_notebook(cells=cells), notebook)
    outputs = [tmp_path / "a.csv", tmp_path / "b.csv"]
    (tmp_path / "results").mkdir()
    outputs[0].write_text("left over from an earlier run")
    # As Snakemake does it: from the study's folder, with paths relative to it, while the kernel works elsewhere.
    monkeypatch.chdir(tmp_path)
    relative = [path.relative_to(tmp_path) for path in outputs]
    run_notebook(
        notebook, executed, {"output": "."}, folder=tmp_path / "results", log=Path("logs/x.log"), outputs=relative
    )
    # The injected parameters are cell c1; the last cell that wrote a file is the one that made it what it is.
    assert written_in(executed) == {"a.csv": "c4", "b.csv": "c4"}
    document = nbformat.read(executed, as_version=4)
    assert [cell.metadata.get(WRITES) for cell in document.cells] == [None, None, ["a.csv"], None, ["a.csv", "b.csv"]]
    assert normalise(document).cells[2].metadata[WRITES] == ["a.csv"]
    assert not any(WRITES in cell.metadata for cell in for_git(document).cells)


def test_a_number_leads_to_its_cell_its_row_and_its_raw_files(block):
    html = origin_html(block, "fits.csv", 0).html
    assert 'href="notebooks/30_magnesium_block__romk_block.html#cell-c2"' in html
    assert ">cell c2</a>" in html
    assert 'href="../block/romk_block/fits.csv"' in html
    assert ">row 2</a>" in html
    assert 'href="#raw-recordings-romk_block"' in html
    # A table that no cell is known to have written leads to the notebook, and claims no cell.
    other = origin_html(block, "models.csv").html
    assert 'href="notebooks/30_magnesium_block__romk_block.html"' in other
    assert ">models.csv</a>" in other


def test_the_chapter_on_block_says_what_was_not_corrected_where_something_was_not(block):
    means = {"group": ["high"], "unit_id": [""], "model": ["woodhull"], "parameter": ["z_delta"], "unit": ["1"]}
    means |= {"estimate": [0.59], "ci_low": [0.58], "ci_high": [0.6], "n_cells": [6], "n_animals": [3]}
    fits = pd.DataFrame(
        means | {"experiment": ["romk_block"], "se": [0.005], "verdict": ["identified"], "reason": [""]}
    )
    row = ("high", "leak", 0.1, "nS", "not known", 10.0, "pA", "z_delta", 0.59, 0.61, 0.02, 2.0)
    block.folder.mkdir(parents=True)
    write_table(fits, block.folder / "fits.csv")
    for rows in ([], [row]):
        write_table(pd.DataFrame(rows, columns=list(UNCORRECTED)), block.folder / "uncorrected.csv")
        html = chapters.block.tables(block).html
        assert "Parameters per group" in html
        assert ("What was not corrected" in html) == bool(rows)
    assert html.index("Parameters per group") < html.index("What was not corrected")
    shutil.rmtree(block.folder)


def test_a_missing_chapter_says_what_failed_and_why(study, block):
    logs = study.results / "logs"
    told = {
        "measure_recordings/romk_block.0.log": "reading\nFAILED measure_recordings romk_block 0: a.abf: ends early\n",
        "measure_recordings/kv_activation.0.log": "FAILED measure_recordings kv_activation 0: b.abf: <ends> early\n",
        "gather_recordings/romk_block.log": "nothing went wrong\n",
        "solve_solutions/all.log": "FAILED solve_solutions: one: x\n  two: <y>\n",
    }
    for name, text in told.items():
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text(text, encoding="utf-8")
    assert block.failures == [
        "FAILED measure_recordings romk_block 0: a.abf: ends early",
        "FAILED solve_solutions: one: x;   two: <y>",
    ]
    pointed = replace(block, experiment="kv.v2")
    (logs / "measure_recordings/kv.v2.1.log").write_text("FAILED measure_recordings kv.v2 1: c.abf\n", encoding="utf-8")
    assert pointed.failures[0] == "FAILED measure_recordings kv.v2 1: c.abf"
    words = chapters.missing(block)
    assert "a.abf: ends early" in words
    assert "two: &lt;y&gt;" in words
    shutil.rmtree(logs)


def test_the_pooled_table_shows_what_was_estimated_and_of_subgroups_two_models(study):
    experiment = next(iter(study.experiments("clinical")))
    results = Results(study, ANALYSES["clinical_summary"], experiment)
    results.folder.mkdir(parents=True)
    effects = effect_sizes(study.clinical_table(experiment), "OR").assign(salt=["x"] + ["5"] * 21)
    write_table(pooled_table(effects, experiment, by="salt"), results.folder / "pooled.csv")
    words = pd.DataFrame({"section": ["methods"], "text": ["m"]})
    write_table(words, results.folder / "words.csv")
    html = chapters.CHAPTERS["clinical_summary"].tables(results).html
    heads = re.findall(r'<th scope="row">(.*?)</th>', html)
    assert Counter(heads) == {"all": 34, "5": 2, "x": 1}
    assert "31 combinations of model, method and test have no estimate: one study: nothing to estimate" in html
    assert len(chapters.CHAPTERS["clinical_summary"].key_numbers(results)) == 3
    shutil.rmtree(results.folder)


def test_rows_keep_their_number_when_some_are_left_out(block):
    table = pd.DataFrame({"x": [1, 2, 3, 4]})
    html = results_table(block, "fits.csv", table[table["x"] > 2], "c").html
    assert [f">row {n}</a>" in html for n in range(2, 6)] == [False, False, True, True]
    counted = made_of_several(table.groupby("x").size().rename("n").reset_index())
    assert ">row" not in results_table(block, "fits.csv", counted, "c").html


def test_raw_files_are_listed_once_with_their_checksum(study, block):
    files = raw_files(study, "recordings", block.experiment)
    rows = study.table("recordings")
    named = rows.loc[rows["experiment"] == "romk_block", "file"]
    assert set(files) == {*("raw_data/" + named), "raw_data/recordings.csv", "raw_data/solutions.yaml", "config.yaml"}
    html = raw_files_section(study).html
    for file in files:
        assert sha256(study.root / file) in html
    # One list for all analyses of an experiment.
    assert html.count('id="raw-recordings-romk_block"') == 1
    assert html.count("<details>") == len({(ANALYSES[a].section, e) for a, e in study.analyses()})


def test_a_checklist_names_what_is_missing():
    rows = pd.DataFrame({"a": ["x", "y", "x"], "b": [1.0, None, 3.0], "c": ["", "", ""], "d": [22.0, 22.0, 22.0]})
    said = [checklists.stated(rows, name) for name in ("a", "b", "c", "d", "absent")]
    assert said == ["x, y", "1 to 3; MISSING in 1 of 3 rows", "MISSING", "22", "MISSING"]


def test_the_checklist_of_an_enzyme_assay_names_what_is_missing(study):
    results = Results(study, ANALYSES["atpase_activity"], "microsomes")
    results.folder.mkdir(parents=True)
    items = {"item": ["pH", "enzyme"], "value": ["7.4", ""], "state": ["given", "missing"], "where": ["a", "b"]}
    pd.DataFrame(items).to_csv(results.folder / "strenda.csv", index=False)
    assert checklists._strenda(results)["The study says"].to_list() == ["7.4", "MISSING"]
    assert "1 of 2 items missing" in checklists._section("x", checklists._strenda(results))
    shutil.rmtree(results.folder)


def test_shots_are_asked_for_what_mixing_needs_and_not_for_a_patch(study):
    items = checklists._recordings(study, "stopped_flow").set_index("Item")["The study says"]
    assert items["Dead time"].startswith("2 ms (assumed, no source")
    assert items["Ligand"] == "Mg"
    assert items["Temperature (°C)"] == "24"
    assert items["Construct or preparation"] == "MISSING"
    assert not {"Seal (MOhm)", "Configuration", "Series resistance (MOhm)", "Junction potential"} & set(items.index)
    assert "average shots: stopped_flow" in {step.words for step in graph_of(study).steps.values()}


def test_current_clamp_is_asked_for_its_own(study):
    items = checklists._recordings(study, "firing").set_index("Item")["The study says"]
    assert items["Junction potential"] == "henderson"
    assert items["Criterion of the spike's threshold"] == "dV/dt 20 mV/ms"
    assert items["Temperature (°C)"] == "22"
    assert "What the bridge leaves of the pipette" in items.index
    assert not {"Leak", "Holding potential", "Noise of the baseline"} & set(items.index)
    assert "measure current clamp: firing" in {step.words for step in graph_of(study).steps.values()}


def test_the_first_screen_counts_curves(house):
    study = Study.open(house)
    table = study.table("curves")
    words = glance._counts(study)
    assert f"{table['curve_id'].nunique()} curves from {table['animal_id'].nunique()} animals" in words


def test_one_of_a_kind_is_in_the_singular(study):
    assert glance._counts(study) == "1 clinical table; each number has its own n."
    assert numbered(2, "clinical table") == "2 clinical tables"


def test_cells_without_a_value_are_not_counted_in_the_n_of_a_key_number(demo_copy):
    results = Results(Study.open(demo_copy), ANALYSES["image_stacks"], "neuron_images")
    group = {"condition": "control", "statistic": "mean", "kd_mm": 1.9, "estimate": 0.8, "ci_low": 0.7, "ci_high": 0.9,
             "n_animals": 3, "n_samples": 27, "n_below_rmin": 0, "n_above_rmax": 0, "n_without_value": 2,
             "reason": ""}  # fmt: skip
    path = results.folder / "groups.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pd.DataFrame([group]), path)
    [number] = chapters.CHAPTERS["image_stacks"].key_numbers(results)
    assert number["n"] == "25 cells, 3 animals"
    write_table(pd.DataFrame([group | {"n_samples": 1, "n_animals": 1, "n_without_value": 0}]), path)
    [number] = chapters.CHAPTERS["image_stacks"].key_numbers(results)
    assert number["n"] == "1 cell, 1 animal"


def test_the_checklist_of_a_study(study):
    items = checklists._recordings(study, "romk_block").set_index("Item")["The study says"]
    assert items["Configuration"] == "inside_out"
    assert items["Temperature (°C)"] == "22"
    assert items["Construct or preparation"] == "MISSING"
    assert items["Junction potential"] == "none"
    assert items["n used (of all)"] == "MISSING"  # nothing was measured yet
    words = checklists.all_checklists(study).html
    assert "items missing" in words


def test_the_first_screen_says_what_is_missing_and_how_to_verify(study, tmp_path):
    numbers = pd.DataFrame()
    words = glance.glance(study, numbers).html
    n = len(study.analyses())
    assert f"{n} of {n} chapters are missing" in words
    assert "No key numbers" in words
    assert "<strong>Simulated</strong>: " in words
    assert "make verify" in words


def test_the_first_screen_tells_what_verify_found(study):
    path = study.results / "verification" / "verification.json"
    path.parent.mkdir(parents=True)
    found = {"verdict": "not verified", "python": "3.11", "numbers": [{}, {}]}
    path.write_text(json.dumps(found), encoding="utf-8")
    assert "not verified</a>: 2 numbers" in glance.reproduction(study)
    path.unlink()


def test_an_interval_is_rounded_with_its_estimate():
    assert interval_text(7.7123, 6.98, 8.514) == "7.71 [6.98, 8.51]"
    assert interval_text(3.0, float("nan"), float("nan")) == "3.00"


@pytest.mark.parametrize("n", [overview.MOST_ITEMS, overview.MOST_ITEMS + 1])
def test_a_long_list_of_what_did_not_pass_is_folded(study, monkeypatch, n):
    failed = pd.DataFrame({"unit": "recording", "name": [f"r{i}" for i in range(n)], "verdict": "warn", "reason": "x"})
    monkeypatch.setattr(
        overview, "not_passed", lambda project, section: failed if section == "recordings" else failed[:0]
    )
    shown = overview.gaps(study).html
    assert shown.count("<li>recording r") == n
    assert (f"<summary>{n} recordings, excluded or with a warning</summary>" in shown) == (n > overview.MOST_ITEMS)


def test_the_sweeps_of_many_recordings_are_led_to_and_not_held(study):
    results = Results(study, ANALYSES["membrane_test"], "test_steps")
    ids = [f"r{i}" for i in range(200)]
    write_table(pd.DataFrame({"recording_id": ids}), results.folder / "verdicts.csv")
    for page in page_files("test_steps", ids):
        (study.root / page).parent.mkdir(parents=True, exist_ok=True)
        (study.root / page).write_text("p", encoding="utf-8")
    lead = chapters.CHAPTERS["membrane_test"].elsewhere(results, "sweeps.svg").html
    assert re.findall(r'href="([^"]+)"', lead) == [
        "sweeps/test_steps.0.html",
        "sweeps/test_steps.1.html",
        "../quality/test_steps/sweeps.svg",
    ]
    assert chapters.CHAPTERS["membrane_test"].elsewhere(results, "numbers.svg").html == ""
    write_table(pd.DataFrame({"recording_id": ids[:40]}), results.folder / "verdicts.csv")
    assert chapters.CHAPTERS["membrane_test"].elsewhere(results, "sweeps.svg").html == ""


def test_of_recordings_that_all_pass_nothing_is_left_out(study):
    path = study.results / "recordings" / "quality.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_bytes() if path.exists() else None
    path.write_text("recording_id,verdict,reason\nr1,pass,\nr2,pass,\n", encoding="utf-8")
    assert len(chapters.not_passed(study, "recordings")) == 0
    path.write_text("recording_id,verdict,reason\nr1,pass,\nr2,warn,noise\n", encoding="utf-8")
    assert list(chapters.not_passed(study, "recordings")["name"]) == ["r2"]
    path.unlink() if kept is None else path.write_bytes(kept)


def test_the_method_of_recordings_names_what_was_measured_otherwise():
    settings = {
        "windows_ms": {"epoch": "B", "baseline": [-5, 0], "peak": [0.3, 5], "steady": [15, 24]},
        "polarity": "inward",
        "fit_window": "peak",
        "overrides": {f"r{i}": {"polarity": "outward"} for i in range(8)},
    }
    told = measured_in_windows(SimpleNamespace(settings=settings))
    assert told == (
        "windows from the start of epoch B: baseline -5 to 0 ms, peak 0.3 to 5 ms, steady 15 to 24 ms (others for r0, "
        "r1, r2, r3, r4, r5 ...); peak inward; fitted is the peak; corrections: none"
    )
    del settings["overrides"], settings["fit_window"]
    assert measured_in_windows(SimpleNamespace(settings=settings)).endswith(
        "15 to 24 ms; peak inward; corrections: none"
    )


def test_the_n_under_a_relation_is_of_what_is_drawn():
    columns = ["group", "n_cells", "n_animals"]
    tables = {"groups.csv": pd.DataFrame([("a", 2, 2), ("a", 1, 1)], columns=columns)}
    results = SimpleNamespace(table=tables.__getitem__, analysis=ANALYSES["current_voltage"])
    assert count_drawn(results) == "n, a: 2 cells, 2 animals."


@pytest.mark.parametrize(("dunnett", "heads"), [(0.04, 1), (float("nan"), 0)])
def test_groups_of_an_atpase_assay_are_compared_as_everywhere_else(study, dunnett, heads):
    results = Results(study, ANALYSES["atpase_activity"], "microsomes")
    row = dict.fromkeys(COMPARISON_COLUMNS, 1.0) | {
        "model": "michaelis_menten_free_magnesium", "quantity": "vmax", "group_a": "control", "group_b": "low",
        "scale": "ratio",
        "method": "Welch t test", "reason": "", "difference": 0.68, "ci_low": 0.5, "ci_high": 0.9, "n_animals": 6,
    }  # fmt: skip
    results.folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row | {"p_dunnett": dunnett}]).to_csv(results.folder / "comparisons.csv", index=False)
    html = chapters.atpase.compared(results)
    assert "low over control" in html
    assert "0.680 [0.500, 0.900]" in html
    assert html.count("p (Dunnett)") == heads
    assert "p (Holm)" in html


def test_a_difference_of_groups_of_the_coupled_assay_is_not_called_a_ratio(study):
    results = Results(study, ANALYSES["coupled_assay"], "coupled")
    row = dict.fromkeys(COMPARISON_COLUMNS, 1.0) | {
        "model": "coupled assay", "quantity": "ouabain_sensitive", "group_a": "control", "group_b": "low",
        "scale": "difference", "method": "Welch t test", "reason": "", "difference": -2.05, "n_animals": 6,
    }  # fmt: skip
    results.folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row]).to_csv(results.folder / "comparisons.csv", index=False)
    assert "low minus control" in chapters.atpase.compared(results)
