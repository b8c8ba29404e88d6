"""Simulated phosphate plates: what is put in, and what comes out of many of them.

A study is one plate: standards 0 to 100 nmol in duplicate, one preparation over eight totals of Mg2+, total and ouabain
in duplicate, two nonenzymatic wells for each Mg2+, and three checks of known phosphate in duplicate. It goes through
the functions that the notebook calls. What is put in follows Michaelis and Menten in free Mg2+; the equations are
written out here and not imported, but for the free Mg2+ of the tubes.

All numbers of the designs are assumed, after the project's notes on plates, section 5.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from mgk import atpase
from validation.coverage import by_model, coverage_of, covered, failures, mean_with_error

STUDIES = 1000
DOCUMENT = "validation_atpase.md"
MEDIUM = {
    "ph": 7.4,
    "temperature_c": 37,
    "ionic_strength_m": 0.15,
    "totals_mm": {"Na": 100, "K": 20, "Cl": 120, "EGTA": 1, "Tris": 30},
    "inert": ["Tris"],
}
MAGNESIUM_MM, ATP_MM = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0), 3.0
STANDARDS_NMOL, CHECKS_NMOL = (0, 5, 10, 20, 40, 60, 80, 100), (15.0, 35.0, 55.0)
VMAX, K05_MM, RESISTANT = 20.0, 0.6, 3.0
PROTEIN_UG, TIME_MIN = 10.0, 15.0
BLANK_NMOL, SLOPE, INTERCEPT = 15.0, 0.0075, 0.06
PARAMETERS = {"phosphate": "Pi, nmol", "vmax": "Vmax", "k05": "K0.5", "total": "total activity"}


@dataclass(frozen=True)
class Design:
    """What is put in. `colour`, `enzyme` are relative SD, `reader` is in AU.

    The errors that the analysis is not told of: `protein` true over stated protein; `blanks_hold` the share of the
    nonenzymatic phosphate that the nonenzymatic wells show; above `saturates_nmol` the colour rises with
    `saturated_slope` of its slope; `abscissa` is what is taken for free Mg2+.
    """

    label: str
    colour: float = 0.02
    enzyme: float = 0.03
    reader: float = 0.003
    protein: float = 1.0
    blanks_hold: float = 1.0
    saturates_nmol: float = np.inf
    saturated_slope: float = 1.0
    abscissa: str = "free_magnesium"


DESIGNS = (
    Design("colour 2 %, enzyme 3 %"),
    Design("the same scatter at every amount", colour=0.0, enzyme=0.0, reader=0.008),
)
MISSPECIFIED = (
    Design("nonenzymatic phosphate not subtracted", blanks_hold=0.0),
    Design("colour saturates above 50 nmol, by half", saturates_nmol=50.0, saturated_slope=0.5),
    Design("protein 10 % less than stated", protein=0.9),
    Design("total Mg2+ taken for free", abscissa="total_magnesium"),
)


@cache
def free_mm() -> np.ndarray:
    """Return the free Mg2+ of the tubes."""
    tubes = pd.DataFrame({"magnesium_total_mm": MAGNESIUM_MM, "atp_mm": ATP_MM})
    return atpase.tube_solutions(tubes, MEDIUM, "webmaxc")["magnesium_free_mm"].to_numpy()


def plate(design: Design, seed: int) -> pd.DataFrame:
    """Return the wells of a study as `load_wells` does."""
    rng = np.random.default_rng([seed, *design.label.encode()])
    rows = []

    def wells(role: str, nmol: float, n: int = 2, **columns) -> None:
        for _ in range(n):
            seen = min(nmol, design.saturates_nmol)
            seen += design.saturated_slope * max(nmol - design.saturates_nmol, 0.0)
            colour = SLOPE * seen * (1 + design.colour * rng.normal())
            value = INTERCEPT + colour + design.reader * rng.normal()
            rows.append({"well": f"w{len(rows)}", "role": role, "value": value, **columns})

    for nmol in STANDARDS_NMOL:
        wells("standard", float(nmol), standard_nmol=float(nmol))
    for nmol in CHECKS_NMOL:
        wells("sample", nmol, sample_id=f"{nmol:g}", preparation_id="check")
    for total_mm, free in zip(MAGNESIUM_MM, free_mm(), strict=True):
        tube = {"magnesium_total_mm": total_mm, "atp_mm": ATP_MM, "time_min": TIME_MIN, "aliquot_ul": 250.0}
        wells("nonenzymatic", design.blanks_hold * BLANK_NMOL, **tube)
        who = {"sample_id": "A", "animal_id": "A", "preparation_id": "A-m", "condition": "all"}
        pump = VMAX * free / (K05_MM + free)
        for role, activity in (("total", pump + RESISTANT), ("ouabain", RESISTANT)):
            for _ in range(2):
                made = activity * design.protein * PROTEIN_UG * TIME_MIN / 60 * (1 + design.enzyme * rng.normal())
                what = {"protein_ug": PROTEIN_UG, "ouabain_mm": float(role == "ouabain")}
                wells(role, BLANK_NMOL + made, 1, **tube, **who, **what)
    frame = pd.DataFrame(rows).assign(plate_id="p", flag="")
    text = ["sample_id", "animal_id", "preparation_id", "condition"]
    return frame.fillna(dict.fromkeys(text, ""))


def run_study(design: Design, seed: int) -> list[dict]:
    """Return what the analysis says of a plate: a row for each known phosphate, total activity, Vmax and K0.5."""
    wells = plate(design, seed)
    curves = atpase.standard_curves(wells)
    head = {"design": design.label, "seed": seed, "saturates": bool(curves["p"].saturated_nmol)}
    amounts = atpase.amounts_table(wells, curves).query("role == 'sample'")
    rows = [
        head | {"parameter": "phosphate", "put_in": float(r.sample_id), "estimate": r.amount_nmol,
                "ci_low": r.ci_low, "ci_high": r.ci_high, "verdict": "identified"}
        for r in amounts.itertuples()
    ]  # fmt: skip
    activity = atpase.activity_table(wells, curves, MEDIUM, "webmaxc")
    last = activity[activity["magnesium_total_mm"] == 6.0].iloc[0]
    free = free_mm()[MAGNESIUM_MM.index(6.0)]
    rows.append(head | {
        "parameter": "total", "put_in": VMAX * free / (K05_MM + free) + RESISTANT, "estimate": last["total_activity"],
        "ci_low": last["total_ci_low"], "ci_high": last["total_ci_high"], "verdict": "identified",
    })  # fmt: skip
    fits = atpase.kinetic_fits(atpase.fit_animals(activity, ["michaelis_menten"], [design.abscissa]), "validation")
    for fit in fits[fits["unit_id"] == "A"].itertuples():
        true = VMAX if fit.parameter == "vmax" else K05_MM
        rows.append(head | {
            "parameter": fit.parameter, "put_in": true, "estimate": fit.estimate, "ci_low": fit.ci_low,
            "ci_high": fit.ci_high, "verdict": fit.verdict,
        })  # fmt: skip
    return rows


def summarise(studies: pd.DataFrame) -> pd.DataFrame:
    """Return bias and coverage of each design and parameter.

    Returns
    -------
    DataFrame
        design, parameter, studies, n (intervals), bias and bias_se (percent), coverage with coverage_p (binomial test
        against 95 %), weak (share not identified or weak), saturates (share of plates whose curve was cut).
        Estimates that are not identified are in no bias and no coverage.
    """
    rows = []
    for (design, parameter), found in studies.groupby(["design", "parameter"], sort=False):
        known = found[found["verdict"] != "not_identified"]
        errors = 100 * (known["estimate"] / known["put_in"] - 1)
        rows.append({
            "design": design, "parameter": parameter, "studies": found["seed"].nunique(), "n": len(known),
            **mean_with_error(errors), **coverage_of(known),
            "weak": (found["verdict"] != "identified").mean(), "saturates": found["saturates"].mean(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def document(studies: pd.DataFrame) -> str:
    """Return docs/validation_atpase.md from the rows of `run_study`."""
    summary = summarise(studies)
    right, wrong, n, n_wrong = by_model(summary, DESIGNS)
    intervals = right[["parameter", "design", "coverage", "coverage_p"]].replace({"parameter": PARAMETERS})
    return f"""# Validation of the ATPase analysis

