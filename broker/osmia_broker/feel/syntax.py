"""Define the syntax tree, which the parser makes and the compiler and the printer read.

Chains (`a + b - c`, `a.b.c`, `p and q and r`) are one flat node each, so that a long one is not a deep one.
"""

from decimal import Decimal

import msgspec


class Node(msgspec.Struct, frozen=True):
    """Any piece of an expression."""


class Null(Node, frozen=True):
    """`null`."""


class Boolean(Node, frozen=True):
    """`true` or `false`."""

    value: bool


class NumberLiteral(Node, frozen=True):
    """`7`, `1.50`; keeps all its digits."""

    value: int | Decimal


class StringLiteral(Node, frozen=True):
    """`"text"`, its escapes translated."""

    value: str


class Temporal(Node, frozen=True):
    """`@"2020-01-01"`, the text as written."""

    text: str


class Name(Node, frozen=True):
    """A variable."""

    name: str


class Input(Node, frozen=True):
    """`?`, the input of a unary test."""


class ListLiteral(Node, frozen=True):
    """`[a, b]`."""

    items: tuple[Node, ...]


class ContextLiteral(Node, frozen=True):
    """`{key: value}`, entries in order."""

    entries: tuple[tuple[str, Node], ...]


class Interval(Node, frozen=True):
    """`[a..b)`; the flags tell whether an end belongs to it."""

    start: Node
    start_included: bool
    end: Node
    end_included: bool


class OpenRange(Node, frozen=True):
    """`(< 5)` as a value; also with `=` and `!=`."""

    operator: str
    operand: Node


class Negation(Node, frozen=True):
    """`-x`."""

    operand: Node


class Arithmetic(Node, frozen=True):
    """`first op operand op operand`, operators of one precedence, from the left."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


class Logic(Node, frozen=True):
    """`a and b and c` or `a or b or c`."""

    operator: str
    operands: tuple[Node, ...]


class Comparison(Node, frozen=True):
    """`a < b`, and `=`, `!=`, `<=`, `>`, `>=` alike; they do not chain."""

    operator: str
    left: Node
    right: Node


class Between(Node, frozen=True):
    """`x between low and high`, both ends included."""

    operand: Node
    low: Node
    high: Node


class Type(Node, frozen=True):
    """A type by its *name*; *arguments* are those of `list<T>`, `range<T>`, `context<..>` and `function<..> -> T`.

    *names* are the entries of a context; the result of a function is its last argument.
    """

    name: str
    arguments: "tuple[Type, ...]" = ()
    names: tuple[str, ...] = ()


class InstanceOf(Node, frozen=True):
    """`x instance of type`."""

    operand: Node
    type: Type


class In(Node, frozen=True):
    """`x in test` or `x in (test, test)`."""

    operand: Node
    tests: tuple[Node, ...]


class CompareInput(Node, frozen=True):
    """`< 5` as a unary test."""

    operator: str
    operand: Node


class Path(Node, frozen=True):
    """`source.a.b`."""

    source: Node
    names: tuple[str, ...]


class Filter(Node, frozen=True):
    """`source[condition]`."""

    source: Node
    condition: Node


class Call(Node, frozen=True):
    """`name(a, b)`, or `owner.name(a, b)` with the owner's names in *owner*. *names* is empty for positional arguments."""

    owner: tuple[str, ...]
    name: str
    arguments: tuple[Node, ...]
    names: tuple[str, ...]


class Invocation(Node, frozen=True):
    """`value(a, b)`, the call of a function that is the value of an expression; arguments as those of a `Call`."""

    function: Node
    arguments: tuple[Node, ...]
    names: tuple[str, ...]


class FunctionLiteral(Node, frozen=True):
    """`function(a, b: number) body`; *types* has one item for each parameter, None where there is no type."""

    parameters: tuple[str, ...]
    body: Node
    types: tuple[Type | None, ...] = ()  # empty if no parameter has one


class If(Node, frozen=True):
    """`if c then a else if d then b else e`; each branch is a condition and its result."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node


class Iterator(Node, frozen=True):
    """`name in source`, or `name in source..end` for a run of numbers."""

    name: str
    source: Node
    end: Node | None


class For(Node, frozen=True):
    """`for iterators return body`."""

    iterators: tuple[Iterator, ...]
    body: Node


class Quantified(Node, frozen=True):
    """`some` or `every` *iterators* `satisfies` *condition*."""

    quantifier: str
    iterators: tuple[Iterator, ...]
    condition: Node


class Tests(Node, frozen=True):
    """A list of unary tests of which one must hold; none at all (`-`) always holds. *negated* for `not(...)`."""

    tests: tuple[Node, ...]
    negated: bool
