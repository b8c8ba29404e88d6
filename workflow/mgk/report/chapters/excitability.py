"""The chapter on excitability in current clamp."""

from mgk.excitability import SMALL_MV, Criterion
from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import comparisons_table, count_groups, groups_table, key_fits
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Excitability in current clamp
Steps of current are injected and the membrane potential is recorded. A spike begins where $dV/dt$ reaches the criterion
(20 mV/ms unless the study says otherwise); its height counts from there, its width is that at half the height.
From small steps come the input resistance and the membrane time constant:
$$\Delta V_{steady} = R_{in}\, I, \qquad V(t) = V_{end} + A\, e^{-t/\tau}$$
*Rheobase* of a cell lies between the highest silent and the lowest firing step: its interval is this bracket, no
confidence interval; that of a group is one over animals. A cell that fires at no step is censored above the largest,
and has no part in the mean.
Rates of firing over the current follow
$$f(I) = g\, \max(I - I_0, 0)$$
fitted up to the last step before a depolarisation block. What the bridge leaves of the pipette adds to the input
resistance and to every potential of a step, and is said where it shows.
"""
KEY_FITS = {
    ("rest", "resting_mv"): ("resting potential", "resting_mv"),
    ("V-I line", "input_mohm"): ("input resistance", "input_mohm"),
    ("exponential", "tau_ms"): ("membrane time constant", "tau_ms"),
    ("rheobase", "rheobase_pa"): ("rheobase", "rheobase_pa"),
}
SHOWN = {
    "group": "Group",
    "cell_id": "Cell",
    "resting_mv": "Rest (mV)",
    "input_mohm": "Input resistance (MOhm)",
    "tau_ms": "Time constant (ms)",
    "sag_ratio": "Sag",
    "silent_pa": "Silent at (pA)",
    "firing_pa": "Fires at (pA)",
    "threshold_mv": "Threshold (mV)",
    "half_width_ms": "Half-width (ms)",
    "gain_hz_pa": "Gain (Hz/pA)",
    "verdict": "Verdict",
    "reason": "Reason",
}


def tables(results: Results) -> Fragment:
    """Show the groups, the comparisons, and each cell."""
    cells = results.table("cells.csv")
    shown = cells[list(SHOWN)].rename(columns=SHOWN)
    told = groups_table(results).html
    found = results.table("comparisons.csv")
    if len(found):
        told += comparisons_table(results, found)
    return Fragment(told + results_table(results, "cells.csv", shown, f"{results.title}. Each cell", csv=cells).html)


def method(results: Results) -> str:
    """Return the criterion of spikes, the size of small steps and the junction potential."""
    asked = results.settings.get("excitability") or {}
    criterion = Criterion.of(asked.get("spikes") or {})
    small = asked.get("small_mv", {"value": SMALL_MV})["value"]
    junction = (results.settings.get("corrections") or {}).get("junction_potential", "none")
    peaks = f"peaks above {criterion.least_peak_mv:g} mV that stand out by {criterion.least_prominence_mv:g} mV"
    rise = f"spikes from {criterion.threshold_mv_ms:g} mV/ms"
    return f"{rise}, {peaks}; small steps up to {small:g} mV; junction potential: {junction}"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), method)
