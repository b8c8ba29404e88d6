"""What holds for all formats: they are known by their content, measured alike, and looked over for what cannot be."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from trace_files import atf_text, csv_text, heka_bytes, heka_segment, heka_stimulus, wcp_bytes

from mgk.checks import check_study
from mgk.recordings import Telegraph, check_header, read_recording, sanity
from mgk.recordings.measure import measure_batch
from mgk.recordings.protocol import Epoch, Output, Protocol, UserList, no_protocol
from mgk.recordings.recording import Recording, array_reader, common_rate, file_channel, rate_of_times
from mgk.recordings.sanity import header_sanity
from mgk.simulate.abf import Signal, write_abf
from mgk.study import Study
from mgk.tables.problems import InputError

N = 256
CODES = np.random.default_rng(8).integers(-2000, 2000, (1, N))
TIME = (np.arange(N) * 1e-4).round(7)
STEP = Output("Cmd 0", "mV", -80.0, (Epoch(0, "step", -20.0, 100),))


def write_one(form, path):
    """The same current, in pA, in each format."""
    if form == "ABF":
        write_abf(path, [Signal("I", "pA", 32768.0, CODES)], [STEP], rate_hz=1e4, comment="simulated")
    if form == "ATF":
        path.write_text(atf_text([("I", "nA", CODES / 1e3)], TIME))
    if form == "WinWCP":
        path.write_bytes(wcp_bytes([("I", "uA", 5e6 / 32768)], CODES[:, :, None]))
    if form == "HEKA":
        stimulus = [heka_stimulus([heka_segment(N * 1e-4)])]
        path.write_bytes(heka_bytes({"s": [("I", "A", 1, 8, CODES)]}, {"s": stimulus}))
    if form == "CSV":
        path.write_text(csv_text({"time_s": TIME, "current_pa": CODES[0]}))
    return path


@pytest.mark.parametrize("suffix", [".abf", ".dat", ".csv", ""])
@pytest.mark.parametrize("form", ["ABF", "ATF", "WinWCP", "HEKA", "CSV"])
def test_the_content_tells_the_format_and_all_give_picoampere(tmp_path, form, suffix):
    path = write_one(form, tmp_path / f"recording{suffix}")
    recording = read_recording(path, "1/1/1")
    assert recording.format.startswith(form)
    assert recording.channels[0].unit == "pA"
    assert recording.rate_hz == pytest.approx(1e4, rel=1e-6)
    assert recording.signal(0, 0) == pytest.approx(CODES[0], abs=1e-3)
    assert recording.signal(0, 0, 5, 8) == pytest.approx(CODES[0, 5:8], abs=1e-3)
    assert check_header(path) == []
    assert check_header(path, "1/1/1") == []
    assert sanity(recording) == []


def test_what_is_no_recording(tmp_path):
    assert check_header(tmp_path / "none") == ["this file is missing"]
    assert "cannot be read" in check_header(tmp_path)[0]
    (tmp_path / "empty").write_bytes(b"")
    assert check_header(tmp_path / "empty") == ["is empty"]
    (tmp_path / "picture.abf").write_bytes(b"\x89PNG\r\n")
    assert "of no known format" in check_header(tmp_path / "picture.abf")[0]
    (tmp_path / "pointer.abf").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "pointer of Git LFS" in check_header(tmp_path / "pointer.abf")[0]
    with pytest.raises(
        InputError, match=r"^picture\.abf: .*Axon binary \(ABF\), Axon text \(ATF\), WinWCP, HEKA bundle"
    ):
        read_recording(tmp_path / "picture.abf")


def test_rates():
    assert rate_of_times(np.arange(10) * 0.1 + 7) == 10
    for times in ([0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0, 3.0]):
        with pytest.raises(InputError):
            rate_of_times(np.array(times))
    assert common_rate([1e4, 1e4 * (1 + 1e-6)]) == 1e4
    with pytest.raises(InputError, match="different sampling rates"):
        common_rate([1e4, 2e4])


# --- sanity -------------------------------------------------------------------------------------------------------


def recording_of(values, unit="pA", *, outputs=(), telegraph=None, voltage=None, voltage_unit="mV", limits=None):
    values = np.atleast_2d(np.asarray(values, float))
    columns = [values] if voltage is None else [values, np.broadcast_to(voltage, values.shape)]
    channels = [file_channel("I", unit), file_channel("V", voltage_unit)][: len(columns)]
    protocol = Protocol(values.shape[1], tuple(outputs), True) if outputs else no_protocol("none")
    return Recording(
        path=Path("test"), format="test", rate_hz=1e4, channels=tuple(channels),
        sweep_samples=(values.shape[1],) * len(values),
        protocol=protocol, code_limits=limits, telegraph=telegraph or {},
        _read=array_reader([np.column_stack(sweep) for sweep in zip(*columns, strict=True)]),
    )  # fmt: skip


CURRENT = np.linspace(-500, 800, 50)


def test_a_recording_in_order_has_nothing_to_say():
    assert sanity(recording_of(CURRENT, outputs=[STEP], voltage=np.linspace(-100, 100, 50)), 0, 1) == []


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (recording_of(CURRENT, "mV"), "'I' is in mV, a voltage: the data of a current clamp?"),
        (recording_of(CURRENT, ""), "'I' is in no unit, no current"),
        (recording_of(CURRENT, "mmHg"), "'I' is in mmHg, no current"),
        (recording_of(CURRENT, telegraph={0: Telegraph(mode="current_clamp")}), "the amplifier reported current clamp"),
        (recording_of(CURRENT, telegraph={0: Telegraph(mode="zero_current")}), "the amplifier reported zero current"),
        (recording_of(CURRENT, outputs=[Output("C", "pA", 0.0, STEP.epochs)]), "('C' in pA) and channel 'I' as well"),
        (recording_of(CURRENT, outputs=[Output("C", "V", -80.0)]), "'C' commands -80000 mV, beyond 500 mV"),
        (
            recording_of([CURRENT] * 4, outputs=[Output("C", "mV", 0.0, (Epoch(0, "step", 0.0, 9, 200.0),))]),
            "commands 600 mV",
        ),
        (
            recording_of(CURRENT, outputs=[Output("C", "mV", 0.0, user_list=UserList(0, "level", (-700.0,), False))]),
            "commands -700 mV",
        ),
        (recording_of(CURRENT, "A"), "'I' reaches 8e+14 pA, beyond 1 mA"),
        (recording_of(np.full(50, 3.0)), "'I' never changes (3 pA)"),
        (recording_of(np.append(CURRENT, np.nan)), "not finite (sweep 0)"),
        (
            recording_of(CURRENT, limits=(-500, 2000)),
            "2 % of the samples of channel 'I' stand at the converter's limit",
        ),
    ],
)
def test_what_cannot_be_is_said_once(recording, reason):
    (found,) = sanity(recording)
    assert reason in found


def test_the_header_alone_tells_labels_and_commands():
    recording = dataclasses.replace(
        recording_of(CURRENT, "mV", outputs=[Output("C", "V", -80.0)]), _read=lambda *a: pytest.fail("read a sample")
    )
    label, command = header_sanity(recording, 0, None)
    assert "a voltage" in label
    assert "beyond 500 mV" in command


@pytest.mark.parametrize(
    ("voltage", "unit", "reason"),
    [
        (CURRENT, "pA", "voltage channel 'V' is in pA, no voltage"),
        (CURRENT, "V", "'V' reaches 800000 mV, beyond 500 mV"),
        (np.zeros(50), "mV", "'V' never changes (0 mV)"),
    ],
)
def test_the_recorded_voltage_is_looked_at(voltage, unit, reason):
    (found,) = sanity(recording_of(CURRENT, voltage=voltage, voltage_unit=unit), 0, 1)
    assert reason in found


def test_a_constant_voltage_is_a_holding_level():
    assert sanity(recording_of(CURRENT, voltage=np.full(50, -80.0)), 0, 1) == []


def test_a_stored_command_is_looked_at(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(csv_text({"time_s": TIME, "current_pa": CODES[0], "command_mv": np.full(N, -80000.0)}))
    (found,) = sanity(read_recording(path))
    assert found == "the command reaches 80000 mV, beyond 500 mV: its unit is wrong?"


# --- a study --------------------------------------------------------------------------------------------------------

FORMS = ("ABF", "ATF", "WinWCP", "HEKA", "CSV")


@pytest.fixture
def study(tmp_path):
    """A study with a recording in each format; what holds no stimulus has a recorded voltage."""
    raw = tmp_path / "raw_data"
    raw.mkdir()
    voltage = np.linspace(-80, 0, N).round(3)
    for form in ("ABF", "HEKA"):
        write_one(form, raw / form)
    (raw / "ATF").write_text(atf_text([("I", "nA", CODES / 1e3), ("V", "mV", voltage[None])], TIME))
    codes = np.stack([CODES[0], np.rint(voltage * 100)], axis=-1)[None]
    (raw / "WinWCP").write_bytes(wcp_bytes([("I", "uA", 5e6 / 32768), ("V", "V", 5e5 / 32768)], codes))
    (raw / "CSV").write_text(
        csv_text({"time_s": TIME, "current_pa": CODES[0], "V": voltage}).replace(",V", ",voltage_mv")
    )
    (tmp_path / "config.yaml").write_text(
        "study: {title: t, data: simulated}\nrecordings:\n  experiments:\n"
        "    e: {analysis: current_voltage, windows_ms: {baseline: [0, 5], steady: [20, 25]}}\n"
    )
    channels = {"HEKA": ("1/1/1", ""), "ATF": ("I", "V"), "WinWCP": ("0", "1"), "CSV": ("", "voltage_mv")}
    write_rows(tmp_path, channels)
    return tmp_path


def write_rows(folder, channels):
    rows = ["recording_id,file,experiment,cell_id,animal_id,configuration,channel,voltage_channel"]
    rows += [f"{f},{f},e,{f},a1,whole_cell,{','.join(channels.get(f, ('', '')))}" for f in FORMS]
    (folder / "raw_data" / "recordings.csv").write_text("\n".join(rows) + "\n")


def test_a_study_of_all_formats_is_checked_and_measured(study):
    opened = Study.read(study)[0]
    assert check_study(opened) == []
    rows = opened.table("recordings").to_dict("records")
    measured = measure_batch(rows, study / "raw_data", opened.experiments("recordings")["e"])
    table = measured.measurements.set_index("recording_id")
    assert table.loc[list(FORMS), "steady_pa"].to_numpy() == pytest.approx(CODES[0, 200:250].mean(), abs=1e-3)
    assert table["command_source"].to_dict() == {
        "ABF": "decoded", "HEKA": "decoded", "ATF": "recorded", "WinWCP": "recorded", "CSV": "recorded",
    }  # fmt: skip
    ramp = np.linspace(-80, 0, N)[200:250].mean()
    for form in ("ATF", "WinWCP", "CSV"):
        assert table.loc[form, "command_mv"] == pytest.approx(ramp, abs=0.01)


def test_rows_that_name_no_channel_are_found_before_anything_runs(study):
    write_rows(study, {"HEKA": ("1/2/1", ""), "ATF": ("I", "")})
    found = [str(p) for p in check_study(Study.read(study)[0])]
    assert sum("not '1/2/1'; it holds 1/1/1 (cell, s, I in A, 1 sweeps)" in p for p in found) == 1
    for form in ("ATF", "WinWCP", "CSV"):
        assert any(form in p and "name" in p and "voltage channel" in p for p in found)
