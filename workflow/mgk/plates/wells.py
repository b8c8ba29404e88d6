"""The wells of a study's plates as one tidy table, and the quality of each plate.

Limits: what the values mean (magnesium, activity) is decided by the analyses; a plate's quality here is what can be
said without them: wells without values, and the separation of the quality controls.

Vocabulary
----------
reads: in plates.csv, which read is what: `read=name` pairs with `;` between, such as `1=340;2=380` (`parse_reads`).
Z': 1 - 3 (SD_high + SD_low) / |mean_high - mean_low| of the wells qc_high and qc_low (Zhang, Chung and Oldenburg
    1999, J Biomol Screen 4:67); 0.5 and above is good.
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
GOOD_Z_PRIME = 0.5
FEWEST_CONTROLS = 4

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


def plate_quality(wells: pd.DataFrame) -> pd.DataFrame:
    """Judge each plate by its wells without values and its quality controls.

    Parameters
    ----------
    wells: as from `tidy_wells`.

    Returns
    -------
    A row a plate: `plate_id, experiment, run_id, n_wells` (that the layout uses; without a layout all that were
    measured), `n_missing, n_overflow, n_masked, n_blank` of them (a well counts once, whichever read or time),
    `z_prime` (the smallest of the plate's endpoint reads; NaN without 4 controls of each kind), `n_qc_high, n_qc_low`,
    `verdict` (pass, warn, exclude) and `reason`.
    """
    return pd.DataFrame([_quality(plate, group) for plate, group in wells.groupby("plate_id", sort=False)])


def z_prime(high: np.ndarray, low: np.ndarray) -> float:
    """Return Z' of two groups of control wells (see the module), NaN when their means are equal."""
    distance = abs(float(np.mean(high)) - float(np.mean(low)))
    if distance == 0:
        return np.nan
    return 1 - 3 * (float(np.std(high, ddof=1)) + float(np.std(low, ddof=1))) / distance


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


def _quality(plate: str, wells: pd.DataFrame) -> dict:
    used = wells[wells["role"] != "empty"] if (wells["role"] != "").any() else wells[wells["flag"] != "blank"]
    flagged = {f: _names(used.loc[used["flag"] == f, "well"]) for f in ("missing", "overflow", "masked", "blank")}
    z, n_high, n_low = _smallest_z_prime(used)
    dead = [label for label, group in used.groupby("label", sort=False) if group["value"].isna().all()]
    reasons = [f"{flag}: {', '.join(names)}" for flag, names in flagged.items() if names]
    if z < GOOD_Z_PRIME:
        reasons.append(f"Z' {z:.2f} is below {GOOD_Z_PRIME}")
    if dead or used.empty:
        reasons.insert(0, f"no well has a value in read {', '.join(dead)}" if dead else "no well is used")
    return {
        "plate_id": plate,
        "experiment": wells["experiment"].iloc[0],
        "run_id": wells["run_id"].iloc[0],
        "n_wells": used["well"].nunique(),
        **{f"n_{flag}": len(names) for flag, names in flagged.items()},
        "z_prime": z,
        "n_qc_high": n_high,
        "n_qc_low": n_low,
        "verdict": "exclude" if dead or used.empty else "warn" if reasons else "pass",
        "reason": "; ".join(reasons),
    }


def _names(wells: pd.Series) -> list[str]:
    return list(dict.fromkeys(wells))


def _smallest_z_prime(used: pd.DataFrame) -> tuple[float, int, int]:
    """Return Z' with the numbers of control wells that it rests on; NaN when they are fewer than 4 of a kind."""
    found = []
    endpoint = used[used["time_s"].isna() & used["value"].notna()]
    for _, group in endpoint.groupby("read"):
        high, low = (group.loc[group["role"] == role, "value"].to_numpy() for role in ("qc_high", "qc_low"))
        enough = min(len(high), len(low)) >= FEWEST_CONTROLS
        found.append((z_prime(high, low) if enough else np.nan, len(high), len(low)))
    return min(found, key=lambda f: (np.isnan(f[0]), f[0]), default=(np.nan, 0, 0))
