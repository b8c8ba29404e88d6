"""Checking a configuration and input tables against the schemas of `workflow/schemas/`.

A schema is JSON Schema written as YAML. A table's schema describes one row: `properties` are the columns, each with
a `description`, a `type` (string, number, integer) and what else JSON Schema allows for it (`enum`, `minimum`,
`maximum`, `exclusiveMinimum`, `pattern`). Four words are ours: `unit` (for the documentation), `unique: true` (a
value may stand once in the table), `id: true` (the value may become a file name) and `all_or_none: experiment` (of the
rows that share an experiment all have a value, or none: what merged cells leave is no table).
"""

import difflib
import math
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pandas as pd
from jsonschema import Draft202012Validator

from mgk.tables.csv_file import Row, read_rows
from mgk.tables.layout_toml import LayoutError, read_wellmap
from mgk.tables.problems import Problem
from mgk.tables.yaml_file import Place, load_yaml

SCHEMAS = Path(__file__).parents[2] / "schemas"
ID_PATTERN = re.compile(r"(?!.*__)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The same rule as JSON Schema says it, for the keys of config.yaml and solutions.yaml.
ID_SCHEMA_PATTERN = "^(?!.*__)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ID_RULE = "an id: a letter or digit, then letters, digits, '.', '_' or '-', 64 at the most, no '__'"
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
MOST_COLUMNS, LONGEST_CELL = 500, 10_000
# What a spreadsheet makes of an id such as SEP1.
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
DATED_ID = re.compile(rf"(\d\d?-({MONTHS})|({MONTHS})-\d\d)")
SPREADSHEET_ERROR = re.compile(r"#(REF!|NAME\?|DIV/0!|VALUE!|N/A|NULL!|NUM!|##+)")
# Marks of width zero, of the direction of writing, and control characters other than tabs and ends of lines: two labels
# that differ in them look the same.
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@cache
def load_schema(name: str) -> dict:
    """Return the schema `workflow/schemas/<name>.schema.yaml`."""
    return load_yaml(SCHEMAS / f"{name}.schema.yaml")[0]


def nearest(word: str, allowed) -> str:
    """Return '; did you mean X?' for the nearest of `allowed`, or nothing when none is near."""
    match = difflib.get_close_matches(str(word), [str(a) for a in allowed], n=1, cutoff=0.6)
    return f"; did you mean {match[0]!r}?" if match else ""


def check_id(value: str) -> bool:
    """Return whether `value` may become a part of a file name."""
    return ID_PATTERN.fullmatch(value) is not None


# --- configuration ----------------------------------------------------------------------------------------------


def check_mapping(data: dict, schema: dict, file: str, lines: dict[Place, int]) -> list[Problem]:
    """Return all problems of a mapping (config.yaml, solutions.yaml) against its schema."""
    problems = []
    for error in Draft202012Validator(schema).iter_errors(data):
        for leaf in _leaves(error):
            problems += _mapping_problems(leaf, file, lines)
    return sorted(set(problems), key=lambda p: (p.row or 0, p.column, p.allowed))


def _leaves(error):
    """Of an anyOf or oneOf, the branch that fits best: the one that gets deepest, else the one with a list of words."""
    if error.validator in ("anyOf", "oneOf"):
        depth = max((len(e.absolute_path) for e in error.context), default=0)
        inside = [e for e in error.context if len(e.absolute_path) == depth > len(error.absolute_path)]
        words = [e for e in error.context if e.validator == "enum" and not isinstance(error.instance, (list, dict))]
        for sub in inside or words:
            yield from _leaves(sub)
        if inside or words:
            return
    yield error


def _mapping_problems(error, file: str, lines: dict[Place, int]) -> list[Problem]:
    path: Place = tuple(error.absolute_path)

    def problem(place: Place, value, allowed: str) -> Problem:
        line = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), None)
        return Problem(file, line, ".".join(str(p) for p in place), "" if value is None else str(value), allowed)

    if error.instance is None and error.validator in ("type", "enum", "const", "anyOf", "oneOf"):
        return [problem(path, None, f"is empty; fill in {_what_is_meant(error)}")]
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        pattern = "|".join(error.schema.get("patternProperties", {}))
        known = list(error.schema.get("properties", {})) or pattern.strip("^()$").split("|")
        unknown = [k for k in error.instance if k not in known and not (pattern and re.search(pattern, k))]
        return [
            problem((*path, k), None, f"unknown key; allowed: {', '.join(known)}{nearest(k, known)}") for k in unknown
        ]
    if error.validator in ("required", "dependentRequired"):
        needed = error.validator_value
        if error.validator == "dependentRequired":
            needed = [k for given, others in needed.items() if given in error.instance for k in others]
        missing = [k for k in dict.fromkeys(needed) if k not in error.instance]
        unit = error.schema.get("properties", {})
        return [
            problem((*path, k), None, f"is missing: {unit.get(k, {}).get('description', 'required')}") for k in missing
        ]
    if error.validator == "pattern" and error.validator_value == ID_SCHEMA_PATTERN:
        return [problem((*path, error.instance), None, f"must be {ID_RULE}")]
    if error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        return [problem(path, error.instance, f"allowed: {allowed}{nearest(error.instance, error.validator_value)}")]
    if error.validator == "const":
        return [problem(path, error.instance, f"must be {error.validator_value!r}")]
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return [problem(path, error.instance, f"must be {' or '.join(map(str, kinds))}")]
    shown = None if isinstance(error.instance, dict) else error.instance
    if error.validator in ("anyOf", "oneOf"):
        return [problem(path, shown, error.schema.get("description", "has none of the allowed forms"))]
    return [problem(path, shown, error.message)]


