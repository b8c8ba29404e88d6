"""Simulated studies of two salts of Mg2+ on the same cells: bias and coverage of Ki(0), z delta and the effects.

A study has four animals of two cells, each with a control and two totals of each salt, eight potentials; free Mg2+ and
Zn2+ are those of the demonstration's recipes, to three digits. Noise is that of the mean current of a step, gain error
that of each recording.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk import salts
from mgk.constants import thermal_voltage_mv
from validation.coverage import binomial_p, by_model, covered, failures

DOCUMENT = "validation_salts.md"
STUDIES = 200
POTENTIALS_MV = np.arange(-80.0, 61.0, 20.0)
TEMPERATURE_C = 20.0
K0_MM, SLOPE_PER_MV = 3.57, 0.062
ZINC = salts.Zinc(ic50_mm=5e-4, hill=1.0)
# salt, total, free Mg2+, free Zn2+, agonist action put in
SOLUTIONS = (
    ("aspartate", 0.0, 0.0, 3.0e-4, 1.0),
    ("aspartate", 0.1, 0.0998, 2.1e-4, 1.1),
    ("aspartate", 1.0, 0.984, 5.7e-5, 1.4),
    ("citrate", 0.0, 0.0, 3.0e-4, 1.0),
    ("citrate", 0.1, 0.0961, 1.5e-4, 1.0),
    ("citrate", 1.0, 0.754, 3.4e-5, 1.0),
)
AT_MV = -60.0


@dataclass(frozen=True)
class Design:
    """A way to do the experiment, and what is wrong with it that the analysis is not told."""

    label: str
    noise_pa: float = 4.0
    gain_error: float = 0.02
    potentials_mv: tuple[float, ...] = tuple(POTENTIALS_MV)
    totals_mm: tuple[float, ...] = (0.0, 0.1, 1.0)
    animal_sd: float = 0.05
    cell_sd: float = 0.08
    rundown: float = 0.0
    leak_ns: float = 0.0
    zinc_ic50_mm: float = ZINC.ic50_mm
    magnesium_wrong: float = 1.0


DESIGNS = (
    Design("four animals, two cells each, 0.1 and 1 mM, 4 pA of noise, gain error 2 %"),
    Design("the same, 10 pA of noise, gain error 5 %", noise_pa=10.0, gain_error=0.05),
    Design("weak: 1 mM alone", totals_mm=(0.0, 1.0)),
    Design("weak: -90 to -30 mV", potentials_mv=tuple(np.arange(-90.0, -29.0, 10.0))),
)
MISSPECIFIED = (
    Design("rundown of 3 % with each recording, aspartate always first", rundown=0.03),
    Design("a leak of 0.3 nS left in", leak_ns=0.3),
    Design("IC50 of Zn2+ half of the stated one", zinc_ic50_mm=ZINC.ic50_mm / 2),
    Design("free Mg2+ in citrate 15 % above the recipe's", magnesium_wrong=1.15),
)


def simulate_points(design: Design, seed: int) -> pd.DataFrame:
    """Return the currents of a study as `mgk.salts.fit_cells` takes them."""
    rng = np.random.default_rng([seed, 31])
    v = np.array(design.potentials_mv)
    told = [s for s in SOLUTIONS if s[1] in design.totals_mm]
    zinc = salts.Zinc(design.zinc_ic50_mm, 1.0)
    rows = []
    for animal in range(4):
        of_animal = rng.normal(0, design.animal_sd)
        for cell in range(2):
            k0_mm = K0_MM * np.exp(of_animal + rng.normal(0, design.cell_sd))
            conductance_ns = 6.0 * np.exp(rng.normal(0, 0.25))
            for order, (salt, total, magnesium, free_zinc, agonist) in enumerate(told):
                gain = agonist * zinc.relief(free_zinc) * (1 - design.rundown) ** order
                gain *= 1 + rng.normal(0, design.gain_error)
                in_bath = magnesium * (design.magnesium_wrong if salt == "citrate" else 1.0)
                current = conductance_ns * gain * v * (1 + v / 1000) / (1 + in_bath / k0_mm * np.exp(-SLOPE_PER_MV * v))
                current = current + design.leak_ns * v + rng.normal(0, design.noise_pa, v.size)
                rows.append(pd.DataFrame({
                    "experiment": "nmda", "group": salt, "cell_id": f"c{animal}{cell}", "animal_id": f"a{animal}",
                    "ligand_side": "external", "ligand_total_mm": total, "ligand_free_mm": magnesium,
                    "zinc_free_mm": free_zinc, "anion_total_mm": 2 * total, "temperature_c": TEMPERATURE_C,
                    "level_mv": v, "membrane_mv": v, "current_pa": current, "excluded": False, "reason": "",
                }))  # fmt: skip
    return salts.with_solutions(pd.concat(rows, ignore_index=True))


def run_study(design: Design, seed: int) -> list[dict]:
    """Analyse one study; return a row for each quantity: value, interval, put in, verdict."""
    cells = salts.fit_cells(simulate_points(design, seed))
    fits = salts.fits_table(cells)
    groups = fits[(fits["unit_id"] == "") & (fits["model"] == salts.WOODHULL)].set_index("parameter")
    put_in = {"ki0_mm": K0_MM, "z_delta": SLOPE_PER_MV * thermal_voltage_mv(TEMPERATURE_C)}
    rows = [
        _row(design, seed, name, fit["estimate"], fit["ci_low"], fit["ci_high"], put_in[name], fit["verdict"])
        for name, fit in groups.iterrows()
    ]
    effects = salts.effects_table(cells, ZINC, [AT_MV])
    means = effects[(effects["unit_id"] == "") & (effects["effect"] == "other") & (effects["ligand_total_mm"] == 1.0)]
    agonists = {salt: agonist for salt, total, *_, agonist in SOLUTIONS if total == 1.0}
    verdict = groups.loc["ki0_mm", "verdict"]
    for mean in means.itertuples():
        name = f"other, {mean.salt}"
        rows.append(_row(design, seed, name, mean.ratio, mean.ci_low, mean.ci_high, agonists[mean.salt], verdict))
    compared = salts.compare_salts(effects, ["aspartate", "citrate"])
    found = compared[(compared["effect"] == "other") & (compared["ligand_total_mm"] == 1.0)].iloc[0]
    ratio = agonists["citrate"] / agonists["aspartate"]
    numbers = (found["ratio"], found["ci_low"], found["ci_high"], ratio, verdict)
    return [*rows, _row(design, seed, "other, citrate over aspartate", *numbers)]


def _row(design: Design, seed: int, quantity: str, value, low, high, put_in: float, verdict: str) -> dict:
    return {
        **{"design": design.label, "seed": seed, "quantity": quantity, "value": value, "put_in": put_in},
        **{"covered": bool(low <= put_in <= high), "shown": bool(np.isfinite([low, high]).all()), "verdict": verdict},
    }


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return bias, spread, coverage and share called weak, per design and quantity."""
    found = []
    for (design, quantity), of in rows.groupby(["design", "quantity"], sort=False):
        of_shown = of[of["shown"]]
        ratio = of_shown["value"] / of_shown["put_in"]
        low, high = np.percentile(ratio, [2.5, 97.5]) if len(ratio) else (np.nan, np.nan)
        n, hits = len(of_shown), int(of_shown["covered"].sum())
        found.append({
            "design": design, "quantity": quantity, "put_in": of["put_in"].iloc[0], "n": len(of), "shown": n,
            "bias": ratio.mean() - 1, "bias_se": ratio.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan, "low": low - 1,
            "high": high - 1, "coverage": hits / n if n else np.nan, "p": binomial_p(hits, n),
            "weak": (of["verdict"] != "identified").mean(),
        })  # fmt: skip
    return pd.DataFrame(found)


