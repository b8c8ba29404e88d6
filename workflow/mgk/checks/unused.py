"""What a study gives that no analysis uses: rows, columns and stated values, so that nobody believes they were used."""

import pandas as pd

from mgk.checks.files import RECORDINGS
from mgk.study import Study

# What a stated value is for: columns of recordings.csv and the correction that uses them.
CORRECTED_BY = {
    "series_resistance_mohm": "series_resistance",
    "cell_capacitance_pf": "capacitance",
    "leak_recording_id": "leak",
}


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


def not_analysed(study: Study) -> list[tuple[str, str, int]]:
    """Return (table, experiment, rows) for rows whose experiment the config does not name."""
    found = []
    for table in ("recordings", "plates", "stacks", "curves"):
        if study.experiments(table):
            counts = study.table(table)["experiment"].value_counts()
            found += [(table, e, int(n)) for e, n in counts.items() if e not in study.experiments(table)]
    return sorted(found)
