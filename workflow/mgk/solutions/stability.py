"""Sets of stability constants, and their correction to temperature, ionic strength and pH.

Limits: reads the files in `constants/` and checks that they are whole; what is dissolved lives in `recipes`, the
equilibrium in `speciation`. A constant is log10 of a stepwise formation constant in 1/M, its enthalpy that of
formation in kcal/mol (a file may give kJ/mol), ionic strength in M. A set may extend another one: it then holds the
other's rows and adds ligands and metals of its own, each row with its conditions and source.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from mgk.constants import GAS_CONSTANT_J_PER_MOL_K, JOULE_PER_CALORIE, ZERO_CELSIUS_K
from mgk.tables import InputError

FOLDER = Path(__file__).parent / "constants"
NOT_A_SET = ("inert", "salts", "gas")
CATION_CHARGES = {"H": 1, "Mg": 2, "Ca": 2, "Zn": 2, "K": 1, "Na": 1}
# Beyond this the Davies equation describes nothing; from half of it on a solution is remarked upon.
HIGHEST_IONIC_STRENGTH_M = 1.0


@dataclass(frozen=True)
class Equilibrium:
    """One complex formed from `cation` and `ligand` that already holds `protons`, at its own conditions.

    `mixed` says that a proton constant holds the activity of H+ (as pH does) rather than its concentration; `named` is
    the product's name where it has one of its own (CO2).
    """

    cation: str
    ligand: str
    protons: int
    log_k: float
    enthalpy_kcal_mol: float | None
    temperature_c: float
    ionic_strength_m: float
    source: str
    mixed: bool = False
    named: str = ""

    @property
    def protons_held(self) -> int:
        """Return the protons of the product."""
        return self.protons + (self.cation == "H")

    @property
    def product(self) -> str:
        """Return the name of what forms: HATP, H2EGTA, MgATP, MgHATP."""
        if self.named:
            return self.named
        metal = "" if self.cation == "H" else self.cation
        protons = {0: "", 1: "H"}.get(self.protons_held, f"H{self.protons_held}")
        return f"{metal}{protons}{self.ligand}"


@dataclass(frozen=True)
class ConstantSet:
    """A coherent set: charges of the bare ligands, and every equilibrium of theirs.

    `ph_ranges` holds the pH between which the forms of a ligand that the set knows are all there is to it, `refused`
    why a component has no constants.
    """

    name: str
    title: str
    source: str
    ph_range: tuple[float, float]
    ligand_charges: Mapping[str, int]
    equilibria: tuple[Equilibrium, ...]
    ph_ranges: Mapping[str, tuple[float, float]]
    refused: Mapping[str, str]

    @property
    def metals(self) -> tuple[str, ...]:
        """Return the metals of the set, in the order of its file."""
        return tuple(dict.fromkeys(e.cation for e in self.equilibria if e.cation != "H"))

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the distinct sources of its constants, in the order of its file."""
        return tuple(dict.fromkeys(e.source for e in self.equilibria))

    def of_ligand(self, ligand: str) -> tuple[Equilibrium, ...]:
        """Return the equilibria of one ligand, proton steps in their order."""
        return tuple(e for e in self.equilibria if e.ligand == ligand)

    @classmethod
    def from_mapping(cls, name: str, content: Mapping, base: "ConstantSet | None" = None) -> "ConstantSet":
        """Build a set from the content of its file, on top of the set that it extends.

        Raises
        ------
        InputError
            When a key is missing, a reaction cannot be read or comes twice, or proton steps have a gap.
        """
        charges = dict(base.ligand_charges if base else {}) | dict(content.get("ligand_charges", {}))
        try:
            equilibria = tuple(_equilibrium(name, row, content, charges) for row in content["constants"])
            built = cls(
                name=name,
                title=str(content["title"]),
                source=str(content["source"]),
                ph_range=tuple(content.get("ph_range", (0, 14))),
                ligand_charges=charges,
                equilibria=(*(base.equilibria if base else ()), *equilibria),
                ph_ranges={ligand: tuple(span) for ligand, span in content.get("ph_ranges", {}).items()},
                refused=dict(content.get("refused", {})),
            )
        except KeyError as missing:
            raise InputError(f"constants {name!r}: {missing} is missing or has no such value") from None
        _check_whole(built)
        return built


def _check_whole(built: ConstantSet) -> None:
    reactions = [(e.cation, e.ligand, e.protons) for e in built.equilibria]
    for cation, ligand, protons in reactions:
        if reactions.count((cation, ligand, protons)) > 1:
            form = f"H{protons if protons > 1 else ''}{ligand}" if protons else ligand
            raise InputError(f"constants {built.name!r}: {cation} + {form} comes twice")
    for ligand in built.ligand_charges:
        steps = [e.protons for e in built.of_ligand(ligand) if e.cation == "H"]
        if steps != list(range(len(steps))):
            raise InputError(f"constants {built.name!r}: {ligand}: proton steps must follow each other, got {steps}")


