"""YAML as data: YAML 1.2 (`1e-3` is a number, `no` is text), duplicate keys and exploding aliases refused."""

from datetime import date
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mgk.tables.problems import InputError, Problem

MOST_NODES = 100_000
Place = tuple[str | int, ...]


def load_yaml(path: Path | str, name: str | None = None) -> tuple[dict, dict[Place, int]]:
    """Read a mapping from a YAML file, with the line of each of its places.

    Parameters
    ----------
    path: the file.
    name: how problems call it (default: its name).

    Returns
    -------
    (data, lines): plain dicts, lists, text and numbers; `lines[("a", "b", 0)]` is the line of `a.b[0]`.

    Raises
    ------
    InputError
        When the file is missing, is not UTF-8 or not YAML, has a duplicated key, a tag that would build an object,
        or aliases that expand to more than 100,000 values; the problem names the line.
    """
    path = Path(path)
    name = name or path.name
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(Problem(name, None, "", "", "this file is missing")) from None
    except UnicodeDecodeError as error:
        raise InputError(Problem(name, None, "", "", f"must be UTF-8 text ({error.reason})")) from None
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        _refuse_explosion(node, name)
        data = YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        key = str(error.problem).split('"')[1] if '"' in str(error.problem) else ""
        line = error.problem_mark.line + 1
        raise InputError(Problem(name, line, key, "", "a key may stand only once here")) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputError(Problem(name, line, "", "", f"is not plain YAML: {error.problem}")) from None
    except (YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem(name, None, "", "", f"is not plain YAML: {reason}")) from None
    if not isinstance(data, dict):
        raise InputError(Problem(name, 1, "", "", "must be a mapping of keys to values"))
    lines: dict[Place, int] = {}
    _collect_lines(node, (), lines)
    return _plain(data), lines


def _refuse_explosion(node, name: str) -> None:
    sizes: dict[int, int] = {}

    def size(n) -> int:
        if id(n) not in sizes:
            sizes[id(n)] = 1
            children = n.value if isinstance(n.value, list) else []
            flat = [m for c in children for m in (c if isinstance(c, tuple) else (c,))]
            sizes[id(n)] = min(MOST_NODES + 1, 1 + sum(size(c) for c in flat))
        return sizes[id(n)]

    if node is not None and size(node) > MOST_NODES:
        raise InputError(Problem(name, None, "", "", f"expands to more than {MOST_NODES} values"))


def _collect_lines(node, place: Place, lines: dict[Place, int]) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if not isinstance(node.value, list):
        return
    for i, child in enumerate(node.value):
        if isinstance(child, tuple):
            key, value = child
            lines[(*place, str(key.value))] = key.start_mark.line + 1
            _collect_lines(value, (*place, str(key.value)), lines)
        else:
            _collect_lines(child, (*place, i), lines)


def _plain(value):
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value
