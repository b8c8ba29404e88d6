import numpy as np
import pandas as pd
import pytest

from mgk.figures import style
from mgk.figures.quality import (
    MOST_PANELS,
    PAGE_POINTS,
    WINDOW_COLOURS,
    quality_numbers,
    sweeps_page,
    window_spans,
)
from mgk.recordings.passive import passive_properties
from mgk.recordings.plan import WINDOWS

SETTINGS = {"windows_ms": {"epoch": "B", "baseline": [0, 5], "steady": [20, 40]}}


def thumbnails(n, sweeps=12, bins=60):
    edges = np.linspace(0, 300, bins + 1)
    frames = []
    for i in range(n):
        for sweep in range(sweeps):
            low = np.sin(edges[:-1] / 30) * 100 * sweep
            frames.append(pd.DataFrame({"recording_id": f"r{i:03d}", "sweep": sweep, "start_ms": edges[:-1],
                                        "end_ms": edges[1:], "low_pa": low, "high_pa": low + 10}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def judged(n, excluded=()):
    return pd.DataFrame({
        "recording_id": [f"r{i:03d}" for i in range(n)], "experiment": "e",
        "verdict": ["exclude" if i in excluded else "pass" for i in range(n)],
        "reason": ["seal lost" if i in excluded else "" for i in range(n)],
        "access_mohm": np.linspace(5, 25, n), "membrane_mohm": np.nan, "capacitance_pf": 30.0,
        "access_drift_percent": 1.0, "membrane_drift_percent": np.nan, "baseline_sd_pa": 5.0, "baseline_drift_pa": 1.0,
        "command_difference_mv": np.nan,
    })  # fmt: skip


def lines(fig):
    return [line for axis in fig.axes for line in axis.lines if len(line.get_xdata())]


def test_windows_lie_where_they_were_measured():
    measurements = pd.DataFrame({
        "recording_id": ["a", "a", "b", "b"], "segment": ["", "", "1", "2"],
        "windows_from_ms": [50.0, 60.0, 0.0, 100.0],
    })  # fmt: skip
    spans = window_spans(measurements, SETTINGS)
    found = spans.groupby(["recording_id", "window"])[["start_ms", "end_ms"]].apply(lambda t: t.to_numpy().tolist())
    assert found["a", "baseline"] == [[50, 55]]
    assert found["b", "steady"] == [[20, 40], [120, 140]]


@pytest.mark.parametrize("n", [1, 7, 60])
def test_a_page_has_a_panel_for_each_recording_and_few_points(n, tmp_path):
    quality = judged(n, excluded=(n - 1,))
    spans = window_spans(
        pd.DataFrame({"recording_id": quality["recording_id"], "segment": "", "windows_from_ms": 50.0}), SETTINGS
    )
    fig, text = sweeps_page(thumbnails(n), quality, spans)
    titles = [axis.get_title() for axis in fig.axes if axis.get_title()]
    assert len(titles) == min(n, MOST_PANELS)
    assert f"r{n - 1:03d}" in titles, "what did not pass is always shown"
    assert np.sum([len(line.get_xdata()) for line in lines(fig)]) <= PAGE_POINTS * 1.1
    assert "1 excluded" in text
    assert ("further recordings are not drawn" in text) == (n > MOST_PANELS)
    grey = [line for line in lines(fig) if line.get_color() == style.GREY]
    assert len(grey) >= 3
    assert style.save(fig, tmp_path / "p.svg", text).stat().st_size < 600_000


@pytest.mark.parametrize("n", [1, 2, 30])
def test_the_legend_lies_on_the_page_and_beside_no_panel(n):
    windows = {name: [i, i + 1] for i, name in enumerate(WINDOW_COLOURS)}
    measured = pd.DataFrame({"recording_id": judged(n)["recording_id"], "segment": "", "windows_from_ms": 0.0})
    fig, _ = sweeps_page(thumbnails(n), judged(n), window_spans(measured, {"windows_ms": windows}))
    fig.settle()
    [legend] = fig.legends
    assert len(legend.get_texts()) == 3 + len(WINDOW_COLOURS)
    box = legend.get_window_extent()
    page = fig.bbox
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert box.y1 <= page.y1
    assert box.y0 >= max(axis.get_tightbbox().y1 for axis in fig.axes if axis.axison)


def test_the_lowest_panel_of_each_column_has_numbers_on_its_time_axis():
    fig, _ = sweeps_page(
        thumbnails(7), judged(7), pd.DataFrame(columns=["recording_id", "window", "start_ms", "end_ms"])
    )
    fig.settle()
    shown = [any(t.label1.get_visible() for t in axis.xaxis.get_major_ticks()) for axis in fig.axes if axis.axison]
    assert shown == [False, True, True, True, True, True, True]


def test_the_line_of_a_panel_touches_both_extremes():
    fig, _ = sweeps_page(thumbnails(1, sweeps=1), judged(1), window_spans(pd.DataFrame(
        {"recording_id": ["r000"], "segment": [""], "windows_from_ms": [0.0]}), SETTINGS))  # fmt: skip
    [line] = lines(fig)
    high, low = np.split(np.asarray(line.get_ydata()), 2)
    assert (high - low[::-1]).tolist() == pytest.approx([10] * 60)


def test_only_known_numbers_are_drawn_with_their_limits():
    fig, text = quality_numbers(judged(5, excluded=(4,)), {"quality": {}})
    drawn = [axis.get_ylabel() for axis in fig.axes if axis.get_ylabel()]
    assert drawn == [
        "Access (MOhm)",
        "Capacitance (pF)",
        "Access drift (%)",
        "Baseline noise (pA)",
        "Baseline drift (pA)",
    ]
    limits = sorted(line.get_ydata()[0] for line in fig.axes[0].lines if line.get_linestyle() == "--")
    assert limits == [1, 20]
    assert "Access (MOhm) 5 to 25" in text
    none, text = quality_numbers(judged(2).assign(**dict.fromkeys(judged(1).columns[4:], np.nan)), {})
    assert "No number is known" in text
    assert not [axis for axis in none.axes if axis.axison]


def test_passive_properties_leave_out_what_is_excluded():
    quality = judged(4, excluded=(3,))
    tests = pd.DataFrame({
        "recording_id": quality["recording_id"], "experiment": "e", "condition": "", "animal_id": ["a", "a", "b", "b"],
        "method": "charge", "access_mohm": [4.0, 16.0, 8.0, 80.0], "membrane_mohm": [100.0, 100, np.nan, 100],
        "capacitance_pf": 20.0, "reason": ["", "", "not resolved", ""],
    })  # fmt: skip
    fits = passive_properties(tests, quality)
    assert len(fits) == 4 * 3 + 3
    group = fits[fits["unit_id"] == ""].set_index("parameter")
    assert group.loc["access_mohm", "estimate"] == pytest.approx(8)
    assert group.loc["access_mohm", ["n_cells", "n_animals"]].tolist() == [3, 2]
    assert group.loc["membrane_mohm", "n_cells"] == 2
    cell = fits[(fits["unit_id"] == "r003") & (fits["parameter"] == "access_mohm")].iloc[0]
    assert (cell["verdict"], cell["reason"]) == ("not_identified", "excluded: seal lost")
    unresolved = fits[(fits["unit_id"] == "r002") & (fits["parameter"] == "membrane_mohm")].iloc[0]
    assert unresolved["reason"] == "not resolved"
    assert passive_properties(tests[:0], quality).empty


def test_every_window_that_can_be_measured_has_a_colour():
    assert set(WINDOW_COLOURS) == set(WINDOWS)
