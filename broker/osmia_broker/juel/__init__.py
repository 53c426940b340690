"""JUEL, the `${…}` expressions of the Activiti dialect: compile a text once, evaluate it often.

    >>> order = compile("Order ${n + 1} for ${who.name}")
    >>> sorted(order.names)
    ['n', 'who']
    >>> order.evaluate({"n": 1, "who": {"name": "Ada"}}).value
    'Order 2 for Ada'

The package is pure: no I/O, no clock, no knowledge of the engine. Values are JSON values with `decimal.Decimal` for numbers
that are not whole. Method calls are refused when a text is compiled, so an expression can read its variables and nothing else.
"""

from osmia_broker.juel.errors import ParseError
from osmia_broker.juel.expression import Expression, Result, compile  # noqa: A004  # juel.compile, as re.compile
from osmia_broker.juel.values import Scope, Value, describe, to_text

__all__ = ["Expression", "ParseError", "Result", "Scope", "Value", "compile", "describe", "to_text"]
