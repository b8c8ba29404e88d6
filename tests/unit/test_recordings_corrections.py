import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgk.checks import check_study
from mgk.fitting import fit_curve
from mgk.recordings.corrections import LEDGER_COLUMNS, check_corrections, correct
from mgk.recordings.measure import measure_batch
from mgk.recordings.protocol import Epoch, Output, Protocol, waveform
from mgk.simulate.abf import Signal, write_abf
from mgk.study import Study

V = np.arange(-100.0, 61.0, 20.0)
NONE = pd.DataFrame(columns=["recording_id", "method", "access_mohm", "capacitance_pf"])
RECIPES = {
    "pipette": {"ph": 7.0, "temperature_c": 25, "totals_mm": {"Na": 50, "Cl": 50}},
    "bath": {"ph": 7.0, "temperature_c": 25, "totals_mm": {"K": 50, "Cl": 50}},
    "zero": {"ph": 7.0, "temperature_c": 25, "totals_mm": {"Cs": 50, "Cl": 50}},
}


def row(recording_id="r1", **changes):
    return {
        "recording_id": recording_id, "configuration": "whole_cell", "temperature_c": 25.0, "zero_solution": "",
        "pipette_solution": "pipette", "bath_solution": "bath", "series_resistance_mohm": 10.0,
        "compensation_percent": 60.0, "cell_capacitance_pf": 20.0, "junction_applied_mv": math.nan,
        "leak_recording_id": "",
    } | changes  # fmt: skip


def measured(recording_id="r1", current=lambda v: 10 * v, sign=1, command=V, **changes):
    """Return measurements of one recording: like currents in all windows."""
    pa = current(sign * command)
    table = pd.DataFrame({
        "recording_id": recording_id, "cell_id": "c1", "condition": "control", "ligand": "", "ligand_total_mm": 0.0,
        "sweep": np.arange(len(command)), "segment": "", "command_mv": command, "membrane_mv": sign * command,
        "peak_membrane_mv": sign * command, "tail_membrane_mv": sign * command, "steady_pa": sign * pa,
        "baseline_pa": sign * current(np.float64(-80.0)),
        "steady_membrane_pa": pa, "peak_membrane_pa": pa, "tail_membrane_pa": pa,
    })  # fmt: skip
    return table.assign(**changes)


def run(asked, rows=None, table=None, membrane=NONE):
    return correct(measured() if table is None else table, membrane, rows or [row()], {"corrections": asked}, RECIPES)


def test_nothing_asked_for_is_nothing_done():
    for asked in ({}, {"leak": "none", "series_resistance": "none", "junction_potential": "none"}):
        table, ledger = run(asked)
        pd.testing.assert_frame_equal(table, measured())
        assert ledger.empty
        assert tuple(ledger.columns) == LEDGER_COLUMNS


@pytest.mark.parametrize(
    ("configuration", "sign", "expected"),
    [
        ("whole_cell", 1, -5), ("outside_out", 1, -5), ("perforated", 1, -5), ("inside_out", -1, 5),
        ("cell_attached", -1, 5),
    ],
)  # fmt: skip
def test_a_junction_of_5_mv_in_each_configuration(configuration, sign, expected):
    """Vm = Vp - V where the pipette is inside; -(Vp - V) where it is outside: the notes, section 4."""
    table, ledger = run(
        {"junction_potential": "stated", "junction_mv": 5.0},
        [row(configuration=configuration)],
        measured(sign=sign),
    )
    assert (table["membrane_mv"] - sign * V).tolist() == pytest.approx([expected] * len(V))
    assert (table["tail_membrane_mv"] - table["membrane_mv"]).abs().max() == 0
    assert table["steady_pa"].tolist() == measured(sign=sign)["steady_pa"].tolist()
    [entry] = ledger.to_dict("records")
    assert (entry["value"], entry["unit"]) == (5.0, "mV")
    assert entry["effect"] == f"membrane_mv by {expected:+d} to {expected:+d} mV"


def test_henderson_uses_the_solution_in_which_the_pipette_was_zeroed():
    for zero, expected in (("", -4.36), ("zero", -4.98)):
        table, ledger = run({"junction_potential": "henderson"}, [row(zero_solution=zero)])
        assert ledger["value"][0] == pytest.approx(expected, abs=0.01)
        assert (table["membrane_mv"] - V).tolist() == pytest.approx([-expected] * len(V), abs=0.01)
        assert ledger["source"][0] == f"generalised Henderson from the recipes pipette | {zero or 'bath'}"


