"""Figures of single channels, and what a study may ask of them."""

import numpy as np
import pandas as pd
import pytest
from single_channels import row_of, trace, write_patch

from mgk.checks import check_study
from mgk.figures import unitary as figures
from mgk.study import Study
from mgk.unitary import analyse_patches, unitary_fits, with_chords

SETTINGS = {"unitary": {"filter_hz": {"value": 1000.0}, "window_ms": [50, 1495]}}
POTENTIALS = (-80.0, 80.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two patches, one of them silent."""
    folder = tmp_path_factory.mktemp("patches")
    for name, ps in (("p0", 56.6), ("p1", 0.0)):
        rng = np.random.default_rng(7)
        write_patch(folder / f"{name}.abf", [trace(rng, ps * v / 1e3, seconds=1.5)[0] for v in POTENTIALS], POTENTIALS)
    tables = analyse_patches([row_of("p0"), row_of("p1")], folder, SETTINGS, {})
    amplitudes = with_chords(tables.levels, SETTINGS)
    fits, _ = unitary_fits(amplitudes, "unitary", SETTINGS)
    return tables, amplitudes, fits, figures.shown_levels(amplitudes, 80.0)


def test_a_patch_is_shown_at_the_potential_asked_for(made):
    shown = made[3]
    assert shown["level_mv"].tolist() == [80.0, 80.0]
    assert figures.shown_levels(made[1], 10.0)["cell_id"].tolist() == ["c_p0", "c_p1"]


def test_traces_and_histograms_have_a_panel_a_patch_and_levels_where_they_were_found(made):
    tables, _, _, shown = made
    drawn = [ax for ax in figures.traces(tables.excerpts, shown).axes if ax.lines]
    assert len(drawn) == 2
    ideal = drawn[0].lines[1].get_ydata()
    assert set(np.round(np.unique(ideal), 1)) == {0.0, 4.5}
    assert np.unique(drawn[1].lines[1].get_ydata()).tolist() == [0.0]
    panels = [ax for ax in figures.histograms(tables.histograms, shown).axes if ax.lines]
    assert [len(ax.lines) for ax in panels] == [3, 2]
    told = figures.describe_histograms(shown, 2)
    assert "c_p1 (TRPM7) at +80 mV: no opening found, one level" in told
    assert "c_p0 (TRPM7) at +80 mV: 1 channel open at once at most" in figures.describe_traces(shown, 2)


def test_the_relation_and_its_groups_are_drawn_and_told(made):
    _, amplitudes, fits, _ = made
    left, right = figures.current_voltage(amplitudes, fits).axes
    assert any(np.allclose(np.sort(line.get_xdata()), [-80, 80]) for line in left.lines if len(line.get_xdata()) == 2)
    assert right.get_ylabel() == "Slope conductance (pS)"
    told = figures.describe_current_voltage(amplitudes, fits)
    assert "2 of 4 levels of patches are in the lines" in told
    assert "TRPM7, slope conductance: 5" in told


def test_a_relation_that_bends_is_drawn_as_the_parabola_whose_zero_is_the_reversal_potential(made):
    _, amplitudes, fits, _ = made
    v = np.array([-80.0, -60, -40, 40, 60, 80])
    bent = pd.concat([amplitudes.iloc[:1]] * 6, ignore_index=True).assign(
        level_mv=v, membrane_mv=v, amplitude_pa=v * (0.05 + 0.0001 * v), amplitude_se_pa=0.001, in_line=True
    )
    bent["amplitude_pa"] += 1e-4 * np.array([1, -1, 1, -1, 1, -1])
    left = figures.current_voltage(bent, fits).axes[0]
    curve = next(line for line in left.lines if len(line.get_xdata()) == figures.CURVE_POINTS)
    assert np.interp(0.0, *curve.get_data()) == pytest.approx(0, abs=1e-3)
    assert curve.get_ydata()[0] == pytest.approx(-80 * 0.042, abs=1e-3)


def test_dwell_times_are_drawn_or_it_is_said_that_there_are_none(made):
    tables, _, _, shown = made
    fig = figures.dwell_times(tables.events, tables.dwell_times, shown)
    assert len(fig.axes) == 2
    assert "open " in figures.describe_dwell_times(tables.dwell_times, shown)
    silent = shown[shown["cell_id"] == "c_p1"]
    assert figures.describe_dwell_times(tables.dwell_times, silent).startswith("Nothing to draw")
    figures.dwell_times(tables.events, tables.dwell_times, silent)


CONFIG = """
study: {{title: channels, data: simulated}}
recordings:
  experiments:
    unitary:
      analysis: unitary_conductance
      {more}
"""


@pytest.mark.parametrize(
    ("more", "column", "allowed"),
    [
        ("data: simulated", "recordings.experiments.unitary.unitary", "is missing"),
        ("unitary: {}", "", "the corner of the low-pass filter is not known"),
        ("unitary: {filter_hz: {value: 1000, unit: kHz, source: amplifier}}", "filter_hz.unit", "Hz"),
        ("unitary: {filter_hz: {value: 1000, unit: Hz, source: amplifier}}", "", "the command moves from 0 to 80 mV"),
        (
            "unitary: {filter_hz: {value: 1000, unit: Hz, source: amplifier}, window_ms: [50, 5000]}",
            "",
            "must hold a sample and lie within sweep 0",
        ),
        (
            "unitary: {filter_hz: {value: 1000, unit: Hz, source: amplifier}, window_ms: [50, 1495]}\n"
            "      corrections: {leak: linear}",
            "corrections",
            "",
        ),
    ],
)
def test_what_a_study_lacks_is_said_before_anything_runs(tmp_path, more, column, allowed):
    (tmp_path / "raw_data" / "recordings").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(CONFIG.format(more=more), encoding="utf-8")
    rng = np.random.default_rng(1)
    path = tmp_path / "raw_data" / "recordings" / "p.abf"
    write_patch(path, [trace(rng, 0.05 * v, seconds=1.5)[0] for v in POTENTIALS], POTENTIALS)
    row = row_of("p", file="recordings/p.abf")
    pd.DataFrame([row]).to_csv(tmp_path / "raw_data" / "recordings.csv", index=False)
    problems = [p for p in check_study(Study.read(tmp_path)[0]) if column in p.column and allowed in p.allowed]
    assert problems
