"""What a reader has to be told of an enzyme assay: the items of the STRENDA guidelines, filled from the study.

The items are those of STRENDA lists 1A (the experiment) and 1B (the results), in this project's words and from memory,
not read. An item that the study does not hold is named as missing and never guessed.
"""

from collections.abc import Mapping

import pandas as pd

COLUMNS = ("item", "value", "state", "where")
# Keys of `strenda:` in the config: what no table of the study holds.
ASKED = {
    "enzyme": "enzyme: name and EC number",
    "source_organism": "organism, tissue and strain that the enzyme is from",
    "preparation": "preparation, purity and storage of the enzyme",
    "modifications": "modifications of the enzyme, or none",
    "mixing": "how the assay was started and stopped",
    "data_deposit": "where the raw data are deposited",
}
MEDIUM, LAYOUT, PLATES = "raw_data/solutions.yaml", "raw_data/layouts", "raw_data/plates.csv"


def strenda_table(
    settings: Mapping, medium: Mapping, wells: pd.DataFrame, activity: pd.DataFrame, fits: pd.DataFrame
) -> pd.DataFrame:
    """Return strenda.csv: `item, value, state` (given, missing) and `where` it stands or would stand.

    Parameters
    ----------
    settings : Mapping
        The experiment of config.yaml; its `strenda` answers the items that no table holds.
    medium : Mapping
        The recipe of the assay medium.
    wells, activity, fits : DataFrame
        Wells of the assay, activity.csv and fits.csv.
    """
    told = settings.get("strenda", {})
    rows = [(text, told.get(key, ""), f"config.yaml, strenda.{key}") for key, text in ASKED.items()]
    totals = medium.get("totals_mm", medium.get("components", {}))
    samples = wells[wells["role"].isin(("total", "ouabain"))]
    rows += [
        ("assay: what is measured, and how", _values(wells, "assay"), PLATES),
        ("temperature of the assay, C", _values(wells, "temperature_c") or medium.get("temperature_c", ""), PLATES),
        ("pH", medium.get("ph", ""), MEDIUM),
        ("ionic strength, M", medium.get("ionic_strength_m", ""), MEDIUM),
        ("buffer and salts, mM", ", ".join(f"{k} {v:g}" for k, v in totals.items()), MEDIUM),
        ("substrate: ATP, mM", _values(samples, "atp_mm"), LAYOUT),
        ("metal: total Mg2+, mM", _values(samples, "magnesium_total_mm"), LAYOUT),
        ("free metal: free Mg2+, mM", _range(activity, "magnesium_free_mm"), "activity.csv, solved from the totals"),
        ("metal-substrate complex: MgATP, mM", _range(activity, "mgatp_mm"), "activity.csv, solved from the totals"),
        ("inhibitor: ouabain, mM", _values(samples, "ouabain_mm"), LAYOUT),
        ("enzyme in the assay: protein, ug", _range(activity, "protein_ug"), "activity.csv"),
        ("time of incubation, min", _values(samples, "time_min"), LAYOUT),
        ("proportionality to time and protein", "", "gates.csv, when several times or amounts are measured"),
        ("controls without enzyme", _count(wells, "nonenzymatic"), LAYOUT),
        ("number of independent preparations", activity["preparation_id"].nunique() or "", "activity.csv"),
        ("number of animals", activity["animal_id"].nunique() or "", "activity.csv"),
        ("replicates of each point (wells)", _range(activity, "n_total"), "activity.csv"),
        ("precision of the results", "standard errors and 95 % intervals" if len(activity) else "", "activity.csv"),
        ("unit of activity", _values(activity, "unit"), "activity.csv"),
        ("kinetic law and method of fitting", _laws(fits), "fits.csv, models.csv"),
        ("kinetic parameters with units and errors", _parameters(fits), "fits.csv"),
    ]
    values = [("" if value is None else str(value)) for _, value, _ in rows]
    states = ["given" if value else "missing" for value in values]
    items, _, where = zip(*rows, strict=True)
    return pd.DataFrame(dict(zip(COLUMNS, (items, values, states, where), strict=True)))


def _values(table: pd.DataFrame, column: str) -> str:
    if column not in table:
        return ""
    found = table[column].dropna().unique()
    numbers = pd.api.types.is_numeric_dtype(table[column])
    return ", ".join(f"{v:g}" for v in sorted(found)) if numbers else ", ".join(v for v in map(str, found) if v)


def _range(table: pd.DataFrame, column: str) -> str:
    found = table[column].dropna() if column in table else pd.Series(dtype=float)
    if found.empty:
        return ""
    low, high = found.min(), found.max()
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


def _count(wells: pd.DataFrame, role: str) -> str:
    n = int((wells["role"] == role).sum())
    return f"{n} wells" if n else ""


def _laws(fits: pd.DataFrame) -> str:
    laws = dict.fromkeys(m.replace("_", " ") for m in fits["model"]) if len(fits) else {}
    return f"{', '.join(laws)}; weighted least squares, profile likelihood" if laws else ""


def _parameters(fits: pd.DataFrame) -> str:
    groups = fits[fits["unit_id"] == ""] if len(fits) else fits
    return ", ".join(dict.fromkeys(f"{p} ({u})" for p, u in zip(groups["parameter"], groups["unit"], strict=True)))
