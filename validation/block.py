"""Simulated studies of block: what is put in, how the fit is told it, and what comes out of many of them.

A study is six cells of six animals. Their Ki(0) differ (SD 0.15 of ln), every recording has a gain error (SD 5 %), and
independent noise is added (a fraction of the mean size of the control). One kind of design meets the model; the
other has an error that the fit is not told of. Each study goes through the very functions that the notebook calls,
with the model chosen by AICc unless the design names one.

The equations are written out here and not imported, so that an error there cannot hide itself. Steady currents are
simulated, not traces; the error of reading traces is tested elsewhere. All numbers of the designs are assumed, after
the project's notes on recordings, section 6.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk.block import PLAIN, BlockModel, block_fits, chosen_model, compare_models, fit_cells
from mgk.measured_currents import POINT_COLUMNS
from validation.coverage import TEST_LEVEL, binomial_p, by_model, coverage_of, covered

CELLS = 6
CELL_SD_LN_KI = 0.15
GAIN_SD = 0.05
CONDUCTANCE_SD_LN = 0.2
Z_DELTA = 0.6
LEVELS_MV = np.arange(-100.0, 101, 20)
INSIDE_MM, OUTSIDE_MM, TEMPERATURE_C = 110.0, 100.0, 22.0
THERMAL_MV = 8.31446261815324 * (TEMPERATURE_C + 273.15) / 96.48533212331001
SERIES_ITERATIONS = 100
DOCUMENT = "validation.md"
# Of each design that meets the model, unless asked otherwise.
STUDIES = 1000


@dataclass(frozen=True)
class Design:
    """What is put in. The errors of the second kind: what the fit is not told.

    `noise` is a fraction of the mean size of the control; `rundown` the fraction of channels lost with each recording,
    the solutions in rising order; `leak` the leak at +100 mV as a fraction of the control there; `series_mohm` with a
    control of `control_pa` at +100 mV; `junction_mv` is added to the recorded potential; `exit_ratio` and
    `z_delta_exit` let the blocker permeate. `model` is fitted whatever AICc says.
    """

    label: str
    ki0_mm: float
    magnesium_mm: tuple[float, ...]
    noise: float
    rundown: float = 0.0
    leak: float = 0.0
    series_mohm: float = 0.0
    control_pa: float = 500.0
    junction_mv: float = 0.0
    exit_ratio: float = 0.0
    z_delta_exit: float = 0.0
    gain_sd: float = GAIN_SD
    model: BlockModel | None = None

    @property
    def firm(self) -> bool:
        """Whether there are several concentrations and at most 3 % noise, so that the result should be firm."""
        return len(self.magnesium_mm) > 1 and self.noise <= 0.03


DESIGNS = (
    Design("Ki(0) 5; 0.1 to 10 mM; 3 % noise", 5.0, (0.1, 0.3, 1, 3, 10), 0.03),
    Design("Ki(0) 5; 1 and 5 mM; 3 % noise", 5.0, (1, 5), 0.03),
    Design("Ki(0) 1.5; 1 and 5 mM; 3 % noise", 1.5, (1, 5), 0.03),
    Design("Ki(0) 5; 1 mM only; 3 % noise", 5.0, (1,), 0.03),
    Design("Ki(0) 1.5; 1 and 5 mM; 10 % noise", 1.5, (1, 5), 0.10),
    Design("Ki(0) 1.5; 5 mM only; 10 % noise", 1.5, (5,), 0.10),
    Design("Ki(0) 5; 1 and 5 mM; 3 % noise; equal gains", 5.0, (1, 5), 0.03, gain_sd=0.0),
)
MISSPECIFIED = (
    Design("rundown of 10 % with each solution", 5.0, (1, 5), 0.03, rundown=0.10),
    Design("the same rundown, no gains allowed", 5.0, (1, 5), 0.03, rundown=0.10, model=PLAIN),
    Design("leak of 5 % of the control at +100 mV", 5.0, (1, 5), 0.03, leak=0.05),
    Design("series resistance 5 MOhm at 5 nA", 5.0, (1, 5), 0.03, series_mohm=5.0, control_pa=5000.0),
    Design("junction potential of 5 mV", 5.0, (1, 5), 0.03, junction_mv=5.0),
    Design("junction potential of 10 mV", 5.0, (1, 5), 0.03, junction_mv=10.0),
    Design("permeant blocker, r 0.05, z delta exit 0.6", 5.0, (1, 5), 0.03, exit_ratio=0.05, z_delta_exit=0.6),
)


def study_points(design: Design, seed: int) -> pd.DataFrame:
    """Return the steady currents of a study as `mgk.measured_currents.steady_currents` does."""
    rng = np.random.default_rng([seed, *design.label.encode()])
    solutions = np.array([0.0, *design.magnesium_mm])
    shape = (CELLS, solutions.size, LEVELS_MV.size)
    ki0 = design.ki0_mm * np.exp(CELL_SD_LN_KI * rng.normal(size=(CELLS, 1, 1)))
    conductance = design.control_pa * np.exp(CONDUCTANCE_SD_LN * rng.normal(size=(CELLS, 1, 1)))
    gain = 1 + design.gain_sd * rng.normal(size=(CELLS, solutions.size, 1))
    gain = gain * (1 - design.rundown) ** np.arange(solutions.size)[:, None]
    noise = design.noise * conductance * np.abs(_control(LEVELS_MV)).mean() * rng.normal(size=shape)
    command = np.broadcast_to(LEVELS_MV, shape)
    membrane = command
    for _ in range(SERIES_ITERATIONS if design.series_mohm else 1):
        current = gain * conductance * _control(membrane) / _leaving(design, ki0, solutions[:, None], membrane)
        current = current + conductance * design.leak * membrane / 100
        membrane = command - 1e-3 * design.series_mohm * current
    index = np.indices(shape).reshape(3, -1)
    cell = np.array([f"c{i}" for i in range(CELLS)])[index[0]]
    points = pd.DataFrame({
        "experiment": "validation", "group": "all", "cell_id": cell, "animal_id": cell,
        "recording_id": [f"{c}_{s}" for c, s in zip(cell, index[1], strict=True)], "sweep": index[2],
        "ligand": "Mg", "ligand_side": "internal", "ligand_total_mm": solutions[index[1]],
        "ligand_free_mm": solutions[index[1]], "ligand_source": "simulated", "configuration": "inside_out",
        "temperature_c": TEMPERATURE_C, "potassium_internal_mm": INSIDE_MM, "potassium_external_mm": OUTSIDE_MM,
        "nernst_potassium_mv": np.nan, "level_mv": LEVELS_MV[index[2]],
        "membrane_mv": LEVELS_MV[index[2]] + design.junction_mv, "current_pa": (current + noise).ravel(),
        "excluded": False, "reason": "",
    })  # fmt: skip
    return points[list(POINT_COLUMNS)]


def _control(membrane_mv: np.ndarray) -> np.ndarray:
    """Return the GHK current of K+, 1 at +100 mV."""

    def ghk(potential):
        u = np.where(np.abs(potential) < 1e-6, 1e-6, potential) / THERMAL_MV
        return u * (INSIDE_MM - OUTSIDE_MM * np.exp(-u)) / (1 - np.exp(-u))

    return ghk(membrane_mv) / ghk(np.float64(100.0))


def _leaving(design: Design, ki0_mm, free_mm, membrane_mv) -> np.ndarray:
    """Return I0/I: 1 + c / Ki(V)."""
    u = membrane_mv / THERMAL_MV
    ratio = design.exit_ratio
    ki = ki0_mm * (np.exp(-Z_DELTA * u) + ratio * np.exp(design.z_delta_exit * u)) / (1 + ratio)
    return 1 + free_mm / ki


def run_study(design: Design, seed: int) -> list[dict]:
    """Return what the analysis says of a study: a row per parameter, of the group and its cells."""
    points = study_points(design, seed)
    model = design.model or chosen_model(compare_models(points))
    cells = fit_cells(points, model)
    fits = block_fits(cells)
    truth = _put_in(design, seed)
    rows = []
    for parameter in ("ki0_mm", "z_delta"):
        of_it = fits[fits["parameter"] == parameter].set_index("unit_id")
        group, single = of_it.loc[""], of_it.drop(index="")
        known = single["verdict"] != "not_identified"
        true = truth[parameter]
        rows.append({
            "design": design.label, "seed": seed, "parameter": parameter, "model": model.named("internal"),
            "put_in": design.ki0_mm if parameter == "ki0_mm" else Z_DELTA,
            "estimate": group["estimate"], "ci_low": group["ci_low"], "ci_high": group["ci_high"],
            "verdict": group["verdict"],
            "cells": int(known.sum()),
            "cells_covered": int(((single["ci_low"] <= true) & (true <= single["ci_high"]))[known].sum()),
            "cells_weak": int((single["verdict"] != "identified").sum()),
        })  # fmt: skip
    return rows


def _put_in(design: Design, seed: int) -> dict[str, np.ndarray]:
    """Return what was put into each cell, by drawing it again."""
    rng = np.random.default_rng([seed, *design.label.encode()])
    return {
        "ki0_mm": design.ki0_mm * np.exp(CELL_SD_LN_KI * rng.normal(size=CELLS)),
        "z_delta": np.full(CELLS, Z_DELTA),
    }


def summarise(studies: pd.DataFrame) -> pd.DataFrame:
    """Return bias, coverage and labels of each design and parameter.

    Returns
    -------
    DataFrame
        design, parameter, studies, bias (of the geometric mean of Ki(0) in percent; of the mean z delta), bias_se,
        width (median ratio of the upper limit to the estimate of Ki(0); median distance of it, z delta), coverage and
        coverage_p (binomial test against 95 %) of the group's interval, cell_coverage and cell_p of the cells', weak
        and cells_weak (shares labelled weak or not identified), gain and permeant (shares with that model).
    """
    rows = []
    for (design, parameter), found in studies.groupby(["design", "parameter"], sort=False):
        known = found[found["verdict"] != "not_identified"]
        if parameter == "ki0_mm":
            errors = np.log(known["estimate"] / known["put_in"])
            bias, bias_se = 100 * np.expm1(errors.mean()), 100 * errors.std(ddof=1) / np.sqrt(len(errors))
            width = (known["ci_high"] / known["estimate"]).median()
        else:
            errors = known["estimate"] - known["put_in"]
            bias, bias_se = errors.mean(), errors.std(ddof=1) / np.sqrt(len(errors))
            width = (known["ci_high"] - known["estimate"]).median()
        rows.append({
            "design": design, "parameter": parameter, "studies": len(found), "bias": bias, "bias_se": bias_se,
            "width": width, **coverage_of(known),
            "cell_coverage": known["cells_covered"].sum() / max(known["cells"].sum(), 1),
            "cell_p": binomial_p(known["cells_covered"].sum(), known["cells"].sum()),
            "weak": (found["verdict"] != "identified").mean(),
            "cells_weak": found["cells_weak"].sum() / (CELLS * len(found)),
            "gain": found["model"].str.contains("gain").mean(),
            "permeant": found["model"].str.contains("permeant").mean(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def document(studies: pd.DataFrame) -> str:
    """Return docs/validation.md from the rows of `run_study`."""
    return text(*by_model(summarise(studies), DESIGNS))


def text(right: pd.DataFrame, wrong: pd.DataFrame, n: int, n_wrong: int) -> str:
    """Return the text from the summaries of the designs that meet the model and of those that do not."""
    return f"""# Validation of the block analysis

