"""Workbooks: what a sheet becomes, clock times, formulas; archives that lie, are cut, or are too large."""

import datetime
import io
import zipfile

import pytest
from plate_texts import absorbance, gen5_head, gen5_text
from tecan_sheets import workbook

from mgk.plates import check_plate_file, plate_format, read_plate_file
from mgk.plates.export import ExportError
from mgk.plates.workbook import sheet_texts

GRID = [[None, *range(1, 13)], *([r, *range(12)] for r in "ABCDEFGH")]


def repacked(raw, **parts):
    """The same workbook with some parts replaced (`sheet1` stands for its path), or added by their own name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, parts.pop(part.filename, None) or old.read(part.filename))
        for name, content in parts.items():
            new.writestr(name, content)
    return stream.getvalue()


def test_cells_become_text_without_losing_a_bit():
    values = [0.0458999983966351, 1e-12, 3, 1234567.0, True, "a\tb\nc", None, "OVER"]
    text = sheet_texts(workbook([values]))[0][1]
    fields = text.rstrip("\n").split("\t")
    assert [float(f) for f in fields[:4]] == values[:4]
    assert fields[4:] == ["TRUE", "a b c", "", "OVER"]


def test_clock_times_are_written_out_also_beyond_a_day():
    day = datetime.timedelta(days=1, hours=1, minutes=2, seconds=3)
    text = sheet_texts(workbook([[datetime.time(0, 4, 22), day, datetime.datetime(2026, 11, 26, 10)]]))[0][1]
    assert text.split("\t")[:2] == ["0:04:22", "25:02:03"]


def test_a_gen5_workbook_has_its_tables_one_column_further_right(tmp_path):
    head = [line.split("\t") for line in gen5_text(gen5_head(absorbance([340, 380]))).split("\r\n")]
    rows = [*head, ["Results"], [None, None, *range(1, 13)]]
    for i, r in enumerate("ABCDEFGH"):
        rows += [[None, r, *(i + c / 10 for c in range(12)), 340], [None, None, *(50 + i for _ in range(12)), 380]]
    rows += [[], [340], [], [None, "Time", "T° 340", "A1", "A2"]]
    rows += [[None, datetime.time(0, 0, 30), 37.0, 1.5, 2.5], [None, datetime.time(0, 1), 37.0, 1.6, 2.6], []]
    (tmp_path / "plate.xlsx").write_bytes(workbook(rows))
    assert plate_format(tmp_path / "plate.xlsx").startswith("BioTek Gen5")
    plate = read_plate_file(tmp_path / "plate.xlsx")
    endpoint = plate[plate["time_s"].isna()]
    assert len(endpoint) == 192
    assert endpoint.loc[(endpoint["well"] == "B3") & (endpoint["wavelength_nm"] == 340), "value"].item() == 1.2
    assert plate.loc[(plate["well"] == "A2") & plate["time_s"].notna(), "time_s"].tolist() == [30, 60]


@pytest.mark.parametrize(("cell", "problems"), [(b'<c r="A65536"/>', 0), (b'<c r="A65536"><v>1</v></c>', 1)])
def test_empty_rows_down_to_the_end_of_a_sheet_do_not_count(tmp_path, cell, problems):
    raw = workbook(GRID)
    sheet = zipfile.ZipFile(io.BytesIO(raw)).read("xl/worksheets/sheet1.xml")
    longer = sheet.replace(b"</sheetData>", b'<row r="65536">' + cell + b"</row></sheetData>")
    (tmp_path / "plate.xlsx").write_bytes(repacked(raw, **{"xl/worksheets/sheet1.xml": longer}))
    found = check_plate_file(tmp_path / "plate.xlsx")
    assert len(found) == problems
    assert all("more than 50000 rows" in text for text in found)


def bomb():
    return repacked(workbook(GRID), **{"xl/worksheets/sheet1.xml": b"<x>" + b" " * 40_000_000 + b"</x>"})


def far_cell():
    """Two cells that span the whole sheet."""
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    sheet += (
        b'<c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
    )
    return repacked(workbook(GRID), **{"xl/worksheets/sheet1.xml": sheet})


def entities():
    sheet = b'<!DOCTYPE lolz [<!ENTITY lol "lol">]><worksheet>&lol;</worksheet>'
    return repacked(workbook(GRID), **{"xl/worksheets/sheet1.xml": sheet})


def archive_of_something_else():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "hello")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (bomb(), "unpacks to 40 MB; it is no plate export"),
        (far_cell(), "has more than 50000 rows"),
        (entities(), "declares a document type"),
        (archive_of_something_else(), "is an archive, but not an xlsx workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), r"is an old workbook \(xls\); save it as xlsx"),
        (b"PK\x03\x04abc", "is not a readable xlsx workbook"),
        (repacked(workbook(GRID), **{"xl/worksheets/sheet1.xml": b"<broken"}), "is not a readable xlsx workbook"),
        (repacked(workbook(GRID), **{"xl/workbook.xml": b"<workbook/>"}), "not a readable|is not of a known format"),
    ],
)
def test_archives_that_lie_are_refused_at_once(tmp_path, raw, message):
    (tmp_path / "plate.xlsx").write_bytes(raw)
    problems = check_plate_file(tmp_path / "plate.xlsx")
    assert len(problems) == 1
    with pytest.raises(ExportError, match=message):
        raise ExportError(None, problems[0])


def test_a_workbook_that_was_cut_anywhere_is_refused(tmp_path):
    raw = workbook(GRID)
    for end in range(2, len(raw) - 1, 397):
        (tmp_path / "plate.xlsx").write_bytes(raw[:end])
        assert len(check_plate_file(tmp_path / "plate.xlsx")) == 1, end


def test_a_byte_that_flipped_anywhere_is_refused_or_harmless(tmp_path):
    raw = workbook(GRID)
    (tmp_path / "whole.xlsx").write_bytes(raw)
    whole = read_plate_file(tmp_path / "whole.xlsx")
    for at in range(0, len(raw), 211):
        (tmp_path / "plate.xlsx").write_bytes(raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :])
        if not check_plate_file(tmp_path / "plate.xlsx"):
            plate = read_plate_file(tmp_path / "plate.xlsx")
            assert plate["value"].tolist() == whole["value"].tolist(), at
