"""The figure of a mag-fura-2 experiment: free Mg2+ of each sample beside its group, and its place on the calibration.

Limits: takes the tables of `mgk.magnesium` (free_magnesium, groups, calibration) and computes nothing of its own but
the curve that the calibration table describes. Units: free Mg2+ in mM, R without unit.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mgk.figures import style
from mgk.magnesium import free_magnesium_mm, ratio_at

MOST_LABELS = 24
ROOM_ABOVE = 1.3
# Where a bound is written along the upper edge, below the legend.
ROOM_FOR_WORDS = 1.6


def donors_and_calibration(
    samples: pd.DataFrame,
    groups: pd.DataFrame,
    calibration: pd.DataFrame,
    standards: pd.DataFrame | None = None,
    *,
    noun: str = "samples",
) -> tuple[Figure, str]:
    """Draw the samples with their groups (left) and on the calibration curve of their run (right).

    Censored samples stand as triangles at the edge that they passed, with a line along what their interval leaves open.
    A group is drawn by its mean, or by its median where there is no mean, at the samples' Kd.

    Parameters
    ----------
    samples, groups, calibration : DataFrame
        As `sample_table`, `group_table` and `calibration_table` of `mgk.magnesium` return them.
    standards : DataFrame, optional
        As `standards_table` returns them: drawn as crosses where a run was calibrated by a titration.
    noun : str
        What the samples are called: cells, where they are those of images.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    if samples.empty:
        return style.nothing(f"there are no {noun}")
    samples = samples.sort_values(["condition", "sample_id"], kind="stable", ignore_index=True)
    groups = _shown_groups(groups, samples["kd_mm"].iloc[0])
    palette = style.colours(samples["condition"])
    fig, (left, right) = style.figure(8.8, 4.2, columns=2, width_ratios=(3, 2))
    _draw_samples(left, samples, groups, palette, noun)
    _draw_calibration(right, samples, calibration, palette)
    words = _describe(samples, groups, calibration, noun)
    if standards is not None and len(standards):
        known = standards[standards["magnesium_mm"] > 0]
        right.plot(known["magnesium_mm"], known["ratio"], "x", color=style.GREY, ms=4, label=f"{len(known)} standards")
        right.legend(loc="lower right")
        words += f" Crosses: {len(known)} standards from {known['magnesium_mm'].min():.3g} mM free Mg2+ on."
    return fig, words


def _shown_groups(groups: pd.DataFrame, kd_mm: float) -> pd.DataFrame:
    """Return one row per condition: the mean, or the median where there is no mean."""
    at_kd = groups[np.isclose(groups["kd_mm"], kd_mm)].sort_values("statistic", kind="stable")
    given = at_kd[(at_kd["statistic"] == "median") | at_kd["estimate"].notna()]
    return given.drop_duplicates("condition").sort_values("condition", kind="stable")


def _draw_samples(axes, samples: pd.DataFrame, groups: pd.DataFrame, palette: dict, noun: str) -> None:
    top = _top(samples)
    for place, row in enumerate(samples.itertuples()):
        _draw_one(axes, place, row, top, palette[row.condition])
    for group in groups.itertuples():
        _draw_group(axes, np.flatnonzero(samples["condition"] == group.condition), group, palette[group.condition])
    if len(samples) <= MOST_LABELS:
        axes.set_xticks(range(len(samples)), samples["sample_id"], rotation=45, ha="right")
    else:
        middles = pd.Series(range(len(samples))).groupby(samples["condition"]).mean()
        axes.set_xticks(middles, middles.index)
        axes.tick_params(axis="x", length=0)
    axes.set(ylim=(0, top), xlim=(-0.7, len(samples) - 0.3), ylabel="Free Mg²⁺ (mM)")
    axes.set_title(f"{len(samples)} {noun} of {samples['animal_id'].nunique()} animals, 95 % intervals")


def _top(samples: pd.DataFrame) -> float:
    """Return the upper end of the axis: what holds each value and interval that is not open."""
    inside = samples[~samples["flag"].isin(("above Rmax", "open above"))]
    ends = inside[["free_magnesium_mm", "ci_high"]].to_numpy(float)
    room = ROOM_ABOVE if len(inside) == len(samples) else ROOM_FOR_WORDS
    return room * max(ends[np.isfinite(ends)].max(initial=0.0), 0.1)


