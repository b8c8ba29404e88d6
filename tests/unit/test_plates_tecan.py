"""Tecan i-control and SparkControl: matrix, list, kinetic, several labels and sheets; workbook, text and csv."""

import math

import pytest
from tecan_sheets import (
    END,
    I_CONTROL,
    SPARK,
    START,
    cycles_along,
    cycles_down,
    label,
    matrix,
    spark_label,
    text,
    workbook,
)

from mgk.plates import check_plate_file, plate_format, read_plate_file
from mgk.tables.problems import InputError

WELLS = [f"{r}{c}" for r in "ABCDEFGH" for c in range(1, 13)]


def number(well):
    return ("ABCDEFGHIJKLMNOP".index(well[0]) + 1) * 100 + int(well[1:])


def absorbance(well):
    return number(well) / 1000


def read(tmp_path, content):
    path = tmp_path / "export.dat"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    problems = check_plate_file(path)
    if problems:
        with pytest.raises(InputError, match=r"^export\.dat: "):
            read_plate_file(path)
        raise InputError(problems[0])
    assert plate_format(path).startswith("Tecan")
    return read_plate_file(path)


def values(plate, read_number=1):
    rows = plate[plate["read"] == read_number]
    return dict(zip(rows["well"], rows["value"], strict=True))


ENDPOINT = [*I_CONTROL, *label("A600"), *matrix(absorbance), *END]


@pytest.mark.parametrize("form", ["xlsx", "txt", "csv", "semicolons"])
def test_a_matrix_in_every_form(tmp_path, form):
    delimiter = {"txt": "\t", "csv": ",", "semicolons": ";"}.get(form)
    plate = read(tmp_path, text(ENDPOINT, delimiter) if delimiter else workbook(ENDPOINT))
    assert values(plate) == {w: absorbance(w) for w in WELLS}
    first = plate.iloc[0]
    assert (first["label"], first["mode"], first["wavelength_nm"], first["flag"]) == ("A600", "absorbance", 600, "")
    assert math.isnan(first["time_s"])
    assert first["plate_name"] == ("Sheet1" if form == "xlsx" else "")


def test_a_workbook_of_the_older_xfluor(tmp_path):
    head = [["SUNRISE; Serial number: 1; Firmware: V 3.31; XFLUOR4 Version: V 4.50"], ["Date:", "18.05.2026"], []]
    head += [["Measurement mode:", None, "Absorbance"], ["Measurement wavelength:", None, 600, "nm"], [], ["Rawdata"]]
    plate = read(tmp_path, workbook([*head, *matrix(absorbance)[1:]]))
    assert values(plate) == {w: absorbance(w) for w in WELLS}
    assert (plate["mode"].iloc[0], plate["wavelength_nm"].iloc[0]) == ("absorbance", 600)


def test_decimal_commas_in_text(tmp_path):
    commas = text(ENDPOINT, ";").replace("0.", "0,")
    assert values(read(tmp_path, commas)) == {w: absorbance(w) for w in WELLS}


def test_several_labels_keep_their_order_and_their_light(tmp_path):
    rows = [*I_CONTROL]
    for name, pair in (("F380", (380, 510)), ("F340", (340, 510)), ("F340", (340, 510))):
        offset = 5000 * len(rows)
        rows += [*label(name, "Fluorescence Top Reading", pair=pair), *matrix(lambda w, o=offset: number(w) + o), *END]
    plate = read(tmp_path, workbook(rows))
    reads = plate.drop_duplicates("read")
    assert reads["label"].tolist() == ["F380", "F340", "F340"]
    assert reads["excitation_nm"].tolist() == [380, 340, 340]
    assert set(reads["emission_nm"]) == {510}
    assert reads["wavelength_nm"].isna().all()
    assert len(set(reads["value"])) == 3


