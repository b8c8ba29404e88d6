"""A fitted parameter with its interval and its verdict on identifiability."""

from dataclasses import dataclass, replace

import numpy as np

VERDICTS = ("identified", "weak", "not_identified")
# A confidence limit of an `ln_` parameter more than this factor away from the estimate makes it weak.
WEAK_FOLD = 2.0


@dataclass(frozen=True)
class Estimate:
    """A fitted parameter: `se` from the Gauss-Newton covariance, the interval from the profile; with its verdict."""

    value: float
    se: float
    ci_low: float
    ci_high: float
    verdict: str = "identified"
    reason: str = ""

    def exp(self) -> "Estimate":
        """Return the estimate on the scale of exp: limits transformed, standard error by the delta method."""
        value, low, high = np.exp([self.value, self.ci_low, self.ci_high])
        return replace(self, value=float(value), se=float(value * self.se), ci_low=float(low), ci_high=float(high))

    def weakened(self, doubt: str) -> "Estimate":
        """Return the estimate, weak at best where there is a doubt; the reasons that it has stay."""
        if not doubt:
            return self
        verdict = max(self.verdict, "weak", key=VERDICTS.index)
        return replace(self, verdict=verdict, reason="; ".join(filter(None, [self.reason, doubt])))
