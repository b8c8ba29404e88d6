"""The verdict on a recording: numbers held against thresholds, each with its source.

A threshold of config.yaml (`quality`) takes the place of the default of the same name. What is not known (no seal
noted, no membrane test) is not judged. The verdict is *exclude* where one limit that excludes is passed, *warn* where
something is doubtful, else *pass*; the reason names every limit that was passed. What is excluded stays in all tables.
Limits: reads no signal; numbers come from `mgk.recordings.measure` and `mgk.recordings.membrane`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

IPFX = "the criteria of ipfx, in the project's science notes (recordings, section 2)"
ASSUMED = "assumed, no source"
# Access is that into a cell: in an isolated patch there is none.
WITH_ACCESS = ("whole_cell", "perforated")


@dataclass(frozen=True)
class Threshold:
    """A limit of a number of quality.csv: `above` or below it the recording gets `verdict`; NaN limits nothing."""

    number: str
    value: float
    unit: str
    above: bool
    verdict: str
    words: str
    source: str
    access_only: bool = False

    def passed(self, value: float) -> bool:
        """Return whether a number lies on the wrong side of the limit; one that is not known does not."""
        return value > self.value if self.above else value < self.value

    def told(self, value: float) -> str:
        """Return in words that the limit was passed."""
        side = "above" if self.above else "below"
        unit = f" {self.unit}" if self.unit != "1" else ""
        return f"{self.words} {value:.3g}{unit}, {side} {self.value:g}"


DEFAULTS = {
    "seal_min": Threshold("seal_mohm", 1000, "MOhm", False, "exclude", "seal", IPFX),
    "access_min": Threshold("access_mohm", 1, "MOhm", False, "exclude", "access resistance", IPFX, True),
    "access_max": Threshold("access_mohm", 20, "MOhm", True, "exclude", "access resistance", IPFX, True),
    "access_to_input_max": Threshold(
        "access_to_input", 0.15, "1", True, "exclude", "access over input resistance", IPFX, True
    ),
    "access_drift_max": Threshold(
        "access_drift_percent", 20, "%", True, "exclude", "access resistance drifts by",
        "the project's science notes (recordings, section 10), as a rule of the field", True,
    ),
    "membrane_loss_max": Threshold(
        "membrane_loss_percent", 50, "%", True, "exclude", "the seal is lost: membrane resistance falls by", ASSUMED
    ),
    "clipped_max": Threshold(
        "clipped_percent", 10, "%", True, "exclude", "sweeps whose test step the converter clips", ASSUMED
    ),
    "saturated_max": Threshold(
        "saturated_percent", 1, "%", True, "exclude", "samples at the converter's limit", ASSUMED
    ),
    "saturated_any": Threshold(
        "saturated_percent", 0, "%", True, "warn", "samples at the converter's limit", ASSUMED
    ),
    "command_difference_max": Threshold(
        "command_difference_mv", 1, "mV", True, "warn", "the recorded and the decoded command differ by", ASSUMED
    ),
    "baseline_noise_max": Threshold(
        "baseline_sd_pa", math.nan, "pA", True, "warn", "noise of the baseline", "no default: it depends on the rig"
    ),
    "baseline_drift_max": Threshold(
        "baseline_drift_size_pa", math.nan, "pA", True, "warn", "the baseline drifts by",
        "no default: it depends on the current",
    ),
    "holding_max": Threshold(
        "holding_size_pa", math.nan, "pA", True, "exclude", "holding current", "no default: it depends on the cell"
    ),
}  # fmt: skip


def thresholds(settings: Mapping, defaults: Mapping[str, Threshold] = DEFAULTS) -> dict[str, Threshold]:
    """Return the thresholds of an experiment by name; `settings` is its `quality`, of {value, unit, source}."""
    return {
        name: replace(t, value=float(settings[name]["value"]), source=settings[name]["source"])
        if name in settings
        else t
        for name, t in defaults.items()
    }


def judge(row: Mapping, numbers: Mapping, tests: list[Mapping], settings: Mapping, bad: list, doubtful: list) -> dict:
    """Return the row of quality.csv without its identity.

    Parameters
    ----------
    row: the row of recordings.csv (seal_mohm, configuration, exclude).
    numbers: numbers of the measurement.
    tests: rows of the membrane test; access is judged by the first one that has it.
    settings: `quality` of the experiment.
    bad, doubtful: reasons beside the thresholds that exclude, and that warn.
    """
    numbers = {**numbers, **_of_membrane(tests), "seal_mohm": _known(row, "seal_mohm")}
    sizes = {
        "membrane_loss_percent": -numbers["membrane_drift_percent"],
        "baseline_drift_size_pa": abs(numbers["baseline_drift_pa"]),
        "holding_size_pa": abs(numbers["holding_pa"]),
        "access_drift_percent": abs(numbers["access_drift_percent"]),
    }
    known = numbers | sizes
    reasons = {"exclude": list(bad), "warn": list(doubtful)}
    for name, limit in thresholds(settings).items():
        value = known[limit.number]
        elsewhere = limit.access_only and row.get("configuration") not in WITH_ACCESS
        already = name == "saturated_any" and any("converter" in reason for reason in reasons["exclude"])
        if not elsewhere and not already and limit.passed(value):
            reasons[limit.verdict].append(limit.told(value))
    by_hand = row.get("exclude") or ""
    verdict = next((v for v in ("exclude", "warn") if reasons[v]), "pass")
    if by_hand and by_hand == by_hand:
        return numbers | {"verdict": "exclude", "reason": "; ".join([by_hand, *reasons["exclude"]])}
    return numbers | {"verdict": verdict, "reason": "; ".join(reasons["exclude"] + reasons["warn"])}


def _of_membrane(tests: list[Mapping]) -> dict:
    """Return what the membrane test says: of the first method that tells the access, else of the first."""
    known = [t for t in tests if t["access_mohm"] == t["access_mohm"]] or tests
    columns = ("access_mohm", "membrane_mohm", "capacitance_pf", "holding_pa", "access_drift_percent",
               "membrane_drift_percent", "clipped_percent")  # fmt: skip
    found = {key: known[0][key] if known else math.nan for key in columns}
    found["access_to_input"] = found["access_mohm"] / (found["access_mohm"] + found["membrane_mohm"])
    return found


def _known(row: Mapping, key: str) -> float:
    value = row.get(key)
    return math.nan if value is None or value == "" else float(value)
