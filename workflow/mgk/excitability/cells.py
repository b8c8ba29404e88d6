"""Each cell: its passive and firing properties from the sweeps of a condition, with verdicts.

Sweeps of all recordings of a cell in one condition are taken together. Small steps, for the input resistance and the
time constant, are those without spikes that hyperpolarise by at most `SMALL_MV` (with the step of no current); where
fewer than `FEWEST_STEPS` are, small depolarising ones serve too, and the verdict says so. The input resistance is the
slope of the steady deflection over the current, the time constant the mean logarithm over steps, each weighted by its
current squared: their intervals are those of sweep to sweep.

Rheobase lies between the highest silent and the lowest firing step: the estimate is their middle and the interval this
bracket, which holds it for certain and is no confidence interval. A cell that fires at no step is censored above the
largest, one that fires at the smallest below it. The F-I relation is threshold-linear, f = gain max(I - onset, 0),
fitted to spikes per time of the step, from the highest silent step to the last before a depolarisation block; its
intervals are never narrower than those of counting whole spikes, 1 / (T sqrt 12) in Hz.

Spike shape and latency are those of the first spike at the lowest step that fires; adaptation is that of the lowest
step with at least `FEWEST_ADAPTING` spikes. Junction potentials are taken off potentials here.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t

from mgk.excitability.response import bridge_of, resistance
from mgk.fitting import CurveFit, Estimate, fit_curve
from mgk.statistics import FIT_COLUMNS, fit_row

# Deflections up to this are small (assumed, no source).
SMALL_MV = 20.0
FEWEST_STEPS = 3
FEWEST_ADAPTING = 5
FEWEST_FIRING = 3
# A step whose steady state begins earlier than this many time constants has not settled: 2 % are left.
SETTLED_TAUS = 4.0
# (model, parameter): unit, and how groups are compared, if at all; what is compared as a ratio has geometric means.
PARAMETERS = {
    ("rest", "resting_mv"): ("mV", "difference"),
    ("V-I line", "input_mohm"): ("MOhm", "ratio"),
    ("exponential", "tau_ms"): ("ms", "ratio"),
    ("sag", "sag_ratio"): ("1", "difference"),
    ("first spike", "threshold_mv"): ("mV", "difference"),
    ("first spike", "height_mv"): ("mV", "difference"),
    ("first spike", "half_width_ms"): ("ms", "ratio"),
    ("first spike", "ahp_mv"): ("mV", "difference"),
    ("first spike", "latency_ms"): ("ms", "ratio"),
    ("rheobase", "rheobase_pa"): ("pA", "difference"),
    ("F-I line", "gain_hz_pa"): ("Hz/pA", "ratio"),
    ("F-I line", "onset_pa"): ("pA", "difference"),
    ("firing", "highest_rate_hz"): ("Hz", "difference"),
    ("firing", "adaptation_index"): ("1", "difference"),
    ("jump", "bridge_mohm"): ("MOhm", ""),
}
CELL_COLUMNS = (
    "experiment", "group", "cell_id", "animal_id", "recordings", "sweeps", "verdict", "reason", "resting_mv",
    "rest_drift_mv", "small_steps", "input_mohm", "bridge_mohm", "tau_ms", "fast_tau_ms", "fast_share", "sag_ratio",
    "silent_pa", "firing_pa", "largest_pa", "threshold_mv", "height_mv", "half_width_ms", "ahp_mv", "latency_ms",
    "gain_hz_pa", "onset_pa", "line_from_pa", "line_to_pa", "highest_rate_hz", "adaptation_index", "block_pa",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A cell in a condition: its sweeps (of SWEEP_COLUMNS), estimates by (model, parameter), the F-I fit.

    `small`: the sweeps that tell input resistance and time constant; `silent_pa`, `firing_pa`: the bracket of
    rheobase; `line_pa`: range of the F-I fit; `block_pa`: the lowest step with a depolarisation block. NaN where there
    is none. `fit` is None where no line can be fitted.
    """

    group: str
    cell_id: str
    animal_id: str
    sweeps: pd.DataFrame
    quality: pd.DataFrame
    small: pd.DataFrame
    estimates: dict[tuple[str, str], Estimate]
    fit: CurveFit | None
    silent_pa: float
    firing_pa: float
    line_pa: tuple[float, float]
    block_pa: float

    @property
    def verdict(self) -> tuple[str, str]:
        """The worst verdict on its recordings, with the reasons."""
        worst = next(v for v in ("exclude", "warn", "pass") if (self.quality["verdict"] == v).any())
        reasons = dict.fromkeys(r for r in self.quality["reason"] if isinstance(r, str) and r)
        said = [*reasons, *self._notes()]
        return ("warn" if said and worst == "pass" else worst), "; ".join(said)

    def _notes(self) -> list[str]:
        notes = []
        if np.isnan(self.firing_pa):
            notes.append(f"no spikes up to {self.sweeps['step_pa'].max():.4g} pA")
        elif len(set(self.sweeps.loc[self.sweeps["spike_count"] > 0, "step_pa"])) == 1:
            notes.append("only one firing step")
        if np.isfinite(self.block_pa):
            notes.append(f"depolarisation block from {self.block_pa:.4g} pA")
        fast = self.quality[self.quality["fast_tau_ms"].notna()]
        if len(fast):
            fast_tau, share = fast[["fast_tau_ms", "fast_share"]].iloc[0]
            notes.append(
                f"two exponentials: {100 * share:.0f} % charges with {fast_tau:.2g} ms; one time constant lies between"
            )
        return notes


