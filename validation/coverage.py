"""How coverage is tested against 95 % and shown, for every stage alike."""

import pandas as pd
from scipy.stats import binomtest

# Two-sided level of the test of coverage against 95 %.
TEST_LEVEL = 0.01


def binomial_p(covered: int, n: int) -> float:
    """Return the two-sided p of the exact binomial test that the coverage is 95 %; NaN without any interval."""
    return float(binomtest(int(covered), int(n), 0.95).pvalue) if n else float("nan")


def coverage_of(found: pd.DataFrame) -> dict[str, float]:
    """Return the coverage of intervals and its p; `found` has `put_in`, `ci_low` and `ci_high`, a row an interval."""
    inside = int(((found["ci_low"] <= found["put_in"]) & (found["put_in"] <= found["ci_high"])).sum())
    share = inside / len(found) if len(found) else float("nan")
    return {"coverage": share, "coverage_p": binomial_p(inside, len(found))}


def mean_with_error(errors: pd.Series) -> dict[str, float]:
    """Return the bias of some errors and its simulation standard error."""
    return {"bias": errors.mean(), "bias_se": errors.std(ddof=1) / max(len(errors), 1) ** 0.5}


def by_model(summary: pd.DataFrame, designs, count: str = "studies") -> tuple[pd.DataFrame, pd.DataFrame, int, int]:
    """Return the rows of the designs that meet the model and of the others, and how many studies each of them has."""
    is_right = summary["design"].isin([design.label for design in designs])
    right, wrong = summary[is_right], summary[~is_right]
    return right, wrong, *(int(part[count].max()) if len(part) else 0 for part in (right, wrong))


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
