"""Our readers against allotropy's stored readings; the table of agreements is tests/reference/allotropy/README.md."""

import hashlib
import json
import math
from pathlib import Path

import pytest

from mgk.plates import read_plate_file

HOUSE = Path(__file__).resolve().parents[2]
STORED = json.loads((HOUSE / "tests/reference/allotropy/readings.json").read_text(encoding="utf-8"))
READ = {name: found for name, found in STORED["files"].items() if "error" not in found}
STOPS = {name for name, found in STORED["files"].items() if "error" in found}
# Wells that allotropy marks although the reader's value is good: (file, wavelength it stands at, well).
MARKED_BUT_GOOD = {
    ("gen5_overflow.txt", 325.0, "A1"),
    ("gen5_overflow.txt", 325.0, "D5"),
    ("gen5_masked_and_calculated.txt", 660.0, "A1"),
}
MISREAD_WAVELENGTH = {"bmg_second_number.csv": {1.0: 450.0}}


def test_the_grid_of_files_does_not_shrink():
    assert len(STORED["files"]) == 18
    assert {Path(n).name for n in STOPS} == {
        "bmg_decimal_comma.csv",
        "bmg_overflow_and_empty.csv",
        "microsomes_plate2.csv",
        "neurons_run1.txt",
    }


@pytest.mark.parametrize("name", STORED["files"])
def test_the_readings_are_of_these_very_files(name):
    found = hashlib.sha256((HOUSE / name).read_bytes()).hexdigest()
    assert found == STORED["files"][name]["sha256"], "regenerate the readings: tests/reference/allotropy/README.md"


@pytest.mark.parametrize("name", READ)
def test_values_are_those_of_allotropy(name):
    ours = read_plate_file(HOUSE / name)
    compared = 0
    for channel in READ[name]["channels"]:
        wells = wells_of(ours, channel, name)
        for well, value in channel["wells"].items():
            compared += compare(wells[wells["well"] == well], value, well, channel, name)
    assert compared == ours["value"].notna().sum() - (96 if name.endswith("two_reads.csv") else 0)


def wells_of(ours, channel, name):
    """Return our rows of the channel's plate and wavelengths."""
    detector = MISREAD_WAVELENGTH.get(Path(name).name, {}).get(channel["detector_nm"], channel["detector_nm"])
    at = (ours["wavelength_nm"] == detector) | (ours["emission_nm"] == detector)
    if channel["excitation_nm"] is not None:
        at &= ours["excitation_nm"] == channel["excitation_nm"]
    return ours[at & (ours["plate_name"] == channel["plate"])]


def compare(rows, value, well, channel, name):
    """Compare one well; return how many values agree."""
    if isinstance(value, dict):
        assert dict(zip(rows["time_s"], rows["value"], strict=True)) == {float(t): v for t, v in value.items()}
        return len(value)
    assert len(rows) == 1
    good = well not in channel["errors"] or (Path(name).name, channel["detector_nm"], well) in MARKED_BUT_GOOD
    if good:
        assert rows["value"].item() == value
        assert rows["flag"].item() == ""
        return 1
    assert math.isnan(rows["value"].item())
    assert rows["flag"].item() != ""
    assert math.copysign(1, value) == -1
    assert value == 0
    return 0
