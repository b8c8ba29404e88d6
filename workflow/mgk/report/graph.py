"""The steps of a run as a picture: raw files, reading, notebooks, what joins them, report; from the table of analyses.

The layout is computed here, so that the same study gives the same picture everywhere.
"""

from dataclasses import dataclass
from html import escape

from mgk.analyses import ANALYSES, EXPERIMENT_TABLES
from mgk.report.html import numbered
from mgk.study import Study
from mgk.upstream import own_files

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 220, 30, 44, 10, 6
MOST_LETTERS = 34
READING = {
    "recordings": "measure and correct",
    "plates": "read plates",
    "stacks": "measure cells",
    "solutions": "solve",
}
OTHERWISE = {
    "relaxation": "average shots",
    "unitary_conductance": "idealise patches",
    "excitability": "measure current clamp",
}
"""What is read otherwise than the other files of its section, by the analysis that reads it."""

SOLVED = "read solutions solutions"
SHARED = "config.yaml"


@dataclass(frozen=True)
class Step:
    """A box of the picture: its column from the left, its height in rows, its words."""

    column: int
    row: float
    words: str


@dataclass(frozen=True)
class Graph:
    """Steps by name, and which leads to which."""

    steps: dict[str, Step]
    edges: list[tuple[str, str]]


def graph_of(study: Study) -> Graph:
    """Return the steps of a study, the notebooks in the order of their experiments."""
    asked = study.analyses()
    places = list(dict.fromkeys((ANALYSES[a].section, e) for a, e in asked))
    asked = [(a, e) for place in places for a, e in asked if (ANALYSES[a].section, e) == place]
    rows = {pair: float(i) for i, pair in enumerate(asked)}
    steps, edges = {}, []
    for section, experiment in places:
        own = [pair for pair in asked if (ANALYSES[pair[0]].section, pair[1]) == (section, experiment)]
        row = (rows[own[0]] + rows[own[-1]]) / 2
        raw, before = f"raw {section} {experiment}", f"raw {section} {experiment}"
        joined = [pair for pair in study.rests_on(section) if pair in rows]
        n = len([f for f in own_files(study, section, experiment) if f != SHARED])
        if n or not joined:
            steps[raw] = Step(0, row, f"{experiment}: {numbered(n, 'raw file')}")
        if section in READING:
            before = f"read {section} {experiment}"
            steps[before] = Step(1, row, f"{OTHERWISE.get(own[0][0], READING[section])}: {experiment}")
            edges.append((raw, before))
        for analysis, _ in own:
            name = f"{analysis} {experiment}"
            words = f"{analysis}: {experiment}".replace("_", " ", 1)
            steps[name] = Step(3 if joined else 2, rows[analysis, experiment], words)
            edges += [(before, name)] if before in steps else []
            edges += [*((f"{a} {e}", name) for a, e in joined), (name, "report")]
    if SOLVED in steps:
        edges += [(SOLVED, f"{a} {e}") for a, e in asked if ANALYSES[a].section in EXPERIMENT_TABLES]
    last = max((step.column for step in steps.values()), default=2)
    steps["report"] = Step(last + 1, (len(asked) - 1) / 2, "report")
    return Graph(steps, edges)


def graph_svg(graph: Graph, title: str) -> str:
    """Return the picture of a graph as inline SVG, with a title and each step's words."""
    columns = 1 + max(s.column for s in graph.steps.values())
    rows = 1 + max(s.row for s in graph.steps.values())
    width = 2 * MARGIN + columns * WIDTH + (columns - 1) * GAP_X
    height = 2 * MARGIN + rows * (HEIGHT + GAP_Y) - GAP_Y
    lines = [_edge(graph.steps[a], graph.steps[b]) for a, b in graph.edges]
    boxes = [_box(step) for step in graph.steps.values()]
    return (
        f'<svg role="img" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12">\n'
        f"<title>{escape(title)}</title>\n" + "\n".join([*lines, *boxes]) + "\n</svg>"
    )


def _corner(step: Step) -> tuple[float, float]:
    return MARGIN + step.column * (WIDTH + GAP_X), MARGIN + step.row * (HEIGHT + GAP_Y)


def _edge(start: Step, end: Step) -> str:
    (x0, y0), (x1, y1) = _corner(start), _corner(end)
    x0, y0, y1 = x0 + WIDTH, y0 + HEIGHT / 2, y1 + HEIGHT / 2
    bend = x1 - GAP_X / 2
    path = f"M{x0:g} {y0:g}H{x1 - GAP_X:g}C{bend:g} {y0:g} {bend:g} {y1:g} {x1:g} {y1:g}"
    return f'<path d="{path}" fill="none" stroke="#8c959f" stroke-width="1"/>'


def _box(step: Step) -> str:
    x, y = _corner(step)
    words = step.words if len(step.words) <= MOST_LETTERS else f"{step.words[: MOST_LETTERS - 1]}…"
    return (
        f'<g><title>{escape(step.words)}</title><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="4" '
        f'fill="#f6f8fa" stroke="#57606a"/><text x="{x + 8:g}" y="{y + HEIGHT / 2 + 4:g}" fill="#1b1f24">'
        f"{escape(words)}</text></g>"
    )