def test_over_and_empty_cells_are_flags_and_the_other_wells_stay(tmp_path):
    odd = {"A1": "OVER", "B2": None, "H12": "OVER"}
    plate = read(tmp_path, workbook([*I_CONTROL, *label("x"), *matrix(lambda w: odd.get(w, absorbance(w))), *END]))
    plate = plate.set_index("well")
    assert plate.loc[list(odd), "flag"].tolist() == ["overflow", "blank", "overflow"]
    assert plate.loc[list(odd), "value"].isna().all()
    rest = plate.drop(list(odd))
    assert rest["value"].to_dict() == {w: absorbance(w) for w in WELLS if w not in odd}


def test_labels_that_read_parts_of_the_plate(tmp_path):
    rows = [*I_CONTROL]
    for part, columns in (("A1-H3", range(1, 4)), ("A4-H6", range(4, 7))):
        extra = [["Part of Plate", None, None, None, part]]
        rows += [*label(part, extra=extra), *matrix(absorbance, columns=columns), *END]
    plate = read(tmp_path, text(rows))
    assert sorted(values(plate, 2)) == sorted(w for w in WELLS if w[1:] in "456")
    lost = text(rows).replace("H\t0.804\t0.805\t0.806\r\n", "")
    with pytest.raises(InputError, match="the part of the plate is A4-H6, but H is missing"):
        read(tmp_path, lost)


def test_384_wells_are_read_and_1536_refused(tmp_path):
    large = matrix(absorbance, rows="ABCDEFGHIJKLMNOP", columns=range(1, 25))
    plate = read(tmp_path, workbook([*I_CONTROL, *label("x"), *large, *END]))
    assert len(plate) == 384
    assert values(plate)["P24"] == 1.624
    with pytest.raises(InputError, match="1536 wells are not read"):
        read(tmp_path, workbook([*I_CONTROL, *label("x"), *matrix(absorbance, columns=range(1, 49)), *END]))


@pytest.mark.parametrize(("word", "factor"), [("s", 1), ("ms", 0.001), ("min", 60)])
def test_cycles_along_the_line_in_any_unit(tmp_path, word, factor):
    times = [0, 60.5, 121]
    table = cycles_along(lambda w, i: absorbance(w) + i, ["A1", "B1", "H12"], times, word)
    rows = [*I_CONTROL, *label("nadh", wavelength=340, extra=[["Kinetic Measurement"]]), *table, *END]
    plate = read(tmp_path, workbook(rows))
    assert sorted(set(plate["time_s"])) == pytest.approx([t * factor for t in times])
    assert plate.loc[plate["well"] == "B1", "value"].tolist() == [0.201, 1.201, 2.201]


def test_cycles_down_the_columns_with_titles_and_no_labels(tmp_path):
    """i-control 1.11: the settings of all labels first, each table below its title; an interval that was not met."""
    groups = [["Kinetic Measurement"], ["Kinetic Cycles", None, None, None, 2]]
    groups += [["Mode", None, None, None, "Absorbance"], ["Wavelength", None, None, None, 595, "nm"]]
    groups += [["Mode", None, None, None, "Luminescence"], ["Integration Time", None, None, None, 1000, "ms"], *START]
    od = cycles_down(lambda w, i: absorbance(w) + i, ["A1", "A2"], [0, 300])
    light = cycles_down(lambda w, i: -number(w) - i, ["A1", "A2"], [2.5, 302.5])
    warning = [["Warning:", "Unable to meet given kinetic interval time for cycle:"], [None, "1"], []]
    rows = [*I_CONTROL, *groups, *warning, ["OD600:600"], *od, ["LUMI:Lum"], *light, *END]
    for content in (text(rows, ","), workbook(rows)):
        plate = read(tmp_path, content)
        assert plate.drop_duplicates("read")["mode"].tolist() == ["absorbance", "luminescence"]
        assert plate.drop_duplicates("read")["label"].tolist() == ["OD600:600", "LUMI:Lum"]
        assert plate["wavelength_nm"].dropna().unique().tolist() == [595]
        assert plate.loc[plate["read"] == 2, "time_s"].tolist() == [2.5, 2.5, 302.5, 302.5]
        assert plate.loc[plate["read"] == 2, "value"].tolist() == [-101, -102, -102, -103]


