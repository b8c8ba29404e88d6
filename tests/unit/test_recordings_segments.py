import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgk.checks import check_study
from mgk.measured_currents import steady_currents
from mgk.recordings.measure import check_recording, measure_recording
from mgk.recordings.protocol import Epoch, Output
from mgk.recordings.segments import read_segments, segment_problems, with_segments
from mgk.simulate.abf import Signal, write_abf
from mgk.study import Study
from mgk.tables.problems import InputError

SWEEPS, N, RATE = 6, 640, 10_000.0
OUTPUT = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", -60.0, 90), Epoch(1, "step", -100.0, 300, level_step=20.0)))
SETTINGS = {"windows_ms": {"baseline": [1, 9], "steady": [30, 38]}}
ROW = {
    "recording_id": "r1", "experiment": "e", "cell_id": "c1", "animal_id": "a1", "condition": "control", "ligand": "Mg",
    "ligand_total_mm": 0.0, "ligand_side": "internal", "configuration": "whole_cell", "temperature_c": 22.0,
    "exclude": "", "pipette_solution": "", "bath_solution": "",
}  # fmt: skip
LSB = 2000 / 32768


@pytest.fixture
def stepped(tmp_path):
    """Each sweep has its own current, and grows by 1 pA a ms."""
    current = 100 * np.arange(SWEEPS)[:, None] + np.arange(N) / 10
    return write_abf(tmp_path / "r.abf", [Signal("Im", "pA", 2000.0, current)], [OUTPUT], rate_hz=RATE, comment="sim")


def measure(path, *segments):
    return measure_recording({**ROW, "segments": list(segments)}, path, SETTINGS)


def test_segments_of_sweeps_carry_their_condition_and_ligand(stepped):
    measured = measure(
        stepped,
        {"recording_id": "r1", "sweep_first": 0, "sweep_last": 1},
        {"recording_id": "r1", "sweep_first": 3, "condition": "block", "ligand_total_mm": 2.0, "exclude": "bubble"},
    )
    table = measured.measurements
    assert table["sweep"].tolist() == [0, 1, 3, 4, 5]
    assert table["segment"].tolist() == ["1", "1", "2", "2", "2"]
    assert table["condition"].tolist() == ["control"] * 2 + ["block"] * 3
    assert table["ligand_total_mm"].tolist() == [0, 0, 2, 2, 2]
    assert set(table["ligand"]) == {"Mg"}
    assert table["segment_exclude"].tolist() == ["", ""] + ["bubble"] * 3
    assert table["steady_pa"].tolist() == pytest.approx([100 * s + 33.95 for s in (0, 1, 3, 4, 5)], abs=LSB)
    assert (measured.quality["sweeps"], measured.quality["sweeps_measured"]) == (6, 5)


def test_windows_count_from_the_start_of_a_segment_in_time(stepped):
    table = measure(stepped, {"start_s": 0.02, "end_s": 0.06}).measurements
    assert len(table) == SWEEPS
    assert table["steady_pa"].tolist() == pytest.approx([100 * s + 53.95 for s in range(SWEEPS)], abs=LSB)
    with pytest.raises(InputError, match=r"window steady .* within segment 1, which ends at 0\.03 s"):
        measure(stepped, {"start_s": 0.005, "end_s": 0.03})


def test_a_command_that_was_set_by_hand_is_stated(stepped):
    table = measure(stepped, {"sweep_last": 0, "command_mv": 35.0}, {"sweep_first": 1}).measurements
    assert table["command_source"].tolist() == ["stated"] + ["decoded"] * 5
    assert table["membrane_mv"].tolist() == [35, -80, -60, -40, -20, 0]
    assert table["holding_mv"].tolist() == [35] + [-60] * 5


def test_a_segment_outside_the_file_is_refused_before_and_when_measuring(stepped):
    row = {**ROW, "segments": [{"sweep_first": 4, "sweep_last": 6}]}
    with pytest.raises(InputError, match="segment 1 asks for sweeps 4 to 6; sweeps 0 to 5 can be measured"):
        measure_recording(row, stepped, SETTINGS)
    assert len(check_recording(row, stepped, SETTINGS)) == 1
    assert check_recording({**ROW, "segments": [{"sweep_first": 4}]}, stepped, SETTINGS) == []


