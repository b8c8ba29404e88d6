"""What clinical figures share: ticks in the reader's numbers on the analysis scale, labels of models and studies."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from scipy import special

from mgk.meta.effects import Measure, find_measure
from mgk.meta.pooling import NAMES, show_value

# From a proportion to the analysis scale. The double arcsine is that of many people, where it is the arcsine.
FORWARD = {
    "logit": special.logit,
    "arcsine": lambda p: np.arcsin(np.sqrt(p)),
    "double arcsine": lambda p: np.arcsin(np.sqrt(p)),
}
PROPORTIONS = (
    (0, 0.2, 0.4, 0.6, 0.8, 1),
    (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99),
    (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999),
    (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    (0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06),
    (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99),
    (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99),
    (0.5,),
)
CLOSEST = 0.09
"""Least distance of two ticks, as a share of the axis."""


LONGEST_NAME = 44
"""Most characters of the name of a study or subgroup."""

MOST_TICKS, MOST_CHARACTERS = 8, 28
"""Most ticks of an axis of ratios, and most characters of all of them together."""


def set_scale(axis, scale: str, limits: tuple[float, float]) -> None:
    """Give an axis (`axes.xaxis` or `axes.yaxis`) with `limits` on the analysis scale ticks that a reader knows."""
    low, high = limits
    if scale == "linear":
        return
    if scale == "log":
        shown = ratio_ticks(low, high)
        places = np.log(shown)
    else:
        with np.errstate(divide="ignore"):
            choices = [(np.array(p), FORWARD[scale](np.array(p, float))) for p in PROPORTIONS]
        inside = [(p[(x >= low) & (x <= high)], x[(x >= low) & (x <= high)]) for p, x in choices]
        apart = [pair for pair in inside if np.all(np.diff(pair[1]) > CLOSEST * (high - low))]
        shown, places = max(apart, key=lambda pair: len(pair[0]))
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FixedFormatter([f"{value:g}" for value in shown]))
    axis.set_minor_locator(NullLocator())


def ratio_ticks(low: float, high: float) -> np.ndarray:
    """Return round ratios within log limits, 1 among them, that do not crowd: even steps, 1-2-5 or powers of ten."""
    if high - low < np.log(3):
        choices = [MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(np.exp(low), np.exp(high))]
    else:
        exponents = np.arange(np.floor(low / np.log(10)), np.ceil(high / np.log(10)) + 1)
        choices = [np.outer(10.0**exponents, (1, 2, 5)).ravel()]
        choices += [10.0 ** exponents[exponents % step == 0] for step in range(1, len(exponents) + 1)]
    inside = [ticks[(ticks > 0) & (ticks >= np.exp(low)) & (ticks <= np.exp(high))] for ticks in choices]
    few = [t for t in inside if len(t) <= MOST_TICKS and len(" ".join(f"{v:g}" for v in t)) <= MOST_CHARACTERS]
    return few[0] if few else inside[-1]


def axis_name(measure: Measure, scale: str) -> str:
    """Return the name of an axis of effects, with its scale where that is not a straight one."""
    name = measure.label[0].upper() + measure.label[1:]
    return name if scale == "linear" else f"{name} ({scale} axis)"


def measure_and_scale(effects: pd.DataFrame) -> tuple[Measure, str]:
    """Return the measure of a table of effects, and its analysis scale."""
    return find_measure(effects["measure"].iloc[0]), effects["scale"].iloc[0]


def shortened(name: str) -> str:
    """Return the name of a study, cut to what fits beside a plot."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def plain(text: str) -> str:
    """Keep a dollar sign from starting mathematical text."""
    return text.replace("$", r"\$")


def summary_label(row: pd.Series) -> str:
    """Return what a pooled row is, in words."""
    if row["model"] == "common":
        return f"Common effect ({NAMES.get(row['method'], row['method'])})"
    return f"Random effects ({row['method']}, {NAMES[row['test']]})"


def interval(row: pd.Series, measure: Measure) -> str:
    """Return the back-transformed estimate of a row with its confidence interval."""
    return f"{show_value(row['back_transformed_estimate'], measure)} {limits_shown(row, 'ci', measure)}"


def limits_shown(row: pd.Series, kind: str, measure: Measure) -> str:
    """Return the back-transformed limits of a row: `kind` ci or pi."""
    low, high = (show_value(row[f"back_transformed_{kind}_{end}"], measure) for end in ("low", "high"))
    return f"[{low}, {high}]"
