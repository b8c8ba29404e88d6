"""The chapter on relaxation after mixing."""

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, groups_table, key_fits
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Relaxation after mixing
The shots of a preparation at one concentration are averaged, the dead time left out, and one and two exponentials
fitted:
$$F(t) = F_{end} + b\,t + A_{fast}\, e^{-k_{fast} t} + A_{slow}\, e^{-k_{slow} t}$$
Two are taken when the F test and AICc say so. Rates nearer than a factor of 2 are *not separable*, and not shown as
two.
The observed rates of each phase against the free concentration $c$ give
$$k_{obs} = k_0 + k_{max} \frac{c}{K + c}, \qquad k_{saturating} = k_0 + k_{max}$$
for each preparation, then for groups of animals.
"""
KEY_FITS = {
    ("hyperbola, fast phase", "k_saturating"): ("saturating rate, fast phase", "k_saturating_fast"),
    ("hyperbola, slow phase", "k_saturating"): ("saturating rate, slow phase", "k_saturating_slow"),
    ("hyperbola, fast phase", "k_half"): ("half-saturation, fast phase", "k_half"),
    ("hyperbola, slow phase", "k_half"): ("half-saturation, slow phase", "k_half"),
}
SHOWN = {
    "cell_id": "Preparation",
    "ligand_free_mm": "Free (mM)",
    "n_shots": "Shots",
    "k_fast": "k fast (1/s)",
    "k_slow": "k slow (1/s)",
    "k_single": "k of one exponential (1/s)",
    "ratio": "Ratio",
    "verdict": "Verdict",
    "reason": "Reason",
}


def tables(results: Results) -> Fragment:
    """Show the groups, and the rates of each transient."""
    rates = results.table("rates.csv")
    shown = rates[list(SHOWN)].rename(columns=SHOWN)
    told = results_table(results, "rates.csv", shown, f"{results.title}. Rates of each transient")
    return Fragment(groups_table(results).html + told.html)


def method(results: Results) -> str:
    """Return the dead time, the end, the drift and the least ratio."""
    asked = results.settings["relaxation"]
    end = f"to {asked['end_ms']:g} ms" if "end_ms" in asked else "to the end"
    drift = "a line for drift" if asked.get("drift", "linear") == "linear" else "no drift"
    ratio = asked.get("least_ratio", {"value": 2})["value"]
    dead = asked["dead_time_ms"]["value"]
    return f"from {dead:g} ms after mixing {end}; {drift}; rates nearer than a factor of {ratio:g} are not separable"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), method)
