"""YAML as data: YAML 1.2 (`1e-3` is a number, `no` is text); duplicate keys, tags and explosions are refused."""

import math
import re
from datetime import date
from itertools import accumulate
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from mgk.tables.problems import InputError, Problem

MOST_NODES, MOST_DIGITS, DEEPEST = 100_000, 300, 64
# A second of reading is about 100 kB.
LARGEST_BYTES = 1_000_000
CORE = "tag:yaml.org,2002:"
PLAIN_TAGS = {f"{CORE}{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge")}
NAMED_FLOAT = re.compile(r"\.(inf|nan)", re.IGNORECASE)
TWICE = "a key may stand only once; it is in line "
TOO_DEEP = "is nested too deeply, or an anchor stands within itself"
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

    Problems are: a file that is missing, not UTF-8, not YAML, larger than 1 MB; duplicated keys; tags (they would build
    objects); numbers that are not finite or too long; aliases that expand to more than 100,000 values; what is nested
    more than 64 deep. Only duplicated keys leave something to read.
    """
    path = Path(path)
    name = name or path.name
    text, problem = _text(path)
    if problem:
        return {}, {}, [Problem(name, problem[0], "", "", problem[1])]
    reader = YAML(typ="safe", pure=True)
    reader.allow_duplicate_keys = True
    lines: dict[Place, int] = {}
    problems: list[Problem] = []

    def unreadable(allowed: str, line: int | None = None):
        return {}, {}, [Problem(name, line, "", "", allowed)]

    try:
        node = reader.compose(text)
        if node is None or not isinstance(node.value, list) or node.tag != f"{CORE}map":
            return unreadable("must be a mapping of keys to values", 1)
        if _size(node, {}) > MOST_NODES:
            return unreadable(f"expands to more than {MOST_NODES} values")
        _look(node, (), lines, problems, name)
        if any(not p.allowed.startswith(TWICE) for p in problems):
            return {}, {}, problems
        data = reader.constructor.construct_document(node)
    except ReaderError as error:
        return unreadable(
            f"holds a control character (U+{error.character:04X})", 1 + text[: error.position].count("\n")
        )
    except MarkedYAMLError as error:
        words = f"{error.context}, {error.problem}" if error.problem.startswith("but") else error.problem
        return unreadable(f"is not plain YAML: {words}", error.problem_mark and error.problem_mark.line + 1)
    except RecursionError:
        return unreadable(TOO_DEEP)
    except (YAMLError, ValueError) as error:
        return unreadable(f"is not plain YAML: {(str(error).splitlines() or [type(error).__name__])[0]}")
    return _plain(data), lines, problems


def _text(path: Path) -> tuple[str, tuple[int | None, str] | None]:
    """Return the text of a file, or its line and what is wrong."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            return "", (None, f"is larger than {LARGEST_BYTES / 1e6:g} MB; a study's YAML is written by hand")
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        return "", (None, "this file is missing")
    except OSError as error:
        return "", (None, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return "", (raw[: error.start].count(b"\n") + 1, "must be UTF-8 text")
    steps = ((1 if bracket[0] in "[{" else -1) for bracket in re.finditer(r"[\[\]{}]", text))
    return ("", (None, TOO_DEEP)) if max(accumulate(steps), default=0) > DEEPEST else (text, None)


def _size(node, known: dict[int, int]) -> int:
    """Count the values that a node expands to, each alias as often as it stands."""
    if id(node) not in known:
        known[id(node)] = 1
        parts = [part for child in _children(node) for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = min(MOST_NODES + 1, 1 + sum(_size(part, known) for part in parts))
    return known[id(node)]


def _children(node) -> list:
    return node.value if isinstance(node.value, list) else []


def _look(node, place: Place, lines: dict[Place, int], problems: list[Problem], name: str) -> None:
    """Collect the lines of all places of a node, and what no study may hold there."""
    if len(place) > DEEPEST:
        raise RecursionError  # as Python would further down, after all the ways there that an anchor opens
    line = node.start_mark.line + 1
    lines.setdefault(place, line)
    if allowed := _not_plain(node):
        problems.append(Problem(name, line, ".".join(map(str, place)), "", allowed))
    for i, child in enumerate(_children(node)):
        if not isinstance(child, tuple):
            _look(child, (*place, i), lines, problems, name)
            continue
        key, value = child
        line = key.start_mark.line + 1
        if not isinstance(key.value, str):
            problems.append(Problem(name, line, ".".join(map(str, place)), "", "a key must be a word"))
            continue
        at = (*place, key.value)
        if at in lines:
            allowed = f"{TWICE}{lines[at]} already"
            problems.append(Problem(name, line, ".".join(map(str, at)), "", allowed))
            continue
        lines[at] = line
        _look(value, at, lines, problems, name)


def _not_plain(node) -> str:
    """Return why a node is no plain value, or nothing."""
    tag = str(node.tag)
    if tag not in PLAIN_TAGS:
        return f"is not plain YAML: it has the tag {tag.replace(CORE, '!!')}"
    if tag == f"{CORE}int" and len(node.value) > MOST_DIGITS:
        return f"is a number of {len(node.value):,} digits"
    if tag == f"{CORE}float" and not math.isfinite(float(NAMED_FLOAT.sub(r"\1", node.value.replace("_", "")))):
        return "must be a finite number"
    return ""


def _plain(value):
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value
