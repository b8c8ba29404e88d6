"""Funnel, radial, Baujat and L'Abbe plots on one figure, with the text alternative of each.

`PANELS` says for each what it needs; a panel that cannot be drawn for a table says in words why (`why_not`), so that
the figure is always there.
"""

import textwrap
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from mgk.figures import NOTHING, style
from mgk.figures.clinical.axis import axis_name, measure_and_scale, plain, set_scale
from mgk.meta.columns import COUNTS
from mgk.meta.diagnostics import TrimFill, trim_and_fill
from mgk.meta.effects import SCALES
from mgk.meta.pooling import COMMON, RANDOM, pooled_row, show_value

FEWEST = 3
CONTOURS = ((0.10, "#F2F2F2"), (0.05, "#D9D9D9"), (0.01, "#BFBFBF"))
"""Two-sided p of a single study at which the shade of the funnel changes, from the inside out; white inside 0.10."""

NAMED_POINTS = 3
LONGEST_NAME = 28
RISK_CURVES: dict[str, Callable] = {
    "RR": lambda risk, effect: risk * np.exp(effect),
    "OR": lambda risk, effect: risk * np.exp(effect) / (1 - risk + risk * np.exp(effect)),
    "PETO": lambda risk, effect: risk * np.exp(effect) / (1 - risk + risk * np.exp(effect)),
    "RD": lambda risk, effect: risk + effect,
    "AS": lambda risk, effect: np.sin(np.clip(np.arcsin(np.sqrt(risk)) + effect, 0, np.pi / 2)) ** 2,
}
"""Risk under treatment that an effect on the analysis scale gives at a risk under control."""


def why_not(panel: str, effects: pd.DataFrame) -> str:
    """Return why a panel is not drawn for these effects; nothing when it is.

    `panel` is funnel, radial, baujat or labbe.
    """
    k = len(effects)
    if panel == "labbe" and not set(COUNTS) <= set(effects):
        return "no L'Abbé plot: the effects are not made from events in two arms"
    names = {"funnel": "funnel plot", "radial": "radial plot", "baujat": "Baujat plot", "labbe": "L'Abbé plot"}
    if k < FEWEST:
        return f"no {names[panel]}: {k} of at least {FEWEST} studies"
    return ""


def diagnostics(effects: pd.DataFrame, pooled: pd.DataFrame, influence: pd.DataFrame, *, title: str = ""):
    """Draw funnel, radial, Baujat and L'Abbe plots of one analysis.

    Parameters
    ----------
    effects, pooled : DataFrame
        From `effect_sizes` and `pooled_table`.
    influence : DataFrame
        From `mgk.meta.diagnostics.influence`, of the same effects.
    title : str
        Heading of the figure.

    Returns
    -------
    Figure
        With the text alternative in `alt`.
    """
    missing = {panel: why_not(panel, effects) for panel in PANELS}
    if all(missing.values()):
        return words_only(title, list(missing.values()))
    fig, axes = style.figure(9.5, 8.2, 2, 2)
    told = []
    for place, (panel, draw) in zip(axes.ravel(), PANELS.items(), strict=True):
        if missing[panel]:
            _say(place, missing[panel])
            told.append(missing[panel])
            continue
        told.append(draw(place, effects, pooled, influence))
    if title:
        fig.suptitle(plain(title), x=0.01, ha="left", fontsize=10)
    fig.alt = f"Diagnostic plots{f', {title}' if title else ''}. " + " ".join(f"{t[0].upper()}{t[1:]}." for t in told)
    return fig


def words_only(title: str, reasons: list[str]):
    """Return a figure that says in words why there is nothing to draw."""
    fig, axes = style.figure(7.0, 0.5 + 0.25 * len(reasons))
    _say(axes, ".\n".join(reasons) + ".")
    if title:
        fig.suptitle(plain(title), x=0.01, ha="left", fontsize=10)
    fig.alt = f"{NOTHING}{f', {title}' if title else ''}: {'; '.join(reasons)}."
    return fig


def _say(axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, plain(text), ha="center", va="center", fontsize=8, wrap=True, transform=axes.transAxes)


