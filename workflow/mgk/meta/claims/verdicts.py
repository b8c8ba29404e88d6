"""Verdicts of findings and of claims, worst first."""

from dataclasses import dataclass

CONSISTENT, ROUNDING = "consistent", "consistent_with_rounding"
INCONSISTENT, IMPOSSIBLE, UNVERIFIABLE = "inconsistent", "impossible", "unverifiable"
VERDICTS = (CONSISTENT, ROUNDING, INCONSISTENT, IMPOSSIBLE, UNVERIFIABLE)
WORST_FIRST = (IMPOSSIBLE, INCONSISTENT, UNVERIFIABLE, ROUNDING, CONSISTENT)


@dataclass(frozen=True)
class Finding:
    """What one check says of a claim: `reason` holds the arithmetic, `recomputed` what should stand there."""

    check: str
    verdict: str
    reason: str
    recomputed: str = ""


def overall(verdicts: list[str]) -> str:
    """Return the verdict on a claim from those of its findings: the worst, in the order of `WORST_FIRST`."""
    return next(v for v in WORST_FIRST if v in verdicts)
