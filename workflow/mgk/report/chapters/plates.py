"""The chapter on the quality of plates."""

from mgk.report.chapters.chapter import Chapter, no_key_numbers
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = r"""## Quality of the plates
Values, residuals and roles well by well; wells without a value are marked, never counted as zero.
Like wells are compared within each plate: the edge effect is what a well at the perimeter reads more than one of the
same role and levels in the interior; Z' is the separation of the controls:
$$Z' = 1 - \frac{3\,(s_{high} + s_{low})}{|\bar x_{high} - \bar x_{low}|}$$
A warning excludes nothing.
"""
SHOWN = (
    "plate_id", "n_wells", "z_prime", "z_prime_ci_low", "z_prime_ci_high", "edge_percent", "edge_ci_low",
    "edge_ci_high", "row_drift_percent", "column_drift_percent", "replicate_cv_percent", "verdict", "reason",
)  # fmt: skip


def tables(results: Results) -> Fragment:
    """Show the verdict on each plate with the numbers that it rests on."""
    verdicts = results.table("verdicts.csv", text=("verdict", "reason"))
    caption = "Plates: separation of the controls; effects of position and spread of like wells in % of the mean"
    return results_table(results, "verdicts.csv", verdicts[list(SHOWN)], caption)


def count(results: Results) -> str:
    """Return the n of plates and of the wells that they use."""
    verdicts = results.table("verdicts.csv")
    return f"n: {len(verdicts)} plates, {verdicts['n_wells'].sum():.0f} wells."


def method(results: Results) -> str:
    """Return what is compared, and which limits stand in place of the defaults."""
    given = ", ".join(results.settings.get("quality") or {}) or "none"
    return f"like wells are compared within each plate; limits in place of the defaults: {given}"


CHAPTER = Chapter(ABOUT, tables, count, no_key_numbers, method)
