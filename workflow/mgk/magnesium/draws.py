"""Monte Carlo of a calibration: normal draws of its parts, and intervals with few wells behind them.

Each part of the error (background, Rmin wells, Rmax wells, fit of a titration, wells of the sample, animals) has a
variance that was estimated from few values. Draws are normal. Their deviations are then widened together by
sqrt(df/chi2(df)), with the degrees of freedom of Welch and Satterthwaite, df = (sum v)^2 / sum(v^2/df_k), so that the
interval is as wide as that of a t with these degrees of freedom. Drawing every part from a t of its own would be too
wide: the intervals held 97 to 98 % where 95 % was said.

That is an approximation: where a part with two or three wells holds most of the variance it covers 92 to 94 %, where
several such parts weigh alike 96 to 97 %. For samples, which have few wells, `calibrated_level` says at which level the
interval has to be taken to hold 95 %. Its prior is one that Ghosh and Kim (2001, on the Behrens-Fisher problem) and the
calibration one that Beran (1987, prepivoting) describe; both from memory, not read.

An array of draws holds the estimate itself at place 0.
"""

import math
import zlib

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import t

from mgk.statistics import effective_df

SEED = 340380
DRAWS = 4000
LEVEL = 0.95
# Deviations, and variances for each, from which a level is calibrated.
LEVEL_DRAWS = (1000, 400)
# With so many degrees of freedom a variance is known.
KNOWN_DF = 1000.0


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


def widening(seed: int, draws: int, df: float, *names: str) -> np.ndarray:
    """Return sqrt(df/chi2(df)) for each draw, 1 at place 0."""
    if not math.isfinite(df):
        return np.ones(draws + 1)
    return np.concatenate([[1.0], np.sqrt(df / stream(seed, "widen", *names).chisquare(df, draws))])


def calibrated_level(seed: int, variances, degrees, *names: str) -> float:
    """Return the level at which an interval of t with the degrees of `effective_df` holds 95 %.

    In two steps. What is known of the variances v is their posterior with the prior sum(v) / product(v^2), under which
    an interval covers as it says to second order: one part, by its share of the sum, is f v / chi2(f), and the others
    f v / chi2(f + 2). Then variances and deviations are drawn anew, to see at which level that interval holds 95 %.
    """
    variances, degrees = np.asarray(variances, float), np.minimum(degrees, 1e9)  # infinite: a variance that is stated
    total = math.fsum(variances)
    if not 0 < total < math.inf or effective_df(variances, degrees) > KNOWN_DF:
        return LEVEL
    rng = stream(seed, "level", *names)
    size = (LEVEL_DRAWS[1], degrees.size)
    narrow, wide = (degrees / rng.chisquare(degrees + more, size) for more in (2, 0))

    def beyond(deviation: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Return the probability of a larger deviation (n,) with the variances found (n, parts)."""
        rest, p = found @ narrow.T, np.zeros(len(found))
        for i in range(degrees.size):
            spread = rest + found[:, [i]] * (wide[:, i] - narrow[:, i])
            p += found[:, i] / found.sum(axis=1) * 2 * ndtr(-deviation[:, None] / np.sqrt(spread)).mean(axis=1)
        return p

    again = variances * rng.chisquare(degrees, (LEVEL_DRAWS[0], degrees.size)) / degrees
    deviation = np.abs(rng.standard_normal(len(again))) * math.sqrt(total)
    limit = np.quantile(beyond(deviation, again), 1 - LEVEL)
    end = brentq(lambda x: float(beyond(np.array([x]), variances[None])[0]) - limit, 0, 1e6 * math.sqrt(total))
    return 1 - 2 * float(t.sf(end / math.sqrt(total), effective_df(variances, degrees)))


def interval(draws: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the central interval of draws that may hold 0 and infinity; NaN when one of them is NaN."""
    if np.isnan(draws).any():
        return math.nan, math.nan
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def share(values: np.ndarray, half: float) -> np.ndarray:
    """Return m/(m + half): a scale on which 0 and infinity have a distance, for the variances of parts of an error."""
    finite = np.where(np.isinf(values), 0.0, values)
    return np.where(np.isinf(values), 1.0, finite / (finite + half))