def summarise(sweeps: pd.DataFrame, quality: pd.DataFrame, small_mv: float = SMALL_MV) -> list[Cell]:
    """Return the cells of an experiment, a condition at a time, in the order of the table.

    Parameters
    ----------
    sweeps, quality : DataFrame
        excitability.csv and quality.csv of the experiment (`mgk.excitability.measure`).
    small_mv : float
        Deflections up to this are small.
    """
    used = sweeps[sweeps["segment_exclude"].fillna("") == ""]
    judged = quality.set_index("recording_id")
    cells = []
    for (group, cell_id), own in used.groupby([_group(used["condition"]), "cell_id"], sort=False):
        of = judged.loc[list(dict.fromkeys(own["recording_id"]))]
        good = of.index[of["verdict"] != "exclude"]
        # Of a cell whose recordings are all excluded the numbers are shown, as not identified.
        kept = own[own["recording_id"].isin(good)] if len(good) else own
        cells.append(_cell((group, cell_id), kept, of.loc[good] if len(good) else of, small_mv))
    return cells


def _group(condition: pd.Series) -> pd.Series:
    said = condition.fillna("").astype(str)
    return said.where(said != "", "all").rename("group")


def _cell(names: tuple[str, str], sweeps: pd.DataFrame, quality: pd.DataFrame, small_mv: float) -> Cell:
    small, doubt = _small_steps(sweeps, small_mv)
    bridge = bridge_of(sweeps)
    unbalanced = quality["reason"].fillna("").str.contains("bridge is not balanced").any()
    found = {
        ("rest", "resting_mv"): _rest(sweeps, quality),
        ("exponential", "tau_ms"): _tau(small),
        ("sag", "sag_ratio"): _sag(sweeps),
        ("jump", "bridge_mohm"): bridge,
    }
    tau = found["exponential", "tau_ms"].value
    doubts = [doubt, _unsettled(sweeps, tau)]
    if unbalanced:
        doubts.append(f"{bridge.value:.3g} MOhm of it are the pipette's: the bridge is not balanced")
    found["V-I line", "input_mohm"] = _doubted(resistance(small["step_pa"], small["deflection_mv"]), doubts)
    silent, firing, rheobase = _rheobase(sweeps)
    block = sweeps.loc[sweeps["block"].astype(bool), "step_pa"].min()
    found["rheobase", "rheobase_pa"] = rheobase
    potentials = ["the potential holds what the pipette adds: the bridge is not balanced"] if unbalanced else []
    found |= _first_spike(sweeps, firing, potentials)
    fit, line, gain, onset = fit_firing(sweeps, block)
    found["F-I line", "gain_hz_pa"], found["F-I line", "onset_pa"] = gain, onset
    found["firing", "highest_rate_hz"] = _highest(sweeps)
    found["firing", "adaptation_index"] = _adaptation(sweeps)
    if (quality["verdict"] == "exclude").all():
        why = f"excluded: {'; '.join(dict.fromkeys(quality['reason']))}"
        found = {key: replace(e, verdict="not_identified", reason=why) for key, e in found.items()}
    ordered = {key: found[key] for key in PARAMETERS}
    animal = sweeps["animal_id"].iloc[0]
    return Cell(*names, animal, sweeps, quality, small, ordered, fit, silent, firing, line, float(block))


