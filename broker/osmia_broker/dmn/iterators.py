"""Evaluate the boxed expressions of DMN 1.4: conditional, filter, for, some and every.

DMN 1.5 (10.2.2) defines each by an expression of FEEL. Here too: the expression calls the boxed parts as functions, so that
null, ranges, `partial` and the bounds of an evaluation are those of FEEL.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from osmia_broker import feel
from osmia_broker.dmn.logic import Logic
from osmia_broker.dmn.run import Layer, Run, Trace, Value

_STANDARD = feel.Vocabulary(feel.Dialect.STANDARD)


def _compile(text: str) -> feel.Expression:
    return feel.compile(text, functions=feel.STANDARD_FUNCTIONS, vocabulary=_STANDARD)


# Not `source[part(item)]`: FEEL calls that with null too, to learn whether it is an index.
_FILTER = _compile("for each in source return if part(each) then [each] else []")
_FORS = _compile("for each in source return part(each, partial)")
_QUANTIFIERS: Mapping[str, feel.Expression] = {
    "some": _compile("some each in source satisfies part(each)"),
    "every": _compile("every each in source satisfies part(each)"),
}


@dataclass(frozen=True, slots=True)
class Conditional:
    """A choice between two parts. False and null choose *otherwise*; a condition of another type gives null."""

    condition: Logic
    then: Logic
    otherwise: Logic

    type: ClassVar[str] = "CONDITIONAL"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the value of the chosen part; the other is not evaluated."""
        del trace
        holds = self.condition.evaluate(scope, run, Trace())
        if not isinstance(holds, bool | None):
            return None
        return (self.then if holds else self.otherwise).evaluate(scope, run, Trace())


class _Tests:
    """Evaluate the test of a filter or a quantifier for one item after the other; any answer must be a boolean or null."""

    __slots__ = ("_test", "are_boolean")

    def __init__(self, test: Callable[[Value], Value]) -> None:
        self._test = test
        self.are_boolean = True

    def __call__(self, item: Value) -> bool | None:
        answer = self._test(item)
        if isinstance(answer, bool):
            return answer
        self.are_boolean = self.are_boolean and answer is None
        return None

    def value(self, expression: feel.Expression, source: Value, run: Run) -> Value:
        """Return what *expression* makes of *source* and these tests, null if an answer was of another type."""
        found = run.value(expression, {"source": source, "part": feel.Function(("item",), self)})
        return found if self.are_boolean else None


@dataclass(frozen=True, slots=True)
class Filter:
    """The items of *source* for which *match* is true. `item`, and the entries of an item, are visible to *match*."""

    source: Logic
    match: Logic

    type: ClassVar[str] = "FILTER"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return a list, or null if *match* gives another type than a boolean."""
        del trace

        def holds(item: Value) -> Value:
            entries = item if isinstance(item, dict) else {}
            return self.match.evaluate(Layer({"item": item, **entries}, scope), run, Trace())

        kept = _Tests(holds).value(_FILTER, self.source.evaluate(scope, run, Trace()), run)
        return None if kept is None else [item for items in kept for item in items]


@dataclass(frozen=True, slots=True)
class For:
    """The list of the values of *result* for each item of *source*, which is bound to *variable*.

    The values so far are bound to `partial`.
    """

    variable: str
    source: Logic
    result: Logic

    type: ClassVar[str] = "FOR"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return a list."""
        del trace

        def one(item: Value, partial: Value) -> Value:
            return self.result.evaluate(Layer({"partial": partial, self.variable: item}, scope), run, Trace())

        source = self.source.evaluate(scope, run, Trace())
        return run.value(_FORS, {"source": source, "part": feel.Function(("item", "partial"), one)})


@dataclass(frozen=True, slots=True)
class Quantifier:
    """A `some` or an `every` (*kind*): *test* is evaluated for the items of *source*, each bound to *variable*."""

    kind: str
    variable: str
    source: Logic
    test: Logic

    type: ClassVar[str] = "QUANTIFIER"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return a boolean, or null if *test* gives another type for an item."""
        del trace

        def holds(item: Value) -> Value:
            return self.test.evaluate(Layer({self.variable: item}, scope), run, Trace())

        return _Tests(holds).value(_QUANTIFIERS[self.kind], self.source.evaluate(scope, run, Trace()), run)
