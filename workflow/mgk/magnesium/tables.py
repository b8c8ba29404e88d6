"""Tables of a magnesium experiment that state its calibration and what stands outside of its intervals."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mgk.fitting import Estimate
from mgk.magnesium.calibration import CALIBRATORS, Calibration, curve
from mgk.magnesium.draws import SEED, interval, widening
from mgk.magnesium.equation import calcium_shift_mm, cytosolic_ratio, free_magnesium_mm, ratio_at
from mgk.magnesium.samples import Sample
from mgk.magnesium.settings import TITRATION, Settings, temperature_note
from mgk.statistics import FIT_COLUMNS, effective_df

INTERFERENCE_COLUMNS = (
    "condition", "source_of_shift", "assumed", "free_magnesium_mm", "shift_mm", "corrected_mm", "n_animals", "source",
)  # fmt: skip


def calibration_table(
    calibrations: Mapping[str, Calibration], given: Settings, temperatures_c: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Return a row per run: what was measured, what enters the equation, with standard errors over the draws.

    Columns: run_id, calibration (in_situ, titration, stated), rmin, rmin_se, rmax, rmax_se, beta, beta_se (as they
    enter the equation), rmin_apparent, rmax_apparent, beta_apparent (as measured; of a titration: Kd beta over Kd),
    background_340, background_380, n_<role> (wells used), kd_mm, kd_source, kd_buffer, rmax_magnesium_mm (empty: taken
    as saturating), bound_at_rmax (share of the dye), temperature (of the assay and of Kd, in words), verdict (pass,
    exclude) and reason.
    """
    temperatures_c = temperatures_c or {}
    return pd.DataFrame([_calibration_row(c, given, temperatures_c.get(c.run_id)) for c in calibrations.values()])


def _calibration_row(calibration: Calibration, given: Settings, assay_c: float | None) -> dict:
    used, raw, magnesium_mm = curve(calibration, given), calibration.draw(), given.rmax_magnesium_mm
    of_beta = calibration.kind != TITRATION
    row: dict = {"run_id": calibration.run_id, "calibration": calibration.kind}
    for name in ("rmin", "rmax", "beta"):
        values = getattr(used, name)
        row |= {name: values[0], f"{name}_se": values[1:].std(ddof=1)}
    row |= {"rmin_apparent": raw.rmin[0], "rmax_apparent": raw.rmax[0]}
    row["beta_apparent"] = raw.beta[0] / (1.0 if of_beta else given.kd_mm)
    row |= {name: getattr(raw, name)[0] for name in ("background_340", "background_380")}
    row |= {f"n_{role}": calibration.wells.get(role, 0) for role in CALIBRATORS[calibration.kind]}
    modelled = of_beta and magnesium_mm is not None
    return row | {
        "kd_mm": given.kd_mm,
        "kd_source": given.kd_source,
        "kd_buffer": given.kd_buffer or "not stated",
        "rmax_magnesium_mm": magnesium_mm if modelled else math.nan,
        "bound_at_rmax": magnesium_mm / (magnesium_mm + given.kd_mm) if modelled else 1.0,
        "temperature": temperature_note(given, assay_c),
        "verdict": "exclude" if used.reason else "pass",
        "reason": used.reason,
    }


def standards_table(calibrations: Mapping[str, Calibration]) -> pd.DataFrame:
    """Return the standards of all titrations: run_id, plate_id, well, magnesium_mm, ratio, ratio_fitted."""
    columns = ["run_id", "plate_id", "well", "magnesium_mm", "ratio", "ratio_fitted"]
    found = [c.standards for c in calibrations.values() if c.standards is not None]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def fits_table(
    experiment: str, calibrations: Mapping[str, Calibration], given: Settings, seed: int = SEED
) -> pd.DataFrame:
    """Return the calibration of each run as rows of fits.csv: Rmin, Rmax and beta, or Kd beta of a titration.

    A titration has the profile intervals and verdicts of its fit. In situ the intervals are those of the draws, widened
    for the number of wells; `n_cells` counts wells here, and no animal is behind a calibration.
    """
    rows = []
    for calibration in calibrations.values():
        wells = sum(calibration.wells[r] for r in calibration.wells if r not in ("background", "blank"))
        for parameter, unit, estimate in _parameters(calibration, given, seed):
            numbers = (estimate.value, estimate.se, estimate.ci_low, estimate.ci_high, wells, 0)
            head = (experiment, "", calibration.run_id, calibration.kind, parameter, unit)
            rows.append(dict(zip(FIT_COLUMNS, (*head, *numbers, estimate.verdict, estimate.reason), strict=True)))
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))


