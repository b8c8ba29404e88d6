"""Checksums of raw files: each is read for it once, and again when its size, its time or its place on the disk differs.

Snakemake goes by times: a file that is exchanged for an older one, or while the clock was set back, would not be seen.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mgk.provenance import sha256
from mgk.whole_files import write_whole

KEPT = ".snakemake/checksums.json"


@dataclass
class Checksums:
    """The checksums of a study's files, by their path relative to it, as they were when each was first asked for.

    `known` holds a file's marks and its SHA-256, `in_order` the state in which the study was last found in order
    (`mgk.checks.known`).
    """

    root: Path
    known: dict[str, list] = field(default_factory=dict)
    in_order: str = ""
    asked: set[str] = field(default_factory=set)
    kept: str = ""

    @classmethod
    def read(cls, root: Path) -> "Checksums":
        """Read what earlier runs kept; what cannot be read is computed anew."""
        try:
            text = (root / KEPT).read_text(encoding="utf-8")
            found = json.loads(text)
            return cls(root, dict(found["files"]), str(found["in_order"]), kept=text)
        except (OSError, ValueError, TypeError, KeyError):
            return cls(root)

    def of(self, name: str) -> str:
        """Return the SHA-256 of a file.

        Raises
        ------
        OSError
            When it cannot be read.
        """
        if name in self.asked:
            return self.known[name][-1]
        found = (self.root / name).stat()
        marks = [found.st_size, found.st_mtime_ns, found.st_ino]
        kept = self.known.get(name)
        if kept is None or kept[:-1] != marks:
            kept = self.known[name] = [*marks, sha256(self.root / name)]
        self.asked.add(name)
        return kept[-1]

    def together(self, names: Iterable[str]) -> str:
        """Return one hash for the content of several files."""
        return hashlib.sha256("".join(self.of(name) for name in names).encode()).hexdigest()[:16]

    def keep(self) -> None:
        """Keep them for the next run."""
        text = json.dumps({"in_order": self.in_order, "files": self.known})
        if text != self.kept:
            write_whole(self.root / KEPT, text)
            self.kept = text
