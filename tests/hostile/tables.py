"""Damage of input tables: what spreadsheets, editors, half copies and bad wishes make of a CSV file."""

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass

from tecan_sheets import workbook

from hostile.cases import Case, a_folder, of_bytes, replaced_by

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)


@dataclass(frozen=True)
class Table:
    """A table of a study: the columns that hold an id, a number with decimals and free text."""

    base: str
    name: str
    id: str
    number: str
    text: str = ""


TABLES = (
    Table("recordings", "recordings.csv", "animal_id", "ligand_total_mm", "condition"),
    Table("segments", "segments.csv", "recording_id", "sweep_first", "condition"),
    Table("plates", "plates.csv", "run_id", "temperature_c", "reads"),
    Table("layout", "layout.csv", "sample_id", "magnesium_total_mm", "condition"),
    Table("stacks", "stacks.csv", "stack_id", "background_percent"),
    Table("curves", "curves.csv", "animal_id", "y"),
    Table("trials", "trials.csv", "study_id", "mean_treatment", "outcome"),
    Table("claims", "claims.csv", "claim_id", "estimate", "statement"),
    Table("magnesium_forms", "magnesium_forms.csv", "salt", "molar_mass_g_mol", "source"),
    Table("compartments", "compartments.csv", "system", "low_mm", "source"),
)
Rows = list[list[str]]


def rows_of(raw: bytes) -> Rows:
    """Return the rows of a table, the header first."""
    return list(csv.reader(io.StringIO(raw.decode())))


def text_of(rows: Rows, delimiter: str = ",") -> str:
    """Return rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def of_rows(change: Callable[[Rows], Rows]):
    """Return a damage that makes other rows of a table's rows."""
    return of_bytes(lambda raw: text_of(change(rows_of(raw))).encode())


def of_cells(column: str, change: Callable[[str], str], first_only: bool = False):
    """Return a damage of the filled cells of a column, or of the first one."""

    def changed(rows: Rows) -> Rows:
        place = rows[0].index(column)
        filled = [row for row in rows[1:] if row[place]]
        for row in filled[:1] if first_only else filled:
            row[place] = change(row[place])
        return rows

    return of_rows(changed)


def one_cell(column: str, text: str):
    """Return a damage that puts a text into the first filled cell of a column."""
    return of_cells(column, lambda _: text, first_only=True)


def merged(column: str):
    """Return the damage of merged cells: only the first of them is filled."""

    def changed(rows: Rows) -> Rows:
        place = rows[0].index(column)
        first = next(row for row in rows if row is not rows[0] and row[place])
        for row in rows[rows.index(first) + 1 :]:
            row[place] = ""
        return rows

    return of_rows(changed)


def decimal_commas(quoted: bool):
    """Return the damage of a locale: numbers with a decimal comma, as a spreadsheet quotes them or not."""

    def changed(raw: bytes) -> bytes:
        rows = [[cell.replace(".", ",") if is_decimal(cell) else cell for cell in row] for row in rows_of(raw)]
        text = text_of(rows)
        return (text if quoted else text.replace('"', "")).encode()

    return of_bytes(changed)


def is_decimal(cell: str) -> bool:
    """Return whether a cell is a number with a point."""
    return "." in cell and cell.replace(".", "", 1).lstrip("-").isdecimal()


def on_text(change: Callable[[str], str], encoding: str = "utf-8"):
    """Return a damage of a table as text, and its encoding."""
    return of_bytes(lambda raw: change(raw.decode()).encode(encoding))


def lines_between(text: str, line: str) -> str:
    """Put a line between any two lines of a text."""
    return f"\n{line}\n".join(text.splitlines()) + "\n"


