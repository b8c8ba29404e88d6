"""The chapter on free Mg2+ by mag-fura-2."""

import math

import pandas as pd

from mgk.fitting import Estimate
from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import comparisons_table, counted
from mgk.report.html import Fragment, interval_text
from mgk.report.origins import results_table
from mgk.report.results import Results, put_in
from mgk.statistics import judge_presence

ABOUT = r"""## Free Mg2+ by mag-fura-2
Ratios after subtraction of background, calibrated in situ or by a titration (Grynkiewicz):
$$[\mathrm{Mg}] = K_d\, \beta\, \frac{R - R_{min}}{R_{max} - R}, \qquad \beta = \frac{S_{f2}}{S_{b2}}$$
Errors of $R_{min}$, $R_{max}$ and $\beta$ are common to all samples of a run and do not average away; the intervals
hold them.
A sample outside the calibrated range is censored, not dropped. The result scales with $K_d$, so it is shown at each
published one; a titration measures $K_d \beta$ instead.
Ca2+ and dye in organelles are not corrected; a table says what they would do.
"""
SAVED = (
    "condition", "kd_mm", "estimate", "ci_low", "ci_high", "n_animals", "n_samples", "n_below_rmin", "n_above_rmax",
    "reason",
)  # fmt: skip
SHIFTS = ("condition", "assumed", "free_magnesium_mm", "shift_mm", "corrected_mm", "n_animals", "source")
DRIFTS = ("role", "quantity", "percent_per_min", "ci_low", "ci_high", "n_wells", "minutes", "verdict", "reason")


def tables(results: Results) -> Fragment:
    """Show the mean at each published Kd; where censored samples leave no mean, say so once."""
    groups = results.table("groups.csv")
    means = groups[groups["statistic"] == "mean"]
    mean = means[means["ci_low"].notna()]
    unknown = means[means["ci_low"].isna()].drop_duplicates("condition")
    found = pd.concat([mean, unknown])
    shown = pd.DataFrame(
        {
            "Condition": found["condition"],
            "Kd (mM)": found["kd_mm"],
            "Mean free Mg2+ [95 % CI] (mM)": [
                interval_text(f.estimate, f.ci_low, f.ci_high) for f in found.itertuples()
            ],
            "n": [counted(results.analysis, f.n_samples, f.n_animals) for f in found.itertuples()],
            "Below Rmin": found["n_below_rmin"],
            "Above Rmax": found["n_above_rmax"],
            "Reason": found["reason"],
        }
    )
    caption = f"{results.title}. Mean free Mg2+ over animals at each published Kd"
    html = results_table(results, "groups.csv", shown, caption, csv=found[list(SAVED)]).html
    if "comparisons.csv" in results.analysis.tables and len(pairs := results.table("comparisons.csv")):
        html += _compared(results, pairs)
    captions = {
        "interference.csv": (SHIFTS, "What stands outside of the intervals: shifts of the means (mM), not corrected"),
        "drift.csv": (DRIFTS, "Drift of the calibration wells over the course"),
    }
    for name in (n for n in captions if n in results.analysis.tables):
        columns, words = captions[name]
        table = results.table(name)
        if len(table):
            html += results_table(results, name, table[list(columns)], f"{results.title}. {words}").html
    return Fragment(html)


def _compared(results: Results, pairs: pd.DataFrame) -> str:
    """Return the pairs of conditions with the parts of the standard error (on logarithms for ratios)."""
    parts = {"SE of animals": pairs["se_animals"], "SE of the calibration": pairs["se_calibration"]}
    found = pairs.assign(quantity="free Mg2+, " + pairs["scale"]).rename(columns={"n_samples": "n_cells"})
    return comparisons_table(results, found, beside=parts)


def count(results: Results) -> str:
    """Return the n of samples and of animals or donors."""
    samples = results.table("free_magnesium.csv")
    return f"n: {len(samples)} samples, {samples['animal_id'].nunique()} animals or donors."


def key_numbers(results: Results) -> list[dict]:
    """Return the mean of animals of each group, at the Kd of the configuration."""
    groups = results.table("groups.csv")
    kd_mm = results.settings["kd_mm"]["value"]
    calibrated = "by titration" if _titrated(results) else f"at Kd {kd_mm:g} mM"
    rows = []
    for place, group in groups[(groups["kd_mm"] == kd_mm) & (groups["statistic"] == "mean")].iterrows():
        censored = group["n_below_rmin"] + group["n_above_rmax"]
        row = {
            "group": group["condition"],
            "quantity": f"free Mg2+, mean of animals, {calibrated}",
            "unit": "mM",
            "n": counted(results.analysis, group["n_samples"] - group["n_without_value"], group["n_animals"]),
            "table": "groups.csv",
            "row": place,
            **{c: group[c] for c in ("estimate", "ci_low", "ci_high")},
            **_judged(group),
        }
        if censored:
            row["reason"] = f"censored: {group['n_below_rmin']:.0f} below Rmin, {group['n_above_rmax']:.0f} above Rmax"
        else:
            row |= put_in(results.truth, group["condition"], "free_magnesium_mm")
        rows.append(row)
    return rows


def _judged(group: pd.Series) -> dict[str, str]:
    """Return verdict and reason of a mean."""
    known = "identified" if math.isfinite(group["ci_high"]) else "not_identified"
    said = group["reason"] if isinstance(group["reason"], str) else ""
    mean = Estimate(group["estimate"], math.nan, group["ci_low"], group["ci_high"], known, said)
    judged = judge_presence("free_magnesium_mm", mean)
    return {"verdict": judged.verdict, "reason": judged.reason}


def method(results: Results) -> str:
    """Return the calibration and the dissociation constant that was used, with its source."""
    kd = results.settings["kd_mm"]
    if _titrated(results):
        return "Rmin, Rmax and Kd beta fitted to standards of known Mg2+ of the same run"
    return f"Kd {kd['value']:g} mM ({kd['source']})"


def _titrated(results: Results) -> bool:
    return results.settings.get("calibration") == "titration"


CHAPTER = Chapter(ABOUT, tables, count, key_numbers, method)
