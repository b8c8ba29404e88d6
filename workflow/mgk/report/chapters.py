"""What the report shows, chapter by chapter, from results alone; the report's notebook calls these and tells the story.

Everything returned is a `Fragment` of HTML in which names from tables are text. A chapter whose results are not there
says so, with the place of the failed notebook when there is one.
"""

from html import escape
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from mgk.analyses import ANALYSES, Analysis
from mgk.checks import not_analysed, not_used
from mgk.report.html import Fragment, figure_html, format_numbers, link_html, table_html
from mgk.report.key_numbers import counted, is_there, key_numbers
from mgk.study import Study
from mgk.tables import read_table

KINDS = {
    "simulated": "simulated, with known truth",
    "measured": "real",
    "mixed": "partly simulated, partly real",
}
SIMULATED = "Simulated data show that the analysis recovers what was put in. They teach nothing about nature."
# Rows of fits.csv that a chapter shows: those of groups; the rest is a link away.
SHOWN_FITS = (
    "group",
    "model",
    "parameter",
    "unit",
    "estimate",
    "ci_low",
    "ci_high",
    "n_cells",
    "n_animals",
    "verdict",
    "reason",
)
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib", "neo", "snakemake", "papermill")


def opening(project: Study) -> Fragment:
    """Return the first screen: what was asked, of which data, and whether it is all there."""
    rows = []
    for name, experiment in project.analyses():
        analysis = ANALYSES[name]
        settings = project.experiment(analysis.section, experiment)
        rows.append(
            {
                "Analysis": analysis.title,
                "Experiment": settings.get("title", experiment),
                "Data": KINDS[project.data_of(analysis.section, experiment)],
                "State": "made" if is_there(project, analysis, experiment) else "MISSING",
                "Notebook": _notebook_link(project, analysis, experiment),
            }
        )
    missing = [r for r in rows if r["State"] == "MISSING"]
    state = (
        f"{len(missing)} of {len(rows)} chapters are missing; they are named below."
        if missing
        else "All chapters were made."
    )
    simulated = any(row["Data"] != KINDS["measured"] for row in rows)
    head = f"<p><strong>{state}</strong> {SIMULATED if simulated else 'All data are real.'}</p>"
    return Fragment(head + table_html(pd.DataFrame(rows).astype(object), "What was asked, and of which data").html)


def numbers_table(project: Study) -> Fragment:
    """Return the key numbers, each with interval, reference, n, verdict and its notebook."""
    numbers = key_numbers(project)
    if numbers.empty:
        return Fragment("<p>No key numbers: none of the chapters was made.</p>")
    shown = pd.DataFrame(
        {
            "Quantity": numbers["quantity"],
            "Group": numbers["group"],
            "Result [95 % CI]": [_interval(row) for _, row in numbers.iterrows()],
            "Unit": numbers["unit"],
            "Put in, or published": [_reference(row) for _, row in numbers.iterrows()],
            "n": numbers["n"],
            "Verdict": [_verdict(row) for _, row in numbers.iterrows()],
            "Data": numbers["data"],
            "Experiment": [
                _notebook_link(project, ANALYSES[row["analysis"]], row["experiment"]) for _, row in numbers.iterrows()
            ],
        },
        dtype=object,
    )
    caption = "Key numbers. Simulated data: put in, and recovered. Real data: result, and published value."
    return Fragment(table_html(shown, caption).html + _sources(numbers))


def _sources(numbers: pd.DataFrame) -> str:
    """Return where each reference value was read, folded away below the table."""
    known = numbers[numbers["reference"].notna()]
    lines = [f"{r.experiment}, {r.group}, {r.quantity}: {r.reference_source}" for r in known.itertuples()]
    items = "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines))
    return f"<details><summary>Sources of the reference values</summary><ul>{items}</ul></details>" if items else ""


