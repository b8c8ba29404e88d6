import numpy as np
import pyabf
import pytest

from mgk.recordings.protocol import (
    MILLIVOLT_PER,
    PICOAMPERE_PER,
    Epoch,
    Output,
    Protocol,
    UserList,
    epoch_start,
    no_protocol,
    output_in,
    voltage_output,
    waveform,
)
from mgk.simulate.abf import Signal, write_abf
from mgk.tables.problems import InputError

N = 640
HOLD = 10


def play(*epochs, sweep=0, samples=N, holding=-70.0, **settings):
    output = Output("Cmd 0", "mV", holding, epochs, **settings)
    return waveform(Protocol(N, (output,), True), output, sweep, samples)


def train(kind, samples, period, width):
    """The first epoch steps to 0 mV, the second plays a train to 10 mV: its samples."""
    return play(Epoch(0, "step", 0.0, 20), Epoch(1, kind, 10.0, samples, period=period, width=width))[30 : 30 + samples]


def test_a_sweep_starts_and_ends_at_the_holding_level():
    command = play(Epoch(0, "step", -110.0, 100, level_step=10.0), sweep=3)
    assert (command[:HOLD] == -70).all()
    assert (command[HOLD : HOLD + 100] == -80).all()
    assert (command[HOLD + 100 :] == -70).all()
    assert command.shape == (N,)


def test_durations_grow_from_sweep_to_sweep_and_move_what_follows():
    epochs = (Epoch(0, "step", 0.0, 50, samples_step=20), Epoch(1, "step", 40.0, 10))
    for sweep in range(4):
        command = play(*epochs, sweep=sweep)
        assert np.flatnonzero(command == 40).tolist() == list(range(60 + 20 * sweep, 70 + 20 * sweep))


def test_an_epoch_without_samples_is_not_played():
    command = play(Epoch(0, "step", 99.0, 10, samples_step=-10), Epoch(1, "ramp", 30.0, 11), sweep=1)
    assert command[HOLD : HOLD + 11] == pytest.approx(np.linspace(-70, 30, 11))


def test_a_ramp_runs_from_the_level_before_to_its_own_and_the_next_from_there():
    command = play(Epoch(0, "ramp", 30.0, 101), Epoch(1, "ramp", -70.0, 101))
    assert command[HOLD : HOLD + 101] == pytest.approx(np.linspace(-70, 30, 101))
    assert command[HOLD + 101 : HOLD + 202] == pytest.approx(np.linspace(30, -70, 101))


def test_a_level_that_persists_is_held_to_the_end_and_into_the_next_sweep():
    epoch = Epoch(0, "ramp", -110.0, 50, level_step=5.0)
    first = play(epoch, persists=True)
    assert first[0] == -70
    assert (first[HOLD + 50 :] == -110).all()
    third = play(epoch, sweep=2, persists=True)
    assert (third[:HOLD] == -105).all()
    assert third[HOLD] == -105
    assert (third[HOLD + 50 :] == -100).all()
    returning = play(epoch, sweep=2)
    assert (returning[HOLD + 50 :] == -70).all()
    assert (returning[:HOLD] == -70).all()


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [(False, [5, 50, 20, 20, 20]), (True, [5, 50, 20, 5, 50])],
)
def test_a_user_list_replaces_a_duration_and_ends_as_it_says(repeats, expected):
    listed = UserList(1, "samples", (5.0, 50.0, 20.0), repeats)
    epochs = (Epoch(0, "step", 0.0, 10), Epoch(1, "step", 40.0, 7, samples_step=3))
    played = [play(*epochs, sweep=s, user_list=listed) for s in range(5)]
    assert [np.count_nonzero(c == 40) for c in played] == expected


def test_a_user_list_replaces_a_level():
    listed = UserList(0, "level", (-12.5, 33.0), False)
    epoch = Epoch(0, "step", 0.0, 10, level_step=100.0)
    assert [play(epoch, sweep=s, user_list=listed)[HOLD] for s in range(3)] == [-12.5, 33, 33]


def test_a_pulse_train_plays_whole_pulses_only():
    high = np.flatnonzero(train("pulse", samples=25, period=10, width=4) == 10).tolist()
    assert high == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    cut = np.flatnonzero(train("pulse", samples=23, period=10, width=4) == 10).tolist()
    assert cut == [0, 1, 2, 3, 10, 11, 12, 13]


def test_a_biphasic_train_is_its_mirror_image_in_its_second_half():
    assert train("biphasic", 20, 10, 4).tolist() == ([10] * 2 + [-10] * 2 + [0] * 6) * 2


def test_a_triangle_train_rises_for_its_width_and_falls_for_the_rest():
    assert train("triangle", 23, 10, 5).tolist() == pytest.approx([0, 2, 4, 6, 8, 10, 8, 6, 4, 2] * 2 + [0] * 3)


def test_a_cosine_train_starts_at_the_level_before_and_peaks_at_half_its_period():
    wave = train("cosine", 23, 10, 0)
    assert wave[[0, 5, 10, 15]] == pytest.approx([0, 10, 0, 10])
    assert wave[[20, 21, 22]].tolist() == [0, 0, 0]
    assert wave[2] == pytest.approx(5 - 5 * np.cos(0.4 * np.pi))


