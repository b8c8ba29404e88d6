"""The rows that one patch gives at one potential: its level with a verdict, dwell times, events, numbers for pictures.

Verdicts of a level. *Not identified*: no opening found, or too few, or levels that noise makes overlap. *Weak*: few
openings, little separation, false events among the openings, steps that differ, samples between levels, histogram and
settled samples that disagree, missed events that move the amplitude; the reason says which, and what would help.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mgk.unitary.dwells import Corrected, DwellTimes, correct_two_states, fit_times, times_of, unseen_channel
from mgk.unitary.idealise import samples_open
from mgk.unitary.potential import Asked, Level, Recorded, analyse_level
from mgk.unitary.resolution import dead_time_ms, false_events_per_s, rise_ms

IDENTITY = ("experiment", "group", "cell_id", "animal_id", "level_mv")
LEVEL_COLUMNS = (
    *IDENTITY, "membrane_mv", "temperature_c", "parts", "duration_s", "rate_hz", "filter_hz", "resolution_ms",
    "dead_time_ms", "closed_noise_pa", "open_noise_pa", "drift_pa", "channels", "unseen_channel_p", "amplitude_pa",
    "amplitude_se_pa", "all_points_pa", "separation", "between_percent", "unequal_percent", "mean_open", "mean_open_se",
    "open_probability", "open_probability_se", "openings", "false_events", "merged", "bias_percent", "verdict",
    "reason",
)  # fmt: skip
DWELL_COLUMNS = (
    *IDENTITY, "state", "n", "mean_ms", "resolution_ms", "components", "tau_ms", "ci_low_ms", "ci_high_ms",
    "fast_tau_ms", "fast_ci_low_ms", "fast_ci_high_ms", "fast_share", "delta_bic", "corrected_ms",
    "corrected_ci_low_ms", "corrected_ci_high_ms", "reason",
)  # fmt: skip
EVENT_COLUMNS = ("cell_id", "group", "level_mv", "part", "open", "start_s", "duration_ms", "complete")
HISTOGRAM_COLUMNS = ("cell_id", "group", "level_mv", "current_pa", "density", "fitted")
EXCERPT_COLUMNS = ("cell_id", "group", "level_mv", "time_ms", "current_pa", "idealised_pa")
# Levels further apart than this many SD of noise are told apart without doubt; nearer than the second they are not
# (both from docs/validation_unitary.md).
CLEAR_SEPARATION, LEAST_SEPARATION = 5.0, 3.5
# Fewer openings make a level weak, and no level (assumed, no source).
LEAST_OPENINGS, FEWEST_OPENINGS = 20, 5
MOST_CHANNELS = 4
BASELINE_MS = 500.0
# Limits beyond which something is said (assumed, no source): bias by missed events, samples between levels, steps that
# differ, false events among the openings, the histogram against the settled samples.
BIAS_PERCENT, BETWEEN_PERCENT, UNEQUAL_PERCENT, FALSE_SHARE, DISAGREE_PERCENT = 1.0, 25.0, 10.0, 0.05, 5.0
NO_TIMES = DwellTimes(0, np.nan, (), (), (), np.nan)
# One more channel than was seen is not excluded above this probability.
UNSEEN_P = 0.05
EXCERPT_MS, EXCERPT_POINTS, HISTOGRAM_BINS = 400.0, 500, 120


def level_tables(head: Mapping, recorded: Recorded, settings: Mapping) -> dict[str, pd.DataFrame]:
    """Analyse one patch at one potential; return its rows of each table, by kind.

    Parameters
    ----------
    head: identity of the patch, with level_mv, membrane_mv, parts and left_out (parts recorded otherwise).
    settings: the experiment of config.yaml.
    """
    asked = asked_of(settings, head["membrane_mv"], recorded)
    level = analyse_level(recorded, asked)
    identity = {key: head[key] for key in IDENTITY}
    row = identity | {key: head[key] for key in ("membrane_mv", "temperature_c", "parts")}
    row |= _numbers(level, recorded, asked)
    clear = level.levels.channels == 1 and level.levels.separation >= LEAST_SEPARATION
    times = {state: _times(level, state, asked) if clear else NO_TIMES for state in (True, False)}
    # Flanks of events that are seen and not kept are no part of the amplitude: what no threshold sees is.
    hidden_ms = asked.resolution_ms if level.noisy else dead_time_ms(recorded.filter_hz)
    corrected = correct_two_states(times[True], times[False], asked.resolution_ms, hidden_ms)
    row["bias_percent"] = 100 * corrected.amplitude_bias if corrected else np.nan
    row["unseen_channel_p"] = _unseen(level, recorded)
    least = settings["unitary"].get("least_openings", LEAST_OPENINGS)
    row["verdict"], row["reason"] = _verdict(row, level, recorded, least, head["left_out"])
    place = {key: head[key] for key in ("cell_id", "group", "level_mv")}
    return {
        "levels": pd.DataFrame([row]),
        "dwell_times": pd.DataFrame(_dwell_rows(identity, row, times, corrected)),
        "events": _event_rows(place, level),
        "histograms": _histogram_rows(place, level),
        "excerpts": _excerpt_rows(place, level, recorded),
    }


def asked_of(settings: Mapping, membrane_mv: float, recorded: Recorded) -> Asked:
    """Return what the analysis of a level is told by the settings of its experiment."""
    own, polarity = settings["unitary"], settings.get("polarity", "absolute")
    expected = own["reversal_mv"]["value"] if "reversal_mv" in own else 0.0
    outward = polarity == "outward" or (polarity == "absolute" and membrane_mv >= expected)
    resolution = own.get("resolution_ms", rise_ms(recorded.filter_hz))
    # No event is shorter than two samples.
    resolution = max(resolution, 2e3 / recorded.rate_hz)
    return Asked(outward, own.get("most_channels", MOST_CHANNELS), resolution, own.get("baseline_ms", BASELINE_MS))


def _numbers(level: Level, recorded: Recorded, asked: Asked) -> dict:
    """Return what was measured at a level; NaN where no channel opened."""
    levels, n = level.levels, level.levels.channels
    known = {
        "duration_s": recorded.duration_s, "rate_hz": recorded.rate_hz, "filter_hz": recorded.filter_hz,
        "resolution_ms": asked.resolution_ms, "dead_time_ms": dead_time_ms(recorded.filter_hz),
        "closed_noise_pa": float(levels.sd_pa[0]), "drift_pa": level.drift_pa, "channels": n,
        "mean_open": level.mean_open, "mean_open_se": level.mean_open_se,
    }  # fmt: skip
    if not n:
        empty = ("open_noise_pa", "amplitude_pa", "amplitude_se_pa", "all_points_pa", "separation", "between_percent",
                 "unequal_percent", "open_probability", "open_probability_se", "false_events")  # fmt: skip
        return known | dict.fromkeys(empty, np.nan) | {"openings": 0, "merged": 0}
    false = false_events_per_s(abs(levels.amplitude_pa) / 2, levels.sd_pa[0], recorded.filter_hz)
    return known | {
        "open_noise_pa": float(levels.sd_pa[1]), "amplitude_pa": level.amplitude_pa,
        "amplitude_se_pa": level.amplitude_se_pa, "all_points_pa": float(levels.amplitude_pa),
        "separation": float(levels.separation), "between_percent": 100 * levels.between,
        "unequal_percent": 100 * level.unequal, "open_probability": level.mean_open / n,
        "open_probability_se": level.mean_open_se / n, "openings": openings_of(level),
        "false_events": false * recorded.duration_s, "merged": level.events.merged,
    }  # fmt: skip


def openings_of(level: Level) -> int:
    """Return how many times a channel opened."""
    step = np.diff(level.events.open.astype(int))
    within = np.diff(level.events.part) == 0
    return int(step[within & (step > 0)].sum())


def _unseen(level: Level, recorded: Recorded) -> float:
    if not level.levels.channels or not (n := openings_of(level)):
        return np.nan
    # All open time over all openings: the mean open time, whatever the number of channels.
    open_ms = 1e3 * level.mean_open * recorded.duration_s / n
    return unseen_channel(level.mean_open, level.levels.channels, recorded.duration_s, open_ms)


def _verdict(row: Mapping, level: Level, recorded: Recorded, least: int, left_out: int) -> tuple[str, str]:
    """Return the verdict on a level and its reasons."""
    reasons = [f"{left_out} parts of another sampling rate or filter left out"] if left_out else []
    if not row["channels"]:
        return "not_identified", "; ".join([*reasons, "no opening found: no channel, or current within the noise"])
    n, apart = row["openings"], row["separation"]
    slower = "a lower corner of the filter (unitary.gaussian_hz) would separate them"
    if n < FEWEST_OPENINGS:
        reasons.append(f"{n} openings: record longer")
    if apart < LEAST_SEPARATION:
        reasons.append(f"levels overlap: {apart:.2g} SD of the noise apart, {LEAST_SEPARATION:g} are needed; {slower}")
    if not np.isfinite(row["amplitude_se_pa"]):
        reasons.append("openings lie in one stretch: no standard error; record longer")
    if n < FEWEST_OPENINGS or apart < LEAST_SEPARATION or not np.isfinite(row["amplitude_se_pa"]):
        return "not_identified", "; ".join(reasons)
    sure = len(reasons)
    if n < least:
        reasons.append(f"{n} openings, fewer than {least}: record longer")
    if apart < CLEAR_SEPARATION:
        reasons.append(f"levels only {apart:.2g} SD of the noise apart; {slower}")
    if row["false_events"] > FALSE_SHARE * n:
        reasons.append(f"about {row['false_events']:.0f} of {n} openings may be noise")
    if row["between_percent"] > BETWEEN_PERCENT:
        reasons.append(
            f"{row['between_percent']:.0f} % of samples between levels: substates, or faster than the filter"
        )
    if row["unequal_percent"] > UNEQUAL_PERCENT:
        reasons.append(f"steps between levels differ by {row['unequal_percent']:.0f} %: substates or unlike channels")
    disagree = 100 * abs(row["all_points_pa"] / row["amplitude_pa"] - 1)
    if disagree > DISAGREE_PERCENT:
        reasons.append(f"all-points histogram and settled samples differ by {disagree:.0f} %")
    if abs(row["bias_percent"]) > BIAS_PERCENT:
        reasons.append(f"events too short to be seen move the amplitude by about {row['bias_percent']:.1f} %")
    return ("weak" if len(reasons) > sure else "identified"), "; ".join(reasons)


def _times(level: Level, is_open: bool, asked: Asked) -> DwellTimes:
    return fit_times(times_of(level.events, is_open), asked.resolution_ms)


def _dwell_rows(identity: Mapping, of_level: Mapping, times: Mapping, corrected: Corrected | None) -> list[dict]:
    """Return the rows of open and of closed times."""
    rows = []
    for state, name in ((True, "open"), (False, "closed")):
        found = times[state]
        row = identity | {
            "state": name,
            "n": found.n,
            "mean_ms": found.mean_ms,
            "resolution_ms": of_level["resolution_ms"],
        }
        row |= {"components": len(found.tau_ms), "delta_bic": found.delta_bic}
        for i, prefix in enumerate(("", "fast_")[: len(found.tau_ms)]):
            row[f"{prefix}tau_ms"] = found.tau_ms[i]
            row[f"{prefix}ci_low_ms"], row[f"{prefix}ci_high_ms"] = found.ci_ms[i]
        if len(found.tau_ms) == 2:
            row["fast_share"] = found.share[1]
        if corrected:
            value, relative = (
                (corrected.open_ms, corrected.open_relative_se)
                if state
                else (corrected.closed_ms, corrected.closed_relative_se)
            )
            row["corrected_ms"] = value
            row["corrected_ci_low_ms"], row["corrected_ci_high_ms"] = value * np.exp(np.array([-1.96, 1.96]) * relative)
        row["reason"] = _no_times(of_level, found, corrected)
        rows.append({column: row.get(column, np.nan) for column in DWELL_COLUMNS})
    return rows


def _no_times(of_level: Mapping, found: DwellTimes, corrected: Corrected | None) -> str:
    """Return why there are no dwell times, none corrected, or why they may be those of several channels."""
    channels, reasons = of_level["channels"], []
    if channels == 0:
        return "no opening found"
    if channels > 1:
        return f"{channels} channels open at once: whose opening ends is not known"
    if of_level["separation"] < LEAST_SEPARATION:
        return "levels overlap: events are those of noise"
    if not found.tau_ms:
        return f"{found.n} complete times; 20 are needed"
    if of_level["unseen_channel_p"] > UNSEEN_P:
        reasons.append(f"a second channel is not excluded (p {of_level['unseen_channel_p']:.2g}): record longer")
    if corrected is None:
        reasons.append("missed events not corrected: that needs one component in open and in closed times")
    return "; ".join(reasons)


def _event_rows(place: Mapping, level: Level) -> pd.DataFrame:
    if level.events is None:
        return pd.DataFrame(columns=list(EVENT_COLUMNS))
    e = level.events
    columns = {"part": e.part + 1, "open": e.open, "start_s": e.start_s, "duration_ms": 1e3 * e.duration_s}
    return pd.DataFrame({**place, **columns, "complete": e.complete})


def _histogram_rows(place: Mapping, level: Level) -> pd.DataFrame:
    """Return the all-points histogram of the flat trace and the fitted density in its bins."""
    count, edges = np.histogram(level.flat_pa, HISTOGRAM_BINS)
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    fitted = level.levels.density(middle + level.levels.closed_pa)
    return pd.DataFrame({**place, "current_pa": middle, "density": count / count.sum() / width, "fitted": fitted})


def _excerpt_rows(place: Mapping, level: Level, recorded: Recorded) -> pd.DataFrame:
    """Return the stretch of one part with the most transitions, and its idealisation."""
    ends = np.append(recorded.firsts[1:], len(level.flat_pa))
    n = min(int(EXCERPT_MS * recorded.rate_hz / 1e3), int((ends - recorded.firsts).max()))
    ideal = np.zeros(len(level.flat_pa))
    if level.events is not None:
        ideal = level.amplitude_pa * samples_open(level.events, recorded.firsts, len(ideal), recorded.rate_hz)
    changes = np.concatenate([[0], np.cumsum(np.diff(ideal, prepend=ideal[:1]) != 0)])
    starts = np.concatenate(
        [np.arange(a, b - n + 1, max(n // 4, 1)) for a, b in zip(recorded.firsts, ends, strict=True)]
    )
    busy = changes[starts + n] - changes[starts]
    first = int(starts[np.argmax(busy)])
    seen = slice(first, first + n, max(n // EXCERPT_POINTS, 1))
    flat = level.flat_pa[seen]
    time_ms = 1e3 * np.arange(n)[:: max(n // EXCERPT_POINTS, 1)] / recorded.rate_hz
    return pd.DataFrame({**place, "time_ms": time_ms, "current_pa": flat, "idealised_pa": ideal[seen]})