def test_what_was_corrected_online_is_never_corrected_again():
    asked = {"junction_potential": "stated", "junction_mv": 15.0}
    whole, _ = run(asked, [row(junction_applied_mv=15.0)])
    assert whole["membrane_mv"].tolist() == V.tolist()
    part, ledger = run(asked, [row(junction_applied_mv=10.0)])
    assert (V - part["membrane_mv"]).tolist() == pytest.approx([5.0] * len(V))
    assert "less 10 mV corrected online" in ledger["source"][0]
    off, ledger = run({}, [row(junction_applied_mv=10.0)])
    assert off["membrane_mv"].tolist() == V.tolist()
    assert ledger["correction"].tolist() == ["junction_potential_online"]


@pytest.mark.parametrize(("sign", "configuration"), [(1, "whole_cell"), (-1, "inside_out")])
def test_the_series_resistance_takes_its_part_of_the_command(sign, configuration):
    """10 MOhm, 60 % compensated, 1000 pA outward: the membrane is 4 mV less positive."""
    table, ledger = run({"series_resistance": "stated"}, [row(configuration=configuration)], measured(sign=sign))
    at = table["membrane_mv"] - sign * V
    assert at.tolist() == pytest.approx((-10 * sign * V * 10 * 0.4 * 1e-3).tolist())
    assert ledger[["value", "unit"]].iloc[0].tolist() == [4.0, "MOhm"]
    assert "60 % compensated online" in ledger["source"][0]


def test_a_measured_series_resistance_and_one_that_was_not_resolved():
    tested = pd.DataFrame([{"recording_id": "r1", "method": "charge", "access_mohm": 5.0, "capacitance_pf": 25.0}])
    table, ledger = run({"series_resistance": "measured", "capacitance": "measured"}, membrane=tested)
    assert ledger["value"].tolist() == [2.0, 25.0]
    assert table["steady_density_pa_pf"].tolist() == pytest.approx((10 * V / 25).tolist())
    assert "membrane test by charge" in ledger["source"][0]
    table, ledger = run({"series_resistance": "measured"})
    assert table["membrane_mv"].isna().all(), "never uncorrected where a correction was asked for"
    assert "not resolved" in ledger["source"][0]
    assert ledger["effect"][0] == "membrane_mv is empty"


def test_uncorrected_series_resistance_moves_a_boltzmann_and_the_correction_moves_it_back():
    """The notes, section 4: 5 MOhm at 5 nA moves V1/2 from -10 to -5.2 mV and k from 9 to 12.1 (there, in size)."""

    def channel(v, gmax, v_half, k):
        return gmax * (v + 90) / (1 + np.exp((v_half - v) / k))

    command = np.arange(-60.0, 61.0, 5.0)
    true = command.copy()
    for _ in range(400):
        true = 0.5 * true + 0.5 * (command - channel(true, 40.0, -10.0, 9.0) * 5.0 * 1e-3)
    table = measured(current=lambda v: channel(true, 40.0, -10.0, 9.0), command=command)
    asked = [row(series_resistance_mohm=5.0, compensation_percent=0.0)]
    corrected, _ = run({"series_resistance": "stated"}, asked, table)
    start = {"gmax": 40.0, "v_half": 0.0, "k": 8.0}
    bad = fit_curve(channel, table["membrane_mv"].to_numpy(), table["steady_membrane_pa"].to_numpy(), start, profile=[])
    good = fit_curve(
        channel, corrected["membrane_mv"].to_numpy(), corrected["steady_membrane_pa"].to_numpy(), start, profile=[]
    )
    assert abs(bad.estimates["v_half"] + 10) > 2
    assert [good.estimates[n] for n in ("v_half", "k")] == pytest.approx([-10, 9], abs=1e-6)


@pytest.mark.parametrize(("sign", "configuration"), [(1, "whole_cell"), (-1, "inside_out")])
def test_the_baseline_of_each_sweep_is_taken_off_on_its_side_of_the_membrane(sign, configuration):
    table = measured(sign=sign)
    table["baseline_pa"] += sign * np.arange(len(V))  # it drifts by 1 pA a sweep
    table["steady_membrane_pa"] += np.arange(len(V))
    corrected, ledger = run({"baseline": "window"}, [row(configuration=configuration)], table)
    assert corrected["steady_membrane_pa"].tolist() == pytest.approx((10 * sign * V + 800).tolist())
    assert corrected["steady_pa"].tolist() == table["steady_pa"].tolist(), "what was recorded stays"
    [noted] = ledger.to_dict("records")
    assert (noted["correction"], noted["unit"]) == ("baseline", "pA")
    assert noted["value"] == pytest.approx(sign * (-800 + 4))
    assert noted["effect"] == "steady_membrane_pa by +792 to +800 pA"


