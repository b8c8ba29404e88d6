"""Pages of the sweeps of all recordings: one a batch, what is drawn held to the table."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgk.recordings.thumbnails import MOST_PANELS
from mgk.report.sweeps import HEIGHT, WIDTH, page_files, sweeps_html

WINDOWS = pd.DataFrame({"recording_id": ["a"], "window": ["steady"], "start_ms": [50.0], "end_ms": [100.0]})


def quality(*rows):
    return pd.DataFrame(rows, columns=["recording_id", "verdict", "reason"])


def thumbnails(name, sweeps=2, bins=60, currents=(-5.0, 20.0)):
    """Sweeps of 100 ms that rise in a line from the one current to the other."""
    start = np.linspace(0, 100, bins + 1)
    rise = np.linspace(*currents, bins)
    own = {"recording_id": name, "start_ms": start[:-1], "end_ms": start[1:], "low_pa": rise, "high_pa": rise}
    return pd.concat([pd.DataFrame(own | {"sweep": s}) for s in range(sweeps)], ignore_index=True)


def test_what_the_figure_draws_has_no_page():
    assert page_files("e", [f"r{i}" for i in range(MOST_PANELS)]) == []


@given(st.integers(MOST_PANELS + 1, 600))
def test_each_page_is_a_batch(n):
    files = page_files("e", [f"r{i}" for i in range(n)])
    assert files[0] == "results/report/sweeps/e.0.html"
    assert len(files) == len(set(files)) <= max(1, 2 * n // 128)


def test_a_panel_shows_the_sweeps_in_its_own_scale():
    page = sweeps_html("T", thumbnails("a"), quality(("a", "warn", "noise")), WINDOWS)
    polygons = re.findall(r'<polygon points="([^"]+)" fill="none" stroke="(#\w+)"', page)
    assert len(polygons) == 2
    points = np.array([[float(v) for v in p.split(",")] for p in polygons[0][0].split()])
    assert len(points) == 60
    assert points.min() >= 0
    assert (points.max(axis=0) <= [WIDTH, HEIGHT]).all()
    # The current rises: SVG counts downwards.
    assert points[0, 1] > points[29, 1] + HEIGHT / 2
    assert "−5 to 20 pA, 0 to 100 ms" in page
    assert "warn: noise" in page
    [(x, width)] = re.findall(r'<rect x="([\d.]+)" y="0" width="([\d.]+)"', page)
    assert (float(x), float(width)) == (WIDTH / 2, WIDTH / 2)


@pytest.mark.parametrize("currents", [(3.0, 3.0), (np.nan, np.nan)])
def test_a_flat_or_empty_recording_has_its_panel(currents):
    page = sweeps_html("T", thumbnails("a", currents=currents), quality(("a", "pass", "")), WINDOWS)
    assert "<b>a</b> pass" in page
    assert "nan" not in page[page.index('<div class="sweeps">') : page.index("<script>")]
    assert ("there are no sweeps to draw" in page) == np.isnan(currents[0])


def test_a_recording_without_sweeps_and_one_of_many_sweeps():
    page = sweeps_html(
        "T", thumbnails("b", sweeps=40), quality(("a", "exclude", "no seal"), ("b", "pass", "")), WINDOWS
    )
    assert page.count("<figure>") == 2
    assert page.count("<polygon") == 5
    assert "<b>a</b> exclude: no seal; there are no sweeps to draw" in page


class Tags(HTMLParser):
    """The tags of a page, to see that names from tables are none."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)


def test_a_scale_has_three_digits_and_no_power_of_ten():
    page = sweeps_html("T", thumbnails("a", currents=(-1812.4, 1637.0)), quality(("a", "pass", "")), WINDOWS)
    assert "−1810 to 1640 pA" in page


def test_names_and_reasons_are_text():
    page = sweeps_html("<i>T", thumbnails("<b onload=x>"), quality(("<b onload=x>", "warn", "<u>")), WINDOWS)
    assert not {"i", "u"} & set(Tags(page).found)
    assert page.count("<b onload") == 0
