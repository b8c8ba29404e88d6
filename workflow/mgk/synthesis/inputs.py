"""What the stages found, as the synthesis takes it: tables of block, pump and free Mg2+ read, nothing fitted."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mgk.analyses import ANALYSES
from mgk.measured_currents import cell_owners
from mgk.study import Study
from mgk.synthesis.model import DRAWS, OTHER_KD, PRINTED, PUMP, SEED, Block, Cell, Constant, Level, Model
from mgk.tables import read_table


def block_of(project: Study, experiment: str, group: str) -> Block:
    """Return Ki(0) and z delta of a group over its animals, with the covariance that its cells show."""
    fits = read_table(project.results / "block" / experiment / "fits.csv")
    own = fits[(fits["group"] == group) & (fits["unit_id"] != "")]
    bad = [m for m in own["model"].unique() if not m.startswith("woodhull_internal") or "permeant" in m]
    wide = own[own["verdict"] != "not_identified"].pivot_table(index="unit_id", columns="parameter", values="estimate")
    if bad or not {"ki0_mm", "z_delta"} <= set(wide):
        why = f"the block of {group} is {bad[0]}, not by a blocker inside that stays" if bad else ""
        return _no_block(why or f"Ki(0) and z delta of {group} are not identified")
    known = wide[["ki0_mm", "z_delta"]].dropna()
    owners = cell_owners(project, experiment)["animal_id"]
    values = known.assign(ki0_mm=np.log(known["ki0_mm"])).groupby(known.index.map(owners)).mean()
    if len(values) < 3:
        return _no_block(f"{len(values)} animals with Ki(0) and z delta in {group}: their covariance needs three")
    return block_of_animals(values.to_numpy(), len(known))


def block_of_animals(values: np.ndarray, n_cells: int) -> Block:
    """Return the block of a group from ln Ki(0) and z delta of each animal, (n_animals, 2)."""
    n = len(values)
    ln_ki0, z_delta = values.mean(axis=0)
    return Block(math.exp(ln_ki0), float(z_delta), np.cov(values.T) / n, n - 1, n_cells, n)


def _no_block(reason: str) -> Block:
    return Block(math.nan, math.nan, np.zeros((2, 2)), math.inf, 0, 0, reason)


def k05_of(project: Study, experiment: str, group: str) -> Constant:
    """Return K0.5 of the pump for free Mg2+ of a group, by Michaelis and Menten, over its animals."""
    fits = read_table(project.results / "atpase" / experiment / "fits.csv")
    of_group = (fits["group"] == group) & (fits["unit_id"] == "") & (fits["parameter"] == "k05")
    rows = fits[of_group & (fits["model"] == "michaelis_menten_free_magnesium")]
    if rows.empty or rows.iloc[0]["verdict"] == "not_identified" or not rows.iloc[0]["se"] > 0:
        return Constant(math.nan, 0.0, math.inf, f"K0.5 of {group} is not identified, or has no standard error")
    row = rows.iloc[0]
    return Constant(float(row["estimate"]), float(row["se"]), float(row["n_animals"] - 1))


def levels_of(project: Study, experiment: str) -> list[Level]:
    """Return the measured levels of an experiment: each group at the Kd in use, then at each other published Kd."""
    groups = read_table(_folder(project, experiment) / "groups.csv", text=("kd_source",))
    means = groups[groups["statistic"] == "mean"]
    in_use = means["kd_mm"].iloc[0] if len(means) else math.nan
    found = []
    for row in means.sort_values("kd_mm", key=lambda kd: kd != in_use, kind="stable").itertuples():
        known = row.se_animals > 0 and row.se_calibration >= 0 and row.n_animals > 1
        other = "" if row.kd_mm == in_use else f"{OTHER_KD}{row.kd_mm:g} mM"
        name = f"{experiment}, {row.condition}{other}"
        errors = (row.se_animals, row.se_calibration) if known else (0.0, 0.0)
        why = "" if known else row.reason or "no standard error over animals"
        value = float(row.estimate) if known else math.nan
        found.append(Level(name, value, experiment, *errors, int(row.n_animals), row.kd_source, why, row.condition))
    return [level for level in found if not (level.reason and level.at_other_kd)]


def _folder(project: Study, experiment: str) -> Path:
    """Return where the free Mg2+ of an experiment is, of plates or of image stacks."""
    return project.root / ANALYSES[project.magnesium_experiments()[experiment]].folder(experiment)


def animals_of(project: Study, experiment: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the groups of an experiment of free Mg2+, and how the errors of their animals go together.

    Groups with the same three or more animals have the correlation of the animals' mean logarithms; others have none.
    """
    samples = read_table(_folder(project, experiment) / "free_magnesium.csv")
    kept = samples[np.isfinite(samples["free_magnesium_mm"]) & (samples["free_magnesium_mm"] > 0)]
    logs = kept.assign(ln=np.log(kept["free_magnesium_mm"]))
    wide = logs.pivot_table(index="animal_id", columns="condition", values="ln", sort=False)
    groups = tuple(dict.fromkeys(samples["condition"]))
    wide = wide.reindex(columns=list(groups))
    together = wide.corr(min_periods=3).to_numpy(copy=True)
    there = wide.notna().to_numpy()
    same = (there[:, :, None] == there[:, None, :]).all(axis=0)
    together[~same | ~np.isfinite(together)] = 0.0
    np.fill_diagonal(together, 1.0)
    return groups, together


def model_of(project: Study, settings: Mapping) -> Model:
    """Return what the section `synthesis` of config.yaml joins, from the tables of the stages that it names."""
    stated = [Level(f"{s['value']:g} mM", s["value"], origin=s["source"]) for s in settings["levels_mm"]]
    measured = [level for name in settings["free_magnesium"] for level in levels_of(project, name)]
    k05 = {PUMP: k05_of(project, settings["pump"]["experiment"], settings["pump"]["group"])}
    if printed := settings.get("pump_published"):
        k05[PRINTED] = Constant(printed["value"], printed.get("se", 0.0), math.inf)
    names = ("apical_mv", "luminal_potassium_mm", "cell_potassium_mm", "temperature_c")
    cell = Cell(*(float(settings[name]["value"]) for name in names))
    block = block_of(project, settings["block"]["experiment"], settings["block"]["group"])
    animals = {name: animals_of(project, name) for name in settings["free_magnesium"]}
    drawing = settings.get("draws", DRAWS), settings.get("seed", SEED)
    return Model(block, k05, [*stated, *measured], cell, animals, *drawing)
