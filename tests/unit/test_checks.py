"""A study is checked as a whole: whatever its config holds, there is a list of problems and never a traceback."""

import json
import os
import shutil
import time

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import load_config, save_config, small_study

from mgk.checks import check_study, not_analysed, not_used
from mgk.run import main
from mgk.study import Study
from mgk.tables.problems import Problem, told
from mgk.tables.schema import check_mapping, load_schema


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("t") / "study", "recordings", "plates", "clinical")


@pytest.fixture
def study(template, tmp_path):
    return shutil.copytree(template, tmp_path / "study")


def problems_of(study):
    return [str(p) for p in check_study(Study.read(study)[0])]


def test_the_parts_of_the_demonstration_are_in_order(template):
    assert problems_of(template) == []


WRONG = [
    ("solutions:", ["solutions"], None),
    ("windows", ["recordings", "experiments", "romk_block", "windows_ms", "steady"], [150]),
    ("no settings", ["recordings", "experiments", "romk_block"], None),
    ("nested list", ["recordings", "experiments", "romk_block", "analysis"], [["current_voltage"]]),
    ("list for a word", ["plates", "experiments", "microsomes", "medium"], ["a"]),
    ("number for a mapping", ["plates"], 3),
    ("list for a mapping", ["clinical", "analyses"], ["iv_magnesium_infarction"]),
    ("number for a path", ["clinical", "analyses", "iv_magnesium_infarction", "table"], 7),
    ("half an interval", ["clinical", "analyses", "iv_magnesium_infarction", "published", 0, "ci_high"], ...),
]


