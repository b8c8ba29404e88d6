"""Whether a study's numbers come out again: a fresh run, held against references that are pinned in git.

Vocabulary: a *number* is one entry of the table of key numbers (an estimate, a bound of its interval, its n or its
verdict); a *pin* is what was written down of a run; a *platform* is system, C library, Python and lock together.
Tolerances decide on numbers and on cells of tables everywhere; bytes decide on the platforms that were pinned.
"""
