"""Diagrams of mechanisms in the report: drawn from `mechanisms/*.dot`, with the study's numbers on the arrows.

    python -m mgk.report.diagrams            draw every diagram anew (needs graphviz), as `make diagrams` does

A source begins with `// title:`, `// description:` and `// chapter:`, the analysis in whose chapter it stands; of
several, the first that the study asks for. A label holds a place `{{name___}}`, as long as what may stand there, for a
number of `ARROWS`; what stands there in the report is text, escaped. The SVG beside each source is in git, so that a
run needs no graphviz; it holds the digest of its source.
"""

import hashlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from mgk.analyses import FREE_MAGNESIUM
from mgk.report.html import Fragment, interval_text, table_html
from mgk.report.origins import origin_html
from mgk.report.results import KINDS, Results, all_results
from mgk.study import Study
from mgk.whole_files import write_whole

FOLDER = Path(__file__).parent / "mechanisms"
PLACE = re.compile(r"\{\{([a-z0-9]+(?:_[a-z0-9]+)*)_*\}\}")
HEAD = re.compile(r"^// (title|description|chapter): (.+)$", re.MULTILINE)
REFERENCE = "Put in, or published"
NOT_MEASURED = "not measured in this study"
SVG = "http://www.w3.org/2000/svg"
KEPT = ("class", "fill", "stroke", "d", "points", "transform", "viewBox", "width", "height", "x", "y", "text-anchor")
KEPT = (*KEPT, "font-family", "font-size", "stroke-dasharray", "cx", "cy", "rx", "ry")


@dataclass(frozen=True)
class Arrow:
    """The number of an arrow: a key of `diagrams:` in config.yaml names the experiment, its chapter the quantity.

    `named_by` is empty for an analysis that a study has once; of several `analyses` any gives the number.
    """

    named_by: str
    analyses: tuple[str, ...]
    quantity: str


ARROWS = {
    "romk_ki0": Arrow("romk_block", ("magnesium_block",), "Ki(0) of block by Mg2+"),
    "romk_z_delta": Arrow("romk_block", ("magnesium_block",), "z delta of block by Mg2+"),
    "nmda_ki0": Arrow("nmda_block", ("salt_comparison",), "Ki(0) of block by Mg2+"),
    "nmda_z_delta": Arrow("nmda_block", ("salt_comparison",), "z delta of block by Mg2+"),
    "free_magnesium": Arrow("free_magnesium", FREE_MAGNESIUM, "free Mg2+"),
    "pump_k05": Arrow("pump_activity", ("atpase_activity",), "K0.5 for free Mg2+"),
    "pump_rate_fast": Arrow("pump_rates", ("relaxation",), "saturating rate, fast phase"),
    "pump_rate_slow": Arrow("pump_rates", ("relaxation",), "saturating rate, slow phase"),
    "access_resistance": Arrow("membrane_test", ("membrane_test",), "access resistance"),
    "membrane_resistance": Arrow("membrane_test", ("membrane_test",), "membrane resistance"),
    "membrane_capacitance": Arrow("membrane_test", ("membrane_test",), "membrane capacitance"),
    "pump_reversal": Arrow("", ("equilibria",), "reversal potential"),
    "aspartate_gradient": Arrow("", ("equilibria",), "equilibrium gradient of aspartate"),
}
KIND_WORDS = {"simulated": ", simulated", "mixed": ", partly simulated", "tabulated": ", computed"}
# Of the numbers of a chapter that share a quantity, those of one subject.
SUBJECTS = {"pump_reversal": "Na+/K+-ATPase", "aspartate_gradient": "aspartate transporter"}


@dataclass(frozen=True)
class Diagram:
    """A diagram as its source describes it; `chapter` are the analyses in whose chapter it can stand."""

    name: str
    title: str
    description: str
    chapter: str
    source: str

    def stands_in(self, asked: Collection[str]) -> str | None:
        """Return the analysis in whose chapter it stands, of those that a study asks for."""
        return next((name for name in self.chapter.split(", ") if name in asked), None)

    @property
    def svg(self) -> Path:
        """The drawing that is in git."""
        return FOLDER / f"{self.name}.svg"

    @property
    def places(self) -> tuple[str, ...]:
        """The names of its arrows' numbers, in the order of the source."""
        return tuple(dict.fromkeys(PLACE.findall(self.source)))


def read_diagrams() -> list[Diagram]:
    """Return every diagram, by name."""
    found = []
    for path in sorted(FOLDER.glob("*.dot")):
        text = path.read_text(encoding="utf-8")
        found.append(Diagram(path.stem, source=text, **dict(HEAD.findall(text))))
    return found


# --- drawing, where graphviz is -----------------------------------------------------------------------------------


def digest_of(source: str) -> str:
    """Return the digest of a source that its SVG holds."""
    return hashlib.sha256(source.encode()).hexdigest()


def draw(diagram: Diagram) -> str:
    """Return the SVG of a diagram: graphviz places it, what is particular to graphviz is left out.

    Raises
    ------
    FileNotFoundError, subprocess.CalledProcessError
        When `dot` is not there, or cannot read the source.
    """
    made = subprocess.run(["dot", "-Tsvg"], input=diagram.source, capture_output=True, text=True, check=True)
    root = ET.fromstring(made.stdout)
    for element in root.iter():
        name = element.find(f"{{{SVG}}}title")
        if name is not None:
            element.set("data-name", name.text)
            element.remove(name)
        for key in [k for k in element.attrib if k not in (*KEPT, "data-name")]:
            del element.attrib[key]
        element.tail = element.tail and "\n"
        element.text = "\n" if element.text and not element.text.strip() else element.text
    del root.attrib["height"]
    root.set("width", root.get("width").removesuffix("pt"))
    root.set("role", "img")
    root.set("aria-labelledby", f"{diagram.name}-title {diagram.name}-description")
    root.set("data-source-sha256", digest_of(diagram.source))
    for place, (tag, words) in enumerate((("title", diagram.title), ("desc", diagram.description))):
        told = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{diagram.name}-{'description' if place else 'title'}"})
        told.text, told.tail = words, "\n"
        root.insert(place, told)
    ET.register_namespace("", SVG)
    return ET.tostring(root, encoding="unicode") + "\n"


