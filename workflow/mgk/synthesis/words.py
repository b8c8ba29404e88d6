"""What the synthesis allows one to say: words as strong as its intervals, and what kind of data it came from."""

import math

import pandas as pd

from mgk.synthesis.model import OPEN_RATIO, RATE_RATIO
from mgk.synthesis.tables import DRIVING, TOGETHER

HEADINGS = {
    "simulated": "A model prediction from simulated recordings; not evidence",
    "mixed": "A model prediction from data of which some are simulated; not evidence",
    "measured": "A model prediction from measured inputs; no measurement of secretion",
}
MOST_NAMED = 2


def heading(data: str) -> str:
    """Return what stands above every number of the synthesis, by the kind of the data that it joins."""
    return HEADINGS[data]


def sentences(prediction: pd.DataFrame, variance: pd.DataFrame, apical_mv: float) -> list[str]:
    """Return what follows, a sentence each; none says more than its interval.

    A change is said to be there only where the whole interval lies on one side of 1.
    """
    [driving] = prediction.loc[prediction["quantity"] == DRIVING, "estimate"]
    way = "out of the cell, as secretion" if driving > 0 else "into the cell: no secretion through ROMK"
    said = [f"At the stated potential and concentrations K+ is driven {way} ({driving:+.0f} mV)."]
    known = prediction[prediction["verdict"] == "predicted"]
    at_apical = known[(known["quantity"] == OPEN_RATIO) & (known["membrane_mv"] == apical_mv)]
    said += [_of_a_ratio(row, "ROMK is open", variance) for row in at_apical.itertuples()]
    rates = known[known["quantity"] == RATE_RATIO]
    said += [_of_a_ratio(row, f"the pump runs (with {row.k05})", variance) for row in rates.itertuples()]
    said += _of_two_constants(rates)
    not_known = prediction.loc[prediction["verdict"] == "not_predicted", ["level", "reason"]].drop_duplicates()
    said += [f"Nothing is predicted for {row.level}: {row.reason}." for row in not_known.itertuples()]
    return said


def _of_a_ratio(row, what: str, variance: pd.DataFrame) -> str:
    numbers = f"ratio {row.estimate:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]"
    head = f"{row.level} against {row.reference}: "
    if row.ci_low <= 1 <= row.ci_high:
        return f"{head}the interval holds no change: it is not said whether {what} more or less ({numbers})."
    word = "more" if row.estimate > 1 else "less"
    least, most = sorted((abs(row.ci_low - 1), abs(row.ci_high - 1)))
    span = f"by {100 * least:.1f} to {100 * most:.1f} %"
    return f"{head}in the model {what} {word}, {span} ({numbers}){_mostly(row, variance)}."


def _mostly(row, variance: pd.DataFrame) -> str:
    """Return which source makes a ratio uncertain, where one has more than half of its variance."""
    own = variance[(variance["quantity"] == row.quantity) & (variance["level"] == row.level)]
    own = own[(own["reference"] == row.reference) & (own["k05"] == row.k05) & (own["source"] != TOGETHER)]
    if own.empty or not math.isfinite(own["first_order"].max()):
        return ""
    first = own.loc[own["first_order"].idxmax()]
    share = min(100 * first["first_order"], 100)
    return f"; {share:.0f} % of the variance from {first['source']}" if share > 50 and len(own) > 1 else ""


def _of_two_constants(rates: pd.DataFrame) -> list[str]:
    """Return where the constants of the pump lead to predictions whose intervals do not meet."""
    said = []
    for (level, reference), rows in rates.groupby(["level", "reference"], sort=False):
        if len(rows) == MOST_NAMED and rows["ci_low"].max() > rows["ci_high"].min():
            low, high = (f"{row.estimate:.2f} with {row.k05}" for row in rows.sort_values("estimate").itertuples())
            words = "which K0.5 is taken matters more than all other errors of the pump"
            said.append(f"{level} against {reference}: {words} ({low}, {high}).")
    return said
