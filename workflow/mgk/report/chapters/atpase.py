"""The chapter on ouabain-sensitive ATPase activity from released phosphate."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import (
    comparisons_table,
    count_groups,
    groups_of,
    key_fits,
    parameters_table,
)
from mgk.report.html import Fragment
from mgk.report.origins import made_of_several, results_table
from mgk.report.results import Results

ABOUT = r"""## Ouabain-sensitive ATPase
Inorganic phosphate by a standard curve on each plate, its saturated end left out; protein from a plate of its own;
total minus ouabain-resistant activity, paired by preparation; then
$$v = \frac{V_{max}\, m}{K_{0.5} + m}$$
with $m$ the total Mg2+, the free Mg2+ or MgATP. At a fixed total of ATP the last two are nearly collinear, so all
three are shown side by side. Hill and inhibition by excess Mg2+ are fitted too, and taken only where the extra sum of
squares and AICc both say so.
"""
KEY_FITS = {
    ("michaelis_menten_free_magnesium", "vmax"): ("Vmax, ouabain-sensitive", "vmax_umol_mg_h"),
    ("michaelis_menten_free_magnesium", "k05"): ("K0.5 for free Mg2+", "k05_free_magnesium_mm"),
}


def tables(results: Results) -> Fragment:
    """Show the parameters of each group, the choice of law, the groups compared, the gates and what is not told."""
    groups = groups_of(results)
    simple = groups[groups["model"].str.startswith("michaelis_menten")]
    shown = parameters_table(results, simple, "Parameters per group, Michaelis-Menten: means over animals").html
    models = results.table("models.csv", text=("unit_id",))
    models = models[models["unit_id"] == ""].drop(columns="unit_id")
    caption = "Laws against each abscissa, all animals together; F compares within an abscissa, AICc everywhere"
    shown += results_table(results, "models.csv", models, caption).html
    return Fragment(shown + compared(results) + gates_table(results) + missing_items(results))


def compared(results: Results) -> str:
    """Return the groups compared, or that there is nothing to compare."""
    found = results.table("comparisons.csv")
    tested = found[found["difference"].notna()]
    if tested.empty:
        return "<p>There is nothing to compare: fewer than two groups with a value of their own.</p>"
    law = {"Law": tested["model"].str.replace("_", " ")}
    dunnett = tested.get("p_dunnett", pd.Series(dtype=float))
    beside = {"p (Dunnett)": dunnett} if dunnett.notna().any() else {}
    return comparisons_table(results, tested, law, beside)


def gates_table(results: Results) -> str:
    """Return how often each gate passes, warns and excludes."""
    gates = results.table("gates.csv")
    counts = pd.crosstab(gates["gate"], gates["verdict"]).reset_index()
    counts.columns.name = None
    caption = "Gates: number of results with each verdict; the reasons are in gates.csv"
    return results_table(results, "gates.csv", made_of_several(counts), caption).html


def missing_items(results: Results) -> str:
    """Return what a reader has to be told of the assay and the study does not hold."""
    items = results.table("strenda.csv", text=("value",))
    missing = items.loc[items["state"] == "missing", ["item", "where"]]
    if missing.empty:
        return f"<p>Checklist (STRENDA): all {len(items)} items are given.</p>"
    caption = f"Checklist (STRENDA): {len(missing)} of {len(items)} items are missing, and where they would stand"
    return results_table(results, "strenda.csv", missing, caption).html


def method(results: Results) -> str:
    """Return the medium in which each tube is solved."""
    return f"free Mg2+ and MgATP of each tube are solved in the medium {results.settings['medium']}"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), method)
