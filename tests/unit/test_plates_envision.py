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


def bare(wells, label="Eu(1)", key="Label", plate=1):
    """The plate's lines, then the values of all wells without a title, column numbers and row letters."""
    head = block("", wells, label, plate=plate)[:8]
    head[1] = head[1].replace("Label", key)
    return [*head, *("".join(f"{wells.get(f'{r}{c}', '')}," for c in range(1, 13)) for r in "ABCDEFGH"), ""]


def test_a_matrix_without_titles_is_what_the_lines_of_its_plate_say(tmp_path):
    wells = {w: v for w, v in grid(start=100).items() if w[0] in "AC"}
    plate = read(tmp_path, bare(grid(start=9), key="Formula"), bare(wells), bare(grid(), plate=2), TAIL)
    assert plate.drop_duplicates("plate_in_file")["label"].tolist() == ["Eu(1)", "Eu(1)"]
    assert set(plate["emission_nm"]) == {665}
    first = plate[plate["plate_in_file"] == 1].set_index("well")
    assert first.loc[wells.keys(), "value"].tolist() == [float(v) for v in wells.values()]
    assert set(first.drop(index=list(wells))["flag"]) == {"blank"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: [*t[:9], *t[10:]], "row H of a plate with 12 columns is expected here"),
        (lambda t: [*t[:10], t[10], *t[10:]], "an empty line is expected below the 8 rows"),
        (lambda t: [*t[:8], t[8][:-4], *t[9:]], "11 values: rows of .* wells are expected"),
        (lambda t: [*t[:9], t[9] + "1,", *t[10:]], "row B of a plate with 12 columns is expected here"),
        (lambda t: t[:-2], "row H of a plate with 12 columns"),
    ],
)
def test_a_matrix_without_titles_that_was_damaged_is_refused(tmp_path, change, message):
    text = bare(grid(start=100, step=0))
    text[8] = text[8].replace("100.000", "100")
    with pytest.raises(InputError, match=message):
        read(tmp_path, change(text))


def test_a_detector_without_excitation_is_not_called_fluorescence(tmp_path):
    alpha = block("Results for HTS(1) - channel 1 (Counts)", grid(), "HTS(1)", "De=1st Ex=N/A Em=Top Wdw=N/A (14)")
    assert set(read(tmp_path, alpha, TAIL)["mode"]) == {""}


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