@pytest.mark.parametrize(("place", "value"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_misshapen_config_is_a_problem_with_its_place(study, place, value):
    config = load_config(study)
    part = config
    for key in place[:-1]:
        part = part[key]
    if value is ...:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    save_config(study, config)
    found = problems_of(study)
    assert any(".".join(str(p) for p in place) in line for line in found), found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([w[1] for w in WRONG[:-1]]), VALUES)
def test_no_value_in_a_config_breaks_the_check(template, place, value):
    config = json.loads(json.dumps(load_config(template)))
    part = config
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    study = Study(template, config)
    problems = check_mapping(config, load_schema("config"), "config.yaml", {})
    assert isinstance(problems, list)
    study.analyses()
    for section in ("recordings", "plates", "clinical"):
        study.experiments(section)
    _ = study.constants


def edit(study, name, change):
    table = pd.read_csv(study / "raw_data" / name, dtype=str, keep_default_na=False)
    change(table)
    table.to_csv(study / "raw_data" / name, index=False)


def test_stated_values_that_no_correction_uses_are_named(study):
    edit(study, "recordings.csv", lambda t: t.__setitem__("series_resistance_mohm", "5"))
    [found] = [line for line in not_used(Study.open(study)) if "series_resistance_mohm: not used for romk" in line]
    assert found.endswith("whose corrections.series_resistance is none")


@pytest.mark.parametrize("column", ["protein_plate", "standards_plate"])
def test_another_plate_that_is_not_there_is_named(study, column):
    edit(study, "plates.csv", lambda t: t.__setitem__(column, "elsewhere"))
    found = [str(p) for p in check_study(Study.open(study))]
    assert any(column in p and "elsewhere" in p and "another plate_id of the experiment" in p for p in found)


def test_columns_that_nothing_uses_are_named(study):
    edit(study, "clinical/iv_magnesium.csv", lambda t: t.__setitem__("design", "crossover"))
    found = not_used(Study.open(study))
    assert any("design crossover" in line for line in found)


def test_rows_of_an_unnamed_experiment_are_not_analysed(study):
    edit(study, "plates.csv", lambda t: t.__setitem__("experiment", t["experiment"].replace("platelets", "other")))
    config = load_config(study)
    del config["plates"]["experiments"]["platelets"]
    save_config(study, config)
    assert not_analysed(Study.open(study)) == [("plates", "other", 1)]
    assert problems_of(study) == []


def test_an_experiment_without_rows_is_a_problem_with_the_nearest_name(study):
    edit(study, "recordings.csv", lambda t: t.__setitem__("experiment", "romk_blok"))
    assert any("has no rows" in line and "did you mean 'romk_blok'?" in line for line in problems_of(study))


@pytest.mark.parametrize(
    ("name", "column", "value", "words"),
    [
        ("recordings.csv", "bath_solution", "romk_internal_mg55", "did you mean 'romk_internal_mg5'?"),
        ("recordings.csv", "file", "../config.yaml", "inside raw_data"),
        ("recordings.csv", "file", "/etc/hostname", "inside raw_data"),
        ("recordings.csv", "file", "recordings", "is a folder"),
        ("recordings.csv", "ligand_side", "", "the analysis magnesium_block needs it"),
        ("recordings.csv", "temperature_c", "295", "from -5 to 60 (C)"),
        ("recordings.csv", "animal_id", "another", "belongs to animal"),
        ("plates.csv", "layout", "", "must name a layout"),
        ("plates.csv", "reads", "9=340", "reads"),
        ("layouts/platelets_run1.csv", "well", "Z1", "must look like A1"),
        ("clinical/iv_magnesium.csv", "events_treatment", "-1", "from 0"),
    ],
)
def test_tables_are_held_against_each_other_and_the_files(study, name, column, value, words):
    def change(table):
        rows = slice(None) if words.startswith("the analysis") else 0
        table.loc[rows, column] = value

    edit(study, name, change)
    found = problems_of(study)
    assert any(words in line for line in found), found
    assert len(found) <= 3, "one mistake, one problem"


def test_a_medium_leaves_magnesium_and_atp_to_the_layout(study):
    path = study / "raw_data/solutions.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("EGTA: 1, Tris: 30", "EGTA: 1, Tris: 30, Mg: 1"), encoding="utf-8")
    assert any("must hold no Mg" in line for line in problems_of(study))


def test_pairs_of_solutions_name_solutions(study):
    path = study / "config.yaml"
    text = path.read_text(encoding="utf-8")
    old = "pipette_solution: document_000_pipette"
    assert old in text
    path.write_text(text.replace(old, "pipette_solution: document_000_pipete"), encoding="utf-8")
    [found] = [line for line in problems_of(study) if "solutions.pairs" in line]
    assert "solutions.pairs.0.pipette_solution" in found
    assert "document_000_pipette" in found


def test_totals_of_a_recipe_of_salts_are_held_against_the_table(study):
    path = study / "raw_data/solutions.yaml"
    text = path.read_text(encoding="utf-8")
    old = "totals_mm: {K: 110, Cl: 100.6, EGTA: 1, HEPES: 10, Mg: 0.3}"
    assert old in text
    path.write_text(text.replace(old, "components: {KCl: 100, MgCl2: 0.6, HEPES: 10}"), encoding="utf-8")
    assert any("holds 0.6 mM Mg" in line for line in problems_of(study))


def test_everything_that_is_wrong_with_clinical_tables_comes_at_once(tmp_path):
    study = tmp_path / "study"
    (study / "raw_data/clinical").mkdir(parents=True)
    (study / "config.yaml").write_text(
        "study: {title: t, data: measured}\nclinical:\n  analyses:\n"
        "    counts: {table: clinical/a.csv, measure: OR}\n    given: {table: clinical/b.csv, measure: GEN}\n",
        encoding="utf-8",
    )
    head = "study_id,study,events_treatment,n_treatment,events_control,n_control,source\n"
    rows = ["s1,A,-1,20,3,20,x", "s2,B,25,20,3,20,x", "s3,C,two,20,3,20,x", "s4,D,3,20,,,x", "s4,E,3,20,4,20,x"]
    (study / "raw_data/clinical/a.csv").write_text(head + "\n".join(rows), encoding="utf-8")
    head = "study_id,study,estimate,se,ci_low,ci_high,ci_level,scale,source\n"
    rows = ["g1,A,0.5,0,,,,linear,x", "g2,B,0.5,,0.6,0.9,0.95,linear,x"]
    (study / "raw_data/clinical/b.csv").write_text(head + "\n".join(rows), encoding="utf-8")
    found = {(p.file[-5:], p.row, p.column) for p in check_study(Study.read(study)[0])}
    assert found == {
        ("a.csv", 2, "events_treatment"),
        ("a.csv", 3, "events_treatment"),
        ("a.csv", 4, "events_treatment"),
        ("a.csv", 5, "events_control"),
        ("a.csv", 5, "n_control"),
        ("a.csv", 6, "study_id"),
        ("b.csv", 2, "se"),
        ("b.csv", 3, "ci_low"),
    }


def test_raw_files_whose_time_is_ahead_of_the_clock_are_named(study):
    """Snakemake would end in a traceback: what rests on them is older than they are."""
    tomorrow = time.time() + 86400
    for name in ("raw_data/clinical/iv_magnesium.csv", "raw_data/solutions.yaml"):
        os.utime(study / name, (tomorrow, tomorrow))
    found = problems_of(study)
    assert [p.split(":")[0] for p in found] == ["raw_data/clinical/iv_magnesium.csv", "raw_data/solutions.yaml"]
    assert all("its time is ahead of this machine's clock" in p for p in found)


def test_check_says_all_and_runs_nothing(study, capsys):
    assert main(["--check", str(study)]) == 0
    assert "the study is in order" in capsys.readouterr().out
    (study / "config.yaml").write_text("study: {title: t}\n", encoding="utf-8")
    assert main(["--check", str(study)]) == 1
    assert "1 problem; nothing was run" in capsys.readouterr().err
    assert not (study / "results").exists()


def test_what_is_wrong_alike_in_many_rows_is_one_line_with_all_of_them():
    file = "raw_data/recordings.csv"
    baths = [Problem(file, row, "bath_solution", "bath", "must be a solution") for row in (2, 3, 4, 7, 9, 10)]
    windows = [Problem(file, row, "", f"r{row}", "window steady must lie within sweep 0") for row in (2, 3)]
    missing = [Problem(file, row, "file", f"{row}.abf", "there is no such file in raw_data") for row in (2, 3)]
    keys = [Problem("config.yaml", line, "study", "", "is empty") for line in (2, 3)]
    assert told([*baths[:3], *windows, *baths[3:], *missing, *keys]) == [
        f"{file}, rows 2 to 4, 7, 9 to 10, bath_solution: 'bath': must be a solution",
        f"{file}, rows 2 to 3: 'r2 and 1 more': window steady must lie within sweep 0",
        *map(str, (*missing, *keys)),
    ]


def test_a_value_that_is_wrong_is_not_told_as_missing_too(study):
    edit(study, "recordings.csv", lambda t: t.__setitem__("temperature_c", "295 K"))
    config = load_config(study)
    config["recordings"]["experiments"]["romk_block"]["corrections"]["junction_potential"] = "henderson"
    save_config(study, config)
    found = [p for p in problems_of(study) if "temperature_c" in p]
    assert found
    assert all("must be a number (C)" in p for p in found)


def test_a_layout_of_the_wrong_size_and_missing_roles_come_with_everything_else(study):
    layout = study / "raw_data" / "layouts" / "microsomes_plate1.csv"
    table = pd.read_csv(layout, dtype=str, keep_default_na=False)
    table.loc[table.index[:2], "well"] = ["A13", "P24"]
    table.to_csv(layout, index=False)
    samples = study / "raw_data" / "layouts" / "platelets_run1.csv"
    table = pd.read_csv(samples, dtype=str, keep_default_na=False)
    table["role"] = table["role"].replace("sample", "background")
    table.to_csv(samples, index=False)
    edit(study, "plates.csv", lambda t: t.__setitem__("reads", t["reads"].replace("1=340;2=380", "1=340;2=510")))
    found = [p for p in problems_of(study) if "manifest" not in p]
    assert any("the layout names wells that the plate does not have: A13, P24" in p for p in found)
    assert any("platelets" in p and "no well of its layouts has the role sample" in p for p in found)
    assert len(found) >= 2


def edit_layout(study, name, change):
    path = study / "raw_data" / "layouts" / name
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table)
    table.to_csv(path, index=False)


