"""Call the functions of a model: knowledge models, decision services and boxed functions.

In FEEL each is a function by its name. There a wrong argument gives null; in an invocation it stops the decision (measured on
the reference's engine).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed
from osmia_broker.dmn.logic import Logic
from osmia_broker.dmn.run import EvaluatedDecision, Layer, Run, Trace, Value
from osmia_broker.dmn.types import DeclaredType


@dataclass(frozen=True, slots=True)
class Parameter:
    """The name of a parameter, and its type if it has one."""

    name: str
    declared: DeclaredType | None = None

    def fit(self, value: Value) -> Value:
        """Return *value*, coerced to the type. Raises EvaluationFailed if it is of another."""
        return value if self.declared is None else self.declared.fit(value)


class ModelFunction(Protocol):
    """A function of a model that can be called by its name."""

    @property
    def name(self) -> str:
        """The name in FEEL and in invocations."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the order of a call."""

    def call(self, arguments: Mapping[str, Value], run: Run) -> Value:
        """Return the value for *arguments* that fit; a parameter without one is null."""


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """A function with a body in FEEL. The body sees the names around the definition, its parameters hide them."""

    parameters: tuple[Parameter, ...]
    body: Logic

    type: ClassVar[str] = "FUNCTION_DEFINITION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the function as a FEEL value."""
        del trace

        def call(arguments: Mapping[str, Value]) -> Value:
            return self.body.evaluate(Layer(arguments, scope), run, Trace())

        return _feel_function(self.parameters, call)


@dataclass(frozen=True, slots=True)
class KnowledgeModel:
    """A function that decisions share, called by an invocation or by its *name* in FEEL.

    *requires* are the functions that its logic may call by name. A *recursive* model may call itself.
    """

    id: str
    name: str
    parameters: tuple[Parameter, ...]
    logic: Logic
    requires: tuple[ModelFunction, ...]
    is_recursive: bool = False

    def call(self, arguments: Mapping[str, Value], run: Run) -> Value:
        """Return the value of the logic for *arguments*; a parameter without one is null.

        Beside them the logic sees the variables of the request, but nothing of the decision that calls.
        """
        known = (self, *self.requires) if self.is_recursive else self.requires
        bound = {each.name: None for each in self.parameters} | dict(arguments)
        trace = Trace()
        value = self.logic.evaluate(Layer(bound, run.variables, functions(known, run)), run, trace)
        run.note_repeatable(
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


@dataclass(frozen=True, slots=True)
class DecisionService:
    """Decisions as a function: the *outputs*, ids of decisions, are evaluated with the arguments in place of their inputs.

    The first parameters stand for input data, the last for the decisions with the ids *input_decisions*.
    """

    id: str
    name: str
    parameters: tuple[Parameter, ...]
    input_decisions: tuple[str, ...]
    outputs: tuple[str, ...]

    def call(self, arguments: Mapping[str, Value], run: Run) -> Value:
        """Return the value of the output decision; if there are several, a context by their names."""
        return run.serve(self.id, {each.name: arguments.get(each.name) for each in self.parameters})


def functions(known: Sequence[ModelFunction], run: Run) -> dict[str, feel.Function]:
    """Return the functions that are *known* as values of FEEL, by name."""
    return {each.name: _of_model(each, run) for each in known}


def _of_model(function: ModelFunction, run: Run) -> feel.Function:
    return _feel_function(function.parameters, lambda arguments: function.call(arguments, run))


def _feel_function(parameters: tuple[Parameter, ...], call: Callable[[Mapping[str, Value]], Value]) -> feel.Function:
    """Return a FEEL function that gives null for an argument of the wrong type."""

    def invoke(*values: Value) -> Value:
        try:
            arguments = {each.name: each.fit(value) for each, value in zip(parameters, values, strict=True)}
        except EvaluationFailed:
            return None
        try:
            return call(arguments)
        except EvaluationFailed as failed:
            raise feel.EvaluationFailed(str(failed)) from None

    return feel.Function(tuple(each.name for each in parameters), invoke)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of a function of the model with named arguments."""

    function: ModelFunction
    bindings: tuple[tuple[str, Logic], ...]

    type: ClassVar[str] = "INVOCATION"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the value of the function for the values of the bindings. A binding without a parameter is ignored."""
        del trace
        arguments = {name: logic.evaluate(scope, run, Trace()) for name, logic in self.bindings}
        for each in self.function.parameters:
            if each.name in arguments:
                arguments[each.name] = each.fit(arguments[each.name])
        return self.function.call(arguments, run)
