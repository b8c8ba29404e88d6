"""Figures of gating by voltage, and of the comparison of conditions.

Each function takes tables of `mgk.gating` or `mgk.statistics`, draws a figure and returns it with its text alternative.
Small points are cells, large ones animals or their means; a figure without anything to draw says why.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from mgk.figures import style
from mgk.gating import boltzmann
from mgk.statistics import summarise_cells

TITLES = {
    "boltzmann_activation": ("Activation", "Current, fraction of all open"),
    "boltzmann_tail": ("Activation, tail currents", "Tail current, fraction"),
    "boltzmann_inactivation": ("Steady-state inactivation", "Test current, fraction"),
}
NAMES = {
    "v_half_mv": "V1/2", "k_mv": "k", "gmax_ns": "Gmax", "reversal_mv": "reversal potential",
    "slope_conductance_ns": "slope conductance",
}  # fmt: skip
MODELS = {"boltzmann_tail": ", tails"}
PANELS_A_ROW = 3


def gating(curves: pd.DataFrame, fits: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the open (or available) fraction against potential, a panel a model and a colour a group.

    Parameters
    ----------
    curves, fits : DataFrame
        Tables of `mgk.gating.fit_cells`.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    models = [m for m in TITLES if m in set(curves["model"])]
    if not models:
        return style.nothing("no fit of gating by voltage was asked for in this experiment")
    fig, axes = style.figure(4.2 * len(models) + 1.2, 3.8, 1, len(models), squeeze=False)
    colours = style.colours(curves["group"])
    shared = fits[fits["unit_id"] == ""].set_index(["model", "group", "parameter"])
    told, single = [], style.marks_of_units(len(curves))
    for axis, model in zip(axes[0], models, strict=True):
        title, label = TITLES[model]
        for group, of in curves[curves["model"] == model].groupby("group", sort=False):
            used = of[~of["excluded"] & of["fraction"].notna()]
            axis.plot(used["membrane_mv"], used["fraction"], ".", ms=3, color=colours[group], alpha=0.4, **single)
            means = _level_means(used, "fraction")
            error = np.abs(means[["ci_low", "ci_high"]].to_numpy().T - means["fraction"].to_numpy())
            axis.errorbar(means["membrane_mv"], means["fraction"], error, fmt="o", color=colours[group], label=group)
            rows = [shared.loc[(model, group, name)] for name in ("v_half_mv", "k_mv")]
            v_half, k = (row["estimate"] for row in rows)
            if np.isfinite(v_half) and len(used):
                x = np.linspace(used["membrane_mv"].min(), used["membrane_mv"].max(), 200)
                open_fraction = boltzmann(x, v_half, k)
                axis.plot(x, 1 - open_fraction if "inactivation" in model else open_fraction, color=colours[group])
                axis.axvline(v_half, color=colours[group], lw=0.7, ls=":")
            n = style.cells_and_animals(rows[0]["n_cells"], rows[0]["n_animals"])
            told.append(f"{title}, {group}: V1/2 {_number(v_half, ' mV')}, k {_number(k, ' mV')} ({n}).")
        of_what = "Prepulse" if "inactivation" in model else "Membrane"
        axis.set(xlabel=f"{of_what} potential (mV)", ylabel=label, title=title, ylim=(-0.2, 1.3))
        axis.axhline(0, color=style.GREY, lw=0.5)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    text = (
        f"Fraction of the current against membrane potential in {len(models)} panels, a colour a condition. Large "
        "points are means of animals with 95 % intervals, small ones cells, lines the Boltzmann curve at the V1/2 "
        "(dotted) and k of the group. " + " ".join(told)
    )
    return fig, text


def _level_means(used: pd.DataFrame, column: str, log: bool = False) -> pd.DataFrame:
    rows = []
    for _, at in used.groupby("level_mv"):
        cells = at.groupby(["cell_id", "animal_id"])[column].mean().reset_index()
        mean = summarise_cells(cells[column], cells["animal_id"], log=log)
        rows.append((at["membrane_mv"].mean(), mean.estimate, mean.ci_low, mean.ci_high))
    return pd.DataFrame(rows, columns=["membrane_mv", column, "ci_low", "ci_high"])


def time_constants(table: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the time constant against potential: cells (small), geometric means of animals (large), a colour a group.

    Parameters
    ----------
    table : DataFrame
        Table of `mgk.measured_currents.load_time_constants`.
    """
    if table.empty:
        return style.nothing("no window kinetics was asked for in this experiment")
    used = table[~table["excluded"] & table["tau_ms"].notna()]
    if used.empty:
        return style.nothing("no sweep has a time constant; time_constants.csv says why")
    fig, axis = style.figure(6.4, 3.8)
    colours = style.colours(table["group"])
    told, single = [], style.marks_of_units(len(used))
    for group, of in used.groupby("group", sort=False):
        axis.plot(of["membrane_mv"], of["tau_ms"], ".", ms=3, color=colours[group], alpha=0.4, **single)
        means = _level_means(of, "tau_ms", log=True)
        error = np.abs(means[["ci_low", "ci_high"]].to_numpy().T - means["tau_ms"].to_numpy())
        n = style.cells_and_animals(of["cell_id"].nunique(), of["animal_id"].nunique())
        label = f"{group} ({n})"
        axis.errorbar(means["membrane_mv"], means["tau_ms"], error, fmt="o-", lw=1, color=colours[group], label=label)
        ends = " and ".join(
            f"{row.tau_ms:.2g} ms at {_number(round(row.membrane_mv))} mV" for row in means.iloc[[0, -1]].itertuples()
        )
        told.append(f"{label}: {ends}.")
    # An interval of two animals may be without bounds in practice; the axis is that of the cells.
    axis.set_ylim(used["tau_ms"].min() / 2, used["tau_ms"].max() * 2)
    axis.set(xlabel="Membrane potential (mV)", ylabel="Time constant (ms)", yscale="log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
    axis.legend()
    text = (
        "Time constant of the current after a step against membrane potential, a colour a condition; large points are "
        "geometric means of animals with 95 % intervals, small ones cells. " + " ".join(told)
    )
    return fig, text


def comparison(
    comparisons: pd.DataFrame, fits: pd.DataFrame, cells: pd.DataFrame, names: Mapping[str, str] = NAMES
) -> tuple[Figure, str]:
    """Draw each comparison: cells (small), animals (large, joined where they are in both groups), difference, p.

    Parameters
    ----------
    comparisons : DataFrame
        Table of `mgk.statistics.compare_fits`.
    fits : DataFrame
        fits.csv.
    cells : DataFrame
        Indexed by unit_id, with animal_id.
    names : mapping
        The words for parameters.
    """
    if comparisons.empty:
        return style.nothing("fewer than two conditions with a quantity of their own")
    rows = -(-len(comparisons) // PANELS_A_ROW)
    columns = min(PANELS_A_ROW, len(comparisons))
    fig, axes = style.figure(2.9 * columns + 0.4, 3.1 * rows, rows, columns, squeeze=False)
    colours = style.colours(sorted(cells["animal_id"].unique()))
    told = []
    # An animal, with lines and markers of its own, takes as much of a file as ten points.
    single = style.marks_of_units(len(comparisons) * (len(cells) + 10 * cells["animal_id"].nunique()))
    for axis, (_, row) in zip(axes.flat, comparisons.iterrows(), strict=False):
        groups = (row["group_a"], row["group_b"])
        of = fits[(fits["unit_id"] != "") & (fits["model"] == row["model"]) & (fits["parameter"] == row["quantity"])]
        of = of[of["group"].isin(groups) & (of["verdict"] != "not_identified")]
        of = of.assign(animal=of["unit_id"].map(cells["animal_id"]), place=of["group"].map(groups.index))
        of["shift"] = of.groupby(["animal", "group"]).cumcount() * 0.06 - 0.03
        for animal, own in of.groupby("animal"):
            look = {"color": colours[animal]} | single
            axis.plot(own["place"] + own["shift"] + 0.14, own["estimate"], "o", ms=3, alpha=0.5, **look)
            means = own.groupby("place")["estimate"].apply(_mean(row["scale"]))
            axis.plot(means.index, means, "o-", ms=8, lw=1, mec="white", **look)
        quantity = names.get(row["quantity"], row["quantity"]) + MODELS.get(row["model"], "")
        title, sentence = _told_comparison(row, quantity)
        axis.set_title(title, fontsize="small")
        axis.set(ylabel=f"{quantity} ({of['unit'].iloc[0]})" if len(of) else quantity, xlim=(-0.5, 1.6))
        axis.set_xticks([0, 1], [name.replace(", ", ",\n") for name in groups], fontsize="small")
        told.append(sentence)
    for axis in list(axes.flat)[len(comparisons) :]:
        axis.set_axis_off()
    text = (
        f"{len(comparisons)} panels, one a comparison: small points are cells, large ones means of animals, a colour "
        "an animal, joined where the animal is in both groups. " + " ".join(told)
    )
    return fig, text


def _mean(scale: str):
    return (lambda values: np.exp(np.log(values).mean())) if scale == "ratio" else "mean"


def _told_comparison(row: pd.Series, quantity: str) -> tuple[str, str]:
    unit = "" if row["scale"] == "ratio" else f" {row['unit']}"
    limits = [row["ci_low"], row["ci_high"]]
    interval = f" [{', '.join(map(_number, limits))}]" if np.isfinite(limits).all() else ""
    size = f"{row['scale']} {_number(row['difference'])}{interval}{unit}"
    p = f"p {row['p']:.2g}, Holm {row['p_holm']:.2g}" if np.isfinite(row["p"]) else "no test"
    n = style.cells_and_animals(row["n_cells"], row["n_animals"])
    return f"{size}\n{p}; {n}", f"{quantity}, {row['group_a']} and {row['group_b']}: {size}, {p}, {n}."


def _number(value: float, unit: str = "") -> str:
    return f"{value:.3g}{unit}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "not known"
