"""The checking of published claims: which printed numbers agree with each other, and which cannot be true.

What it is for: `check_claims` turns the table of claims (`workflow/schemas/claims.schema.yaml`) into verdicts, each
with its arithmetic. One function a check; a check that finds nothing to hold on to returns nothing. What only a reader
of the source can know (inverted conditionals, missing denominators, salts) is marked in the table and carried through.

Verdicts, of a finding and of a claim: *consistent*; *consistent_with_rounding*, the digits as printed do not agree but
some numbers that print so do; *inconsistent*, with the recomputed value; *impossible*, no data give such a number;
*unverifiable*, what it would take was not printed. A claim gets the worst of its findings, and is unverifiable when a
finding says so and no finding contradicts it.

Limits: a verdict is about printed numbers, not about whether a study was right. An interval that agrees with one usual
method counts as consistent, and the reason names the method. Counts are never invented: where they were not printed,
all tables that give the printed percentages are listed (`reconstruct`), within the printed total or a stated range.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mgk.constants import thermal_voltage_mv
from mgk.meta import twobytwo
from mgk.meta.printed import Printed, PrintedP, counts_that_print, read_number, read_p, sizes_that_print

CONSISTENT, ROUNDING = "consistent", "consistent_with_rounding"
INCONSISTENT, IMPOSSIBLE, UNVERIFIABLE = "inconsistent", "impossible", "unverifiable"
VERDICTS = (CONSISTENT, ROUNDING, INCONSISTENT, IMPOSSIBLE, UNVERIFIABLE)
WORST_FIRST = (IMPOSSIBLE, INCONSISTENT, UNVERIFIABLE, ROUNDING, CONSISTENT)

RATIOS = ("OR", "RR", "HR")
ON_A_LINE = ("MD", "SMD")
# What an estimate and its limits can be: (lowest, highest), a ratio above 0.
POSSIBLE = {
    "RRR": (-np.inf, 100.0),
    "proportion": (0.0, 100.0),
    "NNT": (1.0, np.inf),
}
COUNTS = ("events_treatment", "n_treatment", "events_control", "n_control")
GROUPS = {"treatment": "treated", "control": "control"}
N_RANGE = (1, 100)
"""Sizes of a group that are tried where none was printed and the row gives no range; assumed, no source."""

MOST_TABLES = 20_000
"""More than these are not tried: the answer would be that anything is possible."""

MOST_SHOWN = 12
THOUSAND = 1000.0
# A value within a factor of 30 of a range is of its size; near 1000 its unit is wrong. Assumed, no source.
SAME_SIZE = 30.0
SHOWN_POTENTIAL_MV = 60.0
SHOWN_TEMPERATURE_C = 25.0
# To mM, and to mg.
UNITS = {
    "concentration": {"M": 1e3, "mM": 1.0, "µM": 1e-3, "nM": 1e-6, "mol/L": 1e3, "mmol/L": 1.0, "µmol/L": 1e-3},
    "mass": {"g": 1e3, "mg": 1.0, "µg": 1e-3},
}
OUTPUT = (
    "claim_id", "verdict", "reason", "recomputed", "n_checks", "n_tables", "statement", "measure", "estimate", "ci_low",
    "ci_high", "p_value", "unit", "source", "checker", "remark",
)  # fmt: skip
CHECK_COLUMNS = ("claim_id", "check", "verdict", "reason", "recomputed")
TABLE_COLUMNS = ("claim_id", *COUNTS)


@dataclass(frozen=True)
class Finding:
    """What one check says of a claim: `reason` holds the arithmetic, `recomputed` what should stand there."""

    check: str
    verdict: str
    reason: str
    recomputed: str = ""


@dataclass(frozen=True)
class CheckedClaims:
    """`claims` a row a claim, `checks` a row a finding, `tables` a row a two by two table that can have been meant."""

    claims: pd.DataFrame
    checks: pd.DataFrame
    tables: pd.DataFrame


def check_claims(table: pd.DataFrame) -> CheckedClaims:
    """Check every claim of a table.

    Parameters
    ----------
    table : DataFrame
        Columns of `workflow/schemas/claims.schema.yaml`; printed numbers as text; absent columns are not printed.

    Raises
    ------
    InputError
        When a printed number is not a number.
    """
    claims, checks, tables = [], [], []
    for _, row in table.iterrows():
        findings, candidates = check_claim(row)
        verdict = overall([f.verdict for f in findings])
        shown = [f for f in findings if f.verdict == verdict] + [f for f in findings if f.verdict != verdict]
        claims.append(
            {name: _text(row, name) for name in OUTPUT if name in row.index}
            | {
                "verdict": verdict,
                "reason": "; ".join(f"{f.check}: {f.reason}" for f in shown),
                "recomputed": "; ".join(dict.fromkeys(f.recomputed for f in shown if f.recomputed)),
                "n_checks": len(findings),
                "n_tables": len(candidates) if any(f.check == "tables" for f in findings) else np.nan,
            }
        )
        checks += [{"claim_id": row["claim_id"], **vars(f)} for f in findings]
        tables.append(candidates.assign(claim_id=row["claim_id"]))
    listed = [t for t in tables if len(t)]
    return CheckedClaims(
        pd.DataFrame(claims).reindex(columns=list(OUTPUT)),
        pd.DataFrame(checks, columns=list(CHECK_COLUMNS)),
        pd.concat(listed, ignore_index=True)[list(TABLE_COLUMNS)] if listed else pd.DataFrame(columns=TABLE_COLUMNS),
    )


def check_claim(row: pd.Series) -> tuple[list[Finding], pd.DataFrame]:
    """Return all findings on one claim, and the two by two tables that give its printed percentages.

    Numbers that no data can give are not computed with: after an impossible finding, only the marks are added.
    """
    findings = [f for check in LIMITS for f in check(row)]
    tables = pd.DataFrame(columns=[*COUNTS, "gives_all"])
    if not any(f.verdict == IMPOSSIBLE for f in findings):
        findings += [f for check in ARITHMETIC for f in check(row)]
        more, tables = check_reconstruction(row)
        findings += more
    findings += [f for check in MARKS for f in check(row)]
    if not findings:
        findings = [Finding("numbers", UNVERIFIABLE, "nothing was printed that another number could be held against")]
    return findings, tables


def overall(verdicts: list[str]) -> str:
    """Return the verdict on a claim from those of its findings: the worst, in the order of `WORST_FIRST`."""
    return next(v for v in WORST_FIRST if v in verdicts)


# --- what no data can give -------------------------------------------------------------------------------------


def check_limits(row: pd.Series) -> list[Finding]:
    """Estimates and limits outside of what the measure can be, and limits in the wrong order or beside the estimate."""
    measure, shown = _text(row, "measure"), _printed(row, "estimate", "ci_low", "ci_high")
    found = []
    for name, number in shown.items():
        what = {"estimate": "estimate", "ci_low": "lower limit", "ci_high": "upper limit"}[name]
        if measure in RATIOS and number.high <= 0:
            found.append(f"the {what} of the {measure}, {number.text}, is not above 0, as every ratio is")
        low, high = _possible(measure, _text(row, "unit"))
        if measure not in RATIOS and (number.high < low or number.low > high):
            found.append(f"the {what} of the {measure}, {number.text}, is outside {low:g} to {high:g}")
    if {"ci_low", "ci_high"} <= set(shown) and shown["ci_low"].low > shown["ci_high"].high:
        found.append(f"the lower limit {shown['ci_low'].text} is above the upper limit {shown['ci_high'].text}")
    if len(shown) == 3 and not found:
        estimate, low, high = shown["estimate"], shown["ci_low"], shown["ci_high"]
        if estimate.high < low.low or estimate.low > high.high:
            found.append(f"the estimate {estimate.text} lies outside its interval {low.text} to {high.text}")
    return [Finding("limits", IMPOSSIBLE, reason) for reason in found]


def check_counts(row: pd.Series) -> list[Finding]:
    """More events than people, and percentages above 100."""
    found = []
    for group, word in GROUPS.items():
        events, n = _count(row, f"events_{group}"), _count(row, f"n_{group}")
        if events is not None and n is not None:
            if events > n:
                found.append(Finding("counts", IMPOSSIBLE, f"{events} events among {n} people ({word})"))
            else:
                found.append(Finding("counts", CONSISTENT, _proportion_in_words(events, n, word, _level(row))))
        percent = read_number(_text(row, f"percent_{group}"))
        people = _text(row, "is_proportion_of_people") == "yes"
        if percent and people and not (percent.high >= 0 and percent.low <= 100):
            found.append(Finding("counts", IMPOSSIBLE, f"{percent.text} % of people ({word}) is outside 0 to 100"))
    return found


# --- printed numbers against each other ------------------------------------------------------------------------


def check_interval(row: pd.Series) -> list[Finding]:
    """The estimate against the middle of its interval, and the p value against both.

    On the log scale for ratios and relative reductions, on a line for differences of means. A risk difference has no
    middle: Newcombe's interval is not symmetric, so it is only held against counts.
    """
    measure, shown = _text(row, "measure"), _printed(row, "estimate", "ci_low", "ci_high")
    if len(shown) < 3 or measure not in (*RATIOS, "RRR", *ON_A_LINE):
        return []
    spans = [_on_scale(shown[name], measure) for name in ("estimate", "ci_low", "ci_high")]
    if measure == "RRR":  # the limits change places
        spans = [spans[0], spans[2], spans[1]]
    found = [_middle(row, spans, measure)]
    p = read_p(_text(row, "p_value"))
    return [*found, _p_against_interval(row, p, spans, measure)] if p else found


def _p_against_interval(row, p, spans, measure) -> Finding:
    """Compare by the normal distribution, and for means of known n by t as well; the better of the two counts."""
    n = [_count(row, f"n_{group}") for group in GROUPS]
    df = [np.inf, *([float(n[0] + n[1] - 2)] if measure in ON_A_LINE and None not in n and n[0] + n[1] > 2 else [])]
    found = [_p_from_interval(p, spans, _level(row), measure, d) for d in df]
    return min(found, key=lambda f: (CONSISTENT, ROUNDING, UNVERIFIABLE, INCONSISTENT).index(f.verdict))


def _middle(row, spans, measure) -> Finding:
    (_, low_estimate, high_estimate), low, high = spans
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    shown = _back(middle[0], measure)
    scale = "line" if measure in ON_A_LINE else "log scale"
    arithmetic = f"the middle of {_text(row, 'ci_low')} to {_text(row, 'ci_high')} on the {scale} is {shown:.4g}"
    if not np.isfinite(middle[0]):
        return Finding("interval", UNVERIFIABLE, "a limit of 0 has no logarithm, so the interval has no middle")
    printed = read_number(_text(row, "estimate"))
    if printed.prints(shown):
        return Finding("interval", CONSISTENT, f"{arithmetic}, which prints as {printed.text}")
    if middle[1] <= high_estimate and middle[2] >= low_estimate:
        return Finding(
            "interval", ROUNDING, f"{arithmetic}; within the rounding of the limits it can be {printed.text}"
        )
    note = "; an exact or a profile interval need not be symmetric"
    return Finding("interval", INCONSISTENT, f"{arithmetic}, not {printed.text}{note}", f"estimate {shown:.4g}")


def _p_from_interval(p: PrintedP, spans, level: float, measure: str, df: float) -> Finding:
    (estimate, *estimates), (low, *lows), (high, *highs) = spans
    quantile = 2 * stats.t.isf((1 - level) / 2, df)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = abs(estimate) / ((high - low) / quantile)
        widest, narrowest = (highs[1] - lows[0]) / quantile, (highs[0] - lows[1]) / quantile
        nearest = 0.0 if estimates[0] <= 0 <= estimates[1] else min(map(abs, estimates))
        largest = 2 * stats.t.sf(nearest / widest, df)
        smallest = 2 * stats.t.sf(max(map(abs, estimates)) / narrowest, df) if narrowest > 0 else 0.0
    if not np.isfinite(z):
        return Finding("p from interval", UNVERIFIABLE, "a limit of 0 has no logarithm, so no standard error follows")
    exact = 2 * stats.t.sf(z, df)
    what = "ln estimate" if measure not in ON_A_LINE else "estimate"
    name = "z" if np.isinf(df) else f"t({df:g})"
    arithmetic = (
        f"{name} = {what} / SE = {abs(estimate):.4g} / {(high - low) / quantile:.4g} = {z:.3f}, p = {_p(exact)}"
    )
    if p.allows(exact):
        return Finding("p from interval", CONSISTENT, f"{arithmetic}; printed {p.text}")
    lowest, highest = p.bounds
    if largest >= lowest and smallest <= highest and (largest > lowest or smallest < highest):
        reason = f"{arithmetic} ({_p(smallest)} to {_p(largest)} within the rounding); printed {p.text}"
        return Finding("p from interval", ROUNDING, reason)
    reason = f"{arithmetic} ({_p(smallest)} to {_p(largest)} within the rounding), but printed is {p.text}"
    return Finding("p from interval", INCONSISTENT, reason, f"p = {_p(exact)}")


def check_grim(row: pd.Series) -> list[Finding]:
    """Percentages of people, and means of whole numbers, against the n that was printed (GRIM)."""
    people = _text(row, "is_proportion_of_people")
    percents = {group: _percent(row, group) for group in GROUPS}
    printed = [p.text for p in percents.values() if p is not None]
    found = []
    if printed and people != "yes":
        known = "not percentages" if people == "no" else "not known to be percentages"
        reason = f"{' and '.join(printed)} % are {known} of people: GRIM does not apply"
        found.append(Finding("GRIM", UNVERIFIABLE, reason))
        percents = {}
    for group, percent in percents.items():
        word, n, events = GROUPS[group], _count(row, f"n_{group}"), _count(row, f"events_{group}")
        if percent is None:
            continue
        if n is None:
            continue
        if events is not None:
            exact = 100 * events / n
            arithmetic = f"{events}/{n} = {exact:.4g} % ({word})"
            if percent.prints(exact):
                found.append(Finding("GRIM", CONSISTENT, f"{arithmetic} prints as {percent.text}"))
            else:
                found.append(Finding("GRIM", INCONSISTENT, f"{arithmetic}, not {percent.text}", f"{exact:.4g} %"))
            continue
        found.append(_grim(percent, n, word, 100.0, "%"))
    if _text(row, "measure") == "mean" and _text(row, "whole_numbers") == "yes":
        mean, n = read_number(_text(row, "estimate")), _count(row, "n_treatment")
        if mean and n:
            found.append(_grim(mean, n, "mean of whole numbers", 1.0, ""))
    return found


def _grim(printed: Printed, n: int, word: str, whole: float, sign: str) -> Finding:
    counts = counts_that_print(printed, n, whole)
    if counts.size:
        listed = ", ".join(f"{c}/{n}" for c in counts[:6]) + (", ..." if counts.size > 6 else "")
        return Finding("GRIM", CONSISTENT, f"{printed.text} {sign} of n = {n} ({word}) is {listed}".replace("  ", " "))
    nearest = np.round(printed.value * n / whole)
    around = [
        f"{k:.0f}/{n} = {whole * k / n:.4g} {sign}".strip() for k in (nearest - 1, nearest, nearest + 1) if k >= 0
    ]
    return Finding("GRIM", IMPOSSIBLE, f"no count of {n} prints as {printed.text} {sign} ({word}): {', '.join(around)}")


# --- printed numbers against counts ----------------------------------------------------------------------------


def check_against_counts(row: pd.Series) -> list[Finding]:
    """Estimate, interval and p value against the printed counts, by every usual method."""
    measure, counts = _text(row, "measure"), [_count(row, name) for name in COUNTS]
    if measure == "proportion" and counts[1] is not None:
        return _proportion_against_counts(row, *counts[:2])
    if None in counts:
        return []
    found = []
    if measure in twobytwo.MEASURES:
        found += _measure_against_counts(row, measure, counts)
    p = read_p(_text(row, "p_value"))
    if p:
        tests = {"Fisher": twobytwo.fisher(*counts)} | {k: float(v) for k, v in twobytwo.p_values(*counts).items()}
        found.append(_p_against_tests(p, tests))
    if not found:
        found.append(
            Finding("counts alone", CONSISTENT, f"nothing else was printed; {describe_counts(counts, _level(row))}")
        )
    return found


def describe_counts(counts: list[int], level: float = 0.95) -> str:
    """Return what a two by two table says in every measure, with Fisher's p: for a claim that gives counts alone."""
    parts = []
    for name, method in (("RD", "Newcombe"), ("RR", None), ("OR", None), ("NNT", "Wald")):
        estimate, intervals = twobytwo.MEASURES[name](*counts, level)
        low, high = intervals[method] if method else next(iter(intervals.values()))
        limits = f" ({low:.4g} to {high:.4g}{f', {method}' if method else ''})" if np.isfinite(low) else " (no limits)"
        parts.append(f"{name} {estimate:.4g}{limits}")
    return f"{', '.join(parts)}, Fisher p = {twobytwo.fisher(*counts):.5g}"


