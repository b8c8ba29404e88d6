import numpy as np
import pandas as pd
import pytest

from mgk import atpase
from mgk.figures import atpase as figures
from mgk.figures import style


def wells_of(plate_id, rising=True):
    x = np.repeat([0.0, 20, 50, 100], 2)
    y = 0.05 + (0.0075 * x if rising else 0 * x) + np.tile([0.004, -0.004], 4)
    standards = pd.DataFrame({"role": "standard", "standard_nmol": x, "value": y})
    samples = pd.DataFrame({"role": "total", "value": [0.2, 0.4]})
    return pd.concat([standards, samples]).assign(plate_id=plate_id, flag="")


@pytest.fixture
def curves():
    wells = pd.concat([wells_of("flat", rising=False), wells_of("one"), wells_of("two"), wells_of("three")])
    return wells, atpase.curve_table("e", atpase.standard_curves(wells))


def test_standard_curves_show_every_plate_with_its_limits(curves):
    wells, table = curves
    fig = figures.standard_curves(wells, table)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [f"{p}\n8 standards" for p in ("flat", "one", "two", "three")]
    assert len(fig.axes) == 4
    ax = fig.axes[1]
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["limit of detection"].get_xdata()[0] == pytest.approx(table.loc[1, "lod_nmol"])
    assert lines["limit of quantification"].get_xdata()[0] == pytest.approx(table.loc[1, "loq_nmol"])
    amounts = (np.array([0.2, 0.4]) - table.loc[1, "intercept"]) / table.loc[1, "slope_per_nmol"]
    np.testing.assert_allclose(lines["samples"].get_xdata(), amounts)
    assert "does not rise" in fig.axes[0].texts[0].get_text()
    entries = ["standards", "limit of detection", "limit of quantification", "samples"]
    assert [t.get_text() for t in fig.legends[0].texts] == entries
    text = figures.describe_curves(table)
    assert "Plate flat: no curve, the signal does not rise with phosphate." in text
    assert "Plate one: 8 standards from 0 to 100 nmol" in text


@pytest.fixture
def results():
    free = np.array([0.01, 0.1, 0.6, 2.0, 5.0])
    rows, fits = [], []
    for condition, vmax in (("control", 20.0), ("low", 10.0)):
        for animal in ("a", "b"):
            for x in free:
                rows.append(
                    {
                        "animal_id": f"{condition}-{animal}",
                        "condition": condition,
                        "magnesium_free_mm": x,
                        "magnesium_total_mm": x + 2,
                        "ouabain_sensitive_activity": vmax * x / (0.6 + x),
                        "replicate_se": 0.3,
                        "depletion_percent": 1.0,
                        "flag": "",
                    }
                )
        for model, verdict in (
            ("michaelis_menten_free_magnesium", "identified"),
            ("michaelis_menten_total_magnesium", "not_identified"),
        ):
            for unit_id in (f"{condition}-a", f"{condition}-b", ""):
                gone = verdict == "not_identified" and not unit_id
                for parameter, value in (("vmax", vmax), ("k05", 0.6)):
                    fits.append(
                        {
                            "group": condition,
                            "unit_id": unit_id,
                            "model": model,
                            "parameter": parameter,
                            "unit": "u",
                            "estimate": np.nan if gone else value,
                            "ci_low": value / 2,
                            "ci_high": value * 2,
                            "n_animals": 2,
                            "verdict": verdict,
                            "reason": "no cell" if gone else "",
                        }
                    )
    return pd.DataFrame(rows), pd.DataFrame(fits)


def test_activity_draws_points_fits_and_verdicts(results):
    table, fits = results
    fig = figures.activity(table, fits)
    free, total = fig.axes
    assert free.get_xlabel() == "Free Mg²⁺ (mM)"
    assert total.get_xlabel() == "Total Mg²⁺ (mM)"
    assert free.get_title() == "K0.5 identified in 4 of 4 animals"
    assert total.get_title() == "K0.5 identified in 0 of 4 animals"
    assert [t.get_text() for t in free.get_legend().texts] == ["control, 2 animals", "low, 2 animals"]
    assert len(free.containers) == 4
    curves = [line for line in free.lines if len(line.get_xdata()) == 200]
    assert len(curves) == 6
    assert sorted({line.get_linewidth() for line in curves}) == [0.7, 2.4]
    x, y = curves[0].get_data()
    np.testing.assert_allclose(y, 20 * x / (0.6 + x))
    dashed = [line for line in total.lines if len(line.get_xdata()) == 200]
    assert [line.get_linestyle() for line in dashed] == ["--"] * 4


def test_points_that_are_not_fitted_are_hollow(results):
    table, fits = results
    table.loc[table.index[0], "depletion_percent"] = 20.0
    free = figures.activity(table, fits).axes[0]
    assert free.get_legend().texts[-1].get_text() == "not fitted"
    hollow = [c for c in free.containers if c.lines[0].get_markerfacecolor() == "none"]
    assert [len(c.lines[0].get_xdata()) for c in hollow] == [1]
    assert figures.describe_activity(table, fits).endswith("; 1 are hollow, not fitted.")


def test_text_alternative_says_what_is_known(results, tmp_path):
    table, fits = results
    text = figures.describe_activity(table, fits)
    assert "control, K0.5 against Free Mg²⁺: 0.6 u, 95 % interval 0.3 to 1.2, 2 animals." in text
    assert "low, Vmax against Total Mg²⁺: not identified (no cell)." in text
    assert text.endswith("0 of 20 points carry a flag; 0 are hollow, not fitted.")
    path = style.save(figures.activity(table, fits), tmp_path / "a.svg", text)
    assert "not identified" in path.read_text(encoding="utf-8")


def test_without_ouabain_wells_the_figures_are_drawn_empty(results, tmp_path):
    table, fits = results
    nothing = table.assign(ouabain_sensitive_activity=np.nan, replicate_se=np.nan)
    unknown = fits.assign(estimate=np.nan, ci_low=np.nan, ci_high=np.nan, verdict="not_identified")
    assert style.save(figures.activity(nothing, unknown), tmp_path / "a.svg", "nothing").is_file()
    empty = {"free_magnesium": pd.DataFrame(columns=["value", "f", "limit", "animal_id", "condition"])}
    assert style.save(figures.profiles(empty, {"free_magnesium": "free Mg"}), tmp_path / "b.svg", "nothing").is_file()


def test_the_labels_of_a_narrow_profile_do_not_run_into_each_other(tmp_path):
    """Less than two decades of K0.5: a few round numbers, where matplotlib writes one 2 x 10^-1 over another."""
    narrow = pd.DataFrame({"value": np.log(np.geomspace(0.2, 1.3, 9)), "f": 1.0, "limit": 5.0})
    table = narrow.assign(animal_id="a", condition="control")
    [axis] = figures.profiles({"free_magnesium": table}, {"free_magnesium": "free Mg"}).axes
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert labels == ["0.2", "0.3", "0.4", "0.5", "0.6", "0.8", "1"]
    assert axis.get_xticklabels(minor=True) == []
