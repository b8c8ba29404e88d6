"""Figures of single channels: stretches with idealisation, all-points histograms, i-V relations, dwell times.

Limits: draws the tables of `mgk.unitary`. Units: ms, mV, pA outward positive, pS. Of many patches the first are drawn,
each at one potential, and the text alternative says so.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mgk.figures import NOTHING, style
from mgk.unitary.conductance import CHORD, fit_relation

MOST_PATCHES = 12
COLUMNS = 4
MOST_DWELLS = 8
TIME_BINS = 18
CURVE_POINTS = 101


def shown_levels(levels: pd.DataFrame, at_mv: float) -> pd.DataFrame:
    """Return one level of each patch: that at a potential, else the one with the clearest channels, else the first.

    Parameters
    ----------
    levels : DataFrame
        amplitudes.csv or levels.csv.
    at_mv : float
        The potential that is preferred.
    """
    chosen = []
    for _, patch in levels.groupby(["cell_id", "group"], sort=False):
        apart = patch["separation"].fillna(-1.0) + np.where(patch["level_mv"] == at_mv, 1e6, 0.0)
        chosen.append(patch.loc[apart.idxmax()])
    return pd.DataFrame(chosen).reset_index(drop=True)


def traces(excerpts: pd.DataFrame, shown: pd.DataFrame) -> style.Picture:
    """Return a panel a patch: the current without drift and its idealisation.

    Parameters
    ----------
    excerpts : DataFrame
        excerpts.csv.
    shown : DataFrame
        Rows of `shown_levels`.
    """
    fig, panels = _panels(shown, 1.25)
    palette = style.colours(shown["group"])
    for ax, row in panels:
        own = _of(excerpts, row)
        ax.plot(own["time_ms"], own["current_pa"], color=style.GREY, linewidth=0.5)
        ax.step(own["time_ms"], own["idealised_pa"], where="mid", color=palette[row.group], linewidth=0.9)
        ax.axhline(0, color="black", linestyle="--", linewidth=0.5)
    fig.supxlabel("Time (ms)")
    fig.supylabel("Current across the membrane (pA)")
    return fig


def describe_traces(shown: pd.DataFrame, patches: int) -> str:
    """Return the text alternative of `traces`."""
    parts = [f"Current of {_drawn(shown, patches)} over up to 0.4 s, with drift removed, and its idealisation."]
    for row in shown.head(MOST_PATCHES).itertuples():
        told = f"{_channels(row.channels)}, {row.openings} openings in {row.duration_s:.3g} s"
        parts.append(f"{row.cell_id} ({row.group}) at {row.level_mv:+g} mV: {told}.")
    return " ".join(parts)


def histograms(table: pd.DataFrame, shown: pd.DataFrame) -> style.Picture:
    """Return a panel a patch: the all-points histogram and the fitted levels.

    Parameters
    ----------
    table : DataFrame
        histograms.csv.
    shown : DataFrame
        Rows of `shown_levels`.
    """
    fig, panels = _panels(shown, 1.35)
    palette = style.colours(shown["group"])
    for ax, row in panels:
        own = _of(table, row)
        ax.fill_between(own["current_pa"], own["density"], step="mid", color="#D9D9D9", linewidth=0)
        ax.plot(own["current_pa"], own["fitted"], color=palette[row.group], linewidth=1.1)
        for k in range(int(row.channels) + 1):
            ax.axvline(k * row.amplitude_pa if k else 0.0, color="black", linestyle="--", linewidth=0.5)
    fig.supxlabel("Current across the membrane, closed level at 0 (pA)")
    fig.supylabel("Density (1/pA)")
    return fig


def describe_histograms(shown: pd.DataFrame, patches: int) -> str:
    """Return the text alternative of `histograms`."""
    parts = [f"All-points histograms of {_drawn(shown, patches)} with equally spaced normal distributions."]
    for row in shown.head(MOST_PATCHES).itertuples():
        if row.channels:
            told = f"steps of {row.all_points_pa:.3g} pA, {row.separation:.3g} SD of the noise"
        else:
            told = f"one level, noise {row.closed_noise_pa:.2g} pA"
        parts.append(f"{row.cell_id} ({row.group}) at {row.level_mv:+g} mV: {_channels(row.channels)}, {told}.")
    return " ".join(parts)


def current_voltage(amplitudes: pd.DataFrame, fits: pd.DataFrame) -> style.Picture:
    """Return unitary currents against the membrane potential with the curve of each patch, and slope conductances.

    The curve is the line, or the parabola whose zero is the reversal potential.

    Parameters
    ----------
    amplitudes, fits : DataFrame
        amplitudes.csv and fits.csv.
    """
    fig, (left, right) = style.figure(8.0, 3.8, 1, 2, gridspec_kw={"width_ratios": [1.7, 1]})
    palette = style.colours(amplitudes["group"])
    for (_, group), patch in amplitudes.groupby(["cell_id", "group"], sort=False):
        used, out = patch[patch["in_line"]], patch[~patch["in_line"] & patch["amplitude_pa"].notna()]
        left.errorbar(
            used["membrane_mv"], used["amplitude_pa"], yerr=used["amplitude_se_pa"], fmt="o", markersize=3.5,
            elinewidth=0.8, color=palette[group],
        )  # fmt: skip
        left.plot(out["membrane_mv"], out["amplitude_pa"], "x", markersize=4, color=style.GREY)
        curve = fit_relation(used["membrane_mv"], used["amplitude_pa"], used["amplitude_se_pa"]).curve
        if curve:
            points = 2 if len(curve) == 2 else CURVE_POINTS
            reach = np.linspace(used["membrane_mv"].min(), used["membrane_mv"].max(), points)
            left.plot(reach, np.polyval(curve, reach), color=palette[group], linewidth=0.8)
    left.axhline(0, color=style.GREY, linewidth=0.6)
    left.axvline(0, color=style.GREY, linewidth=0.6)
    left.set(xlabel="Membrane potential (mV)", ylabel="Unitary current (pA)")
    handles = [left.plot([], [], "o-", markersize=3.5, color=c)[0] for c in palette.values()]
    left.legend(handles, list(palette))
    _conductances(right, fits, palette)
    return fig


def _conductances(ax, fits: pd.DataFrame, palette: dict) -> None:
    """Draw slope conductances: patches small, groups large with their interval."""
    slope = fits[fits["parameter"] == "slope_conductance"]
    for place, (group, colour) in enumerate(palette.items()):
        own = slope[(slope["group"] == group) & (slope["unit_id"] != "")]
        known = own["estimate"].dropna().to_numpy(float)
        spread = np.linspace(-0.15, 0.15, len(known)) if len(known) > 1 else np.zeros(len(known))
        ax.plot(place + spread, known, "o", markersize=3, alpha=0.7, color=colour)
        for mean in slope[(slope["group"] == group) & (slope["unit_id"] == "")].itertuples():
            reach = np.abs([[mean.estimate - mean.ci_low], [mean.ci_high - mean.estimate]])
            ax.errorbar([place + 0.3], [mean.estimate], yerr=np.nan_to_num(reach), fmt="s", markersize=6, color=colour)
    ax.set_xticks(range(len(palette)), list(palette))
    ax.set_xlim(-0.5, max(len(palette) - 0.5, 0.5))
    ax.set_ylim(bottom=0)
    ax.set_ylabel("Slope conductance (pS)")


def describe_current_voltage(amplitudes: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Return the text alternative of `current_voltage`."""
    used, seen = int(amplitudes["in_line"].sum()), len(amplitudes)
    parts = [f"Unitary current against membrane potential: {used} of {seen} levels of patches are in the lines."]
    for row in fits[fits["unit_id"] == ""].itertuples():
        if row.parameter == "slope_conductance" or row.model.startswith(CHORD):
            name = "slope conductance" if row.parameter == "slope_conductance" else row.model
            interval = f", 95 % interval {row.ci_low:.3g} to {row.ci_high:.3g}" if np.isfinite(row.ci_low) else ""
            parts.append(
                f"{row.group}, {name}: {row.estimate:.3g} pS{interval}, {row.n_cells} patches, {row.n_animals} animals."
                if np.isfinite(row.estimate)
                else f"{row.group}, {name}: not identified."
            )
    return " ".join(parts)


