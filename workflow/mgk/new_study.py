"""`make new-study`: the folder of a study to be filled in, made from the schemas, so that it cannot drift from them.

    python -m mgk.new_study my_study [recordings plates ...]

What a study must say stands as a key without a value, which `make check` then asks for; what it may say stands behind a
`#` with its default. Nothing that is there already is written over.
"""

import argparse
import csv
import io
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from mgk.study import EXPERIMENTS
from mgk.tables.problems import InputError
from mgk.tables.schema import load_schema, nearest
from mgk.whole_files import write_whole

STAGES = tuple(EXPERIMENTS)
WIDTH = 110
QUANTITY = ("value", "unit", "source")
NAMES = {"experiments": "my_experiment", "analyses": "my_analysis"}
# The table that a stage starts from, by its schema, and what lies beside it.
TABLES = {
    "recordings": ("recordings", "recordings.csv"),
    "plates": ("plates", "plates.csv"),
    "stacks": ("stacks", "stacks.csv"),
    "curves": ("curves", "curves.csv"),
}
# Stages whose files lie in a folder of their own.
FOLDERS = ("recordings", "plates", "stacks", "clinical")
CLINICAL_TABLE = "clinical/my_table.csv"
LAYOUT = "layouts/example.csv"
LAYOUT_ROWS = (
    {"well": "A1", "role": "blank"},
    {"well": "B1", "role": "standard", "standard_nmol": "10"},
    {"well": "C1", "role": "sample", "sample_id": "s1", "animal_id": "animal1", "condition": "control"},
)
# What stands in a new config where its form allows no other value, or where there is an obvious first one.
FIRST_VALUES = {"study.data": "measured", "clinical.analyses.my_analysis.table": CLINICAL_TABLE}


def new_study(root: Path, stages: tuple[str, ...] = STAGES) -> list[Path]:
    """Write a study to be filled in; return its files.

    Parameters
    ----------
    root : its folder, which must be new or empty.
    stages : the sections of config.yaml that it has.

    Raises
    ------
    InputError
        When the folder holds something, or a stage is unknown.
    """
    for stage in stages:
        if stage not in STAGES:
            raise InputError(f"stage {stage!r}: allowed: {', '.join(STAGES)}{nearest(stage, STAGES)}")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root}: is there already and not empty; a new study needs a new folder")
    files = study_files(tuple(s for s in STAGES if s in stages))
    for name, text in files.items():
        write_whole(root / name, text)
    for stage in FOLDERS:
        if stage in stages:
            (root / "raw_data" / stage).mkdir(parents=True, exist_ok=True)
    return [root / name for name in files]


def study_files(stages: tuple[str, ...]) -> dict[str, str]:
    """Return the content of each file of a new study, by its path in it."""
    files = {"config.yaml": config_text(stages), "README.md": readme_text(stages)}
    for schema, name in (TABLES[s] for s in stages if s in TABLES):
        files[f"raw_data/{name}"] = _table_text(schema)
    if "plates" in stages:
        files[f"raw_data/{LAYOUT}"] = _table_text("layout", LAYOUT_ROWS)
    if "clinical" in stages:
        files[f"raw_data/{CLINICAL_TABLE}"] = _table_text("clinical")
    return files


def _table_text(schema: str, rows=()) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(load_schema(schema)["properties"]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# --- config.yaml ------------------------------------------------------------------------------------------------


def config_text(stages: tuple[str, ...]) -> str:
    """Return a config.yaml with a key for all that the schema allows, each with its description."""
    schema = load_schema("config")
    head = (
        "A study. A key without a value must be filled in. A key behind a # need not be; it shows its default, and "
        "taking the # away makes it count. make check lists what is still to do. A window is [from, to]; an analysis "
        "is one name or a [list, of, names]; a constant is {value: , unit: , source: }."
    )
    lines, said = _comment(head, 0), set()
    sections = schema["properties"]
    active = [name for name in sections if name == "study" or name in stages]
    for name in [*active, *(s for s in sections if s not in (*active, *EXPERIMENTS))]:
        lines += ["", *_key(name, sections[name], (name,), name in active, said)]
    return "\n".join(lines) + "\n"


def _key(name: str, part: dict, place: tuple[str, ...], active: bool, said: set[str]) -> Iterator[str]:
    """Yield the lines of one key: its description above it, its value or nothing, and what lies below it.

    `said` are the descriptions that several keys share and that stand above one of them already.
    """
    schema = _resolved(part)
    indent = 2 * (len(place) - 1)
    words = _words(schema)
    if words not in said:
        yield from _comment(words, indent)
    if "description" not in part:
        said.add(words)
    below = schema.get("properties") or {}
    free = schema.get("additionalProperties")
    if set(below) == set(QUANTITY):
        value, below = _quantity(below), {}
    else:
        value = _first_value(schema, ".".join(place), active)
    yield f"{' ' * indent}{'' if active else '#'}{name}:{f' {value}' if value and not below else ''}"
    if isinstance(free, dict) and not below:
        example = NAMES.get(name, "my_name")
        yield from _key(example, {**_resolved(free), "description": ""}, (*place, example), active, said)
    first_choice = next(iter(schema.get("oneOf", ())), {}).get("required", ())  # of several forms, the first
    usual = schema  # what all but the special cases need
    while "else" in usual:
        usual = usual["else"]
    usual = usual.get("required", ()) if usual is not schema else ()
    needed = {*schema.get("required", ()), *first_choice, *usual, *NAMES} if active else set(below)
    for key in sorted(below, key=lambda k: k not in needed):
        yield from _key(key, below[key], (*place, key), active and key in needed, said)


def _quantity(below: dict) -> str:
    """Return the form of a constant in one line, with the unit where only one is allowed."""
    unit = below["unit"].get("const", "")
    return f"{{value: , unit: {unit}, source: }}"


def _resolved(part: dict) -> dict:
    """Return a schema with its reference put in; what stands beside the reference counts more."""
    if "$ref" not in part:
        return part
    found = load_schema("config")
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**_resolved(found), **{k: v for k, v in part.items() if k != "$ref"}}


