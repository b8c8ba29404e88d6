"""The chapter on the solutions, on which the others rest."""

from html import escape

import pandas as pd

from mgk.report.chapters.chapter import Chapter, count_rows
from mgk.report.html import Fragment, link_html
from mgk.report.origins import made_of_several, results_table
from mgk.report.results import Results
from mgk.solutions.overview import set_spread

ABOUT = r"""## Solutions
What each recipe holds at equilibrium, solved for all metals and ligands together; where its Mg2+ and Ca2+ are; how far
published sets of constants are apart; what pH and temperature do.
The pH is an activity; constants are corrected for temperature by van't Hoff and for ionic strength by Davies:
$$\log K(I) = \log K_0 + 2\,|z_L|\,|z_M|\,(D_0 - D), \qquad
D = A \left( \frac{\sqrt{I}}{1 + \sqrt{I}} - 0.25\,I \right)$$
A titrant closes the balance of charges; bicarbonate is in balance with the gas. What was declared inert or assumed is
named.
"""
SPECIES = ("Mg", "Ca", "K", "Na", "Cl", "ATP", "MgATP")
HEAD = (
    "solution_id", "constants", "ph", "temperature_c", "ionic_strength_m", "titrant", "titrant_mm", "inert", "assumed",
)  # fmt: skip
# Columns that may be empty in every row.
SOLUTION_TEXT = ("titrant", "gas", "inert", "assumed", "source", "remarks")
SET_TEXT = ("named_by", "left_inert", "species", "reason")
PAIR_TEXT = ("configuration", "constants", "remarks")


def tables(results: Results) -> Fragment:
    """Show each solution with its free ions, how far sets of constants are apart, and what pairs of solutions give."""
    solutions = results.table("solutions.csv", text=SOLUTION_TEXT)
    words = "Ions and MgATP at equilibrium, mM; species that are not in a recipe are left empty"
    every = link_html("free_ions.csv", "../solutions/free_ions.csv").html
    parts = [
        results_table(results, "solutions.csv", _with_ions(results, solutions), words).html,
        f"<p>Every species: {every}.</p>",
    ]
    parts += [_remarks(solutions), _spread(results)]
    pairs = results.table("pairs.csv", text=PAIR_TEXT)
    if len(pairs):
        caption = "Equilibrium, GHK and junction potentials (bath minus pipette) of each pair of solutions, mV"
        parts.append(results_table(results, "pairs.csv", pairs.drop(columns=["constants"]), caption).html)
    return Fragment("".join(parts))


def _with_ions(results: Results, solutions: pd.DataFrame) -> pd.DataFrame:
    free = results.table("free_ions.csv", text=("species", "constants"))
    ions = free[free["species"].isin(SPECIES)]
    wide = ions.pivot_table(index="solution_id", columns="species", values="concentration_mm", sort=False)
    return solutions[list(HEAD)].merge(wide, left_on="solution_id", right_index=True, how="left", validate="one_to_one")


def _remarks(solutions: pd.DataFrame) -> str:
    told = [f"{r.solution_id}: {r.remarks}" for r in solutions[solutions["remarks"] != ""].itertuples()]
    items = "".join(f"<li>{escape(line)}</li>" for line in told)
    return f"<details><summary>Remarks on single solutions</summary><ul>{items}</ul></details>" if told else ""


def _spread(results: Results) -> str:
    spread = set_spread(results.table("constant_sets.csv", text=SET_TEXT))
    several = made_of_several(spread[spread["n_sets"] > 1])
    caption = "Spread between sets of constants, as ratios to the set in use"
    return results_table(results, "constant_sets.csv", several, caption).html if len(several) else ""


def key_numbers(results: Results) -> list[dict]:
    """Return the free Mg2+ of each solution in which some is bound, with the range over the sets of constants."""
    binding = results.table("binding.csv")
    spread = set_spread(results.table("constant_sets.csv", text=SET_TEXT)).set_index(["solution_id", "species"])
    bound = binding[(binding["partner"] == "free") & (binding["metal"] == "Mg") & (binding["share"] < 1)]
    rows = []
    for row in bound.itertuples():
        found = spread.loc[(row.solution_id, "Mg")]
        said = f"{found['n_sets']} sets of constants: {found['lowest']:.2f} to {found['highest']:.2f} times this"
        rows.append(
            {
                "group": row.solution_id,
                "quantity": "free Mg2+",
                "unit": "mM",
                "estimate": row.concentration_mm,
                "n": "1 recipe",
                "verdict": "computed",
                "table": "binding.csv",
                "row": row.Index,
                "reason": said if found["n_sets"] > 1 else "one set of constants covers it",
            }
        )
    return rows


def method(results: Results) -> str:
    """Return the sets of constants that were used."""
    project = results.project
    used = dict.fromkeys(recipe.get("constants", project.constants) for recipe in project.solutions().values())
    return f"recipes of raw_data/solutions.yaml; sets of constants: {', '.join(used)}"


CHAPTER = Chapter(ABOUT, tables, count_rows, key_numbers, method)
