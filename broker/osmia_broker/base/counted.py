"""Write a number with its noun, for the texts that people read."""

from decimal import Decimal


def counted(number: int | Decimal, one: str, many: str = "") -> str:
    """Return *number* with its noun: `1 job`, `2,000 jobs`. *many* is the plural where it is not *one* with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
