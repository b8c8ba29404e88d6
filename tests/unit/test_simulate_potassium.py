"""The simulated K+ current: the files say what the truth says, and undisturbed they give it back."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgk.gating import fit_activation, fit_inactivation, fit_tail
from mgk.recordings import check_header, read_recording
from mgk.recordings.corrections import correct
from mgk.recordings.measure import check_recording, measure_batch
from mgk.simulate import potassium
from mgk.tables.yaml_file import load_yaml

HOUSE = Path(__file__).parents[2]
TRUTH = load_yaml(HOUSE / "raw_data" / "truth.yaml")[0]
PUT_IN = TRUTH["recordings"]["kv_activation"]
SETTINGS = load_yaml(HOUSE / "config.yaml")[0]["recordings"]["experiments"]
RECIPES = load_yaml(HOUSE / "raw_data" / "solutions.yaml")[0]
DISTURBANCES = (
    "animal_sd_v_half_mv", "cell_sd_v_half_mv", "cell_sd_shift_mv", "cell_sd_k_mv", "junction_potential_mv",
    "series_resistance_mohm", "leak_conductance_ns", "rundown_per_recording", "baseline_drift_sd_pa",
    "transient_pa_per_mv",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    return folder, potassium.write(TRUTH, folder)


def test_each_cell_is_recorded_in_both_baths_with_both_protocols(written):
    folder, rows = written
    assert rows["recording_id"].is_unique
    own = rows[rows["recording_id"] != rows["leak_recording_id"]]
    assert own.groupby(["cell_id", "experiment"])["condition"].apply(sorted).map(tuple).unique().tolist() == [
        ("control", "low_magnesium")
    ]
    activation = own[own["experiment"] == "kv_activation"]
    assert sorted(activation["leak_recording_id"]) == sorted(set(rows["recording_id"]) - set(own["recording_id"]))
    assert rows.groupby("animal_id")["cell_id"].nunique().tolist() == [2, 2, 2]
    assert (rows["pair_id"] == rows["cell_id"]).all()
    assert np.sum([(folder / f).stat().st_size for f in rows["file"]]) < 4e6
    for row in rows.to_dict("records"):
        assert "SIMULATED" in read_recording(folder / row["file"]).comment
        assert check_header(folder / row["file"]) == []
        assert check_recording(row, folder / row["file"], SETTINGS[row["experiment"]]) == []


def test_the_recipes_are_those_of_the_truth(written):
    for row in written[1].to_dict("records"):
        assert RECIPES[row["pipette_solution"]]["totals_mm"]["K"] == PUT_IN["internal_potassium_mm"]["value"]
        assert RECIPES[row["bath_solution"]]["totals_mm"]["K"] == PUT_IN["external_potassium_mm"]["value"]
    magnesium = written[1].groupby("condition")["bath_solution"].first().map(lambda s: RECIPES[s]["totals_mm"]["Mg"])
    assert magnesium.to_dict() == {"control": 1, "low_magnesium": 0.1}


def test_the_junction_potential_put_in_is_that_of_the_recipes():
    from mgk.solutions.junction import junction_potential_mv

    expected = junction_potential_mv(RECIPES["kv_pipette"], RECIPES["kv_bath_mg1"], PUT_IN["temperature_c"]["value"])
    assert PUT_IN["junction_potential_mv"]["value"] == pytest.approx(expected, abs=0.5)


def test_the_command_that_a_reader_decodes_is_the_protocol(written):
    folder, rows = written
    for experiment, steps, at_ms in (("kv_activation", np.arange(-60, 61, 10), 100), ("kv_inactivation", None, 400)):
        row = rows[rows["experiment"] == experiment].iloc[0]
        recording = read_recording(folder / row["file"])
        levels = [recording.decoded_mv(sweep)[at_ms * 5] for sweep in range(len(recording.sweep_samples))]
        assert levels == pytest.approx(np.arange(-100, 1, 10) if steps is None else steps)
        assert recording.decoded_mv(3)[0] == -70


def test_half_of_the_cells_begin_in_the_second_bath():
    cells = potassium.cells(TRUTH)
    first = cells[cells["order"] == 0]["condition"].value_counts()
    assert first.to_dict() == {"control": 3, "low_magnesium": 3}


def test_one_cell_is_damaged_and_excluded(written):
    _, rows = written
    excluded = rows[rows["exclude"] != ""]
    assert excluded["cell_id"].unique().tolist() == [PUT_IN["damaged_cell"]["value"]]
    assert len(excluded) == 6


def test_cells_vary_as_the_truth_says():
    many = copy.deepcopy(TRUTH)
    many["recordings"]["kv_activation"]["animals"]["value"] = 500
    table = potassium.cells(many)
    control = table[table["condition"] == "control"]
    animal, cell, k = (PUT_IN[n]["value"] for n in ("animal_sd_v_half_mv", "cell_sd_v_half_mv", "cell_sd_k_mv"))
    assert control["v_half_mv"].mean() == pytest.approx(-10, abs=0.15)
    assert control["v_half_mv"].std() == pytest.approx(np.hypot(animal, cell), rel=0.06)
    assert control["k_mv"].std() == pytest.approx(k, rel=0.06)
    wide = table.pivot_table(index="cell_id", columns="condition", values="v_half_mv")
    shift = wide["low_magnesium"] - wide["control"]
    assert shift.mean() == pytest.approx(-5, abs=0.1)
    assert shift.std() == pytest.approx(PUT_IN["cell_sd_shift_mv"]["value"], rel=0.06)


def test_without_disturbances_what_was_put_in_comes_back(tmp_path):
    """Through the files: 40-60 ms after a step the gate is open but for 1 %, and prepulses are 97 % complete."""
    still = copy.deepcopy(TRUTH)
    own = still["recordings"]["kv_activation"]
    for name in DISTURBANCES:
        own[name]["value"] = 0.0
    own["noise_sd_pa"]["value"] = 1e-6
    own["animals"]["value"] = own["cells_per_animal"]["value"] = 1
    rows = potassium.write(still, tmp_path)
    for row in rows[rows["recording_id"] != rows["leak_recording_id"]].to_dict("records"):
        put_in = still["recordings"][row["experiment"]]["conditions"][row["condition"]]
        measured = measure_batch([row], tmp_path, SETTINGS[row["experiment"]]).measurements
        v = measured["membrane_mv"]
        if row["experiment"] == "kv_inactivation":
            fits = [(fit_inactivation(v, measured["peak_membrane_pa"]), 0.02, 0.02)]
        else:
            # The tail begins while inactivation recovers and the gate closes: it is 1 mV off, and k 8 %.
            fits = [
                (fit_activation(v, measured["steady_membrane_pa"], -90.42), 0.05, 0.02),
                (fit_activation(v, measured["steady_membrane_pa"]), 0.05, 0.03),
                (fit_tail(v, measured["tail_membrane_pa"]), 1.2, 0.8),
            ]
            assert fits[1][0].estimates["reversal_mv"] == pytest.approx(-90.42, abs=0.5)
        for fit, near_mv, near_k in fits:
            assert fit.estimates["v_half_mv"] == pytest.approx(put_in["v_half_mv"]["value"], abs=near_mv)
            assert fit.estimates["k_mv"] == pytest.approx(put_in["k_mv"]["value"], abs=near_k)


def test_the_leak_put_in_is_what_the_leak_recording_takes_away(written):
    """Each cell and bath by its own leak recording; the baseline drifts by a few pA in the time of one."""
    folder, rows = written
    rows = rows[rows["experiment"] == "kv_activation"].fillna({"leak_recording_id": ""}).to_dict("records")
    windows = {k: v for k, v in SETTINGS["kv_activation"]["windows_ms"].items() if k != "kinetics"}
    asked = SETTINGS["kv_activation"] | {"windows_ms": windows, "corrections": {"leak": "linear"}}
    batch = measure_batch(rows, folder, asked)
    table, ledger = correct(batch.measurements, batch.membrane_test, rows, asked, {})
    found = ledger[ledger["correction"] == "leak_conductance"].set_index("recording_id")["value"]
    for cell in potassium.cells(TRUTH).itertuples():
        for kind in ("activation", "leak"):
            conductance = found[f"{cell.cell_id}_{cell.condition}_{kind}"]
            assert conductance == pytest.approx(cell.leak_ns, abs=0.15)
    sound = [row["recording_id"] for row in rows if row["recording_id"].endswith("leak") and not row["exclude"]]
    put_in = potassium.cells(TRUTH).query("not damaged")["leak_ns"]
    assert np.mean(found[sound]) == pytest.approx(put_in.mean(), abs=0.04)
    left = table[table["recording_id"].isin(sound)]["steady_membrane_pa"]
    assert left.abs().max() < 8


def test_the_same_bytes_again(written, tmp_path):
    rows = potassium.write(TRUTH, tmp_path)
    pd.testing.assert_frame_equal(rows, written[1])
    for file in rows["file"]:
        assert (tmp_path / file).read_bytes() == (written[0] / file).read_bytes()


def test_every_number_put_in_has_a_unit_and_a_source():
    def entries(section):
        for value in section.values():
            if isinstance(value, dict):
                yield from [value] if "value" in value else entries(value)

    for experiment in potassium.EXPERIMENTS:
        found = list(entries(TRUTH["recordings"][experiment]))
        assert len(found) > 6
        assert all(set(e) == {"value", "unit", "source"} and e["source"] for e in found)
