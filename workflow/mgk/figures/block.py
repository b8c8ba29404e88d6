"""Figures of voltage-dependent block: fractional inhibition, each cell with its fit, the profile of one cell.

Each function takes tables or cells of `mgk.block`, draws a figure and returns it with its text alternative. Colours
stand for concentrations; individual cells are drawn behind their means; what was excluded is grey.
"""

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.figure import Figure

from mgk.block import CellBlock, group_parameters, likelihood_profile, unblocked_fraction
from mgk.figures import style
from mgk.figures.recordings import concentration, counts, legend, zero_lines

CELL_COLUMNS, MOST_CELLS = 4, 24
# Other colours than those of the concentrations, which begin at the start of the palette.
LEVEL_COLOURS = style.PALETTE[4:]


def magnesium_block(fractions: pd.DataFrame, block: pd.DataFrame, fits: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the fractional inhibition against potential (above) and against free concentration (below), with the fit.

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
    parameters = group_parameters(fits)
    levels = _told_levels(blocked)
    single = style.marks_of_units(2 * len(fractions))
    for name, above, below in zip(names, *axes, strict=True):
        group = blocked[blocked["group"] == name]
        members = fractions[(fractions["group"] == name) & (fractions["ligand_free_mm"] > 0)]
        shared = {"temperature_c": group["temperature_c"].mean(), "side": group["ligand_side"].iloc[0]}
        shared |= parameters[name]
        potentials = np.linspace(group["membrane_mv"].min(), group["membrane_mv"].max(), 200)
        for total, at_total in group.groupby("ligand_total_mm"):
            free = at_total["ligand_free_mm"].iloc[0]
            label = concentration(at_total["ligand"].iloc[0], free)
            curve = 1 - unblocked_fraction(free, potentials, **shared)
            cells = members[members["ligand_total_mm"] == total]
            _means(above, at_total, "membrane_mv", cells, by_total[total], label, single)
            above.plot(potentials, curve, color=by_total[total])
        free_axis = np.geomspace(group["ligand_free_mm"].min() / 3, group["ligand_free_mm"].max() * 3, 200)
        for level, colour in zip(levels, LEVEL_COLOURS, strict=False):
            at_level = group[group["level_mv"] == level]
            curve = 1 - unblocked_fraction(free_axis, at_level["membrane_mv"].mean(), **shared)
            cells = members[members["level_mv"] == level]
            _means(below, at_level, "ligand_free_mm", cells, colour, f"{level:g} mV", single)
            below.plot(free_axis, curve, color=colour)
        potassium = group["potassium_external_mm"].mean()
        stated = f", {potassium:.3g} mM external K$^+$" if np.isfinite(potassium) else ""
        above.set(xlabel="Membrane potential (mV)")
        above.set_title(f"{name}{stated}\n{counts(group)}", fontsize="medium")
        below.set(xlabel=f"Free {group['ligand'].iloc[0]} (mM)", xscale="log")
    for axis in axes[:, 0]:
        axis.set_ylabel("Fractional inhibition, 1 $-$ I/I$_0$")
    axes[0, 0].set_ylim(-0.25, 1.1)
    for row in axes:
        handles = {label: h for axis in row for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        row[-1].legend(handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1, 0.5))
    text = (
        f"Fractional inhibition of the current in {', '.join(names)}: above against potential, a colour per free "
        "concentration; below against free concentration, a colour per potential. Large points are means of animals "
        "with 95 % intervals, small ones single cells, lines the fit of the group. "
        + " ".join(_told_group(name, **parameters[name]) for name in names)
    )
    return fig, text


def cell_blocks(fractions: pd.DataFrame, cells: list[CellBlock]) -> tuple[Figure, str]:
    """Draw each cell's currents with its global fit, a panel per cell; excluded cells without a fit.

    Of more cells than fit on a page, those whose Ki(0) is not simply identified come first.
    """
    left_out = max(len(cells) - MOST_CELLS, 0)
    if left_out:
        cells = sorted(cells, key=lambda cell: cell.ln_ki0.verdict == "identified")[:MOST_CELLS]
    rows = -(-len(cells) // CELL_COLUMNS)
    fig, axes = style.figure(8.4, 1.9 * rows + 0.5, rows, CELL_COLUMNS, sharex=True, squeeze=False)
    colours = style.colours(sorted(fractions["ligand_total_mm"].unique()))
    for axis, cell in zip(axes.flat, cells, strict=False):
        members = fractions[(fractions["group"] == cell.group) & (fractions["cell_id"] == cell.cell_id)]
        for total, points in members.groupby("ligand_total_mm"):
            points = points.sort_values("membrane_mv")
            used, out = points[~points["excluded"]], points[points["excluded"]]
            label = concentration(points["ligand"].iloc[0], points["ligand_free_mm"].iloc[0])
            axis.plot(used["membrane_mv"], used["current_pa"], "o", ms=2.5, color=colours[total], label=label)
            axis.plot(used["membrane_mv"], used["fitted_pa"], "-", lw=1, color=colours[total])
            axis.plot(out["membrane_mv"], out["current_pa"], "x", ms=3, color=style.GREY)
        zero_lines(axis)
        axis.set_title(f"{cell.cell_id}\n{_told(cell)}", fontsize=7)
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(cells) :]:
        axis.set_axis_off()
    fig.supxlabel("Membrane potential (mV)", fontsize="medium")
    fig.supylabel("Steady current (pA)", fontsize="medium")
    legend(fig, axes)
    if left_out:
        fig.suptitle(f"{len(cells)} of {len(cells) + left_out} cells, those that are not identified first", fontsize=9)
    not_fitted = [cell.cell_id for cell in cells if cell.fit is None]
    text = (
        f"{len(cells)} panels, one per cell: steady current against membrane potential, a colour per concentration, "
        "points measured and lines fitted at once to all of a cell. "
        + (f"Not fitted: {', '.join(not_fitted)}." if not_fitted else "All cells were fitted.")
        + (f" {left_out} further cells are not drawn." if left_out else "")
    )
    return fig, text


def cell_profile(cells: list[CellBlock]) -> tuple[Figure, str]:
    """Draw the profile likelihood of Ki(0) and z delta of one cell, that with the widest interval of Ki(0)."""
    fig, axes = style.figure(7.2, 3.0, 1, 2, sharey=True)
    fitted = [cell for cell in cells if cell.ln_ki0.se > 0 and cell.z_delta.se > 0]
    if not fitted:
        axes[0].set_title("no cell has a profile")
        return fig, "Empty: no cell was fitted, so that none has a profile likelihood."
    cell = max(fitted, key=lambda cell: cell.ln_ki0.ci_high - cell.ln_ki0.ci_low)
    for axis, name, label in zip(axes, ("ln_ki0", "z_delta"), ("Ki(0) (mM)", "z$\\delta$"), strict=True):
        profile, estimate = likelihood_profile(cell, name), cell.fit.parameters[name]
        seen, ends = profile["value"], np.array([estimate.ci_low, estimate.ci_high])
        if name == "ln_ki0":
            seen, ends = np.exp(seen), np.exp(ends)
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:.3g}"))
            axis.xaxis.set_minor_formatter(ticker.StrMethodFormatter("{x:.3g}"))
        axis.plot(seen, profile["parabola"], "--", color=style.GREY, label="Gauss-Newton")
        axis.plot(seen, profile["f"], color=style.PALETTE[0], label="profile")
        axis.axhline(profile["threshold"].iloc[0], color=style.PALETTE[1], lw=0.8, label="95 % limit")
        axis.vlines(ends[np.isfinite(ends)], 0, profile["threshold"].iloc[0], color=style.PALETTE[1], ls=":")
        axis.set(xlabel=label, ylim=(0, 3 * profile["threshold"].iloc[0]))
    axes[0].set_ylabel("(rss(profile) $-$ rss) / s$^2$")
    axes[1].legend(loc="upper center")
    axes[0].set_title(f"{cell.cell_id} (one cell)", loc="left")
    ki0, z_delta = cell.ln_ki0.exp(), cell.z_delta
    text = (
        f"Profile likelihood of one cell, {cell.cell_id}: how much the residual sum of squares rises, in units of the "
        "residual variance, when Ki(0) (left) or z delta (right) is held beside its estimate; the parabola of the "
        "standard error is dashed, the limit of the 95 % interval a horizontal line. "
        f"Ki(0) {ki0.value:.3g} mM [{ki0.ci_low:.3g}, {ki0.ci_high:.3g}], {ki0.verdict.replace('_', ' ')}; "
        f"z delta {z_delta.value:.3g} [{z_delta.ci_low:.3g}, {z_delta.ci_high:.3g}], "
        f"{z_delta.verdict.replace('_', ' ')}."
    )
    return fig, text


