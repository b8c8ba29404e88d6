"""YAML as data: YAML 1.2 (`1e-3` is a number, `no` is text), duplicate keys and exploding aliases refused."""

from datetime import date
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mgk.tables.problems import InputError, Problem

MOST_NODES = 100_000
Place = tuple[str | int, ...]


def load_yaml(path: Path | str, name: str | None = None) -> tuple[dict, dict[Place, int]]:
    """Read a mapping from a YAML file, with the line of each of its places; refuse it when there is any problem.

    Parameters
    ----------
    path : the file.
    name : how problems call it (default: its name).

    Returns
    -------
    (data, lines): plain dicts, lists, text and numbers; `lines[("a", "b", 0)]` is the line of `a.b[0]`.

    Raises
    ------
    InputError
        With all problems that `read_yaml` finds.
    """
    data, lines, problems = read_yaml(path, name)
    if problems:
        raise InputError(problems)
    return data, lines


def read_yaml(path: Path | str, name: str | None = None) -> tuple[dict, dict[Place, int], list[Problem]]:
    """Read a mapping from a YAML file as far as it goes, with the lines of its places and all problems.

    Problems are: a file that is missing, not UTF-8 or not YAML; duplicated keys; a tag that would build an object;
    aliases that expand to more than 100,000 values. Only duplicated keys leave something to read.
    """
    path = Path(path)
    name = name or path.name

    def unreadable(allowed: str, line: int | None = None):
        return {}, {}, [Problem(name, line, "", "", allowed)]

    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return unreadable("this file is missing")
    except UnicodeDecodeError as error:
        return unreadable(f"must be UTF-8 text ({error.reason})")
    reader = YAML(typ="safe", pure=True)
    reader.allow_duplicate_keys = True
    lines: dict[Place, int] = {}
    problems: list[Problem] = []
    try:
        node = reader.compose(text)
        if node is not None:
            if _size(node, {}) > MOST_NODES:
                return unreadable(f"expands to more than {MOST_NODES} values")
            _collect_lines(node, (), lines, problems, name)
        data = reader.load(text)
    except MarkedYAMLError as error:
        return unreadable(f"is not plain YAML: {error.problem}", error.problem_mark and error.problem_mark.line + 1)
    except (YAMLError, RecursionError, ValueError) as error:
        return unreadable(f"is not plain YAML: {(str(error).splitlines() or [type(error).__name__])[0]}")
    if not isinstance(data, dict):
        return unreadable("must be a mapping of keys to values", 1)
    return _plain(data), lines, problems


def _size(node, known: dict[int, int]) -> int:
    """Count the values that a node expands to, each alias as often as it stands."""
    if id(node) not in known:
        known[id(node)] = 1
        parts = [part for child in _children(node) for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = min(MOST_NODES + 1, 1 + sum(_size(part, known) for part in parts))
    return known[id(node)]


def _children(node) -> list:
    return node.value if isinstance(node.value, list) else []


def _collect_lines(node, place: Place, lines: dict[Place, int], problems: list[Problem], name: str) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    for i, child in enumerate(_children(node)):
        if not isinstance(child, tuple):
            _collect_lines(child, (*place, i), lines, problems, name)
            continue
        key, value = child
        at, line = (*place, str(key.value)), key.start_mark.line + 1
        if at in lines:
            shown = ".".join(str(part) for part in at)
            problems.append(
                Problem(name, line, shown, "", f"a key may stand only once; it is in line {lines[at]} already")
            )
            continue
        lines[at] = line
        _collect_lines(value, at, lines, problems, name)


def _plain(value):
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value
