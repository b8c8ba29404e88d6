"""Solve the cases by PHREEQC 3 (U.S. Geological Survey), by its own Newton-Raphson on its own equations.

    pip install phreeqc==1.1.1     # in an environment of its own; not a dependency of the project
    python tests/reference/solutions/make.py

PHREEQC gets a database written here: the constants of a set, corrected to the temperature and ionic strength of the
case by the formulas of this file (not by the project's code), every activity coefficient set to 1. What is compared is
the arithmetic of the corrections and of the equilibrium, not the constants, which are read from the project's YAML
files. Needs PyYAML besides. Written: cases.json.
"""

import json
import math
from pathlib import Path

import phreeqc
from rows import rows_of

HERE = Path(__file__).parent
CHARGE = {"Mg": 2, "Ca": 2, "Zn": 2, "K": 1}
CASES = [
    {"name": "ATP, EGTA, two metals", "set": "webmaxc", "ph": 7.4, "temperature_c": 20, "i": 0.1,
     "totals_mm": {"Mg": 4, "Ca": 1, "ATP": 1.94, "EGTA": 4.9}},
    {"name": "ATP series, 0.5 mM Mg", "set": "webmaxc", "ph": 7.4, "temperature_c": 37, "i": 0.15,
     "totals_mm": {"Mg": 0.5, "ATP": 3, "EGTA": 1}},
    {"name": "ATP series, 3 mM Mg", "set": "webmaxc", "ph": 7.4, "temperature_c": 37, "i": 0.15,
     "totals_mm": {"Mg": 3, "ATP": 3, "EGTA": 1}},
    {"name": "all ligands of webmaxc", "set": "webmaxc", "ph": 6.8, "temperature_c": 30, "i": 0.2,
     "totals_mm": {"Mg": 5, "Ca": 2, "ATP": 3, "ADP": 1, "AMP": 0.5, "EGTA": 1, "EDTA": 0.7, "citrate": 4}},
    {"name": "acid", "set": "webmaxc", "ph": 4.0, "temperature_c": 25, "i": 0.1,
     "totals_mm": {"Mg": 2, "Ca": 2, "ATP": 3, "EDTA": 1, "citrate": 5}},
    {"name": "extended, with Zn", "set": "webmaxc_extended", "ph": 7.2, "temperature_c": 25, "i": 0.15,
     "totals_mm": {"Mg": 3, "Ca": 0.5, "Zn": 0.02, "ATP": 2, "EGTA": 1, "citrate": 1, "aspartate": 10, "SO4": 2}},
    {"name": "BAPTA pipette", "set": "webmaxc_extended", "ph": 7.3, "temperature_c": 22, "i": 0.16,
     "totals_mm": {"Mg": 4, "Ca": 2, "BAPTA": 10, "ATP": 4, "gluconate": 120, "Pi": 1}},
    {"name": "bath, closed", "set": "webmaxc_extended", "ph": 7.4, "temperature_c": 35, "i": 0.16,
     "totals_mm": {"Mg": 2, "Ca": 2, "SO4": 2, "Pi": 1.25, "HCO3": 26.4}},
    {"name": "Lawson and Veech row", "set": "lawson_veech_1979", "ph": 7.14, "temperature_c": 38, "i": 0.25,
     "totals_mm": {"Mg": 1.0, "ATP": 3.1, "ADP": 0.723, "CrP": 0.812, "Pi": 10}},
    {"name": "K+ competes", "set": "physiol_520", "ph": 7.2, "temperature_c": 37, "i": 0.2,
     "totals_mm": {"Mg": 2, "K": 140, "ATP": 3, "ADP": 0.5, "Pi": 5}},
]  # fmt: skip


def davies(t, i):
    """-log10 of the activity coefficient of a univalent ion."""
    eps = 87.7251 - 0.3974762 * t + 8.253e-4 * t * t
    return 1.8246e6 / (eps * (t + 273.15)) ** 1.5 * (math.sqrt(i) / (1 + math.sqrt(i)) - 0.25 * i)


def log_k(cation, protons, row, charge, t, i):
    """A stepwise constant at the conditions of the case, protons as an activity."""
    value = row["log_k"] if "log_k" in row else -math.log10(float(row["kd_m"]))
    kcal = row["enthalpy_kj_mol"] / 4.184 if "enthalpy_kj_mol" in row else row["enthalpy_kcal_mol"]
    if kcal is not None:
        value += (
            kcal * 4184 / (8.31446261815324 * math.log(10)) * (1 / (row["temperature_c"] + 273.15) - 1 / (t + 273.15))
        )
    d0, d = davies(row["temperature_c"], row["ionic_strength_m"]), davies(t, i)
    z = 1 if cation == "H" else CHARGE[cation]
    value += -2 * z * (charge + protons) * (d0 - d)
    if cation == "H":
        value += d - (d0 if row["proton_constants"] == "mixed" else 0)
    return value


