"""Figures of the clinical stage: the forest plot, and its text alternative.

Everything that is drawn or written comes from the two tables, `effects` (`mgk.meta.effects` with the weights of
`mgk.meta.pooling`) and `pooled`; nothing is computed here but places and rounded text, so that figure and table agree.
"""

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from mgk.figures import style
from mgk.meta.effects import CORRECTED, SCALES, Measure, find_measure
from mgk.meta.pooling import COMMON, NAMES, RANDOM, pooled_row, show_value

ROW_IN = 0.2
PLOT_IN = 3.3
CHARACTER_IN = 0.067
"""Height of a row, width of the plot, and mean width of a character of 8 points, in inches."""

LARGEST_SQUARE_PT = 11.0
"""Side of the square of a study that carried all the weight of the heaviest one."""

LONGEST_LABEL = 44
MARK = "*"


def forest(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    *,
    title: str = "",
    level: float = 0.95,
    common: tuple[str, str] = COMMON,
    random: tuple[str, str] = RANDOM,
):
    """Draw a forest plot with the common and the random model below the studies.

    The area of a square is in proportion to the study's weight in the random-effects model (with one study: the common
    one); its line is the confidence interval, with an arrow head where it leaves the axis. Diamonds span the intervals
    of the two pooled estimates, the bar below them the prediction interval. Ratios are drawn on a log axis.

    Parameters
    ----------
    effects : DataFrame
        From `effect_sizes`, with the weights of `with_weights`; a row a study, drawn in the order given.
    pooled : DataFrame
        From `pooled_table`, of the same effects.
    title : str
        Heading of the figure.
    level : float
        Level of the intervals in both tables, for the heading of the column.
    common, random : (method, test)
        The rows of `pooled` that are shown.

    Returns
    -------
    Figure
        Taller with every study.
    """
    measure, scale = find_measure(effects["measure"].iloc[0]), effects["scale"].iloc[0]
    rows = (pooled_row(pooled, common), pooled_row(pooled, random))
    has_counts = "n_treatment" in effects
    labels = [_label(study) for _, study in effects.iterrows()]
    summaries = [_summary_label(row) for row in rows]
    widest = max(len(text) for text in (*labels, *summaries, "Prediction interval (t, k-2)"))
    study_in = widest * CHARACTER_IN + 0.1
    left_in, right_in = study_in + (2.0 if has_counts else 0.0), 3.2
    k = len(effects)
    fig, axes = style.figure(
        left_in + PLOT_IN + right_in,
        (k + 7) * ROW_IN + 1.3,
        1,
        3,
        sharey=True,
        width_ratios=[left_in, PLOT_IN, right_in],
    )
    left, plot, right = axes
    for side, width in ((left, left_in), (right, right_in)):
        side.set_axis_off()
        side.set_xlim(0, width)
    plot.set_ylim(k + 3.7, -2.0)

    _draw_studies(plot, effects)
    _write_studies(left, right, effects, labels, study_in, measure)
    _draw_pooled(plot, rows, k, measure)
    _write_pooled(left, right, rows, summaries, k, measure)
    _write_headings(left, right, study_in, has_counts, level)
    if has_counts:
        _write_totals(left, effects, study_in)
    _set_axis(plot, effects, rows, measure, scale)
    if title:
        fig.suptitle(_plain(title), x=0.01, ha="left", fontsize=10)
    fig.supxlabel("\n".join(_footnotes(effects, rows)), x=0.01, ha="left", fontsize=7.5)
    fig.alt = forest_alt_text(effects, pooled, title=title, common=common, random=random)
    return fig


