"""Figures of plates: maps of values, residuals and roles with the flags drawn, and the numbers of their quality.

Limits: takes the tables of `mgk.plates.quality` and the wells, and computes nothing of its own. Of a kinetic read the
first time is drawn. Units: values as the reader gives them (AU, counts), effects and spread in percent.
"""

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from mgk.figures import style
from mgk.plates.export import ROWS, plate_shape, well_position
from mgk.plates.layout import ROLES

MOST_MAPS = 6
MOST_NAMED = 20
FLAG_MARKS = {"missing": "x", "overflow": "^", "masked": "s", "blank": "."}
UNITS = {"absorbance": "AU", "fluorescence": "counts", "luminescence": "counts"}
ROLE_COLOURS = ("#0072B2", "#D9D9D9", "#7F7F7F", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#B3B3B3", "#56B4E9",
                "#F0E442", "#A6D9C8", "#FFFFFF")  # fmt: skip


def plate_maps(wells: pd.DataFrame, alike: pd.DataFrame) -> tuple[Figure, str]:
    """Draw for each plate and read the values, the residuals of like wells, and the roles.

    Parameters
    ----------
    wells : DataFrame
        wells.csv of an experiment.
    alike : DataFrame
        As `mgk.plates.quality.like_wells` returns them.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative; maps beyond the sixth are not drawn, and the words say so.
    """
    first = wells[
        wells["time_s"].isna() | (wells["time_s"] == wells.groupby(["plate_id", "read"])["time_s"].transform("min"))
    ]
    groups = list(first.groupby(["plate_id", "read", "label"], sort=False))
    shown = groups[:MOST_MAPS]
    fig, axes = style.figure(10.2, 2.35 * max(len(shown), 1) + 0.5, max(len(shown), 1), 3, squeeze=False)
    for row, ((plate, read, label), group) in zip(axes, shown, strict=False):
        shape = plate_shape(first.loc[first["plate_id"] == plate, "well"])
        own = alike[(alike["plate_id"] == plate) & (alike["read"] == read)]
        unit = UNITS.get(group["mode"].iloc[0], "as read")
        _map(fig, row[0], shape, group.set_index("well")["value"], f"{plate}, {label} ({unit})", "viridis")
        _marks(row[0], group)
        _map(fig, row[1], shape, own.set_index("well")["residual"], f"minus the mean of like wells ({unit})", "RdBu_r")
        _roles(row[2], shape, group)
    present = [role for role in ROLES if role in set(first["role"])]
    handles = [axes[0][2].plot([], [], "s", mec="#7F7F7F", color=_role_colour(r), label=r)[0] for r in present]
    flags = [flag for flag in FLAG_MARKS if flag in set(first["flag"])]
    handles += [axes[0][0].plot([], [], FLAG_MARKS[f], color="#D55E00", mfc="none", ls="", label=f)[0] for f in flags]
    if handles:
        fig.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7), fontsize=8)
    return fig, _maps_in_words(shown, first, len(groups))


def quality_numbers(positions: pd.DataFrame, controls: pd.DataFrame, replicates: pd.DataFrame, limits: dict):
    """Draw what position does, Z' and the spread of like wells, each with its limits.

    Parameters
    ----------
    positions, controls, replicates : DataFrame
        As `position_table`, `control_table` and `replicate_table` of `mgk.plates.quality` return them.
    limits : dict
        Name to `Limit`.

    Returns
    -------
    (Figure, str)
        The figure and its text alternative.
    """
    fig, (left, middle, right) = style.figure(10.2, 3.6, columns=3, width_ratios=(5, 3, 3))
    names = list(dict.fromkeys(f"{p}, {r}" for p, r in zip(positions["plate_id"], positions["read"], strict=True)))
    place = {name: i for i, name in enumerate(names)}
    _draw_positions(left, positions, place, limits)
    _draw_controls(middle, controls, place, limits)
    _draw_spread(right, replicates, place, limits)
    for axes in (middle, right):
        axes.set_yticks(range(len(names)), [])
        axes.set_ylim(len(names) - 0.4, -0.6)
    return fig, _numbers_in_words(positions, controls, replicates)


def _map(fig, axes, shape: tuple[int, int], values: pd.Series, title: str, cmap: str) -> None:
    grid = np.full(shape, np.nan)
    for well, value in values.items():
        grid[well_position(well)] = value
    finite = grid[np.isfinite(grid)]
    most = float(np.abs(finite).max()) if len(finite) and cmap == "RdBu_r" else None
    span = {"vmin": -most, "vmax": most} if most else {}
    image = axes.imshow(grid, cmap=cmap, aspect="auto", interpolation="nearest", **span)
    if len(finite):
        fig.colorbar(image, ax=axes, shrink=0.9, pad=0.01).ax.tick_params(labelsize=6)
    else:
        axes.text(0.5, 0.5, "no wells to compare", transform=axes.transAxes, ha="center", va="center", fontsize=8)
    _frame(axes, shape, title)


def _roles(axes, shape: tuple[int, int], group: pd.DataFrame) -> None:
    order = {role: i for i, role in enumerate(ROLES)}
    grid = np.full(shape, np.nan)
    for well, role in zip(group["well"], group["role"], strict=True):
        if role in order:
            grid[well_position(well)] = order[role]
    cmap = ListedColormap([_role_colour(role) for role in ROLES])
    axes.imshow(grid, cmap=cmap, vmin=-0.5, vmax=len(ROLES) - 0.5, aspect="auto", interpolation="nearest")
    _frame(axes, shape, "role" if np.isfinite(grid).any() else "role: no layout")


def _role_colour(role: str) -> str:
    return ROLE_COLOURS[list(ROLES).index(role) % len(ROLE_COLOURS)]