def gaps(project: Study) -> Fragment:
    """Return what is missing, excluded or not analysed."""
    parts = []
    for name, experiment in project.analyses():
        if not is_there(project, ANALYSES[name], experiment):
            parts.append(f"<li>{_missing(project, ANALYSES[name], experiment)}</li>")
    for table, experiment, n in not_analysed(project):
        text = (
            f"{n} rows of raw_data/{table}.csv are not analysed: config.yaml does not name the experiment {experiment}."
        )
        parts.append(f"<li>{escape(text)}</li>")
    parts += [f"<li>{escape(line)}.</li>" for line in not_used(project)]
    for stage, what in (("recordings", "recording_id"), ("plates", "plate_id")):
        parts += [f"<li>{escape(text)}</li>" for text in _not_passed(project, stage, what)]
    return Fragment(f"<ul>{''.join(parts)}</ul>" if parts else "<p>Nothing is missing, excluded or left out.</p>")


def chapter(project: Study, name: str) -> Fragment:
    """Return the chapter of an analysis: for each experiment its figures, its table, its notebook."""
    analysis = ANALYSES[name]
    parts = []
    for experiment in [e for a, e in project.analyses() if a == name]:
        settings = project.experiment(analysis.section, experiment)
        parts.append(f"<h3>{escape(settings.get('title', experiment))}</h3>")
        if not is_there(project, analysis, experiment):
            parts.append(f"<p><strong>{_missing(project, analysis, experiment)}</strong></p>")
            continue
        folder = project.results / analysis.stage / experiment
        kind = KINDS[project.data_of(analysis.section, experiment)]
        links = [link_html(t, f"../{analysis.stage}/{experiment}/{t}").html for t in analysis.tables]
        notebook = _notebook_link(project, analysis, experiment).html
        parts.append(f"<p>Data: {kind}. Notebook: {notebook}. Tables: {', '.join(links)}.</p>")
        n = _counts(analysis, folder)
        parts += [figure_html(folder / f, f"{words} {n}".strip()).html for f, words in analysis.figures.items()]
        parts.append(_chapter_table(analysis, folder).html)
    return Fragment("".join(parts))


def solutions_chapter(project: Study) -> Fragment:
    """Return the free ions of every recipe."""
    path = project.results / "solutions" / "free_ions.csv"
    if not path.exists():
        return Fragment("<p><strong>Missing: the free ions of the recipes were not made.</strong></p>")
    free = read_table(path, text=("species", "constants"))
    ions = free[free["species"].isin(["Mg", "Ca", "K", "Na", "Cl", "ATP", "MgATP"])]
    keys = ["solution_id", "constants", "ph", "temperature_c", "ionic_strength_m"]
    wide = ions.pivot_table(index=keys, columns="species", values="concentration_mm", sort=False).reset_index()
    wide.columns.name = None
    return table_html(wide, "Ions and MgATP at equilibrium, mM; species that are not in a recipe are left empty")


def methods(project: Study) -> Fragment:
    """Return how it was computed, written from the configuration and the installed versions."""
    sets = f"Stability constants: the set {project.constants}." if project.solutions() else ""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    told = [f"{ANALYSES[a].title}, {e}: {_method(project, a, e)}." for a, e in project.analyses()]
    paragraphs = [sets, *told, f"Computed with {versions}; the Python is in results/provenance/run.json."]
    return Fragment("".join(f"<p>{escape(p)}</p>" for p in paragraphs if p))


def _method(project: Study, name: str, experiment: str) -> str:
    settings = project.experiment(ANALYSES[name].section, experiment)
    if name == "magnesium_calibration":
        return f"Kd {settings['kd_mm']['value']:g} mM ({settings['kd_mm']['source']})"
    if name == "atpase_activity":
        return f"free Mg2+ and MgATP of each tube are solved in the medium {settings['medium']}"
    if name == "clinical_summary":
        return f"measure {settings['measure']}, table raw_data/{settings['table']}"
    windows = settings["windows_ms"]
    origin = f"the start of epoch {windows['epoch']}" if "epoch" in windows else "the start of the sweep"
    spans = ", ".join(f"{k} {v[0]:g} to {v[1]:g} ms" for k, v in windows.items() if k != "epoch")
    return f"windows from {origin}: {spans}; peak {settings.get('polarity', 'absolute')}; no corrections applied"


def _interval(row: pd.Series) -> str:
    estimate, low, high = format_numbers([row["estimate"], row["ci_low"], row["ci_high"]])
    return estimate if low == high == "–" else f"{estimate} [{low}, {high}]"


