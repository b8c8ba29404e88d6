"""BMG MARS csv: blocks, decimal commas, words for no value, table views, and what is refused."""

import math

import pytest
from plate_texts import bmg_table_text, bmg_text, grid

from mgk.plates import read_plate_file
from mgk.tables.problems import InputError


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "export.dat"
    path.write_bytes(text.encode(encoding))
    return read_plate_file(path)


def values(plate, read_number=1):
    rows = plate[plate["read"] == read_number]
    return dict(zip(rows["well"], rows["value"], strict=True))


def test_an_absorbance_plate_is_read_well_by_well(tmp_path):
    wells = grid()
    plate = read(tmp_path, bmg_text([("Raw Data  (450)", wells)]))
    assert values(plate) == {w: float(v) for w, v in wells.items()}
    assert plate["well"].tolist() == list(wells)
    first = plate.iloc[0]
    assert (first["plate_in_file"], first["plate_name"], first["mode"]) == (1, "plate one", "absorbance")
    assert (first["wavelength_nm"], first["label"], first["flag"]) == (450, "Raw Data (450)", "")
    assert math.isnan(first["time_s"])


def test_all_blocks_of_raw_data_are_read_and_computed_ones_left_out(tmp_path):
    blocks = [
        ("Raw Data (340-11/510-20)", grid(start=100)),
        ("Blank corrected based on Raw Data (340-11/510-20)", grid(start=7)),
        ("Raw Data (380-20/510-20)", grid(start=200)),
    ]
    plate = read(tmp_path, bmg_text(blocks, mode="Fluorescence (FI)"))
    reads = plate.drop_duplicates("read").set_index("read")
    assert reads["excitation_nm"].to_dict() == {1: 340, 2: 380}
    assert reads["emission_nm"].tolist() == [510, 510]
    assert reads["wavelength_nm"].isna().all()
    assert values(plate, 1)["A1"] == 100
    assert values(plate, 2)["A1"] == 200


def test_a_matrix_that_lost_its_title_is_refused(tmp_path):
    text = bmg_text([("Raw Data (340)", grid()), ("Raw Data (380)", grid())]).replace("Raw Data (380)\r\n", "")
    with pytest.raises(InputError, match=r"line 20: a title such as 'Raw Data \(450\)' is expected"):
        read(tmp_path, text)


def test_two_reads_at_one_wavelength_keep_their_order(tmp_path):
    plate = read(tmp_path, bmg_text([("Raw Data (450)", grid(start=1)), ("Raw Data (450)", grid(start=2))]))
    assert values(plate, 1)["A1"] == 1
    assert values(plate, 2)["A1"] == 2


@pytest.mark.parametrize("title", ["Raw Data (450 1)", "Raw Data (450)", "Raw Data  (450-10)"])
def test_the_second_number_of_a_title_is_no_wavelength(tmp_path, title):
    assert set(read(tmp_path, bmg_text([(title, grid())]))["wavelength_nm"]) == {450}


def test_semicolons_with_decimal_commas(tmp_path):
    wells = grid()
    text = bmg_text([("Raw Data (450)", {w: v.replace(".", ",") for w, v in wells.items()})], delimiter=";")
    assert values(read(tmp_path, text)) == {w: float(v) for w, v in wells.items()}


def test_decimal_commas_beside_points_are_refused(tmp_path):
    wells = {w: v.replace(".", ",") for w, v in grid().items()} | {"D7": "25.104"}
    with pytest.raises(InputError, match=r"line 10: '0,100' has a decimal comma, '25.104' in line 13 a point"):
        read(tmp_path, bmg_text([("Raw Data (450)", wells)], delimiter=";"))


def test_overflow_empty_and_blank_cells_are_flags_and_not_zeros(tmp_path):
    wells = grid() | {"A1": "overflow", "B2": "empty", "H12": ""}
    plate = read(tmp_path, bmg_text([("Raw Data (450)", wells)])).set_index("well")
    assert plate.loc[["A1", "B2", "H12"], "flag"].tolist() == ["overflow", "blank", "blank"]
    assert plate.loc[["A1", "B2", "H12"], "value"].isna().all()
    assert plate["value"].notna().sum() == 93


def test_a_plate_of_384_wells(tmp_path):
    lines = ["User: USER", "Test name: t", "Absorbance", "Raw Data (405)", "," + ",".join(map(str, range(1, 25)))]
    lines += [f"{r}," + ",".join(f"{i}.{c}" for c in range(1, 25)) for i, r in enumerate("ABCDEFGHIJKLMNOP", start=1)]
    plate = read(tmp_path, "\n".join([*lines, ""]))
    assert len(plate) == 384
    assert plate.iloc[-1]["well"] == "P24"
    assert plate.iloc[-1]["value"] == 16.24


