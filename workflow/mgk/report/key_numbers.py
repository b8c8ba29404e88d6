"""The key numbers of a study: one table, read from results, each number with its interval, n, verdict and origin.

For simulated data the reference is what was put in (raw_data/truth.yaml); for measured data it is a published value
that the config names. A missing chapter has no numbers here; the report names it elsewhere.
"""

import math

import pandas as pd

from mgk.analyses import ANALYSES, Analysis
from mgk.meta.effects import find_measure
from mgk.study import Study
from mgk.tables import read_table
from mgk.tables.yaml_file import load_yaml

COLUMNS = (
    "analysis", "experiment", "data", "group", "quantity", "unit", "reference", "reference_kind", "reference_source",
    "estimate", "ci_low", "ci_high", "holds_reference", "n", "verdict", "reason",
)  # fmt: skip
# The key numbers among the group rows of fits.csv: (model, parameter) -> (quantity, its name in truth.yaml).
# The model is matched by its beginning.
KEY_FITS = {
    "membrane_test": {
        ("membrane test", "access_mohm"): ("access resistance", "access_mohm"),
        ("membrane test", "membrane_mohm"): ("membrane resistance", "membrane_mohm"),
        ("membrane test", "capacitance_pf"): ("membrane capacitance", "capacitance_pf"),
    },
    "current_voltage": {
        ("local polynomial", "reversal_mv"): ("reversal potential, control", ""),
        ("boltzmann_activation", "v_half_mv"): ("V1/2 of activation", "v_half_mv"),
        ("boltzmann_activation", "k_mv"): ("k of activation", "k_mv"),
        ("boltzmann_inactivation", "v_half_mv"): ("V1/2 of inactivation", "v_half_mv"),
        ("boltzmann_inactivation", "k_mv"): ("k of inactivation", "k_mv"),
    },
    "magnesium_block": {
        ("woodhull", "ki0_mm"): ("Ki(0) of block by Mg2+", "ki0_mm"),
        ("woodhull", "z_delta"): ("z delta of block by Mg2+", "z_delta"),
    },
    "atpase_activity": {
        ("michaelis_menten_free_magnesium", "vmax"): ("Vmax, ouabain-sensitive", "vmax_umol_mg_h"),
        ("michaelis_menten_free_magnesium", "k05"): ("K0.5 for free Mg2+", "k05_free_magnesium_mm"),
    },
}

SHIFTS = {"boltzmann_activation": "shift of V1/2, activation", "boltzmann_inactivation": "shift of V1/2, inactivation"}


def key_numbers(project: Study) -> pd.DataFrame:
    """Return the key numbers of everything that is there, in the order of the chapters."""
    truth = read_truth(project)
    rows: list[dict] = []
    for name, experiment in project.analyses():
        analysis = ANALYSES[name]
        if not is_there(project, analysis, experiment):
            continue
        head = {"analysis": name, "experiment": experiment, "data": project.data_of(analysis.section, experiment)}
        found = READERS[name](project, analysis, experiment, truth.get(analysis.section, {}).get(experiment, {}))
        rows += [head | row for row in found]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table["holds_reference"] = [_holds(row) for row in table.itertuples()]
    text = [c for c in COLUMNS if c not in ("reference", "estimate", "ci_low", "ci_high")]
    table[text] = table[text].astype(object).where(table[text].notna(), "")
    return table


def _holds(row) -> str:
    """Say whether the interval holds what was put in; a published value needs no such word."""
    if row.reference_kind != "put in" or pd.isna(row.ci_low):
        return ""
    return "yes" if row.ci_low <= row.reference <= row.ci_high else "no"


def is_there(project: Study, analysis: Analysis, experiment: str) -> bool:
    """Return whether an analysis has been made: inputs, outputs and executed notebook are all there.

    Without its inputs, which a failed job takes away, what is there is left over from an earlier run.
    """
    files = (*analysis.inputs(experiment), *analysis.outputs(experiment), analysis.executed(experiment))
    return all((project.root / f).is_file() for f in files)


