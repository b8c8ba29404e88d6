"""The chapter on equilibrium potentials, coupled transport, and the ranges of a table of concentrations."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter, count_rows
from mgk.report.html import Fragment, interval_text
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Equilibria and transport
What follows from a table of concentrations on both sides of a membrane, with no measurement in it: potentials at which
an ion stands still, and what a transporter can do at most. With $n$ solutes of a turn moving inward (negative:
outward),
$$\Delta G = \sum n \left( RT \ln \frac{c_i}{c_o} + zFV \right) + \Delta G_{ATP}, \qquad
E_{rev} = -\frac{RT \sum n \ln (c_i / c_o) + \Delta G_{ATP}}{F \sum n z}$$
The pump moves 3 Na^+^ out and 2 K^+^ in for one ATP; the aspartate transporter 1 aspartate, 3 Na^+^ and 1 H^+^ in and
1 K^+^ out.
A range is that over all corners of the ranges that the table states: no confidence interval, for nobody printed one.
What the study measured is then held against the range that is stated for it. Where one value is printed without a
spread, a result can only lie on it, below or above. A verdict on simulated data says what was put in, nothing about
cells.
""".replace("^+^", "⁺")
KEYS = {
    "GHK potential": "GHK potential",
    "reversal potential": "reversal potential",
    "free energy of a turn with its ATP": "free energy of a turn with its ATP",
    "equilibrium gradient of aspartate, inside/outside": "equilibrium gradient of aspartate, inside/outside",
}
QUANTITY_LABELS = {"system": "System", "subject": "Of", "quantity": "Quantity", "unit": "Unit", "middle": "Middle"}
QUANTITY_LABELS |= {"low": "Lowest", "high": "Highest"}
ALONE = ("system", "subject", "quantity", "unit", "input", "low", "high", "share_of_width")
TEXT = ("system", "subject", "quantity", "rests_on", "input", "source_of_value", "data", "kd_source", "range_source")
TEXT = (*TEXT, "solute", "side", "source")


def tables(results: Results) -> Fragment:
    """Show the quantities with their ranges, the values of the study against them, what makes a range wide, sources."""
    found = results.table("equilibria.csv", text=TEXT)
    caption = "Lowest, middle and highest value over the stated ranges"
    parts = [results_table(results, "equilibria.csv", found[list(QUANTITY_LABELS)], caption, QUANTITY_LABELS).html]
    checks = results.table("checks.csv", text=TEXT)
    if len(checks):
        caption = "Values of the study against the ranges that the table states (mM); what is not known stands once"
        known = checks["verdict"] != "not known"
        once = checks[known | ~checks.duplicated(["source_of_value", "group", "system", "side"])]
        parts.append(results_table(results, "checks.csv", _checks(once), caption, csv=checks).html)
    alone = results.table("contributions.csv", text=TEXT)
    if len(alone):
        caption = "What each input does alone, the others in the middle of their ranges"
        table = results_table(results, "contributions.csv", alone[list(ALONE)], caption).html
        parts.append(f"<details><summary>What makes a range wide</summary>{table}</details>")
    read = results.table("concentrations.csv", text=TEXT)
    table = results_table(results, "concentrations.csv", read, "Concentrations as stated, with their sources").html
    parts.append(f"<details><summary>Concentrations and their sources</summary>{table}</details>")
    return Fragment("".join(parts))


def _checks(checks: pd.DataFrame) -> pd.DataFrame:
    rows = list(checks.itertuples())
    return pd.DataFrame(
        {
            "Value of": [f"{r.source_of_value}, {r.group} ({r.data})" for r in rows],
            "Kd (mM)": checks["kd_mm"],
            "Solute": [f"{r.solute} {r.side}" for r in rows],
            "Estimate [95 % CI]": [interval_text(r.estimate_mm, r.ci_low_mm, r.ci_high_mm) for r in rows],
            "n of animals": checks["n_animals"].astype("Int64"),
            "Stated": [_stated(r) for r in rows],
            "Verdict": checks["verdict"],
            "Reason": checks["reason"],
        },
        index=checks.index,
    )


def _stated(row) -> str:
    one = row.range_low_mm == row.range_high_mm
    words = f"{row.range_low_mm:g}" if one else f"{row.range_low_mm:g} to {row.range_high_mm:g}"
    return f"{words} ({row.system}; {row.range_source})"


def key_numbers(results: Results) -> list[dict]:
    """Return the GHK potential and what transporters can do, with the range in words: it is no interval."""
    found = results.table("equilibria.csv", text=TEXT)
    return [
        {
            "group": f"{row.system}, {row.subject}",
            "quantity": KEYS[row.quantity],
            "unit": row.unit,
            "estimate": row.middle,
            "n": "1 table",
            "verdict": "computed",
            "reason": f"{row.low:.3g} to {row.high:.3g} over the stated ranges, which are no confidence intervals",
            "table": "equilibria.csv",
            "row": row.Index,
        }
        for row in found[found["quantity"].isin(list(KEYS))].itertuples()
    ]


def method(results: Results) -> str:
    """Return the table and the conditions with their sources."""
    given = results.settings
    said = [f"table raw_data/{given['table']}"]
    said.append(f"{given['temperature_c']['value']:g} °C ({given['temperature_c']['source']})")
    for key, name in (("membrane_mv", "membrane potential"), ("atp_hydrolysis_kj", "hydrolysis of ATP")):
        if key in given:
            span = given[key]
            said.append(f"{name} {span['low']:g} to {span['high']:g} {span['unit']} ({span['source']})")
    if results.project.permeabilities:
        weights = ", ".join(f"{ion} {p:g}" for ion, p in results.project.permeabilities.items())
        said.append(f"permeabilities {weights} ({results.project.permeability_source})")
    return "; ".join(said)


CHAPTER = Chapter(ABOUT, tables, count_rows, key_numbers, method)
