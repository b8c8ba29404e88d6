"""Pooling: one summary of many effects, by the common-effect and the random-effects model.

What it is for: `pool` combines effects by one method and one test, `mantel_haenszel` and `peto` pool counts directly,
and `pooled_table` lays out every combination as `results/clinical/<analysis>/pooled.csv`, for the whole table and for
each subgroup. Estimators of the variance between studies are in `mgk.meta.heterogeneity`.

Vocabulary: *common* model: one true effect (IV inverse variance, MH Mantel-Haenszel, PETO Peto); *random* model: true
effects vary with variance `tau2`. *Tests* are ways to the standard error and the interval of the same estimate: z
(normal), t (k - 1 degrees of freedom), knha (Knapp and Hartung 2003: rescaled standard error, t), adhoc (the same, but
never rescaled below the z standard error). i2 is in percent. The *prediction interval* is where the true effect of a
new study is expected; its rule names the quantile.

Limits: intercept only (moderators: `mgk.meta.regression`); independent studies (dependent rows: `mgk.meta.dependence`).
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from mgk.meta import heterogeneity
from mgk.meta.effects import (
    SCALES,
    Measure,
    back_transform,
    cells,
    double_zero,
    find_measure,
    peto_terms,
    summary_n,
)
from mgk.meta.tails import chi_square_tail, scaling_note, two_sided
from mgk.tables.problems import InputError

RANDOM_METHODS = tuple(heterogeneity.ESTIMATORS)
TESTS = ("z", "t", "knha", "adhoc")
PI_RULES = ("t, k-2", "t, k-1", "z")
COMMON = ("IV", "z")
RANDOM = ("REML", "knha")
LARGEST_WRITTEN_OUT = 1e5
"""The rows (method, test) that figures and sentences show; the table has them all."""

NAMES = {
    "IV": "inverse variance",
    "MH": "Mantel-Haenszel",
    "PETO": "Peto",
    "z": "normal interval",
    "t": "t interval",
    "knha": "Knapp-Hartung interval",
    "adhoc": "modified Knapp-Hartung interval",
}


@dataclass(frozen=True)
class Pooled:
    """One pooled estimate on the analysis scale; what does not exist is nan, and `note` says why.

    `i2` and `h2` follow from tau2 (common model: from Q, for want of a tau2); `i2_q` always from Q.
    """

    model: str
    method: str
    test: str
    k: int
    estimate: float = np.nan
    se: float = np.nan
    ci_low: float = np.nan
    ci_high: float = np.nan
    pi_low: float = np.nan
    pi_high: float = np.nan
    pi_rule: str = ""
    tau2: float = np.nan
    tau2_ci_low: float = np.nan
    tau2_ci_high: float = np.nan
    i2: float = np.nan
    i2_q: float = np.nan
    h2: float = np.nan
    q: float = np.nan
    q_df: int = 0
    q_p: float = np.nan
    note: str = ""


def pool(
    yi: np.ndarray,
    vi: np.ndarray,
    method: str = "REML",
    test: str = "knha",
    *,
    level: float = 0.95,
    pi_rule: str = "t, k-2",
) -> Pooled:
    """Pool effects by inverse variance.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances on the analysis scale.
    method : str
        "IV" for the common-effect model, or an estimator of tau2: DL, REML, ML, PM, HE, SJ, EB.
    test : str
        z, t, knha or adhoc.
    level : float
        Level of the confidence, tau2 and prediction intervals.
    pi_rule : str
        Quantile of the prediction interval estimate +- quantile sqrt(se^2 + tau2): "t, k-2" (Higgins, Thompson and
        Spiegelhalter 2009), "t, k-1" or "z". The standard error is that of `test`.

    Returns
    -------
    Pooled
        With one study: the study itself for IV with z, and nothing but the reason for the rest.

    Raises
    ------
    InputError
        For an unknown method, test or rule, no study, or a variance that is not above 0.
    """
    yi, vi = _checked(yi, vi)
    _check_choice("method", method, ("IV", *RANDOM_METHODS))
    _check_choice("test", test, TESTS)
    _check_choice("pi_rule", pi_rule, PI_RULES)
    return _pool(yi, vi, method, (test,), level, pi_rule)[0]


def mantel_haenszel(effects: pd.DataFrame, *, level: float = 0.95) -> Pooled:
    """Pool the counts of `effects` (from `effect_sizes`: OR, RR or RD) by Mantel and Haenszel's weights.

    The counts are used as they are, without 1/2 added anywhere. Variances: Robins, Breslow and Greenland 1986 (OR),
    Greenland and Robins 1985 (RR), Sato 1989 (RD). Q is the weighted sum of squares of the studies' own effects about
    this estimate, over the studies that are not double-zero, as in metafor's `rma.mh`; `k` counts all.

    Raises
    ------
    InputError
        For a measure that has no Mantel-Haenszel estimate.
    """
    measure = effects["measure"].iloc[0]
    _check_choice("measure for Mantel-Haenszel", measure, tuple(_MANTEL_HAENSZEL))
    k = len(effects)
    estimate, variance = _MANTEL_HAENSZEL[measure](*cells(effects))
    if not (np.isfinite(estimate) and variance > 0):
        return Pooled("common", "MH", "z", k, note="no events, or nothing but events, in one arm over all studies")
    return _from_counts(effects, "MH", estimate, variance, level)


def peto(effects: pd.DataFrame, *, level: float = 0.95) -> Pooled:
    """Pool the counts of `effects` (from `effect_sizes`: OR or PETO) by Peto's one-step method (Yusuf 1985).

    The counts are used as they are; a double-zero study adds nothing. Q is that of metafor's `rma.peto`.

    Raises
    ------
    InputError
        For a measure that is no odds ratio.
    """
    _check_choice("measure for Peto's method", effects["measure"].iloc[0], _PETO)
    excess, variance = peto_terms(*cells(effects))
    total = float(np.sum(variance))
    if total == 0:
        return Pooled("common", "PETO", "z", len(effects), note="no events, or nothing but events, in every study")
    informative = variance > 0
    estimate = float(np.sum(excess)) / total
    residual = excess[informative] - variance[informative] * estimate
    q = float(np.sum(residual**2 / variance[informative]))
    return _from_counts(effects, "PETO", estimate, 1 / total, level, q)


def _from_counts(effects, method, estimate, variance, level, q=None) -> Pooled:
    """Return a pooled estimate with its Q over the studies that are not double-zero."""
    half_width = two_sided(level) * np.sqrt(variance)
    limits = estimate - half_width, estimate + half_width
    pooled = Pooled("common", method, "z", len(effects), estimate, float(np.sqrt(variance)), *limits)
    used = effects[~double_zero(effects)]
    if q is None:
        q = float(np.sum((used["yi"] - estimate) ** 2 / used["vi"]))
    return _with_q(pooled, q, len(used))


def pooled_table(
    effects: pd.DataFrame,
    analysis: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    pi_rule: str = "t, k-2",
) -> pd.DataFrame:
    """Pool `effects` by every method with every test, the whole table and each subgroup.

    Parameters
    ----------
    effects : DataFrame
        From `mgk.meta.effects.effect_sizes`.
    analysis : str
        Name for the column of that name.
    by : str, optional
        Column of `effects` (from its `keep`) whose values are the subgroups; each has its own tau2. Rows without a
        value form the subgroup "not given". Whether subgroups differ is for `mgk.meta.regression` to test.
    level, pi_rule
        As in `pool`.

    Returns
    -------
    DataFrame
        A row for each combination of `subgroup` ("" is the whole table), model, method and test (Mantel-Haenszel for
        OR, RR and RD, Peto for OR and PETO, with z only), with the fields of `Pooled` and `back_transformed_*` of
        estimate and intervals.
    """
    parts = [("", effects)]
    if by is not None:
        labels = subgroup_labels(effects, by)
        parts += [(label, effects[labels == label]) for label in sorted(labels.unique())]
    frames = [_all_combinations(part, analysis, label, level, pi_rule) for label, part in parts]
    return pd.concat(frames, ignore_index=True)


def subgroup_labels(effects: pd.DataFrame, by: str) -> pd.Series:
    """Return the subgroup of each row as text, "not given" where the column `by` is empty.

    Raises
    ------
    InputError
        When there is no such column.
    """
    _check_choice("column", by, tuple(effects))
    text = effects[by].astype(object).where(effects[by].notna(), "").map(str).str.strip()
    return text.where(text != "", "not given")


def _all_combinations(effects, analysis, subgroup, level, pi_rule):
    yi, vi = _checked(effects["yi"], effects["vi"])
    measure = effects["measure"].iloc[0]
    rows = _pool(yi, vi, "IV", TESTS, level, pi_rule)
    if measure in _MANTEL_HAENSZEL:
        rows.append(mantel_haenszel(effects, level=level))
    if measure in _PETO:
        rows.append(peto(effects, level=level))
    spread = _spread(yi, vi, level) if len(yi) > 1 else None
    for method in RANDOM_METHODS:
        rows += _pool(yi, vi, method, TESTS, level, pi_rule, spread)
    frame = pd.DataFrame([asdict(row) for row in rows])
    frame.insert(0, "analysis", analysis)
    frame.insert(1, "measure", measure)
    frame.insert(2, "subgroup", subgroup)
    shown = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
    frame = back_transform(frame, dict(zip(shown, shown, strict=True)), effects["scale"].iloc[0], summary_n(effects))
    return frame[[c for c in frame if c != "note"] + ["note"]]


def pooled_row(pooled: pd.DataFrame, choice: tuple[str, str], subgroup: str = "") -> pd.Series:
    """Return the row of one (method, test) of a pooled table, of the whole or of one subgroup."""
    method, test = choice
    chosen = (pooled["method"] == method) & (pooled["test"] == test) & (pooled["subgroup"] == subgroup)
    return pooled[chosen].iloc[0]


def with_weights(effects: pd.DataFrame, method: str = RANDOM[0]) -> pd.DataFrame:
    """Return `effects` with each study's share in the pooled estimates, in percent.

    `weight_common_percent` is that of inverse variance, `weight_random_percent` that with tau2 by `method` (nan with
    one study, where there is no tau2).
    """
    yi, vi = effects["yi"].to_numpy(float), effects["vi"].to_numpy(float)
    tau2 = heterogeneity.tau_squared(yi, vi, method) if len(yi) > 1 else np.nan
    return effects.assign(weight_common_percent=_shares(vi), weight_random_percent=_shares(vi + tau2))


def compare_models(
    pooled: pd.DataFrame,
    effects: pd.DataFrame,
    common: tuple[str, str] = COMMON,
    random: tuple[str, str] = RANDOM,
) -> str:
    """Say in neutral words whether the common and the random model agree, with both estimates.

    They *disagree* when the interval of one includes no effect and that of the other does not, or when either
    estimate lies outside the other's interval.
    """
    measure, scale = find_measure(effects["measure"].iloc[0]), effects["scale"].iloc[0]
    one, other = pooled_row(pooled, common), pooled_row(pooled, random)
    if not np.isfinite(other["estimate"]):
        return f"Only one estimate of the {measure.label}, {_in_words(one, measure)}: {other['note']}."
    null = measure.null  # nan for a proportion, which no interval includes or excludes
    include = [bool(row["ci_low"] <= null <= row["ci_high"]) for row in (one, other)]
    outside = [not a["ci_low"] <= b["estimate"] <= a["ci_high"] for a, b in ((one, other), (other, one))]
    null_shown = f"{SCALES[scale](null):g}"
    both = (
        f"{measure.label}, common effect ({NAMES.get(common[0], common[0])}): {_in_words(one, measure)}; "
        f"random effects ({random[0]}, {NAMES[random[1]]}): {_in_words(other, measure)}."
    )
    both = both[0].upper() + both[1:]
    if other["note"]:
        both += f" Note on the random effects: {other['note']}."
    if include[0] == include[1] and not any(outside):
        agree = f"{both} The two models agree: each estimate lies within the other's interval"
        if np.isnan(null):
            return f"{agree}."
        return f"{agree}, and both intervals {'include' if include[0] else 'exclude'} {null_shown}."
    reasons = []
    if include[0] != include[1]:
        names = ("common-effect", "random-effects") if include[0] else ("random-effects", "common-effect")
        reasons.append(f"the {names[0]} interval includes {null_shown} and the {names[1]} interval does not")
    if any(outside):
        reasons.append("an estimate lies outside the other model's interval")
    disagree = f"{both} The two models disagree: {', and '.join(reasons)}."
    if np.isclose(one["estimate"], other["estimate"], rtol=1e-9, atol=1e-12):
        return f"{disagree} The estimates are the same; the methods of their intervals differ."
    return (
        f"{disagree} The common-effect estimate follows the largest "
        "studies, the random-effects estimate gives the smaller ones more weight; a difference between large and small "
        "studies moves them apart, and neither estimate alone describes this table."
    )


def show_value(value: float, measure: Measure) -> str:
    """Return a back-transformed value as text: the measure's decimals, or few digits where these say nothing."""
    if value != 0 and abs(value) < 0.5 * 10.0**-measure.decimals:
        return f"{value:.1g}"
    if abs(value) >= LARGEST_WRITTEN_OUT:
        return f"{value:.2g}"
    return f"{value:.{measure.decimals}f}"