def test_after_a_train_a_ramp_starts_at_the_level_of_the_train():
    command = play(Epoch(0, "pulse", 10.0, 20, period=10, width=5), Epoch(1, "ramp", 20.0, 11))
    assert command[30:41] == pytest.approx(np.linspace(10, 20, 11))


def test_an_aborted_sweep_gets_the_part_that_was_played():
    epoch = Epoch(0, "ramp", 30.0, 101)
    assert play(epoch, samples=60) == pytest.approx(play(epoch)[:60])


@pytest.mark.parametrize(
    ("epoch", "settings", "reason"),
    [
        (Epoch(0, "slope", 1.0, 10), {}, "unknown kind"),
        (Epoch(0, "pulse", 1.0, 10), {}, "period 0"),
        (Epoch(0, "pulse", 1.0, 10, period=5, width=6), {}, "width 6"),
        (Epoch(0, "step", 1.0, 10), {"refusal": "its waveform comes from a stimulus file"}, "stimulus file"),
        (Epoch(0, "step", 1.0, N), {}, "longer than the sweep"),
        (Epoch(0, "step", 1.0, 10), {"samples": N + 1}, "only 640"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_its_reason(epoch, settings, reason):
    with pytest.raises(InputError, match=reason):
        play(epoch, **settings)


def test_a_file_without_episodes_holds():
    output = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", 0.0, 10),))
    assert (waveform(Protocol(N, (output,), False), output, 0, 100_000) == -60).all()
    silent = Output("Cmd 0", "mV", -60.0, (Epoch(0, "step", 0.0, 10),), plays=False)
    assert (waveform(Protocol(N, (silent,), True), silent, 0, N) == -60).all()


def test_the_start_of_an_epoch_follows_the_durations_of_the_sweep():
    output = Output("Cmd 0", "mV", 0.0, (Epoch(0, "step", 0.0, 50, samples_step=20), Epoch(1, "step", 40.0, 10)))
    protocol = Protocol(N, (output,), True)
    assert [epoch_start(protocol, output, "B", s) for s in range(3)] == [60, 80, 100]
    with pytest.raises(InputError, match="no epoch C"):
        epoch_start(protocol, output, "C", 0)


def test_the_output_of_the_voltage_is_chosen_or_refused():
    played = Epoch(0, "step", 0.0, 10)
    pressure = Output("P_com", "mmHg", 0.0, (played,))
    first = Output("Cmd 0", "mV", 0.0, (played,))
    second = Output("Cmd 1", "mV", -35.0, (played,))
    silent = Output("Cmd 2", "mV", -35.0, plays=False)
    assert voltage_output(Protocol(N, (pressure, silent, first), True)) is first
    assert voltage_output(Protocol(N, (pressure, silent), True, active=1)) is silent
    with pytest.raises(InputError, match="'Cmd 0', 'Cmd 1'"):
        voltage_output(Protocol(N, (first, second), True))
    with pytest.raises(InputError, match="none"):
        voltage_output(Protocol(N, (pressure,), True))
    assert voltage_output(Protocol(N, (first, second), False, active=1)) is second


def test_a_format_without_a_pre_hold_starts_with_its_first_epoch():
    output = Output("stimulus", "V", -0.08, (Epoch(0, "step", 0.02, 100),))
    command = waveform(Protocol(N, (output,), True, pre_hold=0), output, 0, N)
    assert command.tolist() == [0.02] * 100 + [-0.08] * (N - 100)
    assert epoch_start(Protocol(N, (output,), True, pre_hold=0), output, "A", 0) == 0


def test_the_output_of_the_current_is_chosen_by_its_unit():
    voltage, current = Output("Cmd 0", "mV", 0.0, plays=False), Output("Cmd 1", "nA", 0.1)
    protocol = Protocol(N, (voltage, current), True)
    assert output_in(protocol, PICOAMPERE_PER) is current
    assert output_in(protocol, MILLIVOLT_PER) is voltage
    with pytest.raises(InputError, match="one D/A output must command the current; the header has none"):
        output_in(Protocol(N, (voltage,), True), PICOAMPERE_PER)


def test_a_file_without_a_stimulus_says_why():
    with pytest.raises(InputError, match="the command cannot be decoded: it is a text"):
        voltage_output(no_protocol("it is a text"))


@pytest.mark.parametrize("kind", ["pulse", "biphasic"])
def test_trains_of_whole_periods_are_those_of_pyabf(tmp_path, kind):
    """An independent reader of the file, which stretches triangles and cosines to reach their level one sample late."""
    first, second = Epoch(0, "step", -20.0, 64), Epoch(1, kind, 30.0, 240, 5.0, 0, 60, 24)
    output = Output("Cmd 0", "mV", -70.0, (first, second))
    signal = Signal("Im", "pA", 2000.0, np.zeros((2, N)))
    abf = pyabf.ABF(str(write_abf(tmp_path / "a.abf", [signal], [output], rate_hz=1e4, comment="simulated")))
    for sweep in range(2):
        abf.setSweep(sweep)
        assert play(first, second, sweep=sweep) == pytest.approx(abf.sweepC, abs=1e-4)
