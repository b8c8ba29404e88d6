"""Diagnostic, sequence and bubble plots, strip of claims, risk of bias: numbers of the tables, words for the rest."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from mgk.figures import style
from mgk.figures.clinical import bubbles, claims_strip, diagnostics, forest, forms_plot, sequences, why_not
from mgk.meta.claims import check_claims
from mgk.meta.diagnostics import cumulative, influence, leave_one_out, trim_and_fill
from mgk.meta.effects import effect_sizes
from mgk.meta.forms import forms_table
from mgk.meta.pooling import pooled_row, pooled_table, with_weights
from mgk.meta.regression import moderators_table


def made_up(k, seed=1):
    rng = np.random.default_rng(seed)
    n = rng.integers(20, 900, (2, k))
    table = pd.DataFrame({"study_id": [f"s{i}" for i in range(k)], "study": [f"Trial number {i}" for i in range(k)]})
    return table.assign(
        year=1980 + np.arange(k),
        route=["oral", "intravenous"] * (k // 2) + ["oral"] * (k % 2),
        events_treatment=1 + rng.binomial(n[0], 0.1),
        n_treatment=n[0] + 1,
        events_control=1 + rng.binomial(n[1], 0.13),
        n_control=n[1] + 1,
    )


def made(table, measure="OR", keep=("year", "route")):
    effects = with_weights(effect_sizes(table, measure, keep=keep))
    return effects, pooled_table(effects, "x")


def panels(effects, pooled):
    fig = diagnostics(effects, pooled, influence(effects, "x"), title="Made up")
    fig.draw_without_rendering()
    return fig


@pytest.fixture(scope="module")
def magnesium(house):
    table = pd.read_csv(house / "raw_data/clinical/iv_magnesium.csv")
    return made(table, keep=("year",))


@pytest.fixture(scope="module")
def magnesium_panels(magnesium):
    return panels(*magnesium)


def test_the_funnel_says_what_its_contours_are_and_shows_what_was_filled_in(magnesium, magnesium_panels):
    effects, pooled = magnesium
    funnel = magnesium_panels.axes[0]
    assert "two-sided p of a single study against 1" in funnel.get_title()
    given, filled = (c for c in funnel.collections if isinstance(c, PathCollection))
    np.testing.assert_array_equal(given.get_offsets()[:, 0], effects["yi"])
    np.testing.assert_allclose(given.get_offsets()[:, 1], effects["se"])
    fill = trim_and_fill(effects["yi"].to_numpy(), effects["vi"].to_numpy())
    assert len(filled.get_offsets()) == fill.n_missing == 7
    low, high = sorted(funnel.get_ylim())
    assert low == 0
    assert high >= effects["se"].max()
    lines = {float(line.get_xdata()[0]) for line in funnel.lines}
    assert {pooled_row(pooled, c)["estimate"] for c in (("IV", "z"), ("REML", "knha"))} <= lines


def test_the_edge_of_a_contour_is_where_p_is_that(magnesium_panels):
    funnel = magnesium_panels.axes[0]
    outermost = max(float(np.abs(c.get_paths()[0].vertices[:, 0]).max()) for c in funnel.collections[:3])
    height = max(funnel.get_ylim())
    assert outermost == pytest.approx(2.5758293 * height, rel=1e-6)


def test_baujat_and_radial_and_labbe_show_the_tables(magnesium, magnesium_panels):
    effects, pooled = magnesium
    fig = magnesium_panels
    studies = influence(effects, "x")
    common = studies[studies["model"] == "common"]
    radial, baujat, labbe = fig.axes[1:]
    np.testing.assert_array_equal(baujat.collections[0].get_offsets()[:, 1], common["baujat_y"])
    assert "ISIS-4" in [t.get_text() for t in baujat.texts]
    offsets = np.vstack([c.get_offsets() for c in radial.collections if isinstance(c, PathCollection)])
    np.testing.assert_allclose(np.sort(offsets[:, 1] / offsets[:, 0]), np.sort(effects["yi"]))
    risks = labbe.collections[0].get_offsets()
    np.testing.assert_allclose(risks[:, 0], effects["events_control"] / effects["n_control"])
    common_line = labbe.lines[1]
    x, y = common_line.get_data()
    odds = y[50] / (1 - y[50]) / (x[50] / (1 - x[50]))
    assert np.log(odds) == pytest.approx(pooled_row(pooled, ("IV", "z"))["estimate"], rel=1e-9)


@pytest.mark.parametrize("k", [2, 3, pytest.param(80, marks=pytest.mark.long), pytest.param(1, marks=pytest.mark.long)])
def test_every_figure_is_there_from_one_study_to_eighty(k, tmp_path):
    effects, pooled = made(made_up(k))
    figures = {
        "diagnostics": panels(effects, pooled),
        "sequences": sequences(cumulative(effects, "x"), leave_one_out(effects, "x"), effects, title="Made up"),
        "moderators": bubbles(effects, ["year"], title="Made up"),
    }
    for name, fig in figures.items():
        path = style.save(fig, tmp_path / f"{name}.svg", fig.alt)
        assert path.stat().st_size > 500
        assert len(fig.alt) > 40
    drawn = k >= 3
    assert ("no funnel plot" in figures["diagnostics"].alt.lower()) is not drawn
    assert ("Nothing to draw" in figures["sequences"].alt) is not drawn
    if drawn:
        assert figures["sequences"].get_figheight() == pytest.approx((k + 3) * 0.2 + 1.3)


@pytest.mark.parametrize(
    ("panel", "k", "words"),
    [("funnel", 2, "2 of at least 3"), ("funnel", 3, ""), ("baujat", 1, "1 of at least 3"), ("labbe", 5, "")],
)
def test_what_appears_is_decided_by_what_there_is(panel, k, words):
    effects, _ = made(made_up(k))
    reason = why_not(panel, effects)
    assert words in reason
    assert bool(reason) == bool(words)


def test_estimates_without_counts_have_no_labbe_plot():
    table = pd.DataFrame({"study_id": list("abcd"), "study": list("ABCD"), "scale": "linear", "se": [1, 2, 1.5, 0.5]})
    effects, pooled = made(table.assign(estimate=[1.0, 2.0, -1.0, 0.4]), "GEN", keep=())
    fig = panels(effects, pooled)
    assert "not made from events in two arms" in fig.alt
    assert "against 0" in fig.axes[0].get_title()


def test_sequences_show_the_numbers_of_their_tables(magnesium):
    effects, _ = magnesium
    added, without = cumulative(effects, "x"), leave_one_out(effects, "x")
    fig = sequences(added, without, effects)
    texts = [t.get_text() for t in fig.axes[0].texts]
    assert texts[0] == "not estimated"
    assert texts[-1] == "0.58 [0.44, 0.77]"
    assert len(texts) == len(effects)
    names = [t.get_text() for t in fig.axes[1].get_yticklabels()]
    assert names[0] == "− Morton 1984"
    assert fig.axes[0].get_yticklabels()[0].get_text() == "+ Morton 1984"


def test_a_bubble_plot_draws_the_fit_of_the_table(magnesium):
    effects, _ = magnesium
    fig = bubbles(effects, ["year"])
    table = moderators_table(effects, "x", ["year"])
    fitted = table[(table["test"] == "knha")].set_index("term")["estimate"]
    x, y = fig.axes[0].lines[0].get_data()
    np.testing.assert_allclose(y, fitted["intercept"] + fitted["year"] * x, atol=1e-8)
    assert all(float(t).is_integer() for t in fig.axes[0].get_xticks())


def test_moderators_without_numbers_are_named_in_words():
    effects, _ = made(made_up(6))
    fig = bubbles(effects, ["route"])
    assert "no bubble plot of route: it has no numbers" in fig.alt
    assert "names no moderator" in bubbles(effects, []).alt


@pytest.mark.parametrize(
    "measure", ["MD", "PLO", *(pytest.param(m, marks=pytest.mark.long) for m in ("ROM", "PR", "PFT", "PAS"))]
)
def test_forest_and_funnel_of_means_and_proportions(measure):
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"study_id": list("abcdef"), "study": list("ABCDEF")})
    n = rng.integers(20, 90, 6)
    if measure in ("MD", "ROM"):
        means = {f"mean_{arm}": 10 + rng.normal(size=6) for arm in ("treatment", "control")}
        table = table.assign(**means, sd_treatment=2.0, sd_control=2.5, n_treatment=n, n_control=n + 3)
    else:
        table = table.assign(events=rng.binomial(n, 0.3), n=n)
    effects, pooled = made(table, measure, keep=())
    fig = forest(effects, pooled)
    fig.draw_without_rendering()
    texts = [t.get_text() for axes in fig.axes for t in axes.texts]
    if measure in ("MD", "ROM"):
        assert "mean (SD)" in texts
        assert f"n {n.sum()}" in texts
    else:
        assert "events/n" in texts
        assert f"{table['events'][0]}/{n[0]}" in texts
        assert not any("←" in t for t in texts), "a proportion favours nobody"
        ticks = [float(t.get_text().replace("−", "-")) for t in fig.axes[1].get_xticklabels()]
        assert len(ticks) >= 2
        if measure == "PLO":
            np.testing.assert_allclose(1 / (1 + np.exp(-fig.axes[1].get_xticks())), ticks)
    alt = panels(effects, pooled).alt
    assert ("95 % limits of single studies" in alt) == (measure in ("PR", "PLO", "PFT", "PAS"))


def test_risk_of_bias_stands_beside_the_studies_as_a_sign_and_a_colour():
    table = made_up(4).assign(rob_overall=["low", "High", "some concerns", ""])
    effects, pooled = made(table, keep=("rob_overall",))
    fig = forest(effects, pooled)
    fig.draw_without_rendering()
    signs = {t.get_text(): t.get_color() for t in fig.axes[2].texts if t.get_text() in "+?−" and t.get_text()}
    assert set(signs) == {"+", "?", "−"}
    assert len(set(signs.values())) == 3
    assert "overall" in [t.get_text() for t in fig.axes[2].texts]
    assert "Risk of bias as judged in the table" in fig.get_supxlabel()


def test_subgroups_stand_below_the_whole_with_the_numbers_of_the_table():
    effects = with_weights(effect_sizes(made_up(9), "OR", keep=("route",)))
    pooled = pooled_table(effects, "x", by="route")
    fig = forest(effects, pooled)
    fig.draw_without_rendering()
    row = pooled_row(pooled, ("REML", "knha"), "oral")
    corners = [patch.get_xy()[:, 0] for patch in fig.axes[1].patches]
    assert (row["ci_low"], row["ci_high"]) in [(x.min(), x.max()) for x in corners]
    assert "oral, k = 5 (random effects)" in [t.get_text() for t in fig.axes[0].texts]
    assert "Subgroup intravenous, k = 4 (random effects):" in fig.alt
    assert fig.get_figheight() == pytest.approx((9 + 7 + 2) * 0.2 + 1.3)


def test_the_strip_of_claims_counts_verdicts():
    table = pd.DataFrame(
        {
            "claim_id": ["one", "two"],
            "statement": "s",
            "source": "t",
            "measure": "OR",
            "estimate": ["0.25", "0.05"],
            "ci_low": ["0.09", "-0.16"],
            "ci_high": ["0.69", "0.05"],
        }
    )
    checked = check_claims(table)
    fig = claims_strip(checked.claims, checked.checks)
    fig.draw_without_rendering()
    assert "consistent 1: one; impossible 1: two" in fig.alt
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["one", "two"]
    points = sum(len(c.get_offsets()) for c in fig.axes[0].collections)
    assert points == 2 + checked.checks.drop_duplicates(["claim_id", "check"]).shape[0]


def test_salts_are_drawn_with_their_shares():
    table = pd.DataFrame(
        {"salt": ["oxide"], "formula": ["MgO"], "molar_mass_g_mol": [40.304], "mg_atoms": [1], "source": "s"}
    )
    fig = forms_plot(forms_table(table))
    assert "oxide 60.30 % (580 mg)" in fig.alt
