"""Files that appear whole or not at all: they are written beside their place and moved there in one step.

A kill in between leaves the file as it was, and at most `.name.part` beside it, which the next writing replaces. The
content is on the disk before the name is: after a power cut there would else be files of no bytes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Give the path to write to; what the block wrote there takes its place at `path` when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        yield beside
        to_disk(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def to_disk(path: Path) -> None:
    """Wait until what was written to a file, or which files a folder has, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_whole(path: Path | str, text: str) -> Path:
    """Write a text as UTF-8 with its line ends as they are; return the path."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)
