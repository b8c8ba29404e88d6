"""Problems of an input: what is wrong, where, and what is allowed, gathered so that all come at once."""

from dataclasses import dataclass


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

    def __str__(self) -> str:
        """Return one line: file, row, column, value: what is allowed."""
        place = [self.file]
        if self.row is not None:
            place.append(f"row {self.row}" if not self.file.endswith((".yaml", ".yml")) else f"line {self.row}")
        if self.column:
            place.append(shortened(self.column))
        head, shown = ", ".join(place), shortened(self.value)
        return f"{head}: {shown!r}: {self.allowed}" if shown else f"{head}: {self.allowed}"


def shortened(text: str, most: int = 80) -> str:
    """Return a text, cut where it is longer than is read."""
    return text if len(text) <= most else text[: most - 3] + "..."


class InputError(ValueError):
    """An input of the study cannot be used; the message names the place and what is allowed."""

    def __init__(self, problems: "str | Problem | list[Problem]"):
        if isinstance(problems, str):
            self.problems = [Problem("", None, "", "", problems)]
            super().__init__(problems)
            return
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(p) for p in self.problems))
