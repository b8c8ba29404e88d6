"""Figures of generic curves: conditions, each curve with its fit, the constants, the profile of one curve.

Each function takes tables or curves of `mgk.curves`, draws a figure and returns it with its text alternative. Colours
stand for conditions; curves are drawn behind their means; what is not identified is grey.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.stats import f as f_distribution

from mgk.curves import Curve, Model
from mgk.curves.models import HALVES
from mgk.figures import style
from mgk.statistics import summarise_cells

COLUMNS = 5
# On a logarithmic axis, x = 0 stands this factor left of the lowest x, with the label 0.
ZERO_FACTOR = 3.0
LEVEL = 0.95


def conditions(points: pd.DataFrame, fits: pd.DataFrame, model: Model, axes_of: dict) -> tuple[Figure, str]:
    """Draw y as a fraction of each curve's own span against x, with the model at the constants of each condition.

    Parameters
    ----------
    points : DataFrame
        Table of `mgk.curves.points_table`.
    fits : DataFrame
        fits.csv.
    model : Model
    axes_of : dict
        The settings of the experiment: `x` and `y` with name and unit.
    """
    fig, axis = style.figure(6.4, 4.0)
    colours = style.colours(points["condition"])
    line_x = _line(points["x"], model)
    told = []
    for condition, of in points.groupby("condition", sort=False):
        known = of[of["shown"].notna()]
        for _, curve in known.groupby("curve_id", sort=False):
            axis.plot(
                _at(curve["x"], points["x"], model), curve["shown"], ".", ms=4, color=colours[condition], alpha=0.35
            )
        means = [(x, summarise_cells(at["shown"], at["animal_id"])) for x, at in known.groupby("x") if _animals(at)]
        animals = known.loc[known["animal_id"] != "", "animal_id"].nunique()
        n = f"{known['curve_id'].nunique()} curves, {animals} animals"
        label = f"{condition} ({n})"
        if means:
            x, centre = np.array([m[0] for m in means]), np.array([m[1].estimate for m in means])
            error = np.abs(np.array([[m[1].ci_low, m[1].ci_high] for m in means]).T - centre)
            axis.errorbar(_at(x, points["x"], model), centre, error, fmt="o", color=colours[condition], label=label)
        constants = _constants(fits, condition, model)
        if np.isfinite(constants).all():
            way = model.way(line_x, *np.log(constants))
            axis.plot(line_x, 1 - way if model.falling else way, color=colours[condition])
        told.append(f"{label}: {_told_constants(fits, condition, model)}.")
    _x_axis(axis, points["x"], model, axes_of["x"])
    axis.set(ylabel=f"{axes_of['y']['name'].capitalize()} (fraction of the curve's span)", ylim=(-0.15, 1.3))
    if axis.get_legend_handles_labels()[0]:
        axis.legend()
    text = (
        f"{axes_of['y']['name'].capitalize()}, as a fraction of each curve's own span, against {axes_of['x']['name']}; "
        "a colour a condition, large points means of animals with 95 % intervals, small ones curves, lines the model. "
        + " ".join(told)
    )
    return fig, text


def each_curve(points: pd.DataFrame, curves: list[Curve], model: Model, axes_of: dict) -> tuple[Figure, str]:
    """Draw each curve with its points (mean, SD of the mean as weighted) and its fit, a panel a curve."""
    rows = -(-len(curves) // COLUMNS)
    columns = min(COLUMNS, len(curves))
    fig, axes = style.figure(1.9 * columns + 0.8, 1.9 * rows + 0.6, rows, columns, sharex=True, squeeze=False)
    colours = style.colours(points["condition"])
    line_x, told = _line(points["x"], model), []
    for axis, curve in zip(axes.flat, curves, strict=False):
        known = curve.verdict != "not_identified"
        colour = colours[curve.condition] if known else style.GREY
        axis.errorbar(_at(curve.x, points["x"], model), curve.y, curve.sd, fmt="o", ms=3, lw=0.8, color=colour)
        if curve.fit is not None:
            within = line_x[line_x <= curve.x.max()] if model.log_x else line_x
            axis.plot(within, curve.fit.predict(within), "-" if known else "--", lw=1, color=colour)
        axis.set_title(f"{curve.curve_id}\n{_told_curve(curve, model)}", fontsize=6.5)
        axis.tick_params(labelsize=6.5)
        axis.axhline(0, color=style.GREY, lw=0.5)
        _x_axis(axis, points["x"], model, None)
        if curve.verdict != "identified":
            told.append(f"{curve.curve_id} is {curve.verdict.replace('_', ' ')}: {curve.estimates[model.half].reason}.")
    for axis in list(axes.flat)[len(curves) :]:
        axis.set_axis_off()
    fig.supxlabel(_label(axes_of["x"]), fontsize="medium")
    fig.supylabel(_label(axes_of["y"]), fontsize="medium")
    text = (
        f"{len(curves)} panels, one a curve: {axes_of['y']['name']} against {axes_of['x']['name']}, points with the "
        f"standard error of their mean where the table gives one, lines fitted. "
        + (" ".join(told) or "All are identified.")
    )
    return fig, text


def constants(fits: pd.DataFrame, curves: list[Curve], model: Model) -> tuple[Figure, str]:
    """Draw each constant of each curve, the means of animals and the geometric mean of the condition."""
    fig, axes = style.figure(3.4 * len(model.constants) + 0.6, 3.4, 1, len(model.constants), squeeze=False)
    names = list(dict.fromkeys(fits["group"]))
    animals = {c.curve_id: c.animal_id for c in curves}
    colours, told = style.colours(names), []
    for axis, parameter in zip(axes.flat, model.constants, strict=True):
        of = fits[(fits["parameter"] == parameter) & (fits["verdict"] != "not_identified")]
        single = of[of["unit_id"] != ""]
        single = single.assign(animal=single["unit_id"].map(animals), place=single["group"].map(names.index))
        for _, own in single[single["animal"] != ""].groupby("animal"):
            means = np.exp(np.log(own["estimate"]).groupby(own["place"]).mean())
            axis.plot(means.index, means, "o-", ms=6, lw=0.7, color=style.GREY, mec="white", zorder=2)
        for name, own in single.groupby("group", sort=False):
            axis.plot(own["place"] - 0.14, own["estimate"], "o", ms=3, color=colours[name], alpha=0.6)
        for _, mean in of[of["unit_id"] == ""].iterrows():
            place, error = names.index(mean["group"]) + 0.16, None
            if np.isfinite(mean["ci_low"]):
                error = np.abs([[mean["estimate"] - mean["ci_low"]], [mean["ci_high"] - mean["estimate"]]])
            axis.errorbar(place, mean["estimate"], error, fmt="s", ms=5, color=colours[mean["group"]], zorder=3)
        unit = fits.loc[fits["parameter"] == parameter, "unit"].iloc[0]
        axis.set(yscale="log", xlim=(-0.5, len(names) - 0.5), ylabel=f"{_named(parameter)} ({unit})")
        style.plain_ticks(axis.yaxis, single["estimate"])
        axis.set_xticks(range(len(names)), names, fontsize="small")
    told = [f"{name}: {_told_constants(fits, name, model)}." for name in names]
    text = (
        f"{' and '.join(_named(p) for p in model.constants)} of the curves on logarithmic axes: small points curves, "
        "grey points means of animals, joined where an animal is in several conditions, squares the geometric mean of "
        f"the condition with its 95 % interval. {' '.join(told)}"
    )
    return fig, text


def profile(curves: list[Curve], model: Model, unit: str) -> tuple[Figure, str]:
    """Draw the profile likelihood of the constants of one curve, that with the widest interval that closes."""
    widths = {c.curve_id: _width(c, model) for c in curves}
    closed = [c for c in curves if np.isfinite(widths[c.curve_id])]
    if not closed:
        return style.nothing("no curve has a profile that closes on both sides")
    fig, axes = style.figure(3.6 * len(model.constants), 3.0, 1, len(model.constants), sharey=True, squeeze=False)
    curve = max(closed, key=lambda c: widths[c.curve_id])
    threshold = f_distribution.ppf(LEVEL, 1, curve.fit.dof)
    told = []
    for axis, name in zip(axes.flat, model.constants, strict=True):
        found = curve.fit.parameters[f"ln_{name}"]
        half = 1.4 * max(found.ci_high - found.value, found.value - found.ci_low)
        values = found.value + np.linspace(-half, half, 41)
        axis.plot(
            np.exp(values), ((values - found.value) / found.se) ** 2, "--", color=style.GREY, label="Gauss-Newton"
        )
        axis.plot(np.exp(values), curve.fit.profile(f"ln_{name}", values), color=style.PALETTE[0], label="profile")
        axis.axhline(threshold, color=style.PALETTE[1], lw=0.8, label="95 % limit")
        axis.vlines(np.exp([found.ci_low, found.ci_high]), 0, threshold, color=style.PALETTE[1], ls=":")
        unit_here = "1" if name == "hill" else unit
        axis.set(xlabel=f"{_named(name)} ({unit_here})", xscale="log", ylim=(0, 3 * threshold))
        style.plain_ticks(axis.xaxis, np.exp(values))
        shown = curve.estimates[name]
        told.append(f"{_named(name)} {shown.value:.3g} [{shown.ci_low:.3g}, {shown.ci_high:.3g}], {shown.verdict}")
    axes[0, 0].set_ylabel("(rss(profile) $-$ rss) / s$^2$")
    axes[0, 0].set_title(f"{curve.curve_id} (one curve)", loc="left")
    axes[0, -1].legend(loc="upper center", fontsize="small")
    text = (
        f"Profile likelihood of one curve, {curve.curve_id}: how much the residual sum of squares rises, in units of "
        "the residual variance, when a constant is held beside its estimate; that of the standard error is dashed. "
        f"{'; '.join(told).replace('_', ' ')}."
    )
    return fig, text


def _width(curve: Curve, model: Model) -> float:
    found = curve.estimates[model.half]
    closed = curve.fit is not None and found.se > 0 and found.verdict != "not_identified" and found.ci_low > 0
    return np.log(found.ci_high / found.ci_low) if closed else np.inf


def _animals(points: pd.DataFrame) -> bool:
    return bool((points["animal_id"] != "").all())


def _constants(fits: pd.DataFrame, condition: str, model: Model) -> np.ndarray:
    of = fits[(fits["unit_id"] == "") & (fits["group"] == condition)].set_index("parameter")["estimate"]
    return np.array([of.get(p, np.nan) for p in model.constants], float)


def _told_constants(fits: pd.DataFrame, condition: str, model: Model) -> str:
    of = fits[(fits["unit_id"] == "") & (fits["group"] == condition)].set_index("parameter")
    words = []
    for name in model.constants:
        row = of.loc[name]
        if not np.isfinite(row["estimate"]):
            words.append(f"{_named(name)} not known ({row['reason']})")
            continue
        unit = "" if row["unit"] == "1" else f" {row['unit']}"
        words.append(f"{_named(name)} {row['estimate']:.3g}{unit} [{row['ci_low']:.3g}, {row['ci_high']:.3g}]")
    return ", ".join(words)


def _told_curve(curve: Curve, model: Model) -> str:
    if curve.fit is None:
        return "not fitted"
    mark = "" if curve.verdict == "identified" else f" ({curve.verdict.replace('_', ' ')})"
    return f"{_named(model.half)} {curve.estimates[model.half].value:.3g}{mark}"


def _named(parameter: str) -> str:
    names = {"ic50": "IC50", "ec50": "EC50", "hill": "Hill slope", "km": "Km", "k": "K", "tau": "time constant"}
    return names[parameter] if parameter in (*HALVES, "hill") else parameter


def _label(axis: dict) -> str:
    name = axis["name"][0].upper() + axis["name"][1:]
    return f"{name} ({axis['unit']})"


def _line(x: pd.Series, model: Model) -> np.ndarray:
    positive = x[x > 0]
    if model.log_x:
        return np.geomspace(positive.min() / 2, positive.max() * 1.5, 200)
    return np.linspace(0, positive.max() * 1.05, 200)


def _at(x, all_x: pd.Series, model: Model):
    """Return where x is drawn: on a logarithmic axis, 0 stands left of the lowest."""
    x = np.asarray(x, float)
    return np.where(x > 0, x, all_x[all_x > 0].min() / ZERO_FACTOR) if model.log_x else x


def _x_axis(axis, x: pd.Series, model: Model, words: dict | None) -> None:
    if words is not None:
        axis.set_xlabel(_label(words))
    if not model.log_x:
        return
    low, high = x[x > 0].min(), x.max()
    axis.set_xscale("log")
    decades = 10.0 ** np.arange(np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high) + 1e-9) + 1)
    ticks = list(decades) or [low, high]
    zero = [low / ZERO_FACTOR] if (x == 0).any() else []
    axis.set_xticks([*zero, *ticks], [*(["0"] * len(zero)), *(f"{t:g}" for t in ticks)])
    axis.xaxis.set_minor_locator(NullLocator())