def whole_file():
    """Return (words, damage) for the file as a whole."""
    return [
        ("semicolons between fields", of_bytes(lambda raw: text_of(rows_of(raw), ";").encode())),
        ("tabs between fields", of_bytes(lambda raw: text_of(rows_of(raw), "\t").encode())),
        ("a byte-order mark", on_text(str, "utf-8-sig")),
        ("UTF-16 with its mark", on_text(str, "utf-16")),
        ("UTF-16 without a mark", on_text(str, "utf-16-le")),
        ("UTF-32 with its mark", on_text(str, "utf-32")),
        ("ends of lines as in Windows (CRLF)", on_text(lambda t: t.replace("\n", "\r\n"))),
        ("ends of lines as in an old Mac (CR)", on_text(lambda t: t.replace("\n", "\r"))),
        ("ends of lines mixed", on_text(lambda t: t.replace("\n", "\r\n", 2))),
        ("a blank line between any two", on_text(lambda t: lines_between(t, ""))),
        ("blank lines at the end", on_text(lambda t: t + "\n\n  \n")),
        ("lines of commas at the end", of_rows(lambda rows: [*rows, *[[""] * len(rows[0])] * 20])),
        ("an empty column at the end, header and all", of_rows(lambda rows: [[*row, "", ""] for row in rows])),
        ("empty fields at the end of each row", of_rows(lambda rows: [rows[0], *([*r, "", ""] for r in rows[1:])])),
        ("blanks around each field", of_rows(lambda rows: [[f"  {cell}\t " for cell in row] for row in rows])),
        (
            "no-break spaces around each field",
            of_rows(lambda rows: [[f"\xa0{cell}\u202f" for cell in r] for r in rows]),
        ),
        ("all fields in quotes", on_text(lambda t: "".join(all_quoted(row) for row in rows_of(t.encode())))),
        ("a column of the header twice", of_rows(lambda rows: [[*row, row[0]] for row in rows])),
        ("no header", of_rows(lambda rows: rows[1:])),
        ("the header again in the middle", of_rows(lambda rows: [*rows[:2], rows[0], *rows[2:]])),
        ("two lines of a title above the header", on_text(lambda t: f"My study\nas of today\n{t}")),
        ("only the header", of_rows(lambda rows: rows[:1])),
        ("numbers with decimal commas, not quoted", decimal_commas(quoted=False)),
        ("numbers with decimal commas, quoted", decimal_commas(quoted=True)),
        ("a field too few in a row", of_rows(lambda rows: [*rows[:-1], rows[-1][:-1]])),
        ("a field too many in a row", of_rows(lambda rows: [*rows[:-1], [*rows[-1], "x"]])),
        ("3,000 columns more", of_rows(lambda rows: [wider(row, i) for i, row in enumerate(rows)])),
        ("bytes of zero within", of_bytes(lambda raw: raw.replace(b",", b"\0,", 3))),
        ("a quote that never closes", on_text(lambda t: t.replace("\n", '\n"', 1))),
        ("a quote closed too early", on_text(lambda t: t.replace("\n", '\n"x"', 1))),
        ("cut off within the last row", on_text(lambda t: t[: t.rindex("\n", 0, -1) + 3])),
        ("zero bytes", replaced_by(b"")),
        ("only blanks", replaced_by(b"  \n\n \n")),
        ("a folder under its name", a_folder),
        ("no such file", lambda path: path.unlink()),
        ("a picture under its name", replaced_by(PNG)),
        ("random bytes", replaced_by(bytes((i * 197 + 13) % 251 + 1 for i in range(4000)))),
        ("a workbook (xlsx) under its name", of_bytes(lambda raw: workbook(rows_of(raw)))),
        ("an old workbook (xls) under its name", replaced_by(OLD_WORKBOOK)),
        ("compressed (gzip)", of_bytes(lambda raw: gzip.compress(raw, mtime=0))),
        ("a web page under its name", replaced_by(b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n")),
    ]


def all_quoted(row: list[str]) -> str:
    """Return a row with all its fields in quotes."""
    return ",".join(f'"{cell}"' for cell in row) + "\n"


def wider(row: list[str], number: int) -> list[str]:
    """Return a row with 3,000 fields more."""
    return [*row, *(f"extra{i}" if number == 0 else str(i) for i in range(3000))]


def cells_of(table: Table):
    """Return (words, damage) for cells of a table."""
    ids = [
        ("cells of ids merged", merged(table.id)),
        ("an id with a path in it", one_cell(table.id, "../../etc/passwd")),
        ("an id with a path of Windows in it", one_cell(table.id, "..\\..\\x")),
        ("ids turned into dates with slashes", of_cells(table.id, lambda _: "01/09/2026")),
        ("ids turned into dates with a time", of_cells(table.id, lambda _: "2026-09-01 00:00:00")),
        ("an id turned into a day of a month (1-Sep)", one_cell(table.id, "1-Sep")),
        ("an id turned into a month of a year (Sep-01)", one_cell(table.id, "Sep-01")),
        ("an id turned into a power of ten", one_cell(table.id, "1.00E+05")),
        ("an id that is a formula", one_cell(table.id, '=HYPERLINK("http://x";"y")')),
        ("an id of markup", one_cell(table.id, "<script>alert(1)</script>")),
        ("an id with an invisible character", of_cells(table.id, lambda cell: f"{cell}\u200b", first_only=True)),
        ("an id with a line break", of_cells(table.id, lambda cell: f"{cell}\nx", first_only=True)),
        ("an id of 300 characters", one_cell(table.id, "x" * 300)),
        ("a cell of a spreadsheet's error (#REF!)", one_cell(table.id, "#REF!")),
    ]
    numbers = [
        ("a thousands separator", one_cell(table.number, "1,200.5")),
        ("a thousands separator that is a blank", one_cell(table.number, "1 200.5")),
        ("a thousands separator that is a quote", one_cell(table.number, "1'200.5")),
        ("a number with its unit", one_cell(table.number, "1.25 mM")),
        ("a number that is none (nan)", one_cell(table.number, "nan")),
        ("an infinite number", one_cell(table.number, "inf")),
        ("a number beyond all numbers (1e999)", one_cell(table.number, "1e999")),
        ("a number in a programmer's writing (1_000)", one_cell(table.number, "1_000")),
        ("a number cell of a spreadsheet's error (#DIV/0!)", one_cell(table.number, "#DIV/0!")),
        ("a date where a number was", one_cell(table.number, "2026-09-01")),
        ("a formula where a number was", one_cell(table.number, "=1+1")),
    ]
    if table.name in SHARED:
        ids.append((f"cells of {SHARED[table.name]} merged", merged(SHARED[table.name])))
    longest = ("a cell of a million characters", one_cell(table.text or table.id, "x" * 1_000_000))
    texts = [
        ("Latin-1 text", latin_1(table.text)),
        ("an invisible character in a text", of_cells(table.text, lambda cell: f"{cell}\u200b", first_only=True)),
        ("a no-break space in a text", of_cells(table.text, lambda cell: f"{cell}\xa0 ", first_only=True)),
        ("a text cell of a spreadsheet's error (#NAME?)", one_cell(table.text, "#NAME?")),
    ]
    return [*(ids if table.name != "magnesium_forms.csv" else ()), *numbers, longest, *(texts if table.text else ())]


def latin_1(column: str):
    """Return the damage of another encoding: a text with a letter that two encodings write differently."""

    def changed(raw: bytes) -> bytes:
        rows = rows_of(raw)
        rows[1][rows[0].index(column)] = "Größe"
        return text_of(rows).encode("latin-1")

    return of_bytes(changed)


# A column of the same value in all rows, in which merged cells would pass for rows without one.
SHARED = {
    "recordings.csv": "configuration",
    "plates.csv": "reads",
    "layout.csv": "condition",
    "curves.csv": "condition",
    "stacks.csv": "experiment",
    "compartments.csv": "side",
    "claims.csv": "statement",
}
FREE = ("recordings.csv", "segments.csv", "layout.csv", "trials.csv", "claims.csv")


def kept_texts(table: Table):
    """Return (words, damage) for what free text may hold, which stays what it is."""
    return [
        ("a formula in a free text", one_cell(table.text, "=1+1")),
        ("markup in a free text", one_cell(table.text, "<script>alert(1)</script>")),
        ("letters of other scripts in a free text", one_cell(table.text, "Ζήτα 镁 µ")),
    ]


def cases() -> list[Case]:
    """Return the cases of tables."""
    found = []
    for table in TABLES:
        file = f"raw_data/{table.name}"
        optional = ("no such file",) if table.name == "segments.csv" else ()
        for words, damage in [*whole_file(), *cells_of(table)]:
            found.append(Case(table.base, file, words, damage, only_manifest=words in optional))
        if table.name in FREE:
            kept = [Case(table.base, file, words, damage, kept=table.text) for words, damage in kept_texts(table)]
            found += kept
    return found
