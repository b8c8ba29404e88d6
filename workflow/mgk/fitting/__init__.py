"""Nonlinear least squares with profile confidence intervals and a verdict on identifiability.

One function, `fit_curve`, for every curve of the project. It minimises the (weighted) sum of squares from several
deterministic starts, and says for each parameter whether the data determine it.

Vocabulary: *start*, first guess of the parameters; *rss*, (weighted) residual sum of squares; *dof*, points minus
parameters; *profile*, the rss minimised over all other parameters while one is held. A parameter whose name begins
with `ln_` is a natural logarithm. The verdicts are `identified`, `weak` and `not_identified`.

Limits: independent normal residuals of one variance, or of known relative standard deviations. The correlation of two
parameters depends on how a model is written: centre x, and fit the logarithm of a constant that must be positive.
Units near 1 (mM, mV, ms) are good practice, not a condition. Summaries over cells and animals live in
`mgk.statistics`, models beside the analyses that use them.
"""

from mgk.fitting.curve import CurveFit, fit_curve
from mgk.fitting.estimates import VERDICTS, WEAK_FOLD, Estimate

__all__ = ["VERDICTS", "WEAK_FOLD", "CurveFit", "Estimate", "fit_curve"]
