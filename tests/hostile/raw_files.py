"""Damage of recordings, shots, exports of plate readers and images: cut, flipped, sizes that lie, something else."""

import math
import struct
from collections.abc import Callable, Iterable
from functools import cache

from hostile.bases import EXPORT_FORMATS, GEN5, RECORDING_FORMATS, tecan
from hostile.cases import Case, Damage, a_folder, of_bytes, replaced_by
from hostile.tables import PNG
from mgk.recordings.axon.abf2 import SECTIONS

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(2000)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03"
    + bytes(40)
)
Found = list[tuple[str, Damage]]


def something_else() -> Found:
    """Return what may lie under the name of any raw file."""
    return [
        ("zero bytes", replaced_by(b"")),
        ("only blanks", replaced_by(b" \n\n")),
        ("a folder under its name", a_folder),
        ("no such file", lambda path: path.unlink()),
        ("a picture (PNG) under its name", replaced_by(PNG)),
        ("a picture (JPEG) whose sizes lie under its name", replaced_by(JPEG)),
        ("a PDF under its name", replaced_by(PDF)),
        ("random bytes", replaced_by(bytes((i * 197 + 13) % 251 + 1 for i in range(4000)))),
        ("bytes of zero, as a half copy leaves them", of_bytes(lambda raw: bytes(len(raw)))),
        ("its second half bytes of zero", of_bytes(lambda raw: raw[: len(raw) // 2] + bytes(len(raw) - len(raw) // 2))),
        ("a web page under its name", replaced_by(b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n")),
        (
            "a pointer of git-lfs under its name",
            replaced_by(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        ),
    ]


def cut(places: Iterable[tuple[str, Callable[[bytes], int]]]) -> Found:
    """Return cuts; each place says where the file ends, in words and in bytes."""
    return [(f"cut off {words}", of_bytes(lambda raw, at=at: raw[: at(raw)])) for words, at in places]


def flipped(share: float) -> Damage:
    """Return the damage of one byte, at a share of the file."""

    def change(raw: bytes) -> bytes:
        at = int(share * (len(raw) - 1))
        return raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :]

    return of_bytes(change)


SHARES = (0.0, 0.01, 0.1, 0.3, 0.6, 0.9)


def flips() -> Found:
    """Return flipped bytes all through a file."""
    return [(f"a byte flipped at {share:.0%} of the file", flipped(share)) for share in SHARES]


def patched(code: str, offset: int | Callable[[bytes], int], value) -> Damage:
    """Return the damage of a number in a binary file."""

    def change(raw: bytes) -> bytes:
        out = bytearray(raw)
        struct.pack_into(f"<{code}", out, offset(raw) if callable(offset) else offset, value)
        return bytes(out)

    return of_bytes(change)


def lies(words: str, code: str, offset: int | Callable[[bytes], int], values: Iterable) -> Found:
    """Return a number of a header with values that cannot be."""
    return [(f"{words}: {shown(value)}", patched(code, offset, value)) for value in values]


def shown(value) -> str:
    """Return a number as a reader knows it."""
    powers = {2**31 - 1: "2^31-1", 2**31: "2^31", -(2**31): "-2^31", 2**32 - 1: "2^32-1", 2**40: "2^40", 2**62: "2^62"}
    return powers.get(value, f"{value:g}") if not isinstance(value, bytes) else repr(value)


FLOATS = (0.0, -1.0, math.nan, math.inf, 1e-30)


# --- recordings -----------------------------------------------------------------------------------------------------


def _entry(name: str) -> int:
    return 76 + 16 * SECTIONS.index(name)


def _section(name: str, field: int = 0) -> Callable[[bytes], int]:
    return lambda raw: struct.unpack_from("<I", raw, _entry(name))[0] * 512 + field


def abf2() -> Found:
    """Return the damage of ABF2: its table of sections, its protocol, its channels."""
    sections = ("protocol", "adc", "dac", "strings", "data", "synch")
    found = cut(
        [
            ("within its first word", lambda raw: 3),
            ("within its table of sections", lambda raw: 100),
            ("behind its table of sections", lambda raw: 512),
            *((f"before its {name} section", _section(name)) for name in sections),
            ("within its data", lambda raw: _section("data")(raw) + 301),
        ]
    )
    for name in ("protocol", "adc", "data", "synch", "strings"):
        found += lies(f"entries of its {name} section", "q", _entry(name) + 8, (0, -1, 2**31, 2**62))
        found += lies(f"place of its {name} section", "I", _entry(name), (0, 2**32 - 1))
    found += lies("bytes of a sample", "I", _entry("data") + 4, (0, 1, 2**32 - 1))
    found += lies("operation mode", "h", _section("protocol"), (0, 4, 99))
    found += lies("sampling interval", "f", _section("protocol", 2), FLOATS)
    found += lies("resolution of the converter", "i", _section("protocol", 118), (0, -(2**31)))
    found += lies("scale of the channel", "f", _section("adc", 40), (0.0, math.nan, math.inf))
    return (
        found
        + lies("sweeps", "I", 12, (0, 2**32 - 1))
        + lies("length of the first sweep", "i", _section("synch", 4), (0, -1, 2**31 - 1))
    )


def abf1() -> Found:
    """Return the damage of ABF1: its fixed places."""
    found = cut(
        [
            ("within its header", lambda raw: 100),
            ("within its epoch table", lambda raw: 2300),
            ("at the end of its header", lambda raw: 6144),
            ("within its data", lambda raw: len(raw) - 301),
            ("before its last byte", lambda raw: len(raw) - 1),
        ]
    )
    found += lies("samples", "i", 10, (0, -1, 2**31 - 1)) + lies("sweeps", "i", 16, (0, -1, 2**31 - 1))
    found += lies("place of its data", "i", 40, (0, -1, 2**31 - 1)) + lies("place of its sweeps", "i", 92, (2**31 - 1,))
    found += lies("channels", "h", 120, (0, -1, 17, 32767)) + lies("sampling interval", "f", 122, FLOATS)
    found += lies("operation mode", "h", 8, (0, 4, 99)) + lies("version", "f", 4, (0.0, math.nan, math.inf, 99.0))
    return (
        found + lies("resolution of the converter", "i", 252, (0,)) + lies("scale of the channel", "f", 922, FLOATS[:4])
    )


def key(name: str, values: Iterable[str]) -> Found:
    """Return keys of a WinWCP header with values that cannot be."""

    def change(raw: bytes, value: str) -> bytes:
        at = raw.index(f"{name}=".encode()) + len(name) + 1
        end = raw.index(b"\r\n", at)
        head = raw[:at] + value.encode() + raw[end:1024]
        return head[:1024].ljust(1024, b"\0") + raw[1024:]

    return [(f"{name}={value}", of_bytes(lambda raw, v=value: change(raw, v))) for value in values]


def winwcp() -> Found:
    """Return the damage of WinWCP: its keys."""
    found = cut(
        [
            ("within its header", lambda raw: 300),
            ("at the end of its header", lambda raw: 1024),
            ("within the head of a record", lambda raw: 1100),
            ("within its data", lambda raw: len(raw) - 301),
            ("before its last byte", lambda raw: len(raw) - 1),
        ]
    )
    found += key("NC", ("0", "-1", "129", "2147483648", "x")) + key("NR", ("0", "-1", "2147483648", "1e300"))
    found += key("NBD", ("0", "-1", "2147483648")) + key("NBA", ("0", "7")) + key("ADCMAX", ("0", "-1", "99999"))
    found += key("DT", ("0", "-1", "nan", "inf", "")) + key("YG0", ("0", "nan", "inf")) + key("YO1", ("0", "9", "-1"))
    return (
        found
        + key("VER", ("8", "x", "9999999999"))
        + lies("range of a record's channel", "f", 2048 - 1000, (math.nan, math.inf))
    )


def _item(number: int, field: int = 0) -> int:
    return 64 + 16 * number + field


def _trace_place(field: int) -> Callable[[bytes], int]:
    """Return the place of a field of the trace's record: the last of the tree, before its count of children."""

    def at(raw: bytes) -> int:
        start, size = struct.unpack_from("<ii", raw, _item(1))
        return start + size - 4 - 512 + field

    return at


def heka() -> Found:
    """Return the damage of a HEKA bundle: its items, its trees, its trace."""
    found = cut(
        [
            ("within its header", lambda raw: 100),
            ("at the end of its header", lambda raw: 256),
            ("within its data", lambda raw: 300),
            ("within its tree of data", lambda raw: struct.unpack_from("<i", raw, _item(1))[0] + 200),
            ("within its tree of stimuli", lambda raw: len(raw) - 100),
            ("before its last byte", lambda raw: len(raw) - 1),
        ]
    )
    for number, name in ((1, "its tree of data"), (2, "its tree of stimuli")):
        found += lies(f"place of {name}", "i", _item(number), (0, -1, 2**31 - 1))
        found += lies(f"size of {name}", "i", _item(number, 4), (0, -1, 2**31 - 1))
        tree = lambda raw, n=number: struct.unpack_from("<i", raw, _item(n))[0]  # noqa: E731
        found += lies(f"levels of {name}", "i", lambda raw, t=tree: t(raw) + 4, (0, -1, 2**31 - 1))
        found += lies(f"size of the records of {name}", "i", lambda raw, t=tree: t(raw) + 8, (0, -1, 2**31 - 1))
    children = lambda raw: struct.unpack_from("<i", raw, _item(1))[0] + 8 + 20 + 544  # noqa: E731
    found += lies("groups", "i", children, (0, -1, 2**31 - 1))
    found += lies("place of the trace", "i", _trace_place(40), (0, -1, 2**31 - 1))
    found += lies("samples of the trace", "i", _trace_place(44), (0, -1, 2**31 - 1))
    found += lies("data format of the trace", "b", _trace_place(70), (-1, 4, 99))
    return (
        found
        + lies("scale of the trace", "d", _trace_place(72), (0.0, math.nan, math.inf))
        + lies("sampling interval", "d", _trace_place(104), FLOATS[:4])
    )


# --- text -----------------------------------------------------------------------------------------------------------


def on_text(change: Callable[[str], str], encoding: str = "utf-8", source: str = "utf-8") -> Damage:
    """Return the damage of a text, and its encoding."""
    return of_bytes(lambda raw: change(raw.decode(source)).encode(encoding, errors="replace"))


def line(number: int, change: Callable[[str], str], source: str = "utf-8") -> Damage:
    """Return the damage of one line, counted from 0 or from the end."""

    def changed(text: str) -> str:
        lines = text.split("\n")
        lines[number] = change(lines[number])
        return "\n".join(lines)

    return on_text(changed, "utf-16" if source == "utf-16" else "utf-8", source)


def of_text(separator: str, row: int, source: str = "utf-8") -> Found:
    """Return the damage of a text of numbers; `row` is a row of values from the end of the file."""
    same = source if source == "utf-16" else "utf-8"

    def cell(text: str) -> Damage:
        at = 4 if source == "utf-16" else 1  # SoftMax Pro: behind time and temperature
        return line(
            row, lambda old: separator.join([*old.split(separator)[:at], text, *old.split(separator)[at + 1 :]]), source
        )

    def lines(change: Callable[[list[str]], list[str]]) -> Damage:
        return on_text(lambda text: "\n".join(change(text.split("\n"))), same, source)

    return [
        ("a byte-order mark", on_text(str, "utf-8-sig", source)),
        ("UTF-16 with its mark", on_text(str, "utf-16", source)),
        ("UTF-16 without a mark", on_text(str, "utf-16-le", source)),
        (
            "ends of lines as in Windows (CRLF)",
            on_text(lambda t: t.replace("\r", "").replace("\n", "\r\n"), same, source),
        ),
        ("ends of lines as in Unix (LF)", on_text(lambda t: t.replace("\r", ""), same, source)),
        (
            "ends of lines as in an old Mac (CR)",
            on_text(lambda t: t.replace("\r", "").replace("\n", "\r"), same, source),
        ),
        ("semicolons between values", on_text(lambda t: t.replace(separator, ";"), same, source)),
        ("decimal commas", on_text(lambda t: t.replace(".", ","), same, source)),
        ("blanks at the end of each line", on_text(lambda t: t.replace("\r", "").replace("\n", "  \n"), same, source)),
        ("a blank line before a row of values", lines(lambda found: [*found[:row], "", *found[row:]])),
        ("blank lines at the end", on_text(lambda t: t + "\n\n\n", same, source)),
        ("a row of values twice", lines(lambda found: [*found[:row], found[row], *found[row:]])),
        ("a row of values lost", lines(lambda found: [*found[:row], *found[row:][1:]])),
        (
            "a value lost",
            line(row, lambda old: separator.join(old.split(separator)[:-2]) + "\r" * old.endswith("\r"), source),
        ),
        (
            "a value too many",
            line(
                row, lambda old: separator.join([*old.split(separator)[:2], "1.5", *old.split(separator)[2:]]), source
            ),
        ),
        ("a value of text", cell("abc")),
        ("a value that is none (nan)", cell("nan")),
        ("a value that is infinite", cell("inf")),
        ("a value beyond all numbers (1e999)", cell("1e999")),
        ("a value of a spreadsheet's error (#REF!)", cell("#REF!")),
        ("a value with a thousands separator", cell('"1,200.5"')),
        ("a value in a programmer's writing (1_0)", cell("1_0")),
        ("a formula for a value", cell("=1+1")),
        ("a byte of zero within", line(row, lambda old: old[:3] + "\0" + old[3:], source)),
        ("a quote that never closes", line(row, lambda old: '"' + old, source)),
        ("3,000 values more in a row", line(row, lambda old: old + f"{separator}7.5" * 3000, source)),
        ("a value of a million characters", cell("7" * 1_000_000)),
        *cut(
            [
                ("within its first line", lambda raw: 12),
                ("at a third", lambda raw: len(raw) // 3),
                ("at two thirds", lambda raw: 2 * len(raw) // 3),
                ("within its last value", lambda raw: len(raw) - 4),
                (
                    "at the end of a row",
                    lambda raw: raw.decode(source, errors="replace").encode(same).rindex(b"\n", 0, -2) + 1,
                ),
            ]
        ),
    ]


def atf() -> Found:
    """Return the damage of ATF beside that of its text: its counts and titles."""
    counts = lambda text: line(1, lambda _: text + "\r")  # noqa: E731
    return [
        *(
            (f"counts {text!r} in its second line", counts(text))
            for text in ("0\t0", "-1\t3", "3\t2147483648", "9\t3", "x")
        ),
        ("version 2.0", line(0, lambda _: "ATF\t2.0\r")),
        ("a title without a unit", on_text(lambda t: t.replace("(nA)", ""))),
        ("no time in its first column", on_text(lambda t: t.replace("Time (s)", "Trial"))),
    ]


def trace() -> Found:
    """Return the damage of a trace in CSV beside that of its text: its header and times."""
    return [
        ("the header twice", on_text(lambda t: t.split("\n")[0] + "\n" + t)),
        ("no header", on_text(lambda t: t.partition("\n")[2])),
        ("a column of the header twice", on_text(lambda t: t.replace("voltage_mv", "current_pa"))),
        ("an unknown column", on_text(lambda t: t.replace("voltage_mv", "voltage_v"))),
        ("times that stand still", line(100, lambda old: "0.0001," + old.partition(",")[2])),
        ("times as clock times", line(100, lambda old: "00:00:01," + old.partition(",")[2])),
    ]


# --- images ---------------------------------------------------------------------------------------------------------


def tag_place(raw: bytes, number: int, page: int = 0) -> int:
    """Return the place of a tag's entry in a TIFF file of little-endian order."""
    at = struct.unpack_from("<I", raw, 4)[0]
    for _ in range(page):
        count = struct.unpack_from("<H", raw, at)[0]
        at = struct.unpack_from("<I", raw, at + 2 + 12 * count)[0]
    count = struct.unpack_from("<H", raw, at)[0]
    return next(at + 2 + 12 * i for i in range(count) if struct.unpack_from("<H", raw, at + 2 + 12 * i)[0] == number)


def tag(words: str, number: int, values: Iterable[int], page: int = 0) -> Found:
    """Return a tag with values that cannot be, as long numbers."""

    def change(raw: bytes, value: int) -> bytes:
        out, at = bytearray(raw), tag_place(raw, number, page)
        struct.pack_into("<HII", out, at + 2, 4, 1, value)
        return bytes(out)

    return [(f"{words}: {shown(v)}", of_bytes(lambda raw, v=v: change(raw, v))) for v in values]


def tag_count(words: str, number: int) -> Found:
    """Return a tag that says it holds more values than there are."""

    def change(raw: bytes) -> bytes:
        out, at = bytearray(raw), tag_place(raw, number)
        struct.pack_into("<I", out, at + 4, 2**31 - 1)
        return bytes(out)

    return [(words, of_bytes(change))]


def next_page(value: Callable[[bytes], int]) -> Damage:
    """Return the damage of the place of the second page."""

    def change(raw: bytes) -> bytes:
        out, first = bytearray(raw), struct.unpack_from("<I", raw, 4)[0]
        count = struct.unpack_from("<H", raw, first)[0]
        struct.pack_into("<I", out, first + 2 + 12 * count, value(raw))
        return bytes(out)

    return of_bytes(change)


def tiff() -> Found:
    """Return the damage of a TIFF stack: its tags and the chain of its pages."""
    first = lambda raw: struct.unpack_from("<I", raw, 4)[0]  # noqa: E731
    found = cut(
        [
            ("within its head", lambda raw: 6),
            ("at the end of its head", lambda raw: 8),
            ("within its first page", lambda raw: 250),
            ("at a half", lambda raw: len(raw) // 2),
            ("within its last page", lambda raw: len(raw) - 301),
            ("before its last byte", lambda raw: len(raw) - 1),
        ]
    )
    found += tag("width", 256, (0, 1, 2**31 - 1, 2**32 - 1)) + tag("height", 257, (0, 1, 2**31 - 1, 2**32 - 1))
    found += tag("bits of a sample", 258, (0, 1, 7, 64)) + tag("compression", 259, (0, 7, 6, 5, 99))
    found += tag("photometric", 262, (2, 6, 99)) + tag("samples of a pixel", 277, (0, 3, 65535))
    found += tag("place of its image", 273, (0, 2**32 - 1)) + tag("bytes of its image", 279, (0, 1, 2**32 - 1))
    found += tag("rows of a strip", 278, (0, 1)) + tag_count("values of the place of its image: 2^31-1", 273)
    found += lies("place of its first page", "I", 4, (0, 2**32 - 1))
    found += [
        ("its pages a loop", next_page(first)),
        ("its pages end in themselves", next_page(lambda raw: first(raw) + 1)),
    ]
    return [
        *found,
        ("its second page beyond the end", next_page(lambda raw: 2**32 - 1)),
        ("the mark of BigTIFF", patched("H", 2, 43)),
    ]


# --- all of them ----------------------------------------------------------------------------------------------------

BINARY = {"ABF2": abf2, "ABF1": abf1, "WinWCP": winwcp, "HEKA": heka}
TEXTS = {"ATF": ("\t", -20, atf), "CSV trace": (",", -20, trace)}
# Of exports: what stands between values, and a row of values from the end.
EXPORT_TEXTS = {
    "BMG MARS": (",", -4),
    "Gen5": ("\t", -6),
    "SoftMax Pro": ("\t", -18),
    "EnVision": (",", -26),
    "plain grid": (",", -3),
    "long table": (",", -20),
}


@cache
def _others() -> dict[str, bytes]:
    """Return files of another kind."""
    return {"an export of Gen5": GEN5.encode(), "a workbook": tecan(), "an HDF5 file": HDF5}


def cases() -> list[Case]:
    """Return the cases of raw files; where a format has nothing to tell by, only the manifest can."""
    found = []

    def add(base: str, file: str, damages: Found) -> None:
        found.extend(Case(base, f"raw_data/{file}", words, damage, only_manifest=True) for words, damage in damages)

    for form, (file, *_) in RECORDING_FORMATS.items():
        own = BINARY[form]() if form in BINARY else [*of_text(*TEXTS[form][:2]), *TEXTS[form][2]()]
        others = [(f"{words} under its name", replaced_by(raw)) for words, raw in _others().items()]
        add(form, file, [*something_else(), *others, *flips(), *own])
    add("shots", "shots.csv", [*something_else(), *flips(), *of_text(",", -20)])
    for form, (file, _) in EXPORT_FORMATS.items():
        source = "utf-16" if form == "SoftMax Pro" else "utf-8"
        own = of_text(*EXPORT_TEXTS[form], source) if form in EXPORT_TEXTS else []
        add(form, file, [*something_else(), ("an HDF5 file under its name", replaced_by(HDF5)), *flips(), *own])
    for file in ("two_340.tif", "one.ome.tif"):
        add("stacks", file, [*something_else(), *flips(), *tiff()])
    for file in ("labels.tif", "flat.tif"):
        add("stacks", file, [*something_else(), *tag("width", 256, (1, 2**31 - 1))])
    return found
