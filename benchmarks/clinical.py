"""`make bench`: clinical tables of 22, 200 and 2,000 studies, against what statsmodels and PyMARE have of the same.

Every line is the best of several runs in one process. The comparison is per job, never of our whole against a part:

- statsmodels' `combine_effects` gives tau2 by DL or PM, and both summaries with their errors and Q;
- PyMARE (when it can be imported; it is not in the run environment) gives DL, HE, ML and REML with the summary;
- leave-one-out is in neither: the comparison is a loop of the fastest statsmodels job over the studies left out.

The last lines are the whole set of tables that a run writes, for which there is nothing to compare with.
"""

import os
import sys
import time
import warnings

import numpy as np
import pandas as pd
from statsmodels.stats.meta_analysis import combine_effects

from mgk.meta import heterogeneity
from mgk.meta.dependence import dependent_table
from mgk.meta.diagnostics import cumulative, influence, leave_one_out, small_study
from mgk.meta.effects import effect_sizes
from mgk.meta.pooling import pool, pooled_table
from mgk.meta.regression import moderators_table
from mgk.meta.sparse import sparse_table

SIZES = (22, 200, 2000)
SEED = 20261120


def table_of(k: int) -> pd.DataFrame:
    """Make a table of k trials with a moderator and trials that stand in two rows; the numbers are drawn, not real."""
    rng = np.random.default_rng(SEED)
    n = rng.integers(20, 400, k)
    control = rng.binomial(n, rng.uniform(0.05, 0.4, k))
    odds = (control + 0.5) / (n - control + 0.5) * np.exp(rng.normal(-0.3, 0.4, k))
    return pd.DataFrame(
        {
            "study_id": [f"s{i}" for i in range(k)],
            "study": "drawn",
            "year": rng.integers(1980, 2025, k),
            "trial_id": [f"t{i // 2}" for i in range(k)],
            "events_treatment": rng.binomial(n, odds / (1 + odds)),
            "n_treatment": n,
            "events_control": control,
            "n_control": n,
        }
    )


def seconds(job, repeat: int) -> float:
    """Return the shortest of several runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def pymare_jobs(yi, vi) -> dict:
    """Return PyMARE's estimators as jobs, none when it is not there."""
    try:
        from pymare import Dataset, estimators
    except ImportError:
        return {}
    data = Dataset(yi[:, None], vi[:, None])

    def likelihood(method):
        return lambda: (
            estimators.VarianceBasedLikelihoodEstimator(method=method).fit_dataset(data).summary().get_fe_stats()
        )

    def moments(estimator):
        return lambda: estimator().fit_dataset(data).summary().get_fe_stats()

    return {
        "DL": moments(estimators.DerSimonianLaird),
        "HE": moments(estimators.Hedges),
        "ML": likelihood("ml"),
        "REML": likelihood("reml"),
    }


def loop_without_each(yi, vi) -> None:
    """Run combine_effects without each study."""
    for i in range(len(yi)):
        combine_effects(np.delete(yi, i), np.delete(vi, i), method_re="chi2")


def lines(k: int) -> list[tuple[str, float, float, str]]:
    """Return (job, our seconds, the other's seconds, the other's name) for a table of k studies."""
    repeat = 20 if k < 1000 else 5
    effects = effect_sizes(table_of(k), "OR", keep=("trial_id",))
    yi, vi = effects["yi"].to_numpy(), effects["vi"].to_numpy()
    found = []
    for method, name in (("DL", "chi2"), ("PM", "iterated")):
        ours = seconds(lambda m=method: both_summaries(yi, vi, m), repeat)
        theirs = seconds(lambda n=name: combine_effects(yi, vi, method_re=n), repeat)
        found.append((f"{method}, both summaries", ours, theirs, "statsmodels"))
    ours = seconds(lambda: pool(yi, vi, "DL", "knha"), repeat)
    theirs = seconds(lambda: combine_effects(yi, vi, method_re="chi2").summary_frame(), repeat)
    found.append(("DL, intervals; ours has tau2's as well", ours, theirs, "statsmodels"))
    for method, job in pymare_jobs(yi, vi).items():
        ours = seconds(lambda m=method: summary_only(yi, vi, m), repeat)
        found.append((f"{method}, summary", ours, seconds(job, repeat), "PyMARE"))
    loop = seconds(lambda: loop_without_each(yi, vi), 1)
    used = ~np.eye(k, dtype=bool)
    ours = seconds(lambda: [heterogeneity.fit_subsets(yi, vi, used, method) for method in ("IV", "DL")], 2)
    found.append(("leave one out, common and DL", ours, loop, "statsmodels, looped"))
    return found


def summary_only(yi, vi, method):
    """Estimate tau2 and the summary with its error, which is what PyMARE's job does."""
    return heterogeneity.weighted_fit(yi, vi, heterogeneity.tau_squared(yi, vi, method))


def both_summaries(yi, vi, method):
    """Estimate tau2 and both summaries with their errors and Q, which is what combine_effects does."""
    return heterogeneity.weighted_fit(yi, vi), summary_only(yi, vi, method)


def whole(k: int) -> list[tuple[str, float]]:
    """Return (table, seconds) for all that a run writes of k studies."""
    table = table_of(k)
    effects = effect_sizes(table, "OR", keep=("trial_id",))
    jobs = {
        "effect sizes": lambda: effect_sizes(table, "OR"),
        "pooled.csv (34 rows)": lambda: pooled_table(effects, "x"),
        "leave_one_out.csv (IV, REML)": lambda: leave_one_out(effects, "x"),
        "cumulative.csv (IV, REML)": lambda: cumulative(effects, "x"),
        "influence.csv (IV, REML)": lambda: influence(effects, "x"),
        "small_study.csv": lambda: small_study(effects, "x"),
        "moderators.csv (year)": lambda: moderators_table(effects, "x", ["year"]),
        "sparse.csv (logit-normal, 3 forms)": lambda: sparse_table(effects, "x"),
        "dependent.csv (trials)": lambda: dependent_table(effects, "x", "trial_id"),
    }
    return [(name, seconds(job, 1)) for name, job in jobs.items()]


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")  # what the other programs warn of
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; milliseconds")
    print(f"{'studies':>8}  {'job':38}{'mgk':>10}{'other':>10}{'ratio':>8}  against")
    for k in SIZES:
        for job, ours, theirs, name in lines(k):
            print(f"{k:8}  {job:38}{1e3 * ours:10.2f}{1e3 * theirs:10.2f}{ours / theirs:8.2f}  {name}")
    for k in SIZES:
        for job, ours in whole(k):
            print(f"{k:8}  {job:38}{1e3 * ours:10.1f}")


if __name__ == "__main__":
    main()
