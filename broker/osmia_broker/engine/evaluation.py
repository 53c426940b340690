"""Read for a caller what an expression may read. The evaluation itself is not done here: it may take a second, and all others would wait."""

from contextlib import suppress
from typing import Any

from osmia_broker.base.errors import NotFound
from osmia_broker.engine.answers import SeenScope
from osmia_broker.engine.commands import ReadScope
from osmia_broker.engine.engine import handles
from osmia_broker.engine.expressions import GlobalScope, VariableScope
from osmia_broker.engine.turn import Turn


@handles(ReadScope)
def read_scope(turn: Turn, command: ReadScope) -> SeenScope:
    """Return the values of the names that are there."""
    scope = _scope(turn, command.scope_key)
    values: dict[str, Any] = {}
    for name in command.names:
        with suppress(KeyError):
            values[name] = scope[name]
    return SeenScope(values, turn.now, turn.budget.expression_s)


def _scope(turn: Turn, key: int) -> VariableScope | GlobalScope:
    if not key:
        return GlobalScope(turn)
    element = turn.find_element(key)
    if element is None:
        raise NotFound(f"Expected to evaluate an expression in the scope with key '{key}', but no such scope was found")
    return VariableScope(turn, key)
