"""Printed numbers against printed counts, by every usual method."""

import numpy as np
import pandas as pd

from mgk.meta import twobytwo
from mgk.meta.claims import read
from mgk.meta.claims.intervals import show_p
from mgk.meta.claims.printed import Printed, PrintedP, counts_that_print, read_p
from mgk.meta.claims.verdicts import CONSISTENT, INCONSISTENT, ROUNDING, Finding
from mgk.meta.columns import COUNTS


def check_against_counts(row: pd.Series) -> list[Finding]:
    """Estimate, interval and p value against the printed counts, by every usual method."""
    measure, counts = read.text(row, "measure"), [read.count(row, name) for name in COUNTS]
    if measure == "proportion" and counts[1] is not None:
        return _proportion_against_counts(row, *counts[:2])
    if None in counts:
        return []
    found = []
    if measure in twobytwo.MEASURES:
        found += _measure_against_counts(row, measure, counts)
    p = read_p(read.text(row, "p_value"))
    if p:
        tests = {"Fisher": twobytwo.fisher(*counts)} | {k: float(v) for k, v in twobytwo.p_values(*counts).items()}
        found.append(_p_against_tests(p, tests))
    if not found:
        found.append(
            Finding("counts alone", CONSISTENT, f"nothing else was printed; {describe_counts(counts, read.level(row))}")
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
    scale = 100 if measure == "RD" and read.text(row, "unit") == "%" else 1
    estimate, intervals = twobytwo.MEASURES[measure](*counts, read.level(row))
    estimate, intervals = estimate * scale, {k: (low * scale, high * scale) for k, (low, high) in intervals.items()}
    shown = read.numbers(row, "estimate", "ci_low", "ci_high")
    found = []
    if "estimate" in shown:
        arithmetic = f"{measure} from {_table_in_words(counts)} = {estimate:.4g}"
        found.append(_equal("estimate from counts", shown["estimate"], estimate, arithmetic))
    if {"ci_low", "ci_high"} <= set(shown):
        found.append(_interval_against_methods(shown["ci_low"], shown["ci_high"], intervals))
    return found


def _proportion_against_counts(row, events: int | None, n: int) -> list[Finding]:
    """Hold the interval of one proportion against its count, or against each count that prints the percentage."""
    shown, percent = read.numbers(row, "ci_low", "ci_high"), read.percent(row, "treatment")
    if len(shown) < 2 or (events is None and percent is None):
        return []
    possible = [events] if events is not None else list(counts_that_print(percent, n))
    intervals = {
        name if events is not None else f"{name} of {k}/{n}": limits
        for k in possible
        for name, limits in twobytwo.proportion(k, n, read.level(row))[1].items()
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
    words = "; ".join(f"{name} {show_p(value)}" for name, value in tests.items())
    right = [name for name, value in tests.items() if p.allows(value)]
    if right:
        return Finding("p from counts", CONSISTENT, f"{p.text} agrees with {', '.join(right)} ({words})")
    return Finding("p from counts", INCONSISTENT, f"{p.text} agrees with none of: {words}", words)


def _table_in_words(counts: list[int]) -> str:
    return "{}/{} against {}/{}".format(*counts)