def test_wells_without_protein_mg_atp_or_time_come_at_once_with_file_row_and_what_is_allowed(study):
    def of_assay(t):
        t.loc[3, ["protein_ug", "sample_ul"]] = ["0", ""]  # A4, and no volume for the protein plate
        t.loc[4, ["magnesium_total_mm", "time_min"]] = ""
        t.loc[0, ["standard_nmol", "standard_um"]] = ["", "5"]

    def of_coupled(t):
        t.loc[t["role"].isin(["total", "ouabain"]), "atp_mm"] = ""

    edit_layout(study, "microsomes_plate1.csv", of_assay)
    edit_layout(study, "coupled_run1.csv", of_coupled)
    edit_layout(study, "microsomes_protein.csv", lambda t: t.__setitem__("sample_ul", ""))
    found = {p for p in problems_of(study) if "manifest" not in p and "row" in p}
    need = "must not be empty for wells with enzyme in the analysis"
    assert (
        "raw_data/layouts/microsomes_plate1.csv, row 5, protein_ug: '0': A4: must be above 0 ug, or C01-m1 has to be a "
        "sample of microsomes_protein, with sample_ul here"
    ) in found
    for column in ("magnesium_total_mm", "time_min"):
        assert f"raw_data/layouts/microsomes_plate1.csv, row 6, {column}: A5: {need} atpase_activity" in found
    assert any("plate1.csv, row 2, standard_nmol: A1: must not be empty for a standard" in p for p in found)
    assert f"raw_data/layouts/coupled_run1.csv, row 1, atp_mm: {need} coupled_assay" in found
    assert any("microsomes_protein.csv, row 1, sample_ul: must not be empty for a sample" in p for p in found)
    assert len(found) == 6