def _in_words(row: pd.Series, measure: Measure) -> str:
    names = ("estimate", "ci_low", "ci_high")
    value, low, high = (show_value(row[f"back_transformed_{name}"], measure) for name in names)
    return f"{value} ({low} to {high})"


def _checked(yi, vi) -> tuple[np.ndarray, np.ndarray]:
    yi, vi = np.asarray(yi, float), np.asarray(vi, float)
    if yi.ndim != 1 or yi.shape != vi.shape or len(yi) == 0:
        raise InputError(f"effects and variances must be two lists of one length, not {yi.shape} and {vi.shape}")
    if not (np.all(np.isfinite(yi)) and np.all(np.isfinite(vi)) and np.all(vi > 0)):
        raise InputError("every effect must be a finite number and every variance above 0")
    return yi, vi


def _check_choice(what: str, chosen: str, allowed: tuple[str, ...]) -> None:
    if chosen not in allowed:
        raise InputError(f"{what} {chosen!r}: allowed are {', '.join(allowed)}")


def _quantile(rule: str, k: int, level: float) -> float:
    return two_sided(level, np.inf if rule == "z" else k - int(rule[-1]))


def _with_q(pooled: Pooled, q: float, k_used: int) -> Pooled:
    """Add Q with its test, and I2 and H2 as they follow from Q; with one study there is nothing to add."""
    if k_used < 2:
        return replace(pooled, note="no heterogeneity statistics: fewer than two studies with information")
    df = k_used - 1
    i2_q = 100 * max(0.0, 1 - df / q) if q > 0 else 0.0
    return replace(pooled, i2=i2_q, i2_q=i2_q, h2=q / df, q=q, q_df=df, q_p=float(chi_square_tail(q, df)))


