"""Labels are free text: markup, formulas, long and foreign names pass through tables, figures and report unharmed.

As ids, which become file names, they are refused with the rule for ids.
"""

import csv
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from studies import load_config, run_study, save_config, small_study

from mgk.checks import check_study
from mgk.study import Study
from mgk.tables.schema import ID_RULE

NASTY = {
    "markup": "<script>alert(1)</script>",
    "quotes": "\"double\" 'single' `back`",
    "path": "../../etc/passwd",
    "formula": "=1+1",
    "greek": "Ζήτα-Μαγνήσιο µ β",
    "chinese": "镁离子组",
    "long": "n" * 300,
}


class Text(HTMLParser):
    """The tags and the words of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A study of plates and a clinical table whose labels are all of them nasty."""
    study = small_study(tmp_path_factory.mktemp("labels") / "study", "clinical", "plates", experiments=("platelets",))
    config = load_config(study)
    config["study"]["title"] = NASTY["markup"] + NASTY["quotes"]
    config["plates"]["experiments"]["platelets"]["title"] = NASTY["long"]
    next(iter(config["clinical"]["analyses"].values()))["title"] = f"{NASTY['greek']} {NASTY['chinese']}"
    save_config(study, config)
    file = study / "raw_data/layouts/platelets_run1.csv"
    layout = pd.read_csv(file, dtype=str, keep_default_na=False)
    kinds = [c for c in dict.fromkeys(layout["condition"]) if c]
    names = [NASTY[k] for k in ("markup", "formula", "chinese", "path")]
    layout["condition"] = layout["condition"].replace(dict(zip(kinds, names, strict=False)))
    layout.to_csv(file, index=False)
    file = study / "raw_data/clinical/iv_magnesium.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    table.loc[: len(NASTY) - 1, "study"] = list(NASTY.values())
    table.to_csv(file, index=False)
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return study, done


@pytest.mark.workflow
def test_labels_pass_unharmed_and_harm_nothing(labelled):
    study, _ = labelled
    report = Text((study / "results/report/report.html").read_text(encoding="utf-8"))
    words = " ".join(report.words)
    for kind in ("markup", "formula", "chinese", "long", "greek"):
        assert NASTY[kind] in words, kind
    for page in (study / "results/report").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        tags = Text(text).tags
        # The script that sorts tables is the house's own.
        assert text.count("<script") == [tag for tag, _ in tags].count("script") <= 1
        assert NASTY["markup"] not in text
        assert not [a for _, attributes in tags for a in attributes if a.startswith("on")]
    conditions = set(pd.read_csv(study / "results/magnesium/platelets/groups.csv")["condition"])
    assert {NASTY["markup"], NASTY["formula"]} <= conditions
    with (study / "results/clinical/iv_magnesium_infarction/effects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["study"] for row in rows} >= set(NASTY.values())


@pytest.mark.workflow
def test_figures_hold_no_markup_and_replace_what_the_font_lacks(labelled):
    study, _ = labelled
    figures = list((study / "results").rglob("*.svg"))
    assert len(figures) >= 5
    for figure in figures:
        text = figure.read_text(encoding="utf-8")
        assert not re.search(r"<script|onload=|href=\"(?!#|data:)", text), figure.name
    # Nothing was written beside the study.
    assert not (study.parent / "etc").exists()
    assert {path.name for path in study.iterdir()} <= {"config.yaml", "raw_data", "results", ".snakemake"}


@pytest.mark.parametrize("kind", list(NASTY))
def test_as_ids_they_are_refused_with_the_rule(tmp_path, kind):
    study = small_study(tmp_path / "study", "plates")
    file = study / "raw_data/plates.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    table.loc[0, "plate_id"] = NASTY[kind]
    table.to_csv(file, index=False)
    problems = [str(p) for p in check_study(Study.read(study)[0])]
    assert any("plate_id" in p and ID_RULE in p for p in problems), problems
    config = load_config(study)
    experiments = config["plates"]["experiments"]
    experiments[NASTY[kind]] = experiments.pop("platelets")
    save_config(study, config)
    assert any(ID_RULE in str(p) or "id" in str(p) for p in Study.read(study)[1])
