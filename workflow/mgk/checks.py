"""The check of a whole study before anything runs: all problems, in one list.

The form of each file is checked where it is read (`mgk.study`); here it is held against the others and against the
raw files: ids that must exist, units that cannot agree, headers and sizes that lie, checksums. What can be read but is
bad is no problem: it becomes a verdict of the analysis.
"""

from pathlib import Path

import pandas as pd

from mgk.analyses import is_excitability, is_relaxation, is_unitary
from mgk.joined_checks import check_joined
from mgk.plates.layout import ROLES
from mgk.plates.wells import plate_problems
from mgk.provenance import read_checksums, sha256
from mgk.study import EXPERIMENTS, ONCE, OWN_SECTION, Study
from mgk.tables.files import file_problems
from mgk.tables.problems import InputError, Problem
from mgk.tables.schema import nearest
from mgk.upstream import FILE_COLUMNS

SEGMENTS = "raw_data/segments.csv"
RECORDINGS, PLATES, SOLUTIONS = "raw_data/recordings.csv", "raw_data/plates.csv", "raw_data/solutions.yaml"
CURVES, STACKS = "raw_data/curves.csv", "raw_data/stacks.csv"
MANIFEST = "raw_data/manifest.sha256"
# A recipe and a table may round differently, not more.
SAME_CONCENTRATION = 0.01
# Roles without which an analysis of plates has nothing to do; what else it needs, it says itself.
NEEDED_ROLES = {
    "magnesium_calibration": ("sample", "background"),
    "atpase_activity": ("total",),
    "coupled_assay": ("total",),
}
# And those of each kind of calibration.
NEEDED_STANDARDS = {"in_situ": ("rmin", "rmax"), "titration": ("standard",)}
# What a stated value is for: columns of recordings.csv and the correction that uses them.
CORRECTED_BY = {
    "series_resistance_mohm": "series_resistance",
    "cell_capacitance_pf": "capacitance",
    "leak_recording_id": "leak",
}


def check_study(study: Study) -> list[Problem]:
    """Return all problems of a study; an empty list means that it can run."""
    _, problems = Study.read(study.root)
    given, study = study, _without_misshapen(study, problems)
    if study.config:
        problems += _check_tables_alone(given, study)
        problems += _check_solutions(study)
        problems += _check_recordings(study)
        problems += _check_plates(study)
        problems += _check_stacks(study)
        problems += _check_curves(study)
        problems += _check_clinical(study)
        problems += check_joined(study)
        problems += _check_nothing_asked(study, problems)
    return list(dict.fromkeys(problems + _check_manifest(study)))


def _without_misshapen(study: Study, problems: list[Problem]) -> Study:
    """Leave out the experiments whose settings are of the wrong form: only what is in form can be held against files.

    An unknown key is wrong too, but harmless here.
    """
    wrong = {tuple(p.column.split(".")[:3]) for p in problems if p.row and not p.allowed.startswith("unknown key")}
    config = {name: part for name, part in study.config.items() if isinstance(part, dict)}
    for section, level in EXPERIMENTS.items():
        kept = {n: s for n, s in study.experiments(section).items() if (section, level, n) not in wrong}
        if section in config:
            config[section] = {**config[section], level: kept}
    misshapen = {place[0] for place in wrong}
    config = {name: part for name, part in config.items() if name not in OWN_SECTION or name not in misshapen}
    return Study(study.root, config)


def _check_tables_alone(given: Study, sound: Study) -> list[Problem]:
    """Check the form of the table of a section whose experiments are all misshapen: it can be filled in meanwhile."""
    tables = ("recordings", "plates", "stacks", "curves")
    sections = [s for s in tables if given.experiments(s) and not sound.experiments(s)]
    files = [f"raw_data/{s}.csv" for s in sections]
    return [p for s, f in zip(sections, files, strict=True) for p in given.read_table(f, s)[1]]


def not_used(study: Study) -> list[str]:
    """Say which columns of the tables hold something that no analysis uses yet, so that nobody believes it was used."""
    found = _not_corrected(study)
    for name, settings in study.experiments("clinical").items():
        found += _not_used_clinical(study.clinical_table(name), settings)
    return found


