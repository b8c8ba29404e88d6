"""What a case is: a study in order, one file of it, and what happens to that file."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostile.bases import BASES, SEVERAL
from hostile.door import contents

Damage = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A damaged study.

    `damage` happens to `file` (relative to the study) of the study `base`, after all its other files were written;
    `words` say what happened. `heavy`: it could eat a machine, and is tried under a ceiling (`hostile.ceiling`).
    `only_manifest`: the file is in order by itself, its values are others; only raw_data/manifest.sha256 can tell.
    `kept`: a column whose cells hold what was written there, character by character, all else being as in the clean
    file.
    """

    base: str
    file: str
    words: str
    damage: Damage
    heavy: bool = False
    only_manifest: bool = False
    kept: str = ""

    @property
    def id(self) -> str:
        """The name of the case: where it happens and what."""
        where = Path(self.file).name if self.base in {make.__name__ for make in SEVERAL} else self.base
        return f"{where}: {self.words}"


class Bases:
    """The studies in order, each written once, with their contents; copies share what is not damaged."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._contents: dict[str, dict] = {}

    def contents(self, base: str) -> dict:
        """Return what a study in order reads."""
        if base not in self._contents:
            BASES[base](self.folder / base)
            self._contents[base] = contents(self.folder / base)
        return self._contents[base]

    def damaged(self, case: Case, study: Path) -> Path:
        """Return a copy of a case's study, damaged."""
        self.contents(case.base)
        shutil.copytree(self.folder / case.base, study, copy_function=os.link)
        damage_file(case, study)
        return study


def damage_file(case: Case, study: Path) -> None:
    """Damage the file of a case; its copies elsewhere stay as they are."""
    path = study / case.file
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    case.damage(path)


def of_bytes(change: Callable[[bytes], bytes]) -> Damage:
    """Return a damage that makes other bytes of a file's bytes."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def replaced_by(content: bytes) -> Damage:
    """Return a damage that puts something else under the name."""
    return lambda path: path.write_bytes(content)


def a_folder(path: Path) -> None:
    """Put a folder under the name."""
    path.unlink()
    path.mkdir()


def all_cases() -> list[Case]:
    """Return all cases, in the order of the page."""
    from hostile import configurations, raw_files, tables, workbooks

    return [*tables.cases(), *configurations.cases(), *raw_files.cases(), *workbooks.cases()]
