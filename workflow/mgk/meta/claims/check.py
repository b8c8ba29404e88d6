"""From the table of claims to verdicts: every check on every claim, the worst finding first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.meta.claims import read
from mgk.meta.claims.against_counts import check_against_counts
from mgk.meta.claims.grim import check_grim
from mgk.meta.claims.intervals import check_interval
from mgk.meta.claims.limits import check_counts, check_limits
from mgk.meta.claims.reconstruction import check_reconstruction
from mgk.meta.claims.statements import check_marks, check_range, check_voltage_dependence
from mgk.meta.claims.verdicts import IMPOSSIBLE, UNVERIFIABLE, Finding, overall
from mgk.meta.columns import COUNTS

OUTPUT = (
    "claim_id", "verdict", "reason", "recomputed", "n_checks", "n_tables", "statement", "measure", "estimate", "ci_low",
    "ci_high", "p_value", "unit", "source", "checker", "remark",
)  # fmt: skip
CHECK_COLUMNS = ("claim_id", "check", "verdict", "reason", "recomputed")
TABLE_COLUMNS = ("claim_id", *COUNTS)

Check = Callable[[pd.Series], list[Finding]]
LIMITS: tuple[Check, ...] = (check_limits, check_counts)
ARITHMETIC: tuple[Check, ...] = (
    check_interval, check_grim, check_against_counts, check_range, check_voltage_dependence,
)  # fmt: skip
MARKS: tuple[Check, ...] = (check_marks,)


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
            {name: read.text(row, name) for name in OUTPUT if name in row.index}
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
