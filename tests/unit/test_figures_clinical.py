import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from mgk.figures import style
from mgk.figures.clinical import forest, forest_alt_text
from mgk.figures.clinical.axis import ratio_ticks
from mgk.meta.effects import effect_sizes
from mgk.meta.pooling import pooled_row, pooled_table, with_weights
from mgk.tables.files import read_table, write_table


def made_up(k, seed=1):
    rng = np.random.default_rng(seed)
    n = rng.integers(20, 900, (2, k))
    table = pd.DataFrame({"study_id": [f"s{i}" for i in range(k)], "study": [f"Trial number {i}" for i in range(k)]})
    return table.assign(
        events_treatment=rng.binomial(n[0], 0.1),
        n_treatment=n[0],
        events_control=rng.binomial(n[1], 0.13),
        n_control=n[1],
    )


def drawn(table, measure="RR", **options):
    effects = with_weights(effect_sizes(table, measure))
    pooled = pooled_table(effects, "x")
    fig = forest(effects, pooled, **options)
    fig.draw_without_rendering()
    return fig, effects, pooled


def words(fig):
    return [text.get_text() for axes in fig.axes for text in axes.texts]


@pytest.fixture(scope="module")
def magnesium(house):
    return drawn(pd.read_csv(house / "raw_data/clinical/iv_magnesium.csv"), "OR", title="Magnesium, deaths")


def test_every_study_stands_in_the_figure_with_the_numbers_of_the_table(magnesium):
    fig, effects, _ = magnesium
    found = words(fig)
    assert "ISIS-4 1995" in found
    assert "2216/29011" in found
    assert "1.06 [1.00, 1.13]" in found
    assert "2936/36333" in found, "the totals"
    assert "Urek 1996 *" in found, "the mark of the zero rule"
    assert f"{effects['weight_random_percent'].max():.1f}" in found
    assert sum(text.endswith("]") for text in found) == len(effects) + 4  # two models, prediction, heading


def test_area_is_in_proportion_to_weight(magnesium):
    fig, effects, _ = magnesium
    squares = next(c for c in fig.axes[1].collections if isinstance(c, PathCollection))
    ratio = squares.get_sizes() / effects["weight_random_percent"]
    np.testing.assert_allclose(ratio, ratio.iloc[0], rtol=1e-12)


def test_diamonds_and_the_prediction_bar_span_the_intervals_of_the_table(magnesium):
    fig, _, pooled = magnesium
    plot = fig.axes[1]
    for diamond, choice in zip(plot.patches, (("IV", "z"), ("REML", "knha")), strict=True):
        row = pooled_row(pooled, choice)
        x = diamond.get_xy()[:, 0]
        assert (x.min(), x.max()) == (row["ci_low"], row["ci_high"])
    bar = plot.collections[-1].get_segments()[0][:, 0]
    row = pooled_row(pooled, ("REML", "knha"))
    assert bar.tolist() == [row["pi_low"], row["pi_high"]]


def test_heterogeneity_and_conventions_are_written_below(magnesium):
    fig, _, _ = magnesium
    note = fig.get_supxlabel()
    assert "Q = 57.72, df = 21, p < 0.0001" in note
    assert "I² = 82 % (from τ²), 64 % (from Q)" in note
    assert "1/2 added to all four cells (a zero cell) (n = 2)" in note
    assert "the interval is narrower than the normal one" in note
    assert fig.get_suptitle() == "Magnesium, deaths"


def test_ratio_ticks_are_round_ratios_on_the_log_axis(magnesium):
    plot = magnesium[0].axes[1]
    labels = [float(t.get_text()) for t in plot.get_xticklabels()]
    np.testing.assert_allclose(np.exp(plot.get_xticks()), labels, rtol=1e-12)
    assert 1.0 in labels
    assert 4 <= len(labels) <= 8


@pytest.mark.parametrize("spread", [0.02, 0.2, 1.0, 3.0, 9.0])
def test_ticks_stay_few_and_hold_1_at_any_spread(spread):
    table = pd.DataFrame({"study_id": list("abcd"), "study": list("ABCD"), "scale": "log", "se": 0.3 * spread})
    fig, _, _ = drawn(table.assign(estimate=spread * np.array([-1, -0.3, 0.4, 1.0])), "GEN")
    labels = [t.get_text() for t in fig.axes[1].get_xticklabels()]
    assert "1" in labels
    assert 2 <= len(labels) <= 8


