import re
from pathlib import Path

import numpy as np
import pytest

from mgk.recordings import read_recording
from mgk.recordings.kinetics import COLUMNS, time_constant
from mgk.simulate.potassium import activation_tau_ms
from mgk.tables.yaml_file import load_yaml

HOUSE = Path(__file__).parents[2]
RATE_HZ = 5000.0
TIME_MS = np.arange(200) / RATE_HZ * 1000


def relaxation(tau_ms, amplitude_pa=-500.0, slope=0.0, noise=0.0, seed=0):
    clean = 600 + slope * TIME_MS + amplitude_pa * np.exp(-TIME_MS / tau_ms)
    return clean + np.random.default_rng(seed).normal(0, noise, TIME_MS.size)


@pytest.mark.parametrize("tau_ms", [1.0, 4.0, 15.0])
@pytest.mark.parametrize("slope", [0.0, -3.0])
def test_without_noise_the_time_constant_comes_back_exactly(tau_ms, slope):
    found = time_constant(relaxation(tau_ms, slope=slope), RATE_HZ)
    assert tuple(found) == COLUMNS
    assert found["tau_ms"] == pytest.approx(tau_ms, rel=1e-6)
    assert found["tau_reason"] == ""


def test_the_sign_of_the_change_does_not_matter():
    taus = [time_constant(relaxation(5.0, a, noise=5), RATE_HZ)["tau_ms"] for a in (400.0, -400.0)]
    assert taus == pytest.approx([5, 5], rel=0.05)


def test_many_samples_are_averaged_and_the_time_constant_stays():
    time = np.arange(20000) / 500000 * 1000
    found = time_constant(300 * np.exp(-time / 6), 500000.0)
    assert found["tau_ms"] == pytest.approx(6, rel=1e-4)


@pytest.mark.long
def test_the_interval_covers_at_its_level():
    hits = 0
    for seed in range(100):
        found = time_constant(relaxation(4.0, slope=-2, noise=20, seed=seed), RATE_HZ)
        hits += found["tau_ci_low_ms"] <= 4 <= found["tau_ci_high_ms"]
    assert 88 <= hits <= 100  # binomial(100, 0.95), 99.7 %


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        (relaxation(5.0, amplitude_pa=5, noise=20), "lost in the noise"),
        (600 + np.zeros(200), "does not change"),
        (relaxation(5.0)[:5], "5 points; 8 finite ones are needed"),
        (np.where(TIME_MS == 3, np.nan, relaxation(5.0)), "finite ones are needed"),
        (relaxation(300.0, noise=1), "is not separated|does not close|lost in the noise"),
        (relaxation(0.05, noise=1), "is not separated|does not close|lost in the noise"),
    ],
)
def test_what_has_no_time_constant_says_why(trace, reason):
    found = time_constant(trace, RATE_HZ)
    assert np.isnan([found[c] for c in COLUMNS[:3]]).all()
    assert re.search(reason, found["tau_reason"]), found["tau_reason"]


def test_activation_of_the_demonstration_is_that_of_the_truth_within_a_tenth():
    """The gate's own time constant; inactivation and series resistance take some per cent off it."""
    truth = load_yaml(HOUSE / "raw_data" / "truth.yaml")[0]["recordings"]["kv_activation"]
    recording = read_recording(HOUSE / "raw_data" / "recordings" / "kv_c01_control_activation.abf")
    for sweep, command_mv in ((7, 10.0), (9, 30.0), (11, 50.0)):
        found = time_constant(recording.signal(sweep, 0, 51 * 5, 90 * 5), recording.rate_hz)
        expected = activation_tau_ms(truth, command_mv - truth["junction_potential_mv"]["value"])
        assert found["tau_ms"] == pytest.approx(expected, rel=0.12)