def _not_corrected(study: Study) -> list[str]:
    """Say which stated values the corrections of an experiment leave aside."""
    found, table = [], study.table("recordings") if study.experiments("recordings") else pd.DataFrame()
    for experiment, settings in study.experiments("recordings").items():
        asked, rows = settings.get("corrections") or {}, table[table["experiment"] == experiment]
        for column, correction in CORRECTED_BY.items():
            stated = (rows[column] != "") & rows[column].notna()
            if stated.any() and asked.get(correction, "none") == "none":
                found.append(
                    f"{RECORDINGS}, {column}: not used for {experiment}, whose corrections.{correction} is none"
                )
    return found


def _not_used_clinical(table: pd.DataFrame, settings: dict) -> list[str]:
    """Say the same of a clinical table, and which rows are pooled as if they were parallel comparisons."""
    from mgk.meta.designs import TAKEN_AS_PARALLEL, design_of_rows, unused_columns
    from mgk.meta.plan import plan_of

    file, measure = f"raw_data/{settings['table']}", settings["measure"]
    plan = plan_of(settings, table)
    found = _held({file: table}, tuple(c for c in unused_columns(measure) if c not in plan.columns))
    rules = pd.Series(design_of_rows(table, measure).rule, dtype=object)
    for rule, rows in rules[rules.str.contains(TAKEN_AS_PARALLEL)].groupby(rules):
        found.append(f"{file}: {len(rows)} rows of design {rule}")
    return found


def _held(frames: dict[str, pd.DataFrame], columns: tuple[str, ...]) -> list[str]:
    return [
        f"{file}, {column}: is not used by any analysis yet"
        for file, frame in frames.items()
        for column in columns
        if column in frame and ((frame[column] != "") & frame[column].notna()).any()
    ]


def study_files(study: Study) -> list[str]:
    """Return every file that a study reads, relative to its folder."""
    files = ["config.yaml"]
    files += [f for f in ("raw_data/truth.yaml", SOLUTIONS, SEGMENTS, MANIFEST) if (study.root / f).exists()]
    for table, columns in (FILE_COLUMNS | {"curves": ()}).items():
        if study.experiments(table):
            files.append(f"raw_data/{table}.csv")
            rows = study.table(table)
            rows = rows[rows["experiment"].isin(list(study.experiments(table)))]
            files += [f"raw_data/{name}" for column in columns for name in rows[column] if name]
    for section in ("clinical", *ONCE, *OWN_SECTION):
        files += [f"raw_data/{a['table']}" for a in study.experiments(section).values() if "table" in a]
    return sorted(dict.fromkeys(files))


def not_analysed(study: Study) -> list[tuple[str, str, int]]:
    """Return (table, experiment, rows) for rows whose experiment the config does not name."""
    found = []
    for table in ("recordings", "plates", "stacks", "curves"):
        if study.experiments(table):
            counts = study.table(table)["experiment"].value_counts()
            found += [(table, e, int(n)) for e, n in counts.items() if e not in study.experiments(table)]
    return sorted(found)


def _check_nothing_asked(study: Study, problems: list[Problem]) -> list[Problem]:
    if study.config and not study.analyses() and not problems:
        return [
            Problem("config.yaml", None, "", "", "asks for nothing: it has no recordings, plates or clinical section")
        ]
    return []


def _check_solutions(study: Study) -> list[Problem]:
    from mgk.solutions import check_recipe

    recipes, problems = study.read_solutions()
    if problems:
        return problems
    for name, recipe in recipes.items():
        for place, allowed in check_recipe(recipe, study.constants):
            problems.append(Problem(SOLUTIONS, None, f"{name}.{place}", "", allowed))
    for number, pair in enumerate(study.solution_pairs if recipes else ()):
        for column in ("pipette_solution", "bath_solution"):
            if pair[column] not in recipes:
                allowed = f"a solution of {SOLUTIONS}{nearest(pair[column], recipes)}"
                problems.append(
                    Problem("config.yaml", None, f"solutions.pairs.{number}.{column}", pair[column], allowed)
                )
    return problems