def forest_alt_text(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    *,
    title: str = "",
    common: tuple[str, str] = COMMON,
    random: tuple[str, str] = RANDOM,
) -> str:
    """Say in words what `forest` shows: studies, their range, both pooled estimates, prediction and heterogeneity."""
    measure, scale = find_measure(effects["measure"].iloc[0]), effects["scale"].iloc[0]
    null = f"{SCALES[scale](measure.null):g}"
    values = effects["back_transformed_estimate"]
    low, high = (show_value(v, measure) for v in (values.min(), values.max()))
    below = int((effects["ci_high"] < measure.null).sum())
    above = int((effects["ci_low"] > measure.null).sum())
    studies = "1 study" if len(effects) == 1 else f"{len(effects)} studies"
    head = f"Forest plot{f', {title}' if title else ''}: {measure.label} of {studies}, from {low} to {high}; "
    parts = [
        head + f"{below} with an interval wholly below {null}, {above} wholly above."
        f" Below {null} means {measure.below}."
    ]
    for choice in (common, random):
        row = pooled_row(pooled, choice)
        shown = _interval(row, measure) if np.isfinite(row["estimate"]) else row["note"]
        parts.append(f"{_summary_label(row)}: {shown}.")
        if np.isfinite(row["pi_low"]):
            parts.append(f"Prediction interval {_limits_shown(row, 'pi', measure)}.")
    return " ".join([*parts, _heterogeneity(*(pooled_row(pooled, c) for c in (common, random)))])


def _draw_studies(plot, effects: pd.DataFrame) -> None:
    weights = effects["weight_random_percent"].fillna(effects["weight_common_percent"])
    places = np.arange(len(effects))
    plot.hlines(places, effects["ci_low"], effects["ci_high"], color="black", lw=0.9, zorder=2)
    area = LARGEST_SQUARE_PT**2 * weights / weights.max()
    plot.scatter(effects["yi"], places, s=area, marker="s", color=style.PALETTE[0], linewidths=0, zorder=3)
    plot.plot(effects["yi"], places, "|", color="black", ms=3.5, mew=0.8, zorder=4)


def _write_studies(left, right, effects, labels, study_in, measure) -> None:
    for place, (label, (_, study)) in enumerate(zip(labels, effects.iterrows(), strict=True)):
        _text(left, 0, place, label)
        if "n_treatment" in effects:
            _text(left, study_in + 0.9, place, f"{study['events_treatment']}/{study['n_treatment']}", "right")
            _text(left, study_in + 1.85, place, f"{study['events_control']}/{study['n_control']}", "right")
        _write_effect(right, place, study, measure)
        _text(right, 2.45, place, _percent(study["weight_common_percent"]), "right")
        _text(right, 3.1, place, _percent(study["weight_random_percent"]), "right")


def _draw_pooled(plot, rows, k: int, measure: Measure) -> None:
    plot.axvline(measure.null, color="black", lw=0.8, zorder=1)
    for place, row, colour in zip((k + 0.6, k + 1.6), rows, (style.GREY, style.PALETTE[1]), strict=True):
        if not np.isfinite(row["estimate"]):
            continue
        plot.plot([row["estimate"]] * 2, [-0.5, place], color=colour, lw=0.8, ls=":", zorder=1)
        corners = [row["ci_low"], row["estimate"], row["ci_high"], row["estimate"]]
        plot.fill(corners, [place, place - 0.32, place, place + 0.32], color=colour, lw=0.5, zorder=3)
    random = rows[1]
    if np.isfinite(random["pi_low"]):
        plot.hlines(k + 2.6, random["pi_low"], random["pi_high"], color=style.PALETTE[1], lw=4, zorder=3)


def _write_pooled(left, right, rows, summaries, k: int, measure: Measure) -> None:
    for place, row, label in zip((k + 0.6, k + 1.6), rows, summaries, strict=True):
        _text(left, 0, place, label, weight="bold")
        if np.isfinite(row["estimate"]):
            _write_effect(right, place, row, measure, weight="bold")
        else:
            _text(right, 0.05, place, "not estimated")
    for column, row, place in zip((2.45, 3.1), rows, (k + 0.6, k + 1.6), strict=True):
        if np.isfinite(row["estimate"]):
            _text(right, column, place, "100", "right", weight="bold")
    random = rows[1]
    if np.isfinite(random["pi_low"]):
        _text(left, 0, k + 2.6, f"Prediction interval ({random['pi_rule']})")
        _text(right, 1.8, k + 2.6, _limits_shown(random, "pi", measure), "right")


