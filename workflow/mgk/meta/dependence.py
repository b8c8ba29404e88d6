"""Dependent rows: the same trial twice, several arms, a shared control. Three-level model and robust variance (CR2).

What it is for: two ways to the truth when rows of one trial are not independent. `three_level` fits a variance between
trials and one between the rows of a trial by REML; `cluster_robust` takes any working model and corrects its standard
error by what the clusters show (CR2 of Bell and McCaffrey 2002 with Satterthwaite's degrees of freedom, as in
Pustejovsky and Tipton 2018). `dependent_table` lays both out beside the model that takes every row as independent.

Vocabulary: *row*, one effect; *cluster*, the rows that depend on each other, such as those of one trial; `tau2_between`
the variance between clusters, `tau2_within` that between the rows of a cluster, beyond the sampling variance.

Limits: sampling errors of rows of a cluster are taken as independent in the working model (their covariance is seldom
published; CR2 does not need it); one level of clusters; intercept only in the table (`cluster_robust` takes a design).
With few clusters or few that hold several rows `df` is small and the interval wide, which is the honest answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, optimize, stats

from mgk.meta import heterogeneity
from mgk.meta.effects import back_transform, summary_n
from mgk.tables.problems import InputError

COLUMNS = (
    "analysis", "measure", "cluster", "model", "method", "test", "k", "n_clusters", "estimate", "se", "df", "ci_low",
    "ci_high", "p", "tau2_between", "tau2_within", "note",
)  # fmt: skip
SHOWN = ("estimate", "ci_low", "ci_high")

GRID = 32
"""Points a side of the grid on which the likelihood of the two variances is looked at."""

TIE = 1e-10
"""Difference of log-likelihoods that rounding may make."""

FEW_DF = 4
"""Below this Satterthwaite's t interval is not to be trusted (Tipton 2015)."""


@dataclass(frozen=True)
class ThreeLevel:
    """REML fit of the three-level model; `log_likelihood` is up to a constant."""

    estimate: float
    se: float
    tau2_between: float
    tau2_within: float
    log_likelihood: float
    k: int
    n_clusters: int


@dataclass(frozen=True)
class Robust:
    """Coefficients (p,) with their cluster-robust covariance (p, p) and degrees of freedom (p,)."""

    coefficients: np.ndarray
    covariance: np.ndarray
    df: np.ndarray


def three_level(yi: np.ndarray, vi: np.ndarray, clusters: Sequence) -> ThreeLevel:
    """Fit yi = mu + u(cluster) + w(row) + e by REML.

    The likelihood is compared at both variances 0, at its best with either variance 0 (roots of its derivative), and
    at every inner maximum that a grid shows; the highest wins, so that a boundary is found as such.

    Raises
    ------
    InputError
        With fewer than two clusters, or without any cluster of two rows (the two variances are then one).
    """
    yi, vi, member = np.asarray(yi, float), np.asarray(vi, float), _codes(clusters)
    rows = np.bincount(member)
    if len(rows) < 2:
        raise InputError("a three-level model needs two clusters or more")
    if rows.max() < 2:
        raise InputError("no cluster has two rows: a variance within clusters cannot be told from that between them")
    y = yi - np.average(yi, weights=1 / vi)
    model = _Blocks(y, vi, member)
    edges, inner = _candidates(model)
    best = max(edges, key=lambda at: model.log_likelihood(*at))
    for at in inner:  # a place inside must be higher than the edge, not only as high
        if model.log_likelihood(*at) > model.log_likelihood(*best) + TIE:
            best = at
    mean, information = model.mean(*best)
    return ThreeLevel(
        estimate=mean + float(np.average(yi, weights=1 / vi)),
        se=float(1 / np.sqrt(information)),
        tau2_between=best[0],
        tau2_within=best[1],
        log_likelihood=model.log_likelihood(*best),
        k=len(yi),
        n_clusters=len(rows),
    )


def cluster_robust(
    yi: np.ndarray, design: np.ndarray, covariances: Sequence[np.ndarray], members: Sequence[np.ndarray]
) -> Robust:
    """Correct a weighted fit for dependence within clusters: CR2, with the working model as target.

    Parameters
    ----------
    yi : ndarray, shape (k,)
    design : ndarray, shape (k, p)
    covariances : sequence of ndarray, shape (n_c, n_c)
        Of each cluster's rows under the working model; their inverses are the weights.
    members : sequence of ndarray of int
        The rows of each cluster.

    Raises
    ------
    InputError
        With one cluster.
    """
    if len(members) < 2:
        raise InputError("a cluster-robust variance needs two clusters or more")
    weighted = [np.linalg.solve(V, design[rows]) for V, rows in zip(covariances, members, strict=True)]
    bread = np.linalg.inv(np.sum([design[rows].T @ WX for rows, WX in zip(members, weighted, strict=True)], axis=0))
    beta = bread @ np.sum([WX.T @ yi[rows] for rows, WX in zip(members, weighted, strict=True)], axis=0)
    scores, loadings = [], []
    for V, rows, WX in zip(covariances, members, weighted, strict=True):
        X = design[rows]
        upper = np.linalg.cholesky(V).T
        adjustment = upper.T @ _inverse_root(upper @ (V - X @ bread @ X.T) @ upper.T) @ upper
        G = adjustment @ WX @ bread  # (n_c, p): what a residual of this cluster adds to each coefficient
        scores.append(G.T @ (yi[rows] - X @ beta))
        loadings.append(G)
    covariance = np.sum([np.outer(score, score) for score in scores], axis=0)
    df = [_satterthwaite([G[:, j] for G in loadings], covariances, members, design, bread) for j in range(len(beta))]
    return Robust(beta, covariance, np.array(df))


