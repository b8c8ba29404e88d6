"""Monte Carlo of a calibration: normal draws of its parts, and intervals with few wells behind them.

Each part of the error (background, Rmin wells, Rmax wells, fit of a titration, wells of the sample, animals) has a
variance that was estimated from few values. Draws are normal. Their deviations are then widened together by
sqrt(df/chi2(df)), with the degrees of freedom of Welch and Satterthwaite, df = (sum v)^2 / sum(v^2/df_k), so that the
interval is as wide as that of a t with these degrees of freedom. Drawing every part from a t of its own would be too
wide: the intervals held 97 to 98 % where 95 % was said.

An array of draws holds the estimate itself at place 0.
"""

import math
import zlib

import numpy as np

SEED = 340380
DRAWS = 4000
LEVEL = 0.95
# Below this, the widening of single draws has no finite mean and the quantiles are noise.
FEWEST_DF = 1.0


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the random stream of one thing of the study: it depends on its name and on nothing else there is."""
    return np.random.default_rng([seed, zlib.crc32("\0".join(names).encode())])


def normal_draws(seed: int, draws: int, covariance: np.ndarray, *names: str) -> np.ndarray:
    """Return normal deviations with a covariance (p, p), as (draws + 1, p), the first row zero."""
    covariance = np.atleast_2d(covariance)
    root = _root(covariance)
    drawn = stream(seed, *names).standard_normal((draws, len(root))) @ root.T
    return np.vstack([np.zeros(len(root)), drawn])


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the lower triangle of Cholesky; a variable without variance of its own adds nothing.

    numpy's refuses wells without any differences; an eigen-decomposition would let the draws depend on the gain.
    """
    root = np.zeros_like(covariance, float)
    for j in range(len(covariance)):
        left = covariance[j:, j] - root[j:, :j] @ root[j, :j]
        if left[0] > 1e-12 * covariance[j, j]:
            root[j:, j] = left / math.sqrt(left[0])
    return root


def effective_df(variances, degrees) -> float:
    """Return the degrees of freedom of a sum of variances (Welch 1947, Satterthwaite 1946); inf where there is none."""
    variances, degrees = np.asarray(variances, float), np.asarray(degrees, float)
    total = math.fsum(variances)
    if not total > 0:
        return math.inf
    spent = math.fsum(variances**2 / degrees)
    return max(total**2 / spent, FEWEST_DF) if spent > 0 else math.inf


def widening(seed: int, draws: int, df: float, *names: str) -> np.ndarray:
    """Return sqrt(df/chi2(df)) for each draw, 1 at place 0."""
    if not math.isfinite(df):
        return np.ones(draws + 1)
    return np.concatenate([[1.0], np.sqrt(df / stream(seed, "widen", *names).chisquare(df, draws))])


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the central interval of draws that may hold 0 and infinity; NaN when one of them is NaN."""
    if np.isnan(draws).any():
        return math.nan, math.nan
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def share(values: np.ndarray, half: float) -> np.ndarray:
    """Return m/(m + half): a scale on which 0 and infinity have a distance, for the variances of parts of an error."""
    finite = np.where(np.isinf(values), 0.0, values)
    return np.where(np.isinf(values), 1.0, finite / (finite + half))