def _measure_against_counts(row, measure: str, counts: list[int]) -> list[Finding]:
    scale = 100 if measure == "RD" and _text(row, "unit") == "%" else 1
    estimate, intervals = twobytwo.MEASURES[measure](*counts, _level(row))
    estimate, intervals = estimate * scale, {k: (low * scale, high * scale) for k, (low, high) in intervals.items()}
    shown = _printed(row, "estimate", "ci_low", "ci_high")
    found = []
    if "estimate" in shown:
        arithmetic = f"{measure} from {_table_in_words(counts)} = {estimate:.4g}"
        found.append(_equal("estimate from counts", shown["estimate"], estimate, arithmetic))
    if {"ci_low", "ci_high"} <= set(shown):
        found.append(_interval_against_methods(shown["ci_low"], shown["ci_high"], intervals))
    return found


def _proportion_against_counts(row, events: int | None, n: int) -> list[Finding]:
    """Hold the interval of one proportion against its count, or against each count that prints the percentage."""
    shown, percent = _printed(row, "ci_low", "ci_high"), _percent(row, "treatment")
    if len(shown) < 2 or (events is None and percent is None):
        return []
    possible = [events] if events is not None else list(counts_that_print(percent, n))
    intervals = {
        name if events is not None else f"{name} of {k}/{n}": limits
        for k in possible
        for name, limits in twobytwo.proportion(k, n, _level(row))[1].items()
    }
    return [_interval_against_methods(shown["ci_low"], shown["ci_high"], intervals)] if intervals else []