def _small_steps(sweeps: pd.DataFrame, small_mv: float) -> tuple[pd.DataFrame, str]:
    """Return the sweeps with small steps, and what is doubtful about their choice."""
    small = sweeps[(sweeps["spike_count"] == 0) & (sweeps["deflection_mv"].abs() <= small_mv)]
    down = small[small["step_pa"] <= 0]
    if len(down) >= FEWEST_STEPS and (down["step_pa"] < 0).any():
        return down, ""
    said = f"{(down['step_pa'] < 0).sum()} small hyperpolarising steps: depolarising ones serve too"
    return small, said if (small["step_pa"] > 0).any() else ""


def _rest(sweeps: pd.DataFrame, quality: pd.DataFrame) -> Estimate:
    values = (sweeps["resting_mv"] - sweeps["junction_mv"]).to_numpy(float)
    se = float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.nan
    doubts = [r for r in _clauses(quality) if r.startswith(("unstable rest", "the resting potential"))]
    return _doubted(Estimate(float(values.mean()), se, np.nan, np.nan), doubts)


def _clauses(quality: pd.DataFrame) -> list[str]:
    """Return what the verdicts on recordings say, each once."""
    return list(dict.fromkeys(c for reason in quality["reason"].fillna("") for c in reason.split("; ") if c))


def _tau(small: pd.DataFrame) -> Estimate:
    use = small[small["tau_ms"].notna()]
    if not len(use):
        reasons = dict.fromkeys(r for r in small["reason"].fillna("") if r)
        return _nothing("; ".join(reasons) or "no small hyperpolarising step; smaller steps would help")
    logs, size = np.log(use["tau_ms"].to_numpy(float)), use["step_pa"].abs().to_numpy(float)
    if len(use) == 1:
        return Estimate(float(np.exp(logs[0])), *[np.nan] * 3, "weak", "one step: no interval")
    start = {"ln_tau": float(logs @ size**2 / (size @ size))}
    fit = fit_curve(lambda x, ln_tau: ln_tau + x, np.zeros(len(use)), logs, start, sd=1 / size, starts=1)
    found = fit.parameters["ln_tau"].exp()
    return replace(found, reason=found.reason.replace("ln_tau", "tau"))


def _sag(sweeps: pd.DataFrame) -> Estimate:
    down = sweeps[(sweeps["step_pa"] < 0) & sweeps["sag_ratio"].notna()]
    if not len(down):
        return _nothing("no hyperpolarising step; one would help")
    deepest = down[down["step_pa"] == down["step_pa"].min()]["sag_ratio"]
    return Estimate(float(deepest.mean()), *[np.nan] * 3)


def _unsettled(sweeps: pd.DataFrame, tau_ms: float) -> str:
    """Return that the steps are too short to settle, or nothing."""
    length = float((sweeps["step_end_ms"] - sweeps["step_start_ms"]).min())
    if np.isfinite(tau_ms) and 0.8 * length < SETTLED_TAUS * tau_ms:
        return f"steps of {length:.3g} ms do not settle with a time constant of {tau_ms:.3g} ms; longer ones would help"
    return ""


def _rheobase(sweeps: pd.DataFrame) -> tuple[float, float, Estimate]:
    """Return the highest silent step below the lowest that fires, that step, and the estimate between them."""
    fires = sweeps.groupby("step_pa")["spike_count"].max() > 0
    steps, firing = fires.index.to_numpy(float), fires.to_numpy()
    if not firing.any():
        top = float(steps.max())
        why = f"no spikes up to {top:.4g} pA: above that; larger steps would help"
        return top, np.nan, Estimate(np.nan, np.nan, top, np.inf, "not_identified", why)
    first = float(steps[firing].min())
    below = steps[steps < first]
    if not below.size:
        why = f"fires at the smallest step, {first:.4g} pA: below that; smaller steps would help"
        return np.nan, first, Estimate(np.nan, np.nan, -np.inf, first, "not_identified", why)
    silent = float(below.max())
    again = steps[(steps > first) & ~firing]
    doubts = [f"silent again at {again[0]:.4g} pA"] if again.size else []
    return silent, first, _doubted(Estimate((silent + first) / 2, np.nan, silent, first), doubts)