Generated by `python -m validation.run atpase --studies {n} --misspecified {n_wrong}` (`make validate`); do not edit.
All data here are simulated: {n} plates of each design that meets the model and {n_wrong} of each that does not, seeds
from 0. What is put in stands in `validation/atpase.py`.

A study is one plate with one preparation. Vmax is {VMAX:g} µmol/mg/h, K0.5 {K05_MM:g} mM free Mg²⁺; three checks hold
{", ".join(f"{v:g}" for v in CHECKS_NMOL)} nmol of phosphate.

- *Bias*: mean of the estimates over the value put in, ± its simulation standard error.
- *Coverage*: how often the 95 % interval holds the value put in: Fieller's for phosphate and total activity,
  profile likelihood with the error of the standard curve for Vmax and K0.5. **Bold**: not 95 % by the exact binomial
  test at the 1 % level.
- *Weak*: share labelled weak or not identified; what is not identified is in no bias and no coverage. In good plates it
  is those whose standards lie on no straight line by the lack-of-fit test (5 %).
- *Cut*: share of plates whose highest standards were found saturated and left out.

## Designs that meet the model

{table(right)}

{failures(intervals.itertuples(index=False, name=None))}

## What the analysis is not told

{table(wrong)}

Ouabain-sensitive activity, and with it Vmax and K0.5, do not need the nonenzymatic wells, so that their error shows in
the total activity alone.

Where standards saturate, amounts above their straight part are lower limits, are not fitted, and their interval is open
above. Vmax and K0.5 are then weak at the best, with that reason; those that are not “not identified” rest on plates in
which the beginning of the saturation was not seen, and their intervals do not hold.
"""


def table(summary: pd.DataFrame) -> str:
    """Return a Markdown table, a row per design and parameter."""
    lines = ["| Design | | Bias | Coverage | Weak | Cut |", "|" + "---|" * 6]
    before = ""
    for _, row in summary.iterrows():
        known = row["n"] > 0
        cells = [
            row["design"] if row["design"] != before else "",
            PARAMETERS[row["parameter"]],
            f"{row['bias']:+.1f} ± {row['bias_se']:.1f} %" if known else "–",
            covered(row["coverage"], row["coverage_p"]),
            f"{100 * row['weak']:.0f} %",
            f"{100 * row['saturates']:.0f} %",
        ]
        before = row["design"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