@pytest.mark.parametrize("k", [1, 2, 3, 80])
def test_height_grows_and_nothing_overlaps_from_one_study_to_eighty(k):
    fig, effects, _ = drawn(made_up(k))
    assert fig.get_figheight() == pytest.approx((k + 7) * 0.2 + 1.3)
    for axes in (fig.axes[0], fig.axes[2]):
        boxes = np.array([t.get_window_extent().extents for t in axes.texts if t.get_text()])
        low, high = boxes[:, None, :2], boxes[None, :, 2:]
        meet = (low < high).all(axis=-1) & (low < high).all(axis=-1).T
        assert meet.sum() == len(boxes), "a text meets itself alone"
        assert boxes[:, [0, 1]].min() >= 0
        assert boxes[:, 2].max() <= fig.bbox.x1
    assert len(effects) == k


def test_intervals_that_leave_the_axis_end_in_an_arrow():
    table = made_up(12)
    table.loc[0, ["events_treatment", "n_treatment", "events_control", "n_control"]] = [0, 12, 1, 11]
    fig, effects, _ = drawn(table, "OR")
    plot = fig.axes[1]
    low, high = plot.get_xlim()
    leaving = int((effects["ci_low"] < low).sum() + (effects["ci_high"] > high).sum())
    assert leaving > 0
    assert sum(line.get_marker() in ("<", ">") for line in plot.lines) == leaving
    assert effects["yi"].between(low, high).all()


def test_one_study_is_drawn_with_what_there_is():
    fig, _, _ = drawn(made_up(1))
    assert "not estimated" in words(fig)
    assert len(fig.axes[1].patches) == 1
    assert "One study: nothing is pooled." in fig.get_supxlabel()


def test_estimates_without_counts_have_no_count_columns():
    table = pd.DataFrame({"study_id": ["a", "b", "c"], "study": ["A", "B", "a $x$ c"], "scale": "linear"})
    fig, _, _ = drawn(table.assign(estimate=[1.0, -2.0, 0.5], se=[0.5, 1.0, 2.0]), "GEN")
    assert "events/n" not in words(fig)
    assert r"a \$x\$ c" in words(fig)
    assert "1.00 [0.02, 1.98]" in words(fig)


def test_the_text_alternative_tells_what_the_picture_shows(magnesium):
    fig, effects, pooled = magnesium
    text = forest_alt_text(effects, pooled, title="Magnesium, deaths")
    assert fig.alt == text
    for part in (
        "odds ratio of 22 studies, from 0.10 to 3.00",
        "7 with an interval wholly below 1, 0 wholly above",
        "Common effect (inverse variance): 0.99 [0.94, 1.05]",
        "Random effects (REML, Knapp-Hartung interval): 0.58 [0.44, 0.77]",
        "Prediction interval [0.23, 1.45]",
        "Q = 57.72",
    ):
        assert part in text


def test_the_figure_is_the_same_from_the_written_tables(magnesium, tmp_path):
    fig, effects, pooled = magnesium
    write_table(effects, tmp_path / "effects.csv")
    write_table(pooled, tmp_path / "pooled.csv")
    again = forest(read_table(tmp_path / "effects.csv"), read_table(tmp_path / "pooled.csv"), title="Magnesium, deaths")
    assert words(again) == words(fig)
    once = forest(effects, pooled, title="Magnesium, deaths")
    one = style.save(once, tmp_path / "one.svg", fig.alt).read_bytes()
    assert style.save(again, tmp_path / "two.svg", again.alt).read_bytes() == one


@pytest.mark.parametrize("reach", [1.2, 2.0, 5.0, 20.0, 1e3, 1e7, 1e12])
def test_ticks_of_ratios_do_not_crowd(reach):
    shown = ratio_ticks(-np.log(reach), np.log(reach))
    assert 1.0 in shown
    assert len(" ".join(f"{value:g}" for value in shown)) <= 28


def test_the_heading_of_the_weights_stands_over_both_columns(magnesium):
    found = {text.get_text(): text.get_window_extent() for text in magnesium[0].axes[2].texts}
    middle = (found["Weight, %"].x0 + found["Weight, %"].x1) / 2
    assert middle == pytest.approx((found["common"].x0 + found["random"].x1) / 2, abs=4)
