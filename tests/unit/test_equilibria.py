"""Equilibria of a table of concentrations: against another way, over ranges, as checks; faults of a study."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import HOUSE

from mgk import equilibria
from mgk.checks import check_study, study_files
from mgk.equilibria import Conditions, against_range
from mgk.figures import equilibria as draw
from mgk.study import Study
from mgk.tables import write_table
from mgk.upstream import raw_files

CASES = json.loads((Path(__file__).parents[1] / "reference/equilibria/cases.json").read_text(encoding="utf-8"))
# As in tests/reference/equilibria/make.py.
INSIDE = {"K": 145, "Na": 10, "Cl": 7, "Ca": 0.0001, "Mg": 0.8, "H": 0.0001, "aspartate": 2}
OUTSIDE = {"K": 5, "Na": 145, "Cl": 110, "Ca": 1.5, "Mg": 1.5, "H": 0.0000398, "aspartate": 0.003}
AT_REST = Conditions(37, (-70, -70), (-56, -56), {"K": 1, "Na": 0.04, "Cl": 0.45})


def concentrations(inside=INSIDE, outside=OUTSIDE, ranges=None):
    rows = [("cell", s, side, c, c) for side, of in (("inside", inside), ("outside", outside)) for s, c in of.items()]
    rows = [(*head, *(ranges or {}).get(f"{head[1]} {head[2]}", ends)) for *head, a, b in rows for ends in [(a, b)]]
    return pd.DataFrame(rows, columns=["system", "solute", "side", "low_mm", "high_mm"]).assign(source="test")


def value(quantities, subject, quantity, column="middle"):
    found = quantities[quantities["subject"].str.startswith(subject) & (quantities["quantity"] == quantity)]
    [number] = found[column]
    return number


def test_every_quantity_is_that_of_the_reference():
    found, alone = equilibria.equilibria_tables(concentrations(), AT_REST)
    asked = {f"nernst {ion}": (ion, "Nernst potential") for ion in INSIDE}
    asked["ghk"] = ("K, Na, Cl", "GHK potential")
    for name, carrier in (("pump", "Na+/K+-ATPase"), ("aspartate", "aspartate transporter")):
        asked[f"{name} turn at -70 mV"] = (carrier, "free energy of a turn")
        asked[f"{name} reversal"] = (carrier, "reversal potential")
    gradient = "equilibrium gradient of aspartate, inside/outside"
    asked["aspartate gradient at -70 mV"] = ("aspartate transporter", gradient)
    for case, (subject, quantity) in asked.items():
        exact = found[(found["subject"] == subject)] if case.startswith("nernst") else found
        assert value(exact, subject, quantity) == pytest.approx(CASES[case], rel=1e-9), case
    assert (found["low"] == found["high"]).all()
    assert alone.empty, "nothing has a width"


def test_a_range_is_that_of_a_fine_grid_between_its_ends():
    wide = concentrations(ranges={"Na inside": (5, 15)})
    conditions = Conditions(37, (-80, -60), None, {})
    found, alone = equilibria.equilibria_tables(wide, conditions)
    gradient = "equilibrium gradient of aspartate, inside/outside"
    for column, word in (("low", "lowest"), ("high", "highest")):
        expected = CASES[f"aspartate gradient, {word} over Na 5 to 15 and -80 to -60 mV"]
        assert value(found, "aspartate transporter", gradient, column) == pytest.approx(expected, rel=1e-9)
    shares = alone[alone["quantity"] == gradient].set_index("input")["share_of_width"]
    # Threefold Na, three times: 3 ln 3; 20 mV, two charges.
    assert shares["Na inside"] == pytest.approx(3 * math.log(3) / (3 * math.log(3) + 40 / 26.7269), rel=1e-4)
    assert shares.sum() == pytest.approx(1)
    assert "reversal potential" not in set(found.loc[found["subject"] == "Na+/K+-ATPase", "quantity"]), "no ATP stated"
    assert "GHK potential" not in set(found["quantity"]), "no permeabilities stated"


def test_what_lacks_a_side_is_not_there():
    table = concentrations()
    table = table[~((table["solute"] == "H") & (table["side"] == "outside")) & (table["solute"] != "Cl")]
    found, _ = equilibria.equilibria_tables(table, AT_REST)
    assert not found["subject"].str.startswith("aspartate transporter").any()
    assert "GHK potential" not in set(found["quantity"])
    assert value(found, "Na+/K+-ATPase", "reversal potential") == pytest.approx(CASES["pump reversal"], rel=1e-9)


def test_a_course_goes_through_the_quantity_itself():
    course = equilibria.courses_table(concentrations(), AT_REST)
    pump = course[course["subject"] == "Na+/K+-ATPase"]
    at_10 = pump.iloc[(pump["x"] - 10).abs().argmin()]
    assert at_10["x"] == pytest.approx(10)
    assert at_10["middle_mv"] == pytest.approx(CASES["pump reversal"], rel=1e-9)
    carrier = course[course["subject"] != "Na+/K+-ATPase"]
    [crossing] = [
        x for x, a, b in zip(carrier["x"], carrier["middle_mv"], carrier["middle_mv"][1:], strict=False) if a > -70 >= b
    ]
    assert crossing <= CASES["aspartate gradient at -70 mV"] <= crossing * 10 ** (8 / 40)


@pytest.mark.parametrize(
    ("estimate", "ci", "verdict"),
    [
        (0.7, (0.6, 0.8), "inside"),
        (0.7, (math.nan, math.nan), "inside"),
        (0.55, (0.45, 0.65), "inside, interval reaches out"),
        (0.45, (0.35, 0.55), "below, interval overlaps"),
        (0.4, (0.35, 0.45), "below"),
        (0.4, (math.nan, math.nan), "below"),
        (1.3, (0.9, 1.7), "above, interval overlaps"),
        (1.3, (1.25, 1.35), "above"),
        (math.nan, (math.nan, math.nan), "not known"),
        (math.inf, (math.nan, math.nan), "not known"),
    ],
)
def test_where_a_value_lies(estimate, ci, verdict):
    assert against_range(estimate, ci, (0.5, 1.2)) == verdict


@given(st.floats(0.01, 10), st.floats(0, 2), st.floats(0.01, 10), st.floats(0, 5))
def test_the_verdict_agrees_with_the_numbers(estimate, half, low, width):
    said = against_range(estimate, (estimate - half, estimate + half), (low, low + width))
    assert said.startswith("inside") == (low <= estimate <= low + width)
    touches = estimate - half <= low + width and estimate + half >= low
    assert (said in ("below", "above")) == (not touches)


# --- a study ----------------------------------------------------------------------------------------------------


CONFIG = """study: {title: t, data: simulated}
plates: {experiments: {platelets: {analysis: magnesium_calibration, kd_mm: {value: 1.9, unit: mM, source: test}}}}
equilibria:
  table: compartments.csv
  temperature_c: {value: 37, unit: C, source: assumed}
  membrane_mv: {low: -80, high: -60, unit: mV, source: assumed}
  compare: [{experiment: platelets, system: cell}, {solution: bath, system: cell, side: outside}]
