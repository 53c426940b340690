"""Compile a syntax tree into nested Python closures, once.

Each node becomes a function of the run and the innermost local binding. Names are resolved as far as possible here: a
name that nothing inside the expression can bind is read straight from the scope. Only our own functions are ever called,
so nothing that an expression says can reach a Python object.

Straight code is bounded by the size of the text; repetitions (iterations, filters, user functions) spend steps.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from osmia_broker.feel import syntax
from osmia_broker.feel.bindings import Local
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.functions.registry import Builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.types import TypeTest
from osmia_broker.feel.values import Value

Evaluator: TypeAlias = Callable[[Run, Local | None], Value]
Functions: TypeAlias = Mapping[str, tuple[Builtin, ...]]

NO_TYPES: Mapping[str, TypeTest] = MappingProxyType({})


class Names(msgspec.Struct, frozen=True):
    """The names known at a place: *bound* for certain inside the expression; any name may be bound if *open*."""

    bound: frozenset[str] = frozenset()
    open: bool = False

    def with_bound(self, *names: str) -> "Names":
        """Return these names and *names*."""
        return Names(self.bound.union(names), self.open)

    def may_bind(self, name: str) -> bool:
        """Tell whether *name* may be bound inside the expression."""
        return self.open or name in self.bound


class Compiler:
    """Compile one tree; then *read* holds the names it may read, and *volatile* tells whether its value may vary.

    *unknown* holds the calls for which there is no built-in function: each a name and the number of arguments.
    """

    def __init__(
        self, functions: Functions, dialect: Dialect = Dialect.REFERENCE, types: Mapping[str, TypeTest] = NO_TYPES
    ) -> None:
        self.functions = functions
        self.dialect = dialect
        self.types = types  # of the model, by name
        self._rules = _RULES[dialect]
        self.read: set[str] = set()
        self.volatile = False
        self.unknown: set[tuple[str, int]] = set()
        self.nodes = 0

    def compile(self, node: syntax.Node, names: Names) -> Evaluator:
        """Return the evaluator of *node* at a place where *names* are known."""
        self.nodes += 1
        return self._rules[type(node)](self, node, names)

    def weighed(self, node: syntax.Node, names: Names) -> tuple[Evaluator, int]:
        """Return the evaluator of *node* and its number of nodes, which is the cost of one repetition."""
        before = self.nodes
        evaluate = self.compile(node, names)
        return evaluate, self.nodes - before


_Rule: TypeAlias = Callable[..., Evaluator]  # of a compiler, a node of its type, and the names known there
_RULES: dict[Dialect, dict[type[syntax.Node], _Rule]] = {dialect: {} for dialect in Dialect}


def compiles(*types: type[syntax.Node]) -> Callable[[_Rule], _Rule]:
    """Register a function as the rule that compiles nodes of *types*, in any dialect that has none of its own."""

    def register(rule: _Rule) -> _Rule:
        for rules in _RULES.values():
            for each in types:
                rules.setdefault(each, rule)
        return rule

    return register


def compiles_standard(*types: type[syntax.Node]) -> Callable[[_Rule], _Rule]:
    """Register a function as the rule of the standard dialect for nodes of *types*."""

    def register(rule: _Rule) -> _Rule:
        _RULES[Dialect.STANDARD].update(dict.fromkeys(types, rule))
        return rule

    return register