def _first_spike(sweeps: pd.DataFrame, firing_pa: float, doubts: list[str]) -> dict[tuple[str, str], Estimate]:
    """Return shape and latency of the first spike at the lowest step that fires."""
    names = [name for model, name in PARAMETERS if model == "first spike"]
    at = sweeps[(sweeps["step_pa"] == firing_pa) & (sweeps["spike_count"] > 0)]
    if not len(at):
        return {("first spike", name): _nothing("no spikes") for name in names}
    found = {}
    for name in names:
        value = float(at[name].mean())
        own = doubts if name == "threshold_mv" else []
        if np.isnan(value):
            found["first spike", name] = _nothing("not in the trace: the spike is too near to the end of the step")
            continue
        value -= float(at["junction_mv"].iloc[0]) if name == "threshold_mv" else 0.0
        found["first spike", name] = _doubted(Estimate(value, np.nan, np.nan, np.nan), own)
    return found


def firing_rate(step_pa, gain_hz_pa: float, onset_pa: float):
    """Return the threshold-linear rate of firing in Hz."""
    return gain_hz_pa * np.maximum(np.asarray(step_pa) - onset_pa, 0)


def fit_firing(
    sweeps: pd.DataFrame, block_pa: float = np.nan
) -> tuple[CurveFit | None, tuple[float, float], Estimate, Estimate]:
    """Fit the F-I relation of a cell.

    Returns
    -------
    (fit, range, gain, onset)
        The fit of ln_gain and onset (None where there is none), the lowest and highest step it uses, and the estimates.
    """
    use = sweeps[sweeps["step_pa"] < block_pa] if np.isfinite(block_pa) else sweeps
    # Silent steps further down lie on the curve whatever its gain: they tell nothing, and would count as points.
    first = use.loc[use["spike_count"] > 0, "step_pa"].min()
    silent = use.loc[use["step_pa"] < first, "step_pa"]
    use = use[use["step_pa"] >= silent.max()] if len(silent) else use
    current, rate = use["step_pa"].to_numpy(float), use["firing_rate_hz"].to_numpy(float)
    firing = np.unique(current[rate > 0])
    if firing.size < FEWEST_FIRING:
        below = "" if np.isnan(block_pa) else " below the depolarisation block"
        count = {0: "no firing step", 1: "only one firing step"}.get(firing.size, f"{firing.size} firing steps")
        nothing = _nothing(f"{count}{below}: {FEWEST_FIRING} are needed for a line; more steps would help")
        return None, (np.nan, np.nan), nothing, nothing
    gain, onset = _start(current, rate, firing)
    if not gain > 0:
        nothing = _nothing("the rate does not rise with the current")
        return None, (np.nan, np.nan), nothing, nothing

    def model(x, ln_gain, onset):
        return firing_rate(x, np.exp(ln_gain), onset)

    fit = fit_curve(model, current, rate, {"ln_gain": float(np.log(gain)), "onset": onset}, starts=1)
    doubts = [f"fitted below the depolarisation block at {block_pa:.4g} pA"] if np.isfinite(block_pa) else []
    found = fit.parameters["ln_gain"].exp(), fit.parameters["onset"]
    counting_hz = 1e3 / float((use["step_end_ms"] - use["step_start_ms"]).mean()) / np.sqrt(12)
    if fit.rss < fit.dof * counting_hz**2:
        found = _as_counted(*found, current[rate > 0], fit.dof, counting_hz)
    told = [replace(e, reason="; ".join(filter(None, [e.reason.replace("ln_gain", "gain"), *doubts]))) for e in found]
    return fit, (float(current.min()), float(current.max())), *told


