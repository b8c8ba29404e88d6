"""Figures of recordings: current-voltage relations and voltage-dependent block.

Each function takes tables of `mgk.currents` or `mgk.block`, draws a figure and returns it with its text alternative.
Colours stand for concentrations; individual cells are drawn behind their means; what was excluded is grey and dashed.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mgk.block import CellBlock, unblocked_fraction
from mgk.figures import style

CELL_COLUMNS = 4
# Other colours than those of the concentrations, which begin at the start of the palette.
LEVEL_COLOURS = style.PALETTE[4:]


def current_voltage(cells: pd.DataFrame, groups: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the curves of cells and the mean of animals per group, a panel per group.

    Parameters
    ----------
    cells : DataFrame
        Table of `mgk.currents.cell_curves`.
    groups : DataFrame
        Table of `mgk.currents.group_curves`.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    names = list(dict.fromkeys(groups["group"]))
    fig, axes = style.figure(3.6 * len(names) + 1.2, 3.6, 1, len(names), sharey=True, squeeze=False)
    colours = style.colours(sorted(groups["ligand_total_mm"].unique()))
    for axis, name in zip(axes[0], names, strict=True):
        group, members = groups[groups["group"] == name], cells[cells["group"] == name]
        for _, curve in members.groupby("recording_id", sort=False):
            total, excluded = curve[["ligand_total_mm", "excluded"]].iloc[0]
            look = {"color": style.GREY, "ls": "--"} if excluded else {"color": colours[total], "alpha": 0.3}
            axis.plot(curve["membrane_mv"], curve["current_pa"], lw=0.7, **look)
        for total, mean in group.groupby("ligand_total_mm"):
            error = np.abs(mean[["ci_low", "ci_high"]].to_numpy().T - mean["current_pa"].to_numpy())
            label = _concentration(mean["ligand"].iloc[0], mean["ligand_free_mm"].iloc[0])
            axis.errorbar(mean["membrane_mv"], mean["current_pa"], error, fmt="o", color=colours[total], label=label)
        _zero_lines(axis)
        axis.axvline(group["nernst_potassium_mv"].mean(), color=style.GREY, ls=":")
        axis.set(xlabel="Membrane potential (mV)", title=f"{name}\n{_counts(group)}")
    axes[0, 0].set_ylabel("Steady current (pA)")
    _legend(fig, axes)
    text = (
        f"Steady current against membrane potential in {len(names)} panels, {', '.join(names)}; colours are "
        "concentrations of the ligand. Points are means of animals with 95 % intervals, thin lines single cells, "
        "dashed grey lines excluded recordings, the dotted vertical line the Nernst potential of K+. "
        + " ".join(_extreme(groups[groups["group"] == name]) for name in names)
    )
    return fig, text


def magnesium_block(fractions: pd.DataFrame, block: pd.DataFrame, fits: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the unblocked fraction against potential (above) and against free concentration (below), with the fit.

    Parameters
    ----------
    fractions : DataFrame
        Table of `mgk.block.cell_fractions`.
    block : DataFrame
        Table of `mgk.block.block_table`.
    fits : DataFrame
        Table of `mgk.block.block_fits`.
    """
    blocked = block[block["ligand_free_mm"] > 0]
    names = list(dict.fromkeys(blocked["group"]))
    fig, axes = style.figure(3.6 * len(names) + 1.4, 6.4, 2, len(names), sharey=True, squeeze=False)
    by_total = style.colours(sorted(blocked["ligand_total_mm"].unique()))
    parameters = fits[fits["unit_id"] == ""].set_index(["group", "parameter"])["estimate"]
    for name, above, below in zip(names, *axes, strict=True):
        group = blocked[blocked["group"] == name]
        members = fractions[(fractions["group"] == name) & (fractions["ligand_free_mm"] > 0)]
        shared = (
            parameters.get((name, "ki0_mm"), np.nan),
            parameters.get((name, "z_delta"), np.nan),
            group["temperature_c"].mean(),
            group["ligand_side"].iloc[0],
        )
        potentials = np.linspace(group["membrane_mv"].min(), group["membrane_mv"].max(), 200)
        for total, at_total in group.groupby("ligand_total_mm"):
            free = at_total["ligand_free_mm"].iloc[0]
            label = _concentration(at_total["ligand"].iloc[0], free)
            curve = unblocked_fraction(free, potentials, *shared)
            cells = members[members["ligand_total_mm"] == total]
            _means(above, at_total, "membrane_mv", cells, by_total[total], label)
            above.plot(potentials, curve, color=by_total[total])
        levels = _told_levels(group)
        free_axis = np.geomspace(group["ligand_free_mm"].min() / 3, group["ligand_free_mm"].max() * 3, 200)
        for level, colour in zip(levels, LEVEL_COLOURS, strict=False):
            at_level = group[group["level_mv"] == level]
            curve = unblocked_fraction(free_axis, at_level["membrane_mv"].mean(), *shared)
            cells = members[members["level_mv"] == level]
            _means(below, at_level, "ligand_free_mm", cells, colour, f"{level:g} mV")
            below.plot(free_axis, curve, color=colour)
        potassium = group["potassium_external_mm"].mean()
        stated = f", {potassium:.3g} mM external K$^+$" if np.isfinite(potassium) else ""
        above.set(xlabel="Membrane potential (mV)", title=f"{name}{stated}\n{_counts(group)}")
        below.set(xlabel=f"Free {group['ligand'].iloc[0]} (mM)", xscale="log")
        if levels:
            below.legend(loc="lower left")
    for axis in axes[:, 0]:
        axis.set_ylabel("Current, fraction of control")
    axes[0, 0].set_ylim(-0.1, 1.25)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    text = (
        f"Unblocked fraction of the current in {', '.join(names)}: above against potential, a colour per free "
        "concentration; below against free concentration, a colour per potential. Large points are means of animals "
        "with 95 % intervals, small ones single cells, lines the fit of the group. "
        + " ".join(_told_group(parameters, name) for name in names)
    )
    return fig, text


