"""Figures of recordings: current-voltage relations.

Each function takes tables of `mgk.currents`, draws a figure and returns it with its text alternative. Block has
`mgk.figures.block`.
Colours stand for concentrations; individual cells are drawn behind their means; what was excluded is grey and dashed.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mgk.figures import style

# An interval that reaches farther beyond the currents than this times their range is cut.
LONGEST_INTERVAL = 1.0


def current_voltage(cells: pd.DataFrame, groups: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the curves of cells and the mean of animals, a column of panels a group and a row a window.

    Parameters
    ----------
    cells : DataFrame
        Table of `mgk.currents.cell_curves`, of one window or of several.
    groups : DataFrame
        Table of `mgk.currents.group_curves`, of the same.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    names, windows = (list(dict.fromkeys(groups[c])) for c in ("group", "window"))
    shape = len(windows), len(names)
    fig, axes = style.figure(3.6 * shape[1] + 1.2, 0.6 + 3.0 * shape[0], *shape, sharey="row", squeeze=False)
    colours = style.colours(sorted(groups["ligand_total_mm"].unique()))
    for row, window in zip(axes, windows, strict=True):
        for axis, name in zip(row, names, strict=True):
            of = [table[(table["group"] == name) & (table["window"] == window)] for table in (cells, groups)]
            _relation(axis, *of, colours, style.marks_of_units(len(cells)))
            if window == windows[0]:
                axis.set_title(f"{name}\n{counts(of[1])}")
        row[0].set_ylabel(f"{window.capitalize()} current (pA)")
    for axis in axes[-1]:
        axis.set_xlabel("Membrane potential (mV)")
    by_window = [[table[table["window"] == window] for table in (cells, groups)] for window in windows]
    cut = [_keep_in_view(row, *tables) for row, tables in zip(axes, by_window, strict=True)]
    legend(fig, axes)
    first = groups[groups["window"] == windows[0]]
    known = groups["nernst_potassium_mv"].notna().any()
    nernst = ", the dotted vertical line the Nernst potential of K+" if known else ""
    text = (
        f"Current against membrane potential, in columns of panels {', '.join(names)}, in rows the windows "
        f"{', '.join(windows)}; colours are concentrations of the ligand. Points are means of animals with 95 % "
        f"intervals, thin lines single cells, dashed grey lines excluded recordings{nernst}. "
    )
    if _of_fewer(groups).any():
        text += "Hollow points are means of fewer cells than the others of their relation. "
    if any(cut):
        text += "Intervals much longer than the relation run out of the picture; the tables have them. "
    text += " ".join(_extreme(first[first["group"] == name]) for name in names)
    return fig, text


def _relation(axis, members: pd.DataFrame, group: pd.DataFrame, colours: dict, single: dict) -> None:
    for _, curve in members.groupby("recording_id", sort=False):
        total, excluded = curve[["ligand_total_mm", "excluded"]].iloc[0]
        look = {"color": style.GREY, "ls": "--"} if excluded else {"color": colours[total], "alpha": 0.3}
        axis.plot(curve["membrane_mv"], curve["current_pa"], lw=0.7, **look, **single)
    for total, mean in group.groupby("ligand_total_mm"):
        error = np.abs(mean[["ci_low", "ci_high"]].to_numpy().T - mean["current_pa"].to_numpy())
        label = concentration(mean["ligand"].iloc[0], mean["ligand_free_mm"].iloc[0])
        axis.errorbar(mean["membrane_mv"], mean["current_pa"], error, fmt="o", color=colours[total], label=label)
        fewer = mean[_of_fewer(mean)]
        if len(fewer):
            hollow = {"mec": colours[total], "mfc": "white", "label": "of fewer cells"}
            axis.plot(fewer["membrane_mv"], fewer["current_pa"], "o", zorder=3, **hollow)
    zero_lines(axis)
    axis.axvline(group["nernst_potassium_mv"].mean(), color=style.GREY, ls=":")


def _of_fewer(groups: pd.DataFrame) -> pd.Series:
    """Tell which means are of fewer cells than others of the same relation: at levels that not every cell was given."""
    most = groups.groupby(["window", "group", "ligand_total_mm"])["n_cells"].transform("max")
    return (groups["n_cells"] > 0) & (groups["n_cells"] < most)


def _keep_in_view(row, cells: pd.DataFrame, groups: pd.DataFrame) -> bool:
    """Keep the currents of a row of panels in view where the interval of few animals is several times as long.

    Returns whether an interval is cut.
    """
    currents = pd.concat([cells["current_pa"], groups["current_pa"]]).dropna()
    if currents.empty:
        return False
    low, high = currents.min(), currents.max()
    room = LONGEST_INTERVAL * (high - low)
    ends = groups[["ci_low", "ci_high"]]
    cut = bool((ends["ci_low"] < low - room).any() or (ends["ci_high"] > high + room).any())
    if cut:
        row[0].set_ylim(max(low - room, ends["ci_low"].min()), min(high + room, ends["ci_high"].max()))
    return cut


def counts(group: pd.DataFrame) -> str:
    """Return the n of a group in words."""
    excluded = int(group["n_excluded"].max())
    left_out = f"; {excluded} excluded, in part or whole" if excluded else ""
    return f"{style.cells_and_animals(group['n_cells'].max(), group['n_animals'].max())}{left_out}"


def concentration(ligand: str, free_mm: float) -> str:
    """Return the label of a concentration."""
    return f"{free_mm:.2g} mM free {ligand}" if ligand else "no ligand"


def _extreme(group: pd.DataFrame) -> str:
    control = group[group["ligand_total_mm"] == group["ligand_total_mm"].min()].dropna(subset="current_pa")
    if control.empty:
        return f"{group['group'].iloc[0]}: everything was excluded."
    ends = control.sort_values("membrane_mv").iloc[[0, -1]]
    told = [f"{row['current_pa']:.0f} pA at {row['membrane_mv']:.0f} mV" for _, row in ends.iterrows()]
    return f"{control['group'].iloc[0]}, lowest concentration: {' and '.join(told)}."


def zero_lines(axis) -> None:
    """Draw the lines of no current and no potential."""
    axis.axhline(0, color=style.GREY, lw=0.5)
    axis.axvline(0, color=style.GREY, lw=0.5)


def legend(fig: Figure, axes) -> None:
    """Draw one legend beside all axes."""
    handles = {label: h for axis in axes.flat for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(handles.values(), handles.keys(), loc="outside right center")
