"""Simulated dose-response curves of the demonstration: TRPM7 and TRPM6 inhibited by Mg2+, as raw_data/curves.csv.

Each cell is recorded repeatedly at each concentration; the table holds mean, SD and number of its sweeps, as they would
be pasted from a spreadsheet. What the analysis must meet and is not told of: a gain of each cell, channels lost with
each solution (in an order of its own for each cell), a current that Mg2+ does not reach, and one cell that is lost half
way, so that its IC50 lies beyond the concentrations that it saw.
The equation is written out here and not imported from the analysis.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.simulate.apparatus import value
from mgk.tables import write_table

# What the normalised experiments are divided by: the cell's own first point, measured with the same noise.
FRACTION = "fraction"


def write(truth: Mapping, raw_data: Path) -> None:
    """Write raw_data/curves.csv from the section `curves` of truth.yaml."""
    tables = [points(name, put_in) for name, put_in in truth["curves"].items()]
    write_table(pd.concat(tables, ignore_index=True), raw_data / "curves.csv")


def points(experiment: str, put_in: Mapping) -> pd.DataFrame:
    """Return the rows of an experiment: every cell in every condition, at every concentration that it saw."""
    rows = []
    for number in range(value(put_in, "cells")):
        rng = np.random.default_rng([put_in["seed"], number])
        cell = {
            "ln_ic50": rng.normal(0, value(put_in, "cell_sd_ln_ic50")),
            "ln_hill": rng.normal(0, value(put_in, "cell_sd_ln_hill")),
            "ln_gain": rng.normal(0, value(put_in, "cell_sd_ln_gain")),
        }
        for condition, own in put_in["conditions"].items():
            rows += _curve(experiment, number, condition, own, put_in, cell, rng)
    return pd.DataFrame(rows)


def _curve(experiment: str, number: int, condition: str, own: Mapping, put_in: Mapping, cell: dict, rng) -> list[dict]:
    """Return the rows of one cell in one condition."""
    several = len(put_in["conditions"]) > 1
    curve = f"{value(put_in, 'prefix')}_c{number + 1:02d}" + (f"_{condition}" if several else "")
    x = np.array(value(put_in, "concentrations"), float)
    ic50 = value(own, "ic50") * np.exp(cell["ln_ic50"])
    hill = value(own, "hill") * np.exp(cell["ln_hill"])
    order = np.argsort(np.argsort(np.r_[-1, rng.random(x.size - 1)]))  # the control first, then in random order
    left = (1 - value(put_in, "rundown_per_solution")) ** order
    reached = 1 / (1 + (x / ic50) ** hill)
    untouched = value(put_in, "untouched_fraction")
    current = value(own, "top") * np.exp(cell["ln_gain"]) * left * (untouched + (1 - untouched) * reached)
    sweeps, size = value(put_in, "sweeps"), value(put_in, "sweep_cv") * abs(value(own, "top") * np.exp(cell["ln_gain"]))
    read = current + size * rng.normal(size=(sweeps, x.size))
    if value(put_in, "y_unit") == FRACTION:
        read = read / read[:, 0].mean()
    mean, sd = read.mean(axis=0), read.std(axis=0, ddof=1)
    seen = x <= value(put_in, "lost_above") if curve == value(put_in, "lost_curve") else np.full(x.size, True)
    culture = f"{value(put_in, 'prefix')}_t{number // value(put_in, 'cells_per_animal') + 1}"
    head = {"curve_id": curve, "experiment": experiment, "animal_id": culture, "condition": condition}
    return [
        head | {"x": float(x[i]), "y": _digits(mean[i]), "sd": _digits(sd[i]), "n": sweeps}
        for i in np.flatnonzero(seen)
    ]


def _digits(number: float) -> float:
    """Round to the five digits that a spreadsheet shows."""
    return float(f"{number:.5g}")