def cell_blocks(fractions: pd.DataFrame, cells: list[CellBlock]) -> tuple[Figure, str]:
    """Draw each cell's currents with its global fit, a panel per cell; excluded cells without a fit."""
    rows = -(-len(cells) // CELL_COLUMNS)
    fig, axes = style.figure(8.4, 1.9 * rows + 0.5, rows, CELL_COLUMNS, sharex=True, squeeze=False)
    colours = style.colours(sorted(fractions["ligand_total_mm"].unique()))
    for axis, cell in zip(axes.flat, cells, strict=False):
        members = fractions[(fractions["group"] == cell.group) & (fractions["cell_id"] == cell.cell_id)]
        for total, points in members.groupby("ligand_total_mm"):
            points = points.sort_values("membrane_mv")
            used, out = points[~points["excluded"]], points[points["excluded"]]
            label = _concentration(points["ligand"].iloc[0], points["ligand_free_mm"].iloc[0])
            axis.plot(used["membrane_mv"], used["current_pa"], "o", ms=2.5, color=colours[total], label=label)
            axis.plot(used["membrane_mv"], used["fitted_pa"], "-", lw=1, color=colours[total])
            axis.plot(out["membrane_mv"], out["current_pa"], "x", ms=3, color=style.GREY)
        _zero_lines(axis)
        axis.set_title(f"{cell.cell_id}\n{_told(cell)}", fontsize=7)
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(cells) :]:
        axis.set_axis_off()
    fig.supxlabel("Membrane potential (mV)", fontsize="medium")
    fig.supylabel("Steady current (pA)", fontsize="medium")
    _legend(fig, axes)
    not_fitted = [cell.cell_id for cell in cells if cell.fit is None]
    text = (
        f"{len(cells)} panels, one per cell: steady current against membrane potential, a colour per concentration, "
        "points measured and lines fitted at once to all of a cell. "
        + (f"Not fitted: {', '.join(not_fitted)}." if not_fitted else "All cells were fitted.")
    )
    return fig, text


def _means(axis, means: pd.DataFrame, x: str, cells: pd.DataFrame, colour, label: str) -> None:
    axis.plot(cells[x], cells["fraction"].where(~cells["excluded"]), ".", ms=3, color=colour, alpha=0.35)
    error = np.abs(means[["ci_low", "ci_high"]].to_numpy().T - means["fraction"].to_numpy())
    axis.errorbar(means[x], means["fraction"], error, fmt="o", color=colour, label=label)


def _told_levels(group: pd.DataFrame) -> list[float]:
    """Choose the lowest, the middle and the highest level at which there is a fraction."""
    levels = sorted(group.loc[group["fraction"].notna(), "level_mv"].unique())
    return sorted({levels[0], levels[len(levels) // 2], levels[-1]}) if levels else []


def _told(cell: CellBlock) -> str:
    if cell.fit is None:
        return cell.ln_ki0.reason
    mark = "" if cell.ln_ki0.verdict == "identified" else f" ({cell.ln_ki0.verdict.replace('_', ' ')})"
    return f"Ki(0) {np.exp(cell.ln_ki0.value):.2f} mM, z$\\delta$ {cell.z_delta.value:.2f}{mark}"


def _told_group(parameters: pd.Series, name: str) -> str:
    ki0, z_delta = (parameters.get((name, parameter), np.nan) for parameter in ("ki0_mm", "z_delta"))
    return f"{name}: Ki(0) {ki0:.2f} mM, z delta {z_delta:.2f}." if ki0 > 0 else f"{name}: Ki(0) not identified."


def _counts(group: pd.DataFrame) -> str:
    excluded = int(group["n_excluded"].max())
    left_out = f"; {excluded} excluded, in part or whole" if excluded else ""
    return f"{group['n_cells'].max()} cells, {group['n_animals'].max()} animals{left_out}"


def _concentration(ligand: str, free_mm: float) -> str:
    return f"{free_mm:.2g} mM free {ligand}" if ligand else "no ligand"


def _extreme(group: pd.DataFrame) -> str:
    control = group[group["ligand_total_mm"] == group["ligand_total_mm"].min()].dropna(subset="current_pa")
    if control.empty:
        return f"{group['group'].iloc[0]}: everything was excluded."
    ends = control.sort_values("membrane_mv").iloc[[0, -1]]
    told = [f"{row['current_pa']:.0f} pA at {row['membrane_mv']:.0f} mV" for _, row in ends.iterrows()]
    return f"{control['group'].iloc[0]}, lowest concentration: {' and '.join(told)}."


def _zero_lines(axis) -> None:
    axis.axhline(0, color=style.GREY, lw=0.5)
    axis.axvline(0, color=style.GREY, lw=0.5)


def _legend(fig: Figure, axes) -> None:
    handles = {label: h for axis in axes.flat for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(handles.values(), handles.keys(), loc="outside right center")
