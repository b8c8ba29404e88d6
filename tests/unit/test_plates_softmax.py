"""SoftMax Pro txt: plate and time format, several plates and wavelengths, empty cells, and what is refused."""

import pytest
from plate_texts import softmax_header, softmax_plate, softmax_text, softmax_times

from mgk.plates import read_plate_file
from mgk.plates.export import ROWS
from mgk.tables.problems import InputError


def read(tmp_path, text, encoding="utf-16"):
    path = tmp_path / "export.dat"
    path.write_bytes(text.encode(encoding))
    return read_plate_file(path)


def number(well):
    return "ABCDEFGH".index(well[0]) * 12 + int(well[1:])


def first(t, well):
    return f"{number(well) / 100 + t:g}"


def second(t, well):
    return f"{10 + number(well) / 100 + t:g}"


def value(plate, read_number, well, plate_in_file=1):
    at = (plate["read"] == read_number) & (plate["well"] == well) & (plate["plate_in_file"] == plate_in_file)
    return plate.loc[at, "value"].tolist()


@pytest.mark.parametrize("form", ["PlateFormat", "TimeFormat"])
def test_an_endpoint_plate_at_two_wavelengths(tmp_path, form):
    block = softmax_plate if form == "PlateFormat" else softmax_times
    header = softmax_header("Absorbance", form, "Endpoint", [340, 380], name="P1")
    plate = read(tmp_path, softmax_text(["Note:", "of mine", "~End"], block(header, [first, second])))
    assert len(plate) == 192
    assert plate.drop_duplicates("read")["wavelength_nm"].tolist() == [340, 380]
    assert value(plate, 1, "B1") == [0.13]
    assert value(plate, 2, "H12") == [10.96]
    assert set(plate["plate_name"]) == {"P1"}


@pytest.mark.parametrize("form", ["PlateFormat", "TimeFormat"])
def test_a_kinetic_fluorescence_plate(tmp_path, form):
    block = softmax_plate if form == "PlateFormat" else softmax_times
    header = softmax_header("Fluorescence", form, "Kinetic", [510, 510], [340, 380], times=3)
    plate = read(tmp_path, softmax_text(block(header, [first, second], ["00:00:00", "00:01:30", "00:03:00"])))
    assert plate.drop_duplicates("read")["excitation_nm"].tolist() == [340, 380]
    assert plate.drop_duplicates("read")["emission_nm"].tolist() == [510, 510]
    assert sorted(set(plate["time_s"])) == [0, 90, 180]
    assert value(plate, 1, "A2") == [0.02, 1.02, 2.02]


def test_times_of_two_parts_are_minutes_and_seconds(tmp_path):
    header = softmax_header("Absorbance", "PlateFormat", "Kinetic", [405], times=2)
    plate = read(tmp_path, softmax_text(softmax_plate(header, [first], ["0:00", "1:30"])))
    assert sorted(set(plate["time_s"])) == [0, 90]


def test_two_plates_of_one_file(tmp_path):
    one = softmax_plate(softmax_header("Absorbance", "PlateFormat", "Endpoint", [340], name="one"), [first])
    two = softmax_times(softmax_header("Absorbance", "TimeFormat", "Endpoint", [340], name="two"), [second])
    plate = read(tmp_path, softmax_text(one, ["Group: x", "Sample\tWells", "01\tA1", "~End"], two))
    assert plate.drop_duplicates("plate_in_file")["plate_name"].tolist() == ["one", "two"]
    assert value(plate, 1, "A1", 1) == [0.01]
    assert value(plate, 1, "A1", 2) == [10.01]


def test_empty_cells_are_missing_and_saturated_ones_overflow(tmp_path):
    def partial(t, well):
        return {"1": "", "2": "#SAT", "3": "Masked"}.get(well[1:], first(t, well))

    header = softmax_header("Absorbance", "PlateFormat", "Endpoint", [340])
    plate = read(tmp_path, softmax_text(softmax_plate(header, [partial]))).set_index("well")
    assert plate.loc[["A1", "H2", "C3"], "flag"].tolist() == ["missing", "overflow", "masked"]
    assert plate.loc[["A1", "H2", "C3"], "value"].isna().all()
    assert plate["value"].notna().sum() == 72


