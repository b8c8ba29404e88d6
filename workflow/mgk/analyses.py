"""The one table that says, for each analysis, its notebook, its rule and its folder under `results/`.

The Snakefile, the runner, the report and the checks all ask here. `section` is the part of config.yaml whose
experiments may name the analysis; the clinical section has one analysis and need not name it. An analysis that a study
has once (`once`) is its own section and its own experiment, and its files lie in the folder of its stage.
"""

from dataclasses import dataclass

# The tables that the readers and the measurement make for each experiment of a section.
EXPERIMENT_TABLES = {
    "recordings": ("measurements.csv", "quality.csv", "membrane_test.csv", "corrections.csv", "thumbnails.csv"),
    "plates": ("wells.csv", "quality.csv"),
    "stacks": ("traces.csv", "rois.csv", "quality.csv", "images.tif"),
}

# Analyses that end in free Mg2+, in a groups.csv and a free_magnesium.csv of one form.
FREE_MAGNESIUM = ("magnesium_calibration", "image_stacks")


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis.

    `name` is also its rule's; `stage` its folder under results/; `unit` what a row of its fits is, in the plural;
    `figures` gives each figure its caption, to which the report adds the n. `raw_tables` are made of an experiment's
    raw files where they are not those of its section, by the rule `reader`; such an analysis stands alone. The
    recordings with one id in the column `together` of recordings.csv are put together: one process reads them.
    """

    name: str
    section: str
    stage: str
    notebook: str
    title: str
    unit: str
    tables: tuple[str, ...]
    figures: dict[str, str]
    once: bool = False
    raw_tables: tuple[str, ...] = ()
    reader: str = ""
    together: str = "recording_id"

    def folder(self, experiment: str) -> str:
        """Return the folder of the results, relative to the study."""
        return f"results/{self.stage}" if self.once else f"results/{self.stage}/{experiment}"

    def outputs(self, experiment: str) -> tuple[str, ...]:
        """Return the files that the notebook must write, relative to the study."""
        folder = self.folder(experiment)
        return tuple(f"{folder}/{name}" for name in (*self.tables, *self.figures))

    def alternatives(self, experiment: str) -> tuple[str, ...]:
        """Return the text alternatives that are written beside the figures, relative to the study."""
        return tuple(f"{self.folder(experiment)}/{name.removesuffix('.svg')}.alt.txt" for name in self.figures)

    def inputs(self, experiment: str) -> tuple[str, ...]:
        """Return the tables that are made of an experiment's raw files, relative to the study."""
        names = self.raw_tables or EXPERIMENT_TABLES.get(self.section, ())
        return tuple(f"results/{self.section}/{experiment}/{name}" for name in names)

    def executed(self, experiment: str) -> str:
        """Return the executed notebook, relative to the study."""
        return f"results/notebooks/{self.notebook}__{self.name if self.once else experiment}.ipynb"