@dataclass(frozen=True)
class _Spread:
    """What the random-effects rows of one table share: the Q-profile limits of tau2, and the typical variance."""

    tau2_low: float
    tau2_high: float
    typical: float


def _spread(yi, vi, level) -> _Spread:
    return _Spread(*heterogeneity.q_profile(yi, vi, level), heterogeneity.typical_variance(vi))


def _pool(yi, vi, method, tests, level, pi_rule, spread: _Spread | None = None) -> list[Pooled]:
    """Pool by one method with several tests; `spread` where it is known already."""
    model, k = "common" if method == "IV" else "random", len(yi)
    if k == 1:
        nothing = "one study: nothing to estimate a spread from"
        alone = [Pooled(model, method, test, k, note=nothing) for test in tests]
        return [_one_study(yi, vi, level) if (method, r.test) == COMMON else r for r in alone]
    tau2 = 0.0 if model == "common" else heterogeneity.tau_squared(yi, vi, method)
    if model == "random" and spread is None:
        spread = _spread(yi, vi, level)
    fit, q = heterogeneity.weighted_fit(yi, vi, tau2), heterogeneity.weighted_fit(yi, vi).q
    return [_pooled(fit, q, tau2, spread, model, method, test, k, level, pi_rule) for test in tests]


def _one_study(yi, vi, level) -> Pooled:
    half_width = two_sided(level) * np.sqrt(vi[0])
    pooled = Pooled("common", "IV", "z", 1, yi[0], np.sqrt(vi[0]), yi[0] - half_width, yi[0] + half_width)
    return _with_q(pooled, 0.0, 1)


