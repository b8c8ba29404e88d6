"""The wells of a study's plates as one tidy table.

Limits: what the values mean (magnesium, activity) is decided by the analyses; what can be said of a plate without them
is in `mgk.plates.quality`.

Vocabulary
----------
reads: in plates.csv, which read is what: `read=name` pairs with `;` between, such as `1=340;2=380` (`parse_reads`).
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.plates.export import TIDY_COLUMNS
from mgk.plates.files import read_plate_file
from mgk.plates.layout import join_layout, read_layout
from mgk.tables.problems import InputError

# A filter is named by its nominal centre; 510 for 508 is meant, 380 for 340 is not.
NAME_TOLERANCE_NM = 10

_OF_PLATE = ("plate_id", "experiment", "run_id", "assay", "temperature_c")


def tidy_wells(plates: pd.DataFrame, raw_data: Path) -> pd.DataFrame:
    """Read plates and join their layouts.

    Parameters
    ----------
    plates: rows of plates.csv (`plate_id`, `file` and `experiment` are needed).
    raw_data: the folder that `file` and `layout` are relative to.

    Returns
    -------
    A row for each well of each read at each time: `plate_id, experiment, run_id, assay, temperature_c, read,
    read_name` ('' when not named), then the columns of `read_plate_file`, then those of the layout.

    Raises
    ------
    InputError
        With the plate, when its export, its layout or its `reads` cannot be used.
    """
    if plates.empty:
        raise InputError("plates.csv: no plates are given")
    records = plates.astype(object).where(plates.notna(), None).to_dict("records")
    exports = {file: read_plate_file(raw_data / file) for file in dict.fromkeys(r["file"] for r in records)}
    parts = []
    for record in records:
        try:
            parts.append(_plate(record, exports[record["file"]], raw_data))
        except InputError as error:
            raise InputError(f"plate {record['plate_id']} ({record['file']}): {error}") from None
    return pd.concat(parts, ignore_index=True)


def parse_reads(text: str) -> dict[int, str]:
    """Return the names of reads by their number: `1=340;2=380` gives {1: "340", 2: "380"}; nothing gives {}.

    Raises
    ------
    InputError
        When a pair is not `number=name`, or a number or a name stands twice.
    """
    names: dict[int, str] = {}
    for pair in filter(None, (p.strip() for p in (text or "").split(";"))):
        match = re.fullmatch(r"([1-9]\d*)\s*=\s*([^=;]+)", pair)
        if not match:
            raise InputError(f"reads: {pair!r}: must be number=name, pairs separated by ';', such as 1=340;2=380")
        number, name = int(match[1]), match[2].strip()
        if number in names or name in names.values():
            raise InputError(f"reads: {pair!r}: each number and each name may stand only once")
        names[number] = name
    return names


def plate_problems(record: dict, raw_data: Path) -> list[str]:
    """Return all problems of one plate whose export can be read: its place in the file, its reads, its layout.

    Parameters
    ----------
    record: a row of plates.csv.
    raw_data: the folder that `file` and `layout` are relative to.
    """
    problems: list[str] = []

    def attempt(step, *arguments):
        try:
            return step(*arguments)
        except InputError as error:
            problems.extend(str(error).splitlines())
        return None

    wells = attempt(_plate_of, read_plate_file(raw_data / record["file"]), record.get("plate_in_file"))
    names = attempt(parse_reads, record.get("reads"))
    layout = attempt(read_layout, raw_data / record["layout"]) if record.get("layout") else None
    if wells is not None and names is not None:
        attempt(_check_names, names, wells)
    if wells is not None and layout is not None:
        attempt(join_layout, wells, layout)
    return [f"plate {record['plate_id']} ({record['file']}): {text}" for text in problems]


def _plate(record: dict, export: pd.DataFrame, raw_data: Path) -> pd.DataFrame:
    wells = _plate_of(export, record.get("plate_in_file"))
    names = parse_reads(record.get("reads"))
    _check_names(names, wells)
    wells = wells.assign(read_name=[names.get(n, "") for n in wells["read"]])
    for column in _OF_PLATE:
        empty = np.nan if column == "temperature_c" else ""
        wells[column] = empty if record.get(column) is None else record[column]
    wells = wells[[*_OF_PLATE, "read", "read_name", *(c for c in TIDY_COLUMNS if c != "read")]]
    if record.get("layout"):
        return join_layout(wells, read_layout(raw_data / record["layout"]))
    return wells.assign(role="")


def _plate_of(export: pd.DataFrame, wanted: str | float | None) -> pd.DataFrame:
    """Return the rows of one plate of an export, asked for by number or by name; nothing asks for the only one."""
    numbers = export["plate_in_file"].unique()
    names = ", ".join(f"{n} ({export.loc[export['plate_in_file'] == n, 'plate_name'].iloc[0]})" for n in numbers)
    if wanted in (None, ""):
        if len(numbers) > 1:
            raise InputError(f"plate_in_file is empty, but the file holds the plates {names}")
        return export
    text = re.sub(r"\.0$", "", str(wanted))
    chosen = export[(export["plate_in_file"].astype(str) == text) | (export["plate_name"] == text)]
    if len(chosen["plate_in_file"].unique()) != 1:
        raise InputError(f"plate_in_file: {text!r}: must be one plate of the file: {names}")
    return chosen


def _check_names(names: dict[int, str], wells: pd.DataFrame) -> None:
    """A named read must exist, and a name that is a wavelength must be that of the read."""
    reads = wells.drop_duplicates("read").set_index("read")
    for number, name in names.items():
        if number not in reads.index:
            labels = "; ".join(f"{n}: {label}" for n, label in reads["label"].items())
            raise InputError(f"reads: {number}={name}: the plate has the reads {labels}")
        known = reads.loc[number, ["wavelength_nm", "excitation_nm", "emission_nm"]].dropna().astype(float)
        if re.fullmatch(r"\d{3,4}", name) and len(known) and (known - float(name)).abs().min() > NAME_TOLERANCE_NM:
            raise InputError(f"reads: {number}={name}: read {number} of the file is {reads.loc[number, 'label']!r}")
