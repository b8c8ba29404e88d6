"""A study of image stacks: what is wrong with its table and files is named at once; its figures say what they show."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from stack_files import cells, frames, write_two
from studies import save_config

from mgk.checks import check_study, not_analysed, study_files
from mgk.figures import NOTHING
from mgk.figures.magnesium import donors_and_calibration
from mgk.figures.magnesium_course import NO_INTERVAL, course_of_cells
from mgk.figures.stacks import ABOVE, BELOW, SATURATED, ratio_images, regions
from mgk.magnesium import (
    calibrate,
    calibration_table,
    cell_course,
    cell_samples,
    cell_table,
    compare_conditions,
    curves_of,
    group_table,
    interference_table,
    paired_cells,
    pixel_magnesium_mm,
    settings,
    slope_table,
    with_verdicts,
)
from mgk.stacks import measure_stacks, stack_settings
from mgk.study import Study

SIMULATED = {"title": "stacks", "data": "simulated"}
KD = {"value": 1.9, "unit": "mM", "source": "test"}
COLUMNS = ("stack_id", "experiment", "role", "animal_id", "condition", "file_340", "file_380", "background_region_px",
           "frame_interval_s", "labels", "saturation_counts")  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """A study of one experiment: an Rmin and an Rmax stack and two samples, one with a saturated and an odd cell."""
    raw = tmp_path / "raw_data"
    raw.mkdir()
    rows = []
    stacks = {"rmin": ("rmin", ""), "rmax": ("rmax", ""), "s1": ("", "N1"), "s2": ("", "N2")}
    for seed, (stack, (role, animal)) in enumerate(stacks.items(), start=1):
        counts = frames(cells(role or "sample", seed), seed=seed)
        if stack == "s1":
            counts["380"][:, 6:14, 8:22] = 4095
            counts["340"][:, 6:18, 38:54] += 1500
        files = write_two(raw, counts, stack)
        rows.append({"stack_id": stack, "experiment": "e", "role": role, "animal_id": animal, **files,
                     "condition": "control" if animal else "", "background_region_px": "0:3,0:3",
                     "frame_interval_s": 20, "saturation_counts": 4095})  # fmt: skip
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(raw / "stacks.csv", index=False)
    save_config(
        tmp_path, {"study": {"title": "stacks", "data": "simulated"}, "stacks": {"experiments": {"e": {"kd_mm": KD}}}}
    )
    return tmp_path


def change(root, stack, **values):
    table = pd.read_csv(root / "raw_data" / "stacks.csv", dtype=str)
    for column, value in values.items():
        if column not in table:
            table[column] = ""
        table.loc[table["stack_id"] == stack, column] = value
    table.to_csv(root / "raw_data" / "stacks.csv", index=False)


def problems_of(root):
    return [str(p) for p in check_study(Study.read(root)[0])]


def test_a_study_of_stacks_alone_is_in_order(study):
    assert problems_of(study) == []
    project = Study.open(study)
    assert project.analyses() == [("image_stacks", "e")]
    assert "raw_data/s1_340.tif" in study_files(project)
    change(study, "s2", experiment="other")
    assert not_analysed(Study.open(study)) == [("stacks", "other", 1)]


def test_all_that_is_wrong_is_named_at_once_with_its_place(study):
    tifffile.imwrite(study / "raw_data" / "small.tif", np.ones((4, 5), np.uint8), photometric="minisblack")
    (study / "raw_data" / "s2_380.tif").write_text("stack_id,experiment\n")
    change(study, "rmin", file_340="nowhere.tif")
    change(study, "s1", labels="small.tif", background_region_px="0:3,0:99")
    change(study, "rmax", role="rmaks")
    found = "\n".join(problems_of(study))
    for words in (
        "raw_data/stacks.csv, row 2, file_340: 'nowhere.tif': there is no such file in raw_data",
        "raw_data/stacks.csv, row 3, role: 'rmaks': allowed: sample, rmin, rmax, background; did you mean 'rmax'?",
        "raw_data/stacks.csv, row 4, labels: 'small.tif': small.tif: has 5 x 4 pixels; the stack has 60 x 48 pixels",
        "raw_data/stacks.csv, row 4, background_region_px: '0:3,0:99': background_region_px: '0:3,0:99' must lie",
        "raw_data/stacks.csv, row 5, file_340: 's2_340.tif': s2_380.tif: cannot be read as TIFF",
        "raw_data/stacks.csv, role: 'e': no stack has the role rmax",
    ):
        assert words in found


def test_a_stated_calibration_needs_its_constants_and_no_calibration_stacks(study):
    change(study, "rmin", experiment="other")
    change(study, "rmax", experiment="other")
    assert "no stack has the role rmin, rmax" in "".join(problems_of(study))
    stated = {"kd_mm": KD, "calibration": "stated"}
    config = {"study": SIMULATED, "stacks": {"experiments": {"e": stated}}}
    save_config(study, config)
    assert "stacks.experiments.e.stated: is missing" in "".join(problems_of(study))
    constant = {"value": 0.5, "se": 0, "unit": "1", "source": "test"}
    stated["stated"] = {"rmin": constant, "rmax": constant | {"value": 3.4}, "beta": constant | {"value": 4.2}}
    save_config(study, config)
    assert problems_of(study) == []


@pytest.fixture
def measured(study):
    project = Study.open(study)
    rows = project.table("stacks").to_dict("records")
    images = {}
    given = stack_settings(project.experiment("stacks", "e"))
    tables = measure_stacks(rows, project.raw_data, given, images.__setitem__)
    given = settings(project.experiment("stacks", "e"), background_subtracted=True)
    traces = with_verdicts(tables["traces"], tables["quality"])
    return tables, images, traces, calibrate(paired_cells(traces), given), given


def test_the_figures_show_and_say_cells_left_out_and_beyond_the_calibration(measured):
    tables, images, traces, calibrations, given = measured
    found = cell_table(cell_samples(traces, calibrations), calibrations, given)
    assert set(found["stack_id"]) == {"s1", "s2"}, "without a role a stack is a sample"
    fig, words = regions(images, tables["rois"], tables["quality"])
    assert len(fig.axes) == 4
    assert "s1: 3 of 4 cells used, shift between wavelengths" in words
    assert "warn: 1 of 4 cells left out" in words
    runs = curves_of(calibrations, given)
    pixels = {stack: pixel_magnesium_mm(images[stack], runs["all"]) for stack in ("s1", "s2")}
    fig, words = ratio_images(images, pixels, found)
    assert "s1.1: no value. s1.2: above Rmax." in words
    above = int(np.isposinf(pixels["s1"]).sum())
    assert above > 50
    assert f"{above} above Rmax" in words
    first = fig.axes[0]
    covers = {image.cmap.colors[0] for image in first.images[1:]}
    assert {ABOVE, SATURATED} <= covers
    assert {t.get_text() for t in fig.legends[0].get_texts()} == {
        "at or below Rmin", "at or above Rmax", "saturated", "no cell",
    }  # fmt: skip
    assert fig.axes[-1].get_xlabel() == "Free Mg²⁺ (mM)"
    assert BELOW not in covers or "0 below Rmin" not in words.split("s2:")[0]
    pixel = pixels["s2"][np.isfinite(pixels["s2"]) & (pixels["s2"] > 0)]
    cell = found.loc[found["stack_id"] == "s2", "free_magnesium_mm"]
    assert np.median(pixel) == pytest.approx(cell.mean(), rel=0.1)


def test_the_course_is_that_of_cells_or_the_reason_why_there_is_none(measured):
    _, _, traces, calibrations, given = measured
    course = cell_course(traces, calibrations, given)
    fig, words = course_of_cells(course)
    assert fig.axes[0].get_ylabel() == "Free Mg²⁺ (mM)"
    assert "control, 2 animals" in words
    none, words = course_of_cells(cell_course(traces.assign(time_s=np.nan), calibrations, given))
    assert words == f"{NOTHING}: {NO_INTERVAL}."
    assert none.axes[0].texts[0].get_text() == words


def test_an_experiment_without_a_cell_has_its_tables_and_figures_that_say_so(measured):
    tables, images, traces, _, given = measured
    traces = traces[traces["role"] != "sample"]
    calibrations = calibrate(paired_cells(traces), given)
    samples = cell_samples(traces, calibrations)
    found, groups = cell_table(samples, calibrations, given), group_table(samples, calibrations, given)
    assert len(found) == len(groups) == len(compare_conditions(samples, calibrations, given)) == 0
    assert len(interference_table(samples, calibrations, given, groups)) == 0
    assert len(slope_table(cell_course(traces, calibrations, given))) == 0
    calibration = calibration_table(calibrations, given)
    assert donors_and_calibration(found, groups, calibration, noun="cells")[1] == "Nothing to draw: there are no cells."
    assert ratio_images(images, {}, found)[1] == "Nothing to draw: no sample has a cell."
    _, words = regions(images, tables["rois"][tables["rois"]["stack_id"] != "s1"], tables["quality"])
    assert "s1: 0 of 0 cells used" in words
