"""Quantiles and tails of the normal, t and chi-square distributions, straight from scipy.special.

What it is for: `scipy.stats` gives the same numbers and spends 0.1 ms a call on checking its arguments, which is most
of the time of pooling a table.
"""

import numpy as np
from scipy import special


def two_sided(level, df=np.inf):
    """Return the quantile that leaves (1 - level) / 2 on either side: of the normal distribution, or of t with `df`."""
    tail = (1 - level) / 2
    return -special.ndtri(tail) if np.ndim(df) == 0 and np.isinf(df) else -special.stdtrit(df, tail)


def scaling_note(factor: float, df: float, level: float) -> str:
    """Return where Knapp and Hartung's factor of the squared standard error makes an interval with t of `df` too sure.

    A factor below 1 alone does not: with few studies the t quantile makes up for it. It does where the interval comes
    out narrower than the normal one, which takes tau2 as known; elsewhere the note is empty.
    """
    if factor < 1e-12:
        return "the effects are the same: the interval has no width (Knapp-Hartung factor 0)"
    if two_sided(level, df) * np.sqrt(factor) >= two_sided(level):
        return ""
    return f"the interval is narrower than the normal one (Knapp-Hartung factor {factor:.3g}, t on {df:g} df)"


def chi_square_tail(value, df):
    """Return the probability of a chi-square above `value`."""
    return special.chdtrc(df, value)


def chi_square_quantile(probability, df):
    """Return the value below which a chi-square lies with the given probability."""
    return 2 * special.gammaincinv(df / 2, probability)
