"""The model of the synthesis: levels of free Mg2+, block, pump; how their errors are drawn, and what follows from them.

Errors: Ki(0) and z delta of a group are drawn together, normal on ln Ki(0) and z delta, with the covariance of the
means of its animals; K0.5 and free Mg2+ normal on their logarithms; a calibration in common to all groups of an
experiment; groups with the same animals with the correlation that these show. For an interval all deviations are
widened together by the effective degrees of freedom of Welch and Satterthwaite, as in `mgk.magnesium.draws`: a t for
each source by itself would be too wide. What is printed has none, and is taken as normal.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mgk.block import unblocked_fraction
from mgk.magnesium.draws import stream, widening
from mgk.statistics import effective_df

DRAWS = 20000
SEED = 80
# Of so many draws the variance of a source by itself is taken, for the degrees of freedom.
FOR_VARIANCE = 4000
BLOCK, PUMP, PRINTED = "Ki(0) and z delta", "K0.5 of the study", "K0.5 as published"
OPEN, OPEN_RATIO = "fraction of ROMK open", "ROMK open, ratio to the reference"
RATE, RATE_RATIO = "rate of the pump, fraction of its maximum", "rate of the pump, ratio to the reference"
# What ends the name of a level at another Kd than the one in use.
OTHER_KD = ", Kd "


@dataclass(frozen=True)
class Constant:
    """A positive constant whose logarithm is drawn: t with `df`, normal where df is infinite, none where se is 0."""

    value: float
    se: float
    df: float
    reason: str = ""


@dataclass(frozen=True)
class Block:
    """Ki(0) and z delta of a group: means over its animals, the covariance of these means (2, 2), n - 1."""

    ki0_mm: float
    z_delta: float
    covariance: np.ndarray
    df: float
    n_cells: int
    n_animals: int
    reason: str = ""


@dataclass(frozen=True)
class Level:
    """A free concentration of Mg2+; `experiment` is empty for a stated one, which has no error."""

    name: str
    value_mm: float
    experiment: str = ""
    se_animals: float = 0.0
    se_calibration: float = 0.0
    n_animals: int = 0
    origin: str = ""
    reason: str = ""
    group: str = ""

    @property
    def at_other_kd(self) -> bool:
        """Whether it is at a published Kd that the experiment does not use."""
        return OTHER_KD in self.name


@dataclass(frozen=True)
class Cell:
    """Where the prediction is made: apical potential, K+ on both sides of the apical membrane, temperature."""

    apical_mv: float
    luminal_potassium_mm: float
    cell_potassium_mm: float
    temperature_c: float


@dataclass(frozen=True)
class Model:
    """All that a prediction rests on.

    `k05` holds the constants of the pump by name; `animals`, for each experiment of free Mg2+, its groups in order and
    how the errors of their animals go together (correlations, groups by groups).
    """

    block: Block
    k05: Mapping[str, Constant]
    levels: Sequence[Level]
    cell: Cell
    animals: Mapping[str, tuple[tuple[str, ...], np.ndarray]]
    draws: int = DRAWS
    seed: int = SEED


@dataclass(frozen=True)
class Quantity:
    """A number of the prediction: how it follows from a set of draws, and the sources that it rests on."""

    name: str
    level: Level
    function: Callable[[Mapping], np.ndarray]
    sources: tuple[str, ...]
    reference: Level | None = None
    membrane_mv: float = math.nan
    k05: str = ""
    why_not: str = ""

    @property
    def key(self) -> tuple:
        """What it is of, to find the same quantity of another model."""
        reference = self.reference.name if self.reference else ""
        return self.name, self.level.name, reference, self.membrane_mv, self.k05


# --- draws --------------------------------------------------------------------------------------------------------


def draw(model: Model, name: str) -> dict[str, np.ndarray]:
    """Return a set of normal draws: for each source its deviations, (draws, p), on the scale on which it is drawn.

    Those of animals and calibrations of free Mg2+ are in units of their standard errors.
    """
    found = {BLOCK: _normal(model, name, BLOCK, model.block.covariance)}
    for key, constant in model.k05.items():
        found[key] = _normal(model, name, key, np.nan_to_num([[(constant.se / constant.value) ** 2]]))
    for level in model.levels:
        if level.experiment and not level.reason:
            correlations = model.animals[level.experiment][1]
            found[_animals(model, level)] = _normal(model, name, _animals(model, level), correlations)
            found[_calibration(level)] = _normal(model, name, _calibration(level), np.eye(1))
    return found


def degrees_of(model: Model) -> dict[str, float]:
    """Return the degrees of freedom of each source."""
    found = {BLOCK: float(model.block.df), **{key: constant.df for key, constant in model.k05.items()}}
    for level in model.levels:
        if level.experiment and not level.reason:
            source = _animals(model, level)
            found[source] = min(found.get(source, math.inf), level.n_animals - 1)
            found[_calibration(level)] = math.inf
    return found


def _normal(model: Model, name: str, source: str, covariance: np.ndarray) -> np.ndarray:
    """Return normal deviations with a covariance (p, p), as (draws, p)."""
    drawn = stream(model.seed, name, source).standard_normal((model.draws, len(covariance)))
    return drawn @ _root(covariance).T


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return R with R R' a covariance; one that is estimated from few values may have a variance of zero."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))


def widened(model: Model, quantity: Quantity, drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the draws with all deviations widened by what few animals stand behind a quantity."""
    few = {source: values[:FOR_VARIANCE] for source, values in drawn.items()}
    still, degrees = {source: np.zeros_like(values) for source, values in few.items()}, degrees_of(model)
    alone = [float(np.var(quantity.function({**still, source: few[source]}))) for source in quantity.sources]
    df = effective_df(alone, [degrees[source] for source in quantity.sources])
    factor = widening(model.seed, model.draws, df, "synthesis")[1:, None]
    return {source: values * factor for source, values in drawn.items()}