def test_a_preparation_of_two_animals_and_a_plate_of_two_dilutions_are_problems(study):
    def change(t):
        t.loc[4, ["animal_id", "dilution_factor"]] = ["C09", "2"]

    edit_layout(study, "microsomes_plate1.csv", change)
    found = [p for p in problems_of(study) if "manifest" not in p]
    place = "raw_data/layouts/microsomes_plate1.csv, row 6"
    assert found == [
        f"{place}, dilution_factor: '2': samples and blanks of a plate must be diluted alike; row 4 has 1",
        f"{place}, animal_id: 'C09': preparation C01-m1 has C01 in row 5 of layouts/microsomes_plate1.csv; it must be "
        "one",
    ]


@pytest.mark.parametrize(
    ("experiment", "calibration", "missing"),
    [("neurons", "in_situ", ["rmin", "rmax"]), ("platelets", "titration", ["standard"])],
)
def test_a_calibration_needs_its_own_wells(study, experiment, calibration, missing):
    config = load_config(study)
    config["plates"]["experiments"][experiment]["calibration"] = calibration
    config["plates"]["experiments"][experiment].pop("titration", None)
    save_config(study, config)
    found = [p for p in problems_of(study) if "manifest" not in p]
    assert len(found) == 1
    assert f"'{experiment}': no well of its layouts has the role" in found[0]
    assert all(f"{role} (" in found[0] for role in missing)


def test_plate_quality_alone_needs_no_layout(study):
    config = load_config(study)
    config["plates"]["experiments"]["platelets"] = {"analysis": "plate_quality"}
    save_config(study, config)
    edit(study, "plates.csv", lambda t: t.loc.__setitem__((t["experiment"] == "platelets", "layout"), ""))
    assert [p for p in problems_of(study) if "manifest" not in p] == []


CURVE_FAULTS = [
    ("animal_id", 1, "other", "curve c1 is of animal_id a1 in row 2"),
    ("condition", 2, "b", "curve c1 is of condition a in row 2"),
    ("sd", 1, "", "other points of curve c1 have it; all of them or none"),
    ("sd", 1, "0", "must be above 0"),
    ("x", 1, "-1", "must be from 0"),
    ("n", 1, "2.5", "must be a whole number"),
]


@pytest.fixture
def curves_study(tmp_path):
    """A study of one curve of three points."""
    (tmp_path / "raw_data").mkdir()
    axes = {"x": {"name": "dose", "unit": "mM"}, "y": {"name": "current", "unit": "pA"}}
    curves = {"experiments": {"e": {"model": "hill", **axes, "shared": ["hill"]}}}
    save_config(tmp_path, {"study": {"title": "curves", "data": "measured"}, "curves": curves})
    rows = [f"c1,e,a1,a,{x},{y},0.1,3" for x, y in ((0, 1), (1, 0.5), (2, 0.3))]
    text = "\n".join(["curve_id,experiment,animal_id,condition,x,y,sd,n", *rows])
    (tmp_path / "raw_data" / "curves.csv").write_text(text + "\n")
    return tmp_path


def test_a_study_of_curves_alone_is_in_order(curves_study):
    assert problems_of(curves_study) == []
    assert Study.open(curves_study).analyses() == [("curves", "e")]


@pytest.mark.parametrize(("column", "row", "value", "words"), CURVE_FAULTS)
def test_a_fault_of_a_curve_is_named_with_its_place(curves_study, column, row, value, words):
    edit(
        curves_study,
        "curves.csv",
        lambda table: table.__setitem__(column, table[column].where(table.index != row, value)),
    )
    [found] = problems_of(curves_study)
    assert found.startswith(f"raw_data/curves.csv, row {row + 2}, {column}")
    assert words in found


def test_a_shared_parameter_must_be_one_of_the_model(curves_study):
    config = load_config(curves_study)
    config["curves"]["experiments"]["e"]["shared"] = ["km"]
    save_config(curves_study, config)
    [found] = problems_of(curves_study)
    assert "curves.experiments.e.shared.0: 'km': must be a parameter of hill: top, ic50, hill, ec50" in found


@pytest.fixture
def salts_study(demo_copy):
    """The comparison of salts alone."""
    config = load_config(demo_copy)
    experiments = {"nmda_salts": config["recordings"]["experiments"]["nmda_salts"]}
    kept = {"study": config["study"], "solutions": config["solutions"], "recordings": {"experiments": experiments}}
    save_config(demo_copy, kept)
    return demo_copy


