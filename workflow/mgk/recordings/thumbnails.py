"""Thumbnails: the lowest and highest current in bins of time, from which pictures are drawn without the raw file."""

from functools import lru_cache

import numpy as np

from mgk.recordings.recording import Recording

THUMBNAIL_COLUMNS = ("recording_id", "sweep", "start_ms", "end_ms", "low_pa", "high_pa")
# Sweeps and bins of a thumbnail: enough for a panel a few centimetres wide.
THUMBNAIL_SWEEPS, THUMBNAIL_BINS = 12, 60
DIGITS = 5
# Recordings of which one figure draws the thumbnails; more have pages of their own.
MOST_PANELS = 48


def thumbnail(recording: Recording, channel: int, recording_id: str, bins: int = THUMBNAIL_BINS) -> list[np.ndarray]:
    """Return the lowest and the highest sample in bins of time, of the first, the last and sweeps evenly between.

    An array for each of THUMBNAIL_COLUMNS.
    """
    count = len(recording.sweep_samples)
    sweeps = np.unique(np.linspace(0, count - 1, min(count, THUMBNAIL_SWEEPS)).round().astype(int))
    edges = [_bin_edges(recording.sweep_samples[sweep], bins) for sweep in sweeps.tolist()]
    found = [recording.extremes(sweep, channel, e) for sweep, e in zip(sweeps.tolist(), edges, strict=True)]
    low, high = _rounded(np.concatenate(found, axis=1))
    starts, ends = (np.concatenate([e[of] for e in edges]) for of in (slice(-1), slice(1, None)))
    start, end = (samples * 1e3 / recording.rate_hz for samples in (starts, ends))
    sweep = np.repeat(sweeps, [len(e) - 1 for e in edges])
    return [np.full(len(sweep), recording_id, object), sweep, start, end, low, high]


@lru_cache(maxsize=1)
def _bin_edges(samples: int, bins: int) -> np.ndarray:
    return np.unique(np.linspace(0, samples, bins + 1).round().astype(int))


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return values for a picture: five digits."""
    size = np.abs(values)
    places = DIGITS - 1 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
    power = 10.0 ** np.abs(places)
    return np.where(places >= 0, np.rint(values * power) / power, np.rint(values / power) * power)