def _funnel(axes, effects: pd.DataFrame, pooled: pd.DataFrame, influence: pd.DataFrame) -> str:
    """Effects against their standard errors, the precise above; shades are regions of p of a single study."""
    del influence
    measure, scale = measure_and_scale(effects)
    fill = trim_and_fill(effects["yi"].to_numpy(float), effects["vi"].to_numpy(float))
    both = fill.filled
    lowest = 1.08 * np.sqrt(both["vi"].max())
    rows = [pooled_row(pooled, choice) for choice in (COMMON, RANDOM)]
    compared = not np.isnan(measure.null)
    centre = measure.null if compared else rows[0]["estimate"]
    reach = 1.1 * max(np.abs(both["yi"] - centre).max(), 1e-9)
    low, high = min(centre, both["yi"].min()) - 0.1 * reach, max(centre, both["yi"].max()) + 0.1 * reach
    heights = np.array([0.0, lowest])
    if compared:
        axes.set_facecolor("#A6A6A6")
        for p, shade in ((0.01, CONTOURS[2][1]), (0.05, CONTOURS[1][1]), (0.10, "white")):
            half = stats.norm.isf(p / 2) * heights
            axes.fill_betweenx(heights, centre - half, centre + half, color=shade, lw=0, zorder=0)
        contours = f"shades: two-sided p of a single study against {SCALES[scale](measure.null):g};\nwhite p > 0.10, "
        contours += "then 0.10 to 0.05, 0.05 to 0.01, dark < 0.01"
    else:
        half = stats.norm.isf(0.025) * heights
        for sign in (-1, 1):
            axes.plot(centre + sign * half, heights, color="black", lw=0.8, ls=":", zorder=1)
        contours = "dotted: 95 % limits of single studies\naround the common estimate"
    for row, colour, ls in ((rows[0], "black", "-"), (rows[1], style.PALETTE[1], "--")):
        if np.isfinite(row["estimate"]):
            axes.axvline(row["estimate"], color=colour, lw=1, ls=ls, zorder=2, label=row["model"])
    given = both[~both["filled"]]
    axes.scatter(given["yi"], np.sqrt(given["vi"]), s=18, color=style.PALETTE[0], zorder=3)
    added = both[both["filled"]]
    if len(added):
        axes.scatter(
            added["yi"],
            np.sqrt(added["vi"]),
            s=22,
            facecolors="none",
            edgecolors=style.PALETTE[0],
            zorder=3,
            label="filled",
        )
    axes.set_ylim(lowest, 0)
    axes.set_xlim(low, high)
    set_scale(axes.xaxis, scale, (low, high))
    axes.set_xlabel(axis_name(measure, scale))
    axes.set_ylabel("standard error, analysis scale")
    axes.set_title(f"Funnel, n = {len(given)} studies\n({contours})", fontsize=8)
    axes.legend(fontsize=7, loc="best")
    counterpart = _filled_in_words(fill)
    return f"funnel plot of {len(given)} studies, {contours.replace(chr(10), ' ')}; {counterpart}"


def _filled_in_words(fill: TrimFill) -> str:
    if not fill.n_missing:
        return "trim and fill (L0, random effects) fills in no study"
    return f"trim and fill (L0, random effects) fills in {fill.n_missing} on the {fill.side}, drawn as open circles"


