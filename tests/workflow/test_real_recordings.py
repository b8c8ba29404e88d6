"""Real recordings as a measured study, from vendor files to report: a K+ session in Axon files, a HEKA bundle."""

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest
from studies import HOUSE, run_study, save_config

REAL = HOUSE.parent / "shared" / "data" / "recordings"
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not here"),
]

SESSION, BUNDLE = "potassium_cell/26DEZ18SH_10_000{}.abf", "220315_02.dat"
PULSES, STEPS, RAMPS = (0,), (2, 5), (3, 6)
NOTHING = {"leak": "none", "series_resistance": "none", "junction_potential": "none"}
CONFIG = {
    "study": {"title": "Real recordings", "data": "measured"},
    "recordings": {
        "experiments": {
            "pulses": {
                "title": "A pulse to +60 mV",
                "analysis": ["membrane_test"],
                "windows_ms": {"baseline": [150, 210], "peak": [214, 300], "steady": [400, 460], "tail": [474, 500]},
                "polarity": "outward",
            },
            "steps": {
                "title": "I-V by steps",
                "analysis": "current_voltage",
                "fit": "boltzmann_activation",
                "windows_ms": {
                    "baseline": [150, 250], "peak": [264, 400], "steady": [600, 750], "kinetics": [263, 500],
                },
                "polarity": "outward",
            },
            "ramps": {
                "title": "I-V by ramps",
                "analysis": "current_voltage",
                "windows_ms": {"baseline": [250, 330], "ramp": [337.1, 2337.1]},
            },
            "bundle_iv": {
                "title": "I-V of the bundle",
                "analysis": "current_voltage",
                "windows_ms": {"baseline": [5, 24], "peak": [25.3, 35], "steady": [60, 74]},
                "polarity": "inward",
            },
            "bundle_activation": {
                "title": "Activation after a prepulse, P/N on",
                "analysis": "current_voltage",
                "fit": "boltzmann_activation",
                "windows_ms": {"baseline": [5, 24], "peak": [276, 300], "steady": [300, 324]},
                "polarity": "absolute",
                "corrections": {**NOTHING, "leak": "subtracted"},
            },
            "bundle_inactivation": {
                "title": "Steady-state inactivation, P/N on",
                "analysis": "current_voltage",
                "fit": "boltzmann_inactivation",
                "windows_ms": {"baseline": [5, 24], "steady": [200, 274], "peak": [275.5, 280]},
                "polarity": "inward",
                "corrections": {**NOTHING, "leak": "subtracted"},
            },
        }
    },
}  # fmt: skip
BUNDLE_SERIES = {"bundle_iv": "1/2/1", "bundle_activation": "1/3/1", "bundle_inactivation": "1/4/1"}


def write_study(study: Path) -> Path:
    """Write a study of the real files, as their owner would."""
    (study / "raw_data").mkdir(parents=True)
    save_config(study, CONFIG)
    rows = []
    for experiment, numbers in (("pulses", PULSES), ("steps", STEPS), ("ramps", RAMPS)):
        for run, number in enumerate(numbers, 1):
            file = Path(SESSION.format(number)).name
            rows.append((f"{experiment}_{run}", file, experiment, "c1", "a1", f"run {run}", ""))
    rows += [(e, BUNDLE, e, "c2", "a2", "control", series) for e, series in BUNDLE_SERIES.items()]
    for name in [SESSION.format(n) for n in (*PULSES, *STEPS, *RAMPS)] + [BUNDLE]:
        shutil.copy(REAL / name, study / "raw_data")
    head = ("recording_id", "file", "experiment", "cell_id", "animal_id", "condition", "channel")
    with (study / "raw_data" / "recordings.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*head, "configuration"))
        writer.writerows((*row, "whole_cell") for row in rows)
    return study


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of the study, run once."""
    study = write_study(tmp_path_factory.mktemp("real") / "study")
    done = run_study(study)
    assert done.returncode == 0, done.stderr
    return study / "results"


def fits_of(results, experiment):
    table = pd.read_csv(results / "currents" / experiment / "fits.csv")
    return table[table["unit_id"].notna()].set_index(["group", "model", "parameter"])


def test_nothing_is_called_simulated_and_every_recording_has_a_verdict(results):
    report = (results / "report/report.html").read_text(encoding="utf-8")
    assert "measured" in report
    assert "Put in, or published" not in report
    assert "1 cell, 1 animal<" in report
    quality = pd.read_csv(results / "recordings/quality.csv", keep_default_na=False).set_index("recording_id")
    assert len(quality) == 8
    assert set(quality["verdict"]) <= {"pass", "warn"}
    for name in ("bundle_activation", "bundle_inactivation"):
        assert "P/N leak traces were recorded" in quality.loc[name, "reason"]
    ledger = pd.read_csv(results / "recordings/corrections.csv")
    assert set(ledger["correction"]) == {"leak_online"}


def test_steps_and_ramps_of_the_potassium_cell_have_their_relations(results):
    steps = fits_of(results, "steps")["estimate"]
    ramps = fits_of(results, "ramps")
    for run in ("run 1", "run 2"):
        reversal = ramps.loc[(run, "local polynomial", "reversal_mv")]
        assert reversal["verdict"] == "identified"
        # The ramp and the free fit to the steps are of one cell, minutes apart.
        assert reversal["estimate"] == pytest.approx(steps[(run, "boltzmann_activation", "reversal_mv")], abs=10)
        assert ramps.loc[(run, "local polynomial", "slope_conductance_ns"), "estimate"] > 0
    cells = pd.read_csv(results / "currents/ramps/cells.csv")
    assert set(cells["window"]) == {"ramp"}
    assert set(cells["n_sweeps"]) == {10}


def test_the_bundle_has_activation_and_inactivation(results):
    activation, inactivation = (fits_of(results, f"bundle_{kind}") for kind in ("activation", "inactivation"))
    half = activation.loc[("control", "boltzmann_activation", "v_half_mv")]
    assert half["verdict"] == "identified"
    assert -20 < half["estimate"] < 20
    half = inactivation.loc[("control", "boltzmann_inactivation", "v_half_mv")]
    assert half["verdict"] in ("identified", "weak")
    assert -60 < half["estimate"] < 0
    reversal = fits_of(results, "bundle_iv").loc[("control", "local polynomial", "reversal_mv")]
    assert reversal["verdict"] == "identified" or reversal["reason"]


def test_with_one_animal_no_interval_of_a_group_is_given(results):
    for fits in sorted((results / "currents").glob("*/fits.csv")):
        table = pd.read_csv(fits)
        groups = table[table["unit_id"].isna() & table["estimate"].notna()]
        assert groups["ci_low"].isna().all()
        assert groups["reason"].str.contains("one animal: no interval").all()
