"""Diagrams: the drawing in git is that of its source, accessible, and holds the study's numbers as text."""

import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import pytest
from studies import load_config, save_config, small_study

from mgk.analyses import ANALYSES
from mgk.checks import check_study
from mgk.report import diagrams
from mgk.report.diagrams import (
    ARROWS,
    NOT_MEASURED,
    digest_of,
    draw,
    filled,
    numbers_of,
    parts_of,
    read_diagrams,
    words_of,
)
from mgk.report.results import Results
from mgk.study import Study
from mgk.tables.schema import load_schema

ALL = {d.name: d for d in read_diagrams()}
WANTED = {"nmda_receptor", "malate_aspartate_shuttle", "sodium_pump", "aldosterone", "hypomagnesaemia", "patch_clamp"}
every = pytest.mark.parametrize("diagram", ALL.values(), ids=list(ALL))


def test_every_mechanism_of_the_documents_is_there():
    assert set(ALL) == WANTED


@every
class TestDiagram:
    def test_the_drawing_is_that_of_its_source(self, diagram):
        svg = diagram.svg.read_text(encoding="utf-8")
        assert f'data-source-sha256="{digest_of(diagram.source)}"' in svg, "it has drifted: make diagrams"
        assert tuple(sorted(set(diagrams.PLACE.findall(svg)))) == tuple(sorted(diagram.places))

    @pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not there")
    def test_graphviz_draws_the_same_parts(self, diagram):
        """Places differ between versions of graphviz and fonts; names of nodes, arrows and words do not."""
        drawn = parts_of(draw(diagram))
        assert drawn == parts_of(diagram.svg.read_text(encoding="utf-8")), "it has drifted: make diagrams"
        assert len(drawn["node"]) >= 6
        assert len(drawn["edge"]) >= len(drawn["node"]) - 1

    def test_it_tells_a_screen_reader_what_it_shows(self, diagram):
        root = ET.parse(diagram.svg).getroot()
        told = {e.get("id"): e.text for e in root if e.tag.rpartition("}")[2] in ("title", "desc")}
        assert root.get("role") == "img"
        assert root.get("aria-labelledby").split() == list(told)
        assert list(told.values()) == [diagram.title, diagram.description]
        ids = re.findall(r'\bid="([^"]+)"', diagram.svg.read_text(encoding="utf-8"))
        assert all(i.startswith(diagram.name) for i in ids), "ids of two drawings in a page must not meet"

    def test_it_stands_in_a_chapter_and_its_places_have_a_number(self, diagram):
        assert set(diagram.chapter.split(", ")) <= set(ANALYSES)
        assert diagram.stands_in(ANALYSES)
        assert diagram.stands_in(()) is None
        assert set(diagram.places) <= set(ARROWS)


def test_every_key_of_the_config_has_an_arrow_and_the_reverse():
    keys = load_schema("config")["properties"]["diagrams"]["properties"]
    assert set(keys) == {arrow.named_by for arrow in ARROWS.values()} - {""}
    for name, arrow in ARROWS.items():
        assert (
            not arrow.named_by or f"analysis {' or '.join(arrow.analyses)}:" in keys[arrow.named_by]["description"]
        ), name
    assert set(ARROWS) == {place for d in ALL.values() for place in d.places}


def row(estimate=0.6, low=0.5, high=0.7, data="simulated", **more):
    results = SimpleNamespace(data=data)
    return {"estimate": estimate, "ci_low": low, "ci_high": high, "unit": "mM", "results": results, **more}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], NOT_MEASURED),
        ([row()], "0.600 [0.500, 0.700] mM, simulated"),
        ([row(data="measured")], "0.600 [0.500, 0.700] mM"),
        ([row(data="measured", unit="1")], "0.600 [0.500, 0.700]"),
        ([row(), row(estimate=5)], "0.6 to 5 mM, 2 groups, simulated"),
        ([row(verdict="not_identified")], "not identified"),
        ([row(estimate=float("nan"))], "not identified"),
    ],
)
def test_numbers_in_a_few_words(rows, words):
    assert words_of(rows) == words


def test_what_is_put_in_is_text_and_never_markup():
    svg = "<svg><text>Ki(0) {{romk_ki0_____}}</text><text>{{free_magnesium}}</text></svg>"
    found = filled(svg, {"romk_ki0": '<script>"&', "free_magnesium": "1 mM"})
    assert [t.text for t in ET.fromstring(found)] == ['Ki(0) <script>"&', "1 mM"]


@pytest.fixture
def study(tmp_path):
    made = small_study(tmp_path / "study", "recordings")
    config = load_config(made)
    config["diagrams"] = {"romk_block": "romk_block"}
    save_config(made, config)
    return made


def test_an_arrow_has_the_numbers_of_the_experiment_that_the_config_names(study, monkeypatch):
    project = Study.open(study)
    numbers = [{"quantity": "Ki(0) of block by Mg2+", "estimate": 5.0}, {"quantity": "z delta of block by Mg2+"}]
    assert numbers_of(project, "romk_ki0", lambda results: numbers) == [], "not made yet"
    monkeypatch.setattr(Results, "is_there", True)
    [found] = numbers_of(project, "romk_ki0", lambda results: numbers)
    assert (found["estimate"], found["results"].experiment) == (5.0, "romk_block")
    assert numbers_of(project, "nmda_ki0", lambda results: numbers) == [], "the config names none"
    assert numbers_of(project, "pump_reversal", lambda results: numbers) == [], "the study has no such section"


def test_diagrams_stand_where_a_study_asks_for_them(study):
    project = Study.open(study)
    html = diagrams.chapter_diagrams(project, "magnesium_block", lambda results: []).html
    assert html.count("<figure") == sum("magnesium_block" in d.chapter for d in ALL.values())
    assert "{{" not in html
    assert NOT_MEASURED in html
    without = replace(project, config={k: v for k, v in project.config.items() if k != "diagrams"})
    assert diagrams.chapter_diagrams(without, "magnesium_block", lambda results: []).html == ""


@pytest.mark.parametrize(("name", "experiment"), [("romk_block", "romk_blok"), ("pump_rates", "romk_block")])
def test_an_arrow_that_names_no_such_experiment_is_a_problem(study, name, experiment):
    config = load_config(study)
    config["diagrams"] = {name: experiment}
    save_config(study, config)
    [problem] = [str(p) for p in check_study(Study.open(study))]
    assert f"diagrams.{name}" in problem
    assert ("did you mean 'romk_block'?" in problem) == (name == "romk_block")
