"""The forest plot, and its text alternative.

Studies, both models, the prediction interval, and the numbers of the tables beside them; where the table has columns
`rob_*`, a strip with the risk of bias as it was judged by those who filled them.
"""

import numpy as np
import pandas as pd

from mgk.figures import style
from mgk.figures.clinical.axis import (
    axis_name,
    interval,
    limits_shown,
    measure_and_scale,
    plain,
    set_scale,
    shortened,
    summary_label,
)
from mgk.meta.columns import COUNTS, MEANS, PROPORTION, study_name
from mgk.meta.effects import CORRECTED, SCALES, Measure
from mgk.meta.pooling import COMMON, RANDOM, pooled_row, show_value

ROW_IN = 0.2
PLOT_IN = 3.3
CHARACTER_IN = 0.067
"""Height of a row, width of the plot, and mean width of a character of 8 points, in inches."""

LARGEST_SQUARE_PT = 11.0
"""Side of the square of a study that carried all the weight of the heaviest one."""

MARK = "*"
COLUMN_IN = 0.95
BIAS_IN = 0.3
WEIGHTS_IN = (2.55, 3.2)
NUMBERS_IN = 3.3
"""Right ends of both columns of weights, and width of effect and weights, in inches."""

# Risk of bias as tables write it: sign and colour; a judgement of another name is written as it is.
BIAS = {
    "low": ("+", style.PALETTE[2]),
    "some concerns": ("?", style.PALETTE[4]),
    "unclear": ("?", style.PALETTE[4]),
    "moderate": ("?", style.PALETTE[4]),
    "high": ("−", style.PALETTE[1]),
    "serious": ("−", style.PALETTE[1]),
    "critical": ("−", style.PALETTE[1]),
}


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
    measure, scale = measure_and_scale(effects)
    rows = (pooled_row(pooled, common), pooled_row(pooled, random))
    columns = _data_columns(effects)
    subgroups = _subgroups(pooled, random, common)
    bias = [name for name in effects if name.startswith("rob_")]
    labels = [_label(study) for _, study in effects.iterrows()]
    summaries = [summary_label(row) for row in rows]
    grouped = [_subgroup_label(row) for row in subgroups]
    widest = max(len(text) for text in (*labels, *summaries, *grouped, "Prediction interval (t, k-2)"))
    study_in = widest * CHARACTER_IN + 0.1
    left_in, right_in = study_in + COLUMN_IN * len(columns) + 0.1 * bool(columns), NUMBERS_IN + BIAS_IN * len(bias)
    k = len(effects)
    fig, axes = style.figure(
        left_in + PLOT_IN + right_in,
        (k + 7 + len(subgroups)) * ROW_IN + 1.3,
        1,
        3,
        sharey=True,
        width_ratios=[left_in, PLOT_IN, right_in],
    )
    left, plot, right = axes
    for side, width in ((left, left_in), (right, right_in)):
        side.set_axis_off()
        side.set_xlim(0, width)
    plot.set_ylim(k + 3.7 + len(subgroups), -2.0)

    _draw_studies(plot, effects)
    _write_studies(left, right, effects, labels, measure)
    _draw_pooled(plot, rows, k, measure)
    _write_pooled(left, right, rows, summaries, k, measure)
    _write_headings(right, level)
    _text(left, 0, -1, "Study", weight="bold")
    for place, column in enumerate(columns, 1):
        _write_column(left, study_in + COLUMN_IN * place, column)
    for place, name in enumerate(bias):
        _write_bias(right, NUMBERS_IN + BIAS_IN * (place + 0.5), name, effects[name])
    for place, (row, label) in enumerate(zip(subgroups, grouped, strict=True)):
        _write_subgroup(left, plot, right, k + 3.6 + place, row, label, measure)
    _set_axis(plot, effects, (*rows, *subgroups), measure, scale)
    if title:
        fig.suptitle(plain(title), x=0.01, ha="left", fontsize=10)
    fig.supxlabel("\n".join([*_footnotes(effects, rows), *_bias_notes(effects, bias)]), x=0.01, ha="left", fontsize=7.5)
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
    measure, scale = measure_and_scale(effects)
    values = effects["back_transformed_estimate"]
    low, high = (show_value(v, measure) for v in (values.min(), values.max()))
    studies = "1 study" if len(effects) == 1 else f"{len(effects)} studies"
    head = f"Forest plot{f', {title}' if title else ''}: {measure.label} of {studies}, from {low} to {high}; "
    parts = [head + _against_null(effects, measure, scale)]
    for choice in (common, random):
        row = pooled_row(pooled, choice)
        shown = interval(row, measure) if np.isfinite(row["estimate"]) else row["note"]
        parts.append(f"{summary_label(row)}: {shown}.")
        if np.isfinite(row["pi_low"]):
            parts.append(f"Prediction interval {limits_shown(row, 'pi', measure)}.")
    parts += [
        f"Subgroup {_subgroup_label(row)}: {interval(row, measure)}." for row in _subgroups(pooled, random, common)
    ]
    return " ".join([*parts, _heterogeneity(*(pooled_row(pooled, c) for c in (common, random)))])