def _equal(check: str, printed: Printed, exact: float, arithmetic: str) -> Finding:
    if printed.prints(exact):
        return Finding(check, CONSISTENT, f"{arithmetic} prints as {printed.text}")
    if abs(exact - printed.value) <= 2 * printed.half * (1 + 1e-9):
        return Finding(check, ROUNDING, f"{arithmetic}, printed {printed.text}: one unit of the last digit")
    return Finding(check, INCONSISTENT, f"{arithmetic}, not {printed.text}", f"{exact:.4g}")


def _interval_against_methods(low: Printed, high: Printed, intervals) -> Finding:
    words = "; ".join(f"{name} {a:.4g} to {b:.4g}" for name, (a, b) in intervals.items())
    printed = f"{low.text} to {high.text}"
    right = [name for name, (a, b) in intervals.items() if low.prints(a) and high.prints(b)]
    if right:
        return Finding("interval from counts", CONSISTENT, f"{printed} is the interval by {', '.join(right)} ({words})")
    near = [
        name
        for name, (a, b) in intervals.items()
        if abs(a - low.value) <= 2 * low.half * (1 + 1e-9) and abs(b - high.value) <= 2 * high.half * (1 + 1e-9)
    ]
    if near:
        return Finding(
            "interval from counts", ROUNDING, f"{printed}, {', '.join(near)} but for the last digit ({words})"
        )
    return Finding("interval from counts", INCONSISTENT, f"{printed} is none of: {words}", words)


