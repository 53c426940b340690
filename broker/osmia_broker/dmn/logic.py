"""Evaluate literal expressions and boxed contexts, lists and relations.

Those of DMN 1.4 are in `iterators`, functions and their calls in `functions`. All have one face, `Logic`. Only the outermost logic of a
decision leaves its trace in the answer.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed
from osmia_broker.dmn.run import Layer, Run, Trace, Value
from osmia_broker.dmn.types import DeclaredType


class Logic(Protocol):
    """The logic of a decision, or of a part of one."""

    @property
    def type(self) -> str:
        """The kind of logic, as the wire names it."""

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the value in *scope*. Raises EvaluationFailed with the reason if there is none."""


@dataclass(frozen=True, slots=True)
class Literal:
    """One FEEL expression."""

    expression: feel.Expression

    type: ClassVar[str] = "LITERAL_EXPRESSION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the value of the expression."""
        del trace
        return run.value(self.expression, scope)


@dataclass(frozen=True, slots=True)
class BoxedContext:
    """Named entries, of which each sees those before it; an entry without a name (None) is the result of the whole."""

    entries: tuple[tuple[str | None, Logic], ...]

    type: ClassVar[str] = "CONTEXT"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the context of all entries, or the value of the entry without a name."""
        del trace
        context = feel.Context()
        inside = Layer(context, scope)
        for name, logic in self.entries:
            value = logic.evaluate(inside, run, Trace())
            if name is None:
                return value
            context[name] = value
        return context


@dataclass(frozen=True, slots=True)
class BoxedList:
    """Items in order."""

    items: tuple[Logic, ...]

    type: ClassVar[str] = "LIST"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the list of the values of the items."""
        del trace
        return [item.evaluate(scope, run, Trace()) for item in self.items]


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of as many cells as there are *columns*."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Logic, ...], ...]

    type: ClassVar[str] = "RELATION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return a list with a context, by column names, for each row."""
        del trace
        return [
            feel.Context(zip(self.columns, (cell.evaluate(scope, run, Trace()) for cell in row), strict=True))
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Typed:
    """Logic with a declared type: a value of another type fails."""

    logic: Logic
    declared: DeclaredType

    @property
    def type(self) -> str:
        """The kind of the logic inside."""
        return self.logic.type

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the value of the logic, coerced to the type."""
        return self.declared.fit(self.logic.evaluate(scope, run, trace))


@dataclass(frozen=True, slots=True)
class Undefined:
    """The logic of a decision that has none: people decide, and software cannot."""

    type: ClassVar[str] = "LITERAL_EXPRESSION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Raise EvaluationFailed."""
        del scope, run, trace
        raise EvaluationFailed("Expected a decision with logic, but found none")
