"""A new study: made from the schemas, asked for by `make check` in plain words, never written over what is there."""

import csv

import pytest
from studies import HOUSE

from mgk.checks import check_study
from mgk.new_study import STAGES, config_text, main, new_study, study_files
from mgk.study import Study
from mgk.tables.problems import InputError
from mgk.tables.schema import load_schema
from mgk.tables.yaml_file import read_yaml


def problems_of(root):
    return [str(p) for p in check_study(Study.read(root)[0])]


def test_what_is_still_to_do_is_all_that_is_wrong_with_it(tmp_path):
    new_study(tmp_path / "study")
    found = problems_of(tmp_path / "study")
    assert len(found) >= 6
    assert [line for line in found if "is empty; fill in" not in line and "no rows yet: one row for" not in line] == []
    assert any("study.title: is empty; fill in what it is" in line for line in found)
    assert any(
        "analysis: is empty; fill in one analysis or a list of them; allowed: membrane" in line for line in found
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_study_of_one_stage_has_its_part_alone(tmp_path, stage):
    new_study(tmp_path / "study", (stage,))
    config = read_yaml(tmp_path / "study/config.yaml")[0]
    assert set(config) == {"study", stage}
    assert (tmp_path / "study/raw_data" / stage).is_dir() == (stage != "curves")  # a table alone
    names = [p.name for p in (tmp_path / "study/raw_data").rglob("*.csv")]
    assert all(
        table not in names for s, table in (("recordings", "recordings.csv"), ("plates", "plates.csv")) if s != stage
    )


def keys_of(schema, top):
    """Yield the name of every key that the config's schema allows."""
    if "$ref" in schema:
        schema = top["$defs"][schema["$ref"].rpartition("/")[2]] | {k: v for k, v in schema.items() if k != "$ref"}
    for key, part in schema.get("properties", {}).items():
        yield key
        yield from keys_of(part, top)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from keys_of(schema["additionalProperties"], top)


def test_the_config_shows_every_key_that_the_schema_allows():
    schema, text = load_schema("config"), config_text(STAGES)
    for key in set(keys_of(schema, schema)):
        assert any(f"{before}{key}: " in text or f"{before}{key}:\n" in text for before in (" ", "#", "\n", "{")), key


def test_taking_the_marks_away_leaves_yaml_with_known_keys_alone(tmp_path):
    text = config_text(STAGES)
    lines = [line.replace("#", "", 1) if line.lstrip().startswith("#") and not line.lstrip().startswith("# ") else line
             for line in text.splitlines()]  # fmt: skip
    root = tmp_path / "study"
    root.mkdir()
    (root / "config.yaml").write_text("\n".join(lines), encoding="utf-8")
    _, problems = Study.read(root)
    assert problems
    assert [str(p) for p in problems if "unknown key" in p.allowed or "is not plain YAML" in p.allowed] == []


def test_tables_have_the_columns_of_their_schemas():
    for name, text in study_files(STAGES).items():
        if name.endswith(".csv"):
            schema = {"my_table": "clinical", "example": "layout"}.get(
                name.split("/")[-1][:-4], name.split("/")[-1][:-4]
            )
            header, *rows = csv.reader(text.splitlines())
            assert header == list(load_schema(schema)["properties"])
            assert bool(rows) == (schema == "layout")


def test_the_example_of_a_layout_is_in_order(tmp_path):
    root = tmp_path / "study"
    new_study(root, ("plates",))
    assert Study(root, {}).read_table("raw_data/layouts/example.csv", "layout")[1] == []


def test_the_readme_says_what_each_column_is():
    text = study_files(STAGES)["README.md"]
    for schema in ("recordings", "plates", "layout", "clinical"):
        for column in load_schema(schema)["properties"]:
            assert f"| `{column}` |" in text


def test_nothing_is_written_over(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    (tmp_path / "study/notes.txt").write_text("mine")
    assert main([str(tmp_path / "study")]) == 1
    assert "is there already and not empty" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "study").iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="not empty"):
        new_study(HOUSE)
    with pytest.raises(InputError, match="not empty"):
        new_study(tmp_path / "study/notes.txt")


def test_a_mistyped_stage_is_refused_with_the_nearest(tmp_path, capsys):
    assert main([str(tmp_path / "study"), "recording"]) == 1
    assert "did you mean 'recordings'?" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_the_command_names_what_comes_next(tmp_path, capsys):
    assert main([str(tmp_path / "study"), "clinical"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f'make check STUDY="{tmp_path / "study"}"')
