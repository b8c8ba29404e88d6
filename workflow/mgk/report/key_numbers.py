"""The key numbers of a study: one table, read from results, each number with its interval, n, verdict and origin.

For simulated data the reference is what was put in (raw_data/truth.yaml); for measured data it is a published value
that the config names. `table` and `row` say where in the results of the experiment the number stands (the header is
row 1). A missing chapter has no numbers here; the report names it elsewhere.
"""

import pandas as pd

from mgk.report.chapters import CHAPTERS
from mgk.report.origins import FIRST_ROW
from mgk.report.results import all_results
from mgk.study import Study

COLUMNS = (
    "analysis", "experiment", "data", "group", "quantity", "unit", "reference", "reference_kind", "reference_source",
    "estimate", "ci_low", "ci_high", "holds_reference", "n", "verdict", "reason",
    "table", "row",
)  # fmt: skip

NUMBERS = ("reference", "estimate", "ci_low", "ci_high", "row")


def key_numbers(project: Study) -> pd.DataFrame:
    """Return the key numbers of everything that is there, in the order of the chapters."""
    rows: list[dict] = []
    for results in all_results(project):
        if results.is_there:
            head = {"analysis": results.analysis.name, "experiment": results.experiment, "data": results.data}
            rows += [head | row for row in CHAPTERS[results.analysis.name].key_numbers(results)]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table["holds_reference"] = [_holds(row) for row in table.itertuples()]
    table["row"] = table["row"].astype("Int64") + FIRST_ROW
    text = [c for c in COLUMNS if c not in NUMBERS]
    table[text] = table[text].astype(object).where(table[text].notna(), "")
    return table


def _holds(row) -> str:
    """Say whether the interval holds what was put in; a published value needs no such word."""
    if row.reference_kind != "put in" or pd.isna(row.ci_low):
        return ""
    return "yes" if row.ci_low <= row.reference <= row.ci_high else "no"
