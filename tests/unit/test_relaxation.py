"""Relaxation after mixing: files of shots, averaging, one against two exponentials, rates against the concentration."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import load_config, save_config, small_study

from mgk import relaxation
from mgk.checks import check_study
from mgk.recordings.shots import check_shots, read_shots
from mgk.study import Study
from mgk.tables import InputError

TIME = np.concatenate([0.2 * np.arange(1, 281), 56 + 2.0 * np.arange(1, 121)])
SEEN = TIME[TIME >= 2]
SETTINGS = {"relaxation": {"dead_time_ms": {"value": 2.0}}}


def change(time_ms, fast=195.0, slow=54.0, amplitudes=(-0.5, -0.5), drift=-0.2):
    t = np.asarray(time_ms) / 1000
    return 4 + drift * t + amplitudes[0] * np.exp(-fast * t) + amplitudes[1] * np.exp(-slow * t)


def noisy(seed, sd=0.009, **put_in):
    return change(SEEN, **put_in) + np.random.default_rng(seed).normal(0, sd, SEEN.size)


# --- files of shots ---------------------------------------------------------------------------------------------


def shots_text(time_ms, shots, unit="v"):
    head = ["time_ms", *(f"fluorescence_{unit}_{i + 1}" for i in range(len(shots)))]
    rows = [",".join(map(repr, row)) for row in np.column_stack([time_ms, *shots]).tolist()]
    return "\n".join(["# a comment", ",".join(head), *rows]) + "\n"


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=30, unique=True).map(sorted),
    st.integers(1, 6),
    st.sampled_from(["v", "au"]),
    st.integers(0, 2**32 - 1),
)
def test_what_was_written_is_read(tmp_path_factory, times, n, unit, seed):
    shots = np.random.default_rng(seed).normal(size=(n, len(times)))
    path = tmp_path_factory.mktemp("s") / "shots.csv"
    path.write_text(shots_text(times, shots, unit), encoding="utf-8")
    found = read_shots(path)
    assert found.unit == {"v": "V", "au": "a.u."}[unit]
    np.testing.assert_array_equal(found.time_ms, times)
    np.testing.assert_array_equal(found.signal, shots)


FAULTS = {
    "empty": ("", "no header"),
    "cut": ("time_ms,fluorescence_v\n1,2\n2,3", "truncated"),
    "no number": ("time_ms,fluorescence_v\n1,2\n2,x\n", "row 3, value 2 is no number: 'x'"),
    "missing": ("time_ms,fluorescence_v_1,fluorescence_v_2\n1,2\n", "row 2 has 2 values, 3 are needed"),
    "time falls": ("time_ms,fluorescence_v\n1,2\n1,3\n", "must rise; it does not in row 3"),
    "unknown column": ("time_ms,flourescence_v\n1,2\n", "unknown column 'flourescence_v'"),
    "two times": ("time_ms,time_s,fluorescence_v\n1,1,2\n", "needs time_s or time_ms"),
    "twice": ("time_ms,fluorescence_v,fluorescence_v\n1,1,2\n", "twice"),
    "units": ("time_ms,fluorescence_v_1,fluorescence_au_2\n1,1,2\n", "one unit"),
    "not finite": ("time_ms,fluorescence_v\n1,nan\n2,1\n", "row 2, value 2"),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS)
def test_a_damaged_file_is_named_with_its_fault(tmp_path, text, words):
    path = tmp_path / "shots.csv"
    path.write_text(text, encoding="utf-8")
    assert words in " ".join(check_shots(path))
    with pytest.raises(InputError, match=r"shots\.csv"):
        read_shots(path)


def test_seconds_are_milliseconds(tmp_path):
    path = tmp_path / "shots.csv"
    path.write_text("time_s,fluorescence_v\n0.001,2\n0.002,3\n", encoding="utf-8")
    np.testing.assert_allclose(read_shots(path).time_ms, [1, 2])


# --- averaging --------------------------------------------------------------------------------------------------


def write_shots(folder, name, shots, **row):
    (folder / f"{name}.csv").write_text(shots_text(TIME, shots), encoding="utf-8")
    said = {"recording_id": name, "file": f"{name}.csv", "experiment": "e", "cell_id": "p", "animal_id": "a"}
    return said | {"condition": "", "ligand_total_mm": 1.0, "bath_solution": "", "exclude": ""} | row


def five_shots(seed=1, n=5):
    rng = np.random.default_rng(seed)
    gain, offset = 1 + rng.normal(0, 0.02, (n, 1)), rng.normal(0, 0.05, (n, 1))
    return gain * change(TIME) + offset + rng.normal(0, 0.02, (n, TIME.size))


def test_a_shot_with_a_bubble_is_left_out_and_named(tmp_path):
    shots = five_shots()
    shots[2, 100:150] += 0.4
    transients, quality = relaxation.average_shots([write_shots(tmp_path, "r", shots)], tmp_path, SETTINGS)
    np.testing.assert_allclose(transients["signal"], np.delete(shots, 2, axis=0).mean(axis=0))
    assert transients["n_shots"].unique() == [4]
    assert quality.loc[0, "verdict"] == "warn"
    assert "shot 3 left out" in quality.loc[0, "reason"]


def test_lamp_and_offset_of_a_shot_are_no_reason_to_leave_it_out(tmp_path):
    _, quality = relaxation.average_shots([write_shots(tmp_path, "r", five_shots())], tmp_path, SETTINGS)
    assert quality.loc[0, ["n_used", "verdict", "reason"]].tolist() == [5, "pass", ""]


def test_an_artefact_within_the_dead_time_is_no_reason_either(tmp_path):
    shots = five_shots()
    shots[1, TIME < 2] += 3
    _, quality = relaxation.average_shots([write_shots(tmp_path, "r", shots)], tmp_path, SETTINGS)
    assert quality.loc[0, "n_used"] == 5


def test_files_of_one_preparation_and_concentration_are_one_transient(tmp_path):
    shots = five_shots(n=6)
    rows = [write_shots(tmp_path, f"r{i}", shots[2 * i : 2 * i + 2]) for i in range(3)]
    rows[1]["exclude"] = "air in the syringe"
    transients, quality = relaxation.average_shots(rows, tmp_path, SETTINGS)
    assert transients["transient_id"].unique() == ["r0"]
    np.testing.assert_allclose(transients["signal"], shots[[0, 1, 4, 5]].mean(axis=0))
    assert quality.loc[1, ["n_used", "verdict", "reason"]].tolist() == [0, "exclude", "air in the syringe"]
    assert "2 shots averaged" in quality.loc[0, "reason"]


def test_files_of_one_transient_with_two_time_bases_are_a_problem(tmp_path):
    rows = [write_shots(tmp_path, f"r{i}", five_shots()) for i in range(2)]
    (tmp_path / "r1.csv").write_text(shots_text(TIME + 0.1, five_shots()), encoding="utf-8")
    assert "another time base" in relaxation.check_transients(rows, tmp_path, SETTINGS)[0][1]
    with pytest.raises(InputError, match="another time base"):
        relaxation.average_shots(rows, tmp_path, SETTINGS)


def test_a_window_without_samples_is_a_problem(tmp_path):
    late = {"relaxation": {"dead_time_ms": {"value": 290.0}}}
    found = relaxation.check_transients([write_shots(tmp_path, "r", five_shots())], tmp_path, late)
    assert found == [("r", "4 samples between dead time and end; 20 are needed")]


# --- exponentials -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amplitudes", [(-0.5, -0.5), (0.2, 0.8), (0.6, -0.4)])
@pytest.mark.parametrize("rates", [(195.0, 54.0), (60.0, 15.0), (300.0, 130.0)])
def test_without_noise_the_truth_is_recovered(amplitudes, rates):
    found = relaxation.fit_transient(SEEN, change(SEEN, *rates, amplitudes))
    e = found.two.estimates
    assert found.exponentials == 2
    np.testing.assert_allclose(np.exp([e["ln_k_fast"], e["ln_k_slow"]]), rates, rtol=1e-6)
    np.testing.assert_allclose([e["amplitude_fast"], e["amplitude_slow"]], amplitudes, rtol=1e-6)
    assert e["drift"] == pytest.approx(-0.2 * np.ptp(SEEN) / 1000, rel=1e-6)


def test_one_exponential_without_noise_is_one():
    found = relaxation.fit_transient(SEEN, change(SEEN, amplitudes=(0, -1)))
    assert found.exponentials == 1
    assert np.exp(found.one.estimates["ln_k"]) == pytest.approx(54, rel=1e-6)


def test_one_exponential_in_noise_is_rarely_two():
    two = [relaxation.fit_transient(SEEN, noisy(s, amplitudes=(0, -1))).exponentials == 2 for s in range(6)]
    assert sum(two) <= 1


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = 0
    for seed in range(12):
        found = relaxation.fit_transient(SEEN, noisy(seed))
        for name, rate in (("ln_k_fast", 195), ("ln_k_slow", 54)):
            e = found.two.parameters[name].exp()
            inside += e.ci_low <= rate <= e.ci_high
    assert 19 <= inside <= 24


def test_rates_nearer_than_a_factor_of_two_are_not_separable_and_not_shown():
    samples = pd.DataFrame({"time_ms": SEEN, "signal": change(SEEN, fast=86.0)})
    head = {"transient_id": "r", "group": "all", "cell_id": "p", "animal_id": "a", "ligand": "Mg", "n_shots": 5}
    head |= {"ligand_total_mm": 1.0, "ligand_free_mm": 1.0, "unit": "V"}
    rates, _ = relaxation.fit_transients(samples.assign(**head), SETTINGS)
    row = rates.iloc[0]
    assert row["verdict"] == "not_identified"
    assert "ratio 1.6 is below 2" in row["reason"]
    assert "what would help" in row["reason"]
    assert np.isnan([row["k_fast"], row["k_slow"], row["amplitude_fast"]]).all()


def test_the_least_ratio_is_a_setting():
    assert relaxation.fit_transient(SEEN, noisy(1)).verdict == "identified"
    found = relaxation.fit_transient(SEEN, noisy(1), least_ratio=5.0)
    assert found.verdict == "not_identified"
    assert "below 5" in found.reason


def test_a_wave_in_the_residuals_is_said():
    wave = 0.02 * np.sin(2 * np.pi * SEEN / 80)
    samples = pd.DataFrame({"time_ms": SEEN, "signal": noisy(1) + wave, "transient_id": "r", "unit": "V"})
    for name in ("group", "cell_id", "animal_id", "ligand", "ligand_total_mm", "ligand_free_mm", "n_shots"):
        samples[name] = 1
    rates, _ = relaxation.fit_transients(samples, SETTINGS)
    assert "residuals follow each other" in rates.loc[0, "reason"]


# --- rates against the concentration ----------------------------------------------------------------------------

FREE = np.array([0.0056, 0.0256, 0.0733, 0.199, 0.504, 1.93])


def rates_of(free=FREE, cells=("p1", "p2", "p3"), **columns):
    share = free / (0.069 + free)
    parts = [pd.DataFrame({"group": "all", "cell_id": c, "animal_id": f"a{c}", "ligand_free_mm": free}) for c in cells]
    table = pd.concat(parts, ignore_index=True)
    for phase, k0, k in (("fast", 40, 195), ("slow", 12, 54)):
        rate = np.tile(k0 + (k - k0) * share, len(cells))
        table[f"k_{phase}"], table[f"k_{phase}_se"] = rate, 0.04 * rate
    return table.assign(**columns)


def test_saturation_is_recovered_without_noise():
    fits = relaxation.dependence_fits(relaxation.fit_dependence(rates_of()), "e").set_index(
        ["unit_id", "model", "parameter"]
    )
    for unit in ("p1", ""):
        for phase, truth in (("fast", (40, 155, 195, 0.069)), ("slow", (12, 42, 54, 0.069))):
            found = fits.loc[(unit, f"hyperbola, {phase} phase")]["estimate"]
            np.testing.assert_allclose(found[["k0", "k_max", "k_saturating", "k_half"]], truth, rtol=1e-6)


def test_too_few_concentrations_and_none_that_bracket_are_not_identified():
    fits = relaxation.dependence_fits(relaxation.fit_dependence(rates_of(FREE[:3])), "e")
    assert set(fits["verdict"]) == {"not_identified"}
    assert "3 concentrations with two separable rates; 4 are needed" in fits.loc[0, "reason"]
    high = rates_of(np.array([1.0, 1.5, 2.0, 3.0, 5.0]))
    rng = np.random.default_rng(1)
    for phase in ("fast", "slow"):
        high[f"k_{phase}"] *= np.exp(rng.normal(0, 0.04, len(high)))
    fits = relaxation.dependence_fits(relaxation.fit_dependence(high), "e")
    cells = fits[(fits["unit_id"] != "") & (fits["parameter"] == "k_half")]
    assert (cells["verdict"] == "identified").sum() == 0
    assert cells["reason"].str.contains("would help").all()
    assert cells["reason"].str.contains("below the lowest concentration, 1 mM; lower ones would help").any()


def test_transients_without_two_rates_are_left_out_and_counted():
    table = rates_of()
    table.loc[table["ligand_free_mm"] == FREE[0], "k_fast"] = np.nan
    found = relaxation.fit_dependence(table)
    assert {(d.phase, d.levels, d.left_out) for d in found} == {("fast", 5, 1), ("slow", 6, 0)}
    assert "1 transients left out" in relaxation.dependence_fits(found, "e").loc[0, "reason"]


def test_groups_are_compared_with_the_animal_as_the_unit():
    rng = np.random.default_rng(2)
    tables = []
    for group, factor in (("a", 1.0), ("b", 1.3)):
        one = rates_of(cells=[f"{group}{i}" for i in range(3)], group=group)
        for phase in ("fast", "slow"):
            one[f"k_{phase}"] *= factor * np.exp(rng.normal(0, 0.02, len(one)))
        tables.append(one)
    fits = relaxation.dependence_fits(relaxation.fit_dependence(pd.concat(tables)), "e")
    owners = pd.DataFrame(
        {"animal_id": [f"x{i}" for i in range(6)], "pair_id": ""}, index=["a0", "a1", "a2", "b0", "b1", "b2"]
    )
    found = relaxation.compare_phases(fits, owners).set_index(["model", "quantity"])
    row = found.loc[("hyperbola, fast phase", "k_saturating")]
    assert row["ci_low"] < 0.3 * 195 < row["ci_high"]
    assert row["n_animals"] == 6


# --- the study --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("t") / "study", "recordings")


def problems_with(study, change_config=None, change_table=None):
    config, path = load_config(study), study / "raw_data" / "recordings.csv"
    before, text = load_config(study), path.read_text(encoding="utf-8")
    try:
        if change_config:
            change_config(config["recordings"]["experiments"]["stopped_flow"])
            save_config(study, config)
        if change_table:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            change_table(table, table["experiment"] == "stopped_flow")
            table.to_csv(path, index=False)
        return " ".join(str(p) for p in check_study(Study.read(study)[0]))
    finally:
        save_config(study, before)
        path.write_text(text, encoding="utf-8")


def test_what_an_experiment_of_shots_needs_is_asked_for(study):
    assert "stopped_flow.relaxation: is missing" in problems_with(study, lambda e: e.pop("relaxation"))
    assert "stopped_flow.windows_ms: is missing" in problems_with(study, lambda e: e.update(analysis="current_voltage"))

    def without_ligand(table, rows):
        table.loc[rows, "ligand"] = ""

    assert "ligand: must not be empty" in problems_with(study, change_table=without_ligand).replace("''", "")

    def other_total(table, rows):
        table.loc[rows, "ligand_total_mm"] = "7"

    assert "stopped_flow_mg" in problems_with(study, change_table=other_total)
