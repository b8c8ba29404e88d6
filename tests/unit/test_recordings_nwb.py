"""NWB is read in the lab environment: what is written there by pynwb is read back there by this package."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mgk.recordings import check_header
from mgk.recordings.nwb import _by_electrode

HOUSE = Path(__file__).resolve().parents[2]
LAB = HOUSE / ".venv-lab" / "bin" / "python"
with_lab = pytest.mark.skipif(not LAB.exists(), reason="the lab environment is not here (make lab)")

WRITE_AND_READ = """
import json, sys, warnings
from datetime import datetime, timezone
from pathlib import Path
warnings.simplefilter("ignore")
import numpy as np
from pynwb import NWBHDF5IO, NWBFile
from pynwb.icephys import CurrentClampSeries, VoltageClampSeries, VoltageClampStimulusSeries
from pynwb.base import TimeSeries
from mgk.recordings import check_header, read_recording, sanity
from mgk.recordings.measure import measure_recording
from mgk.tables.problems import InputError

def wrong(path, channel=""):
    try:
        read_recording(path, channel)
    except InputError as error:
        return str(error)

def new(name):
    return NWBFile("simulated", name, datetime(2026, 1, 1, tzinfo=timezone.utc))

def electrode(file, name):
    device = file.devices.get("amp") or file.create_device("amp")
    return file.create_icephys_electrode(name=name, description="x", device=device)

def save(file, path):
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path

folder = Path(sys.argv[1])
rng = np.random.default_rng(7)
codes = rng.integers(-2000, 2000, (3, 100)).astype("int16")
file = new("clamp")
first, second = electrode(file, "electrode 0"), electrode(file, "electrode 1")
for sweep in (2, 0, 1):  # not in order
    file.add_acquisition(VoltageClampSeries(
        name=f"current {sweep}", data=codes[sweep], electrode=first, gain=1.0, rate=1e4, starting_time=10.0 * sweep,
        conversion=6.1e-14, sweep_number=sweep, whole_cell_capacitance_comp=2e-11,
        whole_cell_series_resistance_comp=1.2e7))
    command = np.repeat([-80.0, -60.0 + 20 * sweep, -80.0], [30, 50, 20])
    file.add_stimulus(VoltageClampStimulusSeries(
        name=f"command {sweep}", data=command, electrode=first, gain=1.0, rate=1e4, starting_time=10.0 * sweep,
        conversion=1e-3, sweep_number=sweep))
file.add_acquisition(CurrentClampSeries(
    name="potential", data=codes[0], electrode=second, gain=1.0, timestamps=np.arange(100) / 5e3, conversion=1e-5,
    offset=-0.065))
path = save(file, folder / "clamp.dat")
one = read_recording(path, "electrode 0")
other = read_recording(path, "electrode 1")
empty = new("none")
empty.add_acquisition(TimeSeries(name="light", data=[1.0, 2.0], unit="V", rate=1.0))
single = new("single")
single.add_acquisition(VoltageClampSeries(
    name="only", data=codes[0], electrode=electrode(single, "e"), gain=1.0, rate=1e4))
gap = new("gap")
gap.add_acquisition(VoltageClampSeries(
    name="gap", data=[1.0, np.nan], electrode=electrode(gap, "e"), gain=1.0, rate=1e4))