def _as_counted(
    gain: Estimate, onset: Estimate, current: np.ndarray, dof: int, counting_hz: float
) -> tuple[Estimate, Estimate]:
    """Return gain and onset with the intervals of counting whole spikes: residuals may be smaller by chance."""
    centre = current.mean()
    spread = ((current - centre) ** 2).sum()
    quantile, g = t.ppf(0.975, dof), gain.value
    relative = counting_hz / np.sqrt(spread) / g
    se = counting_hz / g * np.sqrt(1 / current.size + (centre - onset.value) ** 2 / spread)
    low, high = g * np.exp([-quantile * relative, quantile * relative])
    widened = replace(gain, se=float(g * relative), ci_low=float(low), ci_high=float(high))
    half = float(quantile * se)
    return widened, replace(onset, se=float(se), ci_low=onset.value - half, ci_high=onset.value + half)


def _start(current: np.ndarray, rate: np.ndarray, firing: np.ndarray) -> tuple[float, float]:
    """Return the best threshold-linear curve among those through the steps from each that fires on."""
    best = (np.inf, np.nan, np.nan)
    for first in firing[:-1]:
        use = current >= first
        gain, shift = np.polyfit(current[use], rate[use], 1)
        if gain > 0:
            left = rate - firing_rate(current, gain, -shift / gain)
            best = min(best, (float(left @ left), float(gain), float(-shift / gain)))
    return best[1:]


def _highest(sweeps: pd.DataFrame) -> Estimate:
    rate = float(sweeps["firing_rate_hz"].max())
    return Estimate(rate, np.nan, np.nan, np.nan) if rate > 0 else _nothing("no spikes")


def _adaptation(sweeps: pd.DataFrame) -> Estimate:
    enough = sweeps[sweeps["spike_count"] >= FEWEST_ADAPTING]
    if not len(enough):
        most = int(sweeps["spike_count"].max())
        return _nothing(f"at most {most} spikes in a step, {FEWEST_ADAPTING} are needed; longer steps would help")
    lowest = enough[enough["step_pa"] == enough["step_pa"].min()]
    return Estimate(float(lowest["adaptation_index"].mean()), np.nan, np.nan, np.nan)


def _nothing(reason: str) -> Estimate:
    return Estimate(*[np.nan] * 4, "not_identified", reason)


def _doubted(found: Estimate, doubts: list[str]) -> Estimate:
    """Return an estimate that is weak at best where there are doubts."""
    doubts = [d for d in doubts if d]
    if not doubts or found.verdict == "not_identified":
        return found
    return replace(found, verdict="weak", reason="; ".join(r for r in (found.reason, *doubts) if r))


def cells_table(experiment: str, cells: list[Cell]) -> pd.DataFrame:
    """Return cells.csv, CELL_COLUMNS, a row a cell and condition."""
    rows = []
    for cell in cells:
        verdict, reason = cell.verdict
        fast = cell.quality.loc[cell.quality["fast_tau_ms"].notna(), ["fast_tau_ms", "fast_share"]]
        rows.append({
            "experiment": experiment, "group": cell.group, "cell_id": cell.cell_id, "animal_id": cell.animal_id,
            "recordings": " ".join(dict.fromkeys(cell.sweeps["recording_id"])), "sweeps": len(cell.sweeps),
            "verdict": verdict, "reason": reason, "rest_drift_mv": float(cell.quality["rest_drift_mv"].max()),
            "small_steps": int((cell.small["step_pa"] != 0).sum()),
            "fast_tau_ms": fast["fast_tau_ms"].iloc[0] if len(fast) else np.nan,
            "fast_share": fast["fast_share"].iloc[0] if len(fast) else np.nan,
            "silent_pa": cell.silent_pa, "firing_pa": cell.firing_pa,
            "largest_pa": float(cell.sweeps["step_pa"].max()), "line_from_pa": cell.line_pa[0],
            "line_to_pa": cell.line_pa[1], "block_pa": cell.block_pa,
        } | {name: e.value for (_, name), e in cell.estimates.items()})  # fmt: skip
    return pd.DataFrame(rows, columns=list(CELL_COLUMNS))


def cell_fits(experiment: str, cells: list[Cell]) -> pd.DataFrame:
    """Return the rows of fits.csv of cells."""
    rows = [
        fit_row(experiment, cell.group, cell.cell_id, model, name, PARAMETERS[model, name][0], estimate)
        for cell in cells
        for (model, name), estimate in cell.estimates.items()
    ]
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))
