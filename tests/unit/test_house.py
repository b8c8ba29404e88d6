"""The house in order: floors, locks, one rule and one notebook for each analysis, notebooks fit to be compared."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from mgk.analyses import ANALYSES
from mgk.notebooks import default_parameters
from mgk.report.chapters import CHAPTERS
from mgk.tables.yaml_file import load_yaml

HOUSE = Path(__file__).parents[2]
PACKAGE = HOUSE / "workflow" / "mgk"
NOTEBOOKS = sorted((HOUSE / "notebooks").glob("*.ipynb"))

FLOORS = (
    {"constants", "environment", "analyses", "batches", "fitting", "statistics", "tables", "study", "whole_files"},
    {"solutions", "recordings", "plates", "stacks"},
    {"magnesium", "atpase", "measured_currents", "currents", "gating", "block", "salts", "relaxation", "curves", "meta"}
    | {"equilibria", "excitability", "synthesis", "unitary"},
    {"figures"},
    {
        "digest",
        "notebooks",
        "jobs",
        "report",
        "provenance",
        "checks",
        "committed",
        "run",
        "simulate",
        "upstream",
        "verification",
        "progress",
        "attention",
        "new_study",
        "crate",
        "reference",
        "one_run",
        "checksums",
    },
)


def floor_of(name: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if name in floor)


def modules():
    return [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_floor_imports_a_higher_one(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names = [node.module] + ([f"mgk.{a.name}" for a in node.names] if node.module == "mgk" else [])
        for name in names:
            assert name.split(".")[0] != "snakemake", "the package does not know Snakemake"
            parts = name.split(".")
            if parts[0] == "mgk" and len(parts) > 1:
                assert floor_of(parts[1]) <= floor_of(own), f"{own} imports {name}"


def test_locks_hold_hashes_and_no_address():
    for lock in ("requirements.txt", "requirements-lab.txt", "requirements-convert.txt"):
        text = (HOUSE / lock).read_text(encoding="utf-8")
        assert "://" not in text
        pins = re.findall(r"^([a-z0-9.-]+)==\S+", text, re.MULTILINE)
        assert len(pins) > (25 if lock == "requirements-convert.txt" else 100)
        for block in re.split(r"\n(?=[a-z0-9])", text.strip()):
            assert "--hash=sha256:" in block, block[:60]


def test_the_run_environment_leaves_jupyterlab_out():
    run = (HOUSE / "requirements.txt").read_text(encoding="utf-8")
    lab = (HOUSE / "requirements-lab.txt").read_text(encoding="utf-8")
    assert not re.search(r"^jupyterlab==|^jupyter-server==", run, re.MULTILINE)
    assert re.search(r"^jupyterlab==", lab, re.MULTILINE)
    pins = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", run, re.MULTILINE))
    lab_pins = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", lab, re.MULTILINE))
    assert {n: v for n, v in lab_pins.items() if n in pins} == pins


def test_environment_yml_is_conda_s_shell_around_the_same_lock():
    data, _ = load_yaml(HOUSE / "environment.yml")
    assert data["dependencies"] == ["python=3.12", "pip", {"pip": ["-r requirements.txt"]}]


def test_the_snakefile_is_a_table_of_contents():
    assert len((HOUSE / "Snakefile").read_text(encoding="utf-8").splitlines()) <= 60


def test_each_analysis_has_its_rule_and_its_notebook_and_the_reverse():
    rules = "\n".join(p.read_text(encoding="utf-8") for p in (HOUSE / "workflow" / "rules").glob("*.smk"))
    for analysis in ANALYSES.values():
        rule = re.search(rf"^rule {analysis.name}:\n(    .*\n|\n)+", rules, re.MULTILINE)
        assert rule, analysis.name
        assert rule[0].splitlines()[1].startswith('    """'), "a docstring comes first"
        assert "\n    message:\n" in rule[0]
    stems = {a.notebook for a in ANALYSES.values()} | {"90_report"}
    assert {p.stem for p in NOTEBOOKS} == stems