def _words(schema: dict) -> str:
    """Return what a schema says in words: its description, and what is allowed."""
    allowed = schema.get("enum") or next((a["enum"] for a in schema.get("anyOf", ()) if "enum" in a), ())
    parts = [schema.get("description", ""), f"allowed: {', '.join(map(str, allowed))}" if allowed else ""]
    return "; ".join(p for p in parts if p)


def _first_value(schema: dict, place: str, active: bool) -> str:
    if place in FIRST_VALUES:
        return FIRST_VALUES[place]
    if "const" in schema:
        return str(schema["const"])
    default = "" if active else schema.get("default", "")
    return str(default).lower() if isinstance(default, bool) else str(default)


def _comment(words: str, indent: int) -> list[str]:
    return [f"{' ' * indent}# {line}" for line in textwrap.wrap(words, WIDTH - indent)]


# --- README.md --------------------------------------------------------------------------------------------------


def readme_text(stages: tuple[str, ...]) -> str:
    """Return the README of a new study: what to do, in which order, and the columns of its tables."""
    schemas = [TABLES[s][0] for s in stages if s in TABLES]
    schemas += (["layout"] if "plates" in stages else []) + (["clinical"] if "clinical" in stages else [])
    steps = [
        "Put the raw files into `raw_data/`, in any folders you like. They are read and never changed.",
        "Fill in the tables: a row for each file (or plate, or study). A column that you do not need may go.",
        "Fill in `config.yaml`: what it must say stands there without a value.",
        "`make check STUDY=...` lists what is still to do, all at once. When it says that the study is in order:",
        "`make report STUDY=...` makes `results/report/report.html`.",
    ]
    lines = ["# A study", "", *(f"{n}. {step}" for n, step in enumerate(steps, 1)), ""]
    if set(stages) & set(TABLES):
        lines += [
            "Recipes of solutions, if your analysis needs free ions or junction potentials, go into "
            "`raw_data/solutions.yaml`:",
            "",
            "```yaml",
            "my_pipette: {ph: 7.2, temperature_c: 22, components: {KCl: 140, MgCl2: 1, EGTA: 5, HEPES: 10}}   # mM",
            "```",
            "",
        ]
    for name in schemas:
        lines += _dictionary(load_schema(name))
    return "\n".join(lines)


def _dictionary(schema: dict) -> list[str]:
    """Return the columns of a table as Markdown."""
    rows = []
    for column, rule in schema["properties"].items():
        words = _words(rule)
        need = "needed" if column in schema["required"] else ""
        rows.append(f"| `{column}` | {rule.get('unit', '')} | {need} | {words} |".replace("  ", " "))
    head = [f"## {schema['title']}", "", schema["description"], "", "| column | unit | | what |", "|---|---|---|---|"]
    return [*head, *rows, ""]


def main(arguments: list[str] | None = None) -> int:
    """Write the folder of a new study, to be filled in."""
    parser = argparse.ArgumentParser(prog="python -m mgk.new_study", description=main.__doc__)
    parser.add_argument("study", type=Path, help="a folder that is new or empty")
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)} (default: all)")
    given = parser.parse_args(arguments)
    try:
        files = new_study(given.study, tuple(given.stages) or STAGES)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    for file in files:
        print(file)
    print(f'fill them in, put your files into {given.study / "raw_data"}, then: make check STUDY="{given.study}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