def dwell_times(events: pd.DataFrame, table: pd.DataFrame, shown: pd.DataFrame) -> style.Picture:
    """Return open times above and closed times below, a column a patch of one channel, with the fitted exponentials.

    Parameters
    ----------
    events, table : DataFrame
        events.csv and dwell_times.csv.
    shown : DataFrame
        Rows of `shown_levels`; those with fitted times are drawn.
    """
    rows = _with_times(table, shown)
    fig, axes = style.figure(1.9 * max(len(rows), 2) + 0.8, 4.2, 2, max(len(rows), 1), squeeze=False, sharey="row")
    palette = style.colours(shown["group"])
    if not rows:
        for ax in axes.flat:
            ax.set_axis_off()
        axes[0, 0].text(0.5, 0.5, "No patch in which one channel alone opened", ha="center", va="center")
        return fig
    for column, row in zip(axes.T, rows, strict=True):
        own = _of(events, row)
        for ax, state, k in zip(column, ("open", "closed"), (1, 0), strict=True):
            times = own.loc[own["complete"].astype(bool) & (own["open"] == k), "duration_ms"].to_numpy(float)
            fitted = _of(table, row).set_index("state").loc[state]
            _times(ax, times, fitted, palette[row.group])
            ax.set_xscale("log")
        column[0].set_title(f"{row.cell_id}\n{row.level_mv:+g} mV", fontsize=8)
    axes[0, 0].set_ylabel("Open times, √count")
    axes[1, 0].set_ylabel("Closed times, √count")
    fig.supxlabel("Duration (ms)")
    return fig


