"""The first screen: asked, made, simulated or real, n, how it came out, what was left out, whether it reproduces."""

import json
from collections import Counter
from html import escape

import pandas as pd

from mgk.checks import not_analysed
from mgk.report.chapters import UNITS, not_passed
from mgk.report.html import Fragment, link_html, numbered
from mgk.report.results import KINDS, Results, all_results
from mgk.study import Study
from mgk.tables import read_table

SIMULATED = "Simulated data show that the analysis recovers what was put in. They teach nothing about nature."
VERDICTS = {"warn": "with a warning", "exclude": "excluded"}
LEFT_OUT_LINK = '<a href="#missing-excluded-not-analysed">Which, and why</a>.'


def glance(project: Study, numbers: pd.DataFrame) -> Fragment:
    """Return the first screen: asked, made, simulated or real, n, how it came out, left out, whether it reproduces."""
    everything = all_results(project)
    lines = {
        "Asked": _asked(everything),
        "Made": _made(everything),
        "Data": _kinds(everything),
        "n": _counts(project),
        "Came out": _outcome(numbers),
        "Left out": _left_out(project),
        "Reproduces": reproduction(project),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{words}</dd></div>" for name, words in lines.items() if words)
    return Fragment(f'<dl class="glance">{items}</dl>')


def _asked(everything: list[Results]) -> str:
    counts = Counter(results.analysis.title for results in everything)
    return escape("; ".join(f"{title} ({n})" if n > 1 else title for title, n in counts.items()) + ".")


def _made(everything: list[Results]) -> str:
    gone = [results for results in everything if not results.is_there]
    if not gone:
        return f"All {len(everything)} chapters were made."
    named = ", ".join(r.analysis.title if r.analysis.once else f"{r.analysis.title} of {r.experiment}" for r in gone)
    words = f"{len(gone)} of {len(everything)} chapters {'is' if len(gone) == 1 else 'are'} missing: {named}."
    return f'<strong class="missing">{escape(words)}</strong> {LEFT_OUT_LINK}'


def _kinds(everything: list[Results]) -> str:
    """Say which experiments are simulated and which are real, and what simulated ones are good for."""
    said = []
    for kind, word in KINDS.items():
        names = dict.fromkeys(results.experiment for results in everything if results.data == kind)
        if names:
            said.append(f"<strong>{word.capitalize()}</strong>: {escape(', '.join(names))}.")
    simulated = any(results.data in ("simulated", "mixed") for results in everything)
    return " ".join([*said, SIMULATED] if simulated else said)


def _counts(project: Study) -> str:
    """Return how many recordings, plates, stacks, curves and tables the results rest on, the excluded not counted."""
    said = []
    path = project.results / "recordings" / "quality.csv"
    if project.experiments("recordings") and path.exists():
        kept = read_table(path).query("verdict != 'exclude'")
        ids = [kept[name].nunique() for name in ("recording_id", "cell_id", "animal_id")]
        said.append(f"{numbered(ids[0], 'recording')} of {numbered(ids[1], 'cell')} from {numbered(ids[2], 'animal')}")
    path = project.results / "plates" / "quality.csv"
    if project.experiments("plates") and path.exists():
        kept = read_table(path).query("verdict != 'exclude'")
        said.append(f"{numbered(len(kept), 'plate')} with {numbered(kept['n_wells'].sum(), 'well')}")
    path = project.results / "stacks" / "quality.csv"
    if project.experiments("stacks") and path.exists():
        kept = read_table(path).query("verdict != 'exclude'")
        cells = kept["n_rois"].sum() - kept["n_excluded"].sum()
        said.append(f"{numbered(len(kept), 'image stack')} with {numbered(cells, 'cell')}")
    if project.experiments("curves"):
        points = project.table("curves")
        points = points[points["experiment"].isin(project.experiments("curves"))]
        ids = [points[name].nunique() for name in ("curve_id", "animal_id")]
        said.append(f"{numbered(ids[0], 'curve')} from {numbered(ids[1], 'animal')}")
    tables = len(project.experiments("clinical"))
    said += [numbered(tables, "clinical table")] if tables else []
    return f"{', '.join(said)}; each number has its own n." if said else ""


def _outcome(numbers: pd.DataFrame) -> str:
    """Count how the key numbers came out: recovered, beside published ones, not identified."""
    if numbers.empty:
        return "No key numbers: none of the chapters was made."
    said = [f'<a href="#key-numbers">{len(numbers)} key numbers</a>, each with interval, n and verdict.']
    held = numbers.loc[numbers["holds_reference"] != "", "holds_reference"]
    if len(held):
        expected = f"of 95\u00a0% intervals that are right, about {0.95 * len(held):.0f} are expected to"
        said.append(f"Of {len(held)} intervals of what was put in, {(held == 'yes').sum()} hold it ({expected}).")
    published = numbers["reference_kind"].str.startswith("published").sum()
    said += [f"{published} stand beside a published value."] if published else []
    unknown = (numbers["verdict"] == "not_identified").sum()
    said += [f"{unknown} are not identified; the reason stands beside each."] if unknown else []
    return " ".join(said)


def _left_out(project: Study) -> str:
    """Count what was excluded or has a warning, and the rows that nothing uses."""
    said = []
    for section, unit in UNITS.items():
        counts = Counter(row.verdict for row in not_passed(project, section).itertuples())
        said += [f"{numbered(n, unit)} {VERDICTS[verdict]}" for verdict, n in counts.items()]
    rows = sum(n for _, _, n in not_analysed(project))
    said += [f"{rows} rows of experiments that nobody asked for"] if rows else []
    return f"{escape('; '.join(said))}. {LEFT_OUT_LINK}" if said else "Nothing."


def reproduction(project: Study) -> str:
    """Return what `make verify` found, when it was run on this study; else how to run it; as HTML."""
    path = project.results / "verification" / "verification.json"
    if not path.exists():
        return (
            "Not verified here yet: <code>make verify</code> runs all of it anew and holds it against pinned numbers."
        )
    found = json.loads(path.read_text(encoding="utf-8"))
    numbers = found["numbers"]
    link = link_html(found["verdict"], "../verification/verification.html").html
    return f"{link}: {len(numbers)} numbers held against pinned ones, on Python {escape(found['python'])}."
