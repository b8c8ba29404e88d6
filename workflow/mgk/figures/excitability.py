"""Figures of excitability: sweeps with spikes, first spikes, passive responses, firing against current, conditions.

Limits: draws the tables of `mgk.excitability`. Each function returns the figure and its text alternative. Units: mV,
pA, ms, Hz.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mgk.excitability.cells import PARAMETERS, Cell, firing_rate
from mgk.figures import gating, style
from mgk.statistics import summarise_cells

MOST_PANELS, PANELS_A_ROW = 12, 4
# Lowest and highest sample of a bin that are nearer than this are drawn as one.
NEAR_MV = 3.0
# What is drawn of a comparison, by parameter, and its words.
COMPARED = {
    "resting_mv": "resting potential",
    "input_mohm": "input resistance",
    "tau_ms": "time constant",
    "threshold_mv": "threshold",
    "half_width_ms": "half-width",
    "ahp_mv": "after-hyperpolarisation",
    "rheobase_pa": "rheobase",
    "gain_hz_pa": "gain",
    "highest_rate_hz": "highest rate",
}


def sweeps(traces: pd.DataFrame, spikes: pd.DataFrame, cells: list[Cell]) -> tuple[Figure, str]:
    """Draw a panel a cell and condition: its sweeps below 0 pA, the lowest that fires and the largest, with spikes."""
    if not cells:
        return style.nothing("no recording was measured")
    shown = cells[:MOST_PANELS]
    columns = min(PANELS_A_ROW, len(shown))
    rows = -(-len(shown) // columns)
    fig, axes = style.figure(
        2.3 * columns + 0.6, 1.9 * rows + 0.4, rows, columns, squeeze=False, sharex=True, sharey=True
    )
    palette = style.colours(cell.group for cell in cells)
    for ax, cell in zip(axes.flat, shown, strict=False):
        excluded = cell.verdict[0] == "exclude"
        colour = style.GREY if excluded else palette[cell.group]
        for row in _shown_sweeps(cell.sweeps).itertuples():
            own = traces[(traces["recording_id"] == row.recording_id) & (traces["sweep"] == row.sweep)]
            ax.plot(*_line_of(own), lw=0.6, color=colour)
            found = spikes[(spikes["recording_id"] == row.recording_id) & (spikes["sweep"] == row.sweep)]
            ax.plot(found["peak_ms"], found["peak_mv"] + 6, ".", ms=4, color="black")
        ax.set_title(f"{cell.cell_id}, {cell.group}{', excluded' * excluded}", fontsize="small")
    for ax in list(axes.flat)[len(shown) :]:
        ax.set_axis_off()
    fig.supxlabel("Time (ms)", fontsize="medium")
    fig.supylabel("Potential as recorded (mV)", fontsize="medium")
    most = f", of which the first {MOST_PANELS} are drawn" if len(cells) > MOST_PANELS else ""
    counts = "; ".join(
        f"{c.cell_id}, {c.group}: {int(c.sweeps['spike_count'].max())} spikes at most, {_bracket(c)}" for c in shown
    )
    return fig, f"Membrane potential of {len(cells)} cells and conditions{most}, spikes marked. {counts}."


def _line_of(trace: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return time and potential to draw: the extremes of each bin, or their middle where they are near each other."""
    at = (trace["start_ms"] + trace["end_ms"]).to_numpy(float) / 2
    low, high = (trace[name].to_numpy(float) for name in ("low_mv", "high_mv"))
    both = np.stack([low, high], axis=1)
    near = high - low < NEAR_MV
    both[near] = both[near].mean(axis=1, keepdims=True)
    keep = np.stack([np.ones_like(near), ~near], axis=1)
    return np.repeat(at, 2)[keep.ravel()], both.ravel()[keep.ravel()]


def _shown_sweeps(table: pd.DataFrame) -> pd.DataFrame:
    fires = table.loc[table["spike_count"] > 0, "step_pa"]
    levels = {table["step_pa"].max(), *([fires.min()] if len(fires) else [])}
    return table[(table["step_pa"] < 0) | table["step_pa"].isin(levels)]