def _frame(axes, shape: tuple[int, int], title: str) -> None:
    rows, columns = shape
    step = 1 if columns <= 12 else 3
    axes.set_xticks(range(0, columns, step), [str(c + 1) for c in range(0, columns, step)])
    axes.set_yticks(range(rows), list(ROWS[:rows]))
    axes.tick_params(labelsize=6, length=0)
    axes.set_title(title, fontsize=7.5)


def _marks(axes, group: pd.DataFrame) -> None:
    for flag, mark in FLAG_MARKS.items():
        places = [well_position(w) for w in group.loc[group["flag"] == flag, "well"]]
        axes.plot([c for _, c in places], [r for r, _ in places], mark, color="#D55E00", mfc="none", ms=5, ls="")


def _draw_positions(axes, positions: pd.DataFrame, place: dict, limits: dict) -> None:
    offsets = {"edge": -0.22, "row drift": 0.0, "column drift": 0.22}
    for number, (effect, offset) in enumerate(offsets.items()):
        own = positions[(positions["effect"] == effect) & positions["percent"].notna()]
        at = [place[f"{p}, {r}"] + offset for p, r in zip(own["plate_id"], own["read"], strict=True)]
        errors = [own["percent"] - own["ci_low"], own["ci_high"] - own["percent"]]
        axes.errorbar(own["percent"], at, xerr=errors, fmt="o", ms=4, color=style.PALETTE[number], label=effect)
    for name in {limits["edge_max"].value, limits["drift_max"].value}:
        for sign in (-1, 1):
            axes.axvline(sign * name, color=style.GREY, ls="--", lw=0.8)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(place)), list(place), fontsize=7)
    axes.set_ylim(len(place) - 0.4, -0.6)
    axes.set_xlabel("effect of position (% of the mean)")
    axes.legend(fontsize=7, loc="best")


def _draw_controls(axes, controls: pd.DataFrame, place: dict, limits: dict) -> None:
    own = controls[controls["z_prime"].notna()]
    at = [place[f"{p}, {r}"] for p, r in zip(own["plate_id"], own["read"], strict=True)]
    # A percentile interval need not hold its estimate: it is drawn as a bar of its own.
    axes.hlines(at, own["ci_low"], own["ci_high"], color=style.PALETTE[0], lw=2, alpha=0.6)
    axes.plot(own["z_prime"], at, "o", color=style.PALETTE[0])
    axes.axvline(limits["z_prime_min"].value, color=style.GREY, ls="--", lw=0.8)
    axes.set_xlabel("Z' of the controls")
    if own.empty:
        axes.text(0.5, 0.5, "no controls on these plates", transform=axes.transAxes, ha="center", fontsize=8)


def _draw_spread(axes, replicates: pd.DataFrame, place: dict, limits: dict) -> None:
    for (plate, read), own in replicates.groupby(["plate_id", "read"], sort=False):
        at, cv = place[f"{plate}, {read}"], own["cv_percent"].dropna().to_numpy()
        shift = np.linspace(-0.25, 0.25, len(cv)) if len(cv) > 1 else np.zeros(len(cv))
        axes.plot(cv, at + shift, ".", ms=3, color=style.GREY)
        if len(cv):
            axes.plot(np.median(cv), at, "d", color=style.PALETTE[1])
    axes.axvline(limits["replicate_cv_max"].value, color=style.GREY, ls="--", lw=0.8)
    axes.set_xlabel("CV of like wells (%)")
    axes.set_xlim(left=0)


def _maps_in_words(shown: list, first: pd.DataFrame, total: int) -> str:
    parts = [f"{len(shown)} rows of three maps, a row for each plate and read: values, residuals of like wells, roles."]
    for (plate, _, label), group in shown:
        known = group["value"].dropna()
        span = f"{known.min():.4g} to {known.max():.4g}" if len(known) else "no values"
        flagged = group[group["flag"] != ""]
        told = [
            f"{flag} {', '.join(own['well'])}" for flag, own in flagged.groupby("flag", sort=False) if len(own) <= 20
        ]
        told += [f"{flag} {len(own)} wells" for flag, own in flagged.groupby("flag", sort=False) if len(own) > 20]
        parts.append(f"{plate}, {label}: {len(known)} wells, {span}{'; ' if told else ''}{'; '.join(told)}.")
    roles = first.drop_duplicates(["plate_id", "well"])["role"].replace("", "none").value_counts(sort=False)
    parts.append("Wells by role: " + ", ".join(f"{role} {n}" for role, n in roles.items()) + ".")
    if total > len(shown):
        parts.append(f"{total - len(shown)} further maps are not drawn.")
    return " ".join(parts)


def _numbers_in_words(positions: pd.DataFrame, controls: pd.DataFrame, replicates: pd.DataFrame) -> str:
    parts = [f"Three panels, a line for each of {len(controls)} plates and reads."]
    for row in positions[positions["percent"].notna()].itertuples():
        interval = f"{row.ci_low:.1f} to {row.ci_high:.1f}"
        parts.append(
            f"{row.plate_id}, read {row.read}, {row.effect}: {row.percent:.1f} % ({interval}), {row.n_wells} wells."
        )
    for row in controls[controls["z_prime"].notna()].itertuples():
        parts.append(f"{row.plate_id}, read {row.read}: Z' {row.z_prime:.2f} ({row.ci_low:.2f} to {row.ci_high:.2f}).")
    medians = replicates.groupby(["plate_id", "read"], sort=False)["cv_percent"].median()
    parts += [f"{plate}, read {read}: median CV {cv:.1f} %." for (plate, read), cv in medians.items() if cv == cv]
    return " ".join(parts)
