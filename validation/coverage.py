"""How coverage is tested against 95 % and shown, for every stage alike."""

import pandas as pd
from scipy.stats import binomtest

# Two-sided level of the test of coverage against 95 %.
TEST_LEVEL = 0.01


def binomial_p(covered: int, n: int) -> float:
    """Return the two-sided p of the exact binomial test that the coverage is 95 %; NaN without any interval."""
    return float(binomtest(int(covered), int(n), 0.95).pvalue) if n else float("nan")


def covered(share: float, p: float) -> str:
    """Return a coverage in percent, bold where it is not 95 %."""
    if pd.isna(p):
        return "–"
    text = f"{100 * share:.1f} %"
    return f"**{text}**" if p < TEST_LEVEL else text


def failures(rows) -> str:
    """Name what does not cover 95 %, from (what, design, coverage, p) of each interval."""
    told = [f"{what}, “{design}” ({100 * share:.1f} %)" for what, design, share, p in rows if p < TEST_LEVEL]
    if not told:
        return "All intervals are consistent with 95 %."
    return f"Intervals that are not consistent with 95 %: {'; '.join(told)}."
