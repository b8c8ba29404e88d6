"""Result tables as UTF-8 CSV: full double precision, written beside and moved in one step."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mgk.whole_files import whole_file

NO_SUCH_FILE = "there is no such file in raw_data"


def write_table(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write `frame` (without its index) as CSV; return the path.

    Doubles are written with the shortest digits that read back to the same number, missing values as nothing.
    The file appears whole or not at all.
    """
    with whole_file(path) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    return Path(path)


def read_table(path: Path | str, text: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a result table; columns named in `text`, and every `*_id`, are text, and an empty cell of text is ''.

    Raises
    ------
    FileNotFoundError
        When there is no such table.
    """
    header = pd.read_csv(path, nrows=0).columns
    as_text = [c for c in header if c in text or c.endswith("_id") or c in ALWAYS_TEXT]
    frame = pd.read_csv(path, dtype=dict.fromkeys(as_text, str), keep_default_na=False, na_values=[""])
    frame[as_text] = frame[as_text].fillna("")
    return frame


ALWAYS_TEXT = (
    "experiment", "group", "condition", "verdict", "reason", "flag", "unit", "model", "parameter", "well",
    "read_name", "label", "plate_name", "mode", "role", "assay", "command_source", "segment", "ligand", "ligand_side",
    "segment_exclude", "analysis", "measure", "subgroup", "method", "test", "study", "note", "exclude", "species",
    "constants", "statistic",
)  # fmt: skip


def file_problems(raw_data: Path, name: str, look: Callable[[Path], list[str]] = lambda path: []) -> list[str]:
    """Return what is wrong with a file that a table or the config names; `look` sees one that is there."""
    path = raw_data / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(raw_data.resolve()):
        return ["must be a path inside raw_data"]
    if path.is_dir():
        return ["is a folder; a file is needed"]
    if not path.is_file():
        return [NO_SUCH_FILE]
    if path.stat().st_size == 0:
        return ["this file is empty"]
    return look(path)
