"""The chapter on clinical tables."""

from html import escape

import numpy as np
import pandas as pd

from mgk.meta.effects import find_measure
from mgk.meta.pooling import COMMON, RANDOM
from mgk.report.chapters.chapter import Chapter, table_of_study
from mgk.report.html import Fragment, interval_text
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Clinical tables
Effects of single studies, the common effect and random effects side by side:
$$\hat\mu = \frac{\sum_i w_i y_i}{\sum_i w_i}, \qquad w_i = \frac{1}{v_i + \tau^2}$$
with $\tau^2 = 0$ for the common effect. Where the two disagree, neither is the answer: small studies may differ from
large ones.
"""
# The rows of pooled.csv that are key numbers: model, method, test, how to call it, and whether the published result of
# that model stands beside it (reviews of their time pooled by DerSimonian and Laird with a normal interval).
POOLED = (
    ("common", "IV", "z", "common effect, inverse variance", True),
    ("random", "REML", "knha", "random effects, REML, Knapp-Hartung", False),
    ("random", "DL", "z", "random effects, DerSimonian-Laird", True),
)


def tables(results: Results) -> Fragment:
    """Show the words of the meta-summary and the pooled estimates."""
    words = _words(results.table("words.csv", text=("section", "text")))
    pooled = _pooled(results)
    return Fragment(words + _pooled_table(results, pooled).html + _without(pooled))


def _pooled(results: Results) -> pd.DataFrame:
    return results.table("pooled.csv", text=("note", "subgroup"))


def _without(pooled: pd.DataFrame) -> str:
    """Return how many combinations have no estimate, and why."""
    rows = pooled[pooled["estimate"].isna()]
    return "".join(
        f"<p>{n} combinations of model, method and test have no estimate: {escape(note)}.</p>"
        for note, n in rows["note"].value_counts(sort=False).items()
    )


def _pooled_table(results: Results, everything: pd.DataFrame) -> Fragment:
    """Show every combination of the whole table; of subgroups the two that figures and words show."""
    pairs = zip(everything["method"], everything["test"], strict=True)
    headline = np.array([pair in (COMMON, RANDOM) for pair in pairs], bool)
    pooled = everything[everything["estimate"].notna() & ((everything["subgroup"] == "") | headline)]
    columns = {"Model": pooled["model"], "Method": pooled["method"], "Test": pooled["test"], "Studies": pooled["k"]}
    if (pooled["subgroup"] != "").any():
        columns = {"Subgroup": pooled["subgroup"].replace("", "all")} | columns
    columns["Estimate [95 % CI]"] = [
        interval_text(r.back_transformed_estimate, r.back_transformed_ci_low, r.back_transformed_ci_high)
        for r in pooled.itertuples()
    ]
    columns |= {"tau²": pooled["tau2"], "I² (%)": pooled["i2"], "Q": pooled["q"], "df": pooled["q_df"]}
    columns["p of Q"] = pooled["q_p"]
    caption = f"{results.title}. Pooled estimates, back-transformed"
    if len(pooled) < everything["estimate"].notna().sum():
        caption += " (of subgroups two models; the CSV has all)"
    return results_table(results, "pooled.csv", pd.DataFrame(columns), caption, csv=everything)


def _words(words: pd.DataFrame) -> str:
    """Return methods and results as paragraphs, and what is still needed as a list that opens."""
    told = words[words["section"] != "still_needed"]
    paragraphs = "".join(
        f"<p><strong>{escape(r.section.capitalize())}.</strong> {escape(r.text)}</p>" for r in told.itertuples()
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in words.loc[words["section"] == "still_needed", "text"])
    return f"{paragraphs}<details><summary>What a reader has to supply</summary><ul>{items}</ul></details>"


def count(results: Results) -> str:
    """Return the number of studies."""
    return f"n: {_studies(results.table('pooled.csv')['k'].max())}."


def _studies(k: float) -> str:
    return "1 study" if k == 1 else f"{k:.0f} studies"


def key_numbers(results: Results) -> list[dict]:
    """Return the pooled estimates, beside published ones where the configuration names them."""
    pooled = _pooled(results)
    rows = []
    for model, method, test, group, compared in POOLED:
        chosen = pooled[(pooled["model"] == model) & (pooled["method"] == method) & (pooled["test"] == test)]
        for place, row in chosen[chosen["subgroup"] == ""].iterrows():
            found = {
                "group": group,
                "quantity": find_measure(results.settings["measure"]).label,
                "unit": results.settings.get("unit", "1"),
                "estimate": row["back_transformed_estimate"],
                "ci_low": row["back_transformed_ci_low"],
                "ci_high": row["back_transformed_ci_high"],
                "n": _studies(row["k"]),
                "verdict": "estimated" if pd.notna(row["back_transformed_estimate"]) else "not_identified",
                "reason": row["note"],
                "table": "pooled.csv",
                "row": place,
            }
            published = [p for p in results.settings.get("published", []) if p["model"] == model] if compared else []
            rows += [found | _published(p) for p in published] or [found]
    return rows


def _published(reference: dict) -> dict:
    interval = f" [{reference['ci_low']:g}, {reference['ci_high']:g}]" if "ci_low" in reference else ""
    return {
        "reference": reference["estimate"],
        "reference_kind": f"published{interval}",
        "reference_source": reference["source"],
    }


def method(results: Results) -> str:
    """Return the measure and the table."""
    return f"measure {results.settings['measure']}, {table_of_study(results)}"


CHAPTER = Chapter(ABOUT, tables, count, key_numbers, method)
