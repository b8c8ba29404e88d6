"""The crate of a run: whole, without loose ends, without names; a validator accepts it where one is installed.

The validator is no part of the environments: `pip install roc-validator` in one of its own, and its `rocrate-validator`
on the PATH. It needs the network for the contexts of the standards.
"""

import json
import platform
import shutil
import subprocess
import zipfile

import pytest
from studies import HOUSE, small_study

from mgk.analyses import ANALYSES
from mgk.checks import study_files
from mgk.crate import METADATA, PLACE, PROFILES, export_crate, main, write_crate
from mgk.notebooks import default_parameters, parameters_given
from mgk.provenance import MANIFEST, manifest_of, run_of, sha256, write_json
from mgk.study import Study

RUN = "results/provenance/run.json"
VALIDATED = ("process-run-crate-0.5", "workflow-run-crate-0.5", "workflow-ro-crate-1.0")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study whose results are there in name: what a crate says of them does not rest on their content."""
    root = small_study(tmp_path_factory.mktemp("crate") / "study", "plates", "clinical")
    study = Study.open(root)
    made = [f for a, e in study.analyses() for f in (*ANALYSES[a].outputs(e), *ANALYSES[a].inputs(e))]
    made += [ANALYSES[a].executed(e) for a, e in study.analyses()]
    made += ["results/notebooks/90_report.ipynb", "results/report/report.html", "results/solutions/free_ions.csv"]
    for name in made:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    (root / MANIFEST).parent.mkdir()
    read = {name: sha256(root / name) for name in study_files(study)}
    run, manifest = run_of(parameters_given(study)), manifest_of(root, read, sorted(set(made)))
    write_crate(root, manifest, run)
    write_json(root / RUN, run)
    write_json(root / MANIFEST, manifest)
    return root


@pytest.fixture(scope="module")
def entities(finished):
    graph = json.loads((finished / PLACE).read_text(encoding="utf-8"))["@graph"]
    found = {e["@id"]: e for e in graph}
    assert len(found) == len(graph), "each entity stands once"
    return found


def references(value):
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        else:
            for inside in value.values():
                yield from references(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from references(inside)


def ids(value):
    return [r["@id"] for r in value]


def test_every_reference_leads_to_an_entity_and_every_entity_is_referred_to(entities):
    outside = {"https://w3id.org/ro/crate/1.1", "https://doi.org/10.12688/f1000research.29032.2",
               "https://snakemake.github.io"}  # fmt: skip
    referred = {r for e in entities.values() for r in references(e)}
    assert referred - set(entities) == outside
    assert set(entities) - referred == {METADATA}
    assert set(ids(entities["./"]["conformsTo"])) == set(PROFILES)


def test_every_input_and_output_is_there_with_its_checksum(finished, entities):
    manifest = json.loads((finished / MANIFEST).read_text())
    for name, checksum in {**manifest["inputs"], **manifest["outputs"]}.items():
        assert entities[name]["sha256"] == checksum == sha256(finished / name)
        assert {"@id": name} in entities["./"]["hasPart"]


def test_each_executed_notebook_is_an_action_with_its_tool_inputs_outputs_and_parameters(finished, entities):
    study = Study.open(finished)
    for name, experiment in study.analyses():
        analysis = ANALYSES[name]
        stem = f"{analysis.notebook}__{experiment}"
        action = entities[f"#{stem}"]
        assert action["@type"] == "CreateAction"
        assert action["instrument"]["@id"] == f"notebooks/{analysis.notebook}.ipynb"
        assert set(ids(action["result"])) == {*analysis.outputs(experiment), analysis.executed(experiment)}
        objects = ids(action["object"])
        given = {entities[o]["name"]: entities[o]["value"] for o in objects if "/" in o and o.startswith("#")}
        assert given == {"study": "..", "experiment": experiment, "output": f"../{analysis.folder(experiment)}"}
        assert set(given) == set(default_parameters(HOUSE / "notebooks" / f"{analysis.notebook}.ipynb"))
    plates = ids(entities["#40_magnesium_calibration__platelets"]["object"])
    assert {"config.yaml", "raw_data/plates/platelets_run1.txt", "raw_data/layouts/platelets_run1.csv"} <= set(plates)
    assert not any("microsomes" in o for o in plates)
    assert entities["#run"]["instrument"]["@id"] == "Snakefile"
    assert "raw_data/clinical/iv_magnesium.csv" in ids(entities["#run"]["object"])
    assert "results/report/report.html" in ids(entities["#90_report"]["result"])


def test_it_names_no_person_machine_or_folder(finished):
    text = (finished / PLACE).read_text(encoding="utf-8")
    assert platform.node() not in text
    assert str(finished) not in text
    assert "/home/" not in text
    assert "Person" not in text


def test_the_same_run_gives_the_same_metadata(finished):
    before = (finished / PLACE).read_bytes()
    manifest, run = (json.loads((finished / name).read_text()) for name in (MANIFEST, RUN))
    assert write_crate(finished, manifest, run).read_bytes() == before


def test_the_zip_holds_all_that_the_metadata_name_and_the_code(finished, entities, tmp_path):
    with zipfile.ZipFile(export_crate(finished, tmp_path / "crate.zip")) as archive:
        names = set(archive.namelist())
        assert archive.read(METADATA) == (finished / PLACE).read_bytes()
    assert {name for name, e in entities.items() if "File" in e["@type"]} <= names
    assert {"Snakefile", "workflow/mgk/study.py", "workflow/rules/report.smk", "profiles/default/config.yaml"} <= names
    assert not any("__pycache__" in n for n in names)


def test_results_that_were_changed_are_not_exported(finished, tmp_path, capsys):
    study = shutil.copytree(finished, tmp_path / "study")
    assert main([str(study)]) == 0
    assert "crate.zip" in capsys.readouterr().out
    (study / "results/report/report.html").write_text("another")
    assert main([str(study)]) == 1
    assert "results/report/report.html': this file is not the one" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("rocrate-validator"), reason="roc-validator is not installed")
@pytest.mark.parametrize("profile", VALIDATED)
def test_a_validator_accepts_it(finished, tmp_path, profile):
    with zipfile.ZipFile(export_crate(finished, tmp_path / "crate.zip")) as archive:
        archive.extractall(tmp_path / "crate")
    command = ["rocrate-validator", "-y", "validate", "-l", "required", "-p", profile, "--no-paging", "."]
    done = subprocess.run(command, cwd=tmp_path / "crate", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
