"""A verification as people read it: a table for the console, a page and a JSON file for whoever asks for proof."""

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from mgk.report.plain_page import list_html, page_html, table_or_none
from mgk.tables.problems import Problem
from mgk.verification.compare import DIFFERS, GOOD, IDENTICAL, MISSING, NOT_PINNED, OTHER_BYTES, WITHIN, Comparison
from mgk.verification.pins import NUMBERS, RELATIVE_TOLERANCE
from mgk.whole_files import write_whole

PLACE = "results/verification"
VERIFIED, REFUSED = "verified", "not verified"
MOST_SHOWN = 20
# Columns of the table on the console.
WIDTH = 100
MOST_LETTERS = 16
ORDER = (IDENTICAL, WITHIN, OTHER_BYTES, DIFFERS, MISSING, NOT_PINNED)


@dataclass(frozen=True)
class Verification:
    """A comparison, with what the run could not be made for (`problems`), and under what it took place."""

    title: str
    comparison: Comparison
    problems: list[Problem]
    platform: str
    platform_is_pinned: bool
    python: str
    lock_sha256: str

    @property
    def good(self) -> bool:
        """Whether the study came out as it was pinned."""
        return not self.problems and self.comparison.good

    @property
    def under(self) -> list[str]:
        """Under what it ran, in words."""
        bytes_decide = "bytes decide" if self.platform_is_pinned else "not pinned, so tolerances decide alone"
        return [f"Python {self.python}", f"lock {self.lock_sha256}", f"platform {self.platform} ({bytes_decide})"]


def write_verification(verification: Verification, study: Path) -> Path:
    """Write verification.json and verification.html into a study's results; return the page."""
    folder = study / PLACE
    write_whole(folder / "verification.json", as_json(verification))
    return write_whole(folder / "verification.html", as_page(verification))


def as_json(verification: Verification) -> str:
    """Return all of it, for machines; a difference that is no number is null."""
    number = [asdict(n) | {"difference": _finite(n.difference)} for n in verification.comparison.numbers]
    record = {
        "verdict": _word(verification),
        "study": verification.title,
        "python": verification.python,
        "lock_sha256": verification.lock_sha256,
        "platform": verification.platform,
        "platform_is_pinned": verification.platform_is_pinned,
        "problems": [str(p) for p in verification.problems],
        "changed": verification.comparison.changed,
        "numbers": number,
        "files": [asdict(f) for f in verification.comparison.files],
    }
    return json.dumps(record, indent=1) + "\n"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _word(verification: Verification) -> str:
    return VERIFIED if verification.good else REFUSED


# --- console ----------------------------------------------------------------------------------------------------


def as_lines(verification: Verification) -> list[str]:
    """Return the lines for the console: every estimate, and of all else what is not in order; the verdict last."""
    comparison = verification.comparison
    shown = [n for n in comparison.numbers if n.statistic == "estimate" or n.verdict not in GOOD]
    lines = [*(str(p) for p in verification.problems), *_table(shown)]
    lines += _upstream_lines([n for n in shown if n.verdict not in GOOD])
    bad = [f for f in comparison.files if f.verdict not in GOOD]
    lines += [f"{f.name}: {f.verdict}{f'; {f.where}' if f.where else ''}{_rests(f.upstream)}" for f in bad[:MOST_SHOWN]]
    lines += [f"and {len(bad) - MOST_SHOWN} files more"] if len(bad) > MOST_SHOWN else []
    lines += [f"changed since it was pinned: {f}" for f in comparison.changed]
    lines += [f"numbers: {_counts(comparison.numbers)}", f"tables and figures: {_counts(comparison.files)}"]
    return [*lines, *verification.under, f"{_word(verification)}: {verification.title}"]


