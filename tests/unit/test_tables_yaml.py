"""YAML as data: numbers are numbers, duplicates, objects and explosions are refused with their line."""

import pytest

from mgk.tables.problems import InputError
from mgk.tables.yaml_file import load_yaml


def load(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(path)


def test_numbers_and_words_as_in_yaml_1_2(tmp_path):
    data, lines = load(tmp_path, "a: 1e-3\nb: no\nc: 0o17\nd: [1, 2]\ne: 2026-01-31\n")
    assert data == {"a": 1e-3, "b": "no", "c": 15, "d": [1, 2], "e": "2026-01-31"}
    assert lines[("d", 1)] == 4


def test_duplicate_keys_are_refused_with_their_line(tmp_path):
    with pytest.raises(InputError, match=r"line 3, a\.b: a key may stand only once; it is in line 2 already"):
        load(tmp_path, "a:\n  b: 1\n  b: 2\n")


def test_tags_build_nothing(tmp_path):
    with pytest.raises(InputError, match="not plain YAML"):
        load(tmp_path, "a: !!python/object/apply:os.system ['true']\n")


def test_exploding_aliases_are_refused(tmp_path):
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 9):
        text += f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"
    with pytest.raises(InputError, match="expands to more than"):
        load(tmp_path, text)


def test_plain_aliases_are_welcome(tmp_path):
    data, _ = load(tmp_path, "a: &w {x: [1, 2]}\nb: *w\n")
    assert data["b"] == {"x": [1, 2]}


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [1\n", "a: b: c\n", "\t- x", "a: \x00"])
def test_what_is_not_a_mapping_is_explained(tmp_path, text):
    with pytest.raises(InputError):
        load(tmp_path, text)