def _rows_asked_for(study: Study, section: str, file: str) -> tuple[pd.DataFrame, pd.DataFrame, list[Problem]]:
    """Return a section's table, its rows whose experiment the config names, and the problems of both."""
    experiments = study.experiments(section)
    table, problems = study.read_table(file, section)
    named = table[table["experiment"].isin(list(experiments))]
    return table, named, [*problems, *_check_experiments(table, experiments, file, section)]


def _check_recordings(study: Study) -> list[Problem]:
    if not study.experiments("recordings"):
        return []
    table, named, problems = _rows_asked_for(study, "recordings", RECORDINGS)
    shots = named["experiment"].map(lambda e: is_relaxation(study.experiments("recordings")[e])).astype(bool)
    problems += _check_files(study, named[~shots], "file", RECORDINGS, _header_problems)
    problems += _check_shots(study, named[shots])
    named = named[~shots]
    problems += _check_segments(study, table)
    problems += _check_measurable(study, named, {p.value for p in problems if p.column == "file"})
    problems += _check_corrections(study, named)
    problems += _check_current_clamp_settings(study)
    problems += _check_recipes_of(study, table[table["experiment"].isin(list(study.experiments("recordings")))])
    wrong = {(p.row, p.column) for p in problems}
    problems += [p for p in _check_blockers(study, named) if (p.row, p.column) not in wrong]
    problems += [p for p in _check_salts(study, named) if (p.row, p.column) not in wrong]
    problems += _check_cells(table)
    ids = set(table["recording_id"])
    for name, settings in study.experiments("recordings").items():
        own = set(table.loc[table["experiment"] == name, "recording_id"])
        overrides = settings.get("overrides") if isinstance(settings, dict) else None
        for recording in set(overrides if isinstance(overrides, dict) else ()) - own:
            place = f"recordings.experiments.{name}.overrides.{recording}"
            allowed = f"must be a recording_id of the experiment in {RECORDINGS}{nearest(recording, own)}"
            problems.append(Problem("config.yaml", None, place, "", allowed))
    for i, row in _filled(table, "leak_recording_id"):
        if row["leak_recording_id"] not in ids:
            problems.append(
                Problem(RECORDINGS, i, "leak_recording_id", row["leak_recording_id"], "a recording_id of this table")
            )
    return problems


def _check_experiments(table: pd.DataFrame, experiments: dict, file: str, section: str) -> list[Problem]:
    there = [e for e in dict.fromkeys(table["experiment"]) if e]
    return [
        Problem("config.yaml", None, f"{section}.experiments.{e}", "", f"has no rows in {file}{nearest(e, there)}")
        for e in experiments
        if e not in there and len(table)
    ]


def _check_files(study: Study, table: pd.DataFrame, column: str, file: str, look) -> list[Problem]:
    problems, seen = [], {}
    for i, row in _filled(table, column):
        name = row[column]
        if name not in seen:
            seen[name] = file_problems(study.raw_data, name, look)
        problems += [Problem(file, i, column, name, allowed) for allowed in seen[name]]
    return problems


def _header_problems(path: Path) -> list[str]:
    from mgk.recordings import check_header

    return check_header(path)


def _check_shots(study: Study, table: pd.DataFrame) -> list[Problem]:
    """Files of shots can be read and averaged; their ligand and its total are stated."""
    from mgk.recordings.shots import check_shots
    from mgk.relaxation import check_transients

    problems = _check_files(study, table, "file", RECORDINGS, check_shots)
    unreadable = {p.value for p in problems}
    for column in ("ligand", "ligand_total_mm"):
        empty = table.index[(table[column] == "") | table[column].isna()]
        allowed = "must not be empty for the analysis relaxation"
        problems += [Problem(RECORDINGS, i + 2, column, "", allowed) for i in empty]
    for experiment, rows in table[~table["file"].isin(unreadable)].groupby("experiment"):
        settings = study.experiments("recordings")[experiment]
        place = dict(zip(rows["recording_id"], rows.index, strict=True))
        for recording, allowed in check_transients(rows.to_dict("records"), study.raw_data, settings):
            problems.append(Problem(RECORDINGS, place[recording] + 2, "file", recording, allowed))
    return problems


