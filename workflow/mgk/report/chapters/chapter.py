"""What a chapter of the report is: the words, tables, counts and key numbers of one analysis.

The figures, the links and the words about data and failures are the same for all and are made in `report.chapters`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mgk.report.html import Fragment
from mgk.report.results import Results


@dataclass(frozen=True)
class Chapter:
    """What the report says of one analysis; each function takes the `Results` of one experiment.

    `about` is Markdown, formulas included: the heading, what the analysis does and how to read it. `tables` returns
    what stands below the figures, `count` the n of the chapter in words, `key_numbers` rows for `report.key_numbers`
    (columns that do not apply are left out), `method` how it was computed, a clause made of the settings alone;
    `opening` what must be read before any figure, `elsewhere` what leads to a figure that the report does not hold (of
    one that it holds, nothing).
    """

    about: str
    tables: Callable[[Results], Fragment]
    count: Callable[[Results], str]
    key_numbers: Callable[[Results], list[dict]]
    method: Callable[[Results], str]
    opening: Callable[[Results], Fragment] = lambda results: Fragment("")
    elsewhere: Callable[[Results, str], Fragment] = lambda results, file: Fragment("")


def no_key_numbers(results: Results) -> list[dict]:
    """Return nothing: the analysis has no key number of its own."""
    del results
    return []


def count_rows(results: Results) -> str:
    """Return the n of an analysis whose first table has a row for each unit."""
    return f"n: {len(results.table(results.analysis.tables[0]))} {results.analysis.unit}."


def table_of_study(results: Results) -> str:
    """Return the method of an analysis that reads one table of the study."""
    return f"table raw_data/{results.settings['table']}"
