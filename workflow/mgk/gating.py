"""Gating of a channel by voltage: Boltzmann fits to currents, of activation, of tails and of steady-state inactivation.

The fits are to the *current*, never to a conductance got by dividing: near the reversal potential a quotient blows the
noise up (3 % noise and a point 5 mV from it make the SD of V1/2 86 mV instead of 3.4).

Vocabulary and units: *V1/2*, potential at which half of the channels are open (activation) or available
(inactivation), mV; *k*, mV per e-fold, positive in both; *Gmax*, nS; *test current*, what a pulse after a prepulse
finds. Windows: activation takes the steady window, or the peak of a current that inactivates (and the tail window,
where there is one), against the potential of the steady window; inactivation takes the peak window, which must lie in
the test pulse, against the potential of the steady window, which must lie in the prepulse.

Limits: one gate, one component, no kinetics; currents and potentials as `mgk.currents` gives them, so that a series
resistance or a junction potential that was not corrected moves V1/2 and k. A curve without plateaus in the data, or
shallower than one gating charge makes it, is weak whatever its interval. Means over cells: `mgk.statistics`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from mgk.constants import thermal_voltage_mv
from mgk.currents import Reversals, cell_fits
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.measured_currents import cell_owners, comparable_groups, fitted_window, group_label
from mgk.statistics import FIT_COLUMNS, compare_fits, fit_row, group_rows
from mgk.study import Study

ACTIVATION, INACTIVATION = "boltzmann_activation", "boltzmann_inactivation"
TAIL, FREE_REVERSAL = "boltzmann_tail", "free_reversal_boltzmann"
# Which window's current each model is fitted to, for each value of `fit` in config.yaml; `fit_window` puts another in
# the place of the steady one.
MODELS = {
    ACTIVATION: {ACTIVATION: "steady", FREE_REVERSAL: "steady", TAIL: "tail"},
    INACTIVATION: {INACTIVATION: "peak"},
}
# What is compared between conditions, and whether as a difference or as a ratio.
QUANTITIES = {
    "none": {
        ("local polynomial", "reversal_mv"): "difference",
        ("local polynomial", "slope_conductance_ns"): "ratio",
    },
    ACTIVATION: {
        (ACTIVATION, "v_half_mv"): "difference",
        (ACTIVATION, "k_mv"): "difference",
        (ACTIVATION, "gmax_ns"): "ratio",
        (TAIL, "v_half_mv"): "difference",
    },
    INACTIVATION: {(INACTIVATION, "v_half_mv"): "difference", (INACTIVATION, "k_mv"): "difference"},
}
UNITS = {"v_half_mv": "mV", "k_mv": "mV", "gmax_ns": "nS", "reversal_mv": "mV"}
GEOMETRIC = ("gmax_ns",)
FEWEST_LEVELS = 5
POTENTIALS = ("v_half_mv", "reversal_mv")
# A confidence limit of a potential farther away makes it weak (assumed, no source).
WEAK_MV = 10.0
K_BOUNDS_MV = (0.5, 100.0)
# What of the curve from shut to open the potentials must cover for its plateaus to be seen (assumed, no source).
LEAST_COVERED = 0.8
BODY_C = 37.0
# Nearer to the reversal potential a fraction is the quotient of two small numbers.
NEAR_REVERSAL_MV = 10.0
CURVE_COLUMNS = (
    "experiment", "group", "cell_id", "animal_id", "model", "level_mv", "membrane_mv", "current_pa", "fitted_pa",
    "fraction", "excluded", "reason",
)  # fmt: skip
SHARED_COLUMNS = (
    "experiment", "cell_id", "animal_id", "model", "group_a", "group_b", "one_v_half_mv", "f", "df1", "df2", "p",
    "delta_aicc",
)  # fmt: skip


def boltzmann(membrane_mv, v_half_mv, k_mv):
    """Return the open fraction 1 / (1 + exp((V1/2 - V) / k)); through tanh, which does not overflow."""
    return 0.5 * (1 + np.tanh((membrane_mv - v_half_mv) / (2 * k_mv)))


def fit_activation(membrane_mv, current_pa, reversal_mv: float | None = None) -> CurveFit:
    """Fit I = Gmax (V - E) / (1 + exp((V1/2 - V) / k)) to currents.

    Parameters
    ----------
    membrane_mv, current_pa : array_like of shape (n,)
        Potentials and currents.
    reversal_mv : float, optional
        E, when it is known (of Nernst); else it is a parameter.

    Returns
    -------
    CurveFit
        Parameters v_half_mv, k_mv and ln_gmax_ns; where E is free, v_half_mv, k_mv, reversal_mv and, in place of Gmax,
        which follows E almost exactly, largest_pa: the fitted current where the largest was measured.
    """
    v, current = np.asarray(membrane_mv, float), np.asarray(current_pa, float)
    reversal = _first_reversal(v, current) if reversal_mv is None else reversal_mv
    near = np.abs(v - reversal) < NEAR_REVERSAL_MV
    conductance = np.where(near, 0, current / np.where(near, 1, v - reversal))
    top = max(conductance.max(), 1e-6)
    start = {"v_half_mv": _half(v, conductance / top), "k_mv": 8.0}
    bounds = {"k_mv": K_BOUNDS_MV}
    if reversal_mv is not None:

        def ohmic(x, v_half_mv, k_mv, ln_gmax_ns):
            return np.exp(ln_gmax_ns) * (x - reversal_mv) * boltzmann(x, v_half_mv, k_mv)

        return fit_curve(ohmic, v, current, start | {"ln_gmax_ns": np.log(top)}, bounds=bounds)
    at = v[np.argmax(np.abs(current))]

    def relative(x, v_half_mv, k_mv, reversal_mv, largest_pa):
        drive = (x - reversal_mv) / (at - reversal_mv)
        return largest_pa * drive * boltzmann(x, v_half_mv, k_mv) / boltzmann(at, v_half_mv, k_mv)

    start |= {"reversal_mv": reversal, "largest_pa": current[np.argmax(np.abs(current))]}
    return fit_curve(relative, v, current, start, bounds=bounds | {"reversal_mv": (-200.0, 200.0)})


def fit_tail(membrane_mv, tail_pa) -> CurveFit:
    """Fit I = A / (1 + exp((V1/2 - V) / k)) + C to tail currents, whose driving force is the same after every step.

    Returns
    -------
    CurveFit
        Parameters amplitude_pa, v_half_mv, k_mv, residual_pa (C: the leak, and what is open at every potential).
    """
    return _fit_sigmoid(membrane_mv, tail_pa, sign=1)


def fit_inactivation(prepulse_mv, test_pa) -> CurveFit:
    """Fit I = A / (1 + exp((V - V1/2) / k)) + C to the currents of a test pulse after prepulses to V.

    Returns
    -------
    CurveFit
        Parameters amplitude_pa, v_half_mv, k_mv, residual_pa (C: the leak, and what does not inactivate).
    """
    return _fit_sigmoid(prepulse_mv, test_pa, sign=-1)


def _fit_sigmoid(membrane_mv, current_pa, sign: int) -> CurveFit:
    v, current = np.asarray(membrane_mv, float), np.asarray(current_pa, float)
    closed, opened = (current[np.argmin(sign * v)], current[np.argmax(sign * v)])
    amplitude = opened - closed or 1.0

    def sigmoid(x, amplitude_pa, v_half_mv, k_mv, residual_pa):
        return residual_pa + amplitude_pa * boltzmann(sign * x, sign * v_half_mv, k_mv)

    start = {"amplitude_pa": amplitude, "v_half_mv": _half(v, (current - closed) / amplitude), "k_mv": 8.0}
    return fit_curve(sigmoid, v, current, start | {"residual_pa": closed}, bounds={"k_mv": K_BOUNDS_MV})


def _half(v: np.ndarray, fraction: np.ndarray) -> float:
    """Return the potential at which a fraction is nearest to a half."""
    return float(v[np.argmin(np.abs(fraction - 0.5))])


def _first_reversal(v: np.ndarray, current: np.ndarray) -> float:
    """Guess where the straight line through the two uppermost potentials crosses zero, not too far from them."""
    low, high = np.argsort(v, kind="stable")[-2:]
    slope = (current[high] - current[low]) / (v[high] - v[low] or 1.0)
    return float(np.clip(v[high] - current[high] / slope if slope else v[high] - 100, v[high] - 150, v[high] + 50))


def experiment_fits(
    windows: dict[str, pd.DataFrame], reversals: dict[str, Reversals], fit: str = "none", fit_window: str = "steady"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return fits and curves of an experiment: of gating (`fit_cells`), or, without it, `mgk.currents.cell_fits`.

    `reversals` are those of `mgk.currents.window_reversals`, which has none where gating is fitted.
    """
    fits, curves = fit_cells(windows, fit, fit_window)
    for window, found in reversals.items():
        fits = cell_fits(windows[window], found)
    return fits, curves