def _pooled(fit, q, tau2, spread, model, method, test, k, level, pi_rule) -> Pooled:
    estimate, wald_se = float(fit.coefficients[0]), float(np.sqrt(fit.covariance[0, 0]))
    factor = fit.q / (k - 1) if test in ("knha", "adhoc") else 1.0
    if test == "adhoc":
        factor = max(1.0, factor)
    se = wald_se * np.sqrt(factor)
    half_width = _quantile("z" if test == "z" else "t, k-1", k, level) * se
    notes = []
    if model == "common" and test in ("knha", "adhoc"):
        notes.append("Knapp-Hartung's factor is meant for random effects")
    if scaled := scaling_note(factor, k - 1, level):
        notes.append(scaled)
    pooled = Pooled(model, method, test, k, estimate, se, estimate - half_width, estimate + half_width)
    pooled = _with_q(pooled, q, k)
    if model == "random":
        pooled, more = _with_between_study_variance(pooled, tau2, spread, level, pi_rule)
        notes += more
    return replace(pooled, note="; ".join([*notes, *([pooled.note] if pooled.note else [])]))


def _with_between_study_variance(pooled, tau2, spread, level, pi_rule) -> tuple[Pooled, list[str]]:
    """Replace I2 and H2 by those from tau2, and add tau2 with its interval and the prediction interval."""
    notes = ["tau2 at its bound 0"] if tau2 == 0 else []
    if tau2 < spread.tau2_low or tau2 > spread.tau2_high:
        notes.append("tau2 lies outside its own Q-profile interval")
    if np.isnan(spread.tau2_low):
        notes.append("Q-profile interval of tau2 is empty: the studies differ less than their errors explain")
    pooled = replace(
        pooled,
        tau2=tau2,
        tau2_ci_low=spread.tau2_low,
        tau2_ci_high=spread.tau2_high,
        i2=100 * tau2 / (tau2 + spread.typical),
        h2=1 + tau2 / spread.typical,
    )
    if pooled.k < 3:
        return pooled, [*notes, "no prediction interval below three studies"]
    half_width = _quantile(pi_rule, pooled.k, level) * np.sqrt(pooled.se**2 + tau2)
    return replace(
        pooled, pi_low=pooled.estimate - half_width, pi_high=pooled.estimate + half_width, pi_rule=pi_rule
    ), notes


