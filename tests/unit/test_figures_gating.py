import numpy as np
import pandas as pd
import pytest
from test_gating import CELLS, activation_windows

from mgk.figures import NOTHING, style
from mgk.figures.gating import comparison, gating, time_constants
from mgk.gating import QUANTITIES, fit_cells
from mgk.measured_currents import comparable_groups
from mgk.statistics import compare_fits


@pytest.fixture(scope="module")
def fitted():
    windows = activation_windows()
    out = windows["steady"]["cell_id"] == "c1"
    windows["steady"].loc[out, ["excluded", "reason"]] = [True, "seal lost"]
    fits, curves = fit_cells(windows, "boltzmann_activation")
    cells = pd.DataFrame({"animal_id": {c: a for _, c, a in CELLS}}).assign(pair_id="")
    asked = QUANTITIES["boltzmann_activation"]
    table = compare_fits(fits, cells, comparable_groups(windows["steady"]), asked)
    return fits, curves, cells, table


def test_gating_draws_the_curve_of_the_group(fitted):
    fits, curves, _, _ = fitted
    fig, text = gating(curves, fits)
    steady, tail = fig.axes
    assert (steady.get_title(), tail.get_title()) == ("Activation", "Activation, tail currents")
    assert steady.get_xlabel() == "Membrane potential (mV)"
    row = fits.query("unit_id == '' and model == 'boltzmann_activation' and group == 'drug'").set_index("parameter")
    v_half, k = row.loc[["v_half_mv", "k_mv"], "estimate"]
    lines = [line for line in steady.lines if len(line.get_xdata()) == 200]
    x, y = lines[1].get_data()
    assert y == pytest.approx(1 / (1 + np.exp((v_half - x) / k)))
    assert f"Activation, drug: V1/2 \N{MINUS SIGN}{abs(v_half):.3g} mV" in text
    assert "(5 cells, 3 animals)" in text


def test_inactivation_falls(fitted):
    fits, curves = (t.assign(model="boltzmann_inactivation") for t in fitted[:2])
    fits, curves = (t[fitted[i]["model"] == "boltzmann_tail"] for i, t in enumerate((fits, curves)))
    fig, _ = gating(curves, fits)
    y = next(line for line in fig.axes[0].lines if len(line.get_xdata()) == 200).get_ydata()
    assert y[0] > 0.9 > 0.1 > y[-1]
    assert fig.axes[0].get_xlabel() == "Prepulse potential (mV)"


def test_comparison_shows_cells_animals_and_the_test(fitted):
    fits, _, cells, table = fitted
    fig, text = comparison(table, fits, cells)
    first = fig.axes[0]
    assert [t.get_text() for t in first.get_xticklabels()] == ["control", "drug"]
    assert first.get_ylabel() == "V1/2 (mV)"
    animals = [line for line in first.lines if line.get_markersize() == 8]
    small = [line for line in first.lines if line.get_markersize() == 3]
    assert len(animals) == 3
    assert sum(len(line.get_xdata()) for line in small) == 10
    own = fits.query("model == 'boltzmann_activation' and parameter == 'v_half_mv' and unit_id in ['c2', 'c3']")
    expected = own.groupby("group")["estimate"].mean()
    assert animals[1].get_ydata() == pytest.approx(expected[["control", "drug"]].to_numpy())
    assert "5 cells, 3 animals" in first.get_title()
    assert f"Holm {table['p_holm'].iloc[0]:.2g}" in text


def test_a_comparison_without_an_interval_shows_none(fitted):
    fits, _, cells, table = fitted
    alone = table.head(1).assign(ci_low=np.nan, ci_high=np.nan, p=np.nan, p_holm=np.nan, n_cells=1, n_animals=1)
    fig, _ = comparison(alone, fits, cells)
    size = f"{alone['difference'].iloc[0]:.3g}".replace("-", "\N{MINUS SIGN}")
    assert fig.axes[0].get_title() == f"difference {size} mV\nno test; 1 cell, 1 animal"


def test_where_there_is_nothing_a_sentence_says_so(fitted, tmp_path):
    fits, curves, cells, table = fitted
    for fig, text in (gating(curves.head(0), fits.head(0)), comparison(table.head(0), fits, cells)):
        assert fig.axes[0].texts[0].get_text() == text
        assert text.startswith(NOTHING)
        style.save(fig, tmp_path / "a.svg", text)


def test_the_same_figure_gives_the_same_bytes(fitted, tmp_path):
    fits, curves, cells, table = fitted
    for name in ("a", "b"):
        for draw, arguments in ((gating, (curves, fits)), (comparison, (table, fits, cells))):
            fig, text = draw(*arguments)
            style.save(fig, tmp_path / f"{draw.__name__}_{name}", text)
    for draw in ("gating", "comparison"):
        assert (tmp_path / f"{draw}_a.svg").read_bytes() == (tmp_path / f"{draw}_b.svg").read_bytes()


def test_time_constants_are_geometric_means_of_animals():
    rows = [
        {"group": g, "cell_id": c, "animal_id": a, "level_mv": v, "membrane_mv": v, "tau_ms": tau * np.exp(-v / 40)}
        for g in ("control", "drug")
        for c, a, tau in (("c1", "a1", 1.0), ("c2", "a1", 4.0), ("c3", "a2", 8.0))
        for v in (-20.0, 0.0, 20.0)
    ]
    table = pd.DataFrame(rows).assign(excluded=False, reason="")
    table.loc[(table["cell_id"] == "c1") & (table["level_mv"] == -20), "tau_ms"] = np.nan
    table.loc[(table["cell_id"] == "c3") & (table["group"] == "drug"), "excluded"] = True
    fig, text = time_constants(table)
    axis = fig.axes[0]
    assert (axis.get_yscale(), axis.get_ylabel()) == ("log", "Time constant (ms)")
    fig.settle()
    labels = [label.get_text() for label in axis.get_yticklabels(which="both") if label.get_text()]
    assert {"1", "10", "2", "20"} <= set(labels), "numbers, not powers"
    control, drug = (c.lines[0].get_ydata() for c in axis.containers)
    assert control[1] == pytest.approx(4.0)  # animals: sqrt(1 * 4) and 8
    assert control[0] == pytest.approx(np.sqrt(32) * np.exp(0.5))
    assert drug[1] == pytest.approx(2.0)
    assert "control (3 cells, 2 animals): 9.3 ms at \N{MINUS SIGN}20 mV" in text
    assert "no window kinetics" in time_constants(table.head(0))[1]
    assert "no sweep" in time_constants(table.assign(tau_ms=np.nan))[1]