def test_rows_may_leave_out_trailing_wells(tmp_path):
    text = bmg_text([("Raw Data (450)", grid() | {"C11": "", "C12": ""})]).replace(",,\r\nD", "\r\nD")
    plate = read(tmp_path, text).set_index("well")
    assert plate.loc[["C11", "C12"], "flag"].tolist() == ["blank", "blank"]


def test_a_table_view_holds_endpoint_reads(tmp_path):
    titles = ["Raw Data (340/510)", " Raw Data (380/510)", "Average based on Raw Data (380/510)"]
    rows = {"A01": ["10", "20", "99"], "B2": ["30", "overflow", "99"]}
    plate = read(tmp_path, bmg_table_text(titles, rows, mode="Fluorescence (FI)"))
    assert values(plate, 1) == {"A1": 10, "B2": 30}
    assert values(plate, 2)["A1"] == 20
    assert plate["flag"].tolist() == ["", "", "", "overflow"]
    assert plate["read"].max() == 2


def test_a_table_view_holds_kinetic_reads(tmp_path):
    rows = {"A1": ["0.08", "0.09", "0.1"], "C2": ["0.1", "0.1", "0.12"]}
    plate = read(tmp_path, bmg_table_text(["Raw Data (340)"] * 3, rows, times=["0 h ", "0 h 60 min", "1 h 15 min"]))
    assert plate["time_s"].tolist() == [0, 0, 3600, 3600, 4500, 4500]
    assert plate.loc[plate["well"] == "C2", "value"].tolist() == [0.1, 0.1, 0.12]
    assert set(plate["read"]) == {1}


def test_times_without_words_take_the_unit_of_their_title(tmp_path):
    text = bmg_table_text(["Raw Data (340)"] * 2, {"A1": ["1", "2"]}, times=["0", "2.5"])
    assert read(tmp_path, text.replace(",,Time,", ",,Time [min],"))["time_s"].tolist() == [0, 150]
    with pytest.raises(InputError, match="line 7: '0' is not a time"):
        read(tmp_path, text)


def test_equal_titles_need_their_times(tmp_path):
    with pytest.raises(InputError, match=r"line 6: 'Raw Data \(340\)' stands twice, and no line of times"):
        read(tmp_path, bmg_table_text(["Raw Data (340)"] * 2, {"A1": ["1", "2"]}))


def test_several_runs_in_one_file_are_several_plates(tmp_path):
    text = bmg_text([("Raw Data (450)", grid(start=1))]) + bmg_text([("Raw Data (450)", grid(start=2))])
    plate = read(tmp_path, text)
    assert plate.groupby("plate_in_file")["value"].min().to_dict() == {1: 1, 2: 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("0.150", "0.1x50"), r"line 10: well A6: '0.1x50' is neither a number nor one of"),
        (lambda t: t.replace(",1,2,3,", ",1,3,", 1), r"line \d+: "),
        (lambda t: t[: t.index("F,")], r"line 15: row F of a plate with 12 columns is expected here"),
        (lambda t: t.rstrip("\r\n"), r"line 17: the file ends within this row of values"),
        (lambda t: t.replace("B,", "A,", 1), r"line 11: row B of a plate"),
        (lambda t: t.replace("A,0.100", "A,7,0.100"), r"line 10: row A has 13 values"),
        (lambda t: t.replace("Raw Data (450)", "Raw Data (Abs Spectrum)#"), r"only titles such as 'Raw Data \(450\)'"),
        (lambda t: t.replace("Raw Data (450)", "Cycle 2 (60 s)"), "export a kinetic read in MARS' table view"),
        (lambda t: t.replace("Raw Data (450)", "Blank corrected"), "holds no wells; export the raw data"),
        (lambda t: t.replace("(450)\r\n", "(450)\r\nx\r\n"), "line 7: this title of raw data is not followed by"),
        (lambda t: t[: t.index(",1,2,3")], "this title of raw data is not followed by"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, change, message):
    text = bmg_text([("Raw Data (450)", grid())])
    with pytest.raises(InputError, match=message):
        read(tmp_path, change(text))


def test_a_spectrum_is_refused(tmp_path):
    text = bmg_table_text(["Raw Data (Abs Spectrum)"] * 2, {"A1": ["1", "2"]}, times=["260", "261"])
    with pytest.raises(InputError, match="spectra are not read"):
        read(tmp_path, text.replace(",,Time,", ",,Wavelength [nm],"))