def _bracket(cell: Cell) -> str:
    if np.isnan(cell.firing_pa):
        return f"none up to {cell.sweeps['step_pa'].max():.4g} pA"
    return f"first at {cell.firing_pa:.4g} pA"


def first_spikes(waveforms: pd.DataFrame, cells: list[Cell]) -> tuple[Figure, str]:
    """Draw the first spike of each cell against time from its threshold, and its slope against the potential."""
    waves = dict(tuple(waveforms.groupby("recording_id")))
    drawn = [(c, waves[c.sweeps["recording_id"].iloc[0]]) for c in cells if _drawable(c, waves)]
    if not drawn:
        return style.nothing("no cell fires")
    fig, (left, right) = style.figure(7.6, 3.4, 1, 2)
    palette, named, thresholds = style.colours(c.group for c in cells), set(), {}
    for cell, own in drawn:
        time, voltage = own["time_ms"].to_numpy(float), own["voltage_mv"].to_numpy(float)
        slope = np.diff(voltage) / np.diff(time)
        colour, label = palette[cell.group], cell.group if cell.group not in named else None
        named.add(cell.group)
        threshold = float(np.interp(0.0, time, voltage))
        thresholds.setdefault(cell.group, []).append(threshold)
        left.plot(time, voltage, lw=0.9, color=colour, label=label, alpha=0.8)
        left.plot(0, threshold, "x", color="black", ms=4)
        right.plot((voltage[1:] + voltage[:-1]) / 2, slope, lw=0.8, color=colour, alpha=0.8)
        right.plot(threshold, np.interp(0.0, (time[1:] + time[:-1]) / 2, slope), "x", color="black", ms=4)
    left.set(xlabel="Time from threshold (ms)", ylabel="Potential as recorded (mV)")
    right.set(xlabel="Potential as recorded (mV)", ylabel="dV/dt (mV/ms)", title="Phase plot")
    left.legend(fontsize="small")
    told = "; ".join(f"{g}: threshold {np.mean(v):.3g} mV in {len(v)} cells" for g, v in thresholds.items())
    return fig, f"First spikes of {len(drawn)} cells, against time and as phase plot. As recorded, {told}."


def _drawable(cell: Cell, waves: dict) -> bool:
    return cell.verdict[0] != "exclude" and cell.sweeps["recording_id"].iloc[0] in waves


def passive(cells: list[Cell]) -> tuple[Figure, str]:
    """Draw the steady deflection over the current with the line of each cell, and the time constant of each step."""
    used = [c for c in cells if c.verdict[0] != "exclude"]
    if not used:
        return style.nothing("no recording passed")
    fig, (left, right) = style.figure(7.6, 3.4, 1, 2)
    palette, told, named = style.colours(c.group for c in cells), [], set()
    single = style.marks_of_units(2 * sum(len(cell.sweeps) for cell in used))
    for cell in used:
        silent = cell.sweeps[cell.sweeps["deflection_mv"].notna()]
        small = cell.small
        look = {"color": palette[cell.group], "alpha": 0.8} | single
        left.plot(silent["step_pa"], silent["deflection_mv"], "o", ms=3.5, mfc="none", **look)
        left.plot(small["step_pa"], small["deflection_mv"], "o", ms=3.5, **look)
        found = cell.estimates["V-I line", "input_mohm"]
        if np.isfinite(found.value) and len(small):
            ends = np.array([small["step_pa"].min(), max(small["step_pa"].max(), 0.0)])
            label = cell.group if cell.group not in named else None
            named.add(cell.group)
            left.plot(ends, 1e-3 * found.value * ends, lw=0.9, color=palette[cell.group], label=label, **single)
            told.append(f"{cell.cell_id}, {cell.group}: {found.value:.3g} MOhm")
        taus = small[small["tau_ms"].notna()]
        right.plot(taus["step_pa"], taus["tau_ms"], "o-", ms=3.5, lw=0.6, **look)
    left.set(xlabel="Step of current (pA)", ylabel="Steady change of potential (mV)")
    right.set(xlabel="Step of current (pA)", ylabel="Time constant (ms)")
    right.set_ylim(bottom=0)
    if named:
        left.legend(fontsize="small")
    return fig, f"Passive responses of {len(used)} cells and conditions. Input resistance, {'; '.join(told)}."