def _draw_one(axes, place: int, row, top: float, colour: str) -> None:
    if math.isnan(row.free_magnesium_mm):
        axes.plot(place, 0, marker="x", color=style.GREY, clip_on=False)
        return
    low, high = (min(end, top) for end in (row.ci_low, row.ci_high))
    if not math.isnan(low + high):
        axes.plot([place, place], [low, high], color=colour, lw=1, solid_capstyle="butt")
    value = min(row.free_magnesium_mm, top)
    marker = "^" if value == top else "v" if value == 0 else "o"
    axes.plot(place, value, marker=marker, color=colour, ms=7 if marker != "o" else None, clip_on=False)
    if marker != "o":
        height, anchor = (0.96, "top") if marker == "^" else (0.10, "bottom")
        axes.text(place, height, _value(row), transform=axes.get_xaxis_transform(), rotation=90, ha="center", va=anchor)


def _draw_group(axes, places: np.ndarray, group, colour: str) -> None:
    if len(places) < 2 or not math.isfinite(group.estimate):
        return
    ends = places[0] - 0.4, places[-1] + 0.4
    axes.hlines(group.estimate, *ends, color=colour, lw=1.6, label=_group_words(group))
    if math.isfinite(group.ci_low + group.ci_high):
        axes.fill_between(ends, group.ci_low, group.ci_high, color=colour, alpha=0.15, lw=0)
    axes.legend(loc="upper right")


def _draw_calibration(axes, samples: pd.DataFrame, calibration: pd.DataFrame, palette: dict) -> None:
    for number, run in enumerate(_usable(calibration).itertuples()):
        curve = (run.rmin, run.rmax, run.beta, run.kd_mm)
        magnesium = np.geomspace(0.01, 100, 200)
        axes.plot(magnesium, ratio_at(magnesium, *curve), color=style.GREY, lw=1)
        for level, name in ((run.rmin, "Rmin"), (run.rmax, "Rmax")):
            axes.axhline(level, color=style.GREY, ls=":", lw=1)
            if number == 0:
                axes.annotate(name, (0.011, level), xytext=(0, 2), textcoords="offset points", color="#595959")
        own = samples[(samples["run_id"] == run.run_id) & samples["free_magnesium_mm"].notna()]
        for row in own.itertuples():
            value = float(free_magnesium_mm(row.ratio, *curve))
            marker, place = ("o", value) if 0 < value < math.inf else ("v", 0.013) if value == 0 else ("^", 80)
            axes.plot(place, row.ratio, marker=marker, color=palette[row.condition], mfc="none")
    axes.set_xscale("log")
    axes.set(xlabel="Free Mg²⁺ (mM)", ylabel="R = F340/F380, background subtracted")
    axes.set_title(f"Calibration, Kd {calibration['kd_mm'].iloc[0]:g} mM")


def _describe(samples: pd.DataFrame, groups: pd.DataFrame, calibration: pd.DataFrame, noun: str) -> str:
    parts = [f"Left: free Mg2+ of {len(samples)} {noun}, each with its 95 % interval."]
    parts += [f"{_group_words(group)}." for group in groups.itertuples()]
    flagged = samples[samples["flag"] != ""]
    parts += [f"{row.sample_id}: {row.flag}, {_value(row)}." for row in flagged.itertuples()]
    parts += [
        f"Right: the {noun} on the calibration curve of run {run.run_id}, from Rmin {run.rmin:.3g} to Rmax "
        f"{run.rmax:.3g}, beta {run.beta:.3g}, Kd {run.kd_mm:g} mM."
        for run in _usable(calibration).itertuples()
    ]
    return " ".join(parts)


def _usable(calibration: pd.DataFrame) -> pd.DataFrame:
    return calibration[calibration["rmin"].notna()]


def _group_words(group) -> str:
    """Return a group in words: condition, statistic with its interval, number of animals."""
    condition = group.condition or "all samples"
    if math.isnan(group.estimate):
        return f"{condition}: {group.reason}"
    animals = "1 animal" if group.n_animals == 1 else f"{group.n_animals} animals"
    if group.estimate in (0, math.inf):
        return f"{condition}: {group.statistic} {'above Rmax' if group.estimate else 'below Rmin'}, {animals}"
    known = not math.isnan(group.ci_low)
    interval = f" ({_number(group.ci_low)} to {_number(group.ci_high)})" if known else ""
    return f"{condition}: {group.statistic} {_number(group.estimate)}{interval} mM, {animals}"


def _value(row) -> str:
    """Return a sample's value as it is known: a number, or the side of a limit."""
    value = row.free_magnesium_mm
    if math.isnan(value):
        return row.reason
    if 0 < value < math.inf:
        return f"{_number(value)} mM"
    sign, bound = ("<", row.ci_high) if value == 0 else (">", row.ci_low)
    return "no bound known" if math.isnan(bound) else f"{sign} {_number(bound)} mM"


def _number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