def compare_conditions(project: Study, experiment: str, fits: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Compare the conditions of an experiment, as its config asks, in the order of raw_data/recordings.csv.

    See `mgk.statistics.compare_fits` for what is returned.
    """
    settings = project.experiment("recordings", experiment)
    return compare_fits(
        fits,
        cell_owners(project, experiment),
        comparable_groups(points, _conditions(project, experiment)),
        QUANTITIES[settings.get("fit", "none")],
        mixed=settings.get("comparison") == "mixed_model",
    )


def compare_within_cells(project: Study, experiment: str, windows: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return `shared_fits` of an experiment, its conditions in the order of raw_data/recordings.csv."""
    settings = project.experiment("recordings", experiment)
    fit, fit_window = settings.get("fit", "none"), settings.get("fit_window", "steady")
    return shared_fits(windows, fit, _conditions(project, experiment), fit_window)


def _conditions(project: Study, experiment: str) -> pd.Series:
    rows = project.table("recordings")
    return rows.loc[rows["experiment"] == experiment, "condition"]


def fit_cells(
    points: dict[str, pd.DataFrame], fit: str, fit_window: str = "steady"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit every cell of an experiment with the models of its `fit`.

    Parameters
    ----------
    points : dict
        Tables of `mgk.measured_currents.load_currents`, by window.
    fit : str
        none, boltzmann_activation or boltzmann_inactivation.
    fit_window : str
        The window of activation: steady, or peak for a current that inactivates.

    Returns
    -------
    (fits, curves)
        Rows of fits.csv, of cells and of groups; and a row per cell, model and level: CURVE_COLUMNS, `fitted_pa` of the
        cell's fit, `fraction` the current over what it would be with all channels open (empty without a fit). Both are
        empty when nothing is to be fitted.
    """
    rows, curves, animals = [], [], {}
    for model, table in _models(points, fit, fit_window):
        keys = ["group", "cell_id", "ligand_total_mm"]
        for (_, cell_id, _), cell in table.groupby(keys, sort=False):
            if model == FREE_REVERSAL and np.isnan(cell["nernst_potassium_mv"].iloc[0]):
                continue  # the activation fit has a free reversal potential already
            animals[cell_id] = cell["animal_id"].iloc[0]
            used = cell[~cell["excluded"]]
            result = _fit_cell(used, model)
            head = (cell["experiment"].iloc[0], group_label(cell.iloc[0]), cell_id, model)
            for name, estimate in _estimates(used, cell, model, result).items():
                rows.append(fit_row(*head, name, UNITS[name], estimate))
            curves.append(_curve(cell, model, result))
    cells = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    fits = pd.concat([cells, group_rows(cells, animals, GEOMETRIC)], ignore_index=True) if rows else cells
    return fits, pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=list(CURVE_COLUMNS))


def _models(points: dict[str, pd.DataFrame], fit: str, fit_window: str):
    """Yield (model, points of its window)."""
    for model, window in MODELS.get(fit, {}).items():
        name = fitted_window(points, fit_window) if window == "steady" else window
        if name in points:
            yield model, points[name]


def shared_fits(points: dict[str, pd.DataFrame], fit: str, order=(), fit_window: str = "steady") -> pd.DataFrame:
    """Ask of each cell that is in two conditions whether its sweeps need a V1/2 for each: F test and AICc.

    The two conditions are fitted apart, and together with one V1/2 in common, everything else free. F is the extra sum
    of squares over the variance of the fits apart; the sweeps are its unit, so that it says something of this cell and
    nothing of the conditions, which `compare_conditions` compares.

    Parameters
    ----------
    points, fit, fit_window
        As those of `fit_cells`.
    order : sequence of str
        As that of `mgk.measured_currents.comparable_groups`.

    Returns
    -------
    DataFrame
        SHARED_COLUMNS: one_v_half_mv of the fit in common, delta_aicc the AICc with one V1/2 less that with two
        (above 0 speaks for two). Without rows where no cell is in two conditions.
    """
    rows = []
    for model, table in _models(points, fit, fit_window):
        if model == FREE_REVERSAL:
            continue
        labels = table.apply(group_label, axis=1)
        for names in comparable_groups(table, order):
            for cell_id, cell in table[labels.isin(names)].groupby("cell_id", sort=False):
                used = [cell[(labels[cell.index] == name) & ~cell["excluded"]] for name in names]
                apart = [_fit_cell(part, model) for part in used]
                if None in apart:
                    continue
                head = (cell["experiment"].iloc[0], cell_id, cell["animal_id"].iloc[0], model, *names)
                rows.append((*head, *_extra_sum_of_squares(used, apart)))
    return pd.DataFrame(rows, columns=list(SHARED_COLUMNS))


def _extra_sum_of_squares(used: list[pd.DataFrame], apart: list[CurveFit]) -> tuple:
    """Return (one V1/2, F, df1, df2, p, difference of AICc) of two conditions with one V1/2 against two."""
    one, two = (_fit_together(used, apart, own_half) for own_half in (False, True))
    f = (one.rss - two.rss) / (two.rss / two.dof)
    difference = one.aicc - two.aicc
    return one.estimates["v_half_mv_0"], f, 1, two.dof, float(f_distribution.sf(f, 1, two.dof)), difference


def _fit_together(used: list[pd.DataFrame], apart: list[CurveFit], own_half: bool) -> CurveFit:
    """Fit two conditions of a cell at once, with a V1/2 each or with that of the first for both."""
    x, y = (np.concatenate([part[column] for part in used]) for column in ("membrane_mv", "current_pa"))
    second = np.repeat([False, True], [len(part) for part in used])
    start = {f"{name}_{i}": value for i, fit in enumerate(apart) for name, value in fit.estimates.items()}
    if not own_half:
        start["v_half_mv_0"] = (start["v_half_mv_0"] + start.pop("v_half_mv_1")) / 2

    def together(x, **p):
        p.setdefault("v_half_mv_1", p["v_half_mv_0"])
        curves = (f.problem.model(x, **{name: p[f"{name}_{i}"] for name in f.parameters}) for i, f in enumerate(apart))
        return np.where(second, *reversed(tuple(curves)))

    return fit_curve(together, x, y, start, bounds={f"k_mv_{i}": K_BOUNDS_MV for i in (0, 1)}, profile=[])


def _fit_cell(used: pd.DataFrame, model: str) -> CurveFit | None:
    """Fit one cell; None where there are too few levels."""
    if used["level_mv"].nunique() < FEWEST_LEVELS:
        return None
    v, current = used["membrane_mv"], used["current_pa"]
    if model == TAIL:
        return fit_tail(v, current)
    if model == INACTIVATION:
        return fit_inactivation(v, current)
    nernst = used["nernst_potassium_mv"].iloc[0]
    return fit_activation(v, current, nernst if model == ACTIVATION and np.isfinite(nernst) else None)


def _estimates(used: pd.DataFrame, cell: pd.DataFrame, model: str, fit: CurveFit | None) -> dict[str, Estimate]:
    """Return the parameters that are shown, with what the data say of V1/2 beyond the fit's own verdict."""
    if fit is None:
        excluded = "; ".join(reason for reason in cell["reason"].unique() if reason)
        levels = f"{used['level_mv'].nunique()} levels; {FEWEST_LEVELS} are needed"
        nothing = Estimate(*[np.nan] * 4, "not_identified", f"excluded: {excluded}" if excluded else levels)
        known = np.isfinite(cell["nernst_potassium_mv"].iloc[0])
        further = {ACTIVATION: ["gmax_ns" if known else "reversal_mv"], FREE_REVERSAL: ["reversal_mv"]}
        return dict.fromkeys(["v_half_mv", "k_mv", *further.get(model, [])], nothing)
    found = dict(fit.parameters)
    if "ln_gmax_ns" in found:
        found["gmax_ns"] = found["ln_gmax_ns"].exp()
    for name in POTENTIALS:
        if name in found:
            found[name] = _judge_potential(found[name])
    if not used["membrane_mv"].min() <= found["v_half_mv"].value <= used["membrane_mv"].max():
        outside = {"verdict": "not_identified", "reason": "V1/2 lies outside the potentials that were measured"}
        found["v_half_mv"] = replace(found["v_half_mv"], **outside)
    doubt = _doubt_of_sigmoid(used, fit)
    of_sigmoid = {name: found[name].weakened(doubt) for name in ("v_half_mv", "k_mv", "gmax_ns") if name in found}
    return {name: (found | of_sigmoid)[name] for name in UNITS if name in found}


def _doubt_of_sigmoid(used: pd.DataFrame, fit: CurveFit) -> str:
    """Say why one gate does not explain the fitted curve, whatever its residuals: no plateau, or too shallow; or ''.

    k is RT/zF: above RT/F less than one elementary charge would cross the membrane with the gate. Where the
    temperature is not known, body temperature, the largest RT/F, is taken.
    """
    v_half, k = fit.estimates["v_half_mv"], fit.estimates["k_mv"]
    ends = used["membrane_mv"].agg(["min", "max"]).to_numpy()
    covered = float(np.diff(boltzmann(ends, v_half, k))[0])
    doubts = []
    if covered < LEAST_COVERED:
        doubts.append(
            f"no plateau in the data: the potentials span {np.ptp(ends) / k:.1f} k, {100 * covered:.0f} % of the curve"
        )
    temperature = used["temperature_c"].iloc[0]
    limit = thermal_voltage_mv(temperature if np.isfinite(temperature) else BODY_C)
    if k > limit:
        doubts.append(f"k above RT/F, {limit:.1f} mV: less than one gating charge")
    return "; ".join(doubts)


def _judge_potential(estimate: Estimate) -> Estimate:
    away = max(estimate.ci_high - estimate.value, estimate.value - estimate.ci_low)
    if estimate.verdict != "identified" or away <= WEAK_MV:
        return estimate
    return replace(estimate, verdict="weak", reason=f"a confidence limit is {away:.0f} mV away")


def _curve(cell: pd.DataFrame, model: str, fit: CurveFit | None) -> pd.DataFrame:
    keys = ["experiment", "group", "cell_id", "animal_id", "level_mv", "excluded", "reason"]
    means = cell.groupby(keys, sort=False)[["membrane_mv", "current_pa"]].mean().reset_index()
    means["group"], means["model"] = group_label(cell.iloc[0]), model
    means["fitted_pa"] = means["fraction"] = np.nan
    if fit is not None:
        v, p = means["membrane_mv"].to_numpy(), fit.estimates
        means["fitted_pa"] = fit.predict(v)
        if "amplitude_pa" in p:
            means["fraction"] = (means["current_pa"] - p["residual_pa"]) / p["amplitude_pa"]
        else:
            drive = v - p.get("reversal_mv", cell["nernst_potassium_mv"].iloc[0])
            opened = means["fitted_pa"] / boltzmann(v, p["v_half_mv"], p["k_mv"])
            means["fraction"] = (means["current_pa"] / opened).where(np.abs(drive) >= NEAR_REVERSAL_MV)
    return means[list(CURVE_COLUMNS)]
