"""Read the exports of this folder and of the demonstration with allotropy, and store its readings in readings.json.

Run with the Python of an environment that holds allotropy and nothing of this project (README.md says how). What
allotropy cannot read is stored as the error that it raises.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from allotropy.exceptions import AllotropyError
from allotropy.parser_factory import Vendor
from allotropy.to_allotrope import allotrope_from_file

HERE = Path(__file__).resolve().parent
HOUSE = HERE.parents[2]
VENDORS = {
    "bmg": Vendor.BMG_MARS,
    "microsomes": Vendor.BMG_MARS,
    "gen5": Vendor.AGILENT_GEN5,
    "platelets": Vendor.AGILENT_GEN5,
    "neurons": Vendor.AGILENT_GEN5,
    "softmax": Vendor.MOLDEV_SOFTMAX_PRO,
}
# A small file of the same form is compared; this one has 41 times 96 values.
LEFT_OUT = ("coupled_run1.txt",)
QUANTITIES = ("absorbance", "fluorescence", "luminescence")


def main() -> None:
    demonstration = sorted((HOUSE / "raw_data" / "plates").iterdir())
    files = sorted((HERE / "files").iterdir()) + [f for f in demonstration if f.name not in LEFT_OUT]
    readings = {f.relative_to(HOUSE).as_posix(): reading(f) for f in files}
    stored = {"read_with": f"allotropy {version('allotropy')}", "files": readings}
    (HERE / "readings.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def reading(path: Path) -> dict:
    vendor = VENDORS[path.name.split("_")[0]]
    known = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "vendor": vendor.name}
    try:
        plate_reader = allotrope_from_file(str(path), vendor)["plate reader aggregate document"]
    except (AllotropyError, TypeError, ValueError) as error:
        return {**known, "error": type(error).__name__}
    channels: list[dict] = []
    for document in plate_reader["plate reader document"]:
        for measured in document["measurement aggregate document"]["measurement document"]:
            add(channels, measured)
    return {**known, "channels": channels}


def add(channels: list[dict], measured: dict) -> None:
    """Add one measured well to the first channel of its wavelengths that lacks it."""
    control = measured["device control aggregate document"]["device control document"][0]
    sample = measured["sample document"]
    named = {
        "plate": sample.get("well plate identifier"),
        "detector_nm": control.get("detector wavelength setting", {}).get("value"),
        "excitation_nm": control.get("excitation wavelength setting", {}).get("value"),
    }
    well = sample["location identifier"]
    same = [c for c in channels if {k: c[k] for k in named} == named and well not in c["wells"]]
    if not same:
        channels.append({**named, "wells": {}, "errors": {}})
        same = channels[-1:]
    cube = next((v for k, v in measured.items() if k.endswith("data cube")), None)
    if cube:
        values = zip(cube["data"]["dimensions"][0], cube["data"]["measures"][0], strict=True)
        same[0]["wells"][well] = {f"{time:g}": value for time, value in values}
    else:
        same[0]["wells"][well] = next(measured[q]["value"] for q in QUANTITIES if q in measured)
    for error in measured.get("error aggregate document", {}).get("error document", []):
        same[0]["errors"].setdefault(well, []).append(f"{error.get('error feature')}: {error['error']}")


if __name__ == "__main__":
    main()
