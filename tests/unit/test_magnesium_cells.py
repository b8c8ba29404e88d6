"""Cells of image stacks in the calibration of plates: same constants, ratios of sums, censoring, stated constants."""

import math

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.stats import norm
from stack_files import PUT_IN, cells, frames, row, write_two

from mgk.magnesium import (
    Settings,
    calibrate,
    calibration_table,
    cell_course,
    cell_samples,
    cell_table,
    compare_conditions,
    curve,
    fits_table,
    group_table,
    paired_cells,
    settings,
    slope_table,
    with_verdicts,
)
from mgk.stacks import StackSettings, measure_stack
from mgk.statistics import effective_df
from mgk.tables.problems import InputError

GIVEN = Settings(PUT_IN["kd_mm"], "test", PUT_IN["rmax_magnesium_mm"], background_subtracted=True)
STATED = {
    "kd_mm": {"value": 1.9, "unit": "mM", "source": "test"},
    "calibration": "stated",
    "stated": {n: {"value": PUT_IN[n], "se": 0.0, "unit": "1", "source": "test"} for n in ("rmin", "rmax", "beta")},
}


def study(folder, *, noise=True, samples=None, same_cells=False, **other):
    """Return traces with verdicts of an Rmin, an Rmax and some sample stacks, and the truth of the samples' cells.

    `same_cells`: the same dish in all stacks, its cells from a label image.
    """
    measured, truth = [], {}
    samples = samples or {("s1", "N1", "control"): {}, ("s2", "N2", "control"): {}}
    stacks = {("rmin", "", ""): {"role": "rmin"}, ("rmax", "", ""): {"role": "rmax"}} | samples
    for seed, ((stack, animal, condition), own) in enumerate(stacks.items(), start=1):
        found = cells(own.get("role", "sample"), 1 if same_cells else seed, **own.get("cells", {}))
        counts = frames(found, noise=noise, seed=seed, **({} if noise else {"shift_px": [0, 0]}), **other)
        counts = own.get("change", lambda c: c)(counts)
        given_row = row(stack_id=stack, animal_id=animal, condition=condition, role=own.get("role", "sample"),
                        frame_interval_s=20, background_region_px="0:3,0:3", saturation_counts=4095)  # fmt: skip
        if same_cells:
            tifffile.imwrite(folder / "labels.tif", drawn(found), photometric="minisblack")
            given_row["labels"] = "labels.tif"
        measured.append(measure_stack(given_row | write_two(folder, counts, stack), folder, StackSettings()))
        for roi in measured[-1].rois.itertuples() if animal else ():
            nearest = min(found, key=lambda c: math.hypot(c.y - roi.y_px, c.x - roi.x_px))
            truth[f"{stack}.{roi.roi_id}"] = nearest.magnesium_mm.mean()
    traces = pd.concat([m.traces for m in measured], ignore_index=True)
    return with_verdicts(traces, pd.DataFrame([m.quality for m in measured])), truth


def drawn(found):
    """Return a label image of cells."""
    y, x = np.mgrid[0 : PUT_IN["height_px"], 0 : PUT_IN["width_px"]]
    labels = np.zeros(y.shape, np.uint8)
    for number, cell in enumerate(found, start=1):
        labels[np.hypot((y - cell.y) / cell.half_y, (x - cell.x) / cell.half_x) < 1.2] = number
    return labels


def test_without_noise_the_whole_way_returns_the_truth_with_an_in_situ_calibration_of_cells(tmp_path):
    traces, truth = study(tmp_path, noise=False, same_cells=True, bleaching_per_min=0.0)
    calibrations = calibrate(paired_cells(traces), GIVEN)
    found = cell_table(cell_samples(traces, calibrations), calibrations, GIVEN)
    table = calibration_table(calibrations, GIVEN).iloc[0]
    np.testing.assert_allclose(table[["rmin", "rmax", "beta"]].astype(float), [0.45, 3.4, 4.2], rtol=1e-6)
    assert (table["n_rmin"], table["n_rmax"], table["n_background"]) == (4, 4, 0)
    np.testing.assert_allclose(found["free_magnesium_mm"], found["sample_id"].map(truth), rtol=1e-6)


def test_stated_constants_return_the_truth_to_a_millionth(tmp_path):
    given = settings(STATED)
    given = Settings(**{**given.__dict__, "background_subtracted": True})
    traces, truth = study(tmp_path, noise=False)
    calibrations = calibrate(paired_cells(traces), given)
    found = cell_table(cell_samples(traces, calibrations), calibrations, given)
    np.testing.assert_allclose(found["free_magnesium_mm"], found["sample_id"].map(truth), rtol=1e-6)
    assert list(found.columns[:8]) == [
        "sample_id", "animal_id", "condition", "ratio", "free_magnesium_mm", "ci_low", "ci_high", "flag",
    ]  # fmt: skip
    assert set(found["stack_id"]) == {"s1", "s2"}
    assert found["roi_id"].tolist() == [1, 2, 3, 4] * 2
    assert (found["n_frames"] == 6).all()
    course = cell_course(traces, calibrations, given)
    assert len(course) == 8 * 6
    np.testing.assert_allclose(course["free_magnesium_mm"], course["sample_id"].map(truth), rtol=1e-6)
    assert slope_table(course)["slope_mm_per_min"].abs().max() < 1e-6


