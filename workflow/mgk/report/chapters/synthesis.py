"""The chapter that joins the stages: a model prediction, what makes it uncertain, and what it rests on."""

from html import escape

import pandas as pd

from mgk.report.chapters.chapter import Chapter
from mgk.report.html import MISSING, Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results
from mgk.synthesis import heading, sentences
from mgk.synthesis.model import OPEN, OPEN_RATIO, RATE, RATE_RATIO

ABOUT = r"""## Synthesis
The stages joined. Free Mg2+ of each group, with the error of its calibration, gives the fraction of ROMK that is open
and the rate of the pump as a fraction of its maximum:
$$f(V) = \frac{1}{1 + [\mathrm{Mg}] / K_i(V)}, \qquad K_i(V) = K_i(0)\, e^{-z\delta F V / RT}, \qquad
\frac{v}{V_{max}} = \frac{[\mathrm{Mg}]}{K_{0.5} + [\mathrm{Mg}]}$$
All errors are drawn together: Ki(0) with z delta from the animals of one group, groups of the same animals with their
correlation, the calibration in common. The variance is then split by source: the first order is what a source does by
itself. Bias and coverage on simulated studies are in docs/validation_synthesis.md.
Nothing here is a measurement of secretion, or of a patient.
"""
TEXT = ("quantity", "level", "reference", "k05", "source", "step", "statement", "value", "status")
PUT_IN = "With what was put in"
SHOWN = (OPEN, OPEN_RATIO, RATE, RATE_RATIO)


def opening(results: Results) -> Fragment:
    """Say what kind of prediction this is, and what follows, as strongly as the intervals allow."""
    prediction, variance = (results.table(f"{name}.csv", text=TEXT) for name in ("prediction", "variance"))
    items = sentences(prediction, variance, results.settings["apical_mv"]["value"])
    listed = "".join(f"<li>{escape(line)}</li>" for line in items)
    return Fragment(f"<h3>{escape(heading(results.data))}</h3><ul>{listed}</ul>")


def tables(results: Results) -> Fragment:
    """Show the predictions at the apical potential, the chain, the variance by source."""
    prediction, variance = (results.table(f"{name}.csv", text=TEXT) for name in ("prediction", "variance"))
    apical_mv = results.settings["apical_mv"]["value"]
    parts = []
    at_apical = prediction[prediction["membrane_mv"].isna() | (prediction["membrane_mv"] == apical_mv)]
    caption = f"{heading(results.data)}. Predictions at {apical_mv:g} mV, with 95 % intervals over the joint draws"
    shown = _prediction(at_apical[at_apical["quantity"].isin(SHOWN)])
    parts.append(results_table(results, "prediction.csv", shown, caption, csv=prediction).html)
    parts.append(results_table(results, "assumptions.csv", _chain(results), CHAIN_CAPTION).html)
    columns = ["quantity", "level", "reference", "k05", "source", "sd_alone", "first_order", "total"]
    table = results_table(results, "variance.csv", variance[columns], "Variance of each prediction by source").html
    parts.append(f"<details><summary>Variance by source</summary>{table}</details>")
    return Fragment("".join(parts))


CHAIN_CAPTION = "The chain from hypomagnesaemia to hypokalaemia: what was measured, stated, assumed, or not measured"


def _chain(results: Results) -> pd.DataFrame:
    """Return the chain, its values rounded for showing."""
    chain = results.table("assumptions.csv", text=TEXT)
    rounded = [f"{float(value):.3g}" if value else "" for value in chain["value"]]
    return chain.assign(value=rounded)


def _prediction(found: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions for showing; of measured data nothing was put in, and there is no such column."""
    rows = list(found.itertuples())
    shown = pd.DataFrame(
        {
            "Quantity": [f"{r.quantity}{f', {r.k05}' if r.k05 else ''}" for r in rows],
            "Free Mg2+": found["level"],
            "Against": found["reference"],
            "Prediction [95 %]": [
                f"{r.estimate:.3f} [{r.ci_low:.3f}, {r.ci_high:.3f}]" if r.verdict == "predicted" else MISSING
                for r in rows
            ],
            PUT_IN: [f"{r.put_in:.3f}" if pd.notna(r.put_in) else MISSING for r in rows],
            "Verdict": found["verdict"].str.replace("_", " "),
            "Reason": found["reason"],
        },
        index=found.index,
    )
    return shown if found["put_in"].notna().any() else shown.drop(columns=PUT_IN)


def count(results: Results) -> str:
    """Return the n behind each input."""
    settings = results.settings
    said = [f"free Mg2+ of {', '.join(settings['free_magnesium'])}"]
    said += [f"{key} of {settings[key]['experiment']}, {settings[key]['group']}" for key in ("block", "pump")]
    return f"n: {'; '.join(said)}; their chapters give the n of cells and animals."


def key_numbers(results: Results) -> list[dict]:
    """Return the ratios: ROMK at the apical potential, the pump with each K0.5."""
    found = results.table("prediction.csv", text=TEXT)
    apical = found["membrane_mv"].isna() | (found["membrane_mv"] == results.settings["apical_mv"]["value"])
    rows = found[apical & found["quantity"].isin([OPEN_RATIO, RATE_RATIO]) & (found["verdict"] == "predicted")]
    return [_key_number(results, row) for row in rows.itertuples()]


def _key_number(results: Results, row) -> dict:
    number = {
        "group": f"{row.level} against {row.reference}",
        "quantity": f"{row.quantity}{f', {row.k05}' if row.k05 else ''}",
        "unit": "1",
        "estimate": row.estimate,
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "n": "joint draws",
        "verdict": "predicted",
        "reason": heading(results.data),
        "table": "prediction.csv",
        "row": row.Index,
    }
    if pd.notna(row.put_in):
        source = "the same model with what was put into the stages"
        number |= {"reference": row.put_in, "reference_kind": "put in", "reference_source": source}
    return number


def method(results: Results) -> str:
    """Return what was joined, at which potential and concentrations, and how it was drawn."""
    given = results.settings
    stated = [
        f"{name} {given[key]['value']:g} {given[key]['unit']} ({given[key]['source']})"
        for key, name in (
            ("apical_mv", "apical potential"),
            ("luminal_potassium_mm", "K+ in the lumen"),
            ("cell_potassium_mm", "K+ in the cell"),
            ("temperature_c", "temperature"),
        )
    ]
    joined = f"{', '.join(given['free_magnesium'])}; {given['block']['experiment']}, {given['block']['group']}; "
    joined += f"{given['pump']['experiment']}, {given['pump']['group']}"
    return f"results of {joined}; {'; '.join(stated)}; {given.get('draws', 20000)} draws, seed {given.get('seed', 80)}"


CHAPTER = Chapter(ABOUT, tables, count, key_numbers, method, opening)
