import re

import numpy as np
import pandas as pd
import pytest
from test_block import cell_points

from mgk.currents import cell_curves, group_curves
from mgk.figures import style
from mgk.figures.recordings import current_voltage


@pytest.fixture(scope="module")
def points():
    """Two groups of two cells in two animals, one recording and one cell excluded."""
    cells = [
        cell_points(
            f"{group}{i}", f"{group}a{i}", group=group, ki0=ki0, external_mm=k, free_mm=(0, 1, 5), noise=0.01, seed=i
        )
        for group, ki0, k in (("high", 5.0, 100.0), ("low", 1.5, 5.0))
        for i in range(3)
    ]
    points = pd.concat(cells, ignore_index=True)
    out = (points["recording_id"] == "high1_5") | (points["cell_id"] == "low2")
    points.loc[out, "excluded"] = True
    points.loc[out, "reason"] = "seal lost"
    return points.assign(nernst_potassium_mv=np.where(points["group"] == "high", -2.4, -78.6))


def test_current_voltage(points):
    fig, text = current_voltage(cell_curves(points, "steady", {}), group_curves(points))
    high, low = fig.axes
    assert high.get_title() == "high\n3 cells, 3 animals; 1 excluded, in part or whole"
    assert low.get_title() == "low\n2 cells, 2 animals; 1 excluded, in part or whole"
    assert high.get_ylabel() == "Steady current (pA)"
    assert high.get_xlabel() == low.get_xlabel() == "Membrane potential (mV)"
    # One thin line a recording, dashed grey where it is excluded.
    thin = [line for line in low.lines if line.get_linewidth() == 0.7]
    assert len(thin) == 9
    assert len([line for line in thin if line.get_color() == style.GREY and line.get_linestyle() == "--"]) == 3
    # The means that are drawn are those of the table.
    means = group_curves(points).query("group == 'high' and ligand_total_mm == 1")["current_pa"].to_numpy()
    assert any(np.array_equal(c.lines[0].get_ydata(), means) for c in high.containers)
    nernst = [line for line in low.lines if line.get_linestyle() == ":"]
    assert nernst[0].get_xdata()[0] == pytest.approx(-78.6)
    assert "high, low" in text
    assert re.search(r"low, lowest concentration: -?\d+ pA at -100 mV and \d+ pA at 100 mV", text)


@pytest.mark.parametrize(("most", "as_picture"), [(10_000, False), (10, True)])
def test_of_very_many_points_the_cells_are_a_picture_and_the_means_are_not(points, monkeypatch, most, as_picture):
    monkeypatch.setattr(style, "MOST_MARKS", most)
    fig, _ = current_voltage(cell_curves(points, "steady", {}), group_curves(points))
    thin = {line for axis in fig.axes for line in axis.lines if line.get_linewidth() == 0.7}
    pictures = {artist for artist in fig.findobj() if artist.get_rasterized()}
    assert pictures == (thin if as_picture else set())
    means = [c.lines[0] for axis in fig.axes for c in axis.containers]
    assert all(mean.get_zorder() > line.get_zorder() for mean in means for line in pictures)


def test_levels_of_fewer_cells_are_hollow_and_the_currents_of_few_animals_stay_in_view(points):
    few = points[(points["group"] == "high") & points["ligand_free_mm"].eq(0) & ~points["excluded"]]
    few = few[few["cell_id"].isin(["high0", "high2"])]
    some = few[(few["cell_id"] == "high0") | (few["level_mv"] <= 0)]
    some = some.assign(current_pa=some["current_pa"] * np.where(some["cell_id"] == "high0", 1, 6))
    cells, groups = cell_curves(some, "steady", {}), group_curves(some)
    fig, text = current_voltage(cells, groups)
    axis = fig.axes[0]
    [hollow] = [line for line in axis.lines if line.get_markerfacecolor() == "white"]
    assert hollow.get_xdata().tolist() == groups.loc[groups["n_cells"] == 1, "membrane_mv"].tolist()
    assert "Hollow points are means of fewer cells" in text
    assert "run out of the picture" in text
    span = np.ptp(np.concatenate([cells["current_pa"], groups["current_pa"]]))
    assert groups["ci_low"].min() < axis.get_ylim()[0]
    assert np.ptp(axis.get_ylim()) <= 3 * span
    text = current_voltage(cell_curves(points, "steady", {}), group_curves(points))[1]
    assert "Hollow" not in text
    assert "run out" not in text


def test_a_group_without_anything_left_is_drawn(points):
    gone = points.assign(excluded=points["excluded"] | (points["group"] == "low"), reason="seal lost")
    _, text = current_voltage(cell_curves(gone, "steady", {}), group_curves(gone))
    assert "low: everything was excluded" in text
