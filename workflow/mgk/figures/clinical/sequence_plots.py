"""Forest plots of sequences: studies added one by one, and each study left out; bubbles of meta-regression."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from mgk.figures import style
from mgk.figures.clinical.axis import axis_name, interval, measure_and_scale, plain, set_scale, shortened
from mgk.figures.clinical.diagnostic_plots import FEWEST, words_only
from mgk.meta.columns import study_name
from mgk.meta.pooling import show_value
from mgk.meta.regression import meta_regression
from mgk.tables.problems import InputError

ROW_IN = 0.2
SIDE_IN = 0.15
"""Height of a row, and room beside the words: a browser sets them wider than they were measured, in inches."""

MODELS = {"common": (style.GREY, "s", -0.16), "random": (style.PALETTE[1], "o", 0.16)}
LARGEST_BUBBLE = 260.0


def sequences(cumulative: pd.DataFrame, leave_one_out: pd.DataFrame, effects: pd.DataFrame, *, title: str = ""):
    """Draw the cumulative and the leave-one-out forest side by side, both models in each.

    Parameters
    ----------
    cumulative, leave_one_out : DataFrame
        From `mgk.meta.diagnostics`, of `effects`.
    effects : DataFrame
        From `effect_sizes`.

    Returns
    -------
    Figure
        Taller with every study; below three studies it says that there is no sequence. Text alternative in `alt`.
    """
    k = len(effects)
    if k < FEWEST:
        return words_only(title, [f"no cumulative and no leave-one-out forest: {k} of at least {FEWEST} studies"])
    measure, _ = measure_and_scale(effects)
    fig, axes = style.figure(12.0, (k + 3) * ROW_IN + 1.3, 1, 2)
    fig.get_layout_engine().set(w_pad=SIDE_IN)
    order = cumulative["order"].iloc[0]
    told = []
    for place, table, word in ((axes[0], cumulative, "added"), (axes[1], leave_one_out, "left out")):
        heading = f"Cumulative, in the order of {order}" if word == "added" else "Without one study"
        _sequence(place, table, effects, "+ " if word == "added" else "− ")
        place.set_title(f"{heading} (random effects at the right)", fontsize=8)
        random = table[table["model"] == "random"]
        ends = [show_value(v, measure) for v in random["back_transformed_estimate"].agg(["min", "max"])]
        told.append(f"{heading}: random-effects {measure.label} from {ends[0]} to {ends[1]}")
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", fontsize=8, ncols=2, frameon=False)
    if title:
        fig.suptitle(plain(title), x=0.01, ha="left", fontsize=10)
    fig.alt = f"Forest plots of sequences{f', {title}' if title else ''}, {k} studies. {'. '.join(told)}."
    return fig


def _sequence(axes, table: pd.DataFrame, effects: pd.DataFrame, sign: str) -> None:
    measure, scale = measure_and_scale(effects)
    names = {study["study_id"]: study_name(study) for _, study in effects.iterrows()}
    rows = {model: table[table["model"] == model].reset_index(drop=True) for model in MODELS}
    k = len(rows["common"])
    for model, (colour, marker, shift) in MODELS.items():
        frame = rows[model][rows[model]["estimate"].notna()]
        places = frame.index + shift
        axes.hlines(places, frame["ci_low"], frame["ci_high"], color=colour, lw=0.9)
        axes.plot(frame["estimate"], places, marker, color=colour, ms=4, label=model)
    values = table[["ci_low", "ci_high"]].to_numpy(float)
    low, high = np.nanquantile(values[:, 0], 0.05), np.nanquantile(values[:, 1], 0.95)
    inside = [table["estimate"].min(), table["estimate"].max(), *([] if np.isnan(measure.null) else [measure.null])]
    low, high = min(low, *inside), max(high, *inside)
    margin = 0.04 * (high - low)
    low, high = low - margin, high + margin
    axes.set_xlim(low, high)
    for model, (colour, _, shift) in MODELS.items():
        for end, edge, mark in (("ci_low", low, "<"), ("ci_high", high, ">")):
            beyond = rows[model].index[rows[model][end] < low if mark == "<" else rows[model][end] > high]
            for place in beyond:
                axes.plot(edge, place + shift, mark, color=colour, ms=4, clip_on=False)
    if not np.isnan(measure.null):
        axes.axvline(measure.null, color="black", lw=0.8)
    set_scale(axes.xaxis, scale, axes.get_xlim())
    axes.set_xlabel(axis_name(measure, scale))
    labels = [plain(f"{sign}{_label(row, names)}") for _, row in rows["common"].iterrows()]
    axes.set_yticks(range(k), labels, fontsize=7.5)
    axes.set_ylim(k - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.spines[["left", "right", "top"]].set_visible(False)
    for place, row in rows["random"].iterrows():
        text = interval(row, measure) if np.isfinite(row["estimate"]) else "not estimated"
        axes.annotate(
            text, (1.04, place), xycoords=("axes fraction", "data"), fontsize=7.5, va="center", annotation_clip=False
        )


def _label(row: pd.Series, names: dict[str, str]) -> str:
    """Return the name of a study, with the value by which it was added where that is not its year."""
    name, value = shortened(names[row["study_id"]]), row.get("value")
    if value is None or pd.isna(value) or row["order"] in ("row", "year"):
        return name
    return f"{name}, {value:g}" if isinstance(value, float | int) else f"{name}, {value}"


def bubbles(effects: pd.DataFrame, moderators: Sequence[str] = (), *, title: str = ""):
    """Draw, for each numeric moderator, the studies with the meta-regression line (REML, Knapp-Hartung).

    The area of a bubble is in proportion to its weight at the residual tau2; the inner band is the interval of the
    mean, the outer that of a new study. The fit is that of `mgk.meta.regression.moderators_table`.

    Returns
    -------
    Figure
        One panel a moderator; it says in words what cannot be drawn. Text alternative in `alt`.
    """
    measure, scale = measure_and_scale(effects)
    fits, reasons = {}, []
    for name in moderators:
        numbers = pd.to_numeric(effects[name], errors="coerce") if name in effects else pd.Series(dtype=float)
        if not numbers.notna().any():
            reasons.append(f"no bubble plot of {name}: it has no numbers")
            continue
        try:
            fits[name] = (numbers, meta_regression(effects, (name,)))
        except InputError as error:
            reasons.append(f"no bubble plot of {name}: {error}")
    if not fits:
        return words_only(title, reasons or ["no meta-regression: the configuration names no moderator"])
    fig, axes = style.figure(4.8 * len(fits) + 0.4, 4.2, 1, len(fits), squeeze=False)
    told = list(reasons)
    for place, (name, (numbers, fit)) in zip(axes[0], fits.items(), strict=True):
        told.append(_bubble(place, name, numbers, fit, effects, measure, scale))
    if title:
        fig.suptitle(plain(title), x=0.01, ha="left", fontsize=10)
    fig.alt = f"Meta-regression{f', {title}' if title else ''}. {'. '.join(f'{t[0].upper()}{t[1:]}' for t in told)}."
    return fig


def _bubble(axes, name, numbers, fit, effects, measure, scale) -> str:
    used = numbers.notna()
    x, y, vi = (v[used].to_numpy(float) for v in (numbers, effects["yi"], effects["vi"]))
    grid = np.linspace(x.min(), x.max(), 101)
    line = fit.predict(np.column_stack([np.ones(101), grid]))
    axes.fill_between(grid, line["pi_low"], line["pi_high"], color="#EFEFEF", lw=0)
    axes.fill_between(grid, line["ci_low"], line["ci_high"], color="#D4D4D4", lw=0)
    axes.plot(grid, line["estimate"], color=style.PALETTE[1])
    weight = 1 / (vi + fit.tau2)
    sizes = LARGEST_BUBBLE * weight / weight.max()
    axes.scatter(x, y, s=sizes, facecolors="none", edgecolors=style.PALETTE[0])
    if not np.isnan(measure.null):
        axes.axhline(measure.null, color="black", lw=0.7)
    low, high = min(y.min(), line["ci_low"].min()), max(y.max(), line["ci_high"].max())
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    set_scale(axes.yaxis, scale, axes.get_ylim())
    axes.set_ylabel(axis_name(measure, scale))
    if np.all(x == np.round(x)):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel(plain(name))
    slope, low, high, p = (float(v[1]) for v in (fit.coefficients, fit.ci_low, fit.ci_high, fit.p))
    words = f"slope {slope:.3g} [{low:.3g}, {high:.3g}] on the analysis scale per unit of {name}, p = {p:.2g}"
    axes.set_title(
        f"n = {fit.k} studies; slope {slope:.3g} [{low:.3g}, {high:.3g}], p = {p:.2g}\n"
        "(bands: interval of the mean, and of a new study)",
        fontsize=8,
    )
    return f"{len(x)} studies against {plain(name)}: {words}"
