"""Passive properties of cells: the membrane tests of an experiment, summarised over cells in animals.

Works on the tables of `mgk.recordings.membrane` and `mgk.recordings.quality`; means are geometric, because resistances
and capacitances vary by factors. Excluded recordings stay as rows, with their reason, and have no part in a mean.
"""

import math

import pandas as pd

from mgk.fitting import Estimate
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows

PARAMETERS = {"access_mohm": "MOhm", "membrane_mohm": "MOhm", "capacitance_pf": "pF"}


def passive_properties(tests: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """Return access, membrane resistance and capacitance of each recording and of each condition, as fits.csv.

    Parameters
    ----------
    tests : DataFrame
        membrane_test.csv of an experiment.
    quality : DataFrame
        quality.csv of it.
    """
    judged = quality.set_index("recording_id")
    rows, animals = [], {}
    for test in tests.to_dict("records"):
        verdict, reason = judged.loc[test["recording_id"], ["verdict", "reason"]]
        animals[test["recording_id"]] = test["animal_id"]
        head = (
            test["experiment"],
            test["condition"] or "all",
            test["recording_id"],
            f"membrane test by {test['method']}",
        )
        for parameter, unit in PARAMETERS.items():
            value = float(test[parameter])
            estimate = Estimate(value, math.nan, math.nan, math.nan)
            if verdict == "exclude":
                estimate = Estimate(value, *[math.nan] * 3, "not_identified", f"excluded: {reason}")
            elif math.isnan(value):
                estimate = Estimate(value, *[math.nan] * 3, "not_identified", test["reason"])
            rows.append(fit_row(*head, parameter, unit, estimate))
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    return pd.concat([fits, group_rows(fits, animals, geometric=PARAMETERS)], ignore_index=True) if rows else fits
