"""EnVision csv: matrices with their titles, filters of a label, several plates, rows left out, and what is refused."""

import pytest
from plate_texts import grid

from mgk.plates import read_plate_file
from mgk.tables.problems import InputError

TITLES = "Plate,Repeat,Barcode,Label,ScanX,ScanY,Measinfo,Kinetics,Measurement date,"


def block(
    title, wells, label="Eu(1)", measinfo="De=1st Ex=Top Em=Top Wdw=1 (14)", plate=1, letters="ABCDEFGH", kinetics=0
):
    lines = [
        "Plate information ",
        TITLES,
        f'{plate},1,"=""P1""",{label},0,0,{measinfo},{kinetics},11/26/2026 10:00:00,',
        "",
    ]
    lines += ["Background information", "Plate,Label,Result,", "1,Eu,0,", "", title]
    lines += ["," + ",".join(f"{c:02d}" for c in range(1, 13)) + ","]
    return [*lines, *(f"{r}," + ",".join(wells.get(f"{r}{c}", "") for c in range(1, 13)) + "," for r in letters), ""]


TAIL = ["Basic assay information ", "Assay ID: ,,,,1", "", "Platemap:", "," + ",".join(map(str, range(1, 13)))]
TAIL += ["A,- ,- ", "", "Labels:", "Eu,,,,6000028", "Exc. filter,,,,UV2 320", "Ems. filter,,,,APC 665"]
TAIL += ["2nd ems. filter,,,,Cy5 620", "", "Filters:", "UV2 320,,,,111", "Description,,,,X320 CWL=320nm BW=75nm", ""]
TAIL += [
    "APC 665,,,,205",
    "Description,,,,M665 CWL=665nm BW=75nm",
    "",
    "Cy5 620,,,,118",
    "Description,,,,CWL=620nm",
    "",
]
FIRST = block("Results for Eu(1) - channel 1 window 1 (Counts)", grid(start=100))
SECOND = block("Results for Eu(1) - channel 2 window 1 (Counts)", grid(start=300), measinfo="De=2nd Ex=Top Em=Top")
COMPUTED = ["Calculated results: Calc 1: ratio", *FIRST[9:]]


def read(tmp_path, *parts):
    path = tmp_path / "export.csv"
    path.write_text("".join(f"{line}\r\n" for part in parts for line in part), encoding="latin-1", newline="")
    return read_plate_file(path)


def test_both_detectors_have_their_filters_and_what_was_calculated_is_left_out(tmp_path):
    plate = read(tmp_path, COMPUTED[:0], FIRST[:4], COMPUTED, FIRST, SECOND, TAIL)
    reads = plate.drop_duplicates("read")
    assert reads["emission_nm"].tolist() == [665, 620]
    assert set(reads["excitation_nm"]) == {320}
    assert reads["value"].tolist() == [100, 300]
    assert set(plate["mode"]) == {"fluorescence"}


def test_absorbance_and_luminescence_are_known_by_their_detector(tmp_path):
    light = block("Results for US LUM 96(1) - channel 1 (CPS)", grid(), "US LUM 96(1)", "De=USLum Ex=N/A Em=N/A")
    dark = block("Results for Photometric(1) - channel 1 (OD)", grid(), "Photometric(1)", "De=1st Ex=Btm Em=N/A")
    assert read(tmp_path, light, dark, TAIL).drop_duplicates("read")["mode"].tolist() == ["luminescence", "absorbance"]


def test_several_plates_and_rows_that_were_left_out(tmp_path):
    second = block("Results for Eu(1) - channel 1 (Counts)", grid(start=9), plate=2, letters="AE")
    plate = read(tmp_path, FIRST, second, TAIL)
    assert plate.drop_duplicates("plate_in_file")["plate_name"].tolist() == ["Plate 1", "Plate 2"]
    assert set(plate.loc[plate["plate_in_file"] == 2, "well"].str[0]) == {"A", "E"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[:-3], r"line \d+: the file ends within this matrix"),
        (lambda t: t[:9], "is not followed by column numbers"),
        (lambda t: [*t[:8], *t[9:]], "a title 'Results for ...' is expected above this matrix"),
        (lambda t: [*t[:11], t[10], *t[11:]], "'A': the next row of a plate"),
        (lambda t: [line.replace("(14),0,", "(14),3,") for line in t], "kinetic repeats of a plate are not read"),
        (lambda t: [line.replace("A,", "A,5,") for line in t], "row A has 13 values"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, change, message):
    assert change(FIRST) != FIRST
    with pytest.raises(InputError, match=message):
        read(tmp_path, change(FIRST))