def test_each_rule_says_what_its_jobs_ask_of_a_cluster():
    found = {}
    for path in (HOUSE / "workflow" / "rules").glob("*.smk"):
        for name, body in re.findall(
            r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            asked = re.search(r'resources:\n +mem_mb=memory\("(\w+)"\),\n +runtime=minutes\("(\w+)"\),\n', body)
            found[name] = asked and asked[1] == asked[2]
    assert {*ANALYSES, "measure_recordings", "report"} <= set(found)
    assert [name for name, asked in found.items() if not asked] == []


def test_each_analysis_has_its_chapter_and_the_reverse():
    assert list(CHAPTERS) == list(ANALYSES)
    for name, chapter in CHAPTERS.items():
        assert chapter.about.startswith("## "), name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestNotebook:
    def test_parameters_are_literals(self, path):
        defaults = default_parameters(path)
        assert defaults["study"] == ".."
        assert str(defaults["output"]).startswith("../results/by_hand/")

    def test_it_is_for_reading(self, path):
        cells = nbformat.read(path, as_version=4).cells
        code = [c for c in cells if c.cell_type == "code"]
        text = [c for c in cells if c.cell_type == "markdown"]
        assert len(code) <= 15
        assert len(text) >= len(code) / 2
        assert cells[0].cell_type == "markdown"
        assert cells[0].source.startswith("# ")
        for cell in code:
            lines = cell.source.rstrip().splitlines()
            assert lines, "an empty code cell"
            assert not lines[-1].rstrip().endswith(";"), "nbval fails falsely on a line that ends in ;"
            assert len(lines) <= 30, "helpers live in the package"

    def test_every_code_cell_was_executed_so_that_nbval_compares_it(self, path):
        code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        assert [c.execution_count for c in code] == list(range(1, len(code) + 1))

    def test_every_plotting_cell_has_its_picture(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "style.save(" in cell.source:
                kinds = {k for o in cell.outputs for k in o.get("data", {})}
                assert "image/png" in kinds, cell.source

    def test_it_is_normalised_and_holds_no_place_of_a_machine(self, path):
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
        assert "papermill" not in document["metadata"]
        assert not any("papermill" in c["metadata"] for c in document["cells"])
        assert [c["id"] for c in document["cells"]] == [f"c{i}" for i in range(len(document["cells"]))]
        assert not any("injected-parameters" in c["metadata"].get("tags", []) for c in document["cells"])
        without_pictures = re.sub(r'"image/png": "[^"]*"|base64,[A-Za-z0-9+/=\\n]*', "", text)
        assert not re.search(r"/(home|root|work|tmp|Users|private)/", without_pictures)
        assert not re.search(r"0x[0-9a-f]{8,}", without_pictures), "an address of an object"
        for cell in document["cells"]:
            for output in cell.get("outputs", []):
                assert output["output_type"] != "error"
                assert output.get("name") != "stderr", "a notebook ends without warnings"


WRITERS = {
    "write_text",
    "write_bytes",
    "to_csv",
    "to_json",
    "savefig",
    "imwrite",
    "tofile",
    "save",
    "savetxt",
    "TiffWriter",
}
APART = {
    ("jobs.py", "job"), ("notebooks.py", "_execute"),  # logs grow while a job runs
    ("one_run.py", "hold"), ("one_run.py", "is_left_over"),  # a file that is only locked
    ("notebooks.py", "run_notebook"), ("build.py", "build_report"),  # copies beside a log, moved or removed later
    ("style.py", "_ipython_display_"), ("style.py", "_in_few_colours"),  # in memory
    ("convert_plate.py", "main"),  # moves its file itself: its environment does not have the package
}  # fmt: skip


def writes(call: ast.Call) -> bool:
    """Tell whether a call writes a file: an `open` by its mode, the others by their name and that they have a place."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("open", "ZipFile"):
        given = [*call.args, *(k.value for k in call.keywords)]
        return any(isinstance(g, ast.Constant) and re.fullmatch(r"[wax]b?\+?t?", str(g.value)) for g in given)
    if ast.unparse(call.func) == "nbformat.write":
        return True
    return name in WRITERS and bool(call.args)


def written_directly(tree: ast.AST) -> list[tuple[str, int]]:
    """Return function and line of each call that writes a file outside of a `with whole_file(...)`."""
    found = []

    def look(node: ast.AST, function: str, whole: bool) -> None:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.With):
            whole = whole or any("whole_file(" in ast.unparse(item.context_expr) for item in node.items)
        if isinstance(node, ast.Call) and writes(node) and not whole:
            found.append((function, node.lineno))
        for child in ast.iter_child_nodes(node):
            look(child, function, whole)

    look(tree, "", False)
    return found


def test_what_writes_directly_is_seen():
    text = "def f(p):\n    p.write_text('')\n    with whole_file(p) as beside:\n        beside.write_text('')\n"
    text += "    open(p, 'w')\n    p.open('ab')\n    p.open()\n    t.to_csv(index=False)\n    t.to_csv(p)\n"
    assert written_directly(ast.parse(text)) == [("f", 2), ("f", 5), ("f", 6), ("f", 9)]


def test_a_file_appears_whole_or_not_at_all():
    """It is written beside its place and moved there, by `mgk.whole_files` alone."""
    places = [p for p in modules() if p.name != "whole_files.py"]
    places += [HOUSE / "validation" / "run.py", *(HOUSE / "workflow" / "scripts").glob("*.py")]
    found = [(p.name, *w) for p in places for w in written_directly(ast.parse(p.read_text(encoding="utf-8")))]
    assert [(name, function, line) for name, function, line in found if (name, function) not in APART] == []
    assert {(name, function) for name, function, _ in found} == APART, "no exception that is not needed"


def test_a_number_of_json_schemas_and_every_column_described():
    for path in (HOUSE / "workflow" / "schemas").glob("*.schema.yaml"):
        schema, _ = load_yaml(path)
        assert schema["description"]
        if path.name.split(".")[0] in ("config", "solutions"):
            continue
        for column, rule in schema["properties"].items():
            assert rule.get("description"), f"{path.name}: {column}"
            suffix = re.search(r"_(mv|pa|mm|um|ms|s|c|pf|mohm|nmol|ug|ul|min)$", column)
            if suffix and rule["type"] == "number":
                assert "unit" in rule, f"{path.name}: {column} has no unit"


DOCUMENTS = [f for places in ("*.md", "docs/**/*.md", "*/README.md", "tests/**/README.md") for f in HOUSE.glob(places)]


def anchor_of(heading: str) -> str:
    """Return the anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(HOUSE)))
def test_the_links_and_pictures_of_a_document_are_there(document):
    links = re.findall(r"(?<!`)\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    for link in (link for link in links if not link.startswith(("http", "mailto:"))):
        address, _, anchor = link.partition("#")
        target = document.parent / address if address else document
        if "|" not in link:  # a pattern in a table of columns
            assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+\s+(.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(anchor_of, headings), link
