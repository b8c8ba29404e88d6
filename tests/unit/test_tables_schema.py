"""Input tables and configuration: every problem is found, placed and explained; nothing is dropped in silence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgk.tables.schema import check_id, check_mapping, load_schema, read_input_table
from mgk.tables.yaml_file import load_yaml

SCHEMA = {
    "additionalProperties": False,
    "required": ["sample_id"],
    "properties": {
        "sample_id": {"type": "string", "id": True, "unique": True},
        "dose_mm": {"type": "number", "minimum": 0, "maximum": 10, "unit": "mM"},
        "count": {"type": "integer", "minimum": 0},
        "side": {"type": "string", "enum": ["internal", "external"]},
    },
}


def read(tmp_path: Path, text: str | bytes, schema: dict = SCHEMA):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_input_table(path, schema, "t.csv")


def test_a_good_table_has_all_columns_of_the_schema(tmp_path):
    frame, problems = read(tmp_path, "sample_id,dose_mm\na,1e-3\n b ,\n")
    assert problems == []
    assert list(frame["sample_id"]) == ["a", "b"]
    assert frame["dose_mm"][0] == 1e-3
    assert frame["dose_mm"].isna()[1]
    assert list(frame.columns) == list(SCHEMA["properties"])
    assert frame["side"][0] == ""


@pytest.mark.parametrize(
    ("text", "row", "column", "words"),
    [
        ("sample_id,dose_mm\na,x\n", 2, "dose_mm", "must be a number (mM)"),
        ("sample_id,dose_mm\na,'0,5'\n".replace("'", '"'), 2, "dose_mm", "decimals take a point"),
        ("sample_id,dose_mm\na,11\n", 2, "dose_mm", "from 0 to 10 (mM)"),
        ("sample_id,dose_mm\na,nan\n", 2, "dose_mm", "must be a number"),
        ("sample_id,count\na,1.5\n", 2, "count", "whole number"),
        ("sample_id\na\nb\na\n", 4, "sample_id", "stands in row 2 already"),
        ("sample_id\n../etc\n", 2, "sample_id", "an id"),
        ("sample_id\na__b\n", 2, "sample_id", "no '__'"),
        ("sample_id,side\na,inside\n", 2, "side", "allowed: internal, external"),
        ("sample_id,dose_um\na,1\n", 1, "dose_um", "did you mean 'dose_mm'?"),
        ("sample_id,sample_id\na,b\n", 1, "sample_id", "only once"),
        ("sample_id,dose_mm\na,1,2\n", 2, "", "has 3 fields"),
        ("dose_mm\n1\n", 1, "sample_id", "is missing"),
        ("sample_id\n", None, "", "no rows"),
        ("", None, "", "is empty"),
        ("sample_id;dose_mm\na;1\n", 1, "", "separated by commas"),
        ("sample_id\nä\n".encode("latin-1"), 2, "", "not UTF-8"),
        (b"PK\x03\x04rest", None, "", "save the spreadsheet as CSV"),
        ("sample_id,dose_mm\n,1\n", 2, "sample_id", "must not be empty"),
    ],
)
def test_each_problem_has_its_place_and_says_what_is_allowed(tmp_path, text, row, column, words):
    _, problems = read(tmp_path, text)
    assert len(problems) == 1, problems
    assert (problems[0].row, problems[0].column) == (row, column)
    assert words in str(problems[0])


def test_all_problems_come_at_once(tmp_path):
    _, problems = read(tmp_path, "sample_id,dose_mm,side\na,x,internal\na,99,inner\n")
    assert [(p.row, p.column) for p in problems] == [(3, "sample_id"), (2, "dose_mm"), (3, "dose_mm"), (3, "side")]


def test_free_columns_are_kept_and_mistyped_known_ones_refused(tmp_path):
    schema = SCHEMA | {"additionalProperties": True}
    frame, problems = read(tmp_path, "sample_id,age,diet\na,30,low\n", schema)
    assert problems == []
    assert frame["age"][0] == 30.0
    assert frame["diet"][0] == "low"
    _, problems = read(tmp_path, "sample_id,dose_m\na,30\n", schema)
    assert "did you mean 'dose_mm'?" in str(problems[0])


def test_a_row_is_called_as_a_spreadsheet_counts_it_also_behind_blank_lines(tmp_path):
    frame, problems = read(tmp_path, "\n\nsample_id,dose_mm\n\na,x\n,,\n\na,1\n")
    assert [(p.row, p.column) for p in problems] == [(8, "sample_id"), (5, "dose_mm")]
    assert list(frame.index) == [3, 6]
    _, problems = read(tmp_path, "\nsample_id,dose_um\na,1\n")
    assert [(p.row, p.column) for p in problems] == [(2, "dose_um")]


def test_a_column_is_filled_in_all_rows_of_a_group_or_in_none(tmp_path):
    own = {"type": "string", "all_or_none": "side"}
    schema = SCHEMA | {"properties": SCHEMA["properties"] | {"group": own}}
    text = "sample_id,side,group\na,internal,x\nb,internal,\nc,external,\nd,external,\n"
    _, problems = read(tmp_path, text, schema)
    assert [str(p) for p in problems] == [
        "t.csv, row 3, group: is empty, but row 2 of the side internal has it; all of them or none (no merged cells)"
    ]


@given(st.text(max_size=300))
def test_any_text_is_read_or_explained(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    frame, problems = read_input_table(path, SCHEMA, "t.csv")
    assert problems or len(frame)


def test_a_table_cut_within_a_line_is_told_unless_it_is_in_the_last_cell(tmp_path):
    """Cells that are empty beside the cut, and at the end of a line, are no less missing."""
    text = "study_id,study,year,outcome,source\ns1,A,1990,,a journal\ns2,B,,,a book\ns3,C,,death,read\n"
    told = 0
    for end in range(text.index("\n") + 1, len(text)):
        (tmp_path / "t.csv").write_text(text[:end])
        _, problems = read_input_table(tmp_path / "t.csv", load_schema("clinical"), "t.csv")
        line = text[:end].rpartition("\n")[2]
        if line and line.count(",") < 4:
            told += 1
            assert problems, text[:end]
    assert told > 20


@given(st.text(max_size=80))
def test_an_id_never_leaves_its_folder(name):
    if check_id(name):
        assert "/" not in name
        assert "\\" not in name
        assert not name.startswith(".")
        assert "__" not in name


GOOD = {
    "study": {"title": "t", "data": "simulated"},
    "plates": {
        "experiments": {
            "p": {"analysis": "magnesium_calibration", "kd_mm": {"value": 1.9, "unit": "mM", "source": "read"}}
        }
    },
}


def config_problems(tmp_path, config_text):
    path = tmp_path / "config.yaml"
    path.write_text(config_text, encoding="utf-8")
    data, lines = load_yaml(path)
    return check_mapping(data, load_schema("config"), "config.yaml", lines)


def test_a_good_configuration_has_no_problems():
    assert check_mapping(GOOD, load_schema("config"), "config.yaml", {}) == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("study: {title: t, data: simulated}\nrecordngs: {}\n", 2, "did you mean 'recordings'?"),
        ("study: {title: t, data: simulate}\n", 1, "did you mean 'simulated'?"),
        ("study: {title: t}\n", 1, "is missing"),
        (
            "study: {title: t, data: measured}\nplates:\n  experiments:\n"
            "    ../p: {analysis: atpase_activity, medium: m}\n",
            4,
            "an id",
        ),
        (
            "study: {title: t, data: measured}\nplates:\n  experiments:\n    p:\n"
            "      analysis: magnesium_calibration\n      kd_mm: {value: 1900, unit: uM, source: read}\n",
            6,
            "must be 'mM'",
        ),
        (
            "study: {title: t, data: measured}\nplates:\n  experiments:\n    p: {analysis: magnesium_calibration}\n",
            4,
            "kd_mm",
        ),
        (
            "study: {title: t, data: measured}\nplates:\n  experiments:\n    p: {analysis: magnesium_calibraton}\n",
            4,
            "did you mean 'magnesium_calibration'?",
        ),
        (
            "study: {title: t, data: measured}\nrecordings:\n  experiments:\n    r:\n      analysis: current_voltage\n"
            "      windows_ms: {baseline: [0, 1], stedy: [1, 2]}\n",
            6,
            "did you mean 'steady'?",
        ),
    ],
)
def test_configuration_problems_have_their_line(tmp_path, text, line, words):
    problems = config_problems(tmp_path, text)
    assert any(p.row == line and words in str(p) for p in problems), [str(p) for p in problems]
