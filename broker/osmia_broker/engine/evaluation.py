"""Evaluate an expression for a caller, as if it stood in a model."""

from typing import Any

import msgspec

from osmia_broker import feel
from osmia_broker.engine.answers import EvaluatedExpression
from osmia_broker.engine.batch_commands import EvaluateExpression
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.engine import handles
from osmia_broker.engine.expressions import GlobalScope, VariableScope
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import InvalidArgument, NotFound
from osmia_broker.model.expressions import UnreadableExpression
from osmia_broker.model.expressions import feel as compile_feel


class _Overlaid:
    """The variables of the request over those of a scope."""

    __slots__ = ("_inner", "_variables")

    def __init__(self, variables: Variables, inner: VariableScope | GlobalScope) -> None:
        self._variables = variables
        self._inner = inner

    def __getitem__(self, name: str) -> Any:
        value = self._variables.get(name)
        return self._inner[name] if value is None else msgspec.Raw(value.encode())


@handles(EvaluateExpression)
def evaluate_expression(turn: Turn, command: EvaluateExpression) -> EvaluatedExpression:
    """Evaluate an expression; without a leading `=` it is a text that means itself."""
    if not command.expression.startswith("="):
        return EvaluatedExpression(msgspec.json.encode(command.expression).decode(), ())
    try:
        expression = compile_feel(command.expression[1:])
    except UnreadableExpression as fault:
        raise InvalidArgument(f"failed to parse expression '{fault.text}': {fault}") from fault
    result = expression.evaluate(_Overlaid(command.variables, _scope(turn, command.scope_key)), turn.now)
    if result.failure is not None:
        raise InvalidArgument(result.failure)
    warnings = tuple(f"[{warning.type}] {warning.message}" for warning in result.warnings)
    return EvaluatedExpression(feel.to_json(result.value), warnings)


def _scope(turn: Turn, key: int) -> VariableScope | GlobalScope:
    if not key:
        return GlobalScope(turn)
    element = turn.find_element(key)
    if element is None:
        raise NotFound(f"Expected to evaluate an expression in the scope with key '{key}', but no such scope was found")
    return VariableScope(turn, key)
