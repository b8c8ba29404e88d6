"""The figures of a study's solutions: what they hold, how far the sets of constants are apart, what conditions do.

Limits: takes the tables of `mgk.solutions.overview` and computes ratios only. Concentrations in mM.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mgk.figures import style

LABELS = {"Mg": "Mg²⁺", "Ca": "Ca²⁺", "Zn": "Zn²⁺", "MgATP": "MgATP"}
FREE_SHADE = "#0072B2"
# Shares below this are drawn with the rest.
LEAST_SHARE = 0.02
ROW_IN = 0.34
# Below this ratio of the ends an axis is linear.
NARROW = 1.5
ROUNDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)


def composition(binding: pd.DataFrame) -> tuple[Figure, str]:
    """Draw, for each solution, where its divalent metals are: a bar of shares with the free concentration in words.

    Parameters
    ----------
    binding : DataFrame
        As `mgk.solutions.overview.binding_table` returns it.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    if binding.empty:
        return style.nothing("no solution holds Mg, Ca or Zn")
    bars = [(*key, rows.set_index("partner")) for key, rows in binding.groupby(["solution_id", "metal"], sort=False)]
    partners = [p for p in binding.sort_values("share", ascending=False, kind="stable")["partner"] if p != "free"]
    palette = {"free": FREE_SHADE, "other": style.GREY}
    palette |= dict(zip(dict.fromkeys(partners), (*style.PALETTE[1:], "#999933"), strict=False))
    drawn = [_merged(rows["share"], palette) for *_, rows in bars]
    fig, axes = style.figure(8.6, 1.3 + ROW_IN * len(bars))
    for place, shares in enumerate(drawn):
        left = 0.0
        for name, share in shares.items():
            axes.barh(place, share, left=left, height=0.72, color=palette[name], edgecolor="white", lw=0.5)
            left += share
    words = [f"{_in_units(rows.loc['free', 'concentration_mm'])} free" for *_, rows in bars]
    for place, text in enumerate(words):
        axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
    axes.set_yticks(range(len(bars)), [f"{solution}, {LABELS[metal]}" for solution, metal, _ in bars])
    axes.set(xlim=(0, 1), xlabel="Share of the total", ylim=(len(bars) - 0.4, -0.6))
    named = [name for name in palette if any(name in shares for shares in drawn)]
    handles = [Line2D([], [], marker="s", ls="", color=palette[name], label=name) for name in named]
    fig.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5))
    listed = [f"{s}, {m}: {text}, {_worded(rows['share'])}" for (s, m, rows), text in zip(bars, words, strict=True)]
    return fig, f"{len(bars)} bars, one for a metal in a solution. " + ". ".join(listed) + "."


def _merged(shares: pd.Series, palette: dict) -> dict[str, float]:
    """Return the shares to draw, free first, small ones and those without a colour together."""
    own = {n: v for n, v in shares.items() if n in palette and (v >= LEAST_SHARE or n == "free")}
    rest = 1 - float(np.sum(list(own.values())))
    ordered = {"free": own.pop("free", 0.0), **own}
    return ordered | ({"other": rest} if rest > 1e-9 else {})


def _in_units(value_mm: float) -> str:
    for factor, unit in ((1, "mM"), (1e3, "µM"), (1e6, "nM")):
        if value_mm * factor >= 0.1 or unit == "nM":
            return f"{value_mm * factor:.3g} {unit}"
    raise AssertionError


def _worded(shares: pd.Series) -> str:
    return ", ".join(f"{100 * share:.0f} % {name}" for name, share in shares.items() if share >= LEAST_SHARE)