def _check_segments(study: Study, table: pd.DataFrame) -> list[Problem]:
    """Segments must name a recording, have a length, and not overlap."""
    from mgk.recordings.segments import segment_problems

    if not (study.root / SEGMENTS).exists():
        return []
    segments, problems = study.read_table(SEGMENTS, "segments")
    if problems:
        return problems
    problems, ids = list(problems), set(table["recording_id"])
    for recording, rows in segments.groupby("recording_id", sort=False):
        if recording not in ids:
            allowed = f"a recording_id of {RECORDINGS}{nearest(recording, ids)}"
            problems.append(Problem(SEGMENTS, int(rows.index[0]) + 2, "recording_id", recording, allowed))
        for place, column, allowed in segment_problems(rows.to_dict("records")):
            i = rows.index[place]
            problems.append(Problem(SEGMENTS, int(i) + 2, column, str(rows.loc[i, column]), allowed))
    return problems


def _check_corrections(study: Study, table: pd.DataFrame) -> list[Problem]:
    """A correction needs its value in the row, or the recipes that it is computed from."""
    from mgk.recordings.corrections import check_corrections

    problems, (recipes, _) = [], study.read_solutions()
    for i, row in table.iterrows():
        settings = study.experiments("recordings")[row["experiment"]]
        if not isinstance(settings, dict):
            continue
        same = set(table.loc[table["experiment"] == row["experiment"], "recording_id"])
        found = check_corrections(row.to_dict(), settings, recipes, same)
        problems += [Problem(RECORDINGS, i + 2, column, str(value), allowed) for column, value, allowed in found]
    return problems


def _check_current_clamp_settings(study: Study) -> list[Problem]:
    """In current clamp only the junction potential is corrected, and the limits of quality are its own."""
    from mgk.excitability import LIMITS

    problems = []
    for name, settings in study.experiments("recordings").items():
        if not isinstance(settings, dict) or not is_excitability(settings):
            continue
        unused = [f"corrections.{key}" for key in settings.get("corrections", {}) if not key.startswith("junction_")]
        unused += [f"quality.{key}" for key in settings.get("quality", {}) if key not in LIMITS]
        unused += [key for key in ("windows_ms", "polarity", "fit", "overrides", "membrane_test") if key in settings]
        for key in unused:
            place = f"recordings.experiments.{name}.{key}"
            problems.append(Problem("config.yaml", None, place, "", "has no meaning for the analysis excitability"))
    return problems


def _check_measurable(study: Study, table: pd.DataFrame, unreadable: set[str]) -> list[Problem]:
    """The header must allow what the row and the experiment ask: channels, windows, segments, command."""
    from mgk.excitability import check_current_clamp
    from mgk.recordings.measure import check_recording
    from mgk.recordings.segments import with_segments
    from mgk.unitary import check_patch

    segments, wrong = (
        study.read_table(SEGMENTS, "segments") if (study.root / SEGMENTS).exists() else (pd.DataFrame(), [])
    )
    problems = []
    for i, row in _filled(table, "file"):
        settings = study.experiments("recordings")[row["experiment"]]
        if row["file"] not in unreadable:
            [asked] = [row.to_dict()] if wrong else with_segments([row.to_dict()], segments)
            check = check_patch if is_unitary(settings) else check_recording
            check = check_current_clamp if is_excitability(settings) else check
            found = check(asked, study.raw_data / row["file"], settings)
            problems += [Problem(RECORDINGS, i, "", row["recording_id"], allowed) for allowed in found]
    return problems


def _plate_problems(path: Path) -> list[str]:
    from mgk.plates import check_plate_file

    return check_plate_file(path)