def dependent_table(
    effects: pd.DataFrame, analysis: str, cluster: str | None = None, *, level: float = 0.95
) -> pd.DataFrame:
    """Pool dependent rows in four ways.

    Parameters
    ----------
    effects : DataFrame
        From `effect_sizes`, with the cluster kept.
    analysis : str
        Name for the column of that name.
    cluster : str, optional
        Column whose equal values mark rows that depend on each other, such as trial_id; an empty value is a cluster of
        its own. Without it the table has no rows.

    Returns
    -------
    DataFrame
        Model `independent` (REML, every row on its own) and `three_level` (REML), each with test z and CR2; columns
        `COLUMNS` and `back_transformed_*`. `df` is empty with z. What cannot be fitted is empty and its note says why.
    """
    rows = [] if cluster is None else _four_ways(effects, cluster, level)
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("analysis", "measure", "cluster")])
    for place, (name, value) in enumerate(
        (("analysis", analysis), ("measure", effects["measure"].iloc[0]), ("cluster", cluster or ""))
    ):
        frame.insert(place, name, value)
    return back_transform(frame, {name: name for name in SHOWN}, effects["scale"].iloc[0], summary_n(effects))


def _four_ways(effects, cluster, level) -> list[dict]:
    if cluster not in effects:
        raise InputError(f"cluster {cluster!r} is no column of the table; there are {', '.join(effects.columns)}")
    yi, vi = effects["yi"].to_numpy(float), effects["vi"].to_numpy(float)
    clusters = _cluster_names(effects, cluster)
    member = _codes(clusters)
    found = []
    for model, fit in (("independent", _independent), ("three_level", _three_level)):
        head = {"model": model, "method": "REML", "k": len(yi), "n_clusters": int(member.max()) + 1}
        try:
            between, within = fit(yi, vi, clusters)
        except InputError as error:
            found += [head | {"test": test, "note": str(error)} for test in ("z", "CR2")]
            continue
        head |= {"tau2_between": between, "tau2_within": within}
        members = [np.flatnonzero(member == c) for c in range(member.max() + 1)]
        blocks = [np.diag(vi[rows] + within) + (0.0 if np.isnan(between) else between) for rows in members]
        found.append(head | _wald(yi, members, blocks, level))
        found.append(head | _robust(yi, members, blocks, level))
    return found


def _cluster_names(effects, cluster) -> list[str]:
    """Return the cluster of each row; a row without one is a cluster of its own."""
    names = effects[cluster].astype(object)
    own = [f"row {i}" for i in range(len(names))]
    return [o if pd.isna(n) or str(n).strip() == "" else f"given {n}" for n, o in zip(names, own, strict=True)]


def _independent(yi, vi, clusters):
    del clusters
    return np.nan, heterogeneity.tau_squared(yi, vi, "REML")


def _three_level(yi, vi, clusters):
    fit = three_level(yi, vi, clusters)
    return fit.tau2_between, fit.tau2_within


def _wald(yi, members, blocks, level) -> dict:
    total = numerator = 0.0
    for rows, V in zip(members, blocks, strict=True):
        ones = np.linalg.solve(V, np.ones(len(rows)))
        total, numerator = total + ones.sum(), numerator + ones @ yi[rows]
    estimate, se = numerator / total, 1 / np.sqrt(total)
    return {"test": "z", "note": ""} | _interval(estimate, se, np.nan, level)


def _robust(yi, members, blocks, level) -> dict:
    try:
        robust = cluster_robust(yi, np.ones((len(yi), 1)), blocks, members)
    except InputError as error:
        return {"test": "CR2", "note": str(error)}
    df = float(robust.df[0])
    note = f"{df:.1f} degrees of freedom: too few clusters for a dependable interval" if df < FEW_DF else ""
    found = _interval(float(robust.coefficients[0]), float(np.sqrt(robust.covariance[0, 0])), df, level)
    return {"test": "CR2", "note": note} | found


