"""Solve unusual recipes with 40 digits: equilibrium, ionic strength, titrant and gas, by equations of its own.

    pip install mpmath==1.3.0 pyyaml     # in an environment of its own
    python tests/reference/solutions/precise.py

Nothing of the project's code is used; the constants are read from its YAML files. Written: precise.json, which
`tests/unit/test_solutions_reference.py` holds every species, ionic strength and titrant of the project against.
"""

import json
from pathlib import Path

from mpmath import findroot, inf, log10, mp, mpf, sqrt
from rows import content_of, rows_of

mp.dps = 40
HERE = Path(__file__).parent
CHARGE = {"H": 1, "Mg": 2, "Ca": 2, "Zn": 2, "K": 1, "Na": 1}
ION = {"KOH": "K", "NaOH": "Na", "CsOH": "Cs", "TEAOH": "TEA", "NMDG": "NMDG", "HCl": "Cl"}
GAS_CONSTANT = mpf("8.31446261815324")
CASES = [
    {"name": "EDTA below its metals, acid", "set": "webmaxc", "ph": 5.0, "temperature_c": 37,
     "totals_mm": {"Ca": 2, "Mg": 5, "EDTA": 3, "Na": 6, "Cl": 14}},
    {"name": "EDTA in excess, alkaline, cold", "set": "webmaxc", "ph": 9.5, "temperature_c": 10,
     "totals_mm": {"Mg": 1, "Ca": 0.01, "EDTA": 20, "K": 60}},
    {"name": "EDTA and EGTA compete for little calcium", "set": "webmaxc", "ph": 7.0, "temperature_c": 22,
     "totals_mm": {"Ca": 1e-4, "Mg": 2, "EDTA": 0.1, "EGTA": 10, "K": 120, "Cl": 100}},
    {"name": "citrate medium", "set": "webmaxc", "ph": 6.5, "temperature_c": 20,
     "totals_mm": {"citrate": 20, "Ca": 2, "Mg": 2, "Na": 60}},
    {"name": "BAPTA pipette titrated by KOH", "set": "webmaxc_extended", "ph": 7.2, "temperature_c": 25,
     "titrant": "KOH", "totals_mm": {"BAPTA": 20, "Ca": 8, "Mg": 1, "K": 90, "Cl": 108}},
    {"name": "three adenine nucleotides", "set": "webmaxc", "ph": 7.1, "temperature_c": 30,
     "totals_mm": {"ATP": 5, "ADP": 2, "AMP": 1, "Mg": 6, "Ca": 0.1, "K": 100, "Cl": 80}},
    {"name": "GTP without calcium", "set": "webmaxc_extended", "ph": 7.3, "temperature_c": 33,
     "totals_mm": {"GTP": 0.3, "ATP": 4, "Mg": 4, "EGTA": 1, "K": 140, "gluconate": 120}},
    {"name": "creatine phosphate", "set": "webmaxc_extended", "ph": 7.25, "temperature_c": 37,
     "totals_mm": {"CrP": 10, "ATP": 5, "Mg": 5, "Na": 30, "K": 110, "Cl": 110}},
    {"name": "creatine phosphate of Lawson and Veech", "set": "lawson_veech_1979", "ph": 7.0, "temperature_c": 38,
     "totals_mm": {"CrP": 25, "ATP": 8, "ADP": 0.05, "Pi": 3, "Mg": 9, "K": 150, "Cl": 100}},
    {"name": "much EGTA, little calcium", "set": "webmaxc", "ph": 7.4, "temperature_c": 22,
     "totals_mm": {"EGTA": 50, "Ca": 1e-6, "Mg": 1, "K": 150, "Cl": 50}},
    {"name": "phosphate buffer", "set": "webmaxc_extended", "ph": 7.0, "temperature_c": 25,
     "totals_mm": {"Pi": 100, "Mg": 10, "Na": 150}},
    {"name": "no metal", "set": "webmaxc", "ph": 7.0, "temperature_c": 25, "totals_mm": {"ATP": 5, "EGTA": 1}},
    {"name": "no ligand", "set": "webmaxc", "ph": 7.4, "temperature_c": 25,
     "totals_mm": {"Mg": 10, "Ca": 2, "K": 100, "Cl": 124}},
    {"name": "more base than the anions named", "set": "webmaxc", "ph": 8.0, "temperature_c": 25,
     "totals_mm": {"K": 150, "Mg": 3, "ATP": 3, "Cl": 20}},
    {"name": "HEPES, NMDG titrated by HCl", "set": "webmaxc", "ph": 7.4, "temperature_c": 23, "titrant": "HCl",
     "totals_mm": {"NMDG": 140, "HEPES": 10, "EGTA": 5, "Mg": 2, "Cl": 4}, "inert": ["HEPES"]},
    {"name": "acids titrated by NMDG", "set": "webmaxc", "ph": 7.2, "temperature_c": 22, "titrant": "NMDG",
     "totals_mm": {"EGTA": 10, "ATP": 4, "Mg": 5, "Cl": 10, "HEPES": 20, "aspartate": 100},
     "inert": ["HEPES", "aspartate"]},
    {"name": "Tris titrated by HCl, warm", "set": "webmaxc", "ph": 7.4, "temperature_c": 37, "titrant": "HCl",
     "totals_mm": {"Tris": 50, "Mg": 5, "ATP": 3, "Na": 106, "Cl": 110}, "inert": ["Tris"]},
    {"name": "KOH whose ion binds", "set": "physiol_520", "ph": 7.2, "temperature_c": 37, "titrant": "KOH",
     "totals_mm": {"ATP": 5, "ADP": 0.5, "Pi": 5, "Mg": 4, "K": 100, "Cl": 100}},
    {"name": "bath under 5 % CO2", "set": "webmaxc_extended", "temperature_c": 35, "gas_percent": 5,
     "totals_mm": {"Na": 153.65, "K": 3, "Mg": 2, "Ca": 2, "SO4": 2, "Cl": 133, "Pi": 1.25, "HCO3": 26.4}},
    {"name": "bath under 10 % CO2 at a stated pH", "set": "webmaxc_extended", "ph": 7.3, "temperature_c": 37,
     "gas_percent": 10, "totals_mm": {"Na": 150, "K": 5, "Mg": 1, "Ca": 1.5, "Cl": 130, "HCO3": 25}},
    {"name": "zinc buffered by EDTA", "set": "webmaxc_extended", "ph": 7.4, "temperature_c": 25,
     "totals_mm": {"Zn": 0.5, "EDTA": 1, "Mg": 0.1, "Na": 140, "Cl": 138}},
    {"name": "nanomolar everything", "set": "webmaxc", "ph": 7.4, "temperature_c": 25, "ionic_strength_m": 0.0,
     "totals_mm": {"Mg": 1e-6, "Ca": 1e-6, "EDTA": 1e-6, "ATP": 1e-6}},
    {"name": "near the largest ionic strength", "set": "webmaxc", "ph": 7.4, "temperature_c": 25,
     "totals_mm": {"K": 800, "Cl": 820, "Mg": 10, "ATP": 3}},
    {"name": "ice water", "set": "webmaxc", "ph": 7.6, "temperature_c": 0,
     "totals_mm": {"Mg": 3, "ATP": 3, "EGTA": 0.5, "Ca": 0.4, "K": 100, "Cl": 95}},
    {"name": "sulphate and citrate, hot", "set": "webmaxc_extended", "ph": 6.0, "temperature_c": 55,
     "totals_mm": {"SO4": 30, "citrate": 10, "Mg": 20, "Ca": 5, "K": 40}},
]  # fmt: skip


