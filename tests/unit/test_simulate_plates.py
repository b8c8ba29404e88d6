"""The simulated plates: same bytes, read back, known truth recovered, and what the analysis has to meet."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit

from mgk.plates import plate_format, plate_quality, read_layout, read_plate_file, tidy_wells
from mgk.simulate import atpase_plates, magnesium_plate, neurons_plate
from mgk.simulate.plate_files import plain
from mgk.tables.schema import load_schema
from mgk.tables.yaml_file import load_yaml

RAW_DATA = Path(__file__).resolve().parents[2] / "raw_data"
TRUTH = load_yaml(RAW_DATA / "truth.yaml")[0]
MEDIUM = load_yaml(RAW_DATA / "solutions.yaml")[0][atpase_plates.MEDIUM]


def generate(folder):
    shutil.copy(RAW_DATA / "solutions.yaml", folder)
    return pd.concat(
        [m.write(TRUTH, folder) for m in (magnesium_plate, neurons_plate, atpase_plates)], ignore_index=True
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw_data")
    return folder, generate(folder)


@pytest.fixture(scope="module")
def wells(made):
    return tidy_wells(made[1], made[0])


def test_the_committed_files_are_what_the_generator_writes(made):
    folder, rows = made
    for name in [*rows["file"], *rows["layout"]]:
        same = (RAW_DATA / name).read_bytes() == (folder / name).read_bytes()
        assert same, f"{name} has drifted; repair: python -m mgk.simulate raw_data"


def test_the_same_bytes_come_at_each_call(made, tmp_path):
    folder, rows = made
    pd.testing.assert_frame_equal(generate(tmp_path), rows)
    for name in [*rows["file"], *rows["layout"]]:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_rows_fit_the_schema_and_files_their_format_and_say_that_they_are_simulated(made):
    folder, rows = made
    assert set(rows.columns) <= set(load_schema("plates")["properties"])
    for row in rows.to_dict("records"):
        raw = (folder / row["file"]).read_bytes()
        assert "SIMULATED" in raw.decode("utf-16" if raw[:2] == b"\xff\xfe" else "utf-8")
        assert row["reader"].startswith(plate_format(folder / row["file"]).split(" (")[0])
        assert row["reader"].endswith(", simulated")
        assert len(read_layout(folder / row["layout"])) in (34, 68, 70, 96)


def test_every_value_of_the_truth_has_a_unit_and_a_source():
    def leaves(node):
        for key, value in node.items():
            if key != "seed":
                yield from [value] if "value" in value else leaves(value)

    found = [leaf for section in TRUTH["plates"].values() for leaf in leaves(section)]
    assert len(found) > 40
    assert all(set(leaf) == {"value", "unit", "source"} and leaf["source"] for leaf in found)


def test_the_platelets_wells_are_where_the_layout_says(wells):
    plate = wells[wells["experiment"] == "platelets"]
    assert plate.groupby("role")["well"].nunique().to_dict() == {
        "background": 8,
        "empty": 2,
        "rmax": 16,
        "rmin": 16,
        "sample": 30,
    }
    assert plate.loc[plate["role"] == "sample", "animal_id"].nunique() == 8
    assert plate.loc[plate["flag"] == "missing", "well"].tolist() == ["E7", "E7"]
    assert set(plate["read_name"]) == {"340", "380"}


def ratios(wells):
    """Return R and F380 above the background by role, as sums over wells."""
    plate = wells[(wells["experiment"] == "platelets") & (wells["flag"] == "")]
    table = plate.pivot_table(index=["role", "sample_id", "condition", "well"], columns="read_name", values="value")
    net = table - table.loc["background"].mean()
    return net, net.groupby(["role", "sample_id", "condition"]).sum()


def test_the_calibration_shows_the_truth_and_the_dye_that_stays_free(wells):
    put_in = plain(TRUTH["plates"]["platelets"])
    net, sums = ratios(wells)
    rmin = sums.loc["rmin", "340"].item() / sums.loc["rmin", "380"].item()
    rmax = sums.loc["rmax", "340"].item() / sums.loc["rmax", "380"].item()
    assert rmin == pytest.approx(put_in["rmin"], rel=0.02)
    f340, f380 = magnesium_plate.dye_fluorescence(put_in["rmax_magnesium_mm"], put_in)
    assert f340 / f380 == pytest.approx(0.84 * put_in["rmax"], rel=0.005)  # project notes, section 2
    assert 1 / f380 == pytest.approx(3.61, abs=0.005)
    assert rmax == pytest.approx(f340 / f380, rel=0.02)
    loading = np.std(np.log(net.loc["rmin", "380"]), ddof=1)
    assert 0.06 < loading < 0.2


def test_the_donors_lie_inside_the_calibration_and_the_compounds_outside(wells):
    _, sums = ratios(wells)
    ratio = (sums["340"] / sums["380"]).droplevel("sample_id")
    rmin, rmax = ratio["rmin"].item(), ratio["rmax"].item()
    samples = ratio["sample"]
    assert samples["resting"].between(rmin, rmax).all()
    assert len(samples["resting"]) == 8
    assert samples["compound-a"] > rmax
    assert samples["compound-b"] < rmin


def test_fluorescence_is_that_of_the_published_equation():
    put_in = plain(TRUTH["plates"]["platelets"])
    for magnesium in (0.05, 0.45, 3.0):
        f340, f380 = magnesium_plate.dye_fluorescence(magnesium, put_in)
        r = f340 / f380
        found = put_in["kd_mm"] * put_in["beta"] * (r - put_in["rmin"]) / (put_in["rmax"] - r)
        assert found == pytest.approx(magnesium, rel=1e-12)


def test_free_magnesium_of_the_medium_is_that_of_the_notes():
    notes = {0.5: 0.019, 1: 0.046, 2: 0.155, 3: 0.459, 4: 1.08, 6: 2.76}
    for total, free in notes.items():
        assert atpase_plates.free_magnesium_mm(MEDIUM, total, 3.0) == pytest.approx(free, rel=0.03)


def phosphate(wells):
    """Return the wells of the microsomes with their Pi, by each plate's standards."""
    parts = []
    own = wells[(wells["experiment"] == "microsomes") & (wells["plate_id"] != "microsomes_protein")]
    for _, plate in own.groupby("plate_id"):
        # below the level at which the colour of one plate saturates
        standards = plate[(plate["role"] == "standard") & (plate["standard_nmol"] < 80)]
        slope, blank = np.polyfit(standards["standard_nmol"], standards["value"], 1)
        parts.append(plate.assign(pi_nmol=(plate["value"] - blank) / slope))
    return pd.concat(parts)


