"""Checking a configuration and input tables against the schemas of `workflow/schemas/`.

A schema is JSON Schema written as YAML. A table's schema describes one row: `properties` are the columns, each with
a `description`, a `type` (string, number, integer) and what else JSON Schema allows for it (`enum`, `minimum`,
`maximum`, `exclusiveMinimum`, `pattern`). Three words are ours: `unit` (for the documentation), `unique: true` (a
value may stand once in the table) and `id: true` (the value may become a file name).
"""

import csv
import difflib
import io
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
from jsonschema import Draft202012Validator

from mgk.tables.layout_toml import LayoutError, read_wellmap
from mgk.tables.problems import Problem
from mgk.tables.yaml_file import Place, load_yaml

SCHEMAS = Path(__file__).parents[2] / "schemas"
ID_PATTERN = re.compile(r"(?!.*__)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The same rule as JSON Schema says it, for the keys of config.yaml and solutions.yaml.
ID_SCHEMA_PATTERN = "^(?!.*__)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ID_RULE = "an id: a letter or digit, then letters, digits, '.', '_' or '-', 64 at the most, no '__'"
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
MOST_COLUMNS = 500


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
        known = list(error.schema.get("properties", {}))
        pattern = "|".join(error.schema.get("patternProperties", {}))
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
    if error.validator in ("anyOf", "oneOf"):
        return [problem(path, error.instance, error.schema.get("description", "has none of the allowed forms"))]
    return [problem(path, error.instance if not isinstance(error.instance, dict) else None, error.message)]


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
    records, problems = _toml_records(path, file) if is_toml else _records(path, file)
    if not records:
        return empty, problems
    header, rows = records[0], records[1:]
    problems += _header_problems(header, schema, file)
    if len(header) == 1 and len(columns) > 1 and header[0] not in columns:
        return empty, problems
    cells: dict[str, list[str]] = {c: [] for c in header}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            problems.append(Problem(file, number, "", "", f"has {len(row)} fields; the header has {len(header)}"))
            row = (row + [""] * len(header))[: len(header)]
        for column, value in zip(header, row, strict=True):
            cells[column].append(value.strip())
    n = len(rows)
    if n == 0:
        needed = schema.get("description", "").partition(";")[0].rstrip(".")
        problems.append(Problem(file, None, "", "", f"has a header but no rows yet: {needed[:1].lower()}{needed[1:]}"))
    frame, free = {}, [c for c in header if c not in columns]
    for column, rule in columns.items():
        texts = cells.get(column, [""] * n)
        frame[column], found = _check_column(column, texts, rule, column in schema.get("required", ()), file)
        problems += found if column in cells else []
    for column in free:
        frame[column] = _free_column(cells[column])
    return pd.DataFrame(frame), _of_wells(problems, records) if is_toml else problems


def _toml_records(path: Path, file: str) -> tuple[list[list[str]], list[Problem]]:
    """Return a layout in TOML as the header and rows of a table, the first column the well."""
    try:
        rows = read_wellmap(path)
    except LayoutError as error:
        return [], [Problem(file, None, "", "", str(error))]
    header = list(dict.fromkeys(column for row in rows for column in row))
    return [header, *([row.get(column, "") for column in header] for row in rows)], []


def _of_wells(problems: list[Problem], records: list[list[str]]) -> list[Problem]:
    """Name the well in place of the row, which a TOML file does not have."""
    return [
        replace(p, row=None, column=f"{p.column} ({records[p.row - 1][0]})" if p.row > 1 else p.column) if p.row else p
        for p in problems
    ]


def _records(path: Path, file: str) -> tuple[list[list[str]], list[Problem]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], [Problem(file, None, "", "", "this file is missing")]
    except OSError as error:
        return [], [Problem(file, None, "", "", f"cannot be read: {error.strerror}")]
    if raw[:2] == b"PK" or b"\0" in raw:
        return [], [Problem(file, None, "", "", "is not text; save the spreadsheet as CSV (UTF-8)")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return [], [Problem(file, line, "", "", "is not UTF-8; save the table as CSV (UTF-8)")]
    try:
        records = [r for r in csv.reader(io.StringIO(text, newline=""), strict=True) if any(f.strip() for f in r)]
    except csv.Error as error:
        return [], [Problem(file, None, "", "", f"is not CSV: {error}")]
    if not records:
        return [], [Problem(file, None, "", "", "is empty; a header and rows are expected")]
    records[0] = [name.strip() for name in records[0]]
    return records, []


def _header_problems(header: list[str], schema: dict, file: str) -> list[Problem]:
    columns = schema["properties"]
    if len(header) > MOST_COLUMNS:
        return [Problem(file, 1, "", "", f"has {len(header)} columns; {MOST_COLUMNS} at the most")]
    if len(header) == 1 and len(columns) > 1 and header[0] not in columns:
        return [Problem(file, 1, "", header[0], "fields must be separated by commas")]
    problems = []
    for column in dict.fromkeys(header):
        if header.count(column) > 1:
            problems.append(Problem(file, 1, column, "", "a column may stand only once"))
        if column in columns:
            continue
        near = nearest(column, columns)
        free_allowed = schema.get("additionalProperties", False) is not False
        if not free_allowed or (near and _mistyped(column, columns)) or not column:
            problems.append(Problem(file, 1, column, "", f"unknown column; allowed: {', '.join(columns)}{near}"))
    problems += [
        Problem(file, 1, column, "", f"this column is missing: {columns[column].get('description', '')}")
        for column in schema.get("required", ())
        if column not in header
    ]
    return problems


def _mistyped(column: str, known) -> bool:
    """Where free columns are allowed: nearly, but not quite, a known name."""
    return bool(difflib.get_close_matches(column, list(known), n=1, cutoff=0.85))


def _dtype(rule: dict) -> str:
    return "float64" if rule.get("type") in ("number", "integer") else "object"


def _check_column(column: str, texts: list[str], rule: dict, required: bool, file: str):
    problems: list[Problem] = []

    def bad(i: int, allowed: str) -> None:
        problems.append(Problem(file, i + 2, column, texts[i], allowed))

    numeric = rule.get("type") in ("number", "integer")
    values: list = [math.nan if numeric else ""] * len(texts)
    for i, text in enumerate(texts):
        if text == "":
            if required:
                bad(i, f"must not be empty: {rule.get('description', '')}")
            continue
        if numeric:
            value, allowed = _number(text, rule)
        else:
            value, allowed = text, _text_rule(text, rule)
        if allowed:
            bad(i, allowed)
        else:
            values[i] = value
    if rule.get("unique"):
        first: dict[str, int] = {}
        for i, text in enumerate(texts):
            if text and first.setdefault(text, i) != i:
                bad(i, f"must be unique; it stands in row {first[text] + 2} already")
    return pd.Series(values, dtype=_dtype(rule)), problems


def _number(text: str, rule: dict) -> tuple[float, str]:
    unit = f" ({rule['unit']})" if "unit" in rule else ""
    if not NUMBER.fullmatch(text):
        hint = "; decimals take a point" if re.fullmatch(r"[-+]?\d+,\d+", text) else ""
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
    if "enum" in rule and text not in rule["enum"]:
        return f"allowed: {', '.join(rule['enum'])}{nearest(text, rule['enum'])}"
    if "pattern" in rule and not re.fullmatch(rule["pattern"], text):
        return f"must look like {rule.get('example', rule['pattern'])}"
    return ""


def _free_column(texts: list[str]) -> pd.Series:
    """Return a free column (a moderator): numbers when all that is there is a number, else text."""
    if any(texts) and all(NUMBER.fullmatch(t) for t in texts if t):
        return pd.Series([float(t) if t else math.nan for t in texts], dtype="float64")
    return pd.Series(texts, dtype="object")