def _p_against_tests(p: PrintedP, tests: dict[str, float]) -> Finding:
    words = "; ".join(f"{name} {_p(value)}" for name, value in tests.items())
    right = [name for name, value in tests.items() if p.allows(value)]
    if right:
        return Finding("p from counts", CONSISTENT, f"{p.text} agrees with {', '.join(right)} ({words})")
    return Finding("p from counts", INCONSISTENT, f"{p.text} agrees with none of: {words}", words)


# --- tables that can have been meant ---------------------------------------------------------------------------


def check_reconstruction(row: pd.Series) -> tuple[list[Finding], pd.DataFrame]:
    """Hold what was printed against every two by two table that gives the printed counts and percentages.

    With a printed total, a table that agrees makes the claim consistent and none makes it inconsistent. Without one,
    the sizes tried are a range: what can have been meant is listed, and the claim stays unverifiable.
    """
    none = pd.DataFrame(columns=[*COUNTS, "gives_all"])
    counts = dict(zip(COUNTS, (_count(row, name) for name in COUNTS), strict=True))
    percents = {group: _percent(row, group) for group in GROUPS}
    people = _text(row, "is_proportion_of_people")
    known = {g: counts[f"events_{g}"] is not None or percents[g] is not None for g in GROUPS}
    if None not in counts.values() or people == "no" or not known["treatment"]:
        return [], none
    total = _count(row, "n_total")
    sized = total is not None or None not in (counts["n_treatment"], counts["n_control"])
    if not known["control"]:
        alone = counts["n_treatment"] is None and total is None and percents["treatment"] is not None
        return ([_sizes(row, percents["treatment"])] if alone and people == "yes" else []), none
    tables = reconstruct(row)
    if tables is None:
        return [Finding("tables", UNVERIFIABLE, "too many tables to try; narrow n_low and n_high")], none
    printed = [p for p in percents.values() if p is not None]
    doubt = "if these are percentages of people, " if people != "yes" and printed else ""
    where = (
        f"of {total} people"
        if total
        else "of the printed n"
        if sized
        else "with {} to {} a group".format(*_n_range(row))
    )
    if not tables.empty:
        tables = tables.assign(gives_all=_gives_all(row, tables))
    right = tables[tables["gives_all"]] if len(tables) else none
    reason = (
        f"{doubt}{len(right)} of {len(tables)} tables {where} with the printed counts or percentages give all of it"
    )
    if len(right):
        n1, n2 = right["n_treatment"], right["n_control"]
        reason += f" (n treated {n1.min()} to {n1.max()}, control {n2.min()} to {n2.max()})"
    if not sized or doubt:
        low, high = _n_range(row)
        for percent in printed:
            sizes = sizes_that_print(percent, range(low, high + 1))
            listed = ", ".join(map(str, sizes[:MOST_SHOWN])) + ", ..." * (len(sizes) > MOST_SHOWN)
            reason += f"; {percent.text} % needs n = {listed or 'none of these'}"
        return [Finding("tables", UNVERIFIABLE, f"{reason}; no counts are invented")], right
    return [Finding("tables", CONSISTENT if len(right) else INCONSISTENT, reason)], right


