"""The reference pages are what the schemas and the table of analyses say, and hold all of it."""

import pytest

from mgk import reference
from mgk.analyses import ANALYSES
from mgk.reference import allowed, keys, main, markdown_table, pages
from mgk.tables.schema import SCHEMAS, load_schema


def test_the_pages_in_git_are_not_out_of_date():
    assert main(["--check"]) == 0, "write them with: make docs"


def test_a_drift_is_named_and_mended(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reference, "PLACE", tmp_path)
    (tmp_path / "old.md").write_text("x")
    assert main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
    assert main([]) == 0
    assert {p.name for p in tmp_path.iterdir()} == set(pages())
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", ["config", "solutions"])
def test_every_key_is_described(name):
    schema = load_schema(name)
    found = dict(keys(schema, schema.get("$defs", {})))
    assert len(found) > 8
    # Sections and mappings by id explain themselves through their keys.
    leaves = {place: part for place, part in found.items() if not any(p.startswith(f"{place}.") for p in found)}
    plain = ("<id>", ".max", ".value")
    assert [place for place, part in leaves.items() if not part.get("description") and not place.endswith(plain)] == []


def test_pages_hold_every_column_output_and_figure():
    made = pages()
    for column in load_schema("recordings")["properties"]:
        assert f"`{column}`" in made["inputs.md"]
    for analysis in ANALYSES.values():
        for name in (*analysis.tables, *analysis.figures):
            assert f"/{name}`" in made["outputs.md"]
        for name, caption in analysis.figures.items():
            assert f"/{name}`" in made["gallery.md"]
            assert caption.replace("|", r"\|") in made["gallery.md"]


def test_what_is_allowed_in_words():
    assert allowed({"enum": ["a", "b"], "default": "a", "is_required": True}) == "`a`, `b`, default `a`, **required**"
    assert allowed({"type": "number", "minimum": 0, "maximum": 14}) == "number, at least 0, at most 14"
    assert allowed({"anyOf": [{"enum": ["a"]}, {"type": "array", "items": {"enum": ["a"]}}]}) == "`a` or list, of `a`"
    assert markdown_table(("x",), [("a|b\nc",)]) == "| x |\n| --- |\n| a\\|b c |"


def test_no_comma_cuts_a_description_short():
    """Within braces YAML ends an unquoted text at a comma, and takes the rest for a key without a value."""
    for path in SCHEMAS.glob("*.schema.yaml"):
        assert empty_keys(load_schema(path.name.removesuffix(".schema.yaml"))) == [], path.name


def empty_keys(part) -> list[str]:
    if isinstance(part, list):
        return [key for item in part for key in empty_keys(item)]
    if not isinstance(part, dict):
        return []
    return [key for key, value in part.items() if value is None] + [k for v in part.values() for k in empty_keys(v)]
