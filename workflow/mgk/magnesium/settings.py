"""What config.yaml says of a magnesium experiment, read and checked."""

import math
from dataclasses import dataclass

from mgk.tables.problems import InputError

PUBLISHED_KD_MM = (
    (1.5, "Raju et al. 1989, Am J Physiol 256:C540"),
    (1.9, "the vendors' value; documents 000 and 002"),
    (5.5, "Konishi, in salt solution; 20-100 % higher in cells"),
)
# Of the dye for Ca2+; used where the config names none.
KD_CALCIUM_MM = (0.025, "from memory, not read")
# What the shift by Ca2+ is shown for where the config names no concentration: rest, and a high one.
CALCIUM_MM = (1e-4, 1e-3)
IN_SITU, TITRATION, STATED = "in_situ", "titration", "stated"
CONSTANTS = ("rmin", "rmax", "beta")


@dataclass(frozen=True)
class Settings:
    """What config.yaml says of an experiment.

    `rmax_magnesium_mm` is the free Mg2+ of the Rmax wells; None takes their dye as fully bound. `titration_medium` is
    the solution of which the standards of a titration are made; '' takes their concentration as free Mg2+.
    `organelle_share` and `organelle_magnesium_mm` are None where no compartment is corrected for. `stated` holds value,
    standard error and source of Rmin, Rmax and beta where they are not measured here. `background_subtracted`: the
    signals are above the background of their image, and wells of unloaded cells may be absent.
    """

    kd_mm: float
    kd_source: str
    rmax_magnesium_mm: float | None = None
    confirm_beta_below_one: bool = False
    kd_temperature_c: float | None = None
    kd_buffer: str = ""
    calibration: str = IN_SITU
    titration_medium: str = ""
    calcium_mm: tuple[float, ...] = CALCIUM_MM
    kd_calcium_mm: float = KD_CALCIUM_MM[0]
    kd_calcium_source: str = KD_CALCIUM_MM[1]
    organelle_share: float | None = None
    organelle_magnesium_mm: float | None = None
    organelle_source: str = ""
    stated: tuple[tuple[float, float, str], ...] = ()
    background_subtracted: bool = False


def settings(config: dict, *, background_subtracted: bool = False) -> Settings:
    """Return the settings of an experiment of config.yaml; of images `background_subtracted` is true.

    Raises
    ------
    InputError
        When a constant is missing, not positive, not in its unit or without a source.
    """
    kd = config.get("kd_mm") or {}
    kd_mm, kd_source = _sourced("kd_mm", kd, "mM")
    of_calcium, organelles = config.get("calcium") or {}, config.get("organelles") or {}
    kd_calcium = _sourced("calcium.kd_mm", of_calcium["kd_mm"], "mM") if "kd_mm" in of_calcium else KD_CALCIUM_MM
    share = magnesium = None
    source = ""
    if organelles:
        share, of_share = _sourced("organelles.share_f380", organelles.get("share_f380"), "1")
        magnesium, of_magnesium = _sourced("organelles.magnesium_mm", organelles.get("magnesium_mm"), "mM")
        source = f"share: {of_share}; free Mg2+ there: {of_magnesium}"
        if share >= 1:
            raise InputError(f"organelles.share_f380 is {share:g}; it is a share of the signal, below 1")
    return Settings(
        kd_mm,
        kd_source,
        config.get("rmax_magnesium_mm"),
        config.get("confirm_beta_below_one", False),
        kd.get("temperature_c"),
        kd.get("buffer", ""),
        config.get("calibration", IN_SITU),
        (config.get("titration") or {}).get("medium", ""),
        tuple(of_calcium.get("free_mm", CALCIUM_MM)),
        *kd_calcium,
        share,
        magnesium,
        source,
        tuple(_stated(name, (config.get("stated") or {}).get(name)) for name in CONSTANTS)
        if config.get("calibration") == STATED
        else (),
        background_subtracted,
    )


def _stated(name: str, given) -> tuple[float, float, str]:
    value, source = _sourced(f"stated.{name}", given, "1")
    se = given.get("se")
    if not isinstance(se, int | float) or not math.isfinite(se) or se < 0:
        raise InputError(f"stated.{name}.se is {se!r}; needed: its standard error, 0 where it is taken as exact")
    return value, float(se), source


def _sourced(name: str, given, unit: str) -> tuple[float, str]:
    given = given or {}
    value = given.get("value")
    if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0 or given.get("unit") != unit:
        raise InputError(f"{name} is {given!r}; needed: a positive value with unit: {unit} and its source")
    if not str(given.get("source", "")).strip():
        raise InputError(f"{name}: {value} {unit} has no source; name one, or write 'assumed, no source'")
    return float(value), str(given["source"])


def kd_choices(given: Settings) -> list[tuple[float, str]]:
    """Return the Kd of the settings first, then each published Kd that differs from it, with its source.

    A titration measures Kd beta: Kd does not enter, and there is nothing to choose.
    """
    if given.calibration == TITRATION:
        return [(given.kd_mm, "Kd beta is measured by the titration; Kd does not enter")]
    others = [(kd, source) for kd, source in PUBLISHED_KD_MM if not math.isclose(kd, given.kd_mm)]
    return [(given.kd_mm, given.kd_source), *others]


def temperature_note(given: Settings, assay_c: float | None) -> str:
    """Say how the temperature of the assay stands to that of Kd; nothing is corrected for it."""
    if assay_c is None or not math.isfinite(assay_c):
        return "the temperature of the assay is not stated"
    if given.kd_temperature_c is None:
        return f"assay at {assay_c:g} C; the temperature of Kd is not stated"
    if abs(assay_c - given.kd_temperature_c) <= 2:
        return f"assay at {assay_c:g} C, Kd of {given.kd_temperature_c:g} C"
    return f"MISMATCH: assay at {assay_c:g} C, Kd of {given.kd_temperature_c:g} C; not corrected"
