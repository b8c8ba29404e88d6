"""Damage of YAML and TOML: tags, anchors that explode, nesting, keys and numbers that are none."""

from collections.abc import Callable

from hostile.cases import Case, a_folder, of_bytes, replaced_by
from hostile.tables import PNG

LAUGHS = "".join(
    [
        'z0: &z0 ["lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol"]\n',
        *(f"z{i}: &z{i} [{', '.join([f'*z{i - 1}'] * 9)}]\n" for i in range(1, 10)),
    ]
)
MERGES = "z0: &z0 {a: 1}\n" + "".join(f"z{i}: &z{i} {{<<: [{', '.join([f'*z{i - 1}'] * 9)}]}}\n" for i in range(1, 10))


def on_text(change: Callable[[str], str], encoding: str = "utf-8"):
    """Return a damage of a text, and its encoding."""
    return of_bytes(lambda raw: change(raw.decode()).encode(encoding))


def after(more: str):
    """Return a damage that adds to the end of a file."""
    return on_text(lambda text: text + more)


def of_any(key: str, value: str):
    """Return (words, damage) for either file; `key: value` is a line of it at the top, in words of its own."""
    return [
        ("a tag that would call a function", after("z: !!python/object/apply:os.system ['true']\n"), False),
        ("a tag that would build an object", after("z: !!python/object:pathlib.Path {}\n"), False),
        ("a tag of a name", after("z: !!python/name:os.system\n"), False),
        ("a tag of its own", after("z: !secret x\n"), False),
        ("bytes (!!binary)", after("z: !!binary aGVsbG8=\n"), False),
        ("a set (!!set)", after("z: !!set {a, b}\n"), False),
        ("an ordered map (!!omap)", after("z: !!omap [a: 1, b: 2]\n"), False),
        ("anchors that explode", after(LAUGHS), True),
        ("merges that explode", after(MERGES), True),
        ("an anchor within itself", after("z: &z [*z]\n"), True),
        ("an anchor twice within itself", after("z: &z [*z, *z]\n"), True),
        ("a mapping within itself", after("z: &z {a: *z}\n"), True),
        ("an alias without an anchor", after("z: *nowhere\n"), False),
        ("lists 20,000 deep", after("z: " + "[" * 20_000 + "]" * 20_000 + "\n"), True),
        ("lists 300 deep", after("z: " + "[" * 300 + "]" * 300 + "\n"), True),
        ("mappings 300 deep", after("z:\n" + "".join(f"{' ' * i}a:\n" for i in range(1, 300))), True),
        ("a flow of 20,000 brackets that never closes", after("z: " + "[" * 20_000 + "\n"), True),
        ("20 MB of keys", after("".join(f"z{i}: {i}\n" for i in range(1_600_000))), True),
        ("a comment of 20 MB", after("#" + "x" * 20_000_000 + "\n"), True),
        ("a key twice", after(f"{key}: {value}\n{key}: {value}\n"), False),
        ("an unknown key", after("recordngs: {}\n"), False),
        ("a key of a mapping", after("? {a: 1}\n: 2\n"), False),
        ("a key of a list", after("? [a, b]\n: 2\n"), False),
        ("a key without a name", after("? \n: 2\n"), False),
        ("a key that is a number", after("7: {}\n"), False),
        ("a key with a path in it", after("../../etc: {}\n"), False),
        ("a key of 100,000 characters", after(f"? {'k' * 100_000}\n: 2\n"), False),
        ("an empty value", after(f"{key}:\n"), False),
        ("a number of 10,000 digits", after(f"z: {'9' * 10_000}\n"), False),
        ("a byte-order mark", on_text(str, "utf-8-sig"), False),
        ("UTF-16 with its mark", on_text(str, "utf-16"), False),
        ("Latin-1 text", on_text(lambda text: "# Größe\n" + text, "latin-1"), False),
        ("ends of lines as in Windows (CRLF)", on_text(lambda text: text.replace("\n", "\r\n")), False),
        ("ends of lines as in an old Mac (CR)", on_text(lambda text: text.replace("\n", "\r")), False),
        ("tabs for blanks", on_text(lambda text: text.replace("  ", "\t") + "z:\n\ta: 1\n"), False),
        ("a byte of zero", after("z: \0\n"), False),
        ("a control character", after("z: \x07\n"), False),
        ("two documents", on_text(lambda text: f"---\n{text}---\n{text}"), False),
        ("the mark of YAML 1.1", on_text(lambda text: f"%YAML 1.1\n---\n{text}"), False),
        ("a bracket that never closes", after("z: [1, 2\n"), False),
        ("a quote that never closes", after('z: "abc\n'), False),
        ("a colon too many", after("z: a: b\n"), False),
        ("a list at the top", replaced_by(b"- a\n- b\n"), False),
        ("a text at the top", replaced_by(b"hello\n"), False),
        ("only comments", replaced_by(b"# nothing\n"), False),
        ("zero bytes", replaced_by(b""), False),
        ("a folder under its name", a_folder, False),
        ("a picture under its name", replaced_by(PNG), False),
        ("random bytes", replaced_by(bytes((i * 197 + 13) % 251 + 1 for i in range(4000))), False),
        ("JSON under its name, cut off", replaced_by(b'{"study": {"title": "t", "da'), False),
        ("a table under its name", replaced_by(b"a,b,c\n1,2,3\n"), False),
    ]


