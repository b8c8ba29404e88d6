import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from test_block import cell_points

from mgk.block import block_fits, block_table, cell_fractions, fit_cells
from mgk.currents import cell_curves, group_curves
from mgk.figures import style
from mgk.figures.recordings import cell_blocks, current_voltage, magnesium_block


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


@pytest.fixture(scope="module")
def block(points):
    cells = fit_cells(points, gain=False)
    fits = block_fits(cells)
    fractions = cell_fractions(points, cells)
    return fractions, block_table(fractions, fits), fits, cells


def test_current_voltage(points):
    fig, text = current_voltage(cell_curves(points), group_curves(points))
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


def test_magnesium_block(block):
    fractions, table, fits, _ = block
    fig, text = magnesium_block(fractions, table, fits)
    above, _, below, _ = fig.axes
    assert above.get_title().startswith("high, 100 mM external K$^+$\n3 cells, 3 animals")
    assert below.get_xscale() == "log"
    assert below.get_xlabel() == "Free Mg (mM)"
    curve = max(above.lines, key=lambda line: len(line.get_xdata()))
    ki0, z_delta = (fits.query("group == 'high' and unit_id == ''")["estimate"]).to_numpy()
    thermal = 8.31446261815324 * 295.15 / 96.48533212331001
    x, y = curve.get_data()
    free = 1.0 if y[0] > y[-1] and y[-1] > 0.2 else 5.0
    assert y == pytest.approx(1 / (1 + free / ki0 * np.exp(z_delta * x / thermal)))
    estimate = fits.query("group == 'high' and unit_id == '' and parameter == 'ki0_mm'")["estimate"].item()
    assert f"high: Ki(0) {estimate:.2f} mM" in text


def test_cell_blocks(block):
    fractions, _, _, cells = block
    fig, text = cell_blocks(fractions, cells)
    titles = [axis.get_title() for axis in fig.axes]
    assert titles[5] == "low2\nexcluded: seal lost"
    assert re.match(r"high0\nKi\(0\) \d\.\d\d mM, z\$\\delta\$ 0\.\d\d", titles[0])
    assert "6 panels" in text
    assert "Not fitted: low2." in text
    # The excluded recording of a fitted cell is drawn as grey crosses.
    crosses = [line for line in fig.axes[1].lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [line.get_color() for line in crosses] == [style.GREY]
    assert not fig.axes[6].axison


def test_a_group_without_anything_left_is_drawn(points):
    gone = points.assign(excluded=points["excluded"] | (points["group"] == "low"), reason="seal lost")
    cells = fit_cells(gone, gain=False)
    fits, fractions = block_fits(cells), cell_fractions(gone, cells)
    fig, text = magnesium_block(fractions, block_table(fractions, fits), fits)
    assert "0 cells, 0 animals; 3 excluded" in fig.axes[1].get_title()
    assert "low: Ki(0) not identified" in text
    _, text = current_voltage(cell_curves(gone), group_curves(gone))
    assert "low: everything was excluded" in text


def test_saved_figures_are_svg_with_words(block, tmp_path):
    fractions, table, fits, _ = block
    paths = []
    for name in ("a", "b"):
        fig, text = magnesium_block(fractions, table, fits)
        paths.append(style.save(fig, tmp_path / name, text))
    assert ET.parse(paths[0]).getroot().tag.endswith("svg")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].with_suffix(".alt.txt").read_text() == text + "\n"
