"""The figure of a kinetic mag-fura-2 plate: free Mg2+ over time, and the drift of its calibration wells.

Limits: takes the tables of `mgk.magnesium.kinetics` and computes nothing of its own but means over animals. A plate
that was read once gets a figure that says so. Units: minutes, mM, percent per minute.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mgk.figures import style
from mgk.statistics import summarise_cells

NO_COURSE = "read once, there is no time course"
NO_INTERVAL = "stacks.csv states no frame_interval_s"
WORDS = {"f340": "F340", "f380": "F380", "ratio": "R"}


def course_and_drift(course: pd.DataFrame, drift: pd.DataFrame) -> tuple[Figure, str]:
    """Draw free Mg2+ of each sample and of each condition over time (left), and the drift of calibration wells (right).

    Parameters
    ----------
    course, drift : DataFrame
        As `time_course` and `drift_table` of `mgk.magnesium` return them.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    if course.empty:
        return style.nothing(NO_COURSE)
    fig, (left, right) = style.figure(8.8, 4.0, columns=2, width_ratios=(3, 2))
    words = _draw_course(left, course)
    _draw_drift(right, drift)
    return fig, " ".join(
        ["Left: free Mg2+ over time.", *words, "Right: drift of the calibration wells.", *_told(drift)]
    )


def course_of_cells(course: pd.DataFrame) -> tuple[Figure, str]:
    """Draw free Mg2+ of each cell of image stacks and of each condition over time; `course` as of `cell_course`."""
    if course.empty:
        return style.nothing(NO_INTERVAL)
    fig, axes = style.figure(6.4, 4.0)
    words = _draw_course(axes, course)
    axes.set_title("Cells, and means of animals with 95 % interval")
    return fig, " ".join(["Free Mg2+ over time.", *words])


def group_means(course: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over animals of each condition at each time with its t interval; censored values are left out.

    Columns: condition, time_s, estimate, ci_low, ci_high, n_animals, n_left_out.
    """
    rows = []
    for (condition, time_s), group in course.groupby(["condition", "time_s"]):
        values = group["free_magnesium_mm"].astype(float)
        inside = values.where(np.isfinite(values) & (values > 0))
        mean = summarise_cells(inside.to_numpy(), group["animal_id"].to_numpy())
        rows.append((condition, time_s, mean.estimate, mean.ci_low, mean.ci_high, mean.n_animals, inside.isna().sum()))
    columns = ["condition", "time_s", "estimate", "ci_low", "ci_high", "n_animals", "n_left_out"]
    return pd.DataFrame(rows, columns=columns)


def _draw_course(axes, course: pd.DataFrame) -> list[str]:
    palette = style.colours(sorted(set(course["condition"])))
    for _, sample in course.groupby(["run_id", "sample_id"]):
        values = sample["free_magnesium_mm"].astype(float)
        shown = values.where(np.isfinite(values))
        axes.plot(sample["time_s"] / 60, shown, color=palette[sample["condition"].iloc[0]], lw=0.6, alpha=0.6)
    words = []
    for condition, means in group_means(course).groupby("condition"):
        minutes, n = means["time_s"] / 60, int(means["n_animals"].max())
        animals = "1 animal" if n == 1 else f"{n} animals"
        spread = np.abs(means[["ci_low", "ci_high"]].sub(means["estimate"], axis=0)).fillna(0).T
        label = f"{condition or 'all samples'}, {animals}"
        axes.errorbar(minutes, means["estimate"], spread, fmt="o", color=palette[condition], capsize=2, label=label)
        first, last = means["estimate"].iloc[[0, -1]]
        words.append(
            f"{label}: {first:.3g} mM at {minutes.iloc[0]:.3g} min, {last:.3g} mM at {minutes.iloc[-1]:.3g} min."
        )
    axes.set(xlabel="Time (min)", ylabel="Free Mg²⁺ (mM)", ylim=(0, None))
    axes.set_title("Samples, and means of animals with 95 % interval")
    axes.legend(loc="best")
    return words


def _draw_drift(axes, drift: pd.DataFrame) -> None:
    labels = [f"{row.role}, {WORDS[row.quantity]}" for row in drift.itertuples()]
    for place, row in enumerate(drift.itertuples()):
        if math.isfinite(row.percent_per_min):
            colour = style.PALETTE[1] if row.verdict == "warn" else style.PALETTE[0]
            axes.plot([row.ci_low, row.ci_high], [place, place], color=colour, lw=1.2)
            axes.plot(row.percent_per_min, place, "o", color=colour)
    axes.axvline(0, color=style.GREY, lw=1, ls=":")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set(xlabel="Drift (% per min)")
    axes.set_title("Calibration wells, 95 % intervals")


def _told(drift: pd.DataFrame) -> list[str]:
    words = []
    for row in drift.itertuples():
        if math.isfinite(row.percent_per_min):
            interval = f"{row.percent_per_min:+.2g} ({row.ci_low:+.2g} to {row.ci_high:+.2g}) % per min"
            words.append(f"{row.role}, {WORDS[row.quantity]}: {interval}, {row.n_wells} wells.")
        else:
            words.append(f"{row.role}, {WORDS[row.quantity]}: {row.reason}.")
    return words