def _draw_studies(plot, effects: pd.DataFrame) -> None:
    weights = effects["weight_random_percent"].fillna(effects["weight_common_percent"])
    places = np.arange(len(effects))
    plot.hlines(places, effects["ci_low"], effects["ci_high"], color="black", lw=0.9, zorder=2)
    area = LARGEST_SQUARE_PT**2 * weights / weights.max()
    plot.scatter(effects["yi"], places, s=area, marker="s", color=style.PALETTE[0], linewidths=0, zorder=3)
    plot.plot(effects["yi"], places, "|", color="black", ms=3.5, mew=0.8, zorder=4)


def _against_null(effects: pd.DataFrame, measure: Measure, scale: str) -> str:
    if np.isnan(measure.null):
        return "a proportion is no comparison."
    null = f"{SCALES[scale](measure.null):g}"
    below, above = int((effects["ci_high"] < measure.null).sum()), int((effects["ci_low"] > measure.null).sum())
    return f"{below} with an interval wholly below {null}, {above} wholly above. Below {null} means {measure.below}."


def _write_studies(left, right, effects, labels, measure) -> None:
    for place, (label, (_, study)) in enumerate(zip(labels, effects.iterrows(), strict=True)):
        _text(left, 0, place, label)
        _write_effect(right, place, study, measure)
        for x, model in zip(WEIGHTS_IN, ("common", "random"), strict=True):
            _text(right, x, place, _percent(study[f"weight_{model}_percent"]), "right")


def _data_columns(effects: pd.DataFrame) -> list[tuple[str, str, list[str], str]]:
    """Return heading, second heading, a text a study and a total for what the effects were made from."""
    arms = (("Treatment", "treatment"), ("Control", "control"))
    if set(COUNTS) <= set(effects):
        return [_count_column(effects, word, f"events_{arm}", f"n_{arm}") for word, arm in arms]
    if set(MEANS) <= set(effects):
        rows = [effects[[f"mean_{arm}", f"sd_{arm}", f"n_{arm}"]] for _, arm in arms]
        return [
            (
                word,
                "mean (SD)",
                [f"{m:.3g} ({s:.3g})" for m, s, _ in part.to_numpy(float)],
                f"n {part.iloc[:, 2].sum()}",
            )
            for (word, _), part in zip(arms, rows, strict=True)
        ]
    if set(PROPORTION) <= set(effects):
        return [_count_column(effects, "", "events", "n")]
    return []


def _count_column(effects, word, events, n) -> tuple[str, str, list[str], str]:
    texts = [f"{a}/{b}" for a, b in zip(effects[events], effects[n], strict=True)]
    return word, "events/n", texts, f"{int(effects[events].sum())}/{int(effects[n].sum())}"


def _write_column(left, x: float, column: tuple[str, str, list[str], str]) -> None:
    first, second, texts, total = column
    _text(left, x, -1.6, first, "right", weight="bold")
    _text(left, x, -0.9, second, "right", weight="bold")
    for place, text in enumerate(texts):
        _text(left, x, place, text, "right")
    _text(left, x, len(texts) + 0.6, total, "right", weight="bold")


def _write_bias(right, x: float, name: str, judged: pd.Series) -> None:
    """Write one column of judgements: a sign in a colour, so that either will do."""
    right.text(x, -0.7, _bias_name(name), rotation=60, fontsize=7, ha="left", va="bottom", rotation_mode="anchor")
    for place, value in enumerate(judged.fillna("").astype(str)):
        sign, colour = BIAS.get(value.strip().lower(), (value[:3], style.GREY))
        right.text(x, place, plain(sign), color=colour, fontsize=9, weight="bold", ha="center", va="center")


