"""Numbers as they were printed: what their digits leave open, and which counts can give a printed percentage.

What it is for: `read_number` and `read_p` keep the decimals that a table of floats would lose, so that a check can tell
what rounding explains from what it does not. GRIM (Brown and Heathers 2017): a percentage of n people, or a mean of n
whole numbers, can only take n + 1 values; `counts_that_print` lists them, `sizes_that_print` the n that have one.

Limits: rounding to nearest (ties either way). No judgement here about whether a number *is* a proportion of people;
that is for the person who fills the table (`mgk.meta.claims`).
"""

import re
from dataclasses import dataclass

import numpy as np

from mgk.tables.problems import InputError

NUMBER = re.compile(r"[-−]?(\d+(\.\d*)?|\.\d+)")
P_VALUE = re.compile(r"(?:[pP]\s*)?(<=|>=|<|>|=|≤|≥)?\s*((0|1)?\.?\d*([eE]-\d+)?)")
RELATIONS = {"≤": "<=", "≥": ">=", None: "="}
# Room for the binary form of decimal numbers.
TINY = 1e-9


@dataclass(frozen=True)
class Printed:
    """A printed number: its text, its value, and half of its last digit, within which the true number lies."""

    text: str
    value: float
    half: float

    @property
    def low(self) -> float:
        """The smallest number that prints so."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """The largest number that prints so."""
        return self.value + self.half

    def prints(self, number):
        """Return whether `number` (or each of an array) rounds to what was printed."""
        return np.abs(np.asarray(number, float) - self.value) <= self.half * (1 + TINY) + TINY * abs(self.value)


@dataclass(frozen=True)
class PrintedP:
    """A printed p value: its relation (=, <, <=, >, >=) and its number."""

    relation: str
    number: Printed

    @property
    def bounds(self) -> tuple[float, float]:
        """The p values that the print allows."""
        if self.relation == "=":
            return max(self.number.low, 0.0), min(self.number.high, 1.0)
        return (0.0, self.number.value) if self.relation.startswith("<") else (self.number.value, 1.0)

    def allows(self, p):
        """Return whether `p` (or each of an array) agrees with the print; the bound itself counts for <= and >=."""
        p = np.asarray(p, float)
        if self.relation == "=":
            return self.number.prints(p)
        near = np.isclose(p, self.number.value, rtol=TINY) & ("=" in self.relation)
        return near | ((p < self.number.value) if self.relation[0] == "<" else (p > self.number.value))

    @property
    def text(self) -> str:
        """The p value in words."""
        return f"p {self.relation} {self.number.text}"


def read_number(text: str) -> Printed | None:
    """Return a printed number; None for an empty text.

    Raises
    ------
    InputError
        When the text is not a number.
    """
    text = str(text).strip().replace("−", "-")
    if not text:
        return None
    if not NUMBER.fullmatch(text):
        raise InputError(f"{text!r} is not a number as printed, such as 0.25 or 86.5")
    decimals = len(text.partition(".")[2])
    return Printed(text, float(text), 0.5 * 10.0**-decimals)


def read_p(text: str) -> PrintedP | None:
    """Return a printed p value, such as `0.008`, `.013` or `<0.0001`; None for an empty text.

    Raises
    ------
    InputError
        When the text is not a p value, or lies outside 0 to 1.
    """
    text = str(text).strip()
    if not text:
        return None
    found = P_VALUE.fullmatch(text)
    if not found or not re.search(r"\d", found[2]):
        raise InputError(f"{text!r} is not a p value as printed, such as 0.008 or <0.0001")
    mantissa, _, exponent = found[2].lower().partition("e")
    power = int(exponent or 0)
    decimals = len(mantissa.partition(".")[2]) - power
    number = Printed(found[2], float(found[2]), 0.5 * 10.0**-decimals)
    if number.value > 1:
        raise InputError(f"p value {text!r} is above 1")
    return PrintedP(RELATIONS.get(found[1], found[1]), number)


def counts_that_print(printed: Printed, n: int, whole: float = 100.0) -> np.ndarray:
    """Return the counts out of `n` that print as `printed`: percentages, or with `whole` 1 means of whole numbers.

    Raises
    ------
    InputError
        When `n` is not a whole number above 0.
    """
    if n != int(n) or n < 1:
        raise InputError(f"n = {n} is not a whole number above 0")
    near = np.arange(np.floor(printed.low * n / whole) - 1, np.ceil(printed.high * n / whole) + 2)
    near = near[near <= n] if whole == 100 else near
    return near[(near >= 0) & printed.prints(whole * near / n)].astype(int)


def sizes_that_print(printed: Printed, sizes) -> list[int]:
    """Return those of `sizes` for which some count gives the printed percentage."""
    return [int(n) for n in sizes if counts_that_print(printed, n).size]
