"""Figures of relaxation after mixing: transients with their fits, and observed rates against the concentration.

Limits: draws the tables of `mgk.relaxation`. Units: ms, 1/s, mM, signal in V or a.u.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mgk.figures import style
from mgk.relaxation.dependence import PHASES, hyperbola, model_name
from mgk.relaxation.exponentials import Relaxation
from mgk.relaxation.shots import in_window

# Samples are drawn as means of this many bins, equal in the logarithm of time.
BINS = 60
MOST_PANELS = 6
CURVE = 120


def transients(samples: pd.DataFrame, fits: Mapping[str, Relaxation], settings: Mapping) -> style.Picture:
    """Return a column a preparation: its transients with the fits that were taken, and what these leave below.

    Parameters
    ----------
    samples : DataFrame
        Table of `load_transients`.
    fits : mapping
        Fits by transient_id.
    settings : mapping
        The experiment of config.yaml.
    """
    seen = samples[in_window(samples["time_ms"], settings)]
    cells = list(dict.fromkeys(seen["cell_id"]))[:MOST_PANELS]
    columns = max(len(cells), 1)
    fig, axes = style.figure(
        2.7 * columns + 1.4, 4.6, 2, columns, squeeze=False, sharex=True, sharey="row",
        gridspec_kw={"height_ratios": [2.2, 1]},
    )  # fmt: skip
    palette = style.colours(sorted(seen["ligand_free_mm"].unique()))
    for (top, below), cell in zip(axes.T, cells, strict=False):
        of_cell = seen[seen["cell_id"] == cell]
        for name, transient in of_cell.groupby("transient_id", sort=False):
            fit, colour = fits[name].chosen, palette[transient["ligand_free_mm"].iloc[0]]
            time = transient["time_ms"].to_numpy(float)
            end = fit.estimates["end"]
            t, (signal, left) = _binned(time, transient["signal"].to_numpy(float) - end, fit.residuals)
            top.plot(t, signal, ".", markersize=2.5, color=colour)
            at = np.geomspace(max(time[0], 1e-3), time[-1], CURVE)
            # The line of the drift counts from the first sample of the window.
            top.plot(at, fit.predict(np.concatenate([[time[0]], at]) / 1000)[1:] - end, color=colour, linewidth=1)
            below.plot(t, left, ".", markersize=2.5, color=colour)
        n = int(of_cell.drop_duplicates("transient_id")["n_shots"].sum())
        top.set_title(f"{cell}, {n} shots")
        below.axhline(0, color=style.GREY, linewidth=0.6)
        below.set_xscale("log")
    unit = seen["unit"].iloc[0] if len(seen) else "V"
    axes[0, 0].set_ylabel(f"F - F_end ({unit})")
    axes[1, 0].set_ylabel(f"Residual ({unit})")
    fig.supxlabel("Time after mixing (ms)")
    lines = [axes[0, 0].plot([], [], ".-", color=c)[0] for c in palette.values()]
    fig.legend(lines, [f"{mm:.3g}" for mm in palette], title="Free (mM)", loc="outside right center")
    return fig


def _binned(time: np.ndarray, *values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the mean time of each bin that holds samples, and the means of each of the values."""
    edges = np.geomspace(max(time[0], 1e-3), time[-1], BINS + 1)[1:-1]
    place = np.searchsorted(edges, time, side="right")
    n = np.bincount(place, minlength=BINS)
    kept = n > 0
    means = [np.bincount(place, weights=v, minlength=BINS)[kept] / n[kept] for v in (time, *values)]
    return means[0], means[1:]


