"""From a pair of stacks to a row per region and frame, in two passes over the files that hold a block in memory.

The first pass takes the mean of at most 64 frames, evenly spread: from it come the background region, the shift
between the wavelengths, the cells, and the images that are shown. The second reads every frame once and takes the
weighted sums of the regions: offset, flat field, background and shift are all linear, so each region has a row of
weights and no frame is corrected as a whole. The result does not depend on the size of the blocks.

Signals are net (above the background): the sum over a region over its `bright_px`, counts per pixel as bright as its
inner half, whatever the outline takes in of the rim. The sum over pixels comes first and the ratio after. Cells without
dye show too little to tell how bright their inner half is, and are measured in it alone. Shifts in pixels, times in s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.stacks.correction import Background, Shading, find_background, read_shading, size_words, stated
from mgk.stacks.files import BLOCK_BYTES, WAVELENGTHS, Pair, open_pair, read_image
from mgk.stacks.regions import Region, find_cells, inner_half, pixels_of, region_of_light
from mgk.stacks.registration import Registration, correlation_of, find_shift, region_weights, resampled
from mgk.stacks.settings import StackSettings
from mgk.tables.problems import InputError

REFERENCE_FRAMES = 64
UNLOADED = "background"
DESCRIBED = ("stack_id", "role", "run_id", "animal_id", "condition")
TRACE_COLUMNS = (
    *DESCRIBED, "roi_id", "frame", "time_s", "f340", "f380", "background_340", "background_380", "saturated_340_px",
    "saturated_380_px", "n_pixels", "reason",
)  # fmt: skip
ROI_COLUMNS = (
    *DESCRIBED, "roi_id", "y_px", "x_px", "n_pixels", "bright_px", "f340", "f380", "saturated_percent", "n_frames",
    "verdict", "reason",
)  # fmt: skip
QUALITY_COLUMNS = (
    *DESCRIBED, "experiment", "temperature_c", "n_frames", "height_px", "width_px", "shift_y_px", "shift_x_px",
    "correlation", "drift_y_px", "drift_x_px", "background", "background_340", "background_380", "shading", "labels",
    "threshold", "n_rois", "n_excluded", "n_saturated", "f340_percent_per_min", "f380_percent_per_min", "verdict",
    "reason",
)  # fmt: skip
# Below this the wavelengths do not show the same picture. Assumed, no source.
CORRELATION_MIN = 0.5
# A cell that moves by more than this against its region is measured beside itself. Assumed, no source.
DRIFT_MAX_PX = 1.0


@dataclass(frozen=True)
class Measured:
    """What a stack gives: tables, and mean images (height, width) for showing.

    `images`: f340, f380 (net, laid onto each other), labels, saturated (any of the frames of the mean).
    """

    traces: pd.DataFrame
    rois: pd.DataFrame
    quality: dict
    images: dict[str, np.ndarray] = field(repr=False)


@dataclass(frozen=True)
class _Reference:
    """Raw mean images of the first and the second half of the frames of the first pass (one frame has no second half).

    `shares` are the shares of the frames in each half; `saturated`: pixels at the limit in any of them.
    """

    halves: tuple[Mapping[str, np.ndarray], ...]
    shares: tuple[float, ...]
    saturated: Mapping[str, np.ndarray]

    def mean(self, wavelength: str) -> np.ndarray:
        """Return the mean image of all of these frames."""
        parts = zip(self.halves, self.shares, strict=True)
        return np.sum([half[wavelength] * np.float32(share) for half, share in parts], axis=0)


@dataclass(frozen=True)
class _Weights:
    """Weights of the regions and, in the last row, of the background, on the pixels that any of them uses.

    `used` (rows, pixels): which pixels count for the saturation of a region. `base` is what offset and flat field take
    from each row.
    """

    places: np.ndarray
    weights: object
    used: object
    base: np.ndarray


def measure_stack(
    row: Mapping, raw_data: Path, given: StackSettings, *, shift_px=None, block_bytes: int = BLOCK_BYTES
) -> Measured:
    """Measure the regions of one row of stacks.csv; `shift_px` (y, x) where the shift is known and not to be found.

    Raises
    ------
    InputError
        When its files cannot be read, or do not fit each other.
    """
    pair = open_pair(row, raw_data)
    shading = read_shading(row, raw_data, pair.shape)
    limits = _limits(row, pair)
    reference = _first_pass(pair, limits, block_bytes)
    means = {name: shading.corrected(reference.mean(name), name) for name in WAVELENGTHS}
    background = find_background(row, means)
    drift = _drift(reference, shading, background)
    saturated = reference.saturated
    del reference
    net = {name: _net(means.pop(name), background, name) for name in WAVELENGTHS}
    registration = _register(net, given, shift_px)
    laid = {name: resampled(net[name], registration.kernels[name]) for name in WAVELENGTHS}
    both = laid["340"] + laid["380"]
    labels, threshold = _labels(row, raw_data, both, given)
    regions = _regions(row, labels, both)
    del both
    table, reasons = _second_pass(pair, regions, shading, background, registration, limits, block_bytes)
    traces = _traces(row, table, reasons, regions, given)
    rois = _rois(row, traces, regions, reasons, given)
    judged = _judge(registration, drift, rois, row, given)
    quality = _described(row) | {
        "experiment": row.get("experiment") or "", "temperature_c": _number(row, "temperature_c"),
        "n_frames": pair.frames, "height_px": pair.shape[0], "width_px": pair.shape[1],
        "shift_y_px": registration.shift_px[0], "shift_x_px": registration.shift_px[1],
        "correlation": registration.correlation, "drift_y_px": drift[0], "drift_x_px": drift[1],
        "background": background.words, "background_340": float(table["background"]["340"].mean()),
        "background_380": float(table["background"]["380"].mean()),
        "shading": " ".join(str(row.get(f"shading_{n}") or "none") for n in WAVELENGTHS),
        "labels": row.get("labels") or "segmented", "threshold": threshold, "n_rois": len(regions),
        "n_excluded": int((rois["verdict"] == "exclude").sum()),
        "n_saturated": int((rois["saturated_percent"] > 0).sum()),
        **_bleaching(traces), **judged,
    }  # fmt: skip
    laid |= {f"saturated_{n}": resampled(saturated[n], registration.kernels[n]) > 0 for n in WAVELENGTHS}
    images = {
        "f340": laid["340"].astype(np.float32),
        "f380": laid["380"].astype(np.float32),
        "labels": labels,
        "saturated": laid["saturated_340"] | laid["saturated_380"],
    }
    return Measured(traces, rois, quality, images)


def measure_stacks(
    rows: list[Mapping], raw_data: Path, given: StackSettings, keep: Callable[[str, Mapping], None] = lambda *_: None
) -> dict[str, pd.DataFrame]:
    """Measure every row of stacks.csv of an experiment; return `traces`, `rois` and `quality` in the order of the rows.

    The shift is that of the filters. Cells without dye show too little to find it: their stacks come last and take the
    median shift of the others of their run. `keep` is called with the stack_id and the mean images of each stack, so
    that those of one stack alone are in memory.
    """
    measured: dict[str, Measured] = {}
    for row in sorted(rows, key=lambda r: r.get("role") == UNLOADED):
        shift = _usual_shift([m.quality for m in measured.values()], row) if row.get("role") == UNLOADED else None
        found = measure_stack(row, raw_data, given, shift_px=shift)
        keep(row["stack_id"], found.images)
        measured[row["stack_id"]] = replace(found, images={})
    ordered = [measured[row["stack_id"]] for row in rows]
    return {
        "traces": pd.concat([m.traces for m in ordered], ignore_index=True),
        "rois": pd.concat([m.rois for m in ordered], ignore_index=True),
        "quality": pd.DataFrame([m.quality for m in ordered])[list(QUALITY_COLUMNS)],
    }


def _usual_shift(found: list[Mapping], row: Mapping) -> tuple[float, float] | None:
    """Return the median shift of the usable stacks of the run of a row; None where there is none."""
    same = [q for q in found if q["run_id"] == (row.get("run_id") or "") and q["verdict"] != "exclude"]
    if not same:
        return None
    return tuple(round(float(np.median([q[f"shift_{axis}_px"] for q in same])), 4) for axis in "yx")


def read_labels(name: str, raw_data: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return a label image (0: no cell), in the frame of the image at 340 nm.

    Raises
    ------
    InputError
        When it is of another size, not whole numbers, negative, or without a cell.
    """
    image = read_image(raw_data / name, name)
    if image.shape != tuple(shape):
        raise InputError(f"{name}: has {size_words(image.shape)}; the stack has {size_words(shape)}")
    if image.dtype.kind == "f" and not (np.isfinite(image).all() and (image == np.round(image)).all()):
        raise InputError(f"{name}: labels are whole numbers")
    if image.min() < 0 or image.max() < 1 or image.max() > 2**31 - 1:
        found = f"here {image.min()} to {image.max()}"
        raise InputError(f"{name}: labels are 0 outside of cells and 1, 2, ... in them; {found}")
    return image.astype(np.int32)


