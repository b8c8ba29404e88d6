"""Dependent rows: the same trial twice, several arms, a shared control. Three-level model and robust variance (CR2).

What it is for: two ways to the truth when rows of one trial are not independent. `three_level` fits a variance between
trials and one between the rows of a trial by REML; `cluster_robust` takes any working model and corrects its standard
error by what the clusters show (CR2 of Bell and McCaffrey 2002 with Satterthwaite's degrees of freedom, as in
Pustejovsky and Tipton 2018). `dependent_table` lays both out beside the model that takes every row as independent.

Vocabulary: *row*, one effect; *cluster*, the rows that depend on each other, such as those of one trial; `tau2_between`
the variance between clusters, `tau2_within` that between the rows of a cluster, beyond the sampling variance.

Sampling errors of rows that share a control group have the covariance of `mgk.meta.designs`.

Limits: other sampling errors of rows of a cluster are taken as independent in the working model (their covariance is
seldom published; CR2 does not need it); one level of clusters; intercept only in the table
(`cluster_robust` takes a design). With few clusters or few that hold several rows `df` is small and the interval wide,
which is the honest answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, optimize, stats

from mgk.meta import heterogeneity
from mgk.meta.columns import filled
from mgk.meta.designs import SHARED, SHARES_CONTROL, sampling_covariance
from mgk.meta.effects import back_transform, summary_n
from mgk.meta.tails import two_sided
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

ROUNDING = 1e-15
"""Share of the largest eigenvalue of a covariance below which one is rounding, of either sign."""

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


def three_level(yi: np.ndarray, vi: np.ndarray, clusters: Sequence, covariance: np.ndarray | None = None) -> ThreeLevel:
    """Fit yi = mu + u(cluster) + w(row) + e by REML.

    Sampling errors are independent with variances `vi`, or have the `covariance` (k, k), which is 0 between clusters.

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
    model = _Blocks(y, np.diag(vi) if covariance is None else covariance, member)
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
    """Pool dependent rows by three models, each in two ways.

    Parameters
    ----------
    effects : DataFrame
        From `effect_sizes`, with the cluster kept.
    analysis : str
        Name for the column of that name.
    cluster : str, optional
        Column whose equal values mark rows that depend on each other, such as trial_id; an empty value is a cluster of
        its own. Rows that share a control group belong together whether it is named or not. Without either the table
        has no rows.

    Returns
    -------
    DataFrame
        Model `independent` (REML, every row on its own), `common` (no variance between rows, sampling errors with
        their covariance) and `three_level` (REML, the same errors), each with test z and CR2; columns `COLUMNS` and
        `back_transformed_*`. `df` is empty with z. What cannot be fitted is empty and its note says why.
    """
    shared = (SHARED,) if SHARED in effects else ()
    named = tuple(dict.fromkeys((*((cluster,) if cluster else ()), *shared)))
    rows = _six_ways(effects, named, level) if named else []
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("analysis", "measure", "cluster")])
    for place, (name, value) in enumerate(
        (("analysis", analysis), ("measure", effects["measure"].iloc[0]), ("cluster", " + ".join(named)))
    ):
        frame.insert(place, name, value)
    return back_transform(frame, {name: name for name in SHOWN}, effects["scale"].iloc[0], summary_n(effects))


def _six_ways(effects, cluster, level) -> list[dict]:
    for name in cluster:
        if name not in effects:
            raise InputError(f"cluster {name!r} is no column of the table; there are {', '.join(effects.columns)}")
    yi, vi = effects["yi"].to_numpy(float), effects["vi"].to_numpy(float)
    member = _joined([_cluster_names(effects, name) for name in cluster])
    members, V = _rows_of(member), sampling_covariance(effects)
    models = {
        "independent": (np.diag(vi), lambda: (np.nan, heterogeneity.tau_squared(yi, vi, "REML"))),
        "common": (V, lambda: (np.nan, 0.0)),
        "three_level": (V, lambda: _variances(three_level(yi, vi, member, V))),
    }
    found = []
    for model, (sampling, fit) in models.items():
        method = "IV" if model == "common" else "REML"
        head = {"model": model, "method": method, "k": len(yi), "n_clusters": len(members)}
        try:
            between, within = fit()
        except InputError as error:
            found += [head | {"test": test, "note": str(error)} for test in ("z", "CR2")]
            continue
        if model != "common":
            head |= {"tau2_between": between, "tau2_within": within}
        blocks = [
            sampling[np.ix_(rows, rows)] + within * np.eye(len(rows)) + (0.0 if np.isnan(between) else between)
            for rows in members
        ]
        for row in (_wald(yi, members, blocks, level), _robust(yi, members, blocks, level)):
            shared = _shared_in_words(effects) if model != "independent" else ""
            found.append(head | row | {"note": "; ".join(note for note in (row["note"], shared) if note)})
    return found


