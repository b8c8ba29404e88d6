"""Groups over their animals or donors, with the error of the calibration that does not average away; and compared."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import t

from mgk.magnesium.calibration import Calibration, curves_of
from mgk.magnesium.draws import SEED, interval, share, stream, widening
from mgk.magnesium.equation import free_magnesium_mm
from mgk.magnesium.samples import Sample, ratios
from mgk.magnesium.settings import Settings, kd_choices
from mgk.statistics import compare_groups, effective_df, holm

# Below six animals a median has no 95 % interval (sign test: 2/2^5 > 5 %).
MIN_ANIMALS_FOR_MEDIAN = 6

NOT_ABOVE_ZERO = (
    "the animals are so unlike that the lower limit is 0 (near Rmax a small error of R is a large one of Mg2+); more "
    "animals, or a dye of a higher Kd, would tell more"
)

GROUP_COLUMNS = (
    "condition", "statistic", "kd_mm", "kd_source", "estimate", "se", "ci_low", "ci_high", "se_animals",
    "se_calibration", "n_animals", "n_samples", "n_below_rmin", "n_above_rmax", "n_without_value", "reason",
)  # fmt: skip
COMPARISON_COLUMNS = (
    "group_a", "group_b", "scale", "unit", "difference", "se", "ci_low", "ci_high", "se_animals", "se_calibration",
    "df", "p", "p_holm", "n_samples", "n_animals", "method", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Members:
    """The samples of some conditions and the calibrations of their runs, at one Kd."""

    samples: Sequence[Sample]
    calibrations: Mapping[str, Calibration]
    given: Settings
    kd_mm: float

    def values(self, widen=1.0, only: tuple[str, str] | None = None) -> np.ndarray:
        """Return free Mg2+ of each sample in each draw of its run, (samples, draws + 1); `only`: one run's one part."""
        curves = {}
        for run_id in dict.fromkeys(sample.run_id for sample in self.samples):
            part = None if only is None else only[1] if only[0] == run_id else ""
            curves |= curves_of({run_id: self.calibrations[run_id]}, self.given, self.kd_mm, widen=widen, only=part)
        return np.array([_values(sample, curves[sample.run_id]) for sample in self.samples])

    @property
    def parts(self) -> dict[tuple[str, str], float]:
        """Return the degrees of freedom of each part of the calibration of each run."""
        runs = dict.fromkeys(sample.run_id for sample in self.samples)
        return {(r, name): part.df for r in runs for name, part in self.calibrations[r].parts.items()}

    @property
    def refused(self) -> list[str]:
        """Return why runs cannot be calibrated at this Kd."""
        curves = curves_of(self.calibrations, self.given, self.kd_mm)
        return list(dict.fromkeys(r for r in (curves[s.run_id].reason for s in self.samples) if r))

    @property
    def draws(self) -> int:
        """Return how many draws there are."""
        return self.calibrations[self.samples[0].run_id].draws


def _values(sample: Sample, run) -> np.ndarray:
    return free_magnesium_mm(ratios(sample, run), run.rmin, run.rmax, run.beta, run.kd_mm)


def group_table(
    found: list[Sample],
    calibrations: Mapping[str, Calibration],
    given: Settings,
    *,
    seed: int = SEED,
    published: bool = True,
) -> pd.DataFrame:
    """Return mean and median free Mg2+ of each condition over its animals, at each Kd (or at that of the settings).

    The animal is the unit; its samples are averaged first. In each draw the animals take that draw's background, Rmin,
    Rmax and beta, which are common to a run; the error of their own wells is not added, for the scatter of the animals
    holds it already. Mean: s/sqrt(n) of the draw's animals is added to the draw's mean, with the effective degrees of
    freedom of both errors. Median: the animals are resampled within the draw. So the interval over the draws holds the
    animals and the calibration, and the latter does not shrink with more animals. With a censored animal the mean is
    not known; the median takes it in its place.

    Columns: condition, statistic (mean, median), kd_mm, kd_source, estimate, se, ci_low, ci_high (mM), se_animals and
    se_calibration (the two parts of se), n_animals, n_samples, n_below_rmin, n_above_rmax, n_without_value (samples),
    reason (why a number is not given).
    """
    rows = []
    for kd_mm, source in kd_choices(given)[: None if published else 1]:
        for condition in dict.fromkeys(sample.condition for sample in found):
            members = Members([s for s in found if s.condition == condition], calibrations, given, kd_mm)
            counts = _counts(members)
            for statistic, summary in STATISTICS.items():
                # The same stream at each Kd: the rows then differ by Kd alone.
                numbers = summary(members, counts, seed, condition)
                numbers["reason"] = "; ".join(filter(None, (numbers.get("reason"), *members.refused)))
                common = {"condition": condition, "statistic": statistic, "kd_mm": kd_mm, "kd_source": source}
                rows.append(common | counts | numbers)
    return pd.DataFrame(rows, columns=GROUP_COLUMNS).sort_values("condition", kind="stable", ignore_index=True)