def test_without_segments_everything_is_as_it_was(stepped):
    plain = measure_recording(ROW, stepped, SETTINGS).measurements
    assert set(plain["segment"]) == {""}
    pd.testing.assert_frame_equal(plain, measure_recording({**ROW, "segments": None}, stepped, SETTINGS).measurements)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"sweep_last": 3}, {"sweep_first": 3}], (1, "sweep_first", "overlaps with segment 1")),
        ([{"start_s": 1, "end_s": 2}, {"start_s": 1.5}], (1, "sweep_first", "overlaps with segment 1")),
        ([{"sweep_first": 3, "sweep_last": 1}], (0, "sweep_last", "must not lie before")),
        ([{"start_s": 2, "end_s": 1}], (0, "end_s", "must lie after start_s")),
        ([{"sweep_last": 3, "end_s": 1}, {"sweep_last": 3, "start_s": 1}, {"sweep_first": 4}], None),
    ],
)
def test_segments_must_have_a_length_and_not_overlap(rows, expected):
    found = segment_problems(rows)
    assert [(i, c) for i, c, _ in found] == ([expected[:2]] if expected else [])
    assert not expected or expected[2] in found[0][2]


spans = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted)


@given(st.lists(spans, min_size=1, max_size=4))
def test_segments_overlap_when_a_sweep_is_in_two(found):
    rows = [{"sweep_first": a, "sweep_last": b} for a, b in found]
    segments = read_segments(rows)
    twice = any(np.sum([s.has_sweep(sweep) for s in segments]) > 1 for sweep in range(10))
    assert twice == any("overlaps" in allowed for _, _, allowed in segment_problems(rows))


def test_a_segment_overrides_its_recording_downstream(stepped):
    """Two concentrations in one file: each its own curve, the excluded segment excluded with its reason."""
    rows = [{**ROW, "ligand_total_mm": 1.0, "segments": [
        {"sweep_last": 1, "ligand_total_mm": 0.0},
        {"sweep_first": 2, "sweep_last": 3, "condition": "acid"},
        {"sweep_first": 4, "ligand_total_mm": 5.0, "exclude": "bubble"},
    ]}]  # fmt: skip
    measured = measure_recording(rows[0], stepped, SETTINGS)
    table = pd.DataFrame([{k: v for k, v in rows[0].items() if k != "segments"}])
    points = steady_currents(measured.measurements, pd.DataFrame([measured.quality]), table).set_index("sweep")
    assert points["ligand_total_mm"].sort_index().tolist() == [0, 0, 1, 1, 5, 5]
    assert points["group"].sort_index().tolist() == ["control", "control", "acid", "acid", "control", "control"]
    assert points["recording_id"].sort_index().tolist()[::2] == ["r1, segment 1", "r1, segment 2", "r1, segment 3"]
    assert points["excluded"].sort_index().tolist() == [False] * 4 + [True] * 2
    assert points.loc[5, "reason"] == "bubble"
    assert points.loc[4, "ligand_source"] == "stated total of segment 3 taken as free: no recipe"


def test_rows_get_their_segments():
    table = pd.DataFrame({"recording_id": ["b", "a", "b"], "start_s": [0.0, math.nan, 2.0]})
    rows = with_segments([{"recording_id": r} for r in "abc"], table)
    assert [len(row.get("segments", [])) for row in rows] == [1, 2, 0]
    assert rows[0]["segments"][0]["start_s"] is None


def test_the_table_is_checked_with_the_study(stepped):
    folder = stepped.parent
    (folder / "raw_data").mkdir()
    stepped.rename(folder / "raw_data" / "r.abf")
    (folder / "config.yaml").write_text(
        "study: {title: t, data: simulated}\nrecordings:\n  experiments:\n"
        "    e: {analysis: current_voltage, windows_ms: {baseline: [1, 9], steady: [30, 38]}}\n"
    )
    (folder / "raw_data" / "recordings.csv").write_text(
        "recording_id,file,experiment,cell_id,animal_id,configuration\nr1,r.abf,e,c1,a1,whole_cell\n"
    )
    segments = folder / "raw_data" / "segments.csv"
    segments.write_text("recording_id,sweep_first,sweep_last\nr1,0,2\nr1,3,\n")
    assert check_study(Study.read(folder)[0]) == []
    segments.write_text("recording_id,sweep_first,sweep_last\nr1,0,2\nr1,2,\nr2,0,\n")
    found = [str(p) for p in check_study(Study.read(folder)[0])]
    assert any("segments.csv, row 3, sweep_first: '2.0': overlaps with segment 1" in p for p in found)
    assert any("row 4, recording_id: 'r2': must be a recording_id of raw_data/recordings.csv" in p for p in found)
    segments.write_text("recording_id,sweep_first\nr1,9\n")
    assert any(
        "segment 1 asks for sweeps 9 to the last; sweeps 0 to 5 can" in str(p)
        for p in check_study(Study.read(folder)[0])
    )
    segments.write_text("recording_id,sweep_frist\nr1,9\n")
    assert any("did you mean 'sweep_first'" in str(p) for p in check_study(Study.read(folder)[0]))