def davies(t, i):
    eps = mpf("87.7251") - mpf("0.3974762") * t + mpf("8.253e-4") * t * t
    root = sqrt(i)
    return mpf("1.8246e6") / (eps * (t + mpf("273.15"))) ** mpf("1.5") * (root / (1 + root) - i / 4)


def warmed(kcal, from_c, to_c):
    """Growth of log10 K by van 't Hoff."""
    return kcal * 4184 / (GAS_CONSTANT * mp.ln10) * (1 / (from_c + mpf("273.15")) - 1 / (to_c + mpf("273.15")))


def number(value):
    return mpf(str(value))


def log_k(cation, protons, row, charge, t, i):
    value = number(row["log_k"]) if "log_k" in row else -log10(number(row["kd_m"]))
    if row.get("enthalpy_kj_mol") is not None:
        value += warmed(number(row["enthalpy_kj_mol"]) / mpf("4.184"), number(row["temperature_c"]), t)
    elif row.get("enthalpy_kcal_mol") is not None:
        value += warmed(number(row["enthalpy_kcal_mol"]), number(row["temperature_c"]), t)
    d0, d = davies(number(row["temperature_c"]), number(row["ionic_strength_m"])), davies(t, i)
    value -= 2 * CHARGE[cation] * (charge + protons) * (d0 - d)
    if cation == "H":
        value += d - (d0 if row["proton_constants"] == "mixed" else 0)
    return value