Generated by `python -m validation.run --studies {n} --misspecified {n_wrong}` (`make validate`); do not edit. All data
here are simulated: {n} studies of each design that meets the model and {n_wrong} of each that does not, seeds from 0.
What is put in stands in `validation/block.py`.

A study is six cells of six animals, recorded from -100 to +100 mV in a control and in the Mg²⁺ named. Ki(0) differs
between cells (SD 0.15 of ln), each recording has a gain error (SD 5 % unless said otherwise), zδ is 0.6. Noise is a
fraction of the mean size of the control. Each study goes through `mgk.block` as in the notebook: the model is chosen by
AICc, cells are fitted, groups are means over animals.

- *Bias*: of Ki(0), the geometric mean of the groups' estimates over the value put in; of zδ, the mean difference; ± its
  simulation standard error.
- *Width*: median of the group's upper limit over its estimate (Ki(0), fold), or of its distance (zδ).
- *Coverage*: how often the 95 % interval holds the value put in. Group: t interval over animals. Cells: profile
  likelihood, against the cell's own value. **Bold**: not 95 % by the exact binomial test at the 1 % level.
- *Weak*: share labelled weak or not identified, of groups and of cells. *Gain*, *permeant*: share of studies in which
  it was added. What is not identified has no estimate and is in no bias and no coverage.

