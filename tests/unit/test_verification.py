"""A run is held against pins: numbers with their tolerance, tables cell by cell, bytes where the platform is pinned."""

import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import small_study

from mgk.provenance import MANIFEST, manifest_of, manifest_problems, require_intact, sha256, write_json
from mgk.report.tables_script import SCRIPT
from mgk.study import Study
from mgk.tables.problems import InputError, Problem
from mgk.upstream import code_of, raw_files
from mgk.verification.__main__ import main
from mgk.verification.compare import DIFFERS, IDENTICAL, MISSING, NOT_PINNED, OTHER_BYTES, WITHIN, compare
from mgk.verification.compare import first_difference as difference
from mgk.verification.page import Verification, as_json, as_lines, as_page
from mgk.verification.pins import Pins, numbers_of, read_pins, write_pins

TABLE = "results/block/romk_block/fits.csv"
FIGURE = "results/block/romk_block/cells.svg"
RAW = "raw_data/recordings/romk_1.abf"


def key_numbers(estimate=1.5, verdict="identified", group="control"):
    row = {"analysis": "magnesium_block", "experiment": "romk_block", "group": group, "quantity": "Ki(0)", "unit": "mM"}
    return pd.DataFrame(
        [row | {"estimate": estimate, "ci_low": 1.0, "ci_high": 2.0, "n": "5 cells", "verdict": verdict}]
    )


def pins(estimate=1.5, text=b"a,b\n1,x\n", figure="f1", platform="here", **changed):
    made = Pins(
        numbers=numbers_of(key_numbers(estimate)),
        tables={TABLE: text},
        inputs={"config.yaml": "c1", RAW: "r1"},
        code={"workflow/mgk/block/cells.py": "b1", "workflow/mgk/atpase.py": "a1"},
        reads={"recordings/romk_block": ["config.yaml", RAW]},
        platforms={platform: {TABLE: str(text), FIGURE: figure}},
    )
    return replace(made, **changed)


def verdicts(found):
    return {n.statistic: n.verdict for n in found.numbers} | {f.name: f.verdict for f in found.files}


def test_the_same_run_is_identical():
    found = compare(pins(), pins())
    assert set(verdicts(found).values()) == {IDENTICAL}
    assert found.good


def test_a_number_within_its_tolerance_is_good_and_beyond_it_is_not():
    assert verdicts(compare(pins(), pins(1.5 + 1.9e-6)))["estimate"] == WITHIN
    found = compare(pins(), pins(1.5 + 2.1e-6))
    assert verdicts(found)["estimate"] == DIFFERS
    assert not found.good


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(-1, 1))
def test_the_verdict_on_a_number_is_that_of_its_tolerance(estimate, share):
    pinned = numbers_of(key_numbers(estimate))
    tolerance = float(pinned.loc[0, "tolerance"])
    new = estimate + share * 3 * tolerance
    [number, *_] = compare(pins(estimate), pins(new)).numbers
    near = abs(new - estimate) <= tolerance
    assert number.verdict == (IDENTICAL if repr(new) == repr(estimate) else WITHIN if near else DIFFERS)


@pytest.mark.parametrize(
    ("pinned", "made", "statistic", "verdict"),
    [
        (key_numbers(), key_numbers(verdict="weak"), "verdict", DIFFERS),
        (key_numbers(), key_numbers().assign(n="4 cells"), "n", DIFFERS),
        (key_numbers(), key_numbers(estimate=math.nan), "estimate", MISSING),
        (key_numbers(estimate=math.nan), key_numbers(), "estimate", NOT_PINNED),
        (key_numbers(estimate=math.inf), key_numbers(estimate=math.inf), "estimate", IDENTICAL),
    ],
)
def test_words_and_gaps_must_be_equal(pinned, made, statistic, verdict):
    found = compare(replace(pins(), numbers=numbers_of(pinned)), replace(pins(), numbers=numbers_of(made)))
    assert verdicts(found)[statistic] == verdict
    assert found.good == (verdict == IDENTICAL)


def test_a_number_that_was_never_pinned_or_is_gone_is_not_good():
    more = numbers_of(pd.concat([key_numbers(), key_numbers(group="other")]))
    assert NOT_PINNED in {n.verdict for n in compare(pins(), replace(pins(), numbers=more)).numbers}
    assert MISSING in {n.verdict for n in compare(replace(pins(), numbers=more), pins()).numbers}


