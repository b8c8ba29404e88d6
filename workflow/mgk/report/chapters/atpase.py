"""The chapter on ouabain-sensitive ATPase activity from released phosphate."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import SHOWN, count_groups, groups_of, key_fits
from mgk.report.html import Fragment, table_html
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
    simple = groups.loc[groups["model"].str.startswith("michaelis_menten"), list(SHOWN)]
    shown = table_html(simple, "Parameters per group, Michaelis-Menten: means over animals, 95 % intervals").html
    models = results.table("models.csv")
    models = models[models["unit_id"] == ""].drop(columns="unit_id")
    shown += table_html(models, "Laws against each abscissa, all animals together; AICc only within an abscissa").html
    shown += comparisons_table(results.table("comparisons.csv"))
    return Fragment(shown + gates_table(results.table("gates.csv")) + missing_items(results.table("strenda.csv")))


def comparisons_table(comparisons: pd.DataFrame) -> str:
    """Return the groups compared, or that there is nothing to compare."""
    tested = comparisons[comparisons["difference"].notna()]
    if tested.empty:
        return "<p>There is nothing to compare: fewer than two groups with a value of their own.</p>"
    shown = tested.drop(columns=["experiment", "se", "df"]).dropna(axis="columns", how="all")
    return table_html(shown, "Groups compared, the animal being the unit; p adjusted by Holm's method").html


def gates_table(gates: pd.DataFrame) -> str:
    """Return how often each gate passes, warns and excludes."""
    counts = pd.crosstab(gates["gate"], gates["verdict"]).reset_index()
    counts.columns.name = None
    return table_html(counts, "Gates: number of results with each verdict; the reasons are in gates.csv").html


def missing_items(strenda: pd.DataFrame) -> str:
    """Return what a reader has to be told of the assay and the study does not hold."""
    missing = strenda.loc[strenda["state"] == "missing", ["item", "where"]]
    if missing.empty:
        return f"<p>Checklist (STRENDA): all {len(strenda)} items are given.</p>"
    caption = f"Checklist (STRENDA): {len(missing)} of {len(strenda)} items are missing, and where they would stand"
    return table_html(missing, caption).html


def method(results: Results) -> str:
    """Return the medium in which each tube is solved."""
    return f"free Mg2+ and MgATP of each tube are solved in the medium {results.settings['medium']}"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_fits(KEY_FITS), method)
