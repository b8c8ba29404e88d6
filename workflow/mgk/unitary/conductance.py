"""Unitary conductance from unitary currents at several potentials: per patch, then groups of animals.

*Slope conductance*: a line through all potentials, i = g (V - E), each point weighted by its standard error; E is the
reversal potential. *Chord conductance*: i / (V - E) at one potential, with E stated by the study or else that of the
patch. They are one where the relation is straight; where it bends (*rectification*, by an F test of a square term and
the slopes at both ends) the slope is that of no potential, and its verdict says so.

A bend that is too small for that word moves the line's E all the same (5 % per 100 mV, potentials of 40 to 80 mV on
both sides: by 1.9 mV). E is then weak; where the square term is beyond doubt it is that of a parabola, which is
identified where potentials close to it leave little to the parabola's shape. What rests on a weak E is weak.

A patch with one potential has no slope, and a chord only with a stated reversal potential; with two there is a line and
no test of it, with three no test of a bend. Animals are the unit of groups (`mgk.statistics`). Conductances in pS,
potentials in mV, currents in pA outward positive.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, compare_fits, fit_row, group_rows

PS_PER_NS = 1e3
LINE, CHORD = "line", "chord"
FEWEST_TO_BEND = 4
UNTESTED = f"not tested: {FEWEST_TO_BEND} potentials are needed"
# p below which a square term is real, and how far the slopes at the ends then differ to be called rectification.
BEND_P, BEND_SHARE = 0.05, 0.2
# p below which the reversal potential is that of a parabola. Of straight relations one in a hundred is so taken: with
# 5 % the parabola's interval would miss E in most of those, and in 8 % of all (docs/validation_unitary.md).
PARABOLA_P = 0.01
# Nearest potentials around E that are this far apart at most: E hardly hangs on the shape that is taken (simulated: a
# GHK current that reverses at -20 mV is off by 0.2 mV, with a gap of 80 mV by 0.5 and of 120 mV by 1.4 mV).
NEAR_MV = 40.0
NEARER = f"potentials nearer to it, {NEAR_MV:g} mV apart at most, would help"
NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan, "not_identified")
TWO_SIDED = 1.96


@dataclass(frozen=True)
class Relation:
    """The i-V relation of a patch: slope conductance (pS), reversal potential (mV), and whether it bends.

    `curve`: coefficients, highest first, of the polynomial in mV whose zero is the reversal potential, pA: two of a
    line, three of a parabola, none where there is neither.
    """

    conductance: Estimate
    reversal: Estimate
    n: int
    bend_p: float
    end_ratio: float
    rectification: str
    curve: tuple[float, ...] = ()

    @property
    def reversal_error_mv(self) -> float:
        """What counts as the standard error of E: of a parabola, with its few degrees of freedom, by its interval."""
        half = (self.reversal.ci_high - self.reversal.ci_low) / 2
        return half / TWO_SIDED if len(self.curve) > 2 else self.reversal.se


def fit_relation(membrane_mv, amplitude_pa, se_pa) -> Relation:
    """Fit a line through unitary currents, and a parabola where they bend beyond doubt.

    Parameters
    ----------
    membrane_mv, amplitude_pa, se_pa : arrays of shape (n,)
        Potentials, unitary currents and their standard errors, without NaN.
    """
    v, i, se = (np.asarray(values, float) for values in (membrane_mv, amplitude_pa, se_pa))
    n = len(v)
    if n < 2 or np.ptp(v) < 1:
        reason = f"{'no potential' if not n else 'one potential'} with a unitary current: record at more of them"
        none = replace(NOTHING, reason=reason)
        return Relation(none, none, n, np.nan, np.nan, UNTESTED)
    # Where there is no noise all points are alike; no point counts for more than all the others.
    least = max(0.05 * float(np.median(se)), 1e-9 * float(np.abs(i).max()), 1e-300)
    sd = np.maximum(se, least)
    slope, at_zero = np.polyfit(v, i, 1, w=1 / sd)
    if not slope > 0:
        reason = "the current does not grow with the potential: are the openings of the direction that was asked for?"
        none = replace(NOTHING, reason=reason)
        return Relation(none, none, n, np.nan, np.nan, UNTESTED)
    if n == 2:
        return _two_points(v, i, se)
    start = {"ns": slope, "reversal": -at_zero / slope}
    fit = fit_curve(lambda x, ns, reversal: ns * (x - reversal), v, i, start, sd=sd, starts=1)
    ns, reversal = fit.parameters["ns"], fit.parameters["reversal"]
    in_ps = [PS_PER_NS * value for value in (ns.value, ns.se, ns.ci_low, ns.ci_high)]
    p, ratio, name = _bend(v, i, sd)
    conductance = Estimate(*in_ps, ns.verdict, ns.reason)
    reach = np.ptp(v)
    if not v.min() - reach < reversal.value < v.max() + reach:
        reversal = replace(reversal, verdict="weak", reason="far outside the potentials: an extrapolation")
    if name.endswith("rectifying"):
        told = f"{name}: the slope is that of no potential (slopes at the ends differ {ratio:.2g}-fold); see the chord"
        conductance = conductance.weakened(told)
    curve = (ns.value, -ns.value * reversal.value)
    if p < BEND_P:
        reversal, curve = _bent_reversal(v, i, sd, reversal, curve, p)
    return Relation(conductance, reversal, n, p, ratio, name, curve)


def _bent_reversal(v, i, sd, line: Estimate, line_curve, p: float) -> tuple[Estimate, tuple[float, ...]]:
    """Return the reversal potential where a square term has this p, and the curve whose zero it is."""
    told = f"the relation bends (p = {p:.2g})"
    fit = _parabola(v, i, sd) if p < PARABOLA_P else None
    if fit is None:
        return line.weakened(f"{told}, and the reversal potential is that of a line: {NEARER}"), line_curve
    ns, reversal, bend = (fit.parameters[name] for name in ("ns", "reversal", "bend"))
    gap = v[v > reversal.value].min() - v[v < reversal.value].max()
    if gap > NEAR_MV:
        told += f", and the reversal potential is that of a parabola (of a line {line.value:.3g} mV)"
        reversal = reversal.weakened(f"{told}, in a gap of {gap:.0f} mV: {NEARER}")
    e, square = reversal.value, ns.value * bend.value
    return reversal, (square, ns.value - 2 * square * e, e * (square * e - ns.value))


def _parabola(v, i, sd) -> CurveFit | None:
    """Fit a parabola, i = g (V - E)(1 + b (V - E)); None where it does not rise through zero between the potentials."""
    a, b, c = np.polyfit(v, i, 2, w=1 / sd)
    inside = b**2 - 4 * a * c
    rising = (np.sqrt(inside) - b) / (2 * a) if inside > 0 else np.nan
    if not v.min() < rising < v.max():
        return None
    slope = np.sqrt(inside)
    start = {"ns": slope, "reversal": rising, "bend": a / slope}
    fit = fit_curve(
        lambda x, ns, reversal, bend: ns * (x - reversal) * (1 + bend * (x - reversal)), v, i, start, sd=sd, starts=1
    )
    found = fit.parameters["reversal"]
    return fit if np.isfinite([found.ci_low, found.ci_high]).all() and v.min() < found.value < v.max() else None


def _two_points(v, i, se) -> Relation:
    """Return the line through two points, its error that of the points."""
    ns = (i[1] - i[0]) / (v[1] - v[0])
    ns_se = np.hypot(*se) / abs(v[1] - v[0])
    reversal = v[0] - i[0] / ns
    reversal_se = np.hypot(se[0] * (v[1] - reversal), se[1] * (v[0] - reversal)) / abs(ns * (v[1] - v[0]))
    reason = "two potentials: a line without a test of it; a third would tell"

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(value, error, value - TWO_SIDED * error, value + TWO_SIDED * error, "weak", reason)

    conductance = estimate(float(PS_PER_NS * ns), float(PS_PER_NS * ns_se))
    curve = (float(ns), float(-ns * reversal))
    return Relation(conductance, estimate(float(reversal), float(reversal_se)), 2, np.nan, np.nan, UNTESTED, curve)


def _bend(v, i, sd) -> tuple[float, float, str]:
    """Return p of a square term, the ratio of the slopes at both ends (upper over lower), and what it is called."""
    if len(v) < FEWEST_TO_BEND:
        return np.nan, np.nan, UNTESTED
    centre, scale = v.mean(), np.ptp(v) / 2
    x, w = (v - centre) / scale, 1 / sd
    rss = []
    for degree in (1, 2):
        design = np.vander(x, degree + 1)
        coefficients = np.linalg.lstsq(design * w[:, None], i * w, rcond=None)[0]
        left = (i - design @ coefficients) * w
        rss.append(float(left @ left))
    dof = len(v) - 3
    rounding = 1e-18 * float((i * w) @ (i * w))
    gain, noise = rss[0] - rss[1], max(rss[1], rounding) / dof
    p = float(f_distribution.sf(gain / noise, 1, dof)) if gain > rounding else 1.0
    square, slope = coefficients[0], coefficients[1]
    low, high = slope - 2 * square, slope + 2 * square
    ratio = high / low if low > 0 else np.inf
    if p >= BEND_P or abs(np.log(max(ratio, 1e-9))) < np.log(1 + BEND_SHARE):
        return p, ratio, "linear"
    return p, ratio, "outward rectifying" if ratio > 1 else "inward rectifying"


def chord_level(levels: pd.DataFrame, expected_mv: float) -> float:
    """Return the potential at which most patches have a unitary current, of those the farthest from reversal."""
    used = levels[levels["verdict"] != "not_identified"]
    if used.empty:
        return np.nan
    patches = used.groupby("level_mv").size()
    best = patches[patches == patches.max()].index.to_numpy(float)
    # Of two equally far the positive one.
    return float(max(best, key=lambda v: (abs(v - expected_mv), v)))


def with_chords(levels: pd.DataFrame, settings: Mapping) -> pd.DataFrame:
    """Return amplitudes.csv: levels with the chord conductance of each, and whether it is part of the line.

    The reversal potential is the stated one, else that of the patch; its error is carried along (as if it were
    independent of the current's, which errs to the wide side where the line is straight).
    """
    table = levels.copy()
    stated = settings["unitary"].get("reversal_mv")
    table["in_line"] = (table["verdict"] != "not_identified") & table["amplitude_pa"].notna()
    chords = np.full((len(table), 2), np.nan)
    for _, places in table.groupby(["cell_id", "group"], sort=False).groups.items():
        own = table.loc[places]
        used = own[own["in_line"]]
        if stated:
            reversal, reversal_se = float(stated["value"]), 0.0
        else:
            found = fit_relation(used["membrane_mv"], used["amplitude_pa"], used["amplitude_se_pa"])
            reversal, reversal_se = found.reversal.value, found.reversal_error_mv
        force = own["membrane_mv"] - reversal
        # Near reversal a ratio of two small numbers says nothing.
        force = force.where(force.abs() > np.maximum(5.0, 3 * np.nan_to_num(reversal_se)))
        ps = PS_PER_NS * own["amplitude_pa"] / force
        chords[table.index.get_indexer(places), 0] = ps
        se = np.hypot(own["amplitude_se_pa"], own["amplitude_pa"] * reversal_se / force)
        chords[table.index.get_indexer(places), 1] = PS_PER_NS * se / force.abs()
    table["chord_ps"], table["chord_se_ps"] = chords.T
    return table


def unitary_fits(amplitudes: pd.DataFrame, experiment: str, settings: Mapping) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the i-V relation of each patch, and summarise groups of animals.

    Parameters
    ----------
    amplitudes : DataFrame
        Table of `with_chords`.

    Returns
    -------
    (fits, relations)
        fits.csv: slope_conductance, reversal and chord_conductance of patches and groups. relations: a row a patch with
        its potentials, the test of rectification and its name.
    """
    own = settings["unitary"]
    expected = own["reversal_mv"]["value"] if "reversal_mv" in own else 0.0
    at = float(own.get("chord_mv", chord_level(amplitudes, expected)))
    rows, relations = [], []
    for (cell, group), patch in amplitudes.groupby(["cell_id", "group"], sort=False):
        used = patch[patch["in_line"]]
        found = fit_relation(used["membrane_mv"], used["amplitude_pa"], used["amplitude_se_pa"])
        found = _with_levels(found, used)
        rows.append(fit_row(experiment, group, cell, LINE, "slope_conductance", "pS", found.conductance))
        rows.append(fit_row(experiment, group, cell, LINE, "reversal", "mV", found.reversal))
        if np.isfinite(at):
            chord = _chord(patch, at, None if "reversal_mv" in own else found)
            rows.append(fit_row(experiment, group, cell, f"{CHORD} at {at:+g} mV", "chord_conductance", "pS", chord))
        relations.append({
            "group": group, "cell_id": cell, "animal_id": patch["animal_id"].iloc[0], "potentials": found.n,
            "from_mv": used["membrane_mv"].min(), "to_mv": used["membrane_mv"].max(),
            "channels": int(patch["channels"].max()), "end_ratio": found.end_ratio, "bend_p": found.bend_p,
            "rectification": found.rectification,
        })  # fmt: skip
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    animals = dict(zip(amplitudes["cell_id"], amplitudes["animal_id"], strict=True))
    groups = group_rows(fits, animals) if len(fits) else fits
    return pd.concat([fits, groups], ignore_index=True), pd.DataFrame(relations)


def _with_levels(found: Relation, used: pd.DataFrame) -> Relation:
    """Carry weak levels into the verdict of the line: where most of its points are weak, so is it."""
    weak = int((used["verdict"] == "weak").sum())
    if not weak or weak <= len(used) / 2 or found.conductance.verdict == "not_identified":
        return found
    told = f"{weak} of {len(used)} potentials weak: {used.loc[used['verdict'] == 'weak', 'reason'].iloc[0]}"
    return replace(found, conductance=found.conductance.weakened(told), reversal=found.reversal.weakened(told))


def _chord(patch: pd.DataFrame, at: float, line: Relation | None) -> Estimate:
    """Return the chord conductance of a patch at a potential; `line`: where the reversal potential is that of it."""
    here = patch[(patch["level_mv"] == at) & patch["in_line"]]
    if here.empty:
        return replace(NOTHING, reason=f"no unitary current at {at:+g} mV")
    row = here.iloc[0]
    if not np.isfinite(row["chord_ps"]):
        reason = "no reversal potential: state unitary.reversal_mv, or record at more potentials"
        return replace(NOTHING, reason=reason)
    ps, se = float(row["chord_ps"]), float(row["chord_se_ps"])
    half = TWO_SIDED * se if np.isfinite(se) else np.nan
    chord = Estimate(ps, se, ps - half, ps + half, "identified")
    told = [row["reason"]] if row["verdict"] == "weak" else []
    if line is not None:
        told += [weakness] if (weakness := _of_the_line(line)) else []
    elif patch["in_line"].sum() == 1:
        told.append("one potential: rests on the stated reversal potential")
    return chord.weakened("; ".join(told))


def _of_the_line(line: Relation) -> str:
    """Say why the reversal potential of a patch is a weak ground for a chord; empty where it is a good one."""
    help_words = "state unitary.reversal_mv, or record on both sides of it"
    if line.n < FEWEST_TO_BEND:
        return (
            f"{line.n} potentials: whether the relation bends is not known, and so the reversal potential: {help_words}"
        )
    weak = line.reversal.verdict != "identified"
    return f"the reversal potential of the patch is weak ({line.reversal.reason}): {help_words}" if weak else ""


def compare_conductances(fits: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Compare slope and chord conductance of each two groups, the animal being the unit.

    Parameters
    ----------
    fits : DataFrame
        fits.csv.
    cells : DataFrame
        Indexed by cell_id, with animal_id and pair_id.
    """
    groups = list(dict.fromkeys(fits["group"]))
    pairs = [(a, b) for i, a in enumerate(groups) for b in groups[i + 1 :]]
    models = {model for model in fits["model"] if model.startswith(CHORD)}
    quantities = {(LINE, "slope_conductance"): "ratio"}
    quantities |= {(model, "chord_conductance"): "ratio" for model in sorted(models)}
    return compare_fits(fits, cells, pairs, quantities)