def test_equal_keys_are_told_apart():
    twice = numbers_of(pd.concat([key_numbers(), key_numbers()]))
    assert sorted(set(twice["group"])) == ["control", "control (2)"]


def test_on_a_pinned_platform_bytes_decide_and_elsewhere_cells():
    near = pins(text=b"a,b\n1.0000001,x\n", figure="f2")
    assert verdicts(compare(pins(), near))[TABLE] == DIFFERS
    assert verdicts(compare(pins(), near))[FIGURE] == DIFFERS
    elsewhere = replace(near, platforms={"elsewhere": near.platforms["here"]})
    found = compare(pins(), elsewhere)
    assert (verdicts(found)[TABLE], verdicts(found)[FIGURE]) == (WITHIN, OTHER_BYTES)
    assert found.good


def test_a_file_that_is_gone_or_new_is_named():
    gone = replace(pins(), tables={}, platforms={"here": {FIGURE: "f1"}})
    assert verdicts(compare(pins(), gone))[TABLE] == MISSING
    assert verdicts(compare(gone, pins()))[TABLE] == NOT_PINNED


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (b"a,b\n1,x\n2,y\n", ""),
        (b"a,b\n1.0000005,x\n2,y\n", ""),
        (b"a,b\n1.00001,x\n2,y\n", "row 2, a: '1.00001'; pinned: '1'"),
        (b"a,b\n1,x\n2,z\n", "row 3, b: 'z'; pinned: 'y'"),
        (b"a,b\n1,x\n,y\n", "row 3, a: ''; pinned: '2'"),
        (b"a,b\n1,x\n", "1 rows; pinned: 2"),
        (b"a,c\n1,x\n2,y\n", "other columns: b, c"),
        (b"b,a\nx,1\ny,2\n", "other columns: their order"),
    ],
)
def test_the_first_cell_that_differs_is_named(made, words):
    assert difference(b"a,b\n1,x\n2,y\n", made) == words


def test_infinite_cells_are_compared():
    assert difference(b"a\ninf\n1\n", b"a\ninf\n1\n") == ""
    assert difference(b"a\ninf\n1\n", b"a\n-inf\n1\n") != ""


def test_a_difference_names_the_changed_file_that_it_rests_on_and_no_other():
    made = pins(2.5, code={"workflow/mgk/block/cells.py": "b2", "workflow/mgk/atpase.py": "a2"}, text=b"a,b\n3,x\n")
    found = compare(pins(), made)
    assert found.changed == ["workflow/mgk/atpase.py", "workflow/mgk/block/cells.py"]
    assert {n.upstream for n in found.numbers if n.verdict == DIFFERS} == {("workflow/mgk/block/cells.py",)}
    assert {n.upstream for n in found.numbers if n.verdict == IDENTICAL} == {()}
    [table] = [f for f in found.files if f.name == TABLE]
    assert table.upstream == ("workflow/mgk/block/cells.py",)


def test_changed_code_that_moves_no_number_is_said_and_does_not_decide():
    found = compare(pins(), pins(code={"workflow/mgk/block/cells.py": "b2", "workflow/mgk/atpase.py": "a1"}))
    assert found.good
    assert found.changed == ["workflow/mgk/block/cells.py"]


def test_pins_are_read_as_they_were_written_and_written_alike(tmp_path):
    write_pins(tmp_path, pins())
    first = {f.name: f.read_bytes() for f in (tmp_path / "verification").iterdir()}
    again = read_pins(tmp_path)
    assert again.numbers.to_dict("records") == pins().numbers.to_dict("records")
    assert replace(again, numbers=None) == replace(pins(), numbers=None)
    write_pins(tmp_path, again)
    assert first == {f.name: f.read_bytes() for f in (tmp_path / "verification").iterdir()}