@pytest.mark.parametrize(
    ("place", "given", "words"),
    [
        (("anions", "magnesium_citrate"), "citrat", "in no recipe"),
        (("anions", "magnesium_chloride"), "citrate", "no condition of nmda_salts"),
        (("zinc", "ic50_mm", "value"), -1, "ic50_mm"),
        (("at_mv",), [], "at_mv"),
    ],
)
def test_settings_of_salts_are_held_against_the_study(salts_study, place, given, words):
    assert problems_of(salts_study) == []
    config = load_config(salts_study)
    at = config["recordings"]["experiments"]["nmda_salts"]["salts"]
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = given
    save_config(salts_study, config)
    assert any(words in line for line in problems_of(salts_study))


@pytest.mark.parametrize(
    ("column", "given", "words"),
    [
        ("condition", "magnesium_oxide", "must be a salt of"),
        ("bath_solution", "", "the external solution must have a recipe"),
        ("ligand_side", "internal", "must be external"),
    ],
)
def test_recordings_of_salts_are_held_against_the_settings(salts_study, column, given, words):
    table = pd.read_csv(salts_study / "raw_data/recordings.csv", dtype=str, keep_default_na=False)
    row = table.index[table["experiment"] == "nmda_salts"][1]
    table.loc[row, column] = given
    table.to_csv(salts_study / "raw_data/recordings.csv", index=False)
    found = problems_of(salts_study)
    assert any(words in line and f"row {row + 2}" in line for line in found), found


def test_salts_without_settings_are_a_problem(salts_study):
    config = load_config(salts_study)
    del config["recordings"]["experiments"]["nmda_salts"]["salts"]
    save_config(salts_study, config)
    assert any("the analysis salt_comparison needs it" in line for line in problems_of(salts_study))


def with_rows(study, **changes):
    """Change cells of recordings.csv, column=(row, value); return the table."""
    path = study / "raw_data" / "recordings.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column, (row, value) in changes.items():
        table.loc[row, column] = value
    table.to_csv(path, index=False)
    return table


def test_a_file_in_another_folder_or_case_is_suggested(study):
    table = pd.read_csv(study / "raw_data" / "recordings.csv", dtype=str)
    there = table["file"][0]
    with_rows(study, file=(0, there.split("/")[-1].upper()))
    found = [line for line in problems_of(study) if "row 2, file" in line]
    assert len(found) == 1
    assert found[0].endswith(f"there is no such file in raw_data; did you mean {there!r}?")


@pytest.mark.parametrize("copied", [False, True])
def test_a_recording_or_its_copy_is_not_of_two_cells(study, copied):
    table = pd.read_csv(study / "raw_data" / "recordings.csv", dtype=str, keep_default_na=False)
    first = table.index[table["cell_id"] == table["cell_id"][0]][0]
    other = table.index[
        (table["cell_id"] != table["cell_id"][first]) & (table["experiment"] == table["experiment"][0])
    ][0]
    name = table["file"][first]
    if copied:
        shutil.copy(study / "raw_data" / name, study / "raw_data" / "copy.abf")
        name = "copy.abf"
    with_rows(study, file=(other, name))
    found = [line for line in problems_of(study) if f"row {other + 2}, file" in line]
    known = f"a copy of {table['file'][first]}" if copied else "the same recording"
    cells = table["cell_id"][first], table["cell_id"][other]
    assert found == [
        f"raw_data/recordings.csv, row {other + 2}, file: '{name}': is {known}, which row {first + 2} gives to cell "
        f"{cells[0]}, not to {cells[1]}"
    ]


def test_a_peak_that_is_fitted_needs_a_window(study):
    config = load_config(study)
    settings = config["recordings"]["experiments"]["romk_block"]
    settings["fit_window"] = "peak"
    settings["windows_ms"].pop("peak", None)
    save_config(study, config)
    place = "config.yaml, recordings.experiments.romk_block.fit_window"
    assert problems_of(study) == [f"{place}: 'peak': needs a window peak"]


def test_a_window_that_ends_before_it_starts_is_said_once(study):
    config = load_config(study)
    config["recordings"]["experiments"]["romk_block"]["windows_ms"]["steady"] = [150, 100]
    save_config(study, config)
    place = "config.yaml, recordings.experiments.romk_block.windows_ms.steady"
    assert problems_of(study) == [f"{place}: '[150, 100]': must end after it starts"]