def _check_recipes_of(study: Study, table: pd.DataFrame) -> list[Problem]:
    """Solutions must exist; a stated total of the ligand must be that of the recipe on its side."""
    from mgk.solutions import internal_external

    recipes, found = study.read_solutions()
    if found:
        return []
    problems = []
    for column in ("pipette_solution", "bath_solution", "zero_solution"):
        for i, row in _filled(table, column):
            if row[column] not in recipes:
                allowed = f"a solution of {SOLUTIONS}{nearest(row[column], recipes)}"
                problems.append(Problem(RECORDINGS, i, column, row[column], allowed))
    totals = {name: _totals_mm(recipe, study.constants) for name, recipe in recipes.items()}
    for i, row in _filled(table, "ligand"):
        mixed = is_relaxation(study.experiments("recordings")[row["experiment"]])
        solution = row["bath_solution"] if mixed else internal_external(row).get(row["ligand_side"], "")
        total = totals.get(solution, {}).get(row["ligand"])
        stated = row["ligand_total_mm"]
        if total is not None and pd.notna(stated) and abs(stated - total) > SAME_CONCENTRATION * max(stated, total):
            allowed = f"{solution} of {SOLUTIONS} holds {total:g} mM {row['ligand']}; the column is in mM"
            problems.append(Problem(RECORDINGS, i, "ligand_total_mm", f"{stated:g}", allowed))
    return problems


def _totals_mm(recipe: dict, constants: str) -> dict[str, float]:
    """Return the totals of a recipe, its salts taken apart; a recipe that is wrong has its problem elsewhere."""
    from mgk.solutions.recipes import read_recipe

    try:
        read = read_recipe(recipe, recipe.get("constants", constants))
    except InputError:
        return {}
    return {**dict.fromkeys(read.absent, 0.0), **read.totals_mm}


def _check_blockers(study: Study, table: pd.DataFrame) -> list[Problem]:
    """What an analysis of block cannot guess: the ligand, its total and side, the configuration, the temperature."""
    needed = ("ligand", "ligand_total_mm", "ligand_side", "configuration", "temperature_c")
    problems = []
    for analysis in ("magnesium_block", "salt_comparison"):
        asking = [e for a, e in study.analyses() if a == analysis]
        asked = table[table["experiment"].isin(asking)]
        for column in needed:
            empty = asked.index[(asked[column] == "") | asked[column].isna()]
            if len(asked) and len(empty) == len(asked):
                allowed = f"is missing or empty; the analysis {analysis} needs it"
                problems.append(Problem(RECORDINGS, 1, column, "", allowed))
            else:
                allowed = f"must not be empty for the analysis {analysis}"
                problems += [Problem(RECORDINGS, i + 2, column, "", allowed) for i in empty]
    return problems


def _check_salts(study: Study, table: pd.DataFrame) -> list[Problem]:
    """Salts are the conditions of their experiment, from outside, in baths with a recipe; their anions are ligands."""
    from mgk.solutions import internal_external

    recipes, found = study.read_solutions()
    if found:
        return []
    problems = []
    for experiment in (e for a, e in study.analyses() if a == "salt_comparison"):
        place = f"recordings.experiments.{experiment}.salts"
        given = study.experiments("recordings")[experiment].get("salts")
        if not isinstance(given, dict):
            problems.append(
                Problem("config.yaml", None, place, "", "is missing; the analysis salt_comparison needs it")
            )
            continue
        anions, rows = given.get("anions", {}), table[table["experiment"] == experiment]
        totals = [_totals_mm(recipe, study.constants) for recipe in recipes.values()]
        for salt, anion in anions.items():
            if salt not in set(rows["condition"]):
                problems.append(Problem("config.yaml", None, f"{place}.anions", salt, f"no condition of {experiment}"))
            if not any(anion in of for of in totals):
                problems.append(
                    Problem("config.yaml", None, f"{place}.anions", anion, "in no recipe of solutions.yaml")
                )
        for i, row in rows.iterrows():
            if row["condition"] not in anions:
                allowed = f"must be a salt of {place}.anions: {', '.join(anions)}"
                problems.append(Problem(RECORDINGS, i + 2, "condition", row["condition"], allowed))
            if row["ligand_side"] not in ("external", ""):
                allowed = "must be external for the analysis salt_comparison"
                problems.append(Problem(RECORDINGS, i + 2, "ligand_side", row["ligand_side"], allowed))
            if internal_external(row).get("external", "") not in recipes:
                allowed = "the external solution must have a recipe: free Mg2+, Zn2+ and the anion come from it"
                problems.append(Problem(RECORDINGS, i + 2, "bath_solution", row["bath_solution"], allowed))
    return problems


