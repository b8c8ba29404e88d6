"""The page of provenance: every file with its checksum, the steps as a picture and in words."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from studies import HOUSE, small_study

from mgk.checks import study_files
from mgk.notebooks import parameters_given
from mgk.provenance import manifest_of, run_of, sha256
from mgk.report.graph import HEIGHT, MOST_LETTERS, WIDTH, graph_of, graph_svg
from mgk.report.html import CSV_ADDRESS
from mgk.report.provenance_page import write_provenance_page
from mgk.report.tables_script import SCRIPT
from mgk.study import Study


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = small_study(tmp_path_factory.mktemp("p") / "study", "recordings", "plates", "clinical")
    config = root / "config.yaml"
    config.write_text(
        config.read_text(encoding="utf-8").replace("a demonstration", "<script>x</script>"), encoding="utf-8"
    )
    return root


@pytest.fixture(scope="module")
def study(root):
    return Study.open(root)


def test_every_notebook_stands_between_its_raw_files_and_the_report(study):
    graph = graph_of(study)
    into = {end: {a for a, b in graph.edges if b == end} for _, end in graph.edges}
    for analysis, experiment in study.analyses():
        assert f"{analysis} {experiment}" in into["report"]
    assert into["atpase_activity microsomes"] == {"read plates microsomes", "read solutions solutions"}
    assert into["magnesium_block romk_block"] == {"read recordings romk_block", "read solutions solutions"}
    assert into["clinical_summary iv_magnesium_infarction"] == {"raw clinical iv_magnesium_infarction"}
    assert set(graph.steps) == {name for edge in graph.edges for name in edge}


def test_what_joins_results_stands_behind_the_notebooks_that_made_them():
    study = Study.open(HOUSE)
    graph = graph_of(study)
    into = {end: {a for a, b in graph.edges if b == end} for _, end in graph.edges}
    joined = {f"{a} {e}" for a, e in study.rests_on("synthesis")}
    assert {"magnesium_block romk_block", "atpase_activity microsomes"} < joined
    assert into["synthesis synthesis"] == joined
    assert "raw synthesis synthesis" not in graph.steps, "it reads no raw file of its own"
    measured = {f"{a} {e}" for a, e in study.rests_on("equilibria")}
    assert into["equilibria equilibria"] == {"raw equilibria equilibria", *measured}
    assert "synthesis synthesis" in into["report"]
    assert set(graph.steps) == {name for edge in graph.edges for name in edge}


@pytest.mark.parametrize("of", ["part", "demonstration"])
def test_boxes_do_not_overlap_and_edges_lead_to_the_right(of, study):
    graph = graph_of(study if of == "part" else Study.open(HOUSE))
    for a, b in graph.edges:
        assert graph.steps[a].column < graph.steps[b].column
    for column in range(5):
        rows = sorted(s.row for s in graph.steps.values() if s.column == column)
        assert all(b - a >= 1 for a, b in itertools.pairwise(rows))


def test_the_picture_is_sound_xml_with_all_words_within_its_frame(study):
    graph = graph_of(study)
    svg = ElementTree.fromstring(graph_svg(graph, "steps & more"))
    space = "{http://www.w3.org/2000/svg}"
    titles = [t.text for t in svg.iter(f"{space}title")]
    assert titles == ["steps & more", *(s.words for s in graph.steps.values())]
    assert all(len(t.text) <= MOST_LETTERS for t in svg.iter(f"{space}text"))
    for box in svg.iter(f"{space}rect"):
        assert float(box.get("x")) + WIDTH <= float(svg.get("width"))
        assert float(box.get("y")) + HEIGHT <= float(svg.get("height"))
    assert graph_svg(graph, "steps & more") == graph_svg(graph_of(study), "steps & more")


def test_the_page_lists_every_file_and_parameter(root, study):
    (root / "results").mkdir()
    (root / "results/a.csv").write_text("a")
    manifest = manifest_of(root, {f: sha256(root / f) for f in study_files(study)}, ["results/a.csv"])
    page = write_provenance_page(root, manifest, run_of(parameters_given(study))).read_text(encoding="utf-8")
    for name, checksum in {**manifest["inputs"], **manifest["outputs"]}.items():
        assert name in page
        assert checksum in page
    assert "50_atpase_activity__microsomes" in page
    assert "numpy" in page
    assert page.count("<script") == page.count(f"<script>{SCRIPT}</script>") == 1
    assert "&lt;script&gt;x" in page
    elsewhere = [a for a in re.findall(r'href="([^"#]+)"', page) if not a.startswith(CSV_ADDRESS)]
    assert elsewhere == ["data:,", "../report/report.html"]
