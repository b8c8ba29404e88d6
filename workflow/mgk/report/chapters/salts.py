"""The chapter on salts of a blocking cation."""

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.chapters.fits import count_groups, counted, groups_table, key_fits, verdict_text
from mgk.report.chapters.windows import measured_in_windows
from mgk.report.html import Fragment, interval_text
from mgk.report.origins import results_table
from mgk.report.results import Results, put_in

ABOUT = r"""## Salts of a blocking cation
The same cells in several totals of two salts and without either. Free Mg2+ and free Zn2+ of each solution come from its
recipe. All solutions of a cell are fitted at once; the gain $g$ of a solution is the same at all potentials, block is
not:
$$I(V) = g\, \frac{I_0(V)}{1 + [\mathrm{Mg}]/K_i(V)}$$
The gain is what free Zn2+ leaves, against the control, times *other*:
$$g = \frac{1 + [\mathrm{Zn}]_0/IC_{50}}{1 + [\mathrm{Zn}]/IC_{50}} \cdot \mathrm{other}$$
Jahr and Stevens' form has a straight line for the control: $I_0 = G\,(V - E)$, $K_i(V) = K_0\, e^{sV}$.
*Other* is what neither block nor zinc explains: agonist action of the anion, and whatever else differs.
"""
SIMULATED = (
    "The effects of the salts were put into simulated currents: the table shows that the analysis finds what was put "
    "in, and nothing is learned about the salts."
)
KEY_FITS = {
    ("woodhull", "ki0_mm"): ("Ki(0) of block by Mg2+", "k0_mm"),
    ("woodhull", "z_delta"): ("z delta of block by Mg2+", "z_delta"),
}


def key_numbers(results: Results) -> list[dict]:
    """Return Ki(0), z delta, and what each salt does beside block and zinc at its highest total."""
    effects = results.table("effects.csv")
    of = effects[(effects["unit_id"] == "") & (effects["effect"] == "other")]
    of = of[of["membrane_mv"] == of["membrane_mv"].min()]
    rows = []
    for place, mean in of[of["ligand_total_mm"] == of["ligand_total_mm"].max()].iterrows():
        total = f"{mean['ligand_total_mm']:g}"
        row = {"group": mean["salt"], "quantity": f"gain beside block and zinc, {total} mM", "unit": "1"}
        row |= {"n": counted(results.analysis, mean["n_cells"], mean["n_animals"])}
        row |= {"table": "effects.csv", "row": place, "estimate": mean["ratio"]}
        row |= {c: mean[c] for c in ("ci_low", "ci_high", "reason")}
        row |= {"verdict": "identified" if mean["n_animals"] > 1 else "weak" if mean["n_cells"] else "not_identified"}
        rows.append(row | put_in(results.truth, mean["salt"], f"gain_{total}_mm".replace(".", "p")))
    return key_fits(KEY_FITS)(results) + rows


def tables(results: Results) -> Fragment:
    """Show the parameters, the effects of each salt, and the salts against each other."""
    said = f"<p><strong>{SIMULATED}</strong></p>" if results.settings.get("data") != "measured" else ""
    effects = results.table("effects.csv")
    means = effects[effects["unit_id"] == ""]
    shown = pd.DataFrame({
        "Salt": means["salt"],
        "In all (mM)": means["ligand_total_mm"],
        "Free Mg2+ (mM)": means["ligand_free_mm"],
        "Free Zn2+ (mM)": means["zinc_free_mm"],
        "Anion in all (mM)": means["anion_total_mm"],
        "At (mV)": means["membrane_mv"],
        "Effect": means["effect"],
        "Current over control [95 % CI]": [interval_text(m.ratio, m.ci_low, m.ci_high) for m in means.itertuples()],
        "n": [counted(results.analysis, m.n_cells, m.n_animals) for m in means.itertuples()],
        "Note": means["reason"],
    })  # fmt: skip
    told = results_table(results, "effects.csv", shown, f"{results.title}. Effects of each salt", csv=means)
    found = results.table("comparisons.csv")
    compared = pd.DataFrame({
        "Salts": found["salt"] + " over " + found["reference"],
        "In all (mM)": found["ligand_total_mm"],
        "At (mV)": found["membrane_mv"],
        "Effect": found["effect"],
        "Ratio [95 % CI]": [interval_text(f.ratio, f.ci_low, f.ci_high) for f in found.itertuples()],
        "p": found["p"],
        "p (Holm)": found["p_holm"],
        "n": [counted(results.analysis, f.n_cells, f.n_animals) for f in found.itertuples()],
        "Method": [verdict_text(f.method, f.reason) for f in found.itertuples()],
    })  # fmt: skip
    caption = f"{results.title}. Salts compared within cells, the animal being the unit; p (Holm) over all rows"
    against = results_table(results, "comparisons.csv", compared, caption, csv=found)
    return Fragment(said + groups_table(results).html + told.html + against.html)


def method(results: Results) -> str:
    """Return the windows and corrections, and how zinc was reckoned with."""
    zinc = results.settings["salts"]["zinc"]
    stated = (
        f"{zinc['ic50_mm']['value']:g} mM, Hill coefficient {zinc['hill']['value']:g} ({zinc['ic50_mm']['source']})"
    )
    return f"{measured_in_windows(results)}; IC50 of Zn2+ {stated}"


CHAPTER = Chapter(ABOUT, tables, count_groups, key_numbers, method)
