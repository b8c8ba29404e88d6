"""Code as a dependency: one hash for all the code that a rule's result rests on.

A rule takes `params: code=digest(...)`. The hash covers the content of the named modules, scripts and notebooks, of
every module of the package that they import, directly or not, of the data files beside those modules, and of the
schemas, which decide what a table's columns are. So an edit reruns what it can change, and neither a touch nor another
clone reruns anything.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from mgk.tables.problems import InputError

PACKAGE = Path(__file__).parent


def digest(*sources: Path) -> str:
    """Return a hash of the code of `sources` (.py or .ipynb files) and of all they import from the package."""
    return _hash_files(code_files(*sources))


def code_files(*sources: Path) -> tuple[Path, ...]:
    """Return `sources` with all that they import from the package, the data beside those modules, and the schemas."""
    closure: set[Path] = set()
    waiting = [Path(s).resolve() for s in sources]
    while waiting:
        source = waiting.pop()
        if source not in closure:
            closure.add(source)
            waiting += imported_modules(source)
    files = closure | {d for s in closure if s.is_relative_to(PACKAGE) for d in data_files(s.parent)}
    if PACKAGE / "tables" / "schema.py" in closure:
        files |= set((PACKAGE.parent / "schemas").iterdir())
    return tuple(sorted(files))


@cache
def imported_modules(source: Path) -> tuple[Path, ...]:
    """Return the files of the package that `source` imports."""
    found: list[Path] = []
    for code in _python_sources(source):
        for node in ast.walk(_parsed(code)):
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            else:
                continue
            found += [f for name in names for f in _files_of(name)]
    return tuple(dict.fromkeys(found))


def _parsed(code: str) -> ast.Module:
    """Return the syntax tree; a cell that is no Python imports nothing, and its notebook fails when it is run."""
    try:
        return ast.parse(code)
    except SyntaxError:
        return ast.Module([], [])


def _files_of(name: str) -> list[Path]:
    """Return the file of a module of the package, with the packages above it, whose code runs first."""
    if name.split(".")[0] != PACKAGE.name:
        return []
    files, folder = [], PACKAGE.parent
    for part in name.split("."):
        if (folder / f"{part}.py").is_file():
            return [*files, folder / f"{part}.py"]
        folder = folder / part
        if not (folder / "__init__.py").is_file():
            return files
        files.append(folder / "__init__.py")
    return files


def _python_sources(source: Path) -> list[str]:
    if source.suffix != ".ipynb":
        return [source.read_text(encoding="utf-8")]
    return ["".join(c["source"]) for c in _cells(source) if c["cell_type"] == "code"]


def _cells(notebook: Path) -> list[dict]:
    try:
        return json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{notebook.name}: this file is not a whole notebook ({error}); take it from git") from None


@cache
def data_files(folder: Path) -> tuple[Path, ...]:
    """Return what lies beside the modules of a folder of the package: constants, templates, settings."""
    inside = (f for f in folder.iterdir() if f.name not in ("__pycache__",) and f.suffix != ".py")
    files = (g for f in inside for g in ([f] if f.is_file() else f.rglob("*") if not _is_package(f) else []))
    return tuple(sorted(g for g in files if g.is_file()))


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


@cache
def _hash_files(files: tuple[Path, ...]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + b"\0" + content(file) + b"\0")
    return total.hexdigest()[:16]


@cache
def content(file: Path) -> bytes:
    """Return what of a file can change a result; of a notebook, its sources without outputs."""
    if file.suffix != ".ipynb":
        return file.read_bytes()
    cells = _cells(file)
    return json.dumps([[c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])] for c in cells]).encode()
