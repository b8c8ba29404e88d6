"""Tables of the synthesis: what is predicted, which source makes it uncertain, what it rests on.

Shares of variance by Janon et al. 2014 (first order) and Jansen 1999 (total), from two independent sets of draws
(formulas from memory, not read; tests hold them against cases that are known). A share is an estimate from draws: one
that is 0 may come out slightly below it.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mgk.solutions.potentials import nernst_mv
from mgk.study import Study
from mgk.synthesis.model import Model, Quantity, centre, draw, quantities_of, widened
from mgk.tables import read_table

RANGE_MV = (-100.0, 50.0)
STEP_MV = 5.0
LEVEL = 0.95
DRIVING = "driving force on K+ at the apical membrane"
NAMED = ("quantity", "level", "reference", "free_magnesium_mm", "membrane_mv", "k05")
PREDICTION_COLUMNS = (*NAMED, "unit", "estimate", "se", "ci_low", "ci_high", "put_in", "verdict", "reason")
VARIANCE_COLUMNS = (*NAMED, "source", "sd_alone", "first_order", "total")
ASSUMPTION_COLUMNS = ("step", "statement", "value", "unit", "status", "source")
TOGETHER = "together, beyond the sum"


def potentials_of(settings: Mapping) -> list[float]:
    """Return the potentials at which the open fraction is predicted, mV, the apical one among them."""
    low, high = settings.get("range_mv", RANGE_MV)
    grid = np.arange(low, high + STEP_MV / 2, STEP_MV).tolist()
    return sorted({*grid, float(settings["apical_mv"]["value"])})


def prediction_table(model: Model, potentials_mv: Sequence[float], truth: Model | None = None) -> pd.DataFrame:
    """Return every prediction with the interval over the joint draws of all errors.

    Parameters
    ----------
    potentials_mv : sequence of float
        Where the open fraction is predicted, mV.
    truth : Model or None
        The same model with what was put into simulated data, by the names of levels and K0.5 that have a truth.

    Returns
    -------
    DataFrame
        Columns of `PREDICTION_COLUMNS`. `estimate` is at the estimates of all inputs, `se` the SD of normal draws; both
        are NaN where `verdict` is `not_predicted`.
    """
    drawn = draw(model, "a")
    put_in = _put_in(truth, potentials_mv) if truth else {}
    rows = [_driving(model)]
    for quantity in quantities_of(model, potentials_mv):
        row = _named(quantity) | {"unit": "1"}
        if quantity.why_not:
            rows.append(row | {"verdict": "not_predicted", "reason": quantity.why_not})
            continue
        values = quantity.function(widened(model, quantity, drawn))
        low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        row |= {"estimate": at_estimates(quantity, drawn), "se": float(np.std(quantity.function(drawn)))}
        row |= {"ci_low": low, "ci_high": high}
        rows.append(row | {"put_in": put_in.get(quantity.key, math.nan), "verdict": "predicted", "reason": ""})
    table = pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))
    return table.fillna(dict.fromkeys(("level", "reference", "k05"), ""))


def at_estimates(quantity: Quantity, drawn: Mapping) -> float:
    """Return a quantity at the estimates of all its inputs."""
    return float(np.atleast_1d(quantity.function(centre(drawn)))[0])


def _put_in(truth: Model, potentials_mv: Sequence[float]) -> dict[tuple, float]:
    drawn = draw(truth, "a")
    known = [q for q in quantities_of(truth, potentials_mv) if not q.why_not]
    return {q.key: at_estimates(q, drawn) for q in known}


def _named(quantity: Quantity) -> dict:
    name, level, reference, membrane_mv, k05 = quantity.key
    values = (name, level, reference, quantity.level.value_mm, membrane_mv, k05)
    return dict(zip(NAMED, values, strict=True))


def _driving(model: Model) -> dict:
    cell = model.cell
    reversal = nernst_mv(1, cell.luminal_potassium_mm, cell.cell_potassium_mm, cell.temperature_c)
    row = {"quantity": DRIVING, "membrane_mv": cell.apical_mv, "unit": "mV", "estimate": cell.apical_mv - reversal}
    said = "outward, which is secretion, where above 0; of stated values, without an error"
    return row | {"verdict": "computed", "reason": said}


def variance_table(model: Model) -> pd.DataFrame:
    """Return the variance of each prediction at the apical potential, split by source.

    Returns
    -------
    DataFrame
        Columns of `VARIANCE_COLUMNS`: `sd_alone`, the SD when that source alone is drawn; `first_order`, its share of
        the variance by itself; `total`, with all that it does together with others. A last row for each quantity,
        `TOGETHER`, is what the first orders leave.
    """
    a, b = draw(model, "a"), draw(model, "b")
    rows = []
    for quantity in quantities_of(model, [model.cell.apical_mv]):
        if not quantity.why_not and not quantity.level.at_other_kd:
            rows += _shares(quantity, a, b)
    return pd.DataFrame(rows, columns=list(VARIANCE_COLUMNS))


def _shares(quantity: Quantity, a: Mapping, b: Mapping) -> list[dict]:
    of_a, of_b = quantity.function(a), quantity.function(b)
    if not np.ptp(of_a):
        return []  # no error, nothing to split
    rows, still = [], {source: np.zeros_like(values) for source, values in a.items()}
    for source in quantity.sources:
        mixed = quantity.function({**a, source: b[source]})
        alone = quantity.function({**still, source: a[source]})
        # `mixed` has that source in common with b, and all others with a.
        shares = {"first_order": _in_common(of_b, mixed), "total": 1 - _in_common(of_a, mixed)}
        rows.append(_named(quantity) | {"source": source, "sd_alone": float(np.std(alone))} | shares)
    left = 1 - math.fsum(row["first_order"] for row in rows)
    return [*rows, _named(quantity) | {"source": TOGETHER, "first_order": left}]


def _in_common(first: np.ndarray, second: np.ndarray) -> float:
    """Return the covariance of two sets over their variance, means and variances taken from both together."""
    middle = (np.mean(first) + np.mean(second)) / 2
    variance = np.mean((first - middle) ** 2 + (second - middle) ** 2) / 2
    return float(np.mean((first - middle) * (second - middle)) / variance)


# --- what it rests on ---------------------------------------------------------------------------------------------


def assumptions_table(project: Study, settings: Mapping, model: Model, data: str) -> pd.DataFrame:
    """Return the chain from hypomagnesaemia to hypokalaemia, link by link: measured, stated, assumed or not measured.

    Parameters
    ----------
    data : str
        The kind of the data that are joined: simulated, measured or mixed.
    """
    chain = [*CHAIN, *_inputs(settings, model, data)]
    rows = [dict(zip(ASSUMPTION_COLUMNS, row, strict=True)) for row in chain]
    found = pd.DataFrame([*rows, *_claims(project, settings)], columns=list(ASSUMPTION_COLUMNS))
    return found.sort_values("step", kind="stable", ignore_index=True)


MEASURED = {
    "simulated": "recovered from simulated data",
    "measured": "measured in this study",
    "mixed": "from data of which some are simulated",
}
HUANG = "Huang and Kuo 2007, J Am Soc Nephrol 18:2649, abstract"
# Links that no table of this project can close; the last column says where the idea stands.
CHAIN = (
    ("1 serum to cell", "low Mg2+ in serum lowers free Mg2+ in the cells of the distal nephron", "", "",
     "not measured", HUANG),
    ("2 which cell", "free Mg2+ of the cells that were measured stands for that of principal cells", "", "",
     "assumed", "no source"),
    ("3 block", "internal Mg2+ alone sets the open fraction: no polyamines, no change of gating by pH, ATP or kinases",
     "", "", "assumed", "no source"),
    ("3 block", "Ki(0) and z delta hold at the temperature of the prediction", "", "", "assumed", "no source"),
    ("4 secretion", "K+ secreted through ROMK is in proportion to the open fraction: the potential, luminal K+ and the "
     "number of channels stay as they are", "", "", "assumed",
     f"no source; {HUANG}, says that more delivery of Na+ or more aldosterone may be needed"),
    ("5 pump", "the pump follows Michaelis and Menten in free Mg2+, with Na+, K+ and ATP as they are", "", "",
     "assumed", "no source"),
    ("6 to the patient", "more secretion and a slower pump end in hypokalaemia", "", "", "not measured", HUANG),
)  # fmt: skip


def _inputs(settings: Mapping, model: Model, data: str) -> list[tuple]:
    done, block = MEASURED[data], model.block
    places = {key: f"{settings[key]['experiment']}, {settings[key]['group']}" for key in ("block", "pump")}
    rows = [("2 which cell", f"free Mg2+ of {level.name}, mean of all reads", level.value_mm, "mM", done, level.origin)
            for level in model.levels if level.experiment and not level.at_other_kd]  # fmt: skip
    rows += [("2 which cell", "a level of free Mg2+", level.value_mm, "mM", "stated", level.origin)
             for level in model.levels if not level.experiment]  # fmt: skip
    rows.append(("3 block", "Ki(0)", block.ki0_mm, "mM", done, places["block"]))
    rows.append(("3 block", "z delta", block.z_delta, "1", done, places["block"]))
    for name, words in STATED.items():
        rows.append(
            (words[0], words[1], settings[name]["value"], settings[name]["unit"], "stated", settings[name]["source"])
        )
    for name, constant in model.k05.items():
        printed = settings.get("pump_published", {}) if name != "K0.5 of the study" else {}
        status = "published" if printed else done
        rows.append(("5 pump", name, constant.value, "mM", status, printed.get("source", places["pump"])))
    return rows


STATED = {
    "apical_mv": ("3 block", "potential of the apical membrane"),
    "temperature_c": ("3 block", "temperature"),
    "luminal_potassium_mm": ("4 secretion", "K+ in the lumen"),
    "cell_potassium_mm": ("4 secretion", "K+ in the cell"),
}


def _claims(project: Study, settings: Mapping) -> list[dict]:
    """Return what the checks of published claims say of the clinical end of the chain."""
    asked = settings.get("claims", ())
    if not asked:
        return []
    claims = read_table(project.results / "clinical" / "claims.csv", text=("statement", "source"))
    known = claims.set_index("claim_id").loc[list(asked)]
    return [
        {"step": "6 to the patient", "statement": f"claim: {row.statement}", "value": "", "unit": ""}
        | {"status": f"claim {row.verdict.replace('_', ' ')}", "source": f"{row.source}; {row.reason}"}
        for row in known.itertuples()
    ]
