"""What chapters share that rest on a fits.csv: key numbers, counts and the table of groups.

Rows without a unit_id are those of groups.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from mgk.analyses import Analysis
from mgk.report.html import Fragment, interval_text
from mgk.report.origins import results_table
from mgk.report.results import Results, put_in

# (model, parameter) -> (quantity, its name in truth.yaml, or nothing). The model is matched by its beginning.
KeyFits = Mapping[tuple[str, str], tuple[str, str]]

# What a download of parameters holds.
SAVED = (
    "group",
    "model",
    "parameter",
    "unit",
    "estimate",
    "ci_low",
    "ci_high",
    "n_cells",
    "n_animals",
    "verdict",
    "reason",
)
MOST_GROUPS_NAMED = 4


def groups_of(results: Results) -> pd.DataFrame:
    """Return the rows of groups of an experiment's fits.csv."""
    fits = results.table("fits.csv")
    return fits[fits["unit_id"] == ""]


def key_fits(parameters: KeyFits) -> Callable[[Results], list[dict]]:
    """Return a function that reads these parameters of each group as key numbers."""

    def read(results: Results) -> list[dict]:
        fits = groups_of(results)
        rows = []
        for (model, parameter), (quantity, true_name) in parameters.items():
            for place, fit in fits[(fits["parameter"] == parameter) & fits["model"].str.startswith(model)].iterrows():
                n = counted(results.analysis, fit["n_cells"], fit["n_animals"])
                row = {"group": fit["group"], "quantity": quantity, "n": n}
                row |= {"table": "fits.csv", "row": place}
                row |= {c: fit[c] for c in ("unit", "estimate", "ci_low", "ci_high", "verdict", "reason")}
                rows.append(row | put_in(results.truth, fit["group"], true_name))
        return rows

    return read


def count_groups(results: Results) -> str:
    """Return the n of each group; of many groups, the span."""
    return told_counts(results, groups_of(results))


def told_counts(results: Results, table: pd.DataFrame) -> str:
    """Return the n of each group of a table with the columns group, n_cells, n_animals; of many groups, the span."""
    groups = table.groupby("group", sort=False)[["n_cells", "n_animals"]].max()
    words = [f"{g}: {counted(results.analysis, n.n_cells, n.n_animals)}" for g, n in groups.iterrows()]
    if len(words) > MOST_GROUPS_NAMED:
        spans = [f"{s.min():.0f} to {s.max():.0f}" for s in (groups["n_cells"], groups["n_animals"])]
        return f"n of {len(words)} groups: {spans[0]} {results.analysis.unit}, {spans[1]} animals."
    return f"n, {'; '.join(words)}." if words else ""


def groups_table(results: Results) -> Fragment:
    """Return the parameters of each group."""
    return parameters_table(results, groups_of(results), "Parameters per group: cells within animals")


def parameters_table(results: Results, fits: pd.DataFrame, caption: str) -> Fragment:
    """Return rows of fits.csv as HTML: each parameter with interval, n, verdict and the way home."""
    shown = pd.DataFrame(
        {
            "Group": fits["group"],
            "Model": fits["model"],
            "Parameter": fits["parameter"],
            "Estimate [95 % CI]": [interval_text(f.estimate, f.ci_low, f.ci_high) for f in fits.itertuples()],
            "Unit": fits["unit"],
            "n": [counted(results.analysis, f.n_cells, f.n_animals) for f in fits.itertuples()],
            "Verdict": [verdict_text(f.verdict, f.reason) for f in fits.itertuples()],
        },
        dtype=object,
    )
    return results_table(results, "fits.csv", shown, f"{results.title}. {caption}", csv=fits[list(SAVED)])


def comparisons_table(
    results: Results, found: pd.DataFrame, leading: dict | None = None, beside: dict | None = None
) -> str:
    """Return the rows of comparisons.csv as HTML.

    `leading` holds columns of the analysis' own before the quantity, `beside` those after the p values.
    """
    shown = pd.DataFrame(
        {"Compared": _pairs_compared(found)}
        | (leading or {})
        | {
            "Quantity": found["quantity"],
            "Difference or ratio [95 % CI]": [
                interval_text(f.difference, f.ci_low, f.ci_high) for f in found.itertuples()
            ],
            "Unit": found["unit"],
            "p": found["p"],
            "p (Holm)": found["p_holm"],
        }
        | (beside or {})
        | {
            "n": [counted(results.analysis, f.n_cells, f.n_animals) for f in found.itertuples()],
            "Method": [verdict_text(f.method, f.reason) for f in found.itertuples()],
        }
    )
    caption = "Conditions compared, the animal being the unit; p (Holm) over all rows"
    return results_table(results, "comparisons.csv", shown, f"{results.title}. {caption}", csv=found).html


def _pairs_compared(found: pd.DataFrame) -> list[str]:
    """Return which group is held against which, by a ratio or a difference, of rows of comparisons.csv."""
    words = {"ratio": "over", "difference": "minus"}
    return [f"{pair.group_b} {words[pair.scale]} {pair.group_a}" for pair in found.itertuples()]


def verdict_text(verdict: str, reason: str) -> str:
    """Return a verdict with its reason, when there is one."""
    words = verdict.replace("_", " ")
    return ": ".join(filter(None, (words, reason)))


def counted(analysis: Analysis, n: float, n_animals: float) -> str:
    """Return the n of a group in words: of what was fitted, and of animals where that is something else."""
    counts = {} if analysis.unit == "animals" else {analysis.unit: n}
    return ", ".join(
        f"{k:.0f} {word[:-1] if k == 1 else word}" for word, k in (counts | {"animals": n_animals}).items()
    )
