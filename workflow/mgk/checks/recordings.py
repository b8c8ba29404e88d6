"""Recordings: their files, segments, windows, corrections and solutions, and what each analysis of them needs."""

import filecmp
from pathlib import Path

import pandas as pd

from mgk.analyses import is_excitability, is_relaxation, is_unitary
from mgk.checks.files import RECORDINGS, SEGMENTS, SOLUTIONS, check_files, filled, rows_asked_for
from mgk.checks.solutions import totals_mm
from mgk.study import Study
from mgk.tables.problems import Problem
from mgk.tables.schema import nearest

# A recipe and a table may round differently, not more.
SAME_CONCENTRATION = 0.01
# What is left of a file's name that cannot be one, which is told of the table.
NAMELESS = ""
# Recordings of one size that differ at all differ within this: the header has its time, the signal its noise.
START_BYTES = 1 << 16


def check_recordings(study: Study) -> list[Problem]:
    """Files can be read and allow what their rows and their experiment ask; ids and recipes exist."""
    if not study.experiments("recordings"):
        return []
    table, named, problems = rows_asked_for(study, "recordings", RECORDINGS)
    shots = named["experiment"].map(lambda e: is_relaxation(study.experiments("recordings")[e])).astype(bool)
    problems += check_files(study, named[~shots], "file", RECORDINGS, _header_problems)
    problems += _check_shots(study, named[shots])
    named = named[~shots]
    problems += _check_segments(study, table)
    disordered = {name: _check_windows(name, s) for name, s in study.experiments("recordings").items()}
    problems += [p for found in disordered.values() for p in found]
    in_order = named[~named["experiment"].isin([name for name, found in disordered.items() if found])]
    unreadable = {p.value for p in problems if p.column == "file"} | {NAMELESS}
    problems += _check_measurable(study, in_order, unreadable)
    problems += _not_yet_told(problems, _check_corrections(study, named))
    problems += _check_current_clamp_settings(study)
    problems += _check_recipes_of(study, table[table["experiment"].isin(list(study.experiments("recordings")))])
    problems += _not_yet_told(problems, _check_blockers(study, named) + _check_salts(study, named))
    problems += _check_cells(table)
    problems += _check_one_cell_a_recording(study, named)
    ids = set(table["recording_id"])
    for name, settings in study.experiments("recordings").items():
        own = set(table.loc[table["experiment"] == name, "recording_id"])
        overrides = settings.get("overrides") if isinstance(settings, dict) else None
        for recording in set(overrides if isinstance(overrides, dict) else ()) - own:
            place = f"recordings.experiments.{name}.overrides.{recording}"
            allowed = f"must be a recording_id of the experiment in {RECORDINGS}{nearest(recording, own)}"
            problems.append(Problem("config.yaml", None, place, "", allowed))
    for i, row in filled(table, "leak_recording_id"):
        if row["leak_recording_id"] not in ids:
            allowed = f"must be a recording_id of this table{nearest(row['leak_recording_id'], ids)}"
            problems.append(Problem(RECORDINGS, i, "leak_recording_id", row["leak_recording_id"], allowed))
    return problems


def _not_yet_told(told: list[Problem], found: list[Problem]) -> list[Problem]:
    """Leave out what is missing only because a value is wrong, which was told: it has been read as none.

    A column that is missing as a whole is told of its header, row 1.
    """
    wrong = {(row, p.column) for p in told if p.file == RECORDINGS and p.column for row in (p.row, 1)}
    return [p for p in found if p.file != RECORDINGS or (p.row, p.column) not in wrong]


def _header_problems(path: Path) -> list[str]:
    from mgk.recordings import check_header

    return check_header(path)


def _check_shots(study: Study, table: pd.DataFrame) -> list[Problem]:
    """Files of shots can be read and averaged; their ligand and its total are stated."""
    from mgk.recordings.shots import check_shots
    from mgk.relaxation import check_transients

    problems = check_files(study, table, "file", RECORDINGS, check_shots)
    unreadable = {p.value for p in problems} | {NAMELESS}
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
            allowed = f"must be a recording_id of {RECORDINGS}{nearest(recording, ids)}"
            problems.append(Problem(SEGMENTS, int(rows.index[0]) + 2, "recording_id", recording, allowed))
        for place, column, allowed in segment_problems(rows.to_dict("records")):
            i = rows.index[place]
            problems.append(Problem(SEGMENTS, int(i) + 2, column, str(rows.loc[i, column]), allowed))
    return problems


def _check_corrections(study: Study, table: pd.DataFrame) -> list[Problem]:
    """A correction needs its value in the row, or the recipes that it is computed from."""
    from mgk.recordings.corrections import check_corrections

    problems, (recipes, _) = [], study.read_solutions()
    same = {name: set(ids) for name, ids in table.groupby("experiment")["recording_id"]}
    for i, row in zip(table.index, table.to_dict("records"), strict=True):
        settings = study.experiments("recordings")[row["experiment"]]
        if not isinstance(settings, dict):
            continue
        found = check_corrections(row, settings, recipes, same[row["experiment"]])
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