def _parameters(calibration: Calibration, given: Settings, seed: int):
    if calibration.fit is not None:
        for name, unit in (("rmin", "1"), ("rmax", "1"), ("kd_beta_mm", "mM")):
            yield name, unit, calibration.fit.parameters[f"ln_{name}"].exp()
        return
    used = curve(calibration, given)
    for name in ("rmin", "rmax", "beta"):
        values = getattr(used, name)
        if used.reason:
            yield name, "1", Estimate(*[math.nan] * 4, "not_identified", used.reason)
            continue
        parts = [np.var(np.log(getattr(curve(calibration, given, only=p), name))) for p in calibration.parts]
        df = effective_df(parts, [part.df for part in calibration.parts.values()])
        widen = widening(seed, calibration.draws, df, calibration.run_id, name)
        low, high = interval(getattr(curve(calibration, given, widen=widen), name)[1:])
        yield name, "1", Estimate(float(values[0]), float(values[1:].std(ddof=1)), low, high)


def interference_table(
    found: list[Sample], calibrations: Mapping[str, Calibration], given: Settings, groups: pd.DataFrame
) -> pd.DataFrame:
    """Return, for each group, what Ca2+ and dye in organelles would do to its mean; neither is corrected elsewhere.

    Columns: condition, source_of_shift (calcium, organelles), assumed (in words), free_magnesium_mm (the mean as
    measured), shift_mm (by how much it stands too high), corrected_mm, n_animals, source.
    """
    means = groups[(groups["statistic"] == "mean") & np.isclose(groups["kd_mm"], given.kd_mm)]
    rows = []
    for group in means[means["estimate"].notna()].itertuples():
        for calcium_mm in given.calcium_mm:
            shift = float(calcium_shift_mm(calcium_mm, given.kd_mm, given.kd_calcium_mm))
            assumed = f"{1000 * calcium_mm:g} uM Ca2+, Kd(Ca) {1000 * given.kd_calcium_mm:g} uM"
            rows.append(_shifted(group, "calcium", assumed, shift, given.kd_calcium_source))
        if given.organelle_share is not None:
            assumed = f"{given.organelle_share:.0%} of F380 from organelles at {given.organelle_magnesium_mm:g} mM"
            cytosol = _without_organelles([s for s in found if s.condition == group.condition], calibrations, given)
            rows.append(_shifted(group, "organelles", assumed, group.estimate - cytosol, given.organelle_source))
    return pd.DataFrame(rows, columns=list(INTERFERENCE_COLUMNS))


def _shifted(group, source_of_shift: str, assumed: str, shift: float, source: str) -> dict:
    numbers = (group.estimate, shift, max(group.estimate - shift, 0.0), group.n_animals)
    row = (group.condition, source_of_shift, assumed, *numbers, source)
    return dict(zip(INTERFERENCE_COLUMNS, row, strict=True))


def _without_organelles(members: list[Sample], calibrations: Mapping[str, Calibration], given: Settings) -> float:
    """Return the mean over animals with the organelles' share of the signal taken out of R."""
    by_animal: dict[str, list[float]] = {}
    for sample in members:
        run = curve(calibrations[sample.run_id], given)
        if math.isnan(sample.ratio) or run.reason:
            continue
        constants = (run.rmin[0], run.rmax[0], run.beta[0], run.kd_mm)
        inside = ratio_at(given.organelle_magnesium_mm, *constants)
        value = free_magnesium_mm(cytosolic_ratio(sample.ratio, given.organelle_share, inside), *constants)
        by_animal.setdefault(sample.animal_id, []).append(float(value))
    return float(np.mean([np.mean(values) for values in by_animal.values()]))
