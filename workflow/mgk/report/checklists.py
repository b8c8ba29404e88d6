"""Checklists of what a reader needs to judge an experiment, filled from the study; what it does not say is named.

Recordings in voltage and current clamp, shots of stopped flow and image stacks: a minimum of our own, the items that
reports of patch-clamp work, of rapid mixing and of ratio imaging are usually asked for (assumed, no source read).
Assays of enzymes: STRENDA, as the notebook of the analysis fills it (`strenda.csv`). Clinical tables: what a reader has
to supply stands in their chapter.
"""

from collections.abc import Callable
from html import escape

import pandas as pd

from mgk.analyses import is_excitability, is_unitary
from mgk.excitability import Criterion
from mgk.report.html import MINUS, Fragment, table_html
from mgk.report.results import Results, all_results
from mgk.study import Study
from mgk.tables import read_table

MISSING = "MISSING"
MOST_NAMED = 6


def all_checklists(project: Study) -> Fragment:
    """Return the checklists of the experiments that have one, each below its heading."""
    parts = [_section(experiment, _recordings(project, experiment)) for experiment in project.experiments("recordings")]
    parts += [_section(experiment, _stacks(project, experiment)) for experiment in project.experiments("stacks")]
    for results in all_results(project):
        if "strenda.csv" in results.analysis.tables and results.is_there:
            parts.append(_section(f"{results.experiment}, STRENDA", _strenda(results)))
    return Fragment("".join(parts) or "<p>No recordings, image stacks or enzyme assays: no checklist applies.</p>")


def _section(name: str, items: pd.DataFrame) -> str:
    open_items = int((items == MISSING).any(axis=1).sum())
    state = f"{open_items} of {len(items)} items missing" if open_items else f"all {len(items)} items stated"
    table = table_html(items, f"Checklist of {name}").html
    return f"<details><summary>{escape(name)}: {state}</summary>{table}</details>"


def _strenda(results: Results) -> pd.DataFrame:
    """Return the items of an enzyme assay: item, what the study says, where it says so."""
    items = results.table("strenda.csv", text=("value",))
    said = items["value"].where(items["state"] != "missing", MISSING)
    return pd.DataFrame({"Item": items["item"], "The study says": said, "Where": items["where"]})


def _recordings(project: Study, experiment: str) -> pd.DataFrame:
    """Return the items for an experiment of recordings: item, what the study says, where it says so."""
    rows = project.table("recordings")
    rows = rows[rows["experiment"] == experiment]
    settings = project.experiment("recordings", experiment)
    if settings["analysis"] in ("relaxation", ["relaxation"]):
        return _table([*_shots(project, experiment, rows), _by_hand(rows)])
    if is_unitary(settings):
        return _table([*_patches(project, experiment, rows), _by_hand(rows)])
    in_current_clamp = is_excitability(settings)
    found = [(item, stated(rows, name), f"recordings.csv: {name}") for item, name in COLUMNS.items()]
    found += _measured(project, experiment, MEASURED_IN_CURRENT_CLAMP if in_current_clamp else MEASURED)
    given = settings.get("corrections") or {}
    for item, key in CORRECTIONS.items():
        if key == "junction_potential" or not in_current_clamp:
            found.append((item, given.get(key, "none"), f"config.yaml: corrections.{key}"))
    if in_current_clamp:
        criterion = Criterion.of((settings.get("excitability") or {}).get("spikes") or {})
        said = f"dV/dt {criterion.threshold_mv_ms:g} mV/ms"
        found.append(("Criterion of the spike's threshold", said, "config.yaml: excitability.spikes"))
    quality = settings.get("quality") or {}
    limits = "; ".join(f"{name} {q['value']:g} {q['unit']}" for name, q in quality.items()) or "those of the project"
    found.append(("Limits of quality", limits, "config.yaml: quality; thresholds.csv"))
    return _table([*found, _by_hand(rows)])


