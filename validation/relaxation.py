"""Simulated stopped-flow transients and studies: what is put in, and what comes out of many of them.

A transient is the mean of its shots on 391 samples (0.2 ms to 56 ms, then 2 ms to 296 ms, the first 2 ms left out); a
study has three animals at six concentrations. Both go through the functions that the notebook calls, with a line for
drift in the fit. The equations are written out here and not imported.

Rates and half-saturation are those of the demonstration (raw_data/truth.yaml); all else is assumed, after the project's
notes on recordings, section 5.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgk import relaxation
from validation.coverage import by_model, coverage_of, covered, mean_with_error

STUDIES = 200
DOCUMENT = "validation_relaxation.md"
TIMES_MS = np.concatenate([0.2 * np.arange(10, 281), 56 + 2.0 * np.arange(1, 121)])
FREE_MM = (0.0056, 0.0256, 0.0733, 0.199, 0.504, 1.93)
K_HALF_MM, K0, SATURATING = 0.069, (40.0, 12.0), (195.0, 54.0)
ANIMALS, ANIMAL_SD_LN = 3, 0.03
SETTINGS = {"relaxation": {"dead_time_ms": {"value": 2.0}}}
QUANTITIES = {
    "k_fast": "fast rate, 1/s",
    "k_slow": "slow rate, 1/s",
    "k_saturating_fast": "saturating fast rate, 1/s",
    "k_saturating_slow": "saturating slow rate, 1/s",
    "k_half_fast": "half-saturation by the fast phase, mM",
    "k_half_slow": "half-saturation by the slow phase, mM",
}


@dataclass(frozen=True)
class Design:
    """What is put in. `noise` is the SD of a mean of shots over the whole change, which is 1.

    `is_study`: animals and concentrations in place of one transient at the given `rates`. The errors that the analysis
    is not told of: `third`, amplitude of a third exponential of 600 per s; `wave`, amplitude of a wave of the lamp of
    100 ms; `spread_ln`, SD of the logarithm of the slow rate within the preparation (a stretched phase).
    """

    label: str
    noise: float = 0.009
    rates: tuple[float, float] = SATURATING
    fast: float = 0.5
    is_study: bool = False
    third: float = 0.0
    wave: float = 0.0
    spread_ln: float = 0.0


DESIGNS = (
    Design("five shots of 2 % noise each, equal amplitudes"),
    Design("one shot of 2 % noise, equal amplitudes", noise=0.02),
    Design("20 % fast, 5 % noise", noise=0.05, fast=0.2),
    Design("ratio of rates 1.6", rates=(86.0, 54.0)),
    Design("one exponential of 54 per s", fast=0.0),
    Design("study: three animals, six concentrations, five shots of 2 %", is_study=True),
)
MISSPECIFIED = (
    Design("a third exponential, 600 per s, 20 % of the change", third=0.2),
    Design("a wave of the lamp, 100 ms, 1 % of the change", wave=0.01),
    Design("slow rates spread by 40 %", spread_ln=0.4),
)


def transient(design: Design, rates, rng: np.random.Generator) -> np.ndarray:
    """Return the mean signal at TIMES_MS."""
    t = TIMES_MS / 1000
    spread = np.exp(design.spread_ln * np.linspace(-1.5, 1.5, 31))
    weight = np.exp(-(np.linspace(-1.5, 1.5, 31) ** 2) / 2)
    slow = (
        np.exp(-rates[1] * spread[:, None] * t).T @ weight / weight.sum() if design.spread_ln else np.exp(-rates[1] * t)
    )
    signal = 4 - design.fast * np.exp(-rates[0] * t) - (1 - design.fast) * slow - 0.2 * t
    signal -= design.third * np.exp(-600 * t)
    signal += design.wave * np.sin(2 * np.pi * (t / 0.1 + rng.random()))
    return signal + rng.normal(0, design.noise, t.size)


def run_study(design: Design, seed: int) -> list[dict]:
    """Return what the analysis says: a row for each quantity."""
    rng = np.random.default_rng([seed, *design.label.encode()])
    return _study(design, seed, rng) if design.is_study else _one(design, seed, rng)


def _one(design: Design, seed: int, rng) -> list[dict]:
    found = relaxation.fit_transient(TIMES_MS, transient(design, design.rates, rng))
    separable = found.exponentials == 2 and found.verdict != "not_identified"
    rows = []
    for phase, rate in zip(("fast", "slow"), design.rates, strict=True):
        row = _head(design, seed, f"k_{phase}", rate) | {"exponentials": found.exponentials}
        if separable:
            e = found.two.parameters[f"ln_k_{phase}"].exp()
            row |= {"estimate": e.value, "ci_low": e.ci_low, "ci_high": e.ci_high}
        rows.append(row)
    return rows


def _study(design: Design, seed: int, rng) -> list[dict]:
    samples = []
    for animal in range(ANIMALS):
        differs = np.exp(rng.normal(0, ANIMAL_SD_LN, 3))
        for free in FREE_MM:
            share = free / (K_HALF_MM * differs[2] + free)
            rates = [d * (k0 + (k - k0) * share) for d, k0, k in zip(differs, K0, SATURATING, strict=False)]
            head = {
                "transient_id": f"{animal} {free}",
                "group": "all",
                "cell_id": f"p{animal}",
                "animal_id": f"a{animal}",
            }
            head |= {"ligand": "Mg", "ligand_total_mm": free, "ligand_free_mm": free, "n_shots": 5, "unit": "V"}
            signal = transient(design, rates, rng)
            samples.append(pd.DataFrame({**head, "time_ms": TIMES_MS, "signal": signal}))
    rates, _ = relaxation.fit_transients(pd.concat(samples, ignore_index=True), SETTINGS)
    fits = relaxation.dependence_fits(relaxation.fit_dependence(rates), "validation")
    groups = fits[fits["unit_id"] == ""].set_index(["model", "parameter"])
    rows = []
    for i, phase in enumerate(("fast", "slow")):
        for parameter, put_in in (("k_saturating", SATURATING[i]), ("k_half", K_HALF_MM)):
            e = groups.loc[(f"hyperbola, {phase} phase", parameter)]
            row = _head(design, seed, f"{parameter}_{phase}", put_in) | {"exponentials": 2}
            rows.append(row | {"estimate": e["estimate"], "ci_low": e["ci_low"], "ci_high": e["ci_high"]})
    return rows


def _head(design: Design, seed: int, quantity: str, put_in: float) -> dict:
    nothing = dict.fromkeys(("estimate", "ci_low", "ci_high"), np.nan)
    return {"design": design.label, "seed": seed, "quantity": quantity, "put_in": put_in, **nothing}


def summarise(studies: pd.DataFrame) -> pd.DataFrame:
    """Return bias, range and coverage of each design and quantity.

    Returns
    -------
    DataFrame
        design, quantity, put_in, studies, two (share with two exponentials), shown (share with a value), bias and
        bias_se (mean of the estimates over what was put in, less 1, in percent), low and high (the middle 95 % of the
        estimates), coverage and coverage_p (binomial test against 95 %), of those with a value.
    """
    rows = []
    for (design, quantity), found in studies.groupby(["design", "quantity"], sort=False):
        known = found[found["estimate"].notna()]
        put_in = found["put_in"].iloc[0]
        errors = 100 * (known["estimate"] / put_in - 1)
        rows.append({
            "design": design, "quantity": quantity, "put_in": put_in, "studies": len(found),
            "two": (found["exponentials"] == 2).mean(), "shown": len(known) / len(found), **mean_with_error(errors),
            "low": known["estimate"].quantile(0.025),
            "high": known["estimate"].quantile(0.975), **coverage_of(known),
        })  # fmt: skip
    return pd.DataFrame(rows)


def document(studies: pd.DataFrame) -> str:
    """Return docs/validation_relaxation.md from the rows of `run_study`."""
    summary = summarise(studies)
    right, wrong, n, n_wrong = by_model(summary, DESIGNS)
    return f"""# Validation of the relaxation analysis

