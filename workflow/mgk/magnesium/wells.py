"""From the wells of a plate to a row per well with its fluorescence at 340 and 380 nm."""

import pandas as pd

from mgk.tables.problems import InputError

ROLES = ("background", "blank", "rmin", "rmax", "standard", "sample")
CHANNELS = ("340", "380")
PLACE = ["run_id", "plate_id", "well"]
DESCRIBED = ["sample_id", "animal_id", "condition"]


def paired_wells(wells: pd.DataFrame, quality: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return a row per well with its fluorescence at 340 and 380 nm, ordered by run, plate and well.

    Parameters
    ----------
    wells : DataFrame
        `results/plates/<experiment>/wells.csv`. Readings of one well at one wavelength (repeats, times) are averaged.
    quality : DataFrame or None
        `results/plates/<experiment>/quality.csv`; no well of a plate with the verdict `exclude` is used.

    Returns
    -------
    DataFrame
        run_id, plate_id, well, role, sample_id, animal_id, condition, f340, f380, magnesium_mm (free Mg2+ of
        standards, where `with_known_magnesium` gave it) and reason: empty, or why the well is not used (a flagged or
        missing reading at either wavelength). Empty wells are left out.

    Raises
    ------
    InputError
        When there are no reads named 340 and 380, no sample wells, or a sample without one animal and one condition.
    """
    wells = named_reads(wells)
    pairs = wells.drop_duplicates(PLACE).set_index(PLACE)[["role", *DESCRIBED, "magnesium_mm"]]
    flags = pd.DataFrame(index=pairs.index)
    for channel in CHANNELS:
        read = wells[wells["read_name"] == channel].groupby(PLACE)
        pairs[f"f{channel}"] = read["value"].mean()
        flags[channel] = read["flag"].agg(lambda flags: " and ".join(sorted(set(flags) - {""})))
    pairs["reason"] = [_reason(*row) for row in flags.fillna("missing").itertuples(index=False)]
    pairs = pairs.reset_index()
    if quality is not None:
        excluded = quality.loc[quality["verdict"] == "exclude", "plate_id"]
        pairs.loc[pairs["plate_id"].isin(excluded), "reason"] = "plate excluded"
    _check_samples(pairs[pairs["role"] == "sample"])
    position = pairs["well"].str.extract(r"^([A-Z]+)0*(\d+)$")
    pairs = pairs.assign(row=position[0], column=position[1].astype(float))
    columns = ["run_id", "plate_id", "well", "role", *DESCRIBED, "f340", "f380", "magnesium_mm", "reason"]
    return pairs.sort_values(["run_id", "plate_id", "row", "column"], ignore_index=True)[columns]


def named_reads(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the used wells with reads named 340 and 380, texts filled and readings without a value flagged.

    Raises
    ------
    InputError
        When there are no reads of these names.
    """
    wells = wells[wells["role"].isin(ROLES)].copy()
    wells["read_name"] = wells["read_name"].astype(str).str.removesuffix(".0")
    found = sorted(set(wells["read_name"]))
    if not set(CHANNELS) <= set(found):
        raise InputError(f"wells.csv has the reads {', '.join(found) or 'none'}; needed: reads named 340 and 380")
    words = [*PLACE, *DESCRIBED, "flag"]
    wells[words] = wells.reindex(columns=words).astype(object).fillna("")
    wells["magnesium_mm"] = wells.reindex(columns=["magnesium_mm"])["magnesium_mm"].astype(float)
    wells["flag"] = wells["flag"].mask((wells["flag"] == "") & wells["value"].isna(), "missing")
    return wells


def assay_temperatures_c(wells: pd.DataFrame) -> dict[str, float]:
    """Return the temperature of the assay of each run in C; NaN where it is not stated, or not one."""
    if "temperature_c" not in wells:
        return {}
    found = wells.groupby("run_id")["temperature_c"].agg(["min", "max"])
    return found["min"].where(found["min"] == found["max"]).to_dict()


def _reason(at_340: str, at_380: str) -> str:
    """Return why a well is not used, from its flags at both wavelengths; empty when it is used."""
    if at_340 == at_380:
        return at_340
    return ", ".join(
        f"{flag} at {channel} nm" for flag, channel in zip((at_340, at_380), CHANNELS, strict=True) if flag
    )


def _check_samples(pairs: pd.DataFrame) -> None:
    if pairs.empty:
        raise InputError("wells.csv has no wells with the role sample")
    for (run_id, sample_id), group in pairs.groupby(["run_id", "sample_id"]):
        wells = ", ".join(group["well"])
        if not sample_id:
            raise InputError(f"run {run_id}, wells {wells}: a sample well needs a sample_id")
        for name in ("animal_id", "condition"):
            if len(set(group[name])) > 1:
                raise InputError(f"run {run_id}, sample {sample_id}, wells {wells}: more than one {name}")
        if not group["animal_id"].iloc[0]:
            raise InputError(f"run {run_id}, sample {sample_id}: no animal_id; the animal or donor is the unit")
