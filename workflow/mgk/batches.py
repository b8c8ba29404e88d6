"""Batches of recordings: which recordings are read by one process.

A recording's batch follows from a hash of its id, and the number of batches is a power of two, so that one more
recording changes one batch and the others stay as they are.
"""

import hashlib

# Measured (docs/scale.md): the start of a process costs as much as 300 small recordings, and 128 of them with it 1.5 s.
RECORDINGS_PER_BATCH = 128


def batches(recording_ids: list[str], most: int = RECORDINGS_PER_BATCH) -> dict[int, list[str]]:
    """Return the recordings of each batch that is not empty, in the order given.

    Parameters
    ----------
    recording_ids : ids of one experiment.
    most : about how many recordings a batch holds.
    """
    count = 1
    while count * most < len(recording_ids):
        count *= 2
    found: dict[int, list[str]] = {}
    for name in recording_ids:
        found.setdefault(_hash(name) % count, []).append(name)
    return dict(sorted(found.items()))


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