def _table(numbers: list) -> list[str]:
    """Return the numbers as a table of `WIDTH` columns, below the name of each experiment."""
    head = ("number", "value", "reference", "difference", "tolerance", "verdict")
    rows = [(_name(n), *_figures(n), n.verdict) for n in numbers]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths))
    lines, experiment = ["  " + _line(head, widths)] if rows else [], None
    for number, row in zip(numbers, rows, strict=True):
        lines += [] if number.experiment == experiment else [number.experiment]
        experiment = number.experiment
        lines.append("  " + _line(row, widths))
    return lines


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 3] + "..."
    figures = (text.rjust(width) for text, width in zip(row[1:5], widths[1:5], strict=True))
    return "  ".join((name.ljust(widths[0]), *figures, row[5]))


def _upstream_lines(numbers: list) -> list[str]:
    """Say once for each set of upstream files which numbers rest on it."""
    resting: dict[tuple[str, ...], list[str]] = {}
    for n in numbers:
        resting.setdefault(n.upstream, []).append(f"{n.experiment}, {n.group}, {n.quantity}")
    lines = []
    for upstream, names in resting.items():
        origin = ", ".join(upstream) or "no file that was pinned has changed: the environment, or a hand in the pins"
        named = dict.fromkeys(names)
        more = f" and {len(named) - MOST_SHOWN} more" if len(named) > MOST_SHOWN else ""
        lines.append(f"upstream of {'; '.join(list(named)[:MOST_SHOWN])}{more}: {origin}")
    return lines


def _rests(upstream: tuple[str, ...]) -> str:
    return f"; upstream: {', '.join(upstream)}" if upstream else ""


def _name(n) -> str:
    statistic = "" if n.statistic == "estimate" else f", {n.statistic}"
    unit = f" ({n.unit})" if n.unit else ""
    return ", ".join(part for part in (n.quantity, n.group) if part) + statistic + unit


def _figures(n) -> tuple[str, str, str, str]:
    return _short(n.value), _short(n.reference), _short(repr(n.difference)), n.tolerance or "–"


def _short(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."
    return "–" if math.isnan(value) else f"{value:.6g}"


def _counts(rows: list) -> str:
    counts = Counter(row.verdict for row in rows)
    return ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]) or "none"


# --- page -------------------------------------------------------------------------------------------------------


def as_page(verification: Verification) -> str:
    """Return the whole of it as one self-contained page."""
    comparison = verification.comparison
    title = f"Verification: {verification.title}"
    numbers = pd.DataFrame(
        [
            {
                "Number": ", ".join(x for x in (n.experiment, n.group, n.quantity) if x),
                "Statistic": n.statistic,
                "Verdict": n.verdict,
                "Value": n.value or "–",
                "Reference": n.reference or "–",
                "Difference": _short(repr(n.difference)),
                "Tolerance": n.tolerance or "exact",
                "Unit": n.unit if n.statistic in NUMBERS else "–",
                "Changed upstream": ", ".join(n.upstream) or "–",
            }
            for n in comparison.numbers
        ],
        dtype=object,
    )
    files = pd.DataFrame(
        [
            {"File": f.name, "Verdict": f.verdict, "Where": f.where or "–", "Changed upstream": ", ".join(f.upstream)}
            for f in comparison.files
        ],
        dtype=object,
    )
    changed = [
        *(str(p) for p in verification.problems),
        *(f"Changed since it was pinned: {f}" for f in comparison.changed),
    ]
    parts = [
        f"<p><strong>{_word(verification).capitalize()}.</strong> Numbers: {_counts(comparison.numbers)}. "
        f"Tables and figures: {_counts(comparison.files)}.</p>",
        list_html(verification.under),
        "<h2>Problems and changes</h2>" + list_html(changed) if changed else "",
        "<h2>Numbers</h2><p>A fresh run of the study, held against the references that are kept with it. The tolerance "
        f"is {RELATIVE_TOLERANCE:g} of the estimate or of the width of its interval, whichever is larger; an n and a "
        "verdict must be equal.</p>",
        table_or_none(numbers, "Every key number, its reference and the verdict"),
        "<h2>Tables and figures</h2><p>Identical: the same bytes. Equal within tolerance: every cell of the table is. "
        "Bytes decide on the platforms that were pinned, and on no other.</p>",
        table_or_none(files, "Every table and figure of the run"),
    ]
    return page_html(title, parts)
