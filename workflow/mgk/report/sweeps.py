"""Pages with the sweeps of every recording of an experiment that has more of them than the figure of quality draws.

The report links them and holds none, so that it opens as fast with thousands of recordings. A page is a batch: it is
made of that batch's tables alone, and one more recording makes one page again. Drawn as plain lines, not by matplotlib,
whose axes would cost more than the reading of the recordings.
"""

import math
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.batches import batches
from mgk.recordings.thumbnails import MOST_PANELS
from mgk.report.plain_page import page_html
from mgk.whole_files import write_whole

FOLDER = "results/report/sweeps"
WIDTH, HEIGHT = 170, 90
MOST_SWEEPS, MOST_BINS = 5, 30
COLOURS = {"pass": "#0072b2", "warn": "#c05a00", "exclude": "#767676"}


def page_files(experiment: str, recording_ids: list[str]) -> list[str]:
    """Return the pages of an experiment, relative to the study; none where the figure of quality draws all of it."""
    if len(recording_ids) <= MOST_PANELS:
        return []
    return [f"{FOLDER}/{experiment}.{batch}.html" for batch in batches(recording_ids)]


def sweeps_html(title: str, thumbnails: pd.DataFrame, quality: pd.DataFrame, windows: pd.DataFrame) -> str:
    """Return a page: a panel a recording, some of its sweeps between their lowest and highest current.

    Parameters
    ----------
    thumbnails, quality : DataFrame
        The tables of a batch.
    windows : DataFrame
        recording_id, window, start_ms, end_ms (`figures.quality.window_spans`); shaded behind the sweeps.
    """
    sweeps = dict(iter(thumbnails.groupby("recording_id", sort=False)))
    spans = dict(iter(windows.groupby("recording_id", sort=False)))
    nothing = windows.iloc[:0]
    panels = [_panel(row, sweeps.get(row.recording_id), spans.get(row.recording_id, nothing))
              for row in quality.itertuples()]  # fmt: skip
    about = (
        f"{len(quality)} recordings: of each up to {MOST_SWEEPS} sweeps, as the lowest and the highest current in "
        "bins of time; each panel has its own scale, which stands below it. The measured windows are shaded. "
        "Blue: passed. Orange: with a warning. Grey: excluded."
    )
    parts = [f"<p>{escape(about)}</p>", f'<div class="sweeps">{"".join(panels)}</div>']
    return page_html(title, parts, home="../report.html")


def _panel(row, sweeps: pd.DataFrame | None, windows: pd.DataFrame) -> str:
    verdict = row.verdict + (f": {row.reason}" if row.reason else "")
    name = escape(row.recording_id)
    drawn = sweeps is not None and _drawing(sweeps, windows, COLOURS[row.verdict])
    if not drawn:
        return f"<figure><figcaption><b>{name}</b> {escape(verdict)}; there are no sweeps to draw</figcaption></figure>"
    lines, scale = drawn
    picture = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="Sweeps of {name}, {scale}">{lines}</svg>'
    )
    return f"<figure>{picture}<figcaption><b>{name}</b> {escape(verdict)}<br>{scale}</figcaption></figure>"


def _drawing(sweeps: pd.DataFrame, windows: pd.DataFrame, colour: str) -> tuple[str, str] | None:
    """Return windows and sweeps as elements of SVG, and the scale in words; None without a finite current."""
    outlines = list(_outlines(sweeps))
    if not outlines:
        return None
    time, current = (np.concatenate([o[i] for o in outlines]) for i in (0, 1))
    first, last = float(sweeps["start_ms"].min()), float(sweeps["end_ms"].max())
    low, high = float(current.min()), float(current.max())
    across = WIDTH / ((last - first) or 1.0)
    up = (HEIGHT - 4) / ((high - low) or 1.0)
    parts = []
    for start, end in zip(windows["start_ms"], windows["end_ms"], strict=True):
        x, width = (start - first) * across, (end - start) * across
        parts.append(f'<rect x="{x:.1f}" y="0" width="{width:.1f}" height="{HEIGHT}" fill="#e6e0c8"/>')
    for time, current in outlines:
        points = " ".join(
            f"{x:.1f},{y:.1f}" for x, y in zip((time - first) * across, HEIGHT - 2 - (current - low) * up, strict=True)
        )
        parts.append(f'<polygon points="{points}" fill="none" stroke="{colour}" stroke-width="0.7"/>')
    return "".join(parts), f"{_number(low)} to {_number(high)} pA, {_number(first)} to {_number(last)} ms"


def _outlines(sweeps: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (ms, pA), outlines of some sweeps: along the highest currents of joined bins, back by the lowest."""
    names = sweeps["sweep"].unique()
    kept = names[np.unique(np.linspace(0, len(names) - 1, min(MOST_SWEEPS, len(names))).round().astype(int))]
    for name in kept:
        own = sweeps[sweeps["sweep"] == name]
        own = own[np.isfinite(own["low_pa"]) & np.isfinite(own["high_pa"])]
        if len(own):
            starts = np.arange(0, len(own), math.ceil(len(own) / MOST_BINS))
            middle = ((own["start_ms"] + own["end_ms"]) / 2).to_numpy()[starts]
            high = np.maximum.reduceat(own["high_pa"].to_numpy(), starts)
            low = np.minimum.reduceat(own["low_pa"].to_numpy(), starts)
            yield np.concatenate([middle, middle[::-1]]), np.concatenate([high, low[::-1]])


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}".replace("-", "−")


def write_sweeps_page(page: Path, title: str, tables: dict[str, pd.DataFrame], settings: dict) -> Path:
    """Write the page of a batch from its tables `thumbnails`, `quality` and `measurements`."""
    from mgk.figures.quality import window_spans  # brings matplotlib, which naming the pages does without

    windows = window_spans(tables["measurements"], settings)
    return write_whole(page, sweeps_html(title, tables["thumbnails"], tables["quality"], windows))
