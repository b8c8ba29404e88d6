"""Levels, drift, idealisation and dwell times of single channels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm
from single_channels import FILTER_HZ, RATE_HZ, square, trace

from mgk.unitary import Asked, Recorded, analyse_level, correct_two_states, fit_times, times_of
from mgk.unitary.dwells import unseen_channel
from mgk.unitary.idealise import idealise, samples_open, settled_samples
from mgk.unitary.levels import PIECE_SAMPLES, Levels, fit_levels, histogram
from mgk.unitary.resolution import combined_hz, dead_time_ms, false_events_per_s, rise_ms

ASKED = Asked(outward=True, most_channels=4, resolution_ms=0.4, baseline_ms=300.0)


def recorded(x, *, firsts=(0,), rate_hz=RATE_HZ, filter_hz=FILTER_HZ):
    return Recorded(np.asarray(x, float), np.array(firsts), rate_hz, filter_hz)


def test_what_a_gaussian_filter_does_is_what_the_filter_does():
    rate, corner = 1e6, 1000.0
    sigma = 0.1325 / corner * rate
    frequency_response = np.exp(-((2 * np.pi * corner * sigma / rate) ** 2) / 2)
    assert frequency_response == pytest.approx(np.sqrt(0.5), rel=1e-3)
    step = gaussian_filter1d(np.repeat([0.0, 1.0], 5000), sigma)
    assert 1e3 / (np.diff(step).max() * rate) == pytest.approx(rise_ms(corner), rel=1e-3)
    assert rise_ms(corner) == pytest.approx(0.3321, abs=1e-4)
    pulse = np.zeros(10_000)
    pulse[5000 : 5000 + round(dead_time_ms(corner) * rate / 1e3)] = 1
    assert gaussian_filter1d(pulse, sigma).max() == pytest.approx(0.5, abs=2e-3)
    assert dead_time_ms(corner) == pytest.approx(0.1787, abs=1e-4)
    assert combined_hz(1000, 1000) == pytest.approx(1000 / np.sqrt(2))


def test_false_events_are_as_frequent_as_noise_crosses_the_threshold():
    rng = np.random.default_rng(1)
    rate, corner = 50_000.0, 1000.0
    noise = gaussian_filter1d(rng.normal(size=2_000_000), 0.1325 / corner * rate)
    noise /= noise.std()
    crossed = np.count_nonzero((noise[:-1] < 2) & (noise[1:] >= 2)) / (len(noise) / rate)
    assert crossed == pytest.approx(false_events_per_s(2.0, 1.0, corner), rel=0.05)
    assert false_events_per_s(1.0, 0.0, corner) == 0


@pytest.mark.parametrize("amplitude", [3.3, -4.56])
@pytest.mark.parametrize("channels", [1, 2])
def test_without_noise_the_unitary_current_comes_back_exactly(amplitude, channels):
    x, k = square(amplitude, (60, 45, 80) if channels == 2 else (60, 45), 90, channels)
    found = analyse_level(recorded(x + 1.7), Asked(amplitude > 0, 4, 0.4, 300.0))
    assert found.levels.channels == channels
    assert found.amplitude_pa == pytest.approx(amplitude, rel=1e-6)
    assert found.levels.amplitude_pa == pytest.approx(amplitude, rel=1e-6)
    assert found.mean_open == pytest.approx(k.mean(), rel=1e-9)
    assert found.amplitude_se_pa < 1e-6


def test_without_noise_a_linear_drift_is_removed():
    x, _ = square(3.3, (60, 45), 90)
    drift = np.linspace(0, 6, len(x))
    found = analyse_level(recorded(x + drift), ASKED)
    assert found.amplitude_pa == pytest.approx(3.3, rel=1e-6)
    assert found.drift_pa == pytest.approx(6, rel=1e-3)
    assert found.flat_pa[:50] == pytest.approx(0, abs=1e-6)


def test_a_histogram_keeps_the_mean_and_finds_levels_within_its_bins():
    rng = np.random.default_rng(3)
    k = rng.random(40_000) < 0.3
    x = np.where(k, 2.0, 0.0) + rng.normal(0, 0.25, k.size)
    held = histogram(x, 0.25)
    assert (held.count * held.mean).sum() == pytest.approx(x.sum())
    found = fit_levels(x, 0.25, True, 3, 1.0)
    assert found.channels == 1
    assert found.amplitude_pa == pytest.approx(2.0, abs=held.width)
    assert found.closed_pa == pytest.approx(0.0, abs=held.width)
    assert found.sd_pa == pytest.approx([0.25, 0.25], rel=0.05)
    assert found.share == pytest.approx([0.7, 0.3], abs=0.02)
    at = np.linspace(-2, 4, 4001)
    assert np.trapezoid(found.density(at), at) == pytest.approx(1, abs=1e-3)
    assert found.density(np.array([0.0]))[0] == pytest.approx(0.7 * norm.pdf(0, scale=0.25), rel=0.05)


def test_open_channel_noise_is_found():
    rng = np.random.default_rng(4)
    k = rng.integers(0, 3, 60_000)
    found = fit_levels(2.0 * k + rng.normal(size=k.size) * np.sqrt(0.04 + 0.05 * k), 0.2, True, 4, 1.0)
    assert found.channels == 2
    assert found.sd_pa**2 == pytest.approx([0.04, 0.09, 0.14], rel=0.08)


def test_the_number_open_is_that_of_each_sample_however_long_the_trace():
    levels = Levels(0.0, 2.0, np.array([0.5, 0.6, 0.7]), np.array([0.5, 0.3, 0.2]), 0.0, {})
    x = np.random.default_rng(1).uniform(-1, 5, PIECE_SAMPLES + 1000)
    normal = levels.share * norm.pdf(x[:, None], 2.0 * np.arange(3), levels.sd_pa)
    k, squared = levels.number_open(x, 2.0)
    np.testing.assert_allclose(k, normal @ [0, 1, 2] / normal.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(squared, normal @ [0, 1, 4] / normal.sum(axis=1), rtol=1e-9)


def test_noise_alone_is_no_channel():
    rng = np.random.default_rng(5)
    found = analyse_level(recorded(trace(rng, 0.0, noise_pa=0.3, drift_pa=1.0)[0]), ASKED)
    assert found.levels.channels == 0
    assert np.isnan(found.amplitude_pa)
    assert found.events is None


@pytest.mark.parametrize(
    ("channels", "open_ms", "closed_ms"), [(1, 8, 12), (2, 8, 12), (3, 8, 20), (1, 30, 5), (2, 30, 10), (1, 3, 60)]
)
def test_the_number_of_channels_and_the_current_are_recovered_under_drift(channels, open_ms, closed_ms):
    errors = []
    for seed in range(5):
        rng = np.random.default_rng([seed, channels])
        gating = {"open_ms": open_ms, "closed_ms": closed_ms, "channels": channels}
        x, k = trace(rng, -2.5, seconds=4, drift_pa=2.0, **gating)
        found = analyse_level(recorded(x), Asked(False, 4, 0.4, 300.0))
        assert found.levels.channels == k.max()
        assert found.mean_open == pytest.approx(k.mean(), abs=0.01)
        errors.append((found.amplitude_pa + 2.5) / found.amplitude_se_pa)
    assert np.abs(errors).max() < 4
    assert abs(np.mean(errors)) < 2


def test_channels_that_open_only_together_are_one_of_twice_the_current():
    rng = np.random.default_rng(6)
    x, _ = trace(rng, 4.0, seconds=3)
    found = analyse_level(recorded(x), ASKED)
    assert found.levels.channels == 1
    assert found.amplitude_pa == pytest.approx(4.0, rel=0.02)


def test_an_event_shorter_than_the_resolution_joins_the_one_before():
    k = np.repeat([0, 1, 0, 1, 2, 1, 0], [50, 30, 1, 30, 40, 1, 50])
    events = idealise(2.0 * k, np.array([0]), 1000.0, 2.0, 2, 0.002)
    assert events.open.tolist() == [0, 1, 2, 0]
    assert events.duration_s == pytest.approx([0.050, 0.061, 0.041, 0.050])
    assert events.start_s == pytest.approx([0, 0.050, 0.111, 0.152])
    assert events.complete.tolist() == [False, True, True, False]
    assert events.merged == 2
    assert (
        samples_open(events, np.array([0]), k.size, 1000.0).tolist()
        == np.repeat([0, 1, 2, 0], [50, 61, 41, 50]).tolist()
    )


def test_parts_are_kept_apart_and_their_ends_are_no_dwell_times():
    k = np.repeat([0, 1, 1, 0], [20, 20, 20, 20])
    events = idealise(2.0 * k, np.array([0, 40]), 1000.0, 2.0, 1, 0.002)
    assert events.part.tolist() == [0, 0, 1, 1]
    assert events.duration_s == pytest.approx([0.02] * 4)
    assert not events.complete.any()
    assert len(times_of(events, is_open=True)) == 0


def test_a_transition_lies_where_the_trace_crosses_half_the_amplitude():
    x = np.array([0, 0, 0.2, 0.8, 1, 1, 1, 0.9, 0.1, 0, 0]) * 2
    events = idealise(x, np.array([0]), 1000.0, 2.0, 1, 0.001)
    assert events.duration_s == pytest.approx([0.003, 0.005, 0.003])


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    levels=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    cut=st.integers(0, 100),
    resolution=st.integers(1, 5),
)
def test_events_fill_each_part_and_are_no_shorter_than_the_resolution(lengths, levels, cut, resolution):
    k = np.repeat(levels[: len(lengths)], lengths)
    firsts = np.array([0, cut]) if 0 < cut < k.size else np.array([0])
    events = idealise(k.astype(float), firsts, 1000.0, 1.0, 3, resolution / 1000)
    ends = np.append(firsts[1:], k.size)
    for part, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        own = events.part == part
        assert events.duration_s[own].sum() == pytest.approx((end - first) / 1000)
        assert (np.diff(events.open[own]) != 0).all()
        assert (events.duration_s[own & events.complete] > (resolution - 1e-6) / 1000).all()
    assert len(samples_open(events, firsts, k.size, 1000.0)) == k.size


def test_samples_near_a_transition_are_left_out():
    k = np.repeat([0, 1, 0], [10, 10, 10])
    kept = settled_samples(k, np.array([0]), 3)
    assert np.flatnonzero(~kept).tolist() == [7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 21, 22]
    assert settled_samples(k, np.array([0, 10]), 3)[7:13].all()


def test_exponential_times_above_a_resolution_give_their_mean_back():
    rng = np.random.default_rng(7)
    inside = []
    for _ in range(120):
        t = rng.exponential(4.0, 200)
        found = fit_times(t[t >= 1.0], 1.0)
        assert len(found.tau_ms) == 1 or found.share[1] < 0.6
        if len(found.tau_ms) == 1:
            inside.append(found.ci_ms[0][0] <= 4.0 <= found.ci_ms[0][1])
    assert len(inside) > 105
    assert 0.90 <= np.mean(inside) <= 0.985


def test_two_components_are_told_from_one_and_their_shares_are_of_all_events():
    rng = np.random.default_rng(8)
    t = np.where(rng.random(4000) < 0.4, rng.exponential(1.0, 4000), rng.exponential(20.0, 4000))
    found = fit_times(t[t >= 0.4], 0.4)
    assert found.delta_bic > 0
    assert found.tau_ms == pytest.approx((20, 1), rel=0.12)
    assert found.share == pytest.approx((0.6, 0.4), abs=0.05)
    assert found.ci_ms[0][0] < 20 < found.ci_ms[0][1]
    assert fit_times(t[:19], 0.0).tau_ms == ()


def test_missed_events_are_put_back_for_two_states():
    rng = np.random.default_rng(9)
    to, tc, r, n = 2.0, 3.0, 0.5, 15_000
    durations = np.empty(2 * n)
    durations[0::2], durations[1::2] = rng.exponential(to, n), rng.exponential(tc, n)
    k = np.tile([1, 0], n)
    # The rule of the fixed resolution, on true durations.
    level, times = [], []
    for state, duration in zip(k, durations, strict=True):
        if times and (duration < r or level[-1] == state):
            times[-1] += duration
        else:
            level.append(state)
            times.append(duration)
    level, times = np.array(level), np.array(times)
    opened, closed = (fit_times(times[level == s], r) for s in (1, 0))
    assert opened.tau_ms[0] > 1.2 * to
    found = correct_two_states(opened, closed, r)
    assert (found.open_ms, found.closed_ms) == pytest.approx((to, tc), rel=0.05)
    # The share of apparent open time that was closed, and of apparent closed time that was open.
    edges = np.concatenate([[0], np.cumsum(times)])
    middle = np.cumsum(durations) - durations / 2
    apparent = level[np.searchsorted(edges, middle) - 1]
    hidden = [durations[(apparent == s) & (k != s)].sum() / times[level == s].sum() for s in (1, 0)]
    assert found.amplitude_bias == pytest.approx(-sum(hidden), rel=0.1)
    assert correct_two_states(fit_times(times[:5], r), closed, r) is None


def test_short_openings_lower_the_amplitude_by_what_is_stated():
    bias, stated = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, _ = trace(rng, 4.0, seconds=5, open_ms=2.0, closed_ms=2.0, noise_pa=0.2)
        found = analyse_level(recorded(x), ASKED)
        bias.append(found.amplitude_pa / 4 - 1)
        times = [fit_times(times_of(found.events, s), ASKED.resolution_ms) for s in (True, False)]
        if corrected := correct_two_states(*times, ASKED.resolution_ms, dead_time_ms(FILTER_HZ)):
            stated.append(corrected.amplitude_bias)
    assert np.mean(bias) < -0.003
    assert len(stated) >= 4
    assert np.mean(stated) == pytest.approx(np.mean(bias), abs=0.005)


def test_a_second_channel_is_excluded_by_a_long_busy_record_only():
    assert unseen_channel(0.5, 1, 20.0, 10.0) < 1e-10
    assert unseen_channel(0.01, 1, 2.0, 10.0) > 0.9


def test_a_trace_of_one_value_has_no_levels():
    found = analyse_level(recorded(np.full(3000, -20.0)), ASKED)
    assert found.levels.channels == 0
