"""A run as a Workflow Run RO-Crate: what was run on what, by which notebook with which parameters, into what.

    python -m mgk.crate study     # the study's crate.zip: metadata, code, raw data, results

The metadata follow RO-Crate 1.1 with the profiles Process Run Crate 0.5, Workflow Run Crate 0.5 and Workflow RO-Crate
1.0. Paths in them are relative to the study's folder, the crate's root, in which the code lies as in the repository:
the demonstration is its own crate, and `crate.zip` puts the two together for any study. Nothing names a person, a
machine or a registry. The JSON is written here and not by the library `rocrate`: it is one flat list of entities
without random ids, and the run needs no further package for it.
"""

import argparse
import json
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

from mgk.analyses import ANALYSES, EXPERIMENT_TABLES, Analysis
from mgk.provenance import HOUSE, MANIFEST, require_intact, sha256
from mgk.study import Study
from mgk.tables.problems import InputError
from mgk.upstream import raw_files
from mgk.whole_files import whole_file, write_whole

METADATA = "ro-crate-metadata.json"
PLACE = f"results/provenance/{METADATA}"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
WORKFLOW, REPORT = "Snakefile", "90_report"
LICENSE, AGENT, LANGUAGE, PYTHON = "LICENSE", "#analyst", "#snakemake", "https://www.python.org"
SNAKEMAKE = "https://snakemake.github.io"
CODE = ("Snakefile", "LICENSE", "README.md", "CITATION.cff", "pyproject.toml", "requirements.txt", "profiles")
MEDIA = {
    ".csv": "text/csv", ".json": "application/json", ".html": "text/html", ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml", ".ipynb": "application/x-ipynb+json", ".sha256": "text/plain", ".md": "text/markdown",
    ".xml": "application/xml", ".abf": "application/octet-stream", "": "text/plain",
}  # fmt: skip
EARLIEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def crate_metadata(study: Study, manifest: dict, run: dict) -> dict:
    """Return the metadata of a finished run.

    Parameters
    ----------
    study : the study.
    manifest, run : its manifest.json and run.json.
    """
    files = {**manifest["inputs"], **manifest["outputs"]}
    actions = [_analysis_action(study, ANALYSES[a], e, run, files) for a, e in study.analyses()]
    actions = [_workflow_action(manifest, run), *actions, _report_action(manifest, run)]
    notebooks = sorted({_notebook(ANALYSES[a].notebook) for a, _ in study.analyses()} | {_notebook(REPORT)})
    extra = [LICENSE, "README.md", "requirements.txt", MANIFEST, "results/provenance/run.json"]
    parts = [WORKFLOW, *notebooks, *extra, *files]
    entities = [
        _descriptor(),
        _root(study, run, parts, actions),
        *({"@id": p, "@type": "CreativeWork", "name": n, "version": p.rpartition("/")[2]} for p, n in PROFILES.items()),
        _workflow(notebooks),
        *_software(run),
        {"@id": AGENT, "@type": "Organization", "name": "Those who ran the study (not named)"},
        *(_tool(n) for n in notebooks),
        *(_file(name, "") for name in extra),
        *(_file(name, checksum) for name, checksum in files.items()),
        *actions,
        *_parameters(run),
    ]
    return {"@context": CONTEXT, "@graph": entities}


def _descriptor() -> dict:
    conforms = ["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]
    return {"@id": METADATA, "@type": "CreativeWork", "about": _ref("./"), "conformsTo": _refs(conforms)}


def _root(study: Study, run: dict, parts: list[str], actions: list[dict]) -> dict:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": study.title,
        "description": f"A study run by mgk. Its data are {study.data_kind}; the report says which are which.",
        "datePublished": run["finished"],
        "license": _ref(LICENSE),
        "conformsTo": _refs(PROFILES),
        "mainEntity": _ref(WORKFLOW),
        "hasPart": _refs(parts),
        "mentions": _refs(a["@id"] for a in actions),
    }


def _workflow(notebooks: list[str]) -> dict:
    return {
        "@id": WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Raw recordings, plates and clinical tables to one report",
        "description": "The Snakemake workflow: readers, one notebook per analysis and experiment, report.",
        "version": version("mgk"),
        "programmingLanguage": _ref(LANGUAGE),
        "encodingFormat": "text/x-snakemake",
        "license": _ref(LICENSE),
        "hasPart": _refs(notebooks),
    }


def _software(run: dict) -> list[dict]:
    packages = run["packages"]
    language = {"@id": LANGUAGE, "@type": "ComputerLanguage", "name": "Snakemake", "version": packages["snakemake"]}
    language |= {"identifier": _ref("https://doi.org/10.12688/f1000research.29032.2"), "url": _ref(SNAKEMAKE)}
    python = {"@id": PYTHON, "@type": "SoftwareApplication", "name": "Python", "version": run["python"]}
    return [language, python | {"url": _ref(PYTHON)}]


def _tool(notebook: str) -> dict:
    return {
        "@id": notebook,
        "@type": ["File", "SoftwareSourceCode"],
        "name": Path(notebook).stem,
        "description": "A Jupyter notebook, executed by papermill.",
        "version": version("mgk"),
        "encodingFormat": MEDIA[".ipynb"],
        "softwareRequirements": _refs([PYTHON, "requirements.txt"]),
    }