def firing(cells: list[Cell]) -> tuple[Figure, str]:
    """Draw the rate of firing against the current: cells thin, mean of animals thick, rheobase as triangles."""
    used = [c for c in cells if c.verdict[0] != "exclude"]
    if not used:
        return style.nothing("no recording passed")
    groups = list(dict.fromkeys(c.group for c in used))
    fig, axes = style.figure(3.4 * len(groups) + 0.6, 3.4, 1, len(groups), squeeze=False, sharex=True, sharey=True)
    palette, told = style.colours(c.group for c in cells), []
    single = style.marks_of_units(sum(len(cell.sweeps) for cell in used))
    for ax, group in zip(axes[0], groups, strict=True):
        own, colour = [c for c in used if c.group == group], palette[group]
        for cell in own:
            by_step = cell.sweeps.groupby("step_pa")["firing_rate_hz"].mean()
            ax.plot(by_step.index, by_step, "o-", ms=2.5, lw=0.6, color=colour, alpha=0.5, **single)
            if cell.fit is not None:
                at = np.linspace(*cell.line_pa, 100)
                fitted = firing_rate(at, np.exp(cell.fit.estimates["ln_gain"]), cell.fit.estimates["onset"])
                ax.plot(at, fitted, ":", lw=0.8, color="black", alpha=0.6, **single)
        _means(ax, own, colour)
        told.append(f"{group}: {_told_rheobases(ax, own, colour)}")
        animals = len({c.animal_id for c in own})
        ax.set(title=f"{group}\n{style.cells_and_animals(len(own), animals)}", xlabel="Step of current (pA)")
    axes[0, 0].set_ylabel("Spikes per second of the step (Hz)")
    return fig, f"Rate of firing against the current of the step, with threshold-linear fits. {'. '.join(told)}."


def _means(ax, cells: list[Cell], colour: str) -> None:
    table = pd.concat([c.sweeps[["step_pa", "firing_rate_hz"]].assign(animal=c.animal_id) for c in cells])
    for step, at in table.groupby("step_pa"):
        mean = summarise_cells(at["firing_rate_hz"], at["animal"])
        half = mean.ci_high - mean.estimate
        ax.errorbar(step, mean.estimate, yerr=half if half > 0 else None, fmt="s", ms=5, lw=1.4, color=colour)


def _told_rheobases(ax, cells: list[Cell], colour: str) -> str:
    """Mark the rheobase of each cell below the axis, and return the numbers in words."""
    values = np.array([c.estimates["rheobase", "rheobase_pa"].value for c in cells])
    silent = [c.silent_pa for c in cells if np.isnan(c.firing_pa)]
    height = -0.04 * max(max(c.sweeps["firing_rate_hz"].max() for c in cells), 1.0)
    ax.plot(values, np.full(values.size, height), "^", ms=5, color=colour, mec="black", mew=0.4, clip_on=False)
    ax.plot(silent, np.full(len(silent), height), ">", ms=6, color=colour, mec="black", mew=0.4, clip_on=False)
    known = values[np.isfinite(values)]
    words = f"rheobase {known.min():.3g} to {known.max():.3g} pA in {known.size} cells" if known.size else "none fires"
    return f"{words}, {len(silent)} above the largest step" if silent else words


def comparison(comparisons: pd.DataFrame, fits: pd.DataFrame, owners: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the comparisons of `COMPARED`, as `mgk.figures.gating.comparison` does."""
    shown = comparisons[comparisons["quantity"].isin(list(COMPARED)) & comparisons["difference"].notna()]
    order = {name: i for i, (_, name) in enumerate(PARAMETERS)}
    shown = shown.sort_values("quantity", key=lambda q: q.map(order), kind="stable")
    return gating.comparison(shown, fits, owners, COMPARED)
