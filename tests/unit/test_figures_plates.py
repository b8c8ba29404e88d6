"""Maps of plates and the picture of their quality: marks, words, colours, and plates without layout or values."""

import numpy as np
import pytest
from test_plates_quality import controls, noisy, plate

from mgk.figures import plates as figures
from mgk.figures import style
from mgk.plates.layout import ROLES
from mgk.plates.quality import LIMITS, control_table, like_wells, position_table, replicate_table


def with_flags(wells):
    flagged = {"A1": "missing", "B2": "overflow", "C3": "masked", "D4": "blank"}
    wells = wells.assign(flag=wells["well"].map(flagged).fillna(""), mode="absorbance")
    wells.loc[wells["flag"] != "", "value"] = np.nan
    return wells


def test_every_flag_has_its_mark_and_its_words():
    wells = with_flags(plate(noisy(np.random.default_rng(1))))
    fig, words = figures.plate_maps(wells, like_wells(wells))
    values = fig.axes[0]
    marked = {line.get_marker(): tuple(np.ravel(line.get_xydata())) for line in values.lines if len(line.get_xdata())}
    assert marked == {"x": (0, 0), "^": (1, 1), "s": (2, 2), ".": (3, 3)}
    assert np.isnan(np.ma.filled(values.images[0].get_array(), np.nan)[1, 1])
    for told in ("missing A1", "overflow B2", "masked C3", "blank D4", "92 wells", "sample 96"):
        assert told in words
    assert "(AU)" in values.get_title()
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["sample", *figures.FLAG_MARKS]


def test_residuals_are_centred_and_roles_have_their_colours():
    wells = with_flags(plate(noisy(np.random.default_rng(1))))
    fig, _ = figures.plate_maps(wells, like_wells(wells))
    low, high = fig.axes[1].images[0].get_clim()
    assert low == -high
    colours = fig.axes[2].images[0].cmap.colors
    assert len(set(colours)) == len(ROLES)


def test_maps_beyond_the_sixth_are_counted_and_not_drawn():
    wells = with_flags(plate(np.ones(96)))
    many = [wells.assign(plate_id=f"p{i}") for i in range(8)]
    import pandas as pd

    fig, words = figures.plate_maps(pd.concat(many), like_wells(pd.concat(many)))
    assert "2 further maps are not drawn" in words
    assert sum(bool(axes.images) for axes in fig.axes if axes.get_title()) == 18


def test_a_plate_without_layout_or_values_is_drawn_as_such():
    wells = with_flags(plate(np.full(96, np.nan), [""] * 96))
    fig, words = figures.plate_maps(wells, like_wells(wells))
    assert "no values" in words
    assert "no wells to compare" in [text.get_text() for axes in fig.axes for text in axes.texts]
    assert fig.axes[2].get_title() == "role: no layout"


def test_numbers_are_drawn_with_their_limits_and_told():
    wells = controls([1.0, 1.1, 0.9, 1.0], [0.1, 0.12, 0.08, 0.1])
    tables = position_table(wells), control_table(wells), replicate_table(wells)
    fig, words = figures.quality_numbers(*tables, LIMITS)
    z = tables[1].iloc[0]
    assert f"Z' {z['z_prime']:.2f} ({z['ci_low']:.2f} to {z['ci_high']:.2f})" in words
    assert "median CV" in words
    labels = [axes.get_xlabel() for axes in fig.axes]
    assert labels == ["effect of position (% of the mean)", "Z' of the controls", "CV of like wells (%)"]
    dashed = [line.get_xdata()[0] for line in fig.axes[0].lines if line.get_linestyle() == "--"]
    assert sorted(dashed) == [-20, 20]


def test_plates_without_controls_say_so(tmp_path):
    wells = plate(noisy(np.random.default_rng(1)))
    fig, words = figures.quality_numbers(position_table(wells), control_table(wells), replicate_table(wells), LIMITS)
    assert "no controls on these plates" in [text.get_text() for text in fig.axes[1].texts]
    assert style.save(fig, tmp_path / "numbers.svg", words).exists()


@pytest.mark.parametrize("roles", [None, [""] * 96])
def test_the_same_input_gives_the_same_bytes(tmp_path, roles):
    wells = with_flags(plate(noisy(np.random.default_rng(1)), roles))
    written = [
        style.save(*(lambda f: (f[0], tmp_path / f"{name}.svg", f[1]))(figures.plate_maps(wells, like_wells(wells))))
        for name in "ab"
    ]
    assert written[0].read_bytes() == written[1].read_bytes()
