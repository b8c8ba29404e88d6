"""Diagnostics: what single studies do to the summary, and whether small studies differ from large ones.

What it is for: `leave_one_out`, `cumulative`, `influence` and `small_study`, each a table of
`results/clinical/<analysis>/` of the same name, and `trim_and_fill`, whose filled studies a funnel plot shows. Every
subset is fitted anew (tau2 with it), all of them at once.

Vocabulary: rows come for the *common* and the *random* model, (method, test) as in `mgk.meta.pooling`. *Influence*
measures compare the fit without a study to that with it (Viechtbauer and Cheung 2010), with normal (z) errors.
*Small-study effects*: Egger 1997 (`egger_lm`: weighted regression on the standard error with a multiplicative residual
variance; `egger_rma`: meta-regression with tau2), Begg and Mazumdar 1994 (rank correlation), for odds ratios Harbord
2006 (score) and Peters 2006 (1 / n); their *limit* is the effect at a standard error of 0. Trim and fill: Duval and
Tweedie 2000 (L0, R0), whose limit is the estimate with the filled studies.

Limits: intercept only; small-study effects have other causes than unpublished studies, and below ten studies the tests
cannot tell (the note says so).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mgk.meta import heterogeneity
from mgk.meta.columns import COUNTS
from mgk.meta.effects import back_transform, cells, peto_terms, summary_n
from mgk.meta.pooling import COMMON, RANDOM, Pooled, pool
from mgk.meta.tails import two_sided
from mgk.tables.problems import InputError

MODELS = (COMMON, RANDOM)
FEW_STUDIES = 10
EXACT_UP_TO = 100
"""Studies up to which Begg's p is exact; beyond, and with ties, it is from the normal distribution."""

ESTIMATORS = ("L0", "R0")
MAX_ROUNDS = 100

SUMMARY = ("k", "estimate", "se", "ci_low", "ci_high", "tau2", "i2", "q", "q_df", "q_p", "note")
INFLUENCE = (
    "rstudent", "dffits", "cook_d", "cov_r", "tau2_deleted", "q_deleted", "hat", "weight_percent", "dfbetas",
    "influential", "baujat_x", "baujat_y",
)  # fmt: skip
SMALL_STUDY = (
    "procedure", "model", "predictor", "k", "estimate", "se", "statistic", "statistic_name", "df", "p",
    "limit_estimate", "limit_ci_low", "limit_ci_high", "n_missing", "n_missing_se", "side", "note",
)  # fmt: skip


@dataclass(frozen=True)
class TrimFill:
    """Result of trim and fill: `n_missing` studies on `side`, `p` their test (R0 only), `filled` the table with them.

    `filled` has the columns yi, vi and filled (bool), the given studies first; `pooled` is the estimate from it.
    """

    estimator: str
    side: str
    n_missing: int
    n_missing_se: float
    p: float
    filled: pd.DataFrame
    pooled: Pooled


def leave_one_out(
    effects: pd.DataFrame, analysis: str, *, models: Sequence[tuple[str, str]] = MODELS, level: float = 0.95
) -> pd.DataFrame:
    """Pool again without each study.

    Returns
    -------
    DataFrame
        For each model a row for each study left out: `analysis, measure, model, method, test, study_id, study`, then
        the columns `SUMMARY` and `back_transformed_estimate, _ci_low, _ci_high`. With one study no rows.
    """
    k = len(effects)
    left_out = effects[["study_id", "study"]].reset_index(drop=True)
    if k < 2:
        left_out = left_out.iloc[:0]
    used = ~np.eye(k, dtype=bool)[: len(left_out)]
    return _subset_table(effects, analysis, left_out, used, models, level)


def cumulative(
    effects: pd.DataFrame,
    analysis: str,
    order: str | None = None,
    *,
    models: Sequence[tuple[str, str]] = MODELS,
    level: float = 0.95,
) -> pd.DataFrame:
    """Pool the first study, the first two, the first three, ...

    Parameters
    ----------
    effects, analysis
        As in `pooled_table`.
    order : str, optional
        Column by which studies are added, smallest first, those without a value last, equal ones as in the table;
        by default `year`, or the order of the table where there is no year.

    Returns
    -------
    DataFrame
        For each model a row for each study added: `analysis, measure, model, method, test, order, position, study_id,
        study, value`, then as in `leave_one_out`.

    Raises
    ------
    InputError
        When there is no such column.
    """
    if order is None:
        order = "year" if "year" in effects and effects["year"].notna().any() else "row"
    if order != "row" and order not in effects:
        raise InputError(f"order {order!r} is no column of the table; there are {', '.join(effects.columns)}")
    effects = effects.reset_index(drop=True)
    value = pd.Series(range(1, len(effects) + 1)) if order == "row" else effects[order]
    numbers = pd.to_numeric(value, errors="coerce")
    value = numbers if numbers.notna().sum() == value.notna().sum() else value
    places = value.sort_values(kind="stable", na_position="last").index
    effects, value = effects.loc[places].reset_index(drop=True), value.loc[places].reset_index(drop=True)
    added = effects[["study_id", "study"]].assign(value=value)
    added.insert(0, "order", order)
    added.insert(1, "position", range(1, len(effects) + 1))
    return _subset_table(effects, analysis, added, np.tri(len(effects), dtype=bool), models, level)


