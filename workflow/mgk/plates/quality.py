"""The quality of plates: wells without values, controls, position on the plate, replicates; the verdict and its limits.

Like is compared with like: a group is the wells of one read that have the same role and the same levels in the layout
(everything but the number of the replicate). Without a layout nothing is known to be alike, and only the flags are
judged. Of a kinetic read the first time is taken.

Limits: endpoint values and first values only; a group that lies wholly at the edge (or in the interior) tells nothing
about the edge. Percentages are of the mean of the wells that are compared.

Vocabulary
----------
Z': 1 - 3 (SD_high + SD_low) / |mean_high - mean_low| of the wells qc_high and qc_low (Zhang, Chung and Oldenburg
    1999, J Biomol Screen 4:67); its interval is a percentile bootstrap over the wells of each kind, seeded by the
    plate's and the read's name. With few wells it is too short: it shows only what these wells say of themselves.
edge effect: how much more a well at the perimeter reads than one of its group in the interior, by least squares with
    a constant for each group, errors robust to unequal spread (HC1), t interval.
drift: the same for the number of the row, or of the column, times the rows, or columns, that were used.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from mgk.plates.export import plate_shape, well_position
from mgk.tables.schema import load_schema

MANUAL = "Assay Guidance Manual, HTS assay validation (from memory, not read)"
FEWEST_CONTROLS = 4
FEWEST_DEGREES = 4
DRAWS = 2000
LEVEL = 0.95
NOT_A_LEVEL = ("well", "replicate")
LIKE = ("plate_id", "read", "label", "well", "role", "level", "value", "mean", "residual", "row", "column", "edge")
EFFECTS = ("edge", "row drift", "column drift")


@dataclass(frozen=True)
class Limit:
    """A limit of a number of quality.csv; on its wrong side the plate gets a warning."""

    value: float
    unit: str
    source: str


LIMITS = {
    "z_prime_min": Limit(0.5, "1", "Zhang, Chung and Oldenburg 1999, J Biomol Screen 4:67: an excellent assay"),
    "edge_max": Limit(20, "%", MANUAL),
    "drift_max": Limit(20, "%", MANUAL),
    "replicate_cv_max": Limit(20, "%", MANUAL),
}


def limits(settings: Mapping | None = None) -> dict[str, Limit]:
    """Return the limits of an experiment by name; `settings` is its `quality`, of {value, unit, source}."""
    given = settings or {}
    return {
        name: replace(limit, value=float(given[name]["value"]), source=given[name]["source"])
        if name in given
        else limit
        for name, limit in LIMITS.items()
    }


def plate_quality(wells: pd.DataFrame, settings: Mapping | None = None) -> pd.DataFrame:
    """Judge each plate.

    Parameters
    ----------
    wells: as from `tidy_wells`.
    settings: `quality` of the experiment, limits in place of the defaults.

    Returns
    -------
    A row a plate: `plate_id, experiment, run_id, n_wells` (that the layout uses; without a layout all that were
    measured), `n_missing, n_overflow, n_masked, n_blank` of them (a well counts once, whichever read or time),
    `n_unused` (wells with a value that the layout leaves empty), `z_prime` with `z_prime_ci_low, z_prime_ci_high` (of
    the read where it is smallest; NaN without 4 controls of each kind), `n_qc_high, n_qc_low`, then for edge, row_drift
    and column_drift `_percent, _ci_low, _ci_high, _p` (of the read where the effect is largest; NaN where it cannot be
    estimated), `replicate_cv_percent` (the largest of the reads' medians over groups), `verdict` (pass, warn, exclude)
    and `reason`.
    """
    rows = [_quality(plate, group, limits(settings)) for plate, group in wells.groupby("plate_id", sort=False)]
    return pd.DataFrame(rows)


def z_prime(high: np.ndarray, low: np.ndarray) -> float:
    """Return Z' of two groups of control wells (see the module), NaN when their means are equal."""
    distance = abs(float(np.mean(high)) - float(np.mean(low)))
    if distance == 0:
        return np.nan
    return 1 - 3 * (float(np.std(high, ddof=1)) + float(np.std(low, ddof=1))) / distance


def z_prime_interval(high: np.ndarray, low: np.ndarray, name: str) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of Z'; the wells of each kind are drawn apart.

    Parameters
    ----------
    name: seeds the draws, so that the same plate and read give the same interval.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode("utf-8")))
    drawn = [group[rng.integers(0, len(group), (DRAWS, len(group)))] for group in (high, low)]
    spread = 3 * (drawn[0].std(axis=1, ddof=1) + drawn[1].std(axis=1, ddof=1))
    distance = np.abs(drawn[0].mean(axis=1) - drawn[1].mean(axis=1))
    values = 1 - spread[distance > 0] / distance[distance > 0]
    low_end, high_end = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(values) else (np.nan, np.nan)
    return float(low_end), float(high_end)


