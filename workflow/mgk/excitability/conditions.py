"""Conditions: cells within animals, and conditions compared with the animal as the unit.

Means of what varies by factors (resistance, time constants, widths, latency, gain) are geometric. A mean of rheobases
leaves out the cells that are censored, and says so: it is that of the cells that fire, and too low. Its interval is
never narrower than the mean bracket of the cells: cells that all fire at one step are not known better.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from mgk.excitability.cells import PARAMETERS, Cell
from mgk.statistics import compare_fits, group_rows, summarise_cells

GEOMETRIC = tuple(name for (_, name), (_, scale) in PARAMETERS.items() if scale == "ratio")


def condition_fits(fits: pd.DataFrame, cells: list[Cell]) -> pd.DataFrame:
    """Return the rows of fits.csv of conditions."""
    animals = {cell.cell_id: cell.animal_id for cell in cells}
    groups = group_rows(fits, animals, GEOMETRIC)
    of = fits[fits["parameter"] == "rheobase_pa"]
    for group, own in of.groupby("group", sort=False):
        censored = own[own["verdict"] == "not_identified"]
        above, below = (int((censored[limit].abs() == np.inf).sum()) for limit in ("ci_high", "ci_low"))
        at = (groups["group"] == group) & (groups["parameter"] == "rheobase_pa")
        _widen(groups, at, own[own["verdict"] != "not_identified"], animals)
        said = [f"{above} censored above: the mean is of the others, and too low"] if above else []
        said += [f"{below} censored below: the mean is of the others, and too high"] if below else []
        if said:
            groups.loc[at, "reason"] = groups.loc[at, "reason"].map(lambda r, s=said: "; ".join(filter(None, [r, *s])))
            groups.loc[at & (groups["verdict"] == "identified"), "verdict"] = "weak"
    return groups


def _widen(groups: pd.DataFrame, at: pd.Series, cells: pd.DataFrame, animals: dict[str, str]) -> None:
    """Let the interval of a mean of rheobases hold the mean bracket; where there is no interval, none is made."""
    owners = cells["unit_id"].map(animals)
    low, high = (summarise_cells(cells[limit], owners).estimate for limit in ("ci_low", "ci_high"))
    groups.loc[at, "ci_low"] = groups.loc[at, "ci_low"].clip(upper=low)
    groups.loc[at, "ci_high"] = groups.loc[at, "ci_high"].clip(lower=high)


def compare_conditions(fits: pd.DataFrame, cells: list[Cell], owners: pd.DataFrame) -> pd.DataFrame:
    """Compare the conditions in pairs; Holm over all of the table. See `mgk.statistics.compare_fits`.

    Parameters
    ----------
    owners : DataFrame
        Table of `cell_owners`.
    """
    conditions = list(dict.fromkeys(cell.group for cell in cells))
    scales = {key: scale for key, (_, scale) in PARAMETERS.items() if scale}
    return compare_fits(fits, owners, list(combinations(conditions, 2)), scales)


def cell_owners(cells: list[Cell], rows: pd.DataFrame) -> pd.DataFrame:
    """Return animal_id and pair_id of each cell, indexed by cell.

    Parameters
    ----------
    rows : DataFrame
        The rows of recordings.csv, whose pair_id joins cells. Where cells are in several conditions each is its own
        pair.
    """
    ids = [cell.cell_id for cell in cells]
    table = pd.DataFrame({"animal_id": [cell.animal_id for cell in cells], "pair_id": ""}, index=ids)
    table = table[~table.index.duplicated()]
    if len(table) < len(ids):
        return table.assign(pair_id=table.index)
    pairs = rows.drop_duplicates("cell_id").set_index("cell_id").get("pair_id")
    return table if pairs is None else table.assign(pair_id=pairs.reindex(table.index).fillna(""))
