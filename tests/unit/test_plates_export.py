"""What the readers share: encodings, well names, clock times, files that are no exports."""

import pytest
from plate_texts import bmg_text, grid

from mgk.plates import check_plate_file, plate_format, read_plate_file
from mgk.plates.export import TIDY_COLUMNS, decode, seconds, well_name
from mgk.tables.problems import InputError


@pytest.mark.parametrize(
    ("row", "column", "well"),
    [
        ("A", 1, "A1"),
        ("h", "12", "H12"),
        ("P", "24", "P24"),
        ("A01", "", "A1"),
        (" B ", " 03 ", "B3"),
        ("Q", 1, None),
        ("A", 25, None),
        ("A", 0, None),
        ("", 1, None),
        ("A1x", "", None),
        ("AA", 1, None),
    ],
)
def test_wells_have_one_name(row, column, well):
    assert well_name(row, column) == well


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0:00:00", 0),
        ("1:02:03", 3723),
        ("66:35:00", 239700),
        ("0:30", 30),
        ("0:00:00.5", 0.5),
        ("12", None),
        ("a:b", None),
    ],
)
def test_clock_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le"])
def test_text_is_decoded_whatever_its_encoding(encoding):
    assert decode("37 °C, 1".encode(encoding)) == "37 °C, 1"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"PK\x03\x04abc", "is not a readable xlsx workbook"),
        (b"abc\0def", "is not a text export"),
        (b"\xff\xfeA\0B", "marked as Unicode text, but is not"),
        (b"well,reading\nA1,3\n", "is not of a known format; read are SoftMax Pro txt, BioTek Gen5"),
        (b"some words\nand more\n", "`make convert-plate` turns what allotropy reads"),
        (b"User: me\r\nTest name: x\r\n", "holds no wells; export the raw data"),
    ],
)
def test_what_is_no_export_is_refused_with_the_files_name(tmp_path, raw, message):
    path = tmp_path / "plate.csv"
    path.write_bytes(raw)
    assert message in check_plate_file(path)[0]
    with pytest.raises(InputError, match=rf"^plate\.csv: .*{message}"):
        read_plate_file(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "cannot be read" in check_plate_file(tmp_path / "none.csv")[0]
    assert "cannot be read" in check_plate_file(tmp_path)[0]
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        plate_format(tmp_path / "none.csv")


def test_the_table_has_its_columns_in_order_and_the_format_comes_from_the_content(tmp_path):
    path = tmp_path / "plate.txt"
    path.write_text(bmg_text([("Raw Data (450)", grid())]), encoding="utf-8")
    assert tuple(read_plate_file(path).columns) == TIDY_COLUMNS
    assert plate_format(path) == "BMG MARS csv"
