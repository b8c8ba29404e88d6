"""What goes wrong on a plate has its flag or its error, and what did not go wrong does not change by a bit."""

import pandas as pd
import pytest
from plate_texts import (
    absorbance,
    bmg_text,
    gen5_head,
    gen5_matrix,
    gen5_rows,
    gen5_text,
    grid,
    softmax_header,
    softmax_plate,
    softmax_text,
)
from tecan_sheets import END, I_CONTROL, label, matrix, workbook

from mgk.plates import check_plate_file, tidy_wells
from mgk.plates.wells import plate_problems
from mgk.tables.problems import InputError

WELLS = grid(start=0.123, step=0.0371)
LOST = {f"{r}{c}" for r in "ABCDEFGH" for c in (1, 12)}


def gen5(first, second, swap=""):
    return gen5_text(
        gen5_head(absorbance([340, 380])), gen5_matrix(gen5_rows([("340", first), ("380", second)], swap=swap))
    ).encode()


def bmg(first, second, delimiter=","):
    return bmg_text([("Raw Data (340)", first), ("Raw Data (380)", second)], delimiter=delimiter).encode()


def softmax(first, second):
    header = softmax_header("Absorbance", "PlateFormat", "Endpoint", [340, 380])
    return softmax_text(softmax_plate(header, [lambda t, w: first[w], lambda t, w: second[w]])).encode("utf-16")


def tecan(first, second):
    def cell(text):
        try:
            return float(text)
        except ValueError:
            return text or None

    rows = [*I_CONTROL, *label("a", wavelength=340), *matrix(lambda w: cell(first[w])), *END]
    return workbook([*rows, *label("b", wavelength=380), *matrix(lambda w: cell(second[w])), *END])


OTHER = grid(start=2.5, step=0.0113)
VENDORS = {"gen5": (gen5, "OVRFLW", "MISSED"), "bmg": (bmg, "overflow", ""), "softmax": (softmax, "#SAT", ""),
           "tecan": (tecan, "OVER", "")}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """Return a function that writes an export and a layout and reads them as a plate of a study."""

    def make(raw, layout=None, **row):
        (tmp_path / "plate.dat").write_bytes(raw)
        given = {"plate_id": "p", "file": "plate.dat", "experiment": "e", "layout": "", "reads": "1=340;2=380", **row}
        if layout:
            (tmp_path / "layout.csv").write_text(layout, encoding="utf-8")
            given["layout"] = "layout.csv"
        assert check_plate_file(tmp_path / "plate.dat") == []
        problems = plate_problems(given, tmp_path)
        if problems:
            with pytest.raises(InputError):
                tidy_wells(pd.DataFrame([given]), tmp_path)
            return problems
        return tidy_wells(pd.DataFrame([given]), tmp_path).set_index(["read_name", "well"])

    return make


@pytest.mark.parametrize("vendor", VENDORS)
def test_sixteen_missing_wells_and_an_overflow_are_flags_and_the_rest_is_untouched(read, vendor):
    write, over, missing = VENDORS[vendor]
    whole = read(write(WELLS, OTHER))
    faulty = read(write(WELLS | dict.fromkeys(LOST, missing) | {"D6": over}, OTHER))
    at = [("340", w) for w in sorted(LOST)]
    assert set(faulty.loc[at, "flag"]) == ({"missing"} if vendor in ("gen5", "softmax") else {"blank"})
    assert faulty.loc[("340", "D6"), "flag"] == "overflow"
    assert faulty.loc[[*at, ("340", "D6")], "value"].isna().all()
    rest = [i for i in faulty.index if i not in {*at, ("340", "D6")}]
    assert len(rest) == 192 - 17
    pd.testing.assert_frame_equal(faulty.loc[rest], whole.loc[rest], check_exact=True)


def test_a_swapped_label_is_followed(read):
    pd.testing.assert_frame_equal(read(gen5(WELLS, OTHER, swap="BEH")), read(gen5(WELLS, OTHER)), check_exact=True)


def test_a_decimal_comma_gives_the_same_bits(read):
    commas = [{w: v.replace(".", ",") for w, v in wells.items()} for wells in (WELLS, OTHER)]
    pd.testing.assert_frame_equal(read(bmg(*commas, delimiter=";")), read(bmg(WELLS, OTHER)), check_exact=True)
    pd.testing.assert_frame_equal(read(gen5(*commas)), read(gen5(WELLS, OTHER)), check_exact=True)
    pd.testing.assert_frame_equal(read(softmax(*commas)), read(softmax(WELLS, OTHER)), check_exact=True)


def test_a_layout_of_the_wrong_size_is_an_error_that_names_the_wells(read):
    large = "well,role\nA1,blank\nA13,blank\nI1,blank\nP24,blank\n"
    problems = read(gen5(WELLS, OTHER), large)
    assert problems == ["plate p (plate.dat): the layout names wells that the plate does not have: A13, I1, P24"]


def test_all_problems_of_a_plate_come_at_once(read):
    layout = "well,role,standard_nmol\nA1,standard,\nA13,blank,\n"
    problems = read(gen5(WELLS, OTHER), layout, reads="1=510;3=380")
    assert len(problems) == 2
    assert "row 2, standard_nmol or standard_um or protein_ug: must not be empty for A1" in problems[0]
    assert "1=510: read 1 of the file is '340'" in problems[1]
    problems = read(gen5(WELLS, OTHER), "well,role\nA13,blank\n", reads="1=510", plate_in_file="7")
    assert ["must be one plate of the file" in p for p in problems] == [True]


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_four_vendors_give_the_same_bits(read, vendor):
    columns = ["value", "flag", "wavelength_nm"]
    first = read(VENDORS[vendor][0](WELLS, OTHER))[columns]
    pd.testing.assert_frame_equal(first, read(gen5(WELLS, OTHER))[columns], check_exact=True)
