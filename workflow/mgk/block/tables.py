"""Tables of block: constants, Ki at a potential, fractions of the control, gains and ratios, of cells and of groups."""

from dataclasses import replace

import numpy as np
import pandas as pd

from mgk.block.cells import CellBlock, fit_cell
from mgk.block.woodhull import BlockModel, unblocked_fraction
from mgk.statistics import FIT_COLUMNS, fit_row, group_rows, summarise_cells

# A fraction is shown where its control is at least this many residual SD.
FRACTION_CONTROL_SD = 10.0


def block_fits(cells: list[CellBlock]) -> pd.DataFrame:
    """Return Ki(0), z delta and what a permeant blocker adds as fits.csv: a row per cell, then per group.

    The mean of a group is over its animals: geometric for Ki(0) and the exit ratio, arithmetic for the others.
    """
    return _fits_table(cells, {"ln_ki0": ("ki0_mm", "mM"), "ln_exit_ratio": ("exit_ratio", "1")})


def _fits_table(cells: list[CellBlock], logarithms: dict[str, tuple[str, str]], names=None) -> pd.DataFrame:
    """Return rows of fits.csv of the parameters (`names`, or all); logarithms as what they are the logarithm of."""
    rows = []
    for cell in cells:
        head = (cell.experiment, cell.group, cell.cell_id, cell.model.named(cell.side))
        for name, estimate in cell.parameters.items():
            if names is None or name in names:
                shown = (*logarithms[name], estimate.exp()) if name in logarithms else (name, "1", estimate)
                rows.append(fit_row(*head, *shown))
    fits = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    animals = {cell.cell_id: cell.animal_id for cell in cells}
    geometric = [name for name, _ in logarithms.values()]
    return pd.concat([fits, group_rows(fits, animals, geometric)], ignore_index=True)


