"""Figures of the ATPase assay: standard curves with their limits, and activity against magnesium.

Limits: draws the tables of `mgk.atpase` (standard_curve, activity, fits) and the wells behind them; the only thing
computed is the curve that a row of fits describes.
Units: phosphate in nmol per well, activity in umol/mg/h, Mg2+ in mM.
"""

import numpy as np
import pandas as pd

from mgk.atpase import MODELS, SAMPLES, curve_of, left_out, usable
from mgk.figures import NOTHING, style

MARKERS = "osD^vP*X"
PANELS = {
    "michaelis_menten_free_magnesium": "Free Mg²⁺ (mM)",
    "michaelis_menten_total_magnesium": "Total Mg²⁺ (mM)",
}
MOST_COLUMNS = 3
NO_PROTEIN = "no plate of this experiment names a protein plate"
LESS_THAN_TWO_DECADES = np.log(100)


def standard_curves(wells: pd.DataFrame, curves: pd.DataFrame) -> style.Picture:
    """Return a panel a plate: standards, their line, limits of detection and quantification, and the samples' amounts.

    Parameters
    ----------
    wells : DataFrame
        Wells joined with their layout.
    curves : DataFrame
        standard_curve.csv.
    """
    columns = min(len(curves), MOST_COLUMNS)
    rows = -(-len(curves) // columns)
    fig, axes = style.figure(2.9 * columns + 0.4, 2.9 * rows + 0.3, rows, columns, squeeze=False, sharey=True)
    for ax, curve in zip(axes.flat, curves.itertuples(), strict=False):
        _draw_curve(ax, wells[wells["plate_id"] == curve.plate_id], curve)
    for ax in axes.flat[len(curves) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("Absorbance (AU)")
    entries = {}
    for ax in axes.flat[: len(curves)]:
        entries |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    fig.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4)
    return fig


def _draw_curve(ax, wells: pd.DataFrame, curve) -> None:
    standards = usable(wells[wells["role"] == "standard"])
    samples = usable(wells[wells["role"].isin(SAMPLES)])["value"]
    lost = standards["standard_nmol"] > curve.high_nmol
    kept = standards[~lost]
    ax.plot(kept["standard_nmol"], kept["value"], "o", color=style.PALETTE[0], label="standards")
    if lost.any():
        lost = standards[lost]
        ax.plot(lost["standard_nmol"], lost["value"], "x", color=style.PALETTE[0], label="saturated, left out")
    ax.set(xlabel="Phosphate (nmol)", title=f"{curve.plate_id}\n{curve.n_wells} standards")
    if curve.verdict == "not_identified":
        ax.text(0.05, 0.95, "no curve:\n" + curve.reason, transform=ax.transAxes, va="top")
        return
    x = np.array([min(curve.low_nmol, 0.0), curve.high_nmol])
    ax.plot(x, curve.intercept + curve.slope_per_nmol * x, color=style.PALETTE[0])
    ax.axvline(curve.lod_nmol, color=style.GREY, linestyle=":", label="limit of detection")
    ax.axvline(curve.loq_nmol, color=style.GREY, linestyle="--", label="limit of quantification")
    amounts = (samples - curve.intercept) / curve.slope_per_nmol
    foot = np.full(len(amounts), 0.03)
    ax.plot(amounts, foot, "|", color=style.PALETTE[1], transform=ax.get_xaxis_transform(), label="samples")


def describe_curves(curves: pd.DataFrame) -> str:
    """Return the text alternative of `standard_curves`."""
    parts = ["Absorbance against phosphate for the standards of each plate, with the fitted line."]
    for c in curves.itertuples():
        if c.verdict == "not_identified":
            parts.append(f"Plate {c.plate_id}: no curve, {c.reason}.")
            continue
        parts.append(
            f"Plate {c.plate_id}: {c.n_wells} standards from {c.low_nmol:g} to {c.high_nmol:g} nmol, slope "
            f"{c.slope_per_nmol:.3g} AU per nmol, limit of detection {c.lod_nmol:.2g}, of quantification "
            f"{c.loq_nmol:.2g} nmol{', ' + c.reason if c.reason else ''}."
        )
    return " ".join(parts)


def activity(table: pd.DataFrame, fits: pd.DataFrame) -> style.Picture:
    """Return two panels: ouabain-sensitive activity against free and against total Mg2+, with Michaelis-Menten curves.

    Points are animals (a marker each, bars are one replicate SE), thin lines their fits, thick lines the conditions.
    Points that are not fitted are hollow: substrate used up, or lower limits from standards that saturate. Where K0.5
    and Vmax are not identified the thin line is dashed, and there is no thick one.

    Parameters
    ----------
    table, fits : DataFrame
        activity.csv and fits.csv.
    """
    fig, axes = style.figure(8.6, 4.2, columns=2, sharey=True)
    palette = style.colours(sorted(table["condition"].unique()))
    for ax, (model, label) in zip(axes, PANELS.items(), strict=True):
        of_model = fits[fits["model"] == model]
        for condition, colour in palette.items():
            points = table[table["condition"] == condition]
            _draw_points(ax, points, MODELS[model], colour)
            _draw_fits(ax, of_model[of_model["group"] == condition], table[MODELS[model]], colour)
        ax.axhline(0, color=style.GREY, linewidth=0.6)
        ax.set(xlabel=label, title=_title(of_model))
    if table["ouabain_sensitive_activity"].notna().any():
        axes[0].set_xscale("log")
    axes[0].set_ylabel("Ouabain-sensitive activity (µmol/mg/h)")
    for condition, colour in palette.items():
        n = table.loc[table["condition"] == condition, "animal_id"].nunique()
        axes[0].plot([], [], color=colour, linewidth=2.4, label=f"{condition}, {_animals(n)}")
    if left_out(table).any():
        axes[0].plot([], [], "o", color=style.GREY, markersize=4, markerfacecolor="none", label="not fitted")
    axes[0].legend(loc="upper left")
    return fig


def _draw_points(ax, points: pd.DataFrame, column: str, colour: str) -> None:
    for i, (_, of_animal) in enumerate(points.groupby("animal_id")):
        hollow = left_out(of_animal)
        for part, filled in ((of_animal[~hollow], {}), (of_animal[hollow], {"markerfacecolor": "none"})):
            if part.empty:
                continue
            ax.errorbar(
                part[column],
                part["ouabain_sensitive_activity"],
                yerr=part["replicate_se"],
                fmt=MARKERS[i % len(MARKERS)],
                color=colour,
                alpha=0.75,
                markersize=4,
                elinewidth=0.8,
                **filled,
            )


def _draw_fits(ax, fits: pd.DataFrame, x: pd.Series, colour: str) -> None:
    grid = np.geomspace(x[x > 0].min(), x.max(), 200)
    for unit, parameters in fits.groupby("unit_id"):
        value = parameters.set_index("parameter")["estimate"]
        if value.isna().any():
            continue
        identified = (parameters["verdict"] != "not_identified").all()
        ax.plot(
            grid,
            curve_of(parameters["model"].iloc[0], grid, value),
            color=colour,
            linewidth=0.7 if unit else 2.4,
            linestyle="-" if identified else "--",
        )


def _title(fits: pd.DataFrame) -> str:
    k05 = fits[(fits["parameter"] == "k05") & (fits["unit_id"] != "")]
    n = int((k05["verdict"] != "not_identified").sum())
    return f"K0.5 identified in {n} of {_animals(len(k05))}"


def describe_activity(table: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Return the text alternative of `activity`."""
    parts = [
        "Ouabain-sensitive activity against free Mg2+ (left) and total Mg2+ (right), with Michaelis-Menten curves."
    ]
    names = {"vmax": "Vmax", "k05": "K0.5"}
    for model, label in PANELS.items():
        for row in fits[(fits["model"] == model) & (fits["unit_id"] == "")].itertuples():
            what = f"{row.group}, {names[row.parameter]} against {label.removesuffix(' (mM)')}"
            if row.verdict == "not_identified":
                parts.append(f"{what}: not identified ({row.reason}).")
            else:
                interval = f"{row.ci_low:.3g} to {row.ci_high:.3g}" if row.n_animals > 1 else "not known"
                parts.append(
                    f"{what}: {row.estimate:.3g} {row.unit}, 95 % interval {interval}, {_animals(row.n_animals)}."
                )
    flagged, hollow = int((table["flag"] != "").sum()), int(left_out(table).sum())
    return " ".join([*parts, f"{flagged} of {len(table)} points carry a flag; {hollow} are hollow, not fitted."])


def _animals(n: int) -> str:
    return f"{n} {'animal' if n == 1 else 'animals'}"


def profiles(tables: dict[str, pd.DataFrame], names: dict[str, str]) -> style.Picture:
    """Return a panel an abscissa: profile likelihood of K0.5, a line an animal, dashed where its interval ends.

    Parameters
    ----------
    tables : dict
        By abscissa, `mgk.atpase.profile_table` of each animal with the columns animal_id and condition, below each
        other.
    names : dict
        How to call each abscissa.
    """
    fig, axes = style.figure(2.9 * len(tables) + 0.4, 3.2, columns=len(tables), squeeze=False, sharey=True)
    conditions = sorted({c for table in tables.values() for c in table["condition"]})
    palette = style.colours(conditions)
    for ax, (abscissa, table) in zip(axes.flat, tables.items(), strict=True):
        for (condition, _), line in table.groupby(["condition", "animal_id"]):
            ax.plot(np.exp(line["value"]), line["f"], color=palette[condition], linewidth=1)
        ax.set_xlabel(f"K0.5 for {names[abscissa]} (mM)")
        if len(table):
            ax.set_xscale("log")
            if np.ptp(table["value"]) < LESS_THAN_TWO_DECADES:
                style.plain_ticks(ax.xaxis, np.exp(table["value"]))
            ax.axhline(table["limit"].max(), color=style.GREY, linestyle="--")
            ax.set_ylim(0, 3 * table["limit"].max())
    for condition, colour in palette.items():
        axes[0, 0].plot([], [], color=colour, label=condition)
    axes[0, 0].set_ylabel("Profile likelihood, F")
    if len(palette):
        axes[0, 0].legend(loc="upper left")
    return fig


def describe_profiles(tables: dict[str, pd.DataFrame], names: dict[str, str]) -> str:
    """Return the text alternative of `profiles`."""
    parts = ["Profile likelihood of K0.5 of each animal; an interval ends where a line crosses the dashed one."]
    for abscissa, table in tables.items():
        closed = 0
        for _, line in table.groupby("animal_id"):
            ends = line["f"].iloc[[0, -1]] > line["limit"].iloc[0]
            closed += bool(ends.all())
        parts.append(f"For {names[abscissa]}: {closed} of {table['animal_id'].nunique()} profiles close on both sides.")
    return " ".join(parts)


def protein(wells: pd.DataFrame, table: pd.DataFrame, curves: dict) -> style.Picture:
    """Return a panel a protein plate: standards, their curve, and the wells of the preparations on it.

    Parameters
    ----------
    wells, table
        Wells of the protein plates, and protein.csv.
    curves : dict
        `mgk.atpase.protein_table`'s curve of each plate.
    """
    if not curves:
        return style.nothing(NO_PROTEIN)[0]
    fig, axes = style.figure(4.2 * len(curves), 3.4, columns=len(curves), squeeze=False)
    for ax, (plate, line) in zip(axes.flat, curves.items(), strict=True):
        used = usable(wells[wells["plate_id"] == plate])
        standards, samples = used[used["role"] == "standard"], used[used["role"] == "sample"]
        grid = np.linspace(standards["protein_ug"].min(), standards["protein_ug"].max(), 100)
        ax.plot(standards["protein_ug"], standards["value"], "o", color=style.PALETTE[0], label="standards")
        ax.plot(grid, line.at(grid), color=style.PALETTE[0])
        foot = np.interp(samples["value"], line.at(grid), grid)
        ax.plot(foot, samples["value"], "|", color=style.PALETTE[1], markersize=10, label="preparations")
        n = (table["plate_id"] == plate).sum()
        ax.set(xlabel="Protein (µg)", ylabel="Absorbance (AU)", title=f"{plate}\n{n} preparations")
        ax.legend(loc="upper left")
    return fig


def describe_protein(table: pd.DataFrame) -> str:
    """Return the text alternative of `protein`."""
    if table.empty:
        return f"{NOTHING}: {NO_PROTEIN}."
    parts = ["Absorbance against protein for the standards of the protein plate, with the wells of the preparations."]
    for plate, group in table.groupby("plate_id", sort=False):
        low, high = group["protein_ug_per_ul"].min(), group["protein_ug_per_ul"].max()
        parts.append(
            f"Plate {plate}, {group['curve'].iloc[0]} curve: {len(group)} preparations with {low:.3g} to {high:.3g} "
            f"ug/ul, standard errors of {100 * group['cv'].min():.1f} to {100 * group['cv'].max():.1f} %."
        )
    return " ".join(parts)