def _check_windows(name: str, settings: dict) -> list[Problem]:
    """A window ends after it starts, and the one that is fitted is there: said once, not for each recording."""
    place = f"recordings.experiments.{name}"
    given = {place: settings} | {f"{place}.overrides.{r}": own for r, own in settings.get("overrides", {}).items()}
    problems = []
    if settings.get("fit_window") == "peak" and "peak" not in settings.get("windows_ms", {}):
        problems.append(Problem("config.yaml", None, f"{place}.fit_window", "peak", "needs a window peak"))
    return problems + [
        Problem("config.yaml", None, f"{owner}.windows_ms.{window}", str(limits), "must end after it starts")
        for owner, own in given.items()
        for window, limits in own.get("windows_ms", {}).items()
        if window != "epoch" and not limits[0] < limits[1]
    ]


def _check_measurable(study: Study, table: pd.DataFrame, unreadable: set[str]) -> list[Problem]:
    """The header must allow what the row and the experiment ask: channels, windows, segments, command."""
    from mgk.excitability import check_current_clamp
    from mgk.recordings.measure import check_recording
    from mgk.recordings.segments import with_segments
    from mgk.unitary import check_patch

    segments, wrong = (
        study.read_table(SEGMENTS, "segments") if (study.root / SEGMENTS).exists() else (pd.DataFrame(), [])
    )
    problems, there = [], list(filled(table, "file"))
    asked = with_segments((row for _, row in there), segments.iloc[:0] if wrong else segments)
    for (i, _), row in zip(there, asked, strict=True):
        settings = study.experiments("recordings")[row["experiment"]]
        if row["file"] not in unreadable:
            check = check_patch if is_unitary(settings) else check_recording
            check = check_current_clamp if is_excitability(settings) else check
            found = check(row, study.raw_data / row["file"], settings)
            name = row["recording_id"]
            problems += [Problem(RECORDINGS, i, "", name, allowed.removeprefix(f"{name}: ")) for allowed in found]
    return problems


def _check_recipes_of(study: Study, table: pd.DataFrame) -> list[Problem]:
    """Solutions must exist; a stated total of the ligand must be that of the recipe on its side."""
    from mgk.solutions import internal_external

    recipes, found = study.read_solutions()
    if found:
        return []
    problems = []
    for column in ("pipette_solution", "bath_solution", "zero_solution"):
        for i, row in filled(table, column):
            if row[column] not in recipes:
                allowed = f"must be a solution of {SOLUTIONS}{nearest(row[column], recipes)}"
                problems.append(Problem(RECORDINGS, i, column, row[column], allowed))
    totals = {name: totals_mm(recipe, study.constants) for name, recipe in recipes.items()}
    for i, row in filled(table, "ligand"):
        mixed = is_relaxation(study.experiments("recordings")[row["experiment"]])
        solution = row["bath_solution"] if mixed else internal_external(row).get(row["ligand_side"], "")
        total = totals.get(solution, {}).get(row["ligand"])
        stated = row["ligand_total_mm"]
        if total is not None and pd.notna(stated) and abs(stated - total) > SAME_CONCENTRATION * max(stated, total):
            allowed = f"{solution} of {SOLUTIONS} holds {total:g} mM {row['ligand']}; the column is in mM"
            problems.append(Problem(RECORDINGS, i, "ligand_total_mm", f"{stated:g}", allowed))
    return problems


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
        totals = [totals_mm(recipe, study.constants) for recipe in recipes.values()]
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


def _check_one_cell_a_recording(study: Study, table: pd.DataFrame) -> list[Problem]:
    """A recording is of one cell: rows that give it, or a copy of it, to another count it twice."""
    problems, alike = [], {}
    for i, row in filled(table, "file"):
        path = study.raw_data / row["file"]
        if path.is_file():
            alike.setdefault((row["channel"], path.stat().st_size), []).append((i, row, path))
    for rows in alike.values():
        if len({row["cell_id"] for _, row, _ in rows}) > 1:
            problems += _of_two_cells(rows)
    return sorted(problems, key=lambda problem: problem.row)


def _of_two_cells(rows: list[tuple]) -> list[Problem]:
    """Return the problems of rows (line, row, path) whose files are of one size: those of one content, other cells."""
    problems, by_start = [], {}
    for i, row, path in rows:
        with path.open("rb") as file:
            same_start = by_start.setdefault(file.read(START_BYTES), [])
        for line, first, other in same_start:
            if first["cell_id"] != row["cell_id"] and (other == path or filecmp.cmp(other, path, shallow=False)):
                known = "the same recording" if other == path else f"a copy of {first['file']}"
                allowed = f"is {known}, which row {line} gives to cell {first['cell_id']}, not to {row['cell_id']}"
                problems.append(Problem(RECORDINGS, i, "file", row["file"], allowed))
                break
        same_start.append((i, row, path))
    return problems


def _check_cells(table: pd.DataFrame) -> list[Problem]:
    """A cell belongs to one animal."""
    problems, first = [], {}
    for i, row in filled(table, "cell_id"):
        animal, line = first.setdefault(row["cell_id"], (row["animal_id"], i))
        if animal != row["animal_id"]:
            allowed = f"cell {row['cell_id']} belongs to animal {animal} in row {line}"
            problems.append(Problem(RECORDINGS, i, "animal_id", row["animal_id"], allowed))
    return problems