def _radial(axes, effects: pd.DataFrame, pooled: pd.DataFrame, influence: pd.DataFrame) -> str:
    """Galbraith's plot: the slope from the origin to a point is its effect; the band holds 95 % under one effect."""
    del influence
    measure, _ = measure_and_scale(effects)
    precision = 1 / effects["se"].to_numpy(float)
    z = effects["yi"].to_numpy(float) * precision
    row = pooled_row(pooled, COMMON)
    line = np.array([0, 1.05 * precision.max()])
    half = stats.norm.isf(0.025)
    axes.fill_between(line, row["estimate"] * line - half, row["estimate"] * line + half, color="#E6E6E6", lw=0)
    axes.plot(line, row["estimate"] * line, color="black", lw=1)
    outside = np.abs(z - row["estimate"] * precision) > half
    axes.scatter(precision[~outside], z[~outside], s=18, color=style.PALETTE[0])
    axes.scatter(precision[outside], z[outside], s=22, marker="s", color=style.PALETTE[1])
    axes.axhline(0, color="black", lw=0.5)
    axes.set_xlim(0, line[1])
    axes.set_xlabel("1 / standard error")
    axes.set_ylabel("effect / standard error")
    shown = show_value(row["back_transformed_estimate"], measure)
    axes.set_title(
        f"Radial (Galbraith), {int(outside.sum())} of {len(z)} outside the band\n"
        f"(line: common effect {shown}; band: 95 % under that effect)",
        fontsize=8,
    )
    return (
        f"radial plot: {int(outside.sum())} of {len(z)} studies outside the band that would hold 95 % of "
        f"studies of the common effect {shown}"
    )


def _baujat(axes, effects: pd.DataFrame, pooled: pd.DataFrame, influence: pd.DataFrame) -> str:
    """Contribution of each study to Q against what leaving it out does to the common estimate."""
    del pooled
    points = influence[influence["model"] == "common"]
    axes.scatter(points["baujat_x"], points["baujat_y"], s=18, color=style.PALETTE[0])
    top = (points["baujat_x"] / points["baujat_x"].sum()).add(points["baujat_y"] / points["baujat_y"].sum())
    named = points.loc[top.nlargest(min(NAMED_POINTS, len(points))).index]
    for study in named.itertuples():
        left = study.baujat_x < points["baujat_x"].max() / 2
        axes.annotate(
            plain(textwrap.shorten(str(study.study), LONGEST_NAME, placeholder="…")),
            (study.baujat_x, study.baujat_y),
            (5 if left else -5, 4),
            textcoords="offset points",
            ha="left" if left else "right",
            fontsize=7,
        )
    axes.margins(y=0.1)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("squared Pearson residual: share in Q")
    axes.set_ylabel("squared standardised change\nof the common estimate without it")
    axes.set_title(f"Baujat, n = {len(points)} studies", fontsize=8)
    return f"Baujat plot of {len(effects)} studies; farthest out {', '.join(named['study'].astype(str))}"


def _labbe(axes, effects: pd.DataFrame, pooled: pd.DataFrame, influence: pd.DataFrame) -> str:
    """Risk under treatment against risk under control; area in proportion to people, lines the pooled effects."""
    del influence
    measure, _ = measure_and_scale(effects)
    control, treated = (effects[f"events_{arm}"] / effects[f"n_{arm}"] for arm in ("control", "treatment"))
    people = effects["n_treatment"] + effects["n_control"]
    top = min(1.0, 1.1 * max(control.max(), treated.max(), 0.01))
    risk = np.linspace(0, top, 101)
    axes.plot([0, top], [0, top], color="black", lw=0.8, label="no effect")
    for choice, colour, ls in ((COMMON, style.GREY, "-"), (RANDOM, style.PALETTE[1], "--")):
        row = pooled_row(pooled, choice)
        if np.isfinite(row["estimate"]):
            axes.plot(risk, RISK_CURVES[measure.name](risk, row["estimate"]), color=colour, ls=ls, label=row["model"])
    sizes = np.clip(300 * people / people.max(), 8, None)
    axes.scatter(control, treated, s=sizes, facecolors="none", edgecolors=style.PALETTE[0], clip_on=False)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")
    axes.set_xlabel("risk, control (events / people)")
    axes.set_ylabel("risk, treatment (events / people)")
    axes.set_title(f"L'Abbé, n = {len(effects)} studies, {int(people.sum())} people\n(area: people)", fontsize=8)
    axes.legend(fontsize=7, loc="upper left")
    below = int((treated < control).sum())
    return (
        f"L'Abbé plot of {len(effects)} studies: control risks from {control.min():.3g} to {control.max():.3g}, "
        f"{below} with a lower risk under treatment"
    )


PANELS: dict[str, Callable] = {"funnel": _funnel, "radial": _radial, "baujat": _baujat, "labbe": _labbe}
