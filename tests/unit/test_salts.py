"""Two salts of Mg2+ on the same cells: block, zinc and what else the anion does, kept apart."""

import numpy as np
import pandas as pd
import pytest

from mgk import salts
from mgk.constants import thermal_voltage_mv

ZINC = salts.Zinc(ic50_mm=5e-4, hill=1.0)
# Free Mg2+, free Zn2+ and free anion of each solution; citrate binds both metals.
SOLUTIONS = {
    ("aspartate", 0.0): (0.0, 3e-4, 0.0),
    ("aspartate", 0.1): (0.099, 3e-4, 0.2),
    ("aspartate", 1.0): (0.98, 2.9e-4, 1.9),
    ("citrate", 0.0): (0.0, 3e-4, 0.0),
    ("citrate", 0.1): (0.08, 8e-5, 0.04),
    ("citrate", 1.0): (0.55, 1e-5, 0.25),
}
AGONIST = {0.0: 1.0, 0.2: 1.08, 1.9: 1.32, 0.04: 1.0, 0.25: 1.0}
POTENTIALS = np.arange(-80.0, 61.0, 20.0)
K0_MM, SLOPE, G_NS, E_MV, TEMPERATURE_C = 3.57, 0.062, 5.0, 2.0, 20.0


def currents(n_animals=3, cells_per_animal=2, noise_pa=0.0, potentials=POTENTIALS, solutions=None, seed=1):
    rng = np.random.default_rng(seed)
    rows = []
    for cell in range(n_animals * cells_per_animal):
        for (salt, total), (magnesium, zinc, anion) in (solutions or SOLUTIONS).items():
            gain = AGONIST[anion] * float(ZINC.relief(zinc)) / float(ZINC.relief(3e-4))
            block = 1 + magnesium / K0_MM * np.exp(-SLOPE * potentials)
            current = G_NS * (1 + 0.1 * cell) * gain * (potentials - E_MV) / block
            rows.append(pd.DataFrame({
                "experiment": "nmda", "group": salt, "cell_id": f"c{cell}", "animal_id": f"a{cell % n_animals}",
                "recording_id": f"c{cell}_{salt}_{total}", "sweep": np.arange(potentials.size) + 1, "ligand": "Mg",
                "ligand_side": "external", "ligand_total_mm": total, "ligand_free_mm": magnesium,
                "zinc_free_mm": zinc, "anion_total_mm": anion, "temperature_c": TEMPERATURE_C, "level_mv": potentials,
                "membrane_mv": potentials, "current_pa": current + rng.normal(0, noise_pa, current.size),
                "excluded": False, "reason": "",
            }))  # fmt: skip
    return salts.with_solutions(pd.concat(rows, ignore_index=True))


def of_group(table, **where):
    rows = table[table["unit_id"] == ""]
    for name, wanted in where.items():
        rows = rows[rows[name] == wanted]
    (row,) = rows.to_dict("records")
    return row


def test_noise_free_currents_return_the_truth_by_both_models():
    fits = salts.fits_table(salts.fit_cells(currents()))
    truth = {
        "ki0_mm": K0_MM,
        "z_delta": SLOPE * thermal_voltage_mv(TEMPERATURE_C),
        "k0_mm": K0_MM,
        "slope_per_mv": SLOPE,
        "reversal_mv": E_MV,
    }
    for parameter, put_in in truth.items():
        assert of_group(fits, parameter=parameter)["estimate"] == pytest.approx(put_in, rel=1e-6)
    first = fits[(fits["unit_id"] == "c0") & (fits["parameter"] == "conductance_ns")]
    assert first["estimate"].item() == pytest.approx(G_NS, rel=1e-6)


def test_the_effects_of_each_anion_are_told_apart():
    effects = salts.effects_table(salts.fit_cells(currents()), ZINC, [-60.0])
    for (salt, total), (magnesium, zinc, anion) in SOLUTIONS.items():
        if total == 0:
            continue
        where = {"salt": salt, "ligand_total_mm": total}
        block = 1 / (1 + magnesium / K0_MM * np.exp(-SLOPE * -60))
        relief = (1 + 3e-4 / ZINC.ic50_mm) / (1 + zinc / ZINC.ic50_mm)
        put_in = {"block": block, "zinc": relief, "other": AGONIST[anion]}
        put_in["all"] = np.prod(list(put_in.values()))
        for effect, ratio in put_in.items():
            assert of_group(effects, **where, effect=effect)["ratio"] == pytest.approx(ratio, rel=1e-6)
    zinc = of_group(effects, salt="citrate", ligand_total_mm=1.0, effect="zinc")
    assert np.isnan(zinc["ci_low"])
    assert "no error of its own" in zinc["reason"]