def swapped(old: str, new: str):
    """Return a damage of one place, which must be there."""

    def changed(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return on_text(changed)


CONFIG = [
    ("infinite windows", swapped("- 25", "- .inf")),
    ("windows of 10,000 digits", swapped("- 25", "- " + "9" * 10_000)),
    ("a window of 1e999", swapped("- 25", "- 1e999")),
    ("a window that is not a number (.nan)", swapped("- 25", "- .nan")),
    ("a window that is a text", swapped("- 25", "- '25'")),
    ("a window that is a date", swapped("- 25", "- 2026-01-31")),
    ("a window that is true", swapped("- 25", "- true")),
    ("an experiment with a path as its name", swapped("    e:", "    ../../e:")),
    ("an experiment of markup", swapped("    e:", "    <b>e</b>:")),
    ("an experiment that is a formula", swapped("    e:", "    =1+1:")),
    ("an experiment that is a number", swapped("    e:", "    1.0:")),
    ("a list for the study", swapped("study:\n  title: hostile\n  data: simulated", "study: [hostile, simulated]")),
    ("a list for an analysis in a list", swapped("analysis: current_voltage", "analysis: [[current_voltage]]")),
]
SOLUTIONS = [
    ("a concentration of 1e999", swapped("K: 100,", "K: 1e999,")),
    ("a concentration that is not a number (.nan)", swapped("K: 100,", "K: .nan,")),
    ("a negative concentration", swapped("K: 100,", "K: -100,")),
    ("a concentration with a decimal comma", swapped("K: 100,", "K: '0,5',")),
    ("a concentration in sixties (1:30)", swapped("K: 100,", "K: 1:30,")),
    ("a concentration with its unit", swapped("K: 100,", "K: 100 mM,")),
    ("no, which was sodium's name in YAML 1.1", swapped("Na: 5,", "no: 5,")),
    ("an unknown ion", swapped("K: 100,", "Kalium: 100,")),
    ("a recipe with a path as its name", swapped("outside:", "../outside:")),
    ("pH of 1e9", swapped("ph: 7.4", "ph: 1e9")),
    ("a temperature below absolute zero", swapped("temperature_c: 22", "temperature_c: -300")),
    ("no such file", lambda path: path.unlink()),
]


TOML = [
    ("a byte-order mark", on_text(str, "utf-8-sig"), False),
    ("UTF-16 with its mark", on_text(str, "utf-16"), False),
    ("Latin-1 text", on_text(lambda text: "# Größe\n" + text, "latin-1"), False),
    ("ends of lines as in Windows (CRLF)", on_text(lambda text: text.replace("\n", "\r\n")), False),
    ("ends of lines as in an old Mac (CR)", on_text(lambda text: text.replace("\n", "\r")), False),
    ("a table twice", after('[well.A1]\nrole = "blank"\n'), False),
    ("a key twice", after('role = "blank"\nrole = "blank"\n'), False),
    ("an unknown field", after('roll = "blank"\n'), False),
    ("an unknown table", after('[wells.A1]\nrole = "blank"\n'), False),
    ("a well beyond the plate", after('[well.Z99]\nrole = "blank"\n'), False),
    ("a well that the plate does not have", after('[well.P24]\nrole = "blank"\n'), False),
    ("a block of 99 by 99", after('[block.99x99.A1]\nrole = "blank"\n'), False),
    ("a block of a billion", after('[block.1000000000x1.A1]\nrole = "blank"\n'), False),
    ("a list for a well", after("well = [1]\n"), False),
    ("a field that is a list", swapped("= 35.5", "= [35.5]"), False),
    ("a field that is a date", swapped("= 35.5", "= 2026-01-31"), False),
    ("a field that is not a number (nan)", swapped("= 35.5", "= nan"), False),
    ("a field that is infinite", swapped("= 35.5", "= inf"), False),
    ("a field of 5,000 digits", swapped("= 35.5", "= " + "9" * 5000), False),
    ("a field with a decimal comma", swapped("= 35.5", "= 35,5"), False),
    ("an id with a path in it", swapped('"s3"', '"../../s3"'), False),
    ("an id that became a date", swapped('"s3"', '"3-Sep"'), False),
    ("another file asked for", after('[meta]\ninclude = "/etc/passwd"\n'), False),
    ("lists 100,000 deep", after("x = " + "[" * 100_000 + "]" * 100_000 + "\n"), True),
    ("tables 20,000 deep", after(f"[{'.'.join(['a'] * 20_000)}]\n"), True),
    ("20 MB of keys", after("".join(f"z{i} = {i}\n" for i in range(1_600_000))), True),
    ("cut off within a word", on_text(lambda text: text[:-5]), False),
    ("a byte of zero", after("x = \0\n"), False),
    ("zero bytes", replaced_by(b""), False),
    ("a folder under its name", a_folder, False),
    ("no such file", lambda path: path.unlink(), False),
    ("a picture under its name", replaced_by(PNG), False),
    ("a table (CSV) under its name", replaced_by(b"well,role\nA1,blank\n"), False),
]


def cases() -> list[Case]:
    """Return the cases of YAML and TOML files."""
    found = []
    for file, key, value, own in (
        ("config.yaml", "study", "{title: t, data: simulated}", CONFIG),
        ("raw_data/solutions.yaml", "outside", "{temperature_c: 22, totals_mm: {K: 1}}", SOLUTIONS),
    ):
        found += [Case("recipes", file, words, damage, heavy) for words, damage, heavy in of_any(key, value)]
        found += [Case("recipes", file, words, damage) for words, damage in own]
    return found + [Case("layout_toml", "raw_data/layout.toml", words, damage, heavy) for words, damage, heavy in TOML]