def unread_rows(text, letters="ABGH"):
    """The text with the values of whole plate rows, and their temperature, taken away: lines of tabs are left."""
    start = [ROWS.index(r) for r in letters]
    lines = text.split("\r\n")
    top = next(i for i, line in enumerate(lines) if "Temperature" in line) + 1
    for row in start:
        lines[top + row] = "\t" * lines[top + row].count("\t")
    return "\r\n".join(lines)


def test_plate_rows_that_were_not_read_are_missing_and_the_others_stay_in_their_place(tmp_path):
    header = softmax_header("Absorbance", "PlateFormat", "Endpoint", [260, 340])
    text = softmax_text(softmax_plate(header, [first, second]))
    whole, part = (read(tmp_path, t).set_index(["read", "well"]) for t in (text, unread_rows(text)))
    rows = part.index.get_level_values("well").str[0]
    assert set(part.loc[rows.isin(list("ABGH")), "flag"]) == {"missing"}
    assert part[rows.isin(list("CDEF"))].equals(whole[rows.isin(list("CDEF"))])


def test_an_export_that_a_spreadsheet_saved_has_lines_full_of_tabs(tmp_path):
    header = softmax_header("Absorbance", "TimeFormat", "Kinetic", [600], times=2)
    text = softmax_text(softmax_times(header, [first], ["0:00:00", "0:03:00"]))
    saved = "\r\n".join(line + "\t" * (110 - line.count("\t")) for line in text.split("\r\n")).removeprefix("##")
    assert read(tmp_path, saved, "utf-8").equals(read(tmp_path, text))


def test_decimal_commas_and_other_encodings(tmp_path):
    header = softmax_header("Absorbance", "PlateFormat", "Endpoint", [340])
    text = softmax_text(softmax_plate(header, [lambda t, w: f"{1 + number(w) / 1000:.3f}".replace(".", ",")]))
    for encoding in ("latin-1", "utf-8", "utf-16-le"):
        assert value(read(tmp_path, text, encoding), 1, "A1") == [1.001]


def test_a_row_that_starts_with_one_is_not_the_reduced_numbers(tmp_path):
    header = softmax_header("Absorbance", "PlateFormat", "Endpoint", [340])
    plate = read(tmp_path, softmax_text(softmax_plate(header, [lambda t, w: w[1:]])))
    assert value(plate, 1, "H12") == [12]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("##BLOCKS= 1", "##BLOCKS= 2"), "the file was cut"),
        (lambda t: t[: t.index("~End")], "0 blocks are closed by ~End"),
        (lambda t: t.replace("Endpoint", "Spectrum"), r"line 2: 'Spectrum': only Endpoint and Kinetic"),
        (lambda t: t.replace("\tRaw\t", "\tReduced\t"), r"line 2: 'Reduced': export the plate's data as Raw or Both"),
        (lambda t: t.replace("\t96\t", "\t95\t"), "line 2: 95 wells"),
        (lambda t: t.replace("340 380 ", "340 "), "line 2: 96 wells, 2 wavelengths"),
        (lambda t: t.replace("Absorbance", "Polarization"), "line 2: 'PlateFormat', 'Polarization'"),
        (lambda t: t.replace("\t0.13\t", "\t0.1.3\t"), r"line 5: well B1: '0.1.3' is neither a number"),
        (lambda t: t.replace("\t\t0.25", "\r\n\t\t0.25"), r"line 4: 2 rows follow|1 times|times are found"),
        (lambda t: t.replace("Plate:\t", "\t"), "line 2: a block must start with its kind"),
        (lambda t: t.replace("Temperature", "Temp"), "line 3: a line 'Temperature'"),
        (lambda t: t.replace("\t11\t12\t", "\t12\t11\t", 1), "line 3: column numbers 1 to 12"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, change, message):
    header = softmax_header("Absorbance", "PlateFormat", "Endpoint", [340, 380])
    text = softmax_text(softmax_plate(header, [first, second]))
    assert change(text) != text
    with pytest.raises(InputError, match=message):
        read(tmp_path, change(text))
