"""The chapter on unitary conductance."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import comparisons_table, count_groups, groups_table, key_fits, verdict_text
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Unitary conductance
Single-channel recordings: the baseline's drift is removed, levels are found in the all-points histogram as equally
spaced normal distributions, their number by BIC, and the trace is idealised at half amplitude with an imposed
resolution. The unitary current $i$ is the step between levels, of samples that the filter has let settle. Over the
membrane potential it gives the conductance of each patch, then of groups of animals:
$$i = g\,(V - E)$$
*Slope* conductance is that of the line through all potentials, *chord* conductance $i/(V - E)$ at one of them.
A filter of corner $f_c$ hides openings shorter than its dead time, $0.1787/f_c$ at half amplitude; what missed events
take off the unitary current is estimated from the dwell times and stated, not corrected.
"""
KEY_FITS = {
    ("line", "slope_conductance"): ("unitary slope conductance", "slope_conductance"),
    ("line", "reversal"): ("reversal potential of the unitary current", "reversal"),
}
SHOWN = {
    "cell_id": "Patch",
    "level_mv": "Potential (mV)",
    "channels": "Channels seen",
    "amplitude_pa": "Unitary current (pA)",
    "amplitude_se_pa": "SE (pA)",
    "all_points_pa": "All-points histogram (pA)",
    "chord_ps": "Chord (pS)",
    "open_probability": "Open probability",
    "openings": "Openings",
    "bias_percent": "Missed events (%)",
    "verdict": "Verdict",
}
TIMES = {
    "cell_id": "Patch",
    "level_mv": "Potential (mV)",
    "state": "State",
    "n": "n",
    "tau_ms": "Time constant (ms)",
    "ci_low_ms": "from",
    "ci_high_ms": "to",
    "fast_tau_ms": "Fast (ms)",
    "fast_share": "Share of fast",
    "corrected_ms": "Missed events put back (ms)",
    "reason": "Reason",
}


def tables(results: Results) -> Fragment:
    """Show groups, comparisons, the relation of each patch, unitary currents and dwell times."""
    amplitudes = results.table("amplitudes.csv")
    shown = amplitudes[list(SHOWN)].assign(
        verdict=[
            verdict_text(v, r if r == r else "") for v, r in zip(amplitudes.verdict, amplitudes.reason, strict=True)
        ]
    )
    times = results.table("dwell_times.csv")
    times = times[times["components"] > 0]
    parts = [groups_table(results).html, _relations(results)]
    compared = results.table("comparisons.csv")
    if len(compared):
        parts.append(comparisons_table(results, compared))
    caption = f"{results.title}. Unitary current of each patch at each potential"
    parts.append(results_table(results, "amplitudes.csv", shown.rename(columns=SHOWN), caption, csv=amplitudes).html)
    if len(times):
        caption = f"{results.title}. Open and closed times where one channel at most was open"
        named = times[list(TIMES)].rename(columns=TIMES)
        parts.append(results_table(results, "dwell_times.csv", named, caption, csv=times).html)
    return Fragment("".join(parts))


def _relations(results: Results) -> str:
    """Return the i-V relation of each patch: over which potentials, and whether it bends."""
    found = results.table("relations.csv")
    shown = pd.DataFrame(
        {
            "Group": found["group"],
            "Patch": found["cell_id"],
            "Channels seen": found["channels"],
            "Potentials": found["potentials"],
            "From (mV)": found["from_mv"],
            "To (mV)": found["to_mv"],
            "Slope at the upper end over that at the lower": found["end_ratio"],
            "p of bending": found["bend_p"],
            "Relation": found["rectification"],
        }
    )
    return results_table(results, "relations.csv", shown, f"{results.title}. Straight or rectifying", csv=found).html


def method(results: Results) -> str:
    """Return filter, resolution, number of channels tried, reversal potential and correction."""
    own = results.settings["unitary"]
    stated = f"filter {own['filter_hz']['value']:g} Hz" if "filter_hz" in own else "filter as the amplifier told it"
    further = f", then Gaussian {own['gaussian_hz']:g} Hz" if "gaussian_hz" in own else ""
    resolution = f"{own['resolution_ms']:g} ms" if "resolution_ms" in own else "the rise time of the filter"
    reversal = f"{own['reversal_mv']['value']:g} mV, stated" if "reversal_mv" in own else "that of each patch"
    junction = (results.settings.get("corrections") or {}).get("junction_potential", "none")
    return (
        f"{stated}{further}; resolution: {resolution}; at most {own.get('most_channels', 4)} channels tried; reversal "
        f"potential of chords: {reversal}; junction potential: {junction}; currents are not corrected for missed events"
    )


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), method)
