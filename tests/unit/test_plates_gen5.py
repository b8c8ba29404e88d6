"""BioTek Gen5 txt: labels, endpoint and kinetic reads, words for no value, several plates, and what is refused."""

import pytest
from plate_texts import (
    absorbance,
    fluorescence,
    gen5_head,
    gen5_kinetic,
    gen5_kinetic_along,
    gen5_kinetic_matrices,
    gen5_list_along,
    gen5_list_down,
    gen5_matrix,
    gen5_rows,
    gen5_text,
    grid,
)

from mgk.plates import read_plate_file
from mgk.tables.problems import InputError


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "export.dat"
    path.write_bytes(text.encode(encoding))
    return read_plate_file(path)


def endpoint(reads, procedure, **options):
    return gen5_text(gen5_head(procedure), gen5_matrix(gen5_rows(reads, **options)))


def values(plate, read_number=1):
    rows = plate[plate["read"] == read_number]
    return dict(zip(rows["well"], rows["value"], strict=True))


def floats(wells):
    return {w: float(v) for w, v in wells.items()}


def test_labels_may_change_places_between_rows(tmp_path):
    a, b = grid(start=0.1), grid(start=2)
    plate = read(tmp_path, endpoint([("280", a), ("325", b)], absorbance([280, 325]), swap="BEH"))
    assert values(plate, 1) == floats(a)
    assert values(plate, 2) == floats(b)
    assert plate.drop_duplicates("read")["wavelength_nm"].tolist() == [280, 325]


def test_reads_are_numbered_as_the_procedure_has_them_and_not_as_the_first_row_does(tmp_path):
    a, b = grid(start=100, step=1), grid(start=500, step=1)
    pairs = fluorescence([("340/11", "510/20"), ("380/20", "510/20")])
    reads = [("fluor:340/11,510/20", a), ("fluor:380/20,510/20", b)]
    plate = read(tmp_path, endpoint(reads, pairs, swap="A"))
    assert plate.drop_duplicates("read")["excitation_nm"].tolist() == [340, 380]
    assert plate.drop_duplicates("read")["emission_nm"].tolist() == [510, 510]
    assert values(plate, 1) == floats(a)


def test_widths_may_be_missing_from_a_label(tmp_path):
    plate = read(tmp_path, endpoint([("504,531", grid())], fluorescence([("504/20", "531/20")], step="")))
    assert plate["excitation_nm"].iloc[0] == 504


def test_what_gen5_computed_is_not_read(tmp_path):
    wells = grid()
    reads = [("od:600", wells), ("Blank od:600", grid(start=9)), ("Ratio 260/280", grid(start=9)), ("1000", grid())]
    plate = read(tmp_path, endpoint(reads, absorbance([600], step="od")))
    assert set(plate["label"]) == {"od:600"}
    assert values(plate) == floats(wells)


def test_a_wavelength_that_the_procedure_does_not_have_is_not_read(tmp_path):
    plate = read(tmp_path, endpoint([("999", grid()), ("325", grid(start=2))], absorbance([280, 325])))
    assert set(plate["wavelength_nm"]) == {325}


def test_two_reads_at_one_wavelength_keep_their_order(tmp_path):
    reads = [("450", grid(start=1)), ("450", grid(start=2))]
    plate = read(tmp_path, endpoint(reads, [*absorbance([450]), *absorbance([450])]))
    assert values(plate, 1)["A1"] == 1
    assert values(plate, 2)["A1"] == 2


def test_a_read_that_two_sections_print_is_one_read(tmp_path):
    rows = gen5_rows([("450", grid())])
    plate = read(tmp_path, gen5_text(gen5_head(absorbance([450])), gen5_matrix(rows, "450"), gen5_matrix(rows)))
    assert len(plate) == 96


def test_an_export_without_its_procedure_is_read_by_its_labels(tmp_path):
    text = gen5_text(["Plate Number\tPlate 1", ""], gen5_matrix(gen5_rows([("450", grid()), ("Blank 450", grid())])))
    assert set(read(tmp_path, text)["wavelength_nm"]) == {450}


def test_overflow_missed_masked_and_empty_wells_are_flags_and_the_other_read_stays(tmp_path):
    a = grid() | {"A1": "OVRFLW", "B1": "MISSED", "C1": "*0.356*", "D1": "", "E1": "?????", "F1": ">4.000"}
    plate = read(tmp_path, endpoint([("280", a), ("325", grid(start=2))], absorbance([280, 325])))
    first = plate[plate["read"] == 1].set_index("well")
    wells = ["A1", "B1", "C1", "D1", "E1", "F1"]
    assert first.loc[wells, "flag"].tolist() == ["overflow", "missing", "masked", "blank", "missing", "overflow"]
    assert first.loc[wells, "value"].isna().all()
    assert (plate.loc[plate["read"] == 2, "flag"] == "").all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_a_kinetic_read_in_any_encoding(tmp_path, encoding):
    wells = {"A1": ["0.1", "0.2", "0.3"], "B12": ["1.1", "OVRFLW", "1.3"]}
    times = ["0:00:00", "0:00:30", "1:00:00"]
    text = gen5_text(
        gen5_head(absorbance([340], step="nadh")),
        gen5_kinetic("nadh:340", times, wells),
        gen5_kinetic("Blank nadh:340", times, wells),
        gen5_matrix(gen5_rows([("Max V [Blank nadh:340]", grid())])),
    )
    plate = read(tmp_path, text, encoding)
    assert len(plate) == 6
    assert plate["time_s"].tolist() == [0, 0, 30, 30, 3600, 3600]
    assert plate.loc[plate["well"] == "A1", "value"].tolist() == [0.1, 0.2, 0.3]
    assert plate.loc[plate["well"] == "B12", "flag"].tolist() == ["", "overflow", ""]


