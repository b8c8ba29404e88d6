"""Layouts as wellmap TOML: the same wells as wellmap, checked like any layout, and what is refused."""

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgk.plates import read_layout
from mgk.tables.layout_toml import LayoutError, read_wellmap
from mgk.tables.problems import InputError

REFERENCE = Path(__file__).parents[1] / "reference" / "wellmap"
STORED = json.loads((REFERENCE / "readings.json").read_text(encoding="utf-8"))["files"]


@pytest.mark.parametrize("name", STORED)
def test_every_field_of_every_well_is_that_of_wellmap(name):
    ours = {row.pop("well"): row for row in read_wellmap(REFERENCE / "files" / name)}
    assert set(ours) == set(STORED[name])
    for well, fields in STORED[name].items():
        assert {k: v if isinstance(v, str) else float(v) for k, v in fields.items()} == {
            k: v if isinstance(fields[k], str) else float(v) for k, v in ours[well].items()
        }, well


def layout(tmp_path, text):
    path = tmp_path / "layout.toml"
    path.write_text(text, encoding="utf-8")
    return read_layout(path)


def test_a_layout_in_toml_is_a_layout(tmp_path):
    table = layout(tmp_path, '[block.2x1]\nA1 = {role = "standard", standard_nmol = 0.1}\n[well.B1]\nrole = "blank"\n')
    assert table["well"].tolist() == ["A1", "A2", "B1"]
    assert table["standard_nmol"].tolist()[:2] == [0.1, 0.1]
    assert table["role"].tolist() == ["standard", "standard", "blank"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[well.A1]\nrole = 'sampel'\n", r"layout\.toml, role \(A1\): 'sampel': allowed: .*did you mean 'sample'"),
        ("[well.A1]\nrole = 'standard'\n", "standard_nmol or standard_um or protein_ug: must not be empty for A1"),
        ("[well.A1]\nrole = 'blank'\ndose = 3\n", "dose: unknown column"),
        ("[well.A1]\natp_mm = 3\n", "this column is missing: what the well is for"),
        ("[expt]\nrole = 'blank'\n", "names no wells"),
        ("[row.A]\nrole = 'blank'\n", r"\[row\] has nothing to cross: it needs \[col\]"),
        (
            "[meta]\ninclude = 'other.toml'\n[well.A1]\nrole = 'blank'\n",
            r"\[meta\] include: other files are not followed",
        ),
        ("[plate.a.well.A1]\nrole = 'blank'\n", r"\[plate\]: several plates are not read"),
        ("[irow.A]\nrole = 'blank'\n", r"\[irow\]: interleaved rows are not read"),
        ("[wells.A1]\nrole = 'blank'\n", r"\[wells\]: allowed are \[expt\], \[well\]"),
        ("[well.Q1]\nrole = 'blank'\n", "'Q1' is not a well such as A1"),
        ("[col.25]\nrole = 'blank'\n", r"'25' is not a column \(1 to 24\)"),
        ("[well]\n'A1,A4,...,A9' = {role = 'blank'}\n", "the pattern does not lead from its first to its last place"),
        ("[well]\n'A1,A2,...' = {role = 'blank'}\n", "a pattern is first,second,...,last"),
        ("[block.2x]\nA1 = {role = 'blank'}\n", "a size is WxH"),
        ("[block.9x9]\nP20 = {role = 'blank'}\n", "reaches beyond a plate of 384 wells"),
        ("[well.A1]\nrole = ['blank']\n", "must be a number or a word"),
        ("[well]\nA1 = 'blank'\n", r"\[well.A1\] must be a table of fields"),
        ("[well.A1]\natp_mm = nan\nrole = 'blank'\n", "must be a number or a word"),
        ("[well.A1\n", "is not TOML"),
    ],
)
def test_what_is_no_layout_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        layout(tmp_path, text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="[]expwelrowcb.kA1B2-,'\"= \n3x{}", max_size=80))
def test_any_text_gives_wells_or_the_error_of_layouts(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layout.toml"
        path.write_text(text, encoding="utf-8")
        with contextlib.suppress(LayoutError):
            assert read_wellmap(path)
