"""Name the two ways in which FEEL is read and evaluated."""

from enum import Enum


class Dialect(Enum):
    """The grammar and the rules of an expression.

    REFERENCE is FEEL as the reference broker 8.6 has it, refusals included. Process expressions are read so, and decisions
    of DMN 1.1 to 1.3, the versions that its modeler writes.

    STANDARD is FEEL of DMN 1.5, for decisions of DMN 1.4 and 1.5. It also knows ranges and functions as values, names
    with blanks and signs, types with parameters, recursion, and coercion from and to lists of one item.
    """

    REFERENCE = "reference"
    STANDARD = "standard"