def _means(axis, means: pd.DataFrame, x: str, cells: pd.DataFrame, colour, label: str, single: dict) -> None:
    axis.plot(cells[x], 1 - cells["fraction"].where(~cells["excluded"]), ".", ms=3, color=colour, alpha=0.35, **single)
    error = np.abs(means[["ci_low", "ci_high"]].to_numpy().T - means["fraction"].to_numpy())
    axis.errorbar(means[x], 1 - means["fraction"], error[::-1], fmt="o", color=colour, label=label)


def _told_levels(block: pd.DataFrame) -> list[float]:
    """Choose the lowest, the middle and the highest level at which there is a fraction."""
    levels = sorted(block.loc[block["fraction"].notna(), "level_mv"].unique())
    return sorted({levels[0], levels[len(levels) // 2], levels[-1]}) if levels else []


def _told(cell: CellBlock) -> str:
    if cell.fit is None:
        return cell.ln_ki0.reason
    mark = "" if cell.ln_ki0.verdict == "identified" else f" ({cell.ln_ki0.verdict.replace('_', ' ')})"
    return f"Ki(0) {np.exp(cell.ln_ki0.value):.2f} mM, z$\\delta$ {cell.z_delta.value:.2f}{mark}"


def _told_group(name: str, ki0_mm: float, z_delta: float, **_) -> str:
    return f"{name}: Ki(0) {ki0_mm:.2f} mM, z delta {z_delta:.2f}." if ki0_mm > 0 else f"{name}: Ki(0) not identified."
