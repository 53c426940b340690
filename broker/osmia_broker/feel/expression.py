"""Compile expressions and cells, and evaluate them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, DecimalException
from functools import lru_cache

import msgspec

from osmia_broker.feel import syntax
from osmia_broker.feel.bindings import INPUT, Local
from osmia_broker.feel.compiling import NO_TYPES, Compiler, Functions, Names, any_of
from osmia_broker.feel.contents import CONTAINERS, check_contents
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.errors import AssertionFailed, EvaluationFailed, shorten
from osmia_broker.feel.functions import PROCESS_FUNCTIONS
from osmia_broker.feel.json_text import INTEGER_MAX, INTEGER_MIN, check_number
from osmia_broker.feel.limits import DEFAULT_LIMITS, Limits
from osmia_broker.feel.parser import parse, parse_unary_tests
from osmia_broker.feel.run import Run, Scope, Warning  # noqa: A004  # the contract's word
from osmia_broker.feel.temporal import Instant
from osmia_broker.feel.types import TypeTest, static_type
from osmia_broker.feel.values import Value


class Result(msgspec.Struct):
    """The outcome of an evaluation: a *value*, or a *failure* that says why there is none, and *warnings*."""

    value: Value
    failure: str | None = None
    warnings: Sequence[Warning] = ()

    def warnings_text(self) -> str:
        """Return the warnings as incidents append them to their text; empty if there are none."""
        return warnings_text(self.warnings)


def warnings_text(warnings: Sequence[Warning]) -> str:
    """Return the warnings as incidents append them to their text; empty if there are none."""
    if not warnings:
        return ""
    lines = "\n".join(f"[{warning.type}] {warning.message}" for warning in warnings)
    return " The evaluation reported the following warnings:\n" + lines


class Vocabulary(msgspec.Struct, frozen=True):
    """The language and the words of a model's expressions.

    *dialect* is how they are read. Only the standard dialect knows the others: *names* of the model, of which those with
    blanks and signs are then read as one name, and *types* by name, each a test of a value that is not null.
    """

    dialect: Dialect = Dialect.REFERENCE
    names: frozenset[str] = frozenset()
    types: Mapping[str, TypeTest] = NO_TYPES

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing but the dialect is said, so that compiled texts can be shared."""
        return not self.names and not self.types


REFERENCE, STANDARD = Vocabulary(), Vocabulary(Dialect.STANDARD)


class _Compiled:
    """The common part of expressions and unary tests."""

    __slots__ = ("_evaluate", "_limits", "constant", "names", "text", "tree")

    def __init__(self, text: str, tree: syntax.Node, limits: Limits) -> None:
        self.text = text
        self.tree = tree
        self._limits = limits

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def _failed(self, error: Exception, run: Run) -> Result:
        return Result(None, _failure_text(self.text, error), run.warnings)


class Expression(_Compiled):
    """An expression, compiled.

    *names* are the variables it may read from the scope; *constant* tells that it reads none and always gives the same;
    *result_type* is the type it gives unless it gives null (`type_name`), None if that depends. *unknown_calls* are those of
    functions that are not built in, each a name and the number of arguments: they give null unless the scope has the function.
    """

    __slots__ = ("result_type", "unknown_calls")

    def __init__(self, text: str, functions: Functions, limits: Limits, vocabulary: "Vocabulary | None" = None) -> None:
        known = vocabulary or REFERENCE
        super().__init__(text, parse(text, limits, known.dialect, known.names), limits)
        compiler = Compiler(functions, known.dialect, known.types)
        self._evaluate = compiler.compile(self.tree, Names())
        self.names = frozenset(compiler.read)
        self.unknown_calls = tuple(sorted(compiler.unknown))
        self.constant = not self.names and not compiler.volatile
        self.result_type = static_type(self.tree) if known.dialect is Dialect.REFERENCE else None

    @property
    def variable(self) -> str:
        """The variable that the expression names, or takes a property of; empty for any other expression."""
        tree = self.tree.source if isinstance(self.tree, syntax.Path) else self.tree
        return tree.name if isinstance(tree, syntax.Name) else ""

    @property
    def path(self) -> tuple[str, ...]:
        """The variable that the expression names, or the variable and the one property of it; empty for any other expression."""
        properties = self.tree.names if isinstance(self.tree, syntax.Path) else ()
        return (self.variable, *properties) if self.variable and len(properties) <= 1 else ()

    def evaluate(self, scope: Scope, now: Instant | datetime | None = None) -> Result:
        """Evaluate against the variables of *scope*; never raises for a mistake in the expression or its data.

        *now* is the moment that `now()` and `today()` give; without it they give null. Exceptions of *scope* other
        than `KeyError` pass through.
        """
        run = Run(scope, now, self._limits)
        try:
            value = self._evaluate(run, None)
            kind = type(value)
            if kind in CONTAINERS:
                check_contents(value, self._limits)
            elif kind is int:
                if not INTEGER_MIN <= value <= INTEGER_MAX:
                    check_number(value)
            elif kind is Decimal and value.adjusted() >= _DIGITS_CHECKED:
                check_number(value)
        except _FAILURES as error:
            return self._failed(error, run)
        return Result(value, None, run.warnings)


