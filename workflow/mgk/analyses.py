"""The one table that says, for each analysis, its notebook, its rule and its folder under `results/`.

The Snakefile, the runner, the report and the checks all ask here. `section` is the part of config.yaml whose
experiments may name the analysis; the clinical section has one analysis and need not name it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis: `name` is also its rule's; `stage` its folder under results/."""

    name: str
    section: str
    stage: str
    notebook: str
    title: str
    tables: tuple[str, ...]
    figures: tuple[str, ...]

    def outputs(self, experiment: str) -> tuple[str, ...]:
        """Return the files that the notebook must write, relative to the study."""
        folder = f"results/{self.stage}/{experiment}"
        return tuple(f"{folder}/{name}" for name in (*self.tables, *self.figures))

    def executed(self, experiment: str) -> str:
        """Return the executed notebook, relative to the study."""
        return f"results/notebooks/{self.notebook}__{experiment}.ipynb"


ANALYSES = {
    a.name: a
    for a in (
        Analysis(
            name="current_voltage",
            section="recordings",
            stage="currents",
            notebook="20_current_voltage",
            title="Current-voltage relation",
            tables=("cells.csv", "groups.csv", "fits.csv"),
            figures=("current_voltage.svg",),
        ),
        Analysis(
            name="magnesium_block",
            section="recordings",
            stage="block",
            notebook="30_magnesium_block",
            title="Voltage-dependent block by Mg2+",
            tables=("fits.csv", "block.csv"),
            figures=("magnesium_block.svg", "cells.svg"),
        ),
        Analysis(
            name="magnesium_calibration",
            section="plates",
            stage="magnesium",
            notebook="40_magnesium_calibration",
            title="Free Mg2+ by mag-fura-2",
            tables=("free_magnesium.csv", "calibration.csv", "groups.csv"),
            figures=("free_magnesium.svg",),
        ),
        Analysis(
            name="atpase_activity",
            section="plates",
            stage="atpase",
            notebook="50_atpase_activity",
            title="Ouabain-sensitive ATPase activity",
            tables=("activity.csv", "standard_curve.csv", "fits.csv"),
            figures=("activity.svg", "standard_curve.svg"),
        ),
        Analysis(
            name="clinical_summary",
            section="clinical",
            stage="clinical",
            notebook="60_clinical_summary",
            title="Clinical table, meta-summary",
            tables=("effects.csv", "pooled.csv"),
            figures=("forest.svg",),
        ),
    )
}