HEAD = (
    "| Design | | Put in | Bias | Middle 95 % | Coverage | Called weak |\n|---|---|---|---|---|---|---|",
    "- *Bias*: mean of the values over what was put in, less 1, ± its simulation standard error. *Middle 95 %*: of",
    "  the values, relative. *Coverage*: of the 95 % interval; **bold**: not 95 % by the exact binomial test at 1 %.",
    "- *Other*: the gain of the solution of 1 mM that neither block nor zinc explains. *Called weak*: Ki(0).",
)


def _table(found: pd.DataFrame) -> str:
    lines, last = [HEAD[0]], None
    for row in found.itertuples():
        label = "" if row.design == last else row.design
        last = row.design
        spread = f"{100 * row.low:+.0f} to {100 * row.high:+.0f} %"
        bias = f"{100 * row.bias:+.1f} ± {100 * row.bias_se:.1f} %"
        cover = covered(row.coverage, row.p)
        lines.append(
            f"| {label} | {row.quantity} | {row.put_in:.4g} | {bias} | {spread} | {cover} | {100 * row.weak:.0f} % |"
        )
    return "\n".join(lines)


def document(rows: pd.DataFrame) -> str:
    """Return the text of docs/validation_salts.md."""
    found = summarise(rows)
    right, wrong, studies, fewer = by_model(found, DESIGNS, "n")
    firm = right[~right["design"].str.startswith("weak")]
    told = failures((r.quantity, r.design, r.coverage, r.p) for r in firm.itertuples())
    text = [
        "# Validation of the comparison of salts",
        "",
        f"Generated by `python -m validation.run salts --studies {studies} --misspecified {fewer}`",
        f"(`make validate`); do not edit. All data here are simulated: {studies} studies of each design that meets the",
        f"model and {fewer} of each that does not, seeds from 0. What is put in stands in `validation/salts.py`.",
        "Nothing is learned about the salts.",
        "",
        *HEAD[1:],
        "",
        "## Designs that meet the model",
        "",
        _table(right),
        "",
        told,
        "",
        "## What the analysis is not told",
        "",
        _table(wrong),
        "",
        "A rundown with a fixed order of the salts is taken for an effect of the second salt: randomise the order, or",
        "record the control again at the end. A wrong IC50 of Zn2+ goes into *other* in full. A leak biases z delta,",
        "because the blocked current that it adds to is small.",
        "",
    ]
    return "\n".join(text)