## Designs that meet the model

{table(right)}

{told_designs(right)}

## What the fit is not told

Ki(0) 5 mM, 1 and 5 mM Mg²⁺, 3 % noise, and one error more, which is left uncorrected. Bias and coverage are against the
value put in: here coverage may well fail, and the interval does not warn.

{table(wrong)}

{told_errors(wrong)}
"""


def table(summary: pd.DataFrame) -> str:
    """Return a Markdown table, a row per design and parameter."""
    head = "| Design | | Bias | Width | Group coverage | Cell coverage | Weak groups | Weak cells | Gain | Permeant |"
    lines = [head, "|" + "---|" * 10]
    for _, row in summary.iterrows():
        of_ki = row["parameter"] == "ki0_mm"
        cells = [
            row["design"] if of_ki else "",
            "Ki(0)" if of_ki else "zδ",
            f"{row['bias']:+.1f} ± {row['bias_se']:.1f} %" if of_ki else f"{row['bias']:+.3f} ± {row['bias_se']:.3f}",
            f"{row['width']:.2f}" if of_ki else f"{row['width']:.3f}",
            covered(row["coverage"], row["coverage_p"]),
            covered(row["cell_coverage"], row["cell_p"]),
            *(f"{100 * row[name]:.0f} %" for name in ("weak", "cells_weak", "gain", "permeant")),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def told_designs(summary: pd.DataFrame) -> str:
    """Say in words where the acceptance of the project is met, and where coverage fails."""
    labels = {design.label for design in DESIGNS if design.firm}
    firm, others = (summary[summary["design"].isin(labels) == inside] for inside in (True, False))
    ki, z_delta = (firm.loc[firm["parameter"] == name, "bias"].abs().max() for name in ("ki0_mm", "z_delta"))
    worst = others.loc[others["parameter"] == "ki0_mm", "bias"].abs().max()
    return f"""Several concentrations and 3 % noise: bias is at most {ki:.1f} % of Ki(0) and {z_delta:.3f} of zδ.