def influence(effects: pd.DataFrame, analysis: str, *, methods: Sequence[str] = (COMMON[0], RANDOM[0])) -> pd.DataFrame:
    """Compute what each study does to the summary.

    Returns
    -------
    DataFrame
        For each model a row a study: `analysis, measure, model, method, study_id, study` and the columns `INFLUENCE`:
        `rstudent` externally standardised residual, `dffits` and `dfbetas` standardised changes of the estimate,
        `cook_d` Cook's distance, `cov_r` ratio of variances without and with the study, `tau2_deleted` and
        `q_deleted` without it, `hat` leverage, `influential` by the usual cut-offs (|dffits| > 3 sqrt(1 / (k - 1)),
        Cook's distance beyond the median of chi-square, hat > 3 / k, |dfbetas| > 1), `baujat_x` its squared Pearson
        residual, `baujat_y` the squared standardised change of the estimate (Baujat 2002). What needs two studies
        besides the one left out is empty where there are not.
    """
    yi, vi = effects["yi"].to_numpy(float), effects["vi"].to_numpy(float)
    k = len(yi)
    frames = []
    for method in methods if k > 1 else ():
        tau2 = 0.0 if method == "IV" else heterogeneity.tau_squared(yi, vi, method)
        fit = heterogeneity.weighted_fit(yi, vi, tau2)
        estimate, variance = float(fit.coefficients[0]), float(fit.covariance[0, 0])
        without = _fit_subsets(yi, vi, ~np.eye(k, dtype=bool), method)
        change = estimate - without.estimate
        hat = variance / (vi + tau2)
        dffits = change / np.sqrt(hat * (without.tau2 + vi))
        dfbetas = change * np.sqrt(_information(vi, without.tau2))
        cook = change**2 / variance
        columns = {
            "rstudent": (yi - without.estimate) / np.sqrt(vi + without.variance + without.tau2),
            "dffits": dffits,
            "cook_d": cook,
            "cov_r": without.variance / variance,
            "tau2_deleted": without.tau2,
            "q_deleted": without.q,
            "hat": hat,
            "weight_percent": 100 * hat,
            "dfbetas": dfbetas,
            "influential": (np.abs(dffits) > 3 * np.sqrt(1 / (k - 1)))
            | (cook > stats.chi2.median(1))
            | (hat > 3 / k)
            | (np.abs(dfbetas) > 1),
            "baujat_x": (yi - estimate) ** 2 / (vi + tau2),
            "baujat_y": change**2 / without.variance,
        }
        who = effects[["study_id", "study"]].reset_index(drop=True)
        frames.append(_head(effects, analysis, method, None, who).assign(**columns))
    empty = pd.DataFrame(columns=["analysis", "measure", "model", "method", "study_id", "study", *INFLUENCE])
    return pd.concat(frames, ignore_index=True) if frames else empty