def _equilibrium(name: str, row: Mapping, defaults: Mapping, charges: Mapping[str, int]) -> Equilibrium:
    """Read a row such as {reaction: Mg + HATP, log_k: 2.3}; `kd_m` may stand for log_k."""
    cation, _, form = str(row["reaction"]).partition(" + ")
    ligand = next((x for x in charges if re.fullmatch(rf"(H\d*)?{re.escape(x)}", form)), None)
    if cation not in CATION_CHARGES or ligand is None:
        raise InputError(
            f"constants {name!r}: reaction {row['reaction']!r} is not '<cation> + <ligand or its protonated form>'; "
            f"cations: {', '.join(CATION_CHARGES)}; ligands: {', '.join(charges)}"
        )
    prefix = form.removesuffix(ligand)
    convention = row.get("proton_constants", defaults["proton_constants"])
    source = str(row.get("source", defaults["source"]))
    return Equilibrium(
        cation=cation,
        ligand=ligand,
        protons=0 if not prefix else int(prefix[1:] or 1),
        log_k=float(row["log_k"]) if "log_k" in row else -math.log10(row["kd_m"]),
        enthalpy_kcal_mol=_enthalpy_kcal_mol(row),
        temperature_c=float(row.get("temperature_c", defaults["temperature_c"])),
        ionic_strength_m=float(row.get("ionic_strength_m", defaults["ionic_strength_m"])),
        source=str(defaults.get("sources", {}).get(source, source)),
        mixed={"mixed": True, "concentration": False}[convention],
        named=str(row.get("named", "")),
    )


def _enthalpy_kcal_mol(row: Mapping) -> float | None:
    if "enthalpy_kj_mol" in row:
        return float(row["enthalpy_kj_mol"]) / JOULE_PER_CALORIE
    return row["enthalpy_kcal_mol"]


@cache
def _content(name: str) -> dict:
    return YAML(typ="safe", pure=True).load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def available_constants() -> tuple[str, ...]:
    """Return the names of the sets at hand."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.yaml") if p.stem not in NOT_A_SET))


@cache
def load_constants(name: str) -> ConstantSet:
    """Return the set of that name.

    Raises
    ------
    InputError
        When there is no such set; the message lists those there are.
    """
    if name not in available_constants():
        raise InputError(f"{name!r} is not a set of constants; allowed: {', '.join(available_constants())}")
    content = _content(name)
    return ConstantSet.from_mapping(name, content, load_constants(content["extends"]) if "extends" in content else None)


@cache
def inert_components() -> ConstantSet:
    """Return the charges (and proton steps) of components that bind no metal, in the shape of a set."""
    return ConstantSet.from_mapping("inert", _content("inert"))


@cache
def gas_constants() -> dict:
    """Return what a gas needs (Henry's constant of CO2, vapour pressure of water) as read from its file."""
    return _content("gas")


def salts() -> dict[str, dict[str, int]]:
    """Return what a mole of each known salt or stock brings."""
    return _content("salts")


def log_activity(temperature_c: float, ionic_strength_m: float) -> float:
    """Return D = -log10 of the activity coefficient of a univalent ion by the Davies equation (0.109 at 20 C, 0.1 M).

    D = A (sqrt(I)/(1 + sqrt(I)) - 0.25 I) with A = 1.8246e6/(eps T)^1.5 and the dielectric constant of water
    eps = 87.7251 - 0.3974762 t + 8.253e-4 t^2; T in K, t in C, I in M.
    """
    dielectric = 87.7251 - 0.3974762 * temperature_c + 8.253e-4 * temperature_c**2
    a = 1.8246e6 / (dielectric * (temperature_c + ZERO_CELSIUS_K)) ** 1.5
    root = math.sqrt(ionic_strength_m)
    return a * (root / (1 + root) - 0.25 * ionic_strength_m)


def linear_in_activity(equilibrium: Equilibrium, charges: Mapping[str, int], temperature_c: float):
    """Return (a, b) so that log K = a - b D at `temperature_c`, D being `log_activity` of the solution.

    Ionic strength: log K(I) = log K0 + 2 |zL| |zM| (D0 - D), zL being the charge of the form that is bound, protons
    included, so that the species of MHL follows from its own reaction and mass balance holds. Temperature: van 't
    Hoff, with R in the units of the enthalpy; without an enthalpy none. Proton constants come out mixed: their D is
    that of H+, because pH is an activity.
    """
    bound_charge = charges[equilibrium.ligand] + equilibrium.protons
    factor = -2 * bound_charge * CATION_CHARGES[equilibrium.cation]
    reference = log_activity(equilibrium.temperature_c, equilibrium.ionic_strength_m)
    a = equilibrium.log_k + factor * reference
    if equilibrium.enthalpy_kcal_mol is not None:
        a += van_t_hoff(equilibrium.enthalpy_kcal_mol, equilibrium.temperature_c, temperature_c)
    if equilibrium.cation != "H":
        return a, factor
    return a - (reference if equilibrium.mixed else 0.0), factor - 1


def van_t_hoff(enthalpy_kcal_mol: float, from_c: float, to_c: float) -> float:
    """Return by how much log10 K grows from one temperature to another: dH/(R ln 10) (1/T from - 1/T to)."""
    gas_kcal = GAS_CONSTANT_J_PER_MOL_K / JOULE_PER_CALORIE / 1e3
    inverse = 1 / (from_c + ZERO_CELSIUS_K) - 1 / (to_c + ZERO_CELSIUS_K)
    return enthalpy_kcal_mol / (math.log(10) * gas_kcal) * inverse