def _times(ax, times: np.ndarray, fitted: pd.Series, colour: str) -> None:
    """Draw times in logarithmic bins and what the fit expects in them, both as square roots."""
    resolution = float(fitted["resolution_ms"])
    edges = np.geomspace(resolution, max(times.max(), 2 * resolution) * 1.001, TIME_BINS + 1)
    count, _ = np.histogram(times, edges)
    ax.stairs(np.sqrt(count), edges, color=style.GREY, linewidth=0.9)
    tau = [fitted["tau_ms"]] + ([fitted["fast_tau_ms"]] if fitted["components"] == 2 else [])
    share = [1 - fitted["fast_share"], fitted["fast_share"]] if fitted["components"] == 2 else [1.0]
    if not fitted["components"]:
        return
    tau, share = np.array(tau, float), np.array(share, float)
    above = share * np.exp(-resolution / tau)
    above /= above.sum()
    beyond = (above * np.exp(-(edges[:, None] - resolution) / tau)).sum(axis=1)
    ax.plot(np.sqrt(edges[1:] * edges[:-1]), np.sqrt(len(times) * -np.diff(beyond)), color=colour, linewidth=1.2)


def describe_dwell_times(table: pd.DataFrame, shown: pd.DataFrame) -> str:
    """Return the text alternative of `dwell_times`."""
    rows = _with_times(table, shown)
    if not rows:
        return f"{NOTHING}: no patch in which one channel alone opened often enough."
    parts = ["Open and closed times in logarithmic bins, with the fitted exponentials."]
    for row in rows:
        own = _of(table, row).set_index("state")
        told = []
        for state in ("open", "closed"):
            fast = f" and {own.loc[state, 'fast_tau_ms']:.3g}" if own.loc[state, "components"] == 2 else ""
            told.append(f"{state} {own.loc[state, 'tau_ms']:.3g}{fast} ms")
        parts.append(f"{row.cell_id} ({row.group}) at {row.level_mv:+g} mV: {', '.join(told)}.")
    return " ".join(parts)


def _with_times(table: pd.DataFrame, shown: pd.DataFrame) -> list:
    """Return the rows whose open and closed times have a fit, the first few."""
    rows = [row for row in shown.itertuples() if (_of(table, row)["components"] > 0).sum() == 2]
    return rows[:MOST_DWELLS]


def _of(table: pd.DataFrame, row) -> pd.DataFrame:
    """Return the rows of a table that are of the same patch and potential."""
    same = (table["cell_id"] == row.cell_id) & (table["level_mv"] == row.level_mv)
    return table[same & (table["group"] == row.group)]


def _panels(shown: pd.DataFrame, height_in: float) -> tuple[style.Picture, Sequence]:
    """Return a figure with a panel for each of the first patches, and (axes, row) of them."""
    rows = list(shown.head(MOST_PATCHES).itertuples())
    columns = min(COLUMNS, max(len(rows), 1))
    lines = max(-(-len(rows) // columns), 1)
    fig, axes = style.figure(2.1 * columns + 0.6, height_in * lines + 0.7, lines, columns, squeeze=False)
    for ax in axes.flat[len(rows) :]:
        ax.set_axis_off()
    panels = list(zip(axes.flat, rows, strict=False))
    for ax, row in panels:
        ax.set_title(f"{row.group}, {row.cell_id}, {row.level_mv:+g} mV", fontsize=7)
        ax.tick_params(labelsize=7)
    return fig, panels


def _drawn(shown: pd.DataFrame, patches: int) -> str:
    drawn = min(len(shown), MOST_PATCHES)
    return f"{drawn} of {patches} patches" if drawn < patches else f"{patches} patches"


def _channels(n: float) -> str:
    return f"{n:.0f} channel{'' if n == 1 else 's'} open at once at most" if n else "no opening found"
