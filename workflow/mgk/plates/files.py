"""A plate export from its bytes to a tidy table: which reader, and what to say when none can read it."""

from pathlib import Path
from types import ModuleType

import pandas as pd

from mgk.plates import bmg, gen5, softmax
from mgk.plates.export import LARGEST_EXPORT_BYTES, ExportError, decode, tidy_cells, tidy_frame
from mgk.tables.problems import InputError

READERS = (softmax, gen5, bmg)


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
        return _reader(_text(path)).NAME
    except ExportError as error:
        raise InputError(f"{path.name}: {error}") from None


def _rows(path: Path) -> list[dict]:
    text = _text(path)
    reader = _reader(text)
    return tidy_cells(reader.read_cells(text), reader.EMPTY_FLAG)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_EXPORT_BYTES:
            raise ExportError(None, f"is larger than {LARGEST_EXPORT_BYTES / 1e6:g} MB; it is no plate export")
        raw = path.read_bytes()
    except OSError as error:
        raise ExportError(None, f"cannot be read: {error.strerror}") from None
    if not raw.strip():
        raise ExportError(None, "is empty")
    return decode(raw)


def _reader(text: str) -> ModuleType:
    for reader in READERS:
        if reader.recognises(text):
            return reader
    names = ", ".join(reader.NAME for reader in READERS)
    raise ExportError(None, f"is not of a known format; read are {names}")
