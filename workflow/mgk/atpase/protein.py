"""Protein of each preparation from a plate of its own: BCA, Bradford or Lowry, standards in ug per well.

The standard curve is straight or quadratic: the quadratic term is taken where it improves the fit (F test, 5 %) and the
curve still rises over the standards. A preparation's wells, each with its own `sample_ul` and `dilution_factor`, are
read off the curve one by one; the preparation's protein is their mean. Its error has two parts: the scatter of the
wells, and that of the curve, which all wells of the plate share.

Units: ug of protein per well, ug/ul of the preparation, signal in AU.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from mgk.atpase.activity import plates_of
from mgk.atpase.standards import FEWEST_LEVELS, LEVEL, Line, fit_line, usable
from mgk.study import Study
from mgk.tables import InputError

# The curve is bent where its quadratic term is this improbable by chance; assumed, no source.
QUADRATIC_P = 0.05
PROTEIN_COLUMNS = (
    "plate_id", "preparation_id", "animal_id", "curve", "n_wells", "protein_ug_per_ul", "se", "ci_low", "ci_high",
    "cv", "flag",
)  # fmt: skip


def load_protein_wells(project: Study, experiment: str) -> pd.DataFrame:
    """Return the wells of the plates that the rows of an experiment name as their `protein_plate`."""
    wells = plates_of(project, experiment)
    return wells[wells["plate_id"].isin(set(wells["protein_plate"]) - {""})]


def protein_curve(plate_id: str, wells: pd.DataFrame) -> Line:
    """Fit the standards of a protein plate, a straight line or a parabola (see the module).

    Raises
    ------
    InputError
        When a standard has no protein_ug, levels are too few, or the signal does not rise.
    """
    used = usable(wells[wells["role"] == "standard"])
    x, y = used["protein_ug"].to_numpy(float), used["value"].to_numpy(float)
    if np.isnan(x).any():
        bad = ", ".join(used.loc[np.isnan(x), "well"])
        raise InputError(f"plate {plate_id}: the standard {bad} has no protein_ug; it must be an amount in ug")
    levels = np.unique(x).size
    if levels < FEWEST_LEVELS:
        raise InputError(f"plate {plate_id}: {levels} levels of the protein standard; at least {FEWEST_LEVELS} needed")
    line = fit_line(x, y)
    if levels > FEWEST_LEVELS and x.size > FEWEST_LEVELS + 1:
        bent = fit_line(x, y, 2, line.spread)
        better = bent.rss > 0 and f_distribution.sf((line.rss - bent.rss) / (bent.rss / bent.dof), 1, bent.dof)
        rises = (np.diff(bent.at(np.linspace(x.min(), x.max(), 50))) > 0).all()
        line = bent if rises and better < QUADRATIC_P else line
    if not line.at(x.max()) > line.at(x.min()):
        raise InputError(f"plate {plate_id}: the signal does not rise with protein; no amount can be read from it")
    return line


def protein_table(wells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Line]]:
    """Return protein.csv, a row for each protein plate and preparation, and the curve of each plate.

    Returns
    -------
    DataFrame
        `PROTEIN_COLUMNS`: protein in ug/ul of the preparation with its SE and t interval (95 %), `cv` the SE over it,
        and `flag`: wells outside the standards, and wells without a value.
    """
    rows, curves = [], {}
    for plate, on_plate in wells.groupby("plate_id", sort=False):
        curves[plate] = line = protein_curve(plate, on_plate)
        standards = usable(on_plate[on_plate["role"] == "standard"])["protein_ug"]
        samples = on_plate[on_plate["role"] == "sample"]
        for preparation, group in samples.groupby("preparation_id", sort=False):
            head = {"plate_id": plate, "preparation_id": preparation, "animal_id": group["animal_id"].iloc[0]}
            head["curve"] = "straight" if line.coefficients.size == 2 else "quadratic"
            rows.append(head | _preparation(line, group, standards.min(), standards.max()))
    return pd.DataFrame(rows, columns=list(PROTEIN_COLUMNS)), curves


def amount_ug(line: Line, signal: float, high_ug: float) -> float:
    """Read an amount off a curve that rises: the root within reach of the standards, else by the slope at their end."""
    if line.coefficients.size == 2:
        return float((signal - line.coefficients[0]) / line.coefficients[1])
    if signal >= line.at(high_ug):
        slope = float(line.coefficients[1] + 2 * line.coefficients[2] * high_ug)
        return high_ug + float(signal - line.at(high_ug)) / max(slope, 1e-12)
    if signal <= line.coefficients[0]:
        return float((signal - line.coefficients[0]) / line.coefficients[1])
    return float(brentq(lambda u: float(line.at(u)) - signal, 0.0, high_ug, xtol=1e-12))


def _preparation(line: Line, wells: pd.DataFrame, low_ug: float, high_ug: float) -> dict:
    used = usable(wells)
    flags = [f"well {w.well}: {w.flag or 'no value'}" for w in wells[~wells.index.isin(used.index)].itertuples()]
    nothing = dict.fromkeys(("protein_ug_per_ul", "se", "ci_low", "ci_high", "cv"), np.nan)
    if used.empty or used["sample_ul"].isna().any():
        flags.append("no well has a value" if used.empty else "sample_ul is empty")
        return {"n_wells": len(used), **nothing, "flag": "; ".join(flags)}
    ug = np.array([amount_ug(line, v, high_ug) for v in used["value"]])
    flags += [f"well {w} outside the standards" for w in used["well"][(ug < low_ug) | (ug > high_ug)]]
    dilution = used["dilution_factor"].fillna(1.0).to_numpy(float)
    of_well = ug * dilution / used["sample_ul"].to_numpy(float)
    mean, n = float(of_well.mean()), of_well.size
    # Delta method: a well's scatter and the curve's error, over the slope there.
    at = float(ug.mean())
    slope = float(np.polynomial.polynomial.polyval(at, np.polynomial.polynomial.polyder(line.coefficients)))
    scatter = of_well.std(ddof=1) / mean if n > 1 else line.sd_at(at) / (slope * at)
    dof = n - 1 + line.dof if n > 1 else line.dof
    expected = line.sd_at(at) / (slope * at)
    # Few wells tell little of their scatter: it is pooled with that of the standards.
    pooled = np.sqrt(((n - 1) * scatter**2 + line.dof * expected**2) / dof) if n > 1 else expected
    cv = float(np.hypot(pooled / np.sqrt(n), line.se_at(at) / (slope * at)))
    half = float(t_distribution.ppf(0.5 + LEVEL / 2, dof)) * cv * mean
    numbers = {"protein_ug_per_ul": mean, "se": cv * mean, "ci_low": mean - half, "ci_high": mean + half, "cv": cv}
    return {"n_wells": n, **numbers, "flag": "; ".join(flags)}


def with_protein(wells: pd.DataFrame, protein: pd.DataFrame) -> pd.DataFrame:
    """Return wells whose `protein_ug` is that of the protein plate, ug/ul times `sample_ul`, with `protein_cv`.

    A preparation without a protein plate keeps the protein_ug of its layout, and a protein_cv of 0: taken as known.

    Raises
    ------
    InputError
        When a well has neither.
    """
    named = wells["protein_plate"] if "protein_plate" in wells else pd.Series("", index=wells.index)
    key = pd.MultiIndex.from_arrays([named, wells["preparation_id"]])
    known = protein.set_index(["plate_id", "preparation_id"])
    per_ul = known["protein_ug_per_ul"].reindex(key).to_numpy(float) if len(known) else np.full(len(wells), np.nan)
    cv = known["cv"].reindex(key).to_numpy(float) if len(known) else np.full(len(wells), np.nan)
    enzyme = wells["role"].isin(("total", "ouabain"))
    measured = per_ul * wells["sample_ul"].to_numpy(float) if "sample_ul" in wells else per_ul * np.nan
    found = enzyme & np.isfinite(measured)
    protein_ug = wells["protein_ug"].where(~found, measured)
    for well in wells[enzyme & ~(protein_ug > 0)].itertuples():
        raise InputError(
            f"plate {well.plate_id}, well {well.well}: no protein_ug, and no protein of {well.preparation_id} times "
            "sample_ul from a protein plate"
        )
    return wells.assign(protein_ug=protein_ug, protein_cv=np.where(found, cv, 0.0))
