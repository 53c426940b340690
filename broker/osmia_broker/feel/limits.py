"""Bound the cost of one expression.

A hostile or mistaken expression fails by itself at these bounds and hurts no neighbour.
"""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """The bounds of compiling and evaluating one expression."""

    text: int = 100_000  # characters of an expression
    depth: int = 64  # nested brackets, calls and bodies; a level takes up to eight Python frames of about 1,000
    steps: int = 10_000_000  # evaluated nodes inside loops, plus the items and characters that functions produce
    seconds: float = 1.0  # of CPU, looked at every few thousand steps
    items: int = 1_000_000  # of one list, and of everything inside one result
    string: int = 4 * 1024 * 1024  # characters of one string
    exponent: int = 6144  # of a number: those of IEEE decimal128
    digits: int = 6144  # of a literal or a number in JSON


DEFAULT_LIMITS = Limits()