def small_study(effects: pd.DataFrame, analysis: str, *, method: str = RANDOM[0], level: float = 0.95) -> pd.DataFrame:
    """Ask whether small studies differ from large ones, in every usual way.

    Returns
    -------
    DataFrame
        A row a procedure with the columns `analysis, measure`, `SMALL_STUDY` and `back_transformed_limit_estimate,
        _ci_low, _ci_high`. `procedure` is egger_lm, egger_rma, begg, and for OR and PETO harbord and peters; estimate
        and se are the slope on `predictor`. Then trim_fill_L0 and trim_fill_R0, each for the common and the random
        model: `n_missing` studies on `side`. What cannot be computed is empty and `note` says why.
    """
    yi, vi = effects["yi"].to_numpy(float), effects["vi"].to_numpy(float)
    rows = [
        {"procedure": "egger_lm", "model": "lm", "predictor": "se"} | _weighted_regression(yi, np.sqrt(vi), vi, level),
        {"procedure": "egger_rma", "model": "random", "predictor": "se"} | _meta_regression(yi, vi, method, level),
        {"procedure": "begg", "model": "rank", "predictor": "vi"} | _rank_correlation(yi, vi),
    ]
    if effects["measure"].iloc[0] in ("OR", "PETO") and set(COUNTS) <= set(effects):
        rows += [_harbord(effects, level), _peters(effects, level)]
    for estimator in ESTIMATORS:
        for chosen, test in (COMMON, (method, "z")):
            rows.append(_trim_fill_row(yi, vi, estimator, chosen, test, level))
    frame = pd.DataFrame(rows, columns=list(SMALL_STUDY))
    few = (frame["k"] < FEW_STUDIES) & (frame["note"] == "")
    frame.loc[few, "note"] = f"fewer than {FEW_STUDIES} studies: little power"
    frame.insert(0, "analysis", analysis)
    frame.insert(1, "measure", effects["measure"].iloc[0])
    limits = {name: name for name in ("limit_estimate", "limit_ci_low", "limit_ci_high")}
    return back_transform(frame, limits, effects["scale"].iloc[0], summary_n(effects))


def trim_and_fill(
    yi: np.ndarray, vi: np.ndarray, estimator: str = "L0", method: str = "REML", test: str = "z", *, level: float = 0.95
) -> TrimFill:
    """Trim the studies that have no counterpart, and fill in their mirror images (Duval and Tweedie 2000).

    The side where studies are missing is left when the effect rises with the standard error, else right.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        At least three studies.
    estimator : str
        Of the number missing: L0 or R0.
    method, test : str
        As in `pool`.

    Raises
    ------
    InputError
        For an unknown estimator, fewer than three studies, or when the rounds do not settle.
    """
    if estimator not in ESTIMATORS:
        raise InputError(f"estimator {estimator!r}: allowed are {', '.join(ESTIMATORS)}")
    yi, vi = np.asarray(yi, float), np.asarray(vi, float)
    k = len(yi)
    if k < 3:
        raise InputError(f"trim and fill needs three studies or more, not {k}")
    sign = _side_of_the_missing(yi, vi, method)
    order = np.argsort(sign * yi, kind="stable")
    y, v = sign * yi[order], vi[order]
    n_missing, before = 0, -1
    for _ in range(MAX_ROUNDS):
        if n_missing == before:
            break
        before = n_missing
        kept = slice(0, k - n_missing)
        tau2 = 0.0 if method == "IV" or k - n_missing < 2 else heterogeneity.tau_squared(y[kept], v[kept], method)
        centre = float(np.average(y[kept], weights=1 / (v[kept] + tau2)))
        n_missing, se = _number_missing(y - centre, estimator)
    else:
        raise InputError(f"trim and fill did not settle in {MAX_ROUNDS} rounds")
    mirrored = sign * (2 * centre - y[k - n_missing :])
    filled = pd.DataFrame(
        {
            "yi": np.concatenate([yi, mirrored]),
            "vi": np.concatenate([vi, v[k - n_missing :]]),
            "filled": np.arange(k + n_missing) >= k,
        }
    )
    # When nothing is missing, P(R0 = m) = 0.5^(m + 2) for m = -1, 0, 1, ...; this is P(R0 >= n_missing).
    p = 0.5 ** (n_missing + 1) if estimator == "R0" else np.nan
    pooled = pool(filled["yi"].to_numpy(), filled["vi"].to_numpy(), method, test, level=level)
    return TrimFill(estimator, "left" if sign > 0 else "right", n_missing, se, p, filled, pooled)


def _side_of_the_missing(yi, vi, method) -> int:
    """Return 1 when studies are missing on the left, -1 on the right: the sign of Egger's slope."""
    se = np.sqrt(vi)
    if np.ptp(se) == 0:
        return 1
    design = np.column_stack([np.ones(len(yi)), se])
    tau2 = 0.0 if method == "IV" else heterogeneity.tau_squared(yi, vi, method, design)
    return -1 if heterogeneity.weighted_fit(yi, vi, tau2, design).coefficients[1] < 0 else 1


