"""Two by two tables that can have been meant: all that give what was printed, none invented."""

import numpy as np
import pandas as pd

from mgk.meta import twobytwo
from mgk.meta.claims import read
from mgk.meta.claims.grim import check_sizes
from mgk.meta.claims.printed import Printed, counts_that_print, read_p, sizes_that_print
from mgk.meta.claims.read import GROUPS
from mgk.meta.claims.verdicts import CONSISTENT, INCONSISTENT, UNVERIFIABLE, Finding
from mgk.meta.columns import COUNTS

MOST_TABLES = 20_000
"""More than these are not tried: the answer would be that anything is possible."""

MOST_SHOWN = 12


def check_reconstruction(row: pd.Series) -> tuple[list[Finding], pd.DataFrame]:
    """Hold what was printed against every two by two table that gives the printed counts and percentages.

    With a printed total, a table that agrees makes the claim consistent and none makes it inconsistent. Without one,
    the sizes tried are a range: what can have been meant is listed, and the claim stays unverifiable.
    """
    none = pd.DataFrame(columns=[*COUNTS, "gives_all"])
    counts = dict(zip(COUNTS, (read.count(row, name) for name in COUNTS), strict=True))
    percents = {group: read.percent(row, group) for group in GROUPS}
    people = read.text(row, "is_proportion_of_people")
    known = {g: counts[f"events_{g}"] is not None or percents[g] is not None for g in GROUPS}
    if None not in counts.values() or people == "no" or not known["treatment"]:
        return [], none
    total = read.count(row, "n_total")
    sized = total is not None or None not in (counts["n_treatment"], counts["n_control"])
    if not known["control"]:
        alone = counts["n_treatment"] is None and total is None and percents["treatment"] is not None
        return ([check_sizes(row, percents["treatment"])] if alone and people == "yes" else []), none
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
        else "with {} to {} a group".format(*read.n_range(row))
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
        low, high = read.n_range(row)
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
    total = read.count(row, "n_total")
    free = total is not None and not read.text(row, "n_low") and not read.text(row, "n_high")
    limits = (1, total - 1) if free else read.n_range(row)
    arms = []
    for group in GROUPS:
        n, events, percent = read.count(row, f"n_{group}"), read.count(row, f"events_{group}"), read.percent(row, group)
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
    measure, shown = read.text(row, "measure"), read.numbers(row, "estimate", "ci_low", "ci_high")
    right = np.ones(len(tables), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure in twobytwo.MEASURES and "estimate" in shown:
            scale = 100 if measure == "RD" and read.text(row, "unit") == "%" else 1
            estimate, intervals = twobytwo.MEASURES[measure](*counts, read.level(row))
            right &= shown["estimate"].prints(estimate * scale)
            if {"ci_low", "ci_high"} <= set(shown):
                right &= np.any(
                    [
                        shown["ci_low"].prints(low * scale) & shown["ci_high"].prints(high * scale)
                        for low, high in intervals.values()
                    ],
                    axis=0,
                )
        p = read_p(read.text(row, "p_value"))
        if p:
            by_tests = np.any([p.allows(values) for values in twobytwo.p_values(*counts).values()], axis=0)
            for place in np.flatnonzero(right & ~by_tests):
                by_tests[place] = bool(p.allows(twobytwo.fisher(*(int(v[place]) for v in counts))))
            right &= by_tests
    return right