def _check_cells(table: pd.DataFrame) -> list[Problem]:
    """A cell belongs to one animal."""
    problems, first = [], {}
    for i, row in _filled(table, "cell_id"):
        animal, line = first.setdefault(row["cell_id"], (row["animal_id"], i))
        if animal != row["animal_id"]:
            allowed = f"cell {row['cell_id']} belongs to animal {animal} in row {line}"
            problems.append(Problem(RECORDINGS, i, "animal_id", row["animal_id"], allowed))
    return problems


def _check_plates(study: Study) -> list[Problem]:
    experiments = study.experiments("plates")
    if not experiments:
        return []
    _, named, problems = _rows_asked_for(study, "plates", PLATES)
    problems += _check_files(study, named, "file", PLATES, _plate_problems)
    problems += _check_files(study, named, "layout", PLATES, lambda path: [])
    roles = {name: _needed_roles(settings) for name, settings in experiments.items()}
    for i, row in named.iterrows():
        if row["layout"] == "" and roles[row["experiment"]]:
            problems.append(Problem(PLATES, i + 2, "layout", "", f"must name a layout for {row['experiment']}"))
    unreadable = {p.value for p in problems if p.column in ("file", "layout")}
    problems += _check_other_plates(named)
    found, layouts = _check_layouts(study, named, unreadable)
    problems += found
    for name, rows in named.groupby("experiment", sort=False):
        if not set(rows["layout"]) - {""} <= set(layouts):
            continue
        held = {role for layout in set(rows["layout"]) - {""} for role in layouts[layout]["role"]}
        missing = [f"{r} ({ROLES[r]})" for r in roles[name] if r not in held]
        allowed = f"no well of its layouts has the role {', '.join(missing)}"
        problems += [Problem(PLATES, None, "layout", name, allowed)] if missing and held else []
        problems += _check_assay(rows, layouts, experiments[name])
    for name, settings in experiments.items():
        problems += _check_medium(study, f"{name}.medium", settings.get("medium", ""))
        titration = settings.get("titration")
        medium = titration.get("medium", "") if isinstance(titration, dict) else ""
        problems += _check_medium(study, f"{name}.titration.medium", medium)
    return problems


def _check_other_plates(table: pd.DataFrame) -> list[Problem]:
    """A plate of protein or of standards must be another plate of the same experiment."""
    problems = []
    for column in ("protein_plate", "standards_plate"):
        for i, row in _filled(table, column):
            own = table.loc[table["experiment"] == row["experiment"], "plate_id"]
            if row[column] not in set(own) - {row["plate_id"]}:
                allowed = f"another plate_id of the experiment {row['experiment']}{nearest(row[column], own)}"
                problems.append(Problem(PLATES, i, column, row[column], allowed))
    return problems


def _check_medium(study: Study, key: str, medium: str) -> list[Problem]:
    """The medium exists, and leaves to the layout what differs from well to well."""
    recipes, wrong = study.read_solutions()
    if not medium or wrong:
        return []
    place = f"plates.experiments.{key}"
    if medium not in recipes:
        allowed = f"a solution of {SOLUTIONS}{nearest(medium, recipes)}" if recipes else f"there is no {SOLUTIONS}"
        return [Problem("config.yaml", None, place, medium, allowed)]
    held = [ion for ion in ("Mg", "ATP") if _totals_mm(recipes[medium], study.constants).get(ion)]
    allowed = "must hold no {}: its total stands in the layout, well by well"
    return [Problem(SOLUTIONS, None, medium, "", allowed.format(ion)) for ion in held]


def _needed_roles(settings: dict) -> list[str]:
    """Return the roles that the analyses of an experiment need a well of; none: they need no layout."""
    asked = settings.get("analysis", [])
    asked = [asked] if isinstance(asked, str) else asked
    roles = [r for a in asked for r in NEEDED_ROLES.get(a, ())]
    if "magnesium_calibration" in asked:
        roles += NEEDED_STANDARDS.get(settings.get("calibration", "in_situ"), ())
    return roles