def _write_headings(left, right, study_in: float, has_counts: bool, level: float) -> None:
    _text(left, 0, -1, "Study", weight="bold")
    if has_counts:
        for place, arm in ((0.9, "Treatment"), (1.85, "Control")):
            _text(left, study_in + place, -1.6, arm, "right", weight="bold")
            _text(left, study_in + place, -0.9, "events/n", "right", weight="bold")
    _text(right, 1.8, -1, f"Effect [{100 * level:g} % CI]", "right", weight="bold")
    _text(right, 2.75, -1.6, "Weight, %", "center", weight="bold")
    _text(right, 2.45, -0.9, "common", "right", weight="bold")
    _text(right, 3.1, -0.9, "random", "right", weight="bold")


def _write_totals(left, effects: pd.DataFrame, study_in: float) -> None:
    for column, arm in ((0.9, "treatment"), (1.85, "control")):
        events, total = (int(effects[f"{what}_{arm}"].sum()) for what in ("events", "n"))
        _text(left, study_in + column, len(effects) + 0.6, f"{events}/{total}", "right", weight="bold")


def _set_axis(plot, effects, rows, measure: Measure, scale: str) -> None:
    """Set limits, ticks and the words on both sides; intervals that leave the axis get an arrow head."""
    low, high = _limits(effects, rows, measure)
    plot.set_xlim(low, high)
    for place, (_, study) in enumerate(effects.iterrows()):
        if study["ci_low"] < low:
            plot.plot(low, place, "<", color="black", ms=4, clip_on=False, zorder=4)
        if study["ci_high"] > high:
            plot.plot(high, place, ">", color="black", ms=4, clip_on=False, zorder=4)
    plot.spines["left"].set_visible(False)
    plot.tick_params(axis="y", left=False, labelleft=False)
    if scale == "log":
        ticks = _ratio_ticks(low, high)
        plot.xaxis.set_major_locator(FixedLocator(np.log(ticks)))
        plot.xaxis.set_major_formatter(FixedFormatter([f"{t:g}" for t in ticks]))
        plot.xaxis.set_minor_locator(NullLocator())
    name = measure.label[0].upper() + measure.label[1:]
    plot.set_xlabel(f"{name} (log axis)" if scale == "log" else name, labelpad=14)
    for side, words in ((0, f"← {measure.below}"), (1, f"{measure.above} →")):
        plot.annotate(
            words,
            (side, 0),
            (0, -18),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right" if side else "left",
            va="top",
            fontsize=7,
        )


def _limits(effects, rows, measure: Measure) -> tuple[float, float]:
    """Return axis limits that hold every estimate and pooled interval, and nine tenths of the studies' limits.

    The last tenth is held too where it takes no more than a quarter of the axis on its side.
    """
    pooled = [
        row[name] for row in rows for name in ("ci_low", "ci_high", "pi_low", "pi_high") if np.isfinite(row[name])
    ]
    inside = [measure.null, effects["yi"].min(), effects["yi"].max(), *pooled]
    low = min(*inside, effects["ci_low"].quantile(0.1))
    high = max(*inside, effects["ci_high"].quantile(0.9))
    span = high - low
    low = effects["ci_low"].min() if low - 0.25 * span < effects["ci_low"].min() < low else low
    high = effects["ci_high"].max() if high < effects["ci_high"].max() < high + 0.25 * span else high
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _ratio_ticks(low: float, high: float) -> np.ndarray:
    """Return at most eight round ratios within log limits, 1 among them: even steps, 1-2-5 steps or powers of ten."""
    if high - low < np.log(3):
        choices = [MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(np.exp(low), np.exp(high))]
    else:
        exponents = np.arange(np.floor(low / np.log(10)), np.ceil(high / np.log(10)) + 1)
        choices = [np.outer(10.0**exponents, (1, 2, 5)).ravel()]
        choices += [10.0 ** exponents[exponents % step == 0] for step in range(1, len(exponents) + 1)]
    inside = [ticks[(ticks > 0) & (ticks >= np.exp(low)) & (ticks <= np.exp(high))] for ticks in choices]
    return next((ticks for ticks in inside if len(ticks) <= 8), inside[-1])