def test_an_offset_of_the_amplifier_is_none_of_the_current_through_the_series_resistance():
    asked = {"baseline": "stated", "baseline_pa": 50.0, "series_resistance": "stated"}
    table = measured()
    table["steady_membrane_pa"] += 50
    corrected, ledger = run(asked, table=table)
    assert corrected["steady_membrane_pa"].tolist() == pytest.approx((10 * V).tolist())
    assert corrected["membrane_mv"].tolist() == pytest.approx((V - 10 * V * 4e-3).tolist())
    assert ledger["correction"].tolist() == ["baseline", "series_resistance"]
    # The current at the holding level does flow through it.
    corrected, _ = run({"baseline": "window", "series_resistance": "stated"})
    assert corrected["membrane_mv"].tolist() == pytest.approx((V - 10 * V * 4e-3).tolist())


def test_without_a_baseline_the_corrected_current_is_empty_and_said():
    corrected, ledger = run({"baseline": "window"}, table=measured().assign(baseline_pa=math.nan))
    assert corrected["steady_membrane_pa"].isna().all()
    assert ledger["effect"].tolist() == ["steady_membrane_pa is empty"]


def test_a_leak_is_a_line_through_the_closed_range_at_the_true_potential():
    """0.5 nS leak around -10 mV and channels that open above -60 mV, seen behind 4 MOhm and a junction of 5 mV."""

    def current(v):
        return 0.5 * (v + 10) + np.where(v > -60, 3 * (v + 60), 0.0)

    command = np.arange(-120.0, 61.0, 10.0)
    true = command - 5
    for _ in range(50):
        true = command - 5 - current(true) * 4e-3
    table = measured(current=lambda v: current(true), command=command)
    asked = {"leak": "linear", "leak_range_mv": [-130, -70], "series_resistance": "stated",
             "junction_potential": "stated", "junction_mv": 5.0}  # fmt: skip
    corrected, ledger = run(asked, table=table)
    assert corrected["membrane_mv"].tolist() == pytest.approx(true.tolist())
    expected = np.where(true > -60, 3 * (true + 60), 0.0).tolist()
    for window in ("steady", "peak", "tail"):
        assert corrected[f"{window}_membrane_pa"].tolist() == pytest.approx(expected, abs=1e-9)
    values = ledger.set_index("correction")["value"]
    assert values["leak_conductance"] == pytest.approx(0.5)
    assert values["leak_reversal"] == pytest.approx(-10)
    assert corrected["steady_pa"].tolist() == table["steady_pa"].tolist()


def test_a_leak_recording_and_one_without_two_potentials():
    table = pd.concat([measured(), measured("blocked", lambda v: 0.4 * v)], ignore_index=True)
    rows = [row(leak_recording_id="blocked"), row("blocked", leak_recording_id="blocked")]
    corrected, ledger = run({"leak": "linear"}, rows, table)
    own = corrected[corrected["recording_id"] == "r1"]
    assert own["steady_membrane_pa"].tolist() == pytest.approx((9.6 * V).tolist())
    assert corrected.loc[corrected["recording_id"] == "blocked", "steady_membrane_pa"].abs().max() < 1e-9
    assert set(ledger["source"]) == {"line through the leak recording blocked"}
    empty, ledger = run({"leak": "linear", "leak_range_mv": [200, 300]})
    assert empty["steady_membrane_pa"].isna().all()
    assert "not applied, fewer than two potentials" in ledger["source"][0]


def test_a_leak_that_was_subtracted_online_is_only_noted():
    table, ledger = run({"leak": "subtracted"})
    pd.testing.assert_frame_equal(table, measured())
    assert ledger["correction"].tolist() == ["leak_online"]


