"""The chapter on free Mg2+ of the cells of image stacks."""

from mgk.report.chapters import magnesium
from mgk.report.chapters.chapter import Chapter
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results
from mgk.stacks import stack_settings

ABOUT = r"""## Free Mg2+ of cells in image stacks
Each pixel shows the camera's offset and, by the flat field $L$, what light makes of dye and medium:
$$S = O + L\,(F + B) \quad\Rightarrow\quad F = \frac{S - O}{L} - B$$
The background $B$ is taken in the same pixels in every frame. The image at 380 nm is laid onto that at 340 nm by a
shift that is found once; both are blurred alike. A cell's $F_{340}$ and $F_{380}$ are sums over its pixels, told in
pixels as bright as its inner half, so that beta does not go by how much of a cell's dim rim an outline holds. Its
ratio is that of the sums over frames, and free Mg2+ comes from the very calibration of plates (Grynkiewicz), whose
error is common to all cells.
Cells and pixels outside of the calibrated range are shown as such; a cell with saturated pixels is left out and named.
Cells lie within animals, and the animal is the unit.
"""
JUDGED = (
    "stack_id", "role", "condition", "n_rois", "n_excluded", "shift_y_px", "shift_x_px", "background", "verdict",
    "reason",
)  # fmt: skip


def tables(results: Results) -> Fragment:
    """Show the groups and comparisons as the chapter on plates does, then how each stack was measured."""
    html = magnesium.tables(results).html
    words = f"{results.title}. How each stack was measured; shift of the image at 380 nm against that at 340 nm"
    shown = results.table("quality.csv")[list(JUDGED)]
    return Fragment(html + results_table(results, "quality.csv", shown, words).html)


def count(results: Results) -> str:
    """Return the n of cells and of animals."""
    cells = results.table("free_magnesium.csv")
    used = cells["free_magnesium_mm"].notna()
    left_out = int((~used).sum())
    words = f"n: {int(used.sum())} cells of {cells.loc[used, 'animal_id'].nunique()} animals"
    return f"{words}; {left_out} left out." if left_out else f"{words}."


def method(results: Results) -> str:
    """Return the calibration, the dissociation constant, registration and the limit of saturation."""
    kd, given = results.settings["kd_mm"], stack_settings(results.settings)
    stated = results.settings.get("calibration") == "stated"
    calibrated = "stated Rmin, Rmax and beta" if stated else "Rmin, Rmax and beta of cells of the same run"
    shift = f"shift found, at most {given.shift_max_px:g} px" if given.register else "no registration"
    saturated = f"frames of a cell with more than {given.saturated_max_percent:g} % saturated pixels left out"
    return f"{calibrated}; Kd {kd['value']:g} mM ({kd['source']}); {shift}; {saturated}"


CHAPTER = Chapter(ABOUT, tables, count, magnesium.key_numbers, method)