raw = path.read_bytes()
cuts = {}
for size in (9, 100, 600, len(raw) // 2, len(raw) - 1):
    (folder / "cut.nwb").write_bytes(raw[:size])
    cuts[size] = check_header(folder / "cut.nwb")
row = {"recording_id": "r", "channel": "electrode 0", "configuration": "whole_cell"}
measured = measure_recording(row, path, {"windows_ms": {"baseline": [0, 3], "steady": [4, 8]}}).measurements
print(json.dumps({
    "codes": codes.tolist(),
    "units": [u for r in (one, other) for u in (r.channels[0].unit, r.channels[0].original_unit)],
    "signal": [one.signal(s, 0).tolist() for s in range(3)],
    "command": [one.decoded_mv(s).tolist() for s in range(3)],
    "rates": [one.rate_hz, other.rate_hz],
    "telegraph": [one.telegraph[0].capacitance_pf, one.telegraph[0].access_mohm, one.telegraph[0].mode],
    "potential": other.signal(0, 0).tolist(),
    "sanity": [sanity(one), sanity(other)],
    "measured": [measured["command_mv"].tolist(), measured["steady_pa"].tolist()],
    "header": [check_header(path), check_header(path, "electrode 1")],
    "missing": [wrong(path), wrong(path, "electrode 7")],
    "single": read_recording(save(single, folder / "single.nwb")).channels[0].name,
    "other": [wrong(save(empty, folder / "none.nwb")), wrong(save(gap, folder / "gap.nwb"))],
    "no_command": check_header(folder / "single.nwb"),
    "cuts": cuts,
}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nwb")
    script = folder / "write_and_read.py"
    script.write_text(WRITE_AND_READ)
    run = subprocess.run([LAB, script, folder], capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def test_without_pynwb_it_is_said_how_to_read_it(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = tmp_path / "a.nwb"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert check_header(path) == check_header(path, "electrode 0")
    assert check_header(path) == [
        "NWB files are read through pynwb, which is in the lab environment: make report WITH=lab"
    ]


@with_lab
def test_sweeps_in_order_units_and_scale(answers):
    assert answers["units"] == ["pA", "A", "mV", "V"]
    assert answers["rates"] == [1e4, 5e3]
    codes = np.array(answers["codes"])
    for sweep in range(3):
        # A conversion of 6.1e-14 (a real one) is refused by neo's reader.
        assert answers["signal"][sweep] == pytest.approx(codes[sweep] * 6.1e-14 * 1e12, rel=1e-9)
    assert answers["potential"] == pytest.approx(codes[0] * 1e-2 - 65, rel=1e-6)


@with_lab
def test_the_stimulus_of_the_same_sweep_is_the_command(answers):
    for sweep in range(3):
        expected = np.repeat([-80.0, -60.0 + 20 * sweep, -80.0], [30, 50, 20])
        assert answers["command"][sweep] == pytest.approx(expected, abs=1e-6)
    commands, steady = answers["measured"]
    assert commands == pytest.approx([-60, -40, -20], abs=1e-6)
    assert steady == pytest.approx([np.mean(s[40:80]) for s in answers["signal"]], rel=1e-9)


@with_lab
def test_amplifier_and_sanity(answers):
    assert answers["telegraph"] == [pytest.approx(20), pytest.approx(12), "voltage_clamp"]
    voltage_clamp, current_clamp = answers["sanity"]
    assert voltage_clamp == []
    assert "current clamp" in " ".join(current_clamp)


@with_lab
def test_an_electrode_must_be_named_where_there_are_several(answers):
    assert answers["header"] == [[], []]
    missing, unknown = answers["missing"]
    assert "clamp.dat: channel must name one electrode: electrode 0 (3 sweeps); electrode 1 (1 sweeps)" in missing
    assert "not 'electrode 7'" in unknown
    assert answers["single"] == "e"


@with_lab
def test_other_files_and_truncated_ones_are_refused(answers):
    none, gap = answers["other"]
    assert "holds no voltage-clamp or current-clamp series" in none
    assert "no row of finite numbers" in gap
    assert all(len(found) == 1 and "pynwb cannot read it" in found[0] for found in answers["cuts"].values())


def test_sweeps_told_apart_by_their_names_alone_are_in_the_order_of_their_numbers():
    sweeps = [{"number": None, "start_s": 0.0, "name": f"Step__{n}", "electrode": "e"} for n in (10, 2, 1)]
    assert [s["name"] for s in _by_electrode(sweeps)["e"]] == ["Step__1", "Step__2", "Step__10"]
