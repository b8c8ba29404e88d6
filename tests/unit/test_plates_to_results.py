"""Faults in whole exports, followed from the file to activity and to free Mg2+: what is not hit keeps its bits."""

import pandas as pd
import pytest
from studies import HOUSE

from mgk import atpase, magnesium
from mgk.plates import tidy_wells
from mgk.study import Study
from mgk.tables.problems import InputError

RAW = HOUSE / "raw_data"
PHOSPHATE = "microsomes_plate1", "microsomes_plate2"


@pytest.fixture(scope="module")
def study():
    return Study.open(HOUSE)


@pytest.fixture
def read(study, tmp_path):
    """Return a function that reads plates of the demonstration, with the text of an export or a layout changed."""
    table = study.table("plates").set_index("plate_id", drop=False)

    def make(plates, change=lambda text: text, layout=lambda text: text):
        rows = table.loc[list(plates)]
        for i, row in enumerate(rows.itertuples()):
            for name, edit in ((row.file, change), (row.layout, layout)):
                text = (RAW / name).read_bytes().decode()
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes((edit(text) if i == 0 else text).encode())
        return tidy_wells(rows, tmp_path)

    return make


def bmg(change=None, semicolons=False):
    """Return an edit of a BMG export: `change` (well: text), decimal commas and semicolons."""

    def edit(text):
        lines = text.splitlines()
        for i, line in enumerate(lines):
            cells = line.split(",")
            if len(cells[0]) == 1 and cells[0] in "ABCDEFGH":
                for well, value in (change or {}).items():
                    if well[0] == cells[0]:
                        cells[int(well[1:])] = value
            lines[i] = ";".join(c.replace(".", ",") for c in cells) if semicolons else ",".join(cells)
        return "\n".join(lines) + "\n"

    return edit


def activity_of(study, wells):
    wells = wells.assign(standards_plate="", protein_plate="")
    medium = study.solutions()["atpase_medium"]
    curves = atpase.standard_curves(wells)
    return atpase.activity_table(wells, curves, medium, study.constants), curves


def test_sixteen_missing_wells_and_an_overflow_leave_the_other_preparations_activity(study, read):
    before, _ = activity_of(study, read(PHOSPHATE[:1]))
    lost = {f"{row}{column}": "" for row in "ABCDEFGH" for column in (8, 9)}
    after, _ = activity_of(study, read(PHOSPHATE[:1], bmg(lost | {"H11": "overflow"})))
    hit, whole = sorted(set(before["preparation_id"]), key=lambda p: p[0] == "C")
    pd.testing.assert_frame_equal(
        after[after["preparation_id"] == whole], before[before["preparation_id"] == whole], check_exact=True
    )
    gone = after[after["preparation_id"] == hit]
    assert gone["ouabain_sensitive_activity"].isna().all()
    assert gone["flag"].str.contains("no total well").all()
    assert gone["ouabain_resistant_activity"].notna().all()
    assert gone["flag"].str.contains("ouabain well H11: overflow").sum() == 1


def test_decimal_commas_give_the_same_activity_to_the_bit(study, read):
    before, _ = activity_of(study, read(PHOSPHATE[:1]))
    after, _ = activity_of(study, read(PHOSPHATE[:1], bmg(semicolons=True)))
    pd.testing.assert_frame_equal(after, before, check_exact=True)


def test_standards_that_saturate_and_a_sample_above_them_leave_the_other_plate(study, read):
    before, _ = activity_of(study, read(PHOSPHATE))
    clipped = {"G1": "0.562", "G2": "0.561", "H1": "0.561", "H2": "0.562", "H4": "0.640"}
    after, curves = activity_of(study, read(PHOSPHATE, bmg(clipped)))
    assert curves[PHOSPHATE[0]].saturated_nmol == (80, 100)
    above = after["flag"].str.contains("above the linear range, where the curve saturates")
    assert ((after["plate_id"] == PHOSPHATE[0]) & (after["magnesium_total_mm"] == 8) & above).any()
    second = before["plate_id"] == PHOSPHATE[1]
    pd.testing.assert_frame_equal(after[second], before[second], check_exact=True)


