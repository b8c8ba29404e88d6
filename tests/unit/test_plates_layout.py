"""Layouts: the roles, what each of them needs, and joining to a plate."""

import pandas as pd
import pytest

from mgk.plates import ROLES, join_layout, read_layout
from mgk.tables.problems import InputError
from mgk.tables.schema import load_schema

HEADER = (
    "well,role,sample_id,animal_id,preparation_id,magnesium_total_mm,standard_nmol,protein_ug,time_min,ouabain_mm\n"
)


def layout(tmp_path, *rows, header=HEADER):
    path = tmp_path / "layout.csv"
    path.write_text(header + "".join(f"{r}\n" for r in rows), encoding="utf-8")
    return read_layout(path)


def plate(wells, reads=(1, 2)):
    return pd.DataFrame([{"read": r, "well": w, "value": 1.0} for r in reads for w in wells])


def test_the_roles_are_those_of_the_schema():
    assert set(ROLES) == set(load_schema("layout")["properties"]["role"]["enum"])


def test_wells_are_normalised_and_columns_complete(tmp_path):
    found = layout(tmp_path, "A01,standard,,,,,20,,,", "B2,sample,S1,P1,,,,,,")
    assert found["well"].tolist() == ["A1", "B2"]
    assert found["standard_nmol"].iloc[0] == 20
    assert found["condition"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "A1,standard,,,,,,,,",
            "row 2, standard_nmol or standard_um or protein_ug: must not be empty for A1, whose role is standard",
        ),
        ("A1,total,S,,p,1,,10,15,", "row 2, animal_id: must not be empty for A1, whose role is total"),
        ("A1,total,S,a,p,1,,,15,", "row 2, protein_ug or wet_weight_mg or sample_ul"),
        ("A1,ouabain,S,a,p,1,,10,15,", "row 2, ouabain_mm"),
        ("A1,rmax,,,,,,,,", "row 2, magnesium_total_mm"),
        ("A1,sample,,a,,,,,,", "row 2, sample_id"),
        ("A1,sampel,S,a,,,,,,", "did you mean 'sample'"),
        ("Z1,empty,,,,,,,,", "row 2, well"),
        ("A1,blank,,,,-1,,,,", "row 2, magnesium_total_mm"),
    ],
)
def test_what_a_role_needs(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        layout(tmp_path, row)


def test_a_standard_of_zero_is_a_standard(tmp_path):
    assert layout(tmp_path, "A1,standard,,,,,0,,,")["standard_nmol"].item() == 0


def test_a_well_may_stand_once_however_it_is_written(tmp_path):
    with pytest.raises(InputError, match=r"row 3, well: 'A01': is well A1, as in row 2"):
        layout(tmp_path, "A1,blank,,,,,,,,", "A01,blank,,,,,,,,")


def test_all_problems_come_at_once(tmp_path):
    with pytest.raises(InputError) as found:
        layout(tmp_path, "A1,standard,,,,,,,,", "A2,rmax,,,,,,,,")
    assert len(found.value.problems) == 2


def test_joining_keeps_every_read_and_calls_other_wells_empty(tmp_path):
    found = layout(tmp_path, "A1,sample,S1,P1,,,,,,", "A2,blank,,,,,,,,")
    joined = join_layout(plate(["A1", "A2", "A3"]), found)
    assert joined["role"].tolist() == ["sample", "blank", "empty"] * 2
    assert joined["animal_id"].tolist() == ["P1", "", ""] * 2
    assert joined["standard_nmol"].isna().all()
    assert len(joined) == 6


def test_a_layout_that_names_wells_the_plate_does_not_have_is_refused(tmp_path):
    found = layout(tmp_path, "A1,blank,,,,,,,,", "H12,blank,,,,,,,,", "H11,blank,,,,,,,,")
    with pytest.raises(InputError, match="wells that the plate does not have: H12, H11"):
        join_layout(plate(["A1", "A2"]), found)