def test_without_pins_the_command_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert f'make verify PIN=yes STUDY="{tmp_path}"' in capsys.readouterr().err
    write_pins(tmp_path, pins())
    (tmp_path / "verification/digests.json").write_text("{")
    assert main([str(tmp_path)]) == 1
    assert "take them from git" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("made", "platforms", "text"),
    [
        (pins(platform="there", text=b"a,b\n1.0000001,x\n"), {"here", "there"}, b"a,b\n1,x\n"),
        (pins(2.5, platform="there"), {"there"}, b"a,b\n1,x\n"),
        (pins(platform="there", text=b"a,b\n3,x\n"), {"there"}, b"a,b\n3,x\n"),
        (pins(platform="there", inputs={"config.yaml": "c2"}), {"there"}, b"a,b\n1,x\n"),
    ],
    ids=["another platform", "another number", "another table", "another input"],
)
def test_pinning_adds_a_platform_or_writes_all_anew(tmp_path, monkeypatch, capsys, made, platforms, text):
    study = small_study(tmp_path / "study", "clinical")
    write_pins(study, pins())
    monkeypatch.setattr("mgk.verification.__main__.fresh_run", lambda root: made)
    assert main(["--pin", str(study)]) == 0
    kept = read_pins(study)
    assert set(kept.platforms) == platforms
    assert kept.tables[TABLE] == text
    assert kept.numbers.loc[0, "value"] == made.numbers.loc[0, "value"]
    assert ("references stay" in capsys.readouterr().out) == (len(platforms) == 2)


def test_pins_that_cannot_be_read_are_written_anew(tmp_path, monkeypatch):
    study = small_study(tmp_path / "study", "clinical")
    write_pins(study, pins())
    (study / "verification/tables.zip").write_bytes(b"no zip")
    monkeypatch.setattr("mgk.verification.__main__.fresh_run", lambda root: pins(2.5))
    assert main(["--pin", str(study)]) == 0
    assert compare(read_pins(study), pins(2.5)).good


def test_a_study_that_is_not_in_order_is_not_pinned(tmp_path, capsys):
    study = small_study(tmp_path / "study", "clinical")
    (study / "config.yaml").write_text("study: {title: t}\n", encoding="utf-8")
    assert main(["--pin", str(study)]) == 1
    assert "study.data" in capsys.readouterr().err
    assert not (study / "verification").exists()


# --- one byte of a raw file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pinned_study(tmp_path_factory):
    """A small study with a manifest of its raw files, and pins of its inputs."""
    study = small_study(tmp_path_factory.mktemp("v") / "study", "plates")
    raw = study / "raw_data"
    files = sorted(f for f in raw.rglob("*") if f.is_file())
    lines = [f"{sha256(f)}  {f.relative_to(raw).as_posix()}\n" for f in files]
    (raw / "manifest.sha256").write_text("".join(lines), encoding="utf-8")
    project = Study.open(study)
    reads = {f"plates/{e}": raw_files(project, "plates", e) for e in project.experiments("plates")}
    inputs = {f: sha256(study / f) for files in reads.values() for f in files}
    rows = pd.concat([key_numbers().assign(analysis=a, experiment=e) for a, e in project.analyses()])
    write_pins(study, Pins(numbers_of(rows), {}, inputs, {}, reads, {}))
    return study


@pytest.mark.parametrize("in_manifest", [True, False])
def test_one_byte_of_a_raw_file_is_named_with_the_numbers_that_rest_on_it(pinned_study, capsys, in_manifest):
    file = pinned_study / "raw_data/plates/platelets_run1.txt"
    whole, manifest = file.read_bytes(), pinned_study / "raw_data/manifest.sha256"
    assert in_manifest or sha256(file) in manifest.read_text()
    spot = whole.index(b"Plate")
    file.write_bytes(whole[:spot] + b"p" + whole[spot + 1 :])
    try:
        assert main([str(pinned_study)]) == 1
    finally:
        file.write_bytes(whole)
    said = capsys.readouterr().out
    assert "raw_data/manifest.sha256" in said
    assert "has changed since the manifest was written" in said
    assert "upstream of platelets, control, Ki(0): raw_data/plates/platelets_run1.txt" in said
    assert "microsomes" not in said
    record = json.loads((pinned_study / "results/verification/verification.json").read_text())
    assert record["verdict"] == "not verified"
    assert {n["experiment"] for n in record["numbers"]} == {"platelets"}


