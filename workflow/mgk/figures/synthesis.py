"""Figures of the synthesis: the open fraction over voltage, ratios with their intervals, variance by source.

Limits: takes the tables of `mgk.synthesis`, computes nothing. Potentials in mV. Each function returns the figure and
its text alternative, which begins with what kind of prediction it is.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mgk.figures import style
from mgk.synthesis.model import OPEN, OPEN_RATIO, RATE, RATE_RATIO
from mgk.synthesis.tables import TOGETHER

ROW_IN = 0.36
NO_PREDICTION = "no level of free Mg2+ has a prediction; the table says why"


def open_fraction(prediction: pd.DataFrame, apical_mv: float, heading: str) -> tuple[Figure, str]:
    """Draw the open fraction of each level over voltage with its band, and each level at the apical potential."""
    shown = prediction[(prediction["quantity"] == OPEN) & (prediction["verdict"] == "predicted")]
    if shown.empty:
        return style.nothing(NO_PREDICTION)
    fig, axes = style.figure(8.2, 4.6)
    palette = style.colours(shown["level"])
    dashes = {level: "--" if ", Kd " in level else "-" for level in palette}
    for level, rows in shown.groupby("level", sort=False):
        ordered = rows.sort_values("membrane_mv")
        potentials, colour = ordered["membrane_mv"], palette[level]
        axes.fill_between(potentials, ordered["ci_low"], ordered["ci_high"], color=colour, alpha=0.15, lw=0)
        axes.plot(potentials, ordered["estimate"], color=colour, ls=dashes[level], label=level)
        known = ordered[np.isfinite(ordered["put_in"])]
        axes.plot(known["membrane_mv"], known["put_in"], color=colour, ls=":", lw=1)
    axes.axvline(apical_mv, color=style.GREY, ls="--", lw=0.8)
    axes.set(xlabel="Membrane potential (mV)", ylabel="Fraction of ROMK open", ylim=(0, 1))
    handles = axes.get_legend_handles_labels()[0]
    if np.isfinite(shown["put_in"]).any():
        handles.append(Line2D([], [], color=style.GREY, ls=":", lw=1, label="with what was put in"))
    fig.legend(handles=handles, loc="outside right upper", title="free Mg²⁺")
    fig.suptitle(heading, fontsize=10)
    at = shown[shown["membrane_mv"] == apical_mv]
    words = [f"{r.level}: {r.estimate:.3f} ({r.ci_low:.3f} to {r.ci_high:.3f})" for r in at.itertuples()]
    return (
        fig,
        f"{heading}. Fraction of ROMK open at {apical_mv:g} mV: {'; '.join(words)}. It falls with depolarisation.",
    )


def ratios(prediction: pd.DataFrame, apical_mv: float, heading: str) -> tuple[Figure, str]:
    """Draw each contrast, ROMK at the apical potential and the pump with each K0.5, as a ratio with its interval."""
    of_romk = (prediction["quantity"] == OPEN_RATIO) & (prediction["membrane_mv"] == apical_mv)
    known = prediction[(of_romk | (prediction["quantity"] == RATE_RATIO)) & (prediction["verdict"] == "predicted")]
    if known.empty:
        return style.nothing("no two levels of free Mg2+ can be compared; the table says why")
    fig, axes = style.figure(8.2, 1.6 + ROW_IN * len(known))
    palette = style.colours(_subject(r) for r in known.itertuples())
    for place, row in enumerate(known.itertuples()):
        colour = palette[_subject(row)]
        axes.plot([row.ci_low, row.ci_high], [place] * 2, color=colour, lw=2)
        axes.plot(row.estimate, place, "o", color=colour)
        if np.isfinite(row.put_in):
            axes.plot(row.put_in, place, "D", mfc="none", color="black", ms=7)
    axes.axvline(1, color=style.GREY, lw=0.8)
    axes.set_yticks(range(len(known)), [f"{r.level} / {r.reference}" for r in known.itertuples()])
    axes.set(xlabel="Ratio to the reference", ylim=(len(known) - 0.4, -0.6))
    handles = [Line2D([], [], marker="o", color=c, label=name) for name, c in palette.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=len(handles), title=heading)
    words = [
        f"{_subject(r)}, {r.level} over {r.reference}: {r.estimate:.3f} ({r.ci_low:.3f} to {r.ci_high:.3f})"
        for r in known.itertuples()
    ]
    return fig, f"{heading}. Ratios to the reference: {'; '.join(words)}."


def variance(table: pd.DataFrame, heading: str) -> tuple[Figure, str]:
    """Draw the variance of each prediction at the apical potential, split by source: a bar of first-order shares."""
    if table.empty:
        return style.nothing("no prediction has an error")
    keys = ["quantity", "level", "reference", "k05"]
    bars = [(pd.Series(dict(zip(keys, key, strict=True))), rows) for key, rows in table.groupby(keys, sort=False)]
    names = [s for s in dict.fromkeys(table["source"]) if s != TOGETHER]
    palette = style.colours(names) | {TOGETHER: style.GREY}
    fig, axes = style.figure(10, 1.8 + ROW_IN * len(bars))
    words = []
    for place, (key, rows) in enumerate(bars):
        left = 0.0
        shares = rows.set_index("source")["first_order"].clip(lower=0)
        for source, share in (shares / shares.sum()).items():
            axes.barh(place, share, left=left, height=0.72, color=palette[source], edgecolor="white", lw=0.5)
            left += share
        told = ", ".join(f"{100 * share:.0f} % {source}" for source, share in shares.items() if share >= 0.01)
        words.append(f"{_named(key)}: {told}")
    axes.set_yticks(range(len(bars)), [_named(key) for key, _ in bars])
    axes.set(xlim=(0, 1), xlabel="Share of the variance", ylim=(len(bars) - 0.4, -0.6))
    handles = [Patch(color=c, label=n) for n, c in palette.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=3, title=heading)
    return fig, f"{heading}. Variance by source. {'; '.join(words)}."


def _subject(row) -> str:
    return "ROMK open" if row.quantity in (OPEN, OPEN_RATIO) else f"pump, {row.k05}"


def _named(key) -> str:
    against = f" / {key.reference}" if key.quantity in (OPEN_RATIO, RATE_RATIO) else ""
    what = {OPEN: "ROMK", OPEN_RATIO: "ROMK", RATE: "pump", RATE_RATIO: "pump"}[key.quantity]
    return f"{what}{f', {key.k05}' if key.k05 else ''}: {key.level}{against}"
