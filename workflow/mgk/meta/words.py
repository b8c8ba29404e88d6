"""Methods and results of a clinical analysis in words, from its settings and its tables; and what is still missing.

What it is for: paragraphs that cannot disagree with the tables, in neutral language: an interval includes or excludes
no effect, models agree or disagree; nothing "works" or "fails". `still_needed` lists what a reader has to supply before
this becomes a systematic review (after PRISMA 2020, Page and others 2021, BMJ 372:n71).

Limits: words only; every number comes from the tables of `mgk.meta`.
"""

import numpy as np
import pandas as pd

from mgk.meta.columns import study_name
from mgk.meta.designs import SHARED
from mgk.meta.effects import CORRECTED, SCALES, find_measure
from mgk.meta.plan import Plan
from mgk.meta.pooling import COMMON, NAMES, RANDOM, compare_models, pooled_row, show_value

# Moderators that the fifth document (seed 004) and the table of salts name, as columns that a table may have.
KNOWN_MODERATORS = {
    "salt": "salt form",
    "route": "route",
    "elemental_dose_mg": "elemental dose",
    "baseline_magnesium_mm": "baseline magnesium",
    "age_years": "age",
    "kidney_function": "kidney function",
    "gut_function": "gut and stomach acid",
    "medication": "drugs",
    "dietary_magnesium_mg": "diet",
    "dose_timing": "timing of doses",
    "vitamin_d": "vitamin D",
}
FEWEST_FOR_SMALL_STUDY = 10
"""Below this, tests of small-study effects are not told in a sentence (Sterne and others 2011, BMJ 343:d4002)."""

FEWEST_FOR_A_NEW_ONE = 3
"""Below this there is no prediction interval, and no study can be told from the rest."""

EGGER = "egger_rma"


def methods_paragraph(plan: Plan, effects: pd.DataFrame, *, level: float = 0.95) -> str:
    """Return how an analysis was made, from its settings.

    Parameters
    ----------
    plan : Plan
        From `mgk.meta.plan.plan_of`.
    effects : DataFrame
        From `effect_sizes`.
    level : float
        Level of all intervals.
    """
    measure, scale = find_measure(plan.measure), effects["scale"].iloc[0]
    on = "as it is" if scale == "linear" else f"on the {scale} scale"
    corrected = int(effects["zero_rule"].isin(CORRECTED).sum())
    depend = [name for name in (plan.cluster, SHARED if SHARED in effects else "") if name]
    studies = "1 study" if len(effects) == 1 else f"{len(effects)} {'rows' if depend else 'studies'}"
    told = [f"The effect measure is the {measure.label} ({plan.measure}), analysed {on}, of {studies}."]
    if corrected:
        rules = effects.loc[effects["zero_rule"].isin(CORRECTED), "zero_rule"].drop_duplicates()
        told.append(f"Zero cells: {'; '.join(rules)}, in {corrected} of them.")
    if "design_rule" in effects and (effects["design_rule"] != "").any():
        told.append(f"Designs: {'; '.join(effects['design_rule'][effects['design_rule'] != ''].drop_duplicates())}.")
    if len(effects) == 1:
        return " ".join([*told, "Nothing is pooled."])
    told.append(
        f"A common-effect model ({NAMES[COMMON[0]]}) and a random-effects model ({RANDOM[0]} for tau2, "
        f"{NAMES[RANDOM[1]]}) are shown together; other estimators and tests are in the table."
    )
    told.append(
        f"Intervals are at {100 * level:g} %. Heterogeneity: Cochran's Q, tau2 with its Q-profile interval, I2 from "
        "tau2 and from Q."
    )
    if len(effects) < FEWEST_FOR_A_NEW_ONE:
        told.append("With two studies there is no prediction interval, and there are no diagnostics.")
    else:
        told.append(
            "The prediction interval is the estimate plus or minus a t quantile with k - 2 degrees of freedom times "
            "the root of se2 + tau2. Diagnostics: each study left out, studies added one by one in the order of "
            f"{plan.order or ('year' if _has(effects, 'year') else 'the table')}, influence, Egger's and Begg's tests"
            f"{_tests_of_odds(plan.measure)}, trim and fill."
        )
    if plan.moderators:
        told.append(f"Meta-regression (REML; z and Knapp-Hartung) on {', '.join(plan.moderators)}.")
    if plan.subgroup:
        told.append(f"Subgroups by {plan.subgroup}, each with its own tau2.")
    if depend:
        told.append(
            f"Rows with the same {' or '.join(depend)} depend on each other: a three-level model and cluster-robust "
            "variance (CR2) stand beside the models that take every row as independent."
        )
    return " ".join(told)