def test_spark_labels_are_found_by_their_titles(tmp_path):
    groups = [*spark_label("GFP", "Fluorescence", None, **{"Excitation_wavelength": 485, "Emission_wavelength": 535})]
    groups = [["Mode", None, None, None, "Kinetic"], *spark_label("OD", wavelength=600)[:-2], *groups]
    gfp = cycles_along(lambda w, i: number(w) + i, ["A1", "A2"], [0, 60])
    od = cycles_along(lambda w, i: absorbance(w) + i, ["A1", "A2"], [1, 61])
    plate = read(tmp_path, workbook([*SPARK, *groups, ["GFP"], *gfp, ["OD"], *od, *END]))
    reads = plate.drop_duplicates("read")
    assert reads["label"].tolist() == ["GFP", "OD"]
    assert reads["excitation_nm"].tolist()[0] == 485
    assert reads["wavelength_nm"].tolist()[1] == 600
    assert plate.loc[plate["read"] == 1, "value"].tolist() == [101, 102, 102, 103]


def test_spark_reference_is_a_read_and_the_difference_is_not(tmp_path):
    settings = spark_label("elisa", wavelength=450, **{"Reference_wavelength_[nm]": 620})
    tables = [*matrix(absorbance, title=["elisa"]), *matrix(lambda w: 0.04, title=["Reference"])]
    tables += matrix(lambda w: absorbance(w) - 0.04, title=["Difference"])
    plate = read(tmp_path, workbook([*SPARK, *settings, *tables, *END]))
    assert plate.drop_duplicates("read")["wavelength_nm"].tolist() == [450, 620]
    assert values(plate, 1)["H12"] == 0.812
    assert set(values(plate, 2).values()) == {0.04}


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_a_list_of_wells(tmp_path, delimiter):
    rows = [*SPARK, *spark_label("x"), ["<>", "Value", "Time [ms]"], ["A1", 0.0921, 0], ["B1", "OVER", 10], *END]
    plate = read(tmp_path, text(rows, delimiter)).set_index("well")
    assert plate.loc["A1", "value"] == 0.0921
    assert plate.loc["B1", "flag"] == "overflow"


def test_of_several_reads_in_a_well_the_mean_is_read(tmp_path):
    extra = [["Multiple Reads per Well (Square)", None, None, None, "2 x 2"]]
    rows = [*I_CONTROL, *label("x", extra=extra), ["Well", "Mean", "StDev", "0;1", "1;0"], ["A1", 2.5, 0.5, 2, 3], *END]
    assert values(read(tmp_path, workbook(rows))) == {"A1": 2.5}


@pytest.mark.parametrize("words", [("Cycles / Well", "Time [s]", "Mean"), ("Zyklen / Well", "Zeit [s]", "Mittelwert")])
def test_blocks_of_several_reads_in_a_well(tmp_path, words):
    head, time, mean = words
    rows = [*I_CONTROL, *label("x", extra=[["Kinetic Measurement"]])]
    for well, level in (("A1", 1.0), ("C3", 2.0)):
        rows += [[head], [well, 1, 2], [time, 0, 60.1], ["Temp. [°C]", 37, 37], [mean, level, level + 0.5]]
        rows += [["StDev", 0.1, 0.1], ["0;1", level, level], []]
    plate = read(tmp_path, workbook([*rows, *END]))
    assert plate.loc[plate["well"] == "C3", "value"].tolist() == [2.0, 2.5]
    assert plate["time_s"].tolist() == [0, 0, 60.1, 60.1]
    with pytest.raises(InputError, match="well C3 has no line 'Mean'"):
        read(tmp_path, workbook([*rows[:-4], *rows[-3:], *END]))