def _number_missing(residual: np.ndarray, estimator: str) -> tuple[int, float]:
    """Return the estimated number of missing studies and its standard error, from residuals in rising order."""
    k = len(residual)
    rank = np.empty(k)
    rank[np.argsort(np.abs(residual), kind="stable")] = np.arange(1, k + 1)
    if estimator == "R0":
        negative = rank[residual < 0]
        number = k - (negative.max() if len(negative) else k) - 1
        se = np.sqrt(2 * max(0.0, number) + 2)
    else:
        rank_sum = rank[residual > 0].sum()
        number = (4 * rank_sum - k * (k + 1)) / (2 * k - 1)
        powers = 10 * number**3 + 27 * number**2 + 17 * number
        variance = k * (k + 1) * (2 * k + 1) + powers - 18 * k * number**2 - 18 * k * number + 6 * k**2 * number
        se = 4 * np.sqrt(max(0.0, variance) / 24) / (2 * k - 1)
    return max(0, round(number)), float(se)


def _fit_subsets(yi, vi, used, method) -> heterogeneity.SubsetFits:
    """Return the fits of subsets; those of one study are that study with IV and nan with an estimator of tau2."""
    enough = used.sum(axis=1) >= (1 if method == "IV" else 2)
    if enough.all() and len(used):
        return heterogeneity.fit_subsets(yi, vi, used, method)
    wide = {name: np.full(len(used), np.nan) for name in heterogeneity.SubsetFits.__dataclass_fields__}
    if enough.any():
        fits = heterogeneity.fit_subsets(yi, vi, used[enough], method)
        for name, values in wide.items():
            values[enough] = getattr(fits, name)
    return heterogeneity.SubsetFits(**(wide | {"k": used.sum(axis=1)}))


def _information(vi, tau2) -> np.ndarray:
    """Return the sum of 1 / (vi + tau2) over all studies, for each of many tau2."""
    if np.all(tau2 == 0):
        return np.full(len(tau2), np.sum(1 / vi))
    return np.array([np.sum(1 / (vi + t)) for t in tau2])


def _head(effects, analysis, method, test, who) -> pd.DataFrame:
    head = {"analysis": analysis, "measure": effects["measure"].iloc[0]}
    head |= {"model": "common" if method == "IV" else "random", "method": method} | ({"test": test} if test else {})
    return pd.concat([pd.DataFrame(head, index=who.index), who], axis=1)


def _subset_table(effects, analysis, who, used, models, level) -> pd.DataFrame:
    yi, vi = effects["yi"].to_numpy(float), effects["vi"].to_numpy(float)
    frames = []
    for method, test in models:
        fits = _fit_subsets(yi, vi, used, method)
        frames.append(_head(effects, analysis, method, test, who).assign(**_summary(fits, method, test, level)))
    frame = pd.concat(frames, ignore_index=True)
    shown = {name: name for name in ("estimate", "ci_low", "ci_high")}
    return back_transform(frame, shown, effects["scale"].iloc[0], summary_n(effects))


def _summary(fits, method, test, level) -> dict[str, np.ndarray]:
    """Return the columns `SUMMARY` of many fits; where a test or a model needs more studies, nan and a note."""
    random, df = method != "IV", fits.k - 1
    several = fits.k > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(several, fits.scaled_q / df, np.nan) if test in ("knha", "adhoc") else np.ones(len(fits.k))
        if test == "adhoc":
            factor = np.maximum(1.0, factor)
        quantile = two_sided(level) if test == "z" else two_sided(level, df)
        i2_q = np.where(fits.q > 0, 100 * np.maximum(0.0, 1 - df / fits.q), 0.0)
    missing = ~several & (random | (test != "z"))
    se = np.where(missing, np.nan, np.sqrt(fits.variance * factor))
    estimate = np.where(missing, np.nan, fits.estimate)
    return {
        "k": fits.k,
        "estimate": estimate,
        "se": se,
        "ci_low": estimate - quantile * se,
        "ci_high": estimate + quantile * se,
        "tau2": fits.tau2 if random else np.full(len(fits.k), np.nan),
        "i2": np.where(several, 100 * fits.tau2 / (fits.tau2 + fits.typical_variance) if random else i2_q, np.nan),
        "q": np.where(several, fits.q, np.nan),
        "q_df": df,
        "q_p": np.where(several, stats.chi2.sf(fits.q, np.maximum(df, 1)), np.nan),
        "note": np.where(missing, "one study: nothing to estimate a spread from", ""),
    }


def _nothing(k, why) -> dict:
    return {"k": k, "note": why}


def _why_no_regression(x) -> str:
    if len(x) < 3:
        return "a regression needs three studies or more"
    return "all studies have the same precision" if np.ptp(x) == 0 else ""


