"""Compile syntax trees to closures; each family of nodes has its file."""

from osmia_broker.feel.compiling import calls, literals, loops, operations, standard, standard_loops, unary_tests
from osmia_broker.feel.compiling.compiler import NO_TYPES, Compiler, Functions, Names
from osmia_broker.feel.compiling.unary_tests import any_of

__all__ = [
    "NO_TYPES",
    "Compiler",
    "Functions",
    "Names",
    "any_of",
    "calls",
    "literals",
    "loops",
    "operations",
    "standard",
    "standard_loops",
    "unary_tests",
]
