"""What was left in the currents of a block, and how far it moves Ki(0) and z delta.

An error common to a group is not in the scatter of its cells, and so not in any interval. Here each error that no
correction takes off is taken off with its size, where it is known, and the cells are fitted again: what then changes is
what it does now. Where its size is not known it is done with a unit of it; small errors shift in proportion.

- *Series resistance*: Vm = V - I Rs, Rs stated or of the membrane test, less what was compensated; else 1 MOhm. With
  two electrodes it is not asked for: the current does not pass through that which measures the potential.
- *Leak*: a line through 0 mV (assumed) with the conductance of the seal that was noted; else 0.1 nS, that of a seal of
  10 GOhm (assumed, no source).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mgk.block.cells import fit_cells
from mgk.block.tables import block_fits
from mgk.block.woodhull import BlockModel

MV_PER_MOHM_PA = 1e-3
NS_MOHM = 1e3
UNITS = {"series_resistance": (1.0, "MOhm"), "leak": (0.1, "nS")}
SHIFTED = ("ki0_mm", "z_delta")
NOT_KNOWN = "not known: what a unit would do"
COLUMNS = (
    "group", "error", "value", "unit", "known", "largest", "largest_unit", "parameter", "estimate", "corrected",
    "shift", "of_interval",
)  # fmt: skip


def left_in(recordings: pd.DataFrame, quality: pd.DataFrame, corrections: Mapping) -> dict[str, pd.DataFrame]:
    """Return the size of each error that no correction takes off, of the recordings that tell it.

    Parameters
    ----------
    recordings, quality : DataFrame
        Rows of raw_data/recordings.csv, and quality.csv of the experiment.
    corrections : mapping
        `corrections` of the experiment.

    Returns
    -------
    dict
        series_resistance (MOhm, what was not compensated) and leak (nS), where not corrected: a table with value and
        source, indexed by recording.
    """
    return {error: _sizes(error, recordings, quality) for error in UNITS if corrections.get(error, "none") == "none"}


def uncorrected(
    points: pd.DataFrame, fits: pd.DataFrame, model: BlockModel, errors: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return what errors that were left in do to the groups of a block.

    Parameters
    ----------
    points, fits : DataFrame
        Tables of `mgk.measured_currents.steady_currents` and `block_fits`, the latter with this model.
    errors : mapping
        Of `left_in`.

    Returns
    -------
    DataFrame
        A row per group, error and parameter: value (median of the recordings, or the unit), known (where from),
        largest (of the potential in mV, of the current in pA), estimate, corrected, shift (corrected less estimate) and
        of_interval (the shift over the distance to the confidence limit on its side).
    """
    rows = []
    for error, sizes in errors.items():
        for group, own in points[~points["excluded"]].groupby("group", sort=False):
            found = _of_groups(fits[fits["group"] == group])
            if found.empty or (error == "series_resistance" and (own["configuration"] == "two_electrode").all()):
                continue
            values, source = _of_points(error, own, sizes)
            fixed, largest = _taken_off(error, own, values)
            again = _of_groups(block_fits(fit_cells(fixed, model)))["estimate"].reindex(found.index)
            head = (group, error, float(values.median()), UNITS[error][1], source, *largest)
            for key, old in found.iterrows():
                shift = again[key] - old["estimate"]
                limit = old["ci_high"] if shift > 0 else old["ci_low"]
                share = abs(shift / (limit - old["estimate"]))
                rows.append((*head, key[1], old["estimate"], old["estimate"] + shift, shift, share))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_points(error: str, points: pd.DataFrame, sizes: pd.DataFrame) -> tuple[pd.Series, str]:
    """Return the size of an error at each point and where it is known from; where one is not known, a unit of it."""
    recording = points["recording_id"].str.split(", segment ").str[0]
    if recording.isin(sizes.index).all():
        return recording.map(sizes["value"]), "; ".join(sorted(set(sizes.loc[recording.unique(), "source"])))
    return pd.Series(UNITS[error][0], points.index), NOT_KNOWN


def _of_groups(fits: pd.DataFrame) -> pd.DataFrame:
    """Return what was found for the parameters of groups: nothing of a group that has controls alone."""
    means = fits[(fits["unit_id"] == "") & fits["parameter"].isin(SHIFTED) & fits["estimate"].notna()]
    return means.set_index(["group", "parameter"])


def _sizes(error: str, recordings: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """Return the size of an error of each recording that tells it, and its source; indexed by recording."""
    stated = recordings.set_index("recording_id").apply(pd.to_numeric, errors="coerce")
    measured = quality.set_index("recording_id").apply(pd.to_numeric, errors="coerce").reindex(stated.index)

    def column(table: pd.DataFrame, name: str) -> pd.Series:
        return table[name] if name in table else pd.Series(np.nan, stated.index)

    if error == "leak":
        value, source = NS_MOHM / column(measured, "seal_mohm"), "the seal as noted"
    else:
        own, tested = column(stated, "series_resistance_mohm"), column(measured, "access_mohm")
        value = own.fillna(tested) * (1 - column(stated, "compensation_percent").fillna(0) / 100)
        source = np.where(own.notna(), "stated", "membrane test")
    return pd.DataFrame({"value": value, "source": source}, stated.index).dropna(subset="value")


def _taken_off(error: str, points: pd.DataFrame, values: pd.Series) -> tuple[pd.DataFrame, tuple[float, str]]:
    """Return the points without the error, and how large it is at the most."""
    if error == "leak":
        off, column, unit = values * points["membrane_mv"], "current_pa", "pA"
    else:
        off, column, unit = MV_PER_MOHM_PA * values * points["current_pa"], "membrane_mv", "mV"
    return points.assign(**{column: points[column] - off}), (float(off.abs().max()), unit)