def _file(name: str, checksum: str) -> dict:
    suffix = Path(name).suffix
    entity = {"@id": name, "@type": "File", "name": Path(name).name}
    entity |= {"encodingFormat": MEDIA[suffix]} if suffix in MEDIA else {}
    entity |= {"about": _ref("./")} if name == "README.md" else {}
    return entity | ({"sha256": checksum} if checksum else {})


def _workflow_action(manifest: dict, run: dict) -> dict:
    made = [*manifest["outputs"], MANIFEST]
    return _action("#run", "The run of the workflow", WORKFLOW, manifest["inputs"], made, run)


def _analysis_action(study: Study, analysis: Analysis, experiment: str, run: dict, files: dict) -> dict:
    executed = analysis.executed(experiment)
    used = [*raw_files(study, analysis.section, experiment), *analysis.inputs(experiment)]
    if study.solutions() and analysis.section in (*EXPERIMENT_TABLES, "solutions", "equilibria"):
        used.append("results/solutions/free_ions.csv")
    used += [f for a, e in study.rests_on(analysis.section) for f in ANALYSES[a].outputs(e)]
    made = [*analysis.outputs(experiment), executed]
    stem, title = Path(executed).stem, f"{analysis.title}: {experiment}"
    objects = [f for f in used if f in files]
    return _action(f"#{stem}", title, _notebook(analysis.notebook), objects, [f for f in made if f in files], run)


def _report_action(manifest: dict, run: dict) -> dict:
    pages = [f for f in manifest["outputs"] if f.startswith("results/report/") or f.endswith(f"{REPORT}.ipynb")]
    used = [f for f in manifest["outputs"] if f not in pages and f.endswith((".csv", ".svg"))]
    return _action(f"#{REPORT}", "The report", _notebook(REPORT), used, pages, run)


def _action(name: str, title: str, instrument: str, used, made, run: dict) -> dict:
    given = run.get("parameters", {}).get(name.removeprefix("#"), {})
    return {
        "@id": name,
        "@type": "CreateAction",
        "name": title,
        "description": f"{instrument} was run to its end.",
        "instrument": _ref(instrument),
        "agent": _ref(AGENT),
        "object": _refs([*used, *(_parameter_id(name, p) for p in given)]),
        "result": _refs(made),
        "endTime": run["finished"],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _parameters(run: dict) -> list[dict]:
    """Return each value that a notebook was given."""
    return [
        {"@id": _parameter_id(f"#{stem}", name), "@type": "PropertyValue", "name": name, "value": value}
        for stem, given in run.get("parameters", {}).items()
        for name, value in given.items()
    ]


def _parameter_id(action: str, name: str) -> str:
    return f"{action}/{name}"


def _notebook(stem: str) -> str:
    return f"notebooks/{stem}.ipynb"


def _ref(name: str) -> dict:
    return {"@id": name}


def _refs(names) -> list[dict]:
    return [_ref(n) for n in dict.fromkeys(names)]


def write_crate(root: Path, manifest: dict, run: dict) -> Path:
    """Write the metadata of a run that ends, from what its manifest.json and run.json say; return the file."""
    metadata = crate_metadata(Study.open(root), manifest, run)
    return write_whole(root / PLACE, json.dumps(metadata, indent=1) + "\n")


def export_crate(root: Path, path: Path) -> Path:
    """Write a whole crate as a zip: metadata at its root, the code, the inputs and results that the manifest names.

    Raises
    ------
    InputError
        When the results are not as their manifest says.
    """
    require_intact(root)
    metadata = json.loads((root / PLACE).read_text(encoding="utf-8"))
    named = {e["@id"] for e in metadata["@graph"] if "File" in e["@type"]}
    sources = {f.relative_to(HOUSE).as_posix(): f for f in _code()}
    sources |= {name: root / name for name in named if (root / name).is_file() and name not in sources}
    sources[METADATA] = root / PLACE
    with whole_file(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for name, file in sorted(sources.items()):
            entry = zipfile.ZipInfo(name, EARLIEST_ZIP_DATE)
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=6)
    return path


def _code() -> list[Path]:
    """Return the files of the repository that a run rests on."""
    folders = [HOUSE / "notebooks", HOUSE / "workflow", HOUSE / "profiles"]
    inside = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    kept = [f for f in inside if not {"__pycache__", ".ipynb_checkpoints"} & set(f.parts)]
    return [HOUSE / name for name in CODE if (HOUSE / name).is_file()] + kept


def main(arguments: list[str] | None = None) -> int:
    """Write a finished study with its code as one RO-Crate, results/provenance/crate.zip."""
    parser = argparse.ArgumentParser(prog="python -m mgk.crate", description=main.__doc__)
    parser.add_argument("study", type=Path, help="the folder of a study that was run to its end")
    root = parser.parse_args(arguments).study
    try:
        path = export_crate(root, root / "results" / "provenance" / "crate.zip")
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{path}  ({path.stat().st_size / 1e6:.1f} MB, sha256 {sha256(path)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
