"""Figures of salts compared: currents in each salt with the fit, and what each effect makes of the current.

Each function takes tables or cells of `mgk.salts`, draws a figure and returns it with its text alternative. In the
currents colours stand for totals of the cation, in the effects for salts; single cells are drawn behind their means.
"""

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.figure import Figure

from mgk.figures import style
from mgk.figures.recordings import legend, zero_lines
from mgk.salts import CONTROL, EFFECTS, SaltCell, fitted_currents
from mgk.statistics import summarise_cells

# Where salts stand beside each other within an effect, in units of the distance of effects.
SPREAD = 0.25
# Cells stand beside the mean of their animals.
BESIDE = 0.12


def salt_currents(points: pd.DataFrame, cells: list[SaltCell]) -> tuple[Figure, str]:
    """Draw the currents of cells and their means over animals against potential, a panel a salt, with the fit.

    Parameters
    ----------
    points : DataFrame
        Table of `mgk.salts.load_points`.
    cells : list of SaltCell
    """
    used = points[~points["excluded"]].assign(fitted_pa=fitted_currents(points, cells))
    salts = list(dict.fromkeys(points["group"]))
    colours = style.colours(sorted(points["ligand_total_mm"].unique()))
    fig, axes = style.figure(3.4 * len(salts) + 1.4, 3.4, 1, len(salts), sharey=True, squeeze=False)
    single = {"lw": 0.6} | style.marks_of_units(len(points))
    for axis, salt in zip(axes[0], salts, strict=True):
        of = used[used["group"] == salt]
        for total, at in of.groupby("ligand_total_mm"):
            for _, curve in at.groupby("cell_id", sort=False):
                axis.plot(curve["membrane_mv"], curve["current_pa"], color=colours[total], alpha=0.35, **single)
            _mean_curve(axis, at, colours[total])
        excluded = points[(points["group"] == salt) & points["excluded"]]
        for _, curve in excluded.groupby("recording_id"):
            axis.plot(curve["membrane_mv"], curve["current_pa"], ls="--", color=style.GREY, **single)
        left_out = excluded["cell_id"].nunique()
        n = style.cells_and_animals(of["cell_id"].nunique(), of["animal_id"].nunique())
        axis.set_title(f"{salt}\n{n}" + (f"\n{left_out} excluded, in part or whole" if left_out else ""))
        axis.set(xlabel="Membrane potential (mV)")
        zero_lines(axis)
    axes[0, 0].set_ylabel("Steady current (pA)")
    legend(fig, axes)
    last = used.loc[used["level_mv"] == used["level_mv"].min()] if len(used) else used
    told = [
        f"{salt} {total:g} mM {rows['current_pa'].mean():.0f} pA"
        for (salt, total), rows in last.groupby(["group", "ligand_total_mm"], sort=False)
    ]
    lowest = f" Mean current at the lowest potential: {', '.join(told)}." if told else " Everything was excluded."
    text = (
        f"Steady current against membrane potential, a panel each for {', '.join(salts)}; a colour a total "
        "concentration. Points are means of animals with 95 % intervals, thin lines single cells, thick lines the mean "
        f"of the fits, dashed grey lines excluded recordings.{lowest}"
    )
    return fig, text


def _mean_curve(axis, at: pd.DataFrame, colour) -> None:
    rows = []
    for _, level in at.groupby("level_mv"):
        mean = summarise_cells(level["current_pa"], level["animal_id"])
        rows.append((level["membrane_mv"].mean(), mean.estimate, mean.ci_low, mean.ci_high, level["fitted_pa"].mean()))
    x, mean, low, high, fitted = np.array(rows).T
    total = at["ligand_total_mm"].iloc[0]
    ligand = at["ligand"].iloc[0] or "ligand"
    label = f"{total:g} mM {ligand} in all" if total else CONTROL
    axis.errorbar(x, mean, [mean - low, high - mean], fmt="o", color=colour, label=label)
    axis.plot(x, fitted, lw=1.6, color=colour)


def salt_effects(effects: pd.DataFrame) -> tuple[Figure, str]:
    """Draw what each effect makes of the current, a row of panels a potential and a column a total.

    Parameters
    ----------
    effects : DataFrame
        Table of `mgk.salts.effects_table`.
    """
    potentials, totals = (list(dict.fromkeys(effects[c])) for c in ("membrane_mv", "ligand_total_mm"))
    salts = list(dict.fromkeys(effects["salt"]))
    colours = style.colours(salts)
    shape = len(potentials), len(totals)
    fig, axes = style.figure(3.4 * shape[1] + 1.2, 2.6 * shape[0] + 0.6, *shape, sharey="row", squeeze=False)
    offsets = dict(zip(salts, np.linspace(-SPREAD, SPREAD, len(salts)) if len(salts) > 1 else [0.0], strict=True))
    single = style.marks_of_units((effects["unit_id"] != "").sum())
    for row, potential in zip(axes, potentials, strict=True):
        for axis, total in zip(row, totals, strict=True):
            at = effects[(effects["membrane_mv"] == potential) & (effects["ligand_total_mm"] == total)]
            for salt, of in at.groupby("salt", sort=False):
                _effects_of(axis, of, offsets[salt], colours[salt], salt, single)
            axis.axhline(1, color=style.GREY, lw=0.6)
            axis.set(yscale="log", title=f"{total:g} mM in all, {potential:g} mV")
            axis.set_xticks(range(len(EFFECTS)), EFFECTS)
            axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0)))
            axis.yaxis.set_major_formatter("{x:.3g}")
            axis.yaxis.set_minor_locator(ticker.NullLocator())
        row[0].set_ylabel("Current over control")
    legend(fig, axes)
    means = effects[(effects["unit_id"] == "") & (effects["ligand_total_mm"] == max(totals))]
    told = [
        f"{m.salt} at {m.membrane_mv:g} mV, {m.effect}: {m.ratio:.3g}"
        for m in means[means["membrane_mv"] == potentials[0]].itertuples()
    ]
    text = (
        "Ratio of the current to the control on a logarithmic axis for block, zinc, other and all, a colour a salt, a "
        "panel each total and potential. Large points are geometric means of animals with 95 % intervals, small points "
        f"cells. At {max(totals):g} mM: {'; '.join(told)}."
    )
    return fig, text


def _effects_of(axis, of: pd.DataFrame, offset: float, colour, label: str, single: dict) -> None:
    place = {effect: i + offset for i, effect in enumerate(EFFECTS)}
    cells, means = of[of["unit_id"] != ""], of[of["unit_id"] == ""]
    axis.plot(cells["effect"].map(place) + BESIDE, cells["ratio"], ".", ms=3.5, color=colour, alpha=0.4, **single)
    error = np.abs(means[["ci_low", "ci_high"]].to_numpy().T - means["ratio"].to_numpy())
    axis.errorbar(means["effect"].map(place), means["ratio"], np.nan_to_num(error), fmt="o", color=colour, label=label)
