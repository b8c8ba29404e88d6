"""Claims by check, as a strip of verdicts; salts by their share of magnesium. Text alternatives with both."""

import pandas as pd

from mgk.figures import style
from mgk.meta.claims.verdicts import (
    CONSISTENT,
    IMPOSSIBLE,
    INCONSISTENT,
    ROUNDING,
    UNVERIFIABLE,
    VERDICTS,
    WORST_FIRST,
)
from mgk.meta.forms import UPPER_LEVEL_MG

# Colour and shape, so that either will do: (marker, colour, filled).
MARKS = {
    CONSISTENT: ("o", style.PALETTE[2], True),
    ROUNDING: ("o", style.PALETTE[2], False),
    INCONSISTENT: ("s", style.PALETTE[1], True),
    IMPOSSIBLE: ("X", style.PALETTE[6], True),
    UNVERIFIABLE: ("^", style.GREY, False),
}
ROW_IN = 0.21


def claims_strip(claims: pd.DataFrame, checks: pd.DataFrame):
    """Draw a row a claim and a column a check, with the verdict of each; the claim's own verdict at the left.

    Parameters
    ----------
    claims, checks : DataFrame
        From `mgk.meta.claims.check_claims`. Where a check has several findings on a claim, the worst is drawn.

    Returns
    -------
    Figure
    """
    names = ["verdict", *dict.fromkeys(checks["check"])]
    places = {claim: row for row, claim in enumerate(claims["claim_id"])}
    own = claims[["claim_id", "verdict"]].assign(check="verdict")
    points = pd.concat([own, checks[["claim_id", "check", "verdict"]]], ignore_index=True)
    points = points.assign(order=points["verdict"].map(WORST_FIRST.index)).sort_values("order", kind="stable")
    points = points.drop_duplicates(["claim_id", "check"])
    fig, axes = style.figure(3.2 + 0.42 * len(names), ROW_IN * len(claims) + 2.4)
    for verdict in VERDICTS:
        marker, colour, filled = MARKS[verdict]
        chosen = points[points["verdict"] == verdict]
        axes.scatter(
            [names.index(c) for c in chosen["check"]],
            [places[c] for c in chosen["claim_id"]],
            s=48,
            marker=marker,
            facecolors=colour if filled else "none",
            edgecolors=colour,
            label=f"{verdict.replace('_', ' ')} ({int((claims['verdict'] == verdict).sum())})",
        )
    axes.axvline(0.5, color="black", lw=0.8)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(claims)), list(places))
    axes.set_ylim(len(claims) - 0.5, -0.5)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(axis="y", lw=0.3)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    fig.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=8, title=f"{len(claims)} claims, by verdict")
    fig.alt = claims_alt_text(claims)
    return fig


def claims_alt_text(claims: pd.DataFrame) -> str:
    """Say in words what `claims_strip` shows: for each verdict, how many claims and which."""
    parts = []
    for verdict in VERDICTS:
        names = claims.loc[claims["verdict"] == verdict, "claim_id"]
        if len(names):
            parts.append(f"{verdict.replace('_', ' ')} {len(names)}: {', '.join(names)}")
    return f"Verdicts on {len(claims)} published claims, a row a claim, a column a check. {'; '.join(parts)}."


def forms_plot(forms: pd.DataFrame):
    """Draw, for each salt, its share of magnesium and the mass that holds the upper level, from `forms_table`."""
    forms = forms.sort_values("elemental_percent", kind="stable").reset_index(drop=True)
    fig, (left, right) = style.figure(9.0, 0.3 * len(forms) + 1.2, 1, 2, sharey=True)
    for axes, column, decimals in ((left, "elemental_percent", 2), (right, "salt_mg_at_upper_level", 0)):
        axes.hlines(forms.index, 0, forms[column], color=style.GREY, lw=1)
        axes.plot(forms[column], forms.index, "o", color=style.PALETTE[0])
        for place, value in forms[column].items():
            axes.annotate(f"{value:.{decimals}f}", (value, place), (6, 0), textcoords="offset points", va="center")
        axes.set_xlim(0, 1.25 * forms[column].max())
    left.set_yticks(forms.index, forms["salt"])
    left.set_xlabel("elemental magnesium,\n% of the salt's mass")
    right.set_xlabel(f"mg of salt that hold\n{UPPER_LEVEL_MG:g} mg of magnesium")
    told = [f"{f.salt} {f.elemental_percent:.2f} % ({f.salt_mg_at_upper_level:.0f} mg)" for f in forms.itertuples()]
    fig.alt = (
        f"Elemental magnesium by mass of {len(forms)} salts, and the mass of each that holds {UPPER_LEVEL_MG:g} mg "
        f"of magnesium: {'; '.join(told)}."
    )
    return fig
