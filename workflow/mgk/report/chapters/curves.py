"""The chapter on generic curves: dose-response, saturation, decay."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import (
    comparisons_table,
    count_groups,
    groups_of,
    groups_table,
    key_fits,
)
from mgk.report.html import Fragment, interval_text
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Curves
Points of curves from a table, each curve fitted on its own: `michaelis_menten`, `hill`, `logistic4`, `hyperbola` or
`exponential`; for inhibition by Hill's law
$$y = \frac{y_{top}}{1 + (x / IC_{50})^n}$$
with $\ln IC_{50}$ and $\ln n$ as the parameters. The top is fitted and not set to one: a curve that was normalised was
divided by a noisy point. Conditions are geometric means over animals (or cultures), curves within them. An IC50 beyond
the concentrations used is labelled, whatever its interval.
"""
NAMES = {
    "ic50": "IC50",
    "ec50": "EC50",
    "km": "Km",
    "k": "half-saturation",
    "tau": "time constant",
    "hill": "Hill slope",
}


def key_numbers(results: Results) -> list[dict]:
    """Return the constants of each condition, and how they differ between conditions."""
    x, model = results.settings["x"]["name"], results.settings["model"]
    shown = [p for p in NAMES if p in set(groups_of(results)["parameter"])]
    quantities = {p: NAMES[p] if p in ("hill", "tau") else f"{NAMES[p]}, {x}" for p in shown}
    return key_fits({(model, p): (quantities[p], p) for p in shown})(results)


def tables(results: Results) -> Fragment:
    """Show the parameters of each condition, the conditions compared, and the fit with constants in common."""
    return Fragment(groups_table(results).html + _comparisons(results) + _shared(results))


def _comparisons(results: Results) -> str:
    found = results.table("comparisons.csv")
    if found.empty:
        return "<p>There is nothing to compare: fewer than two conditions with animals.</p>"
    return comparisons_table(results, found)


def _shared(results: Results) -> str:
    found = results.table("shared.csv", text=("fit", "f_df"))
    if found.empty:
        return ""
    shown = pd.DataFrame(
        {
            "Fit": found["fit"],
            "Group": found["group"].replace("", "all"),
            "Parameter": found["parameter"],
            "Estimate [95 % CI]": [interval_text(f.estimate, f.ci_low, f.ci_high) for f in found.itertuples()],
            "Unit": found["unit"],
            "AICc": found["aicc"],
            "F": found["f"],
            "df": found["f_df"],
            "p": found["p"],
        }
    )
    caption = "All curves at once, constants in common against one a condition; F takes points as the unit"
    return results_table(results, "shared.csv", shown, f"{results.title}. {caption}", csv=found).html


def method(results: Results) -> str:
    """Return model, weights and table."""
    given = results.settings
    weighted = "weighted by n / sd^2 where given, variances moderated"
    weights = "unweighted" if given.get("weights") == "none" else weighted
    return f"model {given['model']}, {weights}, table raw_data/curves.csv"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_numbers, method)
