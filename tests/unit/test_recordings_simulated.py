"""The demonstration's recordings: what is written, and that what was put in is there."""

import copy
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgk.recordings import check_header, read_recording
from mgk.recordings.measure import check_recording, measure_batch
from mgk.simulate import recordings as simulated
from mgk.solutions import solve_solution
from mgk.tables.yaml_file import load_yaml

HOUSE = Path(__file__).resolve().parents[2]
TRUTH = load_yaml(HOUSE / "raw_data" / "truth.yaml")[0]
PUT_IN = TRUTH["recordings"]["romk_block"]
RECIPES = load_yaml(HOUSE / "raw_data" / "solutions.yaml")[0]
EXPERIMENT = load_yaml(HOUSE / "config.yaml")[0]["recordings"]["experiments"]["romk_block"]
DISTURBANCES = (
    "gain_error_cv", "rundown_per_recording", "leak_conductance_ns", "series_resistance_mohm", "transient_pa_per_mv",
    "baseline_drift_sd_pa", "voltage_offset_sd_mv", "lost_leak_ns",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw_data")
    shutil.copy(HOUSE / "raw_data" / "solutions.yaml", folder)
    return folder, simulated.write(TRUTH, folder)


@pytest.fixture(scope="module")
def measured(written):
    folder, rows = written
    batch = measure_batch(rows.to_dict("records"), folder, EXPERIMENT)
    return batch.measurements, batch.quality


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((folder / "recordings").glob("romk_*"))}


def test_each_patch_has_a_file_for_each_solution(written):
    folder, rows = written
    assert len(rows) == 48
    assert rows["recording_id"].is_unique
    assert rows.groupby("cell_id")["ligand_total_mm"].apply(sorted).map(tuple).unique().tolist() == [(0, 0.3, 1, 5)]
    assert rows.groupby("condition")["animal_id"].nunique().tolist() == [3, 3]
    assert rows.groupby("animal_id")["cell_id"].nunique().tolist() == [2] * 6
    assert np.sum([(folder / f).stat().st_size for f in rows["file"]]) < 7e6
    for row in rows.to_dict("records"):
        assert RECIPES[row["bath_solution"]]["totals_mm"]["Mg"] == row["ligand_total_mm"]
        assert RECIPES[row["bath_solution"]]["totals_mm"]["K"] == PUT_IN["internal_potassium_mm"]["value"]
        external = PUT_IN["conditions"][row["condition"]]["external_potassium_mm"]["value"]
        assert RECIPES[row["pipette_solution"]]["totals_mm"]["K"] == external


def test_the_committed_files_are_what_the_truth_gives(written):
    assert hashes(written[0]) == hashes(HOUSE / "raw_data")


def test_the_same_bytes_again(written, tmp_path):
    shutil.copy(HOUSE / "raw_data" / "solutions.yaml", tmp_path)
    simulated.write(TRUTH, tmp_path)
    assert hashes(tmp_path) == hashes(written[0])


def test_each_file_says_that_it_is_simulated_and_is_in_order(written):
    folder, rows = written
    for row in rows.to_dict("records"):
        assert check_header(folder / row["file"]) == []
        assert check_recording(row, folder / row["file"], EXPERIMENT) == []
    assert read_recording(folder / rows["file"][0]).comment.startswith("SIMULATED")


def test_both_sources_of_the_command_occur_and_agree_on_the_steps(measured, written):
    measurements, _ = measured
    assert measurements.groupby("command_source")["recording_id"].nunique().to_dict() == {"decoded": 16, "recorded": 32}
    steps = np.array(PUT_IN["step_mv"]["value"], float)
    decoded = measurements[measurements["command_source"] == "decoded"]
    assert (decoded.groupby("recording_id")["membrane_mv"].apply(list).map(lambda v: v == steps.tolist())).all()
    assert (decoded["membrane_mv"] == -decoded["command_mv"]).all()
    recorded = measurements[measurements["command_source"] == "recorded"]
    off = recorded["membrane_mv"].to_numpy().reshape(-1, steps.size) - steps
    assert np.abs(off).max() < 1
    assert np.abs(off).max() > 0.01


def test_one_recording_is_excluded_and_the_others_pass(measured):
    _, quality = measured
    assert quality["verdict"].value_counts().to_dict() == {"pass": 47, "exclude": 1}
    lost = quality[quality["verdict"] == "exclude"].iloc[0]
    assert (lost["recording_id"], lost["reason"]) == ("romk_c04_mg0p3", "seal lost during the recording")
    assert quality["baseline_sd_pa"].between(7, 9).all()


