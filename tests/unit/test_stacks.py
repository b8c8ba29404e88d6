"""Image stacks: truth comes back exactly without noise, blocks are the whole, shift, cells, saturation, verdicts."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from stack_files import EVEN, PUT_IN, cells, frames, row, write_two

from mgk.magnesium import Settings, calibrate, cell_samples, free_magnesium_mm, paired_cells, with_verdicts
from mgk.simulate import stacks as simulated
from mgk.stacks import (
    StackSettings,
    check_stack,
    image_file,
    measure_stack,
    measure_stacks,
    read_images,
    stack_settings,
)
from mgk.stacks.regions import find_cells, inner_half, pixels_of, region_of_light
from mgk.stacks.registration import Registration, find_shift, region_weights, resampled
from mgk.tables.problems import InputError

CONSTANTS = (PUT_IN["rmin"], PUT_IN["rmax"], PUT_IN["beta"], PUT_IN["kd_mm"])


def values_of(measured):
    """Return free Mg2+ of each cell by the true constants: the ratio of sums over frames."""
    used = measured.traces[measured.traces["reason"] == ""]
    sums = used.groupby("roi_id")[["f340", "f380"]].sum()
    return free_magnesium_mm(sums["f340"] / sums["f380"], *CONSTANTS)


def truth_of(found):
    return np.array([cell.magnesium_mm.mean() for cell in found])


@pytest.mark.parametrize("shift_px", [(0, 0), (2, -1)])
def test_without_noise_the_truth_comes_back_through_shading_shift_and_background(shift_px, tmp_path):
    found = cells()
    flat = {name: simulated.flat_field(PUT_IN, name) for name in ("340", "380")}
    counts = frames(found, noise=False, flat=flat, shift_px=shift_px)
    for name, field in flat.items():
        tifffile.imwrite(tmp_path / f"flat_{name}.tif", 100 + 3000 * field, photometric="minisblack")
    shading = {"shading_340": "flat_340.tif", "shading_380": "flat_380.tif", "camera_offset_counts": 100}
    given_row = row(**write_two(tmp_path, counts), **shading, background_region_px="0:3,0:3", frame_interval_s=20)
    measured = measure_stack(given_row, tmp_path, StackSettings())
    quality = measured.quality
    assert (quality["shift_y_px"], quality["shift_x_px"]) == shift_px
    assert quality["background_340"] == pytest.approx(40, rel=1e-6)
    assert quality["verdict"] == "pass", quality["reason"]
    np.testing.assert_allclose(values_of(measured), truth_of(found), rtol=1e-6)
    assert quality["f340_percent_per_min"] == pytest.approx(-1, rel=1e-6)
    net = measured.traces.groupby("roi_id")[["f340", "f380"]].first().to_numpy()
    assert (net > 200).all()


@pytest.mark.parametrize(("calibration_margin", "close"), [(1.15, 1e-6), (1.3, 1e-3)])
def test_without_noise_an_experiment_calibrated_in_situ_returns_the_truth(calibration_margin, close, tmp_path):
    alike = {"radius_sd_ln": 0.0, "loading_sd_ln": 0.0, "rmax_magnesium_mm": 1e12}
    lit = {"autofluorescence_counts": {"at_340": 24.0, "at_380": 18.0}, "bleaching_per_min": 0.0}
    rows = []
    for role in ("background", "rmin", "rmax", "sample"):
        found = cells(role, **alike)
        margin = calibration_margin if role.startswith("r") else 1.15
        drawn = simulated.drawn(found, PUT_IN | {"drawn_margin": margin})
        tifffile.imwrite(tmp_path / f"{role}.tif", drawn, photometric="minisblack")
        files = write_two(tmp_path, frames(found, noise=False, shift_px=[0, 0], **lit), role)
        rows.append(row(stack_id=role, role=role, labels=f"{role}.tif", background_region_px="0:3,0:3", **files))
    tables = measure_stacks(rows, tmp_path, StackSettings(register=False))
    traces = with_verdicts(tables["traces"], tables["quality"])
    given = Settings(PUT_IN["kd_mm"], "test", None, background_subtracted=True)
    calibrations = calibrate(paired_cells(traces), given, draws=50)
    constants = calibrations["all"].draw()
    measured = [float(getattr(constants, name)[0]) for name in ("rmin", "rmax", "beta")]
    assert measured == pytest.approx(CONSTANTS[:3], rel=close)
    ratios = [sample.ratio for sample in cell_samples(traces, calibrations)]
    np.testing.assert_allclose(free_magnesium_mm(np.array(ratios), *measured, 1.9), truth_of(found), rtol=5 * close)


@pytest.mark.parametrize("brightness", [0.5, 1, 3])
def test_the_light_of_a_cell_does_not_go_by_its_outline(brightness, tmp_path):
    found = cells(frames=1)
    counts = frames(found, noise=False, shift_px=[0, 0], f380_free_counts=900 * brightness)
    light, outlined = {}, {}
    for margin in (1.0, 1.15, 1.3):
        drawn = simulated.drawn(found, PUT_IN | {"drawn_margin": margin})
        tifffile.imwrite(tmp_path / "labels.tif", drawn, photometric="minisblack")
        given_row = row(**write_two(tmp_path, counts), labels="labels.tif", background_region_px="0:3,0:3")
        rois = measure_stack(given_row, tmp_path, StackSettings(register=False)).rois
        light[margin] = rois["f380"].to_numpy()
        outlined[margin] = (rois["f380"] * rois["bright_px"] / rois["n_pixels"]).to_numpy()
    assert (outlined[1.3] / outlined[1.0]).max() < 0.75, "a mean over the outline goes by the hand that drew it"
    np.testing.assert_allclose(light[1.15], light[1.0], rtol=0.005)
    np.testing.assert_allclose(light[1.3], light[1.0], rtol=0.005)


def test_the_inner_half_is_that_of_the_cell_itself():
    y, x = np.mgrid[0:40, 0:60]
    disc = np.argwhere(np.hypot(y - 20, x - 30) < 12.5)
    inner = inner_half(disc)
    assert np.hypot(*(inner - [20, 30]).T).max() < 7
    assert len(inner) == pytest.approx(len(disc) / 4, rel=0.2)
    np.testing.assert_array_equal(inner_half(np.array([[3, 4]])), [[3, 4]])
    even = region_of_light(np.ones((40, 60)), disc)
    assert even.bright_px == len(disc)
    assert region_of_light(np.zeros((40, 60)), disc).bright_px == len(disc), "no light, no weight"


def test_a_shift_by_a_part_of_a_pixel_is_found_and_undone(tmp_path):
    found = cells()
    measured = measure_stack(row(**write_two(tmp_path, frames(found))), tmp_path, StackSettings())
    assert measured.quality["shift_y_px"] == pytest.approx(1.3, abs=0.05)
    assert measured.quality["shift_x_px"] == pytest.approx(-0.6, abs=0.05)
    np.testing.assert_allclose(values_of(measured), truth_of(found), rtol=0.008)
    none = stack_settings({"registration": {"method": "none"}})
    unregistered = measure_stack(row(**write_two(tmp_path, frames(found))), tmp_path, none)
    assert unregistered.quality["shift_y_px"] == 0
    assert np.abs(values_of(unregistered) / truth_of(found) - 1).max() > 0.015


@pytest.mark.parametrize("background", [{}, {"background_percent": 5}, {"background_region_px": "0:4, 20:40"},
                                        {"background_340_counts": 140, "background_380_counts": 160}])  # fmt: skip
def test_each_kind_of_background_gives_the_same_and_is_named(background, tmp_path):
    given_row = row(**write_two(tmp_path, frames(cells())), **background)
    assert check_stack(given_row, tmp_path) == []
    measured = measure_stack(given_row, tmp_path, StackSettings())
    assert measured.quality["background_340"] == pytest.approx(140, abs=0.5)
    assert measured.quality["background_380"] == pytest.approx(160, abs=0.5)
    words = measured.quality["background"]
    assert ("stated" in words) == ("background_340_counts" in background)
    assert ("rows 0 to 3, columns 20 to 39" in words) == ("background_region_px" in background)


def test_blocks_are_the_whole(tmp_path):
    given_row = row(**write_two(tmp_path, frames(cells(frames=9)), compression="zlib"), frame_interval_s=5)
    whole, one = (measure_stack(given_row, tmp_path, StackSettings(), block_bytes=size) for size in (2**30, 1))
    for name in ("traces", "rois"):
        assert getattr(whole, name).equals(getattr(one, name))
    assert {k: v for k, v in whole.quality.items() if v == v} == {k: v for k, v in one.quality.items() if v == v}


def test_a_saturated_cell_is_left_out_and_a_hot_pixel_is_named(tmp_path):
    counts = frames(cells(frames=4), shift_px=[0, 0])
    labels = np.zeros((48, 60), np.uint8)
    labels[5:15, 5:15], labels[25:35, 30:50] = 1, 2
    counts["380"][:, 6:9, 6:9] = 4095
    counts["340"][1, 30, 40] = 4095
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    given_row = row(**write_two(tmp_path, counts), labels="labels.tif", saturation_counts=4095)
    measured = measure_stack(given_row, tmp_path, StackSettings(register=False))
    one, two = measured.rois.to_dict("records")
    assert (one["verdict"], one["n_frames"], one["saturated_percent"]) == ("exclude", 0, 9.0)
    assert one["reason"] == "saturated, up to 9 % of its pixels; 4 of 4 frames left out"
    assert (two["verdict"], two["n_frames"], two["saturated_percent"]) == ("warn", 4, 0.5)
    assert set(measured.traces.loc[measured.traces["roi_id"] == 1, "reason"]) == {"saturated at 380 nm"}
    assert measured.images["saturated"].sum() == 10
    strict = measure_stack(
        given_row, tmp_path, stack_settings({"saturated_max_percent": 0.4, "registration": {"method": "none"}})
    )
    assert list(strict.rois["n_frames"]) == [0, 3]
    eight_bits = write_two(tmp_path, {n: (c // 16).astype(np.uint8) for n, c in counts.items()})
    measured = measure_stack(row(**eight_bits, labels="labels.tif"), tmp_path, StackSettings(register=False))
    assert list(measured.rois["saturated_percent"]) == [9.0, 0.5], "255 is the limit of 8 bits, stated or not"


def test_stacks_that_cannot_be_used_are_excluded_with_the_reason(tmp_path):
    found = cells()
    far = measure_stack(row(**write_two(tmp_path, frames(found, shift_px=[6, 3]))), tmp_path, StackSettings())
    assert far.quality["verdict"] == "exclude"
    assert far.quality["reason"].startswith("the wavelengths lie 6.69 px apart; the limit is 5 px")
    assert measure_stack(row(**write_two(tmp_path, frames(found, shift_px=[6, 3]))), tmp_path,
                         StackSettings(shift_max_px=8)).quality["verdict"] != "exclude"  # fmt: skip
    counts = frames(found)
    other = measure_stack(row(**write_two(tmp_path, counts | {"380": np.roll(counts["380"], 12, axis=1)})), tmp_path,
                          StackSettings(register=False))  # fmt: skip
    assert "do not show the same picture" in other.quality["reason"]
    empty = {name: np.full_like(image, 100) for name, image in counts.items()}
    none = measure_stack(row(**write_two(tmp_path, empty)), tmp_path, StackSettings())
    assert none.quality["verdict"] == "exclude"
    assert "no cell was found" in none.quality["reason"]
    assert len(none.traces) == len(none.rois) == 0
    moving = {n: np.concatenate([c, np.roll(c, 3, axis=1)]) for n, c in counts.items()}
    moved = measure_stack(row(**write_two(tmp_path, moving)), tmp_path, StackSettings())
    assert "the picture moves by 3 px" in moved.quality["reason"]
    stated = measure_stack(row(**write_two(tmp_path, counts), exclude="out of focus"), tmp_path, StackSettings())
    assert (stated.quality["verdict"], stated.quality["reason"]) == ("exclude", "out of focus")


def test_one_frame_of_one_pair_is_enough(tmp_path):
    measured = measure_stack(row(**write_two(tmp_path, frames(cells(frames=1)))), tmp_path, StackSettings())
    assert measured.quality["n_rois"] == 4
    assert measured.quality["verdict"] == "pass"
    assert np.isnan(measured.quality["drift_y_px"])
    assert measured.traces["time_s"].isna().all()


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        ({"labels": "small.tif"}, "labels", "small.tif: has 20 x 10 pixels; the stack has 60 x 48 pixels"),
        ({"labels": "half.tif"}, "labels", "half.tif: labels are whole numbers"),
        ({"labels": "none.tif"}, "labels", "none.tif: labels are 0 outside of cells and 1, 2, ... in them; here 0.0"),
        ({"shading_340": "none.tif", "camera_offset_counts": 0}, "shading_340", "none.tif: a flat field must be above"),
        ({"shading_340": "half.tif"}, "shading_340", "camera_offset_counts: must be stated with a flat field"),
        ({"background_percent": 5, "background_region_px": "0:2,0:2"}, "background_region_px", "one of them"),
        ({"background_340_counts": 5}, "background_region_px", "both must be stated, or neither"),
        ({"background_region_px": "0:2,0:61"}, "background_region_px", "must lie within 48 rows and 60 columns"),
        ({"background_region_px": "corner"}, "background_region_px", "'corner' must look like 0:20,0:128"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_stack_is_refused_all_at_once(change, column, words, tmp_path):
    images = {"small": np.ones((10, 20)), "half": np.full((48, 60), 0.5), "none": np.zeros((48, 60))}
    for name, image in images.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", image, photometric="minisblack")
    given_row = row(**write_two(tmp_path, frames(cells())), **change)
    [(where, text)] = check_stack(given_row, tmp_path)
    assert where == column
    assert words in text
    with pytest.raises(InputError):
        measure_stack(given_row, tmp_path, StackSettings())
    both = given_row | {"labels": "small.tif", "background_region_px": "nowhere", "background_percent": None}
    assert len(check_stack(both, tmp_path)) >= 2


def test_cells_that_touch_are_parted_and_small_ones_dropped():
    y, x = np.mgrid[0:60, 0:80]
    disc = lambda cy, cx, r: (np.hypot(y - cy, x - cx) < r).astype(float)  # noqa: E731
    image = 400 * np.maximum(disc(20, 20, 8), disc(20, 33, 8)) + 4000 * disc(45, 60, 7) + 300 * disc(5, 70, 2)
    found = find_cells(image)
    assert sorted(np.unique(found.labels)) == [0, 1, 2, 3]
    assert found.dropped == 1
    assert found.labels[20, 16] != found.labels[20, 37]
    assert found.labels[45, 60] == 3, "from top to bottom"
    assert 0 < found.threshold < 300
    assert find_cells(np.zeros((9, 9))).labels.max() == 0


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), st.integers(0, 2**32 - 1))
def test_weights_of_regions_are_those_of_the_images_that_are_shown(shift_px, seed):
    rng = np.random.default_rng(seed)
    image, labels = rng.random((16, 17)), np.zeros((16, 17), int)
    labels[5:11, 5:11] = rng.random((6, 6)) > 0.3
    for kernels in Registration(shift_px, 1.0).kernels.values():
        laid = resampled(image, kernels)
        for pixels in pixels_of(labels).values():
            places, weights = region_weights(pixels, image.shape, kernels)
            assert weights.sum() == pytest.approx(len(pixels))
            assert image.ravel()[places] @ weights == pytest.approx(laid[tuple(pixels.T)].sum(), rel=1e-9)
    assert region_weights(np.array([[0, 0]]), image.shape, Registration((-0.5, 0), 1).kernels["380"]) is None


@given(st.floats(-5, 5))
def test_both_wavelengths_are_blurred_alike(shift):
    of_340, of_380 = (k[0] for k in Registration((shift, 0.0), 1.0).kernels.values())
    moments = [(sum(w for _, w in k), sum(o * w for o, w in k), sum(o * o * w for o, w in k)) for k in (of_340, of_380)]
    assert [m[0] for m in moments] == pytest.approx([1, 1])
    assert [m[1] for m in moments] == pytest.approx([0, shift], abs=1e-12)
    assert moments[0][2] == pytest.approx(moments[1][2] - shift**2, abs=1e-12)


def test_a_cell_that_leaves_the_image_is_named(tmp_path):
    labels = np.zeros((48, 60), np.uint8)
    labels[5:20, 5:20], labels[30:40, 55:60] = 1, 2
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    counts = frames(cells(), shift_px=[0, 2])
    measured = measure_stack(row(**write_two(tmp_path, counts), labels="labels.tif"), tmp_path, StackSettings())
    assert list(measured.rois["verdict"]) == ["pass", "exclude"]
    assert measured.rois["reason"][1] == "reaches beyond the image once it is shifted"
    assert measured.traces.loc[measured.traces["roi_id"] == 2, "f340"].isna().all()


def test_a_speck_at_one_wavelength_does_not_mislead_the_registration():
    found = cells(seed=3)
    both = simulated.expected(found, PUT_IN | {"shift_px": [1.3, -0.6]}, EVEN)
    net = {"340": both["340"][0] - 40, "380": both["380"][0] - 60}
    net["340"][8:16, 10:18] += 4000
    net["380"][32:40, 44:52] += 4000
    shift = find_shift(net["340"], net["380"]).shift_px
    assert np.hypot(shift[0] - 1.3, shift[1] + 0.6) < 0.15


def test_cells_without_dye_take_the_shift_of_the_other_stacks_of_their_run(tmp_path):
    rows = []
    for seed, (stack, role) in enumerate({"s1": "sample", "s2": "", "u": "background"}.items(), start=1):
        dark = {"f380_free_counts": 0.0} if role == "background" else {}
        counts = frames(cells(seed=seed), seed=seed, shift_px=[1.3, -0.6], **dark)
        labels = np.zeros((48, 60), np.uint8)
        labels[6:18, 8:22] = 1
        tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
        rows.append(row(stack_id=stack, role=role, labels="labels.tif", **write_two(tmp_path, counts, stack)))
    kept = {}
    tables = measure_stacks(rows[::-1], tmp_path, StackSettings(), kept.__setitem__)
    assert list(tables["quality"]["stack_id"]) == ["u", "s2", "s1"]
    assert list(kept) == ["s2", "s1", "u"]
    found = tables["quality"].set_index("stack_id")
    assert found.loc["u", "verdict"] == "pass", "there is nothing to see, and that is what it is for"
    assert found.loc["u", "shift_y_px"] == pytest.approx(1.3, abs=0.1)
    assert set(found["role"]) == {"sample", "background"}
    inner = tables["rois"].set_index("stack_id").loc[["u"]]
    assert (inner["n_pixels"] < 12 * 14 / 2).all(), "measured in the inner half"
    alone = measure_stacks(rows[2:], tmp_path, StackSettings())
    assert len(alone["traces"]) == 6


def test_images_come_back_as_written_and_name_their_stack(tmp_path):
    measured = measure_stack(row(**write_two(tmp_path, frames(cells()))), tmp_path, StackSettings())
    for file in ("images.tif", "again.tif"):
        with image_file(tmp_path / file) as keep:
            keep("a", measured.images)
            keep("b.2", measured.images)
    assert (tmp_path / "images.tif").read_bytes() == (tmp_path / "again.tif").read_bytes()
    back = read_images(tmp_path / "images.tif")
    assert list(back) == ["a", "b.2"]
    np.testing.assert_array_equal(back["b.2"]["labels"], measured.images["labels"])
    np.testing.assert_array_equal(back["a"]["f380"], measured.images["f380"].astype(np.float32))


def test_who_reads_no_stack_does_not_pay_for_it():
    code = "import mgk.stacks, mgk.magnesium, mgk.checks, sys; print({'skimage', 'tifffile'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
