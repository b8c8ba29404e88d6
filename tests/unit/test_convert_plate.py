"""The converter of other vendors' exports: from allotropy's document to the long table, read back by the workflow."""

import csv
import importlib.util
from pathlib import Path

import pytest

from mgk.plates import read_plate_file

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "convert_plate.py"
spec = importlib.util.spec_from_file_location("convert_plate", SCRIPT)
convert_plate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(convert_plate)


def measured(well, quantity, value, detector, excitation=None, error=None, feature=None):
    control = {"detector wavelength setting": {"value": detector}}
    if excitation:
        control["excitation wavelength setting"] = {"value": excitation}
    found = {
        "sample document": {"location identifier": well, "well plate identifier": "P1"},
        "device control aggregate document": {"device control document": [control]},
    }
    if isinstance(value, dict):
        found[f"{quantity} data cube"] = {
            "cube-structure": {"dimensions": [{"concept": "elapsed time"}], "measures": [{"concept": quantity}]},
            "data": {"dimensions": [list(value)], "measures": [list(value.values())]},
        }
    else:
        found[quantity] = {"value": value, "unit": "mAU"}
    if error:
        documents = [{"error": error, "error feature": feature or quantity}]
        found["error aggregate document"] = {"error document": documents}
    return found


def document(*measurements):
    plates = [{"measurement aggregate document": {"measurement document": [m]}} for m in measurements]
    return {"plate reader aggregate document": {"plate reader document": plates}}


def read(tmp_path, *measurements):
    path = tmp_path / "plate.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, convert_plate.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(convert_plate.rows_of(document(*measurements)))
    return read_plate_file(path)


def test_a_well_without_a_value_is_a_flag_and_its_zero_is_gone(tmp_path):
    plate = read(
        tmp_path,
        measured("A1", "absorbance", 0.5, 450.0),
        measured("A2", "absorbance", -0.0, 450.0, error="OVRFLW"),
        measured("A3", "absorbance", -0.0, 450.0, error="NaN"),
        measured("A4", "absorbance", -0.0, 450.0, error="*0.356*"),
        measured("A5", "absorbance", 0.044, 450.0, error="<0.000", feature="Conc"),
        measured("A6", "absorbance", 0.0, 450.0),
    ).set_index("well")
    assert plate["flag"].tolist() == ["", "overflow", "missing", "masked", "", ""]
    assert plate["value"].dropna().to_dict() == {"A1": 0.5, "A5": 0.044, "A6": 0.0}
    assert set(plate["wavelength_nm"]) == {450}


def test_reads_are_numbered_by_light_and_repeats_of_it(tmp_path):
    plate = read(
        tmp_path,
        measured("A1", "fluorescence", 10.0, 510.0, 340.0),
        measured("A1", "fluorescence", 20.0, 510.0, 380.0),
        measured("A1", "fluorescence", 30.0, 510.0, 340.0),
        measured("A2", "fluorescence", 11.0, 510.0, 340.0),
        measured("A2", "fluorescence", 21.0, 510.0, 380.0),
        measured("A2", "fluorescence", 31.0, 510.0, 340.0),
    )
    assert plate.pivot_table(index="read", columns="well", values="value").to_numpy().tolist() == [
        [10, 11],
        [20, 21],
        [30, 31],
    ]
    assert plate.drop_duplicates("read")["excitation_nm"].tolist() == [340, 380, 340]


def test_a_kinetic_read_keeps_its_times(tmp_path):
    plate = read(tmp_path, measured("B3", "absorbance", {0.0: 0.5, 60.0: 0.4}, 340.0))
    assert plate["time_s"].tolist() == [0, 60]
    assert plate["value"].tolist() == [0.5, 0.4]


def test_a_document_without_readings_is_refused():
    with pytest.raises(ValueError, match="holds no absorbance"):
        convert_plate.rows_of(document())
