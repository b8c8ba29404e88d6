"""Figures of equilibria: potentials over the stated ranges, transporters along a gradient, values against ranges.

Limits: takes the tables of `mgk.equilibria`; what is computed is the line of a valence. Potentials in mV,
concentrations in mM. Each function returns the figure and its text alternative.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mgk.constants import thermal_voltage_mv
from mgk.equilibria import VALENCES, Conditions, middle_of
from mgk.figures import style
from mgk.solutions.transport import SODIUM_PUMP

LABELS = {"K": "K⁺", "Na": "Na⁺", "Cl": "Cl⁻", "Ca": "Ca²⁺", "Mg": "Mg²⁺", "H": "H⁺", "HCO3": "HCO₃⁻"}
ROW_IN = 0.3
# A range of one value is drawn as wide as this, so that it is seen.
LEAST_WIDTH_MV = 1.0


def potentials(quantities: pd.DataFrame, concentrations: pd.DataFrame, conditions: Conditions) -> tuple[Figure, str]:
    """Draw Nernst and GHK potentials of each system, and Nernst potentials against the gradient."""
    shown = quantities[quantities["quantity"].isin(["Nernst potential", "GHK potential"])]
    if shown.empty:
        return style.nothing("no solute has a concentration on both sides of a system")
    fig, (left, right) = style.figure(10, max(3.6, 1.4 + ROW_IN * len(shown)), columns=2)
    palette = style.colours(quantities["system"])
    left.axvspan(*conditions.membrane_mv, color=style.GREY, alpha=0.25, lw=0)
    for place, row in enumerate(shown.itertuples()):
        width = max(row.high - row.low, LEAST_WIDTH_MV)
        left.barh(place, width, left=(row.low + row.high - width) / 2, height=0.6, color=palette[row.system])
        left.plot(row.middle, place, "k|", ms=9)
    names = [f"{_label(r.subject)}{', GHK' if r.quantity.startswith('GHK') else ''}" for r in shown.itertuples()]
    left.set_yticks(range(len(shown)), names)
    left.set(ylim=(len(shown) - 0.4, -0.6), xlabel="Equilibrium potential (mV)")
    _against_gradient(right, shown[shown["quantity"] == "Nernst potential"], concentrations, conditions, palette)
    handles = [Line2D([], [], color=colour, lw=6, label=system) for system, colour in palette.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=4)
    listed = [f"{r.system}, {n}: {_span(r)} mV" for r, n in zip(shown.itertuples(), names, strict=True)]
    membrane = "{:g} to {:g} mV".format(*conditions.membrane_mv)
    return fig, f"Equilibrium potentials over the stated ranges; membrane potential {membrane}. {'; '.join(listed)}."


def _against_gradient(axes, shown: pd.DataFrame, concentrations: pd.DataFrame, conditions: Conditions, palette) -> None:
    spans = {(s, x): _gradient(concentrations, s, x) for s, x in zip(shown["system"], shown["subject"], strict=True)}
    ends = np.array(list(spans.values()))
    along = np.geomspace(ends.min() / 3, ends.max() * 3, 50)
    unit_mv = thermal_voltage_mv(conditions.temperature_c)
    for z in sorted({VALENCES[subject] for subject in shown["subject"]}):
        axes.plot(along, unit_mv / z * np.log(along), color=style.GREY, lw=0.8, zorder=0)
        axes.annotate(f"z = {z:+d}", (along[-1], unit_mv / z * np.log(along[-1])), ha="right", color=style.GREY, size=8)
    first = ~shown["subject"].duplicated()
    for row, is_first in zip(shown.itertuples(), first, strict=True):
        span = np.array(spans[row.system, row.subject])
        ends_mv = unit_mv / VALENCES[row.subject] * np.log(span)
        middle = middle_of(*span)
        axes.plot(span, ends_mv, color=palette[row.system], lw=4, solid_capstyle="butt")
        axes.plot(middle, row.middle, "o", ms=4, color=palette[row.system])
        if is_first:
            axes.annotate(
                _label(row.subject), (middle, row.middle), xytext=(5, -10), textcoords="offset points", size=8
            )
    axes.axhspan(*conditions.membrane_mv, color=style.GREY, alpha=0.25, lw=0)
    axes.set(xscale="log", xlabel="Gradient, outside/inside", ylabel="Nernst potential (mV)")


def _gradient(concentrations: pd.DataFrame, system: str, solute: str) -> tuple[float, float]:
    """Return the lowest and highest outside/inside of a solute."""
    own = concentrations[(concentrations["system"] == system) & (concentrations["solute"] == solute)]
    sides = own.set_index("side")
    low = sides.loc["outside", "low_mm"] / sides.loc["inside", "high_mm"]
    return float(low), float(sides.loc["outside", "high_mm"] / sides.loc["inside", "low_mm"])


def transport(
    courses: pd.DataFrame, quantities: pd.DataFrame, concentrations: pd.DataFrame, conditions: Conditions
) -> tuple[Figure, str]:
    """Draw the reversal potential of each transporter along its axis, a band over the ranges of all else.

    Shaded along the axis: what the table states for Na+ inside, or for the gradient of aspartate.
    """
    carriers = list(dict.fromkeys(courses["subject"]))
    if not carriers:
        return style.nothing("no system has the concentrations that a transporter moves")
    fig, grid = style.figure(4.8 * len(carriers), 3.8, columns=len(carriers), squeeze=False)
    palette, words = style.colours(courses["system"]), []
    for axes, carrier in zip(grid[0], carriers, strict=True):
        axes.axhspan(*conditions.membrane_mv, color=style.GREY, alpha=0.25, lw=0)
        own = courses[courses["subject"] == carrier]
        for system, course in own.groupby("system", sort=False):
            axes.fill_between(course["x"], course["low_mv"], course["high_mv"], color=palette[system], alpha=0.3, lw=0)
            axes.plot(course["x"], course["middle_mv"], color=palette[system], label=system)
            words += _told(quantities, system, carrier)
            if stated := _stated(concentrations, system, carrier):
                axes.axvspan(*stated, color=palette[system], alpha=0.12, lw=0)
        pump = carrier == SODIUM_PUMP.name
        axis = "Na⁺ inside (mM)" if pump else "Gradient of aspartate, inside/outside"
        axes.set(xscale="log", xlabel=axis, ylabel="Reversal potential (mV)", title=carrier)
        axes.legend(loc="best")
    band = "{:g} to {:g} mV".format(*conditions.membrane_mv)
    head = "Reversal potential of each transporter: the pump runs forward above its line, the aspartate transporter "
    return fig, f"{head}takes up below its line. Grey: membrane potential, {band}. {'; '.join(words)}."


def _stated(concentrations: pd.DataFrame, system: str, carrier: str) -> tuple[float, float] | None:
    """Return the stated range along the axis of a transporter, where there is one."""
    own = concentrations[concentrations["system"] == system]
    if carrier == SODIUM_PUMP.name:
        [sodium] = own[(own["solute"] == "Na") & (own["side"] == "inside")].itertuples()
        return sodium.low_mm, sodium.high_mm
    if set(own.loc[own["solute"] == "aspartate", "side"]) != {"inside", "outside"}:
        return None
    low, high = _gradient(concentrations, system, "aspartate")
    return 1 / high, 1 / low


def _told(quantities: pd.DataFrame, system: str, carrier: str) -> list[str]:
    own = quantities[(quantities["system"] == system) & (quantities["subject"] == carrier)]
    units = ["" if unit == "1" else f" {unit}" for unit in own["unit"]]
    return [f"{carrier}, {r.system}: {r.quantity} {_span(r)}{u}" for r, u in zip(own.itertuples(), units, strict=True)]


def checks(table: pd.DataFrame) -> tuple[Figure, str]:
    """Draw each value of the study with its interval over the range that is stated for it, relative to its middle."""
    shown = table[np.isfinite(table["estimate_mm"])]
    if shown.empty:
        return style.nothing("the study has no known value of what the table states")
    fig, axes = style.figure(8.8, 1.4 + ROW_IN * len(shown))
    middles = [middle_of(r.range_low_mm, r.range_high_mm) for r in shown.itertuples()]
    for place, (row, middle) in enumerate(zip(shown.itertuples(), middles, strict=True)):
        low, high = row.range_low_mm / middle, row.range_high_mm / middle
        axes.plot([low, high], [place] * 2, color=style.PALETTE[5], lw=9, alpha=0.6, solid_capstyle="butt")
        axes.plot([1], [place], "|", color=style.PALETTE[0], ms=10)
        measured = not np.isnan(row.ci_low_mm)
        if measured:
            axes.plot([row.ci_low_mm / middle, row.ci_high_mm / middle], [place] * 2, color="black", lw=1.2)
        axes.plot(row.estimate_mm / middle, place, "o" if np.isfinite(row.kd_mm) else "s", color="black", ms=4)
    axes.set_yticks(range(len(shown)), [_named(r) for r in shown.itertuples()])
    axes.set(xscale="log", xlabel="Relative to the middle of the stated range", ylim=(len(shown) - 0.4, -0.6))
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10) if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    axes.xaxis.set_ticks(ticks, [f"{t:g}" for t in ticks])
    axes.xaxis.set_ticks([], minor=True)
    listed = [
        f"{_named(r)}: {r.estimate_mm:.3g} mM against {r.range_low_mm:g} to {r.range_high_mm:g}, {r.verdict}"
        for r in shown.itertuples()
    ]
    return fig, f"{len(shown)} values against the ranges that are stated. {'; '.join(listed)}."


def _named(row) -> str:
    kd = f", Kd {row.kd_mm:g}" if np.isfinite(row.kd_mm) else ""
    group = f", {row.group}" if kd else ""
    return f"{row.source_of_value}{group}{kd}: {_label(row.solute)} {row.side} of {row.system}"


def _label(subject: str) -> str:
    return ", ".join(LABELS.get(part, part) for part in subject.split(", "))


def _span(row) -> str:
    """Return a range in words, one number where it has no width."""
    low, high = f"{row.low:.3g}", f"{row.high:.3g}"
    return low if low == high else f"{low} to {high}"
