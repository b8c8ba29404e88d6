"""The chapter on current-voltage relations, gating and the comparison of conditions."""

import math

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import (
    comparisons_table,
    counted,
    groups_of,
    key_fits,
    parameters_table,
    told_counts,
)
from mgk.report.chapters.windows import measured_in_windows
from mgk.report.html import Fragment
from mgk.report.results import Results, put_in

ABOUT = r"""## Current-voltage relations
Current against membrane potential, outward positive, per cell and per group, at each concentration of the ligand.
The reversal potential stands against what Nernst expects from the recipes; gating by voltage is fitted to the current
itself, not to a conductance:
$$I = G_{max}\,(V - E)\,\frac{1}{1 + e^{(V_{1/2} - V)/k}}$$
Conditions are compared with the animal as the unit.
"""
KEY_FITS = {
    ("local polynomial", "reversal_mv"): ("reversal potential, control", ""),
    ("boltzmann_activation", "v_half_mv"): ("V1/2 of activation", "v_half_mv"),
    ("boltzmann_activation", "k_mv"): ("k of activation", "k_mv"),
    ("boltzmann_inactivation", "v_half_mv"): ("V1/2 of inactivation", "v_half_mv"),
    ("boltzmann_inactivation", "k_mv"): ("k of inactivation", "k_mv"),
}
SHIFTS = {"boltzmann_activation": "shift of V1/2, activation", "boltzmann_inactivation": "shift of V1/2, inactivation"}


def tables(results: Results) -> Fragment:
    """Show the parameters of each group, and the conditions compared."""
    groups = groups_of(results)
    shown = groups[~groups["model"].str.startswith("chord")]
    parameters = parameters_table(results, shown, "Parameters per group: cells within animals")
    return Fragment(parameters.html + _comparisons_table(results))


def _comparisons_table(results: Results) -> str:
    found = results.table("comparisons.csv")
    if found.empty:
        return "<p>There is nothing to compare: fewer than two conditions with a quantity of their own.</p>"
    return comparisons_table(results, found, {"Model": found["model"]})


def count_drawn(results: Results) -> str:
    """Return the n of the relations: a cell whose parameters are not identified is drawn all the same."""
    return told_counts(results, results.table("groups.csv"))


def key_numbers(results: Results) -> list[dict]:
    """Return reversal potentials without ligand, beside what Nernst expects of the recipes; and the gating."""
    expected = results.table("groups.csv").drop_duplicates("group").set_index("group")["nernst_potassium_mv"]
    rows = [r for r in key_fits(KEY_FITS)(results) if r["group"] in expected.index]
    for row in rows:
        if row["quantity"].startswith("reversal") and pd.notna(expected[row["group"]]):
            row |= {
                "reference": round(expected[row["group"]], 1),
                "reference_kind": "expected (Nernst, K+)",
                "reference_source": "recipes of raw_data/solutions.yaml",
            }
    return rows + _shifts(results)


def _shifts(results: Results) -> list[dict]:
    """Return the shifts of V1/2 between conditions, beside the difference of what was put in."""
    table = results.table("comparisons.csv")
    rows = []
    for place, found in table[table["model"].isin(SHIFTS) & (table["quantity"] == "v_half_mv")].iterrows():
        ends = [put_in(results.truth, found[group], "v_half_mv") for group in ("group_a", "group_b")]
        row = {"group": f"{found['group_b']} minus {found['group_a']}", "quantity": SHIFTS[found["model"]]}
        row |= {"n": counted(results.analysis, found["n_cells"], found["n_animals"]), "estimate": found["difference"]}
        row |= {"table": "comparisons.csv", "row": place}
        row |= {c: found[c] for c in ("unit", "ci_low", "ci_high", "reason")}
        p = f"p {found['p']:.2g}, Holm {found['p_holm']:.2g}; {found['method']}" if found["p"] >= 0 else "no test"
        row["reason"] = "; ".join(x for x in (p, found["reason"]) if isinstance(x, str) and x)
        row["verdict"] = "identified" if math.isfinite(found["ci_high"]) else "not_identified"
        if all(ends):
            difference = round(ends[1]["reference"] - ends[0]["reference"], 6)
            sources = "; ".join(dict.fromkeys(end["reference_source"] for end in ends))
            row |= {"reference": difference, "reference_kind": "put in", "reference_source": sources}
        rows.append(row)
    return rows


CHAPTER = Chapter(ABOUT, tables, count_drawn, key_numbers, measured_in_windows)
