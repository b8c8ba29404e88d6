"""Claims and salts as parts of a study: what the config may ask, where results go, what is refused before a run."""

import shutil

import pandas as pd
import pytest

from mgk.analyses import ANALYSES
from mgk.checks import check_study, not_used, study_files
from mgk.study import Study
from mgk.tables.problems import InputError

HEAD = "study: {title: t, data: measured}\n"


@pytest.fixture
def study(tmp_path, house):
    """A study with the clinical tables of the demonstration, its config still to be written."""
    shutil.copytree(house / "raw_data" / "clinical", tmp_path / "raw_data" / "clinical")

    def write(config):
        (tmp_path / "config.yaml").write_text(HEAD + config, encoding="utf-8")
        return Study.read(tmp_path)[0]

    return write


def test_claims_alone_are_a_study(study):
    project = study("clinical: {claims: clinical/claims.csv}\n")
    assert check_study(project) == []
    assert project.analyses() == [("claims", "claims")]
    assert project.data_of("claims", "claims") == "measured"
    assert "raw_data/clinical/claims.csv" in study_files(project)
    assert ANALYSES["claims"].outputs("claims")[0] == "results/clinical/claims.csv"
    assert ANALYSES["claims"].executed("claims") == "results/notebooks/61_claims__claims.ipynb"
    assert len(project.table_of("claims")) >= 20


def test_salts_stand_beside_analyses(study):
    project = study(
        "clinical:\n  magnesium_forms: clinical/magnesium_forms.csv\n"
        "  analyses: {a: {table: clinical/iv_magnesium.csv, measure: OR}}\n"
    )
    assert check_study(project) == []
    assert project.analyses() == [("clinical_summary", "a"), ("magnesium_forms", "magnesium_forms")]


@pytest.mark.parametrize(
    ("config", "column", "words"),
    [
        ("clinical: {claims: clinical/none.csv}\n", "clinical.claims", "no such file"),
        ("clinical: {claims: ../config.yaml}\n", "clinical.claims", "inside raw_data"),
        ("clinical: {claims: [a]}\n", "clinical.claims", "must be string"),
        ("clinical: {}\n", "clinical", "non-empty"),
        ("clinical: {claims: clinical/iv_magnesium.csv}\n", "claim_id", "missing"),
        (
            "clinical: {analyses: {a: {table: clinical/iv_magnesium.csv, measure: OR, moderators: [yaer]}}}\n",
            "clinical.analyses.a.moderators",
            "did you mean 'year'",
        ),
        (
            "clinical: {analyses: {a: {table: clinical/iv_magnesium.csv, measure: OR, cluster: trial_id}}}\n",
            "clinical.analyses.a.cluster",
            "that is filled",
        ),
    ],
)
def test_what_cannot_be_is_named_before_anything_runs(study, config, column, words):
    problems = check_study(study(config))
    assert any(p.column == column and words in p.allowed for p in problems), problems


def test_a_study_without_claims_has_none(study):
    project = study("clinical: {analyses: {a: {table: clinical/iv_magnesium.csv, measure: OR}}}\n")
    assert project.experiments("claims") == {}
    with pytest.raises(InputError, match="none"):
        project.table_of("claims")


def test_a_column_that_the_analysis_uses_is_not_called_unused(study):
    analysis = "clinical: {analyses: {a: {table: clinical/potassium_diastolic.csv, measure: GEN%s}}}\n"
    assert any("trial_id" in line for line in not_used(study(analysis % "")))
    assert not_used(study(analysis % ", cluster: trial_id")) == []


def test_the_tables_of_the_demonstration_are_those_published(house):
    clinical = house / "raw_data/clinical"
    early = pd.read_csv(clinical / "iv_magnesium_2001.csv")
    assert len(early) == 16
    assert early[["events_treatment", "n_treatment", "events_control", "n_control"]].sum().tolist() == [
        2353, 31301, 2343, 31306,
    ]  # fmt: skip
    limit = early.set_index("study_id").loc["LIMIT-2_1992"]
    assert (limit["n_treatment"], limit["n_control"]) == (1159, 1157)
    potassium = pd.read_csv(clinical / "potassium_diastolic.csv")
    assert (len(potassium), potassium["trial_id"].nunique()) == (21, 19)
    fatigue = pd.read_csv(clinical / "chronic_fatigue.csv").iloc[0]
    assert [fatigue[c] for c in ("events_treatment", "n_treatment", "events_control", "n_control")] == [12, 15, 3, 17]
    for table in clinical.glob("*.csv"):
        assert (pd.read_csv(table)["source"].str.len() > 10).all(), table.name
