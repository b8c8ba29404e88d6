"""Gates: which results may be used, each with its limit, verdict, reason and source in one table.

Verdicts: *pass*; *warn*, used, and to be looked at (or not tested, which is said); *exclude*, left out of the fits.
Edge effect and Z' are measured with the plates (`mgk.plates`, quality.csv) and only judged here.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from mgk.atpase.activity import DEPLETION_FAIL_PERCENT, DEPLETION_WARN_PERCENT
from mgk.atpase.standards import StandardCurve, fit_line, usable

NOTES = "project notes, section 3 of plates"
Z_PRIME_SOURCE = "Zhang, Chung and Oldenburg 1999, J Biomol Screen 4:67"
GOOD_Z_PRIME = 0.5
# Points that linearity needs, and the level of its test; assumed, no source.
FEWEST_POINTS = 3
LINEARITY_P = 0.05
GATE_COLUMNS = (
    "gate", "plate_id", "preparation_id", "magnesium_total_mm", "value", "ci_low", "ci_high", "unit", "limit",
    "verdict", "reason", "source",
)  # fmt: skip
# What is varied, and what must then be straight in it.
VARIED = {"time_min": "linearity in time", "protein_ug": "linearity in protein"}


def gates_table(
    activity: pd.DataFrame, wells: pd.DataFrame, curves: Mapping[str, StandardCurve], quality: pd.DataFrame
) -> pd.DataFrame:
    """Return gates.csv.

    Parameters
    ----------
    activity, wells
        activity.csv, and the wells behind it.
    curves : mapping
        Standard curve by plate.
    quality : DataFrame
        quality.csv of the plates.
    """
    rows = [_depletion(row) for row in activity.itertuples()]
    rows += [_range(row) for row in activity.itertuples()]
    rows += [_curve(plate, curve) for plate, curve in curves.items()]
    for plate, on_plate in wells.groupby("plate_id", sort=False):
        for column, gate in VARIED.items():
            rows += _linearity(plate, on_plate, curves[plate], column, gate)
    rows += [row for plate in quality.itertuples() if plate.plate_id in curves for row in _of_plate(plate)]
    return pd.DataFrame(rows).reindex(columns=list(GATE_COLUMNS)).fillna({"preparation_id": ""})


def _at(row) -> dict:
    return {c: getattr(row, c) for c in ("plate_id", "preparation_id", "magnesium_total_mm")}


def _depletion(row) -> dict:
    found = row.depletion_percent
    fails, warns = found > DEPLETION_FAIL_PERCENT, not found <= DEPLETION_WARN_PERCENT
    reason = "not known: aliquot_ul or the nonenzymatic wells are missing" if np.isnan(found) else ""
    if warns and not reason:
        reason = f"{found:.1f} % of ATP consumed: {'not an initial rate' if fails else 'the rate may have slowed'}"
    return _at(row) | {
        "gate": "substrate depletion", "value": found, "unit": "%",
        "limit": f"{DEPLETION_WARN_PERCENT:g} passes, {DEPLETION_FAIL_PERCENT:g} warns",
        "verdict": "exclude" if fails else "warn" if warns else "pass", "reason": reason, "source": NOTES,
    }  # fmt: skip


def _range(row) -> dict:
    said = [part for part in row.flag.split("; ") if " above the " in part or " below the limit" in part]
    beyond = any("above the linear range" in part for part in said)
    return _at(row) | {
        "gate": "range of the standards", "value": np.nan, "unit": "",
        "limit": "limit of quantification to the highest standard of the straight part",
        "verdict": "exclude" if beyond else "warn" if said else "pass", "reason": "; ".join(said), "source": NOTES,
    }  # fmt: skip


def _curve(plate: str, curve: StandardCurve) -> dict:
    verdict = {"identified": "pass", "weak": "warn", "not_identified": "exclude"}[curve.verdict]
    return {
        "gate": "standard curve", "plate_id": plate, "value": curve.lack_of_fit_p, "unit": "p, lack of fit",
        "limit": "0.05", "verdict": verdict, "reason": curve.reason, "source": NOTES,
    }  # fmt: skip


def _linearity(plate: str, wells: pd.DataFrame, curve: StandardCurve, column: str, gate: str) -> list[dict]:
    """Test the product against time (or protein) for a quadratic term, where a preparation was measured at several."""
    total = usable(wells[wells["role"] == "total"])
    other = "protein_ug" if column == "time_min" else "time_min"
    keys = ["preparation_id", "magnesium_total_mm", "atp_mm", other]
    rows = []
    for key, group in total.groupby(keys, sort=False):
        x = group[column].to_numpy(float)
        if np.unique(x).size < FEWEST_POINTS or x.size <= FEWEST_POINTS:
            continue
        y = (group["value"].to_numpy(float) - curve.intercept) / curve.slope
        straight, bent = fit_line(x, y, 1, 0.0), fit_line(x, y, 2, 0.0)
        f = (straight.rss - bent.rss) / (bent.rss / bent.dof) if bent.rss > 0 else 0.0
        p = float(f_distribution.sf(max(f, 0.0), 1, bent.dof))
        curved = p < LINEARITY_P
        rows.append({
            "gate": gate, "plate_id": plate, "preparation_id": key[0], "magnesium_total_mm": key[1], "value": p,
            "unit": "p, quadratic term", "limit": f"{LINEARITY_P:g}", "verdict": "warn" if curved else "pass",
            "reason": f"phosphate is not straight in {column}" if curved else "", "source": NOTES,
        })  # fmt: skip
    if rows or total.empty:
        return rows
    values = ", ".join(f"{v:g}" for v in np.unique(total[column].dropna().round(3))[:4])
    reason = f"not tested: no preparation was measured at {FEWEST_POINTS} values of {column} (here {values})"
    nothing = {"value": np.nan, "unit": "p, quadratic term", "limit": f"{LINEARITY_P:g}"}
    return [{"gate": gate, "plate_id": plate, **nothing, "verdict": "warn", "reason": reason, "source": NOTES}]


def _of_plate(plate) -> list[dict]:
    """Judge Z' and, where quality.csv has it, the edge effect."""
    z, low, high = (getattr(plate, c, np.nan) for c in ("z_prime", "z_prime_ci_low", "z_prime_ci_high"))
    known = bool(np.isfinite(z))
    firm = known and not low < GOOD_Z_PRIME
    reason = "" if firm else "the interval reaches below 0.5" if z >= GOOD_Z_PRIME else f"Z' {z:.2f} is below 0.5"
    rows = [{
        "gate": "Z'", "plate_id": plate.plate_id, "value": z, "ci_low": low, "ci_high": high, "unit": "1",
        "limit": f"{GOOD_Z_PRIME:g}", "verdict": "pass" if firm else "warn",
        "reason": reason if known else "not known: fewer than 4 controls of each kind", "source": Z_PRIME_SOURCE,
    }]  # fmt: skip
    if hasattr(plate, "edge_percent"):
        said = [part for part in plate.reason.split("; ") if "edge effect" in part]
        rows.append({
            "gate": "edge effect", "plate_id": plate.plate_id, "value": plate.edge_percent,
            "ci_low": getattr(plate, "edge_ci_low", np.nan), "ci_high": getattr(plate, "edge_ci_high", np.nan),
            "unit": "%", "limit": "as in quality.csv", "verdict": "warn" if said else "pass",
            "reason": "; ".join(said), "source": NOTES,
        })  # fmt: skip
    return rows
