"""What is not a trial's result: ranges and units, the voltage dependence of a block, and what the reader marked."""

import numpy as np
import pandas as pd

from mgk.constants import thermal_voltage_mv
from mgk.meta.claims import read
from mgk.meta.claims.printed import read_number
from mgk.meta.claims.verdicts import CONSISTENT, INCONSISTENT, UNVERIFIABLE, Finding

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


def check_range(row: pd.Series) -> list[Finding]:
    """A printed value or range against the same one elsewhere: its unit (a factor of 1000), then its ends."""
    low, high = (read_number(read.text(row, f"range_{end}")) for end in ("low", "high"))
    other_low, other_high = (read_number(read.text(row, f"other_{end}")) for end in ("low", "high"))
    if low is None or other_low is None:
        return []
    high, other_high = high or low, other_high or other_low
    unit, other_unit = read.text(row, "unit"), read.text(row, "other_unit") or read.text(row, "unit")
    factor = _factor(unit, other_unit)
    source = read.text(row, "other_source")
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
    z_delta, side, claimed = (
        read.number(row, "z_delta"),
        read.text(row, "blocker_side"),
        read.text(row, "block_strongest_at"),
    )
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


def check_marks(row: pd.Series) -> list[Finding]:
    """Inverted conditionals, missing denominators, salts and other qualities, as marked in the table."""
    found = []
    if read.text(row, "inverted_conditional") == "yes":
        right = read.text(row, "inverted_from")
        reason = "P(A given B) was printed as P(B given A), which are equal only when A and B are equally common"
        found.append(Finding("conditional", INCONSISTENT, f"marked: {reason}{f'; {right}' if right else ''}", right))
    if read.text(row, "denominator_stated") == "no":
        found.append(Finding("denominator", UNVERIFIABLE, "marked: of how many is not stated"))
    for name, stated, truly in (
        ("salt", read.text(row, "salt_stated"), read.text(row, "salt_used")),
        ("term", read.text(row, "stated"), read.text(row, "elsewhere")),
    ):
        if not stated or not truly:
            continue
        source = read.text(row, "other_source") if name == "term" else ""
        where = f" ({source})" if source else ""
        if stated.casefold() == truly.casefold():
            found.append(Finding(name, CONSISTENT, f"stated and found: {stated}{where}"))
        else:
            what = "listed under" if name == "salt" else "stated:"
            truth = "the study used" if name == "salt" else "elsewhere:"
            found.append(Finding(name, INCONSISTENT, f"{what} {stated}; {truth} {truly}{where}", truly))
    return found


def _factor(unit: str, other: str) -> float | None:
    """Return what turns `unit` into `other`; None when they are not of one kind."""
    if unit == other:
        return 1.0
    return next((u[unit] / u[other] for u in UNITS.values() if unit in u and other in u), None)
