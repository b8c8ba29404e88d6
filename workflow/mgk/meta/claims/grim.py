"""Percentages of people, and means of whole numbers, against the n that was printed (GRIM, Brown and Heathers 2017)."""

import numpy as np
import pandas as pd

from mgk.meta.claims import read
from mgk.meta.claims.printed import Printed, counts_that_print, read_number, sizes_that_print
from mgk.meta.claims.read import GROUPS
from mgk.meta.claims.verdicts import CONSISTENT, IMPOSSIBLE, INCONSISTENT, UNVERIFIABLE, Finding


def check_grim(row: pd.Series) -> list[Finding]:
    """Percentages of people, and means of whole numbers, against the n that was printed (GRIM)."""
    people = read.text(row, "is_proportion_of_people")
    percents = {group: read.percent(row, group) for group in GROUPS}
    printed = [p.text for p in percents.values() if p is not None]
    found = []
    if printed and people != "yes":
        known = "not percentages" if people == "no" else "not known to be percentages"
        reason = f"{' and '.join(printed)} % are {known} of people: GRIM does not apply"
        found.append(Finding("GRIM", UNVERIFIABLE, reason))
        percents = {}
    for group, percent in percents.items():
        word, n, events = GROUPS[group], read.count(row, f"n_{group}"), read.count(row, f"events_{group}")
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
    if read.text(row, "measure") == "mean" and read.text(row, "whole_numbers") == "yes":
        mean, n = read_number(read.text(row, "estimate")), read.count(row, "n_treatment")
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


def check_sizes(row: pd.Series, percent: Printed) -> Finding:
    """List the n that have a count which prints as a percentage of people whose n was not printed."""
    low, high = read.n_range(row)
    sizes = sizes_that_print(percent, range(low, high + 1))
    if not sizes:
        return Finding("GRIM", UNVERIFIABLE, f"no n from {low} to {high} has a count that prints as {percent.text} %")
    if len(sizes) > (high - low) / 2:
        return Finding("GRIM", UNVERIFIABLE, f"{len(sizes)} of the n from {low} to {high} can print {percent.text} %")
    listed = ", ".join(f"{n} ({counts_that_print(percent, n)[0]}/{n})" for n in sizes[:8])
    more = ", ..." if len(sizes) > 8 else ""
    return Finding("GRIM", UNVERIFIABLE, f"n from {low} to {high} that can print {percent.text} %: {listed}{more}")
