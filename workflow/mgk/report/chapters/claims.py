"""The chapter on published claims."""

from mgk.report.chapters.chapter import Chapter, count_rows, table_of_study
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = """## Published claims, checked
Printed numbers against each other, against counts, and against other places; nothing is recomputed from data that
were not printed.
A verdict is about the numbers as printed, not about whether a study was right.
"""
SHOWN = ("claim_id", "statement", "verdict", "reason", "recomputed", "source")

LABELS = {name: name.replace("_id", "").capitalize() for name in SHOWN}


def tables(results: Results) -> Fragment:
    """Show each claim with its verdict and the arithmetic behind it."""
    claims = results.table("claims.csv", text=SHOWN)
    shown = claims[list(SHOWN)].assign(verdict=claims["verdict"].str.replace("_", " "))
    return results_table(results, "claims.csv", shown, "Verdicts, each with its arithmetic", LABELS)


def key_numbers(results: Results) -> list[dict]:
    """Return how many claims have each verdict."""
    claims = results.table("claims.csv")
    counts = claims["verdict"].value_counts(sort=False)
    return [
        {
            "group": "",
            "quantity": f"claims {verdict.replace('_', ' ')}",
            "unit": "1",
            "estimate": count,
            "n": f"{len(claims)} claims",
            "table": "claims.csv",
        }
        for verdict, count in counts.items()
    ]


CHAPTER = Chapter(ABOUT, tables, count_rows, key_numbers, table_of_study)