Allowed are 3 % and 0.01.

{failures(firm, "coverage", "Group")}
{failures(firm, "cell_coverage", "Cell")}

Where cells fail and groups do not: a gain error that AICc does not see is not in the interval of a cell, but it is in
the scatter between animals. The design with equal gains shows the cells without it.

One concentration or 10 % noise: at least {100 * others["weak"].min():.0f} % of the groups are labelled weak or not
identified. Their bias of Ki(0) is up to {worst:.0f} %.

{failures(others, "coverage", "Group")}
{failures(others, "cell_coverage", "Cell")}"""


def told_errors(summary: pd.DataFrame) -> str:
    """Say in words what each error does to Ki(0)."""
    ki = summary[summary["parameter"] == "ki0_mm"]
    lines = [
        f"- {row['design']}: Ki(0) {row['bias']:+.0f} %, group coverage {100 * row['coverage']:.0f} %, labelled weak "
        f"{100 * row['weak']:.0f} %."
        for _, row in ki.iterrows()
    ]
    return "\n".join(lines)


def failures(summary: pd.DataFrame, column: str, whose: str) -> str:
    """Name the designs in which a coverage is not 95 %."""
    p = summary["coverage_p" if column == "coverage" else "cell_p"]
    failed = summary[p < TEST_LEVEL]
    if failed.empty:
        return f"- {whose} intervals cover 95 % in all of these."
    names = {"ki0_mm": "Ki(0)", "z_delta": "zδ"}
    told = [f"{names[r['parameter']]} of “{r['design']}” ({100 * r[column]:.1f} %)" for _, r in failed.iterrows()]
    return f"- {whose} intervals do not cover 95 %: {'; '.join(told)}."