"""


@pytest.fixture
def study(tmp_path):
    raw = tmp_path / "raw_data"
    raw.mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (raw / "solutions.yaml").write_text("bath: {ph: 7.4, temperature_c: 25, components: {KCl: 5}}\n", encoding="utf-8")
    columns = [*concentrations().columns]
    write_table(concentrations()[columns], raw / "compartments.csv")
    return tmp_path


def problems(study):
    return [str(p) for p in check_study(Study.read(study)[0]) if "plates.csv" not in str(p)]


def test_what_the_study_has_is_held_against_the_table(study):
    groups = {"condition": ["a", "a"], "statistic": ["mean", "median"], "kd_mm": 1.9, "kd_source": "x", "estimate": 0.5}
    groups |= {"ci_low": 0.4, "ci_high": 0.9, "n_animals": 6, "reason": ""}
    ions = {
        "solution_id": "bath",
        "constants": "webmaxc",
        "species": ["K", "Cl", "HEPES"],
        "concentration_mm": [5.0, 5, 9],
    }
    project = Study.open(study)
    write_table(pd.DataFrame(groups), study / "results/magnesium/platelets/groups.csv")
    write_table(pd.DataFrame(ions), study / "results/solutions/free_ions.csv")
    settings = project.experiment("equilibria", "equilibria")
    found = equilibria.checks_table(project, settings, project.table_of("equilibria"))
    assert list(zip(found["source_of_value"], found["data"], found["solute"], found["verdict"], strict=True)) == [
        ("platelets", "simulated", "Mg", "below, interval overlaps"),
        ("bath", "computed", "K", "inside"),
        ("bath", "computed", "Cl", "below"),
    ]
    _, words = draw.checks(found)
    assert "platelets, a, Kd 1.9" in words
    assert "below, interval overlaps" in words
    nothing = equilibria.checks_table(project, {}, project.table_of("equilibria"))
    assert draw.checks(nothing)[1].startswith("Nothing to draw")


def test_the_study_rests_on_its_table_and_on_what_it_compares(study):
    project = Study.open(study)
    assert problems(study) == []
    assert ("equilibria", "equilibria") in project.analyses()
    assert project.rests_on("equilibria") == [("magnesium_calibration", "platelets")]
    assert "raw_data/compartments.csv" in study_files(Study(study, {**project.config, "plates": {}}))
    (study / "raw_data/plates.csv").write_text(
        (HOUSE / "raw_data/plates.csv").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert {"config.yaml", "raw_data/compartments.csv", "raw_data/solutions.yaml"} <= set(
        raw_files(project, "equilibria", "equilibria")
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("experiment: platelets", "experiment: plateletes", "did you mean 'platelets'?"),
        ("solution: bath", "solution: bat", "did you mean 'bath'?"),
        ("side: outside", "side: out", "equilibria.compare.1.side"),
        ("system: cell}, {", "system: cel}, {", "did you mean 'cell'?"),
        ("table: compartments.csv", "table: other.csv", "there is no such file"),
        ("low: -80", "low: -800", "equilibria.membrane_mv.low"),
        ("unit: C", "unit: K", "equilibria.temperature_c.unit"),
        ("{experiment: platelets, ", "{", "equilibria.compare.0"),
    ],
)
def test_what_is_wrong_in_the_config_is_named(study, old, new, said):
    assert old in CONFIG
    (study / "config.yaml").write_text(CONFIG.replace(old, new, 1), encoding="utf-8")
    assert any(said in line for line in problems(study)), problems(study)


def test_what_is_wrong_in_the_table_is_named_all_at_once(study):
    table = concentrations()
    table.loc[0, "high_mm"] = 1
    table.loc[1, "low_mm"] = -3
    table = pd.concat([table, table.iloc[[4]]])
    write_table(table, study / "raw_data/compartments.csv")
    found = "\n".join(problems(study))
    assert "row 2" in found
    assert "must be at least low_mm, which is 145" in found
    assert "row 3" in found
    assert "Mg inside of cell stands in an earlier row" in found


def test_figures_say_in_words_what_they_show():
    table = concentrations(ranges={"Na inside": (5, 15)})
    found, _ = equilibria.equilibria_tables(table, AT_REST)
    _, words = draw.potentials(found, table, AT_REST)
    assert "cell, K⁺: -90 mV" in words
    _, words = draw.transport(equilibria.courses_table(table, AT_REST), found, table, AT_REST)
    assert "Na+/K+-ATPase, cell: reversal potential" in words
    nothing, _ = equilibria.equilibria_tables(table.iloc[:1], AT_REST)
    assert draw.potentials(nothing, table, AT_REST)[1].startswith("Nothing to draw")
