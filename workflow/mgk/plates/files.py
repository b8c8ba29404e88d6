"""A plate export from its bytes to a tidy table: which reader, and what to say when none can read it."""

from pathlib import Path
from types import ModuleType

import pandas as pd

from mgk.plates import bmg, envision, gen5, plain, softmax, tecan
from mgk.plates.export import LARGEST_EXPORT_BYTES, ExportError, decode, tidy_cells, tidy_frame
from mgk.plates.workbook import is_workbook, sheet_texts
from mgk.tables.problems import InputError

READERS = (softmax, gen5, tecan, envision, bmg, plain)
# What the converter of the extra reads (`make convert-plate`), by what allotropy calls it.
CONVERTED = ("Tecan Magellan", "Thermo SkanIt", "Revvity Kaleido", "BMG SMART Control", "and others")


def read_plate_file(path: Path | str) -> pd.DataFrame:
    """Read an export of a plate reader; the format is found from the content.

    Returns
    -------
    One row for each well of each read at each time, by plate, read, time and well, with the columns
    `plate_in_file` (from 1), `plate_name`, `read` (order of the reads of a plate, from 1), `label` (as the export
    prints it), `mode` (absorbance, fluorescence, luminescence or ''), `wavelength_nm`, `excitation_nm`, `emission_nm`
    (NaN: not stated), `time_s` (NaN: endpoint), `well` (A1 ... P24), `value`, and `flag` (one of
    `export.FLAGS`; a flagged well's value is NaN).

    Raises
    ------
    InputError
        With file, line, and what is expected there.
    """
    path = Path(path)
    try:
        return tidy_frame(_rows(path))
    except ExportError as error:
        raise InputError(f"{path.name}: {error}") from None


def check_plate_file(path: Path | str) -> list[str]:
    """Return what makes an export unreadable (nothing when it can be read), without building its table."""
    try:
        _rows(Path(path))
    except ExportError as error:
        return [str(error)]
    return []


def plate_format(path: Path | str) -> str:
    """Return the name of an export's format.

    Raises
    ------
    InputError
        When no reader knows it.
    """
    path = Path(path)
    try:
        return _sections(path)[0][1].NAME
    except ExportError as error:
        raise InputError(f"{path.name}: {error}") from None


def _rows(path: Path) -> list[dict]:
    """Return the rows of all plates; the plates of a workbook's sheets are numbered through."""
    rows: list[dict] = []
    for sheet, reader, text in _sections(path):
        try:
            if not sheet and reader is tecan:
                tecan.check_whole(text)
            found = tidy_cells(reader.read_cells(text), reader.EMPTY_FLAG)
        except ExportError as error:
            raise ExportError(None, f"sheet {sheet}: {error}") if sheet else error from None
        before = rows[-1]["plate_in_file"] if rows else 0
        for row in found:
            row["plate_in_file"] += before
            row["plate_name"] = row["plate_name"] or sheet
        rows += found
    return rows


def _sections(path: Path) -> list[tuple[str, ModuleType, str]]:
    """Return (sheet, reader, text) of what an export holds; a text export is one section with the sheet ''."""
    try:
        if path.stat().st_size > LARGEST_EXPORT_BYTES:
            raise ExportError(None, f"is larger than {LARGEST_EXPORT_BYTES / 1e6:g} MB; it is no plate export")
        raw = path.read_bytes()
    except OSError as error:
        raise ExportError(None, f"cannot be read: {error.strerror}") from None
    if not raw.strip():
        raise ExportError(None, "is empty")
    texts = sheet_texts(raw) if is_workbook(raw) else [("", decode(raw))]
    found = [(sheet, reader, text) for sheet, text in texts if (reader := _reader(text))]
    # A sheet of notes beside an export is no plate; a grid is only looked for where nothing else was found.
    vendors = [section for section in found if section[1] is not plain]
    if not found:
        raise ExportError(None, _unknown())
    return vendors or found


def _reader(text: str) -> ModuleType | None:
    return next((reader for reader in READERS if reader.recognises(text)), None)


def _unknown() -> str:
    native = ", ".join(reader.NAME for reader in READERS)
    return (
        f"is not of a known format; read are {native}. `make convert-plate` turns what allotropy reads "
        f"({', '.join(CONVERTED)}) into a long table that is read"
    )