Generated by `python -m validation.run relaxation --studies {n} --misspecified {n_wrong}` (`make validate`); do not
edit. All data here are simulated: {n} of each design that meets the model and {n_wrong} of each that does not, seeds
from 0. What is put in stands in `validation/relaxation.py`.

A transient has 391 samples (0.2 ms to 56 ms, then 2 ms to 296 ms; the first 2 ms are dead time), rates of 195 and 54
per s and a drift unless said otherwise; noise is that of the mean of the shots over the whole change. A line for drift
is in every fit. A study has six concentrations, and three animals that differ by 3 % in rates and half-saturation.

- *Two*: share in which two exponentials are taken. *Shown*: share in which two rates are separable and have a value.
- *Bias*: mean of the values over what was put in, less 1; ± its simulation standard error. *Range*: the middle 95 % of
  the values.
- *Coverage*: how often the 95 % interval holds what was put in, of the values shown. **Bold**: not 95 % by the exact
  binomial test at the 1 % level.

## Designs that meet the model

{table(right)}

Values that are shown only when two rates are separable are a selection: with 20 % fast, or a ratio below 2, bias and
coverage are those of the lucky ones. Where one exponential was put in, any value of the fast rate is a false one.

## What the analysis is not told

Five shots of 2 % noise each, and one error more.

{table(wrong)}

What the model does not hold goes into the rates, and no interval knows of it; look at the residuals.
"""


def table(summary: pd.DataFrame) -> str:
    """Return a Markdown table, a row per design and quantity."""
    lines = ["| Design | | Two | Shown | Put in | Range | Bias | Coverage |", "|" + "---|" * 8]
    for _, row in summary.iterrows():
        first = row["quantity"] in ("k_fast", "k_saturating_fast")
        some = row["shown"] > 0
        cells = [
            row["design"] if first else "",
            QUANTITIES[row["quantity"]],
            f"{100 * row['two']:.0f} %",
            f"{100 * row['shown']:.0f} %",
            f"{row['put_in']:g}",
            f"{row['low']:.3g} to {row['high']:.3g}" if some else "–",
            f"{row['bias']:+.1f} ± {row['bias_se']:.1f} %" if row["shown"] * row["studies"] > 1 else "–",
            covered(row["coverage"], row["coverage_p"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