class UnaryTests(_Compiled):
    """The tests of one cell of a decision table, compiled. *names* and *constant* as for an `Expression`."""

    __slots__ = ()

    def __init__(self, text: str, functions: Functions, limits: Limits, vocabulary: "Vocabulary | None" = None) -> None:
        known = vocabulary or REFERENCE
        tree = parse_unary_tests(text, limits, known.dialect, known.names)
        super().__init__(text, tree, limits)
        compiler = Compiler(functions, known.dialect, known.types)
        self._evaluate = _tests(tree, compiler)
        self.names = frozenset(compiler.read)
        self.constant = not self.names and not compiler.volatile

    def evaluate(self, scope: Scope, input_value: Value, now: Instant | datetime | None = None) -> Result:
        """Test *input_value*: the result's value is true, false, or null if a test does not apply to it."""
        run = Run(scope, now, self._limits)
        try:
            value = self._evaluate(run, Local({INPUT: input_value}, None))
        except _FAILURES as error:
            return self._failed(error, run)
        return Result(value, None, run.warnings)


def _tests(tree: syntax.Tests, compiler: Compiler) -> Callable[[Run, Local | None], bool | None]:
    if not tree.tests:
        return lambda _run, _local: True
    test, negated = any_of(compiler, tree.tests, Names()), tree.negated

    def evaluate(run: Run, local: Local | None) -> bool | None:
        assert local is not None
        answer = test(run, local, local.names[INPUT])
        return answer if not negated or answer is None else not answer

    return evaluate


def compile(
    text: str,
    *,
    functions: Functions = PROCESS_FUNCTIONS,
    vocabulary: Vocabulary = REFERENCE,
    limits: Limits = DEFAULT_LIMITS,
) -> Expression:
    """Compile the expression *text*, which has no leading `=`; raises `ParseError`.

    *functions* are the built-in ones that may be called: decisions pass `DECISION_FUNCTIONS`, in the standard dialect
    `STANDARD_FUNCTIONS`. Without names and types in *vocabulary*, the same text gives the same object as long as it is
    among the last few thousand.
    """
    if not vocabulary.is_plain:
        return Expression(text, functions, limits, vocabulary)
    return _compile(text, _Functions(functions), limits, vocabulary.dialect)


def compile_unary_tests(
    text: str,
    *,
    functions: Functions = PROCESS_FUNCTIONS,
    vocabulary: Vocabulary = REFERENCE,
    limits: Limits = DEFAULT_LIMITS,
) -> UnaryTests:
    """Compile the unary tests *text* of a decision table's cell; raises `ParseError`. As `compile` in all else."""
    if not vocabulary.is_plain:
        return UnaryTests(text, functions, limits, vocabulary)
    return _compile_unary_tests(text, _Functions(functions), limits, vocabulary.dialect)


class _Functions:
    """A table of functions, hashable by its identity."""

    __slots__ = ("table",)

    def __init__(self, table: Functions) -> None:
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Functions) and self.table is other.table

    def __hash__(self) -> int:
        return id(self.table)


@lru_cache(maxsize=4096)
def _compile(text: str, functions: _Functions, limits: Limits, dialect: Dialect) -> Expression:
    return Expression(text, functions.table, limits, Vocabulary(dialect))


@lru_cache(maxsize=4096)
def _compile_unary_tests(text: str, functions: _Functions, limits: Limits, dialect: Dialect) -> UnaryTests:
    return UnaryTests(text, functions.table, limits, Vocabulary(dialect))


# ---------------------------------------------------------------------------------------------------------- failing


_DIGITS_CHECKED = 18  # the power of ten from which on a number may be beyond 64 bits
_FAILURES = (EvaluationFailed, DecimalException, RecursionError)


def _failure_text(text: str, error: Exception) -> str:
    text = shorten(text)
    match error:
        case AssertionFailed():
            return f"Assertion failure on evaluate the expression '{text}': {error}"
        case EvaluationFailed():
            return f"failed to evaluate expression '{text}': {error}"
        case RecursionError():
            return f"failed to evaluate expression '{text}': Expected ordinary nesting, but found it deeper"
        case _:
            return f"failed to evaluate expression '{text}': Expected a number up to 1E+6144, but found a larger one"