def test_rundown_is_undone_between_controls_and_not_beyond():
    """Control, two blocked, control, wash: 20 % lost between the controls, linearly; after the last control unknown."""
    shares = {"a": 1.0, "b": 1 - 0.2 / 3, "c": 1 - 0.4 / 3, "d": 0.8, "e": 0.7}
    mm = {"a": 0.0, "b": 1.0, "c": 5.0, "d": 0.0, "e": 1.0}
    table = pd.concat(
        [
            measured(r, lambda v, r=r: shares[r] * 10 * v / (1 + mm[r]), ligand="Mg", ligand_total_mm=mm[r])
            for r in "abcde"
        ],
        ignore_index=True,
    )
    corrected, ledger = run({"rundown": "bracket"}, [row(r) for r in "abcde"], table)
    for r in "abcd":
        own = corrected.loc[corrected["recording_id"] == r, "steady_membrane_pa"]
        assert own.tolist() == pytest.approx((10 * V / (1 + mm[r])).tolist())
    assert corrected.loc[corrected["recording_id"] == "e", "steady_membrane_pa"].isna().all()
    assert ledger["value"].tolist()[:4] == pytest.approx([1, 1 - 0.2 / 3, 1 - 0.4 / 3, 0.8])
    assert ledger["source"].tolist()[4] == "not applied: no control before, or none after"


def test_rundown_knows_segments_and_named_controls():
    parts = [("1", "control", 1.0), ("2", "drug", 0.9 * 0.5), ("3", "control", 0.8)]
    table = pd.concat(
        [
            measured(current=lambda v, g=g: g * v, segment=s, condition=c).assign(sweep=i)
            for i, (s, c, g) in enumerate(parts)
        ],
        ignore_index=True,
    )
    corrected, ledger = run({"rundown": "bracket", "rundown_control": "control"}, table=table)
    drug = corrected[corrected["segment"] == "2"]
    assert drug["steady_membrane_pa"].tolist() == pytest.approx((0.5 * V).tolist())
    assert ledger["segment"].tolist() == ["1", "2", "3"]


def test_stated_capacitance_gives_densities_of_corrected_currents():
    asked = {"capacitance": "stated", "leak": "linear", "leak_range_mv": [-110, -70]}
    table, ledger = run(asked, table=measured(current=lambda v: 0.5 * v + np.where(v > -60, 5 * (v + 60), 0)))
    assert table["steady_density_pa_pf"].tolist() == pytest.approx((table["steady_membrane_pa"] / 20).tolist())
    assert table["steady_membrane_pa"][0] == pytest.approx(0, abs=1e-9)
    assert ledger["unit"].tolist() == ["nS", "mV", "pF"]


@pytest.mark.parametrize(
    ("asked", "changes", "column", "words"),
    [
        ({"series_resistance": "stated"}, {"series_resistance_mohm": math.nan}, "series_resistance_mohm", "stated"),
        ({"capacitance": "stated"}, {"cell_capacitance_pf": math.nan}, "cell_capacitance_pf", "stated"),
        ({"junction_potential": "henderson"}, {"pipette_solution": ""}, "pipette_solution", "henderson"),
        ({"junction_potential": "henderson"}, {"bath_solution": ""}, "bath_solution", "henderson"),
        ({"junction_potential": "henderson"}, {"temperature_c": math.nan}, "temperature_c", "henderson"),
        (
            {"junction_potential": "henderson"},
            {"bath_solution": "odd"},
            "pipette_solution",
            "no sourced mobility of GTP",
        ),
        ({"series_resistance": "stated"}, {"configuration": ""}, "configuration", "must not be empty"),
        ({"baseline": "window"}, {"configuration": ""}, "configuration", "must not be empty"),
        ({"leak": "linear"}, {}, "leak_recording_id", "no leak_range_mv"),
        ({"leak": "linear"}, {"leak_recording_id": "r9"}, "leak_recording_id", "of the same experiment"),
    ],
)
def test_what_a_correction_lacks_is_said_before_anything_runs(asked, changes, column, words):
    recipes = RECIPES | {"odd": RECIPES["bath"] | {"totals_mm": {"K": 50, "Cl": 49, "GTP": 1}, "inert": ["GTP"]}}
    [(found, _, allowed)] = check_corrections(row(**changes), {"corrections": asked}, recipes, {"r1"})
    assert found == column
    assert words in allowed
    complete = {"leak_range_mv": [-90, -70]} | asked
    assert check_corrections(row(), {"corrections": complete}, recipes, {"r1"}) == []