def test_standards_cover_the_samples_and_little_atp_is_used(wells):
    found = phosphate(wells)
    total = found[found["role"] == "total"]
    assert total["pi_nmol"].max() < found["standard_nmol"].max()
    used = total["pi_nmol"] / (total["atp_mm"] * total["aliquot_ul"])
    assert (used < 0.10).mean() > 0.9
    assert used.max() < 0.15
    blank = found.loc[found["role"] == "nonenzymatic", "pi_nmol"].mean()
    control = total[(total["condition"] == "control") & (total["magnesium_total_mm"] == 8)]
    assert 0.2 < blank / control["pi_nmol"].mean() < 0.35


def test_one_well_is_above_range_and_the_controls_are_good(wells):
    quality = plate_quality(wells[wells["experiment"] == "microsomes"]).set_index("plate_id")
    assert quality["n_overflow"].tolist() == [0, 0, 1, 0]
    assert quality["n_blank"].tolist() == [0, 1, 0, 0]
    assert quality["verdict"].tolist() == ["pass", "warn", "warn", "pass"]
    phosphate_plates = quality.drop("microsomes_protein")
    assert phosphate_plates["z_prime"].between(0.5, 1).all()
    assert set(phosphate_plates["n_qc_high"]) == {4}


def test_what_was_put_in_is_recovered_within_the_spread_of_the_animals(wells):
    put_in = plain(TRUTH["plates"]["microsomes"])
    found = phosphate(wells)
    blank = found[found["role"] == "nonenzymatic"].set_index(["plate_id", "magnesium_total_mm"])["pi_nmol"]
    free = {mg: atpase_plates.free_magnesium_mm(MEDIUM, mg, 3.0) for mg in put_in["magnesium_total_mm"]}
    enzyme = found[found["role"].isin(["total", "ouabain"])]
    place = pd.MultiIndex.from_frame(enzyme[["plate_id", "magnesium_total_mm"]])
    activity = (enzyme["pi_nmol"] - blank.loc[place].to_numpy()) / enzyme["protein_ug"] / (enzyme["time_min"] / 60)
    table = enzyme.assign(activity=activity).pivot_table(
        index=["condition", "preparation_id", "magnesium_total_mm"], columns="role", values="activity"
    )
    pump = (table["total"] - table["ouabain"]).reset_index(name="pump")
    fits = []
    for (condition, _), one in pump.groupby(["condition", "preparation_id"]):
        x = one["magnesium_total_mm"].map(free)
        (vmax, k), _ = curve_fit(lambda m, v, k: v * m / (k + m), x, one["pump"], (15, 0.5))
        fits.append({"condition": condition, "ln": np.log(vmax / put_in["vmax_umol_mg_h"][condition]), "k": k})
    fits = pd.DataFrame(fits)
    assert len(fits) == 6
    spread = np.hypot(put_in["animal_sd_ln"], put_in["day_sd_ln"])
    assert fits["ln"].abs().max() < 3.3 * np.hypot(spread, 0.12)
    assert fits["k"].median() == pytest.approx(put_in["k05_free_magnesium_mm"], rel=0.2)


def test_the_cells_are_as_mars_and_gen5_print_them(made):
    folder, rows = made
    mars = read_plate_file(folder / rows.set_index("plate_id").loc["microsomes_plate1", "file"])
    printed = mars["value"].dropna()
    assert len(printed) == 95
    assert (printed == printed.round(3)).all()
    gen5 = read_plate_file(folder / rows.set_index("plate_id").loc["platelets_run1", "file"])
    counts = gen5["value"].dropna()
    assert (counts == counts.round()).all()
    assert counts.max() < magnesium_plate.LARGEST_COUNT