def _interval(estimate, se, df, level) -> dict:
    spread = stats.norm if np.isnan(df) else stats.t(df)
    half_width = float(spread.isf((1 - level) / 2)) * se
    p = float(2 * spread.sf(abs(estimate) / se)) if se > 0 else np.nan
    limits = {"ci_low": estimate - half_width, "ci_high": estimate + half_width}
    return {"estimate": estimate, "se": se, "df": df, "p": p} | limits


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse square root of a symmetric matrix on the space where it is not 0."""
    values, vectors = linalg.eigh(matrix)
    kept = values > 1e-12 * values.max()
    return (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T


def _satterthwaite(loadings, covariances, members, design, bread) -> float:
    """Return the degrees of freedom of one coefficient's CR2 variance under the working model.

    With H the hat matrix and g_c the loading of cluster c, the variance is the sum of squares of p_c'y, p_c = (I - H)'
    g_c. As the weights are the inverse of V, p_c' V p_d = [c = d] g_c' V_c g_c - (X_c' g_c)' M (X_d' g_d).
    """
    projected = np.array([design[rows].T @ g for rows, g in zip(members, loadings, strict=True)])
    products = -projected @ bread @ projected.T
    products[np.diag_indices(len(members))] += [g @ V @ g for V, g in zip(covariances, loadings, strict=True)]
    return float(np.trace(products) ** 2 / np.sum(products**2))


def _codes(clusters: Sequence) -> np.ndarray:
    return pd.factorize(pd.Series(list(clusters), dtype=object))[0]


class _Blocks:
    """Likelihood of the three-level model from sums over clusters; y (k,), v (k,), member (k,) of 0, 1, ...

    With w = 1 / (v + within), A = sum of w in a cluster and h = 1 / (1 + between A), the inverse covariance of a
    cluster is diag(w) - between h w w' (Sherman and Morrison).
    """

    def __init__(self, y, v, member):
        self.y, self.v, self.member = y, v, member

    def _sum(self, values):
        return np.bincount(self.member, values)

    def mean(self, between, within):
        """Return the mean and its information at the two variances."""
        w = 1 / (self.v + within)
        h = 1 / (1 + between * self._sum(w))
        information = np.sum(h * self._sum(w))
        return float(np.sum(h * self._sum(w * self.y)) / information), float(information)

    def log_likelihood(self, between, within):
        """Return the restricted log-likelihood, up to a constant."""
        mean, information = self.mean(between, within)
        w, r = 1 / (self.v + within), self.y - mean
        A, R = self._sum(w), self._sum(w * r)
        h = 1 / (1 + between * A)
        q = np.sum(w * r**2) - between * np.sum(h * R**2)
        log_determinant = -np.sum(np.log(w)) - np.sum(np.log(h))
        return float(-0.5 * (log_determinant + np.log(information) + q))

    def slopes(self, between, within):
        """Return twice the derivatives by the two variances."""
        mean, information = self.mean(between, within)
        w, r = 1 / (self.v + within), self.y - mean
        A, A2, R = self._sum(w), self._sum(w**2), self._sum(w * r)
        h = 1 / (1 + between * A)
        solved = w * (r - (between * h * R)[self.member])
        by_between = np.sum((h * R) ** 2) - np.sum(h * A) + np.sum((h * A) ** 2) / information
        by_within = np.sum(solved**2) - np.sum(A - between * h * A2) + np.sum(h**2 * A2) / information
        return np.array([by_between, by_within])


def _candidates(model: _Blocks) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return every place (between, within) that may be the highest: those on the edges, and the inner maxima."""
    upper = 4 * model.v.max() + 2 * np.sum(model.y**2)
    axis = np.concatenate([[0.0], np.geomspace(1e-3 * model.v.min(), upper, GRID)])
    edges, inside = [(0.0, 0.0)], []
    edges += [(0.0, at) for at in _edge(lambda t: model.slopes(0.0, t)[1], axis)]
    edges += [(at, 0.0) for at in _edge(lambda t: model.slopes(t, 0.0)[0], axis)]
    heights = np.array([[model.log_likelihood(b, w) for w in axis] for b in axis])
    padded = np.pad(heights, 1, constant_values=-np.inf)
    around = [np.roll(padded, (i, j), (0, 1))[1:-1, 1:-1] for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    for i, j in np.argwhere(heights >= np.max(around, axis=0)):
        start = np.log(np.maximum([axis[i], axis[j]], 0.1 * axis[1]))
        inner = optimize.root(lambda at: np.exp(at) * model.slopes(*np.exp(at)), start, tol=1e-14)
        if np.all(np.isfinite(inner.x)) and np.all(inner.x < np.log(10 * upper)):
            inside.append(tuple(float(value) for value in np.exp(inner.x)))
    return edges, inside


def _edge(slope, axis) -> list[float]:
    """Return the maxima along an edge: where the derivative goes from above to below 0."""
    slopes = np.array([slope(t) for t in axis])
    falling = np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    return [float(optimize.brentq(slope, axis[i], axis[i + 1], xtol=1e-300, rtol=1e-15)) for i in falling]
