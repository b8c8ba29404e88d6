"""Simulated mag-fura-2 runs: what is put in, how the analysis is told it, and what comes out of many of them.

A run is a plate: backgrounds, a calibration (in situ or a titration), and two groups of eight donors in triplicate,
0.45 and 0.35 mM (SD 0.06) unless the design says otherwise. Loading differs between wells (log-normal, 12 %), so does
Mg2+ between the wells of a donor (3 %); counts are Poisson. One kind of design meets the model; the other has an error
that the analysis is not told of. Each run goes through the very functions that the notebook calls.

The equations are written out here and not imported, so that an error there cannot hide itself: the dye is a mixture of
free and bound molecules, and the analysis sees its counts alone. All numbers are assumed, after the project's notes on
plates, sections 2 and 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.magnesium import (
    Settings,
    calibrate,
    compare_conditions,
    group_table,
    sample_table,
    samples,
)
from validation.coverage import by_model, coverage_of, covered, failures, mean_with_error

DOCUMENT = "validation_magnesium.md"
STUDIES = 1000
DRAWS = 1000
KD_MM, RMIN, RMAX, BETA = 1.9, 0.45, 3.4, 4.2
KD_CALCIUM_MM = 0.025
DONORS, DONOR_SD_MM, WELLS_A_DONOR = 8, 0.06, 3
LOADING_SD_LN, WELL_SD_LN, COUNTS = 0.12, 0.03, 20000.0
BACKGROUND = np.array([900.0, 700.0])
STANDARDS_MM = (0.0, 0.1, 0.3, 0.6, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
QUANTITIES = {"donor": "a donor", "mean": "mean of a group", "difference": "difference of the groups"}


@dataclass(frozen=True)
class Design:
    """What is put in. The errors of the second kind: what the analysis is not told.

    `kd_used_mm` is the Kd that the analysis takes; `hidden_background` a background of the samples that the background
    wells do not have, as a share of F380 of the free dye; `ceiling` the count at which the detector saturates;
    `rmax_mm` the free Mg2+ of the Rmax wells (infinity: wholly bound) and `rmax_told` whether the analysis knows it;
    `bleaching` the share lost between the reads at 340 and 380 nm; `drift` that of R in the samples against the
    calibration; `calcium_mm` Ca2+ in the cells; `edge` a gain at 380 nm in a third of the sample wells;
    `contamination_mm` Mg2+ in each standard beyond what is stated.
    """

    label: str
    calibration: str = "in_situ"
    wells: int = 6
    groups_mm: tuple[float, float] = (0.45, 0.35)
    donor_sd_mm: float = DONOR_SD_MM
    counts: float = COUNTS
    kd_used_mm: float = KD_MM
    hidden_background: float = 0.0
    ceiling: float = np.inf
    rmax_mm: float = np.inf
    rmax_told: bool = True
    bleaching: float = 0.0
    drift: float = 0.0
    calcium_mm: float = 0.0
    edge: float = 0.0
    contamination_mm: float = 0.0


DESIGNS = (
    Design("in situ, 6 wells of each role"),
    Design("in situ, 3 wells of each role", wells=3),
    Design("in situ, 8 wells, Rmax at 35 mM and told", wells=8, rmax_mm=35.0),
    Design("in situ, 6 wells, 2 and 1.2 mM", groups_mm=(2.0, 1.2), donor_sd_mm=0.2),
    Design("in situ, 6 wells, dim dye (600 counts)", counts=600.0),
    Design("in situ, 6 wells, 10 % bleached between the reads, alike in all wells", bleaching=0.10),
    Design("titration, ten levels in duplicate", calibration="titration", wells=2),
)
MISSPECIFIED = (
    Design("Kd 1.5 taken for 1.9", kd_used_mm=1.5),
    Design("background of 5 % of F380 not subtracted", hidden_background=0.05),
    Design("detector saturates at 18,000 counts", ceiling=18000.0),
    Design("Rmax at 35 mM, taken as wholly bound", rmax_mm=35.0, rmax_told=False),
    Design("R of the samples 5 % up against the calibration (unequal bleaching)", drift=0.05),
    Design("1 uM Ca2+ in the cells", calcium_mm=1e-3),
    Design("5 % more at 380 nm in a third of the sample wells (edge)", edge=0.05),
    Design("titration with 0.05 mM Mg2+ too much in each standard", "titration", 2, contamination_mm=0.05),
)


def study_wells(design: Design, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the wells of a run as `mgk.magnesium.paired_wells` does, and the free Mg2+ put into each donor in mM."""
    rng = np.random.default_rng([seed, *design.label.encode()])
    rows: list[tuple] = [("background", "", "", np.nan, np.nan)] * max(design.wells, 6)
    if design.calibration == "in_situ":
        rows += [("rmin", "", "", 0.0, np.nan)] * design.wells
        rows += [("rmax", "", "", design.rmax_mm, np.nan)] * design.wells
    else:
        rows += [("standard", "", "", mm + design.contamination_mm, mm) for mm in STANDARDS_MM * design.wells]
    true = {}
    for group, mean_mm in zip("ab", design.groups_mm, strict=True):
        for donor in range(DONORS):
            name = f"{group}{donor}"
            true[name] = max(rng.normal(mean_mm, design.donor_sd_mm), 0.02)
            rows += [
                ("sample", name, group, true[name] * np.exp(rng.normal(0, WELL_SD_LN)), np.nan)
                for _ in range(WELLS_A_DONOR)
            ]
    wells = pd.DataFrame(rows, columns=["role", "sample_id", "condition", "inside_mm", "magnesium_mm"])
    wells[["f340", "f380"]] = _counts(design, wells, rng)
    place = {"run_id": "run", "plate_id": "plate", "well": [f"w{i}" for i in range(len(wells))], "reason": ""}
    return wells.assign(animal_id=wells["sample_id"], **place), true