class Case:
    """One recipe: unknown are the free metals, the ionic strength, the titrant's amount, and the pH under a gas."""

    def __init__(self, case):
        self.t, self.totals = number(case["temperature_c"]), {k: number(v) / 1000 for k, v in case["totals_mm"].items()}
        self.case, self.titrant, inert = case, ION.get(case.get("titrant")), case.get("inert", [])
        rows, charges = rows_of(case["set"])
        present = {*self.totals, self.titrant} - set(inert)
        self.metals = [m for m in CHARGE if m != "H" and m in present and any(r[0] == m for r in rows)]
        self.ligands = [x for x in charges if x in present]
        self.rows = [r for r in rows if r[1] in self.ligands and (r[0] == "H" or r[0] in self.metals)]
        inert_rows, inert_charges = rows_of("inert")
        self.others = [x for x in self.totals if x not in self.metals and x not in self.ligands]
        self.rows += [r for r in inert_rows if r[1] in self.others]
        self.charges = {x: inert_charges[x] for x in self.others} | {x: charges[x] for x in self.ligands}
        self.guess = {}

    def co2_m(self):
        gas = content_of("gas")
        log_henry = number(gas["log_henry"]) + warmed(
            number(gas["enthalpy_kcal_mol"]), number(gas["temperature_c"]), self.t
        )
        a0, a1, a2, a3, a5 = map(number, gas["water_vapour"])
        kelvin = self.t + mpf("273.15")
        vapour_atm = 10 ** -(a0 + a1 * kelvin + a2 / kelvin + a3 * log10(kelvin) + a5 * kelvin**2)
        return 10**log_henry * number(self.case["gas_percent"]) / 100 * (1 - vapour_atm)

    def betas(self, ph, i):
        """Cumulative log constants at this pH: (ligand, protons) and (metal, ligand, protons) in 1/M."""
        forms, bound = {(x, 0): mpf(0) for x in (*self.ligands, *self.others)}, {}
        for cation, x, protons, row in self.rows:
            if cation == "H":
                step = log_k("H", protons, row, self.charges[x], self.t, i)
                forms[x, protons + 1] = forms[x, protons] + step - ph
        for cation, x, protons, row in self.rows:
            if cation != "H" and float(row.get("kd_m", 1)) != inf:
                bound[cation, x, protons] = log_k(cation, protons, row, self.charges[x], self.t, i) + forms[x, protons]
        return {k: 10**v for k, v in forms.items()}, {k: 10**v for k, v in bound.items()}

    def species(self, ph, i, added):
        """Concentrations in M by (kind, ...) at a pH, an ionic strength and an amount of titrant."""
        forms, bound = self.betas(ph, i)
        totals = {m: self.totals.get(m, mpf(0)) + (added if m == self.titrant else 0) for m in self.metals}
        metals = [m for m in self.metals if totals[m] > 0]
        gassed = "gas_percent" in self.case

        def bare(free):
            found = {}
            for x in self.ligands:
                held = gassed and x == "HCO3"
                weight = sum(v for (y, p), v in forms.items() if y == x and not (held and p == 1))
                weight += sum(v * free[m] for (m, y, _), v in bound.items() if y == x and m in free)
                found[x] = self.co2_m() / forms[x, 1] if held and "ph" not in self.case else self.totals[x] / weight
            return found

        def balances(*logs):
            free = dict(zip(metals, (10**v for v in logs), strict=True))
            x_of = bare(free)
            sums = {m: free[m] + sum(v * free[m] * x_of[x] for (n, x, _), v in bound.items() if n == m) for m in metals}
            return [log10(sums[m] / totals[m]) for m in metals]

        free = {}
        if metals:
            start = [self.guess.get(m, log10(totals[m]) - 1) for m in metals]
            for _ in range(60):  # coarse: each metal in turn, the others held
                for n in range(len(metals)):
                    start[n] -= balances(*start)[n] * mpf("0.7")
            logs = findroot(balances, start, solver="mdnewton", tol=mpf(10) ** -70, maxsteps=60)
            logs = list(logs) if len(metals) > 1 else [logs if isinstance(logs, mpf) else logs[0]]
            self.guess |= dict(zip(metals, logs, strict=True))
            free = dict(zip(metals, (10**v for v in logs), strict=True))
        x_of = bare(free)
        found = {("metal", m): v for m, v in free.items()}
        for (x, p), v in forms.items():
            if x in self.ligands:
                held = gassed and x == "HCO3" and p == 1
                found["form", x, p] = self.co2_m() if held else v * x_of[x]
            else:
                weight = sum(w for (y, _), w in forms.items() if y == x)
                found["other", x, p] = self.totals[x] * v / weight
        for (m, x, p), v in bound.items():
            if m in free:
                found["bound", m, x, p] = v * free[m] * x_of[x]
        return found

    def charge(self, key):
        kind, *rest = key
        if kind == "metal":
            return CHARGE[rest[0]]
        if kind == "bound":
            return CHARGE[rest[0]] + self.charges[rest[1]] + rest[2]
        return self.charges[rest[0]] + rest[1]

    def sums(self, found):
        """Net charge, and twice the ionic strength of what is named."""
        return sum(self.charge(k) * v for k, v in found.items()), sum(self.charge(k) ** 2 * v for k, v in found.items())

    def titrated(self, ph, i):
        """Return species, net charge of all but the titrant, and the amount of a titrant whose ion binds."""
        if self.titrant not in self.metals:
            found = self.species(ph, i, mpf(0))
            return found, self.sums(found)[0], mpf(0)
        net = lambda added: self.sums(self.species(ph, i, added))[0]  # noqa: E731
        added = findroot(net, (mpf("0.01"), mpf("0.02")), solver="secant", tol=mpf(10) ** -60)
        found = self.species(ph, i, added)
        return found, -added, added

    def strength(self, ph):
        if "ionic_strength_m" in self.case:
            return number(self.case["ionic_strength_m"])

        def excess(i):
            found, net, added = self.titrated(ph, i)
            unnamed = abs(net) if "ph" in self.case and not added else 0
            return (self.sums(found)[1] + unnamed) / 2 - i

        return findroot(excess, (mpf("0.1"), mpf("0.11")), solver="secant", tol=mpf(10) ** -60)

    def ph(self):
        if "ph" in self.case:
            return number(self.case["ph"])
        net = lambda ph: self.titrated(ph, self.strength(ph))[1]  # noqa: E731
        return findroot(net, (mpf("7.3"), mpf("7.4")), solver="secant", tol=mpf(10) ** -50)

    def name(self, key):
        """The name of a species as the project prints it."""
        kind, *rest = key
        if kind == "metal":
            return rest[0]
        for cation, ligand, protons, row in self.rows:
            if kind == "form" and cation == "H" and [ligand, protons + 1] == rest and "named" in row:
                return row["named"]
        *metal, ligand, protons = rest
        return "".join([*metal, {0: "", 1: "H"}.get(protons, f"H{protons}"), ligand])

    def solve(self):
        ph = self.ph()
        i = self.strength(ph)
        found, net, added = self.titrated(ph, i)
        # The project prints a buffer that binds nothing as its total.
        named = {self.name(key): value for key, value in found.items() if key[0] != "other"}
        sign = -1 if self.titrant == "Cl" else 1
        return {
            "ph": float(ph),
            "ionic_strength_m": float(i),
            "titrant_mm": float(1000 * (added or (-sign * net if self.titrant else 0))),
            "species_mm": {k: float(1000 * v) for k, v in named.items()},
        }


if __name__ == "__main__":
    solved = [case | {"solved": Case(case).solve()} for case in CASES]
    (HERE / "precise.json").write_text(json.dumps(solved, indent=1) + "\n", encoding="utf-8")
