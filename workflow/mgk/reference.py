"""docs/reference/: tables of the keys, the inputs, the outputs and the figures, made of the schemas and of `ANALYSES`.

    python -m mgk.reference [--check]

Nothing in these pages is written by hand: what is wrong in them is mended in `workflow/schemas/` or `mgk.analyses`.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mgk.analyses import ANALYSES, EXPERIMENT_TABLES
from mgk.study import OWN_SECTION
from mgk.tables.schema import SCHEMAS, load_schema
from mgk.whole_files import write_whole

HOUSE = Path(__file__).parents[2]
PLACE = HOUSE / "docs" / "reference"
MADE = "<!-- Made by `make docs`; mend workflow/schemas/ or workflow/mgk/analyses.py instead. -->"
CONFIG = ("config", "solutions")
# What JSON Schema allows, in words.
LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
}
# A number that says its unit and its source: one row tells it.
QUANTITY = {"value", "unit", "source"}
LIMITS |= {"pattern": "pattern `{}`", "const": "`{}`"}


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {
        "config.md": config_page(),
        "inputs.md": inputs_page(),
        "outputs.md": outputs_page(),
        "gallery.md": gallery_page(),
    }


def config_page() -> str:
    """Return the keys of config.yaml and of solutions.yaml."""
    parts = [
        MADE,
        "# Configuration",
        "An unknown key is refused, with the nearest known one. `<id>` stands for a name of your own.",
    ]
    for name in CONFIG:
        schema = load_schema(name)
        parts += [f"## {schema['title']}", schema["description"]]
        rows = [(f"`{place}`", allowed(part), told(part)) for place, part in keys(schema, schema.get("$defs", {}))]
        parts.append(markdown_table(("key", "allowed", "what it is"), rows))
    return "\n\n".join(parts) + "\n"


def keys(part: dict, definitions: dict, place: str = "") -> Iterator[tuple[str, dict]]:
    """Yield each key below a part of a schema with its own part, depth first; a mapping by id as `<id>`."""
    children = {name: (child, name in part.get("required", ())) for name, child in part.get("properties", {}).items()}
    if isinstance(part.get("additionalProperties"), dict):
        children["<id>"] = (part["additionalProperties"], False)
    for name, (child, required) in children.items():
        child = resolved(child, definitions)
        here = f"{place}.{name}" if place else name
        yield here, child | {"is_required": required}
        if set(child.get("properties", ())) != QUANTITY:
            yield from keys(child, definitions, here)
    if isinstance(part.get("items"), dict):
        yield from keys(resolved(part["items"], definitions), definitions, f"{place}[]")


def resolved(part: dict, definitions: dict) -> dict:
    """Return a part with what it refers to; its own words win."""
    name = part.get("$ref", "").rpartition("/")[2]
    return definitions[name] | {k: v for k, v in part.items() if k != "$ref"} if name else part


def allowed(part: dict) -> str:
    """Return what a value may be, in words."""
    said = []
    if "enum" in part:
        said.append(", ".join(f"`{value}`" for value in part["enum"]))
    elif "anyOf" in part and not part.get("properties"):
        said.append(" or ".join(filter(None, (allowed(choice) for choice in part["anyOf"]))))
    elif set(part.get("properties", ())) == QUANTITY:
        said.append("`value`, `unit`, `source`")
    elif "const" not in part:
        said.append({"object": "mapping", "array": "list"}.get(part.get("type"), str(part.get("type", ""))))
    if part.get("type") == "array" and isinstance(part.get("items"), dict) and "enum" in part["items"]:
        said.append(f"of {allowed(part['items'])}")
    said += [words.format(part[key]) for key, words in LIMITS.items() if key in part]
    said += [f"default `{part['default']}`"] if "default" in part else []
    said += [f"in all rows of one {part['all_or_none']} or in none"] if "all_or_none" in part else []
    said += ["**required**"] if part.get("is_required") else []
    return ", ".join(filter(None, said))


def told(part: dict) -> str:
    """Return the description of a key or a column, with its unit."""
    unit = part.get("unit")
    words = part.get("description", "")
    return f"{words} ({unit})" if unit and f" {unit}" not in words else words


def inputs_page() -> str:
    """Return the columns of every input table."""
    names = sorted(path.name.removesuffix(".schema.yaml") for path in SCHEMAS.glob("*.schema.yaml"))
    parts = [MADE, "# Input tables", "UTF-8 CSV with a header. Columns that are not required may be absent or empty."]
    for name in (n for n in names if n not in CONFIG):
        schema = load_schema(name)
        free = schema.get("additionalProperties") is True
        more = " Further columns are free." if free else " An unknown column is refused, with the nearest known one."
        parts += [f"## {schema['title']}", schema["description"] + more]
        required = schema.get("required", ())
        columns = {c: rule | {"is_required": c in required} for c, rule in schema["properties"].items()}
        rows = [(f"`{c}`", allowed(rule), told(rule)) for c, rule in columns.items()]
        parts.append(markdown_table(("column", "allowed", "what it is"), rows))
    return "\n\n".join(parts) + "\n"


def outputs_page() -> str:
    """Return the files that each analysis makes, and what it is made from."""
    parts = [
        MADE,
        "# Outputs by analysis",
        "`<experiment>` is a key of config.yaml. Beside each figure `.alt.txt` holds it in words. `results/README.md` "
        "tells what the tables hold.",
    ]
    for section, tables in EXPERIMENT_TABLES.items():
        files = "\n".join(f"- `results/{section}/<experiment>/{name}`" for name in tables)
        parts += [f"## Section {section}", f"Made of the raw files before any notebook:\n\n{files}"]
    for analysis in ANALYSES.values():
        folder = analysis.folder("<experiment>")
        files = "\n".join(f"- `{folder}/{name}`" for name in (*analysis.tables, *analysis.figures))
        asked = f"`analysis: {analysis.name}` in the section `{analysis.section}`"
        if analysis.section in OWN_SECTION:
            asked = f"the section `{analysis.section}`"
        elif analysis.once:
            asked = f"the table that `clinical.{analysis.name}` names"
        facts = f"Asked for by {asked}; notebook `{analysis.notebook}`."
        parts += [f"## {analysis.title}", facts, files]
    return "\n\n".join(parts) + "\n"


def gallery_page() -> str:
    """Return every figure with its caption and its place in the results."""
    parts = [
        MADE,
        "# Gallery",
        "Every figure that a run makes, with its caption. `make report` draws them; they stand in "
        "`results/report/report.html` with their n, and as SVG in the folders named here.",
        "![All figures of the demonstration, small, in the order of the tables below](figures.png)",
    ]
    for analysis in ANALYSES.values():
        rows = [(f"`{analysis.folder('<experiment>')}/{name}`", caption) for name, caption in analysis.figures.items()]
        parts += [f"## {analysis.title}", markdown_table(("figure", "what it shows"), rows)]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table; a bar within a cell is written so that it stays one."""
    lines = [
        head,
        ("---",) * len(head),
        *(tuple(" ".join(cell.split()).replace("|", r"\|") for cell in row) for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    """Write docs/reference/, or fail when it is not what the schemas and analyses say."""
    parser = argparse.ArgumentParser(prog="python -m mgk.reference", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a page has drifted")
    given = parser.parse_args(arguments)
    there = {path.name: path.read_text(encoding="utf-8") for path in PLACE.glob("*.md")}
    wanted = pages()
    drifted = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
    for name in drifted:
        print(f"{'drifted' if given.check else 'written'}: docs/reference/{name}")
        if not given.check and name in wanted:
            write_whole(PLACE / name, wanted[name])
        elif not given.check:
            (PLACE / name).unlink()
    if given.check and drifted:
        print("write them with: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