def reconstruct(row: pd.Series) -> pd.DataFrame | None:
    """List all two by two tables with the printed counts, percentages and total; None when they are too many.

    Without a total each group has `n_low` to `n_high` people (by default `N_RANGE`). With one, the groups share it in
    every way, or with `n_low` and `n_high`, in every way that gives each group so many.
    """
    total = _count(row, "n_total")
    free = total is not None and not _text(row, "n_low") and not _text(row, "n_high")
    limits = (1, total - 1) if free else _n_range(row)
    arms = []
    for group in GROUPS:
        n, events, percent = _count(row, f"n_{group}"), _count(row, f"events_{group}"), _percent(row, group)
        sizes = [n] if n is not None else range(limits[0], limits[1] + 1)
        arms.append(_arm(sizes, events, percent))
    if any(len(n) > MOST_TABLES for _, n in arms):
        return None
    (a, n1), (c, n2) = arms
    order = np.argsort(n2, kind="stable")
    if total:
        first, last = (np.searchsorted(n2[order], total - n1, side) for side in ("left", "right"))
    else:
        first, last = np.zeros(len(n1), int), np.full(len(n1), len(n2))
    if np.sum(last - first) > MOST_TABLES:
        return None
    i = np.repeat(np.arange(len(n1)), last - first)
    j = order[np.concatenate([np.arange(f, t) for f, t in zip(first, last, strict=True)] or [[]]).astype(int)]
    return pd.DataFrame({"events_treatment": a[i], "n_treatment": n1[i], "events_control": c[j], "n_control": n2[j]})