def _tests_of_odds(measure: str) -> str:
    return ", Harbord's and Peters' tests" if measure in ("OR", "PETO") else ""


def results_paragraph(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    leave_one_out: pd.DataFrame,
    small_study: pd.DataFrame,
    moderators: pd.DataFrame,
    dependent: pd.DataFrame,
) -> str:
    """Return what an analysis found, from its tables (those of the same names under results/clinical/<analysis>/)."""
    measure, scale = find_measure(effects["measure"].iloc[0]), effects["scale"].iloc[0]
    told = [compare_models(pooled, effects)]
    random = pooled_row(pooled, RANDOM)
    if np.isfinite(random["estimate"]):
        told.append(_heterogeneity(random))
    if np.isfinite(random["pi_low"]):
        told.append(_prediction(random, measure, scale))
    told += [*_left_out(leave_one_out, effects, random), *_small_study(small_study, measure)]
    told += [*_moderators(moderators), *_dependent(dependent, measure)]
    return " ".join(told)


def still_needed(plan: Plan, table: pd.DataFrame) -> list[str]:
    """Return what a reader has to supply before the analysis is a systematic review, by what the table lacks."""
    needed = [
        "question and eligibility criteria, and whether they were registered beforehand",
        "search: databases, dates, terms",
        "selection: numbers screened, excluded with reasons, included, by how many people (the flow diagram)",
        "extraction: by whom, and how disagreements were settled",
    ]
    if not plan.bias:
        needed.append("risk of bias of each study (columns rob_*, shown beside the forest plot when filled)")
    needed += [
        "reporting bias: what was looked for beyond the tests here",
        "certainty of the evidence, and what it means for people",
        "funding and interests of the studies and of the review",
    ]
    absent = [word for column, word in KNOWN_MODERATORS.items() if not _has(table, column)]
    if absent:
        needed.append(f"moderators that the table does not hold: {', '.join(absent)}")
    if {"events_control", "n_control"} <= set(plan_columns(table)):
        needed.append(
            "the control group's risk is no moderator here: its error is shared with the effect, and an ordinary "
            "meta-regression on it is biased; the L'Abbé plot shows it, control_risk.csv holds the bivariate model"
        )
    return needed