def _weighted_regression(y, x, variance, level) -> dict:
    """Regress y on x with weights 1 / variance and a free residual variance; the limit is the intercept."""
    k, why = len(y), _why_no_regression(x)
    if why:
        return _nothing(k, why)
    fit = heterogeneity.weighted_fit(y, variance, 0.0, np.column_stack([np.ones(k), x]))
    if fit.q <= 1e-24 * np.sum(y**2 / variance):
        return _nothing(k, "no residual spread: nothing to test with")
    se = np.sqrt(np.diag(fit.covariance) * fit.q / (k - 2))
    half_width = two_sided(level, k - 2) * se[0]
    t = fit.coefficients[1] / se[1]
    found = {"k": k, "estimate": fit.coefficients[1], "se": se[1], "statistic": t, "statistic_name": "t", "df": k - 2}
    return found | {"p": 2 * stats.t.sf(abs(t), k - 2), "note": ""} | _limits(fit.coefficients[0], half_width)


def _meta_regression(yi, vi, method, level) -> dict:
    k, se = len(yi), np.sqrt(vi)
    why = _why_no_regression(se)
    if why:
        return _nothing(k, why)
    design = np.column_stack([np.ones(k), se])
    fit = heterogeneity.weighted_fit(yi, vi, heterogeneity.tau_squared(yi, vi, method, design), design)
    error = np.sqrt(np.diag(fit.covariance))
    z = fit.coefficients[1] / error[1]
    found = {"k": k, "estimate": fit.coefficients[1], "se": error[1], "statistic": z, "statistic_name": "z"}
    limits = _limits(fit.coefficients[0], two_sided(level) * error[0])
    return found | {"p": 2 * stats.norm.sf(abs(z)), "note": ""} | limits


def _limits(estimate, half_width) -> dict:
    return {
        "limit_estimate": estimate,
        "limit_ci_low": estimate - half_width,
        "limit_ci_high": estimate + half_width,
    }


def _rank_correlation(yi, vi) -> dict:
    """Return Kendall's tau of the standardised effects and their variances."""
    k = len(yi)
    if k < 3:
        return _nothing(k, "a rank correlation needs three studies or more")
    weight = 1 / vi
    left = vi - 1 / weight.sum()
    if left.min() <= 0:
        return _nothing(k, "one study has all the weight")
    centred = (yi - np.average(yi, weights=weight)) / np.sqrt(left)
    if np.ptp(vi) == 0 or np.ptp(centred) == 0:
        return _nothing(k, "all studies have the same precision or the same effect")
    untied = len(np.unique(centred)) == len(np.unique(vi)) == k
    exact = untied and k <= EXACT_UP_TO
    found = stats.kendalltau(centred, vi, method="exact" if exact else "asymptotic")
    note = "" if exact else "p from the normal distribution (ties, or many studies)"
    return {"k": k, "statistic": found.statistic, "statistic_name": "tau", "p": found.pvalue, "note": note}


def _harbord(effects, level) -> dict:
    """Regress (O - E) / V on 1 / sqrt(V) with weights V."""
    excess, variance = peto_terms(*cells(effects))
    informative = variance > 0
    excess, variance = excess[informative], variance[informative]
    head = {"procedure": "harbord", "model": "lm", "predictor": "1/sqrt(V)"}
    return head | _weighted_regression(excess / variance, 1 / np.sqrt(variance), 1 / variance, level)


def _peters(effects, level) -> dict:
    """Regress the log odds ratio on 1 / n with Peters' weights, 1 / (1 / events + 1 / non-events) over both arms."""
    a, b, c, d = cells(effects)
    informative = (a + c > 0) & (b + d > 0)
    y = effects["yi"].to_numpy(float)[informative]
    events, others = (a + c)[informative], (b + d)[informative]
    head = {"procedure": "peters", "model": "lm", "predictor": "1/n"}
    return head | _weighted_regression(y, 1 / (events + others), 1 / events + 1 / others, level)


def _trim_fill_row(yi, vi, estimator, method, test, level) -> dict:
    model = "common" if method == "IV" else "random"
    head = {"procedure": f"trim_fill_{estimator}", "model": model, "k": len(yi)}
    try:
        found = trim_and_fill(yi, vi, estimator, method, test, level=level)
    except InputError as error:
        return head | {"note": str(error)}
    pooled = found.pooled
    missing = {"n_missing": found.n_missing, "n_missing_se": found.n_missing_se, "side": found.side, "p": found.p}
    limits = {"limit_estimate": pooled.estimate, "limit_ci_low": pooled.ci_low, "limit_ci_high": pooled.ci_high}
    return head | missing | limits | {"note": ""}
