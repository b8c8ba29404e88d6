"""Figures of image stacks: the cells on their mean images, and free Mg2+ in each of their pixels.

Limits: takes the images that `mgk.stacks` keeps and the tables of `mgk.magnesium`; of many stacks the first are drawn,
and the words say how many are not. Units: mM; axes in pixels are left out, a bar of 20 pixels stands for them.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mgk.figures import style

MOST_PANELS = 16
COLUMNS = 4
BAR_PX = 20
MOST_LETTERS = 28
BEYOND = "#C8C8C8"
BELOW, ABOVE, SATURATED = "#000000", "#FFFFFF", "#E0218A"
LEGEND = (("at or below Rmin", BELOW), ("at or above Rmax", ABOVE), ("saturated", SATURATED), ("no cell", BEYOND))
# From dark blue to yellow: read alike with every colour vision, and never black, white or pink.
SCALE = "cividis"
MARKS = {"below Rmin": "v", "above Rmax": "^", "open above": "^"}
SHOWN_PERCENT = 98


def regions(images: Mapping[str, Mapping[str, np.ndarray]], rois: pd.DataFrame, quality: pd.DataFrame):
    """Draw the mean image at 380 nm of each stack with the outlines of its cells.

    Parameters
    ----------
    images : mapping
        By stack_id, as `mgk.stacks.read_images` returns them.
    rois, quality : DataFrame
        As `mgk.stacks` writes them.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    shown = list(quality["stack_id"])[:MOST_PANELS]
    fig, panels = _panels(shown, images)
    names, verdicts = _names(shown), quality.set_index("stack_id")
    parts = [f"Cells of {len(shown)} of {len(images)} stacks; bar: {BAR_PX} pixels."]
    for axes, stack in zip(panels, shown, strict=True):
        planes, own = images[stack], rois[rois["stack_id"] == stack]
        f380 = np.sqrt(np.maximum(np.nan_to_num(planes["f380"]), 0))
        axes.imshow(f380, cmap="gray", vmax=max(np.percentile(f380, 99.5), 1e-9), interpolation="nearest")
        _cover(axes, planes["saturated"] > 0, SATURATED)
        used = own["verdict"] != "exclude"
        for kept, linestyle in ((own[used], "-"), (own[~used], "--")):
            for roi_id in kept["roi_id"].astype(int):
                edge = planes["labels"] == roi_id
                axes.contour(edge, levels=[0.5], colors=style.PALETTE[4], linewidths=0.8, linestyles=linestyle)
        verdict = verdicts.loc[stack]
        axes.set_title(f"{names[stack]}: {used.sum()} of {len(own)} cells", fontsize=8)
        shift = math.hypot(verdict["shift_y_px"], verdict["shift_x_px"])
        words = f"{stack}: {used.sum()} of {len(own)} cells used, shift between wavelengths {shift:.2f} px"
        parts.append(f"{words}{'' if verdict['verdict'] == 'pass' else f', {verdict.verdict}: {verdict.reason}'}.")
    return fig, " ".join(parts)


