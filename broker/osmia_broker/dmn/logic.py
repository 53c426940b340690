"""The boxed expressions beside decision tables: literal expressions, contexts, lists, relations and invocations.

All have one face, `Logic`. Only the outermost logic of a decision leaves its trace in the answer.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed
from osmia_broker.dmn.run import EvaluatedDecision, Layer, Run, Trace, Value


class Logic(Protocol):
    """Anything that gives a decision, or a part of one, its value."""

    type: ClassVar[str]  #: as the wire names it

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """The value in *scope*. Raises EvaluationFailed with the reason if there is none."""


@dataclass(frozen=True, slots=True)
class Literal:
    """One FEEL expression."""

    expression: feel.Expression

    type: ClassVar[str] = "LITERAL_EXPRESSION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """The value of the expression."""
        del trace
        return run.value(self.expression, scope)


@dataclass(frozen=True, slots=True)
class BoxedContext:
    """Named entries, of which each sees those before it; an entry without a name (None) is the result of the whole."""

    entries: tuple[tuple[str | None, Logic], ...]

    type: ClassVar[str] = "CONTEXT"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """The context of all entries, or the value of the one without a name."""
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
        """The list of the items' values."""
        del trace
        return [item.evaluate(scope, run, Trace()) for item in self.items]


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of as many cells as there are *columns*."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Logic, ...], ...]

    type: ClassVar[str] = "RELATION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """A list with one context by column names for each row."""
        del trace
        return [
            feel.Context(zip(self.columns, (cell.evaluate(scope, run, Trace()) for cell in row), strict=True))
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """A function with a body in FEEL. The body sees the names around the definition, its parameters hide them."""

    parameters: tuple[str, ...]
    body: Logic

    type: ClassVar[str] = "FUNCTION_DEFINITION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the function as a FEEL value."""
        del trace

        def invoke(*arguments: Value) -> Value:
            return self.body.evaluate(Layer(dict(zip(self.parameters, arguments, strict=True)), scope), run, Trace())

        return feel.Function(self.parameters, invoke)


@dataclass(frozen=True, slots=True)
class KnowledgeModel:
    """A function that decisions share, called by an invocation or by its *name* in FEEL.

    *requires* are the knowledge models that its logic may call by name.
    """

    id: str
    name: str
    parameters: tuple[str, ...]
    logic: Logic
    requires: "tuple[KnowledgeModel, ...]"

    def call(self, arguments: dict[str, Value], run: Run) -> Value:
        """The value of the logic for *arguments*; a parameter without one is null.

        Beside them the logic sees the variables of the request, but nothing of the decision that calls.
        """
        bound = dict.fromkeys(self.parameters) | arguments
        trace = Trace()
        value = self.logic.evaluate(Layer(bound, run.variables, functions(self.requires, run)), run, trace)
        run.note(
            EvaluatedDecision(
                self.id,
                self.name,
                self.logic.type,
                run.json(value),
                tuple(trace.matched),
                tuple(trace.inputs),
                is_knowledge_model=True,
            )
        )
        return value

    def function(self, run: Run) -> feel.Function:
        """The model as a function value for FEEL."""

        def invoke(*arguments: Value) -> Value:
            try:
                return self.call(dict(zip(self.parameters, arguments, strict=True)), run)
            except EvaluationFailed as failed:
                raise feel.EvaluationFailed(str(failed)) from None

        return feel.Function(self.parameters, invoke)


def functions(models: tuple[KnowledgeModel, ...], run: Run) -> dict[str, feel.Function]:
    """*models* as FEEL functions, by name."""
    return {model.name: model.function(run) for model in models}


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of a knowledge model with named arguments."""

    model: KnowledgeModel
    bindings: tuple[tuple[str, Logic], ...]

    type: ClassVar[str] = "INVOCATION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """What the model gives for the values of the bindings."""
        del trace
        arguments = {name: logic.evaluate(scope, run, Trace()) for name, logic in self.bindings}
        return self.model.call(arguments, run)
