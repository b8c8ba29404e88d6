"""Workbooks (xlsx) as text: each sheet becomes tab-separated lines, one a row, for the same readers as text exports.

Limits: values only. A formula stays a text that starts with `=`, so that it can never pass for a number that the reader
measured (the stored result of a formula is not trusted). Old workbooks (xls) are refused by name. A workbook that
unpacks to more than an export can hold, or declares document types, is refused before it is unpacked.
"""

import datetime
import io
import zipfile

from openpyxl import load_workbook

from mgk.plates.export import ExportError

DAMAGED = "is not a readable xlsx workbook, it was cut off or damaged"
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
LARGEST_UNPACKED_BYTES = 32_000_000
LARGEST_RATIO = 400
DAY_ZERO = datetime.datetime(1899, 12, 31)
MOST_ROWS, MOST_COLUMNS, MOST_SHEETS, MOST_CELLS, MOST_PARTS = 50_000, 4_000, 64, 1_000_000, 1_000
SHEETS = "xl/worksheets/"
# How a document type starts, in ASCII and in either order of UTF-16.
DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))


def is_workbook(raw: bytes) -> bool:
    """Return whether the bytes are those of a workbook, new or old."""
    return raw.startswith((b"PK", OLD_WORKBOOK))


def sheet_texts(raw: bytes) -> list[tuple[str, str]]:
    """Return name and text of each sheet of a workbook; sheets without cells are left out.

    Raises
    ------
    ExportError
        When the bytes are no readable xlsx workbook, or unpack to more than a plate export can hold.
    """
    if raw.startswith(OLD_WORKBOOK):
        raise ExportError(None, "is an old workbook (xls); save it as xlsx, or export the plate as text")
    _check_archive(raw)
    try:
        # Not data_only: the stored result of a formula would pass for a value that the reader measured.
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=False)
        texts = [(sheet.title, _text(sheet)) for sheet in book.worksheets[: MOST_SHEETS + 1]]
    except ExportError:
        raise
    except Exception:  # whatever the library stumbles over in a damaged workbook
        raise ExportError(None, DAMAGED) from None
    if len(texts) > MOST_SHEETS:
        raise ExportError(None, f"has more than {MOST_SHEETS} sheets; it is no plate export")
    return [(name, text) for name, text in texts if text.strip()]


def _check_archive(raw: bytes) -> None:
    """Refuse an archive that is cut, unpacks to too much, or has parts that no export has; a part at a time."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            size = sum(p.file_size for p in parts)
            if size > LARGEST_UNPACKED_BYTES or size > LARGEST_RATIO * max(len(raw), 1_000):
                raise ExportError(None, f"unpacks to {size / 1e6:.0f} MB; it is no plate export")
            if "xl/workbook.xml" not in {p.filename for p in parts}:
                raise ExportError(None, "is an archive, but not an xlsx workbook")
            if len(parts) > MOST_PARTS:
                raise ExportError(None, f"has {len(parts)} parts; it is no plate export")
            for part in parts:
                _check_part(part.filename, archive.read(part))
    except ExportError:
        raise
    except Exception:  # zipfile raises several kinds, zlib its own
        raise ExportError(None, DAMAGED) from None


def _check_part(name: str, content: bytes) -> None:
    """Refuse document types (entities come with them), and sheets of more cells than are read.

    What parses a sheet would go through all of it before it gives the first row.
    """
    if any(start in content for start in DOCTYPES):
        raise ExportError(None, "declares a document type; it is no plate export")
    if name.startswith(SHEETS) and content.count(b"<c") > MOST_CELLS:
        raise ExportError(None, f"{name} has more than {MOST_CELLS} cells; it is no plate export")


def _text(sheet) -> str:
    sheet.reset_dimensions()  # what the file says of its size can be wrong
    rows: list[list[str]] = []
    size = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MOST_ROWS:
            if any(value is not None for value in row):
                raise ExportError(None, f"sheet {sheet.title} has more than {MOST_ROWS} rows; it is no plate export")
            continue  # a sheet of an old workbook has empty rows down to its end
        if len(row) > MOST_COLUMNS:
            raise ExportError(number, f"has more than {MOST_COLUMNS} columns; it is no plate export")
        rows.append([_cell(value) for value in row])
        size += len(row) + sum(map(len, rows[-1]))  # of cells that share a text, each has its own
        _check_size(sheet, size)
    width = max((len(row) for row in rows), default=0)
    _check_size(sheet, size + len(rows) * width)
    # Each line has all fields, as in a text that was not cut.
    return "".join("\t".join(row + [""] * (width - len(row))) + "\n" for row in rows)


def _check_size(sheet, characters: int) -> None:
    if characters > LARGEST_UNPACKED_BYTES:
        raise ExportError(None, f"sheet {sheet.title} is a text of more than {LARGEST_UNPACKED_BYTES / 1e6:g} MB")


def _cell(value) -> str:
    """Return a cell as a reader prints it; clock times as h:mm:ss, also those beyond a day."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.time):
        return _clock(datetime.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second))
    if isinstance(value, datetime.timedelta):
        return _clock(value)
    if isinstance(value, datetime.datetime):
        # A clock time beyond a day is stored as a date of the year 1900; its day 1 is the first.
        return _clock(value - DAY_ZERO) if value.year <= 1900 else value.isoformat(sep=" ")
    return " ".join(str(value).split())


def _clock(time: datetime.timedelta) -> str:
    total = round(time.total_seconds())
    return f"{total // 3600}:{total % 3600 // 60:02d}:{total % 60:02d}"
