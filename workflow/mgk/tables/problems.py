"""Problems of an input: what is wrong, where, and what is allowed, gathered so that all come at once."""

from dataclasses import dataclass, replace
from itertools import groupby


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with an input.

    `row` counts as a spreadsheet does: the header is row 1, the first record row 2. In a YAML file it is the line.
    """

    file: str
    row: int | None
    column: str
    value: str
    allowed: str

    @property
    def is_of_table(self) -> bool:
        """Whether it is in a row of a table, not in a line of a YAML file or in a file as a whole."""
        return self.row is not None and not self.file.endswith((".yaml", ".yml"))

    def __str__(self) -> str:
        """Return one line: file, row, column, value: what is allowed."""
        return self.said(f"{'row' if self.is_of_table else 'line'} {self.row}" if self.row is not None else "")

    def said(self, where: str) -> str:
        """Return one line in which `where` stands for the row."""
        place = [self.file, *([where] if where else [])]
        if self.column:
            place.append(shortened(self.column))
        head, shown = ", ".join(place), shortened(self.value)
        return f"{head}: {shown!r}: {self.allowed}" if shown else f"{head}: {self.allowed}"


def shortened(text: str, most: int = 80) -> str:
    """Return a text, cut where it is longer than is read."""
    return text if len(text) <= most else text[: most - 3] + "..."


def told(problems: list[Problem]) -> list[str]:
    """Return problems as lines for the analyst: what is wrong alike in several rows of a table is one line.

    Alike are a column, its value and what is allowed; of a row as a whole, what is allowed.
    """
    alike: dict[tuple, list[Problem]] = {}
    for p in problems:
        key = (p.file, p.column, p.value if p.column else "", p.allowed) if p.is_of_table else (p,)
        alike.setdefault(key, []).append(p)
    return [str(same[0]) if len(same) == 1 else _of_rows(same) for same in alike.values()]


def _of_rows(alike: list[Problem]) -> str:
    rows = sorted({p.row for p in alike})
    runs = [[row for _, row in run] for _, run in groupby(enumerate(rows), lambda pair: pair[1] - pair[0])]
    named = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
    first, values = alike[0], len({p.value for p in alike})
    shown = replace(first, value=f"{first.value} and {values - 1} more") if values > 1 else first
    return shown.said(f"rows {shortened(named)}")


class InputError(ValueError):
    """An input of the study cannot be used; the message names the place and what is allowed."""

    def __init__(self, problems: "str | Problem | list[Problem]"):
        if isinstance(problems, str):
            self.problems = [Problem("", None, "", "", problems)]
            super().__init__(problems)
            return
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(p) for p in self.problems))