def species_name(text, charge):
    return text + ("" if charge == 0 else f"{charge:+d}" if abs(charge) > 1 else "+" if charge > 0 else "-")


def solve(case):
    """Return free metals, bare ligands and complexes, mM, by PHREEQC."""
    rows, charges = rows_of(case["set"])
    metals = [m for m in CHARGE if m in case["totals_mm"]]
    ligands = [x for x in charges if x in case["totals_mm"]]
    # PHREEQC wants names of elements: a capital and small letters.
    code = {x: f"L{'abcdefghijkl'[n]}" for n, x in enumerate(ligands)}
    neutral = "-gamma 1e9 0"
    master = [
        "SOLUTION_MASTER_SPECIES",
        "H H+ -1 H 1.008",
        "H(0) H2 0 H",
        "H(1) H+ -1 H",
        "E e- 0 0 0",
        "O H2O 0 O 16",
        "O(0) O2 0 O",
        "O(-2) H2O 0 O",
    ]
    species = [
        "SOLUTION_SPECIES",
        "H+ = H+",
        neutral,
        "e- = e-",
        "H2O = H2O",
        "H2O = OH- + H+",
        "log_k -40",
        neutral,
        "2 H2O = O2 + 4 H+ + 4 e-",
        "log_k -86.08",
        "2 H+ + 2 e- = H2",
        "log_k -3.15",
    ]
    for m in metals:
        master.append(f"{m} {species_name(m, CHARGE[m])} 0 {m} 1")
        species += [f"{species_name(m, CHARGE[m])} = {species_name(m, CHARGE[m])}", neutral]
    names = {}
    for x in ligands:
        bare = species_name(code[x], charges[x])
        master.append(f"{code[x]} {bare} 0 {code[x]} 1")
        species += [f"{bare} = {bare}", neutral]
        steps = {}
        for cation, ligand, protons, row in rows:
            if ligand == x and cation == "H":
                k = log_k("H", protons, row, charges[x], case["temperature_c"], case["i"])
                steps[protons + 1] = steps.get(protons, 0.0) + k
                n = protons + 1
                product = species_name(f"{code[x]}H{n if n > 1 else ''}", charges[x] + n)
                names[product] = row.get("named") or f"H{n if n > 1 else ''}{x}"
                species += [f"{bare} + {n} H+ = {product}", f"log_k {steps[n]!r}", neutral]
        for cation, ligand, protons, row in rows:
            if ligand == x and cation in metals and float(row.get("kd_m", 1)) != math.inf:
                k = log_k(cation, protons, row, charges[x], case["temperature_c"], case["i"]) + steps.get(protons, 0.0)
                tail = f"H{protons if protons > 1 else ''}" if protons else ""
                product = species_name(f"{cation}{code[x]}{tail}", charges[x] + protons + CHARGE[cation])
                names[product] = f"{cation}{tail}{x}"
                left = f"{species_name(cation, CHARGE[cation])} + {bare}" + (f" + {protons} H+" if protons else "")
                species += [f"{left} = {product}", f"log_k {k!r}", neutral]
    names |= {species_name(m, CHARGE[m]): m for m in metals} | {species_name(code[x], charges[x]): x for x in ligands}
    totals = [f"{code.get(n, n)} {v / 1e3!r}" for n, v in case["totals_mm"].items()]
    chosen = list(names)
    text = "\n".join(
        [
            "KNOBS",
            "-convergence_tolerance 1e-12",
            "-iterations 400",
            "SOLUTION 1",
            f"temp {case['temperature_c']}",
            "units mol/kgw",
            f"pH {case['ph']!r}",
            *totals,
            "SELECTED_OUTPUT",
            "-reset false",
            "-high_precision true",
            "USER_PUNCH",
            "-headings " + " ".join(f"s{n}" for n in range(len(chosen))),
            "-start",
            *(f'{10 * (n + 1)} PUNCH MOL("{s}")' for n, s in enumerate(chosen)),
            "-end",
            "END",
        ]
    )
    engine = phreeqc.Phreeqc()
    for run, what in ((engine.LoadDatabaseString, "\n".join([*master, *species, "END"])), (engine.RunString, text)):
        if run(what) or engine.GetErrorString():
            raise SystemExit(engine.GetErrorString())
    row = engine.GetSelectedOutputRowCount() - 1
    return {names[s]: 1e3 * float(engine.GetSelectedOutputValue(row, n)) for n, s in enumerate(chosen)}


if __name__ == "__main__":
    solved = [case | {"species_mm": solve(case)} for case in CASES]
    (HERE / "cases.json").write_text(json.dumps(solved, indent=1) + "\n", encoding="utf-8")