def _described(row: Mapping) -> dict[str, str]:
    """Return what a row says of its stack; without a role it is a sample."""
    return {key: row.get(key) or "" for key in DESCRIBED} | {"role": row.get("role") or "sample"}


def _number(row: Mapping, key: str) -> float:
    value = stated(row, key)
    return float("nan") if value is None else float(value)


def _limits(row: Mapping, pair: Pair) -> dict[str, float]:
    """Return the count from which a pixel is saturated, by wavelength."""
    level = stated(row, "saturation_counts")
    return pair.saturation if level is None else dict.fromkeys(WAVELENGTHS, float(level))


def _first_pass(pair: Pair, limits: Mapping[str, float], block_bytes: int) -> _Reference:
    n = min(pair.frames, REFERENCE_FRAMES)
    frames = [int(f) for f in np.linspace(0, pair.frames - 1, n).round()]
    parts = [frames[: n // 2], frames[n // 2 :]] if n > 1 else [frames]
    saturated = {name: np.zeros(pair.shape, bool) for name in WAVELENGTHS}
    halves = tuple(_mean_of(pair, part, limits, saturated, block_bytes) for part in parts)
    return _Reference(halves, tuple(len(part) / n for part in parts), saturated)


def _mean_of(pair: Pair, frames, limits, saturated, block_bytes: int) -> dict[str, np.ndarray]:
    """Return mean images of some frames; mark their saturated pixels."""
    # Sums of 64 counts of 16 bits are exact in 32 bits, at half the memory.
    small = pair.channels["340"].dtype.itemsize <= 2
    total = {name: np.zeros(pair.shape, np.float32 if small else np.float64) for name in WAVELENGTHS}
    for _, block in pair.blocks(frames, block_bytes):
        for name in WAVELENGTHS:
            for image in block[name]:
                total[name] += image
                saturated[name] |= image >= limits[name]
    return {name: image / np.asarray(len(frames), image.dtype) for name, image in total.items()}


def _net(image: np.ndarray, background: Background, wavelength: str) -> np.ndarray:
    level = background.levels[wavelength] if background.levels else image.ravel()[background.places].mean()
    return image - level


def _register(net: Mapping[str, np.ndarray], given: StackSettings, known_px) -> Registration:
    if given.register and known_px is None:
        return find_shift(net["340"], net["380"])
    kernels = Registration(known_px or (0.0, 0.0), 0.0).kernels
    laid = [resampled(net[name], kernels[name]) for name in WAVELENGTHS]
    return Registration(known_px or (0.0, 0.0), correlation_of(*laid))


def _labels(row: Mapping, raw_data: Path, image: np.ndarray, given: StackSettings) -> tuple[np.ndarray, float]:
    if row.get("labels"):
        return read_labels(row["labels"], raw_data, image.shape), float("nan")
    found = find_cells(
        image,
        smoothing_px=given.smoothing_px,
        minimum_area_px=given.minimum_area_px,
        separation_px=given.separation_px,
    )
    return found.labels, found.threshold


def _regions(row: Mapping, labels: np.ndarray, image: np.ndarray) -> dict[int, Region]:
    """Return the regions of a stack by label; `image`: the light of both wavelengths above the background."""
    pixels = pixels_of(labels)
    if row.get("role") == UNLOADED:
        inner = {label: inner_half(own) for label, own in pixels.items()}
        return {label: Region(own, float(len(own))) for label, own in inner.items()}
    return {label: region_of_light(image, own) for label, own in pixels.items()}


def _weights(
    regions: Mapping[int, Region], shape, shading: Shading, wavelength: str, background: Background, kernels
) -> tuple[_Weights, set[int]]:
    """Return the weights of all regions at a wavelength, and the regions that leave the image."""
    from scipy.sparse import csr_array

    lost, rows, places, weights = set(), [], [], []
    for number, (label, region) in enumerate(regions.items()):
        taken = region_weights(region.pixels, shape, kernels)
        if taken is None:
            lost.add(label)
            continue
        rows.append(np.full(len(taken[0]), number))
        places.append(taken[0])
        weights.append(taken[1] / len(region.pixels))
    if background.places is not None:
        rows.append(np.full(len(background.places), len(regions)))
        places.append(background.places)
        weights.append(np.full(len(background.places), 1 / len(background.places)))
    rows, places, weights = (np.concatenate(part) if part else np.zeros(0, int) for part in (rows, places, weights))
    unique, columns = np.unique(places, return_inverse=True)
    flat = shading.flat[wavelength]
    counted = rows < len(regions)
    values = weights if flat is None else weights / flat.ravel()[places]
    size = (len(regions) + 1, len(unique))
    matrix = csr_array((values, (rows, columns)), shape=size)
    used = csr_array((np.ones(counted.sum()), (rows[counted], columns[counted])), shape=size)
    return _Weights(unique, matrix, used, shading.offset * matrix.sum(axis=1)), lost


def _second_pass(pair: Pair, regions, shading, background, registration, limits, block_bytes) -> tuple[dict, dict]:
    """Return signals, backgrounds and saturated pixels by wavelength (frames, regions); and why regions are lost."""
    weights, reasons = {}, {}
    for name in WAVELENGTHS:
        weights[name], lost = _weights(regions, pair.shape, shading, name, background, registration.kernels[name])
        reasons |= dict.fromkeys(lost, "reaches beyond the image once it is shifted")
    n = len(regions)
    sums = {name: np.zeros((pair.frames, n + 1)) for name in WAVELENGTHS}
    saturated = {name: np.zeros((pair.frames, n), int) for name in WAVELENGTHS}
    for now, block in pair.blocks(None, block_bytes):
        for name, w in weights.items():
            for frame, image in zip(now, block[name].reshape(len(now), -1), strict=True):
                taken = image.take(w.places)
                sums[name][frame] = w.weights @ taken.astype(float) - w.base
                high = taken >= limits[name]
                if high.any():
                    saturated[name][frame] = (w.used @ high.astype(float))[:n].round().astype(int)
    level = {
        name: np.full(pair.frames, background.levels[name]) if background.levels else sums[name][:, n]
        for name in WAVELENGTHS
    }
    scale = np.array([len(region.pixels) / region.bright_px for region in regions.values()])
    signal = {name: (sums[name][:, :n] - level[name][:, None]) * scale for name in WAVELENGTHS}
    return {"signal": signal, "background": level, "saturated": saturated}, reasons


def _traces(row: Mapping, table: dict, lost: Mapping[int, str], regions, given: StackSettings) -> pd.DataFrame:
    """Return a row per region and frame; `reason`: empty, or why the frame of a region is not used."""
    frames = table["signal"]["340"].shape[0]
    interval = stated(row, "frame_interval_s")
    times = np.arange(frames) * float(interval) if interval is not None else np.full(frames, np.nan)
    parts = []
    for number, (label, region) in enumerate(regions.items()):
        at = {name: table["saturated"][name][:, number] for name in WAVELENGTHS}
        reason = np.full(frames, lost.get(label, ""), object)
        if label not in lost:
            over = {n: 100 * at[n] / len(region.pixels) > given.saturated_max_percent for n in WAVELENGTHS}
            for name in WAVELENGTHS:
                reason[over[name]] = f"saturated at {name} nm"
            reason[over["340"] & over["380"]] = "saturated at 340 and 380 nm"
        parts.append(
            pd.DataFrame(
                _described(row)
                | {"roi_id": label, "frame": np.arange(1, frames + 1), "time_s": times}
                | {f"f{n}": np.nan if label in lost else table["signal"][n][:, number] for n in WAVELENGTHS}
                | {f"background_{n}": table["background"][n] for n in WAVELENGTHS}
                | {f"saturated_{n}_px": at[n] for n in WAVELENGTHS}
                | {"n_pixels": len(region.pixels), "reason": reason}
            )
        )
    traces = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(TRACE_COLUMNS))
    return traces[list(TRACE_COLUMNS)]


def _rois(row: Mapping, traces: pd.DataFrame, regions, lost: Mapping[int, str], given: StackSettings) -> pd.DataFrame:
    found = []
    groups = dict(list(traces.groupby("roi_id", sort=False))) if len(traces) else {}
    for label, region in regions.items():
        own, pixels = groups[label], region.pixels
        used = own[own["reason"] == ""]
        high = 100 * float((own[["saturated_340_px", "saturated_380_px"]].max(axis=1) / len(pixels)).max())
        reasons = []
        if label in lost:
            reasons.append(lost[label])
        elif high > 0:
            left_out = f"{len(own) - len(used)} of {len(own)} frames left out"
            reasons.append(f"saturated, up to {high:.3g} % of its pixels; {left_out}")
        y, x = pixels.mean(axis=0)
        found.append(
            _described(row)
            | {"roi_id": label, "y_px": y, "x_px": x, "n_pixels": len(pixels), "bright_px": region.bright_px}
            | {name: used[name].mean() if len(used) else np.nan for name in ("f340", "f380")}
            | {"saturated_percent": high, "n_frames": len(used)}
            | {"verdict": "exclude" if not len(used) else "warn" if reasons else "pass", "reason": "; ".join(reasons)}
        )
    return pd.DataFrame(found, columns=list(ROI_COLUMNS))


def _drift(reference: _Reference, shading: Shading, background: Background) -> tuple[float, float]:
    """Return by how much the picture moves from the first half of the frames to the second, (y, x) in pixels."""
    if len(reference.halves) < 2:
        return float("nan"), float("nan")
    nets = ([_net(shading.corrected(half[n], n), background, n) for n in WAVELENGTHS] for half in reference.halves)
    first, second = (at_340 + at_380 for at_340, at_380 in nets)
    return find_shift(first, second).shift_px


def _judge(registration: Registration, drift, rois: pd.DataFrame, row: Mapping, given: StackSettings) -> dict:
    """Return the verdict on a stack with its reason."""
    bad, odd = [], []
    if row.get("exclude"):
        bad.append(str(row["exclude"]))
    shift = float(np.hypot(*registration.shift_px))
    if given.register and shift > given.shift_max_px:
        bad.append(f"the wavelengths lie {shift:.3g} px apart; the limit is {given.shift_max_px:g} px")
    if registration.correlation < CORRELATION_MIN and row.get("role") != UNLOADED:
        bad.append(f"the wavelengths do not show the same picture (correlation {registration.correlation:.2f})")
    if not len(rois):
        bad.append("no cell was found")
    elif (rois["verdict"] == "exclude").all():
        bad.append("no cell has a usable frame")
    moved = float(np.hypot(*drift))
    if moved > DRIFT_MAX_PX:
        odd.append(f"the picture moves by {moved:.2g} px from the first half of the frames to the second")
    left_out = int((rois["verdict"] == "exclude").sum())
    if left_out and not bad:
        odd.append(f"{left_out} of {len(rois)} cells left out")
    return {"verdict": "exclude" if bad else "warn" if odd else "pass", "reason": "; ".join(bad + odd)}


def _bleaching(traces: pd.DataFrame) -> dict[str, float]:
    """Return the slope of the logarithm of each signal over time, the mean over the regions, in percent per minute."""
    used = traces[traces["reason"] == ""].dropna(subset=["time_s"])
    found = {}
    for name in ("f340", "f380"):
        course = used.pivot_table(index="time_s", columns="roi_id", values=name)
        course = course.loc[:, (course > 0).all()]
        few = course.shape[0] < 3 or not course.shape[1]
        slopes = [np.nan] if few else np.polyfit(course.index.to_numpy(float), np.log(course.to_numpy(float)), 1)[0]
        found[f"{name}_percent_per_min"] = 6000 * float(np.mean(slopes))
    return found