def test_all_that_can_go_wrong_on_one_plate_at_once_leaves_the_other_plate_to_its_fits(study, read):
    """16 wells missing, one overflow, decimal commas, standards that saturate, a sample above them: one export."""
    before, _ = activity_of(study, read(PHOSPHATE))
    lost = {f"{row}{column}": "" for row in "ABCDEFGH" for column in (8, 9)}
    clipped = {"G1": "0.562", "G2": "0.561", "H1": "0.561", "H2": "0.562", "H4": "0.640"}
    wells = read(PHOSPHATE, bmg(lost | clipped | {"H11": "overflow"}, semicolons=True))
    flags = wells[wells["plate_id"] == PHOSPHATE[0]].set_index("well")["flag"]
    assert set(flags.index[flags == "blank"]) == set(lost)
    assert set(flags.index[flags == "overflow"]) == {"H11"}
    after, curves = activity_of(study, wells)
    assert curves[PHOSPHATE[0]].saturated_nmol == (80, 100)
    for told in ("no total well", "ouabain well H11: overflow", "above the linear range, where the curve saturates"):
        assert after.loc[after["plate_id"] == PHOSPHATE[0], "flag"].str.contains(told).any()
    fits = [
        atpase.kinetic_fits(atpase.fit_animals(table, ["michaelis_menten"], ["free_magnesium"]), "atpase")
        for table in (before, after)
    ]
    second = before["plate_id"] == PHOSPHATE[1]
    pd.testing.assert_frame_equal(after[second], before[second], check_exact=True)
    animals = set(before.loc[second, "animal_id"])
    own = [of[of["unit_id"].isin(animals)].reset_index(drop=True) for of in fits]
    assert len(own[0]) == 2 * len(animals) > 0
    pd.testing.assert_frame_equal(own[1], own[0], check_exact=True)


def gen5(change=None, swap="", commas=False):
    """Return an edit of the Gen5 export of two reads: `change` (well: (340, 380)), the lines of `swap` exchanged."""

    def edit(text):
        lines = text.splitlines()
        for i, line in enumerate(lines):
            row = line.split("\t")[0]
            if len(row) != 1 or row not in "ABCDEFGH" or "magfura2" not in line:
                continue
            pair = [lines[i].split("\t")[1:], lines[i + 1].split("\t")[1:]]
            for well, values in (change or {}).items():
                if well[0] == row:
                    for cells, value in zip(pair, values, strict=True):
                        cells[int(well[1:]) - 1] = value or cells[int(well[1:]) - 1]
            if commas:
                pair = [[*(c.replace(".", ",") for c in cells[:-1]), cells[-1]] for cells in pair]
            first, second = reversed(pair) if row in swap else pair
            lines[i], lines[i + 1] = "\t".join([row, *first]), "\t".join(["", *second])
        return "\n".join(lines) + "\n"

    return edit


def free_magnesium_of(study, wells):
    given = magnesium.settings(study.experiment("plates", "platelets"))
    pairs = magnesium.paired_wells(wells)
    calibrations = magnesium.calibrate(pairs, given, draws=200)
    return magnesium.sample_table(magnesium.samples(pairs, calibrations), calibrations, given).set_index("sample_id")


def test_sixteen_missing_wells_and_an_overflow_leave_the_free_magnesium_of_the_others(study, read):
    before = free_magnesium_of(study, read(["platelets_run1"]))
    lost = {f"{row}{column}": ("MISSED", "MISSED") for row in "DEFGH" for column in (6, 7, 8)}
    after = free_magnesium_of(
        study, read(["platelets_run1"], gen5(lost | {"A9": ("MISSED", "MISSED"), "B9": ("OVRFLW", "")}))
    )
    hit = {"P04", "P05", "P06", "P07", "P08", "P01-compound-a"}
    others = [s for s in before.index if s not in hit]
    assert len(others) == 4
    pd.testing.assert_frame_equal(after.loc[others], before.loc[others], check_exact=True)
    assert after.loc["P04", "flag"] == "no value"
    assert "D6: missing" in after.loc["P04", "reason"]
    assert "B9: overflow at 340 nm" in after.loc["P01-compound-a", "reason"]


def test_faults_and_swapped_labels_and_decimal_commas_at_once_leave_the_others(study, read):
    lost = {f"{row}{column}": ("MISSED", "MISSED") for row in "DEFGH" for column in (6, 7, 8)}
    faults = lost | {"A9": ("MISSED", "MISSED"), "B9": ("OVRFLW", "")}
    plain = free_magnesium_of(study, read(["platelets_run1"], gen5(faults)))
    after = free_magnesium_of(study, read(["platelets_run1"], gen5(faults, swap="BEH", commas=True)))
    pd.testing.assert_frame_equal(after, plain, check_exact=True)


def test_swapped_labels_give_the_same_free_magnesium_to_the_bit(study, read):
    before = free_magnesium_of(study, read(["platelets_run1"]))
    after = free_magnesium_of(study, read(["platelets_run1"], gen5(swap="BEH")))
    pd.testing.assert_frame_equal(after, before, check_exact=True)


@pytest.mark.parametrize("plate", ["microsomes_plate1", "platelets_run1"])
def test_a_layout_of_another_plate_size_is_an_error_that_names_its_wells(read, plate):
    def larger(text):
        lines = text.splitlines()
        return "\n".join([lines[0], *lines[1:], lines[1].replace("A1,", "P24,", 1)]) + "\n"

    with pytest.raises(InputError, match="the layout names wells that the plate does not have: P24"):
        read([plate], layout=larger)
