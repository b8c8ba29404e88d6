"""Simulated studies of dose-response curves: what is put in, how it is told, and what comes out of many of them.

A study is eight cells of eight animals (five, where the label says so), each an inhibition curve by Hill's law whose
IC50 differs between cells (SD 0.25 of ln). One kind of design meets the model; the other has an error that the fit is
not told of. Each study goes through the functions that the notebook calls. The equation is written out here and not
imported. All numbers of the designs are assumed.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.curves import condition_fits, curve_fits, find_model, fit_curves
from validation.coverage import binomial_p, by_model, coverage_of, covered

IC50, HILL, CELL_SD_LN = 0.72, 1.2, 0.25
WIDE = (0.0, 0.1, 0.2, 0.4, 0.7, 1.2, 2.0, 4.0, 8.0)
SHORT = tuple(x for x in WIDE if x <= 0.4)
DOCUMENT = "validation_curves.md"
# Of each design that meets the model, unless asked otherwise.
STUDIES = 200


@dataclass(frozen=True)
class Design:
    """What is put in.

    `noise`: SD of a point, of the top; `sweeps`: of how many values a point is the mean, its SD given (0: none given).
    Not told: `rundown`, lost with each solution in rising order; `untouched`, current without block.
    """

    label: str
    levels: tuple[float, ...] = WIDE
    noise: float = 0.03
    cells: int = 8
    sweeps: int = 0
    rundown: float = 0.0
    untouched: float = 0.0


DESIGNS = (
    Design("8 cells; 3 % noise"),
    Design("5 cells; 3 % noise", cells=5),
    Design("8 cells; 10 % noise", noise=0.10),
    Design("8 cells; 3 % noise; weights from 10 sweeps", sweeps=10),
    Design("8 cells; 3 % noise; weights from 3 sweeps", sweeps=3),
    Design("8 cells; 3 % noise; IC50 beyond the range", levels=SHORT),
)
MISSPECIFIED = (
    Design("rundown of 2 % with each solution", rundown=0.02),
    Design("5 % of the current is not blocked", untouched=0.05),
)


def study_points(design: Design, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the points of a study and the IC50 put into each cell."""
    rng = np.random.default_rng([seed, *design.label.encode()])
    x = np.array(design.levels)
    truth = IC50 * np.exp(CELL_SD_LN * rng.normal(size=design.cells))
    tables = []
    for cell, ic50 in enumerate(truth):
        top = np.exp(0.3 * rng.normal())
        reached = design.untouched + (1 - design.untouched) / (1 + (x / ic50) ** HILL)
        y = top * reached * (1 - design.rundown) ** np.arange(x.size)
        n = max(design.sweeps, 1)
        read = y + design.noise * np.sqrt(n) * top * rng.normal(size=(n, x.size))
        sd = read.std(axis=0, ddof=1) if n > 1 else np.nan
        head = {"curve_id": f"c{cell}", "condition": "all", "animal_id": f"a{cell}"}
        tables.append(pd.DataFrame(head | {"x": x, "y": read.mean(axis=0), "sd": sd, "n": n if n > 1 else np.nan}))
    return pd.concat(tables, ignore_index=True), truth


def run_study(design: Design, seed: int) -> list[dict]:
    """Return what the analysis says of the IC50 of a study."""
    points, truth = study_points(design, seed)
    model = find_model("hill", "falling")
    curves = fit_curves(points, model)
    fits = curve_fits("validation", curves, model, ("mM", "1"))
    group = condition_fits(fits, curves).set_index("parameter").loc["ic50"]
    single = fits[fits["parameter"] == "ic50"].reset_index(drop=True)
    known = (single["verdict"] != "not_identified").to_numpy()
    inside = ((single["ci_low"] <= truth) & (truth <= single["ci_high"])).to_numpy()
    return [{
        "design": design.label, "seed": seed, "put_in": IC50, "estimate": group["estimate"],
        "ci_low": group["ci_low"], "ci_high": group["ci_high"], "verdict": group["verdict"],
        "cells": int(known.sum()), "cells_covered": int(inside[known].sum()),
        "cells_weak": int((single["verdict"] != "identified").sum()), "all_cells": design.cells,
    }]  # fmt: skip


def summarise(studies: pd.DataFrame) -> pd.DataFrame:
    """Return a row a design: studies, bias of the geometric mean (%) with its error, width, coverage, shares of weak.

    Width is the median upper limit over the estimate; coverage, of the group's interval and of the cells', has its p.
    """
    rows = []
    for design, found in studies.groupby("design", sort=False):
        known = found[np.isfinite(found["ci_low"])]
        errors = np.log(found["estimate"] / found["put_in"]).dropna()
        cells, cells_inside = found["cells"].sum(), found["cells_covered"].sum()
        rows.append({
            "design": design, "studies": len(found), "bias": 100 * np.expm1(errors.mean()),
            "bias_se": 100 * errors.std(ddof=1) / np.sqrt(max(len(errors), 1)),
            "width": (known["ci_high"] / known["estimate"]).median(),
            **coverage_of(known),
            "cell_coverage": cells_inside / cells if cells else np.nan, "cell_p": binomial_p(cells_inside, cells),
            "weak": (found["verdict"] != "identified").mean(),
            "cells_weak": found["cells_weak"].sum() / found["all_cells"].sum(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def document(studies: pd.DataFrame) -> str:
    """Return docs/validation_curves.md from the rows of `run_study`."""
    summary = summarise(studies)
    right, wrong, n, n_wrong = by_model(summary, DESIGNS)
    return f"""# Validation of the analysis of curves

Generated by `python -m validation.run curves --studies {n} --misspecified {n_wrong}` (`make validate STAGE=curves`); do
not edit. All data here are simulated, seeds from 0; what is put in stands in `validation/curves.py`.

A study is eight or five cells, each of its own animal, inhibited with an IC50 of {IC50} mM (SD {CELL_SD_LN} of ln
between cells), Hill slope {HILL}, at {len(WIDE)} concentrations from 0 to {WIDE[-1]:g} mM. Noise is the SD of a point
over the top.

- *Bias*: of the geometric mean of the cells that are not left out; ± its simulation standard error.
- *Width*: median of the group's upper limit over its estimate.
- *Coverage*: how often the 95 % interval holds what was put in; of cells, those that are identified or weak. **Bold**:
  not 95 % by the exact binomial test at the 1 % level.
- *Weak*: share labelled weak or not identified.

## Designs that meet the model

{_table(right)}

Weights from a few sweeps are themselves uncertain: the variances of a curve's points are moderated towards each other,
and cells are covered (taken as they were, three sweeps gave 88.8 %). An IC50 beyond the range is weak in each cell,
which says that higher concentrations would help: its interval does not hold, and the cells that are left out are those
with the largest IC50, so that the mean of the rest is low.

## What the fit is not told

{_table(wrong)}
"""


def _table(summary: pd.DataFrame) -> str:
    head = "| Design | Bias of IC50 | Width | Group coverage | Cell coverage | Weak groups | Weak cells |\n"
    lines = [
        f"| {r.design} | {r.bias:+.1f} ± {r.bias_se:.1f} % | {r.width:.2f} | {covered(r.coverage, r.coverage_p)} | "
        f"{covered(r.cell_coverage, r.cell_p)} | {100 * r.weak:.0f} % | {100 * r.cells_weak:.0f} % |"
        for r in summary.itertuples()
    ]
    return head + "|---|---|---|---|---|---|---|\n" + "\n".join(lines)