def control_table(wells: pd.DataFrame) -> pd.DataFrame:
    """Return Z' of each plate and read.

    Returns
    -------
    `plate_id, read, label, z_prime, ci_low, ci_high, n_qc_high, n_qc_low, reason` (why there is no Z').
    """
    rows = []
    for (plate, read, label), group in _reads(wells):
        high, low = (group.loc[group["role"] == role, "value"].to_numpy() for role in ("qc_high", "qc_low"))
        enough = min(len(high), len(low)) >= FEWEST_CONTROLS
        z = z_prime(high, low) if enough else np.nan
        interval = z_prime_interval(high, low, f"{plate} {read}") if enough else (np.nan, np.nan)
        reason = "" if enough else f"{len(high)} high and {len(low)} low controls; {FEWEST_CONTROLS} of each are needed"
        rows.append((plate, read, label, z, *interval, len(high), len(low), reason))
    names = ("plate_id", "read", "label", "z_prime", "ci_low", "ci_high", "n_qc_high", "n_qc_low", "reason")
    return pd.DataFrame(rows, columns=list(names))


def like_wells(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the wells with a value whose group has at least two, with what position and group say of them.

    Returns
    -------
    `plate_id, read, label, well, role, level` (the group in words), `value, mean` (of the group), `residual` (value
    minus mean), `row, column` (from 0), `edge` (whether the well is at the perimeter of its plate).
    """
    parts = []
    levels = [c for c in load_schema("layout")["properties"] if c not in NOT_A_LEVEL and c in wells]
    for (plate, read, label), group in _reads(wells):
        used = group[~group["role"].isin(("", "empty"))]
        if used.empty:
            continue
        records = used[levels].to_dict("records")
        named = [_level(record) for record in records]
        keys = pd.Series([f"{r['role']}; {n}" for r, n in zip(records, named, strict=True)], index=used.index)
        size = keys.map(keys.value_counts())
        places = [well_position(w) for w in used["well"]]
        rows, columns = plate_shape(wells.loc[wells["plate_id"] == plate, "well"])
        frame = used[["well", "role", "value"]].assign(plate_id=plate, read=read, label=label, level=named, key=keys)
        frame["row"], frame["column"] = [p[0] for p in places], [p[1] for p in places]
        frame["edge"] = [r in (0, rows - 1) or c in (0, columns - 1) for r, c in places]
        parts.append(frame[(size >= 2).to_numpy()])
    if not parts:
        return pd.DataFrame(columns=[*LIKE, "key"])
    found = pd.concat(parts, ignore_index=True)
    found["mean"] = found.groupby(["plate_id", "read", "key"])["value"].transform("mean")
    found["residual"] = found["value"] - found["mean"]
    return found[[*LIKE, "key"]]


def position_table(wells: pd.DataFrame) -> pd.DataFrame:
    """Estimate what position does on each plate and read.

    Returns
    -------
    A row for each of `EFFECTS`: `plate_id, read, label, effect, estimate` (in the unit of the value), `percent, ci_low,
    ci_high` (percent of the mean of the wells compared), `p, n_wells, n_groups, reason` (why there is no estimate).
    """
    alike = like_wells(wells)
    rows = []
    for (plate, read, label), _ in _reads(wells):
        own = alike[(alike["plate_id"] == plate) & (alike["read"] == read)]
        for effect in EFFECTS:
            rows.append({"plate_id": plate, "read": read, "label": label, "effect": effect, **_effect(own, effect)})
    return pd.DataFrame(rows)


def replicate_table(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of each group of like wells: `plate_id, read, label, role, level, n, mean, sd, cv_percent`."""
    keys = ["plate_id", "read", "label", "role", "level", "key"]
    table = like_wells(wells).groupby(keys, sort=False)["value"].agg(n="size", mean="mean", sd="std").reset_index()
    table["cv_percent"] = 100 * table["sd"] / table["mean"].where(table["mean"] > 0)
    return table.drop(columns="key")


def _level(row: dict) -> str:
    told = [
        f"{k} {v:g}" if isinstance(v, float) else f"{v}" for k, v in row.items() if k != "role" and v == v and v != ""
    ]
    return ", ".join(dict.fromkeys(told))


def _reads(wells: pd.DataFrame):
    """Yield (plate, read, label) and its wells with a value, at the first time of a kinetic read."""
    for key, group in wells.groupby(["plate_id", "read", "label"], sort=False):
        first = group["time_s"].min()
        at = group["time_s"].isna() if math.isnan(first) else group["time_s"] == first
        yield key, group[at & group["value"].notna()]


def _effect(alike: pd.DataFrame, effect: str) -> dict:
    """Return the estimate of one effect from the like wells of one read."""
    nothing = dict.fromkeys(("estimate", "percent", "ci_low", "ci_high", "p"), np.nan)
    x = alike["edge"].astype(float) if effect == "edge" else alike[effect.split()[0]].astype(float)
    varies = x.groupby(alike["key"]).transform(lambda g: g.max() > g.min()).astype(bool)
    used, x = alike[varies], x[varies]
    n, groups = len(used), used["key"].nunique()
    counts = {"n_wells": n, "n_groups": groups}
    if n - groups - 1 < FEWEST_DEGREES:
        lack = "no layout says which wells are alike" if alike.empty else f"only {n} like wells lie at different places"
        return nothing | counts | {"reason": lack}
    span = 1.0 if effect == "edge" else float(x.max() - x.min())
    slope, se, df = within_slope(used["value"].to_numpy(float), x.to_numpy(float) / span, used["key"].to_numpy())
    scale = 100 / abs(float(used["value"].mean())) if used["value"].mean() else np.nan
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * se
    p = float(2 * stats.t.sf(abs(slope) / se, df)) if se > 0 else np.nan
    ends = {"ci_low": scale * (slope - half), "ci_high": scale * (slope + half)}
    return {"estimate": slope, "percent": scale * slope, **ends, "p": p} | counts | {"reason": ""}


def within_slope(y: np.ndarray, x: np.ndarray, groups: np.ndarray) -> tuple[float, float, int]:
    """Return slope, standard error and degrees of freedom of y on x with a constant for each group.

    The error is robust to unequal spread (HC1: White 1980 with the factor n/(n - k), k the groups and the slope).
    """
    frame = pd.DataFrame({"y": y, "x": x, "g": groups})
    centred = frame[["y", "x"]] - frame.groupby("g")[["y", "x"]].transform("mean")
    y, x = centred["y"].to_numpy(), centred["x"].to_numpy()
    power = float(x @ x)
    slope = float(x @ y) / power
    df = len(frame) - frame["g"].nunique() - 1
    squares = float(np.sum((x * (y - slope * x)) ** 2))
    return slope, math.sqrt(squares * len(frame) / df) / power, df


def _quality(plate: str, wells: pd.DataFrame, limit: dict[str, Limit]) -> dict:
    has_layout = (wells["role"] != "").any()
    used = wells[wells["role"] != "empty"] if has_layout else wells[wells["flag"] != "blank"]
    flagged = {f: _names(used.loc[used["flag"] == f, "well"]) for f in ("missing", "overflow", "masked", "blank")}
    numbers = _numbers(wells)
    dead = [label for label, group in used.groupby("label", sort=False) if group["value"].isna().all()]
    reasons = [f"{flag}: {', '.join(names)}" for flag, names in flagged.items() if names]
    reasons += _passed(numbers, limit)
    if dead or used.empty:
        reasons.insert(0, f"no well has a value in read {', '.join(dead)}" if dead else "no well is used")
    unused = wells[(wells["role"] == "empty") & wells["value"].notna()]
    return {
        "plate_id": plate,
        "experiment": wells["experiment"].iloc[0],
        "run_id": wells["run_id"].iloc[0],
        "n_wells": used["well"].nunique(),
        **{f"n_{flag}": len(names) for flag, names in flagged.items()},
        "n_unused": unused["well"].nunique(),
        **numbers,
        "verdict": "exclude" if dead or used.empty else "warn" if reasons else "pass",
        "reason": "; ".join(reasons),
    }


def _numbers(wells: pd.DataFrame) -> dict:
    """Return the numbers of a plate that limits are held against: those of its worst read."""
    controls = control_table(wells).sort_values("z_prime", kind="stable", na_position="last").to_dict("records")
    worst = controls[0] if controls else {"z_prime": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    numbers = {
        "z_prime": worst["z_prime"],
        "z_prime_ci_low": worst["ci_low"],
        "z_prime_ci_high": worst["ci_high"],
        "n_qc_high": worst.get("n_qc_high", 0),
        "n_qc_low": worst.get("n_qc_low", 0),
    }
    positions = position_table(wells)
    for effect in EFFECTS:
        own = positions[positions["effect"] == effect] if len(positions) else positions
        known = own[own["percent"].notna()] if len(own) else own
        name = effect.replace(" ", "_")
        row = known.loc[known["percent"].abs().idxmax()] if len(known) else {}
        for column, key in (("percent", "percent"), ("ci_low", "ci_low"), ("ci_high", "ci_high"), ("p", "p")):
            numbers[f"{name}_{column}"] = float(row[key]) if len(known) else np.nan
    spread = replicate_table(wells)
    numbers["replicate_cv_percent"] = (
        float(spread.groupby("read")["cv_percent"].median().max()) if len(spread) else np.nan
    )
    return numbers


def _passed(numbers: dict, limit: dict[str, Limit]) -> list[str]:
    """Say which limits are passed; an effect of position only where its interval leaves zero out."""
    found = []
    z, least = numbers["z_prime"], limit["z_prime_min"].value
    if z < least:
        found.append(
            f"Z' {z:.2f} ({numbers['z_prime_ci_low']:.2f} to {numbers['z_prime_ci_high']:.2f}) is below {least:g}"
        )
    for effect, most in (("edge", "edge_max"), ("row drift", "drift_max"), ("column drift", "drift_max")):
        name = effect.replace(" ", "_")
        value, low, high = (numbers[f"{name}_{k}"] for k in ("percent", "ci_low", "ci_high"))
        if abs(value) > limit[most].value and low * high > 0:
            words = "edge effect" if effect == "edge" else effect
            found.append(f"{words} {value:.1f} % ({low:.1f} to {high:.1f}) is beyond {limit[most].value:g} %")
    cv, most = numbers["replicate_cv_percent"], limit["replicate_cv_max"].value
    if cv > most:
        found.append(f"replicates spread by {cv:.1f} % (median CV), above {most:g} %")
    return found


def _names(wells: pd.Series) -> list[str]:
    return list(dict.fromkeys(wells))