def _shares(variance: np.ndarray) -> np.ndarray:
    return 100 / variance / np.sum(1 / variance)


def _log_odds_ratio(a, b, c, d):
    n = a + b + c + d
    r, s, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
    R, S = np.sum(r), np.sum(s)
    if R == 0 or S == 0:
        return np.nan, np.nan
    variance = np.sum(p * r) / (2 * R**2) + np.sum(p * s + q * r) / (2 * R * S) + np.sum(q * s) / (2 * S**2)
    return float(np.log(R / S)), float(variance)


def _log_risk_ratio(a, b, c, d):
    n1, n2 = a + b, c + d
    n = n1 + n2
    R, S = np.sum(a * n2 / n), np.sum(c * n1 / n)
    if R == 0 or S == 0:
        return np.nan, np.nan
    variance = np.sum(n1 * n2 * (a + c) / n**2 - a * c / n) / (R * S)
    return float(np.log(R / S)), float(variance)


def _risk_difference(a, b, c, d):
    n1, n2 = a + b, c + d
    n = n1 + n2
    weight = np.sum(n1 * n2 / n)
    estimate = np.sum((a * n2 - c * n1) / n) / weight
    p = np.sum((n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / n**2)
    q = np.sum((a * d + c * b) / (2 * n))
    return float(estimate), float((estimate * p + q) / weight**2)


_MANTEL_HAENSZEL = {"OR": _log_odds_ratio, "RR": _log_risk_ratio, "RD": _risk_difference}
_PETO = ("OR", "PETO")
