"""Damage of a workbook of a plate reader: archives that explode, XML that explodes or asks for files, odd sheets."""

import io
import struct
import zipfile
from collections.abc import Callable

from hostile.bases import EXPORT_FORMATS, tecan
from hostile.cases import Case, Damage, of_bytes, replaced_by
from hostile.raw_files import cut

SHEET, BOOK, STRINGS = "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"
RELATIONS, TYPES = "xl/_rels/workbook.xml.rels", "[Content_Types].xml"
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]>"
)
EXTERNAL = '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/hostname">]>'


def repacked(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Damage:
    """Return a damage of the parts of a workbook."""

    def changed(raw: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = change({p.filename: archive.read(p) for p in archive.infolist()})
        return packed(parts)

    return of_bytes(changed)


def packed(parts: dict[str, bytes]) -> bytes:
    """Return an archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def part(name: str, content: bytes | Callable[[bytes], bytes]) -> Damage:
    """Return the damage of one part."""

    def change(parts: dict[str, bytes]) -> dict[str, bytes]:
        return parts | {name: content(parts[name]) if callable(content) else content}

    return repacked(change)


def declared(old: bytes) -> Callable[[str], bytes]:
    """Return a function that puts a declaration behind the first line of an XML part."""
    head, _, body = old.partition(b"?>") if old.startswith(b"<?xml") else (b"<?xml version='1.0'", b"", old)
    return lambda words: head + b"?>" + words.encode() + body


def sheet(rows: str) -> bytes:
    """Return a sheet of rows in XML."""
    return f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>".encode()


def in_utf_16(words: str) -> Callable[[bytes], bytes]:
    """Return an XML part in UTF-16 with a declaration, which no search for ASCII finds."""
    return lambda old: (
        declared(old)(words).decode().replace("utf-8", "utf-16").replace("UTF-8", "UTF-16").encode("utf-16")
    )


def unpacked_size(size: int) -> Damage:
    """Return the damage of what the archive says of the size of its sheet."""

    def change(raw: bytes) -> bytes:
        out = bytearray(raw)
        at = raw.index(b"PK\x01\x02")
        while raw[at + 46 : at + 46 + len(SHEET)] != SHEET.encode():
            at = raw.index(b"PK\x01\x02", at + 4)
        struct.pack_into("<I", out, at + 24, size)
        return bytes(out)

    return of_bytes(change)


def then(first: Damage, second: Damage) -> Damage:
    """Return two damages, one after the other."""

    def both(path) -> None:
        first(path)
        second(path)

    return both


def many_strings(length: int, cells: int) -> Damage:
    """Return one long shared string that many cells name."""
    row = "".join('<c t="s"><v>0</v></c>' for _ in range(50))
    rows = "".join(f'<row r="{i + 1}">{row}</row>' for i in range(cells // 50))
    return then(PADDED, with_strings(f"<si><t>{'x' * length}</t></si>", sheet(rows)))


def with_strings(strings: str, content: bytes | None = None, declaration: str = "") -> Damage:
    """Return a table of shared strings, known to the workbook, and a sheet that names them (default: as it is)."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    known = f'<Relationship Type="{kind}" Target="/{STRINGS}" Id="rId9" /></Relationships>'.encode()
    sort = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    typed = f'<Override PartName="/{STRINGS}" ContentType="{sort}" /></Types>'.encode()

    def change(parts: dict[str, bytes]) -> dict[str, bytes]:
        table = f"<?xml version='1.0'?>{declaration}<sst {MAIN}>{strings}</sst>".encode()
        own = {RELATIONS: parts[RELATIONS].replace(b"</Relationships>", known)}
        own |= {TYPES: parts[TYPES].replace(b"</Types>", typed), STRINGS: table, SHEET: content or parts[SHEET]}
        return parts | own

    return repacked(change)


def far_cells(rows: int) -> Damage:
    """Return rows with one cell each, in the farthest column."""
    return part(SHEET, sheet("".join(f'<row r="{i}"><c r="ERV{i}"><v>1</v></c></row>' for i in range(1, rows + 1))))


FIRST_STRING = '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'
BIG_SHEET = part(SHEET, lambda old: old.replace(b"<sheetData>", b" " * 60_000_000 + b"<sheetData>"))
NOISE = bytes((i * i * 31 + i * 7) % 251 for i in range(300_000))
# Beside noise that does not compress, what explodes looks less so.
PADDED = repacked(lambda parts: parts | {"xl/media/noise.bin": NOISE})


def heavy() -> list[tuple[str, Damage]]:
    """Return what could eat a machine."""
    return [
        ("a sheet of 60 MB of blanks (zip bomb)", BIG_SHEET),
        ("the same beside noise", then(PADDED, BIG_SHEET)),
        ("the same, said to be 1 kB", then(BIG_SHEET, unpacked_size(1000))),
        ("a sheet that is said to be 4 GB", unpacked_size(2**32 - 2)),
        ("20,000 parts", repacked(lambda parts: parts | {f"xl/x{i}.xml": b"<x/>" for i in range(20_000)})),
        ("archives within the archive", repacked(lambda parts: parts | {"xl/a.zip": packed({"b.zip": packed(parts)})})),
        ("1.1 million rows of one cell", part(SHEET, sheet("<row><c><v>1</v></c></row>" * 1_100_000))),
        ("one shared string of 1 MB in 20,000 cells", many_strings(1_000_000, 20_000)),
        ("one shared string of 30 kB in 40,000 cells", many_strings(30_000, 40_000)),
        ("40,000 rows with a cell in column 3,870", then(PADDED, far_cells(40_000))),
        ("a cell of 40 MB", then(PADDED, part(SHEET, sheet(f'<row><c t="str"><v>{"1" * 40_000_000}</v></c></row>')))),
        (
            "a cell in the last row and column",
            part(SHEET, sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
        ),
        (
            "entities that explode in the sheet",
            part(SHEET, lambda old: declared(old)(LAUGHS).replace(b"<sheetData>", b"<sheetData>&j;")),
        ),
        (
            "entities that explode in the shared strings",
            with_strings("<si><t>&j;</t></si>", sheet(FIRST_STRING), LAUGHS),
        ),
        ("entities that explode, in UTF-16", part(SHEET, in_utf_16(LAUGHS))),
        (
            "entities that explode behind a comment of 5,000 characters",
            part(
                SHEET,
                lambda old: declared(old)(f"<!--{'x' * 5000}-->{LAUGHS}").replace(b"<sheetData>", b"<sheetData>&j;"),
            ),
        ),
        (
            "an entity that asks for a file",
            part(SHEET, lambda old: declared(old)(EXTERNAL).replace(b"<sheetData>", b"<sheetData>&x;")),
        ),
        ("an entity that asks for a file, in UTF-16", part(BOOK, in_utf_16(EXTERNAL))),
        (
            "an entity that asks for a file behind a comment",
            part(BOOK, lambda old: declared(old)(f"<!--{'x' * 5000}-->{EXTERNAL}")),
        ),
        ("elements 200,000 deep", part(SHEET, sheet("<a>" * 200_000 + "</a>" * 200_000))),
        (
            "an attribute of 10 MB",
            then(PADDED, part(SHEET, sheet(f'<row r="{"1" * 10_000_000}"><c><v>1</v></c></row>'))),
        ),
    ]


def odd() -> list[tuple[str, Damage]]:
    """Return what is only odd."""
    value = lambda new: part(SHEET, lambda old: old.replace(b"<v>0.123</v>", new, 1))  # noqa: E731
    return [
        *cut(
            [
                ("within its first part", lambda raw: 60),
                ("at a half", lambda raw: len(raw) // 2),
                ("before its list of parts", lambda raw: raw.index(b"PK\x01\x02")),
                ("within its list of parts", lambda raw: raw.index(b"PK\x01\x02") + 100),
                ("before its last byte", lambda raw: len(raw) - 1),
            ]
        ),
        ("no sheet", repacked(lambda parts: {n: c for n, c in parts.items() if n != SHEET})),
        ("no list of sheets", repacked(lambda parts: {n: c for n, c in parts.items() if n != BOOK})),
        ("shared strings that are not there", part(SHEET, sheet(FIRST_STRING))),
        ("a sheet that is no XML", part(SHEET, b"hello")),
        ("a sheet of zero bytes", part(SHEET, b"")),
        (
            "a shared string that is not there",
            with_strings("<si><t>a</t></si>", sheet(FIRST_STRING.replace(">0<", ">9999<"))),
        ),
        (
            "a size of the sheet that lies",
            part(SHEET, lambda old: old.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>')),
        ),
        ("a row of number 0", part(SHEET, lambda old: old.replace(b'<row r="1"', b'<row r="0"', 1))),
        ("a row of number -5", part(SHEET, lambda old: old.replace(b'<row r="1"', b'<row r="-5"', 1))),
        ("a cell whose place is none", part(SHEET, lambda old: old.replace(b'r="A1"', b'r="hello"', 1))),
        ("a cell of a spreadsheet's error", value(b"<v>#REF!</v>")),
        ("a cell that is not a number", value(b"<v>nan</v>")),
        ("a cell beyond all numbers", value(b"<v>1e999</v>")),
        ("a formula with its stored value", value(b"<f>1+1</f><v>0.123</v>")),
        (
            "a date for a value",
            part(SHEET, lambda old: old.replace(b't="n"><v>0.123</v>', b't="d"><v>2026-01-31</v>', 1)),
        ),
        ("a truth for a value", part(SHEET, lambda old: old.replace(b't="n"><v>0.123</v>', b't="b"><v>1</v>', 1))),
        ("parts that would be written elsewhere", repacked(lambda parts: {"../../etc/x": b"x"} | parts)),
        (
            "a Word document under its name",
            replaced_by(packed({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"})),
        ),
        ("an old workbook (xls) under its name", replaced_by(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000))),
        ("an empty archive", replaced_by(packed({}))),
    ]


def cases() -> list[Case]:
    """Return the cases of workbooks."""
    assert b"<v>0.123</v>" in zipfile.ZipFile(io.BytesIO(tecan())).read(SHEET)
    file = f"raw_data/{EXPORT_FORMATS['Tecan xlsx'][0]}"
    found = [Case("Tecan xlsx", file, words, damage, heavy=True) for words, damage in heavy()]
    return found + [Case("Tecan xlsx", file, words, damage) for words, damage in odd()]