def test_the_error_of_stated_constants_is_log_normal_and_common_to_all(tmp_path):
    stated = {n: dict(v) for n, v in STATED["stated"].items()}
    stated["beta"]["se"] = 0.42
    given = settings(STATED | {"stated": stated})
    given = Settings(**{**given.__dict__, "background_subtracted": True})
    traces, _ = study(tmp_path, noise=False)
    calibrations = calibrate(paired_cells(traces), given)
    samples = cell_samples(traces, calibrations)
    found = cell_table(samples, calibrations, given)
    width = np.log(found["ci_high"] / found["ci_low"]) / (2 * norm.ppf(0.975))
    np.testing.assert_allclose(width, 0.1, rtol=0.04)
    groups = group_table(samples, calibrations, given, published=False)
    mean = groups[groups["statistic"] == "mean"].iloc[0]
    assert mean["se_calibration"] / mean["estimate"] == pytest.approx(0.1, rel=0.05), "two animals do not halve it"
    rows = fits_table("e", calibrations, given).set_index("parameter")
    assert rows.loc["beta", "se"] == pytest.approx(0.42, rel=0.05)
    assert rows.loc["rmin", "ci_low"] == pytest.approx(rows.loc["rmin", "ci_high"])
    assert effective_df([1.0, 2.0], [math.inf, math.inf]) == math.inf


@pytest.mark.parametrize("stated", [{}, {"rmin": {"value": 0.4, "unit": "1", "source": "x"}},
                                    {"rmin": {"value": 0.4, "unit": "1", "source": "x", "se": -1}}])  # fmt: skip
def test_stated_constants_need_value_error_and_source(stated):
    with pytest.raises(InputError, match=r"stated\.rmin"):
        settings(STATED | {"stated": stated})


def test_a_saturated_cell_a_cell_beyond_rmax_and_an_excluded_stack_stay_in_the_table_with_their_reason(tmp_path):
    def spoilt(counts):
        counts["380"][:, 6:14, 8:22] = 4095
        counts["340"][:, 6:18, 38:54] += 1500
        return counts

    other = {("s1", "N1", "control"): {"change": spoilt}, ("s2", "N2", "control"): {},
             ("s3", "N3", "control"): {"change": lambda c: c | {"380": np.roll(c["380"], 9, axis=1)}}}  # fmt: skip
    traces, _ = study(tmp_path, samples=other)
    calibrations = calibrate(paired_cells(traces), GIVEN)
    samples = cell_samples(traces, calibrations)
    found = cell_table(samples, calibrations, GIVEN).set_index("sample_id")
    assert found.loc["s1.1", "flag"] == "no value"
    assert found.loc["s1.1", "reason"] == "saturated at 380 nm"
    assert found.loc["s1.2", ["flag", "free_magnesium_mm", "ci_high"]].tolist() == ["above Rmax", math.inf, math.inf]
    refused = found[found["stack_id"] == "s3"]
    assert (refused["flag"] == "no value").all()
    assert refused["reason"].str.contains("px apart|same picture").all()
    pairs = paired_cells(traces)
    assert (pairs.loc[pairs["plate_id"] == "s3", "reason"] != "").all()
    groups = group_table(samples, calibrations, GIVEN, published=False)
    assert groups.loc[0, "reason"].startswith(f"1 of {len(found)} samples censored")
    assert groups.loc[0, "n_above_rmax"] == 1
    assert groups.loc[0, "n_without_value"] == 1 + len(refused)


def test_the_ratio_is_that_of_sums_and_frames_are_the_replicates(tmp_path):
    traces, _ = study(tmp_path, f380_free_counts=25)
    calibrations = calibrate(paired_cells(traces), GIVEN)
    own = traces[traces["sample_id"] == "s1.1"]
    sample = next(s for s in cell_samples(traces, calibrations) if s.sample_id == "s1.1")
    assert sample.ratio == pytest.approx(own["f340"].sum() / own["f380"].sum(), rel=1e-12)
    assert sample.n_wells == 6
    early = cell_samples(traces, calibrations, (0, 20))
    assert {s.n_wells for s in early} == {2}
    [single] = {s.reason for s in cell_samples(traces, calibrations, (0, 5))}
    assert single == "one frame: no interval"


def test_conditions_are_compared_over_animals_with_the_calibration_s_error_cancelled(tmp_path):
    samples = {}
    for animal in (1, 2):
        for condition, magnesium_mm in (("high", 0.9), ("low", 0.5)):
            own = {"control": {"free_magnesium_mm": magnesium_mm, "slope_mm_per_min": 0}}
            place = (f"n{animal}_{condition}", f"N{animal}", condition)
            samples[place] = {"cells": {"conditions": own}}
    traces, _ = study(tmp_path, samples=samples)
    calibrations = calibrate(paired_cells(traces), GIVEN)
    table = compare_conditions(cell_samples(traces, calibrations), calibrations, GIVEN).set_index("scale")
    ratio = table.loc["ratio"]
    assert (ratio["n_animals"], ratio["n_samples"]) == (2, 16)
    assert ratio["difference"] == pytest.approx(0.5 / 0.9, rel=0.1)
    assert ratio["se_calibration"] < 0.02, "of the logarithm; that of a single condition is several times as large"


def test_a_run_without_enough_calibration_cells_gives_no_values_and_says_why(tmp_path):
    traces, _ = study(tmp_path)
    calibrations = calibrate(paired_cells(traces[traces["role"] != "rmax"]), GIVEN)
    found = cell_table(cell_samples(traces, calibrations), calibrations, GIVEN)
    assert found["free_magnesium_mm"].isna().all()
    assert found["reason"].str.contains("0 usable rmax wells").all()
    assert curve(calibrations["all"], GIVEN).reason
