"""Genuine exports (not in the repository): every value and flag of expected.json."""

import hashlib
import json
import math
from pathlib import Path

import pytest

from mgk.plates import check_plate_file, plate_format, read_plate_file

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "plates"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the genuine exports are not on this machine")

FORMATS = {
    "PHERAstar_output_file.CSV": "BMG MARS csv",
    "MD_SMP_absorbance_endpoint_partial_plate_example01.txt": "SoftMax Pro txt",
    "kinetic_singleplate.txt": "BioTek Gen5 txt",
    "endpoint_wavelength_measurement_labels.txt": "BioTek Gen5 txt",
    "Lowry_Protein_Assay_no_results_matrix.txt": "BioTek Gen5 txt",
    "PE_Envision_fluorescence_example01.csv": "PerkinElmer EnVision csv",
}
# Where the export has no value. expected.json counts three wells of the Lowry plate, as allotropy does: two of them,
# A1 (0.044) and B1 (0.046), have a good reading, and only a concentration computed from it is out of range.
FLAGGED = {
    "Lowry_Protein_Assay_no_results_matrix.txt": {"masked": 1},
    "MD_SMP_absorbance_endpoint_partial_plate_example01.txt": {"missing": 48},
    "PE_Envision_fluorescence_example01.csv": {"blank": 96},  # empty cells: allotropy leaves these wells out
}
MARKED_BUT_GOOD = {"Lowry_Protein_Assay_no_results_matrix.txt": 2}


def expected(name):
    files = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))["files"]
    return next(f for f in files if f["file"] == name)


@pytest.mark.parametrize("name", FORMATS)
def test_every_expected_value_agrees(name):
    known = expected(name)
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == known["sha256"]
    assert plate_format(FOLDER / name) == FORMATS[name]
    assert check_plate_file(FOLDER / name) == []
    plate = read_plate_file(FOLDER / name)
    assert plate["read"].nunique() == known["n_channels"]
    compared = 0
    for channel in known["channels"]:
        read = plate[
            (plate["wavelength_nm"] == channel["detector_nm"]) | (plate["emission_nm"] == channel["detector_nm"])
        ]
        if channel["excitation_nm"]:
            assert set(read["excitation_nm"]) == {channel["excitation_nm"]}
        if not name.startswith("PHERAstar"):
            assert set(read["plate_name"]) == {channel["plate"]}
        measured = read[read["value"].notna()]["well"].nunique()
        assert measured == channel["n_wells"] + MARKED_BUT_GOOD.get(name, 0)
        for well, value in channel["wells"].items():
            rows = read[read["well"] == well]
            times, values = (value["dim"], value["val"]) if isinstance(value, dict) else ([math.nan], [value])
            assert rows["time_s"].to_numpy() == pytest.approx(times, abs=0, nan_ok=True)
            assert rows["value"].tolist() == values
            compared += 1
    assert compared == sum(len(c["wells"]) for c in known["channels"]) > 0


@pytest.mark.parametrize("name", FORMATS)
def test_flags_stand_where_the_export_has_no_value(name):
    plate = read_plate_file(FOLDER / name)
    flagged = plate[plate["flag"] != ""]
    assert flagged["flag"].value_counts().to_dict() == FLAGGED.get(name, {})
    assert flagged["value"].isna().all()
    assert plate.loc[plate["flag"] == "", "value"].notna().all()
    marked = sum(expected(name)["n_wells_flagged_error"].values())
    assert (flagged["flag"] != "blank").sum() + MARKED_BUT_GOOD.get(name, 0) == marked


def test_labels_that_change_places_between_rows_are_followed():
    plate = read_plate_file(FOLDER / "endpoint_wavelength_measurement_labels.txt").set_index(["wavelength_nm", "well"])
    assert plate.loc[(325, "B1"), "value"] == 1.6629
    assert plate.loc[(280, "B1"), "value"] == 1.0033


def test_a_masked_well_has_no_value():
    plate = read_plate_file(FOLDER / "Lowry_Protein_Assay_no_results_matrix.txt").set_index("well")
    assert plate.loc["H3", "flag"] == "masked"
    assert plate.loc[["A1", "B1"], "value"].tolist() == [0.044, 0.046]


def test_columns_that_softmax_left_out_are_missing():
    plate = read_plate_file(FOLDER / "MD_SMP_absorbance_endpoint_partial_plate_example01.txt")
    assert set(plate.loc[plate["flag"] == "missing", "well"]) == {f"{r}{c}" for r in "ABCDEFGH" for c in (1, 12)}