ANALYSES = {
    a.name: a
    for a in (
        Analysis(
            name="solutions",
            section="solutions",
            stage="solutions",
            notebook="05_solutions",
            title="Solutions",
            unit="solutions",
            tables=("solutions.csv", "binding.csv", "constant_sets.csv", "conditions.csv", "pairs.csv"),
            figures={
                "composition.svg": "Where the Mg2+ and the Ca2+ of each solution are: free, or with which ligand.",
                "constant_sets.svg": "Free metals and MgATP of each solution relative to the set in use (filled), a "
                "point for each set of constants; what a set lacks is inert for both.",
                "conditions.svg": "Free metals and MgATP relative to the recipe's own conditions, against pH (left) "
                "and temperature (right).",
            },
            once=True,
        ),
        Analysis(
            name="equilibria",
            section="equilibria",
            stage="equilibria",
            notebook="06_equilibria",
            title="Equilibria and transport",
            unit="quantities",
            tables=("equilibria.csv", "concentrations.csv", "contributions.csv", "courses.csv", "checks.csv"),
            figures={
                "potentials.svg": "Equilibrium potentials over the stated ranges. Left: each ion of each system, grey: "
                "the membrane potential. Right: the same against the gradient, with the line of each valence.",
                "transport.svg": "Reversal potential of the pump against Na+ inside (left) and of the aspartate "
                "transporter against its gradient (right). Bands: ranges of all else; grey: membrane potential.",
                "checks.svg": "What the study has against the range that the table states (bars). Points: measured "
                "means with 95 % interval, at each published Kd; squares: free ions of recipes.",
            },
            once=True,
        ),
        Analysis(
            name="membrane_test",
            section="recordings",
            stage="quality",
            notebook="10_recordings_quality",
            title="Membrane test and quality of recordings",
            unit="cells",
            tables=("verdicts.csv", "thresholds.csv", "fits.csv"),
            figures={
                "sweeps.svg": "Sweeps of each recording between the lowest and highest current in bins of time, and "
                "the windows in which it was measured. Grey: excluded.",
                "numbers.svg": "The numbers that recordings are judged by, a point per recording; dashed: limits.",
            },
        ),
        Analysis(
            name="current_voltage",
            section="recordings",
            stage="currents",
            notebook="20_current_voltage",
            title="Current-voltage relation",
            unit="cells",
            tables=(
                "cells.csv",
                "groups.csv",
                "fits.csv",
                "gating.csv",
                "time_constants.csv",
                "comparisons.csv",
                "shared.csv",
            ),
            figures={
                "current_voltage.svg": "Current in each window against membrane potential, outward positive. Points: "
                "mean of animals with 95 % interval; hollow: of fewer cells; thin lines: cells; dotted: Nernst "
                "potential of K+, where recipes give it; dashed: excluded.",
                "gating.svg": "Open or available fraction against membrane potential. Large points: mean of animals "
                "with 95 % interval; small points: cells; lines: Boltzmann at the V1/2 and k of the group.",
                "time_constants.svg": "Time constant of the current after a step against membrane potential. Large "
                "points: geometric mean of animals with 95 % interval; small points: cells.",
                "comparison.svg": "Conditions compared, the animal being the unit. Small points: cells; large points: "
                "animals, joined where an animal is in both.",
            },
        ),
        Analysis(
            name="unitary_conductance",
            section="recordings",
            stage="unitary",
            notebook="21_unitary_conductance",
            title="Unitary conductance",
            unit="patches",
            tables=("amplitudes.csv", "dwell_times.csv", "fits.csv", "relations.csv", "comparisons.csv"),
            raw_tables=(
                "levels.csv",
                "dwell_times.csv",
                "events.csv",
                "histograms.csv",
                "excerpts.csv",
                "quality.csv",
            ),
            reader="analyse_patches",
            together="cell_id",
            figures={
                "traces.svg": "A stretch of each patch without drift, and its idealisation. Dashed: closed.",
                "histograms.svg": "All-points histogram of each patch at one potential with the fitted levels.",
                "current_voltage.svg": "Left: unitary current against membrane potential, with standard errors and "
                "the line of each patch; crosses: left out. Right: slope conductance; small points: patches, large "
                "points: mean of animals with 95 % interval.",
                "dwell_times.svg": "Open and closed times of the patches in which no two channels opened at once: "
                "times, square root of counts in logarithmic bins, with the fitted exponentials.",
            },
        ),
        Analysis(
            name="excitability",
            section="recordings",
            stage="excitability",
            notebook="22_excitability",
            title="Excitability, current clamp",
            unit="cells",
            tables=("cells.csv", "fits.csv", "comparisons.csv"),
            raw_tables=("excitability.csv", "spikes.csv", "quality.csv", "traces.csv", "waveforms.csv"),
            reader="measure_current_clamp",
            figures={
                "sweeps.svg": "Membrane potential of each cell at its largest step, the lowest step that fires and the "
                "steps below 0, as recorded. Dots: spikes; grey: excluded.",
                "spikes.svg": "First spike of each cell: against time from its threshold (left), and its slope "
                "against the potential (right). Crosses: threshold.",
                "passive.svg": "Left: steady change of potential against the current of the step, with the line of "
                "each cell through the small steps (filled). Right: time constant of each step.",
                "firing.svg": "Spikes per second against the current of the step. Thin: cells; thick: mean of "
                "animals with 95 % interval; triangles: rheobase of each cell, right-pointing where it is above the "
                "largest step.",
                "comparison.svg": "Conditions compared, the animal being the unit. Small points: cells; large points: "
                "animals, joined where an animal is in both.",
            },
        ),
        Analysis(
            name="relaxation",
            section="recordings",
            stage="relaxation",
            notebook="25_relaxation",
            title="Relaxation after mixing",
            unit="preparations",
            tables=("rates.csv", "fits.csv", "comparisons.csv"),
            raw_tables=("transients.csv", "quality.csv"),
            reader="average_shots",
            together="cell_id",
            figures={
                "transients.svg": "Mean of the shots of each preparation and concentration, with the fit that was "
                "taken, from the end of the dead time; below, what the fit leaves.",
                "rates.svg": "Observed rates of the fast and slow phase against the free concentration. Points: "
                "transients with 95 % interval; thin lines: preparations; thick lines: group. Crosses: one rate only.",
            },
        ),
        Analysis(
            name="magnesium_block",
            section="recordings",
            stage="block",
            notebook="30_magnesium_block",
            title="Voltage-dependent block by Mg2+",
            unit="cells",
            tables=("fits.csv", "block.csv", "models.csv", "ki_at_potential.csv", "uncorrected.csv"),
            figures={
                "magnesium_block.svg": "Fractional inhibition, 1 - I/I0, against membrane potential (above) and free "
                "Mg2+ (below). Large points: mean of animals with 95 % interval; small points: cells; lines: Woodhull "
                "at the group's parameters.",
                "cells.svg": "Each cell with its own global fit.",
                "profile.svg": "Profile likelihood of one cell, that with the widest interval of Ki(0).",
            },
        ),
        Analysis(
            name="salt_comparison",
            section="recordings",
            stage="salts",
            notebook="31_salt_comparison",
            title="Salts of a blocking cation compared",
            unit="cells",
            tables=("fits.csv", "models.csv", "effects.csv", "comparisons.csv"),
            figures={
                "current_voltage.svg": "Current against membrane potential in each salt, a colour a total "
                "concentration. Points: mean of animals with 95 % interval; thin lines: cells; thick lines: Woodhull "
                "with a gain, mean of cells.",
                "effects.svg": "What each effect of a solution makes of the current at the control. Large points: "
                "geometric mean of animals with 95 % interval; small points: cells. Zinc is calculated.",
            },
        ),
        Analysis(
            name="plate_quality",
            section="plates",
            stage="plate_quality",
            notebook="35_plate_quality",
            title="Quality of plates",
            unit="plates",
            tables=("verdicts.csv", "limits.csv", "positions.csv", "controls.csv", "replicates.csv"),
            figures={
                "plate_maps.svg": "Each plate: what was read in each well, how far a well lies from the mean of wells "
                "that should be alike, and what the well is for. Marks: wells without a value.",
                "numbers.svg": "Left: what position does, with 95 % intervals. Middle: Z' of the controls with its "
                "bootstrap interval. Right: spread of like wells, a point a group. Dashed: limits.",
            },
        ),
        Analysis(
            name="magnesium_calibration",
            section="plates",
            stage="magnesium",
            notebook="40_magnesium_calibration",
            title="Free Mg2+ by mag-fura-2",
            unit="samples",
            tables=(
                "free_magnesium.csv",
                "calibration.csv",
                "fits.csv",
                "standards.csv",
                "groups.csv",
                "comparisons.csv",
                "interference.csv",
                "time_course.csv",
                "slopes.csv",
                "drift.csv",
            ),
            figures={
                "free_magnesium.svg": "Left: free Mg2+ of each sample with its 95 % interval, and the mean of each "
                "group. Right: the samples on the calibration curve; triangles are censored, crosses standards.",
                "time_course.svg": "Left: free Mg2+ over time, thin lines samples, points means of animals with 95 % "
                "interval. Right: drift of the calibration wells. Or why there is no time course.",
            },
        ),
        Analysis(
            name="image_stacks",
            section="stacks",
            stage="stacks",
            notebook="45_image_stacks",
            title="Free Mg2+ of cells in image stacks",
            unit="cells",
            tables=(
                "free_magnesium.csv",
                "calibration.csv",
                "fits.csv",
                "groups.csv",
                "comparisons.csv",
                "interference.csv",
                "time_course.csv",
                "slopes.csv",
            ),
            figures={
                "regions.svg": "Mean image at 380 nm of each stack with the outlines of its cells. Dashed: left out; "
                "pink: saturated pixels; bar: 20 pixels.",
                "ratio_images.svg": "Free Mg2+ in the pixels of the cells, from the mean of the frames. Black: at or "
                "below Rmin; white: at or above Rmax; pink: saturated. Marks: cells outside of the calibration or left "
                "out.",
                "free_magnesium.svg": "Left: free Mg2+ of each cell with its 95 % interval, and the mean of each "
                "group. Right: the cells on the calibration curve; triangles are censored.",
                "time_course.svg": "Free Mg2+ over time, thin lines cells, points means of animals with 95 % "
                "interval. Or why there is no time course.",
            },
        ),
        Analysis(
            name="atpase_activity",
            section="plates",
            stage="atpase",
            notebook="50_atpase_activity",
            title="Ouabain-sensitive ATPase activity",
            unit="animals",
            tables=(
                "activity.csv",
                "standard_curve.csv",
                "amounts.csv",
                "protein.csv",
                "gates.csv",
                "fits.csv",
                "models.csv",
                "comparisons.csv",
                "shared.csv",
                "strenda.csv",
            ),
            figures={
                "activity.svg": "Ouabain-sensitive activity against free Mg2+ (left) and total Mg2+ (right). Points: "
                "animals; thin lines: fit of each animal, dashed where K0.5 is not identified; thick lines: group.",
                "standard_curve.svg": "Standard curves of phosphate. Dotted: limit of detection; dashed: limit of "
                "quantification; crosses: saturated, left out; ticks: the samples.",
                "protein.svg": "Standard curve of the protein assay. Ticks: the preparations.",
                "profile.svg": "Profile likelihood of K0.5, a line an animal. Dashed: where a 95 % interval ends.",
            },
        ),
        Analysis(
            name="coupled_assay",
            section="plates",
            stage="coupled",
            notebook="51_coupled_assay",
            title="ATPase activity by the coupled assay",
            unit="animals",
            tables=("activity.csv", "slopes.csv", "adp_standards.csv", "fits.csv", "comparisons.csv", "strenda.csv"),
            figures={
                "activity.svg": "Ouabain-sensitive activity by the coupled assay. Points: animals with 95 % interval; "
                "bars: mean of each group with 95 % interval over animals.",
                "windows.svg": "Absorbance at 340 nm of each well, a panel a preparation. Thick: the linear window; "
                "crosses: bubbles, left out.",
                "adp_standards.svg": "ADP standards: fall of absorbance at 340 nm once settled.",
            },
        ),
        Analysis(
            name="curves",
            section="curves",
            stage="curves",
            notebook="70_curves",
            title="Curves: dose-response, saturation, decay",
            unit="curves",
            tables=("fits.csv", "points.csv", "comparisons.csv", "shared.csv"),
            figures={
                "curves.svg": "Each condition, y as a fraction of the curve's own span. Large points: mean of animals "
                "with 95 % interval; small points: curves; line: the model at the constants of the condition.",
                "each_curve.svg": "Each curve with its fit. Points: mean with standard error; dashed and grey: not "
                "identified.",
                "constants.svg": "Constants of the curves. Small points: curves; large points: animals, joined where "
                "an animal is in both; bars: geometric mean of the condition with 95 % interval.",
                "profile.svg": "Profile likelihood of one curve, that with the widest interval that closes.",
            },
        ),
        Analysis(
            name="clinical_summary",
            section="clinical",
            stage="clinical",
            notebook="60_clinical_summary",
            title="Clinical table, meta-summary",
            unit="studies",
            tables=(
                "effects.csv",
                "pooled.csv",
                "counts.csv",
                "sparse.csv",
                "leave_one_out.csv",
                "cumulative.csv",
                "influence.csv",
                "small_study.csv",
                "moderators.csv",
                "control_risk.csv",
                "dependent.csv",
                "words.csv",
            ),
            figures={
                "forest.svg": "Forest plot. Squares: studies, their area the weight; diamonds: common and random "
                "effects; bar: prediction interval.",
                "diagnostics.svg": "Funnel with contours of p against no effect, radial, Baujat and L'Abbé plots, or "
                "why one is not drawn.",
                "sequences.svg": "Studies added one by one, and each study left out.",
                "moderators.svg": "Meta-regression: area of a bubble, weight; bands: interval of the mean, and of a "
                "new study.",
            },
        ),
        Analysis(
            name="claims",
            section="claims",
            stage="clinical",
            notebook="61_claims",
            title="Published claims, checked",
            unit="claims",
            tables=("claims.csv", "claim_checks.csv", "claim_tables.csv"),
            figures={
                "claims.svg": "Verdicts: a row a claim, a column a check; at the left that on the claim, the worst "
                "of its checks."
            },
            once=True,
        ),
        Analysis(
            name="magnesium_forms",
            section="magnesium_forms",
            stage="clinical",
            notebook="62_magnesium_forms",
            title="Salts of magnesium",
            unit="salts",
            tables=("magnesium_forms.csv",),
            figures={
                "magnesium_forms.svg": "Left: elemental magnesium by mass. Right: mass of salt that holds the upper "
                "level for supplements."
            },
            once=True,
        ),
        Analysis(
            name="synthesis",
            section="synthesis",
            stage="synthesis",
            notebook="80_synthesis",
            title="Synthesis",
            unit="predictions",
            tables=("prediction.csv", "variance.csv", "assumptions.csv"),
            figures={
                "open_fraction.svg": "A model prediction: fraction of ROMK that internal Mg2+ leaves open, with 95 % "
                "bands over the joint draws of all errors. Dashed: the stated apical potential.",
                "ratios.svg": "A model prediction: each level of free Mg2+ against its reference, with 95 % intervals. "
                "Diamonds: with what was put in.",
                "variance.svg": "A model prediction: variance of each prediction by source (first order); grey: "
                "what sources do together.",
            },
            once=True,
        ),
    )
}


def is_relaxation(settings) -> bool:
    """Return whether an experiment of recordings is one of shots after mixing, without command and membrane."""
    return settings.get("analysis") == "relaxation"


def reader_of(settings) -> str:
    """Return the rule that reads the raw files of an experiment in place of its section's; '' where there is none."""
    alone = _alone(settings)
    return alone.reader if alone else ""


def together_by(settings) -> str:
    """Return the column of recordings.csv by which the recordings of an experiment are put together."""
    alone = _alone(settings)
    return alone.together if alone else "recording_id"


def _alone(settings) -> Analysis | None:
    name = settings.get("analysis")
    return ANALYSES.get(name) if isinstance(name, str) else None


def is_unitary(settings) -> bool:
    """Return whether an experiment of recordings is one of single channels, which is not measured in windows."""
    return settings.get("analysis") == "unitary_conductance"


def is_excitability(settings) -> bool:
    """Return whether an experiment of recordings is one in current clamp: potentials recorded, currents injected."""
    return settings.get("analysis") == "excitability"
