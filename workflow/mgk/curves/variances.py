"""Variances of points that are means of a few values: each moderated towards what the points of its curve share.

The variance of three values is a guess: weights from it favour the points that happen to look certain, and intervals
of the fit come out too narrow. So the variances of a curve are taken as draws from a distribution s0^2 d0 / chi2(d0),
whose d0 and s0^2 follow from the scatter of their logarithms beyond what few values make (Smyth 2004, Stat Appl Genet
Mol Biol 3:3; formulas from memory, not read; tests hold them against simulated variances). Each becomes
(d0 s0^2 + d s^2) / (d0 + d): where the points scatter alike they count alike, where they do not they keep their own.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

# Of fewer variances no distribution can be told.
FEWEST = 3
# ln of half the degrees of freedom is sought between these.
LN_HALF_DF = (-6.0, 14.0)


def moderated_variances(variances: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return variances (n,) with their degrees of freedom (n,), moderated; as given where one is 0 or has none."""
    variances, degrees = np.asarray(variances, float), np.asarray(degrees, float)
    if variances.size < FEWEST or not ((variances > 0) & (degrees > 0)).all():
        return variances
    logs = np.log(variances) - digamma(degrees / 2) + np.log(degrees / 2)
    beyond = logs.var(ddof=1) - polygamma(1, degrees / 2).mean()
    low, high = np.exp(LN_HALF_DF)
    if beyond <= polygamma(1, high):
        return np.full(variances.size, np.average(variances, weights=degrees))
    half = (
        low if beyond >= polygamma(1, low) else np.exp(brentq(lambda x: polygamma(1, np.exp(x)) - beyond, *LN_HALF_DF))
    )
    shared = np.exp(logs.mean() + digamma(half) - np.log(half))
    return (2 * half * shared + degrees * variances) / (2 * half + degrees)
