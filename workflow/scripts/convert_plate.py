"""Turn an export that allotropy reads into the long table that the workflow reads (`make convert-plate`).

It runs in an environment of its own (allotropy holds pandas and jsonschema back) and uses nothing of the package.

    convert_plate.py export.xlsx TECAN_MAGELLAN raw_data/plates/plate1.csv
    convert_plate.py --vendors

allotropy gives a well that has no value as -0.0 with an error beside it: such a well gets a flag and no value. An error
that names another quantity than the reading (a concentration computed from it) leaves the reading as it is.
"""

import csv
import sys
from pathlib import Path

QUANTITIES = ("absorbance", "fluorescence", "luminescence")
COLUMNS = ("plate", "well", "read", "label", "mode", "wavelength_nm", "excitation_nm", "emission_nm", "time_s", "value",
           "flag")  # fmt: skip
OVERFLOW = ("ovrflw", "overflow", "over", "#sat", ">")


USAGE = "convert-plate: FILE=export VENDOR=name TO=raw_data/plates/plate.csv; VENDOR=? lists the names"


def main(arguments: list[str]) -> int:
    """Convert one export, or list the vendors; return the exit code."""
    from allotropy.exceptions import AllotropyError
    from allotropy.parser_factory import Vendor
    from allotropy.to_allotrope import allotrope_from_file

    if arguments == ["--vendors"]:
        print("\n".join(sorted(v.name for v in Vendor)))
        return 0
    if len(arguments) != 3 or arguments[1] not in Vendor.__members__:
        print(USAGE, file=sys.stderr)
        return 2
    source, vendor, target = Path(arguments[0]), Vendor[arguments[1]], Path(arguments[2])
    if target.exists():
        print(f"convert-plate: {target} exists already; nothing is overwritten", file=sys.stderr)
        return 1
    try:
        rows = rows_of(allotrope_from_file(str(source), vendor))
    except (AllotropyError, OSError, KeyError, TypeError, ValueError) as error:
        print(f"convert-plate: {source.name} cannot be read as {vendor.name}: {error}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.part")  # as mgk.whole_files does
    with beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    beside.replace(target)
    flagged = sum(bool(row["flag"]) for row in rows)
    print(f"convert-plate: {len(rows)} values, {flagged} of them flagged, in {target}")
    return 0


def rows_of(document: dict) -> list[dict]:
    """Return a row of the long table for each reading of a plate-reader document of allotropy.

    Raises
    ------
    ValueError
        When it holds no reading of a quantity that is known (such as images or spectra alone).
    """
    rows: list[dict] = []
    reads: dict[tuple, dict[str, int]] = {}
    for plate in document["plate reader aggregate document"]["plate reader document"]:
        for measured in plate["measurement aggregate document"]["measurement document"]:
            rows += _rows(measured, reads)
    if not rows:
        raise ValueError("it holds no absorbance, fluorescence or luminescence of wells")
    return rows


def _rows(measured: dict, reads: dict[tuple, dict[str, int]]) -> list[dict]:
    sample = measured["sample document"]
    control = measured["device control aggregate document"]["device control document"][0]
    mode = next((q for q in QUANTITIES if q in measured or f"{q} data cube" in measured), None)
    cube = next((v for k, v in measured.items() if k.endswith("data cube")), None)
    if mode is None and cube is not None:
        mode = cube["cube-structure"]["measures"][0]["concept"]
    if mode not in QUANTITIES or (cube and cube["cube-structure"]["dimensions"][0]["concept"] != "elapsed time"):
        return []
    detector = control.get("detector wavelength setting", {}).get("value", "")
    excitation = control.get("excitation wavelength setting", {}).get("value", "")
    well, name, absorbs = sample["location identifier"], sample.get("well plate identifier", ""), mode == "absorbance"
    row = {
        "plate": name,
        "well": well,
        "label": " ".join([mode, *(f"{v:g}" for v in (excitation, detector) if v != "")]),
        "mode": mode,
        "wavelength_nm": detector if absorbs else "",
        "excitation_nm": "" if absorbs else excitation,
        "emission_nm": "" if absorbs else detector,
    }
    row["read"] = _number((name, mode, excitation, detector), well, reads)
    flag = _flag(measured, mode)
    if cube is None:
        return [row | _value(measured[mode]["value"], flag) | {"time_s": ""}]
    times, values = cube["data"]["dimensions"][0], cube["data"]["measures"][0]
    return [row | _value(v, flag if v in (0, None) else "") | {"time_s": t} for t, v in zip(times, values, strict=True)]


def _number(light: tuple, well: str, reads: dict[tuple, dict[str, int]]) -> int:
    """Return the number of the read: the next one of the plate for light not met before, or met in this well before."""
    again = 0
    while True:
        wells = reads.setdefault((*light, again), {})
        if well not in wells:
            break
        again += 1
    of_plate = [key for key in reads if key[0] == light[0]]
    wells[well] = of_plate.index((*light, again)) + 1
    return wells[well]


def _flag(measured: dict, mode: str) -> str:
    for error in measured.get("error aggregate document", {}).get("error document", []):
        if error.get("error feature", mode).lower() in (mode, "", "n/a"):
            word = str(error.get("error", "")).strip().lower()
            return "masked" if word.startswith("*") else "overflow" if word.startswith(OVERFLOW) else "missing"
    return ""


def _value(value: float | None, flag: str) -> dict:
    gone = value is None or (flag and value == 0)
    return {"value": "" if gone else repr(value), "flag": (flag or "missing") if gone else ""}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