def constant_sets(sets: pd.DataFrame) -> tuple[Figure, str]:
    """Draw free metals and MgATP of each solution with every set, relative to the set in use.

    Parameters
    ----------
    sets : DataFrame
        As `mgk.solutions.overview.constant_sets_table` returns it.
    """
    covered = sets[sets["species"] != ""]
    several = covered.groupby(["solution_id", "species"])["constants"].transform("size") > 1
    shown = covered[several]
    if shown.empty:
        return style.nothing("no solution is covered by more than one set of constants")
    rows = list(dict.fromkeys(zip(shown["solution_id"], shown["species"], strict=True)))
    palette = style.colours(sorted(shown["constants"].unique()))
    markers = dict(zip(palette, "oDs^vPX*", strict=False))
    fig, axes = style.figure(8.6, 1.5 + ROW_IN * len(rows))
    for row in shown.itertuples():
        fill = palette[row.constants] if row.named_by else "none"
        place = rows.index((row.solution_id, row.species))
        axes.plot(row.ratio, place, ls="", marker=markers[row.constants], color=palette[row.constants], mfc=fill)
    axes.axvline(1, color=style.GREY, lw=0.8)
    axes.set_xscale("log")
    _label_ratios(axes.xaxis, 0.8 * shown["ratio"].min(), 1.25 * shown["ratio"].max())
    axes.set_yticks(range(len(rows)), [f"{solution}, {LABELS[species]}" for solution, species in rows])
    axes.set(xlabel="Concentration relative to the set in use", ylim=(len(rows) - 0.4, -0.6))
    handles = [Line2D([], [], marker=markers[n], ls="", color=c, mfc="none", label=n) for n, c in palette.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=4)
    spans = shown.groupby(["solution_id", "species"], sort=False)["ratio"].agg(["min", "max"])
    words = [f"{s}, {x}: {low:.2f} to {high:.2f} times" for (s, x), low, high in spans.itertuples()]
    return fig, "Each solution with every set, relative to the set in use. " + "; ".join(words) + "."


def conditions(table: pd.DataFrame, solved: pd.DataFrame) -> tuple[Figure, str]:
    """Draw free Mg, free Ca and MgATP against pH and temperature, relative to the recipe's own conditions.

    Parameters
    ----------
    table : DataFrame
        As `mgk.solutions.overview.conditions_table` returns it.
    solved : DataFrame
        As `mgk.solutions.overview.solutions_table` returns it; its pH is where the curves are 1.
    """
    if table.empty:
        return style.nothing("no solution holds a metal with a ligand that binds it")
    species = [s for s in LABELS if s in set(table["species"])]
    fig, axes = style.figure(8.8, 2.6 * len(species), rows=len(species), columns=2, squeeze=False, sharey="row")
    palette = style.colours(table["solution_id"])
    dashes = {name: ("-", "--", ":", "-.")[i // len(style.PALETTE) % 4] for i, name in enumerate(palette)}
    spans = []
    for row, name in enumerate(species):
        for column, varied in enumerate(("ph", "temperature_c")):
            part = table[(table["species"] == name) & (table["varied"] == varied)]
            for solution, curve in part.groupby("solution_id", sort=False):
                own = solved.loc[solved["solution_id"] == solution, varied].iloc[0]
                here = np.interp(own, curve["value"], curve["concentration_mm"])
                ratio = curve["concentration_mm"].to_numpy() / here
                place = curve["value"] - own if varied == "ph" else curve["value"]
                axes[row, column].plot(place, ratio, color=palette[solution], ls=dashes[solution], label=solution)
                spans.append((name, varied, ratio.min(), ratio.max()))
        low, high = (f(end for of, _, *ends in spans if of == name for end in ends) for f in (min, max))
        axes[row, 0].set_ylabel(f"{LABELS[name]} relative")
        if high / low > NARROW:
            axes[row, 0].set_yscale("log")
            _label_ratios(axes[row, 0].yaxis, low, high)
    for axis in axes.ravel():
        axis.axhline(1, color=style.GREY, lw=0.6, zorder=0)
    axes[-1, 0].set_xlabel("pH, from the recipe's own")
    axes[-1, 1].set_xlabel("Temperature (°C)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if not labels:
        handles, labels = axes[0, 1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3)
    return fig, _conditions_words(pd.DataFrame(spans, columns=["species", "varied", "low", "high"]))


def _label_ratios(axis, low: float, high: float) -> None:
    """Label a logarithmic axis of ratios at round numbers, fewer where it spans more."""
    rounds = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if high / low > 50 else ROUNDS
    ticks = [t for t in rounds if 0.95 * low <= t <= 1.05 * high]
    axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_ticks([], minor=True)


def _conditions_words(spans: pd.DataFrame) -> str:
    named = {"ph": "pH half a unit to either side", "temperature_c": "10 to 40 °C"}
    parts = [
        f"{species} over {named[varied]}: {group['low'].min():.2g} to {group['high'].max():.2g} times its own value"
        for (species, varied), group in spans.groupby(["species", "varied"], sort=False)
    ]
    return "Free metals and MgATP of each solution against pH and temperature. " + "; ".join(parts) + "."
