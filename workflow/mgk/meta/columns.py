"""Columns of a clinical table by what they hold, and how a column is read as numbers."""

import numpy as np
import pandas as pd

COUNTS = ("events_treatment", "n_treatment", "events_control", "n_control")
MEANS = ("mean_treatment", "sd_treatment", "n_treatment", "mean_control", "sd_control", "n_control")
PAIRED = ("mean_treatment", "sd_treatment", "mean_control", "sd_control", "n", "correlation")
PROPORTION = ("events", "n")
ESTIMATES = ("estimate", "se", "ci_low", "ci_high", "ci_level", "scale")

# What a published estimate may be written in, and the analysis scale that it gets.
PUBLISHED_SCALES = {"ratio": "log", "log": "log", "linear": "linear"}


def study_name(study: pd.Series) -> str:
    """Return the name of a study with its year, where it has one that the name does not hold already."""
    name, year = str(study["study"]), study.get("year")
    shown = "" if year is None or pd.isna(year) else f"{year:g}" if isinstance(year, float) else str(year)
    return name if shown in name else f"{name} {shown}"


def numbers(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as numbers; what is absent, empty or not a number is NaN."""
    if name not in table:
        return np.full(len(table), np.nan)
    return pd.to_numeric(table[name], errors="coerce").to_numpy(float, na_value=np.nan).copy()


def filled(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return which rows hold anything in a column; none where there is no such column."""
    if name not in table:
        return np.zeros(len(table), bool)
    return (table[name].notna() & (table[name].astype(object).map(lambda value: str(value).strip()) != "")).to_numpy()