def test_several_plates_in_one_file(tmp_path):
    parts = []
    for i in (1, 2):
        rows = gen5_rows([("450", grid(start=i))])
        parts += [gen5_head(absorbance([450]), plate=f"Plate {i}"), gen5_matrix(rows)]
    plate = read(tmp_path, gen5_text(*parts))
    assert plate.groupby("plate_name")["value"].min().to_dict() == {"Plate 1": 1, "Plate 2": 2}
    assert set(plate["plate_in_file"]) == {1, 2}


def test_a_layout_section_is_not_read_as_values(tmp_path):
    layout = ["Layout", "\t1\t2\t3", "A\tSTD1\tSTD2\tBLK\tWell ID", "\t0\t10\t\tConc/Dil", ""]
    wells = grid(columns=3, rows=1)
    text = gen5_text(
        gen5_head(absorbance([450])), layout, gen5_matrix(gen5_rows([("450", wells)], columns=3, rows=1), columns=3)
    )
    assert values(read(tmp_path, text)) == floats(wells)


TIMES = ["0:09:10", "0:19:10", "1:29:10"]
COURSES = {w: [v, f"{float(v) + 1:.3f}", f"{float(v) + 2:.3f}"] for w, v in grid().items()}
COMPUTED = ["Blank od:600", "Mean"]


@pytest.mark.parametrize("form", [gen5_list_down, gen5_list_along])
def test_endpoint_reads_as_a_list_are_those_of_the_matrix(tmp_path, form):
    reads = [("od:600", grid()), ("od:700", grid(start=2) | {"C7": "OVRFLW"})]
    head = gen5_head(absorbance([600, 700], step="od"))
    expected = read(tmp_path, gen5_text(head, gen5_matrix(gen5_rows(reads))))
    assert read(tmp_path, gen5_text(head, form(reads, COMPUTED))).equals(expected)
    assert read(tmp_path, gen5_text(head, gen5_matrix(gen5_rows(reads)), form(reads, COMPUTED))).equals(expected)


def test_two_reads_at_one_wavelength_keep_their_order_in_a_list(tmp_path):
    reads = [("450", grid(start=1)), ("450", grid(start=2))]
    for form in (gen5_list_down, gen5_list_along):
        plate = read(tmp_path, gen5_text(gen5_head([*absorbance([450]), *absorbance([450])]), form(reads)))
        assert [values(plate, n)["A1"] for n in (1, 2)] == [1, 2]


@pytest.mark.parametrize("form", [gen5_kinetic_along, gen5_kinetic_matrices])
def test_a_kinetic_read_in_any_form_is_the_same(tmp_path, form):
    head = gen5_head(absorbance([340], step="nadh"))
    expected = read(tmp_path, gen5_text(head, gen5_kinetic("nadh:340", TIMES, COURSES)))
    plate = read(tmp_path, gen5_text(head, form("nadh:340", TIMES, COURSES), ["Max V [nadh:340]"]))
    assert plate.equals(expected)
    commas = gen5_text(head, form("nadh:340", TIMES, COURSES)).replace("\t", ";").replace("\r\n", ";;\r\n")
    assert read(tmp_path, commas).equals(expected)
    assert sorted(set(plate["time_s"])) == [550, 1150, 5350]
    assert plate["read"].unique().tolist() == [1]


def test_times_that_were_not_reached_are_left_out_and_a_reading_of_zero_is_not(tmp_path):
    table = [*gen5_kinetic("340", ["0:00:00", "0:00:30"], {"A1": ["0", "0"]})[:-2], "0:00:00\t0.0\t", "0:00:00\t\t", ""]
    plate = read(tmp_path, gen5_text(gen5_head(absorbance([340])), table))
    assert plate["time_s"].tolist() == [0, 30]
    assert plate["value"].tolist() == [0, 0]


def test_a_wide_plate_in_several_kinetic_tables_is_one_read(tmp_path):
    first = {f"A{c}": ["1", "2"] for c in range(1, 25)}
    second = {f"I{c}": ["3", "4"] for c in range(1, 25)}
    times = ["0:00:00", "0:10:00"]
    tables = [*gen5_kinetic("600", times, first), *gen5_kinetic("600", times, second)[2:]]
    plate = read(tmp_path, gen5_text(gen5_head(absorbance([600])), tables))
    assert plate["read"].unique().tolist() == [1]
    assert plate["well"].nunique() == 48