def test_a_german_export(tmp_path):
    rows = [["Programm: Tecan i-control"], ["Gerät: infinite 200Pro"], ["Label: Label1"]]
    rows += [["Modus", None, None, None, "Absorption"], ["Wellenlänge", None, None, None, 600, "nm"], []]
    plate = read(tmp_path, workbook([*rows, *matrix(absorbance), ["Endzeit:", "10:00"]]))
    assert plate.iloc[0][["mode", "wavelength_nm"]].tolist() == ["absorbance", 600]


def test_each_sheet_with_an_export_is_a_plate_and_notes_are_left_aside(tmp_path):
    second = [*I_CONTROL, *label("x"), *matrix(lambda w: 10.0), *END]
    notes = [["my notes"], [None, 1, 2, 3], ["A", 9, 9, 9]]
    plate = read(tmp_path, workbook(ENDPOINT, second, notes=notes, empty=[]))
    plates = plate.drop_duplicates("plate_in_file")
    assert plates["plate_in_file"].tolist() == [1, 2]
    assert plates["plate_name"].tolist() == ["Sheet1", "Sheet2"]
    assert plates["value"].tolist() == [0.101, 10.0]


def test_cells_that_a_person_wrote_beside_the_matrix_are_not_read(tmp_path):
    rows = [list(r) for r in ENDPOINT]
    at = next(i for i, r in enumerate(rows) if r and r[0] == "<>")
    rows[at] = [*rows[at], None, "mean"]
    rows[at + 1] = [*rows[at + 1], None, "=AVERAGE(B21:M21)"]
    assert values(read(tmp_path, workbook(rows))) == {w: absorbance(w) for w in WELLS}


def without(rows, first):
    return [r for r in rows if not r or r[0] != first]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: without(t, "C"), r"line \d+: row D follows row B"),
        (lambda t: [*t[:9], *label("y"), *t[9:]], "the label 'y' has no values that are read"),
        (lambda t: [["<>", 1, 3, 2] if r and r[0] == "<>" else r for r in t], "column numbers that rise are expected"),
        (lambda t: [["Wavel.", "A1"] if r and r[0] == "<>" else r for r in t], "spectra and scans are not read"),
        (lambda t: [["A", "=1+1", *r[2:]] if r and r[0] == "A" else r for r in t], r"well A1: '=1\+1' is neither"),
        (lambda t: [["A", "n.d.", *r[2:]] if r and r[0] == "A" else r for r in t], r"well A1: 'n\.d\.' is neither"),
        (lambda t: [r for r in t if not r or r[0] not in list("ABCDEFGH")], "rows of wells"),
        (
            lambda t: [*t[:10], ["Kinetic Measurement"], *t[10:]],
            "is a kinetic read; export it as a list, a matrix states no time",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, change, message):
    assert change(ENDPOINT) != ENDPOINT
    with pytest.raises(InputError, match=message):
        read(tmp_path, workbook(change(ENDPOINT)))


@pytest.mark.parametrize("times", [[0, 0], [60, 0], [0, "soon"], [0, None]])
def test_times_that_are_none_or_do_not_rise_are_refused(tmp_path, times):
    for table in (cycles_along(lambda w, i: 1.0, ["A1"], times), cycles_down(lambda w, i: 1.0, ["A1"], times)):
        with pytest.raises(InputError, match=r"line \d+: "):
            read(tmp_path, workbook([*I_CONTROL, *label("x"), *table, *END]))


def test_a_kinetic_table_without_its_times_is_refused(tmp_path):
    table = cycles_along(lambda w, i: 1.0, ["A1"], [0, 60])
    with pytest.raises(InputError, match=r"a line 'Time \[s\]' is expected"):
        read(tmp_path, workbook([*I_CONTROL, *label("x"), *without(table, "Time [s]"), *END]))


def test_a_text_that_was_cut_is_refused_wherever_it_was_cut(tmp_path):
    whole = text([*I_CONTROL, *label("x"), *matrix(absorbance, rows="AB"), *END])
    for end in range(whole.index("Label:"), whole.index("End Time"), 3):
        with pytest.raises(InputError, match=r"cut|line \d+|holds no wells"):
            read(tmp_path, whole[:end])
