"""The calibration of a run: background, Rmin, Rmax and beta from its wells, with the error that all its samples share.

Three kinds. *In situ*: cells with dye in a chelator (rmin) and in a known, high Mg2+ (rmax). *Titration*: solutions of
known Mg2+ (standard), to which Rmin, Rmax and Kd beta are fitted (`mgk.magnesium.titration`). *Stated*: values from
elsewhere with their standard errors, log-normal. Each is a centre, the normal deviations of its parts
(`mgk.magnesium.draws`), and a function from both to the constants of the equation.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mgk.fitting import CurveFit
from mgk.magnesium.draws import DRAWS, SEED, normal_draws
from mgk.magnesium.equation import saturated
from mgk.magnesium.settings import CONSTANTS, IN_SITU, STATED, TITRATION, Settings

CALIBRATORS = {
    IN_SITU: ("background", "rmin", "rmax"),
    TITRATION: ("background", "blank", "standard"),
    STATED: ("background",),
}
# A variance needs two wells, and the fit of three parameters four levels.
MIN_WELLS = 2
MIN_STANDARDS = 5
MIN_POSSIBLE_DRAWS = 0.99


@dataclass(frozen=True)
class Part:
    """A part of the error: its columns among the deviations, and the degrees of freedom of its variance."""

    columns: slice
    df: float


@dataclass(frozen=True)
class Constants:
    """What enters the equation: arrays of draws, the estimate at place 0."""

    background_340: np.ndarray
    background_380: np.ndarray
    rmin: np.ndarray
    rmax: np.ndarray
    beta: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """Calibration of one run as measured.

    `deviations` (draws + 1, p) belong to `centre` (p,); `parts` name their columns; `constants_of` turns (.., p) into
    background, Rmin, Rmax and beta (for a titration: Kd beta). `wells` counts those used, by role; `reason` says why a
    run cannot be calibrated.
    """

    run_id: str
    wells: dict[str, int]
    centre: np.ndarray
    deviations: np.ndarray
    parts: Mapping[str, Part]
    constants_of: Callable[[np.ndarray], tuple[np.ndarray, ...]] = field(repr=False)
    kind: str = IN_SITU
    reason: str = ""
    fit: CurveFit | None = field(default=None, repr=False)
    standards: pd.DataFrame | None = field(default=None, repr=False)
    _refusals: dict = field(default_factory=dict, repr=False)

    @property
    def draws(self) -> int:
        """How many draws there are, without the estimate."""
        return len(self.deviations) - 1

    def draw(self, widen=1.0, only: str | None = None) -> Constants:
        """Return the constants in each draw; `widen` (draws + 1,) or a number; `only`: one part, the others at rest."""
        deviations = self.deviations
        if only is not None:
            columns = self.parts[only].columns if only in self.parts else slice(0, 0)
            deviations = np.zeros_like(deviations)
            deviations[:, columns] = self.deviations[:, columns]
        return Constants(*self.constants_of(self.centre + deviations * np.reshape(widen, (-1, 1))))


@dataclass(frozen=True)
class Curve:
    """Calibration as it enters the equation at a Kd: arrays of draws, the estimate at place 0.

    `reason` says why the run cannot be calibrated; its arrays are then NaN, and so are its samples.
    """

    rmin: np.ndarray
    rmax: np.ndarray
    beta: np.ndarray
    kd_mm: float
    background_340: np.ndarray
    background_380: np.ndarray
    reason: str = ""


def calibrate(
    pairs: pd.DataFrame, given: Settings | None = None, *, seed: int = SEED, draws: int = DRAWS
) -> dict[str, Calibration]:
    """Return the calibration of each run.

    Parameters
    ----------
    pairs : DataFrame
        As `paired_wells` returns them; for a titration with the column `magnesium_mm`.
    given : Settings, optional
        Says whether the calibration is in situ (the default), a titration or stated, and whether the background of
        the images is off already: wells of unloaded cells are then what is left of it, or absent.

    The means of the wells of a role are drawn for both wavelengths together (their errors are mostly the loading, which
    is common to both), on a logarithmic scale above the background, so that they stay positive.
    """
    from mgk.magnesium.titration import calibrate_by_titration

    runs = pairs.groupby("run_id")
    if given is not None and given.calibration == TITRATION:
        return {run_id: calibrate_by_titration(run_id, run, seed, draws) for run_id, run in runs}
    if given is not None and given.calibration == STATED:
        return {run_id: _calibrate_as_stated(run_id, run, given, seed, draws) for run_id, run in runs}
    subtracted = given is not None and given.background_subtracted
    return {run_id: _calibrate_in_situ(run_id, run, seed, draws, subtracted) for run_id, run in runs}


def wells_of(run: pd.DataFrame, role: str) -> np.ndarray:
    """Return F340 and F380 of the usable wells of a role, shape (n, 2)."""
    return run.loc[(run["role"] == role) & (run["reason"] == ""), ["f340", "f380"]].to_numpy(float)


def few_wells(counts: Mapping[str, int], needed: Mapping[str, int]) -> str:
    """Say which roles have too few usable wells; empty when none has."""
    few = [f"{counts[role]} usable {role} wells" for role in needed if counts[role] < needed[role]]
    if not few:
        return ""
    return f"{', '.join(few)}; needed: at least {max(needed.values())}, better 6"


def not_calibrated(run_id: str, wells: dict[str, int], draws: int, kind: str, reason: str) -> Calibration:
    """Return a calibration without constants, with the reason."""
    nothing = np.full(5, np.nan)

    def constants_of(x):
        return tuple(np.full(x.shape[:-1], np.nan) for _ in range(5))

    return Calibration(run_id, wells, nothing, np.zeros((draws + 1, 5)), {}, constants_of, kind, reason)


def _calibrate_in_situ(run_id: str, run: pd.DataFrame, seed: int, draws: int, subtracted: bool) -> Calibration:
    values = {role: wells_of(run, role) for role in CALIBRATORS[IN_SITU]}
    counts = {role: len(of_role) for role, of_role in values.items()}
    reason = few_wells(counts, _needed(run, IN_SITU, subtracted))
    if reason:
        return not_calibrated(run_id, counts, draws, IN_SITU, reason)
    if not counts["background"]:
        values["background"] = np.zeros((MIN_WELLS, 2))
    means = {role: of_role.mean(axis=0) for role, of_role in values.items()}
    background = means["background"]
    if (np.minimum(means["rmin"], means["rmax"]) <= background).any():
        reason = "no signal of the dye above the background in the rmin or rmax wells"
        return not_calibrated(run_id, counts, draws, IN_SITU, reason)
    deviations, parts = [], {}
    for place, (role, of_role) in enumerate(values.items()):
        scale = np.ones(2) if role == "background" else means[role] - background
        covariance = np.cov(of_role / scale, rowvar=False) / len(of_role)
        deviations.append(normal_draws(seed, draws, covariance, role, run_id))
        parts[role] = Part(slice(2 * place, 2 * place + 2), len(of_role) - 1)
    centre = np.concatenate([background, np.zeros(4)])

    def constants_of(x):
        b340, b380, free_340, free_380, bound_340, bound_380 = np.moveaxis(x, -1, 0)
        free_340, free_380 = (means["rmin"][0] - b340) * np.exp(free_340), (means["rmin"][1] - b380) * np.exp(free_380)
        bound_340 = (means["rmax"][0] - b340) * np.exp(bound_340)
        bound_380 = (means["rmax"][1] - b380) * np.exp(bound_380)
        with np.errstate(divide="ignore", invalid="ignore"):
            return b340, b380, free_340 / free_380, bound_340 / bound_380, free_380 / bound_380

    return Calibration(run_id, counts, centre, np.hstack(deviations), parts, constants_of)


def _needed(run: pd.DataFrame, kind: str, subtracted: bool) -> dict[str, int]:
    """Return how many wells each role needs; those of the background none where it is off and there are none."""
    absent = subtracted and not (run["role"] == "background").any()
    return {role: 0 if absent and role == "background" else MIN_WELLS for role in CALIBRATORS[kind]}


def _calibrate_as_stated(run_id: str, run: pd.DataFrame, given: Settings, seed: int, draws: int) -> Calibration:
    """Return a calibration of stated constants: normal logarithms, of errors that are taken as known."""
    values = wells_of(run, "background")
    counts = {"background": len(values)}
    reason = few_wells(counts, _needed(run, STATED, given.background_subtracted))
    if reason:
        return not_calibrated(run_id, counts, draws, STATED, reason)
    parts, deviations = {}, []
    background = values.mean(axis=0) if len(values) else np.zeros(2)
    covariance = np.cov(values, rowvar=False) / len(values) if len(values) else np.zeros((2, 2))
    deviations.append(normal_draws(seed, draws, covariance, "background", run_id))
    parts["background"] = Part(slice(0, 2), len(values) - 1 if len(values) else math.inf)
    for place, (name, (value, se, _)) in enumerate(zip(CONSTANTS, given.stated, strict=True), start=2):
        # What is stated is one for the whole study: the draws do not go by the run.
        deviations.append(normal_draws(seed, draws, np.array([[(se / value) ** 2]]), "stated", name))
        parts[name] = Part(slice(place, place + 1), math.inf)
    centre = np.concatenate([background, np.log([value for value, _, _ in given.stated])])

    def constants_of(x):
        return (*np.moveaxis(x[..., :2], -1, 0), *np.moveaxis(np.exp(x[..., 2:]), -1, 0))

    return Calibration(run_id, counts, centre, np.hstack(deviations), parts, constants_of, STATED)


def curve(
    calibration: Calibration, given: Settings, kd_mm: float | None = None, *, widen=1.0, only: str | None = None
) -> Curve:
    """Return the curve of a run at a Kd (default: that of the settings), corrected for the free dye of the Rmax wells.

    A draw that no dye can show (Rmax <= Rmin, beta <= 0) is replaced by the next possible one. A run whose measured
    calibration is impossible, or in more than one normal draw of a hundred, gives no values; the curve says why.
    `widen` and `only` are those of `Calibration.draw`.
    """
    kd_mm = given.kd_mm if kd_mm is None else kd_mm
    reason = _refusal(calibration, given, kd_mm)
    if reason:
        nothing = np.full(calibration.draws + 1, np.nan)
        return Curve(*[nothing] * 3, kd_mm, nothing, nothing, f"run {calibration.run_id}: {reason}")
    drawn, possible = _possible(calibration.draw(widen, only), calibration, given, kd_mm)
    size = calibration.draws + 1
    chosen = possible[np.searchsorted(possible, np.arange(size)) % possible.size]
    at = (drawn.rmin[chosen], drawn.rmax[chosen], drawn.beta[chosen])
    return Curve(*at, kd_mm, drawn.background_340[chosen], drawn.background_380[chosen])


def _refusal(calibration: Calibration, given: Settings, kd_mm: float) -> str:
    """Return why a run gives no values at a Kd; empty when it does."""
    key = (given, kd_mm)
    if key not in calibration._refusals:
        reason = calibration.reason
        if not reason:
            raw = calibration.draw()
            beta = raw.beta[0] / (given.kd_mm if calibration.kind == TITRATION else 1.0)
            reason = _why_not(raw.rmin[0], raw.rmax[0], beta, given)
        if not reason:
            _, possible = _possible(raw, calibration, given, kd_mm)
            size = calibration.draws + 1
            if possible.size < MIN_POSSIBLE_DRAWS * size or possible[0] != 0:
                reason = (
                    f"{1 - possible.size / size:.0%} of the draws of Rmin, Rmax and beta are impossible at Kd "
                    f"{kd_mm:g} mM: too few calibration wells, too different ones, or a wrong rmax_magnesium_mm"
                )
        calibration._refusals[key] = reason
    return calibration._refusals[key]


def _possible(
    drawn: Constants, calibration: Calibration, given: Settings, kd_mm: float
) -> tuple[Constants, np.ndarray]:
    """Return the constants with the free dye of the Rmax wells solved out, and which draws are possible."""
    rmin, rmax, beta = drawn.rmin, drawn.rmax, drawn.beta
    if calibration.kind == TITRATION:
        beta = beta / kd_mm
    elif given.rmax_magnesium_mm is not None:
        rmax, beta = saturated(rmin, rmax, beta, kd_mm, given.rmax_magnesium_mm)
    possible = np.flatnonzero((rmin > 0) & (rmax > rmin) & (beta > 0) & np.isfinite(rmax))
    return Constants(drawn.background_340, drawn.background_380, rmin, rmax, beta), possible


def _why_not(rmin: float, rmax: float, beta: float, given: Settings) -> str:
    """Return why a calibration as measured cannot be used; empty when it can."""
    if not 0 < rmin < rmax:
        return f"Rmin is {rmin:.4g} and Rmax {rmax:.4g}: are rmin and rmax wells exchanged?"
    if beta < 1 and not given.confirm_beta_below_one:
        return (
            f"beta is {beta:.4g}; it is F380 of the free over F380 of the bound dye, above 1 for this dye: are rmin "
            "and rmax exchanged, or their loading unequal? confirm_beta_below_one: true accepts it"
        )
    return ""


def curves_of(
    calibrations: Mapping[str, Calibration], given: Settings, kd_mm: float | None = None, **drawn
) -> dict[str, Curve]:
    """Return the curve of each run at a Kd (default: that of the settings); `drawn` as for `curve`."""
    return {run_id: curve(calibration, given, kd_mm, **drawn) for run_id, calibration in calibrations.items()}