def test_salts_are_compared_within_cells_with_the_animal_as_the_unit():
    points = currents(noise_pa=3.0)
    effects = salts.effects_table(salts.fit_cells(points), ZINC, [-60.0])
    compared = salts.compare_salts(effects, ["aspartate", "citrate"])
    at = compared[compared["ligand_total_mm"] == 1.0].set_index("effect")
    other = at.loc["other"]
    assert (other["n_cells"], other["n_animals"]) == (6, 3)
    assert "paired" in other["method"]
    assert other["ci_low"] < 1 / AGONIST[1.9] < other["ci_high"]
    assert other["p_holm"] >= other["p"]
    assert at.loc["zinc", "method"] == "calculated"
    assert np.isnan(at.loc["zinc", "p"])
    assert at.loc["all", "ratio"] == pytest.approx(np.prod(at.loc[["block", "zinc", "other"], "ratio"]), rel=1e-9)


def test_free_concentrations_that_are_equal_do_not_make_solutions_equal():
    same = {key: (magnesium if key[0] == "aspartate" else SOLUTIONS["aspartate", key[1]][0], *rest)
            for key, (magnesium, *rest) in SOLUTIONS.items()}  # fmt: skip
    effects = salts.effects_table(salts.fit_cells(currents(solutions=same)), ZINC, [-60.0])
    of = {salt: of_group(effects, salt=salt, ligand_total_mm=1.0, effect="other")["ratio"] for salt in salts_of(same)}
    assert of == pytest.approx({"aspartate": AGONIST[1.9], "citrate": 1.0}, rel=1e-6)


def salts_of(solutions):
    return dict.fromkeys(salt for salt, _ in solutions)


def test_potentials_at_which_nothing_is_relieved_are_a_weak_design():
    fits = salts.fits_table(salts.fit_cells(currents(noise_pa=1.0, potentials=np.arange(-90.0, -29.0, 10.0))))
    row = of_group(fits, parameter="ki0_mm")
    assert row["verdict"] != "identified"
    cell = fits[(fits["unit_id"] == "c0") & (fits["parameter"] == "ki0_mm")].iloc[0]
    assert "of the current is free of block" in cell["reason"]


def test_one_concentration_is_a_weak_design():
    one = {key: value for key, value in SOLUTIONS.items() if key[1] != 0.1}
    fits = salts.fits_table(salts.fit_cells(currents(noise_pa=1.0, solutions=one)))
    cell = fits[(fits["unit_id"] == "c0") & (fits["parameter"] == "ki0_mm")].iloc[0]
    assert cell["verdict"] == "weak"
    assert "one concentration of each salt; a second would help" in cell["reason"]


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        (lambda p: p["solution"] != "control", "no control"),
        (lambda p: p["solution"] == "control", "control alone"),
        (lambda p: p["level_mv"] < -50, "fewer than three potentials"),
    ],
)
def test_a_cell_of_which_too_little_is_left_says_so(keep, reason):
    points = currents()
    lost = points["cell_id"] == "c0"
    points.loc[lost & ~keep(points), ["excluded", "reason"]] = [True, "seal lost"]
    cells = salts.fit_cells(points)
    assert cells[0].woodhull is None
    assert reason in cells[0].reason
    fits = salts.fits_table(cells)
    row = of_group(fits, parameter="ki0_mm")
    assert (row["n_cells"], row["verdict"]) == (5, "identified")
    effects = salts.effects_table(cells, ZINC, [-60.0])
    assert np.isfinite(of_group(effects, salt="citrate", ligand_total_mm=1.0, effect="all")["ratio"])
    assert set(salts.compare_salts(effects, ["aspartate", "citrate"])["n_cells"]) == {5}


def test_the_model_that_made_the_currents_is_not_worse_by_aicc():
    table = salts.models_table(salts.fit_cells(currents(noise_pa=2.0))).set_index("model")
    assert table.loc[salts.JAHR_STEVENS, "aicc_difference"] < 0
    assert table.loc[salts.JAHR_STEVENS, "parameters"] == 8


def test_measured_ratios_are_those_of_the_currents():
    points = currents()
    measured = salts.ratio_of_currents(points)
    row = measured[(measured["salt"] == "citrate") & (measured["ligand_total_mm"] == 1) & (measured["level_mv"] == -60)]
    effects = salts.effects_table(salts.fit_cells(points), ZINC, [-60.0])
    expected = of_group(effects, salt="citrate", ligand_total_mm=1.0, effect="all")["ratio"]
    assert row["ratio"].to_numpy() == pytest.approx(expected)
