"""Find the rules of a table that may match an input value, by one look-up for each column.

A set of rules is an int with a bit per rule, so that a thousand rules are narrowed by a few machine words a column.
Cells that list plain texts and numbers, most of a large table, are answered by a dict and never evaluated; `-` holds always;
any other cell stays open and is evaluated for the rules that the other columns leave.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from osmia_broker.dmn.run import Value

Constant: TypeAlias = str | int | Decimal

_CONSTANT = r'(?:"[^"\\]*"|-?(?:[0-9]{1,34}(?:\.[0-9]{1,34})?|\.[0-9]{1,34}))'
_CONSTANTS = re.compile(rf"{_CONSTANT}(?:\s*,\s*{_CONSTANT})*")
_CONSTANT_IN = re.compile(_CONSTANT)


def constants_of(text: str) -> list[Constant] | None:
    """Return the texts and numbers that the cell *text* lists, or None if it holds anything else.

    Texts with a backslash are left to FEEL, and so are `true` and `false`: as keys of a dict they are the same as 1 and 0.
    """
    if not _CONSTANTS.fullmatch(text):
        return None
    return [_constant(found) for found in _CONSTANT_IN.findall(text)]


def _constant(text: str) -> Constant:
    if text.startswith('"'):
        return text[1:-1]
    return Decimal(text) if "." in text else int(text)


def is_wildcard(text: str) -> bool:
    """Tell whether the cell holds for any input, null included."""
    return text in {"", "-"}


class ColumnIndex:
    """An index of one column; *cells* are the texts of its input entries in the order of the rules."""

    __slots__ = ("_equal", "_unconditional", "open")

    def __init__(self, cells: Sequence[str]) -> None:
        self.open = 0  #: the rules whose cell must be evaluated
        self._unconditional = 0
        equal: defaultdict[Constant, int] = defaultdict(int)
        for rule, cell in enumerate(cells):
            if is_wildcard(cell):
                self._unconditional |= 1 << rule
            elif (constants := constants_of(cell)) is None:
                self.open |= 1 << rule
            else:
                for constant in constants:
                    equal[constant] |= 1 << rule
        self._equal = dict(equal)

    def candidates(self, value: Value) -> int:
        """Return the rules whose cell holds for *value*, or may hold once it is evaluated."""
        found = self._unconditional | self.open
        if type(value) in {str, int, Decimal}:  # a boolean is no number
            found |= self._equal.get(value, 0)
        return found