def test_the_study_is_checked_for_them_and_the_words_are_checked(tmp_path):
    output = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", -60.0, 90), Epoch(1, "step", -100.0, 300)))
    (tmp_path / "raw_data").mkdir()
    write_abf(tmp_path / "raw_data" / "r.abf", [Signal("Im", "pA", 2000.0, np.zeros((2, 640)))], [output],
              rate_hz=1e4, comment="simulated")  # fmt: skip
    (tmp_path / "raw_data" / "recordings.csv").write_text(
        "recording_id,file,experiment,cell_id,animal_id,configuration\nr1,r.abf,e,c1,a1,whole_cell\n"
    )

    def problems(corrections):
        (tmp_path / "config.yaml").write_text(
            "study: {title: t, data: simulated}\nrecordings:\n  experiments:\n    e:\n      analysis: membrane_test\n"
            f"      windows_ms: {{steady: [30, 38], baseline: [1, 9]}}\n      corrections: {corrections}\n"
        )
        return [str(p) for p in check_study(Study.read(tmp_path)[0])]

    assert problems("{junction_potential: stated, junction_mv: 5, leak: subtracted}") == []
    [found] = problems("{series_resistance: stated}")
    assert found == (
        "raw_data/recordings.csv, row 2, series_resistance_mohm: must not be empty with corrections.series_resistance: "
        "stated"
    )
    assert "junction_mv: is missing" in problems("{junction_potential: stated}")[0]
    assert "allowed: none, subtracted, linear" in problems("{leak: lineer}")[0]
    assert "did you mean 'rundown'" in problems("{rundwn: bracket}")[0]


@settings(max_examples=30, deadline=None)
@given(st.floats(-30, 30), st.floats(0, 50), st.floats(0, 100), st.sampled_from(["whole_cell", "inside_out"]))
def test_the_ledger_is_enough_to_undo_every_shift(junction, access, compensation, configuration):
    sign = 1 if configuration == "whole_cell" else -1
    rows = [row(configuration=configuration, series_resistance_mohm=access, compensation_percent=compensation)]
    asked = {"junction_potential": "stated", "junction_mv": junction, "series_resistance": "stated"}
    table, ledger = run(asked, rows, measured(sign=sign))
    noted = ledger.set_index("correction")["value"]
    back = table["membrane_mv"] + sign * noted["junction_potential"]
    back = back + table["steady_membrane_pa"] * noted["series_resistance"] * 1e-3
    assert back.tolist() == pytest.approx((sign * V).tolist(), abs=1e-9)


def test_a_leak_that_was_put_into_files_is_removed_by_the_leak_recording(tmp_path):
    """Steps of a rectifying current with a leak, and small hyperpolarising steps that show the leak alone."""
    rate, samples, leak_ns, leak_mv = 10_000.0, 640, 1.5, -10.0

    def current(v):
        return 8.0 * (v + 80) / (1 + np.exp((-20 - v) / 6)) + leak_ns * (v - leak_mv)

    def write(name, first, step, sweeps):
        output = Output("Cmd 0", "mV", -90.0, (Epoch(0, "step", -90.0, 90), Epoch(1, "step", first, 400, step)))
        protocol = Protocol(samples, (output,), True)
        command = np.array([waveform(protocol, output, sweep, samples) for sweep in range(sweeps)])
        noise = np.random.default_rng(sweeps).normal(0, 3, command.shape)
        signal = Signal("Im", "pA", 5000.0, current(command) + noise)
        write_abf(tmp_path / f"{name}.abf", [signal], [output], rate_hz=rate, comment="simulated")

    write("steps", -70.0, 10.0, 12)
    write("leak", -120.0, 10.0, 4)
    same = {"experiment": "e", "cell_id": "c1", "animal_id": "a1", "configuration": "whole_cell"}
    rows = [same | {"recording_id": r, "file": f"{r}.abf", "leak_recording_id": "leak"} for r in ("steps", "leak")]
    asked = {"windows_ms": {"baseline": [1, 9], "steady": [30, 49]}, "corrections": {"leak": "linear"}}
    batch = measure_batch(rows, tmp_path, asked)
    table, ledger = correct(batch.measurements, batch.membrane_test, rows, asked, {})
    own = table[table["recording_id"] == "steps"]
    without = current(own["membrane_mv"]) - leak_ns * (own["membrane_mv"] - leak_mv)
    assert (own["steady_pa"] - without).abs().max() > 80
    assert own["steady_membrane_pa"].to_numpy() == pytest.approx(without.to_numpy(), abs=3)
    found = ledger[ledger["recording_id"] == "steps"].set_index("correction")["value"]
    assert found["leak_conductance"] == pytest.approx(leak_ns, rel=0.02)
    assert found["leak_reversal"] == pytest.approx(leak_mv, abs=3)
    assert ledger["source"].str.contains("leak recording leak").all()
