import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from test_block import cell_points

from mgk.block import PLAIN, block_fits, block_table, cell_fractions, fit_cells
from mgk.figures import style
from mgk.figures.block import cell_blocks, cell_profile, magnesium_block


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
    return points


@pytest.fixture(scope="module")
def block(points):
    cells = fit_cells(points, PLAIN)
    fits = block_fits(cells)
    fractions = cell_fractions(points, cells)
    return fractions, block_table(fractions, fits), fits, cells


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
    free = 1.0 if y[-1] < 0.8 else 5.0
    assert y == pytest.approx(1 - 1 / (1 + free / ki0 * np.exp(z_delta * x / thermal)))
    # Points are 1 less the fraction, and their bars run from the upper to the lower limit of the fraction.
    means = table.query("group == 'high' and ligand_total_mm == 1")
    shown = (1 - means["fraction"]).to_numpy()
    drawn = next(c for c in above.containers if np.array_equal(np.array(c.lines[0].get_ydata(), float), shown, True))
    ends = np.array([segment[:, 1] for segment in drawn.lines[2][0].get_segments() if len(segment)])
    limits = (1 - means[["ci_high", "ci_low"]]).dropna().to_numpy()
    assert ends[np.isfinite(ends).all(axis=1)] == pytest.approx(limits)
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


def test_of_many_cells_those_that_are_not_identified_are_drawn(block, monkeypatch):
    fractions, _, _, cells = block
    monkeypatch.setattr("mgk.figures.block.MOST_CELLS", 4)
    fig, text = cell_blocks(fractions, cells)
    titles = [axis.get_title().split("\n")[0] for axis in fig.axes]
    doubtful = [cell.cell_id for cell in cells if cell.ln_ki0.verdict != "identified"]
    assert "low2" in doubtful
    assert titles[: len(doubtful)] == doubtful
    assert "4 panels" in text
    assert text.endswith("Not fitted: low2. 2 further cells are not drawn.")
    assert fig.get_suptitle() == "4 of 6 cells, those that are not identified first"


def test_a_group_without_anything_left_is_drawn(points):
    gone = points.assign(excluded=points["excluded"] | (points["group"] == "low"), reason="seal lost")
    cells = fit_cells(gone, PLAIN)
    fits, fractions = block_fits(cells), cell_fractions(gone, cells)
    fig, text = magnesium_block(fractions, block_table(fractions, fits), fits)
    assert "0 cells, 0 animals; 3 excluded" in fig.axes[1].get_title()
    assert "low: Ki(0) not identified" in text


def test_saved_figures_are_svg_with_words(block, tmp_path):
    fractions, table, fits, _ = block
    paths = []
    for name in ("a", "b"):
        fig, text = magnesium_block(fractions, table, fits)
        paths.append(style.save(fig, tmp_path / name, text))
    assert ET.parse(paths[0]).getroot().tag.endswith("svg")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].with_suffix(".alt.txt").read_text() == text + "\n"


def test_cell_profile(block):
    cells = block[-1]
    fig, text = cell_profile(cells)
    left, right = fig.axes
    widest = max((c for c in cells if c.fit), key=lambda c: c.ln_ki0.ci_high - c.ln_ki0.ci_low)
    assert left.get_title(loc="left") == f"{widest.cell_id} (one cell)"
    assert left.get_xlabel() == "Ki(0) (mM)"
    curve = next(line for line in right.lines if line.get_label() == "profile")
    assert curve.get_xdata()[np.argmin(curve.get_ydata())] == pytest.approx(widest.z_delta.value, rel=0.02)
    assert f"Ki(0) {np.exp(widest.ln_ki0.value):.3g} mM" in text
    fig, text = cell_profile([c for c in cells if c.fit is None])
    assert text.startswith("Empty")