def _check_layouts(
    study: Study, table: pd.DataFrame, unreadable: set[str]
) -> tuple[list[Problem], dict[str, pd.DataFrame]]:
    """Each layout must be in order, and fit its plate and the names of its reads.

    Returns the problems, and the layouts that can be read, by name.
    """
    problems, layouts, broken = [], {}, set()
    for i, row in table.iterrows():
        if row["layout"] and row["layout"] not in unreadable | set(layouts):
            layout, found = study.read_table(f"raw_data/{row['layout']}", "layout")
            problems += found
            if found:
                broken.add(row["experiment"])
            else:
                layouts[row["layout"]] = layout
        if row["file"] not in unreadable and row["experiment"] not in broken:
            record = row.astype(object).where(row.notna(), None).to_dict()
            record["layout"] = record["layout"] if record["layout"] in layouts else ""
            problems += [Problem(PLATES, i + 2, "", "", text) for text in plate_problems(record, study.raw_data)]
    return problems, layouts


def _check_assay(plates: pd.DataFrame, layouts: dict[str, pd.DataFrame], settings: dict) -> list[Problem]:
    """The layouts of an ATPase assay say of each well what its analysis needs: Mg2+, ATP, time, protein."""
    from mgk.atpase.layouts import OF_ENZYME, layout_problems

    asked = settings.get("analysis", [])
    problems = []
    for analysis in [a for a in OF_ENZYME if a in ([asked] if isinstance(asked, str) else asked)]:
        for name, row, column, value, allowed in layout_problems(plates, layouts, analysis):
            in_rows = not name.endswith(".toml")
            problems.append(Problem(f"raw_data/{name}", row if in_rows else None, column, value, allowed))
    return problems


def _check_stacks(study: Study) -> list[Problem]:
    """Files of a stack can be read and fit each other; an experiment has what its calibration needs."""
    from mgk.stacks import check_stack

    experiments = study.experiments("stacks")
    if not experiments:
        return []
    table, named, problems = _rows_asked_for(study, "stacks", STACKS)
    if any(p.row == 1 for p in problems):
        return problems
    for column in FILE_COLUMNS["stacks"]:
        problems += _check_files(study, named, column, STACKS, lambda path: [])
    wrong = {p.row for p in problems}
    for i, row in named.iterrows():
        if i + 2 not in wrong:
            found = check_stack(row.to_dict(), study.raw_data)
            for column, allowed in found:
                value = "" if pd.isna(row[column]) else str(row[column])
                problems.append(Problem(STACKS, i + 2, column, value, allowed))
    for name, settings in experiments.items():
        roles = set(table.loc[table["experiment"] == name, "role"].replace("", "sample"))
        needed = ("sample", "rmin", "rmax") if settings.get("calibration", "in_situ") == "in_situ" else ("sample",)
        missing = [role for role in needed if role not in roles]
        if missing and roles:
            allowed = f"no stack has the role {', '.join(missing)}"
            problems.append(Problem(STACKS, None, "role", name, allowed))
    return problems


def _check_curves(study: Study) -> list[Problem]:
    """A curve is of one experiment, condition and animal, and gives sd and n for all of its points or for none."""
    from mgk.curves.models import find_model

    experiments = study.experiments("curves")
    if not experiments:
        return []
    _, named, problems = _rows_asked_for(study, "curves", CURVES)
    wrong = {(p.row, p.column) for p in problems}
    for curve, rows in named.groupby("curve_id", sort=False):
        if curve:
            problems += [p for p in _curve_problems(curve, rows) if (p.row, p.column) not in wrong]
    for name, settings in experiments.items():
        directions = [settings["direction"]] if "direction" in settings else ["falling", "rising"]
        held = dict.fromkeys(p for d in directions for p in find_model(settings["model"], d).parameters)
        for i, parameter in enumerate(settings.get("shared", ())):
            if parameter not in held:
                allowed = f"a parameter of {settings['model']}: {', '.join(held)}"
                problems.append(
                    Problem("config.yaml", None, f"curves.experiments.{name}.shared.{i}", parameter, allowed)
                )
    return problems


