import numpy as np
import pytest
from test_salts import ZINC, currents

from mgk import salts
from mgk.figures.salts import salt_currents, salt_effects


@pytest.fixture(scope="module")
def study():
    """Six cells of three animals, one recording excluded."""
    points = currents(noise_pa=2.0)
    out = points["recording_id"] == "c1_citrate_1.0"
    points.loc[out, ["excluded", "reason"]] = [True, "seal lost"]
    return points, salts.fit_cells(points)


def test_currents_of_each_salt_with_their_fit(study):
    points, cells = study
    fig, text = salt_currents(points, cells)
    left, right = fig.axes
    assert left.get_title() == "aspartate\n6 cells, 3 animals"
    assert right.get_title().endswith("1 excluded, in part or whole")
    assert (left.get_xlabel(), left.get_ylabel()) == ("Membrane potential (mV)", "Steady current (pA)")
    assert any(line.get_linestyle() == "--" for line in right.lines), "the excluded recording is shown"
    assert "aspartate" in text
    assert "1 mM" in text
    fitted = salts.fitted_currents(points, cells)
    assert len(fitted) == (~points["excluded"]).sum()
    assert np.abs(fitted - points.loc[fitted.index, "current_pa"]).max() < 15


def test_effects_stand_beside_each_other_with_their_cells(study):
    _, cells = study
    effects = salts.effects_table(cells, ZINC, [-60.0, 40.0])
    fig, text = salt_effects(effects)
    assert len(fig.axes) == 4
    axis = fig.axes[1]
    assert axis.get_title() == "1 mM in all, -60 mV"
    assert [label.get_text() for label in axis.get_xticklabels()] == list(salts.EFFECTS)
    cells_drawn = [line for line in axis.lines if line.get_marker() == "."]
    assert sum(len(line.get_xdata()) for line in cells_drawn) == 4 * 6 + 4 * 5
    zinc = effects[(effects["unit_id"] == "") & (effects["effect"] == "zinc") & (effects["salt"] == "citrate")]
    assert f"{zinc['ratio'].iloc[-1]:.3g}" in text


def test_a_study_of_which_nothing_is_left_is_drawn_as_such(study):
    points = study[0].assign(excluded=True, reason="seal lost")
    cells = salts.fit_cells(points)
    _, text = salt_currents(points, cells)
    assert "Everything was excluded." in text
