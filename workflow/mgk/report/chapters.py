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
from mgk.study import ONCE, Study
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
CLAIM_COLUMNS = ("claim_id", "statement", "verdict", "reason", "recomputed", "source")
MOST_GROUPS_NAMED = 4
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib", "snakemake", "papermill")


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
            "Experiment": [
                _notebook_link(project, ANALYSES[row["analysis"]], row["experiment"]) for _, row in numbers.iterrows()
            ],
            "Group": numbers["group"],
            "Result [95 % CI]": [_interval(row) for _, row in numbers.iterrows()],
            "Unit": numbers["unit"],
            "Put in, or published": [_reference(row) for _, row in numbers.iterrows()],
            "n": numbers["n"],
            "Verdict": [_verdict(row) for _, row in numbers.iterrows()],
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
        if not analysis.once:
            parts.append(f"<h3>{escape(settings.get('title', experiment))}</h3>")
        if not is_there(project, analysis, experiment):
            parts.append(f"<p><strong>{_missing(project, analysis, experiment)}</strong></p>")
            continue
        folder = project.root / analysis.folder(experiment)
        kind = KINDS[project.data_of(analysis.section, experiment)]
        place = analysis.folder(experiment).removeprefix("results")
        links = [link_html(t, f"..{place}/{t}").html for t in analysis.tables]
        notebook = _notebook_link(project, analysis, experiment).html
        parts.append(f"<p>Data: {kind}. Notebook: {notebook}. Tables: {', '.join(links)}.</p>")
        parts += _figures(analysis, folder)
        parts.append(_chapter_table(analysis, folder).html)
    return Fragment("".join(parts))


def _figures(analysis: Analysis, folder: Path) -> list[str]:
    """Return the figures with caption and n; of one that has nothing to draw, only its words."""
    n = _counts(analysis, folder)
    shown = []
    for file, caption in analysis.figures.items():
        alt = (folder / file).with_suffix(".alt.txt").read_text(encoding="utf-8").strip()
        empty = alt.startswith("Nothing to draw")
        figure = f"<p>{escape(alt)}</p>" if empty else figure_html(folder / file, f"{caption} {n}".strip(), alt).html
        shown.append(figure)
    return shown


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
    if name in ONCE:
        return f"table raw_data/{settings['table']}"
    windows = settings["windows_ms"]
    origin = f"the start of epoch {windows['epoch']}" if "epoch" in windows else "the start of the sweep"
    spans = ", ".join(f"{k} {v[0]:g} to {v[1]:g} ms" for k, v in windows.items() if k != "epoch")
    asked = {k: v for k, v in (settings.get("corrections") or {}).items() if v != "none"}
    done = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in asked.items()) or "none"
    return f"windows from {origin}: {spans}; peak {settings.get('polarity', 'absolute')}; corrections: {done}"


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
    if analysis.once:
        return f"n: {len(read_table(folder / analysis.tables[0]))} {analysis.unit}."
    if analysis.name == "magnesium_calibration":
        samples = read_table(folder / "free_magnesium.csv")
        return f"n: {len(samples)} samples, {samples['animal_id'].nunique()} animals or donors."
    fits = read_table(folder / "fits.csv")
    groups = fits[fits["unit_id"] == ""].groupby("group", sort=False)[["n_cells", "n_animals"]].max()
    words = [f"{g}: {counted(analysis, n.n_cells, n.n_animals)}" for g, n in groups.iterrows()]
    if len(words) > MOST_GROUPS_NAMED:
        spans = [f"{s.min():.0f} to {s.max():.0f}" for s in (groups["n_cells"], groups["n_animals"])]
        return f"n of {len(words)} groups: {spans[0]} {analysis.unit}, {spans[1]} animals."
    return f"n, {'; '.join(words)}." if words else ""