def _counts(members: Members) -> dict[str, int]:
    estimates = members.values()[:, 0]
    animals = {s.animal_id for s, value in zip(members.samples, estimates, strict=True) if not math.isnan(value)}
    return {
        "n_animals": len(animals),
        "n_samples": len(members.samples),
        "n_below_rmin": int((estimates == 0).sum()),
        "n_above_rmax": int(np.isposinf(estimates).sum()),
        "n_without_value": int(np.isnan(estimates).sum()),
    }


def _by_animal(members: Members, values: np.ndarray) -> np.ndarray:
    """Return the means of the samples of each animal, (animals, draws + 1); samples without a value left out."""
    known = ~np.isnan(values[:, 0])
    animals = np.array([s.animal_id for s in members.samples], object)
    return np.array([values[known & (animals == a)].mean(axis=0) for a in dict.fromkeys(animals[known])])


def _mean(members: Members, counts: dict[str, int], seed: int, condition: str) -> dict:
    values = _by_animal(members, members.values())
    n = len(values)
    if n == 0:
        return {"reason": "no animal has a value"}
    censored = counts["n_below_rmin"] + counts["n_above_rmax"]
    if censored:
        return {"reason": f"{censored} of {counts['n_samples']} samples censored: no mean is known, see the median"}
    if n == 1:
        return {"estimate": values[0, 0], "reason": "one animal: no interval"}
    estimate = values[:, 0].mean()
    scatter = values[:, 0].std(ddof=1) / math.sqrt(n)
    variances, degrees = [(scatter / (4 * estimate)) ** 2], [n - 1]  # d share/d m at m = half
    for part, df in members.parts.items():
        variances.append(np.var(share(_by_animal(members, members.values(only=part)).mean(axis=0), estimate)))
        degrees.append(df)
    widen = widening(seed, members.draws, effective_df(variances, degrees), "mean", condition)
    values = _by_animal(members, members.values(widen))
    with np.errstate(invalid="ignore"):
        means, spread = values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(n)
        own = stream(seed, "mean", condition).standard_normal(means.size - 1) * widen[1:]
        drawn = means[1:] + spread[1:] * own
        calibration = _by_animal(members, members.values()).mean(axis=0)[1:].std(ddof=1)
    drawn[np.isinf(means[1:])] = np.inf  # an animal is above Rmax in this draw
    low, high = interval(drawn)
    # A concentration is not negative: what reaches below 0 cannot be told from 0, and holds what it held before.
    return {
        "reason": NOT_ABOVE_ZERO if low < 0 else "",
        "estimate": estimate,
        "se": math.hypot(scatter, calibration),
        "ci_low": max(low, 0.0),
        "ci_high": high,
        "se_animals": scatter,
        "se_calibration": calibration,
    }


def _median(members: Members, _counts: dict[str, int], seed: int, condition: str) -> dict:
    values = _by_animal(members, members.values())
    n = len(values)
    if n == 0:
        return {"reason": "no animal has a value"}
    estimate = {"estimate": np.median(values[:, 0])}
    if n < MIN_ANIMALS_FOR_MEDIAN:
        return estimate | {"reason": f"a median has an interval from {MIN_ANIMALS_FOR_MEDIAN} animals on, here {n}"}
    draws = np.arange(1, values.shape[1])[:, None]
    chosen = stream(seed, "median", condition).integers(0, n, size=(draws.size, n))
    low, high = interval(np.median(values[chosen, draws], axis=1))
    return estimate | {"ci_low": low, "ci_high": high}


STATISTICS = {"mean": _mean, "median": _median}