def _variances(fit: ThreeLevel) -> tuple[float, float]:
    return fit.tau2_between, fit.tau2_within


def _shared_in_words(effects) -> str:
    """Say how many rows share a control group, and whether their covariance is in the model."""
    if SHARED not in effects:
        return ""
    n = int(effects.loc[filled(effects, SHARED), SHARED].duplicated(keep=False).sum())
    if n == 0:
        return ""
    if effects["measure"].iloc[0] not in SHARES_CONTROL:
        return f"{n} rows share a control group, whose covariance is not known for this measure"
    return f"{n} rows share a control group: their covariance is in the model"


def _joined(names: list[list[str]]) -> np.ndarray:
    """Return the cluster of each row when rows that are equal in any of several columns belong together."""
    k = len(names[0])
    member = np.arange(k)
    for column in names:
        codes = _codes(column)
        for code in range(codes.max() + 1):
            together = np.unique(member[codes == code])
            member[np.isin(member, together)] = together[0]
    return _codes(member)


def _cluster_names(effects, cluster) -> list[str]:
    """Return the cluster of each row; a row without one is a cluster of its own."""
    given = filled(effects, cluster)
    return [f"given {n}" if g else f"row {i}" for i, (n, g) in enumerate(zip(effects[cluster], given, strict=True))]


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
    half_width = two_sided(level, np.inf if np.isnan(df) else df) * se
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


def _rows_of(member: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each cluster."""
    return np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])


class _Blocks:
    """Likelihood of the three-level model from sums over clusters; y (k,), V (k, k), member (k,) of 0, 1, ...

    The sampling covariance of each cluster is made diagonal by a rotation, which adding the same variance to every row
    leaves alone: V_c + within I = U diag(v + within) U'. With x = U'1, w = 1 / (v + within), A = sum of w x^2 in a
    cluster and h = 1 / (1 + between A), its inverse covariance is diag(w) - between h (w x) (w x)' (Sherman and
    Morrison). Without covariances U is the identity and x is 1.
    """

    def __init__(self, y, V, member):
        self.y, self.v, self.x, self.member = y.copy(), np.diag(V).copy(), np.ones(len(y)), member
        for rows in _rows_of(member):
            block = V[np.ix_(rows, rows)]
            if np.any(block != np.diag(np.diag(block))):
                values, U = linalg.eigh(block)
                self.v[rows] = np.maximum(values, ROUNDING * values[-1])
                self.y[rows], self.x[rows] = U.T @ y[rows], U.T @ np.ones(len(rows))

    def _sum(self, values):
        return np.bincount(self.member, values)

    def mean(self, between, within):
        """Return the mean and its information at the two variances."""
        wx = self.x / (self.v + within)
        h = 1 / (1 + between * self._sum(wx * self.x))
        information = np.sum(h * self._sum(wx * self.x))
        return float(np.sum(h * self._sum(wx * self.y)) / information), float(information)

    def log_likelihood(self, between, within):
        """Return the restricted log-likelihood, up to a constant."""
        mean, information = self.mean(between, within)
        w, r = 1 / (self.v + within), self.y - mean * self.x
        R = self._sum(w * self.x * r)
        h = 1 / (1 + between * self._sum(w * self.x**2))
        q = np.sum(w * r**2) - between * np.sum(h * R**2)
        log_determinant = -np.sum(np.log(w)) - np.sum(np.log(h))
        return float(-0.5 * (log_determinant + np.log(information) + q))

    def slopes(self, between, within):
        """Return twice the derivatives by the two variances."""
        mean, information = self.mean(between, within)
        w, r = 1 / (self.v + within), self.y - mean * self.x
        wx = w * self.x
        A, A2, R = self._sum(wx * self.x), self._sum(wx**2), self._sum(wx * r)
        h = 1 / (1 + between * A)
        solved = w * r - wx * (between * h * R)[self.member]
        by_between = np.sum((h * R) ** 2) - np.sum(h * A) + np.sum((h * A) ** 2) / information
        by_within = np.sum(solved**2) - np.sum(self._sum(w) - between * h * A2) + np.sum(h**2 * A2) / information
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
        with np.errstate(over="ignore", invalid="ignore"):  # a search that runs away comes to no place
            inner = optimize.root(lambda at: np.exp(at) * model.slopes(*np.exp(at)), start, tol=1e-14)
        if np.all(np.isfinite(inner.x)) and np.all(inner.x < np.log(10 * upper)):
            inside.append(tuple(float(value) for value in np.exp(inner.x)))
    return edges, inside


def _edge(slope, axis) -> list[float]:
    """Return the maxima along an edge: where the derivative goes from above to below 0."""
    slopes = np.array([slope(t) for t in axis])
    falling = np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    return [float(optimize.brentq(slope, axis[i], axis[i + 1], xtol=1e-300, rtol=1e-15)) for i in falling]