def _curve_problems(curve: str, rows: pd.DataFrame) -> list[Problem]:
    found = []
    for column in ("experiment", "condition", "animal_id"):
        first = rows[column].iloc[0]
        for i in rows.index[rows[column] != first]:
            allowed = f"curve {curve} is of {column} {first or '(empty)'} in row {rows.index[0] + 2}"
            found.append(Problem(CURVES, int(i) + 2, column, rows.loc[i, column], allowed))
    for column in ("sd", "n"):
        empty = rows.index[rows[column].isna()]
        if 0 < len(empty) < len(rows):
            allowed = f"is empty, but other points of curve {curve} have it; all of them or none"
            found += [Problem(CURVES, int(i) + 2, column, "", allowed) for i in empty]
    return found


def _check_clinical(study: Study) -> list[Problem]:
    problems = []
    for name, settings in study.experiments("clinical").items():
        place = f"clinical.analyses.{name}.table"
        found = file_problems(study.raw_data, settings["table"], lambda path: [])
        if found:
            problems += [Problem("config.yaml", None, place, settings["table"], allowed) for allowed in found]
            continue
        file = f"raw_data/{settings['table']}"
        table, wrong = study.read_table(file, "clinical")
        problems += wrong
        if not any(p.row in (None, 1) for p in wrong):
            # Rows are held against themselves as well; a cell that is wrong in form is not wrong twice.
            places = {(p.row, p.column) for p in wrong}
            doubled = any(p.column == "study_id" for p in wrong)
            found = _check_arms(table, settings.get("measure", ""), file)
            found = [p for p in found if (p.row, p.column) not in places and not (doubled and p.column == "study_id")]
            problems += found
        problems += _check_named_columns(table, settings, name)
    return problems + [p for name in ONCE for p in _check_once(study, name)]


def _check_named_columns(table: pd.DataFrame, settings: dict, name: str) -> list[Problem]:
    """What the settings name as a column must be one that the table fills."""
    filled = [c for c in table if (table[c].notna() & (table[c] != "")).any()]
    problems = []
    for key in ("moderators", "subgroup", "cluster", "order"):
        named = settings.get(key, [])
        for column in [named] if isinstance(named, str) else named:
            if column not in filled:
                allowed = f"must be a column of {settings['table']} that is filled{nearest(column, filled)}"
                problems.append(Problem("config.yaml", None, f"clinical.analyses.{name}.{key}", column, allowed))
    return problems


def _check_once(study: Study, name: str) -> list[Problem]:
    """The table of an analysis that a study has once must be there and in order."""
    if name not in study.experiments(name):
        return []
    file = study.experiment(name, name)["table"]
    found = file_problems(study.raw_data, file, lambda path: [])
    if found:
        return [Problem("config.yaml", None, f"clinical.{name}", file, allowed) for allowed in found]
    return study.read_table(f"raw_data/{file}", name)[1]


def _check_arms(table: pd.DataFrame, measure: str, file: str) -> list[Problem]:
    from mgk.meta.effects import check_rows

    return [Problem(file, i + 2, column, value, allowed) for i, column, value, allowed in check_rows(table, measure)]


def _check_manifest(study: Study) -> list[Problem]:
    """Raw files are as they were when the manifest was written."""
    path = study.root / MANIFEST
    if not path.exists():
        return []
    try:
        checksums = read_checksums(path)
    except (ValueError, UnicodeDecodeError) as error:
        return [Problem(MANIFEST, None, "", "", f"each line is 'checksum  file'; {error}")]
    problems = []
    for number, (name, checksum) in enumerate(checksums.items(), 1):
        if not (study.raw_data / name).is_file():
            problems.append(Problem(MANIFEST, number, "", name, "there is no such file in raw_data"))
        elif sha256(study.raw_data / name) != checksum:
            allowed = "has changed since the manifest was written; put the file back, or write the manifest anew"
            problems.append(Problem(MANIFEST, number, "", name, allowed))
    return problems


def _filled(table: pd.DataFrame, column: str):
    """Yield (row number in the file, row) where a column is not empty."""
    for i, row in table.iterrows():
        if row[column] != "" and pd.notna(row[column]):
            yield i + 2, row
