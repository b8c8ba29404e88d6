"""Figures of quality: a page of the sweeps of all recordings, and the numbers that they are judged by.

Drawn from tables alone (`thumbnails.csv`, `quality.csv`): no raw file is opened. Colours stand for verdicts. Thumbnails
are thinned out until a page has few enough points for a small file.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mgk.figures import style
from mgk.recordings.plan import own_settings
from mgk.recordings.quality import thresholds
from mgk.recordings.thumbnails import MOST_PANELS

VERDICT_COLOURS = {"pass": style.PALETTE[0], "warn": style.PALETTE[4], "exclude": style.GREY}
WINDOW_COLOURS = dict(
    zip(("baseline", "peak", "steady", "tail", "kinetics", "ramp", "ramp_back"), style.WINDOW_COLOURS, strict=True)
)
COLUMNS = 6
# A panel in inches, and the least width of a page: few panels are larger. An entry of the legend is as wide as this.
PANEL_IN, LEAST_WIDTH_IN, ENTRY_IN = (1.5, 1.15), 4.5, 0.85
NUMBER_COLUMNS = 4
# Points times letters that fit above an inch of a panel.
TITLE_WIDTH = 80
# Points of a page, and the fewest sweeps and bins that still show a recording.
PAGE_POINTS, FEWEST_SWEEPS, FEWEST_BINS = 9_000, 3, 30
NUMBERS = {
    "access_mohm": "Access (MOhm)",
    "membrane_mohm": "Membrane resistance (MOhm)",
    "capacitance_pf": "Capacitance (pF)",
    "access_drift_percent": "Access drift (%)",
    "membrane_drift_percent": "Membrane resistance drift (%)",
    "baseline_sd_pa": "Baseline noise (pA)",
    "baseline_drift_pa": "Baseline drift (pA)",
    "command_difference_mv": "Command difference (mV)",
}


def sweeps_page(thumbnails: pd.DataFrame, quality: pd.DataFrame, windows: pd.DataFrame) -> tuple[Figure, str]:
    """Draw a panel for each recording: some of its sweeps between lowest and highest current, windows behind them.

    Parameters
    ----------
    thumbnails : DataFrame
        thumbnails.csv of an experiment.
    quality : DataFrame
        quality.csv of it; recordings that did not pass come first when there are more than fit on the page.
    windows : DataFrame
        recording_id, window, start_ms, end_ms (`window_spans`).

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    drawn = quality[quality["recording_id"].isin(thumbnails["recording_id"])]
    if len(drawn) > MOST_PANELS:
        drawn = drawn.sort_values("verdict", key=lambda v: v == "pass", kind="stable").head(MOST_PANELS)
    count = max(len(drawn), 1)
    rows = -(-count // COLUMNS)
    columns = min(count, COLUMNS)
    width = max(PANEL_IN[0] * columns, LEAST_WIDTH_IN) + 0.6
    height = PANEL_IN[1] * (rows if rows > 1 else 2) + 0.9
    fig, axes = style.figure(width, height, rows, columns, sharex=True, squeeze=False)
    title_width = TITLE_WIDTH * width / columns
    for place, (axis, row) in enumerate(zip(axes.flat, drawn.itertuples(), strict=False)):
        own = _thinned(thumbnails[thumbnails["recording_id"] == row.recording_id], PAGE_POINTS // count)
        for window in windows[windows["recording_id"] == row.recording_id].itertuples():
            axis.axvspan(window.start_ms, window.end_ms, color=WINDOW_COLOURS[window.window], alpha=0.25, lw=0)
        for _, sweep in own.groupby("sweep"):
            axis.plot(*_trace(sweep), lw=0.5, color=VERDICT_COLOURS[row.verdict])
        axis.set_title(row.recording_id, fontsize=min(6, title_width / len(row.recording_id)), pad=2)
        axis.tick_params(labelsize=5, length=2, pad=1, labelbottom=place >= count - columns)
        axis.locator_params(nbins=3)
    for axis in list(axes.flat)[len(drawn) :]:
        axis.set_axis_off()
    fig.supxlabel("Time in the sweep (ms)", fontsize="small")
    fig.supylabel("Recorded current (pA)", fontsize="small")
    handles = [axes.flat[0].plot([], [], color=c, label=v)[0] for v, c in VERDICT_COLOURS.items()]
    shown = [w for w in WINDOW_COLOURS if w in set(windows["window"])]
    handles += [Patch(color=WINDOW_COLOURS[w], alpha=0.25, lw=0, label=w.replace("_", " ")) for w in shown]
    fig.legend(handles=handles, loc="outside upper center", ncols=int(width / ENTRY_IN), fontsize=7)
    left_out = len(quality) - len(drawn)
    text = (
        f"{len(drawn)} panels, one per recording, with some of its sweeps against time; the measured windows "
        f"({', '.join(shown)}) are shaded. {_counted(drawn)}."
        + (f" {left_out} further recordings are not drawn." if left_out else "")
    )
    return fig, text


def window_spans(measurements: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Return where the windows lie in the first measured sweep of each recording and segment, in ms.

    Parameters
    ----------
    measurements : DataFrame
        measurements.csv of an experiment.
    settings : dict
        The experiment of config.yaml.
    """
    first = measurements.drop_duplicates(["recording_id", "segment"])
    rows = [
        (row.recording_id, name, row.windows_from_ms + start, row.windows_from_ms + stop)
        for row in first.itertuples()
        for name, (start, stop) in _spans(row.recording_id, settings)
    ]
    return pd.DataFrame(rows, columns=["recording_id", "window", "start_ms", "end_ms"]).drop_duplicates()


def _spans(recording_id: str, settings: dict) -> list:
    windows = own_settings(recording_id, settings)["windows_ms"]
    return [(name, span) for name, span in windows.items() if name != "epoch"]


def quality_numbers(quality: pd.DataFrame, settings: dict) -> tuple[Figure, str]:
    """Draw each number of quality that is known, a point per recording, with the limits that hold for it.

    Parameters
    ----------
    quality : DataFrame
        quality.csv of an experiment.
    settings : dict
        The experiment of config.yaml; its `quality` may hold limits.
    """
    known = [name for name in NUMBERS if quality[name].notna().any()]
    rows = max(-(-len(known) // NUMBER_COLUMNS), 1)
    fig, axes = style.figure(8.0, 2.2 * rows + 0.3, rows, NUMBER_COLUMNS, squeeze=False)
    limits = thresholds(settings.get("quality") or {}).values()
    single = style.marks_of_units(len(quality) * len(known))
    place = {recording: i for i, recording in enumerate(quality["recording_id"])}
    for axis, name in zip(axes.flat, known, strict=False):
        for verdict, group in quality.groupby("verdict"):
            look = {"color": VERDICT_COLOURS[verdict], "label": verdict} | single
            axis.plot(group["recording_id"].map(place), group[name], ".", **look)
        for limit in limits:
            if limit.number == name and np.isfinite(limit.value):
                axis.axhline(limit.value, color=style.PALETTE[1], ls="--", lw=0.8)
        axis.set_ylabel(NUMBERS[name], fontsize=8)
        axis.set_xticks([])
        axis.set_xlabel("recordings", fontsize=8)
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(known) :]:
        axis.set_axis_off()
    ranges = (f"{NUMBERS[name]} {quality[name].min():.3g} to {quality[name].max():.3g}" for name in known)
    text = (
        f"{len(known)} panels with a point for each of {len(quality)} recordings, coloured by verdict, dashed lines at "
        f"the limits. {'; '.join(ranges) or 'No number is known'}. {_counted(quality)}."
    )
    return fig, text


def _thinned(thumbnail: pd.DataFrame, points: int) -> pd.DataFrame:
    """Return fewer sweeps, evenly chosen, and fewer bins, neighbours joined, so that few enough points remain."""
    sweeps = thumbnail["sweep"].unique()
    bins = thumbnail.groupby("sweep").size().max()
    joined = max(1, min(bins // FEWEST_BINS, -(-2 * bins * FEWEST_SWEEPS // max(points, 1))))
    most = max(FEWEST_SWEEPS, points // (2 * bins // joined))
    kept = sweeps[np.unique(np.linspace(0, len(sweeps) - 1, min(most, len(sweeps))).round().astype(int))]
    own = thumbnail[thumbnail["sweep"].isin(kept)].copy()
    own["bin"] = own.groupby("sweep").cumcount() // joined
    ends = {"start_ms": ("start_ms", "first"), "end_ms": ("end_ms", "last")}
    return own.groupby(["sweep", "bin"]).agg(**ends, low_pa=("low_pa", "min"), high_pa=("high_pa", "max")).reset_index()


def _trace(sweep: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the outline of a sweep: along the highest currents of its bins, back along the lowest."""
    middle = ((sweep["start_ms"] + sweep["end_ms"]) / 2).to_numpy()
    high, low = sweep["high_pa"].to_numpy(), sweep["low_pa"].to_numpy()
    return np.concatenate([middle, middle[::-1]]), np.concatenate([high, low[::-1]])


def _counted(quality: pd.DataFrame) -> str:
    counts = quality["verdict"].value_counts()
    return ", ".join(f"{counts.get(v, 0)} {words}" for v, words in
                     (("pass", "passed"), ("warn", "with a warning"), ("exclude", "excluded")))  # fmt: skip