def test_the_lost_seal_is_seen_in_the_current(measured):
    """From the fourth sweep (-40 mV) on the leak adds its inward current; the sweep before (-60 mV) is without it."""
    current = measured[0].set_index(["recording_id", "sweep"])["steady_membrane_pa"]
    added = current["romk_c04_mg0p3", 3] - current["romk_c04_mg0p3", 2] * (
        current["romk_c04_mg0", 3] / current["romk_c04_mg0", 2]
    )
    assert added == pytest.approx(-40 * PUT_IN["lost_leak_ns"]["value"], rel=0.2)


def test_without_disturbances_the_block_is_exactly_woodhull_s(tmp_path):
    """What is put in, read back through the files: fractions of GHK currents at free Mg2+ and membrane potential."""
    still = copy.deepcopy(TRUTH)
    for name in DISTURBANCES:
        still["recordings"]["romk_block"][name]["value"] = 0.0
    still["recordings"]["romk_block"]["noise_sd_pa"]["value"] = 1e-6
    for name in ("animals_per_condition", "cells_per_animal"):
        still["recordings"]["romk_block"][name]["value"] = 1
    shutil.copy(HOUSE / "raw_data" / "solutions.yaml", tmp_path)
    rows = simulated.write(still, tmp_path)
    measurements = measure_batch(rows.to_dict("records"), tmp_path, EXPERIMENT).measurements
    table = measurements.merge(rows[["recording_id", "bath_solution"]]).merge(simulated.cells(still))
    control = table[table["bath_solution"] == "romk_internal_mg0"].set_index(["cell_id", "membrane_mv"])
    thermal_mv = 8.314462618 * 295.15 / 96.48533212
    for bath, blocked in table.groupby("bath_solution"):
        free = solve_solution(RECIPES[bath]).free_mm["Mg"]
        own = control.loc[list(zip(blocked["cell_id"], blocked["membrane_mv"], strict=True)), "steady_membrane_pa"]
        ki = blocked["ki0_mm"] * np.exp(-0.6 * blocked["membrane_mv"] / thermal_mv)
        expected = own.to_numpy() / (1 + free / ki.to_numpy())
        assert blocked["steady_membrane_pa"].to_numpy() == pytest.approx(expected, abs=0.2)
    for condition, outside in (("high_potassium", 100.0), ("low_potassium", 5.0)):
        curve = table[(table["condition"] == condition) & (table["bath_solution"] == "romk_internal_mg0")]
        u = np.where(curve["membrane_mv"] == 0, 1e-9, curve["membrane_mv"]) / thermal_mv
        ghk = u * (110 - outside * np.exp(-u)) / (1 - np.exp(-u))
        scale = curve["outward_current_pa"].iloc[0] / ghk[-1]
        assert curve["steady_membrane_pa"].to_numpy() == pytest.approx(scale * ghk, abs=0.2)


def test_cells_vary_as_the_truth_says():
    many = copy.deepcopy(TRUTH)
    many["recordings"]["romk_block"]["animals_per_condition"]["value"] = 400
    table = simulated.cells(many)
    logs = np.log(table["ki0_mm"] / table["condition"].map({"high_potassium": 5, "low_potassium": 1.5}))
    animal, cell = PUT_IN["animal_sd_ln_ki"]["value"], PUT_IN["cell_sd_ln_ki"]["value"]
    assert logs.mean() == pytest.approx(0, abs=0.02)
    assert logs.std() == pytest.approx(np.hypot(animal, cell), rel=0.05)
    within = logs.groupby(table["animal_id"]).std(ddof=1)
    assert np.sqrt((within**2).mean()) == pytest.approx(cell, rel=0.06)


def test_every_number_put_in_has_a_unit_and_a_source():
    def entries(section):
        for value in section.values():
            if isinstance(value, dict):
                yield from [value] if "value" in value else entries(value)

    found = list(entries(PUT_IN))
    assert len(found) > 30
    assert all(set(e) == {"value", "unit", "source"} and e["source"] for e in found)


def test_the_table_has_the_columns_of_the_schema(written):
    allowed = load_yaml(HOUSE / "workflow" / "schemas" / "recordings.schema.yaml")[0]["properties"]
    assert set(written[1].columns) <= set(allowed)
    assert isinstance(written[1], pd.DataFrame)