def ki_at_mv(points: pd.DataFrame, membrane_mv, model: BlockModel) -> pd.DataFrame:
    """Return Ki(V) at any potentials, a row per cell and per group, with its interval.

    The fit is written around the potential, so that ln Ki(V) is a parameter with a profile of its own. A potential
    outside those recorded rests on the model alone, and the verdict then says so.

    Returns
    -------
    DataFrame
        membrane_mv and the columns of fits.csv, parameter `ki_mm`.
    """
    tables = []
    for potential in membrane_mv:
        cells = [fit_cell(cell, model, potential) for _, cell in points.groupby(["group", "cell_id"], sort=False)]
        used = points.loc[~points["excluded"], "membrane_mv"]
        if not used.min() <= potential <= used.max():
            reason = f"{potential:g} mV lies outside the recorded {used.min():.0f} to {used.max():.0f} mV"
            cells = [replace(c, parameters={"ln_ki0": c.ln_ki0.weakened(reason)}) for c in cells]
        table = _fits_table(cells, {"ln_ki0": ("ki_mm", "mM")}, ("ln_ki0",))
        table.insert(0, "membrane_mv", float(potential))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def group_parameters(fits: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the parameters of each group by name, as `unblocked_fraction` takes them."""
    means = fits[fits["unit_id"] == ""]
    return {
        group: dict(zip(rows["parameter"], rows["estimate"], strict=True)) for group, rows in means.groupby("group")
    }


def cell_fractions(points: pd.DataFrame, cells: list[CellBlock]) -> pd.DataFrame:
    """Return per cell, concentration and level what was measured, what was fitted, and the fraction of the control.

    Returns
    -------
    DataFrame
        experiment, group, cell_id, animal_id, the solutions and temperature, level_mv, membrane_mv, current_pa,
        fitted_pa, fraction, fraction_fitted, excluded, reason. `fraction` is measured over measured current (a gain of
        its solution is still in it), and empty where the control is smaller than ten residual SD or was not measured.
    """
    keys = [
        "experiment", "group", "cell_id", "animal_id", "ligand", "ligand_side", "ligand_total_mm", "ligand_free_mm",
        "temperature_c", "potassium_internal_mm", "potassium_external_mm", "level_mv", "excluded", "reason",
    ]  # fmt: skip
    fitted = pd.concat([pd.Series(dtype=float), *(cell.fitted_pa for cell in cells if cell.fit is not None)])
    table = points.assign(fitted_pa=fitted).groupby(keys, sort=False, dropna=False)
    table = table[["membrane_mv", "current_pa", "fitted_pa"]].mean().reset_index()
    table[["fraction", "fraction_fitted"]] = np.nan
    by_cell = {(cell.group, cell.cell_id): cell for cell in cells if cell.fit is not None}
    for key, rows in table[~table["excluded"]].groupby(["group", "cell_id"], sort=False):
        if key not in by_cell:
            continue
        cell = by_cell[key]
        conditions = (rows[name].to_numpy() for name in ("ligand_free_mm", "membrane_mv", "temperature_c"))
        table.loc[rows.index, "fraction_fitted"] = cell.fraction(*conditions)
        control = rows.loc[rows["ligand_free_mm"] == 0].groupby("level_mv")["current_pa"].mean()
        measured = rows["level_mv"].map(control)
        large = measured.abs() >= FRACTION_CONTROL_SD * cell.noise_pa
        table.loc[rows.index, "fraction"] = (rows["current_pa"] / measured).where(large)
    return table


def block_table(fractions: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the fraction of the control per group, concentration and level, with the fit of the group.

    Returns
    -------
    DataFrame
        block.csv: experiment, group, ligand, ligand_total_mm, ligand_free_mm, ligand_side, temperature_c,
        potassium_internal_mm, potassium_external_mm, level_mv, membrane_mv, fraction, se, ci_low, ci_high (mean of
        animals, t interval), fit (at the group's Ki(0) and z delta), n_cells, n_animals, n_excluded, reason.
    """
    parameters = group_parameters(fits)
    keys = ["experiment", "group", "ligand", "ligand_side", "ligand_total_mm", "level_mv"]
    solutions = ["ligand_free_mm", "temperature_c", "potassium_internal_mm", "potassium_external_mm", "membrane_mv"]
    rows = []
    for key, at_level in fractions.groupby(keys, sort=False):
        used = at_level[~at_level["excluded"]]
        mean = summarise_cells(used["fraction"], used["animal_id"])
        average = (used if len(used) else at_level)[solutions].mean()
        at = average[["ligand_free_mm", "membrane_mv", "temperature_c"]].to_dict()
        free_mm, potential = at.pop("ligand_free_mm"), at.pop("membrane_mv")
        fit = unblocked_fraction(free_mm, potential, **at, side=key[3], **parameters[key[1]])
        rows.append({
            **dict(zip(keys, key, strict=True)),
            **average,
            **{"fraction": mean.estimate, "se": mean.se, "ci_low": mean.ci_low, "ci_high": mean.ci_high},
            **{"fit": fit, "n_cells": mean.n_cells, "n_animals": mean.n_animals},
            "n_excluded": at_level["cell_id"].nunique() - used["cell_id"].nunique(),
            "reason": mean.reason if mean.n_cells else "control near zero, not measured, or all excluded",
        })  # fmt: skip
    columns = (
        "experiment", "group", "ligand", "ligand_total_mm", "ligand_free_mm", "ligand_side", "temperature_c",
        "potassium_internal_mm", "potassium_external_mm", "level_mv", "membrane_mv", "fraction", "se", "ci_low",
        "ci_high", "fit", "n_cells", "n_animals", "n_excluded", "reason",
    )  # fmt: skip
    order = ["group", "ligand_total_mm", "level_mv"]
    return pd.DataFrame(rows, columns=list(columns)).sort_values(order, ignore_index=True)


def solution_gains(cells: list[CellBlock]) -> pd.DataFrame:
    """Return the gain of each solution against the lowest concentration of its cell; empty without gains.

    Returns
    -------
    DataFrame
        group, cell_id, animal_id, ligand_free_mm (to six digits), gain.
    """
    rows = [
        (
            cell.group,
            cell.cell_id,
            cell.animal_id,
            float(name.removeprefix("ln_gain_").removesuffix("_mm")),
            float(np.exp(estimate)),
        )
        for cell in cells
        if cell.fit is not None
        for name, estimate in cell.fit.estimates.items()
        if name.startswith("ln_gain_")
    ]
    return pd.DataFrame(rows, columns=["group", "cell_id", "animal_id", "ligand_free_mm", "gain"])


def open_ratios(cells: list[CellBlock], low_mm: float, high_mm: float, membrane_mv) -> pd.DataFrame:
    """Return how much larger the current is at a low than at a high free concentration, per group and potential.

    Returns
    -------
    DataFrame
        group, potassium_external_mm, temperature_c, membrane_mv, low_mm, high_mm, ratio, ci_low, ci_high (geometric
        mean of animals), n_cells, n_animals, reason. The ratio means nothing without potential and external K+.
    """
    rows = []
    for group in dict.fromkeys(cell.group for cell in cells):
        known = [c for c in cells if c.group == group and c.ln_ki0.verdict != "not_identified"]
        for potential in membrane_mv:
            ratios = [cell.fraction(low_mm, potential) / cell.fraction(high_mm, potential) for cell in known]
            mean = summarise_cells(ratios, [cell.animal_id for cell in known], log=True)
            potassium, temperature = (
                np.mean([getattr(c, name) for c in known]) if known else np.nan
                for name in ("potassium_external_mm", "temperature_c")
            )
            numbers = (mean.estimate, mean.ci_low, mean.ci_high, mean.n_cells, mean.n_animals, mean.reason)
            rows.append((group, potassium, temperature, potential, low_mm, high_mm, *numbers))
    columns = (
        "group", "potassium_external_mm", "temperature_c", "membrane_mv", "low_mm", "high_mm", "ratio", "ci_low",
        "ci_high", "n_cells", "n_animals", "reason",
    )  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns))