def plan_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table that hold anything."""
    return [name for name in table if _has(table, name)]


def words_table(methods: str, results: str, needed: list[str]) -> pd.DataFrame:
    """Return the words of an analysis as a table: section (methods, results, still_needed) and text."""
    rows = [("methods", methods), ("results", results), *(("still_needed", text) for text in needed)]
    return pd.DataFrame(rows, columns=["section", "text"])


def _has(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool((table[name].notna() & (table[name].astype(object) != "")).any())


def _heterogeneity(random: pd.Series) -> str:
    p = "p < 0.0001" if random["q_p"] < 1e-4 else f"p = {random['q_p']:.2g}"
    tau = f"tau2 = {random['tau2']:.3g}"
    freedom = "1 degree of freedom" if random["q_df"] == 1 else f"{random['q_df']:.0f} degrees of freedom"
    if np.isfinite(random["tau2_ci_low"]):
        tau += f" ({random['tau2_ci_low']:.3g} to {random['tau2_ci_high']:.3g})"
    return (
        f"Heterogeneity: Q = {random['q']:.2f} on {freedom} ({p}), {tau}, I2 = "
        f"{random['i2']:.0f} % from tau2 and {random['i2_q']:.0f} % from Q."
    )


def _prediction(random: pd.Series, measure, scale: str) -> str:
    low, high = (show_value(random[f"back_transformed_pi_{end}"], measure) for end in ("low", "high"))
    told = f"The prediction interval ({random['pi_rule']}) is {low} to {high}"
    if np.isnan(measure.null):
        return f"{told}."
    includes = "includes" if random["pi_low"] <= measure.null <= random["pi_high"] else "excludes"
    return f"{told} and {includes} {SCALES[scale](measure.null):g}."


def _left_out(table: pd.DataFrame, effects: pd.DataFrame, random: pd.Series) -> list[str]:
    measure = find_measure(effects["measure"].iloc[0])
    rows = table[(table["model"] == "random") & table["estimate"].notna()]
    if len(rows) < 3:
        return []
    first, last = (show_value(v, measure) for v in rows["back_transformed_estimate"].agg(["min", "max"]))
    told = f"Without one study the random-effects estimate lies between {first} and {last}"
    if np.isnan(measure.null):
        return [f"{told}."]
    includes = (rows["ci_low"] <= measure.null) & (measure.null <= rows["ci_high"])
    changed = rows[includes != (random["ci_low"] <= measure.null <= random["ci_high"])]
    if changed.empty:
        return [f"{told}, and whether its interval includes no effect depends on no single study."]
    matter = [study_name(s) for _, s in effects.iterrows() if s["study_id"] in set(changed["study_id"])]
    return [f"{told}; whether its interval includes no effect changes without {', '.join(matter)}."]


def _small_study(table: pd.DataFrame, measure) -> list[str]:
    egger = table[table["procedure"] == EGGER]
    if egger.empty or not np.isfinite(egger["p"].iloc[0]):
        return []
    row = egger.iloc[0]
    if row["k"] < FEWEST_FOR_SMALL_STUDY:
        return [
            f"With {row['k']:.0f} studies the tests of small-study effects have little power and are not told here."
        ]
    names = ("limit_estimate", "limit_ci_low", "limit_ci_high")
    limit, low, high = (show_value(row[f"back_transformed_{n}"], measure) for n in names)
    told = [
        f"Egger's test (random-effects form): p = {row['p']:.2g}; extrapolated to a standard error of 0, the "
        f"estimate is {limit} ({low} to {high})."
    ]
    fill = table[(table["procedure"] == "trim_fill_L0") & (table["model"] == "random")]
    if len(fill) and np.isfinite(fill["n_missing"].iloc[0]):
        row = fill.iloc[0]
        limit, low, high = (show_value(row[f"back_transformed_{n}"], measure) for n in names)
        side = f" on the {row['side']}" if row["n_missing"] else ""
        told.append(
            f"Trim and fill (L0) adds {row['n_missing']:.0f} studies{side} and gives {limit} ({low} to {high})."
        )
    return [
        *told,
        "Such differences between small and large studies have several causes, selective publication among them.",
    ]


def _moderators(table: pd.DataFrame) -> list[str]:
    told = []
    for name, rows in table[table["test"] == "knha"].groupby("model", sort=False):
        row = rows.iloc[0]
        if not np.isfinite(row["qm_p"]):
            told.append(f"Meta-regression on {name}: not possible ({row['note']}).")
            continue
        slope = rows[rows["moderator"] == name]
        shown = ""
        if len(slope) == 1:
            one = slope.iloc[0]
            shown = (
                f" {one['estimate']:.3g} per unit ({one['ci_low']:.3g} to {one['ci_high']:.3g}) on the analysis scale,"
            )
        r2 = f", R2 = {row['r2']:.0f} %" if np.isfinite(row["r2"]) else ""
        told.append(f"Meta-regression on {name}:{shown} p = {row['qm_p']:.2g}{r2}.")
    return told


def _dependent(table: pd.DataFrame, measure) -> list[str]:
    rows = table[(table["model"] == "three_level") & (table["test"] == "CR2")]
    if rows.empty:
        return []
    row = rows.iloc[0]
    if not np.isfinite(row["estimate"]):
        return [f"Three-level model: not possible ({row['note']})."]
    value, low, high = (show_value(row[f"back_transformed_{n}"], measure) for n in ("estimate", "ci_low", "ci_high"))
    return [
        f"With rows of the same {row['cluster']} dependent ({row['n_clusters']:.0f} clusters, {row['k']:.0f} rows): "
        f"three-level model with CR2 {value} ({low} to {high})."
    ]