def _arm(sizes, events: int | None, percent: Printed | None) -> tuple[np.ndarray, np.ndarray]:
    """Return events and n of every group of the given sizes that prints as it did."""
    found = []
    for n in sizes:
        if len(found) > MOST_TABLES:
            break
        counts = [events] if events is not None else counts_that_print(percent, n)
        found += [(k, n) for k in counts if k <= n and (percent is None or percent.prints(100 * k / n))]
    events_of, n_of = np.array(found, int).reshape(-1, 2).T
    return events_of, n_of


def _gives_all(row: pd.Series, tables: pd.DataFrame) -> np.ndarray:
    """Return which tables give the printed estimate, its interval and the p value, by some usual method each."""
    counts = [tables[name].to_numpy() for name in COUNTS]
    measure, shown = _text(row, "measure"), _printed(row, "estimate", "ci_low", "ci_high")
    right = np.ones(len(tables), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure in twobytwo.MEASURES and "estimate" in shown:
            scale = 100 if measure == "RD" and _text(row, "unit") == "%" else 1
            estimate, intervals = twobytwo.MEASURES[measure](*counts, _level(row))
            right &= shown["estimate"].prints(estimate * scale)
            if {"ci_low", "ci_high"} <= set(shown):
                right &= np.any(
                    [
                        shown["ci_low"].prints(low * scale) & shown["ci_high"].prints(high * scale)
                        for low, high in intervals.values()
                    ],
                    axis=0,
                )
        p = read_p(_text(row, "p_value"))
        if p:
            by_tests = np.any([p.allows(values) for values in twobytwo.p_values(*counts).values()], axis=0)
            for place in np.flatnonzero(right & ~by_tests):
                by_tests[place] = bool(p.allows(twobytwo.fisher(*(int(v[place]) for v in counts))))
            right &= by_tests
    return right


def _sizes(row: pd.Series, percent: Printed) -> Finding:
    low, high = _n_range(row)
    sizes = sizes_that_print(percent, range(low, high + 1))
    if not sizes:
        return Finding("GRIM", UNVERIFIABLE, f"no n from {low} to {high} has a count that prints as {percent.text} %")
    if len(sizes) > (high - low) / 2:
        return Finding("GRIM", UNVERIFIABLE, f"{len(sizes)} of the n from {low} to {high} can print {percent.text} %")
    listed = ", ".join(f"{n} ({counts_that_print(percent, n)[0]}/{n})" for n in sizes[:8])
    more = ", ..." if len(sizes) > 8 else ""
    return Finding("GRIM", UNVERIFIABLE, f"n from {low} to {high} that can print {percent.text} %: {listed}{more}")


# --- units, ranges, physics ------------------------------------------------------------------------------------


def check_range(row: pd.Series) -> list[Finding]:
    """A printed value or range against the same one elsewhere: its unit (a factor of 1000), then its ends."""
    low, high = (read_number(_text(row, f"range_{end}")) for end in ("low", "high"))
    other_low, other_high = (read_number(_text(row, f"other_{end}")) for end in ("low", "high"))
    if low is None or other_low is None:
        return []
    high, other_high = high or low, other_high or other_low
    unit, other_unit = _text(row, "unit"), _text(row, "other_unit") or _text(row, "unit")
    factor = _factor(unit, other_unit)
    source = _text(row, "other_source")
    printed = f"{low.text}{f' to {high.text}' if high is not low else ''} {unit}"
    other = f"{other_low.text} to {other_high.text} {other_unit}"
    if factor is None:
        return [Finding("range", UNVERIFIABLE, f"{printed} and {other} ({source}) cannot be converted")]
    middle = np.sqrt(low.value * high.value) * factor if low.value * high.value > 0 else 0.0
    ends = other_low.value, other_high.value
    if middle > 0 and ends[0] > 0 and not ends[0] / SAME_SIZE <= middle <= ends[1] * SAME_SIZE:
        for by in (THOUSAND, 1 / THOUSAND):
            if ends[0] / SAME_SIZE <= middle * by <= ends[1] * SAME_SIZE:
                reason = f"{printed} is implausible by 1000 against {other} ({source})"
                recomputed = f"{low.value * by:g}{f' to {high.value * by:g}' if high is not low else ''} {unit}"
                return [Finding("unit", INCONSISTENT, reason, recomputed)]
    if high is low:
        near = "inside" if ends[0] <= low.value * factor <= ends[1] else "of the size of"
        return [Finding("unit", CONSISTENT, f"{printed} is {near} {other} ({source}); the unit is plausible")]
    if np.isclose(low.value * factor, ends[0]) and np.isclose(high.value * factor, ends[1]):
        return [Finding("range", CONSISTENT, f"{printed} stands so in {source}")]
    reason = f"{printed}, but {other} in {source}: lower ends differ by {abs(low.value * factor - ends[0]):.2g}, "
    reason += f"upper ends by {abs(high.value * factor - ends[1]):.2g} {other_unit}"
    return [Finding("range", INCONSISTENT, reason, other)]


def check_voltage_dependence(row: pd.Series) -> list[Finding]:
    """Where a block is said to be strongest against its own z delta (Woodhull 1973)."""
    z_delta, side, claimed = _number(row, "z_delta"), _text(row, "blocker_side"), _text(row, "block_strongest_at")
    if z_delta is None or not side or not claimed:
        return []
    sign = 1 if side == "internal" else -1
    fold = np.exp(sign * z_delta * SHOWN_POTENTIAL_MV / thermal_voltage_mv(SHOWN_TEMPERATURE_C))
    truly = "positive" if sign * z_delta > 0 else "negative"
    arithmetic = (
        f"Ki({-SHOWN_POTENTIAL_MV:g} mV)/Ki(0) = exp({sign * z_delta:g} x {SHOWN_POTENTIAL_MV:g} mV / (RT/F))"
        f" = {fold:.2g} at {SHOWN_TEMPERATURE_C:g} C for an {side} blocker"
    )
    if truly == claimed:
        return [Finding("voltage dependence", CONSISTENT, f"{arithmetic}: strongest at {truly} potentials, as stated")]
    reason = f"{arithmetic}: strongest at {truly}, not at {claimed} potentials"
    return [Finding("voltage dependence", INCONSISTENT, reason, f"strongest at {truly} potentials")]


# --- what the reader of the source marked ----------------------------------------------------------------------


def check_marks(row: pd.Series) -> list[Finding]:
    """Inverted conditionals, missing denominators, salts and other qualities, as marked in the table."""
    found = []
    if _text(row, "inverted_conditional") == "yes":
        right = _text(row, "inverted_from")
        reason = "P(A given B) was printed as P(B given A), which are equal only when A and B are equally common"
        found.append(Finding("conditional", INCONSISTENT, f"marked: {reason}{f'; {right}' if right else ''}", right))
    if _text(row, "denominator_stated") == "no":
        found.append(Finding("denominator", UNVERIFIABLE, "marked: of how many is not stated"))
    for name, stated, truly in (
        ("salt", _text(row, "salt_stated"), _text(row, "salt_used")),
        ("term", _text(row, "stated"), _text(row, "elsewhere")),
    ):
        if not stated or not truly:
            continue
        source = _text(row, "other_source") if name == "term" else ""
        where = f" ({source})" if source else ""
        if stated.casefold() == truly.casefold():
            found.append(Finding(name, CONSISTENT, f"stated and found: {stated}{where}"))
        else:
            what = "listed under" if name == "salt" else "stated:"
            truth = "the study used" if name == "salt" else "elsewhere:"
            found.append(Finding(name, INCONSISTENT, f"{what} {stated}; {truth} {truly}{where}", truly))
    return found


# --- small things ----------------------------------------------------------------------------------------------

Check = Callable[[pd.Series], list[Finding]]
LIMITS: tuple[Check, ...] = (check_limits, check_counts)
ARITHMETIC: tuple[Check, ...] = (
    check_interval,
    check_grim,
    check_against_counts,
    check_range,
    check_voltage_dependence,
)
MARKS: tuple[Check, ...] = (check_marks,)


def _text(row: pd.Series, name: str) -> str:
    value = row.get(name, "")
    return "" if pd.isna(value) else str(value).strip()


def _number(row: pd.Series, name: str) -> float | None:
    text = _text(row, name)
    return float(text) if text else None


def _count(row: pd.Series, name: str) -> int | None:
    value = _number(row, name)
    return None if value is None else int(value)


def _printed(row: pd.Series, *names: str) -> dict[str, Printed]:
    found = {name: read_number(_text(row, name)) for name in names}
    return {name: number for name, number in found.items() if number is not None}


def _percent(row: pd.Series, group: str) -> Printed | None:
    """Return the printed percentage of a group; that of a single one may stand as the estimate."""
    text = _text(row, f"percent_{group}")
    if not text and group == "treatment" and _text(row, "measure") == "proportion":
        text = _text(row, "estimate")
    return read_number(text)


def _level(row: pd.Series) -> float:
    return _number(row, "ci_level") or 0.95


def _n_range(row: pd.Series) -> tuple[int, int]:
    return _count(row, "n_low") or N_RANGE[0], _count(row, "n_high") or N_RANGE[1]


def _possible(measure: str, unit: str) -> tuple[float, float]:
    if measure == "RD":
        return (-100.0, 100.0) if unit == "%" else (-1.0, 1.0)
    return POSSIBLE.get(measure, (-np.inf, np.inf))


def _on_scale(printed: Printed, measure: str) -> tuple[float, float, float]:
    """Return a printed number with its rounding limits on the scale where its interval is symmetric."""
    values = np.array([printed.value, printed.low, printed.high])
    if measure in ON_A_LINE:
        return tuple(values)
    if measure == "RRR":
        values = 1 - values[[0, 2, 1]] / 100
    with np.errstate(divide="ignore"):
        return tuple(np.log(np.maximum(values, 0)))


def _back(value: float, measure: str) -> float:
    if measure in ON_A_LINE:
        return value
    return 100 * (1 - np.exp(value)) if measure == "RRR" else float(np.exp(value))


def _factor(unit: str, other: str) -> float | None:
    """Return what turns `unit` into `other`; None when they are not of one kind."""
    if unit == other:
        return 1.0
    return next((u[unit] / u[other] for u in UNITS.values() if unit in u and other in u), None)


def _proportion_in_words(events: int, n: int, word: str, level: float) -> str:
    percent, intervals = twobytwo.proportion(events, n, level)
    low, high = intervals["Wilson"]
    return f"{word} {events}/{n} = {percent:.1f} % ({low:.1f} to {high:.1f}, Wilson)"


def _table_in_words(counts: list[int]) -> str:
    return "{}/{} against {}/{}".format(*counts)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"
