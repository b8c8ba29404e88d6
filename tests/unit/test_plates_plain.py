"""Plain grids and long tables: reads, flags, separators, decimal commas, and what is refused."""

import math

import pytest
from plate_texts import grid
from tecan_sheets import workbook

from mgk.plates import plate_format, read_plate_file
from mgk.tables.problems import InputError


def read(tmp_path, content):
    path = tmp_path / "plate.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    plate = read_plate_file(path)
    assert plate_format(path).startswith("plain")
    return plate


def rows_of(wells, columns=12, letters="ABCDEFGH", corner=""):
    head = [corner, *(str(c) for c in range(1, columns + 1))]
    return [head, *([r, *(wells.get(f"{r}{c}", "") for c in range(1, columns + 1))] for r in letters)]


def joined(rows, delimiter=","):
    return "".join(delimiter.join(r) + "\n" for r in rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("corner", ["", "<>"])
def test_a_grid_with_any_separator(tmp_path, delimiter, corner):
    wells = grid()
    plate = read(tmp_path, joined(rows_of(wells, corner=corner), delimiter))
    assert dict(zip(plate["well"], plate["value"], strict=True)) == {w: float(v) for w, v in wells.items()}
    assert set(plate["label"]) == {"read 1"}


def test_decimal_commas_between_semicolons(tmp_path):
    wells = {w: v.replace(".", ",") for w, v in grid().items()}
    assert read(tmp_path, joined(rows_of(wells), ";"))["value"].iloc[1] == 0.11


def test_grids_below_each_other_are_reads_named_by_the_line_above(tmp_path):
    parts = [[["340/510"]], rows_of(grid(start=1)), [[]], [["600 nm"]], rows_of(grid(start=2)), [["raw"]]]
    text = "".join(joined(p) for p in [*parts, rows_of(grid(start=3))])
    reads = read(tmp_path, text).drop_duplicates("read")
    assert reads["label"].tolist() == ["340/510", "600 nm", "raw"]
    assert reads[["excitation_nm", "emission_nm"]].iloc[0].tolist() == [340, 510]
    assert reads["wavelength_nm"].tolist()[1] == 600
    assert reads["value"].tolist() == [1, 2, 3]


def test_a_grid_in_a_sheet_of_a_workbook(tmp_path):
    cells = [[None, *range(1, 25)], *([r, *(i * 100 + c for c in range(24))] for i, r in enumerate("ABCDEFGHIJKLMNOP"))]
    plate = read(tmp_path, workbook(cells))
    assert len(plate) == 384
    assert plate["value"].iloc[-1] == 1523


def test_empty_and_marked_cells_are_flags(tmp_path):
    plate = read(tmp_path, joined(rows_of(grid() | {"A1": "", "B1": "OVER", "C1": "n/a"}))).set_index("well")
    assert plate.loc[["A1", "B1", "C1"], "flag"].tolist() == ["blank", "overflow", "missing"]


@pytest.mark.parametrize("columns", [3, 4, 6, 8, 12, 24])
def test_grids_of_every_size(tmp_path, columns):
    rows = {3: 2, 4: 3, 6: 4, 8: 6, 12: 8, 24: 16}[columns]
    letters = "ABCDEFGHIJKLMNOP"[:rows]
    wells = {f"{r}{c}": "1.5" for r in letters for c in range(1, columns + 1)}
    assert len(read(tmp_path, joined(rows_of(wells, columns, letters)))) == columns * rows


LONG = """well,value,read,label,mode,excitation_nm,emission_nm,time_s,flag
A1,10,1,340,fluorescence,340,510,0,
A2,,1,340,fluorescence,340,510,0,overflow
A1,11,1,340,fluorescence,340,510,30,
A1,20,2,380,fluorescence,380,510,0,
A2,,2,380,fluorescence,380,510,0,masked
"""


def test_a_long_table_holds_everything(tmp_path):
    plate = read(tmp_path, LONG)
    assert plate["value"].tolist()[:1] == [10]
    assert plate["flag"].tolist() == ["", "overflow", "", "", "masked"]
    assert plate["time_s"].tolist() == [0, 0, 30, 0, 0]
    assert plate["excitation_nm"].tolist() == [340, 340, 340, 380, 380]


def test_a_long_table_of_well_and_value_is_enough(tmp_path):
    plate = read(tmp_path, "Well;Value\nA01;0,5\nB2;\n")
    assert plate["well"].tolist() == ["A1", "B2"]
    assert plate["value"].iloc[0] == 0.5
    assert plate["flag"].tolist() == ["", "blank"]
    assert math.isnan(plate["time_s"].iloc[0])


def test_plates_of_a_long_table_are_numbered_as_they_come(tmp_path):
    plate = read(tmp_path, "plate,well,value\nb,A1,1\na,A1,2\nb,A2,3\n")
    assert plate.groupby("plate_in_file")["plate_name"].first().to_dict() == {1: "b", 2: "a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("well,value,wavelenght_nm\nA1,1,450\n", "line 1: column 'wavelenght_nm': .*did you mean 'wavelength_nm'"),
        ("well,value\nQ1,1\n", "line 2: 'Q1' is not a well"),
        ("well,value\nA1,many\n", "line 2: well A1: 'many' is neither a number"),
        ("well,value\nA1,1\nA1,2\n", "line 3: well A1 of read 1 stands in line 2 already"),
        ("well,value,flag\nA1,1,overflow\n", "a flagged well has no value"),
        ("well,value,flag\nA1,,lost\n", "flag 'lost': allowed are missing"),
        ("well,value,read,label\nA1,1,1,340\nA2,1,1,380\n", "read 1 is called '380' here, '340' before"),
        ("well,value,time_s\nA1,1,soon\n", "time_s 'soon': must be a number"),
        ("well,value,mode\nA1,1,colour\n", "mode 'colour': allowed are absorbance"),
        ("well,value,read\nA1,1,first\n", "read 'first': must be a whole number"),
        ("well,value\nA1,1,2\n", "line 2: 3 fields, where the header has 2"),
        ("well,value\nA1,1\nA2,2", "the file ends within this row"),
        (joined(rows_of(grid())).replace("C,", "X,"), "row C of a plate with 12 columns is expected"),
        (joined(rows_of(grid())[:-1]), "row H of a plate"),
        (joined(rows_of(grid())) + "a line\nand another\n", "a grid is expected"),
        (joined(rows_of(grid())) + "\n450\n", "'450' is not followed by a grid"),
        (joined(rows_of(grid(), columns=7)), "a grid of 7 columns; read are 3"),
        (joined([["", *map(str, range(1, 49))], ["A", *["1"] * 48]]), "a grid of 48 columns"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
