"""Figures of the coupled assay: windows of each well, ADP standards, activities of animals and groups.

Limits: draws the wells and the tables of `mgk.atpase.coupled`. Units: min, AU, nmol, umol/mg/h.
"""

import numpy as np
import pandas as pd

from mgk.atpase.standards import StandardCurve
from mgk.figures import style

ROLES = {"total": 0, "ouabain": 1}
MOST_COLUMNS = 3


def windows(wells: pd.DataFrame, slopes: pd.DataFrame) -> style.Picture:
    """Return a panel a preparation: absorbance of its wells with time, their linear windows thick.

    Parameters
    ----------
    wells, slopes : DataFrame
        Wells of the kinetic reads, and slopes.csv.
    """
    samples = slopes[slopes["role"].isin(ROLES)]
    panels = list(samples.groupby(["plate_id", "preparation_id"], sort=False))
    columns = min(max(len(panels), 1), MOST_COLUMNS)
    rows = -(-max(len(panels), 1) // columns)
    fig, axes = style.figure(
        2.9 * columns + 0.4, 2.5 * rows + 0.4, rows, columns, squeeze=False, sharex=True, sharey=True
    )
    reads = wells.set_index(["plate_id", "well"]).sort_index()
    for ax, ((plate, preparation), of_it) in zip(axes.flat, panels, strict=False):
        for row in of_it.itertuples():
            well = reads.loc[[(plate, row.well)]].sort_values("time_s")
            colour = style.PALETTE[ROLES[row.role]]
            t, y = well["time_s"].to_numpy(float) / 60, well["value"].to_numpy(float)
            ax.plot(t, y, color=colour, linewidth=0.6)
            inside = np.array([row.start_min, row.end_min])
            ax.plot(inside, row.intercept_au - row.slope_mod_min / 1000 * inside, color=colour, linewidth=2.2)
            if row.n_bubbles:
                away = np.argsort(-np.abs(y - pd.Series(y).rolling(7, center=True, min_periods=1).median()))
                ax.plot(t[away[: row.n_bubbles]], y[away[: row.n_bubbles]], "x", color=style.GREY)
        ax.set_title(f"{preparation}, {len(of_it)} wells")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("A340 (AU)")
    fig.supxlabel("Time (min)")
    lines = [axes[0, 0].plot([], [], color=style.PALETTE[i], linewidth=2.2)[0] for i in ROLES.values()]
    fig.legend(lines, list(ROLES), loc="outside upper center", ncols=2)
    return fig


def describe_windows(slopes: pd.DataFrame) -> str:
    """Return the text alternative of `windows`."""
    parts = ["Absorbance at 340 nm against time, a panel a preparation, with the linear window of each well."]
    for role in ROLES:
        of = slopes[(slopes["role"] == role) & slopes["slope_mod_min"].notna()]
        if len(of):
            low, high = of["slope_mod_min"].min(), of["slope_mod_min"].max()
            span = (of["end_min"] - of["start_min"]).median()
            parts.append(
                f"{len(of)} {role} wells: {low:.1f} to {high:.1f} mOD/min, windows of {span:.1f} min (median)."
            )
    return " ".join([*parts, f"{int((slopes['n_bubbles'] > 0).sum())} wells with bubbles."])


def standards(curves: dict[str, StandardCurve], points: pd.DataFrame) -> style.Picture:
    """Return a panel a plate: the settled signal of each ADP standard (minus its absorbance) and the line."""
    fig, axes = style.figure(3.6 * max(len(curves), 1), 3.2, columns=max(len(curves), 1), squeeze=False)
    for ax, (plate, curve) in zip(axes.flat, curves.items(), strict=True):
        of = points[points["plate_id"] == plate]
        ax.plot(of["standard_nmol"], of["value"], "o", color=style.PALETTE[0], label="standards")
        if curve.verdict != "not_identified":
            x = np.array([curve.low_nmol, curve.high_nmol])
            ax.plot(x, curve.intercept + curve.slope * x, color=style.PALETTE[0])
        ax.set(xlabel="ADP (nmol)", ylabel="Minus A340, settled (AU)", title=f"{plate}\n{curve.n_wells} standards")
    return fig


def describe_standards(curves: dict[str, StandardCurve]) -> str:
    """Return the text alternative of `standards`."""
    parts = ["Fall of absorbance at 340 nm against ADP, once settled."]
    for plate, c in curves.items():
        known = c.verdict != "not_identified"
        se = np.sqrt(c.covariance[1, 1])
        told = f"{c.slope:.4f} AU per nmol, standard error {se:.4f}" if known else f"no line, {c.reason}"
        parts.append(f"Plate {plate}: {c.n_wells} standards, {told}.")
    return " ".join(parts)


def activity(table: pd.DataFrame, fits: pd.DataFrame) -> style.Picture:
    """Return the sensitive activity of each animal with its interval, and the mean of each group."""
    groups = list(dict.fromkeys(table["condition"]))
    fig, axis = style.figure(1.6 * len(groups) + 2.2, 3.6)
    palette = style.colours(groups)
    for i, group in enumerate(groups):
        of = table[(table["condition"] == group) & table["ouabain_sensitive_activity"].notna()]
        x = i + np.linspace(-0.2, 0.2, len(of)) if len(of) > 1 else np.full(len(of), float(i))
        y = of["ouabain_sensitive_activity"].to_numpy(float)
        reach = np.abs(np.array([y - of["ci_low"], of["ci_high"] - y]))
        axis.errorbar(x, y, yerr=reach, fmt="o", color=palette[group], alpha=0.75, elinewidth=0.8)
        mean = fits[(fits["unit_id"] == "") & (fits["group"] == group)]
        if len(mean) and np.isfinite(mean["ci_low"].iloc[0]):
            row = mean.iloc[0]
            reach = [[row["estimate"] - row["ci_low"]], [row["ci_high"] - row["estimate"]]]
            axis.errorbar(
                i + 0.35, row["estimate"], yerr=reach, fmt="_", markersize=18, color=palette[group], linewidth=2.2
            )
    n = table.groupby("condition")["animal_id"].nunique()
    axis.set_xticks(range(len(groups)), [f"{g}\n{n[g]} animals" for g in groups])
    axis.set(ylabel="Ouabain-sensitive activity (µmol/mg/h)", xlim=(-0.6, len(groups) - 0.3))
    axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    return fig


def describe_activity(fits: pd.DataFrame) -> str:
    """Return the text alternative of `activity`."""
    parts = ["Ouabain-sensitive activity of each animal, and the mean of each group."]
    for row in fits[fits["unit_id"] == ""].itertuples():
        interval = f"{row.ci_low:.3g} to {row.ci_high:.3g}" if row.n_animals > 1 else "not known"
        parts.append(f"{row.group}: {row.estimate:.3g} {row.unit}, 95 % interval {interval}, {row.n_animals} animals.")
    return " ".join(parts)
