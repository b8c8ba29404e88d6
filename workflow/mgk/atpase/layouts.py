"""What the layouts of an ATPase assay must say, well by well, so that it is found before anything runs.

A well with enzyme needs its Mg2+, its ATP, in an endpoint assay its time, and its protein: as `protein_ug` (or, in a
coupled assay, `wet_weight_mg`) of the well itself, or from the protein plate that plates.csv names, which then has to
hold wells of its preparation. A preparation is of one animal, one condition and one concentration of ouabain.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from mgk.atpase.activity import SAMPLES
from mgk.plates.layout import REQUIRED

# A layout, its row as a spreadsheet counts, column, value, what is allowed.
Found = tuple[str, int, str, str, str]
ENDPOINT, COUPLED = "atpase_activity", "coupled_assay"
OF_ENZYME = {ENDPOINT: ("magnesium_total_mm", "atp_mm", "time_min"), COUPLED: ("magnesium_total_mm", "atp_mm")}


def layout_problems(plates: pd.DataFrame, layouts: Mapping[str, pd.DataFrame], analysis: str) -> list[Found]:
    """Return what the layouts of the plates of one experiment lack or contradict.

    Parameters
    ----------
    plates : DataFrame
        Its rows of plates.csv: plate_id, layout, protein_plate.
    layouts : mapping
        Each layout by its name, a row a well, in the order of the file.
    analysis : str
        `ENDPOINT` or `COUPLED`.
    """
    of_plate = dict(zip(plates["plate_id"], plates["layout"], strict=True))
    of_protein = {plate for plate in plates["protein_plate"] if plate}
    found: dict[Found, None] = {}
    for plate in plates.itertuples():
        if plate.layout not in layouts:
            continue
        layout = _with_what_its_role_needs(layouts[plate.layout])
        if plate.plate_id in of_protein:
            problems = _of_protein_plate(layout)
        else:
            protein = layouts.get(of_plate.get(plate.protein_plate, ""))
            problems = [*_of_assay(layout, analysis), *_protein(layout, plate.protein_plate, protein, analysis)]
            problems += _diluted(layout) if analysis == ENDPOINT else []
        found |= dict.fromkeys((plate.layout, *problem) for problem in problems)
    found |= dict.fromkeys(_contradictions({n: t for n, t in layouts.items() if n in set(plates["layout"])}))
    return list(found)


def _with_what_its_role_needs(layout: pd.DataFrame) -> pd.DataFrame:
    """Leave out the wells that lack one of the columns of their role: that is found where the layout is read."""
    empty = layout.isna() | (layout == "")
    lacks = [
        any(empty.loc[i, list(group)].all() for group in REQUIRED.get(role, ())) for i, role in layout["role"].items()
    ]
    return layout[~pd.Series(lacks, index=layout.index, dtype=bool)]


def _of_assay(layout: pd.DataFrame, analysis: str) -> Iterator[tuple]:
    enzyme = layout["role"].isin(SAMPLES)
    for column in OF_ENZYME[analysis]:
        yield from _empty(layout, enzyme, column, f"must not be empty for wells with enzyme in the analysis {analysis}")
    standard = layout["role"] == "standard"
    yield from _empty(layout, standard, "standard_nmol", "must not be empty for a standard of this assay")


def _of_protein_plate(layout: pd.DataFrame) -> Iterator[tuple]:
    yield from _empty(layout, layout["role"] == "standard", "protein_ug", "must not be empty for a protein standard")
    for column in ("preparation_id", "sample_ul"):
        allowed = "must not be empty for a sample of a protein plate"
        yield from _empty(layout, layout["role"] == "sample", column, allowed)


def _protein(layout: pd.DataFrame, name: str, plate: pd.DataFrame | None, analysis: str) -> Iterator[tuple]:
    enzyme = layout["role"].isin(SAMPLES)
    if analysis == COUPLED and layout.loc[enzyme, "wet_weight_mg"].notna().all():
        return
    measured = set() if plate is None else set(plate.loc[plate["role"] == "sample", "preparation_id"])
    by_plate = layout["preparation_id"].isin(measured) & layout["sample_ul"].notna()
    without = layout[enzyme & ~(layout["protein_ug"] > 0) & ~by_plate]
    weighed = ", wet_weight_mg in every well with enzyme" if analysis == COUPLED else ""
    allowed = f"must be above 0 ug{weighed}, or the protein comes from a protein_plate that plates.csv names"
    if name:
        allowed = f"must be above 0 ug{weighed}, or {{}} has to be a sample of {name}, with sample_ul here"
    yield from _each(layout, enzyme, without.index, "protein_ug", allowed)


def _empty(layout: pd.DataFrame, asked: pd.Series, column: str, allowed: str) -> Iterator[tuple]:
    yield from _each(
        layout, asked, layout.index[asked & (layout[column].isna() | (layout[column] == ""))], column, allowed
    )


def _each(layout: pd.DataFrame, asked: pd.Series, wrong: pd.Index, column: str, allowed: str) -> Iterator[tuple]:
    """Yield a problem for each wrong well, or one for the column where it is empty for all that were asked."""
    if len(wrong) == asked.sum() > 1 and layout.loc[wrong, column].replace("", None).isna().all():
        yield 1, column, "", allowed.replace("{}", "each preparation")
        return
    for i in wrong:
        well = layout.loc[i]
        value = "" if pd.isna(well[column]) else f"{well[column]:g}" if column == "protein_ug" else str(well[column])
        yield i + 2, column, value, f"{well['well']}: {allowed.replace('{}', well['preparation_id'])}"


def _diluted(layout: pd.DataFrame) -> Iterator[tuple]:
    used = layout[layout["role"].isin([*SAMPLES, "nonenzymatic"])]
    factors = used["dilution_factor"].fillna(1.0)
    for i in used.index[factors != (factors.iloc[0] if len(used) else 1.0)]:
        allowed = (
            f"samples and blanks of a plate must be diluted alike; row {used.index[0] + 2} has {factors.iloc[0]:g}"
        )
        yield i + 2, "dilution_factor", f"{factors[i]:g}", allowed


def _contradictions(layouts: Mapping[str, pd.DataFrame]) -> Iterator[Found]:
    first: dict[tuple[str, str], tuple] = {}
    for name, layout in layouts.items():
        for i, well in layout[layout["role"].isin(SAMPLES)].iterrows():
            for column in ("animal_id", "condition", *(("ouabain_mm",) if well["role"] == "ouabain" else ())):
                preparation, value = well["preparation_id"], well[column]
                known, where = first.setdefault((preparation, column), (value, f"row {i + 2} of {name}"))
                if preparation and value != known and not (pd.isna(value) and pd.isna(known)):
                    allowed = f"preparation {preparation} has {known or 'none'} in {where}; it must be one"
                    yield name, i + 2, column, "" if pd.isna(value) else str(value), allowed