def centre(drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a set of one draw without any deviation: the estimates."""
    return {source: np.zeros_like(values[:1]) for source, values in drawn.items()}


def _animals(model: Model, level: Level) -> str:
    """Return the name of the error of a level's animals: one for the groups of an experiment that share them."""
    groups, correlations = model.animals[level.experiment]
    shared = np.count_nonzero(correlations[groups.index(level.group)]) > 1
    return f"free Mg2+, animals of {level.experiment}{'' if shared else f', {level.group}'}"


def _calibration(level: Level) -> str:
    return f"free Mg2+, calibration of {level.experiment}"


# --- the model ----------------------------------------------------------------------------------------------------


def magnesium_mm(model: Model, level: Level, drawn: Mapping) -> np.ndarray | float:
    """Return the free concentration of a level in each draw."""
    if not level.experiment:
        return level.value_mm
    own = drawn[_animals(model, level)][:, model.animals[level.experiment][0].index(level.group)]
    shift = own * level.se_animals + drawn[_calibration(level)][:, 0] * level.se_calibration
    return level.value_mm * np.exp(shift / level.value_mm)


def open_fraction(model: Model, level: Level, membrane_mv: float, drawn: Mapping) -> np.ndarray:
    """Return the fraction of ROMK that internal Mg2+ leaves open, 1 / (1 + [Mg]/Ki(V)), in each draw."""
    shift = drawn[BLOCK]
    ki0, z_delta = model.block.ki0_mm * np.exp(shift[:, 0]), model.block.z_delta + shift[:, 1]
    free = magnesium_mm(model, level, drawn)
    return unblocked_fraction(free, membrane_mv, ki0, z_delta, model.cell.temperature_c, "internal")


def pump_rate(model: Model, level: Level, k05: str, drawn: Mapping) -> np.ndarray:
    """Return the rate of the pump as a fraction of its maximum, [Mg] / (K0.5 + [Mg]), in each draw."""
    free = magnesium_mm(model, level, drawn)
    constant = model.k05[k05].value * np.exp(drawn[k05][:, 0])
    return free / (constant + free)


def contrasts(levels: Sequence[Level]) -> list[tuple[Level, Level]]:
    """Return (level, reference): of stated levels and of the groups of an experiment, each against the first known."""
    pairs = []
    in_use = [level for level in levels if not level.at_other_kd and not level.reason]
    for experiment in dict.fromkeys(level.experiment for level in in_use):
        first, *others = [level for level in in_use if level.experiment == experiment]
        pairs += [(other, first) for other in others]
    return pairs


def quantities_of(model: Model, potentials_mv: Sequence[float]) -> list[Quantity]:
    """Return all that is predicted: of each level at each potential, of each contrast, with each K0.5."""
    found = [_open(model, level, mv) for level in model.levels for mv in potentials_mv]
    found += [_rate(model, level, k05) for level in model.levels for k05 in model.k05]
    for level, reference in contrasts(model.levels):
        found += [_open(model, level, mv, reference) for mv in potentials_mv]
        found += [_rate(model, level, k05, reference) for k05 in model.k05]
    return found


def _sources_of(model: Model, levels: Sequence[Level]) -> tuple[str, ...]:
    measured = [level for level in levels if level.experiment and not level.reason]
    names = [_animals(model, level) for level in measured] + [_calibration(level) for level in measured]
    return tuple(dict.fromkeys(names))


def _open(model: Model, level: Level, membrane_mv: float, reference: Level | None = None) -> Quantity:
    def value(drawn):
        found = open_fraction(model, level, membrane_mv, drawn)
        return found / open_fraction(model, reference, membrane_mv, drawn) if reference else found

    name, levels = (OPEN_RATIO, (level, reference)) if reference else (OPEN, (level,))
    why = level.reason or model.block.reason
    return Quantity(name, level, value, (*_sources_of(model, levels), BLOCK), reference, membrane_mv, why_not=why)


def _rate(model: Model, level: Level, k05: str, reference: Level | None = None) -> Quantity:
    def value(drawn):
        found = pump_rate(model, level, k05, drawn)
        return found / pump_rate(model, reference, k05, drawn) if reference else found

    name, levels = (RATE_RATIO, (level, reference)) if reference else (RATE, (level,))
    why = level.reason or model.k05[k05].reason
    return Quantity(name, level, value, (*_sources_of(model, levels), k05), reference, k05=k05, why_not=why)


def with_truth(model: Model, ki0_mm: float, z_delta: float, k05_mm: float, levels_mm: Mapping[str, float]) -> Model:
    """Return the same model without errors, at what was put into simulated data.

    Parameters
    ----------
    levels_mm : mapping
        Free Mg2+ that was put in, by the name of the level; stated levels stay, others without a truth are left out.
    """
    known = [level for level in model.levels if not level.experiment or level.name in levels_mm]
    still = [replace(x, value_mm=levels_mm.get(x.name, x.value_mm), se_animals=0.0, se_calibration=0.0) for x in known]
    block = replace(model.block, ki0_mm=ki0_mm, z_delta=z_delta, covariance=np.zeros((2, 2)))
    return replace(model, block=block, k05={PUMP: Constant(k05_mm, 0.0, math.inf)}, levels=still)
