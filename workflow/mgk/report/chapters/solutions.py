"""The chapter on the solutions, on which the others rest; it belongs to the study, not to an analysis."""

from mgk.report.html import Fragment, table_html
from mgk.report.markdown import markdown_html
from mgk.study import Study
from mgk.tables import read_table

ABOUT = r"""## Solutions
Free ions and MgATP of each recipe at equilibrium, solved for all metals and ligands together.
The pH is an activity; constants are corrected for temperature by van't Hoff and for ionic strength by Davies:
$$\log K(I) = \log K_0 + 2\,|z_L|\,|z_M|\,(D_0 - D), \qquad
D = A \left( \frac{\sqrt{I}}{1 + \sqrt{I}} - 0.25\,I \right)$$
"""
SPECIES = ("Mg", "Ca", "K", "Na", "Cl", "ATP", "MgATP")


def solutions_chapter(project: Study) -> Fragment:
    """Return the free ions of every recipe."""
    return Fragment(markdown_html(ABOUT) + _free_ions(project).html)


def _free_ions(project: Study) -> Fragment:
    path = project.results / "solutions" / "free_ions.csv"
    if not path.exists():
        return Fragment("<p><strong>Missing: the free ions of the recipes were not made.</strong></p>")
    free = read_table(path, text=("species", "constants"))
    ions = free[free["species"].isin(SPECIES)]
    keys = ["solution_id", "constants", "ph", "temperature_c", "ionic_strength_m"]
    wide = ions.pivot_table(index=keys, columns="species", values="concentration_mm", sort=False).reset_index()
    wide.columns.name = None
    return table_html(wide, "Ions and MgATP at equilibrium, mM; species that are not in a recipe are left empty")
