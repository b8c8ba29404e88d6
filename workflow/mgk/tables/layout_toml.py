"""Layouts written as wellmap TOML files, turned into rows of a layout.

Read natively is the part of wellmap that describes one plate: `[expt]` (all wells), `[well.A1]`, `[block.WxH.A1]`
(W columns, H rows), `[row.A]` and `[col.1]`, keys with several places (`"A1,A3"`, `"A-D"`, `"A,C,...,G"`). Where two
say the same thing, well goes before block (the smaller first), then row, col, expt. `[row]` and `[col]` make the wells
where they meet; a row alone reaches over the columns that the other wells span, and the other way round.
Refused by name, never passed over: `[meta]` with include, concat or paths, `[plate]`, `[irow]` and `[icol]`
(interleaved plates): wellmap itself turns such a file into one without them.

Limits: fields are those of the layout's schema; values are numbers or words. Nothing is computed.
"""

import math
import re
import tomllib
from itertools import product
from pathlib import Path

ROWS = "ABCDEFGHIJKLMNOP"
COLUMNS = 24
PARTS = ("expt", "well", "block", "row", "col")
REFUSED = {"plate": "several plates", "irow": "interleaved rows", "icol": "interleaved columns"}
LARGEST_BYTES = 1_000_000
NEWLINE = b"\n"

_WELL = re.compile(r"([A-Pa-p])(0?[1-9]|1\d|2[0-4])")


class LayoutError(ValueError):
    """A TOML layout that cannot be used, with what is wrong."""