def ratio_images(
    images: Mapping[str, Mapping[str, np.ndarray]], magnesium_mm: Mapping[str, np.ndarray], cells: pd.DataFrame
) -> tuple[Figure, str]:
    """Draw free Mg2+ in the pixels of the cells of each sample, with those outside of the calibration as such.

    Parameters
    ----------
    images : mapping
        By stack_id, as `mgk.stacks.read_images` returns them.
    magnesium_mm : mapping
        By stack_id of the samples, as `mgk.magnesium.pixel_magnesium_mm` returns them.
    cells : DataFrame
        As `mgk.magnesium.cell_table` returns it.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    shown = list(magnesium_mm)[:MOST_PANELS]
    if not shown:
        return style.nothing("no sample has a cell")
    top = _top([magnesium_mm[stack] for stack in shown])
    fig, panels = _panels(shown, images, room_below=0.9)
    names = _names(shown)
    drawn, parts = None, [f"Free Mg2+ in pixels of {len(shown)} of {len(magnesium_mm)} stacks, up to {top:g} mM."]
    for axes, stack in zip(panels, shown, strict=True):
        value, saturated = magnesium_mm[stack], images[stack]["saturated"] > 0
        inside = np.where((value > 0) & np.isfinite(value), value, np.nan)
        axes.set_facecolor(BEYOND)
        drawn = axes.imshow(inside, cmap=SCALE, vmin=0, vmax=top, interpolation="nearest")
        counts = {"below Rmin": value == 0, "above Rmax": np.isposinf(value), "saturated": saturated & ~np.isnan(value)}
        for mask, colour in zip(counts.values(), (BELOW, ABOVE, SATURATED), strict=True):
            _cover(axes, mask, colour)
        _mark(axes, images[stack]["labels"], cells[cells["stack_id"] == stack])
        n = {name: int(mask.sum()) for name, mask in counts.items()}
        axes.set_title(names[stack], fontsize=8)
        middle = f"median {np.nanmedian(inside):.3g} mM" if np.isfinite(inside).any() else "none inside"
        said = ", ".join(f"{number} {name}" for name, number in n.items())
        parts.append(f"{stack}: {int((~np.isnan(value)).sum())} pixels, {middle}, {said}.")
    bar = fig.colorbar(drawn, ax=panels, location="bottom", shrink=0.5, aspect=40, extend="max")
    bar.set_label("Free Mg²⁺ (mM)")
    patches = [Patch(facecolor=colour, edgecolor="#404040", label=name) for name, colour in LEGEND]
    fig.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False)
    flagged = cells[cells["flag"] != ""]
    parts += [f"{row.sample_id}: {row.flag}." for row in flagged[flagged["stack_id"].isin(shown)].itertuples()]
    return fig, " ".join(parts)


def _panels(shown: list[str], images: Mapping, room_below: float = 0.0) -> tuple[Figure, list]:
    columns = min(COLUMNS, max(len(shown), 1))
    rows = max(1, math.ceil(len(shown) / columns))
    height, width = next(iter(images.values()))["labels"].shape if images else (1, 1)
    one = 8.8 / columns
    fig, grid = style.figure(8.8, rows * (one * min(max(height / width, 0.4), 2) + 0.3) + room_below, rows, columns,
                             squeeze=False)  # fmt: skip
    panels = list(grid.ravel())
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.axis("on")
    for axes in panels[len(shown) :]:
        axes.axis("off")
    for axes, stack in zip(panels, shown, strict=False):
        tall, wide = images[stack]["labels"].shape
        axes.plot([wide - BAR_PX - 3, wide - 3], [tall - 4, tall - 4], color="#FFFFFF", lw=3, solid_capstyle="butt")
        axes.plot([wide - BAR_PX - 3, wide - 3], [tall - 4, tall - 4], color="#000000", lw=1, solid_capstyle="butt")
    return fig, panels[: len(shown)]


def _cover(axes, mask: np.ndarray, colour: str) -> None:
    """Lay one colour over the pixels of a mask."""
    if mask.any():
        shown = np.where(mask, 1.0, np.nan)
        axes.imshow(shown, cmap=ListedColormap([colour]), vmin=0, vmax=1, interpolation="nearest")


def _mark(axes, labels: np.ndarray, cells: pd.DataFrame) -> None:
    """Mark the cells that are outside of the calibration or have no value."""
    for row in cells[cells["flag"] != ""].itertuples():
        y, x = np.nonzero(labels == row.roi_id)
        axes.plot(x.mean(), y.mean(), marker=MARKS.get(row.flag, "x"), color="#D55E00", mec="#FFFFFF", mew=0.8, ms=7)


def _top(values: list[np.ndarray]) -> float:
    """Return the upper end of the colour bar: a round number that holds nearly all pixels inside the calibration."""
    inside = np.concatenate([v[(v > 0) & np.isfinite(v)] for v in values]) if values else np.zeros(0)
    if not inside.size:
        return 1.0
    wanted = float(np.percentile(inside, SHOWN_PERCENT))
    step = 10.0 ** math.floor(math.log10(wanted)) / 2
    return round(math.ceil(wanted / step) * step, 10)


def _names(stacks: list[str]) -> dict[str, str]:
    """Return short names of stacks: what all of them begin with is left out."""
    parts = [stack.split("_") for stack in stacks]
    same = 0
    while len(stacks) > 1 and all(len(p) > same + 1 and p[same] == parts[0][same] for p in parts):
        same += 1
    short = {stack: "_".join(p[same:]) for stack, p in zip(stacks, parts, strict=True)}
    return {s: name if len(name) <= MOST_LETTERS else f"…{name[1 - MOST_LETTERS :]}" for s, name in short.items()}
