"""The one table that says, for each analysis, its notebook, its rule and its folder under `results/`.

The Snakefile, the runner, the report and the checks all ask here. `section` is the part of config.yaml whose
experiments may name the analysis; the clinical section has one analysis and need not name it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis.

    `name` is also its rule's; `stage` its folder under results/; `unit` what a row of its fits is, in the plural;
    `figures` gives each figure its caption, to which the report adds the n.
    """

    name: str
    section: str
    stage: str
    notebook: str
    title: str
    unit: str
    tables: tuple[str, ...]
    figures: dict[str, str]

    def outputs(self, experiment: str) -> tuple[str, ...]:
        """Return the files that the notebook must write, relative to the study."""
        folder = f"results/{self.stage}/{experiment}"
        return tuple(f"{folder}/{name}" for name in (*self.tables, *self.figures))

    def inputs(self, experiment: str) -> tuple[str, ...]:
        """Return the tables that the notebook reads of its stage, relative to the study."""
        tables = {"recordings": ("measurements.csv", "quality.csv"), "plates": ("wells.csv", "quality.csv")}
        return tuple(f"results/{self.section}/{experiment}/{name}" for name in tables.get(self.section, ()))

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
            unit="cells",
            tables=("cells.csv", "groups.csv", "fits.csv"),
            figures={
                "current_voltage.svg": "Steady current against membrane potential, outward positive. Points: mean of "
                "animals with 95 % interval; thin lines: cells; dotted: Nernst potential of K+; dashed: excluded."
            },
        ),
        Analysis(
            name="magnesium_block",
            section="recordings",
            stage="block",
            notebook="30_magnesium_block",
            title="Voltage-dependent block by Mg2+",
            unit="cells",
            tables=("fits.csv", "block.csv"),
            figures={
                "magnesium_block.svg": "Current as a fraction of the control, against membrane potential (above) and "
                "free Mg2+ (below). Large points: mean of animals with 95 % interval; small points: cells; lines: "
                "Woodhull at the group's Ki(0) and z delta.",
                "cells.svg": "Each cell with its own global fit.",
            },
        ),
        Analysis(
            name="magnesium_calibration",
            section="plates",
            stage="magnesium",
            notebook="40_magnesium_calibration",
            title="Free Mg2+ by mag-fura-2",
            unit="samples",
            tables=("free_magnesium.csv", "calibration.csv", "groups.csv"),
            figures={
                "free_magnesium.svg": "Left: free Mg2+ of each sample with its 95 % interval, and the mean of each "
                "group. Right: the samples on the calibration curve; triangles are censored."
            },
        ),
        Analysis(
            name="atpase_activity",
            section="plates",
            stage="atpase",
            notebook="50_atpase_activity",
            title="Ouabain-sensitive ATPase activity",
            unit="animals",
            tables=("activity.csv", "standard_curve.csv", "fits.csv"),
            figures={
                "activity.svg": "Ouabain-sensitive activity against free Mg2+ (left) and total Mg2+ (right). Points: "
                "animals; thin lines: fit of each animal, dashed where K0.5 is not identified; thick lines: group.",
                "standard_curve.svg": "Standard curves of phosphate. Dotted: limit of detection; dashed: limit of "
                "quantification; ticks: the samples.",
            },
        ),
        Analysis(
            name="clinical_summary",
            section="clinical",
            stage="clinical",
            notebook="60_clinical_summary",
            title="Clinical table, meta-summary",
            unit="studies",
            tables=("effects.csv", "pooled.csv"),
            figures={
                "forest.svg": "Forest plot. Squares: studies, their area the weight; diamonds: common and random "
                "effects; bar: prediction interval."
            },
        ),
    )
}