def test_a_second_kinetic_read_with_the_same_label_is_a_second_read(tmp_path):
    wells = {"A1": ["1", "2"]}
    tables = [gen5_kinetic("600", times, wells) for times in (["0:00:00", "0:10:00"], ["1:00:00", "1:10:00"])]
    plate = read(tmp_path, gen5_text(gen5_head(absorbance([600])), *tables))
    assert plate.groupby("read")["time_s"].min().to_dict() == {1: 0, 2: 3600}


def test_an_export_without_the_line_of_its_plate_is_one_plate(tmp_path):
    head = [line for line in gen5_head(absorbance([450])) if not line.startswith("Plate Number")]
    part = [*head, *gen5_matrix(gen5_rows([("450", grid())]))]
    assert values(read(tmp_path, gen5_text(part))) == floats(grid())
    with pytest.raises(InputError, match="a plate lacks its line 'Plate Number'"):
        read(tmp_path, gen5_text(part, part))


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        (
            gen5_list_down,
            lambda t: t.replace("STD1\tC7\t2\t", "STD1\tC7\t", 1),
            r"4 fields, where the line of la",
        ),
        (gen5_list_down, lambda t: t.replace("STD1\tC7\t", "STD1\t?\t", 1), r"line \d+: a well is expected in field 2"),
        (gen5_list_along, lambda t: t.replace("\tC7\t", "\t", 1), "fields, where the line of wells has"),
        (gen5_list_along, lambda t: t.replace("\tC7\t", "\tx\t", 1), "only wells are expected after 'Well'"),
    ],
)
def test_a_list_that_lost_a_field_is_refused(tmp_path, form, change, message):
    text = gen5_text(gen5_head(absorbance([450])), form([("450", grid())], ["Mean"] if form is gen5_list_down else []))
    assert change(text) != text
    with pytest.raises(InputError, match=message):
        read(tmp_path, change(text))


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        (gen5_kinetic_along, lambda t: t.replace("C7\t", "C77\t", 1), "'C77' is not a well"),
        (gen5_kinetic_along, lambda t: t.replace("0:19:10", "0:19", 1).replace("0:19\t", "x\t"), "'x' is not a time"),
        (gen5_kinetic_along, lambda t: t.replace("\t1.100\t", "\t", 1), r"fields, where the line of times has 7"),
        (gen5_kinetic_matrices, lambda t: t.replace(" Read#2", " Read#3", 1), "stands below the title of time 2"),
    ],
)
def test_a_kinetic_form_that_was_damaged_is_refused(tmp_path, form, change, message):
    text = gen5_text(gen5_head(absorbance([340])), form("340", TIMES, COURSES))
    assert change(text) != text
    with pytest.raises(InputError, match=message):
        read(tmp_path, change(text))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("\t0.150\t", "\t0.1x50\t"), r"line 27: well A6: '0.1x50' is neither a number"),
        (lambda t: t.replace("\t0.150\t", "\t", 1), r"line 27: 12 values and the label of the read are expected"),
        (lambda t: t[: t.rindex("325")], r"line \d+: 12 values and the label"),
        (lambda t: t[: t.rindex("\t325")], r"line \d+: 12 values and the label"),
        (lambda t: t[: t.rindex("25")], r"row H of this matrix lacks the read '325'"),
        (lambda t: t.replace("B\t", "C\t", 1), r"row C follows row A"),
        (lambda t: t.replace("Results\r\n\t1\t2", "Results\r\n\t2\t2"), r"line \d+: row A of a plate stands apart"),
        (lambda t: t.replace("\t280\r\n", "\tx\r\n").replace("\t325\r\n", "\ty\r\n"), "labels seen: x, y"),
        (lambda t: t.replace("C\t", "12\t", 1), "'12': a row of wells"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, change, message):
    text = endpoint([("280", grid(start=0.1)), ("325", grid(start=2))], absorbance([280, 325]))
    changed = change(text)
    assert changed != text
    assert text.splitlines()[26].startswith("A\t0.100\t")
    with pytest.raises(InputError, match=message):
        read(tmp_path, changed)


def test_a_kinetic_table_that_was_cut_is_refused(tmp_path):
    wells = {"A1": ["0.100", "0.200"], "B1": ["0.300", "0.400"]}
    text = gen5_text(gen5_head(absorbance([340])), gen5_kinetic("340", ["0:00:00", "0:00:30"], wells))
    whole = text[: text.index("0.400") + 5]
    for cut in (whole, whole[:-1], whole[:-6]):
        with pytest.raises(InputError, match=r"line \d+: (the file ends within|\d fields)"):
            read(tmp_path, cut)


def test_a_time_that_stands_twice_is_refused(tmp_path):
    text = gen5_text(gen5_head(absorbance([340])), gen5_kinetic("340", ["0:00:30", "0:00:30"], {"A1": ["1", "2"]}))
    with pytest.raises(InputError, match=r"well A1 of 340 stands in line \d+ already"):
        read(tmp_path, text)