def _reference(row: pd.Series) -> str:
    if pd.isna(row["reference"]):
        return "–"
    missed = ", missed by the interval" if row["holds_reference"] == "no" else ""
    return f"{row['reference']:g} {row['reference_kind']}{missed}"


def _verdict(row: pd.Series) -> str:
    return f"{row['verdict']}: {row['reason']}" if row["reason"] else row["verdict"]


def _notebook_link(project: Study, analysis: Analysis, experiment: str) -> Fragment | str:
    executed = Path(analysis.executed(experiment))
    if not (project.root / executed).exists():
        return experiment
    return link_html(experiment, f"notebooks/{executed.stem}.html")


def _missing(project: Study, analysis: Analysis, experiment: str) -> str:
    copy = f"logs/{analysis.name}/{experiment}.ipynb"
    place = (
        f"; the notebook that failed is results/{copy}"
        if (project.results / copy).exists()
        else "; what it needs was not made"
    )
    return escape(f"Missing: {analysis.title}, {experiment}{place}; logs are in results/logs/.")


def _not_passed(project: Study, stage: str, what: str) -> list[str]:
    path = project.results / stage / "quality.csv"
    if not project.experiments(stage) or not path.exists():
        return []
    quality = read_table(path)
    found = quality[quality["verdict"] != "pass"]
    return [f"{stage[:-1]} {row[what]}: {row['verdict']}, {row['reason']}." for _, row in found.iterrows()]


def _counts(analysis: Analysis, folder: Path) -> str:
    """Return the n of a chapter in words, from whichever of its tables counts."""
    if analysis.name == "clinical_summary":
        return f"n: {read_table(folder / 'pooled.csv')['k'].max():.0f} studies."
    if analysis.name == "magnesium_calibration":
        samples = read_table(folder / "free_magnesium.csv")
        return f"n: {len(samples)} samples, {samples['animal_id'].nunique()} animals or donors."
    fits = read_table(folder / "fits.csv")
    groups = fits[fits["unit_id"] == ""].groupby("group", sort=False)[["n_cells", "n_animals"]].max()
    words = [f"{g}: {counted(analysis, n.n_cells, n.n_animals)}" for g, n in groups.iterrows()]
    return f"n, {'; '.join(words)}." if words else ""


def _chapter_table(analysis: Analysis, folder: Path) -> Fragment:
    if analysis.name == "clinical_summary":
        return _pooled_table(read_table(folder / "pooled.csv"))
    if analysis.name == "magnesium_calibration":
        return _magnesium_table(read_table(folder / "groups.csv"))
    fits = read_table(folder / "fits.csv")
    groups = fits[(fits["unit_id"] == "") & ~fits["model"].str.startswith("chord")]
    return table_html(groups[list(SHOWN_FITS)], "Parameters per group: cells within animals, 95 % intervals")


def _pooled_table(pooled: pd.DataFrame) -> Fragment:
    columns = ["model", "method", "test", "k", "back_transformed_estimate", "back_transformed_ci_low",
               "back_transformed_ci_high", "tau2", "i2", "q", "q_df", "q_p"]  # fmt: skip
    labels = {c: c.removeprefix("back_transformed_") for c in columns}
    return table_html(pooled[columns], "Pooled estimates, back-transformed, with 95 % intervals", labels)


def _magnesium_table(groups: pd.DataFrame) -> Fragment:
    """Show the mean at each published Kd; where censored samples leave no mean, say so once."""
    means = groups[groups["statistic"] == "mean"]
    mean = means[means["ci_low"].notna()]
    unknown = means[means["ci_low"].isna()].drop_duplicates("condition")
    columns = ["condition", "kd_mm", "estimate", "ci_low", "ci_high", "n_animals", "n_samples", "n_below_rmin",
               "n_above_rmax", "reason"]  # fmt: skip
    shown = pd.concat([mean, unknown])[columns].rename(columns={"estimate": "mean"})
    return table_html(shown, "Mean free Mg2+ (mM) over animals at each published Kd (mM), with 95 % intervals")