def _chapter_table(analysis: Analysis, folder: Path) -> Fragment:
    if analysis.name == "clinical_summary":
        words = _words(read_table(folder / "words.csv", text=("section", "text")))
        return Fragment(words + _pooled_table(read_table(folder / "pooled.csv")).html)
    if analysis.name == "claims":
        return _claims_table(read_table(folder / "claims.csv", text=CLAIM_COLUMNS))
    if analysis.name == "magnesium_forms":
        return _forms_table(read_table(folder / "magnesium_forms.csv", text=("flag",)))
    if analysis.name == "magnesium_calibration":
        return _magnesium_table(read_table(folder / "groups.csv"))
    if analysis.name == "membrane_test":
        return _quality_tables(folder)
    fits = read_table(folder / "fits.csv")
    groups = fits[(fits["unit_id"] == "") & ~fits["model"].str.startswith("chord")]
    shown = table_html(groups[list(SHOWN_FITS)], "Parameters per group: cells within animals, 95 % intervals").html
    if "comparisons.csv" in analysis.tables:
        shown += _comparisons_table(read_table(folder / "comparisons.csv"))
    return Fragment(shown)


def _comparisons_table(comparisons: pd.DataFrame) -> str:
    if comparisons.empty:
        return "<p>There is nothing to compare: fewer than two conditions with a quantity of their own.</p>"
    caption = "Conditions compared, the animal being the unit; p adjusted by Holm's method over all rows"
    return table_html(comparisons.drop(columns=["experiment", "se", "df"]), caption).html


def _quality_tables(folder: Path) -> Fragment:
    """Show how many recordings have each verdict, and the passive properties where they were tested."""
    verdicts = read_table(folder / "verdicts.csv").groupby(["verdict", "reason"], sort=False)["recording_id"].nunique()
    counts = table_html(verdicts.rename("recordings").reset_index(), "Verdicts of quality")
    fits = read_table(folder / "fits.csv")
    groups = fits.loc[fits["unit_id"] == "", list(SHOWN_FITS)]
    caption = "Passive properties: cells within animals, geometric means, 95 % intervals"
    return counts if groups.empty else Fragment(counts.html + table_html(groups, caption).html)


def _pooled_table(pooled: pd.DataFrame) -> Fragment:
    columns = ["model", "method", "test", "k", "back_transformed_estimate", "back_transformed_ci_low",
               "back_transformed_ci_high", "tau2", "i2", "q", "q_df", "q_p"]  # fmt: skip
    if (pooled["subgroup"] != "").any():
        columns.insert(0, "subgroup")
    labels = {c: c.removeprefix("back_transformed_") for c in columns}
    return table_html(pooled[columns], "Pooled estimates, back-transformed, with 95 % intervals", labels)


def _words(words: pd.DataFrame) -> str:
    """Return methods and results as paragraphs, and what is still needed as a list that opens."""
    told = words[words["section"] != "still_needed"]
    paragraphs = "".join(
        f"<p><strong>{escape(r.section.capitalize())}.</strong> {escape(r.text)}</p>" for r in told.itertuples()
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in words.loc[words["section"] == "still_needed", "text"])
    return f"{paragraphs}<details><summary>What a reader has to supply</summary><ul>{items}</ul></details>"


def _claims_table(claims: pd.DataFrame) -> Fragment:
    shown = claims[list(CLAIM_COLUMNS)].assign(verdict=claims["verdict"].str.replace("_", " "))
    return table_html(shown, "Verdicts, each with its arithmetic")


def _forms_table(forms: pd.DataFrame) -> Fragment:
    columns = ["salt", "molar_mass_g_mol", "elemental_percent", "salt_mg_at_upper_level", "flag", "source"]
    labels = {"elemental_percent": "elemental Mg, % by mass", "salt_mg_at_upper_level": "mg of salt at 350 mg of Mg"}
    return table_html(forms[columns], "Elemental magnesium, and the upper level of 350 mg from supplements", labels)


def _magnesium_table(groups: pd.DataFrame) -> Fragment:
    """Show the mean at each published Kd; where censored samples leave no mean, say so once."""
    means = groups[groups["statistic"] == "mean"]
    mean = means[means["ci_low"].notna()]
    unknown = means[means["ci_low"].isna()].drop_duplicates("condition")
    columns = ["condition", "kd_mm", "estimate", "ci_low", "ci_high", "n_animals", "n_samples", "n_below_rmin",
               "n_above_rmax", "reason"]  # fmt: skip
    shown = pd.concat([mean, unknown])[columns].rename(columns={"estimate": "mean"})
    return table_html(shown, "Mean free Mg2+ (mM) over animals at each published Kd (mM), with 95 % intervals")
