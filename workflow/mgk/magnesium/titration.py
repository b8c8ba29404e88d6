"""A calibration by titration: R of solutions of known Mg2+, to which Rmin, Rmax and Kd beta are fitted together.

R(M) = (Rmin K + Rmax M)/(K + M) with K = Kd beta, fitted to ln R of each well with `mgk.fitting`: relative errors of
one size, positive parameters as logarithms, profile intervals, a verdict. Kd alone is not needed and not found: only
its product with beta enters free Mg2+. Wells are net of the blanks (medium without dye and cells) of the run, and of
its backgrounds where there are too few blanks.

Limits: the solutions must resemble the inside of the cell (ionic strength, pH, temperature): what the dye does
otherwise in the cell is in no interval here.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mgk.fitting import CurveFit, fit_curve
from mgk.magnesium.calibration import (
    CALIBRATORS,
    MIN_STANDARDS,
    MIN_WELLS,
    Calibration,
    Part,
    few_wells,
    not_calibrated,
    wells_of,
)
from mgk.magnesium.draws import normal_draws
from mgk.magnesium.settings import TITRATION, Settings
from mgk.solutions import solve_solution
from mgk.tables.problems import InputError

PARAMETERS = ("ln_rmin", "ln_rmax", "ln_kd_beta_mm")
MIN_LEVELS = 4


def with_known_magnesium(
    wells: pd.DataFrame, given: Settings, recipes: Mapping[str, Mapping] | None = None, constants: str = "webmaxc"
) -> pd.DataFrame:
    """Return the wells of a plate with `magnesium_mm`, the free Mg2+ of the standards; NaN for the others.

    A standard's concentration (layout column standard_um) is its free Mg2+; where the settings name a medium it is the
    total Mg2+ added to that solution of the study, and the free one is solved.

    Raises
    ------
    InputError
        When the medium is not among the recipes, or already holds Mg2+.
    """
    stated = wells["standard_um"] if "standard_um" in wells else pd.Series(np.nan, index=wells.index)
    known = pd.to_numeric(stated, errors="coerce").where(wells["role"] == "standard") / 1000.0
    if not given.titration_medium:
        return wells.assign(magnesium_mm=known)
    recipe = (recipes or {}).get(given.titration_medium)
    if recipe is None:
        raise InputError(f"titration.medium: {given.titration_medium} is no solution of raw_data/solutions.yaml")
    if (recipe.get("totals_mm") or {}).get("Mg", 0) > 0:
        raise InputError(f"titration.medium: {given.titration_medium} holds Mg2+ itself; the standards add it")
    solved = {total: _free_mm(recipe, constants, total) for total in sorted(set(known.dropna()))}
    return wells.assign(magnesium_mm=known.map(solved))


def _free_mm(recipe: Mapping, constants: str, total_mm: float) -> float:
    totals = {**(recipe.get("totals_mm") or {}), "Mg": float(total_mm)}
    return float(solve_solution({**recipe, "totals_mm": totals}, constants).free_mm["Mg"]) if total_mm else 0.0


def ratio_model(magnesium_mm, ln_rmin, ln_rmax, ln_kd_beta_mm):
    """Return ln R at a free Mg2+ in mM."""
    k = np.exp(ln_kd_beta_mm)
    return np.log((np.exp(ln_rmin) * k + np.exp(ln_rmax) * magnesium_mm) / (k + magnesium_mm))


def fit_titration(magnesium_mm, ratio, **options) -> CurveFit:
    """Fit Rmin, Rmax and Kd beta (mM) to ratios at known free Mg2+; the parameters are logarithms."""
    magnesium_mm, ratio = np.asarray(magnesium_mm, float), np.asarray(ratio, float)
    middle = np.sqrt(ratio.min() * ratio.max())
    positive = magnesium_mm[magnesium_mm > 0]
    k = float(np.clip(magnesium_mm[np.argmin(np.abs(ratio - middle))], positive.min(), positive.max()))
    start = {"ln_rmin": np.log(ratio.min()), "ln_rmax": np.log(1.1 * ratio.max()), "ln_kd_beta_mm": np.log(2 * k)}
    return fit_curve(ratio_model, magnesium_mm, np.log(ratio), start, **options)


def calibrate_by_titration(run_id: str, run: pd.DataFrame, seed: int, draws: int) -> Calibration:
    """Return the calibration of a run from its standards."""
    values = {role: wells_of(run, role) for role in CALIBRATORS[TITRATION]}
    counts = {role: len(of_role) for role, of_role in values.items()}
    reason = few_wells(counts, {"background": MIN_WELLS, "standard": MIN_STANDARDS})
    blanks = values["blank"] if counts["blank"] >= MIN_WELLS else values["background"]
    own = counts["blank"] >= MIN_WELLS
    standards = run[(run["role"] == "standard") & (run["reason"] == "")]
    magnesium_mm = standards["magnesium_mm"].to_numpy(float)
    if not reason and np.isnan(magnesium_mm).any():
        reason = f"wells {', '.join(standards['well'][np.isnan(magnesium_mm)])}: a standard without its standard_um"
    if not reason and len(np.unique(magnesium_mm)) < MIN_LEVELS:
        reason = f"the standards have {len(np.unique(magnesium_mm))} levels of Mg2+; needed: at least {MIN_LEVELS}"
    if not reason and (values["standard"] <= blanks.mean(axis=0)).any():
        reason = "a standard is not above its blank"
    if reason:
        return not_calibrated(run_id, counts, draws, TITRATION, reason)
    blank = blanks.mean(axis=0)

    def ratios(level):
        net = values["standard"] - level
        return net[:, 0] / net[:, 1]

    fit = fit_titration(magnesium_mm, ratios(blank))
    if fit.verdict == "not_identified":
        reason = f"the titration does not determine the calibration: {fit.reason}"
        return not_calibrated(run_id, counts, draws, TITRATION, reason)
    theta = np.array([fit.estimates[name] for name in PARAMETERS])
    slope = _by_the_blank(magnesium_mm, ratios, blank, theta)
    background = values["background"].mean(axis=0)
    covariances = {"background": np.cov(values["background"], rowvar=False) / counts["background"]}
    if own:
        covariances["blank"] = np.cov(blanks, rowvar=False) / counts["blank"]
    covariances["standard"] = fit.covariance
    degrees = {"background": counts["background"] - 1, "blank": counts["blank"] - 1, "standard": fit.dof}
    deviations, parts, place = [], {}, 0
    for role, covariance in covariances.items():
        deviations.append(normal_draws(seed, draws, covariance, role, run_id))
        parts[role] = Part(slice(place, place + len(covariance)), degrees[role])
        place += len(covariance)
    centre = np.concatenate([background, blank, theta] if own else [background, theta])

    def constants_of(x):
        shift = (x[..., 2:4] if own else x[..., :2]) - blank
        rmin, rmax, k = np.moveaxis(np.exp(x[..., -3:] + shift @ slope.T), -1, 0)
        return x[..., 0], x[..., 1], rmin, rmax, k

    table = pd.DataFrame({"run_id": run_id, "plate_id": standards["plate_id"], "well": standards["well"],
                          "magnesium_mm": magnesium_mm, "ratio": ratios(blank),
                          "ratio_fitted": np.exp(fit.predict(magnesium_mm))})  # fmt: skip
    return Calibration(
        run_id, counts, centre, np.hstack(deviations), parts, constants_of, TITRATION, fit=fit, standards=table
    )


def _by_the_blank(magnesium_mm, ratios, blank: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the derivatives of the fitted parameters by the blank, shape (3, 2): ln R by the blank, projected."""
    jacobian = np.empty((len(magnesium_mm), len(theta)))
    for i in range(len(theta)):
        shifted = theta.astype(complex)
        shifted[i] += 1e-25j
        jacobian[:, i] = ratio_model(magnesium_mm, *shifted).imag / 1e-25
    of_ratio = np.empty((len(magnesium_mm), 2))
    for i in range(2):
        step = np.zeros(2)
        step[i] = 1e-4 * max(abs(blank[i]), 1.0)
        of_ratio[:, i] = (np.log(ratios(blank + step)) - np.log(ratios(blank - step))) / (2 * step[i])
    return np.linalg.lstsq(jacobian, of_ratio, rcond=None)[0]