def test_what_a_result_rests_on(pinned_study):
    project = Study.open(pinned_study)
    files = raw_files(project, "plates", "platelets")
    assert files[:3] == ["config.yaml", "raw_data/plates.csv", "raw_data/solutions.yaml"]
    assert "raw_data/plates/platelets_run1.txt" in files
    assert "raw_data/layouts/platelets_run1.csv" in files
    assert not any("microsomes" in f for f in files)
    code = code_of("atpase_activity")
    assert {
        "notebooks/50_atpase_activity.ipynb",
        "workflow/mgk/atpase/kinetics.py",
        "workflow/mgk/plates/bmg.py",
    } <= set(code)
    assert "workflow/mgk/solutions/constants/webmaxc.yaml" in code
    assert "workflow/mgk/recordings/axon/__init__.py" not in code


# --- the manifest of results ------------------------------------------------------------------------------------


def test_results_that_are_not_as_their_manifest_says_are_refused(tmp_path):
    with pytest.raises(InputError, match="the run has not ended"):
        require_intact(tmp_path)
    made = tmp_path / "results/provenance"
    made.mkdir(parents=True)
    for name in ("config.yaml", "results/a.csv", "results/b.csv"):
        (tmp_path / name).write_text(name)
    read = {"config.yaml": sha256(tmp_path / "config.yaml")}
    write_json(tmp_path / MANIFEST, manifest_of(tmp_path, read, ["results/a.csv", "results/b.csv"]))
    require_intact(tmp_path)
    (tmp_path / "results/a.csv").write_text("another")
    (tmp_path / "results/b.csv").unlink()
    assert [(p.value, p.allowed.split(" since")[0]) for p in manifest_problems(tmp_path)] == [
        ("results/a.csv", "this file is not the one that the run read or made"),
        ("results/b.csv", "this file is gone"),
    ]
    (made / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read"):
        require_intact(tmp_path)


# --- as people read it ------------------------------------------------------------------------------------------


def verification(made, problems=()):
    return Verification("<b>A & study</b>", compare(pins(), made), list(problems), "here", True, "3.11.7", "a" * 64)


def test_the_console_shows_every_estimate_and_what_is_not_in_order():
    text = "\n".join(as_lines(verification(pins(2.5, code={"workflow/mgk/block/cells.py": "b2"}))))
    assert "\nromk_block\n" in text
    row = next(line for line in text.splitlines() if line.startswith("  Ki(0), control (mM)"))
    assert row.split()[-5:] == ["2.5", "1.5", "1", "2e-06", "differs"]
    assert "upstream of romk_block, control, Ki(0): workflow/mgk/block/cells.py" in text
    assert "Python 3.11.7" in text
    assert "not verified: <b>A & study</b>" in text
    good = as_lines(verification(pins()))
    assert good[-1] == "verified: <b>A & study</b>"
    assert "numbers: 5 identical" in good


def test_the_table_of_the_console_fits_a_hundred_columns():
    group = "a group with a name that is much longer than anybody would like to read on a console"
    numbers = numbers_of(key_numbers(123456.789123, "not_identified_for_a_very_long_reason", group))
    lines = as_lines(verification(replace(pins(), numbers=numbers)))
    table = [line for line in lines if "Ki(0)" in line and not line.startswith("upstream")]
    assert table
    assert max(len(line) for line in table) <= 100


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.rows = [], 0

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.rows += tag == "tr"


def test_the_page_holds_all_and_takes_names_for_text():
    problem = Problem("raw_data/x.csv", 2, "a", "<script>", "a number")
    page = as_page(verification(pins(2.5), [problem]))
    reader = Reader()
    reader.feed(page)
    names = [tag for tag, _ in reader.tags]
    assert names.count("script") == page.count(f"<script>{SCRIPT}</script>") == 1
    assert "b" not in names
    assert names.count("h1") == 1
    assert names.count("caption") == 2
    assert reader.rows == 2 + 5 + 2  # heads, numbers, a table and a figure
    assert all("src" not in a and not a.get("href", "#").startswith("http") for _, a in reader.tags)
    assert dict(reader.tags)["html"] == {"lang": "en"}
    record = json.loads(as_json(verification(pins(2.5), [problem])))
    assert record["verdict"] == "not verified"
    assert [n["difference"] for n in record["numbers"]] == [1.0, 0.0, 0.0, None, None]
