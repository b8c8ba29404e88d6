"""Meta-regression: effects explained by study-level moderators, with what is left between the studies.

What it is for: `meta_regression` fits one model, `moderators_table` lays out each moderator alone and all together as
`results/clinical/<analysis>/moderators.csv`. A subgroup is a moderator of text; its test (`qm`) is the test for a
difference between subgroups with one tau2 for all.

Vocabulary: `qe` is Q of the residuals at tau2 = 0 (is anything left between the studies?), `qm` the test that all
coefficients but the intercept are 0: chi-square on `qm_df` with z, F on `qm_df` and `qm_df2` with knha; `r2` the share
of tau2 (in percent) that the moderators take away from `tau2_total`, that of the same studies without them; `i2` and
`h2` are residual. A column of numbers is one term; a column of text has one term for each value but the first in the
alphabet, the reference.

Limits: linear terms without interactions; a moderator measured with the same error as the effect (the control group's
risk) is biased here and has `mgk.meta.bivariate`; study-level relations say nothing about single patients. With fewer
than ten studies a moderator the Cochrane handbook advises against it (10.11.5.1); the note says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mgk.meta import heterogeneity
from mgk.meta.tails import scaling_note, two_sided
from mgk.tables.problems import InputError

TESTS = ("z", "knha")
FEW_STUDIES = 10
INTERCEPT = "intercept"

COLUMNS = (
    "analysis", "measure", "model", "method", "test", "term", "moderator", "k", "estimate", "se", "statistic", "df",
    "p", "ci_low", "ci_high", "qm", "qm_df", "qm_df2", "qm_p", "qe", "qe_df", "qe_p", "tau2", "tau2_total", "r2", "i2",
    "h2", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Design:
    """Columns of a design: `matrix` (k, p), the name of each column and the moderator that it comes from.

    `used` tells which rows of the table have a value in every moderator; the matrix holds these rows only.
    """

    matrix: np.ndarray
    terms: tuple[str, ...]
    moderators: tuple[str, ...]
    used: np.ndarray


@dataclass(frozen=True)
class Regression:
    """A fitted meta-regression, on the analysis scale; arrays are (p,), a value for each of `terms`.

    `df` is infinite with z. What does not exist is nan, and `note` says why.
    """

    terms: tuple[str, ...]
    moderators: tuple[str, ...]
    method: str
    test: str
    level: float
    k: int
    coefficients: np.ndarray
    covariance: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    df: float
    p: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    qm: float
    qm_df: int
    qm_df2: float
    qm_p: float
    qe: float
    qe_df: int
    qe_p: float
    tau2: float
    tau2_total: float
    r2: float
    i2: float
    h2: float
    note: str

    def predict(self, matrix: np.ndarray) -> pd.DataFrame:
        """Return estimate, se, ci_low, ci_high, pi_low, pi_high at rows (m, p) of a design, on the analysis scale.

        For one numeric moderator the rows are (1, x). The prediction interval adds tau2 and uses the quantile of the
        test.
        """
        matrix = np.atleast_2d(np.asarray(matrix, float))
        estimate = matrix @ self.coefficients
        se = np.sqrt(np.einsum("ij,jk,ik->i", matrix, self.covariance, matrix))
        quantile = two_sided(self.level, self.df)
        spread = np.sqrt(se**2 + self.tau2)
        return pd.DataFrame(
            {
                "estimate": estimate,
                "se": se,
                "ci_low": estimate - quantile * se,
                "ci_high": estimate + quantile * se,
                "pi_low": estimate - quantile * spread,
                "pi_high": estimate + quantile * spread,
            }
        )


def design_of(effects: pd.DataFrame, moderators: Sequence[str]) -> Design:
    """Build the design of an intercept and the moderators, which are columns of `effects`.

    Raises
    ------
    InputError
        For a moderator that is no column, has no values, or the same value in all studies.
    """
    moderators = tuple(moderators)
    for name in moderators:
        if name not in effects:
            raise InputError(f"moderator {name!r} is no column of the table; there are {', '.join(effects.columns)}")
    filled = effects[list(moderators)].astype(object).map(lambda value: not pd.isna(value) and str(value).strip() != "")
    used = filled.to_numpy(bool).all(axis=1)
    columns, terms, sources = [np.ones(used.sum())], [INTERCEPT], [INTERCEPT]
    for name in moderators:
        values = effects.loc[used, name]
        numbers = pd.to_numeric(values, errors="coerce")
        if values.nunique() < 2:
            raise InputError(f"moderator {name!r} has the same value, or none, in all studies: nothing to compare")
        if numbers.notna().all():
            columns.append(numbers.to_numpy(float))
            terms.append(name)
            sources.append(name)
            continue
        text = values.astype(str).str.strip()
        for value in sorted(text.unique())[1:]:
            columns.append((text == value).to_numpy(float))
            terms.append(f"{name}: {value}")
            sources.append(name)
    return Design(np.column_stack(columns), tuple(terms), tuple(sources), used)


def meta_regression(
    effects: pd.DataFrame,
    moderators: Sequence[str],
    method: str = "REML",
    test: str = "knha",
    *,
    level: float = 0.95,
) -> Regression:
    """Regress effects on moderators.

    Parameters
    ----------
    effects : DataFrame
        `yi`, `vi` and the moderators (from `effect_sizes` with `keep`). Rows without a value are left out, and counted
        in the note.
    moderators : sequence of str
    method : str
        "IV" for the common-effect model, or an estimator of tau2.
    test : str
        z, or knha (Knapp and Hartung 2003): errors rescaled by the residual spread, t and F tests.

    Raises
    ------
    InputError
        For an unknown method, test or moderator, moderators that are no independent columns, or without one study more
        than there are coefficients.
    """
    if test not in TESTS:
        raise InputError(f"test {test!r}: allowed are {', '.join(TESTS)}")
    design = design_of(effects, moderators)
    X, names = design.matrix, " + ".join(moderators)
    yi, vi = (effects.loc[design.used, name].to_numpy(float) for name in ("yi", "vi"))
    k, p = X.shape
    if np.linalg.matrix_rank(X / np.abs(X).max(axis=0)) < p:
        raise InputError(f"moderators {names}: they determine each other, so that their effects cannot be told apart")
    if k <= p:
        raise InputError(f"moderators {names}: {p} coefficients need {p + 1} studies or more, not {k}")
    centred = _centred(X)
    tau2 = 0.0 if method == "IV" else heterogeneity.tau_squared(yi, vi, method, centred)
    fit = heterogeneity.weighted_fit(yi, vi, tau2, centred)
    factor = fit.q / (k - p) if test == "knha" else 1.0
    back = np.eye(p)
    back[0, 1:] = -_means(X)
    coefficients, covariance = back @ fit.coefficients, factor * back @ fit.covariance @ back.T
    se, df = np.sqrt(np.diag(covariance)), float(k - p) if test == "knha" else np.inf
    half_width = two_sided(level, df) * se
    # Without any residual spread Knapp and Hartung's errors are 0, and there is nothing to test with.
    statistic = coefficients / se if factor > 0 else np.full(p, np.nan)
    slopes, m = coefficients[1:], p - 1
    wald = float(slopes @ np.linalg.solve(fit.covariance[1:, 1:], slopes)) / factor if factor > 0 else np.nan
    qm = wald / m if test == "knha" else wald
    qe = heterogeneity.weighted_fit(yi, vi, 0.0, centred).q
    total = np.nan if method == "IV" else heterogeneity.tau_squared(yi, vi, method)
    typical = heterogeneity.typical_variance(vi, centred)
    return Regression(
        terms=design.terms,
        moderators=design.moderators,
        method=method,
        test=test,
        level=level,
        k=k,
        coefficients=coefficients,
        covariance=covariance,
        se=se,
        statistic=statistic,
        df=df,
        p=2 * (stats.norm.sf(np.abs(statistic)) if test == "z" else stats.t.sf(np.abs(statistic), df)),
        ci_low=coefficients - half_width,
        ci_high=coefficients + half_width,
        qm=qm,
        qm_df=m,
        qm_df2=df,
        qm_p=float(stats.chi2.sf(qm, m) if test == "z" else stats.f.sf(qm, m, df)),
        qe=qe,
        qe_df=k - p,
        qe_p=float(stats.chi2.sf(qe, k - p)),
        tau2=tau2,
        tau2_total=total,
        r2=100 * max(0.0, 1 - tau2 / total) if total > 0 else np.nan,
        i2=100 * tau2 / (tau2 + typical) if method != "IV" else 100 * max(0.0, 1 - (k - p) / qe) if qe > 0 else 0.0,
        h2=1 + tau2 / typical if method != "IV" else qe / (k - p),
        note=_note(k, p, tau2, total, scaling_note(factor, k - p, level), int((~design.used).sum())),
    )


def moderators_table(
    effects: pd.DataFrame,
    analysis: str,
    moderators: Sequence[str] = (),
    *,
    method: str = "REML",
    level: float = 0.95,
) -> pd.DataFrame:
    """Fit each moderator alone and, if there are several, all together, with both tests.

    Parameters
    ----------
    effects : DataFrame
        From `effect_sizes`, with the moderators kept.
    analysis : str
        Name for the column of that name.
    moderators : sequence of str
        Columns; a subgroup goes here too.

    Returns
    -------
    DataFrame
        A row a coefficient, with the columns `COLUMNS`: `model` is such as "latitude" or "latitude + year", `term` such
        as "intercept", "latitude" or "route: oral", `moderator` the column that the term comes from; `df` is empty with
        z. A model that cannot be fitted is one row without numbers whose note says why. Without moderators no row.
    """
    models = [(name,) for name in moderators]
    if len(moderators) > 1:
        models.append(tuple(moderators))
    rows = [row for model in models for test in TESTS for row in _rows(effects, model, method, test, level)]
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("analysis", "measure")])
    frame.insert(0, "analysis", analysis)
    frame.insert(1, "measure", effects["measure"].iloc[0])
    return frame


def _rows(effects, model, method, test, level) -> list[dict]:
    head = {"model": " + ".join(model), "method": method, "test": test}
    try:
        fit = meta_regression(effects, model, method, test, level=level)
    except InputError as error:
        return [head | {"note": str(error)}]
    shared = ("k", "qm", "qm_df", "qe", "qe_df", "qe_p", "qm_p", "tau2", "tau2_total", "r2", "i2", "h2", "note")
    head |= {name: getattr(fit, name) for name in shared}
    head |= {name: getattr(fit, name) if test == "knha" else np.nan for name in ("df", "qm_df2")}
    names = {"coefficients": "estimate"} | {n: n for n in ("se", "statistic", "p", "ci_low", "ci_high")}
    return [
        head
        | {"term": fit.terms[i], "moderator": fit.moderators[i]}
        | {column: getattr(fit, name)[i] for name, column in names.items()}
        for i in range(len(fit.terms))
    ]


def _means(X: np.ndarray) -> np.ndarray:
    return X[:, 1:].mean(axis=0)


def _centred(X: np.ndarray) -> np.ndarray:
    """Return the design with its moderators centred: years near 2000 would cost digits."""
    return np.column_stack([X[:, 0], X[:, 1:] - _means(X)])


def _note(k, p, tau2, total, scaled, left_out) -> str:
    notes = []
    if left_out:
        notes.append(f"{left_out} studies without a value left out")
    if k < FEW_STUDIES * (p - 1):
        notes.append(f"fewer than {FEW_STUDIES} studies a coefficient")
    if tau2 == 0:
        notes.append("residual tau2 at its bound 0")
    if total == 0:
        notes.append("no r2: tau2 is 0 without moderators")
    return "; ".join([*notes, *([scaled] if scaled else [])])