def parts_of(svg: str) -> dict[str, set[str]]:
    """Return what an SVG of `draw` holds: names of nodes and edges, and its texts."""
    root = ET.fromstring(svg)
    groups = [(g.get("class"), g.get("data-name")) for g in root.iter(f"{{{SVG}}}g")]
    named = {kind: {name for of, name in groups if of == kind} for kind in ("node", "edge")}
    return named | {"text": {t.text for t in root.iter(f"{{{SVG}}}text")}}


# --- in the report ------------------------------------------------------------------------------------------------


def chapter_diagrams(project: Study, analysis: str, key_numbers: Callable[[Results], list[dict]]) -> Fragment:
    """Return the diagrams that stand in the chapter of an analysis, numbers on their arrows; nothing unless asked for.

    Parameters
    ----------
    key_numbers : callable
        Returns the key numbers of the results of any analysis.
    """
    if not project.diagrams:
        return Fragment("")
    asked = {name for name, _ in project.analyses()}
    shown = [_shown(project, d, key_numbers) for d in read_diagrams() if d.stands_in(asked) == analysis]
    return Fragment("".join(shown))


def _shown(project: Study, diagram: Diagram, key_numbers: Callable) -> str:
    numbers = {name: numbers_of(project, name, key_numbers) for name in diagram.places}
    svg = filled(diagram.svg.read_text(encoding="utf-8"), {name: words_of(rows) for name, rows in numbers.items()})
    caption = f"{diagram.title}. Blue: what an arrow does, with the number of this study where there is one."
    return f'<figure class="diagram">{svg}<figcaption>{escape(caption)}</figcaption></figure>{_table(diagram, numbers)}'


def numbers_of(project: Study, name: str, key_numbers: Callable) -> list[dict]:
    """Return the key numbers that belong on an arrow, each with its results; none when the study has none."""
    arrow = ARROWS[name]
    asked = {r.experiment: r for r in all_results(project) if r.analysis.name in arrow.analyses}
    experiment = project.diagrams.get(arrow.named_by) if arrow.named_by else next(iter(asked), None)
    results = asked.get(experiment)
    if results is None or not results.is_there:
        return []
    rows = [row for row in key_numbers(results) if row["quantity"].startswith(arrow.quantity)]
    return [row | {"results": results} for row in rows if SUBJECTS.get(name, "") in row.get("group", "")]


def words_of(rows: list[dict]) -> str:
    """Return the numbers of an arrow in a few words: one with its interval, several as a span, simulated as such."""
    if not rows:
        return NOT_MEASURED
    known = [row for row in rows if pd.notna(row.get("estimate")) and row.get("verdict") != "not_identified"]
    if not known:
        return "not identified"
    unit = "" if known[0]["unit"] == "1" else f" {known[0]['unit']}"
    kind = KIND_WORDS.get(known[0]["results"].data, "")
    if len(known) == 1:
        [row] = known
        return f"{interval_text(row['estimate'], row.get('ci_low'), row.get('ci_high'))}{unit}{kind}"
    ends = [f"{f(row['estimate'] for row in known):.2g}" for f in (min, max)]
    return f"{' to '.join(dict.fromkeys(ends))}{unit}, {len(known)} groups{kind}"


def filled(svg: str, words: dict[str, str]) -> str:
    """Return an SVG with the text of each place put in, escaped."""
    return PLACE.sub(lambda match: escape(words[match[1]]), svg)


def _table(diagram: Diagram, numbers: dict[str, list[dict]]) -> str:
    rows = [row for found in numbers.values() for row in found]
    if not rows:
        return ""
    shown = pd.DataFrame(
        {
            "Quantity": [row["quantity"] for row in rows],
            "Group": [f"{row['results'].title}: {row.get('group', '')}" for row in rows],
            "Result [95 % CI]": [
                f"{interval_text(row['estimate'], row.get('ci_low'), row.get('ci_high'))} {row['unit']}" for row in rows
            ],
            REFERENCE: [_reference(row) for row in rows],
            "Data": [KINDS[row["results"].data] for row in rows],
            "Origin": [_origin(row) for row in rows],
        },
        dtype=object,
    )
    if all(pd.isna(row.get("reference")) for row in rows):
        shown = shown.drop(columns=REFERENCE)
    table = table_html(shown, f"Numbers on the arrows: {diagram.title}").html
    return f"<details><summary>Numbers on the arrows</summary>{table}</details>"


def _reference(row: dict) -> str:
    return f"{row['reference']:g} {row['reference_kind']}" if pd.notna(row.get("reference")) else "–"


def _origin(row: dict) -> Fragment:
    """Return the way home; a key number counts rows from 0, and the table of results from its header."""
    place = row.get("row")
    return origin_html(row["results"], row["table"], None if place is None or pd.isna(place) else int(place))


def main() -> int:
    """Draw every diagram anew into the SVG beside its source."""
    for diagram in read_diagrams():
        try:
            svg = draw(diagram)
        except FileNotFoundError:
            print("graphviz is not there: install it (dot), then draw again", file=sys.stderr)
            return 1
        if not diagram.svg.exists() or diagram.svg.read_text(encoding="utf-8") != svg:
            write_whole(diagram.svg, svg)
            print(f"drawn: {diagram.svg.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
