"""What config.yaml says of how image stacks are measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from mgk.stacks.regions import MINIMUM_AREA_PX, SEPARATION_PX, SMOOTHING_PX

# Filters of two wavelengths lie a pixel or two apart; what is more is another picture. Assumed, no source.
SHIFT_MAX_PX = 5.0
# A hot pixel does not take a cell away, a saturated spot does. Assumed, no source.
SATURATED_MAX_PERCENT = 1.0


@dataclass(frozen=True)
class StackSettings:
    """How stacks are measured; lengths in pixels."""

    register: bool = True
    shift_max_px: float = SHIFT_MAX_PX
    saturated_max_percent: float = SATURATED_MAX_PERCENT
    smoothing_px: float = SMOOTHING_PX
    minimum_area_px: float = MINIMUM_AREA_PX
    separation_px: float = SEPARATION_PX


def stack_settings(config: Mapping) -> StackSettings:
    """Return the settings of an experiment of the section stacks."""
    registration, segmentation = config.get("registration") or {}, config.get("segmentation") or {}
    return StackSettings(
        registration.get("method", "phase_correlation") != "none",
        registration.get("shift_max_px", SHIFT_MAX_PX),
        config.get("saturated_max_percent", SATURATED_MAX_PERCENT),
        segmentation.get("smoothing_px", SMOOTHING_PX),
        segmentation.get("minimum_area_px", MINIMUM_AREA_PX),
        segmentation.get("separation_px", SEPARATION_PX),
    )