def read_wellmap(path: Path) -> list[dict[str, str]]:
    """Return a row for each well of a wellmap layout, its `well` and its fields as text, by row and column.

    Raises
    ------
    LayoutError
        No TOML, a part that is not read, a place that is none, fields that no well has.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_BYTES:
            raise LayoutError("is larger than 1 MB; it is no layout")
        data = tomllib.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise LayoutError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise LayoutError(f"is not UTF-8 (line {raw[: error.start].count(NEWLINE) + 1})") from None
    except tomllib.TOMLDecodeError as error:
        raise LayoutError(f"is not TOML: {error}") from None
    except ValueError:  # of Python's int
        raise LayoutError("holds a number of thousands of digits") from None
    except RecursionError:
        raise LayoutError("is nested too deeply; it is no layout") from None
    _check_parts(data)
    wells = _wells(data)
    if not wells:
        raise LayoutError("names no wells: [row] needs [col] or wells to cross, and [expt] makes none")
    return [
        {"well": f"{ROWS[row]}{column + 1}"} | {k: _text(k, v) for k, v in wells[row, column].items()}
        for row, column in sorted(wells)
    ]


def _check_parts(data: dict) -> None:
    meta = data.get("meta", {})
    used = [k for k in meta if k in ("include", "concat", "path", "paths")] if isinstance(meta, dict) else ["meta"]
    if used:
        raise LayoutError(f"[meta] {', '.join(used)}: other files are not followed; write the layout into one file")
    for part, what in REFUSED.items():
        if part in data:
            raise LayoutError(f"[{part}]: {what} are not read; write each well, block, row or column of one plate")
    for part in data:
        if part not in (*PARTS, "meta"):
            raise LayoutError(f"[{part}]: allowed are {', '.join(f'[{p}]' for p in PARTS)}")
    for part in PARTS:
        if not isinstance(data.get(part, {}), dict):
            raise LayoutError(f"[{part}] must be a table")


def _wells(data: dict) -> dict[tuple[int, int], dict]:
    """Return the fields of each well by row and column (from 0); what is found first stays."""
    wells = _merged(_by_place(data.get("well", {}), "well", _well_places))
    blocks: dict[tuple[int, int], list[tuple[int, dict]]] = {}
    for size, corners in data.get("block", {}).items():
        width, height = _size(size)
        for (row, column), fields in _by_place(_table(corners, f"block.{size}"), f"block.{size}", _well_places):
            for place in product(range(row, row + height), range(column, column + width)):
                blocks.setdefault(_on_plate(place, f"[block.{size}]"), []).insert(0, (width * height, fields))
    rows = _merged(_by_place(data.get("row", {}), "row", lambda key: _axis_places(key, letters=True)))
    columns = _merged(_by_place(data.get("col", {}), "col", lambda key: _axis_places(key, letters=False)))
    for place in blocks:
        wells.setdefault(place, {})
    spans = [_span([w[0] for w in wells] + list(rows)), _span([w[1] for w in wells] + list(columns))]
    for name, own, other in (("row", rows, spans[1]), ("col", columns, spans[0])):
        if own and not other:
            raise LayoutError(f"[{name}] has nothing to cross: it needs [{'col' if name == 'row' else 'row'}] or wells")
    for place in (*product(rows, spans[1]), *product(spans[0], columns)):
        wells.setdefault(place, {})
    for (row, column), fields in wells.items():
        for _, more in sorted(blocks.get((row, column), []), key=lambda b: b[0]):
            _fill(fields, more)
        for more in (rows.get(row, {}), columns.get(column, {}), data.get("expt", {})):
            _fill(fields, more)
    return wells


def _fill(fields: dict, more: dict) -> None:
    for key, value in more.items():
        fields.setdefault(key, value)


def _merged(found) -> dict:
    """Join what is said of one well, row or column at several places: the later word counts, as in wellmap."""
    merged: dict = {}
    for place, fields in found:
        merged.setdefault(place, {}).update(fields)
    return merged


def _by_place(table: dict, part: str, places):
    for key, fields in table.items():
        for place in places(key):
            yield place, _table(fields, f"{part}.{key}")


def _table(value, name: str) -> dict:
    if not isinstance(value, dict):
        raise LayoutError(f"[{name}] must be a table of fields")
    return value


def _size(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", size)
    if not match:
        raise LayoutError(f"[block.{size}]: a size is WxH, columns by rows, such as 3x2")
    return int(match[1]), int(match[2])


def _span(numbers: list[int]) -> range:
    return range(min(numbers), max(numbers) + 1) if numbers else range(0)


def _on_plate(place: tuple[int, int], where: str) -> tuple[int, int]:
    if not (0 <= place[0] < len(ROWS) and 0 <= place[1] < COLUMNS):
        raise LayoutError(f"{where} reaches beyond a plate of 384 wells")
    return place


def _well_places(key: str) -> list[tuple[int, int]]:
    """Return the wells of a key: `A1`, `A1,B2`, `A1-B3` (a rectangle) or `A1,A3,...,C5` (a pattern of it)."""
    return [_on_plate(p, f"well {key!r}") for p in _places(key, _one_well, lambda *axes: list(product(*axes)))]


def _axis_places(key: str, letters: bool) -> list[int]:
    def one(text: str) -> tuple[int]:
        if letters:
            place = ROWS.find(text.upper()) if len(text) == 1 else -1
        else:
            place = int(text) - 1 if re.fullmatch(r"0?[1-9]\d?", text) else -1
        if not 0 <= place < (len(ROWS) if letters else COLUMNS):
            raise LayoutError(f"{text!r} is not a {'row (A to P)' if letters else 'column (1 to 24)'}")
        return (place,)

    return [p[0] for p in _places(key, one, lambda axis: [(i,) for i in axis])]


def _one_well(text: str) -> tuple[int, int]:
    match = _WELL.fullmatch(text)
    if not match:
        raise LayoutError(f"{text!r} is not a well such as A1 (P24 is the last)")
    return ROWS.index(match[1].upper()), int(match[2]) - 1


def _places(key: str, one, cross) -> list[tuple]:
    """Return the places of a key: single ones, a range `a-b`, or a pattern `a,b,...,z` with the step from a to b."""
    parts = [p.strip() for p in key.split(",")]
    if "..." in parts:
        if len(parts) != 4 or parts[2] != "...":
            raise LayoutError(f"{key!r}: a pattern is first,second,...,last")
        first, second, last = (one(parts[i]) for i in (0, 1, 3))
        return cross(*(_steps(a, b, c, key) for a, b, c in zip(first, second, last, strict=True)))
    found = []
    for part in parts:
        ends = part.split("-")
        if len(ends) == 2:
            axes = [_steps(a, a + 1 if b > a else a, b, key) for a, b in zip(one(ends[0]), one(ends[1]), strict=True)]
            found += cross(*axes)
        else:
            found.append(one(part))
    return found


def _steps(first: int, second: int, last: int, key: str) -> range:
    step = second - first
    if step == 0 and last == first:
        return range(first, first + 1)
    if step <= 0 or last < first or (last - first) % step:
        raise LayoutError(f"{key!r}: the pattern does not lead from its first to its last place")
    return range(first, last + 1, step)


def _text(key: str, value) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise LayoutError(f"{key} = {value!r}: must be a number or a word")
    if isinstance(value, float) and not math.isfinite(value):
        raise LayoutError(f"{key} = {value!r}: must be a number or a word")
    return value if isinstance(value, str) else repr(value)
