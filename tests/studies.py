"""Small studies, cut from the demonstration, and how to run one as a user does."""

import shutil
import site
import subprocess
import sys
import venv
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
from ruamel.yaml import YAML

HOUSE = Path(__file__).parents[1]
EXEMPT = ("run.json", "ro-crate-metadata.json", "provenance.html")
YAML_WRITER = YAML()


def load_config(study: Path) -> dict:
    return YAML_WRITER.load((study / "config.yaml").read_text(encoding="utf-8"))


def save_config(study: Path, config: dict) -> None:
    with (study / "config.yaml").open("w", encoding="utf-8") as file:
        YAML_WRITER.dump(config, file)


def small_study(study: Path, *sections: str, experiments: tuple[str, ...] = ()) -> Path:
    """Write a study with some sections of the demonstration and a part of its raw data (one clinical analysis).

    Of recordings, plates and curves only the named `experiments` are kept, when any is named.
    """
    raw, target = HOUSE / "raw_data", study / "raw_data"
    target.mkdir(parents=True)
    whole = load_config(HOUSE)
    config = {k: v for k, v in whole.items() if k in {"study", "solutions", *sections}}
    for section in {"recordings", "plates", "curves"} & set(config):
        found = config[section]["experiments"]
        config[section]["experiments"] = {k: v for k, v in found.items() if not experiments or k in experiments}
    if "clinical" in config:
        config["clinical"] = {"analyses": dict([next(iter(config["clinical"]["analyses"].items()))])}
        shutil.copytree(raw / "clinical", target / "clinical")
    save_config(study, config)
    if {"recordings", "plates"} & set(sections):
        shutil.copy(raw / "solutions.yaml", target)
    for section in {"recordings", "plates", "curves"} & set(sections):
        table = read_rows(HOUSE, section)
        table = table[table["experiment"].isin(list(config[section]["experiments"]))]
        if section == "recordings":
            cells = table.groupby("animal_id", sort=False)["cell_id"].first().groupby(level=0).first()
            of_cells = table[table["cell_id"].isin(set(cells))]
            few = of_cells.groupby("condition").head(8)
            kept = {*few["recording_id"], *few["leak_recording_id"]}
            table = of_cells[of_cells["recording_id"].isin(kept)]
        write_rows(study, section, table)
        copy_files(study, [name for column in {"file", "layout"} & set(table) for name in table[column]])
    return study


def read_rows(study: Path, section: str) -> pd.DataFrame:
    """Return recordings.csv, plates.csv or curves.csv of a study as text."""
    return pd.read_csv(study / "raw_data" / f"{section}.csv", dtype=str, keep_default_na=False)


def write_rows(study: Path, section: str, table: pd.DataFrame) -> None:
    table.to_csv(study / "raw_data" / f"{section}.csv", index=False)


def copy_files(study: Path, files) -> None:
    for name in dict.fromkeys(files):
        target = study / "raw_data" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOUSE / "raw_data" / name, target)


def run_study(study: Path, *extra: str, python: Path | str = sys.executable) -> subprocess.CompletedProcess:
    """Run a study as `make report STUDY=...` does."""
    command = [str(python), "-m", "mgk.run", str(study), *extra]
    return subprocess.run(command, cwd=study.parent, capture_output=True, text=True, timeout=600, check=False)


def result_bytes(study: Path) -> dict[str, bytes]:
    """Every result of a study but logs and the exempt provenance files."""
    results = study / "results"
    files = (f for f in results.rglob("*") if f.is_file() and "logs" not in f.relative_to(results).parts)
    return {str(f.relative_to(results)): f.read_bytes() for f in files if f.name not in EXEMPT}


def bare_house_copy(house: Path) -> Path:
    """Copy the house without its environment."""
    ignored = shutil.ignore_patterns(".venv*", ".git", "results", ".snakemake", ".hypothesis", "__pycache__")
    return shutil.copytree(HOUSE, house, ignore=ignored)


def house_copy(folder: Path) -> tuple[Path, Path]:
    """Copy the house, to be changed; return it and a Python that uses the copy with the packages of this one."""
    house = bare_house_copy(folder / "house")
    venv.create(folder / "python", symlinks=True)
    python = folder / "python" / "bin" / "python"
    (folder / "python" / "share").symlink_to(Path(sys.prefix) / "share")  # nbconvert's templates, kernels
    asked = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    )
    paths = "\n".join([str(house / "workflow"), *site.getsitepackages()])
    (Path(asked.stdout.strip()) / "house.pth").write_text(paths + "\n", encoding="utf-8")
    return house, python


class Links(HTMLParser):
    """The anchors and links of a page."""

    def __init__(self, page):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            assert attributes["id"] not in self.anchors
            self.anchors.add(attributes["id"])
        if tag == "a":
            self.links.append(attributes)


def follow_links(study: Path) -> tuple[int, list[tuple[str, str]]]:
    """Follow the links of all pages of a report; return how many lead somewhere, and page and address of the others."""
    pages = {page.resolve(): Links(page) for page in (study / "results/report").rglob("*.html")}
    followed, dangling = 0, []
    for page, found in pages.items():
        for link in found.links:
            if "download" in link or link["href"].startswith(("http", "mailto:")):
                continue
            address, _, anchor = unquote(link["href"]).partition("#")
            target = (page.parent / address).resolve() if address else page
            assert target.is_relative_to(study.resolve()), "a link stays in the study"
            there = target.is_file() and (not anchor or anchor in pages[target].anchors)
            followed += there
            dangling += [] if there else [(page.name, link["href"])]
    return followed, dangling