def _counts(design: Design, wells: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return what the reader counts at 340 and 380 nm, shape (n, 2)."""
    sample = (wells["role"] == "sample").to_numpy()
    inside = wells["inside_mm"].to_numpy() / KD_MM + np.where(sample, design.calcium_mm / KD_CALCIUM_MM, 0.0)
    bound = np.where(np.isinf(inside), 1.0, inside / (1.0 + np.where(np.isinf(inside), 0.0, inside)))
    dye = np.column_stack([RMIN * (1 - bound) + RMAX * bound / BETA, 1 - bound + bound / BETA])
    load = design.counts * np.exp(rng.normal(0, LOADING_SD_LN, len(wells)))
    signal = np.where((wells["role"] == "background").to_numpy()[:, None], 0.0, load[:, None] * dye)
    signal[:, 1] *= 1 - design.bleaching
    signal[sample, 0] *= 1 + design.drift
    signal[np.flatnonzero(sample)[::WELLS_A_DONOR], 1] *= 1 + design.edge
    background = BACKGROUND * min(1.0, design.counts / COUNTS)
    hidden = design.hidden_background * design.counts * sample[:, None]
    return np.minimum(rng.poisson(signal + background + hidden), design.ceiling)


def run_study(design: Design, seed: int) -> list[dict]:
    """Return what the analysis says of a run: a donor, the mean of a group, the difference of the groups."""
    wells, true = study_wells(design, seed)
    told = design.rmax_mm if design.rmax_told and np.isfinite(design.rmax_mm) else None
    given = Settings(design.kd_used_mm, "validation", told, calibration=design.calibration)
    calibrations = calibrate(wells, given, draws=DRAWS, seed=seed)
    found = samples(wells, calibrations)
    donor = sample_table(found[:1], calibrations, given, seed).iloc[0]
    group = group_table([s for s in found if s.condition == "a"], calibrations, given, seed=seed, published=False)
    mean = group[group["statistic"] == "mean"].iloc[0]
    difference = compare_conditions(found, calibrations, given, scales=["difference"], seed=seed).iloc[0]
    put_in = {"donor": true["a0"], "mean": design.groups_mm[0], "difference": -np.subtract(*design.groups_mm)}
    estimates = {
        "donor": donor["free_magnesium_mm"],
        "mean": mean["estimate"],
        "difference": difference["difference"],
    }
    rows = {"donor": donor, "mean": mean, "difference": difference}
    return [
        {
            "design": design.label, "seed": seed, "quantity": quantity, "put_in": put_in[quantity],
            "estimate": estimates[quantity], "ci_low": row["ci_low"], "ci_high": row["ci_high"],
        }
        for quantity, row in rows.items()
    ]  # fmt: skip


def summarise(studies: pd.DataFrame) -> pd.DataFrame:
    """Return bias and coverage of each design and quantity.

    Returns
    -------
    DataFrame
        design, quantity, studies, without (share without a finite estimate or an interval), bias and bias_se (mean
        error over the mean put in, in percent), width (median half width of the interval over what
        was put in, in percent), coverage and coverage_p (binomial test against 95 %).
    """
    rows = []
    for (design, quantity), found in studies.groupby(["design", "quantity"], sort=False):
        known = found[np.isfinite(found["estimate"].astype(float)) & found["ci_low"].notna()]
        errors = known["estimate"] - known["put_in"]
        scale = 100 / abs(known["put_in"].mean())
        rows.append({
            "design": design, "quantity": quantity, "studies": len(found), "without": 1 - len(known) / len(found),
            **mean_with_error(scale * errors),
            "width": (50 * (known["ci_high"] - known["ci_low"]) / known["put_in"].abs()).median(),
            **coverage_of(known),
        })  # fmt: skip
    return pd.DataFrame(rows)


def document(studies: pd.DataFrame) -> str:
    """Return docs/validation_magnesium.md from the rows of `run_study`."""
    summary = summarise(studies)
    right, wrong, n, n_wrong = by_model(summary, DESIGNS)
    return f"""# Validation of the magnesium calibration

Generated by `python -m validation.run magnesium --studies {n} --misspecified {n_wrong}` (`make validate`); do not edit.
All data here are simulated: {n} runs of each design that meets the model and {n_wrong} of each that does not, seeds
from 0. What is put in stands in `validation/magnesium.py`.

A run has six backgrounds or more, a calibration, and two groups of eight donors in triplicate with a mean of 0.45 and
0.35 mM (SD between donors 0.06) unless said otherwise. Kd is 1.9 mM, Rmin 0.45, Rmax 3.4, β 4.2. Loading differs
between wells (12 %), Mg²⁺ between the wells of a donor (3 %), counts are Poisson. Each run goes through `mgk.magnesium`
as in the notebook.

- *A donor*: one donor of each run, against its own value. *Mean*: against that of the population. *Difference*: of the
  two groups, against that of the populations.
- *Bias*: mean error over what was put in; ± its simulation standard error. *Width*: median half width of the 95 %
  interval over what was put in.
- *Coverage*: how often the 95 % interval holds what was put in. **Bold**: not 95 % by the exact binomial test at the
  1 % level.

## Designs that meet the model

{table(right)}

{failures(zip(right["quantity"].map(QUANTITIES), right["design"], right["coverage"], right["coverage_p"], strict=True))}

The degrees of freedom are those of Welch and Satterthwaite, which is an approximation: where the three wells of a donor
hold most of its variance, as they do beside a precise titration (83 % in the median run), it covers 92 to 94 %, where
several parts with few wells weigh alike, 96 to 97 %. The interval of a donor is therefore taken at the level at which
it holds 95 % for the variances found. Beside a titration it stays a little short of that, since three wells tell little
of their own variance. Wells are not pooled over donors: a bad well of one would move the intervals of the others.

## What the analysis is not told

In situ, 6 wells of each role, and one error more. Here coverage fails, and the interval does not warn.

{table(wrong)}

A wrong Kd scales every value and every difference alike: only the ratio of two groups is free of it. What adds to all
wells of a sample (background, Ca²⁺) shifts means and cancels in part in differences.
"""


def table(summary: pd.DataFrame, quantities: Mapping[str, str] = QUANTITIES) -> str:
    """Return a Markdown table, a row per design and quantity; `quantities` in words, the first names the design."""
    lines = ["| Design | | Bias | Width | Coverage | No interval |", "|" + "---|" * 6]
    for _, row in summary.iterrows():
        cells = [
            row["design"] if row["quantity"] == next(iter(quantities)) else "",
            quantities[row["quantity"]],
            f"{row['bias']:+.1f} ± {row['bias_se']:.1f} %",
            f"{row['width']:.0f} %",
            covered(row["coverage"], row["coverage_p"]),
            f"{100 * row['without']:.1f} %",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
