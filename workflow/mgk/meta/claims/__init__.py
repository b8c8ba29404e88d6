"""The checking of published claims: which printed numbers agree with each other, and which cannot be true.

What it is for: `check_claims` turns the table of claims (`workflow/schemas/claims.schema.yaml`) into verdicts, each
with its arithmetic. One function a check; a check that finds nothing to hold on to returns nothing. What only a reader
of the source can know (inverted conditionals, missing denominators, salts) is marked in the table and carried through.

Modules: `check` runs every check on every claim; `limits`, `intervals`, `grim`, `against_counts`, `reconstruction` and
`statements` hold the checks; `read` and `printed` read a row and its numbers, `verdicts` names the outcomes.

Verdicts, of a finding and of a claim: *consistent*; *consistent_with_rounding*, the digits as printed do not agree but
some numbers that print so do; *inconsistent*, with the recomputed value; *impossible*, no data give such a number;
*unverifiable*, what it would take was not printed. A claim gets the worst of its findings, and is unverifiable when a
finding says so and no finding contradicts it.

Limits: a verdict is about printed numbers, not about whether a study was right. An interval that agrees with one usual
method counts as consistent, and the reason names the method. Counts are never invented: where they were not printed,
all tables that give the printed percentages are listed (`reconstruction`), within the printed total or a stated range.
"""

from mgk.meta.claims.check import CheckedClaims, check_claims
from mgk.meta.claims.verdicts import VERDICTS

__all__ = ["VERDICTS", "CheckedClaims", "check_claims"]
