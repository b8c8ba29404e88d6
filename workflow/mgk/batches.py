"""Batches of recordings: which recordings are read by one process, and how the tables of batches are joined.

A recording's batch follows from a hash of its id, or of the id of what it is put together with (a patch, a
preparation), and the number of batches is a power of two, so that one more recording changes one batch and the others
stay as they are.
"""

import hashlib
from collections.abc import Iterable, Mapping

import pandas as pd

# Measured (docs/scale.md): the start of a process costs as much as 300 small recordings, and 128 of them with it 1.5 s.
RECORDINGS_PER_BATCH = 128
# What a row of a table of recordings is of, the first that it names: rows of one are neighbours, in every joined table.
ROWS_ARE_OF = ("transient_id", "recording_id", "cell_id")


def batches(
    recording_ids: list[str], together: Mapping[str, str] = {}, most: int = RECORDINGS_PER_BATCH
) -> dict[int, list[str]]:
    """Return the recordings of each batch that is not empty, in the order given.

    Parameters
    ----------
    recording_ids : ids of one experiment.
    together : of a recording the id of what it is put together with; those of one id are in one batch.
    most : about how many recordings a batch holds.
    """
    count = 1
    while count * most < len(recording_ids):
        count *= 2
    found: dict[int, list[str]] = {}
    for name in recording_ids:
        found.setdefault(_hash(together.get(name, name)) % count, []).append(name)
    return dict(sorted(found.items()))


def join_tables(tables: Iterable[pd.DataFrame], rows: Iterable[Mapping]) -> pd.DataFrame:
    """Join the tables that batches gave of one kind; the order is that of `rows`, whatever the batches were.

    Parameters
    ----------
    tables : each has one of the columns ROWS_ARE_OF; one that is empty may have lost the types of its columns.
    rows : rows of recordings.csv of the experiment. A transient is named by its first recording, and a cell is where
        its first recording is.
    """
    tables = list(tables)
    table = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
    column = next(c for c in ROWS_ARE_OF if c in table)
    ids = dict.fromkeys(row["cell_id" if column == "cell_id" else "recording_id"] for row in rows)
    place = {name: i for i, name in enumerate(ids)}
    return table.sort_values(column, key=lambda found: found.map(place), kind="stable", ignore_index=True)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