def _bias_notes(effects: pd.DataFrame, bias: list[str]) -> list[str]:
    if not bias:
        return []
    return ["Risk of bias as judged in the table: + low, ? some concerns or unclear, − high; empty: not judged."]


def _bias_name(name: str) -> str:
    return name.removeprefix("rob_").replace("_", " ")


def _draw_pooled(plot, rows, k: int, measure: Measure) -> None:
    if not np.isnan(measure.null):
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
    for column, row, place in zip(WEIGHTS_IN, rows, (k + 0.6, k + 1.6), strict=True):
        if np.isfinite(row["estimate"]):
            _text(right, column, place, "100", "right", weight="bold")
    random = rows[1]
    if np.isfinite(random["pi_low"]):
        _text(left, 0, k + 2.6, f"Prediction interval ({random['pi_rule']})")
        _text(right, 1.8, k + 2.6, limits_shown(random, "pi", measure), "right")


def _subgroups(pooled: pd.DataFrame, random: tuple[str, str], common: tuple[str, str]) -> list[pd.Series]:
    """Return the row of each subgroup that is shown: random effects, or with one study the common effect."""
    found = []
    for name in pooled["subgroup"].fillna("").drop_duplicates():
        if name:
            row = pooled_row(pooled, random, name)
            found.append(row if np.isfinite(row["estimate"]) else pooled_row(pooled, common, name))
    return found


def _subgroup_label(row: pd.Series) -> str:
    name = str(row["subgroup"])
    return plain(f"{shortened(name)}, k = {row['k']:.0f} ({row['model']} effect{'s' * (row['model'] == 'random')})")


def _write_subgroup(left, plot, right, place: float, row: pd.Series, label: str, measure: Measure) -> None:
    _text(left, 0, place, label)
    corners = [row["ci_low"], row["estimate"], row["ci_high"], row["estimate"]]
    plot.fill(corners, [place, place - 0.28, place, place + 0.28], facecolor="none", edgecolor=style.PALETTE[1], lw=1)
    _write_effect(right, place, row, measure)


def _write_headings(right, level: float) -> None:
    _text(right, 1.8, -1, f"Effect [{100 * level:g} % CI]", "right", weight="bold")
    _text(right, np.mean(WEIGHTS_IN) - 0.25, -1.6, "Weight, %", "center", weight="bold")
    for x, name in zip(WEIGHTS_IN, ("common", "random"), strict=True):
        _text(right, x, -0.9, name, "right", weight="bold")


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
    set_scale(plot.xaxis, scale, (low, high))
    plot.set_xlabel(axis_name(measure, scale), labelpad=14)
    if np.isnan(measure.null):
        return
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
    null = [] if np.isnan(measure.null) else [measure.null]
    inside = [*null, effects["yi"].min(), effects["yi"].max(), *pooled]
    low = min(*inside, effects["ci_low"].quantile(0.1))
    high = max(*inside, effects["ci_high"].quantile(0.9))
    span = high - low
    low = effects["ci_low"].min() if low - 0.25 * span < effects["ci_low"].min() < low else low
    high = effects["ci_high"].max() if high < effects["ci_high"].max() < high + 0.25 * span else high
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _footnotes(effects: pd.DataFrame, rows) -> list[str]:
    corrected = int(effects["zero_rule"].isin(CORRECTED).sum())
    notes = [_heterogeneity(*rows), "Area of a square: weight in the random-effects model."]
    if len(effects) == 1:
        notes[1] = "One study: nothing is pooled."
    if corrected:
        rules = effects.loc[effects["zero_rule"].isin(CORRECTED), "zero_rule"].drop_duplicates()
        notes[1] += f" {MARK} {'; '.join(rules)} (n = {corrected})."
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
    mark = f" {MARK}" if study["zero_rule"] in CORRECTED else ""
    return plain(f"{shortened(study_name(study))}{mark}")


def _write_effect(right, place: float, row: pd.Series, measure: Measure, **style_of_text) -> None:
    _text(right, 1.8, place, interval(row, measure), "right", **style_of_text)


def _percent(weight: float) -> str:
    if pd.isna(weight):
        return ""
    return "<0.1" if weight < 0.05 else f"{weight:.1f}"


def _text(axes, x: float, y: float, text: str, align: str = "left", weight: str = "normal") -> None:
    axes.text(x, y, text, ha=align, va="center", fontsize=8, weight=weight)