def _what_is_meant(error) -> str:
    """Return what an empty key is for and what it may be, in words; a branch of a choice has them one level up."""
    above = error.parent.schema if error.parent is not None else {}
    rule = error.schema
    words = rule.get("description") or above.get("description") or rule.get("type", "a value")
    return f"{words}; allowed: {', '.join(map(str, rule['enum']))}" if "enum" in rule else str(words)


# --- tables -----------------------------------------------------------------------------------------------------


def read_input_table(path: Path, schema: dict, file: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Read an input table with all problems of its form, its header and its values.

    Returns
    -------
    (frame, problems): a column for every column of the schema (absent ones: NaN, or '' for text) and the free ones
    that the schema allows. Numbers are float64; a value that is a problem is NaN. When `problems` is not empty, the
    frame is only good for finding more of them.
    """
    columns = schema["properties"]
    empty = pd.DataFrame({c: pd.Series(dtype=_dtype(s)) for c, s in columns.items()})
    is_toml = path.suffix.lower() == ".toml"
    table, problems = _toml_rows(path, file) if is_toml else read_rows(path, file)
    if not table:
        return empty, problems
    header, rows = table[0].cells, table[1:]
    problems += _header_problems(header, schema, file, table[0].number)
    if len(header) > MOST_COLUMNS or (len(header) == 1 and len(columns) > 1 and header[0] not in columns):
        return empty, problems
    filled = [_of_width(row, len(header), file, problems) for row in rows]
    places = {column: header.index(column) for column in dict.fromkeys(header)}
    cells = {column: [row[i] for row in filled] for column, i in places.items()}
    if not rows:
        needed = schema.get("description", "").partition(";")[0].rstrip(".")
        problems.append(Problem(file, None, "", "", f"has a header but no rows yet: {needed[:1].lower()}{needed[1:]}"))
    read = _Cells(file, [row.number for row in rows], cells, problems)
    required = schema.get("required", ())
    frame = {column: _checked_column(read, column, rule, column in required) for column, rule in columns.items()}
    frame |= {column: _free_column(read, column) for column in cells if column not in columns}
    for column in (c for c in columns if "all_or_none" in columns[c] and c in cells):
        _check_all_or_none(read, column, columns[column]["all_or_none"])
    index = pd.RangeIndex(len(rows)) if _are_consecutive(read.rows) else pd.Index([n - 2 for n in read.rows])
    found = pd.DataFrame({name: pd.Series(v, index, _dtype(columns.get(name, {}), v)) for name, v in frame.items()})
    return found, _of_wells(problems, table) if is_toml else problems


def _of_width(row: Row, width: int, file: str, problems: list[Problem]) -> list[str]:
    if len(row.cells) != width:
        problems.append(Problem(file, row.number, "", "", f"has {len(row.cells)} fields; the header has {width}"))
    return (row.cells + [""] * width)[:width]


@dataclass(frozen=True)
class _Cells:
    """The cells of a table by column, with the numbers of their rows, and the problems found so far."""

    file: str
    rows: list[int]
    of: dict[str, list[str]]
    problems: list[Problem]

    def add(self, place: int, column: str, allowed: str) -> None:
        """Add a problem of a cell, `place` counting the rows from 0."""
        self.problems.append(Problem(self.file, self.rows[place], column, self.of[column][place], allowed))


def _are_consecutive(rows: list[int]) -> bool:
    return rows == list(range(2, 2 + len(rows)))


def _toml_rows(path: Path, file: str) -> tuple[list[Row], list[Problem]]:
    """Return a layout in TOML as the header and rows of a table, the first column the well."""
    try:
        rows = read_wellmap(path)
    except LayoutError as error:
        return [], [Problem(file, None, "", "", str(error))]
    header = list(dict.fromkeys(column for row in rows for column in row))
    table = [header, *([row.get(column, "") for column in header] for row in rows)]
    return [Row(number, cells) for number, cells in enumerate(table, start=1)], []


def _of_wells(problems: list[Problem], table: list[Row]) -> list[Problem]:
    """Name the well in place of the row, which a TOML file does not have."""
    wells = {row.number: f" ({row.cells[0]})" for row in table[1:]}
    return [replace(p, row=None, column=p.column + wells.get(p.row, "")) if p.row else p for p in problems]


def _header_problems(header: list[str], schema: dict, file: str, number: int) -> list[Problem]:
    columns = schema["properties"]
    if len(header) > MOST_COLUMNS:
        return [Problem(file, number, "", "", f"has {len(header)} columns; {MOST_COLUMNS} at the most")]
    if len(header) == 1 and len(columns) > 1 and header[0] not in columns:
        return [Problem(file, number, "", header[0], "fields must be separated by commas")]
    problems = []
    for column in dict.fromkeys(header):
        if header.count(column) > 1:
            problems.append(Problem(file, number, column, "", "a column may stand only once"))
        if column in columns:
            continue
        near = nearest(column, columns)
        free_allowed = schema.get("additionalProperties", False) is not False
        if not free_allowed or (near and _mistyped(column, columns)) or not column:
            problems.append(Problem(file, number, column, "", f"unknown column; allowed: {', '.join(columns)}{near}"))
    problems += [
        Problem(file, number, column, "", f"this column is missing: {columns[column].get('description', '')}")
        for column in schema.get("required", ())
        if column not in header
    ]
    return problems


def _mistyped(column: str, known) -> bool:
    """Where free columns are allowed: nearly, but not quite, a known name."""
    return bool(difflib.get_close_matches(column, list(known), n=1, cutoff=0.85))


def _dtype(rule: dict, values: list = ()) -> str:
    numeric = rule.get("type") in ("number", "integer") or (not rule and any(isinstance(v, float) for v in values))
    return "float64" if numeric else "object"


def _checked_column(read: _Cells, column: str, rule: dict, required: bool) -> list:
    """Return the values of a column of the schema; one that is absent or a problem is NaN, or '' for text."""
    numeric = rule.get("type") in ("number", "integer")
    values: list = [math.nan if numeric else ""] * len(read.rows)
    for i, text in enumerate(read.of.get(column, ())):
        if text == "":
            if required:
                read.add(i, column, f"must not be empty: {rule.get('description', '')}")
            continue
        value, allowed = _number(text, rule) if numeric else (text, _text_rule(text, rule))
        if allowed:
            read.add(i, column, allowed)
        else:
            values[i] = value
    if rule.get("unique"):
        first: dict[str, int] = {}
        for i, text in enumerate(read.of.get(column, ())):
            if text and first.setdefault(text, i) != i:
                read.add(i, column, f"must be unique; it stands in row {read.rows[first[text]]} already")
    return values


def _check_all_or_none(read: _Cells, column: str, group: str) -> None:
    """Within a group (the rows of an experiment, the wells of a role) a column is filled or empty."""
    groups = read.of.get(group, [""] * len(read.rows))
    filled = {g: i for i, (g, text) in enumerate(zip(groups, read.of[column], strict=True)) if text}
    for i, (name, text) in enumerate(zip(groups, read.of[column], strict=True)):
        if text == "" and name in filled:
            where = f"row {read.rows[filled[name]]} of the {group} {name} has it"
            read.add(i, column, f"is empty, but {where}; all of them or none (no merged cells)")


def _number(text: str, rule: dict) -> tuple[float, str]:
    unit = f" ({rule['unit']})" if "unit" in rule else ""
    if not NUMBER.fullmatch(text):
        hint = "; decimals take a point, thousands nothing" if re.fullmatch(r"[-+]?[\d,'. ]+", text) else ""
        return math.nan, f"must be a number{unit}{hint}"
    value = float(text)
    low, high = rule.get("minimum", -math.inf), rule.get("maximum", math.inf)
    if rule.get("type") == "integer" and not value.is_integer():
        return math.nan, "must be a whole number"
    if not low <= value <= high or value <= rule.get("exclusiveMinimum", -math.inf) or math.isinf(value):
        low_text = f"above {rule['exclusiveMinimum']:g}" if "exclusiveMinimum" in rule else f"from {low:g}"
        return math.nan, f"must be {low_text} to {high:g}{unit}"
    return value, ""


def _text_rule(text: str, rule: dict) -> str:
    if rule.get("id") and not check_id(text):
        return f"must be {ID_RULE}"
    if rule.get("id") and DATED_ID.fullmatch(text):
        return "looks like a date that a spreadsheet made of an id; write the id, its column formatted as text"
    if "enum" in rule and text not in rule["enum"]:
        return f"allowed: {', '.join(rule['enum'])}{nearest(text, rule['enum'])}"
    if "pattern" in rule and not re.fullmatch(rule["pattern"], text):
        return f"must look like {rule.get('example', rule['pattern'])}"
    return _words_rule(text)


def _words_rule(text: str) -> str:
    """Return what free text may not hold."""
    if len(text) > LONGEST_CELL:
        return f"must not be longer than {LONGEST_CELL:,} characters; it has {len(text):,}"
    if SPREADSHEET_ERROR.fullmatch(text):
        return "is an error of the spreadsheet; mend the cell there and save the table again"
    if found := INVISIBLE.search(text):
        return f"holds an invisible character (U+{ord(found[0]):04X}); type the cell anew"
    return ""


def _free_column(read: _Cells, column: str) -> list:
    """Return a free column (a moderator): numbers when all that is there is a number, else text."""
    texts = read.of[column]
    if any(texts) and all(NUMBER.fullmatch(t) for t in texts if t):
        return [float(t) if t else math.nan for t in texts]
    for i, text in enumerate(texts):
        if allowed := _words_rule(text):
            read.add(i, column, allowed)
    return texts
