"""The equations of a ratiometric dye: from R to free Mg2+ and back, and what shifts it. Arrays of any shape.

Units: concentrations in mM; ratios and fluorescence without unit.
"""

import numpy as np


def free_magnesium_mm(ratio, rmin, rmax, beta, kd_mm):
    """Return [Mg2+] = Kd beta (R - Rmin)/(Rmax - R) in mM (Grynkiewicz et al. 1985); 0 below Rmin, inf above Rmax.

    The equation cannot be solved at or outside its limits; 0 and infinity are what is known there, and say so.
    """
    ratio, rmin, rmax = np.broadcast_arrays(*(np.asarray(v, float) for v in (ratio, rmin, rmax)))
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = kd_mm * beta * (ratio - rmin) / (rmax - ratio)
    value = np.where(ratio <= rmin, 0.0, np.where(ratio >= rmax, np.inf, inside))
    return np.where(np.isnan(ratio) | np.isnan(rmin), np.nan, value)


def ratio_at(magnesium_mm, rmin, rmax, beta, kd_mm):
    """Return R at a free Mg2+ in mM: the share-weighted fluorescence of free and bound dye, the equation's inverse."""
    magnesium_mm = np.asarray(magnesium_mm)
    return (rmin * beta * kd_mm + rmax * magnesium_mm) / (beta * kd_mm + magnesium_mm)


def saturated(rmin, rmax_apparent, beta_apparent, kd_mm: float, rmax_magnesium_mm: float):
    """Return Rmax and beta of the wholly bound dye from wells in which part of the dye is still free.

    With a share b = M/(Kd + M) bound and f = 1 - b free, the Rmax wells show R' = (Rmin beta f + Rmax b)/(beta f + b)
    and beta' = beta/(beta f + b); solved for Rmax and beta. Both must be corrected: Rmax alone makes it worse.

    Returns
    -------
    (rmax, beta)
        NaN where beta' f >= 1, which no dye can show at this Kd.
    """
    bound = rmax_magnesium_mm / (kd_mm + rmax_magnesium_mm)
    free = 1.0 - bound
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = np.where(beta_apparent * free < 1, beta_apparent * bound / (1 - beta_apparent * free), np.nan)
        rmax = (rmax_apparent * (beta * free + bound) - rmin * beta * free) / bound
    return rmax, beta


def calcium_shift_mm(calcium_mm, kd_mm: float, kd_calcium_mm: float):
    """Return by how much Ca2+ raises the apparent free Mg2+, in mM: Ca Kd(Mg)/Kd(Ca).

    For two ions that compete for one site and change the fluorescence alike (law of mass action): the dye cannot tell
    one bound ion from the other.
    """
    return np.asarray(calcium_mm, float) * kd_mm / kd_calcium_mm


def cytosolic_ratio(ratio, share_f380: float, organelle_ratio):
    """Return R of the cytosol when a share of the signal at 380 nm comes from organelles of a known ratio.

    F340 and F380 are sums over both, so that R = (1 - share) R(cytosol) + share R(organelles).
    """
    return (ratio - share_f380 * organelle_ratio) / (1.0 - share_f380)