def read_truth(project: Study) -> dict:
    """Return raw_data/truth.yaml, or nothing when a study has none."""
    path = project.raw_data / "truth.yaml"
    return load_yaml(path)[0] if path.exists() else {}


def put_in(truth: dict, group: str, parameter: str) -> dict:
    """Return what was put in for a parameter of a group, as reference columns; nothing when it is not known."""
    if not parameter:
        return {}
    places = (truth.get("conditions", {}).get(group, {}).get(parameter), truth.get(parameter))
    for entry in places:
        if isinstance(entry, dict) and group in entry:
            entry = entry[group]
        if isinstance(entry, dict) and isinstance(entry.get("value"), int | float):
            return {"reference": entry["value"], "reference_kind": "put in", "reference_source": entry["source"]}
    return {}


def _table(project: Study, analysis: Analysis, experiment: str, name: str) -> pd.DataFrame:
    return read_table(project.root / analysis.folder(experiment) / name)


def _from_fits(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    fits = _table(project, analysis, experiment, "fits.csv")
    rows = []
    for (model, parameter), (quantity, true_name) in KEY_FITS[analysis.name].items():
        fitting = (fits["unit_id"] == "") & (fits["parameter"] == parameter) & fits["model"].str.startswith(model)
        for _, fit in fits[fitting].iterrows():
            row = {"group": fit["group"], "quantity": quantity, "n": _n_of(analysis, fit)}
            row |= {c: fit[c] for c in ("unit", "estimate", "ci_low", "ci_high", "verdict", "reason")}
            rows.append(row | put_in(truth, fit["group"], true_name))
    return rows


def counted(analysis: Analysis, n: float, n_animals: float) -> str:
    """Return the n of a group in words: of what was fitted, and of animals where that is something else."""
    return (
        f"{n_animals:.0f} animals"
        if analysis.unit == "animals"
        else f"{n:.0f} {analysis.unit}, {n_animals:.0f} animals"
    )


def _n_of(analysis: Analysis, fit: pd.Series) -> str:
    return counted(analysis, fit["n_cells"], fit["n_animals"])


def _from_currents(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    """Reversal potentials without ligand, beside what Nernst expects of the recipes; and the gating by voltage."""
    groups = _table(project, analysis, experiment, "groups.csv")
    expected = groups.drop_duplicates("group").set_index("group")["nernst_potassium_mv"]
    rows = [r for r in _from_fits(project, analysis, experiment, truth) if r["group"] in expected.index]
    for row in rows:
        if row["quantity"].startswith("reversal") and pd.notna(expected[row["group"]]):
            row |= {
                "reference": round(expected[row["group"]], 1),
                "reference_kind": "expected (Nernst, K+)",
                "reference_source": "recipes of raw_data/solutions.yaml",
            }
    return rows + _from_comparisons(project, analysis, experiment, truth)


def _from_comparisons(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    """The shifts of V1/2 between conditions, beside the difference of what was put in."""
    table = _table(project, analysis, experiment, "comparisons.csv")
    rows = []
    for _, found in table[table["model"].isin(SHIFTS) & (table["quantity"] == "v_half_mv")].iterrows():
        ends = [put_in(truth, found[group], "v_half_mv") for group in ("group_a", "group_b")]
        row = {"group": f"{found['group_b']} minus {found['group_a']}", "quantity": SHIFTS[found["model"]]}
        row |= {"n": counted(analysis, found["n_cells"], found["n_animals"]), "estimate": found["difference"]}
        row |= {c: found[c] for c in ("unit", "ci_low", "ci_high", "reason")}
        p = f"p {found['p']:.2g}, Holm {found['p_holm']:.2g}; {found['method']}" if found["p"] >= 0 else "no test"
        row["reason"] = "; ".join(x for x in (p, found["reason"]) if isinstance(x, str) and x)
        row["verdict"] = "identified" if math.isfinite(found["ci_high"]) else "not_identified"
        if all(ends):
            difference = round(ends[1]["reference"] - ends[0]["reference"], 6)
            sources = "; ".join(dict.fromkeys(end["reference_source"] for end in ends))
            row |= {"reference": difference, "reference_kind": "put in", "reference_source": sources}
        rows.append(row)
    return rows


def _from_magnesium(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    groups = _table(project, analysis, experiment, "groups.csv")
    kd_mm = project.experiment("plates", experiment)["kd_mm"]["value"]
    rows = []
    for _, group in groups[(groups["kd_mm"] == kd_mm) & (groups["statistic"] == "mean")].iterrows():
        censored = group["n_below_rmin"] + group["n_above_rmax"]
        row = {
            "group": group["condition"],
            "quantity": f"free Mg2+, mean of animals, at Kd {kd_mm:g} mM",
            "unit": "mM",
            "n": f"{group['n_samples']:.0f} samples, {group['n_animals']:.0f} animals",
            "verdict": "identified" if math.isfinite(group["ci_high"]) else "not_identified",
            **{c: group[c] for c in ("estimate", "ci_low", "ci_high", "reason")},
        }
        if censored:
            row["reason"] = f"censored: {group['n_below_rmin']:.0f} below Rmin, {group['n_above_rmax']:.0f} above Rmax"
        else:
            row |= put_in(truth, group["condition"], "free_magnesium_mm")
        rows.append(row)
    return rows


# The rows of pooled.csv that are key numbers: model, method, test, how to call it, and whether the published result of
# that model stands beside it (reviews of their time pooled by DerSimonian and Laird with a normal interval).
POOLED = (
    ("common", "IV", "z", "common effect, inverse variance", True),
    ("random", "REML", "knha", "random effects, REML, Knapp-Hartung", False),
    ("random", "DL", "z", "random effects, DerSimonian-Laird", True),
)


def _from_clinical(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    del truth  # clinical tables are real
    pooled = _table(project, analysis, experiment, "pooled.csv")
    settings = project.experiment("clinical", experiment)
    rows = []
    for model, method, test, group, compared in POOLED:
        chosen = pooled[(pooled["model"] == model) & (pooled["method"] == method) & (pooled["test"] == test)]
        for _, row in chosen[chosen["subgroup"] == ""].iterrows():
            found = {
                "group": group,
                "quantity": find_measure(settings["measure"]).label,
                "unit": settings.get("unit", "1"),
                "estimate": row["back_transformed_estimate"],
                "ci_low": row["back_transformed_ci_low"],
                "ci_high": row["back_transformed_ci_high"],
                "n": f"{row['k']:.0f} studies",
                "verdict": "estimated" if pd.notna(row["back_transformed_estimate"]) else "not_identified",
                "reason": row["note"],
            }
            published = [p for p in settings.get("published", []) if p["model"] == model] if compared else []
            rows += [found | _published(p) for p in published] or [found]
    return rows


def _from_claims(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    del truth  # claims are of real publications
    claims = _table(project, analysis, experiment, "claims.csv")
    counts = claims["verdict"].value_counts(sort=False)
    return [
        {
            "group": "",
            "quantity": f"claims {verdict.replace('_', ' ')}",
            "unit": "1",
            "estimate": count,
            "n": f"{len(claims)} claims",
        }
        for verdict, count in counts.items()
    ]


def _from_forms(project: Study, analysis: Analysis, experiment: str, truth: dict) -> list[dict]:
    """The table of salts has no key number of its own."""
    del project, analysis, experiment, truth
    return []


def _published(reference: dict) -> dict:
    interval = f" [{reference['ci_low']:g}, {reference['ci_high']:g}]" if "ci_low" in reference else ""
    return {
        "reference": reference["estimate"],
        "reference_kind": f"published{interval}",
        "reference_source": reference["source"],
    }


READERS = {
    "membrane_test": _from_fits,
    "current_voltage": _from_currents,
    "magnesium_block": _from_fits,
    "magnesium_calibration": _from_magnesium,
    "atpase_activity": _from_fits,
    "clinical_summary": _from_clinical,
    "claims": _from_claims,
    "magnesium_forms": _from_forms,
}
