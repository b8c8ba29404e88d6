"""Small plates with a known truth that the tests of `mgk.atpase` share."""

import numpy as np
import pandas as pd

TEXT = ("sample_id", "animal_id", "preparation_id", "condition")


def protein_plate(curve, concentrations, noise=0.0, seed=0, levels=(0, 1, 2, 4, 6, 8, 12, 16), sample_ul=10.0):
    """Wells of a protein plate: absorbance `curve(ug)`, preparations in triplicate with `concentrations` in ug/ul."""
    rng = np.random.default_rng(seed)
    rows = []

    def well(role, ug, **columns):
        value = curve(ug) * (1 + noise * rng.normal())
        rows.append({"well": f"w{len(rows)}", "role": role, "value": value, **columns})

    for ug in levels:
        for _ in range(2):
            well("standard", ug, protein_ug=float(ug))
    for name, per_ul in concentrations.items():
        who = {"preparation_id": name, "animal_id": name, "sample_id": name}
        for _ in range(3):
            well("sample", per_ul * sample_ul / 2, **who, sample_ul=sample_ul, dilution_factor=2.0)
    frame = pd.DataFrame(rows).assign(plate_id="bca", flag="", protein_plate="")
    return frame.fillna(dict.fromkeys(TEXT, ""))


def kinetic_well(rate, minutes, lag_min=0.4, nadh=1.0, background=0.06, noise=0.0, seed=0, drift=0.0):
    """Absorbance of a well: a lag, a straight fall of `rate` AU/min, and a floor once NADH is used up."""
    t = np.asarray(minutes, float)
    fallen = rate * (t - lag_min * (1 - np.exp(-t / lag_min)))
    # rounds off towards the floor, as coupling enzymes do
    left = nadh - fallen
    left = 0.02 * np.logaddexp(0, left / 0.02)
    return background + left - drift * t + np.random.default_rng(seed).normal(0, noise, t.size)