def _shots(project: Study, experiment: str, rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the items for shots of stopped flow; what is asked of a patch of membrane is not asked of them."""
    found = [(item, stated(rows, name), f"recordings.csv: {name}") for item, name in COLUMNS_OF_SHOTS.items()]
    dead = project.experiment("recordings", experiment).get("relaxation", {}).get("dead_time_ms")
    said = f"{dead['value']:g} {dead['unit']} ({dead['source']})" if dead else MISSING
    found.append(("Dead time", said, "config.yaml: relaxation.dead_time_ms"))
    return found + _measured(project, experiment, MEASURED_OF_SHOTS)


def _patches(project: Study, experiment: str, rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the items for patches of single channels; what is asked of a whole cell is not asked of them."""
    columns = {item: name for item, name in COLUMNS.items() if name not in OF_WHOLE_CELLS}
    found = [(item, stated(rows, name), f"recordings.csv: {name}") for item, name in columns.items()]
    given = project.experiment("recordings", experiment).get("corrections") or {}
    corrected = given.get("junction_potential", "none")
    found.append(("Junction potential", corrected, "config.yaml: corrections.junction_potential"))
    return found + _measured(project, experiment, MEASURED_OF_PATCHES)


def _measured(project: Study, experiment: str, items: dict) -> list[tuple[str, str, str]]:
    """Return what the tables made of an experiment's raw files say, by item."""
    found = []
    for item, (name, say) in items.items():
        path = project.results / "recordings" / experiment / name
        found.append((item, say(read_table(path)) if path.exists() else MISSING, f"results: {name}"))
    return found


def _by_hand(rows: pd.DataFrame, table: str = "recordings.csv") -> tuple[str, str, str]:
    excluded = rows["exclude"].fillna("") if "exclude" in rows else pd.Series([], dtype=str)
    reasons = "; ".join(f"{n}: {why}" for why, n in excluded[excluded != ""].value_counts(sort=False).items())
    return "Excluded by hand, with reasons", reasons or "none", f"{table}: exclude"


def _table(items: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(items, columns=["Item", "The study says", "Where"])


def _stacks(project: Study, experiment: str) -> pd.DataFrame:
    """Return the items for an experiment of image stacks: item, what the study says, where it says so."""
    rows = project.table("stacks")
    rows = rows[rows["experiment"] == experiment]
    settings = project.experiment("stacks", experiment)
    found = [(item, stated(rows, name), f"stacks.csv: {name}") for item, name in OF_STACKS.items()]
    path = project.results / "stacks" / experiment / "quality.csv"
    for item, name in FOUND_IN_STACKS.items():
        said = stated(read_table(path), name) if path.exists() else MISSING
        found.append((item, said, f"results: quality.csv: {name}"))
    kd = settings["kd_mm"]
    found.append(("Kd of the dye (mM), with its source", f"{kd['value']:g}; {kd['source']}", "config.yaml: kd_mm"))
    for item, key in {"Temperature of Kd (°C)": "temperature_c", "Buffer of Kd": "buffer"}.items():
        found.append((item, str(kd.get(key, MISSING)), f"config.yaml: kd_mm.{key}"))
    found.append(("Calibration", settings.get("calibration", "in_situ"), "config.yaml: calibration"))
    return _table([*found, _by_hand(rows, "stacks.csv")])


def stated(rows: pd.DataFrame, name: str) -> str:
    """Return what a column says: its values or their span, of how many rows; MISSING when it says nothing."""
    values = rows[name].dropna() if name in rows else pd.Series([], dtype=object)
    values = values[values.astype(str) != ""]
    if values.empty:
        return MISSING
    if pd.api.types.is_numeric_dtype(values):
        low, high = values.min(), values.max()
        words = (f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}").replace("-", MINUS)
    else:
        kinds = list(dict.fromkeys(values.astype(str)))
        words = ", ".join(kinds[:MOST_NAMED]) + (f" and {len(kinds) - MOST_NAMED} more" * (len(kinds) > MOST_NAMED))
    return words if len(values) == len(rows) else f"{words}; {MISSING} in {len(rows) - len(values)} of {len(rows)} rows"


def _span(name: str, unit: str) -> Callable[[pd.DataFrame], str]:
    """Return a function that says the span of a measured column."""

    def say(table: pd.DataFrame) -> str:
        words = stated(table, name)
        return words if words == MISSING else f"{words} {unit}".replace(f"; {MISSING}", f" {unit}; {MISSING}", 1)

    return say


def _counts(table: pd.DataFrame) -> str:
    kept = table[table["verdict"] != "exclude"]
    return (
        f"{len(kept)} recordings, {kept['cell_id'].nunique()} cells, {kept['animal_id'].nunique()} animals "
        f"(of {len(table)}, {table['cell_id'].nunique()}, {table['animal_id'].nunique()})"
    )


# Item -> column of raw_data/recordings.csv.
COLUMNS = {
    "Configuration": "configuration",
    "Construct or preparation": "construct",
    "Pipette solution": "pipette_solution",
    "Bath solution": "bath_solution",
    "Temperature (°C)": "temperature_c",
    "Seal (MOhm)": "seal_mohm",
    "Series resistance (MOhm)": "series_resistance_mohm",
    "Series resistance compensated (%)": "compensation_percent",
    "Membrane capacitance (pF)": "cell_capacitance_pf",
    "Day of recording": "date",
}
COLUMNS_OF_SHOTS = {
    "Construct or preparation": "construct",
    "Solution after mixing": "bath_solution",
    "Ligand": "ligand",
    "Ligand after mixing, total (mM)": "ligand_total_mm",
    "Temperature (°C)": "temperature_c",
    "Channel of the signal": "channel",
    "Day of recording": "date",
}
# Item -> column of results/stacks/<experiment>/quality.csv.
FOUND_IN_STACKS = {
    "Background": "background",
    "Shift of the wavelengths, y (px)": "shift_y_px",
    "Shift of the wavelengths, x (px)": "shift_x_px",
    "Cells a stack": "n_rois",
}
# Item -> column of raw_data/stacks.csv.
OF_STACKS = {
    "Time from frame to frame (s)": "frame_interval_s",
    "Flat field at 340 nm": "shading_340",
    "Flat field at 380 nm": "shading_380",
    "Camera's offset (counts)": "camera_offset_counts",
    "Count from which a pixel is saturated": "saturation_counts",
    "Temperature (°C)": "temperature_c",
    "Day of recording": "date",
}
# Item -> table of the experiment and how to say it.
MEASURED_OF_SHOTS = {
    "Signal, unit": ("transients.csv", _span("unit", "")),
    "Time after the trigger": ("transients.csv", _span("time_ms", "ms")),
    "Shots of a transient, used": ("quality.csv", _span("n_used", "")),
    "Spread of the shots": ("quality.csv", _span("spread_percent", "%")),
    "n used (of all)": ("quality.csv", _counts),
}
MEASURED = {
    "Sampling rate": ("quality.csv", _span("rate_hz", "Hz")),
    "Filter": ("quality.csv", _span("filter_hz", "Hz")),
    "Holding potential": ("measurements.csv", _span("holding_mv", "mV")),
    "Command, how it is known": ("quality.csv", _span("command_source", "")),
    "Noise of the baseline": ("quality.csv", _span("baseline_sd_pa", "pA")),
    "n used (of all)": ("quality.csv", _counts),
}
# What single-channel recordings do not have, and what is said of them instead.
OF_WHOLE_CELLS = ("series_resistance_mohm", "compensation_percent", "cell_capacitance_pf")
MEASURED_OF_PATCHES = {
    "Sampling rate": ("levels.csv", _span("rate_hz", "Hz")),
    "Filter, of all filters together": ("levels.csv", _span("filter_hz", "Hz")),
    "Dead time of the threshold": ("levels.csv", _span("dead_time_ms", "ms")),
    "Resolution imposed": ("levels.csv", _span("resolution_ms", "ms")),
    "Noise, all channels closed": ("levels.csv", _span("closed_noise_pa", "pA")),
    "Potentials": ("levels.csv", _span("membrane_mv", "mV")),
    "Time at each potential": ("levels.csv", _span("duration_s", "s")),
    "Openings at each potential": ("levels.csv", _span("openings", "")),
    "Most channels open at once": ("levels.csv", _span("channels", "")),
    "n used (of all)": ("quality.csv", _counts),
}
MEASURED_IN_CURRENT_CLAMP = {
    "Sampling rate": ("quality.csv", _span("rate_hz", "Hz")),
    "Filter": ("quality.csv", _span("filter_hz", "Hz")),
    "Current that holds the cell": ("quality.csv", _span("holding_pa", "pA")),
    "Steps of current": ("excitability.csv", _span("step_pa", "pA")),
    "Injected current, how it is known": ("quality.csv", _span("command_source", "")),
    "Resting potential, as recorded": ("quality.csv", _span("resting_mv", "mV")),
    "Noise at rest": ("quality.csv", _span("resting_sd_mv", "mV")),
    "What the bridge leaves of the pipette": ("quality.csv", _span("bridge_mohm", "MOhm")),
    "n used (of all)": ("quality.csv", _counts),
}
# Item -> key of the corrections of config.yaml.
CORRECTIONS = {
    "Baseline": "baseline",
    "Junction potential": "junction_potential",
    "Series resistance, correction": "series_resistance",
    "Leak": "leak",
}