def describe_transients(samples: pd.DataFrame, rates: pd.DataFrame) -> str:
    """Return the text alternative of `transients`."""
    cells = samples["cell_id"].nunique()
    two = int((rates["exponentials"] == 2).sum())
    separable = int(rates["k_fast"].notna().sum())
    shown = f", of which the first {MOST_PANELS} are drawn" if cells > MOST_PANELS else ""
    return (
        f"Mean fluorescence after mixing of {len(rates)} transients of {cells} preparations{shown}, with fits and "
        f"residuals. Two exponentials are taken in {two}, their rates separable in {separable}. Noise of a mean, "
        f"median: {rates['noise'].median():.3g} {rates['unit'].iloc[0] if len(rates) else ''}."
    )


def rates(table: pd.DataFrame, fits: pd.DataFrame) -> style.Picture:
    """Return a panel a phase: observed rates against the free concentration, with the hyperbolas.

    Parameters
    ----------
    table, fits : DataFrame
        rates.csv and fits.csv.
    """
    fig, axes = style.figure(7.6, 3.6, 1, 2)
    palette = style.colours(table["group"])
    positive = table.loc[table["ligand_free_mm"] > 0, "ligand_free_mm"]
    has_zero = bool((table["ligand_free_mm"] == 0).any())
    low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 1.0)
    at = np.geomspace(low, high, CURVE)
    ligand = table["ligand"].iloc[0] if len(table) else "ligand"
    for ax, phase in zip(axes, PHASES, strict=True):
        for group, points in table.groupby("group", sort=False):
            found = points[points[f"k_{phase}"].notna()]
            k = found[f"k_{phase}"].to_numpy(float)
            reach = np.abs([k - found[f"k_{phase}_ci_low"], found[f"k_{phase}_ci_high"] - k])
            style_of = {"fmt": "o", "markersize": 4, "elinewidth": 0.8, "alpha": 0.8, "color": palette[group]}
            ax.errorbar(found["ligand_free_mm"], k, yerr=reach, label=group, **style_of)
            single = points[points["k_single"].notna()]
            ax.plot(single["ligand_free_mm"], single["k_single"], "x", color=style.GREY)
            _curves(ax, fits[fits["group"] == group], phase, at, palette[group])
        ax.set_xscale("symlog", linthresh=low) if has_zero else ax.set_xscale("log")
        ax.set(xlabel=f"Free {ligand} (mM)", ylabel="k_obs (1/s)", title=f"{phase.capitalize()} phase")
        ax.set_ylim(bottom=0)
    if len(palette) > 1:
        axes[0].legend()
    return fig


def _curves(ax, fits: pd.DataFrame, phase: str, at: np.ndarray, colour: str) -> None:
    """Draw the hyperbola of each preparation thin, that of the group thick."""
    of_phase = fits[fits["model"] == model_name(phase)]
    for unit, rows in of_phase.groupby("unit_id"):
        found = rows.set_index("parameter")["estimate"]
        if np.isfinite(found.to_numpy(float)).all():
            curve = hyperbola(at, found["k0"], found["k_saturating"], np.log(found["k_half"]))
            ax.plot(at, curve, color=colour, linewidth=0.7 if unit else 2.2, alpha=0.6 if unit else 1.0)


def describe_rates(table: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Return the text alternative of `rates`."""
    parts = ["Observed rates of the fast and slow phase against the free concentration, with hyperbolas."]
    of_groups = fits[(fits["unit_id"] == "") & fits["parameter"].isin(["k_saturating", "k_half"])]
    for row in of_groups.itertuples():
        name = {"k_saturating": "saturating rate", "k_half": "half-saturation"}[row.parameter]
        interval = f"95 % interval {row.ci_low:.3g} to {row.ci_high:.3g}, " if np.isfinite(row.ci_low) else ""
        parts.append(
            f"{row.group}, {row.model.removeprefix('hyperbola, ')}: {name} {row.estimate:.3g} {row.unit}, "
            f"{interval}{row.n_animals} animals, {row.verdict.replace('_', ' ')}."
        )
    left = int(table["k_fast"].isna().sum())
    return " ".join([*parts, f"{left} of {len(table)} transients without two separable rates."])