def _footnotes(effects: pd.DataFrame, rows) -> list[str]:
    corrected = int(effects["zero_rule"].isin(CORRECTED).sum())
    notes = [_heterogeneity(*rows), "Area of a square: weight in the random-effects model."]
    if len(effects) == 1:
        notes[1] = "One study: nothing is pooled."
    if corrected:
        notes[1] += f" {MARK} zero cell: 1/2 added to all four cells (n = {corrected})."
    if isinstance(rows[1]["note"], str) and rows[1]["note"] and np.isfinite(rows[1]["estimate"]):
        notes.append(f"Random effects: {rows[1]['note']}.")
    return notes


def _heterogeneity(common: pd.Series, random: pd.Series) -> str:
    """Return Q with its test, I2 in both ways and tau2 with its interval in one line, or why there is none."""
    if not np.isfinite(common["q"]):
        return f"Heterogeneity: {common['note']}."
    p = "p < 0.0001" if common["q_p"] < 1e-4 else f"p = {common['q_p']:.2g}"
    text = f"Heterogeneity: Q = {common['q']:.2f}, df = {common['q_df']}, {p}"
    if np.isfinite(random["tau2"]):
        spread = "interval empty"
        if np.isfinite(random["tau2_ci_low"]):
            spread = f"{random['tau2_ci_low']:.3g} to {random['tau2_ci_high']:.3g}"
        text += f"; I² = {random['i2']:.0f} % (from τ²), {random['i2_q']:.0f} % (from Q)"
        text += f"; τ² = {random['tau2']:.3g} ({spread}, Q-profile)"
    return text + "."


def _label(study: pd.Series) -> str:
    """Return name and year of a study, shortened to what fits, with a mark when its cells were changed."""
    year = "" if pd.isna(study.get("year")) or str(study["year"]) in study["study"] else f" {study['year']}"
    mark = f" {MARK}" if study["zero_rule"] in CORRECTED else ""
    name = study["study"]
    if len(name) > LONGEST_LABEL:
        name = name[: LONGEST_LABEL - 1] + "…"
    return _plain(f"{name}{year}{mark}")


def _plain(text: str) -> str:
    """Keep a dollar sign from starting mathematical text."""
    return text.replace("$", r"\$")


def _summary_label(row: pd.Series) -> str:
    if row["model"] == "common":
        return f"Common effect ({NAMES.get(row['method'], row['method'])})"
    return f"Random effects ({row['method']}, {NAMES[row['test']]})"


def _write_effect(right, place: float, row: pd.Series, measure: Measure, **style_of_text) -> None:
    _text(right, 1.8, place, _interval(row, measure), "right", **style_of_text)


def _interval(row: pd.Series, measure: Measure) -> str:
    return f"{show_value(row['back_transformed_estimate'], measure)} {_limits_shown(row, 'ci', measure)}"


def _limits_shown(row: pd.Series, kind: str, measure: Measure) -> str:
    low, high = (show_value(row[f"back_transformed_{kind}_{end}"], measure) for end in ("low", "high"))
    return f"[{low}, {high}]"


def _percent(weight: float) -> str:
    if pd.isna(weight):
        return ""
    return "<0.1" if weight < 0.05 else f"{weight:.1f}"


def _text(axes, x: float, y: float, text: str, align: str = "left", weight: str = "normal") -> None:
    axes.text(x, y, text, ha=align, va="center", fontsize=8, weight=weight)