def compare_conditions(
    found: list[Sample],
    calibrations: Mapping[str, Calibration],
    given: Settings,
    *,
    scales: Sequence[str] = ("difference", "ratio"),
    mixed: bool = False,
    seed: int = SEED,
) -> pd.DataFrame:
    """Compare each two conditions, the animal being the unit: their difference and their ratio.

    The scatter of the animals is that of `mgk.statistics.compare_groups` (paired where animals are in both groups, else
    Welch, or a mixed model). The error of the calibration is that of the difference itself: both groups take the same
    draw where they share a run, so that what is common to them cancels. Both errors make the interval and p, with their
    effective degrees of freedom; p is adjusted by Holm over the pairs of a scale. The ratio (of geometric means over
    animals) hardly depends on Kd and beta. A pair with a censored sample has no difference of means.

    Columns: group_a, group_b, scale (difference, ratio), unit, difference (second minus first, or over it), se, ci_low,
    ci_high, se_animals, se_calibration (on the scale of logarithms for ratios), df, p, p_holm, n_samples, n_animals,
    method, reason.
    """
    rows = []
    for pair in combinations(sorted({s.condition for s in found}), 2):
        members = Members([s for s in found if s.condition in pair], calibrations, given, given.kd_mm)
        for scale in scales:
            unit = "mM" if scale == "difference" else "1"
            head = {"group_a": pair[0], "group_b": pair[1], "scale": scale, "unit": unit}
            rows.append(head | _compared(members, pair, scale == "ratio", mixed, seed))
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    for _, of_scale in table.groupby("scale"):
        table.loc[of_scale.index, "p_holm"] = holm(of_scale["p"].astype(float))
    return table


def _compared(members: Members, pair: tuple[str, str], log: bool, mixed: bool, seed: int) -> dict:
    values = members.values()
    counts = {"n_samples": len(members.samples), "n_animals": len({s.animal_id for s in members.samples})}
    censored = int(((values[:, 0] == 0) | np.isposinf(values[:, 0])).sum())
    if censored:
        return counts | {"reason": f"{censored} of {len(values)} samples censored: no difference of means is known"}
    groups = [s.condition for s in members.samples]
    animals = [s.animal_id for s in members.samples]
    test = compare_groups(values[:, 0], groups, animals, pair, log=log, mixed=mixed)
    counts |= {"n_samples": test.n_cells, "n_animals": test.n_animals, "method": test.method}
    reason = "; ".join(filter(None, (test.reason, *members.refused)))
    if not math.isfinite(test.df):
        return counts | {"difference": test.difference, "reason": reason}
    se_animals = test.se / test.difference if log else test.se
    estimate = math.log(test.difference) if log else test.difference
    difference = _difference_of(members, pair, log, paired=test.method.startswith("paired"))
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [float(np.var(difference(members.values(only=part)))) for part in members.parts]
        se_calibration = float(difference(values)[1:].std(ddof=1))
    if not math.isfinite(se_calibration):
        return counts | {"difference": test.difference, "reason": "a sample is censored in some draws: no interval"}
    se = math.hypot(se_animals, se_calibration)
    df = effective_df([se_animals**2, *parts], [test.df, *members.parts.values()])
    widen = widening(seed, members.draws, df, "compare", *pair)
    own = stream(seed, "compare", *pair).standard_normal(members.draws) * se_animals * widen[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = difference(members.values(widen))[1:]
    low, high = interval(estimate + (drawn - difference(values)[0]) + own)
    back: Callable[[float], float] = math.exp if log else float
    return counts | {
        "difference": test.difference,
        "se": se,
        "ci_low": back(low),
        "ci_high": back(high),
        "se_animals": se_animals,
        "se_calibration": se_calibration,
        "df": df,
        "p": float(2 * t.sf(abs(estimate) / se, df)),
        "reason": reason,
    }


def _difference_of(members: Members, pair: tuple[str, str], log: bool, paired: bool):
    """Return the function from values (samples, draws) to the difference of the groups' means of animals, by draw."""
    keys = {name: {} for name in pair}
    for place, sample in enumerate(members.samples):
        keys[sample.condition].setdefault(sample.animal_id, []).append(place)
    shared = [a for a in keys[pair[0]] if a in keys[pair[1]]]
    animals = {name: shared if paired else list(keys[name]) for name in pair}

    def difference(values):
        scale = np.log(values) if log else values
        known = ~np.isnan(values[:, 0])
        first, second = (
            np.mean(
                [
                    scale[rows].mean(axis=0)
                    for rows in ([p for p in keys[name][a] if known[p]] for a in animals[name])
                    if rows
                ],
                axis=0,
            )
            for name in pair
        )
        return second - first

    return difference
